#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/convert.h"

enum { LLAMA = 1 << OD_LLAMA, QWEN2 = 1 << OD_QWEN2, GEMMA2 = 1 << OD_GEMMA2, ALL = LLAMA | QWEN2 | GEMMA2 };

struct pair {
	const char *hf, *gguf;
	int families;
};

static const struct pair whole[] = {
	{ "model.embed_tokens.weight", "token_embd.weight", ALL },
	{ "model.norm.weight", "output_norm.weight", ALL },
	{ "lm_head.weight", "output.weight", ALL },
	{ NULL, NULL, 0 },
};

/* Behind "model.layers.N." and "blk.N."; ".weight" or ".bias" follows. */
static const struct pair in_layer[] = {
	{ "self_attn.q_proj", "attn_q", ALL },
	{ "self_attn.k_proj", "attn_k", ALL },
	{ "self_attn.v_proj", "attn_v", ALL },
	{ "self_attn.o_proj", "attn_output", ALL },
	{ "mlp.gate_proj", "ffn_gate", ALL },
	{ "mlp.up_proj", "ffn_up", ALL },
	{ "mlp.down_proj", "ffn_down", ALL },
	{ "input_layernorm", "attn_norm", ALL },
	{ "post_attention_layernorm", "ffn_norm", LLAMA | QWEN2 },
	{ "post_attention_layernorm", "post_attention_norm", GEMMA2 },
	{ "pre_feedforward_layernorm", "ffn_norm", GEMMA2 },
	{ "post_feedforward_layernorm", "post_ffw_norm", GEMMA2 },
	{ NULL, NULL, 0 },
};

/* "PREFIX12.rest" -> 12 and "rest"; NULL when it is something else. */
static const char *
split_layer(const char *name, const char *prefix, size_t *digits)
{
	size_t p = strlen(prefix);

	if (strncmp(name, prefix, p) != 0)
		return NULL;
	*digits = strspn(name + p, "0123456789");
	return *digits && name[p + *digits] == '.' ? name + p + *digits + 1 : NULL;
}

/* Splits off ".weight" or ".bias"; returns the length in front of it. */
static size_t
stem_length(const char *s)
{
	const char *dot = strrchr(s, '.');

	return dot && (strcmp(dot, ".weight") == 0 || strcmp(dot, ".bias") == 0) ? (size_t)(dot - s) : 0;
}

static const char *
side(const struct pair *p, bool to_hf)
{
	return to_hf ? p->gguf : p->hf;
}

/* Translates either way: the two tables are the same read from left or from right. */
static void
translate(enum od_family f, const char *name, bool to_hf, struct od_buf *out)
{
	const char *from = to_hf ? "blk." : "model.layers.", *to = to_hf ? "model.layers." : "blk.", *rest;
	size_t digits = 0, stem;

	for (const struct pair *p = whole; p->hf; p++)
		if (strcmp(name, side(p, to_hf)) == 0) {
			od_buf_str(out, side(p, !to_hf));
			return;
		}
	rest = split_layer(name, from, &digits);
	stem = rest ? stem_length(rest) : 0;
	for (const struct pair *p = in_layer; stem && p->hf; p++)
		if ((p->families & 1 << f) && strlen(side(p, to_hf)) == stem &&
		    strncmp(rest, side(p, to_hf), stem) == 0) {
			od_buf_printf(out, "%s%.*s.%s%s", to, (int)digits, name + strlen(from), side(p, !to_hf),
				rest + stem);
			return;
		}
	od_buf_str(out, name);
}

void
cv_name_to_hf(enum od_family f, const char *gguf, struct od_buf *out)
{
	translate(f, gguf, true, out);
}

void
cv_name_to_gguf(enum od_family f, const char *hf, struct od_buf *out)
{
	translate(f, hf, false, out);
}

bool
cv_name_is_interleaved(enum od_family f, const char *gguf, bool *is_key)
{
	size_t digits;
	const char *rest = split_layer(gguf, "blk.", &digits);

	if (f != OD_LLAMA || !rest)
		return false;
	*is_key = strncmp(rest, "attn_k.", 7) == 0;
	return *is_key || strncmp(rest, "attn_q.", 7) == 0;
}

bool
cv_name_is_plus_one(enum od_family f, const char *gguf)
{
	static const char end[] = "norm.weight";
	size_t n = strlen(gguf);

	return f == OD_GEMMA2 && n >= sizeof end - 1 && strcmp(gguf + n - (sizeof end - 1), end) == 0;
}

void
cv_permute(const float *from, float *to, int64_t rows, int64_t cols, int64_t heads, bool back)
{
	int64_t dim = rows / heads, half = dim / 2;

	for (int64_t h = 0; h < heads; h++)
		for (int64_t j = 0; j < 2; j++)
			for (int64_t i = 0; i < half; i++) {
				int64_t hf = h * dim + j * half + i, gguf = h * dim + 2 * i + j;

				memcpy(to + (back ? gguf : hf) * cols, from + (back ? hf : gguf) * cols,
					(size_t)cols * sizeof *to);
			}
}
