/* added.h -- added tokens: texts that are found in the input before anything else happens to it.
 *
 * Where several match, the leftmost wins, then the longest. Flags as in tokenizer.json:
 *   single_word  no match next to a word character
 *   lstrip, rstrip  the match swallows white space before, after it
 *   normalized   looked for in the normalised text (and itself normalised), else in the text as given
 *   special      looked for only when the caller parses special tokens
 * A token that is not special is looked for always if the model's vocabulary has it too (SentencePiece's
 * user-defined pieces); one that only the list of added tokens has is no ordinary text either.
 */
#ifndef OD_TEXT_ADDED_H
#define OD_TEXT_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct od_added_token {
	int32_t id;
	char *content;
	size_t len;
	bool special, lstrip, rstrip, single_word, normalized;
	bool in_model;                     /* the model's vocabulary has it too */
};

/* A trie of texts; node 0 is the root. */
struct od_trie_node {
	unsigned char byte;
	int32_t child, sibling;            /* -1: none */
	int32_t value;                     /* index of the token that ends here, -1: none */
};

struct od_trie {
	struct od_trie_node *node;
	size_t n, cap;
	int32_t first[256];                /* child of the root by byte */
};

#define OD_TRIE_INIT { NULL, 0, 0, { 0 } }

/* Adds a text of at least one byte; a text that is there keeps its value. */
OD_MUST_CHECK enum od_status od_trie_add(struct od_trie *t, const char *text, size_t n, int32_t value,
	struct od_error *err);
/* The value of the longest text that begins at s (its length in *len), -1 when none does. */
int32_t od_trie_match(const struct od_trie *t, const char *s, size_t n, size_t *len);
void od_trie_release(struct od_trie *t);

/* The next token in text at or after 'from' that counts: its index (-1: none), its bytes [*start, *end) with
 * the white space its flags swallow, never before 'from'. */
int32_t od_added_next(const struct od_added_token *tokens, const struct od_trie *t, const char *text,
	size_t n, size_t from, bool parse_special, size_t *start, size_t *end);

#endif
