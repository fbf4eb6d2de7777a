/* twister.h -- the random numbers of Python's random module (MT19937, Matsumoto and Nishimura 1998): what random.seed(N),
 * random.random(), gauss() and choice() give, for results that must be those of a Python program. For everything else
 * base/rng.h is simpler.
 */
#ifndef OD_TEXT_TWISTER_H
#define OD_TEXT_TWISTER_H

#include <stdbool.h>
#include <stdint.h>

struct od_twister {
	uint32_t state[624];
	int at;
	bool has_gauss;
	double gauss;                              /* the second value of the last pair */
};

void od_twister_seed(struct od_twister *t, uint32_t seed);
uint32_t od_twister_u32(struct od_twister *t);
double od_twister_uniform(struct od_twister *t);               /* random() */
double od_twister_normal(struct od_twister *t);                /* gauss(0, 1) */
uint32_t od_twister_below(struct od_twister *t, uint32_t n);   /* the index choice() takes of n things; n > 0 */

#endif
