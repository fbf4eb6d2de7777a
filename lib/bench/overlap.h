/* overlap.h -- which items of a benchmark stand in training data: n-gram overlap.
 *
 * METHOD. Texts become words as text/fold_words.h says: case, punctuation, spacing and compatibility forms do not count. An
 * item's n-grams are its runs of n words, 13 as in GPT-3's appendix C; one is hit when it occurs in a training text, and the
 * item's overlap is the share of its n-grams that are hit. An item with no n-gram, all its texts being shorter than n words,
 * is matched whole: each text of at least min_words words must occur in full, anywhere in a training text. With fewer words
 * an item says nothing and has no overlap. N-grams do not cross from one text to the next.
 * With common = K > 0, n-grams that more than K items share count for nothing: they are the benchmark's own phrasing ("your
 * response should contain at least"), which any set of instructions has too.
 *
 * WHAT IT COSTS. The index is over the items; the training data passes through once, in memory that does not grow with it.
 * Hashes of 64 bits find a hit, the words themselves confirm it, so that there are no false ones.
 *
 * Call item and text for each item, index, scan for each training text, result for each item.
 */
#ifndef OD_BENCH_OVERLAP_H
#define OD_BENCH_OVERLAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { OD_OVERLAP_N = 13, OD_OVERLAP_MIN_WORDS = 5, OD_OVERLAP_MAX_N = 64, OD_OVERLAP_REFS = 3 };

struct od_overlap;

/* 1 <= n <= OD_OVERLAP_MAX_N, min_words >= 1, common >= 0 (0: all count). */
OD_MUST_CHECK enum od_status od_overlap_new(struct od_overlap **out, int n, int min_words, int64_t common, struct od_error *err);
void od_overlap_free(struct od_overlap *o);        /* NULL is fine */

/* Begins an item, numbered from 0; adds a text (valid UTF-8) to the last one. */
OD_MUST_CHECK enum od_status od_overlap_item(struct od_overlap *o, struct od_error *err);
OD_MUST_CHECK enum od_status od_overlap_text(struct od_overlap *o, const char *s, size_t n, struct od_error *err);

/* All items are there. */
OD_MUST_CHECK enum od_status od_overlap_index(struct od_overlap *o, struct od_error *err);

/* Where a training text stands. */
struct od_overlap_source {
	int64_t line;
	const char *id;                            /* "" when it has none; copied where it is kept */
	const char *field;                         /* must outlive the results */
};

/* Looks through one text. Adds to *hits the n-grams of it that are an item's. */
OD_MUST_CHECK enum od_status od_overlap_scan(struct od_overlap *o, const struct od_overlap_source *source, const char *s, size_t n,
	int64_t *hits, struct od_error *err);

int64_t od_overlap_words(const struct od_overlap *o);      /* words scanned so far */
size_t od_overlap_grams(const struct od_overlap *o);       /* different n-grams in the index, those too common among them */

struct od_overlap_result {
	size_t words, ngrams, hits;                /* ngrams: those that count */
	bool whole;                                /* matched whole */
	double overlap;                            /* hits / ngrams; NaN when none counts */
	const struct od_overlap_source *ref;       /* [n_refs] the first texts that hit it, one a record and field; their memory is o's */
	size_t n_refs;
	const char *example;                       /* [example_len] the longest run of its words that is all hit; NULL without hits */
	size_t example_len;
};

/* Of item i, after what has been scanned so far. */
void od_overlap_result(const struct od_overlap *o, size_t i, struct od_overlap_result *r);

#endif
