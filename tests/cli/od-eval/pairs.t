#!/usr/bin/env bash
# od-eval pairs: three ways to the same numbers, summaries, comparisons, bad input.
. tests/cli/lib.sh

for seed in 1 2; do
	python3 tests/fixtures/make_model.py "$T/m$seed" --seed $seed > /dev/null || skip_all "no model fixture"
	python3 tests/fixtures/make_tokenizer.py "$T/m$seed" --template chatml > /dev/null
done
head -20 examples/pairs.jsonl > "$T/pairs"
E="$BIN/od-eval"
"$BIN/od-ref" -q --model "$T/m1" "$T/pairs" > "$T/ref"

run_tool "$E" pairs --model "$T/m2" "$T/ref"
exit_is 0 "a model against the records' reference"
cp "$T/out" "$T/items2"
numbers() { sed 's/,"run":.*//' "$1"; }   # items but for how they were made
is "$(wc -l < "$T/items2")" 20 "a line a pair"
is "$(jq -c '.run | [.benchmark, .objective, .beta]' "$T/items2" | uniq)" '["pairs","omni",2]' "which says how it was made"
is "$(jq -r .id "$T/items2" | tr '\n' ' ')" "$(jq -r .id "$T/pairs" | tr '\n' ' ')" "in input order"
like "$err" $'20 pairs, objective omni\n.*mean +std\\. error +items\n +loss ' "a table on standard error"

run_tool "$E" pairs -q --model "$T/m2" --ref-model "$T/m1" "$T/pairs"
is "$(numbers "$T/out")" "$(numbers "$T/items2")" "a reference model gives the same bytes"
is "$err" "" "--quiet"
"$BIN/od-ref" -q --model "$T/m2" --prefix policy "$T/ref" | "$E" pairs -q > "$T/stored"
is "$(numbers "$T/stored")" "$(numbers "$T/items2")" "log-probs in the records give the same bytes"
run_tool "$E" pairs -q --model "$T/m2" --batch-tokens 64 "$T/ref"
ok "so do other batches" cmp "$T/out" "$T/items2"
"$BIN/od-ref" -q --model "$T/m2" --prefix policy "$T/ref" | "$BIN/od-inspect" weights --json > "$T/weights"
is "$(jq -c '[.loss,.w_qual,.w_perf,.z,.gate,.nll]' "$T/items2")" "$(jq -c '[.loss,.w_qual,.w_perf,.z,.gate,.nll]' "$T/weights")" "losses and weights are od-inspect's"

run_tool "$E" pairs --model "$T/m2" --summary - "$T/ref"
exit_is 0 "--summary -"
cp "$T/out" "$T/summary"
is "$(jq -c '[.benchmark,.pairs,.objective,.metrics.margin.n]' "$T/summary")" '["pairs",20,"omni",20]' "the summary's head"
is "$err" "" "no table beside it"
mean() { jq -s --arg k "$1" 'map(.[$k]) | add/length' "$T/items2"; }
near() { jq -ne --argjson a "$1" --argjson b "$2" '($a - $b | fabs) <= 1e-9 * (1 + ($b | fabs))' > /dev/null; }
for k in loss margin accuracy reward_accuracy change_chosen change_rejected; do
	ok "mean of $k" near "$(jq ".metrics.$k.mean" "$T/summary")" "$(mean $k)"
done
se=$(jq -s 'map(.loss) | (add/length) as $m | length as $n | (map((. - $m) * (. - $m)) | add / ($n - 1) / $n | sqrt)' "$T/items2")
ok "standard error of the loss" near "$(jq .metrics.loss.se "$T/summary")" "$se"
run_tool "$E" pairs -q --model "$T/m1" --items "$T/items1" --summary "$T/s1" "$T/ref"
is "$out" "" "--items and --summary leave standard output alone"
is "$(jq -c '.metrics|[.z.mean,.margin.mean,.change_chosen.mean,.reward_accuracy.mean]' "$T/s1")" '[0,0,0,0]' "policy = reference: nothing has moved"

run_tool "$E" pairs --compare "$T/items1,$T/items2" --summary "$T/cmp"
exit_is 0 "--compare of two item files"
like "$out" $'^20 items\n.*95 % interval' "a table on standard output"
like "$out" 'equal in every item: .*w_qual' "what did not change"
ok "the mean difference" near "$(jq .compare.metrics.margin.diff "$T/cmp")" "$(mean margin)"
is "$(jq -c '.compare.metrics.margin|[.up+.down+.same,(.low<=.diff and .diff<=.high),(.p>0 and .p<=1)]' "$T/cmp")" '[20,true,true]' "counts, interval, p"
run_tool "$E" pairs --compare "$T/m1,$T/m2" --summary - "$T/ref"
exit_is 0 "--compare of two models"
is "$(jq -c .compare "$T/out")" "$(jq -c .compare "$T/cmp")" "the same numbers"
shuf --random-source=<(yes) "$T/items2" | head -15 > "$T/some"
run_tool "$E" pairs --compare "$T/items1,$T/some" --summary "$T/cmp"
is "$(jq -c '.compare|[.items,.only_a,.only_b]' "$T/cmp")" '[15,5,0]' "items are matched by id"
like "$err" "5 items only in" "what is left out is said"

for o in dpo simpo sft focal-dpo dpo-ln; do
	run_tool "$E" pairs -q --model "$T/m2" --objective $o --summary - "$T/ref"
	is "$(jq -r .objective "$T/out"),$rc" "$o,0" "objective $o"
done
run_tool "$E" pairs -q --model "$T/m2" --objective sft --summary - <(jq -c '{prompt,chosen}' "$T/pairs")
exit_is 0 "records without a rejected side, for sft"
is "$(jq -c '[.metrics.loss.n,.metrics.accuracy.n]' "$T/out")" '[20,0]' "what they cannot tell is not counted"

# Rules are those of the reference.
"$BIN/od-ref" -q --model "$T/m1" --header scored "$T/pairs" > "$T/scored"
run_tool "$E" pairs -q --model "$T/m1" --summary - "$T/scored"
is "$(jq -c '[.metrics.z.mean,.metrics.change_chosen.mean]' "$T/out"),$rc" '[0,0],0' "untold rules are taken from the records"

bad() { # EXIT REGEX NAME ARGUMENT...
	local code=$1 regex=$2 name=$3
	shift 3
	run_tool "$E" pairs -q "$@"
	exit_is "$code" "$name"
	like "$err" "^od-eval: .*$regex" "$name: the reason"
	one_line "$err" "$name: one line"
}
bad 3 "--header scored, here it is masked" "other rules" --model "$T/m1" --header masked "$T/scored"
bad 3 "field 'ref_chosen_logps' is missing.*--ref-model" "no reference" --model "$T/m1" "$T/pairs"
bad 3 "field 'policy_chosen_logps' is missing.*--model" "no policy" "$T/ref"
bad 3 "record 'ex-001': field 'score_chosen' is missing" "no scores" --model "$T/m1" <(jq -c 'del(.score_chosen)' "$T/ref")
bad 3 "made over .* tokens" "counts of another pass" --model "$T/m1" <(jq -c '.chosen_tokens += 1' "$T/ref")
python3 tests/fixtures/make_tokenizer.py "$T/m2" 300 --template chatml > /dev/null
bad 3 "another tokenizer" "another tokenizer" --model "$T/m2" "$T/ref"
bad 3 "tokenizers differ" "two models with different tokenizers" --compare "$T/m1,$T/m2" "$T/ref"
bad 1 "nothing" "no such model" --model "$T/nothing" "$T/ref"
bad 2 "needs two names" "--compare of one" --compare "$T/items1"
bad 2 "two item files or two model" "--compare of a file and a model" --compare "$T/items1,$T/m1"
bad 2 "without '--model'" "--compare with --model" --compare "$T/items1,$T/items2" --model "$T/m1"
bad 2 "needs '--model'" "--ref-model alone" --ref-model "$T/m1" "$T/ref"
bad 3 "no item in common" "items of other records" --compare "$T/items1,"<(sed 's/"ex-/"other-/' "$T/items2")
bad 3 "no item has a number" "items that are none" --compare "$T/items1,"<(echo '{"id":"x"}')
bad 3 "" "empty input" --model "$T/m1" /dev/null
run_tool "$E" pairs -q --skip-bad --model "$T/m1" --summary - <(jq -c 'if .id == "ex-003" then del(.score_chosen) else . end' "$T/ref")
exit_is 4 "--skip-bad"
is "$(jq -c '[.pairs,.skipped]' "$T/out")" '[19,1]' "the others are measured"
run_tool "$E" pairs -q --model "$T/m1" --summary - <(jq -c 'if .id == "ex-003" then .rejected = .chosen else . end' "$T/ref")
exit_is 0 "identical responses are left out by policy"
is "$(jq -c '[.pairs,.dropped.identical]' "$T/out")" '[19,1]' "and counted"
("$E" pairs -q --model "$T/m1" "$T/ref" > /dev/full) 2> "$T/err"; is $? 1 "a full disk is noticed"
run_tool "$E" nonsense
exit_is 2 "unknown benchmark"
like "$err" "unknown command 'nonsense': not one of .*pairs" "those there are"
done_testing
