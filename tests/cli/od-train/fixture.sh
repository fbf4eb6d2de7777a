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
