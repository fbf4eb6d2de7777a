#!/usr/bin/env bash
# od-convert --init: models of random weights, and tokenizers of characters: what they hold, the same bytes twice, what is refused.
. tests/cli/lib.sh

C=$BIN/od-convert
cat > "$T/c.json" <<'END'
{"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 8, "num_attention_heads": 4,
 "num_key_value_heads": 2, "max_position_embeddings": 128, "tie_word_embeddings": true, "initializer_range": 0.05}
END
config() { jq -c "$1" "$T/c.json" > "$T/$2"; }                # a changed configuration
values() { # DIR: mean and deviation of each tensor, by name
	python3 - "$1" <<-'END'
		import array, json, struct, sys
		f = open(sys.argv[1] + "/model.safetensors", "rb"); n, = struct.unpack("<Q", f.read(8)); h = json.loads(f.read(n)); b = f.read()
		for k, t in sorted(h.items()):
		    if k == "__metadata__": continue
		    raw = b[slice(*t["data_offsets"])]
		    v = array.array("f", raw) if t["dtype"] == "F32" else array.array("f", b"".join(struct.pack("<I", x << 16) for x, in struct.iter_unpack("<H", raw)))
		    m = sum(v) / len(v)
		    print(k, t["dtype"], "x".join(map(str, t["shape"])), m, (sum((x - m) ** 2 for x in v) / len(v)) ** .5)
	END
}

# A model and its tokenizer at once.
run_tool "$C" --init "$T/c.json" --seed 7 --chars 'b0a?' "$T/m"
exit_is 0 "--init with --chars: exit 0"
like "$err" "wrote '.*m': 74 tensors, 0.2 million parameters" "what was written is told"
is "$(cd "$T/m" && echo *)" "config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json" "the files of a model"
is "$(jq -c '[.vocab_size, .bos_token_id, .eos_token_id, .torch_dtype, .architectures, .hidden_size]' "$T/m/config.json")" \
	'[8,1,2,"float32",["LlamaForCausalLM"],64]' "the tokenizer fills what the configuration leaves open"
is "$(jq -c '[.bos_token_id, .eos_token_id]' "$T/m/generation_config.json")" '[1,2]' "generation stops at <eos>"
is "$(jq -c '.model.vocab' "$T/m/tokenizer.json")" '{"<pad>":0,"<bos>":1,"<eos>":2,"<unk>":3,"0":4,"?":5,"a":6,"b":7}' \
	"four special tokens, then characters in order"
values "$T/m" > "$T/v"
is "$(awk '/norm.weight/ && ($4 != 1 || $5 != 0)' "$T/v")" "" "norms begin as the identity"
is "$(awk '/(q|k|v|gate|up)_proj.weight/ && ($5 < 0.047 || $5 > 0.053)' "$T/v")" "" "matrices have initializer_range as deviation"
is "$(awk '/(o|down)_proj.weight/ && ($5 < 0.0115 || $5 > 0.0135)' "$T/v")" "" "those that write into the residual a fourth, for 8 layers"
is "$(grep -c . "$T/v")" 74 "every tensor was looked at"

# The tools read it.
printf '{"prompt":"a?","chosen":"b0"}\n' > "$T/sft.jsonl"
run_tool "$BIN/od-train" -q --threads 1 --objective sft --model "$T/m" --out "$T/trained" --batch 1 --steps 1 "$T/sft.jsonl"
exit_is 0 "od-train takes it"
run_tool "$BIN/od-inspect" tokens --model "$T/m" --json "$T/sft.jsonl"
run_tool "$BIN/od-inspect" model "$T/m"
exit_is 0 "od-inspect takes it"

# The same seed, the same bytes; values of a seed are fixed for good.
run_tool "$C" -q --init "$T/c.json" --seed 7 --chars 'ab?0' "$T/again"
is "$(diff -rq "$T/m" "$T/again" 2>&1)" "" "the same seed and characters give the same bytes"
run_tool "$C" -q --init "$T/c.json" --seed 8 --chars 'ab?0' "$T/other"
is "$(diff -rq "$T/m" "$T/other" | wc -l)" 1 "another seed changes the weights alone"
is "$(tail -c 4000 "$T/m/model.safetensors" | sha256sum | cut -c1-16)" "1aa55b4522187fc8" "the bytes are those they have always been"

# Types, deviation, shards.
run_tool "$C" -q --init "$T/c.json" --seed 7 --chars 'ab?0' --dtype bf16 "$T/bf16"
exit_is 0 "--dtype bf16: exit 0"
is "$(jq -r .torch_dtype "$T/bf16/config.json")" bfloat16 "config.json names the type"
run_tool "$C" -q --dtype bf16 "$T/m" "$T/converted"
ok "the weights are the f32 ones, rounded" cmp "$T/bf16/model.safetensors" "$T/converted/model.safetensors"
config '.dtype = "bfloat16"' b.json
run_tool "$C" -q --init "$T/b.json" --seed 7 --chars 'ab?0' "$T/bf16too"
is "$(jq -c '[.dtype, .torch_dtype]' "$T/bf16too/config.json")" '["bfloat16",null]' "a configuration's own type is kept"
ok "and followed" cmp "$T/bf16/model.safetensors" "$T/bf16too/model.safetensors"
run_tool "$C" -q --init "$T/c.json" --std 0.2 --chars 'ab?0' --shard-size 40K "$T/shards"
exit_is 0 "--std and --shard-size: exit 0"
ok "several files" test -e "$T/shards/model-00002-of-00004.safetensors" -o -e "$T/shards/model.safetensors.index.json"
run_tool "$C" -q "$T/shards" "$T/whole"
is "$(values "$T/whole" | awk '/(q|k|v|gate|up)_proj.weight/ && ($5 < 0.19 || $5 > 0.21)')" "" "--std wins over initializer_range"

# Other families, biases, an untied head.
config '.model_type = "gemma2" | .head_dim = 16 | .vocab_size = 20' g.json
run_tool "$C" -q --init "$T/g.json" "$T/gemma"
exit_is 0 "gemma2 without a tokenizer: exit 0"
is "$(values "$T/gemma" | awk '/norm.weight/ && ($4 != 0 || $5 != 0)')" "" "gains of gemma2 begin at 0"
ok "no tokenizer is made up" test ! -e "$T/gemma/tokenizer.json"
config '.model_type = "qwen2" | .vocab_size = 20 | .tie_word_embeddings = false' q.json
run_tool "$C" -q --init "$T/q.json" "$T/qwen"
is "$(values "$T/qwen" | awk '/bias/ && ($4 != 0 || $5 != 0)')" "" "biases begin at 0"
is "$(values "$T/qwen" | awk '/lm_head.weight/ { print $3 }')" "20x64" "an untied head is there"

# Tokenizers: alone, of a file, of another directory.
printf 'caf\303\251\n\tna\303\257ve "\\ \360\237\246\211' > "$T/corpus"
run_tool "$C" --vocab-from "$T/corpus" "$T/tok"
exit_is 0 "--vocab-from alone: exit 0"
is "$(cd "$T/tok" && echo *)" "tokenizer.json tokenizer_config.json" "a tokenizer and nothing else"
is "$(jq -c '.model.vocab | keys_unsorted[4:]' "$T/tok/tokenizer.json")" \
	'["\t","\n"," ","\"","\\","a","c","e","f","n","v","é","ï","🦉"]' "every character once"
run_tool "$C" -q --init "$T/c.json" --tokenizer "$T/tok" "$T/with"
exit_is 0 "--tokenizer: exit 0"
is "$(diff "$T/tok/tokenizer.json" "$T/with/tokenizer.json")$(jq .vocab_size "$T/with/config.json")" 18 "it is copied, and sets the size"
config '.vocab_size = 32 | .eos_token_id = 0' large.json
run_tool "$C" -q --init "$T/large.json" --tokenizer "$T/tok" "$T/larger"
is "$(jq -c '[.vocab_size, .eos_token_id]' "$T/larger/config.json")" '[32,0]' "what the configuration says stays"
run_tool "$C" -q --force --chars xyz "$T/tok"
exit_is 0 "--force replaces a tokenizer"
is "$(jq '.model.vocab | length' "$T/tok/tokenizer.json")" 7 "all of it"
run_tool bash -c "printf 'ab' | \"\$1\" -q --vocab-from - \"\$2\"" _ "$C" "$T/stdin"
exit_is 0 "--vocab-from -: exit 0"

# What is refused: one line, the right code, nothing left.
refused() { # CODE REGEX NAME ARGUMENT...
	local code=$1 regex=$2 name=$3
	shift 3
	run_tool "$C" -q "$@"
	exit_is "$code" "$name: exit $code"
	like "$err" "^od-convert: .*$regex" "$name: the message"
	one_line "$err" "$name: one line"
	is "$(find "$T" -maxdepth 1 \( -name '*.tmp' -o -name new \))" "" "$name: nothing is left"
}
refused 2 "m' *: it exists|m': it exists" "an existing output" --init "$T/c.json" --chars ab "$T/m"
mkdir "$T/precious" && touch "$T/precious/thesis.tex"
refused 2 "does not look like a model" "--force on a folder that is no model" --force --init "$T/c.json" --chars ab "$T/precious"
refused 2 "one operand" "no operand" --init "$T/c.json"
refused 2 "one operand" "two operands" --init "$T/c.json" --chars ab "$T/m" "$T/new"
refused 2 "choose one" "two tokenizers" --init "$T/c.json" --chars ab --tokenizer "$T/tok" "$T/new"
refused 2 "needs --init" "--tokenizer without --init" --tokenizer "$T/tok" "$T/new"
refused 2 "is a directory" "a GGUF file" --init "$T/c.json" --chars ab "$T/new.gguf"
refused 2 "standard output" "- as output" --init "$T/c.json" --chars ab -
refused 2 "std" "a negative deviation" --init "$T/c.json" --chars ab --std -1 "$T/new"
refused 2 "seed" "a negative seed" --init "$T/c.json" --chars ab --seed -1 "$T/new"
refused 1 "nowhere.json.*No such file" "no configuration" --init "$T/nowhere.json" --chars ab "$T/new"
refused 1 "tokenizer.json.*No such file" "no tokenizer" --init "$T/c.json" --tokenizer "$T/precious" "$T/new"
refused 1 "nowhere.*No such file" "no corpus" --vocab-from "$T/nowhere" "$T/new"
refused 3 "c.json: .*vocab_size' is missing" "no vocabulary size" --init "$T/c.json" "$T/new"
config '.vocab_size = 5' small.json
refused 3 "vocab_size 5, the tokenizer 6 ids" "a vocabulary too small" --init "$T/small.json" --chars ab "$T/new"
config 'del(.hidden_size)' x.json
refused 3 "x.json: field 'hidden_size' is missing" "a size is missing" --init "$T/x.json" --chars ab "$T/new"
config '.hidden_size = -4' x.json
refused 3 "x.json: .*hidden_size" "a negative size" --init "$T/x.json" --chars ab "$T/new"
config '.num_key_value_heads = 3' x.json
refused 3 "do not divide" "heads that do not divide" --init "$T/x.json" --chars ab "$T/new"
config '.initializer_range = "big"' x.json
refused 3 "initializer_range' must be a positive number" "a deviation that is text" --init "$T/x.json" --chars ab "$T/new"
config '.model_type = "mamba"' x.json
refused 1 "unknown architecture 'mamba'" "an unknown architecture" --init "$T/x.json" --chars ab "$T/new"
printf '{"model_type":' > "$T/x.json"
refused 3 "x.json:1: invalid JSON" "a configuration cut short" --init "$T/x.json" --chars ab "$T/new"
printf '[1]' > "$T/x.json"
refused 3 "x.json': not a JSON object" "a configuration that is a list" --init "$T/x.json" --chars ab "$T/new"
: > "$T/empty"
refused 3 "empty: there are no characters" "an empty corpus" --vocab-from "$T/empty" "$T/new"
refused 3 "chars: there are no characters" "no characters" --chars '' "$T/new"
printf 'ab\377' > "$T/bad"
refused 3 "bad: invalid UTF-8 at byte 2" "a corpus that is not UTF-8" --vocab-from "$T/bad" "$T/new"
printf 'a\0b' > "$T/bad"
refused 3 "bad: a NUL at byte 1" "a corpus with a NUL" --vocab-from "$T/bad" "$T/new"
run_tool bash -c "trap '' XFSZ; ulimit -f 100; exec \"\$@\"" _ "$C" -q --init "$T/c.json" --chars ab "$T/new"
exit_is 1 "a full disk: exit 1"
is "$(find "$T" -maxdepth 1 \( -name '*.tmp' -o -name new \))" "" "a full disk: nothing is left"

# Hugging Face's tokenizers, where they are installed, read the file alike.
if python3 -c 'import tokenizers' 2> "$T/null"; then
	ok "Hugging Face's tokenizers agree" python3 - "$T/with" <<-'END'
		import sys, tokenizers
		t = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
		assert t.encode("cave\n", add_special_tokens=True).ids == [10, 9, 14, 11, 5], t.encode("cave\n").ids
		assert t.encode("aXa<eos>").ids == [9, 3, 9, 2]
		assert t.decode([10, 9, 12, 15]) == "café"
	END
else
	skip 1 "no python package tokenizers"
fi
done_testing
