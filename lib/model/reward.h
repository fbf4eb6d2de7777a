/* reward.h -- what stands on a reward model's decoder: from final-normed hidden states (od_engine_hidden) to numbers.
 *
 *   OD_HEAD_PROCESS  score.0, ReLU, score.2 to two labels: the probability of the second, "this step is good"
 *   OD_HEAD_SCALAR   score.weight [1,d]; or score.0, ReLU, score.2 to one label: a number
 *   OD_HEAD_GATED    two rows a dialogue. The gate's: g = logit_scale softmax(gating(h) / temperature), ReLU between its layers.
 *                    The last token's: r = regression_layer h, one reward an objective. score = sum_j g_j (r M)_j with
 *                    M = reward_transform_matrix, whose rows are the objectives that come in
 *
 * Tensors and formulas: the checkpoints' own. Heads are kept and summed in fp32 on the host, but for the d x d layer score.0, a
 * product of the backend in its type (row invariant). So a row's numbers do not depend on what stands beside it.
 */
#ifndef OD_MODEL_REWARD_H
#define OD_MODEL_REWARD_H

#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "kernels/backend.h"
#include "model/config.h"

struct od_reward;

/* OD_EMISMATCH when the configuration is not of a model with such a head; the message names DIR and what 'who' needs. */
OD_MUST_CHECK enum od_status od_reward_check(const struct od_model_config *c, enum od_head head, const char *dir, const char *who,
	struct od_error *err);

/* Loads the head of the checkpoint in DIR. be, borrowed, must outlive it. OD_EFORMAT naming DIR and the tensor when one is
 * missing or has another shape than the configuration asks for. */
OD_MUST_CHECK enum od_status od_reward_open(struct od_reward **out, const struct od_model_config *c, const char *dir,
	struct od_backend *be, struct od_error *err);
void od_reward_close(struct od_reward *r);         /* NULL is fine */

/* SHA-256 over the head's tensors, as od_params_hash_file makes the decoder's. */
const char *od_reward_hash(const struct od_reward *r);

/* Numbers that a row gives: 1, or the objectives of a gated head. */
int32_t od_reward_width(const struct od_reward *r);

/* out[n, width] (host) from rows[n, hidden_size] (host). gate[n]: which rows are the gate's; NULL where the head has none. */
OD_MUST_CHECK enum od_status od_reward_rows(struct od_reward *r, const float *rows, int64_t n, const uint8_t *gate, float *out,
	struct od_error *err);

/* A gated head's score from a dialogue's two results. */
double od_reward_gated(const struct od_reward *r, const float *gating, const float *rewards);

#endif
