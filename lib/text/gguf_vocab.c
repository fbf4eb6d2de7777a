/* gguf_vocab.c -- a loaded tokenizer as the arrays of a GGUF file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/gguf_pre.h"
#include "text/gguf_tokenizer.h"

struct od_gguf_vocab_store {
	struct od_gguf_text *tokens, *merges;
	int32_t *types;
	float *scores;
	struct od_merge *sorted;
	struct od_buf text;                /* padding names and merges */
	size_t *at;                        /* [n_merges + 1] offsets of the merges */
};

void
od_gguf_vocab_release(struct od_gguf_vocab_store *s)
{
	if (!s)
		return;
	free(s->tokens);
	free(s->merges);
	free(s->types);
	free(s->scores);
	free(s->sorted);
	free(s->at);
	od_buf_release(&s->text);
	free(s);
}

static int
by_rank(const void *a, const void *b)
{
	const struct od_merge *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static void
sort_merges(struct od_gguf_vocab_store *s, const struct od_bpe *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n_slots; i++) {
		if (b->merge[i].joined >= 0)
			s->sorted[n++] = b->merge[i];
	}
	qsort(s->sorted, n, sizeof(*s->sorted), by_rank);
}

static int32_t
type_of(const struct od_tokenizer *t, int32_t id)
{
	int32_t k = t->added_of[id];

	if (id == t->bpe.unk)
		return OD_GGUF_UNKNOWN;
	if (k >= 0)
		return t->added[k].special ? OD_GGUF_CONTROL : OD_GGUF_USER_DEFINED;
	if (t->bpe.byte_fallback) {
		for (int b = 0; b < 256; b++) {
			if (t->bpe.byte_id[b] == id)
				return OD_GGUF_BYTE;
		}
	}
	return OD_GGUF_NORMAL;
}

/* Tokens and types; names of holes go to the store's text, whose address is settled by the caller. */
static void
fill_tokens(struct od_gguf_vocab_store *s, const struct od_tokenizer *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = 0;
		const char *piece = od_vocab_piece(&t->bpe.vocab, (int32_t)i, &len);

		s->types[i] = piece ? type_of(t, (int32_t)i) : OD_GGUF_UNUSED;
		s->tokens[i] = (struct od_gguf_text){ piece, len };
		if (!piece) {
			s->tokens[i].n = s->text.len;      /* offset for now */
			od_buf_printf(&s->text, "[PAD%zu]", i);
		}
	}
}

/* Merges as "left right", which a piece with a space in it would make ambiguous. */
static enum od_status
fill_merges(struct od_gguf_vocab_store *s, const struct od_bpe *b, struct od_error *err)
{
	for (size_t i = 0; i < b->n_merges; i++) {
		size_t n, m;
		const char *l = od_vocab_piece(&b->vocab, s->sorted[i].left, &n);
		const char *r = od_vocab_piece(&b->vocab, s->sorted[i].right, &m);

		if (memchr(l, ' ', n) || memchr(r, ' ', m))
			return od_fail(err, OD_ESUPPORT,
				"merge %zu has a token with a space, which GGUF files cannot hold", i);
		s->at[i] = s->text.len;
		od_buf_append(&s->text, l, n);
		od_buf_char(&s->text, ' ');
		od_buf_append(&s->text, r, m);
	}
	s->at[b->n_merges] = s->text.len;
	return od_buf_ok(&s->text) ? OD_OK : od_fail_nomem(err, "a GGUF vocabulary", s->text.len);
}

/* Pointers into the text, now that it does not move any more. */
static void
settle(struct od_gguf_vocab_store *s, size_t n_tokens, size_t n_merges)
{
	for (size_t i = 0; i < n_tokens; i++) {
		if (!s->tokens[i].s) {
			const char *name = s->text.data + s->tokens[i].n;

			s->tokens[i] = (struct od_gguf_text){ name, (size_t)(strchr(name, ']') + 1 - name) };
		}
	}
	for (size_t i = 0; i < n_merges; i++)
		s->merges[i] = (struct od_gguf_text){ s->text.data + s->at[i], s->at[i + 1] - s->at[i] };
}

/* A piece is as good as the first merge that makes it; pieces no merge makes come after all merges. */
static void
fill_scores(struct od_gguf_vocab_store *s, const struct od_bpe *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->scores[i] = -(float)b->n_merges;
	for (size_t i = b->n_merges; i-- > 0;)
		s->scores[s->sorted[i].joined] = -(float)i;
}

static enum od_status
allocate(struct od_gguf_vocab_store *s, size_t n_tokens, size_t n_merges, struct od_error *err)
{
	static const char what[] = "a GGUF vocabulary";
	enum od_status st = od_alloc(&s->tokens, n_tokens, sizeof(*s->tokens), what, err);

	if (st == OD_OK)
		st = od_alloc(&s->types, n_tokens, sizeof(*s->types), what, err);
	if (st == OD_OK)
		st = od_alloc(&s->scores, n_tokens, sizeof(*s->scores), what, err);
	if (st == OD_OK)
		st = od_alloc(&s->merges, n_merges, sizeof(*s->merges), what, err);
	if (st == OD_OK)
		st = od_alloc(&s->sorted, n_merges, sizeof(*s->sorted), what, err);
	return st == OD_OK ? od_alloc(&s->at, n_merges + 1, sizeof(*s->at), what, err) : st;
}

enum od_status
od_gguf_vocab_of(struct od_gguf_vocab *out, struct od_gguf_vocab_store **store, const struct od_tokenizer *t,
	size_t least, struct od_error *err)
{
	const struct od_bpe *b = &t->bpe;
	const struct od_gguf_pre *p = od_gguf_pre_of(t);
	bool pieces = b->byte_fallback && !t->decoder.byte_letters;
	size_t n = b->vocab.n_ids > least ? b->vocab.n_ids : least;
	struct od_gguf_vocab_store *s = NULL;
	enum od_status st;

	if (!p && !pieces)
		return od_fail(err, OD_ESUPPORT,
			"the tokenizer's pre-tokenizer has no name in GGUF files; there are %s",
			od_gguf_pre_names);
	st = od_alloc(&s, 1, sizeof(*s), "a GGUF vocabulary", err);
	if (st == OD_OK)
		st = allocate(s, n, b->n_merges, err);
	if (st == OD_OK) {
		sort_merges(s, b);
		fill_tokens(s, t, n);
		st = fill_merges(s, b, err);
	}
	if (st != OD_OK) {
		od_gguf_vocab_release(s);
		return st;
	}
	settle(s, n, b->n_merges);
	fill_scores(s, b, b->vocab.n_ids);
	*out = (struct od_gguf_vocab){
		.model = pieces ? "llama" : "gpt2", .pre = pieces ? "default" : p->name,
		.tokens = s->tokens, .n_tokens = n, .types = s->types,
		.merges = pieces ? NULL : s->merges, .n_merges = pieces ? 0 : b->n_merges,
		.scores = pieces ? s->scores : NULL,
		.bos = t->bos, .eos = t->eos, .unk = b->unk, .pad = t->pad, .add_bos = t->adds_bos,
		.add_space_prefix = pieces && t->normalizer.n && t->normalizer.step[0].kind == OD_STEP_PREPEND,
		.chat_template = t->chat_template
	};
	*store = s;
	return OD_OK;
}
