/* letters.h -- case as Unicode defines it, by ICU: what str.lower(), str.isupper() and str.islower() say in Python, and
 * sentences by Unicode's own rules. Texts are valid UTF-8.
 */
#ifndef OD_TEXT_LETTERS_H
#define OD_TEXT_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* out := the text in lower case, full mapping (a sigma at the end of a word is a final one); cleared first. */
OD_MUST_CHECK enum od_status od_text_lower(const char *s, size_t n, struct od_buf *out, struct od_error *err);

bool od_is_upper(uint32_t cp);             /* the derived properties Uppercase and Lowercase */
bool od_is_lower(uint32_t cp);

/* There is an upper-case character (lower-case, for _lower) and none of the other case or of title case. */
bool od_text_is_upper(const char *s, size_t n);
bool od_text_is_lower(const char *s, size_t n);

/* Runs of word characters as UTS 18 defines them: letters, marks, decimal digits, connectors such as '_', joiners. */
size_t od_count_words(const char *s, size_t n);

/* What a character is to a word: part of one; a mark, which belongs to the character before it; a word by itself, in scripts
 * written without spaces (Han, kana, Thai, Lao, Khmer, Burmese); or nothing of a word. Letters and numbers of every kind count. */
enum od_letter_kind { OD_LETTER_NONE, OD_LETTER_WORD, OD_LETTER_MARK, OD_LETTER_ALONE };
enum od_letter_kind od_letter_kind(uint32_t cp);

/* One character for two that have a canonical composition, else 0. */
uint32_t od_compose(uint32_t a, uint32_t b);

/* Sentences by Unicode's segmentation rules (UAX 29) for English: how many hold more than white space. */
OD_MUST_CHECK enum od_status od_count_sentences(const char *s, size_t n, size_t *count, struct od_error *err);

#endif
