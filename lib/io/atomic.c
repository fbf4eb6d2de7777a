#include "io/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- paths ------------------------------------------------------------------------------------------------------- */

bool
od_path_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

char *
od_path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	char *path = malloc(n);

	if (path)
		snprintf(path, n, "%s/%s", dir, name);
	return path;
}

/* The target without trailing slashes and TARGET.tmp. The root and "." have no name that could be renamed to. */
static enum od_status
name_target(const char *path, char **target, char **temp, struct od_error *err)
{
	size_t n = strlen(path);
	const char *base;

	while (n > 1 && path[n - 1] == '/')
		n--;
	*target = od_strndup(path, n);
	*temp = malloc(n + sizeof ".tmp");
	if (!*target || !*temp)
		return od_fail_nomem(err, "a path", n);
	snprintf(*temp, n + sizeof ".tmp", "%s.tmp", *target);
	base = strrchr(*target, '/') ? strrchr(*target, '/') + 1 : *target;
	if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return od_fail(err, OD_EUSAGE, "cannot write '%s': not a name for a new file or directory", path);
	return OD_OK;
}

static enum od_status
fsync_path(const char *path, int flags, struct od_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	int sys = 0;

	if (fd < 0)
		return od_fail_sys(err, errno, "cannot open '%s'", path);
	/* Some file systems cannot sync a directory and say EINVAL: there is nothing more to do on them. */
	if (fsync(fd) < 0 && errno != EINVAL)
		sys = errno;
	close(fd);
	errno = sys;                                     /* for a caller that passes no err */
	return sys ? od_fail_sys(err, sys, "cannot sync '%s'", path) : OD_OK;
}

static enum od_status
fsync_parent(const char *path, struct od_error *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == path ? od_strdup("/") : slash ? od_strndup(path, (size_t)(slash - path)) : od_strdup(".");
	enum od_status st;

	if (!dir)
		return od_fail_nomem(err, "a path", strlen(path));
	st = fsync_path(dir, O_DIRECTORY, err);
	free(dir);
	return st;
}

/* Takes the lock of an open temporary. *stale: the name meanwhile means another file, open it again. */
static enum od_status
lock_temp(int fd, const char *temp, const char *target, bool *stale, struct od_error *err)
{
	struct stat here, there;

	*stale = false;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return od_fail(err, OD_EEXIST, "cannot write '%s': another process is writing it", target);
		return od_fail_sys(err, errno, "cannot lock '%s'", temp);
	}
	if (fstat(fd, &here) < 0)
		return od_fail_sys(err, errno, "cannot examine '%s'", temp);
	*stale = lstat(temp, &there) < 0 || here.st_dev != there.st_dev || here.st_ino != there.st_ino;
	return OD_OK;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static enum od_status
open_temp_file(struct od_atomic_file *f, struct od_error *err)
{
	enum od_status st;
	bool stale = true;

	while (stale) {
		f->fd = open(f->temp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
		if (f->fd < 0)
			return od_fail_sys(err, errno, "cannot create '%s'", f->temp);
		st = lock_temp(f->fd, f->temp, f->path, &stale, err);
		if (st != OD_OK || stale) {
			close(f->fd);
			f->fd = -1;
		}
		if (st != OD_OK)
			return st;
	}
	if (ftruncate(f->fd, 0) < 0)
		return od_fail_sys(err, errno, "cannot truncate '%s'", f->temp);
	return OD_OK;
}

/* A device or a FIFO: opened as it is, nothing to rename. */
static enum od_status
open_special(struct od_atomic_file *f, struct od_error *err)
{
	free(f->temp);
	f->temp = NULL;
	f->fd = open(f->path, O_WRONLY | O_CLOEXEC);
	return f->fd < 0 ? od_fail_sys(err, errno, "cannot open '%s'", f->path) : OD_OK;
}

enum od_status
od_atomic_file_begin(struct od_atomic_file *f, const char *path, struct od_error *err)
{
	struct stat old;
	enum od_status st;
	int fd;

	*f = (struct od_atomic_file)OD_ATOMIC_FILE_INIT;
	st = name_target(path, &f->path, &f->temp, err);
	if (st != OD_OK)
		goto out;
	if (stat(f->path, &old) == 0 && S_ISDIR(old.st_mode))
		st = od_fail_sys(err, EISDIR, "cannot write '%s'", f->path);
	else if (stat(f->path, &old) == 0 && !S_ISREG(old.st_mode))
		st = open_special(f, err);
	else
		st = open_temp_file(f, err);
	if (st != OD_OK)
		goto out;
	fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		st = od_fail_sys(err, errno, "cannot open '%s'", f->path);
		goto out;
	}
	st = od_out_fd(&f->out, fd, f->path, err);
	if (st != OD_OK)
		close(fd);
out:
	if (st != OD_OK)
		od_atomic_file_release(f);
	return st;
}

enum od_status
od_atomic_file_commit(struct od_atomic_file *f, struct od_error *err)
{
	enum od_status st = od_out_close(f->out, err);

	f->out = NULL;
	if (st != OD_OK || !f->temp)
		return st;
	if (fsync(f->fd) < 0)
		return od_fail_sys(err, errno, "cannot sync '%s'", f->temp);
	if (rename(f->temp, f->path) < 0)
		return od_fail_sys(err, errno, "cannot rename '%s' to '%s'", f->temp, f->path);
	free(f->temp);
	f->temp = NULL;
	return fsync_parent(f->path, err);
}

void
od_atomic_file_release(struct od_atomic_file *f)
{
	od_out_close(f->out, NULL);
	if (f->fd >= 0) {
		if (f->temp)
			unlink(f->temp);                 /* before the lock goes */
		close(f->fd);
	}
	free(f->temp);
	free(f->path);
	*f = (struct od_atomic_file)OD_ATOMIC_FILE_INIT;
}

enum od_status
od_atomic_write(const char *path, const void *bytes, size_t n, struct od_error *err)
{
	struct od_atomic_file f = OD_ATOMIC_FILE_INIT;
	enum od_status st = od_atomic_file_begin(&f, path, err);

	if (st == OD_OK)
		st = od_out_write(f.out, bytes, n, err);
	if (st == OD_OK)
		st = od_atomic_file_commit(&f, err);
	od_atomic_file_release(&f);
	return st;
}

enum od_status
od_copy_file(const char *from, const char *to, struct od_error *err)
{
	enum { CHUNK = 1 << 20 };
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	enum od_status st = OD_OK;
	char *buf = malloc(CHUNK);
	ssize_t n = 1;

	if (in < 0)
		st = od_fail_sys(err, errno, "cannot open '%s'", from);
	else if (!buf)
		st = od_fail_nomem(err, "a copy buffer", CHUNK);
	else if ((out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0)
		st = od_fail_sys(err, errno, "cannot create '%s'", to);
	while (st == OD_OK && n > 0) {
		n = read(in, buf, CHUNK);
		if (n > 0)
			st = od_write_all(out, buf, (size_t)n, to, err);
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			st = od_fail_sys(err, errno, "cannot read '%s'", from);
	}
	if (out >= 0 && close(out) < 0 && st == OD_OK)
		st = od_fail_sys(err, errno, "cannot write '%s'", to);
	if (in >= 0)
		close(in);
	free(buf);
	return st;
}

/* ---- directories ------------------------------------------------------------------------------------------------- */

static int
remove_entry(const char *path, const struct stat *sb, int type, struct FTW *at)
{
	(void)sb;
	(void)type;
	(void)at;
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

enum od_status
od_remove_tree(const char *path, struct od_error *err)
{
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
		return OD_OK;
	return od_fail_sys(err, errno, "cannot remove '%s'", path);
}

enum od_status
od_make_dir(const char *path, struct od_error *err)
{
	struct stat st;

	if (mkdir(path, 0777) == 0 || (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return OD_OK;
	return od_fail_sys(err, errno, "cannot create directory '%s'", path);
}

static int
remove_below(const char *path, const struct stat *sb, int type, struct FTW *at)
{
	return at->level == 0 ? 0 : remove_entry(path, sb, type, at);
}

enum od_status
od_atomic_dir_begin(struct od_atomic_dir *d, const char *path, struct od_error *err)
{
	enum od_status st;
	bool stale = true;

	*d = (struct od_atomic_dir)OD_ATOMIC_DIR_INIT;
	st = name_target(path, &d->path, &d->temp, err);
	while (st == OD_OK && stale) {
		st = od_make_dir(d->temp, err);
		if (st != OD_OK)
			break;
		d->fd = open(d->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (d->fd < 0 && errno == ENOENT)
			continue;
		if (d->fd < 0) {
			st = od_fail_sys(err, errno, "cannot open '%s'", d->temp);
			break;
		}
		st = lock_temp(d->fd, d->temp, d->path, &stale, err);
		if (st != OD_OK || stale) {
			close(d->fd);
			d->fd = -1;
		}
	}
	/* What an earlier run left behind. */
	if (st == OD_OK && nftw(d->temp, remove_below, 16, FTW_DEPTH | FTW_PHYS) != 0)
		st = od_fail_sys(err, errno, "cannot empty '%s'", d->temp);
	if (st != OD_OK)
		od_atomic_dir_release(d);
	return st;
}

static int
sync_entry(const char *path, const struct stat *sb, int type, struct FTW *at)
{
	(void)sb;
	(void)at;
	if (type == FTW_F || type == FTW_DP)
		return fsync_path(path, type == FTW_DP ? O_DIRECTORY : 0, NULL) == OD_OK ? 0 : -1;
	return 0;
}

/* Puts temp in the target's place. A file system without the flags of renameat2 gets the two-step form. */
static enum od_status
rename_dir(const char *temp, const char *path, bool replace, struct od_error *err)
{
	bool there = od_path_exists(path);
	unsigned flag = there ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	if (there && !replace)
		return od_fail(err, OD_EEXIST, "cannot write '%s': it exists", path);
	if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, flag) == 0)
		return there ? od_remove_tree(temp, err) : OD_OK;
	if (errno == EEXIST)
		return od_fail(err, OD_EEXIST, "cannot write '%s': it exists", path);
	if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
		return od_fail_sys(err, errno, "cannot rename '%s' to '%s'", temp, path);
	if (there && od_remove_tree(path, err) != OD_OK)
		return OD_ESYS;
	if (rename(temp, path) < 0)
		return od_fail_sys(err, errno, "cannot rename '%s' to '%s'", temp, path);
	return OD_OK;
}

enum od_status
od_atomic_dir_commit(struct od_atomic_dir *d, bool replace, struct od_error *err)
{
	enum od_status st;

	if (nftw(d->temp, sync_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
		return od_fail_sys(err, errno, "cannot sync '%s'", d->temp);
	st = rename_dir(d->temp, d->path, replace, err);
	if (st != OD_OK)
		return st;
	free(d->temp);
	d->temp = NULL;
	return fsync_parent(d->path, err);
}

void
od_atomic_dir_release(struct od_atomic_dir *d)
{
	enum od_status st = OD_OK;

	if (d->fd >= 0) {
		if (d->temp)
			st = od_remove_tree(d->temp, NULL);      /* before the lock goes */
		close(d->fd);
	}
	(void)st;                                        /* what cannot be removed, the next begin empties */
	free(d->temp);
	free(d->path);
	*d = (struct od_atomic_dir)OD_ATOMIC_DIR_INIT;
}
