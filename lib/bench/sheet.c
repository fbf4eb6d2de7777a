/* sheet.c -- see sheet.h. */
#include "bench/sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stats/draw.h"

void
od_sheet_init(struct od_sheet *s, const char *benchmark, const struct od_sheet_column *columns, size_t n_columns)
{
	*s = (struct od_sheet){ .benchmark = benchmark, .columns = columns, .n_columns = n_columns };
}

void
od_sheet_release(struct od_sheet *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->key[i]);
	free(s->key);
	free(s->value);
	if (s->own) {
		for (size_t c = 0; c < s->n_columns; c++)
			free((char *)s->columns[c].name);
		free((void *)s->columns);
	}
	json_decref(s->run);
	*s = (struct od_sheet){ 0 };
}

void
od_sheet_made(struct od_sheet *s, json_t *run)
{
	json_decref(s->run);
	s->run = json_incref(run);
}

enum od_status
od_sheet_add(struct od_sheet *s, const char *id, int64_t position, const double *values, struct od_error *err)
{
	char place[32];
	char *key;

	snprintf(place, sizeof place, "#%lld", (long long)position);
	key = od_strdup(id != NULL && id[0] != '\0' ? id : place);
	if (key == NULL || !od_grow(&s->key, &s->cap_key, s->n + 1, sizeof *s->key) ||
		!od_grow(&s->value, &s->cap_value, (s->n + 1) * s->n_columns, sizeof *s->value)) {
		free(key);
		return od_fail_nomem(err, "the items", (s->n + 1) * s->n_columns * sizeof *s->value);
	}
	if (s->n_columns > 0)
		memcpy(s->value + s->n * s->n_columns, values, s->n_columns * sizeof *values);
	s->key[s->n++] = key;
	return OD_OK;
}

void
od_sheet_item(const struct od_sheet *s, size_t i, struct od_buf *out)
{
	od_buf_str(out, "{\"id\":");
	od_buf_json_string(out, s->key[i], strlen(s->key[i]));
	for (size_t c = 0; c < s->n_columns; c++) {
		od_buf_printf(out, ",\"%s\":", s->columns[c].name);
		od_buf_json_double(out, s->value[i * s->n_columns + c]);
	}
	od_manifest_write(s->run, out);
	od_buf_char(out, '}');
}

/* ---- reading items back -------------------------------------------------------------------------------------------- */

static bool
is_value(const json_t *v)
{
	return json_is_number(v) || json_is_null(v) || json_is_boolean(v);
}

/* Control members and places are no measurements. */
static bool
is_place(const char *name)
{
	return strcmp(name, "id") == 0 || strcmp(name, "index") == 0 || strcmp(name, "key") == 0;
}

static double
value_of(const json_t *v)
{
	if (json_is_boolean(v))
		return json_is_true(v);
	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* Rows get one more value, NaN. Columns appear with the first record or nearly so: this moves few rows. */
static bool
widen_rows(struct od_sheet *s)
{
	size_t old = s->n_columns, new = old + 1;

	if (!od_grow(&s->value, &s->cap_value, (s->n + 1) * new, sizeof *s->value))
		return false;
	for (size_t i = s->n; i-- > 0;) {
		memmove(s->value + i * new, s->value + i * old, old * sizeof *s->value);
		s->value[i * new + old] = NAN;
	}
	return true;
}

static bool
add_column(struct od_sheet *s, const char *key)
{
	struct od_sheet_column *columns = (struct od_sheet_column *)s->columns;
	char *name = od_strdup(key);

	columns = name != NULL ? realloc(columns, (s->n_columns + 1) * sizeof *columns) : NULL;
	if (columns != NULL)
		s->columns = columns;
	if (columns == NULL || !widen_rows(s)) {
		free(name);
		return false;
	}
	columns[s->n_columns++] = (struct od_sheet_column){ name, name };
	return true;
}

static bool
add_columns(struct od_sheet *s, json_t *obj)
{
	const char *key;
	json_t *v;

	json_object_foreach(obj, key, v) {
		size_t c = 0;

		if (!is_value(v) || is_place(key))
			continue;
		while (c < s->n_columns && strcmp(s->columns[c].name, key) != 0)
			c++;
		if (c == s->n_columns && !add_column(s, key))
			return false;
	}
	return true;
}

/* All items of a file were made alike. */
static enum od_status
take_run(struct od_sheet *s, const struct od_record *rec, struct od_error *err)
{
	json_t *run = json_object_get(rec->json, "run");
	const char *differ;

	if (run != NULL && !json_is_object(run))
		return od_json_fail_type(run, "run", "an object", err);
	if (s->n == 0)
		od_sheet_made(s, run);
	differ = od_manifest_differ(s->run, run, true);
	if (differ == NULL)
		return OD_OK;
	return od_fail(err, OD_EMISMATCH, "%s:%lld: the item is of another run than those before it: '%s' differs", rec->source,
		(long long)rec->lineno, differ);
}

enum od_status
od_sheet_add_record(struct od_sheet *s, const struct od_record *rec, struct od_error *err)
{
	double *row = NULL;
	enum od_status st = take_run(s, rec, err);

	s->own = true;
	if (st != OD_OK)
		return st;
	if (!add_columns(s, rec->json))
		return od_fail_nomem(err, "columns", rec->len);
	st = od_alloc(&row, s->n_columns, sizeof *row, "an item", err);
	if (st != OD_OK)
		return st;
	for (size_t c = 0; c < s->n_columns; c++)
		row[c] = value_of(json_object_get(rec->json, s->columns[c].name));
	st = od_sheet_add(s, rec->id, rec->index, row, err);
	free(row);
	return st;
}

enum od_status
od_sheet_read(struct od_sheet *s, const char *file, struct od_error *err)
{
	struct od_record_options all = OD_RECORD_OPTIONS_INIT;
	struct od_jsonl *in = NULL;
	struct od_record rec;
	enum od_status st = od_jsonl_open(&in, &file, 1, &all, err);

	od_sheet_init(s, NULL, NULL, 0);
	while (st == OD_OK) {
		st = od_jsonl_next(in, &rec, err);
		if (st == OD_OK)
			st = od_sheet_add_record(s, &rec, err);
	}
	od_jsonl_close(in);
	if (st == OD_EOF)
		st = s->n_columns > 0 ? OD_OK : od_fail(err, OD_EFORMAT, "%s: no item has a number", file);
	if (st != OD_OK)
		od_sheet_release(s);
	return st;
}

/* ---- summary -------------------------------------------------------------------------------------------------------- */

struct od_moments
od_sheet_moments(const struct od_sheet *s, size_t c)
{
	struct od_moments m = OD_MOMENTS_INIT;

	for (size_t i = 0; i < s->n; i++)
		od_moments_add(&m, s->value[i * s->n_columns + c]);
	return m;
}

void
od_sheet_table(const struct od_sheet *s, struct od_buf *out)
{
	struct od_table t = OD_TABLE_INIT(4, "lrrr");

	for (const char *const *h = (const char *const[]){ "", "mean", "std. error", "items", NULL }; *h != NULL; h++)
		od_table_cell(&t, *h);
	for (size_t c = 0; c < s->n_columns; c++) {
		struct od_moments m = od_sheet_moments(s, c);

		if (m.n == 0)
			continue;
		od_table_cell(&t, s->columns[c].title);
		od_table_number(&t, od_moments_mean(&m), 4);
		od_table_number(&t, od_moments_se(&m), 2);
		od_table_cellf(&t, "%lld", (long long)m.n);
	}
	od_table_render(&t, out, "  ");
	od_table_release(&t);
}

static void
member(struct od_buf *out, const char *name, double v, bool first)
{
	od_buf_printf(out, "%s\"%s\":", first ? "" : ",", name);
	od_buf_json_double(out, v);
}

static void
column_key(struct od_buf *out, const char *name, bool first)
{
	od_buf_str(out, first ? "" : ",");
	od_buf_json_string(out, name, strlen(name));
	od_buf_char(out, ':');
}

void
od_sheet_json(const struct od_sheet *s, struct od_buf *out)
{
	od_buf_str(out, "\"metrics\":{");
	for (size_t c = 0; c < s->n_columns; c++) {
		struct od_moments m = od_sheet_moments(s, c);

		column_key(out, s->columns[c].name, c == 0);
		od_buf_char(out, '{');
		member(out, "mean", od_moments_mean(&m), true);
		member(out, "se", od_moments_se(&m), false);
		od_buf_printf(out, ",\"n\":%lld}", (long long)m.n);
	}
	od_buf_char(out, '}');
	od_manifest_write(s->run, out);
}

/* ---- comparison ----------------------------------------------------------------------------------------------------- */

struct keyed {
	const char *key;
	size_t row;
};

static int
compare_keyed(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

static enum od_status
sorted_keys(const struct od_sheet *s, struct keyed **out, struct od_error *err)
{
	enum od_status st = od_alloc(out, s->n, sizeof **out, "the items", err);

	for (size_t i = 0; st == OD_OK && i < s->n; i++)
		(*out)[i] = (struct keyed){ s->key[i], i };
	if (st == OD_OK && s->n > 1)
		qsort(*out, s->n, sizeof **out, compare_keyed);
	return st;
}

enum od_status
od_sheet_match(struct od_sheet_matches *m, const struct od_sheet *a, const struct od_sheet *b, struct od_error *err)
{
	struct keyed *ka = NULL, *kb = NULL;
	size_t i = 0, j = 0, least = a->n < b->n ? a->n : b->n;
	enum od_status st = sorted_keys(a, &ka, err);

	*m = (struct od_sheet_matches)OD_SHEET_MATCHES_INIT;
	if (st == OD_OK)
		st = sorted_keys(b, &kb, err);
	if (st == OD_OK)
		st = od_alloc(&m->a, least, sizeof *m->a, "the items", err);
	if (st == OD_OK)
		st = od_alloc(&m->b, least, sizeof *m->b, "the items", err);
	while (st == OD_OK && i < a->n && j < b->n) {
		int order = strcmp(ka[i].key, kb[j].key);

		if (order == 0) {
			m->a[m->matched] = ka[i].row;
			m->b[m->matched++] = kb[j].row;
		}
		i += order <= 0;
		j += order >= 0;
	}
	m->only_a = (int64_t)a->n - m->matched;
	m->only_b = (int64_t)b->n - m->matched;
	free(ka);
	free(kb);
	if (st == OD_OK && m->matched == 0)
		st = od_fail(err, OD_EMISMATCH, "cannot compare: the two have no item in common");
	return st;
}

void
od_sheet_matches_release(struct od_sheet_matches *m)
{
	free(m->a);
	free(m->b);
	*m = (struct od_sheet_matches)OD_SHEET_MATCHES_INIT;
}

/* Compares column ca of a with column cb of b into the next result. */
static enum od_status
compare_column(struct od_sheet_pairing *p, const struct od_sheet *a, size_t ca, const struct od_sheet *b, size_t cb,
	const struct od_sheet_matches *m, int resamples, uint64_t seed, struct od_error *err)
{
	size_t n = (size_t)p->matched;
	double *x;
	enum od_status st = od_alloc(&x, n, 2 * sizeof *x, "a column", err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < n; i++) {
		x[i] = a->value[m->a[i] * a->n_columns + ca];
		x[n + i] = b->value[m->b[i] * b->n_columns + cb];
	}
	st = od_paired_compare(x, x + n, n, resamples, seed, &p->result[p->n_columns], err);
	p->column[p->n_columns++] = &a->columns[ca];
	free(x);
	return st;
}

static enum od_status
compare_columns(struct od_sheet_pairing *p, const struct od_sheet *a, const struct od_sheet *b, const struct od_sheet_matches *m,
	int resamples, uint64_t seed, struct od_error *err)
{
	enum od_status st = od_alloc(&p->result, a->n_columns, sizeof *p->result, "a comparison", err);

	if (st == OD_OK)
		st = od_alloc(&p->column, a->n_columns, sizeof *p->column, "a comparison", err);
	for (size_t ca = 0; st == OD_OK && ca < a->n_columns; ca++)
		for (size_t cb = 0; st == OD_OK && cb < b->n_columns; cb++)
			if (strcmp(a->columns[ca].name, b->columns[cb].name) == 0)
				st = compare_column(p, a, ca, b, cb, m, resamples, seed, err);
	if (st == OD_OK && p->n_columns == 0)
		st = od_fail(err, OD_EMISMATCH, "cannot compare: the two have no measurement in common");
	return st;
}

enum od_status
od_sheet_compare(struct od_sheet_pairing *p, const struct od_sheet *a, const struct od_sheet *b, int resamples,
	uint64_t seed, struct od_error *err)
{
	struct od_sheet_matches m;
	enum od_status st = od_sheet_match(&m, a, b, err);

	*p = (struct od_sheet_pairing)OD_SHEET_PAIRING_INIT;
	p->matched = m.matched;
	p->only_a = m.only_a;
	p->only_b = m.only_b;
	if (st == OD_OK)
		st = compare_columns(p, a, b, &m, resamples, seed, err);
	od_sheet_matches_release(&m);
	if (st != OD_OK)
		od_sheet_pairing_release(p);
	return st;
}

void
od_sheet_pairing_release(struct od_sheet_pairing *p)
{
	free(p->result);
	free(p->column);
	*p = (struct od_sheet_pairing)OD_SHEET_PAIRING_INIT;
}

static void
pairing_row(struct od_table *t, const char *title, const struct od_paired *r)
{
	char low[OD_NUMBER_TEXT], high[OD_NUMBER_TEXT];

	od_number_text(low, r->ci.low, 3);
	od_number_text(high, r->ci.high, 3);
	od_table_cell(t, title);
	od_table_number(t, r->mean_a, 4);
	od_table_number(t, r->mean_b, 4);
	od_table_number(t, r->diff, 3);
	od_table_number(t, r->se, 2);
	od_table_cellf(t, "[%s, %s]", low, high);
	od_table_cellf(t, "%lld", (long long)r->up);
	od_table_cellf(t, "%lld", (long long)r->down);
	od_table_number(t, r->p, 2);
}

void
od_sheet_pairing_table(const struct od_sheet_pairing *p, const char *name_a, const char *name_b, struct od_buf *out)
{
	const char *const heads[] = { "", name_a, name_b, "difference", "std. error", "95 % interval", "up", "down", "p" };
	struct od_table t = OD_TABLE_INIT(9, "lrrrrlrrr");
	bool any_equal = false;

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		od_table_cell(&t, heads[i]);
	for (size_t c = 0; c < p->n_columns; c++)
		if (p->result[c].up + p->result[c].down > 0)
			pairing_row(&t, p->column[c]->title, &p->result[c]);
	od_buf_printf(out, "%lld items", (long long)p->matched);
	if (p->only_a + p->only_b > 0)
		od_buf_printf(out, " in both; left out: %lld only in %s, %lld only in %s", (long long)p->only_a, name_a,
			(long long)p->only_b, name_b);
	od_buf_char(out, '\n');
	od_table_render(&t, out, "  ");
	for (size_t c = 0; c < p->n_columns; c++) {
		if (p->result[c].up + p->result[c].down > 0 || p->result[c].n == 0)
			continue;
		od_buf_printf(out, "%s%s", any_equal ? ", " : "  equal in every item: ", p->column[c]->title);
		any_equal = true;
	}
	od_buf_str(out, any_equal ? "\n" : "");
	od_table_release(&t);
}

void
od_sheet_pairing_json(const struct od_sheet_pairing *p, struct od_buf *out)
{
	od_buf_printf(out, "\"compare\":{\"items\":%lld,\"only_a\":%lld,\"only_b\":%lld,\"metrics\":{", (long long)p->matched,
		(long long)p->only_a, (long long)p->only_b);
	for (size_t c = 0; c < p->n_columns; c++) {
		const struct od_paired *r = &p->result[c];

		column_key(out, p->column[c]->name, c == 0);
		od_buf_char(out, '{');
		member(out, "a", r->mean_a, true);
		member(out, "b", r->mean_b, false);
		member(out, "diff", r->diff, false);
		member(out, "se", r->se, false);
		member(out, "low", r->ci.low, false);
		member(out, "high", r->ci.high, false);
		od_buf_printf(out, ",\"up\":%lld,\"down\":%lld,\"same\":%lld", (long long)r->up, (long long)r->down,
			(long long)r->same);
		member(out, "p", r->p, false);
		od_buf_char(out, '}');
	}
	od_buf_str(out, "}}");
}
