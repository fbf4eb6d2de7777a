/* compare.h -- two experts on the same pairs: do they order them alike, and what becomes of the quality weight
 * w_qual = sigmoid(eta (S_w - S_l)) when one takes the place of the other? (The paper asks whether a stronger expert gives better
 * weights.)
 *
 * The margin of a pair is S_w - S_l. eta and tau_good are on the experts' scales, so both should be on the same (od-score --scale).
 */
#ifndef OD_PREF_COMPARE_H
#define OD_PREF_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "stats/describe.h"
#include "stats/resample.h"

#define OD_COMPARE_QUANTILES 7
extern const double od_compare_levels[OD_COMPARE_QUANTILES];     /* 0, 0.05, 0.25, 0.5, 0.75, 0.95, 1 */

struct od_compare_options {
	double eta, tau_good;
	int resamples;
	uint64_t seed;
};

/* Scores of n pairs, finite; borrowed. */
struct od_expert_scores {
	const double *chosen, *rejected;
};

struct od_expert_figures {
	struct od_moments margin, w_qual;
	int64_t up, down, ties;                    /* margins above, below, at 0 */
	int64_t good;                              /* pairs with S_w >= tau_good */
};

struct od_comparison {
	size_t n;
	struct od_expert_figures expert[2];
	struct od_correlation margins;
	int64_t flips[2];                          /* [0]: up under the first, down under the second; [1]: the other way */
	int64_t good_both;                         /* S_w >= tau_good under both */
	struct od_moments change, size;            /* of w_qual, second minus first; and of its absolute value */
	struct od_interval change_ci;              /* of the mean change, 95 % */
	double quantile[OD_COMPARE_QUANTILES];     /* of the change */
	size_t *largest;                           /* [n] the pairs by falling size of the change */
};

#define OD_COMPARISON_INIT { .n = 0, .largest = NULL }

OD_MUST_CHECK enum od_status od_compare_experts(struct od_comparison *out, const struct od_expert_scores s[2], size_t n,
	const struct od_compare_options *o, struct od_error *err);
void od_comparison_release(struct od_comparison *c);

#endif
