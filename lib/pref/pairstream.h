/* pairstream.h -- tokenised pairs as a binary stream: what od-ref --tensors writes, od-train reads, and od-train spools.
 *
 * The stream is a sequence of safetensors images (od-jsonl(5), section binary). Each holds up to OD_PAIRSTREAM_BLOCK
 * pairs, n of them with 'total' tokens:
 *
 *   scores         F64 [n,2]       chosen, rejected; NaN = absent (the tensor itself may be missing too)
 *   ref_logps      F64 [n,2]       as scores
 *   weight         F64 [n]         as scores; absent counts as 1
 *   lengths        I32 [n,3]       tokens of prompt, chosen, rejected (0: an SFT record)
 *   scored_tokens  I32 [n,2]       how many of the response tokens count
 *   id_end         I32 [n]         end of each id in the blob 'id', its NUL included
 *   ids            I32 [total]     prompt | chosen | rejected of each pair
 *   ref_token_logps F32 [sum of scored_tokens]   with --per-token
 *   scored         U8  [total]     1 where a token counts; missing when every response token does
 *   id             U8              ids with a NUL after each, then zeros up to a multiple of 8 bytes
 *
 * Metadata of each image: "od_pairs":"1" and the reference block as "ref_model", "ref_tokenizer", "ref_rules",
 * "ref_numerics". The last image has no tensors and metadata "records":"N". Streams may follow one another when their
 * reference blocks agree. Everything is checked before a pair is handed out: a hostile stream gives OD_EFORMAT or
 * OD_ETRUNC, never a fault.
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
/* Owns out from here on, also when it fails. ref may be NULL. */
OD_MUST_CHECK enum od_status od_pairstream_create(struct od_pairstream_writer **w, struct od_out *out,
	const struct od_ref_info *ref, struct od_error *err);
OD_MUST_CHECK enum od_status od_pairstream_put(struct od_pairstream_writer *w, const struct od_token_pair *p,
	struct od_error *err);
/* Writes what is left and, when ok, the closing image with the count. Closes out, frees. NULL is fine. */
enum od_status od_pairstream_finish(struct od_pairstream_writer *w, int ok, struct od_error *err);

struct od_pairstream_reader;
/* Reads sequentially; owns in from here on, also when it fails. A stream without its closing image, or with another
 * count, is OD_ETRUNC. */
OD_MUST_CHECK enum od_status od_pairstream_open(struct od_pairstream_reader **r, struct od_in *in, struct od_error *err);
/* The next pair, valid until the next call; OD_EOF after the last. */
OD_MUST_CHECK enum od_status od_pairstream_next(struct od_pairstream_reader *r, struct od_token_pair *p,
	struct od_error *err);
const struct od_ref_info *od_pairstream_ref(const struct od_pairstream_reader *r);   /* after the first next */
void od_pairstream_close(struct od_pairstream_reader *r);

/* Random access to a finished stream in a file (the spool): the file is mapped, checked and indexed once; 8 bytes a
 * pair stay in memory. */
struct od_pairfile;
OD_MUST_CHECK enum od_status od_pairfile_open(struct od_pairfile **f, const char *path, struct od_error *err);
int64_t od_pairfile_count(const struct od_pairfile *f);
void od_pairfile_get(const struct od_pairfile *f, int64_t i, struct od_token_pair *p);   /* valid until close */
/* Pages that have been read are the system's again; what get handed out stays valid, and is read anew when touched. */
void od_pairfile_forget(const struct od_pairfile *f);
const struct od_ref_info *od_pairfile_ref(const struct od_pairfile *f);
void od_pairfile_close(struct od_pairfile *f);

#endif
