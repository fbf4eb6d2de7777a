/* scoreboard_read.c -- see scoreboard.h: a summary becomes cells. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/manifest.h"
#include "bench/scoreboard.h"
#include "grade/math_answer.h"
#include "io/jsonl.h"

/* Where a benchmark's summary has a figure. Names of metrics are members of `metrics`, with mean and se, and their unit is the
 * share; others are numbers of the summary, in per cent. */
struct reading {
	enum od_board_figure figure;
	const char *value, *se, *low, *high;
};

static const struct reading plain[] = {
	{ OD_BOARD_LC, "length_controlled_winrate", "lc_standard_error", NULL, NULL },
	{ OD_BOARD_WR, "win_rate", "standard_error", NULL, NULL },
	{ OD_BOARD_ARENA_WR, "score", NULL, "lower", "upper" },
	{ OD_BOARD_TOTAL, "total", "total_se", NULL, NULL },
};

/* What a summary says of its making outside of the manifest. */
static const char *const settings[] = { "baseline", "grader", "judge", "language", "level", "objective", "ref_model", "rule",
	"sentences", NULL };

/* Counts of items that took no part. */
static const struct {
	const char *member, *words;
} absent[] = {
	{ "missing", "without an output" }, { "undecided", "instructions undecided" }, { "unjudged", "without a judgment" },
	{ "no_score", "without a score" },
	{ "outside", "with a score outside 0 to 5" }, { "n_missing", "without a preference" },
	{ "n_outside", "with a preference outside 1 to 2" }, { "no_label", "without a verdict" },
	{ "labels_differ", "with verdicts that differ" }, { "other_label", "with an unknown verdict" }, { "skipped", "malformed" },
};

/* One model's part of a summary. */
struct part {
	const json_t *summary, *model;             /* the same where the summary is of one model */
	enum od_board_source source;
	const char *place;
	size_t row;
};

static const json_t *
member(const struct part *p, const char *name)
{
	const json_t *v = json_object_get(p->model, name);

	return v != NULL ? v : json_object_get(p->summary, name);
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

/* A number or NaN; *found says that the member is there. */
static enum od_status
number(const json_t *obj, const char *name, double *out, bool *found, struct od_error *err)
{
	const json_t *v = name != NULL ? json_object_get(obj, name) : NULL;

	*out = json_is_number(v) ? json_number_value(v) : NAN;
	if (v == NULL || json_is_null(v) || json_is_number(v)) {
		*found = *found || v != NULL;
		return OD_OK;
	}
	return od_json_fail_type(v, name, "a number", err);
}

static enum od_status
check_share(const struct od_board_cell *c, const char *name, struct od_error *err)
{
	if (isnan(c->value) || (c->value >= 0 && c->value <= 100))
		return OD_OK;
	return od_fail(err, OD_EFORMAT, "field '%s' is %g per cent: a share lies between 0 and 100", name, c->value);
}

static enum od_status
read_plain(const struct reading *r, const struct part *p, struct od_board_cell *c, bool *found, struct od_error *err)
{
	bool ignored = false;
	enum od_status st = number(p->model, r->value, &c->value, found, err);

	if (st == OD_OK)
		st = number(p->model, r->se, &c->se, &ignored, err);
	if (st == OD_OK)
		st = number(p->model, r->low, &c->low, &ignored, err);
	if (st == OD_OK)
		st = number(p->model, r->high, &c->high, &ignored, err);
	return st == OD_OK ? check_share(c, r->value, err) : st;
}

static enum od_status
read_metric(const struct part *p, const char *name, bool share, struct od_board_cell *c, bool *found, struct od_error *err)
{
	const json_t *metrics = json_object_get(p->model, "metrics"), *m = json_object_get(metrics, name);
	double scale = share ? 100 : 1;
	bool ignored = false;
	enum od_status st;

	if (metrics == NULL || !json_is_object(metrics))
		return od_json_fail_type(metrics, "metrics", "an object", err);
	if (m == NULL)
		return OD_OK;
	if (!json_is_object(m)) {
		st = od_json_fail_type(m, name, "an object", err);
	} else {
		st = number(m, "mean", &c->value, found, err);
		if (st == OD_OK)
			st = number(m, "se", &c->se, &ignored, err);
	}
	c->value *= scale;
	c->se *= scale;
	return st == OD_OK && share ? check_share(c, name, err) : st;
}

/* The metric a figure is, or NULL: a plain member. */
static const char *
metric_name(const struct od_board *b, enum od_board_figure f)
{
	if (f == OD_BOARD_STRICT)
		return b->o.instruction_level ? "instruction_strict" : "prompt_strict";
	if (f == OD_BOARD_LOOSE)
		return b->o.instruction_level ? "instruction_loose" : "prompt_loose";
	if (od_board_figures[f].table == OD_BOARD_MATH)
		return b->o.math_metric;
	return od_board_figures[f].table == OD_BOARD_PAIRS ? od_board_figures[f].name : NULL;
}

static enum od_status
read_figure(const struct od_board *b, const struct part *p, enum od_board_figure f, bool *found, struct od_error *err)
{
	struct od_board_cell *c = &b->row[p->row].cell[f];
	const char *metric = metric_name(b, f);
	size_t i = 0;

	c->there = true;
	if (metric != NULL)
		return read_metric(p, metric, od_board_figures[f].share, c, found, err);
	while (plain[i].figure != f)
		i++;
	return read_plain(&plain[i], p, c, found, err);
}

static enum od_status
read_figures(const struct od_board *b, const struct part *p, struct od_error *err)
{
	enum od_status st = OD_OK;
	bool found = false;

	for (int f = 0; st == OD_OK && f < OD_BOARD_FIGURES; f++)
		if (od_board_figures[f].source == (int)p->source)
			st = read_figure(b, p, (enum od_board_figure)f, &found, err);
	if (st == OD_OK && !found && od_board_sources[p->source].table == OD_BOARD_MATH)
		return od_fail(err, OD_EFORMAT, "no metric '%s'", b->o.math_metric);
	if (st == OD_OK && !found)
		return od_fail(err, OD_EFORMAT, "none of the figures of %s", od_board_sources[p->source].benchmark);
	return st;
}

/* ---- what else there is ------------------------------------------------------------------------------------------ */

static enum od_status
count(const json_t *answers, const char *name, int64_t *out, struct od_error *err)
{
	bool found = false;
	double v;
	enum od_status st = number(answers, name, &v, &found, err);

	*out = v >= 0 && v < 1e15 ? (int64_t)v : -1;
	return st;
}

static enum od_status
read_answers(const struct part *p, struct od_board_run *run, struct od_error *err)
{
	const json_t *answers = member(p, "answers");
	bool found = false;
	enum od_status st;

	if (!json_is_object(answers))              /* a count of answers, in some summaries */
		return OD_OK;
	st = number(answers, "mean_tokens", &run->mean_tokens, &found, err);
	if (st == OD_OK)
		st = count(answers, "truncated", &run->truncated, err);
	if (st == OD_OK)
		st = count(answers, "empty", &run->empty, err);
	return st == OD_OK ? count(answers, "n", &run->answers, err) : st;
}

/* The manifest, with the summary's other settings among its members. */
static enum od_status
read_making(const struct part *p, json_t **made, struct od_error *err)
{
	const json_t *run = json_object_get(p->summary, "run");
	int bad = 0;

	if (run != NULL && !json_is_object(run) && !json_is_null(run))
		return od_json_fail_type(run, "run", "an object", err);
	*made = json_is_object(run) ? json_copy((json_t *)run) : json_object();
	for (const char *const *name = settings; *name != NULL; name++) {
		const json_t *v = member(p, *name);

		if (v != NULL && json_object_get(*made, *name) == NULL)
			bad |= json_object_set(*made, *name, (json_t *)v);
	}
	return *made != NULL && !bad ? OD_OK : od_fail_nomem(err, "a manifest", 64);
}

/* A note on a benchmark of a row: its cells are marked. */
static enum od_status
mark(struct od_board *b, const struct part *p, unsigned what, const char *text, struct od_error *err)
{
	for (int f = 0; f < OD_BOARD_FIGURES; f++)
		if (od_board_figures[f].source == (int)p->source)
			b->row[p->row].cell[f].marks |= what;
	return od_board_add_note(b, what, text, err);
}

/* Items of the whole benchmark; 0: not known. */
static int64_t
whole_size(const struct od_board_source_info *info)
{
	const struct od_math_dataset *set = NULL;

	if (info->dataset == NULL || od_math_dataset_find(&set, info->dataset, NULL) != OD_OK)
		return info->size;
	return set->size;
}

/* A part of the benchmark, or items that took no part, are told in a note. */
static enum od_status
note_absent(struct od_board *b, const struct part *p, struct od_error *err)
{
	const struct od_board_source_info *info = &od_board_sources[p->source];
	const json_t *items = info->items != NULL ? member(p, info->items) : NULL;
	struct od_buf text = OD_BUF_INIT;
	enum od_status st = OD_OK;
	bool any = json_is_integer(items) && json_integer_value(items) != whole_size(info);

	od_buf_printf(&text, "%s of '%s': ", info->title, b->row[p->row].label);
	if (any)
		od_buf_printf(&text, "%lld items, the whole has %lld", (long long)json_integer_value(items), (long long)whole_size(info));
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		const json_t *n = member(p, absent[i].member);

		if (!json_is_integer(n) || json_integer_value(n) <= 0)
			continue;
		od_buf_printf(&text, "%s%lld %s", any ? ", " : "", (long long)json_integer_value(n), absent[i].words);
		any = true;
	}
	if (!od_buf_ok(&text))
		st = od_fail_nomem(err, "a note", 64);
	else if (any)
		st = mark(b, p, OD_BOARD_PARTIAL, text.data, err);
	od_buf_release(&text);
	return st;
}

/* ---- does it belong here ----------------------------------------------------------------------------------------- */

/* Refused, or marked under `mixed`. */
static enum od_status
mixed(struct od_board *b, const struct part *p, const struct od_error *why, struct od_error *err)
{
	if (why->status != OD_EMISMATCH)
		return od_fail(err, why->status, "%s", why->msg);
	if (!b->o.mixed)
		return od_fail(err, OD_EMISMATCH, "%s; '--mixed' sets them side by side all the same", why->msg);
	return mark(b, p, OD_BOARD_MIXED, why->msg, err);
}

/* All results of one benchmark are made like the first of them. */
static enum od_status
check_column(struct od_board *b, const struct part *p, struct od_error *err)
{
	const struct od_board_run *mine = &b->row[p->row].run[p->source];
	struct od_error why = OD_ERROR_INIT;

	for (size_t i = 0; i < b->n; i++) {
		const struct od_board_run *first = &b->row[i].run[p->source];

		if (first->place == NULL || i == p->row)
			continue;
		if (od_manifest_match(first->made, mine->made, first->place, mine->place, &why) != OD_OK)
			return mixed(b, p, &why, err);
		break;
	}
	return OD_OK;
}

/* All results of one row are of one model, as far as they say. */
static enum od_status
check_row(struct od_board *b, const struct part *p, struct od_error *err)
{
	const struct od_board_row *row = &b->row[p->row];
	const char *model = json_string_value(json_object_get(row->run[p->source].made, "model"));
	struct od_error why = OD_ERROR_INIT;

	for (int s = 0; model != NULL && s < OD_BOARD_SOURCES; s++) {
		const char *other = json_string_value(json_object_get(row->run[s].made, "model"));

		if (other == NULL || strcmp(model, other) == 0)
			continue;
		(void)od_fail(&why, OD_EMISMATCH, "'%s' and '%s' are both called '%s' but are of two models, %s and %s: name one "
			"otherwise (LABEL=FILE)", row->run[s].place, p->place, row->label, other, model);
		return mixed(b, p, &why, err);
	}
	return OD_OK;
}

/* The row of a label, made when there is none. */
static enum od_status
find_row(struct od_board *b, const char *label, size_t *row, struct od_error *err)
{
	const char *renamed = json_string_value(json_object_get(b->renamed, label));

	if (renamed != NULL && json_object_set_new(b->used, label, json_true()) != 0)
		return od_fail_nomem(err, "a name", 1);
	label = renamed != NULL ? renamed : label;
	for (*row = 0; *row < b->n; (*row)++)
		if (strcmp(b->row[*row].label, label) == 0)
			return OD_OK;
	return od_board_new_row(b, label) != NULL ? OD_OK : od_fail_nomem(err, "a row", sizeof *b->row);
}

static enum od_status
read_part(struct od_board *b, const struct part *p, struct od_error *err)
{
	struct od_board_run *run = &b->row[p->row].run[p->source];
	const json_t *level = json_object_get(p->summary, "level");
	enum od_status st = read_figures(b, p, err);

	if (st == OD_OK)
		st = read_answers(p, run, err);
	if (st == OD_OK)
		st = read_making(p, &run->made, err);
	if (st != OD_OK)
		od_error_prefix(err, "%s: ", p->place);
	if (p->source == OD_BOARD_ARENA && json_is_number(level) && isnan(b->arena_level))
		b->arena_level = json_number_value(level);
	return st;
}

static enum od_status
add_part(struct od_board *b, struct part *p, const char *label, struct od_error *err)
{
	enum od_status st = find_row(b, label, &p->row, err);
	struct od_board_run *run = st == OD_OK ? &b->row[p->row].run[p->source] : NULL;

	if (st != OD_OK)
		return st;
	if (run->place != NULL)
		return od_fail(err, OD_EMISMATCH, "'%s' and '%s' are both %s of '%s': leave one out, or name one otherwise (LABEL=FILE)",
			run->place, p->place, od_board_sources[p->source].title, b->row[p->row].label);
	run->place = od_strdup(p->place);
	if (run->place == NULL)
		return od_fail_nomem(err, "a name", strlen(p->place));
	st = read_part(b, p, err);
	if (st == OD_OK)
		st = note_absent(b, p, err);
	if (st == OD_OK)
		st = check_column(b, p, err);
	return st == OD_OK ? check_row(b, p, err) : st;
}

/* ---- summaries --------------------------------------------------------------------------------------------------- */

static const char *
dataset_of(const json_t *summary)
{
	const char *dataset = json_string_value(json_object_get(summary, "dataset"));

	return dataset != NULL ? dataset : json_string_value(json_object_get(json_object_get(summary, "run"), "dataset"));
}

static enum od_status
find_source(const json_t *summary, enum od_board_source *out, struct od_error *err)
{
	const char *benchmark, *dataset = dataset_of(summary);
	struct od_buf names = OD_BUF_INIT;
	bool known = false;
	enum od_status st = od_json_need_string(summary, "benchmark", &benchmark, NULL, err);

	if (st != OD_OK)
		return st;
	for (int s = 0; s < OD_BOARD_SOURCES; s++) {
		const struct od_board_source_info *info = &od_board_sources[s];
		bool same = strcmp(benchmark, info->benchmark) == 0;

		if (same && (info->dataset == NULL || (dataset != NULL && strcmp(dataset, info->dataset) == 0))) {
			*out = (enum od_board_source)s;
			od_buf_release(&names);
			return OD_OK;
		}
		known |= same;
		if (info->dataset != NULL)
			od_buf_printf(&names, "%s%s", names.len ? ", " : "", info->dataset);
	}
	if (!od_buf_ok(&names))
		st = od_fail_nomem(err, "names", 64);
	else if (known)
		st = od_fail(err, OD_EFORMAT, "%s '%s' has no column: there are %s", dataset ? "dataset" : "a summary without",
			dataset ? dataset : "dataset", names.data);
	else
		st = od_fail(err, OD_EFORMAT, "benchmark '%s' has no column: there are alpaca-eval, arena-hard, ifeval, math, pairs and "
			"sedareval", benchmark);
	od_buf_release(&names);
	return st;
}

/* How many models a summary with `models` has beside its baseline. */
static size_t
count_models(const json_t *models, const char *baseline)
{
	size_t n = json_object_size(models);

	return baseline != NULL && json_object_get(models, baseline) != NULL ? n - 1 : n;
}

static enum od_status
add_models(struct od_board *b, struct part *p, const char *label, struct od_error *err)
{
	const json_t *models = json_object_get(p->summary, "models");
	const char *baseline = json_string_value(json_object_get(p->summary, "baseline")), *name;
	size_t n = count_models(models, baseline);
	enum od_status st = OD_OK;
	json_t *model;

	if (n == 0)
		return od_fail(err, OD_EFORMAT, "%s: no model beside the baseline", p->place);
	if (n > 1 && label != NULL)
		return od_fail(err, OD_EUSAGE, "'%s' holds %zu models and cannot be called '%s': rename them with '--name OLD=NEW'",
			p->place, n, label);
	if (n == 1 && label == NULL)
		label = json_string_value(json_object_get(json_object_get(p->summary, "run"), "name"));
	json_object_foreach((json_t *)models, name, model) {
		if (baseline != NULL && strcmp(name, baseline) == 0)
			continue;
		p->model = model;
		st = add_part(b, p, n == 1 && label != NULL ? label : name, err);
		if (st != OD_OK)
			break;
	}
	return st;
}

enum od_status
od_board_add(struct od_board *b, const json_t *summary, const char *place, const char *label, const char *fallback,
	struct od_error *err)
{
	struct part p = { .summary = summary, .model = summary, .place = place };
	const char *name = json_string_value(json_object_get(json_object_get(summary, "run"), "name"));
	const char *model = json_string_value(json_object_get(summary, "model"));
	enum od_status st = find_source(summary, &p.source, err);

	if (st != OD_OK) {
		od_error_prefix(err, "%s: ", place);
		return st;
	}
	if (json_is_object(json_object_get(summary, "models")))
		return add_models(b, &p, label, err);
	if (p.source == OD_BOARD_HELD_OUT)         /* a hash there */
		model = NULL;
	return add_part(b, &p, label ? label : name ? name : model ? model : fallback, err);
}
