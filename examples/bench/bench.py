#!/usr/bin/env python3
"""Times od-ref and od-train against the PyTorch loop beside this file, interleaved, on the same random pairs.

usage: bench.py MODEL_DIR [--reps N] [--pairs N] [--mix PROMPT+RESPONSE ...] [--dtype fp32] [--python PYTHON] [--bin DIR]

Tokens are counted as trainers count them: the prompt once for each response. Rates exclude start-up and loading; peak
memory is the whole process's. Writes one JSON line a run to stdout and a table to stderr.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def make_pairs(path, n, prompt, response, vocab):
    """Random ids; response lengths uniform over half to one and a half times the mean."""
    rng = random.Random(0)
    ids = lambda k: [rng.randrange(10, vocab - 10) for _ in range(k)]
    with open(path, "w") as f:
        for i in range(n):
            a, b = (rng.randrange(response // 2, response * 3 // 2) for _ in range(2))
            f.write(json.dumps({"id": str(i), "prompt_ids": ids(prompt), "chosen_ids": ids(a), "rejected_ids": ids(b),
                                "score_chosen": 4, "score_rejected": 3}) + "\n")


def timed(argv, **kw):
    """Runs a command; its stdout, and peak resident memory in MiB."""
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, **kw)
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    if status:
        sys.exit(f"bench: {' '.join(argv)} failed")
    return out, usage.ru_maxrss / 1024


def run_ours(args, work, pairs, n):
    scored, out = f"{work}/scored.jsonl", f"{work}/out"
    for left in (out, out + ".run"):
        shutil.rmtree(left, ignore_errors=True)
    with open(f"{work}/notes", "w+") as notes:
        text, ref_mib = timed([f"{args.bin}/od-ref", "--model", args.model, pairs], stderr=notes)
        notes.seek(0)
        rate = float(notes.read().rsplit(" tokens/s", 1)[0].rsplit(" ", 1)[1])
    open(scored, "wb").write(text)
    _, train_mib = timed([f"{args.bin}/od-train", "--model", args.model, "--out", out, "--metrics", f"{work}/metrics",
                          "--batch", str(n), "--steps", "2", "--epochs", "2", "--quiet", scored], stderr=subprocess.DEVNULL)
    # the second step is past every first touch of memory
    step = json.loads(open(f"{work}/metrics").read().splitlines()[-1])
    return {"who": "omni-dpo", "ref": rate, "train": step["time"]["tokens_per_second"], "ref_mib": ref_mib,
            "train_mib": train_mib}


def run_torch(args, work, pairs, dtype):
    text, mib = timed([args.python, f"{HERE}/torch_loop.py", f"{args.model}/config.json", pairs, dtype],
                      stderr=subprocess.DEVNULL)
    return {"who": "torch", "train_mib": mib, "ref_mib": mib, **json.loads(text)}


def spread(values):
    return f"{statistics.median(values):8.0f} [{min(values):.0f}-{max(values):.0f}]"


def table(runs):
    for key in dict.fromkeys((r["mix"], r["dtype"]) for r in runs):
        print(f"\n{key[0]} {key[1]}", file=sys.stderr)
        for who in ("omni-dpo", "torch"):
            mine = [r for r in runs if (r["mix"], r["dtype"]) == key and r["who"] == who]
            if mine:
                print(f"  {who:9} ref {spread([r['ref'] for r in mine])} tok/s   train "
                      f"{spread([r['train'] for r in mine])} tok/s   peak {max(r['ref_mib'] for r in mine):.0f} / "
                      f"{max(r['train_mib'] for r in mine):.0f} MiB", file=sys.stderr)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--reps", type=int, default=5)
    p.add_argument("--pairs", type=int, default=8)
    p.add_argument("--mix", nargs="+", default=["150+300"])
    p.add_argument("--dtype", nargs="+", default=["fp32"])
    p.add_argument("--python", default=os.environ.get("PYTHON"))
    p.add_argument("--bin", default="bin")
    args = p.parse_args()
    vocab = json.load(open(f"{args.model}/config.json"))["vocab_size"]
    runs = []
    with tempfile.TemporaryDirectory() as work:
        for mix in args.mix:
            pairs = f"{work}/pairs-{mix}.jsonl"
            make_pairs(pairs, args.pairs, *map(int, mix.split("+")), vocab)
            for rep in range(args.reps):
                for dtype in args.dtype:
                    todo = [run_ours(args, work, pairs, args.pairs)]
                    if args.python:
                        todo.append(run_torch(args, work, pairs, dtype))
                    for r in todo:
                        runs.append({"mix": mix, "dtype": dtype, "rep": rep, **r})
                        print(json.dumps(runs[-1]), flush=True)
    table(runs)


if __name__ == "__main__":
    main()
