/* rm.c -- od-score rm: responses by a reward model of one number. */
#include "score/rm.h"
#include "score/reward.h"

struct rm_options {
	struct score_reward_options reward;
	const char *chat_template, *date;
};

#define T struct rm_options

static const struct od_opt rm_opts[] = {
	OD_OPT_STR(T, chat_template, "chat-template", "NAME", "chat template (default: the tokenizer's own, recognised)"),
	OD_OPT_STR(T, date, "date", "TEXT", "date that templates with one show (default: the family's)"),
	OD_OPT_END
};

static const struct od_tool rm_tool = {
	"od-score", "score responses with a reward model of one number", "rm [OPTION...] --model DIR [FILE...]",
	"The model is a LlamaForSequenceClassification, Qwen2ForSequenceClassification or\n"
	"Gemma2ForSequenceClassification of one label, or a Qwen2ForRewardModel."
};

static enum od_status
open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common, struct od_error *err)
{
	struct rm_options *o = options;
	struct od_reward_model_options model = { .chat = o->chat_template, .date = o->date };
	enum od_status st = score_reward_settle(&o->reward, common, &model, err);

	return st == OD_OK ? od_rm_open(out, &model, err) : st;
}

int
od_score_rm(int argc, char **argv)
{
	struct rm_options o = { .reward = SCORE_REWARD_INIT };
	struct od_opt_group groups[] = {
		{ "Text", rm_opts, &o, NULL },
		{ "Reward model", score_reward_opts, &o.reward, NULL },
		{ "Device", od_device_opts, &o.reward.device, NULL },
	};

	return score_reward_main(&o.reward, &(struct score_expert){ .tool = &rm_tool, .groups = groups, .n_groups = 3,
		.open = open_expert, .options = &o }, argc, argv);
}
