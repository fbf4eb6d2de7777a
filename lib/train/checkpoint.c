#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
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
#include "text/tokenizer.h"

#define MAX_JSON ((size_t)16 << 20)

/* Opens dir/name for writing. */
static enum od_status
create(const char *dir, const char *name, struct od_out **out, struct od_error *err)
{
	char *path = od_path_join(dir, name);
	enum od_status st = path ? od_out_open(out, path, err) : od_fail_nomem(err, "a path", strlen(dir));

	free(path);
	return st;
}

/* ---- values, from their owners ---------------------------------------------------------------------------------- */

#define PIECE ((int64_t)1 << 20)           /* floats in memory at a time */

static bool
leads(const struct od_trainer *t)
{
	return t->ranks->rank == 0;
}

/* What a file of parameters holds: its header, and for each parameter the values of each kind. */
struct contents {
	enum od_status (*header)(const struct od_params *p, struct od_out *out, struct od_error *err);
	enum od_vector_kind kind[2];
	int n_kinds;
};

/* A rank 0 that cannot write any more (*written) still takes what the others send. */
static enum od_status
write_values(const struct od_trainer *t, enum od_vector_kind kind, const struct od_param *e, float *piece, struct od_out *out,
	enum od_status *written, struct od_error *err)
{
	int64_t n = e->rows * e->cols;
	enum od_status st = OD_OK;

	for (int64_t at = 0, k; st == OD_OK && at < n; at += k) {
		k = n - at < PIECE ? n - at : PIECE;
		st = od_trainer_fetch(t, kind, e->offset + at, k, piece, *written == OD_OK ? err : NULL);
		if (st == OD_OK && *written == OD_OK && leads(t))
			*written = od_out_write(out, piece, (size_t)k * sizeof *piece, err);
	}
	return st;
}

/* Collective: dir/name on rank 0. */
static enum od_status
write_parameters(const struct od_trainer *t, const struct contents *c, const char *dir, const char *name, struct od_error *err)
{
	const struct od_params *p = &t->model->params;
	struct od_out *out = NULL;
	float *piece = NULL;
	enum od_status st = OD_OK, written = OD_OK, closed;

	if (leads(t)) {
		st = od_alloc(&piece, (size_t)PIECE, sizeof *piece, "a piece of the parameters", err);
		if (st == OD_OK)
			st = create(dir, name, &out, err);
		if (st == OD_OK)
			st = c->header(p, out, err);
	}
	st = od_ranks_agree(t->ranks, st, err);
	if (st == OD_OK) {
		for (int i = 0; st == OD_OK && i < p->n * c->n_kinds; i++)
			st = write_values(t, c->kind[i % c->n_kinds], &p->table[i / c->n_kinds], piece, out, &written, err);
		st = st == OD_OK ? written : st;
		closed = od_out_close(out, st == OD_OK ? err : NULL);
		st = od_ranks_agree(t->ranks, st == OD_OK ? closed : st, err);
	} else {
		(void)od_out_close(out, NULL);
	}
	free(piece);
	return st;
}

/* ---- the model directory --------------------------------------------------------------------------------------- */

static enum od_status
weights_header(const struct od_params *p, struct od_out *out, struct od_error *err)
{
	return od_params_write_header(p, OD_F32, out, err);
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
od_checkpoint_write_model(const struct od_trainer *t, const char *from, const char *dir, struct od_error *err)
{
	static const struct contents weights = { weights_header, { OD_WEIGHTS }, 1 };
	enum od_status st = OD_OK;

	if (leads(t)) {
		st = write_config(t->model, from, dir, err);
		if (st == OD_OK)
			st = carry_file(from, dir, "generation_config.json", err);
		for (size_t i = 0; st == OD_OK && od_tokenizer_files[i]; i++)
			st = carry_file(from, dir, od_tokenizer_files[i], err);
	}
	st = od_ranks_agree(t->ranks, st, err);
	return st == OD_OK ? write_parameters(t, &weights, dir, "model.safetensors", err) : st;
}

/* ---- moments --------------------------------------------------------------------------------------------------- */

#define NAME_SIZE 128

static const char *const moment_prefix[2] = { "exp_avg.", "exp_avg_sq." };

static enum od_status
moments_header(const struct od_params *p, struct od_out *out, struct od_error *err)
{
	size_t n = 2 * (size_t)p->n;
	struct od_tensor_out *t = od_calloc(n, sizeof *t);
	char (*name)[NAME_SIZE] = od_calloc(n, NAME_SIZE);
	enum od_status st = t && name ? OD_OK : od_fail_nomem(err, "a tensor table", n * sizeof *t);

	for (size_t i = 0; st == OD_OK && i < n; i++) {
		const struct od_param *e = &p->table[i / 2];

		snprintf(name[i], NAME_SIZE, "%s%s", moment_prefix[i % 2], e->name);
		t[i] = (struct od_tensor_out){ .name = name[i], .dtype = OD_F32, .n_dims = e->n_dims,
			.shape = { e->rows, e->cols } };
	}
	if (st == OD_OK)
		st = od_safetensors_write_header(out, t, n, NULL, 0, err);
	free(t);
	free(name);
	return st;
}

enum od_status
od_checkpoint_load(struct od_trainer *t, const char *dir, const struct od_run_state *state, struct od_error *err)
{
	char *path = od_path_join(dir, "optimizer.safetensors");
	struct od_safetensors *s = NULL;
	enum od_status st = path ? od_safetensors_open(&s, path, err) : od_fail_nomem(err, "a path", strlen(dir));

	for (int second = 0; st == OD_OK && second < 2; second++) {
		st = od_shard_read(&t->shard, &t->model->params, s, moment_prefix[second], t->model->be, second ? t->v : t->m,
			err);
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
	static const struct contents moments = { moments_header, { OD_FIRST_MOMENT, OD_SECOND_MOMENT }, 2 };
	struct od_atomic_dir tmp = OD_ATOMIC_DIR_INIT;
	enum od_status st = leads(t) ? od_atomic_dir_begin(&tmp, dir, err) : OD_OK;

	st = od_ranks_agree(t->ranks, st, err);
	if (st == OD_OK)
		st = od_checkpoint_write_model(t, from, tmp.temp, err);
	if (st == OD_OK)
		st = write_parameters(t, &moments, tmp.temp, "optimizer.safetensors", err);
	if (st == OD_OK) {
		if (leads(t)) {
			st = write_state(state, tmp.temp, err);
			if (st == OD_OK)
				st = od_atomic_dir_commit(&tmp, true, err);
		}
		st = od_ranks_agree(t->ranks, st, err);
	}
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
