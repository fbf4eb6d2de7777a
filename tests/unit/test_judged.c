/* test_judged.c -- the benchmarks a language model judges: tables and data sets they are read from, the regression, AlpacaEval's
 * rates, Arena-Hard's verdicts and scores, SedarEval's scores. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/alpaca.h"
#include "bench/arena.h"
#include "bench/sedar.h"
#include "io/csv.h"
#include "io/dataset.h"
#include "stats/logistic.h"

static void
near(double a, double b, double tolerance)
{
	if (!(fabs(a - b) <= tolerance))
		fail_msg("%.17g is not %.17g", a, b);
}

/* ---- tables ------------------------------------------------------------------------------------------------------------- */

static void
csv_forms(void **state)
{
	static const char text[] = "\xef\xbb\xbf,\"a \"\"b\"\"\",c\r\n1,\"x,\ny\",2.5\r\n\n2,,nan\n3,\"\",\"-1e3\"";
	struct od_csv t;
	double v;
	int c;

	(void)state;
	assert_int_equal(od_csv_parse(&t, text, sizeof text - 1, "t", NULL), OD_OK);
	assert_int_equal(t.n_columns, 3);
	assert_int_equal(t.n_rows, 3);
	assert_int_equal(od_csv_find(&t, ""), 0);
	assert_int_equal(od_csv_find(&t, "d"), -1);
	assert_int_equal(od_csv_need(&t, "a \"b\"", &c, NULL), OD_OK);
	assert_string_equal(od_csv_text(&t, 0, c), "x,\ny");
	assert_string_equal(od_csv_text(&t, 1, c), "");
	assert_int_equal(od_csv_number(&t, 0, 2, &v, NULL), OD_OK);
	near(v, 2.5, 0);
	assert_int_equal(od_csv_number(&t, 1, 2, &v, NULL), OD_OK);
	assert_true(isnan(v));
	assert_int_equal(od_csv_number(&t, 2, 2, &v, NULL), OD_OK);
	near(v, -1000, 0);
	assert_int_equal(t.line[2], 5);
	od_csv_release(&t);
}

static void
csv_refusals(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "empty table" }, { "\n\r\n", "empty table" }, { "a,b\n1\n", "t:2: 1 fields, the first line has 2" },
		{ "a\n\"x\n", "t:2: a field's closing quote" }, { "a\n\"x\"y\n", "t:2: a field's closing quote" },
		{ "a\n1,\n", "t:2: 2 fields" },
	};
	struct od_error err = OD_ERROR_INIT;
	struct od_csv t;
	double v;
	int c;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(od_csv_parse(&t, cases[i].text, strlen(cases[i].text), "t", &err), OD_EFORMAT);
		assert_non_null(strstr(err.msg, cases[i].message));
		od_csv_release(&t);
	}
	assert_int_equal(od_csv_parse(&t, "a\0b", 3, "t", &err), OD_EFORMAT);
	od_csv_release(&t);
	assert_int_equal(od_csv_parse(&t, "a,b\n1,x\n", 8, "t", &err), OD_OK);
	assert_int_equal(od_csv_number(&t, 0, 1, &v, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "t:2: column 'b' must be a number, not 'x'");
	assert_int_equal(od_csv_need(&t, "c", &c, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "t: column 'c' is missing; there are a,b");
	od_csv_release(&t);
}

/* ---- data sets ---------------------------------------------------------------------------------------------------------- */

static enum od_status
parse(struct od_dataset *d, const char *text, struct od_error *err)
{
	return od_dataset_parse(d, text, strlen(text), "d", err);
}

static void
dataset_forms(void **state)
{
	static const char *const texts[] = {
		"{\"od_stream\":{}}\n{\"a\":NaN,\"b\":\"NaN \\\" Infinity\"}\n{\"a\":-Infinity}\n{\"od_end\":{\"records\":2}}",
		"[{\"a\":NaN,\"b\":\"NaN \\\" Infinity\"},\n {\"a\":-Infinity}]",
		"\xef\xbb\xbf{\"a\":NaN,\"b\":\"NaN \\\" Infinity\"}\r\n\n{\"a\": -Infinity}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct od_dataset d;

		assert_int_equal(parse(&d, texts[i], NULL), OD_OK);
		assert_int_equal(json_array_size(d.items), 2);
		assert_int_equal(d.n_nonfinite, 2);
		assert_true(json_is_null(json_object_get(json_array_get(d.items, 0), "a")));
		assert_string_equal(json_string_value(json_object_get(json_array_get(d.items, 0), "b")), "NaN \" Infinity");
		od_dataset_release(&d);
	}
}

static void
dataset_refusals(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "d" }, { "[]", "d: no items" }, { "[1]", "d: element 0 of the array is a number" },
		{ "{}\n{\"a\":NaNa}\n", "d:2" }, { "{}\n[]\n", "d:2" }, { "[{}", "d" }, { "{\"a\":1,\"a\":2}", "d:1" },
	};
	struct od_error err = OD_ERROR_INIT;
	struct od_dataset d;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum od_status st = parse(&d, cases[i].text, &err);

		if (st != OD_EFORMAT && st != OD_ETRUNC)
			fail_msg("case %zu: %d", i, st);
		if (strstr(err.msg, cases[i].message) == NULL)
			fail_msg("%s", err.msg);
		od_dataset_release(&d);
	}
	assert_int_equal(parse(&d, "{\"od_stream\":{}}\n{\"a\":1}\n", &err), OD_ETRUNC);
	od_dataset_release(&d);
}

/* ---- the regression ----------------------------------------------------------------------------------------------------- */

enum { N = 60, P = 3 };

static void
make_rows(double *x, double *y, double *w)
{
	for (int i = 0; i < N; i++) {
		x[3 * i] = sin(i);
		x[3 * i + 1] = cos(2.5 * i) - 0.2;
		x[3 * i + 2] = 1;
		y[i] = 0.5 + 0.5 * sin(1.3 * i + 0.4);
		w[i] = i % 3 ? 1 : 0.25;
	}
}

/* The optimum's own condition: gradient -sign(b) where b is not 0, within [-1, 1] where it is. */
static void
logistic_optimum(void **state)
{
	double x[N * P], y[N], w[N], b[P];
	struct od_logistic_data d = { x, y, w, N, P };
	int zeros = 0;

	(void)state;
	make_rows(x, y, w);
	for (double C = 1e-3; C < 1e5; C *= 10) {
		double g[P] = { 0 };

		assert_int_equal(od_logistic_l1(&d, C, b, NULL), OD_OK);
		for (int i = 0; i < N; i++) {
			double z = x[3 * i] * b[0] + x[3 * i + 1] * b[1] + b[2];

			for (int j = 0; j < P; j++)
				g[j] += C * w[i] * (od_sigmoid(z) - y[i]) * x[3 * i + j];
		}
		for (int j = 0; j < P; j++) {
			zeros += b[j] == 0;
			if (b[j] != 0)
				near(g[j], b[j] > 0 ? -1 : 1, 1e-6 * (1 + C));
			else
				assert_true(fabs(g[j]) <= 1 + 1e-9);
		}
	}
	assert_in_range(zeros, P, 6 * P);              /* all at the smallest C, none at the largest */
	assert_true(b[0] != 0 && b[1] != 0 && b[2] != 0);
}

/* Without penalty in effect and one constant feature: the logit of the weighted mean. */
static void
logistic_mean(void **state)
{
	const double x[] = { 1, 1, 1 }, y[] = { 1, 0, 0.25 }, w[] = { 2, 1, 0 };
	double b;

	(void)state;
	assert_int_equal(od_logistic_l1(&(struct od_logistic_data){ x, y, w, 3, 1 }, 1e9, &b, NULL), OD_OK);
	near(b, log(2), 1e-6);
	assert_int_equal(od_logistic_l1(&(struct od_logistic_data){ x, (const double[]){ 2, 0, 0 }, w, 3, 1 }, 1, &b, NULL),
		OD_EFORMAT);
	assert_int_equal(od_logistic_l1(&(struct od_logistic_data){ x, y, w, 3, 1 }, 0, &b, NULL), OD_EUSAGE);
	assert_int_equal(od_logistic_l1(&(struct od_logistic_data){ x, y, w, 3, 0 }, 1, &b, NULL), OD_EUSAGE);
}

/* Separable rows of folds that agree ask for a large C; labels that contradict each other across folds for a small one. */
static void
logistic_choice(void **state)
{
	const double x[] = { 1, -1, 1, -1 }, w[] = { 1, 1, 1, 1 }, cs[] = { 0.01, 1, 100 };
	const int fold[] = { 0, 0, 1, 1 };
	double c = 0;

	(void)state;
	assert_int_equal(od_logistic_choose_c(&(struct od_logistic_data){ x, (const double[]){ 1, 0, 1, 0 }, w, 4, 1 }, fold, 2, cs, 3,
		&c, NULL), OD_OK);
	near(c, 100, 0);
	assert_int_equal(od_logistic_choose_c(&(struct od_logistic_data){ x, (const double[]){ 1, 0, 0, 1 }, w, 4, 1 }, fold, 2, cs, 3,
		&c, NULL), OD_OK);
	near(c, 0.01, 0);
}

/* ---- AlpacaEval --------------------------------------------------------------------------------------------------------- */

/* Against CPython's random.Random. */
static void
alpaca_order(void **state)
{
	char long_text[3000];
	const struct {
		const char *text;
		size_t n;
		bool switched;
	} cases[] = {
		{ "", 0, false },
		{ "a", 1, true },
		{ "b", 1, true },
		{ "c", 1, false },
		{ "What is 2+2?", 12, false },
		{ "Écris un poème", 16, false },
		{ "How?", 4, false },
		{ long_text, sizeof long_text, true },
	};
	bool got;

	(void)state;
	memset(long_text, 'x', sizeof long_text);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(od_alpaca_is_switched(cases[i].text, cases[i].n, &got, NULL), OD_OK);
		assert_int_equal(got, cases[i].switched);
	}
}

static void
alpaca_preferences(void **state)
{
	(void)state;
	near(od_alpaca_preference(log(0.3), log(0.6), false), 2 - 1 / 3.0, 1e-15);
	near(od_alpaca_preference(log(0.3), log(0.6), true), 1 + 1 / 3.0, 1e-15);
	near(od_alpaca_preference(-0.1, NAN, false), 1, 0);
	near(od_alpaca_preference(NAN, -0.1, false), 2, 0);
	near(od_alpaca_preference(NAN, -0.1, true), 1, 0);
	assert_true(isnan(od_alpaca_preference(NAN, NAN, true)));
}

static void
alpaca_raw(void **state)
{
	const struct od_alpaca_row rows[] = { { 1, 10, 20 }, { 2, 10, 21 }, { 0, 10, 20 }, { 1.5, 10, 20 }, { 1.75, 5, 5 },
		{ NAN, 1, 1 }, { 2.5, 1, 1 }, { -1, 1, 1 } };
	struct od_alpaca_rates r;

	(void)state;
	od_alpaca_rates(rows, 8, &r);
	assert_int_equal(r.n_total, 5);
	assert_int_equal(r.n_missing, 1);
	assert_int_equal(r.n_outside, 2);
	assert_int_equal(r.n_wins, 2);
	assert_int_equal(r.n_wins_base, 1);
	assert_int_equal(r.n_draws, 2);
	near(r.win_rate, 55, 1e-12);                   /* 0, 1, .5, .5, .75 */
	near(r.standard_error, 100 * sqrt((0.3025 + 0.2025 + 2 * 0.0025 + 0.04) / 4 / 5), 1e-12);
	near(r.discrete_win_rate, 60, 1e-12);
	near(r.avg_length, 89 / 8.0, 1e-12);
}

static void
alpaca_controlled(void **state)
{
	enum { ROWS = 40 };
	struct od_alpaca_row rows[ROWS];
	double difficulty[ROWS], mean = 0;
	const struct od_alpaca_gamed gamed[] = { { 0.2, -1, 0.5 }, { 0.9, 1, -0.5 } };
	struct od_alpaca_lc lc, same, at[1];
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	for (int i = 0; i < ROWS; i++) {
		difficulty[i] = sin(i);
		rows[i] = (struct od_alpaca_row){ 1.2 + 0.2 * sin(i) + 0.01 * (i % 20), 100, 100 + 10 * (i % 20) };
	}
	assert_int_equal(od_alpaca_fit(rows, ROWS, difficulty, ROWS, gamed, 2, 100, &lc, NULL), OD_OK);
	assert_true(lc.coef[0] < 0);                   /* longer outputs won */
	assert_true(lc.coef[1] > 0);
	for (int i = 0; i < ROWS; i++)
		mean += 100 * od_sigmoid(lc.coef[2] + lc.coef[1] * difficulty[i]) / ROWS;
	near(lc.win_rate, mean, 1e-10);
	memcpy(at[0].coef, lc.coef, sizeof lc.coef);
	od_alpaca_lc_rates(NULL, difficulty, ROWS, at);
	near(at[0].win_rate, lc.win_rate, 1e-12);
	near(at[0].standard_error, lc.standard_error, 1e-12);
	assert_int_equal(od_alpaca_fit(rows, ROWS, difficulty, ROWS, gamed, 2, NAN, &same, NULL), OD_OK);
	assert_int_equal(od_alpaca_fit(rows, ROWS, difficulty, ROWS, gamed, 2, same.c, &lc, NULL), OD_OK);
	near(lc.win_rate, same.win_rate, 1e-12);
	/* equal lengths everywhere: no length term, no division by zero */
	for (int i = 0; i < ROWS; i++)
		rows[i].len_2 = 100;
	assert_int_equal(od_alpaca_fit(rows, ROWS, difficulty, ROWS, gamed, 2, 1, &lc, NULL), OD_OK);
	assert_true(isfinite(lc.win_rate));
	assert_int_equal(od_alpaca_fit(rows, ROWS, difficulty, ROWS - 1, gamed, 2, 1, &lc, &err), OD_EMISMATCH);
	rows[7].len_1 = NAN;
	assert_int_equal(od_alpaca_fit(rows, ROWS, difficulty, ROWS, gamed, 2, 1, &lc, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "row 7 has no lengths"));
	rows[7].preference = NAN;                      /* takes no part: needs none */
	assert_int_equal(od_alpaca_fit(rows, ROWS, difficulty, ROWS, gamed, 2, 1, &lc, NULL), OD_OK);
}

/* ---- Arena-Hard --------------------------------------------------------------------------------------------------------- */

static void
arena_verdicts(void **state)
{
	static const struct {
		const char *text;
		enum od_arena_parse legacy;
		const char *legacy_label;
		enum od_arena_parse new;
		const char *new_label;
	} cases[] = {
		{ "so [[A>>B]].", OD_ARENA_FOUND, "A>>B", OD_ARENA_FOUND, "A>>B" },
		{ "[[A>B]] and again [[A>B]]", OD_ARENA_FOUND, "A>B", OD_ARENA_FOUND, "A>B" },
		{ "[[A>B]] no: [[B>A]]", OD_ARENA_AMBIGUOUS, "", OD_ARENA_FOUND, "B>A" },
		{ "[[a=b]]", OD_ARENA_NONE, "", OD_ARENA_FOUND, "A=B" },
		{ "[B>>A]", OD_ARENA_NONE, "", OD_ARENA_FOUND, "B>>A" },
		{ "[A>B] then [[B>A]]", OD_ARENA_FOUND, "B>A", OD_ARENA_FOUND, "B>A" },
		{ "[[[A=B]]]", OD_ARENA_FOUND, "A=B", OD_ARENA_FOUND, "A=B" },
		{ "[[A>B]", OD_ARENA_NONE, "", OD_ARENA_FOUND, "A>B" },
		{ "[[]] [[ A>B ]] [[A>C]]", OD_ARENA_NONE, "", OD_ARENA_NONE, "" },
		{ "[[A]]", OD_ARENA_FOUND, "A", OD_ARENA_FOUND, "A" },
		{ "[[A>B", OD_ARENA_NONE, "", OD_ARENA_NONE, "" },
		{ "", OD_ARENA_NONE, "", OD_ARENA_NONE, "" },
		{ "[[AAAAAAAAAAAAAAAAAAAAAAAA]]", OD_ARENA_FOUND, "AAAAAAAAAAAAAAA", OD_ARENA_FOUND, "AAAAAAAAAAAAAAA" },
	};
	char label[OD_ARENA_MAX_LABEL];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = strlen(cases[i].text);

		assert_int_equal(od_arena_verdict(OD_ARENA_LEGACY, cases[i].text, n, label), cases[i].legacy);
		assert_string_equal(label, cases[i].legacy_label);
		assert_int_equal(od_arena_verdict(OD_ARENA_2025, cases[i].text, n, label), cases[i].new);
		assert_string_equal(label, cases[i].new_label);
	}
}

static void
arena_labels(void **state)
{
	double win = -1;
	int weight = -1;

	(void)state;
	assert_true(od_arena_label("B>>A", &win, &weight));
	assert_true(win == 0 && weight == 3);
	assert_true(od_arena_label("A=B", &win, &weight));
	assert_true(win == 0.5 && weight == 1);
	assert_false(od_arena_label("A", &win, &weight));
	assert_false(od_arena_label("", &win, &weight));
}

static void
arena_score(void **state)
{
	struct od_arena_battle b[300];
	struct od_arena_score s[4], again[4];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		b[n++] = (struct od_arena_battle){ 0, 1, i < 60 ? 1 : i < 80 ? 0.5 : 0 };
		b[n++] = (struct od_arena_battle){ 1, i % 2 ? 3 : 1, 1 };
		b[n++] = (struct od_arena_battle){ 2, 1, 0 };
	}
	assert_int_equal(od_arena_scores(b, n, 4, OD_ARENA_LEGACY, 400, 1, s, NULL), OD_OK);
	near(s[0].score, 70, 1e-12);
	near(s[0].rating, 1000 + 400 * log10(7 / 3.0), 1e-9);
	assert_int_equal(s[0].wins, 60);
	assert_int_equal(s[0].ties, 20);
	assert_int_equal(s[0].losses, 20);
	/* sd of one battle is 0.4: the normal interval is 70 +- 7.8 */
	near(s[0].lower, 70 - 7.84, 1.5);
	near(s[0].upper, 70 + 7.84, 1.5);
	assert_true(s[1].score == 100 && s[1].lower == 100 && s[1].upper == 100);
	assert_int_equal(s[1].battles, 200);
	assert_true(s[2].score == 0 && s[2].lower == 0 && s[2].upper == 0);
	assert_true(isnan(s[3].score) && isnan(s[3].lower));
	assert_int_equal(od_arena_scores(b, n, 4, OD_ARENA_LEGACY, 400, 1, again, NULL), OD_OK);
	assert_true(again[0].lower == s[0].lower && again[0].upper == s[0].upper);
	assert_int_equal(od_arena_scores(b, n, 4, OD_ARENA_2025, 400, 1, again, NULL), OD_OK);
	near(again[0].score, 70, 1);
	assert_true(again[0].score != 70);             /* the mean of resamples */
	assert_true(again[0].lower > s[0].lower && again[0].upper < s[0].upper);
	assert_int_equal(od_arena_scores(b, n, 2, OD_ARENA_LEGACY, 10, 1, s, NULL), OD_EUSAGE);
}

/* ---- SedarEval ---------------------------------------------------------------------------------------------------------- */

static void
sedar_scores(void **state)
{
	static const struct {
		const char *text;
		enum od_sedar_parse parse;
		double score;
	} cases[] = {
		{ "最终得分：4", OD_SEDAR_FOUND, 4 }, { "最终得分为: 3.5分", OD_SEDAR_FOUND, 3.5 }, { "最终得分:\n\n 0", OD_SEDAR_FOUND, 0 },
		{ "最终得分：2。复查后最终得分为：4.25", OD_SEDAR_FOUND, 4.25 }, { "最终得分：５", OD_SEDAR_FOUND, 5 },
		{ "最终得分：3.", OD_SEDAR_FOUND, 3 }, { "最终得分：4，最终得分：待定", OD_SEDAR_FOUND, 4 },
		{ "最终得分：-1", OD_SEDAR_OUTSIDE, 0 }, { "最终得分：50", OD_SEDAR_OUTSIDE, 0 }, { "最终得分 4", OD_SEDAR_NONE, 0 },
		{ "得分：4", OD_SEDAR_NONE, 0 }, { "最终得分：-", OD_SEDAR_NONE, 0 }, { "最终得分：", OD_SEDAR_NONE, 0 }, { "", OD_SEDAR_NONE, 0 },
	};
	double score;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(od_sedar_score(cases[i].text, strlen(cases[i].text), &score), cases[i].parse);
		if (cases[i].parse == OD_SEDAR_FOUND)
			near(score, cases[i].score, 1e-12);
		else
			assert_true(isnan(score));
	}
}

static void
sedar_totals(void **state)
{
	struct od_sedar_sums s = { 0 };
	struct od_sedar_rates r;

	(void)state;
	assert_int_equal(od_sedar_category("推理"), 0);
	assert_int_equal(od_sedar_category("创作"), 7);
	assert_int_equal(od_sedar_category("x"), -1);
	od_sedar_add(&s, 0, 5);
	od_sedar_add(&s, 0, 0);
	od_sedar_add(&s, 1, 5);
	od_sedar_add(&s, 3, 1);
	od_sedar_add(&s, 7, 2);
	od_sedar_add(&s, 7, NAN);
	od_sedar_rates(&s, &r);
	near(r.category[0], 50, 1e-12);
	near(r.category[1], 100, 1e-12);
	assert_true(isnan(r.category[2]));
	near(r.category[3], 20, 1e-12);
	near(r.category[7], 40, 1e-12);
	near(r.category_mean, 52.5, 1e-12);
	near(r.total, (75 + 5 * 30) / 6.0, 1e-12);
	near(r.mean, 13 / 5.0, 1e-12);
	assert_true(isnan(r.total_se));                /* categories of one item have no standard error */
	memset(&s, 0, sizeof s);
	od_sedar_add(&s, 0, 5);
	od_sedar_rates(&s, &r);
	assert_true(isnan(r.total));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csv_forms), cmocka_unit_test(csv_refusals), cmocka_unit_test(dataset_forms),
		cmocka_unit_test(dataset_refusals), cmocka_unit_test(logistic_optimum), cmocka_unit_test(logistic_mean),
		cmocka_unit_test(logistic_choice), cmocka_unit_test(alpaca_order), cmocka_unit_test(alpaca_preferences),
		cmocka_unit_test(alpaca_raw), cmocka_unit_test(alpaca_controlled), cmocka_unit_test(arena_verdicts),
		cmocka_unit_test(arena_labels), cmocka_unit_test(arena_score), cmocka_unit_test(sedar_scores),
		cmocka_unit_test(sedar_totals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
