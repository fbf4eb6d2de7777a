/* objective.h -- the losses: from log-probs and scores of one pair to loss, weights and derivatives. Pure scalar
 * functions in double; reads like the paper (arXiv 2506.10054, equation numbers in objective.c).
 */
#ifndef OD_PREF_OBJECTIVE_H
#define OD_PREF_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "stats/logistic.h"                   /* od_sigmoid, od_log_sigmoid */

enum od_objective_kind { OD_OMNI, OD_DPO, OD_DPO_LN, OD_SIMPO, OD_SFT, OD_FOCAL_DPO };

enum od_gate { OD_GATE_BOTH, OD_GATE_I, OD_GATE_II, OD_GATE_NONE };   /* conditions required; none: always open */

struct od_objective {
	enum od_objective_kind kind;
	double beta, eta, gamma, tau_ref, tau_good, lambda, simpo_gamma, label_smoothing, gate_margin;
	bool qual, perf, length_norm, detach_perf;
	enum od_gate gate;
};

/* Defaults of the kind: omni beta 2, eta 0.7, gamma 3, tau_ref 0.8, lambda 0.001, tau_good 3.2; dpo and focal-dpo beta
 * 0.1; simpo beta 2, simpo_gamma 1. */
struct od_objective od_objective_default(enum od_objective_kind kind);

/* Names for options, NULL-terminated, in enum order: "omni", "dpo", "dpo-ln", "simpo", "sft", "focal-dpo". */
extern const char *const od_objective_names[];
extern const char *const od_gate_names[];          /* "both", "I", "II", "none" */

bool od_objective_needs_reference(const struct od_objective *o);
bool od_objective_needs_scores(const struct od_objective *o);
bool od_objective_needs_rejected(const struct od_objective *o);    /* all but sft */

/* Whether log-probs are compared as means over scored tokens: all but dpo and focal-dpo, unless length_norm is off.
 * gate_margin and the c-NLL are on the same footing (means, or sums). */
bool od_objective_uses_means(const struct od_objective *o);

struct od_pair_quantities {
	double logp_chosen, logp_rejected;         /* policy, summed over scored tokens, natural log */
	double ref_chosen, ref_rejected;           /* reference; NaN when absent */
	double n_chosen, n_rejected;               /* scored tokens */
	double score_chosen, score_rejected;       /* expert scores; NaN when absent */
	double weight;                             /* factor from the data, 1 when none */
};

struct od_pair_loss {
	double loss;                               /* weight * (preference term + nll) */
	double w_qual, w_perf;                     /* 1 when the objective has no such factor */
	double z;                                  /* argument of the logsigmoid */
	double gate;                               /* 0 or 1 */
	double nll;                                /* -lambda * gate * p_w (not yet times weight) */
	double dlogp_chosen, dlogp_rejected;       /* d loss / d summed log-probs */
	double margin;                             /* implicit reward margin: beta ((p_w - r_w) - (p_l - r_l)); simpo has no
	                                            * reference in it; 0 for sft */
};

/* Evaluates one pair. Never fails: what is missing is the caller's to check (od_objective_needs_*). */
struct od_pair_loss od_objective_eval(const struct od_objective *o, const struct od_pair_quantities *q);

#endif
