/* chat.h -- chat templates of the supported families, as C, recognised from tokenizer_config.json.
 *
 *   llama3       no default system turn
 *   llama31      Llama-3.1/3.2/3.3: always a system turn, which begins with knowledge and current date
 *   chatml       no default system turn
 *   qwen2, qwen25, qwen25-math, smollm2   ChatML with the family's default system turn
 *   gemma2       user and assistant in turn, no system turn
 *   plain        contents joined as they are, for models without a template
 *   plain-eos    the same, and the tokenizer's EOS (if it has one) behind each assistant turn
 * Contents are trimmed where the family trims them. Roles are system, user and assistant; others are
 * OD_EFORMAT.
 */
#ifndef OD_TEXT_CHAT_H
#define OD_TEXT_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "text/tokenizer.h"

/* The texts that stand for plain and plain-eos in a tokenizer_config.json; no other spelling is recognised. */
#define OD_CHAT_PLAIN "{% for m in messages %}{{ m['content'] }}{% endfor %}"
#define OD_CHAT_PLAIN_EOS "{% for m in messages %}{{ m['content'] }}{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"

struct od_message {
	const char *role, *content;                /* UTF-8; role "system", "user", "assistant", ... */
	size_t content_len;
};

/* Where a message lies in the rendered text, in bytes. */
struct od_turn_span {
	size_t header;                             /* first byte of the turn (its header) */
	size_t content;                            /* first byte after the header */
	size_t end;                                /* one past its end-of-turn text */
};

struct od_chat_template;

/* By name; OD_EUSAGE with the list of names when unknown. */
OD_MUST_CHECK enum od_status od_chat_find(const struct od_chat_template **out, const char *name,
	struct od_error *err);

/* From the tokenizer's own chat_template text (distinctive strings, not a Jinja interpreter). OD_ESUPPORT
 * with the list of names and "--chat-template NAME" when it is not recognised or absent. */
OD_MUST_CHECK enum od_status od_chat_detect(const struct od_chat_template **out, const struct od_tokenizer *t,
	struct od_error *err);

const char *od_chat_name(const struct od_chat_template *c);
const char *od_chat_names(void);                   /* "llama3, llama31, ..." */

/* Appends the rendering to out. spans: [n], may be NULL. add_generation: ends with the assistant header.
 * date: "26 Jul 2024", for templates that show one (NULL: the family's fixed default). BOS text included
 * where the template writes it and the tokenizer has one. */
OD_MUST_CHECK enum od_status od_chat_render(const struct od_chat_template *c, const struct od_tokenizer *t,
	const struct od_message *m, size_t n, bool add_generation, const char *date, struct od_buf *out,
	struct od_turn_span *spans, struct od_error *err);

#endif
