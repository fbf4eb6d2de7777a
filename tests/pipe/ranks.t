#!/usr/bin/env bash
# mpirun -n N od-train: N ranks give what one gives, the same bytes each time, and hold what --plan says.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh
. tests/pipe/ranks.sh

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

cd "$ROOT" || exit 1
done_testing
