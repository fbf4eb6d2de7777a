/* arena_games.h -- the inputs of od-eval arena-hard: battles, or a judge's texts, of any number of models against one baseline.
 *
 *   battles    {"question_id":..,"model_a":..,"model_b":..,"winner":"model_a"|"model_b"|"tie"}, weights as repeated records
 *   judgments  {"question_id" or "uid":..,"model":..,"games":[GAME, GAME]}: the baseline is A in the first game and B in the
 *              second. A GAME has the judge's text ("judgment", a string or {"answer":..}) or, without one, its "score".
 */
#ifndef OD_EVAL_ARENA_GAMES_H
#define OD_EVAL_ARENA_GAMES_H

#include <stddef.h>
#include <stdint.h>

#include "bench/arena.h"
#include "eval/judged.h"

struct arena_game {
	char *id;                                  /* of the question; with "/1" or "/2" for a judgment's games */
	struct od_arena_battle battle;             /* weight 0: no verdict */
	int32_t opponent;                          /* index of the other model: the baseline */
};

struct arena_model {
	char *name;
	int64_t questions, unread;                 /* records; games without a verdict */
	struct od_arena_score score;
};

struct arena_games {
	struct arena_game *game;                   /* [n] */
	struct arena_model *model;                 /* [n_models], the baseline among them */
	int32_t baseline;                          /* its index */
	char *judge, *judged_against;              /* what the records say of judge and baseline; NULL: nothing */
	size_t n, n_models, cap_game, cap_model;
	int64_t none, ambiguous, unknown;          /* texts without a label, with labels that differ, with one that is none */
	int64_t restated;                          /* games whose stored score is not what their text says */
	char first_unread[256];                    /* names the first game without a verdict */
	json_t *seen;                              /* judgments */
};

/* Reads n files of one kind. baseline NULL: the model that takes part in every battle; of judgments the one their records
 * name, else gpt-4-0314. The games are to be released whatever happens. */
OD_MUST_CHECK enum od_status arena_read_battles(struct arena_games *g, const char *const *files, size_t n, const char *baseline,
	struct judged_bad *bad, struct od_error *err);
OD_MUST_CHECK enum od_status arena_read_judgments(struct arena_games *g, const char *const *files, size_t n, const char *baseline,
	enum od_arena_rule rule, struct judged_bad *bad, struct od_error *err);
/* The same of records in memory. */
OD_MUST_CHECK enum od_status arena_take_judgments(struct arena_games *g, const json_t *records, enum od_arena_rule rule,
	struct od_error *err);

/* A record's question_id or uid as text. */
OD_MUST_CHECK enum od_status arena_question(const json_t *record, char *out, size_t size, struct od_error *err);
void arena_games_release(struct arena_games *g);

#endif
