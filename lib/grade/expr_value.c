#include "grade/expr_value.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS 4
#define MAX_STEPS 200000                           /* nodes visited for one value */
#define MAX_TERMS 10000                            /* of a sum or product that is added up */
#define MAX_VALUE_DEPTH 2500                       /* sums of more terms have no value */

typedef double complex number;

/* A value, and the largest magnitude whose rounding it carries: after cancellation it is larger than the value. */
struct value {
	number v;
	double scale;
};

/* The running variable of a sum, while its terms are added. */
struct binding {
	const struct od_expr *symbol;
	double value;
	const struct binding *outer;
};

struct evaluation {
	const struct od_expr_pool *pool;
	const struct binding *bound;
	int point, steps, depth;
	bool free;                                 /* met a variable, or something unknown */
	bool failed;                               /* no value: undefined there, or too much work */
};

static struct value value_of(struct evaluation *ev, int e);

/* ---- drawing by names --------------------------------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t h)
{
	h ^= h >> 30;
	h *= 0xbf58476d1ce4e5b9u;
	h ^= h >> 27;
	h *= 0x94d049bb133111ebu;
	return h ^ h >> 31;
}

static uint64_t
name_hash(const struct od_expr_pool *p, const struct od_expr *e)
{
	uint64_t h = 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < e->u.name.len; i++)
		h = mix(h + (unsigned char)p->names.data[e->u.name.at + i] + 1);
	return h;
}

/* A number of magnitude 0.4 to 1.6 anywhere around 0. */
static number
draw(uint64_t h)
{
	double r = 0.4 + 1.2 * (double)(mix(h) >> 11) * 0x1p-53, phase = 6.283185307179586 * (double)(mix(h + 1) >> 11) * 0x1p-53;

	return r * (cos(phase) + I * sin(phase));
}

/* ---- values -------------------------------------------------------------------------------------------------------------- */

/* v computed from something of magnitude |from| that carried 'scale'. */
static struct value
carried(number v, number from, double scale)
{
	double size = cabs(v), base = cabs(from);

	return (struct value){ v, base > 0 && scale > base ? size * (scale / base) + scale - base : size };
}

static struct value
add(struct value a, struct value b)
{
	return (struct value){ a.v + b.v, fmax(a.scale, b.scale) };
}

static struct value
multiply(struct value a, struct value b)
{
	return (struct value){ a.v * b.v, a.scale * b.scale };
}

static bool
is_real(number v)
{
	return fabs(cimag(v)) <= 1e-13 * fabs(creal(v)) || cimag(v) == 0;
}

static bool
is_integer(number v)
{
	return is_real(v) && creal(v) == floor(creal(v));
}

static number
integer_power(number base, long n)
{
	number r = 1;

	for (; n > 0; n /= 2, base *= base) {
		if (n % 2)
			r *= base;
	}
	return r;
}

static struct value
raise(struct evaluation *ev, struct value a, struct value b)
{
	number v;

	if (is_integer(b.v) && fabs(creal(b.v)) <= 4096) {
		v = integer_power(a.v, labs((long)creal(b.v)));
		v = creal(b.v) < 0 ? 1 / v : v;
	} else if (is_real(a.v) && creal(a.v) >= 0 && is_real(b.v)) {
		v = pow(creal(a.v), creal(b.v));
	} else {
		v = a.v == 0 ? 0 : cexp(b.v * clog(a.v));
	}
	if (a.v == 0 && creal(b.v) < 0)
		ev->failed = true;
	return carried(v, a.v, a.scale);
}

/* An unknown function: smooth, and without a relation to any other. */
static number
unknown(uint64_t h, const number *arg, size_t n)
{
	number sum = draw(h), z;

	for (size_t i = 0; i < n; i++) {
		z = arg[i] / (1 + cabs(arg[i]));
		sum += draw(h + 2 * i + 3) * z * (1 + draw(h + 2 * i + 4) * z);
	}
	return sum;
}

/* ---- functions ----------------------------------------------------------------------------------------------------------- */

static number
log_to_base(number x, number base)
{
	return is_real(x) && is_real(base) && creal(x) > 0 && creal(base) > 0 ? log(creal(x)) / log(creal(base)) : clog(x) / clog(base);
}

/* Those that are smooth; a failure leaves NaN. */
static number
elementary(int fn, number x)
{
	switch (fn) {
	case OD_FN_EXP: return cexp(x);
	case OD_FN_SIN: return csin(x);
	case OD_FN_COS: return ccos(x);
	case OD_FN_TAN: return ctan(x);
	case OD_FN_CSC: return 1 / csin(x);
	case OD_FN_SEC: return 1 / ccos(x);
	case OD_FN_COT: return 1 / ctan(x);
	case OD_FN_ASIN: return casin(x);
	case OD_FN_ACOS: return cacos(x);
	case OD_FN_ATAN: return catan(x);
	case OD_FN_ACSC: return casin(1 / x);
	case OD_FN_ASEC: return cacos(1 / x);
	case OD_FN_ACOT: return catan(1 / x);
	case OD_FN_SINH: return csinh(x);
	case OD_FN_COSH: return ccosh(x);
	case OD_FN_TANH: return ctanh(x);
	case OD_FN_ASINH: return casinh(x);
	case OD_FN_ACOSH: return cacosh(x);
	case OD_FN_ATANH: return catanh(x);
	case OD_FN_CONJ: return conj(x);
	default: return cabs(x);                           /* OD_FN_ABS */
	}
}

/* n! and the binomial coefficient exist for numbers; of anything else they are unknown functions. */
static number
factorial(struct evaluation *ev, number x)
{
	if (is_real(x))
		return tgamma(creal(x) + 1);
	ev->free = true;
	return unknown(OD_FN_FACTORIAL, &x, 1);
}

static number
binomial(struct evaluation *ev, number n, number k)
{
	number both[] = { n, k }, r = 1;

	if (!is_integer(k) || creal(k) > MAX_TERMS || creal(k) < 0) {
		ev->free = true;
		return unknown(OD_FN_BINOMIAL, both, 2);
	}
	for (double i = 1; i <= creal(k); i++)
		r = r * (n - creal(k) + i) / i;
	return r;
}

static number
rounded(struct evaluation *ev, int fn, number x)
{
	if (is_real(x))
		return fn == OD_FN_FLOOR ? floor(creal(x)) : ceil(creal(x));
	ev->free = true;
	return unknown((uint64_t)fn, &x, 1);
}

static struct value
call(struct evaluation *ev, const struct od_expr *e)
{
	struct value x = value_of(ev, e->a), y = { 0, 0 };
	number v;

	if (e->b >= 0)
		y = value_of(ev, e->b);
	switch (e->fn) {
	case OD_FN_LOG:
		v = e->b >= 0 ? log_to_base(x.v, y.v) : is_real(x.v) && creal(x.v) > 0 ? log(creal(x.v)) : clog(x.v);
		ev->failed |= x.v == 0;
		break;
	case OD_FN_FACTORIAL:
		v = factorial(ev, x.v);
		break;
	case OD_FN_BINOMIAL:
		v = binomial(ev, x.v, y.v);
		break;
	case OD_FN_FLOOR:
	case OD_FN_CEIL:
		v = rounded(ev, e->fn, x.v);
		break;
	default:
		v = elementary(e->fn, x.v);
	}
	return carried(v, x.v, x.scale);
}

static size_t
list_values(struct evaluation *ev, int list, number *out, size_t most, double *scale)
{
	size_t n = 0;

	for (; list >= 0 && n < most; list = ev->pool->node[list].b) {
		struct value x = value_of(ev, ev->pool->node[list].a);

		*scale = fmax(*scale, x.scale / fmax(1, cabs(x.v)));
		out[n++] = x.v;
	}
	return n;
}

static struct value
apply(struct evaluation *ev, const struct od_expr *e)
{
	number args[64], v;
	double scale = 0;
	size_t n = list_values(ev, e->a, args, 64, &scale);

	ev->free = true;
	v = unknown(name_hash(ev->pool, e) + n, args, n);
	return (struct value){ v, fmax(cabs(v), scale) };
}

/* ---- sums ---------------------------------------------------------------------------------------------------------------- */

/* A sum or product with numbers for limits, term by term. */
static struct value
add_up(struct evaluation *ev, const struct od_expr *e, const struct od_expr *symbol, double from, double to)
{
	struct binding b = { symbol, from, ev->bound };
	struct value r = { e->kind == OD_EXPR_PRODUCT, 1 };

	ev->bound = &b;
	for (; b.value <= to && !ev->failed; b.value++) {
		struct value term = value_of(ev, e->a);

		r = e->kind == OD_EXPR_PRODUCT ? multiply(r, term) : add(r, term);
	}
	ev->bound = b.outer;
	return r;
}

/* A sum is linear in its terms, whatever its limits are; of a product nothing is known then. */
static struct value
sum_or_product(struct evaluation *ev, const struct od_expr *e)
{
	const struct od_expr *item = &ev->pool->node[e->b], *symbol = &ev->pool->node[item->a];
	struct evaluation limits = *ev;
	number arg[3];
	double scale = 0;
	struct value body;
	bool known;

	limits.free = false;
	arg[0] = 0;
	list_values(&limits, item->b, arg + 1, 2, &scale);
	ev->steps = limits.steps;
	known = !limits.free && !limits.failed && is_integer(arg[1]) && is_real(arg[2]);
	if (known && symbol->kind == OD_EXPR_SYMBOL && creal(arg[2]) - creal(arg[1]) < MAX_TERMS)
		return add_up(ev, e, symbol, creal(arg[1]), floor(creal(arg[2])));
	for (int i = 1; i <= 2; i++)
		arg[i] = isfinite(creal(arg[i])) && isfinite(cimag(arg[i])) ? arg[i] : 0.5;
	ev->free = true;
	body = value_of(ev, e->a);
	if (e->kind == OD_EXPR_SUM)
		return multiply(body, (struct value){ unknown(77, arg, 3), 1 });
	arg[0] = body.v;
	return carried(unknown(78, arg, 3), body.v, body.scale);
}

/* ---- the tree ------------------------------------------------------------------------------------------------------------ */

static struct value
symbol_value(struct evaluation *ev, const struct od_expr *e)
{
	const struct od_expr_pool *p = ev->pool;
	number v;

	for (const struct binding *b = ev->bound; b; b = b->outer) {
		if (b->symbol->u.name.len == e->u.name.len &&
		    memcmp(p->names.data + b->symbol->u.name.at, p->names.data + e->u.name.at, e->u.name.len) == 0)
			return (struct value){ b->value, fabs(b->value) };
	}
	ev->free = true;
	v = draw(name_hash(p, e) + 1000 * (uint64_t)(ev->point + 1));
	return (struct value){ v, cabs(v) };
}

static struct value
node_value(struct evaluation *ev, const struct od_expr *e)
{
	struct value x;

	switch (e->kind) {
	case OD_EXPR_NUMBER:
		return (struct value){ e->u.value, fabs(e->u.value) };
	case OD_EXPR_SYMBOL:
		return symbol_value(ev, e);
	case OD_EXPR_INFINITY:
		return (struct value){ INFINITY, INFINITY };
	case OD_EXPR_IMAGINARY:
		return (struct value){ I, 1 };
	case OD_EXPR_ADD:
		x = value_of(ev, e->a);
		return add(x, value_of(ev, e->b));
	case OD_EXPR_MUL:
		x = value_of(ev, e->a);
		return multiply(x, value_of(ev, e->b));
	case OD_EXPR_POW:
		x = value_of(ev, e->a);
		return raise(ev, x, value_of(ev, e->b));
	case OD_EXPR_CALL:
		return call(ev, e);
	case OD_EXPR_APPLY:
		return apply(ev, e);
	case OD_EXPR_SUM:
	case OD_EXPR_PRODUCT:
		return sum_or_product(ev, e);
	default:
		ev->failed = true;                         /* relations and lists have no value */
		return (struct value){ 0, 0 };
	}
}

static struct value
value_of(struct evaluation *ev, int e)
{
	struct value r = { 0, 0 };

	if (e < 0 || ev->failed || ++ev->steps > MAX_STEPS || ev->depth > MAX_VALUE_DEPTH) {
		ev->failed = true;
		return r;
	}
	ev->depth++;
	r = node_value(ev, &ev->pool->node[e]);
	ev->depth--;
	if (isnan(creal(r.v)))
		ev->failed = true;
	return r;
}

bool
od_expr_real(const struct od_expr_pool *p, int e, double *out)
{
	struct evaluation ev = { .pool = p };
	struct value x = value_of(&ev, e);

	*out = creal(x.v);
	return !ev.failed && !ev.free && (isinf(*out) || fabs(cimag(x.v)) <= 1e-13 * x.scale);
}

static bool
close_values(struct value x, struct value y, bool absolute)
{
	number a = absolute ? cabs(x.v) : x.v, b = absolute ? cabs(y.v) : y.v;
	double difference = cabs(a - b), size = fmax(cabs(a), cabs(b)), scale = fmax(x.scale, y.scale);

	if (isinf(creal(a)) || isinf(creal(b)))
		return creal(a) == creal(b);
	return difference <= 1e-10 * size || (isfinite(scale) && difference <= 1e-13 * scale);
}

bool
od_expr_equal(const struct od_expr_pool *p, int a, int b, bool absolute)
{
	int defined = 0;

	for (int i = 0; i < POINTS; i++) {
		struct evaluation ea = { .pool = p, .point = i }, eb = ea;
		struct value x = value_of(&ea, a), y = value_of(&eb, b);

		if (ea.failed != eb.failed)
			return false;
		if (ea.failed)
			continue;
		if (!close_values(x, y, absolute))
			return false;
		defined++;
	}
	return defined > 0;
}
