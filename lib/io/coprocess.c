#include "io/coprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define MAX_LINE ((size_t)64 << 20)
#define CHUNK ((size_t)64 << 10)

extern char **environ;

struct od_coprocess {
	const char *shown;
	double stall;
	pid_t pid;                         /* 0: it has ended and was waited for */
	int status;
	int to, from;                      /* its input and output; -1 when closed */
	struct od_buf rest;                /* read and not handed out */
};

/* ---- starting ----------------------------------------------------------------------------------------------------------- */

static enum od_status
set_nonblocking(int fd, struct od_error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return od_fail_sys(err, errno, "cannot set up a pipe");
	return OD_OK;
}

static enum od_status
spawn(struct od_coprocess *p, const char *const *argv, const int in[2], const int out[2], struct od_error *err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc)
		return od_fail_sys(err, rc, "cannot run '%s'", p->shown);
	rc = posix_spawnattr_init(&attr);
	if (rc) {
		posix_spawn_file_actions_destroy(&files);
		return od_fail_sys(err, rc, "cannot run '%s'", p->shown);
	}
	rc = posix_spawn_file_actions_adddup2(&files, in[0], 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, out[1], 1);
	if (!rc)
		rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	if (!rc)
		rc = posix_spawnp(&p->pid, argv[0], &files, &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	if (rc) {
		p->pid = 0;
		return od_fail(err, OD_ESERVICE, "cannot run '%.300s': %s", p->shown, strerror(rc));
	}
	return OD_OK;
}

enum od_status
od_coprocess_open(struct od_coprocess **out, const char *const *argv, const char *shown, double stall, struct od_error *err)
{
	struct od_coprocess *p = NULL;
	int in[2] = { -1, -1 }, back[2] = { -1, -1 };
	enum od_status st = od_alloc(&p, 1, sizeof(*p), "a coprocess", err);

	if (st != OD_OK)
		return st;
	p->shown = shown;
	p->stall = stall;
	p->to = p->from = -1;
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(back, O_CLOEXEC) < 0)
		st = od_fail_sys(err, errno, "cannot make a pipe");
	if (st == OD_OK)
		st = spawn(p, argv, in, back, err);
	if (in[0] >= 0)
		close(in[0]);
	if (back[1] >= 0)
		close(back[1]);
	p->to = in[1];
	p->from = back[0];
	if (st == OD_OK)
		st = set_nonblocking(p->to, err);
	if (st == OD_OK)
		st = set_nonblocking(p->from, err);
	if (st == OD_OK)
		*out = p;
	else
		od_coprocess_close(p);
	return st;
}

/* ---- reading and writing ------------------------------------------------------------------------------------------------ */

/* write(2), but a reader that is gone is EPIPE and no signal, whatever the tool does about SIGPIPE. */
static ssize_t
write_quietly(int fd, const char *bytes, size_t n)
{
	const struct timespec none = { 0, 0 };
	sigset_t pipe_only, before, pending;
	bool was_pending;
	ssize_t w;
	int sys;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE);
	w = write(fd, bytes, n);
	sys = errno;
	if (w < 0 && sys == EPIPE && !was_pending)
		(void)sigtimedwait(&pipe_only, NULL, &none);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = sys;
	return w;
}

/* What was left to write, less what could be written. A program that reads no more has its say before it is called dead. */
static void
write_some(struct od_coprocess *p, const char **text, size_t *n)
{
	ssize_t w = write_quietly(p->to, *text, *n);

	if (w > 0) {
		*text += w;
		*n -= (size_t)w;
	} else if (w < 0 && errno != EAGAIN && errno != EINTR) {
		*n = 0;
	}
}

/* *ended: its output is at its end. */
static enum od_status
read_some(struct od_coprocess *p, bool *ended, struct od_error *err)
{
	char *to = od_buf_reserve(&p->rest, CHUNK);
	ssize_t r;

	if (!to)
		return od_fail_nomem(err, "a coprocess's answers", p->rest.len + CHUNK);
	r = read(p->from, to, CHUNK);
	*ended = r == 0;
	if (r < 0 && errno != EAGAIN && errno != EINTR)
		return od_fail_sys(err, errno, "cannot read from '%.300s'", p->shown);
	if (r > 0)
		p->rest.len += (size_t)r;
	return OD_OK;
}

/* Waits until something can be read or, with n_left, written, and does it. OD_ESERVICE when nothing can in p->stall seconds. */
static enum od_status
move_bytes(struct od_coprocess *p, const char **text, size_t *n_left, bool *ended, struct od_error *err)
{
	struct pollfd fds[2] = { { p->from, POLLIN, 0 }, { p->to, POLLOUT, 0 } };
	int ready = poll(fds, *n_left ? 2 : 1, (int)(1e3 * p->stall));

	*ended = false;
	if (ready < 0 && errno != EINTR)
		return od_fail_sys(err, errno, "cannot wait for '%.300s'", p->shown);
	if (ready == 0)
		return od_fail(err, OD_ESERVICE, "command '%.300s' stalled: nothing for %g s; does it keep its output back?", p->shown,
			p->stall);
	if (ready > 0 && *n_left && fds[1].revents)
		write_some(p, text, n_left);
	if (ready > 0 && fds[0].revents)
		return read_some(p, ended, err);
	return OD_OK;
}

/* Waits for the process to end, at most `seconds`. Afterwards p->pid is 0 if it has. */
static void
reap(struct od_coprocess *p, double seconds)
{
	const struct timespec nap = { 0, 10000000 };

	for (int turns = (int)(seconds * 100) + 1; p->pid && turns > 0; turns--) {
		if (waitpid(p->pid, &p->status, WNOHANG) != 0)
			p->pid = 0;
		else
			nanosleep(&nap, NULL);
	}
}

/* Its output has ended before its answers were complete. */
static enum od_status
fail_dead(struct od_coprocess *p, struct od_error *err)
{
	reap(p, 1);
	if (p->pid)
		return od_fail(err, OD_ESERVICE, "command '%.300s' has closed its output", p->shown);
	if (WIFSIGNALED(p->status))
		return od_fail(err, OD_ESERVICE, "command '%.300s' was killed by signal %d", p->shown, WTERMSIG(p->status));
	return od_fail(err, OD_ESERVICE, "command '%.300s' ended with status %d", p->shown, WEXITSTATUS(p->status));
}

/* How many bytes the first `want` lines of `rest` have, and how many of them there are. */
static size_t
whole_lines(const struct od_buf *rest, size_t want, size_t *got)
{
	size_t at = 0;

	for (*got = 0; *got < want && at < rest->len; ++*got) {
		const char *end = memchr(rest->data + at, '\n', rest->len - at);

		if (!end)
			break;
		at = (size_t)(end - rest->data) + 1;
	}
	return at;
}

static enum od_status
fail_more(const struct od_coprocess *p, struct od_error *err)
{
	return od_fail(err, OD_EFORMAT, "command '%.300s' wrote more lines than it was asked for", p->shown);
}

enum od_status
od_coprocess_ask(struct od_coprocess *p, const char *text, size_t n, size_t want, struct od_buf *lines, size_t *got,
	struct od_error *err)
{
	enum od_status st = OD_OK;
	size_t len = 0, looked = 0;
	bool ended = false;

	*got = 0;
	od_buf_clear(lines);
	if (p->rest.len)
		return fail_more(p, err);
	while (st == OD_OK && (n || *got < want)) {
		st = move_bytes(p, &text, &n, &ended, err);
		if (p->rest.len > looked)
			len = whole_lines(&p->rest, want, got);
		looked = p->rest.len;
		if (st == OD_OK && *got == want && p->rest.len > len)
			st = fail_more(p, err);
		else if (st == OD_OK && p->rest.len - len > MAX_LINE)
			st = od_fail(err, OD_EFORMAT, "command '%.300s' wrote a line of more than 64 MiB", p->shown);
		else if (st == OD_OK && ended && *got < want)
			st = fail_dead(p, err);
		else if (ended)
			break;
	}
	od_buf_append(lines, p->rest.data ? p->rest.data : "", len);
	if (st == OD_OK && !od_buf_ok(lines))
		st = od_fail_nomem(err, "a coprocess's answers", len);
	od_buf_clear(&p->rest);
	return st;
}

/* ---- ending ------------------------------------------------------------------------------------------------------------- */

enum od_status
od_coprocess_finish(struct od_coprocess *p, struct od_error *err)
{
	enum od_status st = OD_OK;
	const char *nothing = "";
	size_t none = 0;
	bool ended = false;

	if (p->to >= 0)
		close(p->to);
	p->to = -1;
	while (st == OD_OK && !ended && !p->rest.len)
		st = move_bytes(p, &nothing, &none, &ended, err);
	if (st == OD_OK && p->rest.len)
		return fail_more(p, err);
	if (st != OD_OK)
		return st;
	reap(p, p->stall);
	if (p->pid)
		return od_fail(err, OD_ESERVICE, "command '%.300s' does not end", p->shown);
	return p->status ? fail_dead(p, err) : OD_OK;
}

void
od_coprocess_close(struct od_coprocess *p)
{
	if (!p)
		return;
	if (p->to >= 0)
		close(p->to);
	if (p->from >= 0)
		close(p->from);
	if (p->pid) {
		(void)kill(-p->pid, SIGKILL);
		reap(p, 5);
	}
	od_buf_release(&p->rest);
	free(p);
}
