/* arena_config.h -- Arena-Hard's own configuration of a judge, a YAML file:
 *   judge_model, temperature, max_tokens
 *   system_prompt, prompt_template              a text, or a list of one
 *   regex_pattern, or regex_patterns            which must be one of the two rules' (bench/arena.h)
 *   number_of_judgment_attempts                 how often a judge without a verdict is asked, the first time included
 * Other members are not looked at, but for reference and pairwise, which must not ask for another way of judging.
 */
#ifndef OD_EVAL_ARENA_CONFIG_H
#define OD_EVAL_ARENA_CONFIG_H

#include "bench/arena.h"
#include "eval/ask.h"

struct arena_config {
	bool has_rule;
	enum od_arena_rule rule;
	int64_t attempts;                          /* 0: the file does not say */
};

/* Sets what the judge is and is asked in a, the rest in c. OD_EFORMAT names the member. */
OD_MUST_CHECK enum od_status arena_read_config(struct arena_config *c, struct ask *a, const char *file, struct od_error *err);

#endif
