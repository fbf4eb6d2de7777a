/* plot.c -- see plot.h. */
#include "stats/plot.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"

/* Okabe and Ito's palette: told apart with any colour vision; yellow and black left out. Behind it dark ones of Tol's. */
static const char *const palette[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#332288",
	"#999933", "#AA4499", "#117733", "#661100" };

#define N_COLOURS (sizeof palette / sizeof *palette)

enum { PANEL_WIDTH = 440, PANEL_HEIGHT = 300, TITLE_HEIGHT = 40 };

/* A string literal of gnuplot: single quotes doubled, control characters as blanks. */
static void
literal(struct od_buf *out, const char *s)
{
	od_buf_char(out, '\'');
	for (; s != NULL && *s != '\0'; s++) {
		if (*s == '\'')
			od_buf_char(out, '\'');
		od_buf_char(out, (unsigned char)*s < ' ' ? ' ' : *s);
	}
	od_buf_char(out, '\'');
}

static void
number(struct od_buf *out, double v)
{
	char text[OD_NUM_TEXT];

	od_num_format(text, v);
	od_buf_str(out, isfinite(v) ? text : "NaN");
}

static void
data_block(struct od_buf *out, const struct od_plot_series *s, size_t panel, size_t index)
{
	od_buf_printf(out, "$p%zu_%zu << EOD\n", panel, index);
	for (size_t i = 0; i < s->n; i++) {
		if (s->gaps && !(isfinite(s->x[i]) && isfinite(s->y[i]))) {
			od_buf_char(out, '\n');
			continue;
		}
		number(out, s->x[i]);
		od_buf_char(out, ' ');
		number(out, s->y[i]);
		if (s->low != NULL && s->high != NULL) {
			od_buf_char(out, ' ');
			number(out, s->low[i]);
			od_buf_char(out, ' ');
			number(out, s->high[i]);
		}
		od_buf_char(out, '\n');
	}
	if (s->n == 0)
		od_buf_str(out, "NaN NaN\n");
	od_buf_str(out, "EOD\n");
}

static void
preamble(struct od_buf *out, const struct od_plot *p, enum od_plot_format format, const char *output, int columns,
	int rows)
{
	int width = columns * (p->panel_width > 0 ? p->panel_width : PANEL_WIDTH);
	int height = rows * (p->panel_height > 0 ? p->panel_height : PANEL_HEIGHT) + (p->title != NULL ? TITLE_HEIGHT : 0);

	if (format == OD_PLOT_SVG) {
		od_buf_printf(out, "set terminal svg noenhanced size %d,%d background rgb 'white' font 'sans-serif,11'\n",
			width, height);
	} else {
		od_buf_printf(out, "if (strstrt(GPVAL_TERMINALS, 'pngcairo')) {\n"
			"\tset terminal pngcairo noenhanced size %d,%d background rgb 'white' font 'Sans,10'\n"
			"} else {\n\tset terminal png noenhanced size %d,%d\n}\n", width, height, width, height);
	}
	od_buf_str(out, "set output ");
	literal(out, output);
	od_buf_str(out, "\nset encoding utf8\nset datafile missing 'NaN'\n"
		"set key outside bottom center horizontal samplen 1.5 spacing 1.1\n"
		"set style fill solid 0.6 border rgb 'white'\nset boxwidth 1 relative\n");
	od_buf_printf(out, "set multiplot layout %d,%d", rows, columns);
	if (p->title != NULL) {
		od_buf_str(out, " title ");
		literal(out, p->title);
	}
	od_buf_char(out, '\n');
}

static void
range_end(struct od_buf *out, double v)
{
	if (isfinite(v))
		number(out, v);
	else
		od_buf_char(out, '*');
}

static void
range(struct od_buf *out, char axis, bool fixed, double lo, double hi)
{
	if (!fixed) {
		od_buf_printf(out, "set %crange [*:*]\n", axis);
		return;
	}
	od_buf_printf(out, "set %crange [", axis);
	range_end(out, lo);
	od_buf_char(out, ':');
	range_end(out, hi);
	od_buf_str(out, "]\n");
}

/* with: what stands behind `with`; in it %s is the colour, %p the same nearly transparent (gnuplot's #AARRGGBB: the alpha byte
 * counts from opaque). */
static void
element(struct od_buf *out, const struct od_plot_series *s, const char *name, const char *columns, const char *with)
{
	const char *colour = s->colour < 0 ? "#C8C8C8" : palette[(size_t)s->colour % N_COLOURS];

	od_buf_printf(out, "%s using %s with ", name, columns);
	for (; *with != '\0'; with++) {
		if (with[0] != '%') {
			od_buf_char(out, *with);
			continue;
		}
		with++;
		if (*with == 'p')
			od_buf_printf(out, "#B0%s", colour + 1);
		else
			od_buf_str(out, colour);
	}
}

static void
series(struct od_buf *out, const struct od_plot_series *s, size_t panel, size_t index)
{
	static const char *const with[] = { "lines lw 1.8 lc rgb '%s'", "lines lw 0.8 lc rgb '%p'",
		"lines lw 1.5 dt 2 lc rgb '%s'", "linespoints pt 7 ps 0.5 lw 1.5 lc rgb '%s'",
		"points pt 7 ps 0.35 lc rgb '%s'", "boxes lc rgb '%s'",
		"boxes fs solid 0.85 border rgb '%s' lc rgb '%s'", "boxes fs solid 0.25 border rgb '%s' lc rgb '%s'",
		"linespoints pt 7 ps 0.5 lw 2 lc rgb '%s'", "linespoints pt 6 ps 0.5 lw 1.3 dt 2 lc rgb '%s'",
		"lines lw 0.8 lc rgb '%s'" };
	bool bars = s->style == OD_PLOT_BARS || s->style == OD_PLOT_HOLLOW_BARS;
	char name[48], columns[OD_NUM_TEXT + 8] = "1:2", width[OD_NUM_TEXT];

	snprintf(name, sizeof name, "$p%zu_%zu", panel, index);
	od_num_format(width, s->width);
	if (bars)
		snprintf(columns, sizeof columns, "1:2:(%s)", width);
	if (s->style == OD_PLOT_AREA)
		element(out, s, name, columns, "filledcurves closed fs transparent solid 0.1 noborder fc rgb '%s' notitle, \\\n     ");
	element(out, s, name, columns, with[s->style]);
	if (s->label != NULL) {
		od_buf_str(out, " title ");
		literal(out, s->label);
	} else {
		od_buf_str(out, " notitle");
	}
	if (bars && s->low != NULL && s->high != NULL)
		od_buf_printf(out, ", \\\n     %s using 1:3:(0):($4-$3) with vectors heads size screen 0.003,90 lw 1 "
			"lc rgb '#303030' notitle", name);
}

/* Axes, or none; names in place of numbers along x. */
static void
axes(struct od_buf *out, const struct od_plot_panel *p)
{
	if (p->bare) {
		od_buf_str(out, "\nunset border\nunset tics\nunset grid\nset size ratio -1");
	} else {
		od_buf_str(out, "\nset size noratio\nset border 3 lc rgb '#606060'\nset tics nomirror scale 1 textcolor rgb '#303030'\n"
			"set grid lc rgb '#E0E0E0' lt 1 lw 0.6\nset xtics autofreq");
	}
	if (p->n_x_names > 0) {
		od_buf_str(out, "\nset grid noxtics\nset xtics scale 0 (");
		for (size_t i = 0; i < p->n_x_names; i++) {
			od_buf_str(out, i ? ", " : "");
			literal(out, p->x_names[i]);
			od_buf_printf(out, " %zu", i);
		}
		od_buf_char(out, ')');
	}
	od_buf_str(out, "\nunset label");
	for (size_t i = 0; i < p->n_texts; i++) {
		od_buf_str(out, "\nset label ");
		literal(out, p->texts[i].text);
		od_buf_str(out, " at ");
		number(out, p->texts[i].x);
		od_buf_char(out, ',');
		number(out, p->texts[i].y);
		od_buf_printf(out, " %s textcolor rgb '#303030'", p->texts[i].side < 0 ? "right" : p->texts[i].side > 0 ? "left" : "center");
	}
}

static void
panel(struct od_buf *out, const struct od_plot_panel *p, size_t index)
{
	axes(out, p);
	od_buf_str(out, "\nset title ");
	literal(out, p->title);
	od_buf_str(out, "\nset xlabel ");
	literal(out, p->x_label);
	od_buf_str(out, " offset 0,0.4");
	od_buf_str(out, "\nset ylabel ");
	literal(out, p->y_label);
	od_buf_printf(out, "\n%s logscale x\n%s logscale y\n", p->log_x ? "set" : "unset", p->log_y ? "set" : "unset");
	range(out, 'x', p->fixed_x, p->x_min, p->x_max);
	range(out, 'y', p->fixed_y, p->y_min, p->y_max);
	od_buf_printf(out, "%s", p->zero_line ? "set xzeroaxis lc rgb '#909090' lt 1 lw 0.8\n" : "unset xzeroaxis\n");
	od_buf_str(out, "plot ");
	for (size_t i = 0; i < p->n_series; i++) {
		od_buf_str(out, i == 0 ? "" : ", \\\n     ");
		series(out, &p->series[i], index, i);
	}
	if (p->n_series == 0)
		od_buf_str(out, "NaN notitle");
	od_buf_char(out, '\n');
}

void
od_plot_script(struct od_buf *out, const struct od_plot *p, enum od_plot_format format, const char *output)
{
	int columns = p->columns, rows;

	if (columns < 1)
		columns = p->n_panels <= 1 ? 1 : p->n_panels <= 4 ? 2 : p->n_panels <= 9 ? 3 : 4;
	rows = ((int)p->n_panels + columns - 1) / columns;
	for (size_t i = 0; i < p->n_panels; i++)
		for (size_t s = 0; s < p->panels[i].n_series; s++)
			data_block(out, &p->panels[i].series[s], i, s);
	preamble(out, p, format, output, columns, rows < 1 ? 1 : rows);
	for (size_t i = 0; i < p->n_panels; i++)
		panel(out, &p->panels[i], i);
	od_buf_str(out, "\nunset multiplot\nset output\n");
}
