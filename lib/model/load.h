/* load.h -- private to lib/model: weights on their way from a checkpoint, or from host memory, to a backend.
 *
 * A checkpoint comes in pieces of at most OD_PLACING_MOST floats: while one is hashed (the model's identity), the one after it
 * is converted, and on a device uploaded, by another thread. So loading takes as long as hashing does, and a model on a device
 * takes no more of the host than two pieces.
 */
#ifndef OD_MODEL_LOAD_H
#define OD_MODEL_LOAD_H

#include "io/safetensors.h"
#include "model/engine.h"

#define OD_PLACING_MOST ((int64_t)1 << 22)

/* Puts values into a model whose memory is there: weights, or without them the products' copy and the vectors. */
struct od_placing {
	struct od_model *m;
	float *staging;                            /* device; NULL: the weights are in fp32 there */
};

OD_MUST_CHECK enum od_status od_placing_begin(struct od_placing *p, struct od_error *err);
/* Floats [first, first + n) of parameter i. */
void od_placing_put(struct od_placing *p, int i, int64_t first, const float *values, int64_t n);
/* Makes the products' copy of the weights where both are there, and releases. */
void od_placing_end(struct od_placing *p);

/* Fills the model's memory and m->hash. OD_EFORMAT naming the tensor when one is missing, has another shape or holds
 * integers. */
OD_MUST_CHECK enum od_status od_load_weights(struct od_model *m, const struct od_safetensors *s, struct od_error *err);

#endif
