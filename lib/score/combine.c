#include "score/combine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "pref/candidates.h"

#define WINDOW 256

const char *const od_combine_names[] = { "mean", "min", "product", "rank", "zscore", NULL };

struct term {
	char *name;
	double weight;
	char *block;                               /* the first record's score block of that name, without its version */
};

struct combine {
	struct od_response_expert base;            /* first */
	enum od_combine_how how;
	struct term *terms;
	size_t n, cap;
	double *values;                            /* [responses of a record][n] */
	size_t cap_values;
};

/* ---- opening ------------------------------------------------------------------------------------------------------------ */

static void
combine_close(struct od_response_expert *e)
{
	struct combine *c = (struct combine *)e;

	for (size_t k = 0; k < c->n; k++) {
		free(c->terms[k].name);
		free(c->terms[k].block);
	}
	free(c->terms);
	free(c->values);
	free(c);
}

static void
combine_describe(const struct od_response_expert *e, struct od_buf *out)
{
	const struct combine *c = (const struct combine *)e;

	od_buf_printf(out, ",\"how\":\"%s\",\"weights\":{", od_combine_names[c->how]);
	for (size_t k = 0; k < c->n; k++) {
		if (k)
			od_buf_char(out, ',');
		od_buf_json_string(out, c->terms[k].name, strlen(c->terms[k].name));
		od_buf_char(out, ':');
		od_buf_json_double(out, c->terms[k].weight);
	}
	od_buf_char(out, '}');
}

/* NAME or NAME=W, text[0, n). */
static enum od_status
add_term(struct combine *c, const char *text, size_t n, struct od_error *err)
{
	const char *equals = memchr(text, '=', n);
	size_t name = equals ? (size_t)(equals - text) : n;
	struct term t = { .weight = 1 };
	char *number = equals ? od_strndup(equals + 1, n - name - 1) : NULL;
	bool good = name > 0 && (!equals || (number && od_num_double(number, &t.weight) && t.weight > 0 && isfinite(t.weight)));

	free(number);
	if (!good)
		return od_fail(err, OD_EUSAGE, "weights must be NAME=W,... with W above 0, not '%.*s'", (int)n, text);
	for (size_t k = 0; k < c->n; k++)
		if (strlen(c->terms[k].name) == name && memcmp(c->terms[k].name, text, name) == 0)
			return od_fail(err, OD_EUSAGE, "weights name '%s' twice", c->terms[k].name);
	t.name = od_strndup(text, name);
	if (!t.name || !od_grow(&c->terms, &c->cap, c->n + 1, sizeof *c->terms)) {
		free(t.name);
		return od_fail_nomem(err, "weights", n);
	}
	c->terms[c->n++] = t;
	return OD_OK;
}

static enum od_status
parse_weights(struct combine *c, const char *text, struct od_error *err)
{
	enum od_status st = OD_OK;

	while (st == OD_OK) {
		size_t n = strcspn(text, ",");

		st = add_term(c, text, n, err);
		if (!text[n])
			break;
		text += n + 1;
	}
	return st;
}

/* ---- the named scores of a record ---------------------------------------------------------------------------------------- */

/* The names there are, for a message. */
static void
list_names(const json_t *scores, struct od_buf *out)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)scores, name, value)
		od_buf_printf(out, "%s%s", out->len ? ", " : "", name);
	if (!out->len)
		od_buf_str(out, "none");
}

/* *value: NaN when the expert could not score it. OD_EFORMAT when there is nothing under the name. */
static enum od_status
read_value(const struct od_ask *a, const char *name, double *value, struct od_error *err)
{
	const json_t *scores = od_candidate_get(a->record, a->index, "scores"), *v = json_object_get(scores, name);
	struct od_buf names = OD_BUF_INIT;

	*value = NAN;
	if (!v) {
		list_names(scores, &names);
		od_fail(err, OD_EFORMAT, "no score named '%s' (there are: %s)", name, od_buf_ok(&names) ? names.data : "?");
		od_buf_release(&names);
		return OD_EFORMAT;
	}
	if (json_is_null(v))
		return od_fail(err, OD_EFORMAT, "expert '%s' has no score for it", name);
	if (!json_is_number(v))
		return od_fail(err, OD_EFORMAT, "score '%s' must be a number, not %s", name, od_json_type_name(v));
	*value = json_number_value(v);
	return isfinite(*value) ? OD_OK : od_fail(err, OD_EFORMAT, "score '%s' is not finite", name);
}

/* A named score means one thing in the whole stream. */
static enum od_status
check_block(struct term *t, const struct od_ask *a, struct od_error *err)
{
	json_t *block = json_copy(json_object_get(json_object_get(a->record, "scores"), t->name));
	char *text = NULL;
	enum od_status st = OD_OK;

	json_object_del(block, "version");
	text = json_dumps(block, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	json_decref(block);
	if (!text)
		text = od_strdup("no score block");
	if (!text)
		return od_fail_nomem(err, "a score block", 0);
	if (t->block && strcmp(text, t->block) != 0)
		st = od_fail(err, OD_EMISMATCH, "record%s%s: scores named '%s' were made in another way than those before: %s after %s",
			*a->id ? " " : "", a->id, t->name, text, t->block);
	if (t->block)
		free(text);
	else
		t->block = text;
	return st;
}

/* ---- combining ---------------------------------------------------------------------------------------------------------- */

/* Values of one expert, v[n] a stride apart, become ranks from 0 to 1. What is NaN has none. */
static void
to_ranks(const double *v, double *out, size_t n, size_t stride)
{
	for (size_t i = 0; i < n; i++) {
		size_t below = 0, equal = 0, others = 0;

		for (size_t j = 0; j < n; j++) {
			below += v[j * stride] < v[i * stride];
			equal += j != i && v[j * stride] == v[i * stride];
			others += j != i && !isnan(v[j * stride]);
		}
		out[i * stride] = isnan(v[i * stride]) ? NAN : others ? ((double)below + 0.5 * (double)equal) / (double)others : 0.5;
	}
}

static void
to_zscores(const double *v, double *out, size_t n, size_t stride)
{
	double sum = 0, squares = 0, count = 0, mean, sd, least = INFINITY, most = -INFINITY;

	for (size_t i = 0; i < n; i++) {
		if (isnan(v[i * stride]))
			continue;
		count++;
		sum += v[i * stride];
		least = fmin(least, v[i * stride]);
		most = fmax(most, v[i * stride]);
	}
	mean = sum / count;
	for (size_t i = 0; i < n; i++)
		squares += isnan(v[i * stride]) ? 0 : (v[i * stride] - mean) * (v[i * stride] - mean);
	sd = sqrt(squares / count);
	for (size_t i = 0; i < n; i++)           /* (rounding may leave a deviation where there is none) */
		out[i * stride] = isnan(v[i * stride]) ? NAN : least == most ? 0 : (v[i * stride] - mean) / sd;
}

static double
weighted_mean(const struct combine *c, const double *v)
{
	double sum = 0, weights = 0;

	for (size_t k = 0; k < c->n; k++) {
		sum += c->terms[k].weight * v[k];
		weights += c->terms[k].weight;
	}
	return sum / weights;
}

static enum od_status
combine_one(const struct combine *c, const double *v, double *out, struct od_error *err)
{
	if (c->how == OD_COMBINE_MIN) {
		*out = INFINITY;
		for (size_t k = 0; k < c->n; k++)
			*out = fmin(*out, c->terms[k].weight * v[k]);
	} else if (c->how == OD_COMBINE_PRODUCT) {
		*out = 1;
		for (size_t k = 0; k < c->n; k++) {
			if (v[k] < 0)
				return od_fail(err, OD_EFORMAT, "score '%s' is %g: a product needs scores that are not negative",
					c->terms[k].name, v[k]);
			*out *= pow(v[k], c->terms[k].weight);
		}
	} else {
		*out = weighted_mean(c, v);
	}
	return OD_OK;
}

/* The n responses of one record. */
static enum od_status
combine_record(struct combine *c, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	double *raw, *relative;
	enum od_status st = OD_OK;

	if (!od_grow(&c->values, &c->cap_values, 2 * n * c->n, sizeof *c->values))
		return od_fail_nomem(err, "named scores", 2 * n * c->n * sizeof *c->values);
	raw = c->values;
	relative = raw + n * c->n;
	for (size_t k = 0; st == OD_OK && k < c->n; k++) {
		for (size_t i = 0; i < n; i++) {
			struct od_answer *a = &answers[i];
			enum od_status read = read_value(&asks[i], c->terms[k].name, &raw[i * c->n + k], a->status == OD_OK ? &a->err : NULL);

			a->status = a->status == OD_OK ? read : a->status;
		}
		if (c->how == OD_COMBINE_RANK)
			to_ranks(raw + k, relative + k, n, c->n);
		else if (c->how == OD_COMBINE_ZSCORE)
			to_zscores(raw + k, relative + k, n, c->n);
		st = check_block(&c->terms[k], &asks[0], err);
	}
	if (c->how != OD_COMBINE_RANK && c->how != OD_COMBINE_ZSCORE)
		relative = raw;
	for (size_t i = 0; st == OD_OK && i < n; i++)
		if (answers[i].status == OD_OK)
			answers[i].status = combine_one(c, relative + i * c->n, &answers[i].score, &answers[i].err);
	return st;
}

static enum od_status
combine_score(struct od_response_expert *e, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (size_t first = 0, next; st == OD_OK && first < n; first = next) {
		for (next = first + 1; next < n && asks[next].record == asks[first].record;)
			next++;
		st = combine_record((struct combine *)e, asks + first, next - first, answers + first, err);
	}
	return st;
}

enum od_status
od_combine_open(struct od_response_expert **out, const char *weights, enum od_combine_how how, struct od_error *err)
{
	struct combine *c = calloc(1, sizeof *c);
	enum od_status st;

	if (!c)
		return od_fail_nomem(err, "an expert", sizeof *c);
	c->base = (struct od_response_expert){ .name = "combine", .window = WINDOW, .score = combine_score,
		.describe = combine_describe, .close = combine_close };
	c->how = how;
	st = parse_weights(c, weights, err);
	if (st != OD_OK) {
		combine_close(&c->base);
		return st;
	}
	*out = &c->base;
	return OD_OK;
}
