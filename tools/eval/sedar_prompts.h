/* sedar_prompts.h -- what SedarEval's judge is asked about each item: the template, or the record's own auto_prompt.prompt, with
 * {response} and fields of the record filled in.
 */
#ifndef OD_EVAL_SEDAR_PROMPTS_H
#define OD_EVAL_SEDAR_PROMPTS_H

#include "eval/answers.h"
#include "eval/sedar_items.h"

struct sedar_prompts_options {
	const char *outputs, *template;            /* files; NULL: the data's answers, the records' own prompts */
	const char *system;                        /* NULL or "": no system message */
	struct answers *said;                      /* counts the outputs */
};

/* What becomes of an item's messages (borrowed). */
typedef enum od_status sedar_prompt_fn(void *ctx, const struct sedar_item *item, json_t *messages, struct od_error *err);

/* Calls take for every item that has an answer and what the template needs; warns of the others. OD_EFORMAT when there is none. */
OD_MUST_CHECK enum od_status sedar_prompts(const struct sedar_items *items, const struct sedar_prompts_options *o, sedar_prompt_fn *take,
	void *ctx, struct judged_bad *bad, struct od_error *err);

#endif
