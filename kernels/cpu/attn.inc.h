/* attn.inc.h -- attention of either element type. */

static void
attn_fwd(struct od_backend *be, struct od_mat out, float *lse, struct od_mat q, struct od_mat k, struct od_mat v,
	const struct od_tree *tree, const struct od_attn_params *p)
{
	if (q.type == OD_BF16)
		bf16_attn_fwd(be, out, lse, q, k, v, tree, p);
	else
		f32_attn_fwd(be, out, lse, q, k, v, tree, p);
}

static void
attn_bwd(struct od_backend *be, struct od_mat dq, struct od_mat dk, struct od_mat dv, struct od_mat dout, struct od_mat q,
	struct od_mat k, struct od_mat v, struct od_mat out, const float *lse, const struct od_tree *tree,
	const struct od_attn_params *p)
{
	if (q.type == OD_BF16)
		bf16_attn_bwd(be, dq, dk, dv, dout, q, k, v, out, lse, tree, p);
	else
		f32_attn_bwd(be, dq, dk, dv, dout, q, k, v, out, lse, tree, p);
}
