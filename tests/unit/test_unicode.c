/* test_unicode.c -- UTF-8, white space, byte letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "text/unicode.h"

static void
every_code_point_comes_back(void **state)
{
	(void)state;
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		char s[4];
		uint32_t back = 0;
		size_t n = od_utf8_encode(cp, s);

		if (cp >= 0xd800 && cp < 0xe000) {
			assert_int_equal(od_utf8_decode(s, n, &back), 0);
			continue;
		}
		assert_int_equal(od_utf8_len((unsigned char)s[0]), n);
		assert_int_equal(od_utf8_decode(s, n, &back), n);
		assert_int_equal(back, cp);
		assert_int_equal(od_utf8_decode(s, n - 1, &back), 0);
	}
}

/* Of all sequences of two and three bytes, exactly the encodings of code points are valid. */
static void
no_other_sequence_is_valid(void **state)
{
	size_t valid = 0;

	(void)state;
	for (uint32_t v = 0; v < 0x1000000; v++) {
		char s[3] = { (char)(v >> 16), (char)(v >> 8), (char)v };
		uint32_t cp = 0;
		size_t n = od_utf8_decode(s, 3, &cp);

		if (n == 3)
			valid++;
		else if (n == 2 && s[2] == 0)
			valid++;
		else if (n == 1 && s[1] == 0 && s[2] == 0)
			valid++;
	}
	assert_int_equal(valid, 0x10000 - 0x800);
}

static void
strips(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = { { "", "" }, { " ", "" }, { "a", "a" }, { " a b\n", "a b" }, { "\xc2\xa0" "a\xe3\x80\x80", "a" },
		{ "\x1c" "a\x1f", "a" }, { "\xe2\x80\x8b" "a", "\xe2\x80\x8b" "a" }, { "\xe1\xa0\x8e", "\xe1\xa0\x8e" },
		{ "\xc2\x85\xe2\x80\xa9x", "x" } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t from = 9, n = od_utf8_strip(cases[i].text, strlen(cases[i].text), &from);

		assert_int_equal(n, strlen(cases[i].want));
		assert_memory_equal(cases[i].text + from, cases[i].want, n);
	}
}

static void
letters_stand_for_bytes(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (int b = 0; b < 256; b++) {
		uint32_t cp = od_byte_letter((unsigned char)b);

		assert_int_equal(od_letter_byte(cp), b);
		last = cp > last ? cp : last;
	}
	assert_int_equal(last, 0x143);
	assert_int_equal(od_byte_letter('a'), 'a');
	assert_int_equal(od_byte_letter(' '), 0x120);
	assert_int_equal(od_byte_letter('\n'), 0x10a);
	assert_int_equal(od_byte_letter(0xad), 0x143);
	assert_int_equal(od_letter_byte(' '), -1);
	assert_int_equal(od_letter_byte(0xad), -1);
	assert_int_equal(od_letter_byte(0x144), -1);
	assert_int_equal(od_letter_byte(0x20ac), -1);
}

static void
checks_texts(void **state)
{
	(void)state;
	assert_int_equal(od_utf8_check("", 0), 0);
	assert_int_equal(od_utf8_check("a\xc3\xa9", 3), 3);
	assert_int_equal(od_utf8_check("a\xc3", 2), 1);
	assert_int_equal(od_utf8_check("a\xc3\xa9\x80", 4), 3);
	assert_int_equal(od_utf8_check("\xf8\x88\x80\x80\x80", 5), 0);
}

/* A run of marks in the order of their classes, by definition: the fully decomposed marks, sorted and stable. */
static void
sort_by_definition(const uint32_t *marks, size_t n, struct od_buf *out)
{
	static const struct {
		uint32_t cp;
		int class;
	} table[] = { { 0xf71, 129 }, { 0xf72, 130 }, { 0xf80, 130 }, { 0x327, 202 }, { 0x316, 220 }, { 0x301, 230 },
		{ 0x308, 230 }, { 0x345, 240 } };

	for (int class = 1; class < 255; class++) {
		for (size_t i = 0; i < n; i++) {
			for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
				char s[4];

				if (table[k].class == class && table[k].cp == marks[i])
					od_buf_append(out, s, od_utf8_encode(marks[i], s));
			}
		}
	}
}

/* A hostile run: 60,000 marks in no order, some of them composed. In time, and in the right order. */
static void
orders_long_runs_of_marks(void **state)
{
	static const struct {
		uint32_t cp, parts[2];
	} marks[] = { { 0x301, { 0x301, 0 } }, { 0x316, { 0x316, 0 } }, { 0x344, { 0x308, 0x301 } }, { 0xf73, { 0xf71, 0xf72 } },
		{ 0x345, { 0x345, 0 } }, { 0xf81, { 0xf71, 0xf80 } }, { 0x327, { 0x327, 0 } } };
	static uint32_t parts[120000];
	struct od_buf text = OD_BUF_INIT, got = OD_BUF_INIT, want = OD_BUF_INIT;
	size_t n = 0;
	clock_t start = clock();

	(void)state;
	od_buf_char(&text, 'e');
	for (uint32_t i = 0; i < 60000; i++) {
		size_t k = (i * i + i / 7) % 7;
		char s[4];

		od_buf_append(&text, s, od_utf8_encode(marks[k].cp, s));
		parts[n++] = marks[k].parts[0];
		if (marks[k].parts[1])
			parts[n++] = marks[k].parts[1];
	}
	od_buf_str(&text, "x\xcc\x81");
	od_buf_char(&want, 'e');
	sort_by_definition(parts, n, &want);
	od_buf_str(&want, "x\xcc\x81");
	assert_int_equal(od_utf8_normalize(OD_NFD, text.data, text.len, &got, NULL), OD_OK);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
	od_buf_release(&text);
	od_buf_release(&got);
	od_buf_release(&want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_comes_back),
		cmocka_unit_test(no_other_sequence_is_valid),
		cmocka_unit_test(strips),
		cmocka_unit_test(letters_stand_for_bytes),
		cmocka_unit_test(checks_texts),
		cmocka_unit_test(orders_long_runs_of_marks),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
