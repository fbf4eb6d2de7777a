#include "blas.h"

#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __CUDACC__
#include <dlfcn.h>
#endif

/* The functions used, by their names without "cublasLt". */
#define BLAS_FUNCTIONS(X)                                                                                                   \
	X(Create) X(Destroy) X(GetVersion) X(MatmulDescCreate) X(MatmulDescDestroy) X(MatmulDescSetAttribute)               \
	X(MatrixLayoutCreate) X(MatrixLayoutDestroy) X(MatmulPreferenceCreate) X(MatmulPreferenceDestroy)                   \
	X(MatmulPreferenceSetAttribute) X(MatmulAlgoGetHeuristic) X(Matmul)

/* What decides the algorithm of a product. rows: 0 for products that must be row invariant. */
struct product_key {
	int64_t m, n, k, rows;                 /* in cuBLASLt's column-major terms, m the contiguous side of the result */
	cublasOperation_t op_a, op_b;
	cudaDataType_t in, out;
	uint32_t align_a, align_b, align_out;
};

struct product {
	struct product_key key;
	cublasLtMatmulDesc_t desc;
	cublasLtMatmulAlgo_t algo;
};

struct cuda_blas {
#define X(name) decltype(&cublasLt##name) name;
	BLAS_FUNCTIONS(X)
#undef X
	void *library;
	cublasLtHandle_t handle;
	cublasComputeType_t compute_f32;
	struct product *product;
	int n, cap;
	char version[32];
};

enum { WORKSPACE = 64 << 20, CANONICAL_ROWS = 4096, MOST_ALIGNMENT = 16 };

/* ---- opening ---- */

#ifdef __CUDACC__
static bool
find_functions(struct cuda_blas *b, char *why, size_t n)
{
	static const char *const names[] = { "libcublasLt.so.13", "libcublasLt.so" };

	for (int i = 0; i < 2 && !b->library; i++)
		b->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!b->library) {
		snprintf(why, n, "cuBLAS of CUDA 13 is needed: %s", dlerror());
		return false;
	}
#define X(name)                                                                                                             \
	b->name = reinterpret_cast<decltype(b->name)>(dlsym(b->library, "cublasLt" #name));                                 \
	if (!b->name) {                                                                                                     \
		snprintf(why, n, "this cuBLAS has no function cublasLt" #name);                                             \
		return false;                                                                                               \
	}
	BLAS_FUNCTIONS(X)
#undef X
	return true;
}
#else
static bool
find_functions(struct cuda_blas *b, char *, size_t)
{
#define X(name) b->name = cublasLt##name;
	BLAS_FUNCTIONS(X)
#undef X
	return true;
}
#endif

struct cuda_blas *
od_cuda_blas_open(bool tf32, char *why, size_t n)
{
	struct cuda_blas *b = static_cast<struct cuda_blas *>(calloc(1, sizeof *b));
	size_t v;

	if (!b) {
		snprintf(why, n, "out of memory");
		return NULL;
	}
	if (!find_functions(b, why, n)) {
		od_cuda_blas_close(b);
		return NULL;
	}
	if (b->Create(&b->handle) != CUBLAS_STATUS_SUCCESS) {
		snprintf(why, n, "cuBLAS cannot start: its version may not go with the driver's");
		b->handle = NULL;
		od_cuda_blas_close(b);
		return NULL;
	}
	b->compute_f32 = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
	v = b->GetVersion();
	snprintf(b->version, sizeof b->version, "%zu.%zu.%zu", v / 10000, v / 100 % 100, v % 100);
	return b;
}

void
od_cuda_blas_close(struct cuda_blas *b)
{
	if (!b)
		return;
	for (int i = 0; i < b->n; i++)
		b->MatmulDescDestroy(b->product[i].desc);
	if (b->handle)
		b->Destroy(b->handle);
#ifdef __CUDACC__
	if (b->library)
		dlclose(b->library);
#endif
	free(b->product);
	free(b);
}

const char *
od_cuda_blas_version(const struct cuda_blas *b)
{
	return b->version;
}

/* ---- choosing an algorithm ---- */

static cudaDataType_t
data_type(enum od_dtype t)
{
	return t == OD_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* Larger borders than MOST_ALIGNMENT gain nothing, and would make the choice depend on where a buffer happens to lie. */
static uint32_t
alignment(const struct od_mat *m)
{
	uintptr_t at = reinterpret_cast<uintptr_t>(m->data) | (uintptr_t)(m->ld * (int64_t)od_dtype_size(m->type)) | MOST_ALIGNMENT;

	return (uint32_t)(at & -at);
}

static int64_t
power_of_two(int64_t n)
{
	int64_t p = 128;

	while (p < n)
		p *= 2;
	return p;
}

/* A layout is a column-major matrix; ours are row-major, so everything is seen transposed. */
static cublasLtMatrixLayout_t
layout(struct cuda_blas *b, enum od_dtype type, int64_t contiguous, int64_t other, int64_t ld)
{
	cublasLtMatrixLayout_t l = NULL;

	if (b->MatrixLayoutCreate(&l, data_type(type), (uint64_t)contiguous, (uint64_t)other, ld) != CUBLAS_STATUS_SUCCESS)
		return NULL;
	return l;
}

struct layouts {
	cublasLtMatrixLayout_t a, b, c, out;   /* the factors in cuBLASLt's order: its a is our b; c is what is added */
};

static void
layouts_release(struct cuda_blas *b, struct layouts *l)
{
	if (l->a)
		b->MatrixLayoutDestroy(l->a);
	if (l->b)
		b->MatrixLayoutDestroy(l->b);
	if (l->c)
		b->MatrixLayoutDestroy(l->c);
	if (l->out)
		b->MatrixLayoutDestroy(l->out);
}

/* Shapes with 'rows' in the place of the dimension that the algorithm must not depend on: rows of out and a, or with trans_a
 * the tokens that are summed over. rows = 0: as they are. */
static bool
layouts_make(struct cuda_blas *b, struct layouts *l, struct od_mat out, int64_t ld_c, struct od_mat a, int trans_a,
	struct od_mat x, int trans_b, int64_t rows)
{
	int64_t a_rows = rows ? rows : a.rows, out_rows = rows && !trans_a ? rows : out.rows;
	int64_t x_rows = rows && trans_a && !trans_b ? rows : x.rows, x_cols = rows && trans_a && trans_b ? rows : x.cols;

	l->a = layout(b, x.type, x_cols, x_rows, x_cols > x.ld ? x_cols : x.ld);
	l->b = layout(b, a.type, a.cols, a_rows, a.ld);
	l->c = layout(b, out.type, out.cols, out_rows, ld_c);
	l->out = layout(b, out.type, out.cols, out_rows, out.ld);
	return l->a && l->b && l->c && l->out;
}

static struct product_key
key_of(struct od_mat out, struct od_mat a, int trans_a, struct od_mat x, int trans_b)
{
	struct product_key k;

	memset(&k, 0, sizeof k);               /* compared as bytes */
	k.m = out.cols;
	k.n = trans_a ? out.rows : 0;
	k.k = trans_a ? 0 : a.cols;
	k.rows = trans_a ? power_of_two(a.rows) : 0;
	k.op_a = trans_b ? CUBLAS_OP_T : CUBLAS_OP_N;
	k.op_b = trans_a ? CUBLAS_OP_T : CUBLAS_OP_N;
	k.in = data_type(a.type);
	k.out = data_type(out.type);
	k.align_a = alignment(&x);
	k.align_b = alignment(&a);
	k.align_out = alignment(&out);
	return k;
}

static void
set_preference(struct cuda_blas *b, cublasLtMatmulPreference_t p, const struct product_key *k)
{
	size_t workspace = WORKSPACE;
	uint32_t no_split = CUBLASLT_REDUCTION_SCHEME_NONE;

#define SET(attr, value) b->MatmulPreferenceSetAttribute(p, attr, &(value), sizeof(value))
	SET(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace);
	SET(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, k->align_a);
	SET(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, k->align_b);
	SET(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, k->align_out);
	SET(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, k->align_out);
	if (k->rows == 0)
		SET(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, no_split);
#undef SET
}

static bool
choose(struct cuda_blas *b, struct product *p, struct od_mat out, struct od_mat a, int trans_a, struct od_mat x, int trans_b)
{
	struct layouts l = { NULL, NULL, NULL, NULL };
	cublasLtMatmulPreference_t pref = NULL;
	cublasLtMatmulHeuristicResult_t result;
	int64_t rows = trans_a ? p->key.rows : (int64_t)CANONICAL_ROWS;
	int found = 0;
	bool ok = layouts_make(b, &l, out, out.ld, a, trans_a, x, trans_b, rows) &&
		b->MatmulPreferenceCreate(&pref) == CUBLAS_STATUS_SUCCESS;

	if (ok) {
		set_preference(b, pref, &p->key);
		ok = b->MatmulAlgoGetHeuristic(b->handle, p->desc, l.a, l.b, l.c, l.out, pref, 1, &result, &found) ==
			CUBLAS_STATUS_SUCCESS && found > 0;
	}
	if (ok)
		p->algo = result.algo;
	if (pref)
		b->MatmulPreferenceDestroy(pref);
	layouts_release(b, &l);
	return ok;
}

static bool
describe(struct cuda_blas *b, struct product *p)
{
	cublasComputeType_t compute = p->key.in == CUDA_R_32F ? b->compute_f32 : CUBLAS_COMPUTE_32F;

	if (b->MatmulDescCreate(&p->desc, compute, CUDA_R_32F) != CUBLAS_STATUS_SUCCESS)
		return false;
	b->MatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &p->key.op_a, sizeof p->key.op_a);
	b->MatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &p->key.op_b, sizeof p->key.op_b);
	return true;
}

/* The algorithm for this product, asked for once; NULL when there is none. */
static const struct product *
find(struct cuda_blas *b, struct od_mat out, struct od_mat a, int trans_a, struct od_mat x, int trans_b)
{
	struct product p;

	memset(&p, 0, sizeof p);
	p.key = key_of(out, a, trans_a, x, trans_b);
	for (int i = 0; i < b->n; i++)
		if (memcmp(&b->product[i].key, &p.key, sizeof p.key) == 0)
			return &b->product[i];
	if (b->n == b->cap) {
		int cap = b->cap ? 2 * b->cap : 64;
		void *grown = realloc(b->product, (size_t)cap * sizeof p);

		if (!grown)
			return NULL;
		b->product = static_cast<struct product *>(grown);
		b->cap = cap;
	}
	if (!describe(b, &p))
		return NULL;
	if (!choose(b, &p, out, a, trans_a, x, trans_b)) {
		b->MatmulDescDestroy(p.desc);
		return NULL;
	}
	b->product[b->n] = p;
	return &b->product[b->n++];
}

/* ---- the product ---- */

static void
fail(struct cuda_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, const char *what)
{
	if (!ctx->failed)
		snprintf(ctx->message, sizeof ctx->message, "cuBLAS %s a %lld x %lld x %lld product", what, (long long)out.rows,
			(long long)out.cols, (long long)(trans_a ? a.rows : a.cols));
	ctx->failed = 1;
}

/* A sum of nothing, which the library refuses. */
static void
copy_or_clear(struct cuda_ctx *ctx, struct od_mat out, const struct od_mat *add)
{
	size_t size = od_dtype_size(out.type), row = (size_t)out.cols * size;

	if (add && add->data == out.data)
		return;
	for (int64_t i = 0; i < out.rows; i++) {
		char *to = static_cast<char *>(out.data) + (size_t)(i * out.ld) * size;
		cudaError_t e = cudaSuccess;

		if (add)
			e = cudaMemcpyAsync(to, static_cast<char *>(add->data) + (size_t)(i * add->ld) * size, row,
				cudaMemcpyDeviceToDevice, ctx->stream);
		else
			e = cudaMemsetAsync(to, 0, row, ctx->stream);
		od_cuda_check(ctx, e, "product of nothing");
	}
}

void
od_cuda_product(struct cuda_ctx *ctx, struct od_mat out, struct od_mat a, int trans_a, struct od_mat x, int trans_b,
	const struct od_mat *add)
{
	struct cuda_blas *b = ctx->blas;
	void *workspace = od_cuda_scratch(ctx, CUDA_SCRATCH_BLAS, WORKSPACE);
	struct layouts l = { NULL, NULL, NULL, NULL };
	const struct od_mat *c = add ? add : &out;
	const struct product *p;
	const float one = 1, beta = add ? 1.0f : 0.0f;

	if (!workspace || ctx->failed || out.rows == 0 || out.cols == 0)
		return;
	if ((trans_a ? a.rows : a.cols) == 0) {
		copy_or_clear(ctx, out, add);
		return;
	}
	p = find(b, out, a, trans_a, x, trans_b);
	if (!p)
		fail(ctx, out, a, trans_a, "has no algorithm for");
	else if (!layouts_make(b, &l, out, c->ld, a, trans_a, x, trans_b, 0))
		fail(ctx, out, a, trans_a, "is out of memory for");
	else if (b->Matmul(b->handle, p->desc, &one, x.data, l.a, a.data, l.b, &beta, c->data, l.c, out.data, l.out, &p->algo,
		workspace, WORKSPACE, ctx->stream) != CUBLAS_STATUS_SUCCESS)
		fail(ctx, out, a, trans_a, "failed to run");
	layouts_release(b, &l);
}

void
od_cuda_gemm(struct od_backend *be, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b, int accumulate)
{
	od_cuda_product(cuda_ctx(be), out, a, trans_a, b, trans_b, accumulate ? &out : NULL);
}

void
od_cuda_gemm_add(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x)
{
	od_cuda_product(cuda_ctx(be), out, a, 0, b, 1, &x);
}
