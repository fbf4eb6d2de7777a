/* pattern.h -- regular expressions over PCRE2: compiled once, run by many threads with a matcher each. Two dialects: the
 * patterns of tokenizer.json, and those of Python's re module, which benchmarks are written in.
 *
 * Published patterns are written for Oniguruma. They mean the same here: Unicode classes, '^' and '$' at
 * lines, and white space (\s) exactly Unicode's White_Space. A pattern PCRE2 cannot compile is OD_EFORMAT
 * with its reason. A pattern that exhausts its limits on a text is OD_EFORMAT too.
 */
#ifndef OD_TEXT_PATTERN_H
#define OD_TEXT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct od_pattern;
struct od_matcher;

/* literal: the text itself, no regular expression. */
OD_MUST_CHECK enum od_status od_pattern_compile(struct od_pattern **out, const char *text, size_t n,
	bool literal, struct od_error *err);
void od_pattern_free(struct od_pattern *p);                /* NULL is fine */

/* A pattern as Python 3's re reads it in a str: \w is a letter, a number or '_' (no combining mark), \d a decimal digit, \s
 * what str.isspace() says, '.' all but \n, '^' and '$' at the ends of the text (a last \n apart) or, with OD_RE_MULTILINE, of
 * every line. */
enum od_re_flags { OD_RE_IGNORECASE = 1, OD_RE_MULTILINE = 2 };
OD_MUST_CHECK enum od_status od_pattern_python(struct od_pattern **out, const char *text, size_t n, unsigned flags,
	struct od_error *err);

OD_MUST_CHECK enum od_status od_matcher_new(struct od_matcher **out, struct od_error *err);
void od_matcher_free(struct od_matcher *m);                /* NULL is fine */

/* The first match at or after byte 'from' of valid UTF-8, its bytes [*start, *end), possibly none. *found
 * says whether there is one. OD_EFORMAT when the pattern exhausts its limits on this text. */
OD_MUST_CHECK enum od_status od_pattern_next(const struct od_pattern *p, struct od_matcher *m,
	const char *text, size_t n, size_t from, bool *found, size_t *start, size_t *end, struct od_error *err);

/* The next of the matches that Python's finditer finds: at or after byte *at, which moves behind it. *empty is the caller's
 * memory between calls, false at first: whether the last match was empty. */
OD_MUST_CHECK enum od_status od_pattern_iterate(const struct od_pattern *p, struct od_matcher *m, const char *text, size_t n,
	size_t *at, bool *empty, bool *found, size_t *start, size_t *end, struct od_error *err);

/* How many matches there are, counted as by len(re.findall()). */
OD_MUST_CHECK enum od_status od_pattern_count(const struct od_pattern *p, struct od_matcher *m, const char *text, size_t n,
	size_t *count, struct od_error *err);

/* Every match in b replaced by PCRE2's replacement text ("$1" is a group, "$0" the match). Valid UTF-8. */
OD_MUST_CHECK enum od_status od_pattern_replace(const struct od_pattern *p, struct od_matcher *m, struct od_buf *b,
	const char *replacement, struct od_error *err);

#endif
