/* test_words.c -- Python's patterns, cases and random numbers; Treebank words; sentences by Unicode's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "text/letters.h"
#include "text/pattern.h"
#include "text/treebank.h"
#include "text/twister.h"

/* Counts are those of len(re.findall(pattern, text, flags)). */
static void
patterns_match_as_in_python(void **state)
{
	static const struct {
		const char *pattern, *text;
		unsigned flags;
		size_t want;
	} cases[] = {
		{ "\\w+", "a_1 \xc3\xa9\xc2\xb2-\xe0\xa4\x95\xe0\xa4\xbe\xe0\xa4\x95", 0, 4 },      /* a vowel sign is no \w */
		{ "\\bit\\b", "it, It's; bit \xc3\xa9it", OD_RE_IGNORECASE, 2 },
		{ "x*", "axb", 0, 4 }, { "\\s", "a\x1c" "b\xc2\xa0" "c\xe2\x80\x8b", 0, 2 }, { "[\\s\\d]", "1 \xd9\xa1", 0, 3 },
		{ "^a", "a\na", 0, 1 }, { "^a", "a\na", OD_RE_MULTILINE, 2 }, { "^", "a\n", OD_RE_MULTILINE, 2 },
		{ "a$", "a\na\n", 0, 1 }, { "a\\Z", "a\n", 0, 0 }, { "a.", "a\ra\n", 0, 1 }, { "\\D", "1a", 0, 1 }, { "\\B", "ab", 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct od_error err = OD_ERROR_INIT;
		struct od_pattern *p = NULL;
		struct od_matcher *m = NULL;
		size_t count = 0;

		assert_int_equal(od_pattern_python(&p, cases[i].pattern, strlen(cases[i].pattern), cases[i].flags, &err), OD_OK);
		assert_int_equal(od_matcher_new(&m, &err), OD_OK);
		assert_int_equal(od_pattern_count(p, m, cases[i].text, strlen(cases[i].text), &count, &err), OD_OK);
		if (count != cases[i].want)
			fail_msg("%s in '%s': %zu, not %zu", cases[i].pattern, cases[i].text, count, cases[i].want);
		od_matcher_free(m);
		od_pattern_free(p);
	}
}

static void
cases_are_unicodes(void **state)
{
	struct od_buf b = OD_BUF_INIT;
	const char *sigma = "\xce\xa3\xce\x91\xce\xa3 \xc4\xb0";

	(void)state;
	assert_int_equal(od_text_lower(sigma, strlen(sigma), &b, NULL), OD_OK);
	assert_string_equal(b.data, "\xcf\x83\xce\xb1\xcf\x82 i\xcc\x87");
	od_buf_release(&b);
	assert_true(od_text_is_upper("A-1 \xe2\x85\xa7", 7));
	assert_false(od_text_is_upper("1", 1) || od_text_is_upper("Aa", 2) || od_text_is_upper("A\xc7\x85", 3));
	assert_true(od_text_is_lower("\xc2\xaa b", 4));
	assert_int_equal(od_compose('A', 0x309), 0x1ea2);
	assert_int_equal(od_count_words("two-\xe0\xa4\x95\xe0\xa4\xbe 3", 12), 3);
}

static void
words_are_cut_as_in_the_treebank(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "They'll say: \"don't\".", "They 'll say : `` do n't '' ." }, { "'Tis cannot, gonna--go", "' Tis can not , gon na -- go" },
		{ "a 'real' thing", "a ' real ' thing" }, { "5,000 at 3:15 p.m. (x)", "5,000 at 3:15 p.m. ( x )" },
		{ "glow\xe2\x80\x94gentle", "glow \xe2\x80\x94 gentle" }, { "the dogs' 'd", "the dogs ' 'd" }, { "", "" },
	};
	struct od_treebank *t = NULL;
	struct od_buf b = OD_BUF_INIT, line = OD_BUF_INIT;

	(void)state;
	assert_int_equal(od_treebank_new(&t, NULL), OD_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(od_treebank_words(t, cases[i].text, strlen(cases[i].text), &b, NULL), OD_OK);
		od_buf_clear(&line);
		od_buf_str(&line, "");
		for (char *save, *w = strtok_r(b.data, " ", &save); w; w = strtok_r(NULL, " ", &save))
			od_buf_printf(&line, "%s%s", line.len ? " " : "", w);
		assert_string_equal(line.data, cases[i].want);
	}
	od_treebank_free(t);
	od_buf_release(&b);
	od_buf_release(&line);
}

static void
sentences_are_counted(void **state)
{
	size_t n = 0;

	(void)state;
	assert_int_equal(od_count_sentences("It rains. It pours!\n\nWhy? ", 26, &n, NULL), OD_OK);
	assert_int_equal(n, 3);
	assert_int_equal(od_count_sentences("", 0, &n, NULL), OD_OK);
	assert_int_equal(n, 0);
}

/* What Python prints for random.seed(0). */
static void
random_numbers_are_pythons(void **state)
{
	static const uint32_t below[] = { 6, 6, 0, 4, 8, 7, 6, 4 };
	struct od_twister t;

	(void)state;
	od_twister_seed(&t, 0);
	assert_true(od_twister_uniform(&t) == 0.8444218515250481);
	assert_true(od_twister_uniform(&t) == 0.7579544029403025);
	od_twister_seed(&t, 0);
	assert_true(od_twister_normal(&t) == 0.9417154046806644);
	assert_true(od_twister_normal(&t) == -1.3965781047011498);
	od_twister_seed(&t, 0);
	for (size_t i = 0; i < sizeof below / sizeof *below; i++)
		assert_int_equal(od_twister_below(&t, 10), below[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(patterns_match_as_in_python), cmocka_unit_test(cases_are_unicodes),
		cmocka_unit_test(words_are_cut_as_in_the_treebank), cmocka_unit_test(sentences_are_counted),
		cmocka_unit_test(random_numbers_are_pythons) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
