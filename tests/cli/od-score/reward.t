#!/usr/bin/env bash
# od-score prm, armorm and rm on small random models: what is added, that it does not depend on what was scored together, and what
# is refused.
. tests/cli/lib.sh

S=$BIN/od-score
make_prm() { # DIR OPTION...
	local dir=$1
	shift
	python3 tests/fixtures/make_model.py "$dir" --family qwen2 --head prm --positions 400 "$@"
	python3 tests/fixtures/make_tokenizer.py "$dir" --template chatml --pattern qwen2 --special '<extra_0>'
}
make_prm "$T/prm"
make_armorm() {
	local dir=$1
	shift
	python3 tests/fixtures/make_model.py "$dir" --head armorm --untied "$@"
	python3 tests/fixtures/make_tokenizer.py "$dir" --template llama3 --pattern llama3
}
make_armorm "$T/armorm"
for family in llama qwen2 gemma2; do
	template=chatml
	[ $family = gemma2 ] && template=gemma2
	python3 tests/fixtures/make_model.py "$T/rm-$family" --family $family --head rm --head-dim 12
	python3 tests/fixtures/make_tokenizer.py "$T/rm-$family" --template $template --pattern qwen2
done
python3 tests/fixtures/make_model.py "$T/lm" --family qwen2
python3 tests/fixtures/make_tokenizer.py "$T/lm" --template chatml --special '<extra_0>'

cat > "$T/in" <<'END'
{"id":"a","prompt":"What is 3 + 4?","responses":[{"text":"Add them.\n\n3 + 4 = 7.\n\nThe answer is 7."},{"text":"It is 8."},{"text":"\n\nSeven\n\n"},{"text":"One\n\ntwo\n\n\n\nthree"}]}
{"id":"b","prompt":[{"role":"user","content":"Name a colour."}],"responses":[{"text":"Blue is a colour."},{"text":"An owl can fly."}]}
{"id":"c","prompt":"Say it.","chosen":"A good answer.\n\nIt is short.","rejected":"No."}
END

score() { # EXPERT OPTION...
	local expert=$1
	shift
	"$S" "$expert" -q --model "$T/$expert" "$@"
}

# ---- what is added

run_tool score prm "$T/in"
exit_is 0 "prm scores"
cp "$T/out" "$T/prm.out"
is "$(jq -c '[.responses[]?.step_scores | length]' "$T/out" | head -1)" '[3,1,3,4]' "a score for each step, empty ones too"
is "$(jq -s '[.[].responses[]? | .score == (.step_scores | min)] | all' "$T/out")" true "the solution's is the least"
is "$(jq -s '[.[].responses[]? | .first_error == ([.step_scores[] < 0.5] | index(true) // -1)] | all' "$T/out")" true \
	"first_error is the first below 0.5"
is "$(jq -s '[.[].responses[]?.step_scores[] | . > 0 and . < 1] | all' "$T/out")" true "steps are probabilities"
is "$(jq -s '.[2] | .score_chosen == (.chosen_step_scores | min) and (.rejected_step_scores | length) == 1' "$T/out")" true \
	"of a pair both sides"
is "$(jq -c '[.score.expert, .score.aggregate, .score.separator]' "$T/out" | head -1)" '["prm","min","\n\n"]' "the block says how"
score prm --aggregate product "$T/in" | jq -s '[.[].responses[]? | (.score - (reduce .step_scores[] as $s (1; . * $s)) | fabs) < 1e-9] | all' > "$T/product"
is "$(cat "$T/product")" true "--aggregate product"
is "$(score prm --aggregate mean "$T/in" | jq -s '[.[].responses[]? | (.score - (.step_scores | add / length) | fabs) < 1e-9] | all')" true \
	"--aggregate mean"
is "$(score prm --aggregate last "$T/in" | jq -s '[.[].responses[]? | .score == .step_scores[-1]] | all')" true "--aggregate last"
is "$(score prm --paper "$T/in" | jq -s '[.[].responses[]? | (.score - 10 * ((.step_scores | min) * 1000 | round) / 1000 | fabs) < 1e-9] | all')" true \
	"--paper rounds, then multiplies by ten"
is "$(score prm --paper "$T/in" | jq -c '.score.scale' | head -1)" '[10,0]' "and says so"
is "$(score prm --step-separator ' ' "$T/in" | jq '.responses[1].step_scores | length' | head -1)" 3 "--step-separator"

run_tool score armorm "$T/in"
exit_is 0 "armorm scores"
cp "$T/out" "$T/armorm.out"
is "$(jq -s '[.[].responses[]?.rewards | length == 19] | all' "$T/out")" true "19 rewards each"
is "$(jq -s '[.[].responses[]? | has("gating")] | any' "$T/out")" false "no gating unless asked for"
is "$(score armorm --gating "$T/in" | jq -c '.responses[]?.gating' | head -4 | sort -u | wc -l)" 1 "the gate reads the prompt alone"
run_tool "$S" armorm -q --model "$T/armorm" <<< '{"prompt":" What? ","responses":[{"text":" Yes.\n"}]}'
trimmed=$(jq '.responses[0].score' "$T/out")
run_tool "$S" armorm -q --model "$T/armorm" <<< '{"prompt":"What?","responses":[{"text":"Yes."}]}'
is "$(jq '.responses[0].score' "$T/out")" "$trimmed" "white space around a turn does not count"

for family in llama qwen2 gemma2; do
	run_tool "$S" rm -q --model "$T/rm-$family" "$T/in"
	exit_is 0 "rm scores: $family"
	is "$(jq -s '[.[].responses[]?.score] | unique | length' "$T/out")" 6 "each its own score: $family"
done
is "$(jq -r '.score.template' "$T/out" | head -1)" gemma2 "the template is recognised"

# ---- what it does not depend on

rest() { jq -c 'del(.score)' "$1"; }
for expert in prm armorm; do
	tail -n +3 "$T/in" > "$T/last"
	is "$(score $expert "$T/last" | jq -c 'del(.score)')" "$(rest "$T/$expert.out" | tail -1)" "$expert: a record alone has the same bits"
	jq -c '.responses[]? as $r | {prompt, responses: [$r]}' "$T/in" > "$T/singles"
	is "$(score $expert "$T/singles" | jq -c '.responses[0]')" "$(jq -c '.responses[]?' "$T/$expert.out")" \
		"$expert: and so has a response that shares its prompt with none"
	ok "$expert: nor does it depend on the batch" cmp -s <(score $expert --batch-tokens 16 "$T/in") "$T/$expert.out"
	ok "$expert: nor on the window" cmp -s <(score $expert --window 1 "$T/in") "$T/$expert.out"
	ok "$expert: nor on threads" cmp -s <(score $expert --threads 1 "$T/in") <(score $expert --threads 3 "$T/in")
	score $expert --dtype bf16 "$T/in" > "$T/bf16"
	far=$(paste <(jq '.responses[]?.score' "$T/$expert.out") <(jq '.responses[]?.score' "$T/bf16") |
		awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > m) m = d } END { print m + 0 }')
	ok "$expert: bf16 is near fp32 and not the same: $far" awk -v d="$far" 'BEGIN { exit !(d < 0.05 && d > 0) }'
	ok "$expert: bf16 does not depend on the batch either" cmp -s <(score $expert --dtype bf16 --batch-tokens 16 "$T/in") "$T/bf16"
	is "$(jq -r '.score.dtype' "$T/bf16" | head -1)" bf16 "$expert: and says what it is"
done

# ---- long solutions

long=$(printf 'The river carries the light. %.0s\\n\\n' {1..40})
run_tool score prm --max-length 200 <<< "{\"prompt\":\"Say it.\",\"responses\":[{\"text\":\"$long\"}]}"
exit_is 0 "a solution beyond the limit is cut"
is "$(jq -c '.responses[0].truncated' "$T/out")" true "and says so"
steps=$(jq '.responses[0].step_scores | length' "$T/out")
ok "with the steps that are left: $steps of 41" test "$steps" -gt 2 -a "$steps" -lt 41
# What is cut is what stands behind: a response that breaks off in another place gives the same.
run_tool score prm --max-length 200 <<< "{\"prompt\":\"Say it.\",\"responses\":[{\"text\":\"$long$long\"}]}"
is "$(jq '.responses[0].step_scores | length' "$T/out")" "$steps" "what is cut does not count"
run_tool score armorm --max-length 100 <<< "{\"prompt\":\"Say it.\",\"responses\":[{\"text\":\"$long\"}]}"
exit_is 3 "armorm refuses one"
like "$err" "responses.0: prompt and response are [0-9]+ tokens, and the limit is 100" "and says how long it is"
one_line "$err" "in one line"
run_tool score prm <<< "{\"prompt\":\"$long$long\",\"responses\":[{\"text\":\"yes\"}]}"
exit_is 3 "a prompt beyond the limit"
like "$err" "prompt of [0-9]+ tokens leaves no room for a step: the limit is 400" "is refused"

# ---- bad input

refused() { # NAME RECORD REGEX
	run_tool score prm <<< "$2"
	exit_is 3 "$1: exit 3"
	like "$err" "$3" "$1: told"
	one_line "$err" "$1: one line"
}
refused 'no steps' '{"prompt":"q","responses":[{"text":"fine"},{"text":""}]}' "responses.1: response is empty: it has no steps"
refused 'a step token in the text' '{"prompt":"q","responses":[{"text":"a<extra_0>b"}]}' "holds the text '<extra_0>'"
refused 'no prompt' '{"responses":[{"text":"a"}]}' "'prompt' is missing"
refused 'a role nobody knows' '{"prompt":[{"role":"tool","content":"x"}],"responses":[{"text":"a"}]}' "role 'tool'"
run_tool "$S" prm -q --skip-bad --model "$T/prm" "$T/in" - <<< '{"prompt":"q","responses":[{"text":""}]}'
exit_is 4 "a bad record among good ones"
is "$(wc -l < "$T/out")" 3 "the others are scored"
run_tool "$S" prm -q --unscored keep --model "$T/prm" <<< '{"prompt":"q","responses":[{"text":""},{"text":"a"}]}'
is "$(jq -c '[.responses[].score == null]' "$T/out")" '[true,false]' "--unscored keep keeps it without a score"

wrong() { # NAME CODE REGEX ARGUMENT...
	local name=$1 code=$2 regex=$3
	shift 3
	run_tool "$S" "$@" "$T/in"
	exit_is "$code" "$name: exit $code"
	like "$err" "$regex" "$name: told"
	one_line "$err" "$name: one line"
	is "$(wc -c < "$T/out")" 0 "$name: nothing written"
}
wrong 'no model' 2 '--model DIR is required' prm
wrong 'a language model' 3 'holds a language model \(Qwen2ForCausalLM\), and prm needs a process reward model' prm --model "$T/lm"
wrong 'a process reward model for armorm' 3 'and armorm needs a gated reward model' armorm --model "$T/prm"
wrong 'a gated model for rm' 3 'holds a gated reward model .* and rm needs a reward model of one number' rm --model "$T/armorm"
wrong 'no such directory' 1 'nowhere' prm --model "$T/nowhere"
make_prm "$T/headless" --without score.2.bias
wrong 'a tensor short' 3 "headless: tensor 'score.2.bias' is missing" prm --model "$T/headless"
make_armorm "$T/ungated" --without gating.layers.1.weight
wrong 'a gate short' 3 "tensor 'gating.layers.1.weight' is missing" armorm --model "$T/ungated"
python3 tests/fixtures/make_model.py "$T/labels" --head rm --labels 3
python3 tests/fixtures/make_tokenizer.py "$T/labels"
wrong 'three labels' 3 "'score.weight' has 3 labels; a reward has one" rm --model "$T/labels"
make_prm "$T/stepless"
python3 tests/fixtures/make_tokenizer.py "$T/stepless" --template chatml --pattern qwen2
wrong 'no step token' 3 "the tokenizer has no token '<extra_0>', which this kind of model needs" prm --model "$T/stepless"
make_armorm "$T/chatml"
python3 tests/fixtures/make_tokenizer.py "$T/chatml" --template chatml
wrong 'another tokenizer' 3 "no token '<\|eot_id\|>'" armorm --model "$T/chatml"
wrong 'beyond the positions' 2 "'--max-length' is 401, and .* has 400 positions" prm --model "$T/prm" --max-length 401
wrong 'an empty separator' 2 "'--step-separator' is empty" prm --model "$T/prm" --step-separator ''
wrong 'an unknown template' 2 "unknown chat template 'none'" rm --model "$T/rm-llama" --chat-template none
run_tool "$BIN/od-ref" -q --model "$T/rm-llama" <<< '{"prompt":"q","chosen":"a","rejected":"b"}'
exit_is 3 "od-ref refuses a reward model"
like "$err" "a reward model \(LlamaForSequenceClassification\) has no LM head" "and says why"

# A checkpoint may bring an LM head all the same; it is not looked at.
python3 - "$T/prm" "$T/both" <<'END'
import json, shutil, struct, sys
shutil.copytree(sys.argv[1], sys.argv[2])
raw = open(sys.argv[1] + "/model.safetensors", "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
header, data = json.loads(raw[8:8 + n]), raw[8 + n:]
header["lm_head.weight"] = {"dtype": "F32", "shape": [320, 48], "data_offsets": [len(data), len(data) + 320 * 48 * 4]}
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2] + "/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data + b"\x7f" * (320 * 48 * 4))
END
ok "an LM head beside the reward's is not looked at" cmp -s <("$S" prm -q --model "$T/both" "$T/in") "$T/prm.out"
done_testing
