/* respond_opts.c -- see respond.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/respond.h"

const char *const od_prompt_formats[] = { "chat", "raw", "qwen25-math-cot", "qwen25-math-cot-step", "math-suffix", NULL };

#define T struct od_respond_options

const struct od_opt od_respond_opts[] = {
	OD_OPT_STR(T, model, "model", "DIR", "model directory to sample from, or with --model-url the model's name there"),
	OD_OPT_STR(T, url, "model-url", "URL", "ask an OpenAI-compatible service at this base address instead"),
	OD_OPT_INT(T, max_tokens, "max-tokens", "N", 1, 1 << 20, "tokens of a response at most"),
	OD_OPT_STR(T, stop, "stop", "TEXT", "end a response before this text; several are separated by commas, \\, \\n and \\\\ are escapes"),
	OD_OPT_INT(T, batch, "batch", "N", 1, 4096, "responses that are under way at a time; speed and memory, not results, depend on it"),
	OD_OPT_INT(T, cache_tokens, "cache-tokens", "N", 0, 1 << 30, "tokens that the key/value cache holds (0: enough for --batch)"),
	OD_OPT_END
};

const struct od_opt od_respond_draw_opts[] = {
	OD_OPT_DOUBLE(T, sampling.temperature, "temperature", "T", 0, 100, "divides the logits; 0 takes the likeliest token always"),
	OD_OPT_DOUBLE(T, sampling.top_p, "top-p", "P", 0, 1, "draw from the likeliest tokens that together reach P"),
	OD_OPT_INT(T, sampling.top_k, "top-k", "N", 0, 1 << 30, "draw from the N likeliest tokens (0: all)"),
	OD_OPT_DOUBLE(T, sampling.repetition_penalty, "repetition-penalty", "R", 1e-6, 1e6,
		"divides positive logits of tokens seen before, multiplies negative ones"),
	OD_OPT_END
};

const struct od_opt od_respond_prompt_opts[] = {
	OD_OPT_ENUM(T, format, "format", "NAME", od_prompt_formats, "how a prompt becomes text"),
	OD_OPT_STR(T, chat_template, "chat-template", "NAME", "chat template (default: the tokenizer's own, recognised)"),
	OD_OPT_STR(T, date, "date", "TEXT", "date that templates with one show (default: the family's)"),
	OD_OPT_STR(T, system, "system", "TEXT", "system turn in front of every prompt"),
	OD_OPT_STR(T, suffix, "suffix", "TEXT", "text behind every prompt"),
	OD_OPT_END
};

/* --stop: texts between commas; \, \n \t and \\ stand for what they say. */
static enum od_status
split_stops(struct od_respond_options *o, struct od_error *err)
{
	size_t len = strlen(o->stop), at = 0;

	o->stop_text = malloc(len + 1);
	o->stops = od_calloc(len + 1, sizeof *o->stops);
	if (!o->stop_text || !o->stops)
		return od_fail_nomem(err, "stop texts", len);
	o->stops[o->n_stops++] = o->stop_text;
	for (size_t i = 0; i < len; i++) {
		char c = o->stop[i];

		if (c == '\\' && o->stop[i + 1])
			c = o->stop[++i] == 'n' ? '\n' : o->stop[i] == 't' ? '\t' : o->stop[i];
		else if (c == ',')
			c = '\0';
		o->stop_text[at++] = c;
		if (!c)
			o->stops[o->n_stops++] = o->stop_text + at;
	}
	o->stop_text[at] = '\0';
	for (size_t i = 0; i < o->n_stops; i++)
		if (!*o->stops[i])
			return od_fail(err, OD_EUSAGE, "option '--stop' has an empty text: '%s'", o->stop);
	return OD_OK;
}

static enum od_status
check_format(const struct od_respond_options *o, struct od_error *err)
{
	if (o->format == OD_FORMAT_RAW && (o->system || o->chat_template))
		return od_fail(err, OD_EUSAGE, "--format raw uses no chat template: --%s does not go with it",
			o->system ? "system" : "chat-template");
	if ((o->format == OD_FORMAT_QWEN25_MATH || o->format == OD_FORMAT_QWEN25_MATH_STEP) && o->chat_template)
		return od_fail(err, OD_EUSAGE, "--format %s is a template of its own: --chat-template does not go with it",
			od_prompt_formats[o->format]);
	if (o->url && (o->chat_template || o->date || o->ids || o->ignore_end))
		return od_fail(err, OD_EUSAGE, "--%s does not go with --model-url: the service has its own template and tokens",
			o->chat_template ? "chat-template" : o->date ? "date" : o->ids ? "ids" : "ignore-end");
	return OD_OK;
}

enum od_status
od_respond_check(struct od_respond_options *o, struct od_error *err)
{
	enum od_status st;

	if (!o->model)
		return od_fail(err, OD_EUSAGE, o->url ? "--model NAME is required: the model as the service calls it" :
			"--model DIR is required");
	st = check_format(o, err);
	return st == OD_OK && o->stop ? split_stops(o, err) : st;
}

void
od_respond_release(struct od_respond_options *o)
{
	free(o->stop_text);
	free(o->stops);
}
