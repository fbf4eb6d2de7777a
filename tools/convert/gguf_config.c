/* config.json from a GGUF file's metadata. What metadata does not say follows from the tensors: the vocabulary is the
 * embedding's rows, a missing output.weight means a tied head, a bias tensor means the bias option. */
#include <stdio.h>
#include <string.h>

#include "convert/convert.h"

/* Metadata under the architecture's name; the first failure is kept and later reads do nothing. */
struct reader {
	const struct od_gguf *g;
	char arch[32];
	enum od_status st;
	struct od_error *err;
};

static void
key_of(const struct reader *r, const char *name, char key[96])
{
	snprintf(key, 96, "%s.%s", r->arch, name);
}

static bool
has(const struct reader *r, const char *name)
{
	char key[96];

	key_of(r, name, key);
	return od_gguf_has(r->g, key);
}

static int64_t
integer(struct reader *r, const char *name)
{
	int64_t v = 0;
	char key[96];

	key_of(r, name, key);
	if (r->st == OD_OK)
		r->st = od_gguf_int(r->g, key, &v, r->err);
	return v;
}

static int64_t
integer_or(struct reader *r, const char *name, int64_t otherwise)
{
	return has(r, name) ? integer(r, name) : otherwise;
}

static double
number(struct reader *r, const char *name)
{
	double v = 0;
	char key[96];

	key_of(r, name, key);
	if (r->st == OD_OK)
		r->st = od_gguf_number(r->g, key, &v, r->err);
	return cv_shorten(v);
}

static double
number_or(struct reader *r, const char *name, double otherwise)
{
	return has(r, name) ? number(r, name) : otherwise;
}

static enum od_status
read_architecture(struct reader *r, enum od_family *family)
{
	struct od_gguf_string s;
	enum od_status st = od_gguf_text(r->g, "general.architecture", &s, r->err);

	if (st != OD_OK)
		return st;
	snprintf(r->arch, sizeof r->arch, "%.*s", (int)(s.n < 31 ? s.n : 31), s.s);
	for (int f = OD_LLAMA; f <= OD_GEMMA2; f++)
		if (strcmp(r->arch, od_family_name((enum od_family)f)) == 0) {
			*family = (enum od_family)f;
			return OD_OK;
		}
	return od_fail(r->err, OD_ESUPPORT, "unknown architecture '%s' (known: llama, qwen2, gemma2)", r->arch);
}

/* Token ids: absent ones are null, as Hugging Face writes them. */
static void
set_token(json_t *c, const struct od_gguf *g, const char *member, const char *key)
{
	int64_t id;

	if (od_gguf_has(g, key) && od_gguf_int(g, key, &id, NULL) == OD_OK)
		json_object_set_new(c, member, json_integer(id));
	else
		json_object_set_new(c, member, json_null());
}

static void
set_sizes(struct reader *r, json_t *c)
{
	const struct od_gguf_tensor *embed = od_gguf_find(r->g, "token_embd.weight");
	int64_t heads = integer(r, "attention.head_count"), hidden = integer(r, "embedding_length");

	if (r->st == OD_OK && !embed)
		r->st = od_fail(r->err, OD_EFORMAT, "tensor 'token_embd.weight' is missing");
	if (r->st == OD_OK && (heads < 1 || hidden < 1))
		r->st = od_fail(r->err, OD_EFORMAT,
			"keys '%s.attention.head_count' and '%s.embedding_length' must be positive",
			r->arch, r->arch);
	if (r->st != OD_OK)
		return;
	json_object_set_new(c, "vocab_size", json_integer(embed->shape[0]));
	json_object_set_new(c, "hidden_size", json_integer(hidden));
	json_object_set_new(c, "intermediate_size", json_integer(integer(r, "feed_forward_length")));
	json_object_set_new(c, "num_hidden_layers", json_integer(integer(r, "block_count")));
	json_object_set_new(c, "num_attention_heads", json_integer(heads));
	json_object_set_new(c, "num_key_value_heads", json_integer(integer_or(r, "attention.head_count_kv", heads)));
	json_object_set_new(c, "head_dim", json_integer(integer_or(r, "attention.key_length", hidden / heads)));
	json_object_set_new(c, "max_position_embeddings", json_integer(integer(r, "context_length")));
	json_object_set_new(c, "rms_norm_eps", json_real(number(r, "attention.layer_norm_rms_epsilon")));
	json_object_set_new(c, "tie_word_embeddings", json_boolean(!od_gguf_find(r->g, "output.weight")));
}

/* A scaling that only metadata names (linear, yarn) is nothing the engine has. */
static void
check_rope(struct reader *r, const json_t *c)
{
	int64_t dim = json_integer_value(json_object_get(c, "head_dim"));
	struct od_gguf_string type = { "none", 4 };
	char key[96];

	if (r->st != OD_OK)
		return;
	if (integer_or(r, "rope.dimension_count", dim) != dim)
		r->st = od_fail(r->err, OD_ESUPPORT,
			"key '%s.rope.dimension_count': partial rotation is not supported", r->arch);
	key_of(r, "rope.scaling.type", key);
	if (r->st == OD_OK && od_gguf_has(r->g, key))
		r->st = od_gguf_text(r->g, key, &type, r->err);
	if (r->st == OD_OK && !(type.n == 4 && memcmp(type.s, "none", 4) == 0))
		r->st = od_fail(r->err, OD_ESUPPORT,
			"key '%s': rope scaling '%.*s' is not supported (known: llama3)", key,
			(int)(type.n < 31 ? type.n : 31), type.s);
}

static void
set_rope(struct reader *r, json_t *c)
{
	const struct od_gguf_tensor *t = od_gguf_find(r->g, CV_ROPE_FREQS);
	int64_t dim = json_integer_value(json_object_get(c, "head_dim"));
	double theta = number_or(r, "rope.freq_base", 10000);
	json_t *scaling = NULL;
	float divisors[2048];

	check_rope(r, c);
	if (r->st == OD_OK && t) {
		if (t->n_elements != dim / 2 || t->n_elements > 2048)
			r->st = od_fail(r->err, OD_EFORMAT,
				"tensor '%s' has not head_dim / 2 elements", CV_ROPE_FREQS);
		else
			od_gguf_to_f32(t, divisors);
		if (r->st == OD_OK)
			r->st = cv_rope_parameters(divisors, dim / 2, theta, integer_or(r, "rope.scaling.original_context_length", 0),
				&scaling, r->err);
	}
	json_object_set_new(c, "rope_theta", json_real(theta));
	json_object_set_new(c, "rope_scaling", scaling ? scaling : json_null());
}

static void
set_llama(struct reader *r, json_t *c)
{
	json_object_set_new(c, "hidden_act", json_string("silu"));
	json_object_set_new(c, "attention_bias", json_boolean(od_gguf_find(r->g, "blk.0.attn_q.bias") != NULL));
	json_object_set_new(c, "mlp_bias", json_boolean(od_gguf_find(r->g, "blk.0.ffn_gate.bias") != NULL));
}

static void
set_qwen2(struct reader *r, json_t *c)
{
	(void)r;
	json_object_set_new(c, "hidden_act", json_string("silu"));
	json_object_set_new(c, "use_sliding_window", json_false());
}

static void
set_softcap(json_t *c, const char *member, double v)
{
	json_object_set_new(c, member, v != 0 ? json_real(v) : json_null());
}

/* GGUF has no key for query_pre_attn_scalar that every reader of it honours: it is the head's size except in the 27B
 * model (46 layers), where it is hidden_size / heads. attention.scale, where a file has it, says so directly. */
static void
set_gemma2(struct reader *r, json_t *c)
{
	int64_t dim = json_integer_value(json_object_get(c, "head_dim"));
	int64_t hidden = json_integer_value(json_object_get(c, "hidden_size"));
	int64_t heads = json_integer_value(json_object_get(c, "num_attention_heads"));
	double scale = number_or(r, "attention.scale", 0);
	int64_t scalar = integer_or(r, "block_count", 0) == 46 ? hidden / heads : dim;

	if (scale > 1e-4)
		scalar = (int64_t)(1 / (scale * scale) + 0.5);
	json_object_set_new(c, "query_pre_attn_scalar", json_integer(scalar));
	json_object_set_new(c, "hidden_activation", json_string("gelu_pytorch_tanh"));
	json_object_set_new(c, "hidden_act", json_string("gelu_pytorch_tanh"));
	json_object_set_new(c, "attention_bias", json_false());
	json_object_set_new(c, "sliding_window", json_integer(integer_or(r, "attention.sliding_window", 4096)));
	set_softcap(c, "attn_logit_softcapping", number_or(r, "attn_logit_softcapping", 50));
	set_softcap(c, "final_logit_softcapping", number_or(r, "final_logit_softcapping", 30));
}

enum od_status
cv_gguf_config(const struct od_gguf *g, json_t **out, enum od_family *family, struct od_error *err)
{
	static const char *const classes[] = { "LlamaForCausalLM", "Qwen2ForCausalLM", "Gemma2ForCausalLM" };
	static void (*const set_family[])(struct reader *, json_t *) = { set_llama, set_qwen2, set_gemma2 };
	struct reader r = { .g = g, .st = OD_OK, .err = err };
	json_t *c;

	r.st = read_architecture(&r, family);
	if (r.st != OD_OK)
		return r.st;
	c = json_pack("{s:[s], s:s, s:f, s:f, s:b, s:s}", "architectures", classes[*family], "model_type", r.arch,
		"attention_dropout", 0.0, "initializer_range", 0.02, "use_cache", 1, "torch_dtype", "float32");
	if (!c)
		return od_fail_nomem(err, "config.json", 1);
	set_sizes(&r, c);
	if (r.st == OD_OK)
		set_rope(&r, c);
	if (r.st == OD_OK)
		set_family[*family](&r, c);
	set_token(c, g, "bos_token_id", "tokenizer.ggml.bos_token_id");
	set_token(c, g, "eos_token_id", "tokenizer.ggml.eos_token_id");
	set_token(c, g, "pad_token_id", "tokenizer.ggml.padding_token_id");
	if (r.st == OD_OK)
		*out = c;
	else
		json_decref(c);
	return r.st;
}
