/* head.c -- the LM head in tiles of rows x vocabulary: logits exist one tile at a time.
 *
 * Forward: for each tile of the vocabulary its logits, each row's maximum and sum of exponentials (fp32) folded into the
 * row's running pair (maximum in fp32, sum in double), tiles in order; the wanted logits are picked as they pass.
 * Backward: the tile's logits again, turned in place into dlogit; dh += dlogit w_tile, dw_tile += dlogit^T h.
 * The products are od_cpu_gemm's, so rows keep their bits; every other step is by rows.
 */
#include <math.h>
#include <string.h>

#include "cpu/head.h"
#include "cpu/simd.h"

#define HEAD_VOCAB 1024
#define HEAD_ROWS  1024        /* a tile of logits is 4 MB at most */

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

int
od_head_init(struct head *a, struct cpu_ctx *ctx, struct od_mat h, struct od_mat w, float softcap, const struct od_targets *t)
{
	int64_t e = 0;

	*a = (struct head){ ctx, h, w, softcap, t, NULL, h.type == OD_BF16 };
	a->first = od_cpu_scratch(ctx, SCRATCH_HEAD_INDEX, (size_t)(h.rows + 1) * sizeof *a->first);
	for (int64_t r = 0; a->first && r <= h.rows; r++) {
		while (e < t->n && t->row[e] < r)
			e++;
		a->first[r] = e;
	}
	return a->first != NULL;
}

/* Room for a tile of logits. */
static float *
logits_of(const struct head *a)
{
	int64_t rows = smaller(a->h.rows, HEAD_ROWS), cols = smaller(a->w.rows, HEAD_VOCAB);

	return od_cpu_scratch(a->ctx, SCRATCH_HEAD, (size_t)(rows * cols) * sizeof(float));
}

static struct od_mat
tile_logits(const struct head *a, struct od_backend *be, float *logits, int64_t v0, int64_t nv, int64_t r0, int64_t nr)
{
	struct od_mat x = od_mat_f32(logits, nr, nv);

	od_cpu_gemm(be, x, rows_of(a->h, r0, nr), 0, rows_of(a->w, v0, nv), 1, 0);
	return x;
}

/* ---- forward ---- */

void
od_head_row_stats(const struct head *a, float *x, int64_t r, int64_t v0, int64_t nv, float *logps, float *max, float *sum)
{
	a->ctx->k->head_stats(x, nv, a->softcap, a->quick, max, sum);
	for (int64_t e = a->first[r]; e < a->first[r + 1]; e++)
		if (a->t->id[e] >= v0 && a->t->id[e] < v0 + nv)
			logps[e] = x[a->t->id[e] - v0];
}

void
od_head_fold(float *max, double *sum, float m, float s)
{
	if (m > *max) {
		*sum *= exp((double)*max - m);
		*max = m;
	}
	*sum += s * exp((double)m - *max);
}

void
od_head_finish(const struct head *a, float *logps, float *lse, const double *sum)
{
	for (int64_t r = 0; r < a->h.rows; r++) {
		double l = lse[r] + log(sum[r]);

		lse[r] = (float)l;
		for (int64_t e = a->first[r]; e < a->first[r + 1]; e++)
			logps[e] = (float)(logps[e] - l);
	}
}

static void
head_fwd(const struct head *a, struct od_backend *be, float *logps, float *lse)
{
	float *logits = logits_of(a);
	double *sum = od_cpu_scratch(a->ctx, SCRATCH_HEAD_STATS, (size_t)(a->h.rows + 1) * sizeof *sum);

	if (!logits || !sum)
		return;
	for (int64_t r = 0; r < a->h.rows; r++) {
		lse[r] = -INFINITY;        /* the running maximum, until the end */
		sum[r] = 0;
	}
	for (int64_t v0 = 0; v0 < a->w.rows; v0 += HEAD_VOCAB)
		for (int64_t r0 = 0; r0 < a->h.rows; r0 += HEAD_ROWS) {
			int64_t nv = smaller(a->w.rows - v0, HEAD_VOCAB), nr = smaller(a->h.rows - r0, HEAD_ROWS);
			struct od_mat x = tile_logits(a, be, logits, v0, nv, r0, nr);

#pragma omp parallel for schedule(static) num_threads(a->ctx->threads)
			for (int64_t r = 0; r < nr; r++) {
				float m, s;

				od_head_row_stats(a, mat_row(&x, r), r0 + r, v0, nv, logps, &m, &s);
				od_head_fold(&lse[r0 + r], &sum[r0 + r], m, s);
			}
		}
	od_head_finish(a, logps, lse, sum);
}

void
od_cpu_head_fwd(struct od_backend *be, float *logps, float *lse, struct od_mat h, struct od_mat w, float softcap,
	const struct od_targets *targets)
{
	struct head a;

	if (!od_head_init(&a, cpu_ctx(be), h, w, softcap, targets))
		return;
	if (h.type == OD_BF16)
		od_cpu_head_fwd_bf16(&a, logps, lse);
	else
		head_fwd(&a, be, logps, lse);
}

/* ---- backward ---- */

void
od_head_row_grad(const struct head *a, float *x, int64_t r, int64_t v0, int64_t nv, float lse, const float *coef, float *slope)
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
		k->head_grad(x, nv, a->softcap, a->quick, lse, (float)-total);
	for (int64_t e = a->first[r]; e < a->first[r + 1]; e++)
		if (id[e] >= v0 && id[e] < v0 + nv)
			x[id[e] - v0] += coef[e] * slope[e];
}

static void
head_bwd(const struct head *a, struct od_backend *be, struct od_mat dh, struct od_mat dw, const float *lse, const float *coef)
{
	float *logits = logits_of(a), *slope = od_cpu_scratch(a->ctx, SCRATCH_HEAD_STATS, (size_t)(a->t->n + 1) * sizeof *slope);

	if (!logits || !slope)
		return;
	for (int64_t v0 = 0; v0 < a->w.rows; v0 += HEAD_VOCAB)
		for (int64_t r0 = 0; r0 < a->h.rows; r0 += HEAD_ROWS) {
			int64_t nv = smaller(a->w.rows - v0, HEAD_VOCAB), nr = smaller(a->h.rows - r0, HEAD_ROWS);
			struct od_mat x = tile_logits(a, be, logits, v0, nv, r0, nr);

#pragma omp parallel for schedule(static) num_threads(a->ctx->threads)
			for (int64_t r = 0; r < nr; r++)
				od_head_row_grad(a, mat_row(&x, r), r0 + r, v0, nv, lse[r0 + r], coef, slope);
			od_cpu_gemm(be, rows_of(dh, r0, nr), x, 0, rows_of(a->w, v0, nv), 0, v0 > 0);
			if (dw.data)
				od_cpu_gemm(be, rows_of(dw, v0, nv), x, 1, rows_of(a->h, r0, nr), 0, 1);
		}
}

void
od_cpu_head_bwd(struct od_backend *be, struct od_mat dh, struct od_mat dw, struct od_mat h, struct od_mat w, float softcap,
	const float *lse, const struct od_targets *targets, const float *coef)
{
	struct head a;

	if (!od_head_init(&a, cpu_ctx(be), h, w, softcap, targets))
		return;
	if (h.type == OD_BF16)
		od_cpu_head_bwd_bf16(&a, dh, dw, lse, coef);
	else
		head_bwd(&a, be, dh, dw, lse, coef);
}
