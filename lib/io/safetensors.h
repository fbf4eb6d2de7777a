/* safetensors.h -- read and write safetensors images.
 *
 * Layout: u64 little-endian header length N, N bytes of JSON {"name":{"dtype","shape","data_offsets":[b,e]},...,
 * "__metadata__":{string:string}}, padded with spaces to 8 bytes when we write, then the data.
 *
 * A file is mapped read-only and validated completely before anything is handed out: N at most 100 MB and inside the
 * file, no duplicate names, dtype known, shape x dtype size = end - begin without overflow, offsets inside the file,
 * no overlap and no hole. A hostile file gives OD_EFORMAT or OD_ETRUNC, never a fault.
 */
#ifndef OD_IO_SAFETENSORS_H
#define OD_IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/stream.h"

#define OD_TENSOR_MAX_DIMS 8

struct od_tensor_view {
	const char *name;                          /* lives as long as the container */
	enum od_dtype dtype;
	int n_dims;
	int64_t shape[OD_TENSOR_MAX_DIMS];
	int64_t n_elements;
	const void *data;                          /* little-endian, maybe unaligned */
	size_t n_bytes;
};

struct od_safetensors;

/* Maps and validates one file. */
OD_MUST_CHECK enum od_status od_safetensors_open(struct od_safetensors **out, const char *path, struct od_error *err);

/* The same over bytes in memory (not copied, must outlive the handle); 'name' is for messages. */
OD_MUST_CHECK enum od_status od_safetensors_memory(struct od_safetensors **out, const void *bytes, size_t n,
	const char *name, struct od_error *err);

/* A model directory: model.safetensors, or model.safetensors.index.json and its shards (names with '/' or '..' are
 * refused; a tensor the index names and its shard lacks is OD_EFORMAT). */
OD_MUST_CHECK enum od_status od_safetensors_open_dir(struct od_safetensors **out, const char *dir,
	struct od_error *err);

size_t od_safetensors_count(const struct od_safetensors *s);
const struct od_tensor_view *od_safetensors_at(const struct od_safetensors *s, size_t i);    /* in file order */
const struct od_tensor_view *od_safetensors_find(const struct od_safetensors *s, const char *name);  /* or NULL */
const char *od_safetensors_metadata(const struct od_safetensors *s, const char *key);        /* or NULL */
/* Says that a tensor's bytes are not needed for now: a mapped file's pages leave memory until they are touched again, so
 * that loading a model does not hold it twice. */
void od_safetensors_forget(const struct od_safetensors *s, const struct od_tensor_view *t);
const char *od_safetensors_file(const struct od_safetensors *s, size_t i);    /* path of the i-th file; NULL beyond */
void od_safetensors_close(struct od_safetensors *s);                                         /* NULL is fine */

/* Elements [first, first + n) of a tensor in the order of the file, as a vector. */
struct od_tensor_view od_tensor_part(const struct od_tensor_view *t, int64_t first, int64_t n);

/* Converts any float dtype to float32: out[n_elements]. OD_EFORMAT for integer tensors. */
OD_MUST_CHECK enum od_status od_tensor_to_f32(const struct od_tensor_view *t, float *out, struct od_error *err);

/* One tensor to write; data is read when the writer gets to it. */
struct od_tensor_out {
	const char *name;
	enum od_dtype dtype;                       /* in the file */
	int n_dims;
	int64_t shape[OD_TENSOR_MAX_DIMS];
	const void *data;                          /* of type 'dtype', or float32 to be converted when from_f32 */
	int from_f32;
};

struct od_metadata {
	const char *key, *value;
};

/* Writes one image to a stream, tensors in the order given (a reader may rely on it). */
OD_MUST_CHECK enum od_status od_safetensors_write(struct od_out *out, const struct od_tensor_out *tensors, size_t n,
	const struct od_metadata *meta, size_t n_meta, struct od_error *err);

/* The same in steps, for tensors that do not all fit in memory: the header (which reads no data), then each tensor in
 * its order. */
OD_MUST_CHECK enum od_status od_safetensors_write_header(struct od_out *out, const struct od_tensor_out *tensors,
	size_t n, const struct od_metadata *meta, size_t n_meta, struct od_error *err);
OD_MUST_CHECK enum od_status od_safetensors_write_tensor(struct od_out *out, const struct od_tensor_out *t,
	struct od_error *err);

/* Reads the next image of a stream of concatenated images into a malloc'd block and opens it there ('*block' is freed
 * by the caller after closing). OD_EOF when the stream is at its end. Images over max_bytes are OD_EFORMAT. */
OD_MUST_CHECK enum od_status od_safetensors_next(struct od_in *in, size_t max_bytes, void **block,
	struct od_safetensors **out, struct od_error *err);

#endif
