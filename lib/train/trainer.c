#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pref/logps.h"

struct od_schedule
od_train_schedule(const struct od_train_settings *set, const struct od_order *order)
{
	struct od_schedule s = { .decay = set->decay, .lr = set->lr };

	s.total = set->steps > 0 ? set->steps : od_schedule_updates(order->n, order->batch, set->epochs);
	s.warmup = set->warmup_steps >= 0 ? set->warmup_steps : od_schedule_warmup(set->warmup_ratio, s.total);
	return s;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static enum od_status
alloc_vector(struct od_trainer *t, float **v, const char *what, struct od_error *err)
{
	struct od_backend *be = t->model->be;
	size_t bytes = (size_t)t->model->params.total * sizeof(float);

	*v = be->alloc(be, bytes);
	if (!*v)
		return od_fail_nomem(err, what, bytes);
	be->zero(be, *v, bytes);
	return OD_OK;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static enum od_status
reserve(struct od_trainer *t, int64_t eval_tokens, struct od_error *err)
{
	struct od_micro_peak peak;

	od_order_peak(&t->order, 0, t->schedule.total, t->set.micro_tokens, &peak);
	return od_engine_reserve(t->engine, true, larger(peak.tokens, eval_tokens), larger(peak.rows, eval_tokens),
		larger(peak.entries, eval_tokens), peak.max_pos, err);
}

enum od_status
od_trainer_open(struct od_trainer *t, struct od_model *m, struct od_order *order, const struct od_train_settings *set,
	int64_t eval_tokens, struct od_error *err)
{
	enum od_status st;

	memset(t, 0, sizeof *t);
	t->set = *set;
	t->order = *order;
	memset(order, 0, sizeof *order);
	t->schedule = od_train_schedule(set, &t->order);
	t->model = m;
	st = alloc_vector(t, &t->grads, "the gradients", err);
	if (st == OD_OK)
		st = alloc_vector(t, &t->m, "the first moments", err);
	if (st == OD_OK)
		st = alloc_vector(t, &t->v, "the second moments", err);
	if (st == OD_OK)
		st = od_engine_open(&t->engine, m, t->grads, err);
	if (st == OD_OK)
		st = reserve(t, eval_tokens, err);
	if (st != OD_OK)
		od_trainer_close(t);
	return st;
}

void
od_trainer_close(struct od_trainer *t)
{
	struct od_backend *be = t->model ? t->model->be : NULL;

	od_engine_close(t->engine);
	if (be) {
		be->free(be, t->grads);
		be->free(be, t->m);
		be->free(be, t->v);
	}
	od_order_release(&t->order);
	od_batch_release(&t->batch);
	free(t->logps);
	free(t->coef);
	free(t->sums);
	free(t->seq_coef);
	memset(t, 0, sizeof *t);
}

/* ---- the gradient of a global batch ---------------------------------------------------------------------------- */

static enum od_status
fill_micro(struct od_trainer *t, const int64_t *index, int64_t n, struct od_error *err)
{
	struct od_token_pair p;
	enum od_status st = OD_OK;
	size_t entries, seqs;

	od_batch_clear(&t->batch);
	for (int64_t i = 0; st == OD_OK && i < n; i++) {
		od_pairfile_get(t->order.pairs, index[i], &p);
		st = od_batch_add_pair(&t->batch, &p, err);
	}
	if (st != OD_OK)
		return st;
	entries = (size_t)t->batch.n_entries;
	seqs = (size_t)t->batch.n_seqs;
	if (!od_grow(&t->logps, &t->cap_logps, entries, sizeof(float)) ||
	    !od_grow(&t->coef, &t->cap_coef, entries, sizeof(float)) ||
	    !od_grow(&t->sums, &t->cap_sums, seqs, sizeof(double)) ||
	    !od_grow(&t->seq_coef, &t->cap_seq_coef, seqs, sizeof(double)))
		return od_fail_nomem(err, "a micro-batch", entries * 2 * sizeof(float));
	return OD_OK;
}

/* A pair's factor in the batch's loss: 1/n, or under --sft-norm token its share of the scored tokens. */
static double
share_of(const struct od_trainer *t, const struct od_token_pair *p, int64_t n, int64_t scored)
{
	if (t->set.objective.kind == OD_SFT && t->set.sft_token_mean)
		return (double)p->scored_chosen / (double)scored;
	return 1 / (double)n;
}

struct batch_sums {
	int64_t n, scored;                         /* pairs and scored tokens of the global batch */
	struct od_step_metrics *metrics;
	struct od_buf *telemetry;
};

/* From the log-probs of a micro-batch to the loss of its pairs and the coefficient of each sequence. */
static enum od_status
eval_pairs(struct od_trainer *t, const int64_t *index, int64_t n, const struct batch_sums *g, struct od_error *err)
{
	int32_t seq = 0;

	od_batch_sum(&t->batch, t->logps, t->sums);
	for (int64_t i = 0; i < n; i++) {
		struct od_pair_quantities q;
		struct od_token_pair p;
		struct od_pair_loss l;
		double share;

		od_pairfile_get(t->order.pairs, index[i], &p);
		share = share_of(t, &p, g->n, g->scored);
		q = od_quantities(&p, t->sums[seq], p.n_rejected ? t->sums[seq + 1] : NAN);
		l = od_objective_eval(&t->set.objective, &q);
		if (!isfinite(l.loss) || !isfinite(l.dlogp_chosen) || (p.n_rejected && !isfinite(l.dlogp_rejected)))
			return od_fail(err, OD_ENUMERIC, "update %lld: the loss of pair '%s' is not finite (log-probs %g, "
				"%g)", (long long)t->step + 1, p.id, q.logp_chosen, q.logp_rejected);
		t->seq_coef[seq++] = share * l.dlogp_chosen;
		if (p.n_rejected)
			t->seq_coef[seq++] = share * l.dlogp_rejected;
		od_tally_add(&g->metrics->tally, &q, &l, share);
		g->metrics->tally.tokens += p.n_prompt * (p.n_rejected ? 2 : 1) + p.n_chosen + p.n_rejected;
		if (g->telemetry)
			od_metrics_pair(g->telemetry, t->step + 1, p.id, &q, &l);
	}
	return OD_OK;
}

static enum od_status
micro_gradient(struct od_trainer *t, const int64_t *index, int64_t n, const struct batch_sums *g, struct od_error *err)
{
	enum od_status st = fill_micro(t, index, n, err);

	if (st == OD_OK)
		st = od_engine_forward(t->engine, &t->batch, t->logps, err);
	if (st == OD_OK)
		st = eval_pairs(t, index, n, g, err);
	if (st != OD_OK)
		return st;
	od_batch_spread(&t->batch, t->seq_coef, t->coef);
	g->metrics->flops += 3 * od_engine_flops(t->model, &t->batch);
	return od_engine_backward(t->engine, &t->batch, t->coef, err);
}

static void
clear_gradient(struct od_trainer *t)
{
	struct od_backend *be = t->model->be;

	be->zero(be, t->grads, (size_t)t->model->params.total * sizeof(float));
}

static int64_t
scored_tokens(const struct od_order *o, const int64_t *index, int64_t n)
{
	int64_t sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += o->size[index[i]].entries;
	return sum;
}

enum od_status
od_trainer_gradient(struct od_trainer *t, struct od_step_metrics *metrics, struct od_buf *telemetry,
	struct od_error *err)
{
	struct batch_sums g = { .metrics = metrics, .telemetry = telemetry };
	const int64_t *index;
	enum od_status st = OD_OK;

	memset(metrics, 0, sizeof *metrics);
	metrics->step = t->step + 1;
	metrics->lr = od_schedule_lr(&t->schedule, t->step);
	metrics->epoch = (double)(t->step + 1) / (double)t->order.per_epoch;
	od_order_batch(&t->order, t->step, &index, &g.n);
	g.scored = scored_tokens(&t->order, index, g.n);
	clear_gradient(t);
	for (int64_t at = 0, k; st == OD_OK && at < g.n; at += k) {
		k = od_order_micro(&t->order, index + at, g.n - at, t->set.micro_tokens);
		if (t->stop && *t->stop)
			return od_fail(err, OD_EINTERRUPT, "interrupted");
		st = micro_gradient(t, index + at, k, &g, err);
	}
	return st;
}

/* ---- the update ------------------------------------------------------------------------------------------------ */

static double
gradient_norm(const struct od_trainer *t)
{
	struct od_backend *be = t->model->be;

	return sqrt(be->sum_squares(be, t->grads, t->model->params.total));
}

/* The gradient of the batch is not finite though every loss is: computes it again pair by pair to find the culprit. */
static enum od_status
blame_pair(struct od_trainer *t, struct od_error *err)
{
	struct od_step_metrics scratch = { .step = 0 };
	struct batch_sums g = { .metrics = &scratch };
	const int64_t *index;

	od_order_batch(&t->order, t->step, &index, &g.n);
	g.scored = scored_tokens(&t->order, index, g.n);
	for (int64_t i = 0; i < g.n; i++) {
		struct od_token_pair p;
		enum od_status st;

		clear_gradient(t);
		st = micro_gradient(t, index + i, 1, &g, err);
		if (st != OD_OK)
			return st;
		od_pairfile_get(t->order.pairs, index[i], &p);
		if (!isfinite(gradient_norm(t)))
			return od_fail(err, OD_ENUMERIC, "update %lld: the gradient of pair '%s' is not finite",
				(long long)t->step + 1, p.id);
	}
	return od_fail(err, OD_ENUMERIC, "update %lld: the gradient is not finite, though that of each pair is",
		(long long)t->step + 1);
}

enum od_status
od_trainer_update(struct od_trainer *t, struct od_step_metrics *metrics, struct od_error *err)
{
	struct od_backend *be = t->model->be;
	const struct od_train_settings *s = &t->set;
	double count = (double)(t->step + 1);
	struct od_adamw p = { .lr = metrics->lr, .beta1 = s->beta1, .beta2 = s->beta2, .eps = s->eps,
		.weight_decay = s->weight_decay, .bias1 = 1 - pow(s->beta1, count), .bias2 = 1 - pow(s->beta2, count),
		.grad_scale = 1 };

	metrics->grad_norm = gradient_norm(t);
	if (!isfinite(metrics->grad_norm))
		return blame_pair(t, err);
	if (s->clip > 0 && metrics->grad_norm > 0)
		p.grad_scale = fmin(1, s->clip / (metrics->grad_norm + 1e-6));
	metrics->clip_scale = p.grad_scale;
	be->adamw(be, t->model->weights, t->m, t->v, t->grads,
		t->model->products == t->model->weights ? NULL : t->model->products, t->model->params.total, &p);
	if (!be->ok(be))
		return od_fail(err, OD_ENOMEM, "the %s backend failed: %s", be->name, be->failure(be));
	t->step++;
	return OD_OK;
}

/* ---- held-out pairs -------------------------------------------------------------------------------------------- */

#define EVAL_WINDOW 256

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
		od_tally_add(tally, &q, &l, share_of(t, p, total, scored));
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

enum od_status
od_trainer_evaluate(struct od_trainer *t, const struct od_pairfile *f, struct od_tally *tally, struct od_error *err)
{
	int64_t total = od_pairfile_count(f), scored = all_scored(f), n;
	struct od_pair_logps *logps = od_calloc(EVAL_WINDOW, sizeof *logps);
	struct od_token_pair *pairs = od_calloc(EVAL_WINDOW, sizeof *pairs);
	enum od_status st = pairs && logps ? OD_OK : od_fail_nomem(err, "held-out pairs", EVAL_WINDOW * sizeof *pairs);

	memset(tally, 0, sizeof *tally);
	for (int64_t at = 0; st == OD_OK && at < total; at += n) {
		n = total - at < EVAL_WINDOW ? total - at : EVAL_WINDOW;
		for (int64_t i = 0; i < n; i++)
			od_pairfile_get(f, at + i, &pairs[i]);
		if (t->stop && *t->stop)
			st = od_fail(err, OD_EINTERRUPT, "interrupted");
		else
			st = od_logps_compute(t->engine, pairs, n, t->set.micro_tokens, logps, NULL, NULL, err);
		if (st == OD_OK)
			st = tally_window(t, pairs, logps, n, total, scored, tally, err);
	}
	free(logps);
	free(pairs);
	return st;
}
