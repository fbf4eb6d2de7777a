/* blas.h -- cuBLASLt behind the backend's matrix product.
 *
 * The library is opened when a device is (dlopen), so a program built with CUDA=1 starts on a machine without it.
 *
 * ROW INVARIANCE. backend.h promises that a row of a product does not depend on how many rows stand beside it. cuBLASLt
 * gives that as long as the same algorithm runs and no product is split along k: each row of the result is then the same
 * sequence of multiply-adds. So the algorithm of a forward product is asked for once, by shape of the weight, for a
 * canonical number of rows, without split-k, and used for every number of rows. Weight gradients (trans_a) need no
 * such thing; their algorithm depends on the token count rounded up to a power of two, never on what ran before, so that a
 * resumed run picks the same.
 */
#ifndef OD_CUDA_BLAS_H
#define OD_CUDA_BLAS_H

#include "cuda.h"

/* Opens the library and a handle. On failure 'why' (of n bytes) says what is missing; returns NULL. tf32: fp32 products may
 * round their inputs to TF32. */
struct cuda_blas *od_cuda_blas_open(bool tf32, char *why, size_t n);
void od_cuda_blas_close(struct cuda_blas *b);

/* "13.1": the library's version, for the backend's numerics. */
const char *od_cuda_blas_version(const struct cuda_blas *b);

/* out = op(a) op(b), plus 'add' where that is not NULL: of out's shape and type, out itself to accumulate. Inputs are of one
 * type, OD_F32 or OD_BF16; the result may be either. */
void od_cuda_product(struct cuda_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b,
	const struct od_mat *add);

#endif
