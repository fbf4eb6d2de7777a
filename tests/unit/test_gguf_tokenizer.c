/* test_gguf_tokenizer.c -- vocabularies of GGUF files to tokenizer.json and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "text/gguf_tokenizer.h"
#include "text_help.h"

#define T(s) { s, sizeof(s) - 1 }
#define MARK "\xe2\x96\x81"

static const struct od_gguf_text letters[] = { T("<e>"), T("a"), T("b"), T("\xc4\xa0"), T("ab"), T("\xc4\xa0" "ab"), T("1"),
	T("2"), T("12"), T("<x>"), T("e"), T("\xc3\x8c"), T("\xc4\xa3") };
static const int32_t letter_types[] = { 3, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1, 1 };
static const struct od_gguf_text letter_merges[] = { T("a b"), T("\xc4\xa0 ab"), T("1 2") };

static struct od_gguf_vocab
byte_level(const char *pre)
{
	return (struct od_gguf_vocab){ .model = "gpt2", .pre = pre, .tokens = letters, .n_tokens = 13, .types = letter_types,
		.merges = letter_merges, .n_merges = 3, .bos = -1, .eos = 0, .unk = 0, .pad = -1, .add_bos = -1,
		.add_space_prefix = -1, .chat_template = "it's a \"template\"\n" };
}

static struct od_tokenizer *
load(const struct od_gguf_vocab *v)
{
	struct od_buf json = OD_BUF_INIT, config = OD_BUF_INIT;
	struct od_error err = OD_ERROR_INIT;
	struct od_tokenizer *t = NULL;
	enum od_status st = od_gguf_tokenizer_json(v, &json, &config, &err);

	if (st == OD_OK)
		st = od_tokenizer_parse(&t, json.data, json.len, config.data, config.len, "t", &err);
	if (st != OD_OK)
		print_message("# %s\n", err.msg);
	assert_int_equal(st, OD_OK);
	od_buf_release(&json);
	od_buf_release(&config);
	return t;
}

static void
reads_byte_level(void **state)
{
	static const struct {
		const char *pre, *digits;
	} cases[] = { { "gpt-2", "12|1" }, { "smollm", "1|2|1" }, { "llama-bpe", "12|1" }, { "qwen2", "1|2|1" } };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct od_gguf_vocab v = byte_level(cases[i].pre);
		struct od_tokenizer *t = load(&v);

		pieces_are(t, "ab ab<e>", true, "ab|\xc4\xa0" "ab|<e>");
		pieces_are(t, "121", true, cases[i].digits);
		pieces_are(t, "a<x>b", true, "a|<x>|b");
		assert_int_equal(od_tokenizer_eos(t), 0);
		assert_int_equal(od_tokenizer_bos(t), -1);
		assert_true(od_tokenizer_is_special(t, 0));
		assert_false(od_tokenizer_is_special(t, 9));
		assert_string_equal(od_tokenizer_chat_template(t), v.chat_template);
		od_tokenizer_close(t);
	}
}

/* Qwen's normal form: e and a combining grave become one character before the bytes are taken. */
static void
normalises_for_qwen(void **state)
{
	struct od_gguf_vocab v = byte_level("qwen2");
	struct od_tokenizer *t = load(&v);

	(void)state;
	pieces_are(t, "e\xcc\x81", true, "");              /* U+00E9: bytes c3 a9, not in this vocabulary */
	od_tokenizer_close(t);
	v = byte_level("gpt-2");
	t = load(&v);
	pieces_are(t, "e\xcc\x81", true, "e|\xc3\x8c|\xc4\xa3");
	od_tokenizer_close(t);
}

static void
adds_bos_as_told(void **state)
{
	static const struct {
		const char *pre;
		int add;
		bool want;
	} cases[] = { { "gpt-2", -1, false }, { "llama-bpe", -1, true }, { "llama-bpe", 0, false }, { "gpt-2", 1, true } };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct od_gguf_vocab v = byte_level(cases[i].pre);
		struct od_tokenizer *t;

		v.bos = 0;
		v.add_bos = cases[i].add;
		t = load(&v);
		assert_int_equal(od_tokenizer_adds_bos(t), cases[i].want);
		assert_int_equal(od_tokenizer_bos(t), 0);
		od_tokenizer_close(t);
	}
}

static const struct od_gguf_text pieces[] = { T("<unk>"), T("<s>"), T("</s>"), T("<0x0A>"), T("<0xC3>"), T("<0xA9>"), T(MARK),
	T("a"), T("b"), T("c"), T("ab"), T("bc"), T(MARK "ab"), T("abc"), T("s"), T("<"), T(">") };
static const int32_t piece_types[] = { 2, 3, 3, 6, 6, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const float scores[] = { 0, 0, 0, 0, 0, 0, -9, -9, -9, -9, -2, -1, -3, -4, -9, -9, -9 };

static struct od_gguf_vocab
sentencepiece(int prefix)
{
	return (struct od_gguf_vocab){ .model = "llama", .pre = "default", .tokens = pieces, .n_tokens = 17, .types = piece_types,
		.scores = scores, .bos = 1, .eos = 2, .unk = 0, .pad = -1, .add_bos = 1, .add_space_prefix = prefix };
}

static void
reads_sentencepiece(void **state)
{
	struct od_gguf_vocab v = sentencepiece(0);
	struct od_tokenizer *t = load(&v);

	(void)state;
	pieces_are(t, "ab ab", true, "ab|" MARK "ab");
	pieces_are(t, "xbcab", true, "<unk>|bc|ab");
	pieces_are(t, "abc", true, "abc");                 /* bc first (-1), then a + bc */
	pieces_are(t, "\xc3\xa9\n", true, "<0xC3>|<0xA9>|<0x0A>");
	pieces_are(t, "<s>a", true, "<s>|a");
	pieces_are(t, "<s>a", false, "<|s|>|a");
	assert_true(od_tokenizer_adds_bos(t));
	od_tokenizer_close(t);
	v = sentencepiece(1);
	t = load(&v);
	pieces_are(t, "ab", true, MARK "ab");
	od_tokenizer_close(t);
}

static void
refused(const struct od_gguf_vocab *v, enum od_status want, const char *part)
{
	struct od_buf json = OD_BUF_INIT, config = OD_BUF_INIT;
	struct od_error err = OD_ERROR_INIT;
	enum od_status st = od_gguf_tokenizer_json(v, &json, &config, &err);

	if (st != want || !strstr(err.msg, part))
		print_message("# %d '%s'\n", (int)st, err.msg);
	assert_int_equal(st, want);
	assert_non_null(strstr(err.msg, part));
	od_buf_release(&json);
	od_buf_release(&config);
}

static void
refuses(void **state)
{
	static const struct od_gguf_text twice[] = { T("a"), T("a") }, invalid[] = { T("a"), T("\xff") }, nul[] = { { "a\0b", 3 } };
	static const float nan_scores[17] = { [3] = NAN };
	struct od_gguf_vocab v = byte_level("gpt-2");

	(void)state;
	v.model = NULL;
	refused(&v, OD_EFORMAT, "'tokenizer.ggml.model' is missing");
	v.model = "bert";
	refused(&v, OD_ESUPPORT, "tokenizer model 'bert' is not supported");
	v = byte_level("what");
	refused(&v, OD_ESUPPORT, "pre-tokenizer 'what' is not known; known are gpt-2,");
	v = byte_level(NULL);
	refused(&v, OD_ESUPPORT, "pre-tokenizer '(none)' is not known");
	v = byte_level("gpt-2");
	v.eos = 13;
	refused(&v, OD_EFORMAT, "eos token id 13 is out of range");
	v = byte_level("gpt-2");
	v.n_merges = 0;
	refused(&v, OD_EFORMAT, "has no merges");
	v = byte_level("gpt-2");
	v.n_tokens = 2;
	v.types = NULL;
	v.eos = v.unk = -1;
	v.tokens = twice;
	refused(&v, OD_EFORMAT, "token 'a' has two ids, 0 and 1");
	v.tokens = invalid;
	refused(&v, OD_EFORMAT, "token 1 is not valid UTF-8");
	v.tokens = nul;
	v.n_tokens = 1;
	refused(&v, OD_EFORMAT, "token 0 is not valid UTF-8 or holds a NUL");
	v.n_tokens = 0;
	refused(&v, OD_EFORMAT, "a vocabulary of 0 tokens");
	v = sentencepiece(0);
	v.scores = NULL;
	refused(&v, OD_EFORMAT, "has no scores");
	v.scores = nan_scores;
	refused(&v, OD_EFORMAT, "the score of token 3 is not a number");
	v = byte_level("gpt-2");
	v.chat_template = "\xff";
	refused(&v, OD_EFORMAT, "chat template is not valid UTF-8");
}

/* To a GGUF vocabulary and back: the same identity, padded to the model's rows. */
static void
comes_back(void **state)
{
	static const char *const pre[] = { "gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", NULL };

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct od_gguf_vocab v = pre[i] ? byte_level(pre[i]) : sentencepiece(0), w = OD_GGUF_VOCAB_INIT;
		struct od_gguf_vocab_store *store = NULL;
		struct od_tokenizer *t = load(&v), *again;

		assert_int_equal(od_gguf_vocab_of(&w, &store, t, 0, NULL), OD_OK);
		assert_string_equal(w.model, v.model);
		assert_string_equal(w.pre, v.pre);
		assert_int_equal(w.n_tokens, v.n_tokens);
		assert_memory_equal(w.types, v.types, w.n_tokens * sizeof(*w.types));
		again = load(&w);
		if (pre[i])
			assert_string_equal(od_tokenizer_hash(again), od_tokenizer_hash(t));
		pieces_are(again, "abc", true, pre[i] ? "ab" : "abc");
		od_tokenizer_close(again);
		od_gguf_vocab_release(store);
		assert_int_equal(od_gguf_vocab_of(&w, &store, t, 20, NULL), OD_OK);
		assert_int_equal(w.n_tokens, 20);
		assert_memory_equal(w.tokens[19].s, "[PAD19]", 7);
		assert_int_equal(w.tokens[19].n, 7);
		assert_int_equal(w.types[19], OD_GGUF_UNUSED);
		od_gguf_vocab_release(store);
		od_tokenizer_close(t);
	}
}

static void
has_no_name_for_others(void **state)
{
	struct od_tokenizer *t = parse("'vocab':{'a':0},'merges':[]", ",'pre_tokenizer':{'type':'Digits'}", NULL);
	struct od_gguf_vocab v;
	struct od_gguf_vocab_store *store = NULL;
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	assert_int_equal(od_gguf_vocab_of(&v, &store, t, 0, &err), OD_ESUPPORT);
	assert_non_null(strstr(err.msg, "has no name in GGUF files"));
	od_tokenizer_close(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_byte_level),
		cmocka_unit_test(normalises_for_qwen),
		cmocka_unit_test(adds_bos_as_told),
		cmocka_unit_test(reads_sentencepiece),
		cmocka_unit_test(refuses),
		cmocka_unit_test(comes_back),
		cmocka_unit_test(has_no_name_for_others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
