#include "score/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* One question to the service: response a, for a rubric of pairs with b behind it, under one aspect. */
struct question {
	size_t a, b;                       /* indices of asks; b is a for a rubric of single responses */
	size_t aspect;
	double score;                      /* NaN: skipped */
	enum od_status status;
	struct od_error *err;              /* NULL unless status is not OD_OK */
};

struct judge {
	struct od_response_expert base;
	struct od_openai *service;
	struct od_rubric *rubric;
	struct od_judge_options o;
	struct question *questions;
	size_t n, cap;
	struct od_buf instruction;
	struct od_openai_answer answer;
	int64_t unscored;
};

/* ---- questions ---------------------------------------------------------------------------------------------------------- */

enum od_status
od_judge_instruction(struct od_buf *out, const json_t *prompt, struct od_error *err)
{
	size_t n = json_array_size(prompt), i;
	const json_t *m;

	if (json_is_string(prompt)) {
		od_buf_append(out, json_string_value(prompt), json_string_length(prompt));
		return OD_OK;
	}
	json_array_foreach((json_t *)prompt, i, m) {
		const json_t *role = json_object_get(m, "role"), *text = json_object_get(m, "content");

		if (!json_is_string(role) || !json_is_string(text))
			return od_fail(err, OD_EFORMAT, "message %zu of the prompt has no role or no text", i);
		if (n > 1)
			od_buf_printf(out, "%s[%s]\n", i ? "\n\n" : "", json_string_value(role));
		od_buf_append(out, json_string_value(text), json_string_length(text));
	}
	return OD_OK;
}

static bool
add_question(struct judge *j, size_t a, size_t b)
{
	for (size_t k = 0; k < j->rubric->n; k++) {
		if (!od_grow(&j->questions, &j->cap, j->n + 1, sizeof(*j->questions)))
			return false;
		j->questions[j->n++] = (struct question){ .a = a, .b = b, .aspect = k, .score = NAN, .status = OD_OK };
	}
	return true;
}

/* All questions about n responses; those of a record stand together. */
static enum od_status
list_questions(struct judge *j, const struct od_ask *asks, size_t n, struct od_error *err)
{
	bool pairs = od_rubric_of_pairs(j->rubric), ok = true;

	j->n = 0;
	for (size_t i = 0; i < n && ok; i++) {
		if (!pairs)
			ok = add_question(j, i, i);
		for (size_t k = i + 1; pairs && ok && k < n && asks[k].record == asks[i].record; k++)
			ok = add_question(j, i, k) && add_question(j, k, i);
	}
	return ok ? OD_OK : od_fail_nomem(err, "questions", j->n * sizeof(*j->questions));
}

/* What happened to a question; its text lives as long as the window. */
static enum od_status
fail_question(struct question *q, enum od_status st, const struct od_error *why, struct od_error *err)
{
	enum od_status memory = q->err ? OD_OK : od_alloc(&q->err, 1, sizeof(*q->err), "a message", err);

	if (memory == OD_OK)
		*q->err = *why;
	q->status = st;
	return memory;
}

static enum od_status
fill(struct judge *j, const struct od_ask *asks, const struct question *q, json_t **messages, struct od_error *err)
{
	const struct od_ask *a = &asks[q->a], *b = &asks[q->b];
	struct od_rubric_text texts[OD_N_SLOTS] = {
		[OD_SLOT_RESPONSE] = { a->text, a->len }, [OD_SLOT_A] = { a->text, a->len }, [OD_SLOT_B] = { b->text, b->len },
		[OD_SLOT_ANSWER] = { a->answer, a->answer ? strlen(a->answer) : 0 }
	};
	enum od_status st;

	od_buf_clear(&j->instruction);
	st = od_judge_instruction(&j->instruction, a->prompt, err);
	if (st != OD_OK)
		return st;
	if (!od_buf_ok(&j->instruction))
		return od_fail_nomem(err, "a prompt", j->instruction.len);
	texts[OD_SLOT_INSTRUCTION] = (struct od_rubric_text){ j->instruction.data ? j->instruction.data : "", j->instruction.len };
	return od_rubric_fill(j->rubric, q->aspect, texts, messages, err);
}

static enum od_status
ask(struct judge *j, const struct od_ask *asks, size_t i, struct od_error *err)
{
	struct question *q = &j->questions[i];
	struct od_error why = OD_ERROR_INIT;
	json_t *messages = NULL;
	enum od_status st = fill(j, asks, q, &messages, &why);
	struct od_openai_request r = { .model = j->o.model, .messages = messages, .temperature = j->o.temperature,
		.top_p = j->rubric->top_p, .max_tokens = j->o.max_tokens, .seed = j->o.seed, .extra = j->o.extra };

	if (st == OD_EFORMAT)
		return fail_question(q, st, &why, err);
	if (st == OD_OK)
		st = od_openai_ask(j->service, &r, i, &why);
	json_decref(messages);
	if (st != OD_OK && err)
		*err = why;
	return st;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

/* Of use is what has a score: openai.h asks again for the rest. */
static enum od_status
usable(void *ctx, const struct od_openai_answer *a, struct od_error *err)
{
	struct judge *j = ctx;
	const struct od_openai_choice *c = &a->choices[0];
	enum od_status st;
	double score;

	if (!c->text)
		return od_fail(err, OD_EFORMAT, "the judge's answer has no content%s%s", c->finish[0] ? ": finish_reason is " : "",
			c->finish);
	st = od_rubric_score(j->rubric, c->text, c->len, &score, err);
	if (strcmp(c->finish, "length") == 0)
		return od_fail(err, OD_EFORMAT, "the judge's answer was cut off at its longest (--max-tokens)");
	return st;
}

static enum od_status
collect(struct judge *j, struct od_error *err)
{
	enum od_status st;

	while ((st = od_openai_next(j->service, &j->answer, err)) == OD_OK) {
		struct question *q = &j->questions[j->answer.tag];
		struct od_error why = j->answer.err;
		const struct od_openai_choice *c = j->answer.choices;

		q->status = j->answer.status;
		if (q->status == OD_OK)
			q->status = od_rubric_score(j->rubric, c->text, c->len, &q->score, &why);
		if (q->status != OD_OK)
			st = fail_question(q, q->status, &why, err);
		if (st != OD_OK)
			return st;
	}
	return st == OD_EOF ? OD_OK : st;
}

/* ---- scores ------------------------------------------------------------------------------------------------------------- */

/* What question q says of response i, on the rubric's range. */
static double
opinion(const struct judge *j, const struct question *q, size_t i)
{
	return q->a == i ? q->score : j->rubric->low + j->rubric->high - q->score;
}

/* The mean of what is said of response i under one aspect (or under all: j->rubric->n); NaN when nothing is. The first failure
 * among the questions fails it. */
static double
mean_opinion(const struct judge *j, size_t i, size_t aspect, const struct question **failed)
{
	double sum = 0;
	size_t n = 0;

	for (size_t k = 0; k < j->n; k++) {
		const struct question *q = &j->questions[k];

		if ((q->a != i && q->b != i) || (aspect < j->rubric->n && q->aspect != aspect))
			continue;
		if (q->status != OD_OK && !*failed)
			*failed = q;
		if (!isnan(q->score)) {
			sum += opinion(j, q, i);
			n++;
		}
	}
	return n ? sum / (double)n : NAN;
}

static void
put_aspects(const struct judge *j, size_t i, struct od_buf *out)
{
	const struct question *failed = NULL;

	if (!j->rubric->aspects[0].name[0])
		return;
	od_buf_str(out, ",\"aspects\":{");
	for (size_t k = 0; k < j->rubric->n; k++) {
		if (k)
			od_buf_char(out, ',');
		od_buf_json_string(out, j->rubric->aspects[k].name, strlen(j->rubric->aspects[k].name));
		od_buf_char(out, ':');
		od_buf_json_double(out, mean_opinion(j, i, k, &failed));       /* null when it was skipped */
	}
	od_buf_char(out, '}');
}

static enum od_status
conclude(struct judge *j, size_t i, struct od_answer *out, struct od_error *err)
{
	const struct question *failed = NULL;

	out->score = mean_opinion(j, i, j->rubric->n, &failed);
	if (failed) {
		out->status = failed->status;
		out->err = *failed->err;
	} else if (isnan(out->score)) {
		out->status = od_fail(&out->err, OD_EFORMAT, od_rubric_of_pairs(j->rubric) ?
			"a rubric of pairs needs two responses" : "the judge skips every aspect");
	} else {
		put_aspects(j, i, &out->members);
	}
	j->unscored += out->status != OD_OK;
	return od_buf_ok(&out->members) ? OD_OK : od_fail_nomem(err, "members", out->members.len);
}

static enum od_status
judge_score(struct od_response_expert *e, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	struct judge *j = (struct judge *)e;
	enum od_status st = list_questions(j, asks, n, err);

	for (size_t i = 0; i < j->n && st == OD_OK; i++)
		st = ask(j, asks, i, err);
	if (st == OD_OK)
		st = collect(j, err);
	for (size_t i = 0; i < n && st == OD_OK; i++)
		st = conclude(j, i, &answers[i], err);
	for (size_t i = 0; i < j->n; i++)
		free(j->questions[i].err);
	j->n = 0;
	return st;
}

/* ---- the rest of an expert ---------------------------------------------------------------------------------------------- */

static void
judge_describe(const struct od_response_expert *e, struct od_buf *out)
{
	const struct judge *j = (const struct judge *)e;
	char *extra = j->o.extra ? json_dumps(j->o.extra, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	od_buf_str(out, ",\"model\":");
	od_buf_json_string(out, j->o.model, strlen(j->o.model));
	od_buf_printf(out, ",\"rubric\":\"%.16s\",\"range\":[", j->rubric->hash);
	od_buf_json_double(out, j->rubric->low);
	od_buf_char(out, ',');
	od_buf_json_double(out, j->rubric->high);
	od_buf_str(out, "],\"temperature\":");
	od_buf_json_double(out, j->o.temperature);
	od_buf_printf(out, ",\"max_tokens\":%lld", (long long)j->o.max_tokens);
	if (j->o.seed >= 0)
		od_buf_printf(out, ",\"seed\":%lld", (long long)j->o.seed);
	if (extra) {
		od_buf_str(out, ",\"extra\":");
		od_buf_str(out, extra);
	}
	free(extra);
}

static void
judge_summary(const struct od_response_expert *e, struct od_buf *out)
{
	const struct judge *j = (const struct judge *)e;

	od_buf_str(out, "judge: ");
	od_openai_summary(j->service, j->o.price_in, j->o.price_out, out);
	if (j->unscored)
		od_buf_printf(out, "; %lld response%s without a score", (long long)j->unscored, j->unscored == 1 ? "" : "s");
}

static void
judge_close(struct od_response_expert *e)
{
	struct judge *j = (struct judge *)e;

	od_openai_close(j->service);
	od_openai_answer_release(&j->answer);
	od_rubric_free(j->rubric);
	od_buf_release(&j->instruction);
	free(j->questions);
	free(j);
}

enum od_status
od_judge_open(struct od_response_expert **out, const struct od_judge_options *opt, struct od_error *err)
{
	struct od_openai_options service = opt->service;
	struct judge *j = NULL;
	enum od_status st = od_alloc(&j, 1, sizeof(*j), "an expert", err);

	if (st != OD_OK) {
		od_rubric_free(opt->rubric);
		return st;
	}
	j->base = (struct od_response_expert){ .name = "judge", .window = opt->window ? opt->window : 1, .score = judge_score,
		.describe = judge_describe, .summary = judge_summary, .close = judge_close };
	j->rubric = opt->rubric;
	j->o = *opt;
	if (isnan(opt->temperature))
		j->o.temperature = opt->rubric->temperature;
	if (opt->max_tokens < 0)
		j->o.max_tokens = opt->rubric->max_tokens;
	service.usable = usable;
	service.ctx = j;
	st = od_openai_open(&j->service, &service, err);
	j->o.service = (struct od_openai_options){ .attempts = 1 };        /* the caller's strings, the key among them */
	if (st == OD_OK)
		*out = &j->base;
	else
		judge_close(&j->base);
	return st;
}
