/* tokenizer_impl.h -- the inside of struct od_tokenizer, shared by the files that read, run and export it.
 *
 * A text goes through: added tokens in the text as given -> normaliser -> added tokens in the normalised text
 * -> pre-tokeniser -> byte-pair encoding of each piece, remembered per piece.
 */
#ifndef OD_TEXT_TOKENIZER_IMPL_H
#define OD_TEXT_TOKENIZER_IMPL_H

#include <pthread.h>

#include "base/hash.h"
#include "text/added.h"
#include "text/bpe.h"
#include "text/pretok.h"
#include "text/tokenizer.h"

/* How a piece becomes bytes. */
struct od_decoder {
	bool byte_letters;                 /* letters stand for bytes */
	bool byte_names;                   /* "<0x0A>" is a byte */
	char space[8];                     /* what stands for a space, "" when nothing does */
};

struct od_tokenizer {
	struct od_bpe bpe;
	struct od_steps normalizer, pre_tokenizer;
	struct od_added_token *added;
	size_t n_added, cap_added;
	int32_t *added_of;                 /* [vocab.n_ids] index into added, or -1 */
	struct od_trie raw, normalized;    /* values are indices into added */
	struct od_decoder decoder;
	int32_t bos, eos, pad;             /* -1: none */
	bool adds_bos, has_post_bos;
	char *chat_template;
	char *normalizer_text, *pre_tokenizer_text;    /* their JSON, keys sorted */
	char hash[OD_HASH_HEX];
	struct od_pool *pool;              /* scratches that wait for the next encoder; has its own lock */
};

/* Memory of one call of od_tokenizer_encode, kept for the next. */
OD_MUST_CHECK enum od_status od_pool_new(struct od_pool **out, struct od_error *err);
void od_pool_free(struct od_pool *p);                      /* NULL is fine */

/* Ends the loading: tables, tries, hash. */
OD_MUST_CHECK enum od_status od_tokenizer_finish(struct od_tokenizer *t, struct od_error *err);

#endif
