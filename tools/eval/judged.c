/* judged.c -- see judged.h. */
#include "eval/judged.h"

#include <string.h>

#include "base/mem.h"
#include "common/cli.h"
#include "io/jsonl.h"

enum { SHOWN = 60 };

enum od_status
judged_reject(struct judged_bad *bad, struct od_error *err)
{
	if (err->status != OD_EFORMAT || !bad->skip)
		return err->status;
	if (bad->n++ == 0)
		bad->first = *err;
	*err = (struct od_error)OD_ERROR_INIT;
	return OD_OK;
}

void
judged_report(const struct judged_bad *bad)
{
	if (bad->n > 0)
		od_warn("%lld bad items left out, first: %s", (long long)bad->n, bad->first.msg);
}

enum od_status
judged_once(json_t **set, const char *key, int64_t item, const char *what, struct od_error *err)
{
	const json_t *before;

	if (*set == NULL)
		*set = json_object();
	before = json_object_get(*set, key);
	if (before != NULL)
		return od_fail(err, OD_EFORMAT, "item %lld has the %s of item %lld: '%.*s'", (long long)item, what,
			(long long)json_integer_value(before), (int)od_utf8_prefix(key, strlen(key), SHOWN), key);
	if (json_object_set_new(*set, key, json_integer(item)) != 0)
		return od_fail_nomem(err, "a set of items", strlen(key));
	return OD_OK;
}

enum od_status
judged_one_name(char **name, const char *given, const char *what, struct od_error *err)
{
	if (given == NULL)
		return OD_OK;
	if (*name == NULL)
		return (*name = od_strdup(given)) ? OD_OK : od_fail_nomem(err, "a name", strlen(given));
	if (strcmp(*name, given) != 0)
		return od_fail(err, OD_EMISMATCH, "two %ss, '%s' and '%s': these do not belong together", what, *name, given);
	return OD_OK;
}

/* What stands for a name: one of the values, or the record's text; NULL for nothing. */
static const char *
value_of(const char *name, const struct judged_value *values, size_t n, const json_t *record)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, values[i].name) == 0)
			return values[i].value;
	return record ? json_string_value(od_json_path(record, name)) : NULL;
}

void
judged_fill(struct od_buf *out, const char *template, const struct judged_value *values, size_t n, const json_t *record,
	bool *complete)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";

	for (const char *p = template; *p != '\0';) {
		size_t len = *p == '{' ? strspn(p + 1, letters) : 0;
		const char *value;
		char name[128];

		if (len == 0 || len >= sizeof name || p[len + 1] != '}') {
			od_buf_char(out, *p++);
			continue;
		}
		memcpy(name, p + 1, len);
		name[len] = '\0';
		value = value_of(name, values, n, record);
		if (value == NULL && record == NULL) {
			od_buf_char(out, *p++);
			continue;
		}
		*complete = *complete && value != NULL && value[strspn(value, " \t\r\n")] != '\0';
		od_buf_str(out, value ? value : "");
		p += len + 2;
	}
}

void
judged_number(struct od_buf *json, const char *name, double value)
{
	od_buf_printf(json, ",\"%s\":", name);
	od_buf_json_double(json, value);
}

void
judged_text(struct od_buf *json, const char *name, const char *text)
{
	od_buf_printf(json, ",\"%s\":", name);
	if (text == NULL)
		od_buf_str(json, "null");
	else
		od_buf_json_string(json, text, strlen(text));
}
