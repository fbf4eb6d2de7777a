/* attn_mma.inc.h -- device: bf16 tiles in shared memory and products of them on tensor cores.
 *
 * A tile is rows of D elements; its pieces of 8 are permuted within a row (piece_at), so that ldmatrix and the copies meet
 * no bank twice. Accumulators are acc[m][n][4]: 16 rows x 8 columns each, in the layout of mma.m16n8k16 (device.h): with
 * g = lane / 4 and c = 2 (lane % 4), elements 0, 1 are row g, columns c, c + 1; elements 2, 3 the same of row g + 8.
 */
enum { MMA_THREADS = 128, MMA_WARPS = MMA_THREADS / WARP };

#define LOG2E 1.4426950408889634f
#define LN2   0.6931471805599453f

/* 2^x: one instruction, results below the normal range become 0; relative error 2^-22. */
static __device__ inline float
fast_exp2(float x)
{
#ifdef __CUDA_ARCH__
	float y;

	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
#else
	return exp2f(x);
#endif
}

/* tanh to about 1e-7 absolute: 1 - 2 / (e^2x + 1). */
static __device__ inline float
fast_tanh(float x)
{
	return 1.0f - __fdividef(2.0f, fast_exp2(x * (2 * LOG2E)) + 1.0f);
}

static __device__ inline int
lane_id(void)
{
	return (int)threadIdx.x % WARP;
}

static __device__ inline int
warp_id(void)
{
	return (int)threadIdx.x / WARP;
}

/* ---- tiles ---- */

template <int D>
static __device__ inline bf16 *
piece_at(bf16 *tile, int row, int piece)
{
	return tile + row * D + ((piece ^ (row & 7)) * 8);
}

/* Queues a copy of n rows to a tile of ROWS; zeros behind. */
template <int D, int ROWS>
static __device__ inline void
load_tile(bf16 *tile, const bf16 *from, int64_t stride, int n)
{
	constexpr int pieces = D / 8, step = MMA_THREADS / pieces;
	int row = (int)threadIdx.x / pieces, piece = (int)threadIdx.x % pieces;

#pragma unroll
	for (int i = 0; i < ROWS / step; i++, row += step)
		cp_async_16(piece_at<D>(tile, row, piece), from + row * stride + piece * 8, row < n);
}

/* Where a lane points an ldmatrix at 16 rows x 16 elements: at row (lane % 16) and piece lane / 16 for left operands and
 * right ones taken as they lie, at the other order of the four 8 x 8 blocks for right ones transposed. As the rows
 * are whole multiples of 64 elements, moving by 16 k elements along a row is an xor of the offset. */
template <int D>
static __device__ inline int
lane_offset(bool transposed)
{
	int l = lane_id(), row = transposed ? l % 8 + l / 16 * 8 : l % 16, piece = transposed ? l / 8 % 2 : l / 16;

	return row * D + (piece ^ (l & 7)) * 8;
}

/* 16 M rows of a tile as left operands, read once (HELD) or again each time. */
template <int D, int M, bool HELD>
struct left_rows {
	const bf16 *tile;
	int row;
	uint32_t a[HELD ? D / 16 : 1][M][4];
};

template <int D, int M, bool HELD>
static __device__ inline void
left_rows_init(struct left_rows<D, M, HELD> *h, const bf16 *tile, int row)
{
	h->tile = tile;
	h->row = row;
	if constexpr (HELD) {
		int lane = lane_offset<D>(false);

#pragma unroll
		for (int k = 0; k < D / 16; k++)
#pragma unroll
			for (int m = 0; m < M; m++)
				ldmatrix_x4(h->a[k][m], tile + (row + 16 * m) * D + (lane ^ 16 * k));
	}
}

/* ---- products ---- */

template <int M, int N>
static __device__ inline void
clear(float (&acc)[M][N][4])
{
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int n = 0; n < N; n++)
#pragma unroll
			for (int e = 0; e < 4; e++)
				acc[m][n][e] = 0;
}

/* s = left right^T: 8 N rows of the tile 'right' from row r. */
template <int D, int M, int N, bool HELD>
static __device__ inline void
tile_dots(float (&s)[M][N][4], struct left_rows<D, M, HELD> *left, const bf16 *right, int r)
{
	int lane_left = HELD ? 0 : lane_offset<D>(false), lane_right = lane_offset<D>(true);

	clear(s);
#pragma unroll
	for (int k = 0; k < D / 16; k++) {
		int at = HELD ? k : 0;
		uint32_t b[4];

		if constexpr (!HELD)
#pragma unroll
			for (int m = 0; m < M; m++)
				ldmatrix_x4(left->a[0][m], left->tile + (left->row + 16 * m) * D + (lane_left ^ 16 * k));
#pragma unroll
		for (int n = 0; n < N; n += 2) {
			ldmatrix_x4(b, right + (r + 8 * n) * D + (lane_right ^ 16 * k));
#pragma unroll
			for (int m = 0; m < M; m++) {
				mma_bf16(s[m][n], left->a[at][m], b);
				mma_bf16(s[m][n + 1], left->a[at][m], b + 2);
			}
		}
	}
}

/* acc += w right: w in accumulators, rounded to bf16; rows r .. of the tile 'right'. */
template <int D, int M, int N>
static __device__ inline void
add_weighted_rows(float (&acc)[M][D / 8][4], const float (&w)[M][N][4], const bf16 *right, int r)
{
	int lane = lane_offset<D>(false);

#pragma unroll
	for (int k = 0; k < N / 2; k++) {
		uint32_t a[M][4], b[4];

#pragma unroll
		for (int m = 0; m < M; m++)
#pragma unroll
			for (int i = 0; i < 4; i++) {
				const float *x = w[m][2 * k + i / 2];

				a[m][i] = i % 2 ? pack_bf16(x[2], x[3]) : pack_bf16(x[0], x[1]);
			}
#pragma unroll
		for (int n = 0; n < D / 16; n++) {
			ldmatrix_x4_trans(b, right + (r + 16 * k) * D + (lane ^ 16 * n));
#pragma unroll
			for (int m = 0; m < M; m++) {
				mma_bf16(acc[m][2 * n], a[m], b);
				mma_bf16(acc[m][2 * n + 1], a[m], b + 2);
			}
		}
	}
}

/* ---- masks and results ---- */

/* Sets what lies outside columns [from[i], to[i]) to x; i = 0 for this lane's row g, 1 for row g + 8. */
template <int N>
static __device__ inline void
mask(float (&s)[N][4], const int32_t from[2], const int32_t to[2], float x)
{
	int c = 2 * (lane_id() % 4);

#pragma unroll
	for (int n = 0; n < N; n++)
#pragma unroll
		for (int e = 0; e < 4; e++) {
			int column = 8 * n + c + e % 2;

			s[n][e] = column >= from[e / 2] && column < to[e / 2] ? s[n][e] : x;
		}
}

/* Writes acc, row g times factor[m][0] and row g + 8 times factor[m][1], as rows of bf16; the first n of them. 16 M rows
 * of 'tile' that no other warp uses turn fragments into whole rows. */
template <int D, int M>
static __device__ inline void
store_rows(bf16 *to, int64_t stride, int n, const float (&acc)[M][D / 8][4], const float (&factor)[M][2], bf16 *tile, int row)
{
	int g = lane_id() / 4, c = 2 * (lane_id() % 4);

	__syncwarp();
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int j = 0; j < D / 8; j++)
#pragma unroll
			for (int i = 0; i < 2; i++)
				*reinterpret_cast<uint32_t *>(piece_at<D>(tile, row + 16 * m + 8 * i + g, j) + c) =
					pack_bf16(acc[m][j][2 * i] * factor[m][i], acc[m][j][2 * i + 1] * factor[m][i]);
	__syncwarp();
	for (int i = lane_id(); i < 16 * M * D / 8; i += WARP) {
		int r = i / (D / 8), piece = i % (D / 8);

		if (r < n)
			*reinterpret_cast<uint4 *>(to + r * stride + piece * 8) =
				*reinterpret_cast<const uint4 *>(piece_at<D>(tile, row + r, piece));
	}
}
