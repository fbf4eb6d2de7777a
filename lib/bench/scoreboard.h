/* scoreboard.h -- runs of benchmarks joined into tables, a model a row: text benchmarks, math sets, preference pairs.
 * The shape of the text and math tables is that of the paper's Tables 1 and 2.
 *
 * What goes in are summaries as od-eval writes them (--summary): `benchmark`, the figures, `run` (manifest.h) and,
 * where the answers were looked at, `answers` {mean_tokens, truncated, empty, n}. A summary of several models
 * (`models`) gives a row each, its baseline none.
 *
 * Units: figures are per cent, whichever unit the summary has, but for the pairs' margin. se is a standard error in
 * the same unit. Arena-Hard has the ends of an interval in its place. The average of the math sets is unweighted, there
 * only when all eight sets are, its standard error that of eight independent means.
 *
 * Refused (OD_EMISMATCH), or under `mixed` marked with a note: results of one benchmark that were not made alike
 * (manifests, and what else a summary says of how it was judged); results of one row that are of two models; results
 * whose preset is not "paper" beside the paper's. Refused always: two results of one benchmark for one row.
 */
#ifndef OD_BENCH_SCOREBOARD_H
#define OD_BENCH_SCOREBOARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "bench/paper.h"

enum od_board_table { OD_BOARD_TEXT, OD_BOARD_MATH, OD_BOARD_PAIRS, OD_BOARD_TABLES };

/* A benchmark, or a set of the math benchmark: what a summary is of. */
enum od_board_source {
	OD_BOARD_ALPACA, OD_BOARD_ARENA, OD_BOARD_IFEVAL, OD_BOARD_SEDAR,
	OD_BOARD_GSM8K, OD_BOARD_MATH500, OD_BOARD_MINERVA, OD_BOARD_OLYMPIAD, OD_BOARD_AIME, OD_BOARD_AMC, OD_BOARD_GAOKAO,
	OD_BOARD_COLLEGE, OD_BOARD_HELD_OUT, OD_BOARD_SOURCES
};

struct od_board_source_info {
	const char *name;                          /* in JSON and CSV: "alpaca" */
	const char *title;                         /* for people: "AlpacaEval2" */
	const char *benchmark, *dataset;           /* the summary's members; dataset NULL but for math */
	enum od_board_table table;
	const char *items;                         /* member of the summary with the number of items, or NULL */
	int64_t size;                              /* items of the whole benchmark as it is published; 0: no one number, or
	                                            * what grade/math_answer.h says of the dataset */
};

extern const struct od_board_source_info od_board_sources[OD_BOARD_SOURCES];

enum od_board_figure {
	OD_BOARD_LC, OD_BOARD_WR, OD_BOARD_ARENA_WR, OD_BOARD_STRICT, OD_BOARD_LOOSE, OD_BOARD_TOTAL,
	OD_BOARD_FIRST_SET, OD_BOARD_AVERAGE = OD_BOARD_FIRST_SET + 8,
	OD_BOARD_REWARD_ACCURACY, OD_BOARD_RANKING, OD_BOARD_MARGIN, OD_BOARD_FIGURES
};

/* A column. */
struct od_board_figure_info {
	const char *name;                          /* in JSON and CSV: "alpaca_lc" */
	const char *group, *title;                 /* "AlpacaEval2", "LC"; group "" where the title says all */
	enum od_board_table table;
	int source;                                /* enum od_board_source; -1: made of others */
	bool share;                                /* per cent, 0 to 100 */
};

extern const struct od_board_figure_info od_board_figures[OD_BOARD_FIGURES];

enum {                                             /* what a figure is marked for */
	OD_BOARD_MIXED = 1,                        /* not made like the others of its column or row */
	OD_BOARD_NOT_PAPER = 2,                    /* not with the paper's settings, though the paper's figures stand beside it */
	OD_BOARD_PARTIAL = 4,                      /* of other items than the whole benchmark's, or some took no part */
	OD_BOARD_MARKS = 3                         /* how many there are */
};

extern const char *const od_board_mark_names[OD_BOARD_MARKS], *const od_board_mark_signs[OD_BOARD_MARKS];

struct od_board_cell {
	bool there;                                /* the benchmark was run; value may be NaN all the same */
	double value, se, low, high;               /* NaN: not known */
	const char *printed, *printed_se;          /* the paper's figure as printed, or NULL */
	unsigned marks;
};

struct od_board_run {
	char *place;                               /* where the summary was read; NULL: no run */
	json_t *made;                              /* manifest with what else is known of the making */
	double mean_tokens;                        /* of an answer; NaN: not known */
	int64_t truncated, empty, answers;         /* -1: not known */
};

struct od_board_row {
	char *label;
	const struct od_paper_row *paper;          /* NULL: of runs */
	struct od_board_cell cell[OD_BOARD_FIGURES];
	struct od_board_run run[OD_BOARD_SOURCES];
};

struct od_board_note {
	unsigned mark;
	char *text;
};

struct od_board_options {
	bool instruction_level;                    /* IFEval's accuracies over instructions, not over prompts */
	const char *math_metric;                   /* member of a math summary's metrics: "pass@1" */
	bool mixed;
	int digits;                                /* behind the point, of texts for people */
};

#define OD_BOARD_OPTIONS_INIT { false, "pass@1", false, 1 }

struct od_board {
	struct od_board_options o;
	struct od_board_row *row;
	size_t n, cap;
	struct od_board_note *note;
	size_t n_notes, cap_notes;
	json_t *renamed, *used;                    /* old label to new; those that were met */
	double arena_level;                        /* of the intervals; NaN: not known */
};

void od_board_init(struct od_board *b, const struct od_board_options *o);
void od_board_release(struct od_board *b);

/* From now on what would be called `from` is called `to`. od_board_unused: a `from` that nothing was called, or NULL. */
OD_MUST_CHECK enum od_status od_board_rename(struct od_board *b, const char *from, const char *to, struct od_error *err);
const char *od_board_unused(const struct od_board *b);

/* Adds a summary, read at `place`. Its row is called, in this order: label (may be NULL; of a summary of one model only),
 * the manifest's name (the same), what the summary calls the model, fallback. OD_EFORMAT, with the place, when it is none
 * of a benchmark known here or a figure is malformed. */
OD_MUST_CHECK enum od_status od_board_add(struct od_board *b, const json_t *summary, const char *place, const char *label,
	const char *fallback, struct od_error *err);

/* Once, after all: the averages. */
void od_board_finish(struct od_board *b);

bool od_board_has(const struct od_board *b, enum od_board_table t);                /* a run of the table */
bool od_board_in(const struct od_board_row *row, enum od_board_table t);           /* the row has a cell of it */
bool od_board_shows(const struct od_board *b, enum od_board_table t);              /* some row has */
bool od_board_tells_tokens(const struct od_board_run *run);                        /* of its answers, or that some are empty */
bool od_board_has_tokens(const struct od_board *b, int source);                    /* a run of it does, not the paper */

/* Adds the paper's rows of a table (text or math), of one model or (NULL) all; *added grows by their number. */
OD_MUST_CHECK enum od_status od_board_add_paper(struct od_board *b, enum od_board_table t, const char *model, size_t *added,
	struct od_error *err);

/* ---- tables out: scoreboard_text.c, scoreboard_data.c ------------------------------------------------------------ */

void od_board_text(const struct od_board *b, struct od_buf *out);
void od_board_markdown(const struct od_board *b, struct od_buf *out);
void od_board_csv(const struct od_board *b, struct od_buf *out);           /* one table, a line a row */
void od_board_json(const struct od_board *b, struct od_buf *out);          /* one object */

/* ---- for the files of this module -------------------------------------------------------------------------------- */

/* A new row; NULL without memory. */
struct od_board_row *od_board_new_row(struct od_board *b, const char *label);
OD_MUST_CHECK enum od_status od_board_add_note(struct od_board *b, unsigned mark, const char *text, struct od_error *err);

#endif
