/* trainer.h -- one update after the other: pairs in, weights changed.
 *
 * READ trainer.c AS THE METHOD: the gradient of a global batch is built micro-batch by micro-batch (forward, loss and
 * derivatives of each pair, one coefficient for each side's scored tokens, backward adds up), then norm, clip, AdamW.
 * What surrounds an update (evaluation, checkpoints, logs) is run.c's business.
 *
 * The state of a trainer is the weights, both moments and the number of updates made; everything else follows from the
 * settings and the data.
 */
#ifndef OD_TRAIN_TRAINER_H
#define OD_TRAIN_TRAINER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/engine.h"
#include "pref/objective.h"
#include "pref/pairstream.h"
#include "train/metrics.h"
#include "train/order.h"
#include "train/schedule.h"

struct od_train_settings {
	struct od_objective objective;
	bool sft_token_mean;               /* sft: mean over all tokens of the batch, not of sequence means */
	double lr, beta1, beta2, eps, weight_decay;
	double clip;                       /* bound of the gradient's norm; 0: none */
	enum od_decay decay;
	double warmup_ratio;
	int64_t warmup_steps;              /* < 0: by the ratio */
	int64_t batch, epochs;
	int64_t steps;                     /* > 0: this many updates, whatever the epochs say */
	int64_t micro_tokens;              /* budget of a micro-batch, in tree tokens; 0: od-train chooses for the device */
	uint64_t seed;
	bool shuffle;
};

#define OD_MICRO_TOKENS 2048

struct od_trainer {
	struct od_train_settings set;
	struct od_schedule schedule;
	struct od_order order;
	struct od_model *model;            /* borrowed; its weights are what is trained */
	struct od_engine *engine;
	float *grads, *m, *v;              /* [params.total] device */
	int64_t step;                      /* updates made */
	const volatile sig_atomic_t *stop; /* a signal number once the user wants to stop, 0 before; may be NULL */
	struct od_batch batch;             /* scratch of one micro-batch */
	float *logps, *coef;               /* [cap_entries] */
	double *sums, *seq_coef;           /* [cap_seqs] */
	size_t cap_logps, cap_coef, cap_sums, cap_seq_coef;
};

/* The schedule that settings and data give. */
struct od_schedule od_train_schedule(const struct od_train_settings *set, const struct od_order *order);

/* Takes over 'order' (opened over the pairs). Allocates gradients, moments (zero) and the engine's arena for the largest
 * micro-batch of the whole run and for a held-out batch of eval_tokens: nothing big is allocated later. */
OD_MUST_CHECK enum od_status od_trainer_open(struct od_trainer *t, struct od_model *m, struct od_order *order,
	const struct od_train_settings *set, int64_t eval_tokens, struct od_error *err);
void od_trainer_close(struct od_trainer *t);

/* Fills t->grads with the gradient of the loss of update t->step, and *metrics. Appends a telemetry line a pair unless
 * telemetry is NULL. OD_ENUMERIC names the pair whose loss is not finite; OD_EINTERRUPT when *stop was set. The weights
 * and moments stay as they are in every case. */
OD_MUST_CHECK enum od_status od_trainer_gradient(struct od_trainer *t, struct od_step_metrics *metrics,
	struct od_buf *telemetry, struct od_error *err);

/* Norm, clip, AdamW: makes the update and counts it. OD_ENUMERIC (nothing changed) when the norm is not finite, with
 * the pair to blame where one can be found. */
OD_MUST_CHECK enum od_status od_trainer_update(struct od_trainer *t, struct od_step_metrics *metrics,
	struct od_error *err);

/* Loss and the rest over all pairs of a file under the present weights. */
OD_MUST_CHECK enum od_status od_trainer_evaluate(struct od_trainer *t, const struct od_pairfile *pairs,
	struct od_tally *tally, struct od_error *err);

#endif
