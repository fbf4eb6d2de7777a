/* math_equal.h -- whether an answer is the reference answer, as the graders of the field decide it (math_answer.h says which).
 *
 * It is when one of these says so, in this order; 3 and 4 also say when it is not:
 *    1. equal text, letter case aside                               6. equal text without brackets
 *    2. reference A to E: the last such letter that stands alone    7. lists and intervals: element by element, in order
 *    3. both are numbers ("1,234", "12.5\%", "1e5"): equal          8. matrices: element by element
 *       within 1e-4, as they are or 100 times apart either way      9. equations: the same difference of sides; "x = 5" is 5
 *    4. an empty answer is wrong                                   10. the same mathematics (symbolic.h)
 *    5. (a matrix against {a,b}: that is made a matrix)
 * The factor of 100 is meant for percentages, and takes 4200 for 42: it is the published behaviour. unidpo: integers are compared
 * exactly; "Area = 26" is 26, while qwen wants at most two characters before the sign.
 */
#ifndef OD_GRADE_MATH_EQUAL_H
#define OD_GRADE_MATH_EQUAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "grade/math_answer.h"

/* Both are normalised answers (od_math_extract, od_math_reference). symbolic: false leaves step 10 and the first half of 9 out, which
 * cost the most. OD_ENOMEM is the only failure; garbage is merely not equal. */
OD_MUST_CHECK enum od_status od_math_equal(enum od_math_grader g, const char *answer, size_t n_answer, const char *reference,
	size_t n_reference, bool symbolic, bool *equal, struct od_error *err);

/* The whole of it: answer := what the completion text gives (od_math_extract), *correct: whether that is the reference, which is never
 * so of a completion that holds *none. */
OD_MUST_CHECK enum od_status od_math_grade(enum od_math_grader g, const struct od_math_dataset *d, const char *text, size_t n,
	const char *reference, size_t n_reference, bool symbolic, struct od_buf *answer, bool *none, bool *correct, struct od_error *err);

#endif
