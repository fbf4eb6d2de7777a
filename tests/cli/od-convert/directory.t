#!/usr/bin/env bash
# od-convert: directory -> directory: types, shards, the other files.
. tests/cli/lib.sh

C=$BIN/od-convert
M=$T/hf
python3 tests/fixtures/make_model.py "$M" --untied
python3 tests/fixtures/make_tokenizer.py "$M" 320
printf 'any bytes \001\377' > "$M/README.md"
ln -s README.md "$M/link.md"
mkdir "$M/original"

run_tool "$C" "$M" "$T/same"
exit_is 0 "auto: exit 0"
like "$err" "left out '.*original'" "a folder inside is left out and named"
rmdir "$M/original"
is "$(diff -rq "$M" "$T/same" 2>&1)" "" "every file is the same, config.json too"
ok "a link's target is copied" test ! -L "$T/same/link.md"

run_tool "$C" "$M" "$T/bf16" --dtype bf16 --quiet
exit_is 0 "bf16: exit 0"
is "$err" "" "--quiet says nothing"
is "$(jq -r .torch_dtype "$T/bf16/config.json")" bfloat16 "config.json names the type"
is "$(diff <(sed 's/float32/bfloat16/' "$M/config.json") "$T/bf16/config.json")" "" "and nothing else in it moved"
is "$(diff -rq "$M" "$T/bf16" | sed 's/.*hf.\([^ ]*\) and.*/\1/' | sort | tr '\n' ' ')" "config.json model.safetensors " \
	"nothing else changed"
run_tool "$C" "$T/bf16" "$T/f32" --dtype f32
run_tool "$C" "$T/f32" "$T/bf16again" --dtype bf16
is "$(diff -rq "$T/bf16" "$T/bf16again" 2>&1)" "" "bf16 to f32 and back loses nothing"
run_tool "$C" "$T/bf16" "$T/bf16kept"
is "$(diff -rq "$T/bf16" "$T/bf16kept" 2>&1)" "" "auto keeps bf16"
ok "bf16 is rounded to nearest even" python3 - "$M" "$T/bf16" <<-'END'
	import json, struct, sys
	def read(d):
	    f = open(d + "/model.safetensors", "rb"); n, = struct.unpack("<Q", f.read(8)); h = json.loads(f.read(n)); b = f.read()
	    return {k: b[slice(*t["data_offsets"])] for k, t in h.items() if k != "__metadata__"}
	a, b = read(sys.argv[1]), read(sys.argv[2])
	for k in a:
	    u = struct.unpack("<%dI" % (len(a[k]) // 4), a[k])
	    assert struct.pack("<%dH" % len(u), *((v + 0x7fff + (v >> 16 & 1)) >> 16 for v in u)) == b[k], k
END

# The newer spelling of the key; both at once.
jq -c '.dtype = .torch_dtype | del(.torch_dtype)' "$M/config.json" > "$T/c" && cp "$T/c" "$M/config.json"
run_tool "$C" "$M" "$T/dialect" --dtype bf16
is "$(jq -c '[.dtype, .torch_dtype]' "$T/dialect/config.json")" '["bfloat16",null]' "'dtype' is updated where that is the key"
jq -c 'del(.dtype)' "$M/config.json" > "$T/c" && cp "$T/c" "$M/config.json"
run_tool "$C" "$M" "$T/nokey" --dtype bf16
is "$(jq -c '[.dtype, .torch_dtype]' "$T/nokey/config.json")" '[null,"bfloat16"]' "'torch_dtype' is added where there is none"

# Shards.
run_tool "$C" "$M" "$T/shards" --shard-size 40K
exit_is 0 "--shard-size: exit 0"
ok "no file is over the size but for one tensor alone" python3 - "$T/shards" <<-'END'
	import glob, json, os, struct, sys
	d = sys.argv[1]; files = sorted(glob.glob(d + "/model-*.safetensors")); index = json.load(open(d + "/model.safetensors.index.json"))
	assert len(files) > 3 and not os.path.exists(d + "/model.safetensors")
	assert [os.path.basename(f) for f in files] == ["model-%05d-of-%05d.safetensors" % (i + 1, len(files)) for i in range(len(files))]
	seen, total = {}, 0
	for f in files:
	    b = open(f, "rb").read(); n, = struct.unpack("<Q", b[:8]); h = json.loads(b[8:8 + n]); assert h.pop("__metadata__") == {"format": "pt"}
	    size = len(b) - 8 - n; assert size <= 40 << 10 or len(h) == 1, f
	    total += size; seen.update({k: os.path.basename(f) for k in h})
	assert index["weight_map"] == seen and index["metadata"]["total_size"] == total
END
run_tool "$C" "$T/shards" "$T/joined"
exit_is 0 "and joined again: exit 0"
is "$(diff -rq "$M" "$T/joined" 2>&1)" "" "every file is the same as before"
run_tool "$C" "$T/shards" "$T/shards.gguf"
run_tool "$C" "$M" "$T/whole.gguf"
ok "a sharded model makes the same GGUF" cmp "$T/shards.gguf" "$T/whole.gguf"

# An output that is there.
run_tool "$C" "$M" "$T/same"
exit_is 2 "an existing output: exit 2"
like "$err" "^od-convert: .*same'.*exists" "it is named"
one_line "$err" "in one line"
touch "$T/same/stale"
run_tool "$C" --force "$M" "$T/same"
exit_is 0 "--force: exit 0"
ok "--force replaces all of it" test ! -e "$T/same/stale"
mkdir "$T/precious" && touch "$T/precious/thesis.tex"
run_tool "$C" --force "$M" "$T/precious"
exit_is 2 "--force on a folder that is no model: exit 2"
ok "which stays" test -e "$T/precious/thesis.tex"
run_tool "$C" --force "$M" "$M"
exit_is 2 "input and output the same: exit 2"
run_tool "$C" --force "$M" "$M/../hf/"
exit_is 2 "the same by another name: exit 2"
ok "the input is whole" test -s "$M/model.safetensors"
is "$(find "$T" -name '*.tmp')" "" "no temporary is left"
done_testing
