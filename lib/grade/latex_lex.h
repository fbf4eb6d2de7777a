/* latex_lex.h -- LaTeX mathematics as tokens: the ones of the grammar that SymPy reads LaTeX by, because reference verdicts depend on
 * what it takes for a token ("dx" is one, every digit is one, \left and spaces are none).
 */
#ifndef OD_GRADE_LATEX_LEX_H
#define OD_GRADE_LATEX_LEX_H

#include <stddef.h>
#include <stdint.h>

enum od_latex_token {
	OD_TOK_END, OD_TOK_SKIP, OD_TOK_BAD,       /* SKIP: spaces, never returned; BAD: a character that begins no token */
	OD_TOK_ADD, OD_TOK_SUB, OD_TOK_MUL, OD_TOK_DIV,    /* MUL, DIV: also \times, \cdot, \div, ':' */
	OD_TOK_OPEN, OD_TOK_CLOSE,                 /* brackets; 'which' tells the kind: '(' '[' '{' or '<' for \{ */
	OD_TOK_BAR, OD_TOK_LEFT_BAR, OD_TOK_RIGHT_BAR, OD_TOK_LEFT_ANGLE, OD_TOK_RIGHT_ANGLE,
	OD_TOK_LEFT_FLOOR, OD_TOK_RIGHT_FLOOR, OD_TOK_LEFT_CEIL, OD_TOK_RIGHT_CEIL,
	OD_TOK_FUNCTION,                           /* 'which' is its enum od_expr_fn; \lg and \ln are OD_FN_LOG, 'which' + 100 for \lg */
	OD_TOK_SQRT, OD_TOK_OVERLINE, OD_TOK_SUM, OD_TOK_PRODUCT, OD_TOK_INTEGRAL, OD_TOK_LIMIT, OD_TOK_APPROACH,
	OD_TOK_FRAC, OD_TOK_BINOM, OD_TOK_MATHIT,
	OD_TOK_UNDERSCORE, OD_TOK_CARET, OD_TOK_BANG, OD_TOK_COMMA, OD_TOK_POINT, OD_TOK_QUOTES,
	OD_TOK_RELATION,                           /* 'which' is its enum od_relation */
	OD_TOK_DIGIT, OD_TOK_LETTER,
	OD_TOK_SYMBOL,                             /* any other \command */
	OD_TOK_DIFFERENTIAL                        /* "dx", "d\theta" */
};

#define OD_LATEX_LG 100

struct od_latex_piece {
	enum od_latex_token token;
	int which;
	uint32_t at, len;                          /* its text */
};

/* The token at or after byte 'at' of s (n bytes); the next begins behind it. */
struct od_latex_piece od_latex_next(const char *s, size_t n, size_t at);

#endif
