/* attn_f32.inc.h -- attention of fp32 matrices: products by tile().
 *
 * Packed keys and values are padded to whole vectors: transposed where they are the right factor of a product over head_dim,
 * plain where over keys.
 *
 * Forward: threads take (segment, query block, kv head). Running maximum m, sum l, and out per row; a new block
 * rescales the old by exp(m_old - m_new).
 * Backward: threads take (tree, kv head), so that dk and dv of a tree belong to one thread and are summed in one order;
 * when that leaves threads idle they take query blocks (for dq) and key blocks (for dk, dv) instead, which computes
 * scores twice but sums in the same order: the same bits.
 */
#define KEY_BLOCK  128
#define QUERY_ROWS 48          /* rows aimed at in a block of queries: small, or much of the diagonal is masked */

static void
f32_init(struct attn *a, struct od_mat q, struct od_mat k, struct od_mat v, const struct od_tree *tree,
	const struct od_attn_params *p)
{
	attn_init(a, q, k, v, tree, p, VW);
	a->nq = QUERY_ROWS / a->group > 8 ? QUERY_ROWS / a->group : 8;
	if (a->nq > KEY_BLOCK)
		a->nq = KEY_BLOCK;
	a->unit = a->nq;
	a->nk = KEY_BLOCK;
}

static inline vi
lanes_within(int64_t j, int32_t from, int32_t to)
{
	vi at;

	for (int i = 0; i < VW; i++)
		at[i] = (int32_t)j + i;
	return (at >= from) & (at < to);
}

/* ---- packing ---- */

/* n rows of [., d] to [n, dp], times scale, zeros behind. */
static void
pack_rows(float *to, const float *from, int64_t ld, int64_t n, int64_t d, int64_t dp, float scale)
{
	for (int64_t i = 0; i < n; i++, to += dp, from += ld) {
		for (int64_t j = 0; j < d; j++)
			to[j] = from[j] * scale;
		for (int64_t j = d; j < dp; j++)
			to[j] = 0;
	}
}

/* n rows of [., d] to their transpose [d, width], zeros behind. */
static void
pack_transposed(float *to, const float *from, int64_t ld, int64_t n, int64_t d, int64_t width)
{
	for (int64_t j = 0; j < d; j++, to += width) {
		for (int64_t i = 0; i < n; i++)
			to[i] = from[i * ld + j];
		for (int64_t i = n; i < width; i++)
			to[i] = 0;
	}
}

/* Head kv of segment s of x ([T, K*D]) into 'to', where the segment's packed blocks begin. */
static void
pack_segment(const struct attn *a, float *to, struct od_mat x, int32_t s, int32_t kv, int transpose)
{
	int64_t len = a->tree->len[s], padded = round_up(len, VW);
	const float *from = mat_row(&x, a->tree->start[s]) + kv * a->d;

	for (int64_t k0 = 0; transpose && k0 < len; k0 += KEY_BLOCK) {
		int64_t n = len - k0 < KEY_BLOCK ? len - k0 : KEY_BLOCK;

		pack_transposed(to + k0 * a->dp, from + k0 * x.ld, x.ld, n, a->d, round_up(n, VW));
	}
	if (transpose)
		return;
	pack_rows(to, from, x.ld, len, a->d, a->dp, 1.0f);
	memset(to + len * a->dp, 0, (size_t)((padded - len) * a->dp) * sizeof *to);
}

/* The rows of a block of queries of x ([T, H*D]) to [rows, dp]. */
static void
pack_block(const struct attn *a, float *to, struct od_mat x, const struct attn_block *b, float scale)
{
	for (int64_t i = 0; i < b->nq; i++)
		pack_rows(to + i * a->group * a->dp, mat_row(&x, a->tree->start[b->s] + b->q0 + i) + b->kv * a->group * a->d, a->d,
			a->group, a->d, a->dp, scale);
}

/* ---- forward ---- */

/* One row of scores to exp(score - m), with the soft-cap and the mask. Updates m and l; returns what the row's earlier
 * sums are to be multiplied by. */
static inline float
softmax_row(float *s, int64_t width, int32_t from, int32_t to, float cap, float *m, float *l)
{
	vf top = vf_set(NO_MAX), sum = vf_set(0);
	float m_old = *m, m_new, scale = 1.0f;

	if (cap > 0)
		for (int64_t j = 0; j < width; j += VW)
			vf_store(s + j, cap * vf_tanh(vf_load(s + j) / cap));
	if (from > 0 || to < width)
		for (int64_t j = 0; j < width; j += VW)
			vf_store(s + j, vf_select(lanes_within(j, from, to), vf_load(s + j), vf_set(-INFINITY)));
	for (int64_t j = 0; j < width; j += VW)
		top = vf_max(top, vf_load(s + j));
	m_new = vf_hmax(top);
	if (!(m_new > m_old))
		m_new = m_old;
	for (int64_t j = 0; j < width; j += VW) {
		vf e = vf_exp(vf_load(s + j) - m_new);

		vf_store(s + j, e);
		sum += e;
	}
	if (m_new != m_old)
		scale = expf(m_old - m_new);
	*l = *l * scale + vf_sum(sum);
	*m = m_new;
	return scale;
}

static inline void
scale_row(float *x, int64_t n, float c)
{
	for (int64_t j = 0; j < n; j += VW)
		vf_store(x + j, vf_load(x + j) * c);
}

static void
write_rows(const struct attn *a, const struct attn_block *b, const float *acc, const float *m, const float *l)
{
	for (int64_t r = 0; r < b->rows; r++) {
		int64_t t = a->tree->start[b->s] + b->q0 + r / a->group, h = b->kv * a->group + r % a->group;
		float *o = mat_row(&a->out, t) + h * a->d, inv = 1.0f / l[r];

		for (int64_t j = 0; j < a->d; j++)
			o[j] = acc[r * a->dp + j] * inv;
		a->lse[t * a->p->n_heads + h] = m[r] + logf(l[r]);
	}
}

static int64_t
forward_scratch(const struct attn *a)
{
	int64_t rows = a->nq * a->group;

	return round_up(rows * (2 * a->dp + KEY_BLOCK + 2), 16);
}

/* kt, v: the packed keys (transposed) and values of the block's kv head. */
static void
forward_block(const struct attn *a, const struct attn_block *b, const float *kt, const float *v, float *scratch)
{
	int64_t max_rows = a->nq * a->group, at = 0;
	float *q = scratch, *acc = q + max_rows * a->dp, *s = acc + max_rows * a->dp, *m = s + max_rows * KEY_BLOCK;
	float *l = m + max_rows;
	struct attn_keys k;
	int own = 0;

	pack_block(a, q, a->q, b, a->p->scale);
	memset(acc, 0, (size_t)(b->rows * a->dp) * sizeof *acc);
	for (int64_t r = 0; r < b->rows; r++) {
		m[r] = NO_MAX;
		l[r] = 0;
	}
	while (next_keys(a, b, &own, &at, &k)) {
		tile(b->rows, k.width, a->d, q, a->dp, 1, kt + k.offset * a->dp, k.stride, s, KEY_BLOCK, 0);
		for (int64_t r = 0; r < b->rows; r++) {
			int32_t from, to;
			float scale;

			visible_keys(a, b, &k, r / a->group, &from, &to);
			scale = softmax_row(s + r * KEY_BLOCK, k.width, from, to, a->p->softcap, m + r, l + r);
			if (scale != 1.0f)
				scale_row(acc + r * a->dp, a->dp, scale);
		}
		tile(b->rows, a->dp, k.width, s, KEY_BLOCK, 1, v + k.offset * a->dp, a->dp, acc, a->dp, 1);
	}
	write_rows(a, b, acc, m, l);
}

static void
f32_attn_fwd(struct od_backend *be, struct od_mat out, float *lse, struct od_mat q, struct od_mat k, struct od_mat v,
	const struct od_tree *tree, const struct od_attn_params *p)
{
	struct cpu_ctx *ctx = cpu_ctx(be);
	int32_t n_kv = p->n_kv_heads;
	int64_t packed, each, n_blocks;
	float *kt, *vp, *team;
	struct attn a;

	f32_init(&a, q, k, v, tree, p);
	packed = attn_offsets(&a, ctx) * a.dp;
	if (packed < 0)
		return;
	each = forward_scratch(&a);
	kt = od_cpu_scratch(ctx, SCRATCH_ATTN, (size_t)(2 * packed * n_kv) * sizeof *kt);
	team = od_cpu_scratch(ctx, SCRATCH_ATTN_TEAM, (size_t)(each * ctx->threads) * sizeof *team);
	if (!kt || !team)
		return;
	vp = kt + packed * n_kv;
	a.out = out;
	a.lse = lse;
	n_blocks = a.first_unit[tree->n_segments] * n_kv;
#pragma omp parallel num_threads(ctx->threads)
	{
#pragma omp for schedule(dynamic)
		for (int64_t i = 0; i < (int64_t)tree->n_segments * n_kv; i++) {
			int32_t s = (int32_t)(i / n_kv), kv = (int32_t)(i % n_kv);

			pack_segment(&a, kt + kv * packed + a.offset[s] * a.dp, k, s, kv, 1);
			pack_segment(&a, vp + kv * packed + a.offset[s] * a.dp, v, s, kv, 0);
		}
		/* from the end: the longest rows of the last segment first */
#pragma omp for schedule(dynamic)
		for (int64_t i = 0; i < n_blocks; i++) {
			int32_t kv = (int32_t)(i % n_kv);
			struct attn_block b = numbered_unit(&a, (n_blocks - 1 - i) / n_kv, kv);

			forward_block(&a, &b, kt + kv * packed, vp + kv * packed, team + each * omp_get_thread_num());
		}
	}
}

/* ---- backward ---- */

/* Packed tokens k, kt, vt, of which the first is number 'offset' of the buffer's; dk, dv as many sums; and the rest of
 * a block of queries. */
struct attn_grad {
	int64_t offset;
	float *k, *kt, *vt, *dk, *dv;
	float *q, *dout, *dq, *prob, *ds, *delta, *lse;
};

/* Floats of a block of queries. */
static int64_t
grad_block_scratch(const struct attn *a)
{
	return round_up(a->nq * a->group * (3 * a->dp + 2 * KEY_BLOCK + 2), 16);
}

static void
grad_block_init(struct attn_grad *g, const struct attn *a, float *scratch)
{
	int64_t rows = a->nq * a->group;

	g->q = scratch;
	g->dout = g->q + rows * a->dp;
	g->dq = g->dout + rows * a->dp;
	g->prob = g->dq + rows * a->dp;
	g->ds = g->prob + rows * KEY_BLOCK;
	g->delta = g->ds + rows * KEY_BLOCK;
	g->lse = g->delta + rows;
}

/* One row: prob holds scores, ds holds dout.v; afterwards the probabilities and the gradient of the scaled scores. */
static inline void
grad_row(float *prob, float *ds, int64_t width, int32_t from, int32_t to, float cap, float lse, float delta)
{
	int masked = from > 0 || to < width;

	for (int64_t j = 0; j < width; j += VW) {
		vf x = vf_load(prob + j), slope = vf_set(1.0f), e;

		if (cap > 0) {
			vf th = vf_tanh(x / cap);

			x = cap * th;
			slope = 1.0f - th * th;
		}
		e = vf_exp(x - lse);
		if (masked)
			e = (vf)((vi)e & lanes_within(j, from, to));
		vf_store(prob + j, e);
		vf_store(ds + j, e * (vf_load(ds + j) - delta) * slope);
	}
}

static void
pack_grad_block(const struct attn *a, struct attn_grad *g, const struct attn_block *b)
{
	pack_block(a, g->q, a->q, b, a->p->scale);
	pack_block(a, g->dout, a->dout, b, 1.0f);
	pack_block(a, g->dq, a->out, b, 1.0f);             /* borrowed: out, for delta = dout.out */
	for (int64_t r = 0; r < b->rows; r++) {
		int64_t t = a->tree->start[b->s] + b->q0 + r / a->group;
		vf sum = vf_set(0);

		for (int64_t j = 0; j < a->dp; j += VW)
			sum += vf_load(g->dout + r * a->dp + j) * vf_load(g->dq + r * a->dp + j);
		g->delta[r] = vf_sum(sum);
		g->lse[r] = a->lse[t * a->p->n_heads + b->kv * a->group + r % a->group];
	}
	memset(g->dq, 0, (size_t)(b->rows * a->dp) * sizeof *g->dq);
}

/* prob, ds := probabilities and score gradients of a block of queries and one of keys. */
static void
grad_scores(const struct attn *a, struct attn_grad *g, const struct attn_block *b, const struct attn_keys *k)
{
	int64_t o = (k->offset - g->offset) * a->dp;

	tile(b->rows, k->width, a->d, g->q, a->dp, 1, g->kt + o, k->stride, g->prob, KEY_BLOCK, 0);
	tile(b->rows, k->width, a->d, g->dout, a->dp, 1, g->vt + o, k->stride, g->ds, KEY_BLOCK, 0);
	for (int64_t r = 0; r < b->rows; r++) {
		int32_t from, to;

		visible_keys(a, b, k, r / a->group, &from, &to);
		grad_row(g->prob + r * KEY_BLOCK, g->ds + r * KEY_BLOCK, k->width, from, to, a->p->softcap, g->lse[r], g->delta[r]);
	}
}

static void
add_to_keys(const struct attn *a, struct attn_grad *g, const struct attn_block *b, const struct attn_keys *k, float *dk, float *dv)
{
	tile(k->width, a->dp, b->rows, g->prob, 1, KEY_BLOCK, g->dout, a->dp, dv, a->dp, 1);
	tile(k->width, a->dp, b->rows, g->ds, 1, KEY_BLOCK, g->q, a->dp, dk, a->dp, 1);
}

/* dq of a block of queries, and unless dk is NULL its part of dk and dv. */
static void
grad_block(const struct attn *a, struct attn_grad *g, const struct attn_block *b)
{
	struct attn_keys k;
	int64_t at = 0, dp = a->dp;
	int own = 0;

	pack_grad_block(a, g, b);
	while (next_keys(a, b, &own, &at, &k)) {
		int64_t o = (k.offset - g->offset) * dp;

		grad_scores(a, g, b, &k);
		if (g->dk)
			add_to_keys(a, g, b, &k, g->dk + o, g->dv + o);
		tile(b->rows, dp, k.width, g->ds, KEY_BLOCK, 1, g->k + o, dp, g->dq, dp, 1);
	}
	for (int64_t r = 0; r < b->rows; r++) {
		float *dq = mat_row(&a->dq, a->tree->start[b->s] + b->q0 + r / a->group) + (b->kv * a->group + r % a->group) * a->d;

		for (int64_t j = 0; j < a->d; j++)
			dq[j] = g->dq[r * dp + j] * a->p->scale;
	}
}

static void
write_segment(const struct attn *a, struct od_mat to, const float *from, int32_t s, int32_t kv)
{
	for (int64_t i = 0; i < a->tree->len[s]; i++)
		memcpy(mat_row(&to, a->tree->start[s] + i) + kv * a->d, from + i * a->dp, (size_t)a->d * sizeof *from);
}

/* All of one tree for one kv head. */
static void
grad_tree(const struct attn *a, int32_t root, int32_t kv, float *scratch)
{
	const struct od_tree *tree = a->tree;
	int64_t size = a->tree_tokens[root] * a->dp;
	struct attn_grad g = { .offset = a->offset[root] };

	grad_block_init(&g, a, scratch);
	g.k = scratch + grad_block_scratch(a);
	g.kt = g.k + size;
	g.vt = g.kt + size;
	g.dk = g.vt + size;
	g.dv = g.dk + size;
	memset(g.dk, 0, (size_t)(2 * size) * sizeof *g.dk);
	for (int32_t s = root; s < tree->n_segments; s++) {
		int64_t o = (a->offset[s] - a->offset[root]) * a->dp;

		if (s != root && tree->parent[s] != root)
			continue;
		pack_segment(a, g.k + o, a->k, s, kv, 0);
		pack_segment(a, g.kt + o, a->k, s, kv, 1);
		pack_segment(a, g.vt + o, a->v, s, kv, 1);
		for (int64_t q0 = 0; q0 < tree->len[s]; q0 += a->nq) {
			struct attn_block b = block_at(a, s, kv, q0);

			grad_block(a, &g, &b);
		}
	}
	for (int32_t s = root; s < tree->n_segments; s++) {
		int64_t o = (a->offset[s] - a->offset[root]) * a->dp;

		if (s != root && tree->parent[s] != root)
			continue;
		write_segment(a, a->dk, g.dk + o, s, kv);
		write_segment(a, a->dv, g.dv + o, s, kv);
	}
}

/* ---- backward by blocks, for more threads than trees ---- */

/* dk and dv of the block of keys from k0 of segment s: all blocks of queries that see it, in the order of grad_tree. */
static void
grad_keys(const struct attn *a, struct attn_grad *g, int32_t s, int32_t kv, int64_t k0, float *dk, float *dv)
{
	const struct od_tree *tree = a->tree;
	int64_t n = tree->len[s] - k0 < KEY_BLOCK ? tree->len[s] - k0 : KEY_BLOCK;

	memset(dk, 0, (size_t)(KEY_BLOCK * a->dp) * sizeof *dk);
	memset(dv, 0, (size_t)(KEY_BLOCK * a->dp) * sizeof *dv);
	for (int32_t c = s; c < tree->n_segments; c++) {
		if (c != s && tree->parent[c] != s)
			continue;
		for (int64_t q0 = c == s ? k0 / a->nq * a->nq : 0; q0 < tree->len[c]; q0 += a->nq) {
			struct attn_block b = block_at(a, c, kv, q0);
			struct attn_keys k;
			int64_t at = k0;
			int own = c == s;

			/* the block's keys from k0 on: the first is the one asked for, unless the window leaves it out */
			if (!next_keys(a, &b, &own, &at, &k) || k.s != s || k.k0 != k0)
				continue;
			pack_grad_block(a, g, &b);
			grad_scores(a, g, &b, &k);
			add_to_keys(a, g, &b, &k, dk, dv);
		}
	}
	for (int64_t i = 0; i < n; i++) {
		int64_t t = tree->start[s] + k0 + i;

		memcpy(mat_row(&a->dk, t) + kv * a->d, dk + i * a->dp, (size_t)a->d * sizeof *dk);
		memcpy(mat_row(&a->dv, t) + kv * a->d, dv + i * a->dp, (size_t)a->d * sizeof *dv);
	}
}

/* Key blocks are numbered through the buffer like query blocks, counting KEY_BLOCK tokens. */
static void
grad_numbered_keys(const struct attn *a, struct attn_grad *g, int64_t number, int32_t kv, float *sums)
{
	int32_t s = 0;

	while (number >= (a->tree->len[s] + KEY_BLOCK - 1) / KEY_BLOCK)
		number -= (a->tree->len[s++] + KEY_BLOCK - 1) / KEY_BLOCK;
	grad_keys(a, g, s, kv, number * KEY_BLOCK, sums, sums + KEY_BLOCK * a->dp);
}

static void
grad_by_blocks(const struct attn *a, struct cpu_ctx *ctx, int64_t packed)
{
	const struct od_tree *tree = a->tree;
	int64_t n_kv = a->p->n_kv_heads, each = grad_block_scratch(a) + 2 * KEY_BLOCK * a->dp, n_keys = 0, n_queries;
	float *shared = od_cpu_scratch(ctx, SCRATCH_ATTN, (size_t)(3 * packed * n_kv) * sizeof *shared);
	float *team = od_cpu_scratch(ctx, SCRATCH_ATTN_TEAM, (size_t)(each * ctx->threads) * sizeof *team);

	if (!shared || !team)
		return;
	for (int32_t s = 0; s < tree->n_segments; s++)
		n_keys += (tree->len[s] + KEY_BLOCK - 1) / KEY_BLOCK;
	n_queries = a->first_unit[tree->n_segments];
#pragma omp parallel num_threads(ctx->threads)
	{
		float *mine = team + each * omp_get_thread_num();

#pragma omp for schedule(dynamic)
		for (int64_t i = 0; i < tree->n_segments * n_kv; i++) {
			int32_t s = (int32_t)(i / n_kv), kv = (int32_t)(i % n_kv);
			float *to = shared + 3 * packed * kv + a->offset[s] * a->dp;

			pack_segment(a, to, a->k, s, kv, 0);
			pack_segment(a, to + packed, a->k, s, kv, 1);
			pack_segment(a, to + 2 * packed, a->v, s, kv, 1);
		}
#pragma omp for schedule(dynamic)
		for (int64_t i = 0; i < (n_keys + n_queries) * n_kv; i++) {
			int32_t kv = (int32_t)(i % n_kv);
			struct attn_grad g = { .k = shared + 3 * packed * kv };

			g.kt = g.k + packed;
			g.vt = g.kt + packed;
			grad_block_init(&g, a, mine);
			if (i / n_kv < n_keys) {
				grad_numbered_keys(a, &g, i / n_kv, kv, mine + grad_block_scratch(a));
			} else {
				struct attn_block b = numbered_unit(a, i / n_kv - n_keys, kv);

				grad_block(a, &g, &b);
			}
		}
	}
}

static void
grad_by_trees(const struct attn *a, struct cpu_ctx *ctx)
{
	const struct od_tree *tree = a->tree;
	int64_t largest = 0, each, n_kv = a->p->n_kv_heads;
	float *team;

	for (int32_t s = 0; s < tree->n_segments; s++)
		if (tree->parent[s] < 0 && a->tree_tokens[s] > largest)
			largest = a->tree_tokens[s];
	each = grad_block_scratch(a) + 5 * largest * a->dp;
	team = od_cpu_scratch(ctx, SCRATCH_ATTN_TEAM, (size_t)(each * ctx->threads) * sizeof *team);
	if (!team)
		return;
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
	for (int64_t i = 0; i < tree->n_segments * n_kv; i++)
		if (tree->parent[i / n_kv] < 0)
			grad_tree(a, (int32_t)(i / n_kv), (int32_t)(i % n_kv), team + each * omp_get_thread_num());
}

/* By blocks costs 7 products where by trees costs 5, but spreads over any number of threads. */
static int
better_by_blocks(const struct attn *a, int64_t threads)
{
	int64_t units = 0;

	for (int32_t s = 0; s < a->tree->n_segments; s++)
		units += a->tree->parent[s] < 0 ? a->p->n_kv_heads : 0;
	return units > 0 && (double)((units + threads - 1) / threads) / (double)units > 1.4 / (double)threads;
}

static void
f32_attn_bwd(struct od_backend *be, struct od_mat dq, struct od_mat dk, struct od_mat dv, struct od_mat dout, struct od_mat q,
	struct od_mat k, struct od_mat v, struct od_mat out, const float *lse, const struct od_tree *tree,
	const struct od_attn_params *p)
{
	struct cpu_ctx *ctx = cpu_ctx(be);
	struct attn a;
	int64_t packed;

	f32_init(&a, q, k, v, tree, p);
	packed = attn_offsets(&a, ctx) * a.dp;
	if (packed < 0)
		return;
	a.out = out;
	a.dout = dout;
	a.dq = dq;
	a.dk = dk;
	a.dv = dv;
	a.lse = (float *)lse;
	if (better_by_blocks(&a, ctx->threads))
		grad_by_blocks(&a, ctx, packed);
	else
		grad_by_trees(&a, ctx);
}
