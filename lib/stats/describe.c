/* describe.c -- see describe.h. */
#include "stats/describe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
od_sum_add(struct od_sum *s, double x)
{
	double t = s->sum + x;

	s->carry += fabs(s->sum) >= fabs(x) ? (s->sum - t) + x : (x - t) + s->sum;
	s->sum = t;
}

double
od_sum_value(const struct od_sum *s)
{
	return s->sum + s->carry;
}

void
od_moments_add(struct od_moments *m, double x)
{
	double d;

	if (!isfinite(x)) {
		m->n_bad++;
		return;
	}
	if (m->n == 0)
		m->min = m->max = x;
	m->n++;
	d = x - m->mean;
	m->mean += d / (double)m->n;
	m->m2 += d * (x - m->mean);
	m->min = fmin(m->min, x);
	m->max = fmax(m->max, x);
}

/* Chan, Golub and LeVeque's update for two samples. */
void
od_moments_merge(struct od_moments *m, const struct od_moments *other)
{
	double d = other->mean - m->mean, n = (double)m->n + (double)other->n;
	int64_t n_bad = m->n_bad + other->n_bad;

	if (other->n > 0 && m->n == 0) {
		*m = *other;
	} else if (other->n > 0) {
		m->m2 += other->m2 + d * d * (double)m->n * (double)other->n / n;
		m->mean += d * (double)other->n / n;
		m->n += other->n;
		m->min = fmin(m->min, other->min);
		m->max = fmax(m->max, other->max);
	}
	m->n_bad = n_bad;
}

struct od_moments
od_moments_of(const double *x, size_t n)
{
	struct od_moments m = OD_MOMENTS_INIT;

	for (size_t i = 0; i < n; i++)
		od_moments_add(&m, x[i]);
	return m;
}

double
od_moments_mean(const struct od_moments *m)
{
	return m->n > 0 ? m->mean : NAN;
}

double
od_moments_var(const struct od_moments *m)
{
	return m->n > 1 ? m->m2 / (double)(m->n - 1) : NAN;
}

double
od_moments_sd(const struct od_moments *m)
{
	return sqrt(od_moments_var(m));
}

double
od_moments_se(const struct od_moments *m)
{
	return od_moments_sd(m) / sqrt((double)m->n);
}

double
od_effective_size(const double *w, size_t n)
{
	struct od_sum sum = OD_SUM_INIT, squares = OD_SUM_INIT;
	double largest = 0, s;

	for (size_t i = 0; i < n; i++)
		if (isfinite(w[i]))
			largest = fmax(largest, w[i]);
	if (largest == 0)
		return NAN;
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(w[i]))
			continue;
		s = w[i] / largest;                /* weights of 1e-200 must not vanish when squared */
		od_sum_add(&sum, s);
		od_sum_add(&squares, s * s);
	}
	return od_sum_value(&sum) * od_sum_value(&sum) / od_sum_value(&squares);
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return (x > y) - (x < y);
}

size_t
od_sort(double *x, size_t n)
{
	if (n > 1)
		qsort(x, n, sizeof *x, compare_doubles);
	while (n > 0 && isnan(x[n - 1]))
		n--;
	return n;
}

double
od_quantile(const double *sorted, size_t n, double q)
{
	double at, low;
	size_t i;

	if (n == 0)
		return NAN;
	at = fmin(fmax(q, 0), 1) * (double)(n - 1);
	low = floor(at);
	i = (size_t)low;
	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (at - low) * (sorted[i + 1] - sorted[i]);
}

enum od_status
od_histogram_init(struct od_histogram *h, double lo, double hi, int n_bins, struct od_error *err)
{
	*h = (struct od_histogram)OD_HISTOGRAM_INIT;
	if (!(isfinite(lo) && isfinite(hi) && lo <= hi) || n_bins < 1)
		return od_fail(err, OD_EUSAGE, "cannot make a histogram of %d bins from %g to %g", n_bins, lo, hi);
	h->lo = lo;
	h->hi = hi;
	h->n_bins = n_bins;
	return od_alloc(&h->count, (size_t)n_bins, sizeof *h->count, "a histogram", err);
}

void
od_histogram_add(struct od_histogram *h, double x)
{
	int i;

	if (isnan(x)) {
		h->n_bad++;
	} else if (x < h->lo) {
		h->below++;
	} else if (x > h->hi) {
		h->above++;
	} else {
		i = h->hi > h->lo ? (int)((x - h->lo) / (h->hi - h->lo) * h->n_bins) : 0;
		h->count[i < h->n_bins ? i : h->n_bins - 1]++;
		h->n++;
	}
}

double
od_histogram_edge(const struct od_histogram *h, int i)
{
	return i >= h->n_bins ? h->hi : h->lo + (h->hi - h->lo) * i / h->n_bins;
}

void
od_histogram_release(struct od_histogram *h)
{
	free(h->count);
	*h = (struct od_histogram)OD_HISTOGRAM_INIT;
}

double
od_round_step(double range, int n)
{
	static const double steps[] = { 1, 2, 2.5, 5, 10 };
	double raw = range / (n < 1 ? 1 : n), unit;
	size_t i = 0;

	if (!(raw > 0) || !isfinite(raw))
		return 1;
	unit = pow(10, floor(log10(raw)));
	while (i + 1 < sizeof steps / sizeof *steps && steps[i] * unit < raw * (1 - 1e-9))
		i++;
	return steps[i] * unit;
}

enum od_status
od_histogram_of(struct od_histogram *h, const double *x, size_t n, int n_bins, struct od_error *err)
{
	struct od_moments m = od_moments_of(x, n);
	enum od_status st;
	double step, lo, hi;

	if (m.n == 0 || m.min == m.max) {
		st = od_histogram_init(h, m.n == 0 ? 0 : m.min, m.n == 0 ? 0 : m.min, 1, err);
	} else {
		step = od_round_step(m.max - m.min, n_bins);
		lo = floor(m.min / step + 1e-9) * step;     /* a value on an edge up to rounding opens no bin */
		hi = ceil(m.max / step - 1e-9) * step;
		lo = fmin(lo, m.min);
		hi = fmax(hi, m.max);
		st = od_histogram_init(h, lo, hi, (int)fmax(1, round((hi - lo) / step)), err);
	}
	for (size_t i = 0; st == OD_OK && i < n; i++)
		od_histogram_add(h, isfinite(x[i]) ? x[i] : NAN);
	return st;
}

double
od_pearson(const double *x, const double *y, size_t n)
{
	double mx = 0, my = 0, sxx = 0, syy = 0, sxy = 0, dx, k = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(x[i]) || !isfinite(y[i]))
			continue;
		k++;
		dx = x[i] - mx;
		mx += dx / k;
		sxx += dx * (x[i] - mx);
		sxy += dx * (y[i] - my) * (k - 1) / k;
		syy += (y[i] - my) * (y[i] - my) * (k - 1) / k;
		my += (y[i] - my) / k;
	}
	if (k < 2 || sxx <= 0 || syy <= 0)
		return NAN;
	return fmin(fmax(sxy / (sqrt(sxx) * sqrt(syy)), -1), 1);
}

struct ranked {
	double x;
	size_t at;
};

static int
compare_ranked(const void *a, const void *b)
{
	const struct ranked *p = a, *q = b;

	return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->at > q->at) - (p->at < q->at);
}

enum od_status
od_order(const double *x, size_t n, size_t *order, struct od_error *err)
{
	struct ranked *r;
	enum od_status st = od_alloc(&r, n, sizeof *r, "an order", err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < n; i++)
		r[i] = (struct ranked){ x[i], i };
	if (n > 1)
		qsort(r, n, sizeof *r, compare_ranked);
	for (size_t i = 0; i < n; i++)
		order[i] = r[i].at;
	free(r);
	return OD_OK;
}

enum od_status
od_ranks(const double *x, size_t n, double *rank, struct od_error *err)
{
	size_t *order;
	enum od_status st = od_alloc(&order, n, sizeof *order, "ranks", err);

	if (st == OD_OK)
		st = od_order(x, n, order, err);
	if (st != OD_OK) {
		free(order);
		return st;
	}
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && x[order[j]] == x[order[i]];)
			j++;
		for (size_t k = i; k < j; k++)     /* ranks i+1 .. j share their mean */
			rank[order[k]] = (double)(i + 1 + j) / 2;
	}
	free(order);
	return OD_OK;
}

enum od_status
od_spearman(const double *x, const double *y, size_t n, double *rho, struct od_error *err)
{
	double *values, *rank;
	size_t k = 0;
	enum od_status st = od_alloc(&values, n, 4 * sizeof *values, "a rank correlation", err);

	if (st != OD_OK)
		return st;
	rank = values + 2 * n;
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(x[i]) || !isfinite(y[i]))
			continue;
		values[k] = x[i];
		values[n + k++] = y[i];
	}
	st = od_ranks(values, k, rank, err);
	if (st == OD_OK)
		st = od_ranks(values + n, k, rank + n, err);
	if (st == OD_OK)
		*rho = od_pearson(rank, rank + n, k);
	free(values);
	return st;
}
