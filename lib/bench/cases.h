/* cases.h -- two models on the same items of a benchmark, case by case: what each said, what it was judged, where that flips.
 *
 * A and B are files of items as od-eval writes them (sheet.h reads their numbers). Texts are the items' own (texts.h) or those
 * of other files: outputs, by their name or their prompt, and the benchmark's data, by name or, without names, by position.
 *
 * The verdict is a number of each item: by default the benchmark's main one, the first that both files have of prompt_strict
 * (ifeval), correct and verdict (math), win (arena-hard), preference (alpaca-eval), score (sedareval), accuracy (pairs); else the
 * first number that is no count. Where all are 0 or 1 it is right or wrong: a case is gained when B alone is right, and the
 * test of the counts is McNemar's; else gained means higher in B, and the test that of resample.h.
 */
#ifndef OD_BENCH_CASES_H
#define OD_BENCH_CASES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bench/sheet.h"

enum od_change { OD_CHANGE_UNKNOWN, OD_CHANGE_SAME, OD_CHANGE_GAINED, OD_CHANGE_LOST, OD_N_CHANGES };
extern const char *const od_change_names[OD_N_CHANGES];    /* unknown: one has no verdict */

struct od_case {
	const char *id;                            /* the sheet's */
	size_t row[2];
	double verdict[2];
	enum od_change change;
};

/* Records found by name and by prompt; items is an array, the others are made with it. */
struct od_case_records {
	json_t *items, *by_name, *by_prompt;
};

struct od_case_side {
	const char *file;
	struct od_sheet sheet;
	json_t *items;                             /* the records, by row */
	struct od_case_records outputs;
};

struct od_cases {
	struct od_case_side side[2];
	struct od_case_records data;
	const char *metric;
	bool chosen;                               /* the metric was given */
	bool binary;
	struct od_case *c;                         /* [n] in the order of A's file */
	size_t n;
	int64_t only[2], both_right, both_wrong, count[OD_N_CHANGES];
	struct od_sheet_pairing pairing;
	struct od_paired paired;                   /* of the metric */
	double p;
};

/* Reads items: OD_EFORMAT for an id that is there twice, and for a file without a number. c starts as zeros. */
OD_MUST_CHECK enum od_status od_cases_read(struct od_cases *c, int side, const char *file, struct od_error *err);

/* Reads what a side said, and the benchmark's data, in any form io/dataset.h takes. */
OD_MUST_CHECK enum od_status od_cases_outputs(struct od_cases *c, int side, const char *file, struct od_error *err);
OD_MUST_CHECK enum od_status od_cases_data(struct od_cases *c, const char *file, struct od_error *err);

/* Pairs the items and compares. metric NULL: the main one. OD_EMISMATCH when no item or no verdict is common, or, unless
 * 'mixed', when an item's prompts differ. */
OD_MUST_CHECK enum od_status od_cases_match(struct od_cases *c, const char *metric, bool mixed, int resamples, uint64_t seed,
	struct od_error *err);
void od_cases_release(struct od_cases *c);

/* What to show, and in which order. */
enum od_cases_show { OD_SHOW_FLIPS, OD_SHOW_GAINED, OD_SHOW_LOST, OD_SHOW_ALL, OD_SHOW_SAME };
enum od_cases_sort { OD_SORT_DIFF, OD_SORT_ID };
extern const char *const od_cases_show_names[], *const od_cases_sort_names[];

/* order[n]: the cases to show, malloc'd. By the size of the difference, largest first, equals as in A's file; or by id, numbers
 * as numbers. */
OD_MUST_CHECK enum od_status od_cases_select(const struct od_cases *c, enum od_cases_show show, enum od_cases_sort sort,
	size_t **order, size_t *n, struct od_error *err);

/* Texts of case i; NULL when they are nowhere. */
const char *od_case_prompt(const struct od_cases *c, size_t i, size_t *len);
const char *od_case_response(const struct od_cases *c, size_t i, int side, size_t *len);

/* A member of the item, else of its output; NULL when neither has it. */
const json_t *od_case_member(const struct od_cases *c, size_t i, int side, const char *name);

/* Calls visit for every judgment in which the sides differ: members that are numbers, strings or truth values (null: not there),
 * but texts, names, counts of tokens and the metric itself; and elements of lists that go with instruction_id_list, 'of' being the
 * instruction, else NULL. */
typedef void od_case_visitor(void *arg, const char *member, const char *of, const json_t *a, const json_t *b);
void od_case_differences(const struct od_cases *c, size_t i, od_case_visitor *visit, void *arg);

#endif
