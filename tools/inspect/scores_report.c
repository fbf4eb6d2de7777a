/* scores_report.c -- what od-inspect scores says: tables, JSON, a picture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/plot.h"
#include "inspect/scores.h"
#include "pref/objective.h"
#include "stats/draw.h"

static double
margin(const struct scores_report *r, int expert, size_t i)
{
	return r->matched->score[expert][0][i] - r->matched->score[expert][1][i];
}

static double
w_qual(const struct scores_report *r, int expert, size_t i)
{
	return od_sigmoid(r->eta * margin(r, expert, i));
}

static size_t
n_largest(const struct scores_report *r)
{
	return r->largest < r->c->n ? r->largest : r->c->n;
}

/* ---- for people --------------------------------------------------------------------------------------------------------- */

static void
describe_head(const struct scores_report *r, struct od_buf *out)
{
	const struct scores_matched *m = r->matched;
	char n[OD_NUMBER_TEXT];

	od_count_text(n, (long long)m->n);
	od_buf_printf(out, "%s pairs compared", n);
	for (int k = 0; k < 2; k++)
		if (m->only[k])
			od_buf_printf(out, ", %zu only in %c", m->only[k], 'A' + k);
	if (m->unscored)
		od_buf_printf(out, ", %zu left out for want of a score", m->unscored);
	if (m->swapped)
		od_buf_printf(out, ", sides of %zu exchanged in B", m->swapped);
	od_buf_printf(out, "; eta %g, tau_good %g\n", r->eta, r->tau_good);
	for (int k = 0; k < 2; k++)
		od_buf_printf(out, "%c: %s%s%s\n", 'A' + k, r->set[k].label, r->set[k].block ? ", " : "",
			r->set[k].block ? r->set[k].block : "");
	od_buf_char(out, '\n');
}

static void
share(struct od_table *t, int64_t k, size_t n)
{
	od_table_cellf(t, "%.1f %%", 100 * (double)k / (double)n);
}

static void
describe_experts(const struct scores_report *r, struct od_buf *out)
{
	static const char *const head[] = { "", "mean margin", "sd", "S_w > S_l", "tied", "S_w >= tau_good", "mean w_qual" };
	struct od_table t = OD_TABLE_INIT(7, "lrrrrrr");

	for (size_t i = 0; i < 7; i++)
		od_table_cell(&t, head[i]);
	for (int k = 0; k < 2; k++) {
		const struct od_expert_figures *f = &r->c->expert[k];

		od_table_cell(&t, k ? "B" : "A");
		od_table_number(&t, od_moments_mean(&f->margin), 4);
		od_table_number(&t, od_moments_sd(&f->margin), 4);
		share(&t, f->up, r->c->n);
		share(&t, f->ties, r->c->n);
		share(&t, f->good, r->c->n);
		od_table_number(&t, od_moments_mean(&f->w_qual), 4);
	}
	od_table_render(&t, out, "");
	od_table_release(&t);
}

static void
with_interval(struct od_buf *out, const char *what, double v, struct od_interval ci)
{
	char text[3][OD_NUMBER_TEXT];

	od_number_text(text[0], v, 4);
	od_number_text(text[1], ci.low, 4);
	od_number_text(text[2], ci.high, 4);
	od_buf_printf(out, "%s %s (95 %%: %s to %s)", what, text[0], text[1], text[2]);
}

static void
describe_agreement(const struct scores_report *r, struct od_buf *out)
{
	const struct od_comparison *c = r->c;
	int64_t good_a = c->expert[0].good, good_b = c->expert[1].good, both = c->good_both;

	od_buf_char(out, '\n');
	with_interval(out, "Pearson of the margins", c->margins.r, c->margins.r_ci);
	with_interval(out, "\nSpearman of the margins", c->margins.rho, c->margins.rho_ci);
	od_buf_printf(out, "\nsigns flip in %lld pairs (%.1f %%): %lld up under A and down under B, %lld the other way\n",
		(long long)(c->flips[0] + c->flips[1]), 100 * (double)(c->flips[0] + c->flips[1]) / (double)c->n, (long long)c->flips[0],
		(long long)c->flips[1]);
	od_buf_printf(out, "chosen response good under both %lld, A only %lld, B only %lld, neither %lld\n", (long long)both,
		(long long)(good_a - both), (long long)(good_b - both), (long long)((int64_t)c->n - good_a - good_b + both));
}

static void
describe_change(const struct scores_report *r, struct od_buf *out)
{
	static const char *const head[] = { "", "mean size", "min", "5 %", "25 %", "median", "75 %", "95 %", "max" };
	const struct od_comparison *c = r->c;
	struct od_table t = OD_TABLE_INIT(9, "lrrrrrrrr");

	od_buf_char(out, '\n');
	with_interval(out, "w_qual, B - A: mean", od_moments_mean(&c->change), c->change_ci);
	od_buf_char(out, '\n');
	for (size_t i = 0; i < 9; i++)
		od_table_cell(&t, head[i]);
	od_table_cell(&t, "change");
	od_table_number(&t, od_moments_mean(&c->size), 4);
	for (int q = 0; q < OD_COMPARE_QUANTILES; q++)
		od_table_number(&t, c->quantile[q], 4);
	od_table_render(&t, out, "");
	od_table_release(&t);
}

static void
describe_largest(const struct scores_report *r, struct od_buf *out)
{
	static const char *const head[] = { "largest changes", "margin A", "margin B", "w_qual A", "w_qual B", "change" };
	struct od_table t = OD_TABLE_INIT(6, "lrrrrr");

	od_buf_char(out, '\n');
	for (size_t i = 0; i < 6; i++)
		od_table_cell(&t, head[i]);
	for (size_t k = 0; k < n_largest(r); k++) {
		size_t i = r->c->largest[k];

		if (*r->matched->id[i])
			od_table_cell(&t, r->matched->id[i]);
		else
			od_table_cellf(&t, "record %lld", (long long)r->matched->index[i] + 1);
		for (int e = 0; e < 2; e++)
			od_table_number(&t, margin(r, e, i), 4);
		for (int e = 0; e < 2; e++)
			od_table_number(&t, w_qual(r, e, i), 4);
		od_table_number(&t, w_qual(r, 1, i) - w_qual(r, 0, i), 4);
	}
	od_table_render(&t, out, "");
	od_table_release(&t);
}

void
scores_describe(const struct scores_report *r, struct od_buf *out)
{
	describe_head(r, out);
	if (!r->c->n)
		return;
	describe_experts(r, out);
	describe_agreement(r, out);
	describe_change(r, out);
	if (n_largest(r))
		describe_largest(r, out);
}

/* ---- for programs ------------------------------------------------------------------------------------------------------- */

static void
put(struct od_buf *out, const char *name, double v)
{
	od_buf_printf(out, "\"%s\":", name);
	od_buf_json_double(out, v);
}

static void
json_expert(const struct scores_report *r, int k, struct od_buf *out)
{
	const struct od_expert_figures *f = &r->c->expert[k];

	od_buf_printf(out, ",\"%c\":{\"label\":", 'a' + k);
	od_buf_json_string(out, r->set[k].label, strlen(r->set[k].label));
	od_buf_printf(out, ",\"score\":%s,\"only\":%zu,", r->set[k].block ? r->set[k].block : "null", r->matched->only[k]);
	put(out, "mean_margin", od_moments_mean(&f->margin));
	od_buf_char(out, ',');
	put(out, "sd_margin", od_moments_sd(&f->margin));
	od_buf_printf(out, ",\"up\":%lld,\"down\":%lld,\"ties\":%lld,\"good\":%lld,", (long long)f->up, (long long)f->down,
		(long long)f->ties, (long long)f->good);
	put(out, "w_qual", od_moments_mean(&f->w_qual));
	od_buf_char(out, '}');
}

static void
json_interval(struct od_buf *out, const char *name, double v, struct od_interval ci)
{
	od_buf_printf(out, ",\"%s\":{", name);
	put(out, "value", v);
	od_buf_char(out, ',');
	put(out, "low", ci.low);
	od_buf_char(out, ',');
	put(out, "high", ci.high);
	od_buf_char(out, '}');
}

static void
json_change(const struct scores_report *r, struct od_buf *out)
{
	const struct od_comparison *c = r->c;

	json_interval(out, "change", od_moments_mean(&c->change), c->change_ci);
	od_buf_char(out, ',');
	put(out, "change_size", od_moments_mean(&c->size));
	od_buf_str(out, ",\"change_quantiles\":{");
	for (int q = 0; q < OD_COMPARE_QUANTILES; q++) {
		od_buf_printf(out, "%s\"%g\":", q ? "," : "", od_compare_levels[q]);
		od_buf_json_double(out, c->n ? c->quantile[q] : NAN);
	}
	od_buf_str(out, "},\"largest\":[");
	for (size_t k = 0; k < n_largest(r); k++) {
		size_t i = c->largest[k];

		od_buf_printf(out, "%s{\"id\":", k ? "," : "");
		od_buf_json_string(out, r->matched->id[i], strlen(r->matched->id[i]));
		od_buf_printf(out, ",\"record\":%lld,\"margin\":[", (long long)r->matched->index[i] + 1);
		od_buf_json_double(out, margin(r, 0, i));
		od_buf_char(out, ',');
		od_buf_json_double(out, margin(r, 1, i));
		od_buf_str(out, "],\"w_qual\":[");
		od_buf_json_double(out, w_qual(r, 0, i));
		od_buf_char(out, ',');
		od_buf_json_double(out, w_qual(r, 1, i));
		od_buf_str(out, "]}");
	}
	od_buf_char(out, ']');
}

void
scores_json(const struct scores_report *r, struct od_buf *out)
{
	const struct od_comparison *c = r->c;

	od_buf_printf(out, "{\"pairs\":%zu,\"unscored\":%zu,\"swapped\":%zu,", c->n, r->matched->unscored, r->matched->swapped);
	put(out, "eta", r->eta);
	od_buf_char(out, ',');
	put(out, "tau_good", r->tau_good);
	json_expert(r, 0, out);
	json_expert(r, 1, out);
	json_interval(out, "pearson", c->margins.r, c->margins.r_ci);
	json_interval(out, "spearman", c->margins.rho, c->margins.rho_ci);
	od_buf_printf(out, ",\"flips\":{\"a_up\":%lld,\"b_up\":%lld},\"good_both\":%lld", (long long)c->flips[0], (long long)c->flips[1],
		(long long)c->good_both);
	json_change(r, out);
	od_buf_str(out, "}\n");
}

/* ---- plot --------------------------------------------------------------------------------------------------------------- */

enum od_status
scores_plot(const struct scores_report *r, const char *file, struct od_error *err)
{
	size_t n = r->c->n;
	double *xy;
	enum od_status st = od_alloc(&xy, n, 4 * sizeof *xy, "a picture", err);
	struct od_plot_series series[2];
	struct od_plot_panel panels[2];

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < n; i++) {
		for (int e = 0; e < 2; e++) {
			xy[(size_t)e * n + i] = margin(r, e, i);
			xy[(size_t)(2 + e) * n + i] = w_qual(r, e, i);
		}
	}
	for (int p = 0; p < 2; p++) {
		series[p] = (struct od_plot_series){ .x = xy + 2 * (size_t)p * n, .y = xy + (2 * (size_t)p + 1) * n, .n = n,
			.style = OD_PLOT_POINTS, .colour = p };
		panels[p] = (struct od_plot_panel){ .title = p ? "w_qual" : "score margin S_w - S_l", .x_label = r->set[0].label,
			.y_label = r->set[1].label, .series = &series[p], .n_series = 1, .zero_line = !p };
	}
	st = od_plot_write(&(struct od_plot){ .title = "two experts on the same pairs", .panels = panels, .n_panels = 2, .columns = 2 },
		file, err);
	free(xy);
	return st;
}
