/* judge.c -- od-score judge: a language model is asked what a response is worth. */
#include <math.h>

#include "common/service_opts.h"
#include "score/judge.h"
#include "score/score.h"

struct judge_options {
	const char *url, *model, *rubric, *pattern;
	double temperature;
	int64_t max_tokens, seed;
	struct od_service_options service;
};

#define T struct judge_options

static const struct od_opt judge_opts[] = {
	OD_OPT_STR(T, url, "url", "URL", "base address of the service, as http://localhost:8080/v1 (required)"),
	OD_OPT_STR(T, model, "model", "NAME", "the judge, as the service calls it (required)"),
	OD_OPT_STR(T, rubric, "rubric", "FILE", "what the judge is asked and how its answer is read (required)"),
	OD_OPT_STR(T, pattern, "pattern", "REGEX", "where the score is in an answer: one group; in place of the rubric's"),
	OD_OPT_DOUBLE(T, temperature, "temperature", "T", -1, 10, "sampling temperature; -1: the rubric's"),
	OD_OPT_INT(T, max_tokens, "max-tokens", "N", -1, 1000000000, "longest answer; -1: the rubric's; 0: not sent"),
	OD_OPT_INT(T, seed, "judge-seed", "N", -1, 9007199254740992, "seed sent to the service; -1: none is"),
	OD_OPT_END
};

static enum od_status
open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common, struct od_error *err)
{
	struct judge_options *o = options;
	struct od_judge_options j = { .model = o->model, .temperature = o->temperature < 0 ? NAN : o->temperature,
		.max_tokens = o->max_tokens, .seed = o->seed, .price_in = o->service.price_in, .price_out = o->service.price_out };
	const char *missing = !o->url ? "url" : !o->model ? "model" : !o->rubric ? "rubric" : NULL;
	enum od_status st;

	if (missing)
		return od_fail(err, OD_EUSAGE, "option '--%s' is required", missing);
	st = od_service_finish(&o->service, o->url, common->records.seed, &j.service, err);
	if (st == OD_OK)
		st = od_rubric_open(&j.rubric, o->rubric, o->pattern, true, err);
	if (st != OD_OK)
		return st;
	j.extra = o->service.more;
	j.window = (size_t)(o->service.parallel * 16);
	return od_judge_open(out, &j, err);
}

int
od_score_judge(int argc, char **argv)
{
	struct judge_options o = { .temperature = -1, .max_tokens = -1, .seed = -1, .service = OD_SERVICE_OPTIONS_INIT };
	struct od_opt_group groups[] = {
		{ "Judge", judge_opts, &o, NULL },
		{ "Service", od_service_opts, &o.service, NULL }
	};
	static const struct od_tool tool = {
		"od-score", "a language model is asked what a response is worth",
		"judge [OPTION...] --url URL --model NAME --rubric FILE [FILE...]",
		"Rubrics to begin with are in examples/judge. The key is never an option's value, and never shown.\n"
	};
	int code = score_responses_main(&(struct score_expert){ &tool, groups, 2, open_expert, &o, NULL }, argc, argv);

	od_service_release(&o.service);
	return code;
}
