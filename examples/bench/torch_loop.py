#!/usr/bin/env python3
"""The peer of bench.py: Omni-DPO in a plain PyTorch loop, written to be as quick as such a loop gets.

One pair at a time, so no padding beyond the pair's own; the LM head on response positions only; reference log-probs
computed once, before training. Reads the JSONL of random token ids that bench.py makes. Prints one JSON object.

usage: torch_loop.py CONFIG.json PAIRS.jsonl {fp32|bf16}
"""
import json
import sys
import time

import torch
from torch.nn.functional import logsigmoid
from transformers import LlamaConfig, LlamaForCausalLM

BETA, ETA, GAMMA, TAU_REF = 2.0, 0.7, 3.0, 0.8


def mean_logp(model, prompt, responses):
    """Mean log-prob of each response, both in one padded forward pass."""
    longest = max(len(r) for r in responses)
    ids = torch.zeros(len(responses), len(prompt) + longest, dtype=torch.long)
    for row, response in zip(ids, responses):
        row[:len(prompt) + len(response)] = torch.tensor(prompt + response)
    hidden = model.model(ids).last_hidden_state[:, len(prompt) - 1:-1]
    means = []
    for h, response in zip(hidden, responses):
        logits = model.lm_head(h[:len(response)]).float()
        picked = logits.gather(-1, torch.tensor(response)[:, None])[:, 0]
        means.append((picked - logits.logsumexp(-1)).mean())
    return means


def pair_loss(p, r, scores):
    weight = torch.sigmoid(torch.tensor(ETA * (scores[0] - scores[1])))
    focus = (1 - torch.sigmoid(BETA * (p[0] - p[1]) - TAU_REF)) ** GAMMA
    return -weight * focus * logsigmoid(BETA * ((p[0] - p[1]) - (r[0] - r[1])))


def main():
    config, pairs, dtype = sys.argv[1:4]
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**json.load(open(config))))
    model = model.to(torch.bfloat16 if dtype == "bf16" else torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    pairs = [json.loads(line) for line in open(pairs)]
    sides = [(p["prompt_ids"], (p["chosen_ids"], p["rejected_ids"])) for p in pairs]
    tokens = sum(2 * len(p) + len(c) + len(j) for p, (c, j) in sides)

    start = time.time()
    with torch.no_grad():
        reference = [[float(v) for v in mean_logp(model, *s)] for s in sides]
    middle = time.time()
    for pair, side, ref in zip(pairs, sides, reference):
        scores = pair["score_chosen"], pair["score_rejected"]
        (pair_loss(mean_logp(model, *side), ref, scores) / len(pairs)).backward()
    optimizer.step()
    end = time.time()
    print(json.dumps({"ref": tokens / (middle - start), "train": tokens / (end - middle),
                      "torch": torch.__version__, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
