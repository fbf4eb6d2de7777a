#include "grade/plain_parse.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "grade/answer_text.h"

struct parser {
	struct od_expr_pool *pool;
	const char *s;
	size_t n, at;
	int depth;
	bool caret_is_power;
};

static int exclusive_or(struct parser *p);
static int unary(struct parser *p);

/* ---- characters ---------------------------------------------------------------------------------------------------------- */

static char
peek(struct parser *p)
{
	while (p->at < p->n && p->s[p->at] == ' ')
		p->at++;
	return p->at < p->n ? p->s[p->at] : '\0';
}

static bool
take(struct parser *p, const char *what)
{
	size_t len = strlen(what);

	peek(p);
	if (p->n - p->at < len || memcmp(p->s + p->at, what, len) != 0)
		return false;
	p->at += len;
	return true;
}

static bool
is_name_start(char c)
{
	return (unsigned)(c | 32) - 'a' < 26 || c == '_' || (unsigned char)c >= 0x80;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- atoms --------------------------------------------------------------------------------------------------------------- */

static int
number(struct parser *p)
{
	const char *s = p->s + p->at;
	size_t most = p->n - p->at, i = 0, zeros = 0;
	bool integer = true;
	double v;

	while (zeros < most && s[zeros] == '0')
		zeros++;
	while (i < most && (is_digit(s[i]) || (s[i] == '.' && integer))) {
		integer &= s[i] != '.';
		i++;
	}
	if (i + 1 < most && (s[i] | 32) == 'e' && (is_digit(s[i + 1]) || (i + 2 < most && strchr("+-", s[i + 1]) && is_digit(s[i + 2])))) {
		for (i += 2, integer = false; i < most && is_digit(s[i]); i++)
			;
	}
	if ((integer && zeros && zeros < i) || !od_text_float(s, i, &v))
		return -1;                                 /* "033" is no number there */
	p->at += i;
	return od_expr_number(p->pool, v);
}

static const struct {
	const char *name;
	int fn;
} functions[] = {
	{ "exp", OD_FN_EXP }, { "log", OD_FN_LOG }, { "ln", OD_FN_LOG }, { "sin", OD_FN_SIN }, { "cos", OD_FN_COS }, { "tan", OD_FN_TAN },
	{ "csc", OD_FN_CSC }, { "sec", OD_FN_SEC }, { "cot", OD_FN_COT }, { "asin", OD_FN_ASIN }, { "acos", OD_FN_ACOS },
	{ "atan", OD_FN_ATAN }, { "sinh", OD_FN_SINH }, { "cosh", OD_FN_COSH }, { "tanh", OD_FN_TANH }, { "Abs", OD_FN_ABS },
	{ "abs", OD_FN_ABS }, { "floor", OD_FN_FLOOR }, { "ceiling", OD_FN_CEIL }, { "factorial", OD_FN_FACTORIAL },
	{ "binomial", OD_FN_BINOMIAL }
};

/* Names that are something else than a variable or a number there. */
static const char *const reserved[] = {
	"and", "or", "not", "in", "is", "if", "else", "for", "lambda", "None", "True", "False", "N", "O", "Q", "S", "beta", "gamma",
	"zeta", "Ne", "Eq", "Lt", "Gt", "Le", "Ge", "def", "class", "from", "import", "pass", "return", "while", "with", "as", "del",
	"try", "yield", "async", "await", "global", "assert", "break", "continue", "except", "finally", "nonlocal", "raise", "elif"
};

static bool
is_name(const char *s, size_t n, const char *name)
{
	return strlen(name) == n && memcmp(s, name, n) == 0;
}

/* Items up to the closing bracket; *commas counts. False when it does not close. */
static bool
items(struct parser *p, const char *close, int *list, size_t *n, size_t *commas)
{
	int item[256];

	*n = *commas = 0;
	*list = -1;
	while (*close ? !take(p, close) : peek(p) != '\0') {
		if (*n > *commas || *n == 256 || (item[*n] = exclusive_or(p)) < 0)
			return false;
		++*n;
		*commas += take(p, ",");
	}
	for (size_t i = *n; i-- > 0;)
		*list = od_expr_item(p->pool, item[i], *list);
	return true;
}

static int
sequence(struct parser *p, int kind, int list)
{
	return od_expr_node(p->pool, OD_EXPR_SEQUENCE, kind, list, -1);
}

static int
call(struct parser *p, const char *name, size_t len)
{
	struct od_expr_pool *pool = p->pool;
	size_t n, commas;
	int list, first;

	if (!items(p, ")", &list, &n, &commas) || !n)
		return -1;
	first = pool->node[list].a;
	if (is_name(name, len, "sqrt"))
		return od_expr_node(pool, OD_EXPR_POW, 0, first, od_expr_number(pool, 0.5));
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (is_name(name, len, functions[i].name))
			return n > 2 ? -1 : od_expr_node(pool, OD_EXPR_CALL, functions[i].fn, first,
				n == 2 ? pool->node[pool->node[list].b].a : -1);
	}
	return od_expr_named(pool, OD_EXPR_APPLY, name, len, list);
}

static int
name(struct parser *p)
{
	const char *s = p->s + p->at;
	size_t len = 0;

	while (p->at < p->n && (is_name_start(p->s[p->at]) || is_digit(p->s[p->at]))) {
		p->at++;
		len++;
	}
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (is_name(s, len, reserved[i]))
			return -1;
	}
	if (take(p, "("))
		return call(p, s, len);
	if (is_name(s, len, "pi"))
		return od_expr_number(p->pool, M_PI);
	if (is_name(s, len, "E"))
		return od_expr_number(p->pool, M_E);
	if (is_name(s, len, "I"))
		return od_expr_node(p->pool, OD_EXPR_IMAGINARY, 0, -1, -1);
	if (is_name(s, len, "oo"))
		return od_expr_node(p->pool, OD_EXPR_INFINITY, 0, -1, -1);
	return od_expr_named(p->pool, OD_EXPR_SYMBOL, s, len, -1);
}

static int
bracketed(struct parser *p)
{
	size_t n, commas;
	int list;

	if (take(p, "(")) {
		if (!items(p, ")", &list, &n, &commas))
			return -1;
		return n == 1 && !commas ? p->pool->node[list].a : sequence(p, '(', list);
	}
	if (take(p, "["))
		return items(p, "]", &list, &n, &commas) ? sequence(p, '[', list) : -1;
	return take(p, "{") && items(p, "}", &list, &n, &commas) ? sequence(p, '{', list) : -1;
}

static int
atom(struct parser *p)
{
	char c = peek(p);
	int e;

	if (is_digit(c) || c == '.')
		e = number(p);
	else
		e = is_name_start(c) ? name(p) : bracketed(p);
	while (e >= 0 && take(p, "!"))
		e = od_expr_node(p->pool, OD_EXPR_CALL, OD_FN_FACTORIAL, e, -1);
	return e;
}

/* ---- operators ----------------------------------------------------------------------------------------------------------- */

static int
power(struct parser *p)
{
	int e = atom(p);

	if (e >= 0 && (take(p, "**") || (p->caret_is_power && take(p, "^"))))
		e = od_expr_node(p->pool, OD_EXPR_POW, 0, e, unary(p));
	return e;
}

static int
unary(struct parser *p)
{
	int e;

	if (p->depth >= OD_EXPR_MAX_DEPTH)
		return -1;
	p->depth++;
	if (take(p, "-"))
		e = od_expr_negate(p->pool, unary(p));
	else
		e = take(p, "+") ? unary(p) : power(p);
	p->depth--;
	return e;
}

static int
product(struct parser *p)
{
	int e = unary(p);

	while (e >= 0 && (peek(p) == '*' || peek(p) == '/')) {
		bool divide = p->s[p->at++] == '/';
		int next = unary(p);

		e = next < 0 ? -1 : divide ? od_expr_divide(p->pool, e, next) : od_expr_node(p->pool, OD_EXPR_MUL, 0, e, next);
	}
	return e;
}

static int
sum(struct parser *p)
{
	int e = product(p);

	while (e >= 0 && (peek(p) == '+' || peek(p) == '-')) {
		bool minus = p->s[p->at++] == '-';
		int next = product(p);

		e = next < 0 ? -1 : od_expr_node(p->pool, OD_EXPR_ADD, 0, e, minus ? od_expr_negate(p->pool, next) : next);
	}
	return e;
}

static bool
integer_value(const struct od_expr_pool *pool, int e, int64_t *out)
{
	if (e < 0 || pool->node[e].kind != OD_EXPR_NUMBER || fabs(pool->node[e].u.value) > 0x1p53)
		return false;
	*out = (int64_t)pool->node[e].u.value;
	return (double)*out == pool->node[e].u.value;
}

static int
exclusive_or(struct parser *p)
{
	int e = sum(p);
	int64_t a, b;

	while (e >= 0 && !p->caret_is_power && take(p, "^")) {
		if (!integer_value(p->pool, e, &a) || !integer_value(p->pool, sum(p), &b))
			return -1;
		e = od_expr_number(p->pool, (double)(a ^ b));
	}
	return e;
}

int
od_plain_parse(struct od_expr_pool *pool, const char *s, size_t n, bool caret_is_power)
{
	struct parser p = { .pool = pool, .s = s, .n = n, .caret_is_power = caret_is_power };
	size_t count, commas;
	int list;

	if (!items(&p, "", &list, &count, &commas) || !count || pool->full)
		return -1;
	return count == 1 && !commas ? pool->node[list].a : sequence(&p, '(', list);
}
