#include "world.h"

#include <stdio.h>
#include <string.h>

struct step
world_step(int left, char op, int right)
{
	struct step s = { left % 10, left / 10, 0 };
	bool borrow = op == '-' && s.units < right;

	switch (op) {
	case '+': s.units += right; break;
	case '-': s.units += (borrow ? 10 : 0) - right; s.tens = (s.tens + (borrow ? 9 : 0)) % 10; break;
	default:  s.units *= right; s.tens *= right; break;
	}
	s.result = (10 * s.tens + s.units) % 100;
	return s;
}

int
world_answer(const struct problem *p)
{
	int x = p->start;

	for (int i = 0; i < p->level; i++)
		x = world_step(x, p->op[i], p->operand[i]).result;
	return x;
}

void
world_prompt(const struct problem *p, char out[MAX_PROMPT])
{
	int n = snprintf(out, MAX_PROMPT, "%02d", p->start);

	for (int i = 0; i < p->level; i++)
		n += snprintf(out + n, (size_t)(MAX_PROMPT - n), "%c%d", p->op[i], p->operand[i]);
	snprintf(out + n, (size_t)(MAX_PROMPT - n), "?");
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes a number of two digits off the text. */
static bool
number(const char **t, int *out)
{
	if (!digit((*t)[0]) || !digit((*t)[1]))
		return false;
	*out = 10 * ((*t)[0] - '0') + (*t)[1] - '0';
	*t += 2;
	return true;
}

static bool
symbol(const char **t, char c)
{
	if (**t != c)
		return false;
	(*t)++;
	return true;
}

/* An operation: "+7". */
static bool
operation(const char **t, char *op, int *operand)
{
	if (!**t || !strchr("+-*", **t) || !digit((*t)[1]))
		return false;
	*op = (*t)[0];
	*operand = (*t)[1] - '0';
	*t += 2;
	return true;
}

bool
world_read_prompt(struct problem *p, const char *text)
{
	memset(p, 0, sizeof *p);
	if (!number(&text, &p->start))
		return false;
	while (p->level < MAX_LEVEL && operation(&text, &p->op[p->level], &p->operand[p->level]))
		p->level++;
	return p->level > 0 && symbol(&text, '?') && !*text;
}

/* One step as it is written; false when it does not have the form of one. */
struct written {
	int left, right, units, tens, result;
	char op;
	bool careful;
};

static bool
read_step(const char **t, struct written *w)
{
	memset(w, 0, sizeof *w);
	if (!number(t, &w->left) || !operation(t, &w->op, &w->right))
		return false;
	w->careful = symbol(t, ':');
	if (w->careful && !(number(t, &w->units) && symbol(t, ',') && number(t, &w->tens)))
		return false;
	return symbol(t, '=') && number(t, &w->result) && symbol(t, ';');
}

void
world_read_solution(struct reading *r, const struct problem *p, const char *text)
{
	struct written w;
	int x = p->start, last;

	memset(r, 0, sizeof *r);
	while (r->steps < p->level && read_step(&text, &w)) {
		int i = r->steps++;
		struct step s = world_step(w.left, w.op, w.right);

		r->careful[i] = w.careful;
		r->right[i] = w.left == x && w.op == p->op[i] && w.right == p->operand[i] && w.result == s.result &&
			(!w.careful || (w.units == s.units && w.tens == s.tens));
		x = w.result;
	}
	r->complete = r->steps == p->level && symbol(&text, '#') && number(&text, &last) && last == x && !*text;
}
