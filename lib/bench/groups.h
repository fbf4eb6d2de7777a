/* groups.h -- a figure by groups of items: mean and standard error for each value of a member of the data. */
#ifndef OD_BENCH_GROUPS_H
#define OD_BENCH_GROUPS_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "stats/describe.h"

struct od_group {
	char *name;
	struct od_moments m;
};

struct od_groups {
	struct od_group *g;                        /* [n] in order of name, numbers by size */
	size_t n, cap;
};

/* Counts x in the group of a value: a string, number or boolean; nothing and null are the group "-". OD_EFORMAT for others. */
OD_MUST_CHECK enum od_status od_groups_add(struct od_groups *g, const json_t *value, double x, struct od_error *err);
void od_groups_release(struct od_groups *g);

/* Appends {NAME:{"mean","se","n"},...}. */
void od_groups_json(const struct od_groups *g, struct od_buf *out);

/* The same as a table; title heads the names. */
void od_groups_table(const struct od_groups *g, const char *title, struct od_buf *out);

#endif
