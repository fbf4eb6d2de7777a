#!/usr/bin/env bash
# od-convert: usage, malformed and truncated models, failing writes: one line, the right exit code, nothing left behind.
. tests/cli/lib.sh

C=$BIN/od-convert
M=$T/hf
python3 tests/fixtures/make_model.py "$M"
python3 tests/fixtures/make_gguf.py "$M" "$T/m.gguf"

# refused CODE REGEX NAME ARGUMENT...: that code and message, and no output.
refused() {
	local code=$1 regex=$2 name=$3
	shift 3
	run_tool "$C" --quiet "$@"
	exit_is "$code" "$name: exit $code"
	like "$err" "^od-convert: .*$regex" "$name: the message"
	one_line "$err" "$name: one line"
	is "$(find "$T" -maxdepth 1 \( -name '*.tmp' -o -name new -o -name new.gguf \))" "" "$name: nothing is left"
}
gguf() { python3 tests/fixtures/make_gguf.py "$@"; }
cut_file() { head -c "$3" "$1" > "$2"; }
# poke FILE OFFSET BYTES: overwrites bytes (printf notation).
poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

refused 2 "two operands" "no operands"
refused 2 "two operands" "one operand" "$M"
refused 2 "dtype" "an unknown type" --dtype f8 "$M" "$T/new"
refused 2 "standard output" "- as output" "$M" -
refused 2 "not a model directory" "GGUF to GGUF" "$T/m.gguf" "$T/new.gguf"
refused 2 "shard-size" "shards of a GGUF file" --shard-size 1M "$M" "$T/new.gguf"
refused 1 "nowhere.*No such file" "a missing input" "$T/nowhere" "$T/new"
refused 1 "No such file" "an output below a missing directory" "$M" "$T/no/where"

# GGUF
for n in 3 10 24 60 1000 20000; do
	cut_file "$T/m.gguf" "$T/bad.gguf" $n
	[ $n = 3 ] && continue
	refused 3 "bad.gguf" "GGUF cut at $n" "$T/bad.gguf" "$T/new"
done
: > "$T/empty"
refused 3 "" "an empty file" "$T/empty" "$T/new"
printf 'not a model at all, only text' > "$T/text"
refused 3 "not a GGUF" "a text file" "$T/text" "$T/new"
cp "$T/m.gguf" "$T/bad.gguf"; poke "$T/bad.gguf" 4 '\001'
refused 3 "version 1" "version 1" "$T/bad.gguf" "$T/new"
cp "$T/m.gguf" "$T/bad.gguf"; poke "$T/bad.gguf" 8 '\377\377\377\377\377\377\377\177'
refused 3 "more tensors" "an absurd count of tensors" "$T/bad.gguf" "$T/new"
cp "$T/m.gguf" "$T/bad.gguf"; poke "$T/bad.gguf" 16 '\377\377\377\377\377\377\377\177'
refused 3 "more keys|ends inside" "an absurd count of keys" "$T/bad.gguf" "$T/new"
cp "$T/m.gguf" "$T/bad.gguf"; poke "$T/bad.gguf" 24 '\377\377\377\377\377\377\377\177'
refused 3 "metadata key" "an absurd length" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --drop blk.1.ffn_up.weight
refused 3 "model.layers.1.mlp.up_proj.weight.*missing" "a missing tensor" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --drop token_embd.weight
refused 3 "token_embd.weight' is missing" "a missing embedding" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --set llama.feed_forward_length=100
refused 3 "another shape" "sizes that do not fit" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --set llama.attention.head_count=0
refused 3 "head_count.*positive" "no heads" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --set llama.attention.head_count_kv=3
refused 3 "do not divide|heads" "heads that do not divide" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --set llama.block_count=4000000000
refused 3 "num_hidden_layers" "absurd layers" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --set llama.rope.dimension_count=4
refused 1 "partial rotation" "partial rotation" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --set general.alignment=3
refused 3 "alignment" "a bad alignment" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --arch mamba
refused 1 "unknown architecture 'mamba' \(known: llama, qwen2, gemma2\)" "an unknown architecture" "$T/bad.gguf" "$T/new"
gguf "$M" "$T/bad.gguf" --set llama.rope.scaling.type=1
refused 3 "must be a string" "a key of another kind" "$T/bad.gguf" "$T/new"

# Tokenizers inside GGUF
K=$T/tok
python3 tests/fixtures/make_model.py "$K" && python3 tests/fixtures/make_tokenizer.py "$K" 320
gguf "$K" "$T/bad.gguf" --pre someones-own
refused 1 "someones-own" "an unknown pre-tokeniser" "$T/bad.gguf" "$T/new"
gguf "$K" "$T/bad.gguf" --set tokenizer.ggml.eos_token_id=320
refused 3 "eos|320" "an id beyond the vocabulary" "$T/bad.gguf" "$T/new"
rm -rf "$K" && python3 tests/fixtures/make_model.py "$K" --vocab 300 && python3 tests/fixtures/make_tokenizer.py "$K" 320
refused 3 "320 tokens.*300 rows" "a tokenizer larger than the embedding" "$K" "$T/new.gguf"

# Directories
B=$T/bad
fresh() { rm -rf "$B" && cp -r "$M" "$B"; }
fresh; rm "$B/config.json"
refused 1 "config.json" "no config.json" "$B" "$T/new"
fresh; printf '{"model_type":' > "$B/config.json"
refused 3 "config.json" "a malformed config.json" "$B" "$T/new"
fresh; printf '[]' > "$B/config.json"
refused 3 "config.json" "a config.json that is no object" "$B" "$T/new"
fresh; rm "$B/model.safetensors"
refused 1 "model.safetensors" "no weights" "$B" "$T/new"
fresh; cut_file "$M/model.safetensors" "$B/model.safetensors" 100000
refused 3 "model.safetensors.*ends after" "weights cut short" "$B" "$T/new"
fresh; cut_file "$M/model.safetensors" "$B/model.safetensors" 5
refused 3 "model.safetensors" "weights of five bytes" "$B" "$T/new"
fresh; poke "$B/model.safetensors" 0 '\377\377\377\377\377\377\377\377'
refused 3 "beyond the limit" "an absurd header" "$B" "$T/new"
fresh; sed -i 's/"data_offsets":\[0,/"data_offsets":[4,/' "$B/model.safetensors"
refused 3 "embed_tokens.weight" "offsets that do not fit" "$B" "$T/new"
fresh; rm "$B/model.safetensors"; printf '{"weight_map":{"a":"../hf/model.safetensors"}}' > "$B/model.safetensors.index.json"
refused 3 "not the name of a file" "an index that leads elsewhere" "$B" "$T/new"
fresh; jq '.model_type = "mamba"' "$M/config.json" > "$B/config.json"
refused 1 "mamba" "an architecture GGUF output does not know" "$B" "$T/new.gguf"

# Archives
python3 -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1], "w"); z.write(sys.argv[2], "../m.gguf"); z.write(sys.argv[2], "m.gguf")' \
	"$T/a.zip" "$T/m.gguf"
refused 3 "" "an archive member that is not there" "$T/a.zip:other.gguf" "$T/new"
refused 3 "" "an escaping member" "$T/a.zip:../m.gguf" "$T/new"
cut_file "$T/a.zip" "$T/cut.zip" 90000
refused 3 "" "a truncated archive" "$T/cut.zip:m.gguf" "$T/new"

# Writing fails half-way: the size limit stands for a full disk.
for name in new new.gguf; do
	run_tool bash -c "trap '' XFSZ; ulimit -f 100; exec \"\$@\"" _ "$C" --quiet "$M" "$T/$name"
	exit_is 1 "a full disk, $name: exit 1"
	like "$err" "od-convert: cannot write .*File too large" "a full disk, $name: the message"
	is "$(find "$T" -maxdepth 1 \( -name '*.tmp' -o -name new -o -name new.gguf \))" "" "a full disk, $name: nothing is left"
done
# Interrupted while it waits for more of a pipe: it dies of the signal and leaves nothing.
for signal in INT TERM; do
	mkfifo "$T/pipe"
	(head -c 50000 "$T/m.gguf"; exec sleep 20) > "$T/pipe" &
	writer=$!
	# A shell's background job ignores INT unless told otherwise.
	python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])' \
		"$C" --quiet "$T/pipe" "$T/new" &
	pid=$!
	for ((i = 0; i < 100; i++)); do [ -e "$T/new.tmp/.input.gguf" ] && break; sleep 0.05; done
	kill -$signal $pid
	rc=0
	wait $pid || rc=$?
	is $rc $((128 + $(kill -l $signal))) "SIG$signal: ends by it"
	is "$(find "$T" -maxdepth 1 \( -name '*.tmp' -o -name new \))" "" "SIG$signal: nothing is left"
	kill $writer 2> "$T/null"
	rm "$T/pipe"
done
if [ "$(id -u)" != 0 ]; then
	chmod 000 "$B/model.safetensors"
	refused 1 "Permission denied" "an unreadable file" "$B" "$T/new"
else
	skip 4 "root reads everything"
fi
done_testing
