#include "model/activations.h"

#define ALIGN 256                      /* no choice of an algorithm may depend on where a buffer happens to lie */

struct cursor {
	char *base;
	size_t used;
	enum od_dtype type;                        /* the backend's */
};

static void *
take(struct cursor *c, int64_t n, int64_t size)
{
	size_t at = c->used;

	c->used += ((size_t)(n * size) + ALIGN - 1) / ALIGN * ALIGN;
	return c->base ? c->base + at : NULL;
}

static float *
floats(struct cursor *c, int64_t rows, int64_t cols)
{
	return take(c, rows * cols, sizeof(float));
}

static void *
acts(struct cursor *c, int64_t rows, int64_t cols)
{
	return take(c, rows * cols, (int64_t)od_dtype_size(c->type));
}

static int32_t *
ints(struct cursor *c, int64_t n)
{
	return take(c, n, sizeof(int32_t));
}

static void
plan_layer(struct cursor *at, struct od_layer_acts *l, const struct od_model_config *c, int64_t T, bool own_gate_up)
{
	int64_t d = c->hidden_size, q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim;

	l->x_in = floats(at, T, d);
	l->rstd_in = floats(at, T, 1);
	l->qkv = acts(at, T, q + 2 * kv);
	l->attn = acts(at, T, q);
	l->lse = floats(at, T, c->n_heads);
	l->x_mid = floats(at, T, d);
	l->rstd_mid = floats(at, T, 1);
	l->gate_up = own_gate_up ? acts(at, T, 2 * c->intermediate_size) : NULL;
	l->o = l->down = NULL;
	l->rstd_o = l->rstd_down = NULL;
	if (c->post_norms) {
		l->o = acts(at, T, d);
		l->rstd_o = floats(at, T, 1);
		l->down = acts(at, T, d);
		l->rstd_down = floats(at, T, 1);
	}
}

static void
plan_gradients(struct cursor *at, struct od_activations *a, const struct od_model_config *c, const struct od_arena_size *n)
{
	int64_t d = c->hidden_size, q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim;

	a->dx = floats(at, n->tokens, d);
	a->dx_cast = n->type == OD_F32 || c->post_norms ? NULL : acts(at, n->tokens, d);
	a->dtmp = acts(at, n->tokens, d);
	a->dqkv = acts(at, n->tokens, q + 2 * kv);
	a->dattn = acts(at, n->tokens, q);
	a->drows = floats(at, n->rows, d);
	a->coef = floats(at, n->entries, 1);
}

size_t
od_activations_plan(struct od_activations *a, char *base, const struct od_model_config *c, const struct od_arena_size *n)
{
	struct cursor at = { base, 0, n->type };
	int64_t d = c->hidden_size;

	for (int i = 0; i < c->n_layers; i++) {
		if (i == 0 || n->training)
			plan_layer(&at, &a->layer[i], c, n->tokens, i == 0 || i >= n->again);
		else
			a->layer[i] = a->layer[0];
		if (i < n->again)
			a->layer[i].gate_up = a->layer[0].gate_up;
	}
	/* a layer's output may take the place of its input once nothing is kept for backward */
	a->x_out = n->training ? floats(&at, n->tokens, d) : a->layer[0].x_in;
	a->normed = acts(&at, n->tokens, d);
	a->act = acts(&at, n->tokens, c->intermediate_size);
	a->rows = floats(&at, n->rows, d);
	a->x_rows = floats(&at, n->rows, d);
	a->rstd_rows = floats(&at, n->rows, 1);
	a->row_lse = floats(&at, n->rows, 1);
	a->logps = floats(&at, n->entries, 1);
	a->ids = ints(&at, n->tokens);
	a->pos = ints(&at, n->tokens);
	a->row_token = ints(&at, n->rows);
	a->entry_row = ints(&at, n->entries);
	a->entry_id = ints(&at, n->entries);
	if (n->training)
		plan_gradients(&at, a, c, n);
	return at.used;
}
