/* rows.cu -- rows picked by index: embedding, and the scored rows in front of the LM head. */
#include "launch.h"

template <typename T, int N>
static __global__ void
embed_fwd_kernel(view<float> out, view<T> table, const int32_t *ids, float scale, int64_t cols)
{
	piece p = this_piece(cols);
	const T *from = table.row(ids[p.row]);

	FOR_PIECE(i, p, N) {
		lanes<N> a = ldn<N>(from, i);

		for (int k = 0; k < N; k++)
			a.v[k] *= scale;
		stn<N>(out.row(p.row), i, a);
	}
}

void
od_cuda_embed_fwd(struct od_backend *be, struct od_mat out, struct od_mat table, const int32_t *ids, float scale)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (out.rows == 0)
		return;
	WITH_TYPE(table, T, WITH_LANES(by_four(out) && by_four(table), N,
		LAUNCH((embed_fwd_kernel<T, N>), pieces(out.rows, out.cols), THREADS, 0, ctx->stream, view_of<float>(out),
			view_of<T>(table), ids, scale, out.cols)));
	CUDA_LAUNCHED(ctx, "embed_fwd");
}

/* Next token at or after 'from', below 'end', whose id is 'id'; end when there is none. The whole block looks, and every
 * thread gets the answer. */
static __device__ inline int
find_token(const int32_t *ids, int from, int end, int32_t id, int *found)
{
	for (; from < end; from += THREADS) {
		int t = from + threadIdx.x;
		int mine = t < end && ids[t] == id ? t : end, best;

		for (int k = WARP / 2; k > 0; k /= 2) {
			int other = __shfl_xor_sync(0xffffffffu, mine, k);

			mine = other < mine ? other : mine;
		}
		__syncthreads();
		if (threadIdx.x % WARP == 0)
			found[threadIdx.x / WARP] = mine;
		__syncthreads();
		best = end;
		for (int i = 0; i < THREADS / WARP; i++)
			best = found[i] < best ? found[i] : best;
		if (best < end)
			return best;
	}
	return end;
}

/* dtable[id] += scale * dout of every token with this id, in ascending order and without atomics: the block of an id's first
 * token adds them all, the blocks of its other tokens leave at once. */
template <int N>
static __global__ void
embed_bwd_kernel(view<float> dtable, view<float> dout, const int32_t *ids, float scale, int tokens, int64_t cols)
{
	SHARED(int, found, THREADS / WARP);
	int first = blockIdx.x;
	int32_t id = ids[first];

	if (find_token(ids, 0, first, id, found) < first)
		return;
	for (int t = first; t < tokens; t = find_token(ids, t + 1, tokens, id, found))
		for (int64_t i = threadIdx.x * N; i < cols; i += THREADS * N) {
			lanes<N> a = ldn<N>(dtable.row(id), i), d = ldn<N>(dout.row(t), i);

			for (int k = 0; k < N; k++)
				a.v[k] += scale * d.v[k];
			stn<N>(dtable.row(id), i, a);
		}
}

void
od_cuda_embed_bwd(struct od_backend *be, struct od_mat dtable, struct od_mat dout, const int32_t *ids, float scale)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (dout.rows == 0)
		return;
	WITH_LANES(by_four(dtable) && by_four(dout), N,
		LAUNCH((embed_bwd_kernel<N>), dim3((unsigned)dout.rows), THREADS, 0, ctx->stream, view_of<float>(dtable),
			view_of<float>(dout), ids, scale, (int)dout.rows, dout.cols));
	CUDA_LAUNCHED(ctx, "embed_bwd");
}

template <int N>
static __global__ void
gather_kernel(view<float> out, view<float> x, const int32_t *rows, int64_t cols)
{
	piece p = this_piece(cols);

	FOR_PIECE(i, p, N)
		stn<N>(out.row(p.row), i, ldn<N>(x.row(rows[p.row]), i));
}

void
od_cuda_gather(struct od_backend *be, struct od_mat out, struct od_mat x, const int32_t *rows)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (out.rows == 0)
		return;
	WITH_LANES(by_four(out) && by_four(x), N,
		LAUNCH((gather_kernel<N>), pieces(out.rows, out.cols), THREADS, 0, ctx->stream, view_of<float>(out),
			view_of<float>(x), rows, out.cols));
	CUDA_LAUNCHED(ctx, "gather");
}

template <int N>
static __global__ void
scatter_add_kernel(view<float> dx, view<float> dy, const int32_t *rows, int64_t cols)
{
	piece p = this_piece(cols);
	float *to = dx.row(rows[p.row]);

	FOR_PIECE(i, p, N) {
		lanes<N> a = ldn<N>(to, i), d = ldn<N>(dy.row(p.row), i);

		for (int k = 0; k < N; k++)
			a.v[k] += d.v[k];
		stn<N>(to, i, a);
	}
}

void
od_cuda_scatter_add(struct od_backend *be, struct od_mat dx, struct od_mat dy, const int32_t *rows)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (dy.rows == 0)
		return;
	WITH_LANES(by_four(dx) && by_four(dy), N,
		LAUNCH((scatter_add_kernel<N>), pieces(dy.rows, dy.cols), THREADS, 0, ctx->stream, view_of<float>(dx),
			view_of<float>(dy), rows, dy.cols));
	CUDA_LAUNCHED(ctx, "scatter_add");
}
