/* dots.inc.h -- products of few rows: C[i][j] = a[i] . b[j], rows of b read once, where they lie.
 *
 * Both factors run along k in vectors; each of a block's SUMS sums is one chain over k in ascending order, VW lanes wide, whose
 * lanes are added at the end in one order. So a result does not depend on the block's shape, nor on what stands beside it.
 */
#include "cpu/dots_reduce.inc.h"

static inline __attribute__((always_inline)) void
dots_step(int rows, int cols, enum od_dtype type, vf s[DOTS_SUMS], int64_t l, int64_t left, const char *a, int64_t lda,
	const char *const *b, int64_t next)
{
	vf bv[8];

#pragma GCC unroll 8
	for (int j = 0; j < cols; j++) {
		bv[j] = vf_get(b[j], type, l, left);
		__builtin_prefetch(b[j] + next + l * (type == OD_F32 ? 4 : 2));
	}
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++) {
		vf av = vf_get(a + i * lda, type, l, left);

#pragma GCC unroll 8
		for (int j = 0; j < cols; j++)
			s[i * cols + j] += av * bv[j];
	}
}

/* Sums of 'rows' rows of a and 'cols' rows of b, rows * cols <= DOTS_SUMS, into the result at (row, col). next: bytes to the rows
 * of b that come after. */
static inline __attribute__((always_inline)) void
dots_block(int rows, int cols, enum od_dtype type, int64_t k, const char *a, int64_t lda, const char *const *b, int64_t next,
	float sum[DOTS_SUMS])
{
	vf s[DOTS_SUMS] = { { 0 } };
	int64_t l = 0;

	for (; l + VW <= k; l += VW)
		dots_step(rows, cols, type, s, l, VW, a, lda, b, next);
	if (l < k)
		dots_step(rows, cols, type, s, l, k - l, a, lda, b, next);
	dots_reduce(sum, s);
}

#include "cpu/dots_walk.inc.h"

static void
dots_f32(int64_t rows, int64_t cols, int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb, const struct bf16_result *r)
{
	dots_walk(OD_F32, rows, cols, k, a, 4 * lda, b, 4 * ldb, r);
}

static void
dots_bf16(int64_t rows, int64_t cols, int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb, const struct bf16_result *r)
{
	dots_walk(OD_BF16, rows, cols, k, a, 2 * lda, b, 2 * ldb, r);
}
