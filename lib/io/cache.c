#include "io/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/atomic.h"
#include "io/stream.h"

#define DIGEST 32
#define HEAD "{\"key\":\""
#define MIDDLE "\",\"answer\":"
#define HEAD_LEN (sizeof(HEAD) - 1)
#define ANSWER_AT (HEAD_LEN + 2 * DIGEST + sizeof(MIDDLE) - 1)      /* where an entry's answer begins */
#define CHUNK ((size_t)1 << 20)
#define MAX_LINE ((size_t)64 << 20)

/* An entry of the table; len 0: free. */
struct slot {
	unsigned char digest[DIGEST];
	int64_t at;                        /* of the answer in the file */
	int64_t len;
};

struct od_cache {
	int fd;
	char *path;
	int64_t read_to;                   /* what has been looked at: always the start of a line */
	struct slot *slots;
	size_t n_slots, used;              /* n_slots is a power of two */
	int64_t entries, damaged;
	struct od_buf chunk;
};

/* ---- the table ---------------------------------------------------------------------------------------------------------- */

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_digest(const char *hex, unsigned char out[DIGEST])
{
	for (size_t i = 0; i < DIGEST; i++) {
		int high = hex_digit(hex[2 * i]), low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* The slot of a digest, or the free one where it would go. (A digest is its own hash.) */
static struct slot *
find(struct slot *slots, size_t n, const unsigned char digest[DIGEST])
{
	uint64_t h;
	size_t i;

	memcpy(&h, digest, sizeof(h));
	for (i = (size_t)h & (n - 1); slots[i].len && memcmp(slots[i].digest, digest, DIGEST) != 0;)
		i = (i + 1) & (n - 1);
	return &slots[i];
}

static enum od_status
make_room(struct od_cache *c, struct od_error *err)
{
	size_t n = c->n_slots ? 2 * c->n_slots : 1024;
	struct slot *more = NULL;
	enum od_status st;

	if (c->n_slots && 4 * (c->used + 1) <= 3 * c->n_slots)
		return OD_OK;
	st = od_alloc(&more, n, sizeof(*more), "the table of a cache", err);
	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < c->n_slots; i++)
		if (c->slots[i].len)
			*find(more, n, c->slots[i].digest) = c->slots[i];
	free(c->slots);
	c->slots = more;
	c->n_slots = n;
	return OD_OK;
}

/* Enters a line [at, at + n) of the file, its newline not counted. */
static enum od_status
enter(struct od_cache *c, const char *line, size_t n, int64_t at, struct od_error *err)
{
	unsigned char digest[DIGEST];
	enum od_status st;
	struct slot *s;

	if (!n)
		return OD_OK;
	if (n < ANSWER_AT + 2 || memcmp(line, HEAD, HEAD_LEN) != 0 || !read_digest(line + HEAD_LEN, digest) ||
		memcmp(line + HEAD_LEN + 2 * DIGEST, MIDDLE, sizeof(MIDDLE) - 1) != 0 || line[n - 1] != '}') {
		c->damaged++;
		return OD_OK;
	}
	st = make_room(c, err);
	if (st != OD_OK)
		return st;
	c->entries++;
	s = find(c->slots, c->n_slots, digest);
	c->used += !s->len;
	memcpy(s->digest, digest, DIGEST);
	s->at = at + (int64_t)ANSWER_AT;
	s->len = (int64_t)(n - ANSWER_AT - 1);
	return OD_OK;
}

/* ---- the file ----------------------------------------------------------------------------------------------------------- */

/* Up to n bytes at `at` appended to c->chunk; *got 0 at the end of the file. */
static enum od_status
read_at(struct od_cache *c, int64_t at, size_t n, size_t *got, struct od_error *err)
{
	char *to = od_buf_reserve(&c->chunk, n);
	ssize_t r;

	if (!to)
		return od_fail_nomem(err, "a cache", n);
	do
		r = pread(c->fd, to, n, (off_t)at);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return od_fail_sys(err, errno, "cannot read '%s'", c->path);
	c->chunk.len += (size_t)r;
	*got = (size_t)r;
	return OD_OK;
}

/* Enters the whole lines of c->chunk, which begins at c->read_to, and takes them out. */
static enum od_status
enter_lines(struct od_cache *c, struct od_error *err)
{
	const char *base = c->chunk.data;
	size_t done = 0;
	enum od_status st = OD_OK;

	while (st == OD_OK && done < c->chunk.len) {
		const char *end = memchr(base + done, '\n', c->chunk.len - done);

		if (!end)
			break;
		st = enter(c, base + done, (size_t)(end - base) - done, c->read_to + (int64_t)done, err);
		done = (size_t)(end - base) + 1;
	}
	memmove(c->chunk.data, base + done, c->chunk.len - done);
	c->chunk.len -= done;
	c->read_to += (int64_t)done;
	return st;
}

/* Looks at what has been appended since the last time. */
static enum od_status
catch_up(struct od_cache *c, struct od_error *err)
{
	enum od_status st = OD_OK;
	struct stat file;
	size_t got = 1;

	if (fstat(c->fd, &file) < 0)
		return od_fail_sys(err, errno, "cannot examine '%s'", c->path);
	od_buf_clear(&c->chunk);
	while (st == OD_OK && got && c->read_to + (int64_t)c->chunk.len < (int64_t)file.st_size) {
		if (c->chunk.len > MAX_LINE)
			return od_fail(err, OD_EFORMAT, "'%s' is no cache of answers: a line of more than %zu bytes", c->path, MAX_LINE);
		st = read_at(c, c->read_to + (int64_t)c->chunk.len, CHUNK, &got, err);
		if (st == OD_OK)
			st = enter_lines(c, err);
	}
	return st;
}

enum od_status
od_cache_get(struct od_cache *c, const char key[OD_HASH_HEX], json_t **answer, struct od_error *err)
{
	unsigned char digest[DIGEST];
	struct slot *s;
	enum od_status st = OD_OK;
	size_t got = 1;

	*answer = NULL;
	if (!read_digest(key, digest))
		return od_fail(err, OD_EUSAGE, "'%.64s' is no key of a cache", key);
	if (!c->n_slots || !find(c->slots, c->n_slots, digest)->len)
		st = catch_up(c, err);
	if (st != OD_OK || !c->n_slots)
		return st;
	s = find(c->slots, c->n_slots, digest);
	od_buf_clear(&c->chunk);
	while (st == OD_OK && got && (int64_t)c->chunk.len < s->len)
		st = read_at(c, s->at + (int64_t)c->chunk.len, (size_t)(s->len - (int64_t)c->chunk.len), &got, err);
	if (st == OD_OK && s->len)
		*answer = json_loadb(c->chunk.data, c->chunk.len, JSON_DECODE_ANY, NULL);      /* NULL: torn, and asked again */
	return st;
}

/* Under the lock: a torn line at the end, of a writer that was killed, gets its newline. */
static enum od_status
close_torn_line(struct od_cache *c, struct od_buf *line, struct od_error *err)
{
	struct stat file;
	char last = '\n';

	if (fstat(c->fd, &file) < 0)
		return od_fail_sys(err, errno, "cannot examine '%s'", c->path);
	if (file.st_size > 0 && pread(c->fd, &last, 1, file.st_size - 1) != 1)
		return od_fail_sys(err, errno, "cannot read '%s'", c->path);
	if (last != '\n')
		od_buf_char(line, '\n');
	return OD_OK;
}

enum od_status
od_cache_put(struct od_cache *c, const char key[OD_HASH_HEX], const json_t *answer, struct od_error *err)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY);
	struct od_buf line = OD_BUF_INIT;
	enum od_status st = OD_OK;

	if (flock(c->fd, LOCK_EX) < 0)
		st = od_fail_sys(err, errno, "cannot lock '%s'", c->path);
	if (st == OD_OK)
		st = close_torn_line(c, &line, err);
	if (st == OD_OK && text)
		od_buf_printf(&line, HEAD "%s" MIDDLE, key);
	if (st == OD_OK && text) {
		od_buf_str(&line, text);
		od_buf_str(&line, "}\n");
	}
	if (st == OD_OK && (!text || !od_buf_ok(&line)))
		st = od_fail_nomem(err, "an answer", 0);
	if (st == OD_OK)
		st = od_write_all(c->fd, line.data, line.len, c->path, err);
	(void)flock(c->fd, LOCK_UN);
	od_buf_release(&line);
	free(text);
	return st;
}

enum od_status
od_cache_open(struct od_cache **out, const char *dir, struct od_error *err)
{
	struct od_cache *c = NULL;
	enum od_status st = od_make_dir(dir, err);

	if (st == OD_OK)
		st = od_alloc(&c, 1, sizeof(*c), "a cache", err);
	if (st != OD_OK)
		return st;
	c->path = od_path_join(dir, "answers.jsonl");
	if (!c->path)
		st = od_fail_nomem(err, "a path", strlen(dir));
	c->fd = c->path ? open(c->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
	if (st == OD_OK && c->fd < 0)
		st = od_fail_sys(err, errno, "cannot open '%s'", c->path);
	if (st == OD_OK)
		st = catch_up(c, err);
	if (st == OD_OK)
		*out = c;
	else
		od_cache_close(c);
	return st;
}

int64_t
od_cache_entries(const struct od_cache *c)
{
	return c->entries;
}

int64_t
od_cache_damaged(const struct od_cache *c)
{
	return c->damaged;
}

void
od_cache_close(struct od_cache *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c->path);
	free(c->slots);
	od_buf_release(&c->chunk);
	free(c);
}
