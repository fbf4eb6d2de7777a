/* ifeval_json.c -- JSON as Python's json.loads takes it. jansson cannot stand in: NaN and Infinity are values there. */
#include <string.h>

#include "grade/ifeval_rules.h"

enum { MAX_DEPTH = 990 };                          /* about where Python gives up */

struct scan {
	const char *s, *end;
	int depth;
};

static bool value(struct scan *p);

static void
space(struct scan *p)
{
	while (p->s < p->end && (*p->s == ' ' || *p->s == '\t' || *p->s == '\n' || *p->s == '\r'))
		p->s++;
}

static bool
take(struct scan *p, char c)
{
	if (p->s >= p->end || *p->s != c)
		return false;
	p->s++;
	return true;
}

static bool
word(struct scan *p, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(p->end - p->s) < n || memcmp(p->s, w, n) != 0)
		return false;
	p->s += n;
	return true;
}

static size_t
digits(struct scan *p)
{
	const char *from = p->s;

	while (p->s < p->end && *p->s >= '0' && *p->s <= '9')
		p->s++;
	return (size_t)(p->s - from);
}

/* Digits behind what begins a fraction or an exponent, or nothing of it is taken. */
static void
tail(struct scan *p, const char *marks, bool sign)
{
	const char *from = p->s;

	if (p->s >= p->end || !*p->s || !strchr(marks, *p->s))
		return;
	p->s++;
	if (sign && p->s < p->end && (*p->s == '+' || *p->s == '-'))
		p->s++;
	if (!digits(p))
		p->s = from;
}

static bool
number(struct scan *p)
{
	take(p, '-');
	if (!take(p, '0') && !digits(p))
		return false;
	tail(p, ".", false);
	tail(p, "eE", true);
	return true;
}

static bool
escape(struct scan *p)
{
	char c = p->s < p->end ? *p->s++ : '\0';

	if (c != 'u')
		return c && strchr("\"\\/bfnrt", c);
	for (int i = 0; i < 4; i++) {
		if (p->s >= p->end || !*p->s || !strchr("0123456789abcdefABCDEF", *p->s))
			return false;
		p->s++;
	}
	return true;
}

/* Behind the opening quote. */
static bool
string(struct scan *p)
{
	while (p->s < p->end) {
		unsigned char c = (unsigned char)*p->s++;

		if (c == '"')
			return true;
		if (c < 0x20 || (c == '\\' && !escape(p)))
			return false;
	}
	return false;
}

static bool
member(struct scan *p)
{
	space(p);
	if (!take(p, '"') || !string(p))
		return false;
	space(p);
	return take(p, ':') && value(p);
}

/* Behind the opening bracket. */
static bool
list(struct scan *p, bool (*one)(struct scan *), char close)
{
	space(p);
	if (take(p, close))
		return true;
	do {
		if (!one(p))
			return false;
		space(p);
	} while (take(p, ','));
	return take(p, close);
}

static bool
value(struct scan *p)
{
	bool good;

	space(p);
	if (take(p, '"'))
		return string(p);
	if (word(p, "null") || word(p, "true") || word(p, "false") || word(p, "NaN") || word(p, "Infinity") || word(p, "-Infinity"))
		return true;
	if (p->s >= p->end || (*p->s != '{' && *p->s != '['))
		return number(p);
	if (++p->depth > MAX_DEPTH)
		return false;
	good = *p->s++ == '{' ? list(p, member, '}') : list(p, value, ']');
	p->depth--;
	return good;
}

bool
od_ifeval_is_json(const char *s, size_t n)
{
	struct scan p = { s, s + n, 0 };

	if (!value(&p))
		return false;
	space(&p);
	return p.s == p.end;
}
