/* expr_value.h -- expressions by their values: stands in for the algebra of a computer algebra system.
 *
 * Two expressions with variables are taken for equal when they agree at several points, at each of which every variable has a value
 * of its own, drawn by its name, complex so that no branch of a root or logarithm hides a difference. What is unknown (a function f, a
 * limit, a sum without end) is a smooth function of its parts, drawn by its name, so that it is equal where its parts are equal.
 * An error has no chance in practice to survive a point, save where values drown: agreement is asked for to 10 digits, beyond
 * what was lost by cancellation.
 */
#ifndef OD_GRADE_EXPR_VALUE_H
#define OD_GRADE_EXPR_VALUE_H

#include "grade/expr.h"

/* The value of an expression that is a real number (no variables, nothing unknown); it may be infinite. */
bool od_expr_real(const struct od_expr_pool *p, int e, double *out);

/* Equal as functions of their variables; absolute: equal in magnitude. */
bool od_expr_equal(const struct od_expr_pool *p, int a, int b, bool absolute);

#endif
