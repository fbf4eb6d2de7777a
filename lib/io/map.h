/* map.h -- a regular file as read-only memory. */
#ifndef OD_IO_MAP_H
#define OD_IO_MAP_H

#include <stddef.h>

#include "base/error.h"

struct od_map {
	const void *data;          /* NULL when the file is empty */
	size_t n;
};

#define OD_MAP_INIT { NULL, 0 }

/* OD_ESYS when the file cannot be opened, OD_EFORMAT when it is no regular file. */
OD_MUST_CHECK enum od_status od_map_open(struct od_map *m, const char *path, struct od_error *err);
void od_map_close(struct od_map *m);

/* Lets go of the memory behind n bytes at p if they lie in the map; they are read again from the file when touched. */
void od_map_forget(const struct od_map *m, const void *p, size_t n);

#endif
