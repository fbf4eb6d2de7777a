/* gguf_tokenizer.h -- the tokenizer of a GGUF file as tokenizer.json and tokenizer_config.json, and back.
 *
 * A GGUF file stores a vocabulary as plain arrays (keys tokenizer.ggml.*) and names its pre-tokeniser instead
 * of writing it down; this turns the one form into the other. It knows nothing of the file format itself:
 * lib/io/gguf.h reads and writes the arrays.
 *
 *   key                                  member        key                                   member
 *   tokenizer.ggml.model                 model         tokenizer.ggml.bos_token_id           bos
 *   tokenizer.ggml.pre                   pre           tokenizer.ggml.eos_token_id           eos
 *   tokenizer.ggml.tokens                tokens        tokenizer.ggml.unknown_token_id       unk
 *   tokenizer.ggml.token_type            types         tokenizer.ggml.padding_token_id       pad
 *   tokenizer.ggml.merges                merges        tokenizer.ggml.add_bos_token          add_bos
 *   tokenizer.ggml.scores                scores        tokenizer.ggml.add_space_prefix       add_space_prefix
 *   tokenizer.chat_template              chat_template
 */
#ifndef OD_TEXT_GGUF_TOKENIZER_H
#define OD_TEXT_GGUF_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "text/tokenizer.h"

/* Values of tokenizer.ggml.token_type. */
enum od_gguf_token_type {
	OD_GGUF_NORMAL = 1, OD_GGUF_UNKNOWN = 2, OD_GGUF_CONTROL = 3, OD_GGUF_USER_DEFINED = 4,
	OD_GGUF_UNUSED = 5, OD_GGUF_BYTE = 6
};

struct od_gguf_text {
	const char *s;                     /* n bytes, no NUL needed */
	size_t n;
};

struct od_gguf_vocab {
	const char *model;                 /* "gpt2" (byte-level BPE) or "llama" (SentencePiece style) */
	const char *pre;                   /* "smollm", "gpt-2", "llama-bpe", "qwen2", ...; NULL when absent */
	const struct od_gguf_text *tokens; /* [n_tokens], the index is the id */
	size_t n_tokens;
	const int32_t *types;              /* [n_tokens] or NULL: all normal */
	const struct od_gguf_text *merges; /* [n_merges] "left right", best first; none for "llama" */
	size_t n_merges;
	const float *scores;               /* [n_tokens] or NULL; needed by "llama" */
	int64_t bos, eos, unk, pad;        /* ids; -1: absent */
	int add_bos;                       /* 0, 1; -1: absent */
	int add_space_prefix;              /* 0, 1; -1: absent */
	const char *chat_template;         /* NULL when absent */
};

#define OD_GGUF_VOCAB_INIT { NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, -1, -1, -1, -1, -1, -1, NULL }

/* Appends the text of tokenizer.json to json and of tokenizer_config.json to config. OD_ESUPPORT naming a
 * model or pre-tokeniser that is not known, OD_EFORMAT for ids beyond the vocabulary, missing scores, invalid
 * UTF-8. */
OD_MUST_CHECK enum od_status od_gguf_tokenizer_json(const struct od_gguf_vocab *v, struct od_buf *json,
	struct od_buf *config, struct od_error *err);

/* The way back: the arrays of a loaded tokenizer, for writing a GGUF file. *out points into *store, and both
 * into t (model, template); release the store when done. OD_ESUPPORT when the pre-tokeniser has no name in
 * GGUF files. Ids that the tokenizer leaves empty become "[PADn]" of type unused; n_tokens is max(size of t,
 * 'least'). */
struct od_gguf_vocab_store;
OD_MUST_CHECK enum od_status od_gguf_vocab_of(struct od_gguf_vocab *out, struct od_gguf_vocab_store **store,
	const struct od_tokenizer *t, size_t least, struct od_error *err);
void od_gguf_vocab_release(struct od_gguf_vocab_store *store);    /* NULL is fine */

#endif
