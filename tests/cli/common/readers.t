#!/usr/bin/env bash
# What every tool that reads records does with them, od-ref, od-eval pairs and od-inspect among them: selection, bad
# records, compressed input, pipes, terminals. (tests/cli/common/streams.t has the details, on od-score.)
. tests/cli/lib.sh

python3 tests/fixtures/make_tokenizer.py "$T/model" --template chatml &&
	python3 tests/fixtures/make_model.py "$T/model" --hidden 32 --layers 1 --ffn 64 || exit 1
head -9 examples/pairs.jsonl > "$T/pairs"
"$BIN/od-score" -q "$T/pairs" 2> /dev/null | "$BIN/od-ref" -q --model "$T/model" > "$T/in" || exit 1
jq -c '{id, text: .chosen}' "$T/in" > "$T/texts"
jq -c '{id, prompt, responses: [{text: .chosen, score: 2}, {text: .rejected, score: 1}]}' "$T/in" > "$T/sets"

# reader NAME INPUT COMMAND...: COMMAND reads records and writes one line for each, with its id.
reader() {
	local name=$1 input=$2
	shift 2
	ids() { grep -v '^{"od_' | jq -r .id | tr '\n' ' '; }

	run_tool "$@" "$input"
	exit_is 0 "$name reads a file"
	is "$(wc -l < "$T/out")" 9 "$name: one line a record"
	is "$(ids < "$T/out")" "$(ids < "$input")" "$name keeps the order"
	cp "$T/out" "$T/all"
	run_tool "$@" < "$input"
	ok "$name: standard input gives the same" cmp -s "$T/out" "$T/all"
	gzip -c "$input" > "$T/packed"
	run_tool "$@" - < "$T/packed"
	ok "$name: compressed standard input gives the same" cmp -s "$T/out" "$T/all"
	tar -C "$T" -cf "$T/a.tar" "${input##*/}"
	run_tool "$@" "$T/a.tar:${input##*/}"
	ok "$name: a member of an archive gives the same" cmp -s "$T/out" "$T/all"
	run_tool "$@" <(head -4 "$input") <(tail -n +5 "$input")
	is "$(ids < "$T/out")" "$(ids < "$input")" "$name: two pipes are one stream"
	run_tool "$@" --limit 4 "$input"
	is "$(ids < "$T/out")" "$(head -4 "$input" | ids)" "$name --limit"
	run_tool "$@" --shard 1/3 "$input"
	is "$(ids < "$T/out")" "$(sed -n '2p;5p;8p' "$input" | ids)" "$name --shard"
	is "$({ "$@" --sample 0.5 "$input"; "$@" --sample 0.5 --invert "$input"; } 2> /dev/null | ids | tr ' ' '\n' | sort)" \
		"$(ids < "$input" | tr ' ' '\n' | sort)" "$name: --sample and --invert partition"

	sed '4s/.*/{"id":"broken"/; 7s/.*/[]/' "$input" > "$T/bad"
	run_tool "$@" "$T/bad"
	exit_is 3 "$name: a malformed record exits 3"
	like "$err" "/bad:4: " "$name: it names file and line"
	run_tool "$@" --skip-bad "$T/bad"
	exit_is 4 "$name --skip-bad exits 4"
	is "$(ids < "$T/out")" "$(sed '4d;7d' "$input" | ids)" "$name --skip-bad leaves just those out"
	like "$err" '2 .*records?.*/bad:4: ' "$name --skip-bad tells how many, and the first"
	run_tool "$@" --skip-bad --max-skipped 1 "$T/bad"
	exit_is 3 "$name --max-skipped"
	sed '4s/.*/{"id":"no fields"}/' "$input" > "$T/bad"
	run_tool "$@" "$T/bad"
	exit_is 3 "$name: a record without its fields exits 3"
	like "$err" "/bad:4: record 'no fields': .*missing" "$name: it names line, record and field"

	run_tool "$@" < /dev/null
	exit_is 3 "$name: no record at all exits 3"
	{ echo '{"od_stream":{}}'; cat "$input"; } > "$T/cut"
	run_tool "$@" "$T/cut"
	exit_is 3 "$name: a cut framed stream exits 3"
	run_tool "$@" --partial "$T/cut"
	exit_is 0 "$name --partial accepts it"
	run_tool bash -c '"$@" > /dev/full' _ "$@" "$input"
	exit_is 1 "$name: a full disk exits 1"
	like "$err" "cannot write '<stdout>': No space left" "$name: it says so"
	run_tool bash -c '"$@" >&-' _ "$@" "$input"
	exit_is 1 "$name: a closed stdout exits 1"
}

reader od-score "$T/in" "$BIN/od-score" -q
reader od-pair "$T/sets" "$BIN/od-pair" -q
reader od-sample "$T/in" "$BIN/od-sample" -q --threads 1 --max-tokens 2 --model "$T/model"
reader od-ref "$T/in" "$BIN/od-ref" -q --threads 1 --model "$T/model"
reader 'od-inspect weights' "$T/in" "$BIN/od-inspect" weights --json
reader 'od-inspect tokens' "$T/texts" "$BIN/od-inspect" tokens --model "$T/model"
reader 'od-eval pairs' "$T/in" "$BIN/od-eval" pairs -q --threads 1 --model "$T/model"

# The same bytes whatever the records arrive with.
ref() { "$BIN/od-ref" -q --threads 1 --model "$T/model" "$@"; }
ok "od-ref: a record alone gives the bytes it gives among others" cmp -s <(ref --shard 3/9 "$T/pairs") <(ref "$T/pairs" | sed -n 4p)

# Terminals: no binary output, progress on stderr alone and not under --quiet.
if command -v script > /dev/null && script -qec true /dev/null > /dev/null 2>&1 < /dev/null; then
	tty() { script -qec "$*" /dev/null < /dev/null | tr -d '\r'; }
	out=$(tty "$BIN/od-ref" --model "$T/model" --tensors "$T/pairs"); rc=$?
	like "$out" '^od-ref: .*binary.*terminal' "binary output to a terminal is refused"
	out=$(tty "$BIN/od-ref -q --model $T/model $T/pairs > $T/out")
	is "$out" "" "--quiet: nothing on the terminal"
	ok "progress does not get into the output" cmp -s "$T/out" <(ref "$T/pairs")
	out=$(tty "$BIN/od-ref --model $T/model $T/pairs 2> $T/err > $T/out"; cat "$T/err")
	unlike "$out" $'\033' "no progress when stderr is a file"
else
	skip 4 "no script(1)"
fi
done_testing
