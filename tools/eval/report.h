/* report.h -- where results go, the same for every benchmark: items as JSONL, a summary as a table or JSON, a comparison
 * of two.
 */
#ifndef OD_EVAL_REPORT_H
#define OD_EVAL_REPORT_H

#include <stdbool.h>

#include "base/buf.h"
#include "bench/outputs.h"
#include "bench/sheet.h"
#include "common/cli.h"
#include "io/jsonl.h"

struct report_options {
	const char *items, *summary, *compare;
	int64_t resamples;
	bool mixed;
};

#define REPORT_OPTIONS_INIT { NULL, NULL, NULL, OD_RESAMPLES, false }

extern const struct od_opt report_opts[];          /* base: struct report_options */

/* "-" */
bool report_is_stdout(const char *name);

/* A text into a file at once and whole, or onto standard output. */
OD_MUST_CHECK enum od_status report_write(const char *name, const struct od_buf *text, struct od_error *err);

/* Opens the stream of items: --items, or standard output when it is neither a terminal nor the summary's. *out NULL:
 * nobody wants them. */
OD_MUST_CHECK enum od_status report_open_items(const struct report_options *o, bool framed, struct od_jsonl_writer **out,
	struct od_error *err);

/* Writes the last row of a sheet; a NULL writer is fine. line is scratch. */
OD_MUST_CHECK enum od_status report_item(struct od_jsonl_writer *items, const struct od_sheet *s, struct od_buf *line,
	struct od_error *err);

/* The summary of a sheet: JSON into --summary, a table on standard error otherwise (not under --quiet). head is JSON
 * members that stand before "metrics" ("\"benchmark\":\"pairs\",...", no comma at its end); note goes above the table. */
OD_MUST_CHECK enum od_status report_summary(const struct report_options *o, bool quiet, const struct od_sheet *s,
	const char *head, const char *note, struct od_error *err);

/* The same of texts made elsewhere: json into --summary, table on standard error otherwise (not under --quiet). */
OD_MUST_CHECK enum od_status report_texts(const struct report_options *o, bool quiet, const struct od_buf *json,
	const struct od_buf *table, struct od_error *err);

/* The seed of intervals and tests of a comparison. */
enum { REPORT_SEED = 42 };

/* OD_EMISMATCH when the manifests of two sheets differ in more than the model; under --mixed a warning says so. */
OD_MUST_CHECK enum od_status report_check_made(const struct report_options *o, const struct od_sheet *a, const struct od_sheet *b,
	const char *name_a, const char *name_b, struct od_error *err);

/* *missing: how many items have no output. They are named: OD_EFORMAT, or under 'allow' a warning. */
OD_MUST_CHECK enum od_status report_missing(const struct od_roster *r, bool allow, int64_t *missing, struct od_error *err);

/* Two sheets: a table on standard output, JSON into --summary (no table when that is standard output). Refused (OD_EMISMATCH)
 * when their manifests differ in more than the model, unless --mixed. */
OD_MUST_CHECK enum od_status report_comparison(const struct report_options *o, const struct od_sheet *a,
	const struct od_sheet *b, const char *name_a, const char *name_b, struct od_error *err);

/* The same of two files of items; n_files must be 0, for nothing else is read. */
OD_MUST_CHECK enum od_status report_compare_files(const struct report_options *o, const char *a, const char *b, size_t n_files,
	struct od_error *err);

/* What a file is called in tables: its base name without extensions ("gsm8k" of "data/gsm8k.jsonl.gz"), malloc'd. */
char *report_label(const char *file);

/* Splits --compare A,B; the two are malloc'd. */
OD_MUST_CHECK enum od_status report_compare_names(const struct report_options *o, char **a, char **b, struct od_error *err);

/* The whole of --compare A,B of item files. */
OD_MUST_CHECK enum od_status report_compare(const struct report_options *o, size_t n_files, struct od_error *err);

#endif
