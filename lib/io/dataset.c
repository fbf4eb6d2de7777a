/* dataset.c -- see dataset.h. */
#include "io/dataset.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/jsonl.h"
#include "io/stream.h"

#define MAX_BYTES ((size_t)1 << 30)

/* Bytes of the word of Python's for a number that is none at s; 0 when there is none. A NUL stands behind the text. */
static size_t
nonfinite_word(const char *s)
{
	static const char *const words[] = { "NaN", "-Infinity", "Infinity" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t n = strlen(words[i]);

		if (strncmp(s, words[i], n) == 0 && !isalnum((unsigned char)s[n]))
			return n;
	}
	return 0;
}

/* Appends a JSON text with those words outside of strings replaced; returns how many there were. */
static int64_t
replace_nonfinite(struct od_buf *out, const char *s, size_t n)
{
	const char *end = s + n, *kept = s;
	bool in_string = false;
	int64_t count = 0;

	for (; s < end; s++) {
		size_t word;

		if (*s == '"')
			in_string = !in_string;
		else if (in_string && *s == '\\')
			s++;
		else if (!in_string && (*s == 'N' || *s == 'I' || *s == '-') && (word = nonfinite_word(s)) > 0) {
			od_buf_append(out, kept, (size_t)(s - kept));
			od_buf_str(out, "null");
			kept = s + word;
			s = kept - 1;
			count++;
		}
	}
	if (kept < end)
		od_buf_append(out, kept, (size_t)(end - kept));
	return count;
}

static enum od_status
parse_text(struct od_dataset *d, const char *text, size_t n, const char *name, json_t **out, struct od_error *err)
{
	struct od_buf plain = OD_BUF_INIT;
	int64_t count = replace_nonfinite(&plain, text, n);
	enum od_status st;

	if (!od_buf_ok(&plain))
		st = od_fail_nomem(err, "a data set", n);
	else if (count > 0)
		st = od_json_parse(plain.data, plain.len, name, out, err);
	else
		st = od_json_parse(text, n, name, out, err);
	d->n_nonfinite += count;
	od_buf_release(&plain);
	return st;
}

static enum od_status
parse_lines(struct od_dataset *d, char *text, size_t n, const char *name, struct od_error *err)
{
	char *end = text + n, place[512];
	enum od_status st = OD_OK;
	long long line = 0;

	d->items = json_array();
	if (d->items == NULL)
		return od_fail_nomem(err, "a data set", 0);
	for (char *p = text, *eol; st == OD_OK && p < end; p = eol + 1) {
		json_t *item = NULL;

		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			eol = end;
		line++;
		if (strspn(p, " \t\r") >= (size_t)(eol - p))
			continue;
		*eol = '\0';
		snprintf(place, sizeof place, "%s:%lld", name, line);
		st = parse_text(d, p, (size_t)(eol - p), place, &item, err);
		if (st == OD_OK && !json_is_object(item)) {
			json_decref(item);
			st = od_fail(err, OD_EFORMAT, "%s: not a JSON object", place);
		} else if (st == OD_OK && json_array_append_new(d->items, item) != 0)
			st = od_fail_nomem(err, "a data set", n);
	}
	return st;
}

static enum od_status
check_items(const struct od_dataset *d, const char *name, struct od_error *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(d->items, i, item)
		if (!json_is_object(item))
			return od_fail(err, OD_EFORMAT, "%s: element %zu of the array is %s, not an object", name, i,
				od_json_type_name(item));
	return json_array_size(d->items) > 0 ? OD_OK : od_fail(err, OD_EFORMAT, "%s: no items", name);
}

enum od_status
od_dataset_parse(struct od_dataset *d, char *text, size_t n, const char *name, struct od_error *err)
{
	size_t bom = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	size_t skip = bom + strspn(text + bom, " \t\r\n");
	enum od_status st;

	memset(d, 0, sizeof *d);
	if (skip < n && text[skip] == '[')
		st = parse_text(d, text + bom, n - bom, name, &d->items, err);
	else
		st = parse_lines(d, text + bom, n - bom, name, err);
	return st == OD_OK ? check_items(d, name, err) : st;
}

enum od_status
od_dataset_read(struct od_dataset *d, const char *name, struct od_error *err)
{
	char *text = NULL;
	size_t n = 0;
	enum od_status st;

	memset(d, 0, sizeof *d);
	st = od_in_slurp(name, MAX_BYTES, &text, &n, err);
	if (st == OD_OK)
		st = od_dataset_parse(d, text, n, strcmp(name, "-") == 0 ? "<stdin>" : name, err);
	free(text);
	return st;
}

void
od_dataset_release(struct od_dataset *d)
{
	json_decref(d->items);
	memset(d, 0, sizeof *d);
}
