/* test_manifest.c -- lib/bench/manifest: what two runs may differ in; sheets that carry a manifest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/manifest.h"
#include "bench/sheet.h"

static json_t *
manifest(const char *text)
{
	json_t *run = json_loads(text, 0, NULL);

	assert_non_null(run);
	return run;
}

static void
differs(const char *a, const char *b, const char *compared, const char *all)
{
	json_t *x = a ? manifest(a) : NULL, *y = b ? manifest(b) : NULL;
	const char *got = od_manifest_differ(x, y, false);

	assert_true((got == NULL) == (compared == NULL));
	if (compared)
		assert_string_equal(got, compared);
	got = od_manifest_differ(x, y, true);
	assert_true((got == NULL) == (all == NULL));
	if (all)
		assert_string_equal(got, all);
	json_decref(x);
	json_decref(y);
}

static void
members(void **state)
{
	(void)state;
	differs(NULL, NULL, NULL, NULL);
	differs("{\"a\":1}", "{\"a\":1.0}", NULL, NULL);
	differs("{\"a\":1}", "{\"a\":2}", "a", "a");
	differs("{\"a\":1,\"b\":null}", "{\"a\":1}", NULL, NULL);
	differs("{\"b\":1}", NULL, "b", "b");
	differs(NULL, "{\"z\":\"x\",\"b\":1}", "b", "b");
	differs("{\"model\":\"x\",\"name\":\"1\"}", "{\"model\":\"y\"}", NULL, "model");
	differs("{\"temperature\":0,\"seed\":1}", "{\"temperature\":0,\"seed\":2}", NULL, "seed");
	differs("{\"temperature\":0.5,\"seed\":1}", "{\"temperature\":0.5,\"seed\":2}", "seed", "seed");
	assert_true(od_manifest_of_model("template") && !od_manifest_of_model("format"));
}

static void
message(void **state)
{
	json_t *a = manifest("{\"max_tokens\":100,\"model\":\"x\"}"), *b = manifest("{\"model\":\"y\"}");
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	assert_int_equal(od_manifest_match(a, b, "A", "B", &err), OD_EMISMATCH);
	assert_string_equal(err.msg, "'A' and 'B' were not made alike: 'max_tokens' is 100 and not known");
	assert_int_equal(od_manifest_match(a, a, "A", "B", &err), OD_OK);
	json_decref(a);
	json_decref(b);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
sheets(void **state)
{
	static const struct od_sheet_column one[] = { { "x", "x" } };
	struct od_sheet s;
	struct od_buf b = OD_BUF_INIT;
	struct od_error err = OD_ERROR_INIT;
	json_t *run = manifest("{\"benchmark\":\"t\",\"seed\":3}");
	const char *tmp = getenv("TMPDIR");
	char path[256];

	(void)state;
	snprintf(path, sizeof path, "%s/od-manifest-XXXXXX", tmp != NULL ? tmp : "/tmp");
	close(mkstemp(path));
	od_sheet_init(&s, "t", one, 1);
	od_sheet_made(&s, run);
	assert_int_equal(od_sheet_add(&s, "k", 0, (const double[]){ 1 }, NULL), OD_OK);
	od_sheet_item(&s, 0, &b);
	assert_string_equal(b.data, "{\"id\":\"k\",\"x\":1,\"run\":{\"benchmark\":\"t\",\"seed\":3}}");
	write_file(path, b.data);
	od_sheet_release(&s);
	assert_int_equal(od_sheet_read(&s, path, &err), OD_OK);
	assert_null(od_manifest_differ(s.run, run, true));
	od_buf_clear(&b);
	od_sheet_json(&s, &b);
	assert_non_null(strstr(b.data, "}},\"run\":{\"benchmark\":\"t\",\"seed\":3}"));
	od_sheet_release(&s);
	write_file(path, "{\"id\":1,\"x\":1,\"run\":{\"seed\":3}}\n{\"id\":2,\"x\":1,\"run\":{\"seed\":4}}\n");
	assert_int_equal(od_sheet_read(&s, path, &err), OD_EMISMATCH);
	assert_non_null(strstr(err.msg, ":2: the item is of another run than those before it: 'seed' differs"));
	write_file(path, "{\"id\":1,\"x\":1,\"run\":{\"seed\":3}}\n{\"id\":2,\"x\":1}\n");
	assert_int_equal(od_sheet_read(&s, path, &err), OD_EMISMATCH);
	write_file(path, "{\"id\":1,\"x\":1,\"run\":7}\n");
	assert_int_equal(od_sheet_read(&s, path, &err), OD_EFORMAT);
	unlink(path);
	json_decref(run);
	od_buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members),
		cmocka_unit_test(message),
		cmocka_unit_test(sheets),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
