/* bf16_x86.inc.h -- where sums go, 16 at a time: for the files whose instructions round to bf16. */
#include <immintrin.h>
#include <string.h>

/* The sums of row i, columns [j, j + 16). */
static inline __attribute__((always_inline)) void
put_sums(const struct bf16_result *r, int64_t i, int64_t j, __m512 s)
{
	int64_t n = r->cols - j;
	__mmask16 m = n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1) : 0;

	if (r->x)
		s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(m, r->x + i * r->ldx + j));
	if (r->type == OD_F32) {
		float *o = (float *)r->out + i * r->ld + j;

		if (r->accumulate)
			s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(m, o));
		_mm512_mask_storeu_ps(o, m, s);
	} else {
		uint16_t *o = (uint16_t *)r->out + i * r->ld + j;

		if (r->accumulate)
			s = _mm512_add_ps(s, _mm512_castsi512_ps(_mm512_slli_epi32(
				_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, o)), 16)));
		_mm256_mask_storeu_epi16(o, m, (__m256i)_mm512_cvtneps_pbh(s));
	}
}
