/* test_chat.c -- chat templates: texts byte for byte, where turns lie, which texts are recognised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/chat.h"
#include "text_help.h"

#define SYSTEM "<|im_start|>system\n"

/* A tokenizer with a BOS and a chat template (NULL: none). */
static struct od_tokenizer *
with_template(const char *text)
{
	static const char json[] = "{\"model\":{\"vocab\":{\"a\":0,\"<bos>\":1,\"<eos>\":2},\"merges\":[]}}";
	struct od_buf config = OD_BUF_INIT;
	struct od_tokenizer *t = NULL;

	od_buf_str(&config, "{\"bos_token\":\"<bos>\",\"eos_token\":\"<eos>\"");
	if (text) {
		od_buf_str(&config, ",\"chat_template\":");
		od_buf_json_string(&config, text, strlen(text));
	}
	od_buf_str(&config, "}");
	assert_int_equal(od_tokenizer_parse(&t, json, strlen(json), config.data, config.len, "t", NULL), OD_OK);
	od_buf_release(&config);
	return t;
}

static const struct od_message talk[] = {
	{ "user", " Hi\n", 4 }, { "assistant", "\xc2\xa0Yes. ", 7 }, { "user", "Why?", 4 }
};
static const struct od_message ruled[] = { { "system", " Be brief. ", 11 }, { "user", "Hi", 2 } };

static void
renders(const char *name, const struct od_message *m, size_t n, bool generation, const char *date, const char *want)
{
	struct od_tokenizer *t = with_template(NULL);
	const struct od_chat_template *c = NULL;
	struct od_turn_span span[8];
	struct od_buf b = OD_BUF_INIT;

	assert_int_equal(od_chat_find(&c, name, NULL), OD_OK);
	assert_string_equal(od_chat_name(c), name);
	od_buf_str(&b, "before");
	assert_int_equal(od_chat_render(c, t, m, n, generation, date, &b, span, NULL), OD_OK);
	assert_string_equal(b.data + 6, want);
	for (size_t i = 0; i < n; i++) {
		assert_true(span[i].header <= span[i].content && span[i].content <= span[i].end && span[i].end <= b.len);
		assert_true(!i || span[i].header == span[i - 1].end);
	}
	assert_true(generation || span[n - 1].end == b.len);
	od_buf_release(&b);
	od_tokenizer_close(t);
}

static void
renders_every_family(void **state)
{
	(void)state;
	renders("chatml", talk, 3, true, NULL, "<|im_start|>user\n Hi\n<|im_end|>\n<|im_start|>assistant\n\xc2\xa0Yes. <|im_end|>\n"
		"<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n");
	renders("chatml", ruled, 2, false, NULL, SYSTEM " Be brief. <|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
	renders("qwen25", talk, 1, false, NULL, SYSTEM "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
		"<|im_end|>\n<|im_start|>user\n Hi\n<|im_end|>\n");
	renders("qwen25", ruled, 2, false, NULL, SYSTEM " Be brief. <|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
	renders("qwen2", talk, 1, false, NULL, SYSTEM "You are a helpful assistant.<|im_end|>\n<|im_start|>user\n Hi\n"
		"<|im_end|>\n");
	renders("qwen25-math", talk, 1, false, NULL, SYSTEM "Please reason step by step, and put your final answer within "
		"\\boxed{}.<|im_end|>\n<|im_start|>user\n Hi\n<|im_end|>\n");
	renders("smollm2", talk, 1, true, NULL, SYSTEM "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
		"<|im_end|>\n<|im_start|>user\n Hi\n<|im_end|>\n<|im_start|>assistant\n");
	renders("llama3", talk, 2, true, NULL, "<bos><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
		"<|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
	renders("llama3", ruled, 1, false, NULL, "<bos><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>");
	renders("llama31", talk, 1, false, NULL, "<bos><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: "
		"December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>");
	renders("llama31", ruled, 1, false, "01 Jan 2025", "<bos><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge "
		"Date: December 2023\nToday Date: 01 Jan 2025\n\nBe brief.<|eot_id|>");
	renders("gemma2", talk, 3, true, NULL, "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nYes.<end_of_turn>"
		"\n<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n");
	renders("plain", talk, 3, true, NULL, " Hi\n\xc2\xa0Yes. Why?");
	renders("plain-eos", talk, 3, true, NULL, " Hi\n\xc2\xa0Yes. <eos>Why?");
}

/* The spans say which bytes the response is: content and end of turn, header before them. */
static void
marks_turns(void **state)
{
	struct od_tokenizer *t = with_template(NULL);
	const struct od_chat_template *c = NULL;
	struct od_turn_span span[3];
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	assert_int_equal(od_chat_find(&c, "gemma2", NULL), OD_OK);
	assert_int_equal(od_chat_render(c, t, talk, 3, false, NULL, &b, span, NULL), OD_OK);
	assert_memory_equal(b.data + span[0].header, "<start_of_turn>user\nHi", 22);
	assert_memory_equal(b.data + span[1].header, "<start_of_turn>model\nYes.", 25);
	assert_int_equal(span[1].content - span[1].header, 21);
	assert_int_equal(span[1].end - span[1].content, strlen("Yes.<end_of_turn>\n"));
	od_buf_clear(&b);
	assert_int_equal(od_chat_find(&c, "smollm2", NULL), OD_OK);
	assert_int_equal(od_chat_render(c, t, talk, 2, false, NULL, &b, span, NULL), OD_OK);
	assert_memory_equal(b.data + span[0].header, "<|im_start|>user\n Hi", 20);
	assert_memory_equal(b.data + span[1].content, "\xc2\xa0Yes. <|im_end|>\n", 18);
	od_buf_release(&b);
	od_tokenizer_close(t);
}

static void
refuses(const char *name, const struct od_message *m, size_t n, const char *part)
{
	struct od_tokenizer *t = with_template(NULL);
	const struct od_chat_template *c = NULL;
	struct od_buf b = OD_BUF_INIT;
	struct od_error err = OD_ERROR_INIT;

	assert_int_equal(od_chat_find(&c, name, NULL), OD_OK);
	assert_int_equal(od_chat_render(c, t, m, n, false, NULL, &b, NULL, &err), OD_EFORMAT);
	if (!strstr(err.msg, part))
		print_message("# %s\n", err.msg);
	assert_non_null(strstr(err.msg, part));
	assert_int_equal(b.len, 0);
	od_tokenizer_close(t);
}

static void
refuses_dialogues(void **state)
{
	static const struct od_message odd[] = { { "user", "a", 1 }, { "user", "b", 1 }, { "tool", "c", 1 }, { "user", "\xff", 1 } };

	(void)state;
	refuses("gemma2", ruled, 2, "message 1 is a system turn, which chat template 'gemma2' does not have");
	refuses("gemma2", odd, 2, "message 2 has the role 'user'");
	refuses("gemma2", talk + 1, 1, "message 1 has the role 'assistant'");
	refuses("chatml", odd, 3, "message 3 has the role 'tool'");
	refuses("chatml", odd + 3, 1, "message 1 is not valid UTF-8");
	refuses("llama3", odd, 0, "a dialogue has no messages");
}

static void
knows_names(void **state)
{
	const struct od_chat_template *c = NULL;
	struct od_error err = OD_ERROR_INIT;
	char names[256], *save = NULL;
	int n = 0;

	(void)state;
	snprintf(names, sizeof(names), "%s", od_chat_names());
	for (char *p = strtok_r(names, ", ", &save); p; p = strtok_r(NULL, ", ", &save), n++)
		assert_int_equal(od_chat_find(&c, p, NULL), OD_OK);
	assert_int_equal(n, 10);
	assert_int_equal(od_chat_find(&c, "vicuna", &err), OD_EUSAGE);
	assert_string_equal(err.msg, "unknown chat template 'vicuna'; there are llama3, llama31, chatml, qwen2, qwen25, qwen25-math, "
		"smollm2, gemma2, plain, plain-eos");
}

/* want NULL: not recognised. */
static void
recognises(const char *text, const char *want)
{
	struct od_tokenizer *t = with_template(text);
	const struct od_chat_template *c = NULL;
	struct od_error err = OD_ERROR_INIT;
	enum od_status st = od_chat_detect(&c, t, &err);

	if (want) {
		assert_int_equal(st, OD_OK);
		assert_string_equal(od_chat_name(c), want);
	} else {
		assert_int_equal(st, OD_ESUPPORT);
		assert_non_null(strstr(err.msg, "--chat-template NAME: llama3, llama31,"));
	}
	od_tokenizer_close(t);
}

#define TURN "{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}"

static void
recognises_templates(void **state)
{
	(void)state;
	recognises(TURN, "chatml");
	recognises(TURN "{% if system %}{{ '<|im_start|>system\\n' + system + '<|im_end|>' }}{% endif %}", "chatml");
	recognises("{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}" TURN, "qwen2");
	recognises("{{ '<|im_start|>system\\nYou are a helpful assistant. Be kind.<|im_end|>' }}" TURN, NULL);
	recognises("{{ '<|im_start|>system\\nYou are Foo. You are a helpful assistant.<|im_end|>' }}" TURN, NULL);
	recognises("{{ '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>' }}" TURN,
		"qwen25");
	recognises("{{ '<|im_start|>system\\nPlease reason step by step, and put your final answer within \\\\boxed{}.<|im_end|>' }}" TURN,
		"qwen25-math");
	recognises("{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>' }}" TURN,
		"smollm2");
	recognises("{{ '<|start_header_id|>' + role + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}", "llama3");
	recognises("<|start_header_id|> Cutting Knowledge Date: | trim <|eot_id|>", "llama31");
	recognises("{{ raise_exception('System role not supported') }} <start_of_turn>", "gemma2");
	recognises(OD_CHAT_PLAIN, "plain");
	recognises(OD_CHAT_PLAIN_EOS, "plain-eos");
	recognises(OD_CHAT_PLAIN " ", NULL);
	recognises(NULL, NULL);
	recognises("", NULL);
	recognises("[INST] {{ m['content'] }} [/INST]", NULL);
	recognises("<start_of_turn> first_user_prefix", NULL);
	recognises("{{ '<|im_start|>system\\nI am someone else.<|im_end|>' }}" TURN, NULL);
	recognises("{{ '<|im_start|>system\nI am someone else.<|im_end|>' }}" TURN, NULL);
	recognises(TURN "<think>", NULL);
	recognises("<|im_start|>user<|im_sep|>x<|im_end|>", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renders_every_family),
		cmocka_unit_test(marks_turns),
		cmocka_unit_test(refuses_dialogues),
		cmocka_unit_test(knows_names),
		cmocka_unit_test(recognises_templates),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
