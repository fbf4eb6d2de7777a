/* pairs.h -- the inside of od-eval pairs: options, and the loop that fills a sheet for each policy. */
#ifndef OD_EVAL_PAIRS_H
#define OD_EVAL_PAIRS_H

#include <stdint.h>

#include "bench/pairs.h"
#include "common/cli.h"
#include "common/objective_opts.h"
#include "common/device_opts.h"
#include "common/rules_opts.h"
#include "eval/report.h"
#include "pref/pair.h"

struct pairs_options {
	struct od_common_options common;
	struct od_record_options records;
	struct od_objective_options objective;
	struct od_rules_options rules;
	struct od_device_options device;
	struct report_options report;
	const char *model, *ref_model;
	int64_t batch_tokens;
};

/* What an evaluation leaves: a sheet a policy (one, or two to be compared), and what was left out. */
struct pairs_result {
	struct od_sheet sheet[2];
	int64_t dropped[OD_N_DROPS];
	int64_t skipped, without_ref;              /* records: bad, without a word on how their reference was made */
	char model[2][65], ref_model[65];          /* hashes; "" where log-probs came from the records */
	struct od_buf first_skip;
};

/* Evaluates n_policies (0: log-probs of the records, 1, 2) model directories on the records of the files. Items of the
 * first sheet go to the writer (NULL: nowhere) as they come. The result is to be released whatever happens. */
OD_MUST_CHECK enum od_status pairs_evaluate(const struct pairs_options *o, const char *const *policies, int n_policies,
	const char *const *files, size_t n_files, struct od_jsonl_writer *items, struct pairs_result *result,
	struct od_error *err);
void pairs_result_release(struct pairs_result *r);

#endif
