/* launch.h -- how operations pick a kernel: by element type, by alignment, and over which grid.
 *
 * A matrix of rows x cols is walked in pieces of at most PIECE columns of one row, a block a piece: rows of every length keep
 * the device busy, and nothing divides inside the loop.
 */
#ifndef OD_CUDA_LAUNCH_H
#define OD_CUDA_LAUNCH_H

#include "cuda.h"
#include "device.h"

enum { THREADS = 128, PIECE = 2048 };

/* Runs the statement with T standing for the element type of matrix m; nests for several matrices. */
#define WITH_TYPE(m, T, ...)                                                                                                \
	do {                                                                                                                \
		if ((m).type == OD_BF16) {                                                                                  \
			typedef bf16 T;                                                                                     \
			__VA_ARGS__;                                                                                        \
		} else {                                                                                                    \
			typedef float T;                                                                                    \
			__VA_ARGS__;                                                                                        \
		}                                                                                                           \
	} while (0)

/* Runs the statement with N = 4 when all matrices can be walked four elements at a time, else 1. */
#define WITH_LANES(aligned, N, ...)                                                                                         \
	do {                                                                                                                \
		if (aligned) {                                                                                              \
			enum { N = 4 };                                                                                     \
			__VA_ARGS__;                                                                                        \
		} else {                                                                                                    \
			enum { N = 1 };                                                                                     \
			__VA_ARGS__;                                                                                        \
		}                                                                                                           \
	} while (0)

/* A matrix as kernels see it. */
template <typename T> struct view {
	T *data;
	int64_t ld;

	__device__ T *row(int64_t r) const { return data + r * ld; }
};

template <typename T>
static inline view<T>
view_of(struct od_mat m)
{
	view<T> v = { static_cast<T *>(m.data), m.ld };

	return v;
}

/* Four elements at a time are possible: rows begin on such a border and hold a multiple of them. NULL data passes. */
static inline bool
by_four(struct od_mat m)
{
	uintptr_t border = 4 * od_dtype_size(m.type);

	return reinterpret_cast<uintptr_t>(m.data) % border == 0 && m.ld % 4 == 0 && m.cols % 4 == 0;
}

static inline int64_t
ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

static inline dim3
pieces(int64_t rows, int64_t cols)
{
	return dim3(static_cast<unsigned>(rows * ceil_div(cols, PIECE)));
}

/* In a kernel over pieces(): the block's row and its columns [from, to). */
struct piece {
	int64_t row, from, to;
};

static __device__ inline piece
this_piece(int64_t cols)
{
	int64_t n = (cols + PIECE - 1) / PIECE, at = (int64_t)blockIdx.x % n * PIECE;
	piece p = { (int64_t)blockIdx.x / n, at, at + PIECE < cols ? at + PIECE : cols };

	return p;
}

#define FOR_PIECE(i, p, N) for (int64_t i = (p).from + threadIdx.x * (N); i < (p).to; i += (int64_t)blockDim.x * (N))

#endif
