#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define MATCH_LIMIT 5000000u               /* steps of one match: far above what published patterns need */
#define HEAP_LIMIT 65536u                  /* KiB */
#define JIT_STACK ((size_t)8 << 20)

struct od_pattern {
	pcre2_code *code;
};

struct od_matcher {
	pcre2_match_data *data;            /* room for the whole match only */
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

/* White_Space, as members of a character class. PCRE2's own \s also has U+180E, which is none any more. */
#define SPACE "\\t-\\r\\x{85}\\p{Z}"

/* Escapes of a published pattern: \s, and \S outside classes. */
static void
published_escape(struct od_buf *out, char c, bool in_class)
{
	if (c == 's' || (c == 'S' && !in_class)) {
		od_buf_str(out, in_class ? SPACE : c == 's' ? "[" SPACE "]" : "[^" SPACE "]");
		return;
	}
	od_buf_char(out, '\\');
	od_buf_char(out, c);
}

/* Python's classes, as members of a character class: PCRE2's own \w and \s depend on its version, and \s lacks the four
 * separators that str.isspace() has. */
#define PY_SPACE "\\t-\\r\\x1c-\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define PY_WORD "\\p{L}\\p{N}_"

static const struct {
	char letter;
	const char *outside, *inside;      /* a character class; NULL: as PCRE2 has it */
} python_escapes[] = {
	{ 's', "[" PY_SPACE "]", PY_SPACE }, { 'S', "[^" PY_SPACE "]", NULL },
	{ 'w', "[" PY_WORD "]", PY_WORD }, { 'W', "[^" PY_WORD "]", NULL },
	{ 'd', "\\p{Nd}", "\\p{Nd}" }, { 'D', "\\P{Nd}", "\\P{Nd}" }, { 'Z', "\\z", NULL },
	{ 'b', "(?:(?<=[" PY_WORD "])(?![" PY_WORD "])|(?<![" PY_WORD "])(?=[" PY_WORD "]))", NULL },
	{ 'B', "(?:(?<=[" PY_WORD "])(?=[" PY_WORD "])|(?<![" PY_WORD "])(?![" PY_WORD "]))", NULL },
};

static void
python_escape(struct od_buf *out, char c, bool in_class)
{
	for (size_t i = 0; i < sizeof(python_escapes) / sizeof(python_escapes[0]); i++) {
		const char *s = in_class ? python_escapes[i].inside : python_escapes[i].outside;

		if (python_escapes[i].letter == c && s) {
			od_buf_str(out, s);
			return;
		}
	}
	od_buf_char(out, '\\');
	od_buf_char(out, c);
}

/* Copies a pattern with what an escape stands for spelt out. */
static void
spell_out(struct od_buf *out, const char *text, size_t n, void (*escape)(struct od_buf *, char, bool))
{
	bool in_class = false;
	size_t class_start = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\\' && i + 1 < n) {
			escape(out, text[++i], in_class);
			continue;
		}
		if (!in_class && text[i] == '[') {
			in_class = true;
			class_start = i + 1 + (i + 1 < n && text[i + 1] == '^');
		} else if (in_class && text[i] == ']' && i > class_start) {
			in_class = false;
		}
		od_buf_char(out, text[i]);
	}
}

static enum od_status
compile(struct od_pattern *p, const char *text, size_t n, uint32_t options, const char *shown, struct od_error *err)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	unsigned char reason[128] = "";
	PCRE2_SIZE at = 0;
	int code = 0;
	enum od_status st = OD_OK;

	if (!context)
		return od_fail_nomem(err, "a pattern", n);
	options |= PCRE2_UTF | PCRE2_NO_UTF_CHECK;
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(context, 100);
	p->code = pcre2_compile((PCRE2_SPTR)text, n, options, &code, &at, context);
	if (!p->code) {
		pcre2_get_error_message(code, reason, sizeof(reason));
		st = od_fail(err, OD_EFORMAT, "pattern '%.200s' is not valid: %s", shown,
			(const char *)reason);
	} else {
		pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);    /* without it the interpreter runs */
	}
	pcre2_compile_context_free(context);
	return st;
}

/* escape NULL: a literal text. */
static enum od_status
make(struct od_pattern **out, const char *text, size_t n, uint32_t options, void (*escape)(struct od_buf *, char, bool),
	struct od_error *err)
{
	struct od_buf spelt = OD_BUF_INIT;
	struct od_pattern *p = NULL;
	enum od_status st = od_alloc(&p, 1, sizeof(*p), "a pattern", err);

	if (st != OD_OK)
		return st;
	if (!escape)
		od_buf_append(&spelt, text, n);
	else
		spell_out(&spelt, text, n, escape);
	if (!n || n > 65536)
		st = od_fail(err, OD_EFORMAT, "a pattern %s", n ? "is longer than 65536 bytes" : "is empty");
	else if (!od_buf_ok(&spelt))
		st = od_fail_nomem(err, "a pattern", n);
	else
		st = compile(p, spelt.data, spelt.len, options, text, err);
	od_buf_release(&spelt);
	if (st == OD_OK)
		*out = p;
	else
		od_pattern_free(p);
	return st;
}

enum od_status
od_pattern_compile(struct od_pattern **out, const char *text, size_t n, bool literal, struct od_error *err)
{
	if (literal)
		return make(out, text, n, PCRE2_LITERAL, NULL, err);
	return make(out, text, n, PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, published_escape, err);
}

enum od_status
od_pattern_python(struct od_pattern **out, const char *text, size_t n, unsigned flags, struct od_error *err)
{
	uint32_t options = PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;

	if (flags & OD_RE_IGNORECASE)
		options |= PCRE2_CASELESS;
	if (flags & OD_RE_MULTILINE)
		options |= PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX;
	return make(out, text, n, options, python_escape, err);
}

void
od_pattern_free(struct od_pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	free(p);
}

enum od_status
od_matcher_new(struct od_matcher **out, struct od_error *err)
{
	struct od_matcher *m = NULL;
	enum od_status st = od_alloc(&m, 1, sizeof(*m), "a matcher", err);

	if (st != OD_OK)
		return st;
	m->data = pcre2_match_data_create(1, NULL);
	m->context = pcre2_match_context_create(NULL);
	m->stack = pcre2_jit_stack_create((size_t)32 << 10, JIT_STACK, NULL);
	if (!m->data || !m->context) {
		od_matcher_free(m);
		return od_fail_nomem(err, "a matcher", JIT_STACK);
	}
	pcre2_set_match_limit(m->context, MATCH_LIMIT);
	pcre2_set_heap_limit(m->context, HEAP_LIMIT);
	if (m->stack)
		pcre2_jit_stack_assign(m->context, NULL, m->stack);
	*out = m;
	return OD_OK;
}

void
od_matcher_free(struct od_matcher *m)
{
	if (!m)
		return;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	pcre2_jit_stack_free(m->stack);
	free(m);
}

static enum od_status
fail_match(int rc, struct od_error *err)
{
	unsigned char reason[128] = "";

	pcre2_get_error_message(rc, reason, sizeof(reason));
	return od_fail(err, OD_EFORMAT, "cannot match the text with a pattern: %s", (const char *)reason);
}

static enum od_status
match(const struct od_pattern *p, struct od_matcher *m, const char *text, size_t n, size_t from, uint32_t options, bool *found,
	size_t *start, size_t *end, struct od_error *err)
{
	int rc;

	options |= PCRE2_NO_UTF_CHECK;
	rc = pcre2_match(p->code, (PCRE2_SPTR)text, n, from, options, m->data, m->context);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(p->code, (PCRE2_SPTR)text, n, from, options | PCRE2_NO_JIT, m->data, m->context);
	*found = rc >= 0;
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		return fail_match(rc, err);
	if (*found) {
		*start = pcre2_get_ovector_pointer(m->data)[0];
		*end = pcre2_get_ovector_pointer(m->data)[1];
		if (*end < *start)                 /* \K inside a look-ahead */
			*end = *start;
	}
	return OD_OK;
}

enum od_status
od_pattern_next(const struct od_pattern *p, struct od_matcher *m, const char *text, size_t n, size_t from,
	bool *found, size_t *start, size_t *end, struct od_error *err)
{
	return match(p, m, text, n, from, 0, found, start, end, err);
}

enum od_status
od_pattern_iterate(const struct od_pattern *p, struct od_matcher *m, const char *text, size_t n, size_t *at, bool *empty,
	bool *found, size_t *start, size_t *end, struct od_error *err)
{
	enum od_status st = match(p, m, text, n, *at, *empty ? PCRE2_NOTEMPTY_ATSTART : 0, found, start, end, err);

	if (st != OD_OK || !*found)
		return st;
	*empty = *start == *end;
	*at = *end;
	return OD_OK;
}

enum od_status
od_pattern_count(const struct od_pattern *p, struct od_matcher *m, const char *text, size_t n, size_t *count,
	struct od_error *err)
{
	size_t at = 0, start, end;
	bool found, empty = false;
	enum od_status st;

	*count = 0;
	while ((st = od_pattern_iterate(p, m, text, n, &at, &empty, &found, &start, &end, err)) == OD_OK && found)
		(*count)++;
	return st;
}

enum od_status
od_pattern_replace(const struct od_pattern *p, struct od_matcher *m, struct od_buf *b, const char *replacement,
	struct od_error *err)
{
	uint32_t options = PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH | PCRE2_NO_UTF_CHECK;
	PCRE2_SIZE room = b->len + b->len / 4 + 64, want;
	struct od_buf out = OD_BUF_INIT;
	int rc;

	do {
		want = room;
		if (!od_buf_reserve(&out, room + 1))
			break;
		rc = pcre2_substitute(p->code, (PCRE2_SPTR)(b->data ? b->data : ""), b->len, 0, options, NULL, m->context,
			(PCRE2_SPTR)replacement, PCRE2_ZERO_TERMINATED, (PCRE2_UCHAR *)out.data, &want);
		room = want;
	} while (rc == PCRE2_ERROR_NOMEMORY);
	if (!od_buf_ok(&out)) {
		od_buf_release(&out);
		return od_fail_nomem(err, "a text", room);
	}
	if (rc < 0) {
		od_buf_release(&out);
		return fail_match(rc, err);
	}
	out.len = want;
	od_buf_release(b);
	*b = out;
	return OD_OK;
}
