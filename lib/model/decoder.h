/* decoder.h -- a model one token at a time: the key/value cache, prompts into it, and steps of many sequences at once.
 *
 * CACHE. Keys and values lie in pages of OD_KV_PAGE tokens (kernels/backend.h), taken from a pool of fixed size when a prompt is
 * started and given back when its sequences end. Samples of one prompt share its full pages; what stands in the page it ends in
 * is kept once for each. A sequence gets all the pages it may ever need at the start: nothing has to be thrown out and computed
 * again later, which would change its bits.
 *
 * NUMERICS. A prompt without its last token runs as one packed batch through the products that od-ref uses; its last token and all
 * that follow run through the products of few rows (ops.def: dots). Both give a row the same bits whatever else is in the batch, so
 * what a sequence's logits are depends on its own tokens alone: not on other sequences, their number, or when they began.
 */
#ifndef OD_MODEL_DECODER_H
#define OD_MODEL_DECODER_H

#include "base/error.h"
#include "model/engine.h"

struct od_decoder;

/* Room for max_seqs sequences at a time and cache_tokens tokens in the cache (rounded up to whole pages). */
OD_MUST_CHECK enum od_status od_decoder_open(struct od_decoder **out, const struct od_model *m, int32_t max_seqs, int64_t cache_tokens,
	struct od_error *err);
void od_decoder_close(struct od_decoder *d);       /* NULL is fine */

/* Pages that a prompt of n tokens with so many samples of at most max_new tokens takes, and those that are free. */
int64_t od_decoder_pages(int32_t n, int32_t samples, int64_t max_new);
int64_t od_decoder_free_pages(const struct od_decoder *d);
int32_t od_decoder_free_seqs(const struct od_decoder *d);

/* A prompt to start; seq[samples] receives the numbers of its sequences. */
struct od_prompt {
	const int32_t *ids;                        /* [n], n >= 1 */
	int32_t n, samples;
	int64_t max_new;
	int32_t *seq;
};

/* Runs prompts, without their last tokens, in one batch. The caller has made sure of room. The first step of each of their
 * sequences feeds the prompt's last token. OD_EFORMAT for ids outside the vocabulary. */
OD_MUST_CHECK enum od_status od_decoder_start(struct od_decoder *d, const struct od_prompt *prompts, int n, struct od_error *err);

/* One token more of each of n distinct sequences: ids[n] are fed, *logits is [n, vocabulary] in host memory, the caller's to change
 * until the next call; before the soft-cap that od_model_config.final_softcap asks for. */
OD_MUST_CHECK enum od_status od_decoder_step(struct od_decoder *d, const int32_t *seq, const int32_t *ids, int32_t n, float **logits,
	struct od_error *err);

/* Gives a sequence's pages back. */
void od_decoder_end(struct od_decoder *d, int32_t seq);

#endif
