#!/usr/bin/env bash
# od-score verify: right and wrong answers, candidate sets and pairs, graders, bad input.
. tests/cli/lib.sh

S="$BIN/od-score"
cat > "$T/in" <<'END'
{"id":"a","prompt":"1/2?","answer":"0.5","responses":[{"text":"\\boxed{\\frac12}","n":1.0},{"text":"\\boxed{2}"},{"text":""},{"text":"Area: \\boxed{A = 0.50}"}]}
{"id":"b","prompt":"p","answer":"#### 42","responses":[]}
{"id":"c","prompt":"p","answer":"7","chosen":"It is 7.","rejected":"It is 8."}
END
run_tool "$S" verify --dataset gsm8k "$T/in"
exit_is 0 "verifies"
is "$(sed -n 1p "$T/out" | jq -c '[.responses[]|[.extracted,.correct,.score]]')" \
	'[["\\frac{1}{2}",true,1],["2",false,0],[null,false,0],["0.50",true,1]]' "extracted, correct and score of each response"
like "$(sed -n 1p "$T/out")" '"n":1\.0' "bytes of others stay"
is "$(sed -n 1p "$T/out" | jq -c '.score|[.expert,.grader,.dataset]')" '["verify","qwen","gsm8k"]' "the score block"
is "$(sed -n 2p "$T/out" | jq -c .responses)" '[]' "no responses, no scores"
is "$(sed -n 3p "$T/out" | jq -c '[.score_chosen,.score_rejected,.correct_chosen,.rejected_extracted]')" '[1,0,true,"8"]' "a pair"
like "$err" '3 of 6 responses are correct' "says how many are correct"
run_tool "$S" verify -q --grader unidpo <<< '{"prompt":"p","answer":"26","responses":[{"text":"\\boxed{Area = 26}"}]}'
is "$(jq -c '[.responses[0].correct,.score.grader]' "$T/out")" '[true,"unidpo"]' "--grader unidpo"
run_tool "$S" verify -q --answer-field meta.gt <<< '{"prompt":"p","meta":{"gt":"26"},"responses":[{"text":"26"}]}'
is "$(jq -c '.responses[0].score' "$T/out")" '1' "--answer-field"

# bad NAME RECORD REGEX
bad() {
	run_tool "$S" verify -q <<< "$2"
	exit_is 3 "$1: exit 3"
	like "$err" "^od-score: <stdin>:1: .*$3" "$1: $3"
	run_tool "$S" verify -q --skip-bad --allow-empty <<< "$2"
	exit_is 4 "$1: exit 4 under --skip-bad"
}
bad "no answer" '{"prompt":"p","responses":[{"text":"1"}]}' "responses.0: there is no reference answer: field 'answer' is missing"
bad "blank answer" '{"prompt":"p","answer":" ","responses":[{"text":"1"}]}' "there is no reference answer: field 'answer' is blank"
bad "answer that is a list" '{"prompt":"p","answer":[1],"responses":[{"text":"1"}]}' "'answer'"
bad "response without text" '{"prompt":"p","answer":"1","responses":[{"t":"1"}]}' "'responses.0.text'"
run_tool "$S" verify -q --unscored keep <<< '{"prompt":"p","responses":[{"text":"1"},{"text":"2"}]}'
exit_is 0 "--unscored keep"
is "$(jq -c '[.responses[].score]' "$T/out")" '[null,null]' "scores are null"
run_tool "$S" verify --dataset gsm "$T/in"
exit_is 2 "--dataset of no name"
like "$err" "use one of math" "says which there are"
done_testing
