#!/usr/bin/env bash
# A benchmark asks a model: presets, manifests, answers that are kept, runs that go on, services; what is refused.
. tests/cli/lib.sh

E=$BIN/od-eval
servers=()
trap 'kill "${servers[@]}" 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT
for m in one two; do
    python3 tests/fixtures/make_tokenizer.py "$T/$m" 320 --template chatml >/dev/null
    python3 tests/fixtures/make_model.py "$T/$m" --vocab 320 --positions 256 --seed ${#m}$([ $m = two ] && echo 1) >/dev/null
done
jq -nc 'range(12) | {key: (. + 100), prompt: "Say \(.) without commas.", instruction_id_list: ["punctuation:no_comma"], kwargs: [{}]}' >"$T/data"
eval_() { "$E" ifeval --threads 1 --data "$T/data" "$@"; }
short() { eval_ -q --model "$T/one" --max-tokens 20 "$@"; }
refused() { # CODE REGEX NAME ARG...
    local code=$1 regex=$2 name=$3
    shift 3
    run_tool eval_ -q "$@"
    exit_is "$code" "$name: exit $code"
    like "$err" "$regex" "$name: says so"
    one_line "$err" "$name: in one line"
}

# A model answers: as od-sample does.
run_tool short --summary "$T/summary"
exit_is 0 "a model is asked"
cp "$T/out" "$T/items"
is "$(jq -r .id "$T/items" | xargs)" "100 101 102 103 104 105 106 107 108 109 110 111" "an item a question, in order"
jq -c '{id: (.key | tostring), prompt}' "$T/data" | "$BIN/od-sample" -q --threads 1 --model "$T/one" --temperature 0 --max-tokens 20 >"$T/sampled"
is "$(jq -c '[.response, .tokens, .finish_reason]' "$T/items")" "$(jq -c '.responses[0] | [.text, .tokens, .finish_reason]' "$T/sampled")" \
    "with the answers of od-sample"
is "$(jq -c .run "$T/items" | sort -u)" "$(jq -c .run "$T/summary")" "items and summary carry one manifest"
is "$(jq -c '.run | [.benchmark, .preset, .name, .format, .temperature, .max_tokens, .samples, .sentences]' "$T/summary")" \
    '["ifeval","official, changed: max_tokens","one","chat",0,20,1,"unicode"]' "which says how"
is "$(jq -r .run.model "$T/summary")" "$(jq -r .sample.model "$T/sampled" | sort -u)" "and by which model"
is "$(jq -r .run.data "$T/summary")" "$(sha256sum "$T/data" | cut -c1-16)" "and of which data"
is "$(jq -c '[.answers.n, .answers.mean_tokens, .answers.truncated]' "$T/summary")" \
    "$(jq -sc 'map(.responses[0]) | [length, (map(.tokens) | add / length), (map(select(.finish_reason == "length")) | length)]' "$T/sampled")" \
    "tokens are averaged and cut answers counted"
run_tool eval_ --model "$T/one" --max-tokens 20 --batch 3 --threads 2
is "$(jq -c 'del(.run)' "$T/out")" "$(jq -c 'del(.run)' "$T/items")" "the batch and threads change nothing"
like "$err" '12 answers of [0-9.]+ tokens on average.*12 prompts.*12 answers, 0 empty' "notes and table say it"

# Presets.
run_tool eval_ -q --model "$T/one" --as paper --summary - -n 2
is "$(jq -c '.run | [.preset, .max_tokens]' "$T/out")" '["paper",1280]' "a preset as it is"
is "$(jq -c '[.prompts, .missing, .answers.n]' "$T/out")" '[2,0,2]' "--limit chooses questions: the others are no part of the run"
run_tool eval_ -q --model "$T/one" --max-tokens 9 --temperature 0.5 --format raw --suffix " ok" --summary - -n 2
is "$(jq -r .run.preset "$T/out")" "official, changed: format suffix temperature max_tokens" "what was changed is named"
run_tool eval_ -q --model "$T/one" --max-tokens 9 --shard 1/4 --name "my model"
is "$(jq -r '.id + " " + .run.name' "$T/out" | paste -sd,)" "101 my model,105 my model,109 my model" "a shard of the questions, and a name"

# Answers that are kept.
run_tool short --answers "$T/kept" --items "$T/again" --summary -
is "$(cat "$T/again")" "$(cat "$T/items")" "keeping answers changes no item"
is "$(jq -c '[.key, .responses[0].text]' "$T/kept")" "$(jq -c '[.key, .response]' "$T/items")" "they are records with responses"
cp "$T/kept" "$T/whole"
run_tool eval_ --model "$T/one" --max-tokens 20 --answers "$T/kept"
like "$err" "12 of 12 questions were answered before" "what is there is not asked again"
is "$(cat "$T/out")" "$(cat "$T/items")" "and judged the same"
{ head -n 4 "$T/whole"; sed -n 5p "$T/whole" | head -c 60; } >"$T/kept"
run_tool eval_ --model "$T/one" --max-tokens 20 --answers "$T/kept"
exit_is 0 "a file that ends within a line"
like "$err" "4 of 12 questions were answered before" "goes on behind its last whole line"
ok "to the same bytes" cmp "$T/kept" "$T/whole"
: >"$T/kept"
short --answers "$T/kept" --batch 1 >/dev/null 2>&1 &
pid=$!
for _ in $(seq 400); do [ "$(wc -l <"$T/kept")" -ge 2 ] && break; sleep 0.01; done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
run_tool short --answers "$T/kept" --batch 1
ok "a killed run goes on to the same bytes" cmp "$T/kept" "$T/whole"
run_tool eval_ -q --outputs "$T/whole" --name one
is "$(cat "$T/out")" "$(cat "$T/items")" "kept answers are outputs like others"
jq -c 'del(.sample)' "$T/whole" >"$T/plain.jsonl"
run_tool eval_ -q "$T/plain.jsonl" --summary -
is "$(jq -c '.run | [.preset, .temperature]' "$T/out")" '[null,null]' "of answers that do not say how they were made nothing is claimed"
refused 3 "made otherwise: 'max_tokens' of its 'sample' differs; give '--answers' another file" "answers made with other settings" \
    --model "$T/one" --max-tokens 21 --answers "$T/kept"
refused 3 "made otherwise: 'model' of its" "answers of another model" --model "$T/two" --max-tokens 20 --answers "$T/kept"
sed '2s/without commas/with commas/' "$T/whole" >"$T/other"
refused 3 "other:2: an answer to another question, '101'" "an answer to another question" --model "$T/one" --max-tokens 20 --answers "$T/other"
echo '{"key":100' >"$T/torn"
echo >>"$T/torn"
refused 3 "torn:1: .*JSON" "a file that holds something else" --model "$T/one" --max-tokens 20 --answers "$T/torn"
is "$(head -c 10 "$T/torn")" '{"key":100' "which stays as it is"
refused 1 "Is a directory" "a directory to keep answers in" --model "$T/one" --answers "$T" --max-tokens 2
refused 2 "give '--model'" "--answers without a model" --answers "$T/kept" --outputs "$T/whole"
refused 2 "not both" "answers and a model" --model "$T/one" --outputs "$T/whole"
refused 2 "no answers are read" "a file of answers and a model" --model "$T/one" "$T/whole"
refused 2 "model DIR is required|--model NAME" "a service without a model's name" --model-url http://127.0.0.1:9/v1
sed '7s/"max_tokens":20/"max_tokens":40/' "$T/whole" >"$T/mixed"
refused 3 "mixed:7: the answer was not made as those before it: 'max_tokens'" "answers of two runs in one file" "$T/mixed"

# A question that is too long is not an answer that is wrong.
jq -c 'if .key == 103 then .prompt = ("long " * 400) else . end' "$T/data" >"$T/long"
run_tool "$E" ifeval -q --threads 1 --data "$T/long" --model "$T/one" --max-tokens 5
exit_is 3 "a question the model has no room for: exit 3"
like "$err" "1 questions could not be asked, first: .*256 positions" "says why"
like "$err" "1 of 12 prompts have no output \(keys 103\)" "and which"
run_tool "$E" ifeval -q --threads 1 --data "$T/long" --model "$T/one" --max-tokens 5 --allow-missing --summary -
is "$(jq -c '[.prompts, .missing]' "$T/out")" '[11,1]' "--allow-missing: it takes no part"

# Manifests that differ.
eval_ -q --model "$T/two" --max-tokens 20 --items "$T/items2" --summary "$T/s2"
run_tool eval_ --compare "$T/items,$T/items2"
exit_is 0 "two models compare"
like "$out" "12 items.*tokens" "item by item"
short --items "$T/longer" --summary "$T/s3" --max-tokens 30
refused 3 "were not made alike: 'max_tokens' is 20 and 30; '--mixed' compares them all the same" "runs of other settings" --compare "$T/items,$T/longer"
refused 3 "'format' is .chat. and not known" "stored answers of unknown making beside known ones" --compare "$T/items,"<("$E" ifeval -q --data "$T/data" "$T/plain.jsonl")
run_tool eval_ --compare "$T/items,$T/longer" --mixed
exit_is 0 "--mixed"
like "$err" "warning: .*'max_tokens' is 20 and 30" "warns"
refused 3 ":13: the item is of another run than those before it: 'max_tokens' differs" "a file of two runs' items" \
    --compare "$T/items,"<(cat "$T/items" "$T/longer")

# A service.
export OPENAI_API_KEY=sk-secret-0123456789abcdef
: >"$T/log"
python3 tests/fixtures/fault_server.py "$T/port" "$T/log" 2>"$T/server" &
servers+=($!)
for _ in $(seq 200); do [ -s "$T/port" ] && break; sleep 0.05; done
url=http://127.0.0.1:$(cat "$T/port")/v1
sed 's/"prompt":"Say \([0-9]*\)/&  say:number \1 it is/' "$T/data" >"$T/spoken"
run_tool "$E" ifeval -q --data "$T/spoken" --model-url "$url" --model served --summary "$T/s4"
exit_is 0 "a service answers"
is "$(jq -r .response "$T/out" | head -n 1)" "number 0 it is without commas." "its texts are judged"
is "$(jq -c '.run | [.model, .name, .max_tokens, .preset]' "$T/s4")" '["served","served",1280,"official"]' "the manifest has the service's name"
is "$(wc -l <"$T/log")" 12 "one request a question"
run_tool "$E" ifeval -q --data "$T/data" --model-url http://127.0.0.1:9/v1 --model m --retries 0 --connect-timeout 1
exit_is 5 "a service that is not there: exit 5"
unlike "$out$err" "$OPENAI_API_KEY" "the key is in no output"
done_testing
