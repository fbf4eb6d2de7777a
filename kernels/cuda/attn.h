/* attn.h -- attention over a packed tree of segments (ops.def: attn_fwd, attn_bwd; the formulas: ref/ref_attn.c).
 *
 *   attn_tiles.cu           host: the tree as work lists
 *   attn_fwd.cu             the forward operation;  attn_bwd.cu  the backward one
 *   attn_walk.inc.h         device: which tiles of keys a tile of queries sees, and the other way round
 *   attn_mma.inc.h          device: bf16 tiles in shared memory, products of them on tensor cores
 *   attn_plain.inc.h        device: the same with fp32 tiles and ordinary arithmetic
 *
 * ALGORITHM. Scores exist one tile (queries x keys) at a time. s = scale q.k, through the soft-cap c tanh(s / c), masked.
 *   forward: running maximum m and sum l per row; P = exp(s - m_new), out := out exp(m_old - m_new) + P V;
 *            at the end out / l, lse = m + log l.
 *   backward: P = exp(s - lse), dP = dout V^T, delta = rowsum(dout * out), dS = P (dP - delta) (1 - (s / c)^2), and
 *            dV = P^T dout, dK = scale dS^T Q, dQ = scale dS K.
 *            Three launches: delta; dQ by (tile of queries, head); dK and dV by (tile of keys, kv head), which loops over
 *            the group's query heads and over every tile of queries that sees the keys. Scores are computed twice; no sum
 *            is shared between blocks, so nothing depends on their order.
 * Tiles are counted from the start of a segment (a tail's keys: its parent's tiles, then its own), so that what a segment
 * computes depends on its tokens and its parent's alone, bit for bit. Tiles that the window or causality hides are
 * skipped, by the block or by each warp; a tile is masked only where it has to be.
 *
 * TWO IMPLEMENTATIONS.
 * Plain: fp32 or bf16, any even head_dim up to 256; 32 x 32 tiles in fp32, 128 threads, each 4 rows x 2 columns of scores
 * and 4 rows x D/16 columns of sums. Accurate exp, log, tanh.
 * Tensor core: bf16, head_dim 64, 128 or 256, 16-byte aligned rows, scale > 0. 4 warps; mma m16n8k16, fp32 sums. P and dS
 * are rounded to bf16 as operands and never leave registers: the accumulators of one product are the left operand of the
 * next. Exponentials are base 2 with log2 e folded into the scale.
 *
 *   kernel    tile (rows x columns)       a warp's rows    registers of sums      shared memory (D = 64, 128, 256)
 *   forward   128 queries x 64 keys       32               out D, scores 64       48, 96, - KB
 *     D 256    64 queries x 32 keys       16               out 128, scores 16     96 KB
 *   dQ         64 queries x 64 keys       16               dQ D/2, S + dP 32      48, 96, 128 KB (32 keys)
 *   dK, dV     64 keys x 64 queries       16               D, S + dP 32           49, 97, 128.5 KB (32 queries)
 *
 * Two blocks share a multiprocessor (up to head_dim 128), with up to 255 registers a thread: 2 warps a scheduler. The
 * moving tiles are double buffered: the next is on its way (cp.async) while this one is worked on, one barrier a tile. The
 * fixed operands stay in registers where these suffice (out and dK, dV: head_dim 64; dQ: up to 128), else they are read
 * again from shared memory for each tile. Backward takes its columns 32 at a time to save registers; at head_dim 256 dK
 * and dV are two launches. A tile's row is D/8 pieces of 16 bytes; piece c of row r lies at c ^ (r % 8), so that the
 * eight rows of an ldmatrix fall into different banks.
 */
#ifndef OD_CUDA_ATTN_H
#define OD_CUDA_ATTN_H

#include "cuda.h"
#include "launch.h"

/* n tokens from 'first' on of the segment [start, start + len). The children are child[.] of the lists; only segments
 * without a parent have any. */
struct attn_tile {
	int32_t start, len, first, n;
	int32_t parent_start, parent_len;      /* parent_len 0: none */
	int32_t child, n_children;
	int32_t work;                          /* about how many tokens it meets: lists are sorted by it, most first */
};

struct attn_child {
	int32_t start, len;
};

/* Tiles by use and height: of queries (what they meet is keys), or of keys. */
enum attn_list { ATTN_Q128, ATTN_Q64, ATTN_Q32, ATTN_K64, ATTN_K32, N_ATTN_LISTS };

struct attn_lists {                            /* device addresses */
	const struct attn_tile *tile[N_ATTN_LISTS];
	int32_t n[N_ATTN_LISTS];
	const struct attn_child *child;
};

/* What the kernels are given, by value. */
struct attn_args {
	struct od_mat q, k, v, out, dout, dq, dk, dv;
	float *lse;
	float2 *stat;                          /* backward, [H][T]: lse (tensor core: in base 2) and delta of a row */
	const struct attn_tile *tile;
	const struct attn_child *child;
	int64_t n_tokens;
	int32_t n_heads, n_kv_heads, group, head_dim, window;
	float scale, softcap;
};

/* The lists of a tree, kept in ctx->tiles until another tree comes; NULL after marking the backend failed. attn_tiles.cu */
const struct attn_lists *od_attn_lists(struct od_backend *be, const struct od_tree *tree);

static inline struct attn_args
attn_args_init(struct od_mat q, struct od_mat k, struct od_mat v, struct od_mat out, const struct od_tree *tree,
	const struct od_attn_params *p)
{
	struct attn_args a = {};

	a.q = q;
	a.k = k;
	a.v = v;
	a.out = out;
	a.n_tokens = tree->n_tokens;
	a.n_heads = p->n_heads;
	a.n_kv_heads = p->n_kv_heads;
	a.group = p->n_heads / p->n_kv_heads;
	a.head_dim = p->head_dim;
	a.window = p->window > 0 && p->window < 1 << 30 ? p->window : 0;   /* sums with positions stay in range */
	a.scale = p->scale;
	a.softcap = p->softcap > 0 ? p->softcap : 0;
	return a;
}

/* Runs the statement with D standing for the head size of the kernels that serve n: of tensor core kernels n itself. */
#define WITH_HEAD_DIM(n, D, ...)                                                                                            \
	do {                                                                                                                \
		if ((n) <= 64) {                                                                                            \
			enum { D = 64 };                                                                                    \
			__VA_ARGS__;                                                                                        \
		} else if ((n) <= 128) {                                                                                    \
			enum { D = 128 };                                                                                   \
			__VA_ARGS__;                                                                                        \
		} else {                                                                                                    \
			enum { D = 256 };                                                                                   \
			__VA_ARGS__;                                                                                        \
		}                                                                                                           \
	} while (0)

/* Whether the tensor core kernels can read or write m. */
static inline bool
attn_mma_mat(const struct od_mat *m)
{
	return m->type == OD_BF16 && m->ld % 8 == 0 && (uintptr_t)m->data % 16 == 0;
}

static inline bool
attn_mma_fits(const struct attn_args *a)
{
	int32_t d = a->head_dim;

	return (d == 64 || d == 128 || d == 256) && a->scale > 0 && attn_mma_mat(&a->q) && attn_mma_mat(&a->k) &&
		attn_mma_mat(&a->v) && attn_mma_mat(&a->out);
}

#endif
