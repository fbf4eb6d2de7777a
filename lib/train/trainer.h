/* trainer.h -- one update after the other: pairs in, weights changed.
 *
 * READ trainer.c AS THE METHOD: the gradient of a global batch is built micro-batch by micro-batch (forward, loss and
 * derivatives of each pair, one coefficient for each side's scored tokens, backward adds up), then norm, clip, AdamW.
 * What surrounds an update (evaluation, checkpoints, logs) is run.c's business.
 *
 * The state of a trainer is the weights, both moments and the number of updates made; everything else follows from the
 * settings and the data.
 *
 * RANKS. Every rank has a trainer of the same settings over the same pairs and makes the same calls (ranks.h, LOCKSTEP); with
 * one process nothing below differs from what it says without them. A rank computes its share of a batch (order.h), owns its
 * slices of the moments, and of the fp32 master weights where products read a copy of another type (shard.h). Functions
 * marked collective return the same status and message on all ranks.
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
#include "train/exchange.h"
#include "train/order.h"
#include "train/ranks.h"
#include "train/schedule.h"
#include "train/shard.h"

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
	int32_t recompute;                 /* layers that make gate and up again in backward, to save memory */
	uint64_t seed;
	bool shuffle;
};

#define OD_MICRO_TOKENS 2048
#define OD_MICRO_TOKENS_FP32 1792          /* whose activations take twice the room */

struct od_trainer {
	struct od_train_settings set;
	struct od_schedule schedule;
	struct od_order order;
	struct od_model *model;            /* borrowed; its weights are what is trained */
	struct od_engine *engine;
	struct od_ranks *ranks;            /* borrowed */
	struct od_shard shard;
	struct od_exchange *exchange;
	float *grads;                      /* [params.total] device */
	float *m, *v;                      /* [shard.own] device */
	float *master;                     /* [shard.own] device; NULL: the model has the fp32 weights, all of them */
	bool overlap;                      /* gradients leave while backward runs: on devices; on processors, where copying takes
	                                    * the cores that compute, no gain was seen (HACKING.md). May be set before an update */
	int64_t step;                      /* updates made */
	bool broken;                       /* an update failed when weights had changed: not a state to save */
	const volatile sig_atomic_t *stop; /* a signal number once the user wants to stop, 0 before; may be NULL */
	struct od_batch batch;             /* scratch of one micro-batch */
	float *logps, *coef;               /* [cap_entries] */
	double *sums, *seq_coef;           /* [cap_seqs] */
	double *results, *all_results;     /* of the pairs of a batch: this rank's, and those of all ranks */
	size_t cap_logps, cap_coef, cap_sums, cap_seq_coef, cap_results, cap_all_results;
};

/* The schedule that settings and data give. */
struct od_schedule od_train_schedule(const struct od_train_settings *set, const struct od_order *order);

/* Whether the master weights are sharded: then the model is opened frozen, without fp32 weights of its own. */
bool od_trainer_shards_weights(const struct od_backend *be, const struct od_ranks *ranks);

/* Takes over 'order' (opened over the pairs). Allocates gradients, moments (zero) and the engine's arena for the largest
 * micro-batch of the whole run and for a held-out batch of eval_tokens: nothing big is allocated later. Not collective. */
OD_MUST_CHECK enum od_status od_trainer_open(struct od_trainer *t, struct od_model *m, struct od_order *order,
	const struct od_train_settings *set, int64_t eval_tokens, struct od_ranks *ranks, struct od_error *err);
void od_trainer_close(struct od_trainer *t);

/* Reads this rank's slices of the master weights from the directory the model was opened from, where they are sharded. Not
 * collective. */
OD_MUST_CHECK enum od_status od_trainer_load_master(struct od_trainer *t, const char *dir, struct od_error *err);

/* Collective. Fills t->grads with the gradient of the loss of update t->step (of several ranks, each its own slices), and
 * *metrics. Appends a telemetry line a pair unless telemetry is NULL. OD_ENUMERIC names the pair whose loss is not finite;
 * OD_EINTERRUPT when *stop was set on any rank, with the signal in err->sys. The weights and moments stay as they are in
 * every case. */
OD_MUST_CHECK enum od_status od_trainer_gradient(struct od_trainer *t, struct od_step_metrics *metrics,
	struct od_buf *telemetry, struct od_error *err);

/* Collective. The norm of the gradient of the last od_trainer_gradient. */
OD_MUST_CHECK enum od_status od_trainer_norm(struct od_trainer *t, double *norm, struct od_error *err);

/* Collective. Norm, clip, AdamW: makes the update and counts it. OD_ENUMERIC (nothing changed) when the norm is not finite,
 * with the pair to blame where one can be found. */
OD_MUST_CHECK enum od_status od_trainer_update(struct od_trainer *t, struct od_step_metrics *metrics,
	struct od_error *err);

/* Collective. Brings n floats of a vector, from 'first' on, to rank 0: host[n] there, ignored elsewhere. */
enum od_vector_kind { OD_WEIGHTS, OD_FIRST_MOMENT, OD_SECOND_MOMENT, OD_GRADIENT };
OD_MUST_CHECK enum od_status od_trainer_fetch(const struct od_trainer *t, enum od_vector_kind kind, int64_t first, int64_t n,
	float *host, struct od_error *err);

/* ---- evaluate.c ---- */

/* Collective. Log-probs of n pairs under the present weights, each rank its share, the results everywhere; batches of at most
 * batch_tokens. A pair's numbers do not depend on the ranks (backend.h, row invariance). */
struct od_pair_logps;
OD_MUST_CHECK enum od_status od_trainer_logps(struct od_trainer *t, const struct od_token_pair *pairs, int64_t n,
	int64_t batch_tokens, struct od_pair_logps *out, struct od_error *err);

/* Collective. Loss and the rest over all pairs of a file under the present weights; the same bits on all ranks. */
OD_MUST_CHECK enum od_status od_trainer_evaluate(struct od_trainer *t, const struct od_pairfile *pairs,
	struct od_tally *tally, struct od_error *err);

/* A pair's factor in the loss of n pairs with so many scored tokens: 1/n, or under --sft-norm token its share of them. */
double od_trainer_share(const struct od_trainer *t, const struct od_token_pair *p, int64_t n, int64_t scored);

#endif
