/* reward_model.h -- a reward model and its tokenizer: responses in, the head's numbers out. What prm, armorm and rm share.
 *
 *   ask -> prepare (the expert's: text, token ids, positions to read) -> trees packed into batches of at most batch_tokens
 *       -> od_engine_hidden -> od_reward_rows -> finish (the expert's: numbers to an answer)
 *
 * Responses of one prompt that follow each other share it: the prompt is computed once. Where it ends is found for each response
 * alone (the tokens it shares with the bare prompt), so a response has the same bits whatever it is scored with.
 *
 * Texts are rendered through the chat template and tokenised as a whole, special tokens in them included, as the references do.
 */
#ifndef OD_SCORE_REWARD_MODEL_H
#define OD_SCORE_REWARD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "model/engine.h"
#include "model/reward.h"
#include "pref/dialogue.h"
#include "score/response.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#define OD_REWARD_WINDOW 256                       /* responses that fill batches well */

struct od_reward_model_options {
	const char *dir;                           /* model directory */
	const char *chat;                          /* template by name; NULL: the tokenizer's own, recognised */
	const char *date;                          /* NULL: the template's default */
	int64_t max_length;                        /* tokens of prompt and response; 0: as many positions as the model has */
	int64_t batch_tokens;                      /* tokens that run at once; 0: as suits a processor. Memory depends on it */
	struct od_backend *be;                     /* borrowed; must outlive the expert */
};

/* A response on its way through the model. */
struct od_reading {
	struct od_ids ids;
	int32_t shared;                            /* tokens that the prompt alone decides */
	int32_t *at;                               /* [n_at] positions to read; of a gated model the gate's, then the last */
	size_t n_at, cap_at;
	float *out;                                /* [n_at, width] */
	size_t cap_out;
	bool truncated;
};

struct od_reward_model {
	struct od_backend *be;
	struct od_model model;
	struct od_reward *head;
	struct od_engine *engine;
	struct od_tokenizer *tokenizer;
	const struct od_chat_template *chat;
	const char *date;
	int64_t max_length, batch_tokens;
	bool own_system;                           /* the record's system turns are left out: the model has its own */
	struct od_buf text;                        /* the rendered dialogue: an expert may change what follows the prompt */
	/* private */
	struct od_dialogue talk;
	struct od_buf prompt, last_prompt;         /* the rendered prompt, and the one prompt_ids are of */
	struct od_ids prompt_ids;
	struct od_reading *readings;
	struct od_batch batch;
	struct od_read *reads;
	float *hidden, *rows;
	uint8_t *gate;
	size_t cap_readings, cap_reads, cap_hidden, cap_rows, cap_gate;
	int64_t responses, tokens;                 /* scored so far; prompts counted for each response */
	double seconds;
};

/* Opens DIR, whose head must be of that kind; 'who' is the expert's name for messages. OD_EUSAGE when max_length is beyond the
 * model's positions. */
OD_MUST_CHECK enum od_status od_reward_model_open(struct od_reward_model *m, const struct od_reward_model_options *o,
	enum od_head head, const char *who, struct od_error *err);
void od_reward_model_close(struct od_reward_model *m);     /* a zeroed one is fine */

/* m->text := the dialogue with the response as its last turn. */
OD_MUST_CHECK enum od_status od_reward_model_render(struct od_reward_model *m, const json_t *prompt, const char *response,
	size_t len, struct od_error *err);
/* The tokens of m->text, and how many of them are the prompt's. */
OD_MUST_CHECK enum od_status od_reward_model_encode(struct od_reward_model *m, struct od_reading *r, struct od_error *err);
OD_MUST_CHECK enum od_status od_reading_add(struct od_reading *r, size_t at, struct od_error *err);

/* An expert's part. prepare fills ids, shared and at (cleared); OD_EFORMAT says why this response cannot be scored, anything else
 * ends the run. finish fills score and members. */
struct od_reward_scorer {
	enum od_status (*prepare)(void *expert, const struct od_ask *a, struct od_reading *r, struct od_error *err);
	void (*finish)(void *expert, const struct od_reading *r, struct od_answer *answer);
};

/* The method 'score' of struct od_response_expert. A response of more than max_length tokens is OD_EFORMAT in its answer; a model
 * that gives what is no number is OD_ENUMERIC. */
OD_MUST_CHECK enum od_status od_reward_model_score(struct od_reward_model *m, const struct od_ask *asks, size_t n,
	struct od_answer *answers, const struct od_reward_scorer *scorer, void *expert, struct od_error *err);

/* ,"model":...,"head":...,"tokenizer":...,"template":...,"dtype":... */
void od_reward_model_describe(const struct od_reward_model *m, struct od_buf *out);
/* "12 responses, 3400 tokens, 1.2 s, 2833 tokens/s (cpu fp32 ...)" */
void od_reward_model_summary(const struct od_reward_model *m, struct od_buf *out);

/* The id of a token the model must have. OD_EMISMATCH naming DIR and the token when the tokenizer lacks it. */
OD_MUST_CHECK enum od_status od_reward_model_token(const struct od_reward_model *m, const char *dir, const char *token,
	int32_t *id, struct od_error *err);

/* Appends [1,0.25] of floats. */
void od_buf_floats(struct od_buf *out, const float *v, size_t n);

#endif
