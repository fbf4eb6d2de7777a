#include "text/json_member.h"

#include <string.h>

enum od_status
od_member_string(const json_t *object, const char *name, const char **out, size_t *n, struct od_error *err)
{
	const json_t *v = json_object_get(object, name);

	if (!json_is_string(v) || (!n && strlen(json_string_value(v)) != json_string_length(v)))
		return od_fail(err, OD_EFORMAT, v ? "field '%s' must be a string" : "field '%s' is missing",
			name);
	*out = json_string_value(v);
	if (n)
		*n = json_string_length(v);
	return OD_OK;
}

enum od_status
od_member_bool(const json_t *object, const char *name, bool otherwise, bool *out, struct od_error *err)
{
	const json_t *v = json_object_get(object, name);

	*out = otherwise;
	if (!v || json_is_null(v))
		return OD_OK;
	if (!json_is_boolean(v))
		return od_fail(err, OD_EFORMAT, "field '%s' must be true or false", name);
	*out = json_is_true(v);
	return OD_OK;
}
