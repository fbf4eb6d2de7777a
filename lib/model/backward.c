/* backward.c -- the mirror of forward.c. dx is the gradient of the residual stream; each branch adds to it.
 *
 * Recomputed rather than kept: norm outputs (from x and rstd) and the gated product.
 */
#include "model/activations.h"

/* For y = x W^T + b over n parameters that follow each other: dW += dy^T x, db += sum dy, dx = dy W. */
static void
linear_backward(const struct od_engine *e, struct od_mat dx, struct od_mat dy, struct od_mat x, int first, int n,
	const int *bias)
{
	struct od_backend *be = e->m->be;
	const struct od_params *p = &e->m->params;
	int step = od_adjacent(p, first, n) ? n : 1;
	int64_t at = 0;

	for (int i = 0; i < n; i += step) {
		struct od_mat w = od_weight(p, e->m->weights, first + i, step);
		struct od_mat dpart = od_view((float *)dy.data + at, dy.rows, w.rows, dy.ld);

		be->gemm(be, od_weight(p, e->grads, first + i, step), dpart, 1, x, 0, 1);
		be->gemm(be, dx, dpart, 0, w, 0, i > 0);
		at += w.rows;
	}
	at = 0;
	for (int i = 0; i < n; i++) {
		int64_t cols = p->table[first + i].rows;

		if (bias[i] >= 0)
			be->bias_bwd(be, od_vector(p, e->grads, bias[i]), od_view((float *)dy.data + at, dy.rows, cols, dy.ld));
		at += cols;
	}
}

static void
norm_backward(const struct od_engine *e, struct od_mat dx, struct od_mat dy, struct od_mat x, const float *rstd, int param,
	int accumulate)
{
	struct od_backend *be = e->m->be;
	const struct od_params *p = &e->m->params;

	be->norm_bwd(be, dx, od_vector(p, e->grads, param), dy, x, od_vector(p, e->m->weights, param), rstd,
		e->m->config.norm_plus_one, accumulate);
}

static struct od_mat
norm_again(const struct od_engine *e, struct od_mat x, float *rstd, int param)
{
	struct od_mat y = od_mat_f32(e->a.normed, x.rows, x.cols);
	struct od_backend *be = e->m->be;

	be->norm_fwd(be, y, rstd, x, od_vector(&e->m->params, e->m->weights, param), (float)e->m->config.rms_norm_eps,
		e->m->config.norm_plus_one);
	return y;
}

/* The gradient that enters a branch: dx itself, or through the branch's post norm into scratch. */
static struct od_mat
into_branch(const struct od_engine *e, struct od_mat dx, float *kept, const float *rstd, int post_norm)
{
	struct od_mat into = od_mat_f32(e->a.dtmp, dx.rows, dx.cols);

	if (post_norm < 0)
		return dx;
	norm_backward(e, into, dx, od_mat_f32(kept, dx.rows, dx.cols), rstd, post_norm, 0);
	return into;
}

static void
mlp_backward(const struct od_engine *e, const struct od_batch *b, int layer, struct od_mat dx)
{
	const struct od_model_config *c = &e->m->config;
	const struct od_layer_params *p = &e->m->params.layers[layer];
	const struct od_params *params = &e->m->params;
	const struct od_layer_acts *l = &e->a.layer[layer];
	struct od_backend *be = e->m->be;
	int64_t T = b->n_tokens, f = c->intermediate_size;
	struct od_mat x = od_mat_f32(l->x_mid, T, c->hidden_size), dact = od_mat_f32(e->a.act, T, f);
	struct od_mat gate = od_view(l->gate_up, T, f, 2 * f), up = od_view(l->gate_up + f, T, f, 2 * f);
	struct od_mat dh = od_mat_f32(e->a.dtmp, T, c->hidden_size);
	struct od_mat dbranch = into_branch(e, dx, l->down, l->rstd_down, p->post_mlp_norm);
	int bias[2] = { p->gate_bias, p->up_bias };

	be->gemm(be, dact, dbranch, 0, od_weight(params, e->m->weights, p->down, 1), 0, 0);
	be->glu_bwd(be, gate, up, dact, dact, gate, up, c->act);        /* dact now holds the gated product */
	be->gemm(be, od_weight(params, e->grads, p->down, 1), dbranch, 1, dact, 0, 1);
	if (p->down_bias >= 0)
		be->bias_bwd(be, od_vector(params, e->grads, p->down_bias), dbranch);
	linear_backward(e, dh, od_mat_f32(l->gate_up, T, 2 * f), norm_again(e, x, l->rstd_mid, p->pre_mlp_norm), p->gate, 2,
		bias);
	norm_backward(e, dx, dh, x, l->rstd_mid, p->pre_mlp_norm, 1);
}

static void
attention_backward(const struct od_engine *e, const struct od_batch *b, int layer, struct od_mat dx)
{
	const struct od_model_config *c = &e->m->config;
	const struct od_layer_params *p = &e->m->params.layers[layer];
	const struct od_layer_acts *l = &e->a.layer[layer];
	struct od_backend *be = e->m->be;
	int64_t T = b->n_tokens, nq = (int64_t)c->n_heads * c->head_dim, nkv = (int64_t)c->n_kv_heads * c->head_dim;
	int64_t ld = nq + 2 * nkv;
	struct od_mat x = od_mat_f32(l->x_in, T, c->hidden_size), out = od_mat_f32(l->attn, T, nq);
	struct od_mat dout = od_mat_f32(e->a.dattn, T, nq), dh = od_mat_f32(e->a.dtmp, T, c->hidden_size);
	struct od_mat dq = od_view(e->a.dqkv, T, nq, ld), dk = od_view(e->a.dqkv + nq, T, nkv, ld);
	struct od_mat dv = od_view(e->a.dqkv + nq + nkv, T, nkv, ld);
	struct od_tree tree = od_batch_tree(e, b);
	struct od_attn_params attn = od_layer_attention(c, layer);
	int bias[3] = { p->q_bias, p->k_bias, p->v_bias };

	linear_backward(e, dout, into_branch(e, dx, l->o, l->rstd_o, p->post_attn_norm), out, p->o, 1, &p->o_bias);
	be->attn_bwd(be, dq, dk, dv, dout, od_view(l->qkv, T, nq, ld), od_view(l->qkv + nq, T, nkv, ld),
		od_view(l->qkv + nq + nkv, T, nkv, ld), out, l->lse, &tree, &attn);
	be->rope(be, dq, e->a.pos, e->rope_cos, e->rope_sin, c->head_dim, 1);
	be->rope(be, dk, e->a.pos, e->rope_cos, e->rope_sin, c->head_dim, 1);
	linear_backward(e, dh, od_mat_f32(e->a.dqkv, T, ld), norm_again(e, x, l->rstd_in, p->input_norm), p->q, 3, bias);
	norm_backward(e, dx, dh, x, l->rstd_in, p->input_norm, 1);
}

/* From coef to the gradient of the residual stream after the last layer. */
static void
rows_backward(const struct od_engine *e, const struct od_batch *b, struct od_mat dx)
{
	const struct od_model *m = e->m;
	struct od_backend *be = m->be;
	int64_t d = m->config.hidden_size;
	struct od_mat rows = od_mat_f32(e->a.rows, b->n_rows, d), drows = od_mat_f32(e->a.drows, b->n_rows, d);
	struct od_targets targets = { b->n_entries, e->a.entry_row, e->a.entry_id };

	be->zero(be, dx.data, (size_t)(dx.rows * dx.cols) * sizeof(float));
	if (b->n_rows == 0)
		return;
	be->head_bwd(be, drows, od_weight(&m->params, e->grads, m->params.head, 1), rows,
		od_weight(&m->params, m->weights, m->params.head, 1), (float)m->config.final_softcap, e->a.row_lse, &targets,
		e->a.coef);
	norm_backward(e, rows, drows, od_mat_f32(e->a.x_rows, b->n_rows, d), e->a.rstd_rows, m->params.final_norm, 0);
	be->scatter_add(be, dx, rows, e->a.row_token);
}

void
od_backward_layers(struct od_engine *e, const struct od_batch *b)
{
	const struct od_model *m = e->m;
	struct od_backend *be = m->be;
	struct od_mat dx = od_mat_f32(e->a.dx, b->n_tokens, m->config.hidden_size);

	rows_backward(e, b, dx);
	for (int i = m->config.n_layers - 1; i >= 0; i--) {
		mlp_backward(e, b, i, dx);
		attention_backward(e, b, i, dx);
	}
	be->embed_bwd(be, od_weight(&m->params, e->grads, m->params.embed, 1), dx, e->a.ids, (float)m->config.embed_scale);
}
