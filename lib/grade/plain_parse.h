/* plain_parse.h -- mathematics as one types it into a computer ("2*x**3", "{1, 2}", "sqrt(2)/2"): the part of Python that SymPy's
 * parse_expr evaluates, tuples, lists and sets included. The reference graders try it on what is not LaTeX.
 *
 * Unlike in LaTeX, pi, E, I and oo are constants, there is no multiplication without a sign, and all of the text must be read.
 */
#ifndef OD_GRADE_PLAIN_PARSE_H
#define OD_GRADE_PLAIN_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "grade/expr.h"

/* The root in p, or -1. caret_is_power: else ^ is Python's exclusive or, of integers. */
int od_plain_parse(struct od_expr_pool *p, const char *s, size_t n, bool caret_is_power);

#endif
