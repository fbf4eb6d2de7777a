"""One run each: od-ref and od-train, the PyTorch loop, start-up, a process that does nothing. Each returns its figures or
raises Failed."""
import json
import os
import shutil
import statistics
import subprocess
import time

import shapes
from common import Failed, Process, read_metrics

HERE = os.path.dirname(os.path.abspath(__file__))
LOOP = os.path.join(HERE, "torch_loop.py")
# who computes in which type: torch's two ways of bf16 are autocast over fp32 parameters, as od-train does it, and all in bf16
PEERS = {"fp32": ["torch"], "bf16": ["torch autocast", "torch bf16"]}
# bytes a parameter of what each side has to hold: weights (and fp32 master weights), gradients, two moments
HELD = {("omni-dpo", "fp32"): {"ref": 4, "train": 4 + 4 + 8}, ("omni-dpo", "bf16"): {"ref": 2, "train": 2 + 4 + 4 + 8},
        ("torch", "fp32"): {"ref": 4, "train": 4 + 4 + 8}, ("torch autocast", "bf16"): {"ref": 2, "train": 4 + 4 + 8},
        ("torch bf16", "bf16"): {"ref": 2, "train": 2 + 2 + 4}}


class Case:
    """A model, its pairs and a number type; files go to the folder 'work'."""

    def __init__(self, o, work, shape, model, pairs, dtype):
        self.o, self.work, self.shape, self.model, self.pairs, self.dtype = o, work, shape, model, pairs, dtype
        with open(pairs, encoding="utf-8") as f:
            self.records = [json.loads(line) for line in f]
        self.n = len(self.records)
        self.flops_per_token = shapes.useful(shape, self.records) / shapes.flat_tokens(self.records)
        self.scored = self.path("scored.jsonl")

    def path(self, name):
        return os.path.join(self.work, name)

    def tool(self, name, *args):
        return [os.path.join(self.o.bin, name), "--model", self.model, "--dtype", self.dtype, "--max-length", "4096",
                "--max-prompt-length", "2048", *(["--threads", str(self.o.threads)] if self.o.threads else []), *map(str, args)]

    def shown(self, argv):
        """A command as others can run it: without this machine's folders."""
        short = [os.path.relpath(a, self.work) if a.startswith(self.work) else a for a in argv]
        short[0] = "bin/" + os.path.basename(short[0]) if short[0].startswith(self.o.bin) else os.path.basename(short[0])
        return " ".join(os.path.basename(a) if a.startswith(HERE) else a for a in short)


# ---- ours --------------------------------------------------------------------------------------------------------------

def reference(c):
    """od-ref over all pairs; its own clock starts once the model is there."""
    argv = c.tool("od-ref", c.pairs)
    with open(c.scored, "wb") as out:
        p = Process(argv, c.o.limit, c.path("notes"), weighed=True, stdout=out)
        rss = p.wait()
    with open(c.scored, encoding="utf-8") as f:
        logps = [json.loads(line).get("ref_chosen_logps") for line in f]
    if None in logps or len(logps) != c.n:
        raise Failed("od-ref: not every pair has log-probs")
    with open(c.path("notes"), encoding="utf-8") as f:
        rate = float(f.read().rsplit(" tokens/s", 1)[0].rsplit(" ", 1)[1])
    return {"tokens_per_second": rate, "seconds": shapes.flat_tokens(c.records) / rate, "rss_gib": rss, "command": c.shown(argv)}


def clear(c):
    for left in ("out", "out.run", "metrics"):
        shutil.rmtree(c.path(left), ignore_errors=True)
        if os.path.exists(c.path(left)):
            os.remove(c.path(left))


def training(c):
    """od-train on what od-ref wrote, a batch of all pairs; the first update touches memory for the first time and does not count."""
    argv = c.tool("od-train", "--batch", c.n, "--steps", 1 + c.o.steps, "--no-shuffle", "--quiet", "--metrics", c.path("metrics"),
                  "--out", c.path("out"), c.scored)
    clear(c)
    p = Process(argv, c.o.limit, c.path("notes"), weighed=True, stdout=subprocess.DEVNULL)
    rss = p.wait()
    rows = read_metrics(c.path("metrics"))[1:]
    clear(c)
    if len(rows) != c.o.steps:
        raise Failed(f"od-train: {len(rows)} updates were counted")
    return {"tokens_per_second": statistics.median(r["tokens"] / r["time"]["seconds"] for r in rows),
            "seconds": statistics.median(r["time"]["seconds"] for r in rows), "rss_gib": rss, "loss": rows[0]["loss"],
            "command": c.shown(argv)}


def ours(c, _="omni-dpo"):
    r = {"ref": reference(c)}
    r["train"] = training(c)
    return r


# ---- PyTorch -----------------------------------------------------------------------------------------------------------

def child(c, argv):
    """Runs a Python child; the JSON object it prints last, and the moment it was started."""
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
    started = time.monotonic()
    p = Process(argv, c.o.limit, c.path("notes"), stdout=subprocess.PIPE, env=env)
    text = p.child.stdout.read().decode()
    p.wait()
    return json.loads(text.strip().split("\n")[-1]), started


def loop_command(c, who):
    argv = [c.o.python, LOOP, "--model", c.model, "--pairs", c.pairs, "--device", "cpu", "--dtype", c.dtype,
            "--master", "bf16" if who == "torch bf16" else "fp32", "--batch", str(c.n), "--steps", str(1 + c.o.steps),
            "--warmup", "1", "--micro-tokens", "1", "--ref-micro-tokens", "1"]
    return argv + (["--threads", str(c.o.threads)] if c.o.threads else [])


def torch_loop(c, who):
    argv = loop_command(c, who)
    r, started = child(c, argv)
    keys = ("tokens_per_second", "seconds", "rss_gib")
    out = {k: {key: r[k].get(key) for key in keys} for k in ("ref", "train")}
    out["train"]["loss"] = r["train"]["loss"][-1]
    out["train"]["command"] = c.shown(argv)
    return {**out, "versions": {k: r[k] for k in ("torch", "transformers", "threads", "attention")},
            "startup": {"ref": r["ref_at"] - started, "train": r["train_at"] - started}}


def run(c, who):
    return (ours if who == "omni-dpo" else torch_loop)(c, who)


# ---- start-up and rest -------------------------------------------------------------------------------------------------

def first_record(c):
    """Seconds from exec to od-ref's first record, which is of a few tokens."""
    with open(c.scored, "wb") as out:
        started = time.monotonic()
        p = Process(c.tool("od-ref", "--quiet", c.pairs), c.o.limit, c.path("notes"), stdout=subprocess.PIPE)
        line = p.child.stdout.readline()
        seconds = time.monotonic() - started
        out.write(line + p.child.stdout.read())
    p.wait()
    return seconds


def first_update(c):
    """Seconds from exec to the beginning of od-train's first update: when its line comes, less what it says it took."""
    clear(c)
    argv = c.tool("od-train", "--batch", c.n, "--steps", 1, "--quiet", "--metrics", "-", "--out", c.path("out"), c.scored)
    started = time.monotonic()
    p = Process(argv, c.o.limit, c.path("notes"), stdout=subprocess.PIPE)
    line = p.child.stdout.readline()
    seconds = time.monotonic() - started
    p.child.stdout.read()
    p.wait()
    clear(c)
    return seconds - json.loads(line)["time"]["seconds"]


def startup(c, who):
    if who != "omni-dpo":
        return torch_loop(c, who)["startup"]
    return {"ref": first_record(c), "train": first_update(c)}


def idle(c, who):
    """Resident GiB of a process that has loaded its libraries and nothing else."""
    if who != "omni-dpo":
        return child(c, [c.o.python, LOOP, "--idle"])[0]["rss_gib"]
    argv = [os.path.join(c.o.bin, "od-train"), "--version"]
    return Process(argv, c.o.limit, c.path("notes"), weighed=True, stdout=subprocess.DEVNULL).wait()
