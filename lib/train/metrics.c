#include "train/metrics.h"

#include <math.h>
#include <string.h>

struct od_pair_quantities
od_quantities(const struct od_token_pair *p, double logp_chosen, double logp_rejected)
{
	return (struct od_pair_quantities){
		.logp_chosen = logp_chosen, .logp_rejected = p->n_rejected ? logp_rejected : NAN,
		.ref_chosen = p->ref_chosen_logps, .ref_rejected = p->ref_rejected_logps,
		.n_chosen = p->scored_chosen, .n_rejected = p->scored_rejected,
		.score_chosen = p->score_chosen, .score_rejected = p->score_rejected, .weight = p->weight,
	};
}

void
od_tally_add(struct od_tally *t, const struct od_pair_quantities *q, const struct od_pair_loss *l, double share)
{
	double chosen = q->logp_chosen / q->n_chosen, rejected = q->logp_rejected / q->n_rejected;
	double w = l->w_qual * l->w_perf * q->weight;

	t->pairs++;
	t->scored_tokens += (int64_t)q->n_chosen + (int64_t)q->n_rejected;
	t->loss += share * l->loss;
	t->nll += share * l->nll * q->weight;
	t->accuracy += isnan(rejected) ? NAN : chosen > rejected;
	t->reward_accuracy += isnan(rejected) || isnan(l->margin) ? NAN : l->margin > 0;
	t->margin += l->margin;
	t->z += l->z;
	t->chosen += chosen;
	t->rejected += rejected;
	t->ref_chosen += q->ref_chosen / q->n_chosen;
	t->ref_rejected += q->ref_rejected / q->n_rejected;
	t->w_qual += l->w_qual;
	t->w_perf += l->w_perf;
	t->gate += l->gate;
	t->w += w;
	t->w2 += w * w;
}

static void
number(struct od_buf *b, const char *name, double v)
{
	od_buf_printf(b, ",\"%s\":", name);
	od_buf_json_double(b, v);
}

static void
put_tally(struct od_buf *b, const struct od_tally *t)
{
	double n = (double)t->pairs;

	number(b, "loss", t->loss);
	number(b, "loss_pref", t->loss - t->nll);
	number(b, "loss_nll", t->nll);
	number(b, "accuracy", t->accuracy / n);
	number(b, "reward_accuracy", t->reward_accuracy / n);
	number(b, "margin", t->margin / n);
	number(b, "z", t->z / n);
	number(b, "logps_chosen", t->chosen / n);
	number(b, "logps_rejected", t->rejected / n);
	number(b, "ref_logps_chosen", t->ref_chosen / n);
	number(b, "ref_logps_rejected", t->ref_rejected / n);
	number(b, "w_qual", t->w_qual / n);
	number(b, "w_perf", t->w_perf / n);
	number(b, "gate", t->gate / n);
	number(b, "ess", t->w2 > 0 ? t->w * t->w / t->w2 : 0);
}

void
od_metrics_step(struct od_buf *b, const struct od_step_metrics *m)
{
	const struct od_tally *t = &m->tally;

	od_buf_printf(b, "{\"step\":%lld,\"pairs\":%lld,\"tokens\":%lld,\"scored_tokens\":%lld", (long long)m->step,
		(long long)t->pairs, (long long)t->tokens, (long long)t->scored_tokens);
	number(b, "epoch", m->epoch);
	number(b, "lr", m->lr);
	number(b, "grad_norm", m->grad_norm);
	number(b, "clip_scale", m->clip_scale);
	put_tally(b, t);
	od_buf_str(b, ",\"time\":{\"seconds\":");
	od_buf_json_double(b, m->seconds);
	number(b, "tokens_per_second", m->seconds > 0 ? (double)t->tokens / m->seconds : NAN);
	number(b, "mfu", m->seconds > 0 && m->peak_flops > 0 ? m->flops / m->seconds / m->peak_flops : NAN);
	od_buf_str(b, "}}\n");
}

void
od_metrics_eval(struct od_buf *b, int64_t step, const struct od_tally *t, double seconds)
{
	od_buf_printf(b, "{\"step\":%lld,\"eval\":{\"pairs\":%lld,\"tokens\":%lld,\"scored_tokens\":%lld",
		(long long)step, (long long)t->pairs, (long long)t->tokens, (long long)t->scored_tokens);
	put_tally(b, t);
	od_buf_str(b, "},\"time\":{\"seconds\":");
	od_buf_json_double(b, seconds);
	od_buf_str(b, "}}\n");
}

void
od_metrics_pair(struct od_buf *b, int64_t step, const char *id, const struct od_pair_quantities *q,
	const struct od_pair_loss *l)
{
	od_buf_printf(b, "{\"step\":%lld,\"id\":", (long long)step);
	od_buf_json_string(b, id, strlen(id));
	number(b, "policy_chosen_logps", q->logp_chosen);
	number(b, "policy_rejected_logps", q->logp_rejected);
	number(b, "ref_chosen_logps", q->ref_chosen);
	number(b, "ref_rejected_logps", q->ref_rejected);
	number(b, "chosen_tokens", q->n_chosen);
	number(b, "rejected_tokens", q->n_rejected);
	number(b, "score_chosen", q->score_chosen);
	number(b, "score_rejected", q->score_rejected);
	number(b, "weight", q->weight);
	number(b, "loss", l->loss);
	number(b, "w_qual", l->w_qual);
	number(b, "w_perf", l->w_perf);
	number(b, "z", l->z);
	number(b, "gate", l->gate);
	number(b, "nll", l->nll);
	number(b, "dlogp_chosen", l->dlogp_chosen);
	number(b, "dlogp_rejected", l->dlogp_rejected);
	number(b, "margin", l->margin);
	od_buf_str(b, "}\n");
}
