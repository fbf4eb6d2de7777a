#!/usr/bin/env python3
"""Times od-ref and od-train on a GPU beside a PyTorch loop, on the same random models and pairs.

    bench.py --bin DIR [--shapes NAME ...] [--mix P+R ...] [--peers fp32 bf16 ...] [--budget SECONDS] [--out FILE]

Runs are interleaved: ours, then each peer, then the next repetition. Every run has a time limit, one that fails or no
longer fits is a line and not the end, every figure goes to a JSONL file, and the table comes last.

What is compared:
  tokens/s  the prompt counted once for each response, in the steady state: od-ref from the moments its windows leave it,
            without the first; od-train from the seconds of its updates, without the first --warmup; the loop likewise.
  MFU       useful operations a second over --peak-tflops. Useful is what the records need, whoever computes them: each
            token of a pair's common prefix once, the LM head on scored positions, attention by visible keys, backward
            twice forward. Computed from the records for everyone, so a padded or repeated token earns nothing.
  GiB       the device's used memory at its highest, less what was used before the run.
Peers are fp32 and bf16 (torch_loop.py's --master), either with -compile, -checkpointing, -sdpa or -varlen behind it, and
trl (trl_loop.py) where it is installed.
"""
import argparse
import ctypes
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
# what both benchmarks share is beside this file in a bundle, in examples/bench in a checkout
sys.path[:0] = [HERE, os.path.join(HERE, "..", "bench")]
import shapes  # noqa: E402
from common import GIB, Failed, Process, cores, first_line, last_lines, processor, read_metrics  # noqa: E402

SHARED = os.path.dirname(os.path.abspath(shapes.__file__))
DEFAULT_SHAPES = ["smollm2-135m", "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-7b"]
# Training keeps 18 bytes a parameter beside the activations; what is larger gets reference passes alone.
REFERENCE_ONLY_FROM = 5e9
RESERVE = 6            # seconds kept for the table


# ---- the machine ---------------------------------------------------------------------------------------------------

class Gpu:
    """Used memory of the first GPU through the driver's management library: no context of our own on the device, and
    quick enough to ask every few milliseconds. On a machine without one, nothing."""

    def __init__(self, device):
        self.handle = None
        if not device.startswith("cuda"):
            return
        index = int(device.split(":")[1]) if ":" in device else 0
        try:
            self.nvml = ctypes.CDLL("libnvidia-ml.so.1")
            handle = ctypes.c_void_p()
            if self.nvml.nvmlInit_v2() == 0 and self.nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0:
                self.handle = handle
        except OSError:
            pass

    def used(self):
        if self.handle is None:
            return None
        info = (ctypes.c_ulonglong * 3)()                  # total, free, used
        return info[2] if self.nvml.nvmlDeviceGetMemoryInfo(self.handle, info) == 0 else None

    def settled(self):
        """Used bytes once they have stopped falling: the driver frees a dead process's memory a little later."""
        last = self.used()
        for _ in range(40):
            time.sleep(0.05)
            now = self.used()
            if now is None or last is None or now >= last:
                return now
            last = now
        return last


class Peak:
    """The highest use of device memory while a with-block runs."""

    def __init__(self, gpu):
        self.gpu, self.most, self.done = gpu, 0, threading.Event()

    def __enter__(self):
        self.base = self.gpu.settled()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        if self.base is not None:
            self.thread.start()
        return self

    def watch(self):
        while not self.done.wait(0.05):
            self.most = max(self.most, self.gpu.used() or 0)

    def __exit__(self, *unused):
        self.done.set()
        if self.base is not None:
            self.thread.join()

    def gib(self):
        return (self.most - self.base) / GIB if self.base is not None and self.most else None


def machine():
    gpu = first_line(["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm", "--format=csv,noheader"])
    return {"gpu": gpu or None, "cpu": processor(), "cores": cores()}


# ---- running things ------------------------------------------------------------------------------------------------

class Clock:
    def __init__(self, budget):
        self.end = time.monotonic() + budget

    def left(self):
        return self.end - time.monotonic() - RESERVE


def tool(c, name, *args):
    return [os.path.join(c.o.bin, name), "--device", c.o.device, "--dtype", c.o.dtype, "--model", c.model,
            *c.lengths, *map(str, args)]


# ---- ours ----------------------------------------------------------------------------------------------------------

def run_ref(c):
    """od-ref over all records. A window leaves as a burst when it is done, so the arrival of its last record is a clock
    reading taken inside the tool's steady state; what the tool does before its first window ends is not counted."""
    window = max(1, min(65536 // c.largest, len(c.records) // 3))
    arrivals = []
    with Peak(c.gpu) as peak, open(c.scored + ".part", "wb") as out:
        p = Process(tool(c, "od-ref", "--window", window, c.pairs), c.limit(), c.path("notes"), stdout=subprocess.PIPE)
        for line in p.child.stdout:
            arrivals.append(time.perf_counter())
            out.write(line)
        rss = p.wait()
    if len(arrivals) != len(c.records):
        raise Failed(f"od-ref: {len(arrivals)} of {len(c.records)} records came out")
    os.replace(c.scored + ".part", c.scored)
    tokens = shapes.flat_tokens(c.records[window:])
    seconds = arrivals[-1] - arrivals[window - 1]
    done = shapes.useful(c.shape, c.records[window:])
    return {"tokens_per_second": tokens / seconds, "flops": done / seconds, "gib": peak.gib() or rss,
            "note": last_lines(c.path("notes"), 1)}


def plan_of(c, args):
    """What od-train --dry-run says, and the size of a micro-batch in it."""
    p = Process(tool(c, "od-train", "--dry-run", *args, c.scored), c.limit(), c.path("notes"), stdout=subprocess.PIPE)
    text = p.child.stdout.read().decode()
    p.wait()
    found = re.search(r"up to (\d+) tokens", text)
    return text, int(found.group(1)) if found else None


def watch_updates(p, metrics, steps):
    """Waits for the last update's line; then the model need not be written, which may take longer than the run."""
    while not p.ended():
        if len(read_metrics(metrics)) >= steps:
            p.kill()
            return True
        time.sleep(0.02)
    return False


def run_train(c):
    out = c.path("out")
    args = ["--batch", c.o.batch, "--steps", c.o.steps, "--no-shuffle", "--micro-tokens", c.o.micro_tokens]
    args += ["--memory", c.o.memory] if c.o.memory else []
    plan, micro = plan_of(c, args)
    with Peak(c.gpu) as peak:
        p = Process(tool(c, "od-train", *args, "--out", out, "--force", c.scored), c.limit(), c.path("notes"),
                    stdout=subprocess.DEVNULL)
        killed = watch_updates(p, os.path.join(out + ".run", "metrics.jsonl"), c.o.steps)
        rss = p.wait(killed)
    rows = read_metrics(os.path.join(out + ".run", "metrics.jsonl"))
    for left in (out, out + ".run"):
        shutil.rmtree(left, ignore_errors=True)
    steady = [(r["time"]["seconds"], r["tokens"], shapes.useful(c.shape, c.batch(r["step"] - 1))) for r in rows[c.o.warmup:]]
    if not steady:
        raise Failed(f"od-train: {len(rows)} updates were made")
    return {"tokens_per_second": statistics.median(n / s for s, n, _ in steady), "gib": peak.gib() or rss,
            "seconds": statistics.median(s for s, _, _ in steady), "steps": [r["time"]["seconds"] for r in rows],
            "flops": statistics.median(3 * f / s for s, _, f in steady), "loss": [r["loss"] for r in rows],
            "micro_tokens": micro, "plan": plan}


# ---- peers ---------------------------------------------------------------------------------------------------------

def run_peer(c, script, *args):
    """A PyTorch loop: its report, with memory and useful operations added."""
    argv = [c.o.python, script, "--model", c.model, "--pairs", c.pairs, "--device", c.o.device,
            "--batch", str(c.o.batch), "--steps", str(c.o.steps), "--warmup", str(c.o.warmup),
            "--micro-tokens", str(c.o.micro_tokens)]
    with Peak(c.gpu) as peak:
        env = dict(os.environ, GPU_BASE_BYTES=str(peak.base or 0), PYTHONDONTWRITEBYTECODE="1",
                   TOKENIZERS_PARALLELISM="false")
        p = Process(argv + list(args), c.limit(), c.path("notes"), stdout=subprocess.PIPE, env=env)
        text = p.child.stdout.read().decode()
        rss = p.wait()
    r = json.loads(text.strip().split("\n")[-1])
    for phase, times in (("ref", 1), ("train", 3)):
        if "tokens_per_second" in r.get(phase, {}):
            seen = r[phase]
            # a loop may have tried sizes that did not fit: its own reading is of the size it ran with
            seen["gib"] = seen.get("device_gib", rss)
            seen["flops"] = times * c.flops_per_token * seen["tokens_per_second"]
    return r


def run_torch(c, peer):
    master, *how = peer.split("-")
    args = ["--master", master, "--dtype", "fp32" if c.o.dtype == "fp32" else "bf16"]
    args += ["--ref-only"] if c.ref_only else []
    args += ["--" + h for h in how if h in ("compile", "checkpointing")]
    args += [a for h in how if h in ("sdpa", "varlen") for a in ("--attention", h)]
    return run_peer(c, os.path.join(SHARED, "torch_loop.py"), *args)


def run_trl(c, _):
    probe = [c.o.python, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('trl') is None)"]
    if subprocess.run(probe).returncode:
        raise Failed("skipped, trl is not installed")
    if c.ref_only:
        raise Failed("skipped, trl has no reference passes without training")
    return run_peer(c, os.path.join(HERE, "trl_loop.py"))


# ---- the plan of the benchmark -------------------------------------------------------------------------------------

class Case:
    """One model and mix: its files, its records, and what they cost."""

    def __init__(self, o, clock, gpu, work, name, mix):
        self.o, self.clock, self.gpu, self.work, self.name, self.mix = o, clock, gpu, work, name, mix
        self.shape = shapes.SHAPES[name]
        self.ref_only = shapes.parameters(self.shape) > REFERENCE_ONLY_FROM and not o.train_all
        self.model = self.path(name)
        self.pairs = self.path(f"{name}-{mix}.jsonl")
        self.scored = self.path(f"{name}-{mix}.scored.jsonl")
        prompt, response = shapes.parse_mix(mix)
        self.largest = prompt + 2 * (response * 3 // 2)
        longest = prompt + response * 3 // 2
        self.lengths = ["--max-length", str(max(2048, longest)), "--max-prompt-length", str(max(1800, prompt))]

    def path(self, name):
        return os.path.join(self.work, name)

    def limit(self):
        return min(self.o.limit, self.clock.left())

    def prepare(self):
        if not os.path.exists(os.path.join(self.model, "config.json")):
            argv = [self.o.python, os.path.join(SHARED, "shapes.py"), "model", self.name, self.model]
            p = Process(argv, self.limit(), self.path("notes"))
            p.wait()
        steps = self.o.steps if not self.ref_only else max(1, self.o.steps // 2)
        if not os.path.exists(self.pairs):
            shapes.write_pairs(self.pairs, self.o.batch * steps, *shapes.parse_mix(self.mix), self.shape["vocab"])
        with open(self.pairs, encoding="utf-8") as f:
            self.records = [json.loads(line) for line in f]
        self.flops_per_token = shapes.useful(self.shape, self.records) / shapes.flat_tokens(self.records)

    def batch(self, step):
        first = step * self.o.batch % len(self.records)
        return self.records[first:first + self.o.batch]


def run_ours(c, _):
    r = {"ref": run_ref(c)}
    try:
        if not c.ref_only:
            r["train"] = run_train(c)
    except Failed as e:
        r["train"] = {"failed": str(e)}
    return r


def runner(who):
    return {"omni-dpo": run_ours, "trl": run_trl}.get(who, run_torch)


def run_one(c, who, rep, results, out):
    head = {"shape": c.name, "mix": c.mix, "who": who, "rep": rep}
    label = f"{c.name} {c.mix} {who} #{rep}"
    if c.clock.left() < c.o.least:
        print(f"# {label}: skipped, {max(0, c.clock.left()):.0f} s are left")
        return
    start = time.monotonic()
    try:
        r = {**runner(who)(c, who), **head}
        results.append(r)
    except (Failed, OSError, ValueError, KeyError) as e:
        r = {**head, "failed": str(e)}
    for failed in (r.get("failed"), r.get("train", {}).get("failed"), r.get("train", {}).get("skipped")):
        if failed:
            print(f"# {label}: {failed}")
    r["wall_seconds"] = time.monotonic() - start
    out.write(json.dumps(r) + "\n")
    out.flush()
    rates = " ".join(f"{k} {r[k]['tokens_per_second']:.0f} tok/s" for k in ("ref", "train")
                     if "tokens_per_second" in r.get(k, {}))
    if rates:
        print(f"# {label}: {rates} ({r['wall_seconds']:.0f} s)", flush=True)


# ---- the table -----------------------------------------------------------------------------------------------------

def middle(rows, phase, key):
    values = [r[phase][key] for r in rows if r.get(phase, {}).get(key) is not None]
    return statistics.median(values) if values else None


def number(v, form, width):
    return f"{format(v, form) if v is not None else '-':>{width}}"


def columns(rows, ours, phase, peak):
    rate, own = middle(rows, phase, "tokens_per_second"), middle(ours, phase, "tokens_per_second")
    flops = middle(rows, phase, "flops")
    mfu = 100 * flops / (peak * 1e12) if flops and peak else None
    ratio = own / rate if own and rate and rows is not ours else None
    return (number(rate, ".0f", 10) + number(mfu, ".1f", 7) + number(middle(rows, phase, "gib"), ".2f", 8)
            + number(ratio, ".2f", 7))


def loss_warnings(ours, rows, who):
    """Both start from the same weights and records, so the first losses agree; within the coin flips of c-NLL's gate,
    which a loop whose two passes round differently has."""
    a, b = ((next((r["train"]["loss"][0] for r in x if r.get("train", {}).get("loss")), None)) for x in (ours, rows))
    if a is not None and b is not None and abs(a - b) > 0.06 * abs(a):
        yield f"# {who}: first loss {b:.6g}, omni-dpo {a:.6g}: not the same work"


def table(results, peak, info):
    print(f"\n{info['gpu'] or info['cpu']}; peak {peak:g} TFLOP/s; MFU: useful operations of the records (common prefix "
          "once, scored\nrows, visible keys), the same count for all; x: omni-dpo's rate over this one's")
    print(f"{'shape':14}{'mix':>9} {'who':16}{'ref tok/s':>10}{'MFU %':>7}{'GiB':>8}{'x':>7}{'train t/s':>11}{'MFU %':>7}"
          f"{'GiB':>8}{'x':>7}{'micro':>7}")
    for shape, mix in dict.fromkeys((r["shape"], r["mix"]) for r in results):
        case = [r for r in results if (r["shape"], r["mix"]) == (shape, mix)]
        ours = [r for r in case if r["who"] == "omni-dpo"]
        for who in dict.fromkeys(r["who"] for r in case):
            rows = ours if who == "omni-dpo" else [r for r in case if r["who"] == who]
            name = who if who in ("omni-dpo", "trl") else "torch " + who
            micro = middle(rows, "train", "micro_tokens")
            print(f"{shape:14}{mix:>9} {name:16}{columns(rows, ours, 'ref', peak)} {columns(rows, ours, 'train', peak)}"
                  f"{number(micro, '.0f', 7)}")
            for line in loss_warnings(ours, rows, f"{shape} {mix} {name}"):
                print(line)


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default="bin", help="folder of od-ref and od-train")
    p.add_argument("--device", default="cuda")
    p.add_argument("--dtype", default="bf16", help="of omni-dpo's products")
    p.add_argument("--python", default=sys.executable, help="an interpreter that has torch and transformers")
    p.add_argument("--shapes", nargs="+", default=DEFAULT_SHAPES, choices=sorted(shapes.SHAPES), metavar="NAME")
    p.add_argument("--mix", nargs="+", default=["150+300"], metavar="P+R", help="mixes for every shape")
    p.add_argument("--long-mix", default="600+150", metavar="P+R", help="a mix for --long-shape alone; '' for none")
    p.add_argument("--long-shape", default="qwen2.5-0.5b")
    p.add_argument("--peers", nargs="*", default=["fp32", "bf16", "trl"], metavar="PEER")
    p.add_argument("--reps", type=int, default=1)
    p.add_argument("--batch", type=int, default=64, help="pairs of an update")
    p.add_argument("--steps", type=int, default=6, help="updates")
    p.add_argument("--warmup", type=int, default=2, help="updates that are not counted")
    p.add_argument("--micro-tokens", type=int, default=0, help="for everyone; 0: each chooses")
    p.add_argument("--memory", default="", help="od-train's --memory: recompute what does not fit (peers: -checkpointing)")
    p.add_argument("--train-all", action="store_true", help="try to train the largest shapes too")
    p.add_argument("--peak-tflops", type=float, default=989, help="dense bf16 of the device; H100 SXM and H200: 989")
    p.add_argument("--budget", type=float, default=540, help="seconds for everything")
    p.add_argument("--limit", type=float, default=150, help="seconds for one command")
    p.add_argument("--least", type=float, default=12, help="seconds without which no run is started")
    p.add_argument("--out", default="gpu-bench.jsonl")
    p.add_argument("--work", help="folder for models and pairs; is kept, and its models are used again")
    return p.parse_args()


def cases(o):
    todo = [(name, mix) for mix in o.mix for name in o.shapes]
    if o.long_mix and o.long_shape in o.shapes and (o.long_shape, o.long_mix) not in todo:
        todo.append((o.long_shape, o.long_mix))
    # what may fill the device, and takes longest to make, comes last
    todo.sort(key=lambda t: shapes.parameters(shapes.SHAPES[t[0]]) > REFERENCE_ONLY_FROM)
    return todo


def run_all(o, work, out, results):
    clock, gpu = Clock(o.budget), Gpu(o.device)
    for name, mix in cases(o):
        c = Case(o, clock, gpu, work, name, mix)
        if clock.left() < o.least:
            print(f"# {name} {mix}: skipped, no time is left")
            continue
        try:
            c.prepare()
        except (Failed, OSError) as e:
            print(f"# {name} {mix}: no model: {e}")
            continue
        for rep in range(o.reps):
            for who in ["omni-dpo"] + o.peers:
                run_one(c, who, rep, results, out)


def main():
    o = options()
    o.bin = os.path.abspath(o.bin)
    info, results = machine(), []
    info["omni-dpo"] = first_line([os.path.join(o.bin, "od-train"), "--version"])
    print(f"# {json.dumps(info)}", flush=True)
    work = o.work or tempfile.mkdtemp(prefix="gpu-bench.")
    os.makedirs(work, exist_ok=True)
    try:
        with open(o.out, "w", encoding="utf-8") as out:
            out.write(json.dumps({"machine": info, "options": vars(o)}) + "\n")
            run_all(o, work, out, results)
    finally:
        if not o.work:
            shutil.rmtree(work, ignore_errors=True)
        table(results, o.peak_tflops, info)
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
