/* sheet.h -- what an evaluation found out about each item, and what follows for the whole: the one form in which every
 * benchmark reports.
 *
 * A benchmark (one file here each) says which columns it fills; its loop adds a row an item; this file makes the per-item
 * JSONL, the summary with standard errors, and the paired comparison of two sheets, whichever benchmark they are of.
 * A value that an item does not have is NaN, null in JSON, and takes no part in means.
 */
#ifndef OD_BENCH_SHEET_H
#define OD_BENCH_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "bench/manifest.h"
#include "io/jsonl.h"
#include "stats/describe.h"
#include "stats/resample.h"

struct od_sheet_column {
	const char *name;                          /* in JSON: "reward_accuracy" */
	const char *title;                         /* for people: "reward accuracy" */
};

struct od_sheet {
	const char *benchmark;                     /* "pairs" */
	const struct od_sheet_column *columns;     /* [n_columns] borrowed unless 'own' */
	size_t n_columns;
	char **key;                                /* [n] the items' ids, or "#POSITION" where they have none */
	double *value;                             /* [n, n_columns] */
	size_t n, cap_key, cap_value;
	json_t *run;                               /* how the results were made (manifest.h), NULL: not known; a reference of its own */
	bool own;
};

/* A sheet with these columns, which stay the caller's. */
void od_sheet_init(struct od_sheet *s, const char *benchmark, const struct od_sheet_column *columns, size_t n_columns);
void od_sheet_release(struct od_sheet *s);

/* Appends a row. id may be NULL or "": position (of the record in the input) names the item then. */
OD_MUST_CHECK enum od_status od_sheet_add(struct od_sheet *s, const char *id, int64_t position, const double *values,
	struct od_error *err);

/* Says how the results were made; one more reference to run. */
void od_sheet_made(struct od_sheet *s, json_t *run);

/* Appends row i as one JSON object, without newline: {"id":..., COLUMN:..., ..., "run":{...}}. */
void od_sheet_item(const struct od_sheet *s, size_t i, struct od_buf *out);

/* Reads a file of such lines back: the columns are the numbers (null included, true and false as 1 and 0) that any
 * record has, in order of first appearance; the manifest is that of all records, OD_EMISMATCH when they have not the same one.
 * Everything else in a record is ignored. OD_EFORMAT when there is no number. */
OD_MUST_CHECK enum od_status od_sheet_read(struct od_sheet *s, const char *file, struct od_error *err);

/* The same of one record, into a sheet that began without columns, for a reader that needs the records for more than their
 * numbers. */
OD_MUST_CHECK enum od_status od_sheet_add_record(struct od_sheet *s, const struct od_record *rec, struct od_error *err);

/* Mean, deviation and so on of column c. */
struct od_moments od_sheet_moments(const struct od_sheet *s, size_t c);

/* A table: column, mean, standard error, n. Columns without any value are left out. */
void od_sheet_table(const struct od_sheet *s, struct od_buf *out);

/* Appends "metrics":{COLUMN:{"mean":..,"se":..,"n":..}, ...},"run":{...}. */
void od_sheet_json(const struct od_sheet *s, struct od_buf *out);

/* ---- two sheets over the same items -------------------------------------------------------------------------------- */

/* Rows that belong together: the k-th of one key in a and the k-th in b, in order of the key. */
struct od_sheet_matches {
	size_t *a, *b;                             /* [matched] rows */
	int64_t matched, only_a, only_b;           /* items */
};

#define OD_SHEET_MATCHES_INIT { NULL, NULL, 0, 0, 0 }

/* OD_EMISMATCH when there are none. To be released whatever happens. */
OD_MUST_CHECK enum od_status od_sheet_match(struct od_sheet_matches *m, const struct od_sheet *a, const struct od_sheet *b,
	struct od_error *err);
void od_sheet_matches_release(struct od_sheet_matches *m);

struct od_sheet_pairing {
	struct od_paired *result;                  /* [n_columns] */
	const struct od_sheet_column **column;     /* [n_columns] of a: those that both have */
	size_t n_columns;
	int64_t matched, only_a, only_b;           /* items */
};

#define OD_SHEET_PAIRING_INIT { NULL, NULL, 0, 0, 0, 0 }

/* Pairs items by od_sheet_match and compares every common column. OD_EMISMATCH when
 * no item or no column is common. */
OD_MUST_CHECK enum od_status od_sheet_compare(struct od_sheet_pairing *p, const struct od_sheet *a,
	const struct od_sheet *b, int resamples, uint64_t seed, struct od_error *err);
void od_sheet_pairing_release(struct od_sheet_pairing *p);

/* A table: column, a, b, b - a, its standard error, interval, items up and down, p. Columns in which no item differs
 * take one closing line. */
void od_sheet_pairing_table(const struct od_sheet_pairing *p, const char *name_a, const char *name_b, struct od_buf *out);

/* Appends "compare":{"items":.., "only_a":.., "only_b":.., "metrics":{COLUMN:{"a","b","diff","se","low","high","up",
 * "down","same","p"}, ...}}. */
void od_sheet_pairing_json(const struct od_sheet_pairing *p, struct od_buf *out);

#endif
