#!/usr/bin/env python3
"""od-convert on the reference models: every file opens, GGUF there and back gives the same bits, a configuration taken
from metadata alone gives the reference's log-probs, and so do re-sharded and bf16-widened copies. With SMOLLM2 (a
directory od-convert made of the published GGUF), the same round trip on a real model and its published configuration.

Environment: ORACLE, the folder of reference results; BIN, the tools; SMOLLM2. Prints TAP.
"""
import glob
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile

ORACLE, BIN = os.environ["ORACLE"], os.environ.get("BIN", "bin")
SMOLLM2 = os.environ.get("SMOLLM2", ".cache/smollm2")
count = failed = 0


def ok(good, what):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {what}")


def convert(*args):
    p = subprocess.run([f"{BIN}/od-convert", "--quiet", *args], capture_output=True, text=True)
    if p.returncode:
        print(f"# od-convert {' '.join(args)}: exit {p.returncode}: {p.stderr.strip()}")
    return p.returncode == 0


def tensors(directory):
    """{name: (dtype, shape, bytes)} of a single-file model."""
    with open(f"{directory}/model.safetensors", "rb") as f:
        n, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(n))
        data = f.read()
    return {k: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for k, t in header.items() if k != "__metadata__"}


def forget_config(path):
    """Renames the key of the stored config.json, so that the reader has metadata only, as in files made elsewhere."""
    with open(path, "rb") as f:
        data = f.read()
    assert data.count(b"omnidpo.config_json") == 1
    with open(path, "wb") as f:
        f.write(data.replace(b"omnidpo.config_json", b"omnidpo.ignore_json"))


def worst_logprob(directory, expected):
    """Largest difference of any reference sequence's next-token log-probs, through od-ref --per-token."""
    cases = [c for c in expected["cases"] if len(c["input_ids"]) > 2]
    # od-ref scores responses: the first token is the prompt, so everything after it is covered.
    records = "".join(json.dumps({"prompt_ids": c["input_ids"][:1], "chosen_ids": c["input_ids"][1:],
                                  "rejected_ids": c["input_ids"][1:2]}) + "\n" for c in cases)
    p = subprocess.run([f"{BIN}/od-ref", "--model", directory, "--quiet", "--per-token"], input=records, capture_output=True,
                       text=True)
    got = [json.loads(line) for line in p.stdout.splitlines()]
    if p.returncode or len(got) != len(cases):
        print(f"# od-ref {directory}: exit {p.returncode}: {p.stderr.strip()}")
        return float("inf")
    return max(abs(a - b) for g, c in zip(got, cases)
               for a, b in zip(g["ref_chosen_token_logps"], c["next_token_logprobs"]))


def check_model(name, tmp):
    source = f"{ORACLE}/oracle/models/{name}"
    with open(f"{source}/expected.json", encoding="utf-8") as f:
        expected = json.load(f)
    ok(convert(source, f"{tmp}/f32", "--dtype", "f32"), f"{name}: opens")
    ok(convert(source, f"{tmp}/m.gguf", "--dtype", "f32"), f"{name}: to GGUF")
    ok(convert(f"{tmp}/m.gguf", f"{tmp}/back", "--dtype", "f32"), f"{name}: and back")
    ok(tensors(f"{tmp}/f32") == tensors(f"{tmp}/back"), f"{name}: every tensor has the same bits")
    ok(convert(f"{tmp}/f32", f"{tmp}/shards", "--shard-size", "30K") and convert(f"{tmp}/shards", f"{tmp}/joined") and
       tensors(f"{tmp}/joined") == tensors(f"{tmp}/f32"), f"{name}: split and joined")
    if "cases" in expected:
        worst = worst_logprob(f"{tmp}/shards", expected)
        ok(worst < 2e-5, f"{name}: log-probs of the shards, worst difference {worst:.2g}")
        forget_config(f"{tmp}/m.gguf")
        ok(convert(f"{tmp}/m.gguf", f"{tmp}/derived", "--dtype", "f32"), f"{name}: metadata only")
        worst = worst_logprob(f"{tmp}/derived", expected)
        ok(worst < 2e-5, f"{name}: log-probs by a derived configuration, worst difference {worst:.2g}")


def check_smollm2(tmp):
    if not os.path.exists(f"{SMOLLM2}/model.safetensors"):
        print(f"# no model in {SMOLLM2}: the real model is left out")
        return
    with gzip.open(f"{ORACLE}/data/tokenizers/smollm2/config.json.gz", "rt", encoding="utf-8") as f:
        published = json.load(f)
    with open(f"{SMOLLM2}/config.json", encoding="utf-8") as f:
        ours = json.load(f)
    keys = [k for k in published if k in ours and k not in ("torch_dtype", "initializer_range")]
    wrong = [k for k in keys if published[k] != ours[k]]
    ok(not wrong and len(keys) > 15, f"smollm2: {len(keys)} members of config.json as published {wrong}")
    ok(convert(SMOLLM2, f"{tmp}/s.gguf", "--dtype", "f32") and convert(f"{tmp}/s.gguf", f"{tmp}/s", "--dtype", "f32"),
       "smollm2: to GGUF and back")
    same = subprocess.run(["diff", "-rq", SMOLLM2, f"{tmp}/s"], capture_output=True, text=True)
    ok(same.returncode == 0, "smollm2: every file is the same " + same.stdout.strip())


def main():
    for path in sorted(glob.glob(f"{ORACLE}/oracle/models/*/expected.json")):
        with tempfile.TemporaryDirectory() as tmp:
            check_model(os.path.basename(os.path.dirname(path)), tmp)
    ok(count > 9 * 5, "there were nine models")
    with tempfile.TemporaryDirectory() as tmp:
        check_smollm2(tmp)
    print(f"1..{count}")
    return failed != 0


sys.exit(main())
