/* What is text in a model: its tokenizer, its chat template, how it generates. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "convert/convert.h"
#include "io/atomic.h"
#include "io/jsonl.h"
#include "io/stream.h"
#include "text/gguf_tokenizer.h"

#define MAX_TEXT ((size_t)256 << 20)

/* ---- out of GGUF ------------------------------------------------------------------------------------------------- */

struct vocab {
	struct od_gguf_vocab v;
	char *model, *pre, *chat_template;
	struct od_gguf_text *tokens, *merges;
	int32_t *types;
	float *scores;
};

static void
release_vocab(struct vocab *s)
{
	free(s->model);
	free(s->pre);
	free(s->chat_template);
	free(s->tokens);
	free(s->merges);
	free(s->types);
	free(s->scores);
}

static enum od_status
take_text(const struct od_gguf *g, const char *key, char **out, struct od_error *err)
{
	struct od_gguf_string s;
	enum od_status st;

	if (!od_gguf_has(g, key))
		return OD_OK;
	st = od_gguf_text(g, key, &s, err);
	if (st != OD_OK)
		return st;
	if (memchr(s.s, '\0', s.n))
		return od_fail(err, OD_EFORMAT, "key '%s' holds a NUL", key);
	*out = od_strndup(s.s, s.n);
	return *out ? OD_OK : od_fail_nomem(err, key, s.n);
}

static enum od_status
take_texts(const struct od_gguf *g, const char *key, struct od_gguf_text **out, size_t *n, struct od_error *err)
{
	struct od_gguf_string *s = NULL;
	enum od_status st;

	if (!od_gguf_has(g, key))
		return OD_OK;
	st = od_gguf_texts(g, key, &s, n, err);
	if (st == OD_OK)
		st = od_alloc(out, *n, sizeof **out, key, err);
	for (size_t i = 0; st == OD_OK && i < *n; i++)
		(*out)[i] = (struct od_gguf_text){ s[i].s, s[i].n };
	free(s);
	return st;
}

static enum od_status
check_length(const char *key, size_t n, size_t want, struct od_error *err)
{
	if (n == want)
		return OD_OK;
	return od_fail(err, OD_EFORMAT, "key '%s' has %zu elements for %zu tokens", key, n, want);
}

static enum od_status
take_types(const struct od_gguf *g, struct vocab *s, struct od_error *err)
{
	static const char key[] = "tokenizer.ggml.token_type";
	int64_t *v = NULL;
	size_t n = 0;
	enum od_status st;

	if (!od_gguf_has(g, key))
		return OD_OK;
	st = od_gguf_ints(g, key, &v, &n, err);
	if (st == OD_OK)
		st = check_length(key, n, s->v.n_tokens, err);
	if (st == OD_OK)
		st = od_alloc(&s->types, n, sizeof *s->types, key, err);
	for (size_t i = 0; st == OD_OK && i < n; i++)
		s->types[i] = (int32_t)v[i];
	free(v);
	return st;
}

static enum od_status
take_scores(const struct od_gguf *g, struct vocab *s, struct od_error *err)
{
	static const char key[] = "tokenizer.ggml.scores";
	size_t n = 0;
	enum od_status st;

	if (!od_gguf_has(g, key))
		return OD_OK;
	st = od_gguf_floats(g, key, &s->scores, &n, err);
	return st == OD_OK ? check_length(key, n, s->v.n_tokens, err) : st;
}

/* An optional integer; -1 when absent. */
static int64_t
optional(const struct od_gguf *g, const char *key)
{
	int64_t v;

	return od_gguf_has(g, key) && od_gguf_int(g, key, &v, NULL) == OD_OK ? v : -1;
}

static enum od_status
take_vocab(const struct od_gguf *g, struct vocab *s, struct od_error *err)
{
	enum od_status st;

	*s = (struct vocab){ .v = OD_GGUF_VOCAB_INIT };
	if ((st = take_text(g, "tokenizer.ggml.model", &s->model, err)) != OD_OK ||
	    (st = take_text(g, "tokenizer.ggml.pre", &s->pre, err)) != OD_OK ||
	    (st = take_text(g, "tokenizer.chat_template", &s->chat_template, err)) != OD_OK ||
	    (st = take_texts(g, "tokenizer.ggml.tokens", &s->tokens, &s->v.n_tokens, err)) != OD_OK ||
	    (st = take_texts(g, "tokenizer.ggml.merges", &s->merges, &s->v.n_merges, err)) != OD_OK ||
	    (st = take_types(g, s, err)) != OD_OK || (st = take_scores(g, s, err)) != OD_OK)
		return st;
	s->v.model = s->model;
	s->v.pre = s->pre;
	s->v.chat_template = s->chat_template;
	s->v.tokens = s->tokens;
	s->v.merges = s->merges;
	s->v.types = s->types;
	s->v.scores = s->scores;
	s->v.bos = optional(g, "tokenizer.ggml.bos_token_id");
	s->v.eos = optional(g, "tokenizer.ggml.eos_token_id");
	s->v.unk = optional(g, "tokenizer.ggml.unknown_token_id");
	s->v.pad = optional(g, "tokenizer.ggml.padding_token_id");
	s->v.add_bos = (int)optional(g, "tokenizer.ggml.add_bos_token");
	s->v.add_space_prefix = (int)optional(g, "tokenizer.ggml.add_space_prefix");
	return OD_OK;
}

/* A JSON object stored whole under 'key' replaces *text. */
static enum od_status
take_stored_json(const struct od_gguf *g, const char *key, struct od_buf *text, struct od_error *err)
{
	struct od_gguf_string s;
	json_t *json = NULL;
	enum od_status st;

	if (!od_gguf_has(g, key))
		return OD_OK;
	st = od_gguf_text(g, key, &s, err);
	if (st == OD_OK)
		st = od_json_parse(s.s, s.n, key, &json, err);
	if (st == OD_OK) {
		od_buf_clear(text);
		od_buf_append(text, s.s, s.n);
	}
	json_decref(json);
	return st;
}

static enum od_status
write_tokenizer(const struct od_gguf *g, const char *out, struct od_error *err)
{
	struct od_buf json = OD_BUF_INIT, config = OD_BUF_INIT;
	struct vocab s;
	enum od_status st = take_vocab(g, &s, err);

	if (st == OD_OK && (s.v.n_tokens == 0 || !s.model || strcmp(s.model, "no_vocab") == 0)) {
		od_warn("the file has no tokenizer, so none is written");
		goto out;
	}
	if (st == OD_OK && !(od_gguf_has(g, CV_KEY_TOKENIZER) && od_gguf_has(g, CV_KEY_TOKENIZER_CONFIG)))
		st = od_gguf_tokenizer_json(&s.v, &json, &config, err);
	if (st == OD_OK)
		st = take_stored_json(g, CV_KEY_TOKENIZER, &json, err);
	if (st == OD_OK)
		st = take_stored_json(g, CV_KEY_TOKENIZER_CONFIG, &config, err);
	if (st == OD_OK)
		st = cv_write_text(out, "tokenizer.json", &json, err);
	if (st == OD_OK)
		st = cv_write_text(out, "tokenizer_config.json", &config, err);
out:
	od_buf_release(&json);
	od_buf_release(&config);
	release_vocab(&s);
	return st;
}

/* Generation stops at the end of text and, where the file tells one, at the end of a turn. */
static enum od_status
make_generation_config(const struct od_gguf *g, struct od_buf *text, struct od_error *err)
{
	int64_t bos = optional(g, "tokenizer.ggml.bos_token_id"), eos = optional(g, "tokenizer.ggml.eos_token_id");
	int64_t eot = optional(g, "tokenizer.ggml.eot_token_id"), pad = optional(g, "tokenizer.ggml.padding_token_id");
	json_t *json = json_pack("{s:b}", "_from_model_config", 1);
	enum od_status st;

	if (bos >= 0)
		json_object_set_new(json, "bos_token_id", json_integer(bos));
	if (eos >= 0 && eot >= 0 && eot != eos)
		json_object_set_new(json, "eos_token_id", json_pack("[I,I]", (json_int_t)eos, (json_int_t)eot));
	else if (eos >= 0)
		json_object_set_new(json, "eos_token_id", json_integer(eos));
	if (pad >= 0)
		json_object_set_new(json, "pad_token_id", json_integer(pad));
	st = json ? cv_dump_json(json, text, err) : od_fail_nomem(err, "generation_config.json", 1);
	json_decref(json);
	return st;
}

enum od_status
cv_write_gguf_texts(const struct cv_model *m, const char *out, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	enum od_status st = make_generation_config(m->gguf, &text, err);

	if (st == OD_OK)
		st = take_stored_json(m->gguf, CV_KEY_GENERATION, &text, err);
	if (st == OD_OK)
		st = cv_write_text(out, "generation_config.json", &text, err);
	od_buf_release(&text);
	return st == OD_OK ? write_tokenizer(m->gguf, out, err) : st;
}

/* ---- into GGUF --------------------------------------------------------------------------------------------------- */

/* The bytes of a file of the directory as a string under 'key'; a file that is not there has no key. */
static enum od_status
put_file(struct od_gguf_writer *w, const char *key, const char *dir, const char *name, struct od_error *err)
{
	char *path = od_path_join(dir, name), *text = NULL;
	enum od_status st = OD_OK;
	size_t n;

	if (!path)
		st = od_fail_nomem(err, "a path", strlen(dir));
	else if (od_path_exists(path)) {
		st = od_in_slurp(path, MAX_TEXT, &text, &n, err);
		if (st == OD_OK)
			od_gguf_put_text(w, key, text, n);
	}
	free(text);
	free(path);
	return st;
}

static enum od_status
put_texts(struct od_gguf_writer *w, const char *key, const struct od_gguf_text *t, size_t n, struct od_error *err)
{
	struct od_gguf_string *s;
	enum od_status st = od_alloc(&s, n, sizeof *s, key, err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < n; i++)
		s[i] = (struct od_gguf_string){ t[i].s, t[i].n };
	od_gguf_put_texts(w, key, s, n);
	free(s);
	return OD_OK;
}

static void
put_id(struct od_gguf_writer *w, const char *key, int64_t id)
{
	if (id >= 0)
		od_gguf_put_u32(w, key, (uint32_t)id);
}

static enum od_status
put_vocab(struct od_gguf_writer *w, const struct od_gguf_vocab *v, struct od_error *err)
{
	enum od_status st;

	od_gguf_put_text(w, "tokenizer.ggml.model", v->model, strlen(v->model));
	if (v->pre)
		od_gguf_put_text(w, "tokenizer.ggml.pre", v->pre, strlen(v->pre));
	st = put_texts(w, "tokenizer.ggml.tokens", v->tokens, v->n_tokens, err);
	if (st == OD_OK && v->n_merges)
		st = put_texts(w, "tokenizer.ggml.merges", v->merges, v->n_merges, err);
	if (v->types)
		od_gguf_put_i32s(w, "tokenizer.ggml.token_type", v->types, v->n_tokens);
	if (v->scores)
		od_gguf_put_f32s(w, "tokenizer.ggml.scores", v->scores, v->n_tokens);
	put_id(w, "tokenizer.ggml.bos_token_id", v->bos);
	put_id(w, "tokenizer.ggml.eos_token_id", v->eos);
	put_id(w, "tokenizer.ggml.unknown_token_id", v->unk);
	put_id(w, "tokenizer.ggml.padding_token_id", v->pad);
	if (v->add_bos >= 0)
		od_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", v->add_bos);
	if (v->add_space_prefix >= 0)
		od_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", v->add_space_prefix);
	if (v->chat_template)
		od_gguf_put_text(w, "tokenizer.chat_template", v->chat_template, strlen(v->chat_template));
	return st;
}

static enum od_status
put_loaded(struct od_gguf_writer *w, const char *dir, int64_t rows, struct od_error *err)
{
	struct od_gguf_vocab_store *store = NULL;
	struct od_tokenizer *t = NULL;
	struct od_gguf_vocab v;
	enum od_status st = od_tokenizer_open(&t, dir, err);

	if (st == OD_OK)
		st = od_gguf_vocab_of(&v, &store, t, (size_t)rows, err);
	if (st == OD_OK && v.n_tokens > (size_t)rows)
		st = od_fail(err, OD_EMISMATCH,
			"'%s': its tokenizer has %zu tokens, its embedding %lld rows", dir, v.n_tokens,
			(long long)rows);
	if (st == OD_OK)
		st = put_vocab(w, &v, err);
	od_gguf_vocab_release(store);
	od_tokenizer_close(t);
	return st;
}

enum od_status
cv_put_tokenizer(const struct cv_model *m, struct od_gguf_writer *w, int64_t rows, struct od_error *err)
{
	char *path = od_path_join(m->dir, "tokenizer.json");
	enum od_status st;

	if (!path) {
		st = od_fail_nomem(err, "a path", strlen(m->dir));
	} else if (od_path_exists(path)) {
		st = put_loaded(w, m->dir, rows, err);
		if (st == OD_OK)
			st = put_file(w, CV_KEY_TOKENIZER, m->dir, "tokenizer.json", err);
		if (st == OD_OK)
			st = put_file(w, CV_KEY_TOKENIZER_CONFIG, m->dir, "tokenizer_config.json", err);
	} else {
		od_warn("'%s' has no tokenizer.json, so the output has no tokenizer", m->dir);
		od_gguf_put_text(w, "tokenizer.ggml.model", "no_vocab", 8);
		st = OD_OK;
	}
	free(path);
	return st == OD_OK ? put_file(w, CV_KEY_GENERATION, m->dir, "generation_config.json", err) : st;
}
