/* judge.h -- the expert that is a language model asked for its opinion, through an OpenAI-compatible service (io/openai.h) and
 * a rubric the user writes (rubric.h).
 *
 * A rubric of single responses is asked once for each response and aspect; the score is the mean over the aspects, those that
 * the judge skips left out. A rubric of pairs is asked about every two responses of a record in both orders, so that a
 * preference for the first place cancels: with v what the judge says of (A, B) and w of (B, A), on a range LOW..HIGH, A gets
 * (v + LOW + HIGH - w) / 2 and B what is missing to LOW + HIGH. Of more than two responses each gets its mean over the others.
 *
 * An answer that is cut off, empty, or has no score within the range is asked for again, then given up: the response has no
 * score, and says why.
 */
#ifndef OD_SCORE_JUDGE_H
#define OD_SCORE_JUDGE_H

#include "io/openai.h"
#include "score/response.h"
#include "score/rubric.h"

struct od_judge_options {
	struct od_openai_options service;          /* usable and ctx are set here */
	struct od_rubric *rubric;                  /* owned by the expert from here on, also when opening fails */
	const char *model;                         /* as the service calls it; borrowed for the expert's life */
	double temperature;                        /* NaN: the rubric's */
	int64_t max_tokens;                        /* < 0: the rubric's; 0: not sent */
	int64_t seed;                              /* < 0: not sent */
	const json_t *extra;                       /* further members of requests, or NULL; borrowed for the expert's life */
	double price_in, price_out;                /* of a million tokens, for the summary; 0: not said */
	size_t window;                             /* responses asked about at once */
};

OD_MUST_CHECK enum od_status od_judge_open(struct od_response_expert **out, const struct od_judge_options *opt,
	struct od_error *err);

/* The prompt as one text for {instruction}, appended: a string or a single user message as it is; several messages as a dialogue,
 * each under its role. */
OD_MUST_CHECK enum od_status od_judge_instruction(struct od_buf *out, const json_t *prompt, struct od_error *err);

#endif
