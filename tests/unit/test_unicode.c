/* test_unicode.c -- UTF-8, white space, byte letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_comes_back),
		cmocka_unit_test(no_other_sequence_is_valid),
		cmocka_unit_test(strips),
		cmocka_unit_test(letters_stand_for_bytes),
		cmocka_unit_test(checks_texts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
