/* scoreboard_text.c -- see scoreboard.h: a board as text and as Markdown, which differ in heads, rules and escapes only. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/scoreboard.h"
#include "stats/draw.h"

#define PLUS_MINUS " \xc2\xb1 "
#define TOKENS_TITLE "Tokens of an answer, mean; in brackets answers cut at the limit, and empty ones."
#define QUOTED "(paper, quoted): what the paper has from others; the average is the printed one, of other sets than are shown"

static const char *const titles[OD_BOARD_TABLES] = { "Text benchmarks", "Math benchmarks", "Held-out preference pairs" };

/* ---- cells ------------------------------------------------------------------------------------------------------- */

/* A cell's text in two parts, which line up below each other. */
struct parts {
	char value[48], error[96];
};

static void
cell_parts(const struct od_board *b, const struct od_board_cell *c, struct parts *p)
{
	int d = b->o.digits, n = 0;

	if (c->printed != NULL || !isfinite(c->value))
		snprintf(p->value, sizeof p->value, "%s", c->printed ? c->printed : "-");
	else
		snprintf(p->value, sizeof p->value, "%.*f", d, c->value);
	p->error[0] = '\0';
	if (c->printed_se != NULL)
		n = snprintf(p->error, sizeof p->error, PLUS_MINUS "%s", c->printed_se);
	else if (isfinite(c->value) && isfinite(c->se))
		n = snprintf(p->error, sizeof p->error, PLUS_MINUS "%.*f", d, c->se);
	else if (isfinite(c->value) && isfinite(c->low) && isfinite(c->high))
		n = snprintf(p->error, sizeof p->error, " (%+.*f, %+.*f)", d, c->low - c->value, d, c->high - c->value);
	for (int m = 0; c->there && m < OD_BOARD_MARKS; m++)
		if (c->marks & 1u << m)
			n += snprintf(p->error + n, sizeof p->error - (size_t)n, "%s", od_board_mark_signs[m]);
}

/* How wide a column is before its point and from there on, so that points stand below each other. */
struct places {
	int before, after;
};

static struct places
places_of(const char *value)
{
	int before = (int)strcspn(value, ".");

	return (struct places){ before, (int)strlen(value) - before };
}

static struct places
column_places(const struct od_board *b, int f)
{
	struct places most = { 0, 0 };
	struct parts p;

	for (size_t i = 0; i < b->n; i++) {
		struct places own;

		if (!od_board_in(&b->row[i], od_board_figures[f].table))
			continue;
		cell_parts(b, &b->row[i].cell[f], &p);
		own = places_of(p.value);
		most.before = own.before > most.before ? own.before : most.before;
		most.after = own.after > most.after ? own.after : most.after;
	}
	return most;
}

/* "512 (3 cut, 1 empty)" */
static void
token_text(const struct od_board_run *run, char *text, size_t size)
{
	int n = isfinite(run->mean_tokens) ? snprintf(text, size, "%.0f", run->mean_tokens) : snprintf(text, size, "-");

	if (run->truncated > 0)
		n += snprintf(text + n, size - (size_t)n, " (%lld cut", (long long)run->truncated);
	if (run->empty > 0)
		n += snprintf(text + n, size - (size_t)n, "%s%lld empty", run->truncated > 0 ? ", " : " (", (long long)run->empty);
	if (run->truncated > 0 || run->empty > 0)
		snprintf(text + n, size - (size_t)n, ")");
}

static void
label_cell(const struct od_board_row *row, struct od_table *table)
{
	struct od_buf text = OD_BUF_INIT;

	od_buf_printf(&text, "%s%s", row->label, row->paper == NULL ? "" : row->paper->quoted ? " (paper, quoted)" : " (paper)");
	if (od_buf_ok(&text))
		od_table_cell(table, text.data);
	else
		table->text.failed = true;
	od_buf_release(&text);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* A table whose columns are a label and n others. */
static struct od_table
new_table(int n)
{
	static const char align[] = "llllllllllllllllllllllll";

	_Static_assert(OD_BOARD_FIGURES < sizeof align && OD_BOARD_SOURCES < sizeof align, "an alignment a column");
	return (struct od_table)OD_TABLE_INIT(1 + n, align);
}

static void
render(const struct od_table *table, bool markdown, struct od_buf *out)
{
	if (markdown)
		od_table_markdown(table, out);
	else
		od_table_render(table, out, "  ");
}

/* The heads of the columns: in two lines, or in one for Markdown. */
static void
head(struct od_table *table, enum od_board_table t, bool markdown)
{
	const char *group = "";

	od_table_cell(table, markdown ? "Model" : "");
	for (int f = 0; f < OD_BOARD_FIGURES; f++) {
		const struct od_board_figure_info *info = &od_board_figures[f];

		if (info->table != t)
			continue;
		if (markdown)
			od_table_cellf(table, "%s%s%s", info->group, info->group[0] ? " " : "", info->title);
		else
			od_table_cell(table, strcmp(group, info->group) == 0 ? "" : info->group);
		group = info->group;
	}
	if (markdown)
		return;
	od_table_cell(table, "Model");
	for (int f = 0; f < OD_BOARD_FIGURES; f++)
		if (od_board_figures[f].table == t)
			od_table_cell(table, od_board_figures[f].title);
}

/* Of a table for a terminal; Markdown's column has no places. */
static int
blanks(int n)
{
	return n > 0 ? n : 0;
}

static void
figures_row(const struct od_board *b, const struct od_board_row *row, enum od_board_table t, const struct places *column,
	struct od_table *table)
{
	struct parts p;
	struct places own;

	label_cell(row, table);
	for (int f = 0; f < OD_BOARD_FIGURES; f++) {
		if (od_board_figures[f].table != t)
			continue;
		cell_parts(b, &row->cell[f], &p);
		own = places_of(p.value);
		od_table_cellf(table, "%*s%s%*s%s", blanks(column[f].before - own.before), "", p.value,
			p.error[0] != '\0' ? blanks(column[f].after - own.after) : 0, "", p.error);
	}
}

static void
figures(const struct od_board *b, enum od_board_table t, bool markdown, struct od_buf *out)
{
	struct places column[OD_BOARD_FIGURES] = { { 0, 0 } };
	struct od_table table;
	int n = 0;

	for (int f = 0; f < OD_BOARD_FIGURES; f++) {
		n += od_board_figures[f].table == t;
		if (!markdown)
			column[f] = column_places(b, f);
	}
	table = new_table(n);
	head(&table, t, markdown);
	for (size_t i = 0; i < b->n; i++)
		if (od_board_in(&b->row[i], t))
			figures_row(b, &b->row[i], t, column, &table);
	render(&table, markdown, out);
	od_table_release(&table);
}

static bool
row_has_tokens(const struct od_board *b, const struct od_board_row *row, enum od_board_table t)
{
	for (int s = 0; s < OD_BOARD_SOURCES; s++)
		if (od_board_sources[s].table == t && od_board_has_tokens(b, s) && od_board_tells_tokens(&row->run[s]))
			return true;
	return false;
}

/* How long answers were; nothing when no run says. */
static void
tokens(const struct od_board *b, enum od_board_table t, bool markdown, struct od_buf *out)
{
	int shown[OD_BOARD_SOURCES], n = 0;
	struct od_table table;
	char text[96];

	for (int s = 0; s < OD_BOARD_SOURCES; s++)
		if (od_board_sources[s].table == t && od_board_has_tokens(b, s))
			shown[n++] = s;
	if (n == 0)
		return;
	table = new_table(n);
	od_table_cell(&table, "Model");
	for (int k = 0; k < n; k++)
		od_table_cell(&table, od_board_sources[shown[k]].title);
	for (size_t i = 0; i < b->n; i++) {
		if (!row_has_tokens(b, &b->row[i], t))
			continue;
		label_cell(&b->row[i], &table);
		for (int k = 0; k < n; k++) {
			token_text(&b->row[i].run[shown[k]], text, sizeof text);
			od_table_cell(&table, text);
		}
	}
	od_buf_printf(out, "\n%s\n%s", TOKENS_TITLE, markdown ? "\n" : "");
	render(&table, markdown, out);
	od_table_release(&table);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* What the figures of a table are. */
static void
legend(const struct od_board *b, enum od_board_table t, struct od_buf *out)
{
	if (t == OD_BOARD_PAIRS) {
		od_buf_str(out, "Accuracies in per cent" PLUS_MINUS "standard error.");
		return;
	}
	od_buf_str(out, "Per cent" PLUS_MINUS "standard error");
	if (t == OD_BOARD_MATH) {
		od_buf_printf(out, ", %s; the average is unweighted, of all eight sets.", b->o.math_metric);
		return;
	}
	if (isfinite(b->arena_level))
		od_buf_printf(out, "; Arena-Hard: to the ends of its %g %% interval", 100 * b->arena_level);
	od_buf_printf(out, "; IFEval: over %s.", b->o.instruction_level ? "instructions" : "prompts");
}

static const char *
sign_of(unsigned mark)
{
	int m = 0;

	while (m < OD_BOARD_MARKS - 1 && !(mark & 1u << m))
		m++;
	return od_board_mark_signs[m];
}

static void
notes(const struct od_board *b, bool markdown, struct od_buf *out)
{
	const char *bullet = markdown ? "- " : "";
	bool quoted = false;

	for (size_t i = 0; i < b->n; i++)
		quoted = quoted || (b->row[i].paper != NULL && b->row[i].paper->quoted);
	if (b->n_notes > 0 || quoted)
		od_buf_char(out, '\n');
	for (size_t i = 0; i < b->n_notes; i++) {
		od_buf_str(out, bullet);
		(markdown ? od_markdown_text : od_buf_str)(out, sign_of(b->note[i].mark));
		od_buf_char(out, ' ');
		(markdown ? od_markdown_text : od_buf_str)(out, b->note[i].text);
		od_buf_char(out, '\n');
	}
	if (quoted)
		od_buf_printf(out, "%s%s\n", bullet, QUOTED);
}

static void
write_board(const struct od_board *b, bool markdown, struct od_buf *out)
{
	for (int t = 0; t < OD_BOARD_TABLES; t++) {
		if (!od_board_shows(b, (enum od_board_table)t))
			continue;
		od_buf_printf(out, markdown ? "%s**%s.** " : "%s%s. ", out->len ? "\n" : "", titles[t]);
		legend(b, (enum od_board_table)t, out);
		od_buf_str(out, markdown ? "\n\n" : "\n");
		figures(b, (enum od_board_table)t, markdown, out);
		tokens(b, (enum od_board_table)t, markdown, out);
	}
	notes(b, markdown, out);
}

void
od_board_text(const struct od_board *b, struct od_buf *out)
{
	write_board(b, false, out);
}

void
od_board_markdown(const struct od_board *b, struct od_buf *out)
{
	write_board(b, true, out);
}
