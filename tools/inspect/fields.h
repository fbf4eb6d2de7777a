/* fields.h -- the members that the records of a stream have: how many have each, of which type, in which range. */
#ifndef OD_TOOLS_INSPECT_FIELDS_H
#define OD_TOOLS_INSPECT_FIELDS_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "stats/describe.h"

#define OD_FIELDS_MAX 256                        /* names told apart; records with more have keys that are data */

enum od_field_type {
	OD_FIELD_STRING, OD_FIELD_INTEGER, OD_FIELD_REAL, OD_FIELD_BOOLEAN, OD_FIELD_ARRAY, OD_FIELD_OBJECT, OD_FIELD_NULL,
	OD_N_FIELD_TYPES
};

struct od_field {
	char *name;
	int64_t count, types[OD_N_FIELD_TYPES];
	struct od_moments number;                /* of numbers: values; of strings, arrays and objects: lengths */
};

struct od_fields {
	struct od_field *field;                  /* in order of appearance */
	size_t n, cap;
	json_t *index;                           /* name -> position */
	int64_t records, not_told;               /* members beyond OD_FIELDS_MAX names */
};

#define OD_FIELDS_INIT { NULL, 0, 0, NULL, 0, 0 }

OD_MUST_CHECK enum od_status od_fields_add(struct od_fields *f, const json_t *record, struct od_error *err);
void od_fields_table(const struct od_fields *f, struct od_buf *out);     /* for people */
void od_fields_json(const struct od_fields *f, struct od_buf *out);      /* {"prompt":{"share":1,...},...} */
void od_fields_release(struct od_fields *f);

#endif
