/* simd.h -- the table of vector kernels of one instruction set. The sources (*.inc.h) are the same for all; simd_*.c
 * compile them once each, and od_cpu_open takes the best table the processor can run.
 */
#ifndef OD_KERNELS_CPU_SIMD_H
#define OD_KERNELS_CPU_SIMD_H

#include "cpu/bf16.h"
#include "cpu/cpu.h"

struct cpu_kernels {
	const char *name;              /* "avx512", "avx2", "plain" */

	/* Operations of ops.def that need no help from outside the file. */
	__typeof__(((struct od_backend *)0)->cast) cast;
	__typeof__(((struct od_backend *)0)->embed_fwd) embed_fwd;
	__typeof__(((struct od_backend *)0)->embed_bwd) embed_bwd;
	__typeof__(((struct od_backend *)0)->norm_fwd) norm_fwd;
	__typeof__(((struct od_backend *)0)->norm_bwd) norm_bwd;
	__typeof__(((struct od_backend *)0)->bias_fwd) bias_fwd;
	__typeof__(((struct od_backend *)0)->bias_bwd) bias_bwd;
	__typeof__(((struct od_backend *)0)->add) add;
	__typeof__(((struct od_backend *)0)->rope) rope;
	__typeof__(((struct od_backend *)0)->glu_fwd) glu_fwd;
	__typeof__(((struct od_backend *)0)->glu_bwd) glu_bwd;
	__typeof__(((struct od_backend *)0)->attn_fwd) attn_fwd;
	__typeof__(((struct od_backend *)0)->attn_bwd) attn_bwd;
	__typeof__(((struct od_backend *)0)->gather) gather;
	__typeof__(((struct od_backend *)0)->scatter_add) scatter_add;
	__typeof__(((struct od_backend *)0)->sum_squares) sum_squares;
	__typeof__(((struct od_backend *)0)->adamw) adamw;

	__typeof__(((struct od_backend *)0)->kv_put) kv_put;
	__typeof__(((struct od_backend *)0)->attn_paged) attn_paged;

	/* As struct bf16_kernels' dots, on fp32 factors. */
	__typeof__(((struct bf16_kernels *)0)->dots) dots_f32;

	/* out (+)= op(a) op(b), row-invariant; 0 when memory is short. */
	int (*sgemm)(struct cpu_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b,
		int accumulate);

	/* bf16.inc.h: packing of a right factor given as B[k, n] or as its transpose; to[cols, rows] = from[rows, cols]^T; what
	 * becomes of sums: out (+)= from + x; and products without bf16 instructions. */
	void (*pack_plain)(uint16_t *to, const uint16_t *from, int64_t ld, int64_t k, int64_t n);
	void (*pack_trans)(uint16_t *to, const uint16_t *from, int64_t ld, int64_t k, int64_t n);
	void (*transpose)(uint16_t *to, int64_t ldt, const uint16_t *from, int64_t ld, int64_t rows, int64_t cols);
	void (*finish_rows)(struct od_mat out, const float *from, int64_t ld, int accumulate, struct od_mat x);
	struct bf16_kernels bf16;

	/* One row of a tile of logits, head.c. stats: applies the soft-cap in place; *max, *sum of exp(x - max).
	 * grad: x := weight * exp(capped x - lse) * derivative of the cap. slope: that derivative of a single logit.
	 * quick: exp within 4e-6, for logits that come from bf16. */
	void (*head_stats)(float *x, int64_t n, float softcap, int quick, float *max, float *sum);
	void (*head_grad)(float *x, int64_t n, float softcap, int quick, float lse, float weight);
	float (*head_slope)(float x, float softcap);

	/* y[i] = exp(x[i]), tanh(x[i]): for the tests of their accuracy. */
	void (*exp)(float *y, const float *x, int64_t n);
	void (*tanh)(float *y, const float *x, int64_t n);
};

extern const struct cpu_kernels od_cpu_kernels_avx512, od_cpu_kernels_avx2, od_cpu_kernels_plain;

/* For tests and benchmarks: makes be use the i-th of the tables this processor can run (0 is the best, the default),
 * and with own_gemm no oneDNN from now on. 0 when there is no i-th. */
int od_cpu_variant(struct od_backend *be, int i, int own_gemm);

/* The same for the products of a bf16 backend: 0 AMX, 1 vdpbf16ps, 2 emulated. 0 when this processor has not got them. */
int od_cpu_bf16_variant(struct od_backend *be, int i);

#endif
