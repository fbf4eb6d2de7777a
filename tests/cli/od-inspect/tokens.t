#!/usr/bin/env bash
# od-inspect tokens: ids by splicing, templates, the view for people, bad input.
. tests/cli/lib.sh

python3 tests/fixtures/make_tokenizer.py "$T/m" --template smollm2 > /dev/null || skip_all "no tokenizer fixture"
python3 tests/fixtures/make_tokenizer.py "$T/bare" --template none > /dev/null
tokens() { run_tool "$BIN/od-inspect" tokens --model "$T/m" "$@"; }

printf '%s\n' '{"x": 0.10, "text":"The answer", "big":12345678901234567890}' '{"text":"","ids":[9,9],"k":1}' > "$T/in"
tokens "$T/in"
exit_is 0 "texts"
like "$(sed -n 1p "$T/out")" '^\{"x": 0\.10, "text":"The answer", "big":12345678901234567890, ?"ids": ?\[[0-9,]+\]\}$' "the original bytes are kept"
is "$(sed -n 2p "$T/out")" '{"text":"","ids":[],"k":1}' "ids that were there are replaced in place"
echo '{"text":"a<|im_end|>b"}' > "$T/in"
tokens "$T/in"; with=$(jq -c .ids "$T/out")
tokens --no-special "$T/in"; without=$(jq -c .ids "$T/out")
like "$with" '^\[[0-9]+,2,[0-9]+\]$' "a special token is one id"
unlike "$without" ',2,' "--no-special makes it ordinary text"

echo '{"messages":[{"role":"user","content":"Hi"}]}' > "$T/in"
tokens "$T/in"
exit_is 0 "messages"
like "$(jq -r .rendered "$T/out")" 'named SmolLM.*<\|im_start\|>user'$'\n''Hi<\|im_end\|>' "they are rendered with the model's template"
unlike "$(jq -r .rendered "$T/out")" 'assistant'$'\n''*$' "no assistant header by default"
tokens --generation-prompt "$T/in"
like "$(jq -r .rendered "$T/out")" '<\|im_start\|>assistant'$'\n''*$' "--generation-prompt adds it"
tokens --chat-template chatml "$T/in"
is "$(jq -r .rendered "$T/out")" '<|im_start|>user'$'\n''Hi<|im_end|>' "another template"
first=$(jq -c .ids "$T/out")
jq -c '{text:.rendered}' "$T/out" > "$T/text"; tokens "$T/text"
is "$(jq -c .ids "$T/out")" "$first" "the rendering has the same ids as a text"

echo '{"id":"r1","text":"Blue sky\n\u00e4"}' > "$T/in"
tokens --table "$T/in"
exit_is 0 "table"
like "$out" "in:1 r1: [0-9]+ tokens, 11 bytes" "heading"
like "$out" '·sky|·s' "blanks are visible"
like "$out" '\\n' "newlines are visible"
like "$out" 'ä|\\xc3' "bytes are visible"
tokens --framed --json "$T/in"
is "$(head -1 "$T/out" | cut -c1-12),$(tail -1 "$T/out")" '{"od_stream",{"od_end":{"records":1}}' "framed"

bad() { # EXIT REGEX NAME LINE ARGUMENT...
	local code=$1 regex=$2 name=$3
	printf '%s\n' "$4" > "$T/in"
	shift 4
	tokens "$@" "$T/in"
	exit_is "$code" "$name"
	like "$err" "^od-inspect: .*$regex" "$name: the reason"
	one_line "$err" "$name: one line"
}
bad 3 "in:1: .*field 'text' or 'messages' is missing" "neither" '{"id":"z","x":1}'
bad 3 "field 'text' must be a string, not" "a text that is none" '{"text":5}'
bad 3 "field 'messages' must be a list" "messages that are none" '{"messages":{}}'
bad 3 "at least one message" "no messages" '{"messages":[]}'
bad 3 "message 0: field 'content' is missing" "a message without content" '{"messages":[{"role":"user"}]}'
bad 3 "'messages.1' must be an object" "a message that is none" '{"messages":[{"role":"user","content":"x"},7]}'
bad 2 "unknown|not one of|not known" "an unknown template" '{"text":"x"}' --chat-template nonsense
printf '%s\n' '{"text":5}' '{"text":"x"}' > "$T/in"
tokens --skip-bad "$T/in"
exit_is 4 "--skip-bad"
is "$(wc -l < "$T/out")" 1 "the good record is there"
run_tool "$BIN/od-inspect" tokens "$T/in"
exit_is 2 "no --model"
run_tool "$BIN/od-inspect" tokens --model "$T" "$T/in"
like "$rc" '^[13]$' "a directory without a tokenizer"
like "$err" "tokenizer.json" "it names the file"
echo '{"messages":[{"role":"user","content":"Hi"}]}' > "$T/in"
run_tool "$BIN/od-inspect" tokens --model "$T/bare" "$T/in"
exit_is 1 "no template"
like "$err" "chat-template" "it names the option"
done_testing
