/* sedar_judge.c -- see sedar_judge.h. */
#include "eval/sedar_judge.h"

#include <stdio.h>
#include <string.h>

#include "io/jsonl.h"

#define T struct sedar_judge_options

const struct od_opt sedar_judge_opts[] = {
	OD_OPT_INT(T, votes, "votes", "N", 1, 1000, "ask about every item so often, and average"),
	OD_OPT_STR(T, save, "save-judgments", "FILE", "keep the judgments, for --judgments"),
	OD_OPT_END
};

#undef T

static const struct ask_settings defaults = { .temperature = 0.9, .top_p = 0.7, .max_tokens = 1024 };

/* The published system message: an assistant that helps much in checking the quality of answers, and judges exactly. */
static const char published_system[] = "你是一个在检查答案质量方面非常有帮助且评估精确的助手。";

enum { SEED_STEP = 1000 };                         /* between votes: an attempt more is the next seed */

struct judging {
	const struct sedar_judge_options *o;
	struct ask ask;
	json_t *records;                           /* of all items asked about; responses[votes], null without a text */
	int64_t failed;                            /* votes the service gave no text for */
	char first_failed[200];
};

enum od_status
sedar_judge_check(const struct sedar_judge_options *o, struct od_error *err)
{
	if (o->ask.url == NULL && o->save != NULL)
		return od_fail(err, OD_EUSAGE, "option '--save-judgments' needs '--judge-url'");
	if (o->ask.url == NULL && o->votes > 1)
		return od_fail(err, OD_EUSAGE, "option '--votes' needs '--judge-url'");
	return ask_check(&o->ask, NULL, err);
}

/* Asks for every vote on an item. Votes differ in their seed, or the service would be asked once. */
static enum od_status
ask_votes(void *ctx, const struct sedar_item *item, json_t *messages, struct od_error *err)
{
	struct judging *j = ctx;
	struct od_openai_request r = ask_request(&j->ask, messages);
	size_t at = json_array_size(j->records), votes = (size_t)j->o->votes;
	json_t *responses = json_array();
	enum od_status st = OD_OK;

	for (size_t v = 0; v < votes; v++)
		json_array_append_new(responses, json_null());
	if (json_array_size(responses) != votes ||
		json_array_append_new(j->records, json_pack("{s:s, s:s, s:O}", "id", item->id, "judge", j->ask.judge, "responses",
			responses)) != 0)
		st = od_fail_nomem(err, "judgments", at);
	json_decref(responses);
	for (size_t v = 0; st == OD_OK && v < votes; v++) {
		r.seed = votes > 1 ? (int64_t)v * SEED_STEP : -1;
		st = od_openai_ask(j->ask.client, &r, at * votes + v, err);
	}
	return st;
}

/* Every text is kept, the last of those without a score too, which says why there is none. */
static enum od_status
has_score(void *ctx, const struct od_openai_answer *a, struct od_error *err)
{
	const struct judging *j = ctx;
	size_t votes = (size_t)j->o->votes;
	json_t *responses = json_object_get(json_array_get(j->records, a->tag / votes), "responses");
	const struct od_openai_choice *c = &a->choices[0];
	double score;

	if (c->text == NULL)
		return od_fail(err, OD_EFORMAT, "no text");
	if (json_array_set_new(responses, a->tag % votes, json_pack("{s:s%, s:s}", "text", c->text, c->len, "finish_reason", c->finish)) != 0)
		return od_fail_nomem(err, "a judgment", c->len);
	if (od_sedar_score(c->text, c->len, &score) == OD_SEDAR_NONE)
		return od_fail(err, OD_EFORMAT, "the judge's text states no final score");
	return OD_OK;
}

/* Takes what has no text out of the records: votes, and items without any. */
static void
drop_failed(struct judging *j)
{
	for (size_t i = json_array_size(j->records); i-- > 0;) {
		json_t *responses = json_object_get(json_array_get(j->records, i), "responses");

		for (size_t v = json_array_size(responses); v-- > 0;) {
			if (!json_is_null(json_array_get(responses, v)))
				continue;
			json_array_remove(responses, v);
			j->failed++;
		}
		if (json_array_size(responses) == 0)
			json_array_remove(j->records, i);
	}
}

static enum od_status
take_answers(struct judging *j, struct od_error *err)
{
	struct od_openai_answer a = OD_OPENAI_ANSWER_INIT;
	struct od_progress *progress = od_progress_begin("judging", (int64_t)od_openai_pending(j->ask.client), "answers");
	int64_t done = 0;
	enum od_status st;

	while ((st = od_openai_next(j->ask.client, &a, err)) == OD_OK) {
		size_t votes = (size_t)j->o->votes;
		const json_t *record = json_array_get(j->records, a.tag / votes);

		od_progress_update(progress, ++done, NULL);
		if (j->first_failed[0] == '\0' && json_is_null(json_array_get(json_object_get(record, "responses"), a.tag % votes)))
			snprintf(j->first_failed, sizeof j->first_failed, "item '%.60s': %.100s",
				json_string_value(json_object_get(record, "id")), a.err.msg);
	}
	od_progress_end(progress);
	od_openai_answer_release(&a);
	if (st != OD_EOF)
		return st;
	drop_failed(j);
	if (j->failed > 0)
		od_warn("the service gave no text for %lld votes, first: %s", (long long)j->failed, j->first_failed);
	return OD_OK;
}

enum od_status
sedar_judge(json_t **out, const struct sedar_items *items, struct sedar_judge_options *o, const struct sedar_prompts_options *p,
	struct judged_bad *bad, struct od_error *err)
{
	struct sedar_prompts_options prompts = *p;
	struct judging j = { .o = o, .records = json_array() };
	enum od_status st;

	if (prompts.system == NULL)
		prompts.system = published_system;
	ask_begin(&j.ask, &o->ask, &defaults);
	st = ask_open(&j.ask, has_score, &j, err);
	if (st == OD_OK)
		st = ask_keep(&j.ask, o->save, err);
	if (st == OD_OK)
		st = sedar_prompts(items, &prompts, ask_votes, &j, bad, err);
	if (st == OD_OK)
		st = take_answers(&j, err);
	if (st == OD_OK)
		ask_report(&j.ask);
	if (st == OD_OK)
		st = ask_save(&j.ask, j.records, ASK_LINES, err);
	ask_release(&j.ask);
	*out = j.records;
	return st;
}
