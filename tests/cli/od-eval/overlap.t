#!/usr/bin/env bash
# od-eval overlap: planted questions are found, paraphrases are not; forms of training data and of benchmarks; what is kept.
. tests/cli/lib.sh

E=$BIN/od-eval
bad() { # CODE REGEX NAME ARG...
    local code=$1 regex=$2 name=$3
    shift 3
    run_tool "$E" overlap -q "$@"
    exit_is "$code" "$name"
    like "$err" "$regex" "$name: says so"
}

cat >"$T/bench.jsonl" <<'EOF'
{"question":"Tom's ducks lay 16 eggs per day, and he bakes 4 of them into muffins for his friends; how many are left?","answer":"12"}
{"question":"A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?","answer":"3"}
{"question":"What is the capital of Peru?","answer":"Lima"}
{"question":"Why?","answer":"!"}
EOF
cat >"$T/train.jsonl" <<'EOF'
{"id":"clean","prompt":"Ducks that Tom keeps give sixteen eggs daily. With four he makes muffins. How many does he keep?","chosen":"12","rejected":"16"}
{"id":"planted","prompt":[{"role":"user","content":"TOM’S DUCKS lay 16 eggs per\nday and he bakes 4 of them into **muffins** for his friends... how many are left"}],"chosen":"12","rejected":"4"}
{"id":"half","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"A robe takes 2 bolts of blue fiber and half that much white fiber, how nice"}]}
{"id":"short","prompt":"Quiz","responses":[{"text":"No idea"},{"text":"What is the capital of Peru? Lima. Why?"}]}
{"id":"other", "prompt":"What is the capital of Chile?" , "n": 1.0}
EOF
run_tool "$E" overlap "$T/train.jsonl" "$T/bench.jsonl"
exit_is 0 "items are looked for"
is "$(jq -c '[.bench,.id,.overlap,.ngrams,.hits,.words,.whole,[.train[]|[.line,.id,.field]]]' "$T/out")" \
    '["bench","#0",1,11,11,23,false,[[2,"planted","prompt"]]]
["bench","#1",0.3,10,3,22,false,[[3,"half","messages"]]]
["bench","#2",1,1,1,6,true,[[4,"short","responses"]]]' "what is hit, by what"
is "$(sed -n 2p "$T/out" | jq -r .example)" "a robe takes 2 bolts of blue fiber and half that much white fiber how" "an example"
like "$err" "3 of 5 training records hit an item; .* MB/s.*items +too short +whole +hit +half +in full.* 4 +1 +1 +3 +2 +2 +bench" "the table"
run_tool "$E" overlap -q --all --summary "$T/sum" "$T/train.jsonl" "$T/bench.jsonl"
is "$(tail -n 1 "$T/out" | jq -c '[.id,.overlap,.ngrams,.train,.example]')" '["#3",null,0,[],null]' "--all lists what is too short too"
is "$(jq -c '[.n,.min_words,.normalisation,.train.records,.train.hit,.train.texts,(.benchmarks[0]|[.items,.not_looked_for,.whole,.hit,.half,.full])]' "$T/sum")" \
    '[13,5,"NFKC_Casefold",5,3,12,[4,1,1,3,2,2]]' "the summary"
is "$(jq '.train.bytes' "$T/sum")" "$(wc -c <"$T/train.jsonl")" "the bytes read"

run_tool "$E" overlap --clean "$T/kept" "$T/train.jsonl" "$T/bench.jsonl"
exit_is 0 "--clean"
ok "--clean keeps what hits nothing, byte for byte" cmp -s "$T/kept" <(sed -n '1p;5p' "$T/train.jsonl")
like "$err" "2 of 5 training records hit nothing" "--clean says how many"
run_tool "$E" overlap -q --clean - --items "$T/items" "$T/train.jsonl" "$T/bench.jsonl"
is "$(jq -r .id "$T/out" | paste -sd,)" clean,other "--clean - is standard output"
is "$(wc -l <"$T/items")" 3 "beside --items FILE"
"$E" overlap -q --clean - "$T/train.jsonl" "$T/bench.jsonl" >"$T/kept"
run_tool "$E" overlap -q --check "$T/kept" "$T/bench.jsonl"
exit_is 0 "--check: what was kept is clean"
is "$out" "" "and nothing is listed"
run_tool "$E" overlap -q --check "$T/train.jsonl" "$T/bench.jsonl"
exit_is 4 "--check: exit 4 when an item is hit"

run_tool "$E" overlap -q --ngram 5 - "$T/bench.jsonl" <"$T/train.jsonl"
is "$(jq -c '[.id,.ngrams]' "$T/out" | paste -sd' ')" '["#0",19] ["#1",18] ["#2",2]' "--ngram; training data from standard input"
run_tool "$E" overlap -q --min-words 7 --train-field responses,messages "$T/train.jsonl" "$T/bench.jsonl" --skip-bad
exit_is 4 "--train-field: records without are bad"
is "$(jq -r .id "$T/out")" "#1" "--train-field, --min-words"
run_tool "$E" overlap -q --bench-field answer --ngram 1 --min-words 1 "$T/train.jsonl" "$T/bench.jsonl"
is "$(jq -c '[.id,.hits]' "$T/out" | paste -sd' ')" '["#0",1] ["#2",1]' "--bench-field"
printf '{"id":"%s","prompt":"Answer with at most three words in all: %s is what?"}\n' a one b two >"$T/phrases"
echo '{"text":"answer with at most three words in all please; two is what"}' >"$T/phrase"
run_tool "$E" overlap -q --ngram 4 "$T/phrase" "$T/phrases"
is "$(jq -c '[.id,.ngrams,.hits]' "$T/out" | paste -sd' ')" '["a",8,5] ["b",8,5]' "what items share counts"
run_tool "$E" overlap -q --ngram 4 --common 1 "$T/phrase" "$T/phrases"
is "$out" "" "--common: no longer"
run_tool "$E" overlap -q --ngram 3 --common 1 --all "$T/phrase" "$T/phrases"
is "$(jq -c '[.id,.ngrams,.hits]' "$T/out" | paste -sd' ')" '["a",3,0] ["b",3,1]' "--common: but what is an item's own"

# ---- publishers' forms ----------------------------------------------------------------------------------------------------------
q='please tell me which of these seven long rivers flows through the oldest city of all'
echo "[{\"instruction\":\"$q\",\"x\":NaN}]" >"$T/alpaca.json"
echo "{\"question_id\":\"u1\",\"turns\":[{\"content\":\"$q\"}]}" >"$T/arena.jsonl"
echo "{\"key\":1000,\"prompt\":\"$q\"}" | gzip >"$T/if.jsonl.gz"
echo "{\"id\":\"s\",\"query\":\"$q\"}" >"$T/sedar.jsonl"
echo "{\"problem\":\"$q\",\"solution\":\"x\"}" >"$T/math.jsonl"
echo "{\"conversations\":[{\"from\":\"human\",\"value\":\"$q\"}]}" >"$T/share.jsonl"
run_tool "$E" overlap -q "$T/share.jsonl" "$T"/{alpaca.json,arena.jsonl,if.jsonl.gz,sedar.jsonl,math.jsonl}
is "$(jq -r '[.bench,.id,(.overlap|tostring)]|join(" ")' "$T/out" | paste -sd,)" 'alpaca #0 1,arena u1 1,if 1000 1,sedar s 1,math #0 1' "every form"
echo '{"prompt":"请问这七条长河中哪一条流过最古老的城市"}' >"$T/zh"
run_tool "$E" overlap -q <(echo '{"text":"他问：这七条长河中，哪一条流过最古老的城市？"}') "$T/zh"
is "$(jq -c '[.words,.hits]' "$T/out")" '[19,6]' "characters of scripts without spaces are words"

# ---- many records ---------------------------------------------------------------------------------------------------------------
jq -nc 'range(300)|{question:"Item number \(.) asks how many of the \(.*7) apples in the \(.*13) baskets are green if \(.) of them are not"}' >"$T/many"
jq -nc 'range(3000)|if .%100==7 then {prompt:"Q: item NUMBER \(./10|floor) asks how many of the \((./10|floor)*7) apples in the \((./10|floor)*13) baskets are green, if \(./10|floor) of them are not"}
    else {prompt:"Item number \(.) asked how many apples of \(.) in \(.*13) green baskets there were"} end' >"$T/records"
run_tool "$E" overlap -q --summary "$T/sum" --clean "$T/kept" "$T/records" "$T/many"
is "$(jq -c 'select(.overlap==1)|.id' "$T/out" | wc -l)" 30 "30 planted items of 300 are found"
is "$(wc -l <"$T/out") $(wc -l <"$T/kept")" "30 2970" "and no other"

# ---- refusals -------------------------------------------------------------------------------------------------------------------
bad 2 "TRAIN BENCH" "no benchmark" "$T/train.jsonl"
bad 2 "read once" "stdin twice" - -
bad 2 "is the training data" "the input as output" --clean "$T/train.jsonl" "$T/train.jsonl" "$T/bench.jsonl"
bad 2 "both be standard output" "two things on stdout" --clean - --items - "$T/train.jsonl" "$T/bench.jsonl"
bad 2 "empty name" "an empty field" --train-field a,,b "$T/train.jsonl" "$T/bench.jsonl"
bad 2 "'--ngram'" "an n that is none" --ngram 0 "$T/train.jsonl" "$T/bench.jsonl"
echo '{"x":1}' >"$T/none"
bad 3 "none: record 0: no text to look for.*--bench-field" "a benchmark without texts" "$T/train.jsonl" "$T/none"
bad 3 "none:1: no text to look into.*--train-field" "training data without texts" "$T/none" "$T/bench.jsonl"
bad 3 "invalid JSON" "training data that is none" <(echo '{') "$T/bench.jsonl"
bad 3 "no records|no items" "an empty benchmark" "$T/train.jsonl" /dev/null
bad 3 "no records" "empty training data" /dev/null "$T/bench.jsonl"
bad 1 "nowhere" "no such file" "$T/nowhere" "$T/bench.jsonl"
echo '{' | cat "$T/train.jsonl" - >"$T/broken"
rm -f "$T/kept"
bad 3 "broken:6" "a broken record" --clean "$T/kept" "$T/broken" "$T/bench.jsonl"
ok "half a clean file is none" test ! -e "$T/kept" -a ! -e "$T/kept.tmp"
bad 4 "left out" "--skip-bad" --skip-bad --clean "$T/kept" "$T/broken" "$T/bench.jsonl"
is "$(wc -l <"$T/kept")" 2 "--skip-bad: what cannot be read is not kept"
done_testing
