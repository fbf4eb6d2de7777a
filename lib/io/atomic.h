/* atomic.h -- files and directories that are either complete or not there.
 *
 * Both are written under a temporary name beside the target (TARGET.tmp), fsynced, renamed, and the parent directory
 * fsynced. A failure or a crash leaves at most the temporary, which a later begin of the same target removes. The
 * temporary is locked (flock) while it is being written: a second writer of the same target gets OD_EEXIST.
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
	int fd;                                    /* holds the lock; not for writing */
};

#define OD_ATOMIC_FILE_INIT { NULL, NULL, NULL, -1 }

/* A target that exists and is no regular file (a device, a FIFO) is written directly, without a temporary. */
OD_MUST_CHECK enum od_status od_atomic_file_begin(struct od_atomic_file *f, const char *path, struct od_error *err);
/* Closes out, then renames over an existing target. */
OD_MUST_CHECK enum od_status od_atomic_file_commit(struct od_atomic_file *f, struct od_error *err);
/* Frees; without a commit before, removes the temporary. */
void od_atomic_file_release(struct od_atomic_file *f);

/* Writes n bytes to path atomically. */
OD_MUST_CHECK enum od_status od_atomic_write(const char *path, const void *bytes, size_t n, struct od_error *err);

struct od_atomic_dir {
	char *path, *temp;                         /* write files under 'temp' */
	int fd;                                    /* holds the lock */
};

#define OD_ATOMIC_DIR_INIT { NULL, NULL, -1 }

OD_MUST_CHECK enum od_status od_atomic_dir_begin(struct od_atomic_dir *d, const char *path, struct od_error *err);
/* fsyncs every file in temp, then renames. An existing target is OD_EEXIST; with 'replace' it changes places with the
 * new directory in one step (where the file system can) and is removed afterwards. */
OD_MUST_CHECK enum od_status od_atomic_dir_commit(struct od_atomic_dir *d, bool replace, struct od_error *err);
/* Frees; without a commit before, removes the temporary. */
void od_atomic_dir_release(struct od_atomic_dir *d);

OD_MUST_CHECK enum od_status od_remove_tree(const char *path, struct od_error *err);   /* a missing path is fine */
OD_MUST_CHECK enum od_status od_make_dir(const char *path, struct od_error *err);      /* existing is fine */
/* Copies the bytes of a regular file; 'to' is created or truncated. */
OD_MUST_CHECK enum od_status od_copy_file(const char *from, const char *to, struct od_error *err);
bool od_path_exists(const char *path);                      /* anything of that name, a dangling link included */
/* dir + "/" + name, malloc'd; NULL when memory is short. */
char *od_path_join(const char *dir, const char *name);

#endif
