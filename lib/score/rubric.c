#include "score/rubric.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/stream.h"

#define MAX_FILE ((size_t)1 << 20)
#define MATCH_LIMIT 1000000u               /* steps of one match: a pattern must not stall on a long answer */

struct od_rubric_regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static const char *const slot_names[OD_N_SLOTS] = { "instruction", "response", "answer", "response_a", "response_b" };
static const char *const roles[] = { "system", "user", "assistant" };

/* Where the reader of a file is. */
struct reader {
	struct od_rubric *r;
	const char *name;
	int64_t lineno;
	bool in_header;
	bool own_pattern;                  /* the file's is not wanted */
};

static enum od_status
fail_at(const struct reader *p, struct od_error *err)
{
	(void)od_error_prefix(err, "%s:%lld: ", p->name, (long long)p->lineno);
	return OD_EFORMAT;
}

static void
trim(const char **text, size_t *n)
{
	while (*n && strchr(" \t\r\n", (*text)[*n - 1]))
		--*n;
	while (*n && strchr(" \t\r\n", **text)) {
		++*text;
		--*n;
	}
}

/* ---- the pattern -------------------------------------------------------------------------------------------------------- */

static void
regex_free(struct od_rubric_regex *x)
{
	if (!x)
		return;
	pcre2_code_free(x->code);
	pcre2_match_data_free(x->data);
	pcre2_match_context_free(x->context);
	free(x);
}

static enum od_status
regex_compile(struct od_rubric_regex **out, const char *pattern, struct od_error *err)
{
	struct od_rubric_regex *x = od_calloc(1, sizeof(*x));
	unsigned char reason[128] = "";
	PCRE2_SIZE at = 0;
	uint32_t groups = 0;
	int code = 0;
	enum od_status st = OD_OK;

	if (!x)
		return od_fail_nomem(err, "a pattern", sizeof(*x));
	x->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
		PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
	if (!x->code) {
		pcre2_get_error_message(code, reason, sizeof(reason));
		st = od_fail(err, OD_EFORMAT, "pattern '%.200s' is not valid: %s (at byte %zu)", pattern, (const char *)reason, at);
		goto out;
	}
	pcre2_pattern_info(x->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (groups != 1) {
		st = od_fail(err, OD_EFORMAT, "pattern '%.200s' must have one group, (...), around the score; it has %u", pattern,
			groups);
		goto out;
	}
	x->data = pcre2_match_data_create(2, NULL);
	x->context = pcre2_match_context_create(NULL);
	if (!x->data || !x->context)
		st = od_fail_nomem(err, "a pattern", 0);
	else
		pcre2_set_match_limit(x->context, MATCH_LIMIT);
out:
	if (st == OD_OK)
		*out = x;
	else
		regex_free(x);
	return st;
}

/* The group of the last match that has one. */
static bool
regex_last(const struct od_rubric_regex *x, const char *text, size_t n, size_t *start, size_t *end)
{
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(x->data);
	bool found = false;
	size_t at = 0;

	while (at <= n && pcre2_match(x->code, (PCRE2_SPTR)text, n, at, 0, x->data, x->context) > 0) {
		if (v[2] != PCRE2_UNSET) {
			found = true;
			*start = v[2];
			*end = v[3];
		}
		at = v[1] > at ? v[1] : at + 1;
		while (at < n && (text[at] & 0xc0) == 0x80)
			at++;                    /* not inside a character */
	}
	return found;
}

/* ---- settings ----------------------------------------------------------------------------------------------------------- */

static enum od_status
set_text(char **to, const char *v, size_t n, struct od_error *err)
{
	free(*to);
	*to = od_strndup(v, n);
	return *to ? OD_OK : od_fail_nomem(err, "a setting", n);
}

/* Up to two numbers with white space between; how many there are, or -1. */
static int
read_numbers(const char *v, size_t n, double out[2])
{
	char text[64];
	int k = 0;

	for (; n; trim(&v, &n)) {
		size_t len = 0;

		while (len < n && v[len] != ' ' && v[len] != '\t')
			len++;
		if (k == 2 || len >= sizeof(text))
			return -1;
		memcpy(text, v, len);
		text[len] = '\0';
		if (!od_num_double(text, &out[k++]))
			return -1;
		v += len;
		n -= len;
	}
	return k;
}

static enum od_status
set_range(struct od_rubric *r, const char *v, size_t n, struct od_error *err)
{
	double x[2];

	if (read_numbers(v, n, x) != 2 || !(x[0] < x[1]))
		return od_fail(err, OD_EFORMAT, "'range' must be two numbers, the lower one first, not '%.*s'", (int)n, v);
	r->low = x[0];
	r->high = x[1];
	return OD_OK;
}

static enum od_status
set_number(double *to, const char *name, const char *v, size_t n, double low, double high, struct od_error *err)
{
	double x[2];

	if (read_numbers(v, n, x) != 1 || x[0] < low || x[0] > high)
		return od_fail(err, OD_EFORMAT, "'%s' must be a number between %g and %g, not '%.*s'", name, low, high, (int)n, v);
	*to = x[0];
	return OD_OK;
}

/* "A=1 B=0 tie=0.5": each cut at its last '='. */
static enum od_status
set_values(struct od_rubric *r, const char *v, size_t n, struct od_error *err)
{
	for (; n; trim(&v, &n)) {
		struct od_rubric_value one = { .text = NULL };
		size_t len = 0, cut = 0;
		double x[2];

		while (len < n && v[len] != ' ' && v[len] != '\t')
			len++;
		for (size_t i = 0; i < len; i++)
			cut = v[i] == '=' ? i : cut;
		if (!cut || read_numbers(v + cut + 1, len - cut - 1, x) != 1)
			return od_fail(err, OD_EFORMAT, "'values' must be TEXT=NUMBER ..., not '%.*s'", (int)len, v);
		one.text = od_strndup(v, cut);
		one.value = x[0];
		if (!one.text || !od_grow(&r->values, &r->cap_values, r->n_values + 1, sizeof(one))) {
			free(one.text);
			return od_fail_nomem(err, "values", n);
		}
		r->values[r->n_values++] = one;
		v += len;
		n -= len;
	}
	return OD_OK;
}

static enum od_status
set_one(struct reader *p, const char *name, size_t n_name, const char *v, size_t n, struct od_error *err)
{
	struct od_rubric *r = p->r;
	double tokens = 0;
	enum od_status st;

#define IS(s) (n_name == sizeof(s) - 1 && memcmp(name, s, n_name) == 0)
	if (IS("score"))
		return p->own_pattern ? OD_OK : set_text(&r->pattern, v, n, err);
	if (IS("skip"))
		return set_text(&r->skip, v, n, err);
	if (IS("range"))
		return set_range(r, v, n, err);
	if (IS("values"))
		return set_values(r, v, n, err);
	if (IS("temperature"))
		return set_number(&r->temperature, "temperature", v, n, 0, 10, err);
	if (IS("top_p"))
		return set_number(&r->top_p, "top_p", v, n, 0, 1, err);
	if (IS("max_tokens")) {
		st = set_number(&tokens, "max_tokens", v, n, 0, 1e9, err);
		r->max_tokens = (int64_t)tokens;
		return st;
	}
#undef IS
	return od_fail(err, OD_EFORMAT, "no setting is called '%.*s'; there are score, range, values, skip, temperature, top_p, "
		"max_tokens, and then lines %%system, %%user", (int)n_name, name);
}

static enum od_status
read_setting(struct reader *p, const char *line, size_t n, struct od_error *err)
{
	const char *colon, *name = line;
	size_t n_name;
	enum od_status st;

	trim(&name, &n);
	if (!n || *name == '#')
		return OD_OK;
	colon = memchr(name, ':', n);
	if (!colon) {
		st = od_fail(err, OD_EFORMAT, "a line before the first %%user or %%system must be 'name: value' or a comment");
	} else {
		const char *v = colon + 1;
		size_t n_v = n - (size_t)(v - name);

		n_name = (size_t)(colon - name);
		trim(&name, &n_name);
		trim(&v, &n_v);
		st = set_one(p, name, n_name, v, n_v, err);
	}
	return st == OD_EFORMAT ? fail_at(p, err) : st;
}

/* ---- messages ----------------------------------------------------------------------------------------------------------- */

static enum od_status
begin_aspect(struct od_rubric *r, const char *name, size_t n, struct od_error *err)
{
	struct od_rubric_aspect a = { .name = od_strndup(name, n) };

	if (!a.name || !od_grow(&r->aspects, &r->cap, r->n + 1, sizeof(a))) {
		free(a.name);
		return od_fail_nomem(err, "a question", n);
	}
	r->aspects[r->n++] = a;
	return OD_OK;
}

static enum od_status
begin_message(struct od_rubric *r, const char *role, struct od_error *err)
{
	struct od_rubric_aspect *a;
	enum od_status st = r->n ? OD_OK : begin_aspect(r, "", 0, err);

	if (st != OD_OK)
		return st;
	a = &r->aspects[r->n - 1];
	if (!od_grow(&a->messages, &a->cap, a->n + 1, sizeof(*a->messages)))
		return od_fail_nomem(err, "a message", 0);
	a->messages[a->n++] = (struct od_rubric_message){ .role = role, .text = OD_BUF_INIT };
	return OD_OK;
}

/* A line that begins with one %. */
static enum od_status
read_directive(struct reader *p, const char *line, size_t n, struct od_error *err)
{
	struct od_rubric *r = p->r;
	const char *word = line + 1;
	size_t n_word = n - 1;
	enum od_status st = OD_OK;

	trim(&word, &n_word);
	p->in_header = false;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (n_word == strlen(roles[i]) && memcmp(word, roles[i], n_word) == 0)
			return begin_message(r, roles[i], err);
	if (n_word > 7 && memcmp(word, "aspect ", 7) == 0) {
		const char *name = word + 7;
		size_t n_name = n_word - 7;

		trim(&name, &n_name);
		for (size_t i = 0; i < r->n; i++)
			if (strlen(r->aspects[i].name) == n_name && memcmp(r->aspects[i].name, name, n_name) == 0)
				st = od_fail(err, OD_EFORMAT, "a second aspect '%.*s'", (int)n_name, name);
		if (r->n == 1 && !r->aspects[0].name[0])
			st = od_fail(err, OD_EFORMAT, "%%aspect must stand before the first message");
		return st == OD_OK ? begin_aspect(r, name, n_name, err) : fail_at(p, err);
	}
	st = od_fail(err, OD_EFORMAT, "'%%%.*s' is no mark; there are %%system, %%user, %%assistant, %%aspect NAME (a text that begins "
		"with %% has two)", (int)n_word, word);
	return fail_at(p, err);
}

static enum od_status
read_text(struct reader *p, const char *line, size_t n, struct od_error *err)
{
	struct od_rubric *r = p->r;
	struct od_rubric_aspect *a = &r->aspects[r->n - 1];

	if (n && *line == '%') {
		line++;
		n--;
	}
	if (a->n) {
		od_buf_append(&a->messages[a->n - 1].text, line, n);
		od_buf_char(&a->messages[a->n - 1].text, '\n');
		return OD_OK;
	}
	trim(&line, &n);
	if (!n)
		return OD_OK;
	(void)od_fail(err, OD_EFORMAT, "text of aspect '%s' before its first %%system or %%user", a->name);
	return fail_at(p, err);
}

static enum od_status
read_line(struct reader *p, const char *line, size_t n, struct od_error *err)
{
	if (n && line[n - 1] == '\r')
		n--;
	if (n && *line == '%' && !(n > 1 && line[1] == '%'))
		return read_directive(p, line, n, err);
	return p->in_header ? read_setting(p, line, n, err) : read_text(p, line, n, err);
}

/* ---- placeholders ------------------------------------------------------------------------------------------------------- */

/* The slot that text[0, n) begins with, "{answer}", and its length; OD_N_SLOTS when it begins with none. */
static enum od_rubric_slot
slot_at(const char *text, size_t n, size_t *len)
{
	for (int i = 0; i < OD_N_SLOTS; i++) {
		size_t k = strlen(slot_names[i]);

		if (n >= k + 2 && text[0] == '{' && memcmp(text + 1, slot_names[i], k) == 0 && text[k + 1] == '}') {
			*len = k + 2;
			return (enum od_rubric_slot)i;
		}
	}
	return OD_N_SLOTS;
}

static enum od_status
fill_text(struct od_buf *out, const struct od_buf *in, const struct od_rubric_text texts[OD_N_SLOTS], struct od_error *err)
{
	for (size_t i = 0, len; i < in->len; i += len) {
		enum od_rubric_slot s = slot_at(in->data + i, in->len - i, &len);

		if (s == OD_N_SLOTS) {
			len = 1;
			od_buf_char(out, in->data[i]);
		} else if (texts[s].text) {
			od_buf_append(out, texts[s].text, texts[s].len);
		} else {
			return od_fail(err, OD_EFORMAT, "the judge's rubric uses {%s}, and the record has none", slot_names[s]);
		}
	}
	return OD_OK;
}

enum od_status
od_rubric_fill(const struct od_rubric *r, size_t aspect, const struct od_rubric_text texts[OD_N_SLOTS], json_t **messages,
	struct od_error *err)
{
	const struct od_rubric_aspect *a = &r->aspects[aspect];
	json_t *list = json_array();
	struct od_buf text = OD_BUF_INIT;
	enum od_status st = list ? OD_OK : od_fail_nomem(err, "messages", 0);

	for (size_t i = 0; i < a->n && st == OD_OK; i++) {
		od_buf_clear(&text);
		st = fill_text(&text, &a->messages[i].text, texts, err);
		if (st == OD_OK && (!od_buf_ok(&text) || json_array_append_new(list, json_pack("{s:s, s:s%}", "role",
			a->messages[i].role, "content", text.data ? text.data : "", text.len)) < 0))
			st = od_fail_nomem(err, "messages", text.len);
	}
	od_buf_release(&text);
	if (st == OD_OK)
		*messages = list;
	else
		json_decref(list);
	return st;
}

/* ---- the whole file ----------------------------------------------------------------------------------------------------- */

/* Trims the messages and notes which slots they use. */
static enum od_status
finish_messages(struct od_rubric *r, const char *name, struct od_error *err)
{
	if (!r->n)
		return od_fail(err, OD_EFORMAT, "%s: no message: a line %%user and what the judge is asked", name);
	for (size_t i = 0; i < r->n; i++) {
		struct od_rubric_aspect *a = &r->aspects[i];

		if (!a->n)
			return od_fail(err, OD_EFORMAT, "%s: aspect '%s' has no message", name, a->name);
		for (size_t m = 0; m < a->n; m++) {
			struct od_buf *b = &a->messages[m].text;
			const char *text = b->data ? b->data : "";
			size_t n = b->len, len;

			if (!od_buf_ok(b))
				return od_fail_nomem(err, "a message", n);
			trim(&text, &n);
			if (n)
				memmove(b->data, text, n);
			b->len = n;
			for (size_t k = 0; k < n; k++)
				if (slot_at(b->data + k, n - k, &len) != OD_N_SLOTS)
					r->uses[slot_at(b->data + k, n - k, &len)] = true;
		}
	}
	return OD_OK;
}

static enum od_status
check_whole(struct od_rubric *r, const char *name, bool scored, struct od_error *err)
{
	bool a = r->uses[OD_SLOT_A], b = r->uses[OD_SLOT_B], one = r->uses[OD_SLOT_RESPONSE];

	if (a != b || (a && one) || (!a && !one))
		return od_fail(err, OD_EFORMAT, "%s: it must use {response}, or {response_a} and {response_b}", name);
	if (scored && isnan(r->low))
		return od_fail(err, OD_EFORMAT, "%s: no 'range: LOW HIGH': the lowest and the highest score there is", name);
	for (size_t i = 0; i < r->n_values && scored; i++)
		if (r->values[i].value < r->low || r->values[i].value > r->high)
			return od_fail(err, OD_EFORMAT, "%s: the value of '%s' is outside the range", name, r->values[i].text);
	return OD_OK;
}

static enum od_status
make_hash(struct od_rubric *r, const char *text, size_t n, const char *pattern, struct od_error *err)
{
	struct od_sha256 *h = NULL;
	enum od_status st = od_sha256_begin(&h, err);

	if (st != OD_OK)
		return st;
	od_sha256_add(h, text, n);
	if (pattern) {
		od_sha256_add(h, "\n", 1);
		od_sha256_add(h, pattern, strlen(pattern));
	}
	od_sha256_end(h, r->hash);
	return OD_OK;
}

static enum od_status
read_lines(struct reader *p, const char *text, size_t n, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (size_t at = 0; at < n && st == OD_OK;) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t len = end ? (size_t)(end - text) - at : n - at;

		p->lineno++;
		st = read_line(p, text + at, len, err);
		at += len + 1;
	}
	return st;
}

enum od_status
od_rubric_parse(struct od_rubric **out, const char *text, size_t n, const char *name, const char *pattern, bool scored,
	struct od_error *err)
{
	struct od_rubric *r = NULL;
	struct reader p = { .name = name, .in_header = true, .own_pattern = pattern != NULL };
	json_t *valid;
	enum od_status st = od_alloc(&r, 1, sizeof(*r), "a rubric", err);

	if (st != OD_OK)
		return st;
	r->low = r->high = r->top_p = NAN;
	r->max_tokens = 1024;
	p.r = r;
	valid = json_stringn(text, n);
	if (!valid)
		st = od_fail(err, OD_EFORMAT, "%s: not UTF-8", name);
	json_decref(valid);
	if (st == OD_OK)
		st = read_lines(&p, text, n, err);
	if (st == OD_OK)
		st = finish_messages(r, name, err);
	if (st == OD_OK)
		st = check_whole(r, name, scored, err);
	if (st == OD_OK && pattern)
		st = set_text(&r->pattern, pattern, strlen(pattern), err);
	if (st == OD_OK && r->pattern) {
		st = regex_compile(&r->regex, r->pattern, err);
		if (st == OD_EFORMAT && !pattern)
			(void)od_error_prefix(err, "%s: ", name);
	}
	if (st == OD_OK)
		st = make_hash(r, text, n, pattern, err);
	if (st == OD_OK)
		*out = r;
	else
		od_rubric_free(r);
	return st;
}

enum od_status
od_rubric_open(struct od_rubric **out, const char *path, const char *pattern, bool scored, struct od_error *err)
{
	char *text = NULL;
	size_t n = 0;
	enum od_status st = od_in_slurp(path, MAX_FILE, &text, &n, err);

	if (st == OD_OK)
		st = od_rubric_parse(out, text, n, path, pattern, scored, err);
	free(text);
	return st;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

enum od_status
od_rubric_extract(const struct od_rubric *r, const char *answer, size_t n, size_t *start, size_t *end, struct od_error *err)
{
	const char *text;
	size_t len;

	*start = 0;
	*end = n;
	if (r->regex && !regex_last(r->regex, answer, n, start, end))
		return od_fail(err, OD_EFORMAT, "the judge's answer does not match '%.100s': '%.*s'", r->pattern,
			(int)od_utf8_prefix(answer, n, 100), answer);
	text = answer + *start;
	len = *end - *start;
	trim(&text, &len);
	*start = (size_t)(text - answer);
	*end = *start + len;
	return OD_OK;
}

enum od_status
od_rubric_score(const struct od_rubric *r, const char *answer, size_t n, double *score, struct od_error *err)
{
	char text[64];
	size_t start, end, len;
	enum od_status st = od_rubric_extract(r, answer, n, &start, &end, err);

	if (st != OD_OK)
		return st;
	len = end - start;
	snprintf(text, sizeof(text), "%.*s", (int)od_utf8_prefix(answer + start, len, sizeof(text) - 1), answer + start);
	if (r->skip && strlen(r->skip) == len && memcmp(r->skip, answer + start, len) == 0) {
		*score = NAN;
		return OD_OK;
	}
	for (size_t i = 0; i < r->n_values; i++)
		if (strlen(r->values[i].text) == len && memcmp(r->values[i].text, answer + start, len) == 0) {
			*score = r->values[i].value;
			return OD_OK;
		}
	if (r->n_values)
		return od_fail(err, OD_EFORMAT, "the judge's answer is none of the rubric's values: '%s'", text);
	if (len >= sizeof(text) || !od_num_double(text, score))
		return od_fail(err, OD_EFORMAT, "the judge's score is no number: '%s'", text);
	if (*score < r->low || *score > r->high)
		return od_fail(err, OD_EFORMAT, "the judge's score %s is outside %g..%g", text, r->low, r->high);
	return OD_OK;
}

void
od_rubric_free(struct od_rubric *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		for (size_t m = 0; m < r->aspects[i].n; m++)
			od_buf_release(&r->aspects[i].messages[m].text);
		free(r->aspects[i].messages);
		free(r->aspects[i].name);
	}
	for (size_t i = 0; i < r->n_values; i++)
		free(r->values[i].text);
	free(r->aspects);
	free(r->values);
	free(r->skip);
	free(r->pattern);
	regex_free(r->regex);
	free(r);
}
