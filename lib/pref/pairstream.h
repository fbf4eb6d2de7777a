/* pairstream.h -- tokenised pairs as a binary stream: what od-ref --tensors writes, od-train reads, and od-train spools.
 *
 * The stream is a sequence of safetensors images (od-jsonl(5), section binary). Each holds up to OD_PAIRSTREAM_BLOCK
 * pairs: `ids` I32 [total], `lengths` I32 [n,3] (prompt, chosen, rejected), `scored` U8 [total] when some response
 * tokens do not count, `scored_tokens` I32 [n,2], `scores` F64 [n,2], `ref_logps` F64 [n,2], `weight` F64 [n] (absent = NaN), `ref_token_logps`
 * F32 [scored tokens] with --per-token, `id` U8 blob + `id_end` I32 [n]. Metadata of each image: "od_pairs":"1" and the
 * reference block. The last image has no tensors and metadata "records":"N".
 */
#ifndef OD_PREF_PAIRSTREAM_H
#define OD_PREF_PAIRSTREAM_H

#include <stdint.h>

#include "base/error.h"
#include "io/stream.h"
#include "pref/pair.h"
#include "pref/rules.h"

#define OD_PAIRSTREAM_BLOCK 256

/* A pair ready for training: tokens and numbers, no text. Pointers are valid as the functions below say. */
struct od_token_pair {
	const char *id;
	const int32_t *ids;
	const uint8_t *scored;                     /* NULL: every response token */
	int32_t n_prompt, n_chosen, n_rejected, scored_chosen, scored_rejected;
	double score_chosen, score_rejected, ref_chosen_logps, ref_rejected_logps, weight;
	const float *ref_token_logps;              /* [scored_chosen + scored_rejected] or NULL */
};

struct od_pairstream_writer;
OD_MUST_CHECK enum od_status od_pairstream_create(struct od_pairstream_writer **w, struct od_out *out,
	const struct od_ref_info *ref, struct od_error *err);
OD_MUST_CHECK enum od_status od_pairstream_put(struct od_pairstream_writer *w, const struct od_token_pair *p,
	struct od_error *err);
/* Writes what is left and, when ok, the closing image with the count. Closes out, frees. */
enum od_status od_pairstream_finish(struct od_pairstream_writer *w, int ok, struct od_error *err);

struct od_pairstream_reader;
/* Reads sequentially. A stream without its closing image, or with another count, is OD_ETRUNC. */
OD_MUST_CHECK enum od_status od_pairstream_open(struct od_pairstream_reader **r, struct od_in *in, struct od_error *err);
OD_MUST_CHECK enum od_status od_pairstream_next(struct od_pairstream_reader *r, struct od_token_pair *p, struct od_error *err);
const struct od_ref_info *od_pairstream_ref(const struct od_pairstream_reader *r);   /* after the first next */
void od_pairstream_close(struct od_pairstream_reader *r);

/* Random access to a finished stream in a file (the spool): the file is mapped and indexed once. */
struct od_pairfile;
OD_MUST_CHECK enum od_status od_pairfile_open(struct od_pairfile **f, const char *path, struct od_error *err);
int64_t od_pairfile_count(const struct od_pairfile *f);
void od_pairfile_get(const struct od_pairfile *f, int64_t i, struct od_token_pair *p);   /* valid until close */
const struct od_ref_info *od_pairfile_ref(const struct od_pairfile *f);
void od_pairfile_close(struct od_pairfile *f);

#endif
