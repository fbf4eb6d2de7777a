/* curve.c -- od-inspect curve: an objective as a function of the margin (the paper's Fig. 5a).
 *
 * The margin is beta (p_w - p_l), what the policy alone says about the pair. --ref-margin is the same of the reference,
 * so the argument of the logsigmoid is margin - ref-margin. The c-NLL is no function of the margin and is left out. */
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "common/objective_opts.h"
#include "common/plot.h"
#include "inspect/inspect.h"
#include "stats/draw.h"

#define PLOT_POINTS 241

struct curve_options {
	struct od_common_options common;
	bool json;
	const char *plot;
	double from, to, ref_margin, score_margin;
	int64_t points;
};

#define T struct curve_options

static const struct od_opt curve_opts[] = {
	OD_OPT_DOUBLE(T, from, "from", "X", 0, 0, "lowest margin"),
	OD_OPT_DOUBLE(T, to, "to", "X", 0, 0, "highest margin"),
	OD_OPT_INT(T, points, "points", "N", 2, 100000, "points of the curve"),
	OD_OPT_DOUBLE(T, ref_margin, "ref-margin", "R", 0, 0, "the reference's margin"),
	OD_OPT_DOUBLE(T, score_margin, "score-margin", "S", 0, 0, "score margin of the pair, for the quality weight"),
	OD_OPT_FLAG(T, json, "json", "one JSON line for each point instead of a table"),
	OD_OPT_STR(T, plot, "plot", "FILE", OD_PLOT_HELP),
	OD_OPT_END
};

static const struct od_tool tool = {
	"od-inspect", "weight, gradient coefficient and loss of an objective over the margin", "curve [OPTION...]", NULL
};

/* Columns of [points] values. pull is -dl/d(p_w - p_l) / beta. */
struct curve {
	double *margin, *weight, *pull, *loss;
	size_t n;
};

static void
curve_release(struct curve *c)
{
	free(c->margin);
	free(c->weight);
	free(c->pull);
	free(c->loss);
}

static enum od_status
curve_compute(struct curve *c, const struct curve_options *o, struct od_objective f, int64_t points,
	struct od_error *err)
{
	double **columns[] = { &c->margin, &c->weight, &c->pull, &c->loss };
	enum od_status st = OD_OK;

	f.lambda = 0;
	c->n = (size_t)points;
	for (size_t i = 0; i < 4 && st == OD_OK; i++)
		st = od_alloc(columns[i], c->n, sizeof(double), "a curve", err);
	for (size_t i = 0; i < c->n && st == OD_OK; i++) {
		double x = o->from + (o->to - o->from) * (double)i / (double)(c->n - 1);
		struct od_pair_quantities q = {
			.logp_chosen = x / f.beta, .ref_chosen = o->ref_margin / f.beta, .n_chosen = 1, .n_rejected = 1,
			.score_chosen = o->score_margin, .weight = 1
		};
		struct od_pair_loss l = od_objective_eval(&f, &q);

		c->margin[i] = x;
		c->weight[i] = l.w_qual * l.w_perf;
		c->pull[i] = l.dlogp_rejected / f.beta;
		c->loss[i] = l.loss;
	}
	return st;
}

static void
put_json(const struct curve *c, struct od_buf *out)
{
	for (size_t i = 0; i < c->n; i++)
		od_buf_printf(out, "{\"margin\":%.17g,\"weight\":%.17g,\"coefficient\":%.17g,\"loss\":%.17g}\n",
			c->margin[i], c->weight[i], c->pull[i], c->loss[i]);
}

static void
put_table(const struct curve *c, const struct od_objective *f, struct od_buf *out)
{
	struct od_table t = OD_TABLE_INIT(4, "rrrr");

	od_buf_printf(out, "objective %s, beta %g\n", od_objective_names[f->kind], f->beta);
	od_table_cell(&t, "margin");
	od_table_cell(&t, "weight");
	od_table_cell(&t, "coefficient");
	od_table_cell(&t, "loss");
	for (size_t i = 0; i < c->n; i++) {
		od_table_number(&t, c->margin[i], 4);
		od_table_number(&t, c->weight[i], 4);
		od_table_number(&t, c->pull[i], 4);
		od_table_number(&t, c->loss[i], 4);
	}
	od_table_render(&t, out, "");
	od_table_release(&t);
	od_buf_str(out, "\nweight       ");
	od_sparkline(out, c->weight, c->n, 60);
	od_buf_str(out, "\ncoefficient  ");
	od_sparkline(out, c->pull, c->n, 60);
	od_buf_str(out, "\nloss         ");
	od_sparkline(out, c->loss, c->n, 60);
	od_buf_char(out, '\n');
}

/* The objective's curves, with those of the plain length-normalised DPO at the same beta behind them. */
static enum od_status
plot_curve(const struct curve_options *o, const struct od_objective *f, struct od_error *err)
{
	struct curve c = { .n = 0 }, dpo = { .n = 0 };
	struct od_objective plain = od_objective_default(OD_DPO_LN);
	enum od_status st = curve_compute(&c, o, *f, PLOT_POINTS, err);

	plain.beta = f->beta;
	if (st == OD_OK)
		st = curve_compute(&dpo, o, plain, PLOT_POINTS, err);
	if (st == OD_OK) {
		const char *name = od_objective_names[f->kind];
		const struct od_plot_series lines[3][2] = {
			{ { .label = name, .x = c.margin, .y = c.weight, .n = c.n, .style = OD_PLOT_LINE, .colour = 0 },
			  { .label = "dpo-ln", .x = dpo.margin, .y = dpo.weight, .n = dpo.n, .style = OD_PLOT_DASHED, .colour = 1 } },
			{ { .x = c.margin, .y = c.pull, .n = c.n, .style = OD_PLOT_LINE, .colour = 0 },
			  { .x = dpo.margin, .y = dpo.pull, .n = dpo.n, .style = OD_PLOT_DASHED, .colour = 1 } },
			{ { .x = c.margin, .y = c.loss, .n = c.n, .style = OD_PLOT_LINE, .colour = 0 },
			  { .x = dpo.margin, .y = dpo.loss, .n = dpo.n, .style = OD_PLOT_DASHED, .colour = 1 } }
		};
		const struct od_plot_panel panels[3] = {
			{ .title = "weight", .x_label = "margin", .series = lines[0], .n_series = 2 },
			{ .title = "gradient coefficient", .x_label = "margin", .series = lines[1], .n_series = 2 },
			{ .title = "loss", .x_label = "margin", .series = lines[2], .n_series = 2 }
		};

		st = od_plot_write(&(struct od_plot){ .panels = panels, .n_panels = 3, .columns = 3 }, o->plot, err);
	}
	curve_release(&c);
	curve_release(&dpo);
	return st;
}

static enum od_status
write_stdout(const struct od_buf *text, struct od_error *err)
{
	struct od_out *out = NULL;
	enum od_status st, closed;

	if (!od_buf_ok(text))
		return od_fail_nomem(err, "the table", text->len);
	st = od_out_open(&out, "-", err);
	if (st == OD_OK)
		st = od_out_write(out, text->data, text->len, err);
	closed = od_out_close(out, st == OD_OK ? err : NULL);
	return st == OD_OK ? closed : st;
}

static enum od_status
run(const struct curve_options *o, const struct od_objective *f, struct od_error *err)
{
	struct curve c = { .n = 0 };
	struct od_buf text = OD_BUF_INIT;
	enum od_status st;

	if (f->kind == OD_SFT)
		return od_fail(err, OD_EUSAGE, "objective 'sft' is no function of a margin");
	if (!(o->from < o->to))
		return od_fail(err, OD_EUSAGE, "option '--from' must be less than '--to'");
	st = od_plot_check(o->plot, err);
	if (st == OD_OK)
		st = curve_compute(&c, o, *f, o->points, err);
	if (st == OD_OK) {
		if (o->json)
			put_json(&c, &text);
		else
			put_table(&c, f, &text);
		st = write_stdout(&text, err);
	}
	if (st == OD_OK && o->plot)
		st = plot_curve(o, f, err);
	od_buf_release(&text);
	curve_release(&c);
	return st;
}

int
od_inspect_curve(int argc, char **argv)
{
	struct curve_options o = {
		.common = OD_COMMON_OPTIONS_INIT, .from = -6, .to = 6, .score_margin = 1, .points = 25
	};
	struct od_objective_options oo = OD_OBJECTIVE_OPTIONS_INIT;
	struct od_error err = OD_ERROR_INIT;
	const struct od_opt_group groups[] = {
		{ "General", od_common_opts, &o.common, NULL },
		{ "Curve", curve_opts, &o, NULL },
		{ "Objective", od_objective_opts, &oo, &oo.given }
	};
	size_t n_files;
	enum od_status st;

	od_cli_begin(&tool, &o.common);
	(void)od_cli_parse(groups, sizeof(groups) / sizeof(groups[0]), argc, argv, &n_files);
	st = od_objective_options_finish(&oo, NULL, &err);
	if (st == OD_OK && n_files)
		st = od_fail(&err, OD_EUSAGE, "'curve' takes no files");
	if (st == OD_OK)
		(void)run(&o, &oo.o, &err);
	return od_cli_end(&err, 0);
}
