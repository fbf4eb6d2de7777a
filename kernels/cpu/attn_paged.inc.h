/* attn_paged.inc.h -- keys and values in pages, and attention of one query a sequence over them.
 *
 * Keys lie transposed in a page, so that a vector of scores is a sum over head_dim of broadcast query x vector of keys: no sums
 * across lanes. Up to PAGED_HEADS heads of a kv head pass over a page together. Pages are taken in ascending order with a running
 * maximum, so a row's result depends on its own sequence alone.
 */
enum { PAGED_HEADS = 4, PAGE_VECS = OD_KV_PAGE / VW, PAGE_TOGETHER = 2 };

/* What a thread needs for the heads it works on: [PAGED_HEADS][head_dim] each. */
struct paged {
	const struct od_kv_pages *pages;
	const struct od_attn_params *p;
	enum od_dtype type;
	float *q, *acc;                /* the queries, scaled; sums of weight x value */
	float max[PAGED_HEADS], sum[PAGED_HEADS];
	float weight[PAGED_HEADS][OD_KV_PAGE] __attribute__((aligned(64)));
};

static inline const char *
page_at(const void *base, enum od_dtype type, const struct od_kv_pages *pages, int64_t page, int64_t kv)
{
	return (const char *)base + (page * pages->n_kv_heads + kv) * pages->head_dim * OD_KV_PAGE * (type == OD_F32 ? 4 : 2);
}

/* weight[h][t] = q[h] . k[:, t]. Two vectors of keys at a time, as a sum waits for the one before it. What is read next, as
 * much memory, is asked for meanwhile. */
INLINE void
page_scores(struct paged *a, int heads, enum od_dtype type, const char *k, const char *next)
{
	int64_t d = a->p->head_dim, size = type == OD_F32 ? 4 : 2;

	for (int v = 0; v < PAGE_VECS; v += PAGE_TOGETHER) {
		vf s[PAGE_TOGETHER][PAGED_HEADS] = { { { 0 } } };

		for (int64_t i = 0; i < d; i++) {
#pragma GCC unroll 2
			for (int j = 0; j < PAGE_TOGETHER; j++) {
				vf x = vf_get(k, type, i * OD_KV_PAGE + (v + j) * VW, VW);

				__builtin_prefetch(next + (i * OD_KV_PAGE + (v + j) * VW) * size, 0, 2);
#pragma GCC unroll 4
				for (int h = 0; h < heads; h++)
					s[j][h] += a->q[h * d + i] * x;
			}
		}
#pragma GCC unroll 2
		for (int j = 0; j < PAGE_TOGETHER; j++)
#pragma GCC unroll 4
			for (int h = 0; h < heads; h++)
				vf_store(a->weight[h] + (v + j) * VW, s[j][h]);
	}
}

/* Scores to weights exp(score - maximum), zero for tokens outside [from, to); what was summed before is brought to the new
 * maximum. */
INLINE void
page_weights(struct paged *a, int h, int64_t from, int64_t to)
{
	float *w = a->weight[h], cap = a->p->softcap, top = a->max[h], old;
	vf sum = { 0 };

	for (int64_t t = 0; cap > 0 && t < OD_KV_PAGE; t += VW)
		vf_store(w + t, cap * vf_tanh(vf_load(w + t) / cap));
	for (int64_t t = 0; t < OD_KV_PAGE; t++)
		w[t] = t < from || t >= to ? -INFINITY : w[t];
	for (int64_t t = from; t < to; t++)
		top = w[t] > top ? w[t] : top;
	for (int64_t t = 0; t < OD_KV_PAGE; t += VW) {
		vf e = vf_exp(vf_load(w + t) - top);

		vf_store(w + t, e);
		sum += e;
	}
	old = a->max[h] == -INFINITY ? 0 : expf(a->max[h] - top);
	a->max[h] = top;
	a->sum[h] = a->sum[h] * old + vf_sum(sum);
	if (old != 1)
		for (int64_t i = 0; i < a->p->head_dim; i++)
			a->acc[h * a->p->head_dim + i] *= old;
}

/* acc[h] += sum over tokens of weight[h][t] v[t], for so many vectors of n elements each from i on; what is read next is asked for
 * meanwhile. */
INLINE void
page_values_part(struct paged *a, int heads, int vecs, int64_t n, enum od_dtype type, const char *v, const char *next, int64_t i,
	int64_t from, int64_t to)
{
	int64_t d = a->p->head_dim, size = type == OD_F32 ? 4 : 2;
	vf s[PAGE_TOGETHER][PAGED_HEADS];

#pragma GCC unroll 2
	for (int j = 0; j < vecs; j++)
#pragma GCC unroll 4
		for (int h = 0; h < heads; h++)
			s[j][h] = vf_load_n(a->acc + h * d + i + j * VW, n);
	for (int64_t t = from; t < to; t++) {
#pragma GCC unroll 2
		for (int j = 0; j < vecs; j++) {
			vf x = vf_get(v, type, t * d + i + j * VW, n);

			__builtin_prefetch(next + (t * d + i + j * VW) * size, 0, 2);
#pragma GCC unroll 4
			for (int h = 0; h < heads; h++)
				s[j][h] += a->weight[h][t] * x;
		}
	}
#pragma GCC unroll 2
	for (int j = 0; j < vecs; j++)
#pragma GCC unroll 4
		for (int h = 0; h < heads; h++)
			vf_store_n(a->acc + h * d + i + j * VW, s[j][h], n);
}

INLINE void
page_values(struct paged *a, int heads, enum od_dtype type, const char *v, const char *next, int64_t from, int64_t to)
{
	int64_t d = a->p->head_dim, i = 0;

	for (; i + 2 * VW <= d; i += 2 * VW)
		page_values_part(a, heads, 2, VW, type, v, next, i, from, to);
	for (; i < d; i += VW)
		page_values_part(a, heads, 1, d - i, type, v, next, i, from, to);
}

INLINE void
pages_walk(struct paged *a, int heads, enum od_dtype type, int64_t kv, const int32_t *table, int64_t len)
{
	int64_t first = a->p->window > 0 && len > a->p->window ? len - a->p->window : 0;

	for (int64_t page = first / OD_KV_PAGE; page * OD_KV_PAGE < len; page++) {
		int64_t at = page * OD_KV_PAGE, from = first > at ? first - at : 0, to = len - at < OD_KV_PAGE ? len - at : OD_KV_PAGE;
		int32_t next = table[at + OD_KV_PAGE < len ? page + 1 : page];
		const char *v = page_at(a->pages->v, type, a->pages, table[page], kv);

		page_scores(a, heads, type, page_at(a->pages->k, type, a->pages, table[page], kv), v);
		for (int h = 0; h < heads; h++)
			page_weights(a, h, from, to);
		page_values(a, heads, type, v, page_at(a->pages->k, type, a->pages, next, kv), from, to);
	}
}

/* Heads [head, head + heads) of sequence s. */
INLINE void
paged_heads(struct paged *a, int heads, enum od_dtype type, void *out, const void *q, int64_t head, const int32_t *table, int64_t len)
{
	int64_t d = a->p->head_dim;

	for (int64_t i = 0; i < heads * d; i += VW)
		vf_store_n(a->q + i, a->p->scale * vf_get(q, type, head * d + i, heads * d - i), heads * d - i);
	memset(a->acc, 0, (size_t)(heads * d) * sizeof *a->acc);
	for (int h = 0; h < heads; h++) {
		a->max[h] = -INFINITY;
		a->sum[h] = 0;
	}
	pages_walk(a, heads, type, head / (a->p->n_heads / a->p->n_kv_heads), table, len);
	for (int h = 0; h < heads; h++)
		for (int64_t i = 0; i < d; i += VW)
			vf_put(out, type, (head + h) * d + i, vf_load_n(a->acc + h * d + i, d - i) / a->sum[h], d - i);
}

/* Each number of heads with loops of its own. */
INLINE void
paged_any(struct paged *a, int heads, enum od_dtype type, void *out, const void *q, int64_t head, const int32_t *table, int64_t len)
{
	switch (heads) {
	case 1: paged_heads(a, 1, type, out, q, head, table, len); break;
	case 2: paged_heads(a, 2, type, out, q, head, table, len); break;
	case 3: paged_heads(a, 3, type, out, q, head, table, len); break;
	default: paged_heads(a, PAGED_HEADS, type, out, q, head, table, len); break;
	}
}

static void
attn_paged(struct od_backend *be, struct od_mat out, struct od_mat q, const struct od_kv_pages *pages, const int32_t *table,
	int64_t width, const int32_t *len, const struct od_attn_params *p)
{
	struct cpu_ctx *ctx = cpu_ctx(be);
	int64_t group = p->n_heads / p->n_kv_heads, parts = (group + PAGED_HEADS - 1) / PAGED_HEADS, each = PAGED_HEADS * p->head_dim + VW;
	int64_t n = q.rows * p->n_kv_heads * parts;
	float *team = od_cpu_scratch(ctx, SCRATCH_ATTN_TEAM, (size_t)(ctx->threads * 2 * each) * sizeof *team);

	if (!team)
		return;
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads) if (n > 1)
	for (int64_t i = 0; i < n; i++) {
		int64_t s = i / (p->n_kv_heads * parts), kv = i / parts % p->n_kv_heads, first = i % parts * PAGED_HEADS;
		int heads = (int)(group - first < PAGED_HEADS ? group - first : PAGED_HEADS);
		struct paged a = { pages, p, q.type, team + omp_get_thread_num() * 2 * each, team + (omp_get_thread_num() * 2 + 1) * each,
			{ 0 }, { 0 }, { { 0 } } };

		WITH_TYPE(q.type, T, paged_any(&a, heads, T, any_row(&out, s), any_row(&q, s), kv * group + first, table + s * width,
			len[s]));
	}
}

INLINE void
put_row(const struct od_kv_pages *pages, enum od_dtype type, const void *k, const void *v, int64_t slot)
{
	int64_t d = pages->head_dim, page = slot / OD_KV_PAGE, t = slot % OD_KV_PAGE, size = type == OD_F32 ? 4 : 2;

	for (int64_t h = 0; h < pages->n_kv_heads; h++) {
		char *to_k = (char *)(uintptr_t)page_at(pages->k, type, pages, page, h);
		char *to_v = (char *)(uintptr_t)page_at(pages->v, type, pages, page, h);

		memcpy(to_v + t * d * size, (const char *)v + h * d * size, (size_t)(d * size));
		for (int64_t i = 0; i < d; i++)
			memcpy(to_k + (i * OD_KV_PAGE + t) * size, (const char *)k + (h * d + i) * size, (size_t)size);
	}
}

static void
kv_put(struct od_backend *be, const struct od_kv_pages *pages, struct od_mat k, struct od_mat v, int64_t n, const int32_t *row,
	const int32_t *slot)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (n * k.cols > SMALL_WORK)
	for (int64_t e = 0; e < n; e++)
		WITH_TYPE(k.type, T, put_row(pages, T, any_row(&k, row[e]), any_row(&v, row[e]), slot[e]));
}
