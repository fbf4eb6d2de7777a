/* bf16.inc.h -- rows of either element type as vectors of floats; packing of bf16 factors; and the bf16 product for
 * processors without instructions for it: pairs are widened to fp32 and multiplied there. */
#include "cpu/bf16.h"

/* ---- one row, whatever its type ---- */

typedef uint16_t vh __attribute__((vector_size(VW * 2)));
typedef uint32_t vu __attribute__((vector_size(VW * 4)));
typedef uint16_t vh_unaligned __attribute__((vector_size(VW * 2), aligned(2), may_alias));

/* (By hand what __builtin_convertvector makes badly: gcc 12 goes through halves of halves.) */
static inline vf
vf_widen(vh x)
{
#if VW == 16 && defined(__AVX512BW__)
	static const uint16_t upper[32] = { 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15 };

	return (vf)_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, _mm512_loadu_si512(upper), _mm512_castsi256_si512((__m256i)x));
#elif VW == 8 && defined(__AVX2__)
	return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32((__m128i)x), 16);
#else
	return (vf)(__builtin_convertvector(x, vu) << 16);
#endif
}

/* Rounded to nearest even, bit for bit od_f32_to_bf16; NaN stays a quiet NaN. */
static inline vh
vf_narrow(vf x)
{
#if VW == 16 && defined(__AVX512BW__)
	static const uint16_t upper[32] = { 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 };
	__m512i u = (__m512i)x, r = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
	__mmask16 number = _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_ORD_Q);
	__mmask16 odd = _mm512_mask_test_epi32_mask(number, u, _mm512_set1_epi32(0x10000));

	r = _mm512_mask_add_epi32(r, number, u, _mm512_set1_epi32(0x7fff));
	r = _mm512_mask_add_epi32(r, odd, r, _mm512_set1_epi32(1));
	return (vh)_mm512_castsi512_si256(_mm512_permutexvar_epi16(_mm512_loadu_si512(upper), r));
#else
	vu u = (vu)x, r = u + 0x7fff + ((u >> 16) & 1);
	vu nan = (vu)(x != x);

	r = ((r & ~nan) | ((u | 0x400000) & nan)) >> 16;
#if VW == 8 && defined(__AVX2__)
	return (vh)_mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)r, (__m256i)r), 0x08));
#endif
	return __builtin_convertvector(r, vh);
#endif
}

/* The first n (<= VW) elements, zeros behind. */
static inline vh
vh_load_n(const uint16_t *p, int64_t n)
{
	vh x = { 0 };

	if (n >= VW)
		return *(const vh_unaligned *)p;
#if VW == 16 && defined(__AVX512BW__)
	return (vh)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
#endif
	memcpy(&x, p, (size_t)n * sizeof *p);
	return x;
}

static inline void
vh_store_n(uint16_t *p, vh x, int64_t n)
{
	if (n >= VW)
		*(vh_unaligned *)p = x;
	else
#if VW == 16 && defined(__AVX512BW__)
		_mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)x);
#else
		memcpy(p, &x, (size_t)n * sizeof *p);
#endif
}

/* Elements [j, j + VW) of a row, of which n exist; zeros behind. */
static inline __attribute__((always_inline)) vf
vf_get(const void *row, enum od_dtype type, int64_t j, int64_t n)
{
	return type == OD_F32 ? vf_load_n((const float *)row + j, n) : vf_widen(vh_load_n((const uint16_t *)row + j, n));
}

static inline __attribute__((always_inline)) void
vf_put(void *row, enum od_dtype type, int64_t j, vf x, int64_t n)
{
	if (type == OD_F32)
		vf_store_n((float *)row + j, x, n);
	else
		vh_store_n((uint16_t *)row + j, vf_narrow(x), n);
}

/* Row r of m, of either type. */
static inline void *
any_row(const struct od_mat *m, int64_t r)
{
	return (char *)m->data + r * m->ld * (m->type == OD_F32 ? 4 : 2);
}

/* ---- packing: see bf16.h for the layout ---- */

/* One pair of rows of a tile, of which w columns and 'rows' (0 to 2) rows exist. */
static inline void
pack_pair(uint16_t *to, const uint16_t *a, int64_t ld, int64_t w, int64_t rows)
{
	if (w >= BF16_TILE && rows >= 2) {
#if VW == 16
		__m256i x = _mm256_loadu_si256((const void *)a), y = _mm256_loadu_si256((const void *)(a + ld));
		__m512i both = _mm512_or_si512(_mm512_cvtepu16_epi32(x), _mm512_slli_epi32(_mm512_cvtepu16_epi32(y), 16));

		_mm512_storeu_si512(to, both);
#else
		for (int64_t j = 0; j < BF16_TILE; j++) {
			to[2 * j] = a[j];
			to[2 * j + 1] = a[ld + j];
		}
#endif
		return;
	}
	memset(to, 0, 2 * BF16_TILE * sizeof *to);
	for (int64_t j = 0; j < w && j < BF16_TILE && rows > 0; j++) {
		to[2 * j] = a[j];
		if (rows > 1)
			to[2 * j + 1] = a[ld + j];
	}
}

/* B[k, n] from rows of B: to[p][j] = from[2p][j], from[2p + 1][j]; two tiles at a time, which is a line of the cache. */
static void
pack_plain(uint16_t *to, const uint16_t *from, int64_t ld, int64_t k, int64_t n)
{
	int64_t depth = od_bf16_depth(k), tile = BF16_TILE * depth;

	for (int64_t j = 0; j < n; j += 2 * BF16_TILE, to += 2 * tile)
		for (int64_t l = 0; l < depth; l += 2) {
			const uint16_t *a = from + l * ld + j;

			pack_pair(to + l * BF16_TILE, a, ld, n - j, k - l);
			if (j + BF16_TILE < n)
				pack_pair(to + tile + l * BF16_TILE, a + BF16_TILE, ld, n - j - BF16_TILE, k - l);
		}
}

#if VW == 16
/* 16 rows of 16 words to their transpose. */
static inline void
transpose_words(__m512i r[16])
{
	__m512i t[16];

	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
	for (int i = 0; i < 16; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
	}
	for (int i = 0; i < 4; i++) {
		r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
		r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
		r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
		r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
	}
}
#endif

/* One tile of B[k, n] from up to 16 rows of its transpose. */
static void
pack_tile(uint16_t *to, const uint16_t *from, int64_t ld, int64_t k, int64_t rows)
{
	int64_t depth = od_bf16_depth(k), l = 0;

#if VW == 16
	for (; rows == BF16_TILE && l + 32 <= k; l += 32) {
		__m512i r[16];

		for (int i = 0; i < 16; i++)
			r[i] = _mm512_loadu_si512(from + i * ld + l);
		transpose_words(r);
		for (int i = 0; i < 16; i++)
			_mm512_storeu_si512(to + (l / 2 + i) * 32, r[i]);
	}
#endif
	memset(to + l * BF16_TILE, 0, (size_t)((depth - l) * BF16_TILE) * sizeof *to);
	for (int64_t j = 0; j < rows; j++)
		for (int64_t i = l; i < k; i++)
			to[(i / 2 * BF16_TILE + j) * 2 + i % 2] = from[j * ld + i];
}

/* B[k, n] from rows of its transpose [n, k]. */
static void
pack_trans(uint16_t *to, const uint16_t *from, int64_t ld, int64_t k, int64_t n)
{
	for (int64_t j = 0; j < n; j += BF16_TILE)
		pack_tile(to + j * od_bf16_depth(k), from + j * ld, ld, k, n - j < BF16_TILE ? n - j : BF16_TILE);
}

/* to[cols, rows] = the transpose of from[rows, cols]; ldt >= rows. */
static void
transpose(uint16_t *to, int64_t ldt, const uint16_t *from, int64_t ld, int64_t rows, int64_t cols)
{
	int64_t r = 0;

#if VW == 16
	/* 32 rows x 16 columns at a time: pairs of rows interleaved are words, whose transpose are the columns */
	for (; r + 32 <= rows; r += 32)
		for (int64_t c = 0; c < cols; c += 16) {
			__m512i w[16];
			int64_t n = cols - c < 16 ? cols - c : 16;
			__mmask16 m = (__mmask16)((1u << n) - 1);

			for (int i = 0; i < 16; i++) {
				const uint16_t *a = from + (r + 2 * i) * ld + c;

				w[i] = _mm512_or_si512(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, a)),
					_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, a + ld)), 16));
			}
			transpose_words(w);
			for (int64_t i = 0; i < n; i++)
				_mm512_storeu_si512(to + (c + i) * ldt + r, w[i]);
		}
#endif
	for (; r < rows; r++)
		for (int64_t c = 0; c < cols; c++)
			to[c * ldt + r] = from[r * ld + c];
}

/* ---- the product, emulated ---- */

#if VW == 16
#define PAIR_ROWS 12
#elif VW == 8
#define PAIR_ROWS 4
#else
#define PAIR_ROWS 2
#endif
#define PAIR_VECS (BF16_TILE / VW)

/* The sums of row i, columns [j, j + VW). */
static inline __attribute__((always_inline)) void
put_sums(const struct bf16_result *r, int64_t i, int64_t j, vf s)
{
	char *row = (char *)r->out + i * r->ld * (r->type == OD_F32 ? 4 : 2);
	int64_t n = r->cols - j;

	if (n <= 0)
		return;
	if (r->x)
		s += vf_load_n(r->x + i * r->ldx + j, n);
	if (r->accumulate)
		s += vf_get(row, r->type, j, n);
	vf_put(row, r->type, j, s, n);
}

/* Two elements of a row, in every lane. */
static inline vu
pair_of(const uint16_t *a, int64_t n)
{
	uint32_t two = 0;

	memcpy(&two, a, n < 2 ? sizeof *a : sizeof two);
	return two - (vu){ 0 };
}

static inline __attribute__((always_inline)) void
pair_block(int rows, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, const float *start, int64_t ld_start,
	const struct bf16_result *r, int64_t row, int64_t col)
{
	vf s[PAIR_ROWS][PAIR_VECS];

	for (int i = 0; i < rows; i++)
		for (int j = 0; j < PAIR_VECS; j++)
			s[i][j] = start ? vf_load(start + i * ld_start + j * VW) : vf_set(0);
	for (int64_t l = 0; l < k; l += 2, b += 2 * BF16_TILE) {
		vf low[PAIR_VECS], high[PAIR_VECS];

		for (int j = 0; j < PAIR_VECS; j++) {
			vu x = (vu)vf_load((const float *)(const void *)(b + 2 * j * VW));

			low[j] = (vf)(x << 16);
			high[j] = (vf)(x & 0xffff0000u);
		}
#pragma GCC unroll 12
		for (int i = 0; i < rows; i++) {
			vu two = pair_of(a + i * lda + l, k - l);
			vf even = (vf)(two << 16), odd = (vf)(two & 0xffff0000u);

#pragma GCC unroll 4
			for (int j = 0; j < PAIR_VECS; j++) {
				s[i][j] += even * low[j];
				s[i][j] += odd * high[j];
			}
		}
	}
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < PAIR_VECS; j++)
			put_sums(r, row + i, col + j * VW, s[i][j]);
}

static void
bf16_multiply(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	const float *start, int64_t ld, const struct bf16_result *r)
{
	for (int64_t j = 0; j < cols; j += BF16_TILE, b += tile) {
		const float *from = start ? start + j : NULL;
		int64_t i = 0;

		for (; i + PAIR_ROWS <= rows; i += PAIR_ROWS)
			pair_block(PAIR_ROWS, k, a + i * lda, lda, b, from ? from + i * ld : NULL, ld, r, i, j);
		for (; i < rows; i++)
			pair_block(1, k, a + i * lda, lda, b, from ? from + i * ld : NULL, ld, r, i, j);
	}
}

static void
bf16_product(int64_t rows, int64_t cols, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t tile,
	float *c, int64_t ldc, int accumulate)
{
	struct bf16_result r = { c, OD_F32, ldc, cols, 0, NULL, 0 };

	bf16_multiply(rows, cols, k, a, lda, b, tile, accumulate ? c : NULL, ldc, &r);
}

/* out[rows, cols] (any) = from (f32), += with accumulate; x (f32), unless its data are NULL, is added. */
static void
finish_rows(struct od_mat out, const float *from, int64_t ld, int accumulate, struct od_mat x)
{
	for (int64_t i = 0; i < out.rows; i++, from += ld) {
		void *o = any_row(&out, i);
		const float *add = x.data ? mat_row(&x, i) : NULL;

		for (int64_t j = 0; j < out.cols; j += VW) {
			int64_t n = out.cols - j;
			vf s = vf_load_n(from + j, n);

			if (add)
				s += vf_load_n(add + j, n);
			if (accumulate)
				s += vf_get(o, out.type, j, n);
			vf_put(o, out.type, j, s, n);
		}
	}
}
