/* bf16_avx512bf16.c -- the bf16 product on vdpbf16ps: 12 rows x 32 columns of sums in 24 registers. */
#include "cpu/bf16.h"

#if defined(__AVX512BF16__)

#include <immintrin.h>
#include <string.h>

static inline __m512bh
pair(const uint16_t *a, int64_t n)
{
	int32_t two = 0;

	memcpy(&two, a, n < 2 ? sizeof *a : sizeof two);
	return (__m512bh)_mm512_set1_epi32(two);
}

static inline __attribute__((always_inline)) void
block(int rows, int tiles, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile, float *c, int64_t ldc,
	int accumulate)
{
	__m512 s[12][2];

	for (int i = 0; i < rows; i++)
		for (int j = 0; j < tiles; j++)
			s[i][j] = accumulate ? _mm512_loadu_ps(c + i * ldc + 16 * j) : _mm512_setzero_ps();
	for (int64_t l = 0; l < k; l += 2, b += 32) {
		__m512bh bv[2];

		for (int j = 0; j < tiles; j++)
			bv[j] = (__m512bh)_mm512_loadu_si512(b + j * tile);
		for (int i = 0; i < rows; i++) {
			__m512bh av = pair(a + i * lda + l, k - l);

			for (int j = 0; j < tiles; j++)
				s[i][j] = _mm512_dpbf16_ps(s[i][j], av, bv[j]);
		}
	}
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < tiles; j++)
			_mm512_storeu_ps(c + i * ldc + 16 * j, s[i][j]);
}

static inline __attribute__((always_inline)) void
rows_of_blocks(int tiles, int64_t rows, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile, float *c,
	int64_t ldc, int accumulate)
{
	for (; rows >= 12; rows -= 12, a += 12 * lda, c += 12 * ldc)
		block(12, tiles, k, a, lda, b, tile, c, ldc, accumulate);
	for (; rows >= 4; rows -= 4, a += 4 * lda, c += 4 * ldc)
		block(4, tiles, k, a, lda, b, tile, c, ldc, accumulate);
	for (; rows > 0; rows--, a += lda, c += ldc)
		block(1, tiles, k, a, lda, b, tile, c, ldc, accumulate);
}

static void
product(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	float *c, int64_t ldc, int accumulate)
{
	int64_t j = 0;

	for (; j + 32 <= cols; j += 32)
		rows_of_blocks(2, rows, k, a, lda, b + j / 16 * tile, tile, c + j, ldc, accumulate);
	if (j < cols)
		rows_of_blocks(1, rows, k, a, lda, b + j / 16 * tile, tile, c + j, ldc, accumulate);
}

const struct bf16_kernels od_bf16_avx512bf16 = { "avx512bf16", product };

#endif
