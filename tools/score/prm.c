/* prm.c -- od-score prm: the steps of a solution, by a process reward model. */
#include "common/service_opts.h"
#include "score/prm.h"
#include "score/reformat_expert.h"
#include "score/reward.h"

struct prm_options {
	struct score_reward_options reward;
	struct od_service_options service;
	const char *separator, *reformat, *reformat_model, *reformat_rubric;
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
	OD_OPT_STR(T, reformat, "reformat", "URL", "have solutions split into steps first by the service at this base address"),
	OD_OPT_STR(T, reformat_model, "reformat-model", "NAME", "the model that splits, as the service calls it"),
	OD_OPT_STR(T, reformat_rubric, "reformat-rubric", "FILE", "what it is asked (examples/judge/steps.txt)"),
	OD_OPT_END
};

static const struct od_tool prm_tool = {
	"od-score", "score solutions step by step with a process reward model", "prm [OPTION...] --model DIR [FILE...]",
	"The model is a Qwen2ForProcessRewardModel, such as Qwen2.5-Math-PRM-7B. Adds score, step_scores and\n"
	"first_error to each response."
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

/* Puts the splitting of steps in front of the expert, which it owns from here on. */
static enum od_status
open_reformat(struct od_response_expert **out, struct od_response_expert *inner, struct prm_options *o, uint64_t seed,
	struct od_error *err)
{
	struct od_reformat_options r = { .model = o->reformat_model, .seed = -1 };
	struct od_reformat *reformat = NULL;
	enum od_status st = od_service_finish(&o->service, o->reformat, seed, &r.service, err);

	if (st == OD_OK)
		st = od_rubric_open(&r.rubric, o->reformat_rubric, NULL, false, err);
	r.extra = o->service.more;
	if (st == OD_OK)
		st = od_reformat_open(&reformat, &r, err);
	if (st == OD_OK)
		return od_reformat_expert_open(out, inner, reformat, o->reformat_model, err);
	inner->close(inner);
	return st;
}

static enum od_status
open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common, struct od_error *err)
{
	struct prm_options *o = options;
	struct od_prm_options prm = { .separator = o->separator, .aggregate = (enum od_aggregate)o->aggregate, .round = o->round };
	struct od_response_expert *inner = NULL;
	enum od_status st;

	if (o->reformat && (!o->reformat_model || !o->reformat_rubric))
		return od_fail(err, OD_EUSAGE, "option '--reformat' needs '--reformat-%s'", o->reformat_model ? "rubric" : "model");
	st = score_reward_settle(&o->reward, common, &prm.model, err);
	if (st == OD_OK)
		st = od_prm_open(&inner, &prm, err);
	if (st != OD_OK || !o->reformat) {
		*out = inner;
		return st;
	}
	return open_reformat(out, inner, o, common->records.seed, err);
}

int
od_score_prm(int argc, char **argv)
{
	struct prm_options o = { .reward = SCORE_REWARD_INIT, .service = OD_SERVICE_OPTIONS_INIT };
	int code;
	struct od_opt_group groups[] = {
		{ "Steps", prm_opts, &o, &o.given },
		{ "Reward model", score_reward_opts, &o.reward, NULL },
		{ "Device", od_device_opts, &o.reward.device, NULL },
		{ "Service", od_service_opts, &o.service, NULL },
	};

	code = score_reward_main(&o.reward, &(struct score_expert){ .tool = &prm_tool, .groups = groups, .n_groups = 4,
		.settle = settle, .open = open_expert, .options = &o }, argc, argv);
	od_service_release(&o.service);
	return code;
}
