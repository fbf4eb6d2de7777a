/* test_decode.c -- the operations of generation against the reference: products of few rows, keys and values in pages, attention
 * over them; and that a row does not depend on the rows beside it, bit for bit. */
#include "ops_test.h"

static const struct od_mat nothing = { NULL, OD_F32, 0, 0, 0 };

/* ---- products of few rows ---- */

static const int64_t shapes[][3] = {          /* m, n, k */
	{ 1, 1, 1 }, { 1, 576, 64 }, { 2, 9, 33 }, { 3, 5, 7 }, { 4, 40, 100 }, { 5, 17, 31 }, { 6, 23, 65 }, { 7, 64, 257 }, { 8, 70, 96 },
	{ 9, 33, 129 }, { 31, 130, 576 }, { 5, 12, 0 },
};

#define N_SHAPES (sizeof shapes / sizeof *shapes)

static void
check_dots(const int64_t *s, int add, int64_t pad)
{
	struct tmat a = tmat_new(s[0], s[2], pad, 1), b = tmat_new(s[1], s[2], pad, 1), x = tmat_new(s[0], s[1], pad, 1);
	struct tmat want = tmat_new(s[0], s[1], pad, 1), got = tmat_clone(&want);

	ref->dots(ref, want.m, a.m, b.m, add ? x.m : nothing);
	cpu->dots(cpu, got.m, a.m, b.m, add ? x.m : nothing);
	expect_near(&got, &want, 4 * 6e-8 * sqrt((double)s[2] + 1), 1, "dots");
	tmat_check_guards(&a, "dots a");
	tmat_check_guards(&b, "dots b");
	tmat_free(&a);
	tmat_free(&b);
	tmat_free(&x);
	tmat_free(&want);
	tmat_free(&got);
}

static void
test_dots(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_SHAPES; i++)
			for (int add = 0; add < 2; add++) {
				check_dots(shapes[i], add, 0);
				check_dots(shapes[i], add, 3);
			}
	assert_true(cpu->ok(cpu));
}

static struct od_mat
rows_of(const struct tmat *t, int64_t from, int64_t n)
{
	struct od_mat m = t->m;

	m.data = (float *)m.data + from * m.ld;
	m.rows = n;
	return m;
}

/* Every number of rows from every start, on one thread and on two, against all rows at once. */
static void
test_dots_rows(void **state)
{
	enum { M = 11, N = 45, K = 100 };

	(void)state;
	FOR_EACH_VARIANT(var) {
		struct tmat a = tmat_new(M, K, 0, 1), b = tmat_new(N, K, 0, 1), all = tmat_new(M, N, 0, 1), part = tmat_new(M, N, 0, 1);

		cpu->dots(cpu, all.m, a.m, b.m, nothing);
		for (int64_t n = 1; n <= M; n++)
			for (int64_t from = 0; from + n <= M; from++) {
				struct od_backend *be = (n + from) % 2 ? cpu : cpu1;
				struct od_mat out = rows_of(&part, from, n);

				be->dots(be, out, rows_of(&a, from, n), b.m, nothing);
				for (int64_t i = from; i < from + n; i++)
					if (memcmp(at(&part, i, 0), at(&all, i, 0), N * sizeof(float)))
						fail_msg("row %lld of %lld from %lld differs in its bits", (long long)i, (long long)n, (long long)from);
			}
		tmat_free(&a);
		tmat_free(&b);
		tmat_free(&all);
		tmat_free(&part);
	}
}

/* ---- pages ---- */

enum { PAGES = 12, MOST_TOKENS = 3 * OD_KV_PAGE + 5, WIDTH = 4 };

struct world {
	struct od_attn_params p;
	struct tmat k, v, key, value;              /* tokens in order; and their pages */
	struct od_kv_pages pages;
	int32_t table[3 * WIDTH], len[3], row[3 * MOST_TOKENS], slot[3 * MOST_TOKENS];
	int64_t n;
};

static const int32_t lengths[][3] = { { 1, 2, 3 }, { 32, 33, 31 }, { 64, 7, 65 }, { MOST_TOKENS, 96, 97 } };

/* Three sequences whose pages lie scattered; the last two share their first page when it is full. */
static void
make_world(struct world *w, const struct od_attn_params *p, const int32_t *len)
{
	int32_t page = PAGES;

	*w = (struct world){ .p = *p };
	w->k = tmat_new(3 * MOST_TOKENS, p->n_kv_heads * p->head_dim, 3, 1);
	w->v = tmat_new(3 * MOST_TOKENS, p->n_kv_heads * p->head_dim, 3, 1);
	w->key = tmat_new(PAGES * p->n_kv_heads, p->head_dim * OD_KV_PAGE, 0, 1);
	w->value = tmat_new(PAGES * p->n_kv_heads, p->head_dim * OD_KV_PAGE, 0, 1);
	w->pages = (struct od_kv_pages){ w->key.m.data, w->value.m.data, p->n_kv_heads, p->head_dim };
	for (int s = 0; s < 3; s++) {
		w->len[s] = len[s];
		for (int i = 0; i * OD_KV_PAGE < len[s]; i++)
			w->table[s * WIDTH + i] = --page;
		if (s == 2 && len[1] >= OD_KV_PAGE && len[2] >= OD_KV_PAGE)
			w->table[s * WIDTH] = w->table[WIDTH];
		for (int32_t t = 0; t < len[s]; t++, w->n++) {
			w->row[w->n] = s * MOST_TOKENS + t;
			w->slot[w->n] = w->table[s * WIDTH + t / OD_KV_PAGE] * OD_KV_PAGE + t % OD_KV_PAGE;
		}
	}
}

static void
free_world(struct world *w)
{
	tmat_free(&w->k);
	tmat_free(&w->v);
	tmat_free(&w->key);
	tmat_free(&w->value);
}

static void
put(struct od_backend *be, struct world *w)
{
	/* one by one where slots repeat, as the order of a call is nobody's promise */
	for (int64_t i = 0; i < w->n; i++)
		be->kv_put(be, &w->pages, w->k.m, w->v.m, 1, w->row + i, w->slot + i);
}

static const struct od_attn_params params[] = {
	{ 3, 1, 8, 0.35f, 0, 0 }, { 4, 4, 16, 0.25f, 0, 0 }, { 9, 3, 64, 0.125f, 0, 0 }, { 14, 2, 64, 0.125f, 0, 0 },
	{ 2, 1, 20, 0.2f, 0, 0 }, { 4, 2, 32, 0.2f, 3, 0 }, { 4, 2, 32, 0.2f, 2, 8 }, { 8, 1, 128, 0.1f, 0, 40 }, { 2, 1, 256, 0.06f, 5, 0 },
};

#define N_PARAMS (sizeof params / sizeof *params)

static void
check_attention(const struct od_attn_params *p, const int32_t *len)
{
	struct world w;
	struct tmat q = tmat_new(3, p->n_heads * p->head_dim, 2, 2), want = tmat_new(3, p->n_heads * p->head_dim, 1, 1);
	struct tmat got = tmat_clone(&want), key;

	make_world(&w, p, len);
	key = tmat_clone(&w.key);
	put(ref, &w);
	ref->attn_paged(ref, want.m, q.m, &w.pages, w.table, WIDTH, w.len, p);
	memcpy(key.m.data, w.key.m.data, (size_t)(w.key.m.rows * w.key.m.ld) * sizeof(float));
	put(cpu, &w);
	expect_same(&w.key, &key, "kv_put");
	tmat_check_guards(&w.value, "kv_put");
	cpu->attn_paged(cpu, got.m, q.m, &w.pages, w.table, WIDTH, w.len, p);
	expect_near(&got, &want, 2e-6, 1, "attn_paged");
	tmat_free(&key);
	tmat_free(&q);
	tmat_free(&want);
	tmat_free(&got);
	free_world(&w);
}

static void
test_attention(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_PARAMS; i++)
			for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
				if (!leave_out(i + k, 3))
					check_attention(&params[i], lengths[k]);
	assert_true(cpu->ok(cpu));
}

/* A sequence alone and among others. */
static void
test_attention_rows(void **state)
{
	(void)state;
	FOR_EACH_VARIANT(var)
		for (size_t i = 0; i < N_PARAMS; i += quick ? 4 : 1) {
			const struct od_attn_params *p = &params[i];
			struct world w;
			struct tmat q = tmat_new(3, p->n_heads * p->head_dim, 0, 2), all = tmat_new(3, p->n_heads * p->head_dim, 0, 1);
			struct tmat alone = tmat_new(3, p->n_heads * p->head_dim, 0, 1);

			make_world(&w, p, lengths[3]);
			put(ref, &w);
			cpu->attn_paged(cpu, all.m, q.m, &w.pages, w.table, WIDTH, w.len, p);
			for (int s = 0; s < 3; s++)
				cpu1->attn_paged(cpu1, rows_of(&alone, s, 1), rows_of(&q, s, 1), &w.pages, w.table + s * WIDTH, WIDTH, w.len + s, p);
			expect_same(&alone, &all, "a sequence alone");
			tmat_free(&q);
			tmat_free(&all);
			tmat_free(&alone);
			free_world(&w);
		}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dots),
		cmocka_unit_test(test_dots_rows),
		cmocka_unit_test(test_attention),
		cmocka_unit_test(test_attention_rows),
	};

	(void)argc;
	ops_begin(argv[0]);
	return ops_end(cmocka_run_group_tests(tests, NULL, NULL));
}
