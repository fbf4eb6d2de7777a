/* test_attention.c -- attention of the CPU backend against the reference's loops, its gradient, its independence of
 * packing. */
#include "ops_test.h"

struct shape {
	int heads, kv_heads, dim, window;
	float softcap;
};

static const struct shape shapes[] = {
	{ 1, 1, 4, 0, 0 }, { 9, 3, 64, 0, 0 }, { 4, 1, 20, 0, 0 }, { 2, 2, 80, 0, 30 }, { 8, 1, 16, 5, 0 }, { 6, 2, 33, 70, 12 },
	{ 4, 4, 128, 33, 0 },
};

/* Trees by (parent, length), ended by length -1. */
static const int trees[][8][2] = {
	{ { -1, 1 }, { 0, -1 } },
	{ { -1, 7 }, { 0, 3 }, { 0, 5 }, { 0, -1 } },
	{ { -1, 64 }, { 0, 64 }, { 0, 1 }, { 0, -1 } },
	{ { -1, 67 }, { 0, 131 }, { -1, 33 }, { -1, 2 }, { 3, 61 }, { 3, 129 }, { 0, -1 } },
	{ { -1, 5 }, { -1, 70 }, { 0, 9 }, { 1, 0 }, { 1, 17 }, { 0, 66 }, { 1, 65 }, { 0, -1 } },    /* tails interleaved */
	{ { -1, 0 }, { 0, 40 }, { 0, 41 }, { 0, -1 } },                                               /* nothing shared */
	{ { -1, 530 }, { 0, 1100 }, { 0, 9 }, { 0, -1 } },                                            /* long */
};

#define N_SHAPES (sizeof shapes / sizeof *shapes)
#define N_TREES (sizeof trees / sizeof *trees - 1)      /* but the long one */

struct packed {
	struct od_tree tree;
	int32_t start[8], len[8], parent[8];
};

static void
pack_tree(struct packed *p, size_t which)
{
	memset(p, 0, sizeof *p);
	for (int s = 0; trees[which][s][1] >= 0; s++) {
		p->start[s] = (int32_t)p->tree.n_tokens;
		p->len[s] = trees[which][s][1];
		p->parent[s] = trees[which][s][0];
		p->tree.n_tokens += p->len[s];
		p->tree.n_segments++;
	}
	p->tree.start = p->start;
	p->tree.len = p->len;
	p->tree.parent = p->parent;
}

static struct od_attn_params
params_of(const struct shape *s)
{
	return (struct od_attn_params){ s->heads, s->kv_heads, s->dim, 1.0f / sqrtf((float)s->dim), s->softcap, s->window };
}

struct attention {
	struct tmat q, k, v, dout, out, lse, dq, dk, dv;
};

static struct attention
attention_new(const struct shape *s, int64_t n, int64_t pad)
{
	int64_t hd = s->heads * s->dim, kd = s->kv_heads * s->dim;
	struct attention a = { tmat_new(n, hd, pad, 1.5), tmat_new(n, kd, pad, 1.5), tmat_new(n, kd, pad, 1), tmat_new(n, hd, pad, 1),
		tmat_new(n, hd, pad, 0), tmat_new(n, s->heads, 0, 0), tmat_new(n, hd, pad, 0), tmat_new(n, kd, pad, 0),
		tmat_new(n, kd, pad, 0) };

	return a;
}

static void
attention_free(struct attention *a)
{
	struct tmat *all[] = { &a->q, &a->k, &a->v, &a->dout, &a->out, &a->lse, &a->dq, &a->dk, &a->dv };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		tmat_free(all[i]);
}

/* A copy with fresh outputs. */
static struct attention
attention_clone(const struct attention *a)
{
	return (struct attention){ tmat_clone(&a->q), tmat_clone(&a->k), tmat_clone(&a->v), tmat_clone(&a->dout),
		tmat_clone(&a->out), tmat_clone(&a->lse), tmat_clone(&a->dq), tmat_clone(&a->dk), tmat_clone(&a->dv) };
}

static void
run(struct od_backend *be, struct attention *a, const struct od_tree *t, const struct od_attn_params *p)
{
	be->attn_fwd(be, a->out.m, a->lse.m.data, a->q.m, a->k.m, a->v.m, t, p);
	be->attn_bwd(be, a->dq.m, a->dk.m, a->dv.m, a->dout.m, a->q.m, a->k.m, a->v.m, a->out.m, a->lse.m.data, t, p);
}

static void
expect_attention(const struct attention *got, const struct attention *want, double tol)
{
	expect_near(&got->out, &want->out, tol, 1, "out");
	expect_near(&got->lse, &want->lse, tol, 1, "lse");
	expect_near(&got->dq, &want->dq, tol, 1, "dq");
	expect_near(&got->dk, &want->dk, tol, 1, "dk");
	expect_near(&got->dv, &want->dv, tol, 1, "dv");
}

/* Sums of some hundred products of order 1 in fp32: 1e-5 of the largest entry is some 80 roundings. */
static void
test_against_reference(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SHAPES; i++)
			for (size_t j = 0; j < N_TREES; j++) {
				struct od_attn_params p = params_of(&shapes[i]);
				struct attention a, b;
				struct packed t;

				if (leave_out(i + j, N_TREES))
					continue;
				pack_tree(&t, j);
				a = attention_new(&shapes[i], t.tree.n_tokens, (int64_t)(j % 2 * 3));
				b = attention_clone(&a);
				run(ref, &a, &t.tree, &p);
				run(cpu, &b, &t.tree, &p);
				tol_floor *= 2;
				expect_attention(&b, &a, 1e-5);
				tol_floor /= 2;
				attention_free(&a);
				attention_free(&b);
			}
}

/* More than one block of keys and, in the gradient, more than one thread's part of a segment. */
static void
test_long_segments(void **state)
{
	static const struct shape small[] = { { 2, 1, 16, 0, 0 }, { 1, 1, 16, 300, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
		struct od_attn_params p = params_of(&small[i]);
		struct packed t;

		pack_tree(&t, N_TREES);
		FOR_EACH_VARIANT(var) {
			struct attention a, b;

			if (leave_out(var, 4))
				continue;
			a = attention_new(&small[i], t.tree.n_tokens, 0);
			b = attention_clone(&a);
			run(ref, &a, &t.tree, &p);
			run(cpu, &b, &t.tree, &p);
			tol_floor *= 2;
			expect_attention(&b, &a, 1e-5);
			tol_floor /= 2;
			run(cpu1, &a, &t.tree, &p);
			expect_same(&b.dq, &a.dq, "dq");
			expect_same(&b.dk, &a.dk, "dk");
			expect_same(&b.dv, &a.dv, "dv");
			attention_free(&a);
			attention_free(&b);
		}
	}
}

/* Scores of hundreds, of either sign: what powers are relative to must follow them. In fp32 the scores' own rounding is more
 * than the tolerance. */
static void
test_large_scores(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 1; i < N_SHAPES && data_type == OD_BF16; i++) {
			struct od_attn_params p = params_of(&shapes[i]);
			struct attention a, b;
			struct packed t;

			pack_tree(&t, 3);
			a = attention_new(&shapes[i], t.tree.n_tokens, 0);
			b = attention_clone(&a);
			p.scale *= 40;
			p.softcap *= 10;
			run(ref, &a, &t.tree, &p);
			run(cpu, &b, &t.tree, &p);
			tol_floor *= 2;
			expect_attention(&b, &a, 1e-5);
			tol_floor /= 2;
			attention_free(&a);
			attention_free(&b);
		}
}

/* loss = sum(out * dout) */
static double
loss(struct attention *a, const struct od_tree *t, const struct od_attn_params *p)
{
	double s = 0;

	ref->attn_fwd(ref, a->out.m, a->lse.m.data, a->q.m, a->k.m, a->v.m, t, p);
	for (int64_t r = 0; r < a->out.m.rows; r++)
		for (int64_t c = 0; c < a->out.m.cols; c++)
			s += (double)*at(&a->out, r, c) * *at(&a->dout, r, c);
	return s;
}

/* Derivative of the loss along dir added to x: differences of step h and 2h, whose h^2 errors cancel. */
static double
slope_along(struct attention *a, struct tmat *x, const struct tmat *dir, const struct od_tree *t, const struct od_attn_params *p)
{
	static const double weight[] = { 8, -8, -1, 1 }, step[] = { 1, -1, 2, -2 };
	const double h = 1.0 / 64;
	struct tmat keep = tmat_clone(x);
	double s = 0;

	for (int i = 0; i < 4; i++) {
		for (int64_t r = 0; r < x->m.rows; r++)
			for (int64_t c = 0; c < x->m.cols; c++)
				*at(x, r, c) = (float)(*at(&keep, r, c) + step[i] * h * *at(dir, r, c));
		s += weight[i] * loss(a, t, p);
	}
	memcpy(x->m.data, keep.m.data, (size_t)(x->m.rows * x->m.ld) * sizeof(float));
	tmat_free(&keep);
	return s / (12 * h);
}

static void
expect_slope(struct attention *a, struct tmat *x, const struct tmat *grad, const struct od_tree *t,
	const struct od_attn_params *p)
{
	struct tmat dir = tmat_new(x->m.rows, x->m.cols, 0, 1);
	double want = slope_along(a, x, &dir, t, p), got = 0, norm = 0;

	for (int64_t r = 0; r < x->m.rows; r++)
		for (int64_t c = 0; c < x->m.cols; c++) {
			got += (double)*at(grad, r, c) * *at(&dir, r, c);
			norm += pow(*at(grad, r, c), 2);
		}
	if (!(fabs(got - want) <= 1e-3 * (sqrt(norm) + 1e-6)))
		fail_msg("slope %.9g, by differences %.9g (gradient's norm %.3g)", got, want, sqrt(norm));
	tmat_free(&dir);
}

/* The reference's own gradient against differences of its forward pass. */
static void
test_reference_gradient(void **state)
{
	static const struct shape small[] = { { 2, 1, 4, 0, 0 }, { 2, 2, 6, 3, 4 }, { 3, 1, 5, 0, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
		struct od_attn_params p = params_of(&small[i]);
		struct attention a;
		struct packed t;

		pack_tree(&t, 1);
		a = attention_new(&small[i], t.tree.n_tokens, 0);
		run(ref, &a, &t.tree, &p);
		expect_slope(&a, &a.q, &a.dq, &t.tree, &p);
		expect_slope(&a, &a.k, &a.dk, &t.tree, &p);
		expect_slope(&a, &a.v, &a.dv, &t.tree, &p);
		attention_free(&a);
	}
}

/* Rows [from, from + n) of m as a matrix of its own. */
static struct tmat
slice(const struct tmat *t, int64_t from, int64_t n)
{
	struct tmat s = *t;

	s.base = NULL;
	s.m.data = at(t, from, 0);
	s.m.rows = n;
	return s;
}

/* A tree in a buffer of its own has the bits it has behind other trees, on one thread and on two. */
static void
test_packing_invariance(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SHAPES; i++) {
			struct od_attn_params p = params_of(&shapes[i]);
			struct attention a, b;
			struct packed t, one;
			int64_t from;

			if (leave_out(i + 3, 4))
				continue;
			pack_tree(&t, 3);
			a = attention_new(&shapes[i], t.tree.n_tokens, 1);
			b = attention_clone(&a);
			run(cpu, &a, &t.tree, &p);
			from = t.start[3];
			pack_tree(&one, 3);
			one.tree.n_segments = 3;
			one.tree.n_tokens = t.tree.n_tokens - from;
			for (int s = 0; s < 3; s++) {
				one.start[s] = t.start[3 + s] - (int32_t)from;
				one.len[s] = t.len[3 + s];
				one.parent[s] = s ? 0 : -1;
			}
			{
				struct attention c = { slice(&b.q, from, one.tree.n_tokens), slice(&b.k, from, one.tree.n_tokens),
					slice(&b.v, from, one.tree.n_tokens), slice(&b.dout, from, one.tree.n_tokens),
					slice(&b.out, from, one.tree.n_tokens), slice(&b.lse, from, one.tree.n_tokens),
					slice(&b.dq, from, one.tree.n_tokens), slice(&b.dk, from, one.tree.n_tokens),
					slice(&b.dv, from, one.tree.n_tokens) };
				struct tmat want;

				run(cpu1, &c, &one.tree, &p);
				want = slice(&a.out, from, one.tree.n_tokens);
				expect_same(&c.out, &want, "out");
				want = slice(&a.lse, from, one.tree.n_tokens);
				expect_same(&c.lse, &want, "lse");
				want = slice(&a.dq, from, one.tree.n_tokens);
				expect_same(&c.dq, &want, "dq");
				want = slice(&a.dk, from, one.tree.n_tokens);
				expect_same(&c.dk, &want, "dk");
				want = slice(&a.dv, from, one.tree.n_tokens);
				expect_same(&c.dv, &want, "dv");
			}
			attention_free(&a);
			attention_free(&b);
		}
}

#ifndef OD_TEST_CUDA
static void
expect_same_bits(const struct attention *got, const struct attention *want)
{
	expect_same(&got->out, &want->out, "out");
	expect_same(&got->lse, &want->lse, "lse");
	expect_same(&got->dq, &want->dq, "dq");
	expect_same(&got->dk, &want->dk, "dk");
	expect_same(&got->dv, &want->dv, "dv");
	tmat_check_guards(&got->dk, "dk");
}

static void
compare_threads(struct od_backend *many, const struct shape *s, size_t tree)
{
	struct od_attn_params p = params_of(s);
	struct attention a, b;
	struct packed t;

	pack_tree(&t, tree);
	a = attention_new(s, t.tree.n_tokens, 2);
	b = attention_clone(&a);
	run(cpu1, &a, &t.tree, &p);
	run(many, &b, &t.tree, &p);
	expect_same_bits(&b, &a);
	attention_free(&a);
	attention_free(&b);
}

/* In fp32 the gradient is computed by trees on few threads and by blocks on many: the same bits. */
static void
test_thread_counts(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var) {
		struct od_backend *many = open_variant_on(&variants[var], 7), v = visitor_of(many);

		for (size_t i = 0; i < N_SHAPES; i++)
			for (size_t j = 0; j < N_TREES; j++)
				if (!leave_out(i + j, N_TREES))
					compare_threads(many->type == OD_F32 ? many : &v, &shapes[i], j);
		od_backend_close(many);
	}
}
#endif

/* What is not finite must come out, not be masked away: the trainer stops on it. */
static void
test_nan_comes_out(void **state)
{
	struct od_attn_params p = params_of(&shapes[1]);
	struct packed t;

	(void)state;
	pack_tree(&t, 1);
	FOR_EACH_VARIANT(var) {
		struct attention a = attention_new(&shapes[1], t.tree.n_tokens, 0);

		*at(&a.k, 2, 5) = NAN;
		run(cpu, &a, &t.tree, &p);
		assert_true(isnan(*at(&a.lse, 4, 0)));
		assert_true(isnan(*at(&a.out, 4, 0)));
		assert_false(isnan(*at(&a.lse, 1, 0)));
		assert_true(isnan(*at(&a.dq, 4, 0)));
		assert_true(isnan(*at(&a.dv, 1, 0)));
		attention_free(&a);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_reference),
		cmocka_unit_test(test_long_segments),
		cmocka_unit_test(test_large_scores),
		cmocka_unit_test(test_reference_gradient),
		cmocka_unit_test(test_packing_invariance),
#ifndef OD_TEST_CUDA
		cmocka_unit_test(test_thread_counts),
#endif
		cmocka_unit_test(test_nan_comes_out),
	};

	(void)argc;
	ops_begin(argv[0]);
	return ops_end(cmocka_run_group_tests(tests, NULL, NULL));
}
