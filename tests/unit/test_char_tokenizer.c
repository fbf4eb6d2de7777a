/* test_char_tokenizer.c -- tokenizers of characters, read back by the tokenizer; random weights of a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "text/char_tokenizer.h"
#include "text/chat.h"
#include "text/tokenizer.h"

static struct od_tokenizer *
make(const char *chars)
{
	struct od_buf json = OD_BUF_INIT, config = OD_BUF_INIT;
	struct od_tokenizer *t = NULL;

	assert_int_equal(od_char_tokenizer(chars, strlen(chars), &json, &config, NULL), OD_OK);
	assert_int_equal(od_tokenizer_parse(&t, json.data, json.len, config.data, config.len, "t", NULL), OD_OK);
	od_buf_release(&json);
	od_buf_release(&config);
	return t;
}

static void
is_read_back(void **state)
{
	static const int32_t want[] = { 6, 5, 3, 7, 2 };
	struct od_tokenizer *t = make("b a\xc3\xa9\"b");
	const struct od_chat_template *chat = NULL;
	struct od_buf text = OD_BUF_INIT;
	struct od_ids ids = OD_IDS_INIT;

	(void)state;
	assert_int_equal(od_tokenizer_size(t), 9);
	assert_int_equal(od_tokenizer_bos(t), 1);
	assert_int_equal(od_tokenizer_eos(t), 2);
	assert_false(od_tokenizer_adds_bos(t));
	assert_int_equal(od_tokenizer_id(t, "\xc3\xa9"), 8);
	assert_int_equal(od_tokenizer_encode(t, "a\"Xb<eos>", 9, true, &ids, NULL), OD_OK);
	assert_int_equal(ids.n, 5);
	assert_memory_equal(ids.id, want, sizeof want);
	for (int32_t id = 4; id < 9; id++)
		od_tokenizer_decode(t, id, true, &text);
	od_tokenizer_decode(t, 2, true, &text);
	assert_string_equal(text.data, " \"ab\xc3\xa9");
	assert_int_equal(od_chat_detect(&chat, t, NULL), OD_OK);
	assert_string_equal(od_chat_name(chat), "plain-eos");
	od_ids_release(&ids);
	od_buf_release(&text);
	od_tokenizer_close(t);
}

static void
order_and_repeats_do_not_matter(void **state)
{
	struct od_tokenizer *a = make("0123456789"), *b = make("98765432100"), *c = make("012345678");

	(void)state;
	assert_string_equal(od_tokenizer_hash(a), od_tokenizer_hash(b));
	assert_string_not_equal(od_tokenizer_hash(a), od_tokenizer_hash(c));
	od_tokenizer_close(a);
	od_tokenizer_close(b);
	od_tokenizer_close(c);
}

static void
refuses(const char *text, size_t n, const char *part)
{
	struct od_buf json = OD_BUF_INIT, config = OD_BUF_INIT;
	struct od_error err = OD_ERROR_INIT;

	assert_int_equal(od_char_tokenizer(text, n, &json, &config, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, part));
	assert_int_equal(json.len, 0);
}

static void
refuses_what_is_no_text(void **state)
{
	(void)state;
	refuses("", 0, "no characters");
	refuses("ab\xff", 3, "invalid UTF-8 at byte 2");
	refuses("a\0", 2, "a NUL at byte 1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_read_back),
		cmocka_unit_test(order_and_repeats_do_not_matter),
		cmocka_unit_test(refuses_what_is_no_text),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
