/* order.h -- which pairs make up which update, which rank takes which of them, and how these are cut into micro-batches.
 *
 * The order of an epoch is a pure function of (seed, epoch, number of pairs): nothing but the number of the next update
 * has to be saved to go on later. Micro-batches are consecutive pairs of the global batch that fit a budget of tokens; a
 * pair over the budget stands alone. They bound memory and change nothing but the order of fp32 additions.
 */
#ifndef OD_TRAIN_ORDER_H
#define OD_TRAIN_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pref/pairstream.h"

/* What a pair costs the engine. */
struct od_pair_size {
	int32_t tokens, rows, entries;             /* tree tokens; upper bound of rows; scored entries */
	int32_t max_pos;
};

struct od_order {
	const struct od_pairfile *pairs;           /* borrowed */
	struct od_pair_size *size;                 /* [n] */
	int64_t n, batch, per_epoch;               /* pairs; pairs of an update; updates of an epoch */
	uint64_t seed;
	bool shuffle;
	int64_t *perm, epoch;                      /* the order of this epoch; -1: none yet */
	int64_t *share, *share_tokens;             /* scratch of od_order_share, [batch] */
	int *owner;                                /* [batch]: after od_order_share, the rank of each pair of the batch */
};

/* Measures every pair once. */
OD_MUST_CHECK enum od_status od_order_open(struct od_order *o, const struct od_pairfile *pairs, int64_t batch,
	uint64_t seed, bool shuffle, struct od_error *err);

/* The pairs of update t: points *index at *n numbers of pairs, valid until the next call. */
void od_order_batch(struct od_order *o, int64_t t, const int64_t **index, int64_t *n);

/* Deals n pairs of tokens[n] tokens out to n_ranks ranks: owner[i] is the rank of pair i. The largest pairs go first, each
 * to the rank with the fewest tokens so far, so that all finish at about the same time. A function of its arguments alone. */
OD_MUST_CHECK enum od_status od_deal_pairs(const int64_t *tokens, int64_t n, int n_ranks, int *owner, struct od_error *err);

/* A rank's pairs of a batch, in the order of the batch: *mine[*n_mine], valid until the next call, as o->owner is. */
OD_MUST_CHECK enum od_status od_order_share(struct od_order *o, const int64_t *index, int64_t n, int rank, int n_ranks,
	const int64_t **mine, int64_t *n_mine, struct od_error *err);

/* How many of the n pairs, at least one, go into the next micro-batch. */
int64_t od_order_micro(const struct od_order *o, const int64_t *index, int64_t n, int64_t budget);

/* The largest micro-batch of updates first .. end-1: what the engine must have room for. Also counts them. */
struct od_micro_peak {
	int64_t tokens, rows, entries, max_pos, count;
};
void od_order_peak(struct od_order *o, int64_t first, int64_t end, int64_t budget, struct od_micro_peak *peak);
/* The same for what one of n_ranks ranks gets. */
OD_MUST_CHECK enum od_status od_order_peak_share(struct od_order *o, int64_t first, int64_t end, int64_t budget, int rank,
	int n_ranks, struct od_micro_peak *peak, struct od_error *err);

void od_order_release(struct od_order *o);

#endif
