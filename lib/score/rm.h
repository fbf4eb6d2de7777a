/* rm.h -- a reward model of one number as an expert: LlamaForSequenceClassification, Qwen2ForSequenceClassification,
 * Gemma2ForSequenceClassification with one label, and Qwen2ForRewardModel.
 *
 * The dialogue is rendered by the model's chat template as far as the template goes after the response; the score is read at its
 * last token. The record's system turns stay.
 */
#ifndef OD_SCORE_RM_H
#define OD_SCORE_RM_H

#include "score/reward_model.h"

/* OD_EMISMATCH when DIR is not such a model. */
OD_MUST_CHECK enum od_status od_rm_open(struct od_response_expert **out, const struct od_reward_model_options *o,
	struct od_error *err);

#endif
