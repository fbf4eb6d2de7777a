/* test_ifeval.c -- every instruction type: what passes, what does not, and arguments that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "grade/ifeval.h"

/* Verdicts on one response: strict and loose as 'n', 'y' or '?' each. */
static void
judge(const char *type, const char *kwargs, const char *response, char out[3])
{
	struct od_error err = OD_ERROR_INIT;
	struct od_ifeval_checker *c = NULL;
	struct od_ifeval_item *item = NULL;
	enum od_verdict strict, loose;
	json_t *ids = json_pack("[s]", type), *args = json_loads(kwargs, 0, NULL), *list = json_pack("[O]", args);

	assert_int_equal(od_ifeval_item_new(&item, ids, list, &err), OD_OK);
	assert_int_equal(od_ifeval_checker_new(&c, NULL, NULL, &err), OD_OK);
	assert_int_equal(od_ifeval_check(item, c, response, strlen(response), &strict, &loose, &err), OD_OK);
	out[0] = "ny?"[strict];
	out[1] = "ny?"[loose];
	out[2] = '\0';
	od_ifeval_checker_free(c);
	od_ifeval_item_free(item);
	json_decref(ids);
	json_decref(args);
	json_decref(list);
}

static const struct {
	const char *type, *kwargs, *response, *want;
} cases[] = {
	{ "punctuation:no_comma", "{}", "None here.", "yy" },
	{ "punctuation:no_comma", "{}", "Sure, here:\nNone.", "ny" },
	{ "punctuation:no_comma", "{}", "one, two", "nn" },
	{ "punctuation:no_comma", "{}", " \n", "nn" },
	{ "length_constraints:number_words", "{\"relation\":\"at least\",\"num_words\":3}", "one two-three", "yy" },
	{ "length_constraints:number_words", "{\"relation\":\"at least\",\"num_words\":4}", "one two-three", "nn" },
	{ "length_constraints:number_words", "{\"relation\":\"less than\",\"num_words\":3}",
		"\xe0\xa4\x95\xe0\xa4\xbf \xc3\xa9t\xc3\xa9", "yy" },
	{ "length_constraints:number_words", "{\"relation\":\"less than\",\"num_words\":3}", "Now:\none two", "ny" },
	{ "length_constraints:number_sentences", "{\"relation\":\"at least\",\"num_sentences\":2}", "It rains. We stay.", "yy" },
	{ "length_constraints:number_sentences", "{\"relation\":\"less than\",\"num_sentences\":2}", "It rains. We stay.", "nn" },
	{ "length_constraints:number_paragraphs", "{\"num_paragraphs\":2}", "one\n***\ntwo", "yy" },
	{ "length_constraints:number_paragraphs", "{\"num_paragraphs\":2}", "one\n***\n \n***\ntwo", "nn" },
	{ "length_constraints:number_paragraphs", "{\"num_paragraphs\":2}", "***\none\n***\ntwo\n***", "yy" },
	{ "length_constraints:nth_paragraph_first_word", "{\"num_paragraphs\":2,\"nth_paragraph\":2,\"first_word\":\"Yes\"}",
		"one\n\n\"Yes, two", "yy" },
	{ "length_constraints:nth_paragraph_first_word", "{\"num_paragraphs\":2,\"nth_paragraph\":2,\"first_word\":\"yes\"}",
		"one\n\nyesterday", "nn" },
	{ "length_constraints:nth_paragraph_first_word", "{\"num_paragraphs\":2,\"nth_paragraph\":3,\"first_word\":\"yes\"}",
		"one\n\nyes", "nn" },
	{ "keywords:forbidden_words", "{\"forbidden_words\":[\"rock\"]}", "Rocket", "yy" },
	{ "keywords:forbidden_words", "{\"forbidden_words\":[\"rock\",\"sea\"]}", "The ROCK.", "nn" },
	{ "keywords:existence", "{\"keywords\":[\"rock\",\"s.a\"]}", "Rocket sea", "yy" },
	{ "keywords:existence", "{\"keywords\":[\"rock\",\"sea\"]}", "Rocket", "nn" },
	{ "keywords:frequency", "{\"keyword\":\"ab\",\"frequency\":2,\"relation\":\"at least\"}", "abAB", "yy" },
	{ "keywords:frequency", "{\"keyword\":\"ab\",\"frequency\":2,\"relation\":\"less than\"}", "abAB", "nn" },
	{ "keywords:letter_frequency", "{\"letter\":\"Q\",\"let_frequency\":2,\"let_relation\":\"at least\"}", "qQ", "yy" },
	{ "keywords:letter_frequency", "{\"letter\":\"#\",\"let_frequency\":2,\"let_relation\":\"less than\"}", "# #", "nn" },
	{ "detectable_format:number_highlighted_sections", "{\"num_highlights\":2}", "*a* and **b**", "yy" },
	{ "detectable_format:number_highlighted_sections", "{\"num_highlights\":2}", "*a* and * *", "nn" },
	{ "detectable_format:number_bullet_lists", "{\"num_bullets\":2}", "* a\n- b", "yy" },
	{ "detectable_format:number_bullet_lists", "{\"num_bullets\":2}", "* a\n- b\n - c", "ny" },
	{ "detectable_format:title", "{}", "<<A title>>\ntext", "yy" },
	{ "detectable_format:title", "{}", "<< >>\ntext", "nn" },
	{ "detectable_format:json_format", "{}", "```json\n{\"a\":[1,NaN,-Infinity,1e5]}\n```", "yy" },
	{ "detectable_format:json_format", "{}", "Here:\n{\"a\":1,\"a\":2}\nBye", "ny" },
	{ "detectable_format:json_format", "{}", "[1,]", "nn" },
	{ "detectable_format:json_format", "{}", "01", "nn" },
	{ "detectable_format:multiple_sections", "{\"section_spliter\":\"Day\",\"num_sections\":2}", "Day 1\na\nDay 2\nb", "yy" },
	{ "detectable_format:multiple_sections", "{\"section_spliter\":\"Day\",\"num_sections\":2}", "Day 1\na\nday 2", "nn" },
	{ "detectable_format:constrained_response", "{}", "Well. My answer is no.", "yy" },
	{ "detectable_format:constrained_response", "{}", "My answer is unclear.", "nn" },
	{ "detectable_content:number_placeholders", "{\"num_placeholders\":2}", "[a] [b]", "yy" },
	{ "detectable_content:number_placeholders", "{\"num_placeholders\":2}", "[a\n] [b]", "nn" },
	{ "detectable_content:postscript", "{\"postscript_marker\":\"P.S.\"}", "Bye.\np.s. more", "yy" },
	{ "detectable_content:postscript", "{\"postscript_marker\":\"P.P.S\"}", "Bye.\nP.S. more", "nn" },
	{ "combination:repeat_prompt", "{\"prompt_to_repeat\":\" Say it. \"}", "\nSAY IT. It.", "yy" },
	{ "combination:repeat_prompt", "{\"prompt_to_repeat\":\"Say it.\"}", "Sure!\nSay it.", "ny" },
	{ "combination:two_responses", "{}", "one\n******\ntwo", "yy" },
	{ "combination:two_responses", "{}", "one\n******\none", "nn" },
	{ "combination:two_responses", "{}", "a******b******c", "nn" },
	{ "startend:quotation", "{}", " \"quoted\"\n", "yy" },
	{ "startend:quotation", "{}", "*\"quoted\"*", "ny" },
	{ "startend:quotation", "{}", "\"", "nn" },
	{ "startend:end_checker", "{\"end_phrase\":\"The end.\"}", "It was THE END.\" ", "yy" },
	{ "startend:end_checker", "{\"end_phrase\":\"The end.\"}", "The end. No.", "nn" },
	{ "change_case:capital_word_frequency", "{\"capital_frequency\":2,\"capital_relation\":\"at least\"}", "A B, c", "yy" },
	{ "change_case:capital_word_frequency", "{\"capital_frequency\":2,\"capital_relation\":\"less than\"}", "NASA isn't BIG", "nn" },
	{ "change_case:english_capital", "{}", "ALL OF IT", "??" },
	{ "change_case:english_lowercase", "{}", "Not", "??" },
	{ "language:response_language", "{\"language\":\"de\"}", "Ja.", "??" },
};

static void
each_type(void **state)
{
	bool seen[OD_IFEVAL_TYPES] = { false };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char got[3];

		judge(cases[i].type, cases[i].kwargs, cases[i].response, got);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s %s on '%s': %s, not %s", cases[i].type, cases[i].kwargs, cases[i].response, got, cases[i].want);
		for (size_t t = 0; t < OD_IFEVAL_TYPES; t++)
			seen[t] = seen[t] || !strcmp(od_ifeval_type_name(t), cases[i].type);
	}
	for (size_t t = 0; t < OD_IFEVAL_TYPES; t++)
		assert_true(seen[t]);
}

static void
bad_arguments(void **state)
{
	static const struct {
		const char *ids, *kwargs, *says;
	} bad[] = {
		{ "[]", "[]", "instruction_id_list" }, { "[\"no:such\"]", "[{}]", "'no:such' is not known" },
		{ "[\"punctuation:no_comma\"]", "[]", "as long as" }, { "[\"punctuation:no_comma\"]", "[1]", "no object" },
		{ "[\"keywords:existence\"]", "[{}]", "'keywords' is missing" },
		{ "[\"keywords:existence\"]", "[{\"keywords\":[\"(\"]}]", "is not valid" },
		{ "[\"keywords:existence\"]", "[{\"keywords\":[]}]", "must be a word" },
		{ "[\"detectable_format:number_bullet_lists\"]", "[{\"num_bullets\":1.5}]", "must be a count" },
		{ "[\"detectable_format:number_bullet_lists\"]", "[{\"num_bullets\":null}]", "must be a number" },
		{ "[\"length_constraints:number_words\"]", "[{\"num_words\":1,\"relation\":\"more\"}]", "'less than' or" },
		{ "[\"startend:end_checker\"]", "[{\"end_phrase\":\" \"}]", "is empty" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct od_error err = OD_ERROR_INIT;
		struct od_ifeval_item *item = NULL;
		json_t *ids = json_loads(bad[i].ids, 0, NULL), *kwargs = json_loads(bad[i].kwargs, 0, NULL);

		assert_int_equal(od_ifeval_item_new(&item, ids, kwargs, &err), OD_EFORMAT);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
		json_decref(ids);
		json_decref(kwargs);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_type), cmocka_unit_test(bad_arguments) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
