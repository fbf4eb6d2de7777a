/* objective.c -- Omni-DPO (arXiv 2506.10054) and the objectives it is compared with, as scalar functions.
 *
 * Notation is the paper's. L and R are the summed log-probs of a response under policy and reference; p and r are what
 * the objective compares: their means over the response's tokens (eq. 12-15), or the sums themselves for the objectives
 * that do not normalise by length. Every objective but SFT is one formula,
 *
 *   l = w_qual * w_perf(m) * S(z) + lambda * cNLL,      S(z) = -(1-e) log sigmoid(z) - e log sigmoid(-z)
 *
 * with z and m linear in p_w - p_l (slope beta), and e = 0 unless labels are smoothed:
 *
 *               z                              m (margin inside w_perf)       w_qual
 *   omni        beta ((p_w-p_l) - (r_w-r_l))   beta (p_w-p_l) - tau_ref       sigmoid(eta (S_w-S_l))
 *   dpo(-ln)    the same                       -                              1
 *   simpo       beta (p_w-p_l) - simpo_gamma   -                              1
 *   focal-dpo   beta ((p_w-p_l) - (r_w-r_l))   z  (eq. 7-8)                   1
 *
 * The derivative goes through w_perf unless it is detached.
 */
#include "pref/objective.h"

#include <math.h>
#include <stddef.h>

const char *const od_objective_names[] = { "omni", "dpo", "dpo-ln", "simpo", "sft", "focal-dpo", NULL };
const char *const od_gate_names[] = { "both", "I", "II", "none", NULL };

struct od_objective
od_objective_default(enum od_objective_kind kind)
{
	struct od_objective o = {
		.kind = kind, .beta = 2, .eta = 0.7, .gamma = 3, .tau_ref = 0.8, .tau_good = 3.2, .lambda = 0.001,
		.simpo_gamma = 1, .label_smoothing = 0, .gate_margin = 0,
		.qual = true, .perf = true, .length_norm = true, .detach_perf = false, .gate = OD_GATE_BOTH
	};

	if (kind == OD_DPO || kind == OD_FOCAL_DPO)
		o.beta = 0.1;
	return o;
}

static bool
gate_needs_score(const struct od_objective *o)
{
	return o->gate == OD_GATE_BOTH || o->gate == OD_GATE_II;
}

static bool
gate_needs_fall(const struct od_objective *o)
{
	return o->gate == OD_GATE_BOTH || o->gate == OD_GATE_I;
}

bool
od_objective_needs_reference(const struct od_objective *o)
{
	return o->kind != OD_SIMPO && o->kind != OD_SFT;
}

bool
od_objective_needs_scores(const struct od_objective *o)
{
	return o->kind == OD_OMNI && (o->qual || (o->lambda != 0 && gate_needs_score(o)));
}

bool
od_objective_needs_rejected(const struct od_objective *o)
{
	return o->kind != OD_SFT;
}

bool
od_objective_uses_means(const struct od_objective *o)
{
	return o->length_norm && o->kind != OD_DPO && o->kind != OD_FOCAL_DPO;
}

/* The preference term before w_qual: its value, and minus its derivative by z's linear part p_w - p_l over beta. */
struct preference {
	double w_perf, value, pull;
};

/* m: the margin inside w_perf. perf: whether there is such a factor. */
static struct preference
preference_term(const struct od_objective *o, double z, double m, bool perf)
{
	double e = o->label_smoothing;
	double s_value = -(1 - e) * od_log_sigmoid(z) - (e != 0 ? e * od_log_sigmoid(-z) : 0);
	double s_pull = (1 - e) * od_sigmoid(-z) - (e != 0 ? e * od_sigmoid(z) : 0);
	struct preference t = { 1, s_value, s_pull };

	if (!perf)
		return t;
	/* eq. 10, (1 - sigmoid(m))^gamma; its logarithmic derivative by m is -gamma sigmoid(m). */
	t.w_perf = exp(o->gamma * od_log_sigmoid(-m));
	t.value = t.w_perf * s_value;
	t.pull = t.w_perf * (s_pull + (o->detach_perf ? 0 : o->gamma * od_sigmoid(m) * s_value));
	return t;
}

/* Eq. 11: I, the chosen response has become less likely than under the reference (a tie is not); II, it is good. */
static bool
gate_open(const struct od_objective *o, double p_w, double r_w, double score)
{
	if (gate_needs_fall(o) && !(r_w - p_w > o->gate_margin))
		return false;
	return !gate_needs_score(o) || score >= o->tau_good;
}

static struct od_pair_loss
eval_sft(const struct od_pair_quantities *q, double p_w, double n_w)
{
	return (struct od_pair_loss){
		.loss = -q->weight * p_w, .w_qual = 1, .w_perf = 1, .dlogp_chosen = -q->weight / n_w
	};
}

struct od_pair_loss
od_objective_eval(const struct od_objective *o, const struct od_pair_quantities *q)
{
	bool means = od_objective_uses_means(o), omni = o->kind == OD_OMNI;
	double n_w = means ? q->n_chosen : 1, n_l = means ? q->n_rejected : 1;
	double p_w = q->logp_chosen / n_w, p_l = q->logp_rejected / n_l;
	double r_w = q->ref_chosen / n_w, r_l = q->ref_rejected / n_l;
	struct od_pair_loss l = { .w_qual = 1 };
	struct preference t;
	double m, g_w, g_l;

	if (o->kind == OD_SFT)
		return eval_sft(q, p_w, n_w);
	l.margin = o->beta * (p_w - p_l);
	if (o->kind == OD_SIMPO) {
		l.z = l.margin - o->simpo_gamma;
	} else {
		l.margin = o->beta * ((p_w - p_l) - (r_w - r_l));      /* eq. 1-3; over means eq. 12-15 */
		l.z = l.margin;
	}
	m = o->kind == OD_FOCAL_DPO ? l.z : o->beta * (p_w - p_l) - o->tau_ref;   /* eq. 7-8; eq. 10, 21 */
	t = preference_term(o, l.z, m, (omni && o->perf) || o->kind == OD_FOCAL_DPO);
	l.w_perf = t.w_perf;
	if (omni && o->qual)
		l.w_qual = od_sigmoid(o->eta * (q->score_chosen - q->score_rejected));   /* eq. 5 */
	if (omni && gate_open(o, p_w, r_w, q->score_chosen)) {
		l.gate = 1;
		l.nll = o->lambda != 0 ? -o->lambda * p_w : 0;         /* eq. 11 */
	}
	l.loss = q->weight * (l.w_qual * t.value + l.nll);             /* eq. 4, 27 */
	g_w = -l.w_qual * o->beta * t.pull - o->lambda * l.gate;
	g_l = l.w_qual * o->beta * t.pull;
	l.dlogp_chosen = q->weight * g_w / n_w;
	l.dlogp_rejected = q->weight * g_l / n_l;
	return l;
}
