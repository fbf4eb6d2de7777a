/* alpaca_judge.c -- see alpaca_judge.h. */
#include "eval/alpaca_judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/outputs.h"
#include "eval/alpaca_config.h"
#include "io/dataset.h"
#include "io/jsonl.h"

#define T struct alpaca_judge_options

const struct od_opt alpaca_judge_opts[] = {
	OD_OPT_STR(T, config, "judge-config", "FILE", "the benchmark's configuration of an annotator (YAML); other options win"),
	OD_OPT_STR(T, baseline_outputs, "baseline-outputs", "FILE", "the baseline's outputs: instruction, output"),
	OD_OPT_STR(T, save, "save-annotations", "FILE", "keep the annotations, for --annotations"),
	OD_OPT_END
};

static const struct ask_settings defaults = { .temperature = 1, .top_p = NAN, .max_tokens = 1, .logprobs = 5 };

/* The publisher's configurations of models that run locally, and what the paper's figures were made with; the judge is the
 * leaderboard's. */
static const struct answers_preset presets[ANSWERS_PRESETS] = {
	{ .format = OD_FORMAT_CHAT, .temperature = 0.7, .top_p = 1, .max_tokens = 2048, .judge = "gpt-4-1106-preview" },
	{ .format = OD_FORMAT_CHAT, .temperature = 0, .top_p = 1, .max_tokens = 4096, .judge = "gpt-4-1106-preview" },
};

struct judging {
	struct alpaca_judge_options *o;
	struct answers *said;
	json_t *questions;                         /* NULL: no model is asked */
	struct alpaca_model *model;                /* its rows: one an instruction */
	struct od_dataset baseline, outputs;
	json_t *by_instruction;                    /* the model's records, borrowed */
	json_t *annotations;                       /* as published, one an instruction */
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

/* A record's output, in whichever form. */
static const char *
output_of(const json_t *item)
{
	struct od_said said;

	return od_output_said(item, 0, &said, NULL) == OD_OK ? said.text : NULL;
}

/* A record's instruction, once in a file. */
static enum od_status
need_output(const json_t *item, size_t i, json_t **seen, const char **instruction, struct od_error *err)
{
	struct od_said said;
	size_t n;
	enum od_status st = od_output_said(item, 0, &said, err);

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
	return answers_take(j->said, item, err);
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
			od_error_prefix(err, "%s: item %zu: ", j->said->file, i);
			st = judged_reject(bad, err);
		}
	}
	json_decref(seen);
	json_decref(known);
	return st;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------- */

static const char *
judge_name(const struct ask *a)
{
	return a->name != NULL ? a->name : a->judge;
}

/* The model is called what its outputs say, else what its manifest does. */
static const char *
model_name(const struct judging *j)
{
	const char *name = member(json_array_get(j->outputs.items, 0), "generator");

	return name != NULL ? name : json_string_value(json_object_get(j->said->run, "name"));
}

/* The annotation of an instruction, without what the judge is going to say. */
static enum od_status
add_annotation(struct judging *j, const json_t *base, const json_t *mine, struct od_error *err)
{
	json_t *a = json_pack("{s:O, s:s, s:O*, s:O*, s:s?, s:s*, s:s, s:n, s:n}", "instruction", json_object_get(base, "instruction"),
		"output_1", output_of(base), "generator_1", json_object_get(base, "generator"), "dataset", json_object_get(base, "dataset"),
		"output_2", mine != NULL ? output_of(mine) : NULL, "generator_2", model_name(j), "annotator", judge_name(&j->ask), "preference",
		"raw_completion");

	return a != NULL && json_array_append_new(j->annotations, a) == 0 ? OD_OK : od_fail_nomem(err, "annotations", 1);
}

static enum od_status
ask_one(struct judging *j, size_t i, struct od_error *err)
{
	const json_t *base = json_array_get(j->baseline.items, i);
	const char *instruction = member(base, "instruction"), *first = output_of(base);
	const json_t *mine = json_object_get(j->by_instruction, instruction);
	const char *second = mine != NULL ? output_of(mine) : NULL;
	struct od_alpaca_row row = { .preference = NAN, .len_1 = alpaca_code_points(first), .len_2 = NAN };
	json_t *messages = NULL;
	bool switched = false;
	char id[32];
	enum od_status st = od_alpaca_is_switched(instruction, strlen(instruction), &switched, err);

	snprintf(id, sizeof id, "%zu", i);
	if (st == OD_OK && mine != NULL) {
		const struct judged_value values[] = { { "instruction", instruction }, { "output_1", switched ? second : first },
			{ "output_2", switched ? first : second } };

		row.len_2 = alpaca_code_points(second);
		st = ask_messages(&j->ask, values, 3, &messages, err);
		if (st == OD_OK) {
			const struct od_openai_request r = ask_request(&j->ask, messages);

			st = od_openai_ask(j->ask.client, &r, i, err);
		}
	}
	json_decref(messages);
	if (st == OD_OK)
		st = add_annotation(j, base, mine, err);
	return st == OD_OK ? alpaca_add_row(j->model, &row, id, switched, err) : st;
}

/* The judge's answer as published annotations have it: the choice, its text and the tokens of all. */
static enum od_status
keep_answer(json_t *annotation, const struct od_openai_answer *a, double preference, struct od_error *err)
{
	json_t *raw = json_copy((json_t *)a->choices[0].json);

	if (raw == NULL || json_object_set_new(raw, "text", a->choices[0].text ? json_string(a->choices[0].text) : json_null()) != 0 ||
		json_object_set_new(raw, "total_tokens", json_integer((json_int_t)(a->prompt_tokens + a->completion_tokens))) != 0 ||
		json_object_set_new(annotation, "raw_completion", raw) != 0)
		return od_fail_nomem(err, "an annotation", 1);
	if (isnan(preference))
		return OD_OK;
	return json_object_set_new(annotation, "preference", json_real(preference)) == 0 ? OD_OK : od_fail_nomem(err, "an annotation", 1);
}

static enum od_status
take_answer(struct judging *j, const struct od_openai_answer *a, struct od_error *err)
{
	struct od_alpaca_row *row = &j->model->row[a->tag];
	const json_t *top = NULL;

	if (a->status == OD_OK && a->choices[0].logprobs != NULL)
		top = od_json_path(a->choices[0].logprobs, "content.0.top_logprobs");
	if (top != NULL)
		row->preference = od_alpaca_preference(alpaca_logprob_of(top, "m"), alpaca_logprob_of(top, "M"), j->model->switched[a->tag]);
	if (isnan(row->preference) && j->unusable++ == 0)
		snprintf(j->first, sizeof j->first, "item %zu: %.150s", a->tag,
			a->status != OD_OK ? a->err.msg : top == NULL ? "the service gives no log-probs" : "neither m nor M among them");
	return a->status == OD_OK ? keep_answer(json_array_get(j->annotations, a->tag), a, row->preference, err) : OD_OK;
}

static enum od_status
take_answers(struct judging *j, struct od_error *err)
{
	struct od_openai_answer a = OD_OPENAI_ANSWER_INIT;
	struct od_progress *progress = od_progress_begin("judging", (int64_t)od_openai_pending(j->ask.client), "outputs");
	int64_t done = 0;
	enum od_status st;

	while ((st = od_openai_next(j->ask.client, &a, err)) == OD_OK && (st = take_answer(j, &a, err)) == OD_OK)
		od_progress_update(progress, ++done, NULL);
	od_progress_end(progress);
	od_openai_answer_release(&a);
	return st == OD_EOF ? OD_OK : st;
}

enum od_status
alpaca_judge_check(const struct alpaca_judge_options *o, struct od_error *err)
{
	enum od_status st = ask_check(&o->ask, o->config, err);

	if (st != OD_OK)
		return st;
	if (o->ask.url == NULL)
		return o->save != NULL ? od_fail(err, OD_EUSAGE, "option '--save-annotations' needs '--judge-url'") : OD_OK;
	if (o->ask.template == NULL && o->config == NULL)
		return od_fail(err, OD_EUSAGE, "option '--judge-url' needs '--template' or '--judge-config'");
	if (o->baseline_outputs == NULL || (o->answers.outputs == NULL && !answers_asks(&o->answers)))
		return od_fail(err, OD_EUSAGE, "option '--judge-url' needs '--baseline-outputs', and '--outputs' or '--model'");
	return OD_OK;
}

/* The names of the baseline, from its first record, and of the judge. */
static enum od_status
set_names(struct judging *j, struct od_error *err)
{
	const char *baseline = member(json_array_get(j->baseline.items, 0), "generator");

	if (baseline != NULL && (j->model->baseline = od_strdup(baseline)) == NULL)
		return od_fail_nomem(err, "a name", strlen(baseline));
	j->model->judge = od_strdup(judge_name(&j->ask));
	return j->model->judge != NULL ? OD_OK : od_fail_nomem(err, "a name", 1);
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

static enum od_status
open_judge(struct judging *j, struct od_error *err)
{
	enum od_status st = OD_OK;

	ask_begin(&j->ask, &j->o->ask, &defaults);
	if (j->o->config != NULL)
		st = alpaca_read_config(&j->ask, j->o->config, err);
	if (st == OD_OK && j->o->ask.template != NULL)
		st = ask_read_template(&j->ask, j->o->ask.template, err);
	if (st == OD_OK)
		st = ask_open(&j->ask, NULL, NULL, err);
	return st == OD_OK ? ask_keep(&j->ask, j->o->save, err) : st;
}

static bool
question_of(const json_t *item, json_t **question)
{
	*question = json_pack("{s:O}", "instruction", json_object_get(item, "instruction"));
	return *question != NULL;
}

/* The model's outputs, made now if one is given. */
static enum od_status
read_outputs(struct judging *j, struct od_error *err)
{
	struct alpaca_judge_options *o = j->o;
	struct answers_plan plan = { .benchmark = "alpaca-eval", .data = o->baseline_outputs, .preset = presets, .key = "instruction",
		.prompt = "instruction", .judge = j->ask.judge, .service = &o->ask.service, .threads = o->threads, .seed = o->choice.seed };
	enum od_status st = OD_OK;

	if (answers_asks(&o->answers))
		st = answers_questions(&j->questions, j->baseline.items, &o->choice, question_of, "instruction", err);
	plan.questions = j->questions;
	if (st == OD_OK)
		st = answers_open(j->said, &o->answers, &plan, err);
	return st == OD_OK ? od_dataset_read(&j->outputs, j->said->file, err) : st;
}

enum od_status
alpaca_judge(struct alpaca_models *m, struct alpaca_judge_options *o, struct answers *said, struct judged_bad *bad,
	struct od_error *err)
{
	struct judging j = { .o = o, .said = said, .annotations = json_array() };
	enum od_status st = open_judge(&j, err);

	if (st == OD_OK)
		st = od_dataset_read(&j.baseline, o->baseline_outputs, err);
	if (st == OD_OK)
		st = read_outputs(&j, err);
	if (st == OD_OK)
		st = index_outputs(&j, bad, err);
	if (st == OD_OK)
		st = alpaca_find_model(m, model_name(&j), &j.model, err);
	if (st == OD_OK)
		st = set_names(&j, err);
	for (size_t i = 0; st == OD_OK && i < json_array_size(j.baseline.items); i++)
		st = ask_one(&j, i, err);
	if (st == OD_OK)
		st = take_answers(&j, err);
	if (st == OD_OK)
		report(&j);
	if (st == OD_OK)
		st = ask_save(&j.ask, j.annotations, ASK_ARRAY, err);
	ask_release(&j.ask);
	od_dataset_release(&j.baseline);
	od_dataset_release(&j.outputs);
	json_decref(j.by_instruction);
	json_decref(j.annotations);
	json_decref(j.questions);
	return st;
}
