/* log.h -- a log of a run: a file of its own, and a copy where the user wants one. */
#ifndef OD_TRAIN_LOG_H
#define OD_TRAIN_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct od_log {
	int fd, copy;                              /* the run's own file; the user's copy, -1: none */
	char *path;
	const char *copy_name;
	int64_t lines;
	bool copy_broken;                          /* its reader went away */
};

/* dir/name, cut back to its first 'lines'; OD_ETRUNC when it has fewer. (Lines, not bytes: clock readings have more or
 * fewer digits, and a checkpoint's state should not.) copy: "-" is standard output; a regular file is
 * made equal to the log; NULL: none. */
OD_MUST_CHECK enum od_status od_log_open(struct od_log *l, const char *dir, const char *name, int64_t lines,
	const char *copy, struct od_error *err);

/* Appends b to the run's own file. */
OD_MUST_CHECK enum od_status od_log_write(struct od_log *l, const struct od_buf *b, struct od_error *err);

/* Appends b to the copy, if there is one. A copy whose reader has gone (EPIPE) is given up; *reader_left says so, once. */
OD_MUST_CHECK enum od_status od_log_copy(struct od_log *l, const struct od_buf *b, bool *reader_left,
	struct od_error *err);

OD_MUST_CHECK enum od_status od_log_sync(const struct od_log *l, struct od_error *err);
enum od_status od_log_close(struct od_log *l, struct od_error *err);    /* fine on a log that never opened */

#endif
