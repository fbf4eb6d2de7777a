/* Learning rates and the order of pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/order.h"
#include "train/schedule.h"

static void
counts(void **state)
{
	(void)state;
	assert_int_equal(od_schedule_updates(256, 128, 1), 2);
	assert_int_equal(od_schedule_updates(257, 128, 2), 6);
	assert_int_equal(od_schedule_updates(1, 128, 3), 3);
	assert_int_equal(od_schedule_warmup(0.1, 30), 3);      /* 0.1 * 30 is a little more than 3 in binary */
	assert_int_equal(od_schedule_warmup(0.1, 31), 4);
	assert_int_equal(od_schedule_warmup(0, 31), 0);
	assert_int_equal(od_schedule_warmup(1, 31), 31);
	assert_int_equal(od_schedule_warmup(0.1, 1), 1);
}

static void
near(double a, double b)
{
	assert_true(fabs(a - b) <= 1e-15 * (1 + fabs(b)));
}

static void
rates(void **state)
{
	struct od_schedule s = { OD_DECAY_COSINE, 2.0, 2, 6 };

	(void)state;
	near(od_schedule_lr(&s, 0), 0);
	near(od_schedule_lr(&s, 1), 1);
	near(od_schedule_lr(&s, 2), 2);
	near(od_schedule_lr(&s, 3), 1 + cos(3.14159265358979323846 / 4));
	near(od_schedule_lr(&s, 4), 1);
	s.decay = OD_DECAY_LINEAR;
	near(od_schedule_lr(&s, 3), 1.5);
	near(od_schedule_lr(&s, 5), 0.5);
	s.decay = OD_DECAY_CONSTANT;
	near(od_schedule_lr(&s, 5), 2);
	s.warmup = 0;
	near(od_schedule_lr(&s, 0), 2);
	s.decay = OD_DECAY_COSINE;
	near(od_schedule_lr(&s, 0), 2);
	s.warmup = s.total = 3;                                /* nothing but warm-up */
	near(od_schedule_lr(&s, 2), 4.0 / 3);
}

/* ---- order: 10 pairs of 1 + i prompt tokens, written to a file ------------------------------------------------------ */

static char path[4096];

static int
write_pairs(void **state)
{
	static const int32_t ids[64] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	struct od_pairstream_writer *w = NULL;
	struct od_out *out = NULL;
	const char *dir = getenv("TMPDIR");
	int fd;

	(void)state;
	snprintf(path, sizeof path, "%s/od-order.XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	if (fd < 0 || od_out_fd(&out, fd, path, NULL) != OD_OK || od_pairstream_create(&w, out, NULL, NULL) != OD_OK)
		return -1;
	for (int i = 0; i < 10; i++) {
		char id[16];
		struct od_token_pair p = { .id = id, .ids = ids, .n_prompt = 1 + i, .n_chosen = 2, .n_rejected = 1,
			.scored_chosen = 2, .scored_rejected = 1, .weight = 1 };

		snprintf(id, sizeof id, "%d", i);
		if (od_pairstream_put(w, &p, NULL) != OD_OK)
			return -1;
	}
	return od_pairstream_finish(w, 1, NULL) == OD_OK ? 0 : -1;
}

static int
remove_pairs(void **state)
{
	(void)state;
	return unlink(path);
}

static struct od_pairfile *
open_pairs(void)
{
	struct od_pairfile *f = NULL;

	assert_int_equal(od_pairfile_open(&f, path, NULL), OD_OK);
	return f;
}

static void
every_pair_once(void **state)
{
	struct od_pairfile *f = open_pairs();
	struct od_order o;
	int64_t first[10];

	(void)state;
	assert_int_equal(od_order_open(&o, f, 4, 42, true, NULL), OD_OK);
	assert_int_equal(o.per_epoch, 3);
	for (int64_t epoch = 0; epoch < 3; epoch++) {
		int seen[10] = { 0 };
		int64_t k = 0, same = 0;

		for (int64_t t = 3 * epoch; t < 3 * epoch + 3; t++) {
			const int64_t *index;
			int64_t n;

			od_order_batch(&o, t, &index, &n);
			assert_int_equal(n, t % 3 == 2 ? 2 : 4);
			for (int64_t i = 0; i < n; i++, k++) {
				seen[index[i]]++;
				same += epoch > 0 && first[k] == index[i];
				if (epoch == 0)
					first[k] = index[i];
			}
		}
		for (int i = 0; i < 10; i++)
			assert_int_equal(seen[i], 1);
		assert_true(same < 10);                            /* another epoch, another order */
	}
	od_order_release(&o);
	od_pairfile_close(f);
}

/* Jumping to an update gives what walking to it gives: what resume relies on. */
static void
order_has_no_history(void **state)
{
	struct od_pairfile *f = open_pairs();
	struct od_order a, b;
	const int64_t *x, *y;
	int64_t n, m;

	(void)state;
	assert_int_equal(od_order_open(&a, f, 3, 7, true, NULL), OD_OK);
	assert_int_equal(od_order_open(&b, f, 3, 7, true, NULL), OD_OK);
	for (int64_t t = 0; t < 10; t++)
		od_order_batch(&a, t, &x, &n);
	od_order_batch(&b, 9, &y, &m);
	assert_int_equal(n, m);
	assert_memory_equal(x, y, (size_t)n * sizeof *x);
	od_order_release(&a);
	od_order_release(&b);
	assert_int_equal(od_order_open(&a, f, 10, 7, false, NULL), OD_OK);
	od_order_batch(&a, 5, &x, &n);
	for (int64_t i = 0; i < 10; i++)
		assert_int_equal(x[i], i);
	od_order_release(&a);
	od_pairfile_close(f);
}

static void
micro_batches(void **state)
{
	struct od_pairfile *f = open_pairs();
	struct od_micro_peak peak;
	struct od_order o;
	const int64_t *index;
	int64_t n, all = 0;

	(void)state;
	assert_int_equal(od_order_open(&o, f, 10, 1, false, NULL), OD_OK);
	od_order_batch(&o, 0, &index, &n);
	for (int64_t i = 0; i < 10; i++)
		all += o.size[i].tokens;
	assert_int_equal(od_order_micro(&o, index, n, all), 10);
	assert_int_equal(od_order_micro(&o, index, n, all - 1), 9);
	assert_int_equal(od_order_micro(&o, index, n, 1), 1);  /* over the budget: alone */
	od_order_peak(&o, 0, 2, all, &peak);
	assert_int_equal(peak.count, 2);
	assert_int_equal(peak.tokens, all);
	assert_int_equal(peak.entries, 30);
	assert_int_equal(peak.max_pos, 12);
	od_order_peak(&o, 0, 1, 1, &peak);
	assert_int_equal(peak.count, 10);
	assert_int_equal(peak.tokens, o.size[9].tokens);
	od_order_release(&o);
	od_pairfile_close(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts), cmocka_unit_test(rates), cmocka_unit_test(every_pair_once),
		cmocka_unit_test(order_has_no_history), cmocka_unit_test(micro_batches),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, write_pairs, remove_pairs);
}
