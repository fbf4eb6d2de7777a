#include "text/gguf_pre.h"

#include <string.h>

#define LLAMA3 OD_PATTERN_CL100K("\\p{N}{1,3}")
#define QWEN2 OD_PATTERN_CL100K("\\p{N}")

/* The first of those that mean the same is the one that is written. */
static const struct od_gguf_pre known[] = {
	{ "gpt-2", NULL, OD_PATTERN_GPT2, false, false, false },
	{ "phi-2", NULL, OD_PATTERN_GPT2, false, false, false },
	{ "smollm", "\\p{N}", OD_PATTERN_GPT2, false, false, false },
	{ "starcoder", "\\p{N}", OD_PATTERN_GPT2, false, false, false },
	{ "refact", "\\p{N}", OD_PATTERN_GPT2, false, false, false },
	{ "command-r", "\\p{N}", OD_PATTERN_GPT2, false, false, false },
	{ "llama-bpe", NULL, LLAMA3, false, true, true },
	{ "llama3", NULL, LLAMA3, false, true, true },
	{ "llama-v3", NULL, LLAMA3, false, true, true },
	{ "dbrx", NULL, LLAMA3, false, false, false },
	{ "smaug-bpe", NULL, LLAMA3, false, false, false },
	{ "qwen2", NULL, QWEN2, true, false, false },
	{ "deepseek-r1-qwen", NULL, QWEN2, true, false, false }
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

const char *const od_gguf_pre_names =
	"gpt-2, phi-2, smollm, starcoder, refact, command-r, llama-bpe, llama3, llama-v3, "
	"dbrx, smaug-bpe, qwen2, deepseek-r1-qwen";

const struct od_gguf_pre *
od_gguf_pre_find(const char *name)
{
	for (size_t i = 0; i < N_KNOWN; i++) {
		if (strcmp(name, known[i].name) == 0)
			return &known[i];
	}
	return NULL;
}

static bool
is_split(const struct od_step *s, const char *pattern)
{
	return s->kind == OD_STEP_SPLIT && !s->literal && !s->invert && s->behavior == OD_ISOLATED &&
		strcmp(s->text, pattern) == 0;
}

static bool
is_normalizer(const struct od_steps *s, bool nfc)
{
	return nfc ? s->n == 1 && s->step[0].kind == OD_STEP_FORM && s->step[0].form == OD_NFC : s->n == 0;
}

const struct od_gguf_pre *
od_gguf_pre_of(const struct od_tokenizer *t)
{
	const struct od_steps *s = &t->pre_tokenizer;

	for (size_t i = 0; i < N_KNOWN; i++) {
		const struct od_gguf_pre *p = &known[i];
		size_t main = p->first ? 1 : 0;

		if (s->n == main + 2 && (!p->first || is_split(&s->step[0], p->first)) &&
			is_split(&s->step[main], p->main) && s->step[main + 1].kind == OD_STEP_BYTE_LETTERS &&
			is_normalizer(&t->normalizer, p->nfc) &&
			t->bpe.ignore_merges == p->ignore_merges)
			return p;
	}
	return NULL;
}

static void
put_split(const char *pattern, struct od_buf *out)
{
	od_buf_str(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
	od_buf_json_string(out, pattern, strlen(pattern));
	od_buf_str(out, "},\"behavior\":\"Isolated\",\"invert\":false}");
}

/* Spelt as the families' own files spell it. */
void
od_gguf_pre_json(const struct od_gguf_pre *p, struct od_buf *out)
{
	bool gpt2 = strcmp(p->main, OD_PATTERN_GPT2) == 0;

	if (p->first || !gpt2)
		od_buf_str(out, "{\"type\":\"Sequence\",\"pretokenizers\":[");
	if (p->first)
		od_buf_str(out, "{\"type\":\"Digits\",\"individual_digits\":true},");
	if (!gpt2) {
		put_split(p->main, out);
		od_buf_char(out, ',');
	}
	od_buf_printf(out,
		"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":%s,\"use_regex\":%s}",
		gpt2 ? "true" : "false", gpt2 ? "true" : "false");
	if (p->first || !gpt2)
		od_buf_str(out, "]}");
}
