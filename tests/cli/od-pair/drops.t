#!/usr/bin/env bash
# Everything that is left out is counted, with the reason, on stderr and in the summary.
. tests/cli/lib.sh

P="$BIN/od-pair"
{
	echo '{"id":"ok","prompt":"q","responses":[{"text":"a","score":5,"correct":true,"tokens":3},{"text":"b","score":1,"correct":false,"tokens":9}]}'
	echo '{"id":"none","prompt":"q","responses":[]}'
	echo '{"id":"blank","prompt":"q","responses":[{"text":"  ","score":5,"correct":true,"tokens":1}]}'
	echo '{"id":"single","prompt":"q","responses":[{"text":"a","score":5,"correct":true,"tokens":2}]}'
	echo '{"id":"same","prompt":"q","responses":[{"text":"a","score":5,"correct":true,"tokens":2},{"text":"a ","score":4,"correct":true,"tokens":2}]}'
	echo '{"id":"equal","prompt":"q","responses":[{"text":"a","score":5,"correct":true,"tokens":2},{"text":"b","score":5,"correct":true,"tokens":2}]}'
	echo '{"id":"near","prompt":"q","responses":[{"text":"a","score":5,"correct":true,"tokens":2},{"text":"b","score":4.5,"correct":false,"tokens":2}]}'
	echo '{"id":"far","prompt":"q","responses":[{"text":"a","score":50,"correct":true,"tokens":2},{"text":"b","score":1,"correct":false,"tokens":2}]}'
	echo '{"id":"low","prompt":"q","responses":[{"text":"a","score":-1,"correct":true,"tokens":2},{"text":"b","score":-3,"correct":false,"tokens":2}]}'
	echo '{"id":"wrong","prompt":"q","responses":[{"text":"a","score":5,"correct":false,"tokens":2},{"text":"b","score":1,"correct":false,"tokens":2}]}'
	echo '{"id":"cut","prompt":"q","responses":[{"text":"a","score":5,"correct":true,"tokens":2,"finish_reason":"length"},{"text":"b","score":1,"correct":false,"tokens":2,"finish_reason":"stop"}]}'
	echo '{"id":"mute","prompt":"q","responses":[{"text":"a","score":5,"correct":true,"tokens":2},{"text":"b","score":1,"correct":false,"tokens":2,"extracted":""}]}'
	echo '{"id":"unsure","prompt":"q","responses":[{"text":"a","score":5,"correct":true,"tokens":2},{"text":"b","score":null,"correct":null,"tokens":2}]}'
} > "$T/in"
args=(--margin 1 --max-margin 10 --floor 0 --max-tokens 8 --summary "$T/sum")

run_tool "$P" --margin 1 --max-margin 10 --floor 0 --summary "$T/sum" "$T/in"
exit_is 0 "records left out by policy are no error"
is "$(jq -r .id "$T/out" | tr '\n' ' ')" "ok wrong mute " "the others pass"
like "$err" '^od-pair: 3 pairs of 13 records \(best-worst\), 10 left out \(2 no response, 3 single, 1 under floor, 1 identical, 1 no lower score, 1 under margin, 1 over margin\); 22 responses, 3 left out \(1 empty, 1 truncated, 1 not scored\); mean margin 4, 0\.0 % of the rejected correct$' \
	"all counted on one line"
is "$(jq -c '[.strategy,.records,.paired,.pairs,.over_cap]' "$T/sum")" '["best-worst",13,3,3,0]' "the summary's totals"
is "$(jq -c '.records_left_out' "$T/sum")" \
	'{"no_response":2,"single":3,"all_wrong":0,"under_floor":1,"identical":1,"no_lower_score":1,"under_margin":1,"over_margin":1}' "records by reason"
is "$(jq -c '.responses,.responses_left_out' "$T/sum" | tr '\n' ' ')" \
	'22 {"empty":1,"too_long":0,"truncated":1,"no_answer":0,"not_scored":1} ' "responses by reason"
is "$(jq -c '[.score_margin.n,.score_margin.mean,.score_margin.min,.score_margin.max,.score_chosen.mean]' "$T/sum")" '[3,4,4,4,5]' "margins and scores"
is "$(jq -c '[.correct_chosen,.correct_rejected]' "$T/sum")" '[{"known":3,"correct":2},{"known":3,"correct":0}]' "and how many are correct"
is "$(jq '.paired + ([.records_left_out[]] | add) == .records' "$T/sum")" true "the counts add up"

run_tool "$P" "${args[@]}" "$T/in"
is "$(jq -r .id "$T/out" | tr '\n' ' ')" "wrong mute " "--max-tokens"
like "$err" '1 too long' "--max-tokens: counted"
run_tool "$P" --margin 1 --keep-truncated "$T/in"
is "$(jq -r .id "$T/out" | tr '\n' ' ')" "ok far low wrong cut mute " "--keep-truncated; no floor and no largest margin by default"
run_tool "$P" --strategy math-paper "${args[@]}" "$T/in"
is "$(jq -r .id "$T/out")" "" "math-paper needs a correct response and an answer of both"
like "$err" '2 all wrong.*1 no answer' "both counted"
like "$err" 'od-pair: warning: no record gives a pair' "no pair at all is told"
run_tool "$P" --margin 0 --max-tokens 0 "$T/in"
unlike "$err" 'under floor|under margin|over margin|too long' "no limits: nothing beyond them"

# A floor on another scale than the scores.
for i in 1 2 3; do echo '{"prompt":"q","responses":[{"text":"a","score":0.9'$i',"correct":true},{"text":"b","score":0.1,"correct":false}]}'; done > "$T/unit"
run_tool "$P" --strategy math-authors "$T/unit"
exit_is 0 "scores on 0 to 1 under math-authors: exit 0"
like "$err" 'most records .* above the floor 6 \(the highest of theirs scores 0.93\)' "but a warning says why nothing comes"
run_tool "$P" -q --strategy math-authors --floor 0.5 "$T/unit"
is "$(wc -l < "$T/out")" 3 "--floor"
is "$err" "" "-q is silent"

# An empty output is a stream: framed, it says so.
OD_FRAMED=1 "$P" -q --strategy math-authors "$T/unit" > "$T/out" 2> /dev/null
is "$(tail -n 1 "$T/out")" '{"od_end":{"records":0}}' "no pair: a framed stream of none"

run_tool "$P" --summary "$T/no/such/folder/sum" "$T/unit"
exit_is 1 "a summary that cannot be written: exit 1"
like "$err" 'no/such/folder' "which is told"
done_testing
