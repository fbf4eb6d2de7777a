"""What the processor reaches: matrix products by oneDNN and by us (bench_ceiling), and every operation (bench_ops)."""
import json
import os
import statistics
import subprocess

from common import Failed, Process


def lines_of(o, work, argv):
    p = Process(argv, o.limit, os.path.join(work, "notes"), stdout=subprocess.PIPE)
    text = p.child.stdout.read().decode()
    p.wait()
    return [json.loads(line) for line in text.split("\n") if line]


def program(o, name, *args):
    path = os.path.join(o.tests, "ops", name)
    if not os.path.exists(path):
        raise Failed(f"{name} has not been built")
    return [path, *(["--threads", str(o.threads)] if o.threads else []), *map(str, args)]


def products(o, work):
    """One turn of both sides over all products and types."""
    return lines_of(o, work, program(o, "bench_ceiling", *o.ceiling))


def operations(o, work, dtype):
    return lines_of(o, work, program(o, "bench_ops", *(["--dtype", "bf16"] if dtype == "bf16" else []), *o.ops))


def medians(rows):
    """{product: {who: median GFLOP/s}} of rows of one type."""
    out = {}
    for r in rows:
        out.setdefault(r["product"], {}).setdefault(r["who"], []).append(r["gflops"])
    return {p: {who: statistics.median(v) for who, v in by.items()} for p, by in out.items()}


def rate(rows, pick):
    """Operations of the model's products over the time they take at the rates that pick chooses of {who: GFLOP/s}."""
    work = seconds = 0.0
    by_product = medians(rows)
    for name, flops, times in {(r["product"], r["flops"], r["times"]) for r in rows}:
        speed = pick(by_product[name])
        if times and not speed:
            return None
        work += flops * times
        seconds += flops * times / (speed * 1e9) if times else 0
    return work / seconds if seconds else None


def ceiling(rows):
    """Operations a second of a model whose every product runs as quickly as the better of both sides did, by its median."""
    return rate(rows, lambda by: max(by.values()))


def of(rows, who):
    return rate(rows, lambda by: by.get(who))
