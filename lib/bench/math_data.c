#include "bench/math_data.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/dataset.h"
#include "io/jsonl.h"
#include "text/unicode.h"

static const char true_false[] = " (True or False)", yes_no[] = " (Yes or No)";

/* ---- which data set ------------------------------------------------------------------------------------------------------ */

/* Members that an item of a data set has, and what one of them holds. Several fit some files: the first counts. */
static const struct sign {
	const char *dataset, *members[3], *member, *holds;
} signs[] = {
	{ "olympiadbench", { "question", "final_answer", "subfield" }, NULL, NULL },
	{ "college_math", { "question", "answer", "data_topic" }, "data_source", "college_math" },
	{ "gaokao2023en", { "question", "answer", "lang" }, "source", "2023" },
	{ "aime24", { "problem", "answer", NULL }, "url", "2024_AIME" },
	{ "amc23", { "problem", "answer", NULL }, "url", "2023_AMC" },
	{ "math500", { "problem", "level", "unique_id" }, "solution", "\\boxed" },
	{ "math", { "problem", "level", NULL }, "solution", "\\boxed" },
	{ "minerva_math", { "problem", "type", "idx" }, "solution", "\\boxed" },
	{ "gsm8k", { "question", NULL, NULL }, "answer", "####" },
};

static const char *
by_members(const json_t *item)
{
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
		const struct sign *s = &signs[i];
		const char *text = s->member ? json_string_value(json_object_get(item, s->member)) : NULL;
		bool fits = !s->member || (text && strstr(text, s->holds));

		for (size_t m = 0; m < sizeof s->members / sizeof *s->members && s->members[m]; m++)
			fits = fits && json_object_get(item, s->members[m]);
		if (fits)
			return s->dataset;
	}
	return NULL;
}

/* Letters and digits of s[n] in lower case, at most what fits. */
static void
plain_name(const char *s, size_t n, char out[128])
{
	size_t len = 0;

	for (size_t i = 0; i < n && len < 127; i++)
		if (isalnum((unsigned char)s[i]))
			out[len++] = (char)tolower((unsigned char)s[i]);
	out[len] = '\0';
}

/* The data set whose name stands in s[n]. "math" is no name that says anything. */
static const char *
name_within(const char *s, size_t n)
{
	const struct od_math_dataset *d;
	char text[128], name[128];

	plain_name(s, n, text);
	for (size_t i = 0; (d = od_math_dataset_at(i)) != NULL; i++) {
		plain_name(d->name, strlen(d->name), name);
		if (strcmp(name, "math") != 0 && strstr(text, name))
			return d->name;
	}
	return NULL;
}

/* By the file's own name, or by its folder's. */
static const char *
by_name(const char *file)
{
	const char *base = strrchr(file, '/'), *folder, *found;

	found = name_within(base ? base + 1 : file, strlen(base ? base + 1 : file));
	if (found || !base)
		return found;
	for (folder = base; folder > file && folder[-1] != '/'; folder--)
		;
	return name_within(folder, (size_t)(base - folder));
}

static enum od_status
recognise(struct od_math_data *d, const char *file, const char *asked, const json_t *first, struct od_error *err)
{
	const char *name = by_name(file), *members = by_members(first);

	d->known_by = asked ? "asked for" : name ? "by the file's name" : "by its members";
	if (!asked && name && members && strcmp(name, members) != 0)
		return od_fail(err, OD_EFORMAT, "%s: by its name this is %s, by its members %s: give '--dataset'", file, name, members);
	if (!asked && !name && !members)
		return od_fail(err, OD_EFORMAT, "%s: neither its name nor its members tell which data set this is: give '--dataset'", file);
	return od_math_dataset_find(&d->dataset, asked ? asked : name ? name : members, err);
}

/* ---- questions and references --------------------------------------------------------------------------------------------- */

static bool
is_one_of(const char *s, size_t n, const char *a, const char *b)
{
	return (n == strlen(a) && strncasecmp(s, a, n) == 0) || (n == strlen(b) && strncasecmp(s, b, n) == 0);
}

enum od_status
od_math_question(const json_t *record, const char *reference, size_t n, struct od_buf *out, struct od_error *err)
{
	static const char *const names[] = { "question", "problem", "Question", "input" };
	const char *text = NULL, *name = names[0];
	struct od_buf whole = OD_BUF_INIT;
	enum od_status st;
	size_t len, from;

	for (size_t i = 0; i < sizeof names / sizeof *names && !json_object_get(record, name); i++)
		name = names[i];
	if (!json_object_get(record, name))
		return od_fail(err, OD_EFORMAT, "no question: fields 'question', 'problem', 'Question' and 'input' are missing");
	st = od_json_need_string(record, name, &text, &len, err);
	if (st != OD_OK)
		return st;
	od_buf_append(&whole, text, len);
	if (is_one_of(reference, n, "true", "false"))
		od_buf_str(&whole, true_false);
	if (is_one_of(reference, n, "yes", "no"))
		od_buf_str(&whole, yes_no);
	od_buf_clear(out);
	if (od_buf_ok(&whole)) {
		len = whole.data ? od_utf8_strip(whole.data, whole.len, &from) : (from = 0);
		od_buf_append(out, whole.data ? whole.data + from : "", len);
	}
	st = !od_buf_ok(&whole) || !od_buf_ok(out) ? od_fail_nomem(err, "a question", len) :
		out->len == 0 ? od_fail(err, OD_EFORMAT, "field '%s' is empty", name) : OD_OK;
	od_buf_release(&whole);
	return st;
}

static bool
ends_with(const char *s, size_t n, const char *end)
{
	size_t len = strlen(end);

	return n >= len && memcmp(s + n - len, end, len) == 0;
}

/* A question as outputs are looked up by it: s without white space at its ends, without suffix (may be NULL), and without what is
 * appended to questions. NULL: no memory. */
static char *
looked_up(const char *s, const char *suffix)
{
	size_t from, n = od_utf8_strip(s, strlen(s), &from), more;

	s += from;
	if (suffix && *suffix) {
		size_t at, len = od_utf8_strip(suffix, strlen(suffix), &at);

		if (len > 0 && n >= len && memcmp(s + n - len, suffix + at, len) == 0)
			n -= len;
	}
	n = od_utf8_strip(s, n, &more);
	if (ends_with(s, n, true_false))
		n -= sizeof true_false - 1;
	else if (ends_with(s, n, yes_no))
		n -= sizeof yes_no - 1;
	n = od_utf8_strip(s, n, &more);
	return od_strndup(s, n);
}

/* p->reference from the record. */
static enum od_status
prepare_reference(struct od_math_item *p, const struct od_math_dataset *d, enum od_math_grader g, struct od_error *err)
{
	const json_t *v = od_json_path(p->record, d->field);
	const char *text = json_string_value(v);
	char number[OD_NUM_TEXT];

	if (json_is_integer(v))
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		od_num_format(number, json_real_value(v));
	if (json_is_number(v))
		text = number;
	if (!text)
		return od_json_fail_type(v, d->field, "a string or a number, the reference answer", err);
	if (d->mark && !strstr(text, d->mark))
		return od_fail(err, OD_EFORMAT, "field '%s' has no '%s', which marks the answer in %s", d->field, d->mark, d->name);
	if (d->solution && !strstr(text, "\\boxed"))
		return od_fail(err, OD_EFORMAT, "field '%s' has no \\boxed, which marks the answer in %s", d->field, d->name);
	return od_math_reference(g, d, text, strlen(text), &p->reference, err);
}

/* ---- items ---------------------------------------------------------------------------------------------------------------- */

static void
release_item(struct od_math_item *p)
{
	json_decref(p->record);
	od_buf_release(&p->question);
	od_buf_release(&p->reference);
	free(p->asked);
}

/* The id a record gives itself, or its position. */
static enum od_status
make_id(struct od_math_data *d, const json_t *record, char id[OD_ITEM_ID], struct od_error *err)
{
	static const char *const names[] = { "idx", "id", "unique_id" };
	const json_t *v = NULL;
	size_t i = 0;

	while (i < sizeof names / sizeof *names && !(v = json_object_get(record, names[i])))
		i++;
	d->has_idx = d->has_idx || (v && i == 0);
	if (v && !od_item_id(v, id))
		return od_fail(err, OD_EFORMAT, "field '%s' must be an integer or a short string", names[i]);
	if (!v)
		snprintf(id, OD_ITEM_ID, "%zu", d->n);
	return OD_OK;
}

static enum od_status
add_item(struct od_math_data *d, json_t *record, enum od_math_grader g, struct od_error *err)
{
	struct od_math_item p = { .record = json_incref(record), .question = OD_BUF_INIT, .reference = OD_BUF_INIT };
	char id[OD_ITEM_ID];
	enum od_status st = make_id(d, record, id, err);

	if (st == OD_OK)
		st = prepare_reference(&p, d->dataset, g, err);
	if (st == OD_OK)
		st = od_math_question(record, p.reference.data, p.reference.len, &p.question, err);
	if (st == OD_OK && (!(p.asked = looked_up(p.question.data, NULL)) || !od_grow(&d->p, &d->cap, d->n + 1, sizeof *d->p)))
		st = od_fail_nomem(err, "items", d->n);
	if (st == OD_OK)
		st = od_roster_add(&d->roster, id, p.asked, err);
	if (st != OD_OK) {
		release_item(&p);
		return st;
	}
	d->empty += p.reference.len == 0;
	d->p[d->n++] = p;
	return OD_OK;
}

enum od_status
od_math_data_read(struct od_math_data *d, const char *file, const char *dataset, enum od_math_grader g, struct od_error *err)
{
	struct od_dataset raw = { 0 };
	json_t *record;
	size_t i;
	enum od_status st;

	*d = (struct od_math_data){ 0 };
	st = od_roster_init(&d->roster, "id", "problems", true, err);
	if (st == OD_OK)
		st = od_dataset_read(&raw, file, err);
	if (st == OD_OK)
		st = recognise(d, file, dataset, json_array_get(raw.items, 0), err);
	if (st == OD_OK) {
		json_array_foreach(raw.items, i, record) {
			st = add_item(d, record, g, err);
			if (st != OD_OK) {
				od_error_prefix(err, "%s: item %zu, read as %s: ", file, i, d->dataset->name);
				break;
			}
		}
	}
	for (i = 0; st == OD_OK && i < d->n; i++)
		d->p[i].id = d->roster.item[i].id;     /* the roster stands still now */
	od_dataset_release(&raw);
	return st;
}

void
od_math_data_release(struct od_math_data *d)
{
	for (size_t i = 0; i < d->n; i++)
		release_item(&d->p[i]);
	free(d->p);
	od_roster_release(&d->roster);
	*d = (struct od_math_data){ 0 };
}

/* ---- outputs -------------------------------------------------------------------------------------------------------------- */

/* The item that an output's member `name` names by id; SIZE_MAX for none. */
static size_t
item_of(const struct od_math_data *d, const char *name, const char *id)
{
	const json_t *at = json_object_get(d->roster.by_id, id);
	int64_t position;

	if (strcmp(name, "idx") != 0 || d->has_idx)
		return at ? (size_t)json_integer_value(at) : SIZE_MAX;
	return od_num_int(id, &position) && position >= 0 && (size_t)position < d->n ? (size_t)position : SIZE_MAX;
}

/* *item: the one that the output's ids name; NULL when it has none. */
static enum od_status
named_item(const struct od_math_data *d, const json_t *output, const struct od_math_item **item, struct od_error *err)
{
	static const char *const names[] = { "id", "key", "unique_id", "idx" };
	const char *first = NULL;
	char id[OD_ITEM_ID];

	*item = NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const json_t *v = json_object_get(output, names[i]);
		size_t at;

		if (!v)
			continue;
		if (!od_item_id(v, id))
			return od_fail(err, OD_EFORMAT, "field '%s' must be an integer or a short string", names[i]);
		at = item_of(d, names[i], id);
		if (at == SIZE_MAX)
			return od_fail(err, OD_EFORMAT, "an output for no item of the data: its %s '%s' is not there", names[i], id);
		if (first && *item != &d->p[at])
			return od_fail(err, OD_EFORMAT, "fields '%s' and '%s' name two items, '%s' and '%s'", first, names[i], (*item)->id,
				d->p[at].id);
		*item = &d->p[at];
		first = first ? first : names[i];
	}
	return OD_OK;
}

/* The text by which an output says what was asked; NULL when it does not. */
static const char *
prompt_text(const json_t *output)
{
	static const char *const names[] = { "prompt", "question", "problem" };
	const json_t *v = NULL;

	for (size_t i = 0; !v && i < sizeof names / sizeof *names; i++)
		v = json_object_get(output, names[i]);
	if (json_is_array(v) && json_array_size(v) > 0)
		v = json_object_get(json_array_get(v, json_array_size(v) - 1), "content");
	return json_string_value(v);
}

enum od_status
od_math_match(const struct od_math_data *d, const json_t *output, size_t *i, struct od_error *err)
{
	const struct od_math_item *item = NULL;
	const char *prompt = prompt_text(output);
	char *asked = NULL;
	enum od_status st = named_item(d, output, &item, err);

	if (st != OD_OK)
		return st;
	if (prompt && !(asked = looked_up(prompt, json_string_value(od_json_path(output, "sample.suffix")))))
		return od_fail_nomem(err, "a prompt", strlen(prompt));
	st = od_roster_find(&d->roster, item ? item->id : NULL, item && prompt && strstr(prompt, item->asked) ? item->asked : asked, i, err);
	free(asked);
	return st;
}
