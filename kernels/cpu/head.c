/* head.c -- the LM head in tiles of rows x vocabulary: logits exist one tile at a time.
 *
 * Forward: for each tile of the vocabulary its logits, each row's maximum and sum of exponentials (fp32) folded into the
 * row's running pair (maximum in fp32, sum in double), tiles in order; the wanted logits are picked as they pass.
 * Backward: the tile's logits again, turned in place into dlogit; dh += dlogit w_tile, dw_tile += dlogit^T h.
 * The products are od_cpu_gemm's, so rows keep their bits; every other step is by rows.
 */
#include <math.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/simd.h"

#define HEAD_VOCAB 1024
#define HEAD_ROWS  1024        /* a tile of logits is 4 MB at most */

struct head {
	struct cpu_ctx *ctx;
	struct od_mat h, w;
	float softcap;
	const struct od_targets *t;
	float *logits;             /* [HEAD_ROWS, HEAD_VOCAB] at most */
	int64_t *first;            /* [rows + 1] first entry of each row */
};

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Rows [r, r + n) of m. */
static struct od_mat
rows_of(struct od_mat m, int64_t r, int64_t n)
{
	m.data = mat_row(&m, r);
	m.rows = n;
	return m;
}

static int
head_init(struct head *a, struct od_backend *be, struct od_mat h, struct od_mat w, float softcap, const struct od_targets *t)
{
	int64_t e = 0, rows = smaller(h.rows, HEAD_ROWS), cols = smaller(w.rows, HEAD_VOCAB);

	*a = (struct head){ .ctx = cpu_ctx(be), .h = h, .w = w, .softcap = softcap, .t = t };
	a->logits = od_cpu_scratch(a->ctx, SCRATCH_HEAD, (size_t)(rows * cols) * sizeof *a->logits);
	a->first = od_cpu_scratch(a->ctx, SCRATCH_HEAD_INDEX, (size_t)(h.rows + 1) * sizeof *a->first);
	if (!a->logits || !a->first)
		return 0;
	for (int64_t r = 0; r <= h.rows; r++) {
		while (e < t->n && t->row[e] < r)
			e++;
		a->first[r] = e;
	}
	return 1;
}

static struct od_mat
tile_logits(struct head *a, struct od_backend *be, int64_t v0, int64_t nv, int64_t r0, int64_t nr)
{
	struct od_mat x = od_mat_f32(a->logits, nr, nv);

	od_cpu_gemm(be, x, rows_of(a->h, r0, nr), 0, rows_of(a->w, v0, nv), 1, 0);
	return x;
}

/* ---- forward ---- */

/* The running pair (max, sum) of a row, and the wanted logits of a tile that starts at vocabulary entry v0. */
static void
fold_row(struct head *a, float *x, int64_t r, int64_t v0, int64_t nv, float *logps, float *max, double *sum)
{
	float m, s;

	a->ctx->k->head_stats(x, nv, a->softcap, &m, &s);
	if (m > *max) {
		*sum *= exp((double)*max - m);
		*max = m;
	}
	*sum += s * exp((double)m - *max);
	for (int64_t e = a->first[r]; e < a->first[r + 1]; e++)
		if (a->t->id[e] >= v0 && a->t->id[e] < v0 + nv)
			logps[e] = x[a->t->id[e] - v0];
}

void
od_cpu_head_fwd(struct od_backend *be, float *logps, float *lse, struct od_mat h, struct od_mat w, float softcap,
	const struct od_targets *targets)
{
	struct head a;
	double *sum;

	if (!head_init(&a, be, h, w, softcap, targets))
		return;
	sum = od_cpu_scratch(a.ctx, SCRATCH_HEAD_STATS, (size_t)(h.rows + 1) * sizeof *sum);
	if (!sum)
		return;
	for (int64_t r = 0; r < h.rows; r++) {
		lse[r] = -INFINITY;        /* the running maximum, until the end */
		sum[r] = 0;
	}
	for (int64_t v0 = 0; v0 < w.rows; v0 += HEAD_VOCAB)
		for (int64_t r0 = 0; r0 < h.rows; r0 += HEAD_ROWS) {
			int64_t nv = smaller(w.rows - v0, HEAD_VOCAB), nr = smaller(h.rows - r0, HEAD_ROWS);
			struct od_mat x = tile_logits(&a, be, v0, nv, r0, nr);

#pragma omp parallel for schedule(static) num_threads(a.ctx->threads)
			for (int64_t r = 0; r < nr; r++)
				fold_row(&a, mat_row(&x, r), r0 + r, v0, nv, logps, &lse[r0 + r], &sum[r0 + r]);
		}
	for (int64_t r = 0; r < h.rows; r++) {
		double l = lse[r] + log(sum[r]);

		lse[r] = (float)l;
		for (int64_t e = a.first[r]; e < a.first[r + 1]; e++)
			logps[e] = (float)(logps[e] - l);
	}
}

/* ---- backward ---- */

/* Logits of row r of a tile to dlogit. slope[e]: derivative of the soft-cap at entry e's logit. */
static void
grad_row(struct head *a, float *x, int64_t r, int64_t v0, int64_t nv, float lse, const float *coef, float *slope)
{
	const struct cpu_kernels *k = a->ctx->k;
	const int32_t *id = a->t->id;
	double total = 0;

	for (int64_t e = a->first[r]; e < a->first[r + 1]; e++) {
		total += coef[e];
		if (id[e] >= v0 && id[e] < v0 + nv)
			slope[e] = k->head_slope(x[id[e] - v0], a->softcap);
	}
	if (total == 0)
		memset(x, 0, (size_t)nv * sizeof *x);
	else
		k->head_grad(x, nv, a->softcap, lse, (float)-total);
	for (int64_t e = a->first[r]; e < a->first[r + 1]; e++)
		if (id[e] >= v0 && id[e] < v0 + nv)
			x[id[e] - v0] += coef[e] * slope[e];
}

void
od_cpu_head_bwd(struct od_backend *be, struct od_mat dh, struct od_mat dw, struct od_mat h, struct od_mat w, float softcap,
	const float *lse, const struct od_targets *targets, const float *coef)
{
	struct head a;
	float *slope;

	if (!head_init(&a, be, h, w, softcap, targets))
		return;
	slope = od_cpu_scratch(a.ctx, SCRATCH_HEAD_STATS, (size_t)(targets->n + 1) * sizeof *slope);
	if (!slope)
		return;
	for (int64_t v0 = 0; v0 < w.rows; v0 += HEAD_VOCAB)
		for (int64_t r0 = 0; r0 < h.rows; r0 += HEAD_ROWS) {
			int64_t nv = smaller(w.rows - v0, HEAD_VOCAB), nr = smaller(h.rows - r0, HEAD_ROWS);
			struct od_mat x = tile_logits(&a, be, v0, nv, r0, nr);

#pragma omp parallel for schedule(static) num_threads(a.ctx->threads)
			for (int64_t r = 0; r < nr; r++)
				grad_row(&a, mat_row(&x, r), r0 + r, v0, nv, lse[r0 + r], coef, slope);
			od_cpu_gemm(be, rows_of(dh, r0, nr), x, 0, rows_of(w, v0, nv), 0, v0 > 0);
			if (dw.data)
				od_cpu_gemm(be, rows_of(dw, v0, nv), x, 1, rows_of(h, r0, nr), 0, 1);
		}
}
