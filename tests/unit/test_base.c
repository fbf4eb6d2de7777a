/* test_base.c -- errors, buffers, memory, numbers, random numbers, hashes, element types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/dtype.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/rng.h"

static void
test_error(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	char longer[3000];

	(void)state;
	assert_int_equal(od_fail(&err, OD_EFORMAT, "bad '%s'", "a\n\033[1mb"), OD_EFORMAT);
	assert_string_equal(err.msg, "bad 'a??[1mb'");
	assert_int_equal(od_error_prefix(&err, "%s:%d: ", "f\t", 3), OD_EFORMAT);
	assert_string_equal(err.msg, "f?:3: bad 'a??[1mb'");
	assert_int_equal(od_fail_sys(&err, ENOENT, "cannot open 'x'"), OD_ESYS);
	assert_string_equal(err.msg, "cannot open 'x': No such file or directory");
	assert_int_equal(err.sys, ENOENT);
	memset(longer, 'm', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	od_fail(&err, OD_ESYS, "%s", longer);
	assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
	od_error_prefix(&err, "%s", longer);
	assert_true(strlen(err.msg) < sizeof err.msg);
	assert_int_equal(od_fail(NULL, OD_EOF, "x"), OD_EOF);
	assert_int_equal(od_error_prefix(NULL, "x"), OD_OK);
}

static void
test_buf(void **state)
{
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	assert_true(od_buf_ok(&b));
	od_buf_append(&b, "a\0b", 3);
	od_buf_char(&b, 'c');
	od_buf_printf(&b, "%d-%s", 42, "x");
	assert_int_equal(b.len, 8);
	assert_memory_equal(b.data, "a\0bc42-x", 9);
	od_buf_clear(&b);
	assert_int_equal(b.len, 0);
	od_buf_json_string(&b, "\"\\\n\r\t\001\177\xc3\xa9/", 10);
	assert_string_equal(b.data, "\"\\\"\\\\\\n\\r\\t\\u0001\\u007f\xc3\xa9/\"");
	od_buf_clear(&b);
	od_buf_json_double(&b, 0.1);
	od_buf_json_double(&b, NAN);
	assert_string_equal(b.data, "0.1null");
	assert_null(od_buf_reserve(&b, SIZE_MAX - 2));
	assert_false(od_buf_ok(&b));
	od_buf_str(&b, "ignored");
	assert_false(od_buf_ok(&b));
	od_buf_clear(&b);
	assert_true(od_buf_ok(&b));
	od_buf_release(&b);
	assert_null(b.data);
}

static void
test_mem(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	size_t out, cap = 0;
	int *array = NULL;
	char *s;
	void *p = NULL;

	(void)state;
	assert_true(od_mul_size(3, 4, &out));
	assert_int_equal(out, 12);
	assert_true(od_mul_size(0, SIZE_MAX, &out));
	assert_false(od_mul_size(SIZE_MAX / 2 + 1, 2, &out));
	assert_null(od_calloc(SIZE_MAX / 2, 4));
	p = od_calloc(0, 8);
	assert_non_null(p);
	free(p);
	assert_int_equal(od_alloc(&p, SIZE_MAX / 4, 8, "a thing", &err), OD_ENOMEM);
	assert_non_null(strstr(err.msg, "a thing"));
	for (size_t i = 0; i < 100; i++) {
		assert_true(od_grow(&array, &cap, i + 1, sizeof *array));
		array[i] = (int)i;
	}
	assert_int_equal(array[99], 99);
	assert_false(od_grow(&array, &cap, SIZE_MAX / 2, sizeof *array));
	free(array);
	s = od_strndup("abcdef", 3);
	assert_string_equal(s, "abc");
	free(s);
}

static void
formats(double v, const char *wanted)
{
	char text[OD_NUM_TEXT];

	od_num_format(text, v);
	assert_string_equal(text, wanted);
}

static void
test_num_format(void **state)
{
	struct od_rng rng = od_rng_init(7, 0);

	(void)state;
	formats(0.1, "0.1");
	formats(-3, "-3");
	formats(1e-300, "1e-300");
	formats(0.1 + 0.2, "0.30000000000000004");
	formats(1.0 / 3, "0.3333333333333333");
	formats(DBL_MAX, "1.7976931348623157e+308");
	formats(5e-324, "4.94065645841247e-324");
	formats(INFINITY, "null");
	formats(NAN, "null");
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = od_rng_u64(&rng);
		char text[OD_NUM_TEXT];
		double v, back;

		memcpy(&v, &bits, 8);
		if (!isfinite(v))
			continue;
		od_num_format(text, v);
		assert_true(od_num_double(text, &back));
		assert_memory_equal(&v, &back, 8);
	}
}

static void
test_num_parse(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "1x", "nan", "inf", "0x10", "1e", "--1", "1,5", "1e999", "." };
	static const char *const bad_int[] = { "", "1.0", " 1", "1 ", "9223372036854775808", "x", "1e3" };
	static const char *const bad_size[] = { "", "K", "1X", "-1", "1.5.2K", "99999999999G", "1KBB" };
	int64_t i;
	double v;

	(void)state;
	assert_true(od_num_double("1e-6", &v) && v == 1e-6);
	assert_true(od_num_double(".5", &v) && v == 0.5);
	assert_true(od_num_double("-3", &v) && v == -3);
	assert_true(od_num_double("+2.", &v) && v == 2);
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		if (od_num_double(bad[k], &v))
			fail_msg("od_num_double takes '%s'", bad[k]);
	assert_true(od_num_int("-9223372036854775808", &i) && i == INT64_MIN);
	assert_true(od_num_int("007", &i) && i == 7);
	for (size_t k = 0; k < sizeof bad_int / sizeof *bad_int; k++)
		if (od_num_int(bad_int[k], &i))
			fail_msg("od_num_int takes '%s'", bad_int[k]);
	assert_true(od_num_size("4096", &i) && i == 4096);
	assert_true(od_num_size("512K", &i) && i == 512 << 10);
	assert_true(od_num_size("2.5G", &i) && i == 5LL << 29);
	assert_true(od_num_size("1KiB", &i) && i == 1024);
	assert_true(od_num_size("3MB", &i) && i == 3 << 20);
	assert_true(od_num_size("7B", &i) && i == 7);
	for (size_t k = 0; k < sizeof bad_size / sizeof *bad_size; k++)
		if (od_num_size(bad_size[k], &i))
			fail_msg("od_num_size takes '%s'", bad_size[k]);
}

/* A program that uses the library may have called setlocale. */
static void
test_num_under_comma_locale(void **state)
{
	static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8" };
	char text[OD_NUM_TEXT];
	bool found = false;
	double v;

	(void)state;
	for (size_t i = 0; i < 4 && !found; i++)
		found = setlocale(LC_NUMERIC, names[i]) != NULL;
	if (!found)
		return;                          /* no such locale here; cmocka's skip() prints a failure under TAP */
	od_num_format(text, 1.5);
	assert_string_equal(text, "1.5");
	assert_true(od_num_double("2.25", &v) && v == 2.25);
	assert_false(od_num_double("2,25", &v));
	setlocale(LC_NUMERIC, "C");
}

static void
test_human_bytes(void **state)
{
	char text[OD_NUM_TEXT];

	(void)state;
	od_num_human_bytes(text, 17);
	assert_string_equal(text, "17 B");
	od_num_human_bytes(text, 1536.0 * (1 << 20));
	assert_string_equal(text, "1.50 GiB");
}

static void
test_bytes(void **state)
{
	unsigned char b[8];

	(void)state;
	od_put_le64(b, 0x0102030405060708u);
	assert_int_equal(b[0], 8);
	assert_int_equal(b[7], 1);
	assert_true(od_get_le64(b) == 0x0102030405060708u);
	assert_int_equal(od_get_le32(b), 0x05060708u);
	assert_int_equal(od_get_le16(b), 0x0708u);
	od_put_le32(b, 0xfffefdfcu);
	assert_int_equal(b[0], 0xfc);
	assert_true(od_get_le32(b) == 0xfffefdfcu);
}

/* Every half and every bfloat16 survives the way to float and back; ties go to even. */
static void
test_half_floats(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 65536; h++) {
		float f = od_f16_to_f32((uint16_t)h), g = od_bf16_to_f32((uint16_t)h);

		if (!isnan(f))
			assert_int_equal(od_f32_to_f16(f), h);
		else
			assert_true(isnan(od_f16_to_f32(od_f32_to_f16(f))));
		if (!isnan(g))
			assert_int_equal(od_f32_to_bf16(g), h);
		else
			assert_true(isnan(od_bf16_to_f32(od_f32_to_bf16(g))));
	}
	assert_int_equal(od_f32_to_f16(65504), 0x7bff);
	assert_int_equal(od_f32_to_f16(65519), 0x7bff);
	assert_int_equal(od_f32_to_f16(65520), 0x7c00);
	assert_int_equal(od_f32_to_f16(1 + 0x1p-11f), 0x3c00);                   /* tie, down to even */
	assert_int_equal(od_f32_to_f16(1 + 3 * 0x1p-11f), 0x3c02);               /* tie, up to even */
	assert_int_equal(od_f32_to_f16(0x1p-25f), 0);                            /* tie with zero */
	assert_int_equal(od_f32_to_f16(0x1.8p-25f), 1);
	assert_int_equal(od_f32_to_bf16(1 + 0x1p-8f), 0x3f80);
	assert_int_equal(od_f32_to_bf16(1 + 3 * 0x1p-8f), 0x3f82);
	assert_int_equal(od_f32_to_bf16(3.4e38f), 0x7f80);
}

static void
test_rng(void **state)
{
	struct od_rng a = od_rng_init(1, 2), b = od_rng_init(1, 2), other = od_rng_init(1, 3);
	double sum = 0, square = 0;
	int64_t order[100];
	int counts[7] = { 0 }, same = 0;

	(void)state;
	b.counter = 10;
	for (int i = 0; i < 10; i++)
		od_rng_u64(&a);
	assert_true(od_rng_u64(&a) == od_rng_u64(&b));                           /* the counter is all the state */
	for (int i = 0; i < 100; i++)
		same += od_rng_u64(&a) == od_rng_u64(&other);
	assert_int_equal(same, 0);
	for (int i = 0; i < 70000; i++) {
		double u = od_rng_uniform(&a), z = od_rng_normal(&a);

		assert_true(u >= 0 && u < 1);
		counts[od_rng_below(&a, 7)]++;
		sum += z;
		square += z * z;
	}
	for (int i = 0; i < 7; i++)
		assert_in_range(counts[i], 9500, 10500);                         /* 10000 +- 5 standard deviations */
	assert_true(fabs(sum / 70000) < 0.02);
	assert_true(fabs(square / 70000 - 1) < 0.03);
	for (int i = 0; i < 100; i++)
		order[i] = i;
	od_rng_shuffle(&a, order, 100);
	for (int64_t i = 0; i < 100; i++) {
		int found = 0;

		for (int k = 0; k < 100; k++)
			found += order[k] == i;
		assert_int_equal(found, 1);
	}
}

static void
test_hash(void **state)
{
	char hex[OD_HASH_HEX];
	struct od_sha256 *h = NULL;

	(void)state;
	assert_int_equal(od_sha256_hex("abc", 3, hex, NULL), OD_OK);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(od_sha256_begin(&h, NULL), OD_OK);
	od_sha256_add(h, "a", 1);
	od_sha256_add(h, "", 0);
	od_sha256_add(h, "bc", 2);
	od_sha256_end(h, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(od_sha256_begin(&h, NULL), OD_OK);
	od_sha256_end(h, NULL);
	od_sha256_end(NULL, NULL);
	assert_true(od_hash64("abc", 3, 0) == od_hash64("abc", 3, 0));
	assert_true(od_hash64("abc", 3, 0) != od_hash64("abc", 3, 1));
	assert_true(od_hash64("abc", 3, 0) != od_hash64("abd", 3, 0));
	assert_true(od_hash64("", 0, 0) != od_hash64("\0", 1, 0));
	assert_true(od_hash64("\0", 1, 0) != od_hash64("\0\0", 2, 0));
}

static void
test_dtype(void **state)
{
	enum od_dtype t;

	(void)state;
	for (int i = 0; i < OD_N_DTYPES; i++) {
		assert_true(od_dtype_parse(od_dtype_name((enum od_dtype)i), &t));
		assert_int_equal(t, i);
		assert_in_range(od_dtype_size((enum od_dtype)i), 1, 8);
	}
	assert_true(od_dtype_parse("bf16", &t) && t == OD_BF16);
	assert_false(od_dtype_parse("F8_E4M3", &t));
	assert_false(od_dtype_parse("", &t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_mem),
		cmocka_unit_test(test_num_format),
		cmocka_unit_test(test_num_parse),
		cmocka_unit_test(test_num_under_comma_locale),
		cmocka_unit_test(test_human_bytes),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_half_floats),
		cmocka_unit_test(test_rng),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_dtype),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
