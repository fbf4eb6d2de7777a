#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/atomic.h"
#include "io/jsonl.h"
#include "io/stream.h"

static const char *const family_names[] = { "llama", "qwen2", "gemma2" };
static const char *const known = "llama, qwen2, gemma2";

const char *
od_family_name(enum od_family f)
{
	return family_names[f];
}

/* ---- members with defaults; null counts as absent --------------------------------------------------------------- */

static const json_t *
member(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_null(v) ? NULL : v;
}

static double
number_or(const json_t *o, const char *key, double otherwise)
{
	const json_t *v = member(o, key);

	return json_is_number(v) ? json_number_value(v) : otherwise;
}

static bool
flag_or(const json_t *o, const char *key, bool otherwise)
{
	const json_t *v = member(o, key);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

/* A size that must be there and lie in 1..max. */
static enum od_status
need_size(const json_t *o, const char *key, int64_t max, int64_t *out, struct od_error *err)
{
	const json_t *v = member(o, key);

	if (!v)
		return od_fail(err, OD_EFORMAT, "field '%s' is missing", key);
	if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > max)
		return od_fail(err, OD_EFORMAT, "field '%s' must be an integer from 1 to %lld", key, (long long)max);
	*out = json_integer_value(v);
	return OD_OK;
}

static enum od_status
optional_size(const json_t *o, const char *key, int64_t max, int64_t *out, struct od_error *err)
{
	return member(o, key) ? need_size(o, key, max, out, err) : OD_OK;
}

/* ---- the parts of a configuration ------------------------------------------------------------------------------- */

static enum od_status
read_family(struct od_model_config *c, const json_t *json, struct od_error *err)
{
	const char *type = json_string_value(member(json, "model_type"));

	if (!type)
		return od_fail(err, OD_EFORMAT, "field 'model_type' is missing (known: %s)", known);
	for (int f = 0; f < 3; f++)
		if (strcmp(type, family_names[f]) == 0) {
			c->family = (enum od_family)f;
			return OD_OK;
		}
	return od_fail(err, OD_ESUPPORT, "unknown architecture '%s' (known: %s)", type, known);
}

static enum od_status
read_sizes(struct od_model_config *c, const json_t *json, struct od_error *err)
{
	int64_t layers, heads, kv, dim;
	enum od_status st;

	if ((st = need_size(json, "vocab_size", 1 << 24, &c->vocab_size, err)) != OD_OK ||
	    (st = need_size(json, "hidden_size", 1 << 20, &c->hidden_size, err)) != OD_OK ||
	    (st = need_size(json, "intermediate_size", 1 << 22, &c->intermediate_size, err)) != OD_OK ||
	    (st = need_size(json, "num_hidden_layers", 4096, &layers, err)) != OD_OK ||
	    (st = need_size(json, "num_attention_heads", 4096, &heads, err)) != OD_OK)
		return st;
	kv = heads;
	dim = c->hidden_size / heads;
	c->max_position_embeddings = 1 << 20;
	if ((st = optional_size(json, "num_key_value_heads", 4096, &kv, err)) != OD_OK ||
	    (st = optional_size(json, "head_dim", 4096, &dim, err)) != OD_OK ||
	    (st = optional_size(json, "max_position_embeddings", 1 << 28, &c->max_position_embeddings, err)) != OD_OK)
		return st;
	if (heads % kv)
		return od_fail(err, OD_EFORMAT, "%lld attention heads do not divide over %lld key-value heads",
			(long long)heads, (long long)kv);
	if (dim < 2 || dim % 2)
		return od_fail(err, OD_EFORMAT, "head_dim %lld is not an even number", (long long)dim);
	c->n_layers = (int32_t)layers;
	c->n_heads = (int32_t)heads;
	c->n_kv_heads = (int32_t)kv;
	c->head_dim = (int32_t)dim;
	return OD_OK;
}

/* rope_theta and rope_scaling of the older dialect, rope_parameters of the newer one. */
static enum od_status
read_rope(struct od_model_config *c, const json_t *json, struct od_error *err)
{
	const json_t *scaling = member(json, "rope_scaling"), *merged = member(json, "rope_parameters");
	const char *type;

	c->rope_theta = number_or(json, "rope_theta", 10000);
	if (merged) {
		c->rope_theta = number_or(merged, "rope_theta", c->rope_theta);
		scaling = merged;
	}
	if (!(c->rope_theta > 1))
		return od_fail(err, OD_EFORMAT, "field 'rope_theta' must be greater than 1");
	type = json_string_value(member(scaling, "rope_type"));
	if (!type)
		type = json_string_value(member(scaling, "type"));
	if (!scaling || !type || strcmp(type, "default") == 0)
		return OD_OK;
	if (strcmp(type, "llama3") != 0)
		return od_fail(err, OD_ESUPPORT, "unknown rope scaling '%s' (known: default, llama3)", type);
	c->rope_scaling.llama3 = true;
	c->rope_scaling.factor = number_or(scaling, "factor", 0);
	c->rope_scaling.low_freq_factor = number_or(scaling, "low_freq_factor", 0);
	c->rope_scaling.high_freq_factor = number_or(scaling, "high_freq_factor", 0);
	c->rope_scaling.original_max_position_embeddings =
		number_or(scaling, "original_max_position_embeddings", 0);
	if (!(c->rope_scaling.factor >= 1) || !(c->rope_scaling.low_freq_factor > 0) ||
	    !(c->rope_scaling.high_freq_factor > c->rope_scaling.low_freq_factor) ||
	    !(c->rope_scaling.original_max_position_embeddings > 0))
		return od_fail(err, OD_EFORMAT, "rope scaling 'llama3' needs factor >= 1, "
			"0 < low_freq_factor < high_freq_factor and original_max_position_embeddings");
	return OD_OK;
}

static enum od_status
read_activation(struct od_model_config *c, const json_t *json, struct od_error *err)
{
	const char *name = json_string_value(member(json, "hidden_activation"));

	if (!name && c->family != OD_GEMMA2)
		name = json_string_value(member(json, "hidden_act"));
	if (!name)                       /* Gemma's hidden_act is a legacy key with another meaning */
		name = c->family == OD_GEMMA2 ? "gelu_pytorch_tanh" : "silu";
	if (strcmp(name, "silu") == 0)
		c->act = OD_ACT_SILU;
	else if (strcmp(name, "gelu_pytorch_tanh") == 0)
		c->act = OD_ACT_GELU_TANH;
	else
		return od_fail(err, OD_ESUPPORT, "unknown activation '%s' (known: silu, gelu_pytorch_tanh)", name);
	return OD_OK;
}

/* Qwen2 lists a sliding window that only counts when use_sliding_window is true; no released model sets it, and the
 * reference implementation's eager path ignores it too. */
static enum od_status
read_windows(struct od_model_config *c, const json_t *json, struct od_error *err)
{
	if (c->family == OD_QWEN2 && flag_or(json, "use_sliding_window", false))
		return od_fail(err, OD_ESUPPORT, "use_sliding_window is not known for qwen2");
	if (c->family == OD_GEMMA2) {
		c->window = (int32_t)number_or(json, "sliding_window", 4096);
		c->sliding_even_layers = true;
	}
	return OD_OK;
}

/* The embedding factor as the checkpoint's own dtype rounds it: sqrt(3584) is 59.75 in bfloat16. */
static double
gemma_embed_scale(const struct od_model_config *c, const json_t *json)
{
	const char *dtype = json_string_value(member(json, "torch_dtype"));
	float scale = sqrtf((float)c->hidden_size);

	if (!dtype)
		dtype = json_string_value(member(json, "dtype"));
	if (dtype && strcmp(dtype, "bfloat16") == 0)
		scale = od_bf16_to_f32(od_f32_to_bf16(scale));
	else if (dtype && strcmp(dtype, "float16") == 0)
		scale = od_f16_to_f32(od_f32_to_f16(scale));
	return scale;
}

static void
read_family_traits(struct od_model_config *c, const json_t *json)
{
	bool gemma = c->family == OD_GEMMA2;

	c->rms_norm_eps = number_or(json, "rms_norm_eps", 1e-6);
	c->qkv_bias = c->family == OD_QWEN2 || (!gemma && flag_or(json, "attention_bias", false));
	c->o_bias = c->family == OD_LLAMA && flag_or(json, "attention_bias", false);
	c->mlp_bias = c->family == OD_LLAMA && flag_or(json, "mlp_bias", false);
	c->tie_word_embeddings = flag_or(json, "tie_word_embeddings", gemma);
	c->norm_plus_one = c->post_norms = gemma;
	c->embed_scale = gemma ? gemma_embed_scale(c, json) : 1;
	c->attn_scale = 1 / sqrt(gemma ? number_or(json, "query_pre_attn_scalar", 256) : c->head_dim);
	c->attn_softcap = gemma ? number_or(json, "attn_logit_softcapping", 0) : 0;
	c->final_softcap = gemma ? number_or(json, "final_logit_softcapping", 0) : 0;
}

static bool
is_end(const struct od_model_config *c, int64_t id)
{
	for (int i = 0; i < c->n_eos; i++)
		if (c->eos_token_ids[i] == id)
			return true;
	return false;
}

/* An id, or a list of them. */
static void
add_ends(struct od_model_config *c, const json_t *eos)
{
	size_t n = json_is_array(eos) ? json_array_size(eos) : eos ? 1 : 0;

	for (size_t i = 0; i < n && c->n_eos < 8; i++) {
		const json_t *v = json_is_array(eos) ? json_array_get(eos, i) : eos;

		if (json_is_integer(v) && !is_end(c, json_integer_value(v)))
			c->eos_token_ids[c->n_eos++] = json_integer_value(v);
	}
}

static void
read_special_ids(struct od_model_config *c, const json_t *json)
{
	c->bos_token_id = (int64_t)number_or(json, "bos_token_id", -1);
	add_ends(c, member(json, "eos_token_id"));
}

static void
read_architecture(struct od_model_config *c, const json_t *json)
{
	static const struct {
		const char *what;                  /* behind the family's name */
		enum od_head head;
	} heads[] = {
		{ "ForProcessRewardModel", OD_HEAD_PROCESS }, { "ForRewardModelWithGating", OD_HEAD_GATED },
		{ "ForSequenceClassification", OD_HEAD_SCALAR }, { "ForRewardModel", OD_HEAD_SCALAR },
	};
	const char *name = json_string_value(json_array_get(member(json, "architectures"), 0));
	const char *what = name ? strstr(name, "For") : NULL;

	snprintf(c->architecture, sizeof c->architecture, "%s", name ? name : "");
	for (size_t i = 0; what && i < sizeof heads / sizeof *heads; i++)
		if (strcmp(what, heads[i].what) == 0)
			c->reward.head = heads[i].head;
}

/* The gate's sizes, with the defaults of the published model. */
static enum od_status
read_gate(struct od_model_config *c, const json_t *json, struct od_error *err)
{
	int64_t objectives = 19, layers = 3;
	enum od_status st;

	c->reward.gating_dim = 1024;
	c->reward.gating_temperature = number_or(json, "gating_temperature", 10);
	if ((st = optional_size(json, "num_objectives", 4096, &objectives, err)) != OD_OK ||
	    (st = optional_size(json, "gating_n_hidden", 64, &layers, err)) != OD_OK ||
	    (st = optional_size(json, "gating_hidden_dim", 1 << 20, &c->reward.gating_dim, err)) != OD_OK)
		return st;
	if (!(c->reward.gating_temperature > 0))
		return od_fail(err, OD_EFORMAT, "field 'gating_temperature' must be greater than 0");
	c->reward.n_objectives = (int32_t)objectives;
	c->reward.gating_layers = (int32_t)layers;
	return OD_OK;
}

enum od_status
od_config_read(struct od_model_config *out, const json_t *json, struct od_error *err)
{
	struct od_model_config c = { 0 };
	enum od_status st;

	if (!json_is_object(json))
		return od_fail(err, OD_EFORMAT, "a model configuration must be a JSON object");
	if ((st = read_family(&c, json, err)) != OD_OK || (st = read_sizes(&c, json, err)) != OD_OK ||
	    (st = read_rope(&c, json, err)) != OD_OK || (st = read_activation(&c, json, err)) != OD_OK ||
	    (st = read_windows(&c, json, err)) != OD_OK)
		return st;
	read_family_traits(&c, json);
	read_special_ids(&c, json);
	read_architecture(&c, json);
	if (c.reward.head == OD_HEAD_GATED && (st = read_gate(&c, json, err)) != OD_OK)
		return st;
	if (!(c.rms_norm_eps > 0) || !(c.attn_scale > 0) || !isfinite(c.attn_scale))
		return od_fail(err, OD_EFORMAT, "rms_norm_eps and query_pre_attn_scalar must be positive");
	*out = c;
	return OD_OK;
}

static enum od_status
load_json(json_t **out, const char *path, struct od_error *err)
{
	char *text = NULL;
	size_t len;
	enum od_status st = od_in_slurp(path, 1 << 24, &text, &len, err);

	if (st == OD_OK)
		st = od_json_parse(text, len, path, out, err);
	free(text);
	return st;
}

enum od_status
od_config_load_file(struct od_model_config *c, const char *path, struct od_error *err)
{
	json_t *json = NULL;
	enum od_status st = load_json(&json, path, err);

	if (st == OD_OK) {
		st = od_config_read(c, json, err);
		if (st != OD_OK)
			od_error_prefix(err, "%s: ", path);
	}
	json_decref(json);
	return st;
}

enum od_status
od_config_load_ends(struct od_model_config *c, const char *dir, struct od_error *err)
{
	char path[4096];
	json_t *json = NULL;
	enum od_status st;

	snprintf(path, sizeof path, "%s/generation_config.json", dir);
	if (!od_path_exists(path))
		return OD_OK;
	st = load_json(&json, path, err);
	if (st == OD_OK)
		add_ends(c, json_object_get(json, "eos_token_id"));
	json_decref(json);
	return st;
}

enum od_status
od_config_load(struct od_model_config *c, const char *dir, struct od_error *err)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/config.json", dir);
	return od_config_load_file(c, path, err);
}

int32_t
od_config_window(const struct od_model_config *c, int32_t layer)
{
	return c->sliding_even_layers && layer % 2 == 0 ? c->window : 0;
}

/* The inverse frequency of one pair of dimensions, Llama-3.1's scaling applied: long wavelengths are stretched by the
 * factor, short ones kept, those between interpolated. */
static double
inverse_frequency(const struct od_model_config *c, int i)
{
	double f = pow(c->rope_theta, -2.0 * i / c->head_dim);
	double wavelength = 2 * 3.14159265358979323846 / f;
	double context = c->rope_scaling.original_max_position_embeddings, s;

	if (!c->rope_scaling.llama3 || wavelength < context / c->rope_scaling.high_freq_factor)
		return f;
	if (wavelength > context / c->rope_scaling.low_freq_factor)
		return f / c->rope_scaling.factor;
	s = (context / wavelength - c->rope_scaling.low_freq_factor) /
		(c->rope_scaling.high_freq_factor - c->rope_scaling.low_freq_factor);
	return (1 - s) * f / c->rope_scaling.factor + s * f;
}

void
od_rope_table(const struct od_model_config *c, int64_t n_pos, float *cos_out, float *sin_out)
{
	int half = c->head_dim / 2;

	for (int i = 0; i < half; i++) {
		/* the reference keeps inverse frequencies in fp32; positions multiply the rounded value */
		double f = (float)inverse_frequency(c, i);

		for (int64_t t = 0; t < n_pos; t++) {
			cos_out[t * half + i] = (float)cos((double)t * f);
			sin_out[t * half + i] = (float)sin((double)t * f);
		}
	}
}
