/* ask.c -- see ask.h. */
#include "eval/ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/stream.h"
#include "text/unicode.h"

enum { MAX_TEMPLATE = 1 << 20 };

#define T struct ask_options

const struct od_opt ask_opts[] = {
	OD_OPT_STR(T, url, "judge-url", "URL", "ask a judge behind this OpenAI-compatible service"),
	OD_OPT_STR(T, judge, "judge", "NAME", "the judge, as the service calls it"),
	OD_OPT_STR(T, template, "template", "FILE", "what the judge is asked, with placeholders"),
	OD_OPT_DOUBLE(T, temperature, "judge-temperature", "T", 0, 100, "the judge's temperature (default: the benchmark's)"),
	OD_OPT_DOUBLE(T, top_p, "judge-top-p", "P", 1e-6, 1, "the judge's top_p (default: the benchmark's)"),
	OD_OPT_INT(T, max_tokens, "judge-max-tokens", "N", 1, 1 << 20, "tokens a judge may write (default: the benchmark's)"),
	OD_OPT_END
};

#undef T

enum od_status
ask_check(const struct ask_options *o, const char *config, struct od_error *err)
{
	if (o->url == NULL && config != NULL)
		return od_fail(err, OD_EUSAGE, "option '--judge-config' needs '--judge-url'");
	if (o->url != NULL && o->judge == NULL && config == NULL)
		return od_fail(err, OD_EUSAGE, "option '--judge-url' needs '--judge'");
	return OD_OK;
}

void
ask_begin(struct ask *a, struct ask_options *o, const struct ask_settings *defaults)
{
	*a = (struct ask){ .o = o, .set = *defaults, .file = OD_ATOMIC_FILE_INIT };
}

void
ask_release(struct ask *a)
{
	od_openai_close(a->client);
	od_atomic_file_release(&a->file);
	free(a->judge);
	free(a->name);
	json_decref(a->template);
	if (a->o != NULL)
		od_service_release(&a->o->service);
	*a = (struct ask){ .file = OD_ATOMIC_FILE_INIT };
}

/* ---- what is asked ------------------------------------------------------------------------------------------------------ */

enum od_status
ask_set_judge(struct ask *a, const char *judge, const char *name, struct od_error *err)
{
	free(a->judge);
	free(a->name);
	a->judge = od_strdup(judge);
	a->name = name != NULL ? od_strdup(name) : NULL;
	return a->judge != NULL && (name == NULL || a->name != NULL) ? OD_OK : od_fail_nomem(err, "a name", strlen(judge));
}

static enum od_status
add_message(json_t *messages, const char *role, const char *text, size_t n, struct od_error *err)
{
	json_t *m = json_pack("{s:s, s:s%}", "role", role, "content", text, n);

	return m != NULL && json_array_append_new(messages, m) == 0 ? OD_OK : od_fail_nomem(err, "a template", n);
}

enum od_status
ask_set_messages(struct ask *a, const char *system, const char *user, struct od_error *err)
{
	enum od_status st = OD_OK;

	json_decref(a->template);
	a->template = json_array();
	if (system != NULL)
		st = add_message(a->template, "system", system, strlen(system), err);
	return st == OD_OK ? add_message(a->template, "user", user, strlen(user), err) : st;
}

enum od_status
ask_set_template(struct ask *a, const char *text, const char *where, struct od_error *err)
{
	static const char begin[] = "<|im_start|>", end[] = "<|im_end|>";
	const char *p = strstr(text, begin);
	enum od_status st = OD_OK;

	if (p == NULL)
		return ask_set_messages(a, NULL, text, err);
	json_decref(a->template);
	a->template = json_array();
	for (; st == OD_OK && p != NULL; p = strstr(p, begin)) {
		const char *role = p + strlen(begin), *body = strchr(role, '\n'), *stop = body ? strstr(body, end) : NULL;
		char name[32];
		size_t n;

		if (stop == NULL || (size_t)(body - role) >= sizeof name)
			return od_fail(err, OD_EFORMAT, "%s: a template's '%s' needs a role, a new line and an '%s'", where, begin, end);
		memcpy(name, role, (size_t)(body - role));
		name[body - role] = '\0';
		n = (size_t)(stop - ++body);
		while (n > 0 && body[n - 1] == '\n')
			n--;
		st = add_message(a->template, name, body, n, err);
		p = stop;
	}
	return st;
}

enum od_status
ask_read_template(struct ask *a, const char *file, struct od_error *err)
{
	char *text = NULL;
	size_t n;
	enum od_status st = od_in_slurp(file, MAX_TEMPLATE, &text, &n, err);

	if (st == OD_OK && (strlen(text) != n || od_utf8_check(text, n) != n))
		st = od_fail(err, OD_EFORMAT, "%s: a template must be UTF-8 without NUL characters", file);
	if (st == OD_OK)
		st = ask_set_template(a, text, file, err);
	free(text);
	return st;
}

static enum od_status
fill_message(json_t *out, const json_t *m, const struct judged_value *values, size_t n, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	bool complete = true;
	enum od_status st = OD_OK;

	od_buf_str(&text, "");
	judged_fill(&text, json_string_value(json_object_get(m, "content")), values, n, NULL, &complete);
	if (!od_buf_ok(&text))
		st = od_fail_nomem(err, "a prompt", text.len);
	else
		st = add_message(out, json_string_value(json_object_get(m, "role")), text.data, text.len, err);
	od_buf_release(&text);
	return st;
}

enum od_status
ask_messages(const struct ask *a, const struct judged_value *values, size_t n, json_t **out, struct od_error *err)
{
	const json_t *m;
	size_t i;
	enum od_status st = OD_OK;

	*out = json_array();
	json_array_foreach(a->template, i, m)
		if (st == OD_OK)
			st = fill_message(*out, m, values, n, err);
	return st;
}

/* ---- a configuration file ----------------------------------------------------------------------------------------------- */

enum od_status
ask_config_number(const json_t *config, const char *path, double low, double high, double *out, const char *where,
	struct od_error *err)
{
	const json_t *v = od_json_path(config, path);

	if (v == NULL || json_is_null(v))
		return OD_OK;
	if (!json_is_number(v) || json_number_value(v) < low || json_number_value(v) > high) {
		(void)od_json_fail_type(v, path, "a number within its range", err);
		return od_error_prefix(err, "%s: ", where);
	}
	*out = json_number_value(v);
	return OD_OK;
}

enum od_status
ask_config_count(const json_t *config, const char *path, int64_t low, int64_t *out, const char *where, struct od_error *err)
{
	const json_t *v = od_json_path(config, path);

	if (v == NULL || json_is_null(v))
		return OD_OK;
	if (!json_is_integer(v) || json_integer_value(v) < low || json_integer_value(v) > 1 << 20)
		return od_fail(err, OD_EFORMAT, "%s: field '%s' must be an integer from %lld to %d", where, path, (long long)low, 1 << 20);
	*out = json_integer_value(v);
	return OD_OK;
}

enum od_status
ask_config_text(const json_t *config, const char *path, bool needed, const char **out, const char *where, struct od_error *err)
{
	const json_t *v = od_json_path(config, path);

	*out = json_string_value(v);
	if (*out != NULL || (!needed && (v == NULL || json_is_null(v))))
		return OD_OK;
	(void)od_json_fail_type(v, path, "a text", err);
	return od_error_prefix(err, "%s: ", where);
}

/* ---- asking ------------------------------------------------------------------------------------------------------------- */

/* What the user gave wins. */
static enum od_status
take_options(struct ask *a, struct od_error *err)
{
	const struct ask_options *o = a->o;
	enum od_status st = OD_OK;

	if (!isnan(o->temperature))
		a->set.temperature = o->temperature;
	if (!isnan(o->top_p))
		a->set.top_p = o->top_p;
	if (o->max_tokens > 0)
		a->set.max_tokens = o->max_tokens;
	if (o->judge != NULL)
		st = ask_set_judge(a, o->judge, NULL, err);
	if (st == OD_OK && a->judge == NULL)
		st = od_fail(err, OD_EUSAGE, "the judge has no name: give '--judge'");
	return st;
}

enum od_status
ask_open(struct ask *a, enum od_status (*usable)(void *ctx, const struct od_openai_answer *answer, struct od_error *err), void *ctx,
	struct od_error *err)
{
	struct od_openai_options client = OD_OPENAI_OPTIONS_INIT;
	enum od_status st = take_options(a, err);

	if (st == OD_OK)
		st = od_service_finish(&a->o->service, a->o->url, 0, &client, err);
	client.usable = usable;
	client.ctx = ctx;
	return st == OD_OK ? od_openai_open(&a->client, &client, err) : st;
}

struct od_openai_request
ask_request(const struct ask *a, const json_t *messages)
{
	return (struct od_openai_request){ .model = a->judge, .messages = messages, .temperature = a->set.temperature,
		.top_p = a->set.top_p, .max_tokens = a->set.max_tokens, .logprobs = a->set.logprobs, .seed = -1,
		.extra = a->o->service.more };
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

/* ---- keeping what was said ---------------------------------------------------------------------------------------------- */

enum od_status
ask_keep(struct ask *a, const char *file, struct od_error *err)
{
	return file != NULL ? od_atomic_file_begin(&a->file, file, err) : OD_OK;
}

static void
write_records(struct od_buf *text, const json_t *records, enum ask_form form)
{
	const json_t *record;
	size_t i;

	od_buf_str(text, form == ASK_ARRAY ? "[\n" : "");
	json_array_foreach(records, i, record) {
		char *line = json_dumps(record, JSON_COMPACT);

		od_buf_str(text, form == ASK_ARRAY && i > 0 ? ",\n" : "");
		od_buf_str(text, line ? line : "");
		od_buf_str(text, form == ASK_LINES ? "\n" : "");
		text->failed = text->failed || line == NULL;
		free(line);
	}
	od_buf_str(text, form == ASK_ARRAY ? "\n]\n" : "");
}

enum od_status
ask_save(struct ask *a, const json_t *records, enum ask_form form, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	enum od_status st;

	if (a->file.out == NULL)
		return OD_OK;
	write_records(&text, records, form);
	st = od_buf_ok(&text) ? od_out_write(a->file.out, text.data, text.len, err) : od_fail_nomem(err, "judgments", text.len);
	if (st == OD_OK)
		st = od_atomic_file_commit(&a->file, err);
	od_buf_release(&text);
	return st;
}
