/* attn_bwd.cu -- attention backward: see attn.h. */
#include "device.h"

#include "attn.h"
#include "attn_walk.inc.h"
#include "attn_mma.inc.h"
#include "attn_plain.inc.h"

/* ---- delta ---- */

/* stat[h][t] = lse * unit and rowsum(dout * out): a warp a row of a head. VEC: head_dim is a multiple of 4, rows aligned. */
template <typename T, bool VEC>
static __global__ void
attn_stat(struct attn_args a, float unit)
{
	int64_t i = (int64_t)blockIdx.x * (blockDim.x / WARP) + warp_id(), t = i / a.n_heads;
	int head = (int)(i % a.n_heads);
	const T *o, *go;
	float sum = 0;

	if (t >= a.n_tokens)
		return;
	o = mat_at<const T>(a.out, t, (int64_t)head * a.head_dim);
	go = mat_at<const T>(a.dout, t, (int64_t)head * a.head_dim);
	if constexpr (VEC) {
		for (int j = 4 * lane_id(); j < a.head_dim; j += 4 * WARP) {
			float4 x = ld4(o, j), y = ld4(go, j);

			sum = fmaf(x.x, y.x, fmaf(x.y, y.y, fmaf(x.z, y.z, fmaf(x.w, y.w, sum))));
		}
	} else {
		for (int j = lane_id(); j < a.head_dim; j += WARP)
			sum = fmaf(ld(o, j), ld(go, j), sum);
	}
	sum = warp_sum(sum);
	if (lane_id() == 0)
		a.stat[head * a.n_tokens + t] = make_float2(a.lse[i] * unit, sum);
}

/* ---- tensor cores ---- */

template <int D>
struct bwd_shape {
	static constexpr int rows = 16 * MMA_WARPS;        /* fixed: queries for dQ, keys for dK, dV */
	static constexpr int columns = D <= 128 ? 64 : 32; /* moving */
	static constexpr bool held_q = D <= 128, held_k = D <= 64;   /* fixed operands that stay in registers */
	static constexpr size_t tiles = (size_t)(2 * rows + 4 * columns) * D * sizeof(bf16);
	static constexpr size_t stats = 2 * columns * sizeof(float2);
};

enum { GRAD_COLUMNS = 32, GRAD_N = GRAD_COLUMNS / 8 };   /* scores in registers at a time */

/* s = q.k and dp = dout.v become the probability and the gradient of the scaled score. */
template <bool CAP>
static __device__ inline void
score_grad(const struct attn_args &a, float *s, float *dp, float lse, float delta)
{
	float p, slope = 1.0f;

	if (CAP) {
		float th = fast_tanh(*s * (a.scale / a.softcap));

		p = fast_exp2(th * (a.softcap * LOG2E) - lse);
		slope = 1.0f - th * th;
	} else {
		p = fast_exp2(*s * (a.scale * LOG2E) - lse);
	}
	*dp = p * (*dp - delta) * slope;
	*s = p;
}

/* A tile of queries or keys and its partner (q and dout, or k and v) to 'to' and behind it. */
template <int D, int ROWS>
static __device__ inline void
load_pair(bf16 *to, const struct od_mat &x, const struct od_mat &y, int64_t row, int head, int n)
{
	load_tile<D, ROWS>(to, mat_at<const bf16>(x, row, head * D), x.ld, n);
	load_tile<D, ROWS>(to + ROWS * D, mat_at<const bf16>(y, row, head * D), y.ld, n);
}

/* ---- dQ: a tile of queries of a head; k and v move ---- */

template <int D, bool CAP>
static __device__ inline void
dq_scores(const struct attn_args &a, float (&s)[1][GRAD_N][4], float (&dp)[1][GRAD_N][4], const float2 stat[2], int qpos,
	const struct attn_span &k)
{
#pragma unroll
	for (int n = 0; n < GRAD_N; n++)
#pragma unroll
		for (int e = 0; e < 4; e++)
			score_grad<CAP>(a, &s[0][n][e], &dp[0][n][e], stat[e / 2].x, stat[e / 2].y);
	if (k.n < GRAD_COLUMNS || !all_seen(qpos, qpos + 15, k.pos, k.pos + k.n - 1, a.window)) {
		int32_t from[2], to[2];

		for (int i = 0; i < 2; i++)
			keys_seen(k, qpos + 8 * i + lane_id() / 4, a.window, from + i, to + i);
		mask(dp[0], from, to, 0.0f);
	}
}

/* A warp's 16 queries, the first at qpos, meet a stage of keys. */
template <int D, bool CAP>
static __device__ inline void
dq_step(const struct attn_args &a, float (&acc)[1][D / 8][4], left_rows<D, 1, bwd_shape<D>::held_q> *q,
	left_rows<D, 1, bwd_shape<D>::held_q> *dout, const float2 stat[2], int qpos,
	const bf16 *k, struct attn_span keys)
{
	const bf16 *v = k + bwd_shape<D>::columns * D;

	for (int at = 0; at < bwd_shape<D>::columns && keys.n > 0; at += GRAD_COLUMNS) {
		float s[1][GRAD_N][4], dp[1][GRAD_N][4];

		if (any_seen(qpos, qpos + 15, keys.pos, keys.pos + keys.n - 1, a.window)) {
			tile_dots(s, q, k, at);
			tile_dots(dp, dout, v, at);
			dq_scores<D, CAP>(a, s, dp, stat, qpos, keys);
			add_weighted_rows<D>(acc, dp, k, at);
		}
		keys.n -= GRAD_COLUMNS;
		keys.pos += GRAD_COLUMNS;
	}
}

template <int D, bool CAP>
static __global__ void
__launch_bounds__(MMA_THREADS, 2)
attn_dq_mma(struct attn_args a)
{
	constexpr int rows = bwd_shape<D>::rows, columns = bwd_shape<D>::columns;
	DYN_SHARED(bf16, q);                               /* q, dout; two stages of k, v */
	bf16 *stages = q + 2 * rows * D;
	struct attn_tile t = a.tile[blockIdx.x / a.n_heads];
	int head = (int)blockIdx.x % a.n_heads, kv = head / a.group, row = 16 * warp_id(), n = t.n - row;
	struct key_walk w = key_walk_start<columns>(t, a.window);
	struct attn_span keys = key_walk_at<columns>(w, w.from);
	int64_t token = t.start + t.first;
	struct left_rows<D, 1, bwd_shape<D>::held_q> left_q, left_dout;
	float acc[1][D / 8][4];
	float2 stat[2];

	load_pair<D, rows>(q, a.q, a.dout, token, head, t.n);
	load_pair<D, columns>(stages + w.from % 2 * 2 * columns * D, a.k, a.v, keys.row, kv, keys.n);
	cp_async_commit();
	clear(acc);
	for (int i = 0; i < 2; i++) {
		int at = row + 8 * i + lane_id() / 4;

		stat[i] = at < t.n ? a.stat[head * a.n_tokens + token + at] : make_float2(0, 0);
	}
	for (int i = w.from; i < w.to; i++) {
		keys = key_walk_at<columns>(w, i + 1);
		cp_async_wait<0>();
		__syncthreads();                           /* stage i is there, and stage i - 1 is done with */
		if (i + 1 < w.to)
			load_pair<D, columns>(stages + (i + 1) % 2 * 2 * columns * D, a.k, a.v, keys.row, kv, keys.n);
		cp_async_commit();
		if (i == w.from) {
			left_rows_init(&left_q, q, row);
			left_rows_init(&left_dout, q + rows * D, row);
		}
		if (n > 0)
			dq_step<D, CAP>(a, acc, &left_q, &left_dout, stat, t.parent_len + t.first + row,
				stages + i % 2 * 2 * columns * D, key_walk_at<columns>(w, i));
	}
	if (n > 0)
		store_rows<D>(mat_at<bf16>(a.dq, token + row, head * D), a.dq.ld, n, acc, { { a.scale, a.scale } }, q, row);
}

/* ---- dK, dV: a tile of keys of a kv head; q and dout move, scores are transposed: rows are keys ---- */

template <int D>
struct kv_sums {
	float dk[1][D / 8][4], dv[1][D / 8][4];
};

/* stat: of the GRAD_COLUMNS queries, in shared memory. */
template <bool CAP>
static __device__ inline void
kv_scores(const struct attn_args &a, float (&s)[1][GRAD_N][4], float (&dp)[1][GRAD_N][4], const float2 *stat, int kpos,
	const struct attn_span &q)
{
#pragma unroll
	for (int n = 0; n < GRAD_N; n++) {
		float4 x = *reinterpret_cast<const float4 *>(stat + 8 * n + 2 * (lane_id() % 4));

#pragma unroll
		for (int e = 0; e < 4; e++)
			score_grad<CAP>(a, &s[0][n][e], &dp[0][n][e], e % 2 ? x.z : x.x, e % 2 ? x.w : x.y);
	}
	if (!all_seen(q.pos, q.pos + q.n - 1, kpos, kpos + 15, a.window)) {
		int32_t from[2], to[2];

		for (int i = 0; i < 2; i++)
			queries_seen(q, kpos + 8 * i + lane_id() / 4, a.window, from + i, to + i);
		mask(s[0], from, to, 0.0f);
		mask(dp[0], from, to, 0.0f);
	}
}

/* A warp's 16 keys, the first at kpos, meet a stage of queries. Queries behind the last have lse = inf: probability 0. */
template <int D, bool CAP, bool DK, bool DV>
static __device__ inline void
kv_step(const struct attn_args &a, struct kv_sums<D> *sums, left_rows<D, 1, bwd_shape<D>::held_k> *k,
	left_rows<D, 1, bwd_shape<D>::held_k> *v, int kpos, const bf16 *q,
	const float2 *stat, struct attn_span queries)
{
	const bf16 *dout = q + bwd_shape<D>::columns * D;

	for (int at = 0; at < bwd_shape<D>::columns && queries.n > 0; at += GRAD_COLUMNS) {
		struct attn_span part = queries;
		float s[1][GRAD_N][4], dp[1][GRAD_N][4];

		part.n = queries.n < GRAD_COLUMNS ? queries.n : GRAD_COLUMNS;
		if (any_seen(part.pos, part.pos + part.n - 1, kpos, kpos + 15, a.window)) {
			tile_dots(s, k, q, at);
			if constexpr (DK)
				tile_dots(dp, v, dout, at);
			else
				clear(dp);
			kv_scores<CAP>(a, s, dp, stat + at, kpos, part);
			if constexpr (DV)
				add_weighted_rows<D>(sums->dv, s, dout, at);
			if constexpr (DK)
				add_weighted_rows<D>(sums->dk, dp, q, at);
		}
		queries.n -= GRAD_COLUMNS;
		queries.pos += GRAD_COLUMNS;
	}
}

/* lse and delta of this thread's row of a tile of queries. */
static __device__ inline float2
kv_stat(const struct attn_args &a, const struct attn_span &q)
{
	int i = (int)threadIdx.x;

	return i < q.n ? a.stat[q.head * a.n_tokens + q.row + i] : make_float2(INFINITY, 0);
}

template <int D, bool CAP, bool DK, bool DV>
static __global__ void
__launch_bounds__(MMA_THREADS, 2)
attn_dkdv_mma(struct attn_args a)
{
	constexpr int rows = bwd_shape<D>::rows, columns = bwd_shape<D>::columns;
	DYN_SHARED(bf16, k);                               /* k, v; two stages of q, dout; their stats */
	bf16 *stages = k + 2 * rows * D;
	float2 *stats = reinterpret_cast<float2 *>(stages + 4 * columns * D), stat;
	struct attn_tile t = a.tile[blockIdx.x / a.n_kv_heads];
	int kv = (int)blockIdx.x % a.n_kv_heads, row = 16 * warp_id(), n = t.n - row;
	struct query_walk w = query_walk_start(a, t, kv);
	struct attn_span now = query_walk_next<columns>(&w), next;
	int64_t token = t.start + t.first;
	struct left_rows<D, 1, bwd_shape<D>::held_k> left_k, left_v;
	struct kv_sums<D> sums;

	load_pair<D, rows>(k, a.k, a.v, token, kv, t.n);
	load_pair<D, columns>(stages, a.q, a.dout, now.row, now.head, now.n);
	cp_async_commit();
	stat = kv_stat(a, now);
	clear(sums.dk);
	clear(sums.dv);
	for (int i = 0; now.n > 0; i++, now = next) {
		if (threadIdx.x < columns)
			stats[i % 2 * columns + threadIdx.x] = stat;
		next = query_walk_next<columns>(&w);
		cp_async_wait<0>();
		__syncthreads();                           /* stage i is there, and stage i - 1 is done with */
		if (next.n > 0)
			load_pair<D, columns>(stages + (i + 1) % 2 * 2 * columns * D, a.q, a.dout, next.row, next.head,
				next.n);
		cp_async_commit();
		stat = kv_stat(a, next);
		if (i == 0) {
			left_rows_init(&left_k, k, row);
			left_rows_init(&left_v, k + rows * D, row);
		}
		if (n > 0)
			kv_step<D, CAP, DK, DV>(a, &sums, &left_k, &left_v, t.parent_len + t.first + row,
				stages + i % 2 * 2 * columns * D, stats + i % 2 * columns, now);
	}
	if (DK && n > 0)
		store_rows<D>(mat_at<bf16>(a.dk, token + row, kv * D), a.dk.ld, n, sums.dk, { { a.scale, a.scale } }, k,
			row);
	if (DV && n > 0)
		store_rows<D>(mat_at<bf16>(a.dv, token + row, kv * D), a.dv.ld, n, sums.dv, { { 1.0f, 1.0f } },
			k + rows * D, row);
}

/* ---- plain ---- */

static __device__ inline void
plain_score_grad(const struct attn_args &a, float *s, float *dp, float2 stat, bool seen)
{
	float x = *s * a.scale, slope = 1.0f, p;

	if (a.softcap > 0) {
		float th = tanhf(x / a.softcap);

		x = a.softcap * th;
		slope = 1.0f - th * th;
	}
	p = seen ? expf(x - stat.x) : 0.0f;
	*s = p;
	*dp = p * (*dp - stat.y) * slope;
}

template <typename T, int D>
static __device__ inline void
plain_load_pair(float *to, const struct attn_args &a, const struct od_mat &x, const struct od_mat &y, int64_t row, int head,
	int n)
{
	int64_t column = (int64_t)head * a.head_dim;

	plain_load<D>(to, mat_at<const T>(x, row, column), x.ld, n, a.head_dim);
	plain_load<D>(to + plain_tile_floats<D>(), mat_at<const T>(y, row, column), y.ld, n, a.head_dim);
}

template <typename T, int D>
static __global__ void
__launch_bounds__(PLAIN_THREADS)
attn_dq_plain(struct attn_args a)
{
	constexpr int size = plain_tile_floats<D>();
	DYN_SHARED(float, q);                              /* q, dout; k, v; weights */
	float *dout = q + size, *k = dout + size, *v = k + size, *weights = v + size;
	struct attn_tile t = a.tile[blockIdx.x / a.n_heads];
	int head = (int)blockIdx.x % a.n_heads, kv = head / a.group, d = a.head_dim;
	struct key_walk w = key_walk_start<PLAIN_TILE>(t, a.window);
	int64_t token = t.start + t.first;
	float acc[4][D / 16], s[4][2], dp[4][2], factor[4] = { a.scale, a.scale, a.scale, a.scale };
	float2 stat[4];

	plain_load_pair<T, D>(q, a, a.q, a.dout, token, head, t.n);
	plain_clear<D>(acc);
	for (int i = 0; i < 4; i++) {
		int row = plain_ty() + 8 * i;

		stat[i] = row < t.n ? a.stat[head * a.n_tokens + token + row] : make_float2(INFINITY, 0);
	}
	for (int i = w.from; i < w.to; i++) {
		struct attn_span keys = key_walk_at<PLAIN_TILE>(w, i);

		__syncthreads();                           /* the tiles before these are done with */
		plain_load_pair<T, D>(k, a, a.k, a.v, keys.row, kv, keys.n);
		__syncthreads();
		plain_dots<D>(s, q, k, d);
		plain_dots<D>(dp, dout, v, d);
#pragma unroll
		for (int r = 0; r < 4; r++) {
			int32_t from, to;

			keys_seen(keys, t.parent_len + t.first + plain_ty() + 8 * r, a.window, &from, &to);
			for (int j = 0; j < 2; j++) {
				int c = plain_tx() + 16 * j;

				plain_score_grad(a, &s[r][j], &dp[r][j], stat[r], c >= from && c < to);
			}
		}
		plain_store_weights(weights, dp);
		__syncwarp();
		plain_add_weighted_rows<D>(acc, weights, k);
	}
	plain_store<D>(mat_at<T>(a.dq, token, (int64_t)head * d), a.dq.ld, t.n, acc, factor, d);
}

/* Rows are keys from position kpos on, columns queries. */
static __device__ inline void
plain_kv_scores(const struct attn_args &a, float s[4][2], float dp[4][2], const struct attn_span &q, int kpos)
{
	float2 stat[2];

	for (int j = 0; j < 2; j++) {
		int c = plain_tx() + 16 * j;

		stat[j] = c < q.n ? a.stat[q.head * a.n_tokens + q.row + c] : make_float2(INFINITY, 0);
	}
#pragma unroll
	for (int r = 0; r < 4; r++) {
		int32_t from, to;

		queries_seen(q, kpos + plain_ty() + 8 * r, a.window, &from, &to);
		for (int j = 0; j < 2; j++) {
			int c = plain_tx() + 16 * j;

			plain_score_grad(a, &s[r][j], &dp[r][j], stat[j], c >= from && c < to);
		}
	}
}

template <typename T, int D>
static __global__ void
__launch_bounds__(PLAIN_THREADS)
attn_dkdv_plain(struct attn_args a)
{
	constexpr int size = plain_tile_floats<D>();
	DYN_SHARED(float, k);                              /* k, v; q, dout; weights of dv and dk */
	float *v = k + size, *q = v + size, *dout = q + size, *p = dout + size, *ds = p + PLAIN_TILE * PLAIN_WEIGHT_STRIDE;
	struct attn_tile t = a.tile[blockIdx.x / a.n_kv_heads];
	int kv = (int)blockIdx.x % a.n_kv_heads, d = a.head_dim;
	struct query_walk w = query_walk_start(a, t, kv);
	int64_t token = t.start + t.first;
	float dk[4][D / 16], dv[4][D / 16], s[4][2], dp[4][2];
	const float scale[4] = { a.scale, a.scale, a.scale, a.scale }, one[4] = { 1.0f, 1.0f, 1.0f, 1.0f };

	plain_load_pair<T, D>(k, a, a.k, a.v, token, kv, t.n);
	plain_clear<D>(dk);
	plain_clear<D>(dv);
	for (struct attn_span now; (now = query_walk_next<PLAIN_TILE>(&w)).n > 0;) {
		__syncthreads();                           /* the tiles before these are done with */
		plain_load_pair<T, D>(q, a, a.q, a.dout, now.row, now.head, now.n);
		__syncthreads();
		plain_dots<D>(s, k, q, d);
		plain_dots<D>(dp, v, dout, d);
		plain_kv_scores(a, s, dp, now, t.parent_len + t.first);
		plain_store_weights(p, s);
		plain_store_weights(ds, dp);
		__syncwarp();
		plain_add_weighted_rows<D>(dv, p, dout);
		plain_add_weighted_rows<D>(dk, ds, q);
	}
	plain_store<D>(mat_at<T>(a.dk, token, (int64_t)kv * d), a.dk.ld, t.n, dk, scale, d);
	plain_store<D>(mat_at<T>(a.dv, token, (int64_t)kv * d), a.dv.ld, t.n, dv, one, d);
}

/* ---- the operation ---- */

static void
set_shared(struct cuda_ctx *ctx, const void *kernel, size_t bytes)
{
	od_cuda_check(ctx, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
		"attn_bwd");
}

template <typename T, bool VEC>
static void
launch_stat(struct cuda_ctx *ctx, struct attn_args *a, float unit)
{
	int64_t rows = a->n_tokens * a->n_heads;

	LAUNCH((attn_stat<T, VEC>), (unsigned)((rows + 3) / 4), 4 * WARP, 0, ctx->stream, *a, unit);
	CUDA_LAUNCHED(ctx, "attn_bwd delta");
}

template <int D, bool CAP, bool DK, bool DV>
static void
launch_dkdv_mma(struct cuda_ctx *ctx, struct attn_args *a, const struct attn_lists *lists)
{
	size_t bytes = bwd_shape<D>::tiles + bwd_shape<D>::stats;

	a->tile = lists->tile[ATTN_K64];
	set_shared(ctx, (const void *)attn_dkdv_mma<D, CAP, DK, DV>, bytes);
	LAUNCH((attn_dkdv_mma<D, CAP, DK, DV>), (unsigned)(lists->n[ATTN_K64] * a->n_kv_heads), MMA_THREADS, bytes,
		ctx->stream, *a);
	CUDA_LAUNCHED(ctx, "attn_bwd dk, dv");
}

template <int D, bool CAP>
static void
launch_mma(struct cuda_ctx *ctx, struct attn_args *a, const struct attn_lists *lists)
{
	size_t bytes = bwd_shape<D>::tiles;

	launch_stat<bf16, true>(ctx, a, LOG2E);
	a->tile = lists->tile[ATTN_Q64];
	set_shared(ctx, (const void *)attn_dq_mma<D, CAP>, bytes);
	LAUNCH((attn_dq_mma<D, CAP>), (unsigned)(lists->n[ATTN_Q64] * a->n_heads), MMA_THREADS, bytes, ctx->stream, *a);
	CUDA_LAUNCHED(ctx, "attn_bwd dq");
	if constexpr (D <= 128) {
		launch_dkdv_mma<D, CAP, true, true>(ctx, a, lists);
	} else {
		launch_dkdv_mma<D, CAP, true, false>(ctx, a, lists);
		launch_dkdv_mma<D, CAP, false, true>(ctx, a, lists);
	}
}

template <typename T, int D>
static void
launch_plain(struct cuda_ctx *ctx, struct attn_args *a, const struct attn_lists *lists)
{
	size_t bytes = (size_t)(4 * plain_tile_floats<D>() + 2 * PLAIN_TILE * PLAIN_WEIGHT_STRIDE) * sizeof(float);

	launch_stat<T, false>(ctx, a, 1.0f);
	a->tile = lists->tile[ATTN_Q32];
	set_shared(ctx, (const void *)attn_dq_plain<T, D>, bytes);
	LAUNCH((attn_dq_plain<T, D>), (unsigned)(lists->n[ATTN_Q32] * a->n_heads), PLAIN_THREADS, bytes, ctx->stream, *a);
	CUDA_LAUNCHED(ctx, "attn_bwd dq");
	a->tile = lists->tile[ATTN_K32];
	set_shared(ctx, (const void *)attn_dkdv_plain<T, D>, bytes);
	LAUNCH((attn_dkdv_plain<T, D>), (unsigned)(lists->n[ATTN_K32] * a->n_kv_heads), PLAIN_THREADS, bytes,
		ctx->stream, *a);
	CUDA_LAUNCHED(ctx, "attn_bwd dk, dv");
}

static bool
mma_fits(const struct attn_args *a)
{
	return attn_mma_fits(a) && attn_mma_mat(&a->dout) && attn_mma_mat(&a->dq) && attn_mma_mat(&a->dk) &&
		attn_mma_mat(&a->dv);
}

void
od_cuda_attn_bwd(struct od_backend *be, struct od_mat dq, struct od_mat dk, struct od_mat dv, struct od_mat dout,
	struct od_mat q, struct od_mat k, struct od_mat v, struct od_mat out, const float *lse, const struct od_tree *tree,
	const struct od_attn_params *p)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	struct attn_args a = attn_args_init(q, k, v, out, tree, p);
	const struct attn_lists *lists = od_attn_lists(be, tree);

	if (!lists || lists->n[ATTN_Q64] == 0)
		return;
	a.stat = static_cast<float2 *>(od_cuda_scratch(ctx, CUDA_SCRATCH_ATTN,
		(size_t)(a.n_tokens * a.n_heads) * sizeof *a.stat));
	if (!a.stat)
		return;
	a.dq = dq;
	a.dk = dk;
	a.dv = dv;
	a.dout = dout;
	a.lse = const_cast<float *>(lse);
	a.child = lists->child;
	if (mma_fits(&a) && a.softcap > 0)
		WITH_HEAD_DIM(a.head_dim, D, launch_mma<D, true>(ctx, &a, lists));
	else if (mma_fits(&a))
		WITH_HEAD_DIM(a.head_dim, D, launch_mma<D, false>(ctx, &a, lists));
	else
		WITH_TYPE(q, T, WITH_HEAD_DIM(a.head_dim, D, launch_plain<T, D>(ctx, &a, lists)));
}
