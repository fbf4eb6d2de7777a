/* norm.cu -- RMS norm, and the sums over tokens that its gain and every bias need.
 *
 * A block a row, each thread a few groups of four neighbours, which it loads once and keeps: all loads of a row are on their
 * way at the same time. Sums of a row are in double. Sums over tokens are made in two steps with a fixed order: blocks add up
 * slabs of tokens, a last kernel adds the slabs.
 */
#include <stdio.h>

#include "launch.h"

/* Columns i, of N at a time, that chunk c of this thread covers. */
#define CHUNK_AT(c, N) (((int64_t)(c) * THREADS + threadIdx.x) * (N))

/* How many chunks rows of this length take, as a compile-time constant: the fewest that cover them. */
#define WITH_CHUNKS(cols, N, CHUNKS, ...)                                                                                   \
	do {                                                                                                                \
		int64_t chunks_ = ceil_div(cols, THREADS * (N));                                                            \
                                                                                                                            \
		if (chunks_ <= 2) {                                                                                         \
			enum { CHUNKS = 2 };                                                                                \
			__VA_ARGS__;                                                                                        \
		} else if (chunks_ <= 4) {                                                                                  \
			enum { CHUNKS = 4 };                                                                                \
			__VA_ARGS__;                                                                                        \
		} else if (chunks_ <= 8) {                                                                                  \
			enum { CHUNKS = 8 };                                                                                \
			__VA_ARGS__;                                                                                        \
		} else {                                                                                                    \
			enum { CHUNKS = 16 };                                                                               \
			__VA_ARGS__;                                                                                        \
		}                                                                                                           \
	} while (0)

template <typename TO, typename TX, int N, int CHUNKS>
static __global__ void
norm_fwd_kernel(view<TO> out, float *rstd, view<TX> x, const float *w, float eps, float one, int64_t cols)
{
	int64_t r = blockIdx.x;
	lanes<N> a[CHUNKS];
	double sum = 0;
	float rs;

#pragma unroll
	for (int c = 0; c < CHUNKS; c++)
		if (CHUNK_AT(c, N) < cols)
			a[c] = ldn<N>(x.row(r), CHUNK_AT(c, N));
#pragma unroll
	for (int c = 0; c < CHUNKS; c++)
		for (int k = 0; k < N && CHUNK_AT(c, N) < cols; k++)
			sum += (double)a[c].v[k] * a[c].v[k];
	rs = (float)(1 / sqrt(block_sum<double, THREADS>(sum) / (double)cols + (double)eps));
	if (threadIdx.x == 0)
		rstd[r] = rs;
#pragma unroll
	for (int c = 0; c < CHUNKS; c++) {
		int64_t i = CHUNK_AT(c, N);

		if (i >= cols)
			continue;
		lanes<N> g = ldn<N>(w, i);

		for (int k = 0; k < N; k++)
			a[c].v[k] *= rs * (one + g.v[k]);
		stn<N>(out.row(r), i, a[c]);
	}
}

/* The longest row that the kernels keep in registers. */
static bool
too_long(struct cuda_ctx *ctx, int64_t cols, bool aligned)
{
	if (cols <= 16 * THREADS * (aligned ? 4 : 1))
		return false;
	if (!ctx->failed)
		snprintf(ctx->message, sizeof ctx->message, "a norm over %lld columns is not supported", (long long)cols);
	ctx->failed = 1;
	return true;
}

void
od_cuda_norm_fwd(struct od_backend *be, struct od_mat out, float *rstd, struct od_mat x, const float *w, float eps,
	int plus_one)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	bool aligned = by_four(out) && by_four(x);

	if (x.rows == 0 || too_long(ctx, x.cols, aligned))
		return;
	WITH_TYPE(out, TO, WITH_TYPE(x, TX, WITH_LANES(aligned, N, WITH_CHUNKS(x.cols, N, CHUNKS,
		LAUNCH((norm_fwd_kernel<TO, TX, N, CHUNKS>), dim3((unsigned)x.rows), THREADS, 0, ctx->stream, view_of<TO>(out),
			rstd, view_of<TX>(x), w, eps, plus_one ? 1.0f : 0.0f, x.cols)))));
	CUDA_LAUNCHED(ctx, "norm_fwd");
}

/* dx = rstd (dy g - xhat mean(dy g xhat)), added to dx where asked for; copy: the new dx in the products' type. */
template <typename TD, typename TY, typename TX, typename TC, int N, int CHUNKS>
static __global__ void
norm_dx_kernel(view<TD> dx, view<TC> copy, view<TY> dy, view<TX> x, const float *w, const float *rstd, float one,
	bool accumulate, int64_t cols)
{
	int64_t r = blockIdx.x;
	lanes<N> d[CHUNKS], a[CHUNKS];                 /* dy g, x */
	float rs = rstd[r], mean;
	double sum = 0;

#pragma unroll
	for (int c = 0; c < CHUNKS; c++)
		if (CHUNK_AT(c, N) < cols) {
			d[c] = ldn<N>(dy.row(r), CHUNK_AT(c, N));
			a[c] = ldn<N>(x.row(r), CHUNK_AT(c, N));
		}
#pragma unroll
	for (int c = 0; c < CHUNKS; c++) {
		if (CHUNK_AT(c, N) >= cols)
			continue;
		lanes<N> g = ldn<N>(w, CHUNK_AT(c, N));

		for (int k = 0; k < N; k++) {
			d[c].v[k] *= one + g.v[k];
			sum += (double)d[c].v[k] * a[c].v[k];
		}
	}
	mean = (float)(block_sum<double, THREADS>(sum) * (double)rs / (double)cols);
#pragma unroll
	for (int c = 0; c < CHUNKS; c++) {
		int64_t i = CHUNK_AT(c, N);
		lanes<N> old;

		if (i >= cols)
			continue;
		for (int k = 0; k < N; k++)
			d[c].v[k] = rs * (d[c].v[k] - a[c].v[k] * rs * mean);
		if (accumulate) {
			old = ldn<N>(dx.row(r), i);
			for (int k = 0; k < N; k++)
				d[c].v[k] += old.v[k];
		}
		stn<N>(dx.row(r), i, d[c]);
		if (copy.data)
			stn<N>(copy.row(r), i, d[c]);
	}
}

/* ---- sums over tokens ---- */

enum { SLABS = 64, SLAB_WARPS = 8 };

/* part[slab, j] = sum over the slab's tokens of dy (scale 1), or of dy * x * rstd. A block covers 32 N columns; its warps
 * take turns at the tokens and are added in order. */
template <typename TY, typename TX, int N>
static __global__ void
token_sum_kernel(float *part, view<TY> dy, view<TX> x, const float *rstd, int64_t rows, int64_t cols, int64_t slab)
{
	SHARED(float, sums, SLAB_WARPS * WARP * N);
	int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
	int64_t j = ((int64_t)blockIdx.x * WARP + lane) * N, first = blockIdx.y * slab;
	int64_t end = first + slab < rows ? first + slab : rows;
	lanes<N> acc;

	for (int k = 0; k < N; k++)
		acc.v[k] = 0;
#pragma unroll 4
	for (int64_t r = first + warp; r < (j < cols ? end : first); r += SLAB_WARPS) {
		lanes<N> d = ldn<N>(dy.row(r), j), a;
		float rs = 1;

		for (int k = 0; k < N; k++)
			a.v[k] = 1;
		if (rstd) {
			a = ldn<N>(x.row(r), j);
			rs = rstd[r];
		}
		for (int k = 0; k < N; k++)
			acc.v[k] += d.v[k] * a.v[k] * rs;
	}
	for (int k = 0; k < N; k++)
		sums[(warp * WARP + lane) * N + k] = acc.v[k];
	__syncthreads();
	if (warp != 0 || j >= cols)
		return;
	for (int k = 0; k < N; k++) {
		float sum = 0;

		for (int i = 0; i < SLAB_WARPS; i++)
			sum += sums[(i * WARP + lane) * N + k];
		part[blockIdx.y * cols + j + k] = sum;
	}
}

/* out[j] += the sum of part[slab, j] over slabs, in double: eight warps take turns at the slabs and are added in order. */
static __global__ void
slab_sum_kernel(float *out, const float *part, int slabs, int64_t cols)
{
	SHARED(double, sums, SLAB_WARPS * WARP);
	int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
	int64_t j = (int64_t)blockIdx.x * WARP + lane;
	double sum = 0;

	for (int i = warp; i < slabs && j < cols; i += SLAB_WARPS)
		sum += part[i * cols + j];
	sums[threadIdx.x] = sum;
	__syncthreads();
	if (warp != 0 || j >= cols)
		return;
	for (int i = 1; i < SLAB_WARPS; i++)
		sum += sums[i * WARP + lane];
	out[j] = (float)(out[j] + sum);
}

static float *
slab_scratch(struct cuda_ctx *ctx, int64_t slabs, int64_t cols)
{
	return static_cast<float *>(od_cuda_scratch(ctx, CUDA_SCRATCH_REDUCE, (size_t)(slabs * cols) * sizeof(float)));
}

static void
add_slabs(struct cuda_ctx *ctx, float *out, const float *part, int64_t slabs, int64_t cols)
{
	LAUNCH((slab_sum_kernel), dim3((unsigned)ceil_div(cols, WARP)), SLAB_WARPS * WARP, 0, ctx->stream, out, part, (int)slabs,
		cols);
	CUDA_LAUNCHED(ctx, "sum over slabs");
}

/* out[cols] += the sum over tokens of dy, times x rstd unless rstd is NULL. */
static void
add_token_sums(struct cuda_ctx *ctx, float *out, struct od_mat dy, struct od_mat x, const float *rstd)
{
	int64_t slab = ceil_div(dy.rows, SLABS), slabs = ceil_div(dy.rows, slab);
	float *part = slab_scratch(ctx, slabs, dy.cols);

	if (!part)
		return;
	WITH_TYPE(dy, TY, WITH_TYPE(x, TX, WITH_LANES(by_four(dy) && by_four(x), N,
		LAUNCH((token_sum_kernel<TY, TX, N>), dim3((unsigned)ceil_div(dy.cols, WARP * N), (unsigned)slabs),
			SLAB_WARPS * WARP, 0, ctx->stream, part, view_of<TY>(dy), view_of<TX>(x), rstd, dy.rows, dy.cols, slab))));
	CUDA_LAUNCHED(ctx, "sum over tokens");
	add_slabs(ctx, out, part, slabs, dy.cols);
}

/* ---- norm, backward ---- the gain's gradient first: dx may take the place of dy */

void
od_cuda_norm_bwd(struct od_backend *be, struct od_mat dx, float *dw, struct od_mat dy, struct od_mat x, const float *w,
	const float *rstd, int plus_one, int accumulate, struct od_mat copy)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	bool aligned = by_four(dx) && by_four(dy) && by_four(x) && by_four(copy);

	if (x.rows == 0 || too_long(ctx, x.cols, aligned))
		return;
	add_token_sums(ctx, dw, dy, x, rstd);
	WITH_TYPE(dx, TD, WITH_TYPE(dy, TY, WITH_TYPE(x, TX, WITH_TYPE(copy, TC, WITH_LANES(aligned, N, WITH_CHUNKS(x.cols, N, CHUNKS,
		LAUNCH((norm_dx_kernel<TD, TY, TX, TC, N, CHUNKS>), dim3((unsigned)x.rows), THREADS, 0, ctx->stream,
			view_of<TD>(dx), view_of<TC>(copy), view_of<TY>(dy), view_of<TX>(x), w, rstd, plus_one ? 1.0f : 0.0f,
			accumulate != 0, x.cols)))))));
	CUDA_LAUNCHED(ctx, "norm_bwd");
}

void
od_cuda_bias_bwd(struct od_backend *be, float *db, struct od_mat dy)
{
	if (dy.rows)
		add_token_sums(cuda_ctx(be), db, dy, dy, NULL);
}
