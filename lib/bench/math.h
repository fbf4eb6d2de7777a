/* math.h -- math benchmarks: verdicts on stored answers, pass@k, votes, and figures over items. math_data.h has the files.
 *
 * FIGURES of an item with n samples, c of them right (grade/math_equal.h decides):
 *   pass@k    the chance that one of k samples drawn without replacement is right, 1 - C(n-c, k) / C(n, k), unbiased; pass@1 is c / n
 *   maj@k     whether the answer that most of the first k samples give is right. Answers are the same when their normal spelling is
 *             (math_answer.h), as in the published implementation; of equally frequent ones the first counts; samples without an answer
 *             vote for "", which is an answer like others
 * Over the items each has its mean and standard error. All items must have the same number of samples.
 */
#ifndef OD_BENCH_MATH_H
#define OD_BENCH_MATH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "bench/math_data.h"
#include "bench/outputs.h"
#include "bench/sheet.h"

/* ---- verdicts on one output ------------------------------------------------------------------------------------------------ */

struct od_math_sample {
	size_t at, len;                            /* the answer found, in text of the result */
	bool correct;
	struct od_said said;                       /* of the output */
};

struct od_math_result {
	struct od_math_sample *s;                  /* [n] */
	size_t n, cap;
	struct od_buf text, one;                   /* answers one behind the other; scratch */
};

/* An output's answers judged; they borrow from it. */
OD_MUST_CHECK enum od_status od_math_judge(struct od_math_result *r, const struct od_math_dataset *d, const struct od_math_item *item,
	const json_t *output, enum od_math_grader g, bool symbolic, struct od_error *err);
void od_math_result_release(struct od_math_result *r);

/* 1 - C(n-c, k) / C(n, k), for 0 <= c <= n and 1 <= k <= n. */
double od_pass_at_k(int64_t n, int64_t c, int64_t k);

/* The sample whose answer wins the vote of the first k, the first that gives it. */
size_t od_math_vote(const struct od_math_result *r, size_t k);

/* ---- figures ---------------------------------------------------------------------------------------------------------------- */

enum { OD_MATH_KS = 16 };                          /* different k at most */

struct od_math_plan {
	int64_t k[OD_MATH_KS];                     /* pass@k; k[0] is 1 */
	size_t n_k;
	bool majority;                             /* maj@k too, for each k above 1; without one for all samples */
};

#define OD_MATH_PLAN_INIT { { 1 }, 1, false }

/* "1,4,8": OD_EUSAGE for what is no number, or there twice. 1 need not be said. */
OD_MUST_CHECK enum od_status od_math_plan_read(struct od_math_plan *p, const char *text, struct od_error *err);

/* Stays where it was initialised: parts of it point at others. */
struct od_math_tally {
	struct od_math_plan plan;
	struct od_sheet sheet;                     /* a row an item; its columns are pass@k and maj@k */
	struct od_sheet_column columns[2 * OD_MATH_KS];
	char names[2 * OD_MATH_KS][32];
	int64_t votes[OD_MATH_KS];                 /* [n_votes] the k of maj@k */
	size_t n_votes;
	int64_t samples;                           /* of an item; 0 before the first */
	int64_t no_answer;                         /* samples in which no answer was found */
};

void od_math_tally_init(struct od_math_tally *t, const struct od_math_plan *plan);
void od_math_tally_release(struct od_math_tally *t);

/* Counts an item, which becomes the last row of the sheet. OD_EFORMAT when it has another number of samples than the first;
 * OD_EUSAGE when that is too small for a k. */
OD_MUST_CHECK enum od_status od_math_add(struct od_math_tally *t, const struct od_math_item *item, const struct od_math_result *r,
	struct od_error *err);

/* Appends the last item: {"id","prompt","reference","pred","pass@1",...,"response","tokens","finish_reason","run"}, pred to
 * finish_reason of the first sample; of several samples also "preds":[..] and "verdicts":[..]. */
void od_math_write(const struct od_math_tally *t, const struct od_math_item *item, const struct od_math_result *r, struct od_buf *out);

#endif
