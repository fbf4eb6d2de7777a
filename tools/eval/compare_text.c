/* compare_text.c -- od-eval compare on a terminal: nothing that a model said reaches it unescaped. */
#include <string.h>

#include "eval/compare.h"
#include "text/cells.h"

enum { BESIDE_FROM = 100, INDENT = 2 };        /* columns from which responses stand side by side */

static const char no_text[] = "[no text: give --outputs-a and --outputs-b]";

static void
put(struct od_buf *out, const char *s)
{
	od_visible(out, s, strlen(s), false);
}

static void
blanks(struct od_buf *out, int n)
{
	od_buf_printf(out, "%*s", n > 0 ? n : 0, "");
}

/* Lines of w to show. */
static size_t
shown(const struct compare_view *v, const struct od_wrapped *w)
{
	return v->lines > 0 && w->n > (size_t)v->lines ? (size_t)v->lines : w->n;
}

static void
put_line(struct od_buf *out, const struct od_wrapped *w, size_t k)
{
	od_buf_append(out, w->text.data + w->line[k].at, w->line[k].len);
}

/* of: whose lines, "A: " or nothing. */
static void
put_more(const struct compare_view *v, const struct od_wrapped *w, const char *of, struct od_buf *out)
{
	size_t n = w->n - shown(v, w);

	if (n > 0)
		od_buf_printf(out, "  [%s%zu more line%s]\n", of, n, n > 1 ? "s" : "");
}

static void
put_block(const struct compare_view *v, const char *s, size_t len, struct od_buf *out)
{
	struct od_wrapped w = OD_WRAPPED_INIT;

	od_wrap(&w, s, len, v->width - INDENT);
	for (size_t k = 0; k < shown(v, &w); k++) {
		blanks(out, w.line[k].len > 0 ? INDENT : 0);
		put_line(out, &w, k);
		od_buf_char(out, '\n');
	}
	put_more(v, &w, "", out);
	out->failed = out->failed || !od_buf_ok(&w.text);
	od_wrapped_release(&w);
}

/* "A name: right, 12 tokens, stop" */
static void
side_title(const struct compare_view *v, size_t i, int side, struct od_buf *out)
{
	struct od_buf about = OD_BUF_INIT;

	od_buf_printf(out, "%c ", "AB"[side]);
	put(out, v->name[side]);
	od_buf_str(out, ": ");
	compare_verdict(v, i, side, out);
	compare_about(v, i, side, &about);
	if (about.len > 0) {
		od_buf_str(out, ", ");
		put(out, about.data);
	}
	od_buf_release(&about);
}

static void
response_below(const struct compare_view *v, size_t i, int side, struct od_buf *out)
{
	size_t len;
	const char *s = od_case_response(v->cases, i, side, &len);

	side_title(v, i, side, out);
	od_buf_char(out, '\n');
	if (s != NULL)
		put_block(v, s, len, out);
	else
		od_buf_printf(out, "  %s\n", no_text);
}

/* A title cut to the width. */
static void
put_titles(const struct compare_view *v, size_t i, int width, struct od_buf *out)
{
	for (int side = 0; side < 2; side++) {
		struct od_buf title = OD_BUF_INIT;
		struct od_wrapped w = OD_WRAPPED_INIT;

		side_title(v, i, side, &title);
		od_wrap(&w, title.data, title.len, width);
		if (w.n > 0) {
			put_line(out, &w, 0);
			if (side == 0) {
				blanks(out, width - w.line[0].cells);
				od_buf_str(out, " | ");
			}
		}
		od_wrapped_release(&w);
		od_buf_release(&title);
	}
	od_buf_char(out, '\n');
}

static void
responses_beside(const struct compare_view *v, size_t i, struct od_buf *out)
{
	struct od_wrapped w[2] = { OD_WRAPPED_INIT, OD_WRAPPED_INIT };
	int width = (v->width - 3) / 2;
	size_t n = 0;

	put_titles(v, i, width, out);
	for (int side = 0; side < 2; side++) {
		size_t len;
		const char *s = od_case_response(v->cases, i, side, &len);

		od_wrap(&w[side], s != NULL ? s : no_text, s != NULL ? len : sizeof no_text - 1, width);
		n = shown(v, &w[side]) > n ? shown(v, &w[side]) : n;
	}
	for (size_t k = 0; k < n; k++) {
		int cells = k < shown(v, &w[0]) ? w[0].line[k].cells : 0;

		if (k < shown(v, &w[0]))
			put_line(out, &w[0], k);
		blanks(out, width - cells);
		od_buf_str(out, " |");
		if (k < shown(v, &w[1]) && w[1].line[k].len > 0) {
			od_buf_char(out, ' ');
			put_line(out, &w[1], k);
		}
		od_buf_char(out, '\n');
	}
	for (int side = 0; side < 2; side++) {
		put_more(v, &w[side], side ? "B: " : "A: ", out);
		out->failed = out->failed || !od_buf_ok(&w[side].text);
		od_wrapped_release(&w[side]);
	}
}

/* "differs    strict punctuation:no_comma: no -> yes" */
static void
put_difference(void *arg, const char *member, const char *of, const json_t *a, const json_t *b)
{
	struct od_buf *out = arg, text = OD_BUF_INIT;

	od_buf_str(&text, member);
	if (of != NULL)
		od_buf_printf(&text, " %s", of);
	od_buf_str(&text, ": ");
	compare_value(a, &text);
	od_buf_str(&text, " -> ");
	compare_value(b, &text);
	od_buf_str(out, "  ");
	if (od_buf_ok(&text))
		put(out, text.data);
	od_buf_char(out, '\n');
	od_buf_release(&text);
}

static void
rule(const struct compare_view *v, size_t at, size_t i, struct od_buf *out)
{
	const struct od_case *c = &v->cases->c[i];
	size_t from = out->len;

	od_buf_printf(out, "== %zu/%zu  ", at + 1, v->n);
	put(out, c->id);
	od_buf_printf(out, "  %s: ", od_change_names[c->change]);
	compare_verdict(v, i, 0, out);
	od_buf_str(out, " -> ");
	compare_verdict(v, i, 1, out);
	od_buf_char(out, ' ');
	if (!od_buf_ok(out))
		return;
	for (int cells = od_cells(out->data + from, out->len - from); cells < v->width; cells++)
		od_buf_char(out, '=');
	od_buf_char(out, '\n');
}

static void
put_case(const struct compare_view *v, size_t at, struct od_buf *out)
{
	size_t i = v->order[at], len, before, head;
	const char *prompt = od_case_prompt(v->cases, i, &len);
	bool beside = v->layout == COMPARE_BESIDE || (v->layout == COMPARE_AUTO && v->width >= BESIDE_FROM);

	od_buf_char(out, '\n');
	rule(v, at, i, out);
	if (prompt != NULL)
		put_block(v, prompt, len, out);
	else
		od_buf_str(out, "  [no prompt: give --data]\n");
	before = out->len;
	od_buf_str(out, "differs\n");
	head = out->len;
	od_case_differences(v->cases, i, put_difference, out);
	if (out->len == head && od_buf_ok(out))
		out->data[out->len = before] = '\0';
	if (beside) {
		responses_beside(v, i, out);
	} else {
		response_below(v, i, 0, out);
		response_below(v, i, 1, out);
	}
}

void
compare_text(const struct compare_view *v, struct od_buf *out)
{
	compare_head_text(v, out);
	for (size_t at = 0; at < v->n; at++)
		put_case(v, at, out);
}
