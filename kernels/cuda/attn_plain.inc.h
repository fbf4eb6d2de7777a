/* attn_plain.inc.h -- device: 32 x 32 tiles in fp32 with ordinary arithmetic, for any head_dim up to D.
 *
 * A tile in shared memory is 32 rows of plain_stride<D>() floats: head_dim of them, then zeros. Of the 128 threads, thread
 * (ty, tx) = (threadIdx.x / 16, threadIdx.x % 16) has rows ty + 8 i of a product, i < 4; of scores columns tx + 16 j,
 * j < 2; of sums over keys or queries columns 64 c + 4 tx .. + 3. The 16 threads of a row are half a warp.
 */
enum { PLAIN_THREADS = 128, PLAIN_TILE = 32, PLAIN_WEIGHT_STRIDE = 36 };

template <int D>
static __host__ __device__ constexpr int
plain_stride(void)
{
	return D + 4;                                      /* rows 4 banks apart: float4 reads of 8 rows do not collide */
}

template <int D>
static __host__ __device__ constexpr int
plain_tile_floats(void)
{
	return PLAIN_TILE * plain_stride<D>();
}

static __device__ inline int
plain_ty(void)
{
	return (int)threadIdx.x / 16;
}

static __device__ inline int
plain_tx(void)
{
	return (int)threadIdx.x % 16;
}

template <int D, typename T>
static __device__ inline void
plain_load(float *tile, const T *from, int64_t stride, int n, int head_dim)
{
	for (int i = (int)threadIdx.x; i < PLAIN_TILE * D; i += PLAIN_THREADS) {
		int row = i / D, c = i % D;

		tile[row * plain_stride<D>() + c] = row < n && c < head_dim ? ld(from, row * stride + c) : 0.0f;
	}
}

/* s = left right^T */
template <int D>
static __device__ inline void
plain_dots(float s[4][2], const float *left, const float *right, int head_dim)
{
	for (int i = 0; i < 4; i++)
		s[i][0] = s[i][1] = 0;
	for (int k = 0; k < head_dim; k += 4) {
		float4 y[2];

		for (int j = 0; j < 2; j++)
			y[j] = ld4(right, (plain_tx() + 16 * j) * plain_stride<D>() + k);
#pragma unroll
		for (int i = 0; i < 4; i++) {
			float4 x = ld4(left, (plain_ty() + 8 * i) * plain_stride<D>() + k);

#pragma unroll
			for (int j = 0; j < 2; j++)
				s[i][j] = fmaf(x.w, y[j].w, fmaf(x.z, y[j].z, fmaf(x.y, y[j].y, fmaf(x.x, y[j].x, s[i][j]))));
		}
	}
}

static __device__ inline void
plain_store_weights(float *w, const float s[4][2])
{
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 2; j++)
			w[(plain_ty() + 8 * i) * PLAIN_WEIGHT_STRIDE + plain_tx() + 16 * j] = s[i][j];
}

/* acc += w tile; the weights of a row are written and read by one half of a warp. */
template <int D>
static __device__ inline void
plain_add_weighted_rows(float (&acc)[4][D / 16], const float *w, const float *tile)
{
	for (int k = 0; k < PLAIN_TILE; k++)
#pragma unroll
		for (int c = 0; c < D / 64; c++) {
			float4 y = ld4(tile, k * plain_stride<D>() + 64 * c + 4 * plain_tx());

#pragma unroll
			for (int i = 0; i < 4; i++) {
				float x = w[(plain_ty() + 8 * i) * PLAIN_WEIGHT_STRIDE + k], *to = acc[i] + 4 * c;

				to[0] = fmaf(x, y.x, to[0]);
				to[1] = fmaf(x, y.y, to[1]);
				to[2] = fmaf(x, y.z, to[2]);
				to[3] = fmaf(x, y.w, to[3]);
			}
		}
}

template <int D>
static __device__ inline void
plain_clear(float (&acc)[4][D / 16])
{
	for (int i = 0; i < 4; i++)
		for (int c = 0; c < D / 16; c++)
			acc[i][c] = 0;
}

/* The first n rows of acc, times factor. */
template <int D, typename T>
static __device__ inline void
plain_store(T *to, int64_t stride, int n, const float (&acc)[4][D / 16], const float factor[4], int head_dim)
{
#pragma unroll
	for (int i = 0; i < 4; i++)
#pragma unroll
		for (int c = 0; c < D / 16; c++) {
			int row = plain_ty() + 8 * i, column = 64 * (c / 4) + 4 * plain_tx() + c % 4;

			if (row < n && column < head_dim)
				st(to, row * stride + column, acc[i][c] * factor[i]);
		}
}

/* Over the 16 threads of a row. */
static __device__ inline float
row_max(float x)
{
	for (int k = 8; k > 0; k /= 2)
		x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, k));
	return x;
}

static __device__ inline float
row_sum(float x)
{
	for (int k = 8; k > 0; k /= 2)
		x += __shfl_xor_sync(0xffffffffu, x, k);
	return x;
}
