/* scores_read.c -- scored pairs of two experts: reading and matching. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "inspect/scores.h"
#include "pref/pair.h"

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static enum od_status
read_score(const json_t *record, const char *name, const char *side, double *out, struct od_error *err)
{
	const json_t *v;
	char field[128];

	if (name)
		snprintf(field, sizeof field, "scores_%s.%s", side, name);
	else
		snprintf(field, sizeof field, "score_%s", side);
	v = od_json_path(record, field);
	*out = NAN;
	if (json_is_null(v))
		return OD_OK;
	if (!json_is_number(v))
		return od_json_fail_type(v, field, "a number", err);
	*out = json_number_value(v);
	return isfinite(*out) ? OD_OK : od_fail(err, OD_EFORMAT, "field '%s' is not finite", field);
}

/* Of the response alone, so that it does not matter whether a dialogue repeats the prompt. */
static uint64_t
hash_response(const json_t *response)
{
	size_t len;
	const char *text = od_pair_response(response, &len);

	return text ? od_hash64(text, len, 0) | 1 : 0;
}

static enum od_status
keep_block(struct scores_set *set, const json_t *record, struct od_error *err)
{
	const json_t *block = set->name ? json_object_get(json_object_get(record, "scores"), set->name) :
		json_object_get(record, "score");

	if (set->n || !json_is_object(block))
		return OD_OK;
	set->block = json_dumps(block, JSON_COMPACT);
	return set->block ? OD_OK : od_fail_nomem(err, "a score block", 0);
}

enum od_status
scores_add(struct scores_set *set, const struct od_record *rec, struct od_error *err)
{
	struct scores_item item = { .index = rec->index, .chosen_text = hash_response(json_object_get(rec->json, "chosen")),
		.rejected_text = hash_response(json_object_get(rec->json, "rejected")) };
	enum od_status st = read_score(rec->json, set->name, "chosen", &item.chosen, err);

	if (st == OD_OK)
		st = read_score(rec->json, set->name, "rejected", &item.rejected, err);
	if (st == OD_OK)
		st = keep_block(set, rec->json, err);
	if (st != OD_OK)
		return st;
	item.id = od_strdup(rec->id);
	if (!item.id || !od_grow(&set->items, &set->cap, set->n + 1, sizeof *set->items)) {
		free(item.id);
		return od_fail_nomem(err, "the scores of all pairs", (set->n + 1) * sizeof item);
	}
	set->items[set->n++] = item;
	return OD_OK;
}

void
scores_set_release(struct scores_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->items[i].id);
	free(set->items);
	free(set->block);
}

/* ---- matching ----------------------------------------------------------------------------------------------------------- */

static int
compare_ids(const void *a, const void *b)
{
	const struct scores_item *const *p = a, *const *q = b;

	return strcmp((*p)->id, (*q)->id);
}

static int
compare_positions(const void *a, const void *b)
{
	const struct scores_item *const *p = a, *const *q = b;

	return ((*p)->index > (*q)->index) - ((*p)->index < (*q)->index);
}

static bool
all_have_ids(const struct scores_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (!set->items[i].id[0])
			return false;
	return true;
}

/* The second set's items in the order of the key, for lookups; a key that comes twice cannot be matched. */
static enum od_status
sort_items(const struct scores_set *set, int (*compare)(const void *, const void *), const struct scores_item ***out,
	struct od_error *err)
{
	enum od_status st = od_alloc(out, set->n, sizeof **out, "an index of pairs", err);

	for (size_t i = 0; st == OD_OK && i < set->n; i++)
		(*out)[i] = &set->items[i];
	if (st == OD_OK && set->n > 1)
		qsort(*out, set->n, sizeof **out, compare);
	for (size_t i = 1; st == OD_OK && i < set->n; i++)
		if (compare(&(*out)[i - 1], &(*out)[i]) == 0)
			st = od_fail(err, OD_EMISMATCH, "id '%s' comes twice in '%s': --match position compares by position", (*out)[i]->id,
				set->label);
	return st;
}

static enum od_status
matched_alloc(struct scores_matched *m, size_t n, struct od_error *err)
{
	enum od_status st = od_alloc(&m->id, n, sizeof *m->id, "matched pairs", err);

	if (st == OD_OK)
		st = od_alloc(&m->index, n, sizeof *m->index, "matched pairs", err);
	for (int k = 0; k < 4 && st == OD_OK; k++)
		st = od_alloc(&m->score[k / 2][k % 2], n, sizeof(double), "matched pairs", err);
	return st;
}

/* Takes the two items as one pair. Sides may have been exchanged (od-score --inverted swap): they are put right. */
static enum od_status
put_pair(struct scores_matched *m, const struct scores_set set[2], const struct scores_item *a, const struct scores_item *b,
	struct od_error *err)
{
	bool known = a->chosen_text && a->rejected_text && b->chosen_text && b->rejected_text;
	bool same = a->chosen_text == b->chosen_text && a->rejected_text == b->rejected_text;
	bool swapped = known && !same && a->chosen_text == b->rejected_text && a->rejected_text == b->chosen_text;

	if (known && !same && !swapped)
		return od_fail(err, OD_EMISMATCH, "record %lld of '%s' and record %lld of '%s'%s%s%s are pairs of other responses",
			(long long)a->index + 1, set[0].label, (long long)b->index + 1, set[1].label, *a->id ? " ('" : "", a->id, *a->id ? "')" : "");
	if (isnan(a->chosen) || isnan(a->rejected) || isnan(b->chosen) || isnan(b->rejected)) {
		m->unscored++;
		return OD_OK;
	}
	m->score[0][0][m->n] = a->chosen;
	m->score[0][1][m->n] = a->rejected;
	m->score[1][0][m->n] = swapped ? b->rejected : b->chosen;
	m->score[1][1][m->n] = swapped ? b->chosen : b->rejected;
	m->id[m->n] = a->id;
	m->index[m->n++] = a->index;
	m->swapped += swapped;
	return OD_OK;
}

static enum od_status
check_matched(const struct scores_matched *m, const struct scores_set set[2], bool whole, struct od_error *err)
{
	if (whole && (m->only[0] || m->only[1]))
		return od_fail(err, OD_EMISMATCH, "'%s' has %zu pairs and '%s' has %zu: without ids only equal streams can be compared",
			set[0].label, set[0].n, set[1].label, set[1].n);
	if (!m->n && !m->unscored && (set[0].n || set[1].n))
		return od_fail(err, OD_EMISMATCH, "no pair of '%s' is in '%s'", set[0].label, set[1].label);
	return OD_OK;
}

enum od_status
scores_match_sets(struct scores_matched *m, const struct scores_set set[2], enum scores_match how, bool some_missing,
	struct od_error *err)
{
	bool by_id = how == SCORES_ID || (how == SCORES_AUTO && all_have_ids(&set[0]) && all_have_ids(&set[1]));
	int (*compare)(const void *, const void *) = by_id ? compare_ids : compare_positions;
	const struct scores_item **first = NULL, **second = NULL, **found;
	size_t n_found = 0;
	enum od_status st = OD_OK;

	if (how == SCORES_ID && !(all_have_ids(&set[0]) && all_have_ids(&set[1])))
		st = od_fail(err, OD_EMISMATCH, "not all records have an id: --match position compares by position");
	if (st == OD_OK)
		st = sort_items(&set[0], compare, &first, err);      /* (only for what comes twice) */
	if (st == OD_OK)
		st = sort_items(&set[1], compare, &second, err);
	if (st == OD_OK)
		st = matched_alloc(m, set[0].n, err);
	for (size_t i = 0; st == OD_OK && i < set[0].n; i++) {
		const struct scores_item *a = &set[0].items[i];

		found = set[1].n ? bsearch(&a, second, set[1].n, sizeof *second, compare) : NULL;
		n_found += found != NULL;
		if (found)
			st = put_pair(m, set, a, *found, err);
	}
	free(first);
	free(second);
	m->only[0] = set[0].n - n_found;
	m->only[1] = set[1].n - n_found;
	return st == OD_OK ? check_matched(m, set, !by_id && !some_missing, err) : st;
}

void
scores_matched_release(struct scores_matched *m)
{
	for (int k = 0; k < 4; k++)
		free(m->score[k / 2][k % 2]);
	free(m->id);
	free(m->index);
}
