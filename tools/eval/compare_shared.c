/* compare_shared.c -- what the forms of od-eval compare share: the head, verdicts, values; and the form for programs. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "eval/compare.h"
#include "stats/draw.h"
#include "text/cells.h"

enum { LABEL = 11 };                           /* columns of a label of the head */

void
compare_verdict(const struct compare_view *v, size_t i, int side, struct od_buf *out)
{
	double x = v->cases->c[i].verdict[side];
	char text[OD_NUMBER_TEXT];

	if (!isfinite(x)) {
		od_buf_str(out, "none");
	} else if (v->cases->binary) {
		od_buf_str(out, x == 1 ? "right" : "wrong");
	} else {
		od_number_text(text, x, 4);
		od_buf_str(out, text);
	}
}

void
compare_value(const json_t *value, struct od_buf *out)
{
	char number[OD_NUMBER_TEXT];

	if (json_is_real(value))
		od_number_text(number, json_real_value(value), 4);
	if (json_is_boolean(value))
		od_buf_str(out, json_is_true(value) ? "yes" : "no");
	else if (json_is_integer(value))
		od_buf_printf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		od_buf_str(out, number);
	else if (json_is_string(value))
		od_buf_append(out, json_string_value(value), json_string_length(value));
	else
		od_buf_char(out, '-');
}

void
compare_about(const struct compare_view *v, size_t i, int side, struct od_buf *out)
{
	const json_t *tokens = od_case_member(v->cases, i, side, "tokens"), *reason = od_case_member(v->cases, i, side, "finish_reason");

	if (json_is_number(tokens))
		od_buf_printf(out, "%.0f tokens", json_number_value(tokens));
	if (json_is_string(reason))
		od_buf_printf(out, "%s%s", json_is_number(tokens) ? ", " : "", json_string_value(reason));
}

/* ---- the head ------------------------------------------------------------------------------------------------------------- */

static void
row_counts(const struct compare_view *v, struct od_buf *b)
{
	const struct od_cases *c = v->cases;
	const int64_t *n = c->count;

	if (c->binary)
		od_buf_printf(b, "%lld both right, %lld both wrong, %lld gained by B, %lld lost", (long long)c->both_right,
			(long long)c->both_wrong, (long long)n[OD_CHANGE_GAINED], (long long)n[OD_CHANGE_LOST]);
	else
		od_buf_printf(b, "%lld higher in B, %lld lower, %lld the same", (long long)n[OD_CHANGE_GAINED], (long long)n[OD_CHANGE_LOST],
			(long long)n[OD_CHANGE_SAME]);
	if (n[OD_CHANGE_UNKNOWN] > 0)
		od_buf_printf(b, ", %lld without a verdict in one", (long long)n[OD_CHANGE_UNKNOWN]);
}

static void
row_means(const struct compare_view *v, struct od_buf *b)
{
	const struct od_paired *r = &v->cases->paired;
	const double values[] = { r->mean_a, r->mean_b, r->diff, r->ci.low, r->ci.high };
	char text[5][OD_NUMBER_TEXT];

	for (size_t i = 0; i < 5; i++)
		od_number_text(text[i], values[i], i < 2 ? 4 : 3);
	od_buf_printf(b, "A %s, B %s; B - A %s, 95 %% interval [%s, %s]", text[0], text[1], text[2], text[3], text[4]);
}

void
compare_head(const struct compare_view *v, compare_row *row, void *arg)
{
	const struct od_cases *c = v->cases;
	struct od_buf b = OD_BUF_INIT;
	char p[OD_NUMBER_TEXT];

	for (int s = 0; s < 2; s++) {
		od_buf_clear(&b);
		od_buf_printf(&b, "%s (%s)", v->name[s], c->side[s].file);
		row(arg, s ? "B" : "A", od_buf_ok(&b) ? b.data : "");
	}
	if (v->benchmark != NULL)
		row(arg, "benchmark", v->benchmark);
	od_buf_clear(&b);
	od_buf_printf(&b, "%s%s", c->metric, c->chosen ? "" : " (by default; --metric takes another)");
	row(arg, "verdict", od_buf_ok(&b) ? b.data : "");
	od_buf_clear(&b);
	od_buf_printf(&b, "%zu in both, %lld only in A, %lld only in B", c->n, (long long)c->only[0], (long long)c->only[1]);
	row(arg, "items", od_buf_ok(&b) ? b.data : "");
	od_buf_clear(&b);
	row_counts(v, &b);
	row(arg, "verdicts", od_buf_ok(&b) ? b.data : "");
	od_buf_clear(&b);
	row_means(v, &b);
	row(arg, "means", od_buf_ok(&b) ? b.data : "");
	od_number_text(p, c->p, 2);
	od_buf_clear(&b);
	od_buf_printf(&b, "p %s (%s)", p, c->binary ? "McNemar's, exact" : "sign flips");
	row(arg, "test", od_buf_ok(&b) ? b.data : "");
	od_buf_clear(&b);
	od_buf_printf(&b, "%zu of %zu (%s)", v->n, v->selected, v->show);
	row(arg, "shown", od_buf_ok(&b) ? b.data : "");
	od_buf_release(&b);
}

struct text_head {
	struct od_buf *out;
	int width;
};

/* A label, and the text wrapped beside it. */
static void
text_row(void *arg, const char *label, const char *text)
{
	const struct text_head *h = arg;
	struct od_wrapped w = OD_WRAPPED_INIT;

	od_wrap(&w, text, strlen(text), h->width - LABEL);
	for (size_t k = 0; k < w.n; k++) {
		od_buf_printf(h->out, "%-*s", LABEL, k == 0 ? label : "");
		od_buf_append(h->out, w.text.data + w.line[k].at, w.line[k].len);
		od_buf_char(h->out, '\n');
	}
	h->out->failed = h->out->failed || !od_buf_ok(&w.text);
	od_wrapped_release(&w);
}

void
compare_head_text(const struct compare_view *v, struct od_buf *out)
{
	compare_head(v, text_row, &(struct text_head){ out, v->width });
}

/* ---- for programs ---------------------------------------------------------------------------------------------------------- */

static void
json_text(struct od_buf *out, const char *s, size_t n)
{
	if (s != NULL)
		od_buf_json_string(out, s, n);
	else
		od_buf_str(out, "null");
}

static void
json_value(struct od_buf *out, const json_t *value)
{
	if (json_is_string(value))
		od_buf_json_string(out, json_string_value(value), json_string_length(value));
	else if (json_is_boolean(value))
		od_buf_str(out, json_is_true(value) ? "true" : "false");
	else if (json_is_integer(value))
		od_buf_printf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		od_buf_json_double(out, json_real_value(value));
	else
		od_buf_str(out, "null");
}

struct differences {
	struct od_buf *out;
	bool any;
};

static void
json_difference(void *arg, const char *member, const char *of, const json_t *a, const json_t *b)
{
	struct differences *d = arg;

	od_buf_str(d->out, d->any ? ",{\"member\":" : "{\"member\":");
	json_text(d->out, member, strlen(member));
	od_buf_str(d->out, ",\"of\":");
	json_text(d->out, of, of != NULL ? strlen(of) : 0);
	od_buf_str(d->out, ",\"a\":");
	json_value(d->out, a);
	od_buf_str(d->out, ",\"b\":");
	json_value(d->out, b);
	od_buf_char(d->out, '}');
	d->any = true;
}

static void
json_side(const struct compare_view *v, size_t i, int side, struct od_buf *out)
{
	size_t len;
	const char *response = od_case_response(v->cases, i, side, &len);

	od_buf_printf(out, ",\"%c\":{\"name\":", "ab"[side]);
	json_text(out, v->name[side], strlen(v->name[side]));
	od_buf_str(out, ",\"verdict\":");
	od_buf_json_double(out, v->cases->c[i].verdict[side]);
	od_buf_str(out, ",\"response\":");
	json_text(out, response, len);
	od_buf_str(out, ",\"tokens\":");
	json_value(out, od_case_member(v->cases, i, side, "tokens"));
	od_buf_str(out, ",\"finish_reason\":");
	json_value(out, od_case_member(v->cases, i, side, "finish_reason"));
	od_buf_char(out, '}');
}

void
compare_json(const struct compare_view *v, size_t i, struct od_buf *out)
{
	const struct od_case *c = &v->cases->c[i];
	struct differences d = { out, false };
	size_t len;
	const char *prompt = od_case_prompt(v->cases, i, &len);

	od_buf_str(out, "{\"id\":");
	json_text(out, c->id, strlen(c->id));
	od_buf_printf(out, ",\"change\":\"%s\",\"metric\":", od_change_names[c->change]);
	json_text(out, v->cases->metric, strlen(v->cases->metric));
	od_buf_str(out, ",\"prompt\":");
	json_text(out, prompt, len);
	json_side(v, i, 0, out);
	json_side(v, i, 1, out);
	od_buf_str(out, ",\"differs\":[");
	od_case_differences(v->cases, i, json_difference, &d);
	od_buf_str(out, "]}");
}
