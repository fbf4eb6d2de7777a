/* dialogue.h -- messages for a chat template (text/chat.h) from a record's prompt and what follows it.
 *
 * Messages borrow their texts from the record.
 */
#ifndef OD_PREF_DIALOGUE_H
#define OD_PREF_DIALOGUE_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"
#include "text/chat.h"

struct od_dialogue {
	struct od_message *m;
	size_t n, cap;
};

#define OD_DIALOGUE_INIT { NULL, 0, 0 }
void od_dialogue_release(struct od_dialogue *d);

OD_MUST_CHECK enum od_status od_dialogue_add(struct od_dialogue *d, const char *role, const char *content, size_t len,
	struct od_error *err);

/* Messages [from, to) of a list; 'field' is its name for messages. OD_EFORMAT for what is no message. */
OD_MUST_CHECK enum od_status od_dialogue_add_list(struct od_dialogue *d, const json_t *list, size_t from, size_t to,
	const char *field, struct od_error *err);

/* The field 'prompt': a string is a user's turn, a list its messages. OD_EFORMAT when it is missing. */
OD_MUST_CHECK enum od_status od_dialogue_add_prompt(struct od_dialogue *d, const json_t *prompt, struct od_error *err);

#endif
