#include "pref/compare.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "pref/objective.h"

const double od_compare_levels[OD_COMPARE_QUANTILES] = { 0, 0.05, 0.25, 0.5, 0.75, 0.95, 1 };

/* Columns of the pairs. */
struct columns {
	double *margin[2], *change, *size;
};

static void
columns_release(struct columns *c)
{
	free(c->margin[0]);
	free(c->margin[1]);
	free(c->change);
	free(c->size);
}

static enum od_status
columns_alloc(struct columns *c, size_t n, struct od_error *err)
{
	double **all[] = { &c->margin[0], &c->margin[1], &c->change, &c->size };
	enum od_status st = OD_OK;

	for (size_t i = 0; i < 4 && st == OD_OK; i++)
		st = od_alloc(all[i], n, sizeof(double), "the margins of all pairs", err);
	return st;
}

static void
add_expert(struct od_expert_figures *f, double chosen, double margin, double w_qual, const struct od_compare_options *o)
{
	od_moments_add(&f->margin, margin);
	od_moments_add(&f->w_qual, w_qual);
	f->up += margin > 0;
	f->down += margin < 0;
	f->ties += margin == 0;
	f->good += chosen >= o->tau_good;
}

static void
add_pair(struct od_comparison *c, struct columns *col, const struct od_expert_scores s[2], size_t i,
	const struct od_compare_options *o)
{
	double m[2], w[2];

	for (int k = 0; k < 2; k++) {
		m[k] = col->margin[k][i] = s[k].chosen[i] - s[k].rejected[i];
		w[k] = od_sigmoid(o->eta * m[k]);
		add_expert(&c->expert[k], s[k].chosen[i], m[k], w[k], o);
	}
	col->change[i] = w[1] - w[0];
	col->size[i] = -fabs(col->change[i]);              /* negative: ascending order puts the largest first */
	od_moments_add(&c->change, col->change[i]);
	od_moments_add(&c->size, -col->size[i]);
	c->flips[0] += m[0] > 0 && m[1] < 0;
	c->flips[1] += m[0] < 0 && m[1] > 0;
	c->good_both += s[0].chosen[i] >= o->tau_good && s[1].chosen[i] >= o->tau_good;
}

/* What needs all pairs at once. Sorts the changes. */
static enum od_status
whole_sample(struct od_comparison *c, struct columns *col, const struct od_compare_options *o, struct od_error *err)
{
	enum od_status st = od_bootstrap_correlation(col->margin[0], col->margin[1], c->n, o->resamples, 0.95, o->seed, &c->margins, err);

	if (st == OD_OK)
		st = od_bootstrap_mean(col->change, c->n, o->resamples, 0.95, o->seed, &c->change_ci, err);
	if (st == OD_OK)
		st = od_alloc(&c->largest, c->n, sizeof *c->largest, "an order", err);
	if (st == OD_OK)
		st = od_order(col->size, c->n, c->largest, err);
	if (st != OD_OK)
		return st;
	od_sort(col->change, c->n);
	for (int q = 0; q < OD_COMPARE_QUANTILES; q++)
		c->quantile[q] = od_quantile(col->change, c->n, od_compare_levels[q]);
	return OD_OK;
}

enum od_status
od_compare_experts(struct od_comparison *out, const struct od_expert_scores s[2], size_t n, const struct od_compare_options *o,
	struct od_error *err)
{
	struct columns col = { .change = NULL };
	enum od_status st = columns_alloc(&col, n, err);

	*out = (struct od_comparison)OD_COMPARISON_INIT;
	out->n = n;
	for (size_t i = 0; st == OD_OK && i < n; i++)
		add_pair(out, &col, s, i, o);
	if (st == OD_OK)
		st = whole_sample(out, &col, o, err);
	columns_release(&col);
	return st;
}

void
od_comparison_release(struct od_comparison *c)
{
	free(c->largest);
	*c = (struct od_comparison)OD_COMPARISON_INIT;
}
