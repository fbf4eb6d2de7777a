/* logistic.c -- see logistic.h. */
#include "stats/logistic.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MAX_NEWTON = 200, MAX_SWEEPS = 1000, MAX_HALVINGS = 60, P = OD_LOGISTIC_MAX_FEATURES };

#define TOLERANCE 1e-12

/* log sigmoid(z) = -log(1 + exp(-z)), written so that the exponential never overflows and no digit is lost where the
 * result is tiny (z >> 0) or nearly z (z << 0). */
double
od_log_sigmoid(double z)
{
	return z >= 0 ? -log1p(exp(-z)) : z - log1p(exp(z));
}

/* sigmoid(z); for z << 0 it is exp(z) to full relative precision. */
double
od_sigmoid(double z)
{
	double e = exp(-fabs(z));

	return z >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/* log(1 + e^z) - y z, which is -(y log s + (1 - y) log(1 - s)) for s = sigmoid(z). */
static double
row_loss(double z, double y)
{
	return -od_log_sigmoid(-z) - y * z;
}

static double
row_z(const struct od_logistic_data *d, size_t i, const double *b)
{
	double z = 0;

	for (size_t j = 0; j < d->p; j++)
		z += d->x[i * d->p + j] * b[j];
	return z;
}

static double
objective(const struct od_logistic_data *d, double C, const double *b)
{
	double loss = 0, norm = 0;

	for (size_t i = 0; i < d->n; i++)
		if (d->w[i] > 0)
			loss += d->w[i] * row_loss(row_z(d, i, b), d->y[i]);
	for (size_t j = 0; j < d->p; j++)
		norm += fabs(b[j]);
	return norm + C * loss;
}

/* Gradient g[p] and Hessian h[p, p] of the smooth part at b. */
static void
derivatives(const struct od_logistic_data *d, double C, const double *b, double *g, double *h)
{
	size_t p = d->p;

	memset(g, 0, p * sizeof *g);
	memset(h, 0, p * p * sizeof *h);
	for (size_t i = 0; i < d->n; i++) {
		const double *x = d->x + i * p;
		double s, slope, curve;

		if (d->w[i] <= 0)
			continue;
		s = od_sigmoid(row_z(d, i, b));
		slope = C * d->w[i] * (s - d->y[i]);
		curve = C * d->w[i] * s * (1 - s);
		for (size_t j = 0; j < p; j++) {
			g[j] += slope * x[j];
			for (size_t k = 0; k < p; k++)
				h[j * p + k] += curve * x[j] * x[k];
		}
	}
}

static double
soft_threshold(double v, double t)
{
	return v > t ? v - t : v < -t ? v + t : 0;
}

/* step[p]: the minimiser of |b + step|_1 + g.step + step.h.step/2, coordinate by coordinate. */
static void
lasso_step(size_t p, const double *b, const double *g, const double *h, double *step)
{
	memset(step, 0, p * sizeof *step);
	for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
		double moved = 0;

		for (size_t j = 0; j < p; j++) {
			double curve = h[j * p + j] + 1e-12, slope = g[j], next;

			for (size_t k = 0; k < p; k++)
				slope += h[j * p + k] * step[k];
			next = soft_threshold(b[j] + step[j] - slope / curve, 1 / curve) - b[j];
			moved = fmax(moved, fabs(next - step[j]));
			step[j] = next;
		}
		if (moved < TOLERANCE)
			return;
	}
}

/* Goes as far along the step as the objective falls; returns by how much it fell. */
static double
descend(const struct od_logistic_data *d, double C, double *b, const double *step, double *value)
{
	double next[P], before = *value;

	for (double share = 1; share > ldexp(1, -MAX_HALVINGS); share /= 2) {
		for (size_t j = 0; j < d->p; j++)
			next[j] = b[j] + share * step[j];
		*value = objective(d, C, next);
		if (*value < before) {
			memcpy(b, next, d->p * sizeof *b);
			return before - *value;
		}
	}
	*value = before;
	return 0;
}

static enum od_status
check(const struct od_logistic_data *d, double C, struct od_error *err)
{
	if (d->p == 0 || d->p > P)
		return od_fail(err, OD_EUSAGE, "a regression of %zu features; 1 to %d are possible", d->p, P);
	if (!(C > 0) || !isfinite(C))
		return od_fail(err, OD_EUSAGE, "a regression's C must be above 0, not %g", C);
	for (size_t i = 0; i < d->n; i++) {
		bool good = d->y[i] >= 0 && d->y[i] <= 1 && d->w[i] >= 0 && isfinite(d->w[i]);

		for (size_t j = 0; j < d->p; j++)
			good = good && isfinite(d->x[i * d->p + j]);
		if (!good)
			return od_fail(err, OD_EFORMAT, "row %zu of a regression has a number out of range", i);
	}
	return OD_OK;
}

enum od_status
od_logistic_l1(const struct od_logistic_data *d, double C, double *b, struct od_error *err)
{
	double g[P], h[P * P], step[P], value;
	enum od_status st = check(d, C, err);

	if (st != OD_OK)
		return st;
	memset(b, 0, d->p * sizeof *b);
	value = objective(d, C, b);
	for (int i = 0; i < MAX_NEWTON; i++) {
		double size = 0;

		derivatives(d, C, b, g, h);
		lasso_step(d->p, b, g, h, step);
		for (size_t j = 0; j < d->p; j++)
			size = fmax(size, fabs(step[j]) / (1 + fabs(b[j])));
		if (size < TOLERANCE || descend(d, C, b, step, &value) <= 0)
			return OD_OK;
	}
	return od_fail(err, OD_ENUMERIC, "a regression did not converge in %d steps", MAX_NEWTON);
}

/* Minus the weighted mean log loss of the rows of fold k. */
static double
held_out_score(const struct od_logistic_data *d, const double *b, const int *fold, int k)
{
	double loss = 0, weight = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (fold[i] != k)
			continue;
		loss += d->w[i] * row_loss(row_z(d, i, b), d->y[i]);
		weight += d->w[i];
	}
	return weight > 0 ? -loss / weight : 0;
}

enum od_status
od_logistic_choose_c(const struct od_logistic_data *d, const int *fold, int n_folds, const double *cs, int n_cs, double *best,
	struct od_error *err)
{
	double *w = NULL, b[P], best_score = -INFINITY;
	struct od_logistic_data part = *d;
	enum od_status st = od_alloc(&w, d->n, sizeof *w, "weights", err);

	part.w = w;
	for (int c = 0; st == OD_OK && c < n_cs; c++) {
		double score = 0;

		for (int k = 0; st == OD_OK && k < n_folds; k++) {
			for (size_t i = 0; i < d->n; i++)
				w[i] = fold[i] == k ? 0 : d->w[i];
			st = od_logistic_l1(&part, cs[c], b, err);
			if (st == OD_OK)
				score += held_out_score(d, b, fold, k) / n_folds;
		}
		if (st == OD_OK && score > best_score) {
			best_score = score;
			*best = cs[c];
		}
	}
	free(w);
	return st;
}
