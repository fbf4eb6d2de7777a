#!/usr/bin/env python3
"""od-eval arena-hard against the reference: verdicts of real judge texts under both rules, scores and intervals of battles."""
import gzip
import json
import os
import subprocess
import sys
import tempfile

ORACLE = os.environ.get("ORACLE")
BIN = os.environ.get("BIN", "bin")
if not ORACLE or not os.path.exists(f"{ORACLE}/oracle/arena_bt.json"):
    print("1..0 # SKIP no reference cases")
    sys.exit(0)

LABELS = {"A>>B": (1, 3), "A>B": (1, 1), "A=B": (0.5, 1), "B>A": (0, 1), "B>>A": (0, 3), None: (None, None)}
results = []


def point(good, name, detail=""):
    results.append(good)
    print(f"{'ok' if good else 'not ok'} {len(results)} - {name}{' # ' + detail if detail else ''}", flush=True)


def run(tmp, *args):
    p = subprocess.run([f"{BIN}/od-eval", "arena-hard", "-q", "--summary", f"{tmp}/s", "--items", f"{tmp}/i", *args],
                       capture_output=True, text=True)
    if p.returncode != 0:
        sys.exit(f"{args}: exit {p.returncode}: {p.stderr}")
    return json.load(open(f"{tmp}/s")), [json.loads(line) for line in open(f"{tmp}/i")]


with tempfile.TemporaryDirectory() as tmp:
    with gzip.open(f"{ORACLE}/oracle/arena_judge_parse.jsonl.gz", "rt") as f:
        cases = [json.loads(line) for line in f]
    # A text a question, as the second game's text of a model that is then A: win and weight give the label away.
    with open(f"{tmp}/j", "w") as f:
        for i, c in enumerate(cases):
            f.write(json.dumps({"question_id": i, "model": "m", "judge": "j",
                                "games": [{"judgment": c["text"]}, {"judgment": c["text"]}]}) + "\n")
    for rule in "legacy", "2025":
        s, items = run(tmp, "--judgments", f"{tmp}/j", "--rule", rule)
        got = {i["id"]: (i["win"], i["weight"]) for i in items}
        right = sum(got[f"{i}/2"] == LABELS[c[f"score_{rule}"]] for i, c in enumerate(cases))
        turned = sum(got[f"{i}/1"] == (None if LABELS[c[f"score_{rule}"]][0] is None else 1 - LABELS[c[f"score_{rule}"]][0],
                                      LABELS[c[f"score_{rule}"]][1]) for i, c in enumerate(cases))
        point(len(cases) == 1240 and right == turned == len(cases), f"verdicts, rule {rule}: {right} of {len(cases)}")
        lost = 2 * sum(c[f"score_{rule}"] is None for c in cases)
        point(s["no_label"] + s["labels_differ"] + s["other_label"] == lost, f"texts without verdict, rule {rule}, counted", f"{lost}")

    reference = json.load(open(f"{ORACLE}/oracle/arena_bt.json"))
    for name, models in reference.items():
        path = f"{ORACLE}/data/arena_hard/battles/{name}.jsonl"
        if not os.path.exists(path):
            continue
        got = run(tmp, "--battles", path)[0]["models"]
        point(set(got) == set(models), f"{name}: its models")
        worst = max(abs(got[m]["score"] - models[m]["winrate_ref"]) for m in models)
        point(worst <= 0.01, f"{name}: scores within 0.01", f"worst {worst:.4f}")
        worst = max(max(abs(got[m]["lower"] - models[m]["ci_ref_seed42"][0]), abs(got[m]["upper"] - models[m]["ci_ref_seed42"][1]))
                    for m in models)
        point(worst <= 1, f"{name}: intervals within 1 point", f"worst {worst:.2f}")
        point(all(got[m]["battles"] == models[m]["n"] for m in models), f"{name}: battles counted")
print(f"1..{len(results)}")
sys.exit(0 if all(results) else 1)
