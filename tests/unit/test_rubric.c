#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "score/judge.h"
#include "score/rubric.h"

#define HEAD "score: Score: ([-0-9.]+)\nrange: 1 10\n"

static enum od_status
parse(struct od_rubric **r, const char *text, const char *pattern, bool scored, struct od_error *err)
{
	*r = NULL;
	return od_rubric_parse(r, text, strlen(text), "r.txt", pattern, scored, err);
}

static struct od_rubric *
good(const char *text)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_rubric *r;

	if (parse(&r, text, NULL, true, &err) != OD_OK)
		fail_msg("%s", err.msg);
	return r;
}

static void
what_a_file_says(void **state)
{
	struct od_rubric *r = good("# one\r\n\n" HEAD "temperature: 0.7\n top_p : .5\nmax_tokens: 9\r\n%system\nBe fair.\n\n"
		"%user\r\n\n 50%\n%%user is a text\n{response} {json} {\"score\": 5} {instruction}\n\n%assistant\nOK");

	(void)state;
	assert_int_equal(r->n, 1);
	assert_int_equal(r->aspects[0].n, 3);
	assert_string_equal(r->aspects[0].messages[0].role, "system");
	assert_int_equal(r->aspects[0].messages[0].text.len, 8);
	assert_true(r->low == 1 && r->high == 10 && r->temperature == 0.7 && r->top_p == 0.5 && r->max_tokens == 9);
	assert_true(r->uses[OD_SLOT_RESPONSE] && r->uses[OD_SLOT_INSTRUCTION] && !r->uses[OD_SLOT_ANSWER]);
	assert_false(od_rubric_of_pairs(r));
	od_rubric_free(r);
}

static void
placeholders_are_filled_once(void **state)
{
	struct od_rubric *r = good(HEAD "%system\nS\n%user\n%%50 {x}\n<{instruction}>{response}{response}{answer}\n");
	struct od_rubric_text texts[OD_N_SLOTS] = { { "{response}", 10 }, { "a\0\"b", 4 }, { "7", 1 }, { NULL, 0 }, { NULL, 0 } };
	struct od_error err = OD_ERROR_INIT;
	json_t *m = NULL;
	const json_t *c;

	(void)state;
	assert_int_equal(od_rubric_fill(r, 0, texts, &m, &err), OD_OK);
	assert_int_equal(json_array_size(m), 2);
	c = json_object_get(json_array_get(m, 1), "content");
	assert_int_equal(json_string_length(c), 8 + 12 + 4 + 4 + 1);
	assert_memory_equal(json_string_value(c), "%50 {x}\n<{response}>a\0\"ba\0\"b7", 29);
	json_decref(m);
	texts[OD_SLOT_ANSWER].text = NULL;
	assert_int_equal(od_rubric_fill(r, 0, texts, &m, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "the judge's rubric uses {answer}, and the record has none");
	od_rubric_free(r);
}

static double
score(const struct od_rubric *r, const char *answer, struct od_error *err)
{
	double v = -99;

	*err = (struct od_error)OD_ERROR_INIT;
	return od_rubric_score(r, answer, strlen(answer), &v, err) == OD_OK ? v : -1000;
}

static void
scores(void **state)
{
	struct od_rubric *r = good(HEAD "skip: 0\n%user\n{response}");
	struct od_error err;

	(void)state;
	assert_true(score(r, "Score: 3. Score: 4.5\nbye", &err) == 4.5);       /* the last one */
	assert_true(score(r, "\xc3\xa4\xe2\x82\xac Score: 10", &err) == 10);
	assert_true(isnan(score(r, "Score: 0", &err)));
	assert_true(score(r, "Score: 11", &err) == -1000);
	assert_string_equal(err.msg, "the judge's score 11 is outside 1..10");
	assert_true(score(r, "Score: 1.2.3", &err) == -1000);
	assert_string_equal(err.msg, "the judge's score is no number: '1.2.3'");
	assert_true(score(r, "no idea", &err) == -1000);
	assert_string_equal(err.msg, "the judge's answer does not match 'Score: ([-0-9.]+)': 'no idea'");
	assert_true(score(r, "", &err) == -1000);
	od_rubric_free(r);

	r = good("range: 0 1\nvalues: A>B=1 A=B=0.5 tie=0.5 B>A=0\n%user\n{response_a}{response_b}");
	assert_true(od_rubric_of_pairs(r));
	assert_true(score(r, " A=B\n", &err) == 0.5 && score(r, "A>B", &err) == 1 && score(r, "tie", &err) == 0.5);
	assert_true(score(r, "a>b", &err) == -1000);
	assert_string_equal(err.msg, "the judge's answer is none of the rubric's values: 'a>b'");
	od_rubric_free(r);
}

/* A pattern that backtracks for ever gives up; one that matches nothing everywhere comes to an end. */
static void
hard_patterns(void **state)
{
	struct od_rubric *r = good("score: (?:a+)+(b)\nrange: 0 1\n%user\n{response}");
	struct od_error err;

	(void)state;
	assert_true(score(r, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", &err) == -1000);
	od_rubric_free(r);
	r = good("score: ([0-9]*)\nrange: 0 9\n%user\n{response}");
	assert_true(score(r, "\xe2\x82\xac 7", &err) == -1000);                 /* the last match is the empty one at the end */
	od_rubric_free(r);
}

static void
bad_files(void **state)
{
	static const struct { const char *text, *message; } cases[] = {
		{ "", "r.txt: no message: a line %user and what the judge is asked" },
		{ HEAD, "r.txt: no message: a line %user and what the judge is asked" },
		{ "score\n%user\n{response}", "r.txt:1: a line before the first %user or %system must be 'name: value' or a comment" },
		{ HEAD "colour: red\n%user\n{response}", "r.txt:3: no setting is called 'colour'; there are score, range, values, skip, "
			"temperature, top_p, max_tokens, and then lines %system, %user" },
		{ HEAD "%usr\n{response}", "r.txt:3: '%usr' is no mark; there are %system, %user, %assistant, %aspect NAME (a text that "
			"begins with % has two)" },
		{ "score: (a)\n%user\n{response}", "r.txt: no 'range: LOW HIGH': the lowest and the highest score there is" },
		{ "range: 5 1\n%user\n{response}", "r.txt:1: 'range' must be two numbers, the lower one first, not '5 1'" },
		{ "range: 1\n%user\n{response}", "r.txt:1: 'range' must be two numbers, the lower one first, not '1'" },
		{ "range: 1 2 3\n%user\n{response}", "r.txt:1: 'range' must be two numbers, the lower one first, not '1 2 3'" },
		{ HEAD "temperature: hot\n%user\n{response}", "r.txt:3: 'temperature' must be a number between 0 and 10, not 'hot'" },
		{ HEAD "max_tokens: -1\n%user\n{response}", "r.txt:3: 'max_tokens' must be a number between 0 and 1e+09, not '-1'" },
		{ HEAD "values: A=1 B\n%user\n{response}", "r.txt:3: 'values' must be TEXT=NUMBER ..., not 'B'" },
		{ HEAD "values: A=11\n%user\n{response}", "r.txt: the value of 'A' is outside the range" },
		{ HEAD "%user\nhello", "r.txt: it must use {response}, or {response_a} and {response_b}" },
		{ HEAD "%user\n{response_a}", "r.txt: it must use {response}, or {response_a} and {response_b}" },
		{ HEAD "%user\n{response_a}{response_b}{response}", "r.txt: it must use {response}, or {response_a} and {response_b}" },
		{ HEAD "%aspect a\ntext\n%user\n{response}", "r.txt:4: text of aspect 'a' before its first %system or %user" },
		{ HEAD "%aspect a\n%user\n{response}\n%aspect a\n%user\n{response}", "r.txt:6: a second aspect 'a'" },
		{ HEAD "%aspect a\n%aspect b\n%user\n{response}", "r.txt: aspect 'a' has no message" },
		{ HEAD "%user\n{response}\n%aspect b\n%user\n{response}", "r.txt:5: %aspect must stand before the first message" },
		{ "score: a\nrange: 0 1\n%user\n{response}", "r.txt: pattern 'a' must have one group, (...), around the score; it has 0" },
		{ "score: (a)(b)\nrange: 0 1\n%user\n{response}",
			"r.txt: pattern '(a)(b)' must have one group, (...), around the score; it has 2" },
		{ "score: (a\nrange: 0 1\n%user\n{response}",
			"r.txt: pattern '(a' is not valid: missing closing parenthesis (at byte 2)" },
		{ HEAD "%user\n\xff{response}", "r.txt: not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct od_error err = OD_ERROR_INIT;
		struct od_rubric *r;

		assert_int_equal(parse(&r, cases[i].text, NULL, true, &err), OD_EFORMAT);
		assert_string_equal(err.msg, cases[i].message);
		assert_null(r);
	}
}

static void
the_pattern_beside_the_file(void **state)
{
	struct od_rubric *a = good(HEAD "%user\n{response}"), *b;
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	assert_int_equal(parse(&b, HEAD "%user\n{response}", "<(.)>", true, &err), OD_OK);
	assert_true(score(b, "<4> Score: 5", &err) == 4);
	assert_string_not_equal(a->hash, b->hash);
	od_rubric_free(b);
	assert_int_equal(parse(&b, HEAD "%user\n{response}", "(", true, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "pattern '(' is not valid"));
	/* A rubric for texts needs no range. */
	assert_int_equal(parse(&b, "%user\n{response}", NULL, false, &err), OD_OK);
	od_rubric_free(b);
	od_rubric_free(a);
}

static void
the_instruction(void **state)
{
	static const struct { const char *prompt, *text; } cases[] = {
		{ "\"q\"", "q" },
		{ "[{\"role\":\"user\",\"content\":\"q\"}]", "q" },
		{ "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"q\"}]", "[system]\ns\n\n[user]\nq" }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *p = json_loads(cases[i].prompt, JSON_DECODE_ANY, NULL);
		struct od_buf b = OD_BUF_INIT;

		assert_int_equal(od_judge_instruction(&b, p, NULL), OD_OK);
		assert_string_equal(b.data, cases[i].text);
		od_buf_release(&b);
		json_decref(p);
	}
}

/* The rubrics that come with the tools are good ones. */
static void
the_examples(void **state)
{
	static const struct { const char *path, *answer; double score; } cases[] = {
		{ "examples/judge/rating-10.txt", "It is good. Score: 3 was tempting.\n**Score: 7**", 7 },
		{ "examples/judge/rating-5.txt", "4/5", 4 },
		{ "examples/judge/rating-5.txt", "I rate it 4.", 4 },
		{ "examples/judge/aspects-5.txt", "x\nRating: 2", 2 },
		{ "examples/judge/aspects-5.txt", "x\nRating: N/A", NAN },
		{ "examples/judge/reference-5.txt", "Rating: 5", 5 },
		{ "examples/judge/pairwise.txt", "fine\n[[B>>A]]", 0 },
		{ "examples/judge/pairwise.txt", "[[A>B]]", 0.75 },
	};
	struct od_error err = OD_ERROR_INIT;
	struct od_rubric *r;
	size_t start, end;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double v;

		if (od_rubric_open(&r, cases[i].path, NULL, true, &err) != OD_OK)
			fail_msg("%s", err.msg);
		v = score(r, cases[i].answer, &err);
		assert_true(v == cases[i].score || (isnan(v) && isnan(cases[i].score)));
		od_rubric_free(r);
	}
	assert_int_equal(od_rubric_open(&r, "examples/judge/steps.txt", NULL, false, &err), OD_OK);
	assert_int_equal(od_rubric_extract(r, "<steps>\na\n\nb\n</steps>", 22, &start, &end, &err), OD_OK);
	assert_true(start == 8 && end == 12);
	od_rubric_free(r);
	assert_int_equal(od_rubric_open(&r, "examples/judge/none.txt", NULL, false, &err), OD_ESYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_file_says), cmocka_unit_test(placeholders_are_filled_once), cmocka_unit_test(scores),
		cmocka_unit_test(hard_patterns), cmocka_unit_test(bad_files), cmocka_unit_test(the_pattern_beside_the_file),
		cmocka_unit_test(the_instruction), cmocka_unit_test(the_examples)
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
