/* ask.h -- a judge behind a service: its options, what it is asked, and what it has said kept in a file.
 *
 * A template is a text with placeholders {NAME}. Between marks "<|im_start|>ROLE\n" and "<|im_end|>" it is a chat; without marks
 * it is one user message.
 *
 * Settings come from three places, each winning over those before it: the benchmark, a configuration file of its publishers
 * (--judge-config, where the benchmark has such files), the user's options.
 *
 *   ask_begin(&a, &o->ask, &defaults);
 *   st = read_config(&a, ...);                        of the benchmark; ask_set_*
 *   st = ask_read_template(&a, o->ask.template, err);  where the user gave one
 *   st = ask_open(&a, usable, ctx, err);
 *   st = ask_keep(&a, file, err);
 *   st = ask_messages(&a, values, n, &messages, err);
 *   r = ask_request(&a, messages); od_openai_ask(a.client, &r, tag, err); ...
 *   ask_report(&a);
 *   st = ask_save(&a, records, form, err);
 *   ask_release(&a);
 */
#ifndef OD_EVAL_ASK_H
#define OD_EVAL_ASK_H

#include <math.h>

#include "common/service_opts.h"
#include "eval/judged.h"
#include "io/atomic.h"

struct ask_options {
	const char *url, *judge, *template;
	double temperature, top_p;                 /* NaN: not given */
	int64_t max_tokens;                        /* 0: not given */
	struct od_service_options service;
};

#define ASK_OPTIONS_INIT { .temperature = NAN, .top_p = NAN, .service = OD_SERVICE_OPTIONS_INIT }

extern const struct od_opt ask_opts[];             /* base: struct ask_options */

/* Checks what can be checked before anything is read: OD_EUSAGE when url is given without a judge and there is no configuration
 * (NULL) that may name one; when there is a configuration but no url. */
OD_MUST_CHECK enum od_status ask_check(const struct ask_options *o, const char *config, struct od_error *err);

struct ask_settings {
	double temperature, top_p;                 /* NaN: not sent */
	int64_t max_tokens, logprobs;              /* 0: not sent, none */
};

struct ask {
	struct ask_options *o;
	struct ask_settings set;
	char *judge;                               /* the model, as the service calls it */
	char *name;                                /* what the judge with all its settings is called, or NULL */
	json_t *template;                          /* [{"role","content"}...] with placeholders; NULL: the caller has its own */
	struct od_atomic_file file;                /* where what was said is kept; not begun: nowhere */
	struct od_openai *client;
};

/* Begins with a benchmark's settings. To be released whatever happens. */
void ask_begin(struct ask *a, struct ask_options *o, const struct ask_settings *defaults);
void ask_release(struct ask *a);

/* What a configuration says. The template may be a text as above, or the texts of two messages (system NULL: none). */
OD_MUST_CHECK enum od_status ask_set_judge(struct ask *a, const char *judge, const char *name, struct od_error *err);
OD_MUST_CHECK enum od_status ask_set_template(struct ask *a, const char *text, const char *where, struct od_error *err);
OD_MUST_CHECK enum od_status ask_set_messages(struct ask *a, const char *system, const char *user, struct od_error *err);
OD_MUST_CHECK enum od_status ask_read_template(struct ask *a, const char *file, struct od_error *err);

/* Members of a configuration file, checked: left as they are when missing or null, OD_EFORMAT when of the wrong type or out of
 * range. where: the file, for messages. */
OD_MUST_CHECK enum od_status ask_config_number(const json_t *config, const char *path, double low, double high, double *out,
	const char *where, struct od_error *err);
OD_MUST_CHECK enum od_status ask_config_count(const json_t *config, const char *path, int64_t low, int64_t *out, const char *where,
	struct od_error *err);
OD_MUST_CHECK enum od_status ask_config_text(const json_t *config, const char *path, bool needed, const char **out,
	const char *where, struct od_error *err);

/* Takes the judge and the settings that the user gave, opens the service. OD_EUSAGE when there is no judge. usable: as
 * od_openai_options has it, or NULL. */
OD_MUST_CHECK enum od_status ask_open(struct ask *a, enum od_status (*usable)(void *ctx, const struct od_openai_answer *answer,
	struct od_error *err), void *ctx, struct od_error *err);

/* The template's messages, filled; *out is a new reference. */
OD_MUST_CHECK enum od_status ask_messages(const struct ask *a, const struct judged_value *values, size_t n, json_t **out,
	struct od_error *err);

/* A request with the settings, without seed; borrows. */
struct od_openai_request ask_request(const struct ask *a, const json_t *messages);

/* A note that sums requests up. */
void ask_report(const struct ask *a);

/* What the judge says is to be kept in this file (NULL: nowhere): found out to be possible before anything is asked. */
OD_MUST_CHECK enum od_status ask_keep(struct ask *a, const char *file, struct od_error *err);

/* Keeps an array of records, at once and whole: a line each, or as one JSON array. */
enum ask_form { ASK_LINES, ASK_ARRAY };
OD_MUST_CHECK enum od_status ask_save(struct ask *a, const json_t *records, enum ask_form form, struct od_error *err);

#endif
