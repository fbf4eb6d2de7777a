/* answers_make.c -- see answers_make.h.
 *
 * Answers go to the end of a file, a line each, as they come. A line that an interrupted run left without its end is cut off; lines
 * that are there must answer these questions and have been made alike.
 */
#include "eval/answers_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/manifest.h"
#include "io/dataset.h"
#include "io/jsonl.h"

enum { WINDOW = 1024, MAX_ANSWERS = 1 << 30 };

/* A question on its way. */
struct asked {
	struct od_query query;                     /* first */
	json_t *record;                            /* borrowed from the questions */
};

struct making {
	struct answers *a;
	struct od_responder *responder;
	json_t *have, *sample;                     /* have: keys of questions that are answered already */
	struct od_buf block, values, line;
	struct od_jsonl_writer *out;
	struct od_progress *progress;
	size_t next;
	int64_t answers, tokens, kept, failed;
	struct od_error first;                     /* of those that failed */
	double started;
};

/* ---- settings ----------------------------------------------------------------------------------------------------------- */

/* Whether an option of a table was given. */
static bool
given(const struct od_opt *table, uint64_t mask, const char *name)
{
	for (size_t i = 0; table[i].name != NULL; i++)
		if (strcmp(table[i].name, name) == 0)
			return mask >> i & 1;
	return false;
}

/* What the user left open comes from the preset. */
static void
fill_settings(struct answers_options *o, const struct answers_plan *plan)
{
	const struct answers_preset *p = &plan->preset[o->preset];

	if (!given(od_respond_prompt_opts, o->given_prompt, "format")) {
		o->respond.format = (int)p->format;
		for (int f = 0; plan->format != NULL && od_prompt_formats[f] != NULL; f++)
			if (strcmp(od_prompt_formats[f], plan->format) == 0)
				o->respond.format = f;
	}
	if (!given(od_respond_draw_opts, o->given_draw, "temperature"))
		o->respond.sampling.temperature = p->temperature;
	if (!given(od_respond_draw_opts, o->given_draw, "top-p"))
		o->respond.sampling.top_p = p->top_p;
	if (!given(od_respond_opts, o->given_model, "max-tokens"))
		o->respond.max_tokens = p->max_tokens;
	o->respond.threads = plan->threads;
	o->respond.sampling.seed = plan->seed;
	if (plan->service != NULL)
		o->respond.service = *plan->service;
	if (plan->service != NULL || o->key_env != NULL) {
		o->respond.service.key_file = o->respond.service.key_header = o->respond.service.extra = NULL;
		o->respond.service.key_env = o->key_env;
		o->respond.service.no_default_key = true;
	}
}

/* ---- the file of answers ------------------------------------------------------------------------------------------------ */

/* Text of a question's key, in a buffer for integers. */
static const char *
key_of(const json_t *question, const char *member, char number[32])
{
	const json_t *key = json_object_get(question, member);

	if (!json_is_integer(key))
		return json_string_value(key);
	snprintf(number, 32, "%lld", (long long)json_integer_value(key));
	return number;
}

static enum od_status
take_kept(struct making *m, const json_t *record, const json_t *questions, struct od_error *err)
{
	const struct answers_plan *plan = &m->a->plan;
	char number[32];
	const char *key = key_of(record, plan->key, number), *differ;
	const json_t *question = key != NULL ? json_object_get(questions, key) : NULL;

	if (question == NULL || !json_equal(json_object_get(record, plan->prompt), json_object_get(question, plan->prompt)))
		return od_fail(err, OD_EMISMATCH, "an answer to another question, '%.60s': '--answers' wants a file of this benchmark",
			key != NULL ? key : "");
	differ = od_manifest_differ(json_object_get(record, "sample"), m->sample, true);
	if (differ != NULL)
		return od_fail(err, OD_EMISMATCH, "the answer to '%.60s' was made otherwise: '%s' of its 'sample' differs; give '--answers' "
			"another file", key, differ);
	m->kept++;
	return json_object_set_new(m->have, key, json_true()) == 0 ? OD_OK : od_fail_nomem(err, "answers", (size_t)m->kept);
}

static enum od_status
take_all_kept(struct making *m, const char *text, size_t n, const char *name, struct od_error *err)
{
	struct od_dataset kept = { 0 };
	json_t *questions = json_object(), *record;
	char number[32];
	size_t i;
	enum od_status st = od_dataset_parse(&kept, text, n, name, err);

	json_array_foreach(m->a->plan.questions, i, record)
		json_object_set(questions, key_of(record, m->a->plan.key, number), record);
	json_array_foreach(kept.items, i, record) {
		st = take_kept(m, record, questions, err);
		if (st != OD_OK) {
			od_error_prefix(err, "%s:%zu: ", name, i + 1);
			break;
		}
	}
	json_decref(questions);
	od_dataset_release(&kept);
	return st;
}

/* What an earlier run left; fd stands at the end of its last whole line. */
static enum od_status
read_kept(struct making *m, int fd, const char *name, struct od_error *err)
{
	char *text = NULL;
	size_t n = 0;
	const char *end;
	enum od_status st = od_in_slurp(name, MAX_ANSWERS, &text, &n, err);

	if (st != OD_OK)
		return st;
	end = memrchr(text, '\n', n);
	n = end != NULL ? (size_t)(end - text) + 1 : 0;
	if (ftruncate(fd, (off_t)n) != 0 || lseek(fd, 0, SEEK_END) < 0)
		st = od_fail_sys(err, errno, "cannot write '%s'", name);
	if (st == OD_OK && n > 0)
		st = take_all_kept(m, text, n, name, err);
	free(text);
	return st;
}

static enum od_status
open_file(struct making *m, struct od_error *err)
{
	struct answers *a = m->a;
	const char *name = a->o->answers;
	struct stat info;
	struct od_out *out = NULL;
	int fd = name != NULL ? open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : memfd_create("answers", MFD_CLOEXEC);
	enum od_status st = OD_OK;

	if (fd < 0)
		return od_fail_sys(err, errno, "cannot open '%s'", name != NULL ? name : "answers");
	if (name != NULL && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)))
		st = od_fail(err, OD_EUSAGE, "'%s' of '--answers' is not a file", name);
	else if (name != NULL && info.st_size > 0)
		st = read_kept(m, fd, name, err);
	if (st == OD_OK && name == NULL) {
		a->fd = dup(fd);                           /* keeps it while it is read */
		snprintf(a->made, sizeof a->made, "/proc/self/fd/%d", a->fd);
	}
	if (st == OD_OK && name == NULL && a->fd < 0)
		st = od_fail_sys(err, errno, "cannot keep answers");
	a->file = name != NULL ? name : a->made;
	if (st == OD_OK)
		st = od_out_fd(&out, fd, a->file, err);
	else
		close(fd);
	return st == OD_OK ? od_jsonl_writer_open(&m->out, out, false, "od-eval", err) : st;
}

/* ---- asking: struct od_respond_flow --------------------------------------------------------------------------------------- */

static void
drop(void *ctx, struct od_query *q)
{
	(void)ctx;
	od_query_release(q);
	free(q);
}

static enum od_status
ask(struct making *m, json_t *record, const char *key, struct od_query **q, struct od_error *err)
{
	const struct answers_plan *plan = &m->a->plan;
	struct asked *it = od_calloc(1, sizeof *it);
	enum od_status st;

	if (it == NULL)
		return od_fail_nomem(err, "a question", sizeof *it);
	it->record = record;
	st = od_query_init(&it->query, json_object_get(record, plan->prompt), key, &m->a->o->respond, err);
	if (st == OD_OK)
		*q = &it->query;
	else
		drop(m, &it->query);
	return st;
}

static enum od_status
next(void *ctx, struct od_query **q, struct od_error *err)
{
	struct making *m = ctx;
	const struct answers_plan *plan = &m->a->plan;
	char number[32];

	while (m->next < json_array_size(plan->questions)) {
		json_t *record = json_array_get(plan->questions, m->next++);
		const char *key = key_of(record, plan->key, number);

		if (json_object_get(m->have, key) == NULL)
			return ask(m, record, key, q, err);
	}
	return OD_EOF;
}

/* The question with its answers and how they were made. */
static enum od_status
write_answer(struct making *m, const struct asked *it, struct od_error *err)
{
	char *question = json_dumps(it->record, JSON_COMPACT);
	struct od_member added[2] = { { .name = "responses" }, { "sample", m->block.data, m->block.len } };
	enum od_status st = OD_OK;

	od_buf_clear(&m->values);
	od_buf_clear(&m->line);
	od_respond_json(&m->values, &it->query, false);
	added[0].value = m->values.data;
	added[0].value_len = m->values.len;
	if (question != NULL && od_buf_ok(&m->values))
		od_jsonl_splice(&m->line, question, strlen(question), added, 2);
	if (question == NULL || !od_buf_ok(&m->values) || !od_buf_ok(&m->line))
		st = od_fail_nomem(err, "an answer", m->values.len);
	free(question);
	if (st == OD_OK)
		st = od_jsonl_write(m->out, m->line.data, m->line.len, err);
	return st == OD_OK ? od_jsonl_writer_flush(m->out, err) : st;
}

static enum od_status
done(void *ctx, struct od_query *q, struct od_error *err)
{
	struct making *m = ctx;
	const struct od_job *job = &q->job;
	enum od_status st = OD_OK;
	char extra[64];

	if (q->failed.status != OD_OK && m->failed++ == 0)
		m->first = q->failed;
	if (q->failed.status == OD_OK)
		st = write_answer(m, (struct asked *)q, err);
	for (int32_t i = 0; q->failed.status == OD_OK && i < job->samples; i++) {
		m->answers++;
		m->tokens += job->response[i].tokens;
	}
	drop(m, q);
	snprintf(extra, sizeof extra, "%.0f tok/s", (double)m->tokens / (od_now() - m->started + 1e-9));
	od_progress_update(m->progress, (int64_t)m->next, extra);
	return st;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

static enum od_status
begin(struct making *m, struct od_error *err)
{
	struct answers_options *o = m->a->o;
	enum od_status st = od_respond_check(&o->respond, err);

	if (st == OD_OK)
		st = od_responder_open(&m->responder, &o->respond, err);
	if (st != OD_OK)
		return st;
	od_respond_block(&m->block, &o->respond, m->responder);
	m->have = json_object();
	if (m->have == NULL || !od_buf_ok(&m->block))
		return od_fail_nomem(err, "answers", m->block.len);
	st = od_json_parse(m->block.data, m->block.len, "sample", &m->sample, err);
	return st == OD_OK ? open_file(m, err) : st;
}

static void
report(const struct making *m)
{
	struct od_buf how = OD_BUF_INIT;
	double seconds = od_now() - m->started;

	m->responder->summary(m->responder, &how);
	if (m->kept > 0)
		od_note("%lld of %zu questions were answered before", (long long)m->kept, json_array_size(m->a->plan.questions));
	od_note("%lld answers of %.1f tokens on average, %.1f s, %.0f tokens/s (%s)", (long long)m->answers,
		(double)m->tokens / ((double)m->answers + 1e-9), seconds, (double)m->tokens / (seconds + 1e-9), how.data ? how.data : "");
	if (m->failed > 0)
		od_warn("%lld questions could not be asked, first: %s", (long long)m->failed, m->first.msg);
	od_buf_release(&how);
}

enum od_status
answers_make(struct answers *a, struct od_error *err)
{
	struct making m = { .a = a };
	struct od_respond_flow flow = { next, done, drop, &m, WINDOW };
	enum od_status st, closed;

	fill_settings(a->o, &a->plan);
	a->asked = true;
	st = begin(&m, err);
	m.started = od_now();
	m.progress = od_progress_begin("answering", (int64_t)json_array_size(a->plan.questions), "questions");
	if (st == OD_OK)
		st = od_respond(m.responder, &flow, err);
	od_progress_end(m.progress);
	closed = od_jsonl_writer_close(m.out, NULL, st == OD_OK ? err : NULL);
	st = st == OD_OK ? closed : st;
	if (st == OD_OK)
		report(&m);
	od_responder_close(m.responder);
	json_decref(m.have);
	json_decref(m.sample);
	od_buf_release(&m.block);
	od_buf_release(&m.values);
	od_buf_release(&m.line);
	return st;
}
