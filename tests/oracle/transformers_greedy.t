#!/usr/bin/env bash
# od-sample at temperature 0 draws the tokens that Hugging Face transformers draws greedily, in fp32; tiny models of every family, and
# SmolLM2 where it is there. PYTHON names a python3 that has torch and transformers; skipped without one.
. tests/cli/lib.sh

PYTHON=${PYTHON:-python3}
export TORCHINDUCTOR_CACHE_DIR=$T/inductor
"$PYTHON" -c 'import torch, transformers' 2> "$T/null" || skip_all "no torch and transformers for $PYTHON (set PYTHON)"

cat > "$T/greedy.py" <<'END'
"""greedy.py DIR N [PENALTY] < records with prompt ids > one list of new ids each: eager attention, float32, to N tokens or the end."""
import json, sys
import torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="eager").eval()
penalty = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
for line in sys.stdin:
    ids = torch.tensor([json.loads(line)])
    with torch.no_grad():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=int(sys.argv[2]),
                             repetition_penalty=penalty, pad_token_id=0)
    print(json.dumps(out[0, ids.shape[1]:].tolist()).replace(" ", ""))
END

prompts=("What is the capital of France?" "Write three sentences about a lighthouse keeper." "Explain why the sky is blue, in simple words.")

compare() { # DIR NAME TOKENS [PENALTY]
	printf '%s\n' "${prompts[@]}" | jq -Rc '{prompt: .}' > "$T/in"
	run_tool "$BIN/od-sample" -q --model "$1" --dtype fp32 --temperature 0 --max-tokens "$3" --repetition-penalty "${4:-1}" --ids "$T/in"
	exit_is 0 "$2: od-sample"
	jq -c '.responses[0].ids' "$T/out" > "$T/got"
	"$PYTHON" "$T/prompt.py" "$1" < "$T/in" > "$T/ids" 2> "$T/ids.err"
	"$PYTHON" "$T/greedy.py" "$1" "$3" "${4:-1}" < "$T/ids" > "$T/want" 2> "$T/want.err"
	ok "$2: transformers draws the same" cmp "$T/want" "$T/got" || { cat "$T/want" "$T/got"; tail -n 2 "$T/want.err"; } >&2
}
cat > "$T/prompt.py" <<'END'
"""prompt.py DIR < records > prompt ids by transformers' own chat template."""
import json, sys
from transformers import AutoTokenizer
t = AutoTokenizer.from_pretrained(sys.argv[1])
for line in sys.stdin:
    text = t.apply_chat_template([{"role": "user", "content": json.loads(line)["prompt"]}], tokenize=False, add_generation_prompt=True)
    print(json.dumps(t(text, add_special_tokens=False)["input_ids"]))
END

for case in "llama --untied --bias" "llama --rope-scaling" "qwen2" "gemma2"; do
	set -- $case
	rm -rf "$T/hf"
	python3 tests/fixtures/make_model.py "$T/hf" --family "$@" --positions 512
	python3 tests/fixtures/make_tokenizer.py "$T/hf" 320 --template smollm2 --pattern smollm
	compare "$T/hf" "$case" 64
	compare "$T/hf" "$case, with a penalty" 64 1.3
done

SMOLLM2=${SMOLLM2:-.cache/smollm2}
if [ -e "$SMOLLM2/model.safetensors" ]; then
	compare "$SMOLLM2" SmolLM2 64
else
	skip 2 "no model in $SMOLLM2"
fi
done_testing
