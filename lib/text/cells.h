/* cells.h -- texts as they stand on a terminal: characters made visible, lines wrapped to a width.
 *
 * Widths are cells: wide characters (CJK, most emoji) take two, combining marks none (utf8proc's tables). What a terminal would
 * act on, or a reader could not see, is never passed on: od_visible writes it as \x1b or \u202e.
 */
#ifndef OD_TEXT_CELLS_H
#define OD_TEXT_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Appends valid UTF-8 with control characters (C0, DEL, C1), the marks and overrides of writing direction, line separators and
 * what is invisible between words (zero-width spaces, byte-order marks, tags) as \xHH or \uHHHH. lines: line feeds stay, tabs
 * become blanks up to the next multiple of 4, and a carriage return before a line feed goes. Otherwise these are escaped as \n, \t
 * and \r. */
void od_visible(struct od_buf *out, const char *s, size_t n, bool lines);

/* Cells that visible text takes. */
int od_cells(const char *s, size_t n);

struct od_wrapped_line {
	size_t at, len;                            /* in text */
	int cells;
};

struct od_wrapped {
	struct od_buf text;
	struct od_wrapped_line *line;              /* [n] */
	size_t n, cap;
};

#define OD_WRAPPED_INIT { OD_BUF_INIT, NULL, 0, 0 }

/* Makes a text (any valid UTF-8) visible and cuts it into lines of at most 'width' cells (at least 2): behind blanks, between
 * wide characters, and inside of words that are longer than a line. Blanks at a cut are left out, those at a line's beginning
 * stay. out is cleared first; od_buf_ok(&out->text) tells whether memory sufficed. */
void od_wrap(struct od_wrapped *out, const char *s, size_t n, int width);
void od_wrapped_release(struct od_wrapped *w);

#endif
