/* sedareval.c -- od-eval sedareval: prompts for the judge from the benchmark's records, and scores from its texts. What is
 * computed is in lib/bench/sedar.h.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sedar.h"
#include "common/cli.h"
#include "eval/answers.h"
#include "eval/eval.h"
#include "eval/report.h"
#include "eval/sedar_judge.h"

struct sedar_options {
	struct od_common_options common;
	struct report_options report;
	struct judged_bad bad;
	struct sedar_judge_options judge;
	struct answers_options answers;            /* the data's own answers are judged when there are none */
	struct od_record_options choice;
	const char *data, *judgments, *system;
	bool prompts;
};

#define T struct sedar_options

static const struct od_opt sedar_opts[] = {
	OD_OPT_STR(T, data, "data", "FILE", "the benchmark: id, query, meta (required)"),
	OD_OPT_STR(T, judgments, "judgments", "FILE", "the judge's texts: id, and judgment, text or responses"),
	OD_OPT_FLAG(T, prompts, "prompts", "write what the judge is to be asked, for od-sample"),
	OD_OPT_STR(T, system, "judge-system", "TEXT", "the judge's system message (default: with --judge-url the published one)"),
	OD_OPT_FLAG(T, bad.skip, "skip-bad", "leave malformed items out, exit 4 at the end"),
	OD_OPT_END
};

#undef T

static const struct od_sheet_column columns[] = { { "score", "score" } };

/* The publisher's code says nothing about decoding. */
static const struct answers_preset presets[ANSWERS_PRESETS] = {
	{ .format = OD_FORMAT_CHAT, .temperature = 0, .top_p = 1, .max_tokens = 4096, .judge = "gpt-4o" },
	{ .format = OD_FORMAT_CHAT, .temperature = 0, .top_p = 1, .max_tokens = 4096, .judge = "gpt-4o" },
};

struct run {
	struct sedar_options *o;
	struct answers said;
	json_t *questions;                         /* NULL: no model is asked */
	struct sedar_items items;
	char *judge;                               /* as the judgments name it; NULL: not at all */
	int64_t none, outside;                     /* judge's texts without a score, with one outside 0..5 */
	char first_none[160];
};

/* ---- scores ------------------------------------------------------------------------------------------------------------- */

static void
add_vote(struct run *r, struct sedar_item *item, const char *text)
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
	struct sedar_item *item = NULL;
	const char *text = sedar_text(record, 0);
	enum od_status st = sedar_item_of(&r->items, record, &item, err);

	if (st == OD_OK)
		st = judged_one_name(&r->judge, json_string_value(json_object_get(record, "judge")), "judge", err);
	if (st != OD_OK)
		return st;
	if (text == NULL)
		return od_fail(err, OD_EFORMAT, "item '%.60s' has no text: a member 'judgment', 'text' or 'responses' is needed", item->id);
	if (item->texts > 0)
		return od_fail(err, OD_EFORMAT, "item '%.60s' is judged twice; several votes belong into 'responses'", item->id);
	for (size_t k = 0; text != NULL; text = sedar_text(record, ++k))
		add_vote(r, item, text);
	return OD_OK;
}

/* where: the file they are of, for messages. */
static enum od_status
read_judgments(struct run *r, const json_t *records, const char *where, struct od_error *err)
{
	const json_t *record;
	size_t i;
	enum od_status st = OD_OK;

	json_array_foreach(records, i, record) {
		if (st != OD_OK)
			break;
		st = read_judgment(r, record, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: record %zu: ", where, i);
			st = judged_reject(&r->o->bad, err);
		}
	}
	return st;
}

/* The judge's texts, stored or fresh. */
static enum od_status
get_judgments(struct run *r, struct od_error *err)
{
	struct sedar_options *o = r->o;
	const struct sedar_prompts_options prompts = { r->said.file, o->judge.ask.template, o->system, &r->said };
	struct od_dataset file = { 0 };
	json_t *records = NULL;
	enum od_status st;

	if (o->judgments == NULL) {
		st = sedar_judge(&records, &r->items, &o->judge, &prompts, &o->bad, err);
		if (st == OD_OK)
			st = read_judgments(r, records, "the judge", err);
	} else {
		st = od_dataset_read(&file, o->judgments, err);
		if (st == OD_OK)
			st = read_judgments(r, file.items, o->judgments, err);
	}
	json_decref(records);
	od_dataset_release(&file);
	return st;
}

static double
item_score(const struct sedar_item *item)
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
	od_sheet_made(&s, r->said.run);
	for (size_t i = 0; st == OD_OK && items != NULL && i < r->items.n; i++) {
		st = od_sheet_add(&s, r->items.item[i].id, (int64_t)i, &(double){ item_score(&r->items.item[i]) }, err);
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
		"\"outside\":%lld,\"skipped\":%lld", r->items.n, (long long)sums->all.n, (long long)unjudged, (long long)r->none,
		(long long)r->outside, (long long)r->o->bad.n);
	judged_text(&json, "judge", r->judge);
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
	od_buf_char(&json, '}');
	od_said_json(&r->said.said, &json);
	od_manifest_write(r->said.run, &json);
	od_buf_str(&json, "}\n");
	table_line(&table, "mean score, 0 to 5", rates.mean, rates.mean_se, sums->all.n);
	table_line(&table, "total, per cent", rates.total, rates.total_se, sums->all.n);
	od_said_line(&r->said.said, &table);
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
	enum od_status st = get_judgments(r, err), end;

	if (r->said.plan.judge == NULL)                    /* that of stored judgments, if they say */
		r->said.plan.judge = r->judge;
	if (st == OD_OK)
		st = answers_manifest(&r->said, err);
	if (st == OD_OK)
		st = report_open_items(&r->o->report, r->o->common.framed, &items, err);
	if (st == OD_OK)
		st = write_items(r, items, err);
	end = od_jsonl_writer_close(items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < r->items.n; i++) {
		od_sedar_add(&sums, r->items.item[i].category, item_score(&r->items.item[i]));
		unjudged += r->items.item[i].texts == 0;
	}
	judged_report(&r->o->bad);
	if (r->none + r->outside > 0)
		od_warn("%lld of the judge's texts state no score and %lld one outside 0..5; they take no part, first: %s",
			(long long)r->none, (long long)r->outside, r->first_none);
	if (unjudged > 0)
		od_warn("%lld of %zu items have no judgment and take no part", (long long)unjudged, r->items.n);
	if (sums.all.n == 0)
		return od_fail(err, OD_EFORMAT, "no item has a score");
	return report(r, &sums, unjudged, err);
}

/* ---- prompts for the judge ---------------------------------------------------------------------------------------------- */

static enum od_status
write_prompt(void *ctx, const struct sedar_item *item, json_t *messages, struct od_error *err)
{
	json_t *record = json_pack("{s:s, s:O}", "id", item->id, "prompt", messages);
	char *line = record != NULL ? json_dumps(record, JSON_COMPACT) : NULL;
	enum od_status st = line != NULL ? od_jsonl_write(ctx, line, strlen(line), err) : od_fail_nomem(err, "a prompt", 1);

	free(line);
	json_decref(record);
	return st;
}

static enum od_status
write_prompts(struct run *r, struct od_error *err)
{
	struct sedar_options *o = r->o;
	const struct sedar_prompts_options prompts = { r->said.file, o->judge.ask.template, o->system, &r->said };
	struct od_jsonl_writer *out = NULL;
	struct od_out *file = NULL;
	enum od_status st = od_out_open(&file, o->report.items ? o->report.items : "-", err), end;

	if (st == OD_OK)
		st = od_jsonl_writer_open(&out, file, o->common.framed, "od-eval", err);
	if (st == OD_OK)
		st = sedar_prompts(&r->items, &prompts, write_prompt, out, &o->bad, err);
	end = od_jsonl_writer_close(out, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st == OD_OK)
		judged_report(&o->bad);
	return st;
}

/* ---- the command -------------------------------------------------------------------------------------------------------- */

static enum od_status
check_options(const struct sedar_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	int ways = (o->judgments != NULL) + o->prompts + (o->judge.ask.url != NULL);

	if (n_files > 0)
		return od_fail(err, OD_EUSAGE, "'%s': files are named by options, --data, --judgments, --outputs", files[0]);
	if (o->data == NULL)
		return od_fail(err, OD_EUSAGE, "option '--data' is needed");
	if (ways != 1)
		return od_fail(err, OD_EUSAGE, "give either '--judgments' or '--prompts' or '--judge-url'");
	if (o->judgments != NULL && (o->answers.outputs != NULL || o->judge.ask.template != NULL || o->system != NULL))
		return od_fail(err, OD_EUSAGE, "options '--outputs', '--template' and '--judge-system' need '--prompts' or '--judge-url'");
	return sedar_judge_check(&o->judge, err);
}

static bool
question_of(const json_t *item, json_t **question)
{
	*question = json_pack("{s:O, s:O}", "id", json_object_get(item, "id"), "query", json_object_get(item, "query"));
	return *question != NULL;
}

/* The answers to be judged, made now if a model is given. */
static enum od_status
open_answers(struct run *r, struct od_error *err)
{
	struct sedar_options *o = r->o;
	struct answers_plan plan = { .benchmark = "sedareval", .data = o->data, .preset = presets, .key = "id", .prompt = "query",
		.judge = o->judge.ask.judge, .service = &o->judge.ask.service, .threads = o->common.threads, .seed = o->choice.seed };
	enum od_status st = OD_OK;

	if (answers_asks(&o->answers) && o->judgments == NULL)
		st = answers_questions(&r->questions, r->items.data.items, &o->choice, question_of, "id", err);
	plan.questions = r->questions;
	return st == OD_OK ? answers_open(&r->said, &o->answers, &plan, err) : st;
}

static enum od_status
evaluate(struct sedar_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	struct run r = { .o = o, .said = ANSWERS_INIT };
	enum od_status st = check_options(o, files, n_files, err);

	if (st == OD_OK)
		st = sedar_read_items(&r.items, o->data, &o->bad, err);
	if (st == OD_OK)
		st = open_answers(&r, err);
	if (st == OD_OK)
		st = o->prompts ? write_prompts(&r, err) : score(&r, err);
	answers_release(&r.said);
	json_decref(r.questions);
	sedar_items_release(&r.items);
	free(r.judge);
	return st;
}

int
od_eval_sedareval(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "SedarEval: a judge's scores of 0 to 5 by each question's own rubric",
		.usage = "sedareval [OPTION...] --data FILE --judgments FILE | --judge-url URL | --prompts",
		.epilog = "--judge-url asks a judge; --prompts writes one record an item for od-sample, whose output is read\n"
			"back with --judgments.",
	};
	struct sedar_options o = { .common = OD_COMMON_OPTIONS_INIT, .report = REPORT_OPTIONS_INIT,
		.judge = SEDAR_JUDGE_OPTIONS_INIT, .answers = ANSWERS_OPTIONS_INIT, .choice = OD_RECORD_OPTIONS_INIT };
	struct od_opt_group groups[] = { { "SedarEval", sedar_opts, &o, NULL }, ANSWERS_GROUPS(&o.answers),
		{ "Choice", answers_choice_opts, &o.choice, NULL }, { "Judge", ask_opts, &o.judge.ask, NULL },
		{ "Votes", sedar_judge_opts, &o.judge, NULL }, { "Service", od_service_opts, &o.judge.ask.service, NULL },
		{ "Results", report_opts, &o.report, NULL },
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
