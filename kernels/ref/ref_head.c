/* ref_head.c -- reference LM head and optimiser. */
#include "ref/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* logit[v] = h[r].w[v] through the soft-cap; dcap[v] its derivative (NULL: not wanted). */
static void
row_logits(double *logit, double *dcap, struct od_mat h, int64_t r, struct od_mat w, double cap)
{
	for (int64_t v = 0; v < w.rows; v++) {
		double s = 0, th;

		for (int64_t j = 0; j < h.cols; j++)
			s += (double)*ref_at(&h, r, j) * *ref_at(&w, v, j);
		th = cap > 0 ? tanh(s / cap) : 0;
		logit[v] = cap > 0 ? cap * th : s;
		if (dcap)
			dcap[v] = 1 - th * th;
	}
}

static double
log_sum_exp(const double *x, int64_t n)
{
	double max = -INFINITY, sum = 0;

	for (int64_t i = 0; i < n; i++)
		max = fmax(max, x[i]);
	for (int64_t i = 0; i < n; i++)
		sum += exp(x[i] - max);
	return max + log(sum);
}

void
od_ref_head_fwd(struct od_backend *be, float *logps, float *lse, struct od_mat h, struct od_mat w, float softcap,
	const struct od_targets *targets)
{
	double *logit = od_ref_scratch(be, w.rows);
	int64_t e = 0;

	if (!logit)
		return;
	for (int64_t r = 0; r < h.rows; r++) {
		double l;

		row_logits(logit, NULL, h, r, w, softcap);
		l = log_sum_exp(logit, w.rows);
		lse[r] = (float)l;
		for (; e < targets->n && targets->row[e] == r; e++)
			logps[e] = (float)(logit[targets->id[e]] - l);
	}
	free(logit);
}

/* dlogit of row r in place of its logits; returns the index after the row's entries, of which the first is e. */
static int64_t
row_gradient(double *logit, const double *dcap, int64_t n, double lse, const struct od_targets *t, const float *coef,
	int64_t r, int64_t e)
{
	int64_t first = e;
	double total = 0;

	for (; e < t->n && t->row[e] == r; e++)
		total += coef[e];
	for (int64_t v = 0; v < n; v++)
		logit[v] = -total * exp(logit[v] - lse);
	for (int64_t i = first; i < e; i++)
		logit[t->id[i]] += coef[i];
	for (int64_t v = 0; v < n; v++)
		logit[v] *= dcap[v];
	return e;
}

void
od_ref_head_bwd(struct od_backend *be, struct od_mat dh, struct od_mat dw, struct od_mat h, struct od_mat w, float softcap,
	const float *lse, const struct od_targets *targets, const float *coef)
{
	int64_t e = 0, d = h.cols;
	double *logit = od_ref_scratch(be, 2 * w.rows + d), *dcap = logit ? logit + w.rows : NULL;
	double *sums = dw.data ? od_ref_scratch(be, w.rows * d) : NULL;

	if (!logit || (dw.data && !sums))
		goto out;
	for (int64_t r = 0; r < h.rows; r++) {
		double *acc = dcap + w.rows;

		memset(acc, 0, (size_t)d * sizeof *acc);
		row_logits(logit, dcap, h, r, w, softcap);
		e = row_gradient(logit, dcap, w.rows, lse[r], targets, coef, r, e);
		for (int64_t v = 0; v < w.rows; v++)
			for (int64_t j = 0; j < d; j++) {
				acc[j] += logit[v] * *ref_at(&w, v, j);
				if (sums)
					sums[v * d + j] += logit[v] * *ref_at(&h, r, j);
			}
		for (int64_t j = 0; j < d; j++)
			*ref_at(&dh, r, j) = (float)acc[j];
	}
	for (int64_t v = 0; sums && v < w.rows; v++)
		for (int64_t j = 0; j < d; j++)
			*ref_at(&dw, v, j) = (float)(*ref_at(&dw, v, j) + sums[v * d + j]);
out:
	free(sums);
	free(logit);
}

double
od_ref_sum_squares(struct od_backend *be, const float *x, int64_t n)
{
	double s = 0;

	(void)be;
	for (int64_t i = 0; i < n; i++)
		s += (double)x[i] * x[i];
	return s;
}

void
od_ref_adamw(struct od_backend *be, float *w, float *m, float *v, const float *g, void *copy, int64_t n,
	const struct od_adamw *p)
{
	(void)be;
	(void)copy;
	for (int64_t i = 0; i < n; i++) {
		double gi = p->grad_scale * g[i];
		double mi = p->beta1 * m[i] + (1 - p->beta1) * gi, vi = p->beta2 * v[i] + (1 - p->beta2) * gi * gi;
		double wi = w[i] * (1 - p->lr * p->weight_decay);

		m[i] = (float)mi;
		v[i] = (float)vi;
		w[i] = (float)(wi - p->lr * (mi / p->bias1) / (sqrt(vi / p->bias2) + p->eps));
	}
}
