/* dataset.c -- see dataset.h. */
#include "io/dataset.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/jsonl.h"
#include "io/stream.h"

#define MAX_BYTES ((size_t)1 << 30)

/* Bytes of the word of Python's for a number that is none at s; 0 when there is none. */
static size_t
nonfinite_word(const char *s, const char *end)
{
	static const char *const words[] = { "NaN", "-Infinity", "Infinity" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(end - s) >= n && memcmp(s, words[i], n) == 0 && (s + n == end || !isalnum((unsigned char)s[n])))
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
		else if (!in_string && (*s == 'N' || *s == 'I' || *s == '-') && (word = nonfinite_word(s, end)) > 0) {
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

/* One object a line, by the reader of all such streams: control records, duplicate keys and so on are its affair. */
static enum od_status
parse_lines(struct od_dataset *d, const char *text, size_t n, const char *name, struct od_error *err)
{
	const struct od_record_options all = OD_RECORD_OPTIONS_INIT;
	struct od_in *in = NULL;
	struct od_jsonl *lines = NULL;
	struct od_record rec;
	enum od_status st = od_in_memory(&in, text, n, name, err);

	if (st == OD_OK)
		st = od_jsonl_from(&lines, in, &all, err);
	d->items = json_array();
	while (st == OD_OK && (st = od_jsonl_next(lines, &rec, err)) == OD_OK)
		if (json_array_append(d->items, rec.json) != 0)
			st = od_fail_nomem(err, "a data set", n);
	od_jsonl_close(lines);
	return st == OD_EOF ? OD_OK : st;
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
od_dataset_parse(struct od_dataset *d, const char *text, size_t n, const char *name, struct od_error *err)
{
	struct od_buf plain = OD_BUF_INIT;
	enum od_status st;
	size_t skip;

	memset(d, 0, sizeof *d);
	d->n_nonfinite = replace_nonfinite(&plain, text, n);
	od_buf_str(&plain, "");                        /* there is a buffer, and a NUL, even when there is no text */
	skip = plain.len >= 3 && memcmp(plain.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	if (!od_buf_ok(&plain))
		st = od_fail_nomem(err, "a data set", n);
	else if (plain.data[skip + strspn(plain.data + skip, " \t\r\n")] == '[')
		st = od_json_parse(plain.data + skip, plain.len - skip, name, &d->items, err);
	else
		st = parse_lines(d, plain.data, plain.len, name, err);
	od_buf_release(&plain);
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
