/* gemm.c -- matrix products through oneDNN's matmul primitives.
 *
 * ROW INVARIANCE. A product of M rows is cut into pieces of 512 rows (fewer when there are many threads), then 256, 128, 64, 32
 * and the rest, every piece a run of one primitive on one thread; a product too small for that is one run on all. That
 * row i then has the same bits for every M, i and thread count rests on one property of the primitive: each element of
 * the result is one chain of fused multiply-adds over k, in an order that depends on N and K alone. oneDNN's brgemm
 * kernels ("brg:avx512_core") have it: checked bit for bit for M = 1..1100 in 32 shapes, transposed and not, one thread
 * and two, by tests/ops and, for a few shapes, whenever the backend opens. Its older "gemm:jit" kernels, which oneDNN
 * 2.6 takes on processors without AVX-512 and for any view that is not dense (row stride above the columns, in one of
 * the three), do not: rows at the end of a block are summed in another order. So pieces of strided views of a and out
 * pass through dense copies, which stay in the second-level cache; and when b is strided, or the check at opening
 * fails, products are computed by our own kernels (tile.inc.h), which have the property by construction.
 *
 * PRIMITIVES are made once per (piece, N, K, transposes, accumulate, threads) and kept; the pieces bound their number
 * whatever M is, and a least-recently-used limit bounds it absolutely. Products with trans_a (weight gradients) are cut
 * over K = tokens in the same way, 1024, 512, ... 64 tokens, each piece adding to the result; the last, shorter piece is
 * copied and padded with zero tokens.
 *
 * PITFALLS of oneDNN that shape this file:
 * - A primitive's own scratchpad is shared by all its executions: running one primitive from two threads at once
 *   corrupts memory. The scratchpad must be the user's (dnnl_scratchpad_mode_user), one per thread.
 * - A primitive lays out its work for omp_get_max_threads() at the time it is created. One that runs inside a parallel
 *   region must be created under omp_set_num_threads(1), and none may run on more threads than it was created for.
 * - Views that are not dense are accepted and silently computed by another kernel, slower and with other roundings.
 * - Run-time dimensions (DNNL_RUNTIME_DIM_VAL) leave the brgemm path for the slow reference path.
 */
#include "cpu/cpu.h"

#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cpu/simd.h"

#define MAX_PIECE    512      /* rows: from here on larger pieces gain nothing, balance suffers */
#define MIN_PIECE    32       /* a remainder below this is one piece */
#define MAX_K_PIECE  1024     /* tokens of a weight gradient's piece */
#define MIN_K_PIECE  64       /* shorter ones are padded to this */
#define CACHE_SIZE   1024     /* primitives; a model asks for some 200 */
#define CACHE_HASH   2048

#if DNNL_VERSION_MAJOR >= 3
#define MD(x)        (x)      /* descriptors are handles there, structs in version 2 */
#else
#define MD(x)        (&(x))
#endif

struct gemm_shape {
	int64_t m, n, k, lda, ldb, ldc;
	int64_t trans_a, trans_b, accumulate, threads;
};

struct gemm_primitive {
	struct gemm_shape shape;
	dnnl_primitive_t prim;
	dnnl_memory_desc_t a, b, c, pad;
	size_t pad_bytes;
	int is_brgemm;
	uint64_t used;                         /* clock of the last use */
	struct gemm_primitive *next;           /* of the same hash */
};

struct gemm_buffer {
	void *data;
	size_t bytes;
};

struct gemm_cache {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	struct gemm_primitive *table[CACHE_HASH];
	int n, threads;
	uint64_t clock;
	struct gemm_buffer *pad, *copy;        /* [threads] scratchpads of oneDNN, dense copies of strided pieces */
};

/* A product cut into pieces; the primitives' shapes are dense, lda and ldc are the views'. */
struct gemm_call {
	struct gemm_shape s;
	const float *a, *b;
	float *out;
	int64_t lda, ldc;
};

/* ---- one primitive ---- */

/* A row-major matrix with row stride ld, or its transpose. */
static dnnl_status_t
make_desc(dnnl_memory_desc_t *out, int64_t rows, int64_t cols, int64_t ld, int64_t trans)
{
	dnnl_dims_t dims = { rows, cols }, strides = { trans ? 1 : ld, trans ? ld : 1 };

#if DNNL_VERSION_MAJOR >= 3
	return dnnl_memory_desc_create_with_strides(out, 2, dims, dnnl_f32, strides);
#else
	return dnnl_memory_desc_init_by_strides(out, 2, dims, dnnl_f32, strides);
#endif
}

static dnnl_status_t
make_attr(dnnl_primitive_attr_t *out, int accumulate)
{
	dnnl_post_ops_t ops = NULL;
	dnnl_status_t st = dnnl_primitive_attr_create(out);

	if (st == dnnl_success)
		st = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
	if (st != dnnl_success || !accumulate)
		return st;
	st = dnnl_post_ops_create(&ops);
	if (st == dnnl_success)
#if DNNL_VERSION_MAJOR >= 3
		st = dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
#else
		st = dnnl_post_ops_append_sum(ops, 1.0f);
#endif
	if (st == dnnl_success)
		st = dnnl_primitive_attr_set_post_ops(*out, ops);
	dnnl_post_ops_destroy(ops);
	return st;
}

static dnnl_status_t
make_primitive_desc(dnnl_primitive_desc_t *out, struct gemm_primitive *p, dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_matmul_primitive_desc_create(out, engine, p->a, p->b, NULL, p->c, attr);
#else
	dnnl_matmul_desc_t desc;
	dnnl_status_t st = dnnl_matmul_desc_init(&desc, &p->a, &p->b, NULL, &p->c);

	return st == dnnl_success ? dnnl_primitive_desc_create(out, &desc, attr, engine, NULL) : st;
#endif
}

static dnnl_status_t
query_primitive(struct gemm_primitive *p, dnnl_primitive_desc_t pd)
{
	const char *impl = "";
	dnnl_status_t st = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl);

	p->is_brgemm = st == dnnl_success && !strncmp(impl, "brg:", 4);
	p->pad_bytes = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
	if (!p->pad_bytes)
		return st;
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_memory_desc_clone(&p->pad, dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
#else
	p->pad = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
	return st;
#endif
}

static void
free_primitive(struct gemm_primitive *p)
{
	if (!p)
		return;
	if (p->prim)
		dnnl_primitive_destroy(p->prim);
#if DNNL_VERSION_MAJOR >= 3
	dnnl_memory_desc_destroy(p->a);
	dnnl_memory_desc_destroy(p->b);
	dnnl_memory_desc_destroy(p->c);
	dnnl_memory_desc_destroy(p->pad);
#endif
	free(p);
}

static struct gemm_primitive *
make_primitive(struct gemm_cache *c, const struct gemm_shape *s)
{
	struct gemm_primitive *p = od_calloc(1, sizeof *p);
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	int good = 0;

	if (!p)
		return NULL;
	p->shape = *s;
	omp_set_num_threads((int)s->threads);
	if (make_desc(&p->a, s->m, s->k, s->lda, s->trans_a) == dnnl_success &&
	    make_desc(&p->b, s->k, s->n, s->ldb, s->trans_b) == dnnl_success &&
	    make_desc(&p->c, s->m, s->n, s->ldc, 0) == dnnl_success &&
	    make_attr(&attr, (int)s->accumulate) == dnnl_success &&
	    make_primitive_desc(&pd, p, attr, c->engine) == dnnl_success && query_primitive(p, pd) == dnnl_success)
		good = dnnl_primitive_create(&p->prim, pd) == dnnl_success;
	omp_set_num_threads(c->threads);
	if (pd)
		dnnl_primitive_desc_destroy(pd);
	if (attr)
		dnnl_primitive_attr_destroy(attr);
	if (good)
		return p;
	free_primitive(p);
	return NULL;
}

/* ---- the cache ---- */

static uint64_t
hash_shape(const struct gemm_shape *s)
{
	const int64_t v[] = { s->m, s->n, s->k, s->lda, s->ldb, s->ldc,
		s->trans_a | s->trans_b << 1 | s->accumulate << 2 | s->threads << 3 };
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		h = (h ^ (uint64_t)v[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
	return h % CACHE_HASH;
}

static void
evict_oldest(struct gemm_cache *c)
{
	struct gemm_primitive **oldest = NULL, *p;

	for (int i = 0; i < CACHE_HASH; i++)
		for (struct gemm_primitive **at = &c->table[i]; *at; at = &(*at)->next)
			if (!oldest || (*at)->used < (*oldest)->used)
				oldest = at;
	if (!oldest)
		return;
	p = *oldest;
	*oldest = p->next;
	free_primitive(p);
	c->n--;
}

static struct gemm_primitive *
find_primitive(struct gemm_cache *c, const struct gemm_shape *s)
{
	struct gemm_primitive **slot = &c->table[hash_shape(s)], *p;

	for (p = *slot; p; p = p->next)
		if (!memcmp(&p->shape, s, sizeof *s))
			break;
	if (!p) {
		if (c->n >= CACHE_SIZE)
			evict_oldest(c);
		p = make_primitive(c, s);
		if (!p)
			return NULL;
		p->next = *slot;
		*slot = p;
		c->n++;
	}
	p->used = ++c->clock;
	return p;
}

static void *
grow_buffer(struct gemm_buffer *b, size_t bytes)
{
	if (b->bytes >= bytes && b->data)
		return b->data;
	free(b->data);
	b->bytes = (bytes / 4096 + 1) * 4096;
	b->data = aligned_alloc(4096, b->bytes);
	return b->data;
}

/* Runs p with the calling thread's scratchpad; 0 on failure. */
static int
run_primitive(struct gemm_cache *c, struct gemm_primitive *p, const float *a, const float *b, float *out)
{
	int n = 0, good = 0;
	dnnl_memory_t ma = NULL, mb = NULL, mc = NULL, mp = NULL;
	void *pad = grow_buffer(&c->pad[omp_get_thread_num()], p->pad_bytes);
	dnnl_exec_arg_t args[4];

	if (!pad)
		return 0;
	if (dnnl_memory_create(&ma, MD(p->a), c->engine, (void *)a) != dnnl_success ||
	    dnnl_memory_create(&mb, MD(p->b), c->engine, (void *)b) != dnnl_success ||
	    dnnl_memory_create(&mc, MD(p->c), c->engine, out) != dnnl_success)
		goto out;
	if (p->pad_bytes && dnnl_memory_create(&mp, MD(p->pad), c->engine, pad) != dnnl_success)
		goto out;
	args[n++] = (dnnl_exec_arg_t){ DNNL_ARG_SRC, ma };
	args[n++] = (dnnl_exec_arg_t){ DNNL_ARG_WEIGHTS, mb };
	args[n++] = (dnnl_exec_arg_t){ DNNL_ARG_DST, mc };
	if (mp)
		args[n++] = (dnnl_exec_arg_t){ DNNL_ARG_SCRATCHPAD, mp };
	good = dnnl_primitive_execute(p->prim, c->stream, n, args) == dnnl_success;
out:
	dnnl_memory_destroy(mp);
	dnnl_memory_destroy(mc);
	dnnl_memory_destroy(mb);
	dnnl_memory_destroy(ma);
	return good;
}

/* ---- products cut into pieces ---- */

/* The pieces of m rows: n_full of 'size' rows, then 'n - n_full' of falling sizes. */
struct gemm_pieces {
	int64_t size, n_full, n;
	int64_t tail_start[16], tail_rows[16];
};

static struct gemm_pieces
cut_rows(int64_t m, int threads)
{
	struct gemm_pieces c = { .size = MAX_PIECE };
	int64_t at, n_tail = 0;

	while (c.size > MIN_PIECE && m < 2 * c.size * threads)
		c.size /= 2;
	c.n_full = m / c.size;
	at = c.n_full * c.size;
	for (int64_t size = c.size / 2; at < m; size /= 2) {
		int64_t rows = size >= MIN_PIECE ? size : m - at;

		if (m - at < rows)
			continue;
		c.tail_start[n_tail] = at;
		c.tail_rows[n_tail++] = rows;
		at += rows;
	}
	c.n = c.n_full + n_tail;
	return c;
}

static void
copy_rows(float *to, int64_t ldt, const float *from, int64_t ldf, int64_t rows, int64_t cols)
{
	for (int64_t i = 0; i < rows; i++)
		memcpy(to + i * ldt, from + i * ldf, (size_t)cols * sizeof *to);
}

/* Rows from 'row' of g, as many as p has, on the calling thread; strided views through dense copies. */
static int
run_piece(struct gemm_cache *c, struct gemm_primitive *p, const struct gemm_call *g, int64_t row)
{
	int64_t m = p->shape.m, n = p->shape.n, k = p->shape.k;
	const float *a = g->a + row * g->lda;
	float *out = g->out + row * g->ldc, *copy;

	if (g->lda == k && g->ldc == n)
		return run_primitive(c, p, a, g->b, out);
	copy = grow_buffer(&c->copy[omp_get_thread_num()], (size_t)(m * (n + k)) * sizeof *copy);
	if (!copy)
		return 0;
	if (g->lda != k) {
		copy_rows(copy + m * n, k, a, g->lda, m, k);
		a = copy + m * n;
	}
	if (g->ldc == n)
		return run_primitive(c, p, a, g->b, out);
	if (p->shape.accumulate)
		copy_rows(copy, n, out, g->ldc, m, n);
	if (!run_primitive(c, p, a, g->b, copy))
		return 0;
	copy_rows(out, g->ldc, copy, n, m, n);
	return 1;
}

static int
run_rows(struct gemm_cache *c, struct gemm_call *g)
{
	struct gemm_pieces cut = cut_rows(g->s.m, c->threads);
	struct gemm_primitive *full = NULL, *tail[16];
	int good = 1;

	g->s.m = cut.size;
	if (cut.n_full && !(full = find_primitive(c, &g->s)))
		return 0;
	for (int64_t i = 0; i < cut.n - cut.n_full; i++) {
		g->s.m = cut.tail_rows[i];
		tail[i] = find_primitive(c, &g->s);
		if (!tail[i])
			return 0;
	}
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) reduction(&& : good)
	for (int64_t i = 0; i < cut.n; i++) {
		int64_t t = i - cut.n_full;

		good = run_piece(c, t < 0 ? full : tail[t], g, t < 0 ? i * cut.size : cut.tail_start[t]) && good;
	}
	return good;
}

/* One run on all threads. */
static int
run_whole(struct gemm_cache *c, struct gemm_call *g)
{
	struct gemm_primitive *p;

	g->s.threads = c->threads;
	p = find_primitive(c, &g->s);
	return p && run_piece(c, p, g, 0);
}

/* n rows of a strided view, then zeros up to 'padded' rows. */
static void
copy_tokens(int threads, float *to, int64_t cols, const float *from, int64_t ld, int64_t n, int64_t padded)
{
#pragma omp parallel for schedule(static) num_threads(threads)
	for (int64_t i = 0; i < padded; i++)
		if (i < n)
			memcpy(to + i * cols, from + i * ld, (size_t)cols * sizeof *to);
		else
			memset(to + i * cols, 0, (size_t)cols * sizeof *to);
}

/* out (+)= a^T b over tokens: pieces of both are copied when they are strided, padded with zero tokens when short. */
static int
run_tokens(struct cpu_ctx *ctx, struct gemm_call *g, int64_t ldb)
{
	int64_t tokens = g->s.k, m = g->s.m, n = g->s.n;
	int strided = g->lda != m || ldb != n;
	float *copy = od_cpu_scratch(ctx, SCRATCH_GEMM, (size_t)(MAX_K_PIECE * (m + n)) * sizeof *copy);
	struct gemm_primitive *p;

	if (!copy)
		return 0;
	g->s.threads = ctx->threads;
	for (int64_t at = 0; at < tokens; at += g->s.k) {
		int64_t here = tokens - at;
		const float *a = g->a + at * g->lda, *b = g->b + at * ldb;

		g->s.k = MAX_K_PIECE;
		while (g->s.k > MIN_K_PIECE && g->s.k > here)
			g->s.k /= 2;
		if (here > g->s.k)
			here = g->s.k;
		if (strided || here < g->s.k) {
			copy_tokens(ctx->threads, copy, m, a, g->lda, here, g->s.k);
			copy_tokens(ctx->threads, copy + MAX_K_PIECE * m, n, b, ldb, here, g->s.k);
			a = copy;
			b = copy + MAX_K_PIECE * m;
		}
		p = find_primitive(ctx->gemm, &g->s);
		if (!p || !run_primitive(ctx->gemm, p, a, b, g->out))
			return 0;
		g->s.accumulate = 1;
	}
	return 1;
}

static void
clear_rows(struct od_mat m)
{
	for (int64_t i = 0; i < m.rows; i++)
		memset((char *)m.data + (size_t)(i * m.ld) * od_dtype_size(m.type), 0, (size_t)m.cols * od_dtype_size(m.type));
}

void
od_cpu_gemm(struct od_backend *be, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b,
	int accumulate)
{
	struct cpu_ctx *ctx = cpu_ctx(be);
	int64_t k = trans_a ? a.rows : a.cols;
	struct gemm_call g = { { out.rows, out.cols, k, a.cols, b.cols, out.cols, !!trans_a, !!trans_b, !!accumulate, 1 },
		a.data, b.data, out.data, a.ld, out.ld };
	int good, own = !ctx->gemm || (trans_a ? trans_b || out.ld != out.cols : b.ld != b.cols);

	if (out.rows == 0 || out.cols == 0)
		return;
	omp_set_num_threads(ctx->threads);
	if (k > 0 && a.type == OD_BF16) {
		od_cpu_gemm_bf16(ctx, out, a, trans_a, b, trans_b, accumulate, (struct od_mat){ NULL, OD_F32, 0, 0, 0 });
		return;
	}
	if (k == 0) {
		if (!accumulate)
			clear_rows(out);
		return;
	}
	if (own)
		good = ctx->k->sgemm(ctx, out, a, trans_a, b, trans_b, accumulate);
	else if (trans_a)
		good = run_tokens(ctx, &g, b.ld);
	else if (out.rows < MIN_PIECE * ctx->threads)
		good = run_whole(ctx->gemm, &g);
	else
		good = run_rows(ctx->gemm, &g);
	if (!good)
		ctx->failed = 1;
}

/* ---- opening ---- */

/* Whether row i of an [m, k] product is bit for bit row i of a taller one, for odd and even m. */
static int
check_rows(struct gemm_cache *c, int64_t n, int64_t k, int trans_b)
{
	static const int64_t rows[] = { 1, 2, 3, 7, 16, 31, 33 };
	enum { M = 48 };
	float *a = od_calloc((size_t)(M * k + n * k + 2 * M * n), sizeof *a), *b, *want, *got;
	struct gemm_shape s = { M, n, k, k, trans_b ? k : n, n, 0, trans_b, 0, 1 };
	struct gemm_primitive *p = NULL;
	int same = 0;

	if (!a)
		return 0;
	b = a + M * k;
	want = b + n * k;
	got = want + M * n;
	for (int64_t i = 0; i < M * k + n * k; i++)
		a[i] = (float)((i * 7919 + 13) % 1009) / 1009 - 0.5f;
	p = find_primitive(c, &s);
	same = p && p->is_brgemm && run_primitive(c, p, a, b, want);
	for (size_t i = 0; same && i < sizeof rows / sizeof *rows; i++) {
		s.m = rows[i];
		p = find_primitive(c, &s);
		same = p && run_primitive(c, p, a + 5 * k, b, got) && !memcmp(got, want + 5 * n, (size_t)(s.m * n) * sizeof *a);
	}
	free(a);
	return same;
}

enum od_status
od_gemm_cache_open(struct gemm_cache **out, int threads, struct od_error *err)
{
	struct gemm_cache *c = od_calloc(1, sizeof *c);

	*out = NULL;
	if (!c)
		return od_fail_nomem(err, "cache of primitives", sizeof *c);
	c->threads = threads;
	c->pad = od_calloc((size_t)threads, 2 * sizeof *c->pad);
	if (!c->pad) {
		od_gemm_cache_close(c);
		return od_fail_nomem(err, "scratchpads", (size_t)threads * 2 * sizeof *c->pad);
	}
	c->copy = c->pad + threads;
	if (dnnl_engine_create(&c->engine, dnnl_cpu, 0) == dnnl_success &&
	    dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags) == dnnl_success &&
	    check_rows(c, 192, 576, 1) && check_rows(c, 67, 131, 0))
		*out = c;
	else
		od_gemm_cache_close(c);
	return OD_OK;
}

void
od_gemm_cache_close(struct gemm_cache *c)
{
	if (!c)
		return;
	for (int i = 0; i < CACHE_HASH; i++)
		for (struct gemm_primitive *p = c->table[i], *next; p; p = next) {
			next = p->next;
			free_primitive(p);
		}
	for (int i = 0; c->pad && i < 2 * c->threads; i++)
		free(c->pad[i].data);
	free(c->pad);
	if (c->stream)
		dnnl_stream_destroy(c->stream);
	if (c->engine)
		dnnl_engine_destroy(c->engine);
	free(c);
}

const char *
od_gemm_library(void)
{
#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
	return "onednn-" TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR);
}
