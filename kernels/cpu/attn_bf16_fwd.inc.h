/* attn_bf16_fwd.inc.h -- attention of bf16 matrices, forward: threads take (segment, query block, kv head). */
#define FORWARD_ROWS 128       /* rows aimed at in a block of queries, forward */
#define FEW        0x1p-40f    /* sums of powers that a row's base is kept for */
#define MANY       0x1p40f

/* A block of queries: rows of q; q^T packed. Chunk by chunk: scores [BLOCK_KEYS, rows], P^T packed, out^T [dp, rows]. Of each
 * row: base (an exponent of 2) and sum of powers. */
struct attn_work {
	uint16_t *rows, *qt, *p;
	float *s, *acc, *m, *l;
	int32_t *token, *used;         /* used: of each chunk, whether its out^T has been begun */
	struct attn_span *span;        /* of each chunk */
};

static int64_t
work_init(struct attn_work *w, const struct attn *a, char *scratch)
{
	int64_t at = 0, n = bf16_rows(a), chunks = round_up(n, CHUNK);

	w->rows = carve(scratch, &at, 2 * n * a->dp);
	w->qt = carve(scratch, &at, 2 * n * a->dp);
	w->p = carve(scratch, &at, 2 * chunks * BLOCK_KEYS);
	w->s = carve(scratch, &at, 4 * chunks * BLOCK_KEYS);
	w->acc = carve(scratch, &at, 4 * chunks * a->dp);
	w->m = carve(scratch, &at, 4 * n);
	w->l = carve(scratch, &at, 4 * n);
	w->token = carve(scratch, &at, 4 * n);
	w->used = carve(scratch, &at, 4 * chunks / CHUNK);
	w->span = carve(scratch, &at, (int64_t)sizeof *w->span * chunks / CHUNK);
	return at;
}

/* The keys that VW rows see, ascending: some of the rows from some on, all of them in [all, end), some up to some. */
struct strip {
	vi lo, hi;
	int64_t some, all, end, none;
};

/* Of a span; its limits are multiples of 4, for the loops. */
static inline struct strip
strip_of(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, const struct attn_span *span,
	const int32_t *token)
{
	struct strip s = { .some = span->from, .all = span->from, .end = span->to, .none = span->to };

	if (!span->masked)
		return s;
	lanes_see(a, b, k, token, &s.lo, &s.hi);
	s.some = s.lo[0] > s.some ? s.lo[0] & ~3 : s.some;
	s.none = s.hi[VW - 1] < s.none ? round_up(s.hi[VW - 1], 4) : s.none;
	s.none = s.none > s.some ? s.none : s.some;
	s.all = s.lo[VW - 1] > s.some ? round_up(s.lo[VW - 1], 4) : s.some;
	s.end = s.hi[0] < s.none ? s.hi[0] & ~3 : s.none;
	if (s.all >= s.end)                    /* none is seen by all */
		s.all = s.end = s.none;
	return s;
}

static inline __attribute__((always_inline)) void
strip_max(const float *s, int64_t from, int64_t to, int masked, const struct strip *x, vf top[4])
{
	for (int64_t j = from; j < to; j += 4)
		for (int i = 0; i < 4; i++) {
			vf score = vf_load(s + (j + i) * CHUNK);

			top[i] = vf_max(top[i], masked ? vf_between(x->lo, j + i, x->hi, score, -INFINITY) : score);
		}
}

/* Powers, joined and packed, and the sums of what they were rounded to. */
static inline __attribute__((always_inline)) void
strip_exp(const float *s, int64_t from, int64_t to, int masked, const struct strip *x, float c, vf top, vf sum[2], uint16_t *p)
{
	for (int64_t j = from; j < to; j += 2) {
		vf e[2];

		for (int i = 0; i < 2; i++) {
			e[i] = vf_exp2_bf16(vf_load(s + (j + i) * CHUNK) * c - top);
			if (masked)
				e[i] = vf_between(x->lo, j + i, x->hi, e[i], 0);
			sum[i] += e[i];
		}
		vu_store(p + j * BF16_TILE, join_exact(e[0], e[1]));
	}
}

/* The same over a span, zeros where no row sees a key. Returns the sums. */
static inline vf
span_exp(const float *s, const struct attn_span *span, const struct strip *x, float c, vf top, uint16_t *p)
{
	vf sum[2] = { { 0 }, { 0 } };

	for (int64_t j = span->from; j < x->some; j += 2)
		vu_store(p + j * BF16_TILE, (vu){ 0 });
	strip_exp(s, x->some, x->all, 1, x, c, top, sum, p);
	strip_exp(s, x->all, x->end, 0, x, c, top, sum, p);
	strip_exp(s, x->end, x->none, 1, x, c, top, sum, p);
	for (int64_t j = x->none; j < span->to; j += 2)
		vu_store(p + j * BF16_TILE, (vu){ 0 });
	return sum[0] + sum[1];
}

static vf
span_max(const float *s, const struct strip *x)
{
	vf top[4];

	for (int i = 0; i < 4; i++)
		top[i] = vf_set(-INFINITY);
	strip_max(s, x->some, x->all, 1, x, top);
	strip_max(s, x->all, x->end, 0, x, top);
	strip_max(s, x->end, x->none, 1, x, top);
	return vf_max(vf_max(top[0], top[1]), vf_max(top[2], top[3]));
}

/* VW rows: s, p at key 0 of the block. Returns what the rows' earlier sums are to be multiplied by.
 * Powers are relative to m, which begins at 0 and is replaced by the row's maximum only where a sum leaves [FEW, MANY]: within,
 * all numbers are as exact as they would be with the maximum, and scores nearly always are within. */
static inline vf
softmax_strip(const float *s, const struct attn_span *span, const struct strip *x, float c, float *m, float *l, uint16_t *p)
{
	vf old = vf_load(m), before = vf_load(l), keep = vf_set(1.0f), sum = span_exp(s, span, x, c, old, p);
	vi leaves = ~((before + sum >= FEW) & (before + sum <= MANY));

	if (vf_any(leaves)) {
		vf top = span_max(s, x) * c, new = vf_select(before > 0, vf_max(top, old), top);

		new = vf_select(leaves & (top > NO_MAX), new, old);
		sum = span_exp(s, span, x, c, new, p);
		keep = vf_select(before > 0, vf_exp2_short(old - new), keep);
		vf_store(m, new);
	}
	vf_store(l, before * keep + sum);
	return keep;
}

/* Scores of the rows of a chunk to probabilities; sums so far are rescaled. */
static void
softmax_chunk(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, const struct attn_span *span,
	struct attn_work *w, int64_t r0)
{
	const float c = to_exponent(a), *s = w->s + r0 * BLOCK_KEYS - span->from * CHUNK;
	uint16_t *p = w->p + r0 * BLOCK_KEYS - span->from * BF16_TILE;
	float *acc = w->acc + r0 * a->dp;

	for (int64_t r = 0; r < chunk_cols(b, r0); r += VW) {
		struct strip x = strip_of(a, b, k, span, w->token + r0 + r);
		vf keep = softmax_strip(s + r, span, &x, c, w->m + r0 + r, w->l + r0 + r, p + packed_column(r));

		if (w->used[r0 / CHUNK] && vf_any(keep != 1.0f))
			for (int64_t j = 0; j < a->dp; j++)
				vf_store(acc + j * CHUNK + r, vf_load(acc + j * CHUNK + r) * keep);
	}
}

/* One block of keys: all products of a kind, then all of the next, since AMX sleeps during the softmax and wakes slowly. */
static void
forward_keys(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, struct attn_work *w,
	const uint16_t *rows, const uint16_t *vt)
{
	int64_t dp = a->dp;

	for (int64_t r0 = 0, i = 0; r0 < b->rows; r0 += CHUNK, i++) {
		struct attn_span span = w->span[i] = span_of(a, b, k, r0);
		float *s = w->s + r0 * BLOCK_KEYS;

		a->product(span.to - span.from, chunk_cols(b, r0), dp, rows + span.from * dp, dp, w->qt + r0 * dp, BF16_TILE * dp, s,
			CHUNK, 0);
		if (a->p->softcap > 0)
			cap_scores(s, CHUNK, span.to - span.from, chunk_cols(b, r0), a->p->softcap, a->p->scale);
	}
	for (int64_t r0 = 0; r0 < b->rows; r0 += CHUNK)
		if (w->span[r0 / CHUNK].from < w->span[r0 / CHUNK].to)
			softmax_chunk(a, b, k, &w->span[r0 / CHUNK], w, r0);
	for (int64_t r0 = 0, i = 0; r0 < b->rows; r0 += CHUNK, i++) {
		struct attn_span span = w->span[i];

		if (span.from >= span.to)
			continue;
		a->product(dp, chunk_cols(b, r0), span.to - span.from, vt + span.from, k->stride, w->p + r0 * BLOCK_KEYS,
			BF16_TILE * BLOCK_KEYS, w->acc + r0 * dp, CHUNK, w->used[i]);
		w->used[i] = 1;
	}
}

static void
finish_chunk(const struct attn *a, const struct attn_block *b, struct attn_work *w, int64_t r0)
{
	int64_t n = b->rows - r0 < CHUNK ? b->rows - r0 : CHUNK, i = r0 / a->group, g = r0 % a->group;
	float *lse = a->lse + (a->tree->start[b->s] + b->q0) * a->p->n_heads + b->kv * a->group;

	for (int64_t r = r0; r < r0 + n; r += VW) {
		vf l = vf_load(w->l + r);

		vf_store(w->m + r, (vf_load(w->m + r) + vf_log2(l)) * LN_2);
		vf_store(w->l + r, 1.0f / l);
	}
	for (int64_t r = r0; r < r0 + n; r++) {
		lse[i * a->p->n_heads + g] = w->m[r];
		i += g + 1 == a->group;
		g = g + 1 == a->group ? 0 : g + 1;
	}
	write_chunk(a, b, a->out, w->acc + r0 * a->dp, w->l + r0, 1.0f, r0);
}

/* rows, vt: the packed keys and values of the block's kv head. */
static void
bf16_forward_block(const struct attn *a, const struct attn_block *b, const uint16_t *rows, const uint16_t *vt, char *scratch)
{
	struct attn_work w;
	struct attn_keys k;
	int64_t at = 0, n = round_up(b->rows, BF16_STEP);
	int own = 0;

	work_init(&w, a, scratch);
	gather_rows(a, w.rows, a->q, b);
	pack_trans(w.qt, w.rows, a->dp, a->dp, n);
	number_rows(a, b, w.token);
	memset(w.used, 0, (size_t)(round_up(n, CHUNK) / CHUNK) * sizeof *w.used);
	memset(w.m, 0, (size_t)n * sizeof *w.m);
	memset(w.l, 0, (size_t)n * sizeof *w.l);
	while (next_keys(a, b, &own, &at, &k))
		forward_keys(a, b, &k, &w, rows + k.offset * a->dp, vt + k.offset * a->dp);
	for (int64_t r0 = 0; r0 < b->rows; r0 += CHUNK)
		finish_chunk(a, b, &w, r0);
}

static void
bf16_attn_fwd(struct od_backend *be, struct od_mat out, float *lse, struct od_mat q, struct od_mat k, struct od_mat v,
	const struct od_tree *tree, const struct od_attn_params *p)
{
	struct cpu_ctx *ctx = cpu_ctx(be);
	int64_t n_kv = p->n_kv_heads, packed, each, n_blocks;
	struct attn_work sizes;
	uint16_t *rows, *vt;
	struct attn a;
	char *team;

	bf16_init(&a, ctx, q, k, v, tree, p, FORWARD_ROWS);
	packed = attn_offsets(&a, ctx) * a.dp;
	if (packed < 0)
		return;
	each = work_init(&sizes, &a, NULL);
	rows = od_cpu_scratch(ctx, SCRATCH_ATTN, (size_t)(2 * packed * n_kv) * sizeof *rows);
	team = od_cpu_scratch(ctx, SCRATCH_ATTN_TEAM, (size_t)(each * ctx->threads));
	if (!rows || !team)
		return;
	a.out = out;
	a.lse = lse;
	n_blocks = a.first_unit[tree->n_segments] * n_kv;
	vt = rows + packed * n_kv;
#pragma omp parallel num_threads(ctx->threads)
	{
#pragma omp for schedule(dynamic)
		for (int64_t i = 0; i < tree->n_segments * n_kv; i++) {
			int32_t s = (int32_t)(i / n_kv), kv = (int32_t)(i % n_kv);
			int64_t at = kv * packed + a.offset[s] * a.dp;

			pack_kv_rows(&a, rows + at, v, s, kv);
			transpose_kv(&a, vt + at, rows + at, s);
			pack_kv_rows(&a, rows + at, k, s, kv);
		}
		/* from the end: the longest rows of the last segment first */
#pragma omp for schedule(dynamic)
		for (int64_t i = 0; i < n_blocks; i++) {
			int32_t kv = (int32_t)(i % n_kv);
			struct attn_block b = numbered_unit(&a, (n_blocks - 1 - i) / n_kv, kv);

			bf16_forward_block(&a, &b, rows + kv * packed, vt + kv * packed, team + each * omp_get_thread_num());
		}
	}
}
