/* recipe.h -- the settings of published runs, by name: the paper's table (omnidpo(7)), the DPO and SimPO baselines of the
 * same models, and the SFT stage before them. A recipe fills only what the user did not give.
 */
#ifndef OD_PREF_RECIPE_H
#define OD_PREF_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "pref/objective.h"
#include "pref/rules.h"

struct od_recipe {
	const char *name;
	const char *data;                  /* what the published run was trained on, for people */
	struct od_objective objective;
	double lr, warmup_ratio;
	int64_t epochs, batch;             /* batch in pairs */
	int64_t max_length, max_prompt_length;
	enum od_header_rule header;
	enum od_truncate truncate;
	bool sft_token_mean;               /* --sft-norm token, else sequence */
	const char *format;                /* how od-sample and od-eval ask such a model math problems (--format); NULL: no matter */
};

/* Every recipe beyond these shares: AdamW 0.9/0.999, eps 1e-8, no weight decay, clip 1, cosine to zero, seed 42. */

/* The name's recipe; OD_EUSAGE with the list of names when there is none. */
OD_MUST_CHECK enum od_status od_recipe_find(const struct od_recipe **out, const char *name, struct od_error *err);

/* The i-th recipe, NULL beyond the last. */
const struct od_recipe *od_recipe_at(size_t i);

/* Appends one line for people: every setting as the option that sets it. */
void od_recipe_describe(const struct od_recipe *r, struct od_buf *out);

#endif
