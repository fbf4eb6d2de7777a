/* output.c -- responses spliced into their records, and how they were made. */
#include <stdlib.h>
#include <string.h>

#include "sample/sample.h"

enum od_status
sample_output_begin(struct sample_output *out, const struct sample_options *o, const struct od_session *s, struct od_error *err)
{
	const struct od_sampling *p = &o->sampling;
	struct od_buf *b = &out->block;

	od_buf_printf(b, "{\"model\":\"%s\",\"format\":\"%s\"", s->model.hash, sample_formats[o->format]);
	if (o->format != FORMAT_RAW)
		od_buf_printf(b, ",\"template\":\"%s\"", od_chat_name(s->rules.chat));
	if (o->system) {
		od_buf_str(b, ",\"system\":");
		od_buf_json_string(b, o->system, strlen(o->system));
	}
	if (o->suffix) {
		od_buf_str(b, ",\"suffix\":");
		od_buf_json_string(b, o->suffix, strlen(o->suffix));
	}
	od_buf_str(b, ",\"temperature\":");
	od_buf_json_double(b, p->temperature);
	od_buf_str(b, ",\"top_p\":");
	od_buf_json_double(b, p->top_p);
	od_buf_printf(b, ",\"top_k\":%lld,\"repetition_penalty\":", (long long)p->top_k);
	od_buf_json_double(b, p->repetition_penalty);
	od_buf_printf(b, ",\"max_tokens\":%lld,\"seed\":%llu,\"numerics\":\"%s\",\"version\":\"" OD_VERSION "\"}",
		(long long)o->max_tokens, (unsigned long long)p->seed, s->be->numerics);
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
		od_buf_printf(b, ",\"tokens\":%zu,\"finish_reason\":\"%s\"", r->ids.n, od_finish_names[r->finish]);
		if (ids)
			put_ids(b, &r->ids);
		od_buf_char(b, '}');
		out->tokens += (int64_t)r->ids.n;
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
	if (it->prompt_json)
		m[n++] = (struct od_member){ "prompt", it->prompt_json, strlen(it->prompt_json) };
	m[n++] = (struct od_member){ "responses", out->values.data, out->values.len };
	m[n++] = (struct od_member){ "sample", out->block.data, out->block.len };
	od_buf_clear(&out->line);
	od_jsonl_splice(&out->line, it->line, it->len, m, n);
	if (!od_buf_ok(&out->values) || !od_buf_ok(&out->line))
		return od_fail_nomem(err, "a record", it->len);
	return od_jsonl_write(out->writer, out->line.data, out->line.len, err);
}

void
sample_output_release(struct sample_output *out)
{
	od_buf_release(&out->block);
	od_buf_release(&out->values);
	od_buf_release(&out->line);
}
