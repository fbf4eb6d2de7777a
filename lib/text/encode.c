/* encode.c -- text to ids.
 *
 * Words repeat, so each encoder remembers the ids of the words it has seen; the memory is bounded and simply
 * forgotten when full. Encoders are drawn from a pool: as many exist as threads have ever encoded at once.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

#define MAX_TEXT ((size_t)1 << 29)         /* symbols are numbered by int32 and letters take two bytes */
#define CACHE_SLOTS 32768                  /* a power of two */
#define CACHE_WORDS (CACHE_SLOTS / 2)
#define CACHE_BYTES ((size_t)4 << 20)
#define CACHE_WORD 64                      /* longer words are not remembered */

struct word {
	uint64_t hash;
	uint32_t text, len;                /* bytes of the cache's text */
	uint32_t ids, n_ids;               /* of the cache's ids */
};

struct od_scratch {
	struct od_scratch *next;
	struct od_pretok_scratch pretok;
	struct od_bpe_scratch bpe;
	struct od_buf normalized;
	struct word *word;                 /* [CACHE_SLOTS]; len 0: empty */
	size_t n_words;
	struct od_buf text;
	struct od_ids ids;
};

struct od_pool {
	pthread_mutex_t lock;
	struct od_scratch *idle;
};

/* ---- the pool ----------------------------------------------------------------------------------------- */

static void
scratch_free(struct od_scratch *s)
{
	od_pretok_scratch_release(&s->pretok);
	od_bpe_scratch_release(&s->bpe);
	od_buf_release(&s->normalized);
	free(s->word);
	od_buf_release(&s->text);
	od_ids_release(&s->ids);
	free(s);
}

static enum od_status
scratch_new(struct od_scratch **out, struct od_error *err)
{
	struct od_scratch *s = NULL;
	enum od_status st = od_alloc(&s, 1, sizeof(*s), "an encoder", err);

	if (st != OD_OK)
		return st;
	st = od_pretok_scratch_init(&s->pretok, err);
	if (st == OD_OK)
		st = od_alloc(&s->word, CACHE_SLOTS, sizeof(*s->word), "an encoder", err);
	if (st == OD_OK)
		*out = s;
	else
		scratch_free(s);
	return st;
}

enum od_status
od_pool_new(struct od_pool **out, struct od_error *err)
{
	struct od_pool *p = NULL;
	enum od_status st = od_alloc(&p, 1, sizeof(*p), "an encoder", err);

	if (st != OD_OK)
		return st;
	if (pthread_mutex_init(&p->lock, NULL) != 0) {
		free(p);
		return od_fail_nomem(err, "a lock", sizeof(p->lock));
	}
	*out = p;
	return OD_OK;
}

void
od_pool_free(struct od_pool *p)
{
	struct od_scratch *next;

	if (!p)
		return;
	for (struct od_scratch *s = p->idle; s; s = next) {
		next = s->next;
		scratch_free(s);
	}
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static enum od_status
borrow(struct od_pool *p, struct od_scratch **out, struct od_error *err)
{
	pthread_mutex_lock(&p->lock);
	*out = p->idle;
	if (p->idle)
		p->idle = p->idle->next;
	pthread_mutex_unlock(&p->lock);
	return *out ? OD_OK : scratch_new(out, err);
}

static void
give_back(struct od_pool *p, struct od_scratch *s)
{
	pthread_mutex_lock(&p->lock);
	s->next = p->idle;
	p->idle = s;
	pthread_mutex_unlock(&p->lock);
}

/* ---- words -------------------------------------------------------------------------------------------- */

static void
forget(struct od_scratch *s)
{
	memset(s->word, 0, CACHE_SLOTS * sizeof(*s->word));
	s->n_words = 0;
	od_buf_clear(&s->text);
	s->ids.n = 0;
}

/* The slot that holds a word, or the empty one where it belongs. */
static struct word *
find_word(const struct od_scratch *s, const char *text, size_t n, uint64_t hash)
{
	for (size_t i = hash & (CACHE_SLOTS - 1);; i = (i + 1) & (CACHE_SLOTS - 1)) {
		struct word *w = &s->word[i];

		if (!w->len)
			return w;
		if (w->hash == hash && w->len == n && memcmp(s->text.data + w->text, text, n) == 0)
			return w;
	}
}

/* Appends ids [at, at + n) of another list; a word of unknown characters may have none. */
static enum od_status
append_ids(struct od_ids *out, const struct od_ids *from, size_t at, size_t n, struct od_error *err)
{
	if (!n)
		return OD_OK;
	if (!od_grow(&out->id, &out->cap, out->n + n, sizeof(*out->id)))
		return od_fail_nomem(err, "token ids", (out->n + n) * sizeof(*out->id));
	memcpy(out->id + out->n, from->id + at, n * sizeof(*out->id));
	out->n += n;
	return OD_OK;
}

static enum od_status
remember(struct od_scratch *s, const char *text, size_t n, uint64_t hash, const struct od_ids *ids,
	size_t from, struct od_error *err)
{
	size_t at = s->ids.n, n_ids = ids->n - from;
	enum od_status st;

	if (s->n_words >= CACHE_WORDS || s->text.len + n > CACHE_BYTES) {
		forget(s);
		at = 0;
	}
	st = append_ids(&s->ids, ids, from, n_ids, err);
	if (st != OD_OK)
		return st;
	*find_word(s, text, n, hash) = (struct word){ hash, (uint32_t)s->text.len, (uint32_t)n, (uint32_t)at,
		(uint32_t)n_ids };
	s->n_words++;
	od_buf_append(&s->text, text, n);
	return od_buf_ok(&s->text) ? OD_OK : od_fail_nomem(err, "remembered words", n);
}

static enum od_status
encode_word(const struct od_tokenizer *t, struct od_scratch *s, const char *text, size_t n,
	struct od_ids *out, struct od_error *err)
{
	size_t from = out->n;
	const struct word *known;
	uint64_t hash;
	enum od_status st;

	if (n > CACHE_WORD)
		return od_bpe_word(&t->bpe, &s->bpe, text, n, out, err);
	hash = od_hash64(text, n, 1);
	known = find_word(s, text, n, hash);
	if (known->len)
		return append_ids(out, &s->ids, known->ids, known->n_ids, err);
	st = od_bpe_word(&t->bpe, &s->bpe, text, n, out, err);
	return st == OD_OK ? remember(s, text, n, hash, out, from, err) : st;
}

/* ---- texts -------------------------------------------------------------------------------------------- */

/* A stretch of normalised text without added tokens. */
static enum od_status
encode_plain(const struct od_tokenizer *t, struct od_scratch *s, const char *text, size_t n, bool first,
	struct od_ids *out, struct od_error *err)
{
	const struct od_pieces *p = NULL;
	enum od_status st = OD_OK;

	if (n)
		st = od_pre_tokenize(&t->pre_tokenizer, &s->pretok, text, n, first, &p, err);

	for (size_t i = 0; p && i < p->n && st == OD_OK; i++)
		st = encode_word(t, s, p->text.data + p->span[i].start, p->span[i].len, out, err);
	return st;
}

/* A stretch between added tokens of the text as given. */
static enum od_status
encode_stretch(const struct od_tokenizer *t, struct od_scratch *s, const char *text, size_t n, bool first,
	bool parse_special, struct od_ids *out, struct od_error *err)
{
	const struct od_buf *b = &s->normalized;
	size_t at = 0, start = 0, end = 0;
	int32_t k = -1;
	enum od_status st = od_normalize(&t->normalizer, &s->pretok, text, n, &s->normalized, err);

	while (st == OD_OK && (k = od_added_next(t->added, &t->normalized, b->data, b->len, at,
		parse_special, &start, &end)) >= 0) {
		st = encode_plain(t, s, b->data + at, start - at, first && !at, out, err);
		if (st == OD_OK)
			st = od_ids_add(out, t->added[k].id, err);
		at = end;
	}
	return st == OD_OK ? encode_plain(t, s, b->data + at, b->len - at, first && !at, out, err) : st;
}

static enum od_status
encode_text(const struct od_tokenizer *t, struct od_scratch *s, const char *text, size_t n,
	bool parse_special, struct od_ids *out, struct od_error *err)
{
	size_t at = 0, start = 0, end = 0;
	int32_t k = -1;
	enum od_status st = OD_OK;

	while (st == OD_OK && (k = od_added_next(t->added, &t->raw, text, n, at, parse_special, &start,
		&end)) >= 0) {
		if (start > at)
			st = encode_stretch(t, s, text + at, start - at, !at, parse_special, out, err);
		if (st == OD_OK)
			st = od_ids_add(out, t->added[k].id, err);
		at = end;
	}
	if (st == OD_OK && at < n)
		st = encode_stretch(t, s, text + at, n - at, !at, parse_special, out, err);
	return st;
}

enum od_status
od_tokenizer_encode(const struct od_tokenizer *t, const char *text, size_t n, bool parse_special,
	struct od_ids *out, struct od_error *err)
{
	struct od_scratch *s = NULL;
	size_t valid = od_utf8_check(text, n);
	enum od_status st;

	if (n > MAX_TEXT)
		return od_fail(err, OD_EFORMAT, "cannot tokenise a text of %zu bytes: the limit is %zu", n,
			MAX_TEXT);
	if (valid < n)
		return od_fail(err, OD_EFORMAT, "cannot tokenise text: invalid UTF-8 at byte %zu", valid);
	st = borrow(t->pool, &s, err);
	if (st != OD_OK)
		return st;
	st = encode_text(t, s, text, n, parse_special, out, err);
	if (st == OD_OK)
		give_back(t->pool, s);
	else
		scratch_free(s);
	return st;
}
