/* item.c -- a record on its way to its responses: which member is the prompt. */
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

/* The prompt with the suffix behind its text, or behind its last message's; a new reference. NULL: no memory, or no text to put
 * it behind. */
static json_t *
with_suffix(const json_t *prompt, const char *suffix)
{
	json_t *copy = json_deep_copy(prompt), *last = json_is_array(copy) ? json_array_get(copy, json_array_size(copy) - 1) : NULL;
	const char *text = json_string_value(last ? json_object_get(last, "content") : copy);
	json_t *longer = text ? json_sprintf("%s%s", text, suffix) : NULL;

	if (!longer || !last) {
		json_decref(copy);
		return longer;
	}
	json_object_set_new(last, "content", longer);
	return copy;
}

static enum od_status
take_prompt(struct sample_item *it, const json_t *prompt, const struct sample_options *o, struct od_error *err)
{
	const char *suffix = o->suffix ? o->suffix : o->format == FORMAT_MATH_SUFFIX ? MATH_SUFFIX : NULL;

	if (!json_is_string(prompt) && !json_is_array(prompt))
		return od_json_fail_type(prompt, o->prompt_field ? o->prompt_field : "prompt", "a string or messages", err);
	it->prompt = suffix ? with_suffix(prompt, suffix) : json_incref((json_t *)(uintptr_t)prompt);
	return it->prompt ? OD_OK : od_fail(err, OD_EFORMAT, "the prompt has no text to put the suffix behind");
}

static enum od_status
take_record(struct sample_item *it, const struct od_record *rec, const json_t *prompt, bool renamed, const struct sample_options *o,
	struct od_error *err)
{
	it->at = *rec;
	it->at.json = NULL;
	it->at.line = od_strndup(rec->line, rec->len);
	it->id = od_hash64(rec->id, strlen(rec->id), 0);
	it->renamed = renamed ? json_dumps(prompt, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	it->job.samples = it->job.left = (int32_t)o->samples;
	it->job.response = od_calloc((size_t)o->samples, sizeof *it->job.response);
	return it->at.line && it->job.response && (it->renamed || !renamed) ? OD_OK : od_fail_nomem(err, "a record", rec->len);
}

enum od_status
sample_item_read(struct sample_item **out, const struct od_record *rec, const struct sample_options *o, struct od_error *err)
{
	struct sample_item *it = od_calloc(1, sizeof *it);
	const json_t *prompt;
	bool renamed;
	enum od_status st;

	*out = NULL;
	if (!it)
		return od_fail_nomem(err, "a record", sizeof *it);
	prompt = find_prompt(rec->json, o->prompt_field, &renamed);
	if (!prompt && o->prompt_field)
		st = od_fail(err, OD_EFORMAT, "field '%s' is missing", o->prompt_field);
	else if (!prompt)
		st = od_fail(err, OD_EFORMAT, "field 'prompt' is missing (so are question, problem, Question and input): --prompt-field names it");
	else if (!o->replace && json_object_get(rec->json, "responses"))
		st = od_fail(err, OD_EFORMAT, "the record already has responses: --replace makes others");
	else
		st = take_prompt(it, prompt, o, err);
	if (st == OD_OK)
		st = take_record(it, rec, prompt, renamed, o, err);
	if (st == OD_OK)
		*out = it;
	else
		sample_item_free(it);
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
	od_ids_release(&it->ids);
	json_decref(it->prompt);
	free(it->renamed);
	free((char *)(uintptr_t)it->at.line);
	free(it);
}
