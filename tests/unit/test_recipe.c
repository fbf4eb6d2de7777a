#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pref/recipe.h"

static const struct od_recipe *
find(const char *name)
{
	const struct od_recipe *r = NULL;

	assert_int_equal(od_recipe_find(&r, name, NULL), OD_OK);
	return r;
}

/* The paper's table, transcribed a second time. */
static void
the_papers_table(void **state)
{
	static const struct { const char *name; double lr, beta, tau_ref, lambda, tau_good, warmup; int length, prompt; }
	rows[] = {
		{ "llama3-8b-base", 1e-6, 2.0, 0.8, 0.001, 3.2, 0.1, 2048, 1800 },
		{ "llama3-8b-instruct", 1e-6, 2.0, 1.0, 0.001, 3.2, 0.1, 2048, 1800 },
		{ "llama3-8b-instruct-armorm", 1e-6, 10, 1.0, 0.001, 3.2, 0.1, 2048, 1800 },
		{ "gemma2-9b-it", 8e-7, 10, 0.8, 0.001, 3.2, 0.1, 2048, 1800 },
		{ "qwen2.5", 2e-6, 3.5, 0.8, 0.001, 3.2, 0.1, 2048, 1800 },
		{ "llama3-8b-base-v0.2", 1e-6, 2.0, 0.8, 0.001, 3.2, 0.1, 2048, 1800 },
		{ "qwen2.5-math", 1e-6, 2.0, 2.0, 0.2, 8.0, 0, 4096, 1000 },
		{ "qwen2-vl-2b", 6e-6, 2.0, 2.0, 0.001, 2.5, 0, 4096, 4096 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct od_recipe *r = find(rows[i].name);
		const struct od_objective *o = &r->objective;

		assert_true(o->kind == OD_OMNI && o->eta == 0.7 && o->gamma == 3 && r->batch == 128);
		assert_true(r->lr == rows[i].lr && o->beta == rows[i].beta && o->tau_ref == rows[i].tau_ref);
		assert_true(o->lambda == rows[i].lambda && o->tau_good == rows[i].tau_good);
		assert_true(r->warmup_ratio == rows[i].warmup && r->max_length == rows[i].length);
		assert_true(r->max_prompt_length == rows[i].prompt);
		assert_int_equal(r->epochs, strcmp(rows[i].name, "qwen2.5-math") == 0 ? 2 : 1);
	}
}

static void
every_recipe_is_whole(void **state)
{
	const struct od_recipe *r;

	(void)state;
	for (size_t i = 0; (r = od_recipe_at(i)) != NULL; i++) {
		struct od_buf b = OD_BUF_INIT;

		assert_ptr_equal(find(r->name), r);
		assert_true(r->lr > 0 && r->epochs > 0 && r->batch > 0 && r->objective.beta > 0);
		assert_true(r->objective.qual && r->objective.perf && r->objective.length_norm);
		assert_true(r->truncate != OD_TRUNCATE_SIMPO || r->max_prompt_length < r->max_length);
		od_recipe_describe(r, &b);
		assert_true(od_buf_ok(&b) && strstr(b.data, r->name) && strstr(b.data, "--lr"));
		od_buf_release(&b);
	}
	assert_true(find("simpo-llama3-8b-instruct")->objective.simpo_gamma == 2.5 * 0.55);
	assert_true(find("dpo-gemma2-9b-it")->objective.beta == 0.01);
	assert_true(find("sft-llama3-ultrachat")->sft_token_mean);
}

static void
an_unknown_name_lists_the_known(void **state)
{
	const struct od_recipe *r = NULL;
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	assert_int_equal(od_recipe_find(&r, "llama9", &err), OD_EUSAGE);
	assert_null(r);
	assert_non_null(strstr(err.msg, "'llama9'"));
	assert_non_null(strstr(err.msg, "gemma2-9b-it"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_papers_table),
		cmocka_unit_test(every_recipe_is_whole),
		cmocka_unit_test(an_unknown_name_lists_the_known),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
