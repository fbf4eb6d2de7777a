/* dots.inc.h -- products of few rows: C[i][j] = a[i] . b[j], rows of b read once, where they lie.
 *
 * Both factors run along k in vectors; each of a block's SUMS sums is one chain over k in ascending order, VW lanes wide, whose
 * lanes are added at the end in one order. So a result does not depend on the block's shape, nor on what stands beside it.
 */
#include "cpu/dots_reduce.inc.h"

/* VW elements from l on of 'cols' rows of b and all rows of a; s: [rows][stride]. */
static inline __attribute__((always_inline)) void
dots_step(int rows, int cols, int stride, vf *s, enum od_dtype type, int64_t l, int64_t left, const char *a, int64_t lda,
	const char *const *b)
{
	int size = type == OD_F32 ? 4 : 2;
	vf bv[DOTS_TOGETHER];

#pragma GCC unroll 2
	for (int j = 0; j < cols; j++) {
		bv[j] = vf_get(b[j], type, l, left);
		__builtin_prefetch(b[0] + DOTS_AHEAD + size * (l * cols + VW * j), 0, 2);
	}
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++) {
		vf av = vf_get(a + i * lda, type, l, left);

#pragma GCC unroll 2
		for (int j = 0; j < cols; j++)
			s[i * stride + j] += av * bv[j];
	}
}

static inline __attribute__((always_inline)) void
dots_columns(int rows, int cols, int stride, vf *s, enum od_dtype type, int64_t k, const char *a, int64_t lda, const char *const *b)
{
	int64_t l = 0;

	for (; l + VW <= k; l += VW)
		dots_step(rows, cols, stride, s, type, l, VW, a, lda, b);
	if (l < k)
		dots_step(rows, cols, stride, s, type, l, k - l, a, lda, b);
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
