/* config.h -- what a config.json says about a decoder, in both Hugging Face dialects (torch_dtype/rope_theta/
 * rope_scaling, and dtype/rope_parameters/layer_types of transformers 5).
 *
 * Families: llama (Llama-3, 3.1, 3.2, SmolLM2), qwen2 (Qwen2, 2.5), gemma2. What differs between them is data here, not
 * branches in the forward pass: biases, norm form, number of norms, activation, attention scale, soft-caps, windows.
 */
#ifndef OD_MODEL_CONFIG_H
#define OD_MODEL_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/backend.h"

enum od_family { OD_LLAMA, OD_QWEN2, OD_GEMMA2 };

/* What stands on the decoder, by the configuration's 'architectures'. */
enum od_head {
	OD_HEAD_LM,                                /* LlamaForCausalLM, ...; also where nothing is said */
	OD_HEAD_PROCESS,                           /* Qwen2ForProcessRewardModel: good or bad, at the end of each step */
	OD_HEAD_GATED,                             /* LlamaForRewardModelWithGating: objectives weighed by a gate */
	OD_HEAD_SCALAR                             /* *ForSequenceClassification, Qwen2ForRewardModel: one number */
};

struct od_model_config {
	enum od_family family;
	char architecture[64];                     /* the first of 'architectures'; "" when there is none */
	struct {
		enum od_head head;
		int32_t n_objectives, gating_layers;   /* gated: hidden layers of the gate; their width is gating_dim */
		int64_t gating_dim;
		double gating_temperature;
	} reward;
	int64_t vocab_size, hidden_size, intermediate_size;
	int32_t n_layers, n_heads, n_kv_heads, head_dim;
	int64_t max_position_embeddings;
	double rms_norm_eps, rope_theta;
	struct {
		bool llama3;                       /* the frequency-dependent scaling of Llama-3.1 */
		double factor, low_freq_factor, high_freq_factor, original_max_position_embeddings;
	} rope_scaling;
	bool qkv_bias, o_bias, mlp_bias;
	bool tie_word_embeddings;                  /* as the config says; od_params_layout settles a missing lm_head */
	bool norm_plus_one, post_norms;            /* Gemma: gain is 1 + w; four norms a layer */
	enum od_act act;
	double embed_scale;                        /* 1, or sqrt(hidden_size) rounded as the checkpoint's dtype does */
	double attn_scale;
	double attn_softcap, final_softcap;        /* 0 = none */
	int32_t window;                            /* of sliding layers; 0 = none */
	bool sliding_even_layers;                  /* Gemma-2: layers 0, 2, 4, ... slide */
	int64_t bos_token_id;                      /* -1: none */
	int64_t eos_token_ids[8];
	int32_t n_eos;
};

/* Reads a parsed config.json. OD_EFORMAT for missing or nonsensical members (sizes <= 0, heads that do not divide, ...),
 * OD_ESUPPORT for an architecture or rope type this project does not know, naming those it does. */
OD_MUST_CHECK enum od_status od_config_read(struct od_model_config *c, const json_t *json, struct od_error *err);

/* The same from a file. */
OD_MUST_CHECK enum od_status od_config_load_file(struct od_model_config *c, const char *path, struct od_error *err);

/* config.json of a directory. */
OD_MUST_CHECK enum od_status od_config_load(struct od_model_config *c, const char *dir, struct od_error *err);

/* Adds the end tokens that DIR/generation_config.json names to those of the config, where there is such a file: chat models end
 * a turn with a token that config.json may not know of. */
OD_MUST_CHECK enum od_status od_config_load_ends(struct od_model_config *c, const char *dir, struct od_error *err);

/* The window of layer l: 0 = full attention. */
int32_t od_config_window(const struct od_model_config *c, int32_t layer);

const char *od_family_name(enum od_family f);

/* cos, sin [n_pos, head_dim/2] of the rotary embedding, angles in double before the rounding to float. */
void od_rope_table(const struct od_model_config *c, int64_t n_pos, float *cos, float *sin);

#endif
