/* activations.h -- private to lib/model: the arena of an engine and what lies in it.
 *
 * One function lays the arena out (od_activations_plan); it runs once with no memory to learn the size and once more to
 * place the pointers, so the plan that --dry-run prints is the plan that is used.
 */
#ifndef OD_MODEL_ACTIVATIONS_H
#define OD_MODEL_ACTIVATIONS_H

#include "model/engine.h"

/* Shapes: T tokens, d hidden, q = n_heads * head_dim, kv = n_kv_heads * head_dim, f intermediate, H heads. What is a void *
 * is of the backend's type. */
struct od_layer_acts {
	float *x_in, *rstd_in;                     /* [T,d] residual stream before the layer; [T] */
	void *qkv;                                 /* [T, q + 2 kv], bias added, rotated */
	void *attn;                                /* [T, q] before the output projection */
	float *lse;                                /* [T, H] */
	void *o;                                   /* [T,d] output projection, with post norms only */
	float *rstd_o;                             /* [T] */
	float *x_mid, *rstd_mid;                   /* [T,d] residual stream after attention; [T] */
	void *gate_up;                             /* [T, 2 f]; of the layers that make it again: one for all */
	void *down;                                /* [T,d] down projection, with post norms only */
	float *rstd_down;                          /* [T] */
};

struct od_activations {
	struct od_layer_acts *layer;               /* [n_layers]; in scoring mode all the same buffers */
	float *x_out;                              /* [T,d] residual stream after the last layer */
	void *normed;                              /* [T,d] scratch: output of a norm */
	void *act;                                 /* [T,f] scratch: gated product, then its gradient */
	void *rows;                                /* [R,d] scored rows after the final norm; room for fp32 in any case */
	float *drows;                              /* [R,d] their gradient */
	float *x_rows, *rstd_rows;                 /* [R,d] scored rows before it */
	float *row_lse, *logps, *coef;             /* [R], [E], [E] */
	float *dx;                                 /* training: [T,d] gradient of the residual stream */
	void *dx_cast;                             /* [T,d] the same in the backend's type; NULL where nothing reads that */
	void *dtmp, *dqkv, *dattn;                 /* [T,d], [T,q+2kv], [T,q] */
	int32_t *ids, *pos, *row_token, *entry_row, *entry_id;
};

struct od_arena_size {
	enum od_dtype type;
	bool training;
	int64_t tokens, rows, entries;
	int32_t again;                             /* layers from the first on that make gate and up again in backward */
};

/* Lays everything out from 'base' (NULL: only counts). Returns the bytes. layer must have room for n_layers. */
size_t od_activations_plan(struct od_activations *a, char *base, const struct od_model_config *c,
	const struct od_arena_size *n);

/* What a pass does with keys and values: keeps them in pages for later (a prompt), or attends over pages with one query a
 * sequence (a step of generation, whose products are of few rows). Arrays are device memory. */
struct od_kv_use {
	struct od_kv_pages *layer;                 /* [n_layers] */
	bool step;
	int64_t n;                                 /* rows to keep, */
	const int32_t *row, *slot;                 /* [n]: which, and where */
	const int32_t *table, *len;                /* step: [n_tokens, width] pages, [n_tokens] tokens of each sequence */
	int64_t width;
};

struct od_engine {
	const struct od_model *m;
	float *grads;
	struct od_activations a;
	char *arena;
	struct od_arena_size size;
	float *rope_cos, *rope_sin;                /* [rope_len, head_dim / 2] device */
	int64_t rope_len;
	int32_t again;                             /* as asked for; size.again is what the arena was laid out for */
	const struct od_kv_use *kv;                /* NULL: keys and values are not kept */
	od_gradients_final *final;                 /* NULL: nobody watches */
	void *final_ctx;
};

/* ---- what forward and backward share ---- */

/* A dense activation in the backend's type. */
static inline struct od_mat
od_act(const struct od_engine *e, void *data, int64_t rows, int64_t cols)
{
	return od_mat_of(data, e->m->be->type, rows, cols);
}

static inline int64_t
od_stacked_rows(const struct od_params *p, int i, int n)
{
	int64_t rows = 0;

	for (int k = 0; k < n; k++)
		rows += p->table[i + k].rows;
	return rows;
}

/* A linear layer's weight as products read it (rows x cols of parameter i, and of the n - 1 parameters that follow it in
 * memory): the one place where a weight is reached, so that an adapter can sit here. */
static inline struct od_mat
od_weight(const struct od_model *m, int i, int n)
{
	const struct od_param *p = &m->params.table[i];
	size_t at = (size_t)p->offset * od_dtype_size(m->be->type);

	return od_mat_of((char *)m->products + at, m->be->type, od_stacked_rows(&m->params, i, n), p->cols);
}

/* Its gradient. */
static inline struct od_mat
od_weight_grad(const struct od_engine *e, int i, int n)
{
	const struct od_params *p = &e->m->params;

	return od_mat_f32(e->grads + p->table[i].offset, od_stacked_rows(p, i, n), p->table[i].cols);
}

/* The vector parameter i (a gain, a bias), or NULL when the family has none. */
static inline const float *
od_vector(const struct od_model *m, int i)
{
	if (i < 0)
		return NULL;
	return m->weights ? m->weights + m->params.table[i].offset : m->vectors + m->params.table[i].vector_offset;
}

static inline float *
od_vector_grad(const struct od_engine *e, int i)
{
	return i < 0 ? NULL : e->grads + e->m->params.table[i].offset;
}

/* True when n parameters starting at i have no padding between them, so that one product can use them all. */
static inline bool
od_adjacent(const struct od_params *p, int i, int n)
{
	for (int k = 0; k + 1 < n; k++)
		if (p->table[i + k].offset + p->table[i + k].rows * p->table[i + k].cols != p->table[i + k + 1].offset)
			return false;
	return true;
}

/* The same of n vectors that are all there. */
static inline bool
od_stacked(const struct od_params *p, const int *i, int n)
{
	for (int k = 0; k < n; k++)
		if (i[k] < 0 || i[k] != i[0] + k)
			return false;
	return od_adjacent(p, i[0], n);
}

struct od_tree od_batch_tree(const struct od_engine *e, const struct od_batch *b);
struct od_attn_params od_layer_attention(const struct od_model_config *c, int layer);

/* out[T, sum of rows] = x W^T for n parameters that follow each other (q, k, v; gate, up), biases added (-1: none). */
void od_linear(const struct od_engine *e, struct od_mat out, struct od_mat x, int first, int n, const int *bias);

void od_forward_layers(struct od_engine *e, const struct od_batch *b);
/* a.rows in fp32 := the final-normed rows; no LM head. */
void od_forward_rows(struct od_engine *e, const struct od_batch *b);
void od_backward_layers(struct od_engine *e, const struct od_batch *b);

#endif
