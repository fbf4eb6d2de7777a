/* test_head.c -- the LM head of the CPU backend against the reference, its gradient, its row invariance. */
#include "ops_test.h"

struct shape {
	int64_t rows, dim, vocab;
	float softcap;
	int entries_per_row;      /* at most */
};

static const struct shape shapes[] = {
	{ 1, 8, 17, 0, 1 }, { 5, 33, 1, 0, 2 }, { 67, 64, 1031, 0, 2 }, { 130, 24, 2049, 7, 3 }, { 33, 40, 4500, 0, 1 },
	{ 1027, 16, 97, 30, 2 },
	{ 16500, 4, 8200, 0, 1 },       /* with OD_TEST_LARGE only: beyond every border of a GPU's tiles */
};

#define N_SHAPES (sizeof shapes / sizeof *shapes - !getenv("OD_TEST_LARGE"))

struct head {
	struct tmat h, w, logps, lse, coef, dh, dw;
	struct od_targets t;
	int32_t row[20000], id[20000];
};

/* Every row has 0 to entries_per_row entries; the last row has one. */
static void
head_init(struct head *a, const struct shape *s)
{
	a->t = (struct od_targets){ 0, a->row, a->id };
	for (int64_t r = 0; r < s->rows; r++) {
		int64_t n = (int64_t)od_rng_below(&rng, (uint64_t)s->entries_per_row + 1);

		for (int64_t i = 0; i < n || (i == 0 && r == s->rows - 1); i++) {
			a->row[a->t.n] = (int32_t)r;
			a->id[a->t.n++] = (int32_t)od_rng_below(&rng, (uint64_t)s->vocab);
		}
	}
	a->h = tmat_new(s->rows, s->dim, 3, 1);
	a->w = tmat_new(s->vocab, s->dim, 0, 1);
	a->logps = tmat_new(1, a->t.n, 0, 0);
	a->lse = tmat_new(1, s->rows, 0, 0);
	a->coef = tmat_new(1, a->t.n, 0, 1);
	a->dh = tmat_new(s->rows, s->dim, 5, 0);
	a->dw = tmat_new(s->vocab, s->dim, 1, 1);
}

static void
head_clone(struct head *to, const struct head *a)
{
	*to = *a;
	to->logps = tmat_clone(&a->logps);
	to->lse = tmat_clone(&a->lse);
	to->dh = tmat_clone(&a->dh);
	to->dw = tmat_clone(&a->dw);
	to->t.row = to->row;
	to->t.id = to->id;
}

static void
free_outputs(struct head *a)
{
	tmat_free(&a->logps);
	tmat_free(&a->lse);
	tmat_free(&a->dh);
	tmat_free(&a->dw);
}

static void
free_all(struct head *a)
{
	free_outputs(a);
	tmat_free(&a->h);
	tmat_free(&a->w);
	tmat_free(&a->coef);
}

static void
run(struct od_backend *be, struct head *a, float softcap, int with_dw)
{
	struct od_mat none = { NULL, OD_F32, 0, 0, 0 };

	be->head_fwd(be, a->logps.m.data, a->lse.m.data, a->h.m, a->w.m, softcap, &a->t);
	be->head_bwd(be, a->dh.m, with_dw ? a->dw.m : none, a->h.m, a->w.m, softcap, a->lse.m.data, &a->t, a->coef.m.data);
}

/* Logits of some 60 products of order 1: absolute errors near 1e-5 in the log-probs; gradients relative to coefficients
 * of order 1. */
static void
test_against_reference(void **state)
{
	static struct head a, b;

	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SHAPES; i++)
			for (int with_dw = 0; with_dw < 2; with_dw++) {
				head_init(&a, &shapes[i]);
				head_clone(&b, &a);
				run(ref, &a, shapes[i].softcap, with_dw);
				run(cpu, &b, shapes[i].softcap, with_dw);
				expect_near(&b.logps, &a.logps, 2e-6, 1, "logps");
				expect_near(&b.lse, &a.lse, 1e-6, 1, "lse");
				expect_near(&b.dh, &a.dh, 2e-5, 1, "dh");
				expect_near(&b.dw, &a.dw, 2e-5, 1, "dw");
				free_outputs(&b);
				free_all(&a);
			}
}

/* loss = sum(coef * logps), by the reference */
static double
loss(struct head *a, float softcap)
{
	double s = 0;

	ref->head_fwd(ref, a->logps.m.data, a->lse.m.data, a->h.m, a->w.m, softcap, &a->t);
	for (int64_t e = 0; e < a->t.n; e++)
		s += (double)*at(&a->logps, 0, e) * *at(&a->coef, 0, e);
	return s;
}

static void
expect_slope(struct head *a, float softcap, struct tmat *x, const struct tmat *grad)
{
	static const double weight[] = { 8, -8, -1, 1 }, step[] = { 1, -1, 2, -2 };
	const double h = 1.0 / 128;
	struct tmat keep = tmat_clone(x), dir = tmat_new(x->m.rows, x->m.cols, 0, 1);
	double want = 0, got = 0, norm = 0;

	for (int i = 0; i < 4; i++) {
		for (int64_t r = 0; r < x->m.rows; r++)
			for (int64_t c = 0; c < x->m.cols; c++)
				*at(x, r, c) = (float)(*at(&keep, r, c) + step[i] * h * *at(&dir, r, c));
		want += weight[i] * loss(a, softcap) / (12 * h);
	}
	for (int64_t r = 0; r < x->m.rows; r++)
		for (int64_t c = 0; c < x->m.cols; c++) {
			*at(x, r, c) = *at(&keep, r, c);
			got += (double)*at(grad, r, c) * *at(&dir, r, c);
			norm += pow(*at(grad, r, c), 2);
		}
	if (!(fabs(got - want) <= 1e-3 * (sqrt(norm) + 1e-6)))
		fail_msg("slope %.9g, by differences %.9g (gradient's norm %.3g)", got, want, sqrt(norm));
	tmat_free(&keep);
	tmat_free(&dir);
}

static void
test_reference_gradient(void **state)
{
	static const struct shape small[] = { { 4, 6, 11, 0, 2 }, { 3, 5, 13, 3, 2 } };
	static struct head a;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		head_init(&a, &small[i]);
		memset(a.dw.m.data, 0, (size_t)(a.dw.m.rows * a.dw.m.ld) * sizeof(float));
		run(ref, &a, small[i].softcap, 1);
		expect_slope(&a, small[i].softcap, &a.h, &a.dh);
		expect_slope(&a, small[i].softcap, &a.w, &a.dw);
		free_all(&a);
	}
}

/* The entries of rows [from, from + n) on their own, on one thread, have the same log-probs; so has dh, which is by rows
 * too. Two runs of everything have the same bytes. */
static void
test_row_invariance(void **state)
{
	static struct head a, b;

	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SHAPES; i++) {
			int64_t n, from, e0 = 0;
			struct tmat want;

			head_init(&a, &shapes[i]);
			head_clone(&b, &a);
			run(cpu, &a, shapes[i].softcap, 1);
			run(cpu, &b, shapes[i].softcap, 1);
			expect_same(&b.logps, &a.logps, "logps again");
			expect_same(&b.dh, &a.dh, "dh again");
			expect_same(&b.dw, &a.dw, "dw again");
			n = shapes[i].rows / 3 + 1;
			from = shapes[i].rows - n;
			while (a.row[e0] < from)
				e0++;
			for (int64_t e = e0; e < a.t.n; e++) {
				b.row[e - e0] = a.row[e] - (int32_t)from;
				b.id[e - e0] = a.id[e];
			}
			b.t.n = a.t.n - e0;
			b.h.m.data = at(&a.h, from, 0);
			b.dh.m.rows = b.h.m.rows = n;
			b.coef.m.data = at(&a.coef, 0, e0);
			b.logps.m.cols = b.t.n;
			run(cpu1, &b, shapes[i].softcap, 0);
			want = a.logps;
			want.m.data = at(&a.logps, 0, e0);
			want.m.cols = b.t.n;
			expect_same(&b.logps, &want, "logps of some rows");
			want = a.dh;
			want.m.data = at(&a.dh, from, 0);
			want.m.rows = n;
			expect_same(&b.dh, &want, "dh of some rows");
			free_outputs(&b);
			free_all(&a);
		}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_reference),
		cmocka_unit_test(test_reference_gradient),
		cmocka_unit_test(test_row_invariance),
	};

	(void)argc;
	ops_begin(argv[0]);
	return ops_end(cmocka_run_group_tests(tests, NULL, NULL));
}
