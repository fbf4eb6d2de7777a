/* cuda.h -- inside the CUDA backend: its context, scratch memory, and where each operation lives.
 *
 *   cuda_backend.cu   opens a device, memory, copies, the table
 *   blas.h, blas.cu   cuBLASLt, opened at run time; matrix products whose rows do not depend on their neighbours
 *   norm.cu elem.cu rows.cu optim.cu   what moves through memory once
 *   attn_fwd.cu attn_bwd.cu            attention over the packed tree
 *   paged.cu          generation: products of few rows, keys and values in pages, attention over them
 *   head.cu           LM head: tiles of rows x vocabulary
 *   nccl.h, nccl.cu   collectives between the devices of several processes, NCCL opened at run time
 *   device.h          what kernels are written with
 *   emu/              the same sources on a CPU, for tests
 *
 * One stream; every operation is queued on it and returns at once, download alone waits. All matrices of bf16 runs are
 * OD_BF16 where backend.h allows it, and everything here takes either type. A CUDA error is sticky: the first one is
 * kept in ctx->message, and ok() is 0 from then on.
 */
#ifndef OD_CUDA_H
#define OD_CUDA_H

#include <cuda_runtime.h>

#include "backend.h"

enum cuda_scratch_slot { CUDA_SCRATCH_BLAS, CUDA_SCRATCH_REDUCE, CUDA_SCRATCH_HEAD, CUDA_SCRATCH_HEAD_STATS,
	CUDA_SCRATCH_TREE, CUDA_SCRATCH_ATTN, N_CUDA_SCRATCH_SLOTS };

struct cuda_blas;

struct cuda_ctx {
	int device;
	cudaStream_t stream;
	int failed;                            /* sticky */
	char message[256];                     /* of the first failure */
	struct { void *data; size_t bytes; } scratch[N_CUDA_SCRATCH_SLOTS];
	struct cuda_blas *blas;
	struct cuda_tiles *tiles;              /* attn.h: the packed tree as work lists, as last uploaded */
	struct cuda_group *group;              /* nccl.cu: the devices of the other ranks; NULL: none were joined */
	char name[32], numerics[96];
};

static inline struct cuda_ctx *
cuda_ctx(struct od_backend *be)
{
	return static_cast<struct cuda_ctx *>(be->ctx);
}

/* Notes a failure of 'what'; returns 1 when there was none. */
int od_cuda_check(struct cuda_ctx *ctx, cudaError_t e, const char *what);

/* After a launch. */
#define CUDA_LAUNCHED(ctx, what) od_cuda_check(ctx, cudaGetLastError(), what)

/* At least 'bytes' device bytes, 256-byte aligned, kept for the next call with this slot; contents are not kept when it
 * grows. NULL after marking the backend failed. */
void *od_cuda_scratch(struct cuda_ctx *ctx, enum cuda_scratch_slot slot, size_t bytes);

/* Queues a copy of host memory, which may be reused at once. */
void od_cuda_upload(struct od_backend *be, void *dev, const void *host, size_t bytes);

/* attn_tiles.cu */
void od_cuda_tiles_free(struct cuda_ctx *ctx);

/* nccl.cu */
extern const struct od_group_ops od_cuda_group_ops;
void od_cuda_group_free(struct cuda_ctx *ctx);

/* The operations of kernels/ops.def, one prototype each: od_cuda_gemm, od_cuda_norm_fwd, ... */
#define OD_OP(ret, op, args) ret od_cuda_##op args;
#include "ops.def"
#undef OD_OP

#endif
