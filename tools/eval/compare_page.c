/* compare_page.c -- od-eval compare as documents: Markdown, and an HTML page that needs nothing beside itself, no script among it.
 *
 * What models say is data: in HTML it is escaped, controls are made visible, and the page forbids itself everything but its style;
 * in Markdown it stands in fences longer than any run of backticks in it.
 */
#include <string.h>

#include "eval/compare.h"
#include "text/cells.h"

static const char style[] =
	":root{color-scheme:light dark;--line:#d0d0d0;--soft:#f5f5f5;--gain:#1a7f37;--loss:#b42318}\n"
	"@media(prefers-color-scheme:dark){:root{--line:#444;--soft:#222;--gain:#56d364;--loss:#ff7b72}}\n"
	"body{font:16px/1.5 system-ui,sans-serif;max-width:100rem;margin:2rem auto;padding:0 1rem}\n"
	"h1{font-size:1.5rem}h2{font-size:1.1rem;border-top:2px solid var(--line);padding-top:1rem;margin-top:2rem}h3{font-size:1rem}\n"
	"th{text-align:left;vertical-align:top;padding-right:1.5rem;font-weight:600}td{overflow-wrap:anywhere}\n"
	"pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);border:1px solid var(--line);border-radius:4px;"
	"padding:.75rem;margin:0;font:.9rem/1.45 ui-monospace,monospace}\n"
	".two{display:grid;gap:1rem}.two>div{min-width:0}@media(min-width:60rem){.two{grid-template-columns:1fr 1fr}}\n"
	".gained .change{color:var(--gain)}.lost .change{color:var(--loss)}\n";

/* ---- HTML ------------------------------------------------------------------------------------------------------------------ */

/* Text between tags or in an attribute. */
static void
html(struct od_buf *out, const char *s, size_t n, bool lines)
{
	struct od_buf plain = OD_BUF_INIT;

	od_visible(&plain, s, n, lines);
	for (size_t i = 0; od_buf_ok(&plain) && i < plain.len; i++) {
		switch (plain.data[i]) {
		case '&': od_buf_str(out, "&amp;"); break;
		case '<': od_buf_str(out, "&lt;"); break;
		case '>': od_buf_str(out, "&gt;"); break;
		case '"': od_buf_str(out, "&quot;"); break;
		case '\'': od_buf_str(out, "&#39;"); break;
		default: od_buf_char(out, plain.data[i]);
		}
	}
	out->failed = out->failed || !od_buf_ok(&plain);
	od_buf_release(&plain);
}

static void
html_str(struct od_buf *out, const char *s)
{
	html(out, s, strlen(s), false);
}

/* A line feed behind <pre> is dropped by readers of HTML: one is put there. */
static void
html_pre(struct od_buf *out, const char *s, size_t n, const char *missing)
{
	if (s == NULL) {
		od_buf_printf(out, "<p><em>%s</em></p>\n", missing);
		return;
	}
	od_buf_str(out, "<pre dir=\"auto\">\n");
	html(out, s, n, true);
	od_buf_str(out, "</pre>\n");
}

static void
html_row(void *arg, const char *label, const char *text)
{
	struct od_buf *out = arg;

	od_buf_printf(out, "<tr><th>%s</th><td>", label);
	html_str(out, text);
	od_buf_str(out, "</td></tr>\n");
}

static void
html_value(struct od_buf *out, const json_t *value)
{
	struct od_buf text = OD_BUF_INIT;

	compare_value(value, &text);
	html(out, text.data, text.len, false);
	od_buf_release(&text);
}

static void
html_difference(void *arg, const char *member, const char *of, const json_t *a, const json_t *b)
{
	struct od_buf *out = arg;

	od_buf_str(out, "<tr><th>");
	html_str(out, member);
	if (of != NULL) {
		od_buf_char(out, ' ');
		html_str(out, of);
	}
	od_buf_str(out, "</th><td>");
	html_value(out, a);
	od_buf_str(out, " &rarr; ");
	html_value(out, b);
	od_buf_str(out, "</td></tr>\n");
}

static void
html_side(const struct compare_view *v, size_t i, int side, struct od_buf *out)
{
	struct od_buf about = OD_BUF_INIT;
	size_t len;
	const char *s = od_case_response(v->cases, i, side, &len);

	od_buf_printf(out, "<div><h3>%c ", "AB"[side]);
	html_str(out, v->name[side]);
	od_buf_str(out, ": ");
	compare_verdict(v, i, side, out);
	compare_about(v, i, side, &about);
	if (about.len > 0) {
		od_buf_str(out, ", ");
		html_str(out, about.data);
	}
	od_buf_str(out, "</h3>\n");
	html_pre(out, s, len, "no text");
	od_buf_str(out, "</div>\n");
	od_buf_release(&about);
}

static void
html_case(const struct compare_view *v, size_t at, struct od_buf *out)
{
	size_t i = v->order[at], len, before, head;
	const struct od_case *c = &v->cases->c[i];
	const char *prompt = od_case_prompt(v->cases, i, &len);

	od_buf_printf(out, "<section class=\"%s\">\n<h2>%zu. ", od_change_names[c->change], at + 1);
	html_str(out, c->id);
	od_buf_printf(out, ": <span class=\"change\">%s</span>, ", od_change_names[c->change]);
	compare_verdict(v, i, 0, out);
	od_buf_str(out, " &rarr; ");
	compare_verdict(v, i, 1, out);
	od_buf_str(out, "</h2>\n");
	html_pre(out, prompt, len, "no prompt");
	before = out->len;
	od_buf_str(out, "<table>\n");
	head = out->len;
	od_case_differences(v->cases, i, html_difference, out);
	if (out->len == head && od_buf_ok(out))
		out->data[out->len = before] = '\0';
	else
		od_buf_str(out, "</table>\n");
	od_buf_str(out, "<div class=\"two\">\n");
	html_side(v, i, 0, out);
	html_side(v, i, 1, out);
	od_buf_str(out, "</div>\n</section>\n");
}

void
compare_html(const struct compare_view *v, struct od_buf *out)
{
	od_buf_str(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">\n<title>");
	html_str(out, v->name[0]);
	od_buf_str(out, " and ");
	html_str(out, v->name[1]);
	od_buf_printf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
	html_str(out, v->name[0]);
	od_buf_str(out, " and ");
	html_str(out, v->name[1]);
	od_buf_str(out, "</h1>\n<table>\n");
	compare_head(v, html_row, out);
	od_buf_str(out, "</table>\n");
	for (size_t at = 0; at < v->n; at++)
		html_case(v, at, out);
	od_buf_str(out, "</body>\n</html>\n");
}

/* ---- Markdown --------------------------------------------------------------------------------------------------------------- */

/* One more than the longest run of backticks, at least 'least'. */
static int
fence(const char *s, size_t n, int least)
{
	int longest = 0, run = 0;

	for (size_t i = 0; i < n; i++) {
		run = s[i] == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest + 1 > least ? longest + 1 : least;
}

static void
backticks(struct od_buf *out, int n)
{
	while (n-- > 0)
		od_buf_char(out, '`');
}

/* A text in a line of its own, as code. */
static void
md_code(struct od_buf *out, const char *s)
{
	struct od_buf plain = OD_BUF_INIT;
	int n;

	od_visible(&plain, s, strlen(s), false);
	od_buf_str(&plain, "");
	if (od_buf_ok(&plain) && plain.len > 0) {
		n = fence(plain.data, plain.len, 1);
		backticks(out, n);
		od_buf_printf(out, n > 1 ? " %s " : "%s", plain.data);
		backticks(out, n);
	}
	out->failed = out->failed || !od_buf_ok(&plain);
	od_buf_release(&plain);
}

static void
md_block(struct od_buf *out, const char *s, size_t n, const char *missing)
{
	struct od_buf plain = OD_BUF_INIT;
	int ticks;

	if (s == NULL) {
		od_buf_printf(out, "*%s*\n\n", missing);
		return;
	}
	od_visible(&plain, s, n, true);
	ticks = od_buf_ok(&plain) ? fence(plain.data, plain.len, 3) : 3;
	backticks(out, ticks);
	od_buf_str(out, "text\n");
	od_buf_append(out, plain.data, plain.len);
	if (plain.len > 0 && plain.data[plain.len - 1] != '\n')
		od_buf_char(out, '\n');
	backticks(out, ticks);
	od_buf_str(out, "\n\n");
	out->failed = out->failed || !od_buf_ok(&plain);
	od_buf_release(&plain);
}

static void
md_row(void *arg, const char *label, const char *text)
{
	struct od_buf *out = arg;

	od_buf_printf(out, "- %s: ", label);
	md_code(out, text);
	od_buf_char(out, '\n');
}

static void
md_difference(void *arg, const char *member, const char *of, const json_t *a, const json_t *b)
{
	struct od_buf *out = arg, text = OD_BUF_INIT;

	od_buf_printf(&text, "%s%s%s: ", member, of != NULL ? " " : "", of != NULL ? of : "");
	compare_value(a, &text);
	od_buf_str(&text, " -> ");
	compare_value(b, &text);
	od_buf_str(out, "- ");
	md_code(out, od_buf_ok(&text) ? text.data : "");
	od_buf_char(out, '\n');
	od_buf_release(&text);
}

static void
md_side(const struct compare_view *v, size_t i, int side, struct od_buf *out)
{
	struct od_buf about = OD_BUF_INIT;
	size_t len;
	const char *s = od_case_response(v->cases, i, side, &len);

	od_buf_printf(out, "**%c** ", "AB"[side]);
	md_code(out, v->name[side]);
	od_buf_str(out, ": ");
	compare_verdict(v, i, side, out);
	compare_about(v, i, side, &about);
	if (about.len > 0) {
		od_buf_str(out, ", ");
		md_code(out, about.data);
	}
	od_buf_str(out, "\n\n");
	md_block(out, s, len, "no text");
	od_buf_release(&about);
}

void
compare_markdown(const struct compare_view *v, struct od_buf *out)
{
	od_buf_str(out, "# ");
	md_code(out, v->name[0]);
	od_buf_str(out, " and ");
	md_code(out, v->name[1]);
	od_buf_str(out, "\n\n");
	compare_head(v, md_row, out);
	for (size_t at = 0; at < v->n; at++) {
		size_t i = v->order[at], len, before;
		const char *prompt = od_case_prompt(v->cases, i, &len);

		od_buf_printf(out, "\n## %zu. ", at + 1);
		md_code(out, v->cases->c[i].id);
		od_buf_printf(out, ": %s\n\n", od_change_names[v->cases->c[i].change]);
		md_block(out, prompt, len, "no prompt");
		before = out->len;
		od_case_differences(v->cases, i, md_difference, out);
		od_buf_str(out, out->len > before ? "\n" : "");
		md_side(v, i, 0, out);
		md_side(v, i, 1, out);
	}
}
