/* checkpoint.h -- the state of a run on disk (od-checkpoint(5)).
 *
 * OUT.run/step-N/ is a model directory like any other (config.json, model.safetensors in fp32, tokenizer files) and holds
 * besides:
 *   optimizer.safetensors   both AdamW moments of every parameter, "exp_avg.NAME" and "exp_avg_sq.NAME", fp32
 *   state.json              where the run stands, and size and SHA-256 of the files beside it; written last
 * It is written aside, fsynced and renamed: a directory that is there is complete. Loading compares every hash.
 *
 * Of several ranks, rank 0 writes, the others send it what they own, a piece at a time; so a checkpoint is the same whatever
 * the number of ranks, and any number can go on from it.
 */
#ifndef OD_TRAIN_CHECKPOINT_H
#define OD_TRAIN_CHECKPOINT_H

#include <stdint.h>

#include "base/error.h"
#include "train/trainer.h"

/* Where a run stands, beyond weights and moments. */
struct od_run_state {
	int64_t step;                              /* updates made */
	int64_t metrics_lines, telemetry_lines;    /* lines of the logs at that moment */
	int64_t evaluated;                         /* last step whose held-out loss is in the logs; -1: none */
	int64_t best_step, bad_evals;              /* step of the lowest held-out loss, -1: none; evaluations since */
	double best_loss;
};

#define OD_RUN_STATE_INIT { 0, 0, 0, -1, -1, 0, 0 }

/* Collective. Writes a model directory: the trainer's weights under 'dir', which exists, with the configuration and the
 * tokenizer files of the directory 'from'. config.json's dtype becomes float32, which is what the weights are (Gemma keeps
 * its own: its embedding factor depends on it). 'dir' is looked at by rank 0 alone. */
OD_MUST_CHECK enum od_status od_checkpoint_write_model(const struct od_trainer *t, const char *from, const char *dir,
	struct od_error *err);

/* Collective. Writes the checkpoint directory 'dir', replacing one that is there. */
OD_MUST_CHECK enum od_status od_checkpoint_save(const struct od_trainer *t, const struct od_run_state *state,
	const char *from, const char *dir, struct od_error *err);

/* Reads state.json of 'dir' and compares the files with it. OD_EFORMAT when anything is damaged. */
OD_MUST_CHECK enum od_status od_checkpoint_open(const char *dir, struct od_run_state *state, struct od_error *err);

/* Fills the trainer's moments (what this rank owns of them) and step. The weights are loaded by od_model_open(dir). Not
 * collective. */
OD_MUST_CHECK enum od_status od_checkpoint_load(struct od_trainer *t, const char *dir, const struct od_run_state *state,
	struct od_error *err);

/* Numbers of the step-N directories under 'run', ascending, in a malloc'd array. */
OD_MUST_CHECK enum od_status od_checkpoint_list(const char *run, int64_t **steps, size_t *n, struct od_error *err);

#endif
