/* atomic.h -- files and directories that are either complete or not there.
 *
 * Both are written under a temporary name beside the target, fsynced, renamed, and the parent directory fsynced. A
 * failure or a crash leaves at most the temporary, which a later begin of the same target removes.
 */
#ifndef OD_IO_ATOMIC_H
#define OD_IO_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "io/stream.h"

struct od_atomic_file {
	char *path, *temp;
	struct od_out *out;                        /* write here */
};

#define OD_ATOMIC_FILE_INIT { NULL, NULL, NULL }

OD_MUST_CHECK enum od_status od_atomic_file_begin(struct od_atomic_file *f, const char *path, struct od_error *err);
OD_MUST_CHECK enum od_status od_atomic_file_commit(struct od_atomic_file *f, struct od_error *err);
void od_atomic_file_release(struct od_atomic_file *f);      /* no-op after commit; removes the temporary otherwise */

/* Writes n bytes to path atomically. */
OD_MUST_CHECK enum od_status od_atomic_write(const char *path, const void *bytes, size_t n, struct od_error *err);

struct od_atomic_dir {
	char *path, *temp;                         /* write files under 'temp' */
};

#define OD_ATOMIC_DIR_INIT { NULL, NULL }

OD_MUST_CHECK enum od_status od_atomic_dir_begin(struct od_atomic_dir *d, const char *path, struct od_error *err);
/* fsyncs every file in temp, then renames. With 'replace' an existing target is removed first. */
OD_MUST_CHECK enum od_status od_atomic_dir_commit(struct od_atomic_dir *d, bool replace, struct od_error *err);
void od_atomic_dir_release(struct od_atomic_dir *d);        /* no-op after commit; removes the temporary otherwise */

OD_MUST_CHECK enum od_status od_remove_tree(const char *path, struct od_error *err);   /* a missing path is fine */
OD_MUST_CHECK enum od_status od_make_dir(const char *path, struct od_error *err);      /* existing is fine */
OD_MUST_CHECK enum od_status od_copy_file(const char *from, const char *to, struct od_error *err);
bool od_path_exists(const char *path);
/* dir + "/" + name, malloc'd; NULL when memory is short. */
char *od_path_join(const char *dir, const char *name);

#endif
