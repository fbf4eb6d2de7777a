/* weights.h -- the pieces of od-inspect weights: from records to quantities, and from a sample of pairs to a summary. */
#ifndef OD_TOOLS_INSPECT_WEIGHTS_H
#define OD_TOOLS_INSPECT_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "pref/objective.h"
#include "pref/pair.h"

/* What the objective needs of a record. *from_policy: the record has a policy's log-probs of its own. OD_EFORMAT naming
 * the field that is missing. */
OD_MUST_CHECK enum od_status weights_quantities(const struct od_objective *o, const struct od_pair *p,
	struct od_pair_quantities *q, bool *from_policy, struct od_error *err);

/* One column of the summary for each quantity of a pair. */
enum weights_column {
	W_SCORE_GAP, W_MARGIN, W_LIKELIHOOD, W_QUAL, W_PERF, W_PRODUCT, W_Z, W_LOSS, W_PULL, W_NLL, W_GATE, W_SCORE, W_WEIGHT,
	W_N_COLUMNS
};

struct weights_sample {
	double *column[W_N_COLUMNS];
	size_t n, cap[W_N_COLUMNS];
	int64_t n_policy;                          /* pairs with a policy's log-probs */
};

#define WEIGHTS_SAMPLE_INIT { { NULL }, 0, { 0 }, 0 }

OD_MUST_CHECK enum od_status weights_collect(struct weights_sample *s, const struct od_objective *o,
	const struct od_pair_quantities *q, const struct od_pair_loss *l, bool from_policy, struct od_error *err);

/* Appends tables, histograms and figures for people. */
OD_MUST_CHECK enum od_status weights_describe(const struct weights_sample *s, const struct od_objective *o,
	struct od_buf *out, struct od_error *err);

/* Warnings on stderr: a constant quality weight, a tau_good that none or nearly all reach. */
void weights_warn(const struct weights_sample *s, const struct od_objective *o);

/* Draws the distributions into a .svg or .png file. */
OD_MUST_CHECK enum od_status weights_plot(const struct weights_sample *s, const char *file, struct od_error *err);

void weights_sample_release(struct weights_sample *s);

#endif
