#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/atomic.h"
#include "io/cache.h"
#include "io/stream.h"

static char dir[256], file[300];

static int
make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%s/od-cache.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/answers.jsonl", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	return od_remove_tree(dir, NULL) == OD_OK ? 0 : -1;
}

static const char *
key_of(int i)
{
	static char key[OD_HASH_HEX];
	char text[32];

	snprintf(text, sizeof(text), "question %d", i);
	assert_int_equal(od_sha256_hex(text, strlen(text), key, NULL), OD_OK);
	return key;
}

static struct od_cache *
open_cache(void)
{
	struct od_cache *c = NULL;

	assert_int_equal(od_cache_open(&c, dir, NULL), OD_OK);
	return c;
}

static void
put(struct od_cache *c, int i, const char *json)
{
	json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);

	assert_non_null(v);
	assert_int_equal(od_cache_put(c, key_of(i), v, NULL), OD_OK);
	json_decref(v);
}

/* The answer's text; "" when there is none. */
static const char *
get(struct od_cache *c, int i)
{
	static char text[4096];
	json_t *v = NULL;
	char *s;

	assert_int_equal(od_cache_get(c, key_of(i), &v, NULL), OD_OK);
	if (!v)
		return "";
	s = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	snprintf(text, sizeof(text), "%s", s);
	free(s);
	json_decref(v);
	return text;
}

static void
append(const char *bytes)
{
	FILE *f = fopen(file, "ab");

	assert_non_null(f);
	fputs(bytes, f);
	fclose(f);
}

static void
what_is_put_is_got(void **state)
{
	struct od_cache *c = open_cache();
	char no_key[OD_HASH_HEX] = "no key";

	(void)state;
	assert_string_equal(get(c, 1), "");
	put(c, 1, "{\"a\":[1,2.5,\"x\\ny\"]}");
	put(c, 2, "7");
	assert_string_equal(get(c, 1), "{\"a\":[1,2.5,\"x\\ny\"]}");
	assert_string_equal(get(c, 2), "7");
	assert_string_equal(get(c, 3), "");
	put(c, 2, "\"later\"");
	od_cache_close(c);
	c = open_cache();
	assert_string_equal(get(c, 1), "{\"a\":[1,2.5,\"x\\ny\"]}");
	assert_string_equal(get(c, 2), "\"later\"");           /* the last entry counts */
	assert_int_equal(od_cache_entries(c), 3);
	assert_int_equal(od_cache_damaged(c), 0);
	assert_int_equal(od_cache_get(c, no_key, &(json_t *){ NULL }, NULL), OD_EUSAGE);
	od_cache_close(c);
}

static void
many_entries(void **state)
{
	struct od_cache *c = open_cache();
	char text[2000];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "{\"n\":%d,\"fill\":\"%0*d\"}", i, i % 1500 + 1, 0);
		put(c, i, text);
	}
	od_cache_close(c);
	c = open_cache();
	assert_int_equal(od_cache_entries(c), 3000);
	for (int i = 0; i < 3000; i += 7) {
		snprintf(text, sizeof(text), "{\"n\":%d,\"fill\":\"%0*d\"}", i, i % 1500 + 1, 0);
		assert_string_equal(get(c, i), text);
	}
	od_cache_close(c);
}

static void
others_write_too(void **state)
{
	struct od_cache *a = open_cache(), *b = open_cache();

	(void)state;
	put(a, 1, "1");
	assert_string_equal(get(b, 1), "1");
	put(b, 2, "2");
	put(a, 3, "3");
	assert_string_equal(get(a, 2), "2");
	assert_string_equal(get(b, 3), "3");
	od_cache_close(a);
	od_cache_close(b);
}

static void
torn_lines_are_nobodys(void **state)
{
	struct od_cache *c = open_cache();
	char line[200];

	(void)state;
	put(c, 1, "1");
	od_cache_close(c);
	/* Killed within the key, within the answer, and a line of something else. */
	append("{\"key\":\"00ff");
	c = open_cache();
	assert_string_equal(get(c, 1), "1");
	put(c, 2, "2");
	snprintf(line, sizeof(line), "{\"key\":\"%s\",\"answer\":{\"cut\":[1,", key_of(3));
	append(line);
	assert_string_equal(get(c, 3), "");
	put(c, 4, "4");
	append("hello\n\n");
	snprintf(line, sizeof(line), "{\"key\":\"%s\",\"answer\":{\"cut\":}}\n", key_of(5));
	append(line);
	assert_string_equal(get(c, 5), "");
	put(c, 3, "3");
	od_cache_close(c);
	c = open_cache();
	assert_string_equal(get(c, 1), "1");
	assert_string_equal(get(c, 2), "2");
	assert_string_equal(get(c, 3), "3");
	assert_string_equal(get(c, 4), "4");
	assert_string_equal(get(c, 5), "");
	assert_int_equal(od_cache_damaged(c), 3);
	od_cache_close(c);
}

/* Four processes append what they can; one of them is killed while it writes. Nothing that was put is lost. */
static void
killed_while_writing(void **state)
{
	pid_t pids[4];
	struct od_cache *c;
	int status;

	(void)state;
	for (int p = 0; p < 4; p++) {
		pids[p] = fork();
		assert_true(pids[p] >= 0);
		if (pids[p] == 0) {
			c = open_cache();
			for (int i = 0; p == 0 || i < 500; i++)
				put(c, p * 100000 + i % 500, "{\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
			_exit(0);
		}
	}
	for (int p = 1; p < 4; p++) {
		assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
		assert_int_equal(status, 0);
	}
	kill(pids[0], SIGKILL);
	assert_int_equal(waitpid(pids[0], &status, 0), pids[0]);
	assert_true(WIFSIGNALED(status));
	c = open_cache();
	put(c, 1000000, "\"after\"");
	for (int p = 1; p < 4; p++)
		for (int i = 0; i < 500; i++)
			assert_string_not_equal(get(c, p * 100000 + i), "");
	assert_string_equal(get(c, 1000000), "\"after\"");
	od_cache_close(c);
}

static void
what_cannot_be_opened(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_cache *c = NULL;
	char path[400];

	(void)state;
	snprintf(path, sizeof(path), "%s/no/such", dir);
	assert_int_equal(od_cache_open(&c, path, &err), OD_ESYS);
	assert_non_null(strstr(err.msg, "cannot create directory"));
	append("x");
	assert_int_equal(od_cache_open(&c, file, &err), OD_ESYS);
	assert_null(c);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		T(what_is_put_is_got), T(many_entries), T(others_write_too), T(torn_lines_are_nobodys), T(killed_while_writing),
		T(what_cannot_be_opened)
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
