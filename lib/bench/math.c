#include "bench/math.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "grade/math_equal.h"

/* ---- verdicts -------------------------------------------------------------------------------------------------------------- */

static enum od_status
judge_one(struct od_math_result *r, size_t i, const struct od_math_dataset *d, const struct od_math_item *item, const json_t *output,
	enum od_math_grader g, bool symbolic, struct od_error *err)
{
	struct od_math_sample s = { 0 };
	bool none;
	enum od_status st = od_output_said(output, i, &s.said, err);

	if (st == OD_OK)
		st = od_math_grade(g, d, s.said.text, s.said.len, item->reference.data, item->reference.len, symbolic, &r->one, &none,
			&s.correct, err);
	if (st != OD_OK)
		return st;
	s.at = r->text.len;
	s.len = r->one.len;
	od_buf_append(&r->text, r->one.data, r->one.len);
	r->s[r->n++] = s;
	return od_buf_ok(&r->text) ? OD_OK : od_fail_nomem(err, "answers", s.len);
}

enum od_status
od_math_judge(struct od_math_result *r, const struct od_math_dataset *d, const struct od_math_item *item, const json_t *output,
	enum od_math_grader g, bool symbolic, struct od_error *err)
{
	size_t n = 0;
	enum od_status st = od_output_count(output, &n, err);

	if (st == OD_OK && !od_grow(&r->s, &r->cap, n, sizeof *r->s))
		st = od_fail_nomem(err, "answers", n);
	od_buf_clear(&r->text);
	od_buf_str(&r->text, "");
	r->n = 0;
	for (size_t i = 0; st == OD_OK && i < n; i++)
		st = judge_one(r, i, d, item, output, g, symbolic, err);
	return st;
}

void
od_math_result_release(struct od_math_result *r)
{
	free(r->s);
	od_buf_release(&r->text);
	od_buf_release(&r->one);
	*r = (struct od_math_result){ 0 };
}

/* The product of 1 - k/i over n-c < i <= n is the quotient of binomials; nothing in it grows. */
double
od_pass_at_k(int64_t n, int64_t c, int64_t k)
{
	double none = 1;

	if (n - c < k)
		return 1;
	if (k == 1)
		return (double)c / (double)n;
	for (int64_t i = n - c + 1; i <= n; i++)
		none *= 1 - (double)k / (double)i;
	return 1 - none;
}

static bool
same_answer(const struct od_math_result *r, size_t i, size_t j)
{
	const struct od_math_sample *a = &r->s[i], *b = &r->s[j];

	return a->len == b->len && memcmp(r->text.data + a->at, r->text.data + b->at, a->len) == 0;
}

size_t
od_math_vote(const struct od_math_result *r, size_t k)
{
	size_t best = 0, best_votes = 0;

	for (size_t i = 0; i < k && k - i > best_votes; i++) {
		size_t votes = 0;

		for (size_t j = i; j < k; j++)         /* a later one of an answer counts fewer votes than its first */
			votes += same_answer(r, i, j);
		if (votes > best_votes) {
			best = i;
			best_votes = votes;
		}
	}
	return best;
}

static int64_t
count_correct(const struct od_math_result *r)
{
	int64_t c = 0;

	for (size_t i = 0; i < r->n; i++)
		c += r->s[i].correct;
	return c;
}

/* ---- figures ---------------------------------------------------------------------------------------------------------------- */

static enum od_status
add_k(struct od_math_plan *p, const char *text, bool *one, struct od_error *err)
{
	int64_t k;

	if (!od_num_int(text, &k) || k < 1)
		return od_fail(err, OD_EUSAGE, "option '--k' needs counts separated by commas, as '1,4,8': '%s' is none", text);
	for (size_t i = 0; i < p->n_k; i++)
		if (p->k[i] == k && (k > 1 || *one))
			return od_fail(err, OD_EUSAGE, "option '--k' has %lld twice", (long long)k);
	*one = *one || k == 1;
	if (k == 1)
		return OD_OK;
	if (p->n_k == OD_MATH_KS)
		return od_fail(err, OD_EUSAGE, "option '--k' has more than %d counts", OD_MATH_KS);
	p->k[p->n_k++] = k;
	return OD_OK;
}

enum od_status
od_math_plan_read(struct od_math_plan *p, const char *text, struct od_error *err)
{
	enum od_status st = OD_OK;
	bool one = false;
	char word[32];

	p->k[0] = 1;
	p->n_k = 1;
	for (const char *end; st == OD_OK && text; text = *end ? end + 1 : NULL) {
		end = text + strcspn(text, ",");
		snprintf(word, sizeof word, "%.*s", (int)(end - text > 31 ? 31 : end - text), text);
		st = add_k(p, word, &one, err);
	}
	return st;
}

void
od_math_tally_init(struct od_math_tally *t, const struct od_math_plan *plan)
{
	*t = (struct od_math_tally){ .plan = *plan };
	for (size_t i = 0; i < plan->n_k; i++) {
		snprintf(t->names[i], sizeof t->names[i], "pass@%lld", (long long)plan->k[i]);
		t->columns[i] = (struct od_sheet_column){ t->names[i], t->names[i] };
		if (plan->majority && i > 0)
			t->votes[t->n_votes++] = plan->k[i];
	}
	od_sheet_init(&t->sheet, "math", t->columns, plan->n_k);
}

void
od_math_tally_release(struct od_math_tally *t)
{
	od_sheet_release(&t->sheet);
	*t = (struct od_math_tally){ 0 };
}

/* The first item says how many samples there are, and so what a vote of all is. */
static enum od_status
settle(struct od_math_tally *t, int64_t n, struct od_error *err)
{
	if (t->samples > 0)
		return n == t->samples ? OD_OK : od_fail(err, OD_EFORMAT, "%lld responses, where the first output has %lld", (long long)n,
			(long long)t->samples);
	for (size_t i = 0; i < t->plan.n_k; i++)
		if (t->plan.k[i] > n)
			return od_fail(err, OD_EUSAGE, "option '--k' asks for pass@%lld of outputs with %lld response%s each",
				(long long)t->plan.k[i], (long long)n, n == 1 ? "" : "s");
	t->samples = n;
	if (t->plan.majority && t->n_votes == 0)
		t->votes[t->n_votes++] = n;
	for (size_t i = 0; i < t->n_votes; i++) {
		size_t c = t->sheet.n_columns++;

		snprintf(t->names[c], sizeof t->names[c], "maj@%lld", (long long)t->votes[i]);
		t->columns[c] = (struct od_sheet_column){ t->names[c], t->names[c] };
	}
	return OD_OK;
}

enum od_status
od_math_add(struct od_math_tally *t, const struct od_math_item *item, const struct od_math_result *r, struct od_error *err)
{
	int64_t n = (int64_t)r->n, c = count_correct(r);
	double row[2 * OD_MATH_KS];
	enum od_status st = settle(t, n, err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < t->plan.n_k; i++)
		row[i] = od_pass_at_k(n, c, t->plan.k[i]);
	for (size_t i = 0; i < t->n_votes; i++)
		row[t->plan.n_k + i] = r->s[od_math_vote(r, (size_t)t->votes[i])].correct;
	for (size_t i = 0; i < r->n; i++)
		t->no_answer += r->s[i].len == 0;
	return od_sheet_add(&t->sheet, item->id, 0, row, err);
}

static void
text_member(struct od_buf *out, const char *name, const char *s, size_t n)
{
	od_buf_printf(out, ",\"%s\":", name);
	od_buf_json_string(out, s, n);
}

static void
write_samples(const struct od_math_result *r, struct od_buf *out)
{
	for (size_t i = 0; i < r->n; i++) {
		od_buf_str(out, i ? "," : ",\"preds\":[");
		od_buf_json_string(out, r->text.data + r->s[i].at, r->s[i].len);
	}
	for (size_t i = 0; i < r->n; i++)
		od_buf_printf(out, "%s%s", i ? "," : "],\"verdicts\":[", r->s[i].correct ? "true" : "false");
	od_buf_char(out, ']');
}

void
od_math_write(const struct od_math_tally *t, const struct od_math_item *item, const struct od_math_result *r, struct od_buf *out)
{
	const struct od_sheet *s = &t->sheet;
	const struct od_math_sample *first = &r->s[0];

	od_buf_str(out, "{\"id\":");
	od_buf_json_string(out, item->id, strlen(item->id));
	text_member(out, "prompt", item->question.data, item->question.len);
	text_member(out, "reference", item->reference.data, item->reference.len);
	text_member(out, "pred", r->text.data + first->at, first->len);
	if (r->n > 1)
		write_samples(r, out);
	for (size_t c = 0; c < s->n_columns; c++) {
		od_buf_printf(out, ",\"%s\":", s->columns[c].name);
		od_buf_json_double(out, s->value[(s->n - 1) * s->n_columns + c]);
	}
	text_member(out, "response", first->said.text, first->said.len);
	if (isfinite(first->said.tokens)) {
		od_buf_str(out, ",\"tokens\":");
		od_buf_json_double(out, first->said.tokens);
	}
	if (first->said.finish)
		text_member(out, "finish_reason", first->said.finish, strlen(first->said.finish));
	od_manifest_write(s->run, out);
	od_buf_char(out, '}');
}
