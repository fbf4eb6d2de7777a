#include "score/reformat_expert.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct reformat_expert {
	struct od_response_expert base;
	struct od_response_expert *inner;
	struct od_reformat *reformat;
	const char *model;
	struct od_reformatted *text;               /* [cap] */
	struct od_ask *asks;                       /* [cap_asks] those that go on */
	struct od_answer *answers;                 /* [cap_answers] */
	size_t cap, cap_asks, cap_answers;
};

static enum od_status
reserve(struct reformat_expert *e, size_t n, struct od_error *err)
{
	size_t had[2] = { e->cap, e->cap_answers };

	if (!od_grow(&e->text, &e->cap, n, sizeof *e->text) || !od_grow(&e->asks, &e->cap_asks, n, sizeof *e->asks) ||
	    !od_grow(&e->answers, &e->cap_answers, n, sizeof *e->answers))
		return od_fail_nomem(err, "responses", n * sizeof *e->answers);
	memset(e->text + had[0], 0, (e->cap - had[0]) * sizeof *e->text);
	memset(e->answers + had[1], 0, (e->cap_answers - had[1]) * sizeof *e->answers);
	return OD_OK;
}

/* The inner answer, with the text it is about. */
static void
take_answer(struct od_answer *to, struct od_answer *from, const struct od_reformatted *text)
{
	to->status = from->status;
	to->err = from->err;
	to->score = from->score;
	od_buf_append(&to->members, from->members.data ? from->members.data : "", from->members.len);
	od_buf_str(&to->members, ",\"reformatted\":");
	od_buf_json_string(&to->members, text->text.data ? text->text.data : "", text->text.len);
}

/* Asks for those responses that have a new shape; returns how many. */
static size_t
ask_of(struct reformat_expert *e, const struct od_ask *asks, size_t n)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		if (e->text[i].status != OD_OK)
			continue;
		e->asks[m] = asks[i];
		e->asks[m].text = e->text[i].text.data ? e->text[i].text.data : "";
		e->asks[m].len = e->text[i].text.len;
		od_buf_clear(&e->answers[m].members);
		e->answers[m].status = OD_OK;
		m++;
	}
	return m;
}

static enum od_status
score(struct od_response_expert *base, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	struct reformat_expert *e = (struct reformat_expert *)base;
	enum od_status st = reserve(e, n, err);
	size_t m, at = 0;

	if (st == OD_OK)
		st = od_reformat_steps(e->reformat, asks, n, e->text, err);
	m = st == OD_OK ? ask_of(e, asks, n) : 0;
	if (st == OD_OK && m)
		st = e->inner->score(e->inner, e->asks, m, e->answers, err);
	for (size_t i = 0; st == OD_OK && i < n; i++)
		if (e->text[i].status == OD_OK)
			take_answer(&answers[i], &e->answers[at++], &e->text[i]);
		else {
			answers[i].status = e->text[i].status;
			answers[i].err = e->text[i].err;
		}
	return st;
}

static enum od_status
finish(struct od_response_expert *base, struct od_error *err)
{
	struct reformat_expert *e = (struct reformat_expert *)base;

	return e->inner->finish ? e->inner->finish(e->inner, err) : OD_OK;
}

static void
describe(const struct od_response_expert *base, struct od_buf *out)
{
	const struct reformat_expert *e = (const struct reformat_expert *)base;

	e->inner->describe(e->inner, out);
	od_buf_str(out, ",\"reformat_model\":");
	od_buf_json_string(out, e->model, strlen(e->model));
	od_buf_printf(out, ",\"reformat_rubric\":\"%s\"", od_reformat_hash(e->reformat));
}

static void
summary(const struct od_response_expert *base, struct od_buf *out)
{
	const struct reformat_expert *e = (const struct reformat_expert *)base;

	if (e->inner->summary)
		e->inner->summary(e->inner, out);
	od_buf_str(out, out->len ? "; split into steps: " : "split into steps: ");
	od_openai_summary(od_reformat_service(e->reformat), 0, 0, out);
}

static void
close_expert(struct od_response_expert *base)
{
	struct reformat_expert *e = (struct reformat_expert *)base;

	for (size_t i = 0; i < e->cap; i++)
		od_buf_release(&e->text[i].text);
	for (size_t i = 0; i < e->cap_answers; i++)
		od_buf_release(&e->answers[i].members);
	free(e->text);
	free(e->asks);
	free(e->answers);
	od_reformat_close(e->reformat);
	e->inner->close(e->inner);
	free(e);
}

enum od_status
od_reformat_expert_open(struct od_response_expert **out, struct od_response_expert *inner, struct od_reformat *reformat,
	const char *model, struct od_error *err)
{
	struct reformat_expert *e = od_calloc(1, sizeof *e);

	if (!e) {
		od_reformat_close(reformat);
		inner->close(inner);
		return od_fail_nomem(err, "an expert", sizeof *e);
	}
	e->base = (struct od_response_expert){ .name = inner->name, .window = inner->window, .score = score, .finish = finish,
		.describe = describe, .summary = summary, .close = close_expert };
	e->inner = inner;
	e->reformat = reformat;
	e->model = model;
	*out = &e->base;
	return OD_OK;
}
