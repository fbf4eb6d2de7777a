#include "common/objective_opts.h"

#include <string.h>

#define T struct od_objective_options

const struct od_opt od_objective_opts[] = {
	OD_OPT_ENUM(T, o.kind, "objective", "NAME", od_objective_names, "what is minimised"),
	OD_OPT_DOUBLE(T, o.beta, "beta", "B", 0, 1e9, "scale of the implicit reward (0.1 for dpo and focal-dpo)"),
	OD_OPT_DOUBLE(T, o.eta, "eta", "E", 0, 1e9, "slope of the quality weight"),
	OD_OPT_DOUBLE(T, o.gamma, "gamma", "G", 0, 1e9, "exponent of the performance weight"),
	OD_OPT_DOUBLE(T, o.tau_ref, "tau-ref", "T", 0, 0, "offset of the margin inside the performance weight"),
	OD_OPT_DOUBLE(T, o.tau_good, "tau-good", "T", 0, 0, "score from which a chosen response counts as good"),
	OD_OPT_DOUBLE(T, o.lambda, "lambda", "L", 0, 1e9, "factor of the calibrated likelihood term (c-NLL)"),
	OD_OPT_DOUBLE(T, o.simpo_gamma, "simpo-gamma", "G", 0, 0, "target margin of simpo"),
	OD_OPT_DOUBLE(T, o.label_smoothing, "label-smoothing", "E", 0, 1, "share of labels taken as swapped"),
	OD_OPT_DOUBLE(T, o.gate_margin, "gate-margin", "M", 0, 0, "fall of the chosen log-prob that opens gate I"),
	OD_OPT_NOFLAG(T, o.qual, "no-qual", "leave the quality weight out"),
	OD_OPT_NOFLAG(T, o.perf, "no-perf", "leave the performance weight out"),
	OD_OPT_NOFLAG(T, o.length_norm, "no-length-norm", "compare sums of log-probs, not means over tokens"),
	OD_OPT_FLAG(T, o.detach_perf, "detach-perf", "no gradient through the performance weight"),
	OD_OPT_ENUM(T, o.gate, "gate", "WHICH", od_gate_names, "conditions the c-NLL requires"),
	OD_OPT_STR(T, weight_field, "weight-field", "NAME", "member that holds a factor for each record (weight)"),
	OD_OPT_END
};

/* Bytes of the member an option of this table sets. */
static size_t
member_size(const struct od_opt *opt)
{
	switch (opt->kind) {
	case OD_KIND_ENUM: return sizeof(int);
	case OD_KIND_DOUBLE: return sizeof(double);
	case OD_KIND_STR: return sizeof(const char *);
	default: return sizeof(bool);
	}
}

enum od_status
od_objective_options_finish(struct od_objective_options *oo, const struct od_recipe *recipe, struct od_error *err)
{
	struct od_objective_options base = { .weight_field = oo->weight_field };
	bool kind_given = oo->given & 1;       /* the table begins with the kind */

	if (recipe && (!kind_given || oo->o.kind == recipe->objective.kind))
		base.o = recipe->objective;
	else
		base.o = od_objective_default(kind_given ? oo->o.kind : OD_OMNI);
	for (size_t i = 0; od_objective_opts[i].kind != OD_KIND_END; i++) {
		size_t at = od_objective_opts[i].offset;

		if (!(oo->given >> i & 1))
			memcpy((char *)oo + at, (const char *)&base + at, member_size(&od_objective_opts[i]));
	}
	if (oo->o.beta == 0 && oo->o.kind != OD_SFT)
		return od_fail(err, OD_EUSAGE, "option '--beta' must not be 0: the loss would not depend on the model");
	return OD_OK;
}
