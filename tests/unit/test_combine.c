/* test_combine.c -- several named scores become one; the expert's interface. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "score/combine.h"

#define NEAR(a, b) assert_true(fabs((a) - (double)(b)) <= 1e-12 * (1 + fabs((double)(b))))
#define MAX 8

/* Scores the responses of the records, all in one call. */
static enum od_status
combine(const char *weights, enum od_combine_how how, const char *const *records, size_t n_records, struct od_answer *answers,
	struct od_error *err)
{
	struct od_response_expert *e = NULL;
	struct od_ask asks[MAX] = { { .id = "" } };
	json_t *json[MAX];
	size_t n = 0;
	enum od_status st;

	assert_int_equal(od_combine_open(&e, weights, how, NULL), OD_OK);
	for (size_t i = 0; i < n_records; i++) {
		json[i] = json_loads(records[i], 0, NULL);
		assert_non_null(json[i]);
		for (size_t k = 0; k < json_array_size(json_object_get(json[i], "responses")); k++)
			asks[n++] = (struct od_ask){ .id = "", .record = json[i], .index = k };
	}
	memset(answers, 0, MAX * sizeof *answers);
	st = e->score(e, asks, n, answers, err);
	for (size_t i = 0; i < n_records; i++)
		json_decref(json[i]);
	e->close(e);
	return st;
}

static const char *const two[] = {
	"{\"responses\":[{\"scores\":{\"a\":1,\"b\":8}},{\"scores\":{\"a\":3,\"b\":2}},{\"scores\":{\"a\":3,\"b\":5}}]}",
	"{\"responses\":[{\"scores\":{\"a\":4,\"b\":0.25}}]}"
};

static void
by_hand(enum od_combine_how how, const double *wanted)
{
	struct od_answer a[MAX];

	assert_int_equal(combine("a,b=3", how, two, 2, a, NULL), OD_OK);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(a[i].status, OD_OK);
		NEAR(a[i].score, wanted[i]);
	}
}

static void
the_ways(void **state)
{
	/* a: 1, 3, 3 has mean 7/3 and deviation sqrt(8)/3; b: 8, 2, 5 has mean 5 and deviation sqrt(6). */
	const double za[] = { -4 / sqrt(8), 2 / sqrt(8), 2 / sqrt(8) }, zb[] = { 3 / sqrt(6), -3 / sqrt(6), 0 };

	(void)state;
	by_hand(OD_COMBINE_MEAN, (const double[]){ 25.0 / 4, 9.0 / 4, 18.0 / 4, 4.75 / 4 });
	by_hand(OD_COMBINE_MIN, (const double[]){ 1, 3, 3, 0.75 });
	by_hand(OD_COMBINE_PRODUCT, (const double[]){ 512, 24, 375, 4.0 / 64 });
	by_hand(OD_COMBINE_RANK, (const double[]){ (0 + 3 * 1) / 4.0, (0.75 + 0) / 4, (0.75 + 1.5) / 4, 0.5 });
	by_hand(OD_COMBINE_ZSCORE, (const double[]){ (za[0] + 3 * zb[0]) / 4, (za[1] + 3 * zb[1]) / 4, (za[2] + 3 * zb[2]) / 4, 0 });
}

static void
what_cannot_be_combined(void **state)
{
	static const char *const some[] = {
		"{\"responses\":[{\"scores\":{\"a\":1,\"b\":2}},{\"scores\":{\"a\":2,\"b\":null}},{\"scores\":{\"a\":3}},{},"
		"{\"scores\":{\"a\":\"4\",\"b\":1}},{\"scores\":{\"a\":-1,\"b\":4}}]}"
	};
	struct od_answer a[MAX];

	(void)state;
	assert_int_equal(combine("a,b", OD_COMBINE_PRODUCT, some, 1, a, NULL), OD_OK);
	assert_int_equal(a[0].status, OD_OK);
	NEAR(a[0].score, 2);
	assert_int_equal(a[1].status, OD_EFORMAT);
	assert_string_equal(a[1].err.msg, "expert 'b' has no score for it");
	assert_int_equal(a[2].status, OD_EFORMAT);
	assert_string_equal(a[2].err.msg, "no score named 'b' (there are: a)");
	assert_string_equal(a[3].err.msg, "no score named 'a' (there are: none)");
	assert_string_equal(a[4].err.msg, "score 'a' must be a number, not a string");
	assert_int_equal(a[5].status, OD_EFORMAT);
	assert_true(strstr(a[5].err.msg, "not negative") != NULL);
	/* Compared with those that have a score: 1 among 1, 2, 3, -1 and 2 among 2, 1, 4. */
	assert_int_equal(combine("a,b", OD_COMBINE_RANK, some, 1, a, NULL), OD_OK);
	NEAR(a[0].score, (1 / 3.0 + 1 / 2.0) / 2);
}

static void
one_meaning_in_a_stream(void **state)
{
	static const char *const blocks[] = {
		"{\"scores\":{\"a\":{\"expert\":\"x\",\"scale\":[1,0],\"version\":\"1\"}},\"responses\":[{\"scores\":{\"a\":1}}]}",
		"{\"scores\":{\"a\":{\"scale\":[1,0],\"expert\":\"x\",\"version\":\"2\"}},\"responses\":[{\"scores\":{\"a\":1}}]}",
		"{\"scores\":{\"a\":{\"expert\":\"x\",\"scale\":[2,0],\"version\":\"1\"}},\"responses\":[{\"scores\":{\"a\":1}}]}"
	};
	struct od_error err = OD_ERROR_INIT;
	struct od_answer a[MAX];

	(void)state;
	assert_int_equal(combine("a", OD_COMBINE_MEAN, blocks, 2, a, &err), OD_OK);
	assert_int_equal(combine("a", OD_COMBINE_MEAN, blocks, 3, a, &err), OD_EMISMATCH);
	assert_true(strstr(err.msg, "scores named 'a' were made in another way") != NULL);
}

static void
weights_are_checked(void **state)
{
	static const char *const bad[] = { "", ",", "a,", "a=", "a=x", "a=0", "a=-1", "a=inf", "a=nan", "=1", "a,a=2", "a=1,b=2=3" };
	struct od_response_expert *e = NULL;
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(od_combine_open(&e, bad[i], OD_COMBINE_MEAN, NULL), OD_EUSAGE);
	assert_int_equal(od_combine_open(&e, "a=0.5,b", OD_COMBINE_ZSCORE, NULL), OD_OK);
	e->describe(e, &b);
	assert_string_equal(b.data, ",\"how\":\"zscore\",\"weights\":{\"a\":0.5,\"b\":1}");
	od_buf_release(&b);
	e->close(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ways),
		cmocka_unit_test(what_cannot_be_combined),
		cmocka_unit_test(one_meaning_in_a_stream),
		cmocka_unit_test(weights_are_checked),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
