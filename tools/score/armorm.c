/* armorm.c -- od-score armorm: responses by ArmoRM, objectives weighed by a gate. */
#include "score/armorm.h"
#include "score/reward.h"

struct armorm_options {
	struct score_reward_options reward;
	bool gating;
};

static const struct od_opt armorm_opts[] = {
	OD_OPT_FLAG(struct armorm_options, gating, "gating", "also add the weights of the objectives"),
	OD_OPT_END
};

static const struct od_tool armorm_tool = {
	"od-score", "score responses with ArmoRM", "armorm [OPTION...] --model DIR [FILE...]",
	"The model is a LlamaForRewardModelWithGating, such as ArmoRM-Llama3-8B-v0.1. Adds score and\n"
	"rewards to each response."
};

static enum od_status
open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common, struct od_error *err)
{
	struct armorm_options *o = options;
	struct od_armorm_options armorm = { .gating = o->gating };
	enum od_status st = score_reward_settle(&o->reward, common, &armorm.model, err);

	return st == OD_OK ? od_armorm_open(out, &armorm, err) : st;
}

int
od_score_armorm(int argc, char **argv)
{
	struct armorm_options o = { .reward = SCORE_REWARD_INIT };
	struct od_opt_group groups[] = {
		{ "Objectives", armorm_opts, &o, NULL },
		{ "Reward model", score_reward_opts, &o.reward, NULL },
		{ "Device", od_device_opts, &o.reward.device, NULL },
	};

	return score_reward_main(&o.reward, &(struct score_expert){ .tool = &armorm_tool, .groups = groups, .n_groups = 3,
		.open = open_expert, .options = &o }, argc, argv);
}
