#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
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
alloc_vector(struct od_trainer *t, float **v, int64_t n, const char *what, struct od_error *err)
{
	struct od_backend *be = t->model->be;
	size_t bytes = (size_t)n * sizeof(float);

	*v = be->alloc(be, bytes);
	if (!*v)
		return od_fail_nomem(err, what, bytes);
	be->zero(be, *v, bytes);
	return OD_OK;
}

static enum od_status
reserve(struct od_trainer *t, int64_t eval_tokens, struct od_error *err)
{
	struct od_micro_peak peak;
	enum od_status st = od_order_peak_share(&t->order, 0, t->schedule.total, t->set.micro_tokens, t->ranks->rank,
		t->ranks->n, &peak, err);

	if (st != OD_OK)
		return st;
	return od_engine_reserve(t->engine, true, od_larger(peak.tokens, eval_tokens), od_larger(peak.rows, eval_tokens),
		od_larger(peak.entries, eval_tokens), peak.max_pos, err);
}

bool
od_trainer_shards_weights(const struct od_backend *be, const struct od_ranks *ranks)
{
	return ranks->n > 1 && be->type != OD_F32;
}

static enum od_status
alloc_vectors(struct od_trainer *t, struct od_error *err)
{
	int64_t own = t->shard.own;
	enum od_status st = alloc_vector(t, &t->grads, t->model->params.total, "the gradients", err);

	if (st == OD_OK)
		st = alloc_vector(t, &t->m, own, "the first moments", err);
	if (st == OD_OK)
		st = alloc_vector(t, &t->v, own, "the second moments", err);
	if (st == OD_OK && od_trainer_shards_weights(t->model->be, t->ranks))
		st = alloc_vector(t, &t->master, own, "the master weights", err);
	return st;
}

enum od_status
od_trainer_open(struct od_trainer *t, struct od_model *m, struct od_order *order, const struct od_train_settings *set,
	int64_t eval_tokens, struct od_ranks *ranks, struct od_error *err)
{
	enum od_status st;

	memset(t, 0, sizeof *t);
	t->set = *set;
	t->order = *order;
	memset(order, 0, sizeof *order);
	t->schedule = od_train_schedule(set, &t->order);
	t->model = m;
	t->ranks = ranks;
	t->overlap = ranks->n > 1 && !m->be->host_memory;
	st = od_shard_open(&t->shard, &m->params, ranks->rank, ranks->n, err);
	if (st == OD_OK)
		st = alloc_vectors(t, err);
	if (st == OD_OK)
		st = od_exchange_open(&t->exchange, ranks, m->be, &t->shard, err);
	if (st == OD_OK)
		st = od_engine_open(&t->engine, m, t->grads, err);
	if (st == OD_OK)
		od_engine_recompute(t->engine, set->recompute);
	if (st == OD_OK)
		st = reserve(t, eval_tokens, err);
	if (st != OD_OK)
		od_trainer_close(t);
	return st;
}

enum od_status
od_trainer_load_master(struct od_trainer *t, const char *dir, struct od_error *err)
{
	struct od_safetensors *s = NULL;
	enum od_status st;

	if (!t->master)
		return OD_OK;
	st = od_safetensors_open_dir(&s, dir, err);
	if (st == OD_OK)
		st = od_shard_read(&t->shard, &t->model->params, s, "", t->model->be, t->master, err);
	od_safetensors_close(s);
	return st;
}

void
od_trainer_close(struct od_trainer *t)
{
	struct od_backend *be = t->model ? t->model->be : NULL;

	od_engine_close(t->engine);
	od_exchange_close(t->exchange);
	if (be) {
		be->free(be, t->grads);
		be->free(be, t->m);
		be->free(be, t->v);
		be->free(be, t->master);
	}
	od_shard_release(&t->shard);
	od_order_release(&t->order);
	od_batch_release(&t->batch);
	free(t->logps);
	free(t->coef);
	free(t->sums);
	free(t->seq_coef);
	free(t->results);
	free(t->all_results);
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

double
od_trainer_share(const struct od_trainer *t, const struct od_token_pair *p, int64_t n, int64_t scored)
{
	if (t->set.objective.kind == OD_SFT && t->set.sft_token_mean)
		return (double)p->scored_chosen / (double)scored;
	return 1 / (double)n;
}

/* A global batch and this rank's share of it. */
struct share {
	const int64_t *index, *mine;               /* numbers of pairs */
	int64_t n, n_mine, scored;                 /* scored: tokens of the global batch */
	int64_t most;                              /* pairs of the rank that has most */
};

/* What a rank tells the others of its share: floating point operations, then both log-probs of each pair. */
#define RESULTS(pairs) (1 + 2 * (size_t)(pairs))

static int64_t
scored_tokens(const struct od_order *o, const int64_t *index, int64_t n)
{
	int64_t sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += o->size[index[i]].entries;
	return sum;
}

static enum od_status
find_share(struct od_trainer *t, struct share *s, struct od_error *err)
{
	enum od_status st;

	*s = (struct share){ .n = 0 };
	od_order_batch(&t->order, t->step, &s->index, &s->n);
	s->scored = scored_tokens(&t->order, s->index, s->n);
	st = od_order_share(&t->order, s->index, s->n, t->ranks->rank, t->ranks->n, &s->mine, &s->n_mine, err);
	for (int k = 0; st == OD_OK && k < t->ranks->n; k++) {
		int64_t count = 0;

		for (int64_t i = 0; i < s->n; i++)
			count += t->order.owner[i] == k;
		s->most = od_larger(s->most, count);
	}
	if (st == OD_OK && (!od_grow(&t->results, &t->cap_results, RESULTS(s->most), sizeof(double)) ||
	    !od_grow(&t->all_results, &t->cap_all_results, RESULTS(s->most) * (size_t)t->ranks->n, sizeof(double))))
		st = od_fail_nomem(err, "the results of a batch", RESULTS(s->most) * sizeof(double));
	if (st == OD_OK)
		t->results[0] = 0;
	return st;
}

/* From the log-probs of a micro-batch, pairs at .. at + n of the share, to the coefficient of each sequence. */
static enum od_status
eval_pairs(struct od_trainer *t, const struct share *s, int64_t at, int64_t n, struct od_error *err)
{
	double *result = t->results + RESULTS(at);
	int32_t seq = 0;

	od_batch_sum(&t->batch, t->logps, t->sums);
	for (int64_t i = 0; i < n; i++) {
		struct od_pair_quantities q;
		struct od_token_pair p;
		struct od_pair_loss l;
		double share;

		od_pairfile_get(t->order.pairs, s->mine[at + i], &p);
		share = od_trainer_share(t, &p, s->n, s->scored);
		*result++ = t->sums[seq];
		*result++ = p.n_rejected ? t->sums[seq + 1] : NAN;
		q = od_quantities(&p, result[-2], result[-1]);
		l = od_objective_eval(&t->set.objective, &q);
		if (!isfinite(l.loss) || !isfinite(l.dlogp_chosen) || (p.n_rejected && !isfinite(l.dlogp_rejected)))
			return od_fail(err, OD_ENUMERIC, "update %lld: the loss of pair '%s' is not finite (log-probs %g, "
				"%g)", (long long)t->step + 1, p.id, q.logp_chosen, q.logp_rejected);
		t->seq_coef[seq++] = share * l.dlogp_chosen;
		if (p.n_rejected)
			t->seq_coef[seq++] = share * l.dlogp_rejected;
	}
	return OD_OK;
}

static enum od_status
micro_gradient(struct od_trainer *t, const struct share *s, int64_t at, int64_t n, struct od_error *err)
{
	enum od_status st = fill_micro(t, s->mine + at, n, err);

	if (st == OD_OK)
		st = od_engine_forward(t->engine, &t->batch, t->logps, err);
	if (st == OD_OK)
		st = eval_pairs(t, s, at, n, err);
	if (st != OD_OK)
		return st;
	od_batch_spread(&t->batch, t->seq_coef, t->coef);
	t->results[0] += 3 * od_engine_flops(t->model, &t->batch);
	return od_engine_backward(t->engine, &t->batch, t->coef, err);
}

static void
clear_gradient(struct od_trainer *t)
{
	struct od_backend *be = t->model->be;

	be->zero(be, t->grads, (size_t)t->model->params.total * sizeof(float));
}

/* The engine has finished a part in the last micro-batch of a batch: its way to the owners may begin. What fails here
 * fails again, and is told, in od_exchange_reduce. */
static void
send_part(void *ctx, int64_t first, int64_t n)
{
	struct od_trainer *t = ctx;

	(void)n;
	for (int i = 0; i < t->shard.n_parts; i++)
		if (t->shard.part[i].first == first && od_exchange_reduce_part(t->exchange, t->grads, i, NULL) != OD_OK)
			return;
}

static enum od_status
interrupted(const struct od_trainer *t, struct od_error *err)
{
	od_fail(err, OD_EINTERRUPT, "interrupted");
	if (err)
		err->sys = *t->stop;
	return OD_EINTERRUPT;
}

/* This rank's share, micro-batch by micro-batch. */
static enum od_status
share_gradient(struct od_trainer *t, const struct share *s, struct od_error *err)
{
	enum od_status st = OD_OK;

	clear_gradient(t);
	for (int64_t at = 0, k; st == OD_OK && at < s->n_mine; at += k) {
		k = od_order_micro(&t->order, s->mine + at, s->n_mine - at, t->set.micro_tokens);
		if (t->overlap && at + k == s->n_mine)
			od_engine_watch(t->engine, send_part, t);
		if (t->stop && *t->stop)
			st = interrupted(t, err);
		else
			st = micro_gradient(t, s, at, k, err);
	}
	od_engine_watch(t->engine, NULL, NULL);
	return st;
}

/* The results of all ranks, tallied in the order of the batch: the same sums as one process makes. */
static void
tally_batch(struct od_trainer *t, const struct share *s, struct od_step_metrics *metrics, struct od_buf *telemetry,
	int64_t *next)
{
	for (int k = 0; k < t->ranks->n; k++) {
		next[k] = (int64_t)RESULTS(s->most) * k + 1;
		metrics->flops += t->all_results[next[k] - 1];
	}
	for (int64_t i = 0; i < s->n; i++) {
		const double *logp = t->all_results + next[t->order.owner[i]];
		struct od_pair_quantities q;
		struct od_token_pair p;
		struct od_pair_loss l;

		next[t->order.owner[i]] += 2;
		od_pairfile_get(t->order.pairs, s->index[i], &p);
		q = od_quantities(&p, logp[0], logp[1]);
		l = od_objective_eval(&t->set.objective, &q);
		od_tally_add(&metrics->tally, &q, &l, od_trainer_share(t, &p, s->n, s->scored));
		metrics->tally.tokens += p.n_prompt * (p.n_rejected ? 2 : 1) + p.n_chosen + p.n_rejected;
		if (telemetry)
			od_metrics_pair(telemetry, t->step + 1, p.id, &q, &l);
	}
}

static enum od_status
gather_results(struct od_trainer *t, const struct share *s, struct od_step_metrics *metrics, struct od_buf *telemetry,
	struct od_error *err)
{
	struct od_ranks *r = t->ranks;
	int64_t *next = NULL;
	enum od_status st = od_alloc(&next, (size_t)r->n, sizeof *next, "the results of a batch", err);

	st = od_ranks_agree(r, st, err);
	if (st == OD_OK)
		st = r->all_gather(r, t->results, RESULTS(s->most) * sizeof(double), t->all_results, err);
	if (st == OD_OK)
		tally_batch(t, s, metrics, telemetry, next);
	free(next);
	return st;
}

enum od_status
od_trainer_gradient(struct od_trainer *t, struct od_step_metrics *metrics, struct od_buf *telemetry,
	struct od_error *err)
{
	struct share s;
	enum od_status st = find_share(t, &s, err), sent;

	memset(metrics, 0, sizeof *metrics);
	metrics->step = t->step + 1;
	metrics->lr = od_schedule_lr(&t->schedule, t->step);
	metrics->epoch = (double)(t->step + 1) / (double)t->order.per_epoch;
	if (st == OD_OK)
		st = share_gradient(t, &s, err);
	/* a rank that failed takes part in the exchange, so that the others do not wait for it */
	sent = od_exchange_reduce(t->exchange, t->grads, st == OD_OK ? err : NULL);
	if (st == OD_OK)
		st = sent;
	st = od_ranks_agree(t->ranks, st, err);
	return st == OD_OK ? gather_results(t, &s, metrics, telemetry, err) : st;
}

/* ---- the update ------------------------------------------------------------------------------------------------ */

enum od_status
od_trainer_norm(struct od_trainer *t, double *norm, struct od_error *err)
{
	struct od_backend *be = t->model->be;
	double sum = 0;
	enum od_status st;

	for (int i = 0; i < t->shard.n_parts; i++) {
		struct od_slice x = od_shard_slice(&t->shard, i, t->ranks->rank);

		sum += be->sum_squares(be, t->grads + x.first, x.n);
	}
	st = od_ranks_sum(t->ranks, &sum, err);
	*norm = sqrt(sum);
	return st;
}

/* One of this rank's pairs alone. */
static enum od_status
try_pair(struct od_trainer *t, const struct share *s, int64_t i, struct od_error *err)
{
	struct od_backend *be = t->model->be;
	struct od_token_pair p;
	enum od_status st;

	clear_gradient(t);
	st = micro_gradient(t, s, i, 1, err);
	if (st != OD_OK || isfinite(be->sum_squares(be, t->grads, t->model->params.total)))
		return st;
	od_pairfile_get(t->order.pairs, s->mine[i], &p);
	return od_fail(err, OD_ENUMERIC, "update %lld: the gradient of pair '%s' is not finite", (long long)t->step + 1, p.id);
}

/* The gradient of the batch is not finite though every loss is: computes it again pair by pair to find the culprit. */
static enum od_status
blame_pair(struct od_trainer *t, struct od_error *err)
{
	struct share s;
	enum od_status st = find_share(t, &s, err);

	for (int64_t i = 0; st == OD_OK && i < s.n_mine; i++)
		st = try_pair(t, &s, i, err);
	st = od_ranks_agree(t->ranks, st, err);
	if (st != OD_OK)
		return st;
	return od_fail(err, OD_ENUMERIC, "update %lld: the gradient is not finite, though that of each pair is",
		(long long)t->step + 1);
}

/* AdamW on what this rank owns. */
static enum od_status
step_own(struct od_trainer *t, const struct od_adamw *p, struct od_error *err)
{
	const struct od_model *m = t->model;
	struct od_backend *be = m->be;

	for (int i = 0; i < t->shard.n_parts; i++) {
		struct od_slice x = od_shard_slice(&t->shard, i, t->ranks->rank);
		int64_t at = t->shard.at[i];
		char *copy = m->products == m->weights ? NULL : (char *)m->products + (size_t)x.first * od_dtype_size(be->type);

		be->adamw(be, t->master ? t->master + at : m->weights + x.first, t->m + at, t->v + at, t->grads + x.first, copy,
			x.n, p);
	}
	return be->ok(be) ? OD_OK : od_fail(err, OD_ENOMEM, "the %s backend failed: %s", be->name, be->failure(be));
}

/* The others' new weights. A rank that failed gives what it has; the agreement ends the run. */
static enum od_status
spread(struct od_trainer *t, struct od_error *err)
{
	const struct od_model *m = t->model;
	enum od_status st = od_exchange_gather(t->exchange, m->products, m->be->type, err);

	if (st == OD_OK && t->master)
		st = od_shard_vectors(&t->shard, t->ranks, m->be, &m->params, t->master, m->vectors, err);
	return st;
}

enum od_status
od_trainer_update(struct od_trainer *t, struct od_step_metrics *metrics, struct od_error *err)
{
	const struct od_train_settings *s = &t->set;
	double count = (double)(t->step + 1);
	struct od_adamw p = { .lr = metrics->lr, .beta1 = s->beta1, .beta2 = s->beta2, .eps = s->eps,
		.weight_decay = s->weight_decay, .bias1 = 1 - pow(s->beta1, count), .bias2 = 1 - pow(s->beta2, count),
		.grad_scale = 1 };
	enum od_status st = od_trainer_norm(t, &metrics->grad_norm, err), sent;

	if (st != OD_OK)
		return st;
	if (!isfinite(metrics->grad_norm))
		return blame_pair(t, err);
	if (s->clip > 0 && metrics->grad_norm > 0)
		p.grad_scale = fmin(1, s->clip / (metrics->grad_norm + 1e-6));
	metrics->clip_scale = p.grad_scale;
	st = step_own(t, &p, err);
	sent = spread(t, st == OD_OK ? err : NULL);
	st = od_ranks_agree(t->ranks, st == OD_OK ? sent : st, err);
	t->broken = st != OD_OK;
	t->step += st == OD_OK;
	return st;
}

/* ---- reading the state ----------------------------------------------------------------------------------------- */

enum od_status
od_trainer_fetch(const struct od_trainer *t, enum od_vector_kind kind, int64_t first, int64_t n, float *host,
	struct od_error *err)
{
	struct od_backend *be = t->model->be;
	const float *vector[] = { [OD_WEIGHTS] = t->master, [OD_FIRST_MOMENT] = t->m, [OD_SECOND_MOMENT] = t->v,
		[OD_GRADIENT] = t->grads };

	if (kind == OD_WEIGHTS && !t->master) {        /* rank 0 has them all */
		if (t->ranks->rank == 0)
			be->download(be, host, t->model->weights + first, (size_t)n * sizeof *host);
		return OD_OK;
	}
	return od_shard_fetch(&t->shard, t->ranks, be, vector[kind], kind == OD_GRADIENT, first, n, host, err);
}
