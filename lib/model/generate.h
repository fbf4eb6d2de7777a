/* generate.h -- responses to prompts: many at a time, each as if it were alone.
 *
 * A job is a prompt and how many responses it wants. Jobs are queued; every step starts as many queued jobs as there is room for and
 * then makes one token of every response that is under way, so a response that has ended makes place for another at once
 * (continuous batching). What a response is depends on the model, its prompt, its key, its number and the settings alone: not
 * on the order of jobs, how many run together, or the number of threads (decoder.h, sampling.h).
 *
 * A response ends at a stop token (which it does not show), at a stop text (cut off where the text begins), or after max_new
 * tokens, or where the model's positions end.
 */
#ifndef OD_MODEL_GENERATE_H
#define OD_MODEL_GENERATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/engine.h"
#include "model/sampling.h"
#include "text/tokenizer.h"

enum od_finish { OD_FINISH_STOP, OD_FINISH_LENGTH };
extern const char *const od_finish_names[];        /* "stop", "length" */

struct od_response {
	struct od_ids ids;                         /* what was drawn, a stop token included */
	int64_t tokens;                            /* how many that were */
	struct od_buf text;                        /* UTF-8; bytes that are none, and NULs, became U+FFFD */
	enum od_finish finish;
};

struct od_job {
	int32_t *prompt;                           /* [n_prompt], n_prompt >= 1; the caller's, until the job is done */
	int32_t n_prompt, samples;
	uint64_t key;                              /* which random numbers: with sample number and seed */
	struct od_response *response;              /* [samples], zeroed by the caller */
	int32_t started, left;                     /* responses begun, not yet done: 0 at the end */
};

struct od_generate_options {
	struct od_sampling sampling;
	int64_t max_new;                           /* tokens of a response at most */
	int32_t max_seqs;                          /* responses at a time */
	int64_t cache_tokens;                      /* 0: room for max_seqs responses of max_new after prompts of some length */
	int64_t prefill_tokens;                    /* prompt tokens that run through the model at once */
	const int32_t *stop_ids;                   /* [n_stop_ids] */
	size_t n_stop_ids;
	const char *const *stop;                   /* [n_stop] texts */
	size_t n_stop;
};

struct od_generator;

/* Borrows model, tokenizer (NULL: texts stay empty) and everything the options point to. */
OD_MUST_CHECK enum od_status od_generator_open(struct od_generator **out, const struct od_model *m, const struct od_tokenizer *t,
	const struct od_generate_options *o, struct od_error *err);
void od_generator_close(struct od_generator *g);

/* Queues a job, borrowed until job->left is 0. OD_EFORMAT for a prompt without tokens, with ids outside the vocabulary, or too long
 * for the model or the cache: what to do about it is in the message. */
OD_MUST_CHECK enum od_status od_generator_add(struct od_generator *g, struct od_job *job, struct od_error *err);

/* One token for every response under way, after starting what there is room for. OD_EOF when there is nothing to do. */
OD_MUST_CHECK enum od_status od_generator_step(struct od_generator *g, struct od_error *err);

int64_t od_generator_queued(const struct od_generator *g);         /* jobs not all begun */

void od_response_release(struct od_response *r);

#endif
