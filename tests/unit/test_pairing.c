#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pref/pairing.h"

enum { MAX = 12 };

/* A candidate set made by hand. */
struct set {
	struct od_candidate list[MAX];
	struct od_candidates c;
};

static void
add_json(struct set *s, const char *text, double score, int correct, json_t *json)
{
	assert_true(s->c.n < MAX);
	assert_non_null(json);
	s->c.list = s->list;
	s->list[s->c.n++] = (struct od_candidate){ .json = json, .text = text, .len = strlen(text), .score = score,
		.correct = correct };
}

static void
add(struct set *s, const char *text, double score, int correct)
{
	add_json(s, text, score, correct, json_object());
}

static void
clear(struct set *s)
{
	for (size_t i = 0; i < s->c.n; i++)
		json_decref((json_t *)s->list[i].json);
	memset(s, 0, sizeof *s);
}

static struct od_pairing_rules
rules(enum od_strategy strategy)
{
	return (struct od_pairing_rules){ .strategy = strategy, .max_margin = INFINITY, .floor = -INFINITY, .seed = 1 };
}

static void
begin(struct od_pairing *p, const struct set *s, const struct od_pairing_rules *r, uint64_t stream)
{
	assert_int_equal(od_pairing_begin(p, r, &s->c, stream, NULL), OD_OK);
}

/* The record's only pair, or the only reason. */
static void
pairs_as(const struct set *s, const struct od_pairing_rules *r, size_t chosen, size_t rejected)
{
	struct od_pairing p = { .rules = NULL };
	struct od_choice choice;

	begin(&p, s, r, 7);
	assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
	assert_int_equal(choice.chosen, chosen);
	assert_int_equal(choice.rejected, rejected);
	od_pairing_release(&p);
}

static void
gives_none(const struct set *s, const struct od_pairing_rules *r, enum od_unpaired why)
{
	struct od_pairing p = { .rules = NULL };
	struct od_choice choice;

	begin(&p, s, r, 7);
	assert_string_equal(od_unpaired_names[od_pairing_next(&p, &choice)], od_unpaired_names[why]);
	od_pairing_release(&p);
}

static void
best_and_worst(void **state)
{
	struct od_pairing_rules r = rules(OD_BEST_WORST);
	struct set s = { .c.n = 0 };

	(void)state;
	gives_none(&s, &r, OD_UNPAIRED_NONE);
	add(&s, "a", 1, -1);
	gives_none(&s, &r, OD_UNPAIRED_SINGLE);
	add(&s, "b", 3, -1);
	add(&s, "c", 3, -1);
	add(&s, "d", 0.5, -1);
	add(&s, "e", 0.5, -1);
	pairs_as(&s, &r, 1, 3);                    /* first on ties, on both sides */
	r.margin = 2.5;
	pairs_as(&s, &r, 1, 3);                    /* just enough */
	r.margin = 2.6;
	gives_none(&s, &r, OD_UNPAIRED_UNDER);
	r.margin = 0;
	r.max_margin = 2;
	pairs_as(&s, &r, 1, 0);                    /* the lowest of those that are near enough */
	r.max_margin = 1;
	gives_none(&s, &r, OD_UNPAIRED_OVER);
	r.max_margin = INFINITY;
	r.floor = 3;
	gives_none(&s, &r, OD_UNPAIRED_FLOOR);     /* above the floor, not on it */
	r.floor = 2.99;
	pairs_as(&s, &r, 1, 3);
	clear(&s);
}

static void
equal_and_identical(void **state)
{
	const struct od_pairing_rules r = rules(OD_BEST_WORST);
	struct set s = { .c.n = 0 };

	(void)state;
	add(&s, "same", 2, -1);
	add(&s, " same\n", 1, -1);
	gives_none(&s, &r, OD_UNPAIRED_IDENTICAL);
	add(&s, "other", 2, -1);
	gives_none(&s, &r, OD_UNPAIRED_EQUAL);
	add(&s, "third", 1.5, -1);
	pairs_as(&s, &r, 0, 3);                    /* not 1, which says the same as 0 */
	clear(&s);
}

static void
who_takes_part(void **state)
{
	struct od_pairing_rules r = rules(OD_BEST_WORST);
	struct od_error err = OD_ERROR_INIT;
	struct od_pairing p = { .rules = NULL };
	struct od_choice choice;
	struct set s = { .c.n = 0 };

	(void)state;
	add_json(&s, " \n", 9, 1, json_pack("{si}", "tokens", 1));
	add_json(&s, "cut", 8, 1, json_pack("{siss}", "tokens", 5, "finish_reason", "length"));
	add_json(&s, "long", 7, 1, json_pack("{siss}", "tokens", 6, "finish_reason", "stop"));
	add_json(&s, "mute", 6, 1, json_pack("{siss}", "tokens", 5, "extracted", " "));
	add_json(&s, "null", 5, 1, json_pack("{sisn}", "tokens", 5, "extracted"));
	add_json(&s, "good", 4, 1, json_pack("{siss}", "tokens", 5, "extracted", "4"));
	add_json(&s, "bad", 3, 0, json_pack("{si}", "tokens", 0));
	pairs_as(&s, &r, 2, 6);
	r.keep_truncated = true;
	pairs_as(&s, &r, 1, 6);
	r.max_tokens = 5;
	pairs_as(&s, &r, 1, 6);
	r.keep_truncated = false;
	pairs_as(&s, &r, 3, 6);                    /* an answer is asked for by math strategies alone */
	r.strategy = OD_MATH_PAPER;
	begin(&p, &s, &r, 0);
	assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
	assert_true(choice.chosen == 5 && choice.rejected == 6 && choice.score_chosen == 4 && choice.score_rejected == 3);
	assert_true(p.unfit[OD_UNFIT_EMPTY] == 1 && p.unfit[OD_UNFIT_TRUNCATED] == 1 && p.unfit[OD_UNFIT_TOO_LONG] == 1);
	assert_true(p.unfit[OD_UNFIT_NO_ANSWER] == 2 && p.unfit[OD_FIT] == 2);

	add(&s, "?", 1, 0);
	assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "field 'responses.7.tokens' is missing: the limit on tokens needs it");
	json_object_set_new((json_t *)s.list[7].json, "tokens", json_string("5"));
	assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "field 'responses.7.tokens' must be a number, not a string");
	od_pairing_release(&p);
	clear(&s);
}

static void
math_of_the_paper(void **state)
{
	struct od_pairing_rules r = rules(OD_MATH_PAPER);
	struct set s = { .c.n = 0 };

	(void)state;
	add(&s, "a", 9, 0);
	add(&s, "b", 4, 0);
	gives_none(&s, &r, OD_UNPAIRED_ALL_WRONG);
	add(&s, "c", 3, 1);
	gives_none(&s, &r, OD_UNPAIRED_EQUAL);     /* both wrong ones score higher */
	add(&s, "d", 8, 1);
	pairs_as(&s, &r, 3, 2);                    /* the lowest, though it is correct */
	add(&s, "e", 2, 0);
	pairs_as(&s, &r, 3, 4);
	clear(&s);
}

static void
math_of_the_authors(void **state)
{
	struct od_pairing_rules r = rules(OD_MATH_AUTHORS);
	struct set s = { .c.n = 0 };
	struct od_pairing p = { .rules = NULL };
	struct od_choice choice;

	(void)state;
	r.floor = 6;
	add(&s, "a", 10, 0);
	add(&s, "b", 6, 1);
	gives_none(&s, &r, OD_UNPAIRED_FLOOR);
	add(&s, "c", 9, 1);
	add(&s, "d", 2, 0);
	pairs_as(&s, &r, 2, 1);                    /* a correct one is rejected before any wrong one */
	add(&s, "e", 9, 1);
	add(&s, "f", 7, 0);

	/* First c against b or e, then, of what is left: e against a wrong one (b is used), or b below the floor. */
	for (uint64_t stream = 0; stream < 20; stream++) {
		begin(&p, &s, &r, stream);
		assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
		assert_true(choice.chosen == 2 && (choice.rejected == 1 || choice.rejected == 4));
		if (choice.rejected == 4) {
			assert_int_equal(od_pairing_next(&p, &choice), OD_UNPAIRED_FLOOR);
			continue;
		}
		assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
		assert_true(choice.chosen == 4 && (choice.rejected == 3 || choice.rejected == 5));
		assert_int_equal(od_pairing_next(&p, &choice), OD_UNPAIRED_ALL_WRONG);
	}
	r.margin = 1;                              /* now e is too near to c */
	pairs_as(&s, &r, 2, 1);
	od_pairing_release(&p);
	clear(&s);
}

static void
iterative_dpo(void **state)
{
	struct od_pairing_rules r = rules(OD_ITERATIVE);
	struct set s = { .c.n = 0 };
	struct od_pairing p = { .rules = NULL };
	struct od_choice choice;

	(void)state;
	add(&s, "no answer", NAN, 0);
	add(&s, "none either", NAN, 0);
	gives_none(&s, &r, OD_UNPAIRED_EQUAL);
	add(&s, "so \\boxed{3}", NAN, 0);
	pairs_as(&s, &r, 2, 0);                    /* two wrong ones */
	add(&s, "it is 4", NAN, 1);
	add(&s, "\\boxed{4}", NAN, 1);
	begin(&p, &s, &r, 0);
	assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
	assert_true(choice.chosen == 3 && choice.rejected == 0 && choice.score_chosen == 1 && choice.score_rejected == -1);
	assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
	assert_true(choice.chosen == 4 && choice.rejected == 1);
	assert_int_equal(od_pairing_next(&p, &choice), OD_UNPAIRED_SINGLE);
	od_pairing_release(&p);
	clear(&s);
}

static void
raft(void **state)
{
	struct od_pairing_rules r = rules(OD_RAFT);
	struct set s = { .c.n = 0 };
	struct od_pairing p = { .rules = NULL };
	struct od_choice choice;
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	add(&s, "a", NAN, 0);
	gives_none(&s, &r, OD_UNPAIRED_ALL_WRONG);
	add(&s, "b", NAN, 1);
	add(&s, "c", NAN, 1);
	add(&s, "b ", NAN, 1);
	begin(&p, &s, &r, 0);                      /* without scores in order, copies too */
	assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
	assert_true(choice.chosen == 1 && choice.rejected == OD_NO_RESPONSE && isnan(choice.score_chosen));
	assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
	assert_int_equal(choice.chosen, 2);
	assert_int_equal(od_pairing_next(&p, &choice), OD_PAIRED);
	assert_int_equal(choice.chosen, 3);
	assert_int_equal(od_pairing_next(&p, &choice), OD_UNPAIRED_ALL_WRONG);
	r.floor = 0;
	assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "field 'responses.0.score' is missing: run od-score with an expert first");
	r.floor = -INFINITY;
	for (size_t i = 0; i < s.c.n; i++)
		s.list[i].score = (double)i;
	pairs_as(&s, &r, 3, OD_NO_RESPONSE);
	s.list[2].correct = -1;
	assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "field 'responses.2.correct' is missing: run 'od-score verify' first");
	for (size_t i = 0; i < s.c.n; i++)
		s.list[i].correct = -1;
	pairs_as(&s, &r, 3, OD_NO_RESPONSE);       /* nothing is known: the best score */
	r.need_correct = true;
	assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, &err), OD_EFORMAT);
	od_pairing_release(&p);
	clear(&s);
}

static void
what_is_missing_is_named(void **state)
{
	static const struct { enum od_strategy strategy; bool correct, score; } needs[] = {
		{ OD_BEST_WORST, false, true }, { OD_BEST_RANDOM, false, true }, { OD_MATH_PAPER, true, true },
		{ OD_MATH_AUTHORS, true, true }, { OD_ITERATIVE, true, false },
	};
	struct od_pairing p = { .rules = NULL };

	(void)state;
	for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
		const struct od_pairing_rules r = rules(needs[i].strategy);
		struct set s = { .c.n = 0 };

		add(&s, "a", 1, 1);
		add(&s, "b", 2, -1);
		assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, NULL), needs[i].correct ? OD_EFORMAT : OD_OK);
		s.list[1].correct = 0;
		s.list[1].score = NAN;
		assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, NULL), needs[i].score ? OD_EFORMAT : OD_OK);
		s.list[1].score = INFINITY;
		assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, NULL), needs[i].score ? OD_EFORMAT : OD_OK);
		s.list[1].score = NAN;                 /* an expert that could not say */
		s.list[1].correct = -1;
		json_object_set_new((json_t *)s.list[1].json, "score", json_null());
		json_object_set_new((json_t *)s.list[1].json, "correct", json_null());
		assert_int_equal(od_pairing_begin(&p, &r, &s.c, 0, NULL), OD_OK);
		assert_true(p.unfit[OD_UNFIT_NOT_SCORED] == 1 && p.unfit[OD_FIT] == 1);
		clear(&s);
	}
	od_pairing_release(&p);
}

/* ---- against brute force ------------------------------------------------------------------------------------------------ */

/* What the header promises of (w, l), said again without a thought of speed. `gone`: in an earlier pair. */
static double
reward(const struct set *s, enum od_strategy strategy, size_t i)
{
	const struct od_candidate *r = &s->list[i];

	return strategy != OD_ITERATIVE ? r->score : r->correct == 1 ? 1 : strstr(r->text, "\\boxed") ? -0.5 : -1;
}

static bool
admissible(const struct set *s, const struct od_pairing_rules *r, const bool *gone, size_t w, size_t l)
{
	bool math = r->strategy == OD_MATH_PAPER || r->strategy == OD_MATH_AUTHORS;
	double gap = reward(s, r->strategy, w) - reward(s, r->strategy, l);

	if (gone[w] || gone[l] || w == l || strcmp(s->list[w].text, s->list[l].text) == 0 || (math && s->list[w].correct != 1))
		return false;
	for (size_t i = 0; i < s->c.n; i++) {      /* no better one could be chosen, and no earlier equal one */
		double more = reward(s, r->strategy, i) - reward(s, r->strategy, w);

		if (!gone[i] && !(math && s->list[i].correct != 1) && (more > 0 || (more == 0 && i < w)))
			return false;
	}
	return reward(s, r->strategy, w) > r->floor && gap >= r->margin && gap <= r->max_margin &&
		(gap > 0 || (gap == 0 && r->strategy == OD_MATH_AUTHORS));
}

/* Marks which l may stand against the chosen one; returns how many, *w the chosen one. */
static size_t
brute(const struct set *s, const struct od_pairing_rules *r, const bool *gone, size_t *w, bool *may)
{
	size_t n = 0, lowest = MAX;
	bool correct = false;

	memset(may, 0, MAX * sizeof *may);
	for (size_t i = 0; i < s->c.n; i++)
		for (size_t j = 0; j < s->c.n; j++)
			if (admissible(s, r, gone, i, j)) {
				*w = i;
				may[j] = true;
				correct = correct || s->list[j].correct == 1;
				if (lowest == MAX || reward(s, r->strategy, j) < reward(s, r->strategy, lowest))
					lowest = j;
			}
	for (size_t j = 0; j < s->c.n; j++) {
		if (r->strategy == OD_MATH_AUTHORS && correct && s->list[j].correct != 1)
			may[j] = false;
		if (r->strategy != OD_MATH_AUTHORS && r->strategy != OD_BEST_RANDOM && j != lowest)
			may[j] = false;
		n += may[j];
	}
	return n;
}

static void
random_set(struct set *s, struct od_rng *rng)
{
	static const char *const texts[] = { "a", "b \\boxed{1}", "c", "d \\boxed{2}", "e", "f", "g", "h \\boxed", "i", "j" };
	size_t n = od_rng_below(rng, 8);

	for (size_t i = 0; i < n; i++)
		add(s, texts[od_rng_below(rng, 10)], (double)od_rng_below(rng, 6), (int)od_rng_below(rng, 2));
}

/* All pairs of a set, each one that brute force allows; notes in seen[] which first pairs came. */
static void
check_all_pairs(const struct set *s, const struct od_pairing_rules *r, uint64_t stream, bool seen[MAX])
{
	bool gone[MAX] = { false }, may[MAX];
	struct od_pairing p = { .rules = NULL };
	struct od_choice choice;
	size_t w = MAX, n = 0;

	begin(&p, s, r, stream);
	while (od_pairing_next(&p, &choice) == OD_PAIRED) {
		assert_true(brute(s, r, gone, &w, may) > 0);
		assert_int_equal(choice.chosen, w);
		assert_true(may[choice.rejected]);
		assert_true(choice.score_chosen == reward(s, r->strategy, w));
		assert_true(choice.score_rejected == reward(s, r->strategy, choice.rejected));
		if (n++ == 0)
			seen[choice.rejected] = true;
		gone[choice.chosen] = gone[choice.rejected] = true;
	}
	assert_int_equal(brute(s, r, gone, &w, may), 0);
	od_pairing_release(&p);
}

static void
as_brute_force_says(void **state)
{
	struct od_rng rng = od_rng_init(5, 0);
	size_t pairs = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct od_pairing_rules r = rules((enum od_strategy)od_rng_below(&rng, OD_RAFT));
		bool seen[MAX] = { false }, gone[MAX] = { false }, may[MAX];
		struct set s = { .c.n = 0 };
		size_t w;

		r.margin = (double)od_rng_below(&rng, 3) / 2;
		r.max_margin = od_rng_below(&rng, 2) ? INFINITY : r.margin + (double)od_rng_below(&rng, 3);
		r.floor = od_rng_below(&rng, 2) ? -INFINITY : 2;
		random_set(&s, &rng);
		/* Over many records every permitted choice turns up: 8 rivals at most are missed with a chance of 8 (7/8)^200. */
		for (uint64_t stream = 0; stream < 200; stream++)
			check_all_pairs(&s, &r, stream, seen);
		pairs += brute(&s, &r, gone, &w, may) > 0;
		assert_memory_equal(seen, may, sizeof may);
		clear(&s);
	}
	assert_true(pairs > 200);                  /* the check has met enough pairs */
}

static void
the_same_record_pairs_the_same(void **state)
{
	struct od_pairing_rules r = rules(OD_BEST_RANDOM);
	struct set s = { .c.n = 0 };
	struct od_pairing p = { .rules = NULL };
	struct od_choice a, b;
	int differ = 0;

	(void)state;
	for (int i = 0; i < 8; i++)
		add(&s, (const char *[]){ "a", "b", "c", "d", "e", "f", "g", "h" }[i], i, -1);
	for (uint64_t stream = 0; stream < 50; stream++) {
		r.seed = 1;
		begin(&p, &s, &r, stream);
		assert_int_equal(od_pairing_next(&p, &a), OD_PAIRED);
		begin(&p, &s, &r, stream);
		assert_int_equal(od_pairing_next(&p, &b), OD_PAIRED);
		assert_int_equal(a.rejected, b.rejected);
		r.seed = 2;
		begin(&p, &s, &r, stream);
		assert_int_equal(od_pairing_next(&p, &b), OD_PAIRED);
		differ += a.rejected != b.rejected;
	}
	assert_true(differ > 20);                  /* 6 of 7 of 50 are to be expected */
	od_pairing_release(&p);
	clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(best_and_worst),
		cmocka_unit_test(equal_and_identical),
		cmocka_unit_test(who_takes_part),
		cmocka_unit_test(math_of_the_paper),
		cmocka_unit_test(math_of_the_authors),
		cmocka_unit_test(iterative_dpo),
		cmocka_unit_test(raft),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(as_brute_force_says),
		cmocka_unit_test(the_same_record_pairs_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
