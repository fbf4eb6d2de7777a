/* ask.c -- see ask.h. */
#include "eval/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/stream.h"

enum { MAX_TEMPLATE = 1 << 20 };

#define T struct ask_options

const struct od_opt ask_opts[] = {
	OD_OPT_STR(T, url, "judge-url", "URL", "ask a judge behind this OpenAI-compatible service"),
	OD_OPT_STR(T, judge, "judge", "NAME", "the judge, as the service calls it"),
	OD_OPT_STR(T, template, "template", "FILE", "what the judge is asked, with placeholders"),
	OD_OPT_END
};

enum od_status
ask_check(const struct ask_options *o, struct od_error *err)
{
	if (o->url != NULL && o->judge == NULL)
		return od_fail(err, OD_EUSAGE, "option '--judge-url' needs '--judge'");
	if (o->url != NULL && o->template == NULL)
		return od_fail(err, OD_EUSAGE, "option '--judge-url' needs '--template'");
	return OD_OK;
}

enum od_status
ask_open(struct ask *a, struct ask_options *o, struct od_error *err)
{
	struct od_openai_options client = OD_OPENAI_OPTIONS_INIT;
	size_t n;
	enum od_status st;

	*a = (struct ask){ .o = o };
	st = od_in_slurp(o->template, MAX_TEMPLATE, &a->template, &n, err);
	if (st == OD_OK)
		st = od_service_finish(&o->service, o->url, 0, &client, err);
	return st == OD_OK ? od_openai_open(&a->client, &client, err) : st;
}

void
ask_release(struct ask *a)
{
	od_openai_close(a->client);
	free(a->template);
	if (a->o != NULL)
		od_service_release(&a->o->service);
	*a = (struct ask){ 0 };
}

static enum od_status
add_message(json_t *messages, const char *role, const char *text, size_t n, const struct judged_value *values, size_t n_values,
	struct od_error *err)
{
	char *copy = od_strndup(text, n);
	struct od_buf out = OD_BUF_INIT;
	bool complete = true;
	enum od_status st = OD_OK;

	od_buf_str(&out, "");
	if (copy != NULL)
		judged_fill(&out, copy, values, n_values, NULL, &complete);
	if (copy == NULL || !od_buf_ok(&out) ||
		json_array_append_new(messages, json_pack("{s:s, s:s}", "role", role, "content", out.data)) != 0)
		st = od_fail_nomem(err, "a prompt", n);
	free(copy);
	od_buf_release(&out);
	return st;
}

enum od_status
ask_messages(const char *template, const struct judged_value *values, size_t n_values, json_t **out, struct od_error *err)
{
	static const char begin[] = "<|im_start|>", end[] = "<|im_end|>";
	const char *p = strstr(template, begin);
	enum od_status st = OD_OK;

	*out = json_array();
	if (p == NULL)
		return add_message(*out, "user", template, strlen(template), values, n_values, err);
	for (; st == OD_OK && p != NULL; p = strstr(p, begin)) {
		const char *role = p + strlen(begin), *text = strchr(role, '\n'), *stop = text ? strstr(text, end) : NULL;
		char name[32];
		size_t n;

		if (stop == NULL || (size_t)(text - role) >= sizeof name)
			return od_fail(err, OD_EFORMAT, "a template's '%s' needs a role, a new line and an '%s'", begin, end);
		memcpy(name, role, (size_t)(text - role));
		name[text - role] = '\0';
		n = (size_t)(stop - ++text);
		while (n > 0 && text[n - 1] == '\n')
			n--;
		st = add_message(*out, name, text, n, values, n_values, err);
		p = stop;
	}
	return st;
}

void
ask_report(const struct ask *a)
{
	struct od_buf text = OD_BUF_INIT;

	od_openai_summary(a->client, a->o->service.price_in, a->o->service.price_out, &text);
	if (od_buf_ok(&text))
		od_note("judge: %s", text.data);
	od_buf_release(&text);
}
