/* plot.h -- gnuplot scripts: panels of curves, points and bars with their data in the script, so that a user can restyle
 * and rerun it with gnuplot alone. This file only writes text; tools/common/plot.h runs the program.
 *
 * Everything here points to the caller's arrays and strings. Points that are not finite are left out.
 */
#ifndef OD_STATS_PLOT_H
#define OD_STATS_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum od_plot_style {
	OD_PLOT_LINE, OD_PLOT_FAINT,               /* a curve; a thin pale one, for raw data behind a smoothed curve */
	OD_PLOT_DASHED, OD_PLOT_LINE_POINTS,       /* with marks, for curves of few points */
	OD_PLOT_POINTS, OD_PLOT_BOXES,             /* BOXES: x are centres of equal bins */
	OD_PLOT_BARS, OD_PLOT_HOLLOW_BARS,         /* bars of a width, one of several side by side; HOLLOW: pale inside */
	OD_PLOT_AREA,                              /* a closed curve with marks, pale inside: the last point is the first */
	OD_PLOT_DASHED_POINTS, OD_PLOT_THIN
};

enum { OD_PLOT_GREY = -1 };                        /* a colour, for what is no data */

struct od_plot_series {
	const char *label;                         /* in the panel's key; NULL: not shown there */
	const double *x, *y;
	size_t n;
	enum od_plot_style style;
	int colour;                                /* index into the palette: same number, same colour in every panel */
	const double *low, *high;                  /* BARS: ends of whiskers; NULL: none */
	double width;                              /* BARS: in units of x */
	bool gaps;                                 /* a curve ends where points are left out, and begins anew behind */
};

struct od_plot_text {
	const char *text;
	double x, y;
	int side;                                  /* where it is set from there: -1 left, 0 centred, 1 right */
};

struct od_plot_panel {
	const char *title, *x_label, *y_label;     /* NULL: none */
	const struct od_plot_series *series;
	size_t n_series;
	bool log_x, log_y;
	bool fixed_x, fixed_y;                     /* ranges below hold; otherwise they follow the data */
	double x_min, x_max, y_min, y_max;         /* NaN: this end follows the data */
	bool zero_line;                            /* a thin line at y = 0 */
	const char *const *x_names;                /* [n_x_names] names at x = 0, 1, ... in place of numbers */
	size_t n_x_names;
	bool bare;                                 /* no axes, x and y of one scale */
	const struct od_plot_text *texts;          /* [n_texts] */
	size_t n_texts;
};

struct od_plot {
	const char *title;
	const struct od_plot_panel *panels;
	size_t n_panels;
	int columns;                               /* of the grid of panels; 0: chosen */
	int panel_width, panel_height;             /* 0: the usual */
};

enum od_plot_format { OD_PLOT_SVG, OD_PLOT_PNG };

/* Appends a script that draws into the file 'output'. */
void od_plot_script(struct od_buf *out, const struct od_plot *p, enum od_plot_format format, const char *output);

#endif
