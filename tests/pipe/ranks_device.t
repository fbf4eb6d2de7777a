#!/usr/bin/env bash
# Ranks on a device whose memory the host cannot read, in fp32 and in bf16 with sharded master weights: the CUDA backend on the
# emulator. Gradients leave while backward runs, through host memory or by (emulated) NCCL.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh
BUILD=${BUILD:-$PWD/build/release}
command -v mpirun > /dev/null || skip_all "mpirun is not installed"
[ -x "$BUILD/emu/bin/od-train" ] || skip_all "the tools over the emulator are not built"
ldd "$BUILD/emu/bin/od-train" | grep -q libmpi || skip_all "od-train was built without MPI"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive TMPDIR=$T
mkdir "$T/w"
make_tiny "$T/w/model" --layers 2 --family qwen2
id_pairs 24 > "$T/w/pairs"
id_pairs 8 2 > "$T/w/eval"
cd "$T/w" || exit 1
OD="$BUILD/emu/bin/od-train -q --threads 1 --device cuda:0 --objective simpo --model model --batch 8 --lr 1e-2 --eval eval --save-every 2 --keep 9"
mpi() { mpirun --oversubscribe "$@" < /dev/null; }
losses() { jq -r 'select(.eval) | .eval.loss' "$1/metrics.jsonl"; }

# far FILE FILE: largest difference of two files of floats, relative to the largest of the first
cat > far.py <<- 'PYTHON'
	import array, struct, sys
	def data(path):
	    raw = open(path, "rb").read()
	    at = 8 + struct.unpack("<Q", raw[:8])[0]
	    return raw[:at], array.array("f", raw[at:])
	(ha, a), (hb, b) = data(sys.argv[1]), data(sys.argv[2])
	assert ha == hb and len(a) == len(b)
	print(max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, a)))
PYTHON
while read -r type n nccl; do
	export OD_EMU_NCCL=$nccl
	mpi -n 1 $OD --dtype $type --out one pairs
	run_tool mpi -n $n $OD --dtype $type --out r pairs
	exit_is 0 "$type: $n ranks, $([ $nccl = 1 ] && echo by NCCL || echo through the host)"
	is "$(paste <(losses one.run) <(losses r.run) | awk '{ d = ($1 - $2) / $1; if (d * d > 1e-10) bad = 1 } END { print NR, bad + 0 }')" "2 0" \
		"$type: $n ranks: held-out losses within 1e-5 of one"
	is "$(awk -v d="$(python3 far.py one/model.safetensors r/model.safetensors)" 'BEGIN { print (d < 1e-4) }')" 1 \
		"$type: $n ranks: the weights, in fp32, within 1e-4"
	is "$(awk -v d="$(python3 far.py one.run/step-2/optimizer.safetensors r.run/step-2/optimizer.safetensors)" 'BEGIN { print (d < 1e-4) }')" 1 \
		"$type: $n ranks: the moments too"
	run_tool mpi -n $n $OD --dtype $type --out again pairs
	ok "$type: $n ranks: the same bytes again" cmp -s r/model.safetensors again/model.safetensors
	rm -rf r r.run again again.run
	rm -rf one one.run
done <<< $'fp32 2 0\nbf16 2 0\nfp32 3 1\nbf16 2 1\nbf16 3 1'

# the road is said; a sum in rank order is the same on both
for nccl in 0 1; do
	export OD_EMU_NCCL=$nccl
	run_tool mpi -n 2 ${OD/ -q/} --dtype bf16 --out "road$nccl" pairs
	like "$err" "the ranks' devices exchange $([ $nccl = 1 ] && echo by NCCL || echo through host memory)" "NCCL $nccl: it says which way"
done
ok "the same bytes both ways" cmp -s road0/model.safetensors road1/model.safetensors
rm -rf road?*

# resumed by another number of ranks: the master weights come from the checkpoint, not from what was rounded
mpi -n 2 $OD --dtype bf16 --epochs 2 --out whole pairs
run_tool mpi -n 2 $OD --dtype bf16 --epochs 2 --out half --metrics /dev/full pairs
exit_is 1 "stopped after an update"
run_tool mpi -n 2 $OD --dtype bf16 --epochs 2 --out half --resume pairs
ok "resumed by as many: the same bytes" cmp -s whole/model.safetensors half/model.safetensors
rm -rf half half.run
run_tool mpi -n 2 $OD --dtype bf16 --epochs 2 --out half --metrics /dev/full pairs
run_tool mpi -n 3 $OD --dtype bf16 --epochs 2 --out half --resume pairs
exit_is 0 "resumed by three"
is "$(awk -v d="$(python3 far.py whole/model.safetensors half/model.safetensors)" 'BEGIN { print (d < 1e-4) }')" 1 "the same weights but for rounding"
run_tool mpi -n 2 $OD --dtype bf16 --dry-run pairs
like "$out" 'master weights +[0-9.]+ [KM]iB' "--dry-run says what the master weights take"
cd /
done_testing
