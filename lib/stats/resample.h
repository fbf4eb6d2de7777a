/* resample.h -- intervals and tests by resampling, and paired comparison of two systems on the same items.
 *
 * Every resample draws from its own random stream (base/rng.h), so results depend on the seed alone.
 */
#ifndef OD_STATS_RESAMPLE_H
#define OD_STATS_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define OD_RESAMPLES 2000

struct od_interval {
	double low, high;
};

/* Percentile bootstrap interval of the mean of x[n] (finite values): 'level' 0.95 gives the 2.5 % and 97.5 % quantiles
 * of the means of 'resamples' samples of n drawn with replacement. NaN bounds when n = 0. */
OD_MUST_CHECK enum od_status od_bootstrap_mean(const double *x, size_t n, int resamples, double level, uint64_t seed,
	struct od_interval *out, struct od_error *err);

/* Pearson's r and Spearman's rho of x and y, with percentile bootstrap intervals over items. */
struct od_correlation {
	int64_t n;                                 /* items in which both are finite; the others are left out */
	double r, rho;                             /* NaN with fewer than two, or when one side is constant */
	struct od_interval r_ci, rho_ci;           /* over the resamples that have a correlation; NaN when none has */
};

/* Each resample takes time proportional to n: ranks are counted off, not sorted. */
OD_MUST_CHECK enum od_status od_bootstrap_correlation(const double *x, const double *y, size_t n, int resamples, double level,
	uint64_t seed, struct od_correlation *out, struct od_error *err);

/* b - a over the same items. */
struct od_paired {
	int64_t n, up, down, same;                 /* items; b above a, below, equal */
	double mean_a, mean_b, diff, se;           /* se of the mean difference */
	struct od_interval ci;                     /* bootstrap over items, 95 % */
	double p;                                  /* two-sided sign-flip test of "the differences are symmetric about 0":
	                                            * exact for up to 16 items that differ, sampled beyond */
};

/* Items where a or b is not finite are left out. */
OD_MUST_CHECK enum od_status od_paired_compare(const double *a, const double *b, size_t n, int resamples,
	uint64_t seed, struct od_paired *out, struct od_error *err);

/* McNemar's exact test of paired 0/1 verdicts: two-sided p of 'up' gained and 'down' lost when each were as likely, the
 * binomial 2 P(X <= min(up, down)), at most 1. It is the sign-flip test above without its sampling. */
double od_mcnemar(int64_t up, int64_t down);

#endif
