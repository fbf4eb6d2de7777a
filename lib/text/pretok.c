/* pretok.c -- running the steps; steps.c reads them. */
#include "text/pretok.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum od_status
od_pretok_scratch_init(struct od_pretok_scratch *s, struct od_error *err)
{
	*s = (struct od_pretok_scratch){ .a = OD_PIECES_INIT, .b = OD_PIECES_INIT };
	return od_matcher_new(&s->matcher, err);
}

static void
pieces_release(struct od_pieces *p)
{
	od_buf_release(&p->text);
	free(p->span);
}

void
od_pretok_scratch_release(struct od_pretok_scratch *s)
{
	pieces_release(&s->a);
	pieces_release(&s->b);
	free(s->part);
	free(s->is_match);
	od_matcher_free(s->matcher);
	*s = (struct od_pretok_scratch){ .a = OD_PIECES_INIT, .b = OD_PIECES_INIT };
}

static enum od_status
no_memory(size_t n, struct od_error *err)
{
	return od_fail_nomem(err, "the pieces of a text", n);
}

/* ---- matches ------------------------------------------------------------------------------------------ */

/* A walk over the matches of a pattern. */
struct walk {
	size_t at, from;                   /* end of the last match, where the next search begins */
	bool any;
};

/* The next match, with start >= the last one's end. A match of no bytes counts unless it directly follows
 * another. */
static enum od_status
next_match(const struct od_step *s, struct od_matcher *m, const char *text, size_t n, struct walk *w,
	bool *found, size_t *start, size_t *end, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (*found = false; w->from <= n;) {
		st = od_pattern_next(s->pattern, m, text, n, w->from, found, start, end, err);
		if (st != OD_OK || !*found)
			break;
		if (*start < w->at)
			*start = w->at;
		if (*end > *start || !w->any || *start > w->at) {
			*end = *end > *start ? *end : *start;
			w->at = w->from = *end;
			w->any = true;
			return OD_OK;
		}
		w->from = w->at < n ? w->at + od_utf8_len((unsigned char)text[w->at]) : n + 1;
	}
	*found = false;
	return st;
}

/* ---- normalisers -------------------------------------------------------------------------------------- */

static enum od_status
replace_all(const struct od_step *s, struct od_matcher *m, const char *text, size_t n, struct od_buf *out,
	struct od_error *err)
{
	struct walk w = { 0, 0, false };
	size_t at = 0, start, end;
	bool found;
	enum od_status st;

	while ((st = next_match(s, m, text, n, &w, &found, &start, &end, err)) == OD_OK && found) {
		od_buf_append(out, text + at, start - at);
		od_buf_append(out, s->text, s->len);
		at = end;
	}
	od_buf_append(out, text + at, n - at);
	return st;
}

static void
strip(const struct od_step *s, const char *text, size_t n, struct od_buf *out)
{
	uint32_t cp;
	size_t k;

	while (s->left && n && (k = od_utf8_decode(text, n, &cp)) && od_is_space(cp)) {
		text += k;
		n -= k;
	}
	while (s->right && n) {
		k = 1;
		while (k < n && ((unsigned char)text[n - k] & 0xc0) == 0x80)
			k++;
		if (!od_utf8_decode(text + n - k, k, &cp) || !od_is_space(cp))
			break;
		n -= k;
	}
	od_buf_append(out, text, n);
}

static enum od_status
normalize_step(const struct od_step *s, struct od_matcher *m, const char *text, size_t n, struct od_buf *out,
	struct od_error *err)
{
	switch (s->kind) {
	case OD_STEP_FORM:
		return od_utf8_normalize(s->form, text, n, out, err);
	case OD_STEP_REPLACE:
		return replace_all(s, m, text, n, out, err);
	case OD_STEP_PREPEND:
		if (n)
			od_buf_append(out, s->text, s->len);
		od_buf_append(out, text, n);
		return OD_OK;
	case OD_STEP_STRIP:
		strip(s, text, n, out);
		return OD_OK;
	case OD_STEP_BYTE_LETTERS:
		od_byte_letters(out, text, n);
		return OD_OK;
	default:
		return od_fail(err, OD_ESUPPORT, "a normaliser cannot cut text");
	}
}

enum od_status
od_normalize(const struct od_steps *s, struct od_pretok_scratch *scratch, const char *text, size_t n,
	struct od_buf *out, struct od_error *err)
{
	enum od_status st = OD_OK;

	od_buf_clear(out);
	od_buf_append(out, text, n);
	for (size_t i = 0; i < s->n && st == OD_OK; i++) {
		struct od_buf before = *out;

		*out = scratch->b.text;
		od_buf_clear(out);
		st = normalize_step(&s->step[i], scratch->matcher, before.data, before.len, out, err);
		scratch->b.text = before;
	}
	if (st == OD_OK && !od_buf_ok(out))
		st = no_memory(n, err);
	return st;
}

/* ---- cutting ------------------------------------------------------------------------------------------ */

static enum od_status
add_span(struct od_pieces *p, size_t start, size_t len, struct od_error *err)
{
	if (!len)
		return OD_OK;
	if (!od_grow(&p->span, &p->cap, p->n + 1, sizeof(*p->span)))
		return no_memory((p->n + 1) * sizeof(*p->span), err);
	p->span[p->n++] = (struct od_span){ start, len };
	return OD_OK;
}

static enum od_status
add_part(struct od_pretok_scratch *s, size_t *n, size_t start, size_t len, bool is_match,
	struct od_error *err)
{
	if (!od_grow(&s->part, &s->cap_part, *n + 1, sizeof(*s->part)) ||
		!od_grow(&s->is_match, &s->cap_is_match, *n + 1, sizeof(*s->is_match)))
		return no_memory((*n + 1) * sizeof(*s->part), err);
	s->part[*n] = (struct od_span){ start, len };
	s->is_match[(*n)++] = is_match;
	return OD_OK;
}

/* Divides a text into its matches and what lies between them. */
static enum od_status
find_parts(const struct od_step *step, struct od_pretok_scratch *s, const char *text, size_t n,
	size_t *n_parts, struct od_error *err)
{
	struct walk w = { 0, 0, false };
	size_t at = 0, start, end;
	bool found = true;
	enum od_status st;

	for (*n_parts = 0;; at = end) {
		st = next_match(step, s->matcher, text, n, &w, &found, &start, &end, err);
		if (st != OD_OK || !found)
			break;
		if (start > at)
			st = add_part(s, n_parts, at, start - at, step->invert, err);
		if (st == OD_OK)
			st = add_part(s, n_parts, start, end - start, !step->invert, err);
		if (st != OD_OK)
			break;
	}
	return st == OD_OK && at < n ? add_part(s, n_parts, at, n - at, step->invert, err) : st;
}

/* Whether the parts i-1 and i belong to one piece. */
static bool
joins(enum od_behavior behavior, bool before, bool here)
{
	switch (behavior) {
	case OD_MERGED_WITH_PREVIOUS:
		return here && !before;
	case OD_MERGED_WITH_NEXT:
		return before && !here;
	case OD_CONTIGUOUS:
		return here == before;
	default:
		return false;
	}
}

static enum od_status
cut(const struct od_step *step, struct od_pretok_scratch *s, const char *text, struct od_span piece,
	struct od_pieces *out, struct od_error *err)
{
	size_t n = 0, i, k;
	enum od_status st = find_parts(step, s, text + piece.start, piece.len, &n, err);

	for (i = 0; i < n && st == OD_OK; i = k) {
		size_t len = s->part[i].len;

		for (k = i + 1; k < n && joins(step->behavior, s->is_match[k - 1], s->is_match[k]); k++)
			len += s->part[k].len;
		if (step->behavior != OD_REMOVED || !s->is_match[i])
			st = add_span(out, piece.start + s->part[i].start, len, err);
	}
	return st;
}

static enum od_status
cut_all(const struct od_step *step, struct od_pretok_scratch *s, struct od_error *err)
{
	struct od_span *span = s->a.span;
	size_t cap = s->a.cap;
	enum od_status st = OD_OK;

	s->b.n = 0;
	for (size_t i = 0; i < s->a.n && st == OD_OK; i++)
		st = cut(step, s, s->a.text.data, s->a.span[i], &s->b, err);
	if (st != OD_OK)
		return st;
	s->a.span = s->b.span;
	s->a.cap = s->b.cap;
	s->a.n = s->b.n;
	s->b.span = span;
	s->b.cap = cap;
	return OD_OK;
}

/* ---- rewriting pieces --------------------------------------------------------------------------------- */

/* Spaces as the replacement, which is also put in front where the scheme wants it. */
static void
metaspace(const struct od_step *s, const char *text, size_t n, bool first, struct od_buf *out)
{
	bool has = n && (text[0] == ' ' || (n >= s->len && memcmp(text, s->text, s->len) == 0));

	if (!has && (s->prepend == OD_PREPEND_ALWAYS || (s->prepend == OD_PREPEND_FIRST && first)))
		od_buf_append(out, s->text, s->len);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == ' ')
			od_buf_append(out, s->text, s->len);
		else
			od_buf_char(out, text[i]);
	}
}

static enum od_status
rewrite_all(const struct od_step *step, struct od_pretok_scratch *s, bool first, struct od_error *err)
{
	struct od_pieces was = s->a;
	enum od_status st = OD_OK;

	od_buf_clear(&s->b.text);
	s->b.n = 0;
	for (size_t i = 0; i < was.n && st == OD_OK; i++) {
		const char *text = was.text.data + was.span[i].start;
		size_t n = was.span[i].len, start = s->b.text.len;

		if (step->kind == OD_STEP_METASPACE) {
			metaspace(step, text, n, first && !was.span[i].start, &s->b.text);
		} else if (step->kind == OD_STEP_SPACE_BEFORE) {
			if (text[0] != ' ')
				od_buf_char(&s->b.text, ' ');
			od_buf_append(&s->b.text, text, n);
		} else {
			od_byte_letters(&s->b.text, text, n);
		}
		st = add_span(&s->b, start, s->b.text.len - start, err);
	}
	if (st == OD_OK && !od_buf_ok(&s->b.text))
		st = no_memory(s->b.text.len, err);
	s->a = s->b;
	s->b = was;
	return st;
}

enum od_status
od_pre_tokenize(const struct od_steps *steps, struct od_pretok_scratch *s, const char *text, size_t n,
	bool first, const struct od_pieces **out, struct od_error *err)
{
	enum od_status st;

	od_buf_clear(&s->a.text);
	od_buf_append(&s->a.text, text, n);
	s->a.n = 0;
	st = od_buf_ok(&s->a.text) ? add_span(&s->a, 0, n, err) : no_memory(n, err);
	for (size_t i = 0; i < steps->n && st == OD_OK; i++) {
		const struct od_step *step = &steps->step[i];

		if (step->kind != OD_STEP_SPLIT)
			st = rewrite_all(step, s, first, err);
		if (st == OD_OK && (step->kind == OD_STEP_SPLIT || step->split))
			st = cut_all(step, s, err);
	}
	*out = &s->a;
	return st;
}
