/* ifeval.c -- od-eval ifeval: judges responses to IFEval's prompts, stored ones or a model's made now. */
#include <stdlib.h>
#include <string.h>

#include "bench/ifeval.h"
#include "common/cli.h"
#include "eval/answers.h"
#include "eval/eval.h"
#include "eval/report.h"

struct ifeval_options {
	struct od_common_options common;
	struct od_record_options records;
	struct report_options report;
	struct answers_options answers;
	const char *data, *punkt, *profiles;
	bool no_language, allow_missing, units;
};

#define T struct ifeval_options

static const struct od_opt ifeval_opts[] = {
	OD_OPT_STR(T, data, "data", "FILE", "the benchmark's input_data.jsonl (required)"),
	OD_OPT_STR(T, punkt, "punkt", "DIR", "parameters for sentences, NLTK's punkt_tab/english (default: Unicode's rules)"),
	OD_OPT_STR(T, profiles, "profiles", "PATH", "langdetect's language profiles, a directory or an archive (default: the library CLD2)"),
	OD_OPT_FLAG(T, no_language, "no-language", "leave what depends on the language undecided"),
	OD_OPT_FLAG(T, allow_missing, "allow-missing", "judge what is there when some prompts have no output"),
	OD_OPT_FLAG(T, units, "units", "add to each item what was counted: words, sentences, capitals, language"),
	OD_OPT_END
};

#undef T

/* The publisher's code says nothing about decoding; the common harness takes the likeliest token, up to 1,280. */
static const struct answers_preset presets[ANSWERS_PRESETS] = {
	{ .format = OD_FORMAT_CHAT, .temperature = 0, .top_p = 1, .max_tokens = 1280 },
	{ .format = OD_FORMAT_CHAT, .temperature = 0, .top_p = 1, .max_tokens = 1280 },
};

struct run {
	struct ifeval_options *o;
	struct answers_plan plan;
	struct answers answers;
	json_t *how;                               /* what verdicts depend on besides, for the manifest */
	struct od_ifeval_data data;
	struct od_punkt *punkt;
	struct od_langid *langid;
	struct od_ifeval_checker *checker;
	struct od_jsonl *in;
	struct od_jsonl_writer *items;
	struct od_ifeval_result result;
	struct od_ifeval_tally tally;
	struct od_buf line;
	int64_t several, missing;
};

/* By the profiles given, else by the library; not at all when the user says so. */
static enum od_status
open_language(struct run *r, struct od_error *err)
{
	if (r->o->profiles != NULL)
		return od_langid_open(&r->langid, r->o->profiles, err);
	return r->o->no_language ? OD_OK : od_langid_cld2(&r->langid, err);
}

static const char *
language_name(const struct run *r)
{
	return r->langid != NULL ? od_langid_name(r->langid) : "none";
}

static json_t *
question(const void *ctx, size_t i)
{
	const struct od_ifeval_prompt *p = &((const struct run *)ctx)->data.p[i];

	return json_pack("{s:O, s:s}", "key", json_object_get(p->record, "key"), "prompt", p->prompt);
}

/* The answers, made now if a model is given. */
static enum od_status
open_answers(struct run *r, const char *const *files, size_t n_files, struct od_error *err)
{
	struct ifeval_options *o = r->o;
	const struct answers_stream stream = { &r->data.roster, question, r, &o->records, files, n_files };

	r->how = json_pack("{s:s, s:s}", "sentences", r->punkt != NULL ? "punkt" : "unicode", "language", language_name(r));
	if (r->how == NULL)
		return od_fail_nomem(err, "a manifest", 64);
	r->plan = (struct answers_plan){ .benchmark = "ifeval", .data = o->data, .preset = presets, .key = "key", .prompt = "prompt",
		.more = r->how, .threads = o->common.threads, .seed = o->records.seed };
	return answers_stream(&r->in, &r->answers, &o->answers, &r->plan, &stream, err);
}

static enum od_status
open_all(struct run *r, const char *const *files, size_t n_files, struct od_error *err)
{
	const struct ifeval_options *o = r->o;
	enum od_status st = answers_operands(&o->answers, files, n_files, err);

	if (o->data == NULL)
		return od_fail(err, OD_EUSAGE, "option '--data' is required: the benchmark's input_data.jsonl");
	if (o->profiles != NULL && o->no_language)
		return od_fail(err, OD_EUSAGE, "options '--profiles' and '--no-language' contradict each other");
	if (st == OD_OK)
		st = od_ifeval_data_read(&r->data, o->data, err);
	if (st == OD_OK && o->punkt != NULL)
		st = od_punkt_open(&r->punkt, o->punkt, err);
	if (st == OD_OK)
		st = open_language(r, err);
	if (st == OD_OK)
		st = od_ifeval_checker_new(&r->checker, r->punkt, r->langid, err);
	if (st == OD_OK)
		st = open_answers(r, files, n_files, err);
	return st == OD_OK ? report_open_items(&o->report, o->common.framed, &r->items, err) : st;
}

static enum od_status
write_item(struct run *r, const struct od_ifeval_prompt *p, const json_t *output, const char *response, size_t len, struct od_error *err)
{
	struct od_text_units units;
	enum od_status st = OD_OK;

	if (r->items == NULL)
		return OD_OK;
	if (r->o->units)
		st = od_ifeval_units(r->checker, response, len, &units, err);
	if (st != OD_OK)
		return st;
	od_buf_clear(&r->line);
	od_ifeval_write(p, &r->result, r->o->units ? &units : NULL, &r->line);
	answers_item(output, &r->line);
	od_manifest_write(r->answers.run, &r->line);
	od_buf_char(&r->line, '}');
	if (!od_buf_ok(&r->line))
		return od_fail_nomem(err, "an item", len);
	return od_jsonl_write(r->items, r->line.data, r->line.len, err);
}

static enum od_status
judge(struct run *r, const struct od_record *rec, struct od_error *err)
{
	struct od_ifeval_prompt *p = NULL;
	const char *response = NULL;
	size_t len = 0;
	bool several;
	enum od_status st = od_ifeval_match(&r->data, rec->json, &p, &response, &len, &several, err);

	if (st == OD_OK)
		st = answers_take(&r->answers, rec->json, err);
	if (st == OD_EMISMATCH)
		return od_error_prefix(err, "%s:%lld: ", rec->source, (long long)rec->lineno);
	if (st != OD_OK)
		return st == OD_EFORMAT ? od_jsonl_reject(r->in, rec, err) : st;
	st = od_ifeval_judge(&r->result, p, r->checker, response, len, err);
	if (st != OD_OK)
		return st;
	r->several += several;
	od_ifeval_add(&r->tally, p, &r->result);
	return write_item(r, p, rec->json, response, len, err);
}

static enum od_status
report(const struct run *r, int64_t skipped, struct od_error *err)
{
	const struct od_ifeval_tally *t = &r->tally;
	const char *sentences = r->punkt != NULL ? "punkt" : "unicode", *language = language_name(r);
	struct od_buf json = OD_BUF_INIT, table = OD_BUF_INIT;
	enum od_status st;

	od_buf_printf(&json, "{\"benchmark\":\"ifeval\",\"prompts\":%lld,\"instructions\":%lld,\"undecided\":%lld,\"missing\":%lld,"
		"\"skipped\":%lld,\"sentences\":\"%s\",\"language\":\"%s\",", (long long)t->prompts, (long long)t->instructions,
		(long long)t->undecided, (long long)r->missing, (long long)skipped, sentences, language);
	od_ifeval_json(t, &json);
	od_said_json(&r->answers.said, &json);
	od_manifest_write(r->answers.run, &json);
	od_buf_str(&json, "}\n");
	od_buf_printf(&table, "%lld prompts, %lld instructions, %lld undecided; sentences: %s; language: %s\n", (long long)t->prompts,
		(long long)t->instructions, (long long)t->undecided, r->punkt != NULL ? "Punkt, parameters given" : "Unicode's rules (ICU)",
		r->o->profiles != NULL ? "langdetect, profiles given" : r->langid != NULL ? language : "not identified");
	od_said_line(&r->answers.said, &table);
	od_ifeval_table(t, &table);
	st = report_texts(&r->o->report, r->o->common.quiet, &json, &table, err);
	od_buf_release(&json);
	od_buf_release(&table);
	return st;
}

static void
close_all(struct run *r)
{
	od_jsonl_close(r->in);
	od_ifeval_checker_free(r->checker);
	od_punkt_close(r->punkt);
	od_langid_close(r->langid);
	od_ifeval_data_release(&r->data);
	od_ifeval_result_release(&r->result);
	od_buf_release(&r->line);
	json_decref(r->how);
	answers_release(&r->answers);
}

static enum od_status
evaluate(struct ifeval_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	struct run r = { .o = o, .answers = ANSWERS_INIT };
	struct od_record rec;
	enum od_status st = open_all(&r, files, n_files, err), end;

	while (st == OD_OK && (st = od_jsonl_next(r.in, &rec, err)) == OD_OK)
		st = judge(&r, &rec, err);
	st = st == OD_EOF ? OD_OK : st;
	if (st == OD_OK)
		st = report_missing(&r.data.roster, o->allow_missing, &r.missing, err);
	end = od_jsonl_writer_close(r.items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st == OD_OK) {
		*skipped = od_cli_skipped(r.in);
		if (r.several > 0)
			od_warn("%lld outputs have several responses: the first of each is judged", (long long)r.several);
		st = report(&r, *skipped, err);
	}
	close_all(&r);
	return st;
}

int
od_eval_ifeval(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "judge responses to IFEval's prompts",
		.usage = "ifeval [OPTION...] --data FILE --model DIR | [FILE...]",
		.epilog = "Asks a model, or reads JSONL with key or prompt, and response or responses[0].text; writes each\n"
			"item's strict and loose verdicts, and accuracies over prompts and instructions.",
	};
	struct ifeval_options o = { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT,
		.report = REPORT_OPTIONS_INIT, .answers = ANSWERS_OPTIONS_INIT };
	struct od_opt_group groups[] = { { "Evaluation", ifeval_opts, &o, NULL }, ANSWERS_GROUPS(&o.answers),
		{ "Service", od_service_opts, &o.answers.respond.service, NULL }, { "Results", report_opts, &o.report, NULL },
		{ "Records", od_record_opts, &o.records, NULL }, { "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	int64_t skipped = 0;
	enum od_status st;
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
