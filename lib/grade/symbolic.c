#include "grade/symbolic.h"

#include <math.h>
#include <string.h>

#include "grade/answer_text.h"
#include "grade/expr_value.h"
#include "grade/latex_parse.h"
#include "grade/plain_parse.h"

#define MAX_TEXT 10000
#define CLOSE 1e-4

bool
od_number_close(double a, double b)
{
	if (a == b)
		return true;
	return isfinite(a) && isfinite(b) && fabs(a - b) <= CLOSE * fmax(fabs(a), fabs(b));
}

/* The parsers in the order of the reference, on the text with single backslashes first. -1: it stays text. */
static int
parse(enum od_math_grader g, struct od_expr_pool *pool, const char *s, size_t n)
{
	struct od_buf single = OD_BUF_INIT;
	int e = -1;

	if (!n || n > MAX_TEXT)
		return -1;
	od_buf_append(&single, s, n);
	od_text_replace(&single, "\\\\", "\\");
	if (od_buf_ok(&single)) {
		e = od_latex_parse(pool, single.data, single.len);
		if (e < 0 && single.len < n && g == OD_MATH_QWEN)
			e = od_latex_parse(pool, s, n);
		if (e < 0)
			e = od_plain_parse(pool, single.data, single.len, g == OD_MATH_UNIDPO);
	}
	od_buf_release(&single);
	return pool->full ? -1 : e;
}

/* Equal as Python's objects are. */
static bool
items_equal(const struct od_expr_pool *pool, int a, int b)
{
	const struct od_expr *x = &pool->node[a], *y = &pool->node[b];
	double u, v;

	if (x->kind == OD_EXPR_SEQUENCE || y->kind == OD_EXPR_SEQUENCE)
		return od_expr_same(pool, a, b);
	if (od_expr_real(pool, a, &u) && od_expr_real(pool, b, &v))
		return u == v || fabs(u - v) <= 1e-14 * fmax(fabs(u), fabs(v));
	return od_expr_same(pool, a, b) || od_expr_equal(pool, a, b, false);
}

static bool
contains(const struct od_expr_pool *pool, int list, int item)
{
	for (; list >= 0; list = pool->node[list].b) {
		if (items_equal(pool, pool->node[list].a, item))
			return true;
	}
	return false;
}

static bool
subset(const struct od_expr_pool *pool, int a, int b)
{
	for (; a >= 0; a = pool->node[a].b) {
		if (!contains(pool, b, pool->node[a].a))
			return false;
	}
	return true;
}

static bool
sequences_equal(const struct od_expr_pool *pool, const struct od_expr *x, const struct od_expr *y)
{
	int a = x->a, b = y->a;

	if (x->fn != y->fn)
		return false;
	if (x->fn == '{')
		return subset(pool, a, b) && subset(pool, b, a);
	for (; a >= 0 && b >= 0; a = pool->node[a].b, b = pool->node[b].b) {
		if (!items_equal(pool, pool->node[a].a, pool->node[b].a))
			return false;
	}
	return a == b;
}

/* 1 or 0 when both sides are numbers, else -1. */
static int
truth(const struct od_expr_pool *pool, const struct od_expr *r)
{
	double a, b;

	if (!od_expr_real(pool, r->a, &a) || !od_expr_real(pool, r->b, &b))
		return -1;
	switch (r->fn) {
	case OD_REL_EQ: return a == b || fabs(a - b) <= 1e-14 * fmax(fabs(a), fabs(b));
	case OD_REL_NE: return a != b;
	case OD_REL_LT: return a < b;
	case OD_REL_LE: return a <= b;
	case OD_REL_GT: return a > b;
	default: return a >= b;
	}
}

static bool
relations_equal(struct od_expr_pool *pool, int a, int b)
{
	const struct od_expr x = pool->node[a], y = pool->node[b];
	int s = truth(pool, &x), t = truth(pool, &y), d, e;

	if (s >= 0 || t >= 0)
		return s == t;
	d = od_expr_node(pool, OD_EXPR_ADD, 0, x.a, od_expr_negate(pool, x.b));
	e = od_expr_node(pool, OD_EXPR_ADD, 0, y.a, od_expr_negate(pool, y.b));
	return d >= 0 && e >= 0 && od_expr_equal(pool, d, e, true);
}

static bool
trees_equal(struct od_expr_pool *pool, int a, int b)
{
	const struct od_expr *x = &pool->node[a], *y = &pool->node[b];
	double u, v;

	if (x->kind == OD_EXPR_SEQUENCE || y->kind == OD_EXPR_SEQUENCE)
		return x->kind == y->kind && sequences_equal(pool, x, y);
	if (od_expr_same(pool, a, b))
		return true;
	if (x->kind == OD_EXPR_RELATION || y->kind == OD_EXPR_RELATION)
		return x->kind == y->kind && relations_equal(pool, a, b);
	if (od_expr_real(pool, a, &u) && od_expr_real(pool, b, &v))
		return od_number_close(u, v);
	return od_expr_equal(pool, a, b, false);
}

bool
od_symbolic_equal(enum od_math_grader g, struct od_expr_pool *pool, const char *a, size_t na, const char *b, size_t nb)
{
	int x, y;

	od_expr_clear(pool);
	x = parse(g, pool, a, na);
	y = parse(g, pool, b, nb);
	if (x < 0 && y < 0)
		return na == nb && memcmp(a, b, na) == 0;
	return x >= 0 && y >= 0 && trees_equal(pool, x, y);
}
