#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "convert/convert.h"
#include "io/jsonl.h"
#include "model/params.h"

/* ---- the configuration ------------------------------------------------------------------------------------------- */

static bool
near(double a, double b)
{
	return fabs(a - b) <= 1e-5 * fabs(b);
}

/* Whether a config.json that travelled in the file still describes it: the file may have been edited since. */
static bool
same_model(const struct od_model_config *a, const struct od_model_config *b)
{
	return a->family == b->family && a->vocab_size == b->vocab_size && a->hidden_size == b->hidden_size &&
		a->intermediate_size == b->intermediate_size && a->n_layers == b->n_layers && a->n_heads == b->n_heads &&
		a->n_kv_heads == b->n_kv_heads && a->head_dim == b->head_dim && a->window == b->window &&
		a->qkv_bias == b->qkv_bias && a->o_bias == b->o_bias && a->mlp_bias == b->mlp_bias &&
		a->rope_scaling.llama3 == b->rope_scaling.llama3 && near(a->rope_theta, b->rope_theta) &&
		near(a->rms_norm_eps, b->rms_norm_eps) && near(a->attn_scale, b->attn_scale) &&
		near(a->attn_softcap, b->attn_softcap) && near(a->final_softcap, b->final_softcap);
}

/* True, with the text appended to out, when the file brings its config.json and that agrees with its metadata. */
static bool
take_stored_config(const struct od_gguf *g, const struct od_model_config *derived, struct od_buf *out)
{
	struct od_model_config stored;
	struct od_gguf_string text;
	json_t *json = NULL;
	bool taken;

	if (!od_gguf_has(g, CV_KEY_CONFIG) || od_gguf_text(g, CV_KEY_CONFIG, &text, NULL) != OD_OK ||
	    od_json_parse(text.s, text.n, CV_KEY_CONFIG, &json, NULL) != OD_OK)
		return false;
	taken = od_config_read(&stored, json, NULL) == OD_OK && same_model(&stored, derived);
	if (taken)
		od_buf_append(out, text.s, text.n);
	else
		od_warn("the config.json stored in the file does not fit its metadata and is left aside");
	json_decref(json);
	return taken;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static enum od_status
take_residual(const struct od_gguf *g, struct cv_tensor *t, struct od_error *err)
{
	struct od_buf key = OD_BUF_INIT;
	enum od_status st = OD_OK;
	size_t n;

	od_buf_printf(&key, CV_KEY_RESIDUAL "%s", t->gguf->name);
	if (!od_buf_ok(&key))
		st = od_fail_nomem(err, "a key", key.len);
	else if (od_gguf_has(g, key.data))
		st = od_gguf_floats(g, key.data, &t->residual, &n, err);
	if (st == OD_OK && t->residual && n != (size_t)t->n_elements)
		st = od_fail(err, OD_EFORMAT, "key '%s' has %zu elements, its tensor %lld", key.data, n,
			(long long)t->n_elements);
	od_buf_release(&key);
	return st;
}

static enum od_status
add_tensor(struct cv_model *m, const struct od_model_config *c, const struct od_gguf_tensor *g, struct od_error *err)
{
	struct od_buf name = OD_BUF_INIT;
	struct cv_tensor *t;
	enum od_status st;
	bool key = false;

	cv_name_to_hf(c->family, g->name, &name);
	st = od_buf_ok(&name) ? cv_add(m, name.data, &t, err) : od_fail_nomem(err, "a name", strlen(g->name));
	od_buf_release(&name);
	if (st != OD_OK)
		return st;
	t->gguf = g;
	t->n_dims = g->n_dims;
	t->n_elements = g->n_elements;
	t->dtype = g->type == OD_GGML_BF16 ? OD_BF16 : g->type == OD_GGML_F16 ? OD_F16 : OD_F32;
	memcpy(t->shape, g->shape, sizeof g->shape);
	if (cv_name_is_interleaved(c->family, g->name, &key)) {
		t->interleaved_heads = key ? c->n_kv_heads : c->n_heads;
		if (t->shape[0] != t->interleaved_heads * c->head_dim)
			return od_fail(err, OD_EFORMAT,
				"tensor '%s' has %lld rows, not heads x head_dim = %lld", g->name,
				(long long)t->shape[0], (long long)(t->interleaved_heads * c->head_dim));
	}
	t->minus_one = cv_name_is_plus_one(c->family, g->name);
	return t->minus_one ? take_residual(m->gguf, t, err) : OD_OK;
}

/* Every parameter the configuration asks for is there in its shape; the first that is not is named. */
static enum od_status
check_complete(const struct cv_model *m, const struct od_model_config *c, struct od_error *err)
{
	struct od_params p = { 0 };
	enum od_status st = od_params_layout(&p, c, od_gguf_find(m->gguf, "output.weight") != NULL, err);

	for (int i = 0; st == OD_OK && i < p.n; i++) {
		const struct od_param *want = &p.table[i];
		const struct cv_tensor *t = NULL;

		for (size_t k = 0; k < m->n && !t; k++)
			if (strcmp(m->tensors[k].name, want->name) == 0)
				t = &m->tensors[k];
		if (!t)
			st = od_fail(err, OD_EFORMAT, "tensor for '%s' is missing", want->name);
		else if (t->n_dims != want->n_dims || t->shape[0] != want->rows ||
			 (t->n_dims == 2 && t->shape[1] != want->cols))
			st = od_fail(err, OD_EFORMAT,
				"tensor '%s' has another shape than the metadata says", t->gguf->name);
	}
	od_params_release(&p);
	return st;
}

enum od_status
cv_open_gguf(struct cv_model *m, const char *path, struct od_error *err)
{
	struct od_model_config c;
	enum od_family family;
	json_t *json = NULL;
	enum od_status st;

	st = od_gguf_open(&m->gguf, path, err);
	if (st != OD_OK)
		return st;
	st = cv_gguf_config(m->gguf, &json, &family, err);
	if (st == OD_OK)
		st = od_config_read(&c, json, err);
	if (st == OD_OK && !take_stored_config(m->gguf, &c, &m->config))
		st = cv_dump_json(json, &m->config, err);
	for (size_t i = 0; st == OD_OK && i < od_gguf_count(m->gguf); i++)
		if (strcmp(od_gguf_at(m->gguf, i)->name, CV_ROPE_FREQS) != 0)
			st = add_tensor(m, &c, od_gguf_at(m->gguf, i), err);
	if (st == OD_OK)
		st = check_complete(m, &c, err);
	json_decref(json);
	if (st != OD_OK)
		od_error_prefix(err, "cannot convert '%s': ", path);
	return st;
}
