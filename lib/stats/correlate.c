/* correlate.c -- correlation with intervals (resample.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stats/describe.h"
#include "stats/resample.h"

#define STREAM_CORRELATION 3               /* other than those of resample.c */

/* One variable: its values, their order, and their ranks in a resample. */
struct side {
	double *x, *rank;
	size_t *order;
};

/* A sample drawn with replacement is the items with counts. */
struct sample {
	struct side side[2];
	int32_t *count;
	size_t n;
};

static void
release(struct sample *s)
{
	for (int k = 0; k < 2; k++) {
		free(s->side[k].x);
		free(s->side[k].rank);
		free(s->side[k].order);
	}
	free(s->count);
}

/* Takes over the items in which both are finite. */
static enum od_status
collect(struct sample *s, const double *x, const double *y, size_t n, struct od_error *err)
{
	enum od_status st = od_alloc(&s->count, n, sizeof *s->count, "a bootstrap", err);

	for (int k = 0; k < 2 && st == OD_OK; k++) {
		st = od_alloc(&s->side[k].x, n, sizeof(double), "a bootstrap", err);
		if (st == OD_OK)
			st = od_alloc(&s->side[k].rank, n, sizeof(double), "a bootstrap", err);
		if (st == OD_OK)
			st = od_alloc(&s->side[k].order, n, sizeof(size_t), "a bootstrap", err);
	}
	for (size_t i = 0; st == OD_OK && i < n; i++) {
		if (!isfinite(x[i]) || !isfinite(y[i]))
			continue;
		s->side[0].x[s->n] = x[i];
		s->side[1].x[s->n++] = y[i];
	}
	for (int k = 0; k < 2 && st == OD_OK; k++)
		st = od_order(s->side[k].x, s->n, s->side[k].order, err);
	return st;
}

static void
draw(struct sample *s, uint64_t seed, int resample)
{
	struct od_rng rng = od_rng_init(seed, (uint64_t)STREAM_CORRELATION << 32 | (uint64_t)resample);

	memset(s->count, 0, s->n * sizeof *s->count);
	for (size_t i = 0; i < s->n; i++)
		s->count[od_rng_below(&rng, s->n)]++;
}

/* Ranks in the resample: equal values, copies of one item among them, share the mean of theirs. */
static void
count_ranks(struct side *v, const int32_t *count, size_t n)
{
	int64_t before = 0;

	for (size_t i = 0, j; i < n; i = j) {
		int64_t equal = 0;

		for (j = i; j < n && v->x[v->order[j]] == v->x[v->order[i]]; j++)
			equal += count[v->order[j]];
		for (size_t k = i; k < j; k++)
			v->rank[v->order[k]] = (double)before + (double)(equal + 1) / 2;
		before += equal;
	}
}

static double
counted_pearson(const double *x, const double *y, const int32_t *count, size_t n)
{
	double mx = 0, my = 0, sxx = 0, syy = 0, sxy = 0;

	for (size_t i = 0; i < n; i++) {
		mx += count[i] * x[i];
		my += count[i] * y[i];
	}
	mx /= (double)n;
	my /= (double)n;
	for (size_t i = 0; i < n; i++) {
		double dx = x[i] - mx, dy = y[i] - my;

		sxx += count[i] * dx * dx;
		syy += count[i] * dy * dy;
		sxy += count[i] * dx * dy;
	}
	return sxx > 0 && syy > 0 ? fmin(fmax(sxy / (sqrt(sxx) * sqrt(syy)), -1), 1) : NAN;
}

static struct od_interval
interval_of(double *values, int n, double level)
{
	size_t k = od_sort(values, (size_t)n);

	if (k == 0)
		return (struct od_interval){ NAN, NAN };
	return (struct od_interval){ od_quantile(values, k, (1 - level) / 2), od_quantile(values, k, (1 + level) / 2) };
}

static enum od_status
resample(struct sample *s, int resamples, double level, uint64_t seed, struct od_correlation *out, struct od_error *err)
{
	double *r;
	enum od_status st = od_alloc(&r, (size_t)resamples, 2 * sizeof *r, "a bootstrap", err);

	if (st != OD_OK)
		return st;
	for (int i = 0; i < resamples; i++) {
		draw(s, seed, i);
		count_ranks(&s->side[0], s->count, s->n);
		count_ranks(&s->side[1], s->count, s->n);
		r[i] = counted_pearson(s->side[0].x, s->side[1].x, s->count, s->n);
		r[resamples + i] = counted_pearson(s->side[0].rank, s->side[1].rank, s->count, s->n);
	}
	out->r_ci = interval_of(r, resamples, level);
	out->rho_ci = interval_of(r + resamples, resamples, level);
	free(r);
	return OD_OK;
}

enum od_status
od_bootstrap_correlation(const double *x, const double *y, size_t n, int resamples, double level, uint64_t seed,
	struct od_correlation *out, struct od_error *err)
{
	struct od_correlation c = { .r = NAN, .rho = NAN, .r_ci = { NAN, NAN }, .rho_ci = { NAN, NAN } };
	struct sample s = { .n = 0 };
	enum od_status st = collect(&s, x, y, n, err);

	if (st == OD_OK) {
		c.n = (int64_t)s.n;
		c.r = od_pearson(s.side[0].x, s.side[1].x, s.n);
		st = od_spearman(s.side[0].x, s.side[1].x, s.n, &c.rho, err);
	}
	if (st == OD_OK && s.n > 1 && resamples > 0)
		st = resample(&s, resamples, level, seed, &c, err);
	if (st == OD_OK)
		*out = c;
	release(&s);
	return st;
}
