/* agree.h -- reference log-probs are of use only to a model that splits texts into the same tokens and scores the same of
 * them. Each record's "ref" block says how its own were made (od-jsonl(5)); this is the check of od-train and od-eval.
 */
#ifndef OD_PREF_AGREE_H
#define OD_PREF_AGREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pref/pair.h"
#include "pref/rules.h"

struct od_agreement {
	bool told;                                 /* the user gave rules (od_rules_options_told): none are adopted */
	bool settled;                              /* rules were adopted or compared */
	int64_t without;                           /* records that do not say how they were made */
	char rules[128];                           /* the text all records so far agree on; adopted dates point here */
	char model[65], numerics[128];             /* of the first record that says so; "" none */
};

#define OD_AGREEMENT_INIT { false, false, 0, "", "", "" }

/* Checks one record's block against the tokenizer's hash (NULL: no tokenizer here) and the rules. Untold rules are
 * taken from the first block that has some. OD_EMISMATCH names the option, or the tokenizer, that differs. */
OD_MUST_CHECK enum od_status od_agree(struct od_agreement *a, const struct od_ref_info *ref, struct od_rules *rules,
	struct od_error *err);

#endif
