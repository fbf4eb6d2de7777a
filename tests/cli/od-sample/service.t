#!/usr/bin/env bash
# Responses asked of a service (tests/fixtures/fault_server.py): one request each, in order, nothing twice, nothing lost.
. tests/cli/lib.sh
command -v python3 >/dev/null || skip_all "python3 is not installed"

export OPENAI_API_KEY=sk-secret-0123456789abcdef
servers=()
trap 'kill "${servers[@]}" 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT

serve() { # NAME [OPTION...]
	local name=$1
	shift
	: > "$T/$name.log"
	python3 tests/fixtures/fault_server.py "$T/$name.port" "$T/$name.log" "$@" 2> "$T/$name.err" &
	servers+=($!)
	for _ in $(seq 200); do [ -s "$T/$name.port" ] && break; sleep 0.05; done
	url=http://127.0.0.1:$(cat "$T/$name.port")/v1
}
sample() { "$BIN/od-sample" --model-url "$url" --model m --connect-timeout 2 --retries 3 "$@"; }

serve well --delay 0.01
jq -nc 'range(20) | {id: "q\(.)", prompt: "p\(.) say:this is \(.)"}' > "$T/in"
run_tool sample -k 3 --max-tokens 50 --top-p 0.9 --top-k 7 --system be --stop "a,b" --seed 3 "$T/in"
exit_is 0 "a service that is well"
is "$(jq -sc 'map([.id, .responses[].text])' "$T/out")" "$(jq -nc '[range(20) | ["q\(.)", ("this is \(.)" | ., ., .)]]')" "all responses, in order"
is "$(jq -c '.responses[] | [.tokens, .finish_reason]' "$T/out" | sort -u)" '[7,"stop"]' "with tokens and end"
is "$(wc -l < "$T/well.log")" 60 "one request a response"
is "$(jq -s 'map(.body.seed) | unique | length' "$T/well.log")" 60 "each with a seed of its own"
is "$(jq -c '.body | [.model, .max_tokens, .top_p, .top_k, .stop, .messages[0]]' "$T/well.log" | sort -u)" \
    '["m",50,0.9,7,["a","b"],{"role":"system","content":"be"}]' "and with what was asked for"
is "$(jq -c '.sample | [.format, .model, .url, .seed]' "$T/out" | sort -u)" "[\"chat\",\"m\",\"$url/chat/completions\",3]" "the sample block says where"
like "$err" '20 prompts, 60 responses of 7.0 tokens' "a note sums it up"
unlike "$out$err" "$OPENAI_API_KEY" "the key is in no output"

seeds() { jq -c '[.body.messages[-1].content, .body.seed]' "$T/well.log" | tail -n "$1" | sort; }
first=$(seeds 60)
run_tool sample -k 3 --max-tokens 50 --top-p 0.9 --top-k 7 --system be --stop "a,b" --seed 3 --parallel 1 <(tac "$T/in")
is "$(seeds 60)" "$first" "another order asks the same"

# The cache: what was answered is not asked again.
run_tool sample --cache "$T/cache" -n 7 "$T/in"
before=$(wc -l < "$T/well.log")
run_tool sample --cache "$T/cache" "$T/in"
exit_is 0 "a rerun with a cache"
is "$(($(wc -l < "$T/well.log") - before))" 13 "asks for what is missing"
is "$(jq -s length "$T/out")" 20 "and writes everything"

# Raw prompts go to BASE/completions.
run_tool sample --format raw <<< '{"prompt":"say:raw"}'
is "$(jq -r '.responses[0].text' "$T/out")" raw "a raw prompt"
is "$(tail -n 1 "$T/well.log" | jq -c '[.path, .body.prompt]')" '["/v1/completions","say:raw"]' "goes to completions"

# What fails.
jq -nc '{id: "a", prompt: "once:500 say:one"}, {id: "b", prompt: "fault:context"}, {id: "c", prompt: "say:three"}' > "$T/faults"
run_tool sample "$T/faults"
exit_is 3 "a prompt the service refuses: exit 3"
like "$err" "faults:2: record 'b': " "the record is named"
run_tool sample --skip-bad "$T/faults"
exit_is 4 "--skip-bad: exit 4"
is "$(jq -c '[.id, .responses[0].text]' "$T/out" | tr -d '\n')" '["a","one"]["c","three"]' "the others come out, retried where that helps"
run_tool sample <<< '{"prompt":[{"role":"user"}]}'
unlike "$rc" '^0$' "a message without content is refused"
serve down --down
run_tool sample --retries 1 "$T/in"
exit_is 5 "a service that stays down: exit 5"
like "$err" 'od-sample: service .* failed: HTTP status 503' "says which and why"

run_tool "$BIN/od-sample" --model-url "$url" < "$T/in"
exit_is 2 "no model's name"
run_tool sample --ids "$T/in"
exit_is 2 "ids of a service"
done_testing
