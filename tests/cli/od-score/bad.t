#!/usr/bin/env bash
# Bad input: one line naming tool, file, line, field and reason; exit 3; skipped under --skip-bad with exit 4.
. tests/cli/lib.sh

S=$BIN/od-score
good='{"id":"g","prompt":"q","chosen":"a","rejected":"b","score_chosen":4,"score_rejected":2}'

# bad NAME RECORD REGEX OPTION...
bad() {
	local name=$1 record=$2 regex=$3
	shift 3
	printf '%s\n' "$good" "$record" "$good" > "$T/in.jsonl"
	run_tool "$S" -q "$@" "$T/in.jsonl"
	exit_is 3 "$name: exit 3"
	like "$err" "^od-score: .*in\.jsonl:2: .*$regex" "$name: $regex"
	one_line "$err" "$name: one line"
	run_tool "$S" -q --skip-bad "$@" "$T/in.jsonl"
	exit_is 4 "$name: exit 4 under --skip-bad"
	is "$(wc -l < "$T/out")" 2 "$name: the others pass"
}

bad 'no score' '{"id":"r7","prompt":"q","chosen":"a","rejected":"b","score_rejected":2}' "'r7'.*'score_chosen' is missing"
bad 'null score' '{"prompt":"q","chosen":"a","rejected":"b","score_chosen":null,"score_rejected":2}' "'score_chosen'.*must be a number"
bad 'score as text' '{"prompt":"q","chosen":"a","rejected":"b","score_chosen":4,"score_rejected":"2"}' "'score_rejected'.*must be a number"
bad 'NaN' '{"prompt":"q","chosen":"a","rejected":"b","score_chosen":NaN,"score_rejected":2}' ''
bad 'Infinity' '{"prompt":"q","chosen":"a","rejected":"b","score_chosen":1e999,"score_rejected":2}' ''
bad 'no chosen' '{"prompt":"q","rejected":"b","score_chosen":4,"score_rejected":2}' "'chosen' is missing"
bad 'no rejected' '{"prompt":"q","chosen":"b","score_chosen":4,"score_rejected":2}' "'rejected' is missing"
bad 'no prompt' '{"chosen":"a","rejected":"b","score_chosen":4,"score_rejected":2}' "'prompt' is missing"
bad 'chosen is a number' '{"prompt":"q","chosen":5,"rejected":"b","score_chosen":4,"score_rejected":2}' "'chosen' must be a string or a list"
bad 'malformed' '{"prompt":"q"' ''
bad 'no object' '[1]' ''
bad 'invalid UTF-8' $'{"prompt":"\xff","chosen":"a","rejected":"b","score_chosen":4,"score_rejected":2}' ''
bad 'scaled beyond numbers' '{"prompt":"q","chosen":"a","rejected":"b","score_chosen":1e300,"score_rejected":2}' 'not finite' --scale 1e100,0

# The other schemas.
worse() { # NAME RECORD REGEX OPTION...
	local name=$1 record=$2 regex=$3
	shift 3
	run_tool "$S" -q "$@" <<< "$record"
	exit_is 3 "$name: exit 3"
	like "$err" "$regex" "$name: $regex"
}
worse 'armorm without scores' '{"prompt":"q","chosen":"a","rejected":"b"}' "'all_rm_scores' is missing" --schema armorm
worse 'armorm with one score' '{"prompt":"q","chosen":"a","rejected":"b","all_rm_scores":[1]}' "at least two" --schema armorm
worse 'armorm with a null' '{"prompt":"q","chosen":"a","rejected":"b","all_rm_scores":[1,null]}' "'all_rm_scores.1'" --schema armorm
worse 'ultrafeedback without completions' '{"instruction":"q"}' "'completions' is missing" --schema ultrafeedback
worse 'ultrafeedback with one' '{"instruction":"q","completions":[{"response":"a","fine-grained_score":1}]}' "at least two" --schema ultrafeedback
worse 'ultrafeedback without a rating' '{"instruction":"q","completions":[{"response":"a","fine-grained_score":1},{"response":"b"}]}' \
	"'completions.1.fine-grained_score' is missing" --schema ultrafeedback
worse 'ultrafeedback without a response' '{"instruction":"q","completions":[{"fine-grained_score":1},{"response":"b"}]}' \
	"'completions.0.response'" --schema ultrafeedback
worse 'argilla without a rating' '{"instruction":"q","chosen_response":"a","rejected_response":"b"}' \
	"'chosen_avg_rating' is missing" --schema argilla
worse 'a path that leads nowhere' "$good" "'meta.x' is missing" --chosen-field meta.x

run_tool "$S" < /dev/null
exit_is 3 "empty input: exit 3"
one_line "$err" "empty input: one line"
run_tool "$S" --allow-empty < /dev/null
exit_is 0 "empty input under --allow-empty"
run_tool "$S" "$T/none"
exit_is 1 "no such file: exit 1"
like "$err" "none" "no such file: named"
"$S" -q <<< "$good" > /dev/full 2> "$T/err"
is $? 1 "a full disk: exit 1"
like "$(cat "$T/err")" 'No space left' "a full disk: told"

# A stream that fails after records says so to its consumer.
printf '%s\n' "$good" '{' > "$T/in.jsonl"
run_tool "$S" "$T/in.jsonl"
is "$(tail -n 1 "$T/out" | jq -r 'keys[0]')" od_error "the output ends with od_error"
run_tool "$S" "$T/out"
exit_is 3 "which the next tool reports"
done_testing
