/* attn_bf16.inc.h -- attention of bf16 matrices: products of bf16 factors (bf16.h), scores, softmax and sums in fp32.
 *
 * Scores are computed transposed, S^T [keys, rows], and so is what is summed over keys: out^T, dq^T [d, rows]. A vector of
 * floats then is one key and VW rows, and
 *   - maxima and sums of the softmax are vectors too, with no reduction across lanes;
 *   - P^T, dS^T as right factors (of out^T, dq^T) are two of those vectors joined: keys 2p and 2p + 1 lie side by side;
 *   - P^T, dS^T as left factors (of dv, dk) are rows in place, where the depth is the rows: again two vectors joined, of
 *     rows r + i and r + VW + i, which takes dout and q packed in the same order (pack_pairs).
 * So no score is ever transposed. Probabilities are 2^x to 1e-4, rounded to bf16; sums, and so out and lse, are of the rounded
 * ones: their errors cancel where few keys count.
 *
 * Packed per kv head: keys and values as rows of dp elements, and as [d, keys] one block after the other.
 *
 * Forward: threads take (segment, query block, kv head).
 * Backward: threads take (segment, unit of query blocks, kv head). Each sums dk and dv of the keys it sees in a part of its own;
 * the parts of a key are added in the order of the units, whoever computed them: the same bits for any number of threads.
 */
#define BLOCK_KEYS 256         /* tokens in a block of keys: few calls, while a chunk's scores fit the second-level cache */
#define CHUNK      64          /* rows whose scores with a block of keys exist at a time */
#define FORWARD_ROWS 128       /* rows aimed at in a block of queries, forward */
#define GRAD_ROWS  256         /* rows aimed at in a block of queries, backward: the depth of dk's and dv's products */
#define GRAD_UNIT  512         /* tokens of a unit, at most, unless a block has more */
#define FEW        0x1p-40f    /* sums of powers that a row's base is kept for */
#define MANY       0x1p40f
#define PARTS      (32 << 20)  /* bytes of parts aimed at; kv heads beyond wait for the next round */

/* The keys of a block that some row of a chunk sees, rounded outwards; masked: not all rows see all of them. */
struct attn_span {
	int64_t from, to;
	int masked;
};

static void
bf16_init(struct attn *a, struct cpu_ctx *ctx, struct od_mat q, struct od_mat k, struct od_mat v, const struct od_tree *tree,
	const struct od_attn_params *p, int64_t rows)
{
	attn_init(a, q, k, v, tree, p, BF16_STEP);
	a->product = ctx->bf16->product;
	a->nq = rows / a->group > 1 ? rows / a->group : 1;
	a->unit = a->nq;
	a->nk = BLOCK_KEYS;
}

/* Rows of the largest block of queries, padded. */
static int64_t
bf16_rows(const struct attn *a)
{
	return round_up(a->nq * a->group, BF16_STEP);
}

static struct attn_span
span_of(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, int64_t r0)
{
	int64_t end = r0 + CHUNK < b->rows ? r0 + CHUNK : b->rows;
	int32_t from[2], to[2];
	struct attn_span span;

	visible_keys(a, b, k, r0 / a->group, &from[0], &to[0]);
	visible_keys(a, b, k, (end - 1) / a->group, &from[1], &to[1]);
	span.from = from[0] / BF16_STEP * BF16_STEP;
	span.to = from[0] < to[1] ? round_up(to[1], BF16_STEP) : span.from;
	span.masked = from[1] > span.from || to[0] < span.to;
	return span;
}

/* ---- vectors ---- */

/* 2^x within 1.1e-4 of it, exact at 0; 0 below 2^-126, from 2^127 on that or more; NaN stays NaN. 2^f on [0, 1) is a cubic that
 * meets 1 and 2 at the ends; one: 1, or a little more, which is added to it. */
static inline vf
vf_exp2_near(vf x, float one)
{
	vf f, y;
#if VW == 16
	f = (vf)_mm512_reduce_ps((__m512)x, 0x09);             /* x - floor(x) */
#else
	const vf magic = vf_set(12582912.0f);
	vf in = x, n;

	x = vf_min(vf_set(127.0f), vf_max(vf_set(-126.0f), x));
	n = x - 0.5f + magic;
	f = x - (n - magic);
#endif
	y = f * 0.0782679702f + 0.2263076823f;
	y = y * f + 0.6954243475f;
	y = y * f + one;
#if VW == 16
	return (vf)_mm512_scalef_ps((__m512)y, (__m512)x);
#else
	y = (vf)((vi)y + (((vi)n - (vi)magic) << 23));
	return vf_zero_below(y, in, -126.0f);
#endif
}

static inline vf
vf_exp2_short(vf x)
{
	return vf_exp2_near(x, 1.0f);
}

/* The same rounded to bf16: half a unit, 2^-8 of a number in [1, 2), is added before it is cut. */
static inline vf
vf_exp2_bf16(vf x)
{
	return (vf)((vu)vf_exp2_near(x, 1.0f + 0x1p-8f) & 0xffff0000);
}

/* log2 of a normal number, to a few roundings; not finite where x is not. With m in [1, 2) / sqrt(1/2), t = (m - 1) / (m + 1):
 * ln m = 2 (t + t^3 / 3 + ...). */
static inline vf
vf_log2(vf x)
{
	vi e = ((vi)x - 0x3f3504f3) >> 23;
	vf m = (vf)((vi)x - (e << 23)), t = (m - 1.0f) / (m + 1.0f), z = t * t, q;

	q = z * 0.41219858f + 0.57707802f;     /* 2 / ln 2 over 7, 5, 3, 1 */
	q = q * z + 0.96179669f;
	q = q * z + 2.88539008f;
	return q * t + __builtin_convertvector(e, vf) + (x - x);
}

/* x in the lanes where lo <= at < hi. */
static inline vf
vf_between(vi lo, int64_t at, vi hi, vf x, float otherwise)
{
#if VW == 16
	__m512i j = _mm512_set1_epi32((int)at);
	__mmask16 seen = _mm512_mask_cmplt_epi32_mask(_mm512_cmple_epi32_mask((__m512i)lo, j), j, (__m512i)hi);

	return (vf)_mm512_mask_mov_ps(_mm512_set1_ps(otherwise), seen, (__m512)x);
#else
	vi j = (int32_t)at - (vi){ 0 };

	return vf_select((lo <= j) & (j < hi), x, vf_set(otherwise));
#endif
}

static inline int
vf_any(vi mask)
{
#if VW == 16
	return _mm512_movepi32_mask((__m512i)mask) != 0;
#else
	int any = 0;

	for (int i = 0; i < VW; i++)
		any |= mask[i];
	return any != 0;
#endif
}

/* a and b in bf16 side by side, lane by lane. Halves round away from zero: no NaN that arithmetic makes ends in ones, none
 * is lost. */
static inline vu
join(vf a, vf b)
{
	vu low = ((vu)a + 0x8000) >> 16, high = (vu)b + 0x8000;

#if VW == 16
	return (vu)_mm512_mask_mov_epi16((__m512i)low, 0xaaaaaaaa, (__m512i)high);
#else
	return low | (high & 0xffff0000);
#endif
}

/* The same of numbers that are bf16. */
static inline vu
join_exact(vf a, vf b)
{
	return (vu)a >> 16 | (vu)b;
}

static inline void
vu_store(uint16_t *to, vu x)
{
	memcpy(to, &x, sizeof x);
}

static inline vi
vi_load(const int32_t *p)
{
	vi x;

	memcpy(&x, p, sizeof x);
	return x;
}

/* ---- packing ---- */

/* B[k, n] from rows of B, k a multiple of 2 VW, n of 16; beside row i of each 2 VW lies row i + VW. */
static void
pack_pairs(uint16_t *to, const uint16_t *from, int64_t ld, int64_t k, int64_t n)
{
	for (int64_t j = 0; j < n; j += BF16_TILE)
		for (int64_t l = 0; l < k; l += 2 * VW)
			for (int64_t i = 0; i < VW; i++, to += 2 * BF16_TILE) {
				const uint16_t *x = from + (l + i) * ld + j, *y = x + VW * ld;
#if VW == 16
				__m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)x));
				__m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)y));

				_mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
#else
				for (int64_t c = 0; c < BF16_TILE; c++) {
					to[2 * c] = x[c];
					to[2 * c + 1] = y[c];
				}
#endif
			}
}

/* n rows of d to rows of dp, zeros behind. */
static void
copy_rows(const struct attn *a, uint16_t *to, const uint16_t *from, int64_t ld, int64_t n)
{
	int64_t d = a->d, vectors = d / VW * VW;

	for (int64_t i = 0; i < n; i++, to += a->dp, from += ld) {
		for (int64_t j = 0; j < vectors; j += VW)
			*(vh_unaligned *)(to + j) = *(const vh_unaligned *)(from + j);
		for (int64_t j = vectors; j < a->dp; j++)
			to[j] = j < d ? from[j] : 0;
	}
}

/* The rows of a block of queries of x ([T, H*D]) to [rows, dp], zeros behind. */
static void
gather_rows(const struct attn *a, uint16_t *to, struct od_mat x, const struct attn_block *b)
{
	for (int64_t i = 0; i < b->nq; i++) {
		const uint16_t *row = any_row(&x, a->tree->start[b->s] + b->q0 + i);

		copy_rows(a, to + i * a->group * a->dp, row + b->kv * a->group * a->d, a->d, a->group);
	}
	memset(to + b->rows * a->dp, 0, (size_t)((round_up(b->rows, BF16_STEP) - b->rows) * a->dp) * sizeof *to);
}

/* Head kv of segment s of x ([T, K*D]) as rows, padded with zeros, into 'to', where the segment begins. */
static void
pack_kv_rows(const struct attn *a, uint16_t *to, struct od_mat x, int32_t s, int32_t kv)
{
	int64_t len = a->tree->len[s];

	copy_rows(a, to, (const uint16_t *)any_row(&x, a->tree->start[s]) + kv * a->d, x.ld, len);
	memset(to + len * a->dp, 0, (size_t)((round_up(len, BF16_STEP) - len) * a->dp) * sizeof *to);
}

/* The same transposed, from those rows: block after block of [dp, tokens]. */
static void
transpose_kv(const struct attn *a, uint16_t *to, const uint16_t *rows, int32_t s)
{
	int64_t padded = round_up(a->tree->len[s], BF16_STEP);

	for (int64_t k0 = 0; k0 < padded; k0 += BLOCK_KEYS) {
		int64_t n = padded - k0 < BLOCK_KEYS ? padded - k0 : BLOCK_KEYS;

		transpose(to + k0 * a->dp, n, rows + k0 * a->dp, a->dp, n, a->dp);
	}
}

/* Where each row of a block stands: its token, counted from q0. */
static void
number_rows(const struct attn *a, const struct attn_block *b, int32_t *token)
{
	for (int64_t i = 0; i < b->nq; i++)
		for (int64_t g = 0; g < a->group; g++)
			*token++ = (int32_t)i;
	for (int64_t r = b->rows; r % BF16_STEP; r++)
		*token++ = (int32_t)b->nq - 1;
}

/* visible_keys of VW rows. */
static inline void
lanes_see(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, const int32_t *token, vi *lo, vi *hi)
{
	vi t = vi_load(token), n = (int32_t)k->n - (vi){ 0 };

	*lo = (vi){ 0 };
	*hi = n;
	if (k->causal) {
		vi own = t + (int32_t)(b->q0 - k->k0 + 1);

		*hi = (vi)vf_select(own < n, (vf)own, (vf)n);
	}
	if (a->p->window > 0)
		*lo = t + (int32_t)(b->pos - a->p->window + 1 - k->pos);
}

/* Scores to cap * tanh(score * scale / cap). */
static void
cap_scores(float *s, int64_t ld, int64_t n, int64_t cols, float cap, float scale)
{
	for (int64_t j = 0; j < n; j++)
		for (int64_t r = 0; r < cols; r += VW)
			vf_store(s + j * ld + r, cap * vf_tanh(vf_load(s + j * ld + r) * (scale / cap)));
}

#define LOG2_E 1.44269504088896341f
#define LN_2   0.693147180559945309f

/* What scores are multiplied by to be exponents of 2. */
static float
to_exponent(const struct attn *a)
{
	return (a->p->softcap > 0 ? 1.0f : a->p->scale) * LOG2_E;
}

/* Where rows r0 .. r0 + n of a block lie in x ([T, H*D]). */
static void
find_rows(const struct attn *a, const struct attn_block *b, struct od_mat x, int64_t r0, int64_t n, uint16_t **rows)
{
	int64_t i = r0 / a->group, g = r0 % a->group, t = a->tree->start[b->s] + b->q0, first = b->kv * a->group;

	for (int64_t r = 0; r < n; r++) {
		rows[r] = (uint16_t *)any_row(&x, t + i) + (first + g) * a->d;
		i += g + 1 == a->group;
		g = g + 1 == a->group ? 0 : g + 1;
	}
}

/* Columns [j, j + 32) of up to VW rows, of which d exist, from x[32, VW rows] times a factor a row. */
static inline void
write_columns(uint16_t *const *rows, int64_t n, int64_t j, int64_t d, const float *x, vf factor)
{
	vu w[BF16_STEP / 2];

	for (int i = 0; i < BF16_STEP / 2; i++)
		w[i] = join(vf_load(x + 2 * i * CHUNK) * factor, vf_load(x + (2 * i + 1) * CHUNK) * factor);
#if VW == 16
	transpose_words((__m512i *)w);
	for (int64_t r = 0; r < n; r++)
		_mm512_mask_storeu_epi16(rows[r] + j, d - j >= 32 ? 0xffffffff : (1u << (d - j)) - 1, (__m512i)w[r]);
#else
	for (int64_t r = 0; r < n; r++)
		for (int64_t i = 0; i < BF16_STEP && j + i < d; i++)
			rows[r][j + i] = (uint16_t)(w[i / 2][r] >> i % 2 * 16);
#endif
}

/* A sum transposed, x[dp, rows of a chunk], times a factor a row (NULL: c), to rows r0 .. of a block of 'to' ([T, H*D]). */
static void
write_chunk(const struct attn *a, const struct attn_block *b, struct od_mat to, const float *x, const float *factor, float c,
	int64_t r0)
{
	int64_t n = b->rows - r0 < CHUNK ? b->rows - r0 : CHUNK;
	uint16_t *rows[CHUNK];

	find_rows(a, b, to, r0, n, rows);
	for (int64_t r = 0; r < n; r += VW)
		for (int64_t j = 0; j < a->d; j += BF16_STEP)
			write_columns(rows + r, n - r < VW ? n - r : VW, j, a->d, x + j * CHUNK + r, factor ? vf_load(factor + r) : vf_set(c));
}

/* Columns of the chunk from row r0 on. */
static inline int64_t
chunk_cols(const struct attn_block *b, int64_t r0)
{
	int64_t cols = round_up(b->rows, BF16_STEP) - r0;

	return cols < CHUNK ? cols : CHUNK;
}

/* Where column r of a factor packed for a depth of BLOCK_KEYS begins. */
static inline int64_t
packed_column(int64_t r)
{
	return r / BF16_TILE * BF16_TILE * BLOCK_KEYS + r % BF16_TILE * 2;
}

/* Hands out parts of a thread's scratch; of NULL it counts. */
static void *
carve(char *base, int64_t *at, int64_t bytes)
{
	char *p = base ? base + *at : NULL;

	*at += round_up(bytes, 64);
	return p;
}

/* ---- forward ---- */

/* A block of queries: rows of q; q^T packed. Of a chunk: scores [BLOCK_KEYS, rows], P^T packed. Of every
 * row: out^T [dp, rows], chunk by chunk; base (an exponent of 2) and sum of powers. */
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
 * Powers are relative to m, which begins at 0 and is replaced by the row's maximum only where a sum leaves [FEW, MANY]: within, all
 * numbers are as exact as they would be with the maximum, and scores nearly always are. */
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
	rows = od_cpu_scratch(ctx, SCRATCH_ATTN, (size_t)(3 * packed * n_kv) * sizeof *rows);
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

/* ---- backward ---- */

/* A block of queries: rows of q and of dout; both packed, as they are and transposed; of a chunk: S^T and dP^T [BLOCK_KEYS, rows], dS^T
 * packed; of the block: P^T and dS^T [BLOCK_KEYS, ld]; of each row: dq^T [dp, rows] chunk by chunk, lse (as an exponent of 2)
 * and delta = dout . out. */
struct attn_slab {
	int64_t cols, ld;
	uint16_t *rows, *q, *qt, *dout, *doutt, *right, *p, *ds;
	float *s, *dp, *dqt, *lse, *delta;
	int32_t *token;
};

static int64_t
slab_init(struct attn_slab *g, const struct attn *a, char *scratch)
{
	int64_t at = 0, n = bf16_rows(a);

	g->ld = n + BF16_STEP;         /* rows of a power of two would share few lines of the cache */
	g->rows = carve(scratch, &at, 4 * n * a->dp);
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
	return at;
}

/* q and dout of a block, gathered, and dout . out, all in one pass: each row waits for memory. */
static void
slab_gather(const struct attn *a, struct attn_slab *g, const struct attn_block *b)
{
	uint16_t *q[CHUNK], *dout[CHUNK], *out[CHUNK];

	for (int64_t r0 = 0; r0 < b->rows; r0 += CHUNK) {
		int64_t n = b->rows - r0 < CHUNK ? b->rows - r0 : CHUNK;

		find_rows(a, b, a->q, r0, n, q);
		find_rows(a, b, a->dout, r0, n, dout);
		find_rows(a, b, a->out, r0, n, out);
		for (int64_t r = 0; r < n; r++) {
			uint16_t *to = g->rows + (r0 + r) * a->dp;
			vf sum = vf_set(0);

			copy_rows(a, to, q[r], 0, 1);
			to += g->cols * a->dp;
			copy_rows(a, to, dout[r], 0, 1);
			for (int64_t j = 0; j < a->d; j += VW)
				sum += vf_get(to, OD_BF16, j, a->dp - j) * vf_get(out[r], OD_BF16, j, a->d - j);
			g->delta[r0 + r] = vf_sum(sum);
		}
	}
	memset(g->rows + b->rows * a->dp, 0, (size_t)((g->cols - b->rows) * a->dp) * sizeof *g->rows);
	memset(g->rows + (g->cols + b->rows) * a->dp, 0, (size_t)((g->cols - b->rows) * a->dp) * sizeof *g->rows);
}

static void
slab_pack(const struct attn *a, struct attn_slab *g, const struct attn_block *b)
{
	int64_t n = g->cols = round_up(b->rows, BF16_STEP), r = 0, dp = a->dp, heads = a->p->n_heads;
	const float *lse = a->lse + (a->tree->start[b->s] + b->q0) * heads + b->kv * a->group;

	slab_gather(a, g, b);
	pack_trans(g->qt, g->rows, dp, dp, n);
	pack_pairs(g->q, g->rows, dp, n, dp);
	pack_trans(g->doutt, g->rows + n * dp, dp, dp, n);
	pack_pairs(g->dout, g->rows + n * dp, dp, n, dp);
	for (int64_t i = 0; i < b->nq; i++, lse += heads)
		for (int64_t h = 0; h < a->group; h++)
			g->lse[r++] = lse[h] * LOG2_E;
	for (; r < n; r++)
		g->delta[r] = g->lse[r] = 0;
	number_rows(a, b, g->token);
	memset(g->dqt, 0, (size_t)(round_up(n, CHUNK) * dp) * sizeof *g->dqt);
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
		g->dqt + r0 * dp, CHUNK, 1);
}

/* What rows [from, to) of a block add to dk and dv of keys [j, j + n) of the block of keys, which lies at 'row' of the part. */
static void
add_to_part(const struct attn *a, const struct attn_slab *g, const struct attn_part *part, int64_t row, int64_t j, int64_t n,
	int64_t from, int64_t to)
{
	int64_t dp = a->dp, at = j * g->ld + from;

	if (from >= to)
		return;
	a->product(n, dp, to - from, g->p + at, g->ld, g->dout + from * BF16_TILE, BF16_TILE * g->cols, part->dv + (row + j) * dp, dp, 1);
	a->product(n, dp, to - from, g->ds + at, g->ld, g->q + from * BF16_TILE, BF16_TILE * g->cols, part->dk + (row + j) * dp, dp, 1);
}

/* One block of queries with one of keys. Where not all chunks see all keys, each few keys take the rows from their first
 * chunk to their last: the others' P^T was not computed. */
static void
grad_keys_block(const struct attn *a, const struct attn_block *b, const struct attn_keys *k, struct attn_slab *g,
	const struct attn_part *part, int64_t row)
{
	int64_t from[BLOCK_KEYS / BF16_STEP] = { 0 }, to[BLOCK_KEYS / BF16_STEP] = { 0 };
	int whole = 1;

	for (int64_t r0 = 0; r0 < g->cols; r0 += CHUNK) {
		struct attn_span span = span_of(a, b, k, r0);

		whole &= span.from == 0 && span.to == k->width;
		if (span.from < span.to)
			grad_chunk(a, b, k, &span, g, r0, part);
		for (int64_t i = span.from / BF16_STEP; i < span.to / BF16_STEP; i++) {
			from[i] = to[i] ? from[i] : r0;
			to[i] = r0 + CHUNK < g->cols ? r0 + CHUNK : g->cols;
		}
	}
	if (whole)
		add_to_part(a, g, part, row, 0, k->width, 0, g->cols);
	for (int64_t i = 0; !whole && i < k->width / BF16_STEP; i++)
		add_to_part(a, g, part, row, i * BF16_STEP, BF16_STEP, to[i] ? from[i] : 0, to[i]);
}

/* Rows of the part that unit u of segment s fills (with zeros, where it sees nothing). */
static int64_t
part_rows(const struct attn *a, int32_t s, int64_t u)
{
	int64_t parent = a->tree->parent[s], len = a->tree->len[s], end = (u + 1) * a->unit;

	return (parent < 0 ? 0 : round_up(a->tree->len[parent], a->pad)) + round_up(end < len ? end : len, a->pad);
}

static void
grad_unit(const struct attn *a, int32_t s, int64_t u, int32_t kv, const struct attn_part *part, char *scratch)
{
	int64_t parent = a->tree->parent[s], end = (u + 1) * a->unit < a->tree->len[s] ? (u + 1) * a->unit : a->tree->len[s];
	size_t bytes = (size_t)(part_rows(a, s, u) * a->dp) * sizeof *part->dk;
	struct attn_slab g;

	slab_init(&g, a, scratch);
	memset(part->dk, 0, bytes);
	memset(part->dv, 0, bytes);
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

/* dk and dv of n tokens of segment s from k0 on: the sum of what its own units and its children's put there. */
static void
sum_parts(const struct attn *a, const struct attn_round *r, int32_t s, int32_t kv, int64_t k0, int64_t n, float *dk, float *dv)
{
	const struct od_tree *tree = a->tree;

	memset(dk, 0, (size_t)(n * a->dp) * sizeof *dk);
	memset(dv, 0, (size_t)(n * a->dp) * sizeof *dv);
	for (int32_t c = s; c < tree->n_segments; c++) {
		int64_t row = k0 + (c == s && tree->parent[s] >= 0 ? round_up(tree->len[tree->parent[s]], a->pad) : 0);

		if (c != s && tree->parent[c] != s)
			continue;
		for (int64_t i = a->first_unit[c]; i < a->first_unit[c + 1]; i++) {
			struct attn_part p = part_of_unit(a, r, kv, i);
			int64_t left = r->part[i + 1] - r->part[i] - row;

			for (int64_t j = 0; j < (left < n ? left : n) * a->dp; j += VW) {
				vf_store(dk + j, vf_load(dk + j) + vf_load(p.dk + row * a->dp + j));
				vf_store(dv + j, vf_load(dv + j) + vf_load(p.dv + row * a->dp + j));
			}
		}
	}
}

static void
grad_sum(const struct attn *a, const struct attn_round *r, int32_t s, int32_t kv, char *scratch)
{
	float *dk = (float *)scratch, *dv = dk + BLOCK_KEYS * a->dp;

	for (int64_t k0 = 0; k0 < a->tree->len[s]; k0 += BLOCK_KEYS) {
		int64_t n = a->tree->len[s] - k0 < BLOCK_KEYS ? a->tree->len[s] - k0 : BLOCK_KEYS;

		sum_parts(a, r, s, kv, k0, n, dk, dv);
		for (int64_t i = 0; i < n; i++) {
			uint16_t *to_k = (uint16_t *)any_row(&a->dk, a->tree->start[s] + k0 + i) + kv * a->d;
			uint16_t *to_v = (uint16_t *)any_row(&a->dv, a->tree->start[s] + k0 + i) + kv * a->d;

			for (int64_t j = 0; j < a->d; j += VW) {
				vf_put(to_k, OD_BF16, j, vf_load(dk + i * a->dp + j) * a->p->scale, a->d - j);
				vf_put(to_v, OD_BF16, j, vf_load(dv + i * a->dp + j), a->d - j);
			}
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
	if (each < 8 * BLOCK_KEYS * a.dp)
		each = 8 * BLOCK_KEYS * a.dp;                   /* grad_sum's */
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
