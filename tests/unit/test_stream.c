/* test_stream.c -- bytes in from files, pipes, compressed files and archives; bytes out with no error lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/stream.h"

static char dir[64];

static int
make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/od-stream.XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

static void
put_file(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* A regular member holding 'text', or with text NULL a symbolic link. */
static void
add_member(struct archive *a, const char *path, const char *text)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, path);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_filetype(e, text ? AE_IFREG : AE_IFLNK);
	if (text)
		archive_entry_set_size(e, (la_int64_t)strlen(text));
	else
		archive_entry_set_symlink(e, "/etc/passwd");
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	if (text)
		assert_int_equal(archive_write_data(a, text, strlen(text)), strlen(text));
	archive_entry_free(e);
}

/* filter: "none", "gzip", "zstd", "xz"; format: "raw", "ustar", "zip". */
static struct archive *
begin_archive(const char *path, const char *format, const char *filter)
{
	struct archive *a = archive_write_new();

	if (strcmp(filter, "none") != 0)
		assert_int_equal(archive_write_add_filter_by_name(a, filter), ARCHIVE_OK);
	assert_int_equal(archive_write_set_format_by_name(a, format), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	return a;
}

static void
end_archive(struct archive *a)
{
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

static void
compress_file(const char *path, const char *filter, const char *text)
{
	struct archive *a = begin_archive(path, "raw", filter);

	add_member(a, "data", text);
	end_archive(a);
}

static void
reads(const char *name, const char *wanted)
{
	struct od_error err = OD_ERROR_INIT;
	char *data = NULL;
	size_t n = 0;

	if (od_in_slurp(name, 1 << 24, &data, &n, &err) != OD_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(data, wanted, n + 1);
	free(data);
}

static void
refuses(const char *name, enum od_status st, const char *message)
{
	struct od_error err = OD_ERROR_INIT;
	char *data = NULL;
	size_t n = 0;

	if (od_in_slurp(name, 1 << 24, &data, &n, &err) != st)
		fail_msg("'%s': status %d, wanted %d: %s", name, err.status, st, err.msg);
	if (!strstr(err.msg, message) || !strstr(err.msg, name))
		fail_msg("'%s' does not say '%s' about '%s'", err.msg, message, name);
}

static void
test_plain(void **state)
{
	(void)state;
	put_file("a", "hello", 5);
	put_file("empty", "", 0);
	put_file("colon:x", "its own name", 12);
	reads("a", "hello");
	reads("empty", "");
	reads("colon:x", "its own name");
	refuses("missing", OD_ESYS, "No such file");
	refuses("missing:x", OD_ESYS, "No such file");
	refuses(".", OD_ESYS, "directory");
}

static void
test_slurp_bound(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	char *data = NULL;
	size_t n;

	(void)state;
	put_file("ten", "0123456789", 10);
	assert_int_equal(od_in_slurp("ten", 9, &data, &n, &err), OD_EFORMAT);
	assert_int_equal(od_in_slurp("ten", 10, &data, &n, &err), OD_OK);
	free(data);
}

static void
test_compressed(void **state)
{
	static const char *const filters[] = { "gzip", "zstd", "xz" };
	char *big = malloc(3000001);
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 3000000; i++)
		big[i] = (char)('a' + ((seed = seed * 1103515245u + 12345u) >> 16) % 26);
	big[3000000] = '\0';
	for (size_t i = 0; i < 3; i++) {
		compress_file("c", filters[i], "squeezed");              /* the name does not matter */
		reads("c", "squeezed");
		compress_file("e", filters[i], "");
		reads("e", "");
		compress_file("b", filters[i], big);
		reads("b", big);
		assert_int_equal(truncate("b", 1000000), 0);
		refuses("b", OD_ETRUNC, "runcated");
	}
	free(big);
}

/* What gzip -c twice into one file, or pigz and zstd in blocks, leave behind. */
static void
test_concatenated_members(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		compress_file("one", i ? "zstd" : "gzip", "first ");
		compress_file("two", i ? "zstd" : "gzip", "second");
		assert_int_equal(system("cat one two > both"), 0);
		reads("both", "first second");
	}
}

static void
test_damaged(void **state)
{
	(void)state;
	put_file("bad.gz", "\x1f\x8b\x08\0\0\0\0\0\0\3nonsense that is no deflate stream", 44);
	refuses("bad.gz", OD_EFORMAT, "cannot read");
	put_file("bad.zst", "\x28\xb5\x2f\xfd nonsense that is no frame", 30);
	refuses("bad.zst", OD_EFORMAT, "cannot read");
	put_file("short.gz", "\x1f\x8b\x08", 3);
	refuses("short.gz", OD_EFORMAT, "cannot read");
}

static void
test_members(void **state)
{
	static const char *const kinds[][3] = {
		{ "t.tar", "ustar", "none" }, { "t.tgz", "ustar", "gzip" }, { "t.tar.zst", "ustar", "zstd" },
		{ "t.tar.xz", "ustar", "xz" }, { "t.zip", "zip", "none" }, { "t-1.0-py3-none-any.whl", "zip", "none" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct archive *a = begin_archive(kinds[i][0], kinds[i][1], kinds[i][2]);
		char name[128];

		add_member(a, "dir/one.jsonl", "{\"n\":1}\n");
		add_member(a, "./two", "second");
		add_member(a, "link", NULL);
		add_member(a, "../escape", "outside");
		add_member(a, "d:e", "colon inside");
		end_archive(a);
		snprintf(name, sizeof name, "%s:dir/one.jsonl", kinds[i][0]);
		reads(name, "{\"n\":1}\n");
		snprintf(name, sizeof name, "%s:two", kinds[i][0]);
		reads(name, "second");
		snprintf(name, sizeof name, "%s:./two", kinds[i][0]);
		reads(name, "second");
		snprintf(name, sizeof name, "%s:d:e", kinds[i][0]);
		reads(name, "colon inside");
		snprintf(name, sizeof name, "%s:../escape", kinds[i][0]);
		refuses(name, OD_EFORMAT, "must be relative");
		snprintf(name, sizeof name, "%s:/etc/passwd", kinds[i][0]);
		refuses(name, OD_EFORMAT, "must be relative");
		snprintf(name, sizeof name, "%s:dir/../two", kinds[i][0]);
		refuses(name, OD_EFORMAT, "must be relative");
		snprintf(name, sizeof name, "%s:three", kinds[i][0]);
		refuses(name, OD_EFORMAT, "no member 'three'; it has 'dir/one.jsonl'");
		snprintf(name, sizeof name, "%s:link", kinds[i][0]);
		if (strcmp(kinds[i][1], "zip") != 0)     /* read front to back, a zip does not tell a link from a file */
			refuses(name, OD_EFORMAT, "not a regular file");
	}
	put_file("text", "no archive", 10);
	refuses("text:x", OD_EFORMAT, "cannot read");
}

static void
test_truncated_archive(void **state)
{
	struct archive *a = begin_archive("cut.tar", "ustar", "none");

	(void)state;
	add_member(a, "m", "0123456789");
	end_archive(a);
	assert_int_equal(truncate("cut.tar", 515), 0);
	refuses("cut.tar:m", OD_ETRUNC, "cannot read");
}

static void
test_archive_is_recognised(void **state)
{
	char tar[300] = "name";

	(void)state;
	memcpy(tar + 257, "ustar", 5);
	assert_true(od_is_archive(tar, sizeof tar));
	assert_false(od_is_archive(tar, 261));
	assert_true(od_is_archive("PK\3\4", 4));
	assert_false(od_is_archive("{\"PK\":1}", 8));
}

/* ---- pipes -------------------------------------------------------------------------------------------------------- */

/* Writes "0123456789" a byte at a time, so that every read is short. */
static void *
drip(void *arg)
{
	int fd = open(arg, O_WRONLY);

	for (int i = 0; i < 10; i++) {
		char c = (char)('0' + i);

		if (write(fd, &c, 1) != 1)
			break;
		usleep(2000);
	}
	close(fd);
	return NULL;
}

static void
test_fifo_peek_and_short_reads(void **state)
{
	struct od_in *in = NULL;
	pthread_t thread;
	char buf[32];
	size_t got;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(pthread_create(&thread, NULL, drip, "fifo"), 0);
	assert_int_equal(od_in_open(&in, "fifo", NULL), OD_OK);
	assert_int_equal(od_in_peek(in, buf, 8, &got, NULL), OD_OK);
	assert_int_equal(got, 8);
	assert_memory_equal(buf, "01234567", 8);
	assert_int_equal(od_in_offset(in), 0);
	assert_int_equal(od_in_read(in, buf, 9, &got, NULL), OD_OK);
	assert_int_equal(got, 9);
	assert_int_equal(od_in_offset(in), 9);
	assert_int_equal(od_in_peek(in, buf, 8, &got, NULL), OD_OK);
	assert_int_equal(got, 1);
	assert_int_equal(od_in_read(in, buf, 9, &got, NULL), OD_OK);
	assert_int_equal(got, 1);
	assert_int_equal(buf[0], '9');
	assert_int_equal(od_in_read_some(in, buf, 9, &got, NULL), OD_OK);
	assert_int_equal(got, 0);
	assert_string_equal(od_in_name(in), "fifo");
	od_in_close(in);
	pthread_join(thread, NULL);
}

static void
test_memory(void **state)
{
	struct od_in *in = NULL;
	char buf[8];
	size_t got;

	(void)state;
	assert_int_equal(od_in_memory(&in, "abcdef", 6, "mem", NULL), OD_OK);
	assert_int_equal(od_in_peek(in, buf, 2, &got, NULL), OD_OK);
	assert_int_equal(od_in_read_some(in, buf, 4, &got, NULL), OD_OK);
	assert_int_equal(got, 4);
	assert_int_equal(od_in_read(in, buf, 8, &got, NULL), OD_OK);
	assert_int_equal(got, 2);
	assert_memory_equal(buf, "ef", 2);
	od_in_close(in);
	od_in_close(NULL);
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

static void
test_output(void **state)
{
	size_t n = 20 << 20;
	char *big = malloc(n + 1);
	struct od_out *out = NULL;

	(void)state;
	memset(big, 'z', n);
	big[n] = '\0';
	assert_int_equal(od_out_open(&out, "o", NULL), OD_OK);
	assert_int_equal(od_out_write(out, "start ", 6, NULL), OD_OK);
	assert_int_equal(od_out_write(out, "", 0, NULL), OD_OK);
	assert_int_equal(od_out_close(out, NULL), OD_OK);
	reads("o", "start ");
	assert_int_equal(od_out_open(&out, "o", NULL), OD_OK);
	assert_int_equal(od_out_write(out, big, 1000, NULL), OD_OK);
	assert_int_equal(od_out_write(out, big + 1000, n - 1000 - (4 << 20), NULL), OD_OK);
	assert_int_equal(od_out_close(out, NULL), OD_OK);
	big[n - (4 << 20)] = '\0';
	reads("o", big);
	free(big);
	assert_int_equal(od_out_close(NULL, NULL), OD_OK);
	assert_int_equal(od_out_open(&out, "no/such/dir", NULL), OD_ESYS);
}

static void
test_full_disk(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_out *out = NULL;
	static char block[1 << 20];

	(void)state;
	assert_int_equal(od_out_open(&out, "/dev/full", NULL), OD_OK);
	assert_int_equal(od_out_write(out, "x", 1, &err), OD_OK);                /* buffered */
	assert_int_equal(od_out_close(out, &err), OD_ESYS);
	assert_int_equal(err.sys, ENOSPC);
	assert_non_null(strstr(err.msg, "'/dev/full'"));
	assert_int_equal(od_out_open(&out, "/dev/full", NULL), OD_OK);
	assert_int_equal(od_out_write(out, block, sizeof block, &err), OD_ESYS);
	assert_int_equal(od_out_write(out, "x", 1, &err), OD_OK);
	assert_int_equal(od_out_close(out, &err), OD_ESYS);                      /* said once more, not forgotten */
}

static void
test_broken_pipe(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	int fd[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fd), 0);
	close(fd[0]);
	assert_int_equal(od_write_all(fd[1], "x", 1, "the pipe", &err), OD_ESYS);
	assert_int_equal(err.sys, EPIPE);
	close(fd[1]);
}

/* More than a pipe holds, to a slow reader: short writes. */
static void *
write_much(void *arg)
{
	int fd = *(int *)arg;
	static char block[3 << 20];

	memset(block, 'w', sizeof block);
	if (od_write_all(fd, block, sizeof block, "pipe", NULL) != OD_OK)
		abort();
	close(fd);
	return NULL;
}

static void
test_short_writes(void **state)
{
	pthread_t thread;
	size_t total = 0;
	char buf[5000];
	ssize_t n;
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_much, &fd[1]), 0);
	while ((n = read(fd[0], buf, sizeof buf)) > 0)
		total += (size_t)n;
	pthread_join(thread, NULL);
	close(fd[0]);
	assert_int_equal(total, 3 << 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_slurp_bound),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_concatenated_members),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_truncated_archive),
		cmocka_unit_test(test_archive_is_recognised),
		cmocka_unit_test(test_fifo_peek_and_short_reads),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_broken_pipe),
		cmocka_unit_test(test_short_writes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
