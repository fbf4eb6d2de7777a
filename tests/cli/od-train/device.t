#!/usr/bin/env bash
# Models on a device: what --device and --dtype say when there is none, and od-ref and od-train on the emulated GPU, whose
# kernels are those of a real one.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh
EMU=${BUILD:-build/release}/emu/bin

make_tiny "$T/model"
id_pairs 24 > "$T/ids"

# ---- a program without CUDA, or a machine without a GPU ----
run_tool "$BIN/od-ref" --device gpu --model "$T/model" "$T/ids"
exit_is 2 "an unknown device is a usage error"
is "$err" "od-ref: unknown device 'gpu': choose cpu, cuda or cuda:N" "it names the choice"
run_tool "$BIN/od-ref" --device cuda:x --model "$T/model" "$T/ids"
if [ "$rc" != 1 ]; then exit_is 2 "a device number that is none"; else exit_is 1 "no CUDA in this program"; fi
if ! command -v nvidia-smi >/dev/null; then
	for tool in "od-ref" "od-train --out $T/none" "od-eval pairs"; do
		# shellcheck disable=SC2086
		run_tool "$BIN"/$tool --device cuda --model "$T/model" "$T/ids"
		exit_is 1 "$tool --device cuda where there is none"
		like "$err" "cannot open device 'cuda': (this program was built without CUDA \(make CUDA=1\)|no NVIDIA driver is installed here|this machine has 0 GPUs)" \
			"$tool: it says why"
		is "$(wc -l < "$T/err")" 1 "$tool: in one line"
	done
	ok "od-train leaves nothing behind" test ! -e "$T/none.run"
fi
run_tool "$BIN/od-ref" --dtype tf32 --model "$T/model" "$T/ids"
exit_is 1 "tf32 on a processor"
like "$err" "tf32 is a GPU's" "it says whose it is"
OD_DTYPE=bf17 run_tool "$BIN/od-ref" --model "$T/model" "$T/ids"
exit_is 2 "OD_DTYPE unknown"
is "$err" "od-ref: OD_DTYPE is 'bf17': choose auto, fp32, tf32 or bf16" "it names the choice"
OD_DTYPE=bf16 run_tool "$BIN/od-ref" --model "$T/model" "$T/ids"
like "$(head -1 "$T/out" | jq -r .ref.numerics)" "^cpu bf16 " "OD_DTYPE is what auto stands for"
OD_DTYPE=bf16 run_tool "$BIN/od-ref" --dtype fp32 --model "$T/model" "$T/ids"
like "$(head -1 "$T/out" | jq -r .ref.numerics)" "^cpu fp32 " "--dtype comes before it"
run_tool "$BIN/od-ref" --dtype int8 --model "$T/model" "$T/ids"
exit_is 2 "an unknown type"

# ---- the emulated GPU ----
if [ ! -x "$EMU/od-ref" ]; then
	done_testing
	exit
fi
unset OD_DTYPE                                       # auto is bf16 there
gpu() { # TOOL ARG...
	local tool=$1
	shift
	"$EMU/$tool" -q --threads 1 --device cuda "$@"
}
run_tool gpu od-ref --device cuda:7 --model "$T/model" "$T/ids"
exit_is 1 "a GPU that is not there"
like "$err" "cannot open device 'cuda:7': this machine has 1 GPU$" "it says how many there are"

"$BIN/od-ref" -q --threads 1 --dtype fp32 --model "$T/model" "$T/ids" > "$T/cpu"
for dtype in fp32 tf32 bf16; do
	run_tool gpu od-ref --dtype $dtype --model "$T/model" "$T/ids"
	exit_is 0 "od-ref --dtype $dtype"
	cp "$T/out" "$T/$dtype"
	like "$(head -1 "$T/out" | jq -r .ref.numerics)" "^cuda $dtype cublaslt-[0-9.]* sm_[0-9]*/[0-9]* k1$" "$dtype: the reference says how it was made"
	far=$(paste -d' ' <(jq .ref_chosen_logps "$T/cpu") <(jq .ref_chosen_logps "$T/$dtype") |
		awk '{ d = ($1 - $2) / $1; if (d < 0) d = -d; if (d > m) m = d } END { print m + 0 }')
	ok "$dtype: log-probs are the processor's within their digits" awk -v d="$far" -v t="$dtype" \
		'BEGIN { exit !(d <= (t == "fp32" ? 2e-6 : 1e-2) && (t == "fp32" || d > 0)) }'
done
run_tool gpu od-ref --batch-tokens 16 --model "$T/model" "$T/ids"
ok "bf16: a pair's numbers do not depend on what it is packed with" cmp -s "$T/out" "$T/bf16"
run_tool gpu od-ref --per-token --tensors --model "$T/model" "$T/ids"
exit_is 0 "tensors come from a device too"

check_runs "$T/bf16" "$EMU" --device cuda

# the two types, and the processor
run_tool gpu od-train "${args[@]}" --dtype fp32 --out "$T/out4" "$T/cpu"
run_tool train --dtype fp32 "${args[@]}" --out "$T/out5" "$T/cpu"
ok "fp32 ends where the processor does: $(last "$T/out4"), $(last "$T/out5")" near "$(last "$T/out4")" "$(last "$T/out5")" 2e-3
ok "bf16 ends near it: $(last "$T/out1")" near "$(last "$T/out1")" "$(last "$T/out5")" 0.02
run_tool gpu od-train --model "$T/model" --dump-grad "$T/grad" "$T/bf16"
exit_is 0 "the gradient comes back from the device"
ok "into a file" test -s "$T/grad"

# ---- more than the device has ----
mkdir "$T/large"
jq '.vocab_size = 4000000 | .hidden_size = 256 | .head_dim = 128' "$T/model/config.json" > "$T/large/config.json"
# a file of 4 GB that takes no room on disk
python3 - "$T/large/model.safetensors" <<'PY'
import json, struct, sys
head = json.dumps({"model.embed_tokens.weight": {"dtype": "F32", "shape": [4000000, 256], "data_offsets": [0, 4096000000]}}).encode()
head += b" " * (-len(head) % 8)
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head)
    f.truncate(8 + len(head) + 4096000000)
PY
run_tool gpu od-train --model "$T/large" --out "$T/out6" "$T/bf16"
exit_is 1 "a model that does not fit"
like "$err" "^od-train: not enough memory on device cuda:0: the planned peak is [0-9.]+ GiB, available are [0-9.]+ GiB \(weights, gradients and moments alone\)$" \
	"the plan says so before anything is loaded"
ok "nothing is left behind" test ! -e "$T/out6.run"
done_testing
