/* respond.h -- responses to prompts, for every tool that wants some: made here by a model directory, or asked of an
 * OpenAI-compatible service. What is asked (struct od_query) comes from the tool, one after another, and goes back to it in the same
 * order with its responses.
 *
 *   respond_opts.c      what the user may say
 *   respond.c           prompts with their suffix, the queue, how responses look in records
 *   respond_local.c     a model directory
 *   respond_service.c   a service
 */
#ifndef OD_TOOLS_RESPOND_H
#define OD_TOOLS_RESPOND_H

#include <jansson.h>

#include "base/buf.h"
#include "common/cli.h"
#include "common/device_opts.h"
#include "common/service_opts.h"
#include "model/generate.h"

/* How a prompt becomes text: by the model's chat template; as it is; as Qwen2.5-Math's evaluation does (a template and system turn of
 * its own), the same with the suffix that asks for steps; by the model's template with that suffix. */
enum od_prompt_format { OD_FORMAT_CHAT, OD_FORMAT_RAW, OD_FORMAT_QWEN25_MATH, OD_FORMAT_QWEN25_MATH_STEP, OD_FORMAT_MATH_SUFFIX };
extern const char *const od_prompt_formats[];      /* NULL-terminated */

struct od_respond_options {
	struct od_device_options device;
	struct od_service_options service;
	struct od_sampling sampling;               /* the caller sets the seed, before od_respond_check */
	const char *model, *url, *chat_template, *date, *system, *suffix, *stop;
	int format;
	int64_t samples, max_tokens, batch, cache_tokens, threads;        /* threads: the caller's to set */
	bool ignore_end, ids;
	/* filled by od_respond_check */
	char *stop_text;                           /* what the pointers of stops point into */
	const char **stops;                        /* [n_stops] */
	size_t n_stops;
};

#define OD_RESPOND_OPTIONS_INIT { .device = OD_DEVICE_OPTIONS_INIT, .service = OD_SERVICE_OPTIONS_INIT, \
	.sampling = OD_SAMPLING_INIT, .samples = 1, .max_tokens = 1024, .batch = 32 }

/* base: struct od_respond_options. Device and service have tables of their own (device_opts.h, service_opts.h). */
extern const struct od_opt od_respond_opts[], od_respond_draw_opts[], od_respond_prompt_opts[];

/* Checks what the tables cannot, and splits --stop. */
OD_MUST_CHECK enum od_status od_respond_check(struct od_respond_options *o, struct od_error *err);
void od_respond_release(struct od_respond_options *o);

/* ---- what is asked ---- */

struct od_query {
	json_t *prompt;                            /* string or messages, the suffix behind it; own reference */
	uint64_t id;                               /* hash of the record's id */
	struct od_job job;                         /* its responses */
	struct od_ids ids;                         /* the prompt's tokens, where responses are made here */
	struct od_error failed;                    /* OD_EFORMAT: it got no responses, and why */
};

/* Fills *q (zeroed) with a prompt. OD_EFORMAT when it has no text to put the suffix behind, OD_ENOMEM. To be released either way. */
OD_MUST_CHECK enum od_status od_query_init(struct od_query *q, const json_t *prompt, const char *id,
	const struct od_respond_options *o, struct od_error *err);
void od_query_release(struct od_query *q);

/* ---- who answers ---- */

struct od_responder {
	/* Queues a query until its job.left is 0. OD_EFORMAT: this one cannot be answered. */
	enum od_status (*add)(struct od_responder *r, struct od_query *q, struct od_error *err);
	/* Gets on with it; OD_EOF when nothing is left to do. */
	enum od_status (*step)(struct od_responder *r, struct od_error *err);
	bool (*wants)(const struct od_responder *r);                       /* more queries would find a place */
	void (*describe)(const struct od_responder *r, struct od_buf *b);  /* members of the sample block, each after a comma */
	void (*summary)(const struct od_responder *r, struct od_buf *b);   /* for a note at the end */
	void (*close)(struct od_responder *r);
};

/* A service when there is a --model-url, else a model directory. Borrows *o. */
OD_MUST_CHECK enum od_status od_responder_open(struct od_responder **out, struct od_respond_options *o, struct od_error *err);
void od_responder_close(struct od_responder *r);   /* NULL is fine */

OD_MUST_CHECK enum od_status od_responder_local(struct od_responder **out, const struct od_respond_options *o, struct od_error *err);
OD_MUST_CHECK enum od_status od_responder_service(struct od_responder **out, struct od_respond_options *o, struct od_error *err);

/* ---- the run ---- */

struct od_respond_flow {
	/* The next query; OD_EOF when there is none. */
	enum od_status (*next)(void *ctx, struct od_query **q, struct od_error *err);
	/* A query whose responses are all there, or that has failed: in the order of next, and the caller's again. */
	enum od_status (*done)(void *ctx, struct od_query *q, struct od_error *err);
	void (*drop)(void *ctx, struct od_query *q);       /* one that was still on its way when the run failed */
	void *ctx;
	size_t window;                             /* queries on their way at a time, at most */
};

OD_MUST_CHECK enum od_status od_respond(struct od_responder *r, const struct od_respond_flow *flow, struct od_error *err);

/* ---- in records ---- */

/* Appends the value of the member "sample", which says how responses were made. */
void od_respond_block(struct od_buf *b, const struct od_respond_options *o, const struct od_responder *r);

/* Appends the value of the member "responses": [{"text","tokens","finish_reason"}...], with "ids" where they are asked for. */
void od_respond_json(struct od_buf *b, const struct od_query *q, bool ids);

#endif
