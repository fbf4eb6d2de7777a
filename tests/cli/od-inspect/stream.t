#!/usr/bin/env bash
# od-inspect stream: kinds, fields, wholeness; --check and --expect as exit status.
# shellcheck disable=SC2086 # $I is a command with its options
. tests/cli/lib.sh

I="$BIN/od-inspect stream"
pair='{"id":"a","prompt":"p","chosen":"c","rejected":"r","score_chosen":4,"score_rejected":1.5}'

kind() { # JSON KIND
	is "$($I --json <<< "$1" | jq -r .kind)" "$2" "kind: $2"
}
kind "$pair" pairs
kind '{"prompt_ids":[1],"chosen_ids":[2],"rejected_ids":[3]}' pairs
kind '{"prompt":"p","chosen":"c"}' sft
kind '{"messages":[]}' sft
kind '{"prompt":"p","responses":[{"text":"t"}]}' candidates
kind '{"prompt":"p"}' prompts
kind '{"step":1,"loss":0.5,"grad_norm":1}' metrics
kind '{"step":0,"eval":{"loss":1}}' metrics
kind '{"step":1,"id":"a","dlogp_chosen":0.1,"loss":1}' telemetry
kind '{"id":"a","dlogp_chosen":0.1,"loss":1}' weights
kind '{"x":1}' other
kind "$pair"$'\n{"prompt":"p"}' mixed

printf '%s\n' "$pair" '{"prompt":[{"role":"user","content":"p"}],"chosen":"cc","rejected":"","score_chosen":2,"n":null}' > "$T/in"
run_tool $I --json "$T/in"
exit_is 0 "two pairs"
is "$(jq -c '[.records,.malformed,.framed,.whole,.broken]' <<< "$out")" '[2,0,false,true,null]' "counts"
is "$(jq -c '.fields.score_chosen' <<< "$out")" '{"count":2,"share":1,"types":{"integer":2},"value":{"min":2,"mean":3,"max":4}}' "ranges"
is "$(jq -c '.fields.score_rejected.share' <<< "$out")" 0.5 "share of a field"
is "$(jq -c '.fields.prompt.types' <<< "$out")" '{"string":1,"array":1}' "types of a field"
is "$(jq -c '.fields.chosen.bytes.max' <<< "$out")" 2 "lengths of strings"
is "$(jq -c '.fields.n' <<< "$out")" '{"count":1,"share":0.5,"types":{"null":1}}' "null"
run_tool $I "$T/in"
like "$out" 'kind +pairs' "a table for people"
like "$out" 'score_chosen +100 % +integer +value +2 +3 +4' "with a line for each field"

run_tool $I --check --expect 2 "$T/in"
exit_is 0 "--check --expect: as expected"
run_tool $I --expect 3 "$T/in"
exit_is 4 "--expect: another count exits 4"
like "$err" 'has 2 records, 3 were expected' "and says both"
run_tool $I --expect 0 < /dev/null
exit_is 0 "--expect 0 of an empty stream"
run_tool $I < /dev/null
exit_is 3 "an empty stream exits 3"

# check NAME RECORD REGEX: the record is well-formed JSON, but not what its kind must be.
check() {
	printf '%s\n' "$pair" "$2" > "$T/in2"
	run_tool $I --check "$T/in2"
	exit_is 4 "--check: $1 exits 4"
	like "$err" "in2:2: .*$3" "--check: $1: $3"
	run_tool $I "$T/in2"
	exit_is 0 "without --check: $1 exits 0"
}
check 'a score that is text' '{"prompt":"p","chosen":"c","rejected":"r","score_chosen":"4"}' "'score_chosen' must be a number"
check 'no prompt' '{"chosen":"c","rejected":"r"}' "'prompt' is missing"
check 'a response without text' '{"responses":[{"text":"a"},{}]}' "responses.1.text"
check 'an unknown record' '{"x":1}' 'no field that tells'
printf '%s\n{"a":NaN}\n%s\n' "$pair" "$pair" > "$T/in3"
run_tool $I "$T/in3"
exit_is 4 "malformed JSON exits 4"
like "$out" 'malformed +1, the first: .*in3:2: ' "and stands in the table"
is "$($I --json "$T/in3" 2> /dev/null | jq -c '[.records,.malformed]')" '[2,1]' "and in the JSON"

OD_FRAMED=1 "$BIN/od-score" -q "$T/in" --skip-bad > "$T/framed" 2> /dev/null
run_tool $I --check --json "$T/framed"
is "$(jq -c '[.framed,.frames,.whole]' <<< "$out")" '[true,1,true]' "a framed stream"
head -2 "$T/framed" > "$T/cut"
run_tool $I --check --json "$T/cut"
exit_is 3 "a cut framed stream exits 3"
is "$(jq -c '[.framed,.whole]' <<< "$out")" '[true,false]' "and is reported as far as it goes"
like "$(jq -r .broken <<< "$out")" 'without its end' "with the reason"
printf '%s\n{"od_error":{"tool":"od-x","message":"disk on fire"}}\n' "$pair" > "$T/failed"
run_tool $I "$T/failed"
exit_is 3 "a failed producer exits 3"
like "$out" 'broken: .*\(od-x\) failed: disk on fire' "and is told"
printf '\40\0\0\0\0\0\0\0{"a":' > "$T/tensors"
run_tool $I "$T/tensors"
exit_is 3 "a truncated tensor stream exits 3"
done_testing
