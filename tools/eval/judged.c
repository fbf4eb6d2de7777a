/* judged.c -- see judged.h. */
#include "eval/judged.h"

#include <string.h>

#include "common/cli.h"

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
