/* sedar_prompts.c -- see sedar_prompts.h. */
#include "eval/sedar_prompts.h"

#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "io/jsonl.h"
#include "io/stream.h"

enum { MAX_TEMPLATE = 1 << 20 };

struct prompts {
	const struct sedar_items *items;
	const struct sedar_prompts_options *o;
	char *template;                            /* NULL: the records' own */
	struct od_dataset file;                    /* of outputs */
	json_t *outputs;                           /* id -> text; NULL: the data's answers */
	sedar_prompt_fn *take;
	void *ctx;
	int64_t made, without_field, without_answer;
};

/* The outputs by id. */
static enum od_status
read_outputs(struct prompts *p, struct judged_bad *bad, struct od_error *err)
{
	const json_t *record;
	json_t *seen = NULL;
	size_t i;
	enum od_status st = od_dataset_read(&p->file, p->o->outputs, err);

	p->outputs = json_object();
	json_array_foreach(p->file.items, i, record) {
		struct sedar_item *item = NULL;
		const char *text = sedar_text(record, 0);

		if (st == OD_OK)
			st = sedar_item_of(p->items, record, &item, err);
		if (st == OD_OK && text == NULL)
			st = od_fail(err, OD_EFORMAT, "item '%.60s' has no output", item->id);
		if (st == OD_OK)
			st = judged_once(&seen, item->id, (int64_t)i, "id", err);
		if (st == OD_OK && json_object_set_new(p->outputs, item->id, json_string(text)) != 0)
			st = od_fail_nomem(err, "outputs", i);
		if (st == OD_OK)
			st = answers_take(p->o->said, record, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s: record %zu: ", p->o->outputs, i);
			st = judged_reject(bad, err);
		}
		if (st != OD_OK)
			break;
	}
	json_decref(seen);
	return st;
}

/* Hands the messages over: the judge's system message, the text. */
static enum od_status
hand_over(struct prompts *p, const struct sedar_item *item, const struct od_buf *text, struct od_error *err)
{
	const char *system = p->o->system;
	json_t *messages = json_array();
	bool bad = messages == NULL;
	enum od_status st;

	if (system != NULL && system[0] != '\0')
		bad = bad || json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", system)) != 0;
	bad = bad || json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", text->data)) != 0;
	st = bad ? od_fail_nomem(err, "a prompt", text->len) : p->take(p->ctx, item, messages, err);
	json_decref(messages);
	p->made += st == OD_OK;
	return st;
}

static enum od_status
make_prompt(struct prompts *p, const struct sedar_item *item, struct od_error *err)
{
	const json_t *record = item->record;
	const char *template = p->template ? p->template : json_string_value(od_json_path(record, "auto_prompt.prompt")), *response;
	struct od_buf text = OD_BUF_INIT;
	bool complete = true;
	enum od_status st = OD_OK;

	response = json_string_value(p->outputs ? json_object_get(p->outputs, item->id) : json_object_get(record, "answer"));
	if (response == NULL || response[strspn(response, " \t\r\n")] == '\0') {
		p->without_answer++;
		return OD_OK;
	}
	if (template == NULL)
		return od_fail(err, OD_EFORMAT, "item '%.60s' has no field 'auto_prompt.prompt': give the judge's prompt with '--template'",
			item->id);
	judged_fill(&text, template, &(struct judged_value){ "response", response }, 1, record, &complete);
	if (!od_buf_ok(&text))
		st = od_fail_nomem(err, "a prompt", text.len);
	else if (complete)
		st = hand_over(p, item, &text, err);
	else
		p->without_field++;
	od_buf_release(&text);
	return st;
}

static enum od_status
report(const struct prompts *p, struct od_error *err)
{
	if (p->without_answer > 0)
		od_warn("%lld items have no answer and get no prompt", (long long)p->without_answer);
	if (p->without_field > 0)
		od_warn("%lld items lack a field of the template and get no prompt", (long long)p->without_field);
	return p->made > 0 ? OD_OK : od_fail(err, OD_EFORMAT, "no item gave a prompt");
}

enum od_status
sedar_prompts(const struct sedar_items *items, const struct sedar_prompts_options *o, sedar_prompt_fn *take, void *ctx,
	struct judged_bad *bad, struct od_error *err)
{
	struct prompts p = { .items = items, .o = o, .take = take, .ctx = ctx };
	enum od_status st = OD_OK;
	size_t len;

	if (o->template != NULL)
		st = od_in_slurp(o->template, MAX_TEMPLATE, &p.template, &len, err);
	if (st == OD_OK && o->outputs != NULL)
		st = read_outputs(&p, bad, err);
	for (size_t i = 0; st == OD_OK && i < items->n; i++) {
		st = make_prompt(&p, &items->item[i], err);
		if (st != OD_OK)
			st = judged_reject(bad, err);
	}
	if (st == OD_OK)
		st = report(&p, err);
	free(p.template);
	json_decref(p.outputs);
	od_dataset_release(&p.file);
	return st;
}
