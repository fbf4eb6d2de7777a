/* fold_words.c -- see fold_words.h. Runs of ASCII letters and digits, nearly all words of most texts, are folded here; only
 * runs with other characters in them go through the tables.
 *
 * The hash of a sequence is a polynomial in the words' own hashes modulo 2^64, so that any stretch is a difference of two
 * prefixes. The base is odd: no factor is lost.
 */
#include "text/fold_words.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "text/letters.h"
#include "text/unicode.h"

#define BASE 0x9e3779b97f4a7c15u
#define HASH_START 0xcbf29ce484222325u      /* FNV-1a of a word's bytes, then mixed */
#define HASH_FACTOR 0x100000001b3u

/* ASCII folded; a space separates. */
static const char folded[129] =
	"                                                0123456789      "
	" abcdefghijklmnopqrstuvwxyz      abcdefghijklmnopqrstuvwxyz     ";

uint64_t
od_fold_power(size_t n)
{
	uint64_t p = 1;

	while (n-- > 0)
		p *= BASE;
	return p;
}

const char *
od_fold_span(const struct od_fold_words *w, size_t at, size_t n, size_t *len)
{
	*len = n > 0 ? w->start[at + n] - w->start[at] - 1 : 0;
	return w->text.data + w->start[at];
}

/* The word whose bytes stand in text from 'from' on ends: a space, its place, its hash. */
static void
end_word(struct od_fold_words *w, size_t from, uint64_t hash)
{
	od_buf_char(&w->text, ' ');
	if (w->n + 2 > w->cap_start &&
		(!od_grow(&w->start, &w->cap_start, w->n + 2, sizeof *w->start) ||
		!od_grow(&w->sum, &w->cap_sum, w->n + 2, sizeof *w->sum))) {
		w->text.failed = true;
		return;
	}
	w->start[w->n] = from;
	w->sum[w->n + 1] = w->sum[w->n] * BASE + od_rng_mix(hash);
	w->start[++w->n] = w->text.len;
}

static void
add_word(struct od_fold_words *w, const char *s, size_t n)
{
	size_t from = w->text.len;
	uint64_t h = HASH_START;

	od_buf_append(&w->text, s, n);
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * HASH_FACTOR;
	end_word(w, from, h);
}

/* n ASCII letters and digits. */
static void
add_ascii(struct od_fold_words *w, const char *s, size_t n)
{
	char *to = od_buf_reserve(&w->text, n + 1);
	size_t from = w->text.len;
	uint64_t h = HASH_START;

	if (to == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		to[i] = folded[(unsigned char)s[i]];
		h = (h ^ (unsigned char)to[i]) * HASH_FACTOR;
	}
	w->text.len += n;
	end_word(w, from, h);
}

/* The words of a folded run. */
static void
add_folded(struct od_fold_words *w, const char *s, size_t n)
{
	size_t from = 0, i = 0, k;
	bool inside = false, alone = false;         /* alone: the word is a character that takes marks only */
	uint32_t cp;

	for (; i < n && (k = od_utf8_decode(s + i, n - i, &cp)) > 0; i += k) {
		enum od_letter_kind kind = od_letter_kind(cp);
		bool goes_on = inside && (kind == OD_LETTER_MARK || (kind == OD_LETTER_WORD && !alone));

		if (goes_on)
			continue;
		if (inside)
			add_word(w, s + from, i - from);
		inside = kind == OD_LETTER_WORD || kind == OD_LETTER_ALONE;
		alone = kind == OD_LETTER_ALONE;
		from = i;
	}
	if (inside)
		add_word(w, s + from, i - from);
}

/* Words of a run of ASCII letters, digits and other characters. What follows ASCII punctuation never joins it, but for marks,
 * which begin no word. */
static enum od_status
add_run(struct od_fold_words *w, const char *s, size_t n, struct od_error *err)
{
	enum od_status st;

	od_buf_clear(&w->scratch);
	st = od_utf8_casefold(s, n, &w->scratch, err);
	if (st == OD_OK && !od_buf_ok(&w->scratch))
		st = od_fail_nomem(err, "words", n);
	if (st == OD_OK)
		add_folded(w, w->scratch.data, w->scratch.len);
	return st;
}

enum od_status
od_fold_words_add(struct od_fold_words *w, const char *s, size_t n, struct od_error *err)
{
	enum od_status st = OD_OK;
	size_t i = 0;

	if (w->cap_start == 0 && (!od_grow(&w->start, &w->cap_start, 64, sizeof *w->start) ||
		!od_grow(&w->sum, &w->cap_sum, 64, sizeof *w->sum)))
		return od_fail_nomem(err, "words", 64 * sizeof *w->start);
	w->start[w->n] = w->text.len;
	w->sum[0] = 0;
	while (st == OD_OK && i < n) {
		size_t from = i;
		unsigned char seen = 0;

		while (i < n && ((unsigned char)s[i] >= 0x80 || folded[(unsigned char)s[i]] != ' '))
			seen |= (unsigned char)s[i++];
		if (seen >= 0x80)
			st = add_run(w, s + from, i - from, err);
		else if (i > from)
			add_ascii(w, s + from, i - from);
		while (i < n && (unsigned char)s[i] < 0x80 && folded[(unsigned char)s[i]] == ' ')
			i++;
	}
	return st != OD_OK || od_buf_ok(&w->text) ? st : od_fail_nomem(err, "words", n);
}

enum od_status
od_fold_words(struct od_fold_words *w, const char *s, size_t n, struct od_error *err)
{
	od_buf_clear(&w->text);
	w->n = 0;
	return od_fold_words_add(w, s, n, err);
}

void
od_fold_words_release(struct od_fold_words *w)
{
	od_buf_release(&w->text);
	od_buf_release(&w->scratch);
	free(w->start);
	free(w->sum);
	*w = (struct od_fold_words)OD_FOLD_WORDS_INIT;
}
