#include "score/reward_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pref/logps.h"

/* ---- opening -------------------------------------------------------------------------------------------------------- */

static enum od_status
settle_length(struct od_reward_model *m, const struct od_reward_model_options *o, const struct od_model_config *c,
	struct od_error *err)
{
	m->max_length = o->max_length > 0 ? o->max_length : c->max_position_embeddings;
	if (m->max_length > c->max_position_embeddings)
		return od_fail(err, OD_EUSAGE, "option '--max-length' is %lld, and %s has %lld positions", (long long)m->max_length,
			o->dir, (long long)c->max_position_embeddings);
	return OD_OK;
}

/* What is small and may be wrong comes first: the weights take their time. */
enum od_status
od_reward_model_open(struct od_reward_model *m, const struct od_reward_model_options *o, enum od_head head, const char *who,
	struct od_error *err)
{
	struct od_model_config c;
	enum od_status st = od_config_load(&c, o->dir, err);

	m->be = o->be;
	m->date = o->date;
	m->batch_tokens = o->batch_tokens > 0 ? o->batch_tokens : OD_LOGPS_BATCH_TOKENS;
	if (st == OD_OK)
		st = od_reward_check(&c, head, o->dir, who, err);
	if (st == OD_OK)
		st = settle_length(m, o, &c, err);
	if (st == OD_OK)
		st = od_tokenizer_open(&m->tokenizer, o->dir, err);
	if (st == OD_OK)
		st = o->chat ? od_chat_find(&m->chat, o->chat, err) : od_chat_detect(&m->chat, m->tokenizer, err);
	if (st == OD_OK)
		st = od_reward_open(&m->head, &c, o->dir, o->be, err);
	if (st == OD_OK)
		st = od_model_open(&m->model, o->dir, o->be, true, err);
	return st == OD_OK ? od_engine_open(&m->engine, &m->model, NULL, err) : st;
}

void
od_reward_model_close(struct od_reward_model *m)
{
	for (size_t i = 0; i < m->cap_readings; i++) {
		od_ids_release(&m->readings[i].ids);
		free(m->readings[i].at);
		free(m->readings[i].out);
	}
	free(m->readings);
	free(m->reads);
	free(m->hidden);
	free(m->rows);
	free(m->gate);
	od_batch_release(&m->batch);
	od_dialogue_release(&m->talk);
	od_buf_release(&m->text);
	od_buf_release(&m->prompt);
	od_buf_release(&m->last_prompt);
	od_ids_release(&m->prompt_ids);
	od_engine_close(m->engine);
	if (m->model.be)
		od_model_close(&m->model);
	od_reward_close(m->head);
	od_tokenizer_close(m->tokenizer);
}

enum od_status
od_reward_model_token(const struct od_reward_model *m, const char *dir, const char *token, int32_t *id, struct od_error *err)
{
	*id = od_tokenizer_id(m->tokenizer, token);
	if (*id >= 0)
		return OD_OK;
	return od_fail(err, OD_EMISMATCH, "%s: the tokenizer has no token '%s', which this kind of model needs", dir, token);
}

/* ---- texts ---------------------------------------------------------------------------------------------------------- */

static void
drop_system(struct od_dialogue *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->m[i].role, "system") != 0)
			d->m[n++] = d->m[i];
	d->n = n;
}

enum od_status
od_reward_model_render(struct od_reward_model *m, const json_t *prompt, const char *response, size_t len, struct od_error *err)
{
	enum od_status st;

	m->talk.n = 0;
	od_buf_clear(&m->text);
	od_buf_clear(&m->prompt);
	st = od_dialogue_add_prompt(&m->talk, prompt, err);
	if (m->own_system)
		drop_system(&m->talk);
	if (st == OD_OK)
		st = od_chat_render(m->chat, m->tokenizer, m->talk.m, m->talk.n, true, m->date, &m->prompt, NULL, err);
	if (st == OD_OK)
		st = od_dialogue_add(&m->talk, "assistant", response, len, err);
	if (st == OD_OK)
		st = od_chat_render(m->chat, m->tokenizer, m->talk.m, m->talk.n, false, m->date, &m->text, NULL, err);
	return st;
}

/* The tokens of the bare prompt, which many responses in a row have. */
static enum od_status
encode_prompt(struct od_reward_model *m, struct od_error *err)
{
	const struct od_buf *now = &m->prompt, *then = &m->last_prompt;
	enum od_status st;

	if (now->len == then->len && now->len && memcmp(now->data, then->data, now->len) == 0)
		return OD_OK;
	od_buf_clear(&m->last_prompt);
	m->prompt_ids.n = 0;
	if (!now->len)
		return OD_OK;
	st = od_tokenizer_encode(m->tokenizer, now->data, now->len, true, &m->prompt_ids, err);
	if (st != OD_OK)
		return st;
	od_buf_append(&m->last_prompt, now->data, now->len);
	return od_buf_ok(&m->last_prompt) ? OD_OK : od_fail_nomem(err, "a prompt", now->len);
}

enum od_status
od_reward_model_encode(struct od_reward_model *m, struct od_reading *r, struct od_error *err)
{
	enum od_status st = od_buf_ok(&m->text) ? encode_prompt(m, err) : od_fail_nomem(err, "a rendered dialogue", m->text.len);
	size_t k = 0;

	r->ids.n = 0;
	if (st == OD_OK)
		st = od_tokenizer_encode(m->tokenizer, m->text.data, m->text.len, true, &r->ids, err);
	if (st != OD_OK)
		return st;
	if (r->ids.n > INT32_MAX / 4)
		return od_fail(err, OD_EFORMAT, "text has %zu tokens", r->ids.n);
	while (k < r->ids.n && k < m->prompt_ids.n && r->ids.id[k] == m->prompt_ids.id[k])
		k++;
	r->shared = (int32_t)k;
	return OD_OK;
}

enum od_status
od_reading_add(struct od_reading *r, size_t at, struct od_error *err)
{
	if (!od_grow(&r->at, &r->cap_at, r->n_at + 1, sizeof *r->at))
		return od_fail_nomem(err, "positions to read", (r->n_at + 1) * sizeof *r->at);
	r->at[r->n_at++] = (int32_t)at;
	return OD_OK;
}

/* ---- batches -------------------------------------------------------------------------------------------------------- */

static bool
same_prompt(const struct od_reading *a, const struct od_reading *b)
{
	return a->shared == b->shared && memcmp(a->ids.id, b->ids.id, (size_t)a->shared * sizeof *a->ids.id) == 0;
}

/* How many readings from r on make the next tree: those of one prompt, as far as the batch has room. An empty batch takes one in
 * any case. */
static size_t
tree_size(const struct od_reward_model *m, const struct od_reading *r, size_t n)
{
	int64_t tokens = m->batch.n_tokens + r->shared;
	size_t k = 0;

	while (k < n && (k == 0 || same_prompt(r, &r[k]))) {
		tokens += (int64_t)r[k].ids.n - r->shared;
		if (tokens > m->batch_tokens && (k > 0 || m->batch.n_tokens > 0))
			break;
		k++;
	}
	return k;
}

static enum od_status
add_tree(struct od_reward_model *m, const struct od_reading *r, size_t n, struct od_error *err)
{
	if (!od_grow(&m->reads, &m->cap_reads, n, sizeof *m->reads))
		return od_fail_nomem(err, "a batch", n * sizeof *m->reads);
	for (size_t i = 0; i < n; i++)
		m->reads[i] = (struct od_read){ r[i].ids.id, (int32_t)r[i].ids.n, r[i].at, (int32_t)r[i].n_at };
	return od_batch_add_reads(&m->batch, m->reads, (int)n, r->shared, err);
}

static enum od_status
make_row_room(struct od_reward_model *m, struct od_error *err)
{
	size_t rows = (size_t)m->batch.n_rows, d = (size_t)m->model.config.hidden_size, width = (size_t)od_reward_width(m->head);

	if (!od_grow(&m->hidden, &m->cap_hidden, rows * d, sizeof *m->hidden) ||
	    !od_grow(&m->rows, &m->cap_rows, rows * width, sizeof *m->rows) ||
	    !od_grow(&m->gate, &m->cap_gate, rows, sizeof *m->gate))
		return od_fail_nomem(err, "hidden states", rows * d * sizeof *m->hidden);
	memset(m->gate, 0, rows);
	return OD_OK;
}

/* The first row that each reading asks for is the gate's, where there is one. */
static void
mark_gates(struct od_reward_model *m, const struct od_reading *r, size_t n)
{
	int64_t entry = 0;

	for (size_t i = 0; i < n; entry += (int64_t)r[i++].n_at)
		m->gate[m->batch.entry_row[entry]] = 1;
}

/* Entries stand in the order of the readings (od_batch_add_reads). */
static enum od_status
deliver(struct od_reward_model *m, struct od_reading *r, size_t n, struct od_error *err)
{
	size_t width = (size_t)od_reward_width(m->head);
	int64_t entry = 0;

	for (size_t i = 0; i < n; i++) {
		if (!od_grow(&r[i].out, &r[i].cap_out, r[i].n_at * width, sizeof *r[i].out))
			return od_fail_nomem(err, "rewards", r[i].n_at * width * sizeof *r[i].out);
		for (size_t k = 0; k < r[i].n_at; k++) {
			const float *row = m->rows + (size_t)m->batch.entry_row[entry++] * width;

			for (size_t j = 0; j < width; j++)
				if (!isfinite(row[j]))
					return od_fail(err, OD_ENUMERIC, "the reward model gave what is no number");
			memcpy(r[i].out + k * width, row, width * sizeof *row);
		}
	}
	return OD_OK;
}

/* Packs readings while they fit, runs them, and says in *used how many went. */
static enum od_status
run_batch(struct od_reward_model *m, struct od_reading *r, size_t n, size_t *used, struct od_error *err)
{
	enum od_status st = OD_OK;
	size_t k = 0, tree;

	od_batch_clear(&m->batch);
	while (st == OD_OK && k < n && (tree = tree_size(m, r + k, n - k)) > 0) {
		st = add_tree(m, r + k, tree, err);
		k += tree;
	}
	if (st == OD_OK)
		st = make_row_room(m, err);
	if (st == OD_OK && m->model.config.reward.head == OD_HEAD_GATED)
		mark_gates(m, r, k);
	if (st == OD_OK)
		st = od_engine_hidden(m->engine, &m->batch, m->hidden, err);
	if (st == OD_OK)
		st = od_reward_rows(m->head, m->hidden, m->batch.n_rows, m->gate, m->rows, err);
	if (st == OD_OK)
		st = deliver(m, r, k, err);
	*used = k;
	return st;
}

/* ---- scoring -------------------------------------------------------------------------------------------------------- */

static enum od_status
make_readings(struct od_reward_model *m, size_t n, struct od_error *err)
{
	size_t old = m->cap_readings;

	if (!od_grow(&m->readings, &m->cap_readings, n, sizeof *m->readings))
		return od_fail_nomem(err, "responses", n * sizeof *m->readings);
	memset(m->readings + old, 0, (m->cap_readings - old) * sizeof *m->readings);
	return OD_OK;
}

/* Prepares what can be scored, one after another from readings[0] on; *n_ok of them. */
static enum od_status
prepare_all(struct od_reward_model *m, const struct od_ask *asks, size_t n, struct od_answer *answers,
	const struct od_reward_scorer *scorer, void *expert, size_t *n_ok, struct od_error *err)
{
	*n_ok = 0;
	for (size_t i = 0; i < n; i++) {
		struct od_reading *r = &m->readings[*n_ok];
		struct od_error *why = &answers[i].err;
		enum od_status st;

		r->n_at = 0;
		r->truncated = false;
		st = scorer->prepare(expert, &asks[i], r, why);
		if (st == OD_OK && (int64_t)r->ids.n > m->max_length)
			st = od_fail(why, OD_EFORMAT, "prompt and response are %zu tokens, and the limit is %lld", r->ids.n,
				(long long)m->max_length);
		answers[i].status = st;
		if (st == OD_OK)
			++*n_ok;
		else if (st != OD_EFORMAT)
			return od_fail(err, st, "%s", why->msg);
	}
	return OD_OK;
}

enum od_status
od_reward_model_score(struct od_reward_model *m, const struct od_ask *asks, size_t n, struct od_answer *answers,
	const struct od_reward_scorer *scorer, void *expert, struct od_error *err)
{
	double started = od_now();
	size_t n_ok = 0, done = 0, used = 0;
	enum od_status st = make_readings(m, n, err);

	if (st == OD_OK)
		st = prepare_all(m, asks, n, answers, scorer, expert, &n_ok, err);
	for (; st == OD_OK && done < n_ok; done += used)
		st = run_batch(m, m->readings + done, n_ok - done, &used, err);
	for (size_t i = 0, k = 0; st == OD_OK && i < n; i++) {
		if (answers[i].status != OD_OK)
			continue;
		m->tokens += (int64_t)m->readings[k].ids.n;
		scorer->finish(expert, &m->readings[k++], &answers[i]);
	}
	m->responses += (int64_t)n_ok;
	m->seconds += od_now() - started;
	return st;
}

/* ---- words ---------------------------------------------------------------------------------------------------------- */

static void
put_string(struct od_buf *out, const char *name, const char *value)
{
	od_buf_printf(out, ",\"%s\":", name);
	od_buf_json_string(out, value, strlen(value));
}

void
od_reward_model_describe(const struct od_reward_model *m, struct od_buf *out)
{
	put_string(out, "model", m->model.hash);
	put_string(out, "head", od_reward_hash(m->head));
	put_string(out, "tokenizer", od_tokenizer_hash(m->tokenizer));
	put_string(out, "template", od_chat_name(m->chat));
	if (m->date)
		put_string(out, "date", m->date);
	put_string(out, "dtype", m->be->type == OD_F32 ? "fp32" : "bf16");
}

void
od_reward_model_summary(const struct od_reward_model *m, struct od_buf *out)
{
	od_buf_printf(out, "%lld responses, %lld tokens, %.1f s, %.0f tokens/s (%s)", (long long)m->responses,
		(long long)m->tokens, m->seconds, (double)m->tokens / (m->seconds + 1e-9), m->be->numerics);
}

void
od_buf_floats(struct od_buf *out, const float *v, size_t n)
{
	od_buf_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			od_buf_char(out, ',');
		od_buf_json_double(out, v[i]);     /* exactly: what is made of them can be made again */
	}
	od_buf_char(out, ']');
}
