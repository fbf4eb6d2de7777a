/* output.c -- responses spliced into their records, and how they were made. */
#include <stdlib.h>
#include <string.h>

#include "sample/sample.h"

static void
put_text(struct od_buf *b, const char *name, const char *text)
{
	if (!text)
		return;
	od_buf_printf(b, ",\"%s\":", name);
	od_buf_json_string(b, text, strlen(text));
}

static void
put_number(struct od_buf *b, const char *name, double v)
{
	od_buf_printf(b, ",\"%s\":", name);
	od_buf_json_double(b, v);
}

enum od_status
sample_output_begin(struct sample_output *out, const struct sample_options *o, const struct sample_maker *m, struct od_error *err)
{
	const struct od_sampling *p = &o->sampling;
	struct od_buf *b = &out->block;

	od_buf_printf(b, "{\"format\":\"%s\"", sample_formats[o->format]);
	m->describe(m, b);
	put_text(b, "system", o->system);
	put_text(b, "suffix", o->suffix);
	put_text(b, "stop", o->stop);
	put_number(b, "temperature", p->temperature);
	put_number(b, "top_p", p->top_p);
	put_number(b, "top_k", (double)p->top_k);
	put_number(b, "repetition_penalty", p->repetition_penalty);
	put_number(b, "max_tokens", (double)o->max_tokens);
	od_buf_printf(b, ",\"seed\":%llu,\"version\":\"" OD_VERSION "\"}", (unsigned long long)p->seed);
	return od_buf_ok(b) ? OD_OK : od_fail_nomem(err, "a sample block", b->len);
}

static void
put_ids(struct od_buf *b, const struct od_ids *ids)
{
	od_buf_str(b, ",\"ids\":[");
	for (size_t i = 0; i < ids->n; i++)
		od_buf_printf(b, "%s%d", i ? "," : "", ids->id[i]);
	od_buf_char(b, ']');
}

static void
put_responses(struct sample_output *out, const struct od_job *job, bool ids)
{
	struct od_buf *b = &out->values;

	od_buf_clear(b);
	for (int32_t i = 0; i < job->samples; i++) {
		const struct od_response *r = &job->response[i];

		od_buf_str(b, i ? ",{\"text\":" : "[{\"text\":");
		od_buf_json_string(b, r->text.data ? r->text.data : "", r->text.len);
		od_buf_printf(b, ",\"tokens\":%lld,\"finish_reason\":\"%s\"", (long long)r->tokens, od_finish_names[r->finish]);
		if (ids && r->ids.n)
			put_ids(b, &r->ids);
		od_buf_char(b, '}');
		out->tokens += r->tokens;
		out->finish[r->finish]++;
	}
	od_buf_char(b, ']');
	out->responses += job->samples;
	out->records++;
}

enum od_status
sample_output_write(struct sample_output *out, const struct sample_item *it, const struct sample_options *o, struct od_error *err)
{
	struct od_member m[3];
	size_t n = 0;

	put_responses(out, &it->job, o->ids);
	if (it->renamed)
		m[n++] = (struct od_member){ "prompt", it->renamed, strlen(it->renamed) };
	m[n++] = (struct od_member){ "responses", out->values.data, out->values.len };
	m[n++] = (struct od_member){ "sample", out->block.data, out->block.len };
	od_buf_clear(&out->line);
	od_jsonl_splice(&out->line, it->at.line, it->at.len, m, n);
	if (!od_buf_ok(&out->values) || !od_buf_ok(&out->line))
		return od_fail_nomem(err, "a record", it->at.len);
	return od_jsonl_write(out->writer, out->line.data, out->line.len, err);
}

void
sample_output_release(struct sample_output *out)
{
	od_buf_release(&out->block);
	od_buf_release(&out->values);
	od_buf_release(&out->line);
}
