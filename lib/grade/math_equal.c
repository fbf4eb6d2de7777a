#include "grade/math_equal.h"

#include <math.h>
#include <string.h>

#include "grade/answer_text.h"
#include "grade/symbolic.h"
#include "text/unicode.h"

#define MAX_DEPTH 32                               /* lists in lists */

struct slice {
	const char *s;
	size_t n;
};

struct comparison {
	enum od_math_grader g;
	bool symbolic, failed;                     /* failed: out of memory */
	int depth;
	struct od_expr_pool pool;
};

static bool equal(struct comparison *c, struct slice a, struct slice b);

/* ---- slices -------------------------------------------------------------------------------------------------------------- */

static struct slice
strip(struct slice a)
{
	size_t from = 0, n = a.n ? od_utf8_strip(a.s, a.n, &from) : 0;

	return (struct slice){ a.s + from, n };
}

static struct slice
slice_of(const struct od_buf *b)
{
	return (struct slice){ b->data, b->len };
}

static bool
starts(struct slice a, const char *what)
{
	return a.n >= strlen(what) && memcmp(a.s, what, strlen(what)) == 0;
}

static bool
ends(struct slice a, const char *what)
{
	size_t len = strlen(what);

	return a.n >= len && memcmp(a.s + a.n - len, what, len) == 0;
}

/* The part up to the next 'separator' of *rest, which moves behind it; false at the end. An empty text has one empty part. */
static bool
next_part(struct slice *rest, const char *separator, struct slice *part)
{
	const char *p;

	if (!rest->s)
		return false;
	p = od_text_find(rest->s, rest->n, separator);
	*part = (struct slice){ rest->s, p ? (size_t)(p - rest->s) : rest->n };
	if (p)
		*rest = (struct slice){ p + strlen(separator), rest->n - part->n - strlen(separator) };
	else
		*rest = (struct slice){ NULL, 0 };
	return true;
}

/* ---- choices and numbers ------------------------------------------------------------------------------------------------- */

/* The last of A to E, in either case, that stands alone; '\0' when there is none. */
static char
last_choice(struct slice a)
{
	size_t len;
	char found = '\0';

	for (size_t i = 0; i < a.n; i++) {
		unsigned char letter = (unsigned char)(a.s[i] & ~32);

		if (letter < 'A' || letter > 'E' || (unsigned char)a.s[i] >= 0x80)
			continue;
		if ((i == 0 || !od_text_is_word(od_text_before(a.s, i, &len))) &&
		    (i + 1 == a.n || !od_text_is_word(od_text_at(a.s, a.n, i + 1, &len))))
			found = (char)letter;
	}
	return found;
}

struct number {
	double v;
	bool integer;                              /* written as one: 1, 1.0, but not 100% */
};

/* Commas are for thousands; a percent sign, escaped or not, divides by 100. */
static bool
read_number(struct comparison *c, struct slice a, struct number *out)
{
	struct od_buf text = OD_BUF_INIT;
	bool ok = false;

	for (size_t i = 0; i < a.n; i++) {
		if (a.s[i] != ',')
			od_buf_char(&text, a.s[i]);
	}
	if (od_buf_ok(&text) && text.len) {
		ok = od_text_float(text.data, text.len, &out->v);
		out->integer = ok && isfinite(out->v) && out->v == floor(out->v);
		if (!ok && text.data[text.len - 1] == '%') {
			text.len -= 1 + (text.len > 1 && text.data[text.len - 2] == '\\');
			ok = od_text_float(text.data, text.len, &out->v);
			out->v /= 100;
		}
	}
	c->failed |= !od_buf_ok(&text);
	od_buf_release(&text);
	return ok;
}

/* As they are, or a factor of 100 apart. unidpo compares integers exactly, but for a reference divided by 100. */
static bool
close_numbers(enum od_math_grader g, struct number a, struct number reference)
{
	if (od_number_close(a.v, reference.v / 100))
		return true;
	if (g == OD_MATH_UNIDPO && a.integer && reference.integer)
		return a.v == reference.v || a.v == reference.v * 100;
	return od_number_close(a.v, reference.v) || od_number_close(a.v, reference.v * 100);
}

/* ---- lists and matrices -------------------------------------------------------------------------------------------------- */

/* "(" or "[", something, ")" or "]": at the beginning, all on one line. */
static bool
is_list(struct slice a)
{
	if (!starts(a, "(") && !starts(a, "["))
		return false;
	for (size_t i = 1; i < a.n && a.s[i] != '\n'; i++) {
		if (i > 1 && (a.s[i] == ')' || a.s[i] == ']'))
			return true;
	}
	return false;
}

static bool
is_matrix(struct slice a)
{
	return (starts(a, "\\begin{pmatrix}") || starts(a, "\\begin{bmatrix}")) && (ends(a, "\\end{pmatrix}") || ends(a, "\\end{bmatrix}"));
}

/* Without the first and the last character. */
static struct slice
inside(struct slice a)
{
	size_t len = 0;

	if (a.n > 1)
		od_text_before(a.s, a.n, &len);
	return a.n > 1 ? (struct slice){ a.s + 1, a.n - 1 - len } : (struct slice){ a.s, 0 };
}

static size_t
count_parts(struct slice a, const char *separator)
{
	struct slice part;
	size_t n = 0;

	while (next_part(&a, separator, &part))
		n++;
	return n;
}

static bool
parts_equal(struct comparison *c, struct slice a, struct slice b, const char *separator)
{
	struct slice x, y;

	if (count_parts(a, separator) != count_parts(b, separator))
		return false;
	while (next_part(&a, separator, &x) && next_part(&b, separator, &y)) {
		if (!equal(c, x, y))
			return false;
	}
	return true;
}

/* The next row with something in it. */
static bool
next_row(struct slice *rest, struct slice *row)
{
	while (next_part(rest, "\\\\", row)) {
		*row = strip(*row);
		if (row->n)
			return true;
	}
	return false;
}

static bool
matrices_equal(struct comparison *c, struct slice a, struct slice b)
{
	const size_t open = strlen("\\begin{pmatrix}"), both = open + strlen("\\end{pmatrix}");
	struct slice x, y;
	bool more_a, more_b;

	a = a.n > both ? (struct slice){ a.s + open, a.n - both } : (struct slice){ a.s, 0 };
	b = b.n > both ? (struct slice){ b.s + open, b.n - both } : (struct slice){ b.s, 0 };
	for (;;) {
		more_a = next_row(&a, &x);
		more_b = next_row(&b, &y);
		if (!more_a || !more_b)
			return more_a == more_b;
		if (!parts_equal(c, x, y, "&"))
			return false;
	}
}

/* "{a,b}" on each line becomes a matrix; what stands around it goes. */
static void
braces_to_matrix(struct od_buf *out, struct slice a)
{
	struct slice line;
	const char *open, *close, *comma;

	while (next_part(&a, "\n", &line)) {
		open = line.n ? memchr(line.s, '{', line.n) : NULL;
		close = open ? memrchr(open, '}', line.n - (size_t)(open - line.s)) : NULL;
		comma = close ? memchr(open, ',', (size_t)(close - open)) : NULL;
		if (!comma)
			continue;
		while (*open == '{' || *open == '}')
			open++;
		while (close[-1] == '{' || close[-1] == '}')
			close--;
		od_buf_str(out, out->len ? ", \\begin{pmatrix}" : "\\begin{pmatrix}");
		for (; open < close; open++) {
			if (*open == ',')
				od_buf_char(out, '\\');
			else
				od_buf_char(out, *open);
		}
		od_buf_str(out, "\\end{pmatrix}");
	}
}

/* ---- brackets ------------------------------------------------------------------------------------------------------------ */

static struct slice
strip_brackets(struct slice a)
{
	while (a.n && strchr("[]()", a.s[0])) {
		a.s++;
		a.n--;
	}
	while (a.n && strchr("[]()", a.s[a.n - 1]))
		a.n--;
	return a;
}

static void
without_brackets(struct od_buf *out, struct slice a)
{
	for (size_t i = 0; i < a.n; i++) {
		if (!a.s[i] || !strchr("{}()", a.s[i]))
			od_buf_char(out, a.s[i]);
	}
}

/* Equal text once brackets are gone; square ones stay unless the answer is all in brackets and the reference does not
 * begin with one of the other kind. */
static bool
equal_without_brackets(struct comparison *c, struct slice a, struct slice b)
{
	bool square = starts(a, "[") && ends(a, "]") && !starts(b, "(");
	bool round = starts(a, "(") && ends(a, ")") && !starts(b, "[");
	struct od_buf x = OD_BUF_INIT, y = OD_BUF_INIT;
	bool same;

	without_brackets(&x, square || round ? strip_brackets(a) : a);
	without_brackets(&y, square || round ? strip_brackets(b) : b);
	same = od_text_equal_lower(x.data, x.len, y.data, y.len);
	c->failed |= x.failed || y.failed;
	od_buf_release(&x);
	od_buf_release(&y);
	return same;
}

/* ---- equations ----------------------------------------------------------------------------------------------------------- */

static bool
symbolic(struct comparison *c, struct slice a, struct slice b)
{
	return c->symbolic && od_symbolic_equal(c->g, &c->pool, a.s, a.n, b.s, b.n);
}

/* "lhs - (rhs)", or that negated. */
static void
difference(struct od_buf *out, struct slice a, bool negated)
{
	struct slice left = { NULL, 0 }, right = left;

	next_part(&a, "=", &left);
	next_part(&a, "=", &right);
	left = strip(left);
	right = strip(right);
	od_buf_str(out, negated ? "-(" : "");
	od_buf_append(out, left.s, left.n);
	od_buf_str(out, " - (");
	od_buf_append(out, right.s, right.n);
	od_buf_str(out, negated ? "))" : ")");
}

static bool
equations_equal(struct comparison *c, struct slice a, struct slice b)
{
	struct od_buf x = OD_BUF_INIT, y = OD_BUF_INIT;
	bool same = false;

	difference(&y, b, false);
	for (int negated = 0; !same && negated < 2; negated++) {
		od_buf_clear(&x);
		difference(&x, a, negated);
		if (od_buf_ok(&x) && od_buf_ok(&y))
			same = symbolic(c, slice_of(&x), slice_of(&y));
		else
			c->failed = true;
	}
	od_buf_release(&x);
	od_buf_release(&y);
	return same;
}

/* Whether "lhs = value" may stand for its value; that in *value. */
static bool
names_a_value(enum od_math_grader g, struct slice a, struct slice *value)
{
	struct slice left = { NULL, 0 };

	if (od_text_count(a.s, a.n, '=') != 1)
		return false;
	next_part(&a, "=", &left);
	next_part(&a, "=", value);
	left = strip(left);
	return g == OD_MATH_UNIDPO || od_text_chars(left.s, left.n) <= 2;
}

/* ---- the steps ----------------------------------------------------------------------------------------------------------- */

/* What an equation is compared as: with another by what its sides differ in, with a value by its right side. */
static bool
equal_as_equations(struct comparison *c, struct slice a, struct slice b)
{
	size_t signs_a = od_text_count(a.s, a.n, '='), signs_b = od_text_count(b.s, b.n, '=');
	struct slice value;

	if (signs_a == 1 && signs_b == 1)
		return equations_equal(c, a, b);
	if (!signs_b && names_a_value(c->g, a, &value))
		return equal(c, value, b);
	return !signs_a && names_a_value(c->g, b, &value) && equal(c, a, value);
}

static bool
equal_structures(struct comparison *c, struct slice a, struct slice b)
{
	if (equal_without_brackets(c, a, b))
		return true;
	if (is_list(a) && is_list(b) && parts_equal(c, inside(a), inside(b), ","))
		return true;
	if (is_matrix(a) && is_matrix(b) && matrices_equal(c, a, b))
		return true;
	return equal_as_equations(c, a, b) || symbolic(c, a, b);
}

static bool
equal_text_or_number(struct comparison *c, struct slice a, struct slice b, bool *decided)
{
	struct slice x = strip(a), y = strip(b);
	struct number u, v;

	*decided = true;
	if (od_text_equal_lower(x.s, x.n, y.s, y.n))
		return true;
	if (b.n == 1 && b.s[0] >= 'A' && b.s[0] <= 'E' && last_choice(a) == b.s[0])
		return true;
	if (read_number(c, a, &u) && read_number(c, b, &v))
		return close_numbers(c->g, u, v);
	*decided = !a.n;
	return false;
}

static bool
equal(struct comparison *c, struct slice a, struct slice b)
{
	struct od_buf matrix = OD_BUF_INIT;
	bool decided, same = equal_text_or_number(c, a, b, &decided);

	if (decided || c->failed || c->depth >= MAX_DEPTH)
		return same;
	a = strip(a);
	b = strip(b);
	if (od_text_find(a.s, a.n, "pmatrix") && !od_text_find(b.s, b.n, "pmatrix")) {
		od_buf_str(&matrix, "");
		braces_to_matrix(&matrix, b);
		b = slice_of(&matrix);
	}
	c->failed |= matrix.failed;
	c->depth++;
	same = !c->failed && equal_structures(c, a, b);
	c->depth--;
	od_buf_release(&matrix);
	return same;
}

enum od_status
od_math_equal(enum od_math_grader g, const char *answer, size_t n_answer, const char *reference, size_t n_reference, bool use_symbolic,
	bool *out, struct od_error *err)
{
	struct comparison c = { .g = g, .symbolic = use_symbolic, .pool = OD_EXPR_POOL_INIT };

	*out = equal(&c, (struct slice){ answer, n_answer }, (struct slice){ reference, n_reference });
	od_expr_release(&c.pool);
	return c.failed ? od_fail_nomem(err, "an answer", n_answer) : OD_OK;
}

enum od_status
od_math_grade(enum od_math_grader g, const struct od_math_dataset *d, const char *text, size_t n, const char *reference,
	size_t n_reference, bool symbolic, struct od_buf *answer, bool *none, bool *correct, struct od_error *err)
{
	enum od_status st = od_math_extract(g, d, text, n, answer, none, err);

	*correct = false;
	if (st != OD_OK || *none)
		return st;
	return od_math_equal(g, answer->data, answer->len, reference, n_reference, symbolic, correct, err);
}
