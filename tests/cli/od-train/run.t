#!/usr/bin/env bash
# A run from records to a model: what it leaves, what it logs, that it repeats itself to the byte.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh

mkdir "$T/w"
make_tiny "$T/w/model"
id_pairs 30 | "$BIN/od-ref" -q --threads 1 --model "$T/w/model" > "$T/w/pairs"
id_pairs 7 2 | "$BIN/od-ref" -q --threads 1 --model "$T/w/model" > "$T/w/eval"
cd "$T/w" || exit 1
BIN=$(cd "$OLDPWD" && cd "$BIN" && pwd)
HERE=$OLDPWD

run_tool train --model model --out out --batch 8 --lr 1e-2 --epochs 2 --eval eval --eval-every 3 --save-every 2 --keep 2 \
	--metrics metrics --telemetry telemetry pairs
exit_is 0 "a run of 8 updates"
is "$err" "" "--quiet keeps it silent"
is "$(ls out | tr '\n' ' ')" "config.json generation_config.json model.safetensors od-train.json " "the result is a model directory"
is "$(ls out.run | tr '\n' ' ')" "metrics.jsonl run.json step-6 step-8 telemetry.jsonl " \
	"what only a resume needs is gone, --keep 2 checkpoints stay"
ok "--metrics is a copy" cmp -s metrics out.run/metrics.jsonl
ok "--telemetry is a copy" cmp -s telemetry out.run/telemetry.jsonl
is "$(jq -c 'select(.eval) | .step' metrics | tr '\n' ' ')" "0 3 6 8 " "evaluations before, between and after"
is "$(jq -c 'select(.lr != null) | .step' metrics | tr '\n' ' ')" "1 2 3 4 5 6 7 8 " "a line an update"
is "$(jq -c 'select(.lr != null) | .pairs' metrics | tr '\n' ' ')" "8 8 8 6 8 8 8 6 " "the last batch of an epoch is what is left"
is "$(jq -s 'map(select(.lr != null))[0].lr' metrics)" 0 "the first update of a warmed-up run has rate 0"
is "$(wc -l < telemetry)" 60 "telemetry has every pair of every epoch"
is "$(jq -r .id telemetry | head -30 | sort -u | wc -l)" 30 "an epoch sees each pair once"
isnt_same=0; [ "$(jq -r .id telemetry | head -30 | md5sum)" = "$(jq -r .id telemetry | tail -30 | md5sum)" ] || isnt_same=1
is $isnt_same 1 "another epoch, another order"
is "$(jq -s '[.[] | select(.step == 1)] | (map(.loss) | add / length) as $m | [$m] | @text' telemetry | cut -c1-12)" \
	"$(jq -s 'map(select(.lr != null))[0].loss | [.] | @text' metrics | cut -c1-12)" "the loss is the mean over the pairs"
is "$(jq -s '.[0].eval.margin' metrics)" 0 "policy = reference at the start: margin 0"
is "$(jq -s 'map(select(.lr != null)) | .[-1].loss < .[0].loss' metrics)" true "the training loss falls"
is "$(jq -r '.settings.lr, .schedule.updates, .data.pairs, .held_out.pairs, .result_step' out/od-train.json | tr '\n' ' ')" \
	"0.01 8 30 7 8 " "od-train.json says how to repeat it"

# ---- the same again ----
run_tool train --model model --out again --batch 8 --lr 1e-2 --epochs 2 --eval eval --eval-every 3 --save-every 2 --keep 2 pairs
ok "the same command gives the same weights" cmp -s out/model.safetensors again/model.safetensors
ok "the same telemetry" cmp -s out.run/telemetry.jsonl again.run/telemetry.jsonl
is "$(no_time again.run/metrics.jsonl | md5sum)" "$(no_time metrics | md5sum)" "the same metrics, time aside"
ok "the same checkpoints" diff -r out.run/step-8 again.run/step-8
run_tool train --model model --out other --batch 8 --lr 1e-2 --seed 43 pairs
unlike "$(cmp out.run/telemetry.jsonl other.run/telemetry.jsonl 2>&1)" '^$' "another seed, another order"

for i in 1 2; do
	"$BIN/od-train" -q --threads 2 --model model --out "threads$i" --batch 8 --lr 1e-2 pairs
done
ok "two threads repeat themselves too" cmp -s threads1/model.safetensors threads2/model.safetensors

# ---- memory does not change the method ----
run_tool train --model model --out micro --batch 8 --lr 1e-2 --epochs 2 --eval eval --eval-every 3 --micro-tokens 1 pairs
is "$(jq -s 'map(select(.lr != null))[0].loss' micro.run/metrics.jsonl)" "$(jq -s 'map(select(.lr != null))[0].loss' metrics)" \
	"--micro-tokens: the first loss is the same number"
far=$(paste -d' ' <(jq 'select(.lr != null) | .loss' metrics) <(jq 'select(.lr != null) | .loss' micro.run/metrics.jsonl) |
	awk '{ d = ($1 - $2) / $1; if (d < 0) d = -d; if (d > m) m = d } END { print (m < 1e-4) }')
is "$far" 1 "--micro-tokens: the others are but for rounding"

# ---- the model the run ends with is the one that was evaluated ----
jq -c 'del(.ref_chosen_logps, .ref_rejected_logps, .ref)' eval | "$BIN/od-ref" -q --threads 1 --model out > after
is "$(jq -s 'map(.ref_chosen_logps / .chosen_tokens) | add / length | . * 1e9 | round' after)" \
	"$(jq -s 'map(select(.eval))[-1].eval.logps_chosen | . * 1e9 | round' metrics)" "od-ref reads the result and finds its log-probs"

# ---- input of other kinds ----
jq -c 'del(.ref_chosen_logps, .ref_rejected_logps, .chosen_tokens, .rejected_tokens, .ref)' pairs > bare
"$BIN/od-ref" -q --threads 1 --model model --tensors bare > tensors
run_tool train --model model --out tensors.out --batch 8 --lr 1e-2 --epochs 2 --eval eval --eval-every 3 - < tensors
exit_is 0 "a tensor stream on standard input"
ok "gives the same weights as the records" cmp -s out/model.safetensors tensors.out/model.safetensors
run_tool bash -c 'cat pairs | "$1"/od-train -q --threads 1 --model model --out pipe --batch 8 --lr 1e-2 --epochs 2 --eval eval --eval-every 3' _ "$BIN"
ok "a pipe too" cmp -s out/model.safetensors pipe/model.safetensors
head -n 10 pairs > a; tail -n +11 pairs > b
run_tool train --model model --out two --batch 8 --lr 1e-2 --epochs 2 --eval eval --eval-every 3 a b
ok "two files are one stream" cmp -s out/model.safetensors two/model.safetensors
for o in "--limit 12" "--shard 1/3" "--sample 0.5 --seed 7" "--sample 0.5 --seed 7 --invert"; do
	lines=$(train --model model --dry-run $o pairs | awk '/^pairs/ { print $2 }')
	tens=$(train --model model --dry-run $o tensors | awk '/^pairs/ { print $2 }')
	is "$tens" "$lines" "$o selects as many of a tensor stream"
done
gzip -c pairs > pairs.gz
run_tool train --model model --out gz --batch 8 --lr 1e-2 --epochs 2 --eval eval --eval-every 3 pairs.gz
ok "compressed input" cmp -s out/model.safetensors gz/model.safetensors

# ---- texts, through the whole pipeline ----
python3 "$HERE/tests/fixtures/make_tokenizer.py" --template chatml chat
python3 "$HERE/tests/fixtures/make_model.py" chat --hidden 16 --layers 1 --heads 2 --kv-heads 1 --ffn 24 --positions 4096
"$BIN/od-score" -q --limit 6 "$HERE/examples/pairs.jsonl" 2> /dev/null | OD_FRAMED=1 "$BIN/od-ref" -q --threads 1 --model chat > texts
run_tool "$BIN/od-train" --threads 1 --model chat --out chat.out --batch 3 --lr 1e-3 - < texts
exit_is 0 "od-score | od-ref | od-train"
like "$err" 'self-test: policy = reference on [1-6] pairs \(largest difference 0\)' "policy = reference, to the bit"
loss=$(jq -s '[.[] | select(.step == 1)] | map(.w_qual * .w_perf) | add / length * 0.6931471805599453' chat.out.run/telemetry.jsonl)
is "$(jq -n "($loss - $(jq -s '.[0].loss' chat.out.run/metrics.jsonl)) | if . < 0 then -. else . end | . < 1e-12")" true \
	"the start loss is mean(w_qual * w_perf) ln 2"

# ---- stopping early, keeping the best ----
run_tool train --model model --out best --batch 8 --lr 0.5 --clip 0 --epochs 6 --eval eval --eval-every 1 --keep-best pairs
exit_is 0 "--keep-best"
best=$(jq -s 'map(select(.eval and .step > 0)) | min_by(.eval.loss) | .step' best.run/metrics.jsonl)
is "$(jq .result_step best/od-train.json)" "$best" "the result is the step of the lowest held-out loss"
run_tool train --model model --out patience --batch 8 --lr 0.5 --clip 0 --epochs 6 --eval eval --eval-every 1 --patience 2 pairs
exit_is 0 "--patience"
like "$(jq -s 'map(select(.lr != null)) | length < 24' patience.run/metrics.jsonl)" true "stops early"

# ---- plan and gradient leave nothing behind ----
before=$(ls)
run_tool train --model model --dry-run --batch 8 --epochs 2 pairs
exit_is 0 "--dry-run"
like "$out" 'pairs +30 training' "says how many pairs"
like "$out" 'updates +8 of up to 8 pairs, 1 to warm up' "how many updates"
like "$out" 'peak +[0-9.]+ [KM]iB' "how much memory"
is "$(ls)" "$before" "and leaves nothing behind"
run_tool train --model model --dump-grad grad --batch 8 pairs
exit_is 0 "--dump-grad"
is "$(jq .grad_norm "$T/out")" "$(jq -s 'map(select(.lr != null))[0].grad_norm' metrics)" "its norm is that of the first update"
cd "$HERE" || exit 1
done_testing
