#!/usr/bin/env bash
# Every objective and every switch trains, and its telemetry is what od-inspect weights computes from the same numbers.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh

mkdir "$T/w"
make_tiny "$T/w/model"
make_tiny "$T/w/other" --seed 2
id_pairs 16 | "$BIN/od-ref" -q --threads 1 --model "$T/w/other" | jq -c '.importance = (.chosen_tokens / 4)' > "$T/w/pairs"
python3 tests/fixtures/make_tokenizer.py --template chatml "$T/w/chat"
python3 tests/fixtures/make_model.py "$T/w/chat" --hidden 16 --layers 1 --heads 2 --kv-heads 1 --ffn 24
BIN=$(cd "$BIN" && pwd)
cd "$T/w" || exit 1

# numbers: the objective's output fields of each line, to 9 digits, in order of id
numbers() {
	jq -rs 'sort_by(.id)[] | [.id, .loss, .w_qual, .w_perf, .z, .gate, .nll, .dlogp_chosen, .dlogp_rejected] |
		map(if type == "number" then (if . == 0 then "0" else (. as $x | (if $x < 0 then -$x else $x end) | log10 | floor) as $e |
			"\(. / pow(10; $e) * 1e8 | round)e\($e)" end) else . end) | @tsv'
}
n=0
while read -r options; do
	n=$((n + 1))
	run_tool train --model model --out "o$n" --batch 16 --steps 3 --schedule constant --warmup-ratio 0 --lr 1e-3 $options pairs
	exit_is 0 "$options: trains"
	head -n 16 "o$n.run/telemetry.jsonl" > t
	is "$("$BIN/od-inspect" weights --json ${options/--weight-field importance/} t | numbers | md5sum)" "$(numbers < t | md5sum)" "$options: as od-inspect weights"
	is "$(jq -s '.[2].loss < .[0].loss' "o$n.run/metrics.jsonl")" true "$options: the loss falls"
done <<'LIST'
--objective omni
--objective omni --lambda 0.2 --tau-good 2
--objective omni --no-qual
--objective omni --no-perf
--objective omni --no-length-norm --beta 0.1
--objective omni --lambda 0
--objective omni --lambda 0.2 --gate I
--objective omni --lambda 0.2 --gate II
--objective omni --lambda 0.2 --gate none
--objective omni --lambda 0.2 --gate-margin 0.01 --tau-good 2
--objective omni --detach-perf
--objective omni --weight-field importance
--objective dpo
--objective dpo --label-smoothing 0.1
--objective dpo-ln
--objective simpo --simpo-gamma 0.5
--objective focal-dpo
LIST

# ---- weights of records ----
train --model model --dump-grad g1 --batch 16 pairs > m1
jq -c '.weight = 2' pairs | train --model model --dump-grad g2 --batch 16 > m2
is "$(jq '.loss * 2' m1)" "$(jq .loss m2)" "a weight of 2 doubles the loss"
is "$(jq '.grad_norm * 2 * 1e6 | round' m1)" "$(jq '.grad_norm * 1e6 | round' m2)" "and the gradient"

# ---- SFT ----
"$BIN/od-ref" -q --threads 1 --model model --prefix policy pairs > policy
is_near() { is "$(jq -n "($1 - $2) | if . < 0 then -. else . end | . < 1e-6")" true "$3"; }
train --model model --objective sft --dump-grad g --batch 16 policy > m
is_near "$(jq .loss m)" "$(jq -s 'map(-.policy_chosen_logps / .chosen_tokens) | add / length' policy)" "sft: mean of sequence means"
is "$(jq .margin m)" 0 "sft has no margin"
is "$(jq .logps_rejected m)" null "nor a rejected side"
train --model model --objective sft --sft-norm token --dump-grad g --batch 16 policy > m
is_near "$(jq .loss m)" "$(jq -s '(map(-.policy_chosen_logps) | add) / (map(.chosen_tokens) | add)' policy)" "sft: mean over all tokens"
jq -c 'del(.rejected_ids, .score_chosen, .score_rejected, .ref_chosen_logps, .ref_rejected_logps, .ref, .rejected_tokens)' pairs > sft
run_tool train --model model --objective sft --out sft.out --batch 16 --steps 3 --lr 1e-3 --warmup-ratio 0 sft
exit_is 0 "sft: records without a rejected side"
is "$(jq -s '.[2].loss < .[0].loss' sft.out.run/metrics.jsonl)" true "sft: the loss falls"
"$BIN/od-ref" -q --threads 1 --model model --sft --tensors sft > sft.tensors
run_tool train --model model --objective sft --out sft.out2 --batch 16 --steps 3 --lr 1e-3 --warmup-ratio 0 sft.tensors
ok "sft: a tensor stream gives the same" cmp -s sft.out/model.safetensors sft.out2/model.safetensors
cat > dialogues <<'LIST'
{"id":"a","messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"},{"role":"assistant","content":"four"}]}
{"id":"b","prompt":"five","chosen":"six"}
LIST
run_tool train --model chat --objective sft --sft-norm token --out chat.out --batch 2 --steps 3 --lr 1e-2 --warmup-ratio 0 dialogues
exit_is 0 "sft: dialogues"
is "$(jq -s '.[2].loss < .[0].loss' chat.out.run/metrics.jsonl)" true "dialogues: the loss falls"
is "$(jq -s '.[0].chosen_tokens > .[1].chosen_tokens' <(jq -s -c 'sort_by(.id)[]' <(head -n 2 chat.out.run/telemetry.jsonl)))" true \
	"dialogues: every assistant turn is scored"
ok "the tokenizer travels with the result" cmp -s chat/tokenizer.json chat.out/tokenizer.json

# ---- recipes ----
run_tool "$BIN/od-train" --threads 1 --model model --dry-run --recipe qwen2.5 --header masked --truncate drop --max-prompt-length 1800 pairs
exit_is 0 "a recipe"
like "$err" 'recipe qwen2.5: --objective omni --beta 3.5 .*--lr 2e-06' "prints itself"
like "$out" 'up to 128 pairs, 1 to warm up, cosine from 2e-06' "and fills what was left open"
run_tool train --model model --dry-run --recipe qwen2.5 --header masked --truncate drop --max-prompt-length 1800 --lr 1e-5 --batch 4 pairs
like "$out" 'updates +4 of up to 4 pairs, 1 to warm up, cosine from 1e-05' "what is given wins"
cd /
done_testing
