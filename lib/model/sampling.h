/* sampling.h -- from a row of logits to a token.
 *
 * In this order, as the common servers do: the soft-cap of the model; repetition penalty (Keskar et al. 2019: logits of tokens seen
 * in prompt or response are divided by it where positive, else multiplied); temperature; top-k; top-p (nucleus: the fewest tokens,
 * from the likeliest on, whose probability reaches p). Then one token by one uniform number. Temperature 0 takes the largest
 * logit. Ties go to the smaller id everywhere.
 *
 * Each token of each sample uses exactly one number of its own stream, so what is drawn depends on the seed, the record and the
 * sample's number alone.
 */
#ifndef OD_MODEL_SAMPLING_H
#define OD_MODEL_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct od_sampling {
	double temperature;                        /* 0: greedy */
	double top_p;                              /* 1: all */
	int64_t top_k;                             /* 0: all */
	double repetition_penalty;                 /* 1: none */
	uint64_t seed;
};

#define OD_SAMPLING_INIT { 1.0, 1.0, 0, 1.0, 0 }

/* Memory a draw needs; one a thread. */
struct od_draw {
	struct od_draw_item {
		double weight;
		int32_t id;
	} *item;
	double *part;                              /* sums of weights, a chunk of tokens each */
	size_t cap, cap_part;
};

void od_draw_release(struct od_draw *d);

/* Bits of tokens seen, for the penalty: [(vocabulary + 63) / 64]. */
static inline void
od_seen_add(uint64_t *seen, int32_t id)
{
	seen[id / 64] |= (uint64_t)1 << id % 64;
}

/* logits[n] is overwritten. seen may be NULL when there is no penalty. u in [0, 1). OD_ENUMERIC when logits are NaN or all
 * infinite. */
OD_MUST_CHECK enum od_status od_sample(int32_t *id, float *logits, int64_t n, double softcap, const struct od_sampling *s,
	const uint64_t *seen, double u, struct od_draw *d, struct od_error *err);

#endif
