# Rows of the table, a line each, from all results: jq -sc. A method's learning rate is the one with the best mean on the validation
# problems; what is reported is of the test problems. diff: the same seeds' difference from DPO. Names with "@" are points of a sweep.
def mean: add / length;
def se: if length < 2 then null else mean as $m | (map((. - $m) * (. - $m)) | add) / (length - 1) / length | sqrt end;
def over(f): map(f) | {mean: mean, se: se};
def by_seed: map({key: "\(.seed)", value: .correct}) | from_entries;
def levels: . as $runs | $runs[0].levels | keys | map(. as $l | {key: $l, value: ($runs | map(.levels[$l]) | mean)}) | from_entries;

group_by(.method)
| map(group_by(.lr)
	| map({method: .[0].method, lr: .[0].lr,
	       valid: (map(select(.split == "valid") | .correct) | if length > 0 then mean else null end),
	       test: map(select(.split == "test"))})
	| . as $rates
	| max_by(.valid)
	| . + {rates: ($rates | map({key: .lr, value: .valid}) | from_entries)})
| (map(select(.method == "dpo")) | first | .test // [] | by_seed) as $dpo
| .[]
| .test as $runs
| {method, lr, seeds: ($runs | length), n: $runs[0].n} + ($runs | over(.correct)) +
  {levels: ($runs | levels), tokens: ($runs | map(.tokens) | mean), careful: ($runs | map(.careful) | mean),
   cut: ($runs | map(.cut) | mean), by_seed: ($runs | by_seed),
   diff: ($runs | map(select($dpo["\(.seed)"]) | .correct - $dpo["\(.seed)"]) | if length > 0 then {mean: mean, se: se} else null end),
   valid, rates}
