/* pair.h -- the preference record: what od-jsonl(5) calls a pair, an SFT record, and where their fields are found.
 *
 * Prompt, chosen and rejected may be strings or message lists; chosen/rejected may be whole dialogues that repeat the
 * prompt. Everything a struct od_pair points to is borrowed from the JSON record.
 */
#ifndef OD_PREF_PAIR_H
#define OD_PREF_PAIR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "io/jsonl.h"

/* Which members hold what; NULL members take the default name. Dotted paths are fine (od_json_path). */
struct od_field_map {
	const char *prompt, *chosen, *rejected, *weight;
};

/* The reference block "ref" of a record. Empty strings when absent. */
struct od_ref_info {
	char model[65], tokenizer[65], rules[128], numerics[128];
};

struct od_pair {
	const char *id;
	int64_t index, lineno;
	const json_t *prompt, *chosen, *rejected;              /* string or array of messages; rejected NULL: SFT record */
	const json_t *prompt_ids, *chosen_ids, *rejected_ids;  /* arrays of integers in place of text, or NULL */
	const json_t *messages;                                /* SFT dialogue, or NULL */
	double score_chosen, score_rejected;                   /* NaN when absent */
	double ref_chosen_logps, ref_rejected_logps;           /* NaN when absent */
	double policy_chosen_logps, policy_rejected_logps;     /* NaN when absent */
	double chosen_tokens, rejected_tokens;                 /* NaN when absent */
	double weight;                                         /* 1 when absent */
	bool has_ref_info;
	struct od_ref_info ref;
};

/* Reads a record. OD_EFORMAT ("field 'score_chosen' must be a number, not a string") for wrong types; what is absent is
 * NaN or NULL, and it is for the caller to say what it needs (od_pair_need_*). */
OD_MUST_CHECK enum od_status od_pair_read(struct od_pair *p, const struct od_record *rec, const struct od_field_map *map,
	struct od_error *err);

/* Each: OD_OK, or OD_EFORMAT naming the missing field. */
OD_MUST_CHECK enum od_status od_pair_need_text(const struct od_pair *p, bool rejected_too, struct od_error *err);
OD_MUST_CHECK enum od_status od_pair_need_scores(const struct od_pair *p, struct od_error *err);
OD_MUST_CHECK enum od_status od_pair_need_reference(const struct od_pair *p, struct od_error *err);

/* Why a well-formed pair may be left out by policy, counted and reported, exit code untouched. */
enum od_drop { OD_KEEP, OD_DROP_IDENTICAL, OD_DROP_EMPTY, OD_DROP_TOO_LONG, OD_DROP_INVERTED, OD_DROP_GAP, OD_N_DROPS };
extern const char *const od_drop_names[OD_N_DROPS];        /* "kept", "identical", "empty", "too long", ... */

/* The text of a response: the string itself, or the content of the last message of a list. NULL when it is neither. */
const char *od_pair_response(const json_t *response, size_t *len);

/* Whether responses are empty (nothing but white space) or identical (but for white space around them). rejected may be
 * NULL. Responses od_pair_response does not know are kept. */
enum od_drop od_pair_compare(const json_t *chosen, const json_t *rejected);

/* The same for texts: OD_KEEP, OD_DROP_EMPTY or OD_DROP_IDENTICAL. rejected may be NULL. */
enum od_drop od_pair_compare_texts(const char *chosen, size_t n_chosen, const char *rejected, size_t n_rejected);

#endif
