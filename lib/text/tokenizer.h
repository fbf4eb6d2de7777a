/* tokenizer.h -- text to token ids exactly as the model's own tokenizer.json prescribes, and back.
 *
 * Covers the BPE tokenizers of the supported families: byte-level BPE with the file's own pre-tokeniser
 * patterns (run by PCRE2 as published), digit splitting, NFC and the other normalisers those files use, added
 * and special tokens, ignore_merges, and SentencePiece-style BPE with byte fallback (Gemma). A component this
 * project does not know is OD_ESUPPORT naming it; a malformed or incomplete file is OD_EFORMAT.
 * A loaded tokenizer may be shared by threads: encoding keeps what it remembers in a pool with a lock.
 */
#ifndef OD_TEXT_TOKENIZER_H
#define OD_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"

struct od_tokenizer;

struct od_ids {
	int32_t *id;
	size_t n, cap;
};

#define OD_IDS_INIT { NULL, 0, 0 }
void od_ids_release(struct od_ids *ids);

/* The files a tokenizer may consist of, for those who copy one; NULL-terminated. */
extern const char *const od_tokenizer_files[];

/* tokenizer.json (required) and tokenizer_config.json (for bos/eos names and the template; may be absent) of
 * a model directory. */
OD_MUST_CHECK enum od_status od_tokenizer_open(struct od_tokenizer **out, const char *dir,
	struct od_error *err);

/* From the texts themselves; config may be NULL. 'name' is for messages. For tests, fuzzing and
 * conversion. */
OD_MUST_CHECK enum od_status od_tokenizer_parse(struct od_tokenizer **out, const char *json, size_t len,
	const char *config, size_t config_len, const char *name, struct od_error *err);
void od_tokenizer_close(struct od_tokenizer *t);

/* Appends the ids of text (valid UTF-8, n bytes). No BOS or EOS is added by itself. parse_special: texts of
 * special tokens in the input become those tokens; otherwise they are ordinary text, and so are added tokens
 * that the model's own vocabulary lacks. OD_EFORMAT for invalid UTF-8; what was appended before a failure
 * stays. */
OD_MUST_CHECK enum od_status od_tokenizer_encode(const struct od_tokenizer *t, const char *text, size_t n,
	bool parse_special, struct od_ids *out, struct od_error *err);

/* Appends the bytes of an id to out; special tokens as their text unless skip_special. Unknown ids append
 * nothing. */
void od_tokenizer_decode(const struct od_tokenizer *t, int32_t id, bool skip_special, struct od_buf *out);

int32_t od_tokenizer_id(const struct od_tokenizer *t, const char *token);     /* -1 when not in the vocabulary */
const char *od_tokenizer_piece(const struct od_tokenizer *t, int32_t id);     /* as in the file; NULL when unknown */
bool od_tokenizer_is_special(const struct od_tokenizer *t, int32_t id);
int32_t od_tokenizer_size(const struct od_tokenizer *t);                      /* largest id + 1 */
int32_t od_tokenizer_bos(const struct od_tokenizer *t);                       /* -1: none */
int32_t od_tokenizer_eos(const struct od_tokenizer *t);                       /* -1: none */
bool od_tokenizer_adds_bos(const struct od_tokenizer *t);                     /* post-processor or add_bos_token puts one */
const char *od_tokenizer_chat_template(const struct od_tokenizer *t);         /* text from the config; NULL when absent */
const char *od_tokenizer_hash(const struct od_tokenizer *t);                  /* SHA-256 hex of vocabulary, merges, rules */

#endif
