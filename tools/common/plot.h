/* plot.h -- --plot FILE: pictures through gnuplot, which is run as a program and only when asked for. */
#ifndef OD_TOOLS_PLOT_H
#define OD_TOOLS_PLOT_H

#include "base/error.h"
#include "stats/plot.h"

/* The help text of --plot, the same everywhere. */
#define OD_PLOT_HELP "draw into FILE.svg or FILE.png with gnuplot; FILE.gp gets the script alone"

/* OD_EUSAGE when path's ending is none of .svg, .png, .gp: for a check before the work. NULL is fine. */
OD_MUST_CHECK enum od_status od_plot_check(const char *path, struct od_error *err);

/* Draws p into path, atomically. OD_ESUPPORT when gnuplot is not there, OD_ESYS (with gnuplot's own words) when it
 * fails. A .gp script draws into the .svg of the same name. */
OD_MUST_CHECK enum od_status od_plot_write(const struct od_plot *p, const char *path, struct od_error *err);

#endif
