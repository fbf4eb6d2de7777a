#!/usr/bin/env bash
# Bad input: one line naming tool, file, line, field and what to do; exit 3; skipped under --skip-bad with exit 4. Bad options.
. tests/cli/lib.sh

P="$BIN/od-pair"
good='{"id":"g","prompt":"q","responses":[{"text":"a","score":2,"correct":true,"tokens":1},{"text":"b","score":1,"correct":false,"tokens":1}]}'

# bad NAME RECORD REGEX OPTION...
bad() {
	local name=$1 record=$2 regex=$3
	shift 3
	printf '%s\n' "$good" "$record" "$good" > "$T/in.jsonl"
	run_tool "$P" -q "$@" "$T/in.jsonl"
	exit_is 3 "$name: exit 3"
	like "$err" "^od-pair: .*in\.jsonl:2: .*$regex" "$name: $regex"
	one_line "$err" "$name: one line"
	run_tool "$P" -q --skip-bad "$@" "$T/in.jsonl"
	exit_is 4 "$name: exit 4 under --skip-bad"
	is "$(wc -l < "$T/out")" 2 "$name: the others pass"
}

bad 'no responses' '{"id":"r7","prompt":"q"}' "'r7'.*'responses' is missing"
bad 'responses is no list' '{"prompt":"q","responses":{"text":"a"}}' "'responses' must be a list"
bad 'a response is no object' '{"prompt":"q","responses":["a"]}' "'responses.0' must be an object"
bad 'no text' '{"prompt":"q","responses":[{"score":1}]}' "'responses.0.text' is missing"
bad 'no prompt' '{"responses":[{"text":"a","score":1},{"text":"b","score":2}]}' "'prompt' is missing"
bad 'a prompt that is a number' '{"prompt":7,"responses":[{"text":"a","score":1},{"text":"b","score":2}]}' "'prompt' must be a string or a list of messages"
bad 'a pair' '{"prompt":"q","chosen":"a","rejected":"b","score_chosen":4,"score_rejected":2}' "is a pair already"
bad 'no score' '{"prompt":"q","responses":[{"text":"a","score":1},{"text":"b"}]}' "'responses.1.score' is missing: run od-score"
bad 'score as text' '{"prompt":"q","responses":[{"text":"a","score":"1"},{"text":"b","score":2}]}' "'responses.0.score' must be a number, not a string"
bad 'a score that is NaN' '{"prompt":"q","responses":[{"text":"a","score":NaN},{"text":"b","score":2}]}' 'invalid JSON'
bad 'a score beyond numbers' '{"prompt":"q","responses":[{"text":"a","score":1e999},{"text":"b","score":2}]}' ''
for s in math-paper math-authors iterative raft; do
	bad "$s without correct" '{"prompt":"q","responses":[{"text":"a","score":2,"correct":true},{"text":"b","score":1}]}' \
		"'responses.1.correct' is missing: run 'od-score verify' first" --strategy $s --floor 0
done
bad 'raft --all of what nobody verified' '{"prompt":"q","responses":[{"text":"a","score":2}]}' "'responses.0.correct' is missing" --strategy raft --all
bad 'raft of nothing known' '{"prompt":"q","responses":[{"text":"a"}]}' "'responses.0.score' is missing" --strategy raft
bad 'correct as a number' '{"prompt":"q","responses":[{"text":"a","score":2,"correct":1},{"text":"b","score":1}]}' "'responses.0.correct' must be true or false"
bad 'a limit on tokens nobody counted' '{"prompt":"q","responses":[{"text":"a","score":2},{"text":"b","score":1}]}' "'responses.0.tokens' is missing" --max-tokens 9
bad 'tokens as text' '{"prompt":"q","responses":[{"text":"a","score":2,"tokens":"1"},{"text":"b","score":1,"tokens":1}]}' "'responses.0.tokens' must be a number" --max-tokens 9
bad 'malformed' '{"prompt":"q"' ''

# Duplicate ids are fine: a record may give several pairs.
run_tool "$P" -q <(echo "$good"; echo "$good")
exit_is 0 "two records of one id"

# Streams that are cut.
"$P" -q --framed <<< "$good" > "$T/framed"
is "$(wc -l < "$T/framed")" 3 "framed output"
{ echo '{"od_stream":{"tool":"od-sample"}}'; echo "$good"; } > "$T/cut"
run_tool "$P" -q "$T/cut"
exit_is 3 "a framed stream without its end: exit 3"
is "$(tail -n 1 "$T/out" | jq -r 'keys[0]')" od_error "and the output says so to its reader"
run_tool "$P" -q --partial "$T/cut"
exit_is 0 "--partial accepts it"
{ echo "$good"; echo '{"od_error":{"tool":"od-sample","message":"no memory"}}'; } > "$T/failed"
run_tool "$P" -q "$T/failed"
exit_is 3 "a producer that failed: exit 3"
like "$err" 'od-sample.*no memory' "with its message"
# What is held under a cap does not come out of a stream that failed.
two='{"prompt":"q","responses":[{"text":"a","score":1},{"text":"b","score":2},{"text":"c","score":3},{"text":"d","score":4}]}'
run_tool "$P" -q --all --cap 9 <(echo "$two"; echo '{')
exit_is 3 "a bad record behind held pairs: exit 3"
is "$(grep -c '"chosen":' "$T/out")" 1 "held pairs stay in"

# Options.
usage() { # REGEX OPTION...
	local regex=$1
	shift
	run_tool "$P" "$@" <<< "$good"
	exit_is 2 "$*: exit 2"
	like "$err" "$regex" "$*: told"
}
usage "'--strategy'.*best-worst" --strategy best
usage "'--margin'" --margin -1
usage "'--max-margin' must not be less" --margin 3 --max-margin 2
usage "'--max-margin' must be a number" --max-margin x
usage "'--floor' must be a number" --floor high
usage "'--cap' must be a number of pairs" --cap -1
usage "'--cap' must be a number of pairs" --cap 1e3
usage "'--pairs-per-prompt' must be a number of pairs" --pairs-per-prompt x
usage "exclude each other" --all --pairs-per-prompt 2
usage "'--max-tokens'" --max-tokens -1
is "$("$P" --all --pairs-per-prompt 2 <<< "$good" 2> /dev/null)" "" "nothing is written then"
done_testing
