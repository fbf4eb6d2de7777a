/* test_cli.c -- option tables: values, bounds, suggestions, --config. What exits is tested by tests/cli/common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/common/options.h"

static const char *const colours[] = { "red", "green", "blue", NULL };

struct settings {
	bool loud, shuffle;
	const char *file;
	int64_t count, bytes, seed;
	double rate;
	int colour;
	int64_t shard, n_shards;
};

static const struct od_opt opts[] = {
	OD_OPT_FLAG(struct settings, loud, "loud", "be loud"),
	OD_OPT_NOFLAG(struct settings, shuffle, "no-shuffle", "keep the order"),
	OD_OPT_STR(struct settings, file, "file", "FILE", "a file"),
	OD_OPT_INT(struct settings, count, "count", "N", 1, 10, "how many"),
	OD_OPT_SIZE(struct settings, bytes, "bytes", "SIZE", "how much"),
	OD_OPT_INT(struct settings, seed, "seed", "N", 0, 9e18, "seed"),
	OD_OPT_DOUBLE(struct settings, rate, "rate", "X", 0, 0, "how fast"),
	OD_OPT_ENUM(struct settings, colour, "colour", "NAME", colours, "which"),
	{ "shard", 0, OD_KIND_SHARD, offsetof(struct settings, shard), "I/N", "part", NULL, 0, 0 },
	OD_OPT_END
};

static struct settings s, other;
static uint64_t given;
static const struct od_opt_group groups[] = { { "First", opts, &s, &given }, { "Second", opts + 5, &other, NULL } };
static const struct od_opt_set set = { groups, 2 };

static int
reset(void **state)
{
	(void)state;
	s = other = (struct settings){ .shuffle = true, .count = 3, .rate = 1.5, .n_shards = 1 };
	given = 0;
	return 0;
}

static void
sets(const char *name, const char *text)
{
	struct od_error err = OD_ERROR_INIT;

	if (od_opt_set(&set, name, text, &err) != OD_OK)
		fail_msg("%s", err.msg);
}

static void
refuses(const char *name, const char *text, const char *message)
{
	struct od_error err = OD_ERROR_INIT;

	assert_int_equal(od_opt_set(&set, name, text, &err), OD_EUSAGE);
	if (!strstr(err.msg, message) || !strstr(err.msg, name))
		fail_msg("'%s' does not say '%s' about '%s'", err.msg, message, name);
}

static void
test_values(void **state)
{
	(void)state;
	sets("loud", "");
	sets("no-shuffle", "");
	sets("file", "a b");
	sets("count", "10");
	sets("bytes", "2K");
	sets("rate", "-1e-3");
	sets("colour", "blue");
	sets("shard", "2/3");
	assert_true(s.loud && !s.shuffle);
	assert_string_equal(s.file, "a b");
	assert_int_equal(s.count, 10);
	assert_int_equal(s.bytes, 2048);
	assert_true(s.rate == -1e-3);
	assert_int_equal(s.colour, 2);
	assert_int_equal(s.shard, 2);
	assert_int_equal(s.n_shards, 3);
	assert_int_equal(given, 0x1df);          /* all but seed */
}

static void
test_a_name_in_two_groups(void **state)
{
	(void)state;
	sets("seed", "5");
	assert_int_equal(s.seed, 5);
	assert_int_equal(other.seed, 5);
	assert_int_equal(given, 1 << 5);
}

static void
test_refusals(void **state)
{
	(void)state;
	refuses("count", "3x", "'3x' is not an integer");
	refuses("count", "", "not an integer");
	refuses("count", "0", "'0' is not between 1 and 10");
	refuses("count", "11", "not between");
	refuses("seed", "-1", "at least 0");
	refuses("rate", "fast", "not a number");
	refuses("rate", "nan", "not a number");
	refuses("rate", "1.5 ", "not a number");
	refuses("bytes", "2Q", "not a size");
	refuses("colour", "grey", "none of: red, green, blue");
	refuses("shard", "3", "not I/N");
	refuses("shard", "3/3", "not I/N");
	refuses("shard", "-1/3", "not I/N");
	refuses("shard", "0/0", "not I/N");
	refuses("shard", "1/2/3", "not I/N");
	assert_int_equal(s.count, 3);
	assert_int_equal(s.n_shards, 1);
}

static void
test_nearest(void **state)
{
	(void)state;
	assert_string_equal(od_opt_nearest(&set, "cuont"), "count");
	assert_string_equal(od_opt_nearest(&set, "color"), "colour");
	assert_string_equal(od_opt_nearest(&set, "noshuffle"), "no-shuffle");
	assert_null(od_opt_nearest(&set, "xyzzy-plugh"));
}

/* Every value printed is what would be read back. */
static void
test_value_json(void **state)
{
	static const char *const wanted[] = { "false", "false", "null", "3", "0", "0", "1.5", "\"red\"", "\"0/1\"" };
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		struct od_opt_ref r = { &groups[0], &opts[i] };

		od_buf_clear(&b);
		od_opt_value_json(&b, &r);
		assert_string_equal(b.data, wanted[i]);
	}
	s.count = -1;                            /* outside its bounds: not set */
	s.rate = NAN;
	s.colour = -1;
	for (size_t i = 3; i < 8; i++) {
		struct od_opt_ref r = { &groups[0], &opts[i] };

		if (i == 4 || i == 5)
			continue;
		od_buf_clear(&b);
		od_opt_value_json(&b, &r);
		assert_string_equal(b.data, "null");
	}
	od_buf_release(&b);
}

static enum od_status
config(const char *text, struct od_error *err)
{
	char path[] = "/tmp/od-config.XXXXXX";
	int fd = mkstemp(path);
	enum od_status st;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	st = od_opt_config(&set, path, err);
	unlink(path);
	return st;
}

static void
test_config(void **state)
{
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	assert_int_equal(config("{\"loud\":true,\"no-shuffle\":false,\"file\":\"x\",\"count\":7,\"bytes\":\"1M\","
		"\"rate\":1e-7,\"colour\":\"green\",\"shard\":\"1/4\",\"seed\":null}", &err), OD_OK);
	assert_true(s.loud && s.shuffle);
	assert_string_equal(s.file, "x");
	assert_int_equal(s.count, 7);
	assert_int_equal(s.bytes, 1 << 20);
	assert_true(s.rate == 1e-7);
	assert_int_equal(s.colour, 1);
	assert_int_equal(s.n_shards, 4);
	assert_int_equal(given, 0x1df);
}

static void
test_config_refusals(void **state)
{
	static const char *const bad[][2] = {
		{ "{\"cuont\":1}", "did you mean 'count'" }, { "{\"count\":1.5}", "not an integer" },
		{ "{\"count\":99}", "between" }, { "{\"loud\":1}", "true or false" }, { "{\"file\":3}", "must be a string" },
		{ "{\"count\":[1]}", "must be a number" }, { "{\"colour\":\"grey\"}", "none of" }, { "[]", "not a JSON object" },
		{ "{\"loud\":true,\"loud\":true}", "duplicate" }, { "{", "invalid JSON" }, { "{\"rate\":true}", "number" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct od_error err = OD_ERROR_INIT;

		assert_int_equal(config(bad[i][0], &err), OD_EUSAGE);
		if (!strstr(err.msg, bad[i][1]) || !strstr(err.msg, "/tmp/od-config"))
			fail_msg("'%s' does not say '%s'", err.msg, bad[i][1]);
	}
}

/* What the record options of every reader start from is what a reader does when none is given. */
static void
test_record_options(void **state)
{
	struct od_record_options o = OD_RECORD_OPTIONS_INIT;
	struct od_opt_group g = { "Records", od_record_opts, &o, NULL };
	struct od_opt_set records = { &g, 1 };

	(void)state;
	assert_int_equal(od_opt_set(&records, "limit", "5", NULL), OD_OK);
	assert_int_equal(od_opt_set(&records, "shard", "1/2", NULL), OD_OK);
	assert_int_equal(od_opt_set(&records, "sample", "0.25", NULL), OD_OK);
	assert_int_equal(od_opt_set(&records, "seed", "9", NULL), OD_OK);
	assert_int_equal(od_opt_set(&records, "max-skipped", "0", NULL), OD_OK);
	assert_int_equal(o.limit, 5);
	assert_int_equal(o.shard, 1);
	assert_int_equal(o.n_shards, 2);
	assert_true(o.sample == 0.25);
	assert_int_equal(o.seed, 9);
	assert_int_equal(o.max_skipped, 0);
	assert_int_equal(od_opt_set(&records, "sample", "1.5", NULL), OD_EUSAGE);
	assert_int_equal(od_opt_set(&records, "limit", "-1", NULL), OD_EUSAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_values, reset),
		cmocka_unit_test_setup(test_a_name_in_two_groups, reset),
		cmocka_unit_test_setup(test_refusals, reset),
		cmocka_unit_test_setup(test_nearest, reset),
		cmocka_unit_test_setup(test_value_json, reset),
		cmocka_unit_test_setup(test_config, reset),
		cmocka_unit_test_setup(test_config_refusals, reset),
		cmocka_unit_test_setup(test_record_options, reset),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
