#!/usr/bin/env bash
# Whatever becomes of a rank, all end together, with one message, and the run can go on, with as many ranks or others.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh
. tests/pipe/ranks.sh

$OD --model model --out one $WORK pairs

# ---- a rank that fails ----
# failed CODE REGEX NAME: of the last run_tool
failed() {
	exit_is "$1" "$3: exit $1"
	like "$(ours)" "^od-train: $2" "$3: the reason"
	one_line "$(ours)" "$3: once"
}
run_tool mpi -n 2 $OD --model model --out x $WORK pairs : -n 1 $OD --model nowhere --out x $WORK pairs
failed 1 "rank 2: cannot open 'nowhere/config.json'" "a rank without its model"
run_tool mpi -n 1 $OD --model model --out x $WORK pairs : -n 1 $OD --model other --out x $WORK pairs
failed 3 "rank 1: the model in 'other' is another one here than on rank 0" "a rank with another model"
run_tool mpi -n 1 $OD --model model --out x $WORK pairs : -n 1 $OD --model model --out x $WORK --lr 1 pairs
failed 2 "rank 1: its options are not those of rank 0" "a rank with other options"
run_tool mpi -n 3 $OD --model model --out x $WORK nothing
failed 1 "rank 0: cannot open 'nothing'" "no input"
run_tool mpi -n 3 $OD --model model --out x --lr nine pairs
failed 2 "option '--lr': 'nine' is not a number" "a bad option"
run_tool mpi -n 3 $OD --model model pairs
failed 2 "option '--out' is required" "an option that is missing"
run_tool mpi -n 2 $OD --model model --out x --world 2 pairs
failed 2 "option '--world' goes with '--plan'" "an option of --plan"
is "$(ls -d x x.run 2> /dev/null)" "" "none of them leaves anything"
if bash -c 'ulimit -v 700000; exec "$@"' _ "$BIN/od-train" --version > /dev/null 2>&1; then
	python3 "$ROOT/tests/fixtures/make_model.py" huge --quick --hidden 512 --layers 6 --heads 8 --kv-heads 4 --ffn 1536 --vocab 65536 --positions 1024
	run_tool mpi -n 2 $OD --model huge --out x --objective simpo pairs : \
		-n 1 bash -c "ulimit -v 700000; exec $OD --model huge --out x --objective simpo pairs"
	failed 1 "rank 2: not enough memory" "a rank without memory"
	rm -rf huge
	is "$(ls -d x x.run 2> /dev/null)" "" "and leaves nothing"
else
	skip 4 "no bound of the address space here"
fi
# a number that is not finite, of one pair and so on one rank: an input embedding that only p7 uses
(cd "$ROOT" && make_tiny "$T/w/broken" --untied)
python3 - broken/model.safetensors <<- 'PYTHON'
	import json, struct, sys
	raw = bytearray(open(sys.argv[1], "rb").read())
	(n,) = struct.unpack("<Q", raw[:8])
	at = json.loads(raw[8:8 + n])["model.embed_tokens.weight"]["data_offsets"][0]
	struct.pack_into("<f", raw, 8 + n + at + 4 * 16 * 9, float("nan"))       # a weight of token 9
	open(sys.argv[1], "wb").write(raw)
PYTHON
jq -c 'del(.ref) | (.prompt_ids, .chosen_ids, .rejected_ids) |= map(if . == 9 then 8 else . end) |
	if .id == "p7" then .chosen_ids[0] = 9 else . end' pairs > nine
run_tool mpi -n 3 $OD --model broken --out x --objective simpo --batch 8 --no-shuffle --lr 1e-3 nine
failed 1 "rank [0-2]: update 1: the loss of pair 'p7' is not finite" "a pair whose loss is not finite"
ok "and no result" test ! -e x
rm -rf x.run
run_tool mpi -n 3 $OD --model model --out x --objective simpo --batch 4 --lr 1e20 --clip 0 --warmup-ratio 0 --epochs 3 pairs
failed 1 "rank [0-2]: update [2-9]: the (loss|gradient) of pair 'p[0-9]+' is not finite" "a run that explodes"
ok "its last state is saved" test -f "$(ls -d x.run/step-* | tail -1)/state.json"
is "$(grep -c '"lr"' x.run/metrics.jsonl)" "$(ls -d x.run/step-* | sed 's/.*-//')" "with the metrics up to it"
rm -rf x.run
run_tool mpi -n 2 $OD --model model --out x $WORK --metrics /dev/full pairs
failed 1 "rank 0: cannot write '/dev/full'" "a full disk"
ok "and no result" test ! -e x
rm -rf x.run

# ---- a rank that is killed, a run that is stopped, other numbers of ranks ----
# started NAME N OPTIONS...: a long run in the background; its launcher in $pid
started() {
	local out=$1 n=$2
	shift 2
	mpirun --oversubscribe -n "$n" $OD --model model --out "$out" $LONG "$@" pairs < /dev/null 2> "$T/err" &
	pid=$!
}
until_step() { # NAME STEP
	while ! grep -q "\"step\":$2," "$1.run/metrics.jsonl" 2> /dev/null && kill -0 $pid 2> /dev/null; do sleep 0.02; done
}
rank_of() { pgrep -P "$pid" -f "od-train.* $LONG" | sed -n "$(($1 + 1))p"; }
ended() { code=0; wait "$pid" || code=$?; }
$OD --model model --out whole $LONG pairs
losses whole.run > whole.losses

started many 2
until_step many 70
kill -9 "$(rank_of 1)"
ended
is $code 137 "SIGKILL of rank 1 ends all"
ok "checkpoints are whole" test -f many.run/step-50/state.json -a ! -e many
started many 3 --resume
until_step many 300
kill -TERM "$(rank_of 2)"
ended
is $code 143 "SIGTERM to rank 2: all die of it"
like "$(ours)" 'the run had 2 ranks, now it has 3: results may differ in the last digits' "resumed with 3 ranks, with a warning"
like "$(ours)" 'od-train: interrupted after update [0-9]+; --resume goes on' "says how to go on"
is "$(ours | grep -c interrupted)" 1 "once"
step=$(ours | sed -n 's/.*after update \([0-9]*\);.*/\1/p')
ok "saved a checkpoint of that step" test -f "many.run/step-$step/state.json"
ok "no half ones" test -z "$(find many.run -name '*.tmp')"
run_tool $OD --model model --out many $LONG --resume pairs
exit_is 0 "resumed by one process"
losses many.run > many.losses
ok "2 -> 3 -> 1 ranks: held-out losses within 1e-5 of one process" near whole.losses many.losses 1e-5
is "$(jq -r .id many.run/telemetry.jsonl | md5sum)" "$(jq -r .id whole.run/telemetry.jsonl | md5sum)" "telemetry of every pair, once"
# interrupted and resumed with the same number: the bytes of a run that was not
run_tool mpi -n 2 $OD --model model --out two $LONG pairs
started same 2
until_step same 120
kill -INT "$(rank_of 0)"
ended
is $code 130 "SIGINT to rank 0: all die of it"
run_tool mpi -n 2 $OD --model model --out same $LONG --resume pairs
is "$(ours)" "" "the same number again: nothing to say"
ok "the same weights" cmp -s two/model.safetensors same/model.safetensors
ok "the same telemetry" cmp -s two.run/telemetry.jsonl same.run/telemetry.jsonl
run_tool mpi -n 2 $OD --model model --out same $LONG --resume pairs
exit_is 0 "--resume of a finished run: nothing to do"

# ---- not together ----
run_tool mpi -n 2 bash -c "exec $OD --no-ranks --model model --out alone\$OMPI_COMM_WORLD_RANK $WORK pairs"
exit_is 0 "--no-ranks"
ok "each process runs for itself" cmp -s alone0/model.safetensors one/model.safetensors
ok "both of them" cmp -s alone1/model.safetensors one/model.safetensors
is "$(mpi -n 3 "$BIN/od-train" --help | grep -c '^Usage')" 1 "--help of three ranks appears once"
is "$(for t in "$BIN"/od-*; do [ "$t" = "$BIN/od-train" ] || ldd "$t"; done | grep -c libmpi)" 0 "no other tool is linked with MPI"

# ---- a build without MPI ----
cd "$ROOT" || exit 1
case $BUILD in
*release)
	$CC -std=c11 -D_GNU_SOURCE -Ilib -Itools -I. -Ikernels -c -o "$T/launch.o" tools/train/launch.c &&
		$CC -fopenmp -o "$T/plain" "$BUILD/tools/od-train.o" $(ls "$BUILD"/tools/train/*.o | grep -v /launch.o) "$T/launch.o" \
			"$BUILD/libcli.a" "$BUILD/libomnidpo.a" $(pkg-config --libs jansson libarchive libpcre2-8 libutf8proc icu-uc libcrypto) -ldnnl -lm
	cd "$T/w" || exit 1
	run_tool mpi -n 2 "$T/plain" -q --threads 1 --model model --out plain $WORK pairs
	failed 1 'started as one of several processes \(OMPI_COMM_WORLD_SIZE\), but this od-train was built without MPI' "without MPI"
	ok "and no N copies run" test ! -e plain -a ! -e plain.run
	run_tool mpi -n 1 "$T/plain" -q --threads 1 --model model --out plain $WORK pairs
	exit_is 0 "without MPI, one process under a launcher"
	ok "gives the same" cmp -s plain/model.safetensors one/model.safetensors
	cd "$ROOT" || exit 1 ;;
*) skip 6 "release builds only" ;;
esac
done_testing
