/* arena_judge.c -- see arena_judge.h. */
#include "eval/arena_judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/outputs.h"
#include "eval/arena_config.h"
#include "io/dataset.h"
#include "io/jsonl.h"

#define T struct arena_judge_options

const struct od_opt arena_judge_opts[] = {
	OD_OPT_STR(T, config, "judge-config", "FILE", "the benchmark's configuration of a judge (YAML); other options win"),
	OD_OPT_STR(T, questions, "questions", "FILE", "the benchmark's questions: question_id or uid, turns or prompt"),
	OD_OPT_STR(T, baseline_answers, "baseline-answers", "FILE", "the baseline's answers: question_id or uid, and the text"),
	OD_OPT_STR(T, follow_up, "follow-up", "TEXT", "what to say to a judge that gave no verdict (default: nothing)"),
	OD_OPT_STR(T, save, "save-judgments", "FILE", "keep the judgments, for --judgments"),
	OD_OPT_END
};

static const struct ask_settings defaults = { .temperature = 0, .top_p = NAN, .max_tokens = 4096 };

/* The published configuration of v0.1, and SimPO's, which the paper follows: the same. */
static const struct answers_preset presets[ANSWERS_PRESETS] = {
	{ .format = OD_FORMAT_CHAT, .temperature = 0, .top_p = 1, .max_tokens = 4096, .judge = "gpt-4-1106-preview" },
	{ .format = OD_FORMAT_CHAT, .temperature = 0, .top_p = 1, .max_tokens = 4096, .judge = "gpt-4-1106-preview" },
};

/* What the published code says to a judge without a verdict. */
static const char published_follow_up[] = "continue your judgment and finish by outputting a final verdict label";

struct side {
	struct od_dataset data;
	json_t *text;                              /* question -> text */
	char *model;                               /* NULL: not said */
};

struct judging {
	struct arena_judge_options *o;
	enum od_arena_rule rule;
	const char *follow_up;                     /* NULL: none */
	int64_t follow_ups;                        /* how often */
	struct od_dataset questions;
	struct side answers[2];                    /* the baseline's, the model's */
	struct ask ask;
	json_t *records;                           /* the judgments */
	json_t **messages;                         /* [2 * records] of each game, for continuations */
};

/* ---- questions and answers ---------------------------------------------------------------------------------------------- */

/* The text of a question or an answer in any of the forms published; NULL when there is none. */
static const char *
text_of(const json_t *record)
{
	static const char *const paths[] = { "output", "prompt", "turns.0.content", "choices.0.turns.0.content" };
	const json_t *messages = json_object_get(record, "messages"), *last;

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (json_is_string(od_json_path(record, paths[i])))
			return json_string_value(od_json_path(record, paths[i]));
	last = json_object_get(json_array_get(messages, json_array_size(messages) - 1), "content");
	return json_string_value(json_is_object(last) ? json_object_get(last, "answer") : last);
}

/* The text of an answer: of those forms, or as od-sample writes it. */
static const char *
answer_of(const json_t *record)
{
	struct od_said said;

	if (json_object_get(record, "responses") != NULL)
		return od_output_said(record, 0, &said, NULL) == OD_OK ? said.text : NULL;
	return text_of(record);
}

/* said: counts the model's answers and knows its name; NULL for the baseline. */
static enum od_status
index_answer(struct side *a, const json_t *record, const json_t *questions, struct answers *said, struct od_error *err)
{
	const json_t *model = json_object_get(record, "model_id");
	const char *text = answer_of(record);
	char id[128];
	enum od_status st = arena_question(record, id, sizeof id, err);

	if (st == OD_OK && json_object_get(questions, id) == NULL)
		st = od_fail(err, OD_EFORMAT, "an answer to '%s', which is no question", id);
	if (st == OD_OK && text == NULL)
		st = od_fail(err, OD_EFORMAT, "the answer to '%s' has no text", id);
	if (st == OD_OK && json_object_get(a->text, id) != NULL)
		st = od_fail(err, OD_EFORMAT, "a second answer to '%s'", id);
	if (st == OD_OK && said != NULL)
		st = answers_take(said, record, err);
	if (st == OD_OK && model == NULL)
		model = json_object_get(record, "model");
	if (st == OD_OK && model == NULL && said != NULL && json_object_get(record, "responses") != NULL)
		model = json_object_get(said->run, "name");
	if (st == OD_OK)
		st = judged_one_name(&a->model, json_string_value(model), "model", err);
	if (st == OD_OK && json_object_set_new(a->text, id, json_string(text)) != 0)
		st = od_fail_nomem(err, "answers", strlen(text));
	return st;
}

static enum od_status
read_answers(struct side *a, const char *file, const json_t *questions, struct answers *said, struct judged_bad *bad, struct od_error *err)
{
	enum od_status st = od_dataset_read(&a->data, file, err);
	const json_t *record;
	size_t i;

	a->text = json_object();
	json_array_foreach(a->data.items, i, record) {
		if (st != OD_OK)
			break;
		st = index_answer(a, record, questions, said, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: record %zu: ", file, i);
			st = judged_reject(bad, err);
		}
	}
	if (st == OD_OK && a->model == NULL)
		st = od_fail(err, OD_EFORMAT, "%s: no record says of which model ('model_id', 'model')", file);
	return st;
}

/* The set of questions, each once and with a text. */
static enum od_status
read_questions(struct judging *j, json_t **set, struct od_error *err)
{
	enum od_status st = od_dataset_read(&j->questions, j->o->questions, err);
	const json_t *record;
	char id[128];
	size_t i;

	json_array_foreach(j->questions.items, i, record) {
		if (st == OD_OK)
			st = arena_question(record, id, sizeof id, err);
		if (st == OD_OK && text_of(record) == NULL)
			st = od_fail(err, OD_EFORMAT, "question '%s' has no text", id);
		if (st == OD_OK)
			st = judged_once(set, id, (int64_t)i, "question_id", err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: record %zu: ", j->o->questions, i);
			break;
		}
	}
	return st;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------- */

static enum od_status
ask_game(struct judging *j, json_t *messages, size_t tag, struct od_error *err)
{
	const struct od_openai_request r = ask_request(&j->ask, messages);

	return od_openai_ask(j->ask.client, &r, tag, err);
}

/* Both games of a question: the baseline is A in the first. */
static enum od_status
ask_question(struct judging *j, const json_t *question, const char *id, struct od_error *err)
{
	const char *base = json_string_value(json_object_get(j->answers[0].text, id));
	const char *mine = json_string_value(json_object_get(j->answers[1].text, id)), *text = text_of(question);
	size_t n = json_array_size(j->records);
	enum od_status st = OD_OK;

	for (size_t k = 0; st == OD_OK && k < 2; k++) {
		const char *a = k ? mine : base, *b = k ? base : mine;
		const struct judged_value values[] = { { "question", text }, { "question_1", text }, { "QUESTION", text },
			{ "answer_a", a }, { "answer_1", a }, { "ANSWER_A", a }, { "answer_b", b }, { "answer_2", b }, { "ANSWER_B", b } };

		st = ask_messages(&j->ask, values, sizeof values / sizeof *values, &j->messages[2 * n + k], err);
		if (st == OD_OK)
			st = ask_game(j, j->messages[2 * n + k], 2 * n + k, err);
	}
	if (st == OD_OK && json_array_append_new(j->records, json_pack("{s:s, s:s, s:s, s:s, s:[{}, {}]}", "question_id", id, "model",
		j->answers[1].model, "baseline", j->answers[0].model, "judge", j->ask.judge, "games")) != 0)
		st = od_fail_nomem(err, "judgments", n);
	return st;
}

static json_t *
game_of(const struct judging *j, size_t tag)
{
	return json_array_get(json_object_get(json_array_get(j->records, tag / 2), "games"), tag % 2);
}

/* A judge's text becomes the game's, behind what it has said before; a game nobody answered has no verdict. */
static enum od_status
take_text(json_t *game, const struct od_openai_answer *a, struct od_error *err)
{
	const char *before = json_string_value(json_object_get(game, "judgment"));
	const char *text = a->status == OD_OK && a->choices[0].text != NULL ? a->choices[0].text : "";
	struct od_buf all = OD_BUF_INIT;
	enum od_status st = OD_OK;

	od_buf_printf(&all, "%s%s%s", before ? before : "", before ? "\n" : "", text);
	if (!od_buf_ok(&all) || json_object_set_new(game, "judgment", json_string(all.data)) != 0)
		st = od_fail_nomem(err, "a judgment", all.len);
	od_buf_release(&all);
	return st;
}

static enum od_status
take_answers(struct judging *j, struct od_error *err)
{
	struct od_openai_answer a = OD_OPENAI_ANSWER_INIT;
	struct od_progress *progress = od_progress_begin("judging", (int64_t)od_openai_pending(j->ask.client), "games");
	int64_t done = 0;
	enum od_status st;

	while ((st = od_openai_next(j->ask.client, &a, err)) == OD_OK && (st = take_text(game_of(j, a.tag), &a, err)) == OD_OK)
		od_progress_update(progress, ++done, NULL);
	od_progress_end(progress);
	od_openai_answer_release(&a);
	return st == OD_EOF ? OD_OK : st;
}

/* Asks on where a text has no verdict; *asked says whether there was one. */
static enum od_status
follow_up(struct judging *j, bool *asked, struct od_error *err)
{
	char label[OD_ARENA_MAX_LABEL];
	enum od_status st = OD_OK;

	*asked = false;
	for (size_t tag = 0; st == OD_OK && tag < 2 * json_array_size(j->records); tag++) {
		const char *text = json_string_value(json_object_get(game_of(j, tag), "judgment"));
		json_t *m = j->messages[tag];

		if (text[0] == '\0' || od_arena_verdict(j->rule, text, strlen(text), label) != OD_ARENA_NONE)
			continue;
		*asked = true;
		if (json_array_append_new(m, json_pack("{s:s, s:s}", "role", "assistant", "content", text)) != 0 ||
			json_array_append_new(m, json_pack("{s:s, s:s}", "role", "user", "content", j->follow_up)) != 0)
			st = od_fail_nomem(err, "a prompt", strlen(text));
		if (st == OD_OK)
			st = ask_game(j, m, tag, err);
	}
	return st == OD_OK ? take_answers(j, err) : st;
}

static enum od_status
ask_all(struct judging *j, struct od_error *err)
{
	const json_t *question;
	char id[128];
	bool asked = j->follow_up != NULL;
	size_t i, unanswered = 0, n = json_array_size(j->questions.items);
	enum od_status st = od_alloc(&j->messages, 2 * n, sizeof *j->messages, "prompts", err);

	json_array_foreach(j->questions.items, i, question) {
		if (st == OD_OK)
			st = arena_question(question, id, sizeof id, err);
		if (st != OD_OK)
			break;
		if (json_object_get(j->answers[0].text, id) == NULL)
			st = od_fail(err, OD_EFORMAT, "%s: no answer to question '%s'", j->o->baseline_answers, id);
		else if (json_object_get(j->answers[1].text, id) == NULL)
			unanswered++;
		else
			st = ask_question(j, question, id, err);
	}
	if (st == OD_OK && unanswered > 0)
		od_warn("the model has no answer to %zu of %zu questions", unanswered, n);
	if (st == OD_OK)
		st = take_answers(j, err);
	for (int64_t k = 0; st == OD_OK && asked && k < j->follow_ups; k++)
		st = follow_up(j, &asked, err);
	return st;
}

enum od_status
arena_judge_check(const struct arena_judge_options *o, struct od_error *err)
{
	enum od_status st = ask_check(&o->ask, o->config, err);

	if (st != OD_OK)
		return st;
	if (o->ask.url == NULL && answers_asks(&o->answers))
		return od_fail(err, OD_EUSAGE, "option '--model' needs '--judge-url', to judge what the model answers; od-sample makes answers alone");
	if (o->ask.url == NULL)
		return o->save != NULL ? od_fail(err, OD_EUSAGE, "option '--save-judgments' needs '--judge-url'") : OD_OK;
	if (o->ask.template == NULL && o->config == NULL)
		return od_fail(err, OD_EUSAGE, "option '--judge-url' needs '--template' or '--judge-config'");
	if (o->questions == NULL || o->baseline_answers == NULL || (o->answers.outputs == NULL && !answers_asks(&o->answers)))
		return od_fail(err, OD_EUSAGE, "option '--judge-url' needs '--questions', '--baseline-answers', and '--outputs' or '--model'");
	return OD_OK;
}

/* The judge, what it is asked, and what its text means. */
static enum od_status
open_judge(struct judging *j, enum od_arena_rule *rule, bool rule_given, struct od_error *err)
{
	struct arena_config c = { 0 };
	enum od_status st = OD_OK;

	ask_begin(&j->ask, &j->o->ask, &defaults);
	if (j->o->config != NULL)
		st = arena_read_config(&c, &j->ask, j->o->config, err);
	if (st == OD_OK && j->o->ask.template != NULL)
		st = ask_read_template(&j->ask, j->o->ask.template, err);
	if (st == OD_OK)
		st = ask_open(&j->ask, NULL, NULL, err);
	if (st == OD_OK)
		st = ask_keep(&j->ask, j->o->save, err);
	if (c.has_rule && !rule_given)
		*rule = c.rule;
	j->rule = *rule;
	j->follow_ups = c.attempts > 0 ? c.attempts - 1 : 1;
	j->follow_up = j->o->follow_up ? j->o->follow_up : c.attempts > 1 ? published_follow_up : NULL;
	if (j->o->follow_up != NULL && j->follow_ups == 0)
		j->follow_ups = 1;
	return st;
}

static void
release(struct judging *j)
{
	for (size_t i = 0; j->messages != NULL && i < 2 * json_array_size(j->questions.items); i++)
		json_decref(j->messages[i]);
	free(j->messages);
	ask_release(&j->ask);
	for (int i = 0; i < 2; i++) {
		od_dataset_release(&j->answers[i].data);
		json_decref(j->answers[i].text);
		free(j->answers[i].model);
	}
	od_dataset_release(&j->questions);
}

static bool
question_of(const json_t *item, json_t **question)
{
	char id[128];

	*question = arena_question(item, id, sizeof id, NULL) == OD_OK ?
		json_pack("{s:s, s:s}", "question_id", id, "prompt", text_of(item)) : NULL;
	return *question != NULL;
}

/* The model's answers, made now if one is given. questions: the set of their names. */
static enum od_status
read_model(struct judging *j, struct answers *said, const json_t *questions, struct judged_bad *bad, struct od_error *err)
{
	struct arena_judge_options *o = j->o;
	struct answers_plan plan = { .benchmark = "arena-hard", .data = o->questions, .preset = presets, .key = "question_id",
		.prompt = "prompt", .judge = j->ask.judge, .service = &o->ask.service, .threads = o->threads, .seed = o->choice.seed };
	json_t *asked = NULL;
	enum od_status st = OD_OK;

	if (answers_asks(&o->answers))
		st = answers_questions(&asked, j->questions.items, &o->choice, question_of, "question_id", err);
	plan.questions = asked;
	if (st == OD_OK)
		st = answers_open(said, &o->answers, &plan, err);
	if (st == OD_OK)
		st = read_answers(&j->answers[1], said->file, questions, said, bad, err);
	json_decref(asked);
	return st;
}

enum od_status
arena_judge(json_t **out, struct arena_judge_options *o, struct answers *said, enum od_arena_rule *rule, bool rule_given,
	struct judged_bad *bad, struct od_error *err)
{
	struct judging j = { .o = o, .records = json_array() };
	json_t *questions = NULL;
	enum od_status st = open_judge(&j, rule, rule_given, err);

	if (st == OD_OK)
		st = read_questions(&j, &questions, err);
	if (st == OD_OK)
		st = read_answers(&j.answers[0], o->baseline_answers, questions, NULL, bad, err);
	if (st == OD_OK)
		st = read_model(&j, said, questions, bad, err);
	if (st == OD_OK)
		st = ask_all(&j, err);
	if (st == OD_OK)
		ask_report(&j.ask);
	if (st == OD_OK)
		st = ask_save(&j.ask, j.records, ASK_LINES, err);
	release(&j);
	json_decref(questions);
	*out = j.records;
	return st;
}
