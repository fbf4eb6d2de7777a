/* treebank.h -- words as the Penn Treebank counts them: punctuation apart, "don't" as two, by the rules of NLTK's word
 * tokenizer, which works on one sentence at a time.
 */
#ifndef OD_TEXT_TREEBANK_H
#define OD_TEXT_TREEBANK_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct od_treebank;

OD_MUST_CHECK enum od_status od_treebank_new(struct od_treebank **out, struct od_error *err);
void od_treebank_free(struct od_treebank *t);      /* NULL is fine */

/* out := the sentence (valid UTF-8) with white space between its words; cleared first. t holds memory of the matching: one
 * thread at a time. */
OD_MUST_CHECK enum od_status od_treebank_words(struct od_treebank *t, const char *s, size_t n, struct od_buf *out,
	struct od_error *err);

#endif
