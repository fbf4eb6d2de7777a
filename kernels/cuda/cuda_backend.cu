/* cuda_backend.cu -- opens a GPU: device, stream, cuBLASLt, memory operations, the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blas.h"
#include "cuda.h"

/* Uploads pass through pinned memory, so that the host may reuse its own at once and the copy runs behind it. */
enum { PINNED = 16 << 20 };

/* Device memory that the backend itself will take: workspace of products, tiles of the LM head, work lists. */
#define OWN_MEMORY ((int64_t)768 << 20)

struct cuda_state {
	struct cuda_ctx ctx;                   /* first: cuda_ctx() finds it */
	char *pinned;
	size_t pinned_used;
};

static struct cuda_state *
state(struct od_backend *be)
{
	return static_cast<struct cuda_state *>(be->ctx);
}

int
od_cuda_check(struct cuda_ctx *ctx, cudaError_t e, const char *what)
{
	if (e == cudaSuccess)
		return 1;
	if (!ctx->failed)
		snprintf(ctx->message, sizeof ctx->message, "%s: %s", what, cudaGetErrorString(e));
	ctx->failed = 1;
	return 0;
}

/* ---- memory ---- */

void *
od_cuda_alloc(struct od_backend *be, size_t bytes)
{
	void *p = NULL;

	(void)be;
	if (cudaMalloc(&p, bytes ? bytes : 1) == cudaSuccess)
		return p;
	(void)cudaGetLastError();              /* a refusal is the caller's to report, and no failure of the device */
	return NULL;
}

void
od_cuda_free(struct od_backend *be, void *p)
{
	if (p)
		od_cuda_check(cuda_ctx(be), cudaFree(p), "cannot free memory");
}

void *
od_cuda_scratch(struct cuda_ctx *ctx, enum cuda_scratch_slot slot, size_t bytes)
{
	if (bytes <= ctx->scratch[slot].bytes)
		return ctx->scratch[slot].data;
	bytes += bytes / 8;                    /* token counts creep up: not a new block for each */
	if (ctx->scratch[slot].data)
		cudaFree(ctx->scratch[slot].data);     /* waits for the kernels that use it */
	ctx->scratch[slot].data = NULL;
	ctx->scratch[slot].bytes = 0;
	if (!od_cuda_check(ctx, cudaMalloc(&ctx->scratch[slot].data, bytes), "no memory for scratch"))
		return NULL;
	ctx->scratch[slot].bytes = bytes;
	return ctx->scratch[slot].data;
}

/* Room for 'bytes' of pinned memory that no copy still reads. */
static char *
pinned_room(struct cuda_state *s, size_t bytes)
{
	if (s->pinned_used + bytes > PINNED) {
		od_cuda_check(&s->ctx, cudaStreamSynchronize(s->ctx.stream), "upload");
		s->pinned_used = 0;
	}
	s->pinned_used += bytes;
	return s->pinned + s->pinned_used - bytes;
}

void
od_cuda_upload(struct od_backend *be, void *dev, const void *host, size_t bytes)
{
	struct cuda_state *s = state(be);

	for (size_t at = 0, n; at < bytes; at += n) {
		char *via;

		n = bytes - at < PINNED / 4 ? bytes - at : PINNED / 4;
		via = pinned_room(s, n);
		memcpy(via, static_cast<const char *>(host) + at, n);
		od_cuda_check(&s->ctx, cudaMemcpyAsync(static_cast<char *>(dev) + at, via, n, cudaMemcpyHostToDevice, s->ctx.stream),
			"upload");
	}
}

void
od_cuda_download(struct od_backend *be, void *host, const void *dev, size_t bytes)
{
	struct cuda_state *s = state(be);

	if (bytes)
		od_cuda_check(&s->ctx, cudaMemcpyAsync(host, dev, bytes, cudaMemcpyDeviceToHost, s->ctx.stream), "download");
	od_cuda_check(&s->ctx, cudaStreamSynchronize(s->ctx.stream), "waiting for the device");
	s->pinned_used = 0;
}

void
od_cuda_zero(struct od_backend *be, void *dev, size_t bytes)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (bytes)
		od_cuda_check(ctx, cudaMemsetAsync(dev, 0, bytes, ctx->stream), "zero");
}

int
od_cuda_ok(struct od_backend *be)
{
	return !cuda_ctx(be)->failed;
}

const char *
od_cuda_failure(struct od_backend *be)
{
	return cuda_ctx(be)->message;
}

int64_t
od_cuda_room(struct od_backend *be)
{
	size_t left = 0, all = 0;

	if (!od_cuda_check(cuda_ctx(be), cudaMemGetInfo(&left, &all), "asking for free memory"))
		return 0;
	return (int64_t)left > OWN_MEMORY ? (int64_t)left - OWN_MEMORY : 0;
}

/* ---- opening ---- */

/* "cuda" is device 0, "cuda:N" device N; -1: neither. */
static int
device_number(const char *name)
{
	char *end;
	long n;

	if (!strcmp(name, "cuda"))
		return 0;
	n = strtol(name + 5, &end, 10);
	return name[4] == ':' && name[5] >= '0' && name[5] <= '9' && !*end && n < 1024 ? (int)n : -1;
}

/* "13.0" of 13000 */
static void
version_text(char text[16], int v)
{
	snprintf(text, 16, "%d.%d", v / 1000, v % 1000 / 10);
}

static enum od_status
no_driver(const char *name, struct od_error *err)
{
	char need[16], have[16];
	int runtime = 0, driver = 0;

	cudaRuntimeGetVersion(&runtime);
	cudaDriverGetVersion(&driver);
	version_text(need, runtime);
	version_text(have, driver);
	if (driver == 0)
		return od_fail(err, OD_ESUPPORT, "cannot open device '%s': no NVIDIA driver is installed here (--device cpu needs "
			"none)", name);
	return od_fail(err, OD_ESUPPORT, "cannot open device '%s': the NVIDIA driver serves CUDA %s, this program needs %s", name,
		have, need);
}

static enum od_status
find_device(const char *name, int *device, struct cudaDeviceProp *prop, struct od_error *err)
{
	int count = 0, n = device_number(name);
	cudaError_t e = cudaGetDeviceCount(&count);

	if (n < 0)
		return od_fail(err, OD_EUSAGE, "unknown device '%s': choose cpu, cuda or cuda:N", name);
	if (e == cudaErrorInsufficientDriver)
		return no_driver(name, err);
	if (e != cudaSuccess && e != cudaErrorNoDevice)
		return od_fail(err, OD_ESUPPORT, "cannot open device '%s': %s", name, cudaGetErrorString(e));
	if (n >= count)
		return od_fail(err, OD_ESUPPORT, "cannot open device '%s': this machine has %d GPU%s", name, count,
			count == 1 ? "" : "s");
	e = cudaSetDevice(n);
	if (e == cudaSuccess)
		e = cudaGetDeviceProperties(prop, n);
	if (e != cudaSuccess)
		return od_fail(err, OD_ESUPPORT, "cannot open device '%s': %s", name, cudaGetErrorString(e));
	if (prop->major < 8)
		return od_fail(err, OD_ESUPPORT, "cannot open device '%s': the kernels need compute capability 8.0, '%s' has %d.%d",
			name, prop->name, prop->major, prop->minor);
	*device = n;
	return OD_OK;
}

static void
fill_table(struct od_backend *be)
{
#define OD_OP(ret, op, args) be->op = od_cuda_##op;
#include "ops.def"
#undef OD_OP
}

static void
name_backend(struct od_backend *be, const struct cudaDeviceProp *prop, enum od_compute compute)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	const char *numbers = compute == OD_COMPUTE_FP32 ? "fp32" : compute == OD_COMPUTE_TF32 ? "tf32" : "bf16";

	snprintf(ctx->name, sizeof ctx->name, "cuda:%d", ctx->device);
	snprintf(ctx->numerics, sizeof ctx->numerics, "cuda %s cublaslt-%s sm_%d%d/%d k1", numbers,
		od_cuda_blas_version(ctx->blas), prop->major, prop->minor, prop->multiProcessorCount);
	be->name = ctx->name;
	be->numerics = ctx->numerics;
}

static enum od_status
open_parts(struct cuda_state *s, const char *name, bool tf32, struct od_error *err)
{
	char why[200];
	cudaError_t e = cudaStreamCreateWithFlags(&s->ctx.stream, cudaStreamNonBlocking);

	if (e == cudaSuccess)
		e = cudaMallocHost(reinterpret_cast<void **>(&s->pinned), PINNED);
	if (e != cudaSuccess)
		return od_fail(err, OD_ESUPPORT, "cannot open device '%s': %s", name, cudaGetErrorString(e));
	s->ctx.blas = od_cuda_blas_open(tf32, why, sizeof why);
	if (!s->ctx.blas)
		return od_fail(err, OD_ESUPPORT, "cannot open device '%s': %s", name, why);
	return OD_OK;
}

extern "C" void
od_cuda_close(struct od_backend *be)
{
	struct cuda_state *s = state(be);

	od_cuda_blas_close(s->ctx.blas);
	od_cuda_tiles_free(&s->ctx);
	od_cuda_group_free(&s->ctx);
	for (int i = 0; i < N_CUDA_SCRATCH_SLOTS; i++)
		cudaFree(s->ctx.scratch[i].data);
	if (s->pinned)
		cudaFreeHost(s->pinned);
	if (s->ctx.stream)
		cudaStreamDestroy(s->ctx.stream);
	free(be);
}

extern "C" enum od_status
od_cuda_open(struct od_backend **out, const char *name, enum od_compute compute, struct od_error *err)
{
	struct cudaDeviceProp prop;
	struct od_backend *be;
	struct cuda_state *s;
	int device = 0;
	enum od_status st = find_device(name, &device, &prop, err);

	if (st != OD_OK)
		return st;
	be = static_cast<struct od_backend *>(calloc(1, sizeof *be + sizeof *s));
	if (!be)
		return od_fail_nomem(err, "the CUDA backend", sizeof *be + sizeof *s);
	s = reinterpret_cast<struct cuda_state *>(be + 1);
	be->ctx = s;
	s->ctx.device = device;
	compute = compute == OD_COMPUTE_AUTO ? OD_COMPUTE_BF16 : compute;
	st = open_parts(s, name, compute == OD_COMPUTE_TF32, err);
	if (st != OD_OK) {
		od_cuda_close(be);
		return st;
	}
	be->type = compute == OD_COMPUTE_BF16 ? OD_BF16 : OD_F32;
	be->host_memory = false;
	fill_table(be);
	be->group = &od_cuda_group_ops;
	name_backend(be, &prop, compute);
	*out = be;
	return OD_OK;
}
