/* test_cases.c -- texts wrapped into cells and made harmless, McNemar's test, cases of two item files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/cases.h"
#include "text/cells.h"

static void
near(double a, double b, double tolerance)
{
	if (!(fabs(a - b) <= tolerance))
		fail_msg("%.17g is not %.17g", a, b);
}

/* ---- cells ------------------------------------------------------------------------------------------------------------------ */

static void
visible(void **state)
{
	static const struct {
		const char *text, *one, *lines;
	} cases[] = {
		{ "a\tb\r\nc\rd", "a\\tb\\r\\nc\\rd", "a   b\nc\\x0dd" },
		{ "\x1b[31mred\x07\x7f", "\\x1b[31mred\\x07\\x7f", "\\x1b[31mred\\x07\\x7f" },
		{ "\xc2\x9b" "2J \u202eabc \u2066x\u2028", "\\x9b2J \\u202eabc \\u2066x\\u2028", "\\x9b2J \\u202eabc \\u2066x\\u2028" },
		{ "z\u200bw \ufeff \U000e0041", "z\\u200bw \\ufeff \\U000e0041", "z\\u200bw \\ufeff \\U000e0041" },
		{ "\u00e9 \u6f22 \U0001f600 e\u0301", "\u00e9 \u6f22 \U0001f600 e\u0301", "\u00e9 \u6f22 \U0001f600 e\u0301" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct od_buf b = OD_BUF_INIT;

		od_visible(&b, cases[i].text, strlen(cases[i].text), false);
		assert_string_equal(b.data, cases[i].one);
		od_buf_clear(&b);
		od_visible(&b, cases[i].text, strlen(cases[i].text), true);
		assert_string_equal(b.data, cases[i].lines);
		od_buf_release(&b);
	}
	assert_int_equal(od_cells("a\u6f22e\u0301", 7), 4);
}

static void
wraps(const char *text, int width, const char *lines)
{
	struct od_wrapped w = OD_WRAPPED_INIT;
	struct od_buf b = OD_BUF_INIT;

	od_wrap(&w, text, strlen(text), width);
	assert_true(od_buf_ok(&w.text));
	for (size_t i = 0; i < w.n; i++) {
		od_buf_append(&b, w.text.data + w.line[i].at, w.line[i].len);
		od_buf_char(&b, '|');
		assert_true(w.line[i].cells <= width);
		assert_int_equal(w.line[i].cells, od_cells(w.text.data + w.line[i].at, w.line[i].len));
	}
	od_buf_str(&b, "");
	assert_string_equal(b.data, lines);
	od_buf_release(&b);
	od_wrapped_release(&w);
}

static void
wrapping(void **state)
{
	(void)state;
	wraps("", 10, "|");
	wraps("one two three", 7, "one two|three|");
	wraps("one two  three", 8, "one two|three|");
	wraps("a\n\n  b\n", 10, "a||  b|");
	wraps("abcdefghij k", 4, "abcd|efgh|ij k|");
	wraps("    deep word", 9, "    deep|word|");
	wraps("         x", 4, "|x|");
	wraps("\u6f22\u5b57\u6f22\u5b57", 5, "\u6f22\u5b57|\u6f22\u5b57|");
	wraps("ab\u6f22\u5b57 cd", 5, "ab\u6f22|\u5b57 cd|");
	wraps("e\u0301e\u0301e\u0301", 2, "e\u0301e\u0301|e\u0301|");   /* marks stay with their letters */
	wraps("\x1b[0m", 4, "\\x1b|[0m|");
}

/* ---- McNemar ---------------------------------------------------------------------------------------------------------------- */

static void
mcnemar(void **state)
{
	(void)state;
	near(od_mcnemar(0, 0), 1, 0);
	near(od_mcnemar(3, 3), 1, 0);
	near(od_mcnemar(0, 1), 1, 1e-12);
	near(od_mcnemar(0, 5), 2.0 / 32, 1e-12);
	near(od_mcnemar(8, 2), 2.0 * (1 + 10 + 45) / 1024, 1e-12);
	near(od_mcnemar(2, 8), od_mcnemar(8, 2), 0);
	near(od_mcnemar(60, 40), 0.056887933640980784, 1e-10);      /* scipy.stats.binomtest(40, 100).pvalue */
	assert_true(od_mcnemar(2000, 1000) < 1e-70 && od_mcnemar(2000, 1000) > 0);
}

/* ---- cases ------------------------------------------------------------------------------------------------------------------ */

static char folder[256];

static const char *
file(const char *name, const char *text)
{
	static char path[4][300];
	static int next;
	char *p = path[next++ % 4];
	FILE *f;

	snprintf(p, sizeof path[0], "%s/%s", folder, name);
	f = fopen(p, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return p;
}

static int
make_folder(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof folder, "%s/od-cases.XXXXXX", tmp != NULL ? tmp : "/tmp");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = { "a", "b", "o", "d" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char p[300];

		snprintf(p, sizeof p, "%s/%s", folder, names[i]);
		unlink(p);
	}
	return rmdir(folder);
}

static enum od_status
read_two(struct od_cases *c, const char *a, const char *b, struct od_error *err)
{
	enum od_status st;

	memset(c, 0, sizeof *c);
	st = od_cases_read(c, 0, file("a", a), err);
	return st == OD_OK ? od_cases_read(c, 1, file("b", b), err) : st;
}

static void
collect(void *arg, const char *member, const char *of, const json_t *a, const json_t *b)
{
	char *x = json_dumps(a, JSON_ENCODE_ANY), *y = json_dumps(b, JSON_ENCODE_ANY);

	od_buf_printf(arg, "%s/%s %s %s;", member, of != NULL ? of : "", x != NULL ? x : "-", y != NULL ? y : "-");
	free(x);
	free(y);
}

static const char items_a[] =
	"{\"id\":\"10\",\"verdict\":true,\"pred\":\"4\",\"tokens\":5,\"prompt\":\"p\",\"response\":\"ra\"}\n"
	"{\"id\":\"9\",\"verdict\":false,\"pred\":\"5\"}\n"
	"{\"id\":\"8\",\"verdict\":null}\n"
	"{\"id\":\"7\",\"verdict\":true}\n"
	"{\"id\":\"1\",\"verdict\":false,\"instruction_id_list\":[\"x\",\"y\"],\"strict\":[true,false]}\n";
static const char items_b[] =
	"{\"id\":\"9\",\"verdict\":true,\"pred\":\"6\",\"extra\":1}\n"
	"{\"id\":\"10\",\"verdict\":false,\"pred\":\"4\",\"tokens\":9,\"prompt\":\"p\"}\n"
	"{\"id\":\"8\",\"verdict\":true}\n"
	"{\"id\":\"1\",\"verdict\":false,\"instruction_id_list\":[\"x\",\"y\"],\"strict\":[true,null]}\n"
	"{\"id\":\"6\",\"verdict\":true}\n";

static void
counts_and_order(void **state)
{
	struct od_cases c;
	size_t *order = NULL, n = 0;

	(void)state;
	assert_int_equal(read_two(&c, items_a, items_b, NULL), OD_OK);
	assert_int_equal(od_cases_match(&c, NULL, false, 100, 1, NULL), OD_OK);
	assert_string_equal(c.metric, "verdict");
	assert_true(c.binary && c.n == 4 && c.only[0] == 1 && c.only[1] == 1);
	assert_true(c.count[OD_CHANGE_GAINED] == 1 && c.count[OD_CHANGE_LOST] == 1 && c.count[OD_CHANGE_SAME] == 1 &&
		c.count[OD_CHANGE_UNKNOWN] == 1 && c.both_wrong == 1 && c.both_right == 0);
	assert_string_equal(c.c[0].id, "10");                  /* the order of A's file */
	near(c.p, 1, 0);
	assert_int_equal(od_cases_select(&c, OD_SHOW_FLIPS, OD_SORT_ID, &order, &n, NULL), OD_OK);
	assert_int_equal(n, 2);
	assert_string_equal(c.c[order[0]].id, "9");            /* before 10 */
	free(order);
	assert_int_equal(od_cases_select(&c, OD_SHOW_ALL, OD_SORT_DIFF, &order, &n, NULL), OD_OK);
	assert_int_equal(n, 4);
	assert_string_equal(c.c[order[0]].id, "10");
	assert_string_equal(c.c[order[3]].id, "8");            /* what has no difference comes last */
	free(order);
	assert_int_equal(od_cases_select(&c, OD_SHOW_LOST, OD_SORT_DIFF, &order, &n, NULL), OD_OK);
	assert_int_equal(n, 1);
	free(order);
	od_cases_release(&c);
}

static void
texts_and_differences(void **state)
{
	struct od_cases c;
	struct od_buf b = OD_BUF_INIT;
	size_t len;

	(void)state;
	assert_int_equal(read_two(&c, items_a, items_b, NULL), OD_OK);
	assert_int_equal(od_cases_outputs(&c, 1, file("o", "{\"prompt\":\"p\",\"responses\":[{\"text\":\"rb\",\"tokens\":3}]}\n"
		"{\"id\":\"9\",\"output\":\"r9\"}\n"), NULL), OD_OK);
	assert_int_equal(od_cases_data(&c, file("d", "[{\"key\":9,\"question\":\"q9\"}]"), NULL), OD_OK);
	assert_int_equal(od_cases_match(&c, "verdict", false, 100, 1, NULL), OD_OK);
	assert_string_equal(od_case_prompt(&c, 0, &len), "p");
	assert_string_equal(od_case_response(&c, 0, 0, &len), "ra");
	assert_string_equal(od_case_response(&c, 0, 1, &len), "rb");    /* by the prompt */
	assert_int_equal(json_integer_value(od_case_member(&c, 0, 1, "tokens")), 9);
	assert_string_equal(od_case_response(&c, 1, 1, &len), "r9");    /* by the id */
	assert_string_equal(od_case_prompt(&c, 1, &len), "q9");
	assert_null(od_case_response(&c, 1, 0, &len));
	assert_null(od_case_prompt(&c, 2, &len));
	for (size_t i = 0; i < c.n; i++)
		od_case_differences(&c, i, collect, &b);
	assert_string_equal(b.data, "pred/ \"5\" \"6\";extra/ - 1;strict/y false null;");
	od_buf_release(&b);
	od_cases_release(&c);
}

static void
values_that_are_no_truth(void **state)
{
	struct od_cases c;

	(void)state;
	assert_int_equal(read_two(&c, "{\"id\":\"a/1\",\"tokens\":1,\"score\":2}\n{\"id\":\"b\",\"tokens\":1,\"score\":3.5}\n",
		"{\"id\":\"a/1\",\"tokens\":2,\"score\":4}\n{\"id\":\"b\",\"tokens\":1,\"score\":3}\n", NULL), OD_OK);
	assert_int_equal(od_cases_match(&c, NULL, false, 100, 1, NULL), OD_OK);
	assert_string_equal(c.metric, "score");
	assert_false(c.binary);
	near(c.paired.diff, 0.75, 1e-15);
	near(c.p, c.paired.p, 0);
	assert_int_equal(od_cases_outputs(&c, 0, file("o", "{\"question_id\":\"a\",\"choices\":[{\"turns\":[{\"content\":\"game\"}]}]}"),
		NULL), OD_OK);
	assert_string_equal(od_case_response(&c, 0, 0, &(size_t){ 0 }), "game");
	od_cases_release(&c);
}

static void
refusals(void **state)
{
	static const struct {
		const char *a, *b, *metric, *message;
		enum od_status status;
	} bad[] = {
		{ "{\"id\":\"1\",\"s\":1}\n{\"id\":\"1\",\"s\":1}", "", NULL, "second item with id '1', the first is in line 1", OD_EFORMAT },
		{ "{\"id\":\"1\",\"s\":\"x\"}", "", NULL, "no item has a verdict", OD_EFORMAT },
		{ "{\"id\":\"1\",\"s\":1}", "{\"id\":\"2\",\"s\":1}", NULL, "no item in common", OD_EMISMATCH },
		{ "{\"id\":\"1\",\"s\":1}", "{\"id\":\"1\",\"t\":1}", NULL, "no verdict in common", OD_EMISMATCH },
		{ "{\"id\":\"1\",\"tokens\":1}", "{\"id\":\"1\",\"tokens\":1}", NULL, "no verdict in common", OD_EMISMATCH },
		{ "{\"id\":\"1\",\"s\":1}", "{\"id\":\"1\",\"s\":1}", "t", "has a number 't'", OD_EMISMATCH },
		{ "{\"id\":\"1\",\"s\":1}", "{\"id\":\"1\",\"s\":null}", NULL, "verdict 's' in both", OD_EMISMATCH },
		{ "{\"id\":\"1\",\"s\":1,\"prompt\":\"p\"}", "{\"id\":\"1\",\"s\":1,\"prompt\":\"q\"}", NULL, "another prompt", OD_EMISMATCH },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct od_error err = OD_ERROR_INIT;
		struct od_cases c;
		enum od_status st = read_two(&c, bad[i].a, bad[i].b, &err);

		if (st == OD_OK)
			st = od_cases_match(&c, bad[i].metric, false, 100, 1, &err);
		assert_int_equal(st, bad[i].status);
		if (strstr(err.msg, bad[i].message) == NULL)
			fail_msg("'%s' lacks '%s'", err.msg, bad[i].message);
		od_cases_release(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(visible),
		cmocka_unit_test(wrapping),
		cmocka_unit_test(mcnemar),
		cmocka_unit_test(counts_and_order),
		cmocka_unit_test(texts_and_differences),
		cmocka_unit_test(values_that_are_no_truth),
		cmocka_unit_test(refusals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
