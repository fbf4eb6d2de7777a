/* fuzz_grade.c -- hostile completions and reference answers, parted by a NUL. Beyond not crashing and not hanging:
 *   - extracted and normalised text is valid UTF-8 and no longer than a small multiple of what it was made of,
 *   - an answer equals itself unless it is empty,
 *   - leaving the symbolic step out makes nothing equal that was not. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "grade/math_answer.h"
#include "grade/math_equal.h"
#include "text/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const struct od_buf *b, size_t n)
{
	if (!od_buf_ok(b) || od_utf8_check(b->data, b->len) != b->len || b->len > 32 * (n + 16))
		abort();
}

static bool
equal(enum od_math_grader g, const struct od_buf *a, const struct od_buf *b, bool symbolic)
{
	bool is;

	if (od_math_equal(g, a->data, a->len, b->data, b->len, symbolic, &is, NULL) != OD_OK)
		abort();
	return is;
}

static void
check(enum od_math_grader g, const struct od_math_dataset *d, const char *text, size_t n, const char *field, size_t n_field)
{
	struct od_buf pred = OD_BUF_INIT, gt = OD_BUF_INIT;
	bool none;

	if (od_math_extract(g, d, text, n, &pred, &none, NULL) != OD_OK || od_math_reference(g, d, field, n_field, &gt, NULL) != OD_OK)
		abort();
	check_text(&pred, n);
	check_text(&gt, n_field);
	if (!equal(g, &pred, &pred, true) || (equal(g, &pred, &gt, false) && !equal(g, &pred, &gt, true)))
		abort();
	od_buf_release(&pred);
	od_buf_release(&gt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "math", "gsm8k", "minerva_math", "olympiadbench", "gaokao2023en" };
	const char *s = (const char *)data, *nul = size ? memchr(s, '\0', size) : NULL;
	size_t n = nul ? (size_t)(nul - s) : size, n_field = nul ? size - n - 1 : 0;
	const struct od_math_dataset *d;

	if (od_utf8_check(s, n) != n || (nul && od_utf8_check(nul + 1, n_field) != n_field))
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (od_math_dataset_find(&d, names[i], NULL) != OD_OK)
			abort();
		check(i % 2 ? OD_MATH_UNIDPO : OD_MATH_QWEN, d, s, n, nul ? nul + 1 : "", n_field);
	}
	return 0;
}
