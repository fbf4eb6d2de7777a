/* device.h -- the closed set of primitives that kernels are written with.
 *
 * The same .cu files are compiled twice: by nvcc for a GPU, and by the host's C++ compiler against kernels/cuda/emu, where
 * blocks run one after another and the threads of a block as fibres, so that every kernel is tested without a GPU. A
 * kernel may use, besides plain C: threadIdx, blockIdx, blockDim, gridDim (x, y, z), __syncthreads, __syncwarp, the
 * *_sync shuffles, atomicAdd on int, and what stands here. House rules: blockDim.x * y * z is a multiple of 32; no
 * communication between blocks of a launch; every float is loaded and stored through ld/st so that one source serves fp32
 * and bf16.
 *
 * NUMERICS. Kernels compute in fp32 whatever they load; bf16 is rounded to nearest even on store. exp, log and tanh
 * are the accurate ones (expf, logf, tanhf) unless a kernel says otherwise.
 */
#ifndef OD_CUDA_DEVICE_H
#define OD_CUDA_DEVICE_H

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef __nv_bfloat16 bf16;

enum { WARP = 32 };

#ifdef __CUDACC__
/* LAUNCH((kernel<float, 128>), grid, block, dynamic shared bytes, stream, arguments...) */
#define LAUNCH(kernel, grid, block, smem, stream, ...) (kernel)<<<grid, block, smem, stream>>>(__VA_ARGS__)
/* type name[count] in shared memory, 16-byte aligned; count is a constant expression. */
#define SHARED(type, name, count) __shared__ __align__(16) type name[count]
/* type *name: the launch's dynamic shared memory, 16-byte aligned; one a kernel. */
#define DYN_SHARED(type, name)                                                                                              \
	extern __shared__ __align__(16) unsigned char od_dyn_shared[];                                                      \
	type *name = reinterpret_cast<type *>(od_dyn_shared)
#else
#include "emu/emu.h"
#endif

/* ---- loads and stores: element i of an fp32 or bf16 array as a float ---- */
static __device__ inline float ld(const float *p, int64_t i) { return p[i]; }
static __device__ inline float ld(const bf16 *p, int64_t i) { return __bfloat162float(p[i]); }
static __device__ inline void st(float *p, int64_t i, float x) { p[i] = x; }
static __device__ inline void st(bf16 *p, int64_t i, float x) { p[i] = __float2bfloat16(x); }

/* Two floats as a pair of bf16 in one register, the first in the low half, as the matrix fragments want them. */
static __device__ inline uint32_t
pack_bf16(float lo, float hi)
{
	__nv_bfloat162 v = __floats2bfloat162_rn(lo, hi);
	uint32_t u;

	memcpy(&u, &v, sizeof u);
	return u;
}

/* Four elements at once: p + i is 16 (fp32) or 8 (bf16) byte aligned. */
static __device__ inline float4
ld4(const float *p, int64_t i)
{
	return *reinterpret_cast<const float4 *>(p + i);
}

static __device__ inline float4
ld4(const bf16 *p, int64_t i)
{
	uint2 u = *reinterpret_cast<const uint2 *>(p + i);

	return make_float4(__uint_as_float(u.x << 16), __uint_as_float(u.x & 0xffff0000u), __uint_as_float(u.y << 16),
		__uint_as_float(u.y & 0xffff0000u));
}

static __device__ inline void
st4(float *p, int64_t i, float4 v)
{
	*reinterpret_cast<float4 *>(p + i) = v;
}

static __device__ inline void
st4(bf16 *p, int64_t i, float4 v)
{
	*reinterpret_cast<uint2 *>(p + i) = make_uint2(pack_bf16(v.x, v.y), pack_bf16(v.z, v.w));
}

/* The same for a number of elements known at compile time, 4 or 1, so that one kernel serves aligned and odd matrices. */
template <int N> struct lanes {
	float v[N];
};

template <int N, typename T>
static __device__ inline lanes<N>
ldn(const T *p, int64_t i)
{
	lanes<N> x;

	if (N == 4) {
		float4 f = ld4(p, i);

		x.v[0] = f.x;
		x.v[1 % N] = f.y;
		x.v[2 % N] = f.z;
		x.v[3 % N] = f.w;
	} else {
		x.v[0] = ld(p, i);
	}
	return x;
}

template <int N, typename T>
static __device__ inline void
stn(T *p, int64_t i, lanes<N> x)
{
	if (N == 4)
		st4(p, i, make_float4(x.v[0], x.v[1 % N], x.v[2 % N], x.v[3 % N]));
	else
		st(p, i, x.v[0]);
}

/* ---- reductions: every lane, or every thread of the block, gets the result; the order of additions is fixed ---- */
template <typename T>
static __device__ inline T
warp_sum(T x)
{
	for (int k = WARP / 2; k > 0; k /= 2)
		x += __shfl_xor_sync(0xffffffffu, x, k);
	return x;
}

template <typename T>
static __device__ inline T
warp_max(T x)
{
	for (int k = WARP / 2; k > 0; k /= 2) {
		T y = __shfl_xor_sync(0xffffffffu, x, k);

		x = y > x ? y : x;
	}
	return x;
}

/* Blocks are one-dimensional, BLOCK threads wide. May be called again at once: the leading barrier guards the scratch. */
template <typename T, int BLOCK>
static __device__ inline T
block_sum(T x)
{
	SHARED(T, part, BLOCK / WARP);
	T sum = 0;

	x = warp_sum(x);
	__syncthreads();
	if (threadIdx.x % WARP == 0)
		part[threadIdx.x / WARP] = x;
	__syncthreads();
	for (int i = 0; i < BLOCK / WARP; i++)
		sum += part[i];
	return sum;
}

template <typename T, int BLOCK>
static __device__ inline T
block_max(T x)
{
	SHARED(T, part, BLOCK / WARP);

	x = warp_max(x);
	__syncthreads();
	if (threadIdx.x % WARP == 0)
		part[threadIdx.x / WARP] = x;
	__syncthreads();
	x = part[0];
	for (int i = 1; i < BLOCK / WARP; i++)
		x = part[i] > x ? part[i] : x;
	return x;
}

/* ---- tensor cores and asynchronous copies (sm_80); a warp calls each of these together ---- */

/* d += a b: a 16 x 16 row major, b 16 x 8, d 16 x 8 fp32, in the fragment layout of mma.m16n8k16. With g = lane / 4 and
 * c = 2 * (lane % 4): a[0] = A[g][c, c+1], a[1] = A[g+8][c, c+1], a[2] = A[g][c+8, c+9], a[3] = A[g+8][c+8, c+9];
 * b[0] = B[c, c+1][g], b[1] = B[c+8, c+9][g]; d[0], d[1] = D[g][c, c+1], d[2], d[3] = D[g+8][c, c+1]. */
static __device__ inline void mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]);

/* Four 8 x 8 tiles of 2-byte elements from shared memory: lanes 8 i .. 8 i + 7 hold the addresses of the rows of tile i (16
 * byte aligned); r[i] of lane l is elements 2 (l % 4), + 1 of row l / 4 of tile i. The second form transposes each tile. */
static __device__ inline void ldmatrix_x4(uint32_t r[4], const void *row);
static __device__ inline void ldmatrix_x4_trans(uint32_t r[4], const void *row);

/* 16 bytes from device to shared memory, in the background; zeros where !valid (from is then not read). A thread's copies
 * up to a commit form a group; wait<N> returns when all but the last N groups of this thread are there (a barrier then
 * shows them to the others). */
static __device__ inline void cp_async_16(void *to, const void *from, bool valid);
static __device__ inline void cp_async_commit(void);
template <int N> static __device__ inline void cp_async_wait(void);

#ifdef __CUDACC__
static __device__ inline void
mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
		"{%0,%1,%2,%3};"
		: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

static __device__ inline void
ldmatrix_x4(uint32_t r[4], const void *row)
{
	uint32_t at = (uint32_t)__cvta_generic_to_shared(row);

	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
		: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

static __device__ inline void
ldmatrix_x4_trans(uint32_t r[4], const void *row)
{
	uint32_t at = (uint32_t)__cvta_generic_to_shared(row);

	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
		: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

static __device__ inline void
cp_async_16(void *to, const void *from, bool valid)
{
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(to)), "l"(from),
		"r"(valid ? 16 : 0) : "memory");
}

static __device__ inline void
cp_async_commit(void)
{
	asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int N>
static __device__ inline void
cp_async_wait(void)
{
	asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#else
#include "emu/emu_mma.h"
#endif

#endif
