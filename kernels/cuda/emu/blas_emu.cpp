/* blas_emu.cpp -- cuBLASLt as a plain loop: each entry of the product is summed over k in order, in double, whatever the
 * shape. Column-major; D = alpha op(A) op(B) + beta C (+ bias of a row). What the real one refuses is refused. */
#include <cublasLt.h>

#include <vector>

#include "state.h"

/* What hides in the opaque descriptors. */
#define OPAQUE __attribute__((may_alias))

struct OPAQUE layout {
	int32_t type, order;
	uint64_t rows, cols;
	int64_t ld, batch_stride;
	int32_t batch_count;
};

struct OPAQUE matmul_desc {
	int32_t compute, scale, pointer_mode, trans_a, trans_b, sm_target;
	uint32_t epilogue;
	int32_t bias_type;                   /* -1: as D */
	const void *bias;
};

struct OPAQUE preference {
	uint64_t workspace;
	uint32_t reduction_mask, search_mode, alignment[4];
};

struct OPAQUE algo {
	uint64_t made;                       /* ALGO_MADE: not garbage */
	uint32_t value[9];                   /* by cublasLtMatmulAlgoConfigAttributes_t */
};

struct cublasLtContext { int unused; };

static const uint64_t ALGO_MADE = 0x6f646f67656d6d21;

static_assert(sizeof(struct layout) <= sizeof(cublasLtMatrixLayoutOpaque_t), "fits");
static_assert(sizeof(struct matmul_desc) <= sizeof(cublasLtMatmulDescOpaque_t), "fits");
static_assert(sizeof(struct preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t), "fits");
static_assert(sizeof(struct algo) <= sizeof(cublasLtMatmulAlgo_t), "fits");

template <typename T, typename Opaque>
static T *
in(Opaque *o)
{
	return reinterpret_cast<T *>(o->data);
}

template <typename T, typename Opaque>
static const T *
in(const Opaque *o)
{
	return reinterpret_cast<const T *>(o->data);
}

/* Sets a field from buf, whose size must be the field's. */
template <typename T>
static cublasStatus_t
set(T *field, const void *buf, size_t size)
{
	if (!buf || size != sizeof *field)
		return CUBLAS_STATUS_INVALID_VALUE;
	memcpy(field, buf, size);
	return CUBLAS_STATUS_SUCCESS;
}

/* ---- handle ---- */

extern "C" cublasStatus_t
cublasLtCreate(cublasLtHandle_t *handle)
{
	if (!handle)
		return CUBLAS_STATUS_INVALID_VALUE;
	*handle = new cublasLtContext();
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtDestroy(cublasLtHandle_t handle)
{
	delete handle;
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" size_t
cublasLtGetVersion(void)
{
	return 130000;
}

extern "C" const char *
cublasLtGetStatusName(cublasStatus_t status)
{
	switch (status) {
	case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
	case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
	case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
	case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
	case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
	default: return "CUBLAS_STATUS_?";
	}
}

extern "C" const char *
cublasLtGetStatusString(cublasStatus_t status)
{
	return cublasLtGetStatusName(status);
}

/* ---- descriptors ---- */

extern "C" cublasStatus_t
cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld)
{
	if (!layout)
		return CUBLAS_STATUS_INVALID_VALUE;
	*layout = new cublasLtMatrixLayoutOpaque_t();
	*in<struct layout>(*layout) = { type, CUBLASLT_ORDER_COL, rows, cols, ld, 0, 1 };
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
	delete layout;
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attr, const void *buf,
	size_t size)
{
	struct layout *l = in<struct layout>(layout);

	switch (attr) {
	case CUBLASLT_MATRIX_LAYOUT_TYPE: return set(&l->type, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_ORDER: return set(&l->order, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_ROWS: return set(&l->rows, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_COLS: return set(&l->cols, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_LD: return set(&l->ld, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return set(&l->batch_count, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return set(&l->batch_stride, buf, size);
	}
	return CUBLAS_STATUS_INVALID_VALUE;
}

extern "C" cublasStatus_t
cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale)
{
	if (!desc)
		return CUBLAS_STATUS_INVALID_VALUE;
	*desc = new cublasLtMatmulDescOpaque_t();
	*in<struct matmul_desc>(*desc) = { compute, scale, CUBLASLT_POINTER_MODE_HOST, CUBLAS_OP_N, CUBLAS_OP_N, 0,
		CUBLASLT_EPILOGUE_DEFAULT, -1, NULL };
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
	delete desc;
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attr, const void *buf, size_t size)
{
	struct matmul_desc *d = in<struct matmul_desc>(desc);

	switch (attr) {
	case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE: return set(&d->compute, buf, size);
	case CUBLASLT_MATMUL_DESC_SCALE_TYPE: return set(&d->scale, buf, size);
	case CUBLASLT_MATMUL_DESC_POINTER_MODE: return set(&d->pointer_mode, buf, size);
	case CUBLASLT_MATMUL_DESC_TRANSA: return set(&d->trans_a, buf, size);
	case CUBLASLT_MATMUL_DESC_TRANSB: return set(&d->trans_b, buf, size);
	case CUBLASLT_MATMUL_DESC_EPILOGUE: return set(&d->epilogue, buf, size);
	case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return set(&d->bias, buf, size);
	case CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET: return set(&d->sm_target, buf, size);
	case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return set(&d->bias_type, buf, size);
	}
	return CUBLAS_STATUS_INVALID_VALUE;
}

extern "C" cublasStatus_t
cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *pref)
{
	if (!pref)
		return CUBLAS_STATUS_INVALID_VALUE;
	*pref = new cublasLtMatmulPreferenceOpaque_t();
	*in<struct preference>(*pref) = { 0, CUBLASLT_REDUCTION_SCHEME_MASK, 0, { 256, 256, 256, 256 } };
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t pref)
{
	delete pref;
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t pref, cublasLtMatmulPreferenceAttributes_t attr,
	const void *buf, size_t size)
{
	struct preference *p = in<struct preference>(pref);

	switch (attr) {
	case CUBLASLT_MATMUL_PREF_SEARCH_MODE: return set(&p->search_mode, buf, size);
	case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return set(&p->workspace, buf, size);
	case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return set(&p->reduction_mask, buf, size);
	case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
	case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
	case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
	case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
		return set(&p->alignment[attr - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], buf, size);
	}
	return CUBLAS_STATUS_INVALID_VALUE;
}

/* ---- what is supported ---- */

static size_t
size_of(int32_t type)
{
	return type == CUDA_R_32F ? 4 : 2;
}

static bool
known_types(const struct matmul_desc *m, int32_t a, int32_t b, int32_t c, int32_t d)
{
	bool bf16 = a == CUDA_R_16BF;

	if (a != b || c != d || (a != CUDA_R_32F && !bf16) || (c != CUDA_R_32F && !(bf16 && c == CUDA_R_16BF)))
		return false;
	if (m->scale != CUDA_R_32F)
		return false;
	switch (m->compute) {
	case CUBLAS_COMPUTE_32F:
	case CUBLAS_COMPUTE_32F_PEDANTIC:
		return true;
	case CUBLAS_COMPUTE_32F_FAST_TF32:
	case CUBLAS_COMPUTE_32F_FAST_16BF:
		return !bf16;
	}
	return false;
}

static bool
good_layout(const struct layout *l)
{
	return l->order == CUBLASLT_ORDER_COL && l->ld >= (int64_t)l->rows && l->rows > 0 && l->cols > 0 && l->batch_count > 0;
}

static cublasStatus_t
check(const struct matmul_desc *m, const struct layout *a, const struct layout *b, const struct layout *c,
	const struct layout *d)
{
	bool ta = m->trans_a != CUBLAS_OP_N, tb = m->trans_b != CUBLAS_OP_N;

	if (!good_layout(a) || !good_layout(b) || !good_layout(c) || !good_layout(d))
		return CUBLAS_STATUS_INVALID_VALUE;
	if ((ta ? a->cols : a->rows) != d->rows || (tb ? b->rows : b->cols) != d->cols)
		return CUBLAS_STATUS_INVALID_VALUE;
	if ((ta ? a->rows : a->cols) != (tb ? b->cols : b->rows) || c->rows != d->rows || c->cols != d->cols)
		return CUBLAS_STATUS_INVALID_VALUE;
	if (a->batch_count != d->batch_count || b->batch_count != d->batch_count || c->batch_count != d->batch_count)
		return CUBLAS_STATUS_INVALID_VALUE;
	if (!known_types(m, a->type, b->type, c->type, d->type) || m->pointer_mode != CUBLASLT_POINTER_MODE_HOST)
		return CUBLAS_STATUS_NOT_SUPPORTED;
	if (m->epilogue != CUBLASLT_EPILOGUE_DEFAULT && m->epilogue != CUBLASLT_EPILOGUE_BIAS)
		return CUBLAS_STATUS_NOT_SUPPORTED;
	return CUBLAS_STATUS_SUCCESS;
}

/* ---- algorithms: there is one, which keeps what it is told ---- */

static void
make_algo(cublasLtMatmulAlgo_t *algo)
{
	struct algo *g = in<struct algo>(algo);

	memset(algo, 0, sizeof *algo);
	g->made = ALGO_MADE;
	g->value[CUBLASLT_ALGO_CONFIG_TILE_ID] = 15;
	g->value[CUBLASLT_ALGO_CONFIG_SPLITK_NUM] = 1;
}

extern "C" cublasStatus_t
cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
	cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo,
	cublasLtMatmulHeuristicResult_t *result)
{
	cublasStatus_t e;

	if (!handle)
		return CUBLAS_STATUS_NOT_INITIALIZED;
	if (!desc || !a || !b || !c || !d || !algo || !result || in<struct algo>(algo)->made != ALGO_MADE)
		return CUBLAS_STATUS_INVALID_VALUE;
	e = check(in<struct matmul_desc>(desc), in<struct layout>(a), in<struct layout>(b), in<struct layout>(c),
		in<struct layout>(d));
	memset(result, 0, sizeof *result);
	result->algo = *algo;
	result->state = e;
	result->wavesCount = 1;
	return e;
}

extern "C" cublasStatus_t
cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
	cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t pref,
	int requested, cublasLtMatmulHeuristicResult_t results[], int *returned)
{
	cublasLtMatmulAlgo_t algo;
	cublasStatus_t e;

	if (!pref || requested < 1 || !results || !returned)
		return CUBLAS_STATUS_INVALID_VALUE;
	make_algo(&algo);
	e = cublasLtMatmulAlgoCheck(handle, desc, a, b, c, d, &algo, &results[0]);
	*returned = e == CUBLAS_STATUS_SUCCESS;
	return e;
}

extern "C" cublasStatus_t
cublasLtMatmulAlgoGetIds(cublasLtHandle_t handle, cublasComputeType_t, cudaDataType_t, cudaDataType_t, cudaDataType_t,
	cudaDataType_t, cudaDataType_t, int requested, int ids[], int *returned)
{
	if (!handle)
		return CUBLAS_STATUS_NOT_INITIALIZED;
	if (requested < 1 || !ids || !returned)
		return CUBLAS_STATUS_INVALID_VALUE;
	ids[0] = 0;
	*returned = 1;
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtMatmulAlgoInit(cublasLtHandle_t handle, cublasComputeType_t, cudaDataType_t, cudaDataType_t, cudaDataType_t,
	cudaDataType_t, cudaDataType_t, int id, cublasLtMatmulAlgo_t *algo)
{
	if (!handle)
		return CUBLAS_STATUS_NOT_INITIALIZED;
	if (id != 0 || !algo)
		return CUBLAS_STATUS_INVALID_VALUE;
	make_algo(algo);
	return CUBLAS_STATUS_SUCCESS;
}

/* The two shapes of an algorithm are 16 bits wide, everything else 32. */
static size_t
width_of(cublasLtMatmulAlgoConfigAttributes_t attr)
{
	return attr == CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID || attr == CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID ? 2 : 4;
}

extern "C" cublasStatus_t
cublasLtMatmulAlgoConfigSetAttribute(cublasLtMatmulAlgo_t *algo, cublasLtMatmulAlgoConfigAttributes_t attr, const void *buf,
	size_t size)
{
	if (!algo || !buf || attr <= CUBLASLT_ALGO_CONFIG_ID || attr > CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID
		|| size != width_of(attr) || in<struct algo>(algo)->made != ALGO_MADE)
		return CUBLAS_STATUS_INVALID_VALUE;
	in<struct algo>(algo)->value[attr] = 0;
	memcpy(&in<struct algo>(algo)->value[attr], buf, size);
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t
cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo, cublasLtMatmulAlgoConfigAttributes_t attr, void *buf,
	size_t size, size_t *written)
{
	if (!algo || attr > CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID || in<struct algo>(algo)->made != ALGO_MADE)
		return CUBLAS_STATUS_INVALID_VALUE;
	if (size != 0 && (!buf || size != width_of(attr)))
		return CUBLAS_STATUS_INVALID_VALUE;
	if (size != 0)
		memcpy(buf, &in<struct algo>(algo)->value[attr], size);
	if (written)
		*written = width_of(attr);
	return CUBLAS_STATUS_SUCCESS;
}

/* ---- the product ---- */

static float
load(const void *p, int32_t type, int64_t i)
{
	if (type == CUDA_R_32F)
		return static_cast<const float *>(p)[i];
	return __bfloat162float(static_cast<const __nv_bfloat16 *>(p)[i]);
}

static void
store(void *p, int32_t type, int64_t i, float x)
{
	if (type == CUDA_R_32F)
		static_cast<float *>(p)[i] = x;
	else
		static_cast<__nv_bfloat16 *>(p)[i] = __float2bfloat16(x);
}

/* An operand as a tensor core sees it: fp32 loses mantissa bits in the fast modes. */
static float
as_operand(float x, int32_t compute)
{
	uint32_t drop = compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? 13 : compute == CUBLAS_COMPUTE_32F_FAST_16BF ? 16 : 0;
	uint32_t u = __float_as_uint(x);

	if (drop == 0 || (u & 0x7f800000u) == 0x7f800000u)
		return x;
	return __uint_as_float((u + (1u << (drop - 1))) & ~((1u << drop) - 1));
}

static const void *
batch_of(const void *p, const struct layout *l, int32_t i)
{
	return static_cast<const char *>(p) + (int64_t)size_of(l->type) * l->batch_stride * i;
}

/* op(A) or op(B) as floats: element (i, p) of the m x k operand at p * m + i. */
static std::vector<float>
pack(const void *x, const struct layout *l, bool transpose, int64_t m, int64_t k, int32_t compute)
{
	std::vector<float> packed((size_t)(m * k));

	for (int64_t p = 0; p < k; p++)
		for (int64_t i = 0; i < m; i++)
			packed[(size_t)(p * m + i)] = as_operand(load(x, l->type, transpose ? i * l->ld + p : p * l->ld + i),
				compute);
	return packed;
}

struct product {
	const struct matmul_desc *m;
	const struct layout *c, *d;
	float alpha, beta;
	const void *C;
	void *D;
};

/* Column j of D from its sums. */
static void
finish_column(const struct product *q, int64_t j, const std::vector<double> &sum)
{
	int32_t bias_type = q->m->bias_type < 0 ? q->d->type : q->m->bias_type;

	for (int64_t i = 0; i < (int64_t)q->d->rows; i++) {
		double x = q->alpha * sum[(size_t)i];

		if (q->beta != 0)
			x += (double)q->beta * load(q->C, q->c->type, j * q->c->ld + i);
		if (q->m->epilogue == CUBLASLT_EPILOGUE_BIAS)
			x += load(q->m->bias, bias_type, i);
		store(q->D, q->d->type, j * q->d->ld + i, (float)x);
	}
}

static void
multiply(const struct product *q, const std::vector<float> &a, const std::vector<float> &b, int64_t k)
{
	int64_t m = (int64_t)q->d->rows, n = (int64_t)q->d->cols;
	std::vector<double> sum((size_t)m);

	for (int64_t j = 0; j < n; j++) {
		std::fill(sum.begin(), sum.end(), 0.0);
		for (int64_t p = 0; p < k; p++) {
			const float *column = &a[(size_t)(p * m)];
			double y = b[(size_t)(p * n + j)];

			for (int64_t i = 0; i < m; i++)
				sum[(size_t)i] += column[i] * y;
		}
		finish_column(q, j, sum);
	}
}

/* In place is D = C with the same layout, as the real one wants it; the bias is read where it is asked for. */
static bool
good_operands(const struct matmul_desc *m, const void *C, const struct layout *c, const void *D, const struct layout *d,
	float beta)
{
	if (beta != 0 && !C)
		return false;
	if (C == D && C && c->ld != d->ld)
		return false;
	return m->epilogue != CUBLASLT_EPILOGUE_BIAS || m->bias;
}

extern "C" cublasStatus_t
cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *A,
	cublasLtMatrixLayout_t a_layout, const void *B, cublasLtMatrixLayout_t b_layout, const void *beta, const void *C,
	cublasLtMatrixLayout_t c_layout, void *D, cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
	void *workspace, size_t workspace_bytes, cudaStream_t)
{
	cublasLtMatmulHeuristicResult_t result;
	cublasLtMatmulAlgo_t own;
	cublasStatus_t e;

	make_algo(&own);
	e = cublasLtMatmulAlgoCheck(handle, desc, a_layout, b_layout, c_layout, d_layout, algo ? algo : &own, &result);
	if (e != CUBLAS_STATUS_SUCCESS)
		return e;
	if (!alpha || !beta || !A || !B || !D || (workspace_bytes > 0 && !workspace))
		return CUBLAS_STATUS_INVALID_VALUE;

	const struct matmul_desc *m = in<struct matmul_desc>(desc);
	const struct layout *a = in<struct layout>(a_layout), *b = in<struct layout>(b_layout);
	const struct layout *c = in<struct layout>(c_layout), *d = in<struct layout>(d_layout);
	bool ta = m->trans_a != CUBLAS_OP_N, tb = m->trans_b != CUBLAS_OP_N;
	int64_t k = (int64_t)(ta ? a->rows : a->cols);
	struct product q = { m, c, d, *static_cast<const float *>(alpha), *static_cast<const float *>(beta), C, D };

	if (!good_operands(m, C, c, D, d, q.beta))
		return CUBLAS_STATUS_INVALID_VALUE;
	emu_device_begin();
	for (int32_t i = 0; i < d->batch_count; i++) {
		q.C = C ? batch_of(C, c, i) : NULL;
		q.D = const_cast<void *>(batch_of(D, d, i));
		multiply(&q, pack(batch_of(A, a, i), a, ta, (int64_t)d->rows, k, m->compute),
			pack(batch_of(B, b, i), b, !tb, (int64_t)d->cols, k, m->compute), k);
	}
	emu_device_end();
	return CUBLAS_STATUS_SUCCESS;
}
