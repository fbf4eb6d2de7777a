#!/usr/bin/env bash
# What od-convert makes of GGUF files loads in Hugging Face transformers and gives od-ref's log-probs there.
# PYTHON names a python3 that has torch and transformers; skipped without one.
. tests/cli/lib.sh

PYTHON=${PYTHON:-python3}
"$PYTHON" -c 'import torch, transformers' 2> "$T/null" || skip_all "no torch and transformers for $PYTHON (set PYTHON)"

cat > "$T/reference.py" <<'END'
"""reference.py DIR < records with ids > the same through transformers, eager attention, float32."""
import json, sys
import torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="eager").eval()
for line in sys.stdin:
    r = json.loads(line)
    ids = r["prompt_ids"] + r["chosen_ids"]
    with torch.no_grad():
        logp = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
    print(json.dumps([logp[i - 1, ids[i]].item() for i in range(len(r["prompt_ids"]), len(ids))]))
END

# compare DIR RECORDS NAME [SUM]: tokens within 2e-5; of a real model, where both sides round in float32 over hundreds of
# tokens and thirty layers, sums of responses within 2e-3.
compare() {
	"$PYTHON" "$T/reference.py" "$1" < "$2" > "$T/want" 2> "$T/want.err"
	is $? 0 "$3: loads in transformers"
	run_tool "$BIN/od-ref" --model "$1" --quiet --per-token "$2"
	exit_is 0 "$3: od-ref reads it"
	jq -c '.ref_chosen_token_logps' "$T/out" > "$T/got"
	ok "$3: the log-probs agree" python3 - "$T/want" "$T/got" "${4:-}" <<-'END'
		import json, sys
		want, got = ([json.loads(l) for l in open(f)] for f in sys.argv[1:3])
		assert len(want) == len(got) > 0 and all(len(a) == len(b) > 0 for a, b in zip(want, got))
		sums = max(abs(sum(a) - sum(b)) for a, b in zip(want, got))
		worst = max(abs(x - y) for a, b in zip(want, got) for x, y in zip(a, b))
		print("# worst difference of a token %.2g, of a sum %.2g" % (worst, sums))
		assert sums < 2e-3 if sys.argv[3] else worst < 2e-5
	END
}

python3 -c '
import json, random
r = random.Random(3)
for n in (2, 17, 40):
    print(json.dumps({k: [r.randrange(320) for _ in range(m)] for k, m in (("prompt_ids", 5), ("chosen_ids", n), ("rejected_ids", 3))}))
' > "$T/records"
for case in "llama --untied --bias" "llama --rope-scaling" "qwen2" "gemma2"; do
	set -- $case
	rm -rf "$T/hf" "$T/new"
	python3 tests/fixtures/make_model.py "$T/hf" --family "$@"
	python3 tests/fixtures/make_tokenizer.py "$T/hf" 320 --template smollm2 --pattern smollm
	python3 tests/fixtures/make_gguf.py "$T/hf" "$T/m.gguf"
	run_tool "$BIN/od-convert" "$T/m.gguf" "$T/new"
	exit_is 0 "$case: converted"
	compare "$T/new" "$T/records" "$case"
done

# The tokenizer made from a vocabulary's arrays is the one it came from.
printf '%s\n' "The river, 12 owls<|im_end|> and a train." "  two  spaces, naïve café — 3.14" "x=[1,2]; don't" > "$T/texts"
cat > "$T/tokens.py" <<'END'
import json, sys
from transformers import AutoTokenizer
t = AutoTokenizer.from_pretrained(sys.argv[1])
for line in sys.stdin:
    print(json.dumps(t(line.rstrip("\n"), add_special_tokens=False)["input_ids"]).replace(" ", ""))
END
"$PYTHON" "$T/tokens.py" "$T/new" < "$T/texts" > "$T/want" 2> "$T/want.err"
jq -Rc '{text: .}' "$T/texts" | "$BIN/od-inspect" tokens --model "$T/new" | jq -c .ids > "$T/got"
ok "transformers' tokenizer reads it and gives od-inspect's ids" cmp "$T/want" "$T/got"

SMOLLM2=${SMOLLM2:-.cache/smollm2}
if [ -e "$SMOLLM2/model.safetensors" ]; then
	head -n 2 "$ORACLE/oracle/smollm2_pairs.jsonl" | jq -c '{prompt_ids, chosen_ids, rejected_ids}' > "$T/real"
	compare "$SMOLLM2" "$T/real" "SmolLM2 out of its GGUF" sum
else
	skip 3 "no model in $SMOLLM2"
fi
done_testing
