#!/usr/bin/env python3
"""Does Hugging Face transformers load a model directory, and does it give the log-probs that od-ref gave?

usage: transformers_logps.py MODEL_DIR PAIRS.tensors

PAIRS.tensors is what `od-ref --model MODEL_DIR --tensors` wrote. Needs torch and transformers; exit 77 without them.
Also checks that AutoTokenizer loads. Prints the worst difference of a response's sum and exits 1 beyond 2e-3 (fp32
against fp32 over some hundred tokens).
"""
import json
import struct
import sys
from array import array

try:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
except ImportError as e:
    print(f"# {e}")
    sys.exit(77)

CODES = {"I32": "i", "F64": "d", "F32": "f", "U8": "B"}


def images(path):
    """The tensors of each safetensors image of a stream, as arrays."""
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        size = struct.unpack_from("<Q", data, at)[0]
        header = json.loads(data[at + 8:at + 8 + size])
        base = at + 8 + size
        meta = header.pop("__metadata__", {})
        tensors = {k: array(CODES[v["dtype"]], data[base + v["data_offsets"][0]:base + v["data_offsets"][1]])
                   for k, v in header.items()}
        at = base + max((v["data_offsets"][1] for v in header.values()), default=0)
        yield meta, tensors


def pairs(path):
    for _, t in images(path):
        at = 0
        for i in range(len(t.get("lengths", ())) // 3):
            p, c, r = t["lengths"][3 * i:3 * i + 3]
            ids = list(t["ids"][at:at + p + c + r])
            at += p + c + r
            yield ids[:p], (ids[p:p + c], ids[p + c:]), t["ref_logps"][2 * i:2 * i + 2]


def summed_logp(model, prompt, response):
    with torch.no_grad():
        logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1:-1].float()
    return torch.log_softmax(logits, -1).gather(-1, torch.tensor(response)[:, None]).sum().item()


def main():
    directory, stream = sys.argv[1:3]
    torch.set_num_threads(2)
    AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    worst, n = 0.0, 0
    for prompt, responses, ours in pairs(stream):
        for response, logp in zip(responses, ours):
            worst = max(worst, abs(summed_logp(model, prompt, response) - logp))
            n += 1
    print(f"{n} responses, worst difference of a summed log-prob {worst:.3g}")
    return n == 0 or worst > 2e-3


if __name__ == "__main__":
    sys.exit(main())
