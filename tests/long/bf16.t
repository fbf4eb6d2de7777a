#!/usr/bin/env bash
# Fifty updates of a real model in fp32 and in bf16: held-out losses within 2 % of each other. Two to ten minutes.
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
	echo "# $dtype: held-out loss $(jq -s -c 'map(select(.eval)) | map(.eval.loss)' "$T/$dtype.run/metrics.jsonl")"
done
ok "held-out losses within 2 %: $(last "$T/fp32"), $(last "$T/bf16")" near "$(last "$T/bf16")" "$(last "$T/fp32")" 0.02
done_testing
