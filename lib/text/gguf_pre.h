/* gguf_pre.h -- what the names of tokenizer.ggml.pre stand for. */
#ifndef OD_TEXT_GGUF_PRE_H
#define OD_TEXT_GGUF_PRE_H

#include <stdbool.h>

#include "base/buf.h"
#include "text/tokenizer_impl.h"

struct od_gguf_pre {
	const char *name;
	const char *first;                 /* pattern of a split before the main one, NULL: none */
	const char *main;                  /* pattern of the main split */
	bool nfc, ignore_merges, bos;      /* bos: texts begin with BOS unless the file says otherwise */
};

extern const char *const od_gguf_pre_names;                            /* "gpt-2, ..." for messages */
const struct od_gguf_pre *od_gguf_pre_find(const char *name);          /* NULL when unknown */
const struct od_gguf_pre *od_gguf_pre_of(const struct od_tokenizer *t);/* NULL when it has no name */

/* Appends the pre_tokenizer object. */
void od_gguf_pre_json(const struct od_gguf_pre *p, struct od_buf *out);

#endif
