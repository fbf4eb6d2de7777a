/* jsonl_write.c -- writing records: the framed stream, and members spliced into lines that others wrote. */
#include "io/jsonl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define FLUSH_NS 200000000LL             /* a consumer waits at most this long for a record that is there */

struct od_jsonl_writer {
	struct od_out *out;
	const char *tool;
	bool framed, dirty;              /* dirty: something was written, so a failure must be told */
	int64_t records;
	int64_t flushed_at;              /* clock reading of the last flush, ns */
};

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* {"od_stream":{"tool":T,"version":V}} */
static void
opening_record(struct od_buf *b, const char *tool)
{
	od_buf_str(b, "{\"od_stream\":{\"tool\":");
	od_buf_json_string(b, tool, strlen(tool));
	od_buf_str(b, ",\"version\":\"" OD_VERSION "\"}}\n");
}

/* {"od_error":{"tool":T,"message":M}}. A message may quote bytes of a bad line: what is not ASCII becomes '?', so that
 * this record can always be read. */
static void
error_record(struct od_buf *b, const char *tool, const char *message)
{
	size_t start;

	od_buf_str(b, "{\"od_error\":{\"tool\":");
	od_buf_json_string(b, tool, strlen(tool));
	od_buf_str(b, ",\"message\":");
	start = b->len;
	od_buf_json_string(b, message, strlen(message));
	for (size_t i = start; i < b->len; i++)
		if ((unsigned char)b->data[i] >= 0x80)
			b->data[i] = '?';
	od_buf_str(b, "}}\n");
}

/* Writes what b holds and releases it. */
static enum od_status
write_control(struct od_jsonl_writer *w, struct od_buf *b, struct od_error *err)
{
	enum od_status st;

	st = od_buf_ok(b) ? od_out_write(w->out, b->data, b->len, err) : od_fail_nomem(err, "a record", b->len);
	od_buf_release(b);
	return st;
}

enum od_status
od_jsonl_writer_open(struct od_jsonl_writer **w, struct od_out *out, bool framed, const char *tool,
	struct od_error *err)
{
	struct od_jsonl_writer *n = calloc(1, sizeof *n);
	struct od_buf b = OD_BUF_INIT;
	enum od_status st = OD_OK;

	if (!n) {
		od_out_close(out, NULL);
		return od_fail_nomem(err, "a writer", sizeof *n);
	}
	*n = (struct od_jsonl_writer){ .out = out, .tool = tool, .framed = framed, .dirty = framed,
		.flushed_at = now_ns() };
	if (framed) {
		opening_record(&b, tool);
		st = write_control(n, &b, err);
	}
	if (st != OD_OK) {
		od_out_close(out, NULL);
		free(n);
		return st;
	}
	*w = n;
	return OD_OK;
}

enum od_status
od_jsonl_writer_flush(struct od_jsonl_writer *w, struct od_error *err)
{
	w->flushed_at = now_ns();
	return od_out_flush(w->out, err);
}

enum od_status
od_jsonl_write(struct od_jsonl_writer *w, const char *line, size_t n, struct od_error *err)
{
	enum od_status st = od_out_write(w->out, line, n, err);

	if (st == OD_OK)
		st = od_out_write(w->out, "\n", 1, err);
	w->dirty = true;
	w->records++;
	if (st == OD_OK && now_ns() - w->flushed_at > FLUSH_NS)
		st = od_jsonl_writer_flush(w, err);
	return st;
}

enum od_status
od_jsonl_writer_close(struct od_jsonl_writer *w, const struct od_error *cause, struct od_error *err)
{
	struct od_buf b = OD_BUF_INIT;
	enum od_status st = OD_OK, closed;

	if (!w)
		return OD_OK;
	if (cause && cause->status != OD_OK && cause->status != OD_EOF) {
		if (w->dirty)
			error_record(&b, w->tool, cause->msg);
	} else if (w->framed) {
		od_buf_printf(&b, "{\"od_end\":{\"records\":%lld}}\n", (long long)w->records);
	}
	if (b.len > 0)
		st = write_control(w, &b, err);
	closed = od_out_close(w->out, st == OD_OK ? err : NULL);
	free(w);
	return st == OD_OK ? closed : st;
}

/* ---- splicing ----------------------------------------------------------------------------------------------------- */

static size_t
skip_space(const char *s, size_t i, size_t n)
{
	while (i < n && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n'))
		i++;
	return i;
}

/* i is at an opening quote; returns the index behind the closing one. */
static size_t
skip_string(const char *s, size_t i, size_t n)
{
	for (i++; i < n && s[i] != '"'; i++)
		if (s[i] == '\\')
			i++;
	return i < n ? i + 1 : n;
}

/* i is at the first byte of a value; returns the index behind it. */
static size_t
skip_value(const char *s, size_t i, size_t n)
{
	size_t depth = 0;

	while (i < n) {
		char c = s[i];

		if (depth == 0 && (c == ',' || c == '}' || c == ']' || skip_space(s, i, n) > i))
			break;
		if (c == '"') {
			i = skip_string(s, i, n);
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		i++;
	}
	return i;
}

/* Whether the JSON string raw[0, n), quotes included, spells 'name'. Escapes are rare in keys: jansson decodes them. */
static bool
key_is(const char *raw, size_t n, const char *name)
{
	json_t *key;
	bool same;

	if (n >= 2 && !memchr(raw, '\\', n))
		return n - 2 == strlen(name) && memcmp(raw + 1, name, n - 2) == 0;
	key = json_loadb(raw, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	same = key && json_string_length(key) == strlen(name) && strcmp(json_string_value(key), name) == 0;
	json_decref(key);
	return same;
}

static size_t
find_member(const char *raw, size_t n, const struct od_member *members, size_t n_members)
{
	size_t m = 0;

	while (m < n_members && !key_is(raw, n, members[m].name))
		m++;
	return m;
}

static void
append_missing(struct od_buf *out, const struct od_member *members, size_t n_members, const bool *found, bool comma)
{
	for (size_t m = 0; m < n_members; m++) {
		if (found[m] || !members[m].value)
			continue;
		if (comma)
			od_buf_char(out, ',');
		od_buf_json_string(out, members[m].name, strlen(members[m].name));
		od_buf_char(out, ':');
		od_buf_append(out, members[m].value, members[m].value_len);
		comma = true;
	}
}

/* What precedes a last member that is left out: its comma, and the space around that. */
static void
drop_comma(struct od_buf *out, size_t start)
{
	size_t end = out->len;

	while (end > start && skip_space(out->data, end - 1, end) == end)
		end--;
	if (end > start && out->data[end - 1] == ',')
		out->len = end - 1;
}

void
od_jsonl_splice(struct od_buf *out, const char *line, size_t n, const struct od_member *members, size_t n_members)
{
	bool *found = od_calloc(n_members, sizeof *found), any = false;
	size_t i = skip_space(line, 0, n) + 1, copied = 0, start = out->len;

	if (!found) {
		out->failed = true;
		return;
	}
	for (i = skip_space(line, i, n); i < n && line[i] == '"'; i = skip_space(line, i, n)) {
		size_t key = i, key_end = skip_string(line, i, n), value, m;
		bool last, removed;

		value = skip_space(line, skip_space(line, key_end, n) + 1, n);        /* behind the colon */
		i = skip_value(line, value, n);
		m = find_member(line + key, key_end - key, members, n_members);
		removed = m < n_members && !members[m].value;
		if (m < n_members) {
			od_buf_append(out, line + copied, (removed ? key : value) - copied);
			if (!removed)
				od_buf_append(out, members[m].value, members[m].value_len);
			found[m] = true;
			copied = i;
		}
		i = skip_space(line, i, n);
		last = i >= n || line[i] != ',';
		i = last ? i : skip_space(line, i + 1, n);
		if (removed && !last)
			copied = i;
		else if (removed && any)
			drop_comma(out, start);
		any = any || !removed;
	}
	if (i > n)
		i = n;
	od_buf_append(out, line + copied, i - copied);
	append_missing(out, members, n_members, found, any);
	od_buf_append(out, line + i, n - i);
	free(found);
}
