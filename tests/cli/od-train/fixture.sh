# fixture.sh -- a tiny model without a tokenizer and pairs of token ids for it. Sourced after tests/cli/lib.sh.

# make_tiny DIR [make_model.py options]: a model of one small layer, 64 tokens.
make_tiny() {
	python3 tests/fixtures/make_model.py "$1" --hidden 16 --layers 1 --heads 2 --kv-heads 1 --ffn 24 --vocab 64 \
		--positions 128 "${@:2}"
}

# id_pairs N [SEED]: N pairs of ids with scores between 1 and 5, no reference.
id_pairs() {
	awk -v n="$1" -v seed="${2:-1}" '
	function ids(k,   s, i) { s = ""; for (i = 0; i < k; i++) s = s (i ? "," : "") int(rand() * 63) + 1; return s }
	BEGIN {
		srand(seed)
		for (i = 1; i <= n; i++)
			printf "{\"id\":\"p%d\",\"prompt_ids\":[%s],\"chosen_ids\":[%s],\"rejected_ids\":[%s],\"score_chosen\":%.2f,\"score_rejected\":%.2f}\n", \
				i, ids(2 + int(rand() * 8)), ids(3 + int(rand() * 9)), ids(3 + int(rand() * 9)), 2 + 3 * rand(), 1 + rand()
	}'
}

# train ARG...: od-train with one thread, nothing but warnings and errors.
train() {
	"$BIN/od-train" -q --threads 1 "$@"
}

# no_time FILE: metrics without what depends on the clock.
no_time() {
	jq -c 'del(.time)' "$1"
}

# check_runs REF BIN OPTION...: training in bf16 on a device: the start equals the reference to the bit, the same command gives the
# same bytes, and so does a run that was killed and resumed. Leaves $T/out1 and 'args'.
check_runs() {
	local ref=$1 bin=$2 pid
	shift 2
	args=(--model "$T/model" --batch 4 --lr 1e-2 --epochs 2 --save-every 3 --eval "$ref" --eval-every 4)
	on() { "$bin/od-train" -q --threads 1 "$@"; }
	run_tool on "$@" "${args[@]}" --out "$T/out1" "$ref"
	exit_is 0 "a run in bf16"
	"$bin/od-train" --threads 1 "$@" "${args[@]}" --out "$T/outn" --steps 1 "$ref" 2> "$T/notes"
	ok "policy = reference to the bit" grep -q 'self-test: policy = reference on 8 pairs (largest difference 0)' "$T/notes"
	run_tool on "$@" "${args[@]}" --out "$T/out2" "$ref"
	ok "the same command, the same weights" cmp -s "$T/out1/model.safetensors" "$T/out2/model.safetensors"
	ok "the same telemetry" cmp -s "$T/out1.run/telemetry.jsonl" "$T/out2.run/telemetry.jsonl"

	# killed after the second checkpoint, resumed
	"$bin/od-train" -q --threads 1 "$@" "${args[@]}" --out "$T/out3" "$ref" 2> "$T/kerr" & pid=$!
	for _ in $(seq 500); do [ -e "$T/out3.run/step-6" ] && break; sleep 0.02; done
	kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
	run_tool on "$@" "${args[@]}" --out "$T/out3" --resume "$ref"
	exit_is 0 "resumed after kill -9"
	ok "the bytes of the run that was not killed" cmp -s "$T/out1/model.safetensors" "$T/out3/model.safetensors"
	ok "its moments too" diff -r "$T/out1.run/step-12" "$T/out3.run/step-12"
	is "$(no_time "$T/out3.run/metrics.jsonl" | md5sum)" "$(no_time "$T/out1.run/metrics.jsonl" | md5sum)" "its metrics too, time aside"
}

# The held-out loss at the end of a run; whether two numbers differ by a share of the second at most.
last() { jq -s 'map(select(.eval))[-1].eval.loss' "$1.run/metrics.jsonl"; }
near() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = (a - b) / b; exit !((d < 0 ? -d : d) <= t) }'; }
