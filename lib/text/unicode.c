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
		(cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
		cp == 0x205f || cp == 0x3000;
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

/* ---- normal forms ------------------------------------------------------------------------------------- */

/* The marks of three Tibetan letters that are no marks themselves, so that they sort with their
 * neighbours. */
static const struct {
	uint32_t letter, mark[2];
} split_marks[] = { { 0xf73, { 0xf71, 0xf72 } }, { 0xf75, { 0xf71, 0xf74 } }, { 0xf81, { 0xf71, 0xf80 } } };

/* 0: a character that nothing moves past; otherwise its place in the order of marks. */
static int
mark_class(uint32_t cp)
{
	return utf8proc_get_property((utf8proc_int32_t)cp)->combining_class;
}

static int
split_mark(uint32_t cp)
{
	for (int i = 0; i < 3; i++) {
		if (split_marks[i].letter == cp)
			return i;
	}
	return -1;
}

/* The end of the run of marks at s, and how many there are. */
static size_t
mark_run(const char *s, size_t n, size_t *count)
{
	size_t i = 0, k;
	uint32_t cp;

	for (*count = 0; (k = od_utf8_decode(s + i, n - i, &cp)); i += k, ++*count) {
		if (!mark_class(cp) && split_mark(cp) < 0)
			break;
	}
	return i;
}

static void
put_if(struct od_buf *out, uint32_t cp, int class)
{
	char s[4];

	if (mark_class(cp) == class)
		od_buf_append(out, s, od_utf8_encode(cp, s));
}

static void
sort_marks(const char *s, size_t n, struct od_buf *out)
{
	for (int class = 1; class < 255; class++) {
		uint32_t cp = 0;

		for (size_t i = 0; i < n; i += od_utf8_decode(s + i, n - i, &cp)) {
			int split;

			od_utf8_decode(s + i, n - i, &cp);
			split = split_mark(cp);
			if (split < 0) {
				put_if(out, cp, class);
				continue;
			}
			put_if(out, split_marks[split].mark[0], class);
			put_if(out, split_marks[split].mark[1], class);
		}
	}
}

/* The library orders marks by exchanging neighbours, quadratic in the length of a run; an endless run is only
 * ever hostile, and it gets the same text with the marks in order. */
static bool
order_long_runs(const char *s, size_t n, struct od_buf *out)
{
	size_t at = 0, count;
	bool any = false;

	for (size_t i = 0; i < n;) {
		size_t len = (unsigned char)s[i] < 0x80 ? 0 : mark_run(s + i, n - i, &count);

		if (len && count > 64) {
			od_buf_append(out, s + at, i - at);
			sort_marks(s + i, len, out);
			at = i + len;
			any = true;
		}
		i += len ? len : od_utf8_len((unsigned char)s[i]);
	}
	if (any)
		od_buf_append(out, s + at, n - at);
	return any;
}

static enum od_status
map_text(int options, const char *s, size_t n, struct od_buf *out, struct od_error *err)
{
	struct od_buf ordered = OD_BUF_INIT;
	utf8proc_uint8_t *text = NULL;
	utf8proc_ssize_t len;
	bool moved = order_long_runs(s, n, &ordered);

	if (!od_buf_ok(&ordered)) {
		od_buf_release(&ordered);
		return od_fail_nomem(err, "normalised text", n);
	}
	len = utf8proc_map((const utf8proc_uint8_t *)(moved ? ordered.data : s),
		(utf8proc_ssize_t)(moved ? ordered.len : n), &text, (utf8proc_option_t)options);
	od_buf_release(&ordered);
	if (len == UTF8PROC_ERROR_NOMEM)
		return od_fail_nomem(err, "normalised text", n);
	if (len < 0)
		return od_fail(err, OD_EFORMAT, "cannot normalise text: %s", utf8proc_errmsg(len));
	od_buf_append(out, text, (size_t)len);
	free(text);
	return OD_OK;
}

enum od_status
od_utf8_normalize(enum od_normal_form form, const char *s, size_t n, struct od_buf *out, struct od_error *err)
{
	bool composed = form == OD_NFC || form == OD_NFKC;
	int options = UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);

	if (is_ascii(s, n)) {
		od_buf_append(out, s, n);
		return OD_OK;
	}
	if (form == OD_NFKC || form == OD_NFKD)
		options |= UTF8PROC_COMPAT;
	return map_text(options, s, n, out, err);
}

enum od_status
od_utf8_casefold(const char *s, size_t n, struct od_buf *out, struct od_error *err)
{
	return map_text(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE, s, n, out, err);
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
