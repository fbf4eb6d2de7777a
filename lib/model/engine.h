/* engine.h -- a model on a backend: forward to log-probs, backward to gradients.
 *
 * READ IN THIS ORDER: config.h, params.h, batch.h, forward.c, backward.c. forward.c is the architecture in the notation
 * of the field; backward.c is its mirror.
 *
 * MEMORY. od_engine_reserve plans every activation for a batch of at most so many tokens and rows as one arena, so a
 * training loop allocates nothing. In scoring mode only one layer's activations exist at a time; in training mode each
 * layer keeps its input, q, k, v, the attention output, the mid-layer residual, gate and up; norms and the gated product
 * are recomputed in backward, gate and up too where od_engine_recompute says so.
 */
#ifndef OD_MODEL_ENGINE_H
#define OD_MODEL_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "kernels/backend.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/params.h"

struct od_model {
	struct od_model_config config;
	struct od_params params;
	struct od_backend *be;                     /* borrowed */
	float *weights;                            /* [params.total] fp32, device; NULL when frozen and be->type is not fp32 */
	void *products;                            /* [params.total] be->type, device: what products read; weights in fp32 */
	float *vectors;                            /* [params.vectors] fp32, device: gains and biases without 'weights' */
	char hash[OD_HASH_HEX];                    /* identity of the weights as loaded */
};

/* Loads DIR (config.json, model.safetensors or shards) onto a backend. A frozen model only scores: on a backend that
 * computes in bf16 it is kept in bf16 alone. */
OD_MUST_CHECK enum od_status od_model_open(struct od_model *m, const char *dir, struct od_backend *be, bool frozen,
	struct od_error *err);
/* The same for weights that are at hand: host[params.total], of a model whose config, params and be are set. */
OD_MUST_CHECK enum od_status od_model_place(struct od_model *m, const float *host, bool frozen, struct od_error *err);
void od_model_close(struct od_model *m);

struct od_engine;

/* grads: [params.total] device floats that backward adds to, or NULL for scoring only. */
OD_MUST_CHECK enum od_status od_engine_open(struct od_engine **out, const struct od_model *m, float *grads,
	struct od_error *err);
void od_engine_close(struct od_engine *e);

/* Bytes that a batch of these sizes needs beyond weights, gradients and moments, on a backend of this type. */
int64_t od_engine_bytes(const struct od_model_config *c, enum od_dtype type, bool training, int32_t recompute,
	int64_t max_tokens, int64_t max_rows);

/* The first so many layers do not keep gate and up, the widest of what a layer keeps, but share one place for them and make
 * them again in backward (but for the last to use it): the same bits for less memory. Takes effect at the next od_engine_reserve. */
void od_engine_recompute(struct od_engine *e, int32_t layers);

/* The work that adds, as a share of forward and backward of the products. */
double od_recompute_share(const struct od_model_config *c, int32_t layers);

/* Makes room; grows an existing arena. OD_ENOMEM names the bytes. */
OD_MUST_CHECK enum od_status od_engine_reserve(struct od_engine *e, bool training, int64_t max_tokens, int64_t max_rows,
	int64_t max_entries, int64_t max_pos, struct od_error *err);

/* logps[n_entries] (host): log-probability of each entry's token. Keeps what backward needs when reserved for training.
 * Token ids outside the vocabulary are OD_EFORMAT; a reward model, which has no LM head, is OD_EMISMATCH. */
OD_MUST_CHECK enum od_status od_engine_forward(struct od_engine *e, const struct od_batch *b, float *logps,
	struct od_error *err);

/* hidden[n_rows, hidden_size] (host, fp32): the batch's rows after the final norm, without the LM head; for batches of reads. A row
 * has the same bits whatever it is packed with. */
OD_MUST_CHECK enum od_status od_engine_hidden(struct od_engine *e, const struct od_batch *b, float *hidden,
	struct od_error *err);

/* After a forward of the same batch: coef[n_entries] (host) = d loss / d logps; adds to the gradients. */
OD_MUST_CHECK enum od_status od_engine_backward(struct od_engine *e, const struct od_batch *b, const float *coef,
	struct od_error *err);

/* Called from od_engine_backward when nothing more will be added to the gradients of floats [first, first + n) by this
 * batch: part after part (params.h), the last first, each once. On a device the operations that made them may still be
 * running; the backend's own operations, a download among them, come after. */
typedef void od_gradients_final(void *ctx, int64_t first, int64_t n);

/* Who is told from now on; fn NULL: nobody. */
void od_engine_watch(struct od_engine *e, od_gradients_final *fn, void *ctx);

/* Useful floating point operations of one forward pass over b (tree tokens, scored rows, visible keys); backward is
 * twice that. */
double od_engine_flops(const struct od_model *m, const struct od_batch *b);

#endif
