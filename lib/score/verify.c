#include "score/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "grade/math_equal.h"
#include "text/unicode.h"

#define WINDOW 256                                 /* answers are cheap: output need not wait */

struct verify {
	struct od_response_expert base;
	enum od_math_grader grader;
	const struct od_math_dataset *dataset;
	struct od_buf extracted, reference;
	int64_t correct, n;
};

static enum od_status
verify_one(struct verify *v, const struct od_ask *ask, struct od_answer *answer, struct od_error *err)
{
	bool none = false, correct = false;
	enum od_status st = od_math_grade(v->grader, v->dataset, ask->text, ask->len, v->reference.data, v->reference.len, true,
		&v->extracted, &none, &correct, err);

	if (st != OD_OK)
		return st;
	od_buf_str(&answer->members, ",\"extracted\":");
	if (none)
		od_buf_str(&answer->members, "null");
	else
		od_buf_json_string(&answer->members, v->extracted.data, v->extracted.len);
	od_buf_printf(&answer->members, ",\"correct\":%s", correct ? "true" : "false");
	answer->score = correct;
	v->correct += correct;
	v->n++;
	return OD_OK;
}

/* v->reference from the answer of the record. */
static enum od_status
make_reference(struct verify *v, const char *answer, struct od_error *err)
{
	size_t from = 0;

	if (!answer || !od_utf8_strip(answer, strlen(answer), &from))
		return od_fail(err, OD_EFORMAT, "there is no reference answer: field 'answer' is %s", answer ? "blank" : "missing");
	return od_math_reference(v->grader, v->dataset, answer, strlen(answer), &v->reference, err);
}

static enum od_status
verify_score(struct od_response_expert *e, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	struct verify *v = (struct verify *)e;
	enum od_status st;

	for (size_t i = 0; i < n; i++) {
		st = i && asks[i].answer == asks[i - 1].answer ? answers[i - 1].status : make_reference(v, asks[i].answer, &answers[i].err);
		if (st == OD_OK)
			st = verify_one(v, &asks[i], &answers[i], err);
		else if (i && !answers[i].err.msg[0])
			answers[i].err = answers[i - 1].err;
		answers[i].status = st;
		if (st == OD_ENOMEM)
			return od_fail_nomem(err, "an answer", asks[i].len);
	}
	return OD_OK;
}

static void
verify_describe(const struct od_response_expert *e, struct od_buf *out)
{
	const struct verify *v = (const struct verify *)e;

	od_buf_printf(out, ",\"grader\":\"%s\"", od_math_grader_names[v->grader]);
	if (v->dataset)
		od_buf_printf(out, ",\"dataset\":\"%s\"", v->dataset->name);
}

static void
verify_summary(const struct od_response_expert *e, struct od_buf *out)
{
	const struct verify *v = (const struct verify *)e;

	od_buf_printf(out, "%lld of %lld responses are correct", (long long)v->correct, (long long)v->n);
}

static void
verify_close(struct od_response_expert *e)
{
	struct verify *v = (struct verify *)e;

	od_buf_release(&v->extracted);
	od_buf_release(&v->reference);
	free(v);
}

enum od_status
od_verify_open(struct od_response_expert **out, enum od_math_grader grader, const char *dataset, struct od_error *err)
{
	const struct od_math_dataset *d = NULL;
	struct verify *v = NULL;
	enum od_status st = dataset ? od_math_dataset_find(&d, dataset, err) : OD_OK;

	if (st == OD_OK)
		st = od_alloc(&v, 1, sizeof(*v), "an expert", err);
	if (st != OD_OK)
		return st;
	*v = (struct verify){ .grader = grader, .dataset = d, .extracted = OD_BUF_INIT, .reference = OD_BUF_INIT };
	v->base = (struct od_response_expert){ "verify", WINDOW, verify_score, NULL, verify_describe, verify_summary, verify_close };
	*out = &v->base;
	return OD_OK;
}
