#!/usr/bin/env bash
# od-eval math: the eight sets' layouts, items and summary, several samples, whose output is whose, bad input.
. tests/cli/lib.sh

E=$BIN/od-eval
mkdir "$T/amc23"
cat >"$T/gsm8k.jsonl" <<'EOF'
{"question":"Two bags of 3 nuts?","answer":"2*3=<<2*3=6>>6\n#### 6","idx":0}
{"question":"Three bags of 3?","answer":"#### 9","idx":1}
EOF
cat >"$T/math500.jsonl" <<'EOF'
{"problem":"Half of 1?","solution":"It is $\\boxed{\\frac12}$.","answer":"\\frac{1}{2}","subject":"Algebra","level":1,"unique_id":"test/a/1.json"}
{"problem":"Double 2?","solution":"$\\boxed{4}$","answer":"4","subject":"Algebra","level":5,"unique_id":"test/a/2.json"}
{"problem":"Angle?","solution":"$\\boxed{\\pi}$","answer":"\\pi","subject":"Geometry","level":5,"unique_id":"test/g/3.json"}
EOF
cat >"$T/minerva_math.jsonl" <<'EOF'
{"problem":"How far?","solution":"So $\\boxed{3 \\mathrm{~m}}$.","type":"Physics","idx":0}
EOF
cat >"$T/olympiadbench.jsonl" <<'EOF'
{"id":31,"subfield":"Algebra","context":null,"question":"Find x.","solution":["Trivial."],"final_answer":["$x=5$"],"unit":null}
EOF
cat >"$T/aime24.jsonl" <<'EOF'
{"id":60,"problem":"Sum?","solution":"s","answer":"033","url":"u","question":"Sum?"}
EOF
cat >"$T/amc23/test.jsonl" <<'EOF'
{"id":0,"problem":"Miles?","answer":27.0,"url":"u","question":"Miles?"}
EOF
cat >"$T/gaokao2023en.jsonl" <<'EOF'
{"source":"s","question":"Set?","lang":"en","answer":"$\\{x|x<1\\}$"}
{"source":"s","question":"Last?","lang":"en","answer":"$-2$ ","id":"Extra_1"}
EOF
cat >"$T/college_math.jsonl" <<'EOF'
{"data_source":"d","question_number":"1","question":"Simplify.","answer":"$2 x$","data_topic":"t"}
{"data_source":"d","question_number":"1","question":"Simplify.","answer":"$3 x$","data_topic":"t"}
{"data_source":"d","question_number":"2","question":"Is 2 even?","answer":"Yes","data_topic":"t"}
EOF

# The references of every layout, and the questions as they are put.
reads() { # FILE WANTED NAME
    jq -sc 'to_entries[]|{idx:(.value.idx // .key),response:"It is 8."}' "$T/$1" >"$T/o"
    run_tool "$E" math --data "$T/$1" --outputs "$T/o"
    exit_is 0 "$1 is read"
    is "$(jq -c '[.id,.prompt,.reference,.pred]' "$T/out" | paste -sd' ')" "$2" "$1: its problems"
    like "$err" "^$3 .by the file's name., grader qwen: .*1 sample each; the data has" "$1: which set that is"
}
reads gsm8k.jsonl '["0","Two bags of 3 nuts?","6","8"] ["1","Three bags of 3?","9","8"]' gsm8k
reads math500.jsonl \
    '["test/a/1.json","Half of 1?","\\frac{1}{2}","8"] ["test/a/2.json","Double 2?","4","8"] ["test/g/3.json","Angle?","\\pi","8"]' math500
reads minerva_math.jsonl '["0","How far?","3\\mathrm{~m}","8"]' minerva_math
reads olympiadbench.jsonl '["31","Find x.","5","8"]' olympiadbench
reads aime24.jsonl '["60","Sum?","33","8"]' aime24
reads amc23/test.jsonl '["0","Miles?","27","8"]' amc23
reads gaokao2023en.jsonl '["0","Set?","{x|x<1}","8"] ["Extra_1","Last?","-2","8"]' gaokao2023en
reads college_math.jsonl '["0","Simplify.","2x","8"] ["1","Simplify.","3x","8"] ["2","Is 2 even? (Yes or No)","Yes","8"]' college_math

# One sample each, by prompt, id and position; what od-sample writes.
cat >"$T/outputs" <<'EOF'
{"prompt":"Double 2?","responses":[{"text":"So \\boxed{4}","tokens":5,"finish_reason":"stop"}]}
{"unique_id":"test/g/3.json","problem":"Angle?","responses":[{"text":"","tokens":9,"finish_reason":"length"}]}
{"idx":0,"responses":[{"text":"The answer is 1/2.","tokens":4,"finish_reason":"stop"}]}
EOF
run_tool "$E" math --data "$T/math500.jsonl" --by level "$T/outputs"
exit_is 0 "three outputs are judged"
is "$(jq -c '[.id,.pred,.["pass@1"],.response,.tokens,.finish_reason,.run.dataset,.run.grader]' "$T/out")" \
    '["test/a/2.json","4",1,"So \\boxed{4}",5,"stop","math500","qwen"]
["test/g/3.json","",0,"",9,"length","math500","qwen"]
["test/a/1.json","\\frac{1}{2}",1,"The answer is 1/2.",4,"stop","math500","qwen"]' "items in the order of the outputs"
like "$err" "3 problems, 1 sample each, 1 without an answer; .*500.3 answers, 1 empty, 6.0 tokens on average, 1 cut" "the notes count what is lacking"
like "$err" "pass@1 +0.6667 .*level +mean.*1 +1 .*5 +0.5000 " "the tables"
run_tool "$E" math -q --data "$T/math500.jsonl" --by subject --summary - "$T/outputs"
is "$(jq -c '[.benchmark,.dataset,.grader,.items,.samples,.missing,.no_answer,.empty_references]' "$T/out")" \
    '["math","math500","qwen",3,1,0,1,0]' "the summary"
is "$(jq -c '.answers' "$T/out")" '{"n":3,"empty":1,"mean_tokens":6,"truncated":1}' "how long the answers are"
is "$(jq -c '[.metrics["pass@1"]|(.mean*1e6|round),(.se*1e6|round),.n]' "$T/out")" '[666667,333333,3]' "a standard error over problems"
is "$(jq -c '.by' "$T/out")" \
    '{"field":"subject","groups":{"Algebra":{"mean":1,"se":0,"n":2},"Geometry":{"mean":0,"se":null,"n":1}}}' "figures by subject"
run_tool "$E" math -q --data <(gzip -c "$T/math500.jsonl") --dataset math500 "$T/outputs"
exit_is 0 "compressed data"

# Several samples.
cat >"$T/several" <<'EOF'
{"idx":0,"code":["6","5","5","\\boxed{6}"]}
{"idx":1,"code":["1","9","9.0","x"]}
EOF
run_tool "$E" math -q --data "$T/gsm8k.jsonl" --k 2,4 --majority "$T/several"
is "$(jq -c '[.preds,.verdicts,.["pass@1"],(.["pass@2"]*6|round),.["pass@4"],.["maj@2"],.["maj@4"]]' "$T/out")" \
    '[["6","5","5","6"],[true,false,false,true],0.5,5,1,1,1]
[["1","9","9",""],[false,true,true,false],0.5,5,1,0,1]' "pass@k and votes; of equal ones the first counts"
cp "$T/out" "$T/items"
run_tool "$E" math -q --data "$T/gsm8k.jsonl" --majority --summary - "$T/several"
is "$(jq -c '[.samples,(.metrics|keys)]' "$T/out")" '[4,["maj@4","pass@1"]]' "the vote of all samples"
run_tool "$E" math --compare "$T/items,$T/items"
like "$out" "2 items.*equal in every item: pass@1, pass@2, pass@4, maj@2, maj@4" "two files of items compare"
run_tool "$E" math -q --grader unidpo --data "$T/gsm8k.jsonl" "$T/several"
cp "$T/out" "$T/unidpo"
run_tool "$E" math --compare "$T/items,$T/unidpo"
exit_is 3 "different graders do not compare"
like "$err" "grader" "and that is said"
run_tool "$E" math -q --data "$T/gsm8k.jsonl" "$T/items"
is "$(jq -c '.["pass@1"]' "$T/out" | paste -sd,)" 1,0 "items are outputs again"
echo '{"idx":0,"response":"\\boxed{\\frac{2}{4}}"}' >"$T/o"
run_tool "$E" math -q --data "$T/math500.jsonl" --allow-missing "$T/o"
is "$(jq -c '[.["pass@1"],.run.symbolic]' "$T/out")" '[1,null]' "2/4 is a half"
run_tool "$E" math -q --data "$T/math500.jsonl" --allow-missing --no-symbolic "$T/o"
is "$(jq -c '[.["pass@1"],.run.symbolic]' "$T/out")" '[0,false]' "but not without mathematics"

# One prompt twice: outputs without an id are taken in order. A prompt with what is appended to it, or without.
printf '{"prompt":"%s","response":"%s"}\n' Simplify. '2y' Simplify. '\\boxed{3x}' 'Is 2 even?' '\\boxed{yes}' >"$T/o"
run_tool "$E" math -q --data "$T/college_math.jsonl" "$T/o"
is "$(jq -c '[.id,.["pass@1"]]' "$T/out" | paste -sd' ')" '["0",0] ["1",1] ["2",1]' "a prompt that is there twice"

# What others leave out or write differently.
printf '{"id":%s,"%s":"6"}\n' 0 output '"1"' completion >"$T/o"
run_tool "$E" math -q --data "$T/gsm8k.jsonl" --summary - "$T/o"
is "$(jq -c '[.metrics["pass@1"].mean,.answers]' "$T/out")" '[0.5,{"n":2,"empty":0}]' \
    "other names for a response, and no tokens"

# A model answers.
python3 tests/fixtures/make_tokenizer.py "$T/tiny" 320 --template chatml >/dev/null
python3 tests/fixtures/make_model.py "$T/tiny" --vocab 320 --positions 256 --seed 3 >/dev/null
ask() { "$E" math -q --threads 1 --data "$T/college_math.jsonl" --model "$T/tiny" --max-tokens 8 "$@"; }
run_tool ask --samples 3 --temperature 0.9 --k 2 --majority --summary "$T/summary" --answers "$T/kept"
exit_is 0 "a model is asked"
is "$(jq -c '[.id,.prompt,(.preds|length)]' "$T/out" | paste -sd' ')" '["0","Simplify.",3] ["1","Simplify.",3] ["2","Is 2 even? (Yes or No)",3]' \
    "three samples each, of the questions as they are put"
is "$(jq -c '[.samples,.answers.n,.run.preset,.run.dataset,.run.format,.run.grader,.run.samples,(.metrics|keys)]' "$T/summary")" \
    '[3,9,"official, changed: temperature max_tokens","college_math","qwen25-math-cot","qwen",3,["maj@2","pass@1","pass@2"]]' "and how"
run_tool "$E" math -q --data "$T/college_math.jsonl" --k 2 --majority --outputs "$T/kept" --name tiny
cp "$T/out" "$T/judged"
run_tool ask --samples 3 --temperature 0.9 --k 2 --majority --answers "$T/kept"
is "$(cat "$T/out")" "$(cat "$T/judged")" "kept answers are outputs like others"
run_tool ask --as paper --grader unidpo --summary - -n 1
is "$(jq -c '[.items,.missing,.run.preset,.run.format]' "$T/out")" '[1,0,"paper, changed: max_tokens","qwen25-math-cot-step"]' \
    "the paper's way, and a part of the problems"
run_tool ask --as paper --max-tokens 9 --summary -
is "$(jq -c .run.preset "$T/out")" '"paper, changed: max_tokens grader"' "a grader that is not the paper's is named"

# Bad input.
bad() { # CODE REGEX NAME ARG...
    local code=$1 regex=$2 name=$3
    shift 3
    run_tool "$E" math -q "$@"
    exit_is "$code" "$name"
    like "$err" "$regex" "$name: says so"
}
M=$T/math500.jsonl
bad 2 "'--data' is required" "no data" "$T/outputs"
bad 2 "not both" "two ways to name outputs" --data "$M" --outputs "$T/outputs" "$T/outputs"
bad 2 "no answers are read" "a model and answers" --data "$M" --model "$T/tiny" "$T/outputs"
bad 2 "asks for pass@4 of 1 sample: give '--samples'" "more than is drawn" --data "$M" --model "$T/tiny" --k 4
bad 3 ":2: the answer was not made as those before it: 'seed'" "outputs of two runs" --data "$M" \
    <(echo '{"idx":0,"response":"1","sample":{"seed":1}}'; echo '{"idx":1,"response":"1","sample":{"seed":2}}')
bad 2 "'mat' is not known: use one of math, math500" "no such set" --data "$M" --dataset mat "$T/outputs"
bad 2 "no item of the data has a member 'levle'" "no such member" --data "$M" --by levle "$T/outputs"
bad 3 "item 0: field 'solution' must be a string, a number or a boolean" "a member that makes no groups" --by solution \
    --data "$T/olympiadbench.jsonl" "$T/outputs"
bad 2 "asks for pass@2 of outputs with 1 response each" "too few samples" --data "$M" --k 2 "$T/outputs"
bad 2 "'x' is none" "no count" --data "$M" --k 1,x "$T/outputs"
bad 2 "has 4 twice" "a count twice" --data "$M" --k 4,4 "$T/outputs"
bad 3 "1 of 3 problems have no output .ids test/g/3.json.*--allow-missing" "a missing output" --data "$M" <(grep -v Angle "$T/outputs")
bad 0 "left out of every figure: ids test/g/3.json" "a missing output allowed" --allow-missing --data "$M" <(grep -v Angle "$T/outputs")
bad 3 ":4: .*a second output for id 'test/a/2.json'" "two outputs of one problem" --data "$M" <(cat "$T/outputs" "$T/outputs")
bad 3 "no item of the data: its prompt is not there" "outputs of other prompts" --data "$M" <(echo '{"prompt":"Double 3?","response":"6"}')
bad 3 "no item of the data: its idx '3' is not there" "an output of no problem" --data "$M" <(echo '{"idx":3,"response":"6"}')
bad 3 "another prompt than the data's of id 'test/a/1.json'" "id and prompt disagree" --data "$M" \
    <(echo '{"idx":0,"prompt":"Double 2?","response":"4"}')
bad 3 "fields 'unique_id' and 'idx' name two items" "two ids disagree" --data "$M" \
    <(echo '{"idx":0,"unique_id":"test/a/2.json","response":"4"}')
bad 3 "neither 'id' nor 'prompt'" "no id" --data "$M" <(echo '{"response":"x"}')
bad 3 "field 'response' must be a string, not null" "a null response" --data "$M" <(echo '{"idx":0,"response":null}')
bad 3 "field 'responses.1.text' must be a string, not null" "a null sample" --data "$M" \
    <(echo '{"idx":0,"responses":[{"text":"a"},{"text":null}]}')
bad 3 "field 'responses.0.text' is missing" "no samples" --data "$M" <(echo '{"idx":0,"responses":[]}')
bad 3 "field 'responses' must be a list, not a string" "samples that are none" --data "$M" <(echo '{"idx":0,"responses":"a"}')
bad 3 "field 'response' is missing" "no response" --data "$M" <(echo '{"idx":0}')
bad 3 "2 responses, where the first output has 1" "another number of samples" --data "$M" <(grep Double "$T/outputs") \
    <(echo '{"idx":0,"code":["a","b"]}')
bad 4 "left out" "--skip-bad" --skip-bad --data "$M" "$T/outputs" <(echo '{"idx":7,"response":"x"}')
bad 3 "no records" "no outputs" --data "$M" <(:)
bad 3 "/dev/fd/[0-9]+:1: " "outputs that are cut" --data "$M" <(head -c 60 "$T/outputs")
bad 3 "neither its name nor its members tell" "data of another kind" --data <(echo '{"key":1,"text":"x"}') "$T/outputs"
cp "$M" "$T/gsm8k_or_not.jsonl"
bad 3 "by its name this is gsm8k, by its members math500: give '--dataset'" "a name that misleads" --data "$T/gsm8k_or_not.jsonl" "$T/outputs"
bad 3 "item 0, read as olympiadbench: field 'final_answer.0' is missing" "data of another set" --dataset olympiadbench --data "$M" "$T/outputs"
bad 3 "item 1, read as gsm8k: field 'answer' has no '####'" "an answer that is not marked" --dataset gsm8k \
    --data <(sed 's/#### 9/9/' "$T/gsm8k.jsonl") "$T/several"
bad 3 "item 3, .*a second item with this id, 'test/a/1.json'" "data with an id twice" --dataset math500 --data <(cat "$M" "$M") "$T/outputs"
head -c -40 "$M" >"$T/math500_cut.jsonl"
bad 3 "math500_cut.jsonl:3: " "data that is cut" --data "$T/math500_cut.jsonl" "$T/outputs"
gzip -c "$M" | head -c -20 >"$T/math500_cut.gz"
bad 3 "math500_cut.gz" "compressed data that is cut" --data "$T/math500_cut.gz" "$T/outputs"
bad 3 "no records" "data that is empty" --data <(:) "$T/outputs"
bad 1 "nothing" "no such data" --data "$T/nothing" "$T/outputs"
done_testing
