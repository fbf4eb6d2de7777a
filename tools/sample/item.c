/* item.c -- a record on its way to its responses: which member is the prompt. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sample/sample.h"

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

static enum od_status
take_record(struct sample_item *it, const struct od_record *rec, const json_t *prompt, bool renamed, struct od_error *err)
{
	it->at = *rec;
	it->at.json = NULL;
	it->at.line = od_strndup(rec->line, rec->len);
	it->renamed = renamed ? json_dumps(prompt, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	return it->at.line && (it->renamed || !renamed) ? OD_OK : od_fail_nomem(err, "a record", rec->len);
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
	else if (!json_is_string(prompt) && !json_is_array(prompt))
		st = od_json_fail_type(prompt, o->prompt_field ? o->prompt_field : "prompt", "a string or messages", err);
	else
		st = od_query_init(&it->query, prompt, rec->id, &o->respond, err);
	if (st == OD_OK)
		st = take_record(it, rec, prompt, renamed, err);
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
	od_query_release(&it->query);
	free(it->renamed);
	free((char *)(uintptr_t)it->at.line);
	free(it);
}
