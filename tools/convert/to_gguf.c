#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "convert/convert.h"
#include "io/jsonl.h"

struct writer {
	const struct cv_model *m;
	struct od_model_config c;
	struct od_gguf_writer kv;
	struct od_gguf_tensor *table;              /* what goes into the file, names owned */
	const struct cv_tensor **from;             /* NULL: divisors */
	size_t n, n_foreign;                       /* n_foreign: those GGUF has no name for */
	const char *first_foreign;
	float *values, *scratch, *divisors;
};

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

static void
put_int(struct writer *w, const char *name, int64_t v)
{
	char key[96];

	snprintf(key, sizeof key, "%s.%s", od_family_name(w->c.family), name);
	od_gguf_put_u32(&w->kv, key, (uint32_t)v);
}

static void
put_number(struct writer *w, const char *name, double v)
{
	char key[96];

	snprintf(key, sizeof key, "%s.%s", od_family_name(w->c.family), name);
	od_gguf_put_f32(&w->kv, key, (float)v);
}

static void
put_gemma2(struct writer *w)
{
	const struct od_model_config *c = &w->c;
	double usual = 1 / sqrt(c->n_layers == 46 ? (double)(c->hidden_size / c->n_heads) : (double)c->head_dim);

	put_int(w, "attention.sliding_window", c->window);
	put_number(w, "attn_logit_softcapping", c->attn_softcap);
	put_number(w, "final_logit_softcapping", c->final_softcap);
	put_number(w, "attention.scale", c->attn_scale);
	if (fabs(c->attn_scale / usual - 1) > 1e-5)
		od_warn("query_pre_attn_scalar is not what llama.cpp takes for a gemma2 of this size, which ignores the "
			"file's attention.scale: its results will differ");
	if (c->attn_softcap == 0 || c->final_softcap == 0)
		od_warn("a gemma2 without soft-caps is nothing llama.cpp can run");
}

static void
put_architecture(struct writer *w, bool bf16)
{
	const struct od_model_config *c = &w->c;
	const char *name = od_family_name(c->family);

	od_gguf_put_text(&w->kv, "general.architecture", name, strlen(name));
	od_gguf_put_text(&w->kv, "general.type", "model", 5);
	od_gguf_put_u32(&w->kv, "general.file_type", bf16 ? 32 : 0);        /* mostly bf16, all f32 */
	put_int(w, "vocab_size", c->vocab_size);
	put_int(w, "context_length", c->max_position_embeddings);
	put_int(w, "embedding_length", c->hidden_size);
	put_int(w, "block_count", c->n_layers);
	put_int(w, "feed_forward_length", c->intermediate_size);
	put_int(w, "attention.head_count", c->n_heads);
	put_int(w, "attention.head_count_kv", c->n_kv_heads);
	put_int(w, "attention.key_length", c->head_dim);
	put_int(w, "attention.value_length", c->head_dim);
	put_int(w, "rope.dimension_count", c->head_dim);
	put_number(w, "rope.freq_base", c->rope_theta);
	put_number(w, "attention.layer_norm_rms_epsilon", c->rms_norm_eps);
	if (c->rope_scaling.llama3)
		put_int(w, "rope.scaling.original_context_length", (int64_t)c->rope_scaling.original_max_position_embeddings);
	if (c->family == OD_GEMMA2)
		put_gemma2(w);
}

/* w + 1 as the file stores it, and, in the metadata, what adding 1 in float32 lost: w - ((w + 1) - 1), which is itself a
 * float32. Nothing is written for a tensor that lost nothing (any bf16 gain of ordinary size). */
static enum od_status
put_residual(struct writer *w, const char *name, const struct cv_tensor *t, struct od_error *err)
{
	struct od_buf key = OD_BUF_INIT;
	bool lost = false;
	enum od_status st = cv_read(t, w->values, err);

	for (int64_t i = 0; st == OD_OK && i < t->n_elements; i++) {
		float stored = (float)((double)w->values[i] + 1.0);

		w->values[i] = (float)((double)w->values[i] - ((double)stored - 1.0));
		lost = lost || w->values[i] != 0;
	}
	od_buf_printf(&key, CV_KEY_RESIDUAL "%s", name);
	if (st == OD_OK && !od_buf_ok(&key))
		st = od_fail_nomem(err, "a key", key.len);
	if (st == OD_OK && lost)
		od_gguf_put_f32s(&w->kv, key.data, w->values, (size_t)t->n_elements);
	od_buf_release(&key);
	return st;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static bool
has_suffix(const char *s, const char *end)
{
	size_t n = strlen(s), e = strlen(end);

	return n >= e && strcmp(s + n - e, end) == 0;
}

/* Derived buffers some checkpoints carry, a head that tying overrides, and integers have no place in the file. */
static bool
left_out(const struct writer *w, const struct cv_tensor *t)
{
	bool integer = t->dtype != OD_F32 && t->dtype != OD_BF16 && t->dtype != OD_F16 && t->dtype != OD_F64;

	if (integer)
		od_warn("tensor '%s' holds integers and is left out", t->name);
	return integer || has_suffix(t->name, "rotary_emb.inv_freq") ||
		(w->c.tie_word_embeddings && strcmp(t->name, "lm_head.weight") == 0);
}

static enum od_status
add_row(struct writer *w, const char *name, const struct cv_tensor *from, int n_dims, const int64_t *shape, bool bf16,
	struct od_error *err)
{
	struct od_gguf_tensor *g = &w->table[w->n];
	size_t dims = n_dims < OD_GGUF_MAX_DIMS ? (size_t)n_dims : OD_GGUF_MAX_DIMS;

	*g = (struct od_gguf_tensor){ .name = od_strdup(name), .n_dims = n_dims,
		.type = bf16 && n_dims > 1 ? OD_GGML_BF16 : OD_GGML_F32 };
	memcpy(g->shape, shape, dims * sizeof *shape);
	w->from[w->n++] = from;
	return g->name ? OD_OK : od_fail_nomem(err, "a name", strlen(name));
}

static bool
known_to_llama_cpp(const char *name)
{
	return strncmp(name, "blk.", 4) == 0 || strcmp(name, "token_embd.weight") == 0 ||
		strcmp(name, "output_norm.weight") == 0 || strcmp(name, "output.weight") == 0;
}

static enum od_status
add_tensor(struct writer *w, const struct cv_tensor *t, bool bf16, struct od_error *err)
{
	struct od_buf name = OD_BUF_INIT;
	enum od_status st;

	cv_name_to_gguf(w->c.family, t->name, &name);
	if (!od_buf_ok(&name)) {
		st = od_fail_nomem(err, "a name", name.len);
	} else {
		if (!known_to_llama_cpp(name.data) && w->n_foreign++ == 0)
			w->first_foreign = t->name;
		st = add_row(w, name.data, t, t->n_dims, t->shape, bf16, err);
		if (st == OD_OK && cv_name_is_plus_one(w->c.family, name.data))
			st = put_residual(w, name.data, t, err);
	}
	od_buf_release(&name);
	return st;
}

static enum od_status
make_table(struct writer *w, bool bf16, struct od_error *err)
{
	int64_t half = w->c.head_dim / 2;
	enum od_status st = od_alloc(&w->table, w->m->n + 1, sizeof *w->table, "a table of tensors", err);

	if (st == OD_OK)
		st = od_alloc(&w->from, w->m->n + 1, sizeof *w->from, "a table of tensors", err);
	if (st == OD_OK)
		st = od_alloc(&w->divisors, (size_t)half, sizeof *w->divisors, "rope divisors", err);
	if (st == OD_OK && w->c.rope_scaling.llama3) {
		cv_rope_divisors(&w->c, w->divisors);
		st = add_row(w, CV_ROPE_FREQS, NULL, 1, &half, false, err);
	}
	for (size_t i = 0; st == OD_OK && i < w->m->n; i++)
		if (!left_out(w, &w->m->tensors[i]))
			st = add_tensor(w, &w->m->tensors[i], bf16, err);
	if (st == OD_OK && w->n_foreign)
		od_warn("%zu tensors have no name in GGUF and keep their own ('%s' is the first): llama.cpp will refuse the file",
			w->n_foreign, w->first_foreign);
	return st;
}

static enum od_status
write_tensor(struct writer *w, struct od_out *out, size_t i, struct od_error *err)
{
	const struct cv_tensor *t = w->from[i];
	const char *name = w->table[i].name;
	bool key = false;
	int64_t heads;
	enum od_status st;

	if (!t)
		return od_gguf_write_tensor(out, &w->table[i], w->divisors, err);
	st = cv_read(t, w->values, err);
	od_safetensors_forget(w->m->weights, t->view);
	if (st != OD_OK)
		return st;
	for (int64_t k = 0; cv_name_is_plus_one(w->c.family, name) && k < t->n_elements; k++)
		w->values[k] = (float)((double)w->values[k] + 1.0);
	if (!cv_name_is_interleaved(w->c.family, name, &key))
		return od_gguf_write_tensor(out, &w->table[i], w->values, err);
	heads = key ? w->c.n_kv_heads : w->c.n_heads;
	if (t->shape[0] != heads * w->c.head_dim)
		return od_fail(err, OD_EFORMAT, "tensor '%s' has %lld rows, not heads x head_dim = %lld", t->name,
			(long long)t->shape[0], (long long)(heads * w->c.head_dim));
	cv_permute(w->values, w->scratch, t->shape[0], t->n_elements / t->shape[0], heads, true);
	return od_gguf_write_tensor(out, &w->table[i], w->scratch, err);
}

static enum od_status
write_all(struct writer *w, struct od_out *out, struct od_error *err)
{
	enum od_status st = od_gguf_write_header(out, &w->kv, w->table, w->n, err);
	struct od_progress *progress = od_progress_begin("writing", (int64_t)w->n, "tensors");

	for (size_t i = 0; st == OD_OK && i < w->n; i++) {
		st = write_tensor(w, out, i, err);
		od_progress_update(progress, (int64_t)i + 1, NULL);
	}
	od_progress_end(progress);
	return st;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static enum od_status
read_config(struct writer *w, struct od_error *err)
{
	json_t *json = NULL;
	enum od_status st = od_json_parse(w->m->config.data, w->m->config.len, "config.json", &json, err);

	if (st == OD_OK)
		st = od_config_read(&w->c, json, err);
	if (st != OD_OK)
		od_error_prefix(err, "%s/config.json: ", w->m->dir);
	json_decref(json);
	return st;
}

/* auto: bf16 holds everything when every matrix is bf16 already. */
static bool
wants_bf16(const struct cv_model *m, enum cv_dtype dtype)
{
	if (dtype != CV_AUTO)
		return dtype == CV_BF16;
	for (size_t i = 0; i < m->n; i++)
		if (m->tensors[i].n_dims > 1 && m->tensors[i].dtype != OD_BF16)
			return false;
	return true;
}

/* Rows of the embedding: what readers of GGUF take the vocabulary's size from. */
static enum od_status
embedding_rows(const struct cv_model *m, int64_t *rows, struct od_error *err)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->tensors[i].name, "model.embed_tokens.weight") == 0 && m->tensors[i].n_dims == 2) {
			*rows = m->tensors[i].shape[0];
			return OD_OK;
		}
	return od_fail(err, OD_EFORMAT, "'%s': tensor 'model.embed_tokens.weight' is missing or no matrix", m->dir);
}

enum od_status
cv_write_gguf(const struct cv_model *m, struct od_out *out, enum cv_dtype dtype, struct od_error *err)
{
	struct writer w = { .m = m, .kv = OD_GGUF_WRITER_INIT };
	bool bf16 = wants_bf16(m, dtype);
	int64_t rows = 0;
	enum od_status st;

	if ((st = read_config(&w, err)) != OD_OK || (st = embedding_rows(m, &rows, err)) != OD_OK ||
	    (st = cv_alloc_largest(m, &w.values, err)) != OD_OK || (st = cv_alloc_largest(m, &w.scratch, err)) != OD_OK)
		goto out;
	put_architecture(&w, bf16);
	od_gguf_put_text(&w.kv, CV_KEY_CONFIG, m->config.data, m->config.len);
	st = cv_put_tokenizer(m, &w.kv, rows, err);
	if (st == OD_OK)
		st = make_table(&w, bf16, err);
	if (st == OD_OK)
		st = write_all(&w, out, err);
out:
	for (size_t i = 0; i < w.n; i++)
		free((char *)w.table[i].name);
	free(w.table);
	free(w.from);
	free(w.values);
	free(w.scratch);
	free(w.divisors);
	od_gguf_writer_release(&w.kv);
	return st;
}
