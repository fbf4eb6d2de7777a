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

/* i is at an opening quote; returns the index behind the closing one: a quote with an even number of backslashes before it. */
static size_t
skip_string(const char *s, size_t i, size_t n)
{
	const char *quote;

	for (i++; i < n && (quote = memchr(s + i, '"', n - i)); i++) {
		size_t k = i = (size_t)(quote - s);

		while (s[k - 1] == '\\')
			k--;
		if ((i - k) % 2 == 0)
			return i + 1;
	}
	return n;
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

/* One member of an object, or element of an array (no key). */
struct part {
	size_t key, key_end, value, end;
};

/* The part at *i, which is behind an opening bracket or a comma; *i moves behind the comma that follows it. False at the
 * closing bracket, where *i then is. */
static bool
next_part(const char *s, size_t n, bool object, size_t *i, struct part *p)
{
	*i = skip_space(s, *i, n);
	if (*i >= n || s[*i] == '}' || s[*i] == ']')
		return false;
	p->key = p->key_end = p->value = *i;
	if (object) {
		p->key_end = skip_string(s, *i, n);
		p->value = skip_space(s, skip_space(s, p->key_end, n) + 1, n);     /* behind the colon */
	}
	p->end = skip_value(s, p->value, n);
	*i = skip_space(s, p->end, n);
	if (*i < n && s[*i] == ',')
		(*i)++;
	return true;
}

/* What precedes a last member that is taken out: its comma, and the space around that. */
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
	struct part p;

	if (!found) {
		out->failed = true;
		return;
	}
	while (next_part(line, n, true, &i, &p)) {
		size_t m = find_member(line + p.key, p.key_end - p.key, members, n_members);
		bool kept = m == n_members || members[m].value, last = i >= n || line[i - 1] != ',';

		if (m < n_members) {
			od_buf_append(out, line + copied, (kept ? p.value : p.key) - copied);
			if (kept)
				od_buf_append(out, members[m].value, members[m].value_len);
			found[m] = true;
			copied = kept || last ? p.end : skip_space(line, i, n);
		}
		if (!kept && last && any)
			drop_comma(out, start);
		any = any || kept;
	}
	if (i > n)
		i = n;
	od_buf_append(out, line + copied, i - copied);
	append_missing(out, members, n_members, found, any);
	od_buf_append(out, line + i, n - i);
	free(found);
}

bool
od_jsonl_walk(const char *text, size_t n, size_t *pos, struct od_span *name, struct od_span *value)
{
	size_t open = skip_space(text, 0, n);
	bool object = open < n && text[open] == '{';
	struct part p;

	if (open >= n || (!object && text[open] != '['))
		return false;
	if (*pos <= open)
		*pos = open + 1;
	if (!next_part(text, n, object, pos, &p))
		return false;
	if (name)
		*name = object ? (struct od_span){ p.key + 1, p.key_end - p.key - 2 } : (struct od_span){ p.key, 0 };
	*value = (struct od_span){ p.value, p.end - p.value };
	return true;
}

bool
od_jsonl_member(const char *text, size_t n, const char *name, struct od_span *value)
{
	struct od_span key;
	size_t pos = 0;

	while (od_jsonl_walk(text, n, &pos, &key, value))
		if (key.at < value->at && key_is(text + key.at - 1, key.len + 2, name))
			return true;
	return false;
}

void
od_jsonl_splice_into(struct od_buf *out, const char *text, size_t n, const char *name, const struct od_member *members,
	size_t n_members)
{
	struct od_span v;

	if (od_jsonl_member(text, n, name, &v) && text[v.at] == '{')
		od_jsonl_splice(out, text + v.at, v.len, members, n_members);
	else
		od_jsonl_splice(out, "{}", 2, members, n_members);
}
