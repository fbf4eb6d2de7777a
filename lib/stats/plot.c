/* plot.c -- see plot.h. */
#include "stats/plot.h"

#include <math.h>

#include "base/num.h"

/* Okabe and Ito's palette: told apart with any colour vision; yellow and black left out. */
static const char *const palette[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9" };

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
		number(out, s->x[i]);
		od_buf_char(out, ' ');
		number(out, s->y[i]);
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
	int width = columns * PANEL_WIDTH, height = rows * PANEL_HEIGHT + (p->title != NULL ? TITLE_HEIGHT : 0);

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
		"set border 3 lc rgb '#606060'\nset tics nomirror textcolor rgb '#303030'\n"
		"set grid lc rgb '#E0E0E0' lt 1 lw 0.6\nset key outside bottom center horizontal samplen 1.5 spacing 1.1\n"
		"set style fill solid 0.6 border rgb 'white'\nset boxwidth 1 relative\n");
	od_buf_printf(out, "set multiplot layout %d,%d", rows, columns);
	if (p->title != NULL) {
		od_buf_str(out, " title ");
		literal(out, p->title);
	}
	od_buf_char(out, '\n');
}

static void
range(struct od_buf *out, char axis, bool fixed, double lo, double hi)
{
	if (!fixed) {
		od_buf_printf(out, "set %crange [*:*]\n", axis);
		return;
	}
	od_buf_printf(out, "set %crange [", axis);
	number(out, lo);
	od_buf_char(out, ':');
	number(out, hi);
	od_buf_str(out, "]\n");
}

static void
series(struct od_buf *out, const struct od_plot_series *s, size_t panel, size_t index)
{
	static const char *const with[] = { "lines lw 1.8 lc rgb '%s'", "lines lw 0.8 lc rgb '%s'",
		"lines lw 1.5 dt 2 lc rgb '%s'", "linespoints pt 7 ps 0.5 lw 1.5 lc rgb '%s'",
		"points pt 7 ps 0.35 lc rgb '%s'", "boxes lc rgb '%s'" };
	const char *colour = palette[(size_t)s->colour % N_COLOURS], *w = with[s->style];

	od_buf_printf(out, "$p%zu_%zu using 1:2 with ", panel, index);
	for (; *w != '\0'; w++) {
		if (w[0] != '%') {
			od_buf_char(out, *w);
			continue;
		}
		if (s->style == OD_PLOT_FAINT)     /* gnuplot's #AARRGGBB: the alpha byte counts from opaque */
			od_buf_printf(out, "#B0%s", colour + 1);
		else
			od_buf_str(out, colour);
		w++;
	}
	if (s->label != NULL) {
		od_buf_str(out, " title ");
		literal(out, s->label);
	} else {
		od_buf_str(out, " notitle");
	}
}

static void
panel(struct od_buf *out, const struct od_plot_panel *p, size_t index)
{
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
