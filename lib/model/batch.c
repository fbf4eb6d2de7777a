#include "model/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A new entry of several parallel arrays: each grows on its own copy of the shared capacity. */
static bool
grow_all(void *const *arrays, int n, size_t *cap, size_t need)
{
	size_t grown = *cap;

	for (int i = 0; i < n; i++) {
		grown = *cap;
		if (!od_grow(arrays[i], &grown, need, sizeof(int32_t)))
			return false;
	}
	*cap = grown;
	return true;
}

static bool
make_room(struct od_batch *b, int64_t tokens, int64_t segments, int64_t scored)
{
	void *const per_token[] = { &b->ids, &b->pos };
	void *const per_segment[] = { &b->seg_start, &b->seg_len, &b->seg_parent };
	void *const per_row[] = { &b->row_token };
	void *const per_entry[] = { &b->entry_row, &b->entry_id, &b->entry_seq };

	return grow_all(per_token, 2, &b->cap_tokens, (size_t)(b->n_tokens + tokens)) &&
		grow_all(per_segment, 3, &b->cap_segments, (size_t)(b->n_segments + segments)) &&
		grow_all(per_row, 1, &b->cap_rows, (size_t)(b->n_rows + scored)) &&
		grow_all(per_entry, 3, &b->cap_entries, (size_t)(b->n_entries + scored));
}

/* A sequence's last token predicts nothing that is scored, so it is a target but never an input. */
static int32_t
input_len(const struct od_seq *s)
{
	return s->n > 0 ? s->n - 1 : 0;
}

/* Input tokens that all sequences begin with. */
static int32_t
shared_inputs(const struct od_seq *s, int n)
{
	int32_t k = 0, a = input_len(&s[0]), b = input_len(&s[n - 1]);

	while (k < (a > b ? a : b) && k < s[0].n && k < s[n - 1].n && s[0].ids[k] == s[n - 1].ids[k])
		k++;
	return k;
}

static int32_t
tail_len(const struct od_seq *s, int32_t shared)
{
	return input_len(s) > shared ? input_len(s) - shared : 0;
}

int64_t
od_tree_tokens(const struct od_seq *s, int n)
{
	int32_t shared = shared_inputs(s, n);

	return n == 1 ? shared : (int64_t)shared + tail_len(&s[0], shared) + tail_len(&s[1], shared);
}

int64_t
od_flat_tokens(const struct od_seq *s, int n)
{
	return n == 1 ? s[0].n : (int64_t)s[0].n + s[1].n;
}

static bool
is_scored(const struct od_seq *s, int32_t i)
{
	return i >= 1 && i < s->n && i >= s->first_scored && (!s->scored || s->scored[i]);
}

static int
add_segment(struct od_batch *b, const int32_t *ids, int32_t first, int32_t end, int parent)
{
	int s = b->n_segments++;

	b->seg_start[s] = (int32_t)b->n_tokens;
	b->seg_len[s] = end - first;
	b->seg_parent[s] = parent;
	for (int32_t i = first; i < end; i++) {
		b->ids[b->n_tokens] = ids[i];
		b->pos[b->n_tokens++] = i;
	}
	if (end > b->max_pos)
		b->max_pos = end;
	return s;
}

/* Token 't' of the batch stands at position i and so predicts position i + 1 of each sequence given. A token that scores
 * nothing gets no row. */
static void
add_entries(struct od_batch *b, int32_t t, int32_t i, const struct od_seq *seqs, int first, int end)
{
	bool any = false;

	for (int k = first; k < end; k++) {
		if (!is_scored(&seqs[k], i + 1))
			continue;
		if (!any)
			b->row_token[b->n_rows++] = t;
		any = true;
		b->entry_row[b->n_entries] = (int32_t)b->n_rows - 1;
		b->entry_id[b->n_entries] = seqs[k].ids[i + 1];
		b->entry_seq[b->n_entries++] = b->n_seqs + k;
	}
}

enum od_status
od_batch_add(struct od_batch *b, const struct od_seq *seqs, int n_seqs, struct od_error *err)
{
	int32_t shared = shared_inputs(seqs, n_seqs);
	int64_t tokens = od_tree_tokens(seqs, n_seqs);
	int trunk = -1;

	/* every token may score both sequences at most once each */
	if (!make_room(b, tokens, 3, 2 * tokens))
		return od_fail_nomem(err, "a batch", (unsigned long long)tokens * 40);
	if (shared > 0) {
		trunk = add_segment(b, seqs[0].ids, 0, shared, -1);
		for (int32_t i = 0; i < shared; i++)
			add_entries(b, b->seg_start[trunk] + i, i, seqs, 0, n_seqs);
	}
	for (int k = 0; n_seqs == 2 && k < 2; k++) {
		int tail;

		if (tail_len(&seqs[k], shared) == 0)
			continue;
		tail = add_segment(b, seqs[k].ids, shared, input_len(&seqs[k]), trunk);
		for (int32_t i = shared; i < input_len(&seqs[k]); i++)
			add_entries(b, b->seg_start[tail] + i - shared, i, seqs, k, k + 1);
	}
	b->n_seqs += n_seqs;
	b->n_trees++;
	return OD_OK;
}

enum od_status
od_batch_add_token(struct od_batch *b, int32_t id, int32_t pos, struct od_error *err)
{
	if (!make_room(b, 1, 0, 0))
		return od_fail_nomem(err, "a batch", (unsigned long long)(b->n_tokens + 1) * sizeof(int32_t));
	b->ids[b->n_tokens] = id;
	b->pos[b->n_tokens++] = pos;
	b->max_pos = pos + 1 > b->max_pos ? pos + 1 : b->max_pos;
	return OD_OK;
}

/* The row of a token among those from first_row on; a new one when it has none. */
static int32_t
row_of(struct od_batch *b, int64_t first_row, int32_t token)
{
	for (int64_t r = first_row; r < b->n_rows; r++)
		if (b->row_token[r] == token)
			return (int32_t)r;
	b->row_token[b->n_rows] = token;
	return (int32_t)b->n_rows++;
}

/* The entries of sequence k of a tree: positions before 'shared' lie in the trunk, whose rows all sequences share. */
static void
add_read_entries(struct od_batch *b, const struct od_read *r, int k, int32_t shared, int trunk, int tail, int64_t first_row)
{
	int64_t tail_row = -1;

	for (int32_t i = 0; i < r->n_at; i++) {
		bool in_trunk = r->at[i] < shared;
		int32_t token = in_trunk ? b->seg_start[trunk] + r->at[i] : b->seg_start[tail] + r->at[i] - shared;

		if (!in_trunk && tail_row < 0)
			tail_row = b->n_rows;
		b->entry_row[b->n_entries] = row_of(b, in_trunk ? first_row : tail_row, token);
		b->entry_id[b->n_entries] = 0;
		b->entry_seq[b->n_entries++] = b->n_seqs + k;
	}
}

enum od_status
od_batch_add_reads(struct od_batch *b, const struct od_read *reads, int n, int32_t shared, struct od_error *err)
{
	int64_t tokens = shared, rows = 0, first_row = b->n_rows;
	int trunk = -1;

	for (int k = 0; k < n; k++) {
		tokens += reads[k].n - shared;
		rows += reads[k].n_at;
	}
	if (!make_room(b, tokens, n + 1, rows))
		return od_fail_nomem(err, "a batch", (unsigned long long)tokens * 40);
	if (shared > 0)
		trunk = add_segment(b, reads[0].ids, 0, shared, -1);
	for (int k = 0; k < n; k++) {
		int tail = reads[k].n > shared ? add_segment(b, reads[k].ids, shared, reads[k].n, trunk) : -1;

		add_read_entries(b, &reads[k], k, shared, trunk, tail, first_row);
	}
	b->n_seqs += n;
	b->n_trees++;
	return OD_OK;
}

void
od_batch_sum(const struct od_batch *b, const float *logps, double *sums)
{
	for (int32_t s = 0; s < b->n_seqs; s++)
		sums[s] = 0;
	for (int64_t e = 0; e < b->n_entries; e++)
		sums[b->entry_seq[e]] += logps[e];
}

void
od_batch_spread(const struct od_batch *b, const double *seq_coef, float *coef)
{
	for (int64_t e = 0; e < b->n_entries; e++)
		coef[e] = (float)seq_coef[b->entry_seq[e]];
}

void
od_batch_clear(struct od_batch *b)
{
	b->n_tokens = b->n_rows = b->n_entries = 0;
	b->n_segments = b->n_seqs = b->n_trees = b->max_pos = 0;
}

void
od_batch_release(struct od_batch *b)
{
	free(b->ids);
	free(b->pos);
	free(b->seg_start);
	free(b->seg_len);
	free(b->seg_parent);
	free(b->row_token);
	free(b->entry_row);
	free(b->entry_id);
	free(b->entry_seq);
	*b = (struct od_batch)OD_BATCH_INIT;
}
