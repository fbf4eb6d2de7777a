/* buf.h -- a growable byte buffer.
 *
 * Running out of memory is remembered in the buffer ('failed') instead of being returned by every append: build the
 * whole thing, then ask od_buf_ok() once. data is always NUL-terminated after the first append, the NUL not counted
 * in len; bytes may hold NULs themselves.
 */
#ifndef OD_BASE_BUF_H
#define OD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct od_buf {
	char *data;
	size_t len, cap;
	bool failed;
};

#define OD_BUF_INIT { NULL, 0, 0, false }

void od_buf_append(struct od_buf *b, const void *bytes, size_t n);
void od_buf_str(struct od_buf *b, const char *s);
void od_buf_char(struct od_buf *b, char c);
void od_buf_printf(struct od_buf *b, const char *fmt, ...) OD_PRINTF(2, 3);

/* Appends a JSON string literal, quotes included; s must be valid UTF-8. */
void od_buf_json_string(struct od_buf *b, const char *s, size_t n);

/* Appends the shortest decimal that reads back as the same double; "null" when it is not finite. */
void od_buf_json_double(struct od_buf *b, double v);

/* How many of n bytes of UTF-8 to show when at most max may be: never half a character. */
static inline size_t
od_utf8_prefix(const char *s, size_t n, size_t max)
{
	if (n <= max)
		return n;
	while (max && ((unsigned char)s[max] & 0xc0) == 0x80)
		max--;
	return max;
}

/* Makes room for n more bytes and returns where they go (len unchanged), or NULL. */
char *od_buf_reserve(struct od_buf *b, size_t n);

void od_buf_clear(struct od_buf *b);     /* len = 0, memory kept, failed reset */
void od_buf_release(struct od_buf *b);   /* memory freed, buffer as initialised */

/* False when an append ran out of memory. */
bool od_buf_ok(const struct od_buf *b);

#endif
