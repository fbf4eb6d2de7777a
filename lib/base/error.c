#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Subjects come from files: a control character must not move a terminal's cursor. */
static void
make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static void
set_message(struct od_error *err, enum od_status status, int sys, const char *fmt, va_list ap)
{
	err->status = status;
	err->sys = sys;
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	make_printable(err->msg);
}

enum od_status
od_fail(struct od_error *err, enum od_status status, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		set_message(err, status, 0, fmt, ap);
		va_end(ap);
	}
	return status;
}

enum od_status
od_fail_sys(struct od_error *err, int sys, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (err) {
		va_start(ap, fmt);
		set_message(err, OD_ESYS, sys, fmt, ap);
		va_end(ap);
		len = strlen(err->msg);
		snprintf(err->msg + len, sizeof err->msg - len, ": %s", strerror(sys));
	}
	return OD_ESYS;
}

enum od_status
od_fail_nomem(struct od_error *err, const char *what, unsigned long long bytes)
{
	return od_fail(err, OD_ENOMEM, "cannot allocate %llu bytes for %s", bytes, what);
}

enum od_status
od_error_prefix(struct od_error *err, const char *fmt, ...)
{
	char head[512], tail[sizeof err->msg];
	va_list ap;

	if (!err)
		return OD_OK;
	va_start(ap, fmt);
	vsnprintf(head, sizeof head, fmt, ap);
	va_end(ap);
	make_printable(head);
	memcpy(tail, err->msg, sizeof tail);
	snprintf(err->msg, sizeof err->msg, "%s%.*s", head, (int)(sizeof tail - sizeof head), tail);
	return err->status;
}
