/* fuzz_tables.c -- hostile benchmark files: a table of comma-separated values, a data set (JSON array or lines), a judge's text.
 * Beyond not crashing: every field of a table is a text, every item of a data set an object, a score within its range. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/arena.h"
#include "bench/sedar.h"
#include "io/csv.h"
#include "io/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_table(const char *text, size_t n)
{
	struct od_csv t;
	size_t total = 0;
	double v;

	if (od_csv_parse(&t, text, n, "t", NULL) == OD_OK) {
		for (size_t r = 0; r < t.n_rows; r++)
			for (size_t c = 0; c < t.n_columns; c++) {
				total += strlen(od_csv_text(&t, r, (int)c));
				if (od_csv_number(&t, r, (int)c, &v, NULL) == OD_OK && isinf(v))
					abort();
			}
		if (total > n)
			abort();
	}
	od_csv_release(&t);
}

static void
check_dataset(const char *text, size_t n)
{
	struct od_dataset d;
	const json_t *item;
	size_t i;

	if (od_dataset_parse(&d, text, n, "d", NULL) == OD_OK)
		json_array_foreach(d.items, i, item)
			if (!json_is_object(item))
				abort();
	od_dataset_release(&d);
}

static void
check_verdicts(const char *text, size_t n)
{
	char label[OD_ARENA_MAX_LABEL];
	double score;

	for (int rule = OD_ARENA_LEGACY; rule <= OD_ARENA_2025; rule++)
		if ((od_arena_verdict((enum od_arena_rule)rule, text, n, label) == OD_ARENA_FOUND) != (label[0] != '\0') ||
			strspn(label, "AB<>=") != strlen(label))
			abort();
	if ((od_sedar_score(text, n, &score) == OD_SEDAR_FOUND) != (score >= 0 && score <= 5))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	check_table(text, size);
	check_dataset(text, size);
	check_verdicts(text, size);
	return 0;
}
