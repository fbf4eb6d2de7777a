#include "grade/answer_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "text/unicode.h"

/* ---- code points --------------------------------------------------------------------------------------------------- */

uint32_t
od_text_at(const char *s, size_t n, size_t i, size_t *len)
{
	uint32_t cp = (unsigned char)s[i];

	*len = od_utf8_decode(s + i, n - i, &cp);
	*len += !*len;                                     /* callers have valid UTF-8; never stand still all the same */
	return cp;
}

uint32_t
od_text_before(const char *s, size_t i, size_t *len)
{
	size_t at = i - 1;

	while (at > 0 && ((unsigned char)s[at] & 0xc0) == 0x80)
		at--;
	return od_text_at(s, i, at, len);
}

static bool
is_ascii_digit(uint32_t cp)
{
	return cp >= '0' && cp <= '9';
}

bool
od_text_is_word(uint32_t cp)
{
	if (cp < 0x80)
		return is_ascii_digit(cp) || (cp | 32) - 'a' < 26 || cp == '_';
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return true;
	default:
		return false;
	}
}

bool
od_text_is_digit(uint32_t cp)
{
	return cp < 0x80 ? is_ascii_digit(cp) : utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND;
}

size_t
od_text_chars(const char *s, size_t n)
{
	size_t chars = 0;

	for (size_t i = 0; i < n; i++)
		chars += ((unsigned char)s[i] & 0xc0) != 0x80;
	return chars;
}

/* ---- finding --------------------------------------------------------------------------------------------------------- */

const char *
od_text_find(const char *s, size_t n, const char *what)
{
	return n ? memmem(s, n, what, strlen(what)) : NULL;
}

const char *
od_text_find_last(const char *s, size_t n, const char *what)
{
	const char *last = NULL, *p = s;

	while ((p = od_text_find(p, n - (size_t)(p - s), what)) != NULL) {
		last = p;
		p += strlen(what);
	}
	return last;
}

size_t
od_text_count(const char *s, size_t n, char c)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += s[i] == c;
	return count;
}

/* ---- editing --------------------------------------------------------------------------------------------------------- */

void
od_text_set(struct od_buf *b, const char *s, size_t n)
{
	struct od_buf copy = OD_BUF_INIT;

	if (s >= b->data && s < b->data + b->cap) {
		memmove(b->data, s, n);
		b->data[b->len = n] = '\0';
		return;
	}
	od_buf_append(&copy, s, n);
	copy.failed |= b->failed;
	od_buf_release(b);
	*b = copy;
}

void
od_text_replace(struct od_buf *b, const char *from, const char *to)
{
	size_t n_from = strlen(from), at = 0;
	struct od_buf out = OD_BUF_INIT;
	const char *p;

	if (b->failed || !od_text_find(b->data, b->len, from))
		return;
	while ((p = od_text_find(b->data + at, b->len - at, from)) != NULL) {
		od_buf_append(&out, b->data + at, (size_t)(p - b->data) - at);
		od_buf_str(&out, to);
		at = (size_t)(p - b->data) + n_from;
	}
	od_buf_append(&out, b->data + at, b->len - at);
	od_buf_release(b);
	*b = out;
}

void
od_text_strip(struct od_buf *b)
{
	size_t from, n;

	if (b->failed || !b->len)
		return;
	n = od_utf8_strip(b->data, b->len, &from);
	od_text_set(b, b->data + from, n);
}

void
od_text_rstrip_char(struct od_buf *b, char c)
{
	while (!b->failed && b->len && b->data[b->len - 1] == c)
		b->data[--b->len] = '\0';
}

void
od_text_delete(struct od_buf *b, size_t at, size_t n)
{
	if (b->failed || !n)
		return;
	memmove(b->data + at, b->data + at + n, b->len - at - n + 1);
	b->len -= n;
}

bool
od_text_equal_lower(const char *a, size_t na, const char *b, size_t nb)
{
	size_t i = 0, j = 0, len;

	while (i < na && j < nb) {
		int32_t x = (int32_t)od_text_at(a, na, i, &len), y;

		i += len;
		y = (int32_t)od_text_at(b, nb, j, &len);
		j += len;
		if (x != y && utf8proc_tolower(x) != utf8proc_tolower(y))
			return false;
	}
	return i == na && j == nb;
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

/* Copies digits from *at on, of which an underscore may stand between two, and moves *at behind them; returns how far. */
static size_t
take_digits(const char *s, size_t n, size_t *at, struct od_buf *out)
{
	size_t i = *at, from = i;

	for (; i < n; i++) {
		if (is_ascii_digit((unsigned char)s[i]))
			od_buf_char(out, s[i]);
		else if (s[i] != '_' || i == from || s[i - 1] == '_' || i + 1 >= n || !is_ascii_digit((unsigned char)s[i + 1]))
			break;
	}
	*at = i;
	return i - from;
}

static bool
special_float(const char *s, size_t n, double *out)
{
	static const struct {
		const char *name;
		double value;
	} special[] = { { "inf", INFINITY }, { "infinity", INFINITY }, { "nan", NAN } };

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if (n == strlen(special[i].name) && strncasecmp(s, special[i].name, n) == 0) {
			*out = special[i].value;
			return true;
		}
	}
	return false;
}

/* digits [. digits] [e [sign] digits] into plain spelling; false when s is anything else. */
static bool
plain_float(const char *s, size_t n, struct od_buf *out)
{
	size_t i = 0, digits = take_digits(s, n, &i, out), power = 1;

	if (i < n && s[i] == '.') {
		od_buf_char(out, s[i++]);
		digits += take_digits(s, n, &i, out);
	}
	if (digits && i < n && (s[i] == 'e' || s[i] == 'E')) {
		od_buf_char(out, s[i++]);
		if (i < n && (s[i] == '+' || s[i] == '-'))
			od_buf_char(out, s[i++]);
		power = take_digits(s, n, &i, out);
	}
	return digits && power && i == n;
}

bool
od_text_float(const char *s, size_t n, double *out)
{
	struct od_buf plain = OD_BUF_INIT;
	size_t from = 0;
	bool ok, minus;

	n = n ? od_utf8_strip(s, n, &from) : 0;
	s += from;
	minus = n && *s == '-';
	if (n && (*s == '-' || *s == '+')) {
		s++;
		n--;
	}
	ok = special_float(s, n, out);
	if (!ok && plain_float(s, n, &plain) && od_buf_ok(&plain)) {
		*out = strtod(plain.data, NULL);           /* beyond the range: infinity, as there */
		ok = true;
	}
	if (minus)
		*out = -*out;
	od_buf_release(&plain);
	return ok;
}
