/* test_overlap.c -- words for comparing texts, and n-gram overlap against a search by brute force. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "bench/overlap.h"
#include "bench/texts.h"
#include "text/fold_words.h"

/* ---- words ---------------------------------------------------------------------------------------------------------------- */

static void
words_of_texts(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "", "" },
		{ " -- ", "" },
		{ "Don't pay 3.50, PLEASE_now", "don t pay 3 50 please now" },
		{ "caf\u00e9 CAFE\u0301 Caf\u00c9", "caf\u00e9 caf\u00e9 caf\u00e9" },              /* composed alike */
		{ "\uff21\uff22\uff11 \ufb01n x\u00b2", "ab1 fin x2" },                              /* full width, ligature, superscript */
		{ "STRASSE stra\u00dfe \u03a3\u03c3\u03c2", "strasse strasse \u03c3\u03c3\u03c3" },  /* case folded, not lowered */
		{ "co\u00adop zero\u200bwidth", "coop zerowidth" },                                  /* what nobody sees */
		{ "\u201cJanet\u2019s\u201d\u2014ducks", "janet s ducks" },
		{ "a\u2260b = \u0338c", "a b c" },                                                   /* a mark alone is no word */
		{ "\u4f60\u597dGPT4\u3002\u3053\u3093", "\u4f60 \u597d gpt4 \u3053 \u3093" },        /* each character a word */
		{ "\u0e19\u0e49\u0e33", "\u0e19\u0e49\u0e4d \u0e32" },                               /* Thai; NFKC splits the last vowel */
		{ "\u0915\u093f\u0924\u093e\u092c", "\u0915\u093f\u0924\u093e\u092c" },              /* vowel signs are of the word */
	};
	struct od_fold_words w = OD_FOLD_WORDS_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char got[256];
		size_t len;
		const char *s;

		assert_int_equal(od_fold_words(&w, cases[i].text, strlen(cases[i].text), NULL), OD_OK);
		s = od_fold_span(&w, 0, w.n, &len);
		snprintf(got, sizeof got, "%.*s", (int)len, w.n ? s : "");
		assert_string_equal(got, cases[i].words);
	}
	od_fold_words_release(&w);
}

static void
hashes_of_stretches(void **state)
{
	struct od_fold_words a = OD_FOLD_WORDS_INIT, b = OD_FOLD_WORDS_INIT;
	uint64_t three = od_fold_power(3);
	const char *text = "one two three four one two three", *other = "zero, one two three!";

	(void)state;
	assert_int_equal(od_fold_words(&a, text, strlen(text), NULL), OD_OK);
	assert_int_equal(od_fold_words(&b, other, strlen(other), NULL), OD_OK);
	assert_true(od_fold_hash(&a, 0, 3, three) == od_fold_hash(&a, 4, 3, three));
	assert_true(od_fold_hash(&a, 0, 3, three) == od_fold_hash(&b, 1, 3, three));
	assert_true(od_fold_hash(&a, 0, 3, three) != od_fold_hash(&a, 1, 3, three));
	assert_true(od_fold_hash(&a, 0, 2, od_fold_power(2)) != od_fold_hash(&a, 1, 2, od_fold_power(2)));
	assert_int_equal(od_fold_words_add(&b, "four", 4, NULL), OD_OK);
	assert_true(od_fold_hash(&a, 0, 4, od_fold_power(4)) == od_fold_hash(&b, 1, 4, od_fold_power(4)));
	od_fold_words_release(&a);
	od_fold_words_release(&b);
}

/* ---- overlap -------------------------------------------------------------------------------------------------------------- */

static struct od_overlap *
index_of(const char *const *items, size_t n, int words, int least, int64_t common)
{
	struct od_overlap *o = NULL;

	assert_int_equal(od_overlap_new(&o, words, least, common, NULL), OD_OK);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(od_overlap_item(o, NULL), OD_OK);
		assert_int_equal(od_overlap_text(o, items[i], strlen(items[i]), NULL), OD_OK);
	}
	assert_int_equal(od_overlap_index(o, NULL), OD_OK);
	return o;
}

static int64_t
scan(struct od_overlap *o, int64_t line, const char *text)
{
	const struct od_overlap_source source = { line, "id", "prompt" };
	int64_t hits = 0;

	assert_int_equal(od_overlap_scan(o, &source, text, strlen(text), &hits, NULL), OD_OK);
	return hits;
}

static void
shares_and_references(void **state)
{
	static const char *const items[] = { "a b c d e", "x y", "a b c z z z", "q" };
	struct od_overlap *o = index_of(items, 4, 3, 2, 0);
	struct od_overlap_result r;

	(void)state;
	assert_int_equal(scan(o, 7, "B, c D; nothing else"), 1);
	assert_int_equal(scan(o, 8, "x z y"), 0);
	assert_int_equal(scan(o, 9, "A b\n\nC. The x? Y!"), 2);
	for (int i = 10; i < 20; i++)
		assert_int_equal(scan(o, i, "a b c"), 1);
	od_overlap_result(o, 0, &r);
	assert_int_equal(r.ngrams, 3);
	assert_int_equal(r.hits, 2);
	assert_true(r.overlap == 2.0 / 3 && !r.whole && r.words == 5);
	assert_int_equal(r.n_refs, OD_OVERLAP_REFS);
	assert_true(r.ref[0].line == 7 && r.ref[1].line == 9 && r.ref[2].line == 10);
	assert_string_equal(r.ref[0].id, "id");
	assert_true(r.example_len == 7 && memcmp(r.example, "a b c d", 7) == 0);
	od_overlap_result(o, 1, &r);
	assert_true(r.whole && r.overlap == 1 && r.n_refs == 1);
	od_overlap_result(o, 2, &r);
	assert_true(r.hits == 1 && r.ngrams == 4);
	od_overlap_result(o, 3, &r);
	assert_true(isnan(r.overlap) && r.ngrams == 0 && r.example == NULL);
	assert_int_equal(od_overlap_words(o), 5 + 3 + 6 + 30);
	od_overlap_free(o);
}

/* What several items share may be left out of account; texts of one item do not join. */
static void
common_phrases_and_parts(void **state)
{
	static const char *const items[] = { "a b c d", "a b c e", "f g h" };
	struct od_overlap *o = index_of(items, 3, 3, 2, 1);
	struct od_overlap_result r;

	(void)state;
	assert_int_equal(scan(o, 1, "a b c d and a b c"), 1);
	od_overlap_result(o, 0, &r);
	assert_true(r.ngrams == 1 && r.hits == 1);
	od_overlap_result(o, 1, &r);
	assert_true(r.ngrams == 1 && r.hits == 0);
	od_overlap_free(o);

	assert_int_equal(od_overlap_new(&o, 3, 2, 0, NULL), OD_OK);
	assert_int_equal(od_overlap_item(o, NULL), OD_OK);
	assert_int_equal(od_overlap_text(o, "a b c", 5, NULL), OD_OK);
	assert_int_equal(od_overlap_text(o, "d e", 3, NULL), OD_OK);
	assert_int_equal(od_overlap_index(o, NULL), OD_OK);
	assert_int_equal(scan(o, 1, "b c d e"), 0);
	assert_int_equal(scan(o, 1, "d e"), 0);            /* an item with n-grams is not matched by a short text */
	assert_int_equal(scan(o, 1, "z a b c d e"), 1);
	od_overlap_free(o);
	assert_int_equal(od_overlap_new(&o, 0, 2, 0, NULL), OD_EUSAGE);
	assert_int_equal(od_overlap_new(&o, OD_OVERLAP_MAX_N + 1, 2, 0, NULL), OD_EUSAGE);
	o = index_of(items, 0, 3, 2, 0);
	assert_int_equal(scan(o, 1, "a b c"), 0);
	od_overlap_free(o);
}

/* Words of two letters, so that n-grams repeat; every place of every item is looked for in every text by strstr. */
static void
agrees_with_brute_force(void **state)
{
	struct od_rng rng = od_rng_init(20, 1);
	enum { ITEMS = 40, TEXTS = 30, N = 5, LEAST = 2 };
	static char item[ITEMS][200], text[TEXTS][2000];
	const char *items[ITEMS];
	struct od_overlap *o;

	(void)state;
	for (int i = 0; i < ITEMS + TEXTS; i++) {
		char *to = i < ITEMS ? item[i] : text[i - ITEMS];
		int n = (int)od_rng_below(&rng, i < ITEMS ? 12 : 400) + 1;

		to += sprintf(to, "%s", i < ITEMS ? "" : " ");
		for (int k = 0; k < n; k++)
			to += sprintf(to, "%c%s", "ab"[od_rng_below(&rng, 2)], od_rng_below(&rng, 9) ? " " : "c ");
		if (i < ITEMS)
			items[i] = item[i];
	}
	o = index_of(items, ITEMS, N, LEAST, 0);
	for (int t = 0; t < TEXTS; t++)
		scan(o, t, text[t]);
	for (int i = 0; i < ITEMS; i++) {
		char *word[16], copy[200], needle[200];
		size_t n = 0, hits = 0, grams, len;
		struct od_overlap_result r;

		strcpy(copy, item[i]);
		for (char *p = copy; *p; p = strchr(p, ' ') + 1, n++)
			word[n] = p;
		len = n < N ? n : N;
		grams = n < LEAST ? 0 : n - len + 1;
		for (size_t k = 0; k < grams; k++) {
			size_t bytes = (k + len < n ? (size_t)(word[k + len] - word[k]) : strlen(word[k]));
			bool found = false;

			snprintf(needle, sizeof needle, " %.*s", (int)bytes, word[k]);
			for (int t = 0; t < TEXTS; t++)
				found = found || strstr(text[t], needle) != NULL;
			hits += found;
		}
		od_overlap_result(o, (size_t)i, &r);
		assert_int_equal(r.ngrams, grams);
		assert_int_equal(r.hits, hits);
		assert_int_equal(r.whole, n < N && n >= LEAST);
	}
	od_overlap_free(o);
}

/* ---- where texts are ---------------------------------------------------------------------------------------------------------- */

static enum od_status
collect(void *arg, const char *s, size_t n, struct od_error *err)
{
	(void)err;
	od_buf_append(arg, s, n);
	od_buf_char(arg, '|');
	return OD_OK;
}

static void
texts_of_records(void **state)
{
	json_t *r = json_loads("{\"key\":7,\"turns\":[{\"content\":\"one\"},\"two\"],\"messages\":[{\"role\":\"user\",\"content\":["
		"{\"type\":\"text\",\"text\":\"three\"}]}],\"responses\":[{\"text\":\"r\",\"tokens\":3}],\"n\":1}", 0, NULL);
	struct od_buf all = OD_BUF_INIT;
	bool found = false;
	char name[4];
	size_t len;

	(void)state;
	assert_int_equal(od_texts_at(r, "n", collect, &all, &found, NULL), OD_OK);
	assert_false(found);
	assert_int_equal(od_texts_at(r, "turns", collect, &all, &found, NULL), OD_OK);
	assert_int_equal(od_texts_at(r, "messages", collect, &all, &found, NULL), OD_OK);
	assert_string_equal(all.data, "one|two|three|");
	assert_string_equal(od_question_of(r, &len), "one");
	assert_string_equal(od_answer_of(r, &len), "r");
	od_name_of(r, name, sizeof name);
	assert_string_equal(name, "7");
	json_object_set_new(r, "id", json_string("ab\u00e9"));
	od_name_of(r, name, sizeof name);
	assert_string_equal(name, "ab");           /* cut between characters */
	json_object_clear(r);
	od_name_of(r, name, sizeof name);
	assert_string_equal(name, "");
	assert_null(od_question_of(r, &len));
	assert_null(od_answer_of(r, &len));
	json_decref(r);
	od_buf_release(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_texts),
		cmocka_unit_test(hashes_of_stretches),
		cmocka_unit_test(shares_and_references),
		cmocka_unit_test(common_phrases_and_parts),
		cmocka_unit_test(agrees_with_brute_force),
		cmocka_unit_test(texts_of_records),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
