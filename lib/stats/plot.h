/* plot.h -- gnuplot scripts: panels of curves, points and bars with their data in the script, so that a user can restyle
 * and rerun it with gnuplot alone. This file only writes text; tools/common/plot.h runs the program.
 *
 * Everything here points to the caller's arrays and strings. Points that are not finite are gaps.
 */
#ifndef OD_STATS_PLOT_H
#define OD_STATS_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum od_plot_style {
	OD_PLOT_LINE, OD_PLOT_FAINT,               /* a curve; a thin pale one, for raw data behind a smoothed curve */
	OD_PLOT_DASHED, OD_PLOT_LINE_POINTS,       /* with marks, for curves of few points */
	OD_PLOT_POINTS, OD_PLOT_BOXES              /* BOXES: x are centres of equal bins */
};

struct od_plot_series {
	const char *label;                         /* in the panel's key; NULL: not shown there */
	const double *x, *y;
	size_t n;
	enum od_plot_style style;
	int colour;                                /* index into the palette: same number, same colour in every panel */
};

struct od_plot_panel {
	const char *title, *x_label, *y_label;     /* NULL: none */
	const struct od_plot_series *series;
	size_t n_series;
	bool log_x, log_y;
	bool fixed_x, fixed_y;                     /* ranges below hold; otherwise they follow the data */
	double x_min, x_max, y_min, y_max;
	bool zero_line;                            /* a thin line at y = 0 */
};

struct od_plot {
	const char *title;
	const struct od_plot_panel *panels;
	size_t n_panels;
	int columns;                               /* of the grid of panels; 0: chosen */
};

enum od_plot_format { OD_PLOT_SVG, OD_PLOT_PNG };

/* Appends a script that draws into the file 'output'. */
void od_plot_script(struct od_buf *out, const struct od_plot *p, enum od_plot_format format, const char *output);

#endif
