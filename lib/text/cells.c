/* cells.c -- see cells.h. */
#include "text/cells.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "text/unicode.h"

enum { TAB = 4 };

/* Controls, formats (direction, zero-width, tags) and separators of lines. The joiners and the soft hyphen are formats too, but
 * part of words: they stay. */
static bool
is_hidden(uint32_t cp)
{
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return true;
	case UTF8PROC_CATEGORY_CF:
		return cp != 0x200c && cp != 0x200d && cp != 0xad;
	default:
		return false;
	}
}

static void
escape(struct od_buf *out, uint32_t cp, bool lines)
{
	if (!lines && (cp == '\n' || cp == '\t' || cp == '\r'))
		od_buf_printf(out, "\\%c", cp == '\n' ? 'n' : cp == '\t' ? 't' : 'r');
	else if (cp < 0x100)
		od_buf_printf(out, "\\x%02x", (unsigned int)cp);
	else
		od_buf_printf(out, cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned int)cp);
}

static int
cell_width(uint32_t cp)
{
	return cp >= 0x20 && cp < 0x7f ? 1 : utf8proc_charwidth((utf8proc_int32_t)cp);
}

int
od_cells(const char *s, size_t n)
{
	int cells = 0;
	uint32_t cp;

	for (size_t i = 0, k; i < n && (k = od_utf8_decode(s + i, n - i, &cp)) > 0; i += k)
		cells += cell_width(cp);
	return cells;
}

void
od_visible(struct od_buf *out, const char *s, size_t n, bool lines)
{
	int column = 0;
	uint32_t cp;

	for (size_t i = 0, k; i < n && (k = od_utf8_decode(s + i, n - i, &cp)) > 0; i += k) {
		size_t before = out->len;

		if (lines && cp == '\r' && i + 1 < n && s[i + 1] == '\n')
			continue;
		if (lines && cp == '\n')
			od_buf_char(out, '\n');
		else if (lines && cp == '\t')
			od_buf_printf(out, "%*s", TAB - column % TAB, "");
		else if (is_hidden(cp))
			escape(out, cp, lines);
		else
			od_buf_append(out, s + i, k);
		column = cp == '\n' || !od_buf_ok(out) ? 0 : column + od_cells(out->data + before, out->len - before);
	}
}

/* ---- wrapping ----------------------------------------------------------------------------------------------------------- */

static void
put_line(struct od_wrapped *w, size_t at, size_t end)
{
	if (!od_grow(&w->line, &w->cap, w->n + 1, sizeof *w->line)) {
		w->text.failed = true;
		return;
	}
	while (end > at && w->text.data[end - 1] == ' ')
		end--;
	w->line[w->n++] = (struct od_wrapped_line){ at, end - at, od_cells(w->text.data + at, end - at) };
}

/* Cuts the line [at, end). */
static void
wrap_line(struct od_wrapped *w, size_t at, size_t end, int width)
{
	const char *s = w->text.data;
	size_t cut = at;                            /* the last place where the line may be cut; at: none */
	bool ink = false, wide_before = false;      /* blanks in front are no place to cut */
	int cells = 0;
	uint32_t cp;

	for (size_t i = at, k; i < end && (k = od_utf8_decode(s + i, end - i, &cp)) > 0; i += k) {
		int c = cell_width(cp);

		if (ink && i > at && (c == 2 || wide_before) && c > 0)
			cut = i;
		if (cells + c > width && cp != ' ') {
			size_t to = cut > at ? cut : i;

			put_line(w, at, to);
			while (to < end && s[to] == ' ')
				to++;
			at = cut = i = to;
			k = 0;
			cells = 0;
			ink = wide_before = false;
			continue;
		}
		cells += c;
		ink = ink || cp != ' ';
		if (ink && cp == ' ')
			cut = i + k;
		if (c > 0)
			wide_before = c == 2;
	}
	put_line(w, at, end);
}

void
od_wrap(struct od_wrapped *w, const char *s, size_t n, int width)
{
	size_t at = 0;

	od_buf_clear(&w->text);
	w->n = 0;
	od_visible(&w->text, s, n, true);
	for (size_t i = 0; od_buf_ok(&w->text) && i <= w->text.len; i++) {
		if (i < w->text.len && w->text.data[i] != '\n')
			continue;
		if (i > at || i < w->text.len || w->text.len == 0)     /* a line feed at the end begins no line */
			wrap_line(w, at, i, width < 2 ? 2 : width);
		at = i + 1;
	}
}

void
od_wrapped_release(struct od_wrapped *w)
{
	od_buf_release(&w->text);
	free(w->line);
	*w = (struct od_wrapped)OD_WRAPPED_INIT;
}
