#!/usr/bin/env bash
# bf16 on the processor, whose kernels are AMX's, vdpbf16ps or emulated: od-ref and od-train say what ran, keep the promises
# that fp32 keeps, and end where fp32 ends.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh

make_tiny "$T/model"
id_pairs 24 > "$T/ids"

ref() { "$BIN/od-ref" -q "$@" --model "$T/model" "$T/ids"; }
run_tool ref --threads 1 --dtype bf16
exit_is 0 "od-ref --dtype bf16"
cp "$T/out" "$T/bf16"
ref --threads 1 --dtype fp32 > "$T/cpu"
like "$(head -1 "$T/bf16" | jq -r .ref.numerics)" "^cpu bf16 (amx|avx512bf16|avx512|avx2|plain) (avx512|avx2|plain) k1$" \
	"the reference says how it was made"
far=$(paste -d' ' <(jq .ref_chosen_logps "$T/cpu") <(jq .ref_chosen_logps "$T/bf16") |
	awk '{ d = ($1 - $2) / $1; if (d < 0) d = -d; if (d > m) m = d } END { print m + 0 }')
ok "log-probs are fp32's within 1 %, and not the same: $far" awk -v d="$far" 'BEGIN { exit !(d <= 0.01 && d > 0) }'
run_tool ref --threads 1 --dtype bf16 --batch-tokens 16
ok "a pair's numbers do not depend on what it is packed with" cmp -s "$T/out" "$T/bf16"
run_tool ref --threads 3 --dtype bf16
ok "nor on the number of threads" cmp -s "$T/out" "$T/bf16"

check_runs "$T/bf16" "$BIN" --dtype bf16
# at a rate that leaves a loss to compare: at 1e-2 it falls to a sixtieth
train --dtype bf16 "${args[@]}" --lr 3e-3 --out "$T/out4" "$T/bf16"
train --dtype fp32 "${args[@]}" --lr 3e-3 --out "$T/out5" "$T/cpu"
ok "bf16 ends where fp32 ends: $(last "$T/out4"), $(last "$T/out5")" near "$(last "$T/out4")" "$(last "$T/out5")" 0.01
like "$("$BIN/od-inspect" run "$T/out1" 2>&1)" "cpu bf16 " "od-inspect says what ran"
run_tool train --dtype bf16 --model "$T/model" --dump-grad "$T/grad" "$T/bf16"
exit_is 0 "the gradient of a batch"
ok "into a file" test -s "$T/grad"
done_testing
