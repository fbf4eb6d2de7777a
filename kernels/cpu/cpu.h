/* cpu.h -- inside the CPU backend: its context, scratch memory, matrix products, and the table of vector kernels.
 *
 *   cpu_backend.c   opens the backend, chooses the instruction set, memory operations
 *   gemm.c          fp32 products through oneDNN, in pieces that keep rows invariant; own product as the fallback
 *   gemm_bf16.c     bf16 products: packing, blocks, threads; bf16.h and bf16_*.c: their innermost tile
 *   dots.c          products of few rows, for generation; dots*.inc.h: their blocks; attn_paged.inc.h: attention there
 *   head.c          LM head: tiles of rows x vocabulary; head_bf16.c: on bf16 factors; head.h: what they share
 *   simd_*.c        everything else, the same sources (*.inc.h) compiled once per instruction set
 *
 * One backend is used by one host thread at a time; operations spread themselves over OpenMP threads.
 */
#ifndef OD_KERNELS_CPU_H
#define OD_KERNELS_CPU_H

#include "backend.h"

struct cpu_kernels;
struct bf16_kernels;
struct gemm_cache;

enum cpu_scratch_slot { SCRATCH_GEMM, SCRATCH_GEMM_A, SCRATCH_GEMM_TEAM, SCRATCH_ATTN, SCRATCH_ATTN_TEAM, SCRATCH_ATTN_INDEX, SCRATCH_HEAD,
	SCRATCH_HEAD_STATS, SCRATCH_HEAD_INDEX, SCRATCH_REDUCE, N_SCRATCH_SLOTS };

struct cpu_ctx {
	int failed;                        /* sticky: an operation ran out of memory or oneDNN refused */
	int threads;
	const struct cpu_kernels *k;
	const struct bf16_kernels *bf16;
	struct gemm_cache *gemm;           /* NULL: products by own kernels */
	struct { void *data; size_t bytes; } scratch[N_SCRATCH_SLOTS];
	char numerics[64];
};

OD_MUST_CHECK enum od_status od_cpu_open(struct od_backend **out, enum od_compute compute, int threads, struct od_error *err);
int od_cpu_prefers_bf16(void);
void od_cpu_close(struct od_backend *be);

static inline struct cpu_ctx *
cpu_ctx(struct od_backend *be)
{
	return be->ctx;
}

static inline float *
mat_row(const struct od_mat *m, int64_t r)
{
	return (float *)m->data + r * m->ld;
}

/* At least 'bytes' bytes, 64-byte aligned, kept for the next call that asks for this slot; contents are not kept when
 * it grows. NULL after marking the backend failed. */
void *od_cpu_scratch(struct cpu_ctx *ctx, enum cpu_scratch_slot slot, size_t bytes);

/* gemm.c: NULL in *out when oneDNN's products are not row-invariant on this processor. */
OD_MUST_CHECK enum od_status od_gemm_cache_open(struct gemm_cache **out, int threads, struct od_error *err);
void od_gemm_cache_close(struct gemm_cache *c);
void od_cpu_gemm(struct od_backend *be, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b,
	int accumulate);
const char *od_gemm_library(void);     /* "onednn-2.6" */

/* gemm_bf16.c: out[m,n] (any) = op(a) op(b) + x, bf16 factors; += with accumulate. x (f32) may have NULL data. */
void od_cpu_gemm_bf16(struct cpu_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b,
	int accumulate, struct od_mat x);

/* The same in two steps, for a factor that is used more than once: columns [col, col + n) of op(b) packed into 'to'
 * (od_bf16_packed elements, n of which a view of 'out' has as columns), then out (+)= op(a) B. */
void od_cpu_bf16_pack(struct cpu_ctx *ctx, uint16_t *to, struct od_mat b, int trans, int64_t col, int64_t n);
void od_cpu_bf16_multiply(struct cpu_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, const uint16_t *b, int accumulate);

/* dots.c */
void od_cpu_dots(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x);

/* head.c; head_bf16.c where h and w are bf16 */
void od_cpu_head_fwd(struct od_backend *be, float *logps, float *lse, struct od_mat h, struct od_mat w, float softcap,
	const struct od_targets *targets);
void od_cpu_head_bwd(struct od_backend *be, struct od_mat dh, struct od_mat dw, struct od_mat h, struct od_mat w, float softcap,
	const float *lse, const struct od_targets *targets, const float *coef);

#endif
