/* elem.cu -- element by element: casts, biases, residual, rotary embedding, gated unit. */
#include "launch.h"

/* ---- casts ---- */

template <typename TO, typename TI, int N>
static __global__ void
cast_kernel(view<TO> out, view<TI> in, int64_t cols)
{
	piece p = this_piece(cols);

	FOR_PIECE(i, p, N)
		stn<N>(out.row(p.row), i, ldn<N>(in.row(p.row), i));
}

void
od_cuda_cast(struct od_backend *be, struct od_mat out, struct od_mat in)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (in.rows == 0 || in.cols == 0)
		return;
	WITH_TYPE(out, TO, WITH_TYPE(in, TI, WITH_LANES(by_four(out) && by_four(in), N,
		LAUNCH((cast_kernel<TO, TI, N>), pieces(in.rows, in.cols), THREADS, 0, ctx->stream, view_of<TO>(out),
			view_of<TI>(in), in.cols))));
	CUDA_LAUNCHED(ctx, "cast");
}

/* ---- bias and residual ---- */

template <typename T, int N>
static __global__ void
bias_kernel(view<T> x, const float *b, int64_t cols)
{
	piece p = this_piece(cols);

	FOR_PIECE(i, p, N) {
		lanes<N> a = ldn<N>(x.row(p.row), i);

		for (int k = 0; k < N; k++)
			a.v[k] += b[i + k];
		stn<N>(x.row(p.row), i, a);
	}
}

void
od_cuda_bias_fwd(struct od_backend *be, struct od_mat x, const float *b)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (x.rows == 0)
		return;
	WITH_TYPE(x, T, WITH_LANES(by_four(x), N,
		LAUNCH((bias_kernel<T, N>), pieces(x.rows, x.cols), THREADS, 0, ctx->stream, view_of<T>(x), b, x.cols)));
	CUDA_LAUNCHED(ctx, "bias_fwd");
}

template <int N>
static __global__ void
add_kernel(view<float> x, view<float> y, int64_t cols)
{
	piece p = this_piece(cols);

	FOR_PIECE(i, p, N) {
		lanes<N> a = ldn<N>(x.row(p.row), i), b = ldn<N>(y.row(p.row), i);

		for (int k = 0; k < N; k++)
			a.v[k] += b.v[k];
		stn<N>(x.row(p.row), i, a);
	}
}

void
od_cuda_add(struct od_backend *be, struct od_mat x, struct od_mat y)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (x.rows == 0)
		return;
	WITH_LANES(by_four(x) && by_four(y), N,
		LAUNCH((add_kernel<N>), pieces(x.rows, x.cols), THREADS, 0, ctx->stream, view_of<float>(x), view_of<float>(y),
			x.cols));
	CUDA_LAUNCHED(ctx, "add");
}

/* ---- rotary embedding ---- pair i of a head is (x[i], x[i + half]); a block a token. */

template <typename T, int N>
static __global__ void
rope_kernel(view<T> x, const int32_t *pos, const float *cosine, const float *sine, int heads, int half, float sign)
{
	T *row = x.row(blockIdx.x);
	const float *c = cosine + (int64_t)pos[blockIdx.x] * half, *s = sine + (int64_t)pos[blockIdx.x] * half;

	for (int j = threadIdx.x * N; j < heads * half; j += blockDim.x * N) {
		int i = j % half, at = j / half * 2 * half + i;
		lanes<N> a = ldn<N>(row, at), b = ldn<N>(row, at + half), ra, rb;

		for (int k = 0; k < N; k++) {
			float ck = c[i + k], sk = sign * s[i + k];

			ra.v[k] = a.v[k] * ck - b.v[k] * sk;
			rb.v[k] = b.v[k] * ck + a.v[k] * sk;
		}
		stn<N>(row, at, ra);
		stn<N>(row, at + half, rb);
	}
}

void
od_cuda_rope(struct od_backend *be, struct od_mat x, const int32_t *pos, const float *cosine, const float *sine,
	int32_t head_dim, int inverse)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	int heads = (int)(x.cols / head_dim), half = head_dim / 2;
	float sign = inverse ? -1.0f : 1.0f;

	if (x.rows == 0)
		return;
	WITH_TYPE(x, T, WITH_LANES(by_four(x) && half % 4 == 0, N,
		LAUNCH((rope_kernel<T, N>), dim3((unsigned)x.rows), THREADS, 0, ctx->stream, view_of<T>(x), pos, cosine, sine,
			heads, half, sign)));
	CUDA_LAUNCHED(ctx, "rope");
}

/* ---- gated unit ---- y = act(x), dy = act'(x) */

/* silu(x) = x s, s = 1/(1 + e^-x);  silu' = s (1 + x (1 - s)), where 1 - s = 1/(1 + e^x) loses nothing at large x. */
static __device__ inline void
silu(float x, float *y, float *dy)
{
	float s = 1.0f / (1.0f + expf(-x)), rest = 1.0f / (1.0f + expf(x));

	*y = x * s;
	*dy = s * (1.0f + x * rest);
}

/* gelu(x) = x/2 (1 + tanh u), u = c (x + a x^3) = x h, where h = 1/(1 + e^-2u) and h' = 2 h (1 - h) u'. */
static __device__ inline void
gelu_tanh(float x, float *y, float *dy)
{
	const float c = 0.79788456080286536f, a = 0.044715f;
	float u = c * (x + a * x * x * x), h = 1.0f / (1.0f + expf(-2.0f * u)), rest = 1.0f / (1.0f + expf(2.0f * u));

	*y = x * h;
	*dy = h + x * 2.0f * h * rest * c * (1.0f + 3.0f * a * x * x);
}

template <int ACT>
static __device__ inline void
activate(float x, float *y, float *dy)
{
	if (ACT == OD_ACT_SILU)
		silu(x, y, dy);
	else
		gelu_tanh(x, y, dy);
}

template <typename T, int N, int ACT>
static __global__ void
glu_fwd_kernel(view<T> out, view<T> gate, view<T> up, int64_t cols)
{
	piece p = this_piece(cols);

	FOR_PIECE(i, p, N) {
		lanes<N> g = ldn<N>(gate.row(p.row), i), u = ldn<N>(up.row(p.row), i);

		for (int k = 0; k < N; k++) {
			float y, dy;

			activate<ACT>(g.v[k], &y, &dy);
			u.v[k] *= y;
		}
		stn<N>(out.row(p.row), i, u);
	}
}

template <typename T, int N, int ACT>
static __global__ void
glu_bwd_kernel(view<T> dgate, view<T> dup, view<T> out, view<T> dout, view<T> gate, view<T> up, int64_t cols)
{
	piece p = this_piece(cols);

	FOR_PIECE(i, p, N) {
		lanes<N> g = ldn<N>(gate.row(p.row), i), u = ldn<N>(up.row(p.row), i), d = ldn<N>(dout.row(p.row), i), o;

		for (int k = 0; k < N; k++) {
			float y, dy, dk = d.v[k];

			activate<ACT>(g.v[k], &y, &dy);
			o.v[k] = y * u.v[k];
			g.v[k] = dk * u.v[k] * dy;
			u.v[k] = dk * y;
		}
		stn<N>(dgate.row(p.row), i, g);
		stn<N>(dup.row(p.row), i, u);
		if (out.data)
			stn<N>(out.row(p.row), i, o);
	}
}

#define WITH_ACT(act, ACT, ...)                                                                                             \
	do {                                                                                                                \
		if ((act) == OD_ACT_SILU) {                                                                                 \
			enum { ACT = OD_ACT_SILU };                                                                         \
			__VA_ARGS__;                                                                                        \
		} else {                                                                                                    \
			enum { ACT = OD_ACT_GELU_TANH };                                                                    \
			__VA_ARGS__;                                                                                        \
		}                                                                                                           \
	} while (0)

void
od_cuda_glu_fwd(struct od_backend *be, struct od_mat out, struct od_mat gate, struct od_mat up, enum od_act act)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (out.rows == 0)
		return;
	WITH_ACT(act, ACT, WITH_TYPE(out, T, WITH_LANES(by_four(out) && by_four(gate) && by_four(up), N,
		LAUNCH((glu_fwd_kernel<T, N, ACT>), pieces(out.rows, out.cols), THREADS, 0, ctx->stream, view_of<T>(out),
			view_of<T>(gate), view_of<T>(up), out.cols))));
	CUDA_LAUNCHED(ctx, "glu_fwd");
}

void
od_cuda_glu_bwd(struct od_backend *be, struct od_mat dgate, struct od_mat dup, struct od_mat out, struct od_mat dout,
	struct od_mat gate, struct od_mat up, enum od_act act)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	bool aligned = by_four(dgate) && by_four(dup) && by_four(dout) && by_four(gate) && by_four(up) &&
		(!out.data || by_four(out));

	if (dout.rows == 0)
		return;
	WITH_ACT(act, ACT, WITH_TYPE(dout, T, WITH_LANES(aligned, N,
		LAUNCH((glu_bwd_kernel<T, N, ACT>), pieces(dout.rows, dout.cols), THREADS, 0, ctx->stream, view_of<T>(dgate),
			view_of<T>(dup), view_of<T>(out), view_of<T>(dout), view_of<T>(gate), view_of<T>(up), dout.cols))));
	CUDA_LAUNCHED(ctx, "glu_bwd");
}
