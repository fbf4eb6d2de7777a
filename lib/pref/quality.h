/* quality.h -- do the scores of a stream fit the objective's scale? eta and tau_good are on the expert's scale, and scores
 * that are not on it go unnoticed: all pairs weigh the same, or the c-NLL never acts. Constant memory; used wherever
 * scores pass by (od-score, od-inspect weights, od-train's start).
 */
#ifndef OD_PREF_QUALITY_H
#define OD_PREF_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "pref/objective.h"
#include "stats/describe.h"

struct od_quality {
	struct od_moments w_qual, gap, chosen, rejected;   /* of the pairs seen */
	int64_t good;                                      /* chosen scores that reach tau_good */
};

#define OD_QUALITY_INIT { OD_MOMENTS_INIT, OD_MOMENTS_INIT, OD_MOMENTS_INIT, OD_MOMENTS_INIT, 0 }

/* Scores that are not finite (absent) are passed over. */
void od_quality_add(struct od_quality *q, const struct od_objective *o, double score_chosen, double score_rejected);

/* Appends the i-th warning (from 0); false when there are no more. */
bool od_quality_warning(const struct od_quality *q, const struct od_objective *o, int i, struct od_buf *out);

#endif
