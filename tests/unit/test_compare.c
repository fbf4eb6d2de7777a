/* test_compare.c -- two experts on the same pairs, by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pref/compare.h"

#define NEAR(a, b) assert_true(fabs((a) - (double)(b)) <= 1e-12 * (1 + fabs((double)(b))))

static double
sigmoid(double z)
{
	return 1 / (1 + exp(-z));
}

static void
figures(void **state)
{
	/* Margins: A 2, -1, 0, 3, 1; B 1, 1, -2, -1, 1. */
	const double aw[] = { 4, 2, 3, 5, 3.2 }, al[] = { 2, 3, 3, 2, 2.2 }, bw[] = { 3.2, 4, 1, 3, 2 }, bl[] = { 2.2, 3, 3, 4, 1 };
	const struct od_expert_scores s[2] = { { aw, al }, { bw, bl } };
	const struct od_compare_options o = { 0.7, 3.2, 200, 1 };
	struct od_comparison c;
	double change[5], sum = 0, size = 0;
	const double ma[] = { 2, -1, 0, 3, 1 }, mb[] = { 1, 1, -2, -1, 1 };

	(void)state;
	assert_int_equal(od_compare_experts(&c, s, 5, &o, NULL), OD_OK);
	assert_int_equal(c.n, 5);
	assert_true(c.expert[0].up == 3 && c.expert[0].down == 1 && c.expert[0].ties == 1 && c.expert[0].good == 3);
	assert_true(c.expert[1].up == 3 && c.expert[1].down == 2 && c.expert[1].ties == 0 && c.expert[1].good == 2);
	assert_true(c.flips[0] == 1 && c.flips[1] == 1 && c.good_both == 1);
	NEAR(od_moments_mean(&c.expert[0].margin), 1);
	NEAR(od_moments_mean(&c.expert[1].margin), 0);
	for (int i = 0; i < 5; i++) {
		change[i] = sigmoid(0.7 * mb[i]) - sigmoid(0.7 * ma[i]);
		sum += change[i];
		size += fabs(change[i]);
	}
	NEAR(od_moments_mean(&c.change), sum / 5);
	NEAR(od_moments_mean(&c.size), size / 5);
	NEAR(c.quantile[0], change[3]);
	NEAR(c.quantile[6], change[1]);
	NEAR(c.quantile[3], change[0]);
	assert_true(c.change_ci.low < sum / 5 && sum / 5 < c.change_ci.high);
	/* By falling size: 3 (3 to -1), 1 (-1 to 1), 2 (0 to -2), 0 (2 to 1), 4 (none). */
	assert_true(c.largest[0] == 3 && c.largest[1] == 1 && c.largest[2] == 2 && c.largest[3] == 0 && c.largest[4] == 4);
	/* Deviations from the means 1 and 0: sxy 1 - 2 + 2 - 2 + 0, sxx 10, syy 8. */
	NEAR(c.margins.r, -1 / sqrt(80));
	od_comparison_release(&c);
}

static void
nothing_to_compare(void **state)
{
	const struct od_expert_scores s[2] = { { NULL, NULL }, { NULL, NULL } };
	const struct od_compare_options o = { 0.7, 3.2, 200, 1 };
	struct od_comparison c;

	(void)state;
	assert_int_equal(od_compare_experts(&c, s, 0, &o, NULL), OD_OK);
	assert_true(c.n == 0 && isnan(c.margins.r) && isnan(c.change_ci.low));
	od_comparison_release(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures),
		cmocka_unit_test(nothing_to_compare),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
