#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"

#define CHUNK ((size_t)1 << 16)            /* elements converted at a time */

static enum od_status
tensor_bytes(const struct od_tensor_out *t, size_t *elements, size_t *bytes, struct od_error *err)
{
	bool fits = t->n_dims >= 0 && t->n_dims <= OD_TENSOR_MAX_DIMS;

	*elements = 1;
	for (int i = 0; fits && i < t->n_dims; i++)
		fits = t->shape[i] >= 0 && od_mul_size(*elements, (size_t)t->shape[i], elements);
	if (!fits || !od_mul_size(*elements, od_dtype_size(t->dtype), bytes))
		return od_fail(err, OD_EUSAGE, "cannot write tensor '%s': bad shape", t->name);
	return OD_OK;
}

static void
put_string(struct od_buf *b, const char *s)
{
	od_buf_json_string(b, s, strlen(s));
}

static void
put_metadata(struct od_buf *b, const struct od_metadata *meta, size_t n)
{
	if (n == 0)
		return;
	od_buf_str(b, "\"__metadata__\":{");
	for (size_t i = 0; i < n; i++) {
		if (i)
			od_buf_char(b, ',');
		put_string(b, meta[i].key);
		od_buf_char(b, ':');
		put_string(b, meta[i].value);
	}
	od_buf_char(b, '}');
}

static void
put_entry(struct od_buf *b, const struct od_tensor_out *t, size_t begin, size_t end)
{
	put_string(b, t->name);
	od_buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", od_dtype_name(t->dtype));
	for (int i = 0; i < t->n_dims; i++)
		od_buf_printf(b, "%s%lld", i ? "," : "", (long long)t->shape[i]);
	od_buf_printf(b, "],\"data_offsets\":[%zu,%zu]}", begin, end);
}

/* Length, JSON and padding: everything before the data. */
static enum od_status
make_header(struct od_buf *b, const struct od_tensor_out *tensors, size_t n, const struct od_metadata *meta,
	size_t n_meta, struct od_error *err)
{
	size_t at = 0, elements, bytes;
	enum od_status st;

	od_buf_append(b, "\0\0\0\0\0\0\0\0", 8);
	od_buf_char(b, '{');
	put_metadata(b, meta, n_meta);
	for (size_t i = 0; i < n; i++) {
		st = tensor_bytes(&tensors[i], &elements, &bytes, err);
		if (st != OD_OK)
			return st;
		if (i || n_meta)
			od_buf_char(b, ',');
		put_entry(b, &tensors[i], at, at + bytes);
		at += bytes;
	}
	od_buf_char(b, '}');
	while (od_buf_ok(b) && b->len % 8)
		od_buf_char(b, ' ');
	if (!od_buf_ok(b))
		return od_fail_nomem(err, "a safetensors header", b->len);
	od_put_le64(b->data, b->len - 8);
	return OD_OK;
}

static void
convert(void *to, enum od_dtype type, const float *from, size_t n)
{
	uint16_t *h = to;
	double *d = to;

	for (size_t i = 0; i < n; i++) {
		if (type == OD_BF16)
			h[i] = od_f32_to_bf16(from[i]);
		else if (type == OD_F16)
			h[i] = od_f32_to_f16(from[i]);
		else
			d[i] = (double)from[i];
	}
}

/* float32 that becomes another type, a chunk at a time. */
static enum od_status
write_converted(struct od_out *out, const struct od_tensor_out *t, size_t elements, struct od_error *err)
{
	const float *from = t->data;
	void *chunk = NULL;
	enum od_status st;
	size_t n;

	if (t->dtype != OD_BF16 && t->dtype != OD_F16 && t->dtype != OD_F64)
		return od_fail(err, OD_EUSAGE, "cannot write tensor '%s': float32 does not become %s", t->name,
			od_dtype_name(t->dtype));
	st = od_alloc(&chunk, elements < CHUNK ? elements : CHUNK, sizeof(double), "a conversion buffer", err);
	for (; st == OD_OK && elements; elements -= n, from += n) {
		n = elements < CHUNK ? elements : CHUNK;
		convert(chunk, t->dtype, from, n);
		st = od_out_write(out, chunk, n * od_dtype_size(t->dtype), err);
	}
	free(chunk);
	return st;
}

enum od_status
od_safetensors_write_tensor(struct od_out *out, const struct od_tensor_out *t, struct od_error *err)
{
	size_t elements, bytes;
	enum od_status st = tensor_bytes(t, &elements, &bytes, err);

	if (st != OD_OK || bytes == 0)
		return st;
	if (t->from_f32 && t->dtype != OD_F32)
		return write_converted(out, t, elements, err);
	return od_out_write(out, t->data, bytes, err);
}

enum od_status
od_safetensors_write_header(struct od_out *out, const struct od_tensor_out *tensors, size_t n,
	const struct od_metadata *meta, size_t n_meta, struct od_error *err)
{
	struct od_buf head = OD_BUF_INIT;
	enum od_status st = make_header(&head, tensors, n, meta, n_meta, err);

	if (st == OD_OK)
		st = od_out_write(out, head.data, head.len, err);
	od_buf_release(&head);
	return st;
}

enum od_status
od_safetensors_write(struct od_out *out, const struct od_tensor_out *tensors, size_t n,
	const struct od_metadata *meta, size_t n_meta, struct od_error *err)
{
	enum od_status st = od_safetensors_write_header(out, tensors, n, meta, n_meta, err);

	for (size_t i = 0; st == OD_OK && i < n; i++)
		st = od_safetensors_write_tensor(out, &tensors[i], err);
	return st;
}
