/* reward.h -- what the sub-commands prm, armorm and rm share: where the reward model is and where it runs. */
#ifndef OD_TOOLS_SCORE_REWARD_H
#define OD_TOOLS_SCORE_REWARD_H

#include <stdint.h>

#include "common/device_opts.h"
#include "score/reward_model.h"
#include "score/score.h"

struct score_reward_options {
	const char *model;
	int64_t max_length, batch_tokens;
	struct od_device_options device;
	struct od_backend *be;                     /* open from score_reward_settle to score_reward_main's end */
};

#define SCORE_REWARD_INIT { NULL, 0, 0, OD_DEVICE_OPTIONS_INIT, NULL }

extern const struct od_opt score_reward_opts[];    /* base: struct score_reward_options */

/* Opens the backend and fills *model. OD_EUSAGE without a model. */
OD_MUST_CHECK enum od_status score_reward_settle(struct score_reward_options *o, const struct score_responses_options *common,
	struct od_reward_model_options *model, struct od_error *err);

/* score_responses_main, after which the backend is closed. */
int score_reward_main(struct score_reward_options *o, const struct score_expert *e, int argc, char **argv);

#endif
