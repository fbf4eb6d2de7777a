/* scoreboard_plot.c -- see scoreboard_plot.h. */
#include "bench/scoreboard_plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PI 3.14159265358979323846

const char *const od_board_plot_kinds[] = { "bar", "radar", NULL };

static const char *const titles[OD_BOARD_TABLES] = { "Text benchmarks, per cent", "Math benchmarks, per cent",
	"Preference pairs, per cent" };

enum { RINGS = 5, BAR_HEIGHT = 300, RADAR_WIDTH = 650, RADAR_HEIGHT = 500, KEY_LINE = 19 };

/* Columns and rows of a table that have something to draw. */
struct shown {
	const struct od_board *b;
	enum od_board_table table;
	int figure[OD_BOARD_FIGURES], n_figures;
	size_t *row, n_rows;
};

/* Zeroed memory that lives as long as the plot; NULL when there is none. */
static void *
block(struct od_board_plot *plot, size_t n, size_t size)
{
	void *p = od_calloc(n, size);

	if (p == NULL || !od_grow(&plot->block, &plot->cap_blocks, plot->n_blocks + 1, sizeof *plot->block)) {
		free(p);
		return NULL;
	}
	plot->block[plot->n_blocks++] = p;
	return p;
}

void
od_board_plot_release(struct od_board_plot *plot)
{
	for (size_t i = 0; i < plot->n_blocks; i++)
		free(plot->block[i]);
	free(plot->block);
	*plot = (struct od_board_plot)OD_BOARD_PLOT_INIT;
}

/* ---- what is shown ----------------------------------------------------------------------------------------------- */

static bool
has_figure(const struct od_board *b, int f)
{
	for (size_t i = 0; i < b->n; i++)
		if (isfinite(b->row[i].cell[f].value))
			return true;
	return false;
}

static bool
select_shown(struct od_board_plot *plot, struct shown *s, const struct od_board *b, enum od_board_table t,
	enum od_board_plot_kind kind)
{
	*s = (struct shown){ .b = b, .table = t, .row = block(plot, b->n, sizeof *s->row) };
	for (int f = 0; f < OD_BOARD_FIGURES; f++)
		if (od_board_figures[f].table == t && od_board_figures[f].share && has_figure(b, f) &&
			(kind == OD_BOARD_BARS || f != OD_BOARD_AVERAGE))
			s->figure[s->n_figures++] = f;
	for (size_t i = 0; s->row != NULL && i < b->n; i++)
		if (od_board_in(&b->row[i], t))
			s->row[s->n_rows++] = i;
	return s->row != NULL;
}

static const struct od_board_cell *
cell_of(const struct shown *s, size_t r, int k)
{
	return &s->b->row[s->row[r]].cell[s->figure[k]];
}

/* "AlpacaEval2 LC" */
static char *
axis_name(struct od_board_plot *plot, int f)
{
	const struct od_board_figure_info *info = &od_board_figures[f];
	size_t n = strlen(info->group) + strlen(info->title) + 2;
	char *name = block(plot, n, 1);

	if (name != NULL)
		snprintf(name, n, "%s%s%s", info->group, info->group[0] ? " " : "", info->title);
	return name;
}

/* A row's name; the paper's say so. */
static const char *
row_name(struct od_board_plot *plot, const struct od_board_row *row)
{
	const char *of = row->paper == NULL ? "" : row->paper->quoted ? " (paper, quoted)" : " (paper)";
	size_t n = strlen(row->label) + strlen(of) + 1;
	char *name = block(plot, n, 1);

	if (name != NULL)
		snprintf(name, n, "%s%s", row->label, of);
	return name;
}

/* ---- bars -------------------------------------------------------------------------------------------------------- */

static void
bar_values(const struct shown *s, size_t r, double width, struct od_plot_series *series, double *x, double *y, double *low,
	double *high)
{
	for (int k = 0; k < s->n_figures; k++) {
		const struct od_board_cell *c = cell_of(s, r, k);
		bool interval = isfinite(c->low) && isfinite(c->high);

		x[k] = k + ((double)r - ((double)s->n_rows - 1) / 2) * width;
		y[k] = c->value;
		low[k] = interval ? c->low : c->value - c->se;
		high[k] = interval ? c->high : c->value + c->se;
	}
	series->x = x;
	series->y = y;
	series->low = low;
	series->high = high;
}

static bool
bars(struct od_board_plot *plot, const struct shown *s, struct od_plot_panel *panel)
{
	struct od_plot_series *series = block(plot, s->n_rows, sizeof *series);
	const char **names = block(plot, (size_t)s->n_figures, sizeof *names);
	double width = 0.8 / (double)s->n_rows, *v;
	size_t n = (size_t)s->n_figures;

	if (series == NULL || names == NULL)
		return false;
	for (int k = 0; k < s->n_figures; k++)
		if ((names[k] = axis_name(plot, s->figure[k])) == NULL)
			return false;
	for (size_t r = 0; r < s->n_rows; r++) {
		const struct od_board_row *row = &s->b->row[s->row[r]];

		v = block(plot, 4 * n, sizeof *v);
		series[r] = (struct od_plot_series){ .label = row_name(plot, row), .n = n, .colour = (int)r, .width = 0.92 * width,
			.style = row->paper != NULL ? OD_PLOT_HOLLOW_BARS : OD_PLOT_BARS };
		if (v == NULL || series[r].label == NULL)
			return false;
		bar_values(s, r, width, &series[r], v, v + n, v + 2 * n, v + 3 * n);
	}
	*panel = (struct od_plot_panel){ .title = titles[s->table], .series = series, .n_series = s->n_rows, .x_names = names,
		.n_x_names = n, .fixed_x = true, .x_min = -0.6, .x_max = (double)n - 0.4, .fixed_y = true, .y_min = 0,
		.y_max = NAN };
	return true;
}

/* ---- webs -------------------------------------------------------------------------------------------------------- */

/* A point of axis k, r from the middle. The first axis points up, the others follow clockwise. */
static void
on_axis(const struct shown *s, int k, double r, double *x, double *y)
{
	double angle = PI / 2 - 2 * PI * k / s->n_figures;

	*x = r * cos(angle);
	*y = r * sin(angle);
}

/* Rings at 20, 40, ... and a spoke an axis, as grey curves. */
static bool
web(struct od_board_plot *plot, const struct shown *s, struct od_plot_series *series)
{
	size_t n = (size_t)s->n_figures + 1;

	for (int i = 0; i < RINGS + s->n_figures; i++) {
		bool ring = i < RINGS;
		double *v = block(plot, 2 * n, sizeof *v);

		if (v == NULL)
			return false;
		for (int k = 0; ring && k < (int)n; k++)
			on_axis(s, k, 100.0 * (i + 1) / RINGS, &v[k], &v[n + (size_t)k]);
		if (!ring)
			on_axis(s, i - RINGS, 100, &v[1], &v[n + 1]);
		series[i] = (struct od_plot_series){ .x = v, .y = v + n, .n = ring ? n : 2, .style = OD_PLOT_THIN,
			.colour = OD_PLOT_GREY };
	}
	return true;
}

/* One model's line around the web: an area, or an open line when figures are missing. */
static bool
web_line(struct od_board_plot *plot, const struct shown *s, size_t r, struct od_plot_series *series)
{
	const struct od_board_row *row = &s->b->row[s->row[r]];
	size_t n = (size_t)s->n_figures + 1;
	double *v = block(plot, 2 * n, sizeof *v);
	bool whole = true;

	*series = (struct od_plot_series){ .label = row_name(plot, row), .n = n, .colour = (int)r, .gaps = true };
	if (v == NULL || series->label == NULL)
		return false;
	for (int k = 0; k < (int)n; k++) {
		double value = cell_of(s, r, k % s->n_figures)->value;

		whole = whole && isfinite(value);
		on_axis(s, k, value, &v[k], &v[n + (size_t)k]);
	}
	series->x = v;
	series->y = v + n;
	series->style = row->paper != NULL ? OD_PLOT_DASHED_POINTS : whole ? OD_PLOT_AREA : OD_PLOT_LINE_POINTS;
	return true;
}

/* Names at the rim and numbers at the rings, along the first axis. */
static bool
web_texts(struct od_board_plot *plot, const struct shown *s, struct od_plot_text *texts)
{
	for (int k = 0; k < s->n_figures; k++) {
		struct od_plot_text *t = &texts[k];

		on_axis(s, k, 111, &t->x, &t->y);
		t->side = t->x > 5 ? 1 : t->x < -5 ? -1 : 0;
		if ((t->text = axis_name(plot, s->figure[k])) == NULL)
			return false;
	}
	for (int i = 0; i < RINGS; i++) {
		char *text = block(plot, 8, 1);

		if (text == NULL)
			return false;
		snprintf(text, 8, "%d", 100 * (i + 1) / RINGS);
		texts[s->n_figures + i] = (struct od_plot_text){ text, 2, 100.0 * (i + 1) / RINGS - 4, 1 };
	}
	return true;
}

static bool
radar(struct od_board_plot *plot, const struct shown *s, struct od_plot_panel *panel)
{
	size_t n_web = RINGS + (size_t)s->n_figures;       /* curves; as many texts */
	struct od_plot_series *series = block(plot, n_web + s->n_rows, sizeof *series);
	struct od_plot_text *texts = block(plot, n_web, sizeof *texts);

	if (series == NULL || texts == NULL || !web(plot, s, series) || !web_texts(plot, s, texts))
		return false;
	for (size_t r = 0; r < s->n_rows; r++)
		if (!web_line(plot, s, r, &series[n_web + r]))
			return false;
	*panel = (struct od_plot_panel){ .title = titles[s->table], .series = series, .n_series = n_web + s->n_rows, .bare = true,
		.texts = texts, .n_texts = n_web, .fixed_x = true, .x_min = -175, .x_max = 175, .fixed_y = true, .y_min = -125,
		.y_max = 125 };
	return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* Wide enough for the bars and the names under them. */
static int
bars_width(const struct shown *s)
{
	int by_bars = (int)(s->n_rows * (size_t)s->n_figures) * 11, by_names = s->n_figures * 105;
	int width = by_bars > by_names ? by_bars : by_names;

	return 90 + (width < 350 ? 350 : width > 2400 ? 2400 : width);
}

/* What the rows' names take below the panel, by the width of letters. */
static int
key_height(const struct shown *s, int width)
{
	size_t longest = 1, columns;

	for (size_t r = 0; r < s->n_rows; r++) {
		size_t n = strlen(s->b->row[s->row[r]].label);

		longest = n > longest ? n : longest;
	}
	columns = (size_t)width / (8 * (longest + 16) + 40);
	columns = columns < 1 ? 1 : columns;
	return (int)((s->n_rows + columns - 1) / columns) * KEY_LINE;
}

/* One table's panel. False without memory. */
static bool
add_panel(struct od_board_plot *plot, const struct shown *s, enum od_board_plot_kind kind)
{
	struct od_plot_panel *panel = &plot->panel[plot->p.n_panels];
	int width = kind == OD_BOARD_RADAR ? RADAR_WIDTH : bars_width(s);
	int height = (kind == OD_BOARD_RADAR ? RADAR_HEIGHT : BAR_HEIGHT) + key_height(s, width);

	if (!(kind == OD_BOARD_RADAR ? radar(plot, s, panel) : bars(plot, s, panel)))
		return false;
	plot->p.panel_width = width > plot->p.panel_width ? width : plot->p.panel_width;
	plot->p.panel_height = height > plot->p.panel_height ? height : plot->p.panel_height;
	plot->p.n_panels++;
	return true;
}

enum od_status
od_board_plot(struct od_board_plot *plot, const struct od_board *b, enum od_board_plot_kind kind, struct od_error *err)
{
	int least = kind == OD_BOARD_RADAR ? 3 : 1;
	struct shown s;

	for (int t = 0; t < OD_BOARD_TABLES; t++) {
		if (!select_shown(plot, &s, b, (enum od_board_table)t, kind))
			return od_fail_nomem(err, "a plot", b->n);
		if (s.n_figures >= least && !add_panel(plot, &s, kind))
			return od_fail_nomem(err, "a plot", b->n);
	}
	if (plot->p.n_panels == 0)
		return od_fail(err, OD_EUSAGE, "nothing to plot: no table has %s", least == 1 ? "a figure" :
			"three columns with figures, which a radar needs ('--plot-kind bar' needs one)");
	plot->p.panels = plot->panel;
	plot->p.columns = kind == OD_BOARD_RADAR ? 0 : 1;
	return OD_OK;
}
