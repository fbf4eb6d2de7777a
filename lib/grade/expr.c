#include "grade/expr.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
od_expr_clear(struct od_expr_pool *p)
{
	p->n = 0;
	p->full = false;
	od_buf_clear(&p->names);
}

void
od_expr_release(struct od_expr_pool *p)
{
	free(p->node);
	od_buf_release(&p->names);
	*p = (struct od_expr_pool)OD_EXPR_POOL_INIT;
}

static int
add(struct od_expr_pool *p, struct od_expr e)
{
	if (p->full || p->n >= OD_EXPR_MAX || !od_grow(&p->node, &p->cap, p->n + 1, sizeof(*p->node))) {
		p->full = true;
		return -1;
	}
	p->node[p->n] = e;
	return (int)p->n++;
}

int
od_expr_number(struct od_expr_pool *p, double value)
{
	return add(p, (struct od_expr){ .kind = OD_EXPR_NUMBER, .a = -1, .b = -1, .u.value = value });
}

int
od_expr_named(struct od_expr_pool *p, enum od_expr_kind kind, const char *name, size_t len, int a)
{
	struct od_expr e = { .kind = (uint8_t)kind, .a = a, .b = -1 };

	e.u.name.at = (uint32_t)p->names.len;
	e.u.name.len = (uint32_t)len;
	od_buf_append(&p->names, name, len);
	p->full |= !od_buf_ok(&p->names);
	return add(p, e);
}

static bool
is_leaf(enum od_expr_kind kind)
{
	return kind == OD_EXPR_INFINITY || kind == OD_EXPR_IMAGINARY;
}

static bool
has_second(enum od_expr_kind kind, int fn)
{
	return kind == OD_EXPR_ADD || kind == OD_EXPR_MUL || kind == OD_EXPR_POW || kind == OD_EXPR_SUM || kind == OD_EXPR_PRODUCT ||
		kind == OD_EXPR_RELATION || (kind == OD_EXPR_CALL && fn == OD_FN_BINOMIAL);
}

int
od_expr_node(struct od_expr_pool *p, enum od_expr_kind kind, int fn, int a, int b)
{
	if ((a < 0 && !is_leaf(kind) && kind != OD_EXPR_SEQUENCE) || (b < 0 && has_second(kind, fn)))
		return -1;
	return add(p, (struct od_expr){ .kind = (uint8_t)kind, .fn = (uint8_t)fn, .a = a, .b = b });
}

int
od_expr_negate(struct od_expr_pool *p, int a)
{
	return od_expr_node(p, OD_EXPR_MUL, 0, od_expr_number(p, -1), a);
}

int
od_expr_divide(struct od_expr_pool *p, int a, int b)
{
	return od_expr_node(p, OD_EXPR_MUL, 0, a, od_expr_node(p, OD_EXPR_POW, 0, b, od_expr_number(p, -1)));
}

int
od_expr_item(struct od_expr_pool *p, int first, int rest)
{
	return od_expr_node(p, OD_EXPR_ITEM, 0, first, rest);
}

static bool
is_named(const struct od_expr *e)
{
	return e->kind == OD_EXPR_SYMBOL || e->kind == OD_EXPR_APPLY;
}

bool
od_expr_same(const struct od_expr_pool *p, int a, int b)
{
	while (a >= 0 && b >= 0 && a != b) {
		const struct od_expr *x = &p->node[a], *y = &p->node[b];

		if (x->kind != y->kind || x->fn != y->fn)
			return false;
		if (x->kind == OD_EXPR_NUMBER && x->u.value != y->u.value)
			return false;
		if (is_named(x) && (x->u.name.len != y->u.name.len ||
			memcmp(p->names.data + x->u.name.at, p->names.data + y->u.name.at, x->u.name.len) != 0))
			return false;
		if (!od_expr_same(p, x->a, y->a))
			return false;
		a = x->b;
		b = y->b;
	}
	return a == b;
}

void
od_expr_spell(const struct od_expr_pool *p, int a, struct od_buf *out)
{
	const struct od_expr *e;

	if (a < 0)
		return;
	e = &p->node[a];
	if (e->kind == OD_EXPR_NUMBER) {
		od_buf_json_double(out, e->u.value);
		return;
	}
	if (is_named(e))
		od_buf_append(out, p->names.data + e->u.name.at, e->u.name.len);
	if (e->kind == OD_EXPR_SYMBOL)
		return;
	od_buf_printf(out, "<%d,%d:", e->kind, e->fn);
	od_expr_spell(p, e->a, out);
	od_buf_char(out, ' ');
	od_expr_spell(p, e->b, out);
	od_buf_char(out, '>');
}
