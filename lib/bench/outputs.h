/* outputs.h -- what a model has said to a benchmark's items, as records that somebody stored: which item each is of, and what it says.
 *
 * ITEMS form a roster: each has an id, unique, and a prompt. An output names its item by id, by prompt, or by both, which must agree.
 * An output of no item and a second one of the same item are OD_EFORMAT. Where a benchmark asks one prompt twice, outputs without an
 * id are taken in the items' order.
 *
 * ANSWERS. An output has `response`, a string, or `responses`, a list of {text, tokens?, finish_reason?}, several samples, as
 * od-sample writes them; other people's names are `text`, `output`, `completion` (strings) and `code` (a list of strings). The first
 * that is there counts. A null, and a list without elements, are OD_EFORMAT: a model that said nothing has said "".
 *
 * Texts are borrowed: an answer's from the output, an item's (prompt) from whoever adds it.
 */
#ifndef OD_BENCH_OUTPUTS_H
#define OD_BENCH_OUTPUTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* ---- items -------------------------------------------------------------------------------------------------------------- */

enum { OD_ITEM_ID = 128 };

/* An id as text: an integer or a string that is not empty and fits. False for anything else. */
bool od_item_id(const json_t *v, char id[OD_ITEM_ID]);

struct od_roster_item {
	char id[OD_ITEM_ID];
	const char *prompt;
	size_t next;                               /* the next item of this prompt, or SIZE_MAX */
	bool seen;                                 /* an output has been found for it */
	bool left_out;                             /* it is no part of the run, and not missed; the caller's */
};

struct od_roster {
	const char *id_name, *noun;                /* for messages: "key", "prompts" */
	bool repeats;                              /* prompts may be there twice */
	struct od_roster_item *item;               /* [n] in the order of adding */
	size_t n, cap;
	json_t *by_id, *by_prompt;                 /* text to index, of a prompt the first */
};

OD_MUST_CHECK enum od_status od_roster_init(struct od_roster *r, const char *id_name, const char *noun, bool repeats,
	struct od_error *err);
OD_MUST_CHECK enum od_status od_roster_add(struct od_roster *r, const char *id, const char *prompt, struct od_error *err);
void od_roster_release(struct od_roster *r);

/* *i: the item an output belongs to, which has none so far, by id, prompt or both (NULL: not said). What is marked as seen is the
 * caller's affair, for the output may be unusable. */
OD_MUST_CHECK enum od_status od_roster_find(const struct od_roster *r, const char *id, const char *prompt, size_t *i,
	struct od_error *err);

/* How many items have no output; names: the first few ids of them, for people. */
size_t od_roster_missing(const struct od_roster *r, struct od_buf *names);

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

struct od_said {
	const char *text;
	size_t len;
	double tokens;                             /* NaN: not known */
	const char *finish;                        /* "stop", "length", ...; NULL: not known */
};

/* How many answers an output has, at least one. */
OD_MUST_CHECK enum od_status od_output_count(const json_t *output, size_t *n, struct od_error *err);

/* Number i of them. */
OD_MUST_CHECK enum od_status od_output_said(const json_t *output, size_t i, struct od_said *said, struct od_error *err);

/* Lengths and ends of many. */
struct od_said_tally {
	int64_t n, empty;                          /* answers; those of nothing but white space */
	int64_t with_tokens, truncated;            /* those that tell their length; those cut at the limit */
	double tokens;
};

void od_said_add(struct od_said_tally *t, const struct od_said *said);

/* Appends ,"answers":{"n","empty","mean_tokens","truncated"}, the last two when an answer tells its length; nothing when there is
 * none. */
void od_said_json(const struct od_said_tally *t, struct od_buf *out);

/* Appends a line for people, with its end; nothing when there is nothing to tell. */
void od_said_line(const struct od_said_tally *t, struct od_buf *out);

#endif
