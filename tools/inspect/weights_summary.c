#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/cli.h"
#include "common/plot.h"
#include "inspect/weights.h"
#include "pref/quality.h"
#include "stats/describe.h"
#include "stats/draw.h"

static const char *const titles[W_N_COLUMNS] = {
	[W_SCORE_GAP] = "score margin", [W_MARGIN] = "reward margin", [W_LIKELIHOOD] = "log-prob margin",
	[W_QUAL] = "w_qual", [W_PERF] = "w_perf", [W_PRODUCT] = "w_qual * w_perf", [W_Z] = "z", [W_LOSS] = "loss",
	[W_PULL] = "gradient coefficient"
};

void
weights_sample_release(struct weights_sample *s)
{
	for (int i = 0; i < W_N_COLUMNS; i++)
		free(s->column[i]);
}

enum od_status
weights_collect(struct weights_sample *s, const struct od_objective *o, const struct od_pair_quantities *q,
	const struct od_pair_loss *l, bool from_policy, struct od_error *err)
{
	bool means = od_objective_uses_means(o);
	double n_w = means ? q->n_chosen : 1, n_l = means ? q->n_rejected : 1;
	const double row[W_N_COLUMNS] = {
		[W_SCORE_GAP] = q->score_chosen - q->score_rejected, [W_MARGIN] = l->margin,
		[W_LIKELIHOOD] = o->beta * (q->logp_chosen / n_w - q->logp_rejected / n_l),
		[W_QUAL] = l->w_qual, [W_PERF] = l->w_perf, [W_PRODUCT] = q->weight * l->w_qual * l->w_perf, [W_Z] = l->z,
		[W_LOSS] = l->loss, [W_PULL] = fabs(l->dlogp_rejected) * n_l, [W_NLL] = q->weight * l->nll,
		[W_GATE] = l->gate, [W_SCORE] = q->score_chosen, [W_WEIGHT] = q->weight
	};

	for (int i = 0; i < W_N_COLUMNS; i++) {
		if (!od_grow(&s->column[i], &s->cap[i], s->n + 1, sizeof(double)))
			return od_fail_nomem(err, "the quantities of all pairs", (s->n + 1) * sizeof(row));
		s->column[i][s->n] = row[i];
	}
	s->n++;
	s->n_policy += from_policy;
	return OD_OK;
}

/* ---- tables -------------------------------------------------------------------------------------------------------------- */

static enum od_status
add_row(struct od_table *t, const char *title, const double *x, size_t n, struct od_error *err)
{
	static const double at[] = { 0, 0.05, 0.5, 0.95, 1 };
	struct od_moments m = od_moments_of(x, n);
	double *sorted = NULL;
	enum od_status st = od_alloc(&sorted, n, sizeof(*sorted), "a sorted column", err);
	size_t k;

	if (st != OD_OK)
		return st;
	memcpy(sorted, x, n * sizeof(*x));
	k = od_sort(sorted, n);
	od_table_cell(t, title);
	od_table_number(t, od_moments_mean(&m), 4);
	od_table_number(t, od_moments_sd(&m), 4);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		od_table_number(t, k ? od_quantile(sorted, k, at[i]) : NAN, 4);
	free(sorted);
	return OD_OK;
}

static enum od_status
describe_columns(const struct weights_sample *s, struct od_buf *out, struct od_error *err)
{
	static const char *const head[] = { "", "mean", "sd", "min", "5 %", "median", "95 %", "max" };
	struct od_table t = OD_TABLE_INIT(8, "lrrrrrrr");
	enum od_status st = OD_OK;

	for (size_t i = 0; i < 8; i++)
		od_table_cell(&t, head[i]);
	for (int i = W_SCORE_GAP; i <= W_PULL && st == OD_OK; i++)
		st = add_row(&t, titles[i], s->column[i], s->n, err);
	if (st == OD_OK)
		od_table_render(&t, out, "");
	od_table_release(&t);
	return st;
}

static double
sum_of(const double *x, size_t n)
{
	struct od_sum s = OD_SUM_INIT;

	for (size_t i = 0; i < n; i++) {
		if (isfinite(x[i]))
			od_sum_add(&s, x[i]);
	}
	return od_sum_value(&s);
}

static int64_t
count_above(const double *x, size_t n, double bound)
{
	int64_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += x[i] > bound;
	return k;
}

static enum od_status
describe_figures(const struct weights_sample *s, const struct od_objective *o, struct od_buf *out, struct od_error *err)
{
	double n = (double)s->n, reward, likelihood, product = sum_of(s->column[W_PRODUCT], s->n);
	double loss = sum_of(s->column[W_LOSS], s->n), nll = sum_of(s->column[W_NLL], s->n), gates;
	char a[OD_NUMBER_TEXT], b[OD_NUMBER_TEXT];
	enum od_status st;

	st = od_spearman(s->column[W_SCORE_GAP], s->column[W_MARGIN], s->n, &reward, err);
	if (st == OD_OK)
		st = od_spearman(s->column[W_SCORE_GAP], s->column[W_LIKELIHOOD], s->n, &likelihood, err);
	if (st != OD_OK)
		return st;
	gates = sum_of(s->column[W_GATE], s->n);
	od_buf_printf(out, "\nmean loss %.6g; at policy = reference it would be %.6g (mean weight * ln 2)\n", loss / n,
		product / n * log(2));
	od_buf_printf(out, "effective sample size of the weights %.1f of %zu (%.1f %%)\n",
		od_effective_size(s->column[W_PRODUCT], s->n), s->n,
		100 * od_effective_size(s->column[W_PRODUCT], s->n) / n);
	/* Where the policy is the reference there is no reward yet to speak of. */
	od_number_text(a, reward, 4);
	od_number_text(b, likelihood, 4);
	od_buf_printf(out, "Spearman of the score margin against the reward margin %s, the log-prob margin %s\n", a, b);
	od_buf_printf(out, "pairs the model ranks as the data does: %.1f %% by log-prob",
		100 * (double)count_above(s->column[W_LIKELIHOOD], s->n, 0) / n);
	if (s->n_policy)
		od_buf_printf(out, ", %.1f %% by reward", 100 * (double)count_above(s->column[W_MARGIN], s->n, 0) / n);
	od_buf_char(out, '\n');
	if (o->kind == OD_OMNI)
		od_buf_printf(out, "c-NLL acts on %.0f pairs (%.1f %%) and is %.2g %% of the loss\n", gates, 100 * gates / n,
			loss != 0 ? 100 * nll / loss : 0);
	return OD_OK;
}

static enum od_status
describe_histogram(const double *x, size_t n, const char *title, struct od_buf *out, struct od_error *err)
{
	struct od_histogram h = OD_HISTOGRAM_INIT;
	enum od_status st = od_histogram_of(&h, x, n, 12, err);

	if (st == OD_OK) {
		od_buf_printf(out, "\n%s\n", title);
		od_histogram_draw(out, &h, 40, "  ");
	}
	od_histogram_release(&h);
	return st;
}

static void
describe_head(const struct weights_sample *s, const struct od_objective *o, struct od_buf *out)
{
	char n[OD_NUMBER_TEXT];

	od_count_text(n, (long long)s->n);
	od_buf_printf(out, "%s pairs, objective %s: beta %g", n, od_objective_names[o->kind], o->beta);
	if (o->kind == OD_OMNI)
		od_buf_printf(out, ", eta %g, gamma %g, tau_ref %g, lambda %g, tau_good %g", o->eta, o->gamma, o->tau_ref,
			o->lambda, o->tau_good);
	if (o->kind == OD_FOCAL_DPO)
		od_buf_printf(out, ", gamma %g", o->gamma);
	if (o->kind == OD_SIMPO)
		od_buf_printf(out, ", simpo_gamma %g", o->simpo_gamma);
	od_buf_printf(out, "; log-probs compared as %s\n", od_objective_uses_means(o) ? "means over tokens" : "sums");
	if (s->n_policy == (int64_t)s->n)
		od_buf_str(out, "policy: the records' policy_*_logps\n\n");
	else if (!s->n_policy)
		od_buf_str(out, "policy: the reference itself, as before the first step\n\n");
	else
		od_buf_printf(out, "policy: policy_*_logps of %lld pairs, the reference for the others\n\n",
			(long long)s->n_policy);
}

enum od_status
weights_describe(const struct weights_sample *s, const struct od_objective *o, struct od_buf *out, struct od_error *err)
{
	static const enum weights_column shown[] = { W_QUAL, W_PERF, W_PRODUCT };
	enum od_status st;

	if (!s->n) {
		od_buf_str(out, "0 pairs\n");
		return OD_OK;
	}
	describe_head(s, o, out);
	st = describe_columns(s, out, err);
	if (st == OD_OK)
		st = describe_figures(s, o, out, err);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]) && st == OD_OK; i++)
		st = describe_histogram(s->column[shown[i]], s->n, titles[shown[i]], out, err);
	return st == OD_OK && !od_buf_ok(out) ? od_fail_nomem(err, "the summary", out->len) : st;
}

void
weights_warn(const struct weights_sample *s, const struct od_objective *o)
{
	struct od_quality q = OD_QUALITY_INIT;
	struct od_buf text = OD_BUF_INIT;

	if (o->kind != OD_OMNI)
		return;
	for (size_t i = 0; i < s->n; i++)
		od_quality_add(&q, o, s->column[W_SCORE][i], s->column[W_SCORE][i] - s->column[W_SCORE_GAP][i]);
	for (int i = 0; od_quality_warning(&q, o, i, &text); i++) {
		if (od_buf_ok(&text))
			od_warn("%s", text.data);
		od_buf_clear(&text);
	}
	od_buf_release(&text);
}

/* ---- plot ---------------------------------------------------------------------------------------------------------------- */

/* A histogram as boxes: centres and counts behind one another in xy. Weights lie in 0..1, and boxes stand on 0. */
static enum od_status
box_panel(const double *x, size_t n, const char *title, int colour, struct od_plot_series *s, struct od_plot_panel *p,
	double **xy, struct od_error *err)
{
	double most = 1;
	struct od_histogram h = OD_HISTOGRAM_INIT;
	enum od_status st = od_histogram_of(&h, x, n, 24, err);

	if (st == OD_OK)
		st = od_alloc(xy, 2 * (size_t)h.n_bins, sizeof(**xy), "a histogram", err);
	if (st == OD_OK) {
		for (int i = 0; i < h.n_bins; i++) {
			(*xy)[i] = (od_histogram_edge(&h, i) + od_histogram_edge(&h, i + 1)) / 2;
			(*xy)[h.n_bins + i] = (double)h.count[i];
			most = fmax(most, (double)h.count[i]);
		}
		*s = (struct od_plot_series){ .x = *xy, .y = *xy + h.n_bins, .n = (size_t)h.n_bins, .style = OD_PLOT_BOXES,
			.colour = colour };
		*p = (struct od_plot_panel){ .title = title, .y_label = "pairs", .series = s, .n_series = 1,
			.fixed_x = true, .x_max = fmax(1, h.hi), .fixed_y = true, .y_max = 1.05 * most };
	}
	od_histogram_release(&h);
	return st;
}

enum od_status
weights_plot(const struct weights_sample *s, const char *file, struct od_error *err)
{
	static const enum weights_column boxes[3] = { W_QUAL, W_PERF, W_PRODUCT };
	struct od_plot_series series[4];
	struct od_plot_panel panels[4];
	double *xy[3] = { NULL, NULL, NULL };
	enum od_status st = OD_OK;

	for (int i = 0; i < 3 && st == OD_OK; i++)
		st = box_panel(s->column[boxes[i]], s->n, titles[boxes[i]], i, &series[i], &panels[i], &xy[i], err);
	if (st == OD_OK) {
		series[3] = (struct od_plot_series){ .x = s->column[W_SCORE_GAP], .y = s->column[W_LIKELIHOOD], .n = s->n,
			.style = OD_PLOT_POINTS, .colour = 3 };
		panels[3] = (struct od_plot_panel){ .title = "score margin and log-prob margin", .x_label = "score margin",
			.y_label = "beta * log-prob margin", .series = &series[3], .n_series = 1, .zero_line = true };
		st = od_plot_write(&(struct od_plot){ .title = "weights", .panels = panels, .n_panels = 4, .columns = 2 }, file, err);
	}
	for (int i = 0; i < 3; i++)
		free(xy[i]);
	return st;
}
