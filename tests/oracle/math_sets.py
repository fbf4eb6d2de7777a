#!/usr/bin/env python3
"""od-eval math on the eight math sets as their publishers give them: how many problems, which reference answers, the sets' own
solutions given back as outputs, and the reference grader's verdicts on its texts.

Environment: ORACLE (folder with oracle/math_grader.jsonl.gz and data/math), BIN (folder of the tools).
"""
import collections
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

ORACLE, BIN = os.environ["ORACLE"], os.environ.get("BIN", "bin")
SLOW = 1.5                    # seconds: beyond, the reference's own verdict hangs on its time limit
AGREE = 0.995
OWN = 0.99                    # of a set's own answers, given back, are right ...
OWN_COLLEGE = 0.98            # ... of which the published rules lose some, for a reference loses its dollars, and is normalised once where
#                               an answer is twice: \$5 becomes \5 and 5, (-\infty,\infty) stays and becomes \mathbb{R}
SPEED = 10000
# set: problems, the reference field, the field with a worked solution whose answer the rules of extraction find
SETS = {"gsm8k": (1319, "answer", "answer"), "math500": (500, "solution", "solution"), "minerva_math": (272, "solution", "solution"),
        "olympiadbench": (675, "final_answer", None), "aime24": (30, "answer", None), "amc23": (40, "answer", None),
        "gaokao2023en": (385, "answer", None), "college_math": (2818, "answer", None)}
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
    text = "".join(json.dumps(r) + "\n" for r in records)
    start = time.time()
    done = subprocess.run([os.path.join(BIN, "od-eval"), *arguments], text=True, capture_output=True, check=False, input=text)
    took = time.time() - start
    if done.returncode:
        print(f"# exit {done.returncode}: {done.stderr}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()], took


def math(name, outputs, *options):
    """Items, summary, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        summary = os.path.join(folder, "summary")
        items, took = run(["math", "--data", f"{ORACLE}/data/math/{name}.jsonl.gz", "--summary", summary, *options], outputs)
        with open(summary, encoding="utf-8") as f:
            return items, json.load(f), took


def field_text(row, field):
    value = row[field]
    return str(value[0] if isinstance(value, list) else value)


def check_set(name):
    count, field, solution = SETS[name]
    rows = load(f"data/math/{name}.jsonl.gz")
    said = [row[solution] if solution else f"So \\boxed{{{field_text(row, field)}}}." for row in rows]
    items, summary, _ = math(name, [{"idx": i, "response": s} for i, s in enumerate(said)])
    point(len(items) == summary["items"] == len(rows) == count and summary["dataset"] == name, f"{name}: {count} problems")
    questions = [next(r[k] for k in ("question", "problem") if k in r).strip() for r in rows]
    wrong = [q for q, i in zip(questions, items) if i["prompt"] not in (q, q + " (True or False)", q + " (Yes or No)")]
    point(not wrong, f"{name}: the questions", wrong)
    graded, _ = run(["grade", "-q", "--prepare", "--dataset", name], [{"text": s, "gt": field_text(r, field)} for s, r in zip(said, rows)])
    wrong = [f"{i['id']}: '{i['pred']}' for '{i['reference']}', not '{g['pred']}' for '{g['reference']}'" for i, g in zip(items, graded)
             if (i["reference"], i["pred"], i["pass@1"] == 1) != (g["reference"], g["pred"], g["verdict"])]
    point(len(graded) == count and not wrong, f"{name}: answers, references and verdicts are od-eval grade's", wrong)
    wrong = [f"{i['id']}: '{i['pred']}' for '{i['reference']}'" for i in items if i["pass@1"] != 1]
    share = summary["metrics"]["pass@1"]["mean"]
    point(share >= (OWN_COLLEGE if name == "college_math" else OWN), f"{name}: {'own solutions' if solution else 'own answers, in a box,'} given back: {100 * share:.2f} % right", wrong)
    by_prompt, _, _ = math(name, [{"prompt": q, "response": s} for q, s in zip(questions, said)])
    point([i["id"] for i in by_prompt] == [i["id"] for i in items], f"{name}: outputs found by their prompts")


def check_oracle(oracle, name):
    """The first text of each problem is the first run, the second the second."""
    runs, seen = collections.defaultdict(list), collections.Counter()
    for r in oracle:
        if r["dataset"] == name:
            runs[seen[r["idx"]]].append(r)
            seen[r["idx"]] += 1
    wrong, verdicts, checked = [], [], 0
    for records in runs.values():
        items, _, _ = math(name, [{"idx": r["idx"], "response": r["text"]} for r in records], "--allow-missing")
        wrong += [] if len(items) == len(records) else [f"{len(records)} texts, {len(items)} items"]
        for r, i in zip(records, items):
            what = f"{r['id']}: '{i['pred']}' for '{i['reference']}' is {i['pass@1']}, not '{r['pred']}' for '{r['gt']}' {r['verdict']}"
            if i["pred"] != r["pred"] or i["reference"] != r["gt"]:
                wrong.append(what)
            elif r["secs"] < SLOW:
                checked += 1
                if (i["pass@1"] == 1) != r["verdict"]:
                    verdicts.append(what)
    point(runs and not wrong, f"{name}: answers and references of {sum(seen.values())} texts are the reference grader's", wrong)
    return checked, verdicts


def check_speed(oracle):
    records = (oracle + oracle)[:SPEED]
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "problems")
        with open(data, "w", encoding="utf-8") as f:
            f.writelines(json.dumps({"question": f"Problem {i}", "answer": r["gt"]}) + "\n" for i, r in enumerate(records))
        items, took = run(["math", "-q", "--data", data, "--dataset", "amc23"],
                          [{"idx": i, "response": r["text"]} for i, r in enumerate(records)])
    point(len(items) == SPEED and took < 5, f"{SPEED} answers in {took:.2f} s; the reference took {sum(r['secs'] for r in records):.0f} s")


def main():
    oracle = load("oracle/math_grader.jsonl.gz")
    checked, differ = 0, []
    for name in SETS:
        check_set(name)
        n, wrong = check_oracle(oracle, name)
        checked += n
        differ += wrong
    point(len(differ) <= (1 - AGREE) * checked, f"{len(differ)} of {checked} verdicts differ from the reference grader's", differ)
    check_speed(oracle)
    print(f"1..{points}")


main()
