/* scoreboard_plot.h -- a board as a picture: a panel a table (text, math, accuracies of pairs), models told apart by
 * colour, the paper's figures pale. What no row has a figure of is left out.
 *
 * Bars: side by side, with whiskers of a standard error or to the ends of the interval. Web (radar): an axis a
 * benchmark, 0 per cent in the middle and 100 at the rim; a figure that is missing opens the line. A web needs three
 * axes: a table with fewer has none.
 */
#ifndef OD_BENCH_SCOREBOARD_PLOT_H
#define OD_BENCH_SCOREBOARD_PLOT_H

#include "base/error.h"
#include "bench/scoreboard.h"
#include "stats/plot.h"

enum od_board_plot_kind { OD_BOARD_BARS, OD_BOARD_RADAR };
extern const char *const od_board_plot_kinds[];    /* "bar", "radar", NULL */

struct od_board_plot {
	struct od_plot p;                          /* points into the rest, and to the board's labels */
	struct od_plot_panel panel[OD_BOARD_TABLES];
	void **block;                              /* what the panels point to */
	size_t n_blocks, cap_blocks;
};

#define OD_BOARD_PLOT_INIT { .block = NULL }

/* The board must outlive the plot. OD_EUSAGE when there is nothing to draw. Release it whatever the outcome. */
OD_MUST_CHECK enum od_status od_board_plot(struct od_board_plot *plot, const struct od_board *b, enum od_board_plot_kind kind,
	struct od_error *err);
void od_board_plot_release(struct od_board_plot *plot);

#endif
