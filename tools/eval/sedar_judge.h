/* sedar_judge.h -- fresh judgments for od-eval sedareval: a judge behind a service is asked about every item, --votes times, and
 * again while its text states no score, --attempts times in all.
 */
#ifndef OD_EVAL_SEDAR_JUDGE_H
#define OD_EVAL_SEDAR_JUDGE_H

#include "eval/ask.h"
#include "eval/sedar_prompts.h"

struct sedar_judge_options {
	struct ask_options ask;
	const char *save;
	int64_t votes;
};

#define SEDAR_JUDGE_OPTIONS_INIT { .ask = ASK_OPTIONS_INIT, .votes = 1 }

extern const struct od_opt sedar_judge_opts[];     /* base: struct sedar_judge_options */

/* OD_EUSAGE for options that do not go together. */
OD_MUST_CHECK enum od_status sedar_judge_check(const struct sedar_judge_options *o, struct od_error *err);

/* *out: an array of {"id","judge","responses":[{"text","finish_reason"}...]}, a new reference; also written to --save-judgments, a
 * line each. p->system NULL: the published system message. Items to which the service gave no text are left out, and warned of. */
OD_MUST_CHECK enum od_status sedar_judge(json_t **out, const struct sedar_items *items, struct sedar_judge_options *o,
	const struct sedar_prompts_options *p, struct judged_bad *bad, struct od_error *err);

#endif
