/* reformat_expert.h -- an expert that sees responses only after a language model has split them into steps anew (reformat.h): what
 * stands between `od-score prm --reformat` and the model. Responses that could not be split are not scored, and say why.
 */
#ifndef OD_SCORE_REFORMAT_EXPERT_H
#define OD_SCORE_REFORMAT_EXPERT_H

#include "score/reformat.h"

/* Owns both from here on, also when it fails. model: the splitting model's name, for the score block; borrowed. Adds the member
 * "reformatted", the text that was scored. */
OD_MUST_CHECK enum od_status od_reformat_expert_open(struct od_response_expert **out, struct od_response_expert *inner,
	struct od_reformat *reformat, const char *model, struct od_error *err);

#endif
