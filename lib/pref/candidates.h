/* candidates.h -- the record with responses to score: a candidate set, or a pair.
 *
 * A candidate set is {"prompt":..., "answer":"..."?, "responses":[{"text":"...", "score":1.5?, "correct":true?, ...}]}: what od-sample
 * writes, experts score and od-pair turns into pairs. `answer` is the reference answer, for rules. A pair (prompt, chosen,
 * rejected) is read as a set of two, so that every expert takes both; a record that has `responses` is a set, whatever else it
 * has. prompt is a string or messages; a response of a pair may be a string, messages, or a whole dialogue (pair.h).
 *
 * What belongs to a response are members of its object. A pair has no such objects: there they are members of the record, with
 * the side in front of the name (chosen_step_scores), but behind score, scores and correct (score_chosen, correct_rejected).
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
	double score;                              /* score, score_chosen, score_rejected; NaN when absent or null */
	int correct;                               /* correct, correct_chosen, ...: 1, 0; -1 when absent or null */
	struct od_span span;                       /* where the element lies in the record's line; of a pair the whole line */
};

struct od_candidates {
	const json_t *prompt;                      /* string or messages; never NULL */
	const char *answer;                        /* NULL when absent or null; numbers are read as their JSON text */
	bool pair;                                 /* list[0] is chosen, list[1] rejected */
	struct od_candidate *list;
	size_t n, cap;
	struct od_buf answer_text;
	json_t *dialogue;                          /* the prompt, when it had to be cut out of the chosen dialogue */
	struct od_span responses;                  /* where that array lies in the record's line */
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
const char *od_prompt_question(const json_t *prompt, size_t *len);           /* the same for a prompt alone */

/* A member of response i of a record, set or pair: "correct" is responses.I.correct, or correct_chosen. NULL when absent. */
const json_t *od_candidate_get(const json_t *record, size_t i, const char *name);

/* What is added to one response: n members of its object. */
struct od_candidate_members {
	const struct od_member *m;
	size_t n;
};

/* out := the record's line with each[i] put into response i and `top` into the record itself (existing members of those names are
 * replaced). c must have been read from rec. each: [c->n]. Ask od_buf_ok(out) at the end. */
void od_candidates_splice(struct od_buf *out, const struct od_candidates *c, const struct od_record *rec,
	const struct od_candidate_members *each, const struct od_member *top, size_t n_top);

/* out := the value of response i's object `name`, with m put into it: how a score gets into "scores" beside others. */
void od_candidates_splice_into(struct od_buf *out, const struct od_candidates *c, const struct od_record *rec, size_t i,
	const char *name, const struct od_member *m);

#endif
