#include "text/punkt_words.h"

#include <string.h>
#include <utf8proc.h>

#include "text/unicode.h"

bool
od_punkt_is_non_word(char c)
{
	return od_char_in(c, ")\";}]*:@'({[?!");
}

static bool
begins_word(char c)
{
	return !od_char_in(c, "(\"`{[:;&#*@)}]-,");
}

size_t
od_is_space_at(const char *s, size_t n)
{
	uint32_t cp = 0;
	size_t k = od_utf8_decode(s, n, &cp);

	return k && od_is_strip_space(cp) ? k : 0;
}

size_t
od_is_decimal_at(const char *s, size_t n)
{
	uint32_t cp = 0;
	size_t k = od_utf8_decode(s, n, &cp);

	return k && utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND ? k : 0;
}

size_t
od_is_letter_at(const char *s, size_t n)
{
	uint32_t cp = 0;
	size_t k = od_utf8_decode(s, n, &cp);

	if (!k)
		return 0;
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return k;
	default:
		return cp == '_' ? k : 0;
	}
}

static size_t
run(const char *s, size_t n, char c)
{
	size_t i = 0;

	while (i < n && s[i] == c)
		i++;
	return i;
}

/* Points with a white space between them, three at least, on one line: ". . ." */
static size_t
spaced_points(const char *s, size_t n)
{
	size_t i = 0, k, pairs = 0, before = 0;

	while (i + 1 < n && s[i] == '.' && s[i + 1] != '\n' && (k = od_is_space_at(s + i + 1, n - i - 1))) {
		before = i;
		i += 1 + k;
		pairs++;
	}
	if (pairs >= 2 && i < n && s[i] == '.')
		return i + 1;
	return pairs >= 3 ? before + 1 : 0;
}

/* Several marks that are one: "--", "...", ". . ."; their length or 0. */
static size_t
multi(const char *s, size_t n)
{
	size_t k = run(s, n, '-');

	if (k < 2)
		k = run(s, n, '.');
	return k >= 2 ? k : spaced_points(s, n);
}

/* A word ends before these. */
static bool
ends_before(const char *s, size_t n)
{
	return !n || od_is_space_at(s, n) || od_punkt_is_non_word(*s) || multi(s, n);
}

static size_t
word_at(const char *s, size_t n)
{
	size_t i = multi(s, n);

	if (i)
		return i;
	i = od_utf8_len((unsigned char)*s);
	if (!begins_word(*s))
		return i;
	while (!ends_before(s + i, n - i) && !(s[i] == ',' && ends_before(s + i + 1, n - i - 1)))
		i += od_utf8_len((unsigned char)s[i]);
	return i;
}

bool
od_punkt_next_word(struct od_punkt_walk *w, struct od_punkt_word *out)
{
	size_t k;

	while (w->at < w->n && (k = od_is_space_at(w->s + w->at, w->n - w->at)))
		w->at += k;
	if (w->at >= w->n)
		return false;
	*out = (struct od_punkt_word){ w->s + w->at, word_at(w->s + w->at, w->n - w->at) };
	w->at += out->n;
	return true;
}
