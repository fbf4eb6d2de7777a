#include "pref/recipe.h"

#include <string.h>

#define OMNI(b, t_ref, l, t_good) { .kind = OD_OMNI, .beta = b, .eta = 0.7, .gamma = 3, .tau_ref = t_ref, \
	.tau_good = t_good, .lambda = l, .simpo_gamma = 1, .qual = true, .perf = true, .length_norm = true }
#define OTHER(k, b, g) { .kind = k, .beta = b, .eta = 0.7, .gamma = 3, .tau_ref = 0.8, .tau_good = 3.2, \
	.lambda = 0.001, .simpo_gamma = g, .qual = true, .perf = true, .length_norm = true }

/* The text runs score the assistant header with the response and cut as SimPO does; the math run has the header in its
 * ready-made prompts, so there it is masked. */
#define TEXT_RULES 2048, 1800, OD_HEADER_SCORED, OD_TRUNCATE_SIMPO

static const struct od_recipe recipes[] = {
	/* name, data, objective, lr, warm-up ratio, epochs, batch, lengths, header, truncation, SFT token mean, format */
	{ "llama3-8b-base", "UltraFeedback, scores 1-5", OMNI(2, 0.8, 0.001, 3.2), 1e-6, 0.1, 1, 128, TEXT_RULES, false, NULL },
	{ "llama3-8b-instruct", "UltraFeedback, scores 1-5", OMNI(2, 1.0, 0.001, 3.2), 1e-6, 0.1, 1, 128, TEXT_RULES,
	  false, NULL },
	{ "llama3-8b-instruct-armorm", "on-policy pairs, ArmoRM scores (scale them)", OMNI(10, 1.0, 0.001, 3.2), 1e-6, 0.1,
	  1, 128, TEXT_RULES, false, NULL },
	{ "gemma2-9b-it", "UltraFeedback, scores 1-5", OMNI(10, 0.8, 0.001, 3.2), 8e-7, 0.1, 1, 128, TEXT_RULES, false, NULL },
	{ "qwen2.5", "UltraFeedback, scores 1-5; 0.5B to 14B", OMNI(3.5, 0.8, 0.001, 3.2), 2e-6, 0.1, 1, 128, TEXT_RULES,
	  false, NULL },
	{ "llama3-8b-base-v0.2", "UltraFeedback, better labelled, scores 1-5", OMNI(2, 0.8, 0.001, 3.2), 1e-6, 0.1, 1, 128,
	  TEXT_RULES, false, NULL },
	{ "qwen2.5-math", "math pairs, PRM scores 0-10; 1.5B and 7B", OMNI(2, 2.0, 0.2, 8.0), 1e-6, 0, 2, 128, 4096, 1000,
	  OD_HEADER_MASKED, OD_TRUNCATE_SIMPO, false, "qwen25-math-cot-step" },
	{ "qwen2-vl-2b", "MM-RLHF pairs", OMNI(2, 2.0, 0.001, 2.5), 6e-6, 0, 1, 128, 4096, 4096, OD_HEADER_MASKED,
	  OD_TRUNCATE_DROP, false, NULL },

	{ "simpo-llama3-8b-base", "UltraFeedback", OTHER(OD_SIMPO, 2, 1.0), 6e-7, 0.1, 1, 128, TEXT_RULES, false, NULL },
	{ "simpo-llama3-8b-instruct", "on-policy pairs", OTHER(OD_SIMPO, 2.5, 1.375), 1e-6, 0.1, 1, 128, TEXT_RULES, false, NULL },
	{ "simpo-llama3-8b-instruct-armorm", "on-policy pairs", OTHER(OD_SIMPO, 10, 3), 1e-6, 0.1, 1, 128, TEXT_RULES,
	  false, NULL },
	{ "simpo-gemma2-9b-it", "on-policy pairs", OTHER(OD_SIMPO, 10, 5), 8e-7, 0.1, 1, 128, TEXT_RULES, false, NULL },

	/* SimPO's DPO baselines: beta 0.01; the learning rate was searched per model between 3e-7 and 7e-7 and the choices
	 * are not public, so the middle stands here. */
	{ "dpo-llama3-8b-base", "UltraFeedback", OTHER(OD_DPO, 0.01, 1), 5e-7, 0.1, 1, 128, TEXT_RULES, false, NULL },
	{ "dpo-llama3-8b-instruct", "on-policy pairs", OTHER(OD_DPO, 0.01, 1), 5e-7, 0.1, 1, 128, TEXT_RULES, false, NULL },
	{ "dpo-llama3-8b-instruct-armorm", "on-policy pairs", OTHER(OD_DPO, 0.01, 1), 5e-7, 0.1, 1, 128, TEXT_RULES, false, NULL },
	{ "dpo-gemma2-9b-it", "on-policy pairs", OTHER(OD_DPO, 0.01, 1), 5e-7, 0.1, 1, 128, TEXT_RULES, false, NULL },

	{ "sft-llama3-ultrachat", "ultrachat dialogues", OTHER(OD_SFT, 2, 1), 2e-5, 0.1, 1, 128, 2048, 2048,
	  OD_HEADER_MASKED, OD_TRUNCATE_CUT, true, NULL },
};

const struct od_recipe *
od_recipe_at(size_t i)
{
	return i < sizeof(recipes) / sizeof(recipes[0]) ? &recipes[i] : NULL;
}

enum od_status
od_recipe_find(const struct od_recipe **out, const char *name, struct od_error *err)
{
	struct od_buf names = OD_BUF_INIT;
	const struct od_recipe *r;
	enum od_status st;

	for (size_t i = 0; (r = od_recipe_at(i)) != NULL; i++) {
		if (strcmp(r->name, name) == 0) {
			*out = r;
			return OD_OK;
		}
	}
	for (size_t i = 0; (r = od_recipe_at(i)) != NULL; i++)
		od_buf_printf(&names, "%s%s", i ? ", " : "", r->name);
	st = od_fail(err, OD_EUSAGE, "cannot find recipe '%s'; there are %s", name,
		od_buf_ok(&names) ? names.data : "others");
	od_buf_release(&names);
	return st;
}

void
od_recipe_describe(const struct od_recipe *r, struct od_buf *out)
{
	const struct od_objective *o = &r->objective;

	od_buf_printf(out, "recipe %s: --objective %s", r->name, od_objective_names[o->kind]);
	if (o->kind != OD_SFT)
		od_buf_printf(out, " --beta %g", o->beta);
	if (o->kind == OD_OMNI)
		od_buf_printf(out, " --eta %g --gamma %g --tau-ref %g --tau-good %g --lambda %g", o->eta, o->gamma,
			o->tau_ref, o->tau_good, o->lambda);
	if (o->kind == OD_SIMPO)
		od_buf_printf(out, " --simpo-gamma %g", o->simpo_gamma);
	od_buf_printf(out, " --lr %g --warmup-ratio %g --epochs %lld --batch %lld", r->lr, r->warmup_ratio,
		(long long)r->epochs, (long long)r->batch);
	od_buf_printf(out, " --max-length %lld --max-prompt-length %lld --header %s --truncate %s",
		(long long)r->max_length, (long long)r->max_prompt_length, od_header_names[r->header],
		od_truncate_names[r->truncate]);
	if (o->kind == OD_SFT)
		od_buf_printf(out, " --sft-norm %s", r->sft_token_mean ? "token" : "sequence");
	od_buf_printf(out, " (%s)", r->data);
}
