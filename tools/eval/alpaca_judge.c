/* alpaca_judge.c -- see alpaca_judge.h. */
#include "eval/alpaca_judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/dataset.h"
#include "io/jsonl.h"

enum { ALTERNATIVES = 5 };

#define T struct alpaca_judge_options

const struct od_opt alpaca_judge_opts[] = {
	OD_OPT_STR(T, baseline_outputs, "baseline-outputs", "FILE", "the baseline's outputs: instruction, output"),
	OD_OPT_STR(T, outputs, "outputs", "FILE", "the model's outputs: instruction, output, generator"),
	OD_OPT_END
};

struct judging {
	struct alpaca_judge_options *o;
	struct alpaca_model *model;                /* its rows: one an instruction */
	struct od_dataset baseline, outputs;
	json_t *by_instruction;                    /* the model's records, borrowed */
	struct ask ask;
	int64_t unusable;                          /* answers without a preference */
	char first[200];                           /* the first of them */
};

/* ---- outputs ------------------------------------------------------------------------------------------------------------ */

static const char *
member(const json_t *item, const char *name)
{
	return json_string_value(json_object_get(item, name));
}

/* A record's instruction, once in a file. */
static enum od_status
need_output(const json_t *item, size_t i, json_t **seen, const char **instruction, struct od_error *err)
{
	const char *output;
	size_t n;
	enum od_status st = od_json_need_string(item, "output", &output, &n, err);

	if (st == OD_OK)
		st = od_json_need_string(item, "instruction", instruction, &n, err);
	return st == OD_OK ? judged_once(seen, *instruction, (int64_t)i, "instruction", err) : st;
}

/* A record of the model's, for an instruction that the baseline has. */
static enum od_status
index_output(struct judging *j, json_t *item, size_t i, const json_t *known, json_t **seen, struct od_error *err)
{
	const char *instruction;
	enum od_status st = need_output(item, i, seen, &instruction, err);

	if (st != OD_OK)
		return st;
	if (json_object_get(known, instruction) == NULL)
		return od_fail(err, OD_EFORMAT, "the baseline has no instruction '%.60s'", instruction);
	if (json_object_set(j->by_instruction, instruction, item) != 0)
		return od_fail_nomem(err, "outputs", i);
	return OD_OK;
}

static enum od_status
index_outputs(struct judging *j, struct judged_bad *bad, struct od_error *err)
{
	json_t *seen = NULL, *known = NULL, *item;
	const char *instruction;
	enum od_status st = OD_OK;
	size_t i;

	j->by_instruction = json_object();
	json_array_foreach(j->baseline.items, i, item) {
		st = need_output(item, i, &known, &instruction, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: item %zu: ", j->o->baseline_outputs, i);
			break;
		}
	}
	json_array_foreach(j->outputs.items, i, item) {
		if (st != OD_OK)
			break;
		st = index_output(j, item, i, known, &seen, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: item %zu: ", j->o->outputs, i);
			st = judged_reject(bad, err);
		}
	}
	json_decref(seen);
	json_decref(known);
	return st;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------- */

static enum od_status
ask_one(struct judging *j, size_t i, struct od_error *err)
{
	const json_t *base = json_array_get(j->baseline.items, i);
	const char *instruction = member(base, "instruction"), *first = member(base, "output");
	const json_t *mine = json_object_get(j->by_instruction, instruction);
	const char *second = member(mine, "output");
	struct od_alpaca_row row = { .preference = NAN, .len_1 = alpaca_code_points(first), .len_2 = NAN };
	struct od_openai_request r = { .model = j->o->ask.judge, .temperature = 1, .top_p = NAN, .max_tokens = 1, .seed = -1,
		.logprobs = ALTERNATIVES, .extra = j->o->ask.service.more };
	json_t *messages = NULL;
	bool switched = false;
	char id[32];
	enum od_status st = od_alpaca_is_switched(instruction, strlen(instruction), &switched, err);

	snprintf(id, sizeof id, "%zu", i);
	if (st == OD_OK && mine != NULL) {
		const struct judged_value values[] = { { "instruction", instruction }, { "output_1", switched ? second : first },
			{ "output_2", switched ? first : second } };

		row.len_2 = alpaca_code_points(second);
		st = ask_messages(j->ask.template, values, 3, &messages, err);
		r.messages = messages;
		if (st == OD_OK)
			st = od_openai_ask(j->ask.client, &r, i, err);
	}
	json_decref(messages);
	return st == OD_OK ? alpaca_add_row(j->model, &row, id, switched, err) : st;
}

static enum od_status
take_answers(struct judging *j, struct od_error *err)
{
	struct od_openai_answer a = OD_OPENAI_ANSWER_INIT;
	struct od_progress *progress = od_progress_begin("judging", (int64_t)od_openai_pending(j->ask.client), "outputs");
	int64_t done = 0;
	enum od_status st;

	while ((st = od_openai_next(j->ask.client, &a, err)) == OD_OK) {
		const json_t *top = NULL;

		od_progress_update(progress, ++done, NULL);
		if (a.status == OD_OK && a.choices[0].logprobs != NULL)
			top = od_json_path(a.choices[0].logprobs, "content.0.top_logprobs");
		if (top != NULL)
			j->model->row[a.tag].preference = od_alpaca_preference(alpaca_logprob_of(top, "m"), alpaca_logprob_of(top, "M"),
				j->model->switched[a.tag]);
		if (isnan(j->model->row[a.tag].preference) && j->unusable++ == 0)
			snprintf(j->first, sizeof j->first, "item %zu: %.150s", a.tag,
				a.status != OD_OK ? a.err.msg : top == NULL ? "the service gives no log-probs" : "neither m nor M among them");
	}
	od_progress_end(progress);
	od_openai_answer_release(&a);
	return st == OD_EOF ? OD_OK : st;
}

static enum od_status
check_options(const struct alpaca_judge_options *o, struct od_error *err)
{
	enum od_status st = ask_check(&o->ask, err);

	if (st == OD_OK && (o->baseline_outputs == NULL || o->outputs == NULL))
		st = od_fail(err, OD_EUSAGE, "option '--judge-url' needs '--baseline-outputs' and '--outputs'");
	return st;
}

/* The names of a file's generator, from its first record. */
static enum od_status
set_names(struct judging *j, struct od_error *err)
{
	const char *baseline = member(json_array_get(j->baseline.items, 0), "generator");

	if (baseline != NULL && (j->model->baseline = od_strdup(baseline)) == NULL)
		return od_fail_nomem(err, "a name", strlen(baseline));
	return OD_OK;
}

static void
report(const struct judging *j)
{
	size_t n = json_array_size(j->baseline.items), missing = n - json_object_size(j->by_instruction);

	ask_report(&j->ask);
	if (missing > 0)
		od_warn("the model has no output for %zu of %zu instructions", missing, n);
	if (j->unusable > 0)
		od_warn("%lld of the judge's answers give no preference, first: %s", (long long)j->unusable, j->first);
}

enum od_status
alpaca_judge(struct alpaca_models *m, struct alpaca_judge_options *o, struct judged_bad *bad, struct od_error *err)
{
	struct judging j = { .o = o };
	enum od_status st = check_options(o, err);

	if (st == OD_OK)
		st = od_dataset_read(&j.baseline, o->baseline_outputs, err);
	if (st == OD_OK)
		st = od_dataset_read(&j.outputs, o->outputs, err);
	if (st == OD_OK)
		st = index_outputs(&j, bad, err);
	if (st == OD_OK)
		st = alpaca_find_model(m, member(json_array_get(j.outputs.items, 0), "generator"), &j.model, err);
	if (st == OD_OK)
		st = set_names(&j, err);
	if (st == OD_OK)
		st = ask_open(&j.ask, &o->ask, err);
	for (size_t i = 0; st == OD_OK && i < json_array_size(j.baseline.items); i++)
		st = ask_one(&j, i, err);
	if (st == OD_OK)
		st = take_answers(&j, err);
	if (st == OD_OK)
		report(&j);
	ask_release(&j.ask);
	od_dataset_release(&j.baseline);
	od_dataset_release(&j.outputs);
	json_decref(j.by_instruction);
	return st;
}
