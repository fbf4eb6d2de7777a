/* The token rules over tiny tokenizers of every family (tests/fixtures/make_tokenizer.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"
#include "pref/rules.h"

static char dir[256];

/* A tokenizer with a merge of two newlines added, so that boundaries can merge, and its template. */
struct fixture {
	struct od_tokenizer *t;
	struct od_rules rules;
};

static json_t *
read_json(const char *name)
{
	char path[512];
	json_t *j;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	j = json_load_file(path, 0, NULL);
	assert_non_null(j);
	return j;
}

static struct fixture
open_fixture(const char *template, const char *pattern)
{
	struct od_error err = OD_ERROR_INIT;
	struct fixture f = { .t = NULL };
	char command[1024], *text, *config_text;
	json_t *json, *config, *model;

	snprintf(command, sizeof(command), "python3 tests/fixtures/make_tokenizer.py %s 320 --template %s --pattern %s", dir,
		template, pattern);
	assert_int_equal(system(command), 0);
	json = read_json("tokenizer.json");
	config = read_json("tokenizer_config.json");
	model = json_object_get(json, "model");
	json_object_set_new(json_object_get(model, "vocab"), "\xc4\x8a\xc4\x8a", json_integer(320));
	json_array_append_new(json_object_get(model, "merges"), json_string("\xc4\x8a \xc4\x8a"));
	text = json_dumps(json, 0);
	config_text = json_dumps(config, 0);
	if (od_tokenizer_parse(&f.t, text, strlen(text), config_text, strlen(config_text), "test", &err) != OD_OK)
		fail_msg("%s", err.msg);
	f.rules = (struct od_rules){ .tokenizer = f.t, .max_length = 2048, .max_prompt_length = 1800 };
	if (strcmp(template, "none") == 0)
		assert_int_equal(od_chat_find(&f.rules.chat, "plain", &err), OD_OK);
	else if (od_chat_detect(&f.rules.chat, f.t, &err) != OD_OK)
		fail_msg("%s", err.msg);
	free(text);
	free(config_text);
	json_decref(json);
	json_decref(config);
	return f;
}

/* Applies the rules to a record given as text. */
static enum od_status
apply(const struct od_rules *r, const char *text, struct od_pair_tokens *t, enum od_drop *drop, struct od_error *err)
{
	struct od_record rec = { .line = text, .len = strlen(text), .source = "test", .lineno = 1 };
	struct od_pair p;
	enum od_status st;

	rec.json = json_loads(text, 0, NULL);
	assert_non_null(rec.json);
	assert_int_equal(od_pair_read(&p, &rec, NULL, err), OD_OK);
	st = od_rules_apply(r, &p, t, drop, err);
	json_decref(rec.json);
	return st;
}

/* As apply; the record must be kept. */
static void
keep(const struct od_rules *r, const char *text, struct od_pair_tokens *t)
{
	struct od_error err = OD_ERROR_INIT;
	enum od_drop drop;

	if (apply(r, text, t, &drop, &err) != OD_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(drop, OD_KEEP);
}

/* Tokens [from, from + n) as text; only those that count when 'scored'. */
static void
assert_text(const struct fixture *f, const struct od_pair_tokens *t, int32_t from, int32_t n, bool scored,
	const char *wanted)
{
	struct od_buf b = OD_BUF_INIT;

	od_buf_str(&b, "");
	for (int32_t i = from; i < from + n; i++) {
		if (!scored || !t->scored || t->scored[i])
			od_tokenizer_decode(f->t, t->ids[i], false, &b);
	}
	assert_true(od_buf_ok(&b));
	assert_string_equal(b.data, wanted);
	od_buf_release(&b);
}

static void
assert_pair(const struct fixture *f, const struct od_pair_tokens *t, const char *prompt, const char *chosen,
	const char *rejected)
{
	assert_text(f, t, 0, t->n_prompt, false, prompt);
	assert_text(f, t, t->n_prompt, t->n_chosen, true, chosen);
	assert_text(f, t, t->n_prompt + t->n_chosen, t->n_rejected, true, rejected);
}

#define SYSTEM "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
#define USER SYSTEM "<|im_start|>user\nIs it?<|im_end|>\n"
#define HEADER "<|im_start|>assistant\n"

static void
header_masked_or_scored(void **state)
{
	struct fixture f = open_fixture("smollm2", "smollm");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;
	const char *record = "{\"prompt\":\"Is it?\",\"chosen\":\"Yes.\",\"rejected\":\"No, it is not.\"}";
	int32_t n;

	(void)state;
	keep(&f.rules, record, &t);
	assert_pair(&f, &t, USER HEADER, "Yes.<|im_end|>\n", "No, it is not.<|im_end|>\n");
	assert_int_equal(t.scored_chosen, t.n_chosen);
	assert_int_equal(t.scored_rejected, t.n_rejected);
	assert_false(t.truncated);
	n = t.n_chosen;
	f.rules.header = OD_HEADER_SCORED;
	keep(&f.rules, record, &t);
	assert_pair(&f, &t, USER, HEADER "Yes.<|im_end|>\n", HEADER "No, it is not.<|im_end|>\n");
	assert_true(t.scored_chosen > n);
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

/* The ids must be those of the whole text, not of its pieces. */
static void
tokenised_jointly(void **state)
{
	struct fixture f = open_fixture("smollm2", "smollm");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;
	struct od_ids ids = OD_IDS_INIT;
	const char *whole = USER HEADER "\n\nYes.<|im_end|>\n";

	(void)state;
	keep(&f.rules, "{\"prompt\":\"Is it?\",\"chosen\":\"\\n\\nYes.\",\"rejected\":\"No.\"}", &t);
	assert_int_equal(od_tokenizer_encode(f.t, whole, strlen(whole), true, &ids, NULL), OD_OK);
	assert_int_equal(t.n_prompt + t.n_chosen, ids.n);
	assert_memory_equal(t.ids, ids.id, ids.n * sizeof(*ids.id));
	od_ids_release(&ids);
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

/* The header's newline and the first of the response become one token: it counts on that side, and on the other the bare
 * newline stays a token of the prompt that does not count. */
static void
merged_boundary(void **state)
{
	struct fixture f = open_fixture("smollm2", "smollm");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;

	(void)state;
	keep(&f.rules, "{\"prompt\":\"Is it?\",\"chosen\":\"\\n\\nYes.\",\"rejected\":\"No.\"}", &t);
	assert_pair(&f, &t, USER "<|im_start|>assistant", "\n\n\nYes.<|im_end|>\n", "No.<|im_end|>\n");
	assert_int_equal(t.scored_chosen, t.n_chosen);
	assert_int_equal(t.scored_rejected, t.n_rejected - 1);
	assert_text(&f, &t, t.n_prompt + t.n_chosen, 1, false, "\n");
	keep(&f.rules, "{\"prompt\":\"Is it?\",\"chosen\":\"\\n\\nYes.\",\"rejected\":\"\\n\\nNo.\"}", &t);
	assert_int_equal(t.scored_rejected, t.n_rejected);
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

static void
bos_once(void **state)
{
	static const struct { const char *template, *prompt, *bos, *wanted; } cases[] = {
		{ "llama3", "Hi", "<|begin_of_text|>", "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
			"<|start_header_id|>assistant<|end_header_id|>\n\n" },
		{ "gemma2", "Hi", "<bos>", "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n" },
		{ "chatml", "Hi", "", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f = open_fixture(cases[i].template, "gpt2");
		struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;
		char record[256], wanted[512];

		snprintf(record, sizeof(record), "{\"prompt\":\"%s\",\"chosen\":\"a\",\"rejected\":\"b\"}", cases[i].prompt);
		snprintf(wanted, sizeof(wanted), "%s%s", cases[i].bos, cases[i].wanted);
		keep(&f.rules, record, &t);
		assert_text(&f, &t, 0, t.n_prompt, false, wanted);
		od_pair_tokens_release(&t);
		od_tokenizer_close(f.t);
	}
}

/* Without a template: a tokenizer that wants a BOS gets one, a prompt that has one (or two) keeps one. */
static void
bos_without_template(void **state)
{
	static const char *const prompts[] = { "Hi ", "<|begin_of_text|>Hi ", "<|begin_of_text|><|begin_of_text|>Hi " };
	struct fixture f = open_fixture("llama3", "gpt2");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;

	(void)state;
	assert_int_equal(od_chat_find(&f.rules.chat, "plain", NULL), OD_OK);
	for (size_t i = 0; i < 3; i++) {
		char record[256];

		snprintf(record, sizeof(record), "{\"prompt\":\"%s\",\"chosen\":\"there\",\"rejected\":\"you\"}", prompts[i]);
		keep(&f.rules, record, &t);
		assert_int_equal(t.ids[0], od_tokenizer_bos(f.t));
		assert_int_not_equal(t.ids[1], od_tokenizer_bos(f.t));
	}
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

/* Qwen's tokenizer composes characters: bytes of the text are not bytes of the tokens. */
static void
boundary_under_normalisation(void **state)
{
	struct fixture f = open_fixture("chatml", "qwen2");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;

	(void)state;
	keep(&f.rules, "{\"prompt\":\"cafe\\u0301 e\\u0301te\\u0301\",\"chosen\":\"e\\u0301\",\"rejected\":\"no\"}", &t);
	assert_pair(&f, &t, "<|im_start|>user\ncaf\xc3\xa9 \xc3\xa9t\xc3\xa9<|im_end|>\n<|im_start|>assistant\n",
		"\xc3\xa9<|im_end|>\n", "no<|im_end|>\n");
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

#define M(role, content) "{\"role\":\"" role "\",\"content\":\"" content "\"}"

static void
dialogues_of_all_shapes(void **state)
{
	static const char *const records[] = {
		"{\"prompt\":\"Is it?\",\"chosen\":\"Yes.\",\"rejected\":\"No.\"}",
		"{\"prompt\":[" M("user", "Is it?") "],\"chosen\":\"Yes.\",\"rejected\":\"No.\"}",
		"{\"prompt\":[" M("user", "Is it?") "],\"chosen\":[" M("assistant", "Yes.") "],\"rejected\":\"No.\"}",
		"{\"prompt\":\"Is it?\",\"chosen\":[" M("user", "Is it?") "," M("assistant", "Yes.") "],\"rejected\":["
			M("user", "Is it?") "," M("assistant", "No.") "]}",
		"{\"prompt\":[" M("user", "Is it?") "],\"chosen\":[" M("user", "Is it?") "," M("assistant", "Yes.")
			"],\"rejected\":[" M("assistant", "No.") "]}",
		"{\"chosen\":[" M("user", "Is it?") "," M("assistant", "Yes.") "],\"rejected\":[" M("user", "Is it?") ","
			M("assistant", "No.") "]}",
	};
	struct fixture f = open_fixture("smollm2", "smollm");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		keep(&f.rules, records[i], &t);
		assert_pair(&f, &t, USER HEADER, "Yes.<|im_end|>\n", "No.<|im_end|>\n");
	}
	/* The record's prompt has a system turn before what the dialogue repeats. */
	keep(&f.rules, "{\"prompt\":[" M("system", "Be.") "," M("user", "Is it?") "],\"chosen\":[" M("user", "Is it?") ","
		M("assistant", "Yes.") "],\"rejected\":\"No.\"}", &t);
	assert_text(&f, &t, 0, t.n_prompt, false, "<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\nIs it?<|im_end|>\n" HEADER);
	/* Several turns: only the last answer counts. */
	keep(&f.rules, "{\"chosen\":[" M("user", "a") "," M("assistant", "b") "," M("user", "Is it?") "," M("assistant", "Yes.")
		"],\"rejected\":[" M("user", "a") "," M("assistant", "b") "," M("user", "Is it?") "," M("assistant", "No.") "]}", &t);
	assert_pair(&f, &t, SYSTEM "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
		"<|im_start|>user\nIs it?<|im_end|>\n" HEADER, "Yes.<|im_end|>\n", "No.<|im_end|>\n");
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

static void
sft_records(void **state)
{
	struct fixture f = open_fixture("smollm2", "smollm");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;

	(void)state;
	keep(&f.rules, "{\"prompt\":\"Is it?\",\"chosen\":\"Yes.\"}", &t);
	assert_pair(&f, &t, USER HEADER, "Yes.<|im_end|>\n", "");
	assert_int_equal(t.n_rejected + t.scored_rejected, 0);
	keep(&f.rules, "{\"messages\":[" M("user", "Is it?") "," M("assistant", "Yes.") "," M("user", "Why?") ","
		M("assistant", "Because.") "]}", &t);
	assert_pair(&f, &t, USER HEADER, "Yes.<|im_end|>\nBecause.<|im_end|>\n", "");
	assert_text(&f, &t, t.n_prompt, t.n_chosen, false, "Yes.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n" HEADER
		"Because.<|im_end|>\n");
	f.rules.header = OD_HEADER_SCORED;
	keep(&f.rules, "{\"messages\":[" M("user", "Is it?") "," M("assistant", "Yes.") "," M("user", "Why?") ","
		M("assistant", "Because.") "]}", &t);
	assert_pair(&f, &t, USER, HEADER "Yes.<|im_end|>\n" HEADER "Because.<|im_end|>\n", "");
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

static void
wrong_records_are_told(void **state)
{
	static const struct { const char *record, *message; } cases[] = {
		{ "{\"prompt\":\"a\",\"chosen\":[],\"rejected\":\"b\"}", "field 'chosen' must end with a message of the role 'assistant'" },
		{ "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":[" M("user", "a") "]}",
		  "field 'rejected' must end with a message of the role 'assistant'" },
		{ "{\"prompt\":[{\"role\":\"user\"}],\"chosen\":\"b\",\"rejected\":\"c\"}",
		  "field 'prompt.0' must be a message with strings 'role' and 'content'" },
		{ "{\"prompt\":\"other\",\"chosen\":[" M("user", "a") "," M("assistant", "b") "],\"rejected\":\"c\"}",
		  "field 'chosen' is a dialogue that does not repeat the field 'prompt'" },
		{ "{\"chosen\":[" M("user", "a") "," M("assistant", "b") "],\"rejected\":[" M("user", "A") ","
			M("assistant", "c") "]}", "fields 'chosen' and 'rejected' have different prompts" },
		{ "{\"messages\":[" M("user", "a") "]}", "field 'messages' has no message of the role 'assistant'" },
		{ "{\"prompt_ids\":[1,-2],\"chosen_ids\":[3],\"rejected_ids\":[4]}", "field 'prompt_ids.1' must be a token id" },
		{ "{\"prompt_ids\":[1],\"chosen_ids\":[3.5],\"rejected_ids\":[4]}", "field 'chosen_ids.0' must be a token id" },
		{ "{\"prompt_ids\":[1],\"chosen_ids\":[3],\"rejected_ids\":[9999999999]}", "field 'rejected_ids.0' must be a token id" },
		{ "{\"prompt_ids\":[],\"chosen_ids\":[3],\"rejected_ids\":[4]}",
		  "prompt has no token before the first that is scored" },
		{ "{\"prompt\":\"a\",\"rejected\":\"b\"}", "field 'chosen' is missing" },
	};
	struct fixture f = open_fixture("smollm2", "smollm");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;
	enum od_drop drop;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct od_error err = OD_ERROR_INIT;

		assert_int_equal(apply(&f.rules, cases[i].record, &t, &drop, &err), OD_EFORMAT);
		assert_string_equal(err.msg, cases[i].message);
	}
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

static void
policy_leaves_out(void **state)
{
	static const struct { const char *record; enum od_drop drop; } cases[] = {
		{ "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"b\"}", OD_DROP_IDENTICAL },
		{ "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\" b\\n\"}", OD_DROP_IDENTICAL },
		{ "{\"prompt\":\"a\",\"chosen\":\"\",\"rejected\":\"b\"}", OD_DROP_EMPTY },
		{ "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\" \\n\"}", OD_DROP_EMPTY },
		{ "{\"prompt_ids\":[1],\"chosen_ids\":[2],\"rejected_ids\":[2]}", OD_DROP_IDENTICAL },
		{ "{\"prompt_ids\":[1],\"chosen_ids\":[],\"rejected_ids\":[2]}", OD_DROP_EMPTY },
	};
	struct fixture f = open_fixture("smollm2", "smollm");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum od_drop drop;

		assert_int_equal(apply(&f.rules, cases[i].record, &t, &drop, NULL), OD_OK);
		assert_int_equal(drop, cases[i].drop);
	}
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

/* A record of ids: prompt 10, 11, ..., chosen 100000.., rejected 200000... */
static char *
id_record(int prompt, int chosen, int rejected)
{
	struct od_buf b = OD_BUF_INIT;
	const struct { const char *name; int n, first; } parts[] = {
		{ "{\"prompt_ids\":[", prompt, 10 }, { "],\"chosen_ids\":[", chosen, 100000 },
		{ "],\"rejected_ids\":[", rejected, 200000 }
	};

	for (int k = 0; k < 3; k++) {
		od_buf_str(&b, parts[k].name);
		for (int i = 0; i < parts[k].n; i++)
			od_buf_printf(&b, "%s%d", i ? "," : "", parts[k].first + i);
	}
	od_buf_str(&b, "]}");
	assert_true(od_buf_ok(&b));
	return b.data;
}

static void
truncation(void **state)
{
	static const struct { enum od_truncate how; int in[3]; enum od_drop drop; int out[3]; } cases[] = {
		/* the rows of SimPO's rule, at 2048/1800 */
		{ OD_TRUNCATE_SIMPO, { 100, 1948, 500 }, OD_KEEP, { 100, 1948, 500 } },
		{ OD_TRUNCATE_SIMPO, { 100, 1949, 500 }, OD_KEEP, { 100, 248, 248 } },
		{ OD_TRUNCATE_SIMPO, { 100, 1949, 100 }, OD_KEEP, { 100, 248, 100 } },
		{ OD_TRUNCATE_SIMPO, { 500, 1600, 1500 }, OD_KEEP, { 500, 248, 248 } },
		{ OD_TRUNCATE_SIMPO, { 1900, 200, 100 }, OD_KEEP, { 1800, 200, 100 } },
		{ OD_TRUNCATE_SIMPO, { 1900, 100, 120 }, OD_KEEP, { 1900, 100, 120 } },
		{ OD_TRUNCATE_SIMPO, { 5000, 3000, 10 }, OD_KEEP, { 1800, 248, 10 } },
		{ OD_TRUNCATE_DROP, { 100, 1948, 500 }, OD_KEEP, { 100, 1948, 500 } },
		{ OD_TRUNCATE_DROP, { 100, 1949, 500 }, OD_DROP_TOO_LONG, { 0 } },
		{ OD_TRUNCATE_DROP, { 100, 500, 1949 }, OD_DROP_TOO_LONG, { 0 } },
		{ OD_TRUNCATE_DROP, { 1801, 10, 10 }, OD_DROP_TOO_LONG, { 0 } },
		{ OD_TRUNCATE_CUT, { 100, 1949, 500 }, OD_KEEP, { 100, 1948, 500 } },
		{ OD_TRUNCATE_CUT, { 100, 3000, 3001 }, OD_KEEP, { 100, 1948, 1948 } },
		{ OD_TRUNCATE_CUT, { 1800, 300, 20 }, OD_KEEP, { 1800, 248, 20 } },
		{ OD_TRUNCATE_CUT, { 1801, 300, 20 }, OD_DROP_TOO_LONG, { 0 } },
	};
	struct od_rules r = { .max_length = 2048, .max_prompt_length = 1800 };
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int *in = cases[i].in, *out = cases[i].out;
		char *record = id_record(in[0], in[1], in[2]);
		enum od_drop drop;

		r.truncate = cases[i].how;
		assert_int_equal(apply(&r, record, &t, &drop, NULL), OD_OK);
		free(record);
		assert_int_equal(drop, cases[i].drop);
		if (drop != OD_KEEP)
			continue;
		assert_true(t.n_prompt == out[0] && t.n_chosen == out[1] && t.n_rejected == out[2]);
		assert_int_equal(t.truncated, in[0] != out[0] || in[1] != out[1] || in[2] != out[2]);
		assert_true(t.scored_chosen == out[1] && t.scored_rejected == out[2]);
		/* the prompt keeps its end, the responses their beginnings */
		assert_int_equal(t.ids[t.n_prompt - 1], 10 + in[0] - 1);
		assert_int_equal(t.ids[t.n_prompt], 100000);
		assert_int_equal(t.ids[t.n_prompt + t.n_chosen], 200000);
	}
	od_pair_tokens_release(&t);
}

static void
names_read_back(void **state)
{
	static const char *const bad[] = {
		"", "llama3", "llama3 masked drop", "llama3 masked drop 2048", "llama3 hidden drop 2048/1800",
		"llama3 masked keep 2048/1800", "llama3 masked drop 0/1800", "llama3 masked drop 2048/1800 x",
		"llama3 masked drop 2048/1800 date ",
	};
	struct fixture f = open_fixture("llama3", "gpt2");
	struct od_rules r = { .header = OD_HEADER_MASKED };
	char name[128], chat[32];

	(void)state;
	od_rules_name(&f.rules, name);
	assert_string_equal(name, "llama3 masked drop 2048/1800");
	f.rules.header = OD_HEADER_SCORED;
	f.rules.truncate = OD_TRUNCATE_SIMPO;
	f.rules.date = "26 Jul 2024";
	od_rules_name(&f.rules, name);
	assert_string_equal(name, "llama3 scored simpo 2048/1800 date 26 Jul 2024");
	assert_true(od_rules_parse(name, &r, chat));
	assert_string_equal(chat, "llama3");
	assert_true(r.header == OD_HEADER_SCORED && r.truncate == OD_TRUNCATE_SIMPO);
	assert_true(r.max_length == 2048 && r.max_prompt_length == 1800);
	assert_string_equal(r.date, "26 Jul 2024");
	assert_true(od_rules_parse("chatml masked cut 100/50", &r, chat));
	assert_true(r.truncate == OD_TRUNCATE_CUT && r.max_length == 100 && !r.date);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(od_rules_parse(bad[i], &r, chat));
	od_tokenizer_close(f.t);
}

/* Random text of pieces that merge, are special, or take several bytes; at least one that is not blank. */
static void
random_text(struct od_rng *r, struct od_buf *b)
{
	static const char *const pieces[] = { "\n", "\n\n", " ", "  ", "a", "the", "\xc3\xa9", "\xf0\x9f\x98\x80", "12",
		"<|im_end|>", "<|im_start|>", ".", "\t" };

	od_buf_clear(b);
	for (uint64_t i = od_rng_below(r, 6); i > 0; i--)
		od_buf_str(b, pieces[od_rng_below(r, sizeof(pieces) / sizeof(pieces[0]))]);
	od_buf_str(b, od_rng_below(r, 2) ? "x" : "x\n");
}

/* Prompt and tail must be the tokens of the whole rendered text, and what counts must be the response and at most the
 * rest of one token before it. */
static void
check_side(const struct fixture *f, const struct od_pair_tokens *t, int32_t at, int32_t n, const struct od_buf *prompt,
	const struct od_buf *response)
{
	struct od_buf whole = OD_BUF_INIT, counted = OD_BUF_INIT, wanted = OD_BUF_INIT;
	struct od_ids ids = OD_IDS_INIT;

	od_buf_printf(&wanted, "%s<|im_end|>\n", response->data);
	od_buf_printf(&whole, SYSTEM "<|im_start|>user\n%s<|im_end|>\n" HEADER "%s", prompt->data, wanted.data);
	assert_int_equal(od_tokenizer_encode(f->t, whole.data, whole.len, true, &ids, NULL), OD_OK);
	assert_int_equal(t->n_prompt + n, ids.n);
	assert_memory_equal(t->ids, ids.id, (size_t)t->n_prompt * sizeof(*ids.id));
	assert_memory_equal(t->ids + at, ids.id + t->n_prompt, (size_t)n * sizeof(*ids.id));
	for (int32_t i = at; i < at + n; i++) {
		if (t->scored[i])
			od_tokenizer_decode(f->t, t->ids[i], false, &counted);
	}
	assert_true(counted.len >= wanted.len && counted.len <= wanted.len + 1);
	assert_string_equal(counted.data + counted.len - wanted.len, wanted.data);
	od_buf_release(&whole);
	od_buf_release(&counted);
	od_buf_release(&wanted);
	od_ids_release(&ids);
}

static void
random_texts(void **state)
{
	struct fixture f = open_fixture("smollm2", "smollm");
	struct od_pair_tokens t = OD_PAIR_TOKENS_INIT;
	struct od_rng r = od_rng_init(3, 0);
	struct od_buf text[3] = { OD_BUF_INIT, OD_BUF_INIT, OD_BUF_INIT };
	int kept = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct od_buf record = OD_BUF_INIT;
		enum od_drop drop;

		for (int k = 0; k < 3; k++) {
			random_text(&r, &text[k]);
			od_buf_str(&record, k == 0 ? "{\"prompt\":" : k == 1 ? ",\"chosen\":" : ",\"rejected\":");
			od_buf_json_string(&record, text[k].data, text[k].len);
		}
		od_buf_char(&record, '}');
		assert_int_equal(apply(&f.rules, record.data, &t, &drop, NULL), OD_OK);
		od_buf_release(&record);
		if (drop != OD_KEEP)
			continue;
		kept++;
		check_side(&f, &t, t.n_prompt, t.n_chosen, &text[0], &text[1]);
		check_side(&f, &t, t.n_prompt + t.n_chosen, t.n_rejected, &text[0], &text[2]);
	}
	assert_true(kept > 700);
	for (int k = 0; k < 3; k++)
		od_buf_release(&text[k]);
	od_pair_tokens_release(&t);
	od_tokenizer_close(f.t);
}

static int
make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%s/od-rules.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char command[512];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_masked_or_scored),
		cmocka_unit_test(tokenised_jointly),
		cmocka_unit_test(merged_boundary),
		cmocka_unit_test(bos_once),
		cmocka_unit_test(bos_without_template),
		cmocka_unit_test(boundary_under_normalisation),
		cmocka_unit_test(dialogues_of_all_shapes),
		cmocka_unit_test(sft_records),
		cmocka_unit_test(wrong_records_are_told),
		cmocka_unit_test(policy_leaves_out),
		cmocka_unit_test(truncation),
		cmocka_unit_test(names_read_back),
		cmocka_unit_test(random_texts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
