/* run.c -- the stream through one expert: score, scale, apply the policies, splice, write. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "pref/objective.h"
#include "score/score.h"

struct run {
	struct od_expert *expert;
	const struct score_options *o;
	bool in_place;
	struct score_summary *sum;
	struct score_block block;
	struct od_buf line, values;
};

/* *adopt: the record keeps its scores and its block. */
static enum od_status
check_block(struct run *r, const struct od_record *rec, bool *adopt, struct od_error *err)
{
	bool same;

	*adopt = false;
	if (r->o->rescore)
		return OD_OK;
	if (r->in_place && !r->o->scale)
		return score_block_adopt(&r->block, rec, adopt, err);
	return score_block_refuse(&r->block, rec, r->in_place, &same, err);
}

/* ---- policies ----------------------------------------------------------------------------------------------------------- */

static enum od_drop
compare_ids(const json_t *w, const json_t *l)
{
	if (!json_is_array(w) || !json_is_array(l))
		return OD_KEEP;
	if (!json_array_size(w) || !json_array_size(l))
		return OD_DROP_EMPTY;
	return json_equal(w, l) ? OD_DROP_IDENTICAL : OD_KEEP;
}

static enum od_drop
judge_texts(const struct run *r, const struct od_record *rec, const struct od_score_result *res)
{
	enum od_drop d = res->chosen_text ? od_pair_compare(res->chosen_text, res->rejected_text) :
		compare_ids(json_object_get(rec->json, "chosen_ids"), json_object_get(rec->json, "rejected_ids"));

	if (d == OD_DROP_IDENTICAL && r->o->identical == POLICY_KEEP)
		return OD_KEEP;
	return d == OD_DROP_EMPTY && r->o->empty == POLICY_KEEP ? OD_KEEP : d;
}

/* Scales the scores, and swaps or drops by them. */
static enum od_drop
judge_scores(struct run *r, struct od_score_result *res, bool *swap)
{
	const struct score_options *o = r->o;
	double t;

	res->chosen = o->a * res->chosen + o->b;
	res->rejected = o->a * res->rejected + o->b;
	*swap = false;
	if (res->chosen < res->rejected) {
		r->sum->inverted++;
		if (o->inverted == INVERTED_DROP)
			return OD_DROP_INVERTED;
		*swap = o->inverted == INVERTED_SWAP;
	}
	if (*swap) {
		t = res->chosen;
		res->chosen = res->rejected;
		res->rejected = t;
	}
	return !isnan(o->gap) && res->chosen - res->rejected < o->gap ? OD_DROP_GAP : OD_KEEP;
}

/* ---- output ------------------------------------------------------------------------------------------------------------- */

/* Members point into r->values only once it has stopped growing. */
struct pending {
	struct od_member m[16];
	size_t at[16], n;
};

static void
put_end(struct run *r, struct pending *p, const char *name, size_t at)
{
	p->m[p->n] = (struct od_member){ name, NULL, r->values.len - at };
	p->at[p->n++] = at;
}

static void
put_json(struct run *r, struct pending *p, const char *name, const json_t *value)
{
	size_t at = r->values.len;
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (!value)
		return;
	if (text)
		od_buf_str(&r->values, text);
	else
		r->values.failed = true;
	free(text);
	put_end(r, p, name, at);
}

static void
put_number(struct run *r, struct pending *p, const char *name, double v)
{
	size_t at = r->values.len;

	od_buf_json_double(&r->values, v);
	put_end(r, p, name, at);
}

/* Exchanges what else comes in two sides, so that a swapped record agrees with itself. */
static void
put_swapped(struct run *r, struct pending *p, const json_t *rec)
{
	static const char *const sides[][2] = {
		{ "chosen_ids", "rejected_ids" }, { "ref_chosen_logps", "ref_rejected_logps" },
		{ "policy_chosen_logps", "policy_rejected_logps" }, { "chosen_tokens", "rejected_tokens" }
	};

	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		const json_t *w = json_object_get(rec, sides[i][0]), *l = json_object_get(rec, sides[i][1]);

		if (w && l) {
			put_json(r, p, sides[i][0], l);
			put_json(r, p, sides[i][1], w);
		}
	}
}

static enum od_status
write_record(struct run *r, const struct od_record *rec, const struct od_score_result *res, bool swap, bool adopt,
	struct od_jsonl_writer *out, struct od_error *err)
{
	struct pending p = { .n = 0 };
	size_t at;

	od_buf_clear(&r->values);
	if (res->renamed)
		put_json(r, &p, "prompt", res->prompt);
	if (res->renamed || swap) {
		put_json(r, &p, "chosen", swap ? res->rejected_text : res->chosen_text);
		put_json(r, &p, "rejected", swap ? res->chosen_text : res->rejected_text);
	}
	if (swap)
		put_swapped(r, &p, rec->json);
	/* Scores that stay what they are keep their spelling. */
	if (swap || !r->in_place || r->o->scale) {
		put_number(r, &p, "score_chosen", res->chosen);
		put_number(r, &p, "score_rejected", res->rejected);
	}
	if (!adopt) {
		at = r->values.len;
		od_buf_str(&r->values, r->block.text);
		put_end(r, &p, "score", at);
	}
	for (size_t i = 0; i < p.n; i++)
		p.m[i].value = r->values.data + p.at[i];
	od_buf_clear(&r->line);
	od_jsonl_splice(&r->line, rec->line, rec->len, p.m, p.n);
	if (!od_buf_ok(&r->values) || !od_buf_ok(&r->line))
		return od_fail_nomem(err, "a record", rec->len);
	return od_jsonl_write(out, r->line.data, r->line.len, err);
}

static enum od_status
run_record(struct run *r, struct od_jsonl *in, const struct od_record *rec, struct od_jsonl_writer *out,
	struct od_error *err)
{
	struct od_score_result res;
	bool adopt = false, swap = false;
	enum od_drop drop;
	enum od_status st = od_expert_score(r->expert, rec, &res, err);

	if (st == OD_EFORMAT)
		return od_jsonl_reject(in, rec, err);
	if (st == OD_OK)
		st = check_block(r, rec, &adopt, err);
	if (st != OD_OK)
		return st;
	drop = res.tied ? OD_DROP_GAP : judge_texts(r, rec, &res);
	if (drop == OD_KEEP)
		drop = judge_scores(r, &res, &swap);
	if (drop != OD_KEEP) {
		r->sum->drops[drop]++;
		return OD_OK;
	}
	if (!isfinite(res.chosen) || !isfinite(res.rejected)) {
		st = od_fail(err, OD_EFORMAT, "scaled score is not finite");
		return od_jsonl_reject(in, rec, err);
	}
	r->sum->written++;
	r->sum->swapped += swap;
	od_quality_add(&r->sum->quality, &r->o->objective, res.chosen, res.rejected);
	return write_record(r, rec, &res, swap, adopt, out, err);
}

enum od_status
score_run(struct od_expert *e, bool in_place, const struct score_options *o, struct od_jsonl *in,
	struct od_jsonl_writer *out, struct score_summary *s, struct od_error *err)
{
	struct run r = { .expert = e, .o = o, .in_place = in_place, .sum = s };
	struct od_buf settings = OD_BUF_INIT;
	struct od_record rec;
	enum od_status st;

	*s = (struct score_summary){ .quality = OD_QUALITY_INIT };
	e->describe(e, &settings);
	st = score_block_make(&r.block, e->name, &settings, o->a, o->b, NULL, err);
	while (st == OD_OK) {
		st = od_jsonl_next(in, &rec, err);
		if (st == OD_OK)
			st = run_record(&r, in, &rec, out, err);
	}
	score_block_release(&r.block);
	od_buf_release(&settings);
	od_buf_release(&r.line);
	od_buf_release(&r.values);
	return st == OD_EOF ? OD_OK : st;
}
