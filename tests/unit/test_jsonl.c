/* test_jsonl.c -- records in and out: lines, refusals, frames, selection, splicing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/jsonl.h"

static const struct od_record_options plain = OD_RECORD_OPTIONS_INIT;

/* What a walk over a text gives: the records' lines joined by '|', the final status and its message. */
struct walk {
	char lines[4096];
	enum od_status st;
	struct od_error err;
	int64_t skipped, count;
	char first_skip[1024];
};

static void
walk_bytes(struct walk *w, const char *text, size_t n, const struct od_record_options *opt)
{
	struct od_in *in = NULL;
	struct od_jsonl *r = NULL;
	struct od_record rec;

	memset(w, 0, sizeof *w);
	assert_int_equal(od_in_memory(&in, text, n, "mem", NULL), OD_OK);
	assert_int_equal(od_jsonl_from(&r, in, opt, NULL), OD_OK);
	while ((w->st = od_jsonl_next(r, &rec, &w->err)) == OD_OK) {
		size_t have = strlen(w->lines);

		if (have + rec.len + 2 < sizeof w->lines)
			snprintf(w->lines + have, sizeof w->lines - have, "%s%.*s", have ? "|" : "", (int)rec.len, rec.line);
	}
	w->skipped = od_jsonl_skipped(r);
	w->count = od_jsonl_count(r);
	snprintf(w->first_skip, sizeof w->first_skip, "%s", od_jsonl_first_skip(r));
	assert_int_equal(od_jsonl_next(r, &rec, NULL), OD_EOF);      /* it stays at its end, failed or not */
	od_jsonl_close(r);
}

static void
walk(struct walk *w, const char *text, const struct od_record_options *opt)
{
	walk_bytes(w, text, strlen(text), opt);
}

static void
good(const char *text, const char *lines)
{
	struct walk w;

	walk(&w, text, &plain);
	assert_string_equal(w.err.msg, "");
	assert_int_equal(w.st, OD_EOF);
	assert_string_equal(w.lines, lines);
}

static void
bad(const char *text, enum od_status st, const char *message)
{
	struct walk w;

	walk(&w, text, &plain);
	assert_int_equal(w.st, st);
	if (!strstr(w.err.msg, message))
		fail_msg("'%s' does not say '%s'", w.err.msg, message);
}

static void
test_lines(void **state)
{
	(void)state;
	good("{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}|{\"b\":2}");
	good("{\"a\":1}\n{\"b\":2}", "{\"a\":1}|{\"b\":2}");
	good("\n  \n{\"a\":1}\r\n\r\n\t{\"b\":2} \r\n", "{\"a\":1}|\t{\"b\":2} ");
	good("\xef\xbb\xbf{\"a\":1}\n", "{\"a\":1}");
	good("{\"big\":123456789012345678901234567890,\"i\":-18446744073709551616,\"s\":\"123456789012345678901\"}",
		"{\"big\":123456789012345678901234567890,\"i\":-18446744073709551616,\"s\":\"123456789012345678901\"}");
}

static void
test_big_integers_stay_readable(void **state)
{
	static const char text[] = "{\"id\":7,\"hash\":18446744073709551615,\"s\":\"\\\"1234567890123456789012\",\"r\":"
		"[1,0.12345678901234567890123,1e5,99999999999999999999999]}";
	struct od_record rec;
	struct od_jsonl *r = NULL;
	struct od_in *in = NULL;
	double v;

	(void)state;
	assert_int_equal(od_in_memory(&in, text, sizeof text - 1, "mem", NULL), OD_OK);
	assert_int_equal(od_jsonl_from(&r, in, &plain, NULL), OD_OK);
	assert_int_equal(od_jsonl_next(r, &rec, NULL), OD_OK);
	assert_string_equal(rec.id, "7");
	assert_true(json_is_integer(json_object_get(rec.json, "id")));
	assert_string_equal(json_string_value(json_object_get(rec.json, "s")), "\"1234567890123456789012");
	assert_int_equal(od_json_need_number(rec.json, "hash", &v, NULL), OD_OK);
	assert_true(v == 18446744073709551615.0);
	assert_int_equal(od_json_need_number(rec.json, "r.1", &v, NULL), OD_OK);
	assert_true(v == 0.12345678901234567890123);
	od_jsonl_close(r);
}

static void
test_refusals(void **state)
{
	struct walk w;

	(void)state;
	bad("{\"a\":1}\n{\"a\":NaN}\n", OD_EFORMAT, "mem:2: invalid JSON at byte 8");
	bad("{\"a\":-Infinity}\n", OD_EFORMAT, "mem:1: ");
	bad("{\"a\":1e999}\n", OD_EFORMAT, "overflow");
	bad("{\"a\":\"\\ud800\"}\n", OD_EFORMAT, "mem:1: invalid JSON at byte");
	bad("{\"a\":\"\\udc00x\"}\n", OD_EFORMAT, "mem:1: ");
	bad("{\"a\":\"\\u0000\"}\n", OD_EFORMAT, "mem:1: ");
	bad("{\"a\":\"\xff\"}\n", OD_EFORMAT, "0xff");
	bad("{\"a\":\"\xc0\x80\"}\n", OD_EFORMAT, "mem:1: ");
	bad("{\"a\":\"\xed\xa0\x80\"}\n", OD_EFORMAT, "mem:1: ");
	bad("{\"a\":1,\"a\":2}\n", OD_EFORMAT, "duplicate");
	bad("{\"a\":{\"b\":1,\"b\":2}}\n", OD_EFORMAT, "duplicate");
	bad("[1]\n", OD_EFORMAT, "not an object");
	bad("3\n", OD_EFORMAT, "mem:1: ");
	bad("{} {}\n", OD_EFORMAT, "mem:1: ");
	bad("{\"a\":1,}\n", OD_EFORMAT, "mem:1: ");
	bad("hello\n", OD_EFORMAT, "not a JSON object");
	bad("{\"a\":1}\n{\"a\":", OD_ETRUNC, "mem:2: the input ends inside a record");
	bad("", OD_EFORMAT, "no records");
	bad("\n\n", OD_EFORMAT, "no records");
	bad("PK\3\4 and so on\n", OD_EFORMAT, "archive");
	walk_bytes(&w, "{\"a\":\"x\0y\"}\n", 12, &plain);
	assert_int_equal(w.st, OD_EFORMAT);
}

static void
test_depth_is_bounded(void **state)
{
	size_t n = 100000;
	char *text = malloc(n);
	struct walk w;

	(void)state;
	memset(text, '[', n);
	memcpy(text, "{\"a\":", 5);
	text[n - 1] = '\n';
	walk_bytes(&w, text, n, &plain);
	assert_int_equal(w.st, OD_EFORMAT);
	free(text);
}

/* A line of the largest size is read, a longer one refused, and what follows it still comes under skip_bad. */
static void
test_long_lines(void **state)
{
	size_t n = OD_JSONL_MAX_LINE + ((size_t)8 << 20);
	char *text = malloc(n);
	struct od_record_options opt = plain;
	struct walk w;

	(void)state;
	memset(text, 'x', n);
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + OD_JSONL_MAX_LINE - 2, "\"}\n{}\n", 6);
	walk_bytes(&w, text, OD_JSONL_MAX_LINE + 4, &plain);
	assert_int_equal(w.st, OD_EOF);
	assert_int_equal(w.count, 2);

	memset(text + OD_JSONL_MAX_LINE - 2, 'x', 6);
	memcpy(text + n - 6, "\"}\n{}\n", 6);
	walk_bytes(&w, text, n, &plain);
	assert_int_equal(w.st, OD_EFORMAT);
	assert_string_equal(w.err.msg, "mem:1: the line is longer than 64 MiB");
	opt.skip_bad = true;
	walk_bytes(&w, text, n, &opt);
	assert_int_equal(w.st, OD_EOF);
	assert_string_equal(w.lines, "{}");
	assert_int_equal(w.skipped, 1);
	free(text);
}

#define OPEN "{\"od_stream\":{\"tool\":\"t\"}}\n"
#define END(n) "{\"od_end\":{\"records\":" #n "}}\n"

static void
test_frames(void **state)
{
	struct od_record_options opt = plain;
	struct walk w;

	(void)state;
	good(OPEN "{\"a\":1}\n" END(1), "{\"a\":1}");
	good(OPEN "{}\n" END(1) OPEN "{}\n{}\n" END(2), "{}|{}|{}");
	good("{}\n" OPEN "{}\n" END(1) "{}\n", "{}|{}|{}");
	good("{}\n" END(7), "{}");                                       /* an end without an opening */
	good("{\"od_end\":3}\n{\"od_stream\":null}\n", "{\"od_end\":3}|{\"od_stream\":null}");   /* somebody's fields */
	bad(OPEN "{}\n", OD_ETRUNC, "stops after 1 records");
	bad(OPEN, OD_ETRUNC, "without its end record");
	bad(OPEN END(0), OD_EFORMAT, "no records");
	bad(OPEN "{}\n" END(2), OD_ETRUNC, "has 1 records, but its end record says 2");
	bad(OPEN "{}\n" OPEN "{}\n" END(1), OD_ETRUNC, "mem:3: ");
	bad(OPEN "{}\n{\"od_end\":{}}\n", OD_EFORMAT, "no count");
	bad("{}\n{\"od_error\":{\"tool\":\"od-x\",\"message\":\"disk on fire\"}}\n", OD_ETRUNC,
		"mem:2: the producer of this stream (od-x) failed: disk on fire");
	bad("{\"od_error\":{}}\n", OD_ETRUNC, "failed");
	opt.partial = true;
	walk(&w, OPEN "{}\n" OPEN "{}\n" END(5), &opt);
	assert_int_equal(w.st, OD_EOF);
	assert_string_equal(w.lines, "{}|{}");
	walk(&w, OPEN "{}\n{\"od_error\":{}}\n", &opt);
	assert_int_equal(w.st, OD_ETRUNC);
	opt = plain;
	opt.allow_empty = true;
	walk(&w, OPEN END(0), &opt);
	assert_int_equal(w.st, OD_EOF);
	walk(&w, "", &opt);
	assert_int_equal(w.st, OD_EOF);
}

static void
test_skip_bad(void **state)
{
	struct od_record_options opt = plain;
	struct walk w;

	(void)state;
	opt.skip_bad = true;
	walk(&w, OPEN "{\"a\":1}\nnot json\n{\"a\":3}\n[]\n" END(4), &opt);
	assert_string_equal(w.err.msg, "");
	assert_int_equal(w.st, OD_EOF);
	assert_string_equal(w.lines, "{\"a\":1}|{\"a\":3}");
	assert_int_equal(w.skipped, 2);
	assert_non_null(strstr(w.first_skip, "mem:3: "));
	opt.max_skipped = 1;
	walk(&w, "{}\nx\n{}\ny\n{}\n", &opt);
	assert_int_equal(w.st, OD_EFORMAT);
	assert_non_null(strstr(w.err.msg, "more than 1 malformed"));
	assert_string_equal(w.lines, "{}|{}");
	opt.max_skipped = -1;
	walk(&w, OPEN "{}\n", &opt);                                     /* truncation is never skipped */
	assert_int_equal(w.st, OD_ETRUNC);
	walk(&w, "{}\n{\"a\":", &opt);
	assert_int_equal(w.st, OD_ETRUNC);
}

static void
test_reject(void **state)
{
	static const char text[] = "{\"id\":\"x1\"}\n{\"id\":\"x2\"}\n";
	struct od_record_options opt = plain;
	struct od_error err = OD_ERROR_INIT;
	struct od_record rec;

	(void)state;
	for (int skip = 0; skip < 2; skip++) {
		struct od_jsonl *r = NULL;
		struct od_in *in = NULL;

		opt.skip_bad = skip;
		assert_int_equal(od_in_memory(&in, text, sizeof text - 1, "mem", NULL), OD_OK);
		assert_int_equal(od_jsonl_from(&r, in, &opt, NULL), OD_OK);
		assert_int_equal(od_jsonl_next(r, &rec, &err), OD_OK);
		od_fail(&err, OD_EFORMAT, "field 'prompt' is missing");
		assert_int_equal(od_jsonl_reject(r, &rec, &err), skip ? OD_OK : OD_EFORMAT);
		assert_string_equal(skip ? od_jsonl_first_skip(r) : err.msg,
			"mem:1: record 'x1': field 'prompt' is missing");
		assert_int_equal(od_jsonl_skipped(r), skip);
		assert_int_equal(od_jsonl_next(r, &rec, &err), OD_OK);
		assert_string_equal(rec.id, "x2");
		od_jsonl_close(r);
	}
}

/* ---- selection ---------------------------------------------------------------------------------------------------- */

#define N_MANY 1000

static char *
many(void)
{
	char *text = malloc(64 * N_MANY), *p = text;

	for (int i = 0; i < N_MANY; i++)
		p += sprintf(p, i % 2 ? "{\"id\":\"r%d\"}\n" : "{\"prompt_id\":%d}\n", i);
	return text;
}

/* Marks which of the records a selection keeps. */
static void
selected(const char *text, const struct od_record_options *opt, unsigned char mark[N_MANY])
{
	struct od_in *in = NULL;
	struct od_jsonl *r = NULL;
	struct od_record rec;
	enum od_status st;

	memset(mark, 0, N_MANY);
	assert_int_equal(od_in_memory(&in, text, strlen(text), "mem", NULL), OD_OK);
	assert_int_equal(od_jsonl_from(&r, in, opt, NULL), OD_OK);
	while ((st = od_jsonl_next(r, &rec, NULL)) == OD_OK) {
		assert_int_equal(rec.lineno, rec.index + 1);
		mark[rec.index]++;
	}
	assert_int_equal(st, OD_EOF);
	od_jsonl_close(r);
}

static void
test_sample_and_invert(void **state)
{
	char *text = many();
	unsigned char keep[N_MANY], rest[N_MANY], other[N_MANY];
	struct od_record_options opt = plain;
	int kept = 0, same = 0;

	(void)state;
	opt.sample = 0.3;
	selected(text, &opt, keep);
	opt.invert = true;
	selected(text, &opt, rest);
	opt.invert = false;
	opt.seed = 1;
	selected(text, &opt, other);
	for (int i = 0; i < N_MANY; i++) {
		assert_int_equal(keep[i] + rest[i], 1);
		kept += keep[i];
		same += keep[i] && other[i];
	}
	assert_in_range(kept, 240, 360);         /* 300 +- 4 standard deviations */
	assert_in_range(same, 55, 125);          /* another seed is another choice: 90 +- 4 */
	opt.sample = 1;
	opt.invert = true;
	selected(text, &opt, rest);
	assert_null(memchr(rest, 1, N_MANY));
	free(text);
}

static void
test_sample_goes_by_id(void **state)
{
	struct od_record_options opt = plain;
	struct walk a, b;
	int same = 0;

	(void)state;
	opt.sample = 0.5;
	for (int i = 0; i < 50; i++) {
		char text[64];

		snprintf(text, sizeof text, "{\"id\":\"%d\"}", i);
		walk(&a, text, &opt);
		snprintf(text, sizeof text, "{\"more\":true, \"id\":%d}", i);
		walk(&b, text, &opt);
		same += a.count == b.count;
	}
	assert_int_equal(same, 50);
}

static void
test_shards_partition(void **state)
{
	char *text = many();
	unsigned char total[N_MANY] = { 0 }, mark[N_MANY];
	struct od_record_options opt = plain;

	(void)state;
	opt.n_shards = 7;
	for (opt.shard = 0; opt.shard < 7; opt.shard++) {
		selected(text, &opt, mark);
		for (int i = 0; i < N_MANY; i++) {
			assert_int_equal(mark[i], i % 7 == opt.shard);
			total[i] = (unsigned char)(total[i] + mark[i]);
		}
	}
	for (int i = 0; i < N_MANY; i++)
		assert_int_equal(total[i], 1);
	free(text);
}

/* Each shard checks the frame, and tells a malformed record of its own only. */
static void
test_shards_and_frames(void **state)
{
	struct od_record_options opt = plain;
	struct walk w;

	(void)state;
	opt.n_shards = 2;
	for (opt.shard = 0; opt.shard < 2; opt.shard++) {
		walk(&w, OPEN "{}\n{}\n" END(2), &opt);
		assert_int_equal(w.st, OD_EOF);
		assert_int_equal(w.count, 1);
		walk(&w, OPEN "{}\n{}\n", &opt);
		assert_int_equal(w.st, OD_ETRUNC);
		walk(&w, "{}\nbroken\n", &opt);
		assert_int_equal(w.st, opt.shard ? OD_EFORMAT : OD_EOF);
	}
}

static void
test_limit(void **state)
{
	struct od_record_options opt = plain;
	struct walk w;

	(void)state;
	opt.limit = 2;
	walk(&w, "{\"a\":1}\n{\"a\":2}\nbroken\n", &opt);
	assert_int_equal(w.st, OD_EOF);
	assert_int_equal(w.count, 2);
	opt.limit = 0;
	walk(&w, "broken\n", &opt);
	assert_int_equal(w.st, OD_EOF);
}

static void
test_long_id_is_cut_between_characters(void **state)
{
	char text[600] = "{\"id\":\"a";
	struct od_in *in = NULL;
	struct od_jsonl *r = NULL;
	struct od_record rec;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "\xe2\x82\xac");
	strcat(text, "\"}");
	assert_int_equal(od_in_memory(&in, text, strlen(text), "mem", NULL), OD_OK);
	assert_int_equal(od_jsonl_from(&r, in, &plain, NULL), OD_OK);
	assert_int_equal(od_jsonl_next(r, &rec, NULL), OD_OK);
	assert_int_equal(strlen(rec.id), 127);
	assert_int_equal((unsigned char)rec.id[124], 0xe2);
	od_jsonl_close(r);
}

/* ---- fields ------------------------------------------------------------------------------------------------------- */

static void
test_paths(void **state)
{
	static const char text[] = "{\"a\":{\"b\":[10,{\"c\":\"x\"}]},\"a.b\":1,\"p.q\":{\"r.s\":2},\"d-e\":3,\"n\":null}";
	struct od_error err = OD_ERROR_INIT;
	json_t *json = NULL;
	const char *s;
	double v;

	(void)state;
	assert_int_equal(od_json_parse(text, sizeof text - 1, "t", &json, &err), OD_OK);
	assert_int_equal(od_json_need_number(json, "a.b", &v, &err), OD_OK);
	assert_true(v == 1);
	assert_int_equal(od_json_need_number(json, "a.b.0", &v, &err), OD_OK);
	assert_true(v == 10);
	assert_int_equal(od_json_need_string(json, "a.b.1.c", &s, NULL, &err), OD_OK);
	assert_string_equal(s, "x");
	assert_int_equal(od_json_need_number(json, "p.q.r.s", &v, &err), OD_OK);
	assert_int_equal(od_json_need_number(json, "d-e", &v, &err), OD_OK);
	assert_null(od_json_path(json, "a.b.2"));
	assert_null(od_json_path(json, "a.b.x"));
	assert_null(od_json_path(json, "a..b"));
	assert_null(od_json_path(json, ""));
	assert_int_equal(od_json_need_number(json, "zz", &v, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "field 'zz' is missing");
	assert_int_equal(od_json_need_number(json, "a.b.1.c", &v, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "field 'a.b.1.c' must be a number, not a string");
	assert_int_equal(od_json_need_string(json, "n", &s, NULL, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "field 'n' must be a string, not null");
	json_decref(json);
	assert_int_equal(od_json_parse("{\"a\":1,\n\"a\":2}", 14, "cfg", &json, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "cfg:2: "));
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static void
spliced(const char *line, const char *wanted)
{
	static const struct od_member m[] = { { "x", "1.50", 4 }, { "y", "[\"}\"]", 5 } };
	struct od_buf b = OD_BUF_INIT;

	od_jsonl_splice(&b, line, strlen(line), m, 2);
	assert_true(od_buf_ok(&b));
	assert_string_equal(b.data, wanted);
	od_buf_release(&b);
}

static void
test_splice(void **state)
{
	(void)state;
	spliced("{}", "{\"x\":1.50,\"y\":[\"}\"]}");
	spliced(" { } ", " { \"x\":1.50,\"y\":[\"}\"]} ");
	spliced("{\"a\":0.10}", "{\"a\":0.10,\"x\":1.50,\"y\":[\"}\"]}");
	spliced("{\"a\": 1E+2 , \"b\" :\"\\u00e9\\/\" }", "{\"a\": 1E+2 , \"b\" :\"\\u00e9\\/\" ,\"x\":1.50,\"y\":[\"}\"]}");
	spliced("{\"x\" : {\"x\":[1,2,\"]}\"]} , \"y\":\"\\\"\"}", "{\"x\" : 1.50 , \"y\":[\"}\"]}");
	spliced("{\"y\":null,\"o\":{\"x\":1,\"y\":[{\"x\":2}]}}", "{\"y\":[\"}\"],\"o\":{\"x\":1,\"y\":[{\"x\":2}]},\"x\":1.50}");
	spliced("{\"s\":\"\\\\\",\"x\":-3}", "{\"s\":\"\\\\\",\"x\":1.50,\"y\":[\"}\"]}");
	spliced("{\"s\":\"\\\\\\\"x\\\":5\",\"\\u0078\":true}", "{\"s\":\"\\\\\\\"x\\\":5\",\"\\u0078\":1.50,\"y\":[\"}\"]}");
	spliced("{\"x\":9,\"y\":8}", "{\"x\":1.50,\"y\":[\"}\"]}");
}

/* x and y are taken out, z is put in. */
static void
cut_out(const char *line, const char *wanted)
{
	static const struct od_member m[] = { { "x", NULL, 0 }, { "z", "1", 1 }, { "y", NULL, 0 } };
	struct od_buf b = OD_BUF_INIT;

	od_buf_str(&b, ",");                   /* what stands there already is left alone */
	od_jsonl_splice(&b, line, strlen(line), m, 3);
	assert_true(od_buf_ok(&b));
	assert_string_equal(b.data + 1, wanted);
	od_buf_release(&b);
}

static void
test_splice_out(void **state)
{
	(void)state;
	cut_out("{}", "{\"z\":1}");
	cut_out("{\"x\":[1,{\"y\":\"]\"}]}", "{\"z\":1}");
	cut_out(" { \"x\" : 1 } ", " {  \"z\":1} ");
	cut_out("{\"x\":1,\"a\":0.10}", "{\"a\":0.10,\"z\":1}");
	cut_out("{\"a\":0.10 , \"x\":1 }", "{\"a\":0.10  ,\"z\":1}");
	cut_out("{\"a\": 1, \"x\": 2, \"b\": {\"x\":3}, \"y\":4}", "{\"a\": 1, \"b\": {\"x\":3},\"z\":1}");
	cut_out("{\"x\":1,\"y\":2}", "{\"z\":1}");
	cut_out("{\"a\":1,\"x\":1,\"y\":2}", "{\"a\":1,\"z\":1}");
	cut_out("{\"z\":\"old\",\"x\":1}", "{\"z\":1}");
	cut_out("{\"\\u0078\":1,\"a\":\"x\"}", "{\"a\":\"x\",\"z\":1}");
}

/* The parts of a text as "name=value|...". */
static void
walked(const char *text, const char *wanted)
{
	struct od_span name, value;
	struct od_buf b = OD_BUF_INIT;
	size_t pos = 0;

	od_buf_str(&b, "");
	while (od_jsonl_walk(text, strlen(text), &pos, &name, &value)) {
		od_buf_append(&b, text + name.at, name.len);
		od_buf_char(&b, '=');
		od_buf_append(&b, text + value.at, value.len);
		od_buf_char(&b, '|');
	}
	assert_true(od_buf_ok(&b));
	assert_string_equal(b.data, wanted);
	assert_false(od_jsonl_walk(text, strlen(text), &pos, &name, &value));       /* it stays at the end */
	od_buf_release(&b);
}

static void
test_walk(void **state)
{
	struct od_span v;

	(void)state;
	walked("[]", "");
	walked(" { } ", "");
	walked("[1, \"a,]\" ,[2,{\"b\":3}] , {} ,null]", "=1|=\"a,]\"|=[2,{\"b\":3}]|={}|=null|");
	walked(" {\"a\" : 0.10 ,\"\":\"}\\\"\",\"\\u0062\":[{}]}", "a=0.10|=\"}\\\"\"|\\u0062=[{}]|");
	walked("3", "");
	walked("", "");
	assert_true(od_jsonl_member("{\"a\":{\"b\":1}, \"\\u0062\": 22 }", 28, "b", &v));
	assert_int_equal(v.at, 24);
	assert_int_equal(v.len, 2);
	assert_false(od_jsonl_member("{\"a\":{\"b\":1}}", 13, "b", &v));
	assert_false(od_jsonl_member("[\"a\"]", 5, "a", &v));
}

/* What a writer sends through a pipe. */
static void
written(char *text, size_t size, bool framed, int records, const struct od_error *cause)
{
	struct od_jsonl_writer *w = NULL;
	struct od_out *out = NULL;
	ssize_t n;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(od_out_fd(&out, fd[1], "pipe", NULL), OD_OK);
	assert_int_equal(od_jsonl_writer_open(&w, out, framed, "t", NULL), OD_OK);
	for (int i = 0; i < records; i++)
		assert_int_equal(od_jsonl_write(w, "{}", 2, NULL), OD_OK);
	assert_int_equal(od_jsonl_writer_close(w, cause, NULL), OD_OK);
	n = read(fd[0], text, size - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd[0]);
}

static void
test_writer(void **state)
{
	struct od_error none = OD_ERROR_INIT, cause = OD_ERROR_INIT;
	char text[512];

	(void)state;
	od_fail(&cause, OD_EFORMAT, "x:1: bad \"\xff\"");
	written(text, sizeof text, false, 2, &none);
	assert_string_equal(text, "{}\n{}\n");
	written(text, sizeof text, true, 2, NULL);
	assert_string_equal(text, "{\"od_stream\":{\"tool\":\"t\",\"version\":\"" OD_VERSION "\"}}\n{}\n{}\n"
		"{\"od_end\":{\"records\":2}}\n");
	good(text, "{}|{}");
	written(text, sizeof text, false, 0, &cause);
	assert_string_equal(text, "");
	written(text, sizeof text, false, 1, &cause);
	assert_string_equal(text, "{}\n{\"od_error\":{\"tool\":\"t\",\"message\":\"x:1: bad \\\"?\\\"\"}}\n");
	bad(text, OD_ETRUNC, "(t) failed: x:1: bad \"?\"");
	written(text, sizeof text, true, 0, &cause);
	bad(text, OD_ETRUNC, "(t) failed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_big_integers_stay_readable),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_skip_bad),
		cmocka_unit_test(test_reject),
		cmocka_unit_test(test_sample_and_invert),
		cmocka_unit_test(test_sample_goes_by_id),
		cmocka_unit_test(test_shards_partition),
		cmocka_unit_test(test_shards_and_frames),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_long_id_is_cut_between_characters),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_splice),
		cmocka_unit_test(test_splice_out),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_writer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
