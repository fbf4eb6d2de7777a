# shellcheck shell=bash disable=SC2034
# ranks.sh -- a model, pairs and a launcher for the tests of ranks; leaves the test in the folder that has them. Sourced after
# tests/cli/lib.sh and tests/cli/od-train/fixture.sh.
command -v mpirun > /dev/null || skip_all "mpirun is not installed"
ldd "$BIN/od-train" | grep -q libmpi || skip_all "od-train was built without MPI"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive TMPDIR=$T
mkdir "$T/w"
make_tiny "$T/w/model" --layers 3
make_tiny "$T/w/other" --seed 2
id_pairs 40 | "$BIN/od-ref" -q --threads 1 --model "$T/w/model" > "$T/w/pairs"
id_pairs 10 2 | "$BIN/od-ref" -q --threads 1 --model "$T/w/model" > "$T/w/eval"
BIN=$(cd "$BIN" && pwd) ROOT=$PWD BUILD=${BUILD:-$PWD/build/release} CC=${CC:-cc}
cd "$T/w" || exit 1

OD="$BIN/od-train -q --threads 1"
WORK="--batch 8 --lr 1e-2 --epochs 2 --eval eval --eval-every 5"
LONG="--batch 4 --lr 1e-3 --epochs 200 --eval eval --save-every 50 --keep 2"
mpi() { mpirun --oversubscribe "$@" < /dev/null; }
ours() { grep -a '^od-train: ' "$T/err"; }                 # what is not the launcher's
losses() { jq -r 'select(.eval) | .eval.loss' "$1/metrics.jsonl"; }
# near FILE FILE TOLERANCE: the numbers of both, line by line, differ by no more than that, relatively
near() {
	paste "$1" "$2" | awk -v most="$3" 'NF != 2 { bad = 1 } { d = ($1 - $2) / ($1 ? $1 : 1); if (d < 0) d = -d; if (d > most) bad = 1 }
		END { exit bad || !NR }'
}
