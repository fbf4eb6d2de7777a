/* test_sheet.c -- lib/bench: rows, items, reading back, comparison, the columns of the pairs benchmark. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/pairs.h"
#include "bench/sheet.h"

static const struct od_sheet_column two[] = { { "x", "the x" }, { "y", "the y" } };

static void
add(struct od_sheet *s, const char *id, double x, double y)
{
	const double row[] = { x, y };

	assert_int_equal(od_sheet_add(s, id, (int64_t)s->n, row, NULL), OD_OK);
}

static void
items_and_summary(void **state)
{
	struct od_sheet s;
	struct od_buf b = OD_BUF_INIT;
	struct od_moments m;

	(void)state;
	od_sheet_init(&s, "test", two, 2);
	add(&s, "a\"b", 1, 0.1);
	add(&s, "", 3, NAN);
	od_sheet_item(&s, 0, &b);
	assert_string_equal(b.data, "{\"id\":\"a\\\"b\",\"x\":1,\"y\":0.1}");
	od_buf_clear(&b);
	od_sheet_item(&s, 1, &b);
	assert_string_equal(b.data, "{\"id\":\"#1\",\"x\":3,\"y\":null}");
	od_buf_clear(&b);
	m = od_sheet_moments(&s, 0);
	assert_true(m.n == 2 && m.mean == 2);
	od_sheet_json(&s, &b);
	assert_string_equal(b.data, "\"metrics\":{\"x\":{\"mean\":2,\"se\":1,\"n\":2},\"y\":{\"mean\":0.1,\"se\":null,\"n\":1}}");
	od_buf_clear(&b);
	od_sheet_table(&s, &b);
	assert_non_null(strstr(b.data, "the x"));
	od_buf_release(&b);
	od_sheet_release(&s);
}

/* A file with this text; the caller unlinks it. */
static void
write_file(char path[64], const char *text)
{
	int fd;

	snprintf(path, 64, "%s/od-sheet-XXXXXX", getenv("TMPDIR") != NULL && strlen(getenv("TMPDIR")) < 40 ? getenv("TMPDIR") : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
reading_back(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_sheet s;
	char path[64];

	(void)state;
	write_file(path, "{\"id\":\"a\",\"x\":1,\"note\":\"no number\",\"ok\":true}\n{\"id\":\"b\",\"y\":2.5,\"ok\":false,\"index\":7}\n"
		"{\"z\":null,\"x\":3}\n");
	assert_int_equal(od_sheet_read(&s, path, &err), OD_OK);
	assert_true(s.n == 3 && s.n_columns == 4);
	assert_string_equal(s.columns[0].name, "x");
	assert_string_equal(s.columns[1].name, "ok");
	assert_string_equal(s.columns[2].name, "y");
	assert_string_equal(s.columns[3].name, "z");
	assert_string_equal(s.key[2], "#2");
	assert_true(s.value[0] == 1 && s.value[1] == 1 && isnan(s.value[2]) && isnan(s.value[3]));
	assert_true(isnan(s.value[4]) && s.value[5] == 0 && s.value[6] == 2.5 && isnan(s.value[7]));
	assert_true(s.value[8] == 3 && isnan(s.value[9]) && isnan(s.value[11]));
	od_sheet_release(&s);
	unlink(path);
	write_file(path, "{\"id\":\"a\"}\n");
	assert_int_equal(od_sheet_read(&s, path, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "no item has a number"));
	unlink(path);
}

static void
comparison_by_key(void **state)
{
	static const struct od_sheet_column other[] = { { "w", "w" }, { "x", "x" } };
	struct od_sheet_pairing p;
	struct od_sheet a, b, c;
	struct od_buf text = OD_BUF_INIT;
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	od_sheet_init(&a, "t", two, 2);
	od_sheet_init(&b, "t", other, 2);
	od_sheet_init(&c, "t", other, 1);
	add(&a, "p", 1, 0);
	add(&a, "q", 2, 0);
	add(&a, "q", 3, 0);                    /* the second of its name */
	add(&a, "only", 9, 0);
	add(&b, "q", 0, 2);
	add(&b, "q", 0, 5);
	add(&b, "p", 0, 2);
	add(&b, "more", 0, 9);
	add(&b, "evermore", 0, 9);
	assert_int_equal(od_sheet_compare(&p, &a, &b, 100, 1, &err), OD_OK);
	assert_true(p.matched == 3 && p.only_a == 1 && p.only_b == 2 && p.n_columns == 1);
	assert_string_equal(p.column[0]->title, "the x");
	assert_true(p.result[0].mean_a == 2 && p.result[0].mean_b == 3 && p.result[0].diff == 1);
	assert_true(p.result[0].up == 2 && p.result[0].same == 1 && p.result[0].down == 0);
	od_sheet_pairing_table(&p, "A", "B", &text);
	assert_non_null(strstr(text.data, "3 items in both; left out: 1 only in A, 2 only in B\n"));
	od_buf_clear(&text);
	od_sheet_pairing_json(&p, &text);
	assert_non_null(strstr(text.data, "\"compare\":{\"items\":3,\"only_a\":1,\"only_b\":2,\"metrics\":{\"x\":{\"a\":2,\"b\":3,\"diff\":1,"));
	od_sheet_pairing_release(&p);
	assert_int_equal(od_sheet_compare(&p, &a, &c, 100, 1, &err), OD_EMISMATCH);
	assert_non_null(strstr(err.msg, "no item in common"));
	assert_int_equal(od_sheet_add(&c, "p", 0, (const double[]){ 1 }, NULL), OD_OK);
	assert_int_equal(od_sheet_compare(&p, &a, &c, 100, 1, &err), OD_EMISMATCH);
	assert_non_null(strstr(err.msg, "no measurement in common"));
	od_buf_release(&text);
	od_sheet_release(&a);
	od_sheet_release(&b);
	od_sheet_release(&c);
}

static double
cell(const double *row, const char *name)
{
	for (int c = 0; c < OD_BENCH_PAIRS_COLUMNS; c++)
		if (strcmp(od_bench_pairs_columns[c].name, name) == 0)
			return row[c];
	fail_msg("no column %s", name);
	return NAN;
}

static void
rows_of_pairs(void **state)
{
	struct od_objective dpo = od_objective_default(OD_DPO), sft = od_objective_default(OD_SFT);
	struct od_pair_quantities q = { .logp_chosen = -10, .logp_rejected = -9, .ref_chosen = -12, .ref_rejected = -8,
		.n_chosen = 5, .n_rejected = 3, .score_chosen = NAN, .score_rejected = NAN, .weight = 1 };
	double row[OD_BENCH_PAIRS_COLUMNS];

	(void)state;
	od_bench_pairs_row(&dpo, &q, row);
	assert_true(fabs(cell(row, "margin") - 0.1 * 3) < 1e-15);
	assert_true(fabs(cell(row, "loss") - log1p(exp(-0.3))) < 1e-15);
	assert_true(cell(row, "change_chosen") == 2 && cell(row, "change_rejected") == -1);
	assert_true(cell(row, "logps_chosen") == -2 && cell(row, "logps_rejected") == -3);
	assert_true(cell(row, "accuracy") == 1 && cell(row, "reward_accuracy") == 1);
	q.ref_chosen = -10;
	q.ref_rejected = -9;                   /* policy = reference: a tie is no success */
	od_bench_pairs_row(&dpo, &q, row);
	assert_true(cell(row, "margin") == 0 && cell(row, "reward_accuracy") == 0);
	q.logp_rejected = q.n_rejected = q.ref_rejected = q.ref_chosen = NAN;
	od_bench_pairs_row(&sft, &q, row);
	assert_true(cell(row, "loss") == 2 && cell(row, "logps_chosen") == -2);
	assert_true(isnan(cell(row, "accuracy")) && isnan(cell(row, "change_chosen")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_and_summary),
		cmocka_unit_test(reading_back),
		cmocka_unit_test(comparison_by_key),
		cmocka_unit_test(rows_of_pairs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
