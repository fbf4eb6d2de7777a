#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pref/pair.h"

/* The pair of a record given as text; the JSON must be released by the caller. */
static enum od_status
read_text(const char *text, const struct od_field_map *map, struct od_pair *p, json_t **json, struct od_error *err)
{
	struct od_record rec = { .line = text, .len = strlen(text), .source = "test", .lineno = 1, .id = "x" };

	*json = rec.json = json_loads(text, 0, NULL);
	assert_non_null(rec.json);
	return od_pair_read(p, &rec, map, err);
}

static void
a_full_record(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_pair p;
	json_t *json;

	(void)state;
	assert_int_equal(read_text("{\"prompt\":\"q\",\"chosen\":[{\"role\":\"assistant\",\"content\":\"a\"}],\"rejected\":\"b\","
		"\"score_chosen\":4,\"score_rejected\":2.5,\"ref_chosen_logps\":-1.5,\"ref_rejected_logps\":-2,"
		"\"policy_chosen_logps\":-1,\"chosen_tokens\":3,\"weight\":0.5,"
		"\"ref\":{\"model\":\"m\",\"rules\":\"r\",\"other\":1}}", NULL, &p, &json, &err), OD_OK);
	assert_true(json_is_string(p.prompt) && json_is_array(p.chosen) && json_is_string(p.rejected));
	assert_true(p.score_chosen == 4 && p.score_rejected == 2.5 && p.ref_chosen_logps == -1.5);
	assert_true(p.policy_chosen_logps == -1 && isnan(p.policy_rejected_logps));
	assert_true(p.chosen_tokens == 3 && isnan(p.rejected_tokens) && p.weight == 0.5);
	assert_true(p.has_ref_info);
	assert_string_equal(p.ref.model, "m");
	assert_string_equal(p.ref.tokenizer, "");
	assert_string_equal(p.ref.rules, "r");
	assert_int_equal(od_pair_need_text(&p, true, NULL), OD_OK);
	assert_int_equal(od_pair_need_scores(&p, NULL), OD_OK);
	assert_int_equal(od_pair_need_reference(&p, NULL), OD_OK);
	json_decref(json);
}

static void
what_is_wrong_is_named(void **state)
{
	static const struct { const char *text, *message; } cases[] = {
		{ "{\"score_chosen\":\"4\"}", "field 'score_chosen' must be a number, not a string" },
		{ "{\"score_chosen\":null}", "field 'score_chosen' must be a number, not null" },
		{ "{\"score_rejected\":true}", "field 'score_rejected' must be a number, not a boolean" },
		{ "{\"prompt\":3}", "field 'prompt' must be a string or a list of messages, not a number" },
		{ "{\"chosen\":{}}", "field 'chosen' must be a string or a list of messages, not an object" },
		{ "{\"prompt_ids\":\"1 2\"}", "field 'prompt_ids' must be a list of integers, not a string" },
		{ "{\"chosen_tokens\":0}", "field 'chosen_tokens' must be positive" },
		{ "{\"rejected_tokens\":-3}", "field 'rejected_tokens' must be positive" },
		{ "{\"weight\":-1}", "field 'weight' must not be negative" },
		{ "{\"ref\":\"m\"}", "field 'ref' must be an object, not a string" },
		{ "{\"ref\":{\"rules\":1}}", "field 'ref.rules' must be a string, not a number" },
		{ "{\"ref\":{\"model\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}}",
		  "field 'ref.model' is longer than 64 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct od_error err = OD_ERROR_INIT;
		struct od_pair p;
		json_t *json;

		assert_int_equal(read_text(cases[i].text, NULL, &p, &json, &err), OD_EFORMAT);
		assert_string_equal(err.msg, cases[i].message);
		json_decref(json);
	}
}

static void
what_is_missing_is_named(void **state)
{
	static const struct { const char *text; int rejected; const char *message; } cases[] = {
		{ "{}", 1, "field 'chosen' is missing" },
		{ "{\"chosen\":\"a\"}", 1, "field 'rejected' is missing" },
		{ "{\"chosen\":\"a\",\"rejected\":\"b\"}", 1, "field 'prompt' is missing" },
		{ "{\"chosen\":[],\"rejected\":[]}", 1, "" },
		{ "{\"chosen\":\"a\",\"prompt\":\"q\"}", 0, "" },
		{ "{\"messages\":[]}", 0, "" },
		{ "{\"chosen_ids\":[1],\"rejected_ids\":[2]}", 1, "field 'prompt_ids' is missing" },
		{ "{\"prompt_ids\":[1],\"rejected_ids\":[2]}", 1, "field 'chosen_ids' is missing" },
		{ "{\"prompt_ids\":[1],\"chosen_ids\":[2]}", 1, "field 'rejected_ids' is missing" },
		{ "{\"prompt_ids\":[1],\"chosen_ids\":[2]}", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct od_error err = OD_ERROR_INIT;
		struct od_pair p;
		json_t *json;

		assert_int_equal(read_text(cases[i].text, NULL, &p, &json, &err), OD_OK);
		assert_int_equal(od_pair_need_text(&p, cases[i].rejected, &err), cases[i].message[0] ? OD_EFORMAT : OD_OK);
		assert_string_equal(err.msg, cases[i].message);
		json_decref(json);
	}
}

static void
other_names_through_the_map(void **state)
{
	const struct od_field_map map = { "instruction", "meta.good", "meta.bad", "meta.w" };
	struct od_error err = OD_ERROR_INIT;
	struct od_pair p;
	json_t *json;

	(void)state;
	assert_int_equal(read_text("{\"instruction\":\"q\",\"meta\":{\"good\":\"a\",\"bad\":\"b\",\"w\":2}}", &map, &p, &json, &err),
		OD_OK);
	assert_string_equal(json_string_value(p.chosen), "a");
	assert_string_equal(json_string_value(p.rejected), "b");
	assert_true(p.weight == 2);
	json_decref(json);
	assert_int_equal(read_text("{\"instruction\":\"q\"}", &map, &p, &json, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "field 'meta.w' is missing");
	json_decref(json);
}

static void
responses_are_compared_without_surrounding_space(void **state)
{
	static const struct { const char *chosen, *rejected; enum od_drop drop; } cases[] = {
		{ "\"a\"", "\"b\"", OD_KEEP }, { "\"a\"", "\" a\\n\"", OD_DROP_IDENTICAL }, { "\"\"", "\"b\"", OD_DROP_EMPTY },
		{ "\"a\"", "\" \\t\\r\\n\"", OD_DROP_EMPTY }, { "\"a b\"", "\"a  b\"", OD_KEEP },
		{ "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}]",
		  "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}]", OD_DROP_IDENTICAL },
		{ "[{\"role\":\"assistant\",\"content\":\"a\"}]", "\"a\"", OD_DROP_IDENTICAL },
		{ "[]", "\"a\"", OD_KEEP }, { "\"a\"", NULL, OD_KEEP }, { "\" \"", NULL, OD_DROP_EMPTY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *w = json_loads(cases[i].chosen, JSON_DECODE_ANY, NULL);
		json_t *l = cases[i].rejected ? json_loads(cases[i].rejected, JSON_DECODE_ANY, NULL) : NULL;

		assert_int_equal(od_pair_compare(w, l), cases[i].drop);
		json_decref(w);
		json_decref(l);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_record),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(other_names_through_the_map),
		cmocka_unit_test(responses_are_compared_without_surrounding_space),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
