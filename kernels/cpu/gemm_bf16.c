/* gemm_bf16.c -- products of bf16 matrices: what is packed when, which block belongs to which thread.
 *
 * The right factor is packed once a call, a group of columns at a time, into at most GROUP_BYTES; the left factor is read in
 * place, or, transposed (weight gradients: their depth is tokens), is written as rows, a group of rows at a time. Then threads
 * take tasks of TASK_ROWS rows x a panel of columns: the panel stays in the second-level cache while the rows pass, sums stay in
 * a block of the thread's own until the whole depth is through, and are rounded, added or both as they leave the registers.
 */
#include "cpu/cpu.h"

#include <omp.h>
#include <string.h>

#include "cpu/simd.h"

#define GROUP_BYTES  (8 << 20)
#define PANEL_BYTES  (1 << 20)
#define MAX_PANEL    512
#define TASK_ROWS    256
#define DEPTH        1024      /* of one visit to the tiles: a panel's and a task's part of it stay in the cache */

struct bf16_call {
	struct cpu_ctx *ctx;
	struct od_mat out, x;
	const uint16_t *a, *b;         /* rows of A in place; the packed group of B */
	int64_t lda, m, n, k, panel;   /* of the group: rows, columns, depth, columns of a panel */
	int accumulate;
};

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct od_mat
part_of(struct od_mat m, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
	if (!m.data)
		return m;
	m = od_mat_cols(m, col, cols);
	m.data = (char *)m.data + row * m.ld * (int64_t)od_dtype_size(m.type);
	m.rows = rows;
	return m;
}

/* TASK_ROWS rows from i on of panel p. */
static void
run_task(const struct bf16_call *c, int64_t i, int64_t p, float *sums)
{
	int64_t col = p * c->panel, cols = smaller(c->n - col, c->panel), rows = smaller(c->m - i, TASK_ROWS);
	int64_t kp = od_bf16_depth(c->k), width = od_bf16_width(cols), tile = BF16_TILE * kp, k = 0;
	const uint16_t *a = c->a + i * c->lda, *b = c->b + col * kp;
	struct od_mat out = part_of(c->out, i, rows, col, cols), x = part_of(c->x, i, rows, col, cols);
	struct bf16_result r = { out.data, out.type, out.ld, cols, c->accumulate, x.data, x.ld };

	for (; c->k - k > DEPTH; k += DEPTH)
		c->ctx->bf16->product(rows, width, DEPTH, a + k, c->lda, b + k * BF16_TILE, tile, sums, MAX_PANEL, k > 0);
	c->ctx->bf16->multiply(rows, width, c->k - k, a + k, c->lda, b + k * BF16_TILE, tile, k > 0 ? sums : NULL, MAX_PANEL, &r);
}

static void
run_group(const struct bf16_call *c, float *sums)
{
	int64_t n_panels = (c->n + c->panel - 1) / c->panel, n_rows = (c->m + TASK_ROWS - 1) / TASK_ROWS;
	/* a thread that keeps a panel finds it in its cache; of deep products it keeps too little */
	int64_t chunk = c->k <= DEPTH && n_panels >= c->ctx->threads ? n_rows : 1;

#pragma omp parallel for schedule(dynamic, chunk) num_threads(c->ctx->threads)
	for (int64_t t = 0; t < n_panels * n_rows; t++)
		run_task(c, t % n_rows * TASK_ROWS, t / n_rows, sums + omp_get_thread_num() * TASK_ROWS * MAX_PANEL);
}

/* Columns of a panel: all of its depth in half of the second-level cache, and panels for every thread. */
static int64_t
panel_width(int64_t k, int64_t n, int threads)
{
	int64_t fit = smaller(PANEL_BYTES / (2 * smaller(od_bf16_depth(k), DEPTH)), MAX_PANEL), each = (n + threads - 1) / threads;
	int64_t parts = (each + fit - 1) / fit;

	return smaller(((each + parts - 1) / parts + 31) / 32 * 32, MAX_PANEL);
}

void
od_cpu_bf16_pack(struct cpu_ctx *ctx, uint16_t *to, struct od_mat b, int trans, int64_t col, int64_t n)
{
	const struct cpu_kernels *v = ctx->k;
	int64_t k = trans ? b.cols : b.rows, kp = od_bf16_depth(k);

#pragma omp parallel for schedule(static) num_threads(ctx->threads)
	for (int64_t j = 0; j < n; j += 2 * BF16_TILE) {
		int64_t w = smaller(n - j, 2 * BF16_TILE);

		if (trans)
			v->pack_trans(to + j * kp, (const uint16_t *)b.data + (col + j) * b.ld, b.ld, k, w);
		else
			v->pack_plain(to + j * kp, (const uint16_t *)b.data + col + j, b.ld, k, w);
	}
}

/* Columns [col, col + rows) of a as rows of k elements. */
static void
transpose_group(struct cpu_ctx *ctx, uint16_t *to, int64_t ldt, struct od_mat a, int64_t col, int64_t rows)
{
	enum { BLOCK = 32 };        /* columns: a line of the cache */

#pragma omp parallel for schedule(static) num_threads(ctx->threads)
	for (int64_t c = 0; c < rows; c += BLOCK)
		ctx->k->transpose(to + c * ldt, ldt, (const uint16_t *)a.data + col + c, a.ld, a.rows, smaller(rows - c, BLOCK));
}

static int64_t
group_of(int64_t k, int64_t whole, int64_t unit)
{
	int64_t fit = GROUP_BYTES / (2 * od_bf16_depth(k)) / unit * unit;

	return smaller(fit < unit ? unit : fit, whole);
}

/* out (+)= op(a) B + x for a packed group of B's columns. */
static void
multiply_group(struct cpu_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, const uint16_t *b, int accumulate,
	struct od_mat x)
{
	int64_t k = trans_a ? a.rows : a.cols, ldt = od_bf16_depth(k) | 32, m_group = trans_a ? group_of(k, out.rows, TASK_ROWS) : out.rows;
	uint16_t *rows = od_cpu_scratch(ctx, SCRATCH_GEMM_A, (size_t)(trans_a ? m_group * ldt : 1) * sizeof *rows);
	float *sums = od_cpu_scratch(ctx, SCRATCH_GEMM_TEAM, (size_t)ctx->threads * TASK_ROWS * MAX_PANEL * sizeof *sums);

	for (int64_t row = 0; rows && sums && row < out.rows; row += m_group) {
		int64_t m = smaller(out.rows - row, m_group);
		struct bf16_call c = { ctx, part_of(out, row, m, 0, out.cols), part_of(x, row, m, 0, out.cols), rows, b, ldt, m,
			out.cols, k, panel_width(k, out.cols, ctx->threads), accumulate };

		if (trans_a)
			transpose_group(ctx, rows, ldt, a, row, m);
		else {
			c.a = a.data;
			c.lda = a.ld;
		}
		run_group(&c, sums);
	}
}

void
od_cpu_bf16_multiply(struct cpu_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, const uint16_t *b, int accumulate)
{
	multiply_group(ctx, out, a, trans_a, b, accumulate, (struct od_mat){ NULL, OD_F32, 0, 0, 0 });
}

void
od_cpu_gemm_bf16(struct cpu_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b,
	int accumulate, struct od_mat x)
{
	int64_t k = trans_a ? a.rows : a.cols, group = group_of(k, out.cols, MAX_PANEL);
	uint16_t *packed = od_cpu_scratch(ctx, SCRATCH_GEMM, (size_t)od_bf16_packed(k, group) * sizeof *packed);

	for (int64_t col = 0; packed && col < out.cols; col += group) {
		int64_t n = smaller(out.cols - col, group);

		od_cpu_bf16_pack(ctx, packed, b, trans_b, col, n);
		multiply_group(ctx, part_of(out, 0, out.rows, col, n), a, trans_a, packed, accumulate, part_of(x, 0, out.rows, col, n));
	}
}
