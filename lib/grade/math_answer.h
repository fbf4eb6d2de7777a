/* math_answer.h -- the answer in a completion of a math problem, and its normal spelling, as the graders of the field find them.
 *
 * Two graders are known:
 *   qwen    that of Qwen2.5-Math's evaluation, which published numbers use;
 *   unidpo  its variant by the authors of Uni-DPO. Differences are marked "unidpo:" here and in math_equal.h.
 *
 * EXTRACTION looks for these, in this order; the first that is there counts:
 *   1. between "final answer is $" and "$. I hope"
 *   2. behind the last "boxed": the balanced braces (the rest of the text when they do not close), or what stands before "$"
 *   3. behind the last "he answer is", then behind the last "final answer is"
 *   4. behind the first Chinese "the answer is", up to a blank line
 *   5. the last number
 * and normalises the find, twice, since normalising is not idempotent.
 *
 * NORMALISING makes one spelling of many (tfrac and dfrac are frac, \frac12 is \frac{1}{2}, a/b is \frac{a}{b}), removes units of
 * measure, degrees, dollars, percent signs and "x=", and replaces English number words. It is a list of textual rules with side
 * effects ("and" goes anywhere, any lone letter that is a unit goes), kept as they are, because pred strings are compared with
 * published ones. unidpo: "\ " goes and "\\" becomes "\" first, which breaks the rows of matrices.
 *
 * Text is valid UTF-8 of any length; time is linear in it.
 */
#ifndef OD_GRADE_MATH_ANSWER_H
#define OD_GRADE_MATH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum od_math_grader { OD_MATH_QWEN, OD_MATH_UNIDPO };

extern const char *const od_math_grader_names[];       /* in the order of the enum, NULL at the end */

/* Dollar signs that go from a reference field before it is normalised. */
enum od_math_dollars { OD_DOLLARS_STAY, OD_DOLLARS_AT_ENDS, OD_DOLLARS_ANYWHERE };

/* A benchmark, as far as it changes what is done. */
struct od_math_dataset {
	const char *name;
	int size;                                  /* problems of the published set */
	const char *field;                         /* path of the reference field in the publisher's file */
	bool keep_units;                           /* units are part of the answer */
	bool solution;                             /* the reference field may be a whole solution with a box */
	const char *mark;                          /* the reference answer stands behind this in the reference field; or NULL */
	enum od_math_dollars dollars;
};

/* NULL is the default: as "math". OD_EUSAGE lists the names. */
OD_MUST_CHECK enum od_status od_math_dataset_find(const struct od_math_dataset **out, const char *name, struct od_error *err);

/* The known ones, i = 0, 1, ...; NULL behind the last. */
const struct od_math_dataset *od_math_dataset_at(size_t i);

/* out := the normalised answer of a completion. *none: the completion holds no answer at all (it is empty, or "error"), which is
 * never correct; out is then "". */
OD_MUST_CHECK enum od_status od_math_extract(enum od_math_grader g, const struct od_math_dataset *d, const char *text, size_t n,
	struct od_buf *out, bool *none, struct od_error *err);

/* out := s in normal spelling. */
OD_MUST_CHECK enum od_status od_math_normalise(enum od_math_grader g, bool keep_units, const char *s, size_t n, struct od_buf *out,
	struct od_error *err);

/* out := the reference answer from a benchmark's own field, ready for od_math_equal: what stands behind the dataset's mark (gsm8k:
 * "####"), or in the last box of a solution, or the field itself; normalised. Of minerva_math an answer without a box is taken as it
 * is, but for \neq, \leq and \geq. */
OD_MUST_CHECK enum od_status od_math_reference(enum od_math_grader g, const struct od_math_dataset *d, const char *field, size_t n,
	struct od_buf *out, struct od_error *err);

#endif
