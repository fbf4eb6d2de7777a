#include "pref/dialogue.h"

#include <stdlib.h>

#include "base/mem.h"

void
od_dialogue_release(struct od_dialogue *d)
{
	free(d->m);
	*d = (struct od_dialogue)OD_DIALOGUE_INIT;
}

enum od_status
od_dialogue_add(struct od_dialogue *d, const char *role, const char *content, size_t len, struct od_error *err)
{
	if (!od_grow(&d->m, &d->cap, d->n + 1, sizeof(*d->m)))
		return od_fail_nomem(err, "messages", (d->n + 1) * sizeof(*d->m));
	d->m[d->n++] = (struct od_message){ role, content, len };
	return OD_OK;
}

enum od_status
od_dialogue_add_list(struct od_dialogue *d, const json_t *list, size_t from, size_t to, const char *field,
	struct od_error *err)
{
	for (size_t i = from; i < to; i++) {
		const json_t *m = json_array_get(list, i);
		const json_t *role = json_object_get(m, "role"), *content = json_object_get(m, "content");
		enum od_status st;

		if (!json_is_string(role) || !json_is_string(content))
			return od_fail(err, OD_EFORMAT, "field '%s.%zu' must be a message with strings 'role' and 'content'",
				field, i);
		st = od_dialogue_add(d, json_string_value(role), json_string_value(content), json_string_length(content),
			err);
		if (st != OD_OK)
			return st;
	}
	return OD_OK;
}

enum od_status
od_dialogue_add_prompt(struct od_dialogue *d, const json_t *prompt, struct od_error *err)
{
	if (!prompt)
		return od_fail(err, OD_EFORMAT, "field 'prompt' is missing");
	if (json_is_string(prompt))
		return od_dialogue_add(d, "user", json_string_value(prompt), json_string_length(prompt), err);
	return od_dialogue_add_list(d, prompt, 0, json_array_size(prompt), "prompt", err);
}
