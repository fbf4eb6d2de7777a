/* dataset.h -- a benchmark's file whole in memory, in whichever of the forms publishers use: a JSON array of objects, or one
 * object a line; plain or compressed (stream.h).
 *
 * Lenient where their files need it: what Python writes for numbers that are none (NaN, Infinity, -Infinity, bare) is read as
 * null. Lines are read as jsonl.h says, control records included; an array must be JSON without duplicate keys.
 */
#ifndef OD_IO_DATASET_H
#define OD_IO_DATASET_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct od_dataset {
	json_t *items;                             /* an array of objects */
	int64_t n_nonfinite;                       /* bare NaN and the like, now null */
};

/* OD_EFORMAT with file and line when it is neither, holds anything but objects, or nothing. */
OD_MUST_CHECK enum od_status od_dataset_read(struct od_dataset *d, const char *name, struct od_error *err);

/* The same over n bytes in memory. */
OD_MUST_CHECK enum od_status od_dataset_parse(struct od_dataset *d, const char *text, size_t n, const char *name,
	struct od_error *err);
void od_dataset_release(struct od_dataset *d);

#endif
