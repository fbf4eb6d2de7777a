#!/usr/bin/env bash
# examples/recipes: each says what it needs, plans its stages in order with options that the tools have, and runs.
. tests/cli/lib.sh
command -v make > /dev/null || skip_all "make is not installed"

R=$PWD/examples/recipes
BIN=$(cd "$BIN" && pwd)
export BIN
unset MAKEFLAGS MFLAGS MAKELEVEL
recipe() { local name=$1; shift; make --no-print-directory -f "$R/$name/Makefile" "$@"; }
prompts() { seq 1 "$1" | awk '{ printf "{\"id\":\"p%d\",\"prompt\":\"%d + %d?\",\"answer\":\"%d\"}\n", $1, $1, $1, 2 * $1 }'; }
prompts 12 > "$T/prompts"
common=(MODEL=policy PRM=prm ARMORM=armorm PROMPTS="$T/prompts" OUT="$T/plan")
mkdir "$T/policy" && cd "$T" || exit 1

# ---- what is missing is named ----
for name in math chat iterative-dpo raft; do
	run_tool recipe $name
	exit_is 2 "$name without variables fails"
	like "$err" "MODEL= is missing; the head of .*$name/Makefile" "$name: what is missing is named"
	like "$(head -n 40 "$R/$name/Makefile")" $'\n'"#   make -f examples/recipes/$name/Makefile MODEL=DIR .*"$'\n'"# MODEL " "$name: and there it stands"
done

# ---- plans ----
stages() { sed -nE 's/^\{ (.*); \} <.*/\1/p; /od-train/p' | grep -oE '(^| )od-[a-z]+( (verify|prm|armorm))?' | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'; }
is "$(recipe math -n "${common[@]}" | stages)" "od-sample od-score verify od-score prm od-pair od-ref od-train" "math: its stages"
is "$(recipe chat -n "${common[@]}" | stages)" "od-sample od-score armorm od-pair od-ref od-train" "chat: its stages"
once="od-sample od-score verify od-pair od-ref od-train"
is "$(recipe iterative-dpo -n ITERATIONS=2 "${common[@]}" | stages)" "$once $once" "iterative-dpo: its stages, twice"
is "$(recipe iterative-dpo -n "${common[@]}" | grep -c od-train)" 7 "seven iterations"
like "$(recipe iterative-dpo -n ITERATIONS=2 "${common[@]}" | grep 'od-ref' | tail -n 1)" "--model $T/plan/1/model " "the second one's reference is the first one's model"
once="od-sample od-score verify od-pair od-train"
is "$(recipe raft -n ITERATIONS=2 "${common[@]}" | stages)" "$once $once" "raft: its stages, twice"
plan=$(recipe parallel -n NAME=math JOBS=3 "${common[@]}")
is "$(grep -c "CMD='od-.*' .*parallel/run" <<< "$plan")" 3 "parallel: sampling, scoring and reference are fanned out"
is "$(grep -cE '^od-train|od-pair' <<< "$plan")" 2 "parallel: pairs and training are not"

# Every option of every command is one the tool has.
help_of() { # TOOL [COMMAND]; fails where there is no such tool or command
	local h
	h=$("$BIN/$1" ${2:+"$2"} --help 2> /dev/null) && grep -q "^Usage: $1${2:+ $2} " <<< "$h" && printf '%s' "$h"
}
for name in math chat iterative-dpo raft; do
	recipe $name -n ITERATIONS=1 "${common[@]}" | sed 's/^{ //; s/; } <.*//' | tr '|' '\n' | grep -E '^ *od-' > "$T/commands"
	unknown= absent=
	while read -r tool rest; do
		command=$(grep -oE '^[a-z]+' <<< "$rest")
		help=$(help_of "$tool" $command) || { absent+=" $tool${command:+ $command}"; continue; }
		for option in $(grep -oE '(^| )--?[a-z][a-z0-9-]*' <<< "$rest"); do
			grep -qE -- "(^|[ ,])$option([ ,]|\$)" <<< "$help" || unknown+=" $tool $option"
		done
	done < "$T/commands"
	is "$unknown" "" "$name: the tools have all its options${absent:+ (not here:$absent)}"
done

# ---- runs ----
root=${R%/examples/recipes}
python3 "$root/tests/fixtures/make_tokenizer.py" "$T/tiny" 320 --template chatml > /dev/null &&
	python3 "$root/tests/fixtures/make_model.py" "$T/tiny" --vocab 320 --positions 512 > /dev/null || { tap_result 1 "a tiny model"; done_testing; }
train=(TRAIN="--batch 4 --epochs 1 --warmup-ratio 0 --threads 1 -q" REF="--chat-template qwen25-math --threads 1 -q" PAIR="--seed 1 -q")

# From scored candidates on, as an interrupted recipe goes on.
candidates() { # what experts would leave of the prompts
	awk '{ sub(/}$/, ""); for (i = 0; i < 4; i++) r[i] = sprintf("{\"text\":\"it is \\\\boxed{%d}\",\"score\":%g,\"correct\":%s,\"tokens\":5}", NR + i, 9 - i * 0.7, i < 2 ? "true" : "false")
		printf "%s,\"responses\":[%s,%s,%s,%s],\"score\":{\"expert\":\"prm\",\"scale\":[10,0]}}\n", $0, r[0], r[1], r[2], r[3] }' "$T/prompts"
}
for name in math chat; do
	mkdir "$T/$name"
	touch "$T/$name/candidates.jsonl"
	candidates > "$T/$name/scored.jsonl"
	run_tool recipe $name MODEL="$T/tiny" PRM=none ARMORM=none PROMPTS="$T/prompts" OUT="$T/$name" "${train[@]}"
	exit_is 0 "$name: from scored candidates to a model"
	ok "$name: the model is there" test -s "$T/$name/model/model.safetensors"
	is "$(jq .pairs "$T/$name/pairs.json")" 12 "$name: the counts are there"
	ok "$name: nothing half done is left" test -z "$(ls "$T/$name"/*.part 2> /dev/null)"
	run_tool recipe $name MODEL="$T/tiny" PRM=none ARMORM=none PROMPTS="$T/prompts" OUT="$T/$name" "${train[@]}"
	like "$out" 'Nothing to be done' "$name: once is enough"
done
is "$(grep -v '^{"od_' "$T/math/pairs.jsonl" | jq -r 'select(.id == "p3").prompt')" "3 + 3? Let's think step by step and output the final answer within \\boxed{}" \
	"math: pairs have the prompt that the model was shown"
is "$(grep -v '^{"od_' "$T/chat/pairs.jsonl" | jq -c 'select(.id == "p3") | [.prompt, .chosen_index, .rejected_index]')" '["3 + 3?",0,3]' "chat: the best against the worst"

# A training that was interrupted goes on.
rm -r "$T/math/model"*
mv "$T/math/ref.jsonl" "$T/math/ref"; for i in $(seq 20); do grep -v '^{"od_' "$T/math/ref"; done > "$T/math/ref.jsonl"
long=(TRAIN="--batch 4 --epochs 1 --save-every 5 --threads 1 -q")
cat > "$T/kill" <<- 'SCRIPT'
	#!/usr/bin/env bash
	"$@" &
	pid=$!
	while ! ls "$RUN"/step-* > /dev/null 2>&1 && kill -0 $pid; do sleep 0.02; done
	kill -KILL $pid
	wait $pid
SCRIPT
chmod +x "$T/kill"
run_tool env RUN="$T/math/model.run" TRAIN_ON="$T/kill" make -f "$R/math/Makefile" MODEL="$T/tiny" PRM=none PROMPTS="$T/prompts" OUT="$T/math" "${long[@]}"
exit_is 2 "a training that is killed fails"
ok "and leaves no model" test ! -e "$T/math/model"
run_tool recipe math MODEL="$T/tiny" PRM=none PROMPTS="$T/prompts" OUT="$T/math" "${long[@]}"
exit_is 0 "and goes on when the recipe is run again"
like "$out" 'od-train .* --resume ' "from where it was"
is "$(jq -s 'map(select(.step).step) | length == (unique | length)' "$T/math/model.run/metrics.jsonl")" true "with every update done once"

# A stage that fails leaves nothing that looks finished.
rm -r "$T/chat"; mkdir "$T/chat"; touch "$T/chat/candidates.jsonl"
{ candidates; echo '{'; } > "$T/chat/scored.jsonl"
run_tool recipe chat MODEL="$T/tiny" ARMORM=none PROMPTS="$T/prompts" OUT="$T/chat" "${train[@]}"
exit_is 2 "a stage that fails stops the recipe"
ok "and is not taken as done" test ! -e "$T/chat/pairs.jsonl"
is "$(ls "$T/chat" | grep -cE '^(ref|model)')" 0 "nor is anything after it begun"

# ---- whole runs, from prompts: a model that answers 7 or 8 to everything, where 7 is right ----
has() { help_of "$@" > /dev/null; }
if ! has od-sample || ! has od-score verify; then
	skip 11 "no od-sample, or no od-score verify"
	done_testing
fi
sed 's/"answer":"[0-9]*"/"answer":"7"/' "$T/prompts" > "$T/sevens"
jq -c --arg suffix " Let's think step by step and output the final answer within \\boxed{}" \
	'.prompt += $suffix | .chosen = "so \\boxed{7}", .chosen = "so \\boxed{8}"' "$T/sevens" > "$T/sft"
"$BIN/od-train" -q --threads 1 --objective sft --chat-template qwen25-math --lr 1e-2 --batch 8 --epochs 20 --model "$T/tiny" --out "$T/seven" "$T/sft"
sample=(-k 8 --temperature 1 --max-tokens 24 --format math-suffix --chat-template qwen25-math --seed 1 --threads 1 -q)
right() { "$BIN/od-sample" --model "$1" "${sample[@]}" "$T/sevens" | jq -r '.responses[].text' | awk '/boxed.7/ { n++ } END { print int(100 * n / NR) }'; }
before=$(right "$T/seven")
ok "before: it is right about half of the time ($before %)" test "$before" -gt 25 -a "$before" -lt 75
train=(MODEL="$T/seven" PROMPTS="$T/sevens" SAMPLE="${sample[*]}" REF="--chat-template qwen25-math --threads 1 -q"
	TRAIN="--lr 3e-3 --batch 4 --warmup-steps 0 --threads 1 -q" ITERATIONS=2)
for name in raft iterative-dpo; do
	run_tool recipe $name "${train[@]}" OUT="$T/$name"
	exit_is 0 "$name: from prompts to the last model"
	after=$(right "$T/$name/2/model")
	ok "$name: it is right more often afterwards ($before % to $after %)" test "$after" -gt $((before + 15))
	is "$(cat "$T/$name"/[12]/prompts.jsonl | jq -r .id | sort)" "$(jq -r .id "$T/sevens" | sort)" "$name: each iteration has prompts of its own"
done

if ! has od-score prm || ! has od-score armorm; then
	skip 5 "no od-score prm, or no od-score armorm"
	done_testing
fi
cd "$root" || exit 1
python3 tests/fixtures/make_model.py "$T/prm" --family qwen2 --head prm --positions 400 > /dev/null &&
	python3 tests/fixtures/make_tokenizer.py "$T/prm" --template chatml --pattern qwen2 --special '<extra_0>' > /dev/null &&
	python3 tests/fixtures/make_model.py "$T/armorm" --head armorm --untied > /dev/null &&
	python3 tests/fixtures/make_tokenizer.py "$T/armorm" --template llama3 --pattern llama3 > /dev/null || tap_result 1 "reward models"
cd "$T" || exit 1
train+=(PRM="$T/prm" ARMORM="$T/armorm" PAIR="--floor -1000")
for name in math chat; do
	run_tool recipe $name "${train[@]}" OUT="$T/whole-$name"
	exit_is 0 "$name: from prompts to a model"
done
is "$(grep -v '^{"od_' "$T/whole-math/pairs.jsonl" | jq -c 'select((.correct_chosen and (.chosen | test("7")) and .score.expert == "prm") | not)')" "" \
	"math: what is chosen is right, and its score is the reward model's"
if command -v parallel > /dev/null; then
	export HOME=$T PARALLEL_HOME=$T/.parallel
	run_tool recipe parallel NAME=math "${train[@]}" SHARDS=3 JOBS=2 THREADS=1 OUT="$T/fanned"
	exit_is 0 "math, fanned out"
	is "$(grep -v '^{"od_' "$T/fanned/pairs.jsonl" | md5sum)" "$(grep -v '^{"od_' "$T/whole-math/pairs.jsonl" | md5sum)" "has the same pairs"
else
	skip 2 "GNU parallel is not installed"
fi
done_testing
