#!/usr/bin/env python3
"""Writes the starting corpora of fuzz_tokenizer and fuzz_chat: `python3 tests/fuzz/corpus/make_text.py`."""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġab": 4}, "merges": ["a b", "Ġ ab"]}
CL100K = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


TOKENIZERS = {
    "plain": ({"model": MODEL}, "ab ba"),
    "level": ({"model": MODEL, "pre_tokenizer": LEVEL, "decoder": {"type": "ByteLevel"}}, "ab ab's 12\n"),
    "split": ({"model": dict(MODEL, ignore_merges=True), "normalizer": {"type": "NFC"},
               "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                   split(CL100K), {"type": "Digits", "individual_digits": True}, dict(LEVEL, use_regex=False)]}},
              "e\u0301 abc 123\r\n\u3000x"),
    "behaviours": ({"model": MODEL, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        split("a*", "MergedWithPrevious"), split("(?=b)", "MergedWithNext"), split(r"\s", "Removed", True),
        split("b", "Contiguous")]}}, "aab bba"),
    "words": ({"model": MODEL, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Whitespace"}, {"type": "Punctuation", "behavior": "Isolated"},
        {"type": "CharDelimiterSplit", "delimiter": "-"}, {"type": "WhitespaceSplit"}]}}, "a.b, c-d"),
    "pieces": ({"model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                          "vocab": {"<unk>": 0, "▁": 1, "a": 2, "▁a": 3, "<0xC3>": 4, "<0xA9>": 5},
                          "merges": [["▁", "a"]]},
                "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, SPACES]},
                "decoder": {"type": "Sequence", "decoders": [
                    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                    {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}}, "a é xy a"),
    "metaspace": ({"model": MODEL, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
                                                     "prepend_scheme": "first", "split": True},
                   "decoder": {"type": "Metaspace"}}, "a b<x>c"),
    "added": ({"model": MODEL, "normalizer": {"type": "Strip"}, "added_tokens": [
        {"id": 7, "content": "<x>", "special": True, "lstrip": True, "rstrip": True},
        {"id": 8, "content": "<x>b", "special": False, "normalized": True},
        {"id": 9, "content": "ba", "single_word": True}]}, "a <x> <x>b ba aba"),
    "post": ({"model": MODEL, "post_processor": {"type": "Sequence", "processors": [
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a"}}]}]}}, ""),
    "no-merges": ({"model": {"vocab": {"a": 0}}}, "a"),
    "big-id": ({"model": {"vocab": {"a": 65000}, "merges": []}}, "a"),
    "bad-merge": ({"model": dict(MODEL, merges=["a z"])}, "a"),
    "bad-pattern": ({"model": MODEL, "pre_tokenizer": split("(")}, "a"),
}

CHATS = {
    "chatml": ("'<|im_start|>' '<|im_end|>'", "user", "Hi", "assistant", "Hello."),
    "qwen25": ("<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud.<|im_end|>", "system", "", "user", "x"),
    "smollm2": ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>",
                "user", " a "),
    "llama3": ("<|start_header_id|> | trim <|eot_id|>", "user", "\u00a0a\u3000", "assistant", ""),
    "llama31": ("<|start_header_id|> Cutting Knowledge Date <|eot_id|>", "system", "s", "user", "u"),
    "gemma2": ("<start_of_turn> System role not supported", "user", "a\n", "assistant", "b", "user", "c"),
    "odd-roles": ("", "tool", "x", "user", "<|im_end|>", "user", "again"),
    "empty": ("",),
    "unfinished": ("<|im_start|>system\nother<|im_end|>", "user"),
}


def write(target, name, data):
    folder = os.path.join(HERE, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


for name, (tokenizer, text) in TOKENIZERS.items():
    write("tokenizer", name, json.dumps(tokenizer, ensure_ascii=False).encode() + b"\0" + text.encode())
write("tokenizer", "damaged", b'{"model":{"vocab":{"a":0,"a":1}}}\0\xff\xfe')
for name, parts in CHATS.items():
    write("chat", name, "\0".join(parts).encode())
write("chat", "invalid", b"\0user\0\xff\xc3")
