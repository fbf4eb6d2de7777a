/* optim.cu -- the optimiser's pass over all parameters, and the norm of the gradient. */
#include "launch.h"

/* ---- sum of squares ---- in double; the order depends on n alone */

enum { SUM_BLOCKS = 1024, SUM_THREADS = 256 };

static __global__ void
sum_squares_kernel(double *part, const float *x, int64_t n, int64_t chunk)
{
	int64_t first = blockIdx.x * chunk, end = first + chunk < n ? first + chunk : n;
	double sum = 0;

	for (int64_t i = first + threadIdx.x; i < end; i += SUM_THREADS)
		sum += (double)x[i] * x[i];
	sum = block_sum<double, SUM_THREADS>(sum);
	if (threadIdx.x == 0)
		part[blockIdx.x] = sum;
}

double
od_cuda_sum_squares(struct od_backend *be, const float *x, int64_t n)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	int64_t chunk = ceil_div(n, SUM_BLOCKS), blocks = n ? ceil_div(n, chunk) : 0;
	double *part = static_cast<double *>(od_cuda_scratch(ctx, CUDA_SCRATCH_REDUCE, SUM_BLOCKS * sizeof *part));
	double host[SUM_BLOCKS], sum = 0;

	if (!part || blocks == 0)
		return 0;
	LAUNCH((sum_squares_kernel), dim3((unsigned)blocks), SUM_THREADS, 0, ctx->stream, part, x, n, chunk);
	CUDA_LAUNCHED(ctx, "sum_squares");
	be->download(be, host, part, (size_t)blocks * sizeof *host);
	for (int64_t i = 0; i < blocks; i++)
		sum += host[i];
	return sum;
}

/* ---- AdamW ---- */

/* The scalars of an update, folded in double on the host. */
struct adamw_scalars {
	float beta1, rest1, beta2, rest2;      /* rest = 1 - beta */
	float decay, step, root_bias2, eps;    /* lr * wd; lr / bias1; sqrt(1 / bias2) */
	float grad_scale;
};

template <typename T, int N>
static __global__ void
adamw_kernel(float *w, float *m, float *v, const float *g, T *copy, int64_t n, adamw_scalars s)
{
	int64_t i = ((int64_t)blockIdx.x * SUM_THREADS + threadIdx.x) * N;
	lanes<N> gi, mi, vi, wi;

	if (i >= n)
		return;
	gi = ldn<N>(g, i);
	mi = ldn<N>(m, i);
	vi = ldn<N>(v, i);
	wi = ldn<N>(w, i);
	for (int k = 0; k < N; k++) {
		float gk = s.grad_scale * gi.v[k];

		mi.v[k] = s.beta1 * mi.v[k] + s.rest1 * gk;
		vi.v[k] = s.beta2 * vi.v[k] + s.rest2 * gk * gk;
		wi.v[k] = wi.v[k] - s.decay * wi.v[k] - s.step * mi.v[k] / (sqrtf(vi.v[k]) * s.root_bias2 + s.eps);
	}
	stn<N>(m, i, mi);
	stn<N>(v, i, vi);
	stn<N>(w, i, wi);
	if (copy)
		stn<N>(copy, i, wi);
}

void
od_cuda_adamw(struct od_backend *be, float *w, float *m, float *v, const float *g, void *copy, int64_t n,
	const struct od_adamw *p)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	adamw_scalars s = { (float)p->beta1, (float)(1 - p->beta1), (float)p->beta2, (float)(1 - p->beta2),
		(float)(p->lr * p->weight_decay), (float)(p->lr / p->bias1), (float)sqrt(1 / p->bias2), (float)p->eps,
		(float)p->grad_scale };
	struct od_mat like = { copy, be->type, 1, n, n };
	bool aligned = by_four(like) && by_four(od_mat_f32(w, 1, n)) && by_four(od_mat_f32(m, 1, n)) &&
		by_four(od_mat_f32(v, 1, n)) && by_four(od_mat_f32(const_cast<float *>(g), 1, n));

	if (n == 0)
		return;
	WITH_TYPE(like, T, WITH_LANES(aligned, N,
		LAUNCH((adamw_kernel<T, N>), dim3((unsigned)ceil_div(n, SUM_THREADS * N)), SUM_THREADS, 0, ctx->stream, w, m, v,
			g, static_cast<T *>(copy), n, s)));
	CUDA_LAUNCHED(ctx, "adamw");
}
