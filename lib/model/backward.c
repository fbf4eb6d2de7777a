/* backward.c -- the mirror of forward.c. dx is the gradient of the residual stream; each branch adds to it.
 *
 * Recomputed rather than kept: norm outputs (from x and rstd) and the gated product; in the layers that od_engine_recompute
 * names, gate and up themselves, which have the same bits the second time.
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
		struct od_mat w = od_weight(e->m, first + i, step), dpart = od_mat_cols(dy, at, w.rows);

		be->gemm(be, od_weight_grad(e, first + i, step), dpart, 1, x, 0, 1);
		be->gemm(be, dx, dpart, 0, w, 0, i > 0);
		at += w.rows;
	}
	at = 0;
	step = od_stacked(p, bias, n) ? n : 1;
	for (int i = 0; i < n; i += step) {
		int64_t cols = od_stacked_rows(p, first + i, step);

		if (bias[i] >= 0)
			be->bias_bwd(be, od_vector_grad(e, bias[i]), od_mat_cols(dy, at, cols));
		at += cols;
	}
}

static void
norm_backward(const struct od_engine *e, struct od_mat dx, struct od_mat dy, struct od_mat x, const float *rstd, int param)
{
	struct od_mat none = { NULL, OD_F32, 0, 0, 0 };
	struct od_backend *be = e->m->be;

	be->norm_bwd(be, dx, od_vector_grad(e, param), dy, x, od_vector(e->m, param), rstd, e->m->config.norm_plus_one, 0, none);
}

/* The end of a branch: what comes through its first norm joins the gradient of the residual stream, whose copy for the next
 * branch's products is made on the way. */
static void
join_residual(const struct od_engine *e, struct od_mat dx, struct od_mat dh, struct od_mat x, const float *rstd, int param)
{
	struct od_backend *be = e->m->be;

	be->norm_bwd(be, dx, od_vector_grad(e, param), dh, x, od_vector(e->m, param), rstd, e->m->config.norm_plus_one, 1,
		od_act(e, e->a.dx_cast, dx.rows, dx.cols));
}

static struct od_mat
norm_again(const struct od_engine *e, struct od_mat x, float *rstd, int param)
{
	struct od_mat y = od_act(e, e->a.normed, x.rows, x.cols);
	struct od_backend *be = e->m->be;

	be->norm_fwd(be, y, rstd, x, od_vector(e->m, param), (float)e->m->config.rms_norm_eps, e->m->config.norm_plus_one);
	return y;
}

/* The gradient that enters a branch, as products read it: dx itself, or through the branch's post norm into scratch. */
static struct od_mat
into_branch(const struct od_engine *e, struct od_mat dx, void *kept, const float *rstd, int post_norm)
{
	struct od_mat into = od_act(e, e->a.dtmp, dx.rows, dx.cols);

	if (post_norm < 0)
		return e->a.dx_cast ? od_act(e, e->a.dx_cast, dx.rows, dx.cols) : dx;
	norm_backward(e, into, dx, od_act(e, kept, dx.rows, dx.cols), rstd, post_norm);
	return into;
}

static void
mlp_backward(const struct od_engine *e, const struct od_batch *b, int layer, struct od_mat dx)
{
	const struct od_model_config *c = &e->m->config;
	const struct od_layer_params *p = &e->m->params.layers[layer];
	const struct od_layer_acts *l = &e->a.layer[layer];
	struct od_backend *be = e->m->be;
	int64_t T = b->n_tokens, f = c->intermediate_size;
	struct od_mat x = od_mat_f32(l->x_mid, T, c->hidden_size), dact = od_act(e, e->a.act, T, f);
	struct od_mat gate_up = od_act(e, l->gate_up, T, 2 * f);
	struct od_mat gate = od_mat_cols(gate_up, 0, f), up = od_mat_cols(gate_up, f, f);
	struct od_mat dh = od_act(e, e->a.dtmp, T, c->hidden_size);
	struct od_mat dbranch = into_branch(e, dx, l->down, l->rstd_down, p->post_mlp_norm);
	struct od_mat h = norm_again(e, x, l->rstd_mid, p->pre_mlp_norm);
	int bias[2] = { p->gate_bias, p->up_bias };

	if (layer + 1 < e->size.again)         /* the last of them still has its own */
		od_linear(e, gate_up, h, p->gate, 2, bias);
	be->gemm(be, dact, dbranch, 0, od_weight(e->m, p->down, 1), 0, 0);
	be->glu_bwd(be, gate, up, dact, dact, gate, up, c->act);        /* dact now holds the gated product */
	be->gemm(be, od_weight_grad(e, p->down, 1), dbranch, 1, dact, 0, 1);
	if (p->down_bias >= 0)
		be->bias_bwd(be, od_vector_grad(e, p->down_bias), dbranch);
	linear_backward(e, dh, gate_up, h, p->gate, 2, bias);
	join_residual(e, dx, dh, x, l->rstd_mid, p->pre_mlp_norm);
}

static void
attention_backward(const struct od_engine *e, const struct od_batch *b, int layer, struct od_mat dx)
{
	const struct od_model_config *c = &e->m->config;
	const struct od_layer_params *p = &e->m->params.layers[layer];
	const struct od_layer_acts *l = &e->a.layer[layer];
	struct od_backend *be = e->m->be;
	int64_t T = b->n_tokens, nq = (int64_t)c->n_heads * c->head_dim, nkv = (int64_t)c->n_kv_heads * c->head_dim;
	struct od_mat x = od_mat_f32(l->x_in, T, c->hidden_size), out = od_act(e, l->attn, T, nq);
	struct od_mat dout = od_act(e, e->a.dattn, T, nq), dh = od_act(e, e->a.dtmp, T, c->hidden_size);
	struct od_mat qkv = od_act(e, l->qkv, T, nq + 2 * nkv), dqkv = od_act(e, e->a.dqkv, T, nq + 2 * nkv);
	struct od_tree tree = od_batch_tree(e, b);
	struct od_attn_params attn = od_layer_attention(c, layer);
	int bias[3] = { p->q_bias, p->k_bias, p->v_bias };

	linear_backward(e, dout, into_branch(e, dx, l->o, l->rstd_o, p->post_attn_norm), out, p->o, 1, &p->o_bias);
	be->attn_bwd(be, od_mat_cols(dqkv, 0, nq), od_mat_cols(dqkv, nq, nkv), od_mat_cols(dqkv, nq + nkv, nkv), dout,
		od_mat_cols(qkv, 0, nq), od_mat_cols(qkv, nq, nkv), od_mat_cols(qkv, nq + nkv, nkv), out, l->lse, &tree, &attn);
	be->rope(be, od_mat_cols(dqkv, 0, nq + nkv), e->a.pos, e->rope_cos, e->rope_sin, c->head_dim, 1);
	linear_backward(e, dh, dqkv, norm_again(e, x, l->rstd_in, p->input_norm), p->q, 3, bias);
	join_residual(e, dx, dh, x, l->rstd_in, p->input_norm);
}

/* From coef to the gradient of the residual stream after the last layer. */
static void
rows_backward(const struct od_engine *e, const struct od_batch *b, struct od_mat dx)
{
	const struct od_model *m = e->m;
	struct od_backend *be = m->be;
	int64_t R = b->n_rows, d = m->config.hidden_size;
	struct od_mat drows = od_mat_f32(e->a.drows, R, d), dx_rows = od_mat_f32(e->a.rows, R, d);
	struct od_targets targets = { b->n_entries, e->a.entry_row, e->a.entry_id };

	be->zero(be, dx.data, (size_t)(dx.rows * dx.cols) * sizeof(float));
	if (R == 0)
		return;
	be->head_bwd(be, drows, od_weight_grad(e, m->params.head, 1), od_act(e, e->a.rows, R, d),
		od_weight(m, m->params.head, 1), (float)m->config.final_softcap, e->a.row_lse, &targets, e->a.coef);
	/* the normed rows have done their work: their place takes the gradient of the rows before the norm */
	norm_backward(e, dx_rows, drows, od_mat_f32(e->a.x_rows, R, d), e->a.rstd_rows, m->params.final_norm);
	be->scatter_add(be, dx, dx_rows, e->a.row_token);
}

/* Tells who watches that the gradients of a part are complete. */
static void
part_is_final(const struct od_engine *e, int part)
{
	int64_t first, n;

	if (!e->final)
		return;
	od_params_part(&e->m->params, part, &first, &n);
	e->final(e->final_ctx, first, n);
}

void
od_backward_layers(struct od_engine *e, const struct od_batch *b)
{
	const struct od_model *m = e->m;
	struct od_backend *be = m->be;
	struct od_mat dx = od_mat_f32(e->a.dx, b->n_tokens, m->config.hidden_size);

	rows_backward(e, b, dx);
	if (e->a.dx_cast)
		be->cast(be, od_act(e, e->a.dx_cast, dx.rows, dx.cols), dx);
	part_is_final(e, m->config.n_layers + 1);
	for (int i = m->config.n_layers - 1; i >= 0; i--) {
		mlp_backward(e, b, i, dx);
		attention_backward(e, b, i, dx);
		part_is_final(e, i + 1);
	}
	be->embed_bwd(be, od_weight_grad(e, m->params.embed, 1), dx, e->a.ids, (float)m->config.embed_scale);
	part_is_final(e, 0);
}
