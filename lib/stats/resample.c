/* resample.c -- see resample.h. */
#include "stats/resample.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stats/describe.h"

#define EXACT_ITEMS 16                     /* 2^16 sign patterns are still all tried */

/* Streams of the two uses of a seed must differ. */
enum { STREAM_BOOTSTRAP = 1, STREAM_SIGNS = 2 };

enum od_status
od_bootstrap_mean(const double *x, size_t n, int resamples, double level, uint64_t seed, struct od_interval *out,
	struct od_error *err)
{
	double *means, sum;
	enum od_status st;
	struct od_rng rng;

	*out = (struct od_interval){ NAN, NAN };
	if (n == 0 || resamples < 1)
		return OD_OK;
	st = od_alloc(&means, (size_t)resamples, sizeof *means, "a bootstrap", err);
	if (st != OD_OK)
		return st;
	for (int r = 0; r < resamples; r++) {
		rng = od_rng_init(seed, (uint64_t)STREAM_BOOTSTRAP << 32 | (uint64_t)r);
		sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += x[od_rng_below(&rng, n)];
		means[r] = sum / (double)n;
	}
	od_sort(means, (size_t)resamples);
	out->low = od_quantile(means, (size_t)resamples, (1 - level) / 2);
	out->high = od_quantile(means, (size_t)resamples, (1 + level) / 2);
	free(means);
	return OD_OK;
}

/* A flipped sum counts as extreme when it reaches the observed one up to rounding of the additions. */
static int
reaches(double sum, double observed)
{
	return fabs(sum) >= fabs(observed) * (1 - 1e-12);
}

static double
sign_flips_exact(const double *d, size_t n, double observed)
{
	uint64_t all = (uint64_t)1 << n, extreme = 0;

	for (uint64_t signs = 0; signs < all; signs++) {
		double sum = 0;

		for (size_t i = 0; i < n; i++)
			sum += signs >> i & 1 ? -d[i] : d[i];
		extreme += (uint64_t)reaches(sum, observed);
	}
	return (double)extreme / (double)all;
}

static double
sign_flips_sampled(const double *d, size_t n, double observed, int resamples, uint64_t seed)
{
	int extreme = 0;

	for (int r = 0; r < resamples; r++) {
		struct od_rng rng = od_rng_init(seed, (uint64_t)STREAM_SIGNS << 32 | (uint64_t)r);
		uint64_t bits = 0;
		double sum = 0;

		for (size_t i = 0; i < n; i++, bits >>= 1) {
			if (i % 64 == 0)
				bits = od_rng_u64(&rng);
			sum += bits & 1 ? -d[i] : d[i];
		}
		extreme += reaches(sum, observed);
	}
	return (1.0 + extreme) / (1.0 + resamples);    /* the observed pattern is one of those possible */
}

/* The test depends on items that differ only: a difference of 0 has no sign to flip. */
static double
sign_flip_test(const double *d, size_t n, int resamples, uint64_t seed)
{
	double *moved = od_calloc(n, sizeof *moved), observed = 0, p;
	size_t k = 0;

	if (moved == NULL)
		return NAN;
	for (size_t i = 0; i < n; i++)
		if (d[i] != 0) {
			moved[k++] = d[i];
			observed += d[i];
		}
	if (k == 0)
		p = 1;
	else if (k <= EXACT_ITEMS)
		p = sign_flips_exact(moved, k, observed);
	else
		p = sign_flips_sampled(moved, k, observed, resamples, seed);
	free(moved);
	return p;
}

enum od_status
od_paired_compare(const double *a, const double *b, size_t n, int resamples, uint64_t seed, struct od_paired *out,
	struct od_error *err)
{
	struct od_moments ma = OD_MOMENTS_INIT, mb = OD_MOMENTS_INIT, md = OD_MOMENTS_INIT;
	struct od_paired r = { 0 };
	double *d;
	enum od_status st = od_alloc(&d, n, sizeof *d, "paired differences", err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(a[i]) || !isfinite(b[i]))
			continue;
		d[r.n] = b[i] - a[i];
		r.up += d[r.n] > 0;
		r.down += d[r.n] < 0;
		r.same += d[r.n] == 0;
		od_moments_add(&ma, a[i]);
		od_moments_add(&mb, b[i]);
		od_moments_add(&md, d[r.n]);
		r.n++;
	}
	r.mean_a = od_moments_mean(&ma);
	r.mean_b = od_moments_mean(&mb);
	r.diff = od_moments_mean(&md);
	r.se = od_moments_se(&md);
	st = od_bootstrap_mean(d, (size_t)r.n, resamples, 0.95, seed, &r.ci, err);
	if (st == OD_OK) {
		r.p = sign_flip_test(d, (size_t)r.n, resamples, seed);
		*out = r;
	}
	free(d);
	return st;
}

double
od_mcnemar(int64_t up, int64_t down)
{
	double n = (double)up + (double)down, least = (double)(up < down ? up : down), p = 0;

	for (double k = 0; k <= least; k++)
		p += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2));
	return up == down || 2 * p > 1 ? 1 : 2 * p;
}
