/* Eight real pairs through SmolLM2's tokenizer and template: prompt and response ids must be those of the reference. Runs
 * where ORACLE names the folder of reference results (tests/oracle/rules.t), and is skipped elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/jsonl.h"
#include "pref/rules.h"

static char *
slurp(const char *name, size_t *len)
{
	struct od_error err = OD_ERROR_INIT;
	char path[1024], *text = NULL;

	snprintf(path, sizeof(path), "%s/%s", getenv("ORACLE"), name);
	if (od_in_slurp(path, (size_t)64 << 20, &text, len, &err) != OD_OK)
		fail_msg("%s", err.msg);
	return text;
}

static struct od_tokenizer *
open_tokenizer(void)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_tokenizer *t = NULL;
	size_t n, n_config;
	char *text = slurp("data/tokenizers/smollm2/tokenizer.json.gz", &n);
	char *config = slurp("data/tokenizers/smollm2/tokenizer_config.json.gz", &n_config);

	if (od_tokenizer_parse(&t, text, n, config, n_config, "smollm2", &err) != OD_OK)
		fail_msg("%s", err.msg);
	free(text);
	free(config);
	return t;
}

static void
assert_ids(const json_t *wanted, const int32_t *ids, int32_t n)
{
	assert_int_equal(json_array_size(wanted), n);
	for (int32_t i = 0; i < n; i++)
		assert_int_equal(json_integer_value(json_array_get(wanted, (size_t)i)), ids[i]);
}

/* Tokenises the record's texts, its ids put aside, and compares. */
static void
check_record(const struct od_rules *rules, struct od_record *rec)
{
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;
	struct od_error err = OD_ERROR_INIT;
	enum od_drop drop;
	json_t *ids[3];
	static const char *const names[3] = { "prompt_ids", "chosen_ids", "rejected_ids" };
	struct od_pair p;

	for (int i = 0; i < 3; i++) {
		ids[i] = json_incref(json_object_get(rec->json, names[i]));
		assert_int_equal(json_object_del(rec->json, names[i]), 0);
	}
	assert_int_equal(od_pair_read(&p, rec, NULL, &err), OD_OK);
	if (od_rules_apply(rules, &p, &t, &drop, &err) != OD_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(drop, OD_KEEP);
	assert_ids(ids[0], t.ids, t.n_prompt);
	assert_ids(ids[1], t.ids + t.n_prompt, t.n_chosen);
	assert_ids(ids[2], t.ids + t.n_prompt + t.n_chosen, t.n_rejected);
	assert_int_equal(t.scored_chosen, p.chosen_tokens);
	assert_int_equal(t.scored_rejected, p.rejected_tokens);
	for (int i = 0; i < 3; i++)
		json_decref(ids[i]);
	od_pair_tokens_release(&t);
}

static void
ids_of_real_pairs(void **state)
{
	const struct od_record_options options = OD_RECORD_OPTIONS_INIT;
	struct od_rules rules = { .max_length = 2048, .max_prompt_length = 1800 };
	struct od_tokenizer *tokenizer;
	struct od_jsonl *in = NULL;
	struct od_record rec;
	char path[1024];
	const char *name = path;
	int n = 0;

	(void)state;
	if (!getenv("ORACLE"))
		skip();
	tokenizer = open_tokenizer();
	rules.tokenizer = tokenizer;
	assert_int_equal(od_chat_find(&rules.chat, "smollm2", NULL), OD_OK);
	snprintf(path, sizeof(path), "%s/oracle/smollm2_pairs.jsonl", getenv("ORACLE"));
	assert_int_equal(od_jsonl_open(&in, &name, 1, &options, NULL), OD_OK);
	while (od_jsonl_next(in, &rec, NULL) == OD_OK) {
		check_record(&rules, &rec);
		n++;
	}
	assert_int_equal(n, 8);
	od_jsonl_close(in);
	od_tokenizer_close(tokenizer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_of_real_pairs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
