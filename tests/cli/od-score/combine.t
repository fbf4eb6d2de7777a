#!/usr/bin/env bash
# od-score combine: ways, weights, records of several experts in a pipeline.
. tests/cli/lib.sh

S=$BIN/od-score
two='{"id":"a","prompt":"q","responses":[{"text":"r","scores":{"prm":0.5,"verify":1}},{"text":"s","scores":{"prm":0.9,"verify":0}},{"text":"t","scores":{"prm":0.1,"verify":1}}]}'
how() { # HOW WEIGHTS WANTED
	run_tool "$S" combine -q --how "$1" --weights "$2" <<< "$two"
	exit_is 0 "$1 $2: exit 0"
	is "$(jq -c '[.responses[].score * 1e6 | round / 1e6]' <<< "$out")" "$3" "$1 $2"
}
how mean prm=0.7,verify=3 '[0.905405,0.17027,0.82973]'
how mean prm '[0.5,0.9,0.1]'
how min prm=2,verify '[1,0,0.2]'
how product prm,verify '[0.5,0,0.1]'
how product prm=2,verify '[0.25,0,0.01]'
how rank prm,verify=2 '[0.666667,0.333333,0.5]'
how zscore prm '[0,1.224745,-1.224745]'
how zscore prm,verify '[0.353553,-0.094734,-0.258819]'
is "$(jq -c '.score | del(.version)' <<< "$out")" '{"expert":"combine","how":"zscore","weights":{"prm":1,"verify":1},"scale":[1,0]}' "the block"

run_tool "$S" combine -q --how rank --weights x <<< '{"prompt":"q","chosen":"a","rejected":"b","scores_chosen":{"x":3},"scores_rejected":{"x":9}}'
is "$(jq -c '[.score_chosen,.score_rejected]' <<< "$out")" '[0,1]' "rank in a pair says who wins"

# ---- bad input
for w in '' , a, a= a=x a=0 a=-1 a=inf =2 a,a 'a=1,b=2=3'; do
	run_tool "$S" combine --weights "$w" <<< "$two"
	exit_is 2 "--weights '$w': exit 2"
	one_line "$err" "--weights '$w': one line"
done
run_tool "$S" combine --how best --weights prm <<< "$two"
exit_is 2 "--how best: exit 2"
run_tool "$S" combine -q --weights prn <<< "$two"
exit_is 3 "an unknown name: exit 3"
like "$err" "responses.0: no score named 'prn' \(there are: prm, verify\)" "an unknown name: those there are"
run_tool "$S" combine -q --how product --weights prm <<< "${two/0.9/-0.9}"
exit_is 3 "a negative factor: exit 3"
like "$err" "responses.1: score 'prm' is -0.9: a product needs" "a negative factor: named"

# ---- one meaning a name
block() { jq -c --argjson b "$1" '.scores = {prm: $b}' <<< "$two"; }
run_tool "$S" combine -q --weights prm <(block '{"expert":"prm","scale":[1,0],"version":"1"}'; block '{"expert":"prm","scale":[1,0],"version":"2"}')
exit_is 0 "versions may differ"
run_tool "$S" combine -q --weights prm <(block '{"expert":"prm","scale":[1,0]}'; block '{"expert":"prm","scale":[10,0]}')
exit_is 3 "two scales under one name: exit 3"
like "$err" "record a: scores named 'prm' were made in another way than those before: .*\[10,0\].* after .*\[1,0\]" "two scales: told"

# ---- a pipeline: two experts under names, then one score
"$S" combine -q --weights prm --name strict <<< "$two" | "$S" combine -q --weights verify --name lax --scale 10,1 |
	"$S" combine -q --weights strict,lax --how min > "$T/out"
is "$(jq -c '[.responses[].score],(.scores | map_values(.scale)),.score.expert' "$T/out" | xargs)" \
	'[0.5,0.9,0.1] {strict:[1,0],lax:[10,1]} combine' "experts one after the other"
done_testing
