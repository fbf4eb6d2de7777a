/* cases.c -- see cases.h. */
#include "bench/cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/texts.h"
#include "io/dataset.h"

const char *const od_change_names[OD_N_CHANGES] = { "unknown", "same", "gained", "lost" };
const char *const od_cases_show_names[] = { "flips", "gained", "lost", "all", "same", NULL };
const char *const od_cases_sort_names[] = { "diff", "id", NULL };

static const char *const main_metrics[] = { "prompt_strict", "correct", "verdict", "win", "preference", "score", "accuracy", NULL };
static const char *const not_verdicts[] = { "tokens", "seed", "weight", "level", "idx", "switched", "delta_len", NULL };

static bool
is_among(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

/* Refuses a second item of a key. */
static enum od_status
once(json_t *seen, const char *key, const struct od_record *rec, struct od_error *err)
{
	const json_t *before = json_object_get(seen, key);

	if (before != NULL)
		return od_fail(err, OD_EFORMAT, "%s:%lld: a second item with id '%s', the first is in line %lld", rec->source,
			(long long)rec->lineno, key, (long long)json_integer_value(before));
	return json_object_set_new(seen, key, json_integer(rec->lineno)) == 0 ? OD_OK : od_fail_nomem(err, "items", rec->len);
}

enum od_status
od_cases_read(struct od_cases *c, int side, const char *file, struct od_error *err)
{
	const struct od_record_options all = OD_RECORD_OPTIONS_INIT;
	struct od_case_side *s = &c->side[side];
	json_t *seen = json_object();
	struct od_jsonl *in = NULL;
	struct od_record rec;
	enum od_status st = od_jsonl_open(&in, &file, 1, &all, err);

	s->file = file;
	s->items = json_array();
	od_sheet_init(&s->sheet, NULL, NULL, 0);
	while (st == OD_OK && (st = od_jsonl_next(in, &rec, err)) == OD_OK) {
		st = od_sheet_add_record(&s->sheet, &rec, err);
		if (st == OD_OK)
			st = once(seen, s->sheet.key[s->sheet.n - 1], &rec, err);
		if (st == OD_OK && json_array_append(s->items, rec.json) != 0)
			st = od_fail_nomem(err, "items", rec.len);
	}
	if (st == OD_EOF)
		st = s->sheet.n_columns > 0 ? OD_OK : od_fail(err, OD_EFORMAT, "%s: no item has a verdict, or any number", file);
	od_jsonl_close(in);
	json_decref(seen);
	return st;
}

static enum od_status
put_new(json_t *index, const char *key, size_t position, const char *what, struct od_error *err)
{
	const json_t *before = json_object_get(index, key);

	if (before != NULL)
		return od_fail(err, OD_EFORMAT, "record %zu has the %s of record %lld: '%.*s'", position, what,
			(long long)json_integer_value(before), (int)od_utf8_prefix(key, strlen(key), 60), key);
	return json_object_set_new(index, key, json_integer((json_int_t)position)) == 0 ? OD_OK : od_fail_nomem(err, "an index", position);
}

/* A record without a name is found by its prompt, and, in data, by its position. */
static enum od_status
index_record(struct od_case_records *r, const json_t *record, size_t i, bool by_position, struct od_error *err)
{
	char name[128];
	size_t len;
	const char *prompt = od_question_of(record, &len);
	enum od_status st = OD_OK;

	od_name_of(record, name, sizeof name);
	if (name[0] == '\0' && by_position)
		snprintf(name, sizeof name, "%zu", i);
	if (name[0] != '\0')
		st = put_new(r->by_name, name, i, "name", err);
	else if (prompt == NULL)
		st = od_fail(err, OD_EFORMAT, "record %zu has neither a name ('id', 'key') nor a prompt", i);
	if (st == OD_OK && prompt != NULL && json_object_get(r->by_prompt, prompt) == NULL &&
		json_object_set_new(r->by_prompt, prompt, json_integer((json_int_t)i)) != 0)
		st = od_fail_nomem(err, "an index", i);
	return st;
}

static enum od_status
read_records(struct od_case_records *r, const char *file, bool by_position, struct od_error *err)
{
	struct od_dataset data;
	enum od_status st = od_dataset_read(&data, file, err);
	const json_t *record;
	size_t i;

	r->items = json_incref(data.items);
	od_dataset_release(&data);
	r->by_name = json_object();
	r->by_prompt = json_object();
	json_array_foreach(r->items, i, record) {
		if (st != OD_OK)
			break;
		st = index_record(r, record, i, by_position, err);
		if (st != OD_OK)
			od_error_prefix(err, "%s: ", file);
	}
	return st;
}

enum od_status
od_cases_outputs(struct od_cases *c, int side, const char *file, struct od_error *err)
{
	return read_records(&c->side[side].outputs, file, false, err);
}

enum od_status
od_cases_data(struct od_cases *c, const char *file, struct od_error *err)
{
	return read_records(&c->data, file, true, err);
}

static void
records_release(struct od_case_records *r)
{
	json_decref(r->items);
	json_decref(r->by_name);
	json_decref(r->by_prompt);
}

void
od_cases_release(struct od_cases *c)
{
	for (int s = 0; s < 2; s++) {
		od_sheet_release(&c->side[s].sheet);
		json_decref(c->side[s].items);
		records_release(&c->side[s].outputs);
	}
	records_release(&c->data);
	od_sheet_pairing_release(&c->pairing);
	free(c->c);
	*c = (struct od_cases){ 0 };
}

/* ---- the texts ------------------------------------------------------------------------------------------------------------ */

static const json_t *
item_of(const struct od_cases *c, size_t i, int side)
{
	return json_array_get(c->side[side].items, c->c[i].row[side]);
}

static const json_t *
at(const struct od_case_records *r, const json_t *position)
{
	return position != NULL ? json_array_get(r->items, (size_t)json_integer_value(position)) : NULL;
}

/* By the item's id; "#3", the place of an item without one, is record 3 of those without names; "ID/1" and "ID/2" are the games of
 * an Arena-Hard question. */
static const json_t *
by_name(const struct od_case_records *r, const char *id)
{
	const json_t *found = json_object_get(r->by_name, id);
	size_t n = strlen(id);

	if (found == NULL && id[0] == '#')
		found = json_object_get(r->by_name, id + 1);
	if (found == NULL && n > 2 && (strcmp(id + n - 2, "/1") == 0 || strcmp(id + n - 2, "/2") == 0))
		found = json_object_getn(r->by_name, id, n - 2);
	return at(r, found);
}

/* Where prompts are, but for outputs, which may have to be found by them. */
static const char *
own_prompt(const struct od_cases *c, size_t i, size_t *len)
{
	const char *s = od_question_of(item_of(c, i, 0), len);

	if (s == NULL)
		s = od_question_of(item_of(c, i, 1), len);
	return s != NULL ? s : od_question_of(by_name(&c->data, c->c[i].id), len);
}

static const json_t *
output_of(const struct od_cases *c, size_t i, int side)
{
	const struct od_case_records *r = &c->side[side].outputs;
	const json_t *found = by_name(r, c->c[i].id);
	size_t len;
	const char *prompt = found == NULL ? own_prompt(c, i, &len) : NULL;

	return prompt != NULL ? at(r, json_object_get(r->by_prompt, prompt)) : found;
}

const char *
od_case_prompt(const struct od_cases *c, size_t i, size_t *len)
{
	const char *s = own_prompt(c, i, len);

	for (int side = 0; s == NULL && side < 2; side++)
		s = od_question_of(output_of(c, i, side), len);
	return s;
}

const char *
od_case_response(const struct od_cases *c, size_t i, int side, size_t *len)
{
	const char *s = od_answer_of(item_of(c, i, side), len);

	return s != NULL ? s : od_answer_of(output_of(c, i, side), len);
}

/* od-sample keeps counts of tokens with the response. */
const json_t *
od_case_member(const struct od_cases *c, size_t i, int side, const char *name)
{
	const json_t *v = json_object_get(item_of(c, i, side), name), *out;

	if (v != NULL)
		return v;
	out = output_of(c, i, side);
	v = json_object_get(out, name);
	return v != NULL ? v : json_object_get(json_array_get(json_object_get(out, "responses"), 0), name);
}

/* ---- matching ------------------------------------------------------------------------------------------------------------- */

static bool
find_column(const struct od_sheet *s, const char *name, size_t *out)
{
	for (*out = 0; *out < s->n_columns; ++*out)
		if (strcmp(s->columns[*out].name, name) == 0)
			return true;
	return false;
}

static bool
both_have(const struct od_cases *c, const char *name, size_t column[2])
{
	return find_column(&c->side[0].sheet, name, &column[0]) && find_column(&c->side[1].sheet, name, &column[1]);
}

static enum od_status
choose_metric(struct od_cases *c, const char *wanted, size_t column[2], struct od_error *err)
{
	const struct od_sheet *a = &c->side[0].sheet;

	c->chosen = wanted != NULL;
	if (wanted != NULL) {
		c->metric = wanted;
		for (int s = 0; s < 2; s++)
			if (!find_column(&c->side[s].sheet, wanted, &column[s]))
				return od_fail(err, OD_EMISMATCH, "no item of '%s' has a number '%s'", c->side[s].file, wanted);
		return OD_OK;
	}
	for (const char *const *m = main_metrics; *m != NULL; m++)
		if (both_have(c, c->metric = *m, column))
			return OD_OK;
	for (size_t k = 0; k < a->n_columns; k++)
		if (!is_among(a->columns[k].name, not_verdicts) && both_have(c, c->metric = a->columns[k].name, column))
			return OD_OK;
	return od_fail(err, OD_EMISMATCH, "'%s' and '%s' have no verdict in common; are they of one benchmark?", c->side[0].file,
		c->side[1].file);
}

static int
by_row(const void *a, const void *b)
{
	const struct od_case *x = a, *y = b;

	return (x->row[0] > y->row[0]) - (x->row[0] < y->row[0]);
}

static enum od_change
change_of(double a, double b)
{
	if (!isfinite(a) || !isfinite(b))
		return OD_CHANGE_UNKNOWN;
	return a == b ? OD_CHANGE_SAME : b > a ? OD_CHANGE_GAINED : OD_CHANGE_LOST;
}

static double
value_at(const struct od_sheet *s, size_t row, size_t column)
{
	return s->value[row * s->n_columns + column];
}

static enum od_status
pair_items(struct od_cases *c, struct od_error *err)
{
	struct od_sheet_matches m;
	enum od_status st = od_sheet_match(&m, &c->side[0].sheet, &c->side[1].sheet, err);

	if (st == OD_OK)
		st = od_alloc(&c->c, (size_t)m.matched, sizeof *c->c, "cases", err);
	for (size_t i = 0; st == OD_OK && i < (size_t)m.matched; i++)
		c->c[c->n++] = (struct od_case){ .id = c->side[0].sheet.key[m.a[i]], .row = { m.a[i], m.b[i] } };
	c->only[0] = m.only_a;
	c->only[1] = m.only_b;
	od_sheet_matches_release(&m);
	if (c->n > 0)
		qsort(c->c, c->n, sizeof *c->c, by_row);
	return st;
}

static void
take_verdicts(struct od_cases *c, const size_t column[2])
{
	for (size_t i = 0; i < c->n; i++) {
		struct od_case *k = &c->c[i];

		for (int s = 0; s < 2; s++)
			k->verdict[s] = value_at(&c->side[s].sheet, k->row[s], column[s]);
		k->change = change_of(k->verdict[0], k->verdict[1]);
	}
}

/* Two files may have the same ids and be of different benchmarks. */
static enum od_status
check_prompts(const struct od_cases *c, struct od_error *err)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t n_a, n_b;
		const char *a = od_question_of(item_of(c, i, 0), &n_a), *b = od_question_of(item_of(c, i, 1), &n_b);

		if (a != NULL && b != NULL && (n_a != n_b || memcmp(a, b, n_a) != 0))
			return od_fail(err, OD_EMISMATCH, "item '%s' has another prompt in '%s' than in '%s'", c->c[i].id, c->side[1].file,
				c->side[0].file);
	}
	return OD_OK;
}

static void
count(struct od_cases *c)
{
	c->binary = true;
	for (size_t i = 0; i < c->n; i++) {
		const double *v = c->c[i].verdict;

		c->count[c->c[i].change]++;
		c->both_right += v[0] == 1 && v[1] == 1;
		c->both_wrong += v[0] == 0 && v[1] == 0;
		for (int s = 0; s < 2; s++)
			c->binary = c->binary && (!isfinite(v[s]) || v[s] == 0 || v[s] == 1);
	}
}

enum od_status
od_cases_match(struct od_cases *c, const char *metric, bool mixed, int resamples, uint64_t seed, struct od_error *err)
{
	size_t column[2];
	enum od_status st = pair_items(c, err);

	if (st == OD_OK)
		st = choose_metric(c, metric, column, err);
	if (st == OD_OK && !mixed)
		st = check_prompts(c, err);
	if (st == OD_OK)
		st = od_sheet_compare(&c->pairing, &c->side[0].sheet, &c->side[1].sheet, resamples, seed, err);
	if (st != OD_OK)
		return st;
	for (size_t k = 0; k < c->pairing.n_columns; k++)
		if (strcmp(c->pairing.column[k]->name, c->metric) == 0)
			c->paired = c->pairing.result[k];
	take_verdicts(c, column);
	count(c);
	if (c->paired.n == 0)
		return od_fail(err, OD_EMISMATCH, "no item has a verdict '%s' in both files", c->metric);
	c->p = c->binary ? od_mcnemar(c->paired.up, c->paired.down) : c->paired.p;
	return OD_OK;
}

/* ---- what to show --------------------------------------------------------------------------------------------------------- */

static bool
is_shown(enum od_change change, enum od_cases_show show)
{
	switch (show) {
	case OD_SHOW_FLIPS: return change == OD_CHANGE_GAINED || change == OD_CHANGE_LOST;
	case OD_SHOW_GAINED: return change == OD_CHANGE_GAINED;
	case OD_SHOW_LOST: return change == OD_CHANGE_LOST;
	case OD_SHOW_SAME: return change == OD_CHANGE_SAME;
	case OD_SHOW_ALL: break;
	}
	return true;
}

struct ranked {
	const struct od_case *c;
	size_t place;
	double diff;                               /* its size; -1 when not known */
};

static int
by_diff(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->diff != y->diff)
		return x->diff < y->diff ? 1 : -1;
	return (x->place > y->place) - (x->place < y->place);
}

/* Digits are compared as numbers wherever both names have some, without regard to zeros in front: "#9" stands before "#10". */
static int
by_id(const void *a, const void *b)
{
	static const char digits[] = "0123456789";
	const char *x = ((const struct ranked *)a)->c->id, *y = ((const struct ranked *)b)->c->id;

	for (; *x != '\0' && *y != '\0'; x++, y++) {
		if (strspn(x, digits) > 0 && strspn(y, digits) > 0) {
			size_t n_x, n_y;

			x += strspn(x, "0");
			y += strspn(y, "0");
			n_x = strspn(x, digits);
			n_y = strspn(y, digits);
			if (n_x != n_y)
				return n_x < n_y ? -1 : 1;
		}
		if (*x != *y || *x == '\0')
			break;
	}
	return *x != *y ? ((unsigned char)*x > (unsigned char)*y) - ((unsigned char)*x < (unsigned char)*y) : by_diff(a, b);
}

enum od_status
od_cases_select(const struct od_cases *c, enum od_cases_show show, enum od_cases_sort sort, size_t **order, size_t *n,
	struct od_error *err)
{
	struct ranked *r = NULL;
	enum od_status st = od_alloc(&r, c->n, sizeof *r, "cases", err);

	*n = 0;
	if (st == OD_OK)
		st = od_alloc(order, c->n, sizeof **order, "cases", err);
	for (size_t i = 0; st == OD_OK && i < c->n; i++) {
		double d = fabs(c->c[i].verdict[1] - c->c[i].verdict[0]);

		if (is_shown(c->c[i].change, show))
			r[(*n)++] = (struct ranked){ &c->c[i], i, isfinite(d) ? d : -1 };
	}
	if (st == OD_OK && *n > 1)
		qsort(r, *n, sizeof *r, sort == OD_SORT_ID ? by_id : by_diff);
	for (size_t i = 0; st == OD_OK && i < *n; i++)
		(*order)[i] = r[i].place;
	free(r);
	return st;
}

/* ---- what differs --------------------------------------------------------------------------------------------------------- */

static bool
is_judgment(const struct od_cases *c, const char *name)
{
	static const char *const others[] = { "id", "key", "index", "idx", "prompt_id", "question_id", "uid", "tokens", "finish_reason",
		"response", "output", "text", "completion", "run", "sample", NULL };

	return strcmp(name, c->metric) != 0 && !is_among(name, others) && !is_among(name, od_question_fields);
}

/* Strings as long as texts are none. */
static bool
is_scalar(const json_t *v)
{
	return v == NULL || json_is_number(v) || json_is_boolean(v) || json_is_null(v) ||
		(json_is_string(v) && json_string_length(v) <= 200);
}

static bool
equal(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return json_number_value(a) == json_number_value(b);
	return json_equal(a, b) || ((a == NULL || json_is_null(a)) && (b == NULL || json_is_null(b)));
}

static void
visit_lists(const char *member, const json_t *types, const json_t *a, const json_t *b, od_case_visitor *visit, void *arg)
{
	size_t n = json_array_size(types);

	if (n == 0 || json_array_size(a) != n || json_array_size(b) != n || a == types)
		return;
	for (size_t k = 0; k < n; k++)
		if (!equal(json_array_get(a, k), json_array_get(b, k)) && json_is_string(json_array_get(types, k)))
			visit(arg, member, json_string_value(json_array_get(types, k)), json_array_get(a, k), json_array_get(b, k));
}

void
od_case_differences(const struct od_cases *c, size_t i, od_case_visitor *visit, void *arg)
{
	const json_t *a = item_of(c, i, 0), *b = item_of(c, i, 1), *types = json_object_get(a, "instruction_id_list"), *vb;
	const char *name;
	json_t *va;

	json_object_foreach((json_t *)(uintptr_t)a, name, va) {
		vb = json_object_get(b, name);
		if (!is_judgment(c, name))
			continue;
		if (json_is_array(va))
			visit_lists(name, types, va, vb, visit, arg);
		else if (is_scalar(va) && is_scalar(vb) && !equal(va, vb))
			visit(arg, name, NULL, va, vb);
	}
	json_object_foreach((json_t *)(uintptr_t)b, name, va)
		if (json_object_get(a, name) == NULL && is_judgment(c, name) && is_scalar(va) && !json_is_null(va))
			visit(arg, name, NULL, NULL, va);
}
