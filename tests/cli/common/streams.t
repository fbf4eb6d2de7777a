#!/usr/bin/env bash
# The stream contract, on the tool that needs no model: od-score. Other readers share its code (lib/io/jsonl.c).
# shellcheck disable=SC2086 # $S is a command with its options
. tests/cli/lib.sh

S="$BIN/od-score -q"

# records N: pairs with ids 1..N
records() {
	seq 1 "$1" | awk '{ printf "{\"id\":\"r%d\",\"prompt\":\"question %d\",\"chosen\":\"a good answer\",\"rejected\":\"bad\"," \
		"\"score_chosen\":%.2f,\"score_rejected\":1,\"extra\":[0.10,12345678901234567890]}\n", $1, $1, 1.5 + $1 % 4 }'
}
ids() { jq -r .id | tr '\n' ' '; }
records 200 > "$T/in"

# ---- bytes of others ----
$S "$T/in" > "$T/out"
is "$(wc -l < "$T/out")" 200 "every record comes out"
is "$(cut -d, -f1-8 "$T/out" | md5sum)" "$(sed 's/}$//' "$T/in" | cut -d, -f1-8 | md5sum)" "what others wrote keeps its bytes"
is "$(ids < "$T/out" | md5sum)" "$(ids < "$T/in" | md5sum)" "order is kept"

# ---- frames ----
$S --framed "$T/in" > "$T/framed"
like "$(head -1 "$T/framed")" '^\{"od_stream":\{"tool":"od-score","version":"[0-9.]+"' "--framed opens"
is "$(tail -1 "$T/framed")" '{"od_end":{"records":200}}' "--framed closes with the count"
OD_FRAMED=1 $S "$T/in" > "$T/framed2"
ok "OD_FRAMED=1 does the same" cmp -s "$T/framed" "$T/framed2"
OD_FRAMED=1 $S --no-framed "$T/in" > "$T/out2"
ok "--no-framed undoes it" cmp -s "$T/out" "$T/out2"
OD_FRAMED=0 $S "$T/in" > "$T/out2"
ok "OD_FRAMED=0 is none" cmp -s "$T/out" "$T/out2"
$S "$T/framed" > "$T/out2"
ok "a framed stream is read as its records" test "$(ids < "$T/out2")" = "$(ids < "$T/in")"
cat "$T/framed" "$T/framed" | $S > "$T/out2"
is "$(wc -l < "$T/out2")" 400 "framed streams may follow one another"
head -n 100 "$T/framed" > "$T/cut"
run_tool $S "$T/cut"
exit_is 3 "a cut framed stream exits 3"
like "$err" "^od-score: .*/cut:100: .*after 99 records without its end" "it says where and how many"
one_line "$err" "in one line"
is "$(grep -c od_error "$T/out")" 1 "and passes the failure on"
cp "$T/out" "$T/failed"
run_tool $S "$T/failed"
exit_is 3 "whose reader exits 3 too"
like "$err" '\(od-score\) failed: .*/cut:100: ' "naming the first cause"
run_tool $S --partial "$T/cut"
exit_is 0 "--partial accepts a cut stream"
sed 5d "$T/framed" > "$T/less"
run_tool $S "$T/less"
exit_is 3 "a framed stream with a record missing exits 3"
like "$err" '199 records, but its end record says 200' "it gives both counts"
run_tool $S --limit 3 "$T/framed"
exit_is 0 "--limit does not read to the end"
head -c 5000 "$T/in" > "$T/half"
run_tool $S "$T/half"
exit_is 3 "an unframed stream cut inside a record exits 3"
like "$err" 'the input ends inside a record' "it says so"
run_tool $S --skip-bad "$T/half"
exit_is 3 "even under --skip-bad"

# ---- failing after records were written ----
{ records 5; echo broken; } > "$T/bad"
run_tool $S "$T/bad"
exit_is 3 "a malformed record exits 3"
like "$(tail -1 "$T/out")" '^\{"od_error":\{"tool":"od-score","message":".*/bad:6: ' "the output ends with od_error"
run_tool $S < <($S "$T/bad" 2> /dev/null)
exit_is 3 "the next tool exits 3 without --framed"
like "$err" '^od-score: <stdin>:6: .*\(od-score\) failed' "and says whose failure it is"
run_tool $S --skip-bad "$T/bad"
exit_is 4 "--skip-bad exits 4"
is "$(wc -l < "$T/out")" 5 "--skip-bad leaves the record out"
run_tool $S --skip-bad --max-skipped 0 "$T/bad"
exit_is 3 "--max-skipped bounds it"

# ---- empty ----
run_tool $S < /dev/null
exit_is 3 "no record at all exits 3"
run_tool $S --allow-empty --framed < /dev/null
exit_is 0 "--allow-empty accepts it"
is "$(tail -1 <<< "$out")" '{"od_end":{"records":0}}' "a framed stream of nothing is whole"

# ---- selection ----
is "$($S --limit 3 "$T/in" | ids)" 'r1 r2 r3 ' "--limit"
is "$($S -n3 < "$T/in" | ids)" 'r1 r2 r3 ' "-n"
for i in 0 1 2; do $S --shard $i/3 "$T/in"; done | jq -r .id | sort > "$T/ids"
jq -r .id "$T/in" | sort > "$T/all"
ok "shards partition the stream" cmp -s "$T/ids" "$T/all"
is "$($S --shard 1/3 "$T/in" | head -2 | ids)" 'r2 r5 ' "--shard goes by position"
$S --sample 0.3 --seed 5 "$T/in" | jq -r .id > "$T/some"
$S --sample 0.3 --seed 5 --invert "$T/in" | jq -r .id > "$T/rest"
ok "--sample and --invert partition the stream" cmp -s <(sort "$T/some" "$T/rest") "$T/all"
shuf --random-source="$T/in" "$T/in" | $S --sample 0.3 --seed 5 | jq -r .id | sort > "$T/some2"
ok "--sample does not depend on the order" cmp -s <(sort "$T/some") "$T/some2"

# ---- sources ----
for z in gzip zstd xz; do
	command -v $z > /dev/null || { skip 1 "no $z"; continue; }
	$z -c < "$T/in" > "$T/z"
	ok "$z is read, from a file" cmp -s <($S "$T/z") <($S "$T/in")
	ok "$z is read, from a pipe" cmp -s <($S - < "$T/z") <($S "$T/in")
	head -c 400 "$T/z" > "$T/short"
	run_tool $S "$T/short"
	exit_is 3 "truncated $z exits 3"
	like "$err" 'runcated' "truncated $z is called so"
done
mkdir "$T/d" && cp "$T/in" "$T/d/pairs.jsonl"
tar -C "$T" -cf "$T/a.tar" d && tar -C "$T" -czf "$T/a.tgz" ./d
python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED).write(sys.argv[2], "d/pairs.jsonl")' "$T/a.zip" "$T/in"
for a in a.tar a.tgz a.zip; do
	ok "a member of $a" cmp -s <($S "$T/$a:d/pairs.jsonl") <($S "$T/in")
	ok "a member of $a on a pipe" cmp -s <($S -- -:d/pairs.jsonl < "$T/$a") <($S "$T/in")
	run_tool $S "$T/$a:d/other.jsonl"
	exit_is 3 "a missing member of $a exits 3"
	like "$err" "no member 'd/other.jsonl'; it has 'd/pairs.jsonl'" "a missing member of $a: it lists those there are"
	run_tool $S "$T/$a:../d/pairs.jsonl"
	exit_is 3 "an escaping path in $a exits 3"
done
run_tool $S "$T/a.tar"
exit_is 3 "an archive without a member exits 3"
like "$err" 'archive; name the member' "it says how to name one"
mkfifo "$T/fifo"
cat "$T/in" > "$T/fifo" &
ok "a fifo" cmp -s <($S "$T/fifo") <($S "$T/in")
wait
ok "process substitution" cmp -s <($S <(cat "$T/in")) <($S "$T/in")
is "$($S "$T/in" - "$T/in" < "$T/in" | wc -l)" 600 "several operands, standard input among them"
run_tool $S "$T/in" "$T/missing"
exit_is 1 "a missing second file exits 1"
like "$(tail -1 "$T/out")" 'od_error' "and ends the stream with od_error"
run_tool $S "$T"
exit_is 1 "a directory exits 1"
like "$err" 'Is a directory' "and is called one"
sed 's/$/\r/' "$T/in" > "$T/crlf"
ok "CR LF line ends" cmp -s <($S "$T/crlf") <($S "$T/in")
{ printf '\xef\xbb\xbf'; cat "$T/in"; } > "$T/bom"
ok "a byte-order mark" cmp -s <($S "$T/bom") <($S "$T/in")
ok "blank lines" cmp -s <(sed 's/$/\n/' "$T/in" | $S) <($S "$T/in")
ok "no newline at the end" cmp -s <(head -c -1 "$T/in" | $S) <($S "$T/in")

# ---- a line of 100 MB ----
{ records 1; printf '{"prompt":"'; head -c 100000000 /dev/zero | tr '\0' x; printf '"}\n'; records 1; } > "$T/long"
run_tool $S "$T/long"
exit_is 3 "a 100 MB line exits 3"
like "$err" '/long:2: the line is longer than 64 MiB' "it names the line"
case $BIN in
*san-*) skip 1 "address space is no measure under a sanitizer" ;;
*)
	run_tool bash -c 'ulimit -v 600000; "$@"' _ $S --skip-bad "$T/long"
	is "$rc $(wc -l < "$T/out")" '4 2' "and memory stays bounded"
	;;
esac
rm -f "$T/long"

# ---- output ----
run_tool bash -c '"$@" > /dev/full' _ $S "$T/in"
exit_is 1 "a full disk exits 1"
is "$err" "od-score: cannot write '<stdout>': No space left on device" "and says so in one line"
run_tool bash -c '"$@" >&-' _ $S "$T/in"
exit_is 1 "a closed stdout exits 1"
for i in $(seq 200); do cat "$T/in"; done > "$T/many"
{ $S "$T/many" 2> "$T/err"; echo $? > "$T/rc"; } | head -1 > /dev/null
is "$(cat "$T/rc")" 141 "a reader that leaves ends the filter by SIGPIPE"
is "$(cat "$T/err")" "" "quietly"
{ (trap '' PIPE; $S "$T/many" 2> "$T/err"; echo $? > "$T/rc"); } | head -1 > /dev/null
is "$(cat "$T/rc") $(cat "$T/err")" '141 ' "also when the parent ignored SIGPIPE"

# A slow producer's records reach the consumer one by one.
mkfifo "$T/slow"
{ for i in 1 2 3; do records 1; sleep 0.4; done; } | $S > "$T/slow" &
first=$(date +%s%N)
read -r line < "$T/slow"
ok "slow records are not held back" test $((($(date +%s%N) - first) / 1000000)) -lt 1000 -a -n "$line"
wait

# ---- a framed stream over several files (unframed ones: tests/pipe/unix_tools.t) ----
split -l 60 "$T/framed" "$T/fpart."
run_tool $S "$T"/fpart.*
exit_is 0 "a framed stream split over files is whole"
is "$(wc -l < "$T/out")" 200 "with all of its records"
run_tool $S "$T/fpart.aa"
exit_is 3 "its first part alone is not"
done_testing
