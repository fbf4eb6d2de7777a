#!/usr/bin/env python3
"""Random models of published shapes, and random pairs of token ids, for timing and for checks.

    shapes.py list
    shapes.py model NAME DIR [--seed N] [--device cpu|cuda|none] [--dtype BF16|F32]
    shapes.py pairs FILE --vocab N --mix PROMPT+RESPONSE --pairs N [--seed N]

A speed depends on sizes and not on what a model has learnt, so nothing needs to be fetched: a model is config.json and
model.safetensors (bf16 or F32, weights and biases from N(0, 0.02), norms one, no tokenizer), in shards above 4 GB.
Numbers come from torch, or with --device none, or where there is no torch, from a block that repeats.
A pair has a prompt of PROMPT tokens and two responses whose lengths are uniform from half of RESPONSE to one and a half
times it; both are the same for the same seed.
"""
import argparse
import array
import json
import os
import random
import struct
import sys

LLAMA3_ROPE = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192}


def shape(family, hidden, layers, heads, kv_heads, ffn, vocab, tied, theta, eps, positions, deviation=0.02, rope=None):
    return dict(family=family, hidden=hidden, layers=layers, heads=heads, kv_heads=kv_heads, ffn=ffn, vocab=vocab,
                tied=tied, theta=theta, eps=eps, positions=positions, head_dim=hidden // heads, deviation=deviation,
                rope=rope)


SHAPES = {
    "smollm2-135m": shape("llama", 576, 30, 9, 3, 1536, 49152, True, 100000.0, 1e-5, 8192),
    "qwen2.5-0.5b": shape("qwen2", 896, 24, 14, 2, 4864, 151936, True, 1000000.0, 1e-6, 32768),
    "qwen2.5-1.5b": shape("qwen2", 1536, 28, 12, 2, 8960, 151936, True, 1000000.0, 1e-6, 131072),
    "qwen2.5-7b": shape("qwen2", 3584, 28, 28, 4, 18944, 152064, False, 1000000.0, 1e-6, 131072),
    "llama-3.2-1b": shape("llama", 2048, 16, 32, 8, 8192, 128256, True, 500000.0, 1e-5, 131072, rope=LLAMA3_ROPE),
    # for trying the scripts themselves
    "tiny": shape("llama", 64, 3, 4, 2, 176, 512, True, 10000.0, 1e-5, 4096),
    "tiny-qwen": shape("qwen2", 64, 2, 4, 2, 176, 512, False, 10000.0, 1e-6, 4096),
    # for checks: heads as wide as those of real models, weights large enough for attention and head to be anything but flat
    "wide-64": shape("llama", 256, 3, 4, 2, 384, 1031, True, 10000.0, 1e-5, 4096, 0.08),
    "wide-128": shape("qwen2", 256, 2, 2, 1, 320, 773, False, 10000.0, 1e-6, 4096, 0.08),
    # little to load, much to keep for backward: a run that no device has room for is a small file
    "deep": shape("llama", 256, 48, 4, 4, 768, 512, True, 10000.0, 1e-5, 131072),
}


def config(s):
    """config.json in the dialect that both transformers 4 and 5 read."""
    c = {
        "architectures": [{"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}[s["family"]]],
        "model_type": s["family"], "vocab_size": s["vocab"], "hidden_size": s["hidden"],
        "intermediate_size": s["ffn"], "num_hidden_layers": s["layers"], "num_attention_heads": s["heads"],
        "num_key_value_heads": s["kv_heads"], "max_position_embeddings": s["positions"], "rms_norm_eps": s["eps"],
        "rope_theta": s["theta"], "rope_scaling": s["rope"], "tie_word_embeddings": s["tied"],
        "hidden_act": "silu", "attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": True,
        "bos_token_id": 1, "eos_token_id": 2,
    }
    if s["family"] == "llama":
        c.update(attention_bias=False, mlp_bias=False, head_dim=s["head_dim"])
    else:
        c.update(use_sliding_window=False, sliding_window=None, max_window_layers=s["layers"])
    return c


def layer_tensors(s, p):
    """(name, shape, deviation) of one layer; deviation None is a norm."""
    q, kv, d, sigma = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"], s["hidden"], s["deviation"]
    yield p + "input_layernorm.weight", (d,), None
    for name, rows, cols in (("q", q, d), ("k", kv, d), ("v", kv, d), ("o", d, q)):
        yield f"{p}self_attn.{name}_proj.weight", (rows, cols), sigma
        if s["family"] == "qwen2" and name != "o":
            yield f"{p}self_attn.{name}_proj.bias", (rows,), sigma
    yield p + "post_attention_layernorm.weight", (d,), None
    for name, rows, cols in (("gate", s["ffn"], d), ("up", s["ffn"], d), ("down", d, s["ffn"])):
        yield f"{p}mlp.{name}_proj.weight", (rows, cols), sigma


def tensors(s):
    yield "model.embed_tokens.weight", (s["vocab"], s["hidden"]), s["deviation"]
    for i in range(s["layers"]):
        yield from layer_tensors(s, f"model.layers.{i}.")
    yield "model.norm.weight", (s["hidden"],), None
    if not s["tied"]:
        yield "lm_head.weight", (s["vocab"], s["hidden"]), s["deviation"]


def count(dims):
    n = 1
    for d in dims:
        n *= d
    return n


def parameters(s):
    return sum(count(dims) for _, dims, _ in tensors(s))


# ---- random numbers ------------------------------------------------------------------------------------------------

BYTES = {"BF16": 2, "F32": 4}


def torch_source(seed, device, dtype):
    """A function from (n, deviation) to n numbers as bytes. On a GPU seven billion take seconds."""
    import torch
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(seed)

    def draw(n, deviation):
        t = torch.empty(n, dtype=torch.float32 if dtype == "F32" else torch.bfloat16, device=device)
        if deviation is None:
            t.fill_(1)
        else:
            t.normal_(0, deviation, generator=generator)
        return memoryview(t.view(torch.int32 if dtype == "F32" else torch.int16).cpu().numpy()).cast("B")
    return draw


BLOCK = 262139         # prime: the period of the numbers never meets a matrix's width


def block_source(seed, dtype):
    """The same without torch: one block of random numbers over and over, as speed does not depend on the values."""
    rng = random.Random(seed)
    normal = [rng.gauss(0, 1) for _ in range(BLOCK)]
    made = {}

    def block(deviation):
        values = array.array("f", [1.0] * BLOCK if deviation is None else [v * deviation for v in normal])
        if dtype == "BF16":
            bits = array.array("I", values.tobytes())
            values = array.array("H", [(u + 0x7FFF + (u >> 16 & 1)) >> 16 for u in bits])
        if sys.byteorder == "big":
            values.byteswap()
        return values.tobytes()

    def draw(n, deviation):
        if deviation not in made:
            made[deviation] = block(deviation)
        size = BYTES[dtype] * n
        first = BYTES[dtype] * rng.randrange(BLOCK)
        part = made[deviation][first:first + size]
        more, rest = divmod(size - len(part), BYTES[dtype] * BLOCK)
        return part + made[deviation] * more + made[deviation][:rest]
    return draw


def source(seed, device, dtype):
    try:
        return torch_source(seed, device, dtype) if device != "none" else block_source(seed, dtype)
    except ImportError:
        return block_source(seed, dtype)


# ---- files ---------------------------------------------------------------------------------------------------------

def shards(entries, limit, dtype):
    """Cuts the list of tensors so that no file holds more than limit bytes."""
    group, size = [], 0
    for e in entries:
        n = BYTES[dtype] * count(e[1])
        if group and size + n > limit:
            yield group
            group, size = [], 0
        group.append(e)
        size += n
    yield group


def write_shard(path, entries, draw, dtype):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dims, _ in entries:
        n = BYTES[dtype] * count(dims)
        header[name] = {"dtype": dtype, "shape": list(dims), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, dims, deviation in entries:
            f.write(draw(count(dims), deviation))


def write_model(s, directory, seed=1, device=None, dtype="BF16", shard_bytes=4 * 10 ** 9):
    os.makedirs(directory, exist_ok=True)
    draw = source(seed, device, dtype)
    groups = list(shards(tensors(s), shard_bytes, dtype))
    index = {}
    for i, group in enumerate(groups):
        file = "model.safetensors" if len(groups) == 1 else f"model-{i + 1:05}-of-{len(groups):05}.safetensors"
        write_shard(os.path.join(directory, file), group, draw, dtype)
        index.update({e[0]: file for e in group})
    if len(groups) > 1:
        with open(os.path.join(directory, "model.safetensors.index.json"), "w", encoding="utf-8") as f:
            json.dump({"metadata": {"total_size": BYTES[dtype] * parameters(s)}, "weight_map": index}, f)
    # last: a directory with a config is complete
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as f:
        json.dump({**config(s), "torch_dtype": {"BF16": "bfloat16", "F32": "float32"}[dtype]}, f, indent=1)


def write_pairs(path, n, prompt, response, vocab, seed=1, fixed=False):
    """fixed: every response has the mean length."""
    rng = random.Random(f"{seed}/{prompt}+{response}")
    first, last = min(10, vocab // 4), vocab - 1

    def ids(k):
        return [rng.randint(first, last) for _ in range(k)]

    with open(path, "w", encoding="utf-8") as f:
        for i in range(n):
            lengths = [response if fixed else rng.randint(max(1, response // 2), response * 3 // 2) for _ in range(2)]
            record = {"id": f"pair-{i}", "prompt_ids": ids(prompt), "chosen_ids": ids(lengths[0]),
                      "rejected_ids": ids(lengths[1]), "score_chosen": round(rng.uniform(2.5, 5), 2),
                      "score_rejected": round(rng.uniform(1, 2.5), 2)}
            f.write(json.dumps(record, separators=(",", ":")) + "\n")


def parse_mix(text):
    prompt, response = text.split("+")
    return int(prompt), int(response)


# ---- the work that a pair needs ------------------------------------------------------------------------------------

def shared(p):
    """Input tokens that both sides of a record begin with."""
    a, b = p["chosen_ids"], p["rejected_ids"]
    k, most = 0, max(len(a), len(b)) - 1
    while k < min(len(a), len(b), most) and a[k] == b[k]:
        k += 1
    return len(p["prompt_ids"]) + k


def useful(s, records):
    """Useful floating point operations of one forward pass over the records, and of backward twice that: every shared
    token once, the head on scored positions alone, attention by visible keys. The same count that od-train's mfu uses, so
    that whoever computes a padded or a repeated token is not credited for it."""
    tokens = rows = keys = 0
    for p in records:
        common, prompt = shared(p), len(p["prompt_ids"])
        ends = [max(prompt + len(p[side]) - 1, common) for side in ("chosen_ids", "rejected_ids")]
        tokens += common + sum(e - common for e in ends)
        rows += common - (prompt - 1) + sum(e - common for e in ends)
        keys += common * (common + 1) // 2
        keys += sum(e * (e + 1) // 2 - common * (common + 1) // 2 for e in ends)
    q, kv, d = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"], s["hidden"]
    per_token = 2 * d * (2 * q + 2 * kv) + 6 * d * s["ffn"]
    return s["layers"] * (tokens * per_token + 4 * q * keys) + rows * 2 * d * s["vocab"]


def flat_tokens(records):
    """Tokens as trainers count them: the prompt once for each response."""
    return sum(2 * len(p["prompt_ids"]) + len(p["chosen_ids"]) + len(p["rejected_ids"]) for p in records)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="what", required=True)
    sub.add_parser("list")
    m = sub.add_parser("model")
    m.add_argument("name", choices=sorted(SHAPES))
    m.add_argument("directory")
    m.add_argument("--seed", type=int, default=1)
    m.add_argument("--device")
    m.add_argument("--dtype", choices=("BF16", "F32"), default="BF16")
    r = sub.add_parser("pairs")
    r.add_argument("file")
    r.add_argument("--vocab", type=int, required=True)
    r.add_argument("--mix", default="150+300")
    r.add_argument("--pairs", type=int, default=64)
    r.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    if o.what == "list":
        for name, s in SHAPES.items():
            print(f"{name:14} {parameters(s) / 1e6:9.1f} M parameters, {s['layers']} layers of {s['hidden']}")
    elif o.what == "model":
        write_model(SHAPES[o.name], o.directory, o.seed, o.device, o.dtype)
    else:
        write_pairs(o.file, o.pairs, *parse_mix(o.mix), o.vocab, o.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
