/* batch.h -- sequences packed for the engine: each preference pair one tree, no padding anywhere.
 *
 * A pair's two sequences (prompt + chosen, prompt + rejected) share their longest common token prefix, which is stored
 * and computed once; the tails follow it. The last token of a sequence is only ever a target, so it takes no place. Scored positions become entries (row, token id, side): row is the index into
 * the list of hidden rows the LM head runs on, entry order is ascending by row within the whole batch.
 *
 * A batch may instead be of reads: sequences whose hidden states are wanted at some positions (od_engine_hidden, reward models).
 * Then every token takes a place, and a tree may have any number of sequences.
 */
#ifndef OD_MODEL_BATCH_H
#define OD_MODEL_BATCH_H

#include <stdint.h>

#include "base/error.h"
#include "kernels/backend.h"

/* One sequence to score. ids[n]; position i >= 1 is scored when i >= first_scored and (scored == NULL or scored[i]). */
struct od_seq {
	const int32_t *ids;
	int32_t n, first_scored;
	const uint8_t *scored;
};

struct od_batch {
	int32_t *ids, *pos;                        /* [n_tokens] */
	int32_t *seg_start, *seg_len, *seg_parent; /* [n_segments] */
	int32_t *row_token;                        /* [n_rows] token whose hidden state is scored; ascending but for reads */
	int32_t *entry_row, *entry_id, *entry_seq; /* [n_entries] entry_seq: index of the sequence it belongs to */
	int64_t n_tokens, n_rows, n_entries;
	int32_t n_segments, n_seqs, n_trees;
	int32_t max_pos;                           /* largest position + 1 */
	size_t cap_tokens, cap_segments, cap_rows, cap_entries;
};

#define OD_BATCH_INIT { 0 }

/* Appends a tree of one or two sequences that start alike. Sequence numbers count up from 0 in the order given. */
OD_MUST_CHECK enum od_status od_batch_add(struct od_batch *b, const struct od_seq *seqs, int n_seqs, struct od_error *err);

/* Appends a token at a position, of no tree: a step of generation, whose past lies in pages. */
OD_MUST_CHECK enum od_status od_batch_add_token(struct od_batch *b, int32_t id, int32_t pos, struct od_error *err);

/* One sequence to read at positions at[n_at], each once. */
struct od_read {
	const int32_t *ids;
	int32_t n;
	const int32_t *at;
	int32_t n_at;
};

/* Appends a tree of n sequences to read: their first 'shared' tokens, the same in all, stand once, and the tails follow. The
 * caller says where they part, so that what is read of one does not depend on which others stand beside it. Each read position
 * becomes an entry (row, 0, sequence); those of a sequence follow each other in the order of its 'at'. A batch has either reads
 * or scored sequences. */
OD_MUST_CHECK enum od_status od_batch_add_reads(struct od_batch *b, const struct od_read *reads, int n, int32_t shared,
	struct od_error *err);

/* Tokens a tree takes in the batch: the shared prefix once, then the tails, without each sequence's last. */
int64_t od_tree_tokens(const struct od_seq *seqs, int n_seqs);
/* Tokens of the same sequences one by one, as trainers that pad count them. */
int64_t od_flat_tokens(const struct od_seq *seqs, int n_seqs);

/* sums[n_seqs] = sum of logps over each sequence's entries, in double, in token order: one place, so that a reference and a
 * policy pass add in the same order. */
void od_batch_sum(const struct od_batch *b, const float *logps, double *sums);

/* coef[n_entries] from one coefficient a sequence (d loss / d summed log-prob). */
void od_batch_spread(const struct od_batch *b, const double *seq_coef, float *coef);

void od_batch_clear(struct od_batch *b);
void od_batch_release(struct od_batch *b);

#endif
