#!/usr/bin/env python3
"""The published configurations of judges, Arena-Hard's and AlpacaEval's, given to od-eval as they are: what reaches the service.

Environment: ORACLE (folder with data/), BIN (folder of the tools).
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

ORACLE, BIN = os.environ.get("ORACLE", ""), os.environ.get("BIN", "bin")
ARENA, ALPACA = os.path.join(ORACLE, "data", "arena_hard"), os.path.join(ORACLE, "data", "alpaca_eval")
N = 3
if not os.path.exists(os.path.join(ARENA, "judge_config_v0.1_legacy.yaml")):
    print("1..0 # SKIP no published configurations")
    sys.exit(0)
results = []


def point(good, name):
    results.append(bool(good))
    print(f"{'ok' if good else 'not ok'} {len(results)} - {name}", flush=True)


def quoted(path, key):
    """The double-quoted text of a key, which is a JSON string too."""
    with open(path, encoding="utf-8") as f:
        line = next(x for x in f if x.startswith(key + ":"))
    value = json.loads(line.split(":", 1)[1].strip())
    return value[0] if isinstance(value, list) else value


def read(path, n=N):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        text = f.read()
    return (json.loads(text) if text.lstrip().startswith("[") else [json.loads(x) for x in text.splitlines()])[:n]


def write(path, records):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(r) + "\n" for r in records)
    return path


def ask(tmp, command, *options):
    log = os.path.join(tmp, "log")
    open(log, "w").close()
    with open(os.path.join(tmp, "port")) as f:
        url = f"http://127.0.0.1:{f.read()}/v1"
    subprocess.run([os.path.join(BIN, "od-eval"), command, "-q", "--judge-url", url, *options], capture_output=True, check=False)
    with open(log, encoding="utf-8") as f:
        return [json.loads(line)["body"] for line in f]


def arena(tmp):
    config = os.path.join(ARENA, "judge_config_v0.1_legacy.yaml")
    questions = read(os.path.join(ARENA, "questions", "question_legacy_v0.1_2024-10.jsonl"))
    ids = {q["question_id"] for q in questions}
    base, mine = ([r for r in read(os.path.join(ARENA, "model_answer", m + ".jsonl.gz"), None) if r["uid"] in ids]
                  for m in ("gpt-4-0314", "gpt-3.5-turbo-0125"))
    bodies = ask(tmp, "arena-hard", "--judge-config", config, "--questions", write(f"{tmp}/q", questions),
                 "--baseline-answers", write(f"{tmp}/b", base), "--outputs", write(f"{tmp}/m", mine))
    first = [b for b in bodies if len(b["messages"]) == 2]
    point(len(first) == 2 * N and len(bodies) == 4 * N, f"arena: two games a question, asked on once without a verdict ({len(bodies)} requests)")
    point(all((b["model"], b["temperature"], b["max_tokens"]) == ("gpt-4-1106-preview", 0, 4096) for b in bodies), "arena: model and settings")
    point(all(b["messages"][0] == {"role": "system", "content": quoted(config, "system_prompt")} for b in bodies), "arena: system prompt")
    template = quoted(config, "prompt_template")
    head, middle = template.split("{question_1}")[0], template.split("{question_1}")[1].split("{answer_1}")[0]
    texts = {q["turns"][0]["content"] for q in questions}
    point({b["messages"][1]["content"][len(head):].split(middle)[0] for b in first} == texts and
          all(b["messages"][1]["content"].startswith(head) and "{answer" not in b["messages"][1]["content"] for b in first), "arena: template filled")
    point(all(b["messages"][3]["content"] == "continue your judgment and finish by outputting a final verdict label"
              for b in bodies if len(b["messages"]) == 4), "arena: what is said to a judge without a verdict")


def alpaca(tmp):
    config = os.path.join(ALPACA, "prompts", "weighted_alpaca_eval_gpt4_turbo.yaml")
    template = os.path.join(ALPACA, "prompts", "alpaca_eval_clf.txt")
    base = read(os.path.join(ALPACA, "baseline_gpt4_1106_preview.json.gz"))
    mine = [{"instruction": b["instruction"], "output": "mine", "generator": "m"} for b in base]
    saved = f"{tmp}/saved"
    bodies = ask(tmp, "alpaca-eval", "--judge-config", config, "--template", template, "--baseline-outputs", write(f"{tmp}/b", base),
                 "--outputs", write(f"{tmp}/m", mine), "--save-annotations", saved)
    point(len(bodies) == N and all((b["model"], b["temperature"], b["max_tokens"], b["logprobs"], b["top_logprobs"]) ==
                                   ("gpt-4-1106-preview", 1, 1, True, 5) for b in bodies), "alpaca: model and settings")
    point(all([m["role"] for m in b["messages"]] == ["system", "user"] and '"""mine"""' in b["messages"][1]["content"] for b in bodies),
          "alpaca: template filled")
    with open(saved, encoding="utf-8") as f:
        point({a["annotator"] for a in json.load(f)} == {"weighted_alpaca_eval_gpt4_turbo"}, "alpaca: the annotator's name is the configuration's")


with tempfile.TemporaryDirectory() as folder:
    server = subprocess.Popen([sys.executable, "tests/fixtures/fault_server.py", f"{folder}/port", f"{folder}/log"])
    try:
        for _ in range(200):
            if os.path.exists(f"{folder}/port"):
                break
            time.sleep(0.05)
        arena(folder)
        alpaca(folder)
    finally:
        server.terminate()
        server.wait()
print(f"1..{len(results)}")
sys.exit(0 if all(results) else 1)
