#!/usr/bin/env bash
# od-inspect model: sizes, tensors, identity, memory; directories that are no models.
. tests/cli/lib.sh

make_model() { python3 tests/fixtures/make_model.py "$@" > /dev/null || skip_all "no model fixture"; }
make_model "$T/m" --family llama
python3 tests/fixtures/make_tokenizer.py "$T/m" --template chatml > /dev/null
make_model "$T/g" --family gemma2 --untied --dtype bf16

run_tool "$BIN/od-inspect" model --json "$T/m"
exit_is 0 "json"
q() { jq -c "$1" "$T/out"; }
is "$(q '[.architecture,.layers,.hidden_size,.vocab_size,.heads,.kv_heads,.head_dim,.tied]')" '["llama",2,48,320,4,2,12,true]' "the configuration"
is "$(q '[.parameters,.bytes]')" "$(q '[.tensors|map(.shape|reduce .[] as $n (1;.*$n))|add|.,.*4]')" "parameters and bytes are those of the tensors"
is "$(q '[.tensors[0].name,.tensors[0].dtype,.tensors[0].shape,(.tensors|map(.used)|all)]')" '["model.embed_tokens.weight","F32",[320,48],true]' "tensors"
is "$(q '[.tokenizer.size,.tokenizer.eos,.chat_template]')" '[320,2,"chatml"]' "tokenizer and template"
ok "training takes more than scoring" test "$(q '.memory.train > 3 * .memory.ref - .memory.ref')" = true
hash=$(jq -r .hash "$T/out")
like "$hash" '^[0-9a-f]{64}$' "identity"
echo '{"prompt":"a","chosen":"b","rejected":"c"}' | "$BIN/od-ref" -q --model "$T/m" > "$T/ref"
is "$(jq -r .ref.model "$T/ref")" "$hash" "it is the one that od-ref records"
run_tool "$BIN/od-inspect" model --json --no-hash "$T/m"
is "$(q .hash)" null "--no-hash"
run_tool "$BIN/od-inspect" model --json --tokens 4096 "$T/m"
ok "more tokens take more memory" test "$(q '.memory.tokens == 4096')" = true

run_tool "$BIN/od-inspect" model "$T/m"
exit_is 0 "table"
like "$out" 'model\.layers\.\*\.mlp\.up_proj\.weight +2 +96 x 48 +F32 +9,216' "layers share a line"
like "$out" 'head tied to the embedding' "tied"
run_tool "$BIN/od-inspect" model --tensors "$T/m"
like "$out" 'model\.layers\.1\.mlp\.up_proj\.weight +1 +96 x 48' "--tensors lists each"
run_tool "$BIN/od-inspect" model "$T/g"
exit_is 0 "another family"
like "$out" 'tokenizer +none' "a model without a tokenizer"
like "$out" 'BF16' "the type in the file"

bad() { # EXIT REGEX NAME ARGUMENT...
	local code=$1 regex=$2 name=$3
	shift 3
	run_tool "$BIN/od-inspect" model "$@"
	exit_is "$code" "$name"
	like "$err" "^od-inspect: .*$regex" "$name: the reason"
	one_line "$err" "$name: one line"
	is "$out" "" "$name: no output"
}
mkdir "$T/none"; echo x > "$T/file"
bad 2 "missing operand" "no directory"
bad 2 "one model directory" "two directories" "$T/m" "$T/g"
bad 3 "'$T/file': not a directory" "a file" "$T/file"
bad 1 "config.json.*No such file" "a directory without a model" "$T/none"
cp -r "$T/m" "$T/short"; truncate -s -100 "$T/short/model.safetensors"
bad 3 "model.safetensors" "cut weights" "$T/short"
cp -r "$T/m" "$T/wide"; jq '.hidden_size = 96' "$T/m/config.json" > "$T/wide/config.json"
bad 3 "tensor '.*' has shape" "a configuration of other shapes" "$T/wide"
cp -r "$T/m" "$T/odd"; jq '.model_type = "bert" | .architectures = ["BertModel"]' "$T/m/config.json" > "$T/odd/config.json"
bad 1 "llama" "an unknown architecture names those it knows" "$T/odd"
done_testing
