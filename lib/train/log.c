/* log.c -- the run's own logs and the user's copies of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/atomic.h"
#include "io/map.h"
#include "io/stream.h"
#include "train/log.h"

/* A copy in a regular file is brought to the length of the log, whatever an earlier attempt left in it; a pipe or a
 * terminal just goes on. */
static enum od_status
open_copy(struct od_log *l, const char *name, struct od_error *err)
{
	char buf[65536];
	struct stat info;
	ssize_t n;
	int from;
	enum od_status st = OD_OK;

	l->copy_name = name;
	if (strcmp(name, "-") == 0) {
		l->copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return l->copy < 0 ? od_fail_sys(err, errno, "cannot write '<stdout>'") : OD_OK;
	}
	l->copy = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (l->copy < 0 || fstat(l->copy, &info) < 0)
		return od_fail_sys(err, errno, "cannot create '%s'", name);
	if (!S_ISREG(info.st_mode))
		return OD_OK;
	if (ftruncate(l->copy, 0) < 0)
		return od_fail_sys(err, errno, "cannot truncate '%s'", name);
	from = open(l->path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return od_fail_sys(err, errno, "cannot open '%s'", l->path);
	while (st == OD_OK && (n = read(from, buf, sizeof buf)) > 0)
		st = od_write_all(l->copy, buf, (size_t)n, name, err);
	close(from);
	return st;
}

static int64_t
count_lines(const char *s, size_t n)
{
	const char *end = s + n;
	int64_t lines = 0;

	while ((s = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		lines++;
		s++;
	}
	return lines;
}

/* Bytes of the first 'lines' lines; fewer lines are OD_ETRUNC. */
static enum od_status
find_line(const char *path, int64_t lines, off_t *at, struct od_error *err)
{
	struct od_map m = OD_MAP_INIT;
	enum od_status st = od_map_open(&m, path, err);
	const char *s = m.data, *end = s + m.n;
	int64_t left = lines;

	if (st != OD_OK)
		return st;
	while (left > 0 && s < end && (s = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		left--;
		s++;
	}
	*at = left > 0 ? 0 : (off_t)(s - (const char *)m.data);
	od_map_close(&m);
	if (left > 0)
		return od_fail(err, OD_ETRUNC, "%s: the log has %lld lines less than when the checkpoint was made", path,
			(long long)left);
	return OD_OK;
}

enum od_status
od_log_open(struct od_log *l, const char *dir, const char *name, int64_t lines, const char *copy, struct od_error *err)
{
	off_t at = 0;

	*l = (struct od_log){ .fd = -1, .copy = -1, .lines = lines };
	l->path = od_path_join(dir, name);
	if (!l->path)
		return od_fail_nomem(err, "a path", strlen(dir));
	l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (l->fd < 0)
		return od_fail_sys(err, errno, "cannot create '%s'", l->path);
	if (lines > 0 && find_line(l->path, lines, &at, err) != OD_OK)
		return err ? err->status : OD_ETRUNC;
	if (ftruncate(l->fd, at) < 0)
		return od_fail_sys(err, errno, "cannot truncate '%s'", l->path);
	return copy ? open_copy(l, copy, err) : OD_OK;
}

enum od_status
od_log_write(struct od_log *l, const struct od_buf *b, struct od_error *err)
{
	enum od_status st;

	if (!od_buf_ok(b))
		return od_fail_nomem(err, "a log", b->len);
	st = od_write_all(l->fd, b->data, b->len, l->path, err);
	if (st == OD_OK && b->len)
		l->lines += count_lines(b->data, b->len);
	return st;
}

enum od_status
od_log_copy(struct od_log *l, const struct od_buf *b, bool *reader_left, struct od_error *err)
{
	struct od_error local = OD_ERROR_INIT;
	enum od_status st;

	*reader_left = false;
	if (l->copy < 0 || l->copy_broken)
		return OD_OK;
	st = od_write_all(l->copy, b->data, b->len, l->copy_name, &local);
	if (st == OD_ESYS && local.sys == EPIPE) {
		l->copy_broken = *reader_left = true;
		return OD_OK;
	}
	if (st != OD_OK && err)
		*err = local;
	return st;
}

enum od_status
od_log_sync(const struct od_log *l, struct od_error *err)
{
	return fsync(l->fd) < 0 ? od_fail_sys(err, errno, "cannot sync '%s'", l->path) : OD_OK;
}

enum od_status
od_log_close(struct od_log *l, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (l->path && l->fd >= 0 && close(l->fd) < 0)
		st = od_fail_sys(err, errno, "cannot write '%s'", l->path);
	if (l->path && l->copy >= 0 && close(l->copy) < 0 && st == OD_OK)
		st = od_fail_sys(err, errno, "cannot write '%s'", l->copy_name);
	free(l->path);
	*l = (struct od_log){ .fd = -1, .copy = -1 };
	return st;
}
