#include "text/langid_text.h"

#include <string.h>

#include "text/letters.h"
#include "text/pattern.h"
#include "text/unicode.h"

enum { MAX_CHARACTERS = 10000 };

/* ---- the text ------------------------------------------------------------------------------------------------------------ */

static enum od_status
remove_all(struct od_buf *b, const char *pattern, struct od_error *err)
{
	struct od_pattern *p = NULL;
	struct od_matcher *m = NULL;
	enum od_status st = od_pattern_python(&p, pattern, strlen(pattern), 0, err);

	if (st == OD_OK)
		st = od_matcher_new(&m, err);
	if (st == OD_OK)
		st = od_pattern_replace(p, m, b, " ", err);
	od_matcher_free(m);
	od_pattern_free(p);
	return st;
}

/* Web and mail addresses, as the library knows them; most texts have none. */
static enum od_status
remove_addresses(struct od_buf *b, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (memmem(b->data, b->len, "://", 3))
		st = remove_all(b, "https?://[-_.?&~;+=/#0-9A-Za-z]{1,2076}", err);
	if (st == OD_OK && memchr(b->data, '@', b->len))
		st = remove_all(b, "[-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z]{1,255}[-_.0-9A-Za-z]{1,255}", err);
	return st;
}

/* A Vietnamese vowel with a tone mark behind it. */
static uint32_t
with_tone(uint32_t vowel, uint32_t mark)
{
	static const uint32_t accented[] = { 0xc2, 0xca, 0xd4, 0xe2, 0xea, 0xf4, 0x102, 0x103, 0x1a0, 0x1a1, 0x1af, 0x1b0 };
	bool is_vowel = vowel < 0x80 && vowel && strchr("AEIOUYaeiouy", (int)vowel);

	if (mark != 0x300 && mark != 0x301 && mark != 0x303 && mark != 0x309 && mark != 0x323)
		return 0;
	for (size_t i = 0; i < sizeof accented / sizeof *accented; i++)
		is_vowel = is_vowel || vowel == accented[i];
	return is_vowel ? od_compose(vowel, mark) : 0;
}

static void
put(struct od_buf *out, uint32_t cp)
{
	char s[4];

	od_buf_append(out, s, od_utf8_encode(cp, s));
}

/* out := the first characters, tones composed, runs of spaces as one. */
static void
shorten(const struct od_buf *b, struct od_buf *out)
{
	uint32_t cp, next, both, before = 0;
	size_t count = 0;

	od_buf_clear(out);
	for (size_t i = 0, k; i < b->len && count < MAX_CHARACTERS && (k = od_utf8_decode(b->data + i, b->len - i, &cp)); i += k) {
		size_t more = od_utf8_decode(b->data + i + k, b->len - i - k, &next);

		both = more ? with_tone(cp, next) : 0;
		if (both) {
			cp = both;
			k += more;
		}
		if (cp != ' ' || before != ' ')
			put(out, cp);
		before = cp;
		count++;
	}
}

static bool
is_latin_additional(uint32_t cp)
{
	return cp >= 0x1e00 && cp <= 0x1eff;
}

/* In a text mostly of another script, what is between 'A' and 'z' is foreign. */
static void
drop_latin(struct od_buf *b)
{
	size_t latin = 0, other = 0, kept = 0;
	uint32_t cp;

	for (size_t i = 0, k; i < b->len && (k = od_utf8_decode(b->data + i, b->len - i, &cp)); i += k) {
		latin += cp >= 'A' && cp <= 'z';
		other += cp >= 0x300 && !is_latin_additional(cp);
	}
	if (latin * 2 >= other)
		return;
	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] < 'A' || b->data[i] > 'z')
			b->data[kept++] = b->data[i];
	}
	b->len = kept;
}

enum od_status
od_langid_text(const char *s, size_t n, struct od_buf *out, struct od_error *err)
{
	struct od_buf b = OD_BUF_INIT;
	enum od_status st = OD_OK;

	od_buf_append(&b, s, n);
	if (!od_buf_ok(&b))
		st = od_fail_nomem(err, "a text", n);
	if (st == OD_OK && n)
		st = remove_addresses(&b, err);
	if (st == OD_OK) {
		shorten(&b, out);
		if (od_buf_ok(out))
			drop_latin(out);
		else
			st = od_fail_nomem(err, "a text", n);
	}
	od_buf_release(&b);
	return st;
}

/* ---- sequences ------------------------------------------------------------------------------------------------------------ */

/* Characters that stand for themselves no longer: by Unicode block, as the profiles were made. */
static uint32_t
normal(uint32_t cp)
{
	if (cp < 0x80)
		return (cp >= 'A' && cp <= 'Z') || (cp >= 'a' && cp <= 'z') ? cp : ' ';
	if (cp < 0x100)
		return cp == 0xa0 || cp == 0xab || cp == 0xb0 || cp == 0xbb ? ' ' : cp;
	if (cp == 0x219 || cp == 0x21b)            /* Romanian: comma as cedilla */
		return cp == 0x219 ? 0x15f : 0x163;
	if (cp >= 0x2000 && cp <= 0x206f)
		return ' ';
	if (cp == 0x6cc)                           /* Persian yeh as Arabic */
		return 0x64a;
	if (cp >= 0x1ea0 && cp <= 0x1eff)          /* Vietnamese */
		return 0x1ec3;
	if (cp >= 0x3040 && cp <= 0x309f)          /* Hiragana, Katakana, Bopomofo, Hangul: one each */
		return 0x3042;
	if (cp >= 0x30a0 && cp <= 0x30ff)
		return 0x30a2;
	if ((cp >= 0x3100 && cp <= 0x312f) || (cp >= 0x31a0 && cp <= 0x31bf))
		return 0x3105;
	if (cp >= 0xac00 && cp <= 0xd7af)
		return 0xac00;
	return cp;
}

int
od_gram_parse(const char *s, uint64_t *gram)
{
	size_t n = strlen(s);
	uint32_t cp;
	int length = 0;

	*gram = 0;
	for (size_t i = 0, k; i < n; i += k, length++) {
		k = od_utf8_decode(s + i, n - i, &cp);
		if (!k || length == 3)
			return 0;
		*gram = *gram << 21 | cp;
	}
	return length;
}

/* Takes the next character in; a space begins a new word. */
static void
add(struct od_gram_walk *w, uint32_t cp)
{
	uint32_t before = w->last[w->n_last - 1];

	if (before == ' ') {
		w->last[0] = ' ';
		w->n_last = 1;
		w->capitals = false;
		if (cp == ' ')
			return;
	} else if (w->n_last == 3) {
		w->last[0] = w->last[1];
		w->last[1] = w->last[2];
		w->n_last = 2;
	}
	w->last[w->n_last++] = cp;
	w->capitals = od_is_upper(cp) && (w->capitals || od_is_upper(before));
}

int
od_gram_next(struct od_gram_walk *w, uint64_t grams[3])
{
	uint64_t gram = 0;
	uint32_t cp = 0;
	size_t k = od_utf8_decode(w->s + w->at, w->n - w->at, &cp);
	int n = 0;

	if (!k)
		return -1;
	w->at += k;
	add(w, normal(cp));
	if (w->capitals)
		return 0;
	for (int i = 1; i <= w->n_last; i++) {
		gram |= (uint64_t)w->last[w->n_last - i] << 21 * (i - 1);
		if (i > 1 || w->last[w->n_last - 1] != ' ')
			grams[n++] = gram;
	}
	return n;
}
