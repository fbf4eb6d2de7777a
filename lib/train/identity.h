/* identity.h -- the start-up self-test: a policy that starts as the reference must give the reference's log-probs.
 *
 * Then z = 0 for every pair, the gate's first condition is a tie, and Omni-DPO's loss is mean(w_qual * w_perf) * ln 2
 * (w_qual and w_perf 1 where switched off). A stream scored by another model, tokenizer or set of rules, or shuffled
 * against its numbers, fails here and not after a day of training.
 */
#ifndef OD_TRAIN_IDENTITY_H
#define OD_TRAIN_IDENTITY_H

#include <stdint.h>

#include "base/error.h"
#include "train/trainer.h"

struct od_identity {
	int64_t pairs;                             /* compared */
	double max_diff;                           /* largest difference of a summed log-prob */
	char worst[128];                           /* the pair that has it */
	double loss, expected;                     /* over these pairs: computed, and with the policy = reference */
};

/* Compared are the shortest of the first OD_IDENTITY_FROM pairs, so many, and beyond the first one no more than so many tokens: a
 * start takes no longer for long pairs, and what the test is for shows in any. */
#define OD_IDENTITY_FROM 64
#define OD_IDENTITY_PAIRS 8
#define OD_IDENTITY_TOKENS 1024
/* What printing and reading back may cost a sum of log-probs; another model or tokenisation is off by far more. */
#define OD_IDENTITY_TOLERANCE 1e-4

/* Collective. Computes log-probs of some pairs under the trainer's present weights and compares. Objectives without a
 * reference compare nothing (pairs = 0). */
OD_MUST_CHECK enum od_status od_identity_check(struct od_trainer *t, struct od_identity *id, struct od_error *err);

#endif
