/* armorm.h -- ArmoRM as an expert: rewards for 19 objectives, weighed by a gate that reads the prompt.
 *
 * Llama-3's template, no system turn of its own. The gate reads the hidden state of the <|eot_id|> that closes the turn before the
 * response; rewards are read at the last token, the <|eot_id|> that closes the response. Formulas: model/reward.h.
 *
 * Added to a response: rewards (objectives in the model's order, od-score(1) names them), with 'gating' also the gate's weights.
 */
#ifndef OD_SCORE_ARMORM_H
#define OD_SCORE_ARMORM_H

#include <stdbool.h>

#include "score/reward_model.h"

struct od_armorm_options {
	struct od_reward_model_options model;      /* model.chat is not used */
	bool gating;
};

/* OD_EMISMATCH when DIR is not a gated reward model or its tokenizer lacks a token of the template. */
OD_MUST_CHECK enum od_status od_armorm_open(struct od_response_expert **out, const struct od_armorm_options *o,
	struct od_error *err);

#endif
