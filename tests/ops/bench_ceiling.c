/* bench_ceiling.c -- how quick matrix products get on this processor: oneDNN's in plain row-major layouts beside our own at
 * the shapes of SmolLM2-135M, and a square one. A JSON line for each measurement.
 *
 *   bench_ceiling [--reps N] [--threads N] [--tokens T] [--vocab V] [--seconds S] [--dtype fp32|bf16]
 *
 * Per weight matrix W[n, k]: x W^T, dY W and dY^T x over T tokens (750: two packed pairs; of the LM head four fifths of them,
 * those of responses). "times" is how often the model computes it, 0 for the square one. Each measurement runs for about S
 * seconds (0.1) after one run that is not counted; both sides take turns, repetition by repetition. oneDNN gets the whole
 * product as one primitive on all threads, which is its own best; where it has no bf16, there are no such lines of it.
 * In bf16 all matrices are, but for the gradient of weights, which is fp32.
 */
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend.h"

#if DNNL_VERSION_MAJOR >= 3
#define MD(x)        (x)      /* descriptors are handles there, structs in version 2 */
#else
#define MD(x)        (&(x))
#endif

enum { D = 576, F = 1536, QKV = 576 + 2 * 192, LAYERS = 30, SQUARE = 1536 };

/* out[m, n] = op(a) op(b) */
struct product {
	char name[32];
	int64_t m, n, k;
	int trans_a, trans_b, times;
};

struct primitive {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	dnnl_primitive_t prim;
	dnnl_memory_desc_t md[3];
	dnnl_memory_t mem[3];
	char impl[64];
};

struct options {
	int reps, threads;
	int64_t tokens, vocab;
	double seconds;
	const char *dtype;
};

/* What a timed run needs, whoever computes. */
struct work {
	const struct product *p;
	struct od_backend *be;         /* NULL: oneDNN */
	struct primitive *prim;
	struct od_mat out, a, b;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *
need(void *p)
{
	if (!p) {
		fprintf(stderr, "bench_ceiling: out of memory\n");
		exit(1);
	}
	return p;
}

/* Numbers of about 0.01 to 1, of either type. */
static struct od_mat
filled(int64_t rows, int64_t cols, enum od_dtype type)
{
	size_t n = (size_t)(rows * cols);
	void *x = need(aligned_alloc(4096, (n * od_dtype_size(type) / 4096 + 1) * 4096));

	for (size_t i = 0; i < n; i++)
		if (type == OD_BF16)
			((uint16_t *)x)[i] = (uint16_t)(0x3c00 + i * 7919 % 0x380 + (i & 1) * 0x8000);
		else
			((float *)x)[i] = (float)(i * 7919 % 1013) / 1013 - 0.5f;
	return od_mat_of(x, type, rows, cols);
}

/* ---- oneDNN ------------------------------------------------------------------------------------------------------------ */

static dnnl_status_t
describe(dnnl_memory_desc_t *out, int64_t rows, int64_t cols, int trans, enum od_dtype type)
{
	dnnl_dims_t dims = { rows, cols }, strides = { trans ? 1 : cols, trans ? rows : 1 };
	dnnl_data_type_t t = type == OD_BF16 ? dnnl_bf16 : dnnl_f32;

#if DNNL_VERSION_MAJOR >= 3
	return dnnl_memory_desc_create_with_strides(out, 2, dims, t, strides);
#else
	return dnnl_memory_desc_init_by_strides(out, 2, dims, t, strides);
#endif
}

static dnnl_status_t
choose_kernel(dnnl_primitive_desc_t *out, struct primitive *p)
{
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_matmul_primitive_desc_create(out, p->engine, p->md[0], p->md[1], NULL, p->md[2], NULL);
#else
	dnnl_matmul_desc_t desc;
	dnnl_status_t st = dnnl_matmul_desc_init(&desc, &p->md[0], &p->md[1], NULL, &p->md[2]);

	return st == dnnl_success ? dnnl_primitive_desc_create(out, &desc, NULL, p->engine, NULL) : st;
#endif
}

static void
close_primitive(struct primitive *p)
{
	if (p->prim)
		dnnl_primitive_destroy(p->prim);
	for (int i = 0; i < 3; i++) {
		if (p->mem[i])
			dnnl_memory_destroy(p->mem[i]);
#if DNNL_VERSION_MAJOR >= 3
		dnnl_memory_desc_destroy(p->md[i]);
#endif
	}
	if (p->stream)
		dnnl_stream_destroy(p->stream);
	if (p->engine)
		dnnl_engine_destroy(p->engine);
}

/* 0 where oneDNN has no such product; p is to be closed in either case. */
static int
open_primitive(struct primitive *p, const struct work *w)
{
	const struct product *s = w->p;
	const struct od_mat mats[] = { w->a, w->b, w->out };
	dnnl_primitive_desc_t pd = NULL;
	const char *impl = "";
	int good;

	*p = (struct primitive){ 0 };
	if (dnnl_engine_create(&p->engine, dnnl_cpu, 0) != dnnl_success ||
	    dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) != dnnl_success ||
	    describe(&p->md[0], s->m, s->k, s->trans_a, w->a.type) != dnnl_success ||
	    describe(&p->md[1], s->k, s->n, s->trans_b, w->b.type) != dnnl_success ||
	    describe(&p->md[2], s->m, s->n, 0, w->out.type) != dnnl_success || choose_kernel(&pd, p) != dnnl_success)
		return 0;
	good = dnnl_primitive_create(&p->prim, pd) == dnnl_success;
	if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl) == dnnl_success)
		snprintf(p->impl, sizeof p->impl, "%s", impl);
	dnnl_primitive_desc_destroy(pd);
	for (int i = 0; good && i < 3; i++)
		good = dnnl_memory_create(&p->mem[i], MD(p->md[i]), p->engine, mats[i].data) == dnnl_success;
	return good;
}

/* ---- timing ------------------------------------------------------------------------------------------------------------ */

static int
compute(const struct work *w)
{
	dnnl_exec_arg_t args[3];

	if (w->be) {
		w->be->gemm(w->be, w->out, w->a, w->p->trans_a, w->b, w->p->trans_b, 0);
		return w->be->ok(w->be);
	}
	args[0] = (dnnl_exec_arg_t){ DNNL_ARG_SRC, w->prim->mem[0] };
	args[1] = (dnnl_exec_arg_t){ DNNL_ARG_WEIGHTS, w->prim->mem[1] };
	args[2] = (dnnl_exec_arg_t){ DNNL_ARG_DST, w->prim->mem[2] };
	return dnnl_primitive_execute(w->prim->prim, w->prim->stream, 3, args) == dnnl_success &&
		dnnl_stream_wait(w->prim->stream) == dnnl_success;
}

static void
measure(const struct options *o, const struct work *w, int rep, const char *impl)
{
	const struct product *p = w->p;
	double flops = 2.0 * (double)p->m * (double)p->n * (double)p->k, from, took;
	int n = 0, good = compute(w);

	from = now();
	do {
		good = good && compute(w);
		n++;
		took = now() - from;
	} while (good && took < o->seconds);
	if (!good) {
		fprintf(stderr, "bench_ceiling: %s failed\n", p->name);
		exit(1);
	}
	printf("{\"product\":\"%s\",\"shape\":\"%lldx%lldx%lld\",\"dtype\":\"%s\",\"who\":\"%s\",\"rep\":%d,\"gflops\":%.2f,"
		"\"flops\":%.0f,\"times\":%d,\"runs\":%d,\"impl\":\"%s\"}\n", p->name, (long long)p->m, (long long)p->n,
		(long long)p->k, w->a.type == OD_BF16 ? "bf16" : "fp32", w->be ? "omni-dpo" : "onednn", rep,
		flops * n / took * 1e-9, flops, p->times, n, impl);
	fflush(stdout);
}

static void
bench(const struct options *o, const struct product *p, struct od_backend *be, int rep)
{
	enum od_dtype type = be->type;
	struct primitive prim;
	struct work w = { p, NULL, &prim, filled(p->m, p->n, p->trans_a ? OD_F32 : type),
		p->trans_a ? filled(p->k, p->m, type) : filled(p->m, p->k, type),
		p->trans_b ? filled(p->n, p->k, type) : filled(p->k, p->n, type) };

	if (open_primitive(&prim, &w))
		measure(o, &w, rep, prim.impl);
	close_primitive(&prim);
	w.be = be;
	measure(o, &w, rep, be->numerics);
	free(w.out.data);
	free(w.a.data);
	free(w.b.data);
}

/* ---- what is measured -------------------------------------------------------------------------------------------------- */

static size_t
add_weight(struct product *to, const char *name, int64_t tokens, int64_t n, int64_t k, int times)
{
	to[0] = (struct product){ .m = tokens, .n = n, .k = k, .trans_b = 1, .times = times };
	to[1] = (struct product){ .m = tokens, .n = k, .k = n, .times = times };
	to[2] = (struct product){ .m = n, .n = k, .k = tokens, .trans_a = 1, .times = times };
	snprintf(to[0].name, sizeof to->name, "%s x W^T", name);
	snprintf(to[1].name, sizeof to->name, "%s dY W", name);
	snprintf(to[2].name, sizeof to->name, "%s dY^T x", name);
	return 3;
}

static size_t
list_products(struct product *to, const struct options *o)
{
	size_t n = 0;

	to[n++] = (struct product){ .name = "square", .m = SQUARE, .n = SQUARE, .k = SQUARE };
	n += add_weight(to + n, "qkv", o->tokens, QKV, D, LAYERS);
	n += add_weight(to + n, "o", o->tokens, D, D, LAYERS);
	n += add_weight(to + n, "gate+up", o->tokens, 2 * F, D, LAYERS);
	n += add_weight(to + n, "down", o->tokens, D, F, LAYERS);
	n += add_weight(to + n, "head", o->tokens * 4 / 5, o->vocab, D, 1);
	return n;
}

static int
parse(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		const char *v = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(argv[i], "--reps"))
			o->reps = atoi(v);
		else if (!strcmp(argv[i], "--threads"))
			o->threads = atoi(v);
		else if (!strcmp(argv[i], "--tokens"))
			o->tokens = atoi(v);
		else if (!strcmp(argv[i], "--vocab"))
			o->vocab = atoi(v);
		else if (!strcmp(argv[i], "--seconds"))
			o->seconds = atof(v);
		else if (!strcmp(argv[i], "--dtype"))
			o->dtype = v;
		else
			return 0;
	}
	return o->reps > 0 && o->tokens >= 5 && o->vocab > 0;
}

static struct od_backend *
open_backend(enum od_compute compute_type, int threads)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_backend *be;

	if (od_backend_open(&be, "cpu", compute_type, threads, &err) == OD_OK)
		return be;
	fprintf(stderr, "bench_ceiling: %s\n", err.msg);
	return NULL;
}

int
main(int argc, char **argv)
{
	static const enum od_compute types[] = { OD_COMPUTE_FP32, OD_COMPUTE_BF16 };
	struct options o = { 1, 0, 750, 49152, 0.1, NULL };
	struct od_backend *be[2] = { NULL, NULL };
	struct product products[16];
	size_t n;

	if (!parse(&o, argc, argv)) {
		fprintf(stderr, "usage: bench_ceiling [--reps N] [--threads N] [--tokens T] [--vocab V] [--seconds S] [--dtype fp32|bf16]\n");
		return 2;
	}
	for (int t = 0; t < 2; t++)
		if (!o.dtype || !strcmp(o.dtype, t ? "bf16" : "fp32"))
			be[t] = open_backend(types[t], o.threads);
	n = list_products(products, &o);
	for (int rep = 0; rep < o.reps; rep++)
		for (size_t i = 0; i < n; i++)
			for (int t = 0; t < 2; t++)
				if (be[t])
					bench(&o, &products[i], be[t], rep);
	od_backend_close(be[0]);
	od_backend_close(be[1]);
	return !be[0] && !be[1];
}
