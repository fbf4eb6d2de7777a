#!/usr/bin/env bash
# examples/smollm2/benchmarks on two tiny models and made-up items: asked, reported, compared; a second run asks nothing.
. tests/cli/lib.sh
command -v python3 >/dev/null || skip_all "python3 is not installed"

for m in before after; do
    python3 tests/fixtures/make_tokenizer.py "$T/$m" 320 --template chatml >/dev/null
    python3 tests/fixtures/make_model.py "$T/$m" --vocab 320 --positions 256 --seed ${#m} >/dev/null
done
jq -nc 'range(4) | {key: ., prompt: "Say \(.).", instruction_id_list: ["punctuation:no_comma"], kwargs: [{}]}' >"$T/ifeval"
jq -nc 'range(4) | {idx: ., question: "What is \(.)+1?", answer: "It is\n#### \(. + 1)"}' >"$T/gsm8k"
run() { IFEVAL=$T/ifeval GSM8K=$T/gsm8k OUT=$T/results OPTIONS="--threads 1 --max-tokens 8" LIMIT=3 examples/smollm2/benchmarks "$T/before" "$T/after"; }

run_tool run
exit_is 0 "two models, two benchmarks"
is "$(grep -cE '^\| (before|after) ' "$T/results/report.md")" 8 "a line a model in each of the four tables"
is "$(wc -l <"$T/results/gsm8k.after.answers")" 3 "of as many items as were asked for"
is "$(jq -r .run.format "$T/results/gsm8k.after.json")" math-suffix "problems are asked with the published sentence"
is "$(grep -c '^3 items' "$T/out")" 2 "and both compared item by item"
cp "$T/results/report.md" "$T/report"
run_tool run
like "$err" "3 of 3 questions were answered before" "a second run asks nothing"
ok "and reports the same" cmp "$T/results/report.md" "$T/report"
run_tool examples/smollm2/benchmarks "$T/before"
exit_is 2 "without data it says how to use it"
done_testing
