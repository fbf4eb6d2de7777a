/* stream.c -- sources and sinks of bytes.
 *
 * A source is a stack of at most three layers: a descriptor (or memory), the first bytes read from it to learn what it
 * is, and libarchive when those bytes say that it is compressed or when a member of an archive was asked for. Callers
 * see one buffer on top. Nothing is opened twice and nothing is sought, so pipes work everywhere.
 */
#include "io/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define IN_BLOCK ((size_t)256 << 10)
#define OUT_BLOCK ((size_t)256 << 10)
#define WRITE_MAX ((size_t)8 << 20)
#define MAX_LISTED 5                     /* members named when the one asked for is not there */

struct od_in {
	char *name;                      /* as the user wrote it, "<stdin>" for "-" */
	int fd;                          /* -1 for memory */
	const unsigned char *mem;        /* what is left of a memory source */
	size_t mem_left;
	struct archive *ar;              /* NULL: bytes are taken as they are */
	char *raw;                       /* bytes from fd on their way into libarchive */
	size_t raw_len;                  /* of them read ahead to look at the magic; 0 once handed over */
	int sys;                         /* errno of a failed read under libarchive */
	char *buf;                       /* bytes read and not yet taken: buf[pos, len) */
	size_t pos, len;
	bool eof;
	int64_t offset;
};

/* ---- the descriptor ----------------------------------------------------------------------------------------------- */

static ssize_t
read_retry(int fd, void *buf, size_t n)
{
	ssize_t got;

	do
		got = read(fd, buf, n);
	while (got < 0 && errno == EINTR);
	return got;
}

/* Fills buf as far as the data goes; -1 with errno. */
static ssize_t
read_full(int fd, char *buf, size_t n)
{
	size_t have = 0;
	ssize_t got = 1;

	while (have < n && got > 0) {
		got = read_retry(fd, buf + have, n - have);
		if (got > 0)
			have += (size_t)got;
	}
	return got < 0 ? -1 : (ssize_t)have;
}

/* libarchive pulls its input through this: the bytes looked at first, then the rest of the descriptor. */
static la_ssize_t
feed_archive(struct archive *ar, void *client, const void **block)
{
	struct od_in *in = client;
	ssize_t got = (ssize_t)in->raw_len;

	in->raw_len = 0;
	if (got == 0)
		got = read_retry(in->fd, in->raw, IN_BLOCK);
	if (got < 0) {
		in->sys = errno;
		archive_set_error(ar, errno, "%s", strerror(errno));
		return ARCHIVE_FATAL;
	}
	*block = in->raw;
	return got;
}

/* ---- what a source is --------------------------------------------------------------------------------------------- */

static bool
starts_with(const struct od_in *in, const char *magic, size_t n)
{
	return in->raw_len >= n && memcmp(in->raw, magic, n) == 0;
}

static bool
is_compressed(const struct od_in *in)
{
	return starts_with(in, "\x1f\x8b", 2) || starts_with(in, "\x28\xb5\x2f\xfd", 4) ||
		starts_with(in, "\xfd" "7zXZ\0", 6);
}

bool
od_is_archive(const void *bytes, size_t n)
{
	const char *p = bytes;
	bool zip = n >= 4 && (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "PK\5\6", 4) == 0);

	return zip || (n >= 262 && memcmp(p + 257, "ustar", 5) == 0);
}

bool
od_is_tensors(const void *bytes, size_t n)
{
	const char *p = bytes;

	return n >= 9 && memcmp(p + 4, "\0\0\0\0{", 5) == 0;
}

/* What libarchive says went wrong, with the status that fits: a file that ends early is not a malformed one. */
static enum od_status
fail_archive(struct od_in *in, struct od_error *err)
{
	const char *why = archive_error_string(in->ar);

	if (in->sys)
		return od_fail_sys(err, in->sys, "cannot read '%s'", in->name);
	if (!why)
		why = "damaged data";
	if (archive_errno(in->ar) == ENOMEM)
		return od_fail(err, OD_ENOMEM, "cannot read '%s': %s", in->name, why);
	if (strstr(why, "No progress is possible"))      /* liblzma's words for it */
		why = "truncated xz input";
	return od_fail(err, strcasestr(why, "truncated") ? OD_ETRUNC : OD_EFORMAT, "cannot read '%s': %s", in->name, why);
}

static enum od_status
start_archive(struct od_in *in, bool member, struct od_error *err)
{
	in->ar = archive_read_new();
	if (!in->ar)
		return od_fail_nomem(err, "a decompressor", 0);
	archive_read_support_filter_gzip(in->ar);
	archive_read_support_filter_xz(in->ar);
	archive_read_support_filter_zstd(in->ar);
	if (member) {
		archive_read_support_filter_bzip2(in->ar);
		archive_read_support_format_tar(in->ar);
		archive_read_support_format_zip_streamable(in->ar);
	} else {
		archive_read_support_format_raw(in->ar);
		archive_read_support_format_empty(in->ar);
	}
	if (archive_read_open(in->ar, in, NULL, feed_archive, NULL) != ARCHIVE_OK)
		return fail_archive(in, err);
	return OD_OK;
}

static enum od_status
start_compressed(struct od_in *in, struct od_error *err)
{
	struct archive_entry *entry;
	enum od_status st = start_archive(in, false, err);
	int rc;

	if (st != OD_OK)
		return st;
	rc = archive_read_next_header(in->ar, &entry);
	if (rc == ARCHIVE_EOF)
		in->eof = true;
	else if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return fail_archive(in, err);
	if (archive_filter_code(in->ar, 0) == ARCHIVE_FILTER_NONE)        /* it would hand us the bytes as they are */
		return od_fail(err, OD_EFORMAT, "cannot read '%s': the header of the compressed data is damaged", in->name);
	return OD_OK;
}

/* ---- members of archives ------------------------------------------------------------------------------------------ */

static const char *
skip_dot_slash(const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return path;
}

/* Relative, without '..' as a component. */
static bool
is_safe_member(const char *path)
{
	if (*path == '/' || *path == '\0')
		return false;
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return false;
	}
	return true;
}

static enum od_status
fail_no_member(struct od_in *in, const char *member, struct od_buf *seen, int n_seen, struct od_error *err)
{
	od_fail(err, OD_EFORMAT, "cannot open '%s': the archive has no member '%s'%s%s%s", in->name, member,
		n_seen ? "; it has " : " (it is empty)", n_seen && od_buf_ok(seen) ? seen->data : "",
		n_seen > MAX_LISTED ? ", ..." : "");
	return OD_EFORMAT;
}

/* Positions the archive at the data of 'member'. */
static enum od_status
find_member(struct od_in *in, const char *member, struct od_error *err)
{
	struct od_buf seen = OD_BUF_INIT;
	struct archive_entry *entry;
	enum od_status st = OD_OK;
	int n_seen = 0, rc;

	while ((rc = archive_read_next_header(in->ar, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		const char *path = archive_entry_pathname(entry);

		path = path ? skip_dot_slash(path) : "";
		if (strcmp(path, member) == 0) {
			if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
				st = od_fail(err, OD_EFORMAT, "cannot open '%s': the member is not a regular file",
					in->name);
			goto out;
		}
		if (archive_entry_filetype(entry) == AE_IFREG && ++n_seen <= MAX_LISTED)
			od_buf_printf(&seen, "%s'%s'", seen.len ? ", " : "", path);
	}
	st = rc == ARCHIVE_EOF ? fail_no_member(in, member, &seen, n_seen, err) : fail_archive(in, err);
out:
	od_buf_release(&seen);
	return st;
}

static enum od_status
start_member(struct od_in *in, const char *member, struct od_error *err)
{
	enum od_status st;

	member = skip_dot_slash(member);
	if (!is_safe_member(member))
		return od_fail(err, OD_EFORMAT, "cannot open '%s': a member's path must be relative and without '..'",
			in->name);
	st = start_archive(in, true, err);
	return st == OD_OK ? find_member(in, member, err) : st;
}

/* The archive:member split of a name that is no file itself: the longest prefix that is one. Returns the index of the
 * colon, or 0 when there is no such prefix. */
static size_t
find_colon(const char *name)
{
	for (size_t i = strlen(name); i-- > 1;) {
		char *archive;
		bool there;

		if (name[i] != ':' || name[i + 1] == '\0')
			continue;
		archive = od_strndup(name, i);
		there = archive && (strcmp(archive, "-") == 0 || access(archive, F_OK) == 0);
		free(archive);
		if (there)
			return i;
	}
	return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static enum od_status
new_in(struct od_in **out, const char *name, struct od_error *err)
{
	struct od_in *in = calloc(1, sizeof *in);

	if (in) {
		in->fd = -1;
		in->name = od_strdup(strcmp(name, "-") == 0 ? "<stdin>" : name);
		in->buf = malloc(IN_BLOCK);
	}
	if (!in || !in->name || !in->buf) {
		od_in_close(in);
		return od_fail_nomem(err, "an input buffer", IN_BLOCK);
	}
	*out = in;
	return OD_OK;
}

/* Opens the descriptor. Standard input is duplicated, so that closing the source closes nothing of the process. */
static enum od_status
open_fd(struct od_in *in, const char *path, struct od_error *err)
{
	if (strcmp(path, "-") == 0)
		in->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (in->fd < 0)
		return od_fail_sys(err, errno, "cannot open '%s'", in->name);
	return OD_OK;
}

/* Reads as much as the magic numbers need; a line reader on a slow pipe must not wait for more than is there. */
static enum od_status
look_at_magic(struct od_in *in, struct od_error *err)
{
	ssize_t got;

	in->raw = malloc(IN_BLOCK);
	if (!in->raw)
		return od_fail_nomem(err, "an input buffer", IN_BLOCK);
	got = read_full(in->fd, in->raw, 6);
	if (got < 0)
		return od_fail_sys(err, errno, "cannot read '%s'", in->name);
	in->raw_len = (size_t)got;
	return OD_OK;
}

static void
take_as_is(struct od_in *in)
{
	memcpy(in->buf, in->raw, in->raw_len);
	in->len = in->raw_len;
	free(in->raw);
	in->raw = NULL;
	in->raw_len = 0;
}

enum od_status
od_in_open(struct od_in **out, const char *name, struct od_error *err)
{
	size_t colon = strcmp(name, "-") == 0 || access(name, F_OK) == 0 ? 0 : find_colon(name);
	char *path = colon ? od_strndup(name, colon) : od_strdup(name);
	struct od_in *in = NULL;
	enum od_status st;

	st = path ? new_in(&in, name, err) : od_fail_nomem(err, "a file name", strlen(name));
	if (st == OD_OK)
		st = open_fd(in, path, err);
	if (st == OD_OK)
		st = look_at_magic(in, err);
	if (st == OD_OK && colon)
		st = start_member(in, name + colon + 1, err);
	else if (st == OD_OK && is_compressed(in))
		st = start_compressed(in, err);
	else if (st == OD_OK)
		take_as_is(in);
	free(path);
	if (st != OD_OK) {
		od_in_close(in);
		return st;
	}
	*out = in;
	return OD_OK;
}

enum od_status
od_in_memory(struct od_in **out, const void *bytes, size_t n, const char *name, struct od_error *err)
{
	enum od_status st = new_in(out, name, err);

	if (st == OD_OK) {
		(*out)->mem = bytes;
		(*out)->mem_left = n;
	}
	return st;
}

void
od_in_close(struct od_in *in)
{
	if (!in)
		return;
	if (in->ar)
		archive_read_free(in->ar);
	if (in->fd >= 0)
		close(in->fd);
	free(in->raw);
	free(in->buf);
	free(in->name);
	free(in);
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* The next bytes from below the buffer, straight into 'to': at least one unless at the end. */
static enum od_status
pull(struct od_in *in, void *to, size_t n, size_t *got, struct od_error *err)
{
	ssize_t r;

	*got = 0;
	if (in->eof || n == 0)
		return OD_OK;
	if (in->fd < 0) {
		r = (ssize_t)(n < in->mem_left ? n : in->mem_left);
		if (r > 0)
			memcpy(to, in->mem, (size_t)r);
		in->mem += r;
		in->mem_left -= (size_t)r;
	} else if (in->ar) {
		r = archive_read_data(in->ar, to, n);
		if (r < 0)
			return fail_archive(in, err);
	} else {
		r = read_retry(in->fd, to, n);
		if (r < 0)
			return od_fail_sys(err, errno, "cannot read '%s'", in->name);
	}
	in->eof = r == 0;
	*got = (size_t)r;
	return OD_OK;
}

enum od_status
od_in_read_some(struct od_in *in, void *buf, size_t n, size_t *got, struct od_error *err)
{
	enum od_status st = OD_OK;
	size_t have = in->len - in->pos;

	if (have > 0) {
		*got = have < n ? have : n;
		memcpy(buf, in->buf + in->pos, *got);
		in->pos += *got;
	} else {
		st = pull(in, buf, n, got, err);
	}
	if (st == OD_OK)
		in->offset += (int64_t)*got;
	return st;
}

enum od_status
od_in_read(struct od_in *in, void *buf, size_t n, size_t *got, struct od_error *err)
{
	enum od_status st = OD_OK;
	size_t part = 1;

	*got = 0;
	while (st == OD_OK && *got < n && part > 0) {
		st = od_in_read_some(in, (char *)buf + *got, n - *got, &part, err);
		if (st == OD_OK)
			*got += part;
	}
	return st;
}

/* Makes at least n bytes lie in the buffer, or all that is left. */
static enum od_status
fill(struct od_in *in, size_t n, struct od_error *err)
{
	enum od_status st = OD_OK;
	size_t part = 1;

	if (in->pos > 0) {
		memmove(in->buf, in->buf + in->pos, in->len - in->pos);
		in->len -= in->pos;
		in->pos = 0;
	}
	while (st == OD_OK && in->len < n && part > 0) {
		st = pull(in, in->buf + in->len, IN_BLOCK - in->len, &part, err);
		if (st == OD_OK)
			in->len += part;
	}
	return st;
}

enum od_status
od_in_peek(struct od_in *in, void *buf, size_t n, size_t *got, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (in->len - in->pos < n)
		st = fill(in, n, err);
	*got = in->len - in->pos < n ? in->len - in->pos : n;
	memcpy(buf, in->buf + in->pos, *got);
	return st;
}

const char *
od_in_name(const struct od_in *in)
{
	return in->name;
}

int64_t
od_in_offset(const struct od_in *in)
{
	return in->offset;
}

enum od_status
od_in_slurp(const char *name, size_t max, char **data, size_t *len, struct od_error *err)
{
	struct od_buf b = OD_BUF_INIT;
	struct od_in *in = NULL;
	enum od_status st = od_in_open(&in, name, err);
	size_t got = 1;

	while (st == OD_OK && got > 0 && b.len <= max) {
		char *to = od_buf_reserve(&b, IN_BLOCK);

		if (!to)
			st = od_fail_nomem(err, od_in_name(in), b.len + IN_BLOCK);
		else
			st = od_in_read_some(in, to, IN_BLOCK, &got, err);
		if (st == OD_OK)
			b.len += got;
	}
	if (st == OD_OK && b.len > max)
		st = od_fail(err, OD_EFORMAT, "cannot read '%s': it is larger than %zu bytes", name, max);
	od_in_close(in);
	if (st != OD_OK) {
		od_buf_release(&b);
		return st;
	}
	b.data[b.len] = '\0';                    /* od_buf_reserve left room for it */
	*data = b.data;
	*len = b.len;
	return OD_OK;
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

struct od_out {
	char *name, *buf;
	int fd;
	size_t len;
	int sys;                         /* errno of the first failed write: nothing is written after it */
};

/* All n bytes; 0 or an errno. */
static int
write_loop(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, bytes, n < WRITE_MAX ? n : WRITE_MAX);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? errno : ENOSPC;
		bytes += w;
		n -= (size_t)w;
	}
	return 0;
}

enum od_status
od_write_all(int fd, const void *bytes, size_t n, const char *name, struct od_error *err)
{
	int sys = write_loop(fd, bytes, n);

	return sys ? od_fail_sys(err, sys, "cannot write '%s'", name) : OD_OK;
}

enum od_status
od_out_fd(struct od_out **out, int fd, const char *name, struct od_error *err)
{
	struct od_out *o = calloc(1, sizeof *o);

	if (o) {
		o->fd = fd;
		o->name = od_strdup(name);
		o->buf = malloc(OUT_BLOCK);
	}
	if (!o || !o->name || !o->buf) {
		if (o) {
			free(o->name);
			free(o->buf);
		}
		free(o);
		return od_fail_nomem(err, "an output buffer", OUT_BLOCK);
	}
	*out = o;
	return OD_OK;
}

enum od_status
od_out_open(struct od_out **out, const char *name, struct od_error *err)
{
	bool std = strcmp(name, "-") == 0;
	const char *shown = std ? "<stdout>" : name;
	enum od_status st;
	int fd;

	/* A duplicate, so that the descriptor 1 of the process is not given to the next file that is opened. */
	fd = std ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
		: open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		return od_fail_sys(err, errno, "cannot open '%s' for writing", shown);
	st = od_out_fd(out, fd, shown, err);
	if (st != OD_OK)
		close(fd);
	return st;
}

static enum od_status
put(struct od_out *o, const void *bytes, size_t n, struct od_error *err)
{
	if (!o->sys)
		o->sys = write_loop(o->fd, bytes, n);
	return o->sys ? od_fail_sys(err, o->sys, "cannot write '%s'", o->name) : OD_OK;
}

enum od_status
od_out_flush(struct od_out *out, struct od_error *err)
{
	enum od_status st = put(out, out->buf, out->len, err);

	out->len = 0;
	return st;
}

enum od_status
od_out_write(struct od_out *out, const void *bytes, size_t n, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (n > OUT_BLOCK - out->len)
		st = od_out_flush(out, err);
	if (st == OD_OK && n >= OUT_BLOCK)
		return put(out, bytes, n, err);
	if (st == OD_OK && n > 0) {
		memcpy(out->buf + out->len, bytes, n);
		out->len += n;
	}
	return st;
}

enum od_status
od_out_close(struct od_out *out, struct od_error *err)
{
	enum od_status st;

	if (!out)
		return OD_OK;
	st = od_out_flush(out, err);
	if (close(out->fd) != 0 && errno != EINTR && st == OD_OK)
		st = od_fail_sys(err, errno, "cannot write '%s'", out->name);
	free(out->name);
	free(out->buf);
	free(out);
	return st;
}
