#!/usr/bin/env bash
# examples/arith in little: the world, its expert, and the whole way from nothing to a table. It shows that all of it runs and is
# put together rightly; so few updates teach a model nothing.
. tests/cli/lib.sh

command -v "${CC:-cc}" > "$T/null" && command -v jq > "$T/null" || skip_all "needs a C compiler and jq"
A=examples/arith
tiny() { # TARGET...: the example with a few records and updates, everything below $T/b
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C $A B="$T/b" BIN="$(cd "$BIN" && pwd)" CC="${CC:-cc}" JOBS=2 SEEDS=2 LEVELS=1-2 N_SFT=400 N_PROMPTS=40 N_VALID=20 N_TEST=30 K=4 \
		SFT='--steps 30 --batch 16 --lr 3e-3' LRS='1e-4 1e-3' METHODS='sft dpo simpo omni omni-no-qual' SWEEPS=gamma SWEEP.gamma='0 3' "$@"
}

# The world.
run_tool tiny "$T/b/bin/gen" "$T/b/bin/step_expert" "$T/b/sft.jsonl" "$T/b/valid.jsonl" "$T/b/test.jsonl" "$T/b/prompts.jsonl"
exit_is 0 "the generator is built and runs"
is "$err" "" "without a warning"
gen=$T/b/bin/gen
for s in sft pairs valid test; do "$gen" $s 2000 --levels 1-2 --seed 5; done > "$T/all"
"$gen" sft 2000 --levels 1-2 --seed 6 >> "$T/all"
is "$(jq -r '.prompt + " " + (.id | split("-")[0])' "$T/all" | sort -u | cut -d' ' -f1 | uniq -d)" "" \
	"no problem is in two splits, whatever the seed"
is "$(head -n 8000 "$T/all" | jq -r .prompt | sort | uniq -d)" "" "none comes twice"
is "$(jq -c '[.prompt, .answer] | select((.[0] | test("^[0-9]{2}([-+*][2-9]){1,2}[?]$") | not) or (.[1] | test("^[0-9]{2}$") | not))' "$T/all")" "" \
	"problems and answers have their form"
is "$(jq -r '[.prompt, .answer] | @tsv' "$T/all" | python3 -c '
import re, sys
for line in sys.stdin:
    prompt, answer = line.split()
    n = re.findall(r"[-+*]|\d+", prompt)
    x = int(n[0])
    for op, k in zip(n[1::2], n[2::2]): x = {"+": x + int(k), "-": x - int(k), "*": x * int(k)}[op] % 100
    if x != int(answer): print(line)')" "" "answers are right"
"$gen" sft 500 --levels 3-6 --careful 1 --careful-wrong 0 > "$T/careful"
is "$(jq -r 'select(.wrong_steps != 0 or (.chosen | test("^([0-9]{2}[-+*][0-9]:[0-9]{2},[0-9]{2}=[0-9]{2};)+#[0-9]{2}$") | not) or (.chosen[-2:] != .answer))' "$T/careful")" \
	"" "careful solutions without mistakes end in the answer"
"$gen" sft 500 --levels 3-6 --seed 3 > "$T/mixed"
like "$(jq -s 'map(select(.wrong_steps > 0)) | length' "$T/mixed")" '^(9[0-9]|1[0-9][0-9]|2[0-4][0-9])$' "a share of the solutions has mistakes"
cmp -s <("$gen" sft 50 --seed 3) <("$gen" sft 50 --seed 3)
is $? 0 "the same seed gives the same problems"
run_tool "$gen" sft 100000 --levels 1-1
exit_is 1 "more problems than there are: exit 1"
like "$err" "there are not 100000 problems" "and why"
for bad in "" "sft" "sft 0" "other 5" "sft 5 --levels 6-3" "sft 5 --careful 2" "sft 5 --seed x" "sft 5 --what 1" "sft 5 --seed"; do
	# shellcheck disable=SC2086
	run_tool "$gen" $bad
	exit_is 2 "gen $bad: exit 2"
done

# Its expert, sure of itself: a mistake counts against all that follows.
ask() { # PROMPT RESPONSE
	jq -nc --arg p "$1" --arg r "$2" '{prompt: $p, response: $r}' | "$T/b/bin/step_expert" --sd 0 --bias 0 | jq -c '.score // .error'
}
is "$(ask '25+7*4?' '25+7=32;32*4:08,12=28;#28')" 9 "a right solution"
is "$(ask '25+7*4?' '25+7=32;32*4:08,13=28;#28')" 5 "a mistake in the working of the last step"
is "$(ask '25+7*4?' '25+7=33;33*4=32;#32')" 1 "a mistake in the first step"
is "$(ask '25+7*4?' '25+7=32;32*4=28;#29')" 4.5 "an answer that does not follow"
is "$(ask '25+7*4?' '25+7=32;32*4=28;')" 4.5 "no answer"
is "$(ask '25+7*4?' '25+7=32;')" 2.5 "a step is missing"
is "$(ask '25+7*4?' '')" 0.5 "nothing"
is "$(ask '25+7*4?' '25*7=75;75+4=79;#79')" 1 "other operations"
is "$(ask 'hello' '25+7=32;#32')" '"not a problem of the arithmetic world"' "another world"
is "$(jq -c '{prompt, response: .chosen, wrong_steps}' "$T/mixed" | "$T/b/bin/step_expert" --sd 0 --bias 0 | paste -d' ' <(jq .wrong_steps "$T/mixed") - |
	grep -cE '^0 \{"score":9\.0000\}|^[1-9][0-9]* \{"score":[1-8]\.')" 500 "it finds the generator's mistakes, and no others"
noisy() { jq -c '{prompt, response: .chosen}' "$T/mixed" | "$T/b/bin/step_expert" "$@"; }
is "$(noisy | cksum)" "$(noisy | cksum)" "its errors are the same every time"
ok "and differ by seed" test "$(noisy | cksum)" != "$(noisy --seed 1 | cksum)"

# The whole way.
[ -x "$BIN/od-sample" ] && [ -x "$BIN/od-pair" ] || { skip 1 "od-sample or od-pair is not built"; done_testing; }
run_tool tiny table
exit_is 0 "make table: exit 0"
like "$out" '\| omni \|' "it shows the table"
is "$(jq -sc 'map(.method) | sort' "$T/b/table.jsonl")" '["dpo","gamma@0","gamma@3","omni","omni-no-qual","sft","simpo","start"]' "a row a method"
is "$(jq -sc 'map(.seeds) | unique' "$T/b/table.jsonl")" '[2]' "over all seeds"
is "$(jq -c 'select(.mean < 0 or .mean > 1 or .n != 30 or (.se | type) != "number" or .tokens < 1)' "$T/b/table.jsonl")" "" "its numbers are sane"
is "$(jq -s 'map(select(.method == "gamma@3"))[0].by_seed == (map(select(.method == "omni"))[0] | .by_seed) or (map(select(.method == "omni"))[0].lr != "2e-4")' \
	"$T/b/table.jsonl")" true "a point of a sweep at omni's settings is omni"
is "$(cat "$T/b"/s*/omni/*/test.jsonl | grep -v '^{"od_' | jq -c 'select(.responses | length != 1)')" "" "one greedy answer a problem"
is "$(grep -v '^{"od_' "$T/b/s1/candidates.jsonl" | jq -c 'select((.responses | length != 4) or any(.responses[]; (.score | type) != "number" or (.correct | type) != "boolean"))')" \
	"" "every candidate is checked and scored"
is "$(grep -v '^{"od_' "$T/b/s1/train.jsonl" | jq -c 'select(.score_chosen <= .score_rejected or .ref_chosen_logps >= 0)')" "" "pairs are scored and have a reference"
is "$(cat "$T/b/s1/train.jsonl" "$T/b/s1/held.jsonl" | grep -v '^{"od_' | jq -r .id | sort | uniq -d)" "" "held-out pairs are others"
ok "trained models differ from their start" bash -c "! cmp -s '$T/b/s1/start/-/model/model.safetensors' '$T/b/s1/dpo/1e-3/model/model.safetensors'"
if command -v gnuplot > "$T/null"; then
	for f in runs margins sweeps curve weights; do ok "$f.svg is drawn" grep -q '<svg' "$T/b/$f.svg"; done
fi
is "$(wc -l < "$T/all")" 10000 "as many as were asked for"
run_tool tiny table
unlike "$out" 'seed [12]:' "nothing is trained a second time"
done_testing
