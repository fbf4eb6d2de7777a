/* jsonl.h -- streams of JSON records, one a line: reading with the stream contract, and writing that keeps what others
 * wrote (man page od-jsonl(5) is the users' side of this).
 *
 * READING. A reader walks over one or more sources (stream.h) as one stream of records, numbered from 0. It skips
 * blank lines and a UTF-8 byte-order mark at the start of a source, and refuses a line over 64 MiB, invalid UTF-8,
 * duplicate keys, anything but an object. Control records never reach the caller:
 *   {"od_stream":{...}}          opens a framed stream; its producer will close it with od_end
 *   {"od_end":{"records":N}}     closes it; N must equal the records seen since the opening
 *   {"od_error":{"message":S}}   the producer failed: OD_ETRUNC with its message
 * A framed stream without its end, or another count, is OD_ETRUNC unless 'partial'. An end without an opening is
 * ignored. Framed streams may follow one another. Blank lines and control records have no position; a malformed line
 * has one, and counts as a record of its stream. An integer beyond 64 bits is read as a real, never refused.
 *
 * SELECTION happens here, so that every tool means the same by it: --limit, --shard I/N (record position modulo N),
 * --sample P --seed S (hash of the record's id, or of the line when it has none), --invert (the complement).
 *
 * WRITING. od_jsonl_write emits a line; od_jsonl_splice adds members to an original line, byte for byte otherwise.
 */
#ifndef OD_IO_JSONL_H
#define OD_IO_JSONL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/stream.h"

#define OD_JSONL_MAX_LINE ((size_t)64 << 20)

struct od_record_options {
	int64_t limit;              /* stop after this many selected records; < 0: no limit */
	int64_t shard, n_shards;    /* keep records with position % n_shards == shard; n_shards 0 or 1: all */
	double sample;              /* keep this share, 0..1; 1: all */
	uint64_t seed;              /* of the sample */
	bool invert;                /* keep what sample would drop */
	bool skip_bad;              /* malformed records are counted and left out */
	int64_t max_skipped;        /* give up (OD_EFORMAT) beyond this many; < 0: no bound */
	bool partial;               /* accept a framed stream that was cut */
	bool allow_empty;           /* an input without records is fine */
};

#define OD_RECORD_OPTIONS_INIT { -1, 0, 1, 1.0, 0, false, false, -1, false, false }

/* One record, valid until the next call of od_jsonl_next. A line's end may be CR LF; neither is part of 'line'. */
struct od_record {
	json_t *json;               /* borrowed; an object */
	const char *line;           /* its bytes, without the newline */
	size_t len;
	const char *source;         /* name of the file, "<stdin>" */
	int64_t lineno;             /* 1-based line in that file */
	int64_t index;              /* 0-based position in the whole input, before selection */
	char id[128];               /* "id" (string or integer) or "prompt_id" as text; "" when there is none */
};

/* Whether the selection (limit aside) keeps record number 'position' with these identifying bytes: what readers of other
 * kinds of streams ask, so that every reader means the same by it. */
bool od_record_selected(const struct od_record_options *o, int64_t position, const char *id, size_t len);

struct od_jsonl;

/* names[n]: sources in order; n = 0 reads standard input. The strings must outlive the reader. */
OD_MUST_CHECK enum od_status od_jsonl_open(struct od_jsonl **out, const char *const *names, size_t n,
	const struct od_record_options *opt, struct od_error *err);

/* A reader over an already opened source, which it then owns. */
OD_MUST_CHECK enum od_status od_jsonl_from(struct od_jsonl **out, struct od_in *in,
	const struct od_record_options *opt, struct od_error *err);

/* Names n further sources for a reader made by od_jsonl_from, which go on where its own ends. Borrowed. */
void od_jsonl_then(struct od_jsonl *r, const char *const *names, size_t n);

/* The next selected record; OD_EOF after the last. OD_EFORMAT and OD_ETRUNC messages begin "NAME:LINE: ". An input
 * with no record at all is OD_EFORMAT unless allow_empty. */
OD_MUST_CHECK enum od_status od_jsonl_next(struct od_jsonl *r, struct od_record *rec, struct od_error *err);

/* What a tool calls when a record it got is unusable (a missing field, say; *err already explains, without place).
 * Under skip_bad: counts it, returns OD_OK, and the tool goes on with the next. Otherwise, or beyond max_skipped,
 * puts "NAME:LINE: record 'ID': " in front of the message and returns its status. */
OD_MUST_CHECK enum od_status od_jsonl_reject(struct od_jsonl *r, const struct od_record *rec, struct od_error *err);

int64_t od_jsonl_skipped(const struct od_jsonl *r);       /* records left out under skip_bad, od_jsonl_reject's too */
const char *od_jsonl_first_skip(const struct od_jsonl *r);/* message of the first of them, "" when none */
int64_t od_jsonl_count(const struct od_jsonl *r);         /* selected records so far */
int64_t od_jsonl_frames(const struct od_jsonl *r);        /* framed streams opened so far */
void od_jsonl_close(struct od_jsonl *r);                  /* NULL is fine */

/* ---- field access with messages ("field 'score_chosen' is missing", "... must be a number, not a string") ------- */

/* path: "a", "a.b", "a.0.b" (dots descend; digits index arrays). A literal key that contains dots or hyphens wins over
 * descending. NULL when not there. */
const json_t *od_json_path(const json_t *obj, const char *path);
OD_MUST_CHECK enum od_status od_json_need_number(const json_t *obj, const char *path, double *out,
	struct od_error *err);
OD_MUST_CHECK enum od_status od_json_need_string(const json_t *obj, const char *path, const char **out, size_t *len,
	struct od_error *err);
const char *od_json_type_name(const json_t *v);           /* "an object", "a number", "null", ... */
/* OD_EFORMAT: "field 'PATH' must be WANTED, not a string"; a v that is NULL "is missing". */
enum od_status od_json_fail_type(const json_t *v, const char *path, const char *wanted, struct od_error *err);
/* Parses a whole text (a config file) with duplicates refused; *out is a new reference. */
OD_MUST_CHECK enum od_status od_json_parse(const char *text, size_t len, const char *name, json_t **out,
	struct od_error *err);

/* ---- writing ------------------------------------------------------------------------------------------------------ */

struct od_jsonl_writer;

/* Writes to 'out', which it then owns. 'framed' opens with od_stream (tool, version) and closes with od_end. Records
 * are flushed one by one when the last flush is over 0.2 s old, so slow producers do not stall a pipe. */
OD_MUST_CHECK enum od_status od_jsonl_writer_open(struct od_jsonl_writer **w, struct od_out *out, bool framed,
	const char *tool, struct od_error *err);

/* One record: n bytes of a JSON object, newline added. */
OD_MUST_CHECK enum od_status od_jsonl_write(struct od_jsonl_writer *w, const char *line, size_t n,
	struct od_error *err);

/* Hands what is buffered to the consumer: for producers whose records come in bursts. */
OD_MUST_CHECK enum od_status od_jsonl_writer_flush(struct od_jsonl_writer *w, struct od_error *err);

/* Ends the stream: od_end when framed and cause is NULL or OD_OK; {"od_error":...} when it is not and records (or an
 * opening) were already written. Flushes, closes, frees. Returns the first write error. NULL w is fine. */
enum od_status od_jsonl_writer_close(struct od_jsonl_writer *w, const struct od_error *cause, struct od_error *err);

/* A member to add: value is its JSON text; NULL: the member is taken out. */
struct od_member {
	const char *name;
	const char *value;
	size_t value_len;
};

/* out := line with the members added before its closing brace, in order; an existing top-level member of the same name
 * is replaced in place, or, with a value of NULL, taken out with its comma. All other bytes stay as they are. line must be
 * a valid JSON object. */
void od_jsonl_splice(struct od_buf *out, const char *line, size_t n, const struct od_member *members, size_t n_members);

/* ---- places in a text that others wrote: what a nested splice needs. The text must be valid JSON --------------------- */

struct od_span {
	size_t at, len;             /* bytes */
};

/* Walks the members of an object or the elements of an array: each call gives the next one and moves *pos, 0 at first,
 * behind it. False after the last, or when text is neither. name (may be NULL): without its quotes, escapes as they are
 * written; empty for an element. */
bool od_jsonl_walk(const char *text, size_t n, size_t *pos, struct od_span *name, struct od_span *value);

/* Where the value of an object's member is; false when there is none of that name. */
bool od_jsonl_member(const char *text, size_t n, const char *name, struct od_span *value);

/* out := the value of the object's member `name`, itself an object, with the members put into it as od_jsonl_splice does;
 * a new object when it is absent or something else. */
void od_jsonl_splice_into(struct od_buf *out, const char *text, size_t n, const char *name, const struct od_member *members,
	size_t n_members);

#endif
