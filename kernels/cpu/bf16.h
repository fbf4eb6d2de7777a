/* bf16.h -- matrix products of bf16 factors summed in fp32: the register tile that products, attention and the LM head are
 * made of, and the layout of its right factor.
 *
 * PACKED FACTORS. B[k, n] is kept in tiles of 16 columns; tile j begins at element j * 16 * kp, kp = od_bf16_depth(k). A tile is
 * [kp / 2][16][2]: the two elements of rows 2p and 2p + 1 lie side by side, for every column in turn, zeros behind row k and
 * column n. It is what AMX tiles and vdpbf16ps read.
 *
 * ORDER OF SUMS. Every element of C is one chain over k in ascending order (two products at a time), from zero or from what C
 * holds, in an order that depends on the kernels alone: not on the number of rows or columns, nor on where the element lies.
 * That is the row invariance of backend.h, by construction; a product cut over k at multiples of 32 has the same bits.
 * AMX and vdpbf16ps take denormal products for zero; the emulated kernels do not.
 */
#ifndef OD_KERNELS_CPU_BF16_H
#define OD_KERNELS_CPU_BF16_H

#include <stdint.h>

#include "base/dtype.h"

enum { BF16_TILE = 16, BF16_STEP = 32 };

/* Rows of a packed factor: k rounded up. */
static inline int64_t
od_bf16_depth(int64_t k)
{
	return (k + BF16_STEP - 1) / BF16_STEP * BF16_STEP;
}

static inline int64_t
od_bf16_width(int64_t n)
{
	return (n + BF16_TILE - 1) / BF16_TILE * BF16_TILE;
}

/* Elements of a packed factor of k rows and n columns. */
static inline int64_t
od_bf16_packed(int64_t k, int64_t n)
{
	return od_bf16_depth(k) * od_bf16_width(n);
}

/* What becomes of a block of sums: out (any) = sums + x, or += with accumulate, as they leave the registers. */
struct bf16_result {
	void *out;
	enum od_dtype type;
	int64_t ld, cols;              /* cols: columns that exist, where the packed factor has zeros behind them */
	int accumulate;
	const float *x;                /* NULL: none */
	int64_t ldx;
};

struct bf16_kernels {
	const char *name;              /* "amx", "avx512bf16"; of emulated ones the instruction set */

	/* C[rows, cols] (f32) = A[rows, k] B[k, cols], or += with accumulate. cols is a multiple of 16 and C has room for all of
	 * them; a is read in place (nothing beyond k or rows); b is packed, 'tile' elements from one tile to the next: 16 times
	 * the depth it was packed for, of which k may be a part. On the calling thread. */
	void (*product)(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
		float *c, int64_t ldc, int accumulate);

	/* The same with the sums going on from start[rows, cols] (row stride ld_start; NULL: from zero) into a result. */
	void (*multiply)(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
		const float *start, int64_t ld_start, const struct bf16_result *r);

	/* out[rows, r->cols] = A[rows, k] B[cols, k]^T + x, for few rows: both factors are read in place, B once. Sums are chains of
	 * their own order (dots.inc.h), whatever the number of rows. */
	void (*dots)(int64_t rows, int64_t cols, int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb,
		const struct bf16_result *r);
};

extern const struct bf16_kernels od_bf16_amx, od_bf16_avx512bf16;

/* The dots of both: few rows are bound by memory, and tiles of a few rows gain nothing. */
void od_bf16_dots(int64_t rows, int64_t cols, int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb,
	const struct bf16_result *r);

/* Whether the processor and the kernel have AMX; asks the kernel for its registers the first time. */
int od_bf16_amx_usable(void);

#endif
