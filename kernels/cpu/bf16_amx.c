/* bf16_amx.c -- the bf16 product on AMX: blocks of 32 x 32, four tiles of sums, two of A, two of B. A block's sums leave through
 * memory, in the first-level cache, and are rounded while the tiles of the next block are multiplied. */
#include "cpu/bf16.h"

#if defined(__AMX_BF16__)

#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/bf16_x86.inc.h"

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

static inline __attribute__((always_inline)) void
load_sums(int two_rows, int two_cols, const float *c, int64_t ldc)
{
	const int64_t stride = ldc * 4;

	if (!c) {
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
		return;
	}
	_tile_loadd(0, c, stride);
	if (two_cols)
		_tile_loadd(1, c + 16, stride);
	if (two_rows)
		_tile_loadd(2, c + 16 * ldc, stride);
	if (two_rows && two_cols)
		_tile_loadd(3, c + 16 * ldc + 16, stride);
}

static inline __attribute__((always_inline)) void
store_sums(int two_rows, int two_cols, float *c, int64_t ldc)
{
	const int64_t stride = ldc * 4;

	_tile_stored(0, c, stride);
	if (two_cols)
		_tile_stored(1, c + 16, stride);
	if (two_rows)
		_tile_stored(2, c + 16 * ldc, stride);
	if (two_rows && two_cols)
		_tile_stored(3, c + 16 * ldc + 16, stride);
}

static inline __attribute__((always_inline)) void
step(int two_rows, int two_cols, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile)
{
	_tile_loadd(6, b, 64);
	_tile_loadd(4, a, lda * 2);
	_tile_dpbf16ps(0, 4, 6);
	if (two_rows) {
		_tile_loadd(5, a + 16 * lda, lda * 2);
		_tile_dpbf16ps(2, 5, 6);
	}
	if (two_cols) {
		_tile_loadd(7, b + tile, 64);
		_tile_dpbf16ps(1, 4, 7);
		if (two_rows)
			_tile_dpbf16ps(3, 5, 7);
	}
}

/* One block of up to 32 x 32, in the tiles 0 to 3. */
static inline __attribute__((always_inline)) void
block(int two_rows, int two_cols, const struct rows_of_a *r, const uint16_t *next, const uint16_t *b, int64_t tile)
{
	const uint16_t *a = r->a;
	const int64_t lda = r->lda, ahead = next ? r->ahead : 0;

	for (int64_t l = 0; l < r->steps; l++, a += 32, b += 512) {
		for (int64_t i = 0; i < ahead; i++)
			_mm_prefetch(next + i * lda + 32 * l, _MM_HINT_T0);
		step(two_rows, two_cols, a, lda, b, tile);
	}
	if (r->last)
		step(two_rows, two_cols, r->last, 32, b, tile);
}

/* What a call of multiply has been given, beside A. */
struct call {
	const uint16_t *b;
	int64_t tile, cols, ld_start;
	const float *start;
	const struct bf16_result *out;
	int direct;                            /* sums are the result */
};

/* Sums of n rows from 'row' on, columns [j, j + w), from a block's 32 x 32 floats. */
static inline void
put_block(const struct bf16_result *out, int64_t row, int64_t n, int64_t j, int64_t w, const float *sums)
{
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < w; c += 16)
			put_sums(out, row + i, j + c, _mm512_load_ps(sums + 32 * i + c));
}

static inline __attribute__((always_inline)) void
row_of_blocks(int two_rows, const struct call *c, struct rows_of_a *r, int64_t row, int64_t n)
{
	float sums[2][32 * 32] __attribute__((aligned(64)));
	int64_t n_blocks = (c->cols + 31) / 32, turn = 0;

	r->ahead = (32 + n_blocks - 1) / n_blocks;
	for (int64_t j = 0; j < c->cols; j += 32, turn ^= 1) {
		const float *start = c->start ? c->start + row * c->ld_start + j : NULL;
		const uint16_t *b = c->b + j / 16 * c->tile, *next = NULL;
		int two_cols = j + 32 <= c->cols;
		float *to = c->direct ? (float *)c->out->out + row * c->out->ld + j : sums[turn];
		int64_t ld = c->direct ? c->out->ld : 32;

		if (r->next && (j / 32 + 1) * r->ahead <= 32)
			next = r->next + j / 32 * r->ahead * r->lda;
		if (two_cols) {
			load_sums(two_rows, 1, start, c->ld_start);
			block(two_rows, 1, r, next, b, c->tile);
			store_sums(two_rows, 1, to, ld);
		} else {
			load_sums(two_rows, 0, start, c->ld_start);
			block(two_rows, 0, r, next, b, c->tile);
			store_sums(two_rows, 0, to, ld);
		}
		if (j > 0 && !c->direct)       /* the block before this one, while this one is being multiplied */
			put_block(c->out, row, n, j - 32, 32, sums[turn ^ 1]);
	}
	if (!c->direct)
		put_block(c->out, row, n, (n_blocks - 1) * 32, c->cols - (n_blocks - 1) * 32, sums[turn ^ 1]);
}

static void
multiply(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	const float *start, int64_t ld_start, const struct bf16_result *out)
{
	uint16_t padded[32 * 32] __attribute__((aligned(64)));
	int64_t rest = k % 32, set = 0;
	struct rows_of_a r = { a, rest ? padded : NULL, NULL, lda, k / 32, 0 };
	struct call c = { b, tile, cols, ld_start, start, out,
		out->type == OD_F32 && !out->x && !out->accumulate && out->cols >= cols };

	if (rest)
		memset(padded, 0, sizeof padded);
	for (int64_t i = 0; i < rows; i += 32, r.a += 32 * lda) {
		int64_t n = rows - i < 32 ? rows - i : 32;

		if (n != set)
			configure(n < 16 ? n : 16, n < 16 ? 0 : n - 16);
		set = n;
		r.next = rows - i >= 64 ? r.a + 32 * lda : NULL;
		for (int64_t j = 0; rest && j < n; j++)
			memcpy(padded + 32 * j, r.a + j * lda + 32 * r.steps, (size_t)rest * sizeof *a);
		if (n > 16)
			row_of_blocks(1, &c, &r, i, n);
		else
			row_of_blocks(0, &c, &r, i, n);
	}
	_tile_release();
}

static void
product(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	float *c, int64_t ldc, int accumulate)
{
	struct bf16_result r = { c, OD_F32, ldc, cols, 0, NULL, 0 };

	multiply(rows, cols, k, a, lda, b, tile, accumulate ? c : NULL, ldc, &r);
}

const struct bf16_kernels od_bf16_amx = { "amx", product, multiply, od_bf16_dots };

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
