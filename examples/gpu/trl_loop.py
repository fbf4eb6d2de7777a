#!/usr/bin/env python3
"""TRL's DPOTrainer on the records of bench.py: the other peer, where trl is installed.

Its objective is DPO and not Omni-DPO, which costs the same; its batches are padded and count pairs, not tokens. What is
timed is its own loop as it comes, in bf16 products over fp32 parameters: reference log-probs computed before training,
then updates of --batch pairs in micro-batches of as many as --micro-tokens holds. Prints one JSON object like
torch_loop.py. The trainer takes texts; records of ids reach it through the one method that would tokenise them.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback

GIB = 2.0 ** 30


def sync():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_gib(cpu):
    if cpu:
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"device_gib": (total - free - int(os.environ.get("GPU_BASE_BYTES", 0))) / GIB}


class Ready(trl.DPOTrainer):
    """Takes records that are tokenised already, and times the reference passes."""

    def _prepare_dataset(self, dataset, *unused):
        return dataset

    def _precompute_ref_logps(self, *args, **kw):
        sync()
        start = time.perf_counter()
        out = super()._precompute_ref_logps(*args, **kw)
        sync()
        self.ref_seconds = time.perf_counter() - start
        return out


class Clock(TrainerCallback):
    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *unused, **more):
        sync()
        self.start = time.perf_counter()

    def on_step_end(self, *unused, **more):
        sync()
        self.seconds.append(time.perf_counter() - self.start)


def flat(r):
    return 2 * len(r["prompt_ids"]) + len(r["chosen_ids"]) + len(r["rejected_ids"])


def micro_pairs(records, tokens, batch):
    """Pairs of a micro-batch: a divisor of the batch that --micro-tokens can hold even of the longest."""
    longest = max(len(r["prompt_ids"]) + max(len(r["chosen_ids"]), len(r["rejected_ids"])) for r in records)
    return max(k for k in range(1, batch + 1) if batch % k == 0 and (k == 1 or 2 * k * longest <= tokens))


def build(o, records, cpu, folder):
    per = micro_pairs(records, o.micro_tokens or 16384, o.batch)
    config = trl.DPOConfig(
        output_dir=folder, per_device_train_batch_size=per, gradient_accumulation_steps=o.batch // per, max_steps=o.steps,
        learning_rate=1e-6, bf16=not cpu, use_cpu=cpu, precompute_ref_log_probs=True, gradient_checkpointing=o.checkpointing,
        max_length=None, report_to=[], save_strategy="no", logging_steps=o.steps, optim="adamw_torch_fused", warmup_steps=1,
        lr_scheduler_type="cosine", weight_decay=0.0, disable_tqdm=True, dataloader_num_workers=0)
    model = AutoModelForCausalLM.from_pretrained(o.model, dtype=torch.float32, attn_implementation="sdpa")
    nothing = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0}, "<pad>")), pad_token="<pad>",
                                      eos_token="<pad>")
    data = Dataset.from_list([{k: r[k] for k in ("prompt_ids", "chosen_ids", "rejected_ids")} for r in records])
    clock = Clock()
    return Ready(model=model, args=config, train_dataset=data, processing_class=nothing, callbacks=[clock]), clock, per


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--pairs", required=True)
    p.add_argument("--device", default="cuda")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--micro-tokens", type=int, default=0)
    p.add_argument("--checkpointing", action="store_true")
    o = p.parse_args()
    cpu = o.device == "cpu"
    with open(o.pairs, encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    with tempfile.TemporaryDirectory() as folder:
        trainer, clock, per = build(o, records, cpu, folder)
        tokens, memory = sum(map(flat, records)), device_gib(cpu)
        trainer.train()
    # the trainer shuffles; its updates differ in size only by chance
    seconds = statistics.median(clock.seconds[o.warmup:] or clock.seconds)
    print(json.dumps({
        "trl": trl.__version__, "micro_pairs": per,
        "ref": {"tokens_per_second": tokens / trainer.ref_seconds, "seconds": trainer.ref_seconds, **memory},
        "train": {"tokens_per_second": tokens / len(records) * o.batch / seconds, "seconds": seconds, "steps": clock.seconds,
                  "micro_pairs": per, "checkpointing": o.checkpointing, **device_gib(cpu)}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
