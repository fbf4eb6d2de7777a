/* symbolic.h -- whether two answers are the same mathematics: the step for which the reference graders use a computer algebra system.
 *
 * Each side is read as LaTeX, and where that fails as typed mathematics. Two constants are equal within 1e-4 of the larger;
 * expressions with variables when they are the same function (expr_value.h); relations when their sides differ by the same amount,
 * or when both are plainly true or plainly false; sets whatever their order. Text that is neither is equal to itself alone.
 * unidpo: ^ is a power in typed mathematics too; a "\\" that is no LaTeX with one backslash is not tried with two.
 */
#ifndef OD_GRADE_SYMBOLIC_H
#define OD_GRADE_SYMBOLIC_H

#include <stdbool.h>
#include <stddef.h>

#include "grade/expr.h"
#include "grade/math_answer.h"

/* The pool is scratch. Text beyond 10,000 bytes is not read. */
bool od_symbolic_equal(enum od_math_grader g, struct od_expr_pool *pool, const char *a, size_t na, const char *b, size_t nb);

/* Within 1e-4 of the larger. */
bool od_number_close(double a, double b);

#endif
