/* verify.h -- the expert that judges answers to math problems by rules: 1 when the answer extracted from the response is the reference
 * answer, else 0 (grade/math_answer.h, grade/math_equal.h).
 *
 * Members of a response: "extracted" (the normalised answer; null when the response is empty) and "correct" (true or false).
 * A record without a reference answer, or with one that is blank, cannot be scored.
 */
#ifndef OD_SCORE_VERIFY_H
#define OD_SCORE_VERIFY_H

#include "base/error.h"
#include "grade/math_answer.h"
#include "score/response.h"

/* dataset: name of the benchmark, for what its reference answers look like; NULL: "math". */
OD_MUST_CHECK enum od_status od_verify_open(struct od_response_expert **out, enum od_math_grader grader, const char *dataset,
	struct od_error *err);

#endif
