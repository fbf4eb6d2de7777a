/* answers.c -- see answers.h: manifests and counts. What makes answers is in answers_make.c. */
#include "eval/answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/manifest.h"
#include "eval/answers_make.h"
#include "io/jsonl.h"

enum { MAX_DATA = 1 << 30, SHORT_HASH = 16 };

const char *const answers_preset_names[] = { "official", "paper", NULL };

#define T struct answers_options

const struct od_opt answers_opts[] = {
	OD_OPT_STR(T, outputs, "outputs", "FILE", "the answers, made before; the same as naming the file alone"),
	OD_OPT_STR(T, answers, "answers", "FILE", "keep the answers that are made here; what is there already is not asked again"),
	OD_OPT_ENUM(T, preset, "as", "PRESET", answers_preset_names, "settings of the benchmark's publisher, or of the paper"),
	OD_OPT_STR(T, name, "name", "LABEL", "the model's name in reports (default: of the directory, service or file)"),
	OD_OPT_STR(T, key_env, "model-key-env", "NAME", "variable with the key of --model-url, where a judge's service has another"),
	OD_OPT_END
};

const struct od_opt answers_choice_opts[] = {
	{ "limit", 'n', OD_KIND_INT, offsetof(struct od_record_options, limit), "N", "ask N questions at most", NULL, 0, 1e15 },
	OD_OPT_INT(struct od_record_options, seed, "seed", "N", 0, 1e15, "seed of what is drawn"),
	OD_OPT_END
};

/* ---- opening ------------------------------------------------------------------------------------------------------------ */

static enum od_status
hash_data(struct answers *a, struct od_error *err)
{
	char *data = NULL;
	size_t n;
	enum od_status st;

	if (a->plan.data == NULL)
		return OD_OK;
	st = od_in_slurp(a->plan.data, MAX_DATA, &data, &n, err);
	if (st == OD_OK)
		st = od_sha256_hex(data, n, a->data, err);
	a->data[SHORT_HASH] = '\0';
	free(data);
	return st;
}

bool
answers_asks(const struct answers_options *o)
{
	return o->respond.model != NULL || o->respond.url != NULL;
}

bool
answers_selected(const struct od_record_options *o, int64_t position, const char *key, int64_t chosen)
{
	return (o->limit < 0 || chosen < o->limit) && od_record_selected(o, position, key, strlen(key));
}

enum od_status
answers_questions(json_t **out, const json_t *items, const struct od_record_options *choice,
	bool (*question_of)(const json_t *item, json_t **question), const char *key, struct od_error *err)
{
	const json_t *item;
	size_t i, chosen = 0;
	bool bad;

	*out = json_array();
	bad = *out == NULL;
	json_array_foreach(items, i, item) {
		json_t *question = NULL;

		bad = bad || !question_of(item, &question);
		if (bad)
			break;
		if (!answers_selected(choice, (int64_t)i, json_string_value(json_object_get(question, key)), (int64_t)chosen)) {
			json_decref(question);
			continue;
		}
		chosen++;
		bad = json_array_append_new(*out, question) != 0;
	}
	return bad ? od_fail_nomem(err, "questions", json_array_size(items)) : OD_OK;
}

static enum od_status
check_options(const struct answers_options *o, const struct answers_plan *plan, struct od_error *err)
{
	bool asks = answers_asks(o);

	if (asks && o->outputs != NULL)
		return od_fail(err, OD_EUSAGE, "give the answers by '--outputs', or a model that makes them, not both");
	if (asks && plan->questions == NULL)
		return od_fail(err, OD_EUSAGE, "what is asked for is judged already: '--model' has nothing to answer");
	if (!asks && o->answers != NULL)
		return od_fail(err, OD_EUSAGE, "option '--answers' keeps what a model answers: give '--model'; '--outputs' reads answers");
	return OD_OK;
}

enum od_status
answers_open(struct answers *a, struct answers_options *o, const struct answers_plan *plan, struct od_error *err)
{
	enum od_status st = check_options(o, plan, err);

	a->o = o;
	a->plan = *plan;
	a->file = o->outputs;
	if (st == OD_OK)
		st = hash_data(a, err);
	if (st == OD_OK && answers_asks(o))
		st = answers_make(a, err);
	return st;
}

enum od_status
answers_operands(const struct answers_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	if (n_files > 0 && answers_asks(o))
		return od_fail(err, OD_EUSAGE, "'%s': a model is to answer, no answers are read", files[0]);
	if (n_files > 0 && o->outputs != NULL)
		return od_fail(err, OD_EUSAGE, "give the outputs by '--outputs' or as operands, not both");
	return OD_OK;
}

/* The items that the selection keeps, as questions; the others are no part of this run. */
static enum od_status
roster_questions(json_t **out, const struct answers_stream *s, struct od_error *err)
{
	int64_t chosen = 0;
	bool bad;

	*out = json_array();
	bad = *out == NULL;
	for (size_t i = 0; !bad && i < s->roster->n; i++) {
		struct od_roster_item *item = &s->roster->item[i];

		item->left_out = !answers_selected(s->records, (int64_t)i, item->id, chosen);
		chosen += !item->left_out;
		if (!item->left_out)
			bad = json_array_append_new(*out, s->question(s->ctx, i)) != 0;
	}
	return bad ? od_fail_nomem(err, "questions", s->roster->n) : OD_OK;
}

enum od_status
answers_stream(struct od_jsonl **in, struct answers *a, struct answers_options *o, struct answers_plan *plan,
	const struct answers_stream *s, struct od_error *err)
{
	const struct od_record_options all = OD_RECORD_OPTIONS_INIT;
	bool asks = answers_asks(o);
	enum od_status st = asks ? roster_questions(&plan->questions, s, err) : OD_OK;

	if (st == OD_OK)
		st = answers_open(a, o, plan, err);
	json_decref(plan->questions);
	plan->questions = a->plan.questions = NULL;
	if (st != OD_OK)
		return st;
	return od_jsonl_open(in, a->file != NULL ? &a->file : s->files, a->file != NULL ? 1 : s->n_files, asks ? &all : s->records, err);
}

void
answers_release(struct answers *a)
{
	if (a->fd >= 0)
		close(a->fd);
	json_decref(a->run);
	json_decref(a->sample);
	if (a->o != NULL)
		od_respond_release(&a->o->respond);
	*a = (struct answers)ANSWERS_INIT;
}

/* ---- the manifest ------------------------------------------------------------------------------------------------------- */

static void
put(json_t *run, const char *name, const char *text)
{
	if (text != NULL && *text != '\0')
		json_object_set_new(run, name, json_string(text));
}

/* The model's name for people: the last part of its directory's name, the name of the file without its end. */
static void
put_name(json_t *run, const struct answers *a)
{
	const struct answers_options *o = a->o;
	const char *path = a->asked ? o->respond.model : o->outputs;
	struct od_buf name = OD_BUF_INIT;
	size_t n = path != NULL ? strlen(path) : 0;
	const char *base, *dot;

	while (n > 1 && path[n - 1] == '/')
		n--;
	od_buf_append(&name, path != NULL ? path : "", n);
	base = od_buf_ok(&name) && strrchr(name.data, '/') != NULL && !o->respond.url ? strrchr(name.data, '/') + 1 : name.data;
	dot = base != NULL && !a->asked ? strchr(base + (*base != '\0'), '.') : NULL;
	if (dot != NULL)
		name.data[dot - name.data] = '\0';
	put(run, "name", o->name != NULL ? o->name : base);
	od_buf_release(&name);
}

static void
note_change(struct od_buf *text, const char *name, bool changed)
{
	if (changed)
		od_buf_printf(text, "%s%s", strchr(text->data, ':') != NULL ? " " : ", changed: ", name);
}

static bool
differs(const json_t *sample, const char *name, double want)
{
	const json_t *v = json_object_get(sample, name);

	return !json_is_number(v) || json_number_value(v) != want;
}

static bool
other_text(const char *got, const char *want)
{
	return want != NULL && (got == NULL || strcmp(got, want) != 0);
}

/* "official", or "official, changed: max_tokens". */
static void
put_preset(json_t *run, const struct answers *a, const json_t *sample)
{
	const struct answers_preset *p = &a->plan.preset[a->o->preset];
	struct od_buf text = OD_BUF_INIT;

	od_buf_str(&text, answers_preset_names[a->o->preset]);
	if (!od_buf_ok(&text))
		return;
	note_change(&text, "format", other_text(json_string_value(json_object_get(sample, "format")), od_prompt_formats[p->format]));
	for (const char *const *m = (const char *const[]){ "system", "suffix", "stop", NULL }; *m != NULL; m++)
		note_change(&text, *m, json_object_get(sample, *m) != NULL);
	note_change(&text, "temperature", differs(sample, "temperature", p->temperature));
	note_change(&text, "top_p", differs(sample, "top_p", p->top_p));
	note_change(&text, "top_k", differs(sample, "top_k", 0));
	note_change(&text, "repetition_penalty", differs(sample, "repetition_penalty", 1));
	note_change(&text, "max_tokens", differs(sample, "max_tokens", (double)p->max_tokens));
	note_change(&text, "grader", other_text(a->plan.grader, p->grader));
	note_change(&text, "judge", other_text(a->plan.judge, p->judge));
	if (od_buf_ok(&text))
		put(run, "preset", text.data);
	od_buf_release(&text);
}

/* record: an answer, NULL when none is known. */
static json_t *
manifest(const struct answers *a, const json_t *record)
{
	const json_t *sample = json_object_get(record, "sample");
	size_t samples = json_array_size(json_object_get(record, "responses"));
	json_t *run = json_object();

	if (run == NULL)
		return NULL;
	put(run, "benchmark", a->plan.benchmark);
	put(run, "dataset", a->plan.dataset);
	put(run, "data", a->data);
	put_name(run, a);
	if (sample != NULL) {
		if (a->plan.preset != NULL)
			put_preset(run, a, sample);
		json_object_update_missing(run, (json_t *)(uintptr_t)sample);
	}
	if (samples > 0)
		json_object_set_new(run, "samples", json_integer((json_int_t)samples));
	put(run, "grader", a->plan.grader);
	put(run, "judge", a->plan.judge);
	json_object_update(run, (json_t *)(uintptr_t)a->plan.more);
	put(run, "version", OD_VERSION);
	return run;
}

enum od_status
answers_manifest(struct answers *a, struct od_error *err)
{
	if (a->run == NULL)
		a->run = manifest(a, NULL);
	return a->run != NULL ? OD_OK : od_fail_nomem(err, "a manifest", 64);
}

/* ---- taking answers ----------------------------------------------------------------------------------------------------- */

/* A record that has its text elsewhere is one answer of which nothing is known. */
static void
count(struct answers *a, const json_t *record)
{
	struct od_said said;
	size_t n;

	if (od_output_count(record, &n, NULL) != OD_OK || od_output_said(record, 0, &said, NULL) != OD_OK) {
		a->said.n++;
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (od_output_said(record, i, &said, NULL) == OD_OK)
			od_said_add(&a->said, &said);
}

enum od_status
answers_take(struct answers *a, const json_t *record, struct od_error *err)
{
	const json_t *sample = json_object_get(record, "sample");
	const char *differ;

	if (sample != NULL && !json_is_object(sample))
		return od_json_fail_type(sample, "sample", "an object", err);
	if (a->run == NULL) {
		a->run = manifest(a, record);
		a->sample = sample != NULL ? json_incref((json_t *)(uintptr_t)sample) : NULL;
		if (a->run == NULL)
			return od_fail_nomem(err, "a manifest", 64);
	}
	differ = od_manifest_differ(a->sample, sample, true);
	if (differ != NULL)
		return od_fail(err, OD_EMISMATCH, "the answer was not made as those before it: '%s' of its 'sample' differs", differ);
	count(a, record);
	return OD_OK;
}

/* ---- items -------------------------------------------------------------------------------------------------------------- */

static void
put_text(struct od_buf *out, const char *name, const char *text, size_t n)
{
	if (text == NULL)
		return;
	od_buf_printf(out, ",\"%s\":", name);
	od_buf_json_string(out, text, n);
}

void
answers_item(const json_t *record, struct od_buf *out)
{
	const json_t *prompt = json_object_get(record, "prompt");
	struct od_said said;

	put_text(out, "prompt", json_string_value(prompt), json_string_length(prompt));
	if (od_output_said(record, 0, &said, NULL) != OD_OK)
		return;
	put_text(out, "response", said.text, said.len);
	if (isfinite(said.tokens)) {
		od_buf_str(out, ",\"tokens\":");
		od_buf_json_double(out, said.tokens);
	}
	put_text(out, "finish_reason", said.finish, said.finish ? strlen(said.finish) : 0);
}
