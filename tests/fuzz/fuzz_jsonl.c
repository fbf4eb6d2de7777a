/* fuzz_jsonl.c -- hostile record streams. Beyond not crashing, every record that comes out must
 *   - be a line of the input that jansson reads as an object,
 *   - take spliced members without changing the meaning of any other,
 *   - be partitioned by a sample and its complement. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/jsonl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct od_member members[] = { { "x", "[1,{\"x\":2}]", 11 }, { "id", "\"new\"", 5 } };

/* The spliced line must mean the record with its members set, and nothing else. */
static void
check_splice(const struct od_record *rec)
{
	json_t *plain = json_loadb(rec->line, rec->len, JSON_REJECT_DUPLICATES, NULL), *after;
	struct od_buf b = OD_BUF_INIT;

	od_jsonl_splice(&b, rec->line, rec->len, members, 2);
	if (!od_buf_ok(&b))
		abort();
	after = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	if (plain) {                             /* NULL: it holds an integer beyond 64 bits */
		json_object_set_new(plain, "x", json_pack("[i,{s:i}]", 1, "x", 2));
		json_object_set_new(plain, "id", json_string("new"));
		if (!after || !json_equal(plain, after))
			abort();
	}
	json_decref(plain);
	json_decref(after);
	od_buf_release(&b);
}

static int64_t
walk(const uint8_t *data, size_t size, const struct od_record_options *opt, enum od_status *end)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_jsonl *r = NULL;
	struct od_in *in = NULL;
	struct od_record rec;
	enum od_status st;
	int64_t n;

	if (od_in_memory(&in, data, size, "mem", &err) != OD_OK || od_jsonl_from(&r, in, opt, &err) != OD_OK)
		abort();
	while ((st = od_jsonl_next(r, &rec, &err)) == OD_OK) {
		if (!json_is_object(rec.json) || memchr(rec.line, '\n', rec.len) || strlen(rec.id) > 127)
			abort();
		if (od_json_path(rec.json, "a.0.b") && !od_json_path(rec.json, "a") && !od_json_path(rec.json, "a.0"))
			abort();
		check_splice(&rec);
	}
	if (st != OD_EOF && (err.status != st || strncmp(err.msg, "mem:", 4) != 0))
		if (!strstr(err.msg, "malformed records"))
			abort();
	*end = st;
	n = od_jsonl_count(r);
	od_jsonl_close(r);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct od_record_options opt = OD_RECORD_OPTIONS_INIT;
	int64_t all, sample, rest;
	enum od_status st;

	walk(data, size, &opt, &st);
	opt.skip_bad = opt.partial = opt.allow_empty = true;
	all = walk(data, size, &opt, &st);
	opt.sample = 0.5;
	sample = walk(data, size, &opt, &st);
	opt.invert = true;
	rest = walk(data, size, &opt, &st);
	if (sample + rest != all)
		abort();
	opt = (struct od_record_options)OD_RECORD_OPTIONS_INIT;
	opt.n_shards = 3;
	walk(data, size, &opt, &st);
	return 0;
}
