#!/usr/bin/env python3
"""od-eval grade against the reference graders: extracted answers, verdicts without and with the symbolic step, both graders, speed;
reference answers from the benchmarks' own fields; od-score verify gives what od-eval grade gives.

Environment: ORACLE (folder with oracle/math_grader.jsonl.gz and data/math), BIN (folder of the tools).
"""
import gzip
import json
import os
import subprocess
import sys
import time

ORACLE, BIN = os.environ["ORACLE"], os.environ.get("BIN", "bin")
SLOW = 1.5                    # seconds: beyond, the reference's own verdict hangs on its time limit
AGREE = 0.995
FIELDS = {"gsm8k": "answer", "math500": "solution", "minerva_math": "solution", "olympiadbench": "final_answer", "aime24": "answer",
          "amc23": "answer", "gaokao2023en": "answer", "college_math": "answer"}
points = 0


def point(ok, name, details=()):
    global points
    points += 1
    print(f"{'ok' if ok else 'not ok'} {points} - {name}")
    for d in list(details)[:20]:
        print(f"# {d}", file=sys.stdout if ok else sys.stderr)
    return ok


def load(path):
    with gzip.open(os.path.join(ORACLE, path), "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def run(arguments, records):
    start = time.time()
    done = subprocess.run([os.path.join(BIN, arguments[0]), *arguments[1:]], text=True, capture_output=True, check=False,
                          input="".join(json.dumps(r) + "\n" for r in records))
    if done.returncode:
        print(f"# exit {done.returncode}: {done.stderr}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()], time.time() - start


def wanted(record, grader):
    return record if grader == "qwen" else record["unidpo"]


def check_grader(oracle, grader):
    rows = [(r, wanted(r, grader)) for r in oracle]
    asked = [{"id": str(r["id"]), "text": r["text"], "gt": w["gt"], "dataset": r["dataset"]} for r, w in rows]
    got, took = run(["od-eval", "grade", "-q", "--grader", grader], asked)
    plain, _ = run(["od-eval", "grade", "-q", "--grader", grader, "--no-symbolic"], asked)
    if not point(len(got) == len(plain) == len(rows), f"{grader}: a verdict for each of {len(rows)} records"):
        return
    wrong = [f"{r['id']}: '{g['pred']}' not '{w['pred']}'" for (r, w), g in zip(rows, got) if g["pred"] != w["pred"]]
    point(not wrong, f"{grader}: extracted answers are the reference's", wrong)
    wrong = [f"{r['id']}: '{w['pred']}' for '{w['gt']}'" for (r, w), g in zip(rows, plain) if g["verdict"] != w["verdict_nosym"]]
    point(not wrong, f"{grader}: verdicts without the symbolic step are the reference's", wrong)
    fast = [(r, w, g) for (r, w), g in zip(rows, got) if w["secs"] < SLOW]
    wrong = [f"{r['id']}: '{w['pred']}' for '{w['gt']}' is {g['verdict']}" for r, w, g in fast if g["verdict"] != w["verdict"]]
    share = 1 - len(wrong) / len(fast)
    point(share >= AGREE, f"{grader}: {len(wrong)} of {len(fast)} verdicts differ, {100 * share:.2f} % agree", wrong)
    point(took < 5 * len(rows) / 10000, f"{grader}: {len(rows)} answers in {took:.2f} s")
    stored = [(r, g) for r, g in zip(oracle, got) if r.get("stored_verdict") is not None]
    if grader == "qwen":
        wrong = [f"{r['id']}: {g['verdict']}" for r, g in stored if g["verdict"] != r["stored_verdict"]]
        point(stored and len(wrong) <= 2, f"{len(stored)} verdicts stored by others, {len(wrong)} differ", wrong)


def reference_field(row, name):
    value = row[FIELDS[name]]
    value = value[0] if isinstance(value, list) else value
    return str(value)


def check_references(oracle, grader):
    for name in FIELDS:
        rows = load(f"data/math/{name}.jsonl.gz")
        known = {r["idx"]: wanted(r, grader)["gt"] for r in oracle if r["dataset"] == name}
        asked = [(i, row) for i, row in enumerate(rows) if i in known]
        got, _ = run(["od-eval", "grade", "-q", "--grader", grader, "--prepare", "--no-symbolic", "--dataset", name],
                     [{"text": "", "gt": reference_field(row, name)} for _, row in asked])
        wrong = [f"{i}: '{g['reference']}' not '{known[i]}'" for (i, _), g in zip(asked, got) if g["reference"] != known[i]]
        point(asked and len(got) == len(asked) and not wrong,
              f"{grader} {name}: {len(asked)} references prepared from the benchmark's field", wrong)


def check_verify(oracle):
    rows = [r for r in oracle if r["text"]][:2000]
    flat = [{"text": r["text"], "gt": r["gt"]} for r in rows if r["gt"].strip()]
    got, _ = run(["od-eval", "grade", "-q", "--prepare"], flat)
    scored, _ = run(["od-score", "verify", "-q"],
                    [{"prompt": "q", "answer": f["gt"], "responses": [{"text": f["text"]}, {"text": "No."}]} for f in flat])
    wrong = [f["gt"] for f, g, s in zip(flat, got, scored)
             if (s["responses"][0]["extracted"], s["responses"][0]["correct"]) != (g["pred"], g["verdict"])]
    point(len(got) == len(scored) == len(flat) and not wrong, f"od-score verify says the same of {len(flat)} responses", wrong)


def main():
    oracle = load("oracle/math_grader.jsonl.gz")
    for grader in ("qwen", "unidpo"):
        check_grader(oracle, grader)
        check_references(oracle, grader)
    check_verify(oracle)
    print(f"1..{points}")


main()
