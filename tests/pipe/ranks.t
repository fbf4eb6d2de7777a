#!/usr/bin/env bash
# mpirun -n N od-train: N ranks give what one gives, the same bytes each time; and whatever becomes of a rank, all end
# together with one message and the run can go on.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh
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

# ---- one process or several ----
$OD --model model --out one $WORK pairs
losses one.run > one.losses
jq -rc 'select(.lr != null) | [.step, .pairs, .tokens, .scored_tokens, .lr, .epoch] | @text' one.run/metrics.jsonl > one.counts
jq -r '.loss, .policy_chosen_logps, .policy_rejected_logps' one.run/telemetry.jsonl > one.telemetry
jq -r .id one.run/telemetry.jsonl > one.ids
for n in 1 2 3 4; do
	run_tool mpi -n $n $OD --model model --out r$n $WORK pairs
	exit_is 0 "$n ranks"
	is "$(ours)" "" "$n ranks: --quiet keeps all of them silent"
	losses r$n.run > losses
	ok "$n ranks: held-out losses within 1e-5 of one process" near one.losses losses 1e-5
	is "$(jq -rc 'select(.lr != null) | [.step, .pairs, .tokens, .scored_tokens, .lr, .epoch] | @text' r$n.run/metrics.jsonl | md5sum)" \
		"$(md5sum < one.counts)" "$n ranks: the metrics count the same"
	ok "$n ranks: telemetry in the same order" cmp -s one.ids <(jq -r .id r$n.run/telemetry.jsonl)
	jq -r '.loss, .policy_chosen_logps, .policy_rejected_logps' r$n.run/telemetry.jsonl > telemetry
	ok "$n ranks: telemetry within 1e-4" near one.telemetry telemetry 1e-4
	run_tool mpi -n $n $OD --model model --out again $WORK pairs
	ok "$n ranks: the same weights again" cmp -s r$n/model.safetensors again/model.safetensors
	ok "$n ranks: the same telemetry again" cmp -s r$n.run/telemetry.jsonl again.run/telemetry.jsonl
	is "$(no_time r$n.run/metrics.jsonl | md5sum)" "$(no_time again.run/metrics.jsonl | md5sum)" "$n ranks: the same metrics again, time aside"
	rm -rf again again.run
done
ok "mpirun -n 1 gives the bytes of no mpirun" cmp -s one/model.safetensors r1/model.safetensors
is "$(ls r3.run r3)" "$(ls one.run one | sed 's/^one/r3/')" "three ranks leave the files of one"
run_tool bash -c "mpirun --oversubscribe -n 3 $OD --model model --out in $WORK - < pairs"
ok "standard input is rank 0's, and gives the same" cmp -s in/model.safetensors r3/model.safetensors
# the first gradient is that of one process but for the order of additions
$OD --model model --batch 8 --dump-grad g1 pairs | jq '.loss, .grad_norm' > g1.numbers
mpi -n 3 $OD --model model --batch 8 --dump-grad g3 pairs | jq '.loss, .grad_norm' > g3.numbers
ok "--dump-grad: loss and norm within 1e-6" near g1.numbers g3.numbers 1e-6
python3 - g1 g3 <<- 'PYTHON' > worst
	import array, struct, sys
	def data(path):
	    raw = open(path, "rb").read()
	    at = 8 + struct.unpack("<Q", raw[:8])[0]
	    return raw[:at], array.array("f", raw[at:])
	(ha, a), (hb, b) = data(sys.argv[1]), data(sys.argv[2])
	assert ha == hb and len(a) == len(b) and any(a)
	print(max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, a)) < 1e-5)
PYTHON
is "$(cat worst)" True "--dump-grad: every float within 1e-5 of the largest"

# ---- what each rank holds ----
python3 "$ROOT/tests/fixtures/make_model.py" big --quick --hidden 512 --layers 6 --heads 8 --kv-heads 4 --ffn 1536 --vocab 16384 --positions 1024
awk 'function ids(k,   s) { s = ""; while (k--) s = s (s == "" ? "" : ",") int(rand() * 16000); return s }
	BEGIN { srand(3); for (i = 1; i <= 8; i++) printf "{\"id\":\"p%d\",\"prompt_ids\":[%s],\"chosen_ids\":[%s],\"rejected_ids\":[%s],\"score_chosen\":4,\"score_rejected\":%.2f}\n",
		i, ids(100), ids(100), ids(100), 1 + rand() }' > big.pairs
# bytes NAME: of a line of a plan, in MiB
mib() { awk -v name="$1" 'index($0, name) { v = $(NF - 1); print $NF == "GiB" ? v * 1024 : $NF == "KiB" ? v / 1024 : v }' | tail -1; }
work() { echo --threads 1 --objective simpo --model $1 --batch 8 --steps 2 --micro-tokens 600 $2; }
for n in 1 2; do
	mpi -n $n "$BIN/od-train" --dry-run $(work big big.pairs) > plan$n 2> /dev/null
	mpi -n $n "$BIN/od-train" --out tiny$n $(work model pairs) 2>&1 | grep -a 'peak memory' | sed 's/;.*//' | mib peak > base
	mpi -n $n "$BIN/od-train" --out big$n $(work big big.pairs) 2>&1 | grep -a 'peak memory' | sed 's/;.*//' | mib peak > peak
	plan=$(mib ' peak ' < plan$n)
	echo "# $n ranks: planned $plan MiB, measured $(cat peak) of which the program itself $(cat base)"
	is "$(awk -v plan="$plan" -v base="$(cat base)" '{ d = ($1 - base - plan) / plan; print (d > -0.02 && d < 0.08) }' peak)" 1 \
		"$n ranks: peak memory is planned within 8 per cent"
	echo "$(cat peak) $(cat base)" > measured$n
done
rm -rf big1* big2* tiny*
is "$(mib moments < plan1 | awk -v two="$(mib moments < plan2)" '{ r = $1 / two; print (r > 1.99 && r < 2.01) }')" 1 "two ranks: half the moments each"
is "$(paste -d' ' measured1 measured2 | awk -v m="$(mib moments < plan2)" -v x="$(mib exchange < plan2)" '{ d = ($1 - $2) - ($3 - $4) - (m - x); print (d < 5 && d > -5) }')" 1 \
	"and that is what they save"
mpi -n 4 "$BIN/od-train" --dry-run --threads 1 --objective simpo --model big --batch 8 big.pairs > plan4 2> /dev/null
like "$(cat plan4)" 'ranks +4 \(.*\), 4 on this machine' "--dry-run says how many ranks"
is "$(mib moments < plan1 | awk -v four="$(mib moments < plan4)" '{ r = $1 / four; print (r > 3.98 && r < 4.02) }')" 1 "four ranks: a quarter each"
# --plan says the same without data
"$BIN/od-train" --plan --world 2 --micro-tokens 600 --model big > shape
is "$(mib moments < shape) $(mib gradients < shape) $(mib exchange < shape)" "$(mib moments < plan2) $(mib gradients < plan2) $(mib exchange < plan2)" \
	"--plan --world 2 agrees with --dry-run of two ranks"
is "$("$BIN/od-train" --plan --world 2 --micro-tokens 600 --model big/config.json)" "$(cat shape)" "--plan reads a bare config.json"
"$BIN/od-train" --plan --world 2 --micro-tokens 600 --gpu-memory 1G --dtype fp32 --model big > shape
like "$(cat shape)" 'fits into 1.00 GiB +yes' "--gpu-memory: what fits"
"$BIN/od-train" --plan --micro-tokens 600 --gpu-memory 450M --dtype fp32 --model big > shape
like "$(cat shape)" 'fits into 450.00 MiB +no' "--gpu-memory: what does not"
n=$(awk '/smallest number/ { print $3 }' shape)
fits() { "$BIN/od-train" --plan --micro-tokens 600 --gpu-memory 450M --dtype fp32 --model big --world "$1" | awk '/^fits/ { print $NF }'; }
is "$(fits "$n") $(fits $((n - 1)))" "yes no" "and the smallest number of ranks that does ($n)"
rm -rf big

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
			"$BUILD/libcli.a" "$BUILD/libomnidpo.a" $(pkg-config --libs jansson libarchive libpcre2-8 libutf8proc libcrypto) -ldnnl -lm
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
