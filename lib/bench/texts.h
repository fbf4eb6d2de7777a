/* texts.h -- where the records of benchmarks, their outputs and training data keep their texts, whatever their publishers call
 * them.
 *
 * The TEXTS of a member are those found at it: a string is one; of an array each element's; of an object (a message, a turn, a
 * response) those of its members content, text and value. So "messages" is every message's text, "turns" every turn's.
 */
#ifndef OD_BENCH_TEXTS_H
#define OD_BENCH_TEXTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Calls visit for each text at 'path' (io/jsonl.h) of a record, in order, until one call fails. *found becomes true when there
 * is one; it is never set false. */
typedef enum od_status od_text_visitor(void *arg, const char *s, size_t n, struct od_error *err);
OD_MUST_CHECK enum od_status od_texts_at(const json_t *record, const char *path, od_text_visitor *visit, void *arg, bool *found,
	struct od_error *err);

/* NULL-terminated names of members, in the order of preference: what an item asks; what training records hold. */
extern const char *const od_question_fields[]; /* prompt, instruction, question, problem, query, turns, messages */
extern const char *const od_training_fields[];

/* The first of od_question_fields that has a text; its first text. NULL when there is none. */
const char *od_question_of(const json_t *record, size_t *len);

/* What a model answered: in a form of bench/outputs.h, output_2 (the model's in AlpacaEval's annotations), or the first choice of an
 * Arena-Hard answer. NULL when there is none. */
const char *od_answer_of(const json_t *record, size_t *len);

/* What names a record: id, key, question_id, uid or prompt_id (a string or an integer) as text; "" when there is none.
 * size is that of out; a longer name is cut between characters. */
void od_name_of(const json_t *record, char *out, size_t size);

#endif
