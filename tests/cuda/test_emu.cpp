/* test_emu.cpp -- what the emulator of kernels/cuda/emu computes: its primitives in several orders of execution, its runtime
 * and its cuBLASLt. Compiled in each flavour of emu.h. Prints TAP. */
#include "cublasLt.h"
#include "emu_test.h"

/* ---- indices, reductions, shuffles, votes ---- */

static __global__ void
k_indices(int *count)
{
	int64_t block = blockIdx.x + (int64_t)gridDim.x * (blockIdx.y + (int64_t)gridDim.y * blockIdx.z);
	int thread = (int)(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));

	atomicAdd(&count[block * (blockDim.x * blockDim.y * blockDim.z) + thread], 1);
}

static bool
test_indices(void)
{
	device_array<int> count(std::vector<int>(3 * 2 * 2 * 64, 0));

	LAUNCH(k_indices, dim3(3, 2, 2), dim3(8, 4, 2), 0, 0, count.at);
	for (int x : count.download())
		if (x != 1)
			return false;
	return cudaGetLastError() == cudaSuccess;
}

template <typename T, int THREADS>
static __global__ void __launch_bounds__(THREADS)
k_sum(const T *x, float *out, int64_t n)
{
	float s = 0;

	for (int64_t i = threadIdx.x; i < n; i += THREADS)
		s += ld(x + blockIdx.x * n, i);
	s = block_sum<float, THREADS>(s);
	s += block_sum<float, THREADS>(s);
	out[blockIdx.x * THREADS + threadIdx.x] = s;
}

/* The values are multiples of 1/8, so the sums are exact in any order. */
template <typename T>
static bool
test_sum(const std::vector<T> &x)
{
	enum { THREADS = 128, ROWS = 5 };
	int64_t n = (int64_t)x.size() / ROWS;
	device_array<T> dx(x);
	device_array<float> out(std::vector<float>(ROWS * THREADS, 0));

	LAUNCH((k_sum<T, THREADS>), ROWS, THREADS, 0, 0, dx.at, out.at, n);
	std::vector<float> got = out.download();
	for (int r = 0; r < ROWS; r++) {
		float want = 0;

		for (int64_t i = 0; i < n; i++)
			want += ld(x.data(), r * n + i);
		want += want * THREADS;
		for (int t = 0; t < THREADS; t++)
			if (got[(size_t)(r * THREADS + t)] != want)
				return false;
	}
	return true;
}

static __global__ void
k_shuffles(int *out)
{
	int t = (int)threadIdx.x, lane = t % 32;
	int *o = out + t * 9;

	o[0] = __shfl_sync(0xffffffffu, t, 5);
	o[1] = __shfl_xor_sync(0xffffffffu, t, 3);
	o[2] = __shfl_up_sync(0xffffffffu, t, 2);
	o[3] = __shfl_down_sync(0xffffffffu, t, 7, 8);
	o[4] = (int)__ballot_sync(0xffffffffu, lane % 3 == 0);
	o[5] = __any_sync(0xffffffffu, t == 33);
	o[6] = __all_sync(0xffffffffu, t < 64);
	o[7] = (int)__shfl_sync(0xffffffffu, (double)t * 0.5, lane ^ 1);
	if (lane < 16)
		o[8] = __shfl_xor_sync(0x0000ffffu, t, 8);
	else
		o[8] = __shfl_xor_sync(0xffff0000u, t, 4);
}

static bool
test_shuffles(void)
{
	enum { THREADS = 96 };
	device_array<int> out(std::vector<int>(THREADS * 9, 0));

	LAUNCH(k_shuffles, 1, THREADS, 0, 0, out.at);
	std::vector<int> got = out.download();
	for (int t = 0; t < THREADS; t++) {
		int lane = t % 32, base = t - lane;
		int want[9] = { base + 5, t ^ 3, lane < 2 ? t : t - 2, lane % 8 + 7 < 8 ? t + 7 : t, 0x49249249, base == 32,
			base < 64, (t ^ 1) / 2, lane < 16 ? t ^ 8 : t ^ 4 };

		for (int i = 0; i < 9; i++)
			if (got[(size_t)(t * 9 + i)] != want[i])
				return false;
	}
	return true;
}

/* ---- tensor cores, ldmatrix, asynchronous copies ---- */

/* D = A B with fragments read from global memory as device.h documents them. */
static __global__ void
k_mma(const bf16 *A, const bf16 *B, float *D)
{
	int lane = (int)threadIdx.x, g = lane / 4, c = 2 * (lane % 4);
	uint32_t a[4], b[2];
	float d[4];

	for (int i = 0; i < 4; i++) {
		int row = g + 8 * (i % 2), col = c + 8 * (i / 2);

		a[i] = pack_bf16(ld(A, row * 16 + col), ld(A, row * 16 + col + 1));
		d[i] = ld(D, (g + 8 * (i / 2)) * 8 + c + i % 2);
	}
	for (int i = 0; i < 2; i++)
		b[i] = pack_bf16(ld(B, (c + 8 * i) * 8 + g), ld(B, (c + 8 * i + 1) * 8 + g));
	mma_bf16(d, a, b);
	for (int i = 0; i < 4; i++)
		st(D, (g + 8 * (i / 2)) * 8 + c + i % 2, d[i]);
}

/* The same through shared memory and ldmatrix: A as it lies; B, row-major, transposed on the way. */
static __global__ void
k_mma_shared(const bf16 *A, const bf16 *B, float *D)
{
	SHARED(bf16, a_tile, 16 * 16);
	SHARED(bf16, b_tile, 16 * 16);
	int lane = (int)threadIdx.x, g = lane / 4, c = 2 * (lane % 4);
	uint32_t a[4], b[4];
	float d[4];

	cp_async_16(&a_tile[lane * 8], &A[lane * 8], true);
	cp_async_commit();
	cp_async_16(&b_tile[lane / 2 * 16 + lane % 2 * 8], &B[lane / 2 * 8], lane % 2 == 0);
	cp_async_commit();
	cp_async_wait<1>();
	__syncwarp();
	ldmatrix_x4(a, &a_tile[lane % 16 * 16 + lane / 16 * 8]);
	cp_async_wait<0>();
	__syncthreads();
	ldmatrix_x4_trans(b, &b_tile[lane % 16 * 16 + lane / 16 * 8]);
	for (int i = 0; i < 4; i++)
		d[i] = ld(D, (g + 8 * (i / 2)) * 8 + c + i % 2);
	mma_bf16(d, a, b);
	if (b[2] != 0 || b[3] != 0)
		d[0] = NAN;
	for (int i = 0; i < 4; i++)
		st(D, (g + 8 * (i / 2)) * 8 + c + i % 2, d[i]);
}

static bool
test_mma(void (*kernel)(const bf16 *, const bf16 *, float *))
{
	std::vector<bf16> a = ramp_bf16(16 * 16), b = ramp_bf16(16 * 8 + 5);
	std::vector<float> d = ramp(16 * 8);

	b.erase(b.begin(), b.begin() + 5);
	device_array<bf16> da(a), db(b);
	device_array<float> dd(d);

	LAUNCH(kernel, 1, 32, 0, 0, da.at, db.at, dd.at);
	std::vector<float> got = dd.download();
	for (int i = 0; i < 16 * 8; i++) {
		float want = d[(size_t)i];

		for (int k = 0; k < 16; k++)
			want += ld(a.data(), i / 8 * 16 + k) * ld(b.data(), k * 8 + i % 8);
		if (got[(size_t)i] != want)
			return false;
	}
	return true;
}

/* Two tiles in flight: out is the sum of n tiles of 128 floats, each thread reads its neighbour's. */
static __global__ void
k_pipeline(const float *x, float *out, int n)
{
	DYN_SHARED(float, tile);
	int t = (int)threadIdx.x;
	float sum = 0;

	cp_async_16(&tile[4 * t], &x[4 * t], true);
	cp_async_commit();
	for (int i = 0; i < n; i++) {
		if (i + 1 < n)
			cp_async_16(&tile[(i + 1) % 2 * 128 + 4 * t], &x[(i + 1) * 128 + 4 * t], true);
		cp_async_commit();
		cp_async_wait<1>();
		__syncthreads();
		sum += tile[i % 2 * 128 + (4 * t + 5) % 128];
		__syncthreads();
	}
	out[t] = sum;
}

static bool
test_pipeline(void)
{
	std::vector<float> x = ramp(128 * 5);
	device_array<float> dx(x), out(ramp(32));

	LAUNCH(k_pipeline, 1, 32, 2 * 128 * sizeof(float), 0, dx.at, out.at, 5);
	std::vector<float> got = out.download();
	for (size_t t = 0; t < 32; t++) {
		float want = 0;

		for (size_t i = 0; i < 5; i++)
			want += x[i * 128 + (4 * t + 5) % 128];
		if (got[t] != want)
			return false;
	}
	return true;
}

/* ---- atomics, dynamic shared memory, numbers ---- */

static __global__ void
k_atomics(int *i, float *f, double *d, unsigned *u)
{
	SHARED(int, count, 1);

	if (threadIdx.x == 0)
		count[0] = 0;
	__syncthreads();
	atomicAdd(count, 1);
	__syncthreads();
	if (threadIdx.x == 0)
		atomicAdd(i, count[0]);
	atomicAdd(f, 0.5f);
	atomicAdd(d, 0.25);
	atomicMax(u, threadIdx.x);
}

static bool
test_atomics(void)
{
	device_array<int> i(std::vector<int>(1, 7));
	device_array<float> f(std::vector<float>(1, 1));
	device_array<double> d(std::vector<double>(1, 2));
	device_array<unsigned> u(std::vector<unsigned>(1, 3));

	LAUNCH(k_atomics, 3, 64, 0, 0, i.at, f.at, d.at, u.at);
	return i.download()[0] == 7 + 3 * 64 && f.download()[0] == 1 + 96 && d.download()[0] == 2 + 48
		&& u.download()[0] == 63;
}

static __global__ void
k_dynamic(float *out, int n)
{
	DYN_SHARED(float, s);

	for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x)
		s[i] = (float)(i + (int)blockIdx.x);
	__syncthreads();
	if (threadIdx.x == 0)
		out[blockIdx.x] = s[n - 1];
}

static bool
test_dynamic(void)
{
	const size_t bytes = 100 * 1024;
	device_array<float> out(std::vector<float>(2, 0));
	const void *kernel = reinterpret_cast<const void *>(k_dynamic);

	LAUNCH(k_dynamic, 2, 64, bytes, 0, out.at, (int)(bytes / 4));
	if (cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 0) || cudaGetLastError() != 1)
		return false;
	if (cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes) != cudaSuccess)
		return false;
	LAUNCH(k_dynamic, 2, 64, bytes, 0, out.at, (int)(bytes / 4));
	cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 0);
	return cudaGetLastError() == cudaSuccess && out.download()[1] == (float)(bytes / 4);
}

static bool
test_bf16(void)
{
	static const struct { uint32_t from; uint16_t to; } pairs[] = {
		{ 0x3f800000, 0x3f80 }, { 0x3f808000, 0x3f80 }, { 0x3f818000, 0x3f82 }, { 0x3f808001, 0x3f81 },
		{ 0x3f807fff, 0x3f80 }, { 0xbf818000, 0xbf82 }, { 0x7f7fffff, 0x7f80 }, { 0x7f800000, 0x7f80 },
		{ 0xff800000, 0xff80 }, { 0x7f800001, 0x7fff }, { 0x80000000, 0x8000 }, { 0x00008000, 0x0000 },
		{ 0x00018000, 0x0002 },
	};
	for (const auto &p : pairs)
		if (__bfloat16_as_ushort(__float2bfloat16(__uint_as_float(p.from))) != p.to)
			return false;
	return pack_bf16(1.0f, -2.0f) == 0xc0003f80 && isnan(__bfloat162float(__float2bfloat16(NAN)));
}

static __global__ void
k_vector(const float *x, bf16 *h, float *y)
{
	int i = 4 * (int)threadIdx.x;

	st4(h, i, ld4(x, i));
	st4(y, i, ld4(h, i));
}

static bool
test_vector(void)
{
	std::vector<float> x = ramp(128);
	device_array<float> dx(x), y(std::vector<float>(128, 0));
	device_array<bf16> h(ramp_bf16(128));

	LAUNCH(k_vector, 1, 32, 0, 0, dx.at, h.at, y.at);
	return y.download() == x;
}

/* ---- the runtime ---- */

static __global__ void k_nothing(void) {}

static bool
launch_gives(dim3 grid, dim3 block, size_t shared, cudaError_t want)
{
	cudaError_t got;

	LAUNCH(k_nothing, grid, block, shared, 0);
	got = cudaPeekAtLastError();
	return got == want && cudaGetLastError() == want && cudaGetLastError() == cudaSuccess;
}

static bool
test_refusals(void)
{
	return launch_gives(1, 1024, 0, cudaSuccess) && launch_gives(1, 1056, 0, cudaErrorInvalidConfiguration)
		&& launch_gives(0, 32, 0, cudaErrorInvalidConfiguration)
		&& launch_gives(1, 0, 0, cudaErrorInvalidConfiguration)
		&& launch_gives(dim3(1, 65535), 1, 0, cudaSuccess)
		&& launch_gives(dim3(1, 65536), 1, 0, cudaErrorInvalidConfiguration)
		&& launch_gives(dim3(1, 1, 65536), 1, 0, cudaErrorInvalidConfiguration)
		&& launch_gives(1, 32, 48 * 1024, cudaSuccess) && launch_gives(1, 32, 48 * 1024 + 1, cudaErrorInvalidValue)
		&& cudaFuncSetAttribute(reinterpret_cast<const void *>(k_nothing),
			cudaFuncAttributeMaxDynamicSharedMemorySize, 228 * 1024) == cudaErrorInvalidValue
		&& cudaGetLastError() == cudaErrorInvalidValue;
}

static bool
test_memory(void)
{
	size_t before = od_emu_memory_used();
	char *a, *b, host[64] = { 0 };
	bool good;

	od_emu_set_memory(1000);
	good = cudaMalloc(&a, 600) == cudaSuccess && cudaMalloc(&b, 600) == cudaErrorMemoryAllocation && !b;
	good = good && cudaGetLastError() == cudaErrorMemoryAllocation && od_emu_memory_used() == before + 600;
	good = good && cudaMemcpy(host, a + 590, 8, cudaMemcpyDeviceToHost) == cudaSuccess && host[7] == (char)0xff;
	good = good && cudaMemcpy(host, a + 590, 11, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue;
	good = good && cudaMemcpy(host, a, 8, cudaMemcpyHostToDevice) == cudaErrorInvalidValue;
	good = good && cudaMemsetAsync(a, 3, 600) == cudaSuccess;
	good = good && cudaMemcpy(host, a + 599, 1, cudaMemcpyDeviceToHost) == cudaSuccess && host[0] == 3;
	good = good && cudaFree(a) == cudaSuccess && cudaFree(a) == cudaErrorInvalidValue && cudaFree(NULL) == cudaSuccess;
	od_emu_set_memory(0);
	cudaGetLastError();
	return good && od_emu_memory_used() == before;
}

/* What the device brings to pinned memory is there after the stream was waited for, and not before. */
static bool
test_pinned(void)
{
	device_array<float> x(std::vector<float>(4, 2.5f));
	float *pinned;
	bool late;

	if (cudaMallocHost(&pinned, 4 * sizeof *pinned) != cudaSuccess)
		return false;
	cudaMemcpyAsync(pinned, x.at, 4 * sizeof *pinned, cudaMemcpyDeviceToHost, 0);
	late = isnan(pinned[3]);
	cudaStreamSynchronize(0);
	late = late && pinned[3] == 2.5f;
	cudaFreeHost(pinned);
	return late;
}

static bool
test_device(void)
{
	struct cudaDeviceProp p;
	int n = 0, sms = 0;
	cudaEvent_t from, to;
	float ms = -1;

	if (cudaGetDeviceCount(&n) || n != 1 || cudaGetDeviceProperties(&p, 0) || strcmp(p.name, "emulated") != 0)
		return false;
	if (p.major != 9 || p.minor != 0 || cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0) || sms != 4)
		return false;
	if (cudaEventCreate(&from) || cudaEventCreate(&to) || cudaEventRecord(from) || cudaEventRecord(to))
		return false;
	if (cudaEventSynchronize(to) || cudaEventElapsedTime(&ms, from, to))
		return false;
	return ms >= 0 && !cudaEventDestroy(from) && !cudaEventDestroy(to) && cudaSetDevice(1) && cudaGetLastError();
}

/* ---- cuBLASLt ---- */

struct blas_case {
	cublasLtHandle_t handle;
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t a, b, c, d;
};

static const int M = 7, N = 5, K = 9, PAD = 3;

static void
blas_open(struct blas_case *q, bool ta, bool tb, cudaDataType in, cudaDataType out)
{
	int32_t ops[2] = { ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_T : CUBLAS_OP_N };

	cublasLtCreate(&q->handle);
	cublasLtMatmulDescCreate(&q->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F);
	cublasLtMatmulDescSetAttribute(q->desc, CUBLASLT_MATMUL_DESC_TRANSA, &ops[0], sizeof ops[0]);
	cublasLtMatmulDescSetAttribute(q->desc, CUBLASLT_MATMUL_DESC_TRANSB, &ops[1], sizeof ops[1]);
	cublasLtMatrixLayoutCreate(&q->a, in, ta ? K : M, ta ? M : K, (ta ? K : M) + PAD);
	cublasLtMatrixLayoutCreate(&q->b, in, tb ? N : K, tb ? K : N, (tb ? N : K) + PAD);
	cublasLtMatrixLayoutCreate(&q->c, out, M, N, M);
	cublasLtMatrixLayoutCreate(&q->d, out, M, N, M + PAD);
}

static void
blas_close(struct blas_case *q)
{
	cublasLtMatrixLayoutDestroy(q->a);
	cublasLtMatrixLayoutDestroy(q->b);
	cublasLtMatrixLayoutDestroy(q->c);
	cublasLtMatrixLayoutDestroy(q->d);
	cublasLtMatmulDescDestroy(q->desc);
	cublasLtDestroy(q->handle);
}

/* The product against a loop; entries outside of D's M x N must be as before. */
template <typename In, typename Out>
static bool
blas_matches(const struct blas_case *q, bool ta, bool tb, float beta, const std::vector<In> &a, const std::vector<In> &b,
	const std::vector<Out> &c)
{
	device_array<In> da(a), db(b);
	device_array<Out> dc(c), dd(std::vector<Out>(N * (M + PAD), c[0]));
	float alpha = 0.5f;

	if (cublasLtMatmul(q->handle, q->desc, &alpha, da.at, q->a, db.at, q->b, &beta, beta != 0 ? dc.at : NULL, q->c, dd.at,
			q->d, NULL, NULL, 0, 0) != CUBLAS_STATUS_SUCCESS)
		return false;
	std::vector<Out> got = dd.download(), want(N * (M + PAD), c[0]);
	for (int i = 0; i < M; i++)
		for (int j = 0; j < N; j++) {
			float sum = 0;

			for (int p = 0; p < K; p++)
				sum += ld(a.data(), ta ? i * (K + PAD) + p : p * (M + PAD) + i)
					* ld(b.data(), tb ? p * (N + PAD) + j : j * (K + PAD) + p);
			st(want.data(), j * (M + PAD) + i, alpha * sum + beta * ld(c.data(), j * M + i));
		}
	return memcmp(got.data(), want.data(), got.size() * sizeof(Out)) == 0;
}

static bool
test_blas(void)
{
	bool good = true;

	for (int i = 0; i < 8 && good; i++) {
		bool ta = i & 1, tb = i & 2;
		float beta = i & 4 ? 2 : 0;
		struct blas_case q, h, o;

		blas_open(&q, ta, tb, CUDA_R_32F, CUDA_R_32F);
		blas_open(&h, ta, tb, CUDA_R_16BF, CUDA_R_32F);
		blas_open(&o, ta, tb, CUDA_R_16BF, CUDA_R_16BF);
		good = blas_matches(&q, ta, tb, beta, ramp(200), ramp(220), ramp(N * M))
			&& blas_matches(&h, ta, tb, beta, ramp_bf16(200), ramp_bf16(220), ramp(N * M))
			&& blas_matches(&o, ta, tb, beta, ramp_bf16(200), ramp_bf16(220), ramp_bf16(N * M));
		blas_close(&q);
		blas_close(&h);
		blas_close(&o);
	}
	return good;
}

static cublasStatus_t
heuristic(const struct blas_case *q, cublasLtMatmulHeuristicResult_t *result, int *n)
{
	cublasLtMatmulPreference_t pref;
	uint64_t workspace = 1 << 20;
	uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
	cublasStatus_t e;

	cublasLtMatmulPreferenceCreate(&pref);
	cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
	cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme, sizeof scheme);
	e = cublasLtMatmulAlgoGetHeuristic(q->handle, q->desc, q->a, q->b, q->c, q->d, pref, 1, result, n);
	cublasLtMatmulPreferenceDestroy(pref);
	return e;
}

static bool
test_blas_refuses(void)
{
	struct blas_case q, mixed;
	cublasLtMatmulHeuristicResult_t result;
	int32_t splits = 0;
	int64_t small = M - 1;
	uint64_t rows = M + 1;
	size_t written;
	int n = 0;
	bool good;

	blas_open(&q, false, false, CUDA_R_16BF, CUDA_R_32F);
	blas_open(&mixed, false, false, CUDA_R_32F, CUDA_R_16BF);
	good = heuristic(&q, &result, &n) == CUBLAS_STATUS_SUCCESS && n == 1
		&& cublasLtMatmulAlgoConfigGetAttribute(&result.algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &splits, sizeof splits,
			&written) == CUBLAS_STATUS_SUCCESS && splits == 1 && written == 4
		&& heuristic(&mixed, &result, &n) == CUBLAS_STATUS_NOT_SUPPORTED && n == 0;
	cublasLtMatrixLayoutSetAttribute(q.d, CUBLASLT_MATRIX_LAYOUT_LD, &small, sizeof small);
	good = good && heuristic(&q, &result, &n) == CUBLAS_STATUS_INVALID_VALUE;
	small = M + 2;
	cublasLtMatrixLayoutSetAttribute(q.d, CUBLASLT_MATRIX_LAYOUT_LD, &small, sizeof small);
	good = good && heuristic(&q, &result, &n) == CUBLAS_STATUS_SUCCESS;
	cublasLtMatrixLayoutSetAttribute(q.d, CUBLASLT_MATRIX_LAYOUT_ROWS, &rows, sizeof rows);
	good = good && heuristic(&q, &result, &n) == CUBLAS_STATUS_INVALID_VALUE;
	blas_close(&q);
	blas_close(&mixed);
	return good;
}

static void
test_primitives(const char *order)
{
	static const struct { const char *name; bool (*test)(void); } tests[] = {
		{ "indices", test_indices },
		{ "block_sum fp32", []() { return test_sum(ramp(5 * 101)); } },
		{ "block_sum bf16", []() { return test_sum(ramp_bf16(5 * 77)); } },
		{ "shuffles and votes", test_shuffles },
		{ "mma_bf16", []() { return test_mma(k_mma); } },
		{ "cp_async_16, ldmatrix, mma_bf16", []() { return test_mma(k_mma_shared); } },
		{ "cp_async pipeline", test_pipeline },
		{ "atomics", test_atomics },
		{ "dynamic shared memory", test_dynamic },
		{ "ld4, st4", test_vector },
	};

	for (const auto &t : tests) {
		std::string name = std::string(t.name) + ", " + order;

		od_emu_schedule(order);
		ok(t.test(), name.c_str());
	}
}

int
main(void)
{
	for (const char *order : orders)
		test_primitives(order);
	od_emu_schedule("asc");
	ok(test_bf16(), "bf16 rounds to nearest even");
	ok(test_refusals(), "refused launches");
	ok(test_memory(), "memory");
	ok(test_pinned(), "pinned memory");
	ok(test_device(), "device, events");
	ok(test_blas(), "cublasLtMatmul");
	ok(test_blas_refuses(), "cublasLt refuses");
	return done();
}
