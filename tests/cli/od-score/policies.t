#!/usr/bin/env bash
# Scale, policies, counts, warnings, kept bytes, the score block.
. tests/cli/lib.sh

S=$BIN/od-score
pair() { # CHOSEN REJECTED SCORE_CHOSEN SCORE_REJECTED
	printf '{"prompt":"q","chosen":"%s","rejected":"%s","score_chosen":%s,"score_rejected":%s}\n' "$@"
}

# ---- bytes of others are kept, scores that do not change keep their spelling
line='{ "id" : 12345678901234567890, "x":0.10,"prompt":"caf\u00e9","chosen":"a","rejected":"b","score_chosen":4.50,"score_rejected":2 }'
run_tool "$S" -q <<< "$line"
exit_is 0 "a record: exit 0"
is "${out%%,\"score\":*}" "${line%\}}" "bytes are kept"
like "$out" '"score":\{"expert":"data","fields":\["score_chosen","score_rejected"\],"scale":\[1,0\],"version":"[0-9.]+"\}' \
	"the score block is added"
run_tool "$S" data -q <<< "$line"
exit_is 0 "the sub-command may be named"
is "${out%%,\"score\":*}" "${line%\}}" "and does the same"

# ---- scale
run_tool "$S" -q --scale 4/9,5/9 < <(pair a b 10 1)
is "$(jq -c '[.score_chosen,.score_rejected]' <<< "$out")" '[5,1]' "1-10 becomes 1-5"
run_tool "$S" -q --scale -1,0.5 < <(pair a b 1 3)
is "$(jq -c '[.score_chosen,.score_rejected,.score.scale]' <<< "$out")" '[-0.5,-2.5,[-1,0.5]]' "a scale may turn the order"
for bad in 1 a,b 1, ,1 0,1 1/0,1 inf,0 1,2,3; do
	run_tool "$S" --scale "$bad" < <(pair a b 1 3)
	exit_is 2 "--scale $bad: exit 2"
done
run_tool "$S" --min-gap x < <(pair a b 1 3)
exit_is 2 "--min-gap x: exit 2"

# ---- policies
{ pair a b 4 2; pair a a 4 2; pair a ' a\n' 4 2; pair '' b 4 2; pair a ' ' 4 2; pair c d 2 4; pair e f 3 3; pair g h 3 2.9; } > "$T/in"
run_tool "$S" "$T/in"
exit_is 0 "policies: exit 0"
is "$(jq -sc 'map(.chosen)' "$T/out")" '["a","c","e","g"]' "identical and empty are left out, inverted and tied kept, in order"
like "$err" '4 pairs scored, 4 left out \(2 identical, 2 empty\), 1 inverted \(kept\)' "counts on stderr"
run_tool "$S" --identical keep --empty keep "$T/in"
is "$(wc -l < "$T/out")" 8 "all kept when told so"
run_tool "$S" --inverted drop "$T/in"
is "$(jq -sc 'map(.chosen)' "$T/out")" '["a","e","g"]' "--inverted drop"
like "$err" '1 inverted' "--inverted drop: counted"
run_tool "$S" --inverted swap "$T/in"
is "$(jq -sc 'map([.chosen,.rejected,.score_chosen,.score_rejected])[1]' "$T/out")" '["d","c",4,2]' "--inverted swap"
like "$err" '1 inverted \(swapped\)' "--inverted swap: counted"
run_tool "$S" --min-gap 0.5 "$T/in"
is "$(jq -sc 'map(.chosen)' "$T/out")" '["a"]' "--min-gap"
like "$err" '3 small gap' "--min-gap: counted"
run_tool "$S" -q --scale 10,0 --min-gap 0.5 --inverted swap "$T/in"
is "$(jq -sc 'map(.chosen)' "$T/out")" '["a","d","g"]' "the gap is on the new scale and after the swap"
run_tool "$S" -q --inverted swap <<< '{"prompt":"q","chosen":"a","rejected":"b","score_chosen":1,"score_rejected":2,"ref_chosen_logps":-1,"ref_rejected_logps":-2,"chosen_tokens":3,"rejected_tokens":4}'
is "$(jq -c '[.ref_chosen_logps,.ref_rejected_logps,.chosen_tokens,.rejected_tokens]' <<< "$out")" '[-2,-1,4,3]' \
	"a swap takes along what belongs to each side"

# ---- token ids in place of texts
run_tool "$S" -q <<< '{"prompt_ids":[1,2],"chosen_ids":[3],"rejected_ids":[4],"score_chosen":2,"score_rejected":1}'
exit_is 0 "records with ids: exit 0"
run_tool "$S" <<< '{"prompt_ids":[1,2],"chosen_ids":[3],"rejected_ids":[3],"score_chosen":2,"score_rejected":1}'
like "$err" '1 identical' "identical ids are identical"

# ---- warnings
for i in 1 2 3 4 5; do pair a$i b$i 0.1$i 0.1; done > "$T/small"
run_tool "$S" "$T/small"
exit_is 0 "scores off the scale: exit 0"
like "$err" 'w_qual is nearly constant' "a constant weight is told"
like "$err" 'no chosen score reaches tau_good 3.2 \(highest 0.15\)' "an unreachable tau_good is told"
run_tool "$S" --scale 20,1 "$T/small"
unlike "$err" 'nearly constant' "no such warning on a fitting scale"
for i in 1 2 3 4 5 1 2 3 4 4; do pair a b 5 $i; done > "$T/high"
run_tool "$S" "$T/high"
like "$err" 'nearly all chosen scores \(100.0 %\) reach tau_good 3.2' "a tau_good that all reach is told"
run_tool "$S" --tau-good 5.5 "$T/high"
like "$err" 'no chosen score reaches tau_good 5.5' "--tau-good"
run_tool "$S" -q "$T/small"
like "$err" 'nearly constant' "--quiet keeps warnings"
unlike "$err" 'pairs scored' "--quiet drops counts"

# ---- one scale a stream
"$S" -q --chosen-field x --rejected-field y --scale 2,0 <<< '{"prompt":"q","chosen":"a","rejected":"b","x":2,"y":1}' > "$T/two"
"$S" -q --chosen-field x --rejected-field y <<< '{"prompt":"q","chosen":"a","rejected":"b","x":2,"y":1}' > "$T/one"
run_tool "$S" -q "$T/two"
exit_is 0 "scored records pass"
is "$out" "$(cat "$T/two")" "and stay what they are"
run_tool "$S" -q --chosen-field x --rejected-field y --scale 2,0 "$T/two"
exit_is 0 "the same scoring again"
is "$out" "$(cat "$T/two")" "gives the same"
cat "$T/two" "$T/one" > "$T/mixed"
run_tool "$S" -q "$T/mixed"
exit_is 3 "two scales in one stream: exit 3"
like "$err" "mixed:2: scores are on another scale" "two scales: named with the line"
run_tool "$S" -q "$T/two" <(pair a b 2 1)
exit_is 3 "scored and unscored in one stream: exit 3"
run_tool "$S" -q --scale 3,0 "$T/two"
exit_is 3 "scaling what is scaled already: exit 3"
like "$err" '[-]-rescore' "the way out is named"
run_tool "$S" -q --skip-bad --scale 3,0 "$T/two"
exit_is 3 "it is no bad record to skip"
run_tool "$S" -q --rescore --chosen-field x --rejected-field y --scale 3,0 "$T/two"
exit_is 0 "--rescore: exit 0"
is "$(jq -c '[.score_chosen,.score.scale]' <<< "$out")" '[6,[3,0]]' "--rescore replaces scores and block"
run_tool "$S" -q <<< '{"prompt":"q","chosen":"a","rejected":"b","score_chosen":2,"score_rejected":1,"score":7}'
exit_is 0 "a member 'score' of others is no block"

# ---- the stream contract
"$S" -q --framed "$T/in" > "$T/framed"
is "$(head -n 1 "$T/framed" | jq -r 'keys[0]')" od_stream "--framed opens"
is "$(tail -n 1 "$T/framed" | jq -c .od_end.records)" 4 "--framed closes with the count"
run_tool "$S" -q --limit 1 "$T/in"
is "$(wc -l < "$T/out")" 1 "--limit"
done_testing
