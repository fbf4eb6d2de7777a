/* pattern.h -- the patterns of tokenizer.json over PCRE2: compiled once, run by many threads with a matcher
 * each.
 *
 * Published patterns are written for Oniguruma. They mean the same here: Unicode classes, '^' and '$' at
 * lines, and white space (\s) exactly Unicode's White_Space. A pattern PCRE2 cannot compile is OD_EFORMAT
 * with its reason.
 */
#ifndef OD_TEXT_PATTERN_H
#define OD_TEXT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct od_pattern;
struct od_matcher;

/* literal: the text itself, no regular expression. */
OD_MUST_CHECK enum od_status od_pattern_compile(struct od_pattern **out, const char *text, size_t n,
	bool literal, struct od_error *err);
void od_pattern_free(struct od_pattern *p);                /* NULL is fine */

OD_MUST_CHECK enum od_status od_matcher_new(struct od_matcher **out, struct od_error *err);
void od_matcher_free(struct od_matcher *m);                /* NULL is fine */

/* The first match at or after byte 'from' of valid UTF-8, its bytes [*start, *end), possibly none. *found
 * says whether there is one. OD_EFORMAT when the pattern exhausts its limits on this text. */
OD_MUST_CHECK enum od_status od_pattern_next(const struct od_pattern *p, struct od_matcher *m,
	const char *text, size_t n, size_t from, bool *found, size_t *start, size_t *end, struct od_error *err);

#endif
