#!/usr/bin/env python3
"""A device against the CPU, and against itself, through od-ref and od-train: what check.sh runs beside the test programs.

    check.py --bin DIR [--data DIR] [--device cuda] [--jobs N]

Models are those of DATA/models (tiny ones with reference numbers, see tests/oracle, whose scripts compare with those
numbers) and two of shapes.py whose heads are as wide as real ones. Prints TAP.

  logps       od-ref: fp32 on the device is the CPU's token by token; bf16 within 1 % of a response's sum
  rows        od-ref: a pair's bytes are the same packed and alone, in both types
  training    od-train, eight updates: fp32 follows the CPU in loss and weights, bf16 ends with nearly the same loss
  again       od-train twice: the same bytes of weights and telemetry
  memory      od-train says what does not fit before it tries
"""
import argparse
import array
import glob
import itertools
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
# in a checkout shapes.py is in examples/bench, in a bundle beside this file
sys.path[:0] = [HERE, os.path.join(HERE, "..", "bench")]
import shapes  # noqa: E402

WIDE = ["wide-64", "wide-128"]
TYPES = ["fp32", "bf16"]


class Broken(Exception):
    """A tool that should have worked did not: every point that needed it fails with its message."""


# ---- the tools -----------------------------------------------------------------------------------------------------

class Tools:
    def __init__(self, options, work):
        self.o, self.work, self.serial = options, work, itertools.count()

    def argv(self, name, *args, device=None, dtype="fp32"):
        return [os.path.join(self.o.bin, name), "--device", device or self.o.device, "--dtype", dtype, "--threads", "2",
                *map(str, args)]

    def run(self, name, *args, **where):
        p = subprocess.run(self.argv(name, *args, **where), capture_output=True, stdin=subprocess.DEVNULL,
                           timeout=self.o.limit)
        if p.returncode:
            where = " ".join(map(str, where.values()))
            raise Broken(f"{name} {where}: status {p.returncode}: {p.stderr.decode().strip()[-300:]}")
        return p.stdout

    def ref(self, model, pairs, *args, **where):
        return self.run("od-ref", "--model", model, "--quiet", "--per-token", *args, pairs, **where)

    def train(self, model, scored, *args, **where):
        """Eight updates; the folder of the result, whose logs lie in FOLDER.run."""
        out = os.path.join(self.work, f"out-{next(self.serial)}")
        self.run("od-train", "--quiet", "--model", model, "--out", out, "--batch", 4, "--steps", 8, "--lr", "2e-5", *args,
                 scored, **where)
        return out


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def token_logps(r):
    return r["ref_chosen_token_logps"] + r["ref_rejected_token_logps"]


def weights(directory):
    """All weights of a model that od-train wrote: one file, fp32."""
    with open(os.path.join(directory, "model.safetensors"), "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        f.seek(8 + n)
        return read_floats(f.read())


def read_floats(data):
    import array
    values = array.array("f")
    values.frombytes(data)
    return values


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))


def metrics(out):
    with open(out + ".run/metrics.jsonl", encoding="utf-8") as f:
        return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in f]


def content(path):
    with open(path, "rb") as f:
        return f.read()


# ---- points: each function yields (good, text) ---------------------------------------------------------------------

def check_logps(t, name, model, pairs):
    cpu = records(t.ref(model, pairs, device="cpu"))
    texts = {dtype: t.ref(model, pairs, dtype=dtype) for dtype in t.o.types}
    fp32, last = records(texts["fp32"]), records(texts[t.o.types[-1]])
    worst = max(abs(x - y) for a, b in zip(cpu, fp32) for x, y in zip(token_logps(a), token_logps(b)))
    same = len(cpu) == len(fp32) and all(len(token_logps(a)) == len(token_logps(b)) > 0 for a, b in zip(cpu, fp32))
    yield same and worst <= 2e-5, f"{name}: token log-probs, fp32 against the CPU, worst difference {worst:.1e}"
    off = max(abs(a[k] - b[k]) / abs(a[k]) for a, b in zip(cpu, last) for k in ("ref_chosen_logps", "ref_rejected_logps"))
    yield len(last) == len(cpu) and off <= 0.01, f"{name}: sums, {t.o.types[-1]} against the CPU, worst {100 * off:.2f} %"
    for dtype in t.o.types:
        alone = t.ref(model, pairs, "--batch-tokens", 16, dtype=dtype)
        single = t.ref(model, pairs, "--window", 1, dtype=dtype)
        yield texts[dtype] == alone == single, f"{name}: the same bytes packed, in small batches and one at a time, {dtype}"


def trained(t, model, pairs, device, dtype, *args):
    """A run with reference numbers of its own device and type, so that gates open for real changes alone."""
    path = os.path.join(t.work, f"scored-{next(t.serial)}.jsonl")
    with open(path, "wb") as f:
        f.write(t.ref(model, pairs, device=device, dtype=dtype))
    return t.train(model, path, *args, device=device, dtype=dtype)


def same_run(a, b):
    return metrics(a) == metrics(b) and all(content(a + f) == content(b + f)
                                            for f in ("/model.safetensors", ".run/telemetry.jsonl"))


def check_training(t, name, model, pairs):
    start, cpu = trained(t, model, pairs, "cpu", "fp32", "--lr", 0), trained(t, model, pairs, "cpu", "fp32")
    once = {dtype: trained(t, model, pairs, t.o.device, dtype) for dtype in t.o.types}
    again = {dtype: trained(t, model, pairs, t.o.device, dtype) for dtype in t.o.types}
    losses = {k: [m["loss"] for m in metrics(out)] for k, out in (("cpu", cpu), *once.items())}
    off = max(abs(a - b) / abs(a) for a, b in zip(losses["cpu"], losses["fp32"]))
    yield len(losses["fp32"]) == 8 and off <= 1e-4, f"{name}: losses of eight updates, fp32 against the CPU, worst {off:.1e}"
    end, moved = weights(cpu), distance(weights(start), weights(cpu))
    share = distance(end, weights(once["fp32"])) / moved
    yield share <= 0.01, f"{name}: end weights, fp32 against the CPU, {100 * share:.3f} % of the distance moved"
    for dtype in t.o.types:
        off = abs(losses[dtype][-1] / losses["cpu"][-1] - 1)
        yield len(losses[dtype]) == 8 and off <= 0.02, f"{name}: last loss, {dtype} against the CPU, {100 * off:.2f} %"
        yield same_run(once[dtype], again[dtype]), f"{name}: a second run gives the same bytes, {dtype}"


def check_memory(t, _name, model, pairs):
    dtype = t.o.types[-1]
    args = ["--model", model, "--out", os.path.join(t.work, "never"), "--dry-run", "--objective", "simpo", "--batch", 96,
            "--max-length", 10000, pairs]
    small = subprocess.run(t.argv("od-train", "--micro-tokens", 4096, *args, dtype=dtype), capture_output=True, text=True)
    yield (small.returncode == 0 and "activations" in small.stdout and "peak" in small.stdout,
           "a plan that fits is printed with its memory")
    large = subprocess.run(t.argv("od-train", "--micro-tokens", 1 << 30, *args, dtype=dtype), capture_output=True, text=True)
    yield (large.returncode == 1 and "activations" in large.stdout,
           f"a plan that does not fit is printed and refused (status {large.returncode})")
    text = large.stderr.strip()
    on_device = t.o.device == "cpu" or "on device " + t.o.device.split(":")[0] in text
    yield ("not enough memory" in text and "planned peak" in text and "--micro-tokens" in text and on_device,
           "the message says what is needed, what there is, and what to change: " + text.replace("\n", " ")[-200:])


# ---- the models ----------------------------------------------------------------------------------------------------

def pairs_for(t, model, name, n=8, prompt=24, response=40):
    path = os.path.join(t.work, name + ".pairs")
    with open(os.path.join(model, "config.json"), encoding="utf-8") as f:
        vocab = json.load(f)["vocab_size"]
    shapes.write_pairs(path, n, prompt, response, vocab)
    return path


def given_models(data):
    for config in sorted(glob.glob(os.path.join(data or "", "models", "*", "config.json"))):
        with open(config, encoding="utf-8") as f:
            if any("CausalLM" in a for a in json.load(f).get("architectures", [])):
                yield os.path.dirname(config)


def made_model(t, name, dtype="F32"):
    """In fp32: weights that start on bf16's grid are in the middle of what rounds to them, and would not seem to move."""
    path = os.path.join(t.work, name)
    shapes.write_model(shapes.SHAPES[name], path, device="cpu", dtype=dtype)
    return path


def jobs(t):
    """(what, function, model's name, model, pairs)"""
    models = [(os.path.basename(m), m) for m in given_models(t.o.data)]
    wide = [(name, made_model(t, name)) for name in WIDE]
    for name, m in models + wide:
        # responses of one to a few tiles, so that ends of tiles fall everywhere
        pairs = pairs_for(t, m, name, *((t.o.pairs, 70, 120) if name in WIDE else ()))
        yield "logps", check_logps, name, m, pairs
        if name in WIDE or name in ("qwen2-tied", "gemma2"):
            yield "training", check_training, name, m, pairs
    deep = made_model(t, "deep", "BF16")
    yield "memory", check_memory, "deep", deep, pairs_for(t, deep, "deep", 96, 100, 4096)


def points(job, t):
    what, function, name, model, pairs = job
    try:
        return list(function(t, name, model, pairs))
    except (Broken, subprocess.TimeoutExpired, OSError, ValueError, KeyError, ZeroDivisionError) as e:
        return [(False, f"{name}: {what}: {type(e).__name__}: {e}")]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default="bin")
    p.add_argument("--data", help="folder with models/NAME")
    p.add_argument("--device", default="cuda")
    p.add_argument("--jobs", type=int, default=4)
    p.add_argument("--types", nargs="+", default=TYPES, choices=TYPES, help="fp32, and bf16 where the device has it")
    p.add_argument("--pairs", type=int, default=24, help="for the two wide models")
    p.add_argument("--limit", type=float, default=60, help="seconds for one run of a tool")
    p.add_argument("--only", help="logps, training or memory")
    o = p.parse_args()
    n = failed = 0
    os.environ["OMP_WAIT_POLICY"] = "passive"                # several tools share the cores
    with tempfile.TemporaryDirectory() as work:
        t = Tools(o, work)
        todo = [j for j in jobs(t) if not o.only or j[0] == o.only]
        with ThreadPoolExecutor(o.jobs) as pool:
            for result in pool.map(lambda j: points(j, t), todo):
                for good, text in result:
                    n, failed = n + 1, failed + (not good)
                    print(f"{'ok' if good else 'not ok'} {n} - {text}", flush=True)
    print(f"1..{n}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
