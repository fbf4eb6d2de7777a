/* answer_text.h -- operations on answers, with the meaning the reference graders give them: those of Python's str and re on code
 * points (\w, \d, \s and strip() are Unicode's), here on valid UTF-8. Buffers are edited in place; running out of memory is
 * remembered in them (base/buf.h), and an operation on such a buffer does nothing.
 */
#ifndef OD_GRADE_ANSWER_TEXT_H
#define OD_GRADE_ANSWER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The code point that starts at byte i < n, or that ends before byte i > 0; its length in *len. */
uint32_t od_text_at(const char *s, size_t n, size_t i, size_t *len);
uint32_t od_text_before(const char *s, size_t i, size_t *len);

bool od_text_is_word(uint32_t cp);                 /* \w: letters, numbers of any kind, the underscore */
bool od_text_is_digit(uint32_t cp);                /* \d: decimal digits of any script */
size_t od_text_chars(const char *s, size_t n);     /* code points */

/* First and last occurrence of 'what', or NULL. */
const char *od_text_find(const char *s, size_t n, const char *what);
const char *od_text_find_last(const char *s, size_t n, const char *what);
size_t od_text_count(const char *s, size_t n, char c);

void od_text_set(struct od_buf *b, const char *s, size_t n);           /* b := s; s may lie in b */
void od_text_replace(struct od_buf *b, const char *from, const char *to);      /* every occurrence, left to right */
void od_text_strip(struct od_buf *b);                                  /* white space at both ends */
void od_text_rstrip_char(struct od_buf *b, char c);                    /* every c at the end */
void od_text_delete(struct od_buf *b, size_t at, size_t n);
bool od_text_equal_lower(const char *a, size_t na, const char *b, size_t nb);  /* equal in lower case */

/* The whole of s as Python's float() reads it: white space around, underscores between digits, "inf", "nan". */
bool od_text_float(const char *s, size_t n, double *out);

#endif
