/* jsonl.c -- reading records: lines out of blocks, JSON out of lines, and the stream contract of jsonl.h over both.
 *
 * Lines are found with memchr in one buffer that grows to the longest line seen and no further; a record's line points
 * into it. jansson's own readers are not used: they read a descriptor byte by byte.
 */
#include "io/jsonl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define BLOCK ((size_t)128 << 10)

struct od_jsonl {
	const char *const *names;
	size_t n_names, next_name;       /* sources not yet opened */
	struct od_in *in;                /* the open one, or NULL */
	struct od_record_options opt;

	char *buf;                       /* bytes read: buf[pos, len) not yet handed out */
	size_t cap, pos, len, scanned;   /* no newline in buf[pos, scanned) */
	bool at_end;                     /* of the open source */
	bool too_long, cut;              /* the line looked at last: was dropped; ended with the source, not a newline */
	char *name;                      /* of the open source or the last one, for messages */
	int64_t lineno;

	json_t *json;                    /* of the record handed out last */
	bool done;
	bool framed;                     /* inside a framed stream */
	int64_t frames, frame_records;   /* openings so far; records since the last */
	int64_t records, selected, skipped;
	char first_skip[1024];
};

/* ---- sources and lines -------------------------------------------------------------------------------------------- */

static enum od_status
new_reader(struct od_jsonl **out, const struct od_record_options *opt, struct od_error *err)
{
	struct od_jsonl *r = calloc(1, sizeof *r);

	if (r) {
		r->opt = *opt;
		r->cap = BLOCK;
		r->buf = malloc(r->cap);
	}
	if (!r || !r->buf) {
		od_jsonl_close(r);
		return od_fail_nomem(err, "a line buffer", BLOCK);
	}
	*out = r;
	return OD_OK;
}

/* Makes 'in' the source that is read. */
static enum od_status
start_source(struct od_jsonl *r, struct od_in *in, struct od_error *err)
{
	free(r->name);
	r->name = od_strdup(od_in_name(in));
	r->in = in;
	r->pos = r->len = r->scanned = 0;
	r->lineno = 0;
	r->at_end = false;
	return r->name ? OD_OK : od_fail_nomem(err, "a file name", 0);
}

static enum od_status
open_next(struct od_jsonl *r, struct od_error *err)
{
	struct od_in *in = NULL;
	enum od_status st = od_in_open(&in, r->names[r->next_name], err);

	if (st != OD_OK)
		return st;
	r->next_name++;
	return start_source(r, in, err);
}

enum od_status
od_jsonl_open(struct od_jsonl **out, const char *const *names, size_t n, const struct od_record_options *opt,
	struct od_error *err)
{
	static const char *const standard_input[] = { "-" };
	struct od_jsonl *r = NULL;
	enum od_status st = new_reader(&r, opt, err);

	if (st != OD_OK)
		return st;
	r->names = n ? names : standard_input;
	r->n_names = n ? n : 1;
	st = open_next(r, err);                  /* a missing file is told before any output is made */
	if (st != OD_OK) {
		od_jsonl_close(r);
		return st;
	}
	*out = r;
	return OD_OK;
}

enum od_status
od_jsonl_from(struct od_jsonl **out, struct od_in *in, const struct od_record_options *opt, struct od_error *err)
{
	struct od_jsonl *r = NULL;
	enum od_status st = new_reader(&r, opt, err);

	if (st != OD_OK) {
		od_in_close(in);
		return st;
	}
	st = start_source(r, in, err);
	if (st != OD_OK) {
		od_jsonl_close(r);
		return st;
	}
	*out = r;
	return OD_OK;
}

void
od_jsonl_then(struct od_jsonl *r, const char *const *names, size_t n)
{
	r->names = names;
	r->n_names = n;
	r->next_name = 0;
}

void
od_jsonl_close(struct od_jsonl *r)
{
	if (!r)
		return;
	json_decref(r->json);
	od_in_close(r->in);
	free(r->name);
	free(r->buf);
	free(r);
}

static enum od_status
fail_here(const struct od_jsonl *r, struct od_error *err)
{
	return od_error_prefix(err, "%s:%lld: ", r->name, (long long)r->lineno);
}

/* Reads more of the source behind buf[len), after moving what is left to the front. The buffer doubles when a line
 * fills it, up to the longest line allowed and a byte more, which is how a longer one is noticed. */
static enum od_status
read_more(struct od_jsonl *r, struct od_error *err)
{
	size_t want = OD_JSONL_MAX_LINE + 2, got;
	enum od_status st;

	if (r->pos > 0) {
		memmove(r->buf, r->buf + r->pos, r->len - r->pos);
		r->len -= r->pos;
		r->scanned -= r->pos;
		r->pos = 0;
	}
	if (r->len == r->cap) {
		size_t cap = 2 * r->cap < want ? 2 * r->cap : want;
		char *bigger = realloc(r->buf, cap);

		if (!bigger)
			return od_fail_nomem(err, "a line", cap);
		r->buf = bigger;
		r->cap = cap;
	}
	st = od_in_read_some(r->in, r->buf + r->len, r->cap - r->len, &got, err);
	if (st != OD_OK)
		return st;
	r->len += got;
	r->at_end = got == 0;
	return OD_OK;
}

static void
skip_bom(struct od_jsonl *r)
{
	if (r->lineno == 0 && r->len - r->pos >= 3 && memcmp(r->buf + r->pos, "\xef\xbb\xbf", 3) == 0)
		r->pos += 3;
}

/* Drops the rest of a line that is too long, so that the next one can be read. */
static enum od_status
drop_line(struct od_jsonl *r, struct od_error *err)
{
	enum od_status st = OD_OK;
	char *nl = NULL;

	while (st == OD_OK && !nl && !r->at_end) {
		r->pos = r->len = r->scanned = 0;
		st = read_more(r, err);
		nl = st == OD_OK ? memchr(r->buf, '\n', r->len) : NULL;
	}
	r->pos = nl ? (size_t)(nl + 1 - r->buf) : r->len;
	r->scanned = r->pos;
	r->too_long = st == OD_OK;
	if (st == OD_OK)
		st = od_fail(err, OD_EFORMAT, "the line is longer than %zu MiB", OD_JSONL_MAX_LINE >> 20);
	return st;
}

/* The next line of the open source without its end, or OD_EOF. OD_EFORMAT when it is too long: it is then behind. */
static enum od_status
next_line(struct od_jsonl *r, char **line, size_t *n, struct od_error *err)
{
	enum od_status st;
	char *nl;

	r->too_long = false;
	for (;;) {
		nl = memchr(r->buf + r->scanned, '\n', r->len - r->scanned);
		r->scanned = r->len;
		if (nl || r->at_end)
			break;
		if (r->len - r->pos > OD_JSONL_MAX_LINE) {
			r->lineno++;
			return drop_line(r, err);
		}
		st = read_more(r, err);
		if (st != OD_OK) {
			r->lineno++;             /* it failed inside the line that comes next */
			return st;
		}
	}
	if (!nl && r->pos == r->len)
		return OD_EOF;
	skip_bom(r);
	*line = r->buf + r->pos;
	*n = (size_t)((nl ? nl : r->buf + r->len) - *line);
	r->pos += *n + (nl != NULL);
	r->scanned = r->pos;
	r->lineno++;
	r->cut = !nl;
	if (*n > 0 && (*line)[*n - 1] == '\r')
		--*n;
	return OD_OK;
}

/* ---- JSON --------------------------------------------------------------------------------------------------------- */

/* jansson refuses integers beyond 64 bits, which other people's fields may hold (hashes, say). Returns a copy of the
 * line in which every integer of more than 18 digits has "e0" behind it and so is read as a real; NULL without one. */
static char *
soften_big_integers(const char *line, size_t n, size_t *len)
{
	struct od_buf b = OD_BUF_INIT;
	bool in_string = false, any = false;
	size_t i = 0;

	while (i < n) {
		size_t run = 1;

		if (line[i] == '"') {
			in_string = !in_string;
		} else if (in_string) {
			run += line[i] == '\\' && i + 1 < n;
		} else if (line[i] >= '0' && line[i] <= '9') {
			while (i + run < n && line[i + run] && strchr("0123456789.eE+-", line[i + run]))
				run++;
		}
		od_buf_append(&b, line + i, run);
		if (run > 18 && !in_string && strspn(line + i, "0123456789") >= run) {
			od_buf_str(&b, "e0");
			any = true;
		}
		i += run;
	}
	if (!any || !od_buf_ok(&b)) {
		od_buf_release(&b);
		return NULL;
	}
	*len = b.len;
	return b.data;
}

static enum od_status
fail_json(const struct od_jsonl *r, const char *line, size_t n, const json_error_t *je, struct od_error *err)
{
	bool nan = strstr(je->text, "'NaN'") || strstr(je->text, "'Infinity'") || strstr(je->text, "'-Infinity'");

	if (r->lineno == 1 && od_is_archive(line, r->len - (size_t)(line - r->buf)))
		return od_fail(err, OD_EFORMAT, "this is an archive; name the member to read as '%s:MEMBER'", r->name);
	if (n > 0 && !strchr("{[\"-0123456789tfn \t", line[0]))
		return od_fail(err, OD_EFORMAT, "not a JSON object: %s", je->text);
	return od_fail(err, OD_EFORMAT, "invalid JSON at byte %d: %s%s", je->position, je->text,
		nan ? " (JSON has no NaN or Infinity)" : "");
}

/* Parses a line into r->json. */
static enum od_status
parse_line(struct od_jsonl *r, const char *line, size_t n, struct od_error *err)
{
	json_error_t je;
	char *soft;
	size_t len;

	json_decref(r->json);
	r->json = json_loadb(line, n, JSON_REJECT_DUPLICATES, &je);
	if (!r->json && json_error_code(&je) == json_error_numeric_overflow &&
	    (soft = soften_big_integers(line, n, &len))) {
		r->json = json_loadb(soft, len, JSON_REJECT_DUPLICATES, &je);
		free(soft);
	}
	if (!r->json)
		return fail_json(r, line, n, &je, err);
	if (!json_is_object(r->json))
		return od_fail(err, OD_EFORMAT, "the line is valid JSON, but not an object");
	return OD_OK;
}

/* ---- frames ------------------------------------------------------------------------------------------------------- */

/* The end of the input, or an opening, where the end of a framed stream should have come. */
static enum od_status
fail_no_end(struct od_jsonl *r, struct od_error *err)
{
	od_fail(err, OD_ETRUNC, "the framed stream stops after %lld records without its end record; did its producer fail?",
		(long long)r->frame_records);
	return fail_here(r, err);
}

static enum od_status
open_frame(struct od_jsonl *r, struct od_error *err)
{
	if (r->framed && !r->opt.partial)
		return fail_no_end(r, err);
	r->framed = true;
	r->frames++;
	r->frame_records = 0;
	return OD_OK;
}

static enum od_status
close_frame(struct od_jsonl *r, const json_t *end, struct od_error *err)
{
	const json_t *records = json_object_get(end, "records");
	bool was_framed = r->framed;

	r->framed = false;
	if (!was_framed || r->opt.partial)
		return OD_OK;
	if (!json_is_integer(records)) {
		od_fail(err, OD_EFORMAT, "the end record of a framed stream has no count");
		return fail_here(r, err);
	}
	if (json_integer_value(records) == r->frame_records)
		return OD_OK;
	od_fail(err, OD_ETRUNC, "the framed stream has %lld records, but its end record says %lld",
		(long long)r->frame_records, (long long)json_integer_value(records));
	return fail_here(r, err);
}

static enum od_status
fail_upstream(struct od_jsonl *r, const json_t *error, struct od_error *err)
{
	const char *tool = json_string_value(json_object_get(error, "tool"));
	const char *message = json_string_value(json_object_get(error, "message"));

	od_fail(err, OD_ETRUNC, "the producer of this stream%s%s%s failed: %s", tool ? " (" : "", tool ? tool : "", tool ? ")" : "",
		message ? message : "it does not say why");
	return fail_here(r, err);
}

/* Acts on r->json when it is a control record, and says so in *control. */
static enum od_status
take_control(struct od_jsonl *r, bool *control, struct od_error *err)
{
	const json_t *v;

	*control = true;
	if (json_is_object(v = json_object_get(r->json, "od_stream")))
		return open_frame(r, err);
	if (json_is_object(v = json_object_get(r->json, "od_end")))
		return close_frame(r, v, err);
	if (json_is_object(v = json_object_get(r->json, "od_error")))
		return fail_upstream(r, v, err);
	*control = false;
	return OD_OK;
}

/* ---- selection ---------------------------------------------------------------------------------------------------- */

/* The identity of a record: its id's text, or "". *len may exceed what fits into rec->id. */
static const char *
find_id(const json_t *json, char number[32], size_t *len)
{
	const json_t *v = json_object_get(json, "id");

	if (!json_is_string(v) && !json_is_integer(v))
		v = json_object_get(json, "prompt_id");
	if (json_is_string(v)) {
		*len = json_string_length(v);
		return json_string_value(v);
	}
	*len = 0;
	if (json_is_integer(v))
		*len = (size_t)snprintf(number, 32, "%lld", (long long)json_integer_value(v));
	return *len ? number : "";
}

/* A prefix that fits, not ending inside a character. */
static void
copy_id(char to[128], const char *id, size_t n)
{
	if (n > 127)
		for (n = 127; n > 0 && ((unsigned char)id[n] & 0xc0) == 0x80;)
			n--;
	memcpy(to, id, n);
	to[n] = '\0';
}

static bool
in_sample(const struct od_record_options *o, const char *bytes, size_t n)
{
	double u;

	if (o->sample >= 1)
		return !o->invert;
	u = (double)(od_hash64(bytes, n, o->seed) >> 11) * 0x1p-53;
	return (u < o->sample) != o->invert;
}

static bool
in_shard(const struct od_record_options *o, int64_t position)
{
	return o->n_shards <= 1 || position % o->n_shards == o->shard;
}

bool
od_record_selected(const struct od_record_options *o, int64_t position, const char *id, size_t len)
{
	return in_shard(o, position) && in_sample(o, id, len);
}

/* Fills rec from the parsed line; false when the sample leaves it out. */
static bool
select_record(struct od_jsonl *r, struct od_record *rec, const char *line, size_t n)
{
	char number[32];
	size_t id_len;
	const char *id = find_id(r->json, number, &id_len);

	if (!in_sample(&r->opt, id_len ? id : line, id_len ? id_len : n))
		return false;
	*rec = (struct od_record){ .json = r->json, .line = line, .len = n, .source = r->name, .lineno = r->lineno,
		.index = r->records - 1 };
	copy_id(rec->id, id, id_len);
	r->selected++;
	return true;
}

/* ---- the walk ----------------------------------------------------------------------------------------------------- */

/* Counts a record that cannot be used and lets the caller go on, or fails for good with *err as it is. */
static enum od_status
skip_or_fail(struct od_jsonl *r, struct od_error *err)
{
	enum od_status st = err->status;

	if (!r->opt.skip_bad || st != OD_EFORMAT)
		return st;
	if (r->skipped++ == 0)
		memcpy(r->first_skip, err->msg, sizeof r->first_skip);
	if (r->opt.max_skipped >= 0 && r->skipped > r->opt.max_skipped)
		return od_error_prefix(err, "more than %lld malformed records, the last: ", (long long)r->opt.max_skipped);
	*err = (struct od_error)OD_ERROR_INIT;
	return OD_OK;
}

static bool
is_blank(const char *line, size_t n)
{
	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r'))
		n--;
	return n == 0;
}

/* One line that is there. *have says whether it became a record for the caller. */
static enum od_status
take_line(struct od_jsonl *r, const char *line, size_t n, struct od_record *rec, bool *have, struct od_error *err)
{
	bool mine = in_shard(&r->opt, r->records), control = false;
	enum od_status st;

	*have = false;
	/* Records of other shards need no parsing; a control record is everybody's. */
	if (!mine && !memmem(line, n, "\"od_", 4)) {
		r->records++;
		r->frame_records++;
		return OD_OK;
	}
	st = parse_line(r, line, n, err);
	if (st == OD_OK) {
		st = take_control(r, &control, err);
		if (st != OD_OK || control)
			return st;
	}
	r->records++;
	r->frame_records++;
	if (st != OD_OK) {
		if (!mine)
			return OD_OK;
		if (r->cut && !r->opt.partial) {
			err->status = OD_ETRUNC;
			od_error_prefix(err, "the input ends inside a record: ");
		}
		fail_here(r, err);
		return skip_or_fail(r, err);
	}
	*have = mine && select_record(r, rec, line, n);
	return OD_OK;
}

/* The end of the last source. */
static enum od_status
finish(struct od_jsonl *r, struct od_error *err)
{
	r->done = true;
	if (r->framed && !r->opt.partial)
		return fail_no_end(r, err);
	if (r->records == 0 && !r->opt.allow_empty)
		return od_fail(err, OD_EFORMAT, "%s: the input has no records", r->name);
	return OD_EOF;
}

/* A line that could not be had: too long (a malformed record), or a read that failed (the end of everything). */
static enum od_status
take_bad_line(struct od_jsonl *r, enum od_status st, struct od_error *err)
{
	fail_here(r, err);
	if (!r->too_long)
		return st;
	r->records++;
	r->frame_records++;
	return skip_or_fail(r, err);
}

static enum od_status
walk(struct od_jsonl *r, struct od_record *rec, struct od_error *err)
{
	enum od_status st = OD_OK;
	bool have = false;
	char *line = NULL;
	size_t n = 0;

	while (st == OD_OK && !have) {
		st = next_line(r, &line, &n, err);
		if (st == OD_EOF) {
			od_in_close(r->in);
			r->in = NULL;
			if (r->next_name == r->n_names)
				return finish(r, err);
			st = open_next(r, err);
		} else if (st != OD_OK) {
			st = take_bad_line(r, st, err);
		} else if (!is_blank(line, n)) {
			st = take_line(r, line, n, rec, &have, err);
		}
	}
	return st;
}

enum od_status
od_jsonl_next(struct od_jsonl *r, struct od_record *rec, struct od_error *err)
{
	struct od_error local = OD_ERROR_INIT;
	enum od_status st;

	if (r->done || (r->opt.limit >= 0 && r->selected >= r->opt.limit))
		return OD_EOF;
	st = walk(r, rec, &local);
	if (st == OD_OK || st == OD_EOF)
		return st;
	r->done = true;
	if (err)
		*err = local;
	return st;
}

enum od_status
od_jsonl_reject(struct od_jsonl *r, const struct od_record *rec, struct od_error *err)
{
	if (rec->id[0])
		od_error_prefix(err, "%s:%lld: record '%s': ", rec->source, (long long)rec->lineno, rec->id);
	else
		od_error_prefix(err, "%s:%lld: ", rec->source, (long long)rec->lineno);
	return skip_or_fail(r, err);
}

int64_t
od_jsonl_skipped(const struct od_jsonl *r)
{
	return r->skipped;
}

const char *
od_jsonl_first_skip(const struct od_jsonl *r)
{
	return r->first_skip;
}

int64_t
od_jsonl_count(const struct od_jsonl *r)
{
	return r->selected;
}

int64_t
od_jsonl_frames(const struct od_jsonl *r)
{
	return r->frames;
}
