#include "bench/ifeval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/jsonl.h"
#include "stats/draw.h"

static const char *const way_names[OD_IFEVAL_WAYS] = { "strict", "loose" };

/* ---- data ------------------------------------------------------------------------------------------------------------- */

static enum od_status
add_prompt(struct od_ifeval_data *d, const struct od_record *rec, struct od_error *err)
{
	struct od_ifeval_prompt p = { 0 };
	enum od_status st;

	if (!od_item_id(json_object_get(rec->json, "key"), p.key))
		return od_fail(err, OD_EFORMAT, "field 'key' must be an integer or a short string");
	st = od_json_need_string(rec->json, "prompt", &p.prompt, NULL, err);
	if (st == OD_OK)
		st = od_ifeval_item_new(&p.item, json_object_get(rec->json, "instruction_id_list"), json_object_get(rec->json, "kwargs"),
			err);
	if (st == OD_OK && !od_grow(&d->p, &d->cap, d->n + 1, sizeof *d->p))
		st = od_fail_nomem(err, "items", d->n);
	if (st == OD_OK)
		st = od_roster_add(&d->roster, p.key, p.prompt, err);
	if (st != OD_OK) {
		od_ifeval_item_free(p.item);
		return st;
	}
	p.record = json_incref(rec->json);
	d->p[d->n++] = p;
	return OD_OK;
}

enum od_status
od_ifeval_data_read(struct od_ifeval_data *d, const char *file, struct od_error *err)
{
	struct od_record_options all = OD_RECORD_OPTIONS_INIT;
	struct od_jsonl *in = NULL;
	struct od_record rec;
	enum od_status st;

	*d = (struct od_ifeval_data){ 0 };
	st = od_roster_init(&d->roster, "key", "prompts", false, err);
	if (st == OD_OK)
		st = od_jsonl_open(&in, &file, 1, &all, err);
	while (st == OD_OK && (st = od_jsonl_next(in, &rec, err)) == OD_OK) {
		st = add_prompt(d, &rec, err);
		if (st != OD_OK)
			st = od_jsonl_reject(in, &rec, err);
	}
	od_jsonl_close(in);
	return st == OD_EOF ? OD_OK : st;
}

void
od_ifeval_data_release(struct od_ifeval_data *d)
{
	for (size_t i = 0; i < d->n; i++) {
		od_ifeval_item_free(d->p[i].item);
		json_decref(d->p[i].record);
	}
	free(d->p);
	od_roster_release(&d->roster);
	*d = (struct od_ifeval_data){ 0 };
}

/* ---- outputs ---------------------------------------------------------------------------------------------------------- */

enum od_status
od_ifeval_match(struct od_ifeval_data *d, const json_t *output, struct od_ifeval_prompt **p, const char **response, size_t *len,
	bool *several, struct od_error *err)
{
	const json_t *key = json_object_get(output, "key");
	const char *prompt = json_string_value(json_object_get(output, "prompt"));
	char name[OD_ITEM_ID];
	struct od_said said;
	size_t i, n;
	enum od_status st;

	if (key && !od_item_id(key, name))
		return od_fail(err, OD_EFORMAT, "field 'key' must be an integer or a short string");
	st = od_roster_find(&d->roster, key ? name : NULL, prompt, &i, err);
	if (st == OD_OK)
		st = od_output_count(output, &n, err);
	if (st == OD_OK)
		st = od_output_said(output, 0, &said, err);
	if (st != OD_OK)
		return st;
	*several = n > 1;
	*response = said.text;
	*len = said.len;
	*p = &d->p[i];
	d->roster.item[i].seen = true;
	return OD_OK;
}

/* ---- verdicts --------------------------------------------------------------------------------------------------------- */

enum od_status
od_ifeval_judge(struct od_ifeval_result *r, const struct od_ifeval_prompt *p, struct od_ifeval_checker *c, const char *response,
	size_t len, struct od_error *err)
{
	enum od_status st;

	r->n = od_ifeval_item_count(p->item);
	for (int w = 0; w < OD_IFEVAL_WAYS; w++) {
		if (!od_grow(&r->v[w], &r->cap[w], r->n, sizeof *r->v[w]))
			return od_fail_nomem(err, "verdicts", r->n);
	}
	st = od_ifeval_check(p->item, c, response, len, r->v[OD_IFEVAL_STRICT], r->v[OD_IFEVAL_LOOSE], err);
	return st == OD_OK ? OD_OK : od_error_prefix(err, "key '%s': ", p->key);
}

void
od_ifeval_result_release(struct od_ifeval_result *r)
{
	for (int w = 0; w < OD_IFEVAL_WAYS; w++)
		free(r->v[w]);
	*r = (struct od_ifeval_result){ 0 };
}

enum od_verdict
od_ifeval_overall(const struct od_ifeval_result *r, int way)
{
	enum od_verdict v = OD_FOLLOWED;

	for (size_t i = 0; i < r->n; i++) {
		if (r->v[way][i] == OD_UNDECIDED)
			return OD_UNDECIDED;
		if (r->v[way][i] == OD_NOT_FOLLOWED)
			v = OD_NOT_FOLLOWED;
	}
	return v;
}

/* How many are followed, of how many that are decided. */
static void
count(const struct od_ifeval_result *r, int way, double *followed, double *asked)
{
	*followed = *asked = 0;
	for (size_t i = 0; i < r->n; i++) {
		*followed += r->v[way][i] == OD_FOLLOWED;
		*asked += r->v[way][i] != OD_UNDECIDED;
	}
}

static const char *
verdict_json(enum od_verdict v)
{
	return v == OD_UNDECIDED ? "null" : v == OD_FOLLOWED ? "true" : "false";
}

static void
write_units(const struct od_text_units *u, struct od_buf *out)
{
	od_buf_printf(out, ",\"units\":{\"words\":%zu,\"sentences\":%zu,\"tokens\":%zu,\"capital_tokens\":%zu,\"language\":", u->words,
		u->sentences, u->tokens, u->capital_tokens);
	if (u->language)
		od_buf_json_string(out, u->language, strlen(u->language));
	else
		od_buf_str(out, "null");
	od_buf_str(out, ",\"language_prob\":");
	od_buf_json_double(out, u->language_prob);
	od_buf_char(out, '}');
}

void
od_ifeval_write(const struct od_ifeval_prompt *p, const struct od_ifeval_result *r, const struct od_text_units *units,
	struct od_buf *out)
{
	od_buf_str(out, "{\"id\":");
	od_buf_json_string(out, p->key, strlen(p->key));
	od_buf_str(out, ",\"key\":");
	if (json_is_integer(json_object_get(p->record, "key")))
		od_buf_str(out, p->key);
	else
		od_buf_json_string(out, p->key, strlen(p->key));
	od_buf_str(out, ",\"instruction_id_list\":[");
	for (size_t i = 0; i < r->n; i++)
		od_buf_printf(out, "%s\"%s\"", i ? "," : "", od_ifeval_type_name(od_ifeval_item_type(p->item, i)));
	od_buf_char(out, ']');
	for (int w = 0; w < OD_IFEVAL_WAYS; w++) {
		od_buf_printf(out, ",\"%s\":[", way_names[w]);
		for (size_t i = 0; i < r->n; i++)
			od_buf_printf(out, "%s%s", i ? "," : "", verdict_json(r->v[w][i]));
		od_buf_char(out, ']');
	}
	for (int w = 0; w < OD_IFEVAL_WAYS; w++) {
		double followed, asked;

		count(r, w, &followed, &asked);
		od_buf_printf(out, ",\"prompt_%s\":%s,\"share_%s\":", way_names[w], verdict_json(od_ifeval_overall(r, w)), way_names[w]);
		od_buf_json_double(out, asked > 0 ? followed / asked : NAN);
	}
	if (units)
		write_units(units, out);
}

/* ---- figures ---------------------------------------------------------------------------------------------------------- */

void
od_share_add(struct od_share *s, double followed, double asked)
{
	if (!(asked > 0))
		return;
	s->n++;
	s->followed += followed;
	s->asked += asked;
	s->ff += followed * followed;
	s->fa += followed * asked;
	s->aa += asked * asked;
}

double
od_share_mean(const struct od_share *s)
{
	return s->n > 0 ? s->followed / s->asked : NAN;
}

double
od_share_se(const struct od_share *s)
{
	double r = od_share_mean(s), n = (double)s->n;
	double squares = s->ff - 2 * r * s->fa + r * r * s->aa;

	return s->n > 1 ? sqrt(n / (n - 1) * (squares > 0 ? squares : 0)) / s->asked : NAN;
}

void
od_ifeval_add(struct od_ifeval_tally *t, const struct od_ifeval_prompt *p, const struct od_ifeval_result *r)
{
	t->prompts++;
	t->instructions += (int64_t)r->n;
	for (int w = 0; w < OD_IFEVAL_WAYS; w++) {
		enum od_verdict all = od_ifeval_overall(r, w);
		double followed, asked;

		count(r, w, &followed, &asked);
		od_share_add(&t->prompt[w], all == OD_FOLLOWED, all != OD_UNDECIDED);
		od_share_add(&t->instruction[w], followed, asked);
		for (size_t i = 0; i < r->n; i++)
			od_share_add(&t->type[w][od_ifeval_item_type(p->item, i)], r->v[w][i] == OD_FOLLOWED,
				r->v[w][i] != OD_UNDECIDED);
		if (w == OD_IFEVAL_STRICT)
			t->undecided += (int64_t)r->n - (int64_t)asked;
	}
}

static void
share_json(const struct od_share *s, struct od_buf *out)
{
	od_buf_str(out, "{\"mean\":");
	od_buf_json_double(out, od_share_mean(s));
	od_buf_str(out, ",\"se\":");
	od_buf_json_double(out, od_share_se(s));
	od_buf_printf(out, ",\"n\":%.0f}", s->asked);
}

void
od_ifeval_json(const struct od_ifeval_tally *t, struct od_buf *out)
{
	bool first = true;

	od_buf_str(out, "\"metrics\":{");
	for (int w = 0; w < OD_IFEVAL_WAYS; w++) {
		od_buf_printf(out, "%s\"prompt_%s\":", w ? "," : "", way_names[w]);
		share_json(&t->prompt[w], out);
		od_buf_printf(out, ",\"instruction_%s\":", way_names[w]);
		share_json(&t->instruction[w], out);
	}
	od_buf_str(out, "},\"types\":{");
	for (size_t i = 0; i < OD_IFEVAL_TYPES; i++) {
		if (t->type[OD_IFEVAL_STRICT][i].n == 0)
			continue;
		od_buf_printf(out, "%s\"%s\":{", first ? "" : ",", od_ifeval_type_name(i));
		for (int w = 0; w < OD_IFEVAL_WAYS; w++) {
			od_buf_printf(out, "%s\"%s\":", w ? "," : "", way_names[w]);
			share_json(&t->type[w][i], out);
		}
		od_buf_char(out, '}');
		first = false;
	}
	od_buf_char(out, '}');
}

static void
table_row(struct od_table *t, const char *name, const struct od_share *strict, const struct od_share *loose)
{
	if (strict->n == 0)
		return;
	od_table_cell(t, name);
	od_table_number(t, od_share_mean(strict), 4);
	od_table_number(t, od_share_se(strict), 2);
	od_table_number(t, od_share_mean(loose), 4);
	od_table_number(t, od_share_se(loose), 2);
	od_table_cellf(t, "%.0f", strict->asked);
}

void
od_ifeval_table(const struct od_ifeval_tally *t, struct od_buf *out)
{
	struct od_table table = OD_TABLE_INIT(6, "lrrrrr");

	for (const char *const *h = (const char *const[]){ "", "strict", "std. error", "loose", "std. error", "n", NULL }; *h; h++)
		od_table_cell(&table, *h);
	table_row(&table, "prompts", &t->prompt[OD_IFEVAL_STRICT], &t->prompt[OD_IFEVAL_LOOSE]);
	table_row(&table, "instructions", &t->instruction[OD_IFEVAL_STRICT], &t->instruction[OD_IFEVAL_LOOSE]);
	for (size_t i = 0; i < OD_IFEVAL_TYPES; i++)
		table_row(&table, od_ifeval_type_name(i), &t->type[OD_IFEVAL_STRICT][i], &t->type[OD_IFEVAL_LOOSE][i]);
	od_table_render(&table, out, "  ");
	od_table_release(&table);
}
