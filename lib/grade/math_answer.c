#include "grade/math_answer.h"

#include <string.h>

#include "grade/answer_text.h"
#include "grade/math_units.h"
#include "grade/number_words.h"
#include "text/unicode.h"

const char *const od_math_grader_names[] = { "qwen", "unidpo", NULL };

static const struct od_math_dataset datasets[] = {
	{ .name = "math", .size = 5000, .field = "solution", .solution = true },
	{ .name = "math500", .size = 500, .field = "solution", .solution = true },
	{ .name = "minerva_math", .size = 272, .field = "solution", .solution = true, .keep_units = true },
	{ .name = "gsm8k", .size = 1319, .field = "answer", .mark = "####" },
	{ .name = "olympiadbench", .size = 675, .field = "final_answer.0", .dollars = OD_DOLLARS_AT_ENDS },
	{ .name = "aime24", .size = 30, .field = "answer" }, { .name = "amc23", .size = 40, .field = "answer" },
	{ .name = "gaokao2023en", .size = 385, .field = "answer", .dollars = OD_DOLLARS_ANYWHERE },
	{ .name = "college_math", .size = 2818, .field = "answer", .dollars = OD_DOLLARS_ANYWHERE }
};

const struct od_math_dataset *
od_math_dataset_at(size_t i)
{
	return i < sizeof(datasets) / sizeof(datasets[0]) ? &datasets[i] : NULL;
}

static enum od_status
unknown_dataset(const char *name, struct od_error *err)
{
	struct od_buf names = OD_BUF_INIT;
	enum od_status st;

	for (size_t i = 0; i < sizeof(datasets) / sizeof(datasets[0]); i++)
		od_buf_printf(&names, "%s%s", i ? ", " : "", datasets[i].name);
	st = od_fail(err, OD_EUSAGE, "dataset '%s' is not known: use one of %s", name, od_buf_ok(&names) ? names.data : "?");
	od_buf_release(&names);
	return st;
}

enum od_status
od_math_dataset_find(const struct od_math_dataset **out, const char *name, struct od_error *err)
{
	for (size_t i = 0; i < sizeof(datasets) / sizeof(datasets[0]); i++) {
		if (strcmp(datasets[i].name, name) == 0) {
			*out = &datasets[i];
			return OD_OK;
		}
	}
	return unknown_dataset(name, err);
}

/* ---- rules of one kind ------------------------------------------------------------------------------------------------ */

/* Takes away, at each 'open', what stands from there to the next '}'; 'keep' leaves the text between (of \text{...}). */
static void
remove_groups(struct od_buf *b, const char *open, bool keep)
{
	size_t n_open = strlen(open), at = 0;
	struct od_buf out = OD_BUF_INIT;
	const char *p, *close;

	if (b->failed || !od_text_find(b->data, b->len, open))
		return;
	while ((p = od_text_find(b->data + at, b->len - at, open)) != NULL) {
		size_t start = (size_t)(p - b->data);

		close = memchr(p + n_open, '}', b->len - start - n_open);
		if (!close)
			break;
		od_buf_append(&out, b->data + at, start - at);
		if (keep)
			od_buf_append(&out, p + n_open, (size_t)(close - p) - n_open);
		at = (size_t)(close - b->data) + 1;
	}
	od_buf_append(&out, b->data + at, b->len - at);
	od_buf_release(b);
	*b = out;
}

/* \begin{array}{cc} is \begin{pmatrix}; one kind of matrix is enough. */
static void
rename_matrices(struct od_buf *b)
{
	static const char open[] = "\\begin{array}{";
	struct od_buf out = OD_BUF_INIT;
	const char *p, *close;
	size_t at = 0;

	while (!b->failed && (p = od_text_find(b->data + at, b->len - at, open)) != NULL) {
		size_t start = (size_t)(p - b->data);

		close = memchr(p + sizeof(open) - 1, '}', b->len - start - (sizeof(open) - 1));
		if (!close)
			break;
		od_buf_append(&out, b->data + at, start - at);
		od_buf_str(&out, "\\begin{pmatrix}");
		at = (size_t)(close - b->data) + 1;
	}
	if (at) {
		od_buf_append(&out, b->data + at, b->len - at);
		od_buf_release(b);
		*b = out;
	}
	od_text_replace(b, "\\end{array}", "\\end{pmatrix}");
	od_text_replace(b, "bmatrix", "pmatrix");
}

/* A \text{...} at the end is a unit, unless it is all there is. */
static void
remove_last_text(struct od_buf *b)
{
	const char *p = b->failed || !b->len || b->data[b->len - 1] != '}' ? NULL : od_text_find(b->data, b->len, "\\text{");
	size_t from, n;

	if (b->failed || !b->len)
		return;
	n = od_utf8_strip(b->data, p ? (size_t)(p - b->data) : b->len, &from);
	if (n)
		od_text_set(b, b->data + from, n);
}

static void
replace_number_words(struct od_buf *b)
{
	struct od_buf number = OD_BUF_INIT;

	if (!b->failed && b->len && od_number_words(b->data, b->len, &number)) {
		od_buf_release(b);
		*b = number;
	} else {
		od_buf_release(&number);
	}
}

/* "3.00x" is "3x"; "3.05" stays. */
static void
remove_inner_zeros(struct od_buf *b)
{
	bool after_digit = false;
	size_t out = 0, i = 0, len;

	while (!b->failed && i < b->len) {
		uint32_t cp = od_text_at(b->data, b->len, i, &len), next;
		size_t end = i + 1, next_len;

		if (cp == '.' && after_digit) {
			while (end < b->len && b->data[end] == '0')
				end++;
			next = end < b->len ? od_text_at(b->data, b->len, end, &next_len) : '0';
			if (!od_text_is_digit(next)) {
				i = end;                   /* that character is used up: no number ends there */
				len = next_len;
			}
		}
		after_digit = od_text_is_digit(cp);
		memmove(b->data + out, b->data + i, len);
		out += len;
		i += len;
	}
	if (!b->failed && b->data)
		b->data[b->len = out] = '\0';
}

/* "3.00" and "3." are 3. */
static void
remove_last_zeros(struct od_buf *b)
{
	size_t end = b->failed ? 0 : b->len, len;

	while (end && b->data[end - 1] == '0')
		end--;
	if (end > 1 && b->data[end - 1] == '.' && od_text_is_digit(od_text_before(b->data, end - 1, &len)))
		b->data[b->len = end - 1] = '\0';
}

/* \sqrt3 is \sqrt{3}, \sqrtab is \sqrt{ab}. */
static void
brace_roots(struct od_buf *b)
{
	static const char root[] = "\\sqrt";
	struct od_buf out = OD_BUF_INIT;
	size_t at = 0, end, len;
	const char *p;

	if (b->failed || !od_text_find(b->data, b->len, root))
		return;
	while ((p = od_text_find(b->data + at, b->len - at, root)) != NULL) {
		size_t start = (size_t)(p - b->data) + sizeof(root) - 1;

		for (end = start; end < b->len && od_text_is_word(od_text_at(b->data, b->len, end, &len)); end += len)
			;
		od_buf_append(&out, b->data + at, start - at);
		if (end > start) {
			od_buf_char(&out, '{');
			od_buf_append(&out, b->data + start, end - start);
			od_buf_char(&out, '}');
		}
		at = end;
	}
	od_buf_append(&out, b->data + at, b->len - at);
	od_buf_release(b);
	*b = out;
}

/* Appends what follows a \frac (up to the next) with its two arguments in braces; false when there are no two. */
static bool
brace_arguments(struct od_buf *out, const char *s, size_t n)
{
	size_t a, c;

	if (n && s[0] == '{') {
		od_buf_append(out, s, n);
		return true;
	}
	if (!n)
		return false;
	od_text_at(s, n, 0, &a);
	if (a == n)
		return false;
	od_text_at(s, n, a, &c);
	od_buf_char(out, '{');
	od_buf_append(out, s, a);
	od_buf_char(out, '}');
	if (s[a] != '{') {
		od_buf_char(out, '{');
		od_buf_append(out, s + a, c);
		od_buf_char(out, '}');
		a += c;
	}
	od_buf_append(out, s + a, n - a);
	return true;
}

/* \frac12 is \frac{1}{2}, \frac1{72} is \frac{1}{72}; all or nothing. */
static void
brace_fractions(struct od_buf *b)
{
	static const char frac[] = "\\frac";
	const char *p = b->failed ? NULL : od_text_find(b->data, b->len, frac), *next, *end;
	struct od_buf out = OD_BUF_INIT;

	if (!p)
		return;
	end = b->data + b->len;
	od_buf_append(&out, b->data, (size_t)(p - b->data));
	for (; p; p = next) {
		const char *from = p + sizeof(frac) - 1;

		next = od_text_find(from, (size_t)(end - from), frac);
		od_buf_str(&out, frac);
		if (!brace_arguments(&out, from, (size_t)((next ? next : end) - from))) {
			od_buf_release(&out);
			return;
		}
	}
	od_buf_release(b);
	*b = out;
}

/* An integer as Python prints it: no sign but minus, no leading zeros. */
static bool
is_plain_integer(const char *s, size_t n)
{
	size_t i = n && s[0] == '-';

	if (i == n || n > 4300 || (s[i] == '0' && n > 1))
		return false;
	for (; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return true;
}

/* a/b is \frac{a}{b} when both are integers or have roots. */
static void
slash_to_fraction(struct od_buf *b)
{
	const char *slash = b->failed || od_text_count(b->data, b->len, '/') != 1 ? NULL : memchr(b->data, '/', b->len);
	struct od_buf out = OD_BUF_INIT;
	size_t na, nb;

	if (!slash)
		return;
	na = (size_t)(slash - b->data);
	nb = b->len - na - 1;
	if ((!od_text_find(b->data, na, "sqrt") && !is_plain_integer(b->data, na)) ||
	    (!od_text_find(slash + 1, nb, "sqrt") && !is_plain_integer(slash + 1, nb)))
		return;
	od_buf_str(&out, "\\frac{");
	od_buf_append(&out, b->data, na);
	od_buf_str(&out, "}{");
	od_buf_append(&out, slash + 1, nb);
	od_buf_str(&out, "}");
	od_buf_release(b);
	*b = out;
}

/* "k = 5" is 5: one sign of equality with at most two characters before it. */
static void
remove_short_left_side(struct od_buf *b)
{
	const char *sign = b->failed || od_text_count(b->data, b->len, '=') != 1 ? NULL : memchr(b->data, '=', b->len);

	if (sign && od_text_chars(b->data, (size_t)(sign - b->data)) <= 2)
		od_text_delete(b, 0, (size_t)(sign - b->data) + 1);
}

/* ---- the list of rules ------------------------------------------------------------------------------------------------ */

struct replacement {
	const char *from, *to;
};

static void
replace_all(struct od_buf *b, const struct replacement *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		od_text_replace(b, r[i].from, r[i].to);
}

#define REPLACE_ALL(b, list) replace_all(b, list, sizeof(list) / sizeof(list[0]))

/* Spelling of commands, up to the units. */
static void
normalise_commands(struct od_buf *b, enum od_math_grader g)
{
	static const struct replacement spelling[] = {
		{ "tfrac", "frac" }, { "dfrac", "frac" }, { "\\neq", "\\ne" }, { "\\leq", "\\le" }, { "\\geq", "\\ge" },
		{ "\\left", "" }, { "\\right", "" }, { "\\{", "{" }, { "\\}", "}" }
	};

	od_text_strip(b);
	od_text_replace(b, "\n", "");
	od_text_rstrip_char(b, '.');
	od_text_replace(b, "\\!", "");
	if (g == OD_MATH_UNIDPO) {
		od_text_replace(b, "\\ ", "");
		od_text_replace(b, "\\\\", "\\");
	}
	rename_matrices(b);
	REPLACE_ALL(b, spelling);
	remove_last_text(b);
}

/* Signs and words that say nothing, up to the decimals. */
static void
normalise_signs(struct od_buf *b)
{
	static const struct replacement before_words[] = {
		{ "^{\\circ}", "" }, { "^\\circ", "" }, { "\\$", "" }, { "$", "" }, { "\\(", "" }, { "\\)", "" }
	}, after_words[] = {
		{ "x=", "" }, { "y=", "" }, { "z=", "" }, { "x\\in", "" }, { "y\\in", "" }, { "z\\in", "" }, { "x\\to", "" },
		{ "y\\to", "" }, { "z\\to", "" }, { "\\emptyset", "{}" }, { "(-\\infty,\\infty)", "\\mathbb{R}" }, { "\\%", "" },
		{ "%", "" }, { " .", " 0." }, { "{.", "{0." }, { "infinity", "\\infty" }
	};

	REPLACE_ALL(b, before_words);
	replace_number_words(b);
	remove_groups(b, "\\text{", true);
	REPLACE_ALL(b, after_words);
	if (!b->failed && !od_text_find(b->data, b->len, "\\infty"))
		od_text_replace(b, "inf", "\\infty");
	od_text_replace(b, "+\\inity", "\\infty");
	od_text_replace(b, "and", "");
	od_text_replace(b, "\\mathbf", "");
	remove_groups(b, "\\mbox{", false);
	if (!b->failed && !od_text_count(b->data, b->len, 'i'))
		od_text_replace(b, "j", "i");
}

static void
normalise(struct od_buf *b, enum od_math_grader g, bool keep_units)
{
	normalise_commands(b, g);
	if (!keep_units)
		od_math_remove_units(b);
	normalise_signs(b);
	remove_inner_zeros(b);
	remove_last_zeros(b);
	if (b->failed || !b->len)
		return;
	if (b->data[0] == '.') {
		struct od_buf with_zero = OD_BUF_INIT;

		od_buf_char(&with_zero, '0');
		od_buf_append(&with_zero, b->data, b->len);
		od_buf_release(b);
		*b = with_zero;
	}
	remove_short_left_side(b);
	brace_roots(b);
	od_text_replace(b, " ", "");
	brace_fractions(b);
	slash_to_fraction(b);
}

static enum od_status
finish(const struct od_buf *b, struct od_error *err)
{
	return od_buf_ok(b) ? OD_OK : od_fail_nomem(err, "an answer", b->len);
}

enum od_status
od_math_normalise(enum od_math_grader g, bool keep_units, const char *s, size_t n, struct od_buf *out, struct od_error *err)
{
	od_buf_clear(out);
	od_buf_append(out, s, n);
	normalise(out, g, keep_units);
	return finish(out, err);
}

/* ---- extraction ------------------------------------------------------------------------------------------------------- */

static void
set_stripped(struct od_buf *b, const char *s, size_t n)
{
	size_t from;

	n = n ? od_utf8_strip(s, n, &from) : (from = 0);
	od_text_set(b, s + from, n);
}

/* What stands behind "boxed". */
static void
take_box(struct od_buf *b, const char *s, size_t n)
{
	size_t depth = 1, i = 1;
	const char *dollar;

	if (!n || s[0] != '{') {
		dollar = n ? memchr(s, '$', n) : NULL;
		set_stripped(b, s, dollar ? (size_t)(dollar - s) : n);
		return;
	}
	for (; i < n; i++) {
		depth += s[i] == '{';
		depth -= s[i] == '}';
		if (!depth)
			break;
	}
	od_text_set(b, s + 1, i - 1);
}

/* The last match of an optional minus, digits, a point, digits; of which the last digits must be there. */
static void
take_last_number(struct od_buf *b)
{
	size_t i = 0, start = 0, end = 0, len;

	od_text_replace(b, ",", "");
	while (!b->failed && i < b->len) {
		size_t from = i, k = i + (b->data[i] == '-'), digits = k;

		for (; k < b->len && od_text_is_digit(od_text_at(b->data, b->len, k, &len)); k += len)
			;
		digits = k - digits;
		if (k < b->len && b->data[k] == '.') {
			size_t point = k++;

			for (; k < b->len && od_text_is_digit(od_text_at(b->data, b->len, k, &len)); k += len)
				;
			digits += k - point - 1;
			k = k == point + 1 ? point : k;
		}
		if (digits) {
			start = from;
			end = i = k;
		} else {
			od_text_at(b->data, b->len, i, &len);
			i += len;
		}
	}
	if (!b->failed && b->data)
		od_text_set(b, b->data + start, end - start);
}

/* Chinese: the answer is. */
#define DAAN_SHI "\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf"

static void
find_answer(struct od_buf *b)
{
	static const char minerva[] = "final answer is $", minerva_end[] = "$. I hope";
	static const char *const marks[] = { "he answer is", "final answer is" };
	const char *s = b->data, *p = od_text_find(s, b->len, minerva), *end = s + b->len, *q;

	if (p && od_text_find(s, b->len, minerva_end)) {
		p += sizeof(minerva) - 1;
		q = od_text_find(p, (size_t)(end - p), minerva_end);
		set_stripped(b, p, (size_t)((q ? q : end) - p));
		return;
	}
	p = od_text_find_last(s, b->len, "boxed");
	if (p) {
		take_box(b, p + 5, (size_t)(end - p) - 5);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		p = od_text_find_last(s, b->len, marks[i]);
		if (p) {
			set_stripped(b, p + strlen(marks[i]), (size_t)(end - p) - strlen(marks[i]));
			return;
		}
	}
	p = od_text_find(s, b->len, DAAN_SHI);
	if (!p) {
		take_last_number(b);
		return;
	}
	p += sizeof(DAAN_SHI) - 1;
	q = od_text_find(p, (size_t)(end - p), DAAN_SHI);
	set_stripped(b, p, (size_t)((q ? q : end) - p));
	q = od_text_find(b->data, b->len, "\n\n");
	set_stripped(b, b->data, q ? (size_t)(q - b->data) : b->len);
}

/* Line breaks go with the white space behind them. */
static void
join_lines(struct od_buf *b)
{
	size_t out = 0, len;

	for (size_t i = 0; !b->failed && i < b->len; i += len) {
		uint32_t cp = od_text_at(b->data, b->len, i, &len);

		if (cp == '\n') {
			while (i + len < b->len) {
				size_t k;

				if (!od_is_strip_space(od_text_at(b->data, b->len, i + len, &k)))
					break;
				len += k;
			}
			continue;
		}
		memmove(b->data + out, b->data + i, len);
		out += len;
	}
	if (!b->failed && b->data)
		b->data[b->len = out] = '\0';
}

/* The answer in the completion b, normalised once. */
static void
extract(struct od_buf *b, enum od_math_grader g, bool keep_units)
{
	if (b->failed)
		return;
	od_text_replace(b, "\xd0\xba\xd0\xb8", "");        /* two stray Cyrillic letters of one model */
	find_answer(b);
	join_lines(b);
	if (!b->failed && b->len && b->data[0] == ':')
		od_text_delete(b, 0, 1);
	if (!b->failed && b->len && b->data[b->len - 1] == '.')
		od_text_delete(b, b->len - 1, 1);
	if (!b->failed && b->len && b->data[b->len - 1] == '/')
		od_text_delete(b, b->len - 1, 1);
	normalise(b, g, keep_units);
}

enum od_status
od_math_extract(enum od_math_grader g, const struct od_math_dataset *d, const char *text, size_t n, struct od_buf *out, bool *none,
	struct od_error *err)
{
	bool keep_units = d && d->keep_units;

	*none = !n || (n == 5 && memcmp(text, "error", 5) == 0);
	od_buf_clear(out);
	od_buf_append(out, text, *none ? 0 : n);
	if (!*none) {
		extract(out, g, keep_units);
		normalise(out, g, keep_units);
	}
	return finish(out, err);
}

/* ---- reference answers ------------------------------------------------------------------------------------------------ */

static void
strip_dollars(struct od_buf *b, enum od_math_dollars dollars)
{
	if (dollars == OD_DOLLARS_ANYWHERE)
		od_text_replace(b, "$", "");
	if (dollars != OD_DOLLARS_AT_ENDS)
		return;
	while (!b->failed && b->len && b->data[0] == '$')
		od_text_delete(b, 0, 1);
	od_text_rstrip_char(b, '$');
}

enum od_status
od_math_reference(enum od_math_grader g, const struct od_math_dataset *d, const char *field, size_t n, struct od_buf *out,
	struct od_error *err)
{
	static const struct replacement relations[] = { { "\\neq", "\\ne" }, { "\\leq", "\\le" }, { "\\geq", "\\ge" } };
	const char *p;

	d = d ? d : &datasets[0];
	p = d->mark ? od_text_find(field, n, d->mark) : NULL;
	if (p) {
		p += strlen(d->mark);
		n -= (size_t)(p - field);
		field = p;
	}
	od_buf_clear(out);
	od_buf_append(out, field, n);
	strip_dollars(out, d->dollars);
	if (d->solution && od_text_find(field, n, "\\boxed"))
		extract(out, g, d->keep_units);
	if (d->keep_units)
		REPLACE_ALL(out, relations);
	else
		normalise(out, g, false);
	return finish(out, err);
}
