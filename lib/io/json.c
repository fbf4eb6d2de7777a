/* json.c -- one JSON text: parsing it strictly, and reaching into it with messages a user can act on. */
#include "io/jsonl.h"

#include <string.h>

/* jansson quotes the offending bytes in its text; the position is what it leaves to the caller. */
enum od_status
od_json_parse(const char *text, size_t len, const char *name, json_t **out, struct od_error *err)
{
	json_error_t je;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);

	if (!json)
		return od_fail(err, OD_EFORMAT, "%s:%d: invalid JSON at byte %d: %s", name, je.line, je.position, je.text);
	*out = json;
	return OD_OK;
}

static const json_t *
array_item(const json_t *array, const char *index, size_t n)
{
	size_t i = 0;

	if (n == 0 || n > 9 || strspn(index, "0123456789") < n)
		return NULL;
	for (size_t k = 0; k < n; k++)
		i = 10 * i + (size_t)(index[k] - '0');
	return json_array_get(array, i);
}

const json_t *
od_json_path(const json_t *obj, const char *path)
{
	const json_t *found = json_object_get(obj, path);
	const char *dot = path;

	if (found)
		return found;
	if (json_is_array(obj) && !strchr(path, '.'))
		return array_item(obj, path, strlen(path));
	while (!found && (dot = strchr(dot, '.'))) {
		size_t n = (size_t)(dot - path);
		const json_t *child = json_is_array(obj) ? array_item(obj, path, n) : json_object_getn(obj, path, n);

		dot++;
		if (child)
			found = od_json_path(child, dot);
	}
	return found;
}

const char *
od_json_type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:  return "an object";
	case JSON_ARRAY:   return "an array";
	case JSON_STRING:  return "a string";
	case JSON_INTEGER:
	case JSON_REAL:    return "a number";
	case JSON_TRUE:
	case JSON_FALSE:   return "a boolean";
	case JSON_NULL:    break;
	}
	return "null";
}

enum od_status
od_json_fail_type(const json_t *v, const char *path, const char *wanted, struct od_error *err)
{
	if (!v)
		return od_fail(err, OD_EFORMAT, "field '%s' is missing", path);
	return od_fail(err, OD_EFORMAT, "field '%s' must be %s, not %s", path, wanted, od_json_type_name(v));
}

enum od_status
od_json_need_number(const json_t *obj, const char *path, double *out, struct od_error *err)
{
	const json_t *v = od_json_path(obj, path);

	if (!json_is_number(v))
		return od_json_fail_type(v, path, "a number", err);
	*out = json_number_value(v);
	return OD_OK;
}

enum od_status
od_json_need_string(const json_t *obj, const char *path, const char **out, size_t *len, struct od_error *err)
{
	const json_t *v = od_json_path(obj, path);

	if (!json_is_string(v))
		return od_json_fail_type(v, path, "a string", err);
	*out = json_string_value(v);
	if (len)
		*len = json_string_length(v);
	return OD_OK;
}
