/* options.c -- see sample.h. */
#include "sample/sample.h"

#define T struct sample_options

const struct od_opt sample_opts[] = {
	{ "samples", 'k', OD_KIND_INT, offsetof(T, respond.samples), "K", "responses a prompt", NULL, 1, 4096 },
	OD_OPT_STR(T, prompt_field, "prompt-field", "PATH", "member with the prompt (default: prompt, question, problem, Question or input)"),
	OD_OPT_FLAG(T, respond.ids, "ids", "also write the token ids of each response"),
	OD_OPT_FLAG(T, replace, "replace", "replace the responses of records that have some"),
	OD_OPT_FLAG(T, respond.ignore_end, "ignore-end", "go on behind the model's end tokens, to --max-tokens: for timing"),
	OD_OPT_INT(T, window, "window", "N", 1, 1 << 20, "records read ahead; output keeps their order"),
	OD_OPT_END
};
