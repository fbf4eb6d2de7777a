/* test_scoreboard.c -- lib/bench/scoreboard: summaries to rows, names, what is refused or marked, averages, the paper's rows, plots. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/scoreboard.h"
#include "bench/scoreboard_plot.h"

static const struct od_board_options usual = OD_BOARD_OPTIONS_INIT;

static enum od_status
add(struct od_board *b, const char *place, const char *label, const char *text, struct od_error *err)
{
	json_t *summary = json_loads(text, 0, NULL);
	enum od_status st;

	assert_non_null(summary);
	st = od_board_add(b, summary, place, label, "base", err);
	json_decref(summary);
	return st;
}

static void
math_set(struct od_board *b, const char *model, enum od_board_source s, double mean, double se, const char *preset)
{
	char text[512];

	snprintf(text, sizeof text, "{\"benchmark\":\"math\",\"dataset\":\"%s\",\"metrics\":{\"pass@1\":{\"mean\":%g,\"se\":%g,\"n\":9}},"
		"\"run\":{\"preset\":\"%s\",\"name\":\"%s\"}}", od_board_sources[s].dataset, mean, se, preset, model);
	assert_int_equal(add(b, "math.json", NULL, text, NULL), OD_OK);
}

static bool
near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void
figures_have_one_unit(void **state)
{
	struct od_board b;
	const struct od_board_row *row;

	(void)state;
	od_board_init(&b, &usual);
	assert_int_equal(add(&b, "a", "m", "{\"benchmark\":\"alpaca-eval\",\"win_rate\":20.5,\"standard_error\":1.5,"
		"\"length_controlled_winrate\":null}", NULL), OD_OK);
	assert_int_equal(add(&b, "b", "m", "{\"benchmark\":\"ifeval\",\"metrics\":{\"prompt_strict\":{\"mean\":0.4,\"se\":0.02},"
		"\"prompt_loose\":{\"mean\":0.5,\"se\":null}},\"answers\":{\"mean_tokens\":12.5,\"truncated\":3,\"n\":9}}", NULL), OD_OK);
	assert_int_equal(add(&b, "c", "m", "{\"benchmark\":\"arena-hard\",\"level\":0.9,\"baseline\":\"z\",\"models\":{\"z\":{\"score\":50},"
		"\"q\":{\"score\":30,\"lower\":28,\"upper\":33}}}", NULL), OD_OK);
	assert_int_equal(add(&b, "d", "m", "{\"benchmark\":\"sedareval\",\"total\":38.5,\"total_se\":1,\"answers\":7}", NULL), OD_OK);
	assert_int_equal(b.n, 1);
	row = &b.row[0];
	assert_true(near(row->cell[OD_BOARD_WR].value, 20.5) && near(row->cell[OD_BOARD_WR].se, 1.5));
	assert_true(row->cell[OD_BOARD_LC].there && isnan(row->cell[OD_BOARD_LC].value));
	assert_true(near(row->cell[OD_BOARD_STRICT].value, 40) && near(row->cell[OD_BOARD_STRICT].se, 2));
	assert_true(near(row->cell[OD_BOARD_LOOSE].value, 50) && isnan(row->cell[OD_BOARD_LOOSE].se));
	assert_true(near(row->cell[OD_BOARD_ARENA_WR].low, 28) && near(row->cell[OD_BOARD_ARENA_WR].high, 33));
	assert_true(near(row->cell[OD_BOARD_TOTAL].value, 38.5));
	assert_true(near(b.arena_level, 0.9));
	assert_true(near(row->run[OD_BOARD_IFEVAL].mean_tokens, 12.5));
	assert_int_equal(row->run[OD_BOARD_IFEVAL].truncated, 3);
	assert_int_equal(row->run[OD_BOARD_IFEVAL].empty, -1);
	assert_true(od_board_has(&b, OD_BOARD_TEXT) && !od_board_has(&b, OD_BOARD_MATH));
	od_board_release(&b);
}

static void
averages_need_all_sets(void **state)
{
	struct od_board b;
	double sum = 0, squares = 0;

	(void)state;
	od_board_init(&b, &usual);
	for (int s = OD_BOARD_GSM8K; s <= OD_BOARD_COLLEGE; s++) {
		double mean = 0.1 * (s - OD_BOARD_GSM8K), se = 0.01 * (s - OD_BOARD_GSM8K + 1);

		math_set(&b, "whole", (enum od_board_source)s, mean, se, "paper");
		if (s != OD_BOARD_AMC)
			math_set(&b, "part", (enum od_board_source)s, mean, se, "paper");
		sum += 100 * mean;
		squares += 1e4 * se * se;
	}
	od_board_finish(&b);
	assert_int_equal(b.n, 2);
	assert_true(near(b.row[0].cell[OD_BOARD_AVERAGE].value, sum / 8));
	assert_true(near(b.row[0].cell[OD_BOARD_AVERAGE].se, sqrt(squares) / 8));
	assert_true(isnan(b.row[1].cell[OD_BOARD_AVERAGE].value) && !b.row[1].cell[OD_BOARD_AVERAGE].there);
	od_board_release(&b);
}

#define SEDAR(rest) "{\"benchmark\":\"sedareval\",\"total\":40,\"total_se\":1" rest "}"

static void
names_in_their_order(void **state)
{
	struct od_board b;

	(void)state;
	od_board_init(&b, &usual);
	assert_int_equal(od_board_rename(&b, "named", "renamed", NULL), OD_OK);
	assert_int_equal(od_board_rename(&b, "named", "again", NULL), OD_EUSAGE);
	assert_string_equal(od_board_unused(&b), "named");
	assert_int_equal(add(&b, "a", "label", SEDAR(",\"model\":\"m\",\"run\":{\"name\":\"named\"}"), NULL), OD_OK);
	assert_int_equal(add(&b, "b", NULL, SEDAR(",\"model\":\"m\",\"run\":{\"name\":\"named\"}"), NULL), OD_OK);
	assert_int_equal(add(&b, "c", NULL, SEDAR(",\"model\":\"m\\u0001n\",\"run\":{}"), NULL), OD_OK);
	assert_int_equal(add(&b, "d", NULL, SEDAR(""), NULL), OD_OK);
	assert_null(od_board_unused(&b));
	assert_string_equal(b.row[0].label, "label");
	assert_string_equal(b.row[1].label, "renamed");
	assert_string_equal(b.row[2].label, "m n");
	assert_string_equal(b.row[3].label, "base");
	od_board_release(&b);
}

static void
other_making_is_refused_or_marked(void **state)
{
	struct od_board_options o = usual;
	struct od_error err = OD_ERROR_INIT;
	struct od_board b;

	(void)state;
	od_board_init(&b, &o);
	assert_int_equal(add(&b, "a.json", "a", SEDAR(",\"run\":{\"judge\":\"j\",\"model\":\"1\",\"temperature\":0}"), &err), OD_OK);
	assert_int_equal(add(&b, "b.json", "b", SEDAR(",\"run\":{\"judge\":\"j\",\"model\":\"2\",\"temperature\":0.0}"), &err), OD_OK);
	assert_int_equal(b.n_notes, 0);
	assert_int_equal(add(&b, "c.json", "c", SEDAR(",\"run\":{\"judge\":\"k\",\"temperature\":0}"), &err), OD_EMISMATCH);
	assert_non_null(strstr(err.msg, "'a.json' and 'c.json' were not made alike: 'judge' is \"j\" and \"k\""));
	assert_int_equal(add(&b, "d.json", "a", SEDAR(""), &err), OD_EMISMATCH);
	assert_non_null(strstr(err.msg, "'a.json' and 'd.json' are both SedarEval of 'a'"));
	od_board_release(&b);

	o.mixed = true;
	od_board_init(&b, &o);
	assert_int_equal(add(&b, "a.json", "a", SEDAR(",\"run\":{\"judge\":\"j\"}"), &err), OD_OK);
	assert_int_equal(add(&b, "c.json", "c", SEDAR(",\"run\":{\"judge\":\"k\"}"), &err), OD_OK);
	assert_int_equal(b.row[0].cell[OD_BOARD_TOTAL].marks, 0);
	assert_int_equal(b.row[1].cell[OD_BOARD_TOTAL].marks, OD_BOARD_MIXED);
	assert_int_equal(b.n_notes, 1);
	assert_int_equal(add(&b, "d.json", "a", SEDAR(""), &err), OD_EMISMATCH);
	od_board_release(&b);
}

static void
the_paper_stands_beside_its_settings(void **state)
{
	struct od_board_options o = usual;
	struct od_error err = OD_ERROR_INIT;
	struct od_board b;
	size_t added = 0;

	(void)state;
	od_board_init(&b, &o);
	math_set(&b, "mine", OD_BOARD_GSM8K, 0.5, 0.01, "paper");
	assert_int_equal(od_board_add_paper(&b, OD_BOARD_MATH, "QWEN2.5-math-1.5b", &added, &err), OD_OK);
	assert_int_equal(added, 4);
	assert_int_equal(b.n, 5);
	assert_string_equal(b.row[4].label, "Qwen2.5-Math-1.5B, Omni-DPO");
	assert_string_equal(b.row[4].cell[OD_BOARD_FIRST_SET].printed, "80.1");
	assert_true(b.row[4].cell[OD_BOARD_AVERAGE].value == 49.54);
	assert_int_equal(od_board_add_paper(&b, OD_BOARD_TEXT, "nobody", &added, &err), OD_OK);
	assert_int_equal(added, 4);
	od_board_release(&b);

	od_board_init(&b, &o);
	math_set(&b, "mine", OD_BOARD_GSM8K, 0.5, 0.01, "official");
	assert_int_equal(od_board_add_paper(&b, OD_BOARD_TEXT, NULL, &added, &err), OD_OK);
	assert_int_equal(od_board_add_paper(&b, OD_BOARD_MATH, NULL, &added, &err), OD_EMISMATCH);
	assert_non_null(strstr(err.msg, "GSM8K of 'mine'"));
	od_board_release(&b);

	o.mixed = true;
	od_board_init(&b, &o);
	math_set(&b, "mine", OD_BOARD_GSM8K, 0.5, 0.01, "paper, changed: seed");
	assert_int_equal(od_board_add_paper(&b, OD_BOARD_MATH, NULL, &added, &err), OD_OK);
	assert_int_equal(b.row[0].cell[OD_BOARD_FIRST_SET].marks, OD_BOARD_NOT_PAPER);
	assert_int_equal(b.n_notes, 1);
	od_board_release(&b);
}

/* Where a text that is there once stands in its line. */
static int
column_of(const char *text, const char *what)
{
	const char *at = strstr(text, what), *line = at;

	assert_non_null(at);
	while (line > text && line[-1] != '\n')
		line--;
	return (int)(at - line);
}

static void
points_of_a_column_line_up(void **state)
{
	struct od_board b;
	struct od_buf out = OD_BUF_INIT;
	size_t added = 0;

	(void)state;
	od_board_init(&b, &usual);
	assert_int_equal(add(&b, "a", "a", "{\"benchmark\":\"alpaca-eval\",\"win_rate\":5,\"standard_error\":1,\"run\":{\"preset\":\"paper\"}}",
		NULL), OD_OK);
	assert_int_equal(od_board_add_paper(&b, OD_BOARD_TEXT, "Qwen2.5-1.5B", &added, NULL), OD_OK);
	od_board_text(&b, &out);
	assert_int_equal(column_of(out.data, "5.0  \xc2\xb1 1.0 "), column_of(out.data, "7.46 \xc2\xb1 0.93"));
	assert_int_equal(column_of(out.data, "6.49"), column_of(out.data, "LC"));
	od_buf_release(&out);
	od_board_release(&b);
}

static void
webs_have_gaps(void **state)
{
	struct od_board_plot plot = OD_BOARD_PLOT_INIT;
	struct od_board b;
	const struct od_plot_series *line;

	(void)state;
	od_board_init(&b, &usual);
	for (int s = OD_BOARD_GSM8K; s <= OD_BOARD_OLYMPIAD; s++) {
		math_set(&b, "whole", (enum od_board_source)s, 0.5, 0.01, "paper");
		if (s != OD_BOARD_MATH500)
			math_set(&b, "part", (enum od_board_source)s, 1, 0.01, "paper");
	}
	assert_int_equal(od_board_plot(&plot, &b, OD_BOARD_RADAR, NULL), OD_OK);
	assert_int_equal(plot.p.n_panels, 1);
	assert_int_equal(plot.panel[0].n_series, 5 + 4 + 2);       /* rings, spokes, models */
	line = &plot.panel[0].series[9];
	assert_int_equal(line[0].style, OD_PLOT_AREA);
	assert_int_equal(line[1].style, OD_PLOT_LINE_POINTS);
	assert_int_equal(line[0].n, 5);
	assert_true(near(line[0].x[0], 0) && near(line[0].y[0], 50) && near(line[0].x[1], 50) && near(line[0].y[2], -50));
	assert_true(near(line[0].x[4], 0) && near(line[0].y[4], 50));
	assert_true(isnan(line[1].x[1]) && near(line[1].y[0], 100));
	od_board_plot_release(&plot);
	assert_int_equal(od_board_plot(&plot, &b, OD_BOARD_BARS, NULL), OD_OK);
	assert_int_equal(plot.panel[0].n_series, 2);
	line = plot.panel[0].series;
	assert_true(near(line[0].x[0], -0.2) && near(line[1].x[0], 0.2) && near(line[0].low[3], 49) && near(line[0].high[3], 51));
	od_board_plot_release(&plot);
	od_board_release(&b);
}

static void
nothing_to_plot(void **state)
{
	struct od_board_plot plot = OD_BOARD_PLOT_INIT;
	struct od_board b;

	(void)state;
	od_board_init(&b, &usual);
	assert_int_equal(od_board_plot(&plot, &b, OD_BOARD_BARS, NULL), OD_EUSAGE);
	od_board_plot_release(&plot);
	assert_int_equal(add(&b, "a", "a", SEDAR(""), NULL), OD_OK);
	assert_int_equal(od_board_plot(&plot, &b, OD_BOARD_RADAR, NULL), OD_EUSAGE);
	od_board_plot_release(&plot);
	od_board_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_have_one_unit),
		cmocka_unit_test(averages_need_all_sets),
		cmocka_unit_test(names_in_their_order),
		cmocka_unit_test(other_making_is_refused_or_marked),
		cmocka_unit_test(the_paper_stands_beside_its_settings),
		cmocka_unit_test(points_of_a_column_line_up),
		cmocka_unit_test(webs_have_gaps),
		cmocka_unit_test(nothing_to_plot),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
