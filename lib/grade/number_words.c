#include "grade/number_words.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "grade/answer_text.h"
#include "text/unicode.h"

#define POINT (-1)
#define MAX_WORDS 1024                             /* more number words than that are no number */
#define MAX_DIGITS 4300                            /* Python converts no longer text to an integer */

static const struct {
	const char *word;
	int64_t value;
} words[] = {
	{ "zero", 0 }, { "one", 1 }, { "two", 2 }, { "three", 3 }, { "four", 4 }, { "five", 5 }, { "six", 6 }, { "seven", 7 },
	{ "eight", 8 }, { "nine", 9 }, { "ten", 10 }, { "eleven", 11 }, { "twelve", 12 }, { "thirteen", 13 }, { "fourteen", 14 },
	{ "fifteen", 15 }, { "sixteen", 16 }, { "seventeen", 17 }, { "eighteen", 18 }, { "nineteen", 19 }, { "twenty", 20 },
	{ "thirty", 30 }, { "forty", 40 }, { "fifty", 50 }, { "sixty", 60 }, { "seventy", 70 }, { "eighty", 80 }, { "ninety", 90 },
	{ "hundred", 100 }, { "thousand", 1000 }, { "million", 1000000 }, { "billion", 1000000000 }, { "point", POINT }
};

struct word_list {
	int64_t v[MAX_WORDS];
	size_t n;
};

/* ---- words -------------------------------------------------------------------------------------------------------------- */

static bool
add_word(struct word_list *w, const char *s, size_t n)
{
	for (size_t i = 0; n <= 9 && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].word) == n && strncasecmp(words[i].word, s, n) == 0) {
			if (w->n == MAX_WORDS)
				return false;
			w->v[w->n++] = words[i].value;
			break;
		}
	}
	return true;
}

/* The number words of s in order; false when there are too many. */
static bool
collect(struct word_list *w, const char *s, size_t n)
{
	size_t start = 0, len;

	w->n = 0;
	for (size_t i = 0; i <= n; i += len) {
		uint32_t cp = i < n ? od_text_at(s, n, i, &len) : (uint32_t)(len = 1, ' ');

		if (cp != '-' && !od_is_strip_space(cp))
			continue;
		if (!add_word(w, s + start, i - start))
			return false;
		start = i + len;
	}
	return true;
}

static ptrdiff_t
find_word(const struct word_list *w, int64_t value)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->v[i] == value)
			return (ptrdiff_t)i;
	}
	return -1;
}

static size_t
count_word(const struct word_list *w, int64_t value)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += w->v[i] == value;
	return n;
}

/* ---- values ------------------------------------------------------------------------------------------------------------- */

/* A number below a thousand from its words [from, to); false for none. Beyond four words only the first counts. */
static bool
small_number(const struct word_list *w, ptrdiff_t from, ptrdiff_t to, int64_t *out)
{
	const int64_t *v = w->v + from;

	switch (to - from) {
	case 0:
		return false;
	case 2:
		*out = v[0] == 100 || v[1] == 100 ? v[0] * v[1] : v[0] + v[1];
		break;
	case 3:
		*out = v[0] * v[1] + v[2];
		break;
	case 4:
		*out = v[0] * v[1] + v[2] + v[3];
		break;
	default:
		*out = v[0];
	}
	return true;
}

/* What stands behind the last of the scales. When that is the last word, the scale before it is taken instead, and its words count
 * twice: word2number's own arithmetic. */
static bool
remainder_number(const struct word_list *w, const ptrdiff_t scale[3], int64_t *out)
{
	ptrdiff_t last = (ptrdiff_t)w->n - 1, from = -1;

	*out = 0;
	for (int i = 2; i >= 0 && from < 0; i--)
		from = scale[i] >= 0 && scale[i] != last ? scale[i] + 1 : -1;
	if (from < 0 && scale[0] < 0 && scale[1] < 0 && scale[2] < 0)
		from = 0;
	return from < 0 || small_number(w, from, last + 1, out);
}

/* Billions, millions, thousands and the rest, each by small_number. */
static bool
whole_number(const struct word_list *w, int64_t *out)
{
	static const int64_t scales[] = { 1000000000, 1000000, 1000 };
	ptrdiff_t from = 0, at[3];
	int64_t part;

	*out = w->n == 1 ? w->v[0] : 0;
	if (w->n < 2)
		return true;
	for (size_t i = 0; i < 3; i++) {
		at[i] = find_word(w, scales[i]);
		if (at[i] < 0)
			continue;
		if (at[i] < from || !small_number(w, from, at[i], &part))
			return false;
		*out += part * scales[i];
		from = at[i] + 1;
	}
	if (!remainder_number(w, at, &part))
		return false;
	*out += part;
	return true;
}

/* The digits after "point" as text behind "0."; false when a word is no digit (they count nothing then). */
static bool
decimals(const struct word_list *w, size_t from, struct od_buf *out)
{
	od_buf_str(out, "0.");
	for (size_t i = from; i < w->n; i++) {
		if (w->v[i] < 0 || w->v[i] > 9)
			return false;
		od_buf_char(out, (char)('0' + w->v[i]));
	}
	return from < w->n;
}

static void
print_number(struct od_buf *out, int64_t whole, const struct word_list *w, ptrdiff_t point)
{
	struct od_buf fraction = OD_BUF_INIT;
	char text[OD_NUM_TEXT];
	double v = 0;

	if (point < 0 || !decimals(w, (size_t)point + 1, &fraction)) {
		od_buf_printf(out, "%lld", (long long)whole);
	} else if (od_buf_ok(&fraction)) {
		od_text_float(fraction.data, fraction.len, &v);
		v += (double)whole;
		od_num_format(text, v);
		od_buf_str(out, text);
		if (!strpbrk(text, ".e"))
			od_buf_str(out, ".0");
	}
	out->failed |= fraction.failed;
	od_buf_release(&fraction);
}

/* Digits alone: the integer, without leading zeros. */
static bool
all_digits(const char *s, size_t n, struct od_buf *out)
{
	size_t zeros = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
	}
	if (!n || n > MAX_DIGITS)
		return false;
	while (zeros + 1 < n && s[zeros] == '0')
		zeros++;
	od_buf_append(out, s + zeros, n - zeros);
	return true;
}

bool
od_number_words(const char *s, size_t n, struct od_buf *out)
{
	struct word_list w;
	ptrdiff_t point;
	int64_t whole;
	size_t all;

	if (all_digits(s, n, out))
		return true;
	if (!collect(&w, s, n) || !w.n || count_word(&w, 1000) > 1 || count_word(&w, 1000000) > 1 ||
	    count_word(&w, 1000000000) > 1 || count_word(&w, POINT) > 1)
		return false;
	all = w.n;
	point = find_word(&w, POINT);
	if (point >= 0)
		w.n = (size_t)point;
	if (!whole_number(&w, &whole))
		return false;
	w.n = all;
	print_number(out, whole, &w, point);
	return true;
}
