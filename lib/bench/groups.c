#include "bench/groups.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/jsonl.h"
#include "stats/draw.h"

/* Numbers stand before other names. */
static int
compare_names(const char *a, const char *b)
{
	double x, y;
	bool a_number = od_num_double(a, &x), b_number = od_num_double(b, &y);

	if (a_number != b_number)
		return a_number ? -1 : 1;
	return a_number && x != y ? (x > y) - (x < y) : strcmp(a, b);
}

/* A value as a group is called; NULL with a message for what cannot be one. */
static const char *
name_of(const json_t *v, char number[OD_NUM_TEXT], struct od_error *err)
{
	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_number(v)) {
		od_num_format(number, json_number_value(v));
		return number;
	}
	if (json_is_boolean(v))
		return json_is_true(v) ? "true" : "false";
	if (!v || json_is_null(v))
		return "-";
	od_fail(err, OD_EFORMAT, "it must be a string, a number or a boolean, not %s", od_json_type_name(v));
	return NULL;
}

/* Where a name stands, or should. */
static size_t
place_of(const struct od_groups *g, const char *name)
{
	size_t lo = 0, hi = g->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare_names(g->g[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

enum od_status
od_groups_add(struct od_groups *g, const json_t *value, double x, struct od_error *err)
{
	char number[OD_NUM_TEXT];
	const char *name = name_of(value, number, err);
	size_t at;

	if (!name)
		return OD_EFORMAT;
	at = place_of(g, name);
	if (at == g->n || strcmp(g->g[at].name, name) != 0) {
		char *copy = od_strdup(name);

		if (!copy || !od_grow(&g->g, &g->cap, g->n + 1, sizeof *g->g)) {
			free(copy);
			return od_fail_nomem(err, "groups", g->n);
		}
		memmove(g->g + at + 1, g->g + at, (g->n++ - at) * sizeof *g->g);
		g->g[at] = (struct od_group){ copy, OD_MOMENTS_INIT };
	}
	od_moments_add(&g->g[at].m, x);
	return OD_OK;
}

void
od_groups_release(struct od_groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->g[i].name);
	free(g->g);
	*g = (struct od_groups){ 0 };
}

void
od_groups_json(const struct od_groups *g, struct od_buf *out)
{
	od_buf_char(out, '{');
	for (size_t i = 0; i < g->n; i++) {
		od_buf_str(out, i ? "," : "");
		od_buf_json_string(out, g->g[i].name, strlen(g->g[i].name));
		od_buf_str(out, ":{\"mean\":");
		od_buf_json_double(out, od_moments_mean(&g->g[i].m));
		od_buf_str(out, ",\"se\":");
		od_buf_json_double(out, od_moments_se(&g->g[i].m));
		od_buf_printf(out, ",\"n\":%lld}", (long long)g->g[i].m.n);
	}
	od_buf_char(out, '}');
}

void
od_groups_table(const struct od_groups *g, const char *title, struct od_buf *out)
{
	struct od_table t = OD_TABLE_INIT(4, "lrrr");

	for (const char *const *h = (const char *const[]){ title, "mean", "std. error", "items", NULL }; *h != NULL; h++)
		od_table_cell(&t, *h);
	for (size_t i = 0; i < g->n; i++) {
		od_table_cell(&t, g->g[i].name);
		od_table_number(&t, od_moments_mean(&g->g[i].m), 4);
		od_table_number(&t, od_moments_se(&g->g[i].m), 2);
		od_table_cellf(&t, "%lld", (long long)g->g[i].m.n);
	}
	od_table_render(&t, out, "  ");
	od_table_release(&t);
}
