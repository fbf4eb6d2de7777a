/* metrics.h -- what a run says about itself: one JSON line an update, an evaluation, a pair (od-checkpoint(5)).
 *
 * metrics.jsonl, in order of time:
 *   {"step":N, "epoch":E, "pairs":n, "tokens":.., "scored_tokens":.., "lr":.., "loss":.., "loss_pref":.., "loss_nll":..,
 *    "grad_norm":.., "clip_scale":.., "accuracy":.., "reward_accuracy":.., "margin":.., "z":..,
 *    "logps_chosen":.., "logps_rejected":.., "ref_logps_chosen":.., "ref_logps_rejected":..,
 *    "w_qual":.., "w_perf":.., "gate":.., "ess":.., "time":{"seconds":.., "tokens_per_second":.., "mfu":null}}
 *       of update N (1 is the first); the loss is that of the weights before the update.
 *   {"step":N, "eval":{"pairs":n, "loss":.., ... as above ..., "w_qual":.., ...}, "time":{"seconds":..}}
 *       held-out pairs under the weights after update N (0: before training).
 * Everything but counts and loss is a mean over the pairs of the batch. tokens counts a pair's prompt for both sides,
 * scored_tokens what the loss looks at. accuracy: the policy's mean log-prob per token is higher for chosen
 * (strictly); reward_accuracy: the implicit reward margin is positive (strictly). Log-probs are per
 * scored token. ess: effective sample size (sum w)^2 / sum w^2 of w = w_qual * w_perf * weight, in pairs. What depends on the
 * clock stands under "time" alone, so everything else is the same bytes for the same run. What a batch has no value for
 * (a reference that is not there, the rejected side of SFT records) is null.
 *
 * telemetry.jsonl: a line for each pair of each update, with the names that od-inspect weights reads:
 *   {"step":N, "id":.., "policy_chosen_logps":.., "policy_rejected_logps":.., "ref_chosen_logps":..,
 *    "ref_rejected_logps":.., "chosen_tokens":.., "rejected_tokens":.., "score_chosen":.., "score_rejected":..,
 *    "weight":.., "loss":.., "w_qual":.., "w_perf":.., "z":.., "gate":.., "nll":.., "dlogp_chosen":..,
 *    "dlogp_rejected":.., "margin":..}
 */
#ifndef OD_TRAIN_METRICS_H
#define OD_TRAIN_METRICS_H

#include <stdint.h>

#include "base/buf.h"
#include "pref/objective.h"
#include "pref/pairstream.h"

/* Running sums over the pairs of a batch, in double, in batch order. */
struct od_tally {
	int64_t pairs, tokens, scored_tokens;
	double loss, nll;                          /* weighted by each pair's share of the batch */
	double accuracy, reward_accuracy, margin, z;
	double chosen, rejected, ref_chosen, ref_rejected;
	double w_qual, w_perf, gate, w, w2;
};

/* What a pair's loss is computed from; NaN where the pair has none. */
struct od_pair_quantities od_quantities(const struct od_token_pair *p, double logp_chosen, double logp_rejected);

/* Adds a pair; 'share' is its factor in the batch's loss (1/n, or its part of the tokens). */
void od_tally_add(struct od_tally *t, const struct od_pair_quantities *q, const struct od_pair_loss *l, double share);

struct od_step_metrics {
	int64_t step;
	double epoch, lr, grad_norm, clip_scale, seconds;
	double flops, peak_flops;                  /* of the update; of the machine, 0 = unknown */
	struct od_tally tally;
};

/* Each appends one line. */
void od_metrics_step(struct od_buf *out, const struct od_step_metrics *m);
void od_metrics_eval(struct od_buf *out, int64_t step, const struct od_tally *t, double seconds);
void od_metrics_pair(struct od_buf *out, int64_t step, const char *id, const struct od_pair_quantities *q,
	const struct od_pair_loss *l);

#endif
