#include "text/punkt.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "io/stream.h"
#include "text/letters.h"
#include "text/punkt_words.h"
#include "text/unicode.h"

/* ---- parameters ------------------------------------------------------------------------------------------------------ */

#define MAX_FILE ((size_t)64 << 20)

enum { BEGINS_UPPER = 2, INSIDE_UPPER = 4, ANY_UPPER = 2 | 4 | 8, BEGINS_LOWER = 16, ANY_LOWER = 16 | 32 | 64 };

struct entry {
	const char *word;                          /* into the file's text */
	int bits;
};

struct table {
	char *text;                                /* the file, lines cut by NUL */
	struct entry *entry;                       /* [n] ascending by word */
	size_t n, cap;
};

struct od_punkt {
	struct table abbreviations, collocations, starters, ortho;
};

static int
by_word(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

static const struct entry *
find(const struct table *t, const char *word)
{
	struct entry key = { word, 0 };

	return t->n ? bsearch(&key, t->entry, t->n, sizeof *t->entry, by_word) : NULL;
}

/* A line of two columns keeps its tab when it is a collocation; bits are the second column's number. */
static enum od_status
add_line(struct table *t, char *line, int tabs, bool numbers, struct od_error *err)
{
	struct entry e = { line, 0 };
	char *tab = strchr(line, '\t');
	int64_t bits = 0;

	if ((tab != NULL) != (tabs > 0) || (tab && strchr(tab + 1, '\t')))
		return od_fail(err, OD_EFORMAT, "%s on this line", tabs ? "there are not two columns" : "there is a tab");
	if (numbers) {
		*tab = '\0';
		if (!od_num_int(tab + 1, &bits) || bits < 0 || bits > 127)
			return od_fail(err, OD_EFORMAT, "'%s' is no sum of the bits 1 to 64", tab + 1);
		e.bits = (int)bits;
	}
	if (!od_grow(&t->entry, &t->cap, t->n + 1, sizeof *t->entry))
		return od_fail_nomem(err, "parameters", t->n);
	t->entry[t->n++] = e;
	return OD_OK;
}

static enum od_status
load(struct table *t, const char *dir, const char *file, int tabs, bool numbers, struct od_error *err)
{
	struct od_buf path = OD_BUF_INIT;
	size_t len = 0, line = 1;
	enum od_status st;

	od_buf_printf(&path, "%s/%s", dir, file);
	if (!od_buf_ok(&path))
		return od_fail_nomem(err, "a name", path.len);
	st = od_in_slurp(path.data, MAX_FILE, &t->text, &len, err);
	if (st == OD_OK && (od_utf8_check(t->text, len) < len || memchr(t->text, '\0', len)))
		st = od_fail(err, OD_EFORMAT, "'%s' is no text in UTF-8", path.data);
	for (char *s = t->text, *end; st == OD_OK && s < t->text + len; s = end + 1, line++) {
		end = strchr(s, '\n');
		if (!end)
			end = t->text + len;
		*end = '\0';
		if (*s) {
			st = add_line(t, s, tabs, numbers, err);
			if (st != OD_OK)
				od_error_prefix(err, "%s:%zu: ", path.data, line);
		}
	}
	if (st == OD_OK && !t->n)
		st = od_fail(err, OD_EFORMAT, "'%s' is empty", path.data);
	if (st == OD_OK)
		qsort(t->entry, t->n, sizeof *t->entry, by_word);
	od_buf_release(&path);
	return st;
}

enum od_status
od_punkt_open(struct od_punkt **out, const char *dir, struct od_error *err)
{
	struct od_punkt *p = NULL;
	enum od_status st = od_alloc(&p, 1, sizeof *p, "sentence parameters", err);

	if (st == OD_OK)
		st = load(&p->abbreviations, dir, "abbrev_types.txt", 0, false, err);
	if (st == OD_OK)
		st = load(&p->collocations, dir, "collocations.tab", 1, false, err);
	if (st == OD_OK)
		st = load(&p->starters, dir, "sent_starters.txt", 0, false, err);
	if (st == OD_OK)
		st = load(&p->ortho, dir, "ortho_context.tab", 1, true, err);
	if (st == OD_OK)
		*out = p;
	else
		od_punkt_close(p);
	return st;
}

static void
release_table(struct table *t)
{
	free(t->text);
	free(t->entry);
}

void
od_punkt_close(struct od_punkt *p)
{
	if (!p)
		return;
	release_table(&p->abbreviations);
	release_table(&p->collocations);
	release_table(&p->starters);
	release_table(&p->ortho);
	free(p);
}

void
od_sentences_release(struct od_sentences *s)
{
	free(s->s);
	*s = (struct od_sentences)OD_SENTENCES_INIT;
}

/* ---- one word and its neighbour (section 4) ---------------------------------------------------------------------------- */

struct word {
	struct od_punkt_word w;
	struct od_buf type;                        /* lower case, numbers as one type */
	bool breaks, abbreviation, ellipsis;
};

#define NUMBER "##number##"

static bool
ends_with(const char *s, size_t n, char c)
{
	return n && s[n - 1] == c;
}

/* Minus, a point or comma, then digits with points, commas and hyphens among them: "-1,000.50", ".5", "3." */
static bool
is_number(const char *s, size_t n)
{
	size_t i = 0;

	i += n && s[0] == '-';
	i += i < n && (s[i] == '.' || s[i] == ',');
	if (!od_is_decimal_at(s + i, n - i))
		return false;
	while (i < n) {
		size_t k = od_is_decimal_at(s + i, n - i);

		if (!k && s[i] != ',' && s[i] != '.' && s[i] != '-')
			return false;
		i += k ? k : 1;
	}
	return true;
}

static enum od_status
set_type(struct word *w, struct od_error *err)
{
	enum od_status st = od_text_lower(w->w.s, w->w.n, &w->type, err);

	if (st == OD_OK && is_number(w->type.data, w->type.len)) {
		od_buf_clear(&w->type);
		od_buf_str(&w->type, NUMBER);
		if (!od_buf_ok(&w->type))
			return od_fail_nomem(err, "a word", sizeof NUMBER);
	}
	return st;
}

/* The type without a last period, in b. */
static const char *
without_period(const struct word *w, struct od_buf *b)
{
	size_t n = w->type.len;

	od_buf_clear(b);
	od_buf_append(b, w->type.data, n > 1 && ends_with(w->type.data, n, '.') ? n - 1 : n);
	return od_buf_ok(b) ? b->data : "";
}

/* ... the last period taken off only where it ends the sentence. */
static const char *
without_sentence_period(const struct word *w, struct od_buf *b)
{
	return w->breaks ? without_period(w, b) : w->type.data;
}

/* One letter and a period. */
static bool
is_initial(const struct word *w)
{
	size_t k = od_utf8_len((unsigned char)w->w.s[0]);

	return w->w.n == k + 1 && w->w.s[k] == '.' && od_is_letter_at(w->w.s, k);
}

static bool
is_ellipsis(const struct word *w)
{
	size_t i = 0;

	while (i < w->w.n && w->w.s[i] == '.')
		i++;
	return i > 1 && i == w->w.n;
}

/* 4, the type-based stage: what the word alone says. */
static enum od_status
annotate(const struct od_punkt *p, struct word *w, struct od_error *err)
{
	const char *s = w->w.s, *hyphen;
	size_t n = w->w.n;
	struct od_buf lower = OD_BUF_INIT;
	enum od_status st;

	if (n == 1 && od_char_in(s[0], ".?!")) {
		w->breaks = true;
		return OD_OK;
	}
	if (is_ellipsis(w)) {
		w->ellipsis = true;
		return OD_OK;
	}
	if (!ends_with(s, n, '.') || ends_with(s, n - 1, '.'))
		return OD_OK;
	st = od_text_lower(s, n - 1, &lower, err);
	if (st == OD_OK) {
		hyphen = strrchr(lower.data, '-');
		w->abbreviation = find(&p->abbreviations, lower.data) || (hyphen && find(&p->abbreviations, hyphen + 1));
		w->breaks = !w->abbreviation;
	}
	od_buf_release(&lower);
	return st;
}

/* 4.1.1: whether the word's case says that it begins a sentence (1), that it does not (0), or nothing (-1). */
static int
orthography(const struct od_punkt *p, const struct word *w, struct od_buf *scratch)
{
	const struct entry *e;
	uint32_t first = 0;
	int seen;

	if (w->w.n == 1 && od_char_in(w->w.s[0], ";:,.!?"))
		return 0;
	e = find(&p->ortho, without_sentence_period(w, scratch));
	seen = e ? e->bits : 0;
	od_utf8_decode(w->w.s, w->w.n, &first);
	if (od_is_upper(first) && (seen & ANY_LOWER) && !(seen & INSIDE_UPPER))
		return 1;
	if (od_is_lower(first) && ((seen & ANY_UPPER) || !(seen & BEGINS_LOWER)))
		return 0;
	return -1;
}

static void
is_inside(struct word *w)
{
	w->breaks = false;
	w->abbreviation = true;
}

/* 4.1.2 to 4.3, the token-based stage: what the next word makes of w. */
static void
reconsider(const struct od_punkt *p, struct word *w, const struct word *next, struct od_buf *a, struct od_buf *b)
{
	bool initial = is_initial(w);
	uint32_t first = 0;
	const struct entry *e;
	const char *next_type;
	size_t typed;

	if (!ends_with(w->w.s, w->w.n, '.'))
		return;
	next_type = without_sentence_period(next, b);
	without_period(w, a);
	typed = a->len;
	od_buf_char(a, '\t');
	od_buf_str(a, next_type);
	if (!od_buf_ok(a))
		return;
	if (find(&p->collocations, a->data)) {
		is_inside(w);
		return;
	}
	od_utf8_decode(next->w.s, next->w.n, &first);
	if ((w->abbreviation || w->ellipsis) && !initial &&
		(orthography(p, next, b) == 1 || (od_is_upper(first) && find(&p->starters, without_sentence_period(next, b))))) {
		w->breaks = true;
		return;
	}
	if (initial || (typed == strlen(NUMBER) && !memcmp(a->data, NUMBER, typed))) {
		int starts = orthography(p, next, b);

		e = find(&p->ortho, without_sentence_period(next, b));
		if (starts == 0 || (starts < 0 && initial && od_is_upper(first) && !(e && (e->bits & ANY_LOWER))))
			is_inside(w);
	}
}

/* ---- the words around a possible end ----------------------------------------------------------------------------------- */

/* Two words at a time are alive. */
struct context {
	struct word word[2];
	struct od_buf a, b;                        /* scratch of reconsider */
};

/* Whether a sentence ends inside a stretch of text, before its last word. */
static enum od_status
has_break(const struct od_punkt *p, struct context *c, const char *s, size_t n, bool *yes, struct od_error *err)
{
	struct od_punkt_walk walk = { s, n, 0 };
	struct word *last = NULL, *w = &c->word[0];
	enum od_status st = OD_OK;

	*yes = false;
	while (st == OD_OK && od_punkt_next_word(&walk, &w->w)) {
		w->breaks = w->abbreviation = w->ellipsis = false;
		st = set_type(w, err);
		if (st == OD_OK)
			st = annotate(p, w, err);
		if (st == OD_OK && last) {
			reconsider(p, last, w, &c->a, &c->b);
			if (!od_buf_ok(&c->a) || !od_buf_ok(&c->b))
				return od_fail_nomem(err, "words", n);
			if (last->breaks) {
				*yes = true;
				return OD_OK;
			}
		}
		last = w;
		w = w == &c->word[0] ? &c->word[1] : &c->word[0];
	}
	return st;
}

struct candidate {
	size_t word, at;                           /* where the word before begins, where the mark is */
	size_t after, next;                        /* end of what follows; start of the next word, 0: punctuation follows */
};

/* A mark counts when punctuation follows at once, or white space and another word. */
static bool
candidate_at(const char *s, size_t n, size_t at, struct candidate *c)
{
	size_t i = at + 1, k;

	*c = (struct candidate){ .at = at };
	if (!od_char_in(s[at], ".?!") || i >= n)
		return false;
	if (od_punkt_is_non_word(s[i])) {
		c->after = i + 1;
		return true;
	}
	while (i < n && (k = od_is_space_at(s + i, n - i)))
		i += k;
	if (i == at + 1 || i >= n)
		return false;
	c->next = i;
	while (i < n && !od_is_space_at(s + i, n - i))
		i += od_utf8_len((unsigned char)s[i]);
	c->after = i;
	return true;
}

/* Where the word before a mark begins: behind the last ASCII white space of [from, at), or at the start of the word of the
 * candidate before. As in the reference, white space at 'from' itself does not count. */
static size_t
word_start(const char *s, size_t from, size_t at, size_t before)
{
	for (size_t i = at; i-- > from + 1;) {
		if (s[i] == ' ' || (s[i] >= '\t' && s[i] <= '\r'))
			return i + 1;
	}
	return before;
}

/* ---- sentences ---------------------------------------------------------------------------------------------------------- */

static enum od_status
add(struct od_sentences *out, size_t start, size_t end, struct od_error *err)
{
	if (!od_grow(&out->s, &out->cap, out->n + 1, sizeof *out->s))
		return od_fail_nomem(err, "sentences", out->n);
	out->s[out->n++] = (struct od_sentence){ start, end };
	return OD_OK;
}

/* Ends a sentence at a candidate, when its words say so. */
static enum od_status
judge(const struct od_punkt *p, struct context *words, const char *s, const struct candidate *c, size_t *start,
	struct od_sentences *out, struct od_error *err)
{
	bool yes;
	enum od_status st = has_break(p, words, s + c->word, c->after - c->word, &yes, err);

	if (st != OD_OK || !yes)
		return st;
	st = add(out, *start, c->at + 1, err);
	*start = c->next ? c->next : c->at + 1;
	return st;
}

/* Stretches between breaks. Of candidates in one word, the last is judged. */
static enum od_status
cut(const struct od_punkt *p, struct context *words, const char *s, size_t n, struct od_sentences *out, struct od_error *err)
{
	struct candidate held = { 0 }, c;
	bool any = false;
	size_t start = 0, skipped, end;
	enum od_status st = OD_OK;

	for (size_t i = 0; i < n && st == OD_OK; i++) {
		if (!candidate_at(s, n, i, &c))
			continue;
		c.word = word_start(s, any ? held.at : 0, i, held.word);
		if (any && held.at <= c.word)
			st = judge(p, words, s, &held, &start, out, err);
		held = c;
		any = true;
	}
	if (st == OD_OK && any)
		st = judge(p, words, s, &held, &start, out, err);
	end = od_utf8_strip(s, n, &skipped);
	end = end ? skipped + end : 0;
	return st == OD_OK ? add(out, start, end > start ? end : start, err) : st;
}

/* How much of a stretch's beginning closes the sentence before: quotes and brackets, then white space, a dash or the end.
 * *keep: without the white space. */
static size_t
closers(const char *s, size_t n, size_t *keep)
{
	for (size_t i = 1; i <= n && od_char_in(s[i - 1], "\"')]}"); i++) {
		size_t j = i, k;

		while (j < n && (k = od_is_space_at(s + j, n - j)))
			j += k;
		if (j > i || j == n || (n - i >= 2 && s[i] == '-' && s[i + 1] == '-')) {
			*keep = i;
			return j;
		}
	}
	return 0;
}

/* Closing marks go to the sentence they close; stretches left empty are no sentences. */
static void
realign(const char *s, struct od_sentences *out)
{
	size_t kept = 0, moved = 0;

	for (size_t i = 0; i < out->n; i++) {
		struct od_sentence one = { out->s[i].start + moved, out->s[i].end };
		size_t keep = 0;

		moved = 0;
		if (i + 1 < out->n && out->s[i + 1].end > out->s[i + 1].start)
			moved = closers(s + out->s[i + 1].start, out->s[i + 1].end - out->s[i + 1].start, &keep);
		if (moved)
			one.end = out->s[i + 1].start + keep;
		if (moved || one.end > one.start)
			out->s[kept++] = one;
	}
	out->n = kept;
}

enum od_status
od_punkt_sentences(const struct od_punkt *p, const char *text, size_t n, struct od_sentences *out, struct od_error *err)
{
	struct context words = { { { .type = OD_BUF_INIT }, { .type = OD_BUF_INIT } }, OD_BUF_INIT, OD_BUF_INIT };
	enum od_status st;

	out->n = 0;
	st = cut(p, &words, text, n, out, err);
	if (st == OD_OK)
		realign(text, out);
	od_buf_release(&words.word[0].type);
	od_buf_release(&words.word[1].type);
	od_buf_release(&words.a);
	od_buf_release(&words.b);
	return st;
}
