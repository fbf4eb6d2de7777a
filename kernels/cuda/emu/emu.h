/* emu.h -- the project's .cu files on a CPU: an emulated GPU for tests.
 *
 * WHAT. The host's C++ compiler takes the unchanged .cu files (g++ -x c++ -std=c++17 -Ikernels/cuda/emu/include), this
 * header stands in for what nvcc supplies, and kernels/cuda/emu/ *.cpp for libcudart and cuBLASLt. No CUDA toolkit is
 * needed. Blocks run one after another; the threads of a block are fibres of one host thread. The device is called
 * "emulated", has 4 multiprocessors and compute capability 9.0.
 *
 * FLAVOURS. All objects of a binary, the .cu files and emu/, are of one flavour. The .cu files also want
 * -fno-strict-aliasing, for kernels reinterpret memory as nvcc lets them, and -Wno-unknown-pragmas, for #pragma unroll.
 *   plain   -O2 -g                                        emu/ without race.cpp
 *   ASan    -O1 -g -fsanitize=address,undefined -fno-sanitize-recover     the same; link with the same flags
 *   race    the .cu files alone with -O2 -g -fsanitize=thread, the rest -O2 -g; emu/ with race.cpp; linked WITHOUT
 *           -fsanitize=thread: race.cpp answers the calls that the compiler put before each load and store
 *
 * WHAT EVERY FLAVOUR FINDS, by a message on stderr (kernel, block, threads, file:line) and abort():
 *   a barrier or warp primitive that some of the threads do not reach, or reach at another line; a shuffle whose mask
 *   lacks the caller, the source lane or names lanes that never come; misaligned or non-shared operands of ldmatrix and
 *   cp_async_16; shared memory beyond 48 KB (static) or 227 KB (all). Launches that a GPU refuses are refused with the
 *   error that cudaGetLastError returns. New device memory, and shared memory before every block, is 0xff bytes: NaN. The
 *   target of cp_async_16 is NaN until cp_async_wait. Data copied to pinned memory arrive when the stream is waited for
 *   (NaN until then), and pinned memory that changes before its copy was waited for is an error.
 * ASAN finds besides: reads and writes beyond an allocation, beyond a SHARED array or the dynamic shared memory, and the
 *   host touching device memory.
 * RACE finds, whatever the order of execution: two threads of a block touching a byte between two barriers, one of them
 *   writing; two blocks of a launch touching a byte, one writing, unless both atomically; reads of shared memory that
 *   this block has not written, or that a copy in the background is still writing; kernels that are given host memory,
 *   and hosts that touch device memory. As on the device, shuffles, mma and ldmatrix order nothing; __syncwarp does
 *   order the lanes of its warp. A kernel that waits for other blocks ("the last one adds up") is reported: it has no
 *   place here (device.h).
 * WHAT IT CANNOT FIND: errors of rounding (the host's expf and divisions are better than the device's), register
 *   spills, bank conflicts, anything about speed, streams that overlap.
 *
 * ORDER. Blocks, threads of a block, and who goes on after a barrier are ordered "asc", "desc" or "rand<seed>": from the
 * environment variable OD_EMU_SCHED at first, then by od_emu_schedule. One order hides what another shows: run several.
 *
 * COST, measured: a thread without barriers 8 ns (ASan 40, race 160: a load and a store), one with a barrier 100 (270,
 * 260), each further barrier of a thread 20-35 (100, 20), each shuffle 35-55 (150, 40); race 60 for each 4-byte access and
 * 56 bytes of shadow for each byte that is touched. Keep shapes odd and small.
 *
 * HOW. A fibre is a worker that runs unstarted threads one after another; only a thread that must wait costs a switch
 * of stacks and another worker. A warp primitive parks a pointer to its operands; the last lane to come does the
 * exchange for all. Stacks are switched by a few lines of x86-64, elsewhere (or with -DOD_EMU_UCONTEXT) by swapcontext,
 * which is several times slower. emu.cpp: launches, fibres, barriers. warp.cpp: shuffles, mma, asynchronous copies, atomics.
 * runtime_emu.cpp: the runtime API. blas_emu.cpp: cuBLASLt. race.cpp: the race checker. state.h: what they share.
 * tests/cuda/test_emu.cpp and test_emu_bugs.cpp hold the emulator to all this.
 */
#ifndef OD_EMU_H
#define OD_EMU_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tuple>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

/* ---- for tests ---- */
extern "C" {
/* "asc", "desc" or "rand<seed>"; aborts on anything else. */
void od_emu_schedule(const char *order);
/* The device's memory: cudaMalloc fails beyond it. 0: the 8 GiB it begins with. */
void od_emu_set_memory(size_t total);
/* Bytes of device and pinned memory that were allocated and not freed. */
size_t od_emu_memory_used(void);
}

/* ---- launches ---- */
typedef void (*od_emu_thunk)(void *args);

struct od_emu_launch_args {
	const char *name, *file;
	int line;
	const void *kernel;              /* for cudaFuncSetAttribute */
	dim3 grid, block;
	size_t shared;
};

void od_emu_run(const struct od_emu_launch_args *launch, od_emu_thunk thunk, void *args, size_t args_size);

template <typename... P>
struct od_emu_call {
	void (*kernel)(P...);
	std::tuple<P...> args;

	static void
	thunk(void *p)
	{
		od_emu_call *c = static_cast<od_emu_call *>(p);

		std::apply(c->kernel, c->args);
	}
};

/* Arguments are converted to the kernel's parameters, as in a real launch. */
template <typename... P, typename... A>
static inline void
od_emu_launch(const char *file, int line, const char *name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared,
	cudaStream_t, A... args)
{
	struct od_emu_launch_args launch = { name, file, line, reinterpret_cast<const void *>(kernel), grid, block, shared };
	od_emu_call<P...> call = { kernel, std::tuple<P...>(args...) };

	od_emu_run(&launch, od_emu_call<P...>::thunk, &call, sizeof call);
}

/* The stream is the first of the variable arguments, so that a kernel may have none. */
#define LAUNCH(kernel, grid, block, smem, ...) \
	od_emu_launch(__FILE__, __LINE__, #kernel, kernel, grid, block, smem, __VA_ARGS__)

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
static const int warpSize = 32;

/* ---- shared memory ---- */
/* Where the array of one declaration lies, for the block whose number is in generation. */
struct od_emu_slot {
	uint32_t generation;
	void *at;
};

extern uint32_t od_emu_generation;
void *od_emu_shared_new(struct od_emu_slot *slot, size_t bytes, const char *name);
void *od_emu_dyn_shared(void);

static inline void *
od_emu_shared(struct od_emu_slot *slot, size_t bytes, const char *name)
{
	return slot->generation == od_emu_generation ? slot->at : od_emu_shared_new(slot, bytes, name);
}

#define SHARED(type, name, count)                                                                                           \
	static struct od_emu_slot name##_slot;                                                                              \
	type(&name)[count] = *reinterpret_cast<type(*)[count]>(od_emu_shared(&name##_slot, sizeof(type) * (count), #name))
#define DYN_SHARED(type, name) type *name = reinterpret_cast<type *>(od_emu_dyn_shared())

/* ---- barriers, warps ---- */
enum od_emu_shfl_kind { OD_EMU_SHFL, OD_EMU_SHFL_UP, OD_EMU_SHFL_DOWN, OD_EMU_SHFL_XOR };
enum od_emu_vote_kind { OD_EMU_BALLOT, OD_EMU_ANY, OD_EMU_ALL };

void od_emu_syncthreads(const char *file, int line);
void od_emu_syncwarp(const char *file, int line, unsigned mask = 0xffffffffu);
unsigned od_emu_vote(const char *file, int line, enum od_emu_vote_kind kind, unsigned mask, int predicate);
uint64_t od_emu_shuffle(const char *file, int line, enum od_emu_shfl_kind kind, unsigned mask, uint64_t value, int x,
	int width);

template <typename T>
static inline T
od_emu_shfl(const char *file, int line, enum od_emu_shfl_kind kind, unsigned mask, T value, int x, int width = 32)
{
	uint64_t u = 0;

	static_assert(sizeof(T) <= sizeof u, "shuffles are of at most 8 bytes");
	memcpy(&u, &value, sizeof value);
	u = od_emu_shuffle(file, line, kind, mask, u, x, width);
	memcpy(&value, &u, sizeof value);
	return value;
}

#define __syncthreads() od_emu_syncthreads(__FILE__, __LINE__)
#define __syncwarp(...) od_emu_syncwarp(__FILE__, __LINE__ __VA_OPT__(,) __VA_ARGS__)
#define __shfl_sync(...) od_emu_shfl(__FILE__, __LINE__, OD_EMU_SHFL, __VA_ARGS__)
#define __shfl_up_sync(...) od_emu_shfl(__FILE__, __LINE__, OD_EMU_SHFL_UP, __VA_ARGS__)
#define __shfl_down_sync(...) od_emu_shfl(__FILE__, __LINE__, OD_EMU_SHFL_DOWN, __VA_ARGS__)
#define __shfl_xor_sync(...) od_emu_shfl(__FILE__, __LINE__, OD_EMU_SHFL_XOR, __VA_ARGS__)
#define __ballot_sync(mask, p) od_emu_vote(__FILE__, __LINE__, OD_EMU_BALLOT, mask, p)
#define __any_sync(mask, p) static_cast<int>(od_emu_vote(__FILE__, __LINE__, OD_EMU_ANY, mask, p))
#define __all_sync(mask, p) static_cast<int>(od_emu_vote(__FILE__, __LINE__, OD_EMU_ALL, mask, p))
#define __threadfence() ((void)0)
#define __threadfence_block() ((void)0)

/* ---- atomics: each returns the old value ---- */
int atomicAdd(int *p, int x);
unsigned atomicAdd(unsigned *p, unsigned x);
unsigned long long atomicAdd(unsigned long long *p, unsigned long long x);
float atomicAdd(float *p, float x);
double atomicAdd(double *p, double x);
int atomicMax(int *p, int x);
int atomicMin(int *p, int x);
unsigned atomicMax(unsigned *p, unsigned x);
unsigned atomicMin(unsigned *p, unsigned x);
int atomicOr(int *p, int x);
unsigned atomicOr(unsigned *p, unsigned x);
int atomicExch(int *p, int x);
int atomicCAS(int *p, int old, int x);

/* ---- loads, stores, bits ---- */
template <typename T> static inline T __ldg(const T *p) { return *p; }
template <typename T> static inline T __ldcs(const T *p) { return *p; }
template <typename T> static inline T __ldcg(const T *p) { return *p; }
template <typename T> static inline void __stcs(T *p, T x) { *p = x; }
template <typename T> static inline void __stcg(T *p, T x) { *p = x; }

template <typename To, typename From>
static inline To
od_emu_bits(From x)
{
	To y;

	static_assert(sizeof y == sizeof x, "reinterpretation keeps the size");
	memcpy(&y, &x, sizeof y);
	return y;
}

static inline float __uint_as_float(unsigned x) { return od_emu_bits<float>(x); }
static inline unsigned __float_as_uint(float x) { return od_emu_bits<unsigned>(x); }
static inline float __int_as_float(int x) { return od_emu_bits<float>(x); }
static inline int __float_as_int(float x) { return od_emu_bits<int>(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }

/* ---- arithmetic ---- */
/* No template: as with nvcc, arguments of two types want a cast. */
#define OD_EMU_MIN_MAX(T)                                        \
	static inline T min(T a, T b) { return b < a ? b : a; }  \
	static inline T max(T a, T b) { return a < b ? b : a; }
OD_EMU_MIN_MAX(int)
OD_EMU_MIN_MAX(unsigned)
OD_EMU_MIN_MAX(long)
OD_EMU_MIN_MAX(unsigned long)
OD_EMU_MIN_MAX(long long)
OD_EMU_MIN_MAX(unsigned long long)
#undef OD_EMU_MIN_MAX
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }

/* Macros, for a C library may declare functions of these names. */
static inline float od_emu_rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float od_emu_saturate(float x) { return x > 1 ? 1 : x > 0 ? x : 0; }
#define rsqrtf(x) od_emu_rsqrtf(x)
#define __expf(x) expf(x)
#define __exp2f(x) exp2f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __powf(x, y) powf(x, y)
#define __fdividef(x, y) ((x) / (y))
#define __frcp_rn(x) (1.0f / (x))
#define __fsqrt_rn(x) sqrtf(x)
#define __frsqrt_rn(x) od_emu_rsqrtf(x)
#define __fdiv_rn(x, y) ((x) / (y))
#define __fadd_rn(x, y) ((x) + (y))
#define __fmul_rn(x, y) ((x) * (y))
#define __fmaf_rn(x, y, z) fmaf(x, y, z)
#define __saturatef(x) od_emu_saturate(x)

/* ---- warp.cpp: the bodies of device.h's primitives, see emu_mma.h ---- */
void od_emu_mma_bf16(const char *file, int line, float d[4], const uint32_t a[4], const uint32_t b[2]);
void od_emu_ldmatrix(const char *file, int line, uint32_t r[4], const void *row, bool transpose);
void od_emu_cp_async(const char *file, int line, void *to, const void *from, bool valid);
void od_emu_cp_async_commit(void);
void od_emu_cp_async_wait(int pending);

#endif
