/* arena.c -- see arena.h. */
#include "bench/arena.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stats/describe.h"

const char *const od_arena_rule_names[] = { "legacy", "2025", NULL };

/* ---- verdicts ----------------------------------------------------------------------------------------------------------- */

static bool
is_label_char(char c, bool fold)
{
	return c != '\0' && strchr(fold ? "ABab<>=" : "AB<>=", c) != NULL;
}

/* The next label between `depth` brackets at or behind *at, which moves behind it; its length, 0 when there is none. */
static size_t
next_label(const char *s, size_t n, int depth, bool fold, size_t *at, const char **label)
{
	for (size_t i = *at; i < n; i++) {
		size_t start = i + (size_t)depth, end;

		if (s[i] != '[' || (depth == 2 && (i + 1 >= n || s[i + 1] != '[')))
			continue;
		for (end = start; end < n && is_label_char(s[end], fold); end++)
			;
		if (end == start || end + (size_t)depth > n || s[end] != ']' || (depth == 2 && s[end + 1] != ']'))
			continue;
		*at = end + (size_t)depth;
		*label = s + start;
		return end - start;
	}
	return 0;
}

static void
copy_label(char out[OD_ARENA_MAX_LABEL], const char *label, size_t n)
{
	if (n >= OD_ARENA_MAX_LABEL)
		n = OD_ARENA_MAX_LABEL - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)toupper((unsigned char)label[i]);
	out[n] = '\0';
}

static enum od_arena_parse
verdict_legacy(const char *text, size_t n, char out[OD_ARENA_MAX_LABEL])
{
	const char *first = NULL, *label;
	size_t at = 0, n_first = 0, len;

	while ((len = next_label(text, n, 2, false, &at, &label)) > 0) {
		if (first == NULL) {
			first = label;
			n_first = len;
		} else if (len != n_first || memcmp(first, label, len) != 0) {
			return OD_ARENA_AMBIGUOUS;
		}
	}
	if (first == NULL)
		return OD_ARENA_NONE;
	copy_label(out, first, n_first);
	return OD_ARENA_FOUND;
}

static enum od_arena_parse
verdict_2025(const char *text, size_t n, char out[OD_ARENA_MAX_LABEL])
{
	for (int depth = 2; depth >= 1; depth--) {
		const char *label;
		size_t at = 0, len;
		bool found = false;

		while ((len = next_label(text, n, depth, true, &at, &label)) > 0) {
			copy_label(out, label, len);
			found = true;
		}
		if (found)
			return OD_ARENA_FOUND;
	}
	return OD_ARENA_NONE;
}

enum od_arena_parse
od_arena_verdict(enum od_arena_rule rule, const char *text, size_t n, char label[OD_ARENA_MAX_LABEL])
{
	label[0] = '\0';
	return rule == OD_ARENA_LEGACY ? verdict_legacy(text, n, label) : verdict_2025(text, n, label);
}

bool
od_arena_label(const char *label, double *win, int *weight)
{
	static const struct {
		const char *label;
		double win;
		int weight;
	} labels[] = { { "A>>B", 1, 3 }, { "A>B", 1, 1 }, { "A=B", 0.5, 1 }, { "B>A", 0, 1 }, { "B>>A", 0, 3 } };

	for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
		if (strcmp(label, labels[i].label) == 0) {
			*win = labels[i].win;
			*weight = labels[i].weight;
			return true;
		}
	}
	return false;
}

/* ---- scores ------------------------------------------------------------------------------------------------------------- */

static double
rating_of(double p)
{
	return 1000 + 400 * log10(p / (1 - p));
}

static double
score_of(double rating)
{
	return 100 / (1 + pow(10, (1000 - rating) / 400));
}

/* A quantile of shares p[n] (ascending), taken on the scale of ratings; where that has no bounds, between the shares. */
static double
rating_quantile(const double *p, size_t n, double q)
{
	double at = q * (double)(n - 1), part = at - floor(at);
	size_t i = (size_t)at;
	double a = rating_of(p[i]), b = rating_of(p[i + 1 < n ? i + 1 : i]);

	if (isfinite(a) && isfinite(b))
		return score_of(a + part * (b - a));
	return 100 * od_quantile(p, n, q);
}

/* Draws the battles again `rounds` times: share[n_models, rounds], NaN where a model got none. Each round draws from a stream
 * of its own. */
static enum od_status
resample(const int32_t *unit, size_t n_units, const struct od_arena_battle *b, int n_models, int rounds, uint64_t seed,
	double *share, struct od_error *err)
{
	double *won = NULL, *played = NULL;
	enum od_status st = od_alloc(&won, (size_t)n_models, sizeof *won, "a bootstrap", err);

	if (st == OD_OK)
		st = od_alloc(&played, (size_t)n_models, sizeof *played, "a bootstrap", err);
	for (int r = 0; st == OD_OK && r < rounds; r++) {
		struct od_rng rng = od_rng_init(seed, (uint64_t)r);

		memset(won, 0, (size_t)n_models * sizeof *won);
		memset(played, 0, (size_t)n_models * sizeof *played);
		for (size_t i = 0; i < n_units; i++) {
			const struct od_arena_battle *drawn = &b[unit[od_rng_below(&rng, n_units)]];

			won[drawn->model] += drawn->win;
			played[drawn->model] += 1;
		}
		for (int m = 0; m < n_models; m++)
			share[m * rounds + r] = played[m] > 0 ? won[m] / played[m] : NAN;
	}
	free(won);
	free(played);
	return st;
}

/* Sorts the shares. */
static void
interval(double *share, int rounds, enum od_arena_rule rule, struct od_arena_score *out)
{
	struct od_moments m = od_moments_of(share, (size_t)rounds);
	size_t n = od_sort(share, (size_t)rounds);

	if (n == 0)
		return;
	if (rule == OD_ARENA_LEGACY) {
		out->lower = rating_quantile(share, n, 0.025);
		out->upper = rating_quantile(share, n, 0.975);
	} else {
		out->score = 100 * m.mean;
		out->lower = 100 * od_quantile(share, n, 0.05);
		out->upper = 100 * od_quantile(share, n, 0.95);
	}
}

/* Adds the battles up: scores of all, and *units, how many battles there are, each counted `weight` times. */
static enum od_status
count(const struct od_arena_battle *b, size_t n, int n_models, struct od_arena_score *out, size_t *units, struct od_error *err)
{
	*units = 0;
	for (size_t i = 0; i < n; i++) {
		struct od_arena_score *s;

		if (b[i].model < 0 || b[i].model >= n_models || b[i].weight < 1 || b[i].weight > 1000)
			return od_fail(err, OD_EUSAGE, "battle %zu: model %d, weight %d", i, b[i].model, b[i].weight);
		s = &out[b[i].model];
		s->battles += b[i].weight;
		s->wins += b[i].win == 1 ? b[i].weight : 0;
		s->losses += b[i].win == 0 ? b[i].weight : 0;
		*units += (size_t)b[i].weight;
	}
	for (int m = 0; m < n_models; m++) {
		struct od_arena_score *s = &out[m];
		double p;

		s->ties = s->battles - s->wins - s->losses;
		p = ((double)s->wins + 0.5 * (double)s->ties) / (double)s->battles;
		s->score = 100 * p;
		s->rating = rating_of(p);
		s->lower = s->upper = NAN;
	}
	return OD_OK;
}

enum od_status
od_arena_scores(const struct od_arena_battle *b, size_t n, int n_models, enum od_arena_rule rule, int rounds, uint64_t seed,
	struct od_arena_score *out, struct od_error *err)
{
	double *share = NULL;
	int32_t *unit = NULL;
	size_t units = 0, k = 0;
	enum od_status st;

	memset(out, 0, (size_t)n_models * sizeof *out);
	st = count(b, n, n_models, out, &units, err);
	if (st == OD_OK)
		st = od_alloc(&unit, units, sizeof *unit, "battles", err);
	if (st == OD_OK)
		st = od_alloc(&share, (size_t)n_models * (size_t)rounds, sizeof *share, "a bootstrap", err);
	for (size_t i = 0; st == OD_OK && i < n; i++)
		for (int w = 0; w < b[i].weight; w++)
			unit[k++] = (int32_t)i;
	if (st == OD_OK)
		st = resample(unit, units, b, n_models, rounds, seed, share, err);
	for (int m = 0; st == OD_OK && m < n_models; m++)
		interval(share + (size_t)m * (size_t)rounds, rounds, rule, &out[m]);
	free(share);
	free(unit);
	return st;
}
