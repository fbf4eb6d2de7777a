/* openai.h -- language models behind an OpenAI-compatible service: POST BASE/chat/completions and BASE/completions.
 *
 * A client is a queue. od_openai_ask puts a request in, od_openai_next takes the answers out in the order of asking; as many
 * requests as http.h's `parallel` are in flight meanwhile. Nothing runs outside od_openai_next.
 *
 *   struct od_openai_request r = { .model = "m", .messages = messages, .temperature = 0, .top_p = NAN };
 *   for each: st = od_openai_ask(o, &r, i, err);
 *   while ((st = od_openai_next(o, &a, err)) == OD_OK)
 *           use a.tag, a.choices[0].text;
 *   od_openai_answer_release(&a);
 *
 * Nothing is asked twice: equal requests that wait at the same time are sent once, and with a cache (cache.h) an answer is
 * written there as soon as it is in, so that a run that was killed goes on where it was. The cache's key is the SHA-256 of
 * the address without credentials and query, a newline, and the request's JSON: model, messages, all settings, the seed.
 *
 * `usable` may refuse an answer (of no use: cut off, not in the form asked for). It is then asked for again, without the
 * cache and with the seed, if one was given, one higher, up to `attempts` times in all; only answers that are of use are kept.
 *
 * Failures are of two kinds. What concerns one request (too long for the model's context, refused by a filter of contents, no
 * answer of use) is that answer's status, OD_EFORMAT. All others end the run: od_openai_next returns OD_ESERVICE.
 */
#ifndef OD_IO_OPENAI_H
#define OD_IO_OPENAI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "io/http.h"

struct od_openai;

/* All borrowed for the call of od_openai_ask. What has no value is not sent, and the service's default holds. */
struct od_openai_request {
	const char *model;
	const json_t *messages;                    /* [{"role":...,"content":...}...]: a chat */
	const char *prompt;                        /* a plain text to continue; used when messages is NULL */
	double temperature, top_p;                 /* NaN: not sent */
	int64_t max_tokens;                        /* 0: not sent */
	int64_t seed;                              /* < 0: not sent */
	int64_t n;                                 /* choices; 0: not sent, which is one */
	int64_t logprobs;                          /* how many alternatives a token; 0: none asked for */
	const char *const *stop;                   /* [n_stop] */
	size_t n_stop;
	const json_t *extra;                       /* an object of further members ("top_k", "response_format"), or NULL; of
	                                            * equal settings above these are sent */
};

struct od_openai_choice {
	const char *text;                          /* NULL when the service's content is null */
	size_t len;
	const char *finish;                        /* "stop", "length", ...; "" when the service does not say */
	const json_t *logprobs;                    /* as the service wrote it, or NULL */
	const json_t *json;                        /* the whole choice, as the service wrote it */
};

struct od_openai_answer {
	size_t tag;
	enum od_status status;                     /* OD_OK, OD_EFORMAT */
	struct od_error err;
	struct od_openai_choice *choices;          /* [n_choices], by index; at least one when status is OD_OK */
	size_t n_choices, cap;
	int64_t prompt_tokens, completion_tokens;  /* 0 when the service does not say */
	bool cached;
	json_t *json;                              /* the whole answer; what the texts borrow from */
};

#define OD_OPENAI_ANSWER_INIT { .err = OD_ERROR_INIT }

struct od_openai_options {
	struct od_http_options http;               /* url is the base, "https://host/v1"; path and check are set here */
	const char *cache;                         /* directory, or NULL */
	bool plain;                                /* BASE/completions, for requests with a prompt */
	int64_t attempts;                          /* at least 1 */
	enum od_status (*usable)(void *ctx, const struct od_openai_answer *a, struct od_error *err);   /* NULL: all are */
	void *ctx;
};

#define OD_OPENAI_OPTIONS_INIT { .http = OD_HTTP_OPTIONS_INIT, .attempts = 3 }

struct od_openai_stats {
	int64_t requests;                          /* different ones that were answered by the service */
	int64_t cached, shared;                    /* answered by the cache, by another request's answer */
	int64_t again;                             /* asked again because the answer was of no use */
	int64_t useless;                           /* given up */
	int64_t sent, retried;                     /* as struct od_http_stats */
	int64_t prompt_tokens, completion_tokens;  /* of what the service answered, answers of no use included */
};

OD_MUST_CHECK enum od_status od_openai_open(struct od_openai **out, const struct od_openai_options *opt, struct od_error *err);

/* Queues a request under a tag of the caller's. */
OD_MUST_CHECK enum od_status od_openai_ask(struct od_openai *o, const struct od_openai_request *r, size_t tag,
	struct od_error *err);

/* The answer to the oldest request; waits for it. OD_EOF when none is left. The answer lives until the next call with it. */
OD_MUST_CHECK enum od_status od_openai_next(struct od_openai *o, struct od_openai_answer *a, struct od_error *err);

size_t od_openai_pending(const struct od_openai *o);       /* asked and not taken yet */
const char *od_openai_url(const struct od_openai *o);      /* for messages */
struct od_openai_stats od_openai_stats(const struct od_openai *o);

/* One line for a summary, appended: "12 requests (1 retried), 3 from the cache, ...; 1234 + 567 tokens, 0.0123". Prices are for
 * a million tokens; the cost is left out when both are 0. */
void od_openai_summary(const struct od_openai *o, double price_in, double price_out, struct od_buf *out);

void od_openai_answer_release(struct od_openai_answer *a);
void od_openai_close(struct od_openai *o);                 /* NULL is fine */

#endif
