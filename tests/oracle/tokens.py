#!/usr/bin/env python3
"""od-inspect tokens against the reference ids of five vocabularies and four families of chat templates.

Environment: ORACLE (folder with oracle/ and data/), BIN (folder of the tools).
"""
import glob
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile

ORACLE, BIN = os.environ["ORACLE"], os.environ.get("BIN", "bin")
failed = count = 0


def check(passed, name, detail=""):
    global failed, count
    count += 1
    failed += not passed
    print(f"{'ok' if passed else 'not ok'} {count} - {name}")
    if not passed:
        print("#", detail, file=sys.stderr)


def read(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f.read().split("\n") if line]


def unpack(name, into):
    """A model directory with nothing but the tokenizer."""
    path = os.path.join(into, name)
    os.makedirs(path)
    for packed in glob.glob(os.path.join(ORACLE, "data", "tokenizers", name, "*.gz")):
        with gzip.open(packed) as source, open(os.path.join(path, os.path.basename(packed)[:-3]), "wb") as target:
            shutil.copyfileobj(source, target)
    return path


def run(model, path, *options):
    data = open(path, "rb").read()
    if path.endswith(".gz"):
        data = gzip.decompress(data)
    done = subprocess.run([os.path.join(BIN, "od-inspect"), "tokens", "--model", model, *options],
                          input=data, capture_output=True)
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line], done.returncode, done.stderr.decode()


def compare(name, wanted, got, keys):
    """keys: pairs of (member of the reference, member of ours); every other member must have passed through."""
    wrong = []
    for want, have in zip(wanted, got):
        for w, g in keys(want):
            if want[w] != have.get(g):
                wrong.append((want[w], have.get(g)))
        if any(have.get(k) != v for k, v in want.items() if k != "ids"):
            wrong.append(("members", have))
    check(len(wanted) == len(got) and not wrong, f"{name}: {len(wanted)} records, every id equal",
          f"{len(got)} records, {len(wrong)} wrong: {wrong[:1]}")


def vocabularies(tmp):
    for name in ("gemma3", "gpt2", "llama3", "qwen25", "smollm2"):
        model = unpack(name, tmp)
        path = os.path.join(ORACLE, "oracle", f"tokenizer_{name}.jsonl.gz")
        wanted = read(path)
        got, rc, err = run(model, path)
        check(rc == 0, f"{name}: exit 0", err)
        compare(name, wanted, got, lambda r: [("ids", "ids")])
        got, rc, err = run(model, path, "--no-special")
        compare(f"{name} --no-special", wanted, got, lambda r: [("ids_plain" if "ids_plain" in r else "ids", "ids")])


def templates(tmp):
    for name, vocabulary, options in (("llama3", "llama3", ()), ("qwen25", "qwen25", ()), ("smollm2", "smollm2", ()),
                                      ("gemma2template_gemma3vocab", "gemma3", ("--chat-template", "gemma2"))):
        path = os.path.join(ORACLE, "oracle", f"chat_{name}.jsonl")
        records = read(path)
        good = [r for r in records if "error" not in r]
        got, rc, err = run(os.path.join(tmp, vocabulary), path, "--skip-bad", *options)
        check(rc == (0 if len(good) == len(records) else 4), f"chat {name}: exit code", f"{rc}: {err}")
        compare(f"chat {name}", good, got, lambda r: [("ids", "ids"), ("text", "rendered")])


def main():
    with tempfile.TemporaryDirectory() as tmp:
        vocabularies(tmp)
        templates(tmp)
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
