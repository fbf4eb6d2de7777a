#include "train/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "pref/logps.h"

#define FORGET_EVERY 4096       /* pairs whose pages may be resident while all are measured */

static int32_t
max32(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

/* The tree's tokens need the shared prefix; room for the two sequences comes and goes with the largest pair. */
static enum od_status
measure(const struct od_token_pair *p, struct od_pair_size *size, int32_t **ids, size_t *cap, struct od_error *err)
{
	size_t n = 2 * ((size_t)p->n_prompt + (size_t)p->n_chosen + (size_t)p->n_rejected);
	struct od_seq seqs[2];
	int n_seqs;

	if (!od_grow(ids, cap, n + n / 4 + 1, sizeof **ids))         /* ids, and flags of a byte each behind them */
		return od_fail_nomem(err, "a pair", n);
	n_seqs = od_pair_seqs(p, *ids, (uint8_t *)(*ids + n), seqs);
	size->tokens = (int32_t)od_tree_tokens(seqs, n_seqs);
	size->entries = p->scored_chosen + p->scored_rejected;
	size->rows = size->entries < size->tokens ? size->entries : size->tokens;
	size->max_pos = p->n_prompt + max32(p->n_chosen, p->n_rejected);
	return OD_OK;
}

enum od_status
od_order_open(struct od_order *o, const struct od_pairfile *pairs, int64_t batch, uint64_t seed, bool shuffle,
	struct od_error *err)
{
	struct od_token_pair p;
	int32_t *ids = NULL;
	size_t cap = 0;
	enum od_status st;

	*o = (struct od_order){ .pairs = pairs, .n = od_pairfile_count(pairs), .batch = batch, .seed = seed,
		.shuffle = shuffle, .epoch = -1 };
	o->per_epoch = (o->n + batch - 1) / batch;
	st = od_alloc(&o->size, (size_t)o->n, sizeof *o->size, "sizes of pairs", err);
	if (st == OD_OK)
		st = od_alloc(&o->perm, (size_t)o->n, sizeof *o->perm, "an order of pairs", err);
	for (int64_t i = 0; st == OD_OK && i < o->n; i++) {
		od_pairfile_get(pairs, i, &p);
		st = measure(&p, &o->size[i], &ids, &cap, err);
		if (i % FORGET_EVERY == FORGET_EVERY - 1)
			od_pairfile_forget(pairs);
	}
	od_pairfile_forget(pairs);
	free(ids);
	if (st != OD_OK)
		od_order_release(o);
	return st;
}

static void
enter_epoch(struct od_order *o, int64_t epoch)
{
	struct od_rng rng = od_rng_init(o->seed, (uint64_t)epoch);

	if (o->epoch == epoch)
		return;
	for (int64_t i = 0; i < o->n; i++)
		o->perm[i] = i;
	if (o->shuffle)
		od_rng_shuffle(&rng, o->perm, o->n);
	o->epoch = epoch;
}

void
od_order_batch(struct od_order *o, int64_t t, const int64_t **index, int64_t *n)
{
	int64_t first = t % o->per_epoch * o->batch;

	enter_epoch(o, t / o->per_epoch);
	*index = o->perm + first;
	*n = o->n - first < o->batch ? o->n - first : o->batch;
}

/* ---- shares of ranks ------------------------------------------------------------------------------------------- */

struct item {
	int64_t index, tokens;
};

static int
larger_first(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->tokens != y->tokens)
		return x->tokens < y->tokens ? 1 : -1;
	return x->index < y->index ? -1 : 1;
}

static int
least_loaded(const int64_t *load, int n)
{
	int least = 0;

	for (int k = 1; k < n; k++)
		if (load[k] < load[least])
			least = k;
	return least;
}

enum od_status
od_deal_pairs(const int64_t *tokens, int64_t n, int n_ranks, int *owner, struct od_error *err)
{
	struct item *item = NULL;
	int64_t *load = NULL;
	enum od_status st = od_alloc(&item, (size_t)n, sizeof *item, "shares of a batch", err);

	if (st == OD_OK)
		st = od_alloc(&load, (size_t)n_ranks, sizeof *load, "shares of a batch", err);
	if (st == OD_OK) {
		for (int64_t i = 0; i < n; i++)
			item[i] = (struct item){ i, tokens[i] };
		qsort(item, (size_t)n, sizeof *item, larger_first);
		for (int64_t i = 0; i < n; i++) {
			int k = least_loaded(load, n_ranks);

			owner[item[i].index] = k;
			load[k] += item[i].tokens;
		}
	}
	free(item);
	free(load);
	return st;
}

static enum od_status
room_for_shares(struct od_order *o, struct od_error *err)
{
	int64_t most = o->batch < o->n ? o->batch : o->n;
	enum od_status st = OD_OK;

	if (o->owner)
		return OD_OK;
	st = od_alloc(&o->share, (size_t)most, sizeof *o->share, "shares of a batch", err);
	if (st == OD_OK)
		st = od_alloc(&o->share_tokens, (size_t)most, sizeof *o->share_tokens, "shares of a batch", err);
	return st == OD_OK ? od_alloc(&o->owner, (size_t)most, sizeof *o->owner, "shares of a batch", err) : st;
}

enum od_status
od_order_share(struct od_order *o, const int64_t *index, int64_t n, int rank, int n_ranks, const int64_t **mine,
	int64_t *n_mine, struct od_error *err)
{
	enum od_status st = room_for_shares(o, err);

	for (int64_t i = 0; st == OD_OK && i < n; i++)
		o->share_tokens[i] = o->size[index[i]].tokens;
	if (st == OD_OK)
		st = od_deal_pairs(o->share_tokens, n, n_ranks, o->owner, err);
	*n_mine = 0;
	for (int64_t i = 0; st == OD_OK && i < n; i++)
		if (o->owner[i] == rank)
			o->share[(*n_mine)++] = index[i];
	*mine = o->share;
	return st;
}

/* ---- micro-batches --------------------------------------------------------------------------------------------- */

int64_t
od_order_micro(const struct od_order *o, const int64_t *index, int64_t n, int64_t budget)
{
	int64_t tokens = o->size[index[0]].tokens, k = 1;

	while (k < n && tokens + o->size[index[k]].tokens <= budget)
		tokens += o->size[index[k++]].tokens;
	return k;
}

static void
raise(int64_t *peak, int64_t value)
{
	if (value > *peak)
		*peak = value;
}

static void
add_micro(const struct od_order *o, const int64_t *index, int64_t n, struct od_micro_peak *peak)
{
	struct od_micro_peak sum = { 0 };

	for (int64_t i = 0; i < n; i++) {
		const struct od_pair_size *s = &o->size[index[i]];

		sum.tokens += s->tokens;
		sum.rows += s->rows;
		sum.entries += s->entries;
		raise(&peak->max_pos, s->max_pos);
	}
	raise(&peak->tokens, sum.tokens);
	raise(&peak->rows, sum.rows);
	raise(&peak->entries, sum.entries);
	peak->count++;
}

static void
add_pairs(const struct od_order *o, const int64_t *index, int64_t n, int64_t budget, struct od_micro_peak *peak)
{
	for (int64_t at = 0, k; at < n; at += k) {
		k = od_order_micro(o, index + at, n - at, budget);
		add_micro(o, index + at, k, peak);
	}
}

void
od_order_peak(struct od_order *o, int64_t first, int64_t end, int64_t budget, struct od_micro_peak *peak)
{
	*peak = (struct od_micro_peak){ 0 };
	for (int64_t t = first; t < end; t++) {
		const int64_t *index;
		int64_t n;

		od_order_batch(o, t, &index, &n);
		add_pairs(o, index, n, budget, peak);
	}
}

enum od_status
od_order_peak_share(struct od_order *o, int64_t first, int64_t end, int64_t budget, int rank, int n_ranks,
	struct od_micro_peak *peak, struct od_error *err)
{
	enum od_status st = OD_OK;

	*peak = (struct od_micro_peak){ 0 };
	for (int64_t t = first; st == OD_OK && t < end; t++) {
		const int64_t *index, *mine;
		int64_t n, n_mine;

		od_order_batch(o, t, &index, &n);
		st = od_order_share(o, index, n, rank, n_ranks, &mine, &n_mine, err);
		if (st == OD_OK)
			add_pairs(o, mine, n_mine, budget, peak);
	}
	return st;
}

void
od_order_release(struct od_order *o)
{
	free(o->size);
	free(o->perm);
	free(o->share);
	free(o->share_tokens);
	free(o->owner);
	*o = (struct od_order){ .epoch = -1 };
}
