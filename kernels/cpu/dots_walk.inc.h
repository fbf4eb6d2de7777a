/* dots_walk.inc.h -- the blocks of a product of few rows: up to 8 rows of a by as many of b as make 16 sums. Included after
 * dots_columns(rows, cols, stride, sums, type, k, a, lda, b); strides are in bytes. */

#include "base/num.h"

static inline void
dots_store(const struct bf16_result *r, int64_t row, int64_t col, float sum)
{
	if (r->x)
		sum += r->x[row * r->ldx + col];
	if (r->type == OD_F32)
		((float *)r->out)[row * r->ld + col] = sum;
	else
		((uint16_t *)r->out)[row * r->ld + col] = od_f32_to_bf16(sum);
}

/* All sums of a block, a column or two at a time, so that b is read in order. */
static inline __attribute__((always_inline)) void
dots_block(int rows, int cols, enum od_dtype type, int64_t k, const char *a, int64_t lda, const char *const *b, float sum[DOTS_SUMS])
{
	vf s[DOTS_SUMS] = { { 0 } };
	const int together = rows == 1 ? 1 : DOTS_TOGETHER;

#pragma GCC unroll 8
	for (int j = 0; j < cols; j += together)
		dots_columns(rows, together, cols, s + j, type, k, a, lda, b + j);
	dots_reduce(sum, s);
}

/* Rows [row, row + rows) by rows [col, col + cols) of b. What b has too little of is computed from its last row and left. */
static inline __attribute__((always_inline)) void
dots_tile(int rows, int cols, enum od_dtype type, int64_t row, int64_t col, int64_t k, const char *a, int64_t lda, const char *b,
	int64_t ldb, const struct bf16_result *r)
{
	const char *at[8];
	float sum[16];

	for (int j = 0; j < cols; j++)
		at[j] = b + (col + j < r->cols ? col + j : r->cols - 1) * ldb;
	dots_block(rows, cols, type, k, a + row * lda, lda, at, sum);
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < cols && col + j < r->cols; j++)
			dots_store(r, row + i, col + j, sum[i * cols + j]);
}

/* cols: of b's rows; 8 at a time are read from memory, and stay in the cache while all rows of a meet them. */
static inline __attribute__((always_inline)) void
dots_walk(enum od_dtype type, int64_t rows, int64_t cols, int64_t k, const char *a, int64_t lda, const char *b, int64_t ldb,
	const struct bf16_result *r)
{
#define TILES(n, m) \
	for (int64_t j = 0; j < 8 && col + j < cols; j += (m)) \
		dots_tile(n, m, type, row, col + j, k, a, lda, b, ldb, r)

	for (int64_t col = 0; col < cols; col += 8)
		for (int64_t row = 0, n; row < rows; row += n) {
			n = rows - row < 8 ? rows - row : 8;
			switch (n) {
			case 1: TILES(1, 8); break;
			case 2: TILES(2, 8); break;
			case 3: TILES(3, 4); break;
			case 4: TILES(4, 4); break;
			case 5: TILES(5, 2); break;
			case 6: TILES(6, 2); break;
			case 7: TILES(7, 2); break;
			default: TILES(8, 2); break;
			}
		}
#undef TILES
}
