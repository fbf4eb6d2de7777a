#!/usr/bin/env python3
"""Log-probs and pair losses of the reference models, through od-ref and od-inspect.

Environment: ORACLE (folder with oracle/models/NAME/expected.json), BIN (folder of the tools); OD_DEVICE and OD_DTYPE, where
set, say where the models run and in which type. Prints TAP.
"""
import glob
import json
import math
import os
import subprocess
import sys

BIN = os.environ.get("BIN", "bin")
ORACLE = os.environ["ORACLE"]
DEVICE = [a for name in ("device", "dtype") if os.environ.get("OD_" + name.upper())
          for a in ("--" + name, os.environ["OD_" + name.upper()])]
count = failed = 0


def ok(good, what):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {what}")


def run(tool, args, records):
    text = "".join(json.dumps(r) + "\n" for r in records)
    p = subprocess.run([f"{BIN}/{tool}"] + args, input=text, capture_output=True, text=True)
    if p.returncode:
        print(f"# {tool} {' '.join(args)}: exit {p.returncode}: {p.stderr.strip()}")
        return []
    return [json.loads(line) for line in p.stdout.splitlines()]


def check_log_probs(model, name, expected):
    """Every token of the single sequences: position i >= 1 is the response, position 0 the prompt."""
    cases = [c for c in expected["cases"] if len(c["input_ids"]) > 1]
    records = [{"id": str(i), "prompt_ids": c["input_ids"][:1], "chosen_ids": c["input_ids"][1:]}
               for i, c in enumerate(cases)]
    got = run("od-ref", DEVICE + ["--model", model, "--per-token", "--sft", "--quiet"], records)
    worst = max((abs(a - b) for c, g in zip(cases, got)
                 for a, b in zip(c["next_token_logprobs"], g["ref_chosen_token_logps"])), default=math.inf)
    full = len(got) == len(cases) and all(
        len(g["ref_chosen_token_logps"]) == len(c["next_token_logprobs"]) for c, g in zip(cases, got))
    ok(full and worst < 2e-5, f"{name}: token log-probs, worst difference {worst:.2g}")


def pair_records(expected):
    return [{"id": str(i), "prompt_ids": p["prompt_ids"], "chosen_ids": p["chosen_ids"],
             "rejected_ids": p["rejected_ids"], "score_chosen": p["score_chosen"],
             "score_rejected": p["score_rejected"], "ref_chosen_logps": p["ref_logp_chosen"],
             "ref_rejected_logps": p["ref_logp_rejected"]} for i, p in enumerate(expected["pairs"])]


def check_pairs(model, name, expected):
    records = pair_records(expected)
    args = DEVICE + ["--model", model, "--prefix", "policy", "--quiet", "--per-token"]
    packed = run("od-ref", args, records)
    alone = run("od-ref", args + ["--window", "1"], records)
    split = run("od-ref", args + ["--batch-tokens", "16", "--threads", "1"], records)
    ok(len(packed) == 4 and packed == alone and packed == split,
       f"{name}: log-probs of a pair are the same bits packed, alone, and with one thread")
    h = expected["hyper"]
    options = ["weights", "--json", "--beta", str(h["beta"]), "--eta", str(h["eta"]), "--gamma", str(h["gamma"]),
               "--tau-ref", str(h["tau_ref"]), "--tau-good", str(h["tau_good"]), "--lambda", str(h["lambda"])]
    got = run("od-inspect", options, packed)
    names = ("loss", "w_qual", "w_perf", "z", "gate", "nll")
    worst = max((abs(g[k] - e[k]) / (1 + abs(e[k])) for g, e in zip(got, expected["per_pair"]) for k in names),
                default=math.inf)
    ok(len(got) == 4 and worst < 1e-5, f"{name}: terms of each pair, worst difference {worst:.2g}")
    batch = sum(g["loss"] for g in got) / len(got) if got else math.inf
    ok(abs(batch - expected["batch_loss"]) < 1e-6,
       f"{name}: batch loss {batch:.9g}, expected {expected['batch_loss']:.9g}")


def main():
    for path in sorted(glob.glob(f"{ORACLE}/oracle/models/*/expected.json")):
        model, expected = os.path.dirname(path), json.load(open(path))
        if "pairs" not in expected:
            continue
        check_log_probs(model, os.path.basename(model), expected)
        check_pairs(model, os.path.basename(model), expected)
    ok(count >= 28, "all seven bodies were there")
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
