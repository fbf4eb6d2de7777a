/* fold_words.h -- the words of a text for comparing texts: what is left when case, punctuation, spacing and compatibility
 * forms are taken away.
 *
 * The text goes through Unicode's NFKC_Casefold (compatibility forms composed, case folded, invisible characters removed);
 * a word is then a run of letters, marks and digits that does not begin with a mark. Everything else separates: "Don't" is
 * "don" "t", "3.5" is "3" "5". Characters of scripts written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) are words
 * by themselves, with the marks that follow them.
 *
 * Sequences of words are compared by od_fold_hash, 64 bits that depend on the words alone, in constant time each; equal
 * hashes are to be confirmed by the bytes (od_fold_span).
 */
#ifndef OD_TEXT_FOLD_WORDS_H
#define OD_TEXT_FOLD_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct od_fold_words {
	struct od_buf text;                        /* the words with a space behind each */
	size_t *start;                             /* [n + 1] offsets in text; the last is its end */
	uint64_t *sum;                             /* [n + 1] hash of the words before each, for od_fold_hash */
	size_t n, cap_start, cap_sum;
	struct od_buf scratch;
};

#define OD_FOLD_WORDS_INIT { OD_BUF_INIT, NULL, NULL, 0, 0, 0, OD_BUF_INIT }

/* Takes the words of valid UTF-8, in place of those that were there. */
OD_MUST_CHECK enum od_status od_fold_words(struct od_fold_words *w, const char *s, size_t n, struct od_error *err);
/* The same behind those that are there. */
OD_MUST_CHECK enum od_status od_fold_words_add(struct od_fold_words *w, const char *s, size_t n, struct od_error *err);
void od_fold_words_release(struct od_fold_words *w);

/* od_fold_power(n): a factor for hashes of n words, computed once. Hash of the words [at, at + n). */
uint64_t od_fold_power(size_t n);
static inline uint64_t
od_fold_hash(const struct od_fold_words *w, size_t at, size_t n, uint64_t power)
{
	return w->sum[at + n] - w->sum[at] * power;
}

/* The bytes of the words [at, at + n), spaces between them; *len in bytes. */
const char *od_fold_span(const struct od_fold_words *w, size_t at, size_t n, size_t *len);

#endif
