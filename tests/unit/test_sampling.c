/* test_sampling.c -- what is drawn, and how often, against the definition computed plainly. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

#include "base/rng.h"
#include "model/sampling.h"

enum { MOST = 3000, LARGE = 49153 };

static struct od_draw draw;

static int32_t
sample(const float *logits, int64_t n, double softcap, const struct od_sampling *s, const uint64_t *seen, double u)
{
	struct od_error err = OD_ERROR_INIT;
	float copy[MOST];
	int32_t id = -1;

	memcpy(copy, logits, (size_t)n * sizeof *copy);
	if (od_sample(&id, copy, n, softcap, s, seen, u, &draw, &err) != OD_OK)
		fail_msg("%s", err.msg);
	assert_true(id >= 0 && id < n);
	return id;
}

static void
random_logits(float *x, int64_t n, struct od_rng *rng, double spread)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)(spread * od_rng_normal(rng));
}

/* ---- the definition ---- */

static const double *plain_p;

static int
likelier(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return plain_p[x] != plain_p[y] ? (plain_p[x] < plain_p[y] ? 1 : -1) : x - y;
}

/* p[i] = the probability of each token after all settings. */
static void
plain(double *p, const float *logits, int64_t n, double softcap, const struct od_sampling *s, const uint64_t *seen)
{
	static int order[MOST];
	double sum = 0, kept = 0, max = -1e300;
	int64_t m;

	for (int64_t i = 0; i < n; i++) {
		double x = softcap > 0 ? softcap * tanh(logits[i] / softcap) : logits[i];

		if (seen && seen[i / 64] >> i % 64 & 1)
			x = x > 0 ? x / s->repetition_penalty : x * s->repetition_penalty;
		p[i] = x / s->temperature;
		max = fmax(max, p[i]);
		order[i] = (int)i;
	}
	for (int64_t i = 0; i < n; i++)
		p[i] = exp(p[i] - max);
	plain_p = p;
	qsort(order, (size_t)n, sizeof *order, likelier);
	m = s->top_k && s->top_k < n ? s->top_k : n;
	for (int64_t i = 0; i < m; i++)
		sum += p[order[i]];
	for (int64_t i = 0; i < n; i++) {
		bool in = i < m && (i == 0 || kept < s->top_p * sum);

		kept += in ? p[order[i]] : 0;
		p[order[i]] = in ? p[order[i]] : 0;
	}
	for (int64_t i = 0; i < n; i++)
		p[i] /= kept;
}

static const struct od_sampling settings[] = {
	{ 1, 1, 0, 1, 0 }, { 0.7, 1, 0, 1, 0 }, { 1, 0.8, 0, 1, 0 }, { 1.5, 0.3, 0, 1, 0 }, { 1, 1, 5, 1, 0 }, { 1, 0.9, 20, 1, 0 },
	{ 0.8, 0.95, 50, 1.3, 0 }, { 1, 1e-9, 0, 1, 0 }, { 1, 0.5, 100000, 1, 0 }, { 2, 0.999, 0, 0.8, 0 },
};

/* u walks over [0, 1): each token must be drawn for a share of it that is its probability. */
static void
check_shares(const struct od_sampling *s, int64_t n, double softcap, double spread, struct od_rng *rng)
{
	enum { STEPS = 20000 };
	static int count[MOST];
	static double p[MOST];
	float logits[MOST];
	uint64_t seen[MOST / 64 + 1] = { 0 };

	random_logits(logits, n, rng, spread);
	for (int64_t i = 0; i < n; i += 3)
		od_seen_add(seen, (int32_t)i);
	plain(p, logits, n, softcap, s, seen);
	memset(count, 0, sizeof count);
	for (int i = 0; i < STEPS; i++)
		count[sample(logits, n, softcap, s, seen, (i + 0.5) / STEPS)]++;
	for (int64_t i = 0; i < n; i++)
		if (!(fabs((double)count[i] / STEPS - p[i]) < 1.6 / STEPS + 1e-6))
			fail_msg("token %lld of %lld: drawn %d times in %d, probability %g", (long long)i, (long long)n, count[i], STEPS, p[i]);
}

static void
test_shares(void **state)
{
	struct od_rng rng = od_rng_init(7, 7);

	(void)state;
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		check_shares(&settings[i], 1, 0, 1, &rng);
		check_shares(&settings[i], 7, 0, 2, &rng);
		check_shares(&settings[i], 200, 3, 3, &rng);
		check_shares(&settings[i], 130, 0, 8, &rng);
	}
}

static void
test_greedy(void **state)
{
	struct od_sampling s = { 0, 1, 0, 1, 0 };
	float x[] = { -1, 3, 0.5f, 3, 2 };
	uint64_t seen = 1 << 1 | 1 << 3;

	(void)state;
	assert_int_equal(sample(x, 5, 0, &s, NULL, 0.9), 1);
	s.repetition_penalty = 2;
	assert_int_equal(sample(x, 5, 0, &s, &seen, 0.9), 4);
	s = (struct od_sampling){ 1, 1, 1, 1, 0 };
	assert_int_equal(sample(x, 5, 0, &s, NULL, 0.99), 1);
}

/* Ties at the edge of the top k: the smaller ids stay. */
static void
test_ties(void **state)
{
	struct od_sampling s = { 1, 1, 3, 1, 0 };
	float x[100];
	int count[100] = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		x[i] = i == 50 ? 1 : 0;
	for (int i = 0; i < 1000; i++)
		count[sample(x, 100, 0, &s, NULL, i / 1000.0)]++;
	assert_int_equal(count[50] + count[0] + count[1], 1000);
	assert_true(abs(count[0] - count[1]) <= 1 && count[50] > 2 * count[0]);
}

static void
test_not_finite(void **state)
{
	struct od_sampling s = OD_SAMPLING_INIT, greedy = { 0, 1, 0, 1, 0 };
	struct od_error err = OD_ERROR_INIT;
	float x[3] = { 0, NAN, 1 }, y[3] = { NAN, NAN, NAN }, z[3] = { 0, INFINITY, 1 }, none[3] = { -INFINITY, 2, -INFINITY };
	int32_t id;

	(void)state;
	assert_int_equal(od_sample(&id, x, 3, 0, &s, NULL, 0.5, &draw, &err), OD_ENUMERIC);
	assert_int_equal(od_sample(&id, y, 3, 0, &greedy, NULL, 0.5, &draw, &err), OD_ENUMERIC);
	assert_int_equal(od_sample(&id, z, 3, 0, &greedy, NULL, 0.5, &draw, &err), OD_ENUMERIC);
	for (int i = 0; i < 10; i++)
		assert_int_equal(sample(none, 3, 0, &s, NULL, i / 10.0), 1);
}

/* A vocabulary that is shared out: a token is where the sum over those before it says, on however many threads, and one without
 * weight is never drawn. */
static void
check_large(const float *logits, int64_t n, double u)
{
	static float copy[LARGE];
	struct od_sampling s = { 0.9, 1, 0, 1, 0 };
	struct od_error err = OD_ERROR_INIT;
	double sum = 0, below = 0, max = -INFINITY;
	int32_t id[3];

	for (int i = 0; i < 3; i++) {
		omp_set_num_threads(i + 1);
		memcpy(copy, logits, (size_t)n * sizeof *copy);
		assert_int_equal(od_sample(&id[i], copy, n, 0, &s, NULL, u, &draw, &err), OD_OK);
	}
	assert_int_equal(id[0], id[1]);
	assert_int_equal(id[0], id[2]);
	for (int64_t i = 0; i < n; i++)
		max = fmax(max, logits[i]);
	for (int64_t i = 0; i < n; i++) {
		sum += exp((logits[i] - max) / 0.9);
		below += i < id[0] ? exp((logits[i] - max) / 0.9) : 0;
	}
	assert_true(isfinite(logits[id[0]]));
	assert_true(below / sum <= u + 1e-6 && (below + exp((logits[id[0]] - max) / 0.9)) / sum >= u - 1e-6);
}

static void
test_large(void **state)
{
	static float x[LARGE];
	struct od_rng rng = od_rng_init(3, 3);

	(void)state;
	random_logits(x, LARGE, &rng, 4);
	for (int i = 0; i <= 50; i++)
		check_large(x, LARGE, i / 50.0 * (1 - 0x1p-53));
	for (int64_t i = 0; i < LARGE; i++)                /* nothing in the first chunks, in the last, and between */
		x[i] = (i > 9000 && i < 9100) || (i > 30000 && i < 30050) ? x[i] : -INFINITY;
	for (int i = 0; i <= 50; i++)
		check_large(x, LARGE, i / 50.0 * (1 - 0x1p-53));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_ties),
		cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_large),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	od_draw_release(&draw);
	return failed;
}
