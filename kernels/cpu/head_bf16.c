/* head_bf16.c -- the LM head on bf16 factors.
 *
 * Forward: threads take tasks of a panel of the vocabulary and TASK_ROWS rows; logits exist in blocks of 32 rows x PANEL entries,
 * in the first-level cache, and leave as a maximum and a sum each. The pairs of GROUP panels are folded into a row's running
 * pair, panels in order. So memory depends neither on the size of the vocabulary nor on the number of tokens.
 * Backward: blocks of logits again, turned into dlogit, which is kept, in bf16, for a group of the vocabulary and at most
 * GRAD_ROWS rows; then dh += dlogit w and dw += dlogit^T h as products of their own.
 * Every number of a row is computed from that row alone, in an order that depends on the vocabulary's size alone.
 */
#include <math.h>
#include <omp.h>

#include "base/num.h"
#include "cpu/head.h"
#include "cpu/simd.h"

#define PANEL      256
#define GROUP      16          /* panels of forward whose pairs are kept until they are folded */
#define GRAD_GROUP 8           /* panels of backward: dlogit is GRAD_ROWS x GRAD_GROUP x PANEL at most, 16 MiB */
#define GRAD_ROWS  4096
#define TASK_ROWS  256
#define BLOCK_ROWS 32

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* A group of the vocabulary: entries [v0, v0 + nv), packed as the right factor of h w^T. */
struct head_group {
	int64_t v0, nv;
	const uint16_t *packed;
};

/* Logits of rows [r, r + n) (32 at most) and panel p of a group, to x[n, PANEL]; returns the panel's entries. */
static int64_t
block_logits(const struct head *a, const struct head_group *g, int64_t p, int64_t r, int64_t n, float *x)
{
	int64_t d = a->h.cols, kp = od_bf16_depth(d), nv = smaller(g->nv - p * PANEL, PANEL);

	a->ctx->bf16->product(n, od_bf16_width(nv), d, (const uint16_t *)a->h.data + r * a->h.ld, a->h.ld,
		g->packed + p * PANEL * kp, BF16_TILE * kp, x, PANEL, 0);
	return nv;
}

/* ---- forward ---- */

struct head_stats {
	float max[GROUP], sum[GROUP];
};

static void
stats_task(const struct head *a, const struct head_group *g, int64_t p, int64_t r0, float *logps, struct head_stats *stats,
	float *x)
{
	int64_t end = smaller(r0 + TASK_ROWS, a->h.rows);

	for (int64_t r = r0; r < end; r += BLOCK_ROWS) {
		int64_t n = smaller(end - r, BLOCK_ROWS), nv = block_logits(a, g, p, r, n, x);

		for (int64_t i = 0; i < n; i++)
			od_head_row_stats(a, x + i * PANEL, r + i, g->v0 + p * PANEL, nv, logps, &stats[r + i].max[p], &stats[r + i].sum[p]);
	}
}

/* Panels in order, in fp32 relative to the largest of them. */
static void
fold_stats(const struct head *a, const struct head_stats *s, int64_t n, float *max, double *sum)
{
	float e[GROUP], top = s->max[0], total = 0;

	for (int64_t p = 1; p < n; p++)
		top = s->max[p] > top ? s->max[p] : top;
	for (int64_t p = 0; p < n; p++)
		e[p] = s->max[p] - top;
	a->ctx->k->exp(e, e, n);
	for (int64_t p = 0; p < n; p++)
		total += s->sum[p] * e[p];
	od_head_fold(max, sum, top, total);
}

void
od_cpu_head_fwd_bf16(struct head *a, float *logps, float *lse)
{
	struct cpu_ctx *ctx = a->ctx;
	int64_t rows = a->h.rows, n_chunks = (rows + TASK_ROWS - 1) / TASK_ROWS, cols = smaller(a->w.rows, GROUP * PANEL);
	uint16_t *packed = od_cpu_scratch(ctx, SCRATCH_GEMM, (size_t)od_bf16_packed(a->h.cols, cols) * sizeof *packed);
	struct head_stats *stats = od_cpu_scratch(ctx, SCRATCH_HEAD, (size_t)(rows + 1) * sizeof *stats);
	float *team = od_cpu_scratch(ctx, SCRATCH_GEMM_TEAM, (size_t)ctx->threads * BLOCK_ROWS * PANEL * sizeof *team);
	double *sum = od_cpu_scratch(ctx, SCRATCH_HEAD_STATS, (size_t)(rows + 1) * sizeof *sum);

	if (!packed || !stats || !team || !sum)
		return;
	for (int64_t r = 0; r < rows; r++) {
		lse[r] = -INFINITY;        /* the running maximum, until the end */
		sum[r] = 0;
	}
	for (int64_t v0 = 0; v0 < a->w.rows; v0 += GROUP * PANEL) {
		struct head_group g = { v0, smaller(a->w.rows - v0, GROUP * PANEL), packed };
		int64_t n_panels = (g.nv + PANEL - 1) / PANEL;

		od_cpu_bf16_pack(ctx, packed, a->w, 1, v0, g.nv);
#pragma omp parallel num_threads(ctx->threads)
		{
#pragma omp for schedule(dynamic)
			for (int64_t t = 0; t < n_panels * n_chunks; t++)
				stats_task(a, &g, t / n_chunks, t % n_chunks * TASK_ROWS, logps, stats,
					team + omp_get_thread_num() * BLOCK_ROWS * PANEL);
#pragma omp for schedule(static)
			for (int64_t r = 0; r < rows; r++)
				fold_stats(a, &stats[r], n_panels, &lse[r], &sum[r]);
		}
	}
	od_head_finish(a, logps, lse, sum);
}

/* ---- backward ---- */

struct head_grad {
	const float *lse, *coef;
	float *slope;
	struct od_mat dlogit;          /* [rows, GRAD_GROUP * PANEL] of rows from r0 on */
	int64_t r0, rows;
};

static void
grad_task(const struct head *a, const struct head_group *g, const struct head_grad *b, int64_t p, int64_t chunk, float *x)
{
	int64_t end = smaller(b->r0 + chunk + TASK_ROWS, b->r0 + b->rows);

	for (int64_t r = b->r0 + chunk; r < end; r += BLOCK_ROWS) {
		int64_t n = smaller(end - r, BLOCK_ROWS), nv = block_logits(a, g, p, r, n, x);
		struct od_mat to = od_mat_cols(b->dlogit, p * PANEL, nv);

		for (int64_t i = 0; i < n; i++)
			od_head_row_grad(a, x + i * PANEL, r + i, g->v0 + p * PANEL, nv, b->lse[r + i], b->coef, b->slope);
		to.data = (uint16_t *)to.data + (r - b->r0) * to.ld;
		to.rows = n;
		a->ctx->k->finish_rows(to, x, PANEL, 0, (struct od_mat){ NULL, OD_F32, 0, 0, 0 });
	}
}

/* dh and dw of a group of the vocabulary and the rows of b. packed: scratch; packed_h: those rows of h as a right factor. */
static void
grad_group(const struct head *a, int64_t v0, struct head_grad *b, struct od_mat dh, struct od_mat dw, uint16_t *packed,
	const uint16_t *packed_h)
{
	struct cpu_ctx *ctx = a->ctx;
	struct head_group g = { v0, smaller(a->w.rows - v0, GRAD_GROUP * PANEL), packed };
	int64_t n_panels = (g.nv + PANEL - 1) / PANEL, n_chunks = (b->rows + TASK_ROWS - 1) / TASK_ROWS;
	struct od_mat d = od_mat_of(b->dlogit.data, OD_BF16, b->rows, g.nv), w = a->w;
	float *team = od_cpu_scratch(ctx, SCRATCH_GEMM_TEAM, (size_t)ctx->threads * BLOCK_ROWS * PANEL * sizeof *team);

	if (!team)
		return;
	d.ld = b->dlogit.ld;
	od_cpu_bf16_pack(ctx, packed, a->w, 1, v0, g.nv);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
	for (int64_t t = 0; t < n_panels * n_chunks; t++)
		grad_task(a, &g, b, t / n_chunks, t % n_chunks * TASK_ROWS, team + omp_get_thread_num() * BLOCK_ROWS * PANEL);
	w.data = (uint16_t *)w.data + v0 * w.ld;
	w.rows = g.nv;
	od_cpu_bf16_pack(ctx, packed, w, 0, 0, w.cols);
	dh.data = (float *)dh.data + b->r0 * dh.ld;
	dh.rows = b->rows;
	od_cpu_bf16_multiply(ctx, dh, d, 0, packed, v0 > 0);
	if (!dw.data)
		return;
	dw.data = (float *)dw.data + v0 * dw.ld;
	dw.rows = g.nv;
	od_cpu_bf16_multiply(ctx, dw, d, 1, packed_h, 1);
}

void
od_cpu_head_bwd_bf16(struct head *a, struct od_mat dh, struct od_mat dw, const float *lse, const float *coef)
{
	struct cpu_ctx *ctx = a->ctx;
	int64_t d = a->h.cols, rows = smaller(a->h.rows, GRAD_ROWS), cols = smaller(a->w.rows, GRAD_GROUP * PANEL);
	int64_t n_packed = od_larger(od_bf16_packed(d, cols), od_bf16_packed(cols, d)), n_h = od_bf16_packed(rows, d);
	int64_t n_dlogit = (rows * cols + 31) / 32 * 32;       /* what is packed begins at a line of the cache */
	uint16_t *dlogit = od_cpu_scratch(ctx, SCRATCH_HEAD, (size_t)(n_dlogit + n_packed + n_h) * sizeof *dlogit), *packed;
	float *slope = od_cpu_scratch(ctx, SCRATCH_HEAD_STATS, (size_t)(a->t->n + 1) * sizeof *slope);

	if (!dlogit || !slope)
		return;
	packed = dlogit + n_dlogit;
	for (int64_t r0 = 0; r0 < a->h.rows; r0 += GRAD_ROWS) {
		struct head_grad b = { lse, coef, slope, od_mat_of(dlogit, OD_BF16, rows, cols), r0, smaller(a->h.rows - r0, GRAD_ROWS) };
		struct od_mat h = { (uint16_t *)a->h.data + r0 * a->h.ld, OD_BF16, b.rows, d, a->h.ld };

		od_cpu_bf16_pack(ctx, packed + n_packed, h, 0, 0, d);
		for (int64_t v0 = 0; v0 < a->w.rows; v0 += cols)
			grad_group(a, v0, &b, dh, dw, packed, packed + n_packed);
	}
}
