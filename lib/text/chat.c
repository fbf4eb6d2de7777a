/* chat.c -- the supported chat templates. What a family's Jinja text computes is computed here directly; the
 * differences between families are few enough for one table.
 *
 *   llama3   BOS, then per turn   <|start_header_id|>ROLE<|end_header_id|> LF LF trimmed <|eot_id|>
 *   llama31  the same, but the first turn is always a system turn that begins with two dates
 *   chatml   per turn             <|im_start|>ROLE LF content <|im_end|> LF
 *   gemma2   BOS, then per turn   <start_of_turn>ROLE LF trimmed <end_of_turn> LF
 *   plain    contents only; plain-eos: the EOS behind what the assistant says
 * qwen* and smollm2 are chatml with a default system turn; gemma2 calls the assistant "model" and has no system turn.
 */
#include "text/chat.h"

#include <string.h>

#include "text/unicode.h"

struct od_chat_template {
	const char *name;
	const char *start, *header_end, *end;  /* around role and content of a turn */
	const char *assistant;                 /* what the assistant's role is called */
	const char *default_system;            /* of the system turn put in front when there is none */
	const char *date;                      /* default of the date; NULL: the family shows none */
	bool bos, trim;
	bool alternate;                        /* user and assistant in turn */
	bool system;                           /* there may be a system turn */
	bool eos;                              /* an assistant turn ends with the tokenizer's EOS */
};

#define LLAMA "<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>", "assistant"
#define CHATML "<|im_start|>", "\n", "<|im_end|>\n", "assistant"

static const struct od_chat_template templates[] = {
	{ "llama3", LLAMA, NULL, NULL, true, true, false, true, false },
	{ "llama31", LLAMA, "", "26 Jul 2024", true, true, false, true, false },
	{ "chatml", CHATML, NULL, NULL, false, false, false, true, false },
	{ "qwen2", CHATML, "You are a helpful assistant.", NULL, false, false, false, true, false },
	{ "qwen25", CHATML, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", NULL,
		false, false, false, true, false },
	{ "qwen25-math", CHATML, "Please reason step by step, and put your final answer within \\boxed{}.",
		NULL, false, false, false, true, false },
	{ "smollm2", CHATML, "You are a helpful AI assistant named SmolLM, trained by Hugging Face", NULL,
		false, false, false, true, false },
	{ "gemma2", "<start_of_turn>", "\n", "<end_of_turn>\n", "model", NULL, NULL, true, true, true, false, false },
	{ "plain", "", "", "", "", NULL, NULL, false, false, false, true, false },
	{ "plain-eos", "", "", "", "", NULL, NULL, false, false, false, true, true }
};

#define N_TEMPLATES (sizeof(templates) / sizeof(templates[0]))
#define NAMES "llama3, llama31, chatml, qwen2, qwen25, qwen25-math, smollm2, gemma2, plain, plain-eos"

const char *
od_chat_names(void)
{
	return NAMES;
}

const char *
od_chat_name(const struct od_chat_template *c)
{
	return c->name;
}

enum od_status
od_chat_find(const struct od_chat_template **out, const char *name, struct od_error *err)
{
	for (size_t i = 0; i < N_TEMPLATES; i++) {
		if (strcmp(name, templates[i].name) == 0) {
			*out = &templates[i];
			return OD_OK;
		}
	}
	return od_fail(err, OD_EUSAGE, "unknown chat template '%.80s'; there are %s", name, NAMES);
}

/* ---- recognising a template --------------------------------------------------------------------------- */

/* The system turn a ChatML text writes of its own, from its content on: "<|im_start|>system", a line break (or its
 * escape), and then more than the end of a string literal or an expression. NULL when it writes none. */
static const char *
own_system(const char *text)
{
	static const char mark[] = "<|im_start|>system";

	for (const char *p = strstr(text, mark); p; p = strstr(p + 1, mark)) {
		const char *after = p + sizeof(mark) - 1;

		if (strncmp(after, "\\n", 2) == 0)
			after += 2;
		else if (*after == '\n')
			after++;
		else
			continue;
		if (*after && !strchr("'\"{", *after))
			return after;
	}
	return NULL;
}

/* The text begins with a family's default system turn; up to a backslash, since how often that is escaped is the
 * file's affair. */
static bool
is_default_system(const char *text, const char *system)
{
	static const char end[] = "<|im_end|>";
	size_t n = strcspn(system, "\\");

	return strncmp(text, system, n) == 0 && (system[n] || strncmp(text + n, end, sizeof(end) - 1) == 0);
}

static bool
trims(const char *text)
{
	return strstr(text, "| trim") || strstr(text, "|trim");
}

/* ChatML with what the supported families do not write: thinking blocks, another end of the header. */
static bool
is_other_chatml(const char *text)
{
	return strstr(text, "<think>") || strstr(text, "<|im_sep|>") || trims(text);
}

static const char *
recognise(const char *text)
{
	const char *own;

	if (strcmp(text, OD_CHAT_PLAIN) == 0)
		return "plain";
	if (strcmp(text, OD_CHAT_PLAIN_EOS) == 0)
		return "plain-eos";
	if (strstr(text, "<|start_header_id|>") && strstr(text, "<|eot_id|>")) {
		if (strstr(text, "Cutting Knowledge Date"))
			return "llama31";
		return trims(text) ? "llama3" : NULL;
	}
	if (strstr(text, "<start_of_turn>"))
		return strstr(text, "System role not supported") ? "gemma2" : NULL;
	if (!strstr(text, "<|im_start|>") || !strstr(text, "<|im_end|>") || is_other_chatml(text))
		return NULL;
	own = own_system(text);
	for (size_t i = 0; own && i < N_TEMPLATES; i++) {
		if (templates[i].default_system && !templates[i].date &&
			is_default_system(own, templates[i].default_system))
			return templates[i].name;
	}
	return own ? NULL : "chatml";
}

enum od_status
od_chat_detect(const struct od_chat_template **out, const struct od_tokenizer *t, struct od_error *err)
{
	const char *text = od_tokenizer_chat_template(t), *name;

	if (!text)
		return od_fail(err, OD_ESUPPORT,
			"the tokenizer has no chat template; choose one with --chat-template NAME: %s",
			NAMES);
	name = recognise(text);
	if (!name)
		return od_fail(err, OD_ESUPPORT,
			"the tokenizer's chat template is not one of the known; choose one with "
			"--chat-template NAME: %s", NAMES);
	return od_chat_find(out, name, err);
}

/* ---- rendering ---------------------------------------------------------------------------------------- */

static void
put_header(const struct od_chat_template *c, const char *role, struct od_buf *out)
{
	if (c->start[0]) {
		od_buf_str(out, c->start);
		od_buf_str(out, strcmp(role, "assistant") == 0 ? c->assistant : role);
		od_buf_str(out, c->header_end);
	}
}

/* What a system turn of Llama 3.1 begins with. */
static void
put_dates(const struct od_chat_template *c, const char *date, struct od_buf *out)
{
	if (c->date) {
		od_buf_str(out, "Cutting Knowledge Date: December 2023\nToday Date: ");
		od_buf_str(out, date ? date : c->date);
		od_buf_str(out, "\n\n");
	}
}

static void
put_content(const struct od_chat_template *c, const struct od_message *m, struct od_buf *out)
{
	size_t from = 0, n = c->trim ? od_utf8_strip(m->content, m->content_len, &from) : m->content_len;

	od_buf_append(out, m->content + from, n);
}

static enum od_status
check_role(const struct od_chat_template *c, const struct od_message *m, size_t i, struct od_error *err)
{
	bool user = strcmp(m->role, "user") == 0, system = strcmp(m->role, "system") == 0;

	if (!user && !system && strcmp(m->role, "assistant") != 0)
		return od_fail(err, OD_EFORMAT,
			"message %zu has the role '%.40s'; chat template '%s' knows system, user and "
			"assistant", i + 1, m->role, c->name);
	if (system && !c->system)
		return od_fail(err, OD_EFORMAT,
			"message %zu is a system turn, which chat template '%s' does not have", i + 1,
			c->name);
	if (c->alternate && user != (i % 2 == 0))
		return od_fail(err, OD_EFORMAT,
			"message %zu has the role '%s'; chat template '%s' wants user and assistant in "
			"turn", i + 1, m->role, c->name);
	return OD_OK;
}

static enum od_status
check_messages(const struct od_chat_template *c, const struct od_message *m, size_t n, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (!n)
		return od_fail(err, OD_EFORMAT, "a dialogue has no messages");
	for (size_t i = 0; i < n && st == OD_OK; i++) {
		st = check_role(c, &m[i], i, err);
		if (st == OD_OK && od_utf8_check(m[i].content, m[i].content_len) < m[i].content_len)
			st = od_fail(err, OD_EFORMAT, "message %zu is not valid UTF-8", i + 1);
	}
	return st;
}

/* Nothing where the tokenizer has no BOS. */
static void
put_bos(const struct od_chat_template *c, const struct od_tokenizer *t, struct od_buf *out)
{
	if (c->bos)
		od_tokenizer_decode(t, od_tokenizer_bos(t), false, out);
}

enum od_status
od_chat_render(const struct od_chat_template *c, const struct od_tokenizer *t, const struct od_message *m,
	size_t n, bool add_generation, const char *date, struct od_buf *out, struct od_turn_span *spans,
	struct od_error *err)
{
	bool system = n && strcmp(m[0].role, "system") == 0;
	enum od_status st = check_messages(c, m, n, err);

	if (st != OD_OK)
		return st;
	put_bos(c, t, out);
	if (c->default_system && !system) {
		put_header(c, "system", out);
		put_dates(c, date, out);
		od_buf_str(out, c->default_system);
		od_buf_str(out, c->end);
	}
	for (size_t i = 0; i < n; i++) {
		struct od_turn_span span = { out->len, 0, 0 };

		put_header(c, m[i].role, out);
		span.content = out->len;
		if (!i && system)
			put_dates(c, date, out);
		put_content(c, &m[i], out);
		if (c->eos && strcmp(m[i].role, "assistant") == 0)
			od_tokenizer_decode(t, od_tokenizer_eos(t), false, out);
		od_buf_str(out, c->end);
		span.end = out->len;
		if (spans)
			spans[i] = span;
	}
	if (add_generation)
		put_header(c, "assistant", out);
	return od_buf_ok(out) ? OD_OK : od_fail_nomem(err, "a rendered dialogue", out->len);
}
