/* prm.h -- Qwen2.5-Math-PRM as an expert: a score for each step of a solution, and of those one for the solution.
 *
 * The response is split at the step separator (two line feeds), nothing stripped, empty pieces kept. Each step ends with the token
 * <extra_0>, where the model says how likely the step is good. The dialogue has the model's own system turn and ends
 * <extra_0><|im_end|><|endoftext|>.
 *
 * A dialogue of more than max_length - 6 tokens is cut there and its end overwritten: the last token but one becomes <extra_0>, the
 * last <|im_end|>, then <|endoftext|> follows; so what is left of the last step is scored where it breaks off. (The authors' data
 * were made so, at 4,096.)
 *
 * Added to a response: step_scores, first_error (index of the first step below 0.5; -1: none), truncated where it was.
 * Not scored: an empty response, one that holds <extra_0>, a prompt that leaves no room for a step.
 */
#ifndef OD_SCORE_PRM_H
#define OD_SCORE_PRM_H

#include <stdbool.h>

#include "score/reward_model.h"

enum od_aggregate { OD_AGGREGATE_MIN, OD_AGGREGATE_PRODUCT, OD_AGGREGATE_MEAN, OD_AGGREGATE_LAST };
extern const char *const od_aggregate_names[];     /* NULL-terminated, for options */

struct od_prm_options {
	struct od_reward_model_options model;      /* model.chat is not used: the template is the model's */
	const char *separator;                     /* what steps are split at; NULL: two line feeds */
	enum od_aggregate aggregate;
	bool round;                                /* the solution's score, to three places, as the authors' data have it */
};

/* OD_EMISMATCH when DIR is not a process reward model or its tokenizer lacks a token; OD_EUSAGE for an empty separator. */
OD_MUST_CHECK enum od_status od_prm_open(struct od_response_expert **out, const struct od_prm_options *o, struct od_error *err);

#endif
