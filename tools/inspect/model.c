/* model.c -- od-inspect model: what a model directory holds and what it would take to run it. Reads the configuration and
 * the tensor headers; the weights themselves only for the hash.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/num.h"
#include "inspect/inspect.h"
#include "io/atomic.h"
#include "io/safetensors.h"
#include "model/engine.h"
#include "pref/logps.h"
#include "stats/draw.h"
#include "text/chat.h"
#include "text/tokenizer.h"

struct model_options {
	struct od_common_options common;
	bool json, tensors, hash;
	int64_t tokens;
};

static const struct od_opt model_opts[] = {
	OD_OPT_FLAG(struct model_options, json, "json", "write one JSON object"),
	OD_OPT_FLAG(struct model_options, tensors, "tensors", "list every tensor instead of one line for all layers"),
	OD_OPT_NOFLAG(struct model_options, hash, "no-hash", "do not read the weights to identify them"),
	OD_OPT_INT(struct model_options, tokens, "tokens", "N", 1, 1 << 24,
		"tokens of a batch, for the memory od-ref and od-train would need"),
	OD_OPT_END
};

struct found {
	const char *dir;
	struct od_model model;                     /* config and params only: no weights, no backend */
	struct od_safetensors *file;
	struct od_tokenizer *tokenizer;            /* NULL: tokenizer_note says why */
	const struct od_chat_template *chat;       /* NULL: chat_note says why */
	struct od_error tokenizer_note, chat_note;
	char hash[OD_HASH_HEX];                    /* "" when not asked for */
	int64_t bytes, unused;                     /* of tensor data; tensors that the architecture has no place for */
};

/* ---- gathering ----------------------------------------------------------------------------------------------------- */

static bool
in_layout(const struct od_params *p, const char *name)
{
	for (int i = 0; i < p->n; i++)
		if (strcmp(p->table[i].name, name) == 0)
			return true;
	return false;
}

/* A directory without a tokenizer is still a model; one with a broken tokenizer is worth a note, not a failure. */
static void
look_at_tokenizer(struct found *f)
{
	char *path = od_path_join(f->dir, "tokenizer.json");

	if (path != NULL && !od_path_exists(path))
		od_fail(&f->tokenizer_note, OD_EFORMAT, "none");
	else if (od_tokenizer_open(&f->tokenizer, f->dir, &f->tokenizer_note) != OD_OK)
		f->tokenizer = NULL;
	if (f->tokenizer != NULL && od_chat_detect(&f->chat, f->tokenizer, &f->chat_note) != OD_OK)
		f->chat = NULL;
	free(path);
}

static enum od_status
look_at_weights(struct found *f, bool hash, struct od_error *err)
{
	const struct od_params *p = &f->model.params;
	enum od_status st;

	st = od_params_layout(&f->model.params, &f->model.config, od_safetensors_find(f->file, "lm_head.weight") != NULL, err);
	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < od_safetensors_count(f->file); i++) {
		const struct od_tensor_view *t = od_safetensors_at(f->file, i);

		f->bytes += (int64_t)t->n_bytes;
		f->unused += !in_layout(p, t->name);
	}
	return hash ? od_params_hash_file(p, f->file, f->hash, err) : OD_OK;
}

static enum od_status
gather(struct found *f, const char *dir, const struct model_options *o, struct od_error *err)
{
	struct stat info;
	enum od_status st;

	f->dir = dir;
	if (stat(dir, &info) == 0 && !S_ISDIR(info.st_mode))
		return od_fail(err, OD_EFORMAT, "cannot read model '%s': not a directory", dir);
	st = od_config_load(&f->model.config, dir, err);
	if (st == OD_OK)
		st = od_safetensors_open_dir(&f->file, dir, err);
	if (st == OD_OK) {
		st = look_at_weights(f, o->hash, err);
		if (st == OD_EFORMAT)
			od_error_prefix(err, "%s: ", dir);
	}
	if (st == OD_OK)
		look_at_tokenizer(f);
	return st;
}

static void
found_release(struct found *f)
{
	od_tokenizer_close(f->tokenizer);
	od_safetensors_close(f->file);
	od_params_release(&f->model.params);
}

static int64_t
bytes_of_ref(const struct found *f, int64_t tokens)
{
	return f->model.params.total * (int64_t)sizeof(float) + od_engine_bytes(&f->model.config, OD_F32, false, 0, tokens, tokens);
}

/* Weights, gradients and two moments. */
static int64_t
bytes_of_train(const struct found *f, int64_t tokens)
{
	return 4 * f->model.params.total * (int64_t)sizeof(float) + od_engine_bytes(&f->model.config, OD_F32, true, 0, tokens, tokens);
}

/* ---- tensors, alike ones of all layers in one line ---------------------------------------------------------------- */

struct tensor_row {
	char name[128], shape[96];
	enum od_dtype dtype;
	int64_t count, elements, bytes;
	bool used;
};

static void
shape_text(char text[96], const struct od_tensor_view *t)
{
	size_t n = 0;

	text[0] = '\0';
	for (int i = 0; i < t->n_dims && n < 80; i++)
		n += (size_t)snprintf(text + n, 96 - n, "%s%lld", i > 0 ? " x " : "", (long long)t->shape[i]);
}

/* "model.layers.3.mlp.up_proj.weight" -> "model.layers.*.mlp.up_proj.weight" */
static void
general_name(char *out, size_t size, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; name[i] != '\0' && n + 1 < size;) {
		size_t digits = strspn(name + i, "0123456789");

		if (digits > 0 && i > 0 && name[i - 1] == '.' && name[i + digits] == '.') {
			out[n++] = '*';
			i += digits;
		} else {
			out[n++] = name[i++];
		}
	}
	out[n] = '\0';
}

static struct tensor_row
row_of(const struct found *f, const struct od_tensor_view *t, bool general)
{
	struct tensor_row r = { .dtype = t->dtype, .count = 1, .elements = t->n_elements, .bytes = (int64_t)t->n_bytes,
		.used = in_layout(&f->model.params, t->name) };

	if (general)
		general_name(r.name, sizeof r.name, t->name);
	else
		snprintf(r.name, sizeof r.name, "%s", t->name);
	shape_text(r.shape, t);
	return r;
}

static enum od_status
collect_rows(const struct found *f, bool general, struct tensor_row **rows, size_t *n, struct od_error *err)
{
	size_t count = od_safetensors_count(f->file);
	enum od_status st = od_alloc(rows, count, sizeof **rows, "a table of tensors", err);

	*n = 0;
	for (size_t i = 0; st == OD_OK && i < count; i++) {
		struct tensor_row r = row_of(f, od_safetensors_at(f->file, i), general);
		size_t k = general ? 0 : *n;

		while (k < *n && (strcmp((*rows)[k].name, r.name) != 0 || strcmp((*rows)[k].shape, r.shape) != 0 ||
			(*rows)[k].dtype != r.dtype))
			k++;
		if (k == *n) {
			(*rows)[(*n)++] = r;
			continue;
		}
		(*rows)[k].count++;
		(*rows)[k].elements += r.elements;
		(*rows)[k].bytes += r.bytes;
	}
	return st;
}

/* "BF16", "F32 and BF16": the types that the file's tensors have. */
static void
dtypes_text(const struct found *f, struct od_buf *out)
{
	bool seen[OD_N_DTYPES] = { false };
	size_t left = out->len;

	for (size_t i = 0; i < od_safetensors_count(f->file); i++)
		seen[od_safetensors_at(f->file, i)->dtype] = true;
	for (int d = 0; d < OD_N_DTYPES; d++)
		if (seen[d])
			od_buf_printf(out, "%s%s", out->len > left ? " and " : "", od_dtype_name((enum od_dtype)d));
}

/* ---- for people ----------------------------------------------------------------------------------------------------- */

static void
field(struct od_table *t, const char *name, const char *value)
{
	od_table_cell(t, name);
	od_table_cell(t, value);
}

static void
count_field(struct od_table *t, const char *name, int64_t v, const char *unit)
{
	char text[OD_NUMBER_TEXT];

	od_count_text(text, v);
	od_table_cell(t, name);
	od_table_cellf(t, "%s%s", text, unit);
}

static void
bytes_field(struct od_table *t, const char *name, int64_t bytes, const char *how)
{
	char text[OD_NUM_TEXT];

	od_num_human_bytes(text, (double)bytes);
	od_table_cell(t, name);
	od_table_cellf(t, "%s%s", text, how);
}

static void
describe_config(struct od_table *t, const struct found *f)
{
	const struct od_model_config *c = &f->model.config;

	field(t, "architecture", od_family_name(c->family));
	od_table_cell(t, "layers");
	od_table_cellf(t, "%d of %lld, feed-forward %lld", c->n_layers, (long long)c->hidden_size,
		(long long)c->intermediate_size);
	od_table_cell(t, "heads");
	od_table_cellf(t, "%d of %d, %d for keys and values", c->n_heads, c->head_dim, c->n_kv_heads);
	count_field(t, "vocabulary", c->vocab_size, "");
	count_field(t, "positions", c->max_position_embeddings, "");
	od_table_cell(t, "rotary base");
	od_table_cellf(t, "%g%s", c->rope_theta, c->rope_scaling.llama3 ? ", Llama-3.1 scaling" : "");
	if (c->window > 0) {
		od_table_cell(t, "window");
		od_table_cellf(t, "%d in %s layers", c->window, c->sliding_even_layers ? "even" : "all");
	}
	if (c->attn_softcap > 0 || c->final_softcap > 0) {
		od_table_cell(t, "soft-caps");
		od_table_cellf(t, "attention %g, logits %g", c->attn_softcap, c->final_softcap);
	}
}

static void
describe_tokenizer(struct od_table *t, const struct found *f)
{
	const struct od_tokenizer *k = f->tokenizer;
	const int32_t special[] = { k != NULL ? od_tokenizer_bos(k) : -1, k != NULL ? od_tokenizer_eos(k) : -1 };

	if (k == NULL) {
		field(t, "tokenizer", f->tokenizer_note.msg);
		return;
	}
	count_field(t, "tokenizer", od_tokenizer_size(k), " ids");
	for (int i = 0; i < 2; i++) {
		od_table_cell(t, i == 0 ? "  first token" : "  end token");
		if (special[i] < 0)
			od_table_cell(t, "none");
		else
			od_table_cellf(t, "%d %s%s", special[i], od_tokenizer_piece(k, special[i]),
				i == 0 && !od_tokenizer_adds_bos(k) ? ", not added by itself" : "");
	}
	field(t, "  hash", od_tokenizer_hash(k));
	field(t, "chat template", f->chat != NULL ? od_chat_name(f->chat) : f->chat_note.msg);
}

static enum od_status
tensor_table(struct od_buf *out, const struct found *f, bool every, struct od_error *err)
{
	struct od_table t = OD_TABLE_INIT(6, "lrlrrl");
	struct tensor_row *rows;
	size_t n;
	enum od_status st = collect_rows(f, !every, &rows, &n, err);

	if (st != OD_OK)
		return st;
	for (const char *const *h = (const char *const[]){ "tensor", "times", "shape", "type", "parameters", "", NULL }; *h; h++)
		od_table_cell(&t, *h);
	for (size_t i = 0; i < n; i++) {
		char elements[OD_NUMBER_TEXT];

		od_count_text(elements, rows[i].elements);
		od_table_cell(&t, rows[i].name);
		od_table_cellf(&t, "%lld", (long long)rows[i].count);
		od_table_cell(&t, rows[i].shape);
		od_table_cell(&t, od_dtype_name(rows[i].dtype));
		od_table_cell(&t, elements);
		od_table_cell(&t, rows[i].used ? "" : "unused");
	}
	od_buf_char(out, '\n');
	od_table_render(&t, out, "");
	od_table_release(&t);
	free(rows);
	return OD_OK;
}

static enum od_status
build_table(struct od_buf *out, const struct found *f, const struct model_options *o, struct od_error *err)
{
	struct od_table t = OD_TABLE_INIT(2, "ll");
	struct od_buf types = OD_BUF_INIT;
	char how[64];

	snprintf(how, sizeof how, " at %lld tokens a batch", (long long)o->tokens);
	field(&t, "model", f->dir);
	describe_config(&t, f);
	count_field(&t, "parameters", f->model.params.count,
		f->model.params.head == f->model.params.embed ? ", head tied to the embedding" : ", head of its own");
	dtypes_text(f, &types);
	od_table_cell(&t, "in the file");
	od_table_cellf(&t, "%zu tensors, %s", od_safetensors_count(f->file), od_buf_ok(&types) ? types.data : "");
	bytes_field(&t, "  size", f->bytes, "");
	if (f->hash[0] != '\0')
		field(&t, "  hash", f->hash);
	describe_tokenizer(&t, f);
	bytes_field(&t, "memory, od-ref", bytes_of_ref(f, o->tokens), how);
	bytes_field(&t, "memory, od-train", bytes_of_train(f, o->tokens), how);
	od_table_render(&t, out, "");
	od_table_release(&t);
	od_buf_release(&types);
	return tensor_table(out, f, o->tensors, err);
}

/* ---- for programs --------------------------------------------------------------------------------------------------- */

static void
put_string(struct od_buf *out, const char *name, const char *value)
{
	od_buf_printf(out, ",\"%s\":", name);
	if (value == NULL)
		od_buf_str(out, "null");
	else
		od_buf_json_string(out, value, strlen(value));
}

static void
put_int(struct od_buf *out, const char *name, int64_t v)
{
	od_buf_printf(out, ",\"%s\":%lld", name, (long long)v);
}

static void
put_tokenizer(struct od_buf *out, const struct found *f)
{
	const struct od_tokenizer *t = f->tokenizer;

	od_buf_str(out, ",\"tokenizer\":");
	if (t == NULL) {
		od_buf_str(out, "null");
	} else {
		od_buf_printf(out, "{\"size\":%d,\"bos\":%d,\"eos\":%d,\"adds_bos\":%s", od_tokenizer_size(t),
			od_tokenizer_bos(t), od_tokenizer_eos(t), od_tokenizer_adds_bos(t) ? "true" : "false");
		put_string(out, "hash", od_tokenizer_hash(t));
		od_buf_char(out, '}');
	}
	put_string(out, "chat_template", f->chat != NULL ? od_chat_name(f->chat) : NULL);
}

static void
put_tensors(struct od_buf *out, const struct found *f)
{
	od_buf_str(out, ",\"tensors\":[");
	for (size_t i = 0; i < od_safetensors_count(f->file); i++) {
		const struct od_tensor_view *t = od_safetensors_at(f->file, i);

		od_buf_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		od_buf_json_string(out, t->name, strlen(t->name));
		put_string(out, "dtype", od_dtype_name(t->dtype));
		od_buf_str(out, ",\"shape\":[");
		for (int d = 0; d < t->n_dims; d++)
			od_buf_printf(out, "%s%lld", d > 0 ? "," : "", (long long)t->shape[d]);
		od_buf_printf(out, "],\"used\":%s}", in_layout(&f->model.params, t->name) ? "true" : "false");
	}
	od_buf_char(out, ']');
}

static void
build_json(struct od_buf *out, const struct found *f, const struct model_options *o)
{
	const struct od_model_config *c = &f->model.config;

	od_buf_str(out, "{\"path\":");
	od_buf_json_string(out, f->dir, strlen(f->dir));
	put_string(out, "architecture", od_family_name(c->family));
	put_int(out, "layers", c->n_layers);
	put_int(out, "hidden_size", c->hidden_size);
	put_int(out, "intermediate_size", c->intermediate_size);
	put_int(out, "heads", c->n_heads);
	put_int(out, "kv_heads", c->n_kv_heads);
	put_int(out, "head_dim", c->head_dim);
	put_int(out, "vocab_size", c->vocab_size);
	put_int(out, "positions", c->max_position_embeddings);
	put_int(out, "parameters", f->model.params.count);
	od_buf_printf(out, ",\"tied\":%s", f->model.params.head == f->model.params.embed ? "true" : "false");
	put_int(out, "bytes", f->bytes);
	put_string(out, "hash", f->hash[0] != '\0' ? f->hash : NULL);
	put_tokenizer(out, f);
	od_buf_printf(out, ",\"memory\":{\"tokens\":%lld,\"ref\":%lld,\"train\":%lld}", (long long)o->tokens,
		(long long)bytes_of_ref(f, o->tokens), (long long)bytes_of_train(f, o->tokens));
	put_tensors(out, f);
	od_buf_str(out, "}\n");
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static void
show(const struct model_options *o, const char *dir, struct od_error *err)
{
	struct found f = { .tokenizer_note = OD_ERROR_INIT, .chat_note = OD_ERROR_INIT };
	struct od_buf text = OD_BUF_INIT;
	enum od_status st = gather(&f, dir, o, err);

	if (st == OD_OK && o->json)
		build_json(&text, &f, o);
	else if (st == OD_OK)
		st = build_table(&text, &f, o, err);
	if (st == OD_OK && !od_buf_ok(&text))
		st = od_fail_nomem(err, "a report", text.len);
	if (st == OD_OK)
		fwrite(text.data, 1, text.len, stdout);        /* od_cli_end reports what went wrong */
	if (st == OD_OK && f.unused > 0)
		od_note("%lld tensors of '%s' are not part of the architecture", (long long)f.unused, dir);
	od_buf_release(&text);
	found_release(&f);
}

int
od_inspect_model(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-inspect",
		.summary = "show what a model directory holds and what it takes to run it",
		.usage = "model [OPTION...] DIR",
		.epilog = "DIR is a Hugging Face model directory: config.json, safetensors, tokenizer files.",
	};
	struct model_options o = { .common = OD_COMMON_OPTIONS_INIT, .hash = true, .tokens = OD_LOGPS_BATCH_TOKENS };
	struct od_opt_group groups[] = { { "Model", model_opts, &o, NULL }, { "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *names;
	size_t n;

	od_cli_begin(&tool, &o.common);
	names = od_cli_parse(groups, 2, argc, argv, &n);
	if (n != 1)
		od_fail(&err, OD_EUSAGE, n == 0 ? "missing operand: a model directory" : "one model directory at a time");
	else
		show(&o, names[0], &err);
	return od_cli_end(&err, 0);
}
