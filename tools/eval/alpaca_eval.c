/* alpaca_eval.c -- od-eval alpaca-eval: win rates from stored preferences, raw and length-controlled. What is computed is in
 * lib/bench/alpaca.h, how inputs look in alpaca_rows.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "eval/alpaca_judge.h"
#include "eval/alpaca_rows.h"
#include "eval/eval.h"
#include "eval/report.h"

struct alpaca_options {
	struct od_common_options common;
	struct report_options report;
	struct judged_bad bad;
	struct alpaca_judge_options judge;
	const char *annotations, *rows, *difficulty, *gamed, *coefficients, *only;
	double c;                                  /* 0: by cross-validation */
	int preference;
};

#define T struct alpaca_options

static const char *const preference_names[] = { "stored", "logprobs", NULL };

static const struct od_opt alpaca_opts[] = {
	OD_OPT_STR(T, annotations, "annotations", "FILE", "a judge's annotations: instruction, output_1, output_2, preference"),
	OD_OPT_STR(T, rows, "rows", "CSV", "preferences as a table: preference, len_1, len_2[, model, instruction_index]"),
	OD_OPT_STR(T, only, "only", "NAME", "the model meant, where an input holds several"),
	OD_OPT_ENUM(T, preference, "preference", "FROM", preference_names,
		"take preferences as they are stored, or compute them from the judge's log-probs"),
	OD_OPT_STR(T, difficulty, "difficulty", "CSV", "the instructions' difficulties: instruction_difficulty"),
	OD_OPT_STR(T, gamed, "gamed", "CSV", "rows of the gamed baseline: preference, std_delta_len, instruction_difficulty"),
	OD_OPT_DOUBLE(T, c, "c", "C", 1e-9, 1e9, "C of the regression (default: the best of ten by cross-validation)"),
	OD_OPT_STR(T, coefficients, "coefficients", "A,B,C|CSV", "the regression's coefficients instead of a fit"),
	OD_OPT_FLAG(T, bad.skip, "skip-bad", "leave malformed items out, exit 4 at the end"),
	OD_OPT_END
};

static const struct od_sheet_column columns[] = {
	{ "win_rate", "win rate" }, { "discrete", "discrete win rate" }, { "length_controlled", "length-controlled" },
	{ "preference", "preference" }, { "delta_len", "baseline's length - model's" }, { "switched", "model shown first" },
};

enum { N_COLUMNS = sizeof columns / sizeof *columns };

/* What the length-controlled rate needs besides rows. */
struct lc_inputs {
	double *difficulty;
	struct od_alpaca_gamed *gamed;
	struct alpaca_coefficients coefficients;
	size_t n_difficulty, n_gamed;
	bool wanted;
};

struct run {
	struct alpaca_options *o;
	struct lc_inputs lc;
	struct answers said;
	struct od_jsonl_writer *items;
	struct od_buf json, table, line;
	bool several;
};

static enum od_status
check_options(const struct alpaca_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	int inputs = (o->annotations != NULL) + (o->rows != NULL) + (o->judge.ask.url != NULL);
	enum od_status st = alpaca_judge_check(&o->judge, err);

	if (st != OD_OK)
		return st;
	if (n_files > 0)
		return od_fail(err, OD_EUSAGE, "'%s': files are named by options, --annotations or --rows", files[0]);
	if (answers_asks(&o->judge.answers) && o->judge.ask.url == NULL)
		return od_fail(err, OD_EUSAGE, "option '--model' needs '--judge-url', to judge what the model answers; od-sample makes answers alone");
	if (inputs > 1)
		return od_fail(err, OD_EUSAGE, "options '--annotations', '--rows' and '--judge-url' exclude each other");
	if (inputs == 0 && o->coefficients == NULL)
		return od_fail(err, OD_EUSAGE, "nothing to evaluate: give --annotations, --rows, --judge-url or --coefficients");
	if (o->coefficients != NULL && (o->gamed != NULL || o->c != 0))
		return od_fail(err, OD_EUSAGE, "option '--coefficients' goes without '--gamed' and '--c', which are for a fit");
	if (o->coefficients != NULL && o->difficulty == NULL)
		return od_fail(err, OD_EUSAGE, "option '--coefficients' needs '--difficulty'");
	if (o->coefficients == NULL && (o->difficulty == NULL) != (o->gamed == NULL))
		return od_fail(err, OD_EUSAGE, "a length-controlled win rate needs both '--difficulty' and '--gamed'");
	if (o->c != 0 && o->difficulty == NULL)
		return od_fail(err, OD_EUSAGE, "option '--c' needs '--difficulty' and '--gamed'");
	return OD_OK;
}

static enum od_status
read_lc_inputs(struct lc_inputs *in, const struct alpaca_options *o, struct od_error *err)
{
	enum od_status st = OD_OK;

	in->wanted = o->difficulty != NULL;
	if (in->wanted)
		st = alpaca_read_difficulty(&in->difficulty, &in->n_difficulty, o->difficulty, err);
	if (st == OD_OK && o->gamed != NULL)
		st = alpaca_read_gamed(&in->gamed, &in->n_gamed, o->gamed, err);
	if (st == OD_OK && o->coefficients != NULL)
		st = alpaca_read_coefficients(&in->coefficients, o->coefficients, err);
	return st;
}

/* The length-controlled rate of a model's rows. */
static enum od_status
length_controlled(const struct run *r, const struct alpaca_model *m, struct od_alpaca_lc *lc, struct od_error *err)
{
	const struct lc_inputs *in = &r->lc;
	enum od_status st;

	*lc = (struct od_alpaca_lc){ NAN, NAN, { NAN, NAN, NAN }, NAN };
	if (!in->wanted)
		return OD_OK;
	if (m->n < in->n_difficulty)
		od_warn("%s: %zu of %zu instructions are there; difficulties are taken by position, as the reference does",
			m->name ? m->name : "rows", m->n, in->n_difficulty);
	if (r->o->coefficients == NULL)
		return od_alpaca_fit(m->row, m->n, in->difficulty, in->n_difficulty, in->gamed, in->n_gamed,
			r->o->c == 0 ? NAN : r->o->c, lc, err);
	if (m->n > in->n_difficulty)
		return od_fail(err, OD_EMISMATCH, "%zu rows, but difficulties of %zu instructions", m->n, in->n_difficulty);
	st = alpaca_find_coefficients(&in->coefficients, m->name, lc->coef, err);
	if (st == OD_OK)
		od_alpaca_lc_rates(m->row, in->difficulty, m->n, lc);
	return st;
}

/* ---- results ------------------------------------------------------------------------------------------------------------ */

static void
lc_members(struct od_buf *json, const struct od_alpaca_lc *lc)
{
	judged_number(json, "length_controlled_winrate", lc->win_rate);
	judged_number(json, "lc_standard_error", lc->standard_error);
	judged_number(json, "c", lc->c);
	od_buf_str(json, ",\"coefficients\":[");
	for (int i = 0; i < OD_ALPACA_FEATURES; i++) {
		od_buf_str(json, i ? "," : "");
		od_buf_json_double(json, lc->coef[i]);
	}
	od_buf_char(json, ']');
}

/* The members of a model's object, from its first comma on. */
static void
model_members(struct od_buf *json, const struct alpaca_model *m, const struct od_alpaca_rates *a, const struct od_alpaca_lc *lc)
{
	judged_text(json, "baseline", m->baseline);
	judged_text(json, "judge", m->judge);
	judged_number(json, "win_rate", a->win_rate);
	judged_number(json, "standard_error", a->standard_error);
	judged_number(json, "discrete_win_rate", a->discrete_win_rate);
	judged_number(json, "discrete_standard_error", a->discrete_standard_error);
	lc_members(json, lc);
	od_buf_printf(json, ",\"n_wins\":%lld,\"n_wins_base\":%lld,\"n_draws\":%lld,\"n_total\":%lld,\"n_missing\":%lld,"
		"\"n_outside\":%lld",
		(long long)a->n_wins, (long long)a->n_wins_base, (long long)a->n_draws, (long long)a->n_total,
		(long long)a->n_missing, (long long)a->n_outside);
	judged_number(json, "avg_length", a->avg_length);
}

/* {"benchmark":..,"model":..,MEMBERS} of one, {"benchmark":..,"models":{NAME:{"model":..,MEMBERS},...}} of several. */
static void
begin_model(struct run *r, const char *name, bool first)
{
	if (r->several) {
		od_buf_str(&r->json, first ? "{\"benchmark\":\"alpaca-eval\",\"models\":{" : ",");
		od_buf_json_string(&r->json, name ? name : "", name ? strlen(name) : 0);
		od_buf_str(&r->json, ":{\"benchmark\":\"alpaca-eval\"");
	} else {
		od_buf_str(&r->json, "{\"benchmark\":\"alpaca-eval\"");
	}
	judged_text(&r->json, "model", name);
	if (first)
		od_buf_printf(&r->table, "%-40s %8s %6s %8s %8s %6s %6s\n", "model", "win rate", "s.e.", "discrete", "LC", "s.e.",
			"items");
}

static void
table_line(struct od_buf *table, const char *name, const struct od_alpaca_rates *a, const struct od_alpaca_lc *lc)
{
	const double v[] = { a->win_rate, a->standard_error, a->discrete_win_rate, lc->win_rate, lc->standard_error };
	static const int width[] = { 8, 6, 8, 8, 6 };

	od_buf_printf(table, "%-40s", name ? name : "-");
	for (int i = 0; i < 5; i++)
		if (isfinite(v[i]))
			od_buf_printf(table, " %*.2f", width[i], v[i]);
		else
			od_buf_printf(table, " %*s", width[i], "-");
	od_buf_printf(table, " %6lld\n", (long long)a->n_total);
}

static enum od_status
write_items(struct run *r, const struct alpaca_model *m, const struct od_alpaca_lc *lc, struct od_error *err)
{
	struct od_sheet s;
	struct od_buf id = OD_BUF_INIT;
	enum od_status st = OD_OK;

	od_sheet_init(&s, "alpaca-eval", columns, N_COLUMNS);
	od_sheet_made(&s, r->said.run);
	for (size_t i = 0; st == OD_OK && r->items != NULL && i < m->n; i++) {
		double y = od_alpaca_y(&m->row[i]);
		const double value[N_COLUMNS] = { y, isnan(y) ? NAN : y > 0.5 ? 1 : y < 0.5 ? 0 : 0.5,
			isnan(y) || isnan(lc->win_rate) ? NAN : od_alpaca_lc_row(lc->coef, r->lc.difficulty[i]),
			m->row[i].preference, m->row[i].len_1 - m->row[i].len_2, m->switched[i] < 0 ? NAN : m->switched[i] };

		od_buf_clear(&id);
		if (r->several)
			od_buf_printf(&id, "%s/", m->name);
		od_buf_str(&id, m->id[i]);
		st = od_buf_ok(&id) ? od_sheet_add(&s, id.data, (int64_t)i, value, err) : od_fail_nomem(err, "a name", id.len);
		if (st == OD_OK)
			st = report_item(r->items, &s, &r->line, err);
	}
	od_buf_release(&id);
	od_sheet_release(&s);
	return st;
}

/* What the summary says of the answers and of how it was made. */
static void
describe(struct run *r)
{
	od_said_json(&r->said.said, &r->json);
	od_manifest_write(r->said.run, &r->json);
}

static enum od_status
evaluate_model(struct run *r, const struct alpaca_model *m, bool first, struct od_error *err)
{
	struct od_alpaca_rates rates;
	struct od_alpaca_lc lc;
	enum od_status st;

	od_alpaca_rates(m->row, m->n, &rates);
	if (rates.n_total == 0)
		return od_fail(err, OD_EFORMAT, "no item of model '%s' has a preference", m->name ? m->name : "-");
	if (rates.n_missing > 0)
		od_warn("%s: %lld of %zu items have no preference and take no part", m->name ? m->name : "rows",
			(long long)rates.n_missing, m->n);
	if (rates.n_outside > 0)
		od_warn("%s: %lld of %zu preferences lie outside 1..2 and take no part", m->name ? m->name : "rows",
			(long long)rates.n_outside, m->n);
	st = length_controlled(r, m, &lc, err);
	if (st != OD_OK) {
		od_error_prefix(err, "%s: ", m->name ? m->name : "rows");
		return st;
	}
	begin_model(r, m->name, first);
	model_members(&r->json, m, &rates, &lc);
	if (!r->several)
		describe(r);
	od_buf_char(&r->json, '}');
	table_line(&r->table, m->name, &rates, &lc);
	return write_items(r, m, &lc, err);
}

/* Without rows: rates over all instructions from published coefficients. */
static enum od_status
evaluate_coefficients(struct run *r, const char *name, bool first, struct od_error *err)
{
	const struct od_alpaca_rates none = { .win_rate = NAN, .standard_error = NAN, .discrete_win_rate = NAN,
		.n_total = (int64_t)r->lc.n_difficulty };
	struct od_alpaca_lc lc = { .c = NAN };
	enum od_status st = alpaca_find_coefficients(&r->lc.coefficients, name, lc.coef, err);

	if (st != OD_OK)
		return st;
	od_alpaca_lc_rates(NULL, r->lc.difficulty, r->lc.n_difficulty, &lc);
	begin_model(r, name, first);
	lc_members(&r->json, &lc);
	od_buf_printf(&r->json, ",\"n_total\":%zu}", r->lc.n_difficulty);
	table_line(&r->table, name, &none, &lc);
	return OD_OK;
}

static enum od_status
coefficients_only(struct run *r, struct od_error *err)
{
	const struct alpaca_coefficients *c = &r->lc.coefficients;
	enum od_status st = OD_OK;

	r->several = !c->given && r->o->only == NULL;
	if (!r->several)
		return evaluate_coefficients(r, r->o->only, true, err);
	for (size_t i = 0; st == OD_OK && i < c->table.n_rows; i++)
		st = evaluate_coefficients(r, od_csv_text(&c->table, i, 0), i == 0, err);
	return st;
}

/* Of stored preferences the judge is known, and of one model the name. */
static enum od_status
make_manifest(struct run *r, const struct alpaca_models *m, struct od_error *err)
{
	if (r->said.run != NULL || m->n == 0)
		return OD_OK;
	r->said.plan = (struct answers_plan){ .benchmark = "alpaca-eval", .judge = m->model[0].judge };
	r->said.o = &r->o->judge.answers;
	if (m->n == 1 && r->said.o->name == NULL)
		r->said.o->name = m->model[0].name;
	return answers_manifest(&r->said, err);
}

static enum od_status
evaluate_rows(struct run *r, struct alpaca_options *o, struct od_error *err)
{
	enum alpaca_preference from = (enum alpaca_preference)o->preference;
	struct alpaca_models m = { 0 };
	enum od_status st;

	if (o->annotations != NULL)
		st = alpaca_read_annotations(&m, o->annotations, o->only, from, &o->bad, err);
	else if (o->rows != NULL)
		st = alpaca_read_rows(&m, o->rows, o->only, from, &o->bad, err);
	else
		st = alpaca_judge(&m, &o->judge, &r->said, &o->bad, err);
	if (st == OD_OK)
		st = make_manifest(r, &m, err);
	r->several = m.n > 1;
	for (size_t i = 0; st == OD_OK && i < m.n; i++)
		st = evaluate_model(r, &m.model[i], i == 0, err);
	alpaca_models_release(&m);
	return st;
}

static enum od_status
evaluate(struct alpaca_options *o, struct od_error *err)
{
	struct run r = { .o = o, .said = ANSWERS_INIT, .json = OD_BUF_INIT, .table = OD_BUF_INIT, .line = OD_BUF_INIT };
	bool with_rows = o->annotations != NULL || o->rows != NULL || o->judge.ask.url != NULL;
	enum od_status st = read_lc_inputs(&r.lc, o, err), end;

	if (st == OD_OK && with_rows)
		st = report_open_items(&o->report, o->common.framed, &r.items, err);
	if (st == OD_OK)
		st = with_rows ? evaluate_rows(&r, o, err) : coefficients_only(&r, err);
	end = od_jsonl_writer_close(r.items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st == OD_OK) {
		judged_report(&o->bad);
		od_buf_str(&r.json, r.several ? "}}\n" : "\n");
		od_said_line(&r.said.said, &r.table);
		st = report_texts(&o->report, o->common.quiet, &r.json, &r.table, err);
	}
	answers_release(&r.said);
	free(r.lc.difficulty);
	free(r.lc.gamed);
	od_csv_release(&r.lc.coefficients.table);
	od_buf_release(&r.json);
	od_buf_release(&r.table);
	od_buf_release(&r.line);
	return st;
}

static void
run(struct alpaca_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	enum od_status st;

	if (o->report.compare != NULL)
		st = report_compare(&o->report, n_files, err);
	else if ((st = check_options(o, files, n_files, err)) == OD_OK)
		st = evaluate(o, err);
	(void)st;                                  /* err tells od_cli_end */
}

int
od_eval_alpaca_eval(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "AlpacaEval 2: win rates against a baseline from a judge's preferences",
		.usage = "alpaca-eval [OPTION...] --annotations FILE | --rows CSV | --judge-url URL",
		.epilog = "Win rates, their standard errors and, with --difficulty and --gamed, length-controlled ones; with\n"
			"--coefficients these alone. Writes one JSON line an item to standard output and a table to\n"
			"standard error.",
	};
	struct alpaca_options o = { .common = OD_COMMON_OPTIONS_INIT, .report = REPORT_OPTIONS_INIT,
		.judge = ALPACA_JUDGE_OPTIONS_INIT };
	struct od_opt_group groups[] = { { "Preferences", alpaca_opts, &o, NULL }, { "Judge", ask_opts, &o.judge.ask, NULL },
		{ "Outputs", alpaca_judge_opts, &o.judge, NULL }, ANSWERS_GROUPS(&o.judge.answers),
		{ "Questions", answers_choice_opts, &o.judge.choice, NULL }, { "Service", od_service_opts, &o.judge.ask.service, NULL },
		{ "Results", report_opts, &o.report, NULL },
		{ "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	o.judge.threads = o.common.threads;
	run(&o, files, n_files, &err);
	return od_cli_end(&err, o.bad.n);
}
