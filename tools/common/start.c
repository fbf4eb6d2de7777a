/* start.c -- the first and the last thing a tool does. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/common/options.h"

const struct od_tool *od_cli_tool;

/* A tool started with a standard descriptor closed would get it for the first file it opens, and write its messages
 * there. A descriptor opened the wrong way round keeps the place and makes every use of it fail. */
static void
hold_standard_descriptors(void)
{
	static const int mode[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode[fd]) != fd)
			_exit(1);
}

/* A parent may have ignored or blocked SIGPIPE (Python's subprocess does), which a child inherits. */
static void
restore_sigpipe(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static char stdout_buffer[64 << 10];               /* (the C library heeds a size with memory of the caller's only) */

void
od_cli_begin(const struct od_tool *tool, struct od_common_options *c)
{
	const char *framed = getenv("OD_FRAMED");

	od_cli_tool = tool;
	hold_standard_descriptors();
	restore_sigpipe();
	setvbuf(stderr, NULL, _IOLBF, 0);
	if (!isatty(STDOUT_FILENO))                        /* one write at the end, whose error is then known */
		setvbuf(stdout, stdout_buffer, _IOFBF, sizeof stdout_buffer);
	if (c)
		c->framed = framed && *framed && strcmp(framed, "0") != 0;
}

static int
exit_code(enum od_status st)
{
	switch (st) {
	case OD_OK:
	case OD_EOF:
		return 0;
	case OD_EUSAGE:
	case OD_EEXIST:
		return 2;
	case OD_EFORMAT:
	case OD_ETRUNC:
	case OD_EMISMATCH:
		return 3;
	case OD_ESERVICE:
		return 5;
	case OD_ESYS:
	case OD_ENOMEM:
	case OD_ENUMERIC:
	case OD_EINTERRUPT:
	case OD_ESUPPORT:
		break;
	}
	return 1;
}

/* Ends the process by a signal as its default action would, so that a shell sees what happened. */
static void
die_of(int sig)
{
	sigset_t set;

	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
}

/* Closes stdout; a write that failed late, on a full disk, shows only here. */
static enum od_status
close_stdout(struct od_error *err)
{
	bool failed = ferror(stdout);

	errno = 0;
	if (fclose(stdout) == 0 && !failed)
		return OD_OK;
	return od_fail_sys(err, errno ? errno : EIO, "cannot write '<stdout>'");
}

void
od_cli_report(struct od_error *err)
{
	bool told = err->status == OD_OK || err->status == OD_EOF || (err->status == OD_ESYS && err->sys == EPIPE);

	if (!told && err->msg[0])
		od_cli_print_error(err->msg);
	if (!told)
		err->msg[0] = '\0';
}

int
od_cli_end(const struct od_error *err, int64_t skipped)
{
	struct od_error late = OD_ERROR_INIT;

	if (close_stdout(&late) != OD_OK && (!err || err->status == OD_OK || err->status == OD_EOF))
		err = &late;
	if (!err || err->status == OD_OK || err->status == OD_EOF)
		return skipped > 0 ? 4 : 0;
	if (err->status == OD_ESYS && err->sys == EPIPE)
		die_of(SIGPIPE);
	if (err->msg[0])
		od_cli_print_error(err->msg);
	if (err->status == OD_EINTERRUPT)
		die_of(err->sys);
	return exit_code(err->status);
}

enum od_status
od_cli_binary_stdout(struct od_error *err)
{
	if (isatty(STDOUT_FILENO))
		return od_fail(err, OD_EUSAGE, "the output is binary and standard output is a terminal; send it to a file or pipe");
	return OD_OK;
}
