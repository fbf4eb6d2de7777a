/* compare.c -- od-eval compare: two models on the same items, case by case. What a case is stands in lib/bench/cases.h; how it is
 * shown in compare_text.c and compare_page.c.
 */
#include "eval/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "eval/eval.h"
#include "eval/report.h"
#include "io/atomic.h"

static const char *const layout_names[] = { "auto", "beside", "below", NULL };

struct compare_options {
	struct od_common_options common;
	struct report_options report;
	const char *metric, *data, *outputs[2], *html;
	int64_t limit, width, lines;
	int show, sort, layout;
	bool json, markdown;
};

#define T struct compare_options

static const struct od_opt compare_opts[] = {
	OD_OPT_STR(T, metric, "metric", "NAME", "the verdict: a number of the items (default: the benchmark's main one)"),
	OD_OPT_STR(T, outputs[0], "outputs-a", "FILE", "what A said, where its items do not tell"),
	OD_OPT_STR(T, outputs[1], "outputs-b", "FILE", "what B said"),
	OD_OPT_STR(T, data, "data", "FILE", "the benchmark's data, for prompts"),
	OD_OPT_ENUM(T, show, "show", "WHICH", od_cases_show_names, "cases to show"),
	OD_OPT_ENUM(T, sort, "sort", "HOW", od_cases_sort_names, "by the size of the difference, or by id"),
	OD_OPT_INT(T, limit, "limit", "N", 0, 1e9, "cases to show at most (0: all)"),
	OD_OPT_FLAG(T, json, "json", "one JSON line a case"),
	OD_OPT_FLAG(T, markdown, "markdown", "a document in Markdown"),
	OD_OPT_STR(T, html, "html", "FILE", "a page of its own instead of text on standard output"),
	OD_OPT_INT(T, width, "width", "N", 0, 1000, "columns of the text (0: the terminal's)"),
	OD_OPT_INT(T, lines, "lines", "N", 0, 1e6, "lines of each prompt and response (0: all)"),
	OD_OPT_ENUM(T, layout, "layout", "HOW", layout_names, "responses side by side or one below the other (auto: from 100 columns)"),
	OD_OPT_END
};

#undef T

static const struct od_opt result_opts[] = {
	OD_OPT_STR(struct report_options, summary, "summary", "FILE", "the counts and differences as one JSON object"),
	OD_OPT_INT(struct report_options, resamples, "resamples", "N", 1, 1e7, "resamples of intervals and tests"),
	OD_OPT_FLAG(struct report_options, mixed, "mixed", "compare results that were not made alike"),
	OD_OPT_END
};

static enum od_status
check_options(const struct compare_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	const char *names[5] = { NULL, NULL, o->outputs[0], o->outputs[1], o->data };
	int from_stdin = 0;

	if (n_files != 2)
		return od_fail(err, OD_EUSAGE, "two files of items are compared: A B");
	if (o->json && o->markdown)
		return od_fail(err, OD_EUSAGE, "options '--json' and '--markdown' contradict each other");
	if ((report_is_stdout(o->html) && (o->json || o->markdown || report_is_stdout(o->report.summary))) ||
		(report_is_stdout(o->report.summary) && (o->json || o->markdown)))
		return od_fail(err, OD_EUSAGE, "standard output can be one thing only");
	if (o->width > 0 && o->width < 20)
		return od_fail(err, OD_EUSAGE, "option '--width': at least 20 columns are needed");
	names[0] = files[0];
	names[1] = files[1];
	for (size_t i = 0; i < 5; i++)
		from_stdin += report_is_stdout(names[i]);
	return from_stdin < 2 ? OD_OK : od_fail(err, OD_EUSAGE, "standard input can be read once only");
}

static enum od_status
read_all(struct od_cases *c, const struct compare_options *o, const char *const *files, struct od_error *err)
{
	enum od_status st = od_cases_read(c, 0, files[0], err);

	if (st == OD_OK)
		st = od_cases_read(c, 1, files[1], err);
	if (st == OD_OK)
		st = report_check_made(&o->report, &c->side[0].sheet, &c->side[1].sheet, files[0], files[1], err);
	for (int s = 0; st == OD_OK && s < 2; s++)
		if (o->outputs[s] != NULL)
			st = od_cases_outputs(c, s, o->outputs[s], err);
	if (st == OD_OK && o->data != NULL)
		st = od_cases_data(c, o->data, err);
	if (st == OD_OK)
		st = od_cases_match(c, o->metric, o->report.mixed, (int)o->report.resamples, REPORT_SEED, err);
	return st;
}

/* ---- what is written --------------------------------------------------------------------------------------------------------- */

static enum od_status
write_json(const struct compare_options *o, const struct compare_view *v, struct od_error *err)
{
	struct od_jsonl_writer *w = NULL;
	struct od_buf line = OD_BUF_INIT;
	struct od_out *out = NULL;
	enum od_status st = od_out_open(&out, "-", err), end;

	if (st == OD_OK)
		st = od_jsonl_writer_open(&w, out, o->common.framed, "od-eval", err);
	for (size_t at = 0; st == OD_OK && at < v->n; at++) {
		od_buf_clear(&line);
		compare_json(v, v->order[at], &line);
		st = od_buf_ok(&line) ? od_jsonl_write(w, line.data, line.len, err) : od_fail_nomem(err, "a case", line.len);
	}
	end = od_jsonl_writer_close(w, err, st == OD_OK ? err : NULL);
	od_buf_release(&line);
	return st == OD_OK ? end : st;
}

static void
summary(const struct compare_view *v, struct od_buf *out)
{
	const struct od_cases *c = v->cases;
	const struct od_paired *r = &c->paired;
	const double values[] = { r->mean_a, r->mean_b, r->diff, r->se, r->ci.low, r->ci.high, c->p };
	static const char *const names[] = { "mean_a", "mean_b", "diff", "se", "low", "high", "p" };

	for (int s = 0; s < 2; s++) {
		od_buf_printf(out, s ? ",\"b\":" : "{\"a\":");
		od_buf_json_string(out, v->name[s], strlen(v->name[s]));
	}
	od_buf_str(out, ",\"metric\":");
	od_buf_json_string(out, c->metric, strlen(c->metric));
	od_buf_printf(out, ",\"items\":%zu,\"only_a\":%lld,\"only_b\":%lld", c->n, (long long)c->only[0], (long long)c->only[1]);
	if (c->binary)
		od_buf_printf(out, ",\"both_right\":%lld,\"both_wrong\":%lld", (long long)c->both_right, (long long)c->both_wrong);
	for (int k = 0; k < OD_N_CHANGES; k++)
		od_buf_printf(out, ",\"%s\":%lld", od_change_names[k], (long long)c->count[k]);
	for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
		od_buf_printf(out, ",\"%s\":", names[k]);
		od_buf_json_double(out, values[k]);
	}
	od_buf_printf(out, ",\"test\":\"%s\",", c->binary ? "mcnemar" : "sign-flip");
	od_sheet_pairing_json(&c->pairing, out);
	od_buf_str(out, "}\n");
}

/* Where standard output is for programs, or for nothing, people find the head on standard error. */
static enum od_status
write_head(const struct compare_options *o, const struct compare_view *v, struct od_error *err)
{
	struct od_buf head = OD_BUF_INIT;
	enum od_status st = OD_OK;

	compare_head_text(v, &head);
	if (!od_buf_ok(&head))
		st = od_fail_nomem(err, "a report", head.len);
	else if (!o->common.quiet)
		st = od_write_all(STDERR_FILENO, head.data, head.len, "<stderr>", err);
	od_buf_release(&head);
	return st;
}

static enum od_status
write_all(const struct compare_options *o, const struct compare_view *v, struct od_error *err)
{
	struct od_buf page = OD_BUF_INIT, text = OD_BUF_INIT, json = OD_BUF_INIT;
	bool people = !o->json && !o->markdown && o->html == NULL && !report_is_stdout(o->report.summary);
	enum od_status st = OD_OK;

	if (o->html != NULL) {
		compare_html(v, &page);
		st = report_write(o->html, &page, err);
	}
	if (st == OD_OK && o->report.summary != NULL) {
		summary(v, &json);
		st = report_write(o->report.summary, &json, err);
	}
	if (st == OD_OK && o->json)
		st = write_json(o, v, err);
	if (st == OD_OK && (o->markdown || people)) {
		(o->markdown ? compare_markdown : compare_text)(v, &text);
		st = report_write("-", &text, err);
	} else if (st == OD_OK) {
		st = write_head(o, v, err);
	}
	od_buf_release(&page);
	od_buf_release(&text);
	od_buf_release(&json);
	return st;
}

static const char *
run_text(const struct od_cases *c, int side, const char *member)
{
	return json_string_value(json_object_get(c->side[side].sheet.run, member));
}

/* A model is called what its manifest calls it, or like its file. */
static enum od_status
show(const struct compare_options *o, struct od_cases *c, const char *const *files, struct od_error *err)
{
	struct compare_view v = { .cases = c, .benchmark = run_text(c, 0, "benchmark"), .show = od_cases_show_names[o->show],
		.width = o->width > 0 ? (int)o->width : od_cli_width(STDOUT_FILENO), .lines = (int)o->lines,
		.layout = (enum compare_layout)o->layout };
	char *label[2] = { report_label(files[0]), report_label(files[1]) };
	size_t *order = NULL;
	enum od_status st = label[0] != NULL && label[1] != NULL ? OD_OK : od_fail_nomem(err, "names", 2);

	for (int s = 0; s < 2; s++)
		v.name[s] = run_text(c, s, "name") != NULL ? run_text(c, s, "name") : label[s];
	if (st == OD_OK)
		st = od_cases_select(c, (enum od_cases_show)o->show, (enum od_cases_sort)o->sort, &order, &v.selected, err);
	v.order = order;
	v.n = o->limit > 0 && (size_t)o->limit < v.selected ? (size_t)o->limit : v.selected;
	if (st == OD_OK)
		st = write_all(o, &v, err);
	free(order);
	free(label[0]);
	free(label[1]);
	return st;
}

int
od_eval_compare(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "show where two models' verdicts flip",
		.usage = "compare [OPTION...] A B",
		.epilog = "A and B are files of items (od-eval BENCHMARK >items.jsonl) of two models. Shows the counts, a test,\n"
			"and the cases: prompt, both responses, what was judged differently.",
	};
	struct compare_options o = { .common = OD_COMMON_OPTIONS_INIT, .report = REPORT_OPTIONS_INIT, .limit = 10, .lines = 40 };
	struct od_opt_group groups[] = { { "Comparison", compare_opts, &o, NULL }, { "Results", result_opts, &o.report, NULL },
		{ "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	struct od_cases cases = { 0 };
	const char *const *files;
	enum od_status st;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	st = check_options(&o, files, n_files, &err);
	if (st == OD_OK)
		st = read_all(&cases, &o, files, &err);
	if (st == OD_OK)
		st = show(&o, &cases, files, &err);
	od_cases_release(&cases);
	(void)st;                                  /* err tells od_cli_end */
	return od_cli_end(&err, 0);
}
