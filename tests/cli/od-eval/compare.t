#!/usr/bin/env bash
# od-eval compare: counts, cases in each form, texts from other files, what models say cannot do, refusals.
. tests/cli/lib.sh

E=$BIN/od-eval
bad() { # CODE REGEX NAME ARG...
    local code=$1 regex=$2 name=$3
    shift 3
    run_tool "$E" compare -q "$@"
    exit_is "$code" "$name"
    like "$err" "$regex" "$name: says so"
    is "$out" "" "$name: nothing on stdout"
}

# ---- IFEval, through the benchmark itself ---------------------------------------------------------------------------
cat >"$T/data" <<'EOF'
{"key":1,"prompt":"No commas, quoted.","instruction_id_list":["punctuation:no_comma","startend:quotation"],"kwargs":[{},{}]}
{"key":2,"prompt":"A title.","instruction_id_list":["detectable_format:title"],"kwargs":[{"num_words":null}]}
{"key":10,"prompt":"No commas.","instruction_id_list":["punctuation:no_comma"],"kwargs":[{}]}
EOF
printf '%s\n' '{"key":1,"responses":[{"text":"Sure, fine"}]}' '{"key":2,"response":"<<It>>"}' '{"key":10,"response":"Yes"}' >"$T/out-a"
printf '%s\n' '{"key":1,"responses":[{"text":"\"Sure\"","tokens":3,"finish_reason":"stop"}]}' '{"key":2,"response":"It"}' \
    '{"key":10,"response":"No"}' >"$T/out-b"
for m in a b; do "$E" ifeval -q --data "$T/data" "$T/out-$m" >"$T/$m.jsonl"; done
texts=(--outputs-a "$T/out-a" --outputs-b "$T/out-b" --data "$T/data")

run_tool "$E" compare "${texts[@]}" "$T/a.jsonl" "$T/b.jsonl"
exit_is 0 "two files of items are compared"
like "$out" "prompt_strict \(by default" "the benchmark's main verdict"
like "$out" "3 in both, 0 only in A, 0 only in B" "the items"
like "$out" "1 both right, 0 both wrong, 1 gained by B, 1 lost" "the four cells"
like "$out" "p 1 \(McNemar's, exact\)" "the test"
like "$out" "strict punctuation:no_comma: no -> yes" "the instruction that flipped"
like "$out" "No commas, quoted" "the prompt"
like "$out" 'B b: right, 3 tokens, stop' "what is known of a response"
like "$out" 'Sure, fine' "a response"
unlike "$out" 'Yes' "a case that did not flip is not shown"
is "$(awk '{ n = length > n ? length : n } END { print n }' "$T/out")" 80 "80 columns where there is no terminal"

run_tool "$E" compare -q --json "${texts[@]}" "$T/a.jsonl" "$T/b.jsonl"
is "$(jq -c '[.id,.change,.prompt,.a.verdict,.b.verdict,.a.response,.b.tokens]' "$T/out")" \
    '["1","gained","No commas, quoted.",0,1,"Sure, fine",3]
["2","lost","A title.",1,0,"<<It>>",null]' "--json"
is "$(jq -c '[.differs[]|select(.member=="strict")]' "$T/out" | head -n 1)" \
    '[{"member":"strict","of":"punctuation:no_comma","a":false,"b":true},{"member":"strict","of":"startend:quotation","a":false,"b":true}]' \
    "--json: instructions"
is "$err" "" "-q: nothing else"
for pair in flips:1,2 gained:1 lost:2 same:10 all:1,2,10; do
    run_tool "$E" compare -q --json --show "${pair%:*}" --sort id "${texts[@]}" "$T/a.jsonl" "$T/b.jsonl"
    is "$(jq -r .id "$T/out" | paste -sd,)" "${pair#*:}" "--show ${pair%:*}"
done
run_tool "$E" compare -q --json --show all --limit 1 "${texts[@]}" "$T/a.jsonl" "$T/b.jsonl"
is "$(wc -l <"$T/out")" 1 "--limit"
run_tool "$E" compare --json --framed "$T/a.jsonl" "$T/b.jsonl"
like "$err" "1 gained by B" "the head goes to standard error when programs read"
is "$(jq -c '[keys[0],.prompt]' "$T/out" | paste -sd' ')" '["od_stream",null] ["a",null] ["a",null] ["od_end",null]' "--framed; no texts, no prompts"
run_tool "$E" compare -q --summary - --metric share_loose "$T/a.jsonl" "$T/b.jsonl"
is "$(jq -c '[.metric,.items,.gained,.lost,.same,.unknown,.both_right]' "$T/out")" '["share_loose",3,1,1,1,0,1]' "--summary, another verdict"

# ---- values, other files' names -----------------------------------------------------------------------------------------
paste -d' ' <(printf '{"id":"q%s","score":2}\n' 1 2 3) >"$T/s1.jsonl"
printf '{"id":"q%s","score":%s}\n' 1 2.5 2 1 3 5 >"$T/s2.jsonl"
run_tool "$E" compare -q --json "$T/s1.jsonl" "$T/s2.jsonl"
is "$(jq -r .id "$T/out" | paste -sd,)" q3,q2,q1 "the largest difference first"
run_tool "$E" compare "$T/s1.jsonl" "$T/s2.jsonl"
like "$out" "2 higher in B, 1 lower, 0 the same" "values are higher or lower"
like "$out" "interval \[-1, 3\].*p 0.75 \(sign flips\)" "an interval and a test"

# ---- what models say is text, whatever it is -------------------------------------------------------------------------------
evil='\u001b[2J<script>alert(1)</script>&amp; \"q\" '"'"'x'"'"' ```` \u009b \u202e \u0007 \r end'
printf '{"id":"<b>","verdict":false,"prompt":"%s","response":"%s","finish_reason":"\\u001b]0;x"}\n' "$evil" "$evil" >"$T/e1.jsonl"
printf '{"id":"<b>","verdict":true,"prompt":"%s","response":"漢字漢字漢字 e\\u0301 finis","pred":"\\u001b"}\n' "$evil" >"$T/e2.jsonl"
for form in '' --markdown '--html -' '--width 120'; do
    # shellcheck disable=SC2086
    run_tool "$E" compare -q $form "$T/e1.jsonl" "$T/e2.jsonl"
    exit_is 0 "${form:-text}: odd texts"
    is "$(LC_ALL=C tr -d '\n\040-\377' <"$T/out" | wc -c)" 0 "${form:-text}: no control character"
    is "$(LC_ALL=C grep -cP '\xc2[\x80-\x9f]|\xe2\x80\xae' "$T/out")" 0 "${form:-text}: no C1 control, no override of direction"
    like "$out" '\\x1b\[2J' "${form:-text}: escapes are shown"
done
run_tool "$E" compare -q --html "$T/page.html" "$T/e1.jsonl" "$T/e2.jsonl"
exit_is 0 "--html FILE"
is "$out" "" "--html: nothing on stdout"
page=$(cat "$T/page.html")
unlike "$page" '<script|<b>' "--html: tags of texts are none"
like "$page" '&lt;script&gt;alert\(1\)&lt;/script&gt;&amp;amp; &quot;q&quot; &#39;x&#39;' "--html: escaped"
like "$page" "default-src 'none'.*prefers-color-scheme" "--html: loads nothing; dark and light"
python3 - "$T/page.html" <<'EOF'
import html.parser, sys
class P(html.parser.HTMLParser):
    stack, text = [], []
    def handle_starttag(self, tag, attrs):
        assert tag in 'html head meta title style body h1 h2 h3 table tr th td section pre div span'.split(), tag
        if tag != 'meta': self.stack.append(tag)
    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, tag
    def handle_data(self, data): self.text.append(data)
p = P(); p.feed(open(sys.argv[1], encoding='utf-8').read()); p.close()
assert not p.stack, p.stack
assert '<script>alert(1)</script>&amp; "q" \'x\'' in ''.join(p.text)
EOF
is $? 0 "--html: tags match, and the text is what was said"
run_tool "$E" compare -q --markdown "$T/e1.jsonl" "$T/e2.jsonl"
is "$(grep -c '^`````' "$T/out")" 4 "--markdown: fences longer than a text's backticks"
run_tool "$E" compare -q --width 20 "$T/e1.jsonl" "$T/e2.jsonl"
like "$out" "  漢字漢字漢字 "[^x]+$'\n'"  finis" "--width, and wide characters"
run_tool "$E" compare -q --width 100 --layout below "$T/e1.jsonl" "$T/e2.jsonl"
unlike "$out" " \|" "--layout below"
run_tool "$E" compare -q --layout beside "$T/e1.jsonl" "$T/e2.jsonl"
like "$out" " \| 漢字" "--layout beside"
run_tool "$E" compare -q --width 20 --lines 4 "$T/e1.jsonl" "$T/e2.jsonl"
like "$out" "\[1 more line\]" "--lines"

# ---- refusals -------------------------------------------------------------------------------------------------------------------
bad 2 "two files of items" "one file" "$T/a.jsonl"
bad 2 "contradict" "two forms" --json --markdown "$T/a.jsonl" "$T/b.jsonl"
bad 2 "one thing only" "two things on stdout" --json --summary - "$T/a.jsonl" "$T/b.jsonl"
bad 2 "at least 20" "a narrow width" --width 5 "$T/a.jsonl" "$T/b.jsonl"
bad 2 "read once" "stdin twice" - -
sed 's/,"run":.*/}/' "$T/a.jsonl" >"$T/unknown.jsonl"
bad 3 "no item in common" "no common item" "$T/unknown.jsonl" "$T/s1.jsonl"
bad 3 "'benchmark' is \"ifeval\" and not known" "two benchmarks" "$T/a.jsonl" "$T/s1.jsonl"
bad 3 "no verdict in common; are they of one benchmark" "two benchmarks that do not say so" <(sed 's/"q1"/"1"/' "$T/s1.jsonl") "$T/unknown.jsonl"
bad 3 "has a number 'x'" "no such verdict" --metric x "$T/a.jsonl" "$T/b.jsonl"
bad 3 ":4: a second item with id '1', the first is in line 1" "an id twice" <(cat "$T/a.jsonl" "$T/a.jsonl") "$T/b.jsonl"
bad 3 "no item has a verdict" "a file without verdicts" <(echo '{"id":"1"}') "$T/b.jsonl"
bad 3 "another prompt" "prompts that differ" <(sed 's/"prompt":"/&X/' "$T/e1.jsonl") "$T/e2.jsonl"
head -n 1 "$T/out-a" | cat "$T/out-a" - >"$T/out-x"
bad 3 "out-x: record 3 has the name of record 0: '1'" "outputs twice" --outputs-a "$T/out-x" "$T/a.jsonl" "$T/b.jsonl"
bad 3 "neither a name .* nor a prompt" "outputs of nothing" --outputs-b <(echo '{"text":"x"}') "$T/a.jsonl" "$T/b.jsonl"
bad 1 "nowhere" "no such file" "$T/a.jsonl" "$T/nowhere"

made() { # TEMPERATURE NAME
    printf '{"id":"1","score":%s,"run":{"benchmark":"sedareval","temperature":%s,"name":"%s"}}\n' "$1" "$1" "$2"
}
made 0 first >"$T/m1.jsonl"
made 1 second >"$T/m2.jsonl"
bad 3 "temperature.*--mixed" "runs that were not made alike" "$T/m1.jsonl" "$T/m2.jsonl"
run_tool "$E" compare --mixed "$T/m1.jsonl" "$T/m2.jsonl"
exit_is 0 "--mixed"
like "$err" "temperature" "--mixed warns"
like "$out" "A +first.*B +second.*benchmark +sedareval" "the manifest names models and benchmark"
run_tool "$E" compare -q --mixed --json <(sed 's/"prompt":"/&X/' "$T/e1.jsonl") "$T/e2.jsonl"
exit_is 0 "--mixed: prompts may differ"
done_testing
