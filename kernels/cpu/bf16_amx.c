/* bf16_amx.c -- the bf16 product on AMX: blocks of 32 x 32, four tiles of sums, two of A, two of B. */
#include "cpu/bf16.h"

#if defined(__AMX_BF16__)

#include <immintrin.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* Tiles 0-3: sums, 4-5: A, 6-7: B. The upper ones have r0 rows, the lower r1. */
static void
configure(int64_t r0, int64_t r1)
{
	struct tile_config c = { .palette = 1 };

	for (int i = 0; i < 8; i++) {
		c.row_bytes[i] = 64;
		c.rows[i] = (uint8_t)(i >= 6 ? 16 : i < 4 ? i < 2 ? r0 : r1 : i == 4 ? r0 : r1);
		if (!c.rows[i])
			c.rows[i] = 1;
	}
	_tile_loadconfig(&c);
}

/* The rows of A, and those that come next, 'ahead' of which each block asks for: the hardware does not foresee 32 streams. */
struct rows_of_a {
	const uint16_t *a, *last, *next;       /* last: the final, padded step of k, or NULL; next: NULL behind the end */
	int64_t lda, steps, ahead;
};

/* One block of up to 32 x 32. */
static inline __attribute__((always_inline)) void
block(int two_rows, int two_cols, const struct rows_of_a *r, const uint16_t *next, const uint16_t *b, int64_t tile, float *c,
	int64_t ldc, int accumulate)
{
	const uint16_t *a = r->a;
	const int64_t lda = r->lda, ahead = next ? r->ahead : 0;
	const int64_t sa = lda * 2, sc = ldc * 4;

	if (accumulate) {
		_tile_loadd(0, c, sc);
		if (two_cols)
			_tile_loadd(1, c + 16, sc);
		if (two_rows)
			_tile_loadd(2, c + 16 * ldc, sc);
		if (two_rows && two_cols)
			_tile_loadd(3, c + 16 * ldc + 16, sc);
	} else {
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
	}
#define STEP(from, stride) do { \
		_tile_loadd(6, b, 64); \
		_tile_loadd(4, from, stride); \
		_tile_dpbf16ps(0, 4, 6); \
		if (two_rows) { \
			_tile_loadd(5, (from) + 16 * (stride) / 2, stride); \
			_tile_dpbf16ps(2, 5, 6); \
		} \
		if (two_cols) { \
			_tile_loadd(7, b + tile, 64); \
			_tile_dpbf16ps(1, 4, 7); \
			if (two_rows) \
				_tile_dpbf16ps(3, 5, 7); \
		} \
	} while (0)
	for (int64_t l = 0; l < r->steps; l++, a += 32, b += 512) {
		for (int64_t i = 0; i < ahead; i++)
			_mm_prefetch(next + i * lda + 32 * l, _MM_HINT_T0);
		STEP(a, sa);
	}
	if (r->last)
		STEP(r->last, 64);
#undef STEP
	_tile_stored(0, c, sc);
	if (two_cols)
		_tile_stored(1, c + 16, sc);
	if (two_rows)
		_tile_stored(2, c + 16 * ldc, sc);
	if (two_rows && two_cols)
		_tile_stored(3, c + 16 * ldc + 16, sc);
}

static inline __attribute__((always_inline)) void
row_of_blocks(int two_rows, int64_t cols, struct rows_of_a *r, const uint16_t *b, int64_t tile, float *c, int64_t ldc,
	int accumulate)
{
	int64_t n_blocks = (cols + 31) / 32, j = 0;
	const uint16_t *next = r->next;

	r->ahead = (32 + n_blocks - 1) / n_blocks;
	for (; j + 32 <= cols; j += 32) {
		if (next && j / 32 * r->ahead + r->ahead <= 32)
			next = r->next + j / 32 * r->ahead * r->lda;
		else
			next = NULL;
		block(two_rows, 1, r, next, b + j / 16 * tile, tile, c + j, ldc, accumulate);
	}
	if (j < cols)
		block(two_rows, 0, r, NULL, b + j / 16 * tile, tile, c + j, ldc, accumulate);
}

static void
product(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	float *c, int64_t ldc, int accumulate)
{
	uint16_t padded[32 * 32] __attribute__((aligned(64)));
	int64_t rest = k % 32, set = 0;
	struct rows_of_a r = { a, rest ? padded : NULL, NULL, lda, k / 32, 0 };

	if (rest)
		memset(padded, 0, sizeof padded);
	for (int64_t i = 0; i < rows; i += 32, r.a += 32 * lda, c += 32 * ldc) {
		int64_t n = rows - i < 32 ? rows - i : 32;

		if (n != set)
			configure(n < 16 ? n : 16, n < 16 ? 0 : n - 16);
		set = n;
		r.next = rows - i >= 64 ? r.a + 32 * lda : NULL;
		for (int64_t j = 0; rest && j < n; j++)
			memcpy(padded + 32 * j, r.a + j * lda + 32 * r.steps, (size_t)rest * sizeof *a);
		if (n > 16)
			row_of_blocks(1, cols, &r, b, tile, c, ldc, accumulate);
		else
			row_of_blocks(0, cols, &r, b, tile, c, ldc, accumulate);
	}
	_tile_release();
}

const struct bf16_kernels od_bf16_amx = { "amx", product };

/* The tile registers belong to no process that has not asked for them; threads made later inherit the permission. */
int
od_bf16_amx_usable(void)
{
	enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
	static int usable = -1;

	if (usable < 0)
		usable = syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
	return usable;
}

#else

int
od_bf16_amx_usable(void)
{
	return 0;
}

#endif
