/* combine.c -- od-score combine: one score of several that experts have left under names. */
#include "score/combine.h"

#include "score/score.h"

struct combine_options {
	const char *weights;
	int how;
};

#define T struct combine_options

static const struct od_opt combine_opts[] = {
	OD_OPT_STR(T, weights, "weights", "NAME=W,...", "the named scores that count, and how much (required)"),
	OD_OPT_ENUM(T, how, "how", "HOW", od_combine_names, "what becomes of them; rank and zscore compare a record's candidates"),
	OD_OPT_END
};

static const struct od_tool tool = {
	"od-score", "make one score of several named ones", "combine [OPTION...] --weights NAME=W,... [FILE...]",
	"Reads what `od-score EXPERT --name NAME` has put under 'scores' and writes 'score'."
};

static enum od_status
open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common, struct od_error *err)
{
	struct combine_options *o = options;

	(void)common;
	if (!o->weights)
		return od_fail(err, OD_EUSAGE, "--weights NAME=W,... is required");
	return od_combine_open(out, o->weights, (enum od_combine_how)o->how, err);
}

int
od_score_combine(int argc, char **argv)
{
	struct combine_options o = { 0 };
	const struct od_opt_group groups[] = { { "Combining", combine_opts, &o, NULL } };

	return score_responses_main(&(struct score_expert){ &tool, groups, 1, open_expert, &o, NULL }, argc, argv);
}
