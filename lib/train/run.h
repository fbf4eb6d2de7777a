/* run.h -- a training run on disk: the loop around the updates, its logs, checkpoints and result (od-checkpoint(5)).
 *
 * OUT.run/ holds, while a run lives:
 *   spool.pairs, eval.pairs   the tokenised input (spool.h)
 *   run.json                  what the run is: settings, model, data, by value and hash; its presence makes it resumable
 *   metrics.jsonl, telemetry.jsonl   (metrics.h)
 *   step-N/                   checkpoints (checkpoint.h)
 * OUT appears, complete, when the run has finished; run.json, the logs and the checkpoints that were asked for stay.
 *
 * Of several ranks (ranks.h), all make the calls below, which are collective but for od_run_sweep, and rank 0 does what is
 * done to files: the others open no log and need no run directory but for its spool. What depends on the clock rank 0
 * decides.
 *
 * A resumed run is the run that was not interrupted, byte for byte: it starts from the newest checkpoint (or from the
 * beginning when there is none) and cuts the logs back to where they were then.
 */
#ifndef OD_TRAIN_RUN_H
#define OD_TRAIN_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "train/checkpoint.h"
#include "train/log.h"
#include "train/trainer.h"

struct od_run_options {
	const char *out, *dir;                     /* OUT and OUT.run */
	const char *start;                         /* directory of the start model: configuration and tokenizer */
	const char *metrics, *telemetry;           /* copies of the logs besides the run's own, NULL: none */
	int64_t eval_every;                        /* updates between evaluations; 0: before and after only */
	int64_t save_every;                        /* updates between checkpoints; 0: by the clock */
	double save_seconds;                       /* with save_every 0 */
	int64_t keep;                              /* newest checkpoints to keep */
	bool keep_best;                            /* keep that of the lowest held-out loss too; it is the result */
	int64_t patience;                          /* stop after so many evaluations without a new low; 0: never */
	double peak_flops;                         /* of the machine, for MFU; 0: unknown */
	bool force;                                /* an existing OUT is replaced */
};

struct od_run {
	const struct od_run_options *opt;
	struct od_trainer *trainer;
	const struct od_pairfile *held_out;        /* NULL: none */
	struct od_run_state state;
	struct od_log metrics, telemetry;
	struct od_tally last_eval;                 /* the latest of this process */
	bool stopped_early;
	bool torn;                                 /* the weights are ahead of the logs: not a state to save */
	bool save_failed;
	double saved_at;                           /* clock of the last checkpoint */
	int64_t saved_step;                        /* step of the newest checkpoint on disk, -1: none */
	void (*progress)(void *ctx, const struct od_step_metrics *m, int64_t total);
	void (*evaluated)(void *ctx, int64_t step, const struct od_tally *tally);
	void (*warn)(void *ctx, const char *message);
	void *ctx;
};

/* Opens the logs, cut back to r->state (od_checkpoint_open's, or OD_RUN_STATE_INIT for a fresh start). */
OD_MUST_CHECK enum od_status od_run_open(struct od_run *r, struct od_error *err);

/* From the trainer's step to the last one, evaluations and checkpoints included. When it is stopped (OD_EINTERRUPT), a
 * number is not finite (OD_ENUMERIC) or anything else fails, the last good state is saved before it returns. */
OD_MUST_CHECK enum od_status od_run_train(struct od_run *r, struct od_error *err);

/* Writes OUT: the model (the best one with keep_best) and od-train.json with 'about' in it; then removes what only a
 * resume needed. */
OD_MUST_CHECK enum od_status od_run_finish(struct od_run *r, json_t *about, struct od_error *err);

/* What remains to be done when OUT is there already: removes what only a resume needs. Rank 0's alone. */
OD_MUST_CHECK enum od_status od_run_sweep(const struct od_run_options *opt, struct od_error *err);

void od_run_close(struct od_run *r);

#endif
