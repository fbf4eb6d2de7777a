/* nccl.cu -- backend.h's collectives between devices, by NCCL.
 *
 * They run on a stream of their own: each waits for what the backend has queued so far (an event), and settle() makes the
 * backend's stream wait for them. So gradients of the last layers travel while backward computes those of the first.
 *
 * The ranges of the processes follow each other. Where all are as long as the first, one reduce-scatter or all-gather moves
 * them; else (a part that does not divide) each range goes to or from its owner on its own, all in one group.
 */
#include "nccl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __CUDACC__
#include <dlfcn.h>
#endif

#include "cuda.h"

/* The functions used, by their names without "nccl". */
#define NCCL_FUNCTIONS(X)                                                                                                   \
	X(GetVersion) X(GetUniqueId) X(CommInitRank) X(CommDestroy) X(ReduceScatter) X(AllGather) X(Reduce) X(Broadcast)    \
	X(GroupStart) X(GroupEnd) X(GetErrorString)

struct cuda_group {
#define X(name) decltype(&nccl##name) name;
	NCCL_FUNCTIONS(X)
#undef X
	void *library;
	ncclComm_t comm;
	cudaStream_t stream;
	cudaEvent_t ready, done;               /* the backend's work so far; the collectives' */
	int rank, n;
};

/* ---- opening ---- */

#ifdef __CUDACC__
static bool
find_functions(struct cuda_group *g, struct od_error *err)
{
	g->library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
	if (!g->library) {
		od_fail(err, OD_ESUPPORT, "NCCL is not installed: %s", dlerror());
		return false;
	}
#define X(name)                                                                                                             \
	g->name = reinterpret_cast<decltype(g->name)>(dlsym(g->library, "nccl" #name));                                     \
	if (!g->name) {                                                                                                     \
		od_fail(err, OD_ESUPPORT, "this NCCL has no function nccl" #name);                                          \
		return false;                                                                                               \
	}
	NCCL_FUNCTIONS(X)
#undef X
	return true;
}
#else
static bool
find_functions(struct cuda_group *g, struct od_error *)
{
#define X(name) g->name = nccl##name;
	NCCL_FUNCTIONS(X)
#undef X
	return true;
}
#endif

void
od_cuda_group_free(struct cuda_ctx *ctx)
{
	struct cuda_group *g = ctx->group;

	if (!g)
		return;
	if (g->comm)
		g->CommDestroy(g->comm);
	if (g->ready)
		cudaEventDestroy(g->ready);
	if (g->done)
		cudaEventDestroy(g->done);
	if (g->stream)
		cudaStreamDestroy(g->stream);
	/* the library stays: it has threads of its own */
	free(g);
	ctx->group = NULL;
}

/* The library's functions, found once. */
static enum od_status
open_group(struct cuda_ctx *ctx, struct od_error *err)
{
	if (ctx->group)
		return OD_OK;
	ctx->group = static_cast<struct cuda_group *>(calloc(1, sizeof *ctx->group));
	if (!ctx->group)
		return od_fail_nomem(err, "a group of devices", sizeof *ctx->group);
	if (find_functions(ctx->group, err))
		return OD_OK;
	od_cuda_group_free(ctx);
	return OD_ESUPPORT;
}

static enum od_status
check(struct cuda_group *g, ncclResult_t r, const char *what, struct od_error *err)
{
	return r == 0 ? OD_OK : od_fail(err, OD_ESYS, "the devices of the ranks: %s: %s", what, g->GetErrorString(r));
}

static enum od_status
identity(struct od_backend *be, unsigned char id[OD_GROUP_ID], struct od_error *err)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	ncclUniqueId u;
	enum od_status st = open_group(ctx, err);

	static_assert(sizeof u == OD_GROUP_ID, "an identity has NCCL's size");
	if (st == OD_OK && ctx->group->GetUniqueId(&u) != 0)
		st = od_fail(err, OD_ESUPPORT, "NCCL cannot start");
	if (st == OD_OK)
		memcpy(id, &u, sizeof u);
	return st;
}

static enum od_status
join(struct od_backend *be, const unsigned char id[OD_GROUP_ID], int rank, int n, struct od_error *err)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	ncclUniqueId u;
	cudaError_t e;
	enum od_status st = open_group(ctx, err);

	if (st != OD_OK)
		return st;
	memcpy(&u, id, sizeof u);
	ctx->group->rank = rank;
	ctx->group->n = n;
	e = cudaStreamCreateWithFlags(&ctx->group->stream, cudaStreamNonBlocking);
	if (e == cudaSuccess)
		e = cudaEventCreateWithFlags(&ctx->group->ready, cudaEventDisableTiming);
	if (e == cudaSuccess)
		e = cudaEventCreateWithFlags(&ctx->group->done, cudaEventDisableTiming);
	if (e != cudaSuccess)
		return od_fail(err, OD_ESYS, "the devices of the ranks: %s", cudaGetErrorString(e));
	return check(ctx->group, ctx->group->CommInitRank(&ctx->group->comm, n, u, rank), "joining", err);
}

/* ---- moving ---- */

/* One stream sees what the other has queued so far. */
static enum od_status
follow(cudaStream_t later, cudaStream_t earlier, cudaEvent_t event, struct od_error *err)
{
	cudaError_t e = cudaEventRecord(event, earlier);

	if (e == cudaSuccess)
		e = cudaStreamWaitEvent(later, event, 0);
	return e == cudaSuccess ? OD_OK : od_fail(err, OD_ESYS, "the devices of the ranks: %s", cudaGetErrorString(e));
}

static bool
all_alike(const struct cuda_group *g, const int64_t *first, const int64_t *count)
{
	for (int k = 1; k < g->n; k++)
		if (count[k] != count[0] || first[k] != first[0] + k * count[0])
			return false;
	return true;
}

static ncclResult_t
reduce_each(struct cuda_group *g, float *x, const int64_t *first, const int64_t *count)
{
	ncclResult_t r = g->GroupStart(), end;

	for (int k = 0; k < g->n && r == 0; k++)
		if (count[k])
			r = g->Reduce(x + first[k], x + first[k], (size_t)count[k], OD_NCCL_FLOAT, OD_NCCL_SUM, k, g->comm,
				g->stream);
	end = g->GroupEnd();
	return r ? r : end;
}

static ncclResult_t
gather_each(struct cuda_group *g, char *x, size_t size, int type, const int64_t *first, const int64_t *count)
{
	ncclResult_t r = g->GroupStart(), end;

	for (int k = 0; k < g->n && r == 0; k++)
		if (count[k])
			r = g->Broadcast(x + (size_t)first[k] * size, x + (size_t)first[k] * size, (size_t)count[k], type, k,
				g->comm, g->stream);
	end = g->GroupEnd();
	return r ? r : end;
}

static enum od_status
reduce(struct od_backend *be, float *x, const int64_t *first, const int64_t *count, struct od_error *err)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	struct cuda_group *g = ctx->group;
	enum od_status st = follow(g->stream, ctx->stream, g->ready, err);
	ncclResult_t r;

	if (st != OD_OK)
		return st;
	if (all_alike(g, first, count) && count[0])
		r = g->ReduceScatter(x + first[0], x + first[g->rank], (size_t)count[0], OD_NCCL_FLOAT,
			OD_NCCL_SUM, g->comm, g->stream);
	else
		r = reduce_each(g, x, first, count);
	return check(g, r, "a reduction", err);
}

static enum od_status
gather(struct od_backend *be, void *x, enum od_dtype type, const int64_t *first, const int64_t *count, struct od_error *err)
{
	struct cuda_ctx *ctx = cuda_ctx(be);
	struct cuda_group *g = ctx->group;
	int kind = type == OD_BF16 ? OD_NCCL_BFLOAT16 : OD_NCCL_FLOAT;
	size_t size = od_dtype_size(type);
	char *base = static_cast<char *>(x);
	enum od_status st = follow(g->stream, ctx->stream, g->ready, err);
	ncclResult_t r;

	if (st != OD_OK)
		return st;
	if (all_alike(g, first, count) && count[0])
		r = g->AllGather(base + (size_t)first[g->rank] * size, base + (size_t)first[0] * size, (size_t)count[0], kind,
			g->comm, g->stream);
	else
		r = gather_each(g, base, size, kind, first, count);
	return check(g, r, "a gathering", err);
}

static enum od_status
settle(struct od_backend *be, struct od_error *err)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	return follow(ctx->stream, ctx->group->stream, ctx->group->done, err);
}

const struct od_group_ops od_cuda_group_ops = { identity, join, reduce, gather, settle };
