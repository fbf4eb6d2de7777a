/* sedar.h -- SedarEval: answers in eight categories, each judged from 0 to 5 by its question's own rubric.
 *
 * A judge's score is the last one its text states behind the words for "final score". A negative one, and one above 5, is none.
 * Several votes on an item are averaged.
 *   category   100 * sum / (5 * n) over items with a score
 *   total      (mean of reasoning, mathematics, code + 5 * mean of the five others) / 6, of the categories that have items: the
 *              published total, in per cent
 *   mean       of all items' scores, 0 to 5
 */
#ifndef OD_BENCH_SEDAR_H
#define OD_BENCH_SEDAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "stats/describe.h"

enum { OD_SEDAR_CATEGORIES = 8 };

extern const char *const od_sedar_categories[OD_SEDAR_CATEGORIES];     /* as the data name them */

/* The category of that name, or -1. */
int od_sedar_category(const char *name);

enum od_sedar_parse { OD_SEDAR_FOUND, OD_SEDAR_NONE, OD_SEDAR_OUTSIDE };

/* The score a judge's text (valid UTF-8) states; *score is NaN unless found. */
enum od_sedar_parse od_sedar_score(const char *text, size_t n, double *score);

/* Sums over items; zeroed to begin with. */
struct od_sedar_sums {
	struct od_moments category[OD_SEDAR_CATEGORIES], all;
};

/* A NaN takes no part. */
void od_sedar_add(struct od_sedar_sums *s, int category, double score);

struct od_sedar_rates {
	double category[OD_SEDAR_CATEGORIES], category_se[OD_SEDAR_CATEGORIES];    /* per cent; NaN without items */
	double category_mean;                      /* plain mean of the categories' */
	double total, total_se;                    /* NaN when a group has no category with items */
	double mean, mean_se;                      /* 0..5 */
};

void od_sedar_rates(const struct od_sedar_sums *s, struct od_sedar_rates *out);

#endif
