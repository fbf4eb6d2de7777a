/* pairs.c -- see pairs.h. */
#include "bench/pairs.h"

#include <math.h>

const struct od_sheet_column od_bench_pairs_columns[OD_BENCH_PAIRS_COLUMNS] = {
	{ "loss", "loss" },
	{ "accuracy", "ranking accuracy (log-prob per token)" },
	{ "reward_accuracy", "reward accuracy" },
	{ "margin", "implicit reward margin" },
	{ "change_chosen", "log-prob change, chosen" },
	{ "change_rejected", "log-prob change, rejected" },
	{ "logps_chosen", "log-prob per token, chosen" },
	{ "logps_rejected", "log-prob per token, rejected" },
	{ "w_qual", "quality weight" },
	{ "w_perf", "performance weight" },
	{ "z", "logsigmoid's argument z" },
	{ "gate", "c-NLL gate" },
	{ "nll", "c-NLL term" },
};

/* 1 or 0 for a > b; NaN when it cannot be said. */
static double
above(double a, double b)
{
	return isnan(a) || isnan(b) ? NAN : a > b;
}

void
od_bench_pairs_row(const struct od_objective *o, const struct od_pair_quantities *q, double *row)
{
	struct od_pair_loss l = od_objective_eval(o, q);
	double chosen = q->logp_chosen / q->n_chosen, rejected = q->logp_rejected / q->n_rejected;
	const double values[OD_BENCH_PAIRS_COLUMNS] = { l.loss, above(chosen, rejected), above(l.margin, 0), l.margin,
		q->logp_chosen - q->ref_chosen, q->logp_rejected - q->ref_rejected, chosen, rejected, l.w_qual, l.w_perf, l.z,
		l.gate, l.nll };

	for (int c = 0; c < OD_BENCH_PAIRS_COLUMNS; c++)
		row[c] = isfinite(values[c]) ? values[c] : NAN;
}
