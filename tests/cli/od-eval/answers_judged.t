#!/usr/bin/env bash
# Benchmarks with a judge ask the model first: its answers reach the judge, the manifest names both, keys are not mixed up.
. tests/cli/lib.sh
command -v python3 >/dev/null || skip_all "python3 is not installed"

E=$BIN/od-eval
servers=()
trap 'kill "${servers[@]}" 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT
serve() { # NAME: its address into $url
    : >"$T/$1.log"
    python3 tests/fixtures/fault_server.py "$T/$1.port" "$T/$1.log" 2>/dev/null &
    servers+=($!)
    for _ in $(seq 200); do [ -s "$T/$1.port" ] && break; sleep 0.05; done
    url=http://127.0.0.1:$(cat "$T/$1.port")/v1
}
serve model
model=(--model-url "$url" --model served --name mine)
serve judge
judge=(--judge-url "$url" --judge j)
export OPENAI_API_KEY=sk-judge-0123456789 MODEL_KEY=sk-model-9876543210
keys() { jq -r '.auth // "none"' "$T/$1.log" | sort | uniq -c | xargs; }

# ---- AlpacaEval ----
jq -nc '[range(6) | {instruction: "q\(.) say:mine \(.) lp:M=-0.5", output: "base lp:m=-1", generator: "base"}]' >"$T/base.json"
printf 'I {instruction}\nfirst {output_1}\nsecond {output_2}' >"$T/clf"
run_tool "$E" alpaca-eval "${model[@]}" "${judge[@]}" --template "$T/clf" --baseline-outputs "$T/base.json" --answers "$T/kept" \
    --summary "$T/s" --save-annotations "$T/annotations"
exit_is 0 "alpaca-eval asks a model, then the judge"
is "$(jq -c '[.instruction, .responses[0].text]' "$T/kept" | head -n 2)" '["q0 say:mine 0 lp:M=-0.5","mine 0 lp:M=-0.5"]
["q1 say:mine 1 lp:M=-0.5","mine 1 lp:M=-0.5"]' "the answers are kept"
is "$(jq -c '[.[0] | .output_2, .generator_2, .output_1]' "$T/annotations")" '["mine 0 lp:M=-0.5","mine","base lp:m=-1"]' "the judge sees them, beside the baseline's"
is "$(jq -c '[.model, .n_total, .answers.n, .run.name, .run.model, .run.judge, .run.temperature, .run.preset]' "$T/s")" \
    '["mine",6,6,"mine","served","j",0.7,"official, changed: judge"]' "the manifest names model, judge and settings"
is "$(jq -c .run "$T/out" | sort -u)" "$(jq -c .run "$T/s")" "which items carry too"
is "$(keys judge)" "6 Bearer $OPENAI_API_KEY" "the judge gets its key"
is "$(keys model)" "6 none" "the model's service does not"
run_tool "$E" alpaca-eval "${model[@]}" "${judge[@]}" --template "$T/clf" --baseline-outputs "$T/base.json" --answers "$T/kept2" --as paper \
    --judge gpt-4-1106-preview --model-key-env MODEL_KEY -n 3 --summary "$T/s"
is "$(jq -c '[.n_total, .answers.n, .run.preset, .run.max_tokens]' "$T/s")" '[3,3,"paper",4096]' "the paper's preset, of three questions"
like "$err" "the model has no output for 3 of 6 instructions" "the others are counted"
is "$(keys model)" "3 Bearer $MODEL_KEY 6 none" "--model-key-env is the model's alone"
is "$(tail -n 3 "$T/judge.log" | jq -r .auth | sort -u)" "Bearer $OPENAI_API_KEY" "and the judge's stays the judge's"
asked=$(wc -l <"$T/model.log")
run_tool "$E" alpaca-eval "${model[@]}" "${judge[@]}" --template "$T/clf" --baseline-outputs "$T/base.json" --answers "$T/kept" --summary "$T/s"
is "$(wc -l <"$T/model.log")" "$asked" "answers that were kept are not asked again"
run_tool "$E" alpaca-eval "${judge[@]}" --template "$T/clf" --baseline-outputs "$T/base.json" --outputs "$T/kept" --summary "$T/s2" --name mine
is "$(jq -c 'del(.run.url)' "$T/s2")" "$(jq -c 'del(.run.url)' "$T/s")" "kept answers are outputs like others"
run_tool "$E" alpaca-eval "${model[@]}" --baseline-outputs "$T/base.json"
exit_is 2 "a model without a judge"
like "$err" "needs '--judge-url'" "is told what it needs"

# ---- Arena-Hard ----
jq -nc 'range(4) | {question_id: "q\(.)", turns: [{content: "question \(.) say:new \(.) [[B>A]]"}]}' >"$T/questions"
jq -nc 'range(4) | {question_id: "q\(.)", model_id: "old", choices: [{turns: [{content: "old \(.)"}]}]}' >"$T/old"
printf 'A {answer_1}\nB {answer_2} say:[[A=B]]' >"$T/template"
run_tool "$E" arena-hard "${model[@]}" "${judge[@]}" --template "$T/template" --questions "$T/questions" --baseline-answers "$T/old" \
    --summary "$T/s" --save-judgments "$T/judgments"
exit_is 0 "arena-hard asks a model, then the judge"
is "$(jq -c '[.baseline, .models.mine.ties, .models.mine.score, .answers.n, .run.name, .run.judge, .run.preset]' "$T/s")" \
    '["old",8,50,4,"mine","j","official, changed: judge"]' "both games of every question"
is "$(jq -r '.body.messages[0].content' "$T/judge.log" | grep -c '^A new [0-3] ')" 4 "with the model's answers"
is "$(jq -c .run "$T/out" | sort -u)" "$(jq -c .run "$T/s")" "items carry the manifest"
run_tool "$E" arena-hard --judgments "$T/judgments" --summary "$T/s2"
is "$(jq -c '[.run.name, .run.judge, .run.preset]' "$T/s2")" '["mine","j",null]' "stored judgments say what they know"
cp "$T/out" "$T/items"
run_tool "$E" arena-hard --compare "$T/items,$T/items"
exit_is 0 "and compare with themselves"

# ---- SedarEval ----
jq -nc 'range(3) | {id: "i\(.)", query: "q\(.) say:answer \(.) 最终得分：\(. + 2)", answer: "old", meta: {category: ["数学"], reference: "r", score_standard: "s"}}' >"$T/sedar"
printf 'Judge {query}: say:{response}' >"$T/rubric"
run_tool "$E" sedareval "${model[@]}" "${judge[@]}" --template "$T/rubric" --data "$T/sedar" --summary "$T/s"
exit_is 0 "sedareval asks a model, then the judge"
is "$(jq -c '[.judged, .mean, .answers.n, .run.benchmark, .run.name, .run.judge]' "$T/s")" '[3,3,3,"sedareval","mine","j"]' "and scores its answers"
run_tool "$E" sedareval "${model[@]}" --template "$T/rubric" --data "$T/sedar" --prompts
is "$(jq -r '.prompt[-1].content' "$T/out" | grep -c 'say:answer')" 3 "--prompts of a model's answers"
unlike "$out$err$(cat "$T"/s "$T"/kept "$T"/annotations "$T"/judgments)" "$OPENAI_API_KEY|$MODEL_KEY" "no key is in any output"
done_testing
