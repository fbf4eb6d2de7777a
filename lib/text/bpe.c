#include "text/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "text/unicode.h"

void
od_bpe_init(struct od_bpe *b)
{
	*b = (struct od_bpe){ .vocab = OD_VOCAB_INIT, .unk = -1 };
}

void
od_bpe_release(struct od_bpe *b)
{
	od_vocab_release(&b->vocab);
	free(b->merge);
	od_bpe_init(b);
}

void
od_bpe_scratch_release(struct od_bpe_scratch *s)
{
	free(s->symbol);
	free(s->heap);
	*s = (struct od_bpe_scratch)OD_BPE_SCRATCH_INIT;
}

enum od_status
od_ids_add(struct od_ids *ids, int32_t id, struct od_error *err)
{
	if (!od_grow(&ids->id, &ids->cap, ids->n + 1, sizeof(*ids->id)))
		return od_fail_nomem(err, "token ids", (ids->n + 1) * sizeof(*ids->id));
	ids->id[ids->n++] = id;
	return OD_OK;
}

void
od_ids_release(struct od_ids *ids)
{
	free(ids->id);
	*ids = (struct od_ids)OD_IDS_INIT;
}

/* ---- merges ------------------------------------------------------------------------------------------- */

enum od_status
od_bpe_reserve(struct od_bpe *b, size_t n, struct od_error *err)
{
	size_t slots = 16;
	enum od_status st;

	while (slots < 2 * n)
		slots *= 2;
	st = od_alloc(&b->merge, slots, sizeof(*b->merge), "merges", err);
	if (st != OD_OK)
		return st;
	b->n_slots = slots;
	for (size_t i = 0; i < slots; i++)
		b->merge[i].joined = -1;
	return OD_OK;
}

/* The slot of a pair, or the empty one where it belongs. */
static struct od_merge *
merge_slot(const struct od_bpe *b, int32_t left, int32_t right)
{
	size_t mask = b->n_slots - 1;
	size_t i = od_rng_mix((uint64_t)(uint32_t)left << 32 | (uint32_t)right) & mask;

	while (b->merge[i].joined >= 0 && (b->merge[i].left != left || b->merge[i].right != right))
		i = (i + 1) & mask;
	return &b->merge[i];
}

enum od_status
od_bpe_add_merge(struct od_bpe *b, uint32_t rank, int32_t left, int32_t right, struct od_error *err)
{
	size_t n, m;
	const char *l = od_vocab_piece(&b->vocab, left, &n), *r = od_vocab_piece(&b->vocab, right, &m);
	struct od_buf joined = OD_BUF_INIT;
	struct od_merge *slot = merge_slot(b, left, right);
	enum od_status st = OD_OK;
	int32_t id = -1;

	od_buf_append(&joined, l, n);
	od_buf_append(&joined, r, m);
	if (!od_buf_ok(&joined))
		st = od_fail_nomem(err, "a merge", n + m);
	else
		id = od_vocab_find(&b->vocab, joined.data, joined.len);
	if (st == OD_OK && id < 0)
		st = od_fail(err, OD_EFORMAT, "merge %u makes '%.80s', which is not in the vocabulary",
			(unsigned)rank, joined.data);
	if (st == OD_OK) {
		b->n_merges += slot->joined < 0;
		*slot = (struct od_merge){ left, right, id, rank };
	}
	od_buf_release(&joined);
	return st;
}

void
od_bpe_finish(struct od_bpe *b)
{
	for (unsigned i = 0; i < 256; i++) {
		char name[8];

		snprintf(name, sizeof(name), "<0x%02X>", i & 0xff);
		b->byte_id[i] = od_vocab_find(&b->vocab, name, 6);
	}
	for (int i = 0; i < 128; i++) {
		char c = (char)i;

		b->ascii_id[i] = od_vocab_find(&b->vocab, &c, 1);
	}
}

/* ---- symbols of a word -------------------------------------------------------------------------------- */

static void
push_symbol(struct od_bpe_scratch *s, int32_t id)
{
	int32_t i = (int32_t)s->n_symbols++;

	s->symbol[i] = (struct od_symbol){ id, i - 1, i + 1 };
}

/* All bytes of a character as "<0xNN>"; false, and nothing pushed, when one of them has no token. */
static bool
push_bytes(const struct od_bpe *b, struct od_bpe_scratch *s, const char *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (b->byte_id[(unsigned char)c[i]] < 0)
			return false;
	}
	for (size_t i = 0; i < n; i++)
		push_symbol(s, b->byte_id[(unsigned char)c[i]]);
	return true;
}

static enum od_status
start_word(const struct od_bpe *b, struct od_bpe_scratch *s, const char *word, size_t n, struct od_error *err)
{
	bool unknown = false;                      /* the last character is an unknown one, not pushed yet */

	s->n_symbols = 0;
	if (!od_grow(&s->symbol, &s->cap_symbols, n + 1, sizeof(*s->symbol)))
		return od_fail_nomem(err, "the symbols of a word", (n + 1) * sizeof(*s->symbol));
	for (size_t i = 0, k; i < n; i += k) {
		int32_t id;

		k = od_utf8_len((unsigned char)word[i]);
		if (k > n - i)
			k = n - i;
		id = k == 1 ? b->ascii_id[word[i] & 0x7f] : od_vocab_find(&b->vocab, word + i, k);
		if (id < 0 && b->byte_fallback && push_bytes(b, s, word + i, k))
			continue;
		if (id < 0 && b->unk < 0)
			continue;
		if (unknown && (id >= 0 || !b->fuse_unk))
			push_symbol(s, b->unk);
		unknown = id < 0;
		if (id >= 0)
			push_symbol(s, id);
	}
	if (unknown)
		push_symbol(s, b->unk);
	if (s->n_symbols)
		s->symbol[s->n_symbols - 1].next = -1;
	return OD_OK;
}

/* ---- the heap of candidate merges --------------------------------------------------------------------- */

static bool
before(struct od_candidate a, struct od_candidate b)
{
	return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void
heap_push(struct od_bpe_scratch *s, struct od_candidate c)
{
	size_t i = s->n_heap++;

	while (i && before(c, s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = c;
}

static struct od_candidate
heap_pop(struct od_bpe_scratch *s)
{
	struct od_candidate top = s->heap[0], last = s->heap[--s->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->n_heap) {
		if (child + 1 < s->n_heap && before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!before(s->heap[child], last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return top;
}

/* The merge of symbol i with its right neighbour, or NULL. */
static const struct od_merge *
merge_at(const struct od_bpe *b, const struct od_bpe_scratch *s, int32_t i)
{
	int32_t next = s->symbol[i].next;
	const struct od_merge *m;

	if (next < 0 || !b->n_slots)
		return NULL;
	m = merge_slot(b, s->symbol[i].id, s->symbol[next].id);
	return m->joined >= 0 ? m : NULL;
}

static void
consider(const struct od_bpe *b, struct od_bpe_scratch *s, int32_t i)
{
	const struct od_merge *m = merge_at(b, s, i);

	if (m)
		heap_push(s, (struct od_candidate){ m->rank, i });
}

/* Joins symbol i with its right neighbour and looks at the two pairs this makes. */
static void
join(const struct od_bpe *b, struct od_bpe_scratch *s, int32_t i, int32_t joined)
{
	struct od_symbol *left = &s->symbol[i], *right = &s->symbol[left->next];

	left->id = joined;
	left->next = right->next;
	right->id = -1;
	if (left->next >= 0) {
		s->symbol[left->next].prev = i;
		consider(b, s, i);
	}
	if (left->prev >= 0)
		consider(b, s, left->prev);
}

enum od_status
od_bpe_word(const struct od_bpe *b, struct od_bpe_scratch *s, const char *word, size_t n, struct od_ids *out,
	struct od_error *err)
{
	int32_t whole = b->ignore_merges ? od_vocab_find(&b->vocab, word, n) : -1;
	enum od_status st;

	if (whole >= 0)
		return od_ids_add(out, whole, err);
	st = start_word(b, s, word, n, err);
	if (st != OD_OK)
		return st;
	/* Every join pushes at most two candidates and there are fewer joins than symbols. */
	if (!od_grow(&s->heap, &s->cap_heap, 3 * s->n_symbols + 1, sizeof(*s->heap)))
		return od_fail_nomem(err, "candidate merges", 3 * s->n_symbols * sizeof(*s->heap));
	s->n_heap = 0;
	for (size_t i = 0; i + 1 < s->n_symbols; i++)
		consider(b, s, (int32_t)i);
	while (s->n_heap) {
		struct od_candidate c = heap_pop(s);
		const struct od_merge *m = s->symbol[c.at].id < 0 ? NULL : merge_at(b, s, c.at);

		/* A candidate is stale when its pair has changed since it was pushed. */
		if (m && m->rank == c.rank)
			join(b, s, c.at, m->joined);
	}
	for (int32_t i = s->n_symbols ? 0 : -1; i >= 0 && st == OD_OK; i = s->symbol[i].next)
		st = od_ids_add(out, s->symbol[i].id, err);
	return st;
}
