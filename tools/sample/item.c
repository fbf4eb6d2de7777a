/* item.c -- a record becomes a job: which member is the prompt, and its tokens. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "sample/sample.h"

#define MATH_SUFFIX " Let's think step by step and output the final answer within \\boxed{}"

/* Where data sets keep their prompts. */
static const char *const prompt_names[] = { "prompt", "question", "problem", "Question", "input" };

static const json_t *
find_prompt(const json_t *rec, const char *field, bool *renamed)
{
	const json_t *v = field ? od_json_path(rec, field) : NULL;

	*renamed = field && strcmp(field, "prompt") != 0;
	for (size_t i = 0; !field && !v && i < sizeof prompt_names / sizeof *prompt_names; i++) {
		v = json_object_get(rec, prompt_names[i]);
		*renamed = i > 0;
	}
	return v;
}

/* The prompt with the suffix behind its text, or behind its last message; a new reference. NULL: no memory, or no text to put it
 * behind. */
static json_t *
with_suffix(const json_t *prompt, const char *suffix)
{
	json_t *copy = json_deep_copy(prompt), *last = json_is_array(copy) ? json_array_get(copy, json_array_size(copy) - 1) : NULL;
	const char *text = json_string_value(last ? json_object_get(last, "content") : copy);
	json_t *longer = text ? json_sprintf("%s%s", text, suffix) : NULL;

	if (!longer) {
		json_decref(copy);
		return NULL;
	}
	if (!last) {
		json_decref(copy);
		return longer;
	}
	json_object_set_new(last, "content", longer);
	return copy;
}

static enum od_status
tokenise(struct sample_item *it, const json_t *prompt, const struct sample_options *o, const struct od_session *s, struct od_error *err)
{
	const char *suffix = o->suffix ? o->suffix : o->format == FORMAT_MATH_SUFFIX ? MATH_SUFFIX : NULL;
	json_t *longer = suffix ? with_suffix(prompt, suffix) : NULL;
	enum od_status st;

	if (suffix && !longer)
		return od_fail(err, OD_EFORMAT, "the prompt has no text to put the suffix behind");
	st = od_rules_prompt(&s->rules, longer ? longer : prompt, o->system, o->format == FORMAT_RAW, &it->prompt, err);
	json_decref(longer);
	if (st == OD_OK && it->prompt.n > INT32_MAX / 4)
		st = od_fail(err, OD_EFORMAT, "the prompt has %zu tokens", it->prompt.n);
	return st;
}

static enum od_status
fill_job(struct sample_item *it, const struct od_record *rec, const struct sample_options *o, struct od_error *err)
{
	uint64_t id = od_hash64(rec->id, strlen(rec->id), 0);

	it->line = od_strndup(rec->line, rec->len);
	it->len = rec->len;
	it->job = (struct od_job){ .prompt = it->prompt.id, .n_prompt = (int32_t)it->prompt.n, .samples = (int32_t)o->samples,
		.key = od_hash64(it->prompt.id, it->prompt.n * sizeof *it->prompt.id, id),
		.response = od_calloc((size_t)o->samples, sizeof *it->job.response) };
	return it->line && it->job.response ? OD_OK : od_fail_nomem(err, "a record", rec->len);
}

enum od_status
sample_item_read(struct sample_item **out, const struct od_record *rec, const struct sample_options *o, const struct od_session *s,
	struct od_error *err)
{
	struct sample_item *it = od_calloc(1, sizeof *it);
	const json_t *prompt;
	bool renamed;
	enum od_status st;

	if (!it)
		return od_fail_nomem(err, "a record", sizeof *it);
	prompt = find_prompt(rec->json, o->prompt_field, &renamed);
	if (!prompt && o->prompt_field)
		st = od_fail(err, OD_EFORMAT, "field '%s' is missing", o->prompt_field);
	else if (!prompt)
		st = od_fail(err, OD_EFORMAT, "there is no field 'prompt' (nor question, problem, Question, input): --prompt-field names it");
	else if (!o->replace && json_object_get(rec->json, "responses"))
		st = od_fail(err, OD_EFORMAT, "the record already has responses: --replace makes others");
	else
		st = tokenise(it, prompt, o, s, err);
	if (st == OD_OK)
		st = fill_job(it, rec, o, err);
	if (st == OD_OK && renamed && !(it->prompt_json = json_dumps(prompt, JSON_COMPACT | JSON_ENCODE_ANY)))
		st = od_fail_nomem(err, "a prompt", rec->len);
	if (st != OD_OK) {
		sample_item_free(it);
		it = NULL;
	}
	*out = it;
	return st;
}

void
sample_item_free(struct sample_item *it)
{
	if (!it)
		return;
	for (int32_t i = 0; it->job.response && i < it->job.samples; i++)
		od_response_release(&it->job.response[i]);
	free(it->job.response);
	od_ids_release(&it->prompt);
	free(it->prompt_json);
	free(it->line);
	free(it);
}
