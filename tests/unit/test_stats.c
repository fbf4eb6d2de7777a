/* test_stats.c -- lib/stats against values worked out by hand or by exact formulas. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "stats/describe.h"
#include "stats/draw.h"
#include "stats/plot.h"
#include "stats/resample.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) <= 1e-12 * fmax(1, fabs((double)(b))))

static void
sums_keep_what_addition_loses(void **state)
{
	struct od_sum s = OD_SUM_INIT;

	(void)state;
	od_sum_add(&s, 1);
	od_sum_add(&s, 1e100);
	od_sum_add(&s, 1);
	od_sum_add(&s, -1e100);
	assert_true(od_sum_value(&s) == 2);
}

static void
moments_of_known_samples(void **state)
{
	/* 1..n: mean (n+1)/2, variance n(n+1)/12. */
	struct od_moments m = OD_MOMENTS_INIT, far = OD_MOMENTS_INIT, none = OD_MOMENTS_INIT, one = OD_MOMENTS_INIT;

	(void)state;
	for (int i = 1; i <= 100; i++) {
		od_moments_add(&m, i);
		od_moments_add(&far, 1e9 + i);     /* the textbook formula has no digit left here */
	}
	NEAR(od_moments_mean(&m), 50.5);
	NEAR(od_moments_var(&m), 100 * 101 / 12.0);
	NEAR(od_moments_se(&m), sqrt(100 * 101 / 12.0 / 100));
	assert_true(m.min == 1 && m.max == 100 && m.n == 100);
	assert_true(fabs(od_moments_var(&far) - 100 * 101 / 12.0) < 1e-6);
	assert_true(isnan(od_moments_mean(&none)) && isnan(od_moments_var(&none)));
	od_moments_add(&one, 7);
	od_moments_add(&one, NAN);
	od_moments_add(&one, INFINITY);
	assert_true(od_moments_mean(&one) == 7 && isnan(od_moments_se(&one)) && one.n_bad == 2);
}

static void
merged_moments_are_those_of_all(void **state)
{
	struct od_rng r = od_rng_init(3, 1);
	struct od_moments a = OD_MOMENTS_INIT, b = OD_MOMENTS_INIT, all = OD_MOMENTS_INIT, empty = OD_MOMENTS_INIT;

	(void)state;
	for (int i = 0; i < 500; i++) {
		double x = 5 + od_rng_normal(&r);

		od_moments_add(i % 7 < 2 ? &a : &b, x);
		od_moments_add(&all, x);
	}
	od_moments_add(&a, NAN);
	od_moments_merge(&a, &b);
	od_moments_merge(&a, &empty);
	od_moments_merge(&empty, &a);
	for (const struct od_moments *m = &a; m != NULL; m = m == &a ? &empty : NULL) {
		NEAR(m->mean, all.mean);
		NEAR(od_moments_var(m), od_moments_var(&all));
		assert_true(m->n == 500 && m->n_bad == 1 && m->min == all.min && m->max == all.max);
	}
}

static void
effective_sizes(void **state)
{
	const double equal[] = { 0.25, 0.25, 0.25, 0.25 }, one[] = { 0, 3, 0 }, two[] = { 1, 3 }, tiny[] = { 1e-200, 1e-200 };
	const double zero[] = { 0, 0 };

	(void)state;
	NEAR(od_effective_size(equal, 4), 4);
	NEAR(od_effective_size(one, 3), 1);
	NEAR(od_effective_size(two, 2), 16.0 / 10);
	NEAR(od_effective_size(tiny, 2), 2);
	assert_true(isnan(od_effective_size(zero, 2)) && isnan(od_effective_size(zero, 0)));
}

static void
quantiles_of_type_7(void **state)
{
	double x[] = { 4, NAN, 1, 3, 2 };
	size_t n = od_sort(x, 5);

	(void)state;
	assert_int_equal(n, 4);
	assert_true(x[0] == 1 && x[3] == 4 && isnan(x[4]));
	NEAR(od_quantile(x, n, 0), 1);
	NEAR(od_quantile(x, n, 0.25), 1.75);
	NEAR(od_quantile(x, n, 0.5), 2.5);
	NEAR(od_quantile(x, n, 0.9), 3.7);
	NEAR(od_quantile(x, n, 1), 4);
	NEAR(od_quantile(x, 1, 0.3), 1);
	assert_true(isnan(od_quantile(x, 0, 0.5)));
}

static void
histograms_count_everything(void **state)
{
	const double x[] = { 0, 0.1, 0.99, 1, 1.5, 2, -1, 3, NAN }, same[] = { 5, 5, 5 }, edge[] = { -3, -2, -1, 0, 1, 2, 3 };
	struct od_histogram h;

	(void)state;
	assert_int_equal(od_histogram_init(&h, 0, 2, 2, NULL), OD_OK);
	for (size_t i = 0; i < 9; i++)
		od_histogram_add(&h, x[i]);
	assert_true(h.count[0] == 3 && h.count[1] == 3);       /* 1 opens the second bin, 2 closes it */
	assert_true(h.n == 6 && h.below == 1 && h.above == 1 && h.n_bad == 1);
	od_histogram_release(&h);
	assert_int_equal(od_histogram_of(&h, same, 3, 10, NULL), OD_OK);
	assert_true(h.n_bins == 1 && h.count[0] == 3);
	od_histogram_release(&h);
	assert_int_equal(od_histogram_of(&h, edge, 7, 6, NULL), OD_OK);
	assert_true(h.lo == -3 && h.hi == 3 && h.n_bins == 6 && h.n == 7 && h.count[5] == 2);
	od_histogram_release(&h);
	assert_int_equal(od_histogram_of(&h, NULL, 0, 6, NULL), OD_OK);
	assert_true(h.n == 0);
	od_histogram_release(&h);
	assert_int_equal(od_histogram_init(&h, 2, 1, 3, NULL), OD_EUSAGE);
	od_histogram_release(&h);
}

static void
steps_are_round(void **state)
{
	(void)state;
	NEAR(od_round_step(10, 10), 1);
	NEAR(od_round_step(11, 10), 2);
	NEAR(od_round_step(24, 10), 2.5);
	NEAR(od_round_step(0.047, 10), 0.005);
	NEAR(od_round_step(100, 10), 10);
	NEAR(od_round_step(0, 10), 1);
}

static void
correlations_with_ties(void **state)
{
	const double x[] = { 1, 2, 3, 4, 5 }, line[] = { 3, 5, 7, 9, 11 }, cube[] = { 1, 8, 27, 64, 125 };
	const double tied[] = { 1, 2, 2, 3 }, other[] = { 1, 3, 2, 4 }, gap[] = { 5, NAN, 1, 4, 3 }, flat[] = { 1, 1, 1, 1 };
	double rank[4], rho;

	(void)state;
	NEAR(od_pearson(x, line, 5), 1);
	NEAR(od_pearson(tied, other, 4), 3 / sqrt(2.0 * 5));   /* sxy 3, sxx 2, syy 5 */
	assert_true(isnan(od_pearson(x, flat, 4)) && isnan(od_pearson(x, line, 1)));
	assert_true(od_pearson(x, cube, 5) < 0.95);
	assert_int_equal(od_spearman(x, cube, 5, &rho, NULL), OD_OK);
	NEAR(rho, 1);
	assert_int_equal(od_ranks(tied, 4, rank, NULL), OD_OK);
	assert_true(rank[0] == 1 && rank[1] == 2.5 && rank[2] == 2.5 && rank[3] == 4);
	/* Ranks (1, 2.5, 2.5, 4) and (1, 3, 2, 4): sxy 4.5, sxx 4.5, syy 5. */
	assert_int_equal(od_spearman(tied, other, 4, &rho, NULL), OD_OK);
	NEAR(rho, 4.5 / sqrt(4.5 * 5));
	/* The pair with a gap takes no part: ranks (1,2,3,4) against (4,1,3,2), 1 - 6 * 14 / 60. */
	assert_int_equal(od_spearman(x, gap, 5, &rho, NULL), OD_OK);
	NEAR(rho, 1 - 6.0 * (9 + 1 + 0 + 4) / 60);
}

static void
bootstrap_interval_covers(void **state)
{
	double x[400], flat[] = { 2, 2, 2 };
	struct od_interval a, b;
	struct od_rng r = od_rng_init(11, 0);
	struct od_moments m;

	(void)state;
	for (int i = 0; i < 400; i++)
		x[i] = od_rng_normal(&r);
	m = od_moments_of(x, 400);
	assert_int_equal(od_bootstrap_mean(x, 400, 2000, 0.95, 7, &a, NULL), OD_OK);
	assert_int_equal(od_bootstrap_mean(x, 400, 2000, 0.95, 7, &b, NULL), OD_OK);
	assert_true(a.low == b.low && a.high == b.high);       /* the seed decides */
	/* Close to the normal interval, whose half width is 1.96 standard errors. */
	assert_true(fabs(a.low - (m.mean - 1.96 * od_moments_se(&m))) < 0.1 * od_moments_se(&m) * 1.96);
	assert_true(fabs(a.high - (m.mean + 1.96 * od_moments_se(&m))) < 0.1 * od_moments_se(&m) * 1.96);
	assert_int_equal(od_bootstrap_mean(flat, 3, 100, 0.95, 7, &a, NULL), OD_OK);
	assert_true(a.low == 2 && a.high == 2);
	assert_int_equal(od_bootstrap_mean(flat, 0, 100, 0.95, 7, &a, NULL), OD_OK);
	assert_true(isnan(a.low));
}

/* Ranks that are counted off are those of the drawn sample: it is drawn again here (stream 3 of the seed) and ranked by sorting. */
static void
bootstrap_of_correlations(void **state)
{
	enum { N = 60, R = 400 };
	double x[N + 1], y[N + 1], dx[N], dy[N], r[R], rho[R];
	struct od_correlation c, again;
	struct od_rng g = od_rng_init(5, 0);

	(void)state;
	for (int i = 0; i < N; i++) {
		x[i] = (double)od_rng_below(&g, 12);           /* ties */
		y[i] = x[i] + (double)od_rng_below(&g, 8);
	}
	x[N] = NAN;
	y[N] = 3;
	for (int k = 0; k < R; k++) {
		g = od_rng_init(9, (uint64_t)3 << 32 | (uint64_t)k);
		for (int i = 0; i < N; i++) {
			size_t j = (size_t)od_rng_below(&g, N);

			dx[i] = x[j];
			dy[i] = y[j];
		}
		r[k] = od_pearson(dx, dy, N);
		assert_int_equal(od_spearman(dx, dy, N, &rho[k], NULL), OD_OK);
	}
	assert_int_equal(od_bootstrap_correlation(x, y, N + 1, R, 0.9, 9, &c, NULL), OD_OK);
	assert_int_equal(c.n, N);
	assert_int_equal(od_sort(r, R) + od_sort(rho, R), 2 * R);
	NEAR(c.r, od_pearson(x, y, N));
	NEAR(c.r_ci.low, od_quantile(r, R, 0.05));
	NEAR(c.r_ci.high, od_quantile(r, R, 0.95));
	NEAR(c.rho_ci.low, od_quantile(rho, R, 0.05));
	NEAR(c.rho_ci.high, od_quantile(rho, R, 0.95));
	assert_true(c.rho_ci.low < c.rho && c.rho < c.rho_ci.high && c.rho > 0.7);
	assert_int_equal(od_bootstrap_correlation(x, y, N, R, 0.9, 9, &again, NULL), OD_OK);
	assert_true(again.r_ci.low == c.r_ci.low && again.rho_ci.high == c.rho_ci.high);
	/* What has no correlation has no interval. */
	assert_int_equal(od_bootstrap_correlation(x, x, 1, R, 0.9, 9, &c, NULL), OD_OK);
	assert_true(c.n == 1 && isnan(c.r) && isnan(c.rho) && isnan(c.r_ci.low) && isnan(c.rho_ci.high));
	assert_int_equal(od_bootstrap_correlation(x, y, 0, R, 0.9, 9, &c, NULL), OD_OK);
	assert_true(c.n == 0 && isnan(c.r));
}

static void
paired_comparison(void **state)
{
	const double a[] = { 1, 2, 3, 4, 5, NAN }, b[] = { 2, 3, 4, 5, 5, 1 };
	double big_a[60], big_b[60];
	struct od_paired p;

	(void)state;
	assert_int_equal(od_paired_compare(a, b, 6, 500, 1, &p, NULL), OD_OK);
	assert_true(p.n == 5 && p.up == 4 && p.down == 0 && p.same == 1);
	NEAR(p.mean_a, 3);
	NEAR(p.mean_b, 3.8);
	NEAR(p.diff, 0.8);
	NEAR(p.se, 0.2);                                       /* sd of (1,1,1,1,0) = sqrt(0.2); / sqrt(5) */
	NEAR(p.p, 2.0 / 16);                                   /* all four up, or all four down */
	assert_true(p.ci.low >= 0.2 && p.ci.high == 1);
	assert_int_equal(od_paired_compare(a, a, 6, 500, 1, &p, NULL), OD_OK);
	assert_true(p.diff == 0 && p.p == 1 && p.same == 5);
	for (int i = 0; i < 60; i++) {
		big_a[i] = i % 10;
		big_b[i] = i % 10 + (i % 3 ? 1 : -1) * (1 + i % 2);
	}
	assert_int_equal(od_paired_compare(big_a, big_b, 60, 2000, 1, &p, NULL), OD_OK);
	/* 40 up and 20 down, sizes 1 and 2 by turns: sum 30, null deviation sqrt(30 + 30 * 4), z = 2.449: p = 0.0143. */
	assert_true(p.p > 0.007 && p.p < 0.025);
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static void
numbers_for_people(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = { { 0, "0" }, { -0.0, "0" }, { 3, "3" }, { 0.123456, "0.1235" }, { 0.0128, "0.01280" }, { 3.3e-4, "3.30e-04" }, { 12.3456, "12.35" }, { 1234.56, "1235" },
		{ -0.5, "-0.5000" }, { 1e-7, "1.00e-07" }, { 123456789.5, "1.23e+08" }, { NAN, "-" } };
	char text[OD_NUMBER_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		od_number_text(text, cases[i].v, 4);
		assert_string_equal(text, cases[i].text);
	}
	od_count_text(text, 1234567);
	assert_string_equal(text, "1,234,567");
	od_count_text(text, -100);
	assert_string_equal(text, "-100");
	od_count_text(text, -1000);
	assert_string_equal(text, "-1,000");
}

static void
sparklines(void **state)
{
	const double up[] = { 0, 1, 2, 3, 4, 5, 6, 7 }, flat[] = { 2, 2 }, gap[] = { 0, NAN, 1 };
	double many[80];
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	for (int i = 0; i < 80; i++)
		many[i] = i / 10;
	od_sparkline(&b, up, 8, 20);
	assert_string_equal(b.data, "▁▂▃▄▅▆▇█");
	od_buf_clear(&b);
	od_sparkline(&b, many, 80, 8);
	assert_string_equal(b.data, "▁▂▃▄▅▆▇█");
	od_buf_clear(&b);
	od_sparkline(&b, flat, 2, 5);
	assert_string_equal(b.data, "▄▄");
	od_buf_clear(&b);
	od_sparkline(&b, gap, 3, 5);
	assert_string_equal(b.data, "▁ █");
	od_buf_clear(&b);
	od_sparkline(&b, up, 0, 5);
	assert_int_equal(b.len, 0);
	od_buf_release(&b);
}

static void
histogram_lines(void **state)
{
	struct od_histogram h;
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	assert_int_equal(od_histogram_init(&h, 0, 1, 2, NULL), OD_OK);
	for (int i = 0; i < 8; i++)
		od_histogram_add(&h, 0.75);
	for (int i = 0; i < 3; i++)
		od_histogram_add(&h, 0.25);
	od_histogram_add(&h, 9);
	od_histogram_draw(&b, &h, 4, " ");
	assert_string_equal(b.data, " [0.00, 0.50)  3  █▌\n [0.50, 1.00]  8  ████\n outside: 0 below, 1 above\n");
	od_histogram_release(&h);
	od_buf_release(&b);
}

static void
tables_align(void **state)
{
	struct od_table t = OD_TABLE_INIT(3, "lrl");
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	od_table_cell(&t, "name");
	od_table_cell(&t, "n");
	od_table_cell(&t, "x");
	od_table_cell(&t, "ü");
	od_table_cellf(&t, "%d", 1234);
	od_table_number(&t, 0.5, 2);
	od_table_cell(&t, "語");
	od_table_render(&t, &b, "> ");
	assert_string_equal(b.data, "> name     n  x\n> ü     1234  0.50\n> 語\n");
	od_table_release(&t);
	od_buf_release(&b);
}

static void
plot_scripts_quote(void **state)
{
	const double x[] = { 1, 2 }, y[] = { 0.5, NAN };
	struct od_plot_series s = { .label = "it's\n`date`", .x = x, .y = y, .n = 2, .style = OD_PLOT_LINE };
	struct od_plot_panel p = { .title = "T", .series = &s, .n_series = 1, .fixed_y = true, .y_max = 1 };
	struct od_plot plot = { .title = NULL, .panels = &p, .n_panels = 1 };
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	od_plot_script(&b, &plot, OD_PLOT_PNG, "a'b.png");
	assert_true(od_buf_ok(&b));
	assert_non_null(strstr(b.data, "$p0_0 << EOD\n1 0.5\n2 NaN\nEOD\n"));
	assert_non_null(strstr(b.data, "set output 'a''b.png'\n"));
	assert_non_null(strstr(b.data, "title 'it''s `date`'"));
	assert_non_null(strstr(b.data, "set yrange [0:1]\n"));
	assert_non_null(strstr(b.data, "pngcairo"));
	od_buf_release(&b);
}

static void
plots_of_bars_and_webs(void **state)
{
	const double x[] = { 0, 1, 2 }, y[] = { 5, NAN, 7 }, low[] = { 4, NAN, 6 }, high[] = { 6, NAN, 8 };
	const char *const names[] = { "a", "b's", "c" };
	const struct od_plot_text text = { "rim", 3, -1.5, -1 };
	const struct od_plot_series bar = { .label = "bars", .x = x, .y = y, .n = 3, .style = OD_PLOT_BARS, .low = low, .high = high,
		.width = 0.25 };
	const struct od_plot_series area = { .label = "area", .x = x, .y = y, .n = 3, .style = OD_PLOT_AREA, .gaps = true };
	const struct od_plot_panel panels[] = {
		{ .title = "T", .series = &bar, .n_series = 1, .x_names = names, .n_x_names = 3, .fixed_y = true, .y_max = NAN },
		{ .title = "U", .series = &area, .n_series = 1, .bare = true, .texts = &text, .n_texts = 1 },
	};
	const struct od_plot plot = { .panels = panels, .n_panels = 2, .columns = 1, .panel_width = 700, .panel_height = 200 };
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	od_plot_script(&b, &plot, OD_PLOT_SVG, "x.svg");
	assert_true(od_buf_ok(&b));
	assert_non_null(strstr(b.data, "size 700,400 "));
	assert_non_null(strstr(b.data, "$p0_0 << EOD\n0 5 4 6\n1 NaN NaN NaN\n2 7 6 8\nEOD\n"));
	assert_non_null(strstr(b.data, "('a' 0, 'b''s' 1, 'c' 2)"));
	assert_non_null(strstr(b.data, "set yrange [0:*]\n"));
	assert_non_null(strstr(b.data, "$p0_0 using 1:2:(0.25) with boxes "));
	assert_non_null(strstr(b.data, "$p0_0 using 1:3:(0):($4-$3) with vectors heads"));
	assert_non_null(strstr(b.data, "$p1_0 << EOD\n0 5\n\n2 7\nEOD\n"));
	assert_non_null(strstr(b.data, "set label 'rim' at 3,-1.5 right"));
	assert_non_null(strstr(b.data, "set size ratio -1"));
	od_buf_release(&b);
}

static void
tables_of_markdown(void **state)
{
	struct od_table t = OD_TABLE_INIT(2, "ll");
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	od_table_cell(&t, "name");
	od_table_cell(&t, "x");
	od_table_cell(&t, "a|b*<`\\");
	od_table_cell(&t, "");
	od_table_markdown(&t, &b);
	assert_string_equal(b.data, "| name | x |\n|:--|--:|\n| a\\|b\\*\\<\\`\\\\ |  |\n");
	od_table_release(&t);
	od_buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_keep_what_addition_loses),
		cmocka_unit_test(moments_of_known_samples),
		cmocka_unit_test(merged_moments_are_those_of_all),
		cmocka_unit_test(effective_sizes),
		cmocka_unit_test(quantiles_of_type_7),
		cmocka_unit_test(histograms_count_everything),
		cmocka_unit_test(steps_are_round),
		cmocka_unit_test(correlations_with_ties),
		cmocka_unit_test(bootstrap_interval_covers),
		cmocka_unit_test(bootstrap_of_correlations),
		cmocka_unit_test(paired_comparison),
		cmocka_unit_test(numbers_for_people),
		cmocka_unit_test(sparklines),
		cmocka_unit_test(histogram_lines),
		cmocka_unit_test(tables_align),
		cmocka_unit_test(plot_scripts_quote),
		cmocka_unit_test(plots_of_bars_and_webs),
		cmocka_unit_test(tables_of_markdown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
