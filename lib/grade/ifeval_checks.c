/* ifeval_checks.c -- the table of IFEval's instruction types, a function each. */
#include <string.h>

#include "grade/ifeval_rules.h"
#include "text/letters.h"
#include "text/unicode.h"

#define CHECK(name) \
	static enum od_status check_##name(const struct od_instruction *in, struct od_ifeval_checker *c, const char *s, size_t n, \
		enum od_verdict *v, struct od_error *err)
#define UNUSED(x) ((void)(x))

static enum od_verdict
verdict(bool followed)
{
	return followed ? OD_FOLLOWED : OD_NOT_FOLLOWED;
}

static enum od_verdict
relation(const struct od_instruction *in, size_t count)
{
	return verdict(in->less_than ? (int64_t)count < in->count : (int64_t)count >= in->count);
}

/* The text without the white space, or the characters, at its ends. */
static void
strip(const char **s, size_t *n)
{
	size_t from, len = od_utf8_strip(*s, *n, &from);

	*s += from;
	*n = len;
}

static void
strip_left(const char **s, size_t *n, char c)
{
	while (*n && **s == c) {
		(*s)++;
		(*n)--;
	}
}

static void
strip_right(const char *s, size_t *n, char c)
{
	while (*n && s[*n - 1] == c)
		(*n)--;
}

static bool
is_blank(const char *s, size_t n)
{
	strip(&s, &n);
	return n == 0;
}

static bool
starts_with(const char *s, size_t n, const char *with, size_t n_with)
{
	return n >= n_with && !memcmp(s, with, n_with);
}

/* Takes a prefix off. */
static bool
drop_prefix(const char **s, size_t *n, const char *prefix)
{
	if (!starts_with(*s, *n, prefix, strlen(prefix)))
		return false;
	*s += strlen(prefix);
	*n -= strlen(prefix);
	return true;
}

/* ---- counts ----------------------------------------------------------------------------------------------------------- */

CHECK(words)
{
	UNUSED(c), UNUSED(err);
	*v = relation(in, od_count_words(s, n));
	return OD_OK;
}

CHECK(sentences)
{
	size_t count = 0;
	enum od_status st = od_ifeval_count_sentences(c, s, n, &count, err);

	*v = relation(in, count);
	return st;
}

CHECK(capital_words)
{
	size_t count = 0, capitals = 0;
	enum od_status st = od_ifeval_count_tokens(c, s, n, &count, &capitals, err);

	*v = relation(in, capitals);
	return st;
}

/* Matches of the first pattern: at least so many, or by the relation. */
CHECK(matches)
{
	size_t count;
	enum od_status st = od_pattern_count(in->pattern[0], c->matcher, s, n, &count, err);

	*v = relation(in, count);
	return st;
}

CHECK(letters)
{
	size_t count = 0;
	enum od_status st = od_text_lower(s, n, &c->lower, err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < c->lower.len; i += od_utf8_len((unsigned char)c->lower.data[i]))
		count += starts_with(c->lower.data + i, c->lower.len - i, in->text, in->text_len);
	*v = relation(in, count);
	return OD_OK;
}

/* Stars and hyphens at the beginning of a line: as many as asked for, no more. */
CHECK(bullets)
{
	size_t stars = 0, hyphens = 0;
	enum od_status st = od_pattern_count(in->pattern[0], c->matcher, s, n, &stars, err);

	if (st == OD_OK)
		st = od_pattern_count(in->pattern[1], c->matcher, s, n, &hyphens, err);
	*v = verdict((int64_t)(stars + hyphens) == in->count);
	return st;
}

/* Matches of a pattern with something left between the marks. */
static enum od_status
count_filled(const struct od_pattern *p, struct od_ifeval_checker *c, const char *s, size_t n,
	bool (*is_filled)(const char *s, size_t n), size_t *count, struct od_error *err)
{
	size_t at = 0, start, end;
	bool found, empty = false;
	enum od_status st;

	while ((st = od_pattern_iterate(p, c->matcher, s, n, &at, &empty, &found, &start, &end, err)) == OD_OK && found)
		*count += is_filled(s + start, end - start);
	return st;
}

static bool
is_highlight(const char *s, size_t n)
{
	strip_left(&s, &n, '*');
	strip_right(s, &n, '*');
	return !is_blank(s, n);
}

static bool
is_double_highlight(const char *s, size_t n)
{
	return n > 4 && !is_blank(s + 2, n - 4);
}

CHECK(highlights)
{
	size_t count = 0;
	enum od_status st = count_filled(in->pattern[0], c, s, n, is_highlight, &count, err);

	if (st == OD_OK)
		st = count_filled(in->pattern[1], c, s, n, is_double_highlight, &count, err);
	*v = relation(in, count);
	return st;
}

static bool
is_title(const char *s, size_t n)
{
	strip_left(&s, &n, '<');
	strip_right(s, &n, '>');
	return !is_blank(s, n);
}

CHECK(title)
{
	size_t count = 0;
	enum od_status st = count_filled(in->pattern[0], c, s, n, is_title, &count, err);

	*v = verdict(count > 0);
	return st;
}

/* ---- words that must, or must not, be there ---------------------------------------------------------------------------- */

static enum od_status
count_present(const struct od_instruction *in, struct od_ifeval_checker *c, const char *s, size_t n, size_t *present,
	struct od_error *err)
{
	size_t start, end;
	bool found;
	enum od_status st = OD_OK;

	*present = 0;
	for (size_t i = 0; i < in->n_patterns && st == OD_OK; i++) {
		st = od_pattern_next(in->pattern[i], c->matcher, s, n, 0, &found, &start, &end, err);
		*present += st == OD_OK && found;
	}
	return st;
}

CHECK(all_present)
{
	size_t present;
	enum od_status st = count_present(in, c, s, n, &present, err);

	*v = verdict(present == in->n_patterns);
	return st;
}

CHECK(none_present)
{
	size_t present;
	enum od_status st = count_present(in, c, s, n, &present, err);

	*v = verdict(present == 0);
	return st;
}

CHECK(no_comma)
{
	UNUSED(in), UNUSED(c), UNUSED(err);
	*v = verdict(n == 0 || !memchr(s, ',', n));
	return OD_OK;
}

CHECK(constrained)
{
	static const char *const answers[] = { "My answer is yes.", "My answer is no.", "My answer is maybe." };

	UNUSED(in), UNUSED(c), UNUSED(err);
	*v = OD_NOT_FOLLOWED;
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		if (memmem(s, n, answers[i], strlen(answers[i])))
			*v = OD_FOLLOWED;
	}
	return OD_OK;
}

/* The marker, in lower case, as the pattern the reference has for it. */
CHECK(postscript)
{
	struct od_pattern *p = NULL;
	size_t count = 0;
	enum od_status st;

	od_buf_clear(&c->other);
	if (!strcmp(in->text, "P.P.S"))
		od_buf_str(&c->other, "\\s*p\\.\\s?p\\.\\s?s.*$");
	else if (!strcmp(in->text, "P.S."))
		od_buf_str(&c->other, "\\s*p\\.\\s?s\\..*$");
	else if ((st = od_text_lower(in->text, in->text_len, &c->lower, err)) != OD_OK)
		return st;
	else
		od_buf_printf(&c->other, "\\s*%s.*$", c->lower.data);
	if (!od_buf_ok(&c->other))
		return od_fail_nomem(err, "a pattern", in->text_len);
	st = od_pattern_python(&p, c->other.data, c->other.len, OD_RE_MULTILINE, err);
	if (st == OD_OK)
		st = od_text_lower(s, n, &c->lower, err);
	if (st == OD_OK)
		st = od_pattern_count(p, c->matcher, c->lower.data, c->lower.len, &count, err);
	od_pattern_free(p);
	*v = verdict(count > 0);
	return st;
}

/* ---- beginnings and ends ---------------------------------------------------------------------------------------------- */

CHECK(repeat_prompt)
{
	enum od_status st;

	strip(&s, &n);
	st = od_text_lower(s, n, &c->lower, err);
	if (st == OD_OK)
		*v = verdict(starts_with(c->lower.data, c->lower.len, in->text, in->text_len));
	return st;
}

CHECK(end_phrase)
{
	enum od_status st;

	strip(&s, &n);
	strip_left(&s, &n, '"');
	strip_right(s, &n, '"');
	st = od_text_lower(s, n, &c->lower, err);
	if (st == OD_OK)
		*v = verdict(c->lower.len >= in->text_len &&
			!memcmp(c->lower.data + c->lower.len - in->text_len, in->text, in->text_len));
	return st;
}

CHECK(quotation)
{
	UNUSED(in), UNUSED(c), UNUSED(err);
	strip(&s, &n);
	*v = verdict(n > 1 && s[0] == '"' && s[n - 1] == '"');
	return OD_OK;
}

/* ---- parts ------------------------------------------------------------------------------------------------------------ */

/* What stands between the matches of a pattern. */
struct parts {
	size_t n, blank;                           /* all of them; those with white space only */
	bool blank_inside;                         /* one that is neither first nor last */
};

static void
add_part(struct parts *p, const char *s, size_t n, bool last)
{
	bool blank = is_blank(s, n);

	p->blank_inside = p->blank_inside || (blank && p->n > 0 && !last);
	p->blank += blank;
	p->n++;
}

static enum od_status
split(const struct od_pattern *pattern, struct od_ifeval_checker *c, const char *s, size_t n, struct parts *p,
	struct od_error *err)
{
	size_t at = 0, from = 0, start, end;
	bool found, empty = false;
	enum od_status st;

	*p = (struct parts){ 0 };
	while ((st = od_pattern_iterate(pattern, c->matcher, s, n, &at, &empty, &found, &start, &end, err)) == OD_OK && found) {
		add_part(p, s + from, start - from, false);
		from = end;
	}
	add_part(p, s + from, n - from, true);
	return st;
}

CHECK(paragraphs)
{
	struct parts p;
	enum od_status st = split(in->pattern[0], c, s, n, &p, err);

	*v = verdict(!p.blank_inside && (int64_t)(p.n - p.blank) == in->count);
	return st;
}

/* Exactly two responses between rows of asterisks, and not the same one. */
CHECK(two_responses)
{
	static const char row[] = "******";
	const char *part[2] = { NULL, NULL }, *end = s + n;
	size_t len[2] = { 0, 0 }, filled = 0, index = 0;
	bool last = false;

	UNUSED(in), UNUSED(c), UNUSED(err);
	*v = OD_NOT_FOLLOWED;
	for (const char *from = s; !last; index++) {
		const char *next = memmem(from, (size_t)(end - from), row, sizeof row - 1), *one = from;
		size_t n_one = (size_t)((next ? next : end) - from);

		last = next == NULL;
		from = last ? end : next + sizeof row - 1;
		strip(&one, &n_one);
		if (!n_one && index > 0 && !last)
			return OD_OK;
		if (n_one && filled < 2) {
			part[filled] = one;
			len[filled] = n_one;
		}
		filled += n_one > 0;
	}
	*v = verdict(filled == 2 && !(len[0] == len[1] && !memcmp(part[0], part[1], len[0])));
	return OD_OK;
}

/* c->lower: the first word of a paragraph in lower case, quotes before it and what follows a mark in it cut off. */
static enum od_status
first_word(struct od_ifeval_checker *c, const char *s, size_t n, struct od_error *err)
{
	size_t i = 0, k;
	uint32_t cp;

	strip(&s, &n);
	while (i < n && (k = od_utf8_decode(s + i, n - i, &cp)) && !od_is_strip_space(cp))
		i += k;
	n = i;
	strip_left(&s, &n, '\'');
	strip_left(&s, &n, '"');
	for (i = 0; i < n && !strchr(".,?!'\"", s[i]); i++)
		;
	return od_text_lower(s, i, &c->lower, err);
}

CHECK(nth_first_word)
{
	const char *nth = NULL, *end = s + n;
	size_t nth_len = 0;
	int64_t filled = 0, index = 0;
	enum od_status st;

	*v = OD_NOT_FOLLOWED;
	for (const char *from = s, *next = s; next; from = next + 2) {
		size_t len;

		next = memmem(from, (size_t)(end - from), "\n\n", 2);
		len = (size_t)((next ? next : end) - from);
		filled += !is_blank(from, len);
		if (++index == in->nth) {
			nth = from;
			nth_len = len;
		}
		if (!next)
			break;
	}
	/* (The n-th of all paragraphs, blank ones included, though n is held against those that are not.) */
	if (in->nth > filled || !nth || is_blank(nth, nth_len))
		return OD_OK;
	st = first_word(c, nth, nth_len, err);
	if (st == OD_OK)
		*v = verdict(filled == in->count && c->lower.len == in->text_len && !memcmp(c->lower.data, in->text, in->text_len));
	return st;
}

CHECK(json)
{
	static const char *const fences[] = { "```json", "```Json", "```JSON", "```" };

	UNUSED(in), UNUSED(c), UNUSED(err);
	strip(&s, &n);
	for (size_t i = 0; i < sizeof fences / sizeof *fences; i++)
		drop_prefix(&s, &n, fences[i]);
	if (n >= 3 && !memcmp(s + n - 3, "```", 3))
		n -= 3;
	strip(&s, &n);
	*v = verdict(od_ifeval_is_json(s, n));
	return OD_OK;
}

/* ---- language --------------------------------------------------------------------------------------------------------- */

/* A text without any letter is in every language. (Without profiles nobody comes here.) */
static enum od_status
in_language(struct od_ifeval_checker *c, const char *language, const char *s, size_t n, enum od_verdict *v, struct od_error *err)
{
	const char *found = NULL;
	enum od_status st;

	if (!od_langid_knows(c->langid, language))
		return od_fail(err, OD_EFORMAT, "language '%s' is none that %s tells", language, od_langid_name(c->langid));
	st = od_langid_detect(c->langid, s, n, &found, NULL, err);
	if (st == OD_OK)
		*v = verdict(!found || !strcmp(found, language));
	return st;
}

CHECK(language)
{
	return in_language(c, in->text, s, n, v, err);
}

CHECK(english_capital)
{
	UNUSED(in);
	*v = OD_NOT_FOLLOWED;
	return od_text_is_upper(s, n) ? in_language(c, "en", s, n, v, err) : OD_OK;
}

CHECK(english_lowercase)
{
	UNUSED(in);
	*v = OD_NOT_FOLLOWED;
	return od_text_is_lower(s, n) ? in_language(c, "en", s, n, v, err) : OD_OK;
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

const struct od_ifeval_rule od_ifeval_rules[OD_IFEVAL_TYPES] = {
	{ "change_case:capital_word_frequency", check_capital_words, .count = "capital_frequency", .relation = "capital_relation" },
	{ "change_case:english_capital", check_english_capital, .language = true },
	{ "change_case:english_lowercase", check_english_lowercase, .language = true },
	{ "combination:repeat_prompt", check_repeat_prompt, .text = "prompt_to_repeat", .lower = true },
	{ "combination:two_responses", check_two_responses, .count = NULL },
	{ "detectable_content:number_placeholders", check_matches, .count = "num_placeholders", .fixed = { "\\[.*?\\]" } },
	{ "detectable_content:postscript", check_postscript, .text = "postscript_marker" },
	{ "detectable_format:constrained_response", check_constrained, .count = NULL },
	{ "detectable_format:json_format", check_json, .count = NULL },
	{ "detectable_format:multiple_sections", check_matches, .count = "num_sections", .words = "section_spliter",
		.before = "\\s?", .after = "\\s?\\d+\\s?" },
	{ "detectable_format:number_bullet_lists", check_bullets, .count = "num_bullets",
		.fixed = { "^\\s*\\*[^\\*].*$", "^\\s*-.*$" }, .flags = OD_RE_MULTILINE },
	{ "detectable_format:number_highlighted_sections", check_highlights, .count = "num_highlights",
		.fixed = { "\\*[^\\n\\*]*\\*", "\\*\\*[^\\n\\*]*\\*\\*" } },
	{ "detectable_format:title", check_title, .fixed = { "<<[^\\n]+>>" } },
	{ "keywords:existence", check_all_present, .words = "keywords", .flags = OD_RE_IGNORECASE },
	{ "keywords:forbidden_words", check_none_present, .words = "forbidden_words", .before = "\\b", .after = "\\b",
		.flags = OD_RE_IGNORECASE },
	{ "keywords:frequency", check_matches, .count = "frequency", .relation = "relation", .words = "keyword",
		.flags = OD_RE_IGNORECASE },
	{ "keywords:letter_frequency", check_letters, .count = "let_frequency", .relation = "let_relation", .text = "letter",
		.lower = true },
	{ "language:response_language", check_language, .text = "language", .language = true },
	{ "length_constraints:nth_paragraph_first_word", check_nth_first_word, .count = "num_paragraphs", .nth = "nth_paragraph",
		.text = "first_word", .lower = true },
	{ "length_constraints:number_paragraphs", check_paragraphs, .count = "num_paragraphs", .fixed = { "\\s?\\*\\*\\*\\s?" } },
	{ "length_constraints:number_sentences", check_sentences, .count = "num_sentences", .relation = "relation" },
	{ "length_constraints:number_words", check_words, .count = "num_words", .relation = "relation" },
	{ "punctuation:no_comma", check_no_comma, .count = NULL },
	{ "startend:end_checker", check_end_phrase, .text = "end_phrase", .lower = true },
	{ "startend:quotation", check_quotation, .count = NULL },
};
