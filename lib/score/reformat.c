#include "score/reformat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "score/judge.h"

struct od_reformat {
	struct od_openai *service;
	struct od_rubric *rubric;
	struct od_reformat_options o;
	const struct od_ask *asks;         /* of the call that runs */
	struct od_buf instruction;
	struct od_openai_answer answer;
};

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Whether two texts differ in white space only; otherwise *at is where in b. */
static bool
same_words(const char *a, size_t n, const char *b, size_t m, size_t *at)
{
	size_t i = 0, k = 0;

	for (;;) {
		while (i < n && is_space(a[i]))
			i++;
		while (k < m && is_space(b[k]))
			k++;
		*at = k;
		if (i == n || k == m)
			return i == n && k == m;
		if (a[i++] != b[k++])
			return false;
	}
}

static enum od_status
usable(void *ctx, const struct od_openai_answer *a, struct od_error *err)
{
	const struct od_reformat *r = ctx;
	const struct od_openai_choice *c = &a->choices[0];
	const struct od_ask *ask = &r->asks[a->tag];
	size_t start, end, at;
	enum od_status st;

	if (!c->text || strcmp(c->finish, "length") == 0)
		return od_fail(err, OD_EFORMAT, c->text ? "the solution in steps was cut off" : "the model's answer has no content");
	st = od_rubric_extract(r->rubric, c->text, c->len, &start, &end, err);
	if (st == OD_OK && !same_words(ask->text, ask->len, c->text + start, end - start, &at))
		return od_fail(err, OD_EFORMAT, "the model changed the solution at '%.*s'",
			(int)od_utf8_prefix(c->text + start + at, end - start - at, 60), c->text + start + at);
	return st;
}

static enum od_status
ask_one(struct od_reformat *r, size_t i, struct od_reformatted *out, struct od_error *err)
{
	const struct od_ask *a = &r->asks[i];
	struct od_rubric_text texts[OD_N_SLOTS] = {
		[OD_SLOT_RESPONSE] = { a->text, a->len }, [OD_SLOT_ANSWER] = { a->answer, a->answer ? strlen(a->answer) : 0 }
	};
	json_t *messages = NULL;
	enum od_status st;

	od_buf_clear(&r->instruction);
	st = od_judge_instruction(&r->instruction, a->prompt, &out->err);
	texts[OD_SLOT_INSTRUCTION] = (struct od_rubric_text){ r->instruction.data ? r->instruction.data : "", r->instruction.len };
	if (st == OD_OK && !od_buf_ok(&r->instruction))
		return od_fail_nomem(err, "a prompt", r->instruction.len);
	if (st == OD_OK)
		st = od_rubric_fill(r->rubric, 0, texts, &messages, &out->err);
	if (st == OD_EFORMAT)
		out->status = st;
	else if (st != OD_OK && err)
		*err = out->err;
	if (st == OD_OK)
		st = od_openai_ask(r->service, &(struct od_openai_request){ .model = r->o.model, .messages = messages,
			.temperature = r->rubric->temperature, .top_p = r->rubric->top_p, .max_tokens = r->rubric->max_tokens,
			.seed = r->o.seed, .extra = r->o.extra }, i, err);
	json_decref(messages);
	return st == OD_EFORMAT ? OD_OK : st;
}

enum od_status
od_reformat_steps(struct od_reformat *r, const struct od_ask *asks, size_t n, struct od_reformatted *out, struct od_error *err)
{
	struct od_openai_answer *a = &r->answer;
	enum od_status st = OD_OK;
	size_t start, end;

	r->asks = asks;
	for (size_t i = 0; i < n && st == OD_OK; i++) {
		od_buf_clear(&out[i].text);
		out[i].status = OD_OK;
		st = ask_one(r, i, &out[i], err);
	}
	while (st == OD_OK && (st = od_openai_next(r->service, a, err)) == OD_OK) {
		struct od_reformatted *to = &out[a->tag];

		to->status = a->status;
		to->err = a->err;
		if (a->status != OD_OK)
			continue;
		to->status = od_rubric_extract(r->rubric, a->choices[0].text, a->choices[0].len, &start, &end, &to->err);
		if (to->status == OD_OK)
			od_buf_append(&to->text, a->choices[0].text + start, end - start);
		if (!od_buf_ok(&to->text))
			st = od_fail_nomem(err, "a solution", end - start);
	}
	r->asks = NULL;
	return st == OD_EOF ? OD_OK : st;
}

const struct od_openai *
od_reformat_service(const struct od_reformat *r)
{
	return r->service;
}

const char *
od_reformat_hash(const struct od_reformat *r)
{
	return r->rubric->hash;
}

void
od_reformat_close(struct od_reformat *r)
{
	if (!r)
		return;
	od_openai_close(r->service);
	od_openai_answer_release(&r->answer);
	od_rubric_free(r->rubric);
	od_buf_release(&r->instruction);
	free(r);
}

enum od_status
od_reformat_open(struct od_reformat **out, const struct od_reformat_options *opt, struct od_error *err)
{
	struct od_openai_options service = opt->service;
	struct od_reformat *r = NULL;
	enum od_status st = od_alloc(&r, 1, sizeof(*r), "a judge", err);

	if (st != OD_OK) {
		od_rubric_free(opt->rubric);
		return st;
	}
	r->rubric = opt->rubric;
	r->o = *opt;
	service.usable = usable;
	service.ctx = r;
	if (od_rubric_of_pairs(r->rubric) || r->rubric->n != 1)
		st = od_fail(err, OD_EFORMAT, "a rubric for steps must ask one question, about {response}");
	if (st == OD_OK)
		st = od_openai_open(&r->service, &service, err);
	r->o.service = (struct od_openai_options){ .attempts = 1 };        /* the caller's strings, the key among them */
	if (st == OD_OK)
		*out = r;
	else
		od_reformat_close(r);
	return st;
}
