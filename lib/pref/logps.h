/* logps.h -- log-probs of many tokenised pairs with one model: the scoring loop of od-ref, od-eval and od-train's
 * held-out evaluation.
 *
 * The caller hands over a window of pairs; they are sorted by size, packed into batches of at most batch_tokens tree
 * tokens, run, and the results stand in the caller's order. A pair's numbers do not depend on its window (backend.h, row
 * invariance).
 */
#ifndef OD_PREF_LOGPS_H
#define OD_PREF_LOGPS_H

#include <stdint.h>

#include "base/error.h"
#include "model/engine.h"
#include "pref/pairstream.h"

struct od_pair_logps {
	double chosen, rejected;                   /* sums over scored tokens, natural log; rejected 0 for SFT records */
	float *token_logps;                        /* in: room for scored_chosen + scored_rejected floats, or NULL */
};

/* Called after each batch with the pairs done so far and the batch's flat tokens (prompt counted for both sides). */
typedef void od_logps_progress(void *ctx, int64_t pairs_done, int64_t flat_tokens);

#define OD_LOGPS_BATCH_TOKENS 2048

/* out[n]. batch_tokens <= 0 takes the default; a pair larger than it gets a batch of its own. */
OD_MUST_CHECK enum od_status od_logps_compute(struct od_engine *e, const struct od_token_pair *pairs, int64_t n,
	int64_t batch_tokens, struct od_pair_logps *out, od_logps_progress *progress, void *ctx, struct od_error *err);

/* The sequences of a pair as the engine takes them: prompt + chosen, prompt + rejected, laid out in scratch (ids and
 * scored flags of both, at least 2 * (n_prompt + n_chosen + n_rejected) each). Returns 1 (SFT) or 2. */
int od_pair_seqs(const struct od_token_pair *p, int32_t *ids, uint8_t *scored, struct od_seq seqs[2]);

/* Appends a pair to a batch. */
OD_MUST_CHECK enum od_status od_batch_add_pair(struct od_batch *b, const struct od_token_pair *p, struct od_error *err);

#endif
