#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

char *
od_buf_reserve(struct od_buf *b, size_t n)
{
	if (b->failed || n >= (size_t)-1 - b->len || !od_grow(&b->data, &b->cap, b->len + n + 1, 1)) {
		b->failed = true;
		return NULL;
	}
	return b->data + b->len;
}

void
od_buf_append(struct od_buf *b, const void *bytes, size_t n)
{
	char *to = od_buf_reserve(b, n);

	if (!to)
		return;
	if (n)
		memcpy(to, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void
od_buf_str(struct od_buf *b, const char *s)
{
	od_buf_append(b, s, strlen(s));
}

void
od_buf_char(struct od_buf *b, char c)
{
	od_buf_append(b, &c, 1);
}

void
od_buf_printf(struct od_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && od_buf_reserve(b, (size_t)n)) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

static void
json_char(struct od_buf *b, unsigned char c)
{
	switch (c) {
	case '"':  od_buf_str(b, "\\\""); break;
	case '\\': od_buf_str(b, "\\\\"); break;
	case '\n': od_buf_str(b, "\\n"); break;
	case '\r': od_buf_str(b, "\\r"); break;
	case '\t': od_buf_str(b, "\\t"); break;
	default:
		if (c < 0x20 || c == 0x7f)
			od_buf_printf(b, "\\u%04x", c);
		else
			od_buf_char(b, (char)c);
	}
}

void
od_buf_json_string(struct od_buf *b, const char *s, size_t n)
{
	od_buf_char(b, '"');
	for (size_t i = 0; i < n; i++)
		json_char(b, (unsigned char)s[i]);
	od_buf_char(b, '"');
}

void
od_buf_json_double(struct od_buf *b, double v)
{
	char text[OD_NUM_TEXT];

	od_num_format(text, v);
	od_buf_str(b, text);
}

void
od_buf_clear(struct od_buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

void
od_buf_release(struct od_buf *b)
{
	free(b->data);
	*b = (struct od_buf)OD_BUF_INIT;
}

bool
od_buf_ok(const struct od_buf *b)
{
	return !b->failed;
}
