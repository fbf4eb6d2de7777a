/* evaluate.c -- held-out pairs, each rank its share. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pref/logps.h"
#include "train/trainer.h"

#define EVAL_WINDOW 256

/* ---- log-probs of a window ------------------------------------------------------------------------------------- */

/* A window of pairs dealt out to the ranks. */
struct window {
	int64_t *tokens;                           /* [n] */
	int *owner;                                /* [n] */
	struct od_token_pair *mine;                /* [n] this rank's pairs come first */
	struct od_pair_logps *logps;               /* [n] of them */
	double *result, *all;                      /* [2 n], [2 n * ranks] */
	int64_t n_mine;
};

static enum od_status
open_window(struct window *w, int64_t n, int n_ranks, struct od_error *err)
{
	size_t k = (size_t)n;
	enum od_status st = od_alloc(&w->tokens, k, sizeof *w->tokens, "a window of pairs", err);

	if (st == OD_OK)
		st = od_alloc(&w->owner, k, sizeof *w->owner, "a window of pairs", err);
	if (st == OD_OK)
		st = od_alloc(&w->mine, k, sizeof *w->mine, "a window of pairs", err);
	if (st == OD_OK)
		st = od_alloc(&w->logps, k, sizeof *w->logps, "a window of pairs", err);
	if (st == OD_OK)
		st = od_alloc(&w->result, 2 * k, sizeof *w->result, "a window of pairs", err);
	return st == OD_OK ? od_alloc(&w->all, 2 * k * (size_t)n_ranks, sizeof *w->all, "a window of pairs", err) : st;
}

static void
close_window(struct window *w)
{
	free(w->tokens);
	free(w->owner);
	free(w->mine);
	free(w->logps);
	free(w->result);
	free(w->all);
}

static enum od_status
compute_share(struct od_trainer *t, struct window *w, const struct od_token_pair *pairs, int64_t n, int64_t batch_tokens,
	struct od_error *err)
{
	enum od_status st;

	for (int64_t i = 0; i < n; i++)
		w->tokens[i] = (int64_t)pairs[i].n_prompt + pairs[i].n_chosen + pairs[i].n_rejected;
	st = od_deal_pairs(w->tokens, n, t->ranks->n, w->owner, err);
	for (int64_t i = 0; st == OD_OK && i < n; i++)
		if (w->owner[i] == t->ranks->rank)
			w->mine[w->n_mine++] = pairs[i];
	if (st == OD_OK)
		st = od_logps_compute(t->engine, w->mine, w->n_mine, batch_tokens, w->logps, NULL, NULL, err);
	for (int64_t i = 0; st == OD_OK && i < w->n_mine; i++) {
		w->result[2 * i] = w->logps[i].chosen;
		w->result[2 * i + 1] = w->logps[i].rejected;
	}
	return st;
}

/* all: n results of each rank, of which its own share is filled. */
static void
put_in_order(const struct window *w, int64_t n, int n_ranks, struct od_pair_logps *out)
{
	for (int k = 0; k < n_ranks; k++) {
		const double *next = w->all + 2 * n * k;

		for (int64_t i = 0; i < n; i++) {
			if (w->owner[i] != k)
				continue;
			out[i].chosen = *next++;
			out[i].rejected = *next++;
		}
	}
}

enum od_status
od_trainer_logps(struct od_trainer *t, const struct od_token_pair *pairs, int64_t n, int64_t batch_tokens,
	struct od_pair_logps *out, struct od_error *err)
{
	struct od_ranks *r = t->ranks;
	struct window w = { .n_mine = 0 };
	enum od_status st = open_window(&w, n, r->n, err);

	if (st == OD_OK && t->stop && *t->stop) {
		st = od_fail(err, OD_EINTERRUPT, "interrupted");
		if (err)
			err->sys = *t->stop;
	}
	if (st == OD_OK)
		st = compute_share(t, &w, pairs, n, batch_tokens, err);
	st = od_ranks_agree(r, st, err);
	if (st == OD_OK)
		st = r->all_gather(r, w.result, 2 * (size_t)n * sizeof *w.result, w.all, err);
	if (st == OD_OK)
		put_in_order(&w, n, r->n, out);
	close_window(&w);
	return st;
}

/* ---- the loss -------------------------------------------------------------------------------------------------- */

static enum od_status
tally_window(const struct od_trainer *t, const struct od_token_pair *pairs, const struct od_pair_logps *logps, int64_t n,
	int64_t total, int64_t scored, struct od_tally *tally, struct od_error *err)
{
	for (int64_t i = 0; i < n; i++) {
		const struct od_token_pair *p = &pairs[i];
		struct od_pair_quantities q = od_quantities(p, logps[i].chosen, logps[i].rejected);
		struct od_pair_loss l = od_objective_eval(&t->set.objective, &q);

		if (!isfinite(l.loss))
			return od_fail(err, OD_ENUMERIC, "after update %lld: the loss of held-out pair '%s' is not finite "
				"(log-probs %g, %g)", (long long)t->step, p->id, q.logp_chosen, q.logp_rejected);
		od_tally_add(tally, &q, &l, od_trainer_share(t, p, total, scored));
		tally->tokens += p->n_prompt * (p->n_rejected ? 2 : 1) + p->n_chosen + p->n_rejected;
	}
	return OD_OK;
}

static int64_t
all_scored(const struct od_pairfile *f)
{
	struct od_token_pair p;
	int64_t sum = 0;

	for (int64_t i = 0; i < od_pairfile_count(f); i++) {
		od_pairfile_get(f, i, &p);
		sum += (int64_t)p.scored_chosen + p.scored_rejected;
	}
	return sum;
}

/* Every rank has the numbers of all pairs, but the logarithms of two machines may differ in the last bit: what is decided by
 * the loss is decided by rank 0's. */
enum od_status
od_trainer_evaluate(struct od_trainer *t, const struct od_pairfile *f, struct od_tally *tally, struct od_error *err)
{
	int64_t total = od_pairfile_count(f), scored = all_scored(f), n;
	struct od_pair_logps *logps = od_calloc(EVAL_WINDOW, sizeof *logps);
	struct od_token_pair *pairs = od_calloc(EVAL_WINDOW, sizeof *pairs);
	enum od_status st = pairs && logps ? OD_OK : od_fail_nomem(err, "held-out pairs", EVAL_WINDOW * sizeof *pairs);

	memset(tally, 0, sizeof *tally);
	st = od_ranks_agree(t->ranks, st, err);
	for (int64_t at = 0; st == OD_OK && at < total; at += n) {
		n = total - at < EVAL_WINDOW ? total - at : EVAL_WINDOW;
		for (int64_t i = 0; i < n; i++)
			od_pairfile_get(f, at + i, &pairs[i]);
		st = od_trainer_logps(t, pairs, n, t->set.micro_tokens, logps, err);
		if (st == OD_OK)
			st = od_ranks_agree(t->ranks, tally_window(t, pairs, logps, n, total, scored, tally, err), err);
	}
	if (st == OD_OK)
		st = t->ranks->broadcast(t->ranks, 0, tally, sizeof *tally, err);
	free(logps);
	free(pairs);
	return st;
}
