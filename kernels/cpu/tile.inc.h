/* tile.inc.h -- the register tile every own product is made of, and the fallback matrix product.
 *
 * tile: C[rows, n] (+)= A[rows, k] B[k, n]. B is packed (row stride ldb, n a multiple of VW, aligned), A is read one
 * element at a time with any strides, so that its transpose costs nothing. Every element of C is one chain of fused
 * multiply-adds over k in ascending order, however many rows or columns there are.
 */
#define TILE_ROWS 6
#if VW == 16
#define TILE_VECS 4            /* 6 x 4 sums, 4 of B, 1 of A: 29 of 32 registers */
#else
#define TILE_VECS 2            /* 6 x 2 sums, 2 of B, 1 of A: 15 of 16 */
#endif

static inline __attribute__((always_inline)) void
tile_fixed(int rows, int vecs, int64_t k, const float *a, int64_t a_row, int64_t a_col, const float *b, int64_t ldb,
	float *c, int64_t ldc, int accumulate)
{
	vf s[TILE_ROWS][TILE_VECS];

	for (int i = 0; i < rows; i++)
		for (int j = 0; j < vecs; j++)
			s[i][j] = accumulate ? vf_load(c + i * ldc + j * VW) : vf_set(0);
	for (int64_t l = 0; l < k; l++) {
		vf bv[TILE_VECS];

		for (int j = 0; j < vecs; j++)
			bv[j] = vf_load(b + l * ldb + j * VW);
		for (int i = 0; i < rows; i++) {
			vf av = vf_set(a[i * a_row + l * a_col]);

			for (int j = 0; j < vecs; j++)
				s[i][j] += av * bv[j];
		}
	}
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < vecs; j++)
			vf_store(c + i * ldc + j * VW, s[i][j]);
}

static inline __attribute__((always_inline)) void
tile_rows(int vecs, int64_t rows, int64_t k, const float *a, int64_t a_row, int64_t a_col, const float *b, int64_t ldb,
	float *c, int64_t ldc, int accumulate)
{
	for (; rows >= TILE_ROWS; rows -= TILE_ROWS, a += TILE_ROWS * a_row, c += TILE_ROWS * ldc)
		tile_fixed(TILE_ROWS, vecs, k, a, a_row, a_col, b, ldb, c, ldc, accumulate);
	for (; rows >= 2; rows -= 2, a += 2 * a_row, c += 2 * ldc)
		tile_fixed(2, vecs, k, a, a_row, a_col, b, ldb, c, ldc, accumulate);
	if (rows)
		tile_fixed(1, vecs, k, a, a_row, a_col, b, ldb, c, ldc, accumulate);
}

static void
tile(int64_t rows, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_col, const float *b, int64_t ldb,
	float *c, int64_t ldc, int accumulate)
{
	int64_t j = 0;

	for (; j + TILE_VECS * VW <= n; j += TILE_VECS * VW)
		tile_rows(TILE_VECS, rows, k, a, a_row, a_col, b + j, ldb, c + j, ldc, accumulate);
	for (; j < n; j += VW)
		tile_rows(1, rows, k, a, a_row, a_col, b + j, ldb, c + j, ldc, accumulate);
}

static inline int64_t
round_up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

/* ---- fallback product: panels of op(b)'s columns are packed, each thread takes panels ---- */

#define PANEL_COLS 64
#define PANEL_K    256

static void
pack_panel(float *to, const struct od_mat *b, int trans, int64_t k0, int64_t k, int64_t j0, int64_t n)
{
	for (int64_t l = 0; l < k; l++)
		for (int64_t j = 0; j < PANEL_COLS; j++)
			to[l * PANEL_COLS + j] = j >= n ? 0 : trans ? mat_row(b, j0 + j)[k0 + l] : mat_row(b, k0 + l)[j0 + j];
}

/* Six rows at most of a panel; columns beyond n are computed aside. */
static void
panel_rows(struct od_mat *out, int64_t i, int64_t rows, int64_t j0, int64_t n, const float *a, int64_t a_row, int64_t a_col,
	int64_t k, const float *panel, int accumulate)
{
	float aside[TILE_ROWS * PANEL_COLS], *c = mat_row(out, i) + j0;

	if (n == PANEL_COLS) {
		tile(rows, PANEL_COLS, k, a, a_row, a_col, panel, PANEL_COLS, c, out->ld, accumulate);
		return;
	}
	memset(aside, 0, sizeof aside);
	for (int64_t r = 0; accumulate && r < rows; r++)
		memcpy(aside + r * PANEL_COLS, c + r * out->ld, (size_t)n * sizeof *c);
	tile(rows, PANEL_COLS, k, a, a_row, a_col, panel, PANEL_COLS, aside, PANEL_COLS, 1);
	for (int64_t r = 0; r < rows; r++)
		memcpy(c + r * out->ld, aside + r * PANEL_COLS, (size_t)n * sizeof *c);
}

static int
sgemm(struct cpu_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b, int accumulate)
{
	int64_t k = trans_a ? a.rows : a.cols, a_row = trans_a ? 1 : a.ld, a_col = trans_a ? a.ld : 1;
	int64_t n_panels = (out.cols + PANEL_COLS - 1) / PANEL_COLS;
	size_t panel = PANEL_K * PANEL_COLS;
	float *packed = od_cpu_scratch(ctx, SCRATCH_GEMM, (size_t)ctx->threads * panel * sizeof *packed);

	if (!packed)
		return 0;
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
	for (int64_t p = 0; p < n_panels; p++) {
		float *mine = packed + (size_t)omp_get_thread_num() * panel;
		int64_t j0 = p * PANEL_COLS, n = out.cols - j0 < PANEL_COLS ? out.cols - j0 : PANEL_COLS;

		for (int64_t k0 = 0; k0 < k; k0 += PANEL_K) {
			int64_t kn = k - k0 < PANEL_K ? k - k0 : PANEL_K;

			pack_panel(mine, &b, trans_b, k0, kn, j0, n);
			for (int64_t i = 0; i < out.rows; i += TILE_ROWS)
				panel_rows(&out, i, out.rows - i < TILE_ROWS ? out.rows - i : TILE_ROWS, j0, n,
					(const float *)a.data + i * a_row + k0 * a_col, a_row, a_col, kn, mine, accumulate || k0 > 0);
		}
	}
	return 1;
}
