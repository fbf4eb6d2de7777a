/* test_emu_bugs.cpp -- kernels with a planted bug, each run in a child process that the emulator of kernels/cuda/emu must
 * end, saying why. What a flavour of emu.h must find by itself differs, see FLAVOUR; bugs that plain and ASan cannot name
 * must at least give wrong results in some order of execution. Prints TAP. */
#include <sys/wait.h>
#include <unistd.h>

#include "emu_test.h"

enum flavour { PLAIN = 1, ASAN = 2, RACE = 4, ALL = 7 };
#if defined(__SANITIZE_ADDRESS__)
static const int FLAVOUR = ASAN;
#elif defined(__SANITIZE_THREAD__)
static const int FLAVOUR = RACE;
#else
static const int FLAVOUR = PLAIN;
#endif

/* ---- planted bugs ---- */

enum { BUG_THREADS = 64 };

/* Element i of the result of a kernel that is launched on 2 blocks of BUG_THREADS, x and out of 2 * BUG_THREADS floats. */
typedef void (*bug_kernel)(const float *x, float *out);

static __global__ void
k_fine(const float *x, float *out)
{
	SHARED(float, s, BUG_THREADS);
	int t = (int)threadIdx.x, i = (int)blockIdx.x * BUG_THREADS + t;

	s[t] = x[i];
	__syncthreads();
	out[i] = s[t ^ 33];
	__syncthreads();
	s[t] = out[i];
	__syncwarp();
	out[i] = s[t ^ 1] + s[t] - s[t ^ 1];
}

static __global__ void
k_missing_barrier(const float *x, float *out)
{
	SHARED(float, s, BUG_THREADS);
	int t = (int)threadIdx.x, i = (int)blockIdx.x * BUG_THREADS + t;

	s[t] = x[i];
	out[i] = s[t ^ 33];
}

static __global__ void
k_early_overwrite(const float *x, float *out)
{
	SHARED(float, s, BUG_THREADS);
	int t = (int)threadIdx.x, i = (int)blockIdx.x * BUG_THREADS + t;

	s[t] = x[i];
	__syncthreads();
	out[i] = s[t ^ 33];
	s[t] = 0;
}

static __global__ void
k_shuffle_is_no_barrier(const float *x, float *out)
{
	SHARED(float, s, BUG_THREADS);
	int t = (int)threadIdx.x, i = (int)blockIdx.x * BUG_THREADS + t;

	s[t] = x[i];
	out[i] = __shfl_sync(0xffffffffu, 0.0f, 0) + s[t ^ 1];
}

static __global__ void
k_divergent_barrier(const float *, float *)
{
	if (threadIdx.x < 32)
		__syncthreads();
	else
		__syncthreads();
}

static __global__ void
k_exited(const float *, float *)
{
	if (threadIdx.x >= 40)
		return;
	__syncthreads();
}

static __global__ void
k_partial_warp(const float *x, float *out)
{
	if (threadIdx.x % 32 < 16)
		out[threadIdx.x] = warp_sum(x[threadIdx.x]);
}

static __global__ void
k_wrong_mask(const float *x, float *out)
{
	if (threadIdx.x % 32 < 16)
		out[threadIdx.x] = __shfl_sync(0x0000ffffu, x[threadIdx.x], 20);
}

static __global__ void
k_forgotten_atomic(const float *x, float *out)
{
	out[blockIdx.x * BUG_THREADS] += x[threadIdx.x];
}

static __global__ void
k_same_address(const float *, float *out)
{
	if (threadIdx.x == 0)
		out[0] = 1;
}

static __global__ void
k_reads_other_block(const float *, float *out)
{
	if (threadIdx.x == 0)
		out[blockIdx.x] = blockIdx.x == 0 ? 1 : out[0];
}

static __global__ void
k_missing_wait(const float *x, float *out)
{
	SHARED(float, s, 4 * BUG_THREADS);
	int t = (int)threadIdx.x, from = 4 * (t % 16);

	cp_async_16(&s[4 * t], &x[from], true);
	cp_async_commit();
	__syncthreads();
	out[blockIdx.x * BUG_THREADS + threadIdx.x] = s[t];
}

static __global__ void
k_wait_without_barrier(const float *x, float *out)
{
	SHARED(float, s, 4 * BUG_THREADS);
	int t = (int)threadIdx.x;

	cp_async_16(&s[4 * t], &x[4 * (t % 16)], true);
	cp_async_commit();
	cp_async_wait<0>();
	out[blockIdx.x * BUG_THREADS + threadIdx.x] = s[4 * (t ^ 33)];
}

static __global__ void
k_copies_beyond(const float *x, float *)
{
	SHARED(float, s, 4 * BUG_THREADS);

	cp_async_16(&s[4 * threadIdx.x], &x[4 * threadIdx.x], true);
	cp_async_wait<0>();
}

static __global__ void
k_static_beyond(const float *x, float *out)
{
	SHARED(float, s, BUG_THREADS);
	int t = (int)threadIdx.x;

	s[t] = x[t];
	__syncthreads();
	out[blockIdx.x * BUG_THREADS + threadIdx.x] = s[t + 1];
}

static __global__ void
k_dynamic_beyond(const float *x, float *out)
{
	DYN_SHARED(float, s);
	int t = (int)threadIdx.x;

	s[t] = x[t];
	__syncthreads();
	out[blockIdx.x * BUG_THREADS + threadIdx.x] = s[t + 1];
}

static __global__ void
k_unwritten(const float *x, float *out)
{
	SHARED(float, s, BUG_THREADS);
	int t = (int)threadIdx.x;

	if (t != 5)
		s[t] = x[t];
	__syncthreads();
	out[blockIdx.x * BUG_THREADS + threadIdx.x] = s[t ^ 1];
}

static __global__ void
k_global_beyond(const float *x, float *out)
{
	out[blockIdx.x * BUG_THREADS + threadIdx.x] = x[blockIdx.x * BUG_THREADS + threadIdx.x + 1];
}

static __global__ void
k_ldmatrix_unordered(const float *x, float *out)
{
	SHARED(bf16, s, 16 * 16);
	int t = (int)threadIdx.x % 32;
	uint32_t r[4];

	if (threadIdx.x >= 32)
		return;
	st4(s, 8 * t, ld4(x, 4 * (t % 8)));
	st4(s, 8 * t + 4, ld4(x, 4 * (t % 8)));
	ldmatrix_x4(r, &s[t % 16 * 16 + t / 16 * 8]);
	out[blockIdx.x * BUG_THREADS + threadIdx.x] = (float)r[0];
}

static __global__ void
k_ldmatrix_misaligned(const float *, float *)
{
	SHARED(bf16, s, 16 * 16);
	uint32_t r[4];

	ldmatrix_x4(r, &s[threadIdx.x % 16 * 8 + 1]);
}

static __global__ void
k_too_much_shared(const float *, float *out)
{
	SHARED(float, a, 10 * 1024);
	SHARED(float, b, 4 * 1024);

	a[threadIdx.x] = b[threadIdx.x] = out[threadIdx.x];
}

static void
launch_bug(bug_kernel kernel)
{
	device_array<float> x(ramp(2 * BUG_THREADS)), out(std::vector<float>(2 * BUG_THREADS, 0));

	LAUNCH(kernel, 2, BUG_THREADS, BUG_THREADS * sizeof(float), 0, x.at, out.at);
	(void)out.download();
}

static void
bug_ragged_warp(void)
{
	device_array<float> x(ramp(2 * BUG_THREADS));

	LAUNCH(k_partial_warp, 1, 16, 0, 0, x.at, x.at);
}

static void
bug_host_pointer(void)
{
	std::vector<float> x = ramp(2 * BUG_THREADS);
	device_array<float> out(x);

	LAUNCH(k_fine, 2, BUG_THREADS, 0, 0, x.data(), out.at);
}

static void
bug_host_reads_device(void)
{
	device_array<float> x(ramp(BUG_THREADS));

	*const_cast<volatile float *>(x.at) = 3;
}

static void
bug_pinned_changes(void)
{
	device_array<float> x(ramp(4));
	float *pinned;

	if (cudaMallocHost(&pinned, 16) != cudaSuccess)
		return;
	pinned[0] = 1;
	cudaMemcpyAsync(x.at, pinned, 16, cudaMemcpyHostToDevice, 0);
	pinned[0] = 2;
	cudaStreamSynchronize(0);
}

static bool
has(const std::string &text, const char *pattern)
{
	return text.find(pattern) != std::string::npos;
}

/* Runs in a child, stderr caught: whether it dies, with the pattern (NULL: a report of ASan or UBSan) in what it says. */
template <typename F>
static bool
dies(F f, const char *pattern)
{
	std::string said;
	char buf[4096];
	ssize_t n;
	int fd[2], status;
	pid_t pid;

	fflush(stdout);
	if (pipe(fd) != 0 || (pid = fork()) < 0)
		return false;
	if (pid == 0) {
		dup2(fd[1], 2);
		close(fd[0]);
		alarm(60);
		f();
		_exit(0);
	}
	close(fd[1]);
	while ((n = read(fd[0], buf, sizeof buf)) > 0)
		said.append(buf, (size_t)n);
	close(fd[0]);
	waitpid(pid, &status, 0);
	if (status != 0 && (pattern ? has(said, pattern) : has(said, "ERROR: AddressSanitizer") || has(said, "runtime error")))
		return true;
	printf("# status %#x, said: %.1500s\n", status, said.c_str());
	return false;
}

/* Whether the kernel's result is, in some order of execution, not what the kernel without the bug gives. */
static bool
shows(bug_kernel kernel, float (*want)(const std::vector<float> &x, int i))
{
	std::vector<float> x = ramp(2 * BUG_THREADS);
	bool wrong = false;

	for (const char *order : orders) {
		device_array<float> dx(x), out(std::vector<float>(2 * BUG_THREADS, 0));

		od_emu_schedule(order);
		LAUNCH(kernel, 2, BUG_THREADS, BUG_THREADS * sizeof(float), 0, dx.at, out.at);
		std::vector<float> got = out.download();
		for (int i = 0; i < 2 * BUG_THREADS; i++)
			wrong = wrong || !(got[(size_t)i] == want(x, i));
	}
	return wrong;
}

static const struct bug {
	const char *name, *pattern;          /* as for dies() */
	bug_kernel kernel;
	int by;                              /* the flavours that end the program */
} bugs[] = {
	{ "missing barrier", "emu: race: thread", k_missing_barrier, RACE },
	{ "overwritten before a barrier", "with no barrier since it was", k_early_overwrite, RACE },
	{ "a shuffle is no barrier", "with no barrier since it was written", k_shuffle_is_no_barrier, RACE },
	{ "divergent barrier", "meet in different barriers", k_divergent_barrier, ALL },
	{ "barrier after exits", "24 threads exited", k_exited, ALL },
	{ "partial warp", "waits for lanes 0xffffffff of which 0xffff came", k_partial_warp, ALL },
	{ "source lane outside of the mask", "which its mask 0xffff lacks", k_wrong_mask, ALL },
	{ "forgotten atomic", "with no barrier since", k_forgotten_atomic, RACE },
	{ "two blocks write one address", "of another block", k_same_address, RACE },
	{ "a block reads what another wrote", "of another block", k_reads_other_block, RACE },
	{ "missing cp_async_wait", "before cp_async_wait for the copy begun by", k_missing_wait, RACE },
	{ "cp_async_wait without barrier", "emu: race: thread", k_wait_without_barrier, RACE },
	{ "cp_async_16 beyond the source", "beyond an array", k_copies_beyond, RACE },
	{ "cp_async_16 beyond the source", NULL, k_copies_beyond, ASAN },
	{ "static shared beyond", "which is beyond an array", k_static_beyond, RACE },
	{ "static shared beyond", NULL, k_static_beyond, ASAN },
	{ "dynamic shared beyond", "which is beyond an array", k_dynamic_beyond, RACE },
	{ "dynamic shared beyond", NULL, k_dynamic_beyond, ASAN },
	{ "unwritten shared memory", "which this block has not written", k_unwritten, RACE },
	{ "global memory beyond", "which is beyond an array", k_global_beyond, RACE },
	{ "global memory beyond", NULL, k_global_beyond, ASAN },
	{ "ldmatrix of rows not yet shown", "with no barrier since", k_ldmatrix_unordered, RACE },
	{ "misaligned ldmatrix", "not 16-byte aligned", k_ldmatrix_misaligned, ALL },
	{ "too much static shared", "nvcc refuses", k_too_much_shared, ALL },
};

static float
neighbour33(const std::vector<float> &x, int i)
{
	return x[(size_t)(i ^ 33)];
}

static float
copied(const std::vector<float> &x, int i)
{
	return x[(size_t)(i % BUG_THREADS)];
}

static float
neighbour1(const std::vector<float> &x, int i)
{
	return x[(size_t)(i % BUG_THREADS ^ 1)];
}

int
main(void)
{
	od_emu_schedule("asc");
	for (const struct bug &b : bugs) {
		if (b.by & FLAVOUR)
			ok(dies([&b]() { launch_bug(b.kernel); }, b.pattern), b.name);
	}
	ok(dies(bug_ragged_warp, "names lanes beyond the block"), "full mask in a block of 16 threads");
	ok(dies(bug_pinned_changes, "was changed before"), "pinned memory changed before its copy was waited for");
	ok(!shows(k_fine, neighbour33), "a correct kernel is right in every order");
	if (FLAVOUR == RACE)
		ok(dies(bug_host_pointer, "memory of the host"), "kernel given host memory");
	if (FLAVOUR != PLAIN)
		ok(dies(bug_host_reads_device, FLAVOUR == RACE ? "the host" : NULL), "host touches device memory");
	if (FLAVOUR == RACE)
		return done();
	ok(shows(k_missing_barrier, neighbour33), "missing barrier shows in some order");
	ok(shows(k_early_overwrite, neighbour33), "early overwrite shows in some order");
	ok(shows(k_missing_wait, copied), "missing cp_async_wait shows");
	ok(shows(k_unwritten, neighbour1), "unwritten shared memory shows");
	return done();
}
