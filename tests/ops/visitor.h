/* visitor.h -- a backend over host matrices that runs every operation on a device backend: arguments are copied there,
 * converted to the type backend.h gives them, and results are copied back. So the tests of the operations, written for
 * host memory, run unchanged on a GPU or its emulation.
 *
 * A matrix travels with the padding of its rows and a guard on both sides; a device write outside it is found here. Matrices
 * that ops.def marks (any) are fp32 or bf16 by their number of columns, so that a shape always meets the same types.
 */
#ifndef OD_TESTS_VISITOR_H
#define OD_TESTS_VISITOR_H

#include "base/num.h"

#define SENTINEL_BF16 0x7fadu
#define DEVICE_GUARD 64

struct visit {
	struct od_backend *dev;
	struct od_mat m;                       /* on the device, inside its guards */
	struct od_mat host;
	void *base;
	int64_t n;                             /* elements, guards included */
};

static inline uint16_t
narrow(float f)
{
	return is_sentinel(f) ? SENTINEL_BF16 : od_f32_to_bf16(f);
}

static inline float
widen(uint16_t u)
{
	return u == SENTINEL_BF16 ? sentinel() : od_bf16_to_f32(u);
}

static inline float *
packed_host(const struct visit *v, const float *data)
{
	float *all = malloc((size_t)v->n * sizeof *all);

	assert_non_null(all);
	for (int64_t i = 0; i < v->n; i++)
		all[i] = i < DEVICE_GUARD || i >= v->n - DEVICE_GUARD ? sentinel() : data[i - DEVICE_GUARD];
	return all;
}

/* Copies a host matrix to the device as 'type'. NULL data stays NULL. */
static inline struct visit
visit_in(struct od_backend *dev, struct od_mat host, enum od_dtype type)
{
	struct visit v = { dev, host, host, NULL, host.rows * host.ld + 2 * DEVICE_GUARD };
	size_t size = od_dtype_size(type);
	float *all;

	v.m.type = type;
	if (!host.data)
		return v;
	all = packed_host(&v, host.data);
	if (type == OD_BF16)
		for (int64_t i = 0; i < v.n; i++) {
			uint16_t u = narrow(all[i]);

			memcpy((uint16_t *)(void *)all + i, &u, 2);
		}
	v.base = dev->alloc(dev, (size_t)v.n * size);
	assert_non_null(v.base);
	dev->upload(dev, v.base, all, (size_t)v.n * size);
	v.m.data = (char *)v.base + DEVICE_GUARD * size;
	free(all);
	return v;
}

/* Frees the device's matrix; 'back' copies it to the host first. */
static inline void
visit_out(struct visit *v, int back)
{
	size_t size = od_dtype_size(v->m.type);
	char *all;

	if (!v->base)
		return;
	all = malloc((size_t)v->n * size);
	assert_non_null(all);
	v->dev->download(v->dev, all, v->base, (size_t)v->n * size);
	if (!v->dev->ok(v->dev))
		fail_msg("%s: %s", v->dev->name, v->dev->failure(v->dev));
	for (int64_t i = 0; i < v->n; i++) {
		float f = size == 2 ? widen(((uint16_t *)(void *)all)[i]) : ((float *)(void *)all)[i];
		int guard = i < DEVICE_GUARD || i >= v->n - DEVICE_GUARD;

		if (guard && !is_sentinel(f))
			fail_msg("a device write %lld elements from a matrix's beginning", (long long)(i - DEVICE_GUARD));
		else if (!guard && back)
			((float *)v->host.data)[i - DEVICE_GUARD] = f;
	}
	v->dev->free(v->dev, v->base);
	free(all);
}

/* A float array as a matrix of one row. */
static inline struct visit
visit_floats(struct od_backend *dev, const float *p, int64_t n)
{
	return visit_in(dev, od_mat_f32((float *)(uintptr_t)p, 1, n), OD_F32);
}

static inline int32_t *
visit_ints(struct od_backend *dev, const int32_t *p, int64_t n)
{
	int32_t *d = dev->alloc(dev, (size_t)n * sizeof *d + 4);

	assert_non_null(d);
	dev->upload(dev, d, p, (size_t)n * sizeof *d);
	return d;
}

/* The type of an (any) matrix; 'which' tells the arguments of one operation apart. */
static inline enum od_dtype
any_type(const struct od_backend *dev, struct od_mat m, int which)
{
	return dev->type == OD_BF16 && ((uint64_t)(m.cols + 3 * which) * 2654435761u >> 13 & 1) ? OD_BF16 : OD_F32;
}

#define DEV struct od_backend *dev = be->ctx
#define TYPED(m) visit_in(dev, m, dev->type)
#define ANY(m, which) visit_in(dev, m, any_type(dev, m, which))
#define F32(m) visit_in(dev, m, OD_F32)

static void
visitor_gemm(struct od_backend *be, struct od_mat out, struct od_mat a, int ta, struct od_mat b, int tb, int accumulate)
{
	DEV;
	struct visit vo = ANY(out, 0), va = TYPED(a), vb = TYPED(b);

	dev->gemm(dev, vo.m, va.m, ta, vb.m, tb, accumulate);
	visit_out(&vo, 1);
	visit_out(&va, 0);
	visit_out(&vb, 0);
}

static void
visitor_gemm_add(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x)
{
	DEV;
	struct visit vo = F32(out), va = TYPED(a), vb = TYPED(b), vx = F32(x);

	dev->gemm_add(dev, vo.m, va.m, vb.m, vx.m);
	visit_out(&vo, 1);
	visit_out(&va, 0);
	visit_out(&vb, 0);
	visit_out(&vx, 0);
}

static void
visitor_embed_fwd(struct od_backend *be, struct od_mat out, struct od_mat table, const int32_t *ids, float scale)
{
	DEV;
	struct visit vo = F32(out), vt = TYPED(table);
	int32_t *i = visit_ints(dev, ids, out.rows);

	dev->embed_fwd(dev, vo.m, vt.m, i, scale);
	visit_out(&vo, 1);
	visit_out(&vt, 0);
	dev->free(dev, i);
}

static void
visitor_embed_bwd(struct od_backend *be, struct od_mat dtable, struct od_mat dout, const int32_t *ids, float scale)
{
	DEV;
	struct visit vt = F32(dtable), vo = F32(dout);
	int32_t *i = visit_ints(dev, ids, dout.rows);

	dev->embed_bwd(dev, vt.m, vo.m, i, scale);
	visit_out(&vt, 1);
	visit_out(&vo, 0);
	dev->free(dev, i);
}

static void
visitor_norm_fwd(struct od_backend *be, struct od_mat out, float *rstd, struct od_mat x, const float *w, float eps, int plus_one)
{
	DEV;
	struct visit vo = ANY(out, 1), vx = ANY(x, 2), vr = visit_floats(dev, rstd, x.rows), vw = visit_floats(dev, w, x.cols);

	dev->norm_fwd(dev, vo.m, vr.m.data, vx.m, vw.m.data, eps, plus_one);
	visit_out(&vo, 1);
	visit_out(&vr, 1);
	visit_out(&vx, 0);
	visit_out(&vw, 0);
}

static void
visitor_norm_bwd(struct od_backend *be, struct od_mat dx, float *dw, struct od_mat dy, struct od_mat x, const float *w,
	const float *rstd, int plus_one, int accumulate, struct od_mat copy)
{
	DEV;
	struct visit vdx = ANY(dx, 3), vdy = ANY(dy, 4), vx = ANY(x, 2), vdw = visit_floats(dev, dw, x.cols);
	struct visit vw = visit_floats(dev, w, x.cols), vr = visit_floats(dev, rstd, x.rows), vc = TYPED(copy);

	dev->norm_bwd(dev, vdx.m, vdw.m.data, vdy.m, vx.m, vw.m.data, vr.m.data, plus_one, accumulate, vc.m);
	visit_out(&vdx, 1);
	visit_out(&vc, 1);
	visit_out(&vdw, 1);
	visit_out(&vdy, 0);
	visit_out(&vx, 0);
	visit_out(&vw, 0);
	visit_out(&vr, 0);
}

static void
visitor_bias_fwd(struct od_backend *be, struct od_mat x, const float *b)
{
	DEV;
	struct visit vx = ANY(x, 7), vb = visit_floats(dev, b, x.cols);

	dev->bias_fwd(dev, vx.m, vb.m.data);
	visit_out(&vx, 1);
	visit_out(&vb, 0);
}

static void
visitor_bias_bwd(struct od_backend *be, float *db, struct od_mat dy)
{
	DEV;
	struct visit vd = visit_floats(dev, db, dy.cols), vy = ANY(dy, 8);

	dev->bias_bwd(dev, vd.m.data, vy.m);
	visit_out(&vd, 1);
	visit_out(&vy, 0);
}

static void
visitor_add(struct od_backend *be, struct od_mat x, struct od_mat y)
{
	DEV;
	struct visit vx = F32(x), vy = F32(y);

	dev->add(dev, vx.m, vy.m);
	visit_out(&vx, 1);
	visit_out(&vy, 0);
}

static void
visitor_rope(struct od_backend *be, struct od_mat x, const int32_t *pos, const float *cosine, const float *sine, int32_t head_dim,
	int inverse)
{
	DEV;
	int64_t n = 0;
	struct visit vx = TYPED(x), vc, vs;
	int32_t *p = visit_ints(dev, pos, x.rows);

	for (int64_t t = 0; t < x.rows; t++)
		n = pos[t] >= n ? pos[t] + 1 : n;
	vc = visit_floats(dev, cosine, n * head_dim / 2);
	vs = visit_floats(dev, sine, n * head_dim / 2);
	dev->rope(dev, vx.m, p, vc.m.data, vs.m.data, head_dim, inverse);
	visit_out(&vx, 1);
	visit_out(&vc, 0);
	visit_out(&vs, 0);
	dev->free(dev, p);
}

static void
visitor_glu_fwd(struct od_backend *be, struct od_mat out, struct od_mat gate, struct od_mat up, enum od_act act)
{
	DEV;
	struct visit vo = TYPED(out), vg = TYPED(gate), vu = TYPED(up);

	dev->glu_fwd(dev, vo.m, vg.m, vu.m, act);
	visit_out(&vo, 1);
	visit_out(&vg, 0);
	visit_out(&vu, 0);
}

/* Where the caller works in place, so does the device. */
static void
visitor_glu_bwd(struct od_backend *be, struct od_mat dgate, struct od_mat dup, struct od_mat out, struct od_mat dout,
	struct od_mat gate, struct od_mat up, enum od_act act)
{
	DEV;
	struct visit vg = TYPED(gate), vu = TYPED(up), vd = TYPED(dout), vdg = vg, vdu = vu, vo = vd;
	int in_place = dgate.data == gate.data;

	if (!in_place) {
		vdg = TYPED(dgate);
		vdu = TYPED(dup);
		vo = TYPED(out);
	}
	dev->glu_bwd(dev, vdg.m, vdu.m, vo.m, vd.m, vg.m, vu.m, act);
	visit_out(&vdg, 1);
	visit_out(&vdu, 1);
	visit_out(&vo, 1);
	if (!in_place) {
		visit_out(&vg, 0);
		visit_out(&vu, 0);
		visit_out(&vd, 0);
	}
}

static void
visitor_attn_fwd(struct od_backend *be, struct od_mat out, float *lse, struct od_mat q, struct od_mat k, struct od_mat v,
	const struct od_tree *tree, const struct od_attn_params *p)
{
	DEV;
	struct visit vo = TYPED(out), vq = TYPED(q), vk = TYPED(k), vv = TYPED(v), vl = visit_floats(dev, lse, q.rows * p->n_heads);

	dev->attn_fwd(dev, vo.m, vl.m.data, vq.m, vk.m, vv.m, tree, p);
	visit_out(&vo, 1);
	visit_out(&vl, 1);
	visit_out(&vq, 0);
	visit_out(&vk, 0);
	visit_out(&vv, 0);
}

static void
visitor_attn_bwd(struct od_backend *be, struct od_mat dq, struct od_mat dk, struct od_mat dv, struct od_mat dout, struct od_mat q,
	struct od_mat k, struct od_mat v, struct od_mat out, const float *lse, const struct od_tree *tree,
	const struct od_attn_params *p)
{
	DEV;
	struct visit vdq = TYPED(dq), vdk = TYPED(dk), vdv = TYPED(dv), vdo = TYPED(dout), vq = TYPED(q), vk = TYPED(k), vv = TYPED(v);
	struct visit vo = TYPED(out), vl = visit_floats(dev, lse, q.rows * p->n_heads);

	dev->attn_bwd(dev, vdq.m, vdk.m, vdv.m, vdo.m, vq.m, vk.m, vv.m, vo.m, vl.m.data, tree, p);
	visit_out(&vdq, 1);
	visit_out(&vdk, 1);
	visit_out(&vdv, 1);
	visit_out(&vdo, 0);
	visit_out(&vq, 0);
	visit_out(&vk, 0);
	visit_out(&vv, 0);
	visit_out(&vo, 0);
	visit_out(&vl, 0);
}

static void
visitor_gather(struct od_backend *be, struct od_mat out, struct od_mat x, const int32_t *rows)
{
	DEV;
	struct visit vo = F32(out), vx = F32(x);
	int32_t *r = visit_ints(dev, rows, out.rows);

	dev->gather(dev, vo.m, vx.m, r);
	visit_out(&vo, 1);
	visit_out(&vx, 0);
	dev->free(dev, r);
}

static void
visitor_scatter_add(struct od_backend *be, struct od_mat dx, struct od_mat dy, const int32_t *rows)
{
	DEV;
	struct visit vx = F32(dx), vy = F32(dy);
	int32_t *r = visit_ints(dev, rows, dy.rows);

	dev->scatter_add(dev, vx.m, vy.m, r);
	visit_out(&vx, 1);
	visit_out(&vy, 0);
	dev->free(dev, r);
}

static void
visitor_head_fwd(struct od_backend *be, float *logps, float *lse, struct od_mat h, struct od_mat w, float softcap,
	const struct od_targets *t)
{
	DEV;
	struct visit vp = visit_floats(dev, logps, t->n), vl = visit_floats(dev, lse, h.rows), vh = TYPED(h), vw = TYPED(w);
	struct od_targets dt = { t->n, visit_ints(dev, t->row, t->n), visit_ints(dev, t->id, t->n) };

	dev->head_fwd(dev, vp.m.data, vl.m.data, vh.m, vw.m, softcap, &dt);
	visit_out(&vp, 1);
	visit_out(&vl, 1);
	visit_out(&vh, 0);
	visit_out(&vw, 0);
	dev->free(dev, (void *)(uintptr_t)dt.row);
	dev->free(dev, (void *)(uintptr_t)dt.id);
}

static void
visitor_head_bwd(struct od_backend *be, struct od_mat dh, struct od_mat dw, struct od_mat h, struct od_mat w, float softcap,
	const float *lse, const struct od_targets *t, const float *coef)
{
	DEV;
	struct visit vdh = F32(dh), vdw = F32(dw), vh = TYPED(h), vw = TYPED(w), vl = visit_floats(dev, lse, h.rows);
	struct visit vc = visit_floats(dev, coef, t->n);
	struct od_targets dt = { t->n, visit_ints(dev, t->row, t->n), visit_ints(dev, t->id, t->n) };

	dev->head_bwd(dev, vdh.m, vdw.m, vh.m, vw.m, softcap, vl.m.data, &dt, vc.m.data);
	visit_out(&vdh, 1);
	visit_out(&vdw, 1);
	visit_out(&vh, 0);
	visit_out(&vw, 0);
	visit_out(&vl, 0);
	visit_out(&vc, 0);
	dev->free(dev, (void *)(uintptr_t)dt.row);
	dev->free(dev, (void *)(uintptr_t)dt.id);
}

static double
visitor_sum_squares(struct od_backend *be, const float *x, int64_t n)
{
	DEV;
	struct visit v = visit_floats(dev, x, n);
	double s = dev->sum_squares(dev, v.m.data, n);

	visit_out(&v, 0);
	return s;
}

static void
visitor_adamw(struct od_backend *be, float *w, float *m, float *v, const float *g, void *copy, int64_t n, const struct od_adamw *p)
{
	DEV;
	struct visit vw = visit_floats(dev, w, n), vm = visit_floats(dev, m, n), vv = visit_floats(dev, v, n);
	struct visit vg = visit_floats(dev, g, n), vc = TYPED(od_mat_f32(copy, 1, n));

	dev->adamw(dev, vw.m.data, vm.m.data, vv.m.data, vg.m.data, vc.m.data, n, p);
	visit_out(&vw, 1);
	visit_out(&vm, 1);
	visit_out(&vv, 1);
	visit_out(&vg, 0);
	visit_out(&vc, 1);
}

static void
visitor_dots(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x)
{
	DEV;
	struct visit vo = x.data ? F32(out) : ANY(out, 9), va = TYPED(a), vb = TYPED(b), vx = F32(x);

	dev->dots(dev, vo.m, va.m, vb.m, vx.m);
	visit_out(&vo, 1);
	visit_out(&va, 0);
	visit_out(&vb, 0);
	visit_out(&vx, 0);
}

/* All pages up to the largest slot, as matrices of a row a page and head. */
struct visit_pages {
	struct visit k, v;
	struct od_kv_pages dev;
};

static inline struct visit_pages
visit_pages(struct od_backend *dev, const struct od_kv_pages *p, int64_t n_pages)
{
	int64_t rows = n_pages * p->n_kv_heads, cols = (int64_t)p->head_dim * OD_KV_PAGE;
	struct visit_pages v = { TYPED(od_mat_f32(p->k, rows, cols)), TYPED(od_mat_f32(p->v, rows, cols)), *p };

	v.dev.k = v.k.m.data;
	v.dev.v = v.v.m.data;
	return v;
}

static inline int64_t
largest_int(const int32_t *x, int64_t n)
{
	int64_t most = 0;

	for (int64_t i = 0; i < n; i++)
		most = x[i] > most ? x[i] : most;
	return most;
}

static void
visitor_kv_put(struct od_backend *be, const struct od_kv_pages *pages, struct od_mat k, struct od_mat v, int64_t n,
	const int32_t *row, const int32_t *slot)
{
	DEV;
	struct visit vk = TYPED(k), vv = TYPED(v);
	struct visit_pages p = visit_pages(dev, pages, largest_int(slot, n) / OD_KV_PAGE + 1);
	int32_t *r = visit_ints(dev, row, n), *s = visit_ints(dev, slot, n);

	dev->kv_put(dev, &p.dev, vk.m, vv.m, n, r, s);
	visit_out(&p.k, 1);
	visit_out(&p.v, 1);
	visit_out(&vk, 0);
	visit_out(&vv, 0);
	dev->free(dev, r);
	dev->free(dev, s);
}

static void
visitor_attn_paged(struct od_backend *be, struct od_mat out, struct od_mat q, const struct od_kv_pages *pages, const int32_t *table,
	int64_t width, const int32_t *len, const struct od_attn_params *p)
{
	DEV;
	struct visit vo = TYPED(out), vq = TYPED(q);
	struct visit_pages vp = visit_pages(dev, pages, largest_int(table, q.rows * width) + 1);
	int32_t *t = visit_ints(dev, table, q.rows * width), *l = visit_ints(dev, len, q.rows);

	dev->attn_paged(dev, vo.m, vq.m, &vp.dev, t, width, l, p);
	visit_out(&vo, 1);
	visit_out(&vq, 0);
	visit_out(&vp.k, 0);
	visit_out(&vp.v, 0);
	dev->free(dev, t);
	dev->free(dev, l);
}

static void
visitor_cast(struct od_backend *be, struct od_mat out, struct od_mat in)
{
	DEV;
	struct visit vo = ANY(out, 5), vi = ANY(in, 6);

	dev->cast(dev, vo.m, vi.m);
	visit_out(&vo, 1);
	visit_out(&vi, 0);
}

static int
visitor_ok(struct od_backend *be)
{
	DEV;

	return dev->ok(dev);
}

static const char *
visitor_failure(struct od_backend *be)
{
	DEV;

	return dev->failure(dev);
}

static inline struct od_backend
visitor_of(struct od_backend *dev)
{
	return (struct od_backend){ .name = dev->name, .numerics = dev->numerics, .type = dev->type, .host_memory = true, .ctx = dev,
		.alloc = ref->alloc, .free = ref->free, .upload = ref->upload, .download = ref->download, .zero = ref->zero,
		.ok = visitor_ok, .failure = visitor_failure, .room = ref->room, .cast = visitor_cast, .dots = visitor_dots, .kv_put = visitor_kv_put,
		.attn_paged = visitor_attn_paged, .gemm = visitor_gemm, .gemm_add = visitor_gemm_add,
		.embed_fwd = visitor_embed_fwd, .embed_bwd = visitor_embed_bwd, .norm_fwd = visitor_norm_fwd,
		.norm_bwd = visitor_norm_bwd, .bias_fwd = visitor_bias_fwd, .bias_bwd = visitor_bias_bwd, .add = visitor_add,
		.rope = visitor_rope, .glu_fwd = visitor_glu_fwd, .glu_bwd = visitor_glu_bwd, .attn_fwd = visitor_attn_fwd,
		.attn_bwd = visitor_attn_bwd, .gather = visitor_gather, .scatter_add = visitor_scatter_add,
		.head_fwd = visitor_head_fwd, .head_bwd = visitor_head_bwd, .sum_squares = visitor_sum_squares,
		.adamw = visitor_adamw };
}

#undef DEV
#undef TYPED
#undef ANY
#undef F32

#endif
