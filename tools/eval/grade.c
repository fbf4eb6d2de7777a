/* grade.c -- od-eval grade: extracts and judges answers to math problems, record by record. */
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "eval/eval.h"
#include "eval/report.h"
#include "grade/math_answer.h"
#include "grade/math_equal.h"

struct grade_options {
	struct od_common_options common;
	struct od_record_options records;
	struct report_options report;
	const char *dataset, *text_field, *gt_field;
	int grader;
	bool prepare, no_symbolic;
};

#define T struct grade_options

static const struct od_opt grade_opts[] = {
	OD_OPT_ENUM(T, grader, "grader", "NAME", od_math_grader_names, "Qwen2.5-Math's grader, or the Uni-DPO authors' variant of it"),
	OD_OPT_STR(T, dataset, "dataset", "NAME", "benchmark of records that have no member dataset (default: math)"),
	OD_OPT_STR(T, text_field, "text-field", "PATH", "member with the completion"),
	OD_OPT_STR(T, gt_field, "gt-field", "PATH", "member with the reference answer"),
	OD_OPT_FLAG(T, prepare, "prepare", "the reference is the benchmark's own field: find the answer in it, normalise that, add it as reference"),
	OD_OPT_FLAG(T, no_symbolic, "no-symbolic", "compare text and numbers only, not expressions by their values"),
	OD_OPT_END
};

static const struct od_sheet_column columns[] = { { "verdict", "accuracy" } };

struct run {
	const struct grade_options *o;
	const struct od_math_dataset *dataset;     /* NULL: the default */
	struct od_jsonl *in;
	struct od_jsonl_writer *items;
	struct od_sheet sheet;
	struct od_buf pred, gt, json, line;
	size_t correct;
};

static enum od_status
record_dataset(const struct run *r, const struct od_record *rec, const struct od_math_dataset **out, struct od_error *err)
{
	const json_t *name = json_object_get(rec->json, "dataset");

	*out = r->dataset;
	if (!json_is_string(name) || od_math_dataset_find(out, json_string_value(name), err) == OD_OK)
		return OD_OK;
	od_error_prefix(err, "field 'dataset': ");
	return err->status = OD_EFORMAT;
}

/* r->gt from the record: as it is, or prepared. */
static enum od_status
reference(struct run *r, const struct od_record *rec, const struct od_math_dataset *d, struct od_error *err)
{
	enum od_math_grader g = (enum od_math_grader)r->o->grader;
	const char *s;
	size_t n;
	enum od_status st = od_json_need_string(rec->json, r->o->gt_field, &s, &n, err);

	if (st != OD_OK)
		return st;
	if (r->o->prepare)
		return od_math_reference(g, d, s, n, &r->gt, err);
	od_buf_clear(&r->gt);
	od_buf_append(&r->gt, s, n);
	return od_buf_ok(&r->gt) ? OD_OK : od_fail_nomem(err, "an answer", n);
}

static enum od_status
grade(struct run *r, const struct od_record *rec, bool *verdict, struct od_error *err)
{
	enum od_math_grader g = (enum od_math_grader)r->o->grader;
	const struct od_math_dataset *d = NULL;
	const char *text = NULL;
	bool none = false;
	size_t n = 0;
	enum od_status st = record_dataset(r, rec, &d, err);

	*verdict = false;
	if (st == OD_OK)
		st = od_json_need_string(rec->json, r->o->text_field, &text, &n, err);
	if (st == OD_OK)
		st = reference(r, rec, d, err);
	if (st == OD_OK)
		st = od_math_grade(g, d, text, n, r->gt.data, r->gt.len, !r->o->no_symbolic, &r->pred, &none, verdict, err);
	return st;
}

/* The record with pred and verdict, and the reference when that was prepared. */
static enum od_status
write_item(struct run *r, const struct od_record *rec, bool verdict, struct od_error *err)
{
	struct od_member members[3] = { { "pred", NULL, 0 }, { "verdict", verdict ? "true" : "false", verdict ? 4 : 5 } };
	size_t at;

	if (r->items == NULL)
		return OD_OK;
	od_buf_clear(&r->json);
	od_buf_clear(&r->line);
	od_buf_json_string(&r->json, r->pred.data, r->pred.len);
	at = r->json.len;
	od_buf_json_string(&r->json, r->gt.data, r->gt.len);
	if (!od_buf_ok(&r->json))
		return od_fail_nomem(err, "a record", rec->len);
	members[0].value = r->json.data;
	members[0].value_len = at;
	members[2] = (struct od_member){ "reference", r->json.data + at, r->json.len - at };
	od_jsonl_splice(&r->line, rec->line, rec->len, members, r->o->prepare ? 3 : 2);
	if (!od_buf_ok(&r->line))
		return od_fail_nomem(err, "a record", rec->len);
	return od_jsonl_write(r->items, r->line.data, r->line.len, err);
}

static enum od_status
grade_stream(struct run *r, struct od_error *err)
{
	struct od_record rec;
	enum od_status st;
	bool verdict;

	while ((st = od_jsonl_next(r->in, &rec, err)) == OD_OK) {
		st = grade(r, &rec, &verdict, err);
		if (st == OD_EFORMAT) {
			st = od_jsonl_reject(r->in, &rec, err);
			if (st != OD_OK)
				return st;
			continue;
		}
		if (st == OD_OK)
			st = od_sheet_add(&r->sheet, rec.id, rec.index, &(double){ verdict }, err);
		if (st == OD_OK)
			st = write_item(r, &rec, verdict, err);
		if (st != OD_OK)
			return st;
		r->correct += verdict;
	}
	return st == OD_EOF ? OD_OK : st;
}

static enum od_status
report(const struct run *r, int64_t skipped, struct od_error *err)
{
	const char *grader = od_math_grader_names[r->o->grader];
	struct od_buf head = OD_BUF_INIT, note = OD_BUF_INIT;
	enum od_status st;

	od_buf_printf(&head, "\"benchmark\":\"grade\",\"grader\":\"%s\",\"answers\":%zu,\"correct\":%zu,\"skipped\":%lld", grader,
		r->sheet.n, r->correct, (long long)skipped);
	od_buf_printf(&note, "%zu of %zu answers correct, grader %s", r->correct, r->sheet.n, grader);
	if (od_buf_ok(&head) && od_buf_ok(&note))
		st = report_summary(&r->o->report, r->o->common.quiet, &r->sheet, head.data, note.data, err);
	else
		st = od_fail_nomem(err, "a report", head.len);
	od_buf_release(&head);
	od_buf_release(&note);
	return st;
}

static enum od_status
evaluate(const struct grade_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	struct run r = { .o = o, .pred = OD_BUF_INIT, .gt = OD_BUF_INIT, .json = OD_BUF_INIT, .line = OD_BUF_INIT };
	enum od_status st = o->dataset ? od_math_dataset_find(&r.dataset, o->dataset, err) : OD_OK, end;

	od_sheet_init(&r.sheet, "grade", columns, 1);
	if (st == OD_OK)
		st = od_jsonl_open(&r.in, files, n_files, &o->records, err);
	if (st == OD_OK)
		st = report_open_items(&o->report, o->common.framed, &r.items, err);
	if (st == OD_OK)
		st = grade_stream(&r, err);
	end = od_jsonl_writer_close(r.items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st == OD_OK) {
		*skipped = od_cli_skipped(r.in);
		st = report(&r, *skipped, err);
	}
	od_jsonl_close(r.in);
	od_sheet_release(&r.sheet);
	od_buf_release(&r.pred);
	od_buf_release(&r.gt);
	od_buf_release(&r.json);
	od_buf_release(&r.line);
	return st;
}

int
od_eval_grade(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "extract and judge answers to math problems",
		.usage = "grade [OPTION...] [FILE...]",
		.epilog = "Reads JSONL records with a completion (text) and a reference answer (gt); adds pred and verdict.\n"
			"Datasets: math, math500, minerva_math, gsm8k, olympiadbench, aime24, amc23, gaokao2023en,\n"
			"college_math.",
	};
	struct grade_options o = { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT,
		.report = REPORT_OPTIONS_INIT, .text_field = "text", .gt_field = "gt" };
	struct od_opt_group groups[] = { { "Grading", grade_opts, &o, NULL }, { "Results", report_opts, &o.report, NULL },
		{ "Records", od_record_opts, &o.records, NULL }, { "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	enum od_status st;
	int64_t skipped = 0;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	if (o.report.compare != NULL)
		st = report_compare(&o.report, n_files, &err);
	else
		st = evaluate(&o, files, n_files, &skipped, &err);
	(void)st;                                  /* err tells od_cli_end */
	return od_cli_end(&err, skipped);
}
