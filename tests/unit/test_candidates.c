/* test_candidates.c -- candidate sets and pairs: reading, what is wrong, members spliced into single responses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pref/candidates.h"

static struct od_candidates c = OD_CANDIDATES_INIT;
static struct od_record rec;

/* Reads a line into c and rec, which are kept for the next: reuse is part of what is tested. */
static enum od_status
read_line(const char *line, const char *answer, struct od_error *err)
{
	json_decref(rec.json);
	rec = (struct od_record){ .json = json_loads(line, JSON_REJECT_DUPLICATES, NULL), .line = line, .len = strlen(line),
		.source = "test", .lineno = 1 };
	assert_non_null(rec.json);
	return od_candidates_read(&c, &rec, answer, err);
}

static void
good(const char *line)
{
	struct od_error err = OD_ERROR_INIT;

	if (read_line(line, NULL, &err) != OD_OK)
		fail_msg("%s: %s", line, err.msg);
}

static void
bad(const char *line, const char *message)
{
	struct od_error err = OD_ERROR_INIT;

	assert_int_equal(read_line(line, NULL, &err), OD_EFORMAT);
	if (!strstr(err.msg, message))
		fail_msg("%s: '%s' does not say '%s'", line, err.msg, message);
}

static int
release(void **state)
{
	(void)state;
	od_candidates_release(&c);
	json_decref(rec.json);
	rec.json = NULL;
	return 0;
}

static void
sets_are_read(void **state)
{
	(void)state;
	good("{\"prompt\":\"q\",\"answer\":\"7\",\"responses\":[{\"text\":\"a\",\"score\":1.5,\"correct\":true},"
		"{\"text\":\"\",\"correct\":false},{\"x\":[{\"text\":1}],\"text\":\"\\u00e9\",\"score\":null}]}");
	assert_false(c.pair);
	assert_int_equal(c.n, 3);
	assert_string_equal(json_string_value(c.prompt), "q");
	assert_string_equal(c.answer, "7");
	assert_string_equal(c.list[0].text, "a");
	assert_true(c.list[0].score == 1.5 && c.list[0].correct == 1);
	assert_true(c.list[1].len == 0 && isnan(c.list[1].score) && c.list[1].correct == 0);
	assert_true(c.list[2].len == 2 && isnan(c.list[2].score) && c.list[2].correct == -1);
	assert_memory_equal(rec.line + c.list[1].span.at, "{\"text\":\"\",\"correct\":false}", c.list[1].span.len);
	good("{\"prompt\":[],\"responses\":[ ]}");
	assert_true(c.n == 0 && !c.answer);
	good("{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\",\"responses\":[{\"text\":\"c\"}]}");
	assert_true(!c.pair && c.n == 1);
}

static void
pairs_are_sets_of_two(void **state)
{
	(void)state;
	good("{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"b\"}],"
		"\"score_chosen\":4,\"correct_rejected\":true}");
	assert_true(c.pair && c.n == 2);
	assert_string_equal(c.list[0].text, "a");
	assert_string_equal(c.list[1].text, "b");
	assert_true(c.list[0].score == 4 && isnan(c.list[1].score));
	assert_true(c.list[0].correct == -1 && c.list[1].correct == 1);
	assert_true(json_is_true(od_candidate_get(rec.json, 1, "correct")));
	assert_null(od_candidate_get(rec.json, 0, "correct"));
	assert_true(json_integer_value(od_candidate_get(rec.json, 0, "score")) == 4);
	assert_null(od_candidate_get(rec.json, 2, "score"));
	/* A dialogue carries its prompt. */
	good("{\"chosen\":[{\"role\":\"user\",\"content\":\"why\"},{\"role\":\"assistant\",\"content\":\"a\"}],\"rejected\":\"b\"}");
	assert_int_equal(json_array_size(c.prompt), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(c.prompt, 0), "content")), "why");
}

static void
answers_have_a_place(void **state)
{
	(void)state;
	good("{\"prompt\":\"q\",\"answer\":-42,\"responses\":[]}");
	assert_string_equal(c.answer, "-42");
	good("{\"prompt\":\"q\",\"answer\":0.1,\"responses\":[]}");
	assert_string_equal(c.answer, "0.1");
	good("{\"prompt\":\"q\",\"answer\":null,\"responses\":[]}");
	assert_null(c.answer);
	assert_int_equal(read_line("{\"prompt\":\"q\",\"meta\":{\"gt\":[\"x\",\"y\"]},\"responses\":[]}", "meta.gt.1", NULL), OD_OK);
	assert_string_equal(c.answer, "y");
	assert_int_equal(read_line("{\"prompt\":\"q\",\"answer\":\"x\",\"responses\":[]}", "meta.gt", NULL), OD_OK);
	assert_null(c.answer);
}

static void
the_question(void **state)
{
	size_t len;

	(void)state;
	good("{\"prompt\":\"q?\",\"responses\":[]}");
	assert_string_equal(od_candidates_question(&c, &len), "q?");
	assert_int_equal(len, 2);
	good("{\"prompt\":[{\"role\":\"user\",\"content\":\"1\"},{\"role\":\"assistant\",\"content\":\"2\"},{\"role\":\"user\",\"content\":\"3\"},"
		"{\"role\":\"assistant\",\"content\":\"4\"}],\"responses\":[]}");
	assert_string_equal(od_candidates_question(&c, &len), "3");
	good("{\"prompt\":[{\"role\":\"system\",\"content\":\"1\"},7],\"responses\":[]}");
	assert_null(od_candidates_question(&c, &len));
}

static void
what_is_wrong_is_named(void **state)
{
	static const struct { const char *line, *message; } cases[] = {
		{ "{\"prompt\":\"q\"}", "field 'responses' is missing" },
		{ "{\"prompt\":\"q\",\"responses\":{}}", "field 'responses' must be a list of objects with 'text', not an object" },
		{ "{\"prompt\":\"q\",\"responses\":null}", "field 'responses' must be a list" },
		{ "{\"prompt\":\"q\",\"responses\":[{\"text\":\"a\"},\"b\"]}", "field 'responses.1' must be an object with 'text', not a string" },
		{ "{\"prompt\":\"q\",\"responses\":[{\"text\":\"a\"},{}]}", "field 'responses.1.text' is missing" },
		{ "{\"prompt\":\"q\",\"responses\":[{\"text\":3}]}", "field 'responses.0.text' must be a string, not a number" },
		{ "{\"prompt\":\"q\",\"responses\":[{\"text\":\"a\",\"score\":\"3\"}]}", "field 'responses.0.score' must be a number, not a string" },
		{ "{\"prompt\":\"q\",\"responses\":[{\"text\":\"a\",\"correct\":1}]}", "field 'responses.0.correct' must be true or false" },
		{ "{\"responses\":[]}", "field 'prompt' is missing" },
		{ "{\"prompt\":5,\"responses\":[]}", "field 'prompt' must be a string or a list of messages, not a number" },
		{ "{\"prompt\":\"q\",\"answer\":[1],\"responses\":[]}", "field 'answer' must be a string or a number, not an array" },
		{ "{\"prompt\":\"q\",\"chosen\":\"a\"}", "field 'rejected' is missing" },
		{ "{\"prompt\":\"q\",\"rejected\":\"a\"}", "field 'chosen' is missing" },
		{ "{\"prompt\":\"q\",\"chosen\":1,\"rejected\":\"b\"}", "field 'chosen' must be a string or a list of messages" },
		{ "{\"prompt\":\"q\",\"chosen\":[],\"rejected\":\"b\"}", "field 'chosen' does not end with a message" },
		{ "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\",\"score_rejected\":\"x\"}", "field 'score_rejected' must be a number" },
		{ "{\"chosen\":\"a\",\"rejected\":\"b\"}", "field 'prompt' is missing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		bad(cases[i].line, cases[i].message);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static const struct od_member score_a = { "score", "0.10", 4 }, flag = { "correct", "true", 4 }, block = { "score", "{}", 2 };

static void
spliced(const char *line, const struct od_candidate_members *each, const char *wanted)
{
	struct od_buf out = OD_BUF_INIT;

	good(line);
	od_candidates_splice(&out, &c, &rec, each, &block, 1);
	assert_true(od_buf_ok(&out));
	assert_string_equal(out.data, wanted);
	od_buf_release(&out);
}

static void
members_go_into_their_response(void **state)
{
	const struct od_member both[] = { score_a, flag };
	const struct od_candidate_members each[] = { { both, 2 }, { NULL, 0 }, { &score_a, 1 } };

	(void)state;
	spliced("{ \"n\":1234567890123456789, \"responses\" : [ {\"text\":\"]}\\\"\" , \"x\":0.10 } ,{\"text\":\"b\",\"score\":7},\n"
		"{\"score\" : 1e2,\"text\":\"c\"} ] , \"prompt\":\"caf\\u00e9\",\"score\":3 }", each,
		"{ \"n\":1234567890123456789, \"responses\" : [ {\"text\":\"]}\\\"\" , \"x\":0.10 ,\"score\":0.10,\"correct\":true} ,"
		"{\"text\":\"b\",\"score\":7},\n{\"score\" : 0.10,\"text\":\"c\"} ] , \"prompt\":\"caf\\u00e9\",\"score\":{} }");
	spliced("{\"prompt\":\"\",\"responses\":[]}", each, "{\"prompt\":\"\",\"responses\":[],\"score\":{}}");
	/* The name written with an escape is the same name. */
	spliced("{\"prompt\":\"\",\"respo\\u006eses\":[{\"text\":\"a\"}]}", each,
		"{\"prompt\":\"\",\"respo\\u006eses\":[{\"text\":\"a\",\"score\":0.10,\"correct\":true}],\"score\":{}}");
}

static void
members_of_pairs_carry_the_side(void **state)
{
	const struct od_member both[] = { score_a, flag };
	const struct od_candidate_members each[] = { { both, 2 }, { both, 2 } };

	(void)state;
	spliced("{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\",\"score_rejected\":2,\"correct_chosen\":false}", each,
		"{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\",\"score_rejected\":0.10,\"correct_chosen\":true,\"score_chosen\":0.10,"
		"\"correct_rejected\":true,\"score\":{}}");
}

static void
named(const char *line, size_t i, const char *wanted)
{
	const struct od_member m = { "prm", "0.5", 3 };
	struct od_buf out = OD_BUF_INIT;

	good(line);
	od_candidates_splice_into(&out, &c, &rec, i, "scores", &m);
	assert_true(od_buf_ok(&out));
	assert_string_equal(out.data, wanted);
	od_buf_release(&out);
}

static void
named_scores_lie_beside_others(void **state)
{
	(void)state;
	named("{\"prompt\":\"q\",\"responses\":[{\"text\":\"a\"},{\"text\":\"b\"}]}", 1, "{\"prm\":0.5}");
	named("{\"prompt\":\"q\",\"responses\":[{\"text\":\"a\"},{\"scores\": {\"v\":0.10 },\"text\":\"b\"}]}", 1, "{\"v\":0.10 ,\"prm\":0.5}");
	named("{\"prompt\":\"q\",\"responses\":[{\"text\":\"a\",\"scores\":{\"prm\":1,\"v\":2}}]}", 0, "{\"prm\":0.5,\"v\":2}");
	named("{\"prompt\":\"q\",\"responses\":[{\"text\":\"a\",\"scores\":[1]}]}", 0, "{\"prm\":0.5}");
	named("{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\",\"scores\":{},\"scores_rejected\":{\"v\":1}}", 0, "{\"prm\":0.5}");
	named("{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\",\"scores\":{},\"scores_rejected\":{\"v\":1}}", 1, "{\"v\":1,\"prm\":0.5}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_read),
		cmocka_unit_test(pairs_are_sets_of_two),
		cmocka_unit_test(answers_have_a_place),
		cmocka_unit_test(the_question),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(members_go_into_their_response),
		cmocka_unit_test(members_of_pairs_carry_the_side),
		cmocka_unit_test(named_scores_lie_beside_others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, release);
}
