#!/usr/bin/env bash
# Fifty updates of a real model in fp32 and in bf16: held-out losses of what came out within 2 % of each other, both measured in
# fp32. (Measured in bf16 they are 6 % apart: an update of 5e-6 is less than half a unit of most weights in bf16, so the copy that
# products read shows it late; the fp32 master weights have it all.) Two to ten minutes.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh
MODEL=${SMOLLM2:-.cache/smollm2}
if [ ! -e "$MODEL/model.safetensors" ]; then
	echo "1..0 # SKIP no model in $MODEL (make demo-smollm2 fetches it)"
	exit
fi
PAIRS=${PAIRS:-examples/pairs.jsonl} EVAL=${EVAL:-examples/pairs-eval.jsonl}
for dtype in fp32 bf16; do
	for of in PAIRS EVAL; do
		"$BIN/od-score" -q "${!of}" | "$BIN/od-ref" -q --dtype $dtype --model "$MODEL" > "$T/$of.$dtype"
	done
	run_tool "$BIN/od-train" -q --dtype $dtype --model "$MODEL" --batch 4 --epochs 10 --steps 50 --lr 5e-6 --eval "$T/EVAL.$dtype" \
		--eval-every 50 --out "$T/$dtype" "$T/PAIRS.$dtype"
	exit_is 0 "fifty updates in $dtype"
	"$BIN/od-eval" pairs --dtype fp32 --model "$T/$dtype" "$T/EVAL.fp32" 2> "$T/table.$dtype" > /dev/null
	echo "# $dtype: held-out loss, in $dtype, $(jq -s -c 'map(select(.eval)) | map(.eval.loss)' "$T/$dtype.run/metrics.jsonl")"
done
loss() { awk '$1 == "loss" { print $2 }' "$T/table.$1"; }
ok "held-out losses within 2 %: $(loss fp32), $(loss bf16)" near "$(loss bf16)" "$(loss fp32)" 0.02
done_testing
