#include "score/prm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

#define STEP_TOKEN "<extra_0>"
#define ROOM 6                                     /* tokens that a cut dialogue stays below the limit */
#define GOOD 0.5                                   /* a step below it is an error */

const char *const od_aggregate_names[] = { "min", "product", "mean", "last", NULL };

struct prm {
	struct od_response_expert base;
	struct od_reward_model m;
	enum od_aggregate aggregate;
	bool round;
	char *separator;
	int32_t step, turn_end, text_end;          /* ids of <extra_0>, <|im_end|>, <|endoftext|> */
	struct od_buf joined;
};

/* Each step followed by the token that asks for its score. */
static void
join_steps(struct prm *p, const char *text, size_t len)
{
	size_t n = strlen(p->separator);
	const char *at;

	od_buf_clear(&p->joined);
	while ((at = memmem(text, len, p->separator, n)) != NULL) {
		od_buf_append(&p->joined, text, (size_t)(at - text));
		od_buf_str(&p->joined, STEP_TOKEN);
		len -= (size_t)(at - text) + n;
		text = at + n;
	}
	od_buf_append(&p->joined, text, len);
	od_buf_str(&p->joined, STEP_TOKEN);
}

static enum od_status
check_response(const struct od_ask *a, struct od_error *err)
{
	if (!a->len)
		return od_fail(err, OD_EFORMAT, "response is empty: it has no steps");
	if (memmem(a->text, a->len, STEP_TOKEN, strlen(STEP_TOKEN)))
		return od_fail(err, OD_EFORMAT, "response holds the text '%s', which ends a step", STEP_TOKEN);
	return OD_OK;
}

static enum od_status
cut(const struct prm *p, struct od_reading *r, struct od_error *err)
{
	struct od_ids *ids = &r->ids;
	size_t most = p->m.max_length > ROOM ? (size_t)p->m.max_length - ROOM : 0;

	if (ids->n <= most)
		return OD_OK;
	if (most < (size_t)r->shared + 2)
		return od_fail(err, OD_EFORMAT, "prompt of %d tokens leaves no room for a step: the limit is %lld", r->shared,
			(long long)p->m.max_length);
	r->truncated = true;
	ids->n = most;
	ids->id[most - 2] = p->step;
	ids->id[most - 1] = p->turn_end;
	ids->id[ids->n++] = p->text_end;
	return OD_OK;
}

static enum od_status
prepare(void *expert, const struct od_ask *a, struct od_reading *r, struct od_error *err)
{
	struct prm *p = expert;
	struct od_buf *text = &p->m.text;
	enum od_status st = check_response(a, err);

	if (st != OD_OK)
		return st;
	join_steps(p, a->text, a->len);
	if (!od_buf_ok(&p->joined))
		return od_fail_nomem(err, "the steps of a response", a->len);
	st = od_reward_model_render(&p->m, a->prompt, p->joined.data, p->joined.len, err);
	if (st != OD_OK)
		return st;
	text->len--;                               /* the line feed after <|im_end|> */
	od_buf_str(text, "<|endoftext|>");
	st = od_reward_model_encode(&p->m, r, err);
	if (st == OD_OK)
		st = cut(p, r, err);
	for (size_t i = (size_t)r->shared; st == OD_OK && i < r->ids.n; i++)
		if (r->ids.id[i] == p->step)
			st = od_reading_add(r, i, err);
	return st;
}

static double
aggregate(enum od_aggregate how, const float *steps, size_t n)
{
	double low = steps[0], product = 1, sum = 0;

	for (size_t i = 0; i < n; i++) {
		low = steps[i] < low ? steps[i] : low;
		product *= steps[i];
		sum += steps[i];
	}
	switch (how) {
	case OD_AGGREGATE_PRODUCT:
		return product;
	case OD_AGGREGATE_MEAN:
		return sum / (double)n;
	case OD_AGGREGATE_LAST:
		return steps[n - 1];
	default:
		return low;
	}
}

/* To three decimals, ties of the exact value to even. */
static double
rounded(double v)
{
	char text[OD_NUM_TEXT];

	snprintf(text, sizeof text, "%.3f", v);
	return strtod(text, NULL);
}

static void
finish(void *expert, const struct od_reading *r, struct od_answer *answer)
{
	const struct prm *p = expert;
	double score = aggregate(p->aggregate, r->out, r->n_at);
	size_t bad = 0;

	while (bad < r->n_at && r->out[bad] >= GOOD)
		bad++;
	answer->score = p->round ? rounded(score) : score;
	od_buf_str(&answer->members, ",\"step_scores\":");
	od_buf_floats(&answer->members, r->out, r->n_at);
	od_buf_printf(&answer->members, ",\"first_error\":%d", bad < r->n_at ? (int)bad : -1);
	if (r->truncated)
		od_buf_str(&answer->members, ",\"truncated\":true");
}

static enum od_status
score(struct od_response_expert *e, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	static const struct od_reward_scorer scorer = { prepare, finish };
	struct prm *p = (struct prm *)e;

	return od_reward_model_score(&p->m, asks, n, answers, &scorer, p, err);
}

static void
describe(const struct od_response_expert *e, struct od_buf *out)
{
	const struct prm *p = (const struct prm *)e;

	od_reward_model_describe(&p->m, out);
	od_buf_str(out, ",\"separator\":");
	od_buf_json_string(out, p->separator, strlen(p->separator));
	od_buf_printf(out, ",\"aggregate\":\"%s\",\"round\":%s,\"max_length\":%lld", od_aggregate_names[p->aggregate],
		p->round ? "true" : "false", (long long)p->m.max_length);
}

static void
summary(const struct od_response_expert *e, struct od_buf *out)
{
	od_reward_model_summary(&((const struct prm *)e)->m, out);
}

static void
close_prm(struct od_response_expert *e)
{
	struct prm *p = (struct prm *)e;

	od_reward_model_close(&p->m);
	od_buf_release(&p->joined);
	free(p->separator);
	free(p);
}

static enum od_status
find_tokens(struct prm *p, const char *dir, struct od_error *err)
{
	enum od_status st = od_reward_model_token(&p->m, dir, STEP_TOKEN, &p->step, err);

	if (st == OD_OK)
		st = od_reward_model_token(&p->m, dir, "<|im_end|>", &p->turn_end, err);
	return st == OD_OK ? od_reward_model_token(&p->m, dir, "<|endoftext|>", &p->text_end, err) : st;
}

enum od_status
od_prm_open(struct od_response_expert **out, const struct od_prm_options *o, struct od_error *err)
{
	struct od_reward_model_options model = o->model;
	struct prm *p = NULL;
	enum od_status st;

	if (o->separator && !*o->separator)
		return od_fail(err, OD_EUSAGE, "option '--step-separator' is empty: steps are split at a text");
	st = od_alloc(&p, 1, sizeof *p, "an expert", err);
	if (st != OD_OK)
		return st;
	p->base = (struct od_response_expert){ "prm", OD_REWARD_WINDOW, score, NULL, describe, summary, close_prm };
	p->aggregate = o->aggregate;
	p->round = o->round;
	p->separator = od_strdup(o->separator ? o->separator : "\n\n");
	p->m.own_system = true;
	model.chat = "qwen25-math";
	st = p->separator ? od_reward_model_open(&p->m, &model, OD_HEAD_PROCESS, "prm", err) : od_fail_nomem(err, "an expert", 0);
	if (st == OD_OK)
		st = find_tokens(p, model.dir, err);
	if (st == OD_OK)
		*out = &p->base;
	else
		close_prm(&p->base);
	return st;
}
