#!/usr/bin/env bash
# od-eval report: summaries joined into a table, names, the paper's figures, what is refused, formats, pictures.
. tests/cli/lib.sh

E=$BIN/od-eval
bad() { # CODE REGEX NAME ARG...
    local code=$1 regex=$2 name=$3
    shift 3
    run_tool "$E" report -q "$@"
    exit_is "$code" "$name"
    like "$err" "$regex" "$name: says so"
    [ "$code" -eq 0 ] || is "$out" "" "$name: no table"
}
ifeval() { # NAME MODEL SHARE [JQ]: an IFEval summary
    jq -nc --arg n "$1" --arg m "$2" --argjson v "$3" '{benchmark:"ifeval",prompts:541,missing:0,undecided:0,sentences:"punkt",
        metrics:({prompt_strict:0,prompt_loose:0.05,instruction_strict:0.1,instruction_loose:0.15}|map_values({mean:(.+$v),se:0.0211,n:541})),
        run:{benchmark:"ifeval",preset:"paper",data:"d",name:$n,model:$m,temperature:0,max_tokens:2048}} | '"${4:-.}"
}
math() { # NAME MODEL DATASET SHARE [JQ]
    jq -nc --arg n "$1" --arg m "$2" --arg d "$3" --argjson v "$4" '{benchmark:"math",dataset:$d,grader:"qwen",items:(if $d=="gsm8k" then 1319 else null end),
        metrics:{"pass@1":{mean:$v,se:0.02,n:500},"maj@4":{mean:0.9,se:0.01,n:500}},
        run:{benchmark:"math",preset:"paper",dataset:$d,name:$n,model:$m,temperature:0}} | '"${5:-.}"
}
sets="gsm8k math500 minerva_math olympiadbench aime24 amc23 gaokao2023en college_math"

mkdir "$T/runs" "$T/empty"
ifeval base h1 0.4 '.answers={mean_tokens:312.9,truncated:12,empty:1,n:541}' >"$T/runs/base-ifeval.json"
ifeval tuned h2 0.45 '.undecided=3' | jq . >"$T/runs/tuned-ifeval.json"
for s in $sets; do math base h1 "$s" 0.5 >"$T/runs/base-$s.json"; done
math tuned h2 gsm8k 0.875 >"$T/runs/tuned-gsm8k.json"
echo '{"a":"x","b":"y","compare":{}}' >"$T/runs/comparison.json"
echo 'no JSON, nor asked for' >"$T/runs/notes.txt"

# ---- the table
run_tool "$E" report --format text "$T/runs"
exit_is 0 "a directory of summaries"
like "$out" 'IFEval: over prompts' "it says what the figures are"
like "$out" 'base +- +- +- +40\.0 ± 2\.1 +45\.0 ± 2\.1 +-' "a row of text, what is missing as -"
like "$out" 'tuned .*45\.0 ± 2\.1‡' "items that took no part are marked"
like "$out" "‡ IFEval of 'tuned': 3 instructions undecided" "and explained"
like "$out" 'base +313 \(12 cut, 1 empty\)' "tokens of answers"
like "$err" 'files left out, for they are no summaries: 1$' "other files are counted"
like "$out" '50\.0 ± 0\.7' "the average of eight sets, its error that of independent means"
like "$out" 'tuned +87\.5 ± 2\.0 +- +- +- +- +- +- +- +-' "no average of fewer"
run_tool "$E" report -q "$T/runs"
like "$out" '\| Model \| AlpacaEval2 LC \| AlpacaEval2 WR \| Arena-Hard WR \| IFEval strict \| IFEval loose \| SedarEval overall \|' \
    "Markdown where no terminal is"
like "$out" '\| base \| - \| - \| - \| 40\.0 ± 2\.1 \| 45\.0 ± 2\.1 \| - \|' "its rows"
run_tool "$E" report -q --digits 3 --ifeval-level instruction "$T/runs/base-ifeval.json"
like "$out" '50\.000 ± 2\.110' "--digits, --ifeval-level"
run_tool "$E" report -q --math-metric maj@4 "$T/runs/base-gsm8k.json"
like "$out" '90\.0 ± 1\.0' "--math-metric"
run_tool "$E" report -q <(math a h gsm8k 0.5 '.items=10|.missing=2')
like "$out" "50\.0 ± 2\.0‡ .*GSM8K of 'a': 10 items, the whole has 1319, 2 without an output" "a part of a math set is marked"
run_tool "$E" report -q --format csv "$T/runs"
is "$(head -n 1 "$T/out" | cut -d, -f1-4,10,11)" model,source,alpaca_lc,alpaca_lc_se,ifeval_strict,ifeval_strict_se "CSV: its head"
is "$(grep ^tuned "$T/out" | cut -d, -f1,2,10,11)" tuned,run,45,2.11 "CSV: a row"
is "$(awk -F, '{print NF}' "$T/out" | sort -u | wc -l)" 1 "CSV: as many fields in every row"
run_tool "$E" report -q --format json "$T/runs"
is "$(jq -c '[.text[0].figures.ifeval_strict.value,.text[0].runs.ifeval.answers.truncated,.math[0].figures.math_average.value,
    (.math[1].figures|keys),.notes[0].mark]' "$T/out")" '[40,12,50,["gsm8k"],"partial"]' "JSON"

# ---- names
run_tool "$E" report -q --format json "First=$T/runs/base-ifeval.json" "Second=$T/runs/tuned-ifeval.json"
is "$(jq -c '[.text[].model]' "$T/out")" '["First","Second"]' "LABEL=FILE"
run_tool "$E" report -q --format json --name base=A,tuned=B "$T/runs"
is "$(jq -c '[.text[].model]' "$T/out")" '["A","B"]' "--name"
ifeval x y 0.3 'del(.run)' >"$T/plain.summary.json"
run_tool "$E" report -q --format json "$T/plain.summary.json"
is "$(jq -c '.text[0].model' "$T/out")" '"plain"' "without a manifest the file's name"
cat "$T/runs/base-ifeval.json" "$T/runs/base-gsm8k.json" >"$T/lines"
run_tool "$E" report -q --format json - <"$T/lines"
is "$(jq -c '[.text[0].model,.math[0].runs.gsm8k.file]' "$T/out")" '["base","<stdin>, summary 2"]' "a summary a line on standard input"
cp "$T/runs/base-ifeval.json" "$T/a=b.json"
run_tool "$E" report -q --format json "$T/a=b.json"
is "$(jq -c '.text[0].model' "$T/out")" '"base"' "a file whose own name has ="
ifeval 'a|b
*c*' h 0.3 >"$T/odd.json"
run_tool "$E" report -q "$T/odd.json"
like "$out" '\| a\\\|b \\\*c\\\* \| - ' "a name cannot break the table"

# ---- summaries as the benchmarks write them
printf 'preference,len_1,len_2,model\n2,100,120,m\n1.2,80,90,m\n1,60,70,k\n1.5,60,70,k\n' >"$T/rows.csv"
"$E" alpaca-eval -q --rows "$T/rows.csv" --summary "$T/alpaca.json" >"$T/items"
printf '{"question_id":%d,"model_a":"%s","model_b":"gpt-4-0314","winner":"model_%s"}\n' 1 m a 2 m a 3 m b 1 k b 2 k a >"$T/battles"
"$E" arena-hard -q --battles "$T/battles" --summary "$T/arena.json" >"$T/items"
echo '{"key":1,"prompt":"No commas.","instruction_id_list":["punctuation:no_comma"],"kwargs":[{}]}' >"$T/data"
echo '{"key":1,"response":"None here."}' | "$E" ifeval -q --data "$T/data" --summary "$T/m.json" >"$T/items"
run_tool "$E" report -q --format json "$T/alpaca.json" "$T/arena.json" "$T/m.json"
exit_is 0 "what alpaca-eval, arena-hard and ifeval write"
is "$(jq -c '[.text[]|select(.model=="m").figures]|map([.alpaca_wr.value,.alpaca_lc.value,.ifeval_strict.value,.ifeval_strict.se,
    (.arena_wr.value|round)])[]' "$T/out")" '[60,null,100,null,67]' "their figures, LC without difficulties none"
is "$(jq -c '[.text[].model]' "$T/out")" '["m","k"]' "a row a model, none for the baseline"
is "$(jq -c '.arena_level' "$T/out")" 0.95 "the level of the interval"
bad 2 "holds 2 models and cannot be called 'x'" "one label for two models" "x=$T/arena.json"
echo '{"benchmark":"pairs","pairs":9,"model":"hash","metrics":{"reward_accuracy":{"mean":0.6,"se":0.02,"n":9},
    "accuracy":{"mean":0.5,"se":0.02,"n":9},"margin":{"mean":-0.25,"se":0.1,"n":9}}}' >"$T/p.json"
run_tool "$E" report -q --digits 2 "$T/p.json"
like "$out" '\| p \| 60\.00 ± 2\.00 \| 50\.00 ± 2\.00 \| -0\.25 ± 0\.10 \|' "pairs have a table, their margin is no share"

# ---- models that od-eval asks itself
for m in one two; do
    python3 tests/fixtures/make_tokenizer.py "$T/$m" 320 --template chatml >/dev/null
    python3 tests/fixtures/make_model.py "$T/$m" --vocab 320 --positions 64 --seed "$([ $m = one ] && echo 3 || echo 31)" >/dev/null
done
asked() { # MODEL SUMMARY OPTION...
    local model=$1 summary=$2
    shift 2
    "$E" ifeval -q --threads 1 --data "$T/data" --model "$T/$model" --summary "$summary" --max-tokens 8 "$@" >"$T/items"
}
mkdir "$T/asked"
asked one "$T/asked/1.json"
asked two "$T/asked/2.json"
run_tool "$E" report -q --format json "$T/asked"
is "$(jq -c '[.text[]|[.model,.runs.ifeval.preset,.runs.ifeval.answers.n,.runs.ifeval.answers.truncated]]' "$T/out")" \
    '[["one","official, changed: max_tokens",1,1],["two","official, changed: max_tokens",1,1]]' "two models asked alike"
like "$(jq -r '.notes[0].text' "$T/out")" "IFEval of 'one': 1 items, the whole has 541" "a part of the benchmark is said to be one"
run_tool "$E" report -q "$T/asked"
like "$out" '\| one \| 8 \(1 cut\) \|' "their tokens"
bad 3 "1.json.*preset 'official, changed: max_tokens', not 'paper'.*--as paper" "not with the paper's settings" --paper auto "$T/asked"
asked two "$T/warm.json" --temperature 0.7
bad 3 "1.json' and '.*warm.json' were not made alike: 'preset' is" "one of them asked otherwise" "$T/asked/1.json" "$T/warm.json"

# ---- the paper
run_tool "$E" report -q --paper auto --paper-model llama3-8b-base "$T/runs"
exit_is 0 "beside the paper"
like "$out" '\| Llama3-8B-Base, Omni-DPO \(paper\) \| 23\.8 \| 20\.5 ± 1\.43 \| 23\.9 \| 38\.1 \| 47\.9 \| 38\.49 \|' "figures as printed"
unlike "$out" 'Instruct|Qwen' "of one model only"
run_tool "$E" report -q --paper math "$T/runs/base-gsm8k.json"
like "$out" 'Qwen2\.5-Math-7B, Omni-DPO \(paper\) \| 88\.9 \|.* 56\.80 \|' "the math table"
like "$out" 'Baseline \(paper, quoted\) \| - \| 65\.4' "rows that the paper has from others are marked"
run_tool "$E" report -q --paper all --format json
is "$(jq -c '[(.text|length),(.math|length)]' "$T/out")" '[24,17]' "the paper alone"
ifeval o h3 0.4 '.run.preset="official"' >"$T/official.json"
bad 3 "official.json.*preset 'official', not 'paper'.*--as paper" "another preset beside the paper" --paper text "$T/official.json"
bad 3 "preset 'not known', not 'paper'" "an unknown preset beside the paper" --paper auto "$T/m.json"
bad 3 "preset 'official, changed: seed'" "a changed preset beside the paper" --paper auto \
    <(ifeval o h3 0.4 '.run.preset="official, changed: seed"')
run_tool "$E" report -q --paper text --mixed --paper-model Qwen2.5-7B "$T/official.json"
exit_is 0 "--mixed shows it all the same"
like "$err" "preset 'official', not 'paper'" "with a warning"
like "$out" '\| o \| .*40\.0 ± 2\.1† .*- † .*official.json' "a mark and a note"
run_tool "$E" report -q --paper math "$T/official.json"
exit_is 0 "the math table of the paper beside text runs of any preset"
bad 2 "no 'GPT-9'" "a model the paper has not" --paper all --paper-model GPT-9
bad 2 "needs '--paper'" "a model of no paper" --paper-model Qwen2.5-7B "$T/m.json"
bad 2 "over prompts, not over instructions" "the paper and instructions" --paper auto --ifeval-level instruction "$T/runs/base-ifeval.json"
bad 2 "pass@1, not maj@4" "the paper and another metric" --paper auto --math-metric maj@4 "$T/runs/base-gsm8k.json"
bad 2 "no figures of these" "the paper and pairs" --paper auto "$T/p.json"

# ---- not made alike
ifeval hot h3 0.4 '.run.temperature=0.6' >"$T/hot.json"
bad 3 "base-ifeval.json' and '.*hot.json' were not made alike: 'temperature' is 0 and 0.6; '--mixed'" "mixed settings" \
    "$T/runs/base-ifeval.json" "$T/hot.json"
run_tool "$E" report -q --mixed "$T/runs/base-ifeval.json" "$T/hot.json"
exit_is 0 "--mixed allows them"
like "$err" "'temperature' is 0 and 0.6" "with a warning"
like "$out" '\| hot \| .*40\.0 ± 2\.1\\\* .*- \\\* .*hot\.json' "a mark and a note"
bad 3 "not made alike: 'sentences' is \"punkt\" and \"unicode\"" "what a summary says beside its manifest" \
    "$T/runs/base-ifeval.json" <(ifeval u h3 0.4 '.sentences="unicode"')
bad 3 "not made alike: 'benchmark' is \"ifeval\" and not known" "a run without a manifest" "$T/runs/base-ifeval.json" "$T/plain.summary.json"
bad 3 "both IFEval of 'base'" "one result twice" "$T/runs/base-ifeval.json" "$T/runs"
cat "$T/lines" "$T/lines" >"$T/twice"
bad 3 "twice, summary 1' and '.*twice, summary 3' are both IFEval of 'base'" "one result twice in a file" "$T/twice"
math base h9 amc23 0.5 >"$T/other.json"
bad 3 "both called 'base' but are of two models, h1 and h9" "one name for two models" "$T/runs/base-ifeval.json" "$T/other.json"
run_tool "$E" report -q --mixed "$T/runs/base-ifeval.json" "$T/other.json"
exit_is 0 "--mixed allows that too"

# ---- bad input
bad 2 "no runs: name summaries" "nothing to read"
bad 3 "" "no JSON" <(echo hello)
bad 3 "field 'benchmark' is missing" "no benchmark" "$T/runs/comparison.json"
bad 3 "benchmark 'mmlu' has no column: there are" "an unknown benchmark" <(echo '{"benchmark":"mmlu"}')
bad 3 "dataset 'mine' has no column: there are gsm8k" "an unknown data set" <(math a h mine 0.5)
bad 3 "a summary without 'dataset' has no column" "a math summary without its set" <(math a h x 0.5 'del(.dataset,.run)')
bad 3 "none of the figures of arena-hard" "no figures" <(echo '{"benchmark":"arena-hard","models":{"m":{}}}')
bad 3 "no model beside the baseline" "only a baseline" <(echo '{"benchmark":"arena-hard","baseline":"b","models":{"b":{"score":50}}}')
bad 3 "field 'metrics' is missing" "no metrics" <(echo '{"benchmark":"ifeval"}')
bad 3 "no metric 'pass@9'" "an unknown metric" --math-metric pass@9 "$T/runs/base-gsm8k.json"
bad 3 "field 'mean' must be a number, not a string" "a figure that is none" <(ifeval a h 0.4 '.metrics.prompt_loose.mean="x"')
bad 3 "8000 per cent" "a share in per cent" <(math a h gsm8k 80)
bad 3 "field 'run' must be an object" "a manifest that is none" <(ifeval a h 0.4 '.run=[]')
bad 3 "empty' has no summary" "an empty directory" "$T/empty"
bad 1 "nothing" "no such file" "$T/nothing"
bad 1 "nothing" "no such file with a label" "x=$T/nothing"
bad 2 "a run is FILE or LABEL=FILE" "a label without a file" "x="
bad 2 "needs OLD=NEW, not 'x'" "a name for nothing" --name x "$T/m.json"
bad 2 "no result is called 'q'" "a name nobody has" --name q=r "$T/m.json"
bad 2 "to be called both 'r' and 's'" "two names for one" --name m=r,m=s "$T/m.json"
bad 2 "must end in .svg, .png or .gp" "a picture of no kind" --plot "$T/x.gif" "$T/m.json"
bad 2 "three columns.*--plot-kind bar" "a web of two axes" --plot "$T/x.gp" --plot-kind radar "$T/m.json"
echo '{' >"$T/empty/broken.json"
bad 3 "broken.json" "a file of a directory that is no JSON" "$T/empty"
run_tool "$E" report -q --format json <(ifeval a h 0.4 | sed 's/"mean":0.4,/"mean":NaN,/')
is "$(jq -c '.text[0].figures.ifeval_strict.value' "$T/out")" null "a bare NaN is a figure that is not there"

# ---- pictures
run_tool "$E" report -q --plot "$T/bars.gp" "$T/runs"
exit_is 0 "a script of bars"
ok "with whiskers" grep -q 'with vectors heads' "$T/bars.gp"
run_tool "$E" report -q --plot "$T/web.gp" --plot-kind radar --paper math "$T/runs"
ok "a script of a web, the paper's lines dashed" grep -q "dt 2 .* title 'Qwen2.5-Math-7B, DPO (paper)'" "$T/web.gp"
if command -v gnuplot >/dev/null; then
    run_tool "$E" report -q --plot "$T/web.svg" --plot-kind radar --paper all "$T/runs"
    exit_is 0 "a web"
    ok "as SVG" grep -q 'Olympiad Bench' "$T/web.svg"
    run_tool "$E" report -q --plot "$T/bars.png" "$T/runs"
    is "$(head -c 4 "$T/bars.png" | tail -c 3)" PNG "bars as PNG"
else
    skip 3 "gnuplot is not installed"
fi
done_testing
