# One run on one split: jq -s --arg seed N --arg method M --arg lr X --arg split S, from greedy answers that od-score verify has checked.
def mean: if length == 0 then null else add / length end;
def share(f): map(if f then 1 else 0 end) | mean;
def count($what): [scan($what)] | length;

[.[] | select(.responses) | {level, answer: .responses[0]}]
| {seed: ($seed | tonumber), method: $method, lr: $lr, split: $split, n: length,
   correct: share(.answer.correct),
   levels: (group_by(.level) | map({key: "\(.[0].level)", value: share(.answer.correct)}) | from_entries),
   tokens: (map(.answer.tokens) | mean),
   careful: ((map(.answer.text | count(":")) | add) / ([(map(.answer.text | count("=")) | add), 1] | max)),
   cut: share(.answer.finish_reason == "length")}
