/* table.inc.h -- the members of struct cpu_kernels that every instruction set fills in the same way. */
	.cast = cast, .embed_fwd = embed_fwd, .embed_bwd = embed_bwd, .norm_fwd = norm_fwd, .norm_bwd = norm_bwd,
	.bias_fwd = bias_fwd, .bias_bwd = bias_bwd, .add = add, .rope = rope, .glu_fwd = glu_fwd, .glu_bwd = glu_bwd,
	.attn_fwd = attn_fwd, .attn_bwd = attn_bwd, .head_stats = head_stats, .head_grad = head_grad, .head_slope = head_slope,
	.gather = gather, .scatter_add = scatter_add, .sum_squares = sum_squares, .adamw = adamw,
	.sgemm = sgemm, .exp = array_exp, .tanh = array_tanh,
	.pack_plain = pack_plain, .pack_trans = pack_trans, .transpose = transpose, .finish_rows = finish_rows,
	.kv_put = kv_put, .attn_paged = attn_paged, .dots_f32 = dots_f32,
