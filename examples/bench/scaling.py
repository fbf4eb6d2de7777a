"""How time and memory grow with pairs, length, vocabulary and model: small random models, ours alone, and fits to the logs."""
import math
import os

import runs
import shapes

AXES = {"pairs": "pairs of an update", "length": "tokens of a response", "vocabulary": "tokens of the vocabulary",
        "model": "parameters"}
FULL = {"pairs": (8, 16, 32, 64, 128), "length": (64, 128, 256, 512, 1024), "vocabulary": (1024, 4096, 16384, 65536),
        "model": (64, 128, 256, 512)}
QUICK = {"pairs": (2, 4, 8), "length": (8, 16, 32), "vocabulary": (128, 256, 512), "model": (32, 64, 96)}


def small(hidden, vocab, layers):
    return shapes.shape("llama", hidden, layers, max(1, hidden // 32), max(1, hidden // 64), 3 * hidden, vocab, True, 10000.0, 1e-5,
                        4096)


def point(axis, at, quick):
    """(shape, pairs, prompt, response) of one point; what the axis does not move is the same for all."""
    hidden, vocab, layers, pairs, prompt, response = (32, 256, 2, 4, 8, 16) if quick else (128, 2048, 4, 16, 64, 128)
    if axis == "pairs":
        pairs = at
    elif axis == "length":
        pairs, prompt, response = (2 if quick else 8), 16, at
    elif axis == "vocabulary":
        vocab = at
    else:
        hidden, vocab = at, (128 if quick else 512)
    return small(hidden, vocab, layers), pairs, prompt, response


class Point:
    """A point of an axis with its files; run() is one measurement."""

    def __init__(self, o, work, axis, at):
        folder = os.path.join(work, f"{axis}-{at}")
        s, n, prompt, response = point(axis, at, o.quick)
        shapes.write_model(s, folder, device="none")
        pairs = os.path.join(folder, "pairs.jsonl")
        shapes.write_pairs(pairs, n, prompt, response, s["vocab"], fixed=True)
        self.axis, self.x = axis, shapes.parameters(s) if axis == "model" else at
        self.case = runs.Case(o, folder, s, folder, pairs, "fp32")

    def run(self):
        r = runs.ours(self.case)
        return {"axis": self.axis, "x": self.x, "ref_seconds": r["ref"]["seconds"], "train_seconds": r["train"]["seconds"],
                "train_gib": r["train"]["rss_gib"]}


def points(o, work):
    return [Point(o, work, axis, at) for axis, values in (QUICK if o.quick else FULL).items() for at in values]


def fit(xs, ys):
    """Least squares of log y on log x: the exponent and its standard error (None from fewer than three measurements)."""
    u, v = [math.log(x) for x in xs], [math.log(y) for y in ys]
    n, mu, mv = len(u), sum(u) / len(u), sum(v) / len(v)
    sxx = sum((a - mu) ** 2 for a in u)
    if not sxx:
        return None, None
    slope = sum((a - mu) * (b - mv) for a, b in zip(u, v)) / sxx
    rest = sum((b - mv - slope * (a - mu)) ** 2 for a, b in zip(u, v))
    return slope, math.sqrt(rest / (n - 2) / sxx) if n > 2 else None
