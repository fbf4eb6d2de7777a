#!/usr/bin/env python3
"""od-eval pairs against the reference losses of seven tiny models: log-probs computed by the tool, objective, means.

Environment: ORACLE (folder with oracle/models), BIN (folder of the tools).
"""
import json
import math
import os
import subprocess
import sys

ORACLE, BIN = os.environ["ORACLE"], os.environ.get("BIN", "bin")
MODELS = ("llama-tied", "llama3-untied", "llama31-ropescale", "llama-bias", "qwen2-tied", "qwen2-untied", "gemma2")


def records(expected):
    for i, p in enumerate(expected["pairs"]):
        yield json.dumps({"id": f"p{i}", "prompt_ids": p["prompt_ids"], "chosen_ids": p["chosen_ids"],
                          "rejected_ids": p["rejected_ids"], "score_chosen": p["score_chosen"],
                          "score_rejected": p["score_rejected"], "ref_chosen_logps": p["ref_logp_chosen"],
                          "ref_rejected_logps": p["ref_logp_rejected"]})


def options(hyper):
    out = []
    for name in ("beta", "eta", "gamma", "tau_ref", "tau_good", "lambda"):
        out += ["--" + name.replace("_", "-"), repr(hyper[name])]
    return out


def evaluate(model, expected):
    done = subprocess.run([os.path.join(BIN, "od-eval"), "pairs", "-q", "--model", model, "--items", "/dev/stderr",
                           "--summary", "-", *options(expected["hyper"])],
                          input="\n".join(records(expected)) + "\n", capture_output=True, text=True)
    items = [json.loads(line) for line in done.stderr.split("\n") if line.startswith("{")]
    return done.returncode, items, json.loads(done.stdout) if done.returncode == 0 else {}, done.stderr


def problems(expected, items, summary):
    metrics, losses = summary["metrics"], [p["loss"] for p in expected["per_pair"]]
    n = len(losses)
    mean = sum(losses) / n
    se = math.sqrt(sum((x - mean) ** 2 for x in losses) / (n - 1) / n)
    if abs(metrics["loss"]["mean"] - expected["batch_loss"]) > 1e-6 * max(1, abs(expected["batch_loss"])):
        yield f"loss {metrics['loss']['mean']} not {expected['batch_loss']}"
    if abs(metrics["loss"]["se"] - se) > 1e-5 * max(1, se):
        yield f"standard error {metrics['loss']['se']} not {se}"
    for item, want in zip(items, expected["per_pair"]):
        for name in ("loss", "w_qual", "w_perf", "z", "gate", "nll"):
            if abs(item[name] - want[name]) > 1e-4 * max(1, abs(want[name])):
                yield f"{item['id']} {name} {item[name]} not {want[name]}"


def main():
    failed = 0
    for i, name in enumerate(MODELS, 1):
        model = os.path.join(ORACLE, "oracle", "models", name)
        with open(os.path.join(model, "expected.json"), encoding="utf-8") as f:
            expected = json.load(f)
        rc, items, summary, err = evaluate(model, expected)
        wrong = list(problems(expected, items, summary)) if rc == 0 else [f"exit {rc}: {err}"]
        if len(items) != len(expected["pairs"]):
            wrong.append(f"{len(items)} items")
        print(f"{'not ok' if wrong else 'ok'} {i} - {name}: losses, weights, standard error")
        for w in wrong[:5]:
            print("#", w, file=sys.stderr)
        failed += bool(wrong)
    print(f"1..{len(MODELS)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
