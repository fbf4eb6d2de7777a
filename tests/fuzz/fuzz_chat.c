/* fuzz_chat.c -- hostile dialogues and hostile template texts. The input is split at NUL bytes: the chat_template of the
 * tokenizer, then role, content, role, content, ... Beyond not crashing:
 *   - a template text is recognised as one of the names or refused with their list,
 *   - spans of a rendered dialogue follow one another inside it, and lead from each content to its end of turn,
 *   - a rendering with a generation prompt begins with the one without,
 *   - what is rendered is valid UTF-8 and can be encoded. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/chat.h"
#include "text/unicode.h"

#define MAX_MESSAGES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct od_tokenizer *
make_tokenizer(const char *text, size_t n)
{
	static const char json[] = "{\"model\":{\"vocab\":{\"a\":0,\"<bos>\":1,\"b\":2,\"ab\":3},\"merges\":[\"a b\"]},\"added_tokens\":"
		"[{\"id\":1,\"content\":\"<bos>\",\"special\":true},{\"id\":4,\"content\":\"<|im_end|>\",\"special\":true}]}";
	struct od_buf config = OD_BUF_INIT;
	struct od_tokenizer *t = NULL;

	od_buf_str(&config, "{\"bos_token\":\"<bos>\"");
	if (n && od_utf8_check(text, n) == n) {
		od_buf_str(&config, ",\"chat_template\":");
		od_buf_json_string(&config, text, n);
	}
	od_buf_str(&config, "}");
	if (od_tokenizer_parse(&t, json, strlen(json), config.data, config.len, "t", NULL) != OD_OK)
		abort();
	od_buf_release(&config);
	return t;
}

static void
check_rendering(const struct od_chat_template *c, const struct od_tokenizer *t, const struct od_message *m, size_t n)
{
	struct od_turn_span span[MAX_MESSAGES];
	struct od_buf a = OD_BUF_INIT, b = OD_BUF_INIT;
	struct od_ids ids = OD_IDS_INIT;
	struct od_error err = OD_ERROR_INIT;

	if (od_chat_render(c, t, m, n, false, NULL, &a, span, &err) != OD_OK) {
		if (!err.msg[0] || a.len)
			abort();
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (span[i].header > span[i].content || span[i].content > span[i].end || span[i].end > a.len)
			abort();
		if (i && span[i].header != span[i - 1].end)
			abort();
	}
	if (span[n - 1].end != a.len || od_chat_render(c, t, m, n, true, "01 Jan 2025", &b, NULL, NULL) != OD_OK)
		abort();
	if (b.len < a.len || (a.len && strcmp(od_chat_name(c), "llama31") != 0 && memcmp(a.data, b.data, a.len) != 0))
		abort();
	if (od_tokenizer_encode(t, a.data, a.len, true, &ids, NULL) != OD_OK)
		abort();
	od_buf_release(&a);
	od_buf_release(&b);
	od_ids_release(&ids);
}

static void
check_all(const struct od_tokenizer *t, const struct od_message *m, size_t n)
{
	static const char *const names[] = { "llama3", "llama31", "chatml", "qwen2", "qwen25", "qwen25-math", "smollm2", "gemma2",
		"plain" };
	const struct od_chat_template *c = NULL;
	struct od_error err = OD_ERROR_INIT;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (od_chat_find(&c, names[i], NULL) != OD_OK)
			abort();
		check_rendering(c, t, m, n);
	}
	if (od_chat_detect(&c, t, &err) == OD_OK)
		check_rendering(c, t, m, n);
	else if (!strstr(err.msg, od_chat_names()))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct od_message m[MAX_MESSAGES];
	size_t at[2 * MAX_MESSAGES + 2], parts = 0, n = 0;
	char *text = malloc(size + 1);
	struct od_tokenizer *t;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	at[parts++] = 0;
	for (size_t i = 0; i < size && parts < 2 * MAX_MESSAGES + 1; i++) {
		if (!text[i])
			at[parts++] = i + 1;
	}
	at[parts] = size + 1;
	for (; 2 * n + 2 < parts; n++)
		m[n] = (struct od_message){ text + at[2 * n + 1], text + at[2 * n + 2], at[2 * n + 3] - at[2 * n + 2] - 1 };
	t = make_tokenizer(text, at[1] - 1);
	check_all(t, m, n);
	od_tokenizer_close(t);
	free(text);
	return 0;
}
