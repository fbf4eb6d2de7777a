/* alpaca_config.c -- see alpaca_config.h. */
#include "eval/alpaca_config.h"

#include <string.h>

#include "io/yaml.h"

/* The template's file: its path counts from the configuration's directory, or, as published, from the one that holds the
 * directories of all configurations. */
static enum od_status
read_template(struct ask *a, const char *path, const char *file, struct od_error *err)
{
	const char *slash = strrchr(file, '/');
	int dir = slash != NULL ? (int)(slash - file) + 1 : 0;
	struct od_buf at = OD_BUF_INIT;
	enum od_status st;

	if (a->o->template != NULL)
		return OD_OK;
	if (path[0] == '/')
		od_buf_str(&at, path);
	else
		od_buf_printf(&at, "%.*s%s", dir, file, path);
	if (path[0] != '/' && od_buf_ok(&at) && !od_path_exists(at.data)) {
		od_buf_clear(&at);
		od_buf_printf(&at, "%.*s../%s", dir, file, path);
	}
	if (!od_buf_ok(&at))
		st = od_fail_nomem(err, "a path", strlen(path));
	else if (!od_path_exists(at.data))
		st = od_fail(err, OD_EFORMAT, "%s: its template '%s' is neither below its directory nor below the one above: give '--template'",
			file, path);
	else
		st = ask_read_template(a, at.data, err);
	od_buf_release(&at);
	return st;
}

/* The way preferences are made must be the one that is known: log-probs of m and M. */
static enum od_status
check_parser(const json_t *c, const char *file, struct od_error *err)
{
	const char *parser = json_string_value(json_object_get(c, "fn_completion_parser"));
	const json_t *top = json_object_get(c, "completion_parser_kwargs"), *tokens = json_object_get(top, "denominator_tokens");
	const char *m = json_string_value(json_object_get(top, "numerator_token"));
	const char *first = json_string_value(json_array_get(tokens, 0)), *second = json_string_value(json_array_get(tokens, 1));

	if (parser == NULL || strcmp(parser, "logprob_parser") != 0)
		return od_fail(err, OD_EFORMAT, "%s: field 'fn_completion_parser' must be logprob_parser, not '%.60s': no other is known", file,
			parser ? parser : "");
	if (m == NULL || strcmp(m, "m") != 0 || json_array_size(tokens) != 2 || first == NULL || strcmp(first, "m") != 0 ||
		second == NULL || strcmp(second, "M") != 0)
		return od_fail(err, OD_EFORMAT, "%s: field 'completion_parser_kwargs' must have numerator_token m and denominator_tokens m, M",
			file);
	if (json_is_true(json_object_get(top, "is_binarize")))
		return od_fail(err, OD_EFORMAT, "%s: field 'completion_parser_kwargs': is_binarize is not known", file);
	return OD_OK;
}

static void
warn_of_others(const json_t *kwargs, const char *file)
{
	static const char *const known[] = { "model_name", "max_tokens", "temperature", "top_p", "logprobs", "top_logprobs" };
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)kwargs, name, v) {
		bool is_known = false;

		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			is_known = is_known || strcmp(name, known[i]) == 0;
		if (!is_known)
			od_warn("%s: '%s' of completions_kwargs is not sent: give it with '--extra'", file, name);
	}
}

static enum od_status
read_kwargs(struct ask *a, const json_t *c, const char *annotator, const char *file, struct od_error *err)
{
	const json_t *kwargs = json_object_get(c, "completions_kwargs"), *logprobs = json_object_get(kwargs, "logprobs");
	const char *judge;
	enum od_status st;

	if (!json_is_object(kwargs)) {
		(void)od_json_fail_type(kwargs, "completions_kwargs", "a mapping", err);
		return od_error_prefix(err, "%s: ", file);
	}
	if (!json_is_true(logprobs))
		return od_fail(err, OD_EFORMAT, "%s: field 'completions_kwargs.logprobs' must be true: preferences are made of log-probs", file);
	if ((st = ask_config_text(c, "completions_kwargs.model_name", a->o->judge == NULL, &judge, file, err)) != OD_OK ||
		(judge != NULL && (st = ask_set_judge(a, judge, annotator, err)) != OD_OK) ||
		(st = ask_config_count(c, "completions_kwargs.max_tokens", 1, &a->set.max_tokens, file, err)) != OD_OK ||
		(st = ask_config_count(c, "completions_kwargs.top_logprobs", 1, &a->set.logprobs, file, err)) != OD_OK ||
		(st = ask_config_number(c, "completions_kwargs.temperature", 0, 100, &a->set.temperature, file, err)) != OD_OK ||
		(st = ask_config_number(c, "completions_kwargs.top_p", 0, 1, &a->set.top_p, file, err)) != OD_OK)
		return st;
	warn_of_others(kwargs, file);
	return OD_OK;
}

static enum od_status
read_annotator(struct ask *a, const json_t *config, const char *file, struct od_error *err)
{
	void *first = json_object_iter((json_t *)config);
	const json_t *c = first != NULL ? json_object_iter_value(first) : NULL;
	const char *template = NULL;
	enum od_status st;

	if (json_object_size(config) != 1 || !json_is_object(c))
		return od_fail(err, OD_EFORMAT, "%s: an annotator's configuration must have one member, its name, with a mapping", file);
	st = check_parser(c, file, err);
	if (st == OD_OK)
		st = read_kwargs(a, c, json_object_iter_key(first), file, err);
	if (st == OD_OK)
		st = ask_config_text(c, "prompt_template", a->o->template == NULL, &template, file, err);
	return st == OD_OK && template != NULL ? read_template(a, template, file, err) : st;
}

enum od_status
alpaca_read_config(struct ask *a, const char *file, struct od_error *err)
{
	json_t *config = NULL;
	enum od_status st = od_yaml_read(&config, file, err);

	if (st == OD_OK)
		st = read_annotator(a, config, file, err);
	json_decref(config);
	return st;
}
