/* punkt_words.h -- the words that Punkt sees: what stands between white space, with brackets, quotes, commas and runs of
 * points or hyphens cut off.
 */
#ifndef OD_TEXT_PUNKT_WORDS_H
#define OD_TEXT_PUNKT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct od_punkt_word {
	const char *s;
	size_t n;                                  /* bytes, at least 1; not ended by a NUL */
};

struct od_punkt_walk {
	const char *s;
	size_t n, at;
};

/* The next word of valid UTF-8; false after the last. */
bool od_punkt_next_word(struct od_punkt_walk *w, struct od_punkt_word *out);

static inline bool
od_char_in(char c, const char *set)
{
	return c && strchr(set, c);
}

/* Whether a byte is punctuation that no word holds. */
bool od_punkt_is_non_word(char c);

/* Bytes of the character at s (n left) if it is white space, a decimal digit, a letter (or number or '_', but no decimal
 * digit); else 0. */
size_t od_is_space_at(const char *s, size_t n);
size_t od_is_decimal_at(const char *s, size_t n);
size_t od_is_letter_at(const char *s, size_t n);

#endif
