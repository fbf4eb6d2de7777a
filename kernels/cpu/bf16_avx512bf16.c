/* bf16_avx512bf16.c -- the bf16 product on vdpbf16ps: 12 rows x 32 columns of sums in 24 registers. */
#include "cpu/bf16.h"

#if defined(__AVX512BF16__)

#include <stdbool.h>

#include "cpu/bf16_x86.inc.h"
#define VW 16
#include "cpu/vec.inc.h"
#include "cpu/dots_reduce.inc.h"

/* Two of a row beside each other, 32 bits; the last of an odd row has zero beside it. */
static inline __attribute__((always_inline)) __m512bh
pair(const uint16_t *a, bool odd)
{
	int32_t two;

	if (odd)
		two = *a;
	else
		memcpy(&two, a, sizeof two);
	return (__m512bh)_mm512_set1_epi32(two);
}

/* s += two columns of a x two rows of b, for rows x tiles sums. */
static inline __attribute__((always_inline)) void
step(int rows, int tiles, __m512 s[12][2], const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile, bool odd)
{
	__m512bh bv[2];

#pragma GCC unroll 2
	for (int j = 0; j < tiles; j++)
		bv[j] = (__m512bh)_mm512_loadu_si512(b + j * tile);
#pragma GCC unroll 12
	for (int i = 0; i < rows; i++) {
		__m512bh av = pair(a + i * lda, odd);

#pragma GCC unroll 2
		for (int j = 0; j < tiles; j++)
			s[i][j] = _mm512_dpbf16_ps(s[i][j], av, bv[j]);
	}
}

static inline __attribute__((always_inline)) void
block(int rows, int tiles, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile, const float *start,
	int64_t ld_start, const struct bf16_result *r, int64_t row, int64_t col)
{
	__m512 s[12][2];
	int64_t l = 0;

#pragma GCC unroll 12
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
		for (int j = 0; j < tiles; j++)
			s[i][j] = start ? _mm512_loadu_ps(start + i * ld_start + 16 * j) : _mm512_setzero_ps();
	for (; l + 2 <= k; l += 2, b += 32)
		step(rows, tiles, s, a + l, lda, b, tile, false);
	if (l < k)
		step(rows, tiles, s, a + l, lda, b, tile, true);
#pragma GCC unroll 12
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
		for (int j = 0; j < tiles; j++)
			put_sums(r, row + i, col + 16 * j, s[i][j]);
}

static inline __attribute__((always_inline)) void
column_of_blocks(int tiles, int64_t rows, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	const float *start, int64_t ld, const struct bf16_result *r, int64_t col)
{
	int64_t i = 0;

	for (; i + 12 <= rows; i += 12)
		block(12, tiles, k, a + i * lda, lda, b, tile, start ? start + i * ld : NULL, ld, r, i, col);
	for (; i + 4 <= rows; i += 4)
		block(4, tiles, k, a + i * lda, lda, b, tile, start ? start + i * ld : NULL, ld, r, i, col);
	for (; i < rows; i++)
		block(1, tiles, k, a + i * lda, lda, b, tile, start ? start + i * ld : NULL, ld, r, i, col);
}

static void
multiply(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	const float *start, int64_t ld, const struct bf16_result *r)
{
	int64_t j = 0;

	for (; j + 32 <= cols; j += 32)
		column_of_blocks(2, rows, k, a, lda, b + j / 16 * tile, tile, start ? start + j : NULL, ld, r, j);
	if (j < cols)
		column_of_blocks(1, rows, k, a, lda, b + j / 16 * tile, tile, start ? start + j : NULL, ld, r, j);
}

static void
product(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	float *c, int64_t ldc, int accumulate)
{
	struct bf16_result r = { c, OD_F32, ldc, cols, 0, NULL, 0 };

	multiply(rows, cols, k, a, lda, b, tile, accumulate ? c : NULL, ldc, &r);
}

/* ---- few rows ---- */

/* Elements [l, l + 32) of a row, of which the mask says which there are. */
static inline __attribute__((always_inline)) __m512bh
thirty_two(const char *row, int64_t l, __mmask32 m)
{
	return (__m512bh)(m == 0xffffffffu ? _mm512_loadu_si512(row + 2 * l) : _mm512_maskz_loadu_epi16(m, row + 2 * l));
}

/* 32 elements from l on of 'cols' rows of b and all rows of a; s: [rows][stride]. */
static inline __attribute__((always_inline)) void
dots_step(int rows, int cols, int stride, vf *s, int64_t l, __mmask32 m, const char *a, int64_t lda, const char *const *b)
{
	__m512bh bv[DOTS_TOGETHER];

#pragma GCC unroll 2
	for (int j = 0; j < cols; j++) {
		bv[j] = thirty_two(b[j], l, m);
		_mm_prefetch(b[0] + DOTS_AHEAD + 2 * l * cols + 64 * j, _MM_HINT_T1);
	}
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++) {
		__m512bh av = thirty_two(a + i * lda, l, m);

#pragma GCC unroll 2
		for (int j = 0; j < cols; j++)
			s[i * stride + j] = (vf)_mm512_dpbf16_ps((__m512)s[i * stride + j], av, bv[j]);
	}
}

static inline __attribute__((always_inline)) void
dots_columns(int rows, int cols, int stride, vf *s, enum od_dtype type, int64_t k, const char *a, int64_t lda, const char *const *b)
{
	int64_t l = 0;

	(void)type;
	for (; l + 32 <= k; l += 32)
		dots_step(rows, cols, stride, s, l, 0xffffffffu, a, lda, b);
	if (l < k)
		dots_step(rows, cols, stride, s, l, (1u << (k - l)) - 1, a, lda, b);
}

#include "cpu/dots_walk.inc.h"

void
od_bf16_dots(int64_t rows, int64_t cols, int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb, const struct bf16_result *r)
{
	dots_walk(OD_BF16, rows, cols, k, a, 2 * lda, b, 2 * ldb, r);
}

const struct bf16_kernels od_bf16_avx512bf16 = { "avx512bf16", product, multiply, od_bf16_dots };

#endif
