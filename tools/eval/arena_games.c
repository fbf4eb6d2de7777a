/* arena_games.c -- see arena_games.h. */
#include "eval/arena_games.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/dataset.h"
#include "io/jsonl.h"

static const char default_baseline[] = "gpt-4-0314";

/* ---- games and models --------------------------------------------------------------------------------------------------- */

static enum od_status
find_model(struct arena_games *g, const char *name, int32_t *out, struct od_error *err)
{
	for (size_t i = 0; i < g->n_models; i++) {
		*out = (int32_t)i;
		if (strcmp(g->model[i].name, name) == 0)
			return OD_OK;
	}
	if (!od_grow(&g->model, &g->cap_model, g->n_models + 1, sizeof *g->model))
		return od_fail_nomem(err, "models", g->n_models);
	*out = (int32_t)g->n_models;
	g->model[*out] = (struct arena_model){ .name = od_strdup(name) };
	if (g->model[*out].name == NULL)
		return od_fail_nomem(err, "a name", strlen(name));
	g->n_models++;
	return OD_OK;
}

static enum od_status
add_game(struct arena_games *g, const char *id, struct od_arena_battle battle, int32_t opponent, struct od_error *err)
{
	if (!od_grow(&g->game, &g->cap_game, g->n + 1, sizeof *g->game))
		return od_fail_nomem(err, "games", g->n);
	g->game[g->n] = (struct arena_game){ od_strdup(id), battle, opponent };
	if (g->game[g->n].id == NULL)
		return od_fail_nomem(err, "a name", strlen(id));
	g->n++;
	return OD_OK;
}

void
arena_games_release(struct arena_games *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->game[i].id);
	for (size_t i = 0; i < g->n_models; i++)
		free(g->model[i].name);
	free(g->game);
	free(g->model);
	free(g->judged_against);
	free(g->judge);
	json_decref(g->seen);
	memset(g, 0, sizeof *g);
}

enum od_status
arena_question(const json_t *item, char *out, size_t size, struct od_error *err)
{
	const json_t *id = json_object_get(item, "question_id");

	if (id == NULL)
		id = json_object_get(item, "uid");
	if (json_is_string(id))
		snprintf(out, size, "%s", json_string_value(id));
	else if (json_is_integer(id))
		snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
	else
		return od_json_fail_type(id, "question_id", "a string or an integer", err);
	return OD_OK;
}

static enum od_status
need_text(const json_t *item, const char *field, const char **out, struct od_error *err)
{
	size_t n;

	return od_json_need_string(item, field, out, &n, err);
}

typedef enum od_status reader(struct arena_games *g, const json_t *item, void *ctx, struct od_error *err);

/* Calls read for every record of the files. */
static enum od_status
each_record(struct arena_games *g, const char *const *files, size_t n, reader *read, void *ctx, struct judged_bad *bad,
	struct od_error *err)
{
	enum od_status st = OD_OK;

	for (size_t f = 0; st == OD_OK && f < n; f++) {
		struct od_dataset d;
		const json_t *item;
		size_t i;

		st = od_dataset_read(&d, files[f], err);
		json_array_foreach(d.items, i, item) {
			if (st != OD_OK)
				break;
			st = read(g, item, ctx, err);
			if (st != OD_OK) {
				od_error_prefix(err, "%s: record %zu: ", files[f], i);
				st = judged_reject(bad, err);
			}
		}
		od_dataset_release(&d);
	}
	return st == OD_OK && g->n == 0 ? od_fail(err, OD_EFORMAT, "no battles in the input") : st;
}

/* ---- battles ------------------------------------------------------------------------------------------------------------ */

static enum od_status
read_battle(struct arena_games *g, const json_t *item, void *ctx, struct od_error *err)
{
	struct od_arena_battle battle = { .weight = 1 };
	const char *a, *b, *winner;
	int32_t opponent = 0;
	char id[128];
	enum od_status st;

	(void)ctx;
	if ((st = arena_question(item, id, sizeof id, err)) != OD_OK || (st = need_text(item, "model_a", &a, err)) != OD_OK ||
		(st = need_text(item, "model_b", &b, err)) != OD_OK || (st = need_text(item, "winner", &winner, err)) != OD_OK)
		return st;
	if (strcmp(a, b) == 0)
		return od_fail(err, OD_EFORMAT, "a battle of '%s' with itself", a);
	if (strcmp(winner, "model_a") == 0)
		battle.win = 1;
	else if (strncmp(winner, "tie", 3) == 0)       /* "tie (bothbad)" too */
		battle.win = 0.5;
	else if (strcmp(winner, "model_b") != 0)
		return od_fail(err, OD_EFORMAT, "field 'winner' must be model_a, model_b or tie, not '%.40s'", winner);
	st = find_model(g, a, &battle.model, err);
	if (st == OD_OK)
		st = find_model(g, b, &opponent, err);
	return st == OD_OK ? add_game(g, id, battle, opponent, err) : st;
}

/* Whether a model takes part in every battle. */
static bool
in_every_battle(const struct arena_games *g, int32_t model)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->game[i].battle.model != model && g->game[i].opponent != model)
			return false;
	return true;
}

/* The baseline by name, or the one model that takes part in every battle; of two such, the benchmark's own. */
static enum od_status
find_baseline(struct arena_games *g, const char *name, struct od_error *err)
{
	int candidates = 0;

	for (size_t m = 0; m < g->n_models; m++) {
		bool named = name != NULL && strcmp(g->model[m].name, name) == 0;

		if (named || (name == NULL && in_every_battle(g, (int32_t)m))) {
			g->baseline = (int32_t)m;
			candidates++;
		}
		if (name == NULL && candidates > 0 && strcmp(g->model[g->baseline].name, default_baseline) == 0) {
			candidates = 1;
			break;
		}
	}
	if (candidates == 1)
		return OD_OK;
	if (name != NULL)
		return od_fail(err, OD_EMISMATCH, "no battle has the baseline '%s'", name);
	if (candidates == 0)
		return od_fail(err, OD_EFORMAT, "no model takes part in every battle: name the baseline with '--baseline'");
	return od_fail(err, OD_EUSAGE, "'%s' and '%s' take part in every battle: name the baseline with '--baseline'", g->model[0].name,
		g->model[1].name);
}

/* Makes every battle one of a model with the baseline. */
static enum od_status
turn_to_baseline(struct arena_games *g, struct od_error *err)
{
	for (size_t i = 0; i < g->n; i++) {
		struct arena_game *game = &g->game[i];
		int32_t a = game->battle.model;

		if (a == g->baseline) {
			game->battle.model = game->opponent;
			game->battle.win = 1 - game->battle.win;
			game->opponent = a;
		} else if (game->opponent != g->baseline) {
			return od_fail(err, OD_EFORMAT, "a battle of '%s' with '%s', neither of which is the baseline '%s'", g->model[a].name,
				g->model[game->opponent].name, g->model[g->baseline].name);
		}
		g->model[game->battle.model].questions++;
	}
	return OD_OK;
}

enum od_status
arena_read_battles(struct arena_games *g, const char *const *files, size_t n, const char *baseline, struct judged_bad *bad,
	struct od_error *err)
{
	enum od_status st = each_record(g, files, n, read_battle, NULL, bad, err);

	if (st == OD_OK)
		st = find_baseline(g, baseline, err);
	return st == OD_OK ? turn_to_baseline(g, err) : st;
}

/* ---- judgments ---------------------------------------------------------------------------------------------------------- */

/* A game's text, wherever it is, and its stored label; NULL where there is none. */
static void
game_texts(const json_t *game, const char **text, const char **score)
{
	const json_t *j = json_object_get(game, "judgment");

	if (json_is_object(j))
		j = json_object_get(j, "answer");
	*text = json_string_value(j);
	*score = json_string_value(json_object_get(game, "score"));
}

static void
note_unread(struct arena_games *g, int32_t model, const char *id, const char *why)
{
	if (g->model[model].unread++ == 0 && g->first_unread[0] == '\0')
		snprintf(g->first_unread, sizeof g->first_unread, "%.80s, game %.80s: %s", g->model[model].name, id, why);
}

/* The label of a game into label; "" with the reason counted when there is none. */
static enum od_status
read_label(struct arena_games *g, const json_t *game, enum od_arena_rule rule, int32_t model, const char *id,
	char label[OD_ARENA_MAX_LABEL], struct od_error *err)
{
	const char *text, *score;
	enum od_arena_parse parse = OD_ARENA_NONE;

	game_texts(game, &text, &score);
	label[0] = '\0';
	if (text == NULL && score == NULL && !json_is_null(json_object_get(game, "score")))
		return od_fail(err, OD_EFORMAT, "game '%s' has neither a field 'judgment' nor a field 'score'", id);
	if (text != NULL) {
		parse = od_arena_verdict(rule, text, strlen(text), label);
		g->restated += score != NULL && strcmp(score, label) != 0;
	} else if (score != NULL) {
		parse = OD_ARENA_FOUND;
		snprintf(label, OD_ARENA_MAX_LABEL, "%s", score);
	}
	if (parse == OD_ARENA_NONE) {
		g->none++;
		note_unread(g, model, id, "no verdict in the judge's text");
	} else if (parse == OD_ARENA_AMBIGUOUS) {
		g->ambiguous++;
		note_unread(g, model, id, "verdicts that differ in the judge's text");
	}
	return OD_OK;
}

/* k: 0 for the game in which the baseline is A, 1 for the other. */
static enum od_status
read_game(struct arena_games *g, const json_t *game, enum od_arena_rule rule, int32_t model, const char *question, int k,
	struct od_error *err)
{
	struct od_arena_battle battle = { .model = model };
	char id[160], label[OD_ARENA_MAX_LABEL];
	int weight = 0;
	enum od_status st;

	snprintf(id, sizeof id, "%s/%d", question, k + 1);
	if (!json_is_object(game))
		return od_json_fail_type(game, "games", "an array of one or two objects", err);
	st = read_label(g, game, rule, model, id, label, err);
	if (st != OD_OK)
		return st;
	if (od_arena_label(label, &battle.win, &weight)) {
		battle.weight = weight;
		if (k == 0)
			battle.win = 1 - battle.win;
	} else if (label[0] != '\0') {
		g->unknown++;
		note_unread(g, model, id, "a verdict that is none of the five");
	}
	return add_game(g, id, battle, g->baseline, err);
}

struct judgment_context {
	enum od_arena_rule rule;
	const char *baseline;
};

static enum od_status
read_judgment(struct arena_games *g, const json_t *item, void *ctx, struct od_error *err)
{
	const struct judgment_context *c = ctx;
	const char *model, *baseline = json_string_value(json_object_get(item, "baseline"));
	const json_t *games = json_object_get(item, "games");
	char question[128], key[512];
	int32_t m = 0;
	size_t n = json_array_size(games);
	enum od_status st;

	if ((st = arena_question(item, question, sizeof question, err)) != OD_OK ||
		(st = need_text(item, "model", &model, err)) != OD_OK ||
		(st = judged_one_name(&g->judge, json_string_value(json_object_get(item, "judge")), "judge", err)) != OD_OK ||
		(st = judged_one_name(&g->judged_against, baseline ? baseline : c->baseline, "baseline", err)) != OD_OK)
		return st;
	if (n < 1 || n > 2)
		return od_fail(err, OD_EFORMAT, "field 'games' must be an array of one or two games");
	snprintf(key, sizeof key, "%s/%s", model, question);
	if ((st = judged_once(&g->seen, key, (int64_t)json_object_size(g->seen), "model and question", err)) != OD_OK ||
		(st = find_model(g, model, &m, err)) != OD_OK)
		return st;
	for (size_t k = 0; st == OD_OK && k < n; k++)
		st = read_game(g, json_array_get(games, k), c->rule, m, question, (int)k, err);
	g->model[m].questions += st == OD_OK;
	return st;
}

/* The baseline's index; nobody is judged against itself. */
static enum od_status
settle_baseline(struct arena_games *g, struct od_error *err)
{
	enum od_status st = find_model(g, g->judged_against ? g->judged_against : default_baseline, &g->baseline, err);

	for (size_t i = 0; st == OD_OK && i < g->n; i++) {
		g->game[i].opponent = g->baseline;
		if (g->game[i].battle.model == g->baseline)
			st = od_fail(err, OD_EFORMAT, "judgments of the baseline '%s' itself: is the baseline another?",
				g->model[g->baseline].name);
	}
	return st;
}

enum od_status
arena_read_judgments(struct arena_games *g, const char *const *files, size_t n, const char *baseline, enum od_arena_rule rule,
	struct judged_bad *bad, struct od_error *err)
{
	struct judgment_context c = { rule, baseline };
	enum od_status st = each_record(g, files, n, read_judgment, &c, bad, err);

	return st == OD_OK ? settle_baseline(g, err) : st;
}

enum od_status
arena_take_judgments(struct arena_games *g, const json_t *records, enum od_arena_rule rule, struct od_error *err)
{
	struct judgment_context c = { rule, NULL };
	enum od_status st = OD_OK;
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record)
		if (st == OD_OK)
			st = read_judgment(g, record, &c, err);
	return st == OD_OK ? settle_baseline(g, err) : st;
}
