#include "pref/pair.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const od_drop_names[OD_N_DROPS] = {
	"kept", "identical", "empty", "too long", "inverted", "small gap"
};

/* A number, or NaN when the member is not there. null is no number: a score that is null has been lost somewhere. */
static enum od_status
read_number(const json_t *obj, const char *path, double *out, struct od_error *err)
{
	const json_t *v = od_json_path(obj, path);

	*out = NAN;
	if (!v)
		return OD_OK;
	if (!json_is_number(v))
		return od_json_fail_type(v, path, "a number", err);
	*out = json_number_value(v);
	return isfinite(*out) ? OD_OK : od_fail(err, OD_EFORMAT, "field '%s' is not finite", path);
}

/* A string or a list of messages, or NULL when the member is not there. */
static enum od_status
read_text(const json_t *obj, const char *path, const json_t **out, struct od_error *err)
{
	*out = od_json_path(obj, path);
	if (*out && !json_is_string(*out) && !json_is_array(*out))
		return od_json_fail_type(*out, path, "a string or a list of messages", err);
	return OD_OK;
}

static enum od_status
read_array(const json_t *obj, const char *path, const char *of, const json_t **out, struct od_error *err)
{
	*out = od_json_path(obj, path);
	if (*out && !json_is_array(*out))
		return od_json_fail_type(*out, path, of, err);
	return OD_OK;
}

static enum od_status
read_ref_text(const json_t *ref, const char *name, char *out, size_t size, struct od_error *err)
{
	const json_t *v = json_object_get(ref, name);

	out[0] = '\0';
	if (!v)
		return OD_OK;
	if (!json_is_string(v))
		return od_fail(err, OD_EFORMAT, "field 'ref.%s' must be a string, not %s", name, od_json_type_name(v));
	if (json_string_length(v) >= size)
		return od_fail(err, OD_EFORMAT, "field 'ref.%s' is longer than %zu bytes", name, size - 1);
	snprintf(out, size, "%s", json_string_value(v));
	return OD_OK;
}

static enum od_status
read_ref_info(struct od_pair *p, const json_t *obj, struct od_error *err)
{
	const json_t *ref = json_object_get(obj, "ref");
	struct od_ref_info *i = &p->ref;
	enum od_status st;

	p->has_ref_info = ref != NULL;
	*i = (struct od_ref_info){ .model = "" };
	if (!ref)
		return OD_OK;
	if (!json_is_object(ref))
		return od_json_fail_type(ref, "ref", "an object", err);
	st = read_ref_text(ref, "model", i->model, sizeof(i->model), err);
	if (st == OD_OK)
		st = read_ref_text(ref, "tokenizer", i->tokenizer, sizeof(i->tokenizer), err);
	if (st == OD_OK)
		st = read_ref_text(ref, "rules", i->rules, sizeof(i->rules), err);
	if (st == OD_OK)
		st = read_ref_text(ref, "numerics", i->numerics, sizeof(i->numerics), err);
	return st;
}

static enum od_status
read_texts(struct od_pair *p, const json_t *obj, const struct od_field_map *m, struct od_error *err)
{
	enum od_status st;

	st = read_text(obj, m->prompt, &p->prompt, err);
	if (st == OD_OK)
		st = read_text(obj, m->chosen, &p->chosen, err);
	if (st == OD_OK)
		st = read_text(obj, m->rejected, &p->rejected, err);
	if (st == OD_OK)
		st = read_array(obj, "messages", "a list of messages", &p->messages, err);
	if (st == OD_OK)
		st = read_array(obj, "prompt_ids", "a list of integers", &p->prompt_ids, err);
	if (st == OD_OK)
		st = read_array(obj, "chosen_ids", "a list of integers", &p->chosen_ids, err);
	if (st == OD_OK)
		st = read_array(obj, "rejected_ids", "a list of integers", &p->rejected_ids, err);
	return st;
}

static enum od_status
read_numbers(struct od_pair *p, const json_t *obj, const char *weight, struct od_error *err)
{
	const struct { const char *name; double *to; } fields[] = {
		{ "score_chosen", &p->score_chosen }, { "score_rejected", &p->score_rejected },
		{ "ref_chosen_logps", &p->ref_chosen_logps }, { "ref_rejected_logps", &p->ref_rejected_logps },
		{ "policy_chosen_logps", &p->policy_chosen_logps }, { "policy_rejected_logps", &p->policy_rejected_logps },
		{ "chosen_tokens", &p->chosen_tokens }, { "rejected_tokens", &p->rejected_tokens },
		{ weight, &p->weight }
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		enum od_status st = read_number(obj, fields[i].name, fields[i].to, err);

		if (st != OD_OK)
			return st;
	}
	if (p->chosen_tokens <= 0 || p->rejected_tokens <= 0)
		return od_fail(err, OD_EFORMAT, "field '%s' must be positive",
			p->chosen_tokens <= 0 ? "chosen_tokens" : "rejected_tokens");
	if (isnan(p->weight))
		p->weight = 1;
	if (p->weight < 0)
		return od_fail(err, OD_EFORMAT, "field '%s' must not be negative", weight);
	return OD_OK;
}

enum od_status
od_pair_read(struct od_pair *p, const struct od_record *rec, const struct od_field_map *map, struct od_error *err)
{
	struct od_field_map m = map ? *map : (struct od_field_map){ .prompt = NULL };
	enum od_status st;

	m.prompt = m.prompt ? m.prompt : "prompt";
	m.chosen = m.chosen ? m.chosen : "chosen";
	m.rejected = m.rejected ? m.rejected : "rejected";
	p->id = rec->id;
	p->index = rec->index;
	p->lineno = rec->lineno;
	st = read_texts(p, rec->json, &m, err);
	if (st == OD_OK)
		st = read_numbers(p, rec->json, m.weight ? m.weight : "weight", err);
	/* A weight asked for by name must be there; the default name need not. */
	if (st == OD_OK && m.weight && !od_json_path(rec->json, m.weight))
		st = od_fail(err, OD_EFORMAT, "field '%s' is missing", m.weight);
	if (st == OD_OK)
		st = read_ref_info(p, rec->json, err);
	return st;
}

static enum od_status
fail_missing(const char *name, struct od_error *err)
{
	return od_fail(err, OD_EFORMAT, "field '%s' is missing", name);
}

enum od_status
od_pair_need_text(const struct od_pair *p, bool rejected_too, struct od_error *err)
{
	if (p->messages && !rejected_too)
		return OD_OK;
	if (p->prompt_ids || p->chosen_ids || p->rejected_ids) {
		if (!p->prompt_ids)
			return fail_missing("prompt_ids", err);
		if (!p->chosen_ids)
			return fail_missing("chosen_ids", err);
		return rejected_too && !p->rejected_ids ? fail_missing("rejected_ids", err) : OD_OK;
	}
	if (!p->chosen)
		return fail_missing("chosen", err);
	if (rejected_too && !p->rejected)
		return fail_missing("rejected", err);
	/* A dialogue carries its own prompt. */
	if (!p->prompt && !json_is_array(p->chosen))
		return fail_missing("prompt", err);
	return OD_OK;
}

enum od_status
od_pair_need_scores(const struct od_pair *p, struct od_error *err)
{
	if (isnan(p->score_chosen))
		return fail_missing("score_chosen", err);
	return isnan(p->score_rejected) ? fail_missing("score_rejected", err) : OD_OK;
}

enum od_status
od_pair_need_reference(const struct od_pair *p, struct od_error *err)
{
	if (isnan(p->ref_chosen_logps))
		return fail_missing("ref_chosen_logps", err);
	return isnan(p->ref_rejected_logps) ? fail_missing("ref_rejected_logps", err) : OD_OK;
}

const char *
od_pair_response(const json_t *response, size_t *len)
{
	if (json_is_array(response) && json_array_size(response) > 0)
		response = json_object_get(json_array_get(response, json_array_size(response) - 1), "content");
	if (!json_is_string(response))
		return NULL;
	*len = json_string_length(response);
	return json_string_value(response);
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
trim(const char **s, size_t *n)
{
	while (*n && is_blank(**s)) {
		(*s)++;
		(*n)--;
	}
	while (*n && is_blank((*s)[*n - 1]))
		(*n)--;
}

enum od_drop
od_pair_compare_texts(const char *chosen, size_t n_chosen, const char *rejected, size_t n_rejected)
{
	trim(&chosen, &n_chosen);
	if (!n_chosen)
		return OD_DROP_EMPTY;
	if (!rejected)
		return OD_KEEP;
	trim(&rejected, &n_rejected);
	if (!n_rejected)
		return OD_DROP_EMPTY;
	return n_chosen == n_rejected && memcmp(chosen, rejected, n_chosen) == 0 ? OD_DROP_IDENTICAL : OD_KEEP;
}

enum od_drop
od_pair_compare(const json_t *chosen, const json_t *rejected)
{
	size_t n_w = 0, n_l = 0;
	const char *w = od_pair_response(chosen, &n_w), *l = od_pair_response(rejected, &n_l);

	return !w || (rejected && !l) ? OD_KEEP : od_pair_compare_texts(w, n_w, l, n_l);
}
