#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "convert/convert.h"
#include "io/atomic.h"
#include "io/jsonl.h"
#include "io/stream.h"

static bool
is_float(enum od_dtype t)
{
	return t == OD_F32 || t == OD_BF16 || t == OD_F16 || t == OD_F64;
}

/* The dtype a tensor is written in. 'auto' keeps what a directory or a configuration has; out of GGUF comes float32, which loses
 * nothing. */
static enum od_dtype
target(const struct cv_tensor *t, enum cv_dtype dtype)
{
	if (!is_float(t->dtype))
		return t->dtype;
	if (dtype == CV_AUTO)
		return t->view || t->init ? t->dtype : OD_F32;
	return dtype == CV_BF16 ? OD_BF16 : OD_F32;
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

struct writer {
	const struct cv_model *m;
	const char *out;
	struct od_tensor_out *tensors;             /* [m->n], data filled in as each is written */
	size_t *shard;                             /* [m->n] number of the file it goes to */
	size_t n_shards;
	int64_t total_bytes, done_bytes;
	float *values;
	struct od_progress *progress;
};

static size_t
bytes_of(const struct cv_tensor *t, enum od_dtype dtype)
{
	return (size_t)t->n_elements * od_dtype_size(dtype);
}

/* Tensors stay in their order; a file is closed when the next would take it over the limit. */
static void
plan(struct writer *w, enum cv_dtype dtype, int64_t shard_bytes)
{
	int64_t filled = 0;

	for (size_t i = 0; i < w->m->n; i++) {
		const struct cv_tensor *t = &w->m->tensors[i];
		struct od_tensor_out *o = &w->tensors[i];
		int64_t bytes;

		*o = (struct od_tensor_out){ .name = t->name, .dtype = target(t, dtype), .n_dims = t->n_dims };
		memcpy(o->shape, t->shape, sizeof o->shape);
		bytes = (int64_t)bytes_of(t, o->dtype);
		if (shard_bytes > 0 && filled > 0 && filled + bytes > shard_bytes) {
			w->n_shards++;
			filled = 0;
		}
		filled += bytes;
		w->total_bytes += bytes;
		w->shard[i] = w->n_shards;
	}
	w->n_shards++;
}

static void
shard_name(const struct writer *w, size_t shard, char name[64])
{
	if (w->n_shards == 1)
		snprintf(name, 64, "model.safetensors");
	else
		snprintf(name, 64, "model-%05zu-of-%05zu.safetensors", shard + 1, w->n_shards);
}

/* Bytes that are already what the file wants are not touched; the rest goes through float32. */
static enum od_status
write_tensor(struct writer *w, struct od_out *out, size_t i, struct od_error *err)
{
	const struct cv_tensor *t = &w->m->tensors[i];
	struct od_tensor_out *o = &w->tensors[i];
	enum od_status st = OD_OK;

	if (t->view && t->dtype == o->dtype) {
		o->data = t->view->data;
	} else {
		st = cv_read(t, w->values, err);
		o->data = w->values;
		o->from_f32 = 1;
	}
	if (st == OD_OK)
		st = od_safetensors_write_tensor(out, o, err);
	if (t->view)
		od_safetensors_forget(w->m->weights, t->view);
	w->done_bytes += (int64_t)bytes_of(t, o->dtype);
	od_progress_update(w->progress, w->done_bytes, NULL);
	return st;
}

static enum od_status
write_shard(struct writer *w, size_t shard, size_t first, size_t end, struct od_error *err)
{
	static const struct od_metadata format = { "format", "pt" };      /* transformers refuses a file without it */
	struct od_out *out = NULL;
	char name[64], *path;
	enum od_status st;

	shard_name(w, shard, name);
	path = od_path_join(w->out, name);
	st = path ? od_out_open(&out, path, err) : od_fail_nomem(err, "a path", strlen(w->out));
	if (st == OD_OK)
		st = od_safetensors_write_header(out, w->tensors + first, end - first, &format, 1, err);
	for (size_t i = first; st == OD_OK && i < end; i++)
		st = write_tensor(w, out, i, err);
	if (st == OD_OK)
		st = od_out_close(out, err);
	else
		od_out_close(out, NULL);
	free(path);
	return st;
}

static enum od_status
write_index(const struct writer *w, struct od_error *err)
{
	json_t *map = json_object(), *index = json_pack("{s:{s:I}, s:o}", "metadata", "total_size",
		(json_int_t)w->total_bytes, "weight_map", map);
	struct od_buf text = OD_BUF_INIT;
	enum od_status st;
	char name[64];

	for (size_t i = 0; index && i < w->m->n; i++) {
		shard_name(w, w->shard[i], name);
		if (json_object_set_new(map, w->m->tensors[i].name, json_string(name)) < 0) {
			json_decref(index);
			index = NULL;
		}
	}
	st = index ? cv_dump_json(index, &text, err) : od_fail_nomem(err, "an index", w->m->n);
	if (st == OD_OK)
		st = cv_write_text(w->out, "model.safetensors.index.json", &text, err);
	od_buf_release(&text);
	json_decref(index);
	return st;
}

static enum od_status
write_weights(const struct cv_model *m, const char *out, enum cv_dtype dtype, int64_t shard_bytes,
	struct od_error *err)
{
	struct writer w = { .m = m, .out = out };
	size_t first = 0, end;
	enum od_status st;

	st = od_alloc(&w.tensors, m->n, sizeof *w.tensors, "a table of tensors", err);
	if (st == OD_OK)
		st = od_alloc(&w.shard, m->n, sizeof *w.shard, "a table of tensors", err);
	if (st == OD_OK)
		st = cv_alloc_largest(m, &w.values, err);
	if (st != OD_OK)
		goto out;
	plan(&w, dtype, shard_bytes);
	w.progress = od_progress_begin("writing", w.total_bytes, "bytes");
	for (size_t s = 0; st == OD_OK && s < w.n_shards; s++, first = end) {
		for (end = first; end < m->n && w.shard[end] == s;)
			end++;
		st = write_shard(&w, s, first, end, err);
	}
	od_progress_end(w.progress);
	if (st == OD_OK && w.n_shards > 1)
		st = write_index(&w, err);
out:
	free(w.values);
	free(w.shard);
	free(w.tensors);
	return st;
}

/* ---- the other files --------------------------------------------------------------------------------------------- */

/* config.json as it was but for the dtype, under whichever of its two names is there. */
static enum od_status
write_config(const struct cv_model *m, const char *out, enum cv_dtype dtype, struct od_error *err)
{
	bool bf16 = dtype == CV_BF16 || (m->init && dtype == CV_AUTO && m->tensors[0].dtype == OD_BF16);
	const char *value = bf16 ? "\"bfloat16\"" : "\"float32\"";
	struct od_member members[2];
	struct od_buf text = OD_BUF_INIT;
	json_t *json = NULL;
	size_t n = 0;
	enum od_status st = od_json_parse(m->config.data, m->config.len, "config.json", &json, err);

	if (st == OD_OK && !(m->dir && dtype == CV_AUTO)) {
		if (json_object_get(json, "dtype"))
			members[n++] = (struct od_member){ "dtype", value, strlen(value) };
		if (json_object_get(json, "torch_dtype") || n == 0)
			members[n++] = (struct od_member){ "torch_dtype", value, strlen(value) };
	}
	if (st == OD_OK) {
		od_jsonl_splice(&text, m->config.data, m->config.len, members, n);
		st = cv_write_text(out, "config.json", &text, err);
	}
	json_decref(json);
	od_buf_release(&text);
	return st;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What is written anew, or was read as weights. */
static bool
is_ours(const struct cv_model *m, const char *name)
{
	const char *file;

	for (size_t i = 0; (file = od_safetensors_file(m->weights, i)) != NULL; i++)
		if (strcmp(name, base_name(file)) == 0)
			return true;
	return strcmp(name, "config.json") == 0 || strcmp(name, "model.safetensors.index.json") == 0;
}

static enum od_status
copy_one(const char *from_dir, const char *to_dir, const char *name, struct od_error *err)
{
	char *from = od_path_join(from_dir, name), *to = od_path_join(to_dir, name);
	enum od_status st = OD_OK;
	struct stat sb;

	if (!from || !to)
		st = od_fail_nomem(err, "a path", strlen(name));
	else if (stat(from, &sb) < 0)
		st = od_fail_sys(err, errno, "cannot examine '%s'", from);
	else if (S_ISREG(sb.st_mode))
		st = od_copy_file(from, to, err);
	else
		od_note("left out '%s': not a regular file", from);
	free(from);
	free(to);
	return st;
}

static enum od_status
copy_others(const struct cv_model *m, const char *out, struct od_error *err)
{
	enum od_status st = OD_OK;
	DIR *d = opendir(m->dir);
	struct dirent *e;

	if (!d)
		return od_fail_sys(err, errno, "cannot read directory '%s'", m->dir);
	while (st == OD_OK && (errno = 0, e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !is_ours(m, e->d_name))
			st = copy_one(m->dir, out, e->d_name, err);
	if (st == OD_OK && errno)
		st = od_fail_sys(err, errno, "cannot read directory '%s'", m->dir);
	closedir(d);
	return st;
}

enum od_status
cv_write_dir(const struct cv_model *m, const char *out, enum cv_dtype dtype, int64_t shard_bytes,
	struct od_error *err)
{
	enum od_status st = write_config(m, out, dtype, err);

	if (st == OD_OK && m->dir)
		st = copy_others(m, out, err);
	if (st == OD_OK && m->gguf)
		st = cv_write_gguf_texts(m, out, err);
	if (st == OD_OK)
		st = write_weights(m, out, dtype, shard_bytes, err);
	return st;
}
