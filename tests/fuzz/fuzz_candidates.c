/* fuzz_candidates.c -- hostile candidate sets and pairs. Every record that is read must
 *   - have its responses where their spans say,
 *   - take members into each response, and named scores beside others, without changing the meaning of anything else. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pref/candidates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct od_member score = { "score", "1.5", 3 }, block = { "score", "{\"expert\":\"x\"}", 14 }, named = { "n", "2", 1 };

static void
check(bool good)
{
	if (!good)
		abort();
}

static void
check_spans(const struct od_candidates *c, const struct od_record *rec)
{
	for (size_t i = 0; i < c->n && !c->pair; i++) {
		json_t *e = json_loadb(rec->line + c->list[i].span.at, c->list[i].span.len, JSON_DECODE_ANY, NULL);

		check(!e || json_equal(e, c->list[i].json));     /* NULL: it holds an integer beyond 64 bits */
		json_decref(e);
	}
}

/* The record with the members set by jansson. */
static void
set_members(json_t *plain, const struct od_candidates *c)
{
	json_t *responses = json_object_get(plain, "responses");

	for (size_t i = 0; i < c->n && !c->pair; i++)
		json_object_set_new(json_array_get(responses, i), "score", json_real(1.5));
	if (c->pair) {
		json_object_set_new(plain, "score_chosen", json_real(1.5));
		json_object_set_new(plain, "score_rejected", json_real(1.5));
	}
	json_object_set_new(plain, "score", json_pack("{s:s}", "expert", "x"));
}

static void
check_splice(const struct od_candidates *c, const struct od_record *rec)
{
	struct od_candidate_members *each = calloc(c->n + 1, sizeof *each);
	json_t *plain = json_loadb(rec->line, rec->len, JSON_REJECT_DUPLICATES, NULL), *after;
	struct od_buf out = OD_BUF_INIT;

	check(each);
	for (size_t i = 0; i < c->n; i++)
		each[i] = (struct od_candidate_members){ &score, 1 };
	od_candidates_splice(&out, c, rec, each, &block, 1);
	check(od_buf_ok(&out));
	after = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	if (plain) {
		set_members(plain, c);
		check(after && json_equal(plain, after));
	}
	json_decref(plain);
	json_decref(after);
	od_buf_release(&out);
	free(each);
}

static void
check_named(const struct od_candidates *c, const struct od_record *rec)
{
	for (size_t i = 0; i < c->n; i++) {
		const json_t *old = od_candidate_get(rec->json, i, "scores");
		struct od_buf out = OD_BUF_INIT;
		json_t *after;

		od_candidates_splice_into(&out, c, rec, i, "scores", &named);
		check(od_buf_ok(&out));
		after = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
		if (after) {
			check(json_integer_value(json_object_get(after, "n")) == 2);
			check(json_object_size(after) == json_object_size(old) + !json_object_get(old, "n"));
		}
		json_decref(after);
		od_buf_release(&out);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct od_record_options opt = OD_RECORD_OPTIONS_INIT;
	struct od_candidates c = OD_CANDIDATES_INIT;
	struct od_error err = OD_ERROR_INIT;
	struct od_jsonl *r = NULL;
	struct od_in *in = NULL;
	struct od_record rec;
	enum od_status st;

	opt.skip_bad = opt.partial = opt.allow_empty = true;
	check(od_in_memory(&in, data, size, "mem", &err) == OD_OK && od_jsonl_from(&r, in, &opt, &err) == OD_OK);
	while (od_jsonl_next(r, &rec, &err) == OD_OK) {
		size_t len;

		st = od_candidates_read(&c, &rec, "a.0", &err);
		if (st != OD_OK) {
			check(st == OD_EFORMAT && err.msg[0]);
			continue;
		}
		check(!od_candidates_question(&c, &len) || len < size);
		check_spans(&c, &rec);
		check_splice(&c, &rec);
		check_named(&c, &rec);
	}
	od_candidates_release(&c);
	od_jsonl_close(r);
	return 0;
}
