/* objective_opts.h -- the options of the objective, the same in od-train and od-inspect.
 *
 *   struct od_objective_options oo = OD_OBJECTIVE_OPTIONS_INIT;
 *   groups: { "Objective", od_objective_opts, &oo, &oo.given }
 *   after od_cli_parse: od_objective_options_finish(&oo, recipe or NULL, &err), then use oo.o and oo.weight_field
 */
#ifndef OD_TOOLS_OBJECTIVE_OPTS_H
#define OD_TOOLS_OBJECTIVE_OPTS_H

#include <stdint.h>

#include "base/error.h"
#include "common/cli.h"
#include "pref/objective.h"
#include "pref/recipe.h"

struct od_objective_options {
	struct od_objective o;
	const char *weight_field;      /* NULL: the records' "weight", when they have one */
	uint64_t given;
};

/* What --help and --print-config show as defaults: omni's. */
#define OD_OBJECTIVE_OPTIONS_INIT { .o = { .kind = OD_OMNI, .beta = 2, .eta = 0.7, .gamma = 3, .tau_ref = 0.8, \
	.tau_good = 3.2, .lambda = 0.001, .simpo_gamma = 1, .qual = true, .perf = true, .length_norm = true } }

extern const struct od_opt od_objective_opts[];   /* base: struct od_objective_options */

/* Fills what the user did not give from the recipe (NULL: none), or from the defaults of the kind where the user chose
 * another objective than the recipe's. OD_EUSAGE for a combination without a meaning. */
OD_MUST_CHECK enum od_status od_objective_options_finish(struct od_objective_options *oo, const struct od_recipe *recipe,
	struct od_error *err);

#endif
