/* window.h -- a bounded window of records on their way through a model: read, tokenised, kept with their original bytes
 * until the log-probs are there. What od-ref and od-eval share.
 */
#ifndef OD_PREF_WINDOW_H
#define OD_PREF_WINDOW_H

#include <stdint.h>

#include "base/error.h"
#include "io/jsonl.h"
#include "pref/logps.h"
#include "pref/pair.h"
#include "pref/pairstream.h"
#include "pref/rules.h"

struct od_window_item {
	char *line;                                /* the record's bytes */
	size_t len;
	char id[128];
	struct od_pair numbers;                    /* scores, log-probs, weight, ref; its JSON pointers are NULL */
	struct od_pair_tokens tokens;
	struct od_token_pair pair;                 /* views into tokens */
	struct od_pair_logps logps;                /* filled by od_window_score; token_logps owned by the window */
};

struct od_window {
	struct od_window_item *items;              /* [n] in input order */
	int64_t n;
	int64_t max_pairs, max_tokens, max_bytes;  /* bounds: the window closes at the first one reached */
	bool sft;                                  /* records without a rejected side are fine */
	bool per_token;
	int64_t dropped[OD_N_DROPS];               /* left out by policy since the start, by reason */
	int64_t tokens, bytes;
	size_t cap;

	/* Called, when set, with every record before it is tokenised: for what a tool asks of records beyond their text.
	 * OD_EFORMAT makes the record a bad one; any other failure ends the reading. */
	enum od_status (*check)(void *ctx, const struct od_pair *p, struct od_error *err);
	void *check_ctx;
};

/* Bounds that keep batches full and memory small. */
#define OD_WINDOW_INIT { NULL, 0, 256, 65536, (int64_t)64 << 20, false, false, { 0 }, 0, 0, 0, NULL, NULL }

/* Reads records into an emptied window until it is full. OD_EOF when the input is at its end and nothing was read.
 * Unusable records go through od_jsonl_reject. */
OD_MUST_CHECK enum od_status od_window_fill(struct od_window *w, struct od_jsonl *in, const struct od_rules *rules,
	const struct od_field_map *map, struct od_error *err);

/* Log-probs of everything in the window. */
OD_MUST_CHECK enum od_status od_window_score(struct od_window *w, struct od_engine *e, int64_t batch_tokens,
	od_logps_progress *progress, void *ctx, struct od_error *err);

void od_window_release(struct od_window *w);

/* A pair of tokens and numbers from a record and its tokens (both borrowed). */
struct od_token_pair od_token_pair_of(const struct od_pair *p, const struct od_pair_tokens *t);

#endif
