/* dots_reduce.inc.h -- sixteen vectors of partial sums to sixteen sums, the lanes of each added in the same order. */
enum { DOTS_SUMS = 16 };

/* Rows of the weights that are read beside each other, and how many bytes ahead of them memory is asked for, into the second-level
 * cache. One stream of addresses is what the machine reads fastest: a Zen 4 core read 25 GB/s in order, 12 in eight rows at a time;
 * and prefetched into the first level, eight rows of x took 390 us for what takes 195 from the second. */
enum { DOTS_TOGETHER = 2, DOTS_AHEAD = 16384 };

/* The lanes of each sum added up. */
static inline void
dots_reduce(float out[DOTS_SUMS], const vf s[DOTS_SUMS])
{
#if VW == 16 && defined(__AVX512F__)
	__m512 a[8], b[4], c[2];

#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		a[i] = _mm512_add_ps(_mm512_unpacklo_ps((__m512)s[2 * i], (__m512)s[2 * i + 1]),
			_mm512_unpackhi_ps((__m512)s[2 * i], (__m512)s[2 * i + 1]));
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		__m512d lo = _mm512_unpacklo_pd((__m512d)a[2 * i], (__m512d)a[2 * i + 1]);
		__m512d hi = _mm512_unpackhi_pd((__m512d)a[2 * i], (__m512d)a[2 * i + 1]);

		b[i] = _mm512_add_ps((__m512)lo, (__m512)hi);
	}
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++)
		c[i] = _mm512_add_ps(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x88),
			_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xdd));
	/* quarters of c: [b0: 0+1][b0: 2+3][b1: 0+1][b1: 2+3] */
	_mm512_storeu_ps(out, _mm512_add_ps(_mm512_shuffle_f32x4(c[0], c[1], 0x88), _mm512_shuffle_f32x4(c[0], c[1], 0xdd)));
#else
	for (int i = 0; i < DOTS_SUMS; i++)
		out[i] = vf_sum(s[i]);
#endif
}

