/* math.c -- od-eval math: judges answers to the problems of a math benchmark, stored ones or a model's made now. */
#include <stdlib.h>
#include <string.h>

#include "bench/groups.h"
#include "bench/math.h"
#include "common/cli.h"
#include "eval/answers.h"
#include "eval/eval.h"
#include "eval/report.h"
#include "io/stream.h"
#include "pref/recipe.h"

enum { MAX_ABOUT = 16 << 20 };

struct math_options {
	struct od_common_options common;
	struct od_record_options records;
	struct report_options report;
	struct answers_options answers;
	const char *data, *dataset, *k, *by;
	int grader;
	uint64_t given;
	bool majority, no_symbolic, allow_missing;
};

#define T struct math_options

enum { OPT_GRADER };

static const struct od_opt math_opts[] = {
	[OPT_GRADER] = OD_OPT_ENUM(T, grader, "grader", "NAME", od_math_grader_names,
		"Qwen2.5-Math's grader, or the Uni-DPO authors' variant of it (default: the preset's)"),
	OD_OPT_STR(T, data, "data", "FILE", "the benchmark's problems, as its publisher gives them (required)"),
	OD_OPT_STR(T, dataset, "dataset", "NAME", "which benchmark that is (default: recognised by the file)"),
	OD_OPT_STR(T, k, "k", "N,...", "pass@k for these k besides 1"),
	OD_OPT_INT(T, answers.respond.samples, "samples", "K", 1, 4096, "answers a model gives to a problem"),
	OD_OPT_FLAG(T, majority, "majority", "the vote of the first k samples too; of all when no k is given"),
	OD_OPT_STR(T, by, "by", "PATH", "pass@1 for each value of this member of the data"),
	OD_OPT_FLAG(T, allow_missing, "allow-missing", "judge what is there when some problems have no output"),
	OD_OPT_FLAG(T, no_symbolic, "no-symbolic", "compare text and numbers only, not expressions by their values"),
	OD_OPT_END
};

#undef T

/* Qwen2.5-Math's evaluation, and that of Uni-DPO's authors. */
static const struct answers_preset presets[ANSWERS_PRESETS] = {
	{ .format = OD_FORMAT_QWEN25_MATH, .temperature = 0, .top_p = 1, .max_tokens = 2048, .grader = "qwen" },
	{ .format = OD_FORMAT_QWEN25_MATH_STEP, .temperature = 0, .top_p = 1, .max_tokens = 3000, .grader = "unidpo" },
};

struct run {
	struct math_options *o;
	struct answers_plan plan;
	struct answers answers;
	json_t *how;                               /* what verdicts depend on besides, for the manifest; or NULL */
	struct od_math_data data;
	struct od_jsonl *in;
	struct od_jsonl_writer *items;
	struct od_math_result result;
	struct od_math_tally tally;
	struct od_groups groups;
	struct od_buf line;
	int64_t missing;
};

/* --by must be a member of some problem, and a name or number wherever it is. */
static enum od_status
check_by(const struct run *r, struct od_error *err)
{
	bool any = r->o->by == NULL;

	for (size_t i = 0; r->o->by != NULL && i < r->data.n; i++) {
		const json_t *v = od_json_path(r->data.p[i].record, r->o->by);

		if (json_is_object(v) || json_is_array(v)) {
			od_json_fail_type(v, r->o->by, "a string, a number or a boolean to make groups by", err);
			return od_error_prefix(err, "%s: item %zu: ", r->o->data, i);
		}
		any = any || v != NULL;
	}
	return any ? OD_OK : od_fail(err, OD_EUSAGE, "option '--by': no item of the data has a member '%s'", r->o->by);
}

static json_t *
question(const void *ctx, size_t i)
{
	const struct od_math_item *p = &((const struct run *)ctx)->data.p[i];

	return json_pack("{s:s, s:s}", "id", p->id, "prompt", p->question.data);
}

/* The preset's grader, unless the user named one. */
static void
settle_grader(struct math_options *o)
{
	for (int g = 0; !(o->given >> OPT_GRADER & 1) && od_math_grader_names[g] != NULL; g++)
		if (strcmp(od_math_grader_names[g], presets[o->answers.preset].grader) == 0)
			o->grader = g;
}

/* How the recipe that trained the model asks; NULL when there is none, or it does not matter. */
static const char *
recipe_format(const struct math_options *o)
{
	const struct od_recipe *recipe = NULL;
	struct od_buf path = OD_BUF_INIT;
	json_t *about = NULL;
	char *text = NULL;
	size_t n;

	od_buf_printf(&path, "%s/od-train.json", o->answers.respond.model ? o->answers.respond.model : "");
	if (o->answers.respond.url == NULL && od_buf_ok(&path) && od_in_slurp(path.data, MAX_ABOUT, &text, &n, NULL) == OD_OK &&
		od_json_parse(text, n, path.data, &about, NULL) == OD_OK && json_is_string(json_object_get(about, "recipe")) &&
		od_recipe_find(&recipe, json_string_value(json_object_get(about, "recipe")), NULL) == OD_OK && recipe->format != NULL)
		od_note("the model was trained by recipe %s: it is asked in format %s, unless --format says otherwise", recipe->name, recipe->format);
	json_decref(about);
	od_buf_release(&path);
	free(text);
	return recipe != NULL ? recipe->format : NULL;
}

/* The answers, made now if a model is given. */
static enum od_status
open_answers(struct run *r, const char *const *files, size_t n_files, struct od_error *err)
{
	struct math_options *o = r->o;
	const struct answers_stream stream = { &r->data.roster, question, r, &o->records, files, n_files };

	r->how = o->no_symbolic ? json_pack("{s:b}", "symbolic", 0) : NULL;
	if (o->no_symbolic && r->how == NULL)
		return od_fail_nomem(err, "a manifest", 64);
	r->plan = (struct answers_plan){ .benchmark = "math", .dataset = r->data.dataset->name, .data = o->data, .preset = presets,
		.key = "id", .prompt = "prompt", .grader = od_math_grader_names[o->grader], .more = r->how, .threads = o->common.threads,
		.seed = o->records.seed, .format = answers_asks(&o->answers) ? recipe_format(o) : NULL };
	return answers_stream(&r->in, &r->answers, &o->answers, &r->plan, &stream, err);
}

/* What contradicts itself; a pass@k that the samples to be drawn cannot give. */
static enum od_status
check_options(const struct math_options *o, const struct od_math_plan *plan, const char *const *files, size_t n_files,
	struct od_error *err)
{
	if (o->data == NULL)
		return od_fail(err, OD_EUSAGE, "option '--data' is required: the benchmark's problems");
	for (size_t i = 0; answers_asks(&o->answers) && i < plan->n_k; i++)
		if (plan->k[i] > o->answers.respond.samples)
			return od_fail(err, OD_EUSAGE, "option '--k' asks for pass@%lld of %lld sample%s: give '--samples'", (long long)plan->k[i],
				(long long)o->answers.respond.samples, o->answers.respond.samples == 1 ? "" : "s");
	return answers_operands(&o->answers, files, n_files, err);
}

static enum od_status
open_all(struct run *r, const char *const *files, size_t n_files, struct od_error *err)
{
	const struct math_options *o = r->o;
	struct od_math_plan plan = OD_MATH_PLAN_INIT;
	enum od_status st = o->k != NULL ? od_math_plan_read(&plan, o->k, err) : OD_OK;

	plan.majority = o->majority;
	od_math_tally_init(&r->tally, &plan);
	if (st == OD_OK)
		st = check_options(o, &plan, files, n_files, err);
	if (st == OD_OK)
		st = od_math_data_read(&r->data, o->data, o->dataset, (enum od_math_grader)o->grader, err);
	if (st == OD_OK)
		st = check_by(r, err);
	if (st == OD_OK)
		st = open_answers(r, files, n_files, err);
	return st == OD_OK ? report_open_items(&o->report, o->common.framed, &r->items, err) : st;
}

static enum od_status
write_item(struct run *r, const struct od_math_item *item, struct od_error *err)
{
	if (r->items == NULL)
		return OD_OK;
	od_buf_clear(&r->line);
	od_math_write(&r->tally, item, &r->result, &r->line);
	if (!od_buf_ok(&r->line))
		return od_fail_nomem(err, "an item", r->line.len);
	return od_jsonl_write(r->items, r->line.data, r->line.len, err);
}

static enum od_status
count(struct run *r, const struct od_math_item *item, struct od_error *err)
{
	const struct od_sheet *s = &r->tally.sheet;

	if (r->o->by == NULL)
		return OD_OK;
	return od_groups_add(&r->groups, od_json_path(item->record, r->o->by), s->value[(s->n - 1) * s->n_columns], err);
}

/* An output, whoever made it: its problem's verdicts are counted and written. OD_EFORMAT: it cannot be used, and nothing is done. */
static enum od_status
judge(struct run *r, const json_t *output, struct od_error *err)
{
	const struct math_options *o = r->o;
	const struct od_math_item *item;
	size_t i = 0;
	enum od_status st = od_math_match(&r->data, output, &i, err);

	if (st != OD_OK)
		return st;
	item = &r->data.p[i];
	st = od_math_judge(&r->result, r->data.dataset, item, output, (enum od_math_grader)o->grader, !o->no_symbolic, err);
	if (st == OD_OK)
		st = answers_take(&r->answers, output, err);
	if (st == OD_OK)
		st = od_math_add(&r->tally, item, &r->result, err);
	if (st != OD_OK)
		return st;
	if (r->tally.sheet.run == NULL)
		od_sheet_made(&r->tally.sheet, r->answers.run);
	r->data.roster.item[i].seen = true;
	st = count(r, item, err);
	return st == OD_OK ? write_item(r, item, err) : st;
}

static enum od_status
judge_stream(struct run *r, struct od_error *err)
{
	struct od_record rec;
	enum od_status st;

	while ((st = od_jsonl_next(r->in, &rec, err)) == OD_OK) {
		st = judge(r, rec.json, err);
		if (st == OD_EFORMAT)
			st = od_jsonl_reject(r->in, &rec, err);
		else if (st == OD_EMISMATCH)
			od_error_prefix(err, "%s:%lld: ", rec.source, (long long)rec.lineno);
		if (st != OD_OK)
			return st;
	}
	return st == OD_EOF ? OD_OK : st;
}

/* ---- report ------------------------------------------------------------------------------------------------------------------ */

static void
write_summary(const struct run *r, int64_t skipped, struct od_buf *json)
{
	const struct od_math_tally *t = &r->tally;

	od_buf_printf(json, "{\"benchmark\":\"math\",\"dataset\":\"%s\",\"grader\":\"%s\",\"items\":%zu,\"samples\":%lld,\"missing\":%lld,"
		"\"skipped\":%lld,\"no_answer\":%lld,\"empty_references\":%zu", r->data.dataset->name, od_math_grader_names[r->o->grader], t->sheet.n,
		(long long)t->samples, (long long)r->missing, (long long)skipped, (long long)t->no_answer,
		r->data.empty);
	od_said_json(&r->answers.said, json);
	od_buf_char(json, ',');
	od_sheet_json(&t->sheet, json);
	if (r->o->by != NULL) {
		od_buf_str(json, ",\"by\":{\"field\":");
		od_buf_json_string(json, r->o->by, strlen(r->o->by));
		od_buf_str(json, ",\"groups\":");
		od_groups_json(&r->groups, json);
		od_buf_char(json, '}');
	}
	od_buf_str(json, "}\n");
}

static void
write_table(const struct run *r, struct od_buf *out)
{
	const struct od_math_tally *t = &r->tally;
	const struct od_math_dataset *d = r->data.dataset;

	od_buf_printf(out, "%s (%s), grader %s: %zu problem%s, %lld sample%s each", d->name, r->data.known_by,
		od_math_grader_names[r->o->grader], t->sheet.n, t->sheet.n == 1 ? "" : "s", (long long)t->samples, t->samples == 1 ? "" : "s");
	if (t->no_answer > 0)
		od_buf_printf(out, ", %lld without an answer", (long long)t->no_answer);
	if (r->data.empty > 0)
		od_buf_printf(out, "; references that are empty: %zu", r->data.empty);
	if (r->data.n != (size_t)d->size)
		od_buf_printf(out, "; the data has %zu problems, the published set %d", r->data.n, d->size);
	od_buf_char(out, '\n');
	od_said_line(&r->answers.said, out);
	od_sheet_table(&t->sheet, out);
	if (r->o->by != NULL)
		od_groups_table(&r->groups, r->o->by, out);
}

static enum od_status
report(const struct run *r, int64_t skipped, struct od_error *err)
{
	struct od_buf json = OD_BUF_INIT, table = OD_BUF_INIT;
	enum od_status st;

	write_summary(r, skipped, &json);
	write_table(r, &table);
	st = report_texts(&r->o->report, r->o->common.quiet, &json, &table, err);
	od_buf_release(&json);
	od_buf_release(&table);
	return st;
}

static void
close_all(struct run *r)
{
	od_jsonl_close(r->in);
	od_math_data_release(&r->data);
	od_math_result_release(&r->result);
	od_math_tally_release(&r->tally);
	od_groups_release(&r->groups);
	json_decref(r->how);
	answers_release(&r->answers);
	od_buf_release(&r->line);
}

static enum od_status
evaluate(struct math_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	struct run r = { .o = o, .answers = ANSWERS_INIT };
	enum od_status st = open_all(&r, files, n_files, err), end;

	if (st == OD_OK)
		st = judge_stream(&r, err);
	if (st == OD_OK)
		st = report_missing(&r.data.roster, o->allow_missing, &r.missing, err);
	end = od_jsonl_writer_close(r.items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st == OD_OK) {
		*skipped = od_cli_skipped(r.in);
		st = report(&r, *skipped, err);
	}
	close_all(&r);
	return st;
}

int
od_eval_math(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "judge answers to the problems of a math benchmark",
		.usage = "math [OPTION...] --data FILE --model DIR | [FILE...]",
		.epilog = "Asks a model, or reads JSONL with id, idx or prompt, and responses[].text or response;\n"
			"writes each problem's verdicts, and pass@k over problems. Datasets: math, math500, minerva_math,\n"
			"gsm8k, olympiadbench, aime24, amc23, gaokao2023en, college_math.",
	};
	struct math_options o = { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT,
		.report = REPORT_OPTIONS_INIT, .answers = ANSWERS_OPTIONS_INIT };
	struct od_opt_group groups[] = { { "Evaluation", math_opts, &o, &o.given }, ANSWERS_GROUPS(&o.answers),
		{ "Service", od_service_opts, &o.answers.respond.service, NULL }, { "Results", report_opts, &o.report, NULL },
		{ "Records", od_record_opts, &o.records, NULL }, { "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	int64_t skipped = 0;
	enum od_status st;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	settle_grader(&o);
	if (o.report.compare != NULL)
		st = report_compare(&o.report, n_files, &err);
	else
		st = evaluate(&o, files, n_files, &skipped, &err);
	(void)st;                                  /* err tells od_cli_end */
	return od_cli_end(&err, skipped);
}
