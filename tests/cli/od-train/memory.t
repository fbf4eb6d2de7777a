#!/usr/bin/env bash
# --memory: a plan that takes no more, by smaller micro-batches or by making activations again, and the same bytes either way.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh

make_tiny "$T/model" --layers 6 --ffn 600 --hidden 16
id_pairs 40 | "$BIN/od-ref" -q --threads 1 --model "$T/model" > "$T/pairs"
args=(--model "$T/model" --batch 20 --lr 1e-2 --steps 3 --micro-tokens 400 "$T/pairs")
peak() { awk '$1 == "peak" { printf "%d\n", $2 * ($3 == "GiB" ? 2 ^ 30 : $3 == "MiB" ? 2 ^ 20 : 2 ^ 10) }' "$1"; }

run_tool train --dry-run "${args[@]}"
exit_is 0 "a plan"
unlike "$out" 'recomputed' "nothing is made twice where there is room"
all=$(peak "$T/out")
run_tool train --dry-run --memory $((all * 8 / 10)) "${args[@]}"
exit_is 0 "a plan for four fifths of it"
like "$out" 'recomputed +gate and up of [1-5] of 6 layers \(about [0-9]+ % more work\)' "some layers make theirs again"
ok "the plan keeps to it" test "$(peak "$T/out")" -le $((all * 8 / 10))
run_tool train --out "$T/a" "${args[@]}"
run_tool train --out "$T/b" --memory $((all * 8 / 10)) "${args[@]}"
exit_is 0 "it trains"
ok "the same weights" cmp -s "$T/a/model.safetensors" "$T/b/model.safetensors"
ok "the same telemetry" cmp -s "$T/a.run/telemetry.jsonl" "$T/b.run/telemetry.jsonl"
run_tool train --dry-run --memory $((all / 50)) "${args[@]}"
exit_is 1 "less than the weights take"
like "$err" "^od-train: not enough memory: the planned peak is [0-9.]+ [KM]iB, --memory allows [0-9.]+ [KM]iB" "it says what is planned"
run_tool train --dry-run --memory much "${args[@]}"
exit_is 2 "a size that is none"
EMU=${BUILD:-build/release}/emu/bin/od-train
if [ -x "$EMU" ]; then
	run_tool "$EMU" -q --device cuda --dry-run --model "$T/model" --batch 20 "$T/pairs"
	like "$out" 'micro-batches +[0-9]+ in all' "a device chooses its micro-batches"
	all=$(peak "$T/out")
	run_tool "$EMU" -q --device cuda --dry-run --memory $((all * 8 / 10)) --model "$T/model" --batch 20 --dtype fp32 "$T/pairs"
	exit_is 0 "less is enough for a device too"
	ok "and it keeps to it" test "$(peak "$T/out")" -le $((all * 8 / 10))
fi
done_testing
