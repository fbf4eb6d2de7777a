/* backend.h -- the only door between the model code and the hardware.
 *
 * A backend is a table of operations over device buffers. The model code (lib/model) is written once against it; each
 * backend fills the table: kernels/ref (plain loops in double, the oracle of the tests), kernels/cpu (oneDNN for GEMM,
 * fused C for the rest), kernels/cuda. kernels/ops.def lists the operations once; the table, the tests and the
 * benchmarks are generated from it.
 *
 * BUFFERS. Device memory is a plain address that only the backend dereferences (on CPU backends the host may too).
 * struct od_mat is a view: a row-major matrix with a row stride and an element type. Index arrays (ids, positions, rows) are
 * device addresses of int32.
 *
 * TYPES. A backend computes in one type, be->type: what matrix products read (weights, and the activations between
 * products) is OD_F32 or OD_BF16. The residual stream and its gradient, norm gains, biases, statistics, gradients of
 * weights and the optimiser are fp32 in both cases; ops.def marks them (f32). Where be->type is OD_BF16 a model trained
 * has fp32 master weights beside the bf16 copy that products read.
 *
 * NUMERICS. Matrix products accumulate in fp32; norms, softmax, log-sum-exp, all gradients of weights and the optimiser
 * are fp32 with wider sums where a comment says so.
 *
 * ROW INVARIANCE. In gemm with trans_a = 0, and in norm_fwd, bias_fwd, rope, glu_fwd, gather, head_fwd, row i of the result
 * is a function of row i of the input alone, bit for bit: not of the number of rows, of i, or of the thread count. In
 * attn_fwd the rows of a segment depend on its own tokens and its parent's alone. So a pair has the same log-probs
 * whatever it is packed with, and a reference pass and a training pass agree exactly.
 *
 * DETERMINISM. For a given thread count every operation gives the same bytes on every call.
 */
#ifndef OD_KERNELS_BACKEND_H
#define OD_KERNELS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct od_mat {
	void *data;
	enum od_dtype type;
	int64_t rows, cols, ld;          /* ld: elements from one row to the next, >= cols */
};

/* A dense matrix at data. */
static inline struct od_mat
od_mat_of(void *data, enum od_dtype type, int64_t rows, int64_t cols)
{
	struct od_mat m = { data, type, rows, cols, cols };

	return m;
}

static inline struct od_mat
od_mat_f32(void *data, int64_t rows, int64_t cols)
{
	return od_mat_of(data, OD_F32, rows, cols);
}

/* Columns [first, first + n) of m. */
static inline struct od_mat
od_mat_cols(struct od_mat m, int64_t first, int64_t n)
{
	struct od_mat part = { (char *)m.data + first * (int64_t)od_dtype_size(m.type), m.type, m.rows, n, m.ld };

	return part;
}

/* Which token sees which: a packed buffer of segments. A segment with parent < 0 starts a sequence at position 0; one
 * with a parent continues the parent's sequence: it sees all of the parent's tokens and its own up to itself. Parents
 * have no parents, and stand before their children. Position of token t of segment s: (parent's len or 0) + t - start. */
struct od_tree {
	int64_t n_tokens;
	int32_t n_segments;
	const int32_t *start, *len, *parent;   /* [n_segments], host memory */
	const int32_t *pos;                    /* [n_tokens], device memory: position of each token */
};

struct od_attn_params {
	int32_t n_heads, n_kv_heads, head_dim; /* query head h reads kv head h / (n_heads / n_kv_heads) */
	float scale;                           /* on q.k, before the soft-cap */
	float softcap;                         /* s := c * tanh(s / c) before the mask; 0 = none */
	int32_t window;                        /* keys with position > query's - window are seen; 0 = all */
};

/* Keys and values of past tokens of one layer. A page holds OD_KV_PAGE tokens of one sequence, or of several that begin alike;
 * keys lie transposed, so that a query meets many of them at once:
 *   k: [page][kv head][head_dim][OD_KV_PAGE],  v: [page][kv head][OD_KV_PAGE][head_dim], in the backend's type. */
enum { OD_KV_PAGE = 32 };

struct od_kv_pages {
	void *k, *v;                           /* device */
	int32_t n_kv_heads, head_dim;
};

enum od_act { OD_ACT_SILU, OD_ACT_GELU_TANH };

struct od_adamw {
	double lr, beta1, beta2, eps, weight_decay;
	double bias1, bias2;                   /* 1 - beta^t of this step */
	double grad_scale;                     /* gradients are multiplied by this first (clipping) */
};

/* The scored entries of an LM head: entry e asks for the log-prob of token id[e] given hidden row row[e]. Several
 * entries may share a row (the last shared token of a pair predicts both tails); entries are sorted by row. */
struct od_targets {
	int64_t n;
	const int32_t *row, *id;               /* [n], device memory */
};

/* How products are computed: OD_COMPUTE_AUTO is bf16 on a GPU and on processors that multiply bf16 faster than fp32, else
 * fp32; TF32 rounds the inputs of fp32 products to 10
 * bits on a GPU's matrix units. */
enum od_compute { OD_COMPUTE_AUTO, OD_COMPUTE_FP32, OD_COMPUTE_TF32, OD_COMPUTE_BF16 };

/* Collectives between the devices of several processes, one device each; all of them call these in the same order. They are
 * queued behind the backend's operations and run beside later ones until settle().
 *   identity  a fresh name for a group, made by one process for all; OD_ESUPPORT when the library for it is missing
 *   join      waits until all n have joined; the group lasts as long as the backend
 *   reduce    x[first[k], + count[k]) of process k becomes the sum of that range over all, in an order that every run repeats
 *   gather    x[first[k], + count[k]), elements of 'type', becomes process k's everywhere
 *   settle    later operations of the backend see what was reduced and gathered */
enum { OD_GROUP_ID = 128 };

struct od_backend;

struct od_group_ops {
	enum od_status (*identity)(struct od_backend *be, unsigned char id[OD_GROUP_ID], struct od_error *err);
	enum od_status (*join)(struct od_backend *be, const unsigned char id[OD_GROUP_ID], int rank, int n, struct od_error *err);
	enum od_status (*reduce)(struct od_backend *be, float *x, const int64_t *first, const int64_t *count,
		struct od_error *err);
	enum od_status (*gather)(struct od_backend *be, void *x, enum od_dtype type, const int64_t *first, const int64_t *count,
		struct od_error *err);
	enum od_status (*settle)(struct od_backend *be, struct od_error *err);
};

struct od_backend {
	const char *name;                      /* "cpu", "ref", "cuda:0" */
	const char *numerics;                  /* "cpu fp32 onednn-2.6 k2": changes whenever results may change */
	enum od_dtype type;                    /* OD_F32 or OD_BF16: of weights and activations in products */
	bool host_memory;                      /* the host may read and write device addresses */
	const struct od_group_ops *group;      /* NULL: the backend has none */
	void *ctx;
#define OD_OP(ret, op, args) ret (*op) args;
#include "ops.def"
#undef OD_OP
};

/* What OD_COMPUTE_AUTO stands for on a device of that name, on this machine; anything else is itself. */
enum od_compute od_backend_compute(const char *name, enum od_compute compute);

/* Opens "cpu", "ref", "cuda" (the first GPU) or "cuda:N". threads > 0 sets the number of threads of this process. The backend
 * lives until od_backend_close; OD_EUSAGE for an unknown name, OD_ESUPPORT for a device, driver or number type that is
 * not to be had, with the reason. */
OD_MUST_CHECK enum od_status od_backend_open(struct od_backend **out, const char *name, enum od_compute compute, int threads,
	struct od_error *err);
void od_backend_close(struct od_backend *be);        /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
