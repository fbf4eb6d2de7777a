#include "io/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

enum { VERSION = 3, ALIGNMENT = 32 };

static void
put_u32(struct od_buf *b, uint32_t v)
{
	char bytes[4];

	od_put_le32(bytes, v);
	od_buf_append(b, bytes, 4);
}

static void
put_u64(struct od_buf *b, uint64_t v)
{
	char bytes[8];

	od_put_le64(bytes, v);
	od_buf_append(b, bytes, 8);
}

static void
put_f32(struct od_buf *b, float v)
{
	uint32_t u;

	memcpy(&u, &v, 4);
	put_u32(b, u);
}

static void
put_string(struct od_buf *b, const char *s, size_t n)
{
	put_u64(b, n);
	od_buf_append(b, s, n);
}

static void
put_key(struct od_gguf_writer *w, const char *key, enum od_gguf_value type)
{
	put_string(&w->kv, key, strlen(key));
	put_u32(&w->kv, type);
	w->n_kv++;
}

static void
put_array(struct od_gguf_writer *w, const char *key, enum od_gguf_value type, size_t n)
{
	put_key(w, key, OD_GGUF_ARRAY);
	put_u32(&w->kv, type);
	put_u64(&w->kv, n);
}

void
od_gguf_put_u32(struct od_gguf_writer *w, const char *key, uint32_t v)
{
	put_key(w, key, OD_GGUF_U32);
	put_u32(&w->kv, v);
}

void
od_gguf_put_f32(struct od_gguf_writer *w, const char *key, float v)
{
	put_key(w, key, OD_GGUF_F32);
	put_f32(&w->kv, v);
}

void
od_gguf_put_bool(struct od_gguf_writer *w, const char *key, bool v)
{
	put_key(w, key, OD_GGUF_BOOL);
	od_buf_char(&w->kv, v ? 1 : 0);
}

void
od_gguf_put_text(struct od_gguf_writer *w, const char *key, const char *s, size_t n)
{
	put_key(w, key, OD_GGUF_STRING);
	put_string(&w->kv, s, n);
}

void
od_gguf_put_texts(struct od_gguf_writer *w, const char *key, const struct od_gguf_string *s, size_t n)
{
	put_array(w, key, OD_GGUF_STRING, n);
	for (size_t i = 0; i < n; i++)
		put_string(&w->kv, s[i].s, s[i].n);
}

void
od_gguf_put_i32s(struct od_gguf_writer *w, const char *key, const int32_t *v, size_t n)
{
	put_array(w, key, OD_GGUF_I32, n);
	for (size_t i = 0; i < n; i++)
		put_u32(&w->kv, (uint32_t)v[i]);
}

void
od_gguf_put_f32s(struct od_gguf_writer *w, const char *key, const float *v, size_t n)
{
	put_array(w, key, OD_GGUF_F32, n);
	for (size_t i = 0; i < n; i++)
		put_f32(&w->kv, v[i]);
}

void
od_gguf_writer_release(struct od_gguf_writer *w)
{
	od_buf_release(&w->kv);
	w->n_kv = 0;
}

static size_t
padding(size_t n)
{
	return (ALIGNMENT - n % ALIGNMENT) % ALIGNMENT;
}

static enum od_status
tensor_size(const struct od_gguf_tensor *t, size_t *elements, size_t *bytes, struct od_error *err)
{
	bool fits = t->n_dims >= 1 && t->n_dims <= OD_GGUF_MAX_DIMS &&
		(t->type == OD_GGML_F32 || t->type == OD_GGML_F16 || t->type == OD_GGML_BF16);

	*elements = 1;
	for (int i = 0; fits && i < t->n_dims; i++)
		fits = t->shape[i] > 0 && od_mul_size(*elements, (size_t)t->shape[i], elements);
	if (!fits || !od_mul_size(*elements, t->type == OD_GGML_F32 ? 4 : 2, bytes) || *bytes > SIZE_MAX - ALIGNMENT)
		return od_fail(err, OD_EUSAGE, "cannot write tensor '%s': GGUF has no such shape or type", t->name);
	return OD_OK;
}

enum od_status
od_gguf_write_header(struct od_out *out, const struct od_gguf_writer *w, const struct od_gguf_tensor *tensors,
	size_t n, struct od_error *err)
{
	struct od_buf b = OD_BUF_INIT;
	size_t elements, bytes;
	enum od_status st = OD_OK;
	uint64_t at = 0;

	od_buf_append(&b, "GGUF", 4);
	put_u32(&b, VERSION);
	put_u64(&b, n);
	put_u64(&b, w->n_kv);
	od_buf_append(&b, w->kv.data, w->kv.len);
	for (size_t i = 0; st == OD_OK && i < n; i++) {
		st = tensor_size(&tensors[i], &elements, &bytes, err);
		if (st != OD_OK)
			break;
		put_string(&b, tensors[i].name, strlen(tensors[i].name));
		put_u32(&b, (uint32_t)tensors[i].n_dims);
		for (int d = tensors[i].n_dims - 1; d >= 0; d--)
			put_u64(&b, (uint64_t)tensors[i].shape[d]);
		put_u32(&b, tensors[i].type);
		put_u64(&b, at);
		at += bytes + padding(bytes);
	}
	od_buf_append(&b, (char[ALIGNMENT]){ 0 }, padding(b.len));
	if (st == OD_OK && (!od_buf_ok(&b) || !od_buf_ok(&w->kv)))
		st = od_fail_nomem(err, "a GGUF header", b.len);
	if (st == OD_OK)
		st = od_out_write(out, b.data, b.len, err);
	od_buf_release(&b);
	return st;
}

enum od_status
od_gguf_write_tensor(struct od_out *out, const struct od_gguf_tensor *t, const float *data, struct od_error *err)
{
	enum { CHUNK = 1 << 14 };
	uint16_t half[CHUNK];
	size_t elements, bytes, n;
	enum od_status st = tensor_size(t, &elements, &bytes, err);

	if (st == OD_OK && t->type == OD_GGML_F32)
		st = od_out_write(out, data, bytes, err);
	for (size_t at = 0; st == OD_OK && t->type != OD_GGML_F32 && at < elements; at += n) {
		n = elements - at < CHUNK ? elements - at : CHUNK;
		for (size_t i = 0; i < n; i++)
			half[i] = t->type == OD_GGML_BF16 ? od_f32_to_bf16(data[at + i]) : od_f32_to_f16(data[at + i]);
		st = od_out_write(out, half, n * 2, err);
	}
	if (st == OD_OK && padding(bytes))
		st = od_out_write(out, (char[ALIGNMENT]){ 0 }, padding(bytes), err);
	return st;
}
