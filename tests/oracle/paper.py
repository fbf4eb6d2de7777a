#!/usr/bin/env python3
"""The paper's figures in od-eval report --paper against its tables, figure by figure: nothing missing, nothing more; and what
follows from them: averages, and the level of IFEval's accuracies."""
import json
import os
import re
import subprocess
import sys

ORACLE = os.environ.get("ORACLE")
BIN = os.environ.get("BIN", "bin")
TABLES = f"{ORACLE}/spec/paper-tables.md"
if not ORACLE or not os.path.exists(TABLES):
    print("1..0 # SKIP no tables")
    sys.exit(0)

TEXT = ["alpaca_lc", "alpaca_wr", "arena_wr", "ifeval_strict", "ifeval_loose", "sedar_total"]
MATH = ["gsm8k", "math500", "minerva_math", "olympiadbench", "aime24", "amc23", "gaokao2023en", "college_math", "math_average"]
FIGURES = {"1": 6, "D.6": 6, "2": 9, "D.5": 9, "D.8": 6}
results = []


def point(good, name, detail=""):
    results.append(good)
    print(f"{'ok' if good else 'not ok'} {len(results)} - {name}{' # ' + detail if detail else ''}", flush=True)


def is_figure(cell):
    return re.fullmatch(r"-|\d+(\.\d+)?", cell)


def tables():
    """{table: [(model, method, quoted, figures)]}; a row without a model continues the one above."""
    found, table, model = {}, None, None
    for line in open(TABLES):
        if line.startswith("## Table "):
            table = re.match(r"## Table ([^,]+),", line)[1]
        if not line.startswith("|") or table not in FIGURES:
            continue
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        cells = cells[:-1] if cells[-1] == "" else cells
        if cells[0] in ("Model", "Model Size", "LC(%)"):
            continue
        if table == "D.8" and all(map(is_figure, cells[-7:])):      # an interval that is not there, said so
            del cells[-2]
        n = FIGURES[table]
        names, figures = cells[:-n], cells[-n:]
        if not all(map(is_figure, figures)) or len(names) not in (1, 2):
            sys.exit(f"cannot read: {line}")
        if len(names) == 2:
            model = names[0]
        quoted = "†" in "".join(names)
        name = ("Qwen2.5-" + model) if table == "D.6" else model
        method = names[-1].strip("†")
        found.setdefault(table, []).append((name.strip("†").lower(), None if method == "-" else method, quoted, figures))
    return found


paper = tables()
out = subprocess.run([f"{BIN}/od-eval", "report", "--paper", "all", "--format", "json"], capture_output=True, text=True)
if out.returncode != 0:
    sys.exit(out.stderr)
report = json.loads(out.stdout)
rows = {}
for part in "text", "math":
    for row in report[part]:
        model, _, method = row["model"].partition(", ")
        rows[part, model.lower(), method or None, row["quoted"]] = row
point(len(rows) == len(report["text"]) + len(report["math"]), "no row twice")

seen = set()
for table, columns, part in ("1", TEXT, "text"), ("D.6", TEXT, "text"), ("2", MATH, "math"), ("D.5", MATH, "math"):
    wrong = []
    for model, method, quoted, figures in paper[table]:
        key = part, model, method, quoted
        got = rows.get(key, {"figures": {}})["figures"]
        seen.add(key)
        for column, wanted in zip(columns, figures):
            cell = got.get(column)
            same = cell is None if wanted == "-" else cell and cell["printed"] == wanted and cell["value"] == float(wanted)
            if key not in rows or not same:
                wrong.append((key, column, wanted, cell))
    count = sum(len(r[3]) for r in paper[table])
    point(len(paper[table]) > 0 and not wrong, f"Table {table}: {count} figures in {len(paper[table])} rows", f"{wrong[:3]}" if wrong else "")
point(seen == set(rows), "no row that the tables have not", f"{set(rows) - seen}" if seen != set(rows) else "")

# Table D.8: standard errors of AlpacaEval's win rate; tokens show beside a run that has some.
wrong = []
for model, method, _, figures in paper["D.8"]:
    row = rows.get(("text", model, method, False))
    if row is None or row["figures"]["alpaca_wr"]["se"] != float(figures[2]) or row["figures"]["arena_wr"]["printed"] != figures[4]:
        wrong.append((model, method))
point(len(paper["D.8"]) == len(report["text"]) and not wrong, f"Table D.8: standard errors of {len(paper['D.8'])} rows", f"{wrong}" if wrong else "")
run = {"benchmark": "arena-hard", "models": {"m": {"score": 1}}, "answers": {"mean_tokens": 7}, "run": {"preset": "paper"}}
out = subprocess.run([f"{BIN}/od-eval", "report", "--paper", "text", "--format", "csv", "-"], input=json.dumps(run), capture_output=True,
                     text=True, check=True).stdout.splitlines()
at = out[0].split(",").index("arena_tokens")
# A label with a comma stands in quotes, with one comma in it.
tokens = {tuple(line.split('"')[1].lower().split(", ")): line.split(",")[at + 1] for line in out[2:]}
wrong = [r[:2] for r in paper["D.8"] if tokens.get((r[0], r[1].lower())) != r[3][5].replace("-", "")]
point(len(tokens) == len(paper["D.8"]) and not wrong, f"Table D.8: tokens of {len(tokens)} rows", f"{wrong}" if wrong else "")

off = [k for k, r in rows.items() if k[0] == "math" and all(c in r["figures"] for c in MATH)
       and abs(sum(r["figures"][c]["value"] for c in MATH[:8]) / 8 - r["figures"]["math_average"]["value"]) > 0.0551]
whole = sum(k[0] == "math" and all(c in r["figures"] for c in MATH) for k, r in rows.items())
point(whole >= 10 and not off, f"the printed averages of {whole} whole rows are those of the eight sets", f"{off}" if off else "")

shares = {n: {f"{100 * k / n + 1e-9:.1f}" for k in range(n + 1)} for n in (541, 834)}
ifeval = {r["figures"][c]["printed"] for r in report["text"] for c in TEXT[3:5] if c in r["figures"]}
prompts, instructions = (sum(v in shares[n] for v in ifeval) for n in (541, 834))
point(prompts == len(ifeval) > instructions, f"IFEval: all {len(ifeval)} figures are shares of 541 prompts",
      f"{instructions} are shares of 834 instructions")
print(f"1..{len(results)}")
sys.exit(0 if all(results) else 1)
