/* ref.h -- the reference backend: every operation as the plain loop of its formula, inputs and outputs fp32, arithmetic
 * in double, one thread. It is the oracle of the other backends' tests and is never fast.
 *
 * An operation that needs scratch and cannot get it sets struct ref_ctx.failed and leaves its outputs alone.
 */
#ifndef OD_KERNELS_REF_H
#define OD_KERNELS_REF_H

#include "backend.h"

struct ref_ctx {
	int failed;
};

OD_MUST_CHECK enum od_status od_ref_open(struct od_backend **out, struct od_error *err);
void od_ref_close(struct od_backend *be);

/* n doubles, zeroed; NULL after marking the backend failed. */
double *od_ref_scratch(struct od_backend *be, int64_t n);

/* Element (r, c) of an fp32 view. */
static inline float *
ref_at(const struct od_mat *m, int64_t r, int64_t c)
{
	return (float *)m->data + r * m->ld + c;
}

/* The operations, one prototype each: od_ref_gemm, od_ref_norm_fwd, ... */
#define OD_OP(ret, op, args) ret od_ref_##op args;
#include "ops.def"
#undef OD_OP

#endif
