/* options.c -- option tables: finding an option, storing a value in it, reading one back. */
#include "tools/common/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

const struct od_opt od_common_opts[] = {
	{ "threads", 0, OD_KIND_INT, offsetof(struct od_common_options, threads), "N",
	  "processor threads; 0 takes all this process may use", NULL, 0, 4096 },
	{ "quiet", 'q', OD_KIND_FLAG, offsetof(struct od_common_options, quiet), NULL,
	  "no progress and no notes; warnings and errors stay", NULL, 0, 0 },
	{ "framed", 0, OD_KIND_FLAG, offsetof(struct od_common_options, framed), NULL,
	  "open and close the output with control records, so that a cut stream is noticed (OD_FRAMED=1)", NULL, 0, 0 },
	{ "no-framed", 0, OD_KIND_NOFLAG, offsetof(struct od_common_options, framed), NULL,
	  "records only, even under OD_FRAMED=1", NULL, 0, 0 },
	{ "config", 0, OD_KIND_STR, offsetof(struct od_common_options, config), "FILE",
	  "read options from a JSON object of the same names; the command line wins", NULL, 0, 0 },
	{ "print-config", 0, OD_KIND_FLAG, offsetof(struct od_common_options, print_config), NULL,
	  "print the options as such a file and exit", NULL, 0, 0 },
	{ "help", 'h', OD_KIND_FLAG, offsetof(struct od_common_options, help), NULL, "print this and exit", NULL, 0, 0 },
	{ "version", 0, OD_KIND_FLAG, offsetof(struct od_common_options, version), NULL,
	  "print the version and those of the libraries, and exit", NULL, 0, 0 },
	OD_OPT_END
};

_Static_assert(offsetof(struct od_record_options, n_shards) == offsetof(struct od_record_options, shard) + 8,
	"OD_KIND_SHARD stores two neighbours");

const struct od_opt od_record_opts[] = {
	{ "limit", 'n', OD_KIND_INT, offsetof(struct od_record_options, limit), "N", "stop after N selected records",
	  NULL, 0, 9e18 },
	{ "shard", 0, OD_KIND_SHARD, offsetof(struct od_record_options, shard), "I/N",
	  "keep records whose position divided by N leaves I, 0 <= I < N", NULL, 0, 0 },
	OD_OPT_DOUBLE(struct od_record_options, sample, "sample", "P", 0, 1,
		"keep this share of the records, chosen by hash of id (or content)"),
	{ "seed", 0, OD_KIND_INT, offsetof(struct od_record_options, seed), "N", "seed of --sample", NULL, 0,
	  9e18 },
	OD_OPT_FLAG(struct od_record_options, invert, "invert", "keep what --sample would leave out"),
	OD_OPT_FLAG(struct od_record_options, skip_bad, "skip-bad", "leave malformed records out, exit 4 at the end"),
	OD_OPT_INT(struct od_record_options, max_skipped, "max-skipped", "N", 0, 9e18,
		"with --skip-bad, fail when more than N were left out"),
	OD_OPT_FLAG(struct od_record_options, partial, "partial", "accept a framed stream that was cut or filtered"),
	OD_OPT_FLAG(struct od_record_options, allow_empty, "allow-empty", "an input without records is no error"),
	OD_OPT_END
};

/* ---- finding ------------------------------------------------------------------------------------------------------ */

bool
od_opt_find(const struct od_opt_set *set, const char *name, size_t n, struct od_opt_ref *out)
{
	for (size_t g = 0; g < set->n; g++) {
		for (const struct od_opt *o = set->groups[g].opts; o->kind != OD_KIND_END; o++) {
			if (strlen(o->name) == n && memcmp(o->name, name, n) == 0) {
				*out = (struct od_opt_ref){ &set->groups[g], o };
				return true;
			}
		}
	}
	return false;
}

bool
od_opt_find_letter(const struct od_opt_set *set, char letter, struct od_opt_ref *out)
{
	for (size_t g = 0; g < set->n; g++) {
		for (const struct od_opt *o = set->groups[g].opts; o->kind != OD_KIND_END; o++) {
			if (o->letter == letter) {
				*out = (struct od_opt_ref){ &set->groups[g], o };
				return true;
			}
		}
	}
	return false;
}

/* Levenshtein distance of two short names; long ones are far. */
static size_t
edit_distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= 63)
		return 64;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t best = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			if (row[j + 1] + 1 < best)
				best = row[j + 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

const char *
od_opt_nearest(const struct od_opt_set *set, const char *name)
{
	size_t best = strlen(name) / 3 + 1;      /* farther than this is another word */
	const char *nearest = NULL;

	for (size_t g = 0; g < set->n; g++) {
		for (const struct od_opt *o = set->groups[g].opts; o->kind != OD_KIND_END; o++) {
			size_t d = edit_distance(name, o->name);

			if (d < best || (d == best && !nearest)) {
				best = d;
				nearest = o->name;
			}
		}
	}
	return nearest;
}

bool
od_opt_is_flag(const struct od_opt *opt)
{
	return opt->kind == OD_KIND_FLAG || opt->kind == OD_KIND_NOFLAG;
}

/* ---- storing ------------------------------------------------------------------------------------------------------ */

static void *
member(const struct od_opt_ref *r)
{
	return (char *)r->group->base + r->opt->offset;
}

static bool
has_bounds(const struct od_opt *o)
{
	return o->min != 0 || o->max != 0;
}

static bool
in_bounds(const struct od_opt *o, double v)
{
	return !has_bounds(o) || (v >= o->min && v <= o->max);
}

static enum od_status
fail_bounds(const struct od_opt *o, const char *text, struct od_error *err)
{
	char lo[OD_NUM_TEXT], hi[OD_NUM_TEXT];

	od_num_format(lo, o->min);
	od_num_format(hi, o->max);
	if (o->max >= 1e18)
		return od_fail(err, OD_EUSAGE, "option '--%s': '%s' is too small, at least %s is needed", o->name, text, lo);
	return od_fail(err, OD_EUSAGE, "option '--%s': '%s' is not between %s and %s", o->name, text, lo, hi);
}

static enum od_status
set_int(const struct od_opt_ref *r, const char *text, struct od_error *err)
{
	int64_t v;

	if (!od_num_int(text, &v))
		return od_fail(err, OD_EUSAGE, "option '--%s': '%s' is not an integer", r->opt->name, text);
	if (!in_bounds(r->opt, (double)v))
		return fail_bounds(r->opt, text, err);
	memcpy(member(r), &v, sizeof v);
	return OD_OK;
}

static enum od_status
set_double(const struct od_opt_ref *r, const char *text, struct od_error *err)
{
	double v;

	if (!od_num_double(text, &v))
		return od_fail(err, OD_EUSAGE, "option '--%s': '%s' is not a number", r->opt->name, text);
	if (!in_bounds(r->opt, v))
		return fail_bounds(r->opt, text, err);
	memcpy(member(r), &v, sizeof v);
	return OD_OK;
}

static enum od_status
set_size(const struct od_opt_ref *r, const char *text, struct od_error *err)
{
	int64_t v;

	if (!od_num_size(text, &v))
		return od_fail(err, OD_EUSAGE, "option '--%s': '%s' is not a size such as 4096, 512M or 2.5G",
			r->opt->name, text);
	if (!in_bounds(r->opt, (double)v))
		return fail_bounds(r->opt, text, err);
	memcpy(member(r), &v, sizeof v);
	return OD_OK;
}

static enum od_status
set_enum(const struct od_opt_ref *r, const char *text, struct od_error *err)
{
	struct od_buf names = OD_BUF_INIT;
	int i = 0;

	for (; r->opt->choices[i]; i++) {
		if (strcmp(r->opt->choices[i], text) == 0) {
			memcpy(member(r), &i, sizeof i);
			return OD_OK;
		}
	}
	for (i = 0; r->opt->choices[i]; i++)
		od_buf_printf(&names, "%s%s", i ? ", " : "", r->opt->choices[i]);
	od_fail(err, OD_EUSAGE, "option '--%s': '%s' is none of: %s", r->opt->name, text,
		od_buf_ok(&names) && names.len ? names.data : "");
	od_buf_release(&names);
	return OD_EUSAGE;
}

static enum od_status
set_shard(const struct od_opt_ref *r, const char *text, struct od_error *err)
{
	const char *slash = strchr(text, '/');
	char first[24] = "";
	int64_t v[2];

	if (slash && slash - text < (ptrdiff_t)sizeof first)
		memcpy(first, text, (size_t)(slash - text));
	if (!od_num_int(first, &v[0]) || !od_num_int(slash + 1, &v[1]) || v[1] < 1 || v[0] < 0 || v[0] >= v[1])
		return od_fail(err, OD_EUSAGE, "option '--%s': '%s' is not I/N with 0 <= I < N", r->opt->name, text);
	memcpy(member(r), v, sizeof v);
	return OD_OK;
}

static enum od_status
set_one(const struct od_opt_ref *r, const char *text, struct od_error *err)
{
	switch (r->opt->kind) {
	case OD_KIND_FLAG:
	case OD_KIND_NOFLAG:
		*(bool *)member(r) = r->opt->kind == OD_KIND_FLAG;
		return OD_OK;
	case OD_KIND_STR:
		memcpy(member(r), &text, sizeof text);
		return OD_OK;
	case OD_KIND_INT:    return set_int(r, text, err);
	case OD_KIND_DOUBLE: return set_double(r, text, err);
	case OD_KIND_SIZE:   return set_size(r, text, err);
	case OD_KIND_ENUM:   return set_enum(r, text, err);
	case OD_KIND_SHARD:  return set_shard(r, text, err);
	case OD_KIND_END:    break;
	}
	return OD_OK;
}

/* Marks the option as given by the user. */
static void
mark(const struct od_opt_ref *r)
{
	size_t i = (size_t)(r->opt - r->group->opts);

	if (r->group->given && i < 64)
		*r->group->given |= (uint64_t)1 << i;
}

enum od_status
od_opt_set(const struct od_opt_set *set, const char *name, const char *text, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (size_t g = 0; g < set->n && st == OD_OK; g++) {
		struct od_opt_set one = { &set->groups[g], 1 };
		struct od_opt_ref r;

		if (!od_opt_find(&one, name, strlen(name), &r))
			continue;
		st = set_one(&r, text, err);
		mark(&r);
	}
	return st;
}

/* ---- reading back ------------------------------------------------------------------------------------------------- */

static int64_t
get_int(const struct od_opt_ref *r)
{
	int64_t v;

	memcpy(&v, member(r), sizeof v);
	return v;
}

/* A number outside the bounds of its option is how a table says "not set". */
static void
number_json(struct od_buf *out, const struct od_opt *o, double v)
{
	if (in_bounds(o, v))
		od_buf_json_double(out, v);
	else
		od_buf_str(out, "null");
}

static void
int_json(struct od_buf *out, const struct od_opt *o, int64_t v)
{
	if (in_bounds(o, (double)v))
		od_buf_printf(out, "%lld", (long long)v);
	else
		od_buf_str(out, "null");
}

static void
string_json(struct od_buf *out, const char *s)
{
	if (s)
		od_buf_json_string(out, s, strlen(s));
	else
		od_buf_str(out, "null");
}

static void
enum_json(struct od_buf *out, const struct od_opt_ref *r)
{
	int i, n = 0;

	memcpy(&i, member(r), sizeof i);
	while (r->opt->choices[n])
		n++;
	string_json(out, i >= 0 && i < n ? r->opt->choices[i] : NULL);
}

void
od_opt_value_json(struct od_buf *out, const struct od_opt_ref *r)
{
	const char *s;
	int64_t pair[2];
	double d;

	switch (r->opt->kind) {
	case OD_KIND_FLAG:
	case OD_KIND_NOFLAG:
		od_buf_str(out, *(bool *)member(r) == (r->opt->kind == OD_KIND_FLAG) ? "true" : "false");
		break;
	case OD_KIND_STR:
		memcpy(&s, member(r), sizeof s);
		string_json(out, s);
		break;
	case OD_KIND_DOUBLE:
		memcpy(&d, member(r), sizeof d);
		number_json(out, r->opt, d);
		break;
	case OD_KIND_INT:
	case OD_KIND_SIZE:
		int_json(out, r->opt, get_int(r));
		break;
	case OD_KIND_ENUM:
		enum_json(out, r);
		break;
	case OD_KIND_SHARD:
		memcpy(pair, member(r), sizeof pair);
		od_buf_printf(out, "\"%lld/%lld\"", (long long)pair[0], (long long)pair[1]);
		break;
	case OD_KIND_END:
		break;
	}
}
