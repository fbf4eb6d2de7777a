/* test_tokenizer.c -- byte-pair encoding, added tokens, decoding, identity, on tokenizers of a few tokens; what a file
 * must not be is in test_bad_tokenizer.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "base/rng.h"
#include "text/bpe.h"
#include "text_help.h"

#define ABC "'vocab':{'a':0,'b':1,'c':2,'ab':3,'bc':4,'aa':5,'abc':6}"

static void
encodes(const char *model, const char *text, const char *want)
{
	struct od_tokenizer *t = parse(model, "", NULL);

	pieces_are(t, text, true, want);
	od_tokenizer_close(t);
}

static void
merges_in_order(void **state)
{
	(void)state;
	encodes(ABC ",'merges':['a b','b c']", "abc", "ab|c");
	encodes(ABC ",'merges':['b c','a b']", "abc", "a|bc");
	encodes(ABC ",'merges':['b c','a bc']", "abc", "abc");
	encodes(ABC ",'merges':['a a']", "aaa", "aa|a");
	encodes(ABC ",'merges':['a a']", "aaaaa", "aa|aa|a");
	encodes(ABC ",'merges':[]", "abc", "a|b|c");
	encodes(ABC ",'merges':['#version: 0.2','a b']", "abc", "ab|c");
	encodes(ABC ",'merges':[['a','b'],['ab','c']]", "abcab", "abc|ab");
	encodes(ABC ",'merges':['a b']", "", "");
}

static void
takes_whole_words_under_ignore_merges(void **state)
{
	(void)state;
	encodes(ABC ",'merges':['b c'],'ignore_merges':true", "abc", "abc");
	encodes(ABC ",'merges':['b c'],'ignore_merges':true", "abcc", "a|bc|c");
	encodes(ABC ",'merges':['b c'],'ignore_merges':false", "abc", "a|bc");
}

static void
handles_unknown_characters(void **state)
{
#define UNK "'vocab':{'<unk>':0,'a':1,'b':2,'<0xC3>':3,'<0xA9>':4,'<0x0A>':5},'merges':[],'unk_token':'<unk>'"
	(void)state;
	encodes(UNK, "axyb", "a|<unk>|<unk>|b");
	encodes(UNK ",'fuse_unk':true", "axyb", "a|<unk>|b");
	encodes(UNK ",'fuse_unk':true", "xyaxy", "<unk>|a|<unk>");
	encodes(UNK ",'byte_fallback':true", "a\xc3\xa9\n", "a|<0xC3>|<0xA9>|<0x0A>");
	encodes(UNK ",'byte_fallback':true", "\xc3\xa8", "<unk>");
	encodes("'vocab':{'a':0},'merges':[]", "axa", "a|a");
}

/* ---- against the plain definition --------------------------------------------------------------------- */

struct naive {
	int32_t rank[64][64], joined[64][64];
};

/* Looks through the whole word for the first-learnt pair, joins its leftmost occurrence, starts again. */
static size_t
naive_encode(const struct naive *r, int32_t *id, size_t n)
{
	for (;;) {
		size_t best = n;

		for (size_t i = 0; i + 1 < n; i++) {
			int32_t k = r->rank[id[i]][id[i + 1]];

			if (k >= 0 && (best == n || k < r->rank[id[best]][id[best + 1]]))
				best = i;
		}
		if (best == n)
			return n;
		id[best] = r->joined[id[best]][id[best + 1]];
		memmove(id + best + 1, id + best + 2, (n - best - 2) * sizeof(*id));
		n--;
	}
}

/* A random vocabulary of 64 over four letters and merges in random order. */
static void
random_bpe(struct od_bpe *b, struct naive *r, struct od_rng *rng)
{
	char piece[64][64], joined[64];
	int32_t order[64], left[64], right[64];

	od_bpe_init(b);
	memset(r, 0xff, sizeof(*r));
	for (int32_t i = 0; i < 64; i++) {
		if (i < 4) {
			snprintf(piece[i], sizeof(piece[i]), "%c", 'a' + i);
		} else do {
			left[i] = (int32_t)od_rng_below(rng, (uint64_t)i);
			right[i] = (int32_t)od_rng_below(rng, (uint64_t)i);
			snprintf(joined, sizeof(joined), "%s%s", piece[left[i]], piece[right[i]]);
			memcpy(piece[i], joined, sizeof(joined));
		} while (strlen(piece[i]) > 20 || od_vocab_find(&b->vocab, piece[i], strlen(piece[i])) >= 0);
		assert_int_equal(od_vocab_add(&b->vocab, i, piece[i], strlen(piece[i]), NULL), OD_OK);
		order[i] = i;
	}
	assert_int_equal(od_bpe_reserve(b, 60, NULL), OD_OK);
	for (int32_t k = 63; k >= 4; k--) {
		int32_t pick = 4 + (int32_t)od_rng_below(rng, (uint64_t)(k - 3)), i = order[pick];

		order[pick] = order[k];
		assert_int_equal(od_bpe_add_merge(b, (uint32_t)k, left[i], right[i], NULL), OD_OK);
		r->rank[left[i]][right[i]] = k;
		r->joined[left[i]][right[i]] = i;
	}
	od_bpe_finish(b);
}

static void
equals_the_definition(void **state)
{
	struct od_rng rng = od_rng_init(7, 0);
	struct od_bpe_scratch s = OD_BPE_SCRATCH_INIT;

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct od_bpe b;
		struct naive r;

		random_bpe(&b, &r, &rng);
		for (int w = 0; w < 40; w++) {
			struct od_ids ids = OD_IDS_INIT;
			char word[200];
			int32_t want[200];
			size_t n = (size_t)od_rng_below(&rng, sizeof(word)), n_want;

			for (size_t i = 0; i < n; i++) {
				want[i] = (int32_t)od_rng_below(&rng, 4);
				word[i] = (char)('a' + want[i]);
			}
			n_want = naive_encode(&r, want, n);
			assert_int_equal(od_bpe_word(&b, &s, word, n, &ids, NULL), OD_OK);
			assert_int_equal(ids.n, n_want);
			if (n_want)
				assert_memory_equal(ids.id, want, n_want * sizeof(*want));
			od_ids_release(&ids);
		}
		od_bpe_release(&b);
	}
	od_bpe_scratch_release(&s);
}

/* A word of 400,000 characters: quadratic work would take minutes. */
static void
long_words_are_quick(void **state)
{
	struct od_tokenizer *t = parse(ABC ",'merges':['a b','b c','a a','ab c']", "", NULL);
	struct od_ids ids = OD_IDS_INIT;
	size_t n = 400000;
	char *word = malloc(n);
	clock_t start = clock();

	(void)state;
	assert_non_null(word);
	for (size_t i = 0; i < n; i++)
		word[i] = "aabcab"[i % 6];
	assert_int_equal(od_tokenizer_encode(t, word, n, true, &ids, NULL), OD_OK);
	assert_int_equal(ids.n, n / 2);            /* a|abc|ab */
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
	free(word);
	od_ids_release(&ids);
	od_tokenizer_close(t);
}

/* ---- added tokens ------------------------------------------------------------------------------------- */

#define LETTERS "'vocab':{'a':0,'b':1,' ':2,'x':3,'<':4,'>':5,'\xe2\x96\x81':6,'A':7},'merges':[]"
#define ADDED(id, text, flags) "{'id':" id ",'content':'" text "','special':true,'normalized':false" flags "}"

static void
added(const char *list, const char *text, bool special, const char *want)
{
	struct od_buf rest = OD_BUF_INIT;
	struct od_tokenizer *t;

	od_buf_printf(&rest, ",'added_tokens':[%s]", list);
	t = parse(LETTERS, rest.data, NULL);
	pieces_are(t, text, special, want);
	od_tokenizer_close(t);
	od_buf_release(&rest);
}

static void
finds_added_tokens(void **state)
{
	(void)state;
	added(ADDED("9", "<x>", ""), "a<x>b", true, "a|<x>|b");
	added(ADDED("9", "<x>", ""), "a<x>b", false, "a|<|x|>|b");
	added(ADDED("9", "<x>", ""), "<x><x>", true, "<x>|<x>");
	added(ADDED("9", "<x>", "") "," ADDED("10", "<x>a", ""), "<x>a<x>b", true, "<x>a|<x>|b");
	added(ADDED("9", "ab", "") "," ADDED("10", "bx", ""), "abx", true, "ab|x");
	added(ADDED("9", "<x>", ",'lstrip':true"), "a  <x> b", true, "a|<x>| |b");
	added(ADDED("9", "<x>", ",'rstrip':true"), "a <x>  b", true, "a| |<x>|b");
	added(ADDED("9", "<x>", ",'rstrip':true") "," ADDED("10", "ab", ",'lstrip':true"), "<x>  ab", true, "<x>|ab");
	added(ADDED("9", "xx", ",'single_word':true"), "xx axx xxb xx", true, "xx| |a|x|x| |x|x|b| |xx");
	added(ADDED("9", "<x>", ",'single_word':true"), "<x>\xcc\x81", true, "<|x|>");
}

/* Not special: always a token when the model's vocabulary has it, else only when special tokens are. */
static void
finds_tokens_that_are_not_special(void **state)
{
	(void)state;
	added("{'id':9,'content':'<x>','special':false}", "a<x>", true, "a|<x>");
	added("{'id':9,'content':'<x>','special':false}", "a<x>", false, "a|<|x|>");
	added("{'id':7,'content':'A','special':false}", "aA", false, "a|A");
}

/* Normalised tokens are looked for after the normaliser, and normalised themselves. */
static void
finds_normalised_tokens(void **state)
{
	struct od_tokenizer *t = parse(LETTERS, ",'normalizer':{'type':'Replace','pattern':{'String':' '},"
		"'content':'\xe2\x96\x81'},'added_tokens':[{'id':9,'content':'a b','special':false,'normalized':true},"
		"{'id':10,'content':'x x','special':false,'normalized':false}]", NULL);

	(void)state;
	pieces_are(t, "a b", true, "a b");
	pieces_are(t, "a\xe2\x96\x81" "b", true, "a b");
	pieces_are(t, "x x", true, "x x");
	pieces_are(t, "x\xe2\x96\x81x", true, "x|\xe2\x96\x81|x");
	pieces_are(t, "aa bx x", true, "a|a b|x x");
	od_tokenizer_close(t);
}

/* "first" is the beginning of the input, not of each stretch between added tokens. */
static void
metaspace_first_is_the_inputs(void **state)
{
	struct od_tokenizer *t = parse(LETTERS, ",'pre_tokenizer':{'type':'Metaspace','prepend_scheme':'first'},"
		"'added_tokens':[" ADDED("9", "<x>", "") "]", NULL);

	(void)state;
	pieces_are(t, "a<x>b", true, "\xe2\x96\x81|a|<x>|b");
	pieces_are(t, "<x>b", true, "<x>|b");
	od_tokenizer_close(t);
}

/* ---- the way back, names, identity -------------------------------------------------------------------- */

static void
decodes_to(const struct od_tokenizer *t, int32_t id, bool skip, const char *want)
{
	struct od_buf b = OD_BUF_INIT;

	od_buf_str(&b, "");
	od_tokenizer_decode(t, id, skip, &b);
	assert_string_equal(b.data, want);
	od_buf_release(&b);
}

static void
decodes(void **state)
{
	struct od_tokenizer *t = parse("'vocab':{'\xc4\xa0t':0,'\xc3\x83\xc2\xa9':1,'\xe2\x82\xac':2},'merges':[]",
		",'decoder':{'type':'ByteLevel'},'added_tokens':[" ADDED("5", "<x y>", "") ",{'id':6,'content':'\xc3\xa9'}]", NULL);

	(void)state;
	decodes_to(t, 0, false, " t");
	decodes_to(t, 1, false, "\xc3\xa9");
	decodes_to(t, 2, false, "\xe2\x82\xac");
	decodes_to(t, 5, false, "<x y>");
	decodes_to(t, 5, true, "");
	decodes_to(t, 6, true, "\xc3\xa9");
	decodes_to(t, 4, false, "");
	decodes_to(t, -1, false, "");
	decodes_to(t, 1000, false, "");
	od_tokenizer_close(t);
	t = parse("'vocab':{'\xe2\x96\x81t':0,'<0x0A>':1,'<0xG0>':2},'merges':[],'byte_fallback':true",
		",'decoder':{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'\xe2\x96\x81'},'content':' '},"
		"{'type':'ByteFallback'},{'type':'Fuse'}]}", NULL);
	decodes_to(t, 0, false, " t");
	decodes_to(t, 1, false, "\n");
	decodes_to(t, 2, false, "<0xG0>");
	od_tokenizer_close(t);
}

static void
answers_questions(void **state)
{
	struct od_tokenizer *t = parse("'vocab':{'a':0,'b':3},'merges':[]",
		",'added_tokens':[" ADDED("5", "<s>", "") ",{'id':6,'content':'u'}]",
		"{'bos_token':{'content':'<s>'},'eos_token':'u','chat_template':[{'name':'tool','template':'T'},"
		"{'name':'default','template':'D'}]}");

	(void)state;
	assert_int_equal(od_tokenizer_size(t), 7);
	assert_int_equal(od_tokenizer_id(t, "b"), 3);
	assert_int_equal(od_tokenizer_id(t, "<s>"), 5);
	assert_int_equal(od_tokenizer_id(t, "zz"), -1);
	assert_null(od_tokenizer_piece(t, 1));
	assert_string_equal(od_tokenizer_piece(t, 6), "u");
	assert_true(od_tokenizer_is_special(t, 5));
	assert_false(od_tokenizer_is_special(t, 6));
	assert_false(od_tokenizer_is_special(t, 99));
	assert_int_equal(od_tokenizer_bos(t), 5);
	assert_int_equal(od_tokenizer_eos(t), 6);
	assert_false(od_tokenizer_adds_bos(t));
	assert_string_equal(od_tokenizer_chat_template(t), "D");
	od_tokenizer_close(t);
}

static void
knows_who_adds_bos(void **state)
{
#define POST ",'added_tokens':[" ADDED("5", "<s>", "") "],'post_processor':{'type':'Sequence','processors':[" \
	"{'type':'ByteLevel'},{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>','type_id':0}},{'Sequence':{}}]}]}"
	static const struct {
		const char *config;
		bool adds;
	} cases[] = { { NULL, true }, { "{'bos_token':'<s>'}", true }, { "{'bos_token':'<s>','add_bos_token':false}", false } };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct od_tokenizer *t = parse("'vocab':{'a':0},'merges':[]", POST, cases[i].config);

		assert_int_equal(od_tokenizer_bos(t), 5);
		assert_int_equal(od_tokenizer_adds_bos(t), cases[i].adds);
		od_tokenizer_close(t);
	}
}

static void
same_hash(bool same, const char *model, const char *rest, const char *config)
{
	struct od_tokenizer *a = parse(ABC ",'merges':['a b','b c']", "", "{'eos_token':'c'}"), *b = parse(model, rest, config);

	assert_int_equal(strcmp(od_tokenizer_hash(a), od_tokenizer_hash(b)) == 0, same);
	assert_int_equal(strlen(od_tokenizer_hash(a)), 64);
	od_tokenizer_close(a);
	od_tokenizer_close(b);
}

static void
hashes_what_decides_ids(void **state)
{
	const char *eos = "{'eos_token':'c'}";

	(void)state;
	same_hash(true, "'merges':[['a','b'],['b','c']],'vocab':{'abc':6,'aa':5,'bc':4,'ab':3,'c':2,'b':1,'a':0}",
		",'normalizer':null,'version':'9','decoder':null", "{'eos_token':{'content':'c'},'chat_template':'x'}");
	same_hash(false, ABC ",'merges':['b c','a b']", "", eos);
	same_hash(false, ABC ",'merges':['a b']", "", eos);
	same_hash(false, ABC ",'merges':['a b','b c'],'ignore_merges':true", "", eos);
	same_hash(false, ABC ",'merges':['a b','b c']", ",'normalizer':{'type':'NFC'}", eos);
	same_hash(false, ABC ",'merges':['a b','b c']", ",'pre_tokenizer':{'type':'Digits'}", eos);
	same_hash(false, ABC ",'merges':['a b','b c']", ",'added_tokens':[{'id':7,'content':'d'}]", eos);
	same_hash(false, ABC ",'merges':['a b','b c']", "", "{'eos_token':'b'}");
	same_hash(false, "'vocab':{'a':0,'b':1,'c':2,'ab':3,'bc':4,'aa':6,'abc':5},'merges':['a b','b c']", "", eos);
}

static void
refuses_invalid_text(void **state)
{
	static const char *const bad[] = { "a\xff", "\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "ab\xe2\x82" };
	struct od_tokenizer *t = parse(ABC ",'merges':[]", "", NULL);
	struct od_ids ids = OD_IDS_INIT;
	struct od_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(od_tokenizer_encode(t, bad[i], strlen(bad[i]), true, &ids, &err), OD_EFORMAT);
		assert_non_null(strstr(err.msg, "cannot tokenise text: invalid UTF-8 at byte "));
	}
	assert_int_equal(od_tokenizer_encode(t, NULL, 0, true, &ids, &err), OD_OK);
	assert_int_equal(ids.n, 0);
	assert_int_equal(od_tokenizer_encode(t, "a\0b", 3, true, &ids, &err), OD_OK);
	assert_int_equal(ids.n, 2);
	od_ids_release(&ids);
	od_tokenizer_close(t);
}

/* Remembered words, forgotten words and several threads at once give the ids of a fresh tokenizer. */
static void
remembers_rightly(void **state)
{
	struct od_tokenizer *t = parse("'vocab':{'a':0,'b':1,'c':2,'d':3,'ab':4,'cd':5,' ':6,'abcd':7},'merges':['a b','c d',"
		"'ab cd']", ",'pre_tokenizer':{'type':'Split','pattern':{'String':' '},'behavior':'Isolated'}", NULL);
	int wrong = 0;

	(void)state;
#pragma omp parallel for num_threads(4) reduction(+ : wrong)
	for (int round = 0; round < 8; round++) {
		struct od_rng rng = od_rng_init(3, (uint64_t)round % 4);

		for (int k = 0; k < 6000; k++) {
			struct od_ids whole = OD_IDS_INIT, parts = OD_IDS_INIT;
			char text[64];
			size_t n = 1 + (size_t)od_rng_below(&rng, 60);

			for (size_t i = 0; i < n; i++)
				text[i] = "abcd "[od_rng_below(&rng, 5)];
			wrong += od_tokenizer_encode(t, text, n, true, &whole, NULL) != OD_OK;
			/* Words of a text are independent, so it may be handed over in parts. */
			for (size_t i = 0, j; i < n; i = j) {
				for (j = i + 1; j < n && text[j] != ' ' && text[i] != ' '; j++)
					;
				wrong += od_tokenizer_encode(t, text + i, j - i, true, &parts, NULL) != OD_OK;
			}
			wrong += whole.n != parts.n || memcmp(whole.id, parts.id, whole.n * sizeof(*whole.id)) != 0;
			od_ids_release(&whole);
			od_ids_release(&parts);
		}
	}
	assert_int_equal(wrong, 0);
	od_tokenizer_close(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_in_order),
		cmocka_unit_test(takes_whole_words_under_ignore_merges),
		cmocka_unit_test(handles_unknown_characters),
		cmocka_unit_test(equals_the_definition),
		cmocka_unit_test(long_words_are_quick),
		cmocka_unit_test(finds_added_tokens),
		cmocka_unit_test(finds_tokens_that_are_not_special),
		cmocka_unit_test(finds_normalised_tokens),
		cmocka_unit_test(metaspace_first_is_the_inputs),
		cmocka_unit_test(decodes),
		cmocka_unit_test(answers_questions),
		cmocka_unit_test(knows_who_adds_bos),
		cmocka_unit_test(hashes_what_decides_ids),
		cmocka_unit_test(refuses_invalid_text),
		cmocka_unit_test(remembers_rightly),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
