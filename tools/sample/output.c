/* output.c -- responses spliced into their records, and how they were made. */
#include <string.h>

#include "sample/sample.h"

static void
count(struct sample_output *out, const struct od_job *job)
{
	for (int32_t i = 0; i < job->samples; i++) {
		out->tokens += job->response[i].tokens;
		out->finish[job->response[i].finish]++;
	}
	out->responses += job->samples;
	out->records++;
}

enum od_status
sample_output_write(struct sample_output *out, const struct sample_item *it, const struct sample_options *o, struct od_error *err)
{
	struct od_member m[3];
	size_t n = 0;

	count(out, &it->query.job);
	od_buf_clear(&out->values);
	od_respond_json(&out->values, &it->query, o->respond.ids);
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
