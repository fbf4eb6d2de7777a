/* rubric.h -- the file a user writes to say what a judge is asked and how its answer becomes a score.
 *
 *   # A comment.
 *   score: Rating: *([0-9]+)
 *   range: 1 5
 *
 *   %system
 *   You rate answers.
 *   %user
 *   {instruction}
 *   ...
 *
 * First settings, one a line; `#` begins a comment:
 *   score: PATTERN      a PCRE2 pattern with one group, which holds the score; of several matches the last counts. Without it the
 *                       whole answer is taken, without white space at its ends.
 *   range: LOW HIGH     scores outside are no scores (required, unless the rubric is for texts)
 *   values: A=1 B=0 ... what stands for a number: the part before the last '=' is the text of the group; case counts
 *   skip: TEXT          an answer whose group is this text has no score and is left out of the mean ("N/A")
 *   temperature: T, top_p: P, max_tokens: N      sent as they are; 0, not sent, 1024 unless given
 * Then messages: a line %system, %user or %assistant, and the text up to the next such line, white space at its ends
 * removed. %aspect NAME begins another question: its messages are asked by themselves, and the score is the mean over all. A line
 * of text that begins with a % of its own is written with two.
 *
 * Placeholders, put in once and not looked through again: {instruction} the prompt (several messages as a dialogue), {response},
 * {answer} the reference answer; {response_a} and {response_b} make a rubric one of pairs: it says how much better A is, in a
 * range whose middle means equal. All other braces are text.
 */
#ifndef OD_SCORE_RUBRIC_H
#define OD_SCORE_RUBRIC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"

enum od_rubric_slot { OD_SLOT_INSTRUCTION, OD_SLOT_RESPONSE, OD_SLOT_ANSWER, OD_SLOT_A, OD_SLOT_B, OD_N_SLOTS };

struct od_rubric_message {
	const char *role;
	struct od_buf text;                        /* as written, with its placeholders */
};

struct od_rubric_aspect {
	char *name;                                /* "" for the only question of a file without %aspect */
	struct od_rubric_message *messages;
	size_t n, cap;
};

struct od_rubric_value {
	char *text;
	double value;
};

struct od_rubric {
	struct od_rubric_aspect *aspects;
	size_t n, cap;
	bool uses[OD_N_SLOTS];
	double low, high;                          /* NaN when the file has no range */
	double temperature, top_p;                 /* NaN: not sent */
	int64_t max_tokens;
	struct od_rubric_value *values;
	size_t n_values, cap_values;
	char *skip;                                /* NULL: nothing is skipped */
	char *pattern;                             /* NULL: the whole answer */
	struct od_rubric_regex *regex;
	char hash[OD_HASH_HEX];                    /* of the file and the pattern given beside it */
};

/* What is put in. text NULL: there is none. Lengths because texts may hold NULs. */
struct od_rubric_text {
	const char *text;
	size_t len;
};

/* A text of n bytes; `name` is for messages. `pattern` replaces the file's, or is NULL. `scored`: it must say how its answers
 * become scores. OD_EFORMAT "NAME:LINE: what is wrong". */
OD_MUST_CHECK enum od_status od_rubric_parse(struct od_rubric **out, const char *text, size_t n, const char *name,
	const char *pattern, bool scored, struct od_error *err);
OD_MUST_CHECK enum od_status od_rubric_open(struct od_rubric **out, const char *path, const char *pattern, bool scored,
	struct od_error *err);

static inline bool
od_rubric_of_pairs(const struct od_rubric *r)
{
	return r->uses[OD_SLOT_A];
}

/* The messages of one question, a new reference. OD_EFORMAT when a text that it uses is NULL. */
OD_MUST_CHECK enum od_status od_rubric_fill(const struct od_rubric *r, size_t aspect,
	const struct od_rubric_text texts[OD_N_SLOTS], json_t **messages, struct od_error *err);

/* What the pattern's group holds, or the whole answer, white space at its ends left out: bytes [*start, *end). OD_EFORMAT: the
 * pattern does not match. */
OD_MUST_CHECK enum od_status od_rubric_extract(const struct od_rubric *r, const char *answer, size_t n, size_t *start,
	size_t *end, struct od_error *err);

/* The score of an answer; NaN when the rubric skips it. OD_EFORMAT: there is none in it. */
OD_MUST_CHECK enum od_status od_rubric_score(const struct od_rubric *r, const char *answer, size_t n, double *score,
	struct od_error *err);

void od_rubric_free(struct od_rubric *r);                  /* NULL is fine */

#endif
