/* bpe.h -- byte-pair encoding of one word (a piece of text the pre-tokeniser has cut off).
 *
 * A word starts as its characters; while any neighbouring pair has a merge, the pair whose merge was learnt
 * first is joined, the leftmost of equals. Candidates wait in a heap and symbols in a linked list, so a word
 * of n characters takes O(n log n): SentencePiece-style tokenizers hand over a whole text as one word.
 *
 * A character outside the vocabulary becomes its bytes "<0xNN>" where the tokenizer has them, else the
 * unknown token (a run of them one such token under fuse_unk), else nothing.
 */
#ifndef OD_TEXT_BPE_H
#define OD_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

struct od_merge {
	int32_t left, right, joined;
	uint32_t rank;
};

struct od_bpe {
	struct od_vocab vocab;
	struct od_merge *merge;            /* [n_slots], joined < 0: empty */
	size_t n_slots, n_merges;
	int32_t byte_id[256];              /* of "<0xNN>", -1 when not in the vocabulary */
	int32_t ascii_id[128];             /* of one-character pieces, -1 */
	int32_t unk;                       /* -1: none */
	bool byte_fallback, fuse_unk, ignore_merges;
};

void od_bpe_init(struct od_bpe *b);
void od_bpe_release(struct od_bpe *b);

/* Makes room for n merges; then adds each. A pair that is added twice takes the later rank. OD_EFORMAT when
 * the joined piece is not in the vocabulary. */
OD_MUST_CHECK enum od_status od_bpe_reserve(struct od_bpe *b, size_t n, struct od_error *err);
OD_MUST_CHECK enum od_status od_bpe_add_merge(struct od_bpe *b, uint32_t rank, int32_t left, int32_t right,
	struct od_error *err);

/* Fills the tables of single bytes and characters; call it when the vocabulary is complete. */
void od_bpe_finish(struct od_bpe *b);

struct od_symbol {
	int32_t id, prev, next;            /* id < 0: joined into the symbol before */
};

struct od_candidate {
	uint32_t rank;
	int32_t at;
};

/* Memory of one encoder, reused from word to word. */
struct od_bpe_scratch {
	struct od_symbol *symbol;
	struct od_candidate *heap;
	size_t n_symbols, cap_symbols, n_heap, cap_heap;
};

#define OD_BPE_SCRATCH_INIT { NULL, NULL, 0, 0, 0, 0 }
void od_bpe_scratch_release(struct od_bpe_scratch *s);

/* Appends the ids of a word (valid UTF-8, n < 2^30). */
OD_MUST_CHECK enum od_status od_bpe_word(const struct od_bpe *b, struct od_bpe_scratch *s, const char *word,
	size_t n, struct od_ids *out, struct od_error *err);

OD_MUST_CHECK enum od_status od_ids_add(struct od_ids *ids, int32_t id, struct od_error *err);

#endif
