/* stream.h -- bytes in and bytes out: the only place that opens, reads and writes data files and pipes.
 *
 * A source is named by
 *   "-"                      standard input
 *   "path"                   a file or a FIFO; opened once, never sought, so process substitution works
 *   "path.gz|.zst|.xz"       decompressed on the fly (libarchive; recognised by content, not by name)
 *   "archive.tar.zst:member" one member of a tar or zip archive ("-:member" for one on standard input); absolute paths
 *                            and '..' are refused. A file whose own name is the whole text wins
 * Reads loop over short reads and EINTR. Writes loop over short writes and EINTR, in chunks of at most 8 MiB, and a
 * write of 0 bytes is ENOSPC. No error is lost: od_out_close reports what the last flush and close(2) said.
 */
#ifndef OD_IO_STREAM_H
#define OD_IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct od_in;

/* Opens 'name' (above). The handle owns everything it needs; od_in_close releases it. */
OD_MUST_CHECK enum od_status od_in_open(struct od_in **out, const char *name, struct od_error *err);

/* A source over n bytes in memory, not copied: for tests and fuzzing. */
OD_MUST_CHECK enum od_status od_in_memory(struct od_in **out, const void *bytes, size_t n, const char *name,
	struct od_error *err);

/* Up to n bytes into buf; *got < n only at the end of the data (0: nothing left). */
OD_MUST_CHECK enum od_status od_in_read(struct od_in *in, void *buf, size_t n, size_t *got, struct od_error *err);

/* Reads what is there now: at least 1 byte unless at the end, at most n. For line readers on slow pipes. */
OD_MUST_CHECK enum od_status od_in_read_some(struct od_in *in, void *buf, size_t n, size_t *got, struct od_error *err);

/* The next bytes without consuming them: up to n <= 64, *got as in od_in_read. Tells JSONL from a tensor stream. */
OD_MUST_CHECK enum od_status od_in_peek(struct od_in *in, void *buf, size_t n, size_t *got, struct od_error *err);

/* Whether these first bytes of a source (262 are enough) begin a tar or zip archive, of which a member has to be named:
 * for messages about input that is not what it should be. */
bool od_is_archive(const void *bytes, size_t n);

/* Whether these first bytes (9 are enough) begin a binary tensor stream: a safetensors header's length is 64 bits of which
 * the upper half is zero, and no JSON text holds a zero byte. */
bool od_is_tensors(const void *bytes, size_t n);

const char *od_in_name(const struct od_in *in);          /* for messages: "<stdin>" for "-" */
int64_t od_in_offset(const struct od_in *in);            /* bytes consumed so far (after decompression) */
void od_in_close(struct od_in *in);                      /* NULL is fine */

/* The whole of 'name' (at most 'max' bytes, OD_EFORMAT beyond) into a malloc'd block with a NUL after it. */
OD_MUST_CHECK enum od_status od_in_slurp(const char *name, size_t max, char **data, size_t *len,
	struct od_error *err);

struct od_out;

/* Buffered output to an open descriptor, which od_out_close closes; 'name' is for messages. */
OD_MUST_CHECK enum od_status od_out_fd(struct od_out **out, int fd, const char *name, struct od_error *err);

/* "-" is standard output; a path is created or truncated (use lib/io/atomic.h for results that must not be half
 * there). */
OD_MUST_CHECK enum od_status od_out_open(struct od_out **out, const char *name, struct od_error *err);

OD_MUST_CHECK enum od_status od_out_write(struct od_out *out, const void *bytes, size_t n, struct od_error *err);
OD_MUST_CHECK enum od_status od_out_flush(struct od_out *out, struct od_error *err);

/* Flushes, closes, frees. Call it on every path; on error paths with err = NULL. NULL is fine (OD_OK). */
enum od_status od_out_close(struct od_out *out, struct od_error *err);

/* Writes all n bytes to fd with the rules above. */
OD_MUST_CHECK enum od_status od_write_all(int fd, const void *bytes, size_t n, const char *name, struct od_error *err);

#endif
