/* attn_bf16_bwd.inc.h -- attention of bf16 matrices, backward: threads take (segment, unit of query blocks, kv head). Each
 * unit sums dk and dv of the keys it sees in a part of its own; the parts of a key are added in the order of the units, whoever
 * computed them: the same bits for any number of threads. */
#define GRAD_ROWS  256         /* rows aimed at in a block of queries, backward: the depth of dk's and dv's products */
#define GRAD_UNIT  512         /* tokens of a unit, at most, unless a block has more */
#define PARTS      (32 << 20)  /* bytes of parts aimed at; kv heads beyond wait for the next round */

/* A block of queries: a few rows of q and of dout; both packed, as they are and transposed. Of a chunk: S^T and dP^T
 * [BLOCK_KEYS, rows], dS^T packed. Of the block: P^T and dS^T [BLOCK_KEYS, ld]. Of each row: dq^T [dp, rows] chunk by chunk,
 * lse (as an exponent of 2) and delta = dout . out. */
struct attn_slab {
	int64_t cols, ld;
	uint16_t *rows, *q, *qt, *dout, *doutt, *right, *p, *ds;
	float *s, *dp, *dqt, *lse, *delta;
	int32_t *token, *used;         /* used: of each chunk, whether its dq^T has been begun */
};

static int64_t
slab_init(struct attn_slab *g, const struct attn *a, char *scratch)
{
	int64_t at = 0, n = bf16_rows(a);

	g->ld = n + BF16_STEP;         /* rows of a power of two would share few lines of the cache */
	g->rows = carve(scratch, &at, 4 * BF16_STEP * a->dp);
	g->q = carve(scratch, &at, 2 * n * a->dp);
	g->qt = carve(scratch, &at, 2 * n * a->dp);
	g->dout = carve(scratch, &at, 2 * n * a->dp);
	g->doutt = carve(scratch, &at, 2 * n * a->dp);
	g->right = carve(scratch, &at, 2 * CHUNK * BLOCK_KEYS);
	g->p = carve(scratch, &at, 2 * g->ld * BLOCK_KEYS);
	g->ds = carve(scratch, &at, 2 * g->ld * BLOCK_KEYS);
	g->s = carve(scratch, &at, 4 * CHUNK * BLOCK_KEYS);
	g->dp = carve(scratch, &at, 4 * CHUNK * BLOCK_KEYS);
	g->dqt = carve(scratch, &at, 4 * round_up(n, CHUNK) * a->dp);
	g->lse = carve(scratch, &at, 4 * n);
	g->delta = carve(scratch, &at, 4 * n);
	g->token = carve(scratch, &at, 4 * n);
	g->used = carve(scratch, &at, 4 * round_up(n, CHUNK) / CHUNK);
	return at;
}

/* Of bf16 rows: pairs are widened by a shift and a mask. */
static inline float
dot_rows(const uint16_t *x, const uint16_t *y, int64_t n)
{
	vf sum = vf_set(0);
	int64_t j = 0;

	for (; j + 2 * VW <= n; j += 2 * VW) {
		vu a, b;

		memcpy(&a, x + j, sizeof a);
		memcpy(&b, y + j, sizeof b);
		sum += (vf)(a << 16) * (vf)(b << 16);
		sum += (vf)(a & 0xffff0000) * (vf)(b & 0xffff0000);
	}
	for (; j < n; j += VW)
		sum += vf_get(x, OD_BF16, j, n - j) * vf_get(y, OD_BF16, j, n - j);
	return vf_sum(sum);
}

/* Rows [r0, r0 + 32) of a block: q and dout packed, and dout . out, together, since each row waits for memory. */
static void
slab_pack_rows(const struct attn *a, struct attn_slab *g, const struct attn_block *b, int64_t r0)
{
	int64_t n = b->rows - r0 < BF16_STEP ? b->rows - r0 : BF16_STEP, dp = a->dp, tile = BF16_TILE * g->cols;
	uint16_t *q[BF16_STEP], *dout[BF16_STEP], *out[BF16_STEP], *rows = g->rows, *drows = g->rows + BF16_STEP * dp;

	find_rows(a, b, a->q, r0, n, q);
	find_rows(a, b, a->dout, r0, n, dout);
	find_rows(a, b, a->out, r0, n, out);
	for (int64_t r = 0; r < n; r++) {
		copy_rows(a, rows + r * dp, q[r], 0, 1);
		copy_rows(a, drows + r * dp, dout[r], 0, 1);
		g->delta[r0 + r] = dot_rows(drows + r * dp, out[r], a->d);
	}
	memset(rows + n * dp, 0, (size_t)((BF16_STEP - n) * dp) * sizeof *rows);
	memset(drows + n * dp, 0, (size_t)((BF16_STEP - n) * dp) * sizeof *rows);
	pack_trans(g->qt + r0 * dp, rows, dp, dp, BF16_STEP);
	pack_trans(g->doutt + r0 * dp, drows, dp, dp, BF16_STEP);
	pack_pairs(g->q + r0 * BF16_TILE, tile, rows, dp, dp);
	pack_pairs(g->dout + r0 * BF16_TILE, tile, drows, dp, dp);
}

static void
slab_pack(const struct attn *a, struct attn_slab *g, const struct attn_block *b)
{
	int64_t n = g->cols = round_up(b->rows, BF16_STEP), r = 0, heads = a->p->n_heads;
	const float *lse = a->lse + (a->tree->start[b->s] + b->q0) * heads + b->kv * a->group;

	for (int64_t r0 = 0; r0 < n; r0 += BF16_STEP)
		slab_pack_rows(a, g, b, r0);
	for (int64_t i = 0; i < b->nq; i++, lse += heads)
		for (int64_t h = 0; h < a->group; h++)
			g->lse[r++] = lse[h] * LOG2_E;
	for (; r < n; r++)
		g->delta[r] = g->lse[r] = 0;
	number_rows(a, b, g->token);
	memset(g->used, 0, (size_t)(round_up(n, CHUNK) / CHUNK) * sizeof *g->used);
}

/* Two vectors of rows. */
struct grad_rows {
	vi lo[2], hi[2];
	vf lse[2], delta[2];
};

/* Keys [from, from + n) of a block: probabilities and the gradient of the scaled scores, as rows (p, ds: ld apart) and ds
 * packed (right[0], right[1]). inv_cap: of scores that were capped; 0: they were not. */
static inline __attribute__((always_inline)) void
grad_strip(const float *s, const float *dp, int64_t from, int64_t n, int masked, int capped, const struct grad_rows *x, float c,
	float inv_cap, uint16_t *p, uint16_t *ds, int64_t ld, uint16_t *const right[2])
{
	for (int64_t j = 0; j < n; j += 2) {
		vf e[2][2], g[2][2];

		for (int i = 0; i < 2; i++)
			for (int h = 0; h < 2; h++) {
				vf score = vf_load(s + (j + i) * CHUNK + h * VW), th = score * inv_cap;
				vf slope = vf_load(dp + (j + i) * CHUNK + h * VW) - x->delta[h];

				e[i][h] = vf_exp2_bf16(score * c - x->lse[h]);
				if (masked)
					e[i][h] = vf_between(x->lo[h], from + j + i, x->hi[h], e[i][h], 0);
				if (capped)
					slope *= 1.0f - th * th;
				g[i][h] = e[i][h] * slope;
			}
		for (int i = 0; i < 2; i++) {
			vu_store(p + (j + i) * ld, join_exact(e[i][0], e[i][1]));
			vu_store(ds + (j + i) * ld, join(g[i][0], g[i][1]));
			vu_store(right[i] + j * BF16_TILE, join(g[0][i], g[1][i]));
		}
	}
}

static void
grad_strips(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, const struct attn_span *span,
	struct attn_slab *g, int64_t r0, int64_t cols)
{
	float c = to_exponent(a), cap = a->p->softcap, inv_cap = cap > 0 ? 1.0f / cap : 0;
	int64_t n = span->to - span->from;

	for (int64_t r = 0; r < cols; r += 2 * VW) {
		uint16_t *p = g->p + span->from * g->ld + r0 + r, *ds = g->ds + span->from * g->ld + r0 + r, *right[2];
		struct grad_rows x;

		for (int h = 0; h < 2; h++) {
			int64_t at = r + h * VW;

			lanes_see(a, b, k, g->token + r0 + at, &x.lo[h], &x.hi[h]);
			x.lse[h] = vf_load(g->lse + r0 + at);
			x.delta[h] = vf_load(g->delta + r0 + at);
			right[h] = g->right + packed_column(at);
		}
		if (cap > 0)
			grad_strip(g->s + r, g->dp + r, span->from, n, 1, 1, &x, c, inv_cap, p, ds, g->ld, right);
		else if (span->masked)
			grad_strip(g->s + r, g->dp + r, span->from, n, 1, 0, &x, c, 0, p, ds, g->ld, right);
		else
			grad_strip(g->s + r, g->dp + r, span->from, n, 0, 0, &x, c, 0, p, ds, g->ld, right);
	}
}

/* Packed keys and values of a kv head; the part of dk and dv that a unit fills, from its parent's first token on. */
struct attn_part {
	const uint16_t *k, *v, *kt;
	float *dk, *dv;
	uint8_t *begun;                /* of each BF16_STEP rows */
};

/* P^T, dS^T of a chunk, and what they add to dq^T. */
static void
grad_chunk(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, const struct attn_span *span,
	struct attn_slab *g, int64_t r0, const struct attn_part *part)
{
	int64_t n = span->to - span->from, cols = g->cols - r0 < CHUNK ? g->cols - r0 : CHUNK, dp = a->dp;
	int64_t key = (k->offset + span->from) * dp;

	a->product(n, cols, dp, part->k + key, dp, g->qt + r0 * dp, BF16_TILE * dp, g->s, CHUNK, 0);
	a->product(n, cols, dp, part->v + key, dp, g->doutt + r0 * dp, BF16_TILE * dp, g->dp, CHUNK, 0);
	if (a->p->softcap > 0)
		cap_scores(g->s, CHUNK, n, cols, a->p->softcap, a->p->scale);
	grad_strips(a, b, k, span, g, r0, cols);
	a->product(dp, cols, n, part->kt + k->offset * dp + span->from, k->stride, g->right, BF16_TILE * BLOCK_KEYS,
		g->dqt + r0 * dp, CHUNK, g->used[r0 / CHUNK]);
	g->used[r0 / CHUNK] = 1;
}

/* What rows [from, to) of a block add to dk and dv of keys [j, j + n) of the block of keys, which lies at 'row' of the part;
 * or, unless these are 'begun', their first value. */
static void
add_to_part(const struct attn *a, const struct attn_slab *g, const struct attn_part *part, int64_t row, int64_t j, int64_t n,
	int64_t from, int64_t to, int begun)
{
	int64_t dp = a->dp, tile = BF16_TILE * g->cols, at = j * g->ld + from, sum = (row + j) * dp;

	a->product(n, dp, to - from, g->p + at, g->ld, g->dout + from * BF16_TILE, tile, part->dv + sum, dp, begun);
	a->product(n, dp, to - from, g->ds + at, g->ld, g->q + from * BF16_TILE, tile, part->dk + sum, dp, begun);
}

/* One block of queries with one of keys. Where not all chunks see all keys, each few keys take the rows from their first
 * chunk to their last: the others' P^T was not computed. */
static void
grad_keys_block(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, struct attn_slab *g,
	const struct attn_part *part, int64_t row)
{
	int64_t from[BLOCK_KEYS / BF16_STEP] = { 0 }, to[BLOCK_KEYS / BF16_STEP] = { 0 }, n = k->width / BF16_STEP;
	uint8_t *begun = part->begun + row / BF16_STEP;

	for (int64_t r0 = 0; r0 < g->cols; r0 += CHUNK) {
		struct attn_span span = span_of(a, b, k, r0);

		if (span.from < span.to)
			grad_chunk(a, b, k, &span, g, r0, part);
		for (int64_t i = span.from / BF16_STEP; i < span.to / BF16_STEP; i++) {
			from[i] = to[i] ? from[i] : r0;
			to[i] = r0 + CHUNK < g->cols ? r0 + CHUNK : g->cols;
		}
	}
	for (int64_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && from[end] == from[i] && to[end] == to[i] && begun[end] == begun[i]; end++)
			;
		if (!to[i])
			continue;
		add_to_part(a, g, part, row, i * BF16_STEP, (end - i) * BF16_STEP, from[i], to[i], begun[i]);
		memset(begun + i, 1, (size_t)(end - i));
	}
}

/* Rows of the part that unit u of segment s fills (with zeros, where it sees nothing). */
static int64_t
part_rows(const struct attn *a, int32_t s, int64_t u)
{
	int64_t parent = a->tree->parent[s], len = a->tree->len[s], end = (u + 1) * a->unit;

	return (parent < 0 ? 0 : round_up(a->tree->len[parent], a->pad)) + round_up(end < len ? end : len, a->pad);
}

static void
grad_unit(const struct attn *a, int32_t s, int64_t u, int32_t kv, struct attn_part *part, char *scratch)
{
	int64_t parent = a->tree->parent[s], end = (u + 1) * a->unit < a->tree->len[s] ? (u + 1) * a->unit : a->tree->len[s];
	int64_t n = part_rows(a, s, u) / BF16_STEP, few = BF16_STEP * a->dp;
	struct attn_slab g;

	part->begun = (uint8_t *)scratch + slab_init(&g, a, scratch);
	memset(part->begun, 0, (size_t)n);
	for (int64_t q0 = u * a->unit; q0 < end; q0 += a->nq) {
		struct attn_block b = block_at(a, s, kv, q0);
		struct attn_keys k;
		int64_t at = 0;
		int own = 0;

		slab_pack(a, &g, &b);
		while (next_keys(a, &b, &own, &at, &k))
			grad_keys_block(a, &b, &k, &g, part,
				k.k0 + (k.causal && parent >= 0 ? round_up(a->tree->len[parent], a->pad) : 0));
		for (int64_t r0 = 0; r0 < b.rows; r0 += CHUNK)
			write_chunk(a, &b, a->dq, g.dqt + r0 * a->dp, NULL, a->p->scale, r0);
	}
	for (int64_t i = 0; i < n; i++)
		if (!part->begun[i]) {
			memset(part->dk + i * few, 0, (size_t)few * sizeof *part->dk);
			memset(part->dv + i * few, 0, (size_t)few * sizeof *part->dv);
		}
}

/* The whole of a backward pass: for each kv head of a round keys, values, transposed keys, 'packed' elements each; parts of dk,
 * then of dv, part[i] rows before unit i's, part[units] in all. */
struct attn_round {
	int64_t packed, each, *part;
	char *base;
	int32_t first, n;              /* kv heads [first, first + n) */
};

static struct attn_part
part_of_unit(const struct attn *a, const struct attn_round *r, int32_t kv, int64_t unit)
{
	char *base = r->base + (kv - r->first) * r->each;
	struct attn_part p = { .k = (uint16_t *)base };

	p.v = p.k + r->packed;
	p.kt = p.v + r->packed;
	p.dk = (float *)(base + 6 * r->packed) + r->part[unit] * a->dp;
	p.dv = p.dk + r->part[a->first_unit[a->tree->n_segments]] * a->dp;
	return p;
}

/* Where the parts of dk for BF16_STEP tokens of segment s from k0 on lie: its own units' that see them, its children's. */
static int64_t
find_parts(const struct attn *a, const struct attn_round *r, int32_t s, int32_t kv, int64_t k0, const float **parts)
{
	const struct od_tree *tree = a->tree;
	int64_t n = 0;

	for (int32_t c = s; c < tree->n_segments; c++) {
		int64_t row = k0 + (c == s && tree->parent[s] >= 0 ? round_up(tree->len[tree->parent[s]], a->pad) : 0);

		if (c != s && tree->parent[c] != s)
			continue;
		for (int64_t i = a->first_unit[c]; i < a->first_unit[c + 1]; i++)
			if (row < r->part[i + 1] - r->part[i])
				parts[n++] = part_of_unit(a, r, kv, i).dk + row * a->dp;
	}
	return n;
}

static inline vf
sum_at(const float *const *parts, int64_t n, int64_t at)
{
	vf sum = vf_set(0);

	for (int64_t i = 0; i < n; i++)
		sum += vf_load(parts[i] + at);
	return sum;
}

/* dk and dv of a segment. scratch: a pointer a unit. */
static void
grad_sum(const struct attn *a, const struct attn_round *r, int32_t s, int32_t kv, char *scratch)
{
	const float **parts = (const float **)scratch;
	int64_t n = 0, to_dv = r->part[a->first_unit[a->tree->n_segments]] * a->dp;

	for (int64_t i = 0; i < a->tree->len[s]; i++) {
		uint16_t *dk = (uint16_t *)any_row(&a->dk, a->tree->start[s] + i) + kv * a->d;
		uint16_t *dv = (uint16_t *)any_row(&a->dv, a->tree->start[s] + i) + kv * a->d;

		if (i % BF16_STEP == 0)
			n = find_parts(a, r, s, kv, i, parts);
		for (int64_t j = 0; j < a->d; j += VW) {
			int64_t at = i % BF16_STEP * a->dp + j;

			vf_put(dk, OD_BF16, j, sum_at(parts, n, at) * a->p->scale, a->d - j);
			vf_put(dv, OD_BF16, j, sum_at(parts, n, to_dv + at), a->d - j);
		}
	}
}

/* One round, by all threads of the team. */
static void
grad_round(const struct attn *a, const struct attn_round *r, char *scratch)
{
	int64_t n_segments = a->tree->n_segments, units = a->first_unit[n_segments];

#pragma omp for schedule(dynamic)
	for (int64_t i = 0; i < n_segments * r->n; i++) {
		int32_t s = (int32_t)(i / r->n), kv = r->first + (int32_t)(i % r->n);
		uint16_t *k = (uint16_t *)(r->base + (kv - r->first) * r->each) + a->offset[s] * a->dp;

		pack_kv_rows(a, k, a->k, s, kv);
		pack_kv_rows(a, k + r->packed, a->v, s, kv);
		transpose_kv(a, k + 2 * r->packed, k, s);
	}
	/* from the end: the longest rows of the last segment first */
#pragma omp for schedule(dynamic)
	for (int64_t i = 0; i < units * r->n; i++) {
		int64_t unit = units - 1 - i / r->n;
		int32_t kv = r->first + (int32_t)(i % r->n);
		struct attn_block b = numbered_unit(a, unit, kv);
		struct attn_part part = part_of_unit(a, r, kv, unit);

		grad_unit(a, b.s, b.q0 / a->unit, kv, &part, scratch);
	}
#pragma omp for schedule(dynamic)
	for (int64_t i = 0; i < n_segments * r->n; i++)
		grad_sum(a, r, (int32_t)(i / r->n), r->first + (int32_t)(i % r->n), scratch);
}

/* Fills r; 0 when memory is short. */
static int
round_init(struct attn_round *r, const struct attn *a, struct cpu_ctx *ctx, int64_t packed)
{
	int32_t n_kv = a->p->n_kv_heads;
	int64_t units = a->first_unit[a->tree->n_segments], rows = 0, fit;

	for (int64_t i = 0; i < units; i++) {
		struct attn_block b = numbered_unit(a, i, 0);

		rows += part_rows(a, b.s, b.q0 / a->unit);
	}
	*r = (struct attn_round){ .packed = packed, .each = 6 * packed + 8 * rows * a->dp };
	fit = PARTS / (r->each + 1);
	r->n = fit < 1 ? 1 : fit < n_kv ? (int32_t)fit : n_kv;
	r->base = od_cpu_scratch(ctx, SCRATCH_ATTN, (size_t)(r->n * r->each + (units + 1) * 8));
	if (!r->base)
		return 0;
	r->part = (int64_t *)(r->base + r->n * r->each);
	r->part[0] = 0;
	for (int64_t i = 0; i < units; i++) {
		struct attn_block b = numbered_unit(a, i, 0);

		r->part[i + 1] = r->part[i] + part_rows(a, b.s, b.q0 / a->unit);
	}
	return 1;
}

static void
bf16_attn_bwd(struct od_backend *be, struct od_mat dq, struct od_mat dk, struct od_mat dv, struct od_mat dout, struct od_mat q,
	struct od_mat k, struct od_mat v, struct od_mat out, const float *lse, const struct od_tree *tree,
	const struct od_attn_params *p)
{
	struct cpu_ctx *ctx = cpu_ctx(be);
	struct attn_round round;
	struct attn_slab sizes;
	struct attn a;
	int64_t packed, each;
	char *team;

	bf16_init(&a, ctx, q, k, v, tree, p, GRAD_ROWS);
	a.unit = GRAD_UNIT / a.nq > 1 ? GRAD_UNIT / a.nq * a.nq : a.nq;
	packed = attn_offsets(&a, ctx) * a.dp;
	if (packed < 0)
		return;
	a.out = out;
	a.dout = dout;
	a.dq = dq;
	a.dk = dk;
	a.dv = dv;
	a.lse = (float *)lse;
	each = slab_init(&sizes, &a, NULL);
	each += round_up(packed / a.dp, 64) + 64;              /* what has been begun of a part */
	if (each < 8 * a.first_unit[tree->n_segments])
		each = round_up(8 * a.first_unit[tree->n_segments], 64);       /* grad_sum's */
	team = od_cpu_scratch(ctx, SCRATCH_ATTN_TEAM, (size_t)(each * ctx->threads));
	if (!team || !round_init(&round, &a, ctx, packed))
		return;
#pragma omp parallel num_threads(ctx->threads)
	{
		struct attn_round r = round;

		for (; r.first < p->n_kv_heads; r.first += r.n) {
			r.n = round.n < p->n_kv_heads - r.first ? round.n : p->n_kv_heads - r.first;
			grad_round(&a, &r, team + each * omp_get_thread_num());
		}
	}
}
