/* sedareval.c -- od-eval sedareval: prompts for the judge from the benchmark's records, and scores from its texts. What is
 * computed is in lib/bench/sedar.h.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/sedar.h"
#include "common/cli.h"
#include "eval/eval.h"
#include "eval/judged.h"
#include "eval/report.h"
#include "io/dataset.h"
#include "io/jsonl.h"
#include "io/stream.h"

enum { MAX_TEMPLATE = 1 << 20 };

struct sedar_options {
	struct od_common_options common;
	struct report_options report;
	struct judged_bad bad;
	const char *data, *judgments, *outputs, *template, *system;
	bool prompts;
};

#define T struct sedar_options

static const struct od_opt sedar_opts[] = {
	OD_OPT_STR(T, data, "data", "FILE", "the benchmark: id, query, meta (required)"),
	OD_OPT_STR(T, judgments, "judgments", "FILE", "the judge's texts: id, and judgment, text or responses"),
	OD_OPT_FLAG(T, prompts, "prompts", "write what the judge is to be asked, for od-sample"),
	OD_OPT_STR(T, outputs, "outputs", "FILE",
		"with --prompts, the model's answers: id, and output, text or responses (default: answer)"),
	OD_OPT_STR(T, template, "template", "FILE",
		"with --prompts, text with {FIELD} and {response} (default: the record's auto_prompt)"),
	OD_OPT_STR(T, system, "system", "TEXT", "with --prompts, the judge's system message"),
	OD_OPT_FLAG(T, bad.skip, "skip-bad", "leave malformed items out, exit 4 at the end"),
	OD_OPT_END
};

static const struct od_sheet_column columns[] = { { "score", "score" } };

struct item {
	const char *id;
	int category;
	double sum;                                /* of votes */
	int64_t votes, texts;                      /* texts: votes and those without a score */
};

struct run {
	struct sedar_options *o;
	struct od_dataset data, texts;             /* texts: judgments, or outputs */
	json_t *index;                             /* id -> position in data, or in texts */
	struct item *item;                         /* [n] of data */
	size_t n;
	int64_t none, outside;                     /* judge's texts without a score, with one outside 0..5 */
	char first_none[160];
};

/* ---- the benchmark's records -------------------------------------------------------------------------------------------- */

static enum od_status
read_item(struct run *r, const json_t *record, size_t i, struct od_error *err)
{
	const json_t *category = od_json_path(record, "meta.category.0");
	struct item *item = &r->item[r->n];
	size_t len;
	enum od_status st = od_json_need_string(record, "id", &item->id, &len, err);

	if (st == OD_OK && !json_is_string(category))
		st = od_json_fail_type(category, "meta.category.0", "a string", err);
	if (st != OD_OK)
		return st;
	item->category = od_sedar_category(json_string_value(category));
	if (item->category < 0)
		return od_fail(err, OD_EFORMAT, "field 'meta.category.0': no category '%.60s'", json_string_value(category));
	st = judged_once(&r->index, item->id, (int64_t)i, "id", err);
	if (st == OD_OK && json_object_set_new(r->index, item->id, json_integer((json_int_t)r->n)) != 0)
		st = od_fail_nomem(err, "items", r->n);
	r->n += st == OD_OK;
	return st;
}

static enum od_status
read_data(struct run *r, struct od_error *err)
{
	enum od_status st = od_dataset_read(&r->data, r->o->data, err);
	const json_t *record;
	size_t i;

	if (st == OD_OK)
		st = od_alloc(&r->item, json_array_size(r->data.items), sizeof *r->item, "items", err);
	json_array_foreach(r->data.items, i, record) {
		if (st != OD_OK)
			break;
		st = read_item(r, record, i, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: record %zu: ", r->o->data, i);
			st = judged_reject(&r->o->bad, err);
		}
	}
	if (st == OD_OK && r->data.n_nonfinite > 0)
		od_note("%s: %lld bare NaN read as null", r->o->data, (long long)r->data.n_nonfinite);
	return st == OD_OK && r->n == 0 ? od_fail(err, OD_EFORMAT, "%s: no items", r->o->data) : st;
}

/* The k-th text of a record of judgments or outputs; NULL behind the last. */
static const char *
record_text(const json_t *record, size_t k)
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

/* The item a record of another file is about. */
static enum od_status
item_of(const struct run *r, const json_t *record, struct item **out, struct od_error *err)
{
	const json_t *at;
	const char *id;
	size_t len;
	enum od_status st = od_json_need_string(record, "id", &id, &len, err);

	if (st != OD_OK)
		return st;
	at = json_object_get(r->index, id);
	if (at == NULL)
		return od_fail(err, OD_EFORMAT, "item '%.60s' is not in '%s'", id, r->o->data);
	*out = &r->item[json_integer_value(at)];
	return OD_OK;
}

/* ---- scores ------------------------------------------------------------------------------------------------------------- */

static void
add_vote(struct run *r, struct item *item, const char *text)
{
	double score;
	enum od_sedar_parse parse = od_sedar_score(text, strlen(text), &score);

	item->texts++;
	if (parse == OD_SEDAR_FOUND) {
		item->sum += score;
		item->votes++;
		return;
	}
	if (r->none + r->outside == 0)
		snprintf(r->first_none, sizeof r->first_none, "item '%.100s': %s", item->id,
			parse == OD_SEDAR_NONE ? "no final score" : "a score outside 0..5");
	r->none += parse == OD_SEDAR_NONE;
	r->outside += parse == OD_SEDAR_OUTSIDE;
}

static enum od_status
read_judgment(struct run *r, const json_t *record, struct od_error *err)
{
	struct item *item = NULL;
	const char *text = record_text(record, 0);
	enum od_status st = item_of(r, record, &item, err);

	if (st != OD_OK)
		return st;
	if (text == NULL)
		return od_fail(err, OD_EFORMAT, "item '%.60s' has no text: a member 'judgment', 'text' or 'responses' is needed", item->id);
	if (item->texts > 0)
		return od_fail(err, OD_EFORMAT, "item '%.60s' is judged twice; several votes belong into 'responses'", item->id);
	for (size_t k = 0; text != NULL; text = record_text(record, ++k))
		add_vote(r, item, text);
	return OD_OK;
}

static enum od_status
read_judgments(struct run *r, struct od_error *err)
{
	enum od_status st = od_dataset_read(&r->texts, r->o->judgments, err);
	const json_t *record;
	size_t i;

	json_array_foreach(r->texts.items, i, record) {
		if (st != OD_OK)
			break;
		st = read_judgment(r, record, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: record %zu: ", r->o->judgments, i);
			st = judged_reject(&r->o->bad, err);
		}
	}
	return st;
}

static double
item_score(const struct item *item)
{
	return item->votes > 0 ? item->sum / (double)item->votes : NAN;
}

static enum od_status
write_items(const struct run *r, struct od_jsonl_writer *items, struct od_error *err)
{
	struct od_buf line = OD_BUF_INIT;
	struct od_sheet s;
	enum od_status st = OD_OK;

	od_sheet_init(&s, "sedareval", columns, 1);
	for (size_t i = 0; st == OD_OK && items != NULL && i < r->n; i++) {
		st = od_sheet_add(&s, r->item[i].id, (int64_t)i, &(double){ item_score(&r->item[i]) }, err);
		if (st == OD_OK)
			st = report_item(items, &s, &line, err);
	}
	od_sheet_release(&s);
	od_buf_release(&line);
	return st;
}

/* Names last: their width on a terminal is not that of their bytes. */
static void
table_line(struct od_buf *table, const char *name, double value, double se, int64_t n)
{
	const double v[] = { value, se };

	for (int i = 0; i < 2; i++)
		if (isfinite(v[i]))
			od_buf_printf(table, " %8.2f", v[i]);
		else
			od_buf_printf(table, " %8s", "-");
	od_buf_printf(table, " %6lld  %s\n", (long long)n, name);
}

static enum od_status
report(const struct run *r, const struct od_sedar_sums *sums, int64_t unjudged, struct od_error *err)
{
	struct od_buf json = OD_BUF_INIT, table = OD_BUF_INIT;
	struct od_sedar_rates rates;
	enum od_status st;

	od_sedar_rates(sums, &rates);
	od_buf_printf(&json, "{\"benchmark\":\"sedareval\",\"items\":%zu,\"judged\":%lld,\"unjudged\":%lld,\"no_score\":%lld,"
		"\"outside\":%lld,\"skipped\":%lld", r->n, (long long)sums->all.n, (long long)unjudged, (long long)r->none,
		(long long)r->outside, (long long)r->o->bad.n);
	judged_number(&json, "total", rates.total);
	judged_number(&json, "total_se", rates.total_se);
	judged_number(&json, "category_mean", rates.category_mean);
	judged_number(&json, "mean", rates.mean);
	judged_number(&json, "mean_se", rates.mean_se);
	od_buf_str(&json, ",\"categories\":{");
	od_buf_printf(&table, " %8s %8s %6s\n", "value", "s.e.", "items");
	for (int c = 0; c < OD_SEDAR_CATEGORIES; c++) {
		const char *name = od_sedar_categories[c];

		od_buf_str(&json, c ? "," : "");
		od_buf_json_string(&json, name, strlen(name));
		od_buf_printf(&json, ":{\"n\":%lld", (long long)sums->category[c].n);
		judged_number(&json, "percent", rates.category[c]);
		judged_number(&json, "se", rates.category_se[c]);
		od_buf_char(&json, '}');
		table_line(&table, name, rates.category[c], rates.category_se[c], sums->category[c].n);
	}
	od_buf_str(&json, "}}\n");
	table_line(&table, "mean score, 0 to 5", rates.mean, rates.mean_se, sums->all.n);
	table_line(&table, "total, per cent", rates.total, rates.total_se, sums->all.n);
	st = report_texts(&r->o->report, r->o->common.quiet, &json, &table, err);
	od_buf_release(&json);
	od_buf_release(&table);
	return st;
}

static enum od_status
score(struct run *r, struct od_error *err)
{
	struct od_jsonl_writer *items = NULL;
	struct od_sedar_sums sums = { 0 };
	int64_t unjudged = 0;
	enum od_status st = read_judgments(r, err), end;

	if (st == OD_OK)
		st = report_open_items(&r->o->report, r->o->common.framed, &items, err);
	if (st == OD_OK)
		st = write_items(r, items, err);
	end = od_jsonl_writer_close(items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < r->n; i++) {
		od_sedar_add(&sums, r->item[i].category, item_score(&r->item[i]));
		unjudged += r->item[i].texts == 0;
	}
	judged_report(&r->o->bad);
	if (r->none + r->outside > 0)
		od_warn("%lld of the judge's texts state no score and %lld one outside 0..5; they take no part, first: %s",
			(long long)r->none, (long long)r->outside, r->first_none);
	if (unjudged > 0)
		od_warn("%lld of %zu items have no judgment and take no part", (long long)unjudged, r->n);
	if (sums.all.n == 0)
		return od_fail(err, OD_EFORMAT, "no item has a score");
	return report(r, &sums, unjudged, err);
}

/* ---- prompts for the judge ---------------------------------------------------------------------------------------------- */

struct prompts {
	struct run *run;
	char *template;                            /* NULL: the records' own */
	json_t *outputs;                           /* id -> the record's text, borrowed from run->texts; NULL: the data's answers */
	struct od_jsonl_writer *out;
	int64_t written, without_field, without_answer;
};

static const char *
template_of(const struct prompts *p, const json_t *record)
{
	return p->template ? p->template : json_string_value(od_json_path(record, "auto_prompt.prompt"));
}

static enum od_status
write_prompt(struct prompts *p, const struct item *item, const struct od_buf *text, struct od_error *err)
{
	const char *system = p->run->o->system;
	struct od_buf line = OD_BUF_INIT;
	enum od_status st;

	od_buf_str(&line, "{\"id\":");
	od_buf_json_string(&line, item->id, strlen(item->id));
	od_buf_str(&line, ",\"prompt\":[");
	if (system != NULL) {
		od_buf_str(&line, "{\"role\":\"system\",\"content\":");
		od_buf_json_string(&line, system, strlen(system));
		od_buf_str(&line, "},");
	}
	od_buf_str(&line, "{\"role\":\"user\",\"content\":");
	od_buf_json_string(&line, text->data, text->len);
	od_buf_str(&line, "}]}");
	st = od_buf_ok(&line) ? od_jsonl_write(p->out, line.data, line.len, err) : od_fail_nomem(err, "a prompt", text->len);
	od_buf_release(&line);
	p->written += st == OD_OK;
	return st;
}

static enum od_status
make_prompt(struct prompts *p, const struct item *item, const json_t *record, struct od_error *err)
{
	const char *response, *template = template_of(p, record);
	struct od_buf text = OD_BUF_INIT;
	bool complete = true;
	enum od_status st = OD_OK;

	response = json_string_value(p->outputs ? json_object_get(p->outputs, item->id) : json_object_get(record, "answer"));
	if (response == NULL || response[strspn(response, " \t\r\n")] == '\0') {
		p->without_answer++;
		return OD_OK;
	}
	if (template == NULL)
		return od_fail(err, OD_EFORMAT, "item '%.60s' has no field 'auto_prompt.prompt': give the judge's prompt with '--template'",
			item->id);
	judged_fill(&text, template, &(struct judged_value){ "response", response }, 1, record, &complete);
	if (!od_buf_ok(&text))
		st = od_fail_nomem(err, "a prompt", text.len);
	else if (complete)
		st = write_prompt(p, item, &text, err);
	else
		p->without_field++;
	od_buf_release(&text);
	return st;
}

/* The outputs by id. */
static enum od_status
read_outputs(struct prompts *p, struct od_error *err)
{
	struct run *r = p->run;
	const json_t *record;
	json_t *seen = NULL;
	size_t i;
	enum od_status st = od_dataset_read(&r->texts, r->o->outputs, err);

	p->outputs = json_object();
	json_array_foreach(r->texts.items, i, record) {
		struct item *item = NULL;
		const char *text = record_text(record, 0);

		if (st == OD_OK)
			st = item_of(r, record, &item, err);
		if (st == OD_OK && text == NULL)
			st = od_fail(err, OD_EFORMAT, "item '%.60s' has no output", item->id);
		if (st == OD_OK)
			st = judged_once(&seen, item->id, (int64_t)i, "id", err);
		if (st == OD_OK && json_object_set_new(p->outputs, item->id, json_string(text)) != 0)
			st = od_fail_nomem(err, "outputs", i);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: record %zu: ", r->o->outputs, i);
			st = judged_reject(&r->o->bad, err);
		}
		if (st != OD_OK)
			break;
	}
	json_decref(seen);
	return st;
}

static enum od_status
make_prompts(struct run *r, struct od_error *err)
{
	struct prompts p = { .run = r };
	struct od_out *file = NULL;
	const json_t *at, *record;
	size_t i, len;
	enum od_status st = OD_OK, end;

	if (r->o->template != NULL)
		st = od_in_slurp(r->o->template, MAX_TEMPLATE, &p.template, &len, err);
	if (st == OD_OK && r->o->outputs != NULL)
		st = read_outputs(&p, err);
	if (st == OD_OK)
		st = od_out_open(&file, r->o->report.items ? r->o->report.items : "-", err);
	if (st == OD_OK)
		st = od_jsonl_writer_open(&p.out, file, r->o->common.framed, "od-eval", err);
	json_array_foreach(r->data.items, i, record) {
		if (st != OD_OK)
			break;
		at = json_object_get(r->index, json_string_value(json_object_get(record, "id")));
		if (at != NULL)
			st = make_prompt(&p, &r->item[json_integer_value(at)], record, err);
		if (st != OD_OK)
			st = judged_reject(&r->o->bad, err);
	}
	end = od_jsonl_writer_close(p.out, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st == OD_OK) {
		judged_report(&r->o->bad);
		if (p.without_answer > 0)
			od_warn("%lld items have no answer and get no prompt", (long long)p.without_answer);
		if (p.without_field > 0)
			od_warn("%lld items lack a field of the template and get no prompt", (long long)p.without_field);
		if (p.written == 0)
			st = od_fail(err, OD_EFORMAT, "no item gave a prompt");
	}
	free(p.template);
	json_decref(p.outputs);
	return st;
}

/* ---- the command -------------------------------------------------------------------------------------------------------- */

static enum od_status
check_options(const struct sedar_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	if (n_files > 0)
		return od_fail(err, OD_EUSAGE, "'%s': files are named by options, --data, --judgments, --outputs", files[0]);
	if (o->data == NULL)
		return od_fail(err, OD_EUSAGE, "option '--data' is needed");
	if (o->prompts == (o->judgments != NULL))
		return od_fail(err, OD_EUSAGE, "give either '--judgments' or '--prompts'");
	if (!o->prompts && (o->outputs != NULL || o->template != NULL || o->system != NULL))
		return od_fail(err, OD_EUSAGE, "options '--outputs', '--template' and '--system' need '--prompts'");
	return OD_OK;
}

static enum od_status
evaluate(struct sedar_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	struct run r = { .o = o };
	enum od_status st = check_options(o, files, n_files, err);

	if (st == OD_OK)
		st = read_data(&r, err);
	if (st == OD_OK)
		st = o->prompts ? make_prompts(&r, err) : score(&r, err);
	od_dataset_release(&r.data);
	od_dataset_release(&r.texts);
	json_decref(r.index);
	free(r.item);
	return st;
}

int
od_eval_sedareval(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "SedarEval: a judge's scores of 0 to 5 by each question's own rubric",
		.usage = "sedareval [OPTION...] --data FILE --judgments FILE | --prompts",
		.epilog = "--prompts writes one record an item for od-sample, whose output is read back with --judgments.",
	};
	struct sedar_options o = { .common = OD_COMMON_OPTIONS_INIT, .report = REPORT_OPTIONS_INIT };
	struct od_opt_group groups[] = { { "SedarEval", sedar_opts, &o, NULL }, { "Results", report_opts, &o.report, NULL },
		{ "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	enum od_status st;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	if (o.report.compare != NULL)
		st = report_compare(&o.report, n_files, &err);
	else
		st = evaluate(&o, files, n_files, &err);
	(void)st;                                  /* err tells od_cli_end */
	return od_cli_end(&err, o.bad.n);
}
