#include "text/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

size_t
od_utf8_decode(const char *s, size_t n, uint32_t *cp)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	size_t len;
	uint32_t c;

	if (n && p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (!n || p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = od_utf8_len(p[0]);
	if (n < len)
		return 0;
	c = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*cp = c;
	return len;
}

size_t
od_utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

size_t
od_utf8_check(const char *s, size_t n)
{
	uint32_t cp;

	for (size_t i = 0, k; i < n; i += k) {
		k = od_utf8_decode(s + i, n - i, &cp);
		if (!k)
			return i;
	}
	return n;
}

bool
od_is_space(uint32_t cp)
{
	return (cp >= 0x09 && cp <= 0x0d) || cp == 0x20 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
		(cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f ||
		cp == 0x3000;
}

bool
od_is_strip_space(uint32_t cp)
{
	return od_is_space(cp) || (cp >= 0x1c && cp <= 0x1f);
}

size_t
od_utf8_strip(const char *s, size_t n, size_t *from)
{
	size_t start = 0, end = n, k;
	uint32_t cp;

	while (start < end && (k = od_utf8_decode(s + start, end - start, &cp)) && od_is_strip_space(cp))
		start += k;
	while (end > start) {
		size_t at = end - 1;

		while (at > start && ((unsigned char)s[at] & 0xc0) == 0x80)
			at--;
		if (od_utf8_decode(s + at, end - at, &cp) != end - at || !od_is_strip_space(cp))
			break;
		end = at;
	}
	*from = start;
	return end - start;
}

static bool
is_ascii(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)s[i] >= 0x80)
			return false;
	}
	return true;
}

enum od_status
od_utf8_normalize(enum od_normal_form form, const char *s, size_t n, struct od_buf *out, struct od_error *err)
{
	int options = UTF8PROC_STABLE | (form == OD_NFC || form == OD_NFKC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
	utf8proc_uint8_t *text = NULL;
	utf8proc_ssize_t len;

	if (is_ascii(s, n)) {
		od_buf_append(out, s, n);
		return OD_OK;
	}
	if (form == OD_NFKC || form == OD_NFKD)
		options |= UTF8PROC_COMPAT;
	len = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &text, (utf8proc_option_t)options);
	if (len == UTF8PROC_ERROR_NOMEM)
		return od_fail_nomem(err, "normalised text", n);
	if (len < 0)
		return od_fail(err, OD_EFORMAT, "cannot normalise text: %s", utf8proc_errmsg(len));
	od_buf_append(out, text, (size_t)len);
	free(text);
	return OD_OK;
}

/* Bytes that stand for themselves: visible, and not the soft hyphen. */
static bool
is_visible(unsigned int b)
{
	return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

uint32_t
od_byte_letter(unsigned char b)
{
	if (is_visible(b))
		return b;
	return b <= 0x20 ? 0x100u + b : b < 0xad ? 0x121u + b - 0x7fu : 0x143u;
}

int
od_letter_byte(uint32_t cp)
{
	if (cp < 0x100)
		return is_visible(cp) ? (int)cp : -1;
	if (cp <= 0x120)
		return (int)(cp - 0x100);
	if (cp <= 0x142)
		return (int)(cp - 0x121 + 0x7f);
	return cp == 0x143 ? 0xad : -1;
}

void
od_byte_letters(struct od_buf *out, const char *s, size_t n)
{
	char *p = od_buf_reserve(out, 2 * n);
	size_t k = 0;

	if (!p)
		return;
	for (size_t i = 0; i < n; i++)
		k += od_utf8_encode(od_byte_letter((unsigned char)s[i]), p + k);
	p[k] = '\0';
	out->len += k;
}
