/* test_bench_math.c -- lib/bench: pass@k, votes, questions, whose output is whose, groups. */
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

#include "bench/groups.h"
#include "bench/math.h"

static void
near(double a, double b)
{
	if (!(fabs(a - b) <= 1e-12))
		fail_msg("%.17g is not %.17g", a, b);
}

/* ---- pass@k --------------------------------------------------------------------------------------------------------------- */

/* The share of the k-subsets of n samples, of which the first c are right, that hold a right one. */
static double
by_subsets(int n, int c, int k)
{
	int with = 0, all = 0;

	for (unsigned set = 0; set < 1u << n; set++) {
		if (__builtin_popcount(set) != k)
			continue;
		all++;
		with += (set & ((1u << c) - 1)) != 0;
	}
	return (double)with / all;
}

static void
pass_at_k(void **state)
{
	(void)state;
	near(od_pass_at_k(4, 2, 2), 5.0 / 6);              /* 1 - 1 / 6 */
	near(od_pass_at_k(5, 1, 3), 0.6);                  /* 1 - 4 / 10 */
	near(od_pass_at_k(8, 3, 4), 1 - 5.0 / 70);
	near(od_pass_at_k(10, 7, 4), 1);                   /* three wrong ones cannot fill four places */
	near(od_pass_at_k(100000, 1, 50000), 0.5);
	assert_true(od_pass_at_k(3, 0, 3) == 0 && od_pass_at_k(1, 1, 1) == 1 && od_pass_at_k(3, 1, 1) == 1.0 / 3);
	for (int n = 1; n <= 9; n++)
		for (int c = 0; c <= n; c++)
			for (int k = 1; k <= n; k++)
				near(od_pass_at_k(n, c, k), by_subsets(n, c, k));
}

/* ---- votes ---------------------------------------------------------------------------------------------------------------- */

/* The winner among letters, each a sample's answer; '-' is none. */
static size_t
vote(const char *letters, size_t k)
{
	struct od_math_sample s[16];
	struct od_math_result r = { .s = s, .n = strlen(letters) };
	size_t winner;

	od_buf_str(&r.text, letters);
	for (size_t i = 0; i < r.n; i++)
		s[i] = (struct od_math_sample){ .at = i, .len = letters[i] != '-' };
	winner = od_math_vote(&r, k);
	od_buf_release(&r.text);
	return winner;
}

static void
votes(void **state)
{
	(void)state;
	assert_int_equal(vote("a", 1), 0);
	assert_int_equal(vote("abb", 3), 1);
	assert_int_equal(vote("abb", 2), 0);               /* a tie: the first */
	assert_int_equal(vote("abba", 4), 0);
	assert_int_equal(vote("abbac", 5), 0);
	assert_int_equal(vote("cabab", 5), 1);
	assert_int_equal(vote("abcccbb", 7), 1);
	assert_int_equal(vote("a-b-", 4), 1);              /* no answer is an answer */
	assert_int_equal(vote("abcdee", 6), 4);
}

static void
plans(void **state)
{
	struct od_math_plan p = OD_MATH_PLAN_INIT;
	static const char *const bad[] = { "", "0", "1,1", "4,4", "2,", "a", "-1", "1,2,,3", "99999999999999999999999999999999999",
		"2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17" };

	(void)state;
	assert_int_equal(od_math_plan_read(&p, "8,1,4", NULL), OD_OK);
	assert_true(p.n_k == 3 && p.k[0] == 1 && p.k[1] == 8 && p.k[2] == 4);
	assert_int_equal(od_math_plan_read(&p, "1", NULL), OD_OK);
	assert_true(p.n_k == 1);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (od_math_plan_read(&p, bad[i], NULL) != OD_EUSAGE)
			fail_msg("'%s' is taken", bad[i]);
}

/* ---- questions ------------------------------------------------------------------------------------------------------------- */

static void
question_is(const char *record, const char *reference, const char *wanted)
{
	json_t *r = json_loads(record, 0, NULL);
	struct od_buf b = OD_BUF_INIT;

	assert_non_null(r);
	if (wanted) {
		assert_int_equal(od_math_question(r, reference, strlen(reference), &b, NULL), OD_OK);
		assert_string_equal(b.data, wanted);
	} else {
		assert_int_equal(od_math_question(r, reference, strlen(reference), &b, NULL), OD_EFORMAT);
	}
	od_buf_release(&b);
	json_decref(r);
}

static void
questions(void **state)
{
	(void)state;
	question_is("{\"question\":\" What?\\n\",\"problem\":\"Not this.\"}", "3", "What?");
	question_is("{\"problem\":\"This.\",\"input\":\"Not this.\"}", "yessir", "This.");
	question_is("{\"Question\":\"A\"}", "a", "A");
	question_is("{\"input\":\"A\"}", "a", "A");
	question_is("{\"question\":\"Is it\"}", "TRUE", "Is it (True or False)");
	question_is("{\"question\":\"Is it? \"}", "no", "Is it?  (Yes or No)");
	question_is("{\"question\":\" \"}", "3", NULL);
	question_is("{\"question\":null,\"problem\":\"This.\"}", "3", NULL);
	question_is("{\"answer\":\"3\"}", "3", NULL);
}

/* ---- files and outputs ------------------------------------------------------------------------------------------------------ */

struct source {
	char path[200];
};

static const char *
written(struct source *s, const char *text)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	snprintf(s->path, sizeof s->path, "%s/od-data-XXXXXX", dir && strlen(dir) < 150 ? dir : "/tmp");
	fd = mkstemp(s->path);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
	return s->path;
}

static void
read_data(struct od_math_data *d, const char *text, const char *dataset)
{
	struct od_error err = OD_ERROR_INIT;
	struct source s;

	if (od_math_data_read(d, written(&s, text), dataset, OD_MATH_QWEN, &err) != OD_OK)
		fail_msg("%s", err.msg);
	unlink(s.path);
}

static void
data_fails(const char *text, const char *dataset, enum od_status wanted, const char *says)
{
	struct od_math_data d;
	struct od_error err = OD_ERROR_INIT;
	struct source s;

	assert_int_equal(od_math_data_read(&d, written(&s, text), dataset, OD_MATH_QWEN, &err), wanted);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
	od_math_data_release(&d);
	unlink(s.path);
}

static void
recognised(void **state)
{
	static const struct {
		const char *text, *dataset, *id, *reference;
	} files[] = {
		{ "{\"question\":\"q\",\"answer\":\"1+1\\n#### 2\",\"idx\":7}", "gsm8k", "7", "2" },
		{ "{\"problem\":\"q\",\"solution\":\"$\\\\boxed{\\\\frac12}$\",\"answer\":\"x\",\"level\":1,\"unique_id\":\"a/1\"}", "math500",
			"a/1", "\\frac{1}{2}" },
		{ "{\"problem\":\"q\",\"solution\":\"\\\\boxed{3}\",\"level\":\"Level 1\"}", "math", "0", "3" },
		{ "{\"problem\":\"q\",\"solution\":\"\\\\boxed{3 \\\\mathrm{~m}}\",\"type\":\"t\",\"idx\":0}", "minerva_math", "0", "3\\mathrm{~m}" },
		{ "{\"id\":5,\"subfield\":\"s\",\"question\":\"q\",\"final_answer\":[\"$5$\"]}", "olympiadbench", "5", "5" },
		{ "{\"id\":5,\"problem\":\"q\",\"answer\":\"033\",\"url\":\"a/2024_AIME_I\"}", "aime24", "5", "33" },
		{ "{\"id\":5,\"problem\":\"q\",\"answer\":27.0,\"url\":\"a/2023_AMC_12A\"}", "amc23", "5", "27" },
		{ "{\"source\":\"2023x\",\"question\":\"q\",\"lang\":\"en\",\"answer\":\"$7$ \"}", "gaokao2023en", "0", "7" },
		{ "{\"data_source\":\"college_math.x\",\"question\":\"q\",\"answer\":\"$7$\",\"data_topic\":\"t\"}", "college_math", "0", "7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct od_math_data d;

		read_data(&d, files[i].text, NULL);
		assert_string_equal(d.dataset->name, files[i].dataset);
		assert_string_equal(d.known_by, "by its members");
		assert_true(d.n == 1);
		assert_string_equal(d.p[0].id, files[i].id);
		assert_string_equal(d.p[0].reference.data, files[i].reference);
		od_math_data_release(&d);
	}
}

static void
bad_data(void **state)
{
	(void)state;
	data_fails("{\"q\":1}", NULL, OD_EFORMAT, "give '--dataset'");
	data_fails("{\"q\":1}", "gsm9k", OD_EUSAGE, "'gsm9k' is not known");
	data_fails("{\"question\":\"q\",\"answer\":\"2\"}", "gsm8k", OD_EFORMAT, "item 0, read as gsm8k: field 'answer' has no '####'");
	data_fails("{\"problem\":\"q\",\"solution\":\"2\"}", "math500", OD_EFORMAT, "no \\boxed");
	data_fails("{\"question\":\"q\",\"answer\":null}", "amc23", OD_EFORMAT, "must be a string or a number, the reference answer, not null");
	data_fails("{\"question\":\"q\"}", "amc23", OD_EFORMAT, "field 'answer' is missing");
	data_fails("{\"answer\":\"2\"}", "amc23", OD_EFORMAT, "no question");
	data_fails("{\"question\":\"q\",\"answer\":\"2\",\"id\":[]}", "amc23", OD_EFORMAT, "field 'id' must be an integer or a short string");
	data_fails("{\"question\":\"q\",\"answer\":\"2\",\"id\":1}\n{\"question\":\"r\",\"answer\":\"2\",\"id\":\"1\"}", "amc23", OD_EFORMAT,
		"item 1, read as amc23: a second item with this id, '1'");
	data_fails("{\"question\":\"q\",\"answer\":\"2\"}\n{\"question\":\"r\",\"ans", "amc23", OD_ETRUNC, ":2:");
	data_fails("", "amc23", OD_EFORMAT, "");
}

static const char four[] = "{\"id\":\"a\",\"question\":\"Same\",\"answer\":1}\n{\"id\":\"b\",\"question\":\" Same\",\"answer\":2}\n"
	"{\"id\":\"c\",\"question\":\"Is it?\",\"answer\":\"yes\"}\n{\"question\":\"Other one\",\"answer\":4}";

/* The id of the item that an output is of, or what an error says. */
static const char *
matched(struct od_math_data *d, const char *output, bool seen)
{
	static struct od_error err;
	json_t *o = json_loads(output, 0, NULL);
	size_t i;
	enum od_status st;

	assert_non_null(o);
	st = od_math_match(d, o, &i, &err);
	json_decref(o);
	if (st != OD_OK) {
		assert_int_equal(st, OD_EFORMAT);
		return err.msg;
	}
	d->roster.item[i].seen = seen;
	return d->p[i].id;
}

static void
outputs(void **state)
{
	struct od_math_data d;

	(void)state;
	read_data(&d, four, "amc23");
	assert_string_equal(matched(&d, "{\"id\":\"b\"}", false), "b");
	assert_string_equal(matched(&d, "{\"idx\":1}", false), "b");
	assert_string_equal(matched(&d, "{\"idx\":\"1\",\"key\":\"b\",\"unique_id\":\"b\",\"prompt\":\"Same\"}", false), "b");
	assert_string_equal(matched(&d, "{\"id\":3}", false), "3");
	assert_string_equal(matched(&d, "{\"prompt\":\"Is it? \"}", false), "c");
	assert_string_equal(matched(&d, "{\"question\":\"Is it? (Yes or No)\"}", false), "c");
	assert_string_equal(matched(&d, "{\"prompt\":\"Is it? (Yes or No) Think.\",\"sample\":{\"suffix\":\" Think.\"}}", false), "c");
	assert_string_equal(matched(&d, "{\"prompt\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"Is it?\"}]}",
		false), "c");
	assert_string_equal(matched(&d, "{\"id\":\"c\",\"prompt\":\"<|user|>Is it? (Yes or No)<|end|>\"}", false), "c");
	assert_string_equal(matched(&d, "{\"idx\":-1}", false), "an output for no item of the data: its idx '-1' is not there");
	assert_string_equal(matched(&d, "{\"idx\":4}", false), "an output for no item of the data: its idx '4' is not there");
	assert_string_equal(matched(&d, "{\"id\":\"d\"}", false), "an output for no item of the data: its id 'd' is not there");
	assert_string_equal(matched(&d, "{\"prompt\":\"Else\"}", false), "an output for no item of the data: its prompt is not there");
	assert_string_equal(matched(&d, "{\"id\":null}", false), "field 'id' must be an integer or a short string");
	assert_string_equal(matched(&d, "{\"id\":\"a\",\"idx\":1}", false), "fields 'id' and 'idx' name two items, 'a' and 'b'");
	assert_string_equal(matched(&d, "{\"id\":\"a\",\"prompt\":\"Is it?\"}", false),
		"an output for another prompt than the data's of id 'a'");
	assert_string_equal(matched(&d, "{}", false), "neither 'id' nor 'prompt' says which item this is an output for");
	assert_string_equal(matched(&d, "{\"prompt\":\"Same\"}", true), "a");
	assert_string_equal(matched(&d, "{\"prompt\":\"Same\"}", true), "b");
	assert_string_equal(matched(&d, "{\"prompt\":\"Same\"}", true), "a second output for id 'b'");
	assert_string_equal(matched(&d, "{\"id\":\"a\"}", true), "a second output for id 'a'");
	od_math_data_release(&d);

	read_data(&d, "{\"question\":\"q\",\"answer\":1,\"idx\":5}", "amc23");
	assert_string_equal(matched(&d, "{\"idx\":5}", false), "5");
	assert_string_equal(matched(&d, "{\"idx\":0}", false), "an output for no item of the data: its idx '0' is not there");
	od_math_data_release(&d);
}

/* ---- figures ---------------------------------------------------------------------------------------------------------------- */

static void
add_output(struct od_math_tally *t, const struct od_math_data *d, struct od_math_result *r, size_t i, const char *output,
	enum od_status wanted)
{
	json_t *o = json_loads(output, 0, NULL);
	enum od_status st;

	assert_non_null(o);
	st = od_math_judge(r, d->dataset, &d->p[i], o, OD_MATH_QWEN, true, NULL);
	if (st == OD_OK)
		st = od_math_add(t, &d->p[i], r, NULL);
	assert_int_equal(st, wanted);
	if (st == OD_OK) {
		struct od_buf b = OD_BUF_INIT;

		od_math_write(t, &d->p[i], r, &b);
		assert_true(od_buf_ok(&b));
		if (i == 0)
			assert_string_equal(b.data, "{\"id\":\"a\",\"prompt\":\"Same\",\"reference\":\"1\",\"pred\":\"1\",\"preds\":[\"1\",\"2\",\"2\","
				"\"1\"],\"verdicts\":[true,false,false,true],\"pass@1\":0.5,\"pass@2\":0.8333333333333333,\"pass@3\":1,\"maj@2\":1,"
				"\"maj@3\":0,\"response\":\"1\",\"tokens\":3,\"finish_reason\":\"length\"}");
		od_buf_release(&b);
	}
	json_decref(o);
}

static void
figures(void **state)
{
	struct od_math_plan plan = { { 1, 2, 3 }, 3, true };
	struct od_math_result r = { 0 };
	struct od_math_tally t;
	struct od_math_data d;
	struct od_moments m;

	(void)state;
	read_data(&d, four, "amc23");
	od_math_tally_init(&t, &plan);
	add_output(&t, &d, &r, 0, "{\"code\":[\"1\",\"2\"]}", OD_EUSAGE);      /* too few for pass@3 */
	add_output(&t, &d, &r, 0, "{\"responses\":[{\"text\":\"1\",\"tokens\":3,\"finish_reason\":\"length\"},{\"text\":\"2\",\"tokens\":1,"
		"\"finish_reason\":\"stop\"},{\"text\":\"It is 2.\",\"tokens\":1,\"finish_reason\":\"stop\"},"
		"{\"text\":\"1\",\"tokens\":2,\"finish_reason\":\"stop\"}]}", OD_OK);
	add_output(&t, &d, &r, 1, "{\"code\":[\"no\",\" \",\"no\",\"\"]}", OD_OK);
	add_output(&t, &d, &r, 2, "{\"responses\":[{\"text\":\"yes\"}]}", OD_EFORMAT);        /* another count */
	add_output(&t, &d, &r, 2, "{\"responses\":[]}", OD_EFORMAT);
	add_output(&t, &d, &r, 2, "{\"responses\":{}}", OD_EFORMAT);
	add_output(&t, &d, &r, 2, "{\"responses\":[{\"text\":null}]}", OD_EFORMAT);
	add_output(&t, &d, &r, 2, "{\"response\":null,\"text\":\"yes\"}", OD_EFORMAT);
	assert_true(t.sheet.n == 2 && t.sheet.n_columns == 5 && t.no_answer == 4 && t.samples == 4);
	m = od_sheet_moments(&t.sheet, 1);
	near(od_moments_mean(&m), 5.0 / 12);
	near(od_moments_se(&m), 5.0 / 12);
	od_math_tally_release(&t);
	od_math_result_release(&r);
	od_math_data_release(&d);
}

static void
said(void **state)
{
	struct od_said_tally t = { 0 };
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	od_said_json(&t, &b);
	od_said_line(&t, &b);
	assert_true(b.len == 0);
	od_said_add(&t, &(struct od_said){ " \n", 2, NAN, NULL });
	od_said_json(&t, &b);
	assert_string_equal(b.data, ",\"answers\":{\"n\":1,\"empty\":1}");
	od_said_add(&t, &(struct od_said){ "a", 1, 3, "length" });
	od_said_add(&t, &(struct od_said){ "b", 1, 4, "stop" });
	od_buf_clear(&b);
	od_said_json(&t, &b);
	assert_string_equal(b.data, ",\"answers\":{\"n\":3,\"empty\":1,\"mean_tokens\":3.5,\"truncated\":1}");
	od_buf_clear(&b);
	od_said_line(&t, &b);
	assert_string_equal(b.data, "3 answers, 1 empty, 3.5 tokens on average, 1 cut at the limit\n");
	od_buf_release(&b);
}

static void
groups(void **state)
{
	struct od_groups g = { 0 };
	struct od_buf b = OD_BUF_INIT;
	static const double x[] = { 1, 2, 3, 3, 4, 5, 3 };
	json_t *values = json_loads("[10, \"b\", 9.5, null, \"b\", true, \"10\", []]", 0, NULL);

	(void)state;
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(od_groups_add(&g, json_array_get(values, i), x[i], NULL), OD_OK);
	assert_int_equal(od_groups_add(&g, json_array_get(values, 7), 1, NULL), OD_EFORMAT);
	assert_int_equal(od_groups_add(&g, NULL, 5, NULL), OD_OK);
	od_groups_json(&g, &b);
	assert_string_equal(b.data, "{\"9.5\":{\"mean\":3,\"se\":null,\"n\":1},\"10\":{\"mean\":2,\"se\":1,\"n\":2},"
		"\"-\":{\"mean\":4,\"se\":1,\"n\":2},\"b\":{\"mean\":3,\"se\":1,\"n\":2},\"true\":{\"mean\":5,\"se\":null,\"n\":1}}");
	od_buf_release(&b);
	od_groups_release(&g);
	json_decref(values);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pass_at_k), cmocka_unit_test(votes), cmocka_unit_test(plans),
		cmocka_unit_test(questions), cmocka_unit_test(recognised), cmocka_unit_test(bad_data), cmocka_unit_test(outputs),
		cmocka_unit_test(figures), cmocka_unit_test(said), cmocka_unit_test(groups) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
