/* vocab.h -- a vocabulary: pieces by id and ids by piece. Pieces are byte strings as tokenizer.json spells
 * them (byte letters, "<0x0A>", ...). Ids may leave holes; every id and every piece occurs once. */
#ifndef OD_TEXT_VOCAB_H
#define OD_TEXT_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define OD_VOCAB_NONE UINT32_MAX           /* offset of an id without a piece */

struct od_vocab {
	struct od_buf text;                /* all pieces, a NUL after each */
	uint32_t *offset, *len;            /* [n_ids]; offset OD_VOCAB_NONE: a hole */
	size_t n_ids, cap_offset, cap_len; /* largest id + 1 */
	int32_t *slot;                     /* [n_slots] id or -1: open addressing, n_slots a power of two */
	size_t n_slots, n_pieces;
};

#define OD_VOCAB_INIT { OD_BUF_INIT, NULL, NULL, 0, 0, 0, NULL, 0, 0 }

/* Adds a piece. OD_EFORMAT when the id or the piece is taken (a piece may be added again with its own id). */
OD_MUST_CHECK enum od_status od_vocab_add(struct od_vocab *v, int32_t id, const char *piece, size_t n,
	struct od_error *err);

int32_t od_vocab_find(const struct od_vocab *v, const char *piece, size_t n);      /* -1 when not there */
const char *od_vocab_piece(const struct od_vocab *v, int32_t id, size_t *n);       /* NULL when there is none; n may be NULL */
void od_vocab_release(struct od_vocab *v);

#endif
