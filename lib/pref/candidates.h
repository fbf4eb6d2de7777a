/* candidates.h -- the record with responses to score: a candidate set, or a pair.
 *
 * A candidate set is {"prompt":..., "answer":"..."?, "responses":[{"text":"...", "score":1.5?, "correct":true?, ...}]}: what od-sample
 * writes, experts score and od-pair turns into pairs. `answer` is the reference answer, for rules. A pair (prompt, chosen,
 * rejected) is read as a set of two, so that every expert takes both. prompt is a string or messages; a response of a pair may be
 * a string, messages, or a whole dialogue (pair.h).
 *
 * What is read is borrowed from the record. Writing keeps the bytes of others: members are spliced into the element of
 * `responses` they belong to (io/jsonl.h), and everything else of the line stays as it is.
 */
#ifndef OD_PREF_CANDIDATES_H
#define OD_PREF_CANDIDATES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/jsonl.h"

struct od_candidate {
	const json_t *json;                        /* the element of responses, or the member chosen or rejected */
	const char *text;                          /* UTF-8; may be empty */
	size_t len;
	double score;                              /* member "score" when it is a number; NaN when absent */
	int correct;                               /* member "correct": 1, 0; -1 when absent */
};

struct od_candidates {
	const json_t *prompt;                      /* string or messages */
	const char *answer;                        /* NULL when absent; numbers are read as their JSON text */
	bool pair;                                 /* list[0] is chosen, list[1] rejected */
	struct od_candidate *list;
	size_t n, cap;
	struct od_buf answer_text;
};

#define OD_CANDIDATES_INIT { .answer_text = OD_BUF_INIT }

/* Reads a record; `answer_path` (dotted; NULL: "answer") says where the reference answer is. OD_EFORMAT naming the field ("field
 * 'responses.2.text' is missing", "field 'prompt' must be ...") for what is missing or of a wrong type; an empty `responses` is
 * fine. Reuses c's memory. */
OD_MUST_CHECK enum od_status od_candidates_read(struct od_candidates *c, const struct od_record *rec, const char *answer_path,
	struct od_error *err);
void od_candidates_release(struct od_candidates *c);

/* The prompt as one text, for experts that want no template: the string, or the last user message. NULL when there is none. */
const char *od_candidates_question(const struct od_candidates *c, size_t *len);

/* What is added to one response: n members of its object. */
struct od_candidate_members {
	const struct od_member *m;
	size_t n;
};

/* out := the record's line with each[i] put into response i and `top` into the record itself (existing members of those names are
 * replaced). Of a pair, each[0] and each[1] become members of the record, their names with "chosen_" and "rejected_" before
 * them, except that "score" becomes score_chosen and score_rejected. each: [c->n]. */
void od_candidates_splice(struct od_buf *out, const struct od_candidates *c, const struct od_record *rec,
	const struct od_candidate_members *each, const struct od_member *top, size_t n_top);

#endif
