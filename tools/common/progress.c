/* progress.c -- one line on a terminal's stderr that says how far a tool is, how fast, and when it will be done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tools/common/options.h"

#define REDRAW_SECONDS (1.0 / 6)

struct od_progress {
	const char *what, *unit;
	int64_t total;
	double started, drawn;
};

static bool on_screen;                   /* a progress line stands on the terminal */

const char *
od_progress_wipe(void)
{
	bool was = on_screen;

	on_screen = false;
	return was ? "\r\033[K" : "";
}

struct od_progress *
od_progress_begin(const char *what, int64_t total, const char *unit)
{
	struct od_progress *p;

	if (od_cli_is_quiet() || !isatty(STDERR_FILENO))
		return NULL;
	p = calloc(1, sizeof *p);
	if (p)
		*p = (struct od_progress){ what, unit, total, od_now(), 0 };
	return p;
}

int
od_cli_width(int fd)
{
	struct winsize w;

	return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

static void
append_time(struct od_buf *b, double seconds)
{
	long s = (long)(seconds + 0.5);

	if (s >= 3600)
		od_buf_printf(b, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	else
		od_buf_printf(b, "%ld:%02ld", s / 60, s % 60);
}

static void
append_bar(struct od_buf *b, double share)
{
	int filled = (int)(share * 20 + 0.5);

	od_buf_str(b, " [");
	for (int i = 0; i < 20; i++)
		od_buf_char(b, i < filled ? '#' : '.');
	od_buf_printf(b, "] %3.0f%%", 100 * share);
}

/* "training [####......]  40% 51/128 pairs, 3.2 pairs/s, 0:24 left, EXTRA" */
static void
compose(struct od_buf *b, const struct od_progress *p, int64_t done, const char *extra, double elapsed)
{
	double rate = elapsed > 0 ? (double)done / elapsed : 0;
	bool known = p->total > 0;

	od_buf_str(b, p->what);
	if (known) {
		append_bar(b, done < p->total ? (double)done / (double)p->total : 1);
		od_buf_printf(b, " %lld/%lld %s", (long long)done, (long long)p->total, p->unit);
	} else {
		od_buf_printf(b, " %lld %s", (long long)done, p->unit);
	}
	if (rate > 0)
		od_buf_printf(b, rate < 100 ? ", %.2g %s/s" : ", %.0f %s/s", rate, p->unit);
	if (rate > 0 && known && done < p->total) {
		od_buf_str(b, ", ");
		append_time(b, (double)(p->total - done) / rate);
		od_buf_str(b, " left");
	}
	if (extra)
		od_buf_printf(b, ", %s", extra);
}

void
od_progress_update(struct od_progress *p, int64_t done, const char *extra)
{
	struct od_buf b = OD_BUF_INIT;
	double t;
	size_t width;

	if (!p)
		return;
	t = od_now();
	if (t - p->drawn < REDRAW_SECONDS)
		return;
	p->drawn = t;
	od_buf_str(&b, "\r\033[K");
	width = (size_t)od_cli_width(STDERR_FILENO) - 1 + b.len;
	compose(&b, p, done, extra, t - p->started);
	if (od_buf_ok(&b)) {
		(void)!write(STDERR_FILENO, b.data, b.len < width ? b.len : width);
		on_screen = true;
	}
	od_buf_release(&b);
}

void
od_progress_end(struct od_progress *p)
{
	const char *wipe = od_progress_wipe();

	if (p && *wipe)
		(void)!write(STDERR_FILENO, wipe, strlen(wipe));
	free(p);
}
