/* Files and directories that are complete or not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/atomic.h"

static char *dir;

static int
make_dir(void **state)
{
	static char name[] = "/tmp/od-test-atomic.XXXXXX";

	(void)state;
	dir = mkdtemp(name);
	return dir ? 0 : -1;
}

static int
remove_dir(void **state)
{
	(void)state;
	return od_remove_tree(dir, NULL) == OD_OK && !od_path_exists(dir) ? 0 : -1;
}

static const char *
at(const char *name)
{
	static char path[4][256];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

static void
assert_content(const char *path, const char *want)
{
	char *text;
	size_t n;

	assert_int_equal(od_in_slurp(path, 1000, &text, &n, NULL), OD_OK);
	assert_string_equal(text, want);
	free(text);
}

static void
test_file(void **state)
{
	struct od_atomic_file f;

	(void)state;
	assert_int_equal(od_atomic_write(at("f"), "old", 3, NULL), OD_OK);
	assert_int_equal(od_atomic_file_begin(&f, at("f"), NULL), OD_OK);
	assert_int_equal(od_out_write(f.out, "new", 3, NULL), OD_OK);
	assert_content(at("f"), "old");                          /* until the commit */
	assert_int_equal(od_atomic_file_commit(&f, NULL), OD_OK);
	od_atomic_file_release(&f);
	assert_content(at("f"), "new");
	assert_false(od_path_exists(at("f.tmp")));
}

static void
test_file_given_up(void **state)
{
	struct od_atomic_file f;

	(void)state;
	assert_int_equal(od_atomic_write(at("g"), "old", 3, NULL), OD_OK);
	assert_int_equal(od_atomic_file_begin(&f, at("g"), NULL), OD_OK);
	assert_int_equal(od_out_write(f.out, "new", 3, NULL), OD_OK);
	od_atomic_file_release(&f);
	assert_content(at("g"), "old");
	assert_false(od_path_exists(at("g.tmp")));
}

static void
test_leftovers_are_taken_over(void **state)
{
	struct od_atomic_dir d;

	(void)state;
	assert_int_equal(od_atomic_write(at("h.tmp"), "left by a crash", 15, NULL), OD_OK);
	assert_int_equal(od_atomic_write(at("h"), "x", 1, NULL), OD_OK);
	assert_content(at("h"), "x");
	assert_int_equal(od_make_dir(at("d.tmp"), NULL), OD_OK);
	assert_int_equal(od_make_dir(at("d.tmp/sub"), NULL), OD_OK);
	assert_int_equal(od_atomic_write(at("d.tmp/sub/old"), "x", 1, NULL), OD_OK);
	assert_int_equal(od_atomic_dir_begin(&d, at("d"), NULL), OD_OK);
	assert_false(od_path_exists(at("d.tmp/sub")));
	od_atomic_dir_release(&d);
	assert_false(od_path_exists(at("d.tmp")));
}

static void
test_two_writers(void **state)
{
	struct od_atomic_file f, g;
	struct od_atomic_dir d, e;
	struct od_error err;

	(void)state;
	assert_int_equal(od_atomic_file_begin(&f, at("two"), NULL), OD_OK);
	assert_int_equal(od_atomic_file_begin(&g, at("two"), &err), OD_EEXIST);
	assert_non_null(strstr(err.msg, "another process"));
	assert_int_equal(od_out_write(f.out, "first", 5, NULL), OD_OK);
	assert_int_equal(od_atomic_file_commit(&f, NULL), OD_OK);
	od_atomic_file_release(&f);
	assert_content(at("two"), "first");
	assert_int_equal(od_atomic_dir_begin(&d, at("twodirs"), NULL), OD_OK);
	assert_int_equal(od_atomic_dir_begin(&e, at("twodirs"), &err), OD_EEXIST);
	od_atomic_dir_release(&d);
	assert_int_equal(od_atomic_dir_begin(&e, at("twodirs"), &err), OD_OK);      /* free again */
	od_atomic_dir_release(&e);
}

static void
test_not_names(void **state)
{
	static const char *const bad[] = { "", "/", ".", "..", "x/..", "x/.", "//" };
	struct od_atomic_file f;
	struct od_atomic_dir d;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_not_equal(od_atomic_dir_begin(&d, bad[i], NULL), OD_OK);
		assert_int_not_equal(od_atomic_file_begin(&f, bad[i], NULL), OD_OK);
	}
	assert_int_equal(od_atomic_file_begin(&f, dir, NULL), OD_ESYS);
	assert_int_equal(od_atomic_file_begin(&f, at("no/such/file"), NULL), OD_ESYS);
}

static void
test_devices_are_written_directly(void **state)
{
	struct od_error err;

	(void)state;
	assert_int_equal(od_atomic_write("/dev/null", "x", 1, NULL), OD_OK);
	assert_false(od_path_exists("/dev/null.tmp"));
	assert_int_equal(od_atomic_write("/dev/full", "x", 1, &err), OD_ESYS);
	assert_non_null(strstr(err.msg, "/dev/full"));
	assert_false(od_path_exists("/dev/full.tmp"));
}

static void
begin_with_file(struct od_atomic_dir *d, const char *path, const char *content)
{
	char *file;

	assert_int_equal(od_atomic_dir_begin(d, path, NULL), OD_OK);
	file = od_path_join(d->temp, "file");
	assert_non_null(file);
	assert_int_equal(od_atomic_write(file, content, strlen(content), NULL), OD_OK);
	free(file);
}

static void
test_directory(void **state)
{
	struct od_atomic_dir d;
	struct od_error err;

	(void)state;
	begin_with_file(&d, at("out/"), "one");                  /* a slash at the end is fine */
	assert_false(od_path_exists(at("out")));
	assert_int_equal(od_atomic_dir_commit(&d, false, NULL), OD_OK);
	od_atomic_dir_release(&d);
	assert_content(at("out/file"), "one");

	begin_with_file(&d, at("out"), "two");
	assert_int_equal(od_atomic_dir_commit(&d, false, &err), OD_EEXIST);
	od_atomic_dir_release(&d);
	assert_content(at("out/file"), "one");
	assert_false(od_path_exists(at("out.tmp")));

	assert_int_equal(od_atomic_write(at("out/stale"), "x", 1, NULL), OD_OK);
	begin_with_file(&d, at("out"), "two");
	assert_int_equal(od_atomic_dir_commit(&d, true, NULL), OD_OK);
	od_atomic_dir_release(&d);
	assert_content(at("out/file"), "two");
	assert_false(od_path_exists(at("out/stale")));
	assert_false(od_path_exists(at("out.tmp")));
}

static void
test_remove_does_not_follow_links(void **state)
{
	(void)state;
	assert_int_equal(od_make_dir(at("keep"), NULL), OD_OK);
	assert_int_equal(od_atomic_write(at("keep/precious"), "x", 1, NULL), OD_OK);
	assert_int_equal(od_make_dir(at("gone"), NULL), OD_OK);
	assert_int_equal(symlink(at("keep"), at("gone/link")), 0);
	assert_int_equal(od_remove_tree(at("gone"), NULL), OD_OK);
	assert_false(od_path_exists(at("gone")));
	assert_content(at("keep/precious"), "x");
	assert_int_equal(od_remove_tree(at("gone"), NULL), OD_OK);
}

static void
test_copy(void **state)
{
	enum { N = 3000000 };
	char *big = malloc(N), *back;
	struct od_error err;
	size_t n;

	(void)state;
	for (int i = 0; i < N; i++)
		big[i] = (char)(i * 7 + i / 1000);
	assert_int_equal(od_atomic_write(at("big"), big, N, NULL), OD_OK);
	assert_int_equal(od_copy_file(at("big"), at("copy"), NULL), OD_OK);
	assert_int_equal(od_in_slurp(at("copy"), N, &back, &n, NULL), OD_OK);
	assert_int_equal(n, N);
	assert_memory_equal(big, back, N);
	assert_int_equal(od_copy_file(at("nothing"), at("copy"), &err), OD_ESYS);
	assert_int_equal(od_copy_file(at("big"), "/dev/full", &err), OD_ESYS);
	free(back);
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),        cmocka_unit_test(test_file_given_up),
		cmocka_unit_test(test_two_writers), cmocka_unit_test(test_leftovers_are_taken_over),
		cmocka_unit_test(test_not_names),   cmocka_unit_test(test_devices_are_written_directly),
		cmocka_unit_test(test_directory),   cmocka_unit_test(test_remove_does_not_follow_links),
		cmocka_unit_test(test_copy),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
