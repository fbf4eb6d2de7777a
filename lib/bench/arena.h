/* arena.h -- Arena-Hard: a judge compares a model's answer with a baseline's, twice a question with places exchanged; verdicts
 * become battles, battles a Bradley-Terry score.
 *
 * Verdicts: A>>B, A>B, A=B, B>A, B>>A. A tie is half a win for each; a slight win is one battle, a clear one three equal ones;
 * any other label is none.
 *
 * Score: with every battle against the baseline, Bradley-Terry's likelihood (base 10, scale 400, baseline at 1000) has its
 * maximum in closed form: the model's win rate against the baseline is W/N, wins plus half the ties over weighted battles. The
 * score is that, in per cent; 0 and 100 are ratings without bound and need no special case in this form.
 *
 * Interval: all battles of all models are drawn again with replacement, 100 times.
 *   legacy  score of all battles; 2.5 % and 97.5 % quantiles of the ratings, turned into scores (the v0.1 code)
 *   2025    mean of the resampled scores; their 5 % and 95 % quantiles
 */
#ifndef OD_BENCH_ARENA_H
#define OD_BENCH_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum od_arena_rule { OD_ARENA_LEGACY, OD_ARENA_2025 };
extern const char *const od_arena_rule_names[];    /* "legacy", "2025", NULL */

enum { OD_ARENA_MAX_LABEL = 16 };

enum od_arena_parse {
	OD_ARENA_FOUND,
	OD_ARENA_NONE,                             /* no label at all: the reference asks the judge to go on, once */
	OD_ARENA_AMBIGUOUS                         /* legacy: labels that differ */
};

/* Finds the label in a judge's text. legacy: [[...]] of the letters AB<>=, which must all be the same; 2025: the last of
 * [[...]], or of [...] where there is none, upper and lower case alike. label is "" unless found; one longer than fits is cut. */
enum od_arena_parse od_arena_verdict(enum od_arena_rule rule, const char *text, size_t n, char label[OD_ARENA_MAX_LABEL]);

/* What a label says of A: *win 1, 0.5 or 0, *weight 1 or 3. False for one that is none of the five. */
bool od_arena_label(const char *label, double *win, int *weight);

/* A battle of model m (an index): win is the model's share of it. It stands `weight` times. */
struct od_arena_battle {
	int32_t model;
	int32_t weight;
	double win;
};

struct od_arena_score {
	double score, lower, upper;                /* per cent; NaN without battles */
	double rating;                             /* 1000 + 400 log10(p / (1 - p)); not finite at 0 and 100 */
	int64_t battles, wins, losses, ties;       /* weighted */
};

/* Scores of models 0..n_models-1 into out[n_models]. OD_EUSAGE when a battle's model or weight is out of range. */
OD_MUST_CHECK enum od_status od_arena_scores(const struct od_arena_battle *b, size_t n, int n_models, enum od_arena_rule rule,
	int rounds, uint64_t seed, struct od_arena_score *out, struct od_error *err);

#endif
