/* arena_config.c -- see arena_config.h. */
#include "eval/arena_config.h"

#include <string.h>

#include "io/yaml.h"

static const char double_brackets[] = "\\[\\[([AB<>=]+)\\]\\]", single_brackets[] = "\\[([AB<>=]+)\\]";

/* A member that is a text, or a list whose first is one of n; NULL when it is not there. */
static enum od_status
text_or_list(const json_t *config, const char *name, size_t n, const char **out, const char *file, struct od_error *err)
{
	const json_t *v = json_object_get(config, name);

	*out = NULL;
	if (v == NULL || json_is_null(v))
		return OD_OK;
	*out = json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);
	if (*out == NULL || (json_is_array(v) && json_array_size(v) > n))
		return od_fail(err, OD_EFORMAT, "%s: field '%s' must be a text, or a list of %s", file, name, n == 1 ? "one" : "one or two");
	return OD_OK;
}

/* The rule whose patterns these are. */
static enum od_status
read_rule(struct arena_config *c, const json_t *config, const char *file, struct od_error *err)
{
	const char *name = json_object_get(config, "regex_patterns") != NULL ? "regex_patterns" : "regex_pattern", *first;
	const char *second = json_string_value(json_array_get(json_object_get(config, name), 1));
	enum od_status st = text_or_list(config, name, 2, &first, file, err);

	if (st != OD_OK || first == NULL)
		return st;
	c->has_rule = true;
	if (strcmp(first, double_brackets) == 0 && second == NULL)
		c->rule = OD_ARENA_LEGACY;
	else if (strcmp(first, double_brackets) == 0 && strcmp(second, single_brackets) == 0)
		c->rule = OD_ARENA_2025;
	else
		return od_fail(err, OD_EFORMAT, "%s: field '%s' is no rule's: '%s' is that of 'legacy', with '%s' behind it that of '2025'",
			file, name, double_brackets, single_brackets);
	return OD_OK;
}

static enum od_status
read_messages(struct ask *a, const json_t *config, const char *file, struct od_error *err)
{
	const char *system, *user;
	enum od_status st = ask_config_text(config, "system_prompt", false, &system, file, err);

	if (st == OD_OK)
		st = text_or_list(config, "prompt_template", 1, &user, file, err);
	if (st == OD_OK && user == NULL && a->o->template == NULL)
		st = od_fail(err, OD_EFORMAT, "%s: field 'prompt_template' is missing, and there is no '--template'", file);
	return st == OD_OK && user != NULL ? ask_set_messages(a, system, user, err) : st;
}

static enum od_status
read_members(struct arena_config *c, struct ask *a, const json_t *config, const char *file, struct od_error *err)
{
	const char *judge;
	enum od_status st;

	if (!json_is_object(config))
		return od_fail(err, OD_EFORMAT, "%s: a configuration must be a mapping, not %s", file, od_json_type_name(config));
	if (json_is_true(json_object_get(config, "reference")) || json_is_false(json_object_get(config, "pairwise")))
		return od_fail(err, OD_EFORMAT, "%s: only pairwise judging without a reference answer is known", file);
	if ((st = ask_config_text(config, "judge_model", false, &judge, file, err)) != OD_OK ||
		(judge != NULL && (st = ask_set_judge(a, judge, NULL, err)) != OD_OK) ||
		(st = ask_config_number(config, "temperature", 0, 100, &a->set.temperature, file, err)) != OD_OK ||
		(st = ask_config_count(config, "max_tokens", 1, &a->set.max_tokens, file, err)) != OD_OK ||
		(st = ask_config_count(config, "number_of_judgment_attempts", 1, &c->attempts, file, err)) != OD_OK ||
		(st = read_messages(a, config, file, err)) != OD_OK)
		return st;
	return read_rule(c, config, file, err);
}

enum od_status
arena_read_config(struct arena_config *c, struct ask *a, const char *file, struct od_error *err)
{
	json_t *config = NULL;
	enum od_status st = od_yaml_read(&config, file, err);

	*c = (struct arena_config){ 0 };
	if (st == OD_OK)
		st = read_members(c, a, config, file, err);
	json_decref(config);
	return st;
}
