/* number_words.h -- English number words as the Python package word2number 1.1 understands them, oddities included, because the
 * reference graders pass every answer through it:
 *   - hyphens are spaces, letter case does not matter, words are separated by white space;
 *   - text of digits alone is that integer ("033" is 33);
 *   - words that are no number words are skipped ("two red apples" is 2), so one number word replaces the whole text;
 *   - between zero and ninety words add up, "hundred" multiplies what stands before it, thousand, million and billion may stand once
 *     each in falling order, and digits named after "point" are decimals.
 */
#ifndef OD_GRADE_NUMBER_WORDS_H
#define OD_GRADE_NUMBER_WORDS_H

#include <stdbool.h>

#include "base/buf.h"

/* Appends the number that stands in s (n bytes of UTF-8) to out as Python prints it; false (nothing appended) when there is none. */
bool od_number_words(const char *s, size_t n, struct od_buf *out);

#endif
