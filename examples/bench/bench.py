#!/usr/bin/env python3
"""Measures this machine, the operations, od-ref and od-train, and the PyTorch loop of this folder, in turns.

    bench.py --bin DIR --tests DIR [--python PYTHON] [--reps N] [--quick] [--out DIR] ...

`make bench` builds what is needed and runs it. DIR then holds runs.jsonl, every single run as it was made, and table.md.
README.md says what is measured and what the numbers mean. Without --python there is no peer.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import ceiling  # noqa: E402
import machine  # noqa: E402
import runs  # noqa: E402
import scaling  # noqa: E402
import shapes  # noqa: E402
import table  # noqa: E402
from common import Failed  # noqa: E402

SECTIONS = ("products", "operations", "speed", "startup", "cost")


class Log:
    """runs.jsonl: a line a run, written when it is over; what failed is a line too."""

    def __init__(self, path, work):
        self.rows, self.work, self.began = [], work, time.monotonic()
        self.file = open(path, "w", encoding="utf-8")

    def put(self, section, row):
        row = {"section": section, **row}
        self.rows.append(row)
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()

    def run(self, section, head, what, *args):
        """what(*args) gives a row or a list of rows."""
        head = {**head, "load": round(machine.load(), 2)}
        try:
            got = what(*args)
        except (Failed, OSError, ValueError, KeyError, IndexError) as e:
            got = {"failed": str(e).replace(self.work + os.sep, "")}
            self.note(f"{section} {' '.join(str(v) for v in head.values())}: {e}")
        for row in got if isinstance(got, list) else [got]:
            self.put(section, {**head, **row})

    def note(self, text):
        print(f"# {time.monotonic() - self.began:6.0f} s  {text}", file=sys.stderr, flush=True)


class Bench:
    """Everything that is measured, once a turn."""

    def __init__(self, o, work, log):
        self.o, self.work, self.log = o, work, log
        self.shape = shapes.SHAPES[o.shape]
        model = os.path.join(work, o.shape)
        if self.wants("speed") or self.wants("startup"):
            shapes.write_model(self.shape, model, device="none")
        self.cases = {(mix, dtype): self.case(model, mix, dtype, o.pairs) for mix in o.mix for dtype in o.dtype
                      if self.wants("speed")}
        self.starts = {dtype: self.case(model, "4+4", dtype, 1) for dtype in o.dtype if self.wants("startup")}
        self.points = scaling.points(o, work) if self.wants("cost") else []

    def wants(self, section):
        return section in self.o.only

    def case(self, model, mix, dtype, n):
        path = os.path.join(self.work, f"pairs-{mix}.jsonl")
        if not os.path.exists(path):
            shapes.write_pairs(path, n, *shapes.parse_mix(mix), self.shape["vocab"])
        return runs.Case(self.o, self.work, self.shape, model, path, dtype)

    def sides(self, dtype):
        return ["omni-dpo"] + (runs.PEERS[dtype] if self.o.python else [])

    def turn(self, rep):
        o, log = self.o, self.log
        if self.wants("products"):
            log.run("products", {"rep": rep}, ceiling.products, o, self.work)
        for dtype in o.dtype if self.wants("operations") else ():
            log.run("operations", {"rep": rep, "dtype": dtype}, ceiling.operations, o, self.work, dtype)
        for (mix, dtype), c in self.cases.items():
            for who in self.sides(dtype):
                log.run("speed", {"rep": rep, "mix": mix, "dtype": dtype, "who": who, "pairs": c.n,
                                  "parameters": shapes.parameters(self.shape), "flops_per_token": c.flops_per_token},
                        runs.run, c, who)
                log.note(f"turn {rep}: {mix} {dtype} {who}")
        for dtype, c in self.starts.items():
            for who in self.sides(dtype):
                log.run("startup", {"rep": rep, "dtype": dtype, "who": who}, runs.startup, c, who)
                log.run("idle", {"rep": rep, "dtype": dtype, "who": who}, lambda: {"rss_gib": runs.idle(c, who)})
        for p in self.points:
            log.run("cost", {"rep": rep}, p.run)


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default="bin", help="folder of od-ref and od-train")
    p.add_argument("--tests", default="build/release/tests", help="folder of ops/bench_ceiling and ops/bench_ops")
    p.add_argument("--python", help="an interpreter that has torch and transformers, for the peer")
    p.add_argument("--reps", type=int, help="turns [5]")
    p.add_argument("--quick", action="store_true", help="tiny sizes: tries the machinery, says nothing about speed")
    p.add_argument("--out", default="build/bench", help="folder of runs.jsonl and table.md")
    p.add_argument("--shape", choices=sorted(shapes.SHAPES), metavar="NAME", help="model [smollm2-135m]")
    p.add_argument("--mix", nargs="+", metavar="P+R", help="prompt and mean response [150+300 600+150 60+900]")
    p.add_argument("--dtype", nargs="+", default=["fp32", "bf16"], choices=("fp32", "bf16"))
    p.add_argument("--pairs", type=int, default=4, help="pairs of an update, and of the reference pass [4]")
    p.add_argument("--steps", type=int, default=1, help="updates that are counted in a run, after one that is not [1]")
    p.add_argument("--threads", type=int, default=0, help="of everyone; 0: each takes what there is")
    p.add_argument("--limit", type=float, default=1800, help="seconds for one run")
    p.add_argument("--only", nargs="+", default=SECTIONS, choices=SECTIONS, metavar="SECTION", help=" ".join(SECTIONS))
    o = p.parse_args()
    o.reps = o.reps or (2 if o.quick else 5)
    o.shape = o.shape or ("tiny" if o.quick else "smollm2-135m")
    o.mix = o.mix or (["15+30"] if o.quick else ["150+300", "600+150", "60+900"])
    o.ceiling = ["--tokens", 50, "--vocab", 512, "--seconds", 0.001] if o.quick else []
    o.ops = ["norm"] if o.quick else []
    o.bin, o.tests, o.out = (os.path.abspath(d) for d in (o.bin, o.tests, o.out))
    return o


def shown(o):
    """The options without this machine's folders."""
    return {k: v for k, v in vars(o).items() if k not in ("bin", "tests", "python", "out", "ceiling", "ops")}


def main():
    o = options()
    os.makedirs(o.out, exist_ok=True)
    work = tempfile.mkdtemp(prefix="bench.")
    log = Log(os.path.join(o.out, "runs.jsonl"), work)
    log.put("machine", {**machine.describe(o.bin), "options": shown(o), "peer": bool(o.python)})
    try:
        bench = Bench(o, work, log)
        for rep in range(o.reps):
            bench.turn(rep)
            log.note(f"turn {rep + 1} of {o.reps} is done")
    except KeyboardInterrupt:
        log.note("stopped: the table has what was measured")
    finally:
        shutil.rmtree(work, ignore_errors=True)
        text = table.render(log.rows)
        with open(os.path.join(o.out, "table.md"), "w", encoding="utf-8") as f:
            f.write(text)
    print(text, end="")
    return 0 if any("failed" not in r for r in log.rows[1:]) else 1


if __name__ == "__main__":
    sys.exit(main())
