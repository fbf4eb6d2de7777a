/* ifeval.c -- items, their arguments, and the strict and loose judgement; ifeval_checks.c has the types. */
#include "grade/ifeval.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "grade/ifeval_rules.h"
#include "io/jsonl.h"
#include "text/letters.h"
#include "text/unicode.h"

struct od_ifeval_item {
	struct od_instruction *in;                 /* [n] */
	size_t n;
};

const char *
od_ifeval_type_name(size_t type)
{
	return od_ifeval_rules[type].id;
}

/* ---- what checking needs ---------------------------------------------------------------------------------------------- */

enum od_status
od_ifeval_checker_new(struct od_ifeval_checker **out, const struct od_punkt *punkt, struct od_langid *langid,
	struct od_error *err)
{
	struct od_ifeval_checker *c = NULL;
	enum od_status st = od_alloc(&c, 1, sizeof *c, "a checker", err);

	if (st != OD_OK)
		return st;
	c->punkt = punkt;
	c->langid = langid;
	st = od_treebank_new(&c->treebank, err);
	if (st == OD_OK)
		st = od_matcher_new(&c->matcher, err);
	if (st == OD_OK)
		*out = c;
	else
		od_ifeval_checker_free(c);
	return st;
}

void
od_ifeval_checker_free(struct od_ifeval_checker *c)
{
	if (!c)
		return;
	od_treebank_free(c->treebank);
	od_matcher_free(c->matcher);
	od_sentences_release(&c->sentences);
	od_buf_release(&c->lower);
	od_buf_release(&c->other);
	od_buf_release(&c->variant);
	free(c);
}

enum od_status
od_ifeval_count_sentences(struct od_ifeval_checker *c, const char *s, size_t n, size_t *count, struct od_error *err)
{
	enum od_status st;

	if (!c->punkt)
		return od_count_sentences(s, n, count, err);
	st = od_punkt_sentences(c->punkt, s, n, &c->sentences, err);
	*count = c->sentences.n;
	return st;
}

static enum od_status
add_tokens(struct od_ifeval_checker *c, const char *s, size_t n, size_t *count, size_t *capitals, struct od_error *err)
{
	enum od_status st = od_treebank_words(c->treebank, s, n, &c->other, err);
	size_t start = 0, i = 0;

	while (st == OD_OK && i <= c->other.len) {
		uint32_t cp = ' ';
		size_t k = od_utf8_decode(c->other.data + i, c->other.len - i, &cp);

		if (!k || od_is_strip_space(cp)) {
			*count += i > start;
			*capitals += i > start && od_text_is_upper(c->other.data + start, i - start);
			start = i + (k ? k : 1);
		}
		i += k ? k : 1;
	}
	return st;
}

/* Words are found sentence by sentence. */
enum od_status
od_ifeval_count_tokens(struct od_ifeval_checker *c, const char *s, size_t n, size_t *count, size_t *capitals,
	struct od_error *err)
{
	enum od_status st = OD_OK;

	*count = *capitals = 0;
	if (!c->punkt)
		return add_tokens(c, s, n, count, capitals, err);
	st = od_punkt_sentences(c->punkt, s, n, &c->sentences, err);
	for (size_t i = 0; i < c->sentences.n && st == OD_OK; i++) {
		struct od_sentence one = c->sentences.s[i];

		st = add_tokens(c, s + one.start, one.end - one.start, count, capitals, err);
	}
	return st;
}

enum od_status
od_ifeval_units(struct od_ifeval_checker *c, const char *s, size_t n, struct od_text_units *out, struct od_error *err)
{
	enum od_status st;

	*out = (struct od_text_units){ 0 };
	out->words = od_count_words(s, n);
	st = od_ifeval_count_sentences(c, s, n, &out->sentences, err);
	if (st == OD_OK)
		st = od_ifeval_count_tokens(c, s, n, &out->tokens, &out->capital_tokens, err);
	if (st == OD_OK && c->langid)
		st = od_langid_detect(c->langid, s, n, &out->language, &out->language_prob, err);
	return st;
}

/* ---- arguments -------------------------------------------------------------------------------------------------------- */

static enum od_status
read_count(const json_t *kwargs, const char *name, int64_t *out, struct od_error *err)
{
	double v = 0;
	enum od_status st = OD_OK;

	if (name)
		st = od_json_need_number(kwargs, name, &v, err);
	if (st == OD_OK && !(v >= 0 && v <= 1e9 && v == (double)(int64_t)v))
		st = od_fail(err, OD_EFORMAT, "field '%s' must be a count, not %g", name, v);
	if (st == OD_OK)
		*out = (int64_t)v;
	return st;
}

static enum od_status
read_relation(const json_t *kwargs, const char *name, bool *less_than, struct od_error *err)
{
	const char *s = NULL;
	enum od_status st = name ? od_json_need_string(kwargs, name, &s, NULL, err) : OD_OK;

	if (st != OD_OK || !name)
		return st;
	*less_than = !strcmp(s, "less than");
	if (!*less_than && strcmp(s, "at least") != 0)
		return od_fail(err, OD_EFORMAT, "field '%s' must be 'less than' or 'at least', not '%s'", name, s);
	return OD_OK;
}

static enum od_status
read_text(const struct od_ifeval_rule *r, const json_t *kwargs, struct od_instruction *in, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	const char *s;
	size_t n, from = 0;
	enum od_status st = od_json_need_string(kwargs, r->text, &s, &n, err);

	if (st != OD_OK)
		return st;
	if (r->lower) {
		n = od_utf8_strip(s, n, &from);
		st = od_text_lower(s + from, n, &text, err);
	} else {
		od_buf_append(&text, s, n);
	}
	if (st == OD_OK && !text.len)
		st = od_fail(err, OD_EFORMAT, "field '%s' is empty", r->text);
	if (st == OD_OK && !od_buf_ok(&text))
		st = od_fail_nomem(err, "an argument", n);
	if (st != OD_OK) {
		od_buf_release(&text);
		return st;
	}
	in->text = text.data;
	in->text_len = text.len;
	return OD_OK;
}

static enum od_status
add_pattern(struct od_instruction *in, const char *text, size_t n, struct od_error *err)
{
	enum od_status st = od_pattern_python(&in->pattern[in->n_patterns], text, n, in->rule->flags, err);

	in->n_patterns += st == OD_OK;
	return st;
}

static enum od_status
add_word(struct od_instruction *in, const json_t *word, struct od_error *err)
{
	const struct od_ifeval_rule *r = in->rule;
	struct od_buf text = OD_BUF_INIT;
	enum od_status st;

	if (!json_is_string(word) || !json_string_length(word))
		return od_fail(err, OD_EFORMAT, "field '%s' must hold words", r->words);
	od_buf_printf(&text, "%s%s%s", r->before ? r->before : "", json_string_value(word), r->after ? r->after : "");
	st = od_buf_ok(&text) ? add_pattern(in, text.data, text.len, err) : od_fail_nomem(err, "a pattern", 1);
	od_buf_release(&text);
	return st;
}

/* One word, a list of words, or the fixed patterns. */
static enum od_status
read_patterns(const struct od_ifeval_rule *r, const json_t *kwargs, struct od_instruction *in, struct od_error *err)
{
	const json_t *words = r->words ? json_object_get(kwargs, r->words) : NULL;
	size_t n = json_is_array(words) ? json_array_size(words) : 0;
	enum od_status st = od_alloc(&in->pattern, n + 2, sizeof *in->pattern, "patterns", err);

	if (st == OD_OK && r->words && (json_is_array(words) ? n == 0 : !json_is_string(words)))
		return od_json_fail_type(json_is_null(words) ? NULL : words, r->words, "a word or a list of words", err);
	if (st == OD_OK && json_is_string(words))
		st = add_word(in, words, err);
	for (size_t i = 0; i < n && st == OD_OK; i++)
		st = add_word(in, json_array_get(words, i), err);
	for (size_t i = 0; i < 2 && st == OD_OK && r->fixed[i]; i++)
		st = add_pattern(in, r->fixed[i], strlen(r->fixed[i]), err);
	return st;
}

static const struct od_ifeval_rule *
find_rule(const char *id)
{
	for (size_t i = 0; id && i < OD_IFEVAL_TYPES; i++) {
		if (!strcmp(od_ifeval_rules[i].id, id))
			return &od_ifeval_rules[i];
	}
	return NULL;
}

static enum od_status
read_instruction(struct od_instruction *in, const json_t *id, const json_t *kwargs, struct od_error *err)
{
	const struct od_ifeval_rule *r = find_rule(json_string_value(id));
	enum od_status st;

	if (!r)
		return od_fail(err, OD_EFORMAT, "instruction type '%s' is not known",
			json_is_string(id) ? json_string_value(id) : od_json_type_name(id));
	if (!json_is_object(kwargs))
		return od_fail(err, OD_EFORMAT, "its arguments are no object");
	in->rule = r;
	st = read_count(kwargs, r->count, &in->count, err);
	if (st == OD_OK)
		st = read_count(kwargs, r->nth, &in->nth, err);
	if (st == OD_OK)
		st = read_relation(kwargs, r->relation, &in->less_than, err);
	if (st == OD_OK && r->text)
		st = read_text(r, kwargs, in, err);
	if (st == OD_OK)
		st = read_patterns(r, kwargs, in, err);
	return st;
}

/* ---- items ------------------------------------------------------------------------------------------------------------ */

enum od_status
od_ifeval_item_new(struct od_ifeval_item **out, const json_t *ids, const json_t *kwargs, struct od_error *err)
{
	struct od_ifeval_item *item = NULL;
	size_t n = json_array_size(ids);
	enum od_status st;

	if (!json_is_array(ids) || !n)
		return od_json_fail_type(ids && n ? ids : NULL, "instruction_id_list", "a list of instruction types", err);
	if (!json_is_array(kwargs) || json_array_size(kwargs) != n)
		return od_fail(err, OD_EFORMAT, "field 'kwargs' must be a list as long as 'instruction_id_list'");
	st = od_alloc(&item, 1, sizeof *item, "an item", err);
	if (st == OD_OK)
		st = od_alloc(&item->in, n, sizeof *item->in, "instructions", err);
	for (size_t i = 0; i < n && st == OD_OK; i++) {
		item->n = i + 1;
		st = read_instruction(&item->in[i], json_array_get(ids, i), json_array_get(kwargs, i), err);
		if (st != OD_OK)
			od_error_prefix(err, "instruction %zu (%s): ", i + 1, item->in[i].rule ? item->in[i].rule->id : "?");
	}
	if (st == OD_OK)
		*out = item;
	else
		od_ifeval_item_free(item);
	return st;
}

void
od_ifeval_item_free(struct od_ifeval_item *item)
{
	if (!item)
		return;
	for (size_t i = 0; i < item->n; i++) {
		for (size_t k = 0; k < item->in[i].n_patterns; k++)
			od_pattern_free(item->in[i].pattern[k]);
		free(item->in[i].pattern);
		free(item->in[i].text);
	}
	free(item->in);
	free(item);
}

size_t
od_ifeval_item_count(const struct od_ifeval_item *item)
{
	return item->n;
}

size_t
od_ifeval_item_type(const struct od_ifeval_item *item, size_t i)
{
	return (size_t)(item->in[i].rule - od_ifeval_rules);
}

/* ---- judgement -------------------------------------------------------------------------------------------------------- */

/* One text against one instruction; a blank one follows nothing. */
static enum od_status
check_text(const struct od_instruction *in, struct od_ifeval_checker *c, const char *s, size_t n, enum od_verdict *v,
	struct od_error *err)
{
	size_t from;
	enum od_status st;

	*v = OD_NOT_FOLLOWED;
	if (!od_utf8_strip(s, n, &from))
		return OD_OK;
	if (in->rule->language && !c->langid) {
		*v = OD_UNDECIDED;                 /* also where case alone would do: a rate over failures only is none */
		return OD_OK;
	}
	st = in->rule->check(in, c, s, n, v, err);
	return st == OD_OK ? OD_OK : od_error_prefix(err, "instruction '%s': ", in->rule->id);
}

struct part {
	const char *s;
	size_t n;
};

/* The response, then without its first line, its last, both: white space at the ends of the last three is gone too. */
static void
cut_lines(const char *s, size_t n, struct part part[4])
{
	const char *first = n ? memchr(s, '\n', n) : NULL, *last = n ? memrchr(s, '\n', n) : NULL;

	part[0] = (struct part){ s, n };
	part[1] = first ? (struct part){ first + 1, (size_t)(s + n - first - 1) } : (struct part){ s, 0 };
	part[2] = last ? (struct part){ s, (size_t)(last - s) } : (struct part){ s, 0 };
	part[3] = last > first ? (struct part){ first + 1, (size_t)(last - first - 1) } : (struct part){ s, 0 };
	for (int i = 1; i < 4; i++) {
		size_t from, len = od_utf8_strip(part[i].s, part[i].n, &from);

		part[i] = (struct part){ part[i].s + from, len };
	}
}

/* c->variant: the text without asterisks. */
static enum od_status
drop_stars(struct od_ifeval_checker *c, struct part text, struct od_error *err)
{
	od_buf_clear(&c->variant);
	for (size_t i = 0; i < text.n; i++) {
		if (text.s[i] != '*')
			od_buf_char(&c->variant, text.s[i]);
	}
	return od_buf_ok(&c->variant) ? OD_OK : od_fail_nomem(err, "a text", text.n);
}

/* Given the verdict on the response itself: the first variant that passes will do. */
static enum od_status
check_loose(const struct od_instruction *in, struct od_ifeval_checker *c, const struct part part[4], enum od_verdict *v,
	struct od_error *err)
{
	enum od_verdict one;
	enum od_status st = OD_OK;

	for (int i = 1; i < 8 && st == OD_OK && *v == OD_NOT_FOLLOWED; i++) {
		struct part text = part[i / 2];

		if (i % 2 == 1 && !(text.n && memchr(text.s, '*', text.n)))
			continue;                  /* no other text than the one before */
		if (i % 2 == 1) {
			st = drop_stars(c, text, err);
			text = (struct part){ c->variant.data ? c->variant.data : "", c->variant.len };
		}
		if (st == OD_OK)
			st = check_text(in, c, text.s, text.n, &one, err);
		if (st == OD_OK && one != OD_NOT_FOLLOWED)
			*v = one;
	}
	return st;
}

enum od_status
od_ifeval_check(const struct od_ifeval_item *item, struct od_ifeval_checker *c, const char *s, size_t n,
	enum od_verdict *strict, enum od_verdict *loose, struct od_error *err)
{
	struct part part[4];
	enum od_status st = OD_OK;

	cut_lines(s, n, part);
	for (size_t i = 0; i < item->n && st == OD_OK; i++) {
		st = check_text(&item->in[i], c, s, n, &strict[i], err);
		loose[i] = strict[i];
		if (st == OD_OK)
			st = check_loose(&item->in[i], c, part, &loose[i], err);
	}
	return st;
}
