#!/usr/bin/env python3
"""od-train against PyTorch: batch loss, gradient, four AdamW updates, on every body of the reference models.

ORACLE names the folder of reference cases, BIN the folder of the tools; OD_DEVICE and OD_DTYPE, where set, say where the
models run and in which type. Prints TAP."""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

ORACLE = os.path.join(os.environ["ORACLE"], "oracle", "models")
BIN = os.environ.get("BIN", "bin")
DEVICE = [a for name in ("device", "dtype") if os.environ.get("OD_" + name.upper())
          for a in ("--" + name, os.environ["OD_" + name.upper()])]
BODIES = ["llama-tied", "llama3-untied", "llama31-ropescale", "llama-bias", "qwen2-tied", "qwen2-untied", "gemma2"]

points = failed = 0


def ok(good, name, detail=""):
    global points, failed
    points += 1
    failed += not good
    print("%s %d - %s%s" % ("ok" if good else "not ok", points, name, " (%s)" % detail if detail else ""), flush=True)


def floats(raw, dtype):
    if dtype == "F64":
        return struct.unpack("<%dd" % (len(raw) // 8), raw)
    if dtype == "F32":
        return struct.unpack("<%df" % (len(raw) // 4), raw)
    if dtype == "F16":
        return struct.unpack("<%de" % (len(raw) // 2), raw)
    if dtype == "BF16":
        halves = struct.unpack("<%dH" % (len(raw) // 2), raw)
        return struct.unpack("<%df" % len(halves), struct.pack("<%dI" % len(halves), *(h << 16 for h in halves)))
    raise ValueError(dtype)


def tensors(path):
    """{name: values} of a safetensors file, or of all those of a directory."""
    out = {}
    if os.path.isdir(path):
        for name in sorted(os.listdir(path)):
            if name.startswith("model") and name.endswith(".safetensors"):
                out.update(tensors(os.path.join(path, name)))
        return out
    with open(path, "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(n))
        data = f.read()
    for name, t in header.items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            out[name] = floats(data[begin:end], t["dtype"])
    return out


def relative(got, want):
    return abs(got - want) / max(abs(want), 1e-30)


def write_pairs(path, pairs):
    with open(path, "w") as f:
        for i, p in enumerate(pairs):
            record = {"id": "pair-%d" % i, "ref_chosen_logps": p["ref_logp_chosen"],
                      "ref_rejected_logps": p["ref_logp_rejected"]}
            record.update({k: p[k] for k in ("prompt_ids", "chosen_ids", "rejected_ids", "score_chosen", "score_rejected")})
            f.write(json.dumps(record) + "\n")


def objective(h):
    return ["--beta", h["beta"], "--eta", h["eta"], "--gamma", h["gamma"], "--tau-ref", h["tau_ref"],
            "--tau-good", h["tau_good"], "--lambda", h["lambda"], "--no-shuffle", "--batch", 4]


def od_train(*args):
    done = subprocess.run([os.path.join(BIN, "od-train"), "--quiet"] + DEVICE + [str(a) for a in args], capture_output=True,
                          text=True)
    if done.returncode:
        print("# " + done.stderr.strip())
    return done


def check_gradient(name, model, pairs, expected, tmp, micro):
    """All pairs in one batch, or each alone: the same loss, the same gradient."""
    path = os.path.join(tmp, "grad.safetensors")
    done = od_train("--model", model, "--dump-grad", path, "--micro-tokens", micro, *objective(expected["hyper"]), pairs)
    label = "%s, %s" % (name, "packed" if micro > 1 else "pair by pair")
    if done.returncode:
        ok(False, label + ": od-train --dump-grad")
        return
    m = json.loads(done.stdout)
    diff = abs(m["loss"] - expected["batch_loss"])
    ok(diff <= 1e-6 * max(1, abs(expected["batch_loss"])), label + ": batch loss", "%.1e" % diff)
    got, want = tensors(path), tensors(os.path.join(model, "expected_grad.safetensors"))
    worst, where = 0, "no tensor differs"
    missing = sorted(set(want) ^ set(got))
    for t in set(want) & set(got):
        largest = max(abs(v) for v in want[t]) or 1
        d = max(abs(a - b) for a, b in zip(got[t], want[t])) / largest
        if not d <= worst:
            worst, where = d, t
    ok(not missing and worst <= 1e-4, label + ": every gradient", "%.1e of the largest entry, in %s %s" %
       (worst, where, missing or ""))


def check_telemetry(name, run, expected):
    with open(os.path.join(run, "telemetry.jsonl")) as f:
        rows = [json.loads(line) for line in f][:4]
    off = [abs(row[key] - want[key]) / max(1, abs(want[key])) for row, want in zip(rows, expected["per_pair"])
           for key in ("loss", "w_qual", "w_perf", "z", "gate", "nll")]
    ok(len(off) == 24 and all(d <= 1e-5 for d in off), name + ": per-pair terms", "%.1e" % max(off))


def check_end(name, model, out):
    path = os.path.join(model, "expected_after_4_steps.safetensors")
    if not os.path.exists(path):
        return
    start, got, want = tensors(model), tensors(out), tensors(path)
    off = moved = 0
    for t in want:
        off += sum((a - b) ** 2 for a, b in zip(got[t], want[t]))
        moved += sum((a - b) ** 2 for a, b in zip(start[t], want[t]))
    share = math.sqrt(off / moved)
    ok(share <= 0.01, name + ": end weights", "%.2f %% of the distance moved" % (100 * share))


def check_trajectory(name, model, pairs, expected, tmp):
    a, out = expected["adamw"], os.path.join(tmp, "out")
    done = od_train("--model", model, "--out", out, "--lr", a["lr"], "--beta1", a["betas"][0], "--beta2", a["betas"][1],
                    "--adam-eps", a["eps"], "--weight-decay", a["weight_decay"], "--clip", a["clip"],
                    "--warmup-steps", a["warmup_steps"], "--steps", a["total_steps"], *objective(expected["hyper"]), pairs)
    if done.returncode:
        ok(False, name + ": od-train")
        return
    with open(os.path.join(out + ".run", "metrics.jsonl")) as f:
        rows = [json.loads(line) for line in f]
    want = expected["trajectory"]
    ok(all(abs(r["lr"] - w["lr"]) < 1e-15 for r, w in zip(rows, want)), name + ": learning rates")
    loss = [relative(r["loss"], w["loss"]) for r, w in zip(rows, want)]
    norm = [relative(r["grad_norm"], w["grad_norm"]) for r, w in zip(rows, want)]
    ok(len(rows) == len(want) and all(d <= 1e-3 for d in loss + norm), name + ": losses and norms of the updates",
       "%.1e, %.1e relative" % (max(loss), max(norm)))
    check_telemetry(name, out + ".run", expected)
    check_end(name, model, out)


def main():
    for name in BODIES:
        model = os.path.join(ORACLE, name)
        with open(os.path.join(model, "expected.json")) as f:
            expected = json.load(f)
        with tempfile.TemporaryDirectory() as tmp:
            pairs = os.path.join(tmp, "pairs.jsonl")
            write_pairs(pairs, expected["pairs"])
            for micro in (4096, 1):
                check_gradient(name, model, pairs, expected, tmp, micro)
            check_trajectory(name, model, pairs, expected, tmp)
    print("1..%d" % points)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
