/* sedar_items.c -- see sedar_items.h. */
#include "eval/sedar_items.h"

#include <stdlib.h>

#include "base/mem.h"
#include "common/cli.h"
#include "io/jsonl.h"

static enum od_status
read_item(struct sedar_items *s, const json_t *record, size_t i, json_t **seen, struct od_error *err)
{
	const json_t *category = od_json_path(record, "meta.category.0");
	struct sedar_item *item = &s->item[s->n];
	size_t len;
	enum od_status st = od_json_need_string(record, "id", &item->id, &len, err);

	if (st == OD_OK && !json_is_string(category))
		st = od_json_fail_type(category, "meta.category.0", "a string", err);
	if (st != OD_OK)
		return st;
	item->record = record;
	item->category = od_sedar_category(json_string_value(category));
	if (item->category < 0)
		return od_fail(err, OD_EFORMAT, "field 'meta.category.0': no category '%.60s'", json_string_value(category));
	st = judged_once(seen, item->id, (int64_t)i, "id", err);
	if (st == OD_OK && json_object_set_new(s->index, item->id, json_integer((json_int_t)s->n)) != 0)
		st = od_fail_nomem(err, "items", s->n);
	s->n += st == OD_OK;
	return st;
}

enum od_status
sedar_read_items(struct sedar_items *s, const char *file, struct judged_bad *bad, struct od_error *err)
{
	enum od_status st = od_dataset_read(&s->data, file, err);
	json_t *seen = NULL;
	const json_t *record;
	size_t i;

	s->file = file;
	s->index = json_object();
	if (st == OD_OK)
		st = od_alloc(&s->item, json_array_size(s->data.items), sizeof *s->item, "items", err);
	json_array_foreach(s->data.items, i, record) {
		if (st != OD_OK)
			break;
		st = read_item(s, record, i, &seen, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: record %zu: ", file, i);
			st = judged_reject(bad, err);
		}
	}
	json_decref(seen);
	if (st == OD_OK && s->data.n_nonfinite > 0)
		od_note("%s: %lld bare NaN read as null", file, (long long)s->data.n_nonfinite);
	return st == OD_OK && s->n == 0 ? od_fail(err, OD_EFORMAT, "%s: no items", file) : st;
}

void
sedar_items_release(struct sedar_items *s)
{
	od_dataset_release(&s->data);
	json_decref(s->index);
	free(s->item);
	*s = (struct sedar_items){ 0 };
}

const char *
sedar_text(const json_t *record, size_t k)
{
	static const char *const names[] = { "judgment", "output", "text", "response" };
	const json_t *responses = json_object_get(record, "responses");

	if (json_is_array(responses)) {
		const json_t *one = json_array_get(responses, k);

		return json_string_value(json_is_object(one) ? json_object_get(one, "text") : one);
	}
	for (size_t i = 0; k == 0 && i < sizeof names / sizeof *names; i++)
		if (json_is_string(json_object_get(record, names[i])))
			return json_string_value(json_object_get(record, names[i]));
	return NULL;
}

enum od_status
sedar_item_of(const struct sedar_items *s, const json_t *record, struct sedar_item **out, struct od_error *err)
{
	const json_t *at;
	const char *id;
	size_t len;
	enum od_status st = od_json_need_string(record, "id", &id, &len, err);

	if (st != OD_OK)
		return st;
	at = json_object_get(s->index, id);
	if (at == NULL)
		return od_fail(err, OD_EFORMAT, "item '%.60s' is not in '%s'", id, s->file);
	*out = &s->item[json_integer_value(at)];
	return OD_OK;
}
