/* gguf.h -- read and write GGUF model files, versions 2 and 3, little-endian.
 *
 * Layout: "GGUF"  u32 version  u64 n_tensors  u64 n_kv
 *         n_kv times      string key, u32 type, value
 *         n_tensors times string name, u32 n_dims, u64 dims[n_dims] (fastest first), u32 type, u64 offset
 *         padding to general.alignment (default 32), then the data; offsets count from here and are aligned
 * A string is a u64 length and that many bytes; an array is a u32 element type, a u64 count and the elements.
 *
 * The file is mapped read-only; everything handed out lives until od_gguf_close. Every length and count is checked
 * against the bytes that are there before use, keys and tensor names are unique, tensors lie inside the file and do not
 * overlap: a hostile file gives OD_EFORMAT or OD_ETRUNC, never a fault or an allocation beyond a small multiple of the
 * file's size.
 */
#ifndef OD_IO_GGUF_H
#define OD_IO_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/stream.h"

enum od_gguf_value {                           /* types of metadata values, as the format numbers them */
	OD_GGUF_U8, OD_GGUF_I8, OD_GGUF_U16, OD_GGUF_I16, OD_GGUF_U32, OD_GGUF_I32, OD_GGUF_F32, OD_GGUF_BOOL,
	OD_GGUF_STRING, OD_GGUF_ARRAY, OD_GGUF_U64, OD_GGUF_I64, OD_GGUF_F64, OD_GGUF_N_VALUES
};

enum od_ggml_type {                            /* types of tensors this library reads */
	OD_GGML_F32 = 0, OD_GGML_F16 = 1, OD_GGML_Q4_0 = 2, OD_GGML_Q4_1 = 3, OD_GGML_Q5_0 = 6, OD_GGML_Q5_1 = 7,
	OD_GGML_Q8_0 = 8, OD_GGML_Q4_K = 12, OD_GGML_Q5_K = 13, OD_GGML_Q6_K = 14, OD_GGML_F64 = 28, OD_GGML_BF16 = 30
};

#define OD_GGUF_MAX_DIMS 4

struct od_gguf_string {
	const char *s;                             /* n bytes, no NUL after them */
	size_t n;
};

struct od_gguf_tensor {
	const char *name;                          /* NUL-terminated */
	enum od_ggml_type type;
	int n_dims;
	int64_t shape[OD_GGUF_MAX_DIMS];           /* slowest first, as in safetensors: a matrix is [out, in] */
	int64_t n_elements;
	const void *data;                          /* little-endian, maybe unaligned */
	size_t n_bytes;
};

struct od_gguf;

/* Maps and validates a file. A tensor of a type that exists but is not in the list above is OD_ESUPPORT. */
OD_MUST_CHECK enum od_status od_gguf_open(struct od_gguf **out, const char *path, struct od_error *err);

/* The same over bytes in memory (not copied, must outlive the handle); 'name' is for messages. */
OD_MUST_CHECK enum od_status od_gguf_memory(struct od_gguf **out, const void *bytes, size_t n, const char *name,
	struct od_error *err);
void od_gguf_close(struct od_gguf *g);                                       /* NULL is fine */

size_t od_gguf_count(const struct od_gguf *g);
const struct od_gguf_tensor *od_gguf_at(const struct od_gguf *g, size_t i);  /* in the order of the table */
const struct od_gguf_tensor *od_gguf_find(const struct od_gguf *g, const char *name);    /* or NULL */
const char *od_ggml_type_name(enum od_ggml_type t);                          /* "Q4_1" */

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

/* A missing key or a value of another kind is OD_EFORMAT with a message that names the key. */
bool od_gguf_has(const struct od_gguf *g, const char *key);
/* Any integer type, or a boolean as 0 and 1. */
OD_MUST_CHECK enum od_status od_gguf_int(const struct od_gguf *g, const char *key, int64_t *out, struct od_error *err);
/* Any number. A float32 keeps its value: 1e-5 stored so comes back as the double nearest to that float. */
OD_MUST_CHECK enum od_status od_gguf_number(const struct od_gguf *g, const char *key, double *out,
	struct od_error *err);
OD_MUST_CHECK enum od_status od_gguf_text(const struct od_gguf *g, const char *key, struct od_gguf_string *out,
	struct od_error *err);
/* Arrays, into a malloc'd block the caller frees (the strings' bytes stay in the file). *n may be 0. */
OD_MUST_CHECK enum od_status od_gguf_texts(const struct od_gguf *g, const char *key, struct od_gguf_string **out,
	size_t *n, struct od_error *err);
OD_MUST_CHECK enum od_status od_gguf_ints(const struct od_gguf *g, const char *key, int64_t **out, size_t *n,
	struct od_error *err);
OD_MUST_CHECK enum od_status od_gguf_floats(const struct od_gguf *g, const char *key, float **out, size_t *n,
	struct od_error *err);

/* ---- tensor data ------------------------------------------------------------------------------------------------- */

/* Dequantises to float32: out[t->n_elements]. Arithmetic is float32 in the order ggml defines, so values are equal bit
 * for bit on every machine. */
void od_gguf_to_f32(const struct od_gguf_tensor *t, float *out);

/* Elements and bytes of one block of a type (1 and the element's size for plain types); false for types not read. */
bool od_ggml_block(enum od_ggml_type t, size_t *elements, size_t *bytes);

/* ---- writing: metadata first, then the header, then each tensor in the header's order ---------------------------- */

struct od_gguf_writer {
	struct od_buf kv;                          /* failed allocations show in od_gguf_write_header */
	uint64_t n_kv;
};

#define OD_GGUF_WRITER_INIT { OD_BUF_INIT, 0 }

void od_gguf_put_u32(struct od_gguf_writer *w, const char *key, uint32_t v);
void od_gguf_put_f32(struct od_gguf_writer *w, const char *key, float v);
void od_gguf_put_bool(struct od_gguf_writer *w, const char *key, bool v);
void od_gguf_put_text(struct od_gguf_writer *w, const char *key, const char *s, size_t n);
void od_gguf_put_texts(struct od_gguf_writer *w, const char *key, const struct od_gguf_string *s, size_t n);
void od_gguf_put_i32s(struct od_gguf_writer *w, const char *key, const int32_t *v, size_t n);
void od_gguf_put_f32s(struct od_gguf_writer *w, const char *key, const float *v, size_t n);
void od_gguf_writer_release(struct od_gguf_writer *w);

/* Everything before the data. Of the tensors, name, type (OD_GGML_F32, OD_GGML_F16 or OD_GGML_BF16), n_dims and shape
 * are read. */
OD_MUST_CHECK enum od_status od_gguf_write_header(struct od_out *out, const struct od_gguf_writer *w,
	const struct od_gguf_tensor *tensors, size_t n, struct od_error *err);

/* The data of the next tensor, given as float32, and its padding. */
OD_MUST_CHECK enum od_status od_gguf_write_tensor(struct od_out *out, const struct od_gguf_tensor *t,
	const float *data, struct od_error *err);

#endif
