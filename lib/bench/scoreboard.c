/* scoreboard.c -- see scoreboard.h: rows, averages, the paper's figures. Summaries are read in scoreboard_read.c. */
#include "bench/scoreboard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

const struct od_board_source_info od_board_sources[OD_BOARD_SOURCES] = {
	{ "alpaca", "AlpacaEval2", "alpaca-eval", NULL, OD_BOARD_TEXT, "n_total", 805 },
	{ "arena", "Arena-Hard", "arena-hard", NULL, OD_BOARD_TEXT, NULL, 0 },
	{ "ifeval", "IFEval", "ifeval", NULL, OD_BOARD_TEXT, "prompts", 541 },
	{ "sedar", "SedarEval", "sedareval", NULL, OD_BOARD_TEXT, "items", 1000 },
	{ "gsm8k", "GSM8K", "math", "gsm8k", OD_BOARD_MATH, "items", 0 },
	{ "math500", "MATH", "math", "math500", OD_BOARD_MATH, "items", 0 },
	{ "minerva_math", "Minerva Math", "math", "minerva_math", OD_BOARD_MATH, "items", 0 },
	{ "olympiadbench", "Olympiad Bench", "math", "olympiadbench", OD_BOARD_MATH, "items", 0 },
	{ "aime24", "AIME 2024", "math", "aime24", OD_BOARD_MATH, "items", 0 },
	{ "amc23", "AMC 2023", "math", "amc23", OD_BOARD_MATH, "items", 0 },
	{ "gaokao2023en", "GaoKao 2023 En", "math", "gaokao2023en", OD_BOARD_MATH, "items", 0 },
	{ "college_math", "College Math", "math", "college_math", OD_BOARD_MATH, "items", 0 },
	{ "pairs", "Preference pairs", "pairs", NULL, OD_BOARD_PAIRS, NULL, 0 },
};

const struct od_board_figure_info od_board_figures[OD_BOARD_FIGURES] = {
	{ "alpaca_lc", "AlpacaEval2", "LC", OD_BOARD_TEXT, OD_BOARD_ALPACA, true },
	{ "alpaca_wr", "AlpacaEval2", "WR", OD_BOARD_TEXT, OD_BOARD_ALPACA, true },
	{ "arena_wr", "Arena-Hard", "WR", OD_BOARD_TEXT, OD_BOARD_ARENA, true },
	{ "ifeval_strict", "IFEval", "strict", OD_BOARD_TEXT, OD_BOARD_IFEVAL, true },
	{ "ifeval_loose", "IFEval", "loose", OD_BOARD_TEXT, OD_BOARD_IFEVAL, true },
	{ "sedar_total", "SedarEval", "overall", OD_BOARD_TEXT, OD_BOARD_SEDAR, true },
	{ "gsm8k", "", "GSM8K", OD_BOARD_MATH, OD_BOARD_GSM8K, true },
	{ "math500", "", "MATH", OD_BOARD_MATH, OD_BOARD_MATH500, true },
	{ "minerva_math", "Minerva", "Math", OD_BOARD_MATH, OD_BOARD_MINERVA, true },
	{ "olympiadbench", "Olympiad", "Bench", OD_BOARD_MATH, OD_BOARD_OLYMPIAD, true },
	{ "aime24", "AIME", "2024", OD_BOARD_MATH, OD_BOARD_AIME, true },
	{ "amc23", "AMC", "2023", OD_BOARD_MATH, OD_BOARD_AMC, true },
	{ "gaokao2023en", "GaoKao", "2023 En", OD_BOARD_MATH, OD_BOARD_GAOKAO, true },
	{ "college_math", "College", "Math", OD_BOARD_MATH, OD_BOARD_COLLEGE, true },
	{ "math_average", "", "Average", OD_BOARD_MATH, -1, true },
	{ "reward_accuracy", "reward", "accuracy", OD_BOARD_PAIRS, OD_BOARD_HELD_OUT, true },
	{ "accuracy", "ranking", "accuracy", OD_BOARD_PAIRS, OD_BOARD_HELD_OUT, true },
	{ "margin", "reward", "margin", OD_BOARD_PAIRS, OD_BOARD_HELD_OUT, false },
};

const char *const od_board_mark_names[OD_BOARD_MARKS] = { "mixed", "not_paper", "partial" };
const char *const od_board_mark_signs[OD_BOARD_MARKS] = { "*", "\xe2\x80\xa0", "\xe2\x80\xa1" };      /* daggers */

void
od_board_init(struct od_board *b, const struct od_board_options *o)
{
	*b = (struct od_board){ .o = *o, .renamed = json_object(), .used = json_object(), .arena_level = NAN };
}

void
od_board_release(struct od_board *b)
{
	for (size_t i = 0; i < b->n; i++) {
		for (int s = 0; s < OD_BOARD_SOURCES; s++) {
			free(b->row[i].run[s].place);
			json_decref(b->row[i].run[s].made);
		}
		free(b->row[i].label);
	}
	for (size_t i = 0; i < b->n_notes; i++)
		free(b->note[i].text);
	free(b->row);
	free(b->note);
	json_decref(b->renamed);
	json_decref(b->used);
	*b = (struct od_board){ 0 };
}

enum od_status
od_board_rename(struct od_board *b, const char *from, const char *to, struct od_error *err)
{
	if (json_object_get(b->renamed, from) != NULL)
		return od_fail(err, OD_EUSAGE, "'%s' is to be called both '%s' and '%s'", from,
			json_string_value(json_object_get(b->renamed, from)), to);
	return json_object_set_new(b->renamed, from, json_string(to)) == 0 ? OD_OK : od_fail_nomem(err, "a name", strlen(to));
}

const char *
od_board_unused(const struct od_board *b)
{
	const char *from;
	json_t *to;

	json_object_foreach(b->renamed, from, to)
		if (json_object_get(b->used, from) == NULL)
			return from;
	return NULL;
}

struct od_board_row *
od_board_new_row(struct od_board *b, const char *label)
{
	struct od_board_row *row;
	char *copy = od_strdup(label);

	if (copy == NULL || !od_grow(&b->row, &b->cap, b->n + 1, sizeof *b->row)) {
		free(copy);
		return NULL;
	}
	for (char *c = copy; *c != '\0'; c++)      /* a label is one line of a table */
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
	row = &b->row[b->n++];
	*row = (struct od_board_row){ .label = copy };
	for (int f = 0; f < OD_BOARD_FIGURES; f++)
		row->cell[f] = (struct od_board_cell){ .value = NAN, .se = NAN, .low = NAN, .high = NAN };
	for (int s = 0; s < OD_BOARD_SOURCES; s++)
		row->run[s] = (struct od_board_run){ .mean_tokens = NAN, .truncated = -1, .empty = -1, .answers = -1 };
	return row;
}

enum od_status
od_board_add_note(struct od_board *b, unsigned mark, const char *text, struct od_error *err)
{
	char *copy = od_strdup(text);

	if (copy == NULL || !od_grow(&b->note, &b->cap_notes, b->n_notes + 1, sizeof *b->note)) {
		free(copy);
		return od_fail_nomem(err, "a note", strlen(text));
	}
	b->note[b->n_notes++] = (struct od_board_note){ mark, copy };
	return OD_OK;
}

void
od_board_finish(struct od_board *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct od_board_cell *set = &b->row[i].cell[OD_BOARD_FIRST_SET];
		struct od_board_cell *average = &b->row[i].cell[OD_BOARD_AVERAGE];
		double sum = 0, squares = 0;
		unsigned marks = 0;

		for (int k = 0; k < OD_BOARD_AVERAGE - OD_BOARD_FIRST_SET; k++) {
			sum += set[k].value;       /* NaN where one is missing */
			squares += set[k].se * set[k].se;
			marks |= set[k].marks;
		}
		average->value = sum / (OD_BOARD_AVERAGE - OD_BOARD_FIRST_SET);
		average->se = sqrt(squares) / (OD_BOARD_AVERAGE - OD_BOARD_FIRST_SET);
		average->there = isfinite(average->value);
		average->marks = average->there ? marks : 0;
	}
}

bool
od_board_in(const struct od_board_row *row, enum od_board_table t)
{
	for (int f = 0; f < OD_BOARD_FIGURES; f++)
		if (od_board_figures[f].table == t && row->cell[f].there)
			return true;
	return false;
}

bool
od_board_has(const struct od_board *b, enum od_board_table t)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->row[i].paper == NULL && od_board_in(&b->row[i], t))
			return true;
	return false;
}

bool
od_board_shows(const struct od_board *b, enum od_board_table t)
{
	for (size_t i = 0; i < b->n; i++)
		if (od_board_in(&b->row[i], t))
			return true;
	return false;
}

bool
od_board_tells_tokens(const struct od_board_run *run)
{
	return isfinite(run->mean_tokens) || run->truncated >= 0 || run->empty > 0;
}

bool
od_board_has_tokens(const struct od_board *b, int source)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->row[i].paper == NULL && od_board_tells_tokens(&b->row[i].run[source]))
			return true;
	return false;
}

/* ---- the paper's rows -------------------------------------------------------------------------------------------- */

/* A run beside the paper must have the paper's settings, or is marked. */
static enum od_status
check_preset(struct od_board *b, size_t row, int s, struct od_error *err)
{
	struct od_board_row *r = &b->row[row];
	const char *preset = json_string_value(json_object_get(r->run[s].made, "preset"));
	struct od_buf text = OD_BUF_INIT;
	enum od_status st = OD_OK;

	if (r->run[s].place == NULL || (preset != NULL && strcmp(preset, "paper") == 0))
		return OD_OK;
	od_buf_printf(&text, "'%s' (%s of '%s') was made with preset '%s', not 'paper'", r->run[s].place, od_board_sources[s].title,
		r->label, preset ? preset : "not known");
	if (!od_buf_ok(&text))
		st = od_fail_nomem(err, "a note", 64);
	else if (!b->o.mixed)
		st = od_fail(err, OD_EMISMATCH, "%s: its figures do not stand beside the paper's (make it again with '--as paper', or "
			"give '--mixed')", text.data);
	else
		st = od_board_add_note(b, OD_BOARD_NOT_PAPER, text.data, err);
	for (int f = 0; f < OD_BOARD_FIGURES; f++)
		if (od_board_figures[f].source == s)
			r->cell[f].marks |= OD_BOARD_NOT_PAPER;
	if (od_board_sources[s].table == OD_BOARD_MATH && r->cell[OD_BOARD_AVERAGE].there)
		r->cell[OD_BOARD_AVERAGE].marks |= OD_BOARD_NOT_PAPER;
	od_buf_release(&text);
	return st;
}

static void
set_printed(struct od_board_cell *c, const char *printed)
{
	c->there = printed != NULL;
	c->printed = printed;
	if (printed == NULL || !od_num_double(printed, &c->value))
		c->value = NAN;
}

static enum od_status
add_paper_row(struct od_board *b, const struct od_paper_row *p, enum od_board_table t, struct od_error *err)
{
	struct od_buf label = OD_BUF_INIT;
	struct od_board_row *row = NULL;
	int first = t == OD_BOARD_TEXT ? 0 : OD_BOARD_FIRST_SET;
	int n = t == OD_BOARD_TEXT ? OD_PAPER_TEXT_FIGURES : OD_PAPER_MATH_FIGURES;

	od_buf_printf(&label, "%s%s%s", p->model, p->method ? ", " : "", p->method ? p->method : "");
	if (od_buf_ok(&label))
		row = od_board_new_row(b, label.data);
	od_buf_release(&label);
	if (row == NULL)
		return od_fail_nomem(err, "a row", sizeof *row);
	row->paper = p;
	for (int f = 0; f < n; f++)
		set_printed(&row->cell[first + f], p->figure[f]);
	row->cell[OD_BOARD_WR].printed_se = p->alpaca_se;
	if (p->alpaca_se != NULL && !od_num_double(p->alpaca_se, &row->cell[OD_BOARD_WR].se))
		row->cell[OD_BOARD_WR].se = NAN;
	if (p->arena_tokens != NULL && !od_num_double(p->arena_tokens, &row->run[OD_BOARD_ARENA].mean_tokens))
		row->run[OD_BOARD_ARENA].mean_tokens = NAN;
	return OD_OK;
}

enum od_status
od_board_add_paper(struct od_board *b, enum od_board_table t, const char *model, size_t *added, struct od_error *err)
{
	const struct od_paper_row *p = t == OD_BOARD_TEXT ? od_paper_text : od_paper_math;
	size_t n = t == OD_BOARD_TEXT ? od_paper_text_rows : od_paper_math_rows, runs = b->n;
	enum od_status st = OD_OK;

	for (size_t i = 0; st == OD_OK && i < runs; i++)
		for (int s = 0; st == OD_OK && s < OD_BOARD_SOURCES; s++)
			if (od_board_sources[s].table == t)
				st = check_preset(b, i, s, err);
	for (size_t i = 0; st == OD_OK && i < n; i++) {
		if (!od_paper_of_model(&p[i], model))
			continue;
		st = add_paper_row(b, &p[i], t, err);
		*added += 1;
	}
	return st;
}
