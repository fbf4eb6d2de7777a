#!/usr/bin/env bash
# What all experts that score responses share: windows, order, kept bytes, scale, score block, names, bad answers. The expert here
# is `combine` of one named score, which says what the data says.
. tests/cli/lib.sh

S=$BIN/od-score
score() { # OPTION...: the named score x becomes the score
	run_tool "$S" combine -q --weights x "$@"
}
set_of() { # ID X...: a candidate set
	local id=$1 list='' x
	shift
	for x in "$@"; do list+="${list:+,}{\"text\":\"t\",\"scores\":{\"x\":$x}}"; done
	printf '{"id":"%s","prompt":"q","responses":[%s]}\n' "$id" "$list"
}

# ---- bytes of others are kept
line='{ "id" : 12345678901234567890, "responses" : [ {"text":"]}\"" ,"scores": {"x" :1.50}, "y":0.10 } ,
{"text":"b","scores":{"x":-2},"score":9} ] , "prompt":"caf\u00e9" }'
line=${line//$'\n'/}
score <<< "$line"
exit_is 0 "a candidate set: exit 0"
wanted='{ "id" : 12345678901234567890, "responses" : [ {"text":"]}\"" ,"scores": {"x" :1.50}, "y":0.10 ,"score":1.5} ,{"text":"b","scores":{"x":-2},"score":-2} ] , "prompt":"caf\u00e9" ,"score":'
is "${out:0:${#wanted}}" "$wanted" "bytes are kept, scores go into their response"
like "$out" '"score":\{"expert":"combine","how":"mean","weights":\{"x":1\},"scale":\[1,0\],"version":"[0-9.]+"\}\}$' "the score block"
pair='{"id":"p","prompt":"q","chosen":"a","rejected":"b","scores_chosen":{"x":4},"scores_rejected":{"x":1.0}}'
score <<< "$pair"
exit_is 0 "a pair: exit 0"
is "${out%%,\"score\":*}" "${pair%\}},\"score_chosen\":4,\"score_rejected\":1" "a pair gets score_chosen and score_rejected"
score --scale 4/9,5/9 <<< "$(set_of a 1 10)"
is "$(jq -c '[.responses[].score],.score.scale' <<< "$out" | tr '\n' ' ')" '[1,5] [0.4444444444444444,0.5555555555555556] ' "--scale"
score <<< "$(set_of a)"
exit_is 0 "no responses: exit 0"
is "$(jq -c '.responses,.score.expert' <<< "$out" | tr '\n' ' ')" '[] "combine" ' "no responses: the block alone"

# ---- order and windows: the same bytes whatever is asked at once
for i in $(seq 300); do
	case $((i % 4)) in
	0) set_of "$i" ;;
	1) set_of "$i" "$i" ;;
	2) echo "${pair/\"p\"/\"$i\"}" ;;
	*) set_of "$i" "$i" "-$i" 0.5 "${i}e-3" ;;
	esac
done > "$T/many"
score "$T/many"
exit_is 0 "many records: exit 0"
cp "$T/out" "$T/wanted"
is "$(jq -r .id "$T/out" | tr '\n' ' ')" "$(seq 300 | tr '\n' ' ')" "they come in order"
is "$(jq -c 'del(.score,.score_chosen,.score_rejected,.responses[]?.score)' "$T/out" | cksum)" "$(jq -c . "$T/many" | cksum)" "nothing else changes"
is "$(jq -c 'select(.responses) | .responses[] | select(.score != .scores.x)' "$T/out")" "" "every response has its own score"
for w in 1 2 7 1000; do
	score --window $w "$T/many"
	ok "the same with --window $w" cmp -s "$T/out" "$T/wanted"
done
{ head -n 100 "$T/many"; sleep 1; tail -n 200 "$T/many"; } | "$S" combine -q --weights x - > "$T/out"
ok "the same from a slow pipe" cmp -s "$T/out" "$T/wanted"
"$S" combine -q --weights x --framed "$T/many" > "$T/out"
is "$(tail -n 1 "$T/out" | jq -c .od_end.records)" 300 "--framed"
run_tool "$S" combine -q --weights x --limit 3 "$T/many"
is "$(wc -l < "$T/out")" 3 "--limit"

# ---- bad records: those before are written, those behind under --skip-bad
bad() { # NAME RECORD REGEX [OPTION...]
	local name=$1 record=$2 regex=$3 w
	shift 3
	{ set_of a 1; set_of b 2; printf '%s\n' "$record"; set_of c 3; } > "$T/in"
	for w in 1 2 100; do
		score --window $w "$@" "$T/in"
		exit_is 3 "$name, window $w: exit 3"
		like "$err" "^od-score: .*in:3: .*$regex" "$name, window $w: named"
		one_line "$err" "$name, window $w: one line"
		is "$(head -n 2 "$T/out" | jq -r '.id' | xargs)" "a b" "$name, window $w: what came before is written"
		is "$(tail -n 1 "$T/out" | jq -r 'keys[0]')" od_error "$name, window $w: the stream ends with od_error"
	done
	score --skip-bad "$@" "$T/in"
	exit_is 4 "$name: exit 4 under --skip-bad"
	like "$err" "1 .*in:3: .*$regex" "$name: --skip-bad tells the first"
	is "$(jq -r .id "$T/out" | xargs)" "a b c" "$name: the others pass"
}
bad 'no responses' '{"id":"r7","prompt":"q"}' "'r7'.*'responses' is missing"
bad 'responses no list' '{"prompt":"q","responses":{"text":"a"}}' "'responses' must be a list"
bad 'a response that is a string' '{"prompt":"q","responses":["a"]}' "'responses.0' must be an object with 'text'"
bad 'a response without text' '{"prompt":"q","responses":[{"text":"a"},{"txt":"b"}]}' "'responses.1.text' is missing"
bad 'no prompt' '{"responses":[]}' "'prompt' is missing"
bad 'half a pair' '{"prompt":"q","chosen":"a"}' "'rejected' is missing"
bad 'no such named score' '{"id":"r","prompt":"q","responses":[{"text":"a","scores":{"x":1}},{"text":"a","scores":{"y":1}}]}' \
	"'r': responses.1: no score named 'x' \(there are: y\)"
bad 'a pair without' '{"prompt":"q","chosen":"a","rejected":"b","scores_chosen":{"x":1}}' "rejected: no score named 'x'"
bad 'a score that is text' '{"prompt":"q","responses":[{"text":"a","scores":{"x":"1"}}]}' "must be a number, not a string"
bad 'NaN' '{"prompt":"q","responses":[{"text":"a","scores":{"x":NaN}}]}' ''
bad 'scaled beyond numbers' "$(set_of r 1e300)" 'responses.0: score is not finite' --scale 1e100,0
bad 'no JSON' '{"prompt":' ''
bad 'scores of another kind' '{"prompt":"q","answer":{"a":1},"responses":[]}' "'answer' must be a string or a number"

# ---- --unscored keep
{ set_of a 1 null 3; set_of b 2; } > "$T/in"
score "$T/in"
exit_is 3 "an unscored response: exit 3"
like "$err" "in:1: record 'a': responses.1: expert 'x' has no score" "an unscored response: named"
score --unscored keep "$T/in"
exit_is 0 "--unscored keep: exit 0"
is "$(jq -c '[.responses[].score]' "$T/out" | xargs)" '[1,null,3] [2]' "--unscored keep: null"
like "$err" '^od-score: warning: 1 response without a score, the first: .*in:1: responses.1: expert' "--unscored keep: counted"

# ---- scores made in another way
score <<< "$(set_of a 1 2)"
cp "$T/out" "$T/scored"
score "$T/scored"
exit_is 0 "the same scoring again: exit 0"
ok "gives the same" cmp -s "$T/out" "$T/scored"
score --scale 2,0 "$T/scored"
exit_is 3 "another scale: exit 3"
like "$err" 'scored:1: record already has scores: .*--rescore' "another scale: the way out is named"
score --skip-bad --scale 2,0 "$T/scored"
exit_is 3 "it is no bad record to skip"
score --scale 2,0 --rescore "$T/scored"
is "$(jq -c '[.responses[].score,.score.scale]' <<< "$out")" '[2,4,[2,0]]' "--rescore"
{ set_of z 9; cat "$T/scored"; } > "$T/in"
score --scale 2,0 "$T/in"
exit_is 3 "in the midst of a stream: exit 3"
is "$(head -n 1 "$T/out" | jq -c '[.responses[].score]')" '[18]' "what came before is written"
sed 's/"x":1/"x":5/' "$T/scored" > "$T/changed"
score "$T/changed"
is "$(jq -c '[.responses[].score]' <<< "$out")" '[5,2]' "scores are made anew"
{ cat "$T/changed"; set_of n 7; sed 's/,"score":2/,"score":null/' "$T/changed"; } > "$T/in"
run_tool "$S" combine --weights x --only-missing "$T/in"
is "$(jq -c '[.responses[].score]' "$T/out" | xargs)" '[1,2] [7] [5,2]' "--only-missing leaves those that are there"
is "$(head -n 1 "$T/out")" "$(cat "$T/changed")" "--only-missing: byte for byte"
like "$err" '3 responses of 2 records scored, 1 had these scores already' "--only-missing: counted"

# ---- names
score --name both --scale 2,0 <<< "$(set_of a 1 2)"
exit_is 0 "--name: exit 0"
is "$(jq -c '[.responses[].scores.both,.responses[0].score,.score,.scores.both.expert,.scores.both.scale]' <<< "$out")" \
	'[2,4,null,null,"combine",[2,0]]' "--name: beside others, with a block of its own"
cp "$T/out" "$T/named"
score --name both --scale 3,0 "$T/named"
exit_is 3 "--name: another scale is refused"
score --name other --scale 3,0 "$T/named"
is "$(jq -c '[.responses[].scores | keys],(.scores | keys)' <<< "$out" | xargs)" '[[both,other,x],[both,other,x]] [both,other]' "--name: another name is fine"
score --name n <<< "$pair"
is "$(jq -c '[.scores_chosen == {x:4,n:4},.scores_rejected == {x:1,n:1},.scores.n.expert,.score_chosen]' <<< "$out")" \
	'[true,true,"combine",null]' "--name: pairs"
like "$out" '"scores_rejected":\{"x":1\.0,"n":1\}' "--name: others keep their spelling"
for name in '' 'a b' a.b 'ü' "$(printf 'x%.0s' $(seq 65))"; do
	score --name "$name" <<< "$pair"
	exit_is 2 "--name '$name': exit 2"
done

# ---- usage
run_tool "$S" combine < /dev/null
exit_is 2 "an expert that lacks an option: exit 2"
score < /dev/null
exit_is 3 "no input: exit 3"
score --allow-empty < /dev/null
exit_is 0 "--allow-empty"
score "$T/none"
exit_is 1 "no such file: exit 1"
"$S" combine -q --weights x "$T/many" > /dev/full 2> "$T/err"
is $? 1 "a full disk: exit 1"
run_tool "$S" --help
like "$out" $'\nCommands:\n' "--help lists the experts"
like "$out" $'\n  combine ' "combine among them"
run_tool "$S" combine --help
exit_is 0 "combine --help"
like "$out" '--weights' "combine --help: its options"

# ---- warnings about pairs
for i in 1 2 3 4 5; do echo "${pair/4/0.$i}"; done > "$T/small"
run_tool "$S" combine --weights x "$T/small"
like "$err" '10 responses of 5 records scored; scores 0.1 to 1, mean 0.65' "the summary"
like "$err" 'no chosen score reaches tau_good 3.2' "warnings as for scores in the data"
run_tool "$S" combine --weights x --tau-good 0.3 "$T/small"
unlike "$err" 'reaches tau_good' "--tau-good"
done_testing
