/* record.c -- the line of a pair: the record's own, with the two responses in place of all of them. */
#include <math.h>
#include <stdlib.h>

#include "pair/pair.h"

/* Members point into w->values only once it has stopped growing. */
struct added {
	struct od_member m[16];
	size_t at[16], n;
};

static void
begin(const struct pair_writer *w, struct added *a, const char *name)
{
	a->m[a->n].name = name;
	a->at[a->n++] = w->values.len;
}

static void
add_number(struct pair_writer *w, struct added *a, const char *name, double v)
{
	if (isnan(v))
		return;
	begin(w, a, name);
	od_buf_json_double(&w->values, v);
}

static void
add_index(struct pair_writer *w, struct added *a, const char *name, size_t i)
{
	begin(w, a, name);
	od_buf_printf(&w->values, "%zu", i);
}

static void
add_correct(struct pair_writer *w, struct added *a, const char *name, int correct)
{
	if (correct < 0)
		return;
	begin(w, a, name);
	od_buf_str(&w->values, correct ? "true" : "false");
}

/* ---- responses ---------------------------------------------------------------------------------------------------------- */

static void
put_message(struct od_buf *b, const char *role, const char *text, size_t len)
{
	od_buf_printf(b, "{\"role\":\"%s\",\"content\":", role);
	od_buf_json_string(b, text, len);
	od_buf_char(b, '}');
}

/* The messages of the prompt, each followed by a comma. */
static void
put_prompt(struct od_buf *b, const json_t *prompt)
{
	if (json_is_string(prompt)) {
		put_message(b, "user", json_string_value(prompt), json_string_length(prompt));
		od_buf_char(b, ',');
	}
	for (size_t i = 0; i < json_array_size(prompt); i++) {
		char *text = json_dumps(json_array_get(prompt, i), JSON_COMPACT | JSON_ENCODE_ANY);

		if (text) {
			od_buf_str(b, text);
			od_buf_char(b, ',');
		} else {
			b->failed = true;
		}
		free(text);
	}
}

/* A string where the prompt is one, a message where it is messages; a whole dialogue when asked for. */
static void
add_response(struct pair_writer *w, struct added *a, const char *name, const json_t *prompt, const struct od_candidate *r)
{
	struct od_buf *b = &w->values;

	begin(w, a, name);
	if (!w->o->messages && json_is_string(prompt)) {
		od_buf_json_string(b, r->text, r->len);
		return;
	}
	od_buf_char(b, '[');
	if (w->o->messages)
		put_prompt(b, prompt);
	put_message(b, "assistant", r->text, r->len);
	od_buf_char(b, ']');
}

/* ---- the line ----------------------------------------------------------------------------------------------------------- */

/* Rewards of a rule are not what the record's own block says of its scores. */
static void
add_rule_block(struct pair_writer *w, struct added *a)
{
	if (w->o->rules.strategy != OD_ITERATIVE)
		return;
	begin(w, a, "score");
	od_buf_str(&w->values, "{\"expert\":\"rule\",\"rewards\":{\"correct\":1,\"boxed\":-0.5,\"other\":-1},\"scale\":[1,0],"
		"\"version\":\"" OD_VERSION "\"}");
}

static void
add_rejected(struct pair_writer *w, struct added *a, const struct od_candidates *c, const struct od_choice *choice,
	const struct pair_facts *f)
{
	add_response(w, a, "rejected", c->prompt, &c->list[choice->rejected]);
	add_number(w, a, "score_rejected", choice->score_rejected);
	add_number(w, a, "score_margin", f->margin);
	add_correct(w, a, "correct_rejected", f->correct_rejected);
	add_index(w, a, "rejected_index", choice->rejected);
}

enum od_status
pair_write_line(struct pair_writer *w, const struct od_record *rec, const struct od_candidates *c,
	const struct od_choice *choice, struct pair_facts *f, struct od_error *err)
{
	bool pair = choice->rejected != OD_NO_RESPONSE;
	struct added a = { .n = 0 };

	*f = (struct pair_facts){ choice->score_chosen, choice->score_chosen - choice->score_rejected,
		c->list[choice->chosen].correct, pair ? c->list[choice->rejected].correct : -1 };
	od_buf_clear(&w->values);
	add_response(w, &a, "chosen", c->prompt, &c->list[choice->chosen]);
	add_number(w, &a, "score_chosen", choice->score_chosen);
	add_correct(w, &a, "correct_chosen", f->correct_chosen);
	add_index(w, &a, "chosen_index", choice->chosen);
	if (pair)
		add_rejected(w, &a, c, choice, f);
	add_rule_block(w, &a);
	for (size_t i = 0; i < a.n; i++) {
		a.m[i].value = w->values.data + a.at[i];
		a.m[i].value_len = (i + 1 < a.n ? a.at[i + 1] : w->values.len) - a.at[i];
	}
	a.m[a.n++] = (struct od_member){ "responses", NULL, 0 };
	od_buf_clear(&w->line);
	od_jsonl_splice(&w->line, rec->line, rec->len, a.m, a.n);
	if (!od_buf_ok(&w->values) || !od_buf_ok(&w->line))
		return od_fail_nomem(err, "a pair", rec->len);
	return OD_OK;
}
