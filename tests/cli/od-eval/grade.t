#!/usr/bin/env bash
# od-eval grade: answers extracted and judged, bytes of others kept, summary, comparison, bad input.
. tests/cli/lib.sh

E="$BIN/od-eval"
cat > "$T/in" <<'END'
{"id":"a","text":"So \\boxed{\\frac{1}{2}}.","gt":"0.5","x":0.10}
{"id":"b","text":"The answer is 4200 cm","gt":"42"}
{"id":"c","text":"\\boxed{Area = 26}","gt":"26"}
{"id":"d","text":"","gt":"1"}
{"id":"e","text":"\\boxed{5 cm}","gt":"5cm","dataset":"minerva_math"}
END
run_tool "$E" grade "$T/in"
exit_is 0 "grades"
is "$(head -1 "$T/out")" '{"id":"a","text":"So \\boxed{\\frac{1}{2}}.","gt":"0.5","x":0.10,"pred":"\\frac{1}{2}","verdict":true}' "pred and verdict are spliced in"
is "$(jq -r .verdict "$T/out" | tr '\n' ' ')" "true true false false true " "verdicts"
is "$(jq -r .pred "$T/out" | tr '\n' '|')" '\frac{1}{2}|4200|Area=26||5cm|' "answers"
like "$err" $'3 of 5 answers correct, grader qwen\n.*accuracy +0\\.6' "a summary on standard error"
cp "$T/out" "$T/qwen"
run_tool "$E" grade --grader unidpo --summary - --items "$T/unidpo" "$T/in"
is "$(jq -c '[.benchmark,.grader,.answers,.correct,.metrics.verdict.mean,(.metrics.verdict.se*1000|round)]' "$T/out")" \
	'["grade","unidpo",5,4,0.8,200]' "--grader unidpo, --summary -"
run_tool "$E" grade --compare "$T/qwen,$T/unidpo" --summary "$T/cmp"
exit_is 0 "--compare"
is "$(jq -c '.compare.metrics.verdict|[.up,.down,.same]' "$T/cmp")" '[1,0,4]' "one went up"
run_tool "$E" grade --compare "$T/qwen,$T/unidpo" "$T/in"
exit_is 2 "--compare reads nothing else"
run_tool "$E" grade -q --no-symbolic "$T/in"
is "$(jq -r .verdict "$T/out" | head -1)" "false" "--no-symbolic"
is "$err" "" "--quiet"
run_tool "$E" grade -q --prepare --dataset gsm8k --text-field r.t --gt-field answer <<< '{"r":{"t":"It is 18."},"answer":"6*3=<<6*3=18>>18\n#### 18"}'
is "$(jq -c '[.pred,.verdict,.reference]' "$T/out")" '["18",true,"18"]' "--prepare, --dataset, --text-field, --gt-field"

# bad NAME RECORD REGEX OPTION...
bad() {
	local name=$1 record=$2 regex=$3
	shift 3
	{ sed -n 1p "$T/in"; printf '%s\n' "$record"; sed -n 2p "$T/in"; } > "$T/bad.jsonl"
	run_tool "$E" grade -q "$@" "$T/bad.jsonl"
	exit_is 3 "$name: exit 3"
	like "$err" "^od-eval: .*bad\.jsonl:2: .*$regex" "$name: $regex"
	run_tool "$E" grade -q --skip-bad "$@" "$T/bad.jsonl"
	exit_is 4 "$name: exit 4 under --skip-bad"
	is "$(wc -l < "$T/out")" 2 "$name: the others pass"
}
bad "no text" '{"gt":"1"}' "'text' is missing"
bad "no reference" '{"id":"r","text":"1"}' "'r'.*'gt' is missing"
bad "a reference that is a number" '{"text":"1","gt":1}' "'gt' must be a string, not a number"
bad "an unknown dataset" '{"text":"1","gt":"1","dataset":"gsm"}' "field 'dataset': dataset 'gsm' is not known: use one of math, .*gsm8k"
bad "invalid UTF-8" $'{"text":"\xff","gt":"1"}' ""
run_tool "$E" grade --dataset gsm "$T/in"
exit_is 2 "--dataset of no name"
like "$err" "use one of math" "says which there are"
run_tool "$E" grade --grader qwen3 "$T/in"
exit_is 2 "--grader of no name"
run_tool "$E" grade < /dev/null
exit_is 3 "no record"

# Hostile answers: a megabyte, deep brackets, broken LaTeX. Each is judged, at once.
python3 - > "$T/hostile" <<'END'
import json
for text in ("\\boxed{" + "(" * 500000, "\\boxed{" + "\\sqrt{" * 150000 + "1", "word " * 200000, "\\boxed{\\frac{1}{}\\right", "\\boxed{" + "1," * 500000 + "}",
             "\\text{" * 100000, "9" * 1000000):
    print(json.dumps({"text": text, "gt": "x+1"}))
END
run_tool timeout 60 "$E" grade -q "$T/hostile"
exit_is 0 "hostile answers"
is "$(jq -r .verdict "$T/out" | sort | uniq -c | tr -s ' ')" " 7 false" "are wrong answers"
done_testing
