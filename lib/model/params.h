/* params.h -- the parameters of a model as one flat fp32 vector with a table of names.
 *
 * Weights, gradients and both optimiser moments share this layout, so the optimiser, the norm, checkpoints and ranks
 * treat a model as a vector of 'total' floats; only forward and backward look at the table. Entries go from the
 * embedding through the layers to the final norm and the head; a tied head has no entry of its own.
 */
#ifndef OD_MODEL_PARAMS_H
#define OD_MODEL_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "io/safetensors.h"
#include "model/config.h"

struct od_param {
	char name[96];                             /* "model.layers.0.self_attn.q_proj.weight" */
	int64_t rows, cols;                        /* a vector has rows = n, cols = 1 */
	int n_dims;                                /* 1 or 2, as in the file */
	int64_t offset;                            /* first float in the flat vector; a multiple of 16 */
	int64_t vector_offset;                     /* vectors: first float among the vectors alone; a multiple of 16 */
};

/* Indices into the table; -1 where the family has no such parameter. */
struct od_layer_params {
	int input_norm, post_attn_norm, pre_mlp_norm, post_mlp_norm;
	int q, k, v, o, q_bias, k_bias, v_bias, o_bias;
	int gate, up, down, gate_bias, up_bias, down_bias;
};

struct od_params {
	struct od_param *table;
	int n;
	int64_t total;                             /* floats in the flat vector, padding between entries included (zero) */
	int64_t vectors;                           /* floats of the vectors alone, padding included */
	int64_t count;                             /* parameters, without padding */
	int embed, final_norm, head;               /* head == embed when tied */
	struct od_layer_params *layers;            /* [n_layers] */
	int n_layers;
};

/* The flat vector is n_layers + 2 parts that follow each other: the embedding, each layer, the final norm with an untied
 * head. Backward finishes them from the last to the first. */
static inline int
od_params_parts(const struct od_params *p)
{
	return p->n_layers + 2;
}

/* Floats [*first, *first + *n) are part i. */
void od_params_part(const struct od_params *p, int i, int64_t *first, int64_t *n);

/* Lays the parameters of a configuration out. has_head: the checkpoint brings lm_head.weight; a config that says untied
 * without one is taken as tied. */
OD_MUST_CHECK enum od_status od_params_layout(struct od_params *p, const struct od_model_config *c, bool has_head,
	struct od_error *err);
void od_params_release(struct od_params *p);

/* The tensor of a parameter in a checkpoint. OD_EFORMAT naming it when it is missing or has another shape. Tensors the layout
 * does not know are ignored (rotary buffers, other heads). */
OD_MUST_CHECK enum od_status od_param_tensor(const struct od_param *e, const struct od_safetensors *s,
	const struct od_tensor_view **t, struct od_error *err);

/* The identity of a model is SHA-256 over names, shapes and fp32 values, whatever its shards or stored dtype: this adds what stands
 * before a parameter's values. */
void od_param_hash_head(struct od_sha256 *h, const struct od_param *e);

/* The identity of a checkpoint, a tensor at a time, so that a model larger than memory has one too. Fails as od_param_tensor
 * does, or when a tensor is of integers. */
OD_MUST_CHECK enum od_status od_params_hash_file(const struct od_params *p, const struct od_safetensors *s,
	char hex[OD_HASH_HEX], struct od_error *err);

/* Writes flat as an image with the table's names; dtype OD_F32, OD_BF16 or OD_F16. */
OD_MUST_CHECK enum od_status od_params_write(const struct od_params *p, const float *flat, enum od_dtype dtype,
	struct od_out *out, struct od_error *err);
/* What stands before the values in such an image; the caller writes them, parameter after parameter. */
OD_MUST_CHECK enum od_status od_params_write_header(const struct od_params *p, enum od_dtype dtype, struct od_out *out,
	struct od_error *err);

#endif
