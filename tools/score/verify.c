/* verify.c -- od-score verify: answers to math problems, right or wrong by rules. */
#include "score/verify.h"

#include "score/score.h"

struct verify_options {
	const char *dataset;
	int grader;
};

#define T struct verify_options

static const struct od_opt verify_opts[] = {
	OD_OPT_ENUM(T, grader, "grader", "NAME", od_math_grader_names, "Qwen2.5-Math's grader, or the Uni-DPO authors' variant of it"),
	OD_OPT_STR(T, dataset, "dataset", "NAME", "benchmark the problems are from (default: math)"),
	OD_OPT_END
};

static const struct od_tool tool = {
	"od-score", "judge answers to math problems by rules", "verify [OPTION...] [FILE...]",
	"Compares the answer in each response with the record's 'answer'; adds 'extracted' and 'correct'\n"
	"to it and scores it 1 or 0.\n"
	"Datasets: math, math500, minerva_math, gsm8k, olympiadbench, aime24, amc23, gaokao2023en,\n"
	"college_math."
};

static enum od_status
open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common, struct od_error *err)
{
	const struct verify_options *o = options;

	(void)common;
	return od_verify_open(out, (enum od_math_grader)o->grader, o->dataset, err);
}

int
od_score_verify(int argc, char **argv)
{
	struct verify_options o = { 0 };
	const struct od_opt_group groups[] = { { "Verification", verify_opts, &o, NULL } };

	return score_responses_main(&(struct score_expert){ &tool, groups, 1, open_expert, &o, NULL }, argc, argv);
}
