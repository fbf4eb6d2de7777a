#include "inspect/fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stats/draw.h"

static const char *const type_names[OD_N_FIELD_TYPES] = {
	"string", "integer", "real", "boolean", "array", "object", "null"
};

static enum od_field_type
type_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:  return OD_FIELD_STRING;
	case JSON_INTEGER: return OD_FIELD_INTEGER;
	case JSON_REAL:    return OD_FIELD_REAL;
	case JSON_TRUE:
	case JSON_FALSE:   return OD_FIELD_BOOLEAN;
	case JSON_ARRAY:   return OD_FIELD_ARRAY;
	case JSON_OBJECT:  return OD_FIELD_OBJECT;
	case JSON_NULL:    break;
	}
	return OD_FIELD_NULL;
}

/* The position of a name, made when it is new; f->n when there are too many, -1 when memory is short. */
static json_int_t
find_or_make(struct od_fields *f, const char *name)
{
	const json_t *known;

	if (!f->index)
		f->index = json_object();
	known = json_object_get(f->index, name);
	if (known)
		return json_integer_value(known);
	if (f->n == OD_FIELDS_MAX)
		return (json_int_t)f->n;
	if (!od_grow(&f->field, &f->cap, f->n + 1, sizeof *f->field) ||
	    json_object_set_new(f->index, name, json_integer((json_int_t)f->n)) != 0)
		return -1;
	f->field[f->n] = (struct od_field){ .name = od_strdup(name), .number = OD_MOMENTS_INIT };
	if (!f->field[f->n].name)
		return -1;
	return (json_int_t)f->n++;
}

static void
count_value(struct od_field *field, const json_t *v)
{
	enum od_field_type type = type_of(v);

	field->count++;
	field->types[type]++;
	if (json_is_number(v))
		od_moments_add(&field->number, json_number_value(v));
	else if (type == OD_FIELD_STRING)
		od_moments_add(&field->number, (double)json_string_length(v));
	else if (type == OD_FIELD_ARRAY)
		od_moments_add(&field->number, (double)json_array_size(v));
}

enum od_status
od_fields_add(struct od_fields *f, const json_t *record, struct od_error *err)
{
	const char *name;
	json_t *v;

	f->records++;
	json_object_foreach((json_t *)record, name, v) {
		json_int_t i = find_or_make(f, name);

		if (i < 0)
			return od_fail_nomem(err, "field statistics", f->n * sizeof *f->field);
		if (i == OD_FIELDS_MAX)
			f->not_told++;
		else
			count_value(&f->field[i], v);
	}
	return OD_OK;
}

/* "string", or "string 3, null 1" when there are several. */
static void
types_text(struct od_buf *b, const struct od_field *field)
{
	int kinds = 0;

	for (int t = 0; t < OD_N_FIELD_TYPES; t++)
		kinds += field->types[t] > 0;
	for (int t = 0; t < OD_N_FIELD_TYPES; t++) {
		if (!field->types[t])
			continue;
		od_buf_printf(b, "%s%s", b->len ? ", " : "", type_names[t]);
		if (kinds > 1)
			od_buf_printf(b, " %lld", (long long)field->types[t]);
	}
}

/* What the moments are of: mixed types have none worth showing. */
static const char *
measure(const struct od_field *field)
{
	const int64_t *t = field->types;
	int64_t numbers = t[OD_FIELD_INTEGER] + t[OD_FIELD_REAL];

	if (numbers > 0 && t[OD_FIELD_STRING] + t[OD_FIELD_ARRAY] == 0)
		return "value";
	if (numbers == 0 && t[OD_FIELD_STRING] > 0 && t[OD_FIELD_ARRAY] == 0)
		return "bytes";
	if (numbers == 0 && t[OD_FIELD_STRING] == 0 && t[OD_FIELD_ARRAY] > 0)
		return "items";
	return NULL;
}

static void
table_row(struct od_table *t, const struct od_field *field, int64_t records)
{
	const char *what = measure(field);
	struct od_buf types = OD_BUF_INIT;

	types_text(&types, field);
	od_table_cell(t, field->name);
	od_table_cellf(t, "%.4g %%", 100 * (double)field->count / (double)records);
	od_table_cell(t, od_buf_ok(&types) && types.len ? types.data : "");
	od_table_cell(t, what ? what : "");
	if (what) {
		od_table_number(t, field->number.min, 4);
		od_table_number(t, od_moments_mean(&field->number), 4);
		od_table_number(t, field->number.max, 4);
	} else {
		for (int i = 0; i < 3; i++)
			od_table_cell(t, "");
	}
	od_buf_release(&types);
}

void
od_fields_table(const struct od_fields *f, struct od_buf *out)
{
	static const char *const heads[] = { "field", "share", "type", "", "min", "mean", "max" };
	struct od_table t = OD_TABLE_INIT(7, "lrllrrr");

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		od_table_cell(&t, heads[i]);
	for (size_t i = 0; i < f->n; i++)
		table_row(&t, &f->field[i], f->records);
	od_table_render(&t, out, "  ");
	if (f->not_told > 0)
		od_buf_printf(out, "  and %lld members under further names\n", (long long)f->not_told);
	od_table_release(&t);
}

static void
field_json(struct od_buf *out, const struct od_field *field, int64_t records)
{
	const char *what = measure(field);
	bool first = true;

	od_buf_json_string(out, field->name, strlen(field->name));
	od_buf_printf(out, ":{\"count\":%lld,\"share\":", (long long)field->count);
	od_buf_json_double(out, (double)field->count / (double)records);
	od_buf_str(out, ",\"types\":{");
	for (int t = 0; t < OD_N_FIELD_TYPES; t++) {
		if (!field->types[t])
			continue;
		od_buf_printf(out, "%s\"%s\":%lld", first ? "" : ",", type_names[t], (long long)field->types[t]);
		first = false;
	}
	od_buf_char(out, '}');
	if (what) {
		od_buf_printf(out, ",\"%s\":{\"min\":", what);
		od_buf_json_double(out, field->number.min);
		od_buf_str(out, ",\"mean\":");
		od_buf_json_double(out, od_moments_mean(&field->number));
		od_buf_str(out, ",\"max\":");
		od_buf_json_double(out, field->number.max);
		od_buf_char(out, '}');
	}
	od_buf_char(out, '}');
}

void
od_fields_json(const struct od_fields *f, struct od_buf *out)
{
	od_buf_char(out, '{');
	for (size_t i = 0; i < f->n; i++) {
		if (i)
			od_buf_char(out, ',');
		field_json(out, &f->field[i], f->records);
	}
	od_buf_char(out, '}');
}

void
od_fields_release(struct od_fields *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->field[i].name);
	free(f->field);
	json_decref(f->index);
	*f = (struct od_fields)OD_FIELDS_INIT;
}
