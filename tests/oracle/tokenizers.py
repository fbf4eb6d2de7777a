#!/usr/bin/env python3
"""Five published vocabularies and four chat templates against their reference implementations: every id equal.

Through `od-inspect tokens`. With special tokens parsed and as text; texts of dialogues byte for byte. The environment
gives ORACLE, the folder of reference results, and BIN, the tools.
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile

ORACLE = os.environ["ORACLE"]
TOOL = os.path.join(os.environ.get("BIN", "bin"), "od-inspect")
CHATS = {"llama3": "llama3", "qwen25": "qwen25", "smollm2": "smollm2", "gemma2template_gemma3vocab": "gemma3"}
points = []


def point(name, problems, n):
    points.append(not problems)
    print("%sok %d - %s: %d equal" % ("" if not problems else "not ", len(points), name, n - len(problems)))
    for p in problems[:5]:
        print("# " + str(p)[:500])
    sys.stdout.flush()


def unpack(name, folder):
    source = os.path.join(ORACLE, "data", "tokenizers", name)
    for f in os.listdir(source):
        with gzip.open(os.path.join(source, f)) as z, open(os.path.join(folder, f[:-3]), "wb") as out:
            out.write(z.read())


def tokens(folder, records, *options):
    """The tool's records, or its message when it failed."""
    run = subprocess.run([TOOL, "tokens", "--model", folder, "--json", *options], text=True, encoding="utf-8",
                         input="".join(json.dumps(r) + "\n" for r in records), capture_output=True)
    if run.returncode:
        return run.returncode, run.stderr
    return 0, [json.loads(line) for line in run.stdout.splitlines()]


def compare(name, got, want):
    status, out = got
    if status or len(out) != len(want):
        return point(name, [out if status else "%d records for %d" % (len(out), len(want))] * len(want), len(want))
    point(name, ["%r: %s, not %s" % (o.get("text", o.get("rendered")), o["ids"], w)
                 for o, w in zip(out, want) if o["ids"] != w], len(want))


def texts(name, folder):
    with gzip.open(os.path.join(ORACLE, "oracle", "tokenizer_%s.jsonl.gz" % name), "rt", encoding="utf-8") as f:
        cases = [json.loads(line) for line in f]
    records = [{"text": c["text"]} for c in cases]
    compare(name + ", special tokens", tokens(folder, records), [c["ids"] for c in cases])
    compare(name + ", plain text", tokens(folder, records, "--no-special"), [c.get("ids_plain", c["ids"]) for c in cases])


def chats(name, folder):
    with open(os.path.join(ORACLE, "oracle", "chat_%s.jsonl" % name), encoding="utf-8") as f:
        cases = [json.loads(line) for line in f]
    good = [c for c in cases if "text" in c]
    keys = ("messages", "add_generation_prompt", "date_string")
    got = tokens(folder, [{k: c[k] for k in keys if k in c} for c in good])
    compare("chat " + name, got, [c["ids"] for c in good])
    wrong = [o["rendered"] for o, c in zip(got[1], good) if o["rendered"] != c["text"]] if not got[0] else [got[1]]
    point("chat %s, text" % name, wrong, len(good))
    refused = [c for c in cases if "error" in c]
    if refused:
        point("chat %s, refused dialogues" % name,
              [c for c in refused if tokens(folder, [{"messages": c["messages"]}])[0] != 3], len(refused))


def main():
    for name in ("gpt2", "llama3", "qwen25", "smollm2", "gemma3"):
        with tempfile.TemporaryDirectory() as folder:
            unpack(name, folder)
            texts(name, folder)
            for chat, vocabulary in CHATS.items():
                if vocabulary == name:
                    chats(chat, folder)
    print("1..%d" % len(points))
    return not all(points)


if __name__ == "__main__":
    sys.exit(main())
