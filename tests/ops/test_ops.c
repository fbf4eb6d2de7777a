/* test_ops.c -- products, embedding, norms, bias, rotary embedding, gated unit, rows and optimiser of the CPU backend
 * against the reference; row invariance and determinism bit for bit. Attention and the LM head have files of their own. */
#include "ops_test.h"

static const struct od_mat nothing = { NULL, OD_F32, 0, 0, 0 };

/* ---- products ---- */

static const int64_t shapes[][3] = {          /* m, n, k */
	{ 1, 1, 1 }, { 1, 576, 64 }, { 3, 5, 7 }, { 31, 33, 257 }, { 64, 64, 64 }, { 67, 129, 31 }, { 150, 70, 300 }, { 133, 17, 530 },
	{ 40, 50, 0 },
};

#define N_SHAPES (sizeof shapes / sizeof *shapes)

/* A chain of k fused multiply-adds of order 1. */
static double
gemm_tolerance(int64_t k)
{
	return 4 * 6e-8 * sqrt((double)k + 1);
}

static void
check_gemm(const int64_t *s, int flags, int64_t pad)
{
	int ta = flags & 1, tb = flags >> 1 & 1, acc = flags >> 2 & 1;
	struct tmat a = tmat_new(ta ? s[2] : s[0], ta ? s[0] : s[2], pad, 1), b = tmat_new(tb ? s[1] : s[2], tb ? s[2] : s[1], pad, 1);
	struct tmat want = tmat_new(s[0], s[1], pad, 1), got = tmat_clone(&want);

	ref->gemm(ref, want.m, a.m, ta, b.m, tb, acc);
	cpu->gemm(cpu, got.m, a.m, ta, b.m, tb, acc);
	expect_near(&got, &want, gemm_tolerance(s[2]), 1, "gemm");
	tmat_check_guards(&a, "gemm a");
	tmat_check_guards(&b, "gemm b");
	tmat_free(&a);
	tmat_free(&b);
	tmat_free(&want);
	tmat_free(&got);
}

static void
test_gemm(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SHAPES; i++)
			for (int flags = 0; flags < 8; flags++) {
				check_gemm(shapes[i], flags, 0);
				check_gemm(shapes[i], flags, 3);
			}
	assert_true(cpu->ok(cpu));
}

/* Rows [from, from + m) of a product on their own, on one thread and on two, against the whole product. */
static void
check_rows(int64_t n, int64_t k, int flags, int64_t pad_a, int64_t pad_out)
{
	enum { M = 700 };
	static const int64_t rows[] = { 1, 2, 3, 7, 16, 23, 31, 32, 33, 63, 64, 65, 67, 100, 127, 129, 200, 255, 257, 513 };
	int tb = flags & 1, acc = flags >> 1;
	struct tmat a = tmat_new(M, k, pad_a, 1), b = tmat_new(tb ? n : k, tb ? k : n, 0, 1), before = tmat_new(M, n, pad_out, 1);
	struct tmat whole = tmat_clone(&before), part = tmat_clone(&before);

	cpu->gemm(cpu, whole.m, a.m, 0, b.m, tb, acc);
	for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
		int64_t m = rows[i / 2], from = (int64_t)od_rng_below(&rng, (uint64_t)(M - m + 1));
		struct od_backend *be = i % 2 ? cpu : cpu1;
		struct tmat want = whole, got = part;
		struct od_mat some = a.m;

		some.data = at(&a, from, 0);
		want.m.data = at(&whole, from, 0);
		got.m.data = at(&part, from, 0);
		some.rows = want.m.rows = got.m.rows = m;
		memcpy(got.m.data, at(&before, from, 0), (size_t)(m * before.m.ld) * sizeof(float));
		be->gemm(be, got.m, some, 0, b.m, tb, acc);
		expect_same(&got, &want, "gemm rows");
	}
	tmat_check_guards(&part, "gemm rows");
	tmat_free(&a);
	tmat_free(&b);
	tmat_free(&before);
	tmat_free(&whole);
	tmat_free(&part);
}

static void
test_gemm_row_invariance(void **state)
{
	static const int64_t nk[][2] = { { 576, 192 }, { 192, 64 }, { 1, 33 }, { 33, 8 }, { 131, 300 }, { 16, 777 }, { 515, 40 },
		{ 3, 7 } };

	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = quick ? 6 : 0; i < sizeof nk / sizeof *nk; i++)
			for (int flags = 0; flags < 4; flags++) {
				check_rows(nk[i][0], nk[i][1], flags, 0, 0);
				if (nk[i][0] < 150)
					check_rows(nk[i][0], nk[i][1], flags, flags & 2 ? 5 : 0, 3);
			}
	assert_true(cpu->ok(cpu));
}

static void
test_gemm_add(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SHAPES; i++) {
			const int64_t *s = shapes[i];
			struct tmat a = tmat_new(s[0], s[2], 0, 1), b = tmat_new(s[1], s[2], 0, 1), x = tmat_new(s[0], s[1], 2, 1);
			struct tmat want = tmat_new(s[0], s[1], 1, 0), got = tmat_clone(&want);

			ref->gemm_add(ref, want.m, a.m, b.m, x.m);
			cpu->gemm_add(cpu, got.m, a.m, b.m, x.m);
			expect_near(&got, &want, gemm_tolerance(s[2]), 1, "gemm_add");
			tmat_check_guards(&x, "gemm_add x");
			tmat_free(&a);
			tmat_free(&b);
			tmat_free(&x);
			tmat_free(&want);
			tmat_free(&got);
		}
}

/* The same bytes from the same call, weight gradients included. */
static void
test_gemm_determinism(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (int flags = 0; flags < 4; flags++) {
			int64_t tokens = 100 + (int64_t)od_rng_below(&rng, 700);
			struct tmat a = tmat_new(tokens, 192, flags & 1, 1), b = tmat_new(tokens, 131, 0, 1);
			struct tmat x = tmat_new(192, 131, 0, 1), y = tmat_clone(&x);

			cpu->gemm(cpu, x.m, a.m, 1, b.m, 0, flags >> 1);
			cpu->gemm(cpu, y.m, a.m, 1, b.m, 0, flags >> 1);
			expect_same(&y, &x, "weight gradient");
			tmat_free(&a);
			tmat_free(&b);
			tmat_free(&x);
			tmat_free(&y);
		}
}

/* More shapes than the cache of primitives holds. */
static void
test_gemm_many_shapes(void **state)
{
	(void)state;
	use_variant(0);
	for (int64_t n = 1; n <= (quick ? 70 : 1100); n += 1) {
		struct tmat a = tmat_new(2, 3, 0, 1), b = tmat_new(3, n, 0, 1), x = tmat_new(2, n, 0, 0);

		cpu->gemm(cpu, x.m, a.m, 0, b.m, 0, 0);
		assert_true(cpu->ok(cpu));
		tmat_free(&a);
		tmat_free(&b);
		tmat_free(&x);
	}
}

/* ---- elementwise ---- */

static const int64_t sizes[][2] = { { 1, 1 }, { 3, 16 }, { 7, 33 }, { 129, 130 }, { 61, 576 }, { 530, 132 }, { 9, 4100 } };

#define N_SIZES (sizeof sizes / sizeof *sizes)

static int32_t *
random_ids(int64_t n, int64_t below)
{
	int32_t *ids = malloc((size_t)n * sizeof *ids);

	assert_non_null(ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = (int32_t)od_rng_below(&rng, (uint64_t)below);
	return ids;
}

static void
test_embed(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SIZES; i++) {
			int64_t n = sizes[i][0], d = sizes[i][1];
			int32_t *ids = random_ids(n, 11);
			struct tmat table = tmat_new(11, d, 2, 1), x = tmat_new(n, d, 1, 0), y = tmat_clone(&x);
			struct tmat dx = tmat_new(11, d, 2, 1), dy = tmat_clone(&dx);

			ref->embed_fwd(ref, x.m, table.m, ids, 1.5f);
			cpu->embed_fwd(cpu, y.m, table.m, ids, 1.5f);
			expect_near(&y, &x, 0, 1, "embed_fwd");
			ref->embed_bwd(ref, dx.m, x.m, ids, 0.5f);
			cpu->embed_bwd(cpu, dy.m, x.m, ids, 0.5f);
			expect_near(&dy, &dx, 1e-6, 1, "embed_bwd");
			free(ids);
			tmat_free(&table);
			tmat_free(&x);
			tmat_free(&y);
			tmat_free(&dx);
			tmat_free(&dy);
		}
}

struct norm {
	struct tmat x, dy, w, out, rstd, dx, dw, copy;
};

/* Rows a multiple of four apart, or 'odd'. */
static struct norm
norm_new(int64_t n, int64_t d, int odd)
{
	int64_t pad = odd ? 1 : 4;

	return (struct norm){ tmat_new(n, d, pad, 2), tmat_new(n, d, 0, 1), tmat_new(1, d, 0, 1), tmat_new(n, d, 3 * pad, 0),
		tmat_new(1, n, 0, 0), tmat_new(n, d, 2 * pad, 1), tmat_new(1, d, 0, 1), tmat_new(n, d, pad, 0) };
}

static struct norm
norm_clone(const struct norm *a)
{
	return (struct norm){ tmat_clone(&a->x), tmat_clone(&a->dy), tmat_clone(&a->w), tmat_clone(&a->out), tmat_clone(&a->rstd),
		tmat_clone(&a->dx), tmat_clone(&a->dw), tmat_clone(&a->copy) };
}

static void
norm_free(struct norm *a)
{
	struct tmat *all[] = { &a->x, &a->dy, &a->w, &a->out, &a->rstd, &a->dx, &a->dw, &a->copy };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		tmat_free(all[i]);
}

static void
norm_run(struct od_backend *be, struct norm *a, int plus_one, int accumulate)
{
	be->norm_fwd(be, a->out.m, a->rstd.m.data, a->x.m, a->w.m.data, 1e-5f, plus_one);
	be->norm_bwd(be, a->dx.m, a->dw.m.data, a->dy.m, a->x.m, a->w.m.data, a->rstd.m.data, plus_one, accumulate, a->copy.m);
}

/* The largest |rstd dy g|: in the gradient of few columns such terms cancel, of a single one altogether. */
static double
norm_terms(const struct norm *a, int plus_one)
{
	double most = 1;

	for (int64_t t = 0; t < a->dy.m.rows; t++)
		for (int64_t j = 0; j < a->dy.m.cols; j++)
			most = fmax(most, fabs((double)*at(&a->rstd, 0, t) * *at(&a->dy, t, j) * (*at(&a->w, 0, j) + (plus_one ? 1 : 0))));
	return most;
}

static void
test_norm(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SIZES; i++)
			for (int flags = 0; flags < 8; flags++) {
				int odd = flags >> 2 && sizes[i][1] <= 2048;        /* longer rows come aligned */
				struct norm a = norm_new(sizes[i][0], sizes[i][1], odd), b = norm_clone(&a), c = norm_clone(&a);

				norm_run(ref, &a, flags & 1, flags >> 1 & 1);
				norm_run(cpu, &b, flags & 1, flags >> 1 & 1);
				expect_near(&b.out, &a.out, 4e-7, 0, "norm out");
				expect_near(&b.rstd, &a.rstd, 2e-7, 0, "rstd");
				expect_near(&b.dx, &a.dx, 1e-6, norm_terms(&a, flags & 1), "norm dx");
				expect_near(&b.dw, &a.dw, 1e-6, 1, "norm dw");
				expect_near(&b.copy, &a.dx, 1e-6, norm_terms(&a, flags & 1), "copy of norm dx");
				norm_run(cpu1, &c, flags & 1, flags >> 1 & 1);
				expect_same(&c.out, &b.out, "norm on one thread");
				expect_same(&c.dx, &b.dx, "norm gradient on one thread");
				expect_same(&c.dw, &b.dw, "norm weight gradient on one thread");
				norm_free(&a);
				norm_free(&b);
				norm_free(&c);
			}
}

/* Every mix of types that ops.def allows, on the device itself. Where dx may be dy it is, and has the same bits. */
struct norm_types {
	enum od_dtype x, dy, dx, out;
};

static void
norm_run_typed(struct od_backend *dev, struct norm *a, const struct norm_types *t, int accumulate, int in_place)
{
	struct visit x = visit_in(dev, a->x.m, t->x), dy = visit_in(dev, a->dy.m, t->dy), out = visit_in(dev, a->out.m, t->out), dx = dy;
	struct visit w = visit_floats(dev, a->w.m.data, a->w.m.cols), rstd = visit_floats(dev, a->rstd.m.data, a->rstd.m.cols);
	struct visit dw = visit_floats(dev, a->dw.m.data, a->dw.m.cols), copy = visit_in(dev, a->copy.m, dev->type);

	if (!in_place)
		dx = visit_in(dev, a->dx.m, t->dx);
	dx.host = a->dx.m;
	dev->norm_fwd(dev, out.m, rstd.m.data, x.m, w.m.data, 1e-5f, 1);
	dev->norm_bwd(dev, dx.m, dw.m.data, dy.m, x.m, w.m.data, rstd.m.data, 1, accumulate, copy.m);
	visit_out(&x, 0);
	visit_out(&w, 0);
	visit_out(&rstd, 1);
	visit_out(&out, 1);
	visit_out(&dw, 1);
	visit_out(&dx, 1);
	visit_out(&copy, 1);
	if (!in_place)
		visit_out(&dy, 0);
}

static void
check_norm_types(struct od_backend *dev, const struct norm_types *t, int accumulate)
{
	struct norm a = norm_new(37, 83, 1), b, c;

	tmat_free(&a.dy);
	a.dy = tmat_new(37, 83, 2, 1);                     /* dx's shape in memory */
	b = norm_clone(&a);
	c = norm_clone(&a);
	norm_run(ref, &a, 1, accumulate);
	norm_run_typed(dev, &b, t, accumulate, 0);
	expect_near(&b.rstd, &a.rstd, 2e-7, 0, "rstd of mixed types");
	expect_near(&b.out, &a.out, 4e-7, 0, "norm out of mixed types");
	expect_near(&b.dx, &a.dx, 1e-6, 1, "norm dx of mixed types");
	expect_near(&b.dw, &a.dw, 1e-6, 1, "norm dw of mixed types");
	expect_near(&b.copy, &a.dx, 1e-6, 1, "copy of norm dx of mixed types");
	if (!accumulate && t->dx == t->dy) {
		norm_run_typed(dev, &c, t, 0, 1);
		expect_same(&c.dx, &b.dx, "norm dx in place");
		expect_same(&c.copy, &b.copy, "copy of norm dx in place");
		expect_same(&c.dw, &b.dw, "norm dw in place");
	}
	norm_free(&a);
	norm_free(&b);
	norm_free(&c);
}

static void
test_norm_types(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var) {
		struct od_backend *dev = device[0];

#ifdef OD_TEST_CUDA
		dev = device[var];
#endif
		for (int mix = 0; mix < (dev->type == OD_BF16 ? 32 : 1); mix++) {
			struct norm_types t = { mix & 1 ? OD_BF16 : OD_F32, mix & 2 ? OD_BF16 : OD_F32, mix & 4 ? OD_BF16 : OD_F32,
				mix & 8 ? OD_BF16 : OD_F32 };

			check_norm_types(dev, &t, mix >> 4);
		}
	}
}

static void
test_bias_and_add(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SIZES; i++) {
			int64_t n = sizes[i][0], d = sizes[i][1];
			struct tmat x = tmat_new(n, d, 1, 1), y = tmat_clone(&x), z = tmat_new(n, d, 0, 1), b = tmat_new(1, d, 0, 1);
			struct tmat db = tmat_new(1, d, 0, 1), dc = tmat_clone(&db);

			ref->bias_fwd(ref, x.m, b.m.data);
			ref->add(ref, x.m, z.m);
			ref->bias_bwd(ref, db.m.data, z.m);                /* (x and y differ by roundings) */
			cpu->bias_fwd(cpu, y.m, b.m.data);
			cpu->add(cpu, y.m, z.m);
			cpu->bias_bwd(cpu, dc.m.data, z.m);
			expect_near(&y, &x, 0, 1, "bias_fwd, add");
			expect_near(&dc, &db, 1e-7, 0, "bias_bwd");
			tmat_free(&x);
			tmat_free(&y);
			tmat_free(&z);
			tmat_free(&b);
			tmat_free(&db);
			tmat_free(&dc);
		}
}

static void
test_rope(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (int dim = 2; dim <= 66; dim += 32) {
			struct tmat x = tmat_new(97, 3 * dim, 5, 1), before = tmat_clone(&x), y = tmat_clone(&x);
			struct tmat c = tmat_new(50, dim / 2, 0, 1), s = tmat_new(50, dim / 2, 0, 1);
			int32_t *pos = random_ids(97, 50);

			for (int64_t r = 0; r < 50; r++)
				for (int64_t i = 0; i < dim / 2; i++) {
					*at(&c, r, i) = (float)cos((double)(r * (i + 1)) / 7);
					*at(&s, r, i) = (float)sin((double)(r * (i + 1)) / 7);
				}
			ref->rope(ref, x.m, pos, c.m.data, s.m.data, dim, 0);
			cpu->rope(cpu, y.m, pos, c.m.data, s.m.data, dim, 0);
			expect_near(&y, &x, 2e-7, 0, "rope");
			cpu->rope(cpu, y.m, pos, c.m.data, s.m.data, dim, 1);
			expect_near(&y, &before, 5e-7, 0, "rope there and back");
			free(pos);
			tmat_free(&x);
			tmat_free(&y);
			tmat_free(&before);
			tmat_free(&c);
			tmat_free(&s);
		}
}

/* Gates over the whole range the exponential has to survive. */
/* Half the largest |x y|: gelu is x (1 + tanh) / 2, whose two terms nearly cancel where x is well below zero. */
static double
half_product(const struct tmat *x, const struct tmat *y)
{
	double most = 0;

	for (int64_t r = 0; r < x->m.rows; r++)
		for (int64_t c = 0; c < x->m.cols; c++)
			most = fmax(most, fabs((double)*at(x, r, c) * *at(y, r, c)) / 2);
	return most;
}

static void
test_glu(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SIZES; i++)
			for (int act = 0; act < 2; act++) {
				int64_t n = sizes[i][0], d = sizes[i][1];
				struct tmat gate = tmat_new(n, d, 1, i == 1 ? 60 : 2), up = tmat_new(n, d, 2, 1), dout = tmat_new(n, d, 0, 1);
				struct tmat a = tmat_new(n, d, 0, 0), b = tmat_clone(&a), dg = tmat_clone(&a), du = tmat_clone(&a), o = tmat_clone(&a);
				struct tmat gate2 = tmat_clone(&gate), up2 = tmat_clone(&up), dout2 = tmat_clone(&dout);

				ref->glu_fwd(ref, a.m, gate.m, up.m, (enum od_act)act);
				cpu->glu_fwd(cpu, b.m, gate.m, up.m, (enum od_act)act);
				expect_near(&b, &a, 5e-7, half_product(&gate, &up), "glu_fwd");
				ref->glu_bwd(ref, dg.m, du.m, o.m, dout.m, gate.m, up.m, (enum od_act)act);
				/* in place: dgate over gate, dup over up, out over dout */
				cpu->glu_bwd(cpu, gate2.m, up2.m, dout2.m, dout2.m, gate2.m, up2.m, (enum od_act)act);
				expect_near(&gate2, &dg, 1e-6, 1, "dgate");
				expect_near(&up2, &du, 5e-7, half_product(&gate, &dout), "dup");
				expect_near(&dout2, &o, 5e-7, half_product(&gate, &up), "glu out again");
				cpu->glu_bwd(cpu, b.m, a.m, nothing, dout.m, gate.m, up.m, (enum od_act)act);
				expect_same(&b, &gate2, "dgate without out");
				expect_same(&a, &up2, "dup without out");
				{
					struct tmat *all[] = { &gate, &up, &dout, &a, &b, &dg, &du, &o, &gate2, &up2, &dout2 };

					for (size_t k = 0; k < sizeof all / sizeof *all; k++)
						tmat_free(all[k]);
				}
			}
}

/* A few rows on their own, on one thread, against all of them on two. */
static void
check_rows_alone(int64_t cols, int64_t from, int64_t n)
{
	enum { T = 61, DIM = 6 };
	struct tmat x = tmat_new(T, cols, 1, 1), y = tmat_new(T, cols, 2, 1), w = tmat_new(1, cols, 0, 1), rstd = tmat_new(1, T, 0, 0);
	struct tmat a = tmat_clone(&x), b = tmat_clone(&x), c = tmat_new(T, DIM / 2, 0, 1), s = tmat_new(T, DIM / 2, 0, 1);
	int32_t *pos = random_ids(T, T);
	struct tmat part_x = x, part_y = y, part_a = a, part_b = b;

	part_x.m.data = at(&x, from, 0);
	part_y.m.data = at(&y, from, 0);
	part_a.m.data = at(&a, from, 0);
	part_b.m.data = at(&b, from, 0);
	part_x.m.rows = part_y.m.rows = part_a.m.rows = part_b.m.rows = n;
	cpu->norm_fwd(cpu, a.m, rstd.m.data, x.m, w.m.data, 1e-5f, 0);
	cpu1->norm_fwd(cpu1, part_b.m, rstd.m.data, part_x.m, w.m.data, 1e-5f, 0);
	expect_same(&part_b, &part_a, "norm of a few rows");
	cpu->glu_fwd(cpu, a.m, x.m, y.m, OD_ACT_SILU);
	cpu1->glu_fwd(cpu1, part_b.m, part_x.m, part_y.m, OD_ACT_SILU);
	expect_same(&part_b, &part_a, "gated unit of a few rows");
	cpu->bias_fwd(cpu, a.m, w.m.data);
	cpu1->bias_fwd(cpu1, part_b.m, w.m.data);
	expect_same(&part_b, &part_a, "bias of a few rows");
	cpu->rope(cpu, a.m, pos, c.m.data, s.m.data, DIM, 0);
	cpu1->rope(cpu1, part_b.m, pos + from, c.m.data, s.m.data, DIM, 0);
	expect_same(&part_b, &part_a, "rope of a few rows");
	free(pos);
	{
		struct tmat *all[] = { &x, &y, &w, &rstd, &a, &b, &c, &s };

		for (size_t k = 0; k < sizeof all / sizeof *all; k++)
			tmat_free(all[k]);
	}
}

static void
test_elementwise_row_invariance(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (int64_t cols = 6; cols < 700; cols = cols * 3 + 6)
			for (int64_t n = 1; n < 40; n = n * 3 + 1)
				check_rows_alone(cols, (int64_t)od_rng_below(&rng, (uint64_t)(61 - n + 1)), n);
}

static void
test_gather_scatter(void **state)
{
	static const int32_t rows[] = { 7, 0, 3, 12 };

	(void)state;
	FOR_EACH_VARIANT(var)
		for (int64_t d = 1; d < 40; d += 19) {
			struct tmat x = tmat_new(13, d, 1, 1), out = tmat_new(4, d, 2, 0), dx = tmat_clone(&x), want = tmat_clone(&x);

			cpu->gather(cpu, out.m, x.m, rows);
			for (int64_t r = 0; r < 4; r++)
				assert_memory_equal(at(&out, r, 0), at(&x, rows[r], 0), (size_t)d * sizeof(float));
			tmat_check_guards(&out, "gather");
			ref->scatter_add(ref, want.m, out.m, rows);
			cpu->scatter_add(cpu, dx.m, out.m, rows);
			expect_near(&dx, &want, 0, 0, "scatter_add");
			assert_true(*at(&dx, 7, 0) == 2 * *at(&x, 7, 0));
			tmat_free(&x);
			tmat_free(&out);
			tmat_free(&dx);
			tmat_free(&want);
		}
}

/* ---- gradients of the reference by differences ---- */

typedef double loss_fn(void *what);

/* Slope of loss along dir at x (n floats), by differences whose h^2 errors cancel. */
static double
slope_along(float *x, const float *dir, int64_t n, loss_fn *loss, void *what)
{
	static const double weight[] = { 8, -8, -1, 1 }, step[] = { 1, -1, 2, -2 };
	const double h = 1.0 / 64;
	float *keep = malloc((size_t)n * sizeof *keep);
	double s = 0;

	assert_non_null(keep);
	memcpy(keep, x, (size_t)n * sizeof *keep);
	for (int i = 0; i < 4; i++) {
		for (int64_t j = 0; j < n; j++)
			x[j] = (float)(keep[j] + step[i] * h * dir[j]);
		s += weight[i] * loss(what) / (12 * h);
	}
	memcpy(x, keep, (size_t)n * sizeof *keep);
	free(keep);
	return s;
}

static void
expect_slope(float *x, const float *grad, int64_t n, loss_fn *loss, void *what, const char *name)
{
	struct tmat dir = tmat_new(1, n, 0, 1);
	double want = slope_along(x, dir.m.data, n, loss, what), got = 0, norm = 0;

	for (int64_t j = 0; j < n; j++) {
		got += (double)grad[j] * *at(&dir, 0, j);
		norm += (double)grad[j] * grad[j];
	}
	if (!(fabs(got - want) <= 1e-3 * sqrt(norm) + 1e-6))
		fail_msg("%s: slope %.9g, by differences %.9g", name, got, want);
	tmat_free(&dir);
}

struct norm_loss {
	struct norm *a;
	int plus_one;
};

static double
weighted_sum(const struct tmat *x, const struct tmat *w)
{
	double s = 0;

	for (int64_t r = 0; r < x->m.rows; r++)
		for (int64_t c = 0; c < x->m.cols; c++)
			s += (double)*at(x, r, c) * *at(w, r, c);
	return s;
}

static double
loss_of_norm(void *what)
{
	struct norm_loss *l = what;

	ref->norm_fwd(ref, l->a->out.m, l->a->rstd.m.data, l->a->x.m, l->a->w.m.data, 1e-5f, l->plus_one);
	return weighted_sum(&l->a->out, &l->a->dy);
}

static void
test_norm_gradient(void **state)
{
	(void)state;
	for (int plus_one = 0; plus_one < 2; plus_one++) {
		struct norm a = norm_new(1, 23, 1);
		struct norm_loss l = { &a, plus_one };

		memset(a.dw.m.data, 0, 23 * sizeof(float));
		norm_run(ref, &a, plus_one, 0);
		expect_slope(a.x.m.data, a.dx.m.data, 23, loss_of_norm, &l, "norm x");
		expect_slope(a.w.m.data, a.dw.m.data, 23, loss_of_norm, &l, "norm w");
		norm_free(&a);
	}
}

struct glu_loss {
	struct tmat gate, up, out, dout;
	enum od_act act;
};

static double
loss_of_glu(void *what)
{
	struct glu_loss *l = what;

	ref->glu_fwd(ref, l->out.m, l->gate.m, l->up.m, l->act);
	return weighted_sum(&l->out, &l->dout);
}

static void
test_glu_gradient(void **state)
{
	(void)state;
	for (int act = 0; act < 2; act++) {
		struct glu_loss l = { tmat_new(1, 31, 0, 1), tmat_new(1, 31, 0, 1), tmat_new(1, 31, 0, 0), tmat_new(1, 31, 0, 1),
			(enum od_act)act };
		struct tmat dg = tmat_new(1, 31, 0, 0), du = tmat_new(1, 31, 0, 0);

		ref->glu_bwd(ref, dg.m, du.m, nothing, l.dout.m, l.gate.m, l.up.m, l.act);
		expect_slope(l.gate.m.data, dg.m.data, 31, loss_of_glu, &l, "glu gate");
		expect_slope(l.up.m.data, du.m.data, 31, loss_of_glu, &l, "glu up");
		tmat_free(&l.gate);
		tmat_free(&l.up);
		tmat_free(&l.out);
		tmat_free(&l.dout);
		tmat_free(&dg);
		tmat_free(&du);
	}
}

/* ---- optimiser ---- */

static void
test_adamw(void **state)
{
	static const struct od_adamw cases[] = {
		{ 1e-3, 0.9, 0.999, 1e-8, 0, 0.1, 0.001, 1 }, { 1e-2, 0.9, 0.95, 1e-6, 0.1, 0.5, 0.3, 0.37 }, { 0, 0.9, 0.999, 1e-8, 0.1, 1, 1, 1 },
	};

	(void)state;
	/* m may cancel: its error is a rounding of terms of order 0.1 */
	FOR_EACH_VARIANT(var)
		for (int64_t n = 1; n < 70000; n = n * 5 + 3)
			for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
				struct tmat w = tmat_new(1, n, 0, 1), m = tmat_new(1, n, 0, 0.1), v = tmat_new(1, n, 0, 0.1), g = tmat_new(1, n, 0, 1);
				struct tmat copy = tmat_new(1, n, 0, 1), w2, m2, v2;

				for (int64_t j = 0; j < n; j++)
					*at(&v, 0, j) = fabsf(*at(&v, 0, j));
				w2 = tmat_clone(&w);
				m2 = tmat_clone(&m);
				v2 = tmat_clone(&v);
				ref->adamw(ref, w.m.data, m.m.data, v.m.data, g.m.data, NULL, n, &cases[i]);
				cpu->adamw(cpu, w2.m.data, m2.m.data, v2.m.data, g.m.data, i < 2 ? copy.m.data : NULL, n, &cases[i]);
				for (int64_t j = 0; j < n && i < 2; j++)
					assert_true(*at(&copy, 0, j) == exact(*at(&w2, 0, j)));
				tmat_check_guards(&copy, "copy of adamw's w");
				tmat_free(&copy);
				expect_near(&w2, &w, 2e-7, 1, "adamw w");
				expect_near(&m2, &m, 3e-7, 0.1, "adamw m");
				expect_near(&v2, &v, 3e-7, 0, "adamw v");
				tmat_free(&w);
				tmat_free(&m);
				tmat_free(&v);
				tmat_free(&g);
				tmat_free(&w2);
				tmat_free(&m2);
				tmat_free(&v2);
			}
}

/* A decay too small to be seen in 1 - lr*wd (fp32) must not vanish from the weights. */
static void
test_adamw_small_decay(void **state)
{
	struct od_adamw p = { 1e-6, 0.9, 0.999, 1e-8, 0.01, 1, 1, 1 };
	struct tmat w = tmat_new(1, 1000, 0, 0), m = tmat_new(1, 1000, 0, 0), v = tmat_clone(&m), g = tmat_clone(&m);

	(void)state;
	for (int64_t j = 0; j < 1000; j++)
		*at(&w, 0, j) = 1;
	for (int i = 0; i < 1000; i++)
		cpu->adamw(cpu, w.m.data, m.m.data, v.m.data, g.m.data, NULL, 1000, &p);
	/* 1e-8 is below half a unit of 1.0: nothing can change, but nothing may grow either */
	assert_true(*at(&w, 0, 0) <= 1 && *at(&w, 0, 0) >= 0.999f);
	tmat_free(&w);
	tmat_free(&m);
	tmat_free(&v);
	tmat_free(&g);
}

static void
test_sum_squares(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (int64_t n = 1; n < 300000; n = n * 7 + 2) {
			struct tmat x = tmat_new(1, n, 0, 1);
			double want = ref->sum_squares(ref, x.m.data, n), got = cpu->sum_squares(cpu, x.m.data, n), one;

			assert_true(fabs(got - want) <= 1e-12 * want);
			one = cpu1->sum_squares(cpu1, x.m.data, n);
			assert_true(one == got);
			tmat_free(&x);
		}
}

#ifndef OD_TEST_CUDA
/* ---- exp and tanh ---- */

static double
ulps(float got, double want)
{
	return fabs(got - want) / ldexp(1, (want == 0 ? -126 : ilogb(want)) - 23);
}

static void
test_exp_tanh(void **state)
{
	static const float special[] = { NAN, INFINITY, -INFINITY, 89, -104, 0, 1e30f, -1e30f };

	(void)state;
	FOR_EACH_VARIANT(var) {
		const struct cpu_kernels *k = cpu_ctx(device[0])->k;
		double worst_exp = 0, worst_tanh = 0;
		float y[8], z[8];

		for (double x = -87; x < 88.7; x += 0.000713) {
			float a = (float)x, b = (float)(x / 9), e, t;

			k->exp(&e, &a, 1);
			k->tanh(&t, &b, 1);
			worst_exp = fmax(worst_exp, ulps(e, exp((double)a)));
			worst_tanh = fmax(worst_tanh, ulps(t, tanh((double)b)));
		}
		printf("# %s: exp within %.2f units in the last place, tanh within %.2f\n", k->name, worst_exp, worst_tanh);
		assert_true(worst_exp < 1.5);
		assert_true(worst_tanh < 2);
		k->exp(y, special, 8);
		k->tanh(z, special, 8);
		assert_true(isnan(y[0]) && isinf(y[1]) && y[2] == 0 && isinf(y[3]) && y[4] == 0 && y[5] == 1 && isinf(y[6]) && y[7] == 0);
		assert_true(isnan(z[0]) && z[1] == 1 && z[2] == -1 && z[3] == 1 && z[4] == -1 && z[5] == 0 && z[6] == 1 && z[7] == -1);
	}
}

#endif

static void
test_cast(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (int64_t d = 1; d < 5000; d = d * 3 + 1) {
			struct tmat x = tmat_new(3, d, 2, 1), y = tmat_new(3, d, 4, 0);

			cpu->cast(cpu, y.m, x.m);
			tmat_check_guards(&y, "cast");
			for (int64_t r = 0; r < 3; r++)
				assert_memory_equal(at(&y, r, 0), at(&x, r, 0), (size_t)d * sizeof(float));
			tmat_free(&x);
			tmat_free(&y);
		}
}

#ifndef OD_TEST_CUDA
/* Rows of an odd number of columns, apart from each other: the i-th element, counted over the rows, has its number's upper half
 * from i. In and out are of the types given, and so is 'want' of the element's bits. */
static void
check_cast_bits(struct od_backend *dev, uint32_t lower, int narrows)
{
	enum { ROWS = 65, COLS = 1021, LD = COLS + 4 };
	uint32_t *wide_bits = calloc(ROWS * LD, sizeof *wide_bits);
	uint16_t *narrow_bits = calloc(ROWS * LD, sizeof *narrow_bits);
	struct od_mat wide = { wide_bits, OD_F32, ROWS, COLS, LD }, small = { narrow_bits, OD_BF16, ROWS, COLS, LD };

	assert_true(wide_bits && narrow_bits);
	for (int64_t i = 0; i < ROWS * COLS; i++) {
		wide_bits[i / COLS * LD + i % COLS] = (uint32_t)(i & 0xffff) << 16 | lower;
		narrow_bits[i / COLS * LD + i % COLS] = (uint16_t)i;
	}
	dev->cast(dev, narrows ? small : wide, narrows ? wide : small);
	for (int64_t i = 0; i < ROWS * LD; i++) {
		int64_t n = i / LD * COLS + i % LD;
		uint32_t bits = (uint32_t)(n & 0xffff) << 16 | (narrows ? lower : 0);
		float f;

		if (i % LD >= COLS) {
			assert_true(narrow_bits[i] == 0 && wide_bits[i] == 0);
			continue;
		}
		memcpy(&f, &bits, 4);
		assert_int_equal(narrows ? narrow_bits[i] : wide_bits[i], narrows ? od_f32_to_bf16(f) : bits);
	}
	free(wide_bits);
	free(narrow_bits);
}

/* Every bf16 number, and around each of them what is rounded to it: ties, infinities and NaNs among them. */
static void
test_cast_bits(void **state)
{
	static const uint32_t lower[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff };

	(void)state;
	FOR_EACH_VARIANT(var) {
		for (size_t i = 0; i < sizeof lower / sizeof *lower; i++)
			check_cast_bits(device[0], lower[i], 1);
		check_cast_bits(device[0], 0, 0);
	}
}

static void
test_open(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_backend *be = NULL;

	(void)state;
	assert_int_equal(od_backend_open(&be, "abacus", OD_COMPUTE_AUTO, 0, &err), OD_EUSAGE);
	assert_non_null(strstr(err.msg, "'abacus'"));
	assert_int_equal(od_backend_open(&be, "cuda:0", OD_COMPUTE_AUTO, 0, &err), OD_ESUPPORT);
	assert_null(be);
	od_backend_close(NULL);
	for (int bf16 = 0; bf16 < 2; bf16++) {
		be = open_backend("cpu", bf16 ? OD_COMPUTE_BF16 : OD_COMPUTE_FP32, 1);
		assert_string_equal(be->name, "cpu");
		assert_int_equal(be->type, bf16 ? OD_BF16 : OD_F32);
		assert_non_null(strstr(be->numerics, bf16 ? "cpu bf16 " : "cpu fp32 "));
		od_backend_close(be);
	}
}
#else
static void
test_open(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_backend *be = NULL;

	(void)state;
	assert_int_equal(od_backend_open(&be, "cuda:x", OD_COMPUTE_AUTO, 0, &err), OD_EUSAGE);
	assert_int_equal(od_backend_open(&be, "cudas", OD_COMPUTE_AUTO, 0, &err), OD_EUSAGE);
	assert_int_equal(od_backend_open(&be, "cuda:999", OD_COMPUTE_AUTO, 0, &err), OD_ESUPPORT);
	assert_non_null(strstr(err.msg, "this machine has"));
	assert_null(be);
	assert_int_equal(strncmp(device[0]->numerics, "cuda fp32 cublaslt-", 19), 0);
	assert_int_equal(strncmp(device[1]->numerics, "cuda bf16 cublaslt-", 19), 0);
	assert_true(device[0]->room(device[0]) > 0);
}
#endif

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open), cmocka_unit_test(test_gemm), cmocka_unit_test(test_gemm_add), cmocka_unit_test(test_gemm_row_invariance),
		cmocka_unit_test(test_gemm_determinism), cmocka_unit_test(test_gemm_many_shapes), cmocka_unit_test(test_embed),
		cmocka_unit_test(test_norm), cmocka_unit_test(test_norm_types), cmocka_unit_test(test_elementwise_row_invariance), cmocka_unit_test(test_bias_and_add), cmocka_unit_test(test_rope), cmocka_unit_test(test_glu),
		cmocka_unit_test(test_gather_scatter), cmocka_unit_test(test_norm_gradient), cmocka_unit_test(test_glu_gradient),
		cmocka_unit_test(test_adamw), cmocka_unit_test(test_adamw_small_decay), cmocka_unit_test(test_sum_squares),
		cmocka_unit_test(test_cast),
#ifndef OD_TEST_CUDA
		cmocka_unit_test(test_exp_tanh), cmocka_unit_test(test_cast_bits),
#endif
	};

	(void)argc;
	ops_begin(argv[0]);
	return ops_end(cmocka_run_group_tests(tests, NULL, NULL));
}
