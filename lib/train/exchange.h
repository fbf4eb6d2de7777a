/* exchange.h -- the two things ranks send each other in an update: gradients to their owners, new weights to everybody.
 *
 * REDUCE. Each rank sends every other rank that one's slice of its own gradients; the owner adds the n versions in rank
 * order 0, 1, .., n-1, in fp32. The order never depends on who came first, so a run repeats itself to the bit.
 * GATHER. Each rank sends its slice of the new weights to every other.
 *
 * Both go part by part (shard.h), the last part first, in pieces through buffers that are made once: two pieces are on their
 * way at a time, so that one arrives while another is added. A device whose memory the host cannot read is staged through
 * host buffers; a transport with device collectives of its own (ranks.h) is handed whole parts instead.
 *
 * A reduction may be begun while backward still runs: od_exchange_reduce_part when a part's gradients are final, and each
 * call moves on what has arrived meanwhile. od_exchange_reduce ends it, for parts that were never begun too: a rank that failed
 * takes part with whatever stands in its gradients, and od_ranks_agree tells the others afterwards.
 */
#ifndef OD_TRAIN_EXCHANGE_H
#define OD_TRAIN_EXCHANGE_H

#include "train/ranks.h"
#include "train/shard.h"

struct od_exchange;

/* Everything is borrowed. For one rank it does nothing and costs nothing. */
OD_MUST_CHECK enum od_status od_exchange_open(struct od_exchange **out, struct od_ranks *r, struct od_backend *be,
	const struct od_shard *s, struct od_error *err);
void od_exchange_close(struct od_exchange *x);      /* NULL is fine */

/* Host bytes of its buffers, for slices of at most 'largest' floats. */
int64_t od_exchange_bytes(int n_ranks, int64_t largest, bool host_memory);

/* Begins part after part, the last first; grads[total] is the same in all calls of an update. */
OD_MUST_CHECK enum od_status od_exchange_reduce_part(struct od_exchange *x, float *grads, int part, struct od_error *err);

/* Collective. Afterwards this rank's slices of grads hold the sums; the rest of grads is of no use. */
OD_MUST_CHECK enum od_status od_exchange_reduce(struct od_exchange *x, float *grads, struct od_error *err);

/* Collective. weights[total], elements of 'type', of which each rank has its own slices: afterwards all ranks have all. */
OD_MUST_CHECK enum od_status od_exchange_gather(struct od_exchange *x, void *weights, enum od_dtype type,
	struct od_error *err);

#endif
