/* manifest.c -- see manifest.h. */
#include "bench/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const of_model[] = { "model", "name", "numerics", "outputs", "template", "url" };

bool
od_manifest_of_model(const char *member)
{
	for (size_t i = 0; i < sizeof of_model / sizeof *of_model; i++)
		if (strcmp(member, of_model[i]) == 0)
			return true;
	return false;
}

static const json_t *
member_of(const json_t *run, const char *name)
{
	const json_t *v = json_object_get(run, name);

	return json_is_null(v) ? NULL : v;
}

static bool
same_value(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))        /* 1 and 1.0 are the same temperature */
		return json_number_value(a) == json_number_value(b);
	return a == b || (a != NULL && b != NULL && json_equal(a, b));
}

static bool
draws(const json_t *run)
{
	return json_number_value(json_object_get(run, "temperature")) > 0;
}

static bool
counts(const char *name, const json_t *a, const json_t *b)
{
	if (strcmp(name, "seed") == 0)
		return draws(a) || draws(b);
	return !od_manifest_of_model(name);
}

/* The first name, of those of run, in which a and b differ, if it stands before `first`. */
static const char *
first_difference(const json_t *run, const json_t *a, const json_t *b, bool all, const char *first)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)run, name, v)
		if ((all || counts(name, a, b)) && !same_value(member_of(a, name), member_of(b, name)) &&
			(first == NULL || strcmp(name, first) < 0))
			first = name;
	return first;
}

const char *
od_manifest_differ(const json_t *a, const json_t *b, bool all)
{
	return first_difference(b, a, b, all, first_difference(a, a, b, all, NULL));
}

/* A value as text, for a message; malloc'd, NULL without memory. */
static char *
value_text(const json_t *run, const char *name)
{
	const json_t *v = member_of(run, name);

	return v == NULL ? od_strdup("not known") : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(12));
}

enum od_status
od_manifest_match(const json_t *a, const json_t *b, const char *name_a, const char *name_b, struct od_error *err)
{
	const char *name = od_manifest_differ(a, b, false);
	enum od_status st;
	char *x, *y;

	if (name == NULL)
		return OD_OK;
	x = value_text(a, name);
	y = value_text(b, name);
	if (x != NULL && y != NULL)
		st = od_fail(err, OD_EMISMATCH, "'%s' and '%s' were not made alike: '%s' is %s and %s", name_a, name_b, name, x, y);
	else
		st = od_fail_nomem(err, "a message", 64);
	free(x);
	free(y);
	return st;
}

void
od_manifest_write(const json_t *run, struct od_buf *out)
{
	char *text = run != NULL ? json_dumps(run, JSON_COMPACT) : NULL;

	if (text != NULL)
		od_buf_printf(out, ",\"run\":%s", text);
	else if (run != NULL)
		out->failed = true;
	free(text);
}
