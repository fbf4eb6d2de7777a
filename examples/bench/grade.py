#!/usr/bin/env python3
"""Times od-eval's graders beside Python's, in turns: IFEval's checker on stored responses, the math grader on stored answers.

    grade.py [--bin DIR] [--reps N] [--ifeval DATA OUTPUTS] [--punkt DIR] [--profiles PATH] [--python PYTHON] [--math FILE] [--answers N]

DATA is IFEval's input_data.jsonl, OUTPUTS has key and response a line. PYTHON is an interpreter with PyPI's lm-eval, langdetect,
nltk and immutabledict: lm-eval carries the published checker. What it needs of NLTK is DIR, punkt_tab/english. lm-eval itself is not
imported, only its checker, so that its time is the checker's. With PYTHON the verdicts are compared too.

FILE has text, gt and dataset a line; its records are repeated until there are N (10,000). Where they have `secs`, the seconds a
Python grader took for each, as the reference cases do, their sum is the Python figure: it was measured elsewhere, one process.

Prints a table; the seconds of every run are in its last column.
"""
import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import types

sys.dont_write_bytecode = True


def checker():
    """The published checker inside lm-eval, without what lm-eval loads besides."""
    import importlib.util
    where = os.path.dirname(importlib.util.find_spec("lm_eval").origin)
    for name, path in (("lm_eval", where), ("lm_eval.tasks", os.path.join(where, "tasks"))):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [path]
    from lm_eval.tasks.ifeval import utils
    import langdetect
    langdetect.DetectorFactory.seed = 0
    return utils


def peer(data, outputs):
    """Runs in PYTHON: verdicts of every response, and the seconds without start-up."""
    start = time.perf_counter()
    utils = checker()
    loaded = time.perf_counter()
    prompts = {r["key"]: r for r in read(data)}
    verdicts = {}
    for r in read(outputs):
        done = utils.process_results(prompts[r["key"]], [r["response"]])
        verdicts[str(r["key"])] = [done["inst_level_strict_acc"], done["inst_level_loose_acc"]]
    print(json.dumps({"load": loaded - start, "check": time.perf_counter() - loaded, "verdicts": verdicts}))


def read(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def timed(argv, **more):
    start = time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"grade.py: {argv[0]} {argv[1]}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    return time.perf_counter() - start, done.stdout


def row(name, n, seconds, note=""):
    runs = " ".join(f"{s:.2f}" for s in seconds)
    median = statistics.median(seconds)
    print(f"{name:<44} {n:>7} {median:>9.3f} {n / median:>10.0f}  {runs}{'  ' + note if note else ''}", flush=True)


def nltk_folder(folder, punkt):
    place = os.path.join(folder, "nltk", "tokenizers", "punkt_tab")
    shutil.copytree(punkt, os.path.join(place, "english"))     # (NLTK follows no links out of its folder)
    return os.path.join(folder, "nltk")


def ifeval(o, folder):
    data, outputs = (os.path.abspath(p) for p in o.ifeval)
    n = len(read(outputs))
    base = [os.path.join(o.bin, "od-eval"), "ifeval", "-q", "--data", data, "--outputs", outputs, "--allow-missing", "--items", "-",
            "--summary", os.path.join(folder, "s")] + (["--punkt", o.punkt] if o.punkt else [])
    ways = {"od-eval ifeval, CLD2": base}
    if o.profiles:
        ways["od-eval ifeval, langdetect's profiles"] = base + ["--profiles", o.profiles]
    if o.python:
        ways["Python: start and check"] = [o.python, os.path.abspath(__file__), "--peer", data, outputs]
    seconds, said, inner = {w: [] for w in ways}, {}, []
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    if o.punkt:
        env["NLTK_DATA"] = nltk_folder(folder, o.punkt)
    for _ in range(o.reps):
        for way, argv in ways.items():
            s, text = timed(argv, env=env)
            seconds[way].append(s)
            said[way] = text
            if argv[0] == o.python:
                inner.append(json.loads(text)["check"])
    for way in ways:
        row(way, n, seconds[way])
    if not o.python:
        return
    row("Python: check alone", n, inner)
    theirs = json.loads(said["Python: start and check"])["verdicts"]
    for way in list(ways)[:-1]:
        ours = {i["id"]: [i["strict"], i["loose"]] for i in map(json.loads, said[way].splitlines())}
        pairs = [(a, b) for k in theirs for way_a, way_b in zip(theirs[k], ours[k]) for a, b in zip(way_a, way_b)]
        same = sum(a == b for a, b in pairs)
        print(f"  verdicts of {way}: {same} of {len(pairs)} are Python's, strict and loose")


def math(o, folder):
    records = [r for r in read(o.math) if "text" in r and "gt" in r]
    path = os.path.join(folder, "answers.jsonl")
    with open(path, "w", encoding="utf-8") as f:
        for i in range(o.answers):
            r = records[i % len(records)]
            f.write(json.dumps({"id": i, "dataset": r.get("dataset", "math"), "text": r["text"], "gt": r["gt"]}) + "\n")
    argv = [os.path.join(o.bin, "od-eval"), "grade", "-q", path]
    row("od-eval grade", o.answers, [timed(argv)[0] for _ in range(o.reps)])
    if all("secs" in r for r in records):
        row("Python: seconds in the records", o.answers, [sum(records[i % len(records)]["secs"] for i in range(o.answers))],
            "(summed, measured elsewhere)")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--bin", default="bin")
    p.add_argument("--reps", type=int, default=3)
    p.add_argument("--ifeval", nargs=2, metavar=("DATA", "OUTPUTS"))
    p.add_argument("--punkt")
    p.add_argument("--profiles")
    p.add_argument("--python")
    p.add_argument("--math", metavar="FILE")
    p.add_argument("--answers", type=int, default=10000)
    p.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.peer:
        peer(*o.peer)
        return
    if not o.ifeval and not o.math:
        p.error("nothing to time: give --ifeval or --math")
    print(f"# load {os.getloadavg()[0]:.2f}, {len(os.sched_getaffinity(0))} cores; seconds are medians of {o.reps} runs, start-up included")
    print(f"{'':<44} {'items':>7} {'seconds':>9} {'items/s':>10}  runs")
    with tempfile.TemporaryDirectory() as folder:
        if o.ifeval:
            ifeval(o, folder)
        if o.math:
            math(o, folder)


if __name__ == "__main__":
    main()
