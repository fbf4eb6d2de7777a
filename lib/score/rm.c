#include "score/rm.h"

#include <stdlib.h>

#include "base/mem.h"

struct rm {
	struct od_response_expert base;
	struct od_reward_model m;
};

static enum od_status
prepare(void *expert, const struct od_ask *a, struct od_reading *r, struct od_error *err)
{
	struct rm *rm = expert;
	enum od_status st = od_reward_model_render(&rm->m, a->prompt, a->text, a->len, err);

	if (st == OD_OK)
		st = od_reward_model_encode(&rm->m, r, err);
	if (st == OD_OK && !r->ids.n)
		st = od_fail(err, OD_EFORMAT, "prompt and response are empty");
	return st == OD_OK ? od_reading_add(r, r->ids.n - 1, err) : st;
}

static void
finish(void *expert, const struct od_reading *r, struct od_answer *answer)
{
	(void)expert;
	answer->score = r->out[0];
}

static enum od_status
score(struct od_response_expert *e, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	static const struct od_reward_scorer scorer = { prepare, finish };
	struct rm *rm = (struct rm *)e;

	return od_reward_model_score(&rm->m, asks, n, answers, &scorer, rm, err);
}

static void
describe(const struct od_response_expert *e, struct od_buf *out)
{
	od_reward_model_describe(&((const struct rm *)e)->m, out);
}

static void
summary(const struct od_response_expert *e, struct od_buf *out)
{
	od_reward_model_summary(&((const struct rm *)e)->m, out);
}

static void
close_rm(struct od_response_expert *e)
{
	struct rm *rm = (struct rm *)e;

	od_reward_model_close(&rm->m);
	free(rm);
}

enum od_status
od_rm_open(struct od_response_expert **out, const struct od_reward_model_options *o, struct od_error *err)
{
	struct rm *rm = NULL;
	enum od_status st = od_alloc(&rm, 1, sizeof *rm, "an expert", err);

	if (st != OD_OK)
		return st;
	rm->base = (struct od_response_expert){ "rm", OD_REWARD_WINDOW, score, NULL, describe, summary, close_rm };
	st = od_reward_model_open(&rm->m, o, OD_HEAD_SCALAR, "rm", err);
	if (st == OD_OK)
		*out = &rm->base;
	else
		close_rm(&rm->base);
	return st;
}
