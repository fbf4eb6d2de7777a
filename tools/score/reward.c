#include "score/reward.h"

#define T struct score_reward_options

const struct od_opt score_reward_opts[] = {
	OD_OPT_STR(T, model, "model", "DIR", "directory of the reward model (required)"),
	OD_OPT_INT(T, max_length, "max-length", "N", 0, 1 << 28,
		"most tokens of prompt and response together (0: as many as the model has positions)"),
	OD_OPT_INT(T, batch_tokens, "batch-tokens", "N", 0, 1 << 24,
		"tokens that run through the model at once (0: as suits the device); memory, not results, depends on it"),
	OD_OPT_END
};

enum od_status
score_reward_settle(struct score_reward_options *o, const struct score_responses_options *common,
	struct od_reward_model_options *model, struct od_error *err)
{
	enum od_status st;

	if (!o->model)
		return od_fail(err, OD_EUSAGE, "--model DIR is required");
	st = od_device_open(&o->be, &o->device, (int)common->common.threads, err);
	if (st != OD_OK)
		return st;
	model->dir = o->model;
	model->max_length = o->max_length;
	model->batch_tokens = od_device_batch_tokens(o->be, o->batch_tokens);
	model->be = o->be;
	return OD_OK;
}

int
score_reward_main(struct score_reward_options *o, const struct score_expert *e, int argc, char **argv)
{
	int rc = score_responses_main(e, argc, argv);

	od_backend_close(o->be);
	return rc;
}
