#include "base/rng.h"

#include <math.h>

uint64_t
od_rng_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t
od_rng_u64(struct od_rng *r)
{
	uint64_t key = od_rng_mix(r->seed + 0x9e3779b97f4a7c15u) ^ od_rng_mix(r->stream + 0xd1b54a32d192ed03u);

	return od_rng_mix(key + 0x9e3779b97f4a7c15u * ++r->counter);
}

double
od_rng_uniform(struct od_rng *r)
{
	return (double)(od_rng_u64(r) >> 11) * 0x1p-53;
}

uint64_t
od_rng_below(struct od_rng *r, uint64_t n)
{
	uint64_t x, limit = UINT64_MAX - UINT64_MAX % n;

	do
		x = od_rng_u64(r);
	while (x >= limit);
	return x % n;
}

double
od_rng_normal(struct od_rng *r)
{
	double u = 1 - od_rng_uniform(r), v = od_rng_uniform(r);

	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void
od_rng_shuffle(struct od_rng *r, int64_t *a, int64_t n)
{
	for (int64_t i = n - 1; i > 0; i--) {
		int64_t j = (int64_t)od_rng_below(r, (uint64_t)i + 1), t = a[i];

		a[i] = a[j];
		a[j] = t;
	}
}
