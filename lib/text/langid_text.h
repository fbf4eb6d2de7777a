/* langid_text.h -- what the language classifier sees of a text: addresses and repeated spaces gone, foreign letters left out
 * of a text in another script, and sequences of one to three characters inside words, similar characters made one.
 */
#ifndef OD_TEXT_LANGID_TEXT_H
#define OD_TEXT_LANGID_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* A sequence is a number: 21 bits a character, the last lowest; 0 is none. */

/* The number of a profile's sequence; returns its length in characters, 0 when it has none or more than three. */
int od_gram_parse(const char *s, uint64_t *gram);

/* out := the text (valid UTF-8, of which the first 10,000 characters count) as the classifier reads it; cleared first. */
OD_MUST_CHECK enum od_status od_langid_text(const char *s, size_t n, struct od_buf *out, struct od_error *err);

struct od_gram_walk {
	const char *s;
	size_t n, at;
	uint32_t last[3];                          /* [n_last] characters before, a word's start as a space */
	int n_last;
	bool capitals;                             /* in a run of capitals: an abbreviation says nothing */
};

#define OD_GRAM_WALK_INIT(s, n) { s, n, 0, { ' ' }, 1, false }

/* The sequences that end with the next character, at most 3, shortest first; how many, or -1 at the end. */
int od_gram_next(struct od_gram_walk *w, uint64_t grams[3]);

#endif
