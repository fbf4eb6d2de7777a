#!/usr/bin/env python3
"""The PyTorch peer of both benchmarks, on GPUs and on processors: reference passes and Omni-DPO updates on the records that od-ref and od-train get, as tight
as the public interfaces of PyTorch and transformers allow.

What it does for speed: chosen and rejected in one forward pass; no padding at all where variable-length flash attention is
to be had (--attention varlen), else batches of similar lengths padded on the right with causal SDPA and no mask; a
sequence's last token left out, as it predicts nothing; the LM head on response positions alone, in chunks; fused AdamW; data
on the device before the clock starts; no synchronisation inside an update; reference passes in bf16 weights, once, before
training. What it does not do is share a pair's prompt: PyTorch's attention has no such mask that is also quick.

--master fp32 has fp32 parameters, gradients and moments, and computes under autocast: the numerics of od-train.
--master bf16 has everything in bf16: the lightest there is, and other numerics (small updates are rounded away).

Without --micro-tokens it takes the largest of 32768, 16384, ... that fits, and gradient checkpointing when none does.
On a processor a pair at a time is quickest (--micro-tokens 1): nothing is gained by larger products, and caches are small.
There varlen is one SDPA a sequence, which needs no padding either and is quicker than padded batches.
Prints one JSON object. Rates count the prompt once for each response. Peak memory on a processor is each phase's own, loading
left out. --idle only reports the memory of a process that has loaded its libraries.
"""
import argparse
import contextlib
import inspect
import json
import math
import os
import statistics
import sys
import time

import torch
import transformers
from torch.nn.functional import log_softmax, logsigmoid, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AutoModelForCausalLM

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:
    varlen_attn = None

BETA, ETA, GAMMA, TAU_REF, LAMBDA, TAU_GOOD = 2.0, 0.7, 3.0, 0.8, 0.001, 3.2
GIB = 2.0 ** 30
HEAD_ROWS = 4096       # rows whose logits are computed at once: enough to fill a GPU, few enough for their temporaries


# ---- attention without padding -------------------------------------------------------------------------------------

class Packed:
    """Attention over sequences laid end to end. 'grouped': the kernel takes fewer key heads than query heads, which
    newer versions want to be told."""
    grouped = True
    told = {"enable_gqa": True} if varlen_attn and "enable_gqa" in inspect.signature(varlen_attn).parameters else {}

    @staticmethod
    def each(q, k, v, starts, scale):
        """The same by one SDPA a sequence: for devices without the kernel, and to check the kernel against."""
        out = []
        for a, b in zip(starts[:-1], starts[1:]):
            part = [x[a:b].transpose(0, 1)[None] for x in (q, k, v)]
            out.append(scaled_dot_product_attention(*part, is_causal=True, scale=scale, enable_gqa=True)[0].transpose(0, 1))
        return torch.cat(out)

    @classmethod
    def kernel(cls, q, k, v, starts, longest, scale):
        if not cls.grouped:
            k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for x in (k, v))
        more = cls.told if cls.grouped else {}
        return varlen_attn(q, k, v, starts, starts, longest, longest, scale=scale, window_size=(-1, 0), **more)

    @classmethod
    def works(cls, device):
        """Tries the kernel, forward and backward, against SDPA: first with grouped heads, then with repeated ones."""
        if varlen_attn is None or device.type != "cuda":
            return False
        torch.manual_seed(0)
        x = [torch.randn(96, h, 64, device=device, dtype=torch.bfloat16, requires_grad=True) for h in (6, 2, 2)]
        starts = torch.tensor([0, 33, 96], dtype=torch.int32, device=device)
        want = torch.autograd.grad(cls.each(*x, [0, 33, 96], None).float().square().sum(), x)
        for cls.grouped in (True, False):
            try:
                got = torch.autograd.grad(cls.kernel(*x, starts, 63, None).float().square().sum(), x)
            except (RuntimeError, ValueError, NotImplementedError, TypeError):
                continue
            if all((a - b).float().norm() <= 0.02 * b.float().norm() for a, b in zip(got, want)):
                return True
        return False


def packed_attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, cu_seq_lens_q=None,
                     max_length_q=0, **unused):
    """transformers' interface: [1, heads, tokens, dim] in, [1, tokens, heads, dim] out."""
    # rotary embeddings leave fp32 under autocast, and a kernel that autocast does not know must be told
    q, k, v = (x[0].transpose(0, 1).to(value.dtype) for x in (query, key, value))
    if q.is_cuda:
        return Packed.kernel(q, k, v, cu_seq_lens_q, max_length_q, scaling)[None], None
    return Packed.each(q, k, v, cu_seq_lens_q.tolist(), scaling)[None], None


AttentionInterface.register("packed", packed_attention)


# ---- batches -------------------------------------------------------------------------------------------------------

class Micro:
    """Pairs that run through the model at once: their inputs, and which hidden rows predict which token of which side."""

    def __init__(self, records, index, packed, device):
        self.pairs = index
        sides = [(records[i]["prompt_ids"], records[i][side]) for i in index for side in ("chosen_ids", "rejected_ids")]
        inputs = [(p + r)[:-1] for p, r in sides]
        lengths = [len(s) for s in inputs]
        self.width = max(lengths)
        put = lambda values, kind=torch.long: torch.tensor(values, dtype=kind).to(device)
        if packed:
            starts = [0]
            for n in lengths:
                starts.append(starts[-1] + n)
            ids = [t for s in inputs for t in s]
            cu = put(starts, torch.int32)
            self.inputs = {"input_ids": put([ids]), "position_ids": put([[i for n in lengths for i in range(n)]]),
                           "cu_seq_lens_q": cu, "cu_seq_lens_k": cu, "max_length_q": self.width,
                           "max_length_k": self.width}
        else:
            starts = [i * self.width for i in range(len(inputs))]
            self.inputs = {"input_ids": put([s + [0] * (self.width - len(s)) for s in inputs])}
        self.computed = sum(lengths) if packed else self.width * len(inputs)
        self.rows = put([a + len(p) - 1 + j for a, (p, r) in zip(starts, sides) for j in range(len(r))])
        self.targets = put([t for _, r in sides for t in r])
        self.side = put([k for k, (_, r) in enumerate(sides) for _ in r])
        self.sizes = put([len(r) for _, r in sides], torch.float64)
        self.which = put(index)


def size_of(record):
    return len(record["prompt_ids"]) + max(len(record["chosen_ids"]), len(record["rejected_ids"]))


def plan(records, index, budget, packed, device):
    """Cuts pairs into micro-batches of at most 'budget' computed tokens; sorted by length where padding costs."""
    order = list(index) if packed else sorted(index, key=lambda i: size_of(records[i]))
    groups, group = [], []
    for i in order:
        trial = group + [i]
        if packed:
            cost = sum(2 * len(records[j]["prompt_ids"]) + len(records[j]["chosen_ids"]) + len(records[j]["rejected_ids"])
                       for j in trial)
        else:
            cost = 2 * len(trial) * max(size_of(records[j]) for j in trial)
        if group and cost > budget:
            groups.append(group)
            trial = [i]
        group = trial
    groups.append(group)
    return [Micro(records, g, packed, device) for g in groups]


# ---- the model -----------------------------------------------------------------------------------------------------

class Loop:
    """The model, how it computes, and the two passes over a micro-batch."""

    def __init__(self, options, device):
        self.o, self.device = options, device
        self.packed = options.attention == "varlen"
        self.model = AutoModelForCausalLM.from_pretrained(
            options.model, dtype=torch.float32 if options.dtype == "fp32" else torch.bfloat16,
            attn_implementation="packed" if self.packed else "sdpa").to(device)
        self.model.config.use_cache = False
        self.body = self.model.model
        if options.compile:
            self.body = torch.compile(self.body, dynamic=True)
        self.recompute_head = options.checkpointing
        self.autocast = False

    def context(self):
        if not self.autocast:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def head(self, hidden, targets):
        # one pass each way over the logits: the softmax reads bf16, computes in fp32, and its backward writes bf16
        logits = self.model.lm_head(hidden)
        return log_softmax(logits, -1, dtype=torch.float32).gather(-1, targets[:, None])[:, 0]

    def token_logps(self, micro):
        hidden = self.body(use_cache=False, **micro.inputs).last_hidden_state
        hidden = hidden.reshape(-1, hidden.shape[-1]).index_select(0, micro.rows)
        parts = []
        for h, t in zip(hidden.split(HEAD_ROWS), micro.targets.split(HEAD_ROWS)):
            if self.recompute_head and torch.is_grad_enabled():
                parts.append(checkpoint(self.head, h, t, use_reentrant=False))
            else:
                parts.append(self.head(h, t))
        return torch.cat(parts)

    def sums(self, micro):
        """Summed log-probs, [pairs, 2], in double."""
        with self.context():
            logps = self.token_logps(micro)
        out = torch.zeros(len(micro.sizes), dtype=torch.float64, device=self.device)
        return out.index_add(0, micro.side, logps.double()).view(-1, 2)

    def checkpoint_layers(self):
        self.recompute_head = True
        self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def omni_loss(sums, ref, sizes, scores):
    """-w_qual * w_perf * logsigmoid(z) - lambda * gate * p_w of each pair; gradients pass through w_perf."""
    p, r = sums / sizes, ref / sizes
    gap = p[:, 0] - p[:, 1]
    z = BETA * (gap - (r[:, 0] - r[:, 1]))
    quality = torch.sigmoid(ETA * (scores[:, 0] - scores[:, 1]))
    focus = torch.exp(GAMMA * logsigmoid(TAU_REF - BETA * gap))
    gate = (ref[:, 0] > sums[:, 0].detach()) & (scores[:, 0] >= TAU_GOOD)
    return -quality * focus * logsigmoid(z) - LAMBDA * gate * p[:, 0]


# ---- clocks and memory ---------------------------------------------------------------------------------------------

def sync(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def resident(what):
    """VmRSS or VmHWM (the peak) of this process in GiB; None where the kernel does not say."""
    try:
        with open("/proc/self/status", encoding="ascii") as f:
            return next(int(line.split()[1]) / 2 ** 20 for line in f if line.startswith(what + ":"))
    except (OSError, StopIteration):
        return None


def forget_peak():
    """VmHWM starts again from what is resident now; where that cannot be asked for, it stays the whole process's."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as f:
            f.write("5")
    except OSError:
        pass


def memory(device, base):
    """Peaks since the last reset: what tensors took, and what the device has less than before this process came."""
    if device.type != "cuda":
        peak = resident("VmHWM")
        forget_peak()
        return {"rss_gib": peak}
    free, total = torch.cuda.mem_get_info()
    out = {"allocated_gib": torch.cuda.max_memory_allocated() / GIB, "device_gib": (total - free - base) / GIB}
    torch.cuda.reset_peak_memory_stats()
    return out


def is_out_of_memory(e):
    return isinstance(e, torch.cuda.OutOfMemoryError) or "out of memory" in str(e).lower()


def release(device):
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        forget_peak()


# ---- reference -----------------------------------------------------------------------------------------------------

@torch.no_grad()
def reference(loop, records, budget):
    """Log-prob sums of every record, and the seconds of a pass that starts warm."""
    work = plan(records, range(len(records)), budget, loop.packed, loop.device)
    # the largest batches first: whatever the pass will need has then been allocated
    work.sort(key=lambda m: -m.computed)
    for m in work[:2]:
        loop.sums(m)
    out = torch.zeros(len(records), 2, dtype=torch.float64, device=loop.device)
    sync(loop.device)
    start = time.perf_counter()
    for m in work:
        out[m.which] = loop.sums(m)
    sync(loop.device)
    return out, time.perf_counter() - start


def fitting(budgets, attempt, device):
    """attempt(budget) with the first budget that fits the device."""
    for budget in budgets:
        try:
            return budget, attempt(budget)
        except RuntimeError as e:
            if not is_out_of_memory(e):
                raise
        release(device)
    return None, None


# ---- training ------------------------------------------------------------------------------------------------------

def rate_at(step, steps, peak):
    warm = math.ceil(0.1 * steps)
    if step < warm:
        return peak * step / warm
    return peak * (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2


class Trainer:
    def __init__(self, loop, records, ref, options):
        self.loop, self.records, self.o = loop, records, options
        self.ref, self.largest = ref, 0
        self.scores = torch.tensor([[r["score_chosen"], r["score_rejected"]] for r in records], dtype=torch.float64,
                                   device=loop.device)
        self.params = [p for p in loop.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.params, lr=options.lr, weight_decay=0.0, fused=True)

    def batch(self, step, budget):
        n, b = len(self.records), self.o.batch
        first = step * b % n
        index = range(first, min(first + b, n))
        return plan(self.records, index, budget, self.loop.packed, self.loop.device), len(index)

    def update(self, work, n, step):
        total = torch.zeros((), dtype=torch.float64, device=self.loop.device)
        for m in work:
            sums = self.loop.sums(m)
            loss = omni_loss(sums, self.ref[m.which], m.sizes.view(-1, 2), self.scores[m.which]).sum() / n
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(self.params, 1.0, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(step, self.o.steps, self.o.lr)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total

    def first(self, budget):
        """The first update with this budget, from scratch: it has rate 0, so trying again changes nothing."""
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()
        work, n = self.batch(0, budget)
        loss = float(self.update(work, n, 0))
        release(self.loop.device)
        return loss

    def run(self, budget, loss):
        seconds, losses, tokens = [], [loss], []
        for step in range(1, self.o.steps):
            work, n = self.batch(step, budget)
            sync(self.loop.device)
            start = time.perf_counter()
            total = self.update(work, n, step)
            sync(self.loop.device)
            seconds.append(time.perf_counter() - start)
            losses.append(float(total))
            tokens.append(sum(flat(self.records[i]) for m in work for i in m.pairs))
            self.largest = max(self.largest, max(m.computed for m in work))
        return seconds, losses, tokens


def flat(r):
    return 2 * len(r["prompt_ids"]) + len(r["chosen_ids"]) + len(r["rejected_ids"])


def train(loop, records, ref, o, report, base):
    loop.model.to(torch.float32 if o.master == "fp32" else torch.bfloat16).train()
    loop.autocast = o.master == "fp32" and o.dtype == "bf16"
    trainer = Trainer(loop, records, ref, o)
    budgets = [o.micro_tokens] if o.micro_tokens else [32768, 16384, 8192, 4096]
    if o.checkpointing:
        loop.checkpoint_layers()
    report["train_at"] = time.monotonic()
    budget, loss = fitting(budgets, trainer.first, loop.device)
    if budget is None and not o.checkpointing:
        loop.checkpoint_layers()
        o.checkpointing = True
        budgets = [min(b, o.micro_tokens or b) for b in (16384, 8192, 4096, 2048)]
        budget, loss = fitting(budgets, trainer.first, loop.device)
    if budget is None:
        report["train"] = {"skipped": "does not fit"}
        return
    seconds, losses, tokens = trainer.run(budget, loss)
    skip = max(0, min(o.warmup - 1, len(seconds) - 1))
    steady = sorted(zip(seconds[skip:], tokens[skip:]), key=lambda x: x[0] / x[1])
    report["train"] = {
        "tokens_per_second": statistics.median(n / s for s, n in steady),
        "seconds": statistics.median(s for s, _ in steady), "steps": seconds, "loss": losses,
        "micro_tokens": trainer.largest, "micro_budget": budget, "checkpointing": o.checkpointing,
        **memory(loop.device, base)}


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required="--idle" not in sys.argv)
    p.add_argument("--pairs", required="--idle" not in sys.argv)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--master", choices=("fp32", "bf16"), default="fp32")
    p.add_argument("--dtype", choices=("bf16", "fp32"), default="bf16", help="of products; fp32 checks the arithmetic")
    p.add_argument("--attention", choices=("auto", "varlen", "sdpa"), default="auto")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--warmup", type=int, default=2, help="updates that are not counted")
    p.add_argument("--micro-tokens", type=int, default=0)
    p.add_argument("--ref-micro-tokens", type=int, default=0)
    p.add_argument("--ref-only", action="store_true")
    p.add_argument("--checkpointing", action="store_true")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--lr", type=float, default=1e-6)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--idle", action="store_true", help="say what a process takes that does nothing, and stop")
    p.add_argument("--dump", help="also write the reference sums to this file, as JSON lines")
    return p.parse_args()


def choose_attention(o, device):
    if o.attention == "auto":
        o.attention = "varlen" if device.type == "cpu" or Packed.works(device) else "sdpa"
    elif o.attention == "varlen" and device.type == "cuda" and not Packed.works(device):
        sys.exit("torch_loop: variable-length attention does not work with this torch")


def main():
    o = options()
    if o.idle:
        print(json.dumps({"rss_gib": resident("VmRSS")}))
        return 0
    began = time.perf_counter()
    device = torch.device(o.device)
    if o.threads:
        torch.set_num_threads(o.threads)
    base = 0
    if device.type == "cuda":
        base = int(os.environ.get("GPU_BASE_BYTES", 0))      # used by others before this process's own context
    choose_attention(o, device)
    with open(o.pairs, encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    loop = Loop(o, device)
    report = {"who": "torch", "master": o.master, "attention": o.attention, "compile": o.compile,
              "torch": torch.__version__, "transformers": transformers.__version__, "device": o.device,
              "threads": torch.get_num_threads(), "load_seconds": time.perf_counter() - began, "ref_at": time.monotonic()}
    release(device)
    budgets = [o.ref_micro_tokens] if o.ref_micro_tokens else [32768, 16384, 8192, 4096]
    loop.model.eval()
    budget, done = fitting(budgets, lambda b: reference(loop, records, b), device)
    if done is None:
        sys.exit("torch_loop: reference passes do not fit the device")
    ref, seconds = done
    report["ref"] = {"tokens_per_second": sum(map(flat, records)) / seconds, "seconds": seconds, "micro_tokens": budget,
                     **memory(device, base)}
    if o.dump:
        with open(o.dump, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(pair) + "\n" for pair in ref.tolist())
    release(device)
    if not o.ref_only:
        train(loop, records, ref, o, report, base)
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
