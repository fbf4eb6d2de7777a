#!/usr/bin/env bash
# Bad input and usage: named, nothing lost, the documented exit code.
. tests/cli/lib.sh

python3 tests/fixtures/make_tokenizer.py "$T/model" 320 --template chatml >/dev/null
python3 tests/fixtures/make_model.py "$T/model" --vocab 320 --positions 128 >/dev/null
sample() { "$BIN/od-sample" -q --threads 1 --model "$T/model" --max-tokens 4 "$@"; }

refused() { # CODE RECORD PATTERN NAME
    run_tool sample <<<"$2"
    exit_is "$1" "$4: exit $1"
    like "$err" "$3" "$4: says so"
    one_line "$err" "$4: in one line"
}
refused 3 '{"x":1}' "field 'prompt' is missing.*--prompt-field" "no prompt"
refused 3 '{"prompt":5}' "field 'prompt" "a prompt that is a number"
refused 3 '{"prompt":[{"role":"user"}]}' "prompt.0.*'role' and 'content'" "a message without content"
refused 3 '{"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}' "nothing to answer" "an answered dialogue"
refused 3 '{"prompt":[{"role":"tool","content":"a"}]}' "role" "an unknown role"
refused 3 '{"prompt":"a","responses":[]}' "already has responses: --replace" "responses already there"
refused 3 "{\"prompt\":\"$(head -c 2000 /dev/zero | tr '\0' x)\"}" "leave no room for a response: the model has 128 positions" "a prompt too long"
refused 3 '{"prompt":"a"' "JSON" "half a record"
refused 3 '' "no record" "no input"

run_tool sample --skip-bad <<<$'{"x":1}\n{"prompt":"a"}\n{"prompt":7}'
exit_is 4 "--skip-bad: exit 4"
is "$(jq -s length "$T/out")" 1 "--skip-bad: the good one comes out"
like "$err" "2 .*" "--skip-bad: the others are counted"
run_tool sample --framed < <(printf '{"od_stream":{"version":1}}\n{"prompt":"a"}\n')
exit_is 3 "a cut stream: exit 3"
like "$(tail -n 1 "$T/out")" od_error "and its consumers are told"
run_tool sample --format raw <<<'{"prompt":[{"role":"user","content":"a"}]}'
exit_is 3 "messages without a template: exit 3"
like "$err" "must be a string where no chat template" "it says so"
run_tool sample --cache-tokens 32 <<<"{\"prompt\":\"$(head -c 60 /dev/zero | tr '\0' x)\"}"
exit_is 3 "a cache too small: exit 3"
like "$err" "more than the cache holds \(32\)" "it says so"

usage() { # PATTERN OPTION...
    local pattern=$1
    shift
    run_tool "$BIN/od-sample" "$@" <<<'{"prompt":"a"}'
    exit_is 2 "usage: $*"
    like "$err" "$pattern" "$* says so"
}
usage 'model DIR is required'
usage "template" --model "$T/model" --format raw --chat-template llama3
usage "template" --model "$T/model" --format qwen25-math-cot --chat-template llama3
usage "empty text" --model "$T/model" --stop a,,b
usage "top-p" --model "$T/model" --top-p 1.5
usage "temperature" --model "$T/model" --temperature -1
usage "chat-template|template" --model "$T/model" --chat-template nonsense

run_tool "$BIN/od-sample" --model "$T/none" <<<'{"prompt":"a"}'
exit_is 1 "no such model"
python3 tests/fixtures/make_model.py "$T/bare" --vocab 320 >/dev/null
run_tool "$BIN/od-sample" --model "$T/bare" <<<'{"prompt":"a"}'
exit_is 3 "a model without a tokenizer: exit 3"
like "$err" "no tokenizer.json" "it says so"
cp -r "$T/model" "$T/ends"
echo '{"eos_token_id": [' >"$T/ends/generation_config.json"
run_tool "$BIN/od-sample" --model "$T/ends" <<<'{"prompt":"a"}'
exit_is 3 "half a generation_config.json: exit 3"
done_testing
