#!/usr/bin/env bash
# A producer that dies must not look like one that has finished: whatever happens upstream, every tool behind it exits 3
# and nothing finished is left; and what a failing reader does to its producers.
. tests/cli/lib.sh

python3 tests/fixtures/make_tokenizer.py "$T/model" --template chatml &&
	python3 tests/fixtures/make_model.py "$T/model" --hidden 32 --layers 1 --ffn 64 || exit 1
head -12 examples/pairs.jsonl > "$T/in"
score() { "$BIN/od-score" -q "$@" 2> /dev/null; }
ref() { "$BIN/od-ref" -q --threads 1 --model "$T/model" "$@"; }
train() { "$BIN/od-train" -q --threads 1 --model "$T/model" --out "$T/trained" --batch 4 "$@"; }

# refused NAME: od-train, run last, exited 3 with one line, and OUT is not there.
refused() {
	exit_is 3 "$1: od-train exits 3"
	like "$err" '^od-train: ' "$1: od-train says why"
	one_line "$err" "$1: in one line"
	ok "$1: OUT is not there" test ! -e "$T/trained"
	rm -rf "$T/trained" "$T/trained.run"
}

# The whole thing works, so that what follows fails for the reasons given.
score --framed "$T/in" | ref --framed > "$T/ref"
is "$(tail -1 "$T/ref")" '{"od_end":{"records":12}}' "od-score | od-ref, framed"
run_tool train "$T/ref"
exit_is 0 "od-train on its output"
ok "OUT is there" test -e "$T/trained/model.safetensors"
rm -rf "$T/trained" "$T/trained.run"

# ---- killed in the middle, framed ----
mkfifo "$T/p1" "$T/p2"
"$BIN/od-score" -q --framed < "$T/p1" > "$T/p2" 2> /dev/null &
pid=$!
ref --framed < "$T/p2" > "$T/out.jsonl" 2> "$T/ref.err" &
ref_pid=$!
exec 3> "$T/p1"
head -5 "$T/in" >&3
sleep 0.5
tail -n +6 "$T/in" | head -3 >&3
sleep 0.5
kill -9 $pid
{ wait $pid; } 2> /dev/null
exec 3>&-
wait $ref_pid
is $? 3 "od-score killed: od-ref exits 3"
like "$(cat "$T/ref.err")" '^od-ref: <stdin>:[0-9]+: .*without its end record' "od-score killed: od-ref says so"
like "$(tail -1 "$T/out.jsonl")" '^\{"od_error":\{"tool":"od-ref"' "od-score killed: od-ref passes it on"
run_tool train "$T/out.jsonl"
refused "od-score killed, od-ref behind it"

head -n 6 "$T/ref" > "$T/cut"
run_tool train "$T/cut"
refused "od-ref killed between records"
like "$err" '/cut:6: .*after 5 records without its end record' "it names file, line and count"
head -c 7000 "$T/ref" > "$T/cut"
run_tool train "$T/cut"
refused "od-ref killed inside a record"
run_tool train < <(cat "$T/cut")
refused "the same on a pipe"
run_tool "$BIN/od-eval" pairs -q --model "$T/model" "$T/cut"
exit_is 3 "od-eval pairs refuses it"
run_tool "$BIN/od-inspect" weights -q --json "$T/cut"
exit_is 3 "od-inspect weights refuses it"
like "$(tail -1 "$T/out")" 'od_error' "and ends its own output with od_error"
run_tool "$BIN/od-inspect" stream "$T/cut"
exit_is 3 "od-inspect stream refuses it"

# ---- failing in the middle, unframed ----
sed '9s/.*/{"id":"broken"/' "$T/in" > "$T/bad"
score "$T/bad" > "$T/scored"
like "$(tail -1 "$T/scored")" '^\{"od_error":\{"tool":"od-score","message":".*/bad:9: ' "od-score fails: it says so in its output"
ref --framed "$T/scored" > "$T/refd" 2> "$T/ref.err"
is $? 3 "od-score fails: od-ref exits 3"
run_tool train "$T/refd"
refused "od-score fails, two tools up"
like "$err" '\(od-ref\) failed: .*\(od-score\) failed: .*/bad:9: ' "the whole chain of causes is told"
run_tool train < <(score "$T/bad" | ref 2> /dev/null)
refused "the same through pipes"

# ---- tensors ----
score "$T/in" | ref --tensors > "$T/tensors"
run_tool train "$T/tensors"
exit_is 0 "od-train takes the tensor stream"
rm -rf "$T/trained" "$T/trained.run"
run_tool "$BIN/od-inspect" stream --check --expect 12 --json "$T/tensors"
exit_is 0 "od-inspect stream takes it"
is "$(jq -c '[.kind,.records,.framed,.whole,.fields.prompt_tokens.count]' <<< "$out")" '["tensors",12,true,true,12]' \
	"and tells what it is"
run_tool "$BIN/od-inspect" stream --expect 11 < "$T/tensors"
exit_is 4 "another count exits 4"
size=$(wc -c < "$T/tensors")
for cut in 4 $((size / 2)) $((size - 1)); do
	head -c $cut "$T/tensors" > "$T/cut"
	run_tool train "$T/cut"
	refused "tensor stream cut at $cut of $size"
	run_tool "$BIN/od-inspect" stream "$T/cut"
	exit_is 3 "od-inspect stream: cut at $cut of $size"
done
score "$T/bad" | ref --tensors > "$T/refd" 2> /dev/null
run_tool train "$T/refd"
refused "od-score fails before od-ref --tensors"

# ---- nothing at all ----
run_tool train < /dev/null
refused "empty input"
run_tool train < <("$BIN/od-score" -q "$T/missing" 2> /dev/null | ref 2> /dev/null)
refused "a missing file at the head of the pipe"

# ---- downstream ----
run_tool bash -c '"$@" > /dev/full' _ "$BIN/od-ref" -q --model "$T/model" "$T/in"
exit_is 1 "od-ref on a full disk exits 1"
like "$err" "cannot write '<stdout>': No space left" "and says so"
{ ref "$T/in" 2> "$T/err"; echo $? > "$T/rc"; } | true
is "$(cat "$T/rc") $(cat "$T/err")" '141 ' "od-ref dies quietly of SIGPIPE"
{ train --metrics - "$T/ref" 2> "$T/err"; echo $? > "$T/rc"; } | true
is "$(cat "$T/rc")" 0 "od-train outlives the reader of its metrics"
ok "and finishes" test -e "$T/trained/model.safetensors"
done_testing
