/* arena_judge.h -- fresh judgments for od-eval arena-hard: a judge behind a service sees a model's and the baseline's answers to
 * every question, twice, places exchanged.
 *
 * The template (ask.h) has {question}, {answer_a}, {answer_b}; as published, {question_1}, {answer_1}, {answer_2} are the same.
 * A text without a verdict is continued once, when --follow-up says how to ask for it, and counts with its continuation.
 */
#ifndef OD_EVAL_ARENA_JUDGE_H
#define OD_EVAL_ARENA_JUDGE_H

#include "eval/arena_games.h"
#include "eval/ask.h"

struct arena_judge_options {
	struct ask_options ask;
	const char *questions, *baseline_answers, *answers, *follow_up, *save;
	int64_t max_tokens;
};

#define ARENA_JUDGE_OPTIONS_INIT { .ask = ASK_OPTIONS_INIT, .max_tokens = 4096 }

extern const struct od_opt arena_judge_opts[];     /* base: struct arena_judge_options */

/* *out: an array of judgments as arena_games.h reads them, a new reference; also written to --save, a line each. Questions that
 * the model has no answer to are left out and counted; OD_EFORMAT for answers to other questions. */
OD_MUST_CHECK enum od_status arena_judge(json_t **out, struct arena_judge_options *o, enum od_arena_rule rule,
	struct judged_bad *bad, struct od_error *err);

#endif
