/* rules_opts.h -- the options of the token rules, the same in od-ref and od-train.
 *
 *   struct od_rules_options ro = OD_RULES_OPTIONS_INIT;
 *   groups: { "Token rules", od_rules_opts, &ro, &ro.given }
 *   after od_cli_parse: od_rules_options_recipe(&ro, &recipe, &err), then od_rules_options_apply(...)
 */
#ifndef OD_TOOLS_RULES_OPTS_H
#define OD_TOOLS_RULES_OPTS_H

#include <stdint.h>

#include "base/error.h"
#include "common/cli.h"
#include "pref/recipe.h"
#include "pref/rules.h"

struct od_rules_options {
	const char *recipe;                        /* NULL: none */
	int64_t max_length, max_prompt_length;
	int truncate, header;                      /* enum od_truncate, enum od_header_rule */
	const char *chat_template;                 /* NULL: the one the tokenizer's own text is recognised as */
	const char *date;                          /* NULL: the template's default */
	uint64_t given;
};

#define OD_RULES_OPTIONS_INIT { .max_length = 2048, .max_prompt_length = 1800, .truncate = OD_TRUNCATE_DROP, \
	.header = OD_HEADER_MASKED }

extern const struct od_opt od_rules_opts[];       /* base: struct od_rules_options */

/* Finds --recipe (*out NULL when none was asked for) and fills the rules the user did not give from it. */
OD_MUST_CHECK enum od_status od_rules_options_recipe(struct od_rules_options *ro, const struct od_recipe **out,
	struct od_error *err);

/* True when the user gave any of header, truncate, the lengths, the template or the date (not by a recipe): rules
 * recorded in the data must then agree; otherwise they are adopted. */
bool od_rules_options_told(const struct od_rules_options *ro);

/* Fills *r. t may be NULL (records with ids only): r->tokenizer and r->chat are then NULL. */
OD_MUST_CHECK enum od_status od_rules_options_apply(const struct od_rules_options *ro, const struct od_tokenizer *t,
	struct od_rules *r, struct od_error *err);

#endif
