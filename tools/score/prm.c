/* prm.c -- od-score prm: the steps of a solution, by a process reward model. */
#include "score/prm.h"
#include "score/reward.h"

struct prm_options {
	struct score_reward_options reward;
	const char *separator;
	int aggregate;
	bool round, paper;
	uint64_t given;
};

#define T struct prm_options

enum { OPT_AGGREGATE, OPT_ROUND, OPT_SEPARATOR, OPT_PAPER };

static const struct od_opt prm_opts[] = {
	[OPT_AGGREGATE] = OD_OPT_ENUM(T, aggregate, "aggregate", "HOW", od_aggregate_names,
		"how the scores of steps make the solution's"),
	[OPT_ROUND] = OD_OPT_FLAG(T, round, "round", "round the solution's score to three decimals"),
	[OPT_SEPARATOR] = OD_OPT_STR(T, separator, "step-separator", "TEXT", "text that steps are split at (default: two line feeds)"),
	[OPT_PAPER] = OD_OPT_FLAG(T, paper, "paper", "as the paper's data: --aggregate min --round --scale 10,0, where not given"),
	OD_OPT_END
};

static const struct od_tool prm_tool = {
	"od-score", "score solutions step by step with a process reward model", "prm [OPTION...] --model DIR [FILE...]",
	"The model is a Qwen2ForProcessRewardModel, such as Qwen2.5-Math-PRM-7B. Adds score, step_scores and first_error to each\n"
	"response."
};

static void
settle(void *options, struct score_responses_options *common)
{
	struct prm_options *o = options;

	if (!o->paper)
		return;
	o->round = true;
	if (!(o->given >> OPT_AGGREGATE & 1))
		o->aggregate = OD_AGGREGATE_MIN;
	if (!common->scale)
		common->scale = "10,0";
}

static enum od_status
open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common, struct od_error *err)
{
	struct prm_options *o = options;
	struct od_prm_options prm = { .separator = o->separator, .aggregate = (enum od_aggregate)o->aggregate, .round = o->round };
	enum od_status st = score_reward_settle(&o->reward, common, &prm.model, err);

	return st == OD_OK ? od_prm_open(out, &prm, err) : st;
}

int
od_score_prm(int argc, char **argv)
{
	struct prm_options o = { .reward = SCORE_REWARD_INIT };
	struct od_opt_group groups[] = {
		{ "Steps", prm_opts, &o, &o.given },
		{ "Reward model", score_reward_opts, &o.reward, NULL },
		{ "Device", od_device_opts, &o.reward.device, NULL },
	};

	return score_reward_main(&o.reward, &(struct score_expert){ .tool = &prm_tool, .groups = groups, .n_groups = 3,
		.settle = settle, .open = open_expert, .options = &o }, argc, argv);
}
