/* expr.h -- mathematical expressions as trees in a pool: what the parsers make (latex_parse.h, plain_parse.h) and what is
 * compared by value (expr_value.h).
 *
 * A node is named by its number in the pool; -1 is none. Nodes are never changed once made, so that parsers may share and drop
 * them. A pool refuses to grow beyond OD_EXPR_MAX nodes ('full' is set and nodes are -1): garbage cannot take much memory or time.
 */
#ifndef OD_GRADE_EXPR_H
#define OD_GRADE_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define OD_EXPR_MAX 20000
#define OD_EXPR_MAX_DEPTH 200

enum od_expr_kind {
	OD_EXPR_NUMBER,        /* value */
	OD_EXPR_SYMBOL,        /* name */
	OD_EXPR_INFINITY,
	OD_EXPR_IMAGINARY,     /* the imaginary unit */
	OD_EXPR_ADD,           /* a + b */
	OD_EXPR_MUL,           /* a * b */
	OD_EXPR_POW,           /* a to the power of b */
	OD_EXPR_CALL,          /* function 'fn' of a (and b: the base of OD_FN_LOG, the lower number of OD_FN_BINOMIAL) */
	OD_EXPR_APPLY,         /* an unknown function 'name' of the list a */
	OD_EXPR_SUM,           /* sum of a over the limits b (list: variable, from, to) */
	OD_EXPR_PRODUCT,       /* likewise */
	OD_EXPR_RELATION,      /* a 'fn' b, fn an enum od_relation */
	OD_EXPR_SEQUENCE,      /* list a in brackets of kind 'fn': '(', '[' or '{' */
	OD_EXPR_ITEM           /* of a list: a, and the rest b */
};

enum od_expr_fn {
	OD_FN_EXP, OD_FN_LOG, OD_FN_SIN, OD_FN_COS, OD_FN_TAN, OD_FN_CSC, OD_FN_SEC, OD_FN_COT, OD_FN_ASIN, OD_FN_ACOS, OD_FN_ATAN,
	OD_FN_ACSC, OD_FN_ASEC, OD_FN_ACOT, OD_FN_SINH, OD_FN_COSH, OD_FN_TANH, OD_FN_ASINH, OD_FN_ACOSH, OD_FN_ATANH, OD_FN_ABS,
	OD_FN_FLOOR, OD_FN_CEIL, OD_FN_CONJ, OD_FN_FACTORIAL, OD_FN_BINOMIAL
};

enum od_relation { OD_REL_EQ, OD_REL_NE, OD_REL_LT, OD_REL_LE, OD_REL_GT, OD_REL_GE };

struct od_expr {
	uint8_t kind, fn;
	int32_t a, b;
	union {
		double value;
		struct {
			uint32_t at, len;                  /* of the name in the pool's names */
		} name;
	} u;
};

struct od_expr_pool {
	struct od_expr *node;
	size_t n, cap;
	struct od_buf names;
	bool full;                                 /* or out of memory */
};

#define OD_EXPR_POOL_INIT { NULL, 0, 0, OD_BUF_INIT, false }

void od_expr_clear(struct od_expr_pool *p);        /* memory kept */
void od_expr_release(struct od_expr_pool *p);

int od_expr_number(struct od_expr_pool *p, double value);
int od_expr_named(struct od_expr_pool *p, enum od_expr_kind kind, const char *name, size_t len, int a);
/* A node of any other kind; -1 when an operand it needs (a; b where the kind has one) is -1. */
int od_expr_node(struct od_expr_pool *p, enum od_expr_kind kind, int fn, int a, int b);
int od_expr_negate(struct od_expr_pool *p, int a);
int od_expr_divide(struct od_expr_pool *p, int a, int b);
int od_expr_item(struct od_expr_pool *p, int first, int rest);   /* rest -1: the last */

/* The same tree, to the letter. */
bool od_expr_same(const struct od_expr_pool *p, int a, int b);

/* A spelling of the tree that is the same for the same tree. */
void od_expr_spell(const struct od_expr_pool *p, int a, struct od_buf *out);

#endif
