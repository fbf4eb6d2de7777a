#include "bench/outputs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/jsonl.h"
#include "text/unicode.h"

enum { NAMED = 5 };                                /* items without an output that a message names */

/* ---- items -------------------------------------------------------------------------------------------------------------- */

bool
od_item_id(const json_t *v, char id[OD_ITEM_ID])
{
	int n = -1;

	if (json_is_integer(v))
		n = snprintf(id, OD_ITEM_ID, "%lld", (long long)json_integer_value(v));
	else if (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v))
		n = snprintf(id, OD_ITEM_ID, "%s", json_string_value(v));
	return n > 0 && n < OD_ITEM_ID;
}

enum od_status
od_roster_init(struct od_roster *r, const char *id_name, const char *noun, bool repeats, struct od_error *err)
{
	*r = (struct od_roster){ .id_name = id_name, .noun = noun, .repeats = repeats };
	r->by_id = json_object();
	r->by_prompt = json_object();
	return r->by_id && r->by_prompt ? OD_OK : od_fail_nomem(err, "items", 1);
}

void
od_roster_release(struct od_roster *r)
{
	free(r->item);
	json_decref(r->by_id);
	json_decref(r->by_prompt);
	*r = (struct od_roster){ 0 };
}

static size_t
lookup(const json_t *map, const char *name)
{
	const json_t *at = json_object_get(map, name);

	return at ? (size_t)json_integer_value(at) : SIZE_MAX;
}

static bool
put(json_t *map, const char *name, size_t i)
{
	return json_object_set_new(map, name, json_integer((json_int_t)i)) == 0;
}

enum od_status
od_roster_add(struct od_roster *r, const char *id, const char *prompt, struct od_error *err)
{
	size_t same = lookup(r->by_prompt, prompt);
	struct od_roster_item *item;

	if (lookup(r->by_id, id) != SIZE_MAX)
		return od_fail(err, OD_EFORMAT, "a second item with this %s, '%s'", r->id_name, id);
	if (same != SIZE_MAX && !r->repeats)
		return od_fail(err, OD_EFORMAT, "a second item with this prompt");
	if (!od_grow(&r->item, &r->cap, r->n + 1, sizeof *r->item) || !put(r->by_id, id, r->n) ||
		(same == SIZE_MAX && !put(r->by_prompt, prompt, r->n)))
		return od_fail_nomem(err, "items", r->n);
	for (; same != SIZE_MAX && r->item[same].next != SIZE_MAX;)
		same = r->item[same].next;
	if (same != SIZE_MAX)
		r->item[same].next = r->n;
	item = &r->item[r->n++];
	*item = (struct od_roster_item){ .prompt = prompt, .next = SIZE_MAX };
	snprintf(item->id, sizeof item->id, "%s", id);
	return OD_OK;
}

enum od_status
od_roster_find(const struct od_roster *r, const char *id, const char *prompt, size_t *i, struct od_error *err)
{
	size_t at = id ? lookup(r->by_id, id) : prompt ? lookup(r->by_prompt, prompt) : SIZE_MAX;

	if (!id && !prompt)
		return od_fail(err, OD_EFORMAT, "neither '%s' nor 'prompt' says which item this is an output for", r->id_name);
	if (at == SIZE_MAX)
		return od_fail(err, OD_EFORMAT, "an output for no item of the data: its %s%s%s%s is not there", id ? r->id_name : "prompt",
			id ? " '" : "", id ? id : "", id ? "'" : "");
	while (!id && r->item[at].seen && r->item[at].next != SIZE_MAX)
		at = r->item[at].next;
	if (prompt && strcmp(prompt, r->item[at].prompt) != 0)
		return od_fail(err, OD_EFORMAT, "an output for another prompt than the data's of %s '%s'", r->id_name, r->item[at].id);
	if (r->item[at].seen)
		return od_fail(err, OD_EFORMAT, "a second output for %s '%s'", r->id_name, r->item[at].id);
	*i = at;
	return OD_OK;
}

size_t
od_roster_missing(const struct od_roster *r, struct od_buf *names)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (!r->item[i].seen && !r->item[i].left_out && n++ < NAMED)
			od_buf_printf(names, "%s%s", n > 1 ? ", " : "", r->item[i].id);
	}
	od_buf_str(names, n > NAMED ? ", ..." : "");
	return n;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

static const struct form {
	const char *name, *path;                   /* path: of the first answer, for messages */
	bool list;
} forms[] = { { "response", "response", false }, { "responses", "responses.0.text", true }, { "text", "text", false },
	{ "output", "output", false }, { "completion", "completion", false }, { "code", "code.0", true } };

/* The first form that an output has; "response" when it has none. */
static const struct form *
form_of(const json_t *output)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (json_object_get(output, forms[i].name))
			return &forms[i];
	return &forms[0];
}

enum od_status
od_output_count(const json_t *output, size_t *n, struct od_error *err)
{
	const struct form *f = form_of(output);
	const json_t *v = json_object_get(output, f->name);

	*n = f->list ? json_array_size(v) : 1;
	if (f->list && !json_is_array(v))
		return od_json_fail_type(v, f->name, "a list", err);
	return *n > 0 ? OD_OK : od_json_fail_type(NULL, f->path, "a string", err);
}

enum od_status
od_output_said(const json_t *output, size_t i, struct od_said *said, struct od_error *err)
{
	const struct form *f = form_of(output);
	const json_t *text = json_object_get(output, f->name), *holder = output;
	char path[64];

	snprintf(path, sizeof path, f->list ? "%s.%zu" : "%s", f->name, i);
	if (f->list) {
		text = holder = json_array_get(text, i);
		if (json_is_object(holder)) {
			text = json_object_get(holder, "text");
			snprintf(path, sizeof path, "%s.%zu.text", f->name, i);
		}
	}
	if (!json_is_string(text))
		return od_json_fail_type(text, path, "a string", err);
	*said = (struct od_said){ json_string_value(text), json_string_length(text), NAN,
		json_string_value(json_object_get(holder, "finish_reason")) };
	if (json_is_number(json_object_get(holder, "tokens")))
		said->tokens = json_number_value(json_object_get(holder, "tokens"));
	return OD_OK;
}

void
od_said_add(struct od_said_tally *t, const struct od_said *said)
{
	size_t from;

	t->n++;
	t->empty += od_utf8_strip(said->text, said->len, &from) == 0;
	t->truncated += said->finish && !strcmp(said->finish, "length");
	if (!isfinite(said->tokens))
		return;
	t->with_tokens++;
	t->tokens += said->tokens;
}

void
od_said_json(const struct od_said_tally *t, struct od_buf *out)
{
	if (t->n == 0)
		return;
	od_buf_printf(out, ",\"answers\":{\"n\":%lld,\"empty\":%lld", (long long)t->n, (long long)t->empty);
	if (t->with_tokens > 0) {
		od_buf_str(out, ",\"mean_tokens\":");
		od_buf_json_double(out, t->tokens / (double)t->with_tokens);
		od_buf_printf(out, ",\"truncated\":%lld", (long long)t->truncated);
	}
	od_buf_char(out, '}');
}

void
od_said_line(const struct od_said_tally *t, struct od_buf *out)
{
	if (t->n == 0 || (t->with_tokens == 0 && t->empty == 0))
		return;
	od_buf_printf(out, "%lld answers, %lld empty", (long long)t->n, (long long)t->empty);
	if (t->with_tokens > 0)
		od_buf_printf(out, ", %.1f tokens on average, %lld cut at the limit", t->tokens / (double)t->with_tokens,
			(long long)t->truncated);
	od_buf_char(out, '\n');
}
