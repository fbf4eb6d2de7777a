#!/usr/bin/env bash
# od-score judge against a service that misbehaves (tests/fixtures/fault_server.py): nothing is lost, nothing is asked twice, order is
# kept, a service that stays down is exit 5, a run that was killed goes on from its cache, and the key appears nowhere.
. tests/cli/lib.sh
command -v python3 >/dev/null || skip_all "python3 is not installed"

key=sk-secret-0123456789abcdef
export OPENAI_API_KEY=$key
servers=()
trap 'kill "${servers[@]}" 2> /dev/null; wait 2> /dev/null; rm -rf "$T"' EXIT

# serve NAME [OPTION...]: starts a server; its address is $url, its log $T/NAME.log.
serve() {
	local name=$1
	shift
	: > "$T/$name.log"
	rm -f "$T/$name.port"
	python3 tests/fixtures/fault_server.py "$T/$name.port" "$T/$name.log" "$@" 2> "$T/$name.err" &
	servers+=($!)
	for _ in $(seq 200); do [ -s "$T/$name.port" ] && break; sleep 0.05; done
	url=http://127.0.0.1:$(cat "$T/$name.port")/v1
}

# judge [OPTION...]: with short patience; the key's variable is the default one.
judge() {
	"$BIN/od-score" judge --url "$url" --model m --rubric "$T/rubric" "$@"
}

exec_judge() { exec "$BIN/od-score" judge --url "$url" --model m --rubric "$T/rubric" "$@"; }        # for one to be killed

asked() { wc -l < "$T/$1.log" | tr -d ' '; }
texts() { jq -r '.body.messages[-1].content' "$T/$1.log"; }
scores() { jq -c '[.responses[].score]' | tr -d '\n'; }

cat > "$T/rubric" <<'END'
score: Score: ([-0-9.]+)
range: 1 10
%user
{instruction} {response}
END
set_of() { # N RECORDS of two responses each, ids and texts that differ
	jq -nc --argjson n "$1" 'range($n) | {id: "q\(.)", prompt: "p\(.)", responses: [{text: "worth:\(. % 10 + 1)"}, {text: "other worth:\(. % 7 + 1)"}]}'
}
wanted() { jq -nc --argjson n "$1" '[range($n) | [. % 10 + 1, . % 7 + 1]]'; }

# ---- all is well ----
serve well --delay 0.02
set_of 40 > "$T/in"
run_tool judge --parallel 16 --price-in 1000000 --price-out 0 "$T/in"
exit_is 0 "a service that is well"
is "$(jq -sc 'map([.responses[].score])' <<< "$out")" "$(wanted 40)" "all responses have their scores, in order"
is "$(jq -sc 'map(.id)' <<< "$out")" "$(jq -sc 'map(.id)' "$T/in")" "records come in the order they went in"
is "$(asked well)" 80 "one request a response"
is "$(jq -s 'map(.inflight) | max' "$T/well.log")" 16 "16 at once"
is "$(jq -rs 'map(.auth) | unique[]' "$T/well.log")" "Bearer $key" "the key is sent"
like "$err" '80 requests; 200 \+ 560 tokens, cost 200\.0000' "the summary counts requests, tokens and cost"
is "$(jq -c '.score | [.expert, .model, .range, .temperature]' <<< "$out" | sort -u)" '["judge","m",[1,10],0]' "the score block says how"
unlike "$out$err$(cat "$T/well.err")" "$key" "the key is in no output"

# ---- everything that passes ----
serve faults
jq -nc '"429", "429date", "500", "503", "half", "cut", "reset", "garbage", "nojson", "empty", "slow", "error200", "weird" |
	{id: ., prompt: "once:\(.)", responses: [{text: "worth:3"}, {text: "worth:4"}]}' > "$T/in"
start=$(date +%s%N)
run_tool judge --parallel 4 "$T/in"
took=$(((($(date +%s%N) - start)) / 1000000))
exit_is 0 "faults that pass once are survived"
is "$(jq -sc 'map(.responses | map(.score) == [3,4]) | all and length == 13' <<< "$out")" true "every response has its score"
is "$(jq -sc 'map(.id)' <<< "$out")" "$(jq -sc 'map(.id)' "$T/in")" "order is kept"
is "$(asked faults)" $((13 * 2 * 2 - 2)) "each is asked once more, what was only slow is not"
like "$err" '26 requests, 2[2-4] retried' "and counted (libcurl makes a reset on a kept connection good by itself)"
ok "Retry-After is honoured: $took ms" test "$took" -ge 1900
unlike "$out$err" "$key" "the key is in no output"

# ---- hanging ----
: > "$T/faults.log"
jq -nc '{id: "h", prompt: "once:hang", responses: [{text: "worth:6"}, {text: "fine worth:7"}]}' > "$T/in"
run_tool judge --timeout 1 "$T/in"
exit_is 0 "a request that hangs is given up and made again"
is "$(jq -c '[.responses[].score]' <<< "$out")" '[6,7]' "its answer is in its place"
run_tool judge --timeout 0.5 --retries 1 < <(jq -nc '{prompt: "fault:hang", responses: [{text: "x"}]}')
exit_is 5 "a service that hangs for ever is exit 5"
like "$err" "^od-score: service 'http://127.0.0.1:[0-9]+/v1/chat/completions' failed: .*timed out.* \(2 tries\)" "with a reason"

# ---- staying down ----
serve down --down
set_of 3 > "$T/in"
run_tool judge --retries 1 --parallel 2 "$T/in"
exit_is 5 "a service that stays down is exit 5"
one_line "$err" "in one line"
like "$err" "failed: HTTP status 503: overloaded \(2 tries\)" "with status and the server's words"
ok "it is not flooded: $(asked down) requests" test "$(asked down)" -le 5
url=http://127.0.0.1:1/v1
run_tool judge --retries 0 "$T/in"
exit_is 5 "nobody there is exit 5"
like "$err" "service 'http://127.0.0.1:1/v1/chat/completions' failed: .*[Cc]onnect" "and says so"
url=http://nobody:pass-word@127.0.0.1:1/v1
run_tool judge --retries 0 "$T/in"
exit_is 5 "so it is with credentials in the address"
unlike "$out$err" 'pass-word' "which are not shown"

# ---- refusals ----
url=http://127.0.0.1:$(cat "$T/faults.port")/v1
run_tool judge < <(jq -nc '{prompt: "fault:401", responses: [{text: "x"}]}')
exit_is 5 "a wrong key is exit 5, at once"
like "$err" 'HTTP status 401: Incorrect API key provided: \*+!' "a key the server repeats is not shown"
unlike "$out$err" "$key" "the key is in no output"
run_tool judge < <(jq -nc '{prompt: "fault:echo", responses: [{text: "x"}]}')
exit_is 0 "nor one it repeats in an answer"
run_tool judge < <(jq -nc '{prompt: "fault:404", responses: [{text: "x"}]}')
exit_is 5 "an unknown model is exit 5"
run_tool judge --unscored keep < <(jq -nc '{id: "long", prompt: "fault:context", responses: [{text: "x"}]}, {prompt: "q", responses: [{text: "worth:2"}]}')
exit_is 0 "a request that is too long is its response's trouble"
is "$(jq -sc 'map(.responses[0].score)' <<< "$out")" '[null,2]' "it has no score, others have theirs"
like "$err" 'maximum context length' "and a warning says why"
run_tool judge < <(jq -nc '{id: "long", prompt: "fault:filter", responses: [{text: "x"}]}')
exit_is 3 "without --unscored keep its record is a bad one"

# ---- answers of no use ----
: > "$T/faults.log"
jq -nc '{id: "a", prompt: "say:no idea", responses: [{text: ""}]}, {id: "b", prompt: "say:Score: 99", responses: [{text: ""}]},
	{id: "c", prompt: "fault:null", responses: [{text: "c"}]}, {id: "d", prompt: "fault:length", responses: [{text: "d"}]},
	{id: "e", prompt: "worth:4", responses: [{text: "e"}]}, {id: "f", prompt: "once:null", responses: [{text: "worth:9"}]}' > "$T/in"
run_tool judge --attempts 2 --unscored keep --cache "$T/cache-bad" --judge-seed 7 "$T/in"
exit_is 0 "answers of no use are counted"
is "$(jq -sc 'map(.responses[0].score)' <<< "$out")" '[null,null,null,null,4,9]' "and leave no score"
is "$(asked faults)" 11 "each was asked for twice"
is "$(jq -sc 'map(select(.body.messages[0].content | test("no idea")).body.seed)' "$T/faults.log")" '[7,8]' "the second time with another seed"
like "$err" '5 asked again, 4 without a usable answer' "the summary says so"
like "$err" "4 responses without a score, the first: .*/in:1: responses\.0: .*does not match" "a warning names the first"
run_tool judge --attempts 2 --unscored keep --cache "$T/cache-bad" --judge-seed 7 "$T/in"
is "$(asked faults)" 19 "made again, only they are asked again"
is "$(jq -sc 'map(.responses[0].score)' <<< "$out")" '[null,null,null,null,4,9]' "with the same scores"
run_tool judge --attempts 1 "$T/in"
exit_is 3 "without --unscored keep the first is a bad record"
like "$err" "record 'a'.*the judge's answer does not match 'Score" "which says what is wrong"
run_tool judge --attempts 1 --skip-bad "$T/in"
exit_is 4 "--skip-bad leaves them out"

# ---- the cache ----
serve kill --delay 0.05
set_of 60 > "$T/in"
for try in 1 2 3; do
	exec_judge --cache "$T/cache" --parallel 4 --window 8 "$T/in" > "$T/part" 2>> "$T/part.err" &
	pid=$!
	before=$(asked kill)
	for _ in $(seq 400); do [ "$(asked kill)" -ge $((before + 20)) ] && break; sleep 0.02; done
	kill -9 $pid
	{ wait $pid; } 2> /dev/null
done
lines=$(wc -l < "$T/cache/answers.jsonl")
ok "killed three times, $lines answers are kept" test "$lines" -ge 40
run_tool judge --cache "$T/cache" --parallel 4 "$T/in"
exit_is 0 "the run completes"
is "$(jq -sc 'map([.responses[].score])' <<< "$out")" "$(wanted 60)" "with all scores"
# What was in flight when it was killed, 4 at most each time, could not be kept.
ok "asked $(asked kill) times for 120: nothing that was answered" test "$(asked kill)" -le 132
cp "$T/out" "$T/first"
: > "$T/kill.log"
run_tool judge --cache "$T/cache" "$T/in"
is "$(asked kill)" 0 "made again it asks nothing"
ok "and writes the same" cmp -s "$T/out" "$T/first"
like "$err" '0 requests, 120 from the cache; 0 \+ 0 tokens' "and says where it has it from"
run_tool judge --cache "$T/cache" --temperature 0.5 -n 1 "$T/in"
is "$(asked kill)" 2 "other settings are other questions"
ok "the key is not in the cache" test -z "$(grep -rl "$key" "$T/cache" "$T/cache-bad")"
{ printf '{"key":"12'; } >> "$T/cache/answers.jsonl"
run_tool judge --cache "$T/cache" "$T/in"
exit_is 0 "a torn line at the cache's end is no trouble"
: > "$T/kill.log"
for i in 1 2 3; do judge -q --cache "$T/cache-many" --shard "$((i - 1))/3" "$T/in" > "$T/shard$i" & shards[i]=$!; done
for i in 1 2 3; do wait "${shards[$i]}" || echo "shard $i failed" >> "$T/shard-errors"; done
ok "three runs share a cache" test ! -e "$T/shard-errors"
run_tool judge --cache "$T/cache-many" "$T/in"
is "$(asked kill) $(cat "$T/shard1" "$T/shard2" "$T/shard3" | wc -l)" "120 60" "and what they asked is asked no more"
ok "one run or three give the same" cmp -s "$T/out" "$T/first"
run_tool judge < <(jq -nc '{prompt: "p", responses: [{text: "worth:2"}, {text: "worth:2"}, {text: "worth:2"}]}')
is "$(jq -c '[.responses[].score]' <<< "$out") $(asked kill)" '[2,2,2] 121' "equal questions are asked once"

# ---- aspects and pairs ----
serve form
cat > "$T/rubric" <<'END'
score: Score: ([-0-9./NA]+)
range: 1 5
skip: N/A
%aspect truth
%user
{instruction} {response} worth:2
%aspect "help"
%system
{answer}
%user
{response} worth:5
%aspect none
%user
say:Score: N/A
{response}
END
run_tool judge < <(jq -nc '{prompt: [{role: "user", content: "q"}], answer: 7, responses: [{text: "r"}]}')
is "$(jq -c '.responses[0] | [.score, .aspects]' <<< "$out")" '[3.5,{"truth":2,"\"help\"":5,"none":null}]' "aspects are asked one by one, and averaged"
is "$(jq -r '.body.messages[0] | select(.role == "system").content' "$T/form.log")" 7 "the reference answer is put in"
run_tool judge < <(jq -nc '{prompt: "q", responses: [{text: "r"}]}')
exit_is 3 "a rubric with {answer} needs one"
like "$err" 'the rubric uses \{answer\}|rubric uses \{answer\}' "and says so"
cat > "$T/rubric" <<'END'
score: Score: ([-0-9.]+)
range: 0 10
%user
{instruction} <{response_b}> {response_a}
END
: > "$T/form.log"
# What the judge says is what stands in A: 9 for (x, y), 2 for (y, x).
run_tool judge < <(jq -nc '{prompt: "q", chosen: "x worth:9", rejected: "y worth:2"}')
is "$(jq -c '[.score_chosen, .score_rejected]' <<< "$out")" '[8.5,1.5]' "a pair is asked in both orders"
is "$(asked form)" 2 "by two requests"
run_tool judge < <(jq -nc '{prompt: "q", responses: [{text: "x worth:9"}, {text: "y worth:2"}, {text: "z worth:5"}]}')
is "$(jq -c '[.responses[].score]' <<< "$out")" '[7.75,2.5,4.75]' "of three responses each gets its mean over the others"
is "$(asked form)" 8 "by six requests"
run_tool judge < <(jq -nc '{prompt: "q", responses: [{text: "x"}]}')
exit_is 3 "one response cannot be compared"
for f in rating-10 rating-5 aspects-5 pairwise; do
	run_tool "$BIN/od-score" judge --url "$url" --model m --rubric "examples/judge/$f.txt" < \
		<(jq -nc '{prompt: "say:Score: 4 Rating: 4 [[A>B]]", chosen: "c", rejected: "d"}')
	exit_is 0 "examples/judge/$f.txt is understood"
done

# ---- keys ----
unset OPENAI_API_KEY
: > "$T/form.log"
cat > "$T/rubric" <<'END'
score: Score: ([0-9]+)
range: 1 5
%user
{response}
END
echo '{"prompt":"p","responses":[{"text":"worth:3"}]}' > "$T/in"
run_tool judge "$T/in"
is "$rc $(jq -r .auth "$T/form.log")" "0 null" "without a key none is sent"
MY_KEY=$key run_tool judge --key-env MY_KEY "$T/in"
is "$rc $(tail -1 "$T/form.log" | jq -r .auth)" "0 Bearer $key" "--key-env names a variable"
printf '%s\n' "$key" > "$T/key"
run_tool judge --key-file "$T/key" --key-header api-key "$T/in"
is "$rc $(tail -1 "$T/form.log" | jq -r '.auth, ."api-key"' | xargs)" "0 null $key" "--key-file and --key-header"
unlike "$out$err" "$key" "the key is in no output"
run_tool judge --key-env NO_SUCH_KEY "$T/in"
exit_is 2 "an unset variable is a usage error"
run_tool judge --key-file "$T/missing" "$T/in"
exit_is 1 "a missing key file fails"
: > "$T/empty"
run_tool judge --key-file "$T/empty" "$T/in"
exit_is 2 "an empty one is a usage error"
run_tool judge --key-file "$T/key" --key-env X "$T/in"
exit_is 2 "not both"
MY_KEY=$key run_tool judge --key-env MY_KEY --print-config
unlike "$out" "$key" "--print-config does not show the key"

# ---- bad usage ----
for o in --url --model --rubric; do
	args=(--url "$url" --model m --rubric "$T/rubric")
	for i in 0 2 4; do [ "${args[$i]}" = $o ] && unset "args[$i]" "args[$((i + 1))]"; done
	run_tool "$BIN/od-score" judge "${args[@]}" "$T/in"
	exit_is 2 "$o is required"
done
run_tool judge --extra '[1]' "$T/in"
exit_is 2 "--extra must be an object"
run_tool judge --extra '{"top_k":3,"temperature":0.5}' "$T/in"
is "$(tail -1 "$T/form.log" | jq -c '.body | [.top_k, .temperature]')" '[3,0.5]' "--extra is added to requests"
url=ftp://x/ run_tool judge "$T/in"
exit_is 2 "another scheme is a usage error"
echo '%user' > "$T/rubric"
run_tool judge "$T/in"
exit_is 3 "a bad rubric is bad input"

# ---- TLS ----
if command -v openssl >/dev/null; then
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/tls.key" -out "$T/tls.pem" -days 2 -subj /CN=localhost \
		-addext subjectAltName=IP:127.0.0.1 2> /dev/null
	serve tls --tls "$T/tls.pem" "$T/tls.key"
	url=https${url#http}
	printf 'score: Score: ([0-9]+)\nrange: 1 5\n%%user\n{response}\n' > "$T/rubric"
	run_tool judge --retries 0 "$T/in"
	exit_is 5 "a certificate nobody vouches for is refused"
	like "$err" 'certificate' "which is said"
	is "$(asked tls)" 0 "before anything is sent"
	run_tool judge --ca-file "$T/tls.pem" "$T/in"
	exit_is 0 "--ca-file trusts it"
	url=https://localhost:${url##*:}
	run_tool judge --ca-file "$T/tls.pem" --retries 0 "$T/in"
	exit_is 5 "under another name it is refused"
else
	skip 5 "openssl is not installed"
fi
done_testing
