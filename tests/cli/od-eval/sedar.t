#!/usr/bin/env bash
# od-eval sedareval: prompts from records, scores from a judge's texts, through a judge and back.
. tests/cli/lib.sh

E=("$BIN/od-eval" sedareval)
near() { jq -ne --argjson a "$1" --argjson b "$2" '($a - $b | fabs) <= 1e-9' > /dev/null; }

categories=(推理 数学 代码 问答 理解 对话 Agent/复杂指令 创作)
for i in $(seq 0 15); do
	jq -nc --arg i "$i" --arg c "${categories[i % 8]}" '{id: "s\($i)", query: "question \($i) {x}", answer: "answer \($i)",
		meta: {category: [$c, "sub"], reference: "reference \($i)", score_standard: "rubric \($i)"}}'
done | sed '3s/"rubric 2"/NaN/' > "$T/data"
printf 'Q {query}\nR {meta.reference}\nS {meta.score_standard}\nA {response}\n{not a field} {' > "$T/template"

run_tool "${E[@]}" --data "$T/data" --prompts --template "$T/template" --judge-system judge
exit_is 0 "prompts from records"
is "$(wc -l < "$T/out")" 15 "one an item that has what the template needs"
like "$err" '1 bare NaN read as null' "a bare NaN is no bad input"
like "$err" '1 items lack a field of the template' "what is left out is said"
is "$(jq -c 'select(.id == "s1").prompt' "$T/out")" \
	'[{"role":"system","content":"judge"},{"role":"user","content":"Q question 1 {x}\nR reference 1\nS rubric 1\nA answer 1\n{not a field} {"}]' "filled once, nothing of it filled again"
run_tool "${E[@]}" --prompts --template "$T/template" --data <(sed '5s/"rubric 4"/" "/' "$T/data")
like "$err" '2 items lack a field of the template' "a blank field is none"
jq -c '{id, responses: [{text: "out \(.id)"}]}' "$T/data" 2> /dev/null > "$T/outputs" || jq -nc 'range(16) | {id: "s\(.)", responses: [{text: "out s\(.)"}]}' > "$T/outputs"
sed -i '6s/out s5/ /' "$T/outputs"
run_tool "${E[@]}" --data "$T/data" --prompts --template "$T/template" --outputs "$T/outputs"
like "$(jq -r 'select(.id == "s1").prompt[0].content' "$T/out")" 'A out s1' "a model's outputs"
like "$err" '1 items have no answer' "an empty answer gets no prompt"
jq -c '{id, meta: {category: .meta.category}, answer, auto_prompt: {prompt: "own \(.id) {response}"}}' <(sed 's/NaN/null/' "$T/data") > "$T/auto"
run_tool "${E[@]}" --data "$T/auto" --prompts
is "$(jq -r 'select(.id == "s2").prompt[0].content' "$T/out")" 'own s2 answer 2' "records with prompts of their own"

# Scores: i mod 6 for item i, 15 has none.
jq -nc 'range(15) | {id: "s\(.)", judgment: "评分过程：好。最终得分：\(. % 6)"}' > "$T/j"
run_tool "${E[@]}" --data "$T/data" --judgments "$T/j" --summary "$T/s"
exit_is 0 "scores"
is "$(jq -c '[.benchmark, .items, .judged, .unjudged, .no_score, .outside]' "$T/s")" '["sedareval",16,15,1,0,0]' "the summary's counts"
like "$err" '1 of 16 items have no judgment' "a missing judgment is said"
ok "mean score" near "$(jq .mean "$T/s")" "$(jq -n '[range(15) % 6] | add / 15')"
is "$(jq -c '.categories["推理"] | [.n, .percent]' "$T/s")" '[2,20]' "a category, in per cent"
ok "the total weighs groups" near "$(jq .total "$T/s")" "$(jq '[.categories[].percent] as $p | (($p[0] + $p[1] + $p[2]) / 3 + $p[3] + $p[4] + $p[5] + $p[6] + $p[7]) / 6' "$T/s")"
is "$(jq -c '[.id, .score]' "$T/out" | sed -n '6p;16p')" $'["s5",5]\n["s15",null]' "items, null without a score"
jq -c 'if .id == "s0" then {id, responses: [{text: "最终得分：1"}, {text: "最终得分为：4"}, {text: "?"}]}
	elif .id == "s1" then .judgment = "没有" elif .id == "s2" then .judgment = "最终得分：9" else . end' "$T/j" > "$T/votes"
run_tool "${E[@]}" --data "$T/data" --judgments "$T/votes" --summary "$T/s"
is "$(jq -c .score "$T/out" | head -3 | xargs)" "2.5 null null" "votes are averaged; no score is no score"
is "$(jq -c '[.no_score, .outside]' "$T/s")" '[2,1]' "texts without one are counted"
like "$err" "2 of the judge's texts state no score and 1 one outside 0..5.*first: item 's0'" "and named"

bad() { # NAME CODE REGEX ARGUMENT...
	local name=$1 code=$2 regex=$3
	shift 3
	run_tool "${E[@]}" --data "$T/data" "$@"
	exit_is "$code" "$name exits $code"
	like "$err" "$regex" "$name: it says so"
}
{ cat "$T/j"; head -1 "$T/j"; } > "$T/x"
bad "an item judged twice" 3 "record 15: item 's0' is judged twice" --judgments "$T/x"
bad "an item judged twice, --skip-bad" 4 '1 bad items left out' --judgments "$T/x" --skip-bad
sed '4s/s3/zz/' "$T/j" > "$T/x"
bad "a judgment of something else" 3 "record 3: item 'zz' is not in '.*data'" --judgments "$T/x"
jq -c 'del(.judgment)' "$T/j" > "$T/x"
bad "a judgment without text" 3 "item 's0' has no text" --judgments "$T/x"
bad "outputs of something else" 3 "is not in" --prompts --template "$T/template" --outputs <(echo '{"id":"zz","text":"x"}')
bad "an output twice" 3 "item 1 has the id of item 0: 's0'" --prompts --template "$T/template" --outputs <(sed -n '1p;1p' "$T/outputs")
bad "no template" 3 "no field 'auto_prompt.prompt': give the judge's prompt with '--template'" --prompts
bad "neither" 2 "either '--judgments' or '--prompts' or '--judge-url'"
bad "two of them" 2 "either '--judgments' or '--prompts' or '--judge-url'" --judgments "$T/j" --judge-url http://127.0.0.1:1/v1
bad "options of the other" 2 "need '--prompts' or '--judge-url'" --judgments "$T/j" --judge-system x
bad "votes of nobody" 2 "'--votes' needs '--judge-url'" --judgments "$T/j" --votes 2
bad "judgments to keep, but nobody asked" 2 "'--save-judgments' needs '--judge-url'" --judgments "$T/j" --save-judgments "$T/x"
bad "a judge without a name" 2 "'--judge-url' needs '--judge'" --judge-url http://127.0.0.1:1/v1
jq -c '.judge = "j" + .id' "$T/j" > "$T/x"
bad "two judges" 3 "two judges, 'js0' and 'js1'" --judgments "$T/x"
{ cat "$T/data"; head -1 "$T/data"; } > "$T/x"
bad "an item twice" 3 "record 16: item 16 has the id of item 0: 's0'" --judgments "$T/j" --data "$T/x"
sed '1s/推理/x/' "$T/data" > "$T/x"
bad "a category nobody knows" 3 "record 0: field 'meta.category.0': no category 'x'" --judgments "$T/j" --data "$T/x"
run_tool "${E[@]}" --judgments "$T/j"
exit_is 2 "no data exits 2"

# Through a judge: prompts, od-sample, scores.
if command -v python3 > /dev/null; then
	trap 'kill "$server" 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT
	: > "$T/log"
	python3 tests/fixtures/fault_server.py "$T/port" "$T/log" 2> /dev/null &
	server=$!
	for _ in $(seq 200); do [ -s "$T/port" ] && break; sleep 0.05; done
	printf 'of {query}: say:最终得分：3' > "$T/template"
	export OD_FRAMED=1
	"${E[@]}" -q --data "$T/data" --prompts --template "$T/template" 2> /dev/null |
		"$BIN/od-sample" -q --model-url "http://127.0.0.1:$(cat "$T/port")/v1" --model m --temperature 0 2> "$T/sample.err" |
		"${E[@]}" -q --data "$T/data" --judgments - --summary "$T/s" > /dev/null 2>&1
	is "$(jq -c '[.judged, .mean, .total]' "$T/s")" '[16,3,60]' "prompts, a judge, scores: one pipe"
	unset OD_FRAMED
else
	skip 26 "python3 is not installed"
	done_testing
fi

# The judge asked directly. The server says what stands behind "say:" in the answer; item 2 has no rubric, 5 no answer.
: > "$T/log"
printf 'of {query}, {meta.score_standard}: {response}' > "$T/template"
jq -nc 'range(16) | {id: "s\(.)", text: "say:评分过程\\n最终得分：\(. % 6)"}' > "$T/outputs"
sed -i '6s/"say.*"/" "/; 5s/say.*"/say:no score"/; 9s/say.*"/say:最终得分：-1"/; 4s/say/once:null say/' "$T/outputs"
J=(--judge-url "http://127.0.0.1:$(cat "$T/port")/v1" --judge j --template "$T/template" --outputs "$T/outputs" --retries 0)
run_tool "${E[@]}" --data "$T/data" "${J[@]}" --summary "$T/s" --save-judgments "$T/saved"
exit_is 0 "a judge asked directly"
cp "$T/out" "$T/items"
is "$(jq -c '[.judge, .items, .judged, .unjudged, .no_score, .outside]' "$T/s")" '["j",16,12,2,1,1]' "the summary"
is "$(jq -c .score "$T/out" | xargs)" "0 1 null 3 null null 0 1 null 3 4 5 0 1 2 3" "scores from its texts"
like "$err" "1 items have no answer.*1 items lack a field.*1 of the judge's texts state no score and 1 one outside 0..5.*first: item 's4'.*2 of 16 items have no judgment" "what is missing is said"
is "$(jq -c '.body | [.model, .temperature, .top_p, .max_tokens, .seed, (.messages | map(.role))]' "$T/log" | sort -u)" \
	'["j",0.9,0.7,1024,null,["system","user"]]' "as the benchmark asks"
is "$(jq -r '.body.messages[0].content' "$T/log" | sort -u)" '你是一个在检查答案质量方面非常有帮助且评估精确的助手。' "with its system message"
is "$(jq -r '.body.messages[1].content | capture("question (?<i>[0-9]+)").i' "$T/log" | sort -n | uniq -c | awk '{print $2 ":" $1}' | xargs)" \
	"0:1 1:1 3:2 4:3 6:1 7:1 8:1 9:1 10:1 11:1 12:1 13:1 14:1 15:1" "a text without a score is asked for again, a negative one is not"
run_tool "${E[@]}" --data "$T/data" --judgments "$T/saved" --summary "$T/s2"
is "$(jq -c "del(.run)" "$T/s2")" "$(jq -c "del(.run, .answers)" "$T/s")" "the judgments kept give the same figures"
is "$(jq -c "del(.run)" "$T/out")" "$(jq -c "del(.run)" "$T/items")" "and the same items"
: > "$T/log"
sed -i '4s/once:null/once:null again/; 7s/say/fault:null say/' "$T/outputs"
run_tool "${E[@]}" --data "$T/data" "${J[@]}" --votes 3 --attempts 1 --judge-temperature 0.5 --judge-top-p 1 --judge-max-tokens 9 --judge-system x --summary "$T/s" \
	--save-judgments "$T/saved"
exit_is 0 "several votes"
is "$(jq -c '.body | [.temperature, .top_p, .max_tokens, .messages[0].content]' "$T/log" | sort -u)" '[0.5,1,9,"x"]' "the user's options win"
is "$(jq -c '.body.seed' "$T/log" | sort -n | uniq -c | xargs)" "14 0 14 1000 14 2000" "votes differ in their seed"
is "$(jq -cs '[length, (map(.responses | length) | unique)]' "$T/saved")" '[13,[2,3]]' "all votes are kept but those that had no text"
like "$err" "the service gave no text for 4 votes, first: item 's3': no text" "which are named"
is "$(jq -c .score "$T/out" | sed -n '4p;7p' | xargs)" "3 null" "the others count"
run_tool "${E[@]}" --data "$T/data" "${J[@]}" --judge-system '' --cache "$T/cache"
asked=$(wc -l < "$T/log")
is "$(jq -c '.body.messages | map(.role)' "$T/log" | tail -1)" '["user"]' "no system message"
run_tool "${E[@]}" --data "$T/data" "${J[@]}" --judge-system '' --cache "$T/cache"
is "$(($(wc -l < "$T/log") - asked))" 6 "with a cache only what had no score is asked again"
asked=$(wc -l < "$T/log")
bad "a file that cannot be written" 1 "cannot .*$T/no/where" "${J[@]}" --save-judgments "$T/no/where"
is "$(wc -l < "$T/log")" "$asked" "is found out before anything is asked"
bad "no template" 3 "give the judge's prompt with '--template'" "${J[@]:0:4}"
kill "$server"; wait "$server" 2> /dev/null
bad "a service that is gone" 5 '.' "${J[@]}" --save-judgments "$T/none"
ok "leaves no judgments behind" test ! -e "$T/none" -a ! -e "$T/none.tmp"
done_testing
