#!/usr/bin/env bash
# od-score command: a program scores responses over a pair of pipes; programs that die, stall, answer too much, too little, nonsense
# or out of order.
. tests/cli/lib.sh
command -v python3 >/dev/null || skip_all "python3 is not installed"

unset PYTHONUNBUFFERED

records() { # N
	jq -nc --argjson n "$1" 'range($n) | {id: "q\(.)", prompt: "p", answer: "\(.)", responses: [{text: "a\(.)", keep: 1.50}, {text: "b"}]}'
}
score() { "$BIN/od-score" command -q "$@"; }
cat > "$T/expert.py" <<'END'
import json, sys, time
mode = sys.argv[1]
for k, line in enumerate(sys.stdin):
    q = json.loads(line)
    n = q["index"]
    a = json.dumps({"score": n + 0.5, "index": n, "id": q.get("id"), "answer_seen": q.get("answer")})
    if mode in ("less", "more"): a = "1"
    if n == 5:
        if mode == "dies": sys.exit(7)
        if mode == "killed": import os; os.kill(os.getpid(), 9)
        if mode == "stalls": time.sleep(100)
        if mode == "closes": import os; os.close(1); time.sleep(100)
        if mode == "more": a += "\n7"
        if mode == "garbage": a = "five"
        if mode == "text": a = '"5"'
        if mode == "nan": a = "NaN"
        if mode == "list": a = "[5]"
        if mode == "noscore": a = "{}"
        if mode == "order": a = json.dumps({"score": 1, "index": 6})
        if mode == "id": a = json.dumps({"score": 1, "id": "q1"})
        if mode == "empty": a = ""
        if mode == "none": a = '{"error":"too long"}'
        if mode == "null": a = '{"score":null}'
        if mode == "less": continue
    print(a, flush=mode != "keeps")
if mode == "fails": sys.exit(3)
if mode == "last": print("bye")
if mode == "lingers": time.sleep(100)
END
run_mode() { run_tool score --run "exec python3 '$T/expert.py' $1" "${@:2}"; }

records 50 > "$T/in"
run_mode fine "$T/in"
exit_is 0 "an expert in Python"
is "$(jq -sc 'map([.responses[].score])' <<< "$out")" "$(jq -nc '[range(50) | [2 * . + 0.5, 2 * . + 1.5]]')" "its scores are there, in order"
like "$(sed -n 3p "$T/out")" '"responses":\[\{"text":"a2","keep":1.50?,"score":4.5,"answer_seen":"2"\}' "further members are kept, index and id are not"
is "$(head -1 "$T/out" | jq -c '.score | [.expert, .command[0:12]]')" '["command","exec python3"]' "the score block says how"
cp "$T/out" "$T/first"
run_mode fine --window 1 "$T/in"
ok "one at a time gives the same" cmp -s "$T/out" "$T/first"
run_mode fine --window 1000 "$T/in"
ok "all at once too" cmp -s "$T/out" "$T/first"
run_tool score --run "python3 $T/expert.py fine" --label mine --scale 2,1 "$T/in"
is "$(head -1 "$T/out" | jq -c '[.score.command, .responses[0].score]')" '["mine",2]' "--label and --scale"
run_tool score --run 'jq --unbuffered -c ".response | length"' < <(jq -nc '{prompt: [{role: "user", content: "q"}], chosen: "four", rejected: "\u00e4"}')
is "$rc $(jq -c '[.score_chosen, .score_rejected]' <<< "$out")" '0 [4,1]' "plain numbers, from jq, for a pair"
run_tool score --run 'tee "'"$T"'/seen" | while read -r x; do echo 1; done' < <(jq -nc '{prompt: "p\n", responses: [{text: "\t\ud83d\ude00"}]}')
is "$rc $(cat "$T/seen")" '0 {"index":0,"prompt":"p\n","response":"\t😀"}' "a question's line"

# Questions of more than a pipe holds, answers too: nobody waits for the other.
jq -nc '("x" * 3000000) as $x | range(4) | {prompt: "p", responses: [{text: $x}, {text: $x}]}' > "$T/big"
run_tool score --run 'jq --unbuffered -c "{score: 1, text2: .response}"' "$T/big"
exit_is 0 "megabytes both ways, no deadlock"
is "$(jq -s 'map(.responses[] | .text == .text2) | all and length == 8' "$T/out")" true "and nothing is lost"

failing() { # MODE CODE REGEX
	run_mode "$1" --stall 0.5 "$T/in"
	exit_is "$2" "$1: exit $2"
	like "$err" "^od-score: .*$3" "$1: says so"
	one_line "$err" "$1: in one line"
}
failing dies 5 "response 5 \(record 'q2'\): command 'exec .* ended with status 7$"
failing killed 5 "response 5 .*killed by signal 9$"
failing stalls 5 "response 5 .*stalled: nothing for 0.5 s"
failing closes 5 "response 5 .*has closed its output$"
failing keeps 5 "response 0 .*stalled: .*keep its output back"
failing less 5 "response 63 .*stalled"
failing more 3 "wrote more lines than it was asked for"
failing garbage 3 "response 5 \(record 'q2'\): the command must answer a number or an object with a score, not 'five'"
failing text 3 "must answer a number"
failing nan 3 "must answer a number"
failing list 3 "must answer a number"
failing empty 3 "must answer a number"
failing noscore 3 "field 'score' is missing"
failing order 3 "answers index 6 where 5 was asked about: out of order"
failing id 3 "answers another id than 'q2': out of order"
failing fails 5 "ended with status 3"
failing last 3 "wrote more lines"
failing lingers 5 "stalled|does not end"
is "$(tail -1 "$T/out" | jq -r .od_error.tool)" od-score "a failure at the end is in the output too"
for mode in none null; do
	run_mode $mode --skip-bad "$T/in"
	exit_is 4 "$mode: no score for one response is a bad record"
	run_mode $mode --unscored keep "$T/in"
	is "$rc $(sed -n 3p "$T/out" | jq -c '[.responses[].score]')" '0 [4.5,null]' "$mode: --unscored keep keeps it"
done
run_tool score --run 'no-such-command-here' "$T/in"
exit_is 5 "a command that is not there"
like "$err" 'ended with status 127' "says so"
run_tool score --run 'cat' "$T/in"
exit_is 3 "cat is no expert"
run_tool score --run 'yes 1' "$T/in"
exit_is 3 "yes is none either"
run_tool score --run 'exit 0' "$T/in"
exit_is 5 "nor is one that ends at once"
run_tool score "$T/in"
exit_is 2 "--run is required"
run_tool score --run 'sleep 77 & wait' --stall 0.3 -n 1 "$T/in"
exit_is 5 "a stalled shell"
ok "leaves no children behind" test -z "$(pgrep -f '^sleep 77$')"
done_testing
