/* draw.h -- numbers as pictures and tables made of text (UTF-8), for terminals and logs.
 *
 * Everything is appended to an od_buf; ask od_buf_ok() at the end.
 */
#ifndef OD_STATS_DRAW_H
#define OD_STATS_DRAW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "stats/describe.h"

#define OD_NUMBER_TEXT 32

/* v for people with about 'digits' significant digits: "0.1235", "12.3", "1.2e-07", "-" when not finite. */
void od_number_text(char text[OD_NUMBER_TEXT], double v, int digits);

/* "1,234,567" */
void od_count_text(char text[OD_NUMBER_TEXT], long long v);

/* One line of eight-level bars, 'width' characters: y[n] cut into that many stretches, each drawn at its mean; stretches
 * without a finite value are blanks. */
void od_sparkline(struct od_buf *out, const double *y, size_t n, int width);

/* A histogram as lines "[lo, hi)  count  bar", bars at most 'width' characters wide, each line after 'indent'. */
void od_histogram_draw(struct od_buf *out, const struct od_histogram *h, int width, const char *indent);

/* A table of text cells. Columns are as wide as their widest cell and two spaces apart; the last is never padded. */
struct od_table {
	int n_cols;
	const char *align;                         /* [n_cols] 'l' or 'r'; borrowed */
	size_t n_cells;
	size_t *start;                             /* of each cell in text */
	size_t cap;
	struct od_buf text;
};

#define OD_TABLE_INIT(n, align) { n, align, 0, NULL, 0, OD_BUF_INIT }

/* Cells fill rows from left to right. */
void od_table_cell(struct od_table *t, const char *s);
void od_table_cellf(struct od_table *t, const char *fmt, ...) OD_PRINTF(2, 3);
void od_table_number(struct od_table *t, double v, int digits);
void od_table_render(const struct od_table *t, struct od_buf *out, const char *indent);
/* The same as a table of Markdown; the first row is its head. Columns but the first are set flush right. */
void od_table_markdown(const struct od_table *t, struct od_buf *out);
/* Appends a text with what Markdown takes for its own escaped. */
void od_markdown_text(struct od_buf *out, const char *s);
void od_table_release(struct od_table *t);

/* Columns a string takes on a terminal (code points that are not combining marks; wide ones count two). */
int od_text_columns(const char *s);

#endif
