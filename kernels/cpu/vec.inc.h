/* vec.inc.h -- vectors of VW floats by the compiler's vector extension, and exp, tanh, reductions on them.
 *
 * The including file defines VW (16, 8, 4). A row's tail is computed as a vector padded with zeros, by the same
 * instructions as the rest, so that results never depend on where a row lies in memory.
 */
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef float vf __attribute__((vector_size(VW * 4)));
typedef int32_t vi __attribute__((vector_size(VW * 4)));
typedef float vf_unaligned __attribute__((vector_size(VW * 4), aligned(4), may_alias));

static inline vf
vf_set(float x)
{
	return x - (vf){ 0 };
}

static inline vf
vf_load(const float *p)
{
	return *(const vf_unaligned *)p;
}

static inline void
vf_store(float *p, vf x)
{
	*(vf_unaligned *)p = x;
}

/* The first n (<= VW) elements, zeros behind. */
static inline vf
vf_load_n(const float *p, int64_t n)
{
	vf x = { 0 };

	if (n >= VW)
		return vf_load(p);
#if VW == 16 && defined(__AVX512F__)
	return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#endif
	memcpy(&x, p, (size_t)n * sizeof *p);
	return x;
}

static inline void
vf_store_n(float *p, vf x, int64_t n)
{
	if (n >= VW)
		vf_store(p, x);
	else
#if VW == 16 && defined(__AVX512F__)
		_mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
#else
		memcpy(p, &x, (size_t)n * sizeof *p);
#endif
}

/* mask lane all ones: a, all zeros: b */
static inline vf
vf_select(vi mask, vf a, vf b)
{
	return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* A NaN in b comes out; one in a may be lost. */
static inline vf
vf_max(vf a, vf b)
{
#if VW == 16 && defined(__AVX512F__)
	return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif VW == 8 && defined(__AVX2__)
	return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif VW == 4 && defined(__x86_64__)
	return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
	return vf_select(a > b, a, b);
#endif
}

static inline vf
vf_min(vf a, vf b)
{
#if VW == 16 && defined(__AVX512F__)
	return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif VW == 8 && defined(__AVX2__)
	return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif VW == 4 && defined(__x86_64__)
	return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
	return vf_select(a < b, a, b);
#endif
}

/* y where x >= low or x is NaN, else 0. */
static inline vf
vf_zero_below(vf y, vf x, float low)
{
#if VW == 16 && defined(__AVX512F__)
	return (vf)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(low), _CMP_NLT_UQ), (__m512)y);
#else
	return (vf)(~(x < low) & (vi)y);
#endif
}

static inline vf
vf_sqrt(vf a)
{
#if VW == 16 && defined(__AVX512F__)
	return (vf)_mm512_sqrt_ps((__m512)a);
#elif VW == 8 && defined(__AVX2__)
	return (vf)_mm256_sqrt_ps((__m256)a);
#elif VW == 4 && defined(__x86_64__)
	return (vf)_mm_sqrt_ps((__m128)a);
#else
	for (int i = 0; i < VW; i++)
		a[i] = sqrtf(a[i]);
	return a;
#endif
}

/* Halves added or compared until one is left. */
#if VW == 16 && defined(__AVX512F__)
#define vf_sum(x) _mm512_reduce_add_ps((__m512)(x))
#define vf_hmax(x) _mm512_reduce_max_ps((__m512)(x))
#else
static inline float
vf_sum(vf x)
{
	float a[VW];

	vf_store(a, x);
	for (int w = VW / 2; w > 0; w /= 2)
		for (int i = 0; i < w; i++)
			a[i] += a[i + w];
	return a[0];
}

static inline float
vf_hmax(vf x)
{
	float a[VW];

	vf_store(a, x);
	for (int w = VW / 2; w > 0; w /= 2)
		for (int i = 0; i < w; i++)
			a[i] = a[i] > a[i + w] ? a[i] : a[i + w];
	return a[0];
}
#endif

/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln(2)/2; exp(r) = 1 + r + r^2 q(r), q fitted to 4e-9. The rounding is by
 * adding 1.5 * 2^23; ln 2 is taken off in two parts of which the first has few bits. Returns exp(r). */
static inline vf
exp_parts(vf x, vf *n)
{
	const vf magic = vf_set(12582912.0f);
	vf r, q;

	*n = (x * 1.44269504088896341f + magic) - magic;
	r = x - *n * 0.693359375f;
	r = r + *n * 2.12194440054690583e-4f;
	q = r * 0.0013951705017499583f + 0.008369590056807001f;
	q = q * r + 0.041666187472555315f;
	q = q * r + 0.1666651295966296f;
	q = q * r + 0.5000000100918219f;
	q = q * r + 1.0f;
	return q * r + 1.0f;
}

/* y * 2^n for whole numbers n, |n| <= 2 * 126. */
static inline vf
vf_scale(vf y, vf n)
{
#if VW == 16 && defined(__AVX512F__)
	return (vf)_mm512_scalef_ps((__m512)y, (__m512)n);
#else
	/* 2^n in two factors: n = 128 is wanted for the last results of exp before infinity, and at infinity */
	vi e = (vi)(n + 12582912.0f) - (vi)vf_set(12582912.0f);

	y = y * (vf)(((e >> 1) + 127) << 23);
	return y * (vf)((e - (e >> 1) + 127) << 23);
#endif
}

/* Results below the smallest normal number are 0, above the largest infinity; NaN stays NaN. */
static inline vf
vf_exp(vf x)
{
	vf n, y = exp_parts(vf_min(vf_set(89.0f), vf_max(vf_set(-87.3f), x)), &n);

	return vf_zero_below(vf_scale(y, n), x, -87.3f);
}

/* exp(-x) for x between -87 and 87, of these beyond; NaN stays NaN. */
static inline vf
vf_exp_minus(vf x)
{
	vf n, y = exp_parts(-vf_min(vf_set(87.0f), vf_max(vf_set(-87.0f), x)), &n);

#if VW == 16 && defined(__AVX512F__)
	return vf_scale(y, n);
#else
	return y * (vf)((((vi)(n + 12582912.0f) << 23) + (127 << 23)));
#endif
}

/* tanh: x + x^3 q(x^2) below 0.625, fitted to 3e-10; else 1 - 2/(exp(2|x|) + 1) with the sign put back. */
static inline vf
vf_tanh(vf x)
{
	vi sign = (vi)x & INT32_MIN;
	vf a = (vf)((vi)x ^ sign), z = x * x, q, big;

	q = z * 0.002031751535258688f - 0.00805394722159353f;
	q = q * z + 0.021650153809062957f;
	q = q * z - 0.05393746675731611f;
	q = q * z + 0.13333132410099202f;
	q = q * z - 0.3333332894441875f;
	big = 1.0f - 2.0f / (vf_exp(a + a) + 1.0f);
	big = (vf)((vi)big | sign);
	return vf_select(a < 0.625f, q * z * x + x, big);
}

/* exp for terms that are rounded to bf16 afterwards, or summed: within 4e-6, in half the operations. 2^(n + r), |r| <= 1/2, by a
 * polynomial fitted to 2.9e-6; results below 2^-126 are 0; NaN stays NaN; x must not be above 88. */
static inline vf
vf_exp_short(vf x)
{
	const vf magic = vf_set(12582912.0f);
	vf t = x * 1.44269504088896341f, n = t + magic, r = t - (n - magic), y;

	y = r * 0.00958285f + 0.05590643f;
	y = y * r + 0.24024099f;
	y = y * r + 0.69312419f;
	y = y * r + 1.0f;
	y *= (vf)(((vi)n << 23) + 0x3f800000);         /* a product, not a sum of bits: NaN stays NaN */
	return vf_zero_below(y, x, -87.3f);
}
