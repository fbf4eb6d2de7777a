/* math_data.h -- a math benchmark's file in its publisher's form, and which of its problems an output belongs to.
 *
 * DATA SETS are those of grade/math_answer.h. A file is of the one that is asked for, or that its name holds ("data/gsm8k.jsonl.gz",
 * "gsm8k/test.jsonl"), or whose members it has; a name and members that contradict each other are OD_EFORMAT.
 *
 * A PROBLEM has
 *   an id: `idx`, `id` or `unique_id`, the first it has; else its position, from 0, which published implementations call idx. Ids are
 *     unique;
 *   a question: `question`, `problem`, `Question` or `input`, the first it has, with " (True or False)" or " (Yes or No)" behind it where
 *     the answer is such, without white space at its ends;
 *   a reference answer: the data set's field, ready for od_math_equal. It must have what the data set marks an answer with ("####", a
 *     box). Of some answers ("\text{east}", "b > a > c") the normal spelling leaves nothing, and some files have "" for an answer: by the
 *     published rules an answer of which nothing is left is right then. They are counted.
 *
 * OUTPUTS (outputs.h) name their problem by `id`, `key`, `unique_id` or `idx` (where the file has no `idx`: the position), or by
 * `prompt`, `question` or `problem`; all that are there must agree. A prompt is the question, with or without what is appended to it,
 * and the suffix that the output's `sample` tells of; of messages the last one counts. Beside an id a prompt need only contain the
 * question.
 */
#ifndef OD_BENCH_MATH_DATA_H
#define OD_BENCH_MATH_DATA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "bench/outputs.h"
#include "grade/math_answer.h"

struct od_math_item {
	json_t *record;                            /* as read; a reference of its own */
	const char *id;                            /* of the roster */
	struct od_buf question, reference;
	char *asked;                               /* the question as outputs are looked up by it */
};

struct od_math_data {
	const struct od_math_dataset *dataset;
	const char *known_by;                      /* "asked for", "by the file's name", "by its members" */
	bool has_idx;                              /* items have `idx` */
	struct od_math_item *p;                    /* [n] in the file's order */
	size_t n, cap;
	size_t empty;                              /* items whose reference answer is "" */
	struct od_roster roster;
};

/* dataset: NULL recognises it. OD_EFORMAT, with file and item, for what is malformed, there twice, or of no data set; OD_EUSAGE for a
 * dataset that is none. */
OD_MUST_CHECK enum od_status od_math_data_read(struct od_math_data *d, const char *file, const char *dataset, enum od_math_grader g,
	struct od_error *err);
void od_math_data_release(struct od_math_data *d);

/* out := the question of a record of a data file, as a model is asked it, given its reference answer. OD_EFORMAT when it has none. */
OD_MUST_CHECK enum od_status od_math_question(const json_t *record, const char *reference, size_t n, struct od_buf *out,
	struct od_error *err);

/* *i: the problem an output belongs to; od_roster_find says what else. */
OD_MUST_CHECK enum od_status od_math_match(const struct od_math_data *d, const json_t *output, size_t *i, struct od_error *err);

#endif
