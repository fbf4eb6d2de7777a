/* attn_fwd.cu -- attention forward: see attn.h. */
#include "device.h"

#include "attn.h"
#include "attn_walk.inc.h"
#include "attn_mma.inc.h"
#include "attn_plain.inc.h"

/* ---- tensor cores ---- */

template <int D>
struct fwd_shape {
	static constexpr int m = D <= 128 ? 2 : 1;         /* 16-row blocks of a warp */
	static constexpr int rows = 16 * m * MMA_WARPS, keys = D <= 128 ? 64 : 32;
	static constexpr bool held = D == 64;              /* queries stay in registers */
	static constexpr size_t bytes = (size_t)(rows + 4 * keys) * D * sizeof(bf16);
};

/* The state of a row pair (g, g + 8) of 16 rows: running maximum and this lane's part of the sum. */
struct fwd_rows {
	float top[2], sum[2];
};

/* Scores, in multiples of 'unit' in base 2, to exp(score - maximum); returns by what the rows' earlier sums shrink. */
template <int N>
static __device__ inline void
softmax_step(float (&s)[N][4], struct fwd_rows *r, float unit, float shrink[2])
{
#pragma unroll
	for (int i = 0; i < 2; i++) {
		float top = r->top[i], base, sum = 0;

#pragma unroll
		for (int n = 0; n < N; n++)
			top = fmaxf(top, fmaxf(s[n][2 * i], s[n][2 * i + 1]));
		top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
		top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
		base = top == -INFINITY ? 0.0f : top * unit;       /* nothing seen yet: every difference is -inf, not NaN */
		shrink[i] = fast_exp2(r->top[i] * unit - base);
#pragma unroll
		for (int n = 0; n < N; n++)
#pragma unroll
			for (int e = 2 * i; e < 2 * i + 2; e++) {
				s[n][e] = fast_exp2(s[n][e] * unit - base);
				sum += s[n][e];
			}
		r->sum[i] = r->sum[i] * shrink[i] + sum;
		r->top[i] = top;
	}
}

template <int M, int N>
static __device__ inline void
cap_scores(float (&s)[M][N][4], float factor)
{
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int n = 0; n < N; n++)
#pragma unroll
			for (int e = 0; e < 4; e++)
				s[m][n][e] = fast_tanh(s[m][n][e] * factor);
}

/* Copies of keys and values number i of the walk to their stage. */
template <int D>
static __device__ inline void
fwd_load(const struct attn_args &a, const struct key_walk &w, int i, bf16 *stages, int kv)
{
	constexpr int keys = fwd_shape<D>::keys;
	struct attn_span k = key_walk_at<keys>(w, i);
	bf16 *to = stages + i % 2 * 2 * keys * D;

	load_tile<D, keys>(to, mat_at<const bf16>(a.k, k.row, kv * D), a.k.ld, k.n);
	load_tile<D, keys>(to + keys * D, mat_at<const bf16>(a.v, k.row, kv * D), a.v.ld, k.n);
	cp_async_commit();
}

/* A warp's rows, the first at position qpos, meet the keys k. */
template <int D, bool CAP>
static __device__ inline void
fwd_step(const struct attn_args &a, float (&acc)[fwd_shape<D>::m][D / 8][4], struct fwd_rows *rows,
	struct left_rows<D, fwd_shape<D>::m, fwd_shape<D>::held> *q, int qpos, const bf16 *stage, const struct attn_span &k)
{
	constexpr int M = fwd_shape<D>::m, N = fwd_shape<D>::keys / 8;
	float s[M][N][4], unit = (CAP ? a.softcap : a.scale) * LOG2E;
	int last = qpos + 16 * M - 1, klast = k.pos + k.n - 1;

	if (!any_seen(qpos, last, k.pos, klast, a.window))
		return;
	tile_dots(s, q, stage, 0);
	if (CAP)
		cap_scores(s, a.scale / a.softcap);
	if (k.n < 8 * N || !all_seen(qpos, last, k.pos, klast, a.window))
#pragma unroll
		for (int m = 0; m < M; m++) {
			int32_t from[2], to[2];

			for (int i = 0; i < 2; i++)
				keys_seen(k, qpos + 16 * m + 8 * i + lane_id() / 4, a.window, from + i, to + i);
			mask(s[m], from, to, -INFINITY);
		}
#pragma unroll
	for (int m = 0; m < M; m++) {
		float shrink[2];

		softmax_step(s[m], rows + m, unit, shrink);
#pragma unroll
		for (int j = 0; j < D / 8; j++)
#pragma unroll
			for (int e = 0; e < 4; e++)
				acc[m][j][e] *= shrink[e / 2];
	}
	add_weighted_rows<D>(acc, s, stage + fwd_shape<D>::keys * D, 0);
}

/* out and lse of the warp's rows. Asks for the tile again: there are no registers to remember it in. */
template <int D, bool CAP>
static __device__ inline void
fwd_finish(const struct attn_args &a, const float (&acc)[fwd_shape<D>::m][D / 8][4], const struct fwd_rows *rows, bf16 *q)
{
	constexpr int M = fwd_shape<D>::m;
	const struct attn_tile *t = a.tile + blockIdx.x / a.n_heads;
	int head = (int)blockIdx.x % a.n_heads, row = warp_id() * 16 * M, n = t->n - row;
	int64_t token = t->start + t->first + row;
	float factor[M][2], unit = CAP ? a.softcap : a.scale;

#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int i = 0; i < 2; i++) {
			int at = 16 * m + 8 * i + lane_id() / 4;
			float sum = rows[m].sum[i];

			sum += __shfl_xor_sync(0xffffffffu, sum, 1);
			sum += __shfl_xor_sync(0xffffffffu, sum, 2);
			factor[m][i] = 1.0f / sum;
			if (lane_id() % 4 == 0 && at < n)
				a.lse[(token + at) * a.n_heads + head] = rows[m].top[i] * unit + logf(sum);
		}
	store_rows<D>(mat_at<bf16>(a.out, token, head * D), a.out.ld, n, acc, factor, q, row);
}

template <int D, bool CAP>
static __global__ void
__launch_bounds__(MMA_THREADS, 2)
attn_fwd_mma(struct attn_args a)
{
	constexpr int M = fwd_shape<D>::m, keys = fwd_shape<D>::keys;
	DYN_SHARED(bf16, q);
	bf16 *stages = q + fwd_shape<D>::rows * D;         /* [2][keys, values] */
	struct attn_tile t = a.tile[blockIdx.x / a.n_heads];
	int head = (int)blockIdx.x % a.n_heads, kv = head / a.group, row = warp_id() * 16 * M, n = t.n - row;
	struct key_walk w = key_walk_start<keys>(t, a.window);
	int64_t token = t.start + t.first;
	struct fwd_rows rows[M];
	struct left_rows<D, M, fwd_shape<D>::held> left;
	float acc[M][D / 8][4];

	load_tile<D, fwd_shape<D>::rows>(q, mat_at<const bf16>(a.q, token, head * D), a.q.ld, t.n);
	fwd_load<D>(a, w, w.from, stages, kv);
	clear(acc);
#pragma unroll
	for (int m = 0; m < M; m++)
		rows[m] = { { -INFINITY, -INFINITY }, { 0, 0 } };
	for (int i = w.from; i < w.to; i++) {
		cp_async_wait<0>();
		__syncthreads();                           /* stage i is there, and stage i - 1 is done with */
		if (i + 1 < w.to)
			fwd_load<D>(a, w, i + 1, stages, kv);
		if (i == w.from)
			left_rows_init(&left, q, row);
		if (n > 0)
			fwd_step<D, CAP>(a, acc, rows, &left, t.parent_len + t.first + row, stages + i % 2 * 2 * keys * D,
				key_walk_at<keys>(w, i));
	}
	if (n > 0)
		fwd_finish<D, CAP>(a, acc, rows, q);
}

/* ---- plain ---- */

template <int D>
struct fwd_plain_rows {
	float acc[4][D / 16], top[4], sum[4];
};

/* s, masked, to exp(s - maximum), for rows of queries at qpos. */
template <int D>
static __device__ inline void
fwd_plain_softmax(const struct attn_args &a, struct fwd_plain_rows<D> *r, float s[4][2], const struct attn_span &k, int qpos)
{
#pragma unroll
	for (int i = 0; i < 4; i++) {
		float top = r->top[i], shrink;
		int32_t from, to;

		keys_seen(k, qpos + plain_ty() + 8 * i, a.window, &from, &to);
		for (int j = 0; j < 2; j++) {
			int column = plain_tx() + 16 * j;
			float x = s[i][j] * a.scale;

			x = a.softcap > 0 ? a.softcap * tanhf(x / a.softcap) : x;
			s[i][j] = column >= from && column < to ? x : -INFINITY;
		}
		top = fmaxf(top, row_max(fmaxf(s[i][0], s[i][1])));
		shrink = r->top[i] == top ? 1.0f : expf(r->top[i] - top);
		for (int j = 0; j < 2; j++)
			s[i][j] = s[i][j] == -INFINITY ? 0.0f : expf(s[i][j] - top);
		r->sum[i] = r->sum[i] * shrink + row_sum(s[i][0] + s[i][1]);
		r->top[i] = top;
#pragma unroll
		for (int c = 0; c < D / 16; c++)
			r->acc[i][c] *= shrink;
	}
}

template <typename T, int D>
static __device__ inline void
fwd_plain_finish(const struct attn_args &a, const struct fwd_plain_rows<D> &r, int64_t token, int n, int head)
{
	float factor[4];

	for (int i = 0; i < 4; i++) {
		int row = plain_ty() + 8 * i;

		factor[i] = 1.0f / r.sum[i];
		if (plain_tx() == 0 && row < n)
			a.lse[(token + row) * a.n_heads + head] = r.top[i] + logf(r.sum[i]);
	}
	plain_store<D>(mat_at<T>(a.out, token, (int64_t)head * a.head_dim), a.out.ld, n, r.acc, factor, a.head_dim);
}

template <typename T, int D>
static __global__ void
__launch_bounds__(PLAIN_THREADS)
attn_fwd_plain(struct attn_args a)
{
	DYN_SHARED(float, q);
	float *k = q + plain_tile_floats<D>(), *v = k + plain_tile_floats<D>(), *p = v + plain_tile_floats<D>();
	struct attn_tile t = a.tile[blockIdx.x / a.n_heads];
	int head = (int)blockIdx.x % a.n_heads, d = a.head_dim;
	struct key_walk w = key_walk_start<PLAIN_TILE>(t, a.window);
	int64_t token = t.start + t.first, column = (int64_t)(head / a.group) * d;
	struct fwd_plain_rows<D> r;
	float s[4][2];

	plain_load<D>(q, mat_at<const T>(a.q, token, (int64_t)head * d), a.q.ld, t.n, d);
	plain_clear<D>(r.acc);
	for (int i = 0; i < 4; i++) {
		r.top[i] = -INFINITY;
		r.sum[i] = 0;
	}
	for (int i = w.from; i < w.to; i++) {
		struct attn_span keys = key_walk_at<PLAIN_TILE>(w, i);

		__syncthreads();                           /* the tiles before these are done with */
		plain_load<D>(k, mat_at<const T>(a.k, keys.row, column), a.k.ld, keys.n, d);
		plain_load<D>(v, mat_at<const T>(a.v, keys.row, column), a.v.ld, keys.n, d);
		__syncthreads();
		plain_dots<D>(s, q, k, d);
		fwd_plain_softmax<D>(a, &r, s, keys, t.parent_len + t.first);
		plain_store_weights(p, s);
		__syncwarp();
		plain_add_weighted_rows<D>(r.acc, p, v);
	}
	fwd_plain_finish<T, D>(a, r, token, t.n, head);
}

/* ---- the operation ---- */

static void
set_shared(struct cuda_ctx *ctx, const void *kernel, size_t bytes)
{
	od_cuda_check(ctx, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
		"attn_fwd");
}

template <int D, bool CAP>
static void
launch_mma(struct cuda_ctx *ctx, struct attn_args *a, const struct attn_lists *lists)
{
	constexpr enum attn_list list = fwd_shape<D>::rows == 128 ? ATTN_Q128 : ATTN_Q64;
	size_t bytes = fwd_shape<D>::bytes;

	a->tile = lists->tile[list];
	set_shared(ctx, (const void *)attn_fwd_mma<D, CAP>, bytes);
	LAUNCH((attn_fwd_mma<D, CAP>), (unsigned)(lists->n[list] * a->n_heads), MMA_THREADS, bytes, ctx->stream, *a);
}

template <typename T, int D>
static void
launch_plain(struct cuda_ctx *ctx, struct attn_args *a, const struct attn_lists *lists)
{
	size_t bytes = (size_t)(3 * plain_tile_floats<D>() + PLAIN_TILE * PLAIN_WEIGHT_STRIDE) * sizeof(float);

	a->tile = lists->tile[ATTN_Q32];
	set_shared(ctx, (const void *)attn_fwd_plain<T, D>, bytes);
	LAUNCH((attn_fwd_plain<T, D>), (unsigned)(lists->n[ATTN_Q32] * a->n_heads), PLAIN_THREADS, bytes, ctx->stream, *a);
}

void
od_cuda_attn_fwd(struct od_backend *be, struct od_mat out, float *lse, struct od_mat q, struct od_mat k, struct od_mat v,
	const struct od_tree *tree, const struct od_attn_params *p)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	struct attn_args a = attn_args_init(q, k, v, out, tree, p);
	const struct attn_lists *lists = od_attn_lists(be, tree);

	if (!lists || lists->n[ATTN_Q128] == 0)
		return;
	a.lse = lse;
	a.child = lists->child;
	if (attn_mma_fits(&a) && a.softcap > 0)
		WITH_HEAD_DIM(a.head_dim, D, launch_mma<D, true>(ctx, &a, lists));
	else if (attn_mma_fits(&a))
		WITH_HEAD_DIM(a.head_dim, D, launch_mma<D, false>(ctx, &a, lists));
	else
		WITH_TYPE(q, T, WITH_HEAD_DIM(a.head_dim, D, launch_plain<T, D>(ctx, &a, lists)));
	CUDA_LAUNCHED(ctx, "attn_fwd");
}
