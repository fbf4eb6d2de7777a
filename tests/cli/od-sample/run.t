#!/usr/bin/env bash
# Responses to prompts: what records gain, and what changes nothing.
. tests/cli/lib.sh

python3 tests/fixtures/make_tokenizer.py "$T/model" 320 --template chatml >/dev/null
python3 tests/fixtures/make_model.py "$T/model" --vocab 320 --positions 512 >/dev/null
head -n 6 examples/pairs.jsonl >"$T/in"
sample() { "$BIN/od-sample" -q --threads 1 --model "$T/model" "$@"; }

run_tool sample -k 3 --max-tokens 12 --seed 4 --ids "$T/in"
exit_is 0 "three responses a prompt"
cp "$T/out" "$T/base"
is "$(wc -l <"$T/base")" 6 "every record comes out"
is "$(jq -c 'del(.responses, .sample)' "$T/base" | md5sum)" "$(jq -c . "$T/in" | md5sum)" "in order, with what it had"
is "$(jq -r '.responses | length' "$T/base" | sort -u)" 3 "with three responses"
is "$(jq -r '.responses[] | keys | join(" ")' "$T/base" | sort -u)" "finish_reason ids text tokens" "each with its text, tokens and end"
XX "" \
    "tokens are counted, and cut at the limit"
is "$(jq -r '.sample | .format + " " + .template + " " + (.seed | tostring) + " " + (.temperature | tostring)' "$T/base" | sort -u)" \
    "chat chatml 4 1" "the sample block says how"
ok "samples differ" test "$(jq -r '.responses[].text' "$T/base" | sort -u | wc -l)" -gt 12

same() { # NAME OPTION...: the same responses
    local name=$1
    shift
    run_tool sample -k 3 --max-tokens 12 --seed 4 --ids "$@"
    is "$(jq -c '[.id, .responses]' "$T/out" | sort | md5sum)" "$(jq -c '[.id, .responses]' "$T/base" | sort | md5sum)" "$name"
}
same "one at a time, the same" --batch 1 "$T/in"
same "a small cache, the same" --cache-tokens 400 "$T/in"
same "two threads, the same" --threads 2 "$T/in"
same "a small window, the same" --window 1 "$T/in"
same "backwards, the same" <(tac "$T/in")
same "through a pipe, the same" <"$T/in"
same "other fields, the same" <(jq -c '.more = 1' "$T/in")

sample -k 2 --max-tokens 12 --seed 4 --ids "$T/in" >"$T/two"
is "$(jq -c '.responses' "$T/two" | md5sum)" "$(jq -c '.responses[:2]' "$T/base" | md5sum)" "the first two of three are the two of two"
for i in 0 1; do sample -k 3 --max-tokens 12 --seed 4 --ids --shard $i/2 "$T/in"; done >"$T/shards"
is "$(jq -c '[.id, .responses]' "$T/shards" | sort | md5sum)" "$(jq -c '[.id, .responses]' "$T/base" | sort | md5sum)" "shards make the whole"
run_tool sample -k 3 --max-tokens 12 --seed 5 --ids "$T/in"
ok "another seed, other responses" test "$(jq -c '.responses' "$T/out" | md5sum)" != "$(jq -c '.responses' "$T/base" | md5sum)"

# Greedy: a prefix of a longer greedy response, without a tie to the seed.
sample --temperature 0 --max-tokens 20 --seed 1 "$T/in" >"$T/long"
sample --temperature 0 --max-tokens 5 --seed 2 "$T/in" >"$T/short"
is "$(jq -s '[.[].responses[0].text] | length' "$T/long")" 6 "greedy responses"
paste -d '\n' <(jq -c '.responses[0].text' "$T/short") <(jq -c '.responses[0].text' "$T/long") | jq -s -c \
    '[range(0; length; 2) as $i | .[$i] as $s | .[$i + 1] | startswith($s | rtrimstr("�"))] | all' >"$T/prefix"
is "$(cat "$T/prefix")" true "a shorter limit cuts the same response"

# Where responses end.
text=$(jq -r 'select(.id == "'"$(jq -r .id "$T/in" | head -n 1)"'") | .responses[0].text' "$T/long")
piece=$(printf '%s' "$text" | head -c 400 | LC_ALL=C tr -d '\n,\\\200-\377' | cut -c 3-4)
run_tool sample --temperature 0 --max-tokens 20 --stop "$piece" -n 1 "$T/in"
exit_is 0 "a stop text"
is "$(jq -r '.responses[0].finish_reason' "$T/out")" stop "ends a response"
unlike "$(jq -r '.responses[0].text' "$T/out")" "$(printf '%s' "$piece" | sed 's/[][\.*^$?+(){}|]/\\&/g')" "and is not in it"
run_tool sample --max-tokens 400 --batch 4 -n 2 "$T/in"
exit_is 0 "up to the model's positions"
run_tool sample --ignore-end --max-tokens 40 "$T/in"
is "$(jq -r '.responses[0] | "\(.tokens) \(.finish_reason)"' "$T/out" | sort -u)" "40 length" "--ignore-end goes to the limit"

# Prompts.
echo '{"problem":"1+1?","answer":"2"}' >"$T/problem"
run_tool sample --max-tokens 4 --format math-suffix "$T/problem"
exit_is 0 "a problem"
is "$(jq -c '[.prompt, .answer]' "$T/out")" '["1+1?","2"]' "becomes the prompt"
run_tool sample --max-tokens 4 --prompt-field a.b <<<'{"a":{"b":[{"role":"user","content":"x"}]}}'
is "$(jq -c .prompt "$T/out")" '[{"role":"user","content":"x"}]' "--prompt-field names it, messages too"
run_tool sample --max-tokens 4 --format raw <<<'{"prompt":"once"}'
exit_is 0 "a raw prompt"
is "$(jq -r .sample.format "$T/out")" raw "is said to be one"
run_tool sample --max-tokens 4 --format qwen25-math-cot "$T/problem"
is "$(jq -r .sample.template "$T/out")" qwen25-math "the math template"
run_tool sample --max-tokens 4 --ids --temperature 0 --format qwen25-math-cot-step "$T/problem"
is "$(jq -c .sample.format "$T/out")" '"qwen25-math-cot-step"' "the same with its sentence"
jq -c '.problem += " Let\u0027s think step by step and output the final answer within \\boxed{}"' "$T/problem" >"$T/asked"
is "$(jq -c .responses "$T/out")" "$(sample --max-tokens 4 --ids --temperature 0 --format qwen25-math-cot "$T/asked" | jq -c .responses)" \
    "is the prompt with that sentence behind it"
run_tool sample --max-tokens 4 --replace "$T/base"
exit_is 0 "--replace"
is "$(jq -r '.responses | length' "$T/out" | sort -u)" 1 "replaces responses"

# A NUL that the model says is no text.
nul=$(jq '.model.vocab["Ā"]' "$T/model/tokenizer.json")
run_tool sample -k 200 --max-tokens 30 --ids -n 1 "$T/in"
ok "a NUL was drawn" test "$(jq --argjson nul "$nul" '[.responses[] | select(.ids | index($nul))] | length' "$T/out")" -gt 0
unlike "$out" 'u0000' "and is not in the record"
run_tool "$BIN/od-inspect" stream -q --check "$T/out"
unlike "$err" "NUL|ALLOW" "which can be read"

OD_FRAMED=1 sample --max-tokens 2 "$T/in" >"$T/framed"
like "$(head -n 1 "$T/framed")" od_stream "a framed stream opens"
is "$(tail -n 1 "$T/framed" | jq .od_end.records)" 6 "and closes"
"$BIN/od-sample" --threads 1 --model "$T/model" --max-tokens 3 "$T/in" 2>"$T/note" >/dev/null
like "$(cat "$T/note")" '6 prompts, 6 responses of [0-9.]+ tokens on average; [0-9]+ ended, [0-9]+ cut at the limit' "a note sums it up"
done_testing
