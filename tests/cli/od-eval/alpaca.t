#!/usr/bin/env bash
# od-eval alpaca-eval: rates from rows and annotations, length control, and inputs that are not what they should be.
. tests/cli/lib.sh

E=("$BIN/od-eval" alpaca-eval)
holds() { jq -e "$@" > /dev/null; }
near() { jq -ne --argjson a "$1" --argjson b "$2" --argjson t "${3:-1e-9}" '($a - $b | fabs) <= $t' > /dev/null; }

# A world of 30 instructions: difficulties, gamed rows, two models.
jq -nr '"index,instruction_difficulty", (range(30) | "\(.),\((. * 7 % 11 - 5) / 4)")' > "$T/difficulty"
jq -nr '"preference,std_delta_len,instruction_difficulty", (range(20) | "\((. * 3 % 10) / 10),\((. % 7 - 3) / 2),\((. * 5 % 9 - 4) / 4)")' > "$T/gamed"
jq -nr '"model,instruction_index,preference,len_1,len_2",
	(("a","b") as $m | range(30) | "\($m),\(.),\(1 + (. * (if $m == "a" then 7 else 3 end) % 10) / 10),\(100 + .),\(90 + . * 2)")' > "$T/rows"
LC=(--difficulty "$T/difficulty" --gamed "$T/gamed")

run_tool "${E[@]}" --rows "$T/rows" --summary "$T/s"
exit_is 0 "rows of two models"
is "$(jq -c '[.benchmark, (.models | keys), .models.a.n_total, .models.a.n_draws, .models.a.n_wins, .models.a.n_wins_base]' "$T/s")" \
	'["alpaca-eval",["a","b"],30,3,12,15]' "the summary, model by model"
ok "win rate" near "$(jq .models.a.win_rate "$T/s")" 45
ok "its standard error" near "$(jq .models.a.standard_error "$T/s")" "$(jq -n '[range(10) / 10] | map((. - .45) * (. - .45)) | 3 * add / 29 / 30 | sqrt * 100')"
ok "discrete win rate" near "$(jq .models.a.discrete_win_rate "$T/s")" 45
ok "its standard error too" near "$(jq .models.a.discrete_standard_error "$T/s")" "$(jq -n '(12 * .55 * .55 + 3 * .05 * .05 + 15 * .45 * .45) / 29 / 30 | sqrt * 100')"
is "$(jq -c '[.models.a.length_controlled_winrate, .models.a.c]' "$T/s")" '[null,null]' "no length control without its inputs"
is "$(jq -r .id "$T/out" | sed -n '1p;31p')" $'a/0\nb/0' "items of several models carry their names"
gzip -c "$T/rows" > "$T/rows.gz"
run_tool "${E[@]}" --rows "$T/rows.gz" --only b "${LC[@]}" --c 2.5 --summary "$T/b"
exit_is 0 "one model of a compressed table"
is "$(jq -c '[.model, .n_total, .c, (.coefficients | length), (.lc_standard_error > 0)]' "$T/b")" '["b",30,2.5,3,true]' "its summary is flat"
is "$(wc -l < "$T/out")" 30 "its items alone"
ok "the length-controlled rate is its items' mean" near "$(jq -s 'map(.length_controlled) | 100 * add / length' "$T/out")" "$(jq .length_controlled_winrate "$T/b")"
run_tool "${E[@]}" --rows "$T/rows" --only b "${LC[@]:0:2}" --coefficients "$(jq -r '.coefficients | map(tostring) | join(",")' "$T/b")" --summary "$T/c"
exit_is 0 "coefficients instead of a fit"
ok "give the same rate" near "$(jq .length_controlled_winrate "$T/c")" "$(jq .length_controlled_winrate "$T/b")"
{ echo ",x,y,z"; jq -r '"b,\(.coefficients | map(tostring) | join(","))"' "$T/b"; } > "$T/coef"
run_tool "${E[@]}" --coefficients "$T/coef" "${LC[@]:0:2}" --summary -
ok "and so does a table of them without rows" near "$(jq .models.b.length_controlled_winrate "$T/out")" "$(jq .length_controlled_winrate "$T/b")"
run_tool "${E[@]}" --rows "$T/rows" --only b "${LC[@]}" --summary "$T/s"
run_tool "${E[@]}" --rows "$T/rows" --only b "${LC[@]}" --summary "$T/s2"
ok "cross-validation is the same each time" cmp "$T/s" "$T/s2"
ok "it takes one of ten C" holds '.c as $c | [range(10)] | any(.[]; ((-4 + 8 * . / 9) * (10 | log) | exp) / $c - 1 | fabs < 1e-9)' "$T/s"
run_tool "${E[@]}" --rows "$T/rows" "${LC[@]}"
like "$err" $'model +win rate.*\na +45.00 .* 30\nb ' "a table on standard error"

for m in a b; do "${E[@]}" -q --rows "$T/rows" --only $m > "$T/items-$m"; done
run_tool "${E[@]}" --compare "$T/items-a,$T/items-b"
exit_is 0 "--compare of two models' items"
like "$out" '^30 items' "item by item"

# Annotations, and what a judge's log-probs say.
note() { # NAME: three annotations of a model
	jq -nc --arg m "$1" '[range(3) | {instruction: "q\(.)", output_1: "ab", output_2: "αβγ", generator_1: "base", generator_2: $m,
		preference: (1 + . / 2), raw_completion: {logprobs: {content: [{top_logprobs: [{token: "M", logprob: -0.1}, {token: "x", logprob: -9},
			{token: "m", logprob: -3.1}]}]}}}]'
}
note one > "$T/ann"
run_tool "${E[@]}" --annotations "$T/ann" --summary "$T/s"
exit_is 0 "annotations"
is "$(jq -c '[.model, .baseline, .win_rate, .avg_length, .n_wins, .n_draws]' "$T/s")" '["one","base",50,3,1,1]' "rates, lengths in characters"
cp "$T/out" "$T/stored"
run_tool "${E[@]}" --annotations "$T/ann" --preference logprobs
is "$(jq -c .switched "$T/out")" "$(jq -c .switched "$T/stored")" "the order does not depend on where preferences come from"
p=$(jq -n '1 / (1 + (3 | exp))')
ok "preferences from log-probs, by the order shown" holds -s --argjson p "$p" \
	'all(.[]; .preference - (if .switched == 1 then 1 + $p else 2 - $p end) | fabs < 1e-12)' "$T/out"
jq -c '.[]' "$T/ann" | "${E[@]}" -q --annotations - --summary "$T/s2" > /dev/null
is "$(jq -S . "$T/s2")" "$(jq -S . "$T/s")" "one a line, on a pipe"

# What is not as it should be.
bad() { # NAME CODE REGEX ARGUMENT...
	local name=$1 code=$2 regex=$3
	shift 3
	run_tool "${E[@]}" "$@"
	exit_is "$code" "$name exits $code"
	like "$err" "$regex" "$name: it says so"
}
jq -c '.[2].instruction = "q0"' "$T/ann" > "$T/x"
bad "an instruction twice" 3 "item 2: item 2 has the instruction of item 0: 'q0'" --annotations "$T/x"
bad "an instruction twice, --skip-bad" 4 "1 bad items left out, first: .*'q0'" --annotations "$T/x" --skip-bad
jq -c '.[1].generator_2 = "two"' "$T/ann" > "$T/x"
bad "two models" 3 "two models, 'one' and 'two': choose one with '--only'" --annotations "$T/x"
bad "two models, one chosen" 0 "" --annotations "$T/x" --only one
bad "a model that is not there" 3 "nothing of model 'three'" --annotations "$T/x" --only three
jq -c '.[1].generator_1 = "other"' "$T/ann" > "$T/x"
bad "two baselines" 3 "two baselines, 'base' and 'other'" --annotations "$T/x"
jq -c 'del(.[1].preference)' "$T/ann" > "$T/x"
bad "no preference" 3 "item 1: field 'preference' is missing" --annotations "$T/x"
jq -c '.[1].preference = "A"' "$T/ann" > "$T/x"
bad "a preference that is text" 3 "item 1: field 'preference' must be a number or null" --annotations "$T/x"
jq -c '.[1].preference = null | .[2].preference = 7' "$T/ann" > "$T/x"
bad "preferences that are none" 0 '1 of 3 items have no preference.*1 of 3 preferences lie outside' --annotations "$T/x" --summary "$T/s"
is "$(jq -c '[.n_total, .n_missing, .n_outside]' "$T/s")" '[1,1,1]' "they are counted"
sed 's/null/NaN/' "$T/x" > "$T/y"
bad "a bare NaN" 0 '1 of 3 items have no preference' --annotations "$T/y"
jq -c '.[1].raw_completion = "text"' "$T/ann" > "$T/x"
bad "no log-probs" 3 "top_logprobs' is missing" --annotations "$T/x" --preference logprobs
head -c 200 "$T/ann" > "$T/x"
bad "a file cut short" 3 '/x' --annotations "$T/x"
echo '{}' > "$T/x"
bad "another file" 3 "field 'instruction' is missing" --annotations "$T/x"
sed '5s/,3,/,2,/' "$T/rows" > "$T/x"
bad "a row twice" 3 '/x:5: item 3 has the instruction_index of item 2' --rows "$T/x"
sed '5s/[^,]*$/long/' "$T/rows" > "$T/x"
bad "a length that is text" 3 "/x:5: column 'len_2' must be a number, not 'long'" --rows "$T/x"
sed '5s/,[^,]*$//' "$T/rows" > "$T/x"
bad "a row too short" 3 '/x:5: 4 fields' --rows "$T/x"
cut -d, -f1-3 "$T/rows" > "$T/x"
bad "no lengths, raw" 0 '' --rows "$T/x"
bad "no lengths, length-controlled" 3 'row 0 has no lengths' --rows "$T/x" "${LC[@]}"
cut -d, -f1-2,4 "$T/rows" > "$T/x"
bad "no preferences" 3 "column 'preference' is missing; there are model,instruction_index,len_1" --rows "$T/x"
head -20 "$T/difficulty" > "$T/x"
bad "too few difficulties" 3 '30 rows, but difficulties of 19 instructions' --rows "$T/rows" --difficulty "$T/x" --gamed "$T/gamed"
sed '4d' "$T/difficulty" > "$T/x"
bad "difficulties with a gap" 3 'x:4: difficulties must be in the order' --rows "$T/rows" --difficulty "$T/x" --gamed "$T/gamed"
sed '/^b,2[89]/d' "$T/rows" > "$T/x"
bad "fewer rows than difficulties" 0 '28 of 30 instructions are there; difficulties are taken by position' --rows "$T/x" "${LC[@]}"
bad "coefficients of another model" 3 "no coefficients of model 'a'" --rows "$T/rows" --coefficients "$T/coef" "${LC[@]:0:2}"
bad "nothing to do" 2 'nothing to evaluate'
bad "two inputs" 2 'exclude each other' --rows "$T/rows" --annotations "$T/ann"
bad "half of what length control needs" 2 "both '--difficulty' and '--gamed'" --rows "$T/rows" --gamed "$T/gamed"
bad "a C of nothing" 2 "'--c' needs" --rows "$T/rows" --c 1
bad "a C of 0" 2 "'--c'" --rows "$T/rows" --c 0 "${LC[@]}"
bad "an operand" 2 'named by options' "$T/rows"

# A judge asked afresh: it prefers the output whose number behind lp: is higher, whichever is shown first.
command -v python3 > /dev/null || { skip 74 "python3 is not installed"; done_testing; }
trap 'kill "$server" 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT
: > "$T/log"
python3 tests/fixtures/fault_server.py "$T/port" "$T/log" 2> /dev/null &
server=$!
for _ in $(seq 200); do [ -s "$T/port" ] && break; sleep 0.05; done
jq -nc '[range(30) | {instruction: "q\(.)", output: "base \(.)", generator: "base"}]' > "$T/base"
jq -nc 'range(29) | {instruction: "q\(.)", output: "mine, a longer one \(.) lp:m=-0.5 lp:M=-1.5", generator: "mine"}' > "$T/mine"
sed -i '5s/ lp:.*-1.5"/"/' "$T/mine"
printf '<|im_start|>system\nYou judge.\n<|im_end|>\n<|im_start|>user\n{ "q": {instruction}, {x} }\n{output_1}\n{output_2}\n<|im_end|>' > "$T/template"
J=(--judge-url "http://127.0.0.1:$(cat "$T/port")/v1" --judge j --template "$T/template" --baseline-outputs "$T/base" --outputs "$T/mine" --cache "$T/cache")
run_tool "${E[@]}" "${J[@]}" --summary "$T/s" "${LC[@]}" --c 1
exit_is 0 "fresh preferences"
p=$(jq -n '1 / (1 + (-1 | exp))')
ok "from log-probs, by the order shown" holds -s --argjson p "$p" \
	'map(select(.preference)) | length == 28 and all(.[]; .preference - (if .switched == 1 then 1 + $p else 2 - $p end) | fabs < 1e-12)' "$T/out"
is "$(jq -c '[.model, .baseline, .n_total, .n_missing, (.length_controlled_winrate > 0)]' "$T/s")" '["mine","base",28,2,true]' "the summary"
like "$err" 'no output for 1 of 30 instructions.*1 of the judge.s answers give no preference, first: item 4: neither m nor M' "what gave none is named"
ok "outputs stand in the order drawn" holds -s --slurpfile items "$T/out" \
	'map(.body.messages[1].content | split("\n") | [(.[0] | capture("\"q\": q(?<i>[0-9]+)").i | tonumber), (.[1] | startswith("mine"))]) |
	all(.[]; .[1] == ($items[.[0]].switched == 1))' "$T/log"
is "$(jq -c '.body | [.model, .max_tokens, .temperature, .top_logprobs, .messages[0]]' "$T/log" | sort -u)" \
	'["j",1,1,5,{"role":"system","content":"You judge."}]' "one token with alternatives is asked for"
asked=$(wc -l < "$T/log")
run_tool "${E[@]}" -q "${J[@]}" --summary "$T/s2" "${LC[@]}" --c 1
is "$(wc -l < "$T/log")" "$asked" "nothing is asked twice"
ok "and the results are the same" cmp "$T/s" "$T/s2"

# What it said is kept in the form of published annotations.
run_tool "${E[@]}" "${J[@]}" --summary "$T/s2" "${LC[@]}" --c 1 --save-annotations "$T/saved"
exit_is 0 "annotations kept"
cp "$T/out" "$T/fresh"
is "$(jq -c 'map(keys) | unique | .[0]' "$T/saved")" \
	'["annotator","generator_1","generator_2","instruction","output_1","output_2","preference","raw_completion"]' "as they are published"
is "$(jq -c '[length, .[0].annotator, .[0].generator_1, .[0].generator_2, (.[0].raw_completion | [.text, .finish_reason, .index,
	.total_tokens > 0, (.logprobs.content[0].top_logprobs | length)])]' "$T/saved")" \
	'[30,"j","base","mine",["Because of this and that.\nScore: 5","stop",0,true,2]]' "with the judge's answer"
is "$(jq -c '[.[] | select(.preference == null) | [.instruction, .output_2 == null, .raw_completion == null]]' "$T/saved")" \
	'[["q4",false,false],["q29",true,true]]' "null where there is none"
run_tool "${E[@]}" --annotations "$T/saved" --summary "$T/s3" "${LC[@]}" --c 1
is "$(jq -c 'del(.run)' "$T/s3")" "$(jq -c 'del(.run, .answers)' "$T/s2")" "the same figures from them"
is "$(jq -c 'del(.run)' "$T/out")" "$(jq -c 'del(.run)' "$T/fresh")" "and the same items"
run_tool "${E[@]}" --annotations "$T/saved" --summary "$T/s3" "${LC[@]}" --c 1 --preference logprobs
ok "from their log-probs too" holds --slurpfile a "$T/s2" '(.win_rate - $a[0].win_rate | fabs) < 1e-9 and .n_total == 28' "$T/s3"
is "$(jq -r .judge "$T/s3")" j "the summary names the judge"
bad "annotators of two kinds" 3 "two annotators, 'j' and 'other'" --annotations <(jq '.[1].annotator = "other"' "$T/saved")
bad "an output that is null though preferred" 3 "field 'output_2' must be a string, not null" --annotations <(jq '.[29].preference = 1' "$T/saved")
asked=$(wc -l < "$T/log")
bad "a file that cannot be written" 1 "cannot .*$T/no/where" "${J[@]}" --cache "$T/c2" --save-annotations "$T/no/where"
is "$(wc -l < "$T/log")" "$asked" "is found out before anything is asked"
bad "annotations to keep, but nobody asked" 2 "'--save-annotations' needs '--judge-url'" --annotations "$T/ann" --save-annotations "$T/x"
bad "a service that is gone, annotations to keep" 5 '.' "${J[@]}" --judge-url http://127.0.0.1:1/v1 --cache "$T/c3" --retries 0 --save-annotations "$T/none"
ok "leaves no file behind" test ! -e "$T/none" -a ! -e "$T/none.tmp"

# The benchmark's configuration of an annotator.
mkdir -p "$T/configs/mine" "$T/configs/prompts"
cp "$T/template" "$T/configs/prompts/t.txt"
cat > "$T/configs/mine/c.yaml" <<'END'
my_annotator:
  prompt_template: "prompts/t.txt"
  fn_completions: "openai_completions"
  completions_kwargs:
    model_name: "big-judge"
    max_tokens: 2
    temperature: 0.25 # a remark
    logprobs: true
    top_logprobs: 3
  fn_completion_parser: "logprob_parser"
  completion_parser_kwargs:
    numerator_token: "m"
    denominator_tokens: ["m", "M"]
    is_binarize: false
  batch_size: 1
END
C=(--judge-url "${J[1]}" --baseline-outputs "$T/base" --outputs "$T/mine" --judge-config "$T/configs/mine/c.yaml")
: > "$T/log"
run_tool "${E[@]}" "${C[@]}" --summary "$T/s3" --save-annotations "$T/saved"
exit_is 0 "a configuration is all that is needed"
is "$(jq -c '.body | [.model, .max_tokens, .temperature, .top_logprobs, .messages[0].content]' "$T/log" | sort -u)" \
	'["big-judge",2,0.25,3,"You judge."]' "what it says is asked"
is "$(jq -r .judge "$T/s3") $(jq -r '.[0].annotator' "$T/saved")" "my_annotator my_annotator" "and the annotator has its name"
is "$(jq -c '[.win_rate, .n_total]' "$T/s3")" "$(jq -c '[.win_rate, .n_total]' "$T/s2")" "with the same template the figures are the same"
cp "$T/configs/prompts/t.txt" "$T/configs/mine/other.txt"
: > "$T/log"
run_tool "${E[@]}" "${C[@]}" --judge small --judge-temperature 0.5 --judge-top-p 0.75 --judge-max-tokens 7 --template "$T/configs/mine/other.txt" --summary "$T/s3"
is "$(jq -c '.body | [.model, .max_tokens, .temperature, .top_p, .top_logprobs]' "$T/log" | sort -u)" '["small",7,0.5,0.75,3]' "the user's options win"
is "$(jq -r .judge "$T/s3")" small "and the judge is the user's"
config() { # NAME CODE REGEX SED-SCRIPT
	sed "$4" "$T/configs/mine/c.yaml" > "$T/configs/mine/x.yaml"
	bad "$1" "$2" "$3" "${C[@]:0:6}" --judge-config "$T/configs/mine/x.yaml" --cache "$T/c2"
}
config "YAML that is none" 3 'x.yaml:[0-9]+: invalid YAML' '3s/"openai/[openai/'
config "a key twice" 3 "x.yaml:3: key 'prompt_template' is there twice" '3s/.*/  prompt_template: x/'
config "no template" 3 "field 'prompt_template' is missing" '2d'
config "a template that is not there" 3 "neither below its directory nor below the one above: give '--template'" '2s/t.txt/u.txt/'
config "no judge" 3 "field 'completions_kwargs.model_name' is missing" '5d'
config "a count that is none" 3 "'completions_kwargs.max_tokens' must be an integer from 1" '6s/2/many/'
config "a temperature that is none" 3 "'completions_kwargs.temperature' must be a number" '7s/0.25/-1/'
config "no log-probs" 3 "'completions_kwargs.logprobs' must be true" '8s/true/false/'
config "another parser" 3 "'fn_completion_parser' must be logprob_parser, not 'ranking_parser'" '10s/logprob/ranking/'
config "other tokens" 3 "must have numerator_token m" '12s/"m"/"A"/'
config "a setting that is not known" 0 "'seed' of completions_kwargs is not sent" '6s/.*/    seed: 1/'
bad "a configuration that is a list" 3 "must have one member, its name" "${C[@]:0:6}" --judge-config <(echo '- a')
bad "a configuration that is not there" 1 "no-such.yaml" "${C[@]:0:6}" --judge-config "$T/no-such.yaml"
bad "a configuration without a service" 2 "'--judge-config' needs '--judge-url'" --annotations "$T/ann" --judge-config "$T/configs/mine/c.yaml"
bad "an output for another prompt" 3 "the baseline has no instruction 'zz'" "${J[@]}" --outputs <(echo '{"instruction":"zz","output":"x"}')
bad "an output twice" 3 "item 1 has the instruction of item 0" "${J[@]}" --outputs <(sed -n '1p;1p' "$T/mine"; sed -n 1p "$T/mine")
printf '<|im_start|>user {output_1}' > "$T/x"
bad "a broken template" 3 "needs a role, a new line" "${J[@]}" --template "$T/x"
bad "half of what judging needs" 2 "'--judge-url' needs '--judge'" --judge-url http://127.0.0.1:1/v1
bad "nothing to ask with" 2 "needs '--template' or '--judge-config'" --judge-url http://127.0.0.1:1/v1 --judge j
kill "$server"; wait "$server" 2> /dev/null
bad "a service that is gone" 5 '.' "${J[@]}" --cache "$T/other" --retries 0
done_testing
