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

/* Copies a pattern with every \s spelt out (and \S outside classes). */
static void
translate(struct od_buf *out, const char *text, size_t n)
{
	bool in_class = false;
	size_t class_start = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\\' && i + 1 < n) {
			char c = text[++i];

			if (c == 's' || (c == 'S' && !in_class))
				od_buf_str(out, in_class ? SPACE : c == 's' ? "[" SPACE "]" : "[^" SPACE "]");
			else
				od_buf_append(out, text + i - 1, 2);
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
compile(struct od_pattern *p, const char *text, size_t n, bool literal, const char *shown,
	struct od_error *err)
{
	uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK;
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	unsigned char reason[128] = "";
	PCRE2_SIZE at = 0;
	int code = 0;
	enum od_status st = OD_OK;

	if (!context)
		return od_fail_nomem(err, "a pattern", n);
	options |= literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
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

enum od_status
od_pattern_compile(struct od_pattern **out, const char *text, size_t n, bool literal, struct od_error *err)
{
	struct od_buf spelt = OD_BUF_INIT;
	struct od_pattern *p = NULL;
	enum od_status st = od_alloc(&p, 1, sizeof(*p), "a pattern", err);

	if (st != OD_OK)
		return st;
	if (literal)
		od_buf_append(&spelt, text, n);
	else
		translate(&spelt, text, n);
	if (!n || n > 65536)
		st = od_fail(err, OD_EFORMAT, "a pattern %s", n ? "is longer than 65536 bytes" : "is empty");
	else if (!od_buf_ok(&spelt))
		st = od_fail_nomem(err, "a pattern", n);
	else
		st = compile(p, spelt.data, spelt.len, literal, text, err);
	od_buf_release(&spelt);
	if (st == OD_OK)
		*out = p;
	else
		od_pattern_free(p);
	return st;
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

enum od_status
od_pattern_next(const struct od_pattern *p, struct od_matcher *m, const char *text, size_t n, size_t from,
	bool *found, size_t *start, size_t *end, struct od_error *err)
{
	int rc = pcre2_match(p->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK, m->data, m->context);
	unsigned char reason[128] = "";

	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(p->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
			m->data, m->context);
	*found = rc >= 0;
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
		pcre2_get_error_message(rc, reason, sizeof(reason));
		return od_fail(err, OD_EFORMAT, "cannot split text with the tokenizer's pattern: %s",
			(const char *)reason);
	}
	if (*found) {
		*start = pcre2_get_ovector_pointer(m->data)[0];
		*end = pcre2_get_ovector_pointer(m->data)[1];
		if (*end < *start)                 /* \K inside a look-ahead */
			*end = *start;
	}
	return OD_OK;
}
