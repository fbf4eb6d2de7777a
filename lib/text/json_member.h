/* json_member.h -- members of tokenizer.json with messages. An absent or null member takes the default where
 * there is one; a member of the wrong type is OD_EFORMAT. */
#ifndef OD_TEXT_JSON_MEMBER_H
#define OD_TEXT_JSON_MEMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* n may be NULL; the text must then hold no NUL. */
OD_MUST_CHECK enum od_status od_member_string(const json_t *object, const char *name, const char **out,
	size_t *n, struct od_error *err);
OD_MUST_CHECK enum od_status od_member_bool(const json_t *object, const char *name, bool otherwise, bool *out,
	struct od_error *err);

#endif
