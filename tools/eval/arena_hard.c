/* arena_hard.c -- od-eval arena-hard: scores and intervals from battles or a judge's texts. What is computed is in
 * lib/bench/arena.h, how inputs look in arena_games.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/cli.h"
#include "eval/arena_judge.h"
#include "eval/eval.h"
#include "eval/report.h"
#include "stats/describe.h"

enum { SEED = 42 };

struct arena_options {
	struct od_common_options common;
	struct report_options report;
	struct judged_bad bad;
	struct arena_judge_options judge;
	const char *battles, *judgments, *baseline;
	int64_t rounds;
	int rule;
	uint64_t given;                            /* by the user */
};

#define T struct arena_options

enum { OPT_RULE };

static const struct od_opt arena_opts[] = {
	[OPT_RULE] = OD_OPT_ENUM(T, rule, "rule", "RULE", od_arena_rule_names, "how verdicts and intervals are made: the v0.1 code, or that of 2025"),
	OD_OPT_STR(T, battles, "battles", "FILE", "battles: question_id, model_a, model_b, winner"),
	OD_OPT_STR(T, judgments, "judgments", "FILE", "a judge's texts: question_id, model, games"),
	OD_OPT_STR(T, baseline, "baseline", "NAME", "the model all are compared with (default: what the records say, gpt-4-0314)"),
	OD_OPT_INT(T, rounds, "rounds", "N", 1, 100000, "resamples of the interval"),
	OD_OPT_FLAG(T, bad.skip, "skip-bad", "leave malformed items out, exit 4 at the end"),
	OD_OPT_END
};

static const struct od_sheet_column columns[] = { { "win", "win" }, { "weight", "weight" } };

static enum od_status
read_files(struct arena_games *g, struct arena_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	const char **names;
	enum od_status st = od_alloc(&names, n_files + 1, sizeof *names, "names", err);

	if (st != OD_OK)
		return st;
	names[0] = o->battles ? o->battles : o->judgments;
	if (n_files > 0)
		memcpy(names + 1, files, n_files * sizeof *names);
	if (o->battles != NULL)
		st = arena_read_battles(g, names, n_files + 1, o->baseline, &o->bad, err);
	else
		st = arena_read_judgments(g, names, n_files + 1, o->baseline, (enum od_arena_rule)o->rule, &o->bad, err);
	free(names);
	return st;
}

static enum od_status
judge_afresh(struct arena_games *g, struct arena_options *o, struct answers *said, struct od_error *err)
{
	enum od_arena_rule rule = (enum od_arena_rule)o->rule;
	json_t *records = NULL;
	enum od_status st = arena_judge(&records, &o->judge, said, &rule, o->given >> OPT_RULE & 1, &o->bad, err);

	o->rule = (int)rule;
	if (st == OD_OK)
		st = arena_take_judgments(g, records, rule, err);
	json_decref(records);
	return st;
}

static enum od_status
read_games(struct arena_games *g, struct arena_options *o, struct answers *said, const char *const *files, size_t n_files,
	struct od_error *err)
{
	int inputs = (o->battles != NULL) + (o->judgments != NULL) + (o->judge.ask.url != NULL);
	enum od_status st = arena_judge_check(&o->judge, err);

	if (st != OD_OK)
		return st;
	if (n_files > 0 && o->battles == NULL && o->judgments == NULL)
		return od_fail(err, OD_EUSAGE, "'%s': say with '--battles' or '--judgments' what it holds", files[0]);
	if (inputs != 1)
		return od_fail(err, OD_EUSAGE, "give either '--battles' or '--judgments' or '--judge-url'");
	return o->judge.ask.url != NULL ? judge_afresh(g, o, said, err) : read_files(g, o, files, n_files, err);
}

/* Scores of all models; games without a verdict take no part. */
static enum od_status
score(struct arena_games *g, const struct arena_options *o, struct od_error *err)
{
	struct od_arena_battle *b = NULL;
	struct od_arena_score *scores = NULL;
	size_t n = 0;
	enum od_status st = od_alloc(&b, g->n, sizeof *b, "battles", err);

	if (st == OD_OK)
		st = od_alloc(&scores, g->n_models, sizeof *scores, "scores", err);
	for (size_t i = 0; st == OD_OK && i < g->n; i++)
		if (g->game[i].battle.weight > 0)
			b[n++] = g->game[i].battle;
	if (st == OD_OK && n == 0)
		st = od_fail(err, OD_EFORMAT, "no game has a verdict; first: %s", g->first_unread);
	if (st == OD_OK)
		st = od_arena_scores(b, n, (int)g->n_models, (enum od_arena_rule)o->rule, (int)o->rounds, SEED, scores, err);
	for (size_t m = 0; st == OD_OK && m < g->n_models; m++)
		g->model[m].score = scores[m];
	if (st == OD_OK) {
		struct od_arena_score *s = &g->model[g->baseline].score;

		s->score = s->lower = s->upper = 50;       /* against itself */
		s->rating = 1000;
	}
	free(b);
	free(scores);
	return st;
}

static void
warn_of_games(const struct arena_games *g)
{
	int64_t most = 0;

	if (g->none + g->ambiguous + g->unknown > 0)
		od_warn("%lld of %zu games have no verdict (%lld no label, %lld labels that differ, %lld other labels) and take no part, "
			"first: %s", (long long)(g->none + g->ambiguous + g->unknown), g->n, (long long)g->none, (long long)g->ambiguous,
			(long long)g->unknown, g->first_unread);
	if (g->restated > 0)
		od_warn("%lld games have a stored score that is not what the rule reads in their text; the text counts",
			(long long)g->restated);
	for (size_t m = 0; m < g->n_models; m++)
		most = g->model[m].questions > most ? g->model[m].questions : most;
	for (size_t m = 0; g->judge != NULL && m < g->n_models; m++)
		if ((int32_t)m != g->baseline && g->model[m].questions < most)
			od_warn("%s: judgments of %lld questions, another model has %lld", g->model[m].name,
				(long long)g->model[m].questions, (long long)most);
}

/* ---- results ------------------------------------------------------------------------------------------------------------ */

static void
model_json(struct od_buf *json, const struct arena_model *m)
{
	const struct od_arena_score *s = &m->score;

	od_buf_json_string(json, m->name, strlen(m->name));
	od_buf_str(json, ":{\"score\":");
	od_buf_json_double(json, s->score);
	judged_number(json, "lower", s->lower);
	judged_number(json, "upper", s->upper);
	judged_number(json, "rating", s->rating);
	od_buf_printf(json, ",\"battles\":%lld,\"wins\":%lld,\"losses\":%lld,\"ties\":%lld,\"questions\":%lld,\"without_verdict\":%lld}",
		(long long)s->battles, (long long)s->wins, (long long)s->losses, (long long)s->ties, (long long)m->questions,
		(long long)m->unread);
}

static void
table_line(struct od_buf *table, const struct arena_model *m)
{
	const struct od_arena_score *s = &m->score;

	od_buf_printf(table, "%-40s ", m->name);
	if (isfinite(s->score))
		od_buf_printf(table, "%6.1f", s->score);
	else
		od_buf_printf(table, "%6s", "-");
	if (isfinite(s->lower) && isfinite(s->upper))
		od_buf_printf(table, "   (%+5.1f, %+5.1f)", s->lower - s->score, s->upper - s->score);
	else
		od_buf_printf(table, "   %14s", "-");
	od_buf_printf(table, " %8lld\n", (long long)s->battles);
}

/* The order of models by score; those without one are last. */
static enum od_status
best_first(const struct arena_games *g, size_t **order, struct od_error *err)
{
	double *below = NULL;
	enum od_status st = od_alloc(order, g->n_models, sizeof **order, "models", err);

	if (st == OD_OK)
		st = od_alloc(&below, g->n_models, sizeof *below, "models", err);
	for (size_t m = 0; st == OD_OK && m < g->n_models; m++)
		below[m] = isfinite(g->model[m].score.score) ? -g->model[m].score.score : 1;
	if (st == OD_OK)
		st = od_order(below, g->n_models, *order, err);
	free(below);
	return st;
}

/* Of stored games the judge is known, and of one model the name. */
static enum od_status
make_manifest(struct answers *said, struct arena_options *o, const struct arena_games *g, struct od_error *err)
{
	if (said->run != NULL)
		return OD_OK;
	said->plan = (struct answers_plan){ .benchmark = "arena-hard", .judge = g->judge };
	said->o = &o->judge.answers;
	if (g->n_models == 2 && said->o->name == NULL)
		said->o->name = g->model[g->baseline == 0].name;
	return answers_manifest(said, err);
}

static enum od_status
report(const struct arena_games *g, const struct arena_options *o, const struct answers *said, struct od_error *err)
{
	struct od_buf json = OD_BUF_INIT, table = OD_BUF_INIT;
	const char *level = o->rule == OD_ARENA_LEGACY ? "0.95" : "0.9";
	size_t *order = NULL;
	enum od_status st = best_first(g, &order, err);

	if (st != OD_OK) {
		free(order);
		return st;
	}
	od_buf_printf(&json, "{\"benchmark\":\"arena-hard\",\"rule\":\"%s\",\"level\":%s,\"rounds\":%lld",
		od_arena_rule_names[o->rule], level, (long long)o->rounds);
	judged_text(&json, "baseline", g->model[g->baseline].name);
	judged_text(&json, "judge", g->judge);
	od_buf_printf(&json, ",\"games\":%zu,\"no_label\":%lld,\"labels_differ\":%lld,\"other_label\":%lld,\"restated\":%lld,"
		"\"skipped\":%lld,\"models\":{", g->n, (long long)g->none, (long long)g->ambiguous, (long long)g->unknown, (long long)g->restated,
		(long long)o->bad.n);
	od_buf_printf(&table, "%-40s %6s   %14s %8s\n", "model", "score", o->rule == OD_ARENA_LEGACY ? "95 % interval" : "90 % interval",
		"battles");
	for (size_t m = 0; m < g->n_models; m++) {
		od_buf_str(&json, m ? "," : "");
		model_json(&json, &g->model[order[m]]);
		table_line(&table, &g->model[order[m]]);
	}
	od_buf_char(&json, '}');
	od_said_json(&said->said, &json);
	od_said_line(&said->said, &table);
	od_manifest_write(said->run, &json);
	od_buf_str(&json, "}\n");
	st = report_texts(&o->report, o->common.quiet, &json, &table, err);
	free(order);
	od_buf_release(&json);
	od_buf_release(&table);
	return st;
}

static enum od_status
write_items(const struct arena_games *g, json_t *made, struct od_jsonl_writer *items, struct od_error *err)
{
	struct od_buf id = OD_BUF_INIT, line = OD_BUF_INIT;
	struct od_sheet s;
	enum od_status st = OD_OK;

	od_sheet_init(&s, "arena-hard", columns, 2);
	od_sheet_made(&s, made);
	for (size_t i = 0; st == OD_OK && items != NULL && i < g->n; i++) {
		const struct arena_game *game = &g->game[i];
		bool none = game->battle.weight == 0;

		od_buf_clear(&id);
		if (g->n_models > 2)
			od_buf_printf(&id, "%s/", g->model[game->battle.model].name);
		od_buf_str(&id, game->id);
		st = od_buf_ok(&id) ? OD_OK : od_fail_nomem(err, "a name", id.len);
		if (st == OD_OK)
			st = od_sheet_add(&s, id.data, (int64_t)i,
				(const double[]){ none ? NAN : game->battle.win, none ? NAN : game->battle.weight }, err);
		if (st == OD_OK)
			st = report_item(items, &s, &line, err);
	}
	od_sheet_release(&s);
	od_buf_release(&id);
	od_buf_release(&line);
	return st;
}

static enum od_status
evaluate(struct arena_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	struct od_jsonl_writer *items = NULL;
	struct arena_games g = { 0 };
	struct answers said = ANSWERS_INIT;
	enum od_status st = read_games(&g, o, &said, files, n_files, err), end;

	if (st == OD_OK)
		st = score(&g, o, err);
	if (st == OD_OK)
		st = report_open_items(&o->report, o->common.framed, &items, err);
	if (st == OD_OK)
		st = make_manifest(&said, o, &g, err);
	if (st == OD_OK)
		st = write_items(&g, said.run, items, err);
	end = od_jsonl_writer_close(items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st == OD_OK) {
		judged_report(&o->bad);
		warn_of_games(&g);
		st = report(&g, o, &said, err);
	}
	answers_release(&said);
	arena_games_release(&g);
	return st;
}

int
od_eval_arena_hard(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "Arena-Hard: scores and intervals from a judge's verdicts",
		.usage = "arena-hard [OPTION...] --battles FILE | --judgments FILE | --judge-url URL [FILE...]",
		.epilog = "Further files are of the same kind. Writes one JSON line a game to standard output and a table to\n"
			"standard error.",
	};
	struct arena_options o = { .common = OD_COMMON_OPTIONS_INIT, .report = REPORT_OPTIONS_INIT, .rounds = 100,
		.judge = ARENA_JUDGE_OPTIONS_INIT };
	struct od_opt_group groups[] = { { "Verdicts", arena_opts, &o, &o.given }, { "Judge", ask_opts, &o.judge.ask, NULL },
		{ "Questions", arena_judge_opts, &o.judge, NULL }, ANSWERS_GROUPS(&o.judge.answers),
		{ "Choice", answers_choice_opts, &o.judge.choice, NULL }, { "Service", od_service_opts, &o.judge.ask.service, NULL },
		{ "Results", report_opts, &o.report, NULL },
		{ "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	enum od_status st;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	o.judge.threads = o.common.threads;
	if (o.report.compare != NULL)
		st = report_compare(&o.report, n_files, &err);
	else
		st = evaluate(&o, files, n_files, &err);
	(void)st;                                  /* err tells od_cli_end */
	return od_cli_end(&err, o.bad.n);
}
