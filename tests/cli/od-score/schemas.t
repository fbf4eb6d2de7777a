#!/usr/bin/env bash
# Every schema: where its scores come from, and what becomes of its texts.
. tests/cli/lib.sh

S=$BIN/od-score

# score NAME EXPR WANTED OPTION... < records: the jq expression over all output records.
score() {
	local name=$1 expr=$2 wanted=$3
	shift 3
	run_tool "$S" --quiet "$@"
	exit_is 0 "$name: exit 0"
	is "$(jq -sc "$expr" "$T/out" 2>&1)" "$wanted" "$name: $expr"
}

score pairs 'map([.score_chosen,.score_rejected,.score.scale,.score.fields])' \
	'[[4.5,2,[1,0],["score_chosen","score_rejected"]]]' <<'E'
{"prompt":"q","chosen":"a","rejected":"b","score_chosen":4.5,"score_rejected":2}
E

# Dialogues that repeat the prompt, as HuggingFaceH4/ultrafeedback_binarized has them.
score h4 'map([.score_chosen,.score_rejected,.chosen[1].content])' '[[9,6.5,"a"]]' \
	--schema HuggingFaceH4/ultrafeedback_binarized <<'E'
{"prompt":"q","prompt_id":"5e","chosen":[{"content":"q","role":"user"},{"content":"a","role":"assistant"}],"rejected":[{"content":"q","role":"user"},{"content":"b","role":"assistant"}],"messages":[{"content":"q","role":"user"},{"content":"a","role":"assistant"}],"score_chosen":9.0,"score_rejected":6.5}
E

score argilla 'map([.prompt,.chosen,.rejected,.score_chosen,.score_rejected,.score.fields])' \
	'[["q","a","b",4.75,3.5,["chosen_avg_rating","rejected_avg_rating"]]]' --schema argilla <<'E'
{"source":"s","instruction":"q","chosen_response":"a","rejected_response":"b","chosen_avg_rating":4.75,"rejected_avg_rating":3.5,"chosen_model":"m"}
E

score argilla-cleaned 'map([.prompt,.chosen[1].content,.score_chosen,.score_rejected,.["chosen-model"]])' \
	'[["q","a",4.25,4,"m"]]' --schema argilla/ultrafeedback-binarized-preferences-cleaned <<'E'
{"source":"s","prompt":"q","chosen":[{"content":"q","role":"user"},{"content":"a","role":"assistant"}],"chosen-rating":4.25,"chosen-model":"m","rejected":[{"content":"q","role":"user"},{"content":"b","role":"assistant"}],"rejected-rating":4.0,"rejected-model":"n"}
E

score armorm 'map([.score_chosen,.score_rejected,.score.fields])' \
	'[[0.1796875,0.11,["max all_rm_scores","min all_rm_scores"]]]' --schema armorm <<'E'
{"prompt_id":"1","prompt":"q","all_generated_responses":["c","a","b"],"all_rm_scores":[0.15,0.1796875,0.11],"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]}
E

uf='{"source":"s","instruction":"q","models":["m"],"completions":[
{"response":"r0","overall_score":7,"fine-grained_score":3.25},
{"response":"r1","overall_score":9.0,"fine-grained_score":4.5},
{"response":"r2","overall_score":"2","annotations":{"honesty":{"Rating":"N/A"},"truthfulness":{"Rating":"3"},"helpfulness":{"Rating":"4"}}},
{"response":"r3","overall_score":9.5,"fine-grained_score":1.75}]}'
uf=${uf//$'\n'/}
score ultrafeedback 'map([.prompt,.chosen,.rejected,.score_chosen,.score_rejected])' '[["q","r1","r3",4.5,1.75]]' \
	--schema ultrafeedback <<< "$uf"
score 'ultrafeedback overall' 'map([.chosen,.rejected,.score_chosen,.score_rejected,.score.fields])' \
	'[["r3","r2",9.5,2,["best overall_score","worst overall_score"]]]' --schema openbmb/UltraFeedback --rating overall <<< "$uf"
# The mean over ratings that are numbers: (3 + 4) / 2.
score 'ultrafeedback mean of ratings' 'map([.chosen,.rejected,.score_chosen,.score_rejected])' '[["a","b",3.5,1]]' \
	--schema ultrafeedback <<'E'
{"instruction":"q","completions":[{"response":"a","annotations":{"h":{"Rating":"N/A"},"t":{"Rating":"3"},"i":{"Rating":"4"}}},{"response":"b","fine-grained_score":1}]}
E

# A random lower one is never the best, depends on the seed, and is the same again.
for i in $(seq 40); do echo "${uf/\"q\"/\"q$i\"}"; done > "$T/many"
run_tool "$S" -q --schema ultrafeedback --rejected-pick random "$T/many"
is "$(jq -r .rejected "$T/out" | sort -u | tr '\n' ' ')" "r0 r2 r3 " "random-lower: every lower one is picked, the best never"
jq -r .rejected "$T/out" > "$T/first"
"$S" -q --schema ultrafeedback --rejected-pick random "$T/many" | jq -r .rejected | cmp -s - "$T/first"
is $? 0 "random-lower: the same again"
"$S" -q --schema ultrafeedback --rejected-pick random --seed 5 "$T/many" | jq -r .rejected | cmp -s - "$T/first"
is $? 1 "random-lower: another seed, another choice"
run_tool "$S" --schema ultrafeedback <<'E'
{"instruction":"q","completions":[{"response":"a","fine-grained_score":3},{"response":"b","fine-grained_score":3}]}
E
exit_is 0 "candidates all rated alike are no pair: exit 0"
is "$out" "" "candidates all rated alike: nothing comes out"
like "$err" '0 pairs scored, 1 left out \(1 small gap\)' "candidates all rated alike: counted"

score 'dotted fields' 'map([.score_chosen,.score_rejected])' '[[8,3.5]]' --chosen-field meta.s.0 --rejected-field meta.s.1 <<'E'
{"prompt":"q","chosen":"a","rejected":"b","meta":{"s":[8,3.5]}}
E
score 'fields win over the schema' 'map([.prompt,.score_chosen,.score_rejected])' '[["q",8,3.5]]' --schema argilla \
	--chosen-field x --rejected-field y <<'E'
{"instruction":"q","chosen_response":"a","rejected_response":"b","x":8,"y":3.5}
E

run_tool "$S" --schema nosuch <<< '{}'
exit_is 2 "unknown schema: exit 2"
like "$err" "^od-score: .*'nosuch'.*argilla-cleaned" "unknown schema: names there are"
one_line "$err" "unknown schema: one line"
run_tool "$S" --schema ultrafeedback --chosen-field x <<< '{}'
exit_is 2 "a single field for candidates: exit 2"

done_testing
