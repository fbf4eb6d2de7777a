/* attn_bf16.inc.h -- attention of bf16 matrices: products of bf16 factors (bf16.h); scores, softmax and sums in fp32. What
 * attn_bf16_fwd.inc.h and attn_bf16_bwd.inc.h share: vectors, packing, writing.
 *
 * Scores are computed transposed, S^T [keys, rows], and so is what is summed over keys: out^T, dq^T [d, rows]. A vector of
 * floats then is one key and VW rows, and
 *   - what the softmax keeps of a row is a lane, with no reduction across lanes;
 *   - P^T, dS^T as right factors (of out^T, dq^T) are two of those vectors joined: keys 2p and 2p + 1 lie side by side;
 *   - P^T, dS^T as left factors (of dv, dk) are rows in place, where the depth is the rows: again two vectors joined, of
 *     rows r + i and r + VW + i, which takes dout and q packed in the same order (pack_pairs).
 * So no score is ever transposed. Probabilities are 2^x to 1e-4, rounded to bf16; sums, and so out and lse, are of the rounded
 * ones: their errors cancel where few keys count.
 *
 * Packed per kv head: keys and values as rows of dp elements, and as [d, keys] one block after the other.
 */
#define BLOCK_KEYS 256         /* tokens in a block of keys: few calls, while a chunk's scores fit the second-level cache */
#define CHUNK      64          /* rows whose scores with a block of keys exist at a time */

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

/* BF16_STEP rows of B[k, n], n a multiple of 16, to their place in its tiles, 'tile' elements apart; beside row i of each 2 VW
 * lies row i + VW. */
static void
pack_pairs(uint16_t *to, int64_t tile, const uint16_t *from, int64_t ld, int64_t n)
{
	for (int64_t j = 0; j < n; j += BF16_TILE)
		for (int64_t l = 0; l < BF16_STEP / 2; l++) {
			const uint16_t *x = from + (l / VW * 2 * VW + l % VW) * ld + j, *y = x + VW * ld;
			uint16_t *pair = to + j / BF16_TILE * tile + l * 2 * BF16_TILE;
#if VW == 16
			__m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)x));
			__m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)y));

			_mm512_storeu_si512(pair, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
#else
			for (int64_t c = 0; c < BF16_TILE; c++) {
				pair[2 * c] = x[c];
				pair[2 * c + 1] = y[c];
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
