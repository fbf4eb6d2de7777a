#include "text/twister.h"

#include <math.h>

enum { N = 624, M = 397 };

/* The generator's own initialisation by an array of one word. */
void
od_twister_seed(struct od_twister *t, uint32_t seed)
{
	uint32_t *s = t->state;
	int i = 1;

	s[0] = 19650218u;
	for (int k = 1; k < N; k++)
		s[k] = 1812433253u * (s[k - 1] ^ s[k - 1] >> 30) + (uint32_t)k;
	for (int k = 0; k < N; k++) {
		s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + seed;
		if (++i >= N) {
			s[0] = s[N - 1];
			i = 1;
		}
	}
	for (int k = 0; k < N - 1; k++) {
		s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - (uint32_t)i;
		if (++i >= N) {
			s[0] = s[N - 1];
			i = 1;
		}
	}
	s[0] = 0x80000000u;
	t->at = N;
	t->has_gauss = false;
}

static void
refill(struct od_twister *t)
{
	uint32_t *s = t->state;

	for (int k = 0; k < N; k++) {
		uint32_t y = (s[k] & 0x80000000u) | (s[(k + 1) % N] & 0x7fffffffu);

		s[k] = s[(k + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
	}
	t->at = 0;
}

uint32_t
od_twister_u32(struct od_twister *t)
{
	uint32_t y;

	if (t->at >= N)
		refill(t);
	y = t->state[t->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

double
od_twister_uniform(struct od_twister *t)
{
	uint32_t a = od_twister_u32(t) >> 5, b = od_twister_u32(t) >> 6;

	return (a * 67108864.0 + b) / 9007199254740992.0;
}

double
od_twister_normal(struct od_twister *t)
{
	double angle, radius;

	if (t->has_gauss) {
		t->has_gauss = false;
		return t->gauss;
	}
	angle = od_twister_uniform(t) * (2 * M_PI);
	radius = sqrt(-2 * log(1 - od_twister_uniform(t)));
	t->gauss = sin(angle) * radius;
	t->has_gauss = true;
	return cos(angle) * radius;
}

uint32_t
od_twister_below(struct od_twister *t, uint32_t n)
{
	int bits = 32 - __builtin_clz(n);
	uint32_t r;

	do {
		r = od_twister_u32(t) >> (32 - bits);
	} while (r >= n);
	return r;
}
