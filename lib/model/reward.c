#include "model/reward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/safetensors.h"
#include "model/params.h"

/* y = W x + b on the host. */
struct dense {
	float *w, *b;                              /* [rows, cols]; [rows] or NULL */
	int64_t rows, cols;
};

/* score.0: its product runs on the backend. */
struct wide {
	void *w;                                   /* [d, d] of the backend's type */
	float *b;                                  /* [d] */
	float *in, *out;                           /* [cap, d] rows and results, fp32 */
	void *cast;                                /* [cap, d] rows in the backend's type; NULL: that is fp32 */
	float *host;                               /* [cap, d] results on the host */
	int64_t cap;
};

struct od_reward {
	enum od_head head;
	struct od_backend *be;
	int64_t d;
	int32_t width;
	bool mlp;                                  /* score.0, ReLU before the last layer */
	struct wide wide;
	struct dense last;                         /* score.2, score or regression_layer */
	struct dense *gating;                      /* [n_gating] */
	int32_t n_gating;
	float *transform;                          /* [width, width] */
	float logit_scale;
	double temperature;
	char hash[OD_HASH_HEX];
};

static const struct {
	const char *what, *example;
} kinds[] = {
	[OD_HEAD_LM] = { "a language model", "LlamaForCausalLM" },
	[OD_HEAD_PROCESS] = { "a process reward model", "Qwen2ForProcessRewardModel" },
	[OD_HEAD_GATED] = { "a gated reward model", "LlamaForRewardModelWithGating" },
	[OD_HEAD_SCALAR] = { "a reward model of one number", "LlamaForSequenceClassification" },
};

enum od_status
od_reward_check(const struct od_model_config *c, enum od_head head, const char *dir, const char *who, struct od_error *err)
{
	if (c->reward.head == head)
		return OD_OK;
	return od_fail(err, OD_EMISMATCH, "%s holds %s (%s), and %s needs %s (%s)", dir, kinds[c->reward.head].what,
		*c->architecture ? c->architecture : "no architecture named", who, kinds[head].what, kinds[head].example);
}

/* ---- loading ------------------------------------------------------------------------------------------------------ */

struct loader {
	const struct od_safetensors *s;
	struct od_sha256 *hash;
	struct od_error *err;
	enum od_status st;                         /* the first failure; later calls do nothing */
};

/* *out := a tensor of rows x cols (cols 0: a vector), converted and hashed. */
static void
take(struct loader *l, float **out, const char *name, int64_t rows, int64_t cols)
{
	struct od_param p = { .rows = rows, .cols = cols ? cols : 1, .n_dims = cols ? 2 : 1 };
	const struct od_tensor_view *t = NULL;

	if (l->st != OD_OK)
		return;
	snprintf(p.name, sizeof p.name, "%s", name);
	l->st = od_param_tensor(&p, l->s, &t, l->err);
	if (l->st == OD_OK)
		l->st = od_alloc(out, (size_t)t->n_elements, sizeof **out, "a reward head", l->err);
	if (l->st == OD_OK)
		l->st = od_tensor_to_f32(t, *out, l->err);
	if (l->st != OD_OK)
		return;
	od_param_hash_head(l->hash, &p);
	od_sha256_add(l->hash, *out, (size_t)t->n_elements * sizeof **out);
}

static void
take_dense(struct loader *l, struct dense *e, const char *prefix, int64_t rows, int64_t cols, bool bias)
{
	char name[64];

	e->rows = rows;
	e->cols = cols;
	snprintf(name, sizeof name, "%s.weight", prefix);
	take(l, &e->w, name, rows, cols);
	snprintf(name, sizeof name, "%s.bias", prefix);
	if (bias)
		take(l, &e->b, name, rows, 0);
}

static void
dense_release(struct dense *e)
{
	free(e->w);
	free(e->b);
}

/* Device memory; the first failure stays in l. */
static void *
device(struct loader *l, struct od_backend *be, int64_t n, size_t size)
{
	void *p = l->st == OD_OK ? be->alloc(be, (size_t)n * size) : NULL;

	if (l->st == OD_OK && !p)
		l->st = od_fail(l->err, OD_ENOMEM, "cannot allocate %zu bytes for a reward head on device %s", (size_t)n * size,
			be->name);
	return p;
}

/* Puts score.0 onto the backend, in its type. */
static void
take_wide(struct loader *l, struct od_reward *r)
{
	struct od_backend *be = r->be;
	struct dense host = { 0 };
	float *staging;
	int64_t d = r->d;

	take_dense(l, &host, "score.0", d, d, true);
	staging = device(l, be, d * d, sizeof *staging);
	r->wide.w = device(l, be, d * d, od_dtype_size(be->type));
	r->wide.b = device(l, be, d, sizeof *r->wide.b);
	if (l->st == OD_OK) {
		be->upload(be, staging, host.w, (size_t)(d * d) * sizeof *staging);
		be->cast(be, od_mat_of(r->wide.w, be->type, d, d), od_mat_f32(staging, d, d));
		be->upload(be, r->wide.b, host.b, (size_t)d * sizeof *host.b);
	}
	be->free(be, staging);
	dense_release(&host);
}

static void
take_gate(struct loader *l, struct od_reward *r, const struct od_model_config *c)
{
	int32_t n = c->reward.gating_layers + 1;
	int64_t in = r->d;
	float *scale = NULL;
	char name[64];

	take(l, &r->transform, "reward_transform_matrix", r->width, r->width);
	take(l, &scale, "gating.logit_scale", 1, 0);
	r->logit_scale = scale ? *scale : 0;
	free(scale);
	if (l->st == OD_OK)
		l->st = od_alloc(&r->gating, (size_t)n, sizeof *r->gating, "a reward head", l->err);
	for (int32_t i = 0; l->st == OD_OK && i < n; i++) {
		int64_t out = i + 1 < n ? c->reward.gating_dim : r->width;

		r->n_gating = i + 1;
		snprintf(name, sizeof name, "gating.layers.%d", i);
		take_dense(l, &r->gating[i], name, out, in, true);
		in = out;
	}
}

/* A classifier of more than one label says no number to go by. */
static void
check_labels(struct loader *l)
{
	const struct od_tensor_view *t = od_safetensors_find(l->s, "score.weight");

	if (l->st == OD_OK && t && t->n_dims == 2 && t->shape[0] != 1)
		l->st = od_fail(l->err, OD_EFORMAT, "tensor 'score.weight' has %lld labels; a reward has one", (long long)t->shape[0]);
}

static void
take_all(struct loader *l, struct od_reward *r, const struct od_model_config *c)
{
	r->mlp = r->head == OD_HEAD_PROCESS || (r->head == OD_HEAD_SCALAR && od_safetensors_find(l->s, "score.0.weight"));
	if (r->head == OD_HEAD_GATED) {
		take_dense(l, &r->last, "regression_layer", r->width, r->d, false);
		take_gate(l, r, c);
	} else if (r->mlp) {
		take_wide(l, r);
		take_dense(l, &r->last, "score.2", r->head == OD_HEAD_PROCESS ? 2 : 1, r->d, true);
	} else {
		check_labels(l);
		take_dense(l, &r->last, "score", 1, r->d, false);
	}
}

enum od_status
od_reward_open(struct od_reward **out, const struct od_model_config *c, const char *dir, struct od_backend *be,
	struct od_error *err)
{
	struct od_safetensors *s = NULL;
	struct loader l = { .err = err };
	struct od_reward *r = NULL;

	l.st = od_alloc(&r, 1, sizeof *r, "a reward head", err);
	if (l.st != OD_OK)
		return l.st;
	r->head = c->reward.head;
	r->be = be;
	r->d = c->hidden_size;
	r->width = r->head == OD_HEAD_GATED ? c->reward.n_objectives : 1;
	r->temperature = c->reward.gating_temperature;
	l.st = od_safetensors_open_dir(&s, dir, err);
	if (l.st == OD_OK)
		l.st = od_sha256_begin(&l.hash, err);
	l.s = s;
	if (l.st == OD_OK)
		take_all(&l, r, c);
	od_sha256_end(l.hash, l.st == OD_OK ? r->hash : NULL);
	od_safetensors_close(s);
	if (l.st == OD_EFORMAT)
		od_error_prefix(err, "%s: ", dir);
	if (l.st == OD_OK)
		*out = r;
	else
		od_reward_close(r);
	return l.st;
}

static void
wide_release(struct wide *w, struct od_backend *be)
{
	be->free(be, w->in);
	be->free(be, w->out);
	be->free(be, w->cast);
	free(w->host);
	w->in = w->out = w->host = NULL;
	w->cast = NULL;
	w->cap = 0;
}

void
od_reward_close(struct od_reward *r)
{
	if (!r)
		return;
	wide_release(&r->wide, r->be);
	r->be->free(r->be, r->wide.w);
	r->be->free(r->be, r->wide.b);
	dense_release(&r->last);
	for (int32_t i = 0; i < r->n_gating; i++)
		dense_release(&r->gating[i]);
	free(r->gating);
	free(r->transform);
	free(r);
}

const char *
od_reward_hash(const struct od_reward *r)
{
	return r->hash;
}

int32_t
od_reward_width(const struct od_reward *r)
{
	return r->width;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

/* Four chains in double, so that the loop is not bound by the latency of one; their order is fixed. */
static float
dot(const float *a, const float *b, int64_t n)
{
	double s[4] = { 0 };
	int64_t i = 0;

	for (; i + 4 <= n; i += 4)
		for (int k = 0; k < 4; k++)
			s[k] += (double)a[i + k] * b[i + k];
	for (; i < n; i++)
		s[0] += (double)a[i] * b[i];
	return (float)(s[0] + s[1] + (s[2] + s[3]));
}

static void
dense_apply(const struct dense *e, const float *x, float *y)
{
#pragma omp parallel for if (e->rows * e->cols > 1 << 16)
	for (int64_t i = 0; i < e->rows; i++)
		y[i] = dot(e->w + i * e->cols, x, e->cols) + (e->b ? e->b[i] : 0);
}

static void
relu(float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = x[i] < 0 ? 0 : x[i];
}

static enum od_status
wide_reserve(struct od_reward *r, int64_t n, struct od_error *err)
{
	struct od_backend *be = r->be;
	struct loader l = { .err = err };
	struct wide *w = &r->wide;

	if (n <= w->cap)
		return OD_OK;
	wide_release(w, be);
	n += n / 2;
	w->in = device(&l, be, n * r->d, sizeof *w->in);
	w->out = device(&l, be, n * r->d, sizeof *w->out);
	if (be->type != OD_F32)
		w->cast = device(&l, be, n * r->d, od_dtype_size(be->type));
	if (l.st == OD_OK)
		l.st = od_alloc(&w->host, (size_t)(n * r->d), sizeof *w->host, "rows of a reward head", err);
	if (l.st == OD_OK)
		w->cap = n;
	return l.st;
}

/* wide.host[n, d] := ReLU(rows W^T + b). */
static enum od_status
wide_apply(struct od_reward *r, const float *rows, int64_t n, struct od_error *err)
{
	struct od_backend *be = r->be;
	struct wide *w = &r->wide;
	enum od_status st = wide_reserve(r, n, err);
	struct od_mat in = od_mat_f32(w->in, n, r->d), out = od_mat_f32(w->out, n, r->d);
	struct od_mat x = w->cast ? od_mat_of(w->cast, be->type, n, r->d) : in;

	if (st != OD_OK)
		return st;
	be->upload(be, w->in, rows, (size_t)(n * r->d) * sizeof *rows);
	if (w->cast)
		be->cast(be, x, in);
	be->gemm(be, out, x, 0, od_mat_of(w->w, be->type, r->d, r->d), 1, 0);
	be->bias_fwd(be, out, w->b);
	be->download(be, w->host, w->out, (size_t)(n * r->d) * sizeof *w->host);
	if (!be->ok(be))
		return od_fail(err, OD_ENOMEM, "the %s backend failed: %s", be->name, be->failure(be));
	relu(w->host, n * r->d);
	return OD_OK;
}

/* The softmax is taken relative to the largest input, in double; the scale may be any number. */
static void
gate_softmax(const struct od_reward *r, float *x)
{
	double top = x[0], sum = 0;

	for (int32_t i = 1; i < r->width; i++)
		top = x[i] > top ? x[i] : top;
	for (int32_t i = 0; i < r->width; i++)
		sum += exp((x[i] - top) / r->temperature);
	for (int32_t i = 0; i < r->width; i++)
		x[i] = (float)(r->logit_scale * exp((x[i] - top) / r->temperature) / sum);
}

/* out[width] := the gate of one row; scratch: twice the widest layer. */
static void
gate_row(const struct od_reward *r, const float *row, float *scratch, int64_t half, float *out)
{
	const float *x = row;

	for (int32_t i = 0; i < r->n_gating; i++) {
		float *y = i + 1 < r->n_gating ? scratch + (i % 2) * half : out;

		dense_apply(&r->gating[i], x, y);
		if (i + 1 < r->n_gating)
			relu(y, r->gating[i].rows);
		x = y;
	}
	gate_softmax(r, out);
}

static enum od_status
gated_rows(const struct od_reward *r, const float *rows, int64_t n, const uint8_t *gate, float *out, struct od_error *err)
{
	int64_t half = r->gating[0].rows;
	float *scratch = NULL;
	enum od_status st = od_alloc(&scratch, (size_t)(2 * half), sizeof *scratch, "a reward head", err);

	for (int64_t i = 0; st == OD_OK && i < n; i++) {
		if (gate[i])
			gate_row(r, rows + i * r->d, scratch, half, out + i * r->width);
		else
			dense_apply(&r->last, rows + i * r->d, out + i * r->width);
	}
	free(scratch);
	return st;
}

enum od_status
od_reward_rows(struct od_reward *r, const float *rows, int64_t n, const uint8_t *gate, float *out, struct od_error *err)
{
	enum od_status st;

	if (n == 0)
		return OD_OK;
	if (r->head == OD_HEAD_GATED)
		return gated_rows(r, rows, n, gate, out, err);
	st = r->mlp ? wide_apply(r, rows, n, err) : OD_OK;
	if (st != OD_OK)
		return st;
	if (r->mlp)
		rows = r->wide.host;
	for (int64_t i = 0; i < n; i++) {
		float y[2];

		dense_apply(&r->last, rows + i * r->d, y);
		out[i] = r->head == OD_HEAD_PROCESS ? (float)(1 / (1 + exp((double)y[0] - y[1]))) : y[0];
	}
	return OD_OK;
}

double
od_reward_gated(const struct od_reward *r, const float *gating, const float *rewards)
{
	double score = 0;

	for (int32_t j = 0; j < r->width; j++) {
		double adjusted = 0;

		for (int32_t i = 0; i < r->width; i++)
			adjusted += (double)rewards[i] * r->transform[i * r->width + j];
		score += gating[j] * adjusted;
	}
	return score;
}
