/* bench_cuda.c -- speed of the CUDA backend's operations at the shapes of a model: one JSON line each.
 *
 *   bench_cuda [--dtype bf16|fp32] [--pairs P] [--prompt N] [--tail N] [d f V H K head_dim]
 *
 * A packed buffer of P pairs, each a shared prompt and two tails; sizes default to Qwen2.5-1.5B's. "tflops" counts the products
 * an operation cannot do without (of attention: visible scores only), "gbps" the bytes it must move once; "share" is the part
 * of an update of 28 such layers. Median of several runs, each waited for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend.h"

struct shape {
	int64_t d, f, V;
	int32_t H, K, D;
};

static struct shape s = { 1536, 8960, 151936, 12, 2, 128 };
static int pairs = 22, prompt = 150, tail = 300;
static struct od_backend *be;
static struct od_tree tree;
static int64_t T, R;
static int32_t *ids, *pos, *rows;                /* device */
static double visible;

static double
now(void)
{
	struct timespec t;
	char byte;

	be->download(be, &byte, ids, 1);
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *
need(void *p)
{
	if (!p) {
		fprintf(stderr, "bench_cuda: out of memory\n");
		exit(1);
	}
	return p;
}

/* Random numbers: zeros would run faster than real data. */
static struct od_mat
mat(int64_t m, int64_t n, enum od_dtype type)
{
	enum { BLOCK = 1 << 20 };
	static float block[BLOCK];
	struct od_mat out = od_mat_of(need(be->alloc(be, (size_t)(m * n) * od_dtype_size(type))), type, m, n);
	float *dev = need(be->alloc(be, sizeof block));

	for (int i = 0; i < BLOCK; i++)
		block[i] = (float)((unsigned)i * 2654435761u >> 8) / (1 << 24) - 0.5f;
	be->upload(be, dev, block, sizeof block);
	for (int64_t at = 0; at < m * n; at += BLOCK) {
		int64_t k = m * n - at < BLOCK ? m * n - at : BLOCK;

		be->cast(be, od_mat_of((char *)out.data + (size_t)at * od_dtype_size(type), type, 1, k), od_mat_f32(dev, 1, k));
	}
	be->free(be, dev);
	return out;
}

static void
drop(struct od_mat m)
{
	be->free(be, m.data);
}

static int32_t *
ints(const int32_t *host, int64_t n)
{
	int32_t *p = need(be->alloc(be, (size_t)n * sizeof *p));

	be->upload(be, p, host, (size_t)n * sizeof *p);
	return p;
}

static void
build_tree(void)
{
	int n = 3 * pairs;
	int32_t *start = need(malloc((size_t)n * 4)), *len = need(malloc((size_t)n * 4)), *parent = need(malloc((size_t)n * 4));
	int32_t *id, *p, *row;

	for (int i = 0; i < n; i++) {
		start[i] = (int32_t)T;
		len[i] = i % 3 ? tail - 40 + i * 29 % 81 : prompt;
		parent[i] = i % 3 ? i - i % 3 : -1;
		T += len[i];
	}
	id = need(malloc((size_t)T * 4));
	p = need(malloc((size_t)T * 4));
	row = need(malloc((size_t)T * 4));
	for (int i = 0; i < n; i++)
		for (int32_t t = 0; t < len[i]; t++) {
			p[start[i] + t] = t + (i % 3 ? prompt : 0);
			id[start[i] + t] = (int32_t)((start[i] + t) * 7919LL % s.V);
			visible += p[start[i] + t] + 1;
			if (i % 3)
				row[R++] = start[i] + t;
		}
	ids = ints(id, T);
	pos = ints(p, T);
	rows = ints(row, R);
	tree = (struct od_tree){ T, n, start, len, parent, pos };
	free(id);
	free(p);
	free(row);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
report(const char *name, double *seconds, int n, double flops, double bytes)
{
	double median;

	qsort(seconds, (size_t)n, sizeof *seconds, by_value);
	median = seconds[n / 2];
	printf("{\"op\":\"%s\",\"ms\":%.4f,\"tflops\":%.1f,\"gbps\":%.0f}\n", name, median * 1e3, flops / median * 1e-12,
		bytes / median * 1e-9);
	fflush(stdout);
}

#define BENCH(name, flops, bytes, call)                                                                                     \
	do {                                                                                                                \
		double seconds[7];                                                                                          \
                                                                                                                            \
		call;                                                                                                       \
		call;                                                                                                       \
		for (int run_ = 0; run_ < 7; run_++) {                                                                      \
			double begun = now();                                                                               \
                                                                                                                            \
			call;                                                                                               \
			call;                                                                                               \
			seconds[run_] = (now() - begun) / 2;                                                                \
		}                                                                                                           \
		report(name, seconds, 7, flops, bytes);                                                                     \
		if (!be->ok(be)) {                                                                                          \
			fprintf(stderr, "bench_cuda: %s: %s\n", name, be->failure(be));                                     \
			exit(1);                                                                                            \
		}                                                                                                           \
	} while (0)

/* y = x W^T, dx = dy W, dW += dy^T x of a layer of n outputs and k inputs. */
static void
bench_linear(const char *name, int64_t n, int64_t k, enum od_dtype out)
{
	struct od_mat x = mat(T, k, be->type), w = mat(n, k, be->type), y = mat(T, n, out), dy = mat(T, n, be->type);
	struct od_mat dw = mat(n, k, OD_F32);
	double flops = 2.0 * (double)T * (double)n * (double)k;
	char text[64];

	snprintf(text, sizeof text, "%s fwd", name);
	BENCH(text, flops, 0, be->gemm(be, y, x, 0, w, 1, 0));
	if (out == OD_F32) {
		struct od_mat old = mat(T, n, out);

		snprintf(text, sizeof text, "%s fwd + residual", name);
		BENCH(text, flops, 0, be->gemm_add(be, y, x, w, old));
		drop(old);
	}
	snprintf(text, sizeof text, "%s dx", name);
	BENCH(text, flops, 0, be->gemm(be, x, dy, 0, w, 0, 0));
	snprintf(text, sizeof text, "%s dw", name);
	BENCH(text, flops, 0, be->gemm(be, dw, dy, 1, x, 0, 1));
	drop(x);
	drop(w);
	drop(y);
	drop(dy);
	drop(dw);
}

static void
bench_attention(void)
{
	int64_t q = (int64_t)s.H * s.D, kv = (int64_t)s.K * s.D;
	struct od_mat qkv = mat(T, q + 2 * kv, be->type), dqkv = mat(T, q + 2 * kv, be->type), out = mat(T, q, be->type);
	struct od_mat dout = mat(T, q, be->type), lse = mat(T, s.H, OD_F32), cosine = mat(4096, s.D / 2, OD_F32);
	struct od_mat qm = od_mat_cols(qkv, 0, q), km = od_mat_cols(qkv, q, kv), vm = od_mat_cols(qkv, q + kv, kv);
	struct od_attn_params p = { s.H, s.K, s.D, 0.088f, 0, 0 };
	double flops = 4.0 * (double)q * visible, moved = (double)T * (double)(2 * q + 2 * kv) * (double)od_dtype_size(be->type);

	BENCH("attn_fwd", flops, moved, be->attn_fwd(be, out, lse.data, qm, km, vm, &tree, &p));
	BENCH("attn_bwd", 2.5 * flops, 2 * moved, be->attn_bwd(be, od_mat_cols(dqkv, 0, q), od_mat_cols(dqkv, q, kv),
		od_mat_cols(dqkv, q + kv, kv), dout, qm, km, vm, out, lse.data, &tree, &p));
	BENCH("rope", 0, 2.0 * (double)T * (double)q * (double)od_dtype_size(be->type),
		be->rope(be, qm, pos, cosine.data, cosine.data, s.D, 0));
	drop(qkv);
	drop(dqkv);
	drop(out);
	drop(dout);
	drop(lse);
	drop(cosine);
}

static void
bench_elementwise(void)
{
	struct od_mat x = mat(T, s.d, OD_F32), y = mat(T, s.d, OD_F32), h = mat(T, s.d, be->type), w = mat(1, s.d, OD_F32);
	struct od_mat rstd = mat(T, 1, OD_F32), dw = mat(1, s.d, OD_F32), gate_up = mat(T, 2 * s.f, be->type);
	struct od_mat act = mat(T, s.f, be->type), gate = od_mat_cols(gate_up, 0, s.f), up = od_mat_cols(gate_up, s.f, s.f);
	double one = (double)(T * s.d), two = (double)od_dtype_size(be->type), wide = (double)(T * s.f) * two;

	BENCH("norm_fwd", 0, one * (4 + two), be->norm_fwd(be, h, rstd.data, x, w.data, 1e-6f, 0));
	BENCH("norm_bwd", 0, one * (12 + 2 * two), be->norm_bwd(be, y, dw.data, h, x, w.data, rstd.data, 0, 1, h));
	BENCH("add", 0, 12 * one, be->add(be, x, y));
	BENCH("cast", 0, one * (4 + two), be->cast(be, h, x));
	BENCH("bias_bwd", 0, one * two, be->bias_bwd(be, dw.data, h));
	BENCH("glu_fwd", 0, 3 * wide, be->glu_fwd(be, act, gate, up, OD_ACT_SILU));
	BENCH("glu_bwd", 0, 6 * wide, be->glu_bwd(be, gate, up, act, act, gate, up, OD_ACT_SILU));
	drop(x);
	drop(y);
	drop(h);
	drop(w);
	drop(rstd);
	drop(dw);
	drop(gate_up);
	drop(act);
}

static void
bench_ends(void)
{
	struct od_mat h = mat(R, s.d, be->type), w = mat(s.V, s.d, be->type), dh = mat(R, s.d, OD_F32), dw = mat(s.V, s.d, OD_F32);
	struct od_mat logps = mat(R, 1, OD_F32), lse = mat(R, 1, OD_F32), x = mat(T, s.d, OD_F32);
	int32_t *row = need(malloc((size_t)R * 4)), *id = need(malloc((size_t)R * 4));
	double flops = 2.0 * (double)R * (double)s.d * (double)s.V;
	struct od_targets t;

	for (int64_t r = 0; r < R; r++) {
		row[r] = (int32_t)r;
		id[r] = (int32_t)(r * 104729LL % s.V);
	}
	t = (struct od_targets){ R, ints(row, R), ints(id, R) };
	BENCH("head_fwd", flops, 0, be->head_fwd(be, logps.data, lse.data, h, w, 0, &t));
	BENCH("head_bwd", 2 * flops, 0, be->head_bwd(be, dh, dw, h, w, 0, lse.data, &t, logps.data));
	BENCH("embed_fwd", 0, (double)(T * s.d) * 6, be->embed_fwd(be, x, w, ids, 1));
	BENCH("embed_bwd", 0, (double)(T * s.d) * 12, be->embed_bwd(be, dw, x, ids, 1));
	free(row);
	free(id);
	drop(h);
	drop(w);
	drop(dh);
	drop(dw);
	drop(logps);
	drop(lse);
	drop(x);
}

static void
bench_optimiser(void)
{
	int64_t n = 256 << 20;
	struct od_mat w = mat(1, n, OD_F32), m = mat(1, n, OD_F32), v = mat(1, n, OD_F32), g = mat(1, n, OD_F32), c = mat(1, n, be->type);
	struct od_adamw p = { 1e-6, 0.9, 0.999, 1e-8, 0, 0.1, 0.001, 1 };

	be->zero(be, v.data, (size_t)n * 4);
	BENCH("adamw 268M", 0, 28.0 * (double)n + (double)n * (double)od_dtype_size(be->type),
		be->adamw(be, w.data, m.data, v.data, g.data, c.data, n, &p));
	BENCH("sum_squares 268M", 0, 4.0 * (double)n, (void)be->sum_squares(be, g.data, n));
	drop(w);
	drop(m);
	drop(v);
	drop(g);
	drop(c);
}

int
main(int argc, char **argv)
{
	struct od_error err = OD_ERROR_INIT;
	enum od_compute compute = OD_COMPUTE_BF16;
	int i = 1;

	for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
		if (!strcmp(argv[i], "--dtype"))
			compute = strcmp(argv[i + 1], "fp32") ? OD_COMPUTE_BF16 : OD_COMPUTE_FP32;
		else if (!strcmp(argv[i], "--pairs"))
			pairs = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--prompt"))
			prompt = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--tail"))
			tail = atoi(argv[i + 1]);
	}
	if (argc - i == 6)
		s = (struct shape){ atoll(argv[i]), atoll(argv[i + 1]), atoll(argv[i + 2]), atoi(argv[i + 3]), atoi(argv[i + 4]),
			atoi(argv[i + 5]) };
	if (pairs < 1 || tail < 41 || prompt < 1 || od_backend_open(&be, "cuda", compute, 0, &err) != OD_OK) {
		fprintf(stderr, "bench_cuda: %s\n", *err.msg ? err.msg : "bad arguments");
		return 1;
	}
	build_tree();
	printf("{\"numerics\":\"%s\",\"tokens\":%lld,\"rows\":%lld}\n", be->numerics, (long long)T, (long long)R);
	bench_linear("qkv", (int64_t)(s.H + 2 * s.K) * s.D, s.d, be->type);
	bench_linear("o", s.d, (int64_t)s.H * s.D, OD_F32);
	bench_linear("gate_up", 2 * s.f, s.d, be->type);
	bench_linear("down", s.d, s.f, OD_F32);
	bench_attention();
	bench_elementwise();
	bench_ends();
	bench_optimiser();
	od_backend_close(be);
	return 0;
}
