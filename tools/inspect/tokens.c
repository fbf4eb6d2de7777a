/* tokens.c -- od-inspect tokens: {"text"} or {"messages"} records to token ids, as JSONL for programs or as a table of
 * pieces for people.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "inspect/inspect.h"
#include "io/jsonl.h"
#include "stats/draw.h"
#include "text/chat.h"
#include "text/tokenizer.h"

struct tokens_options {
	struct od_common_options common;
	struct od_record_options records;
	const char *model, *chat_template, *date;
	bool special, bos, generation_prompt, table, json;
};

static const struct od_opt tokens_opts[] = {
	OD_OPT_STR(struct tokens_options, model, "model", "DIR", "directory with tokenizer.json (required)"),
	OD_OPT_NOFLAG(struct tokens_options, special, "no-special",
		"texts of special tokens in the input are ordinary text"),
	OD_OPT_FLAG(struct tokens_options, bos, "bos", "put the beginning-of-sequence token in front of a \"text\""),
	OD_OPT_STR(struct tokens_options, chat_template, "chat-template", "NAME",
		"template for messages instead of the recognised one"),
	OD_OPT_STR(struct tokens_options, date, "date", "DATE", "date for templates that show one"),
	OD_OPT_FLAG(struct tokens_options, generation_prompt, "generation-prompt",
		"end messages with the assistant header (a record's \"add_generation_prompt\" goes first)"),
	OD_OPT_FLAG(struct tokens_options, table, "table", "write a table of ids and pieces (default on a terminal)"),
	OD_OPT_FLAG(struct tokens_options, json, "json", "write JSONL even to a terminal"),
	OD_OPT_END
};

/* What one record needs, reused from record to record. */
struct tokens_work {
	const struct tokens_options *o;
	struct od_tokenizer *tokenizer;
	const struct od_chat_template *chat;       /* found at the first record with messages */
	struct od_message *messages;
	size_t cap_messages;
	struct od_buf rendered;
	struct od_ids ids;
};

static enum od_status
find_template(struct tokens_work *w, struct od_error *err)
{
	if (w->chat != NULL)
		return OD_OK;
	if (w->o->chat_template != NULL)
		return od_chat_find(&w->chat, w->o->chat_template, err);
	return od_chat_detect(&w->chat, w->tokenizer, err);
}

static enum od_status
read_message(const json_t *m, size_t i, struct od_message *out, struct od_error *err)
{
	enum od_status st;
	size_t role_len;

	if (!json_is_object(m))
		return od_fail(err, OD_EFORMAT, "field 'messages.%zu' must be an object with role and content", i);
	st = od_json_need_string(m, "role", &out->role, &role_len, err);
	if (st == OD_OK)
		st = od_json_need_string(m, "content", &out->content, &out->content_len, err);
	return st == OD_OK ? OD_OK : od_error_prefix(err, "message %zu: ", i);
}

static enum od_status
render(struct tokens_work *w, const json_t *rec, const json_t *list, struct od_error *err)
{
	const json_t *generation = json_object_get(rec, "add_generation_prompt"), *date = json_object_get(rec, "date_string");
	bool add = generation != NULL ? json_is_true(generation) : w->o->generation_prompt;
	const char *day = w->o->date != NULL ? w->o->date : json_string_value(date);
	size_t n = json_array_size(list);
	enum od_status st;

	if (!json_is_array(list) || n == 0)
		return od_fail(err, OD_EFORMAT, "field 'messages' must be a list of at least one message");
	if (!od_grow(&w->messages, &w->cap_messages, n, sizeof *w->messages))
		return od_fail_nomem(err, "messages", n * sizeof *w->messages);
	for (size_t i = 0; i < n; i++) {
		st = read_message(json_array_get(list, i), i, &w->messages[i], err);
		if (st != OD_OK)
			return st;
	}
	st = find_template(w, err);
	if (st != OD_OK)
		return st;
	st = od_chat_render(w->chat, w->tokenizer, w->messages, n, add, day, &w->rendered, NULL, err);
	if (st == OD_OK && !od_buf_ok(&w->rendered))
		st = od_fail_nomem(err, "a rendered dialogue", w->rendered.len);
	return st;
}

static enum od_status
append_bos(struct tokens_work *w, struct od_error *err)
{
	int32_t bos = od_tokenizer_bos(w->tokenizer);

	if (bos < 0)
		return OD_OK;
	if (!od_grow(&w->ids.id, &w->ids.cap, w->ids.n + 1, sizeof *w->ids.id))
		return od_fail_nomem(err, "token ids", (w->ids.n + 1) * sizeof *w->ids.id);
	w->ids.id[w->ids.n++] = bos;
	return OD_OK;
}

/* Fills ids, and rendered for messages. *messages says which of the two kinds the record is. */
static enum od_status
tokenize(struct tokens_work *w, const json_t *rec, bool *messages, struct od_error *err)
{
	const json_t *list = json_object_get(rec, "messages");
	const char *text;
	size_t len;
	enum od_status st;

	od_buf_clear(&w->rendered);
	w->ids.n = 0;
	*messages = list != NULL;
	if (*messages) {
		st = render(w, rec, list, err);
		if (st == OD_OK)
			st = od_tokenizer_encode(w->tokenizer, w->rendered.data != NULL ? w->rendered.data : "",
				w->rendered.len, w->o->special, &w->ids, err);
		return st;
	}
	if (json_object_get(rec, "text") == NULL)
		return od_fail(err, OD_EFORMAT, "field 'text' or 'messages' is missing");
	st = od_json_need_string(rec, "text", &text, &len, err);
	if (st == OD_OK && w->o->bos)
		st = append_bos(w, err);
	if (st == OD_OK)
		st = od_tokenizer_encode(w->tokenizer, text, len, w->o->special, &w->ids, err);
	return st;
}

/* ---- output --------------------------------------------------------------------------------------------------------- */

static enum od_status
write_json(const struct tokens_work *w, const struct od_record *rec, bool messages, struct od_jsonl_writer *out,
	struct od_error *err)
{
	struct od_buf ids = OD_BUF_INIT, rendered = OD_BUF_INIT, line = OD_BUF_INIT;
	struct od_member members[2] = { { "ids", NULL, 0 }, { "rendered", NULL, 0 } };
	enum od_status st;

	od_buf_char(&ids, '[');
	for (size_t i = 0; i < w->ids.n; i++)
		od_buf_printf(&ids, "%s%d", i > 0 ? "," : "", w->ids.id[i]);
	od_buf_char(&ids, ']');
	if (messages)
		od_buf_json_string(&rendered, w->rendered.data, w->rendered.len);
	if (od_buf_ok(&ids) && od_buf_ok(&rendered)) {
		members[0].value = ids.data;
		members[0].value_len = ids.len;
		members[1].value = rendered.data;
		members[1].value_len = rendered.len;
		od_jsonl_splice(&line, rec->line, rec->len, members, messages ? 2 : 1);
	}
	if (!od_buf_ok(&ids) || !od_buf_ok(&rendered) || !od_buf_ok(&line))
		st = od_fail_nomem(err, "a record", rec->len);
	else
		st = od_jsonl_write(out, line.data, line.len, err);
	od_buf_release(&ids);
	od_buf_release(&rendered);
	od_buf_release(&line);
	return st;
}

/* A piece with its blanks, controls and bytes that are no text made visible. */
static void
visible(struct od_buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0, k = 1;

		while (k < len && i + k < n && ((unsigned char)s[i + k] & 0xc0) == 0x80)
			k++;
		if (c == '\n')
			od_buf_str(out, "\\n");
		else if (c == '\t')
			od_buf_str(out, "\\t");
		else if (c == ' ')
			od_buf_str(out, "·");
		else if (c < ' ' || c == 0x7f || k != len)
			od_buf_printf(out, "\\x%02x", c);
		else {
			od_buf_append(out, s + i, len);
			i += len - 1;
		}
	}
}

static enum od_status
write_table(const struct tokens_work *w, const struct od_record *rec, struct od_error *err)
{
	struct od_table t = OD_TABLE_INIT(4, "rrll");
	struct od_buf piece = OD_BUF_INIT, shown = OD_BUF_INIT, out = OD_BUF_INIT;
	enum od_status st = OD_OK;
	size_t bytes = 0;

	for (size_t i = 0; i < w->ids.n; i++) {
		od_buf_clear(&piece);
		od_buf_clear(&shown);
		od_tokenizer_decode(w->tokenizer, w->ids.id[i], false, &piece);
		visible(&shown, piece.data, piece.len);
		bytes += piece.len;
		od_table_cellf(&t, "%zu", i);
		od_table_cellf(&t, "%d", w->ids.id[i]);
		od_table_cell(&t, shown.data != NULL ? shown.data : "");
		od_table_cell(&t, od_tokenizer_is_special(w->tokenizer, w->ids.id[i]) ? "special" : "");
	}
	od_buf_printf(&out, "%s:%lld%s%s: %zu tokens, %zu bytes\n", rec->source, (long long)rec->lineno,
		rec->id[0] != '\0' ? " " : "", rec->id, w->ids.n, bytes);
	od_table_render(&t, &out, "  ");
	if (od_buf_ok(&out) && od_buf_ok(&piece) && od_buf_ok(&shown))
		fwrite(out.data, 1, out.len, stdout);
	else
		st = od_fail_nomem(err, "a table", out.len);
	od_table_release(&t);
	od_buf_release(&piece);
	od_buf_release(&shown);
	od_buf_release(&out);
	return st;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static enum od_status
process(struct tokens_work *w, struct od_jsonl *in, struct od_jsonl_writer *out, struct od_error *err)
{
	struct od_record rec;
	enum od_status st;
	bool messages;

	for (;;) {
		st = od_jsonl_next(in, &rec, err);
		if (st != OD_OK)
			return st == OD_EOF ? OD_OK : st;
		st = tokenize(w, rec.json, &messages, err);
		if (st == OD_EFORMAT) {
			st = od_jsonl_reject(in, &rec, err);
			if (st != OD_OK)
				return st;
			continue;
		}
		if (st == OD_OK)
			st = out != NULL ? write_json(w, &rec, messages, out, err) : write_table(w, &rec, err);
		if (st != OD_OK)
			return st;
	}
}

static enum od_status
run(struct tokens_options *o, const char *const *names, size_t n, int64_t *skipped, struct od_error *err)
{
	struct tokens_work w = { .o = o, .rendered = OD_BUF_INIT, .ids = OD_IDS_INIT };
	bool table = o->table || (isatty(STDOUT_FILENO) && !o->json);
	struct od_jsonl_writer *writer = NULL;
	struct od_jsonl *in = NULL;
	struct od_out *out = NULL;
	enum od_status st, end;

	if (o->model == NULL)
		return od_fail(err, OD_EUSAGE, "missing option --model DIR");
	st = od_tokenizer_open(&w.tokenizer, o->model, err);
	if (st == OD_OK && o->chat_template != NULL)
		st = find_template(&w, err);
	if (st == OD_OK)
		st = od_jsonl_open(&in, names, n, &o->records, err);
	if (st == OD_OK && !table)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK && !table)
		st = od_jsonl_writer_open(&writer, out, o->common.framed, "od-inspect", err);
	if (st == OD_OK)
		st = process(&w, in, writer, err);
	end = od_jsonl_writer_close(writer, err, st == OD_OK ? err : NULL);
	*skipped = in != NULL ? od_cli_skipped(in) : 0;
	od_jsonl_close(in);
	od_tokenizer_close(w.tokenizer);
	free(w.messages);
	od_buf_release(&w.rendered);
	od_ids_release(&w.ids);
	return st != OD_OK ? st : end;
}

int
od_inspect_tokens(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-inspect",
		.summary = "show the token ids of texts and dialogues",
		.usage = "tokens [OPTION...] --model DIR [FILE...]",
		.epilog = "A record has \"text\" or \"messages\"; it comes out with \"ids\" added, and \"rendered\" for messages.",
	};
	struct tokens_options o = { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT, .special = true };
	struct od_opt_group groups[] = { { "Tokens", tokens_opts, &o, NULL }, { "Records", od_record_opts, &o.records, NULL },
		{ "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *names;
	int64_t skipped = 0;
	size_t n;

	od_cli_begin(&tool, &o.common);
	names = od_cli_parse(groups, 3, argc, argv, &n);
	(void)!run(&o, names, n, &skipped, &err);      /* err holds what od_cli_end reports */
	return od_cli_end(&err, skipped);
}
