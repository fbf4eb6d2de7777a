#!/usr/bin/env bash
# Streams go through the tools people already have: jq, head, shuf, split, GNU parallel, compressors, Python, pandas.
. tests/cli/lib.sh

pairs=examples/pairs.jsonl
n=$(wc -l <"$pairs")
score() { "$BIN/od-score" -q "$@"; }
count() { wc -l <"$1" | tr -d ' '; }
same_lines() { cmp -s <(sort "$1") <(sort "$2"); }

score "$pairs" >"$T/scored.jsonl"
is "$(count "$T/scored.jsonl")" "$n" "one line a record, nothing else"

# jq, in front and behind
jq -c 'select(.score_chosen - .score_rejected >= 1)' "$pairs" >"$T/clear.jsonl"
score "$pairs" | jq -c 'select(.score_chosen - .score_rejected >= 1) | del(.score)' >"$T/clear2.jsonl"
is "$(cat "$T/clear2.jsonl")" "$(cat "$T/clear.jsonl")" "jq filters a stream as it filters the file"
run_tool score "$T/clear2.jsonl"
exit_is 0 "what jq wrote is read"
score --min-gap 1 "$pairs" >"$T/gap.jsonl"
is "$(jq -r .id "$T/gap.jsonl")" "$(jq -r .id "$T/clear.jsonl")" "--min-gap keeps what that filter keeps"

# head: a consumer that leaves early, and a cut input
score "$pairs" | head -n 5 >"$T/head.jsonl"
is "${PIPESTATUS[1]}" 0 "head takes five"
cmp -s "$T/head.jsonl" <(head -n 5 "$T/scored.jsonl")
tap_result $? "they are the first five"
for i in $(seq 60); do cat "$pairs"; done >"$T/many.jsonl"
(trap - PIPE; score "$T/many.jsonl" 2>"$T/err" | head -n 1 >/dev/null; echo "${PIPESTATUS[0]}" >"$T/rc")
is "$(cat "$T/rc")" 141 "a producer whose reader has left dies of SIGPIPE"
is "$(cat "$T/err")" "" "and says nothing"
run_tool bash -c "head -n 5 $pairs | $BIN/od-score -q"
exit_is 0 "an unframed stream may be cut"

# shuf, tac, sort: order is free
shuf "$pairs" | score >"$T/shuffled.jsonl"
ok "shuf before: the same records" same_lines "$T/shuffled.jsonl" "$T/scored.jsonl"
shuf "$T/scored.jsonl" | score >"$T/shuffled.jsonl"
ok "shuf behind: the same records" same_lines "$T/shuffled.jsonl" "$T/scored.jsonl"

# split and cat; --shard covers the same ground
split -l 10 "$pairs" "$T/part."
score "$T"/part.* >"$T/joined.jsonl"
ok "split: the pieces together are the whole" cmp -s "$T/joined.jsonl" "$T/scored.jsonl"
for i in 0 1 2; do score --shard $i/3 "$pairs"; done >"$T/shards.jsonl"
ok "three shards are the whole" same_lines "$T/shards.jsonl" "$T/scored.jsonl"
{ score --sample 0.5 --seed 3 "$pairs"; score --sample 0.5 --seed 3 --invert "$pairs"; } >"$T/halves.jsonl"
ok "a sample and its complement are the whole" same_lines "$T/halves.jsonl" "$T/scored.jsonl"
is "$(score --sample 0.5 --seed 3 "$pairs" | jq -r .id | sort)" \
    "$(shuf "$pairs" | score --sample 0.5 --seed 3 | jq -r .id | sort)" "a sample does not depend on the order"

# GNU parallel
if command -v parallel >/dev/null; then
    export PARALLEL_HOME=$T/parallel
    mkdir -p "$PARALLEL_HOME" && touch "$PARALLEL_HOME/will-cite"
    parallel --pipe -k -j3 -N7 "$BIN/od-score" -q <"$pairs" >"$T/parallel.jsonl" 2>"$T/err"
    ok "parallel --pipe -k: bytes of a single run" cmp -s "$T/parallel.jsonl" "$T/scored.jsonl"
    OD_FRAMED=1 parallel --pipe -k -j3 --block 8k "$BIN/od-score" -q <"$pairs" >"$T/framed.jsonl" 2>"$T/err"
    ok "framed: each piece has its opening" test "$(grep -c '^{"od_stream"' "$T/framed.jsonl")" -gt 1
    score --no-framed "$T/framed.jsonl" >"$T/again.jsonl"
    is "$?" 0 "framed streams may follow one another"
    ok "and hold the bytes of a single run" cmp -s "$T/again.jsonl" "$T/scored.jsonl"
    sed '$d' "$T/framed.jsonl" >"$T/cut.jsonl"
    run_tool score "$T/cut.jsonl"
    exit_is 3 "the last one's end is missed"
    unset PARALLEL_HOME
else
    skip 5 "GNU parallel is not installed"
fi

# filters that break frames are noticed, --partial accepts them
score --framed "$pairs" >"$T/framed.jsonl"
run_tool bash -c "head -n 20 $T/framed.jsonl | $BIN/od-score -q"
exit_is 3 "head cuts a framed stream: exit 3"
run_tool bash -c "head -n 20 $T/framed.jsonl | $BIN/od-score -q --partial"
exit_is 0 "--partial accepts it"
is "$(printf '%s\n' "$out" | wc -l)" 19 "nineteen records stood before the cut"
jq -c 'select(.od_stream or .od_end or .score_chosen >= 4.5)' "$T/framed.jsonl" >"$T/some.jsonl"
run_tool score "$T/some.jsonl"
exit_is 3 "jq drops records of a framed stream: exit 3"
run_tool score --partial "$T/some.jsonl"
exit_is 0 "--partial accepts it"
grep -v '^{"od_' "$T/framed.jsonl" >"$T/plain.jsonl"
ok "grep -v takes the frames off" cmp -s "$T/plain.jsonl" "$T/scored.jsonl"

# compressors
for c in gzip xz zstd; do
    command -v $c >/dev/null || { skip 1 "$c is not installed"; continue; }
    $c -c <"$pairs" >"$T/packed"
    score "$T/packed" >"$T/unpacked.jsonl"
    ok "$c: read as it is" cmp -s "$T/unpacked.jsonl" "$T/scored.jsonl"
done

# Python's own reader and writer, and pandas where there is one
score "$pairs" | python3 -c '
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    if r["score_chosen"] < 5:
        print(json.dumps(r))' >"$T/python.jsonl"
is "$(score "$T/python.jsonl" | jq -c '[.id, .prompt, .chosen]')" \
    "$(jq -c 'select(.score_chosen < 5) | [.id, .prompt, .chosen]' "$pairs")" "Python reads and writes a stream"
if python3 -c 'import pandas' 2>/dev/null; then
    python3 -c '
import pandas, sys
d = pandas.read_json(sys.argv[1], lines=True)
d.to_json(sys.argv[2], orient="records", lines=True, force_ascii=False)' "$T/scored.jsonl" "$T/pandas.jsonl"
    is "$(score "$T/pandas.jsonl" | jq -cS '[.id, .prompt, .chosen, .score_chosen]')" \
        "$(jq -cS '[.id, .prompt, .chosen, .score_chosen]' "$pairs")" "pandas reads and writes a stream"
else
    skip 1 "pandas is not installed"
fi

# bytes of others
line='{"id":9007199254740993,"x":0.10,"y":1e2 ,"prompt":"\u00e9","chosen":"a","rejected":"b","score_chosen":4.50,"score_rejected":1,"z":[1.0, 2]}'
is "$(printf '%s\n' "$line" | score | sed 's/,"score":{.*}}$/}/')" "$line" "numbers, escapes and spaces keep their spelling"
done_testing
