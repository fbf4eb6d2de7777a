/* ask.h -- a judge behind a service: its options, and prompts made of a template.
 *
 * A template is a text with placeholders {NAME}. Between marks "<|im_start|>ROLE\n" and "<|im_end|>" it is a chat; without marks
 * it is one user message.
 */
#ifndef OD_EVAL_ASK_H
#define OD_EVAL_ASK_H

#include "common/service_opts.h"
#include "eval/judged.h"

struct ask_options {
	const char *url, *judge, *template;
	struct od_service_options service;
};

#define ASK_OPTIONS_INIT { .service = OD_SERVICE_OPTIONS_INIT }

extern const struct od_opt ask_opts[];             /* base: struct ask_options */
/* OD_EUSAGE when url is given without judge or template. */
OD_MUST_CHECK enum od_status ask_check(const struct ask_options *o, struct od_error *err);

struct ask {
	struct ask_options *o;
	char *template;
	struct od_openai *client;
};

/* Reads the template, opens the service. To be released whatever happens. */
OD_MUST_CHECK enum od_status ask_open(struct ask *a, struct ask_options *o, struct od_error *err);
void ask_release(struct ask *a);

/* The template's messages, filled; *out is a new reference. */
OD_MUST_CHECK enum od_status ask_messages(const char *template, const struct judged_value *values, size_t n, json_t **out,
	struct od_error *err);

/* A note that sums requests up. */
void ask_report(const struct ask *a);

#endif
