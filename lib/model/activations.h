/* activations.h -- private to lib/model: the arena of an engine and what lies in it.
 *
 * One function lays the arena out (od_activations_plan); it runs once with no memory to learn the size and once more to
 * place the pointers, so the plan that --dry-run prints is the plan that is used.
 */
#ifndef OD_MODEL_ACTIVATIONS_H
#define OD_MODEL_ACTIVATIONS_H

#include "model/engine.h"

/* Shapes: T tokens, d hidden, q = n_heads * head_dim, kv = n_kv_heads * head_dim, f intermediate, H heads. */
struct od_layer_acts {
	float *x_in, *rstd_in;                     /* [T,d] residual stream before the layer; [T] */
	float *qkv;                                /* [T, q + 2 kv], bias added, rotated */
	float *attn, *lse;                         /* [T, q] before the output projection; [T, H] */
	float *o, *rstd_o;                         /* [T,d] output projection, with post norms only; [T] */
	float *x_mid, *rstd_mid;                   /* [T,d] residual stream after attention; [T] */
	float *gate_up;                            /* [T, 2 f] */
	float *down, *rstd_down;                   /* [T,d] down projection, with post norms only; [T] */
};

struct od_activations {
	struct od_layer_acts *layer;               /* [n_layers]; in scoring mode all the same buffers */
	float *x_out;                              /* [T,d] residual stream after the last layer */
	float *normed;                             /* [T,d] scratch: output of a norm */
	float *act;                                /* [T,f] scratch: gated product, then its gradient */
	float *rows, *drows;                       /* [R,d] scored rows after the final norm; gradient */
	float *x_rows, *rstd_rows;                 /* [R,d] scored rows before it */
	float *row_lse, *logps, *coef;             /* [R], [E], [E] */
	float *dx, *dtmp, *dqkv, *dattn;           /* training: [T,d], [T,d], [T,q+2kv], [T,q] */
	int32_t *ids, *pos, *row_token, *entry_row, *entry_id;
};

struct od_arena_size {
	bool training;
	int64_t tokens, rows, entries;
};

/* Lays everything out from 'base' (NULL: only counts). Returns the bytes. layer must have room for n_layers. */
size_t od_activations_plan(struct od_activations *a, char *base, const struct od_model_config *c,
	const struct od_arena_size *n);

struct od_engine {
	const struct od_model *m;
	float *grads;
	struct od_activations a;
	char *arena;
	struct od_arena_size size;
	float *rope_cos, *rope_sin;                /* [rope_len, head_dim / 2] device */
	int64_t rope_len;
};

/* Views that forward and backward share. */
static inline struct od_mat
od_view(float *data, int64_t rows, int64_t cols, int64_t ld)
{
	return (struct od_mat){ data, OD_F32, rows, cols, ld };
}

/* A linear layer's weight (rows x cols of parameter i, and of the n - 1 parameters that follow it in memory) in the flat
 * vector v: the one place where a weight is reached, so that an adapter can sit here. */
static inline struct od_mat
od_weight(const struct od_params *p, float *v, int i, int n)
{
	int64_t rows = 0;

	for (int k = 0; k < n; k++)
		rows += p->table[i + k].rows;
	return od_mat_f32(v + p->table[i].offset, rows, p->table[i].cols);
}

/* The vector parameter i in v, or NULL when the family has none. */
static inline float *
od_vector(const struct od_params *p, float *v, int i)
{
	return i < 0 ? NULL : v + p->table[i].offset;
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

struct od_tree od_batch_tree(const struct od_engine *e, const struct od_batch *b);
struct od_attn_params od_layer_attention(const struct od_model_config *c, int layer);

void od_forward_layers(struct od_engine *e, const struct od_batch *b);
void od_backward_layers(struct od_engine *e, const struct od_batch *b);

#endif
