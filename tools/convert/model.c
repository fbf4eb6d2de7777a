#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "convert/convert.h"
#include "io/atomic.h"
#include "io/jsonl.h"
#include "io/stream.h"

void
cv_release(struct cv_model *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->tensors[i].name);
		free(m->tensors[i].residual);
	}
	free(m->tensors);
	od_buf_release(&m->config);
	od_safetensors_close(m->weights);
	od_gguf_close(m->gguf);
	cv_init_free(m->init);
	*m = (struct cv_model)CV_MODEL_INIT;
}

enum od_status
cv_add(struct cv_model *m, const char *name, struct cv_tensor **out, struct od_error *err)
{
	char *copy = od_strdup(name);

	if (!copy || !od_grow(&m->tensors, &m->cap, m->n + 1, sizeof *m->tensors)) {
		free(copy);
		return od_fail_nomem(err, "a table of tensors", (m->n + 1) * sizeof *m->tensors);
	}
	*out = &m->tensors[m->n++];
	memset(*out, 0, sizeof **out);
	(*out)->name = copy;
	return OD_OK;
}

enum od_status
cv_alloc_largest(const struct cv_model *m, float **out, struct od_error *err)
{
	int64_t most = 0;

	for (size_t i = 0; i < m->n; i++)
		if (m->tensors[i].n_elements > most)
			most = m->tensors[i].n_elements;
	return od_alloc(out, (size_t)most, sizeof **out, "a tensor", err);
}

/* In double the difference is exact, and so is the sum with the residual: cv_put_residual chose it so. */
static void
subtract_one(const struct cv_tensor *t, float *v)
{
	for (int64_t i = 0; i < t->n_elements; i++)
		v[i] = (float)((double)v[i] - 1.0 + (t->residual ? (double)t->residual[i] : 0.0));
}

static enum od_status
restore_rows(const struct cv_tensor *t, float *v, struct od_error *err)
{
	int64_t rows = t->shape[0];
	float *copy;
	enum od_status st = od_alloc(&copy, (size_t)t->n_elements, sizeof *copy, t->name, err);

	if (st != OD_OK)
		return st;
	memcpy(copy, v, (size_t)t->n_elements * sizeof *copy);
	cv_permute(copy, v, rows, t->n_elements / rows, t->interleaved_heads, false);
	free(copy);
	return OD_OK;
}

enum od_status
cv_read(const struct cv_tensor *t, float *out, struct od_error *err)
{
	if (t->view)
		return od_tensor_to_f32(t->view, out, err);
	if (t->init) {
		cv_init_values(t, out);
		return OD_OK;
	}
	od_gguf_to_f32(t->gguf, out);
	if (t->minus_one)
		subtract_one(t, out);
	return t->interleaved_heads ? restore_rows(t, out, err) : OD_OK;
}

/* ---- a directory ------------------------------------------------------------------------------------------------- */

static enum od_status
read_config(struct cv_model *m, const char *dir, struct od_error *err)
{
	char *path = od_path_join(dir, "config.json"), *text = NULL;
	json_t *json = NULL;
	size_t n = 0;
	enum od_status st;

	st = path ? od_in_slurp(path, 16 << 20, &text, &n, err) : od_fail_nomem(err, "a path", strlen(dir));
	if (st == OD_OK)
		st = od_json_parse(text, n, path, &json, err);
	if (st == OD_OK && !json_is_object(json))
		st = od_fail(err, OD_EFORMAT, "cannot read '%s': not a JSON object", path);
	if (st == OD_OK)
		od_buf_append(&m->config, text, n);
	if (st == OD_OK && !od_buf_ok(&m->config))
		st = od_fail_nomem(err, "config.json", n);
	json_decref(json);
	free(text);
	free(path);
	return st;
}

enum od_status
cv_open_dir(struct cv_model *m, const char *dir, struct od_error *err)
{
	const struct od_tensor_view *v;
	struct cv_tensor *t;
	enum od_status st;

	m->dir = dir;
	st = read_config(m, dir, err);
	if (st == OD_OK)
		st = od_safetensors_open_dir(&m->weights, dir, err);
	for (size_t i = 0; st == OD_OK && i < od_safetensors_count(m->weights); i++) {
		v = od_safetensors_at(m->weights, i);
		st = cv_add(m, v->name, &t, err);
		if (st != OD_OK)
			break;
		t->view = v;
		t->dtype = v->dtype;
		t->n_dims = v->n_dims;
		t->n_elements = v->n_elements;
		memcpy(t->shape, v->shape, sizeof t->shape);
	}
	return st;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static int
append_chunk(const char *bytes, size_t n, void *buf)
{
	od_buf_append(buf, bytes, n);
	return 0;
}

enum od_status
cv_dump_json(const json_t *json, struct od_buf *out, struct od_error *err)
{
	/* 15 digits: every number here is a short decimal, and 17 would print 1e-05 as 1.0000000000000001e-05. */
	if (json_dump_callback(json, append_chunk, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) < 0 || !od_buf_ok(out))
		return od_fail_nomem(err, "a JSON text", out->len);
	od_buf_char(out, '\n');
	return od_buf_ok(out) ? OD_OK : od_fail_nomem(err, "a JSON text", out->len);
}

enum od_status
cv_write_text(const char *dir, const char *name, const struct od_buf *text, struct od_error *err)
{
	char *path = od_path_join(dir, name);
	enum od_status st;

	st = path && od_buf_ok(text) ? od_atomic_write(path, text->data, text->len, err) :
		od_fail_nomem(err, name, text->len);
	free(path);
	return st;
}
