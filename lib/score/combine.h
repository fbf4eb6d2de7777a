/* combine.h -- the expert that makes one score of several that other experts have left under names (od-score --name): member
 * scores.NAME of a response.
 *
 * With weights w_k > 0 and the named scores s_k of a response:
 *   mean      sum w_k s_k / sum w_k
 *   min       the least w_k s_k: the weights bring the scores to one scale
 *   product   prod s_k^w_k, of scores that are not negative
 *   rank      the mean of ranks among the record's candidates, 0 (worst) to 1 (best), equal scores sharing theirs; 1/2 when alone
 *   zscore    the mean of (s_k - mean) / deviation among the record's candidates; 0 where they all score the same
 * rank and zscore compare the candidates of a record with each other, whatever scales the experts have; over a pair they can only
 * say who wins. The score blocks of the named scores must be the same in all records (OD_EMISMATCH ends the run).
 */
#ifndef OD_SCORE_COMBINE_H
#define OD_SCORE_COMBINE_H

#include "score/response.h"

enum od_combine_how { OD_COMBINE_MEAN, OD_COMBINE_MIN, OD_COMBINE_PRODUCT, OD_COMBINE_RANK, OD_COMBINE_ZSCORE };
extern const char *const od_combine_names[];       /* NULL-terminated, in enum order, for options */

/* weights: "prm=0.7,verify=3"; a name alone weighs 1. OD_EUSAGE saying what is wrong with it. */
OD_MUST_CHECK enum od_status od_combine_open(struct od_response_expert **out, const char *weights, enum od_combine_how how,
	struct od_error *err);

#endif
