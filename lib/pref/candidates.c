#include "pref/candidates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pref/pair.h"

#define NAME_SIZE 256                            /* of a member of a pair; what experts add has short names */

static const char *const sides[] = { "chosen", "rejected" };

/* ---- names -------------------------------------------------------------------------------------------------------------- */

/* The name that response i's member has in the record of a pair; false when it does not fit. */
static bool
pair_name(char *out, size_t size, size_t i, const char *name)
{
	bool behind = strcmp(name, "score") == 0 || strcmp(name, "scores") == 0 || strcmp(name, "correct") == 0;
	int n = snprintf(out, size, "%s_%s", behind ? name : sides[i], behind ? sides[i] : name);

	return n > 0 && (size_t)n < size;
}

const json_t *
od_candidate_get(const json_t *record, size_t i, const char *name)
{
	const json_t *responses = json_object_get(record, "responses");
	char full[NAME_SIZE];

	if (responses)
		return json_object_get(json_array_get(responses, i), name);
	return i < 2 && pair_name(full, sizeof full, i, name) ? json_object_get(record, full) : NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

/* The name of response i's member in messages. */
static void
field_name(char *out, size_t size, const struct od_candidates *c, size_t i, const char *name)
{
	if (c->pair)
		(void)pair_name(out, size, i, name);
	else
		snprintf(out, size, "responses.%zu.%s", i, name);
}

/* What an expert or a rule has said of a response before; null is what od-score writes where it could not say. */
static enum od_status
read_verdicts(struct od_candidates *c, const json_t *record, size_t i, struct od_error *err)
{
	const json_t *score = od_candidate_get(record, i, "score"), *correct = od_candidate_get(record, i, "correct");
	struct od_candidate *r = &c->list[i];
	char name[64];

	r->score = NAN;
	r->correct = -1;
	if (score && !json_is_null(score)) {
		field_name(name, sizeof name, c, i, "score");
		if (!json_is_number(score))
			return od_json_fail_type(score, name, "a number", err);
		r->score = json_number_value(score);
		if (!isfinite(r->score))
			return od_fail(err, OD_EFORMAT, "field '%s' is not finite", name);
	}
	if (correct && !json_is_null(correct)) {
		field_name(name, sizeof name, c, i, "correct");
		if (!json_is_boolean(correct))
			return od_json_fail_type(correct, name, "true or false", err);
		r->correct = json_is_true(correct);
	}
	return OD_OK;
}

static enum od_status
add_response(struct od_candidates *c, const json_t *json, const char *text, size_t len, struct od_span span,
	struct od_error *err)
{
	if (!od_grow(&c->list, &c->cap, c->n + 1, sizeof *c->list))
		return od_fail_nomem(err, "responses", (c->n + 1) * sizeof *c->list);
	c->list[c->n++] = (struct od_candidate){ .json = json, .text = text, .len = len, .span = span };
	return OD_OK;
}

static enum od_status
read_element(struct od_candidates *c, const json_t *json, struct od_span span, struct od_error *err)
{
	const json_t *text = json_object_get(json, "text");
	char name[64];

	if (!json_is_object(json)) {
		snprintf(name, sizeof name, "responses.%zu", c->n);
		return od_json_fail_type(json, name, "an object with 'text'", err);
	}
	if (!json_is_string(text)) {
		snprintf(name, sizeof name, "responses.%zu.text", c->n);
		return od_json_fail_type(text, name, "a string", err);
	}
	return add_response(c, json, json_string_value(text), json_string_length(text), span, err);
}

static enum od_status
read_set(struct od_candidates *c, const struct od_record *rec, const json_t *responses, struct od_error *err)
{
	enum od_status st = OD_OK;
	struct od_span e;
	size_t pos = 0;

	if (!json_is_array(responses))
		return od_json_fail_type(responses, "responses", "a list of objects with 'text'", err);
	if (!od_jsonl_member(rec->line, rec->len, "responses", &c->responses))
		return od_fail(err, OD_EFORMAT, "field 'responses' is missing");
	for (size_t i = 0; st == OD_OK && i < json_array_size(responses); i++) {
		if (!od_jsonl_walk(rec->line + c->responses.at, c->responses.len, &pos, NULL, &e))
			return od_fail(err, OD_EFORMAT, "field 'responses' is missing");
		e.at += c->responses.at;
		st = read_element(c, json_array_get(responses, i), e, err);
		if (st == OD_OK)
			st = read_verdicts(c, rec->json, i, err);
	}
	return st;
}

static enum od_status
read_pair(struct od_candidates *c, const struct od_record *rec, struct od_error *err)
{
	enum od_status st = OD_OK;

	c->pair = true;
	for (size_t i = 0; st == OD_OK && i < 2; i++) {
		const json_t *v = json_object_get(rec->json, sides[i]);
		size_t len = 0;
		const char *text = od_pair_response(v, &len);

		if (!json_is_string(v) && !json_is_array(v))
			return od_json_fail_type(v, sides[i], "a string or a list of messages", err);
		if (!text)
			return od_fail(err, OD_EFORMAT, "field '%s' does not end with a message that has a content", sides[i]);
		st = add_response(c, v, text, len, (struct od_span){ 0, rec->len }, err);
		if (st == OD_OK)
			st = read_verdicts(c, rec->json, i, err);
	}
	return st;
}

/* A dialogue carries its own prompt: all but its last message. */
static enum od_status
cut_prompt(struct od_candidates *c, struct od_error *err)
{
	const json_t *chosen = c->list[0].json;

	c->dialogue = json_copy((json_t *)chosen);
	if (!c->dialogue || json_array_remove(c->dialogue, json_array_size(chosen) - 1) != 0)
		return od_fail_nomem(err, "a prompt", 0);
	c->prompt = c->dialogue;
	return OD_OK;
}

static enum od_status
read_prompt(struct od_candidates *c, const json_t *record, struct od_error *err)
{
	c->prompt = json_object_get(record, "prompt");
	if (!c->prompt && c->pair && json_is_array(c->list[0].json) && json_array_size(c->list[0].json) > 1)
		return cut_prompt(c, err);
	if (!json_is_string(c->prompt) && !json_is_array(c->prompt))
		return od_json_fail_type(c->prompt, "prompt", "a string or a list of messages", err);
	return OD_OK;
}

static enum od_status
read_answer(struct od_candidates *c, const json_t *record, const char *path, struct od_error *err)
{
	const json_t *v = od_json_path(record, path);

	c->answer = NULL;
	od_buf_clear(&c->answer_text);
	if (!v || json_is_null(v))
		return OD_OK;
	if (json_is_string(v)) {
		c->answer = json_string_value(v);
		return OD_OK;
	}
	if (!json_is_number(v))
		return od_json_fail_type(v, path, "a string or a number", err);
	if (json_is_integer(v))
		od_buf_printf(&c->answer_text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else
		od_buf_json_double(&c->answer_text, json_real_value(v));
	if (!od_buf_ok(&c->answer_text))
		return od_fail_nomem(err, "an answer", 32);
	c->answer = c->answer_text.data;
	return OD_OK;
}

enum od_status
od_candidates_read(struct od_candidates *c, const struct od_record *rec, const char *answer_path, struct od_error *err)
{
	const json_t *responses = json_object_get(rec->json, "responses");
	enum od_status st;

	c->n = 0;
	c->pair = false;
	json_decref(c->dialogue);
	c->dialogue = NULL;
	if (!responses && !json_object_get(rec->json, "chosen") && !json_object_get(rec->json, "rejected"))
		return od_fail(err, OD_EFORMAT, "field 'responses' is missing, and so are 'chosen' and 'rejected'");
	st = responses ? read_set(c, rec, responses, err) : read_pair(c, rec, err);
	if (st == OD_OK)
		st = read_prompt(c, rec->json, err);
	return st == OD_OK ? read_answer(c, rec->json, answer_path ? answer_path : "answer", err) : st;
}

void
od_candidates_release(struct od_candidates *c)
{
	free(c->list);
	json_decref(c->dialogue);
	od_buf_release(&c->answer_text);
	*c = (struct od_candidates)OD_CANDIDATES_INIT;
}

const char *
od_prompt_question(const json_t *prompt, size_t *len)
{
	const json_t *content = prompt;

	if (json_is_array(prompt)) {
		content = NULL;
		for (size_t i = json_array_size(prompt); !content && i-- > 0;) {
			const json_t *m = json_array_get(prompt, i), *role = json_object_get(m, "role");

			if (json_is_string(role) && strcmp(json_string_value(role), "user") == 0)
				content = json_object_get(m, "content");
		}
	}
	if (!json_is_string(content))
		return NULL;
	*len = json_string_length(content);
	return json_string_value(content);
}

const char *
od_candidates_question(const struct od_candidates *c, size_t *len)
{
	return od_prompt_question(c->prompt, len);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

/* The array with its elements' members put in; white space and commas between them stay. */
static void
splice_responses(struct od_buf *out, const struct od_candidates *c, const char *line, const struct od_candidate_members *each)
{
	size_t copied = c->responses.at;

	for (size_t i = 0; i < c->n; i++) {
		struct od_span s = c->list[i].span;

		if (!each[i].n)
			continue;
		od_buf_append(out, line + copied, s.at - copied);
		od_jsonl_splice(out, line + s.at, s.len, each[i].m, each[i].n);
		copied = s.at + s.len;
	}
	od_buf_append(out, line + copied, c->responses.at + c->responses.len - copied);
}

/* The two sides' members under their names in the record; names is memory for these. */
static size_t
name_sides(struct od_member *m, char (*names)[NAME_SIZE], const struct od_candidate_members *each, bool *fits)
{
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < each[i].n; k++, n++) {
			m[n] = each[i].m[k];
			*fits = pair_name(names[n], NAME_SIZE, i, m[n].name) && *fits;
			m[n].name = names[n];
		}
	}
	return n;
}

void
od_candidates_splice(struct od_buf *out, const struct od_candidates *c, const struct od_record *rec,
	const struct od_candidate_members *each, const struct od_member *top, size_t n_top)
{
	size_t n = 1, n_sides = c->pair ? each[0].n + each[1].n : 0;
	struct od_member *m = od_calloc(n_sides + n_top + 1, sizeof *m);
	char (*names)[NAME_SIZE] = od_calloc(n_sides, sizeof *names);
	struct od_buf list = OD_BUF_INIT;
	bool fits = true;

	if (m && names) {
		if (c->pair) {
			n = name_sides(m, names, each, &fits);
		} else {
			splice_responses(&list, c, rec->line, each);
			m[0] = (struct od_member){ "responses", list.data, list.len };
		}
		if (n_top)
			memcpy(m + n, top, n_top * sizeof *m);
		od_jsonl_splice(out, rec->line, rec->len, m, n + n_top);
	}
	if (!m || !names || !fits || !od_buf_ok(&list))
		out->failed = true;
	od_buf_release(&list);
	free(names);
	free(m);
}

void
od_candidates_splice_into(struct od_buf *out, const struct od_candidates *c, const struct od_record *rec, size_t i,
	const char *name, const struct od_member *m)
{
	struct od_span s = c->list[i].span;
	char full[NAME_SIZE];

	if (c->pair && !pair_name(full, sizeof full, i, name))
		out->failed = true;
	else
		od_jsonl_splice_into(out, rec->line + s.at, s.len, c->pair ? full : name, m, 1);
}
