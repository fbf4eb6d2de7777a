#!/usr/bin/env python3
"""Reward models of the reference, through od-score prm and armorm.

The reference gives token ids, the tool takes texts: each case gets a tokenizer of its own, whose letters and added tokens make the
rendered dialogue just those ids.

Environment: ORACLE (folder with oracle/models/NAME/expected.json), BIN (folder of the tools); OD_DEVICE and OD_DTYPE, where
set, say where the models run and in which type. Prints TAP.
"""
import json
import os
import string
import subprocess
import sys
import tempfile

BIN = os.path.abspath(os.environ.get("BIN", "bin"))
MODELS = os.path.abspath(os.path.join(os.environ["ORACLE"], "oracle/models"))
DEVICE = [a for name in ("device", "dtype") if os.environ.get("OD_" + name.upper())
          for a in ("--" + name, os.environ["OD_" + name.upper()])]
TOLERANCE = 1e-4
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
count = failed = 0


def ok(good, what):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {what}")


def byte_letters():
    shown = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    letters = {b: chr(b) for b in shown}
    letters.update({b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in shown)})
    return letters


class Tokenizer:
    """Hands out a letter for each id that is asked for, and knows which added tokens there are."""

    def __init__(self, n_ids):
        self.n_ids, self.letter, self.added = n_ids, {}, {}
        self.free = list(string.ascii_letters + string.digits)

    def text(self, ids):
        assert not set(ids) & set(self.added.values())
        for i in ids:
            if i not in self.letter:
                self.letter[i] = self.free.pop(0)
        return "".join(self.letter[i] for i in ids)

    def add(self, text, token):
        assert token not in self.letter and token not in self.added.values()
        self.added[text] = token

    def write(self, path, others):
        letters = byte_letters()
        left = [i for i in range(self.n_ids) if i not in self.letter and i not in self.added.values()]
        for text in others:
            self.added[text] = left.pop(0)
        vocab = {letters[ord(c)]: i for i, c in self.letter.items()}
        for c in letters.values():
            if c not in vocab:
                vocab[c] = left.pop(0)
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        tokenizer = {
            "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
            "added_tokens": [{"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False, "special": True} for s, i in self.added.items()],
            "pre_tokenizer": byte_level, "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocab, "merges": []}}
        with open(path, "w", encoding="utf-8") as f:
            json.dump(tokenizer, f)


def score(expert, model, tokenizer, others, prompt, response, options=()):
    with tempfile.TemporaryDirectory() as d:
        for name in ("config.json", "model.safetensors"):
            os.symlink(os.path.join(MODELS, model, name), os.path.join(d, name))
        tokenizer.write(os.path.join(d, "tokenizer.json"), others)
        record = json.dumps({"prompt": prompt, "responses": [{"text": response}]})
        p = subprocess.run([f"{BIN}/od-score", expert, "-q", "--model", d, *options] + DEVICE, input=record,
                           capture_output=True, text=True)
    if p.returncode:
        print(f"# od-score {expert}: exit {p.returncode}: {p.stderr.strip()}")
        return {}
    return json.loads(p.stdout)["responses"][0]


def worst(got, want):
    return max((abs(a - b) for a, b in zip(got, want)), default=1) if len(got) == len(want) else 1


def check_prm(case, i):
    ids, sep = case["input_ids"], case["separator_id"]
    t = Tokenizer(300)
    t.add("<extra_0>", sep)
    t.add(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n", ids[0])
    t.add("<|im_end|>\n<|im_start|>assistant\n", ids[2])
    steps, at = [], 3
    while at < len(ids):
        end = ids.index(sep, at)
        steps.append(t.text(ids[at:end]))
        at = end + 1
    got = score("prm", "qwen2-prm", t, ("<|im_start|>", "<|im_end|>", "<|endoftext|>"), t.text(ids[1:2]), "\n\n".join(steps))
    far = worst(got.get("step_scores", []), case["step_scores"])
    ok(far < TOLERANCE, f"qwen2-prm {i}: {len(steps)} step scores, worst difference {far:.2g}")
    ok(abs(got.get("score", 9) - min(case["step_scores"])) < TOLERANCE, f"qwen2-prm {i}: the least of them")


def check_armorm(case, i):
    ids, gate = case["input_ids"], case["gating_position"]
    eot, start, assistant, end, blank = case["gating_pattern"]
    t = Tokenizer(300)
    for text, token in (("<|eot_id|>", eot), ("<|start_header_id|>", start), ("assistant", assistant),
                        ("<|end_header_id|>", end), ("\n\n", blank), ("~<|eot_id|>", ids[-1]),
                        ("<|start_header_id|>user<|end_header_id|>\n\n", ids[0])):
        t.add(text, token)
    prompt, response = t.text(ids[1:gate]), t.text(ids[gate + 5:-1]) + "~"
    got = score("armorm", "armorm", t, (), prompt, response, ["--gating"])
    for name in ("rewards", "gating"):
        far = worst(got.get(name, []), case[name])
        ok(far < TOLERANCE, f"armorm {i}: {name}, worst difference {far:.2g}")
    far = abs(got.get("score", 99) - case["score"])
    ok(far < TOLERANCE, f"armorm {i}: score, difference {far:.2g}")


def main():
    for check, model in ((check_prm, "qwen2-prm"), (check_armorm, "armorm")):
        with open(os.path.join(MODELS, model, "expected.json"), encoding="utf-8") as f:
            for i, case in enumerate(json.load(f)):
                check(case, i)
    ok(count == 10, "two cases of each")
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
