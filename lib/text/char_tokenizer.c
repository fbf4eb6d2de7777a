#include "text/char_tokenizer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/chat.h"
#include "text/unicode.h"

#define N_CODE_POINTS 0x110000

static const char *const special[OD_CHAR_N_SPECIAL] = { "<pad>", "<bos>", "<eos>", "<unk>" };

/* seen[cp] = 1 for the characters of the text. */
static enum od_status
collect(const char *text, size_t n, uint8_t *seen, struct od_error *err)
{
	uint32_t cp;
	size_t k;

	if (n == 0)
		return od_fail(err, OD_EFORMAT, "there are no characters to make a vocabulary of");
	for (size_t i = 0; i < n; i += k) {
		k = od_utf8_decode(text + i, n - i, &cp);
		if (k == 0)
			return od_fail(err, OD_EFORMAT, "invalid UTF-8 at byte %zu", i);
		if (cp == 0)
			return od_fail(err, OD_EFORMAT, "a NUL at byte %zu: a vocabulary is made of text", i);
		seen[cp] = 1;
	}
	return OD_OK;
}

static void
put_added(struct od_buf *out)
{
	od_buf_str(out, " \"added_tokens\": [");
	for (int i = 0; i < OD_CHAR_N_SPECIAL; i++)
		od_buf_printf(out, "%s\n  {\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
			"\"normalized\": false, \"special\": true}", i ? "," : "", i, special[i]);
	od_buf_str(out, "\n ],\n");
}

static void
put_vocab(struct od_buf *out, const uint8_t *seen)
{
	int id = OD_CHAR_N_SPECIAL;
	char utf8[4];

	for (int i = 0; i < OD_CHAR_N_SPECIAL; i++)
		od_buf_printf(out, "%s\n   \"%s\": %d", i ? "," : "", special[i], i);
	for (uint32_t cp = 0; cp < N_CODE_POINTS; cp++) {
		if (!seen[cp])
			continue;
		od_buf_str(out, ",\n   ");
		od_buf_json_string(out, utf8, od_utf8_encode(cp, utf8));
		od_buf_printf(out, ": %d", id++);
	}
}

/* The decoder joins: without one, Hugging Face's tokenizers put a space between any two tokens. */
static void
put_tokenizer(struct od_buf *out, const uint8_t *seen)
{
	od_buf_str(out, "{\n \"version\": \"1.0\",\n \"truncation\": null,\n \"padding\": null,\n");
	put_added(out);
	od_buf_str(out, " \"normalizer\": null,\n \"pre_tokenizer\": null,\n \"post_processor\": null,\n"
		" \"decoder\": {\"type\": \"Fuse\"},\n"
		" \"model\": {\n  \"type\": \"BPE\", \"dropout\": null, \"unk_token\": \"<unk>\", \"continuing_subword_prefix\": null,\n"
		"  \"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false, \"ignore_merges\": false,\n"
		"  \"vocab\": {");
	put_vocab(out, seen);
	od_buf_str(out, "\n  },\n  \"merges\": []\n }\n}\n");
}

static void
put_config(struct od_buf *out)
{
	od_buf_str(out, "{\n \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n \"bos_token\": \"<bos>\",\n \"eos_token\": \"<eos>\",\n"
		" \"pad_token\": \"<pad>\",\n \"unk_token\": \"<unk>\",\n \"add_bos_token\": false,\n"
		" \"clean_up_tokenization_spaces\": false,\n \"chat_template\": ");
	od_buf_json_string(out, OD_CHAT_PLAIN_EOS, strlen(OD_CHAT_PLAIN_EOS));
	od_buf_str(out, "\n}\n");
}

enum od_status
od_char_tokenizer(const char *text, size_t n, struct od_buf *tokenizer, struct od_buf *config, struct od_error *err)
{
	uint8_t *seen = NULL;
	enum od_status st = od_alloc(&seen, N_CODE_POINTS, sizeof *seen, "a set of characters", err);

	if (st == OD_OK)
		st = collect(text, n, seen, err);
	if (st == OD_OK) {
		put_tokenizer(tokenizer, seen);
		put_config(config);
		if (!od_buf_ok(tokenizer) || !od_buf_ok(config))
			st = od_fail_nomem(err, "a tokenizer", tokenizer->len);
	}
	free(seen);
	return st;
}
