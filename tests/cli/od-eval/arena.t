#!/usr/bin/env bash
# od-eval arena-hard: scores from battles and from a judge's texts, and inputs that are not what they should be.
. tests/cli/lib.sh

E=("$BIN/od-eval" arena-hard)

# 40 battles of m (30 wins, 4 ties), 10 of n (all lost), the baseline on either side.
jq -nc 'range(40) | {question_id: ., model_a: "base", model_b: "m", winner: (if . < 30 then "model_b" elif . < 34 then "tie" else "model_a" end)}' > "$T/battles"
jq -nc 'range(10) | {question_id: "q\(.)", model_a: "n", model_b: "base", winner: "model_b"}' >> "$T/battles"
run_tool "${E[@]}" --battles "$T/battles" --summary "$T/s"
exit_is 0 "battles"
is "$(jq -c '[.benchmark, .rule, .level, .rounds, .baseline, (.models | keys)]' "$T/s")" '["arena-hard","legacy",0.95,100,"base",["base","m","n"]]' "the baseline is the model in every battle"
is "$(jq -c '.models.m | [.score, .battles, .wins, .ties, .losses, (.lower < 80 and .lower > 60), (.upper > 80 and .upper < 97)]' "$T/s")" \
	'[80,40,30,4,6,true,true]' "a score with its interval"
is "$(jq -c '.models.n | [.score, .lower, .upper, .rating]' "$T/s")" '[0,0,0,null]' "nothing won is 0, not a failure"
is "$(jq -c '.models.base | [.score, .lower, .upper, .battles]' "$T/s")" '[50,50,50,0]' "the baseline against itself"
is "$(wc -l < "$T/out")" 50 "an item a battle"
is "$(jq -r '.id + " " + (.win | tostring)' "$T/out" | sed -n '1p;31p;50p')" $'m/0 1\nm/30 0.5\nn/q9 0' "from the model's side"
run_tool "${E[@]}" --battles "$T/battles"
like "$err" $'model +score +95 % interval.*\nm +80.0 +\( *-[0-9.]+, +\+[0-9.]+\) +40\nbase +50.0.*\nn +0.0' "a table, the best first"
run_tool "${E[@]}" --battles "$T/battles" --summary "$T/s2"
ok "the interval is the same each time" cmp "$T/s" "$T/s2"
run_tool "${E[@]}" --battles <(head -40 "$T/battles") --baseline base <(tail -10 "$T/battles") --summary "$T/s2"
is "$(jq -c .models "$T/s2")" "$(jq -c .models "$T/s")" "two files, as pipes"
run_tool "${E[@]}" --battles "$T/battles" --rule 2025 --rounds 1000 --summary "$T/s2"
is "$(jq -c '[.level, (.models.m.score - 80 | fabs < 1 and . != 0)]' "$T/s2")" '[0.9,true]' "the rule of 2025: the mean of resamples"

# Judgments: the baseline is A first, then B.
games() { # MODEL ID TEXT TEXT
	jq -nc --arg m "$1" --arg q "$2" --arg a "$3" --arg b "$4" '{question_id: $q, model: $m, judge: "j", games: [{judgment: $a}, {judgment: $b}]}'
}
{ games m 1 "[[B>>A]]" "well, [[A>B]]"; games m 2 "[[A=B]]" "[[B>A]]"; games m 3 "[[A>B]] [[B>A]]" "none"; games m 4 "[[A]]" "[[a>>b]]"; } > "$T/j"
run_tool "${E[@]}" --judgments "$T/j" --summary "$T/s"
exit_is 0 "judgments"
is "$(jq -c '[.baseline, .judge, .games, .no_label, .labels_differ, .other_label]' "$T/s")" '["gpt-4-0314","j",8,2,1,1]' "what was read, and what was not"
is "$(jq -c '.models.m | [.battles, .wins, .ties, .losses, .score, .questions, .without_verdict]' "$T/s")" '[6,4,1,1,75,4,4]' "a clear win counts three times"
like "$err" '4 of 8 games have no verdict.*first: m, game 3/1: verdicts that differ' "games without a verdict are named and counted"
is "$(jq -c '[.id, .win, .weight]' "$T/out")" $'["1/1",1,3]\n["1/2",1,1]\n["2/1",0.5,1]\n["2/2",0,1]\n["3/1",null,null]\n["3/2",null,null]\n["4/1",null,null]\n["4/2",null,null]' "a game an item"
run_tool "${E[@]}" --judgments "$T/j" --rule 2025 --summary "$T/s2"
is "$(jq -c '[.no_label, .labels_differ, .other_label, .models.m.battles]' "$T/s2")" '[1,0,1,10]' "the rule of 2025 reads more"
jq -c 'del(.question_id) + {uid: .question_id, baseline: "b2", games: [.games[] | {judgment: {answer: .judgment}, score: "A>B"}]}' "$T/j" > "$T/new"
run_tool "${E[@]}" --judgments "$T/new" --summary "$T/s2"
is "$(jq -c '[.baseline, .restated, .models.m.score]' "$T/s2")" '["b2",7,75]' "the newer form; stored scores that differ are counted"
jq -c '.games = [{score: "B>A"}, {score: null}]' "$T/j" > "$T/scores"
run_tool "${E[@]}" --judgments "$T/scores" --summary "$T/s2"
is "$(jq -c '[.no_label, .models.m.score]' "$T/s2")" '[4,100]' "stored scores where there is no text"
{ cat "$T/j"; games k 1 "[[A>B]]" "[[B>A]]"; } > "$T/two"
run_tool "${E[@]}" --judgments "$T/two" --summary "$T/s2"
like "$err" 'k: judgments of 1 questions, another model has 4' "partial judgments are said"
for m in m k; do grep "\"model\":\"$m\"" "$T/two" | "${E[@]}" -q --judgments - > "$T/items-$m" 2> /dev/null; done
run_tool "${E[@]}" --compare "$T/items-m,$T/items-k"
exit_is 0 "--compare of two models' items"

bad() { # NAME CODE REGEX ARGUMENT...
	local name=$1 code=$2 regex=$3
	shift 3
	run_tool "${E[@]}" "$@"
	exit_is "$code" "$name exits $code"
	like "$err" "$regex" "$name: it says so"
}
{ cat "$T/j"; head -1 "$T/j"; } > "$T/x"
bad "a question twice" 3 "record 4: item 4 has the model and question of item 0: 'm/1'" --judgments "$T/x"
bad "a question twice, --skip-bad" 4 '1 bad items left out' --judgments "$T/x" --skip-bad
sed '2s/"j"/"other"/' "$T/j" > "$T/x"
bad "two judges" 3 "two judges, 'j' and 'other'" --judgments "$T/x"
jq -c 'if .question_id == "2" then .baseline = "b3" else .baseline = "b2" end' "$T/j" > "$T/x"
bad "two baselines" 3 "two baselines, 'b2' and 'b3'" --judgments "$T/x"
bad "judgments of the baseline itself" 3 "judgments of the baseline 'm' itself" --judgments "$T/j" --baseline m
jq -c '.games = []' "$T/j" > "$T/x"
bad "no games" 3 "record 0: field 'games' must be an array of one or two" --judgments "$T/x"
jq -c '.games = [{}]' "$T/j" > "$T/x"
bad "a game without anything" 3 "game '1/1' has neither" --judgments "$T/x"
games m 1 no no > "$T/x"
bad "no verdict at all" 3 'no game has a verdict; first: m, game 1/1' --judgments "$T/x"
bad "battles that are judgments" 3 "record 0: field 'model_a' is missing" --battles "$T/j"
bad "judgments that are battles" 3 "record 0: field 'model' is missing" --judgments "$T/battles"
sed '3s/model_b"}/me"}/' "$T/battles" > "$T/x"
bad "a winner nobody knows" 3 "record 2: field 'winner' must be" --battles "$T/x"
echo '{"question_id":1,"model_a":"m","model_b":"n","winner":"tie"}' | cat "$T/battles" - > "$T/x"
bad "a battle without the baseline" 3 "no model takes part in every battle" --battles "$T/x"
bad "a battle without the named baseline" 3 "'m' with 'n', neither of which is the baseline 'base'" --battles "$T/x" --baseline base
bad "a baseline nobody met" 3 "no battle has the baseline 'zz'" --battles "$T/battles" --baseline zz
head -40 "$T/battles" > "$T/x"
bad "two that may be the baseline" 2 "'base' and 'm' take part in every battle" --battles "$T/x"
bad "two inputs" 2 "either '--battles' or '--judgments'" --battles "$T/x" --judgments "$T/j"
bad "no input" 2 "either '--battles' or '--judgments'"
bad "an empty file" 3 'null' --battles /dev/null

# A judge asked afresh. It reads what stands behind the last "say:", which is B's answer.
command -v python3 > /dev/null || { skip 66 "python3 is not installed"; done_testing; }
trap 'kill "$server" 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT
: > "$T/log"
python3 tests/fixtures/fault_server.py "$T/port" "$T/log" 2> /dev/null &
server=$!
for _ in $(seq 200); do [ -s "$T/port" ] && break; sleep 0.05; done
jq -nc 'range(5) | {question_id: "q\(.)", turns: [{content: "question \(.)"}]}' > "$T/questions"
jq -nc 'range(5) | {question_id: "q\(.)", model_id: "base", choices: [{turns: [{content: "old \(.) say:[[A>>B]]"}]}]}' > "$T/base"
jq -nc 'range(4) | {uid: "q\(.)", model: "mine", messages: [{role: "user"}, {content: {answer: "new \(.) say:\(if . == 3 then "hm" else "[[B>A]]" end)"}}]}' > "$T/mine"
printf '<|im_start|>system\nYou judge.\n<|im_end|>\n<|im_start|>user\nQ {question_1}\nA {answer_1}\nB {answer_2}\n<|im_end|>' > "$T/template"
J=(--judge-url "http://127.0.0.1:$(cat "$T/port")/v1" --judge j --template "$T/template" --questions "$T/questions"
	--baseline-answers "$T/base" --outputs "$T/mine" --cache "$T/cache")
run_tool "${E[@]}" "${J[@]}" --save-judgments "$T/saved" --summary "$T/s"
exit_is 0 "fresh judgments"
is "$(jq -c '[.baseline, .judge, .games, .no_label, (.models.mine | [.wins, .losses, .questions])]' "$T/s")" '["base","j",8,1,[15,0,4]]' "both games of each answered question"
like "$err" 'no answer to 1 of 5 questions.*1 of 8 games have no verdict.*mine, game q3/1' "what is missing is said"
is "$(jq -c '.body | [.model, .temperature, .max_tokens, .messages[0].content]' "$T/log" | sort -u)" '["j",0,4096,"You judge."]' "as the benchmark asks"
is "$(jq -r '.body.messages[1].content' "$T/log" | grep -c '^A old')" 4 "the baseline is A in half of the games"
run_tool "${E[@]}" --judgments "$T/saved" --summary "$T/s2"
is "$(jq -c .models "$T/s2")" "$(jq -c .models "$T/s")" "saved judgments give the same"
cp "$T/out" "$T/items"
is "$(jq -cs '[length, (.[0] | keys), (.[0].games[0] | keys)]' "$T/saved")" \
	'[4,["baseline","games","judge","model","question_id"],["judgment"]]' "as --judgments reads them"
asked=$(wc -l < "$T/log")
bad "a file that cannot be written" 1 "cannot .*$T/no/where" "${J[@]}" --cache "$T/c2" --save-judgments "$T/no/where"
is "$(wc -l < "$T/log")" "$asked" "is found out before anything is asked"
bad "judgments to keep, but nobody asked" 2 "'--save-judgments' needs '--judge-url'" --judgments "$T/j" --save-judgments "$T/x"
run_tool "${E[@]}" "${J[@]}" --summary "$T/s2" --follow-up 'say:[[B>>A]]'
is "$(($(wc -l < "$T/log") - asked))" 1 "nothing is asked twice; the one without a verdict is asked on"
is "$(jq -c '.body.messages | map(.role)' "$T/log" | tail -1)" '["system","user","assistant","user"]' "in the same conversation"
is "$(jq -c '[.no_label, .models.mine.wins]' "$T/s2")" '[0,18]' "and has one then"
bad "an answer to no question" 3 "record 0: an answer to 'zz', which is no question" "${J[@]}" --outputs <(echo '{"uid":"zz","model":"m","output":"x"}')
bad "a second answer" 3 "record 1: a second answer to 'q0'" "${J[@]}" --outputs <(head -1 "$T/mine"; head -1 "$T/mine")
bad "answers of two models" 3 "two models, 'mine' and 'other'" "${J[@]}" --outputs <(sed '2s/"mine"/"other"/' "$T/mine")
bad "a baseline without an answer" 3 "no answer to question 'q4'" "${J[@]}" --baseline-answers <(head -4 "$T/base")
bad "half of what judging needs" 2 "needs '--questions'" --judge-url http://127.0.0.1:1/v1 --judge j --template "$T/template"
bad "nothing to ask with" 2 "needs '--template' or '--judge-config'" "${J[@]:0:4}"

# The benchmark's configuration of a judge.
cat > "$T/config.yaml" <<'END'
name: a judge's configuration
judge_model: big-judge
reference: False # as published
ref_model: null
pairwise: True
temperature: 0.5
max_tokens: 99
regex_pattern: \[\[([AB<>=]+)\]\]
number_of_judgment_attempts: 3
system_prompt: "You judge.\n\nSay [[A>B]] or so."
prompt_template: ["<|User Prompt|>\n{question_1}\n<|A|>\n{answer_1}\n<|B|>\n{answer_2}"]
model_list:
  - one
END
C=(--judge-url "${J[1]}" --questions "$T/questions" --baseline-answers "$T/base" --outputs "$T/mine" --judge-config "$T/config.yaml")
: > "$T/log"
run_tool "${E[@]}" "${C[@]}" --summary "$T/s3"
exit_is 0 "a configuration is all that is needed"
is "$(jq -c '.body | [.model, .temperature, .max_tokens, .messages[0]]' "$T/log" | sort -u)" \
	'["big-judge",0.5,99,{"role":"system","content":"You judge.\n\nSay [[A>B]] or so."}]' "what it says is asked"
is "$(jq -r '.body.messages[1].content' "$T/log" | head -1)" '<|User Prompt|>' "with its template"
is "$(jq -c '[.judge, .rule, .games, .no_label]' "$T/s3")" '["big-judge","legacy",8,1]' "the summary names judge and rule"
is "$(jq -c '.body.messages | length' "$T/log" | sort -n | uniq -c | xargs)" "8 2 1 4 1 6" "a judge without a verdict is asked on, as often as it says"
is "$(jq -r '.body.messages[-1].content' "$T/log" | grep -c '^continue your judgment and finish by outputting a final verdict label$')" 2 "in the published words"
: > "$T/log"
run_tool "${E[@]}" "${C[@]}" --judge small --judge-temperature 0 --judge-max-tokens 7 --follow-up 'say:[[B>>A]]' --rule 2025 --summary "$T/s3"
is "$(jq -c '.body | [.model, .temperature, .max_tokens]' "$T/log" | sort -u)" '["small",0,7]' "the user's options win"
is "$(jq -c '[.judge, .rule, .no_label]' "$T/s3")" '["small","2025",0]' "all of them"
: > "$T/log"
run_tool "${E[@]}" "${C[@]}" --template "$T/template" --judge-top-p 0.5 --summary "$T/s3"
is "$(jq -c '.body | [.messages[1].content[0:2], .top_p]' "$T/log" | head -1)" '["Q ",0.5]' "the template too"
config() { # NAME CODE REGEX SED-SCRIPT
	sed "$4" "$T/config.yaml" > "$T/x.yaml"
	bad "$1" "$2" "$3" "${C[@]:0:8}" --cache "$T/c2" --judge-config "$T/x.yaml" --summary "$T/s3"
}
config "patterns of 2025" 0 '' '8s/.*/regex_patterns: ["\\\\[\\\\[([AB<>=]+)\\\\]\\\\]", "\\\\[([AB<>=]+)\\\\]"]/; 11s/question_1/QUESTION/; 11s/answer_1/ANSWER_A/; 11s/answer_2/ANSWER_B/'
is "$(jq -r .rule "$T/s3")" 2025 "give its rule"
is "$(jq -r '.body.messages[1].content' "$T/log" | tail -20 | grep -c '{')" 0 "and its names of placeholders are filled"
config "a pattern of no rule" 3 "'regex_pattern' is no rule's" '8s/=/-/'
config "YAML that is none" 3 'x.yaml:[0-9]+: invalid YAML' '10s/$/ "more/'
config "a key twice" 3 "x.yaml:3: key 'judge_model' is there twice" '3s/.*/judge_model: x/'
config "no template" 3 "'prompt_template' is missing" '11d'
config "several turns" 3 "'prompt_template' must be a text, or a list of one" '11s/]$/, "x"]/'
config "no judge" 2 "the judge has no name: give '--judge'" '2d'
config "a judge that is none" 3 "'judge_model' must be a text, not a number" '2s/big-judge/3/'
config "a temperature that is none" 3 "'temperature' must be a number" '6s/0.5/hot/'
config "a count that is none" 3 "'max_tokens' must be an integer from 1" '7s/99/0/'
config "attempts that are none" 3 "'number_of_judgment_attempts' must be an integer from 1" '9s/3/-3/'
config "another way of judging" 3 'only pairwise judging' '5s/True/False/'
bad "a configuration that is a text" 3 "must be a mapping, not a string" "${C[@]:0:8}" --judge-config <(echo text)
bad "a configuration without a service" 2 "'--judge-config' needs '--judge-url'" --judgments "$T/j" --judge-config "$T/config.yaml"
done_testing
