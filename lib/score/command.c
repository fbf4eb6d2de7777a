#include "score/command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/coprocess.h"
#include "io/jsonl.h"

struct command {
	struct od_response_expert base;
	const char *shown;
	struct od_coprocess *process;
	int64_t asked;                     /* responses answered before this window */
	struct od_buf questions, lines;
};

/* ---- questions ---------------------------------------------------------------------------------------------------------- */

static enum od_status
write_question(struct od_buf *out, const struct od_ask *a, int64_t index, struct od_error *err)
{
	char *prompt = json_dumps(a->prompt, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!prompt)
		return od_fail_nomem(err, "a question", a->len);
	od_buf_printf(out, "{\"index\":%lld", (long long)index);
	if (a->id[0]) {
		od_buf_str(out, ",\"id\":");
		od_buf_json_string(out, a->id, strlen(a->id));
	}
	od_buf_str(out, ",\"prompt\":");
	od_buf_str(out, prompt);
	od_buf_str(out, ",\"response\":");
	od_buf_json_string(out, a->text, a->len);
	if (a->answer) {
		od_buf_str(out, ",\"answer\":");
		od_buf_json_string(out, a->answer, strlen(a->answer));
	}
	od_buf_str(out, "}\n");
	free(prompt);
	return OD_OK;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

/* What the line says about which response it is of must be true. */
static enum od_status
check_place(const json_t *v, const struct od_ask *a, int64_t index, struct od_error *err)
{
	const json_t *i = json_object_get(v, "index"), *id = json_object_get(v, "id");

	if (i && !(json_is_integer(i) && json_integer_value(i) == index)) {
		char *text = json_dumps(i, JSON_ENCODE_ANY);

		(void)od_fail(err, OD_EFORMAT, "the command answers index %.40s where %lld was asked about: out of order?",
			text ? text : "", (long long)index);
		free(text);
		return OD_EFORMAT;
	}
	if (id && a->id[0] && !(json_is_string(id) && strcmp(json_string_value(id), a->id) == 0))
		return od_fail(err, OD_EFORMAT, "the command answers another id than '%s': out of order?", a->id);
	return OD_OK;
}

static void
keep_members(struct od_buf *out, const json_t *object)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)object, name, v) {
		char *text;

		if (strcmp(name, "score") == 0 || strcmp(name, "index") == 0 || strcmp(name, "id") == 0)
			continue;
		text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		od_buf_char(out, ',');
		od_buf_json_string(out, name, strlen(name));
		od_buf_char(out, ':');
		od_buf_str(out, text ? text : "null");
		out->failed |= !text;
		free(text);
	}
}

static enum od_status
read_object(const json_t *v, const struct od_ask *a, int64_t index, struct od_answer *out, struct od_error *err)
{
	const json_t *score = json_object_get(v, "score"), *why = json_object_get(v, "error");
	enum od_status st = check_place(v, a, index, err);

	if (st != OD_OK)
		return st;
	if (why || json_is_null(score)) {
		out->status = od_fail(&out->err, OD_EFORMAT, "the command has no score: %.500s",
			json_is_string(why) ? json_string_value(why) : "null");
		return OD_OK;
	}
	if (!json_is_number(score))
		return od_json_fail_type(score, "score", "a number", err);
	out->score = json_number_value(score);
	keep_members(&out->members, v);
	return od_buf_ok(&out->members) ? OD_OK : od_fail_nomem(err, "members", out->members.len);
}

static enum od_status
read_answer(const char *line, size_t n, const struct od_ask *a, int64_t index, struct od_answer *out, struct od_error *err)
{
	json_t *v = json_loadb(line, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	enum od_status st = OD_OK;

	if (json_is_number(v)) {
		out->score = json_number_value(v);
	} else if (json_is_object(v)) {
		st = read_object(v, a, index, out, err);
	} else {
		size_t len = 0;

		while (len < n && len < 80 && line[len] >= 0x20 && line[len] < 0x7f)
			len++;
		st = od_fail(err, OD_EFORMAT, "the command must answer a number or an object with a score, not '%.*s'", (int)len, line);
	}
	json_decref(v);
	return st;
}

/* Which response a failure is about. */
static enum od_status
name_ask(const struct command *c, const struct od_ask *a, size_t i, enum od_status st, struct od_error *err)
{
	(void)od_error_prefix(err, a->id[0] ? "response %lld (record '%s'): " : "response %lld: ", (long long)(c->asked + (int64_t)i),
		a->id);
	return st;
}

static enum od_status
command_score(struct od_response_expert *e, const struct od_ask *asks, size_t n, struct od_answer *answers, struct od_error *err)
{
	struct command *c = (struct command *)e;
	enum od_status st = OD_OK, asked;
	struct od_error dead = OD_ERROR_INIT;
	size_t got = 0, at = 0;

	od_buf_clear(&c->questions);
	for (size_t i = 0; i < n && st == OD_OK; i++)
		st = write_question(&c->questions, &asks[i], c->asked + (int64_t)i, err);
	if (st == OD_OK && !od_buf_ok(&c->questions))
		st = od_fail_nomem(err, "questions", c->questions.len);
	if (st != OD_OK)
		return st;
	asked = od_coprocess_ask(c->process, c->questions.data, c->questions.len, n, &c->lines, &got, &dead);
	/* What it said before it failed may tell why. */
	for (size_t i = 0; i < got && st == OD_OK; i++) {
		size_t len = (size_t)((char *)memchr(c->lines.data + at, '\n', c->lines.len - at) - c->lines.data) - at;

		st = read_answer(c->lines.data + at, len, &asks[i], c->asked + (int64_t)i, &answers[i], err);
		if (st == OD_EFORMAT)
			return name_ask(c, &asks[i], i, st, err);
		at += len + 1;
	}
	if (st == OD_OK && asked != OD_OK) {
		if (err)
			*err = dead;
		return asked == OD_ESERVICE ? name_ask(c, &asks[got < n ? got : n - 1], got, asked, err) : asked;
	}
	c->asked += (int64_t)n;
	return st;
}

static enum od_status
command_finish(struct od_response_expert *e, struct od_error *err)
{
	return od_coprocess_finish(((struct command *)e)->process, err);
}

static void
command_describe(const struct od_response_expert *e, struct od_buf *out)
{
	const struct command *c = (const struct command *)e;

	od_buf_str(out, ",\"command\":");
	od_buf_json_string(out, c->shown, strlen(c->shown));
}

static void
command_close(struct od_response_expert *e)
{
	struct command *c = (struct command *)e;

	od_coprocess_close(c->process);
	od_buf_release(&c->questions);
	od_buf_release(&c->lines);
	free(c);
}

enum od_status
od_command_open(struct od_response_expert **out, const struct od_command_options *opt, struct od_error *err)
{
	struct command *c = NULL;
	enum od_status st = od_alloc(&c, 1, sizeof(*c), "an expert", err);

	if (st != OD_OK)
		return st;
	c->base = (struct od_response_expert){ .name = "command", .window = opt->window, .score = command_score,
		.finish = command_finish, .describe = command_describe, .close = command_close };
	c->shown = opt->shown;
	st = od_coprocess_open(&c->process, opt->argv, opt->shown, opt->stall, err);
	if (st == OD_OK)
		*out = &c->base;
	else
		command_close(&c->base);
	return st;
}
