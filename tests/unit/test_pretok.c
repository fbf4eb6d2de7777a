/* test_pretok.c -- normalisers, pre-tokenisers, patterns. Expected pieces are those of the Hugging Face library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/pretok.h"
#include "text_help.h"

struct cut {
	const char *json, *text, *want;
};

static const struct cut cuts[] = {
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'Removed'}",
		"-the--end-", "the|end" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'Removed','invert':true}",
		"-the--end-", "-|-|-|-" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'Isolated'}",
		"-the--end-", "-|the|-|-|end|-" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'Isolated','invert':true}",
		"-the--end-", "-|the|-|-|end|-" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'MergedWithPrevious'}",
		"-the--end-", "-|the-|-|end-" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'MergedWithPrevious','invert':true}",
		"-the--end-", "-the|-|-end|-" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'MergedWithNext'}",
		"-the--end-", "-the|-|-end|-" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'MergedWithNext','invert':true}",
		"-the--end-", "-|the-|-|end-" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'Contiguous'}",
		"-the--end-", "-|the|--|end|-" },
	{ "{'type':'Split','pattern':{'String':'-'},'behavior':'Contiguous','invert':true}",
		"-the--end-", "-|the|--|end|-" },
	{ "{'type':'Split','pattern':{'Regex':'(?=\\\\d)'},'behavior':'Isolated'}",
		"ab12c", "ab|1|2c" },
	{ "{'type':'Split','pattern':{'Regex':'(?=(\\\\d{3})+(?!\\\\d))'},'behavior':'Isolated'}",
		"x1234567y89", "x1|234|567y89" },
	{ "{'type':'Split','pattern':{'Regex':'\\\\s*'},'behavior':'Isolated'}",
		"a  b", "a|  |b" },
	{ "{'type':'Digits','individual_digits':true}",
		"a12 \xc2\xb2\xe2\x85\xa7""b", "a|1|2| |\xc2\xb2|\xe2\x85\xa7|b" },
	{ "{'type':'Digits','individual_digits':false}",
		"a12 34\xc2\xb2""b", "a|12| |34\xc2\xb2|b" },
	{ "{'type':'Metaspace','prepend_scheme':'always','split':true}",
		"Hello  big world", "\xe2\x96\x81Hello|\xe2\x96\x81|\xe2\x96\x81""big|\xe2\x96\x81world" },
	{ "{'type':'Metaspace','prepend_scheme':'never','split':true}",
		"Hello world ", "Hello|\xe2\x96\x81world|\xe2\x96\x81" },
	{ "{'type':'Metaspace','prepend_scheme':'first','split':false}",
		"Hello world", "\xe2\x96\x81Hello\xe2\x96\x81world" },
	{ "{'type':'Metaspace','prepend_scheme':'always','split':true}",
		" Hello", "\xe2\x96\x81Hello" },
	{ "{'type':'Whitespace'}",
		"It's 2 o'clock. ok_go \xc3\xa9!", "It|'|s|2|o|'|clock|.|ok_go|\xc3\xa9|!" },
	{ "{'type':'WhitespaceSplit'}",
		" a b  c\xe3\x80\x80""d\xe1\xa0\x8e""e\xc2\x85""f ", "a|b|c|d\xe1\xa0\x8e""e|f" },
	{ "{'type':'Punctuation','behavior':'Isolated'}",
		"a.b, $5 \xc2\xab""c\xc2\xbb\xe2\x80\x94""d", "a|.|b|,| |$|5 |\xc2\xab|c|\xc2\xbb|\xe2\x80\x94|d" },
	{ "{'type':'Punctuation','behavior':'Contiguous'}",
		"a.,b!", "a|.,|b|!" },
	{ "{'type':'CharDelimiterSplit','delimiter':','}",
		"a,b,,c", "a|b|c" },
	{ "{'type':'ByteLevel','add_prefix_space':true,'use_regex':true}",
		"It's \xc3\xa9t\xc3\xa9 12  x\n", "\xc4\xa0It|'s|\xc4\xa0\xc3\x83\xc2\xa9t\xc3\x83\xc2\xa9|\xc4\xa0""12|\xc4\xa0|\xc4\xa0x|\xc4\x8a" },
	{ "{'type':'ByteLevel','add_prefix_space':false,'use_regex':false}",
		"a b\xc2\xad", "a\xc4\xa0""b\xc3\x82\xc5\x83" },
	{ "{'type':'Sequence','pretokenizers':[{'type':'WhitespaceSplit'},{'type':'ByteLevel','add_prefix_space':true,'use_regex':true}]}",
		"we're at 10", "\xc4\xa0we|'re|\xc4\xa0""at|\xc4\xa0""10" },
	{ "{'type':'Sequence','pretokenizers':[{'type':'Metaspace','prepend_scheme':'first','split':true},{'type':'Punctuation','behavior':'Isolated'}]}",
		"a b.c", "\xe2\x96\x81""a|\xe2\x96\x81""b|.|c" },
	{ "{'type':'Sequence','pretokenizers':[{'type':'Punctuation','behavior':'Isolated'},{'type':'Metaspace','prepend_scheme':'first','split':true}]}",
		"a b.c d", "\xe2\x96\x81""a|\xe2\x96\x81""b|.|c|\xe2\x96\x81""d" },
	{ "{'type':'Split','pattern':{'Regex':'^x|y$'},'behavior':'Isolated'}",
		"xxay\nxby", "x|xa|y|\n|x|b|y" },
	{ "{'type':'Split','pattern':{'Regex':'[^\\\\S\\\\n]+'},'behavior':'Isolated'}",
		"a \xc2\x85\n b", "a| \xc2\x85|\n| |b" },
	{ "null", "a b", "a b" },
	{ "{'type':'Sequence','pretokenizers':[]}", "a b", "a b" }
};

static json_t *
load(const char *text)
{
	char *q = quoted(text);
	json_t *json = json_loads(q, JSON_DECODE_ANY, NULL);

	assert_non_null(json);
	free(q);
	return json;
}

static void
cuts_as_the_reference_does(void **state)
{
	struct od_pretok_scratch scratch;

	(void)state;
	assert_int_equal(od_pretok_scratch_init(&scratch, NULL), OD_OK);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct od_steps steps = OD_STEPS_INIT;
		const struct od_pieces *p = NULL;
		struct od_buf b = OD_BUF_INIT;
		json_t *json = load(cuts[i].json);

		assert_int_equal(od_steps_pre_tokenizer(&steps, json, NULL), OD_OK);
		assert_int_equal(od_pre_tokenize(&steps, &scratch, cuts[i].text, strlen(cuts[i].text), true, &p, NULL), OD_OK);
		for (size_t k = 0; k < p->n; k++) {
			if (k)
				od_buf_char(&b, '|');
			od_buf_append(&b, p->text.data + p->span[k].start, p->span[k].len);
		}
		assert_string_equal(b.data, cuts[i].want);
		od_buf_release(&b);
		od_steps_release(&steps);
		json_decref(json);
	}
	od_pretok_scratch_release(&scratch);
}

static const struct cut normalizers[] = {
	{ "null", "e\xcc\x81 x", "e\xcc\x81 x" },
	{ "{'type':'NFC'}", "e\xcc\x81 x", "\xc3\xa9 x" },
	{ "{'type':'NFD'}", "\xc3\xa9", "e\xcc\x81" },
	{ "{'type':'NFKC'}", "\xef\xac\x81 \xc2\xb2", "fi 2" },
	{ "{'type':'NFC'}", "\xef\xac\x81", "\xef\xac\x81" },
	{ "{'type':'Replace','pattern':{'String':' '},'content':'_'}", " a  b ", "_a__b_" },
	{ "{'type':'Replace','pattern':{'String':'.'},'content':''}", "a.b", "ab" },
	{ "{'type':'Replace','pattern':{'Regex':'[0-9]+'},'content':'#'}", "a12b3", "a#b#" },
	{ "{'type':'Replace','pattern':{'Regex':'x*'},'content':'-'}", "axb", "-a-b-" },
	{ "{'type':'Prepend','prepend':'_'}", "a", "_a" },
	{ "{'type':'Prepend','prepend':'_'}", "", "" },
	{ "{'type':'Strip','strip_left':true,'strip_right':false}", " \xe3\x80\x80 a ", "a " },
	{ "{'type':'Strip'}", " a b\n", "a b" },
	{ "{'type':'Sequence','normalizers':[{'type':'Prepend','prepend':'_'},{'type':'Replace','pattern':{'String':' '},"
		"'content':'_'},{'type':'NFC'}]}", "a e\xcc\x81", "_a_\xc3\xa9" }
};

static void
normalises(void **state)
{
	struct od_pretok_scratch scratch;
	struct od_buf out = OD_BUF_INIT;

	(void)state;
	assert_int_equal(od_pretok_scratch_init(&scratch, NULL), OD_OK);
	for (size_t i = 0; i < sizeof(normalizers) / sizeof(normalizers[0]); i++) {
		const struct cut *c = &normalizers[i];
		struct od_steps steps = OD_STEPS_INIT;
		json_t *json = load(c->json);

		assert_int_equal(od_steps_normalizer(&steps, json, NULL), OD_OK);
		assert_int_equal(od_normalize(&steps, &scratch, c->text, strlen(c->text), &out, NULL), OD_OK);
		assert_string_equal(out.data, c->want);
		od_steps_release(&steps);
		json_decref(json);
	}
	od_buf_release(&out);
	od_pretok_scratch_release(&scratch);
}

static void
refused(bool normalizer, const char *text, enum od_status want, const char *part)
{
	struct od_steps steps = OD_STEPS_INIT;
	struct od_error err = OD_ERROR_INIT;
	json_t *json = load(text);

	assert_int_equal(normalizer ? od_steps_normalizer(&steps, json, &err) :
		od_steps_pre_tokenizer(&steps, json, &err), want);
	if (!strstr(err.msg, part))
		print_message("# '%s' lacks '%s'\n", err.msg, part);
	assert_non_null(strstr(err.msg, part));
	od_steps_release(&steps);
	json_decref(json);
}

static void
refuses_what_it_does_not_know(void **state)
{
	(void)state;
	refused(true, "{'type':'Precompiled'}", OD_ESUPPORT, "normalizer: normalizer type 'Precompiled' is not supported");
	refused(true, "{'type':3}", OD_EFORMAT, "field 'type' must be a string");
	refused(true, "[]", OD_EFORMAT, "field 'type' is missing");
	refused(true, "{'type':'Sequence'}", OD_EFORMAT, "field 'normalizers' must be a list");
	refused(true, "{'type':'Replace','content':''}", OD_EFORMAT, "field 'pattern'");
	refused(true, "{'type':'Replace','pattern':{'Regex':'('},'content':''}", OD_EFORMAT, "pattern '(' is not valid");
	refused(true, "{'type':'Prepend'}", OD_EFORMAT, "field 'prepend' is missing");
	refused(true, "{'type':'Strip','strip_left':1}", OD_EFORMAT, "field 'strip_left' must be true or false");
	refused(false, "{'type':'UnicodeScripts'}", OD_ESUPPORT, "pre-tokenizer type 'UnicodeScripts' is not supported");
	refused(false, "{'type':'Split','behavior':'Isolated','pattern':{'Regex':'[z-a]'}}", OD_EFORMAT, "is not valid");
	refused(false, "{'type':'Split','behavior':'Isolated','pattern':{'Regex':''}}", OD_EFORMAT, "pattern is empty");
	refused(false, "{'type':'Split','behavior':'Odd','pattern':'x'}", OD_ESUPPORT, "behavior 'Odd' is not supported");
	refused(false, "{'type':'Split','pattern':'x'}", OD_EFORMAT, "field 'behavior' is missing");
	refused(false, "{'type':'Sequence','pretokenizers':{}}", OD_EFORMAT, "field 'pretokenizers' must be a list");
}

static void
refuses_deep_nesting(void **state)
{
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	for (int i = 0; i < 100; i++)
		od_buf_str(&b, "{'type':'Sequence','normalizers':[");
	od_buf_str(&b, "{'type':'NFC'}");
	for (int i = 0; i < 100; i++)
		od_buf_str(&b, "]}");
	refused(true, b.data, OD_EFORMAT, "nested at most 16 deep");
	od_buf_release(&b);
}

static void
refuses_many_steps(void **state)
{
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	od_buf_str(&b, "{'type':'Sequence','pretokenizers':[{'type':'Digits'}");
	for (int i = 0; i < OD_MAX_STEPS; i++)
		od_buf_str(&b, ",{'type':'Digits'}");
	od_buf_str(&b, "]}");
	refused(false, b.data, OD_EFORMAT, "more than 64 steps");
	od_buf_release(&b);
}

/* A pattern that would try forever gives up with a message. */
static void
limits_a_pattern(void **state)
{
	static const char pattern[] = "(x+x+)+[yz]";
	struct od_pattern *p = NULL;
	struct od_matcher *m = NULL;
	struct od_error err = OD_ERROR_INIT;
	char text[64];
	bool found;
	size_t start, end;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(od_pattern_compile(&p, pattern, strlen(pattern), false, NULL), OD_OK);
	assert_int_equal(od_matcher_new(&m, NULL), OD_OK);
	assert_int_equal(od_pattern_next(p, m, text, sizeof(text), 0, &found, &start, &end, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "cannot match the text with a pattern"));
	od_matcher_free(m);
	od_pattern_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_as_the_reference_does),
		cmocka_unit_test(normalises),
		cmocka_unit_test(refuses_what_it_does_not_know),
		cmocka_unit_test(refuses_deep_nesting),
		cmocka_unit_test(refuses_many_steps),
		cmocka_unit_test(limits_a_pattern),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
