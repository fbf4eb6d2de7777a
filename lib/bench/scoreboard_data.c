/* scoreboard_data.c -- see scoreboard.h: a board as CSV and JSON. */
#include <math.h>
#include <string.h>

#include "bench/scoreboard.h"

static const char *const table_names[OD_BOARD_TABLES] = { "text", "math", "pairs" };

/* A number without the dust of its conversion to per cent; nothing or null when it is not finite. */
static void
number(struct od_buf *out, double v, const char *none)
{
	if (isfinite(v))
		od_buf_printf(out, "%.12g", v);
	else
		od_buf_str(out, none);
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

static void
csv_text(struct od_buf *out, const char *s)
{
	if (strpbrk(s, "\",\r\n") == NULL) {
		od_buf_str(out, s);
		return;
	}
	od_buf_char(out, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"')
			od_buf_char(out, '"');
		od_buf_char(out, *s);
	}
	od_buf_char(out, '"');
}

static void
csv_number(struct od_buf *out, double v)
{
	od_buf_char(out, ',');
	number(out, v, "");
}

static void
csv_count(struct od_buf *out, int64_t n)
{
	od_buf_char(out, ',');
	if (n >= 0)
		od_buf_printf(out, "%lld", (long long)n);
}

static void
csv_head(const struct od_board *b, struct od_buf *out)
{
	od_buf_str(out, "model,source");
	for (int f = 0; f < OD_BOARD_FIGURES; f++) {
		const char *name = od_board_figures[f].name;

		if (!od_board_shows(b, od_board_figures[f].table))
			continue;
		if (f == OD_BOARD_ARENA_WR)
			od_buf_printf(out, ",%s,%s_low,%s_high", name, name, name);
		else
			od_buf_printf(out, ",%s,%s_se", name, name);
	}
	for (int s = 0; s < OD_BOARD_SOURCES; s++)
		if (od_board_has_tokens(b, s))
			od_buf_printf(out, ",%s_tokens,%s_truncated,%s_empty", od_board_sources[s].name, od_board_sources[s].name,
				od_board_sources[s].name);
	od_buf_str(out, ",marks\n");
}

static void
csv_row(const struct od_board *b, const struct od_board_row *row, struct od_buf *out)
{
	unsigned marks = 0;
	bool first = true;

	csv_text(out, row->label);
	od_buf_str(out, row->paper == NULL ? ",run" : row->paper->quoted ? ",paper quoted" : ",paper");
	for (int f = 0; f < OD_BOARD_FIGURES; f++) {
		const struct od_board_cell *c = &row->cell[f];

		marks |= c->there ? c->marks : 0;
		if (!od_board_shows(b, od_board_figures[f].table))
			continue;
		csv_number(out, c->value);
		csv_number(out, f == OD_BOARD_ARENA_WR ? c->low : c->se);
		if (f == OD_BOARD_ARENA_WR)
			csv_number(out, c->high);
	}
	for (int s = 0; s < OD_BOARD_SOURCES; s++) {
		if (!od_board_has_tokens(b, s))
			continue;
		csv_number(out, row->run[s].mean_tokens);
		csv_count(out, row->run[s].truncated);
		csv_count(out, row->run[s].empty);
	}
	od_buf_char(out, ',');
	for (int m = 0; m < OD_BOARD_MARKS; m++) {
		if (!(marks & 1u << m))
			continue;
		od_buf_printf(out, "%s%s", first ? "" : " ", od_board_mark_names[m]);
		first = false;
	}
	od_buf_char(out, '\n');
}

void
od_board_csv(const struct od_board *b, struct od_buf *out)
{
	csv_head(b, out);
	for (size_t i = 0; i < b->n; i++)
		csv_row(b, &b->row[i], out);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void
json_text(struct od_buf *out, const char *name, const char *text)
{
	od_buf_printf(out, "\"%s\":", name);
	od_buf_json_string(out, text, strlen(text));
}

static void
json_number(struct od_buf *out, const char *name, double v)
{
	od_buf_printf(out, "\"%s\":", name);
	number(out, v, "null");
}

static void
json_marks(struct od_buf *out, unsigned marks)
{
	bool first = true;

	od_buf_str(out, ",\"marks\":[");
	for (int m = 0; m < OD_BOARD_MARKS; m++) {
		if (!(marks & 1u << m))
			continue;
		od_buf_printf(out, "%s\"%s\"", first ? "" : ",", od_board_mark_names[m]);
		first = false;
	}
	od_buf_char(out, ']');
}

static void
json_cell(const struct od_board_cell *c, bool interval, struct od_buf *out)
{
	od_buf_char(out, '{');
	json_number(out, "value", c->value);
	od_buf_char(out, ',');
	json_number(out, interval ? "low" : "se", interval ? c->low : c->se);
	if (interval) {
		od_buf_char(out, ',');
		json_number(out, "high", c->high);
	}
	if (c->printed != NULL) {
		od_buf_char(out, ',');
		json_text(out, "printed", c->printed);
	}
	json_marks(out, c->marks);
	od_buf_char(out, '}');
}

static void
json_run(const struct od_board_run *run, struct od_buf *out)
{
	const char *preset = json_string_value(json_object_get(run->made, "preset"));
	const int64_t counts[] = { run->truncated, run->empty, run->answers };
	static const char *const names[] = { "truncated", "empty", "n" };

	od_buf_char(out, '{');
	json_text(out, "file", run->place);
	od_buf_str(out, ",\"preset\":");
	if (preset != NULL)
		od_buf_json_string(out, preset, strlen(preset));
	else
		od_buf_str(out, "null");
	if (isfinite(run->mean_tokens) || run->answers >= 0) {
		od_buf_str(out, ",\"answers\":{");
		json_number(out, "mean_tokens", run->mean_tokens);
		for (int i = 0; i < 3; i++)
			if (counts[i] >= 0)
				od_buf_printf(out, ",\"%s\":%lld", names[i], (long long)counts[i]);
		od_buf_char(out, '}');
	}
	od_buf_char(out, '}');
}

static void
json_row(const struct od_board_row *row, enum od_board_table t, struct od_buf *out)
{
	bool first = true;

	od_buf_char(out, '{');
	json_text(out, "model", row->label);
	od_buf_char(out, ',');
	json_text(out, "source", row->paper ? "paper" : "run");
	if (row->paper != NULL) {
		od_buf_char(out, ',');
		json_text(out, "paper_table", row->paper->table);
		od_buf_printf(out, ",\"quoted\":%s", row->paper->quoted ? "true" : "false");
	}
	od_buf_str(out, ",\"figures\":{");
	for (int f = 0; f < OD_BOARD_FIGURES; f++) {
		if (od_board_figures[f].table != t || !row->cell[f].there)
			continue;
		od_buf_printf(out, "%s\"%s\":", first ? "" : ",", od_board_figures[f].name);
		json_cell(&row->cell[f], f == OD_BOARD_ARENA_WR, out);
		first = false;
	}
	od_buf_str(out, "},\"runs\":{");
	first = true;
	for (int s = 0; s < OD_BOARD_SOURCES; s++) {
		if (od_board_sources[s].table != t || row->run[s].place == NULL)
			continue;
		od_buf_printf(out, "%s\"%s\":", first ? "" : ",", od_board_sources[s].name);
		json_run(&row->run[s], out);
		first = false;
	}
	od_buf_str(out, "}}");
}

static void
json_table(const struct od_board *b, enum od_board_table t, struct od_buf *out)
{
	bool first = true;

	od_buf_printf(out, ",\"%s\":[", table_names[t]);
	for (size_t i = 0; i < b->n; i++) {
		if (!od_board_in(&b->row[i], t))
			continue;
		od_buf_str(out, first ? "" : ",");
		json_row(&b->row[i], t, out);
		first = false;
	}
	od_buf_char(out, ']');
}

void
od_board_json(const struct od_board *b, struct od_buf *out)
{
	od_buf_char(out, '{');
	json_text(out, "ifeval_level", b->o.instruction_level ? "instruction" : "prompt");
	od_buf_char(out, ',');
	json_text(out, "math_metric", b->o.math_metric);
	od_buf_char(out, ',');
	json_number(out, "arena_level", b->arena_level);
	for (int t = 0; t < OD_BOARD_TABLES; t++)
		if (od_board_shows(b, (enum od_board_table)t))
			json_table(b, (enum od_board_table)t, out);
	od_buf_str(out, ",\"notes\":[");
	for (size_t i = 0; i < b->n_notes; i++) {
		od_buf_str(out, i ? "," : "");
		od_buf_char(out, '{');
		for (int m = 0; m < OD_BOARD_MARKS; m++)
			if (b->note[i].mark == 1u << m)
				json_text(out, "mark", od_board_mark_names[m]);
		od_buf_char(out, ',');
		json_text(out, "text", b->note[i].text);
		od_buf_char(out, '}');
	}
	od_buf_str(out, "]}\n");
}
