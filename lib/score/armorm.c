#include "score/armorm.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct armorm {
	struct od_response_expert base;
	struct od_reward_model m;
	bool gating;
	struct od_ids pattern;                     /* <|eot_id|> and the header of a response */
};

/* Where the last turn but the response ends: the start of the pattern's last occurrence; false when there is none. */
static bool
find_gate(const struct armorm *a, const struct od_ids *ids, size_t *at)
{
	size_t n = a->pattern.n;

	for (size_t i = ids->n >= n ? ids->n - n + 1 : 0; i-- > 0;)
		if (memcmp(ids->id + i, a->pattern.id, n * sizeof *ids->id) == 0) {
			*at = i;
			return true;
		}
	return false;
}

static enum od_status
prepare(void *expert, const struct od_ask *ask, struct od_reading *r, struct od_error *err)
{
	struct armorm *a = expert;
	size_t gate = 0;
	enum od_status st = od_reward_model_render(&a->m, ask->prompt, ask->text, ask->len, err);

	if (st == OD_OK)
		st = od_reward_model_encode(&a->m, r, err);
	if (st == OD_OK && !find_gate(a, &r->ids, &gate))
		st = od_fail(err, OD_EFORMAT, "no turn ends before the response: the gate has nothing to read");
	if (st == OD_OK)
		st = od_reading_add(r, gate, err);
	return st == OD_OK ? od_reading_add(r, r->ids.n - 1, err) : st;
}

static void
finish(void *expert, const struct od_reading *r, struct od_answer *answer)
{
	const struct armorm *a = expert;
	size_t n = (size_t)od_reward_width(a->m.head);

	answer->score = od_reward_gated(a->m.head, r->out, r->out + n);
	od_buf_str(&answer->members, ",\"rewards\":");
	od_buf_floats(&answer->members, r->out + n, n);
	if (!a->gating)
		return;
	od_buf_str(&answer->members, ",\"gating\":");
	od_buf_floats(&answer->members, r->out, n);
}

static enum od_status
score(struct od_response_expert *e, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	static const struct od_reward_scorer scorer = { prepare, finish };
	struct armorm *a = (struct armorm *)e;

	return od_reward_model_score(&a->m, asks, n, answers, &scorer, a, err);
}

static void
describe(const struct od_response_expert *e, struct od_buf *out)
{
	od_reward_model_describe(&((const struct armorm *)e)->m, out);
}

static void
summary(const struct od_response_expert *e, struct od_buf *out)
{
	od_reward_model_summary(&((const struct armorm *)e)->m, out);
}

static void
close_armorm(struct od_response_expert *e)
{
	struct armorm *a = (struct armorm *)e;

	od_reward_model_close(&a->m);
	od_ids_release(&a->pattern);
	free(a);
}

static enum od_status
find_pattern(struct armorm *a, const char *dir, struct od_error *err)
{
	static const char text[] = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
	static const char *const special[] = { "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>" };
	enum od_status st = OD_OK;
	int32_t id;

	for (int i = 0; st == OD_OK && i < 3; i++)
		st = od_reward_model_token(&a->m, dir, special[i], &id, err);
	return st == OD_OK ? od_tokenizer_encode(a->m.tokenizer, text, sizeof text - 1, true, &a->pattern, err) : st;
}

enum od_status
od_armorm_open(struct od_response_expert **out, const struct od_armorm_options *o, struct od_error *err)
{
	struct od_reward_model_options model = o->model;
	struct armorm *a = NULL;
	enum od_status st = od_alloc(&a, 1, sizeof *a, "an expert", err);

	if (st != OD_OK)
		return st;
	a->base = (struct od_response_expert){ "armorm", OD_REWARD_WINDOW, score, NULL, describe, summary, close_armorm };
	a->gating = o->gating;
	model.chat = "llama3";
	st = od_reward_model_open(&a->m, &model, OD_HEAD_GATED, "armorm", err);
	if (st == OD_OK)
		st = find_pattern(a, model.dir, err);
	if (st == OD_OK)
		*out = &a->base;
	else
		close_armorm(&a->base);
	return st;
}
