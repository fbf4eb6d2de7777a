#include "text/treebank.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/pattern.h"

/* Each rule sets white space around what it finds; later rules rely on what earlier ones set apart. */
static const struct rule {
	const char *pattern, *replacement;
	unsigned flags;
} rules[] = {
	/* quotes that open */
	{ "([«“‘„]|[`]+)", " $1 ", 0 },
	{ "^\"", "``", 0 },
	{ "(``)", " $1 ", 0 },
	{ "([ \\(\\[{<])(\"|'{2})", "$1 `` ", 0 },
	{ "(?<!\\w)(')(?!(?:re|ve|ll|m|t|s|d|n)\\b)(?=\\w)", "$1 ", OD_RE_IGNORECASE },
	/* punctuation; a period is a word of its own only at the end */
	{ "([^.])(\\.)([\\]\\)}>\"'»”’ ]*)\\s*$", "$1 $2 $3 ", 0 },
	{ "([:,])([^\\d])", " $1 $2", 0 },
	{ "([:,])$", " $1 ", 0 },
	{ "\\.{2,}", " $0 ", 0 },
	{ "[–—]", " $0 ", 0 },
	{ "[;@#$%&]", " $0 ", 0 },
	{ "([^.])(\\.)([\\]\\)}>\"']*)\\s*$", "$1 $2$3 ", 0 },
	{ "[?!]", " $0 ", 0 },
	{ "([^'])' ", "$1 ' ", 0 },
	{ "[*]", " $0 ", 0 },
	/* brackets, dashes */
	{ "[\\]\\[(){}<>]", " $0 ", 0 },
	{ "--", " -- ", 0 },
	{ "\\A|\\Z", " ", 0 },
	/* quotes that close, endings cut off by an apostrophe */
	{ "([»”’])", " $1 ", 0 },
	{ "''", " '' ", 0 },
	{ "\"", " '' ", 0 },
	{ "\\s+", " ", 0 },
	{ "([^' ])('[sS]|'[mM]|'[dD]|') ", "$1 $2 ", 0 },
	{ "([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 ", 0 },
	/* two words written as one */
	{ "\\b(can)(not)\\b", " $1 $2 ", OD_RE_IGNORECASE },
	{ "\\b(d)('ye)\\b", " $1 $2 ", OD_RE_IGNORECASE },
	{ "\\b(gim)(me)\\b", " $1 $2 ", OD_RE_IGNORECASE },
	{ "\\b(gon)(na)\\b", " $1 $2 ", OD_RE_IGNORECASE },
	{ "\\b(got)(ta)\\b", " $1 $2 ", OD_RE_IGNORECASE },
	{ "\\b(lem)(me)\\b", " $1 $2 ", OD_RE_IGNORECASE },
	{ "\\b(more)('n)\\b", " $1 $2 ", OD_RE_IGNORECASE },
	{ "\\b(wan)(na)(?=\\s)", " $1 $2 ", OD_RE_IGNORECASE },
	{ " ('t)(is)\\b", " $1 $2 ", OD_RE_IGNORECASE },
	{ " ('t)(was)\\b", " $1 $2 ", OD_RE_IGNORECASE },
};

enum { N_RULES = sizeof rules / sizeof *rules };

struct od_treebank {
	struct od_pattern *pattern[N_RULES];
	struct od_matcher *matcher;
};

enum od_status
od_treebank_new(struct od_treebank **out, struct od_error *err)
{
	struct od_treebank *t = NULL;
	enum od_status st = od_alloc(&t, 1, sizeof *t, "word rules", err);

	for (size_t i = 0; i < N_RULES && st == OD_OK; i++)
		st = od_pattern_python(&t->pattern[i], rules[i].pattern, strlen(rules[i].pattern), rules[i].flags, err);
	if (st == OD_OK)
		st = od_matcher_new(&t->matcher, err);
	if (st == OD_OK)
		*out = t;
	else
		od_treebank_free(t);
	return st;
}

void
od_treebank_free(struct od_treebank *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < N_RULES; i++)
		od_pattern_free(t->pattern[i]);
	od_matcher_free(t->matcher);
	free(t);
}

enum od_status
od_treebank_words(struct od_treebank *t, const char *s, size_t n, struct od_buf *out, struct od_error *err)
{
	enum od_status st = OD_OK;

	od_buf_clear(out);
	od_buf_append(out, s, n);
	if (!od_buf_ok(out))
		return od_fail_nomem(err, "words", n);
	for (size_t i = 0; i < N_RULES && st == OD_OK; i++)
		st = od_pattern_replace(t->pattern[i], t->matcher, out, rules[i].replacement, err);
	return st;
}
