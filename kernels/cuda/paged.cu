/* paged.cu -- generation: the product of few rows, keys and values in pages, attention of one query a sequence over them. */
#include "launch.h"

/* cuBLASLt reads b once whatever the rows are, and its rows do not depend on their neighbours (blas.h). */
void
od_cuda_dots(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x)
{
	if (x.data)
		od_cuda_gemm_add(be, out, a, b, x);
	else
		od_cuda_gemm(be, out, a, 0, b, 1, 0);
}

template <typename T> struct pages_of {
	T *k, *v;
	int heads, d;

	/* of a page and kv head: keys [d][OD_KV_PAGE], values [OD_KV_PAGE][d] */
	__device__ T *keys(int64_t page, int head) const { return k + (page * heads + head) * d * OD_KV_PAGE; }
	__device__ T *values(int64_t page, int head) const { return v + (page * heads + head) * d * OD_KV_PAGE; }
};

template <typename T>
static inline pages_of<T>
typed(const struct od_kv_pages *p)
{
	pages_of<T> t = { static_cast<T *>(p->k), static_cast<T *>(p->v), p->n_kv_heads, p->head_dim };

	return t;
}

/* A block a row. */
template <typename T>
static __global__ void
kv_put_kernel(pages_of<T> pages, view<T> k, view<T> v, const int32_t *row, const int32_t *slot)
{
	int64_t at = slot[blockIdx.x], page = at / OD_KV_PAGE, t = at % OD_KV_PAGE;
	const T *from_k = k.row(row[blockIdx.x]), *from_v = v.row(row[blockIdx.x]);

	for (int i = threadIdx.x; i < pages.heads * pages.d; i += THREADS) {
		int h = i / pages.d, c = i % pages.d;

		st(pages.keys(page, h), c * OD_KV_PAGE + t, ld(from_k, i));
		st(pages.values(page, h), t * pages.d + c, ld(from_v, i));
	}
}

void
od_cuda_kv_put(struct od_backend *be, const struct od_kv_pages *pages, struct od_mat k, struct od_mat v, int64_t n,
	const int32_t *row, const int32_t *slot)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (n == 0)
		return;
	WITH_TYPE(k, T, LAUNCH((kv_put_kernel<T>), dim3((unsigned)n), THREADS, 0, ctx->stream, typed<T>(pages), view_of<T>(k),
		view_of<T>(v), row, slot));
	CUDA_LAUNCHED(ctx, "kv_put");
}

enum { CHUNK = THREADS, CHUNK_PAGES = CHUNK / OD_KV_PAGE, MOST_DIM = 256 };

/* A block a sequence and head. Keys come in chunks, a thread a key; then a thread a column of the values. Running maximum and
 * sum as in every flash-style pass; chunks in ascending order, so a row depends on its own sequence alone. */
template <typename T>
static __global__ void
attn_paged_kernel(view<T> out, view<T> q, pages_of<T> pages, const int32_t *table, int64_t width, const int32_t *len, int group,
	float scale, float softcap, int window)
{
	SHARED(float, query, MOST_DIM);
	SHARED(float, weight, CHUNK);
	int s = blockIdx.x, head = blockIdx.y, kv = head / group, d = pages.d, n = len[s];
	int first = window > 0 && n > window ? n - window : 0;
	float max = -INFINITY, sum = 0, acc[MOST_DIM / THREADS] = { 0 };

	for (int i = threadIdx.x; i < d; i += THREADS)
		query[i] = scale * ld(q.row(s), head * d + i);
	for (int at = first / CHUNK * CHUNK; at < n; at += CHUNK) {
		int t = at + threadIdx.x;
		float x = -INFINITY, top, w, old;

		__syncthreads();
		if (t >= first && t < n) {
			const T *k = pages.keys(table[s * width + t / OD_KV_PAGE], kv) + t % OD_KV_PAGE;

			x = 0;
			for (int i = 0; i < d; i++)
				x += query[i] * ld(k, i * OD_KV_PAGE);
			if (softcap > 0)
				x = softcap * tanhf(x / softcap);
		}
		top = block_max<float, THREADS>(x);
		top = top > max ? top : max;
		w = x == -INFINITY ? 0 : expf(x - top);
		old = max == -INFINITY ? 0 : expf(max - top);
		weight[threadIdx.x] = w;
		__syncthreads();
		sum = sum * old + block_sum<float, THREADS>(w);
		max = top;
		for (int c = 0; c < MOST_DIM / THREADS; c++) {
			int i = c * THREADS + threadIdx.x;
			float a = acc[c] * old;

			for (int j = at < first ? first - at : 0; i < d && j < CHUNK && at + j < n; j++)
				a += weight[j] * ld(pages.values(table[s * width + (at + j) / OD_KV_PAGE], kv), (at + j) % OD_KV_PAGE * d + i);
			acc[c] = a;
		}
	}
	for (int c = 0; c < MOST_DIM / THREADS; c++)
		if (c * THREADS + (int)threadIdx.x < d)
			st(out.row(s), head * d + c * THREADS + threadIdx.x, acc[c] / sum);
}

void
od_cuda_attn_paged(struct od_backend *be, struct od_mat out, struct od_mat q, const struct od_kv_pages *pages, const int32_t *table,
	int64_t width, const int32_t *len, const struct od_attn_params *p)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (q.rows == 0)
		return;
	if (p->head_dim > MOST_DIM) {
		od_cuda_check(ctx, cudaErrorInvalidValue, "attn_paged: head_dim above 256");
		return;
	}
	WITH_TYPE(q, T, LAUNCH((attn_paged_kernel<T>), dim3((unsigned)q.rows, (unsigned)p->n_heads), THREADS, 0, ctx->stream,
		view_of<T>(out), view_of<T>(q), typed<T>(pages), table, width, len, p->n_heads / p->n_kv_heads, p->scale, p->softcap,
		p->window));
	CUDA_LAUNCHED(ctx, "attn_paged");
}
