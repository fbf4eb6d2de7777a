/* overlap.c -- see overlap.h.
 *
 * All items' words stand in one list; a gram is a stretch of it, known by its hash and found through an open-addressed table.
 * Each place where a gram stands in an item is linked to the gram's next place. Before the table a text's windows pass a bit
 * map that fits a cache, which lets through one in sixteen at most of what is not there.
 */
#include "bench/overlap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "text/fold_words.h"

#define NONE UINT32_MAX

struct part {                                      /* a text of an item: words [from, from + n) */
	size_t from, n;
	uint32_t item;
};

struct item {
	size_t first, n_places, words;             /* its places */
	bool whole;
	struct od_overlap_source ref[OD_OVERLAP_REFS];
	size_t n_refs;
};

struct gram {
	uint64_t hash;
	size_t at;                                 /* where it stands first; its length is that place's */
	uint32_t place, last_item, items;          /* the first of its places, linked; items that have it */
	bool hit, full;                            /* full: every item that has it has all the references it keeps */
};

struct place {
	size_t at;
	uint32_t gram, item, next, len;            /* len in words */
};

struct bits {
	uint64_t *word;
	uint64_t mask;                             /* of the number of a bit */
};

struct od_overlap {
	size_t n, min_words;
	int64_t common, words;
	struct od_fold_words list, scanned;
	struct part *part;
	struct item *item;
	struct gram *gram;
	struct place *place;
	size_t n_parts, n_items, n_grams, n_places, cap_part, cap_item, cap_gram, cap_place;
	uint32_t *table;                           /* gram + 1; 0: free */
	uint64_t table_mask;
	struct bits filter, short_filter;          /* of n-grams; of the first min_words words of what is matched whole */
	bool has_length[OD_OVERLAP_MAX_N + 1];     /* of what is matched whole */
	size_t longest_short;                      /* 0: nothing is */
	uint64_t power[OD_OVERLAP_MAX_N + 1];
};

enum od_status
od_overlap_new(struct od_overlap **out, int n, int min_words, int64_t common, struct od_error *err)
{
	struct od_overlap *o;
	enum od_status st;

	if (n < 1 || n > OD_OVERLAP_MAX_N || min_words < 1 || common < 0)
		return od_fail(err, OD_EUSAGE, "n-grams of %d words, whole texts from %d words: not within 1..%d", n, min_words,
			OD_OVERLAP_MAX_N);
	st = od_alloc(&o, 1, sizeof *o, "an index", err);
	if (st != OD_OK)
		return st;
	o->n = (size_t)n;
	o->min_words = (size_t)min_words;
	o->common = common;
	for (size_t i = 0; i <= o->n; i++)
		o->power[i] = od_fold_power(i);
	*out = o;
	return OD_OK;
}

void
od_overlap_free(struct od_overlap *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->n_items; i++)
		for (size_t k = 0; k < o->item[i].n_refs; k++)
			free((char *)o->item[i].ref[k].id);
	od_fold_words_release(&o->list);
	od_fold_words_release(&o->scanned);
	free(o->part);
	free(o->item);
	free(o->gram);
	free(o->place);
	free(o->table);
	free(o->filter.word);
	free(o->short_filter.word);
	free(o);
}

/* ---- the items ---------------------------------------------------------------------------------------------------------- */

enum od_status
od_overlap_item(struct od_overlap *o, struct od_error *err)
{
	if (o->n_items >= NONE - 1 || !od_grow(&o->item, &o->cap_item, o->n_items + 1, sizeof *o->item))
		return od_fail_nomem(err, "items", o->n_items * sizeof *o->item);
	o->item[o->n_items++] = (struct item){ 0 };
	return OD_OK;
}

enum od_status
od_overlap_text(struct od_overlap *o, const char *s, size_t n, struct od_error *err)
{
	size_t from = o->list.n;
	enum od_status st = od_fold_words_add(&o->list, s, n, err);

	if (st != OD_OK)
		return st;
	if (o->list.n >= NONE - 1 || !od_grow(&o->part, &o->cap_part, o->n_parts + 1, sizeof *o->part))
		return od_fail_nomem(err, "items", o->list.text.len);
	o->part[o->n_parts++] = (struct part){ from, o->list.n - from, (uint32_t)o->n_items - 1 };
	o->item[o->n_items - 1].words += o->list.n - from;
	return OD_OK;
}

/* ---- the index ---------------------------------------------------------------------------------------------------------- */

static bool
bits_have(const struct bits *b, uint64_t hash)
{
	uint64_t bit = hash >> 20 & b->mask;

	return b->word[bit / 64] >> bit % 64 & 1;
}

static void
bits_set(struct bits *b, uint64_t hash)
{
	uint64_t bit = hash >> 20 & b->mask;

	b->word[bit / 64] |= (uint64_t)1 << bit % 64;
}

/* At least factor * n places, a power of 2, at least 1024. */
static size_t
table_size(size_t n, size_t factor)
{
	size_t size = 1024;

	while (size < n * factor)
		size *= 2;
	return size;
}

static enum od_status
bits_new(struct bits *b, size_t n, struct od_error *err)
{
	size_t size = table_size(n, 16);

	b->mask = size - 1;
	return od_alloc(&b->word, size / 64, sizeof *b->word, "an index", err);
}

static bool
same_words(const struct od_fold_words *a, size_t at_a, const struct od_fold_words *b, size_t at_b, size_t len)
{
	size_t n_a, n_b;
	const char *x = od_fold_span(a, at_a, len, &n_a), *y = od_fold_span(b, at_b, len, &n_b);

	return n_a == n_b && memcmp(x, y, n_a) == 0;
}

/* The gram of these len words, or NONE; *slot is where it belongs. */
static uint32_t
find(const struct od_overlap *o, uint64_t hash, const struct od_fold_words *w, size_t at, size_t len, uint64_t *slot)
{
	for (uint64_t i = od_rng_mix(hash) & o->table_mask;; i = (i + 1) & o->table_mask) {
		uint32_t g = o->table[i];

		*slot = i;
		if (g == 0)
			return NONE;
		if (o->gram[g - 1].hash == hash && o->place[o->gram[g - 1].place].len == len &&
			same_words(&o->list, o->gram[g - 1].at, w, at, len))
			return g - 1;
	}
}

static enum od_status
add_place(struct od_overlap *o, uint32_t item, size_t at, size_t len, struct od_error *err)
{
	uint64_t slot, hash = od_fold_hash(&o->list, at, len, o->power[len]);
	uint32_t g = find(o, hash, &o->list, at, len, &slot), p = (uint32_t)o->n_places;

	if (!od_grow(&o->place, &o->cap_place, o->n_places + 1, sizeof *o->place) ||
		(g == NONE && !od_grow(&o->gram, &o->cap_gram, o->n_grams + 1, sizeof *o->gram)))
		return od_fail_nomem(err, "an index", o->n_places * sizeof *o->place);
	if (g == NONE) {
		g = (uint32_t)o->n_grams++;
		o->gram[g] = (struct gram){ .hash = hash, .at = at, .place = NONE, .last_item = NONE };
		o->table[slot] = g + 1;
	}
	o->place[o->n_places++] = (struct place){ at, g, item, o->gram[g].place, (uint32_t)len };
	o->gram[g].place = p;
	o->gram[g].items += o->gram[g].last_item != item;
	o->gram[g].last_item = item;
	o->item[item].n_places++;
	return OD_OK;
}

/* A text that is matched whole. */
static enum od_status
add_whole(struct od_overlap *o, const struct part *p, struct od_error *err)
{
	if (p->n < o->min_words)
		return OD_OK;
	o->has_length[p->n] = true;
	o->longest_short = p->n > o->longest_short ? p->n : o->longest_short;
	bits_set(&o->short_filter, od_fold_hash(&o->list, p->from, o->min_words, o->power[o->min_words]));
	o->item[p->item].whole = true;
	return add_place(o, p->item, p->from, p->n, err);
}

/* The parts [from, to) of one item. */
static enum od_status
index_item(struct od_overlap *o, size_t from, size_t to, struct od_error *err)
{
	enum od_status st = OD_OK;
	size_t longest = 0;

	for (size_t i = from; i < to; i++)
		longest = o->part[i].n > longest ? o->part[i].n : longest;
	o->item[o->part[from].item].first = o->n_places;
	for (size_t i = from; st == OD_OK && i < to; i++) {
		const struct part *p = &o->part[i];

		if (longest < o->n)
			st = add_whole(o, p, err);
		for (size_t k = 0; st == OD_OK && longest >= o->n && k + o->n <= p->n; k++) {
			bits_set(&o->filter, od_fold_hash(&o->list, p->from + k, o->n, o->power[o->n]));
			st = add_place(o, p->item, p->from + k, o->n, err);
		}
	}
	return st;
}

enum od_status
od_overlap_index(struct od_overlap *o, struct od_error *err)
{
	size_t size = table_size(o->list.n, 2), to;
	enum od_status st = od_alloc(&o->table, size, sizeof *o->table, "an index", err);

	o->table_mask = size - 1;
	if (st == OD_OK)
		st = bits_new(&o->filter, o->list.n, err);
	if (st == OD_OK)
		st = bits_new(&o->short_filter, o->n_items, err);
	for (size_t from = 0; st == OD_OK && from < o->n_parts; from = to) {
		for (to = from + 1; to < o->n_parts && o->part[to].item == o->part[from].item;)
			to++;
		st = index_item(o, from, to, err);
	}
	return st;
}

/* ---- training texts ------------------------------------------------------------------------------------------------------ */

static bool
counts(const struct od_overlap *o, const struct gram *g)
{
	return o->common == 0 || g->items <= o->common;
}

/* Keeps the source with an item that has room and does not have it yet. */
static enum od_status
refer(struct item *item, const struct od_overlap_source *source, struct od_error *err)
{
	struct od_overlap_source *last = item->n_refs > 0 ? &item->ref[item->n_refs - 1] : NULL;

	if (item->n_refs == OD_OVERLAP_REFS || (last != NULL && last->line == source->line && last->field == source->field))
		return OD_OK;
	item->ref[item->n_refs] = *source;
	item->ref[item->n_refs].id = od_strdup(source->id);
	if (item->ref[item->n_refs].id == NULL)
		return od_fail_nomem(err, "a reference", strlen(source->id));
	item->n_refs++;
	return OD_OK;
}

static enum od_status
hit(struct od_overlap *o, struct gram *g, const struct od_overlap_source *source, struct od_error *err)
{
	enum od_status st = OD_OK;
	bool full = true;

	g->hit = true;
	if (g->full)
		return OD_OK;
	for (uint32_t p = g->place; st == OD_OK && p != NONE; p = o->place[p].next) {
		struct item *item = &o->item[o->place[p].item];

		st = refer(item, source, err);
		full = full && item->n_refs == OD_OVERLAP_REFS;
	}
	g->full = full;
	return st;
}

static enum od_status
look_up(struct od_overlap *o, uint64_t hash, size_t at, size_t len, const struct od_overlap_source *source, int64_t *hits,
	struct od_error *err)
{
	uint64_t slot;
	uint32_t g = find(o, hash, &o->scanned, at, len, &slot);

	if (g == NONE || !counts(o, &o->gram[g]))
		return OD_OK;
	++*hits;
	return hit(o, &o->gram[g], source, err);
}

static enum od_status
scan_grams(struct od_overlap *o, const struct od_overlap_source *source, int64_t *hits, struct od_error *err)
{
	const struct od_fold_words *w = &o->scanned;
	uint64_t power = o->power[o->n];
	enum od_status st = OD_OK;

	for (size_t i = 0; st == OD_OK && i + o->n <= w->n; i++) {
		uint64_t h = od_fold_hash(w, i, o->n, power);

		if (bits_have(&o->filter, h))
			st = look_up(o, h, i, o->n, source, hits, err);
	}
	return st;
}

/* What is matched whole has lengths from min_words up to n - 1. */
static enum od_status
scan_whole(struct od_overlap *o, const struct od_overlap_source *source, int64_t *hits, struct od_error *err)
{
	const struct od_fold_words *w = &o->scanned;
	size_t least = o->min_words;
	enum od_status st = OD_OK;

	for (size_t i = 0; st == OD_OK && i + least <= w->n; i++) {
		if (!bits_have(&o->short_filter, od_fold_hash(w, i, least, o->power[least])))
			continue;
		for (size_t len = least; st == OD_OK && len <= o->longest_short && i + len <= w->n; len++)
			if (o->has_length[len])
				st = look_up(o, od_fold_hash(w, i, len, o->power[len]), i, len, source, hits, err);
	}
	return st;
}

enum od_status
od_overlap_scan(struct od_overlap *o, const struct od_overlap_source *source, const char *s, size_t n, int64_t *hits,
	struct od_error *err)
{
	enum od_status st = od_fold_words(&o->scanned, s, n, err);

	if (st == OD_OK) {
		o->words += (int64_t)o->scanned.n;
		st = scan_grams(o, source, hits, err);
	}
	return st == OD_OK && o->longest_short > 0 ? scan_whole(o, source, hits, err) : st;
}

/* ---- results ------------------------------------------------------------------------------------------------------------- */

int64_t
od_overlap_words(const struct od_overlap *o)
{
	return o->words;
}

size_t
od_overlap_grams(const struct od_overlap *o)
{
	return o->n_grams;
}

/* The longest run of places, each a word behind the one before, that are all hit. */
static void
longest_run(const struct od_overlap *o, const struct item *item, struct od_overlap_result *r)
{
	size_t run = 0, best = 0, last = 0;

	for (size_t i = item->first; i < item->first + item->n_places; i++) {
		const struct place *p = &o->place[i];
		const struct gram *g = &o->gram[p->gram];

		if (!g->hit || !counts(o, g)) {
			run = 0;
			continue;
		}
		run = run > 0 && p->at == o->place[i - 1].at + 1 ? run + 1 : 1;
		if (run + p->len > best) {
			best = run + p->len;
			last = i;
		}
	}
	if (best > 0)
		r->example = od_fold_span(&o->list, o->place[last].at + o->place[last].len - (best - 1), best - 1, &r->example_len);
}

void
od_overlap_result(const struct od_overlap *o, size_t i, struct od_overlap_result *r)
{
	const struct item *item = &o->item[i];

	*r = (struct od_overlap_result){ .words = item->words, .whole = item->whole, .overlap = NAN, .ref = item->ref,
		.n_refs = item->n_refs };
	for (size_t p = item->first; p < item->first + item->n_places; p++) {
		const struct gram *g = &o->gram[o->place[p].gram];

		r->ngrams += counts(o, g);
		r->hits += g->hit && counts(o, g);
	}
	if (r->ngrams > 0)
		r->overlap = (double)r->hits / (double)r->ngrams;
	if (r->hits > 0)
		longest_run(o, item, r);
}
