#!/usr/bin/env python3
"""Tokens/s of od-sample beside llama.cpp and transformers, in turns: one response at a time, and several of one prompt.

    sample.py --bin DIR --model DIR [--python PYTHON] [--work DIR] [--reps N] [--new N] [-k 1 8]

MODEL is a model directory with a tokenizer. PYTHON has xllamacpp (llama.cpp as it is, its server inside), torch and
transformers; what it lacks is left out. Every response has NEW tokens, whatever the model says; loading and prompt are left out
of all: a run of one token is subtracted, and od-sample's clock begins when its model is there. Prints a JSON line a run and a table at the end.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

PROMPT = "Write a long story about a lighthouse keeper who finds a bottle with a letter in it."


def run_ours(o, k, dtype, new):
    argv = [os.path.join(o.bin, "od-sample"), "--model", o.model, "--dtype", dtype, "--samples", str(k), "--max-tokens", str(new),
            "--ignore-end", "--batch", str(k)]
    p = subprocess.run(argv, input=json.dumps({"prompt": PROMPT}) + "\n", capture_output=True, text=True, check=True)
    tokens = sum(r["tokens"] for r in json.loads(p.stdout)["responses"])
    assert tokens == k * new, f"{tokens} tokens, not {k} x {new}"
    return float(re.search(r"; ([0-9.]+) s, ", p.stderr)[1])       # its own clock begins when the model is there


def ours(o, k, dtype):
    return k * (o.new - 1) / (run_ours(o, k, dtype, o.new) - run_ours(o, k, dtype, 1))


def child(o, who, k, dtype):
    argv = [o.python, os.path.abspath(__file__), "--child", who, "--model", o.model, "--work", o.work, "--new", str(o.new),
            "-k", str(k), "--type", dtype]
    p = subprocess.run(argv, capture_output=True, text=True, check=False)
    if p.returncode:
        raise RuntimeError(f"{who}: " + (p.stderr.strip().split("\n") or [""])[-1])
    return json.loads(p.stdout.strip().split("\n")[-1])["tokens_per_second"]


# ---- in the peer's interpreter -------------------------------------------------------------------------------------------

def llama(o, k):
    import threading

    import xllamacpp as xlc

    p = xlc.CommonParams()
    p.model.path = os.path.join(o.work, f"model-{o.type}.gguf")
    p.n_parallel, p.n_ctx = k, k * (o.new + 256)
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
    p.warmup = True
    server = xlc.Server(p)
    ask = {"prompt": PROMPT, "ignore_eos": True, "temperature": 1.0, "cache_prompt": True}

    def one(new, seed):
        r = server.handle_completions({**ask, "n_predict": new, "max_tokens": new, "seed": seed})
        assert r["usage"]["completion_tokens"] == new, r["usage"]

    def all_of(new):
        threads = [threading.Thread(target=one, args=(new, i)) for i in range(k)]
        start = time.monotonic()
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return time.monotonic() - start

    all_of(2)
    return k * (o.new - 1) / (all_of(o.new) - all_of(1))


def hf(o, k):
    import torch
    import transformers

    torch.manual_seed(0)
    kind = torch.bfloat16 if o.type == "bf16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(o.model, dtype=kind).eval()
    ids = transformers.AutoTokenizer.from_pretrained(o.model)(PROMPT, return_tensors="pt").input_ids.repeat(k, 1)

    def run(new):
        start = time.monotonic()
        with torch.inference_mode():
            out = model.generate(ids, max_new_tokens=new, min_new_tokens=new, do_sample=True, top_k=0,
                                 attention_mask=torch.ones_like(ids), pad_token_id=0)
        assert out.shape[1] == ids.shape[1] + new
        return time.monotonic() - start

    run(2)
    return k * (o.new - 1) / (run(o.new) - run(1))


# ---- turns ---------------------------------------------------------------------------------------------------------------

def measure(o, who, k, dtype):
    try:
        return ours(o, k, dtype) if who == "od-sample" else child(o, who, k, dtype)
    except (RuntimeError, AssertionError, subprocess.CalledProcessError) as e:
        print(f"# {who}, {dtype}, K = {k}: {e}", file=sys.stderr)
        return None


def table(rows):
    print("\n| type | K | | tokens/s | x |\n|---|---|---|---|---|")
    for (dtype, k), best in rows.items():
        mine = statistics.median(best["od-sample"]) if best.get("od-sample") else None
        for who, v in best.items():
            if v:
                m = statistics.median(v)
                print(f"| {dtype} | {k} | {who} | {m:.0f} ({min(v):.0f}-{max(v):.0f}) | {mine / m:.2f} |")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--bin", default="bin")
    a.add_argument("--model", required=True)
    a.add_argument("--python")
    a.add_argument("--work", default="build/bench")
    a.add_argument("--reps", type=int, default=5)
    a.add_argument("--new", type=int, default=256)
    a.add_argument("-k", type=int, nargs="+", default=[1, 8])
    a.add_argument("--dtype", nargs="+", default=["fp32", "bf16"])
    a.add_argument("--child", help=argparse.SUPPRESS)
    a.add_argument("--type", help=argparse.SUPPRESS)
    o = a.parse_args()
    if o.child:
        print(json.dumps({"tokens_per_second": {"llama.cpp": llama, "transformers": hf}[o.child](o, o.k[0])}))
        return
    o.model, o.work = os.path.abspath(o.model), os.path.abspath(o.work)
    os.makedirs(o.work, exist_ok=True)
    for dtype in o.dtype if o.python else []:
        subprocess.run([os.path.join(o.bin, "od-convert"), "-q", "--force", "--dtype", {"fp32": "f32", "bf16": "bf16"}[dtype], o.model,
                        os.path.join(o.work, f"model-{dtype}.gguf")], check=True)
    rows = {}
    for turn in range(o.reps):
        for dtype in o.dtype:
            for k in o.k:
                for who in ["od-sample"] + (["llama.cpp", "transformers"] if o.python else []):
                    rate = measure(o, who, k, dtype)
                    if rate:
                        rows.setdefault((dtype, k), {}).setdefault(who, []).append(rate)
                        print(json.dumps({"turn": turn, "who": who, "dtype": dtype, "k": k, "tokens_per_second": round(rate, 1)}), flush=True)
    table(rows)


if __name__ == "__main__":
    main()
