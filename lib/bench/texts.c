/* texts.c -- see texts.h. */
#include "bench/texts.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "bench/outputs.h"
#include "io/jsonl.h"

const char *const od_question_fields[] = { "prompt", "instruction", "question", "problem", "query", "turns", "messages", NULL };

const char *const od_training_fields[] = { "prompt", "chosen", "rejected", "responses", "messages", "conversations", "instruction",
	"input", "output", "question", "problem", "query", "answer", "solution", "response", "completion", "text", NULL };

static const char *const object_texts[] = { "content", "text", "value", NULL };
static const char *const published_answers[] = { "output_2", "choices.0.turns.0.content", "choices.0.turns.0", NULL };
static const char *const name_members[] = { "id", "key", "question_id", "uid", "prompt_id", NULL };

static enum od_status
visit_texts(const json_t *v, od_text_visitor *visit, void *arg, bool *found, struct od_error *err)
{
	enum od_status st = OD_OK;
	const json_t *e;
	size_t i;

	if (json_is_string(v)) {
		*found = true;
		return visit(arg, json_string_value(v), json_string_length(v), err);
	}
	json_array_foreach(v, i, e) {
		st = visit_texts(e, visit, arg, found, err);
		if (st != OD_OK)
			return st;
	}
	for (i = 0; json_is_object(v) && st == OD_OK && object_texts[i] != NULL; i++)
		st = visit_texts(json_object_get(v, object_texts[i]), visit, arg, found, err);
	return st;
}

enum od_status
od_texts_at(const json_t *record, const char *path, od_text_visitor *visit, void *arg, bool *found, struct od_error *err)
{
	return visit_texts(od_json_path(record, path), visit, arg, found, err);
}

struct first_text {
	const char *s;
	size_t n;
};

/* Takes the text and stops the walk. */
static enum od_status
take_first(void *arg, const char *s, size_t n, struct od_error *err)
{
	(void)err;
	*(struct first_text *)arg = (struct first_text){ s, n };
	return OD_EOF;
}

static const char *
first_text(const json_t *record, const char *const *paths, size_t *len)
{
	struct first_text t = { NULL, 0 };
	bool found = false;

	for (size_t i = 0; !found && paths[i] != NULL; i++)
		(void)!od_texts_at(record, paths[i], take_first, &t, &found, NULL);
	*len = t.n;
	return t.s;
}

const char *
od_question_of(const json_t *record, size_t *len)
{
	return first_text(record, od_question_fields, len);
}

const char *
od_answer_of(const json_t *record, size_t *len)
{
	struct od_said said;

	if (od_output_said(record, 0, &said, NULL) != OD_OK)
		return first_text(record, published_answers, len);
	*len = said.len;
	return said.text;
}

void
od_name_of(const json_t *record, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; out[0] == '\0' && name_members[i] != NULL; i++) {
		const json_t *v = json_object_get(record, name_members[i]);

		if (json_is_integer(v))
			snprintf(out, size, "%lld", (long long)json_integer_value(v));
		else if (json_is_string(v))
			snprintf(out, size, "%.*s", (int)od_utf8_prefix(json_string_value(v), json_string_length(v), size - 1),
				json_string_value(v));
	}
}
