/* attn_tree.inc.h -- attention over a packed tree, in blocks of queries x keys: which block sees which keys. attn_f32.inc.h and
 * attn_bf16.inc.h compute with the blocks; scores exist one block at a time only.
 *
 * The heads that share a kv head are stacked: a block of queries has nq * group rows, row i * group + g for token i and
 * head g. Keys come in blocks of some tokens of one segment, packed once per kv head, each segment padded with zeros.
 * Blocks start at a segment's own start, so what a segment computes depends on its tokens and its parent's alone.
 */
#define NO_MAX -1e30f      /* maximum of no score: finite, so that differences with it are not NaN */

struct attn {
	const struct od_tree *tree;
	const struct od_attn_params *p;
	struct od_mat q, k, v, out, dout, dq, dk, dv;
	float *lse;
	__typeof__(((struct bf16_kernels *)0)->product) product;
	int64_t d, dp, group, nq;      /* head_dim; rounded up to pad; heads per kv head; tokens in a query block */
	int64_t pad, unit;             /* packed segments are padded to multiples; tokens a thread takes: whole query blocks */
	int64_t nk;                    /* tokens in a block of keys */
	int64_t *offset;               /* [segments] packed tokens before each segment; a tree's are contiguous */
	int64_t *tree_tokens;          /* [segments] packed tokens of the tree of each root */
	int64_t *first_unit;           /* [segments + 1] units before each segment */
};

/* A block of queries: tokens q0 .. q0 + nq of segment s, the heads of kv. */
struct attn_block {
	int32_t s, kv;
	int64_t q0, nq, rows;
	int64_t pos;                   /* position of token q0 in its sequence */
};

/* A block of keys: n (padded: width) tokens from k0 of segment s. */
struct attn_keys {
	int32_t s;
	int64_t k0, n, width, stride;  /* stride: width of the packed block, >= width */
	int64_t pos;                   /* position of token k0 */
	int64_t offset;                /* packed tokens before it, in its kv head */
	int causal;                    /* own segment: a query sees keys up to itself */
};

static void
attn_init(struct attn *a, struct od_mat q, struct od_mat k, struct od_mat v, const struct od_tree *tree,
	const struct od_attn_params *p, int64_t pad)
{
	memset(a, 0, sizeof *a);
	a->tree = tree;
	a->p = p;
	a->q = q;
	a->k = k;
	a->v = v;
	a->d = p->head_dim;
	a->pad = pad;
	a->dp = round_up(a->d, pad);
	a->group = p->n_heads / p->n_kv_heads;
}

/* Fills the index arrays; returns the packed tokens of the whole buffer, -1 when memory is short. */
static int64_t
attn_offsets(struct attn *a, struct cpu_ctx *ctx)
{
	const struct od_tree *tree = a->tree;
	int32_t n = tree->n_segments;
	int64_t *next, at = 0;

	a->offset = od_cpu_scratch(ctx, SCRATCH_ATTN_INDEX, (size_t)(4 * n + 1) * sizeof *a->offset);
	if (!a->offset)
		return -1;
	a->tree_tokens = a->offset + n;
	next = a->tree_tokens + n;
	a->first_unit = next + n;
	a->first_unit[0] = 0;
	memset(a->tree_tokens, 0, (size_t)n * sizeof *a->tree_tokens);
	for (int32_t s = 0; s < n; s++) {
		a->tree_tokens[tree->parent[s] < 0 ? s : tree->parent[s]] += round_up(tree->len[s], a->pad);
		a->first_unit[s + 1] = a->first_unit[s] + (tree->len[s] + a->unit - 1) / a->unit;
	}
	for (int32_t s = 0; s < n; s++) {
		int64_t *to = tree->parent[s] < 0 ? &at : &next[tree->parent[s]];

		a->offset[s] = *to;
		next[s] = *to + round_up(tree->len[s], a->pad);
		*to += tree->parent[s] < 0 ? a->tree_tokens[s] : round_up(tree->len[s], a->pad);
	}
	return at;
}

static struct attn_block
block_at(const struct attn *a, int32_t s, int32_t kv, int64_t q0)
{
	int64_t left = a->tree->len[s] - q0;
	int32_t parent = a->tree->parent[s];
	struct attn_block b = { s, kv, q0, left < a->nq ? left : a->nq, 0, q0 };

	b.rows = b.nq * a->group;
	if (parent >= 0)
		b.pos += a->tree->len[parent];
	return b;
}

/* The first query block of unit number i of the buffer, for one kv head. */
static struct attn_block
numbered_unit(const struct attn *a, int64_t i, int32_t kv)
{
	int32_t low = 0, high = a->tree->n_segments;

	while (high - low > 1) {
		int32_t mid = low + (high - low) / 2;

		if (a->first_unit[mid] <= i)
			low = mid;
		else
			high = mid;
	}
	return block_at(a, low, kv, (i - a->first_unit[low]) * a->unit);
}

/* The next block of keys that some query of b sees, at or after *segment, *k0; 0 at the end. */
static int
next_keys(const struct attn *a, const struct attn_block *b, int *own, int64_t *at, struct attn_keys *k)
{
	int32_t parent = a->tree->parent[b->s];

	for (; *own < 2; ++*own, *at = 0) {
		int32_t s = *own ? b->s : parent;
		int64_t end = s < 0 ? 0 : *own ? b->q0 + b->nq : a->tree->len[s];

		while (*at < end) {
			int64_t full = a->tree->len[s] - *at < a->nk ? a->tree->len[s] - *at : a->nk;

			*k = (struct attn_keys){ s, *at, end - *at < full ? end - *at : full, 0, round_up(full, a->pad),
				*at + (*own && parent >= 0 ? a->tree->len[parent] : 0), a->offset[s] + *at, *own };
			k->width = round_up(k->n, a->pad);
			*at += a->nk;
			if (a->p->window <= 0 || k->pos + k->n > b->pos - a->p->window + 1)
				return 1;
		}
	}
	return 0;
}

/* The keys of block k that token i of block b sees: [*from, *to) within the block. */
static inline void
visible_keys(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, int64_t i, int32_t *from, int32_t *to)
{
	int64_t lo = 0, hi = k->n;

	if (k->causal && b->q0 + i - k->k0 + 1 < hi)
		hi = b->q0 + i - k->k0 + 1;
	if (a->p->window > 0)
		lo = b->pos + i - a->p->window + 1 - k->pos;
	*from = lo < 0 ? 0 : (int32_t)(lo < k->n ? lo : k->n);
	*to = hi < 0 ? 0 : (int32_t)hi;
}
