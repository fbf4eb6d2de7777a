#!/usr/bin/env bash
# od-eval ifeval: items and summary, whose output is whose, bad input.
. tests/cli/lib.sh

E=$BIN/od-eval
cat >"$T/data" <<'EOF'
{"key":1,"prompt":"No commas.","instruction_id_list":["punctuation:no_comma","startend:quotation"],"kwargs":[{},{}]}
{"key":"b","prompt":"A title.","instruction_id_list":["detectable_format:title"],"kwargs":[{"num_words":null}]}
EOF
cat >"$T/outputs" <<'EOF'
{"prompt":"A title.","responses":[{"text":"<<It>>"}]}
{"key":1,"prompt":"No commas.","response":"Sure,\n\"fine\""}
EOF
bad() { # CODE REGEX NAME ARG...
    local code=$1 regex=$2 name=$3
    shift 3
    run_tool "$E" ifeval -q "$@"
    exit_is "$code" "$name"
    like "$err" "$regex" "$name: says so"
}

run_tool "$E" ifeval --data "$T/data" --outputs "$T/outputs"
exit_is 0 "two outputs are judged"
is "$(jq -c '[.id,.strict,.loose,.prompt_strict,.share_loose]' "$T/out")" '["b",[true],[true],true,1]
["1",[false,false],[true,true],false,1]' "items in the order of the outputs"
like "$err" "2 prompts, 3 instructions, 0 undecided; sentences: Unicode.*prompts +0.5000 .*instructions +0.3333 " "the table"
run_tool "$E" ifeval -q --data "$T/data" --summary - "$T/outputs"
is "$(jq -c '[.prompts,.instructions,.metrics.prompt_strict.mean,.metrics.instruction_loose.mean,.sentences,.language[:4]]' "$T/out")" \
    '[2,3,0.5,1,"unicode","CLD2"]' "the summary"
is "$(jq '.metrics.prompt_strict.se' "$T/out")" 0.5 "a standard error over prompts"
is "$(jq '.metrics.instruction_strict.se * 1e6 | round' "$T/out")" 444444 "one over prompts of different size"
run_tool "$E" ifeval --data "$T/data" --units "$T/outputs"
is "$(jq -c '.units.words' "$T/out" | paste -sd,)" 1,2 "--units counts"
cp "$T/out" "$T/items"
run_tool "$E" ifeval --compare "$T/items,$T/items"
exit_is 0 "two files of items compare"
unlike "$out" "key" "a key is no figure"

bad 2 "'--data' is required" "no data" "$T/outputs"
bad 2 "not both" "two ways to name outputs" --data "$T/data" --outputs "$T/outputs" "$T/outputs"
bad 3 "1 of 2 prompts have no output .keys b.*--allow-missing" "a missing output" --data "$T/data" <(tail -n 1 "$T/outputs")
bad 0 "left out of every figure: keys b" "a missing output allowed" --allow-missing --data "$T/data" <(tail -n 1 "$T/outputs")
bad 3 "second output for key 'b'" "two outputs of one prompt" --data "$T/data" "$T/outputs" "$T/outputs"
bad 3 "no item of the data: its key '7'" "an output of no prompt" --data "$T/data" <(echo '{"key":7,"response":"x"}')
bad 3 "another prompt than the data's of key '1'" "key and prompt disagree" --data "$T/data" \
    <(echo '{"key":1,"prompt":"Other.","response":"x"}')
bad 3 "neither 'key' nor 'prompt'" "no key" --data "$T/data" <(echo '{"response":"x"}')
bad 3 "field 'response' must be a string, not null" "no response" --data "$T/data" <(echo '{"key":1,"response":null}')
bad 4 "bad record|left out" "--skip-bad" --skip-bad --data "$T/data" "$T/outputs" <(echo '{"key":7,"response":"x"}')
bad 3 "second item with this key" "data with a key twice" --data <(cat "$T/data" "$T/data") "$T/outputs"
bad 3 "'no:such' is not known" "an unknown type" --data <(sed 's/punctuation:no_comma/no:such/' "$T/data") "$T/outputs"
bad 3 "" "data that is none" --data <(echo '[]') "$T/outputs"
bad 1 "nothing" "no such parameters" --data "$T/data" --punkt "$T/nothing" "$T/outputs"
bad 1 "nothing" "no such profiles" --data "$T/data" --profiles "$T/nothing" "$T/outputs"
bad 3 "neither a directory nor an archive" "profiles that are none" --data "$T/data" --profiles "$T/data" "$T/outputs"

echo '{"key":1,"prompt":"In capitals.","instruction_id_list":["change_case:english_capital"],"kwargs":[{}]}' >"$T/capital"
echo '{"key":1,"response":"THE CAT SAT ON THE MAT"}' >"$T/shout"
run_tool "$E" ifeval --units --data "$T/capital" --summary "$T/s" "$T/shout"
is "$(jq -c '[.strict,.units.language]' "$T/out")" '[[true],"en"]' "without profiles a library tells the language"
like "$(jq -r .language "$T/s")" '^CLD2 V[0-9.]+ - [0-9]+$' "the summary names it, with its version"
run_tool "$E" ifeval --data "$T/capital" "$T/shout"
like "$err" "language: CLD2 V[0-9]" "so does the table"
run_tool "$E" ifeval --data "$T/capital" --summary "$T/s" <(echo '{"key":1,"response":"DIE KATZE SITZT AUF DEM DACH"}')
is "$(jq -c .strict "$T/out")" '[false]' "another language"
echo '{"key":1,"prompt":"x","instruction_id_list":["language:response_language"],"kwargs":[{"language":"zh-cn"}]}' >"$T/chinese"
run_tool "$E" ifeval -q --data "$T/chinese" <(echo '{"key":1,"response":"人人生而自由，在尊严和权利上一律平等。"}')
is "$(jq -c .strict "$T/out")" '[true]' "languages have the codes of the data"
bad 3 "'so' is none that CLD2 V.* tells" "a language that it does not know" --data <(sed 's/zh-cn/so/' "$T/chinese") "$T/shout"
run_tool "$E" ifeval --no-language --data "$T/capital" --summary "$T/s" "$T/shout"
is "$(jq -c '[.strict,.prompt_strict]' "$T/out")" '[[null],null]' "undecided when no language is wanted"
is "$(jq -c '[.language,.undecided]' "$T/s")" '["none",1]' "and the summary says so"
bad 2 "contradict each other" "both" --no-language --profiles "$T/nothing" --data "$T/capital" "$T/shout"
mkdir "$T/profiles" "$T/punkt"
echo '{"name":"en","freq":{"T":9,"A":9,"H":9},"n_words":[30,1,1]}' >"$T/profiles/en"
echo '{"name":"xx","freq":{"Q":9,"T":1},"n_words":[30,1,1]}' >"$T/profiles/xx"
run_tool "$E" ifeval -q --profiles "$T/profiles" --data "$T/capital" --summary "$T/s" "$T/shout"
is "$(jq -c .strict "$T/out")" '[true]' "decided with profiles"
is "$(jq -r .language "$T/s")" langdetect "and the summary says so"
bad 3 "'so' is none that langdetect tells" "a language without a profile" --profiles "$T/profiles" --data <(sed 's/zh-cn/so/' "$T/chinese") "$T/shout"
tar -C "$T" -czf "$T/profiles.tgz" profiles
run_tool "$E" ifeval -q --units --profiles "$T/profiles.tgz" --data "$T/capital" "$T/shout"
is "$(jq -c .units.language "$T/out")" '"en"' "profiles in an archive"
echo '{"name":"xx"}' >"$T/profiles/xx"
bad 3 "no language profile" "a broken profile" --profiles "$T/profiles" --data "$T/capital" "$T/shout"

printf 'dr\n' >"$T/punkt/abbrev_types.txt"
printf '##number##\tmay\n' >"$T/punkt/collocations.tab"
printf 'the\n' >"$T/punkt/sent_starters.txt"
printf 'smith\t4\n' >"$T/punkt/ortho_context.tab"
echo '{"key":1,"response":"THE cat met Dr. Smith. \"It sat.\" The dog (a pup) ran!"}' >"$T/three"
run_tool "$E" ifeval -q --units --no-language --punkt "$T/punkt" --data "$T/capital" "$T/three"
is "$(jq -c .units.sentences "$T/out")" 3 "abbreviations end no sentence"
printf 'smith\tx\n' >"$T/punkt/ortho_context.tab"
bad 3 "ortho_context.tab:1: 'x' is no sum" "broken parameters" --no-language --punkt "$T/punkt" --data "$T/capital" "$T/three"
done_testing
