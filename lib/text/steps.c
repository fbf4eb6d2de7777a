/* steps.c -- normalizer and pre_tokenizer objects of tokenizer.json as lists of steps. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/json_member.h"
#include "text/pretok.h"

#define MAX_DEPTH 16

#define PUNCTUATION "[\\p{P}$+<=>^`|~]"

void
od_steps_release(struct od_steps *s)
{
	for (size_t i = 0; i < s->n; i++) {
		od_pattern_free(s->step[i].pattern);
		free(s->step[i].text);
	}
	free(s->step);
	*s = (struct od_steps)OD_STEPS_INIT;
}

static enum od_status
add_step(struct od_steps *s, enum od_step_kind kind, struct od_step **out, struct od_error *err)
{
	if (s->n >= OD_MAX_STEPS)
		return od_fail(err, OD_EFORMAT, "more than %d steps", OD_MAX_STEPS);
	if (!od_grow(&s->step, &s->cap, s->n + 1, sizeof(*s->step)))
		return od_fail_nomem(err, "tokenizer steps", sizeof(*s->step));
	*out = &s->step[s->n++];
	**out = (struct od_step){ .kind = kind, .behavior = OD_ISOLATED };
	return OD_OK;
}

static enum od_status
set_text(struct od_step *s, const char *text, size_t n, struct od_error *err)
{
	s->text = od_strndup(text, n);
	s->len = n;
	return s->text ? OD_OK : od_fail_nomem(err, "tokenizer steps", n);
}

/* {"String": s} or {"Regex": s} */
static enum od_status
read_pattern(struct od_step *s, const json_t *json, struct od_error *err)
{
	const json_t *p = json_object_get(json, "pattern"), *literal, *regex;
	enum od_status st;

	literal = json_is_string(p) ? p : json_object_get(p, "String");
	regex = json_object_get(p, "Regex");
	s->literal = json_is_string(literal);
	p = s->literal ? literal : regex;
	if (!json_is_string(p))
		return od_fail(err, OD_EFORMAT, "field 'pattern' must have a string 'String' or 'Regex'");
	st = s->text ? OD_OK : set_text(s, json_string_value(p), json_string_length(p), err);
	if (st != OD_OK)
		return st;
	return od_pattern_compile(&s->pattern, json_string_value(p), json_string_length(p), s->literal, err);
}

/* ---- normalisers -------------------------------------------------------------------------------------- */

static enum od_status
add_replace(struct od_steps *s, const json_t *json, struct od_error *err)
{
	struct od_step *step;
	const char *content;
	size_t n;
	enum od_status st = od_member_string(json, "content", &content, &n, err);

	if (st == OD_OK)
		st = add_step(s, OD_STEP_REPLACE, &step, err);
	if (st == OD_OK)
		st = set_text(step, content, n, err);
	return st == OD_OK ? read_pattern(step, json, err) : st;
}

static enum od_status
add_prepend(struct od_steps *s, const json_t *json, struct od_error *err)
{
	struct od_step *step;
	const char *text;
	size_t n;
	enum od_status st = od_member_string(json, "prepend", &text, &n, err);

	if (st == OD_OK)
		st = add_step(s, OD_STEP_PREPEND, &step, err);
	return st == OD_OK ? set_text(step, text, n, err) : st;
}

static enum od_status
add_strip(struct od_steps *s, const json_t *json, struct od_error *err)
{
	struct od_step *step;
	enum od_status st = add_step(s, OD_STEP_STRIP, &step, err);

	if (st == OD_OK)
		st = od_member_bool(json, "strip_left", true, &step->left, err);
	return st == OD_OK ? od_member_bool(json, "strip_right", true, &step->right, err) : st;
}

static enum od_status
add_normalizer(struct od_steps *s, const json_t *json, int depth, struct od_error *err)
{
	static const char *const forms[] = { "NFC", "NFD", "NFKC", "NFKD" };
	const char *type;
	struct od_step *step;
	enum od_status st;

	if (!json || json_is_null(json))
		return OD_OK;
	st = od_member_string(json, "type", &type, NULL, err);
	if (st != OD_OK)
		return st;
	if (strcmp(type, "Sequence") == 0) {
		const json_t *list = json_object_get(json, "normalizers"), *item;
		size_t i;

		if (!json_is_array(list) || depth >= MAX_DEPTH)
			return od_fail(err, OD_EFORMAT,
				"field 'normalizers' must be a list, nested at most %d deep", MAX_DEPTH);
		json_array_foreach(list, i, item) {
			st = add_normalizer(s, item, depth + 1, err);
			if (st != OD_OK)
				return st;
		}
		return OD_OK;
	}
	for (int i = 0; i < 4; i++) {
		if (strcmp(type, forms[i]) == 0) {
			st = add_step(s, OD_STEP_FORM, &step, err);
			if (st == OD_OK)
				step->form = (enum od_normal_form)i;
			return st;
		}
	}
	if (strcmp(type, "Replace") == 0)
		return add_replace(s, json, err);
	if (strcmp(type, "Prepend") == 0)
		return add_prepend(s, json, err);
	if (strcmp(type, "Strip") == 0)
		return add_strip(s, json, err);
	if (strcmp(type, "ByteLevel") == 0)
		return add_step(s, OD_STEP_BYTE_LETTERS, &step, err);
	return od_fail(err, OD_ESUPPORT, "normalizer type '%.80s' is not supported", type);
}

enum od_status
od_steps_normalizer(struct od_steps *s, const json_t *json, struct od_error *err)
{
	enum od_status st = add_normalizer(s, json, 0, err);

	if (st != OD_OK)
		od_error_prefix(err, "normalizer: ");
	return st;
}

/* ---- pre-tokenisers ----------------------------------------------------------------------------------- */

static enum od_status
add_cut(struct od_steps *s, const char *regex, enum od_behavior behavior, bool invert, struct od_error *err)
{
	struct od_step *step;
	enum od_status st = add_step(s, OD_STEP_SPLIT, &step, err);

	if (st != OD_OK)
		return st;
	step->behavior = behavior;
	step->invert = invert;
	st = set_text(step, regex, strlen(regex), err);
	return st == OD_OK ? od_pattern_compile(&step->pattern, regex, strlen(regex), false, err) : st;
}

static enum od_status
read_behavior(const json_t *json, enum od_behavior *out, struct od_error *err)
{
	static const char *const names[] = { "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
		"Contiguous" };
	const char *name;
	enum od_status st = od_member_string(json, "behavior", &name, NULL, err);

	if (st != OD_OK)
		return st;
	for (int i = 0; i < 5; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum od_behavior)i;
			return OD_OK;
		}
	}
	return od_fail(err, OD_ESUPPORT, "behavior '%.80s' is not supported", name);
}

static enum od_status
add_split(struct od_steps *s, const json_t *json, struct od_error *err)
{
	struct od_step *step;
	enum od_status st = add_step(s, OD_STEP_SPLIT, &step, err);

	if (st == OD_OK)
		st = read_behavior(json, &step->behavior, err);
	if (st == OD_OK)
		st = od_member_bool(json, "invert", false, &step->invert, err);
	return st == OD_OK ? read_pattern(step, json, err) : st;
}

static enum od_status
add_byte_level(struct od_steps *s, const json_t *json, struct od_error *err)
{
	bool regex, space;
	struct od_step *step;
	enum od_status st = od_member_bool(json, "use_regex", true, &regex, err);

	if (st == OD_OK)
		st = od_member_bool(json, "add_prefix_space", false, &space, err);
	if (st == OD_OK && space)
		st = add_step(s, OD_STEP_SPACE_BEFORE, &step, err);
	if (st == OD_OK && regex)
		st = add_cut(s, OD_PATTERN_GPT2, OD_ISOLATED, false, err);
	return st == OD_OK ? add_step(s, OD_STEP_BYTE_LETTERS, &step, err) : st;
}

static enum od_status
add_metaspace(struct od_steps *s, const json_t *json, struct od_error *err)
{
	const json_t *scheme = json_object_get(json, "prepend_scheme");
	const char *text = "\xe2\x96\x81", *name = json_string_value(scheme);
	size_t n = 3;
	bool always;
	struct od_step *step;
	enum od_status st = od_member_bool(json, "add_prefix_space", true, &always, err);

	if (st == OD_OK && json_object_get(json, "replacement"))
		st = od_member_string(json, "replacement", &text, &n, err);
	if (st == OD_OK)
		st = add_step(s, OD_STEP_METASPACE, &step, err);
	if (st != OD_OK)
		return st;
	step->prepend = !name ? (always ? OD_PREPEND_ALWAYS : OD_PREPEND_NEVER) :
		strcmp(name, "never") == 0 ? OD_PREPEND_NEVER :
		strcmp(name, "first") == 0 ? OD_PREPEND_FIRST : OD_PREPEND_ALWAYS;
	step->behavior = OD_MERGED_WITH_NEXT;
	st = od_member_bool(json, "split", true, &step->split, err);
	if (st == OD_OK)
		st = set_text(step, text, n, err);
	return st == OD_OK ? od_pattern_compile(&step->pattern, text, n, true, err) : st;
}

static enum od_status
add_digits(struct od_steps *s, const json_t *json, struct od_error *err)
{
	bool each;
	enum od_status st = od_member_bool(json, "individual_digits", false, &each, err);

	return st == OD_OK ? add_cut(s, "\\p{N}", each ? OD_ISOLATED : OD_CONTIGUOUS, false, err) : st;
}

static enum od_status
add_delimiter(struct od_steps *s, const json_t *json, struct od_error *err)
{
	struct od_step *step;
	const char *text;
	size_t n;
	enum od_status st = od_member_string(json, "delimiter", &text, &n, err);

	if (st == OD_OK)
		st = add_step(s, OD_STEP_SPLIT, &step, err);
	if (st != OD_OK)
		return st;
	step->behavior = OD_REMOVED;
	step->literal = true;
	st = set_text(step, text, n, err);
	return st == OD_OK ? od_pattern_compile(&step->pattern, text, n, true, err) : st;
}

static enum od_status
add_punctuation(struct od_steps *s, const json_t *json, struct od_error *err)
{
	enum od_behavior behavior = OD_ISOLATED;
	enum od_status st = json_object_get(json, "behavior") ? read_behavior(json, &behavior, err) : OD_OK;

	return st == OD_OK ? add_cut(s, PUNCTUATION, behavior, false, err) : st;
}

static enum od_status
add_pre_tokenizer(struct od_steps *s, const json_t *json, int depth, struct od_error *err)
{
	static const struct {
		const char *type;
		enum od_status (*add)(struct od_steps *s, const json_t *json, struct od_error *err);
	} known[] = {
		{ "ByteLevel", add_byte_level }, { "Split", add_split }, { "Digits", add_digits },
		{ "Metaspace", add_metaspace }, { "Punctuation", add_punctuation },
		{ "CharDelimiterSplit", add_delimiter }
	};
	const char *type;
	enum od_status st;

	if (!json || json_is_null(json))
		return OD_OK;
	st = od_member_string(json, "type", &type, NULL, err);
	if (st != OD_OK)
		return st;
	if (strcmp(type, "Sequence") == 0) {
		const json_t *list = json_object_get(json, "pretokenizers"), *item;
		size_t i;

		if (!json_is_array(list) || depth >= MAX_DEPTH)
			return od_fail(err, OD_EFORMAT,
				"field 'pretokenizers' must be a list, nested at most %d deep", MAX_DEPTH);
		json_array_foreach(list, i, item) {
			st = add_pre_tokenizer(s, item, depth + 1, err);
			if (st != OD_OK)
				return st;
		}
		return OD_OK;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(type, known[i].type) == 0)
			return known[i].add(s, json, err);
	}
	if (strcmp(type, "Whitespace") == 0)
		return add_cut(s, "\\w+|[^\\w\\s]+", OD_REMOVED, true, err);
	if (strcmp(type, "WhitespaceSplit") == 0)
		return add_cut(s, "\\s", OD_REMOVED, false, err);
	return od_fail(err, OD_ESUPPORT, "pre-tokenizer type '%.80s' is not supported", type);
}

enum od_status
od_steps_pre_tokenizer(struct od_steps *s, const json_t *json, struct od_error *err)
{
	enum od_status st = add_pre_tokenizer(s, json, 0, err);

	if (st != OD_OK)
		od_error_prefix(err, "pre_tokenizer: ");
	return st;
}
