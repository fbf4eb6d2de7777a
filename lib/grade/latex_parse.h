/* latex_parse.h -- LaTeX mathematics to an expression, as SymPy 1.12's parse_latex reads it.
 *
 * The grammar is SymPy's, and so are its habits, on which reference verdicts depend:
 *   - the longest beginning that is an expression counts and the rest is ignored: "1,-2" is 1, "145^" is 145;
 *   - pi, e and i are symbols, not constants; only \infty has a meaning;
 *   - a letter before "(" is a function: x(y+1) is x of y+1;
 *   - "1,234" is one number; "2^10" is 2 to the 10th; "3x5" is 15, because x between numbers is a sign of multiplication.
 * It fails where nothing at the beginning is an expression, or a character begins no token.
 */
#ifndef OD_GRADE_LATEX_PARSE_H
#define OD_GRADE_LATEX_PARSE_H

#include <stddef.h>

#include "grade/expr.h"

/* The root of the expression in p, or -1: not parsed, or longer or deeper than is worth the while. */
int od_latex_parse(struct od_expr_pool *p, const char *s, size_t n);

#endif
