/* alpaca_rows.c -- see alpaca_rows.h. */
#include "eval/alpaca_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/dataset.h"
#include "io/jsonl.h"

/* ---- models and their rows ---------------------------------------------------------------------------------------------- */

enum od_status
alpaca_find_model(struct alpaca_models *m, const char *name, struct alpaca_model **out, struct od_error *err)
{
	for (size_t i = 0; i < m->n; i++) {
		const char *there = m->model[i].name;

		*out = &m->model[i];
		if (name == NULL ? there == NULL : there != NULL && strcmp(there, name) == 0)
			return OD_OK;
	}
	if (!od_grow(&m->model, &m->cap, m->n + 1, sizeof *m->model))
		return od_fail_nomem(err, "models", m->n);
	*out = &m->model[m->n];
	memset(*out, 0, sizeof **out);
	if (name != NULL && ((*out)->name = od_strdup(name)) == NULL)
		return od_fail_nomem(err, "a name", strlen(name));
	m->n++;
	return OD_OK;
}

enum od_status
alpaca_add_row(struct alpaca_model *m, const struct od_alpaca_row *row, const char *id, int switched, struct od_error *err)
{
	if (!od_grow(&m->row, &m->cap_row, m->n + 1, sizeof *m->row) || !od_grow(&m->id, &m->cap_id, m->n + 1, sizeof *m->id) ||
		!od_grow(&m->switched, &m->cap_switched, m->n + 1, sizeof *m->switched) ||
		(m->id[m->n] = od_strdup(id)) == NULL)
		return od_fail_nomem(err, "rows", m->n);
	m->row[m->n] = *row;
	m->switched[m->n] = (signed char)switched;
	m->n++;
	return OD_OK;
}

void
alpaca_models_release(struct alpaca_models *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct alpaca_model *a = &m->model[i];

		for (size_t k = 0; k < a->n; k++)
			free(a->id[k]);
		free(a->name);
		free(a->baseline);
		free(a->judge);
		free(a->row);
		free(a->id);
		free(a->switched);
		json_decref(a->seen);
	}
	free(m->model);
	memset(m, 0, sizeof *m);
}

/* ---- annotations -------------------------------------------------------------------------------------------------------- */

double
alpaca_code_points(const char *s)
{
	double n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

double
alpaca_logprob_of(const json_t *top, const char *token)
{
	const json_t *t;
	size_t i;

	json_array_foreach(top, i, t) {
		const json_t *name = json_object_get(t, "token"), *value = json_object_get(t, "logprob");

		if (json_is_string(name) && strcmp(json_string_value(name), token) == 0 && json_is_number(value))
			return json_number_value(value);
	}
	return NAN;
}

static enum od_status
preference_of(const json_t *item, enum alpaca_preference from, bool switched, double *out, struct od_error *err)
{
	const json_t *p;

	if (from == ALPACA_LOGPROBS && json_is_null(json_object_get(item, "raw_completion"))) {
		*out = NAN;
		return OD_OK;
	}
	if (from == ALPACA_LOGPROBS) {
		p = od_json_path(item, "raw_completion.logprobs.content.0.top_logprobs");
		if (!json_is_array(p))
			return od_json_fail_type(p, "raw_completion.logprobs.content.0.top_logprobs", "an array", err);
		*out = od_alpaca_preference(alpaca_logprob_of(p, "m"), alpaca_logprob_of(p, "M"), switched);
		return OD_OK;
	}
	p = json_object_get(item, "preference");
	if (!json_is_number(p) && !json_is_null(p))
		return od_json_fail_type(p, "preference", "a number or null", err);
	*out = json_is_null(p) ? NAN : json_number_value(p);
	return OD_OK;
}

/* generator_1 names the baseline, generator_2 the model; one file, one of each, and one annotator. */
static enum od_status
check_names(const struct alpaca_models *models, struct alpaca_model *m, const json_t *item, struct od_error *err)
{
	enum od_status st;

	if (models->n > 1)
		return od_fail(err, OD_EMISMATCH, "annotations of two models, '%s' and '%s': choose one with '--only'",
			models->model[0].name ? models->model[0].name : "(no generator_2)",
			models->model[1].name ? models->model[1].name : "(no generator_2)");
	st = judged_one_name(&m->baseline, json_string_value(json_object_get(item, "generator_1")), "baseline", err);
	return st == OD_OK ? judged_one_name(&m->judge, json_string_value(json_object_get(item, "annotator")), "annotator", err) : st;
}

/* The model's output; NULL where it has none and, of course, no preference. */
static enum od_status
read_output(const json_t *item, const char **out, struct od_error *err)
{
	size_t n;

	*out = NULL;
	if (json_is_null(json_object_get(item, "output_2")) && json_is_null(json_object_get(item, "preference")))
		return OD_OK;
	return od_json_need_string(item, "output_2", out, &n, err);
}

static enum od_status
read_annotation(struct alpaca_models *models, const json_t *item, int64_t index, const char *only, enum alpaca_preference from,
	struct od_error *err)
{
	const char *name = json_string_value(json_object_get(item, "generator_2")), *instruction, *out_1, *out_2;
	struct alpaca_model *m = NULL;
	struct od_alpaca_row row;
	char id[32];
	bool switched = false;
	size_t n, len;
	enum od_status st = OD_OK;

	if (only != NULL && (name == NULL || strcmp(name, only) != 0))
		return OD_OK;
	if ((st = od_json_need_string(item, "instruction", &instruction, &n, err)) != OD_OK ||
		(st = od_json_need_string(item, "output_1", &out_1, &len, err)) != OD_OK ||
		(st = read_output(item, &out_2, err)) != OD_OK ||
		(st = od_alpaca_is_switched(instruction, n, &switched, err)) != OD_OK ||
		(st = preference_of(item, from, switched, &row.preference, err)) != OD_OK ||
		(st = alpaca_find_model(models, name, &m, err)) != OD_OK || (st = check_names(models, m, item, err)) != OD_OK ||
		(st = judged_once(&m->seen, instruction, index, "instruction", err)) != OD_OK)
		return st;
	row.len_1 = alpaca_code_points(out_1);
	row.len_2 = out_2 != NULL ? alpaca_code_points(out_2) : NAN;
	snprintf(id, sizeof id, "%zu", m->n);
	return alpaca_add_row(m, &row, id, switched, err);
}

static enum od_status
need_rows(const struct alpaca_models *m, const char *file, const char *only, struct od_error *err)
{
	if (m->n > 0)
		return OD_OK;
	if (only != NULL)
		return od_fail(err, OD_EFORMAT, "%s: nothing of model '%s'", file, only);
	return od_fail(err, OD_EFORMAT, "%s: no items", file);
}

enum od_status
alpaca_read_annotations(struct alpaca_models *m, const char *file, const char *only, enum alpaca_preference from,
	struct judged_bad *bad, struct od_error *err)
{
	struct od_dataset d;
	enum od_status st = od_dataset_read(&d, file, err);
	const json_t *item;
	size_t i;

	json_array_foreach(d.items, i, item) {
		if (st != OD_OK)
			break;
		st = read_annotation(m, item, (int64_t)i, only, from, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: item %zu: ", file, i);
			st = judged_reject(bad, err);
		}
	}
	od_dataset_release(&d);
	return st == OD_OK ? need_rows(m, file, only, err) : st;
}

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

struct row_columns {
	int model, index, row, preference, len_1, len_2, m, M, switched;
};

static enum od_status
find_columns(struct row_columns *c, const struct od_csv *t, enum alpaca_preference from, struct od_error *err)
{
	enum od_status st = OD_OK;

	c->model = od_csv_find(t, "model");
	c->index = od_csv_find(t, "instruction_index");
	c->row = od_csv_find(t, "row");
	c->len_1 = od_csv_find(t, "len_1");
	c->len_2 = od_csv_find(t, "len_2");
	if (from == ALPACA_STORED)
		return od_csv_need(t, "preference", &c->preference, err);
	st = od_csv_need(t, "logprob_m", &c->m, err);
	if (st == OD_OK)
		st = od_csv_need(t, "logprob_M", &c->M, err);
	return st == OD_OK ? od_csv_need(t, "is_switched", &c->switched, err) : st;
}

static enum od_status
optional_number(const struct od_csv *t, size_t row, int column, double *out, struct od_error *err)
{
	*out = NAN;
	return column < 0 ? OD_OK : od_csv_number(t, row, column, out, err);
}

/* The row's preference; *switched stays as it is where the table does not say. */
static enum od_status
row_preference(const struct od_csv *t, size_t i, const struct row_columns *c, enum alpaca_preference from, double *out,
	int *switched, struct od_error *err)
{
	double m, M, s;
	enum od_status st;

	if (from == ALPACA_STORED)
		return od_csv_number(t, i, c->preference, out, err);
	if ((st = od_csv_number(t, i, c->m, &m, err)) != OD_OK || (st = od_csv_number(t, i, c->M, &M, err)) != OD_OK ||
		(st = od_csv_number(t, i, c->switched, &s, err)) != OD_OK)
		return st;
	if (s != 0 && s != 1)
		return od_fail(err, OD_EFORMAT, "%s:%lld: is_switched must be 0 or 1", t->name, (long long)t->line[i + 1]);
	*switched = s == 1;
	*out = od_alpaca_preference(m, M, *switched);
	return OD_OK;
}

static enum od_status
read_row(struct alpaca_models *models, const struct od_csv *t, size_t i, const struct row_columns *c, const char *only,
	enum alpaca_preference from, struct od_error *err)
{
	const char *name = c->model >= 0 ? od_csv_text(t, i, c->model) : NULL;
	int id_column = c->index >= 0 ? c->index : c->row, switched = -1;
	struct alpaca_model *m = NULL;
	struct od_alpaca_row row;
	char id[64];
	enum od_status st;

	if (only != NULL && name != NULL && strcmp(name, only) != 0)
		return OD_OK;
	if ((st = row_preference(t, i, c, from, &row.preference, &switched, err)) != OD_OK ||
		(st = optional_number(t, i, c->len_1, &row.len_1, err)) != OD_OK ||
		(st = optional_number(t, i, c->len_2, &row.len_2, err)) != OD_OK ||
		(st = alpaca_find_model(models, name, &m, err)) != OD_OK)
		return st;
	if (id_column >= 0)
		snprintf(id, sizeof id, "%s", od_csv_text(t, i, id_column));
	else
		snprintf(id, sizeof id, "%zu", m->n);
	st = judged_once(&m->seen, id, (int64_t)i, "instruction_index", err);
	if (st != OD_OK) {
		od_error_prefix(err, "%s:%lld: ", t->name, (long long)t->line[i + 1]);
		return st;
	}
	return alpaca_add_row(m, &row, id, switched, err);
}

enum od_status
alpaca_read_rows(struct alpaca_models *m, const char *file, const char *only, enum alpaca_preference from,
	struct judged_bad *bad, struct od_error *err)
{
	struct row_columns c;
	struct od_csv t;
	enum od_status st = od_csv_read(&t, file, err);

	if (st == OD_OK)
		st = find_columns(&c, &t, from, err);
	for (size_t i = 0; st == OD_OK && i < t.n_rows; i++) {
		st = read_row(m, &t, i, &c, only, from, err);
		if (st != OD_OK)
			st = judged_reject(bad, err);
	}
	od_csv_release(&t);
	return st == OD_OK ? need_rows(m, file, only, err) : st;
}

/* ---- what the regression needs besides ----------------------------------------------------------------------------------- */

/* A number that must be there. */
static enum od_status
need_number(const struct od_csv *t, size_t row, int column, double *out, struct od_error *err)
{
	enum od_status st = od_csv_number(t, row, column, out, err);

	if (st == OD_OK && isnan(*out))
		st = od_fail(err, OD_EFORMAT, "%s:%lld: column '%s' has no number", t->name, (long long)t->line[row + 1],
			t->field[column]);
	return st;
}

enum od_status
alpaca_read_difficulty(double **out, size_t *n, const char *file, struct od_error *err)
{
	struct od_csv t;
	enum od_status st = od_csv_read(&t, file, err);
	int column = 0, index;
	double i;

	*out = NULL;
	if (st == OD_OK)
		st = od_csv_need(&t, "instruction_difficulty", &column, err);
	if (st == OD_OK)
		st = od_alloc(out, t.n_rows, sizeof **out, "difficulties", err);
	index = od_csv_find(&t, "") >= 0 ? od_csv_find(&t, "") : od_csv_find(&t, "index");
	for (size_t r = 0; st == OD_OK && r < t.n_rows; r++) {
		st = need_number(&t, r, column, *out + r, err);
		if (st == OD_OK && index >= 0)
			st = need_number(&t, r, index, &i, err);
		if (st == OD_OK && index >= 0 && i != (double)r)
			st = od_fail(err, OD_EFORMAT, "%s:%lld: difficulties must be in the order of instructions; this is that of %g, not %zu",
				t.name, (long long)t.line[r + 1], i, r);
	}
	*n = t.n_rows;
	od_csv_release(&t);
	return st;
}

enum od_status
alpaca_read_gamed(struct od_alpaca_gamed **out, size_t *n, const char *file, struct od_error *err)
{
	struct od_csv t;
	enum od_status st = od_csv_read(&t, file, err);
	int y = 0, delta = 0, difficulty = 0;

	*out = NULL;
	if (st == OD_OK)
		st = od_csv_need(&t, "preference", &y, err);
	if (st == OD_OK)
		st = od_csv_need(&t, "std_delta_len", &delta, err);
	if (st == OD_OK)
		st = od_csv_need(&t, "instruction_difficulty", &difficulty, err);
	if (st == OD_OK)
		st = od_alloc(out, t.n_rows, sizeof **out, "gamed rows", err);
	for (size_t r = 0; st == OD_OK && r < t.n_rows; r++) {
		struct od_alpaca_gamed *g = *out + r;

		if ((st = need_number(&t, r, y, &g->y, err)) == OD_OK && (st = need_number(&t, r, delta, &g->std_delta_len, err)) == OD_OK)
			st = need_number(&t, r, difficulty, &g->difficulty, err);
		if (st == OD_OK && !(g->y >= 0 && g->y <= 1))
			st = od_fail(err, OD_EFORMAT, "%s:%lld: a gamed preference must lie in 0..1, not %g", t.name,
				(long long)t.line[r + 1], g->y);
	}
	*n = t.n_rows;
	od_csv_release(&t);
	return st;
}

/* Exactly three numbers with commas between. */
static bool
three_numbers(const char *text, double *out)
{
	const char *p = text;

	for (int i = 0; i < OD_ALPACA_FEATURES; i++) {
		size_t n = strcspn(p, ",");
		char part[64];

		if (n >= sizeof part || (p[n] == ',') != (i < OD_ALPACA_FEATURES - 1))
			return false;
		memcpy(part, p, n);
		part[n] = '\0';
		if (!od_num_double(part, out + i))
			return false;
		p += n + 1;
	}
	return true;
}

enum od_status
alpaca_read_coefficients(struct alpaca_coefficients *c, const char *text, struct od_error *err)
{
	enum od_status st;

	c->given = three_numbers(text, c->coef);
	if (c->given)
		return OD_OK;
	st = od_csv_read(&c->table, text, err);
	if (st == OD_OK && c->table.n_columns != OD_ALPACA_FEATURES + 1)
		st = od_fail(err, OD_EFORMAT, "%s: coefficients need 4 columns (model, length, difficulty, model's own), not %zu", text,
			c->table.n_columns);
	return st;
}

enum od_status
alpaca_find_coefficients(const struct alpaca_coefficients *c, const char *model, double coef[OD_ALPACA_FEATURES],
	struct od_error *err)
{
	enum od_status st = OD_OK;

	if (c->given) {
		memcpy(coef, c->coef, sizeof c->coef);
		return OD_OK;
	}
	for (size_t r = 0; model != NULL && r < c->table.n_rows; r++) {
		if (strcmp(od_csv_text(&c->table, r, 0), model) != 0)
			continue;
		for (int i = 0; st == OD_OK && i < OD_ALPACA_FEATURES; i++)
			st = need_number(&c->table, r, i + 1, &coef[i], err);
		return st;
	}
	return od_fail(err, OD_EFORMAT, "%s: no coefficients of model '%s'", c->table.name, model ? model : "(without a name)");
}
