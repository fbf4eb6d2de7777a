/* config.c -- --config and --print-config: the option tables as a flat JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "tools/common/options.h"

#define CONFIG_MAX ((size_t)16 << 20)

static bool
is_about_printing(const struct od_opt *o)
{
	static const char *const names[] = { "config", "print-config", "help", "version" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(o->name, names[i]) == 0)
			return true;
	return false;
}

/* Printed under this name: not as the negation of a flag that is there, nor as the second of two of a name. */
static bool
is_printed(const struct od_opt_set *set, const struct od_opt_ref *r)
{
	struct od_opt_ref first;

	if (is_about_printing(r->opt))
		return false;
	if (od_opt_find(set, r->opt->name, strlen(r->opt->name), &first) && first.opt != r->opt)
		return false;
	for (const struct od_opt *o = r->group->opts; r->opt->kind == OD_KIND_NOFLAG && o->kind != OD_KIND_END; o++)
		if (o->kind == OD_KIND_FLAG && o->offset == r->opt->offset)
			return false;
	return true;
}

static enum od_status
set_flag(const struct od_opt_set *set, const struct od_opt_ref *r, const json_t *value, struct od_error *err)
{
	enum od_status st;
	bool *flag = (bool *)((char *)r->group->base + r->opt->offset);

	if (!json_is_boolean(value))
		return od_fail(err, OD_EUSAGE, "option '%s' must be true or false", r->opt->name);
	st = od_opt_set(set, r->opt->name, "", err);
	if (st == OD_OK && json_is_false(value))
		*flag = !*flag;
	return st;
}

static enum od_status
set_value(const struct od_opt_set *set, const char *name, const json_t *value, struct od_error *err)
{
	const char *near = od_opt_nearest(set, name);
	struct od_opt_ref r;
	char number[64];

	if (!od_opt_find(set, name, strlen(name), &r) || is_about_printing(r.opt))
		return od_fail(err, OD_EUSAGE, "unknown option '%s'%s%s%s", name, near ? "; did you mean '" : "",
			near ? near : "", near ? "'?" : "");
	if (json_is_null(value))
		return OD_OK;
	if (od_opt_is_flag(r.opt))
		return set_flag(set, &r, value, err);
	if (json_is_string(value))
		return od_opt_set(set, name, json_string_value(value), err);
	if (!json_is_number(value) || r.opt->kind == OD_KIND_STR || r.opt->kind == OD_KIND_ENUM)
		return od_fail(err, OD_EUSAGE, "option '%s' must be a %s", name,
			r.opt->kind == OD_KIND_STR || r.opt->kind == OD_KIND_ENUM ? "string" : "number");
	if (json_is_integer(value))
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
	else
		od_num_format(number, json_real_value(value));
	return od_opt_set(set, name, number, err);
}

enum od_status
od_opt_config(const struct od_opt_set *set, const char *path, struct od_error *err)
{
	static json_t *kept;             /* options point into the strings of all files until the process ends */
	json_t *config = NULL;
	enum od_status st;
	const char *name;
	json_t *value;
	char *text;
	size_t len;

	st = od_in_slurp(path, CONFIG_MAX, &text, &len, err);
	if (st != OD_OK)
		return st;
	st = od_json_parse(text, len, path, &config, err);
	free(text);
	if (st == OD_EFORMAT)
		st = err->status = OD_EUSAGE;
	if (st == OD_OK && !json_is_object(config))
		st = od_fail(err, OD_EUSAGE, "%s: the configuration is not a JSON object", path);
	if (!kept)
		kept = json_array();
	if (config && json_array_append_new(kept, config) != 0)
		st = od_fail_nomem(err, "a configuration", len);
	if (st != OD_OK)
		return st;
	json_object_foreach(config, name, value) {
		st = set_value(set, name, value, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: ", path);
			return st;
		}
	}
	return OD_OK;
}

void
od_opt_print_config(const struct od_opt_set *set)
{
	struct od_buf b = OD_BUF_INIT;

	for (size_t g = 0; g < set->n; g++) {
		for (const struct od_opt *o = set->groups[g].opts; o->kind != OD_KIND_END; o++) {
			struct od_opt_ref r = { &set->groups[g], o };

			if (!is_printed(set, &r))
				continue;
			od_buf_printf(&b, "%s\n  \"%s\": ", b.len ? "," : "{", o->name);
			od_opt_value_json(&b, &r);
		}
	}
	od_buf_str(&b, b.len ? "\n}\n" : "{}\n");
	if (od_buf_ok(&b))
		fwrite(b.data, 1, b.len, stdout);
	od_buf_release(&b);
}
