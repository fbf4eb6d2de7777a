/* convert.h -- a model on its way from one file format to another.
 *
 * An input of either kind becomes a struct cv_model: the text of config.json and a list of tensors under their Hugging
 * Face names, in Hugging Face's arrangement, read one at a time. Outputs are written from that alone.
 *
 *   model.c       directory -> cv_model          to_dir.c    cv_model -> directory
 *   from_gguf.c   GGUF -> cv_model               to_gguf.c   cv_model -> GGUF
 *   gguf_config.c GGUF metadata -> config.json   names.c     the names of tensors in both worlds
 *   gguf_text.c   tokenizer, both ways           rope.c      frequency scaling, both ways
 *   init.c        a configuration and a seed -> cv_model; a tokenizer out of characters
 *   signals.c     an interrupted conversion leaves nothing behind
 *
 * WHAT DIFFERS IN GGUF, as llama.cpp's converter writes it and its loader expects it:
 *   names        blk.0.attn_q.weight for model.layers.0.self_attn.q_proj.weight (names.c)
 *   llama        rows of q and k (weights and biases) are interleaved: row 2i + j of a head is row j * dim/2 + i here.
 *                Not so for qwen2 and gemma2.
 *   gemma2       gains of norms are stored as 1 + w. w cannot be had back exactly from the float32 sum, so what the
 *                rounding took is kept in an array "omnidpo.residual.NAME" that other programs ignore.
 *   llama3 rope  the scaled frequencies' divisors are a tensor, rope_freqs.weight
 *   vectors      norms and biases are float32 whatever the matrices are
 *   the rest     config.json, generation_config.json and tokenizer_config.json travel as text in "omnidpo.*" and
 *                tokenizer.json in "tokenizer.huggingface.json", for the way back
 */
#ifndef OD_TOOLS_CONVERT_H
#define OD_TOOLS_CONVERT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "model/config.h"
#include "tools/common/cli.h"

#define CV_KEY_CONFIG "omnidpo.config_json"
#define CV_KEY_GENERATION "omnidpo.generation_config_json"
#define CV_KEY_TOKENIZER_CONFIG "omnidpo.tokenizer_config_json"
#define CV_KEY_TOKENIZER "tokenizer.huggingface.json"
#define CV_KEY_RESIDUAL "omnidpo.residual."
#define CV_ROPE_FREQS "rope_freqs.weight"

enum cv_dtype { CV_AUTO, CV_F32, CV_BF16 };

struct cv_tensor {
	char *name;                                /* Hugging Face's */
	int n_dims;
	int64_t shape[OD_TENSOR_MAX_DIMS];
	int64_t n_elements;
	enum od_dtype dtype;                       /* of a plain input; OD_F32 for quantised ones */
	const struct od_tensor_view *view;         /* input: one of these three */
	const struct od_gguf_tensor *gguf;
	const struct cv_init *init;                /* to be drawn: number 'param' of its table */
	int param;
	int64_t interleaved_heads;                 /* > 0: rows to be put back in order, so many heads */
	bool minus_one;                            /* 1 to be subtracted; residual[n_elements], if any, added */
	float *residual;
};

struct cv_model {
	struct od_buf config;                      /* text of config.json */
	struct cv_tensor *tensors;
	size_t n, cap;
	const char *dir;                           /* the directory it came from, or NULL */
	struct od_safetensors *weights;
	struct od_gguf *gguf;
	struct cv_init *init;
};

#define CV_MODEL_INIT { .config = OD_BUF_INIT }

void cv_release(struct cv_model *m);

OD_MUST_CHECK enum od_status cv_open_dir(struct cv_model *m, const char *dir, struct od_error *err);
OD_MUST_CHECK enum od_status cv_open_gguf(struct cv_model *m, const char *path, struct od_error *err);

/* Out of nothing: what od-convert's options of these names say. */
struct cv_init_options {
	const char *init, *tokenizer, *vocab_from, *chars;
	int64_t seed;
	double std;                                /* 0: the configuration's initializer_range, or OD_INIT_STD */
};

/* Writes the tokenizer into directory 'out': a new one of characters, or a copy of another directory's, or none. */
OD_MUST_CHECK enum od_status cv_write_tokenizer(const struct cv_init_options *o, const char *out, struct od_error *err);
/* A model of random weights (model/init.h); 'out' has its tokenizer by then and gets generation_config.json. What config.json leaves
 * open of vocab_size, bos_token_id and eos_token_id is the tokenizer's. OD_EMISMATCH when the vocabulary is too small for it. */
OD_MUST_CHECK enum od_status cv_open_init(struct cv_model *m, const struct cv_init_options *o, const char *out, struct od_error *err);
void cv_init_values(const struct cv_tensor *t, float *out);
void cv_init_free(struct cv_init *init);       /* NULL is fine */

/* Appends a tensor of name 'name' (copied) with the shape of a view. */
OD_MUST_CHECK enum od_status cv_add(struct cv_model *m, const char *name, struct cv_tensor **out,
	struct od_error *err);
/* A tensor in Hugging Face's arrangement: out[t->n_elements]. OD_EFORMAT for integers. */
OD_MUST_CHECK enum od_status cv_read(const struct cv_tensor *t, float *out, struct od_error *err);
/* A float buffer that holds any tensor of the model. */
OD_MUST_CHECK enum od_status cv_alloc_largest(const struct cv_model *m, float **out, struct od_error *err);

/* Writes into a directory that exists. */
OD_MUST_CHECK enum od_status cv_write_dir(const struct cv_model *m, const char *out, enum cv_dtype dtype,
	int64_t shard_bytes, struct od_error *err);
OD_MUST_CHECK enum od_status cv_write_gguf(const struct cv_model *m, struct od_out *out, enum cv_dtype dtype,
	struct od_error *err);

/* From now on SIGINT, SIGTERM and SIGHUP remove 'path' (a file or a tree) before they end the program. Called once. */
OD_MUST_CHECK enum od_status cv_remove_on_signal(const char *path, struct od_error *err);

/* Names of one family. OD_EFORMAT never: a name without a counterpart stays as it is. */
void cv_name_to_hf(enum od_family f, const char *gguf, struct od_buf *out);
void cv_name_to_gguf(enum od_family f, const char *hf, struct od_buf *out);
/* How GGUF arranges a tensor of this (GGUF) name. */
bool cv_name_is_interleaved(enum od_family f, const char *gguf, bool *is_key);
bool cv_name_is_plus_one(enum od_family f, const char *gguf);

/* to[i]: rows put into Hugging Face's order, or, with 'back', into GGUF's. rows x cols, 'heads' heads. */
void cv_permute(const float *from, float *to, int64_t rows, int64_t cols, int64_t heads, bool back);

/* config.json from metadata and the tensors' names and shapes. */
OD_MUST_CHECK enum od_status cv_gguf_config(const struct od_gguf *g, json_t **out, enum od_family *family,
	struct od_error *err);
/* JSON as config files have it: indented, shortest numbers, a newline at the end. */
OD_MUST_CHECK enum od_status cv_dump_json(const json_t *json, struct od_buf *out, struct od_error *err);
/* The file 'name' of a directory. */
OD_MUST_CHECK enum od_status cv_write_text(const char *dir, const char *name, const struct od_buf *text, struct od_error *err);
/* The shortest decimal of a float32, as a double: 9.99999974737875e-06 is 1e-05. */
double cv_shorten(double f);

/* llama3 scaling: divisors[dim/2] of the frequencies, and the parameters back from them. */
void cv_rope_divisors(const struct od_model_config *c, float *divisors);
OD_MUST_CHECK enum od_status cv_rope_parameters(const float *divisors, int64_t n, double theta, int64_t context,
	json_t **out, struct od_error *err);

/* tokenizer.json, tokenizer_config.json and generation_config.json into directory 'out'. A GGUF without a tokenizer has
 * none, with a warning. */
OD_MUST_CHECK enum od_status cv_write_gguf_texts(const struct cv_model *m, const char *out, struct od_error *err);
/* The tokenizer of a directory into the metadata of a GGUF; rows of the embedding for its padding. */
OD_MUST_CHECK enum od_status cv_put_tokenizer(const struct cv_model *m, struct od_gguf_writer *w, int64_t rows,
	struct od_error *err);

#endif
