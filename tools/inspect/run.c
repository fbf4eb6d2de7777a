/* run.c -- od-inspect run: what a training run's metrics say, as a table with small curves, as JSON, as a picture.
 * Several runs are set side by side in the table and overlaid in the picture.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/plot.h"
#include "inspect/inspect.h"
#include "inspect/metrics.h"
#include "stats/describe.h"
#include "stats/draw.h"

struct run_options {
	struct od_common_options common;
	const char *plot, *title;
	int64_t smooth;                            /* steps; -1: chosen by length */
	bool json, all;
};

static const struct od_opt run_opts[] = {
	OD_OPT_STR(struct run_options, plot, "plot", "FILE", OD_PLOT_HELP),
	OD_OPT_STR(struct run_options, title, "title", "TEXT", "heading of the picture"),
	OD_OPT_INT(struct run_options, smooth, "smooth", "N", -1, 1e9,
		"draw training curves as means over N steps, raw data pale behind; 0: raw only, -1: by length"),
	OD_OPT_FLAG(struct run_options, json, "json", "write the summary as one JSON object"),
	OD_OPT_FLAG(struct run_options, all, "all", "every number of the metrics in the table, not just the known ones"),
	OD_OPT_END
};

enum { MAX_SERIES = 2, SPARK_WIDTH = 24, SMOOTH_FROM = 60, SMOOTH_PART = 40 };

/* NOISY curves are smoothed, EXACT ones are not, MARKS are those of few points (held-out evaluations). */
enum curve { NOISY, EXACT, MARKS };

/* The panels of a picture, and the order of the table. */
static const struct panel_spec {
	const char *title;
	bool optional;                             /* left out when nothing in it ever changes */
	bool share;                                /* a share: the axis is 0..1 */
	bool zero_line;
	struct {
		const char *column, *label;
		enum curve curve;
	} series[MAX_SERIES];
} specs[] = {
	{ "Loss", false, false, false, { { "loss", "training", NOISY }, { "eval.loss", "held-out", MARKS } } },
	{ "Loss terms", true, false, false, { { "loss_pref", "preference", NOISY }, { "loss_nll", "c-NLL", NOISY } } },
	{ "Gradient norm", false, false, false, { { "grad_norm", "before clipping", NOISY } } },
	{ "Implicit reward margin", false, false, true,
		{ { "margin", "training", NOISY }, { "eval.margin", "held-out", MARKS } } },
	{ "Reward accuracy", false, true, false,
		{ { "reward_accuracy", "training", NOISY }, { "eval.reward_accuracy", "held-out", MARKS } } },
	{ "Ranking accuracy (log-prob per token)", false, true, false,
		{ { "accuracy", "training", NOISY }, { "eval.accuracy", "held-out", MARKS } } },
	{ "Log-prob per token, chosen", false, false, false,
		{ { "logps_chosen", "training", NOISY }, { "eval.logps_chosen", "held-out", MARKS } } },
	{ "Log-prob per token, rejected", false, false, false,
		{ { "logps_rejected", "training", NOISY }, { "eval.logps_rejected", "held-out", MARKS } } },
	{ "Mean weights", true, true, false, { { "w_qual", "quality", NOISY }, { "w_perf", "performance", NOISY } } },
	{ "c-NLL gate rate", true, true, false, { { "gate", "open", NOISY } } },
	{ "Effective sample size", true, false, false, { { "ess", "pairs", NOISY } } },
	{ "Learning rate", false, false, false, { { "lr", "lr", EXACT } } },
	{ "Tokens per second", true, false, false, { { "time.tokens_per_second", "tokens/s", NOISY } } },
};

#define N_SPECS (sizeof specs / sizeof *specs)

/* ---- summary ------------------------------------------------------------------------------------------------------ */

struct summary {
	double first, last, min, min_step, max, max_step;
	double tail, tail_se;                      /* mean of the last tenth of the points */
	size_t n_tail;
};

static struct summary
summarise(const struct od_column *c)
{
	struct summary s = { .first = c->value[0], .last = c->value[c->n - 1], .min = INFINITY, .max = -INFINITY };
	struct od_moments tail;

	for (size_t i = 0; i < c->n; i++) {
		if (c->value[i] < s.min) {
			s.min = c->value[i];
			s.min_step = c->step[i];
		}
		if (c->value[i] > s.max) {
			s.max = c->value[i];
			s.max_step = c->step[i];
		}
	}
	s.n_tail = (c->n + 9) / 10;
	tail = od_moments_of(c->value + c->n - s.n_tail, s.n_tail);
	s.tail = od_moments_mean(&tail);
	s.tail_se = od_moments_se(&tail);
	return s;
}

static void
table_row(struct od_table *t, struct od_buf *spark, const char *name, const char *label, const struct od_column *c)
{
	struct summary s = summarise(c);

	od_buf_clear(spark);
	od_sparkline(spark, c->value, c->n, SPARK_WIDTH);
	od_table_cell(t, name);
	if (label != NULL)
		od_table_cell(t, label);
	od_table_number(t, s.first, 4);
	od_table_number(t, s.last, 4);
	od_table_number(t, s.tail, 4);
	od_table_number(t, s.min, 4);
	od_table_number(t, s.max, 4);
	od_table_cell(t, od_buf_ok(spark) ? spark->data : "");
}

/* One row a run that has the column; the name stands in the first only. */
static void
table_rows(struct od_table *t, struct od_buf *spark, const char *column, const struct od_metrics *runs, size_t n)
{
	const char *name = column;

	for (size_t i = 0; i < n; i++) {
		const struct od_column *c = od_metrics_find(&runs[i], column);

		if (c == NULL)
			continue;
		table_row(t, spark, name, n > 1 ? runs[i].label : NULL, c);
		name = n > 1 ? "" : name;
	}
}

static bool
is_known(const char *column)
{
	for (size_t p = 0; p < N_SPECS; p++)
		for (int s = 0; s < MAX_SERIES && specs[p].series[s].column != NULL; s++)
			if (strcmp(specs[p].series[s].column, column) == 0)
				return true;
	return false;
}

/* True when an earlier run than 'run' has the column too: it is in the table already. */
static bool
is_earlier(const struct od_metrics *runs, size_t run, const char *column)
{
	for (size_t i = 0; i < run; i++)
		if (od_metrics_find(&runs[i], column) != NULL)
			return true;
	return false;
}

static void
other_rows(struct od_table *t, struct od_buf *spark, const struct od_metrics *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < runs[i].n_columns; c++) {
			const char *name = runs[i].columns[c].name;

			if (!is_known(name) && !is_earlier(runs, i, name))
				table_rows(t, spark, name, runs, n);
		}
}

static double
column_sum(const struct od_metrics *m, const char *name)
{
	const struct od_column *c = od_metrics_find(m, name);
	struct od_sum s = OD_SUM_INIT;

	for (size_t i = 0; c != NULL && i < c->n; i++)
		od_sum_add(&s, c->value[i]);
	return od_sum_value(&s);
}

/* "out: 120 records, steps 0 to 100, 1,234,567 tokens in 1:02:03 on cpu bf16 amx avx512 k1 (out.run/metrics.jsonl)" */
static void
heading(struct od_buf *out, const struct od_metrics *m)
{
	double tokens = column_sum(m, "tokens"), seconds = column_sum(m, "time.seconds");
	char count[OD_NUMBER_TEXT];

	od_buf_printf(out, "%s: %lld records, steps %.0f to %.0f", m->label, (long long)m->n_records, m->first_step,
		m->last_step);
	if (tokens > 0 && tokens < 1e18 && seconds > 0 && seconds < 1e12) {
		long long s = llround(seconds);

		od_count_text(count, (long long)tokens);
		od_buf_printf(out, ", %s tokens in %lld:%02lld:%02lld", count, s / 3600, s / 60 % 60, s % 60);
	}
	if (m->numerics[0])
		od_buf_printf(out, " on %s", m->numerics);
	od_buf_printf(out, " (%s)%s\n", m->path, m->cut ? ", still being written" : "");
}

static void
build_table(struct od_buf *out, const struct od_metrics *runs, size_t n, bool all)
{
	static const char *const heads[] = { "first", "last", "last tenth", "min", "max", "curve" };
	struct od_table t = OD_TABLE_INIT(n > 1 ? 8 : 7, n > 1 ? "llrrrrrl" : "lrrrrrl");
	struct od_buf spark = OD_BUF_INIT;

	for (size_t i = 0; i < n; i++)
		heading(out, &runs[i]);
	od_buf_char(out, '\n');
	od_table_cell(&t, "metric");
	if (n > 1)
		od_table_cell(&t, "run");
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		od_table_cell(&t, heads[i]);
	for (size_t p = 0; p < N_SPECS; p++)
		for (int s = 0; s < MAX_SERIES && specs[p].series[s].column != NULL; s++)
			table_rows(&t, &spark, specs[p].series[s].column, runs, n);
	if (all)
		other_rows(&t, &spark, runs, n);
	od_table_render(&t, out, "");
	od_table_release(&t);
	od_buf_release(&spark);
}

static void
json_number(struct od_buf *out, const char *name, double v)
{
	od_buf_printf(out, ",\"%s\":", name);
	od_buf_json_double(out, v);
}

static void
json_column(struct od_buf *out, const struct od_column *c)
{
	struct summary s = summarise(c);

	od_buf_json_string(out, c->name, strlen(c->name));
	od_buf_printf(out, ":{\"n\":%zu", c->n);
	json_number(out, "first", s.first);
	json_number(out, "last", s.last);
	json_number(out, "tail_mean", s.tail);
	json_number(out, "tail_se", s.tail_se);
	od_buf_printf(out, ",\"tail_n\":%zu", s.n_tail);
	json_number(out, "min", s.min);
	json_number(out, "min_step", s.min_step);
	json_number(out, "max", s.max);
	json_number(out, "max_step", s.max_step);
	od_buf_char(out, '}');
}

static void
build_json(struct od_buf *out, const struct od_metrics *runs, size_t n)
{
	od_buf_str(out, "{\"runs\":[");
	for (size_t i = 0; i < n; i++) {
		od_buf_str(out, i > 0 ? ",{\"label\":" : "{\"label\":");
		od_buf_json_string(out, runs[i].label, strlen(runs[i].label));
		od_buf_str(out, ",\"path\":");
		od_buf_json_string(out, runs[i].path, strlen(runs[i].path));
		od_buf_str(out, ",\"numerics\":");
		od_buf_json_string(out, runs[i].numerics, strlen(runs[i].numerics));
		od_buf_printf(out, ",\"records\":%lld", (long long)runs[i].n_records);
		json_number(out, "first_step", runs[i].first_step);
		json_number(out, "last_step", runs[i].last_step);
		od_buf_printf(out, ",\"cut\":%s,\"metrics\":{", runs[i].cut ? "true" : "false");
		for (size_t c = 0; c < runs[i].n_columns; c++) {
			od_buf_str(out, c > 0 ? "," : "");
			json_column(out, &runs[i].columns[c]);
		}
		od_buf_str(out, "}}");
	}
	od_buf_str(out, "]}\n");
}

/* ---- picture ------------------------------------------------------------------------------------------------------- */

/* What a picture points to: smoothed curves and labels. */
struct scratch {
	void **blocks;
	size_t n, cap;
};

static void *
keep(struct scratch *s, void *block)
{
	if (block == NULL || !od_grow(&s->blocks, &s->cap, s->n + 1, sizeof *s->blocks)) {
		free(block);
		return NULL;
	}
	return s->blocks[s->n++] = block;
}

static void
scratch_release(struct scratch *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->blocks[i]);
	free(s->blocks);
}

static size_t
smoothing_window(const struct run_options *o, size_t n)
{
	if (o->smooth >= 0)
		return (size_t)o->smooth;
	return n < SMOOTH_FROM ? 0 : n / SMOOTH_PART | 1;
}

/* "RUN" where a panel has one curve a run, "RUN, what" where it has several, "what" with one run. NULL: no memory. */
static char *
series_label(struct scratch *keeper, const struct od_metrics *run, const char *what, bool several_runs, bool several)
{
	struct od_buf b = OD_BUF_INIT;

	od_buf_str(&b, several_runs ? run->label : what);
	if (several_runs && several)
		od_buf_printf(&b, ", %s", what);
	return od_buf_ok(&b) ? keep(keeper, b.data) : (od_buf_release(&b), NULL);
}

/* Appends one column's curve, raw behind its smoothed form when it is long. False when memory is short. */
static bool
add_series(struct od_plot_series *out, size_t *n, struct scratch *keeper, const struct run_options *o,
	const struct od_column *c, enum curve curve, enum od_plot_style style, int colour, const char *label)
{
	size_t window = curve == NOISY ? smoothing_window(o, c->n) : 0;
	struct od_plot_series s = { .label = label, .x = c->step, .y = c->value, .n = c->n, .style = style, .colour = colour };
	double *smooth;

	if (window > 1) {
		smooth = keep(keeper, od_calloc(c->n, sizeof *smooth));
		if (smooth == NULL)
			return false;
		od_metrics_smooth(c->value, c->n, window, smooth);
		out[(*n)++] = (struct od_plot_series){ .x = c->step, .y = c->value, .n = c->n, .style = OD_PLOT_FAINT,
			.colour = colour };
		s.y = smooth;
	}
	out[(*n)++] = s;
	return true;
}

static bool
varies(const struct od_column *c)
{
	for (size_t i = 1; i < c->n; i++)
		if (c->value[i] != c->value[0])
			return true;
	return false;
}

/* Whether any run has something to show in the panel, and how many of its columns exist. */
static bool
panel_wanted(const struct panel_spec *spec, const struct od_metrics *runs, size_t n_runs, int *n_columns)
{
	bool any = false, moves = false;

	*n_columns = 0;
	for (int s = 0; s < MAX_SERIES && spec->series[s].column != NULL; s++) {
		bool here = false;

		for (size_t r = 0; r < n_runs; r++) {
			const struct od_column *c = od_metrics_find(&runs[r], spec->series[s].column);

			here |= c != NULL;
			moves |= c != NULL && varies(c);
		}
		*n_columns += here;
		any |= here;
	}
	return any && (moves || !spec->optional);
}

/* One run: a colour a column. Several: a colour a run, a second training curve dashed. */
static bool
fill_panel(struct od_plot_panel *panel, const struct panel_spec *spec, const struct od_metrics *runs, size_t n_runs,
	int n_columns, const struct run_options *o, struct scratch *keeper)
{
	struct od_plot_series *series = keep(keeper, od_calloc(2 * MAX_SERIES * n_runs, sizeof *series));
	bool ok = series != NULL;
	size_t n = 0;

	for (size_t r = 0; ok && r < n_runs; r++)
		for (int s = 0; ok && s < MAX_SERIES && spec->series[s].column != NULL; s++) {
			const struct od_column *c = od_metrics_find(&runs[r], spec->series[s].column);
			enum curve curve = spec->series[s].curve;
			char *label;

			if (c == NULL)
				continue;
			label = series_label(keeper, &runs[r], spec->series[s].label, n_runs > 1, n_columns > 1);
			ok = label != NULL && add_series(series, &n, keeper, o, c, curve,
				curve == MARKS ? OD_PLOT_LINE_POINTS : n_runs > 1 && s > 0 ? OD_PLOT_DASHED : OD_PLOT_LINE,
				n_runs > 1 ? (int)r : s, n_runs > 1 || n_columns > 1 ? label : NULL);
		}
	*panel = (struct od_plot_panel){ .title = spec->title, .x_label = "step", .series = series, .n_series = n,
		.fixed_y = spec->share, .y_min = 0, .y_max = 1, .zero_line = spec->zero_line };
	return ok;
}

static enum od_status
draw(const struct run_options *o, const struct od_metrics *runs, size_t n_runs, struct od_error *err)
{
	struct od_plot_panel panels[N_SPECS];
	struct od_plot plot = { .title = o->title, .panels = panels };
	struct scratch keeper = { NULL, 0, 0 };
	int n_columns;
	enum od_status st = OD_OK;

	if (plot.title == NULL)
		plot.title = n_runs == 1 ? runs[0].label : NULL;
	for (size_t p = 0; st == OD_OK && p < N_SPECS; p++) {
		if (!panel_wanted(&specs[p], runs, n_runs, &n_columns))
			continue;
		if (!fill_panel(&panels[plot.n_panels++], &specs[p], runs, n_runs, n_columns, o, &keeper))
			st = od_fail_nomem(err, "a plot", 0);
	}
	if (st == OD_OK && plot.n_panels == 0)
		st = od_fail(err, OD_EFORMAT, "cannot draw '%s': the metrics have none of the known columns", o->plot);
	if (st == OD_OK)
		st = od_plot_write(&plot, o->plot, err);
	scratch_release(&keeper);
	return st;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static enum od_status
report(const struct run_options *o, const struct od_metrics *runs, size_t n, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	enum od_status st = OD_OK;

	if (o->json)
		build_json(&text, runs, n);
	else
		build_table(&text, runs, n, o->all);
	if (!od_buf_ok(&text))
		st = od_fail_nomem(err, "a report", text.len);
	else
		fwrite(text.data, 1, text.len, stdout);        /* od_cli_end reports what went wrong */
	od_buf_release(&text);
	return st;
}

int
od_inspect_run(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-inspect",
		.summary = "show the curves of training runs",
		.usage = "run [OPTION...] RUN...",
		.epilog = "RUN is a directory that od-train writes (OUT or OUT.run), a metrics file, or - for standard input.\n"
			"A run in progress is fine. Several runs are compared.",
	};
	struct run_options o = { OD_COMMON_OPTIONS_INIT, NULL, NULL, -1, false, false };
	struct od_opt_group groups[] = { { "Run", run_opts, &o, NULL }, { "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	struct od_metrics *runs = NULL;
	const char *const *names, *standard_input = "-";
	size_t n, loaded = 0;
	enum od_status st;

	od_cli_begin(&tool, &o.common);
	names = od_cli_parse(groups, 2, argc, argv, &n);
	if (n == 0) {
		names = &standard_input;
		n = 1;
	}
	st = od_plot_check(o.plot, &err);
	if (st == OD_OK)
		st = od_alloc(&runs, n, sizeof *runs, "runs", &err);
	while (st == OD_OK && loaded < n) {
		st = od_metrics_load(&runs[loaded], names[loaded], &err);
		loaded += st == OD_OK;
	}
	if (st == OD_OK)
		st = report(&o, runs, n, &err);
	if (st == OD_OK && o.plot != NULL)
		st = draw(&o, runs, n, &err);
	for (size_t i = 0; i < loaded; i++)
		od_metrics_release(&runs[i]);
	free(runs);
	return od_cli_end(&err, 0);
}
