#!/usr/bin/env bash
# od-score prm --reformat: solutions are split into steps by a service before they are scored, and may not be changed otherwise.
. tests/cli/lib.sh
command -v python3 >/dev/null || skip_all "python3 is not installed"

unset OPENAI_API_KEY
: > "$T/log"
python3 tests/fixtures/fault_server.py "$T/port" "$T/log" 2> "$T/server.err" &
server=$!
trap 'kill $server 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT
for _ in $(seq 200); do [ -s "$T/port" ] && break; sleep 0.05; done
url=http://127.0.0.1:$(cat "$T/port")/v1

python3 tests/fixtures/make_model.py "$T/prm" --family qwen2 --head prm --positions 400
python3 tests/fixtures/make_tokenizer.py "$T/prm" --template chatml --pattern qwen2 --special '<extra_0>'
printf 'score: (?s)<steps>(.*)</steps>\n%%user\n<in>{response}</in>\n' > "$T/rubric"
prm() { "$BIN/od-score" prm --model "$T/prm" "$@"; }
split() { prm --reformat "$url" --reformat-model m --reformat-rubric "$T/rubric" --attempts 2 "$@"; }

jq -nc '{id: "a", prompt: "p", responses: [{text: "Add them. It is 7. Done."}, {text: "It is 8."}]}' > "$T/in"
jq -nc '{id: "a", prompt: "p", responses: [{text: "Add them.\n\nIt is 7.\n\nDone."}, {text: "It is 8."}]}' > "$T/done"
run_tool split "$T/in"
exit_is 0 "solutions are split and scored"
cp "$T/out" "$T/split"
is "$(jq -c '[.responses[].step_scores | length]' "$T/split")" '[3,1]' "a score for each new step"
is "$(jq -c '[.responses[] | [.score, .step_scores]]' "$T/split")" "$(prm -q "$T/done" | jq -c '[.responses[] | [.score, .step_scores]]')" \
    "those of a text that had its steps"
is "$(jq -c '.responses[0] | [.text, .reformatted]' "$T/split")" '["Add them. It is 7. Done.","Add them.\n\nIt is 7.\n\nDone."]' \
    "the text stays, what was scored is beside it"
is "$(jq -c '.score | [.expert, .reformat_model, (.reformat_rubric | length)]' "$T/split")" '["prm","m",64]' "the score block says so"
like "$err" 'split into steps: 2 requests' "the note counts requests"

echo '{"id":"b","prompt":"p","responses":[{"text":"That is wrong. No."}]}' > "$T/changed"
run_tool split "$T/changed"
exit_is 3 "an answer that changes the text: exit 3"
like "$err" "record 'b'" "names the record"
run_tool split --skip-bad "$T/in" "$T/changed"
exit_is 4 "--skip-bad leaves it out"
run_tool split --unscored keep "$T/in" "$T/changed"
exit_is 0 "--unscored keep"
is "$(jq -c '.responses[0].score' "$T/out" | tail -n 1)" null "writes it without a score"
run_tool prm --reformat "$url" "$T/in"
exit_is 2 "no model named"
like "$err" "needs '--reformat-model'" "says what is needed"
kill $server
wait $server 2> /dev/null
run_tool split --retries 0 "$T/in"
exit_is 5 "a service that is down: exit 5"
done_testing
