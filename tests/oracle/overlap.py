#!/usr/bin/env python3
"""od-eval overlap against a search with Python's sets and its own Unicode tables: GSM8K's and other real items in real preference
pairs among which some of the questions are planted, as they are, in other dress, and paraphrased."""
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import unicodedata

ORACLE = os.environ.get("ORACLE")
BIN = os.environ.get("BIN", "bin")
DATA = f"{ORACLE}/data"
GSM8K, PAIRS = f"{DATA}/math/gsm8k.jsonl.gz", f"{DATA}/preference/ultrafeedback/train.jsonl.gz"
if not ORACLE or not os.path.exists(GSM8K) or not os.path.exists(PAIRS):
    print("1..0 # SKIP no reference data")
    sys.exit(0)

results = []


def point(good, name, detail=""):
    results.append(good)
    print(f"{'ok' if good else 'not ok'} {len(results)} - {name}{' # ' + detail if detail else ''}", flush=True)


def read(path):
    with gzip.open(path, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


ALONE = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def words(text):
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).casefold()
    out, word, alone = [], False, False
    for c in text:
        kind = unicodedata.category(c)
        if kind == "Cf":
            continue
        if kind[0] == "M" and (word or alone):
            out[-1] += c
        elif kind[0] in "LN" and ALONE.match(c) and kind[0] == "L":
            out.append(c)
            word, alone = False, True
        elif kind[0] in "LN" and word:
            out[-1] += c
        elif kind[0] in "LN":
            out.append(c)
            word, alone = True, False
        else:
            word = alone = False
    return out


def grams(ws, n):
    return [tuple(ws[i:i + n]) for i in range(len(ws) - n + 1)]


def expected(items, texts, n, least):
    wanted = [grams(w, n) if len(w) >= n else [tuple(w)] if len(w) >= least else [] for w in map(words, items)]
    lengths = {len(g) for gs in wanted for g in gs}
    every = {g for gs in wanted for g in gs}
    there = set()
    for ws in map(words, texts):
        for k in lengths:
            there.update(every.intersection(grams(ws, k)))
    return [(len(gs), sum(g in there for g in gs)) for gs in wanted]


def run(train, bench, *args):
    p = subprocess.run([f"{BIN}/od-eval", "overlap", "-q", "--all", *args, train, bench], capture_output=True, text=True)
    if p.returncode != 0:
        sys.exit(f"{args}: exit {p.returncode}: {p.stderr}")
    return [json.loads(line) for line in p.stdout.splitlines()]


def write(path, records):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    return path


def paraphrase(text):
    """Every third word changed: no run of more than two is left."""
    return " ".join(w if i % 3 else f"{w}ish" for i, w in enumerate(text.split()))


def dress(text):
    return "\n".join(text.upper().replace("'", "\u2019").split(" "))


with tempfile.TemporaryDirectory() as tmp:
    gsm8k, pairs = [r["question"] for r in read(GSM8K)], read(PAIRS)
    planted = {**{i: str for i in range(0, 300, 10)}, **{i: dress for i in range(5, 300, 10)}, **{i: paraphrase for i in range(7, 300, 10)}}
    train = [dict(r, chosen=f"{r['chosen']}\n\n{planted[i](gsm8k[i])}") if i in planted else r for i, r in enumerate(pairs)]
    path = write(f"{tmp}/train", train)
    got = run(path, GSM8K, "--clean", f"{tmp}/clean")
    full = {int(r["id"][1:]) for r in got if r["overlap"] == 1}
    point(full == {i for i, how in planted.items() if how is not paraphrase}, "planted questions are found in full, and no other",
          f"{len(full)} of {len(gsm8k)}")
    point(all(got[i]["hits"] == 0 for i, how in planted.items() if how is paraphrase), "paraphrased ones are not")
    point(all(got[i]["train"][0] == {"line": i + 1, "id": "", "field": "chosen"} for i in full), "where they stand")
    kept = open(f"{tmp}/clean", "rb").read().splitlines(True)
    lines = open(path, "rb").read().splitlines(True)
    point(kept == [line for i, line in enumerate(lines) if i not in full], "the others are kept, byte for byte")
    texts = [r[f] for r in train for f in ("prompt", "chosen", "rejected")]
    for n, least in ((13, 5), (8, 3), (4, 2)):
        got = run(path, GSM8K, "--ngram", str(n), "--min-words", str(least))
        point([(r["ngrams"], r["hits"]) for r in got] == expected(gsm8k, texts, n, least), f"n-grams of {n} words: every count",
              f"{sum(r['hits'] for r in got)} of {sum(r['ngrams'] for r in got)} hit")
    for name, member in (("ifeval/input_data.jsonl", "prompt"), ("math/college_math.jsonl.gz", "question"), ("sedareval/test.jsonl.gz", "query")):
        opened = gzip.open if name.endswith("gz") else open
        with opened(f"{DATA}/{name}", "rt", encoding="utf-8") as f:
            items = [json.loads(line)[member] for line in f]
        got = run(PAIRS, f"{DATA}/{name}", "--ngram", "6", "--min-words", "3", "--bench-field", member)
        want = expected(items, [r[f] for r in pairs for f in ("prompt", "chosen", "rejected")], 6, 3)
        wrong = [i for i, (r, w) in enumerate(zip(got, want)) if (r["ngrams"], r["hits"]) != w]
        point(not wrong and len(got) == len(want), f"{name}: every count", f"{sum(h for _, h in want)} of {sum(n for n, _ in want)} hit"
              + (f"; first wrong {got[wrong[0]]} {want[wrong[0]]}" if wrong else ""))
print(f"1..{len(results)}")
sys.exit(not all(results))
