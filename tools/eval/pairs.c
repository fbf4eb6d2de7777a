/* pairs.c -- od-eval pairs: options, and what becomes of the results. The work is in pairs_run.c. */
#include "eval/pairs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "eval/eval.h"
#include "pref/logps.h"

static const struct od_opt pairs_opts[] = {
	OD_OPT_STR(struct pairs_options, model, "model", "DIR",
		"model to evaluate (default: policy_*_logps of the records)"),
	OD_OPT_STR(struct pairs_options, ref_model, "ref-model", "DIR",
		"reference model (default: ref_*_logps of the records)"),
	OD_OPT_INT(struct pairs_options, batch_tokens, "batch-tokens", "N", 0, 1 << 24,
		"tokens that run through a model at once (0: as suits the device); memory, not results, depends on it"),
	OD_OPT_END
};

static bool
is_dir(const char *path)
{
	struct stat s;

	return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* Says what was left out, once. */
static void
report_left_out(const struct pairs_result *r)
{
	for (int d = OD_KEEP + 1; d < OD_N_DROPS; d++)
		if (r->dropped[d] > 0)
			od_note("%lld pairs left out: %s", (long long)r->dropped[d], od_drop_names[d]);
	if (r->skipped > 0)
		od_warn("%lld bad records left out, first: %s", (long long)r->skipped,
			od_buf_ok(&r->first_skip) && r->first_skip.data != NULL ? r->first_skip.data : "");
	if (r->without_ref > 0)
		od_warn("%lld records do not say how their reference log-probs were made", (long long)r->without_ref);
}

static void
hash_member(struct od_buf *b, const char *name, const char *hash)
{
	od_buf_printf(b, ",\"%s\":", name);
	if (hash[0] == '\0')
		od_buf_str(b, "null");
	else
		od_buf_json_string(b, hash, strlen(hash));
}

/* The members of a summary before the metrics. */
static void
summary_head(struct od_buf *b, const struct pairs_options *o, const struct pairs_result *r)
{
	bool first = true;

	od_buf_printf(b, "\"benchmark\":\"pairs\",\"pairs\":%zu,\"skipped\":%lld,\"dropped\":{", r->sheet[0].n,
		(long long)r->skipped);
	for (int d = OD_KEEP + 1; d < OD_N_DROPS; d++) {
		if (r->dropped[d] == 0)
			continue;
		od_buf_str(b, first ? "" : ",");
		od_buf_json_string(b, od_drop_names[d], strlen(od_drop_names[d]));
		od_buf_printf(b, ":%lld", (long long)r->dropped[d]);
		first = false;
	}
	od_buf_printf(b, "},\"objective\":\"%s\"", od_objective_names[o->objective.o.kind]);
	hash_member(b, "model", r->model[0]);
	hash_member(b, "ref_model", r->ref_model);
}

/* One policy, or the records' own numbers: items and a summary. */
static enum od_status
evaluate_one(const struct pairs_options *o, const char *const *files, size_t n_files, int64_t *skipped,
	struct od_error *err)
{
	struct od_buf head = OD_BUF_INIT, note = OD_BUF_INIT;
	struct od_jsonl_writer *items = NULL;
	struct pairs_result r = { .first_skip = OD_BUF_INIT };
	enum od_status st = report_open_items(&o->report, o->common.framed, &items, err), end;

	if (st == OD_OK)
		st = pairs_evaluate(o, &o->model, o->model != NULL, files, n_files, items, &r, err);
	end = od_jsonl_writer_close(items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st == OD_OK) {
		report_left_out(&r);
		summary_head(&head, o, &r);
		od_buf_printf(&note, "%zu pairs, objective %s", r.sheet[0].n, od_objective_names[o->objective.o.kind]);
		if (od_buf_ok(&head) && od_buf_ok(&note))
			st = report_summary(&o->report, o->common.quiet, &r.sheet[0], head.data, note.data, err);
		else
			st = od_fail_nomem(err, "a report", head.len);
	}
	*skipped = r.skipped;
	pairs_result_release(&r);
	od_buf_release(&head);
	od_buf_release(&note);
	return st;
}

static enum od_status
compare_models(const struct pairs_options *o, const char *const names[2], const char *const *files, size_t n_files,
	int64_t *skipped, struct od_error *err)
{
	struct pairs_result r;
	enum od_status st = pairs_evaluate(o, names, 2, files, n_files, NULL, &r, err);

	if (st == OD_OK) {
		report_left_out(&r);
		st = report_comparison(&o->report, &r.sheet[0], &r.sheet[1], names[0], names[1], err);
	}
	*skipped = r.skipped;
	pairs_result_release(&r);
	return st;
}

static enum od_status
compare(const struct pairs_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	char *a = NULL, *b = NULL;
	enum od_status st;

	if (o->model != NULL || o->report.items != NULL)
		return od_fail(err, OD_EUSAGE, "option '--compare' goes without '--model' and '--items'");
	st = report_compare_names(&o->report, &a, &b, err);
	if (st == OD_OK && is_dir(a) != is_dir(b))
		st = od_fail(err, OD_EUSAGE, "option '--compare' needs two item files or two model directories");
	else if (st == OD_OK && is_dir(a))
		st = compare_models(o, (const char *const[]){ a, b }, files, n_files, skipped, err);
	else if (st == OD_OK)
		st = report_compare_files(&o->report, a, b, n_files, err);
	free(a);
	free(b);
	return st;
}

static void
run(struct pairs_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	const struct od_recipe *recipe = NULL;
	enum od_status st = od_rules_options_recipe(&o->rules, &recipe, err);

	if (st == OD_OK)
		st = od_objective_options_finish(&o->objective, recipe, err);
	if (st == OD_OK && o->ref_model != NULL && o->model == NULL && o->report.compare == NULL)
		st = od_fail(err, OD_EUSAGE, "option '--ref-model' needs '--model'");
	if (st == OD_OK && o->report.compare != NULL)
		st = compare(o, files, n_files, skipped, err);
	else if (st == OD_OK)
		st = evaluate_one(o, files, n_files, skipped, err);
	(void)st;                                  /* err tells od_cli_end */
}

int
od_eval_pairs(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "measure a model on held-out preference pairs",
		.usage = "pairs [OPTION...] [FILE...]",
		.epilog = "Reads JSONL pairs; writes one JSON line a pair to standard output and a table of means with standard\n"
			"errors to standard error. 'od-eval pairs --compare A,B' compares two such outputs, or two models.",
	};
	struct pairs_options o = { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT,
		.objective = OD_OBJECTIVE_OPTIONS_INIT, .rules = OD_RULES_OPTIONS_INIT, .report = REPORT_OPTIONS_INIT,
		.device = OD_DEVICE_OPTIONS_INIT };
	struct od_opt_group groups[] = { { "Evaluation", pairs_opts, &o, NULL }, { "Results", report_opts, &o.report, NULL },
		{ "Objective", od_objective_opts, &o.objective, &o.objective.given },
		{ "Device", od_device_opts, &o.device, NULL },
		{ "Token rules", od_rules_opts, &o.rules, &o.rules.given },
		{ "Records", od_record_opts, &o.records, NULL }, { "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	int64_t skipped = 0;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	run(&o, files, n_files, &skipped, &err);
	return od_cli_end(&err, skipped);
}
