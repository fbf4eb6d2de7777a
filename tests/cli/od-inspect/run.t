#!/usr/bin/env bash
# od-inspect run: finds metrics, summarises, compares, draws; refuses what is none.
. tests/cli/lib.sh

mkdir -p "$T/a.run" "$T/empty" "$T/bin"
metrics() { # FACTOR: 80 updates and an evaluation every 20
	awk -v k="$1" 'BEGIN {
		print "{\"od_run\":\"a header without step\"}"
		for (s = 0; s <= 80; s++) {
			if (s % 20 == 0) printf "{\"step\":%d,\"eval\":{\"loss\":%g,\"accuracy\":0.5},\"time\":{\"seconds\":9}}\n", s, k * (100 - s)
			if (s > 0) printf "{\"step\":%d,\"loss\":%g,\"grad_norm\":2,\"margin\":null,\"lr\":%g,\"time\":{\"seconds\":1,\"mfu\":null}}\n", s, k * (81 - s), s / 80
		}
	}'
}
metrics 1 > "$T/a.run/metrics.jsonl"
metrics 2 > "$T/b.jsonl"

run_tool "$BIN/od-inspect" run --json "$T/a"
exit_is 0 "OUT leads to OUT.run"
q() { jq -c "$1" "$T/out"; }
is "$(q '[.runs[0].label,.runs[0].records,.runs[0].first_step,.runs[0].last_step,.runs[0].cut]')" '["a",85,0,80,false]' "records with a step are counted"
is "$(q '.runs[0].metrics.loss|[.n,.first,.last,.min,.min_step,.max,.max_step,.tail_mean,.tail_n]')" '[80,80,1,1,80,80,1,4.5,8]' "the summary of a curve"
is "$(q '.runs[0].metrics["eval.loss"]|[.n,.first,.last]')" '[5,100,20]' "held-out values have a dotted name"
is "$(q '.runs[0].metrics|[.["time.seconds"].n,.["eval.time.seconds"].n,has("margin"),has("time.mfu")]')" '[80,5,false,false]' "clocks are kept apart, null leaves no point"

for operand in "$T/a.run" "$T/a.run/" "$T/a.run/metrics.jsonl"; do
	run_tool "$BIN/od-inspect" run --json "$operand"
	is "$(q '.runs[0]|[.label,.records]')" '["a",85]' "'${operand#"$T/"}' is the same run"
done
run_tool "$BIN/od-inspect" run --json - < "$T/b.jsonl"
is "$(q '.runs[0]|[.label,.metrics.loss.first]')" '["stdin",160]' "standard input"

run_tool "$BIN/od-inspect" run "$T/a"
exit_is 0 "table"
like "$out" $'\nloss +80 +1 +4\\.500 +1 +80  █.*▁\n' "a row of the table, with its curve"
unlike "$out" 'eval\.time' "unknown columns stay out"
run_tool "$BIN/od-inspect" run --all "$T/a"
like "$out" 'eval\.time\.seconds' "--all shows them"
run_tool "$BIN/od-inspect" run "$T/a" "$T/b.jsonl"
like "$out" $'\nloss +a +80 .*\n +b +160 ' "two runs side by side"

# A run in progress: the last line is cut anywhere.
head -c -30 "$T/b.jsonl" > "$T/cut.jsonl"
run_tool "$BIN/od-inspect" run --json "$T/cut.jsonl"
exit_is 0 "a cut last line is fine"
is "$(q '.runs[0]|[.cut,.last_step,.metrics.loss.n]')" '[true,80,79]' "what was complete is there"
head -c -1 "$T/b.jsonl" > "$T/cut.jsonl"
run_tool "$BIN/od-inspect" run --json "$T/cut.jsonl"
is "$(q '.runs[0]|[.cut,.metrics.loss.n]')" '[false,80]' "a whole line without its newline counts"

# A real run has every column that the table and the picture know.
if python3 tests/fixtures/make_model.py "$T/m" > /dev/null && python3 tests/fixtures/make_tokenizer.py "$T/m" --template chatml > /dev/null; then
	head -8 examples/pairs.jsonl | "$BIN/od-ref" -q --model "$T/m" > "$T/pairs"
	"$BIN/od-train" -q --model "$T/m" --out "$T/real" --batch 4 --lr 1e-3 --eval "$T/pairs" --eval-every 1 "$T/pairs"
	run_tool "$BIN/od-inspect" run "$T/real"
	exit_is 0 "metrics of od-train"
	like "$out" "^real: 5 records, steps 0 to 2, [0-9,]+ tokens in 0:00:[0-9]{2} " "heading"
	missing=
	for c in $(sed -n '/^} specs\[\] = {/,/^};/p' tools/inspect/run.c | grep -oE '\{ "[a-z._]+", "' | cut -d'"' -f2); do
		grep -q "^$c " "$T/out" || missing="$missing $c"
	done
	is "$missing" "" "every known column is in the table"
else
	skip 3 "no fixtures"
fi

# Pictures
run_tool "$BIN/od-inspect" run -q --plot "$T/p.gp" "$T/a" "$T/b.jsonl"
exit_is 0 "a script"
like "$(cat "$T/p.gp")" "set output '$T/p\\.svg'" "it draws beside itself"
like "$(cat "$T/p.gp")" "title 'b, held-out'" "runs are named"
if command -v gnuplot > /dev/null; then
	run_tool "$BIN/od-inspect" run --plot "$T/p.svg" "$T/a"
	exit_is 0 "svg"
	like "$(head -c 200 "$T/p.svg")" '<svg' "it is one"
	run_tool "$BIN/od-inspect" run --plot "$T/p.png" "$T/a" "$T/b.jsonl"
	exit_is 0 "png"
	is "$(head -c 4 "$T/p.png" | od -An -c | tr -d ' ')" '211PNG' "it is one"
	ok "the script runs by itself" gnuplot "$T/p.gp" 2> /dev/null
else
	skip 5 "gnuplot is not installed"
fi
run_tool env PATH="$T/bin" "$(realpath "$BIN/od-inspect")" run --plot "$T/none.png" "$T/a"
exit_is 1 "no gnuplot"
like "$err" "^od-inspect: cannot draw '.*none.png': the program gnuplot is not installed" "it says so"
ok "nothing is left" test ! -e "$T/none.png" -a ! -e "$T/none.png.tmp"
printf '#!/bin/sh\necho "line 7: all went wrong" >&2\nexit 1\n' > "$T/bin/gnuplot"; chmod +x "$T/bin/gnuplot"
run_tool env PATH="$T/bin:/bin:/usr/bin" "$(realpath "$BIN/od-inspect")" run --plot "$T/none.png" "$T/a"
exit_is 1 "gnuplot fails"
like "$err" "gnuplot failed: line 7: all went wrong" "its words are passed on"
ok "nothing is left" test ! -e "$T/none.png" -a ! -e "$T/none.png.tmp"

# Bad input
bad() { # EXIT REGEX NAME ARGUMENT...
	local code=$1 regex=$2 name=$3
	shift 3
	run_tool "$BIN/od-inspect" run "$@" < /dev/null
	exit_is "$code" "$name"
	like "$err" "^od-inspect: .*$regex" "$name: the reason"
	one_line "$err" "$name: one line"
}
bad 1 "cannot open '$T/nothing'" "no such run" "$T/nothing"
bad 3 "neither it nor '$T/empty.run' holds metrics.jsonl" "a directory that is no run" "$T/empty"
bad 3 "no record has a step" "empty input" -
bad 3 ":1: not a JSON object" "not JSON" Makefile
echo '{"step":"three","loss":1}' > "$T/x.jsonl"; bad 3 "x.jsonl:1: field 'step' must be a number" "step of a wrong type" "$T/x.jsonl"
printf '{"step":1,"loss":1}\n{"step":2,"loss"\n{"step":3,"loss":1}\n' > "$T/x.jsonl"; bad 3 "x.jsonl:2: " "a cut line in the middle" "$T/x.jsonl"
bad 2 "must end in .svg, .png or .gp" "an unknown picture format" --plot "$T/p.pdf" "$T/a"
echo '{"step":1,"other":2}' > "$T/x.jsonl"; bad 3 "none of the known columns" "nothing to draw" --json --plot "$T/p.svg" "$T/x.jsonl"
("$BIN/od-inspect" run "$T/a" > /dev/full) 2> "$T/err"; is $? 1 "a full disk is noticed"

run_tool "$BIN/od-inspect" nonsense
exit_is 2 "unknown command"
like "$err" "unknown command 'nonsense': not one of .*run" "the commands are named"
run_tool "$BIN/od-inspect"
exit_is 2 "no command"
run_tool "$BIN/od-inspect" --help
exit_is 0 "--help"
like "$out" $'Commands:\n.*\n  run  +curves' "it lists them"
done_testing
