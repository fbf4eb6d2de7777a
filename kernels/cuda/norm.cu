/* norm.cu -- RMS norm, and the sums over tokens that its gain and every bias need.
 *
 * A warp a row; sums of a row are in double. Sums over tokens are made in two steps with a fixed order: blocks add up slabs
 * of tokens, a last kernel adds the slabs.
 */
#include "launch.h"

enum { ROWS_A_BLOCK = THREADS / WARP };

/* The row of this warp, -1 behind the last. */
static __device__ inline int64_t
warp_row(int64_t rows)
{
	int64_t r = (int64_t)blockIdx.x * ROWS_A_BLOCK + threadIdx.x / WARP;

	return r < rows ? r : -1;
}

static dim3
row_blocks(int64_t rows)
{
	return dim3((unsigned)ceil_div(rows, ROWS_A_BLOCK));
}

#define FOR_ROW(i, cols, N) for (int64_t i = (threadIdx.x % WARP) * (N); i < (cols); i += WARP * (N))

template <typename TO, typename TX, int N>
static __global__ void
norm_fwd_kernel(view<TO> out, float *rstd, view<TX> x, const float *w, float eps, float one, int64_t rows, int64_t cols)
{
	int64_t r = warp_row(rows);
	double sum = 0;
	float rs;

	if (r < 0)
		return;
	FOR_ROW(i, cols, N) {
		lanes<N> a = ldn<N>(x.row(r), i);
		float part = 0;

		for (int k = 0; k < N; k++)
			part += a.v[k] * a.v[k];
		sum += part;
	}
	rs = (float)(1 / sqrt(warp_sum(sum) / (double)cols + (double)eps));
	if (threadIdx.x % WARP == 0)
		rstd[r] = rs;
	FOR_ROW(i, cols, N) {
		lanes<N> a = ldn<N>(x.row(r), i), g = ldn<N>(w, i);

		for (int k = 0; k < N; k++)
			a.v[k] *= rs * (one + g.v[k]);
		stn<N>(out.row(r), i, a);
	}
}

void
od_cuda_norm_fwd(struct od_backend *be, struct od_mat out, float *rstd, struct od_mat x, const float *w, float eps,
	int plus_one)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (x.rows == 0)
		return;
	WITH_TYPE(out, TO, WITH_TYPE(x, TX, WITH_LANES(by_four(out) && by_four(x), N,
		LAUNCH((norm_fwd_kernel<TO, TX, N>), row_blocks(x.rows), THREADS, 0, ctx->stream, view_of<TO>(out), rstd,
			view_of<TX>(x), w, eps, plus_one ? 1.0f : 0.0f, x.rows, x.cols))));
	CUDA_LAUNCHED(ctx, "norm_fwd");
}

/* dx = rstd (dy g - xhat mean(dy g xhat)) */
template <typename TD, typename TY, typename TX, int N>
static __global__ void
norm_dx_kernel(view<TD> dx, view<TY> dy, view<TX> x, const float *w, const float *rstd, float one, bool accumulate,
	int64_t rows, int64_t cols)
{
	int64_t r = warp_row(rows);
	double sum = 0;
	float rs, mean;

	if (r < 0)
		return;
	rs = rstd[r];
	FOR_ROW(i, cols, N) {
		lanes<N> d = ldn<N>(dy.row(r), i), a = ldn<N>(x.row(r), i), g = ldn<N>(w, i);
		float part = 0;

		for (int k = 0; k < N; k++)
			part += d.v[k] * (one + g.v[k]) * a.v[k];
		sum += part;
	}
	mean = (float)(warp_sum(sum) * (double)rs / (double)cols);
	FOR_ROW(i, cols, N) {
		lanes<N> d = ldn<N>(dy.row(r), i), a = ldn<N>(x.row(r), i), g = ldn<N>(w, i), old;

		for (int k = 0; k < N; k++)
			d.v[k] = rs * (d.v[k] * (one + g.v[k]) - a.v[k] * rs * mean);
		if (accumulate) {
			old = ldn<N>(dx.row(r), i);
			for (int k = 0; k < N; k++)
				d.v[k] += old.v[k];
		}
		stn<N>(dx.row(r), i, d);
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
	for (int64_t r = first + warp; r < end && j < cols; r += SLAB_WARPS) {
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

/* ---- norm, backward ---- */

/* The common case in one pass over dy and x: fp32 stream, rows of at most CHUNKS * 128 columns. A warp a row, as in
 * norm_dx_kernel; a lane meets the same columns in every row and keeps their part of dw in registers. */
enum { FUSED_SLABS = 264, LANE_COLUMNS = 4 };

template <typename TY, int CHUNKS>
static __global__ void
norm_bwd_kernel(view<float> dx, float *part, view<TY> dy, view<float> x, const float *w, const float *rstd, float one,
	bool accumulate, view<bf16> copy, int64_t rows, int64_t cols, int64_t slab)
{
	DYN_SHARED(float, sums);
	const int N = LANE_COLUMNS;
	int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
	int64_t first = blockIdx.x * slab, end = first + slab < rows ? first + slab : rows;
	lanes<N> acc[CHUNKS];

#pragma unroll
	for (int c = 0; c < CHUNKS; c++)
		for (int k = 0; k < N; k++)
			acc[c].v[k] = 0;
	for (int64_t r = first + warp; r < end; r += SLAB_WARPS) {
		double sum = 0;
		float rs = rstd[r], mean;

#pragma unroll
		for (int c = 0; c < CHUNKS; c++) {
			int64_t i = (c * WARP + lane) * N;
			float dot = 0;

			if (i >= cols)
				continue;
			lanes<N> d = ldn<N>(dy.row(r), i), a = ldn<N>(x.row(r), i), g = ldn<N>(w, i);

			for (int k = 0; k < N; k++)
				dot += d.v[k] * (one + g.v[k]) * a.v[k];
			sum += dot;
		}
		mean = (float)(warp_sum(sum) * (double)rs / (double)cols);
#pragma unroll
		for (int c = 0; c < CHUNKS; c++) {
			int64_t i = (c * WARP + lane) * N;

			if (i >= cols)
				continue;
			lanes<N> d = ldn<N>(dy.row(r), i), a = ldn<N>(x.row(r), i), g = ldn<N>(w, i), old;

			for (int k = 0; k < N; k++) {
				acc[c].v[k] += d.v[k] * a.v[k] * rs;
				d.v[k] = rs * (d.v[k] * (one + g.v[k]) - a.v[k] * rs * mean);
			}
			if (accumulate) {
				old = ldn<N>(dx.row(r), i);
				for (int k = 0; k < N; k++)
					d.v[k] += old.v[k];
			}
			stn<N>(dx.row(r), i, d);
			if (copy.data)
				stn<N>(copy.row(r), i, d);
		}
	}
	for (int i = 0; i < SLAB_WARPS; i++) {             /* warp by warp, so that the order is fixed */
		__syncthreads();
		if (warp != i)
			continue;
#pragma unroll
		for (int c = 0; c < CHUNKS; c++)
			for (int k = 0; k < N; k++) {
				int64_t j = (c * WARP + lane) * N + k;

				if (j < cols)
					sums[j] = (i ? sums[j] : 0) + acc[c].v[k];
			}
	}
	__syncthreads();
	for (int64_t j = threadIdx.x; j < cols; j += SLAB_WARPS * WARP)
		part[blockIdx.x * cols + j] = sums[j];
}

/* The number of chunks that rows of this length take, as a compile-time constant. */
#define WITH_CHUNKS(cols, CHUNKS, ...)                                                                                      \
	do {                                                                                                                \
		if ((cols) <= 1024) {                                                                                       \
			enum { CHUNKS = 8 };                                                                                \
			__VA_ARGS__;                                                                                        \
		} else if ((cols) <= 2048) {                                                                                \
			enum { CHUNKS = 16 };                                                                               \
			__VA_ARGS__;                                                                                        \
		} else {                                                                                                    \
			enum { CHUNKS = 32 };                                                                               \
			__VA_ARGS__;                                                                                        \
		}                                                                                                           \
	} while (0)

static bool
can_fuse(struct od_mat dx, struct od_mat dy, struct od_mat x, struct od_mat copy)
{
	return dx.type == OD_F32 && x.type == OD_F32 && (!copy.data || copy.type == OD_BF16) && x.cols <= 4096 && by_four(dx) &&
		by_four(dy) && by_four(x) && by_four(copy);
}

static void
norm_bwd_fused(struct cuda_ctx *ctx, struct od_mat dx, float *dw, struct od_mat dy, struct od_mat x, const float *w,
	const float *rstd, float one, bool accumulate, struct od_mat copy)
{
	int64_t slab = ceil_div(x.rows, FUSED_SLABS), slabs = ceil_div(x.rows, slab);
	float *part = slab_scratch(ctx, slabs, x.cols);

	if (!part)
		return;
	WITH_TYPE(dy, TY, WITH_CHUNKS(x.cols, CHUNKS,
		LAUNCH((norm_bwd_kernel<TY, CHUNKS>), dim3((unsigned)slabs), SLAB_WARPS * WARP, (size_t)x.cols * sizeof(float),
			ctx->stream, view_of<float>(dx), part, view_of<TY>(dy), view_of<float>(x), w, rstd, one, accumulate,
			view_of<bf16>(copy), x.rows, x.cols, slab)));
	CUDA_LAUNCHED(ctx, "norm_bwd");
	add_slabs(ctx, dw, part, slabs, x.cols);
}

/* The gain's gradient first: dx may take the place of dy. */
void
od_cuda_norm_bwd(struct od_backend *be, struct od_mat dx, float *dw, struct od_mat dy, struct od_mat x, const float *w,
	const float *rstd, int plus_one, int accumulate, struct od_mat copy)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	float one = plus_one ? 1.0f : 0.0f;

	if (x.rows == 0)
		return;
	if (can_fuse(dx, dy, x, copy)) {
		norm_bwd_fused(ctx, dx, dw, dy, x, w, rstd, one, accumulate != 0, copy);
		return;
	}
	add_token_sums(ctx, dw, dy, x, rstd);
	WITH_TYPE(dx, TD, WITH_TYPE(dy, TY, WITH_TYPE(x, TX, WITH_LANES(by_four(dx) && by_four(dy) && by_four(x), N,
		LAUNCH((norm_dx_kernel<TD, TY, TX, N>), row_blocks(x.rows), THREADS, 0, ctx->stream, view_of<TD>(dx),
			view_of<TY>(dy), view_of<TX>(x), w, rstd, one, accumulate != 0, x.rows, x.cols)))));
	CUDA_LAUNCHED(ctx, "norm_bwd");
	if (copy.data)
		od_cuda_cast(be, copy, dx);
}

void
od_cuda_bias_bwd(struct od_backend *be, float *db, struct od_mat dy)
{
	if (dy.rows)
		add_token_sums(cuda_ctx(be), db, dy, dy, NULL);
}
