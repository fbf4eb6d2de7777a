/* Models and tokenizers out of nothing: a configuration and a seed, the characters of a text. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "convert/convert.h"
#include "io/atomic.h"
#include "io/jsonl.h"
#include "io/stream.h"
#include "model/init.h"
#include "text/char_tokenizer.h"
#include "text/tokenizer.h"

#define MAX_CONFIG ((size_t)16 << 20)
#define MAX_CORPUS ((size_t)1 << 30)

struct cv_init {
	struct od_params params;
	struct od_model_config config;
	uint64_t seed;
	double std;
};

void
cv_init_free(struct cv_init *init)
{
	if (init)
		od_params_release(&init->params);
	free(init);
}

void
cv_init_values(const struct cv_tensor *t, float *out)
{
	od_param_init(&t->init->params, &t->init->config, t->param, t->init->seed, t->init->std, out);
}

/* ---- a tokenizer ------------------------------------------------------------------------------------------------- */

static enum od_status
make_tokenizer(const struct cv_init_options *o, const char *out, struct od_error *err)
{
	struct od_buf tokenizer = OD_BUF_INIT, config = OD_BUF_INIT;
	char *text = NULL;
	size_t n = o->chars ? strlen(o->chars) : 0;
	enum od_status st = OD_OK;

	if (!o->chars)
		st = od_in_slurp(o->vocab_from, MAX_CORPUS, &text, &n, err);
	if (st == OD_OK) {
		st = od_char_tokenizer(o->chars ? o->chars : text, n, &tokenizer, &config, err);
		if (st != OD_OK)
			od_error_prefix(err, "%s: ", o->chars ? "--chars" : o->vocab_from);
	}
	if (st == OD_OK)
		st = cv_write_text(out, "tokenizer.json", &tokenizer, err);
	if (st == OD_OK)
		st = cv_write_text(out, "tokenizer_config.json", &config, err);
	od_buf_release(&tokenizer);
	od_buf_release(&config);
	free(text);
	return st;
}

static enum od_status
copy_tokenizer(const char *from, const char *out, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (size_t i = 0; st == OD_OK && od_tokenizer_files[i]; i++) {
		char *a = od_path_join(from, od_tokenizer_files[i]), *b = od_path_join(out, od_tokenizer_files[i]);

		if (!a || !b)
			st = od_fail_nomem(err, "a path", strlen(from));
		else if (od_path_exists(a))
			st = od_copy_file(a, b, err);
		free(a);
		free(b);
	}
	return st;
}

enum od_status
cv_write_tokenizer(const struct cv_init_options *o, const char *out, struct od_error *err)
{
	if (o->chars || o->vocab_from)
		return make_tokenizer(o, out, err);
	return o->tokenizer ? copy_tokenizer(o->tokenizer, out, err) : OD_OK;
}

/* ---- a model ----------------------------------------------------------------------------------------------------- */

static enum od_status
read_config(const char *path, json_t **out, struct od_error *err)
{
	char *text = NULL;
	size_t n = 0;
	enum od_status st = od_in_slurp(path, MAX_CONFIG, &text, &n, err);

	if (st == OD_OK)
		st = od_json_parse(text, n, path, out, err);
	if (st == OD_OK && !json_is_object(*out))
		st = od_fail(err, OD_EFORMAT, "cannot read '%s': not a JSON object", path);
	free(text);
	return st;
}

static bool
lacks(const json_t *config, const char *key)
{
	const json_t *v = json_object_get(config, key);

	return !v || json_is_null(v);
}

static enum od_status
set_if_lacking(json_t *config, const char *key, int64_t value, struct od_error *err)
{
	if (value < 0 || !lacks(config, key))
		return OD_OK;
	return json_object_set_new(config, key, json_integer(value)) == 0 ? OD_OK : od_fail_nomem(err, key, 0);
}

/* What a configuration leaves open is the tokenizer's to say. */
static enum od_status
fit_tokenizer(json_t *config, const char *path, const char *dir, struct od_error *err)
{
	struct od_tokenizer *t = NULL;
	json_int_t size;
	enum od_status st = od_tokenizer_open(&t, dir, err);

	if (st != OD_OK)
		return st;
	st = set_if_lacking(config, "vocab_size", od_tokenizer_size(t), err);
	if (st == OD_OK)
		st = set_if_lacking(config, "bos_token_id", od_tokenizer_bos(t), err);
	if (st == OD_OK)
		st = set_if_lacking(config, "eos_token_id", od_tokenizer_eos(t), err);
	size = json_integer_value(json_object_get(config, "vocab_size"));
	if (st == OD_OK && json_is_integer(json_object_get(config, "vocab_size")) && size < od_tokenizer_size(t))
		st = od_fail(err, OD_EMISMATCH, "'%s' has vocab_size %lld, the tokenizer %d ids: leave vocab_size out, or make it larger",
			path, (long long)size, (int)od_tokenizer_size(t));
	od_tokenizer_close(t);
	return st;
}

/* The type of the weights that the configuration asks for. */
static enum od_dtype
config_dtype(const json_t *config)
{
	const char *name = json_string_value(json_object_get(config, lacks(config, "dtype") ? "torch_dtype" : "dtype"));

	return name && strcmp(name, "bfloat16") == 0 ? OD_BF16 : OD_F32;
}

static enum od_status
read_std(const json_t *config, double given, double *out, struct od_error *err)
{
	const json_t *range = json_object_get(config, "initializer_range");

	*out = given > 0 ? given : OD_INIT_STD;
	if (given > 0 || lacks(config, "initializer_range"))
		return OD_OK;
	*out = json_number_value(range);
	return *out > 0 ? OD_OK : od_fail(err, OD_EFORMAT, "field 'initializer_range' must be a positive number");
}

static enum od_status
name_architecture(json_t *config, enum od_family family, struct od_error *err)
{
	static const char *const names[] = { [OD_LLAMA] = "LlamaForCausalLM", [OD_QWEN2] = "Qwen2ForCausalLM",
		[OD_GEMMA2] = "Gemma2ForCausalLM" };

	if (!lacks(config, "architectures"))
		return OD_OK;
	return json_object_set_new(config, "architectures", json_pack("[s]", names[family])) == 0 ? OD_OK :
		od_fail_nomem(err, "architectures", 0);
}

static enum od_status
list_tensors(struct cv_model *m, enum od_dtype dtype, struct od_error *err)
{
	const struct od_params *p = &m->init->params;
	struct cv_tensor *t;

	for (int i = 0; i < p->n; i++) {
		enum od_status st = cv_add(m, p->table[i].name, &t, err);

		if (st != OD_OK)
			return st;
		t->init = m->init;
		t->param = i;
		t->dtype = dtype;
		t->n_dims = p->table[i].n_dims;
		t->n_elements = p->table[i].rows * p->table[i].cols;
		t->shape[0] = p->table[i].rows;
		t->shape[1] = t->n_dims == 2 ? p->table[i].cols : 0;
	}
	return OD_OK;
}

static enum od_status
lay_out(struct cv_model *m, json_t *config, const struct cv_init_options *o, struct od_error *err)
{
	struct cv_init *init = m->init = od_calloc(1, sizeof *init);
	enum od_status st = init ? od_config_read(&init->config, config, err) : od_fail_nomem(err, "a model", sizeof *init);

	if (st == OD_OK)
		st = read_std(config, o->std, &init->std, err);
	if (st != OD_OK)
		return init ? od_error_prefix(err, "%s: ", o->init) : st;
	init->seed = (uint64_t)o->seed;
	st = od_params_layout(&init->params, &init->config, true, err);
	if (st == OD_OK)
		st = list_tensors(m, config_dtype(config), err);
	return st == OD_OK ? name_architecture(config, init->config.family, err) : st;
}

static enum od_status
write_generation(const json_t *config, const char *out, struct od_error *err)
{
	static const char *const keys[] = { "bos_token_id", "eos_token_id", "pad_token_id" };
	struct od_buf text = OD_BUF_INIT;
	json_t *json = json_object();
	enum od_status st = json ? OD_OK : od_fail_nomem(err, "generation_config.json", 0);

	for (size_t i = 0; st == OD_OK && i < sizeof keys / sizeof *keys; i++)
		if (!lacks(config, keys[i]) && json_object_set(json, keys[i], json_object_get(config, keys[i])) < 0)
			st = od_fail_nomem(err, "generation_config.json", 0);
	if (st == OD_OK)
		st = cv_dump_json(json, &text, err);
	if (st == OD_OK)
		st = cv_write_text(out, "generation_config.json", &text, err);
	od_buf_release(&text);
	json_decref(json);
	return st;
}

enum od_status
cv_open_init(struct cv_model *m, const struct cv_init_options *o, const char *out, struct od_error *err)
{
	bool tokenizer = o->tokenizer || o->chars || o->vocab_from;
	json_t *config = NULL;
	enum od_status st = read_config(o->init, &config, err);

	if (st == OD_OK && tokenizer)
		st = fit_tokenizer(config, o->init, out, err);
	if (st == OD_OK)
		st = lay_out(m, config, o, err);
	if (st == OD_OK)
		st = write_generation(config, out, err);
	if (st == OD_OK)
		st = cv_dump_json(config, &m->config, err);
	json_decref(config);
	return st;
}
