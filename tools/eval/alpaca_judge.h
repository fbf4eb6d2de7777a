/* alpaca_judge.h -- fresh preferences for od-eval alpaca-eval: a judge behind a service sees both outputs of an instruction, in
 * the order that the instruction draws, and answers with one token; its log-probs are the preference.
 * The template (ask.h), or that of a configuration (alpaca_config.h), has {instruction}, {output_1} and {output_2}, the output shown
 * first and the one shown second.
 */
#ifndef OD_EVAL_ALPACA_JUDGE_H
#define OD_EVAL_ALPACA_JUDGE_H

#include "eval/alpaca_rows.h"
#include "eval/answers.h"
#include "eval/ask.h"

struct alpaca_judge_options {
	struct ask_options ask;
	struct answers_options answers;
	struct od_record_options choice;
	const char *config, *baseline_outputs, *save;
	int64_t threads;
};

#define ALPACA_JUDGE_OPTIONS_INIT { .ask = ASK_OPTIONS_INIT, .answers = ANSWERS_OPTIONS_INIT, .choice = OD_RECORD_OPTIONS_INIT }

extern const struct od_opt alpaca_judge_opts[];    /* base: struct alpaca_judge_options */

/* OD_EUSAGE for options that do not go together. */
OD_MUST_CHECK enum od_status alpaca_judge_check(const struct alpaca_judge_options *o, struct od_error *err);

/* Asks about every instruction of both files (instruction; output or what bench/outputs.h takes; generator; a JSON array or
 * JSONL), the model's made first where one is given; the order is the baseline's. One the model has no output for, and one the judge
 * gives no usable answer about, has no preference. OD_EFORMAT for an output to an instruction that the baseline does not have, OD_ESERVICE when the service fails. What the judge has said goes to
 * --save-annotations in the form that alpaca_read_annotations reads; the annotator is the configuration's name, else the judge. */
OD_MUST_CHECK enum od_status alpaca_judge(struct alpaca_models *m, struct alpaca_judge_options *o, struct answers *said,
	struct judged_bad *bad, struct od_error *err);

#endif
