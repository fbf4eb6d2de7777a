/* alpaca_rows.h -- the inputs of od-eval alpaca-eval: preferences as annotations (JSON) or rows (CSV), difficulties, gamed
 * rows, published coefficients.
 */
#ifndef OD_EVAL_ALPACA_ROWS_H
#define OD_EVAL_ALPACA_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "bench/alpaca.h"
#include "eval/judged.h"
#include "io/csv.h"

/* One model's rows, in the order of the input, which is that of the instructions. */
struct alpaca_model {
	char *name, *baseline, *judge;             /* NULL: not known */
	struct od_alpaca_row *row;                 /* [n] */
	char **id;                                 /* [n] the instruction's index, or the position as text */
	signed char *switched;                     /* [n] 1, 0; -1: not known */
	json_t *seen;                              /* instructions */
	size_t n, cap_row, cap_id, cap_switched;
};

struct alpaca_models {
	struct alpaca_model *model;                /* [n] in order of first appearance */
	size_t n, cap;
};

/* Where preferences come from. */
enum alpaca_preference { ALPACA_STORED, ALPACA_LOGPROBS };

/* Annotations as the reference stores them: instruction, output_1 (the baseline's), output_2 (the model's), preference,
 * raw_completion, annotator. An item of which the model has no output may say so: output_2 and preference null. only: a model's
 * name, NULL for all. */
OD_MUST_CHECK enum od_status alpaca_read_annotations(struct alpaca_models *m, const char *file, const char *only,
	enum alpaca_preference from, struct judged_bad *bad, struct od_error *err);

/* A table with preference, len_1, len_2 and, if it has them, model, instruction_index; or, for ALPACA_LOGPROBS, with
 * logprob_m, logprob_M and is_switched; lengths may be absent. */
OD_MUST_CHECK enum od_status alpaca_read_rows(struct alpaca_models *m, const char *file, const char *only,
	enum alpaca_preference from, struct judged_bad *bad, struct od_error *err);
void alpaca_models_release(struct alpaca_models *m);

/* The parts of reading: the model of that name (NULL: without one), made when it is new; a row at its end; the length of an
 * output; the log-prob of a token among alternatives, NaN when it is not there. */
OD_MUST_CHECK enum od_status alpaca_find_model(struct alpaca_models *m, const char *name, struct alpaca_model **out,
	struct od_error *err);
OD_MUST_CHECK enum od_status alpaca_add_row(struct alpaca_model *m, const struct od_alpaca_row *row, const char *id, int switched,
	struct od_error *err);
double alpaca_code_points(const char *s);
double alpaca_logprob_of(const json_t *top, const char *token);

/* The column instruction_difficulty of a table, malloc'd; its column without a name or "index" must count from 0. */
OD_MUST_CHECK enum od_status alpaca_read_difficulty(double **out, size_t *n, const char *file, struct od_error *err);
/* preference (0..1), std_delta_len, instruction_difficulty. */
OD_MUST_CHECK enum od_status alpaca_read_gamed(struct od_alpaca_gamed **out, size_t *n, const char *file, struct od_error *err);

/* "A,B,C", or a table of model, coefficient of the length, of the difficulty, of the model. */
struct alpaca_coefficients {
	bool given;                                /* three numbers, the same for every model */
	double coef[OD_ALPACA_FEATURES];
	struct od_csv table;
};
OD_MUST_CHECK enum od_status alpaca_read_coefficients(struct alpaca_coefficients *c, const char *text, struct od_error *err);
/* Those of a model (NULL is one without a name); OD_EFORMAT when the table has none. */
OD_MUST_CHECK enum od_status alpaca_find_coefficients(const struct alpaca_coefficients *c, const char *model,
	double coef[OD_ALPACA_FEATURES], struct od_error *err);

#endif
