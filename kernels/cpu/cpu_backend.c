/* cpu_backend.c -- opens the CPU backend: threads, instruction set, memory operations. */
#include "cpu/cpu.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "cpu/simd.h"
#include "ref/ref.h"

/* Large blocks ask for huge pages: fewer faults on first touch, fewer misses of the address cache. */
static void *
allocate(size_t bytes)
{
	enum { HUGE = 2 << 20 };
	size_t align = bytes >= 2 * HUGE ? HUGE : 4096, size;
	void *p;

	if (bytes > SIZE_MAX - 2 * HUGE)
		return NULL;
	size = (bytes / align + 1) * align;
	p = aligned_alloc(align, size);
	if (p && align == HUGE)
		(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static void *
cpu_alloc(struct od_backend *be, size_t bytes)
{
	(void)be;
	return allocate(bytes);
}

void *
od_cpu_scratch(struct cpu_ctx *ctx, enum cpu_scratch_slot slot, size_t bytes)
{
	void *p;

	if (bytes <= ctx->scratch[slot].bytes)
		return ctx->scratch[slot].data;
	bytes += bytes / 8;            /* token counts creep up: not a new block for each */
	p = allocate(bytes);
	if (!p) {
		ctx->failed = 1;
		return NULL;
	}
	free(ctx->scratch[slot].data);
	ctx->scratch[slot].data = p;
	ctx->scratch[slot].bytes = bytes;
	return p;
}

static int
cpu_ok(struct od_backend *be)
{
	return !cpu_ctx(be)->failed;
}

static const char *
cpu_failure(struct od_backend *be)
{
	(void)be;
	return "out of memory";
}

static void
cpu_gemm_add(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x)
{
	if (a.type == OD_BF16 && a.cols > 0) {
		od_cpu_gemm_bf16(cpu_ctx(be), out, a, 0, b, 1, 0, x);
		return;
	}
	be->gemm(be, out, a, 0, b, 1, 0);
	be->add(be, out, x);
}

/* Cleared by all threads, so that first-touch spreads the pages over the memory of their processors. */
static void
cpu_zero(struct od_backend *be, void *dev, size_t bytes)
{
	enum { BLOCK = 1 << 20 };
	int64_t n = (int64_t)(bytes / BLOCK);

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (n > 1)
	for (int64_t i = 0; i < n; i++)
		memset((char *)dev + i * BLOCK, 0, BLOCK);
	memset((char *)dev + n * BLOCK, 0, bytes % BLOCK);
}

static int
can_run(const struct cpu_kernels *k)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (k == &od_cpu_kernels_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
	if (k == &od_cpu_kernels_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return k == &od_cpu_kernels_plain;
}

static const struct cpu_kernels *const all_kernels[] = {
#if defined(__x86_64__)
	&od_cpu_kernels_avx512, &od_cpu_kernels_avx2,
#endif
	&od_cpu_kernels_plain
};

#define N_KERNELS ((int)(sizeof all_kernels / sizeof *all_kernels))

/* Number i of the tables this processor can run, best first; NULL behind the last. */
static const struct cpu_kernels *
usable_kernels(int i)
{
	for (int k = 0; k < N_KERNELS; k++)
		if (can_run(all_kernels[k]) && i-- == 0)
			return all_kernels[k];
	return NULL;
}

/* The processors this process may run on: what a container or a batch system left it. */
static int
count_processors(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 1)
		return omp_get_num_procs();
	return CPU_COUNT(&set);
}

static void
fill_table(struct od_backend *be, const struct cpu_kernels *k)
{
	cpu_ctx(be)->k = k;
	be->alloc = cpu_alloc;
	be->free = od_ref_free;
	be->upload = od_ref_upload;
	be->download = od_ref_download;
	be->zero = cpu_zero;
	be->ok = cpu_ok;
	be->failure = cpu_failure;
	be->room = od_ref_room;
	be->cast = k->cast;
	be->gemm = od_cpu_gemm;
	be->gemm_add = cpu_gemm_add;
	be->embed_fwd = k->embed_fwd;
	be->embed_bwd = k->embed_bwd;
	be->norm_fwd = k->norm_fwd;
	be->norm_bwd = k->norm_bwd;
	be->bias_fwd = k->bias_fwd;
	be->bias_bwd = k->bias_bwd;
	be->add = k->add;
	be->rope = k->rope;
	be->glu_fwd = k->glu_fwd;
	be->glu_bwd = k->glu_bwd;
	be->attn_fwd = k->attn_fwd;
	be->attn_bwd = k->attn_bwd;
	be->gather = k->gather;
	be->scatter_add = k->scatter_add;
	be->head_fwd = od_cpu_head_fwd;
	be->head_bwd = od_cpu_head_bwd;
	be->dots = od_cpu_dots;
	be->kv_put = k->kv_put;
	be->attn_paged = k->attn_paged;
	be->sum_squares = k->sum_squares;
	be->adamw = k->adamw;
}

/* Products by oneDNN: its version stands for the whole; else the instruction set of our own. */
static void
name_numerics(struct od_backend *be)
{
	struct cpu_ctx *ctx = cpu_ctx(be);

	if (be->type == OD_BF16)
		snprintf(ctx->numerics, sizeof ctx->numerics, "cpu bf16 %s %s k1", ctx->bf16->name, ctx->k->name);
	else
		snprintf(ctx->numerics, sizeof ctx->numerics, "cpu fp32 %s k2", ctx->gemm ? od_gemm_library() : ctx->k->name);
}

static int
can_run_bf16(const struct bf16_kernels *b)
{
#if defined(__x86_64__)
	if (b == &od_bf16_amx)                 /* amx-tile, amx-bf16: bits of leaf 7 that this compiler's builtin knows */
		return can_run_bf16(&od_bf16_avx512bf16) && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
			od_bf16_amx_usable();
	if (b == &od_bf16_avx512bf16)
		return can_run(&od_cpu_kernels_avx512) && __builtin_cpu_supports("avx512bf16");
#endif
	return 0;
}

/* Number i of the bf16 products: 0 AMX, 1 vdpbf16ps, 2 emulated; NULL where this processor has not got it. */
static const struct bf16_kernels *
bf16_products(const struct cpu_kernels *k, int i)
{
#if defined(__x86_64__)
	static const struct bf16_kernels *const own[] = { &od_bf16_amx, &od_bf16_avx512bf16 };

	if (i < 2)
		return can_run_bf16(own[i]) ? own[i] : NULL;
#endif
	return i == 2 ? &k->bf16 : NULL;
}

static const struct bf16_kernels *
best_bf16(const struct cpu_kernels *k)
{
	const struct bf16_kernels *best = NULL;

	for (int i = 0; !best; i++)
		best = bf16_products(k, i);
	return best;
}

/* AMX multiplies eight times as fast as fp32 is; vdpbf16ps twice on AMD's processors, but half as fast on Intel's (measured
 * on two cores of a Xeon with both: 2,400, 175 and 330 GFLOP/s in fp32). */
int
od_cpu_prefers_bf16(void)
{
#if defined(__x86_64__)
	return can_run_bf16(&od_bf16_amx) || (can_run_bf16(&od_bf16_avx512bf16) && !__builtin_cpu_is("intel"));
#else
	return 0;
#endif
}

enum od_status
od_cpu_open(struct od_backend **out, enum od_compute compute, int threads, struct od_error *err)
{
	struct od_backend *be = od_calloc(1, sizeof *be + sizeof(struct cpu_ctx));
	struct cpu_ctx *ctx = (struct cpu_ctx *)(be + 1);
	enum od_status st;

	if (!be)
		return od_fail_nomem(err, "backend 'cpu'", sizeof *be + sizeof *ctx);
	ctx->threads = threads > 0 ? threads : count_processors();
	omp_set_num_threads(ctx->threads);
	be->ctx = ctx;
	fill_table(be, usable_kernels(0));
	st = compute == OD_COMPUTE_BF16 ? OD_OK : od_gemm_cache_open(&ctx->gemm, ctx->threads, err);
	if (st != OD_OK) {
		free(be);
		return st;
	}
	ctx->bf16 = best_bf16(ctx->k);
	be->name = "cpu";
	be->numerics = ctx->numerics;
	be->type = compute == OD_COMPUTE_BF16 ? OD_BF16 : OD_F32;
	name_numerics(be);
	be->host_memory = true;
	*out = be;
	return OD_OK;
}

int
od_cpu_variant(struct od_backend *be, int i, int own_gemm)
{
	struct cpu_ctx *ctx = cpu_ctx(be);
	const struct cpu_kernels *k = usable_kernels(i);

	if (!k)
		return 0;
	fill_table(be, k);
	ctx->bf16 = best_bf16(k);
	if (own_gemm) {
		od_gemm_cache_close(ctx->gemm);
		ctx->gemm = NULL;
	}
	name_numerics(be);
	return 1;
}

int
od_cpu_bf16_variant(struct od_backend *be, int i)
{
	struct cpu_ctx *ctx = cpu_ctx(be);
	const struct bf16_kernels *b = bf16_products(ctx->k, i);

	if (b)
		ctx->bf16 = b;
	name_numerics(be);
	return b != NULL;
}

void
od_cpu_close(struct od_backend *be)
{
	struct cpu_ctx *ctx = cpu_ctx(be);

	od_gemm_cache_close(ctx->gemm);
	for (int i = 0; i < N_SCRATCH_SLOTS; i++)
		free(ctx->scratch[i].data);
	free(be);
}
