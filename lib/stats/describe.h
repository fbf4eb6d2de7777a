/* describe.h -- descriptive statistics of samples of doubles: moments, quantiles, histograms, correlation.
 *
 * Values that are not finite (a field that was absent, say) take no part; the functions that keep state count them.
 * What is not defined for a sample (the mean of nothing, the deviation of one value) is NaN, never 0.
 */
#ifndef OD_STATS_DESCRIBE_H
#define OD_STATS_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* ---- sums and moments --------------------------------------------------------------------------------------------- */

/* A sum that carries what the additions lose (Neumaier), so that order and length hardly matter. */
struct od_sum {
	double sum, carry;
};

#define OD_SUM_INIT { 0, 0 }
void od_sum_add(struct od_sum *s, double x);
double od_sum_value(const struct od_sum *s);

/* Running mean and variance (Welford). */
struct od_moments {
	int64_t n;                                 /* finite values */
	int64_t n_bad;                             /* values left out */
	double mean, m2, min, max;
};

#define OD_MOMENTS_INIT { 0, 0, 0, 0, 0, 0 }
void od_moments_add(struct od_moments *m, double x);
void od_moments_merge(struct od_moments *m, const struct od_moments *other);
struct od_moments od_moments_of(const double *x, size_t n);
double od_moments_mean(const struct od_moments *m);      /* NaN when n = 0 */
double od_moments_var(const struct od_moments *m);       /* unbiased (n - 1); NaN when n < 2 */
double od_moments_sd(const struct od_moments *m);
double od_moments_se(const struct od_moments *m);        /* of the mean: sd / sqrt(n) */

/* Kish's effective sample size of weights >= 0: (sum w)^2 / sum w^2; n for equal weights, NaN when all are 0. */
double od_effective_size(const double *w, size_t n);

/* ---- order -------------------------------------------------------------------------------------------------------- */

/* Sorts ascending, not-a-numbers last; returns how many of the n are finite or infinite numbers. */
size_t od_sort(double *x, size_t n);

/* Quantile q (0..1) of ascending values, linear between order statistics (Hyndman and Fan's type 7, the default of R
 * and NumPy). NaN when n = 0. */
double od_quantile(const double *sorted, size_t n, double q);

/* ---- histograms --------------------------------------------------------------------------------------------------- */

/* Equal bins over [lo, hi]; hi belongs to the last. */
struct od_histogram {
	double lo, hi;
	int n_bins;
	int64_t *count;                            /* [n_bins] */
	int64_t n, below, above, n_bad;            /* n: inside */
};

#define OD_HISTOGRAM_INIT { 0, 0, 0, NULL, 0, 0, 0, 0 }
OD_MUST_CHECK enum od_status od_histogram_init(struct od_histogram *h, double lo, double hi, int n_bins,
	struct od_error *err);
void od_histogram_add(struct od_histogram *h, double x);
double od_histogram_edge(const struct od_histogram *h, int i);       /* lower edge of bin i; i = n_bins: hi */
void od_histogram_release(struct od_histogram *h);

/* A histogram of x[n] with round edges that cover the finite values, about n_bins bins; one bin of a single value when
 * all are equal. */
OD_MUST_CHECK enum od_status od_histogram_of(struct od_histogram *h, const double *x, size_t n, int n_bins,
	struct od_error *err);

/* The round step (1, 2, 2.5 or 5 times a power of ten) that cuts 'range' into about n parts. */
double od_round_step(double range, int n);

/* ---- correlation -------------------------------------------------------------------------------------------------- */

/* Pearson's r over the pairs in which both are finite. NaN with fewer than two, or when one side is constant. */
double od_pearson(const double *x, const double *y, size_t n);

/* Spearman's rho: Pearson's r of the ranks, ties sharing their mean rank. Stored in *rho. */
OD_MUST_CHECK enum od_status od_spearman(const double *x, const double *y, size_t n, double *rho, struct od_error *err);

/* order[n]: the indices of finite x[n], ascending by value; equal values as they came. */
OD_MUST_CHECK enum od_status od_order(const double *x, size_t n, size_t *order, struct od_error *err);

/* rank[n] (1-based, ties share the mean) of finite x[n]. */
OD_MUST_CHECK enum od_status od_ranks(const double *x, size_t n, double *rank, struct od_error *err);

#endif
