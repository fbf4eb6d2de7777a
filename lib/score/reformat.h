/* reformat.h -- solutions split into steps anew by a language model, for step-wise experts: the model may move white space, and
 * nothing else.
 *
 * The rubric (rubric.h; one of single responses, without scores) asks for the response with a blank line between steps. An answer
 * that differs from the response in anything but white space is asked for again, then given up. So a model that corrects,
 * shortens or comments cannot slip into the data.
 */
#ifndef OD_SCORE_REFORMAT_H
#define OD_SCORE_REFORMAT_H

#include "io/openai.h"
#include "score/response.h"
#include "score/rubric.h"

struct od_reformat;

struct od_reformat_options {
	struct od_openai_options service;          /* usable and ctx are set here */
	struct od_rubric *rubric;                  /* owned from here on, also when opening fails */
	const char *model;                         /* borrowed */
	int64_t seed;                              /* < 0: not sent */
	const json_t *extra;                       /* borrowed, or NULL */
};

/* One response in its new shape. status OD_EFORMAT: it has none, and err says why. */
struct od_reformatted {
	enum od_status status;
	struct od_error err;
	struct od_buf text;
};

OD_MUST_CHECK enum od_status od_reformat_open(struct od_reformat **out, const struct od_reformat_options *opt,
	struct od_error *err);

/* out[n], their buffers reused. Anything but OD_OK ends the run, as in response.h. */
OD_MUST_CHECK enum od_status od_reformat_steps(struct od_reformat *r, const struct od_ask *asks, size_t n,
	struct od_reformatted *out, struct od_error *err);

const struct od_openai *od_reformat_service(const struct od_reformat *r);        /* for its summary */
const char *od_reformat_hash(const struct od_reformat *r);                       /* of the rubric, for the score block */
void od_reformat_close(struct od_reformat *r);             /* NULL is fine */

#endif
