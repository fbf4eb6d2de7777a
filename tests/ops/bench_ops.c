/* bench_ops.c -- speed of the CPU backend's operations at the shapes of SmolLM2-135M: one JSON line each.
 *
 *   bench_ops [--dtype fp32|bf16] [--threads N] [--variant I] [--own-gemm] [--pairs P] [--cpu-time] [NAME]
 *
 * With bf16 the matrices that ops.def gives the backend's type are bf16, and those marked (any) are what the model makes them.
 * A packed buffer of P pairs (default 2), each a shared prompt of 150 tokens and two tails of 300. "gflops" counts the
 * products an operation cannot do without (of attention: visible scores only), "gbps" the bytes it must move once;
 * "of_ceiling" is gflops over the first line's, a square product. The best of several runs counts.
 * --cpu-time measures processor time instead of the clock's: with one thread the figures of a core even on a busy machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend.h"
#include "cpu/simd.h"

enum { D = 576, F = 1536, V = 49152, H = 9, K = 3, HD = 64, PROMPT = 150, TAIL = 300, MAX_PAIRS = 64 };

static struct od_backend *be;
static const char *only = "";
static double ceiling;
static int use_cpu_time;
static int64_t T;
static int32_t start[3 * MAX_PAIRS], len[3 * MAX_PAIRS], parent[3 * MAX_PAIRS], *ids, *pos;
static struct od_tree tree;
static const struct od_attn_params attn = { H, K, HD, 0.125f, 0, 0 };

static void *
need(void *p)
{
	if (!p) {
		fprintf(stderr, "bench_ops: out of memory\n");
		exit(1);
	}
	return p;
}

static struct od_mat
mat(int64_t rows, int64_t cols)
{
	float *x = need(be->alloc(be, (size_t)(rows * cols) * sizeof *x));

	for (int64_t i = 0; i < rows * cols; i++)
		x[i] = (float)(i * 7919 % 1013) / 1013 - 0.5f;
	return od_mat_f32(x, rows, cols);
}

/* A matrix of the backend's type. */
static struct od_mat
typed(int64_t rows, int64_t cols)
{
	struct od_mat x = mat(rows, cols), y;

	if (be->type == OD_F32)
		return x;
	y = od_mat_of(need(be->alloc(be, (size_t)(rows * cols) * od_dtype_size(be->type))), be->type, rows, cols);
	be->cast(be, y, x);
	be->free(be, x.data);
	return y;
}

static void
build_tree(int pairs)
{
	for (int p = 0; p < pairs; p++)
		for (int s = 0; s < 3; s++) {
			start[3 * p + s] = (int32_t)T;
			len[3 * p + s] = s ? TAIL : PROMPT;
			parent[3 * p + s] = s ? 3 * p : -1;
			T += len[3 * p + s];
		}
	ids = need(malloc((size_t)T * sizeof *ids));
	pos = need(malloc((size_t)T * sizeof *pos));
	for (int64_t t = 0; t < T; t++) {
		ids[t] = (int32_t)(t * 7907 % V);
		pos[t] = (int32_t)(t % 450);
	}
	tree = (struct od_tree){ T, 3 * pairs, start, len, parent, pos };
}

/* Pairs of a query and a key it sees, over the whole buffer, for one head. */
static double
visible_scores(void)
{
	double n = 0;

	for (int32_t s = 0; s < tree.n_segments; s++)
		n += 0.5 * len[s] * (len[s] + 1) + (parent[s] < 0 ? 0 : (double)len[s] * len[parent[s]]);
	return n;
}

static void
report(const char *name, const char *shape, double seconds, double flops, double bytes)
{
	printf("{\"op\":\"%s\",\"shape\":\"%s\",\"ms\":%.3f", name, shape, seconds * 1e3);
	if (flops > 0)
		printf(",\"gflops\":%.1f,\"of_ceiling\":%.3f", flops / seconds * 1e-9, ceiling > 0 ? flops / seconds * 1e-9 / ceiling : 1);
	if (bytes > 0)
		printf(",\"gbps\":%.1f", bytes / seconds * 1e-9);
	printf("}\n");
	fflush(stdout);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(use_cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs the statement several times and leaves the best time in 'best'. */
#define TIME(best, statement) do { \
		(best) = 1e9; \
		for (double spent = 0, runs = 0; runs < 3 || (spent < 0.4 && runs < 50); runs++) { \
			double from = now(), took; \
			statement; \
			took = now() - from; \
			spent += took; \
			if (took < (best)) \
				(best) = took; \
		} \
	} while (0)

#define WANTED(name) (strstr(name, only) != NULL)

static double
bench_gemm(const char *name, int64_t m, int64_t n, int64_t k, int trans_a, int trans_b, int accumulate)
{
	struct od_mat out = accumulate ? mat(m, n) : typed(m, n);      /* gradients of weights are fp32 */
	struct od_mat a = trans_a ? typed(k, m) : typed(m, k), b = trans_b ? typed(n, k) : typed(k, n);
	char shape[64];
	double s;

	TIME(s, be->gemm(be, out, a, trans_a, b, trans_b, accumulate));
	snprintf(shape, sizeof shape, "%lldx%lldx%lld", (long long)m, (long long)n, (long long)k);
	report(name, shape, s, 2.0 * (double)m * (double)n * (double)k, 0);
	be->free(be, out.data);
	be->free(be, a.data);
	be->free(be, b.data);
	return 2.0 * (double)m * (double)n * (double)k / s * 1e-9;
}

static void
bench_products(void)
{
	static const int64_t nk[][2] = { { D + 2 * K * HD, D }, { D, D }, { 2 * F, D }, { D, F } };

	for (size_t i = 0; i < sizeof nk / sizeof *nk && WANTED("gemm"); i++) {
		bench_gemm("gemm forward", T, nk[i][0], nk[i][1], 0, 1, 0);
		bench_gemm("gemm data gradient", T, nk[i][1], nk[i][0], 0, 0, 0);
		bench_gemm("gemm weight gradient", nk[i][0], nk[i][1], T, 1, 0, 1);
	}
	if (WANTED("gemm"))
		bench_gemm("gemm one row", 1, 2 * F, D, 0, 1, 0);
}

static void
bench_attention(void)
{
	struct od_mat q = mat(T, H * HD), k = mat(T, K * HD), v = mat(T, K * HD), out = mat(T, H * HD), dout = mat(T, H * HD);
	struct od_mat dq = mat(T, H * HD), dk = mat(T, K * HD), dv = mat(T, K * HD), lse = mat(T, H);
	double s, scores = visible_scores() * H, row = 4.0 * (double)T * HD;

	if (!WANTED("attn") || be->type != OD_F32)
		return;
	TIME(s, be->attn_fwd(be, out, lse.data, q, k, v, &tree, &attn));
	report("attn_fwd", "2 x 64 flops a score and head", s, scores * 4 * HD, row * (2 * H + 2 * K));
	TIME(s, be->attn_bwd(be, dq, dk, dv, dout, q, k, v, out, lse.data, &tree, &attn));
	report("attn_bwd", "5 x 64 flops a score and head", s, scores * 10 * HD, row * (4 * H + 4 * K));
}

static void
bench_head(void)
{
	int64_t rows = T * 600 / 750;
	struct od_mat h = mat(rows, D), w = mat(V, D), dh = mat(rows, D), dw = mat(V, D), lse = mat(1, rows), logps = mat(1, rows);
	struct od_mat coef = mat(1, rows);
	int32_t *row = need(malloc((size_t)rows * sizeof *row));
	struct od_targets t = { rows, row, ids };
	double s, product = 2.0 * (double)rows * V * D;

	for (int64_t r = 0; r < rows; r++)
		row[r] = (int32_t)r;
	if (WANTED("head_fwd") && be->type == OD_F32) {
		TIME(s, be->head_fwd(be, logps.data, lse.data, h, w, 0, &t));
		report("head_fwd", "one product", s, product, 0);
	}
	if (WANTED("head_bwd") && be->type == OD_F32) {
		TIME(s, be->head_bwd(be, dh, dw, h, w, 0, lse.data, &t, coef.data));
		report("head_bwd", "three products", s, 3 * product, 0);
	}
	free(row);
}

#define BENCH(name, bytes, call) do { \
		if (WANTED(name)) { \
			double s; \
			TIME(s, call); \
			report(name, "", s, 0, bytes); \
		} \
	} while (0)

static double
bytes_of(struct od_mat m)
{
	return (double)(m.rows * m.cols) * (double)od_dtype_size(m.type);
}

/* The residual stream x and its gradient dx are fp32; y and what gates read are of the backend's type. */
static void
bench_elementwise(void)
{
	struct od_mat x = mat(T, D), dx = mat(T, D), y = typed(T, D), copy = typed(T, D), w = mat(1, D), dw = mat(1, D), rstd = mat(1, T);
	struct od_mat gate = typed(T, F), up = typed(T, F), out = typed(T, F), c = mat(450, HD / 2), table = typed(V, D), dtable = mat(V, D);
	struct od_mat db = mat(1, F);
	double one = bytes_of(x), half = bytes_of(y), wide = bytes_of(gate);

	BENCH("embed_fwd", one + half, be->embed_fwd(be, x, table, ids, 1));
	BENCH("embed_bwd", 3 * one, be->embed_bwd(be, dtable, x, ids, 1));
	BENCH("norm_fwd", one + half, be->norm_fwd(be, y, rstd.data, x, w.data, 1e-5f, 0));
	BENCH("norm_bwd", 3 * one + 2 * half, be->norm_bwd(be, dx, dw.data, y, x, w.data, rstd.data, 0, 1, copy));
	BENCH("bias_fwd", 2 * wide, be->bias_fwd(be, gate, db.data));
	BENCH("bias_bwd", wide, be->bias_bwd(be, db.data, gate));
	BENCH("add", 3 * one, be->add(be, x, dx));
	BENCH("rope", 2 * half, be->rope(be, y, pos, c.data, c.data, HD, 0));
	BENCH("glu_fwd", 3 * wide, be->glu_fwd(be, out, gate, up, OD_ACT_SILU));
	BENCH("glu_bwd", 6 * wide, be->glu_bwd(be, gate, up, out, out, gate, up, OD_ACT_SILU));
	BENCH("glu_fwd gelu", 3 * wide, be->glu_fwd(be, out, gate, up, OD_ACT_GELU_TANH));
	BENCH("glu_bwd gelu", 6 * wide, be->glu_bwd(be, gate, up, out, out, gate, up, OD_ACT_GELU_TANH));
	BENCH("cast to the backend's type", one + half, be->cast(be, y, x));
	BENCH("cast to fp32", one + half, be->cast(be, x, y));
}

static void
bench_optimiser(void)
{
	int64_t n = 32 << 20;
	struct od_adamw p = { 1e-6, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1 };
	struct od_mat w, m, v, g, copy;

	if (!WANTED("adamw") && !WANTED("sum_squares"))
		return;
	w = mat(1, n);
	m = mat(1, n);
	v = mat(1, n);
	g = mat(1, n);
	copy = typed(1, n);
	be->zero(be, v.data, (size_t)n * sizeof(float));
	if (be->type == OD_F32)
		BENCH("adamw", 28.0 * (double)n, be->adamw(be, w.data, m.data, v.data, g.data, NULL, n, &p));
	else
		BENCH("adamw", 28.0 * (double)n + bytes_of(copy), be->adamw(be, w.data, m.data, v.data, g.data, copy.data, n, &p));
	BENCH("sum_squares", 4.0 * (double)n, (void)be->sum_squares(be, g.data, n));
}

int
main(int argc, char **argv)
{
	struct od_error err = OD_ERROR_INIT;
	enum od_compute compute = OD_COMPUTE_FP32;
	int threads = 0, variant = 0, own = 0, pairs = 2;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--threads") && i + 1 < argc)
			threads = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--dtype") && i + 1 < argc)
			compute = strcmp(argv[++i], "bf16") ? OD_COMPUTE_FP32 : OD_COMPUTE_BF16;
		else if (!strcmp(argv[i], "--variant") && i + 1 < argc)
			variant = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--pairs") && i + 1 < argc)
			pairs = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--own-gemm"))
			own = 1;
		else if (!strcmp(argv[i], "--cpu-time"))
			use_cpu_time = 1;
		else
			only = argv[i];
	if (od_backend_open(&be, "cpu", compute, threads, &err) != OD_OK || !od_cpu_variant(be, variant, own) || pairs < 1 || pairs > MAX_PAIRS) {
		fprintf(stderr, "bench_ops: cannot open the backend: %s\n", err.msg);
		return 1;
	}
	build_tree(pairs);
	ceiling = bench_gemm("gemm ceiling", 1536, 1536, 1536, 0, 0, 0);
	bench_products();
	bench_attention();
	bench_head();
	bench_elementwise();
	bench_optimiser();
	if (!be->ok(be)) {
		fprintf(stderr, "bench_ops: an operation failed\n");
		return 1;
	}
	od_backend_close(be);
	return 0;
}
