#!/usr/bin/env python3
"""All objectives against float64 PyTorch, through `od-inspect weights --json`.

400 pairs x 15 objectives: every value and both derivatives within 1e-10 relative or 1e-300 absolute.
Environment: ORACLE, the folder of reference results; BIN, the tools.
"""
import collections
import gzip
import json
import os
import subprocess
import sys

TOOL = os.path.join(os.environ.get("BIN", "bin"), "od-inspect")

# name in the oracle -> options, and the hyper-parameters of the record that it depends on
HYPER = {"beta": "--beta", "eta": "--eta", "gamma": "--gamma", "tau_ref": "--tau-ref", "tau_good": "--tau-good",
         "lambda": "--lambda", "simpo_gamma": "--simpo-gamma"}
OMNI = ["beta", "eta", "gamma", "tau_ref", "tau_good", "lambda"]
OBJECTIVES = {
    "omni": ([], OMNI),
    "omni-no-qual": (["--no-qual"], OMNI),
    "omni-no-perf": (["--no-perf"], OMNI),
    "omni-no-nll": (["--lambda", "0"], [k for k in OMNI if k != "lambda"]),
    "omni-no-I": (["--gate", "II"], OMNI),
    "omni-no-II": (["--gate", "I"], OMNI),
    "omni-no-I-II": (["--gate", "none"], OMNI),
    "omni-no-ln": (["--no-length-norm", "--beta", "0.1"], [k for k in OMNI if k != "beta"]),
    "omni-detach-perf": (["--detach-perf"], OMNI),
    "dpo": (["--objective", "dpo", "--beta", "0.1"], []),
    "dpo-ln": (["--objective", "dpo-ln"], ["beta"]),
    "simpo": (["--objective", "simpo"], ["beta", "simpo_gamma"]),
    "sft": (["--objective", "sft"], []),
    "focal-dpo": (["--objective", "focal-dpo", "--beta", "0.1"], ["gamma"]),
    "dpo-smooth": (["--objective", "dpo", "--beta", "0.1", "--label-smoothing", "0.1"], []),
}


def record(i, c):
    return json.dumps({
        "id": "case-%d" % i, "policy_chosen_logps": c["logp_chosen"], "policy_rejected_logps": c["logp_rejected"],
        "ref_chosen_logps": c["ref_logp_chosen"], "ref_rejected_logps": c["ref_logp_rejected"],
        "chosen_tokens": c["n_chosen"], "rejected_tokens": c["n_rejected"],
        "score_chosen": c["score_chosen"], "score_rejected": c["score_rejected"]})


def check_objective(name, cases):
    """The number of values compared and the worst relative difference."""
    options, keys = OBJECTIVES[name]
    groups = collections.defaultdict(list)
    for i, c in enumerate(cases):
        groups[tuple(c["hyper"][k] for k in keys)].append(i)
    n, worst = 0, 0.0
    for values, members in groups.items():
        hyper = [w for k, v in zip(keys, values) for w in (HYPER[k], repr(v))]
        text = "".join(record(i, cases[i]) + "\n" for i in members)
        run = subprocess.run([TOOL, "weights", "--json", "--quiet"] + hyper + options, input=text, text=True,
                             stdout=subprocess.PIPE, check=True)
        lines = run.stdout.splitlines()
        if len(lines) != len(members):
            raise ValueError("%s: %d lines for %d records" % (name, len(lines), len(members)))
        for i, line in zip(members, lines):
            got = json.loads(line)
            if got["id"] != "case-%d" % i:
                raise ValueError("%s: order lost at case %d" % (name, i))
            for key, want in cases[i]["expect"][name].items():
                n += 1
                difference = abs(got[key] - want)
                if difference <= 1e-300:
                    continue
                relative = difference / abs(want) if want else float("inf")
                worst = max(worst, relative)
                if not relative <= 1e-10:
                    print("# %s, case %d, %s: %r, not %r" % (name, i, key, got[key], want))
    return n, worst


def main():
    path = os.path.join(os.environ["ORACLE"], "oracle", "loss.jsonl.gz")
    with gzip.open(path, "rt") as f:
        cases = [json.loads(line) for line in f]
    failed = 0
    print("1..%d" % (len(OBJECTIVES) + 1))
    whole = len(cases) == 400 and all(set(c["expect"]) == set(OBJECTIVES) for c in cases)
    print("%s 1 - the reference has 400 cases of all objectives" % ("ok" if whole else "not ok"))
    failed += not whole
    for k, name in enumerate(OBJECTIVES, 2):
        n, worst = check_objective(name, cases)
        good = worst <= 1e-10 and n >= 3 * len(cases)
        failed += not good
        print("%s %d - %s: %d values, worst relative difference %.2g" % ("ok" if good else "not ok", k, name, n, worst))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
