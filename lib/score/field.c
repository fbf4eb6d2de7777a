#include "score/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/rng.h"

const char *const od_rating_names[] = { "fine-grained", "overall", NULL };
const char *const od_pick_names[] = { "worst", "random", NULL };

/* One data set's names. 'other' is the public data set's own name, or a second short one. */
struct schema {
	const char *name, *other[3];
	const char *prompt, *chosen, *rejected;            /* paths of the texts */
	const char *score_chosen, *score_rejected;         /* paths of the scores; LIST_EXTREMES: of the list */
	enum { TWO_FIELDS, LIST_EXTREMES, CANDIDATES } kind;
};

static const struct schema schemas[] = {
	{ "pairs", { "h4", "omni-dpo", "HuggingFaceH4/ultrafeedback_binarized" }, "prompt", "chosen", "rejected",
	  "score_chosen", "score_rejected", TWO_FIELDS },
	{ "argilla", { "argilla/ultrafeedback-binarized-preferences" }, "instruction", "chosen_response",
	  "rejected_response", "chosen_avg_rating", "rejected_avg_rating", TWO_FIELDS },
	{ "argilla-cleaned", { "argilla/ultrafeedback-binarized-preferences-cleaned" }, "prompt", "chosen", "rejected",
	  "chosen-rating", "rejected-rating", TWO_FIELDS },
	{ "armorm", { "princeton-nlp/llama3-ultrafeedback-armorm", "princeton-nlp/gemma2-ultrafeedback-armorm" }, "prompt",
	  "chosen", "rejected", "all_rm_scores", "all_rm_scores", LIST_EXTREMES },
	{ "ultrafeedback", { "openbmb/UltraFeedback" }, "instruction", "completions", "completions", NULL, NULL, CANDIDATES },
};

struct field_expert {
	struct od_expert base;
	const struct schema *schema;
	const char *chosen_field, *rejected_field;         /* NULL: by the schema's kind */
	enum od_rating rating;
	enum od_pick pick;
	uint64_t seed;
};

const char *
od_field_schemas(void)
{
	return "pairs (h4, omni-dpo), argilla, argilla-cleaned, armorm, ultrafeedback";
}

static const struct schema *
find_schema(const char *name)
{
	for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
		if (strcmp(schemas[i].name, name) == 0)
			return &schemas[i];
		for (size_t k = 0; k < 3 && schemas[i].other[k]; k++) {
			if (strcmp(schemas[i].other[k], name) == 0)
				return &schemas[i];
		}
	}
	return NULL;
}

/* ---- texts ------------------------------------------------------------------------------------------------------------ */

static enum od_status
need_text(const json_t *rec, const char *path, const json_t **out, struct od_error *err)
{
	*out = od_json_path(rec, path);
	if (!*out)
		return od_fail(err, OD_EFORMAT, "field '%s' is missing", path);
	if (!json_is_string(*out) && !json_is_array(*out))
		return od_fail(err, OD_EFORMAT, "field '%s' must be a string or a list of messages", path);
	return OD_OK;
}

/* The three texts of a pair under the schema's names. Records tokenised elsewhere carry ids in their place. */
static enum od_status
find_texts(const struct schema *s, const json_t *rec, struct od_score_result *out, struct od_error *err)
{
	enum od_status st;

	if (!od_json_path(rec, s->chosen) && json_object_get(rec, "chosen_ids"))
		return OD_OK;
	st = need_text(rec, s->chosen, &out->chosen_text, err);
	if (st == OD_OK)
		st = need_text(rec, s->rejected, &out->rejected_text, err);
	/* A dialogue carries its own prompt. */
	if (st == OD_OK && (od_json_path(rec, s->prompt) || !json_is_array(out->chosen_text)))
		st = need_text(rec, s->prompt, &out->prompt, err);
	out->renamed = strcmp(s->prompt, "prompt") != 0 || strcmp(s->chosen, "chosen") != 0;
	return st;
}

/* ---- scores ----------------------------------------------------------------------------------------------------------- */

static enum od_status
need_score(const json_t *rec, const char *path, double *out, struct od_error *err)
{
	enum od_status st = od_json_need_number(rec, path, out, err);

	if (st == OD_OK && !isfinite(*out))
		st = od_fail(err, OD_EFORMAT, "field '%s' is not finite", path);
	return st;
}

/* Highest and lowest number of a list. */
static enum od_status
list_extremes(const json_t *rec, const char *path, double *high, double *low, struct od_error *err)
{
	const json_t *list = od_json_path(rec, path);

	if (!list)
		return od_fail(err, OD_EFORMAT, "field '%s' is missing", path);
	if (json_array_size(list) < 2)
		return od_fail(err, OD_EFORMAT, "field '%s' must be a list of at least two numbers", path);
	*high = -INFINITY;
	*low = INFINITY;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		double x = json_number_value(v);

		if (!json_is_number(v) || !isfinite(x))
			return od_fail(err, OD_EFORMAT, "field '%s.%zu' must be a number", path, i);
		*high = fmax(*high, x);
		*low = fmin(*low, x);
	}
	return OD_OK;
}

/* Mean of the ratings of a completion's annotations, those that are not applicable ("N/A") left out. */
static bool
mean_rating(const json_t *annotations, double *out)
{
	double sum = 0, one;
	const char *aspect;
	const json_t *a;
	int n = 0;

	json_object_foreach((json_t *)annotations, aspect, a) {
		const json_t *rating = json_object_get(a, "Rating");

		if (json_is_number(rating))
			one = json_number_value(rating);
		else if (!json_is_string(rating) || strcmp(json_string_value(rating), "N/A") == 0)
			continue;
		else if (!od_num_double(json_string_value(rating), &one))
			return false;
		sum += one;
		n++;
	}
	*out = n ? sum / n : 0;
	return n > 0;
}

static enum od_status
rate_completion(const struct field_expert *e, const json_t *completion, size_t i, double *out, struct od_error *err)
{
	const char *name = e->rating == OD_RATING_OVERALL ? "overall_score" : "fine-grained_score";
	const json_t *v = json_object_get(completion, name);

	if (!json_is_string(json_object_get(completion, "response")))
		return od_fail(err, OD_EFORMAT, "field 'completions.%zu.response' must be a string", i);
	if (!v && e->rating == OD_RATING_FINE_GRAINED && mean_rating(json_object_get(completion, "annotations"), out))
		return OD_OK;
	if (json_is_string(v) && od_num_double(json_string_value(v), out))
		return OD_OK;
	if (!json_is_number(v) || !isfinite(json_number_value(v)))
		return od_fail(err, OD_EFORMAT, "field 'completions.%zu.%s' %s", i, name,
			v ? "must be a number" : "is missing");
	*out = json_number_value(v);
	return OD_OK;
}

/* The k-th (from 0) of the completions rated below 'top', or the lowest (first of equals). n: how many are below. */
static size_t
pick_lower(const double *rating, size_t n, double top, size_t k, bool lowest)
{
	size_t at = n;

	for (size_t i = 0; i < n; i++) {
		if (!(rating[i] < top))
			continue;
		if (lowest ? at == n || rating[i] < rating[at] : k-- == 0)
			at = i;
		if (!lowest && at < n)
			break;
	}
	return at;
}

static void
choose_pair(const struct field_expert *e, const struct od_record *rec, const double *rating, size_t n,
	struct od_score_result *out)
{
	const json_t *list = json_object_get(rec->json, "completions");
	size_t best = 0, below = 0, low;
	struct od_rng rng = od_rng_init(e->seed, od_hash64(rec->line, rec->len, 0));

	for (size_t i = 1; i < n; i++)
		best = rating[i] > rating[best] ? i : best;
	for (size_t i = 0; i < n; i++)
		below += rating[i] < rating[best];
	if (!below) {
		out->tied = true;
		out->chosen = out->rejected = rating[best];
		return;
	}
	low = pick_lower(rating, n, rating[best], (size_t)od_rng_below(&rng, below), e->pick == OD_PICK_WORST);
	out->chosen = rating[best];
	out->rejected = rating[low];
	out->chosen_text = json_object_get(json_array_get(list, best), "response");
	out->rejected_text = json_object_get(json_array_get(list, low), "response");
}

static enum od_status
score_candidates(const struct field_expert *e, const struct od_record *rec, struct od_score_result *out,
	struct od_error *err)
{
	const json_t *list = json_object_get(rec->json, "completions");
	size_t n = json_array_size(list);
	double *rating = NULL;
	enum od_status st;

	if (!list)
		return od_fail(err, OD_EFORMAT, "field 'completions' is missing");
	if (n < 2)
		return od_fail(err, OD_EFORMAT, "field 'completions' must be a list of at least two completions");
	out->renamed = true;
	st = need_text(rec->json, e->schema->prompt, &out->prompt, err);
	if (st == OD_OK)
		st = od_alloc(&rating, n, sizeof(*rating), "ratings", err);
	for (size_t i = 0; i < n && st == OD_OK; i++)
		st = rate_completion(e, json_array_get(list, i), i, &rating[i], err);
	if (st == OD_OK)
		choose_pair(e, rec, rating, n, out);
	free(rating);
	return st;
}

static enum od_status
field_score(struct od_expert *base, const struct od_record *rec, struct od_score_result *out, struct od_error *err)
{
	const struct field_expert *e = (const struct field_expert *)base;
	const struct schema *s = e->schema;
	enum od_status st;

	*out = (struct od_score_result){ .prompt = NULL };
	if (s->kind == CANDIDATES)
		return score_candidates(e, rec, out, err);
	st = find_texts(s, rec->json, out, err);
	if (st == OD_OK && s->kind == LIST_EXTREMES && !(e->chosen_field && e->rejected_field))
		st = list_extremes(rec->json, s->score_chosen, &out->chosen, &out->rejected, err);
	if (st == OD_OK && (e->chosen_field || s->kind == TWO_FIELDS))
		st = need_score(rec->json, e->chosen_field ? e->chosen_field : s->score_chosen, &out->chosen, err);
	if (st == OD_OK && (e->rejected_field || s->kind == TWO_FIELDS))
		st = need_score(rec->json, e->rejected_field ? e->rejected_field : s->score_rejected, &out->rejected, err);
	return st;
}

/* The source of one score, as the score block names it. */
static void
describe_source(const struct field_expert *e, bool chosen, struct od_buf *out)
{
	static const char *const ends[2] = { "min", "max" }, *const candidates[2] = { "worst", "best" };
	const char *given = chosen ? e->chosen_field : e->rejected_field;
	struct od_buf text = OD_BUF_INIT;

	if (given)
		od_buf_str(&text, given);
	else if (e->schema->kind == LIST_EXTREMES)
		od_buf_printf(&text, "%s %s", ends[chosen], e->schema->score_chosen);
	else if (e->schema->kind == CANDIDATES)
		od_buf_printf(&text, "%s %s", !chosen && e->pick == OD_PICK_RANDOM ? "random lower" : candidates[chosen],
			e->rating == OD_RATING_OVERALL ? "overall_score" : "fine-grained_score");
	else
		od_buf_str(&text, chosen ? e->schema->score_chosen : e->schema->score_rejected);
	if (od_buf_ok(&text))
		od_buf_json_string(out, text.data, text.len);
	else
		out->failed = true;
	od_buf_release(&text);
}

static void
field_describe(const struct od_expert *base, struct od_buf *out)
{
	const struct field_expert *e = (const struct field_expert *)base;

	od_buf_str(out, ",\"fields\":[");
	describe_source(e, true, out);
	od_buf_char(out, ',');
	describe_source(e, false, out);
	od_buf_char(out, ']');
}

static void
field_close(struct od_expert *base)
{
	free(base);
}

bool
od_field_in_place(const struct od_expert *base)
{
	const struct field_expert *e = (const struct field_expert *)base;
	const char *w = e->chosen_field ? e->chosen_field : e->schema->score_chosen;
	const char *l = e->rejected_field ? e->rejected_field : e->schema->score_rejected;

	return w && l && strcmp(w, "score_chosen") == 0 && strcmp(l, "score_rejected") == 0;
}

enum od_status
od_field_open(struct od_expert **out, const struct od_field_options *opt, struct od_error *err)
{
	const struct schema *s = find_schema(opt->schema ? opt->schema : "pairs");
	struct field_expert *e;

	if (!s)
		return od_fail(err, OD_EUSAGE, "cannot find schema '%s'; there are %s", opt->schema, od_field_schemas());
	if (s->kind == CANDIDATES && (opt->chosen_field || opt->rejected_field))
		return od_fail(err, OD_EUSAGE, "schema '%s' has no single field for a score; see --rating", s->name);
	e = od_calloc(1, sizeof(*e));
	if (!e)
		return od_fail_nomem(err, "an expert", sizeof(*e));
	*e = (struct field_expert){
		.base = { "data", field_score, field_describe, field_close }, .schema = s,
		.chosen_field = opt->chosen_field, .rejected_field = opt->rejected_field,
		.rating = opt->rating, .pick = opt->pick, .seed = opt->seed
	};
	*out = &e->base;
	return OD_OK;
}
