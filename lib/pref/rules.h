/* rules.h -- the token rules: from a pair's texts to the token sequences that are scored (spec in omnidpo(7)).
 *
 * The prompt is rendered through the chat template with the assistant header; the response is what the template renders
 * after it, end of turn included. Prompt and response are tokenised jointly and the boundary is found on tokens: the
 * longest prefix of whole tokens that lies inside the prompt's bytes. BOS at most once, none where the tokenizer has none.
 *
 * Lengths. drop: a prompt over max_prompt_length, or prompt and longer response over max_length, leaves the pair out.
 * cut: each response loses what goes beyond max_length; a prompt over its limit still leaves the pair out. simpo: when
 * prompt and longer response exceed max_length, the prompt keeps its last max_prompt_length tokens, and if that is not
 * enough, both responses keep their first max_length - max_prompt_length.
 */
#ifndef OD_PREF_RULES_H
#define OD_PREF_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pref/pair.h"
#include "text/chat.h"
#include "text/tokenizer.h"

enum od_header_rule { OD_HEADER_MASKED, OD_HEADER_SCORED };
enum od_truncate { OD_TRUNCATE_DROP, OD_TRUNCATE_CUT, OD_TRUNCATE_SIMPO };
extern const char *const od_header_names[], *const od_truncate_names[];   /* NULL-terminated, for options */

struct od_rules {
	const struct od_tokenizer *tokenizer;      /* may be NULL: only records with ids */
	const struct od_chat_template *chat;       /* may be NULL with tokenizer NULL */
	enum od_header_rule header;
	enum od_truncate truncate;
	int64_t max_length, max_prompt_length;
	const char *date;                          /* NULL: the template's default */
};

/* "llama3 masked drop 2048/1800"; templates with a date add it. Compared as text by readers of 'ref'. */
void od_rules_name(const struct od_rules *r, char text[128]);

/* Reads such a text back into header, truncate, lengths and date (which points into text); the template's name goes into
 * 'chat'. False when it is none. */
bool od_rules_parse(const char *text, struct od_rules *out, char chat[32]);

/* A tokenised pair: prompt | chosen | rejected. Response tokens are those after the prompt; scored tells which of them
 * count (NULL: all). The buffers belong to the struct and are reused by the next call on it. */
struct od_pair_tokens {
	int32_t *ids;                              /* [n_prompt + n_chosen + n_rejected] */
	uint8_t *scored;                           /* [n_prompt + n_chosen + n_rejected] or NULL; prompt entries are 0 */
	int32_t n_prompt, n_chosen, n_rejected;    /* n_rejected = 0: SFT record */
	int32_t scored_chosen, scored_rejected;    /* tokens that count: |y| */
	bool truncated;
	size_t cap_ids, cap_scored;
};

#define OD_PAIR_TOKENS_INIT { NULL, NULL, 0, 0, 0, 0, 0, false, 0, 0 }
void od_pair_tokens_release(struct od_pair_tokens *t);

/* Tokenises a pair (or an SFT record). *drop says whether policy leaves it out (identical or empty responses, too long
 * under 'drop'); out is valid when it is OD_KEEP. OD_EFORMAT when the record has neither text nor ids, roles are
 * wrong, or ids are not integers in range. */
OD_MUST_CHECK enum od_status od_rules_apply(const struct od_rules *r, const struct od_pair *p, struct od_pair_tokens *out,
	enum od_drop *drop, struct od_error *err);

/* The tokens of a prompt alone, ready for a response: rendered with the assistant header, or with 'raw' as the string it is; one
 * BOS where the tokenizer wants one. system: a turn put in front, or NULL. OD_EFORMAT for a prompt that is neither a string nor
 * messages, or that ends with an assistant's turn. */
OD_MUST_CHECK enum od_status od_rules_prompt(const struct od_rules *r, const json_t *prompt, const char *system, bool raw,
	struct od_ids *out, struct od_error *err);

#endif
