#include "grade/latex_lex.h"

#include <stdbool.h>
#include <string.h>

#include "grade/expr.h"

static const struct {
	const char *name;
	enum od_latex_token token;
	int which;
} commands[] = {
	{ "thinspace", OD_TOK_SKIP, 0 }, { "medspace", OD_TOK_SKIP, 0 }, { "thickspace", OD_TOK_SKIP, 0 },
	{ "quad", OD_TOK_SKIP, 0 }, { "qquad", OD_TOK_SKIP, 0 }, { "negthinspace", OD_TOK_SKIP, 0 },
	{ "negmedspace", OD_TOK_SKIP, 0 }, { "negthickspace", OD_TOK_SKIP, 0 }, { "left", OD_TOK_SKIP, 0 },
	{ "right", OD_TOK_SKIP, 0 }, { "vrule", OD_TOK_SKIP, 0 }, { "vcenter", OD_TOK_SKIP, 0 }, { "vbox", OD_TOK_SKIP, 0 },
	{ "vskip", OD_TOK_SKIP, 0 }, { "vspace", OD_TOK_SKIP, 0 }, { "hfil", OD_TOK_SKIP, 0 },
	{ "langle", OD_TOK_LEFT_ANGLE, 0 }, { "rangle", OD_TOK_RIGHT_ANGLE, 0 }, { "lim", OD_TOK_LIMIT, 0 },
	{ "to", OD_TOK_APPROACH, 0 }, { "rightarrow", OD_TOK_APPROACH, 0 }, { "Rightarrow", OD_TOK_APPROACH, 0 },
	{ "longrightarrow", OD_TOK_APPROACH, 0 }, { "Longrightarrow", OD_TOK_APPROACH, 0 }, { "int", OD_TOK_INTEGRAL, 0 },
	{ "sum", OD_TOK_SUM, 0 }, { "prod", OD_TOK_PRODUCT, 0 }, { "exp", OD_TOK_FUNCTION, OD_FN_EXP },
	{ "log", OD_TOK_FUNCTION, OD_FN_LOG }, { "ln", OD_TOK_FUNCTION, OD_FN_LOG },
	{ "lg", OD_TOK_FUNCTION, OD_FN_LOG + OD_LATEX_LG }, { "sin", OD_TOK_FUNCTION, OD_FN_SIN },
	{ "cos", OD_TOK_FUNCTION, OD_FN_COS }, { "tan", OD_TOK_FUNCTION, OD_FN_TAN }, { "csc", OD_TOK_FUNCTION, OD_FN_CSC },
	{ "sec", OD_TOK_FUNCTION, OD_FN_SEC }, { "cot", OD_TOK_FUNCTION, OD_FN_COT }, { "arcsin", OD_TOK_FUNCTION, OD_FN_ASIN },
	{ "arccos", OD_TOK_FUNCTION, OD_FN_ACOS }, { "arctan", OD_TOK_FUNCTION, OD_FN_ATAN },
	{ "arccsc", OD_TOK_FUNCTION, OD_FN_ACSC }, { "arcsec", OD_TOK_FUNCTION, OD_FN_ASEC },
	{ "arccot", OD_TOK_FUNCTION, OD_FN_ACOT }, { "sinh", OD_TOK_FUNCTION, OD_FN_SINH }, { "cosh", OD_TOK_FUNCTION, OD_FN_COSH },
	{ "tanh", OD_TOK_FUNCTION, OD_FN_TANH }, { "arsinh", OD_TOK_FUNCTION, OD_FN_ASINH },
	{ "arcosh", OD_TOK_FUNCTION, OD_FN_ACOSH }, { "artanh", OD_TOK_FUNCTION, OD_FN_ATANH },
	{ "lfloor", OD_TOK_LEFT_FLOOR, 0 }, { "rfloor", OD_TOK_RIGHT_FLOOR, 0 }, { "lceil", OD_TOK_LEFT_CEIL, 0 },
	{ "rceil", OD_TOK_RIGHT_CEIL, 0 }, { "sqrt", OD_TOK_SQRT, 0 }, { "overline", OD_TOK_OVERLINE, 0 },
	{ "times", OD_TOK_MUL, 0 }, { "cdot", OD_TOK_MUL, 0 }, { "div", OD_TOK_DIV, 0 }, { "frac", OD_TOK_FRAC, 0 },
	{ "dfrac", OD_TOK_FRAC, 0 }, { "tfrac", OD_TOK_FRAC, 0 }, { "binom", OD_TOK_BINOM, 0 }, { "dbinom", OD_TOK_BINOM, 0 },
	{ "tbinom", OD_TOK_BINOM, 0 }, { "mathit", OD_TOK_MATHIT, 0 }, { "neq", OD_TOK_RELATION, OD_REL_NE },
	{ "leq", OD_TOK_RELATION, OD_REL_LE }, { "le", OD_TOK_RELATION, OD_REL_LE }, { "leqq", OD_TOK_RELATION, OD_REL_LE },
	{ "leqslant", OD_TOK_RELATION, OD_REL_LE }, { "geq", OD_TOK_RELATION, OD_REL_GE }, { "ge", OD_TOK_RELATION, OD_REL_GE },
	{ "geqq", OD_TOK_RELATION, OD_REL_GE }, { "geqslant", OD_TOK_RELATION, OD_REL_GE }
};

static const struct {
	char c;
	enum od_latex_token token;
	int which;
} characters[] = {
	{ '+', OD_TOK_ADD, 0 }, { '-', OD_TOK_SUB, 0 }, { '*', OD_TOK_MUL, 0 }, { '/', OD_TOK_DIV, 0 }, { ':', OD_TOK_DIV, 0 },
	{ '(', OD_TOK_OPEN, '(' }, { ')', OD_TOK_CLOSE, '(' }, { '[', OD_TOK_OPEN, '[' }, { ']', OD_TOK_CLOSE, '[' },
	{ '{', OD_TOK_OPEN, '{' }, { '}', OD_TOK_CLOSE, '{' }, { '|', OD_TOK_BAR, 0 }, { '_', OD_TOK_UNDERSCORE, 0 },
	{ '^', OD_TOK_CARET, 0 }, { '!', OD_TOK_BANG, 0 }, { ',', OD_TOK_COMMA, 0 }, { '.', OD_TOK_POINT, 0 },
	{ '=', OD_TOK_RELATION, OD_REL_EQ }, { '<', OD_TOK_RELATION, OD_REL_LT }, { '>', OD_TOK_RELATION, OD_REL_GT }
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_letter(char c)
{
	return (unsigned)(c | 32) - 'a' < 26;
}

static size_t
letters_from(const char *s, size_t n, size_t i)
{
	size_t from = i;

	while (i < n && is_letter(s[i]))
		i++;
	return i - from;
}

static struct od_latex_piece
piece(enum od_latex_token token, int which, size_t at, size_t len)
{
	return (struct od_latex_piece){ token, which, (uint32_t)at, (uint32_t)len };
}

/* A command, whose backslash is at i. */
static struct od_latex_piece
command(const char *s, size_t n, size_t i)
{
	size_t len = letters_from(s, n, i + 1), end = i + 1 + len;
	char c = i + 1 < n ? s[i + 1] : '\0';

	if (!len && c && strchr(",:;!*-./\"(=", c))
		return piece(OD_TOK_SKIP, 0, i, 2);
	if (!len)
		return c == '{' ? piece(OD_TOK_OPEN, '<', i, 2) : c == '}' ? piece(OD_TOK_CLOSE, '<', i, 2) : piece(OD_TOK_BAD, 0, i, 1);
	if (end < n && s[end] == '|' && len == 4 && memcmp(s + i + 1, "left", 4) == 0)
		return piece(OD_TOK_LEFT_BAR, 0, i, len + 2);
	if (end < n && s[end] == '|' && len == 5 && memcmp(s + i + 1, "right", 5) == 0)
		return piece(OD_TOK_RIGHT_BAR, 0, i, len + 2);
	for (size_t k = 0; k < sizeof(commands) / sizeof(commands[0]); k++) {
		if (strlen(commands[k].name) == len && memcmp(commands[k].name, s + i + 1, len) == 0) {
			if (commands[k].token == OD_TOK_INTEGRAL && n - end >= 7 && memcmp(s + end, "\\limits", 7) == 0 &&
			    !letters_from(s, n, end + 7))
				len += 7;
			return piece(commands[k].token, commands[k].which, i, len + 1);
		}
	}
	return piece(OD_TOK_SYMBOL, 0, i, len + 1);
}

/* A letter, or a d with what it differentiates by. */
static struct od_latex_piece
letter(const char *s, size_t n, size_t i)
{
	size_t k = i + 1, len = 0;

	if (s[i] != 'd')
		return piece(OD_TOK_LETTER, 0, i, 1);
	while (k < n && is_blank(s[k]))
		k++;
	if (k < n && is_letter(s[k]))
		len = 1;
	else if (k < n && s[k] == '\\' && letters_from(s, n, k + 1))
		len = 1 + letters_from(s, n, k + 1);
	return len ? piece(OD_TOK_DIFFERENTIAL, (int)(k - i), i, k + len - i) : piece(OD_TOK_LETTER, 0, i, 1);
}

/* '=' may stand at an alignment mark. */
static struct od_latex_piece
aligned_equals(const char *s, size_t n, size_t i)
{
	size_t k = i + 1;

	if (s[i] == '&') {
		while (k < n && is_blank(s[k]))
			k++;
		return k < n && s[k] == '=' ? piece(OD_TOK_RELATION, OD_REL_EQ, i, k + 1 - i) : piece(OD_TOK_BAD, 0, i, 1);
	}
	while (k < n && is_blank(s[k]))
		k++;
	return piece(OD_TOK_RELATION, OD_REL_EQ, i, k < n && s[k] == '&' ? k + 1 - i : 1);
}

struct od_latex_piece
od_latex_next(const char *s, size_t n, size_t i)
{
	struct od_latex_piece p;
	size_t k;

	for (;;) {
		while (i < n && is_blank(s[i]))
			i++;
		if (i >= n)
			return piece(OD_TOK_END, 0, n, 0);
		if (s[i] != '\\')
			break;
		p = command(s, n, i);
		if (p.token != OD_TOK_SKIP)
			return p;
		i += p.len;
	}
	if (is_letter(s[i]))
		return letter(s, n, i);
	if (s[i] >= '0' && s[i] <= '9')
		return piece(OD_TOK_DIGIT, 0, i, 1);
	if (s[i] == '=' || s[i] == '&')
		return aligned_equals(s, n, i);
	if (s[i] == '\'') {
		for (k = i; k < n && s[k] == '\''; k++)
			;
		return piece(OD_TOK_QUOTES, 0, i, k - i);
	}
	for (k = 0; k < sizeof(characters) / sizeof(characters[0]); k++) {
		if (characters[k].c == s[i])
			return piece(characters[k].token, characters[k].which, i, 1);
	}
	return piece(OD_TOK_BAD, 0, i, 1);
}
