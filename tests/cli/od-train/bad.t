#!/usr/bin/env bash
# Input and places that are not as they should be: one line that names the thing, the right exit code, nothing left behind.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh

W="$T/w"
mkdir "$W"
make_tiny "$W/model"
id_pairs 12 > "$W/bare"
"$BIN/od-ref" -q --threads 1 --model "$W/model" < "$W/bare" > "$W/pairs"
"$BIN/od-ref" -q --threads 1 --model "$W/model" --framed < "$W/bare" > "$W/framed"
"$BIN/od-ref" -q --threads 1 --model "$W/model" --tensors < "$W/bare" > "$W/tensors"
BIN=$(cd "$BIN" && pwd)
cd "$W" || exit 1
files=$(ls)

# refused CODE REGEX NAME COMMAND...: exit code, one line that begins with the tool's name and matches, nothing left.
refused() {
	local code=$1 regex=$2 name=$3
	shift 3
	run_tool "$@"
	exit_is "$code" "$name: exit $code"
	like "$(grep -v ': warning: ' <<< "$err")" "^od-train: $regex" "$name: the reason"
	one_line "$(grep -v ': warning: ' <<< "$err")" "$name: one line"
	is "$(ls)" "$files" "$name: nothing is left behind"
}
with() { # JQ-PROGRAM: the fifth record changed
	jq -c "if .id == \"p5\" then $1 else . end" pairs
}
T1="train --model model --out out --batch 4"

# ---- records ----
refused 3 "<stdin>:1: " "malformed JSON" $T1 <<< '{"id":'
with 'del(.score_chosen)' > "$T/in"
refused 3 ".*/in:5: record 'p5': field 'score_chosen' is missing" "a score is missing" $T1 "$T/in"
with '.score_chosen = "high"' > "$T/in"
refused 3 ".*/in:5: record 'p5': field 'score_chosen' must be a number, not a string" "a score of the wrong type" $T1 "$T/in"
sed '5s/"score_chosen":[0-9.]*/"score_chosen":NaN/' pairs > "$T/in"
refused 3 ".*/in:5: " "a score that is NaN" $T1 "$T/in"
with 'del(.ref_rejected_logps)' > "$T/in"
refused 3 ".*/in:5: record 'p5': field 'ref_rejected_logps' is missing" "no reference" $T1 "$T/in"
refused 3 "bare:1: record 'p1': field 'ref_chosen_logps' is missing" "no reference anywhere" $T1 bare
with 'del(.rejected_ids)' > "$T/in"
refused 3 ".*/in:5: record 'p5': field 'rejected_ids' is missing" "no rejected side" $T1 "$T/in"
with '.chosen_ids[0] = 64' > "$T/in"
refused 3 ".*/in:5: record 'p5': token id 64 is outside the model's vocabulary of 64" "an id beyond the vocabulary" $T1 "$T/in"
with '.chosen_ids[0] = -1' > "$T/in"
refused 3 ".*/in:5: record 'p5': " "a negative id" $T1 "$T/in"
with '.prompt_ids = "abc"' > "$T/in"
refused 3 ".*/in:5: record 'p5': field 'prompt_ids' must be a list" "ids of the wrong type" $T1 "$T/in"
with '.chosen_tokens = 99' > "$T/in"
refused 3 ".*/in:5: record 'p5': field 'chosen_tokens' is 99" "the reference counted other tokens" $T1 "$T/in"
printf '{"prompt":"\xff"}\n' > "$T/in"
refused 3 ".*/in:1: invalid JSON at byte 11: .*decode byte 0xff" "invalid UTF-8" $T1 "$T/in"
refused 3 "<stdin>: " "empty input" $T1 < /dev/null
refused 1 "cannot open 'nothing'" "a file that is not there" $T1 nothing
jq -c '{prompt:"x",chosen:"y",rejected:"z",score_chosen,score_rejected,ref_chosen_logps,ref_rejected_logps}' pairs > "$T/in"
refused 3 ".*/in:1: .*tokenizer" "text for a model without a tokenizer" $T1 "$T/in"
run_tool $T1 --skip-bad --steps 1 <(with 'del(.score_chosen)')
exit_is 4 "--skip-bad: exit 4"
like "$err" "1 malformed record skipped; the first: .*:5: record 'p5': field 'score_chosen' is missing" "it says what was left out"
is "$(jq .data.pairs out/od-train.json)" 11 "the others were trained on"
rm -rf out out.run
run_tool "$BIN/od-train" --threads 1 --model model --out out --steps 1 <(with '.rejected_ids = .chosen_ids | .rejected_tokens = .chosen_tokens')
exit_is 0 "identical responses are left out by policy: exit 0"
like "$err" '11 training pairs; left out: 1 identical' "and counted"
rm -rf out out.run
refused 3 "no pairs to train on" "nothing left by policy" train --model model --out out --max-length 3 --skip-bad \
	<(jq -c 'del(.ref)' pairs)

# ---- references ----
with '.ref.tokenizer = "0123456789abcdef"' > "$T/in"
refused 3 ".*/in:5: record 'p5': the reference was made with another tokenizer" "a record of another tokenizer" $T1 "$T/in"
with '.ref.rules = "ids scored drop 2048/1800"' > "$T/in"
refused 3 ".*/in:5: record 'p5': the reference was made with --header scored, here it is masked" "a record of other rules" $T1 "$T/in"
refused 3 "pairs:1: record 'p1': the reference was made with --truncate drop, here it is cut" "rules given that are not the reference's" \
	$T1 --truncate cut pairs
refused 3 "pairs:1: record 'p1': the reference was made with --max-length 2048, here it is 100" "another length" $T1 --max-length 100 pairs
with '.ref.model = "0123"' > "$T/in"
refused 3 ".*/in:5: record 'p5': the reference is another model" "two reference models" $T1 "$T/in"
jq -c '.ref_chosen_logps -= 1' pairs > "$T/in"
refused 3 "self-test: .* pair 'p[0-9]+' differ .* by 1: " "numbers that are not this model's" $T1 "$T/in"
jq -c '.ref.numerics = "other" | .ref_chosen_logps -= 0.001' pairs > "$T/in"
run_tool $T1 --steps 1 "$T/in"
exit_is 0 "other numerics are no error"
like "$err" "warning: the reference was made with other numerics \('other', here" "but a warning"
rm -rf out out.run
jq -c 'del(.ref)' pairs > "$T/in"
run_tool $T1 --steps 1 "$T/in"
exit_is 0 "records without 'ref' are used"
is "$(grep -c 'do not say how their reference was made' <<< "$err")" 1 "with one warning"
rm -rf out out.run
jq -c '.ref.model = "another" | .ref_chosen_logps -= 1' pairs > "$T/in"
run_tool $T1 --steps 1 "$T/in"
exit_is 0 "a reference that is not the start model is fine"
rm -rf out out.run
jq -c '.score_chosen = 2 | .score_rejected = 1' pairs > "$T/in"
run_tool $T1 --steps 1 "$T/in"
like "$err" 'warning: w_qual is nearly constant' "a constant w_qual is a warning"
like "$err" 'warning: no chosen score reaches tau_good' "an unreachable tau_good is a warning"
rm -rf out out.run

# ---- streams that end early ----
head -n 8 framed > "$T/in"
refused 3 ".*/in:8: .*without its end" "a framed stream that was cut" $T1 "$T/in"
{ head -n 5 pairs; echo '{"od_error":{"message":"od-ref: cannot go on"}}'; } > "$T/in"
refused 3 ".*/in:6: .*cannot go on" "an upstream that failed" $T1 "$T/in"
head -c 2000 tensors > "$T/in"
refused 3 ".*/in: byte 0: " "a tensor stream that was cut" $T1 "$T/in"
refused 3 "<stdin>: byte 0: " "a tensor stream that was cut, in a pipe" $T1 - < "$T/in"
refused 3 ".*/model.safetensors: byte 0: safetensors image without pairs" "tensors of another kind" $T1 model/model.safetensors
run_tool bash -c '{ "$1/od-ref" -q --threads 1 --model model --framed bare | head -n 6; } | "$1/od-train" -q --threads 1 --model model --out out' \
	_ "$BIN"
exit_is 3 "a producer that was killed: exit 3"
ok "and no OUT" test ! -e out -a ! -e out.run
head -n 6 framed > "$T/in"
run_tool $T1 --partial --steps 1 "$T/in"
exit_is 0 "--partial takes what is there"
rm -rf out out.run

# ---- models ----
cp -r model broken; files=$(ls)
head -c 5000 model/model.safetensors > broken/model.safetensors
refused 3 ".*broken/model.safetensors" "a cut model" train --model broken --out out pairs
cp model/model.safetensors broken/
jq '.hidden_size = 32 | .head_dim = 16' model/config.json > broken/config.json
refused 3 "broken: tensor '.*' has shape" "a shape that is not the configuration's" train --model broken --out out pairs
jq '.architectures = ["NoSuchModel"] | .model_type = "nosuch"' model/config.json > broken/config.json
refused 1 ".*(nosuch|NoSuchModel)" "an unknown architecture" train --model broken --out out pairs
refused 1 "cannot open 'nowhere/config.json'" "no model" train --model nowhere --out out pairs

# ---- numbers that are not finite ----
cp model/config.json broken/
python3 - model/model.safetensors broken/model.safetensors <<- 'PYTHON'
	import json, struct, sys
	raw = bytearray(open(sys.argv[1], "rb").read())
	(n,) = struct.unpack("<Q", raw[:8])
	at = json.loads(raw[8:8 + n])["model.embed_tokens.weight"]["data_offsets"][0]
	struct.pack_into("<f", raw, 8 + n + at + 4 * 16 * 9, float("nan"))       # a weight of token 9
	open(sys.argv[2], "wb").write(raw)
PYTHON
run_tool train --model broken --out out --objective simpo --batch 4 pairs
exit_is 1 "a model with a NaN: exit 1"
like "$err" "od-train: update 1: the loss of pair 'p[0-9]+' is not finite" "the pair is named"
ok "no result" test ! -e out
rm -rf out.run
run_tool train --model model --out out --objective simpo --batch 4 --lr 1e20 --clip 0 --warmup-ratio 0 --epochs 3 pairs
exit_is 1 "a run that explodes: exit 1"
like "$err" "od-train: update [2-9]: the (loss|gradient) of pair 'p[0-9]+' is not finite" "update and pair are named"
ok "the last state is saved" test -f "$(ls -d out.run/step-* | tail -1)/state.json"
is "$(grep -c '"lr"' out.run/metrics.jsonl)" "$(ls -d out.run/step-* | sed 's/.*-//')" "with the metrics up to it"
ok "no result" test ! -e out
rm -rf out.run broken; files=$(ls)

# ---- places ----
mkdir out; files=$(ls)
refused 2 "'out' exists already; --force replaces it" "an OUT that is there" $T1 pairs
run_tool $T1 --steps 1 --force pairs
exit_is 0 "--force replaces it"
ok "by the result" test -f out/model.safetensors
rm -rf out; files=$(ls)
refused 2 "'out.run' holds a run: --resume goes on with it, --force discards it" "an OUT.run that is there" $T1 pairs
run_tool $T1 --steps 1 --force pairs
exit_is 0 "--force discards it"
run_tool $T1 --steps 1 --resume pairs
exit_is 0 "--resume of a finished run: nothing to do"
rm -rf out out.run
mkdir out.run; echo precious > out.run/letter; files=$(ls)
refused 2 "'out.run' is there and is no run of od-train" "an OUT.run of someone else" $T1 --force pairs
is "$(cat out.run/letter)" precious "is left alone"
rm -rf out.run; files=$(ls)
refused 1 "cannot create .*'no/such/out.run'" "an OUT nowhere" train --model model --out no/such/out pairs
refused 2 "option '--out' is required" "no --out" train --model model pairs
refused 2 "option '--model' is required" "no --model" train --out out pairs
refused 2 "option '--keep-best' needs '--eval'" "--keep-best without --eval" $T1 --keep-best pairs
refused 2 "cannot find recipe 'nothing'; there are llama3-8b-base" "an unknown recipe" $T1 --recipe nothing pairs
refused 3 "pairs:1: record 'p1': field 'importance' is missing" "a weight field that is not there" $T1 --weight-field importance pairs

# ---- full disks ----
run_tool $T1 --steps 2 --metrics /dev/full pairs
exit_is 1 "metrics on a full disk: exit 1"
like "$err" "od-train: cannot write '/dev/full': No space left on device" "it says so"
ok "no result" test ! -e out
ok "the state is saved" test -f out.run/step-1/state.json
rm -rf out.run
# limited KIB COMMAND...: files cannot grow beyond that; a write beyond fails instead of killing.
limited() { (ulimit -f "$1"; trap '' XFSZ; shift; exec "$@"); }
OD="$BIN/od-train -q --threads 1 --model model --out out"
run_tool limited 6 $OD pairs
exit_is 1 "a result that does not fit: exit 1"
like "$err" "od-train: cannot write the result 'out': .*File too large" "it says so"
like "$err" "warning: the last state could not be saved" "and that nothing could be saved"
ok "nothing half-written" test ! -e out -a ! -e out.tmp
run_tool $OD --resume pairs
exit_is 0 "with room again, --resume finishes"
rm -rf out out.run
run_tool limited 6 $OD --batch 4 --save-every 1 pairs
exit_is 1 "a checkpoint that does not fit: exit 1"
like "$err" "od-train: cannot write checkpoint 'out.run/step-1': .*File too large" "it says so"
rm -rf out.run
files=$(ls)
refused 1 "cannot write .*spool.pairs.*File too large" "a spool that does not fit" limited 1 $OD pairs

# ---- readers that leave ----
mkfifo fifo
head -n 1 fifo > /dev/null &
run_tool $T1 --epochs 20 --telemetry fifo pairs
exit_is 0 "a reader of the telemetry that leaves does not end the run"
is "$(grep -c "the reader of 'fifo' has gone" <<< "$err")" 1 "one warning"
is "$(wc -l < out.run/telemetry.jsonl)" 240 "the run's own log is whole"
rm -rf out out.run fifo

run_tool train --model model --out out --objective simpo --batch 12 --lr 1e20 --clip 0 --warmup-ratio 0 --eval bare pairs
exit_is 1 "a held-out loss that is not finite: exit 1"
like "$err" "od-train: after update 1: the loss of held-out pair 'p1' is not finite" "the pair is named"
rm -rf out.run

# ---- memory: a model of 38 million parameters, all zero, in a file of holes ----
mkdir big
python3 - model big <<- 'PYTHON'
	import json, struct, sys
	config = json.load(open(sys.argv[1] + "/config.json"))
	raw = open(sys.argv[1] + "/model.safetensors", "rb").read()
	header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
	config["vocab_size"] = header["model.embed_tokens.weight"]["shape"][0] = 2400000
	end = 0
	for name, t in header.items():
	    if name != "__metadata__":
	        n = 4
	        for d in t["shape"]:
	            n *= d
	        t["data_offsets"] = [end, end + n]
	        end += n
	text = json.dumps(header).encode()
	text += b" " * (-len(text) % 8)
	json.dump(config, open(sys.argv[2] + "/config.json", "w"))
	with open(sys.argv[2] + "/model.safetensors", "wb") as f:
	    f.write(struct.pack("<Q", len(text)) + text)
	    f.truncate(8 + len(text) + end)
PYTHON
files=$(ls)
if bash -c 'ulimit -v 600000; exec "$@"' _ "$BIN/od-train" --version > /dev/null 2>&1; then
	refused 1 "not enough memory: the planned peak is 58[0-9].[0-9]+ MiB, available are" "not enough memory" \
		bash -c 'ulimit -v 600000; exec "$@"' _ $OD --model big pairs
else
	skip 4 "no bound of the address space under a sanitizer"
fi
cd / || exit 1
done_testing
