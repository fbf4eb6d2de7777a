/* rng.h -- counter-based random numbers: value k of stream (seed, stream) is a pure function of the three, so results
 * do not depend on threads, order or batch, and the whole state to save for a resume is 'counter'. */
#ifndef OD_BASE_RNG_H
#define OD_BASE_RNG_H

#include <stdint.h>

struct od_rng {
	uint64_t seed, stream, counter;
};

static inline struct od_rng
od_rng_init(uint64_t seed, uint64_t stream)
{
	return (struct od_rng){ seed, stream, 0 };
}

uint64_t od_rng_u64(struct od_rng *r);                       /* uniform over 64 bits */
double od_rng_uniform(struct od_rng *r);                     /* [0, 1), 53 bits */
uint64_t od_rng_below(struct od_rng *r, uint64_t n);         /* 0..n-1 without modulo bias; n > 0 */
double od_rng_normal(struct od_rng *r);                      /* mean 0, variance 1 (Box-Muller, two draws each) */
void od_rng_shuffle(struct od_rng *r, int64_t *a, int64_t n);/* Fisher-Yates */

/* One step of the mixing function (splitmix64's finaliser): a good 64-bit hash of a 64-bit value. */
uint64_t od_rng_mix(uint64_t x);

#endif
