/* arena_judge.h -- fresh judgments for od-eval arena-hard: a judge behind a service sees a model's and the baseline's answers to
 * every question, twice, places exchanged.
 *
 * The template (ask.h), or that of a configuration (arena_config.h), has {question}, {answer_a}, {answer_b}; as published,
 * {question_1}, {answer_1}, {answer_2} and {QUESTION}, {ANSWER_A}, {ANSWER_B} are the same. A text without a verdict is continued,
 * once or as often as the configuration says, when --follow-up or the configuration wants it, and counts with its continuations.
 */
#ifndef OD_EVAL_ARENA_JUDGE_H
#define OD_EVAL_ARENA_JUDGE_H

#include "eval/answers.h"
#include "eval/arena_games.h"
#include "eval/ask.h"

struct arena_judge_options {
	struct ask_options ask;
	struct answers_options answers;
	struct od_record_options choice;
	const char *config, *questions, *baseline_answers, *follow_up, *save;
	int64_t threads;
};

#define ARENA_JUDGE_OPTIONS_INIT { .ask = ASK_OPTIONS_INIT, .answers = ANSWERS_OPTIONS_INIT, .choice = OD_RECORD_OPTIONS_INIT }

extern const struct od_opt arena_judge_opts[];     /* base: struct arena_judge_options */

/* OD_EUSAGE for options that do not go together. */
OD_MUST_CHECK enum od_status arena_judge_check(const struct arena_judge_options *o, struct od_error *err);

/* The model's answers are made first where one is given. *out: an array of judgments as arena_games.h reads them, a new
 * reference; also written to --save-judgments, a line each. *rule is the configuration's unless the user gave one. Questions that the model has no answer to are left out and counted; OD_EFORMAT for
 * answers to other questions. */
OD_MUST_CHECK enum od_status arena_judge(json_t **out, struct arena_judge_options *o, struct answers *said, enum od_arena_rule *rule,
	bool rule_given, struct judged_bad *bad, struct od_error *err);

#endif
