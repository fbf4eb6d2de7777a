#include "model/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

/* ---- layout ------------------------------------------------------------------------------------------------------- */

#define ALIGN_FLOATS 16

struct layout {
	struct od_params *p;
	size_t cap;
	bool failed;
};

static int64_t
padded(int64_t n)
{
	return (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* Appends one entry and returns its index; cols = 0 makes a vector. */
static int
add(struct layout *l, int64_t rows, int64_t cols, const char *fmt, ...) OD_PRINTF(4, 5);

static int
add(struct layout *l, int64_t rows, int64_t cols, const char *fmt, ...)
{
	struct od_params *p = l->p;
	struct od_param *e;
	va_list ap;

	if (l->failed || !od_grow(&p->table, &l->cap, (size_t)p->n + 1, sizeof *p->table)) {
		l->failed = true;
		return -1;
	}
	e = &p->table[p->n];
	memset(e, 0, sizeof *e);
	va_start(ap, fmt);
	vsnprintf(e->name, sizeof e->name, fmt, ap);
	va_end(ap);
	e->rows = rows;
	e->cols = cols ? cols : 1;
	e->n_dims = cols ? 2 : 1;
	e->offset = p->total;
	e->vector_offset = p->vectors;
	p->count += e->rows * e->cols;
	p->total += padded(e->rows * e->cols);
	if (cols == 0)
		p->vectors += padded(rows);
	return p->n++;
}

static void
add_attention(struct layout *l, struct od_layer_params *lp, const struct od_model_config *c, int i)
{
	int64_t d = c->hidden_size, q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim;

#define ADD(rows, cols, what) add(l, rows, cols, "model.layers.%d.self_attn.%s", i, what)
	lp->q = ADD(q, d, "q_proj.weight");            /* q, k, v stand together: forward multiplies by all at once */
	lp->k = ADD(kv, d, "k_proj.weight");
	lp->v = ADD(kv, d, "v_proj.weight");
	lp->q_bias = c->qkv_bias ? ADD(q, 0, "q_proj.bias") : -1;
	lp->k_bias = c->qkv_bias ? ADD(kv, 0, "k_proj.bias") : -1;
	lp->v_bias = c->qkv_bias ? ADD(kv, 0, "v_proj.bias") : -1;
	lp->o = ADD(d, q, "o_proj.weight");
	lp->o_bias = c->o_bias ? ADD(d, 0, "o_proj.bias") : -1;
#undef ADD
}

static void
add_mlp(struct layout *l, struct od_layer_params *lp, const struct od_model_config *c, int i)
{
	int64_t d = c->hidden_size, f = c->intermediate_size;

#define ADD(rows, cols, what) add(l, rows, cols, "model.layers.%d.mlp.%s", i, what)
	lp->gate = ADD(f, d, "gate_proj.weight");      /* gate and up too */
	lp->up = ADD(f, d, "up_proj.weight");
	lp->gate_bias = c->mlp_bias ? ADD(f, 0, "gate_proj.bias") : -1;
	lp->up_bias = c->mlp_bias ? ADD(f, 0, "up_proj.bias") : -1;
	lp->down = ADD(d, f, "down_proj.weight");
	lp->down_bias = c->mlp_bias ? ADD(d, 0, "down_proj.bias") : -1;
#undef ADD
}

/* post_attention_layernorm means two things: in Llama and Qwen2 the norm before the MLP, in Gemma-2 the norm of the
 * attention's output. */
static void
add_layer(struct layout *l, struct od_layer_params *lp, const struct od_model_config *c, int i)
{
	int64_t d = c->hidden_size;

#define ADD(what) add(l, d, 0, "model.layers.%d.%s.weight", i, what)
	lp->post_attn_norm = lp->post_mlp_norm = -1;
	lp->input_norm = ADD("input_layernorm");
	add_attention(l, lp, c, i);
	if (c->post_norms) {
		lp->post_attn_norm = ADD("post_attention_layernorm");
		lp->pre_mlp_norm = ADD("pre_feedforward_layernorm");
	} else {
		lp->pre_mlp_norm = ADD("post_attention_layernorm");
	}
	add_mlp(l, lp, c, i);
	if (c->post_norms)
		lp->post_mlp_norm = ADD("post_feedforward_layernorm");
#undef ADD
}

enum od_status
od_params_layout(struct od_params *p, const struct od_model_config *c, bool has_head, struct od_error *err)
{
	struct layout l = { p, 0, false };

	memset(p, 0, sizeof *p);
	p->layers = od_calloc((size_t)c->n_layers, sizeof *p->layers);
	if (!p->layers)
		return od_fail_nomem(err, "the parameter table", (unsigned long long)c->n_layers * sizeof *p->layers);
	p->n_layers = c->n_layers;
	p->embed = add(&l, c->vocab_size, c->hidden_size, "model.embed_tokens.weight");
	for (int i = 0; i < c->n_layers; i++)
		add_layer(&l, &p->layers[i], c, i);
	p->final_norm = add(&l, c->hidden_size, 0, "model.norm.weight");
	p->head = p->embed;
	if (!c->tie_word_embeddings && has_head)
		p->head = add(&l, c->vocab_size, c->hidden_size, "lm_head.weight");
	if (l.failed) {
		od_params_release(p);
		return od_fail_nomem(err, "the parameter table", 0);
	}
	return OD_OK;
}

/* Where part i begins; the end of the vector for the number behind the last. */
static int64_t
part_begins(const struct od_params *p, int i)
{
	if (i == 0)
		return 0;
	if (i > p->n_layers + 1)
		return p->total;
	return p->table[i > p->n_layers ? p->final_norm : p->layers[i - 1].input_norm].offset;
}

void
od_params_part(const struct od_params *p, int i, int64_t *first, int64_t *n)
{
	*first = part_begins(p, i);
	*n = part_begins(p, i + 1) - *first;
}

void
od_params_release(struct od_params *p)
{
	free(p->table);
	free(p->layers);
	memset(p, 0, sizeof *p);
}

/* ---- loading ------------------------------------------------------------------------------------------------------ */

static void
shape_text(char text[96], int n_dims, const int64_t *shape)
{
	size_t len = 0;

	for (int i = 0; i < n_dims && len < 80; i++)
		len += (size_t)snprintf(text + len, 96 - len, "%s%lld", i ? ", " : "", (long long)shape[i]);
	text[len] = '\0';
}

static enum od_status
check_shape(const struct od_param *e, const struct od_tensor_view *t, struct od_error *err)
{
	int64_t want[2] = { e->rows, e->cols };
	char have_text[96], want_text[96];

	if (t->n_dims == e->n_dims && memcmp(t->shape, want, (size_t)e->n_dims * sizeof *want) == 0)
		return OD_OK;
	shape_text(have_text, t->n_dims, t->shape);
	shape_text(want_text, e->n_dims, want);
	return od_fail(err, OD_EFORMAT, "tensor '%s' has shape [%s], the configuration asks for [%s]", e->name, have_text,
		want_text);
}

enum od_status
od_param_tensor(const struct od_param *e, const struct od_safetensors *s, const struct od_tensor_view **t, struct od_error *err)
{
	*t = od_safetensors_find(s, e->name);
	if (!*t)
		return od_fail(err, OD_EFORMAT, "tensor '%s' is missing", e->name);
	return check_shape(e, *t, err);
}

void
od_param_hash_head(struct od_sha256 *h, const struct od_param *e)
{
	uint8_t shape[16];

	od_put_le64(shape, (uint64_t)e->rows);
	od_put_le64(shape + 8, (uint64_t)e->cols);
	od_sha256_add(h, e->name, strlen(e->name) + 1);
	od_sha256_add(h, shape, sizeof shape);
}

enum od_status
od_params_hash_file(const struct od_params *p, const struct od_safetensors *s, char hex[OD_HASH_HEX], struct od_error *err)
{
	struct od_sha256 *h = NULL;
	const struct od_tensor_view *t;
	float *one = NULL;
	int64_t largest = 0;
	enum od_status st;

	for (int i = 0; i < p->n; i++)
		largest = p->table[i].rows * p->table[i].cols > largest ? p->table[i].rows * p->table[i].cols : largest;
	st = od_alloc(&one, (size_t)largest, sizeof *one, "a tensor", err);
	if (st == OD_OK)
		st = od_sha256_begin(&h, err);
	for (int i = 0; st == OD_OK && i < p->n; i++) {
		st = od_param_tensor(&p->table[i], s, &t, err);
		if (st == OD_OK)
			st = od_tensor_to_f32(t, one, err);
		if (st == OD_OK) {
			od_param_hash_head(h, &p->table[i]);
			od_sha256_add(h, one, (size_t)t->n_elements * sizeof *one);
		}
	}
	od_sha256_end(h, st == OD_OK ? hex : NULL);
	free(one);
	return st;
}

static void
tensor_of(struct od_tensor_out *t, const struct od_param *e, enum od_dtype dtype, const float *data)
{
	*t = (struct od_tensor_out){ .name = e->name, .dtype = dtype, .n_dims = e->n_dims, .shape = { e->rows, e->cols },
		.data = data, .from_f32 = 1 };
}

enum od_status
od_params_write_header(const struct od_params *p, enum od_dtype dtype, struct od_out *out, struct od_error *err)
{
	static const struct od_metadata meta = { "format", "pt" };      /* what transformers looks for */
	struct od_tensor_out *t = od_calloc((size_t)p->n, sizeof *t);
	enum od_status st;

	if (!t)
		return od_fail_nomem(err, "a tensor table", (unsigned long long)p->n * sizeof *t);
	for (int i = 0; i < p->n; i++)
		tensor_of(&t[i], &p->table[i], dtype, NULL);
	st = od_safetensors_write_header(out, t, (size_t)p->n, &meta, 1, err);
	free(t);
	return st;
}

enum od_status
od_params_write(const struct od_params *p, const float *flat, enum od_dtype dtype, struct od_out *out,
	struct od_error *err)
{
	enum od_status st = od_params_write_header(p, dtype, out, err);

	for (int i = 0; st == OD_OK && i < p->n; i++) {
		struct od_tensor_out t;

		tensor_of(&t, &p->table[i], dtype, flat + p->table[i].offset);
		st = od_safetensors_write_tensor(out, &t, err);
	}
	return st;
}
