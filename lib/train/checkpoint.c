#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"
#include "io/atomic.h"
#include "io/jsonl.h"
#include "io/map.h"
#include "io/safetensors.h"

#define MAX_JSON ((size_t)16 << 20)

static const char *const carried[] = {
	"generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
	"added_tokens.json", "chat_template.jinja", "chat_template.json", "vocab.json", "merges.txt",
	"tokenizer.model", NULL
};

/* ---- the model directory --------------------------------------------------------------------------------------- */

/* Opens dir/name for writing. */
static enum od_status
create(const char *dir, const char *name, struct od_out **out, struct od_error *err)
{
	char *path = od_path_join(dir, name);
	enum od_status st = path ? od_out_open(out, path, err) : od_fail_nomem(err, "a path", strlen(dir));

	free(path);
	return st;
}

static enum od_status
write_weights(const struct od_model *m, const char *dir, struct od_error *err)
{
	struct od_out *out = NULL;
	float *owned = NULL;
	const float *w;
	enum od_status st, closed;

	st = od_host_floats(m->be, m->weights, m->params.total, &owned, &w, err);
	if (st == OD_OK)
		st = create(dir, "model.safetensors", &out, err);
	if (st == OD_OK)
		st = od_params_write(&m->params, w, OD_F32, out, err);
	closed = od_out_close(out, st == OD_OK ? err : NULL);
	free(owned);
	return st == OD_OK ? closed : st;
}

static enum od_status
write_json(const json_t *json, const char *dir, const char *name, struct od_error *err)
{
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	struct od_out *out = NULL;
	enum od_status st = text ? create(dir, name, &out, err) : od_fail_nomem(err, name, 0);
	enum od_status closed;

	if (st == OD_OK)
		st = od_out_write(out, text, strlen(text), err);
	if (st == OD_OK)
		st = od_out_write(out, "\n", 1, err);
	closed = od_out_close(out, st == OD_OK ? err : NULL);
	free(text);
	return st == OD_OK ? closed : st;
}

static enum od_status
read_json(const char *dir, const char *name, json_t **json, struct od_error *err)
{
	char *path = od_path_join(dir, name), *text = NULL;
	size_t len;
	enum od_status st = path ? od_in_slurp(path, MAX_JSON, &text, &len, err)
		: od_fail_nomem(err, "a path", strlen(dir));

	if (st == OD_OK)
		st = od_json_parse(text, len, path, json, err);
	free(text);
	free(path);
	return st;
}

static enum od_status
write_config(const struct od_model *m, const char *from, const char *dir, struct od_error *err)
{
	static const char *const keys[] = { "torch_dtype", "dtype" };
	json_t *json = NULL;
	enum od_status st = read_json(from, "config.json", &json, err);

	for (size_t i = 0; st == OD_OK && i < 2 && m->config.family != OD_GEMMA2; i++)
		if (json_object_get(json, keys[i]))
			json_object_set_new(json, keys[i], json_string("float32"));
	if (st == OD_OK)
		st = write_json(json, dir, "config.json", err);
	json_decref(json);
	return st;
}

static enum od_status
carry_file(const char *from, const char *dir, const char *name, struct od_error *err)
{
	char *a = od_path_join(from, name), *b = od_path_join(dir, name);
	enum od_status st = OD_OK;

	if (!a || !b)
		st = od_fail_nomem(err, "a path", strlen(dir));
	else if (od_path_exists(a))
		st = od_copy_file(a, b, err);
	free(a);
	free(b);
	return st;
}

enum od_status
od_checkpoint_write_model(const struct od_model *m, const char *from, const char *dir, struct od_error *err)
{
	enum od_status st = write_config(m, from, dir, err);

	for (size_t i = 0; st == OD_OK && carried[i]; i++)
		st = carry_file(from, dir, carried[i], err);
	return st == OD_OK ? write_weights(m, dir, err) : st;
}

/* ---- moments --------------------------------------------------------------------------------------------------- */

#define NAME_SIZE 128

static void
moment_name(char out[NAME_SIZE], const struct od_param *p, int second)
{
	snprintf(out, NAME_SIZE, "%s.%s", second ? "exp_avg_sq" : "exp_avg", p->name);
}

static enum od_status
write_moment_table(const struct od_params *p, const float *const moment[2], struct od_out *out, struct od_error *err)
{
	size_t n = 2 * (size_t)p->n;
	struct od_tensor_out *t = od_calloc(n, sizeof *t);
	char (*name)[NAME_SIZE] = od_calloc(n, NAME_SIZE);
	enum od_status st = t && name ? OD_OK : od_fail_nomem(err, "a tensor table", n * sizeof *t);

	for (size_t i = 0; st == OD_OK && i < n; i++) {
		const struct od_param *e = &p->table[i / 2];

		moment_name(name[i], e, i % 2);
		t[i] = (struct od_tensor_out){ .name = name[i], .dtype = OD_F32, .n_dims = e->n_dims,
			.shape = { e->rows, e->cols }, .data = moment[i % 2] + e->offset };
	}
	if (st == OD_OK)
		st = od_safetensors_write(out, t, n, NULL, 0, err);
	free(t);
	free(name);
	return st;
}

static enum od_status
write_moments(const struct od_trainer *t, const char *dir, struct od_error *err)
{
	const struct od_params *p = &t->model->params;
	float *owned[2] = { NULL, NULL };
	const float *moment[2];
	struct od_out *out = NULL;
	enum od_status st, closed;

	st = od_host_floats(t->model->be, t->m, p->total, &owned[0], &moment[0], err);
	if (st == OD_OK)
		st = od_host_floats(t->model->be, t->v, p->total, &owned[1], &moment[1], err);
	if (st == OD_OK)
		st = create(dir, "optimizer.safetensors", &out, err);
	if (st == OD_OK)
		st = write_moment_table(p, moment, out, err);
	closed = od_out_close(out, st == OD_OK ? err : NULL);
	free(owned[0]);
	free(owned[1]);
	return st == OD_OK ? closed : st;
}

static enum od_status
read_moment(const struct od_safetensors *s, const struct od_param *e, int second, float *flat, struct od_error *err)
{
	char name[NAME_SIZE];
	const struct od_tensor_view *v;

	moment_name(name, e, second);
	v = od_safetensors_find(s, name);
	if (!v || v->dtype != OD_F32 || v->n_elements != e->rows * e->cols)
		return od_fail(err, OD_EFORMAT, "tensor '%s' is missing or has another shape", name);
	return od_tensor_to_f32(v, flat + e->offset, err);
}

static enum od_status
read_moments(struct od_trainer *t, int second, const struct od_safetensors *s, struct od_error *err)
{
	struct od_backend *be = t->model->be;
	const struct od_params *p = &t->model->params;
	float *dev = second ? t->v : t->m, *host = be->host_memory ? dev : od_calloc((size_t)p->total, sizeof *host);
	enum od_status st = host ? OD_OK : od_fail_nomem(err, "the moments", (size_t)p->total * sizeof *host);

	for (int i = 0; st == OD_OK && i < p->n; i++)
		st = read_moment(s, &p->table[i], second, host, err);
	if (host != dev) {
		if (st == OD_OK)
			be->upload(be, dev, host, (size_t)p->total * sizeof *host);
		free(host);
	}
	return st;
}

enum od_status
od_checkpoint_load(struct od_trainer *t, const char *dir, const struct od_run_state *state, struct od_error *err)
{
	char *path = od_path_join(dir, "optimizer.safetensors");
	struct od_safetensors *s = NULL;
	enum od_status st = path ? od_safetensors_open(&s, path, err) : od_fail_nomem(err, "a path", strlen(dir));

	for (int second = 0; st == OD_OK && second < 2; second++) {
		st = read_moments(t, second, s, err);
		if (st != OD_OK)
			od_error_prefix(err, "cannot load '%s': ", path);
	}
	if (st == OD_OK)
		t->step = state->step;
	od_safetensors_close(s);
	free(path);
	return st;
}

/* ---- state.json ------------------------------------------------------------------------------------------------ */

static enum od_status
hash_file(const char *dir, const char *name, char hex[OD_HASH_HEX], int64_t *bytes, struct od_error *err)
{
	char *path = od_path_join(dir, name);
	struct od_map m = OD_MAP_INIT;
	enum od_status st = path ? od_map_open(&m, path, err) : od_fail_nomem(err, "a path", strlen(dir));

	if (st == OD_OK)
		st = od_sha256_hex(m.data, m.n, hex, err);
	*bytes = (int64_t)m.n;
	od_map_close(&m);
	free(path);
	return st;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_listed(const struct dirent *e)
{
	return e->d_name[0] != '.' && strcmp(e->d_name, "state.json") != 0;
}

/* {"model.safetensors":{"bytes":N,"sha256":H}, ...} of everything in dir, in name order. */
static enum od_status
list_files(const char *dir, json_t *files, struct od_error *err)
{
	struct dirent **entry = NULL;
	int n = scandir(dir, &entry, is_listed, by_name);
	enum od_status st = n < 0 ? od_fail_sys(err, errno, "cannot read directory '%s'", dir) : OD_OK;

	for (int i = 0; i < n; i++) {
		char hex[OD_HASH_HEX];
		int64_t bytes;

		if (st == OD_OK)
			st = hash_file(dir, entry[i]->d_name, hex, &bytes, err);
		if (st == OD_OK)
			json_object_set_new(files, entry[i]->d_name, json_pack("{s:I, s:s}", "bytes", (json_int_t)bytes,
				"sha256", hex));
		free(entry[i]);
	}
	free(entry);
	return st;
}

static enum od_status
write_state(const struct od_run_state *s, const char *dir, struct od_error *err)
{
	json_t *files = json_object();
	json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:O}", "format", "od-checkpoint 1",
		"step", (json_int_t)s->step, "metrics_lines", (json_int_t)s->metrics_lines,
		"telemetry_lines", (json_int_t)s->telemetry_lines, "evaluated", (json_int_t)s->evaluated,
		"best_step", (json_int_t)s->best_step, "bad_evals", (json_int_t)s->bad_evals, "best_loss", s->best_loss,
		"files", files);
	enum od_status st = json ? list_files(dir, files, err) : od_fail_nomem(err, "a checkpoint's state", 0);

	if (st == OD_OK)
		st = write_json(json, dir, "state.json", err);
	json_decref(json);
	json_decref(files);
	return st;
}

static enum od_status
check_files(const char *dir, const json_t *files, struct od_error *err)
{
	const char *name;
	json_t *want;

	json_object_foreach((json_t *)files, name, want) {
		const char *hash = json_string_value(json_object_get(want, "sha256"));
		char hex[OD_HASH_HEX];
		int64_t bytes;

		if (strchr(name, '/') || !hash)
			return od_fail(err, OD_EFORMAT, "%s/state.json: damaged list of files", dir);
		if (hash_file(dir, name, hex, &bytes, err) != OD_OK)
			return od_fail(err, OD_EFORMAT, "%s/%s: the checkpoint is damaged: a file it lists is not there", dir,
				name);
		if (bytes != json_integer_value(json_object_get(want, "bytes")) || strcmp(hash, hex) != 0)
			return od_fail(err, OD_EFORMAT, "%s/%s: the checkpoint is damaged: the file is not the one that was "
				"written", dir, name);
	}
	return OD_OK;
}

enum od_status
od_checkpoint_open(const char *dir, struct od_run_state *state, struct od_error *err)
{
	const struct {
		const char *name;
		int64_t *to;
	} field[] = {
		{ "step", &state->step }, { "metrics_lines", &state->metrics_lines },
		{ "telemetry_lines", &state->telemetry_lines }, { "evaluated", &state->evaluated },
		{ "best_step", &state->best_step }, { "bad_evals", &state->bad_evals },
	};
	json_t *json = NULL;
	const json_t *files;
	enum od_status st = read_json(dir, "state.json", &json, err);

	if (st != OD_OK)
		return od_fail(err, OD_EFORMAT, "%s/state.json: the checkpoint is damaged: no readable state", dir);
	for (size_t i = 0; i < sizeof field / sizeof *field && st == OD_OK; i++) {
		const json_t *v = json_object_get(json, field[i].name);

		if (!json_is_integer(v))
			st = od_fail(err, OD_EFORMAT, "%s/state.json: '%s' is missing", dir, field[i].name);
		*field[i].to = json_integer_value(v);
	}
	state->best_loss = json_number_value(json_object_get(json, "best_loss"));
	files = json_object_get(json, "files");
	if (st == OD_OK && (!json_object_get(files, "model.safetensors") ||
	    !json_object_get(files, "optimizer.safetensors")))
		st = od_fail(err, OD_EFORMAT, "%s/state.json: damaged list of files", dir);
	if (st == OD_OK)
		st = check_files(dir, files, err);
	json_decref(json);
	return st;
}

enum od_status
od_checkpoint_save(const struct od_trainer *t, const struct od_run_state *state, const char *from, const char *dir,
	struct od_error *err)
{
	struct od_atomic_dir tmp = OD_ATOMIC_DIR_INIT;
	enum od_status st = od_atomic_dir_begin(&tmp, dir, err);

	if (st == OD_OK)
		st = od_checkpoint_write_model(t->model, from, tmp.temp, err);
	if (st == OD_OK)
		st = write_moments(t, tmp.temp, err);
	if (st == OD_OK)
		st = write_state(state, tmp.temp, err);
	if (st == OD_OK)
		st = od_atomic_dir_commit(&tmp, true, err);
	if (st != OD_OK)
		od_error_prefix(err, "cannot write checkpoint '%s': ", dir);
	od_atomic_dir_release(&tmp);
	return st;
}

static int
by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

enum od_status
od_checkpoint_list(const char *run, int64_t **steps, size_t *n, struct od_error *err)
{
	DIR *d = opendir(run);
	struct dirent *e;
	size_t cap = 0;
	enum od_status st = OD_OK;

	*steps = NULL;
	*n = 0;
	if (!d)
		return od_fail_sys(err, errno, "cannot read directory '%s'", run);
	while (st == OD_OK && (e = readdir(d)) != NULL) {
		int64_t step;

		if (strncmp(e->d_name, "step-", 5) != 0 || !od_num_int(e->d_name + 5, &step) || step < 0)
			continue;
		if (od_grow(steps, &cap, *n + 1, sizeof **steps))
			(*steps)[(*n)++] = step;
		else
			st = od_fail_nomem(err, "a list of checkpoints", (*n + 1) * sizeof **steps);
	}
	closedir(d);
	if (*n)
		qsort(*steps, *n, sizeof **steps, by_number);
	return st;
}
