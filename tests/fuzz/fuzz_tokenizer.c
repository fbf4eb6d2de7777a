/* fuzz_tokenizer.c -- hostile tokenizer.json files and hostile text for them. The input is the file, then, after a NUL
 * byte, a text to encode. Beyond not crashing:
 *   - a refusal says why, in one line that begins with the file's name,
 *   - the ids of a text are ids the tokenizer has, and the same when the text is encoded again,
 *   - what a GGUF file would keep of the tokenizer loads again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/chat.h"
#include "text/gguf_tokenizer.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_encoding(const struct od_tokenizer *t, const char *text, size_t n)
{
	for (int special = 0; special < 2; special++) {
		struct od_ids a = OD_IDS_INIT, b = OD_IDS_INIT;
		struct od_buf out = OD_BUF_INIT;
		struct od_error err = OD_ERROR_INIT;
		enum od_status st = od_tokenizer_encode(t, text, n, special, &a, &err);

		if (st != od_tokenizer_encode(t, text, n, special, &b, NULL) || (st != OD_OK && !err.msg[0]))
			abort();
		if (st == OD_OK && (a.n != b.n || (a.n && memcmp(a.id, b.id, a.n * sizeof(*a.id)) != 0)))
			abort();
		for (size_t i = 0; st == OD_OK && i < a.n; i++) {
			if (!od_tokenizer_piece(t, a.id[i]))
				abort();
			od_tokenizer_decode(t, a.id[i], special, &out);
		}
		od_buf_release(&out);
		od_ids_release(&a);
		od_ids_release(&b);
	}
}

static void
check_export(const struct od_tokenizer *t)
{
	struct od_gguf_vocab v = OD_GGUF_VOCAB_INIT;
	struct od_gguf_vocab_store *store = NULL;
	struct od_buf json = OD_BUF_INIT, config = OD_BUF_INIT;
	struct od_tokenizer *again = NULL;
	struct od_error err = OD_ERROR_INIT;

	if (od_gguf_vocab_of(&v, &store, t, 0, NULL) == OD_OK && od_gguf_tokenizer_json(&v, &json, &config, &err) == OD_OK) {
		if (od_tokenizer_parse(&again, json.data, json.len, config.data, config.len, "t", &err) != OD_OK)
			abort();
		if (od_tokenizer_size(again) != od_tokenizer_size(t))
			abort();
		od_tokenizer_close(again);
	}
	od_gguf_vocab_release(store);
	od_buf_release(&json);
	od_buf_release(&config);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;
	const struct od_chat_template *chat;
	struct od_tokenizer *t = NULL;
	struct od_error err = OD_ERROR_INIT;

	if (od_tokenizer_parse(&t, (const char *)data, n, NULL, 0, "t", &err) != OD_OK) {
		if (strncmp(err.msg, "t: ", 3) != 0 && err.status != OD_ENOMEM)
			abort();
		return 0;
	}
	if (strlen(od_tokenizer_hash(t)) != 64 || od_tokenizer_size(t) < 1)
		abort();
	if (nul)
		check_encoding(t, (const char *)nul + 1, size - n - 1);
	check_encoding(t, "It's 12 o'clock <x>\n\xc3\xa9 \xe2\x96\x81", 25);
	if (size < 4096)
		check_export(t);
	if (od_chat_detect(&chat, t, &err) == OD_OK)
		abort();                                   /* there is no config, hence no template */
	od_tokenizer_close(t);
	return 0;
}
