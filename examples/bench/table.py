#!/usr/bin/env python3
"""table.py RUNS.jsonl: the Markdown tables of the runs that bench.py wrote."""
import json
import os
import statistics
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ceiling  # noqa: E402
import runs  # noqa: E402
import scaling  # noqa: E402


def section(rows, name, **wanted):
    return [r for r in rows if r["section"] == name and "failed" not in r and all(r.get(k) == v for k, v in wanted.items())]


def distinct(rows, *keys):
    return list(dict.fromkeys(tuple(r[k] for k in keys) for r in rows))


def spread(values, form=",.0f"):
    """Median and range."""
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    low, mid, high = (format(v, form) for v in (min(values), statistics.median(values), max(values)))
    return mid if len(values) == 1 else f"{mid} ({low}-{high})"


def middle(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def lines(head, body):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in body:
        yield "| " + " | ".join(row) + " |"
    yield ""


# ---- the parts ---------------------------------------------------------------------------------------------------------

def machine_part(rows):
    m = rows[0]
    yield "## Machine"
    yield ""
    yield f"{m['date']}; {m['cpu']}, {m['cores']} cores ({' '.join(m['flags'])}), {m['memory_gib']:g} GiB, Linux {m['kernel']}; load before the first run {m['load']:.2f}, most during it {max(r.get('load', 0) for r in rows):.2f}."
    loops = [r["versions"] for r in section(rows, "speed") if "versions" in r]
    peer = f"; torch {loops[0]['torch']}, transformers {loops[0]['transformers']}, {loops[0]['threads']} threads, attention {loops[0]['attention']}" if loops else ""
    yield f"Commit {m['commit'] or '-'}; {', '.join(m['versions'])}{peer}."
    o = m["options"]
    yield f"{o['reps']} turns; {o['shape']}, {o['pairs']} pairs an update. Medians, and the range in brackets."
    yield ""


def products_part(rows):
    yield "## Products"
    yield ""
    yield "GFLOP/s. Ceiling: the operations of the model's products over the time they take when each runs as quickly as the better of both sides did (medians). The square product is not part of it."
    yield ""
    got = section(rows, "products")
    types = [t for t, in distinct(got, "dtype")]
    head = ["product", "m x n x k"] + [f"{t} {who}" for t in types for who in ("oneDNN", "ours")]
    body = []
    for name, shape in distinct(got, "product", "shape"):
        body.append([name, shape] + [spread([r["gflops"] for r in section(got, "products", product=name, dtype=t, who=who)])
                                     for t in types for who in ("onednn", "omni-dpo")])
    total = ["**all of the model**", ""]
    best = ["**ceiling**", ""]
    for t in types:
        mine = section(got, "products", dtype=t)
        total += [number(ceiling.of(mine, who), 1e9) for who in ("onednn", "omni-dpo")]
        best += [f"**{number(ceiling.ceiling(mine), 1e9)}**", ""]
    yield from lines(head, body + ([total, best] if got else []))


def number(v, unit=1.0, form=",.0f"):
    return "-" if v is None else format(v / unit, form)


def operations_part(rows):
    yield "## Operations"
    yield ""
    yield "GFLOP/s of the products an operation needs, or GB/s of the bytes it must move once."
    yield ""
    got = section(rows, "operations")
    types = [t for t, in distinct(got, "dtype")]
    body = []
    for op, shape in distinct(got, "op", "shape"):
        cells = []
        for t in types:
            mine = section(got, "operations", op=op, shape=shape, dtype=t)
            cells += [spread([r.get("gflops") for r in mine], ",.1f"), spread([r.get("gbps") for r in mine], ",.1f")]
        body.append([op, shape] + cells)
    yield from lines(["operation", ""] + [f"{t} {unit}" for t in types for unit in ("GFLOP/s", "GB/s")], body)


def share(rate, row, phase, top):
    """Useful operations a second over the ceiling; training is three forward passes."""
    return "-" if not (rate and top) else f"{100 * rate * row['flops_per_token'] * (3 if phase == 'train' else 1) / top:.0f} %"


def speed_row(rows, mix, dtype, who, top):
    mine = section(rows, "speed", mix=mix, dtype=dtype, who=who)
    ours = section(rows, "speed", mix=mix, dtype=dtype, who="omni-dpo")
    out = [mix, dtype, who]
    for phase in ("ref", "train"):
        rates = [r[phase]["tokens_per_second"] for r in mine]
        own = middle([r[phase]["tokens_per_second"] for r in ours])
        out += [spread(rates), share(middle(rates), mine[0], phase, top),
                "" if who == "omni-dpo" or not own else f"{own / middle(rates):.2f}"]
    return out


def speed_part(rows):
    yield "## Speed"
    yield ""
    yield "Tokens/s, the prompt counted once for each response, without start-up and without the first update. %: useful operations over the ceiling of the type, the same count for all. x: omni-dpo's median over this one's."
    yield ""
    body = []
    for mix, dtype, who in distinct(section(rows, "speed"), "mix", "dtype", "who"):
        top = ceiling.ceiling(section(rows, "products", dtype=dtype))
        body.append(speed_row(rows, mix, dtype, who, top))
    yield from lines(["prompt+response", "type", "", "reference, tokens/s", "%", "x", "training, tokens/s", "%", "x"], body)


def memory_row(rows, mix, dtype, who):
    mine = section(rows, "speed", mix=mix, dtype=dtype, who=who)
    rest = middle([r["rss_gib"] for r in section(rows, "idle", who=who)]) or 0.0
    out = [mix, dtype, who, number(1024 * rest)]
    for phase in ("ref", "train"):
        peaks = [1024 * r[phase]["rss_gib"] for r in mine if r[phase]["rss_gib"] is not None]
        held = runs.HELD[who, dtype][phase] * mine[0]["parameters"] / 2 ** 20
        out += [spread(peaks), spread([p - held for p in peaks]), spread([p - held - 1024 * rest for p in peaks])]
    return out


def memory_part(rows):
    yield "## Memory"
    yield ""
    yield "MiB resident. Peak: of the process, loading left out for torch and not for omni-dpo. Beyond: the peak less weights, master weights, gradients and moments. Net: less the libraries too, which is what a process takes that does nothing (idle)."
    yield ""
    body = [memory_row(rows, *key) for key in distinct(section(rows, "speed"), "mix", "dtype", "who")]
    yield from lines(["prompt+response", "type", "", "idle", "reference: peak", "beyond", "net", "training: peak", "beyond", "net"], body)


def startup_part(rows):
    yield "## Start-up"
    yield ""
    yield "Seconds from exec, the files in memory: to od-ref's first record (torch: to the first reference pass), to the first update."
    yield ""
    body = [[dtype, who] + [spread([r[k] for r in section(rows, "startup", dtype=dtype, who=who)], ".2f") for k in ("ref", "train")]
            for dtype, who in distinct(section(rows, "startup"), "dtype", "who")]
    yield from lines(["type", "", "reference", "training"], body)


def exponent(got, key):
    slope, error = scaling.fit([r["x"] for r in got], [r[key] for r in got])
    if slope is None:
        return "-"
    return f"{slope:.2f}" + (f" ± {error:.2f}" if error is not None else "")


def cost_part(rows):
    yield "## Cost"
    yield ""
    yield "Exponents of seconds and of peak memory in what grows, fp32, small models, least squares on logarithms over all runs, ± standard error. The rest of the cost stays the same while one thing grows, so an exponent below its limit is a share that does not grow."
    yield ""
    body = []
    for axis, in distinct(section(rows, "cost"), "axis"):
        got = section(rows, "cost", axis=axis)
        xs = sorted({r["x"] for r in got})
        ends = [spread([r["train_seconds"] for r in got if r["x"] == x], ".3g") for x in (xs[0], xs[-1])]
        body.append([scaling.AXES[axis], f"{xs[0]:,} to {xs[-1]:,}", exponent(got, "ref_seconds"), exponent(got, "train_seconds"),
                     exponent(got, "train_gib"), " to ".join(ends)])
    yield from lines(["what grows", "range", "reference, seconds", "an update, seconds", "memory of training", "seconds an update"], body)


def failures_part(rows):
    failed = list(dict.fromkeys(f"- {' '.join(r[k] for k in ('section', 'dtype', 'who') if k in r)}: {r['failed']}" for r in rows if "failed" in r))
    if failed:
        yield from ["## Without a figure", "", *failed, ""]


def commands_part(rows):
    """Of the first mix, one of each kind."""
    yield "## Commands"
    yield ""
    got = section(rows, "speed")
    for line in dict.fromkeys(r[p]["command"] for r in got if r["mix"] == got[0]["mix"] for p in ("ref", "train") if "command" in r[p]):
        yield "    " + line
    yield ""


PARTS = (machine_part, products_part, operations_part, speed_part, memory_part, startup_part, cost_part, failures_part, commands_part)


def render(rows):
    return "# Measured on a processor\n\n" + "\n".join(line for part in PARTS for line in part(rows)).rstrip("\n") + "\n"


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        print(render([json.loads(line) for line in f]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
