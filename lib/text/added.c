#include "text/added.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "text/unicode.h"

static enum od_status
new_node(struct od_trie *t, unsigned char byte, int32_t *out, struct od_error *err)
{
	if (t->n >= INT32_MAX || !od_grow(&t->node, &t->cap, t->n + 1, sizeof(*t->node)))
		return od_fail_nomem(err, "added tokens", (t->n + 1) * sizeof(*t->node));
	*out = (int32_t)t->n;
	t->node[t->n++] = (struct od_trie_node){ byte, -1, -1, -1 };
	return OD_OK;
}

static int32_t
find_child(const struct od_trie *t, int32_t node, unsigned char byte)
{
	int32_t c = t->node[node].child;

	while (c >= 0 && t->node[c].byte != byte)
		c = t->node[c].sibling;
	return c;
}

enum od_status
od_trie_add(struct od_trie *t, const char *text, size_t n, int32_t value, struct od_error *err)
{
	int32_t at = 0, next;
	enum od_status st = OD_OK;

	if (!t->n) {
		st = new_node(t, 0, &at, err);
		memset(t->first, 0xff, sizeof(t->first));
	}
	for (size_t i = 0; i < n && st == OD_OK; i++, at = next) {
		unsigned char byte = (unsigned char)text[i];

		next = find_child(t, at, byte);
		if (next >= 0)
			continue;
		st = new_node(t, byte, &next, err);
		if (st != OD_OK)
			break;
		t->node[next].sibling = t->node[at].child;
		t->node[at].child = next;
		if (!at)
			t->first[byte] = next;
	}
	if (st == OD_OK && t->node[at].value < 0)
		t->node[at].value = value;
	return st;
}

int32_t
od_trie_match(const struct od_trie *t, const char *s, size_t n, size_t *len)
{
	int32_t found = -1, at = n ? t->first[(unsigned char)s[0]] : -1;

	for (size_t i = 1; at >= 0; i++) {
		if (t->node[at].value >= 0) {
			found = t->node[at].value;
			*len = i;
		}
		at = i < n ? find_child(t, at, (unsigned char)s[i]) : -1;
	}
	return found;
}

void
od_trie_release(struct od_trie *t)
{
	free(t->node);
	*t = (struct od_trie)OD_TRIE_INIT;
}

/* ---- flags -------------------------------------------------------------------------------------------- */

static bool
is_word_char(uint32_t cp)
{
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO: case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
	case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_PC:
		return true;
	default:
		return false;
	}
}

/* The character that ends at 'end' > 0 of valid UTF-8, and where it starts. */
static uint32_t
char_before(const char *s, size_t end, size_t *start)
{
	uint32_t cp = 0;
	size_t i = end - 1;

	while (i && ((unsigned char)s[i] & 0xc0) == 0x80)
		i--;
	od_utf8_decode(s + i, end - i, &cp);
	*start = i;
	return cp;
}

static bool
inside_word(const char *s, size_t n, size_t start, size_t end)
{
	uint32_t cp = 0;
	size_t at;

	if (start && is_word_char(char_before(s, start, &at)))
		return true;
	return end < n && od_utf8_decode(s + end, n - end, &cp) && is_word_char(cp);
}

static size_t
swallow_left(const char *s, size_t start, size_t least)
{
	size_t at;

	while (start > least && od_is_space(char_before(s, start, &at)))
		start = at;
	return start < least ? least : start;
}

static size_t
swallow_right(const char *s, size_t n, size_t end)
{
	uint32_t cp;
	size_t k;

	while ((k = od_utf8_decode(s + end, n - end, &cp)) && od_is_space(cp))
		end += k;
	return end;
}

int32_t
od_added_next(const struct od_added_token *tokens, const struct od_trie *t, const char *text, size_t n,
	size_t from, bool parse_special, size_t *start, size_t *end)
{
	size_t len = 0;

	for (size_t i = from; t->n && i < n; i += len) {
		int32_t k = od_trie_match(t, text + i, n - i, &len);

		if (k < 0) {
			len = 1;
			continue;
		}
		/* A match that does not count still hides what it overlaps. */
		if (!parse_special && (tokens[k].special || !tokens[k].in_model))
			continue;
		if (tokens[k].single_word && inside_word(text, n, i, i + len))
			continue;
		*start = tokens[k].lstrip ? swallow_left(text, i, from) : i;
		*end = tokens[k].rstrip ? swallow_right(text, n, i + len) : i + len;
		return k;
	}
	return -1;
}
