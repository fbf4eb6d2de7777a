/* test_yaml.c -- YAML as JSON values: scalars, styles, anchors, and what is refused, by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "io/yaml.h"

static void
values(void **state)
{
	static const struct {
		const char *yaml, *json;
	} cases[] = {
		{ "a: 1\nb: -2.5\nc: 1e3\nd: .5\n", "{\"a\":1,\"b\":-2.5,\"c\":1000.0,\"d\":0.5}" },
		{ "a: true\nb: False\nc: null\nd: ~\ne:\nf: yes\n", "{\"a\":true,\"b\":false,\"c\":null,\"d\":null,\"e\":null,\"f\":\"yes\"}" },
		{ "a: '1'\nb: \"true\"\nc: |\n  x\n  y\nd: >\n  x\n  y\n", "{\"a\":\"1\",\"b\":\"true\",\"c\":\"x\\ny\\n\",\"d\":\"x y\\n\"}" },
		{ "- 1 # a remark\n- [a, {b: c}]\n- -\n- 1.2.3\n- 0x10\n- .inf\n", "[1,[\"a\",{\"b\":\"c\"}],[null],\"1.2.3\",\"0x10\",\".inf\"]" },
		{ "a: \\[\\[([AB<>=]+)\\]\\]\n", "{\"a\":\"\\\\[\\\\[([AB<>=]+)\\\\]\\\\]\"}" },
		{ "a: \"tab\\t\\u00e9\\n\"\n'quoted key': é\n3: x\n", "{\"a\":\"tab\\té\\n\",\"quoted key\":\"é\",\"3\":\"x\"}" },
		{ "a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}" },
		{ "--- text\n...\n", "\"text\"" }, { "99999999999999999999999", "1e23" }, { "\xef\xbb\xbf" "a: b", "{\"a\":\"b\"}" },
		{ "%YAML 1.1\n---\na: b\n", "{\"a\":\"b\"}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct od_error err = OD_ERROR_INIT;
		json_t *got = NULL, *want = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);

		if (od_yaml_parse(&got, cases[i].yaml, strlen(cases[i].yaml), "y", &err) != OD_OK)
			fail_msg("%s: %s", cases[i].yaml, err.msg);
		assert_non_null(want);
		if (!json_equal(got, want)) {
			char *text = json_dumps(got, JSON_ENCODE_ANY);

			fail_msg("%s is %s", cases[i].yaml, text);
		}
		json_decref(got);
		json_decref(want);
	}
}

static void
refused(const char *yaml, size_t n, const char *message)
{
	struct od_error err = OD_ERROR_INIT;
	json_t *got = NULL;

	assert_int_equal(od_yaml_parse(&got, yaml, n, "y", &err), OD_EFORMAT);
	assert_null(got);
	if (strstr(err.msg, message) == NULL)
		fail_msg("'%s' does not say '%s'", err.msg, message);
}

static void
refusals(void **state)
{
	static const struct {
		const char *yaml, *message;
	} cases[] = {
		{ "", "y: no YAML document" }, { "# nothing\n", "no YAML document" },
		{ "a: 1\nb: [1, 2\nc: 3\n", "y:3: invalid YAML: did not find expected ',' or ']'" },
		{ "a: 'x\n", "invalid YAML: found unexpected end of stream" },
		{ "a: 1\n\tb: 2\n", "y:2: invalid YAML" }, { "a: 1\nb: 2\na: 3\n", "y:3: key 'a' is there twice" },
		{ "a: 1\n---\nb: 2\n", "y:2: a second document" }, { "a: 1\n---\nb: [\n", "invalid YAML" },
		{ "[a, b]: 1\n", "y:1: a key must be a text" }, { "a: *x\n", "y:1: invalid YAML: found undefined alias" },
		{ "a: \"x\\0y\"\n", "y:1: a text with a NUL" }, { "\"a\\0\": 1\n", "y:1: a key must be a text" },
		{ "a: &x [*x]\n", "more than 64 levels" }, { "a: \xff\n", "invalid YAML" },
	};
	struct od_buf laughs = OD_BUF_INIT, deep = OD_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(cases[i].yaml, strlen(cases[i].yaml), cases[i].message);
	od_buf_str(&laughs, "l0: &l0 x\n");
	for (int i = 1; i < 12; i++)
		od_buf_printf(&laughs, "l%d: &l%d [*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d]\n", i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1,
			i - 1);
	refused(laughs.data, laughs.len, "more than 100000 values");
	for (int i = 0; i < 100; i++)
		od_buf_char(&deep, '[');
	for (int i = 0; i < 100; i++)
		od_buf_char(&deep, ']');
	refused(deep.data, deep.len, "y:1: more than 64 levels");
	od_buf_release(&laughs);
	od_buf_release(&deep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(refusals) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
