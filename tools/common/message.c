/* message.c -- lines on stderr. Several tools of a pipeline share one terminal: each line names its tool and is written
 * by one write(2), so that lines do not mix. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/common/options.h"

static bool quiet, muted;
static int own_stdout = -1;                      /* while muted: where standard output leads otherwise */

void
od_cli_set_quiet(bool on)
{
	quiet = on;
}

bool
od_cli_is_quiet(void)
{
	return quiet || muted;
}

void
od_cli_mute(bool on)
{
	int nowhere = on && own_stdout < 0 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;

	muted = on;
	fflush(stdout);
	if (nowhere >= 0) {
		own_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		dup2(nowhere, STDOUT_FILENO);
		close(nowhere);
	} else if (!on && own_stdout >= 0) {
		dup2(own_stdout, STDOUT_FILENO);
		close(own_stdout);
		own_stdout = -1;
	}
}

/* A line longer than the buffer is cut; its newline is not. */
static void
print_line(const char *kind, const char *fmt, va_list ap)
{
	char line[4096];
	int n, head;

	if (muted)
		return;
	head = snprintf(line, sizeof line, "%s%s: %s", od_progress_wipe(), od_cli_tool ? od_cli_tool->name : "omni-dpo", kind);
	n = vsnprintf(line + head, sizeof line - (size_t)head - 1, fmt, ap);
	n = n < 0 ? 0 : n;
	n = head + n < (int)sizeof line - 2 ? head + n : (int)sizeof line - 2;
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n);      /* nobody is left to tell when stderr is gone */
}

void
od_note(const char *fmt, ...)
{
	va_list ap;

	if (quiet)
		return;
	va_start(ap, fmt);
	print_line("", fmt, ap);
	va_end(ap);
}

void
od_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line("warning: ", fmt, ap);
	va_end(ap);
}

static void OD_PRINTF(1, 2)
print_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line("", fmt, ap);
	va_end(ap);
}

void
od_cli_print_error(const char *msg)
{
	print_error("%s", msg);
}

int64_t
od_cli_skipped(const struct od_jsonl *r)
{
	int64_t n = od_jsonl_skipped(r);

	if (n > 0)
		od_warn("%lld malformed record%s left out, the first: %s", (long long)n, n == 1 ? "" : "s",
			od_jsonl_first_skip(r));
	return n;
}
