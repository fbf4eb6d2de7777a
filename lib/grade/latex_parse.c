/* latex_parse.c -- see latex_parse.h. Recursive descent that tries the alternatives of a rule in order and goes back when one fails;
 * what an expression at a token comes to is remembered, so that going back costs little.
 */
#include "grade/latex_parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "grade/latex_lex.h"

#define MAX_TOKENS 8192
#define MAX_ITEMS 512                              /* factors written side by side */
#define MAX_STEPS 100000                           /* tries, those gone back on included */
#define MAX_DEPTH (2 * OD_EXPR_MAX_DEPTH)

enum { UNTRIED, FAILED, PARSED };

struct memo {
	int state, node;
	size_t end;
};

struct parser {
	struct od_expr_pool *pool;
	const char *s;
	size_t n;
	struct od_latex_piece *tok;                /* as far as anybody has looked */
	struct memo *memo;                         /* of expr() at each token */
	size_t n_tok, cap_tok, cap_memo;
	size_t at;                                 /* the token that comes next */
	int depth, steps;
	size_t digits;                             /* most digits an exponent or index without braces may have now */
	bool dead;                                 /* a bad character, or too much of it: the whole fails */
};

static int expr(struct parser *p);
static int unary(struct parser *p, bool nofunc);
static int product(struct parser *p, bool nofunc);
static int atom(struct parser *p);

/* ---- tokens ----------------------------------------------------------------------------------------------------------- */

static struct od_latex_piece
peek_at(struct parser *p, size_t i)
{
	static const struct od_latex_piece end = { .token = OD_TOK_END };

	while (!p->dead && p->n_tok <= i) {
		size_t from = p->n_tok ? p->tok[p->n_tok - 1].at + p->tok[p->n_tok - 1].len : 0;

		if (p->n_tok >= MAX_TOKENS || !od_grow(&p->tok, &p->cap_tok, p->n_tok + 1, sizeof(*p->tok)) ||
		    !od_grow(&p->memo, &p->cap_memo, p->n_tok + 1, sizeof(*p->memo))) {
			p->dead = true;
			break;
		}
		p->memo[p->n_tok].state = UNTRIED;
		p->tok[p->n_tok] = od_latex_next(p->s, p->n, from);
		p->dead |= p->tok[p->n_tok].token == OD_TOK_BAD;
		p->n_tok++;
	}
	return p->dead ? end : p->tok[i];
}

static struct od_latex_piece
peek(struct parser *p)
{
	return peek_at(p, p->at);
}

static bool
take(struct parser *p, enum od_latex_token token)
{
	if (peek(p).token != token)
		return false;
	p->at++;
	return true;
}

static bool
take_bracket(struct parser *p, enum od_latex_token token, int which)
{
	struct od_latex_piece t = peek(p);

	if (t.token != token || t.which != which)
		return false;
	p->at++;
	return true;
}

/* Goes back and fails. */
static int
back(struct parser *p, size_t at)
{
	p->at = at;
	return -1;
}

/* Every rule that may come to itself goes through this; false: that is enough. */
static bool
enter(struct parser *p)
{
	if (p->depth >= MAX_DEPTH || ++p->steps > MAX_STEPS)
		p->dead = true;
	p->depth += !p->dead;
	return !p->dead;
}

/* An expression in brackets of one kind. */
static int
bracketed(struct parser *p, int which)
{
	size_t start = p->at;
	int e;

	if (!take_bracket(p, OD_TOK_OPEN, which))
		return -1;
	e = expr(p);
	return e >= 0 && take_bracket(p, OD_TOK_CLOSE, which) ? e : back(p, start);
}

/* An expression between two tokens. */
static int
between(struct parser *p, enum od_latex_token open, enum od_latex_token close)
{
	size_t start = p->at;
	int e;

	if (!take(p, open))
		return -1;
	e = expr(p);
	return e >= 0 && take(p, close) ? e : back(p, start);
}

/* ---- atoms ------------------------------------------------------------------------------------------------------------ */

static bool
three_digits_at(struct parser *p, size_t i)
{
	return peek_at(p, i).token == OD_TOK_DIGIT && peek_at(p, i + 1).token == OD_TOK_DIGIT && peek_at(p, i + 2).token == OD_TOK_DIGIT;
}

/* A decimal that the next number begins with: 0.50.5 is 0.5 times 0.5. */
static bool
begins_number(struct parser *p, size_t i)
{
	enum od_latex_token next;

	if (peek_at(p, i - 1).token != OD_TOK_DIGIT)
		return false;
	next = peek_at(p, i + 1).token;
	return (next == OD_TOK_POINT && peek_at(p, i + 2).token == OD_TOK_DIGIT) || (next == OD_TOK_COMMA && three_digits_at(p, i + 2));
}

/* Digits, thousands behind commas, decimals. most: of digits before the first comma. */
static int
number(struct parser *p, size_t most)
{
	struct od_buf text = OD_BUF_INIT;
	double v = 0;
	size_t i = p->at;

	for (; i - p->at < most && peek_at(p, i).token == OD_TOK_DIGIT; i++)
		od_buf_char(&text, p->s[peek_at(p, i).at]);
	for (; i - p->at < most && peek_at(p, i).token == OD_TOK_COMMA && three_digits_at(p, i + 1); i += 4) {
		for (size_t k = 1; k <= 3; k++)
			od_buf_char(&text, p->s[peek_at(p, i + k).at]);
	}
	if (i - p->at < most && peek_at(p, i).token == OD_TOK_POINT && peek_at(p, i + 1).token == OD_TOK_DIGIT) {
		od_buf_char(&text, '.');
		for (i++; peek_at(p, i).token == OD_TOK_DIGIT && !begins_number(p, i); i++)
			od_buf_char(&text, p->s[peek_at(p, i).at]);
	}
	if (od_buf_ok(&text) && text.len)
		v = strtod(text.data, NULL);
	p->dead |= !od_buf_ok(&text);
	od_buf_release(&text);
	if (p->dead || i == p->at)
		return -1;
	p->at = i;
	return od_expr_number(p->pool, v);
}

/* What stands behind '_' or '^': an atom, or an expression in braces. */
static int
script(struct parser *p, enum od_latex_token mark)
{
	size_t start = p->at;
	int e;

	if (!take(p, mark) || !enter(p))
		return -1;
	if (peek(p).token == OD_TOK_OPEN)
		e = bracketed(p, '{');
	else if (peek(p).token == OD_TOK_DIGIT)
		e = number(p, p->digits);
	else
		e = atom(p);
	p->depth--;
	return e >= 0 ? e : back(p, start);
}

/* The name of a letter or command with its index and primes; false: none, and p->at may have moved. */
static bool
name(struct parser *p, struct od_buf *out, bool primes_count)
{
	struct od_latex_piece t = peek(p), q;
	bool command = t.token == OD_TOK_SYMBOL;
	int index;

	if (t.token != OD_TOK_LETTER && !command)
		return false;
	p->at++;
	q = peek(p);
	if (q.token == OD_TOK_QUOTES)
		p->at++;
	index = script(p, OD_TOK_UNDERSCORE);
	if (peek(p).token == OD_TOK_UNDERSCORE)
		return false;                              /* no name ends before an index that cannot be read */
	if (q.token != OD_TOK_QUOTES && peek(p).token == OD_TOK_QUOTES) {
		q = peek(p);
		p->at++;
	}
	od_buf_append(out, p->s + t.at + command, t.len - command);
	if (index >= 0) {
		od_buf_str(out, "_{");
		od_expr_spell(p->pool, index, out);
		od_buf_char(out, '}');
	}
	if (q.token == OD_TOK_QUOTES && primes_count)
		od_buf_append(out, p->s + q.at, q.len);
	p->dead |= !od_buf_ok(out);
	return true;
}

static int
symbol(struct parser *p)
{
	struct od_latex_piece t = peek(p);
	struct od_buf text = OD_BUF_INIT;
	size_t start = p->at;
	int e = -1;

	if (name(p, &text, t.token == OD_TOK_LETTER) && !p->dead)
		e = t.len == 6 && memcmp(p->s + t.at, "\\infty", 6) == 0 ? od_expr_node(p->pool, OD_EXPR_INFINITY, 0, -1, -1) :
			od_expr_named(p->pool, OD_EXPR_SYMBOL, text.data, text.len, -1);
	od_buf_release(&text);
	return e >= 0 ? e : back(p, start);
}

static int
differential(struct parser *p)
{
	struct od_latex_piece t = peek(p);
	char text[64] = "d";
	size_t from = t.at + (size_t)t.which, len = t.at + t.len - from;

	p->at++;
	if (p->s[from] == '\\') {
		from++;
		len--;
	}
	len = len < sizeof(text) - 1 ? len : sizeof(text) - 1;
	memcpy(text + 1, p->s + from, len);
	return od_expr_named(p->pool, OD_EXPR_SYMBOL, text, len + 1, -1);
}

/* A digit or an expression in braces. */
static int
fraction_part(struct parser *p)
{
	return peek(p).token == OD_TOK_DIGIT ? number(p, 1) : bracketed(p, '{');
}

static int
fraction(struct parser *p)
{
	size_t start = p->at++;
	int top = fraction_part(p), bottom = top >= 0 ? fraction_part(p) : -1;

	return bottom >= 0 ? od_expr_divide(p->pool, top, bottom) : back(p, start);
}

static int
binomial(struct parser *p)
{
	size_t start = p->at++;
	int upper = bracketed(p, '{'), lower = upper >= 0 ? bracketed(p, '{') : -1;

	return lower >= 0 ? od_expr_node(p->pool, OD_EXPR_CALL, OD_FN_BINOMIAL, upper, lower) : back(p, start);
}

static int
mathit(struct parser *p)
{
	size_t start = p->at++, from, end;

	if (!take_bracket(p, OD_TOK_OPEN, '{'))
		return back(p, start);
	from = peek(p).at;
	while (take(p, OD_TOK_LETTER))
		;
	end = peek(p).at;
	return take_bracket(p, OD_TOK_CLOSE, '{') ? od_expr_named(p->pool, OD_EXPR_SYMBOL, p->s + from, end - from, -1) : back(p, start);
}

/* <e| and |e> of quantum mechanics: something of e. */
static int
bra_or_ket(struct parser *p)
{
	size_t start = p->at;
	bool bra = take(p, OD_TOK_LEFT_ANGLE);
	int e;

	if (!bra && !take(p, OD_TOK_BAR) && !take(p, OD_TOK_LEFT_BAR))
		return -1;
	e = expr(p);
	if (e < 0 || (bra ? !take(p, OD_TOK_BAR) && !take(p, OD_TOK_RIGHT_BAR) : !take(p, OD_TOK_RIGHT_ANGLE)))
		return back(p, start);
	return od_expr_named(p->pool, OD_EXPR_APPLY, bra ? "<|" : "|>", 2, od_expr_item(p->pool, e, -1));
}

static int
atom(struct parser *p)
{
	switch (peek(p).token) {
	case OD_TOK_LETTER:
	case OD_TOK_SYMBOL:
		return symbol(p);
	case OD_TOK_DIGIT:
		return number(p, MAX_TOKENS);
	case OD_TOK_DIFFERENTIAL:
		return differential(p);
	case OD_TOK_MATHIT:
		return mathit(p);
	case OD_TOK_FRAC:
		return fraction(p);
	case OD_TOK_BINOM:
		return binomial(p);
	case OD_TOK_LEFT_ANGLE:
	case OD_TOK_LEFT_BAR:
	case OD_TOK_BAR:
		return bra_or_ket(p);
	default:
		return -1;
	}
}

/* ---- functions -------------------------------------------------------------------------------------------------------- */

/* f(a, b, ...), f being any letter or command. */
static int
application(struct parser *p)
{
	struct od_buf text = OD_BUF_INIT;
	size_t start = p->at, n = 0;
	int args[64], list = -1, e = -1;

	if (name(p, &text, true) && take_bracket(p, OD_TOK_OPEN, '(')) {
		do {
			e = expr(p);
			args[n] = e;
		} while (e >= 0 && ++n < 64 && take(p, OD_TOK_COMMA));
		if (e >= 0 && take_bracket(p, OD_TOK_CLOSE, '(')) {
			while (n > 0)
				list = od_expr_item(p->pool, args[--n], list);
			e = p->dead ? -1 : od_expr_named(p->pool, OD_EXPR_APPLY, text.data, text.len, list);
		} else {
			e = -1;
		}
	}
	od_buf_release(&text);
	return e >= 0 ? e : back(p, start);
}

/* The argument of \sin and its like, in parentheses or what is multiplied without a further function. */
static int
argument(struct parser *p)
{
	size_t start = p->at;
	int first, e;

	if (take_bracket(p, OD_TOK_OPEN, '(')) {
		first = e = expr(p);
		while (e >= 0 && take(p, OD_TOK_COMMA))
			e = expr(p);
		if (e >= 0 && take_bracket(p, OD_TOK_CLOSE, '('))
			return first;
		p->at = start;
	}
	return product(p, true);
}

static bool
is_minus_one(const struct od_expr_pool *pool, int e)
{
	const struct od_expr *x = &pool->node[e];

	return x->kind == OD_EXPR_MUL && pool->node[x->a].kind == OD_EXPR_NUMBER && pool->node[x->a].u.value == -1 &&
		pool->node[x->b].kind == OD_EXPR_NUMBER && pool->node[x->b].u.value == 1;
}

static int
inverse_of(int fn)
{
	switch (fn) {
	case OD_FN_SIN: return OD_FN_ASIN;
	case OD_FN_COS: return OD_FN_ACOS;
	case OD_FN_TAN: return OD_FN_ATAN;
	case OD_FN_CSC: return OD_FN_ACSC;
	case OD_FN_SEC: return OD_FN_ASEC;
	case OD_FN_COT: return OD_FN_ACOT;
	case OD_FN_SINH: return OD_FN_ASINH;
	case OD_FN_COSH: return OD_FN_ACOSH;
	case OD_FN_TANH: return OD_FN_ATANH;
	default: return -1;
	}
}

static int
call(struct parser *p, int which, int base, int power, int arg)
{
	int fn = which % OD_LATEX_LG;

	if (fn == OD_FN_LOG && base < 0 && which >= OD_LATEX_LG)
		base = od_expr_number(p->pool, 10);
	if (fn != OD_FN_LOG)
		base = -1;
	if (power >= 0 && inverse_of(fn) >= 0 && is_minus_one(p->pool, power)) {
		fn = inverse_of(fn);
		power = -1;
	}
	arg = od_expr_node(p->pool, OD_EXPR_CALL, fn, arg, base);
	return power >= 0 ? od_expr_node(p->pool, OD_EXPR_POW, 0, arg, power) : arg;
}

/* \sin^2 x, \log_2 8: with index and exponent in either order, of at most so many digits when without braces. */
static int
named_function_of(struct parser *p, size_t digits)
{
	size_t start = p->at;
	int which = peek(p).which, base, power, arg;

	p->at++;
	p->digits = digits;
	base = script(p, OD_TOK_UNDERSCORE);
	power = script(p, OD_TOK_CARET);
	if (base < 0)
		base = script(p, OD_TOK_UNDERSCORE);
	p->digits = MAX_TOKENS;
	arg = argument(p);
	return arg >= 0 ? call(p, which, base, power, arg) : back(p, start);
}

/* Digits all belong to the index or exponent, unless none are left for the argument then: \log_28 is of 8. */
static int
named_function(struct parser *p)
{
	int e = named_function_of(p, MAX_TOKENS);
	enum od_latex_token mark = e < 0 ? peek_at(p, p->at + 1).token : OD_TOK_END;

	if ((mark != OD_TOK_UNDERSCORE && mark != OD_TOK_CARET) || peek_at(p, p->at + 2).token != OD_TOK_DIGIT)
		return e;
	for (size_t digits = 3; e < 0 && digits > 0; digits--)
		e = named_function_of(p, digits);
	return e;
}

static int
root(struct parser *p)
{
	size_t start = p->at++;
	int n = -1, e;

	if (peek(p).token == OD_TOK_OPEN && peek(p).which == '[') {
		n = bracketed(p, '[');
		if (n < 0)
			return back(p, start);
	} else {
		n = od_expr_number(p->pool, 2);
	}
	e = bracketed(p, '{');
	if (e < 0)
		return back(p, start);
	return od_expr_node(p->pool, OD_EXPR_POW, 0, e, od_expr_divide(p->pool, od_expr_number(p->pool, 1), n));
}

/* _{n=0}: variable and start. */
static bool
lower_limit(struct parser *p, int *variable, int *from)
{
	size_t start = p->at;

	if (take(p, OD_TOK_UNDERSCORE) && take_bracket(p, OD_TOK_OPEN, '{') && (*variable = expr(p)) >= 0 &&
	    peek(p).token == OD_TOK_RELATION && peek(p).which == OD_REL_EQ) {
		p->at++;
		*from = expr(p);
		if (*from >= 0 && take_bracket(p, OD_TOK_CLOSE, '{'))
			return true;
	}
	p->at = start;
	return false;
}

static int
sum_or_product(struct parser *p)
{
	enum od_expr_kind kind = peek(p).token == OD_TOK_SUM ? OD_EXPR_SUM : OD_EXPR_PRODUCT;
	struct od_expr_pool *pool = p->pool;
	size_t start = p->at++;
	int variable = -1, from = -1, to, body;

	to = script(p, OD_TOK_CARET);
	if (!lower_limit(p, &variable, &from))
		return back(p, start);
	if (to < 0)
		to = script(p, OD_TOK_CARET);
	body = to >= 0 ? product(p, false) : -1;
	if (body < 0)
		return back(p, start);
	return od_expr_node(pool, kind, 0, body,
		od_expr_item(pool, variable, od_expr_item(pool, from, od_expr_item(pool, to, -1))));
}

/* An integral stands for something linear in what it integrates: equal integrands, equal integrals. */
static int
integral(struct parser *p)
{
	size_t start = p->at++;
	struct od_expr_pool *pool = p->pool;
	int from = script(p, OD_TOK_UNDERSCORE), to = script(p, OD_TOK_CARET), body, limits;

	if (from < 0 && to >= 0)
		from = script(p, OD_TOK_UNDERSCORE);
	if ((from < 0) != (to < 0))
		return back(p, start);
	body = product(p, false);
	if (body < 0)
		return back(p, start);
	limits = od_expr_item(pool, from >= 0 ? from : od_expr_number(pool, 0),
		od_expr_item(pool, to >= 0 ? to : od_expr_number(pool, 0), -1));
	return od_expr_node(pool, OD_EXPR_MUL, 0, body, od_expr_named(pool, OD_EXPR_APPLY, "\\int", 4, limits));
}

/* \lim_{x \to a} of what follows: something of a and of that. */
static int
limit(struct parser *p)
{
	size_t start = p->at++;
	int to, body;

	if (!take(p, OD_TOK_UNDERSCORE) || !take_bracket(p, OD_TOK_OPEN, '{') ||
	    (!take(p, OD_TOK_LETTER) && !take(p, OD_TOK_SYMBOL)) || !take(p, OD_TOK_APPROACH) || (to = expr(p)) < 0)
		return back(p, start);
	if (take(p, OD_TOK_CARET) && !take(p, OD_TOK_ADD) && !take(p, OD_TOK_SUB) &&
	    (!take_bracket(p, OD_TOK_OPEN, '{') || (!take(p, OD_TOK_ADD) && !take(p, OD_TOK_SUB)) ||
		!take_bracket(p, OD_TOK_CLOSE, '{')))
		return back(p, start);
	body = take_bracket(p, OD_TOK_CLOSE, '{') ? product(p, false) : -1;
	if (body < 0)
		return back(p, start);
	return od_expr_named(p->pool, OD_EXPR_APPLY, "\\lim", 4, od_expr_item(p->pool, to, od_expr_item(p->pool, body, -1)));
}

static int
overline(struct parser *p)
{
	size_t start = p->at++;
	int e = bracketed(p, '{');

	return e >= 0 ? od_expr_node(p->pool, OD_EXPR_CALL, OD_FN_CONJ, e, -1) : back(p, start);
}

static int
function(struct parser *p)
{
	switch (peek(p).token) {
	case OD_TOK_FUNCTION:
		return named_function(p);
	case OD_TOK_LETTER:
	case OD_TOK_SYMBOL:
		return application(p);
	case OD_TOK_SQRT:
		return root(p);
	case OD_TOK_OVERLINE:
		return overline(p);
	case OD_TOK_SUM:
	case OD_TOK_PRODUCT:
		return sum_or_product(p);
	case OD_TOK_INTEGRAL:
		return integral(p);
	case OD_TOK_LIMIT:
		return limit(p);
	default:
		return -1;
	}
}

/* ---- powers and products ---------------------------------------------------------------------------------------------- */

static int
wrapped(struct parser *p, int fn, int e)
{
	return od_expr_node(p->pool, OD_EXPR_CALL, fn, e, -1);
}

/* What an exponent or a factorial can be put on. */
static int
component(struct parser *p, bool nofunc)
{
	int e = -1;

	switch (peek(p).token) {
	case OD_TOK_OPEN:
		return bracketed(p, peek(p).which);
	case OD_TOK_BAR:
		e = wrapped(p, OD_FN_ABS, between(p, OD_TOK_BAR, OD_TOK_BAR));
		break;
	case OD_TOK_LEFT_FLOOR:
		return wrapped(p, OD_FN_FLOOR, between(p, OD_TOK_LEFT_FLOOR, OD_TOK_RIGHT_FLOOR));
	case OD_TOK_LEFT_CEIL:
		return wrapped(p, OD_FN_CEIL, between(p, OD_TOK_LEFT_CEIL, OD_TOK_RIGHT_CEIL));
	default:
		if (!nofunc)
			e = function(p);
	}
	return e >= 0 ? e : atom(p);
}

static int
power(struct parser *p, bool nofunc)
{
	int base = component(p, nofunc), exponent;

	while (base >= 0) {
		exponent = script(p, OD_TOK_CARET);
		if (exponent < 0)
			break;
		script(p, OD_TOK_UNDERSCORE);              /* says nothing there */
		base = od_expr_node(p->pool, OD_EXPR_POW, 0, base, exponent);
	}
	return base;
}

/* |^{...}_{...} behind an expression: that expression at these values. */
static int
evaluated_at(struct parser *p, int e)
{
	size_t start = p->at;
	int above, below = -1, variable, to = -1;

	if (!take(p, OD_TOK_BAR))
		return -1;
	above = peek(p).token == OD_TOK_CARET && peek_at(p, p->at + 1).token == OD_TOK_OPEN ? script(p, OD_TOK_CARET) : -1;
	if (lower_limit(p, &variable, &to))
		below = od_expr_item(p->pool, variable, od_expr_item(p->pool, to, -1));
	else if (peek(p).token == OD_TOK_UNDERSCORE && peek_at(p, p->at + 1).token == OD_TOK_OPEN)
		below = script(p, OD_TOK_UNDERSCORE);
	if (above < 0 && below < 0)
		return back(p, start);
	if (to < 0 && below >= 0)
		below = od_expr_item(p->pool, below, -1);
	return od_expr_named(p->pool, OD_EXPR_APPLY, "|", 1,
		od_expr_item(p->pool, e, above >= 0 ? od_expr_item(p->pool, above, below) : below));
}

static int
postfix(struct parser *p, bool nofunc)
{
	int e = power(p, nofunc), next;

	while (e >= 0) {
		if (take(p, OD_TOK_BANG))
			next = wrapped(p, OD_FN_FACTORIAL, e);
		else
			next = evaluated_at(p, e);
		if (next < 0)
			break;
		e = next;
	}
	return e;
}

static bool
has_symbol(const struct od_expr_pool *pool, int e)
{
	for (; e >= 0; e = pool->node[e].b) {
		if (pool->node[e].kind == OD_EXPR_SYMBOL || has_symbol(pool, pool->node[e].a))
			return true;
	}
	return false;
}

static bool
is_letter_x(const struct od_expr_pool *pool, int e)
{
	const struct od_expr *x = &pool->node[e];

	return x->kind == OD_EXPR_SYMBOL && x->u.name.len == 1 && pool->names.data[x->u.name.at] == 'x';
}

/* Factors side by side: their product, without an x that is a cross. */
static int
juxtaposed(struct parser *p, const int *list, size_t n)
{
	int e = list[n - 1];

	for (size_t i = n - 1; i-- > 0;) {
		if (i > 0 && is_letter_x(p->pool, list[i]) && !has_symbol(p->pool, list[i - 1]) && !has_symbol(p->pool, list[i + 1]))
			continue;
		e = od_expr_node(p->pool, OD_EXPR_MUL, 0, list[i], e);
	}
	return e;
}

static int
unary(struct parser *p, bool nofunc)
{
	size_t start = p->at, n = 0;
	int list[MAX_ITEMS], e;
	bool minus = false;

	if (!enter(p))
		return -1;
	while (peek(p).token == OD_TOK_ADD || peek(p).token == OD_TOK_SUB) {
		minus ^= peek(p).token == OD_TOK_SUB;
		p->at++;
	}
	for (e = postfix(p, false); e >= 0 && n < MAX_ITEMS; e = postfix(p, nofunc))
		list[n++] = e;
	p->depth--;
	p->dead |= n == MAX_ITEMS;
	if (!n || p->dead)
		return back(p, start);
	e = juxtaposed(p, list, n);
	return minus ? od_expr_negate(p->pool, e) : e;
}

static int
product(struct parser *p, bool nofunc)
{
	int e = unary(p, nofunc);

	while (e >= 0 && (peek(p).token == OD_TOK_MUL || peek(p).token == OD_TOK_DIV)) {
		bool divide = peek(p).token == OD_TOK_DIV;
		size_t start = p->at++;
		int next = unary(p, nofunc);

		if (next < 0) {
			p->at = start;
			break;
		}
		e = divide ? od_expr_divide(p->pool, e, next) : od_expr_node(p->pool, OD_EXPR_MUL, 0, e, next);
	}
	return e;
}

/* ---- sums and relations ----------------------------------------------------------------------------------------------- */

static int
sum(struct parser *p)
{
	int e = product(p, false);

	while (e >= 0 && (peek(p).token == OD_TOK_ADD || peek(p).token == OD_TOK_SUB)) {
		bool minus = peek(p).token == OD_TOK_SUB;
		size_t start = p->at++;
		int next = product(p, false);

		if (next < 0) {
			p->at = start;
			break;
		}
		e = od_expr_node(p->pool, OD_EXPR_ADD, 0, e, minus ? od_expr_negate(p->pool, next) : next);
	}
	return e;
}

static int
expr(struct parser *p)
{
	size_t start = p->at;
	int e;

	peek(p);
	if (p->dead)
		return -1;
	if (p->memo[start].state != UNTRIED) {
		p->at = p->memo[start].state == PARSED ? p->memo[start].end : start;
		return p->memo[start].node;
	}
	if (!enter(p))
		return -1;
	e = sum(p);
	p->depth--;
	if (!p->dead)
		p->memo[start] = (struct memo){ e >= 0 ? PARSED : FAILED, e, p->at };
	return e;
}

static int
relation(struct parser *p)
{
	int e = expr(p);

	while (e >= 0 && peek(p).token == OD_TOK_RELATION) {
		int which = peek(p).which, next;

		p->at++;
		next = expr(p);
		if (next < 0)
			return -1;                         /* here SymPy does not stop before what it cannot read */
		e = od_expr_node(p->pool, OD_EXPR_RELATION, which, e, next);
	}
	return e;
}

int
od_latex_parse(struct od_expr_pool *pool, const char *s, size_t n)
{
	struct parser p = { .pool = pool, .s = s, .n = n, .digits = MAX_TOKENS };
	int e = relation(&p);

	free(p.tok);
	free(p.memo);
	return p.dead || pool->full ? -1 : e;
}
