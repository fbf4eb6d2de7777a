/* coprocess.h -- a program that answers lines with lines, over a pair of pipes.
 *
 * It runs as long as it is open, in a process group of its own; its standard error is ours. Writing and reading take turns by
 * poll(2), so neither side waits for the other for ever: a program that neither reads nor writes for `stall` seconds has failed.
 * It must not keep answers back until its input ends: awk wants fflush(), jq --unbuffered, Python -u.
 */
#ifndef OD_IO_COPROCESS_H
#define OD_IO_COPROCESS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct od_coprocess;

/* argv ends with NULL; argv[0] is looked for on the PATH. `shown` names it in messages. Both are borrowed for its life.
 * OD_ESERVICE when it cannot be run. */
OD_MUST_CHECK enum od_status od_coprocess_open(struct od_coprocess **out, const char *const *argv, const char *shown, double stall,
	struct od_error *err);

/* Writes text[n], whole lines, and reads `want` lines into `lines` (cleared before), each with its newline. *got: how many came.
 * OD_ESERVICE: it died, closed its output or stalled before all had come. OD_EFORMAT: it wrote more than it was asked for, now or
 * since the last time, or a line of over 64 MiB. */
OD_MUST_CHECK enum od_status od_coprocess_ask(struct od_coprocess *p, const char *text, size_t n, size_t want, struct od_buf *lines,
	size_t *got, struct od_error *err);

/* Ends its input and waits for it to end. OD_EFORMAT: it wrote more; OD_ESERVICE: it failed, or does not end. */
OD_MUST_CHECK enum od_status od_coprocess_finish(struct od_coprocess *p, struct od_error *err);

/* What still runs is killed, with its process group. NULL is fine. */
void od_coprocess_close(struct od_coprocess *p);

#endif
