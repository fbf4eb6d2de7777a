/* char_tokenizer.h -- a tokenizer whose tokens are single characters, for models that are trained from scratch on small alphabets.
 *
 * Ids: <pad> 0, <bos> 1, <eos> 2, <unk> 3, then the characters in order of their code points, so the same characters give
 * the same bytes. tokenizer.json is a BPE without merges, which this project and Hugging Face's tokenizers read alike;
 * characters outside the alphabet become <unk>. No BOS is put in front. The chat template is plain-eos (chat.h).
 */
#ifndef OD_TEXT_CHAR_TOKENIZER_H
#define OD_TEXT_CHAR_TOKENIZER_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

#define OD_CHAR_N_SPECIAL 4

/* Appends tokenizer.json to 'tokenizer' and tokenizer_config.json to 'config', with the distinct characters of text (n bytes of UTF-8).
 * OD_EFORMAT for invalid UTF-8, a NUL, or no character at all. */
OD_MUST_CHECK enum od_status od_char_tokenizer(const char *text, size_t n, struct od_buf *tokenizer, struct od_buf *config,
	struct od_error *err);

#endif
