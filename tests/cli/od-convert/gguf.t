#!/usr/bin/env bash
# od-convert: GGUF made elsewhere -> directory, directory -> GGUF -> directory, archives, quantised weights.
. tests/cli/lib.sh

C=$BIN/od-convert
make_model() { python3 tests/fixtures/make_model.py "$@"; }
make_gguf() { python3 tests/fixtures/make_gguf.py "$@"; }
same_config() { # FILE FILE: what decides about the model
	local keys='{model_type, architectures, vocab_size, hidden_size, intermediate_size, num_hidden_layers,
		num_attention_heads, num_key_value_heads, head_dim, max_position_embeddings, rms_norm_eps, rope_theta, rope_scaling,
		tie_word_embeddings, torch_dtype, attention_bias: (.attention_bias // false), mlp_bias: (.mlp_bias // false),
		query_pre_attn_scalar, sliding_window: (if .use_sliding_window == false then null else .sliding_window end),
		attn_logit_softcapping, final_logit_softcapping, hidden_act}'
	diff <(jq -S "$keys" "$1") <(jq -S "$keys" "$2") >&2
}

# Each family, from a file another program wrote: the weights come back bit for bit (Gemma's gains but for what adding 1
# took), the configuration from metadata and tensors alone.
for case in "llama" "llama --untied --bias" "llama --rope-scaling --positions 131072 --head-dim 32" "qwen2" "qwen2 --untied" \
	"gemma2 --head-dim 8"; do
	set -- $case
	rm -rf "$T/hf" "$T/new"
	make_model "$T/hf" --family "$@"
	make_gguf "$T/hf" "$T/m.gguf"
	run_tool "$C" "$T/m.gguf" "$T/new" --dtype f32
	exit_is 0 "$case: exit 0"
	if [ "$1" = gemma2 ]; then
		ok "$case: weights within half a unit of 1" python3 - "$T/hf" "$T/new" <<-'END'
			import array, json, struct, sys
			def read(d):
			    f = open(d + "/model.safetensors", "rb"); n, = struct.unpack("<Q", f.read(8)); h = json.loads(f.read(n)); b = f.read()
			    return {k: array.array("f", b[slice(*t["data_offsets"])]) for k, t in h.items() if k != "__metadata__"}
			a, b = read(sys.argv[1]), read(sys.argv[2])
			assert a.keys() == b.keys()
			for k in a:
			    worst = max(abs(x - y) for x, y in zip(a[k], b[k]))
			    assert worst <= (2 ** -24 * 2 if k.endswith("norm.weight") else 0), (k, worst)
		END
	else
		ok "$case: weights are the same bits" cmp "$T/hf/model.safetensors" "$T/new/model.safetensors"
	fi
	ok "$case: config.json says the same" same_config "$T/hf/config.json" "$T/new/config.json"
done

# There and back by itself: every file the same, and so through bf16.
for case in "llama --bias --untied" "qwen2" "gemma2" "llama --rope-scaling" "gemma2 --dtype bf16"; do
	set -- $case
	rm -rf "$T/hf" "$T/new" "$T/m.gguf"
	make_model "$T/hf" --family "$@"
	python3 tests/fixtures/make_tokenizer.py "$T/hf" 320 --template smollm2 --pattern smollm
	dtype=f32
	[[ $case = *bf16 ]] && dtype=bf16
	run_tool "$C" "$T/hf" "$T/m.gguf"
	exit_is 0 "$case to GGUF: exit 0"
	run_tool "$C" "$T/m.gguf" "$T/new" --dtype $dtype
	exit_is 0 "$case and back: exit 0"
	is "$(diff -rq "$T/hf" "$T/new" 2>&1)" "" "$case: every file is the same"
done

# A config.json that does not fit the file's metadata any more is not believed.
python3 - "$T/m.gguf" <<-'END'
	import sys
	b = open(sys.argv[1], "rb").read()
	assert b.count(b'"num_key_value_heads": 2') == 1
	open(sys.argv[1], "wb").write(b.replace(b'"num_key_value_heads": 2', b'"num_key_value_heads": 4'))
END
rm -rf "$T/new"
run_tool "$C" "$T/m.gguf" "$T/new"
exit_is 0 "a stored config.json that lies: exit 0"
like "$err" 'does not fit' "it is mentioned"
is "$(jq .num_key_value_heads "$T/new/config.json")" 2 "and the metadata is taken"

# Quantised weights; an archive; a compressed file; a pipe.
rm -rf "$T/hf" "$T/new"
make_model "$T/hf" --hidden 64
python3 tests/fixtures/make_tokenizer.py "$T/hf" 320 --template smollm2 --pattern smollm
make_gguf "$T/hf" "$T/q.gguf" --quantise q8_0
run_tool "$C" "$T/q.gguf" "$T/new"
exit_is 0 "q8_0: exit 0"
ok "q8_0: within a 127th of each block's largest" python3 - "$T/hf" "$T/new" <<-'END'
	import array, json, struct, sys
	def read(d):
	    f = open(d + "/model.safetensors", "rb"); n, = struct.unpack("<Q", f.read(8)); h = json.loads(f.read(n)); b = f.read()
	    return {k: array.array("f", b[slice(*t["data_offsets"])]) for k, t in h.items() if k != "__metadata__"}
	a, b = read(sys.argv[1]), read(sys.argv[2])
	assert a.keys() == b.keys() and any(a[k] != b[k] for k in a)
	for k in a:
	    for i in range(0, len(a[k]), 32):
	        x, y = a[k][i:i + 32], b[k][i:i + 32]
	        assert max(abs(p - q) for p, q in zip(x, y)) <= max(map(abs, x)) / 127 * 0.51, (k, i)
END
is "$(jq -r .chat_template "$T/new/tokenizer_config.json")" "$(jq -r .chat_template "$T/hf/tokenizer_config.json")" \
	"the chat template came along"
is "$(jq -c '[.bos_token_id, .eos_token_id]' "$T/new/generation_config.json")" "[1,2]" "and the ids of generation"
python3 -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED); z.write(sys.argv[2], "p/m.gguf")' \
	"$T/a.whl" "$T/q.gguf"
run_tool "$C" "$T/a.whl:p/m.gguf" "$T/out2"
exit_is 0 "out of an archive: exit 0"
is "$(diff -rq "$T/new" "$T/out2" 2>&1)" "" "the same directory, nothing left behind"
gzip -k "$T/q.gguf"
run_tool "$C" "$T/q.gguf.gz" "$T/out3"
exit_is 0 "compressed: exit 0"
is "$(diff -rq "$T/new" "$T/out3" 2>&1)" "" "the same directory"
run_tool "$C" <(cat "$T/q.gguf") "$T/out4"
exit_is 0 "a pipe: exit 0"
is "$(diff -rq "$T/new" "$T/out4" 2>&1)" "" "the same directory"

# Text is tokenised alike by the original and by what came out of GGUF.
if [ -x "$BIN/od-inspect" ]; then
	printf '%s\n' '{"text":"The river, 12 owls<|im_end|> and a train."}' '{"messages":[{"role":"user","content":"Name a colour."}]}' \
		> "$T/texts"
	run_tool "$BIN/od-inspect" tokens --model "$T/hf" "$T/texts"
	want=$out
	run_tool "$BIN/od-inspect" tokens --model "$T/new" "$T/texts"
	exit_is 0 "od-inspect tokens reads the directory"
	is "$out" "$want" "ids and pieces are the same"
fi
done_testing
