#!/usr/bin/env python3
"""od-eval alpaca-eval against the leaderboard and the reference implementation: raw win rates, preferences from log-probs, the
order in which outputs were shown, length-controlled win rates from published coefficients and refitted."""
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile

ORACLE = os.environ.get("ORACLE")
BIN = os.environ.get("BIN", "bin")
if not ORACLE or not os.path.exists(f"{ORACLE}/oracle/alpaca_lc_rows.csv.gz"):
    print("1..0 # SKIP no reference cases")
    sys.exit(0)

CASES, DATA = f"{ORACLE}/oracle", f"{ORACLE}/data/alpaca_eval"
ROWS = f"{CASES}/alpaca_lc_rows.csv.gz"
LC = ["--difficulty", f"{DATA}/instruction_difficulty_recovered.csv", "--gamed", f"{DATA}/df_gamed_reconstructed.csv"]
results = []


def point(good, name, detail=""):
    results.append(good)
    print(f"{'ok' if good else 'not ok'} {len(results)} - {name}{' # ' + detail if detail else ''}", flush=True)


def run(*args):
    """(summary, items)"""
    with tempfile.TemporaryDirectory() as tmp:
        p = subprocess.run([f"{BIN}/od-eval", "alpaca-eval", "-q", "--summary", f"{tmp}/s", "--items", f"{tmp}/i", *args],
                           capture_output=True, text=True)
        if p.returncode != 0:
            sys.exit(f"{args}: exit {p.returncode}: {p.stderr}")
        items = [json.loads(line) for line in open(f"{tmp}/i")] if os.path.exists(f"{tmp}/i") else []
        return json.load(open(f"{tmp}/s")), items


def table(name, key):
    with open(name) as f:
        return {r[key]: r for r in csv.DictReader(f)}


leaderboard = table(f"{DATA}/leaderboard_weighted_alpaca_eval_gpt4_turbo.csv", "")
expected = table(f"{CASES}/alpaca_lc_expected.csv", "model")

# Raw rates of every model, with the length-controlled ones of own cross-validation.
models = run("--rows", ROWS, *LC)[0]["models"]
with gzip.open(ROWS, "rt") as f:
    names = {r["model"] for r in csv.DictReader(f)}
point(set(models) == names and len(names) > 20, "every model", f"{len(models)}")
both = [m for m in models if m in leaderboard]       # text_davinci_003 has no line there
for key, column in ("win_rate", "win_rate"), ("standard_error", "standard_error"), ("discrete_win_rate", "discrete_win_rate"):
    worst = max(abs(models[m][key] - float(leaderboard[m][column])) for m in both)
    point(len(both) >= 23 and worst <= 1e-6, f"{key} within 1e-6 of the leaderboard", f"{len(both)} models, worst {worst:.1e}")
for key in "n_wins", "n_wins_base", "n_draws", "n_total":
    point(all(models[m][key] == int(float(leaderboard[m][key])) for m in both), f"{key} equal")

published = [m for m in both if m != "NullModel" and expected[m]["LC_pub"]]
off = {m: abs(models[m]["length_controlled_winrate"] - float(expected[m]["LC_pub"])) for m in published}
point(len(off) == len(both) and max(off.values()) <= 0.12, "refitted, own cross-validation: within 0.12 of the leaderboard",
      f"{len(off)} models, worst {max(off, key=off.get)} {max(off.values()):.4f}")
same_c = [m for m in published if abs(models[m]["c"] / float(expected[m]["C_sk"]) - 1) < 1e-6]
point(len(same_c) >= len(published) / 2, "most models get the C of the reference's own run", f"{len(same_c)} of {len(published)}")
worst = max(abs(models[m]["length_controlled_winrate"] - float(expected[m]["LC_exact_sameC"])) for m in same_c)
point(worst <= 1e-6, "at the same C the optimum is that of another exact solver", f"worst {worst:.1e}")

off = {}
for m in published:
    if expected[m]["C_pub"]:
        s = run("--rows", ROWS, *LC, "--only", m, "--c", expected[m]["C_pub"])[0]
        off[m] = abs(s["length_controlled_winrate"] - float(expected[m]["LC_pub"]))
point(len(off) >= 19 and max(off.values()) <= 0.02, "refitted with the published C: within 0.02 of the leaderboard",
      f"{len(off)} models, worst {max(off, key=off.get)} {max(off.values()):.4f}")

# From published coefficients.
lc = run("--coefficients", f"{DATA}/glm_weights_length_controlled_v1.csv", *LC[:2])[0]["models"]
both = [m for m in lc if m in leaderboard and leaderboard[m]["length_controlled_winrate"]]
near = [m for m in both if abs(lc[m]["length_controlled_winrate"] - float(leaderboard[m]["length_controlled_winrate"])) <= 1e-5]
point(len(both) >= 199 and len(near) >= 189, "from published coefficients: within 1e-5 on at least 189 of 199 models",
      f"{len(near)} of {len(both)}")
se = [m for m in near if leaderboard[m]["lc_standard_error"]]
point(len(se) > 20 and all(abs(lc[m]["lc_standard_error"] - float(leaderboard[m]["lc_standard_error"])) <= 1e-5 for m in se),
      "and their standard errors", f"{len(se)} models")

# Preferences from log-probs: stored with ten decimals.
with gzip.open(f"{CASES}/alpaca_logprob_pref.csv.gz", "rt") as f:
    stored = [(f"{r['model']}/{r['row']}", float(r["preference"])) for r in csv.DictReader(f)]
items = run("--rows", f"{CASES}/alpaca_logprob_pref.csv.gz", "--preference", "logprobs")[1]
got = {i["id"]: i["preference"] for i in items}
wrong = [k for k, v in stored if round(got[k], 10) != v]
point(len(items) == len(stored) and not wrong, "preferences from log-probs exact in ten decimals",
      f"{len(stored)} rows, {len(wrong)} differ {wrong[:3]}")

# The order of outputs, and preferences of whole annotations.
with open(f"{DATA}/judge_switch.csv") as f:
    bits = [int(r["is_switched"]) for r in csv.DictReader(f)]
for name in "NullModel", "gpt-3.5-turbo-0301", "alpaca-7b":
    path = f"{DATA}/annotations/{name}.json.gz"
    s, items = run("--annotations", path, *LC)
    point([i["switched"] for i in items] == bits and len(bits) == 805, f"{name}: order of outputs 805 of 805")
    b = leaderboard[name]
    good = abs(s["win_rate"] - float(b["win_rate"])) <= 1e-6 and abs(s["standard_error"] - float(b["standard_error"])) <= 1e-6
    lc_off = abs(s["length_controlled_winrate"] - float(b["length_controlled_winrate"]))
    point(good and (name == "NullModel" or lc_off <= 0.12), f"{name}: rates from its annotations", f"LC off by {lc_off:.4f}")
print(f"1..{len(results)}")
sys.exit(0 if all(results) else 1)
