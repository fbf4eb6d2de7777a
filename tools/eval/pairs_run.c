/* pairs_run.c -- see pairs.h. Two ways to a pair's log-probs: they stand in the record, or models compute them over
 * windows of records. Both end in add_pair.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pref/agree.h"
#include "common/session.h"
#include "eval/pairs.h"
#include "pref/window.h"

struct scorer {
	struct od_session session;
	struct od_engine *engine;
};

struct run {
	const struct pairs_options *o;
	const struct od_objective *objective;
	struct scorer policy[2], ref;
	int n_policies;
	bool has_ref;                              /* a reference model, not the records' log-probs */
	struct od_rules *rules;                    /* of the first model; NULL without models */
	struct od_agreement agreement;
	struct od_field_map map;
	struct od_jsonl *in;
	struct od_jsonl_writer *items;
	struct od_buf line;
	struct pairs_result *result;
	struct od_progress *progress;
	int64_t pairs;
};

/* ---- one pair ------------------------------------------------------------------------------------------------------ */

/* What the objective needs of a record besides the policy's log-probs. */
static enum od_status
check_needs(const struct run *r, const struct od_pair *p, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (od_objective_needs_scores(r->objective))
		st = od_pair_need_scores(p, err);
	if (st == OD_OK && !r->has_ref && od_objective_needs_reference(r->objective) &&
		od_pair_need_reference(p, NULL) != OD_OK)
		st = od_fail(err, OD_EFORMAT, "field '%s' is missing: od-ref adds it, or give --ref-model DIR",
			isnan(p->ref_chosen_logps) ? "ref_chosen_logps" : "ref_rejected_logps");
	return st;
}

/* The record's own reference is compared with the rules in use; a reference model makes it irrelevant. */
static enum od_status
check_record(void *ctx, const struct od_pair *p, struct od_error *err)
{
	struct run *r = ctx;
	enum od_status st = check_needs(r, p, err);

	if (st != OD_OK || r->has_ref || isnan(p->ref_chosen_logps))
		return st;
	return od_agree(&r->agreement, p->has_ref_info ? &p->ref : NULL, r->rules, err);
}

static enum od_status
add_pair(struct run *r, int policy, const char *id, int64_t index, const struct od_pair_quantities *q,
	struct od_error *err)
{
	struct od_sheet *s = &r->result->sheet[policy];
	double row[OD_BENCH_PAIRS_COLUMNS];
	enum od_status st;

	od_bench_pairs_row(r->objective, q, row);
	st = od_sheet_add(s, id, index, row, err);
	return st == OD_OK && policy == 0 ? report_item(r->items, s, &r->line, err) : st;
}

/* ---- log-probs in the records ------------------------------------------------------------------------------------ */

static enum od_status
stored_quantities(const struct run *r, const struct od_pair *p, struct od_pair_quantities *q, struct od_error *err)
{
	bool both = od_objective_needs_rejected(r->objective);
	const struct {
		double value;
		const char *name;
		bool needed;
	} fields[] = { { p->policy_chosen_logps, "policy_chosen_logps", true }, { p->chosen_tokens, "chosen_tokens", true },
		{ p->policy_rejected_logps, "policy_rejected_logps", both }, { p->rejected_tokens, "rejected_tokens", both } };

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (fields[i].needed && isnan(fields[i].value))
			return od_fail(err, OD_EFORMAT, "field '%s' is missing: od-ref --prefix policy adds it, or give "
				"--model DIR", fields[i].name);
	*q = (struct od_pair_quantities){ p->policy_chosen_logps, p->policy_rejected_logps, p->ref_chosen_logps,
		p->ref_rejected_logps, p->chosen_tokens, p->rejected_tokens, p->score_chosen, p->score_rejected, p->weight };
	return check_needs(r, p, err);
}

static enum od_status
evaluate_stored(struct run *r, struct od_error *err)
{
	struct od_pair_quantities q;
	struct od_record rec;
	struct od_pair p;
	enum od_status st;

	for (;;) {
		st = od_jsonl_next(r->in, &rec, err);
		if (st != OD_OK)
			return st == OD_EOF ? OD_OK : st;
		st = od_pair_read(&p, &rec, &r->map, err);
		if (st == OD_OK)
			st = stored_quantities(r, &p, &q, err);
		if (st == OD_OK)
			st = add_pair(r, 0, rec.id, rec.index, &q, err);
		else if (st == OD_EFORMAT)
			st = od_jsonl_reject(r->in, &rec, err);
		if (st != OD_OK)
			return st;
		od_progress_update(r->progress, ++r->pairs, NULL);
	}
}

/* ---- log-probs from models --------------------------------------------------------------------------------------- */

static enum od_status
open_scorer(struct scorer *s, const char *dir, const struct pairs_options *o, struct od_error *err)
{
	enum od_status st = od_session_open(&s->session, dir, &o->device, (int)o->common.threads, &o->rules, err);

	return st == OD_OK ? od_engine_open(&s->engine, &s->session.model, NULL, err) : st;
}

static void
close_scorer(struct scorer *s)
{
	od_engine_close(s->engine);
	od_session_close(&s->session);
}

/* All models read the same token ids, so they must have the same tokenizer. */
static enum od_status
check_tokenizers(const struct od_session *a, const char *name_a, const struct od_session *b, const char *name_b,
	struct od_error *err)
{
	if (a->tokenizer == NULL || b->tokenizer == NULL)
		return OD_OK;
	if (strcmp(od_tokenizer_hash(a->tokenizer), od_tokenizer_hash(b->tokenizer)) == 0)
		return OD_OK;
	return od_fail(err, OD_EMISMATCH, "cannot compare models '%s' and '%s': their tokenizers differ", name_a, name_b);
}

static enum od_status
open_models(struct run *r, const char *const *policies, struct od_error *err)
{
	const struct pairs_options *o = r->o;
	struct od_session *first = &r->policy[0].session;
	enum od_status st = OD_OK;

	for (int k = 0; st == OD_OK && k < r->n_policies; k++) {
		st = open_scorer(&r->policy[k], policies[k], o, err);
		if (st == OD_OK && k > 0)
			st = check_tokenizers(first, policies[0], &r->policy[k].session, policies[k], err);
		if (st == OD_OK)
			memcpy(r->result->model[k], r->policy[k].session.model.hash, sizeof r->result->model[k]);
	}
	if (st == OD_OK && r->has_ref) {
		st = open_scorer(&r->ref, o->ref_model, o, err);
		if (st == OD_OK)
			st = check_tokenizers(first, policies[0], &r->ref.session, o->ref_model, err);
		if (st == OD_OK)
			memcpy(r->result->ref_model, r->ref.session.model.hash, sizeof r->result->ref_model);
	}
	r->rules = &first->rules;
	return st;
}

/* Counts that a reference pass left in the record tell whether it saw the same tokens. */
static enum od_status
check_counts(const struct run *r, const struct od_window_item *it, struct od_error *err)
{
	const struct od_pair *p = &it->numbers;

	if (r->has_ref || isnan(p->ref_chosen_logps))
		return OD_OK;
	if ((!isnan(p->chosen_tokens) && p->chosen_tokens != it->pair.scored_chosen) ||
		(!isnan(p->rejected_tokens) && p->rejected_tokens != it->pair.scored_rejected))
		return od_fail(err, OD_EMISMATCH, "record '%s': the reference was made over %.0f and %.0f tokens, here there "
			"are %d and %d", it->id, p->chosen_tokens, p->rejected_tokens, it->pair.scored_chosen,
			it->pair.scored_rejected);
	return OD_OK;
}

/* The rows of a window under policy k, whose log-probs its items hold; ref[n] of a reference model, or NULL. */
static enum od_status
add_window(struct run *r, const struct od_window *w, int k, const struct od_pair_logps *ref, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (int64_t i = 0; st == OD_OK && i < w->n; i++) {
		const struct od_window_item *it = &w->items[i];
		struct od_pair_quantities q = { it->logps.chosen, it->logps.rejected, it->numbers.ref_chosen_logps,
			it->numbers.ref_rejected_logps, it->pair.scored_chosen, it->pair.scored_rejected,
			it->numbers.score_chosen, it->numbers.score_rejected, it->numbers.weight };

		if (it->pair.n_rejected == 0)
			q.logp_rejected = q.n_rejected = NAN;
		if (ref != NULL) {
			q.ref_chosen = ref[i].chosen;
			q.ref_rejected = ref[i].rejected;
		}
		if (!isfinite(it->logps.chosen) || !isfinite(it->logps.rejected))
			st = od_fail(err, OD_ENUMERIC, "record '%s': its log-probs are not finite", it->id);
		if (st == OD_OK)
			st = check_counts(r, it, err);
		if (st == OD_OK)
			st = add_pair(r, k, it->id, it->numbers.index, &q, err);
	}
	return st;
}

static int64_t
batch_tokens(const struct run *r, const struct scorer *s)
{
	return od_device_batch_tokens(s->session.be, r->o->batch_tokens);
}

static enum od_status
score_window(struct run *r, struct od_window *w, struct od_error *err)
{
	struct od_pair_logps *ref = NULL;
	enum od_status st = OD_OK;

	if (r->has_ref) {
		st = od_alloc(&ref, (size_t)w->n, sizeof *ref, "reference log-probs", err);
		if (st == OD_OK)
			st = od_window_score(w, r->ref.engine, batch_tokens(r, &r->ref), NULL, NULL, err);
		for (int64_t i = 0; st == OD_OK && i < w->n; i++)
			ref[i] = w->items[i].logps;
	}
	for (int k = 0; st == OD_OK && k < r->n_policies; k++) {
		st = od_window_score(w, r->policy[k].engine, batch_tokens(r, &r->policy[k]), NULL, NULL, err);
		if (st == OD_OK)
			st = add_window(r, w, k, ref, err);
	}
	free(ref);
	return st;
}

static enum od_status
evaluate_models(struct run *r, struct od_error *err)
{
	struct od_window w = OD_WINDOW_INIT;
	enum od_status st = OD_OK;

	w.sft = !od_objective_needs_rejected(r->objective);
	w.check = check_record;
	w.check_ctx = r;
	while (st == OD_OK) {
		st = od_window_fill(&w, r->in, r->rules, &r->map, err);
		if (st == OD_OK)
			st = score_window(r, &w, err);
		if (st == OD_OK) {
			r->pairs += w.n;
			od_progress_update(r->progress, r->pairs, NULL);
		}
	}
	memcpy(r->result->dropped, w.dropped, sizeof w.dropped);
	od_window_release(&w);
	return st == OD_EOF ? OD_OK : st;
}

/* How policy k was measured: a manifest. */
static enum od_status
describe(struct run *r, int k, const char *dir, struct od_error *err)
{
	const struct od_objective *o = r->objective;
	const char *base = dir != NULL && strrchr(dir, '/') != NULL && strrchr(dir, '/')[1] != '\0' ? strrchr(dir, '/') + 1 : dir;
	json_t *run = json_pack("{s:s, s:s*, s:s*, s:s*, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:s}", "benchmark", "pairs", "name", base,
		"model", dir != NULL ? r->result->model[k] : NULL, "ref_model", r->has_ref ? r->result->ref_model : NULL,
		"objective", od_objective_names[o->kind], "beta", o->beta, "eta", o->eta, "gamma", o->gamma, "tau_ref", o->tau_ref,
		"tau_good", o->tau_good, "lambda", o->lambda, "version", OD_VERSION);
	char rules[128];

	if (run == NULL)
		return od_fail_nomem(err, "a manifest", 64);
	if (r->rules != NULL) {
		od_rules_name(r->rules, rules);
		json_object_set_new(run, "rules", json_string(rules));
		json_object_set_new(run, "numerics", json_string(r->policy[k].session.be->numerics));
	}
	od_sheet_made(&r->result->sheet[k], run);
	json_decref(run);
	return OD_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

enum od_status
pairs_evaluate(const struct pairs_options *o, const char *const *policies, int n_policies, const char *const *files,
	size_t n_files, struct od_jsonl_writer *items, struct pairs_result *result, struct od_error *err)
{
	struct run r = { .o = o, .objective = &o->objective.o, .n_policies = n_policies, .has_ref = o->ref_model != NULL,
		.agreement = OD_AGREEMENT_INIT, .map = { .weight = o->objective.weight_field }, .items = items,
		.line = OD_BUF_INIT, .result = result };
	enum od_status st = OD_OK;

	*result = (struct pairs_result){ .first_skip = OD_BUF_INIT };
	for (int k = 0; k < 2; k++)
		od_sheet_init(&result->sheet[k], "pairs", od_bench_pairs_columns, OD_BENCH_PAIRS_COLUMNS);
	r.agreement.told = od_rules_options_told(&o->rules);
	if (n_policies > 0)
		st = open_models(&r, policies, err);
	for (int k = 0; st == OD_OK && (k == 0 || k < n_policies); k++)
		st = describe(&r, k, n_policies > 0 ? policies[k] : NULL, err);
	if (st == OD_OK)
		st = od_jsonl_open(&r.in, files, n_files, &o->records, err);
	if (st == OD_OK) {
		r.progress = od_progress_begin("evaluating", o->records.limit, "pairs");
		st = n_policies > 0 ? evaluate_models(&r, err) : evaluate_stored(&r, err);
		od_progress_end(r.progress);
		result->skipped = od_jsonl_skipped(r.in);
		od_buf_str(&result->first_skip, od_jsonl_first_skip(r.in));
	}
	result->without_ref = r.agreement.without;
	od_jsonl_close(r.in);
	for (int k = 0; k < n_policies; k++)
		close_scorer(&r.policy[k]);
	close_scorer(&r.ref);
	od_buf_release(&r.line);
	return st;
}

void
pairs_result_release(struct pairs_result *r)
{
	od_sheet_release(&r->sheet[0]);
	od_sheet_release(&r->sheet[1]);
	od_buf_release(&r->first_skip);
}
