/* Reading: one or more images ("parts": files of a sharded model) behind one table of tensors. Names and metadata live
 * in the parsed headers, which are kept. */
#include "io/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/atomic.h"
#include "io/map.h"

#define MAX_HEADER 100000000u              /* bytes, the reference implementation's bound */

struct part {
	struct od_map map;                 /* empty for images in memory */
	json_t *header;
	char *file;                        /* name in messages */
};

struct od_safetensors {
	struct part *parts;
	size_t n_parts, cap_parts;
	struct od_tensor_view *views;      /* in file order, part after part */
	size_t n, cap;
	const struct od_tensor_view **by_name;
};

/* ---- one header -------------------------------------------------------------------------------------------------- */

struct span {
	struct od_tensor_view view;
	uint64_t begin, end;
	size_t order;                      /* in the header: settles ties of empty tensors */
};

static enum od_status
bad_tensor(struct od_error *err, const char *file, const char *name, const char *reason)
{
	return od_fail(err, OD_EFORMAT, "cannot read '%s': tensor '%s': %s", file, name, reason);
}

static const char *
parse_shape(struct od_tensor_view *v, const json_t *shape)
{
	size_t i, elements = 1;
	json_t *dim;

	if (!json_is_array(shape))
		return "'shape' is not an array";
	if (json_array_size(shape) > OD_TENSOR_MAX_DIMS)
		return "more than 8 dimensions";
	v->n_dims = (int)json_array_size(shape);
	json_array_foreach(shape, i, dim) {
		if (!json_is_integer(dim) || json_integer_value(dim) < 0)
			return "a dimension is not a non-negative integer";
		v->shape[i] = json_integer_value(dim);
		if (!od_mul_size(elements, (size_t)v->shape[i], &elements))
			return "its shape overflows";
	}
	if (elements > INT64_MAX)
		return "its shape overflows";
	v->n_elements = (int64_t)elements;
	return NULL;
}

/* NULL, or the reason why the entry is no tensor. */
static const char *
parse_entry(struct span *s, const char *name, const json_t *entry)
{
	const json_t *dtype = json_object_get(entry, "dtype"), *off = json_object_get(entry, "data_offsets");
	const json_t *b = json_array_get(off, 0), *e = json_array_get(off, 1);
	const char *reason;

	s->view.name = name;
	if (!json_is_string(dtype))
		return "'dtype' is missing or no string";
	if (!od_dtype_parse(json_string_value(dtype), &s->view.dtype))
		return "unknown dtype";
	reason = parse_shape(&s->view, json_object_get(entry, "shape"));
	if (reason)
		return reason;
	if (json_array_size(off) != 2 || !json_is_integer(b) || !json_is_integer(e) || json_integer_value(b) < 0 ||
	    json_integer_value(e) < json_integer_value(b))
		return "'data_offsets' is not an ascending pair of offsets";
	s->begin = (uint64_t)json_integer_value(b);
	s->end = (uint64_t)json_integer_value(e);
	if (!od_mul_size((size_t)s->view.n_elements, od_dtype_size(s->view.dtype), &s->view.n_bytes))
		return "its shape overflows";
	if (s->view.n_bytes != s->end - s->begin)
		return "its size differs from its shape and dtype";
	return NULL;
}

static int
by_offset(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static enum od_status
check_metadata(const json_t *meta, const char *file, struct od_error *err)
{
	const char *key;
	json_t *value;

	if (meta && !json_is_object(meta))
		return od_fail(err, OD_EFORMAT, "cannot read '%s': '__metadata__' is not an object", file);
	json_object_foreach((json_t *)meta, key, value)
		if (!json_is_string(value))
			return od_fail(err, OD_EFORMAT, "cannot read '%s': metadata '%s' is not a string", file, key);
	return OD_OK;
}

/* The entries of a header, sorted by place and proven to tile [0, *total) without hole or overlap. */
static enum od_status
parse_entries(struct span *spans, size_t *n_spans, const json_t *header, const char *file, uint64_t *total,
	struct od_error *err)
{
	const char *key, *reason;
	uint64_t at = 0;
	json_t *value;
	size_t n = 0;

	json_object_foreach((json_t *)header, key, value) {
		if (strcmp(key, "__metadata__") == 0)
			continue;
		spans[n].order = n;
		reason = parse_entry(&spans[n], key, value);
		if (reason)
			return bad_tensor(err, file, key, reason);
		n++;
	}
	qsort(spans, n, sizeof *spans, by_offset);
	for (size_t i = 0; i < n; at = spans[i++].end)
		if (spans[i].begin != at)
			return bad_tensor(err, file, spans[i].view.name,
				spans[i].begin < at ? "its data overlaps another tensor's" : "a hole before its data");
	*n_spans = n;
	*total = at;
	return OD_OK;
}

/* Parses the JSON text of one image's header and appends its tensors. Their data pointers are set later, by place_data:
 * a stream reader needs 'total', the size of the data, before it can read them. */
static enum od_status
add_header(struct od_safetensors *s, const char *text, size_t n, const char *file, uint64_t *total,
	struct od_error *err)
{
	struct span *spans = NULL;
	size_t n_spans = 0;
	enum od_status st;
	json_error_t je;
	json_t *header;

	if (!od_grow(&s->parts, &s->cap_parts, s->n_parts + 1, sizeof *s->parts))
		return od_fail_nomem(err, "a table of files", s->n_parts);
	header = n && *text == '{' ? json_loadb(text, n, JSON_REJECT_DUPLICATES, &je) : NULL;
	if (!header)
		return od_fail(err, OD_EFORMAT,
			"cannot read '%s': its safetensors header is not a JSON object: %s", file,
			n && *text == '{' ? je.text : "it does not begin with '{'");
	s->parts[s->n_parts++] = (struct part){ OD_MAP_INIT, header, od_strdup(file) };
	if (!s->parts[s->n_parts - 1].file)
		return od_fail_nomem(err, "a path", strlen(file));
	st = check_metadata(json_object_get(header, "__metadata__"), file, err);
	if (st == OD_OK)
		st = od_alloc(&spans, json_object_size(header), sizeof *spans, "a table of tensors", err);
	if (st == OD_OK)
		st = parse_entries(spans, &n_spans, header, file, total, err);
	if (st == OD_OK && !od_grow(&s->views, &s->cap, s->n + n_spans, sizeof *s->views))
		st = od_fail_nomem(err, "a table of tensors", n_spans * sizeof *s->views);
	for (size_t i = 0; st == OD_OK && i < n_spans; i++)
		s->views[s->n++] = spans[i].view;
	free(spans);
	return st;
}

/* Tensors tile the data in table order, so their places follow from their sizes. */
static void
place_data(struct od_safetensors *s, size_t first, const char *data)
{
	for (size_t i = first; i < s->n; i++) {
		s->views[i].data = data;
		data += s->views[i].n_bytes;
	}
}

static enum od_status
header_length(const char *bytes, const char *file, size_t *n, struct od_error *err)
{
	uint64_t v = od_get_le64(bytes);

	if (v > MAX_HEADER)
		return od_fail(err, OD_EFORMAT,
			"cannot read '%s': a safetensors header of %llu bytes is beyond the limit of %u",
			file, (unsigned long long)v, MAX_HEADER);
	*n = (size_t)v;
	return OD_OK;
}

/* One complete image. */
static enum od_status
add_image(struct od_safetensors *s, const char *bytes, size_t n, const char *file, struct od_error *err)
{
	size_t first = s->n, head = 0;
	enum od_status st;
	uint64_t total;

	if (n < 8)
		return od_fail(err, OD_ETRUNC, "cannot read '%s': %zu bytes are too few for safetensors", file, n);
	st = header_length(bytes, file, &head, err);
	if (st != OD_OK)
		return st;
	if (head > n - 8)
		return od_fail(err, OD_ETRUNC,
			"cannot read '%s': its header of %zu bytes goes beyond its end", file, head);
	st = add_header(s, bytes + 8, head, file, &total, err);
	if (st != OD_OK)
		return st;
	if (total > n - 8 - head)
		return od_fail(err, OD_ETRUNC,
			"cannot read '%s': it ends after %zu of %llu bytes of tensor data", file,
			n - 8 - head, (unsigned long long)total);
	if (total < n - 8 - head)
		return od_fail(err, OD_EFORMAT, "cannot read '%s': %llu bytes after the last tensor", file,
			(unsigned long long)(n - 8 - head - total));
	place_data(s, first, bytes + 8 + head);
	return OD_OK;
}

static int
compare_names(const void *a, const void *b)
{
	const struct od_tensor_view *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Last step of every open. Names within a header are unique already; across shards they are checked here. */
static enum od_status
sort_names(struct od_safetensors *s, const char *file, struct od_error *err)
{
	enum od_status st = od_alloc(&s->by_name, s->n, sizeof *s->by_name, "a table of names", err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < s->n; i++)
		s->by_name[i] = &s->views[i];
	qsort(s->by_name, s->n, sizeof *s->by_name, compare_names);
	for (size_t i = 1; i < s->n; i++)
		if (compare_names(&s->by_name[i - 1], &s->by_name[i]) == 0)
			return bad_tensor(err, file, s->by_name[i]->name, "it is in two files");
	return OD_OK;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static enum od_status
finish_open(struct od_safetensors *s, enum od_status st, const char *file, struct od_safetensors **out,
	struct od_error *err)
{
	if (st == OD_OK)
		st = sort_names(s, file, err);
	if (st == OD_OK)
		*out = s;
	else
		od_safetensors_close(s);
	return st;
}

static enum od_status
add_file(struct od_safetensors *s, const char *path, struct od_error *err)
{
	size_t parts = s->n_parts;
	struct od_map map;
	enum od_status st = od_map_open(&map, path, err);

	if (st != OD_OK)
		return st;
	st = add_image(s, map.data ? map.data : "", map.n, path, err);
	if (s->n_parts > parts)
		s->parts[parts].map = map;               /* closed with the handle */
	else
		od_map_close(&map);
	return st;
}

enum od_status
od_safetensors_open(struct od_safetensors **out, const char *path, struct od_error *err)
{
	struct od_safetensors *s;
	enum od_status st = od_alloc(&s, 1, sizeof *s, "a safetensors handle", err);

	return st == OD_OK ? finish_open(s, add_file(s, path, err), path, out, err) : st;
}

enum od_status
od_safetensors_memory(struct od_safetensors **out, const void *bytes, size_t n, const char *name,
	struct od_error *err)
{
	struct od_safetensors *s;
	enum od_status st = od_alloc(&s, 1, sizeof *s, "a safetensors handle", err);

	return st == OD_OK ? finish_open(s, add_image(s, bytes, n, name, err), name, out, err) : st;
}

/* ---- sharded models ---------------------------------------------------------------------------------------------- */

/* The weight_map of an index: {tensor: file}, checked; *json owns it. */
static enum od_status
read_index(const char *path, json_t **json, const json_t **weight_map, struct od_error *err)
{
	enum od_status st;
	struct od_map map;
	json_error_t je;
	const char *name;
	json_t *file;

	st = od_map_open(&map, path, err);
	if (st != OD_OK)
		return st;
	*json = json_loadb(map.data ? map.data : "", map.n, JSON_REJECT_DUPLICATES, &je);
	od_map_close(&map);
	if (!*json)
		return od_fail(err, OD_EFORMAT, "cannot read '%s': line %d: %s", path, je.line, je.text);
	*weight_map = json_object_get(*json, "weight_map");
	if (!json_is_object(*weight_map))
		return od_fail(err, OD_EFORMAT, "cannot read '%s': field 'weight_map' is missing or no object", path);
	json_object_foreach((json_t *)*weight_map, name, file) {
		const char *f = json_string_value(file);

		if (!f || !*f || strchr(f, '/') || strchr(f, '\\') || strcmp(f, ".") == 0 || strcmp(f, "..") == 0)
			return od_fail(err, OD_EFORMAT,
				"cannot read '%s': tensor '%s': not the name of a file in this directory",
				path, name);
	}
	return OD_OK;
}

/* Opens each distinct file once, in the order of first mention, and notes which part a file became in 'opened'. */
static enum od_status
add_shards(struct od_safetensors *s, const char *dir, const json_t *weight_map, json_t *opened, struct od_error *err)
{
	enum od_status st = OD_OK;
	const char *name;
	json_t *file;
	char *path;

	json_object_foreach((json_t *)weight_map, name, file) {
		const char *f = json_string_value(file);

		if (json_object_get(opened, f))
			continue;
		path = od_path_join(dir, f);
		if (!path || json_object_set_new(opened, f, json_integer((json_int_t)s->n_parts)) < 0)
			st = od_fail_nomem(err, "a table of files", strlen(f));
		else
			st = add_file(s, path, err);
		free(path);
		if (st != OD_OK)
			return st;
	}
	return st;
}

static enum od_status
check_index(const struct od_safetensors *s, const json_t *weight_map, const json_t *opened, const char *index,
	struct od_error *err)
{
	const char *name;
	json_t *file;

	json_object_foreach((json_t *)weight_map, name, file) {
		const char *f = json_string_value(file);
		json_int_t part = json_integer_value(json_object_get(opened, f));

		if (strcmp(name, "__metadata__") == 0 || !json_object_get(s->parts[part].header, name))
			return od_fail(err, OD_EFORMAT,
				"cannot read '%s': tensor '%s' is not in '%s'", index, name, f);
	}
	return OD_OK;
}

static enum od_status
open_sharded(struct od_safetensors **out, const char *dir, const char *index, struct od_error *err)
{
	struct od_safetensors *s;
	json_t *json = NULL, *opened = json_object();
	const json_t *weight_map = NULL;
	enum od_status st = od_alloc(&s, 1, sizeof *s, "a safetensors handle", err);

	if (st != OD_OK) {
		json_decref(opened);
		return st;
	}
	st = opened ? read_index(index, &json, &weight_map, err) : od_fail_nomem(err, "a table of files", 1);
	if (st == OD_OK)
		st = add_shards(s, dir, weight_map, opened, err);
	if (st == OD_OK)
		st = check_index(s, weight_map, opened, index, err);
	st = finish_open(s, st, index, out, err);
	json_decref(opened);
	json_decref(json);
	return st;
}

enum od_status
od_safetensors_open_dir(struct od_safetensors **out, const char *dir, struct od_error *err)
{
	char *single = od_path_join(dir, "model.safetensors");
	char *index = od_path_join(dir, "model.safetensors.index.json");
	enum od_status st;

	if (!single || !index)
		st = od_fail_nomem(err, "a path", strlen(dir));
	else if (!od_path_exists(single) && od_path_exists(index))
		st = open_sharded(out, dir, index, err);
	else
		st = od_safetensors_open(out, single, err);
	free(single);
	free(index);
	return st;
}

/* ---- streams of images ------------------------------------------------------------------------------------------- */

/* Fills block[*have, want), growing it as bytes arrive: a header's promise alone allocates nothing. */
static enum od_status
read_upto(struct od_in *in, char **block, size_t *cap, size_t *have, size_t want, struct od_error *err)
{
	enum { STEP = 4 << 20 };
	size_t n, got;
	enum od_status st;

	while (*have < want) {
		n = want - *have < STEP ? want - *have : STEP;
		if (!od_grow(block, cap, *have + n, 1))
			return od_fail_nomem(err, "a safetensors image", want);
		st = od_in_read(in, *block + *have, n, &got, err);
		if (st != OD_OK)
			return st;
		*have += got;
		if (got < n)
			return od_fail(err, OD_ETRUNC,
				"cannot read '%s': it ended inside a safetensors image", od_in_name(in));
	}
	return OD_OK;
}

static enum od_status
read_image(struct od_in *in, size_t max_bytes, char **block, struct od_safetensors *s, struct od_error *err)
{
	size_t cap = 0, have = 0, head = 0;
	uint64_t total = 0;
	enum od_status st;

	st = read_upto(in, block, &cap, &have, 8, err);
	if (st == OD_OK)
		st = header_length(*block, od_in_name(in), &head, err);
	if (st == OD_OK && (max_bytes < 8 || head > max_bytes - 8))
		return od_fail(err, OD_EFORMAT,
			"cannot read '%s': an image over %zu bytes", od_in_name(in), max_bytes);
	if (st == OD_OK)
		st = read_upto(in, block, &cap, &have, 8 + head, err);
	if (st == OD_OK)
		st = add_header(s, *block + 8, head, od_in_name(in), &total, err);
	if (st == OD_OK && total > max_bytes - 8 - head)
		return od_fail(err, OD_EFORMAT,
			"cannot read '%s': an image over %zu bytes", od_in_name(in), max_bytes);
	if (st == OD_OK)
		st = read_upto(in, block, &cap, &have, 8 + head + (size_t)total, err);
	if (st == OD_OK)
		place_data(s, 0, *block + 8 + head);
	return st;
}

enum od_status
od_safetensors_next(struct od_in *in, size_t max_bytes, void **block, struct od_safetensors **out,
	struct od_error *err)
{
	struct od_safetensors *s;
	char *bytes = NULL, first;
	enum od_status st;
	size_t got;

	st = od_in_peek(in, &first, 1, &got, err);
	if (st != OD_OK)
		return st;
	if (got == 0)
		return OD_EOF;
	st = od_alloc(&s, 1, sizeof *s, "a safetensors handle", err);
	if (st != OD_OK)
		return st;
	st = read_image(in, max_bytes, &bytes, s, err);
	st = finish_open(s, st, od_in_name(in), out, err);
	if (st == OD_OK)
		*block = bytes;
	else
		free(bytes);
	return st;
}

/* ---- access ------------------------------------------------------------------------------------------------------ */

size_t
od_safetensors_count(const struct od_safetensors *s)
{
	return s->n;
}

const struct od_tensor_view *
od_safetensors_at(const struct od_safetensors *s, size_t i)
{
	return i < s->n ? &s->views[i] : NULL;
}

const struct od_tensor_view *
od_safetensors_find(const struct od_safetensors *s, const char *name)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, s->by_name[mid]->name);

		if (c == 0)
			return s->by_name[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

const char *
od_safetensors_metadata(const struct od_safetensors *s, const char *key)
{
	if (s->n_parts == 0)
		return NULL;
	return json_string_value(json_object_get(json_object_get(s->parts[0].header, "__metadata__"), key));
}

const char *
od_safetensors_file(const struct od_safetensors *s, size_t i)
{
	return i < s->n_parts ? s->parts[i].file : NULL;
}

void
od_safetensors_forget(const struct od_safetensors *s, const struct od_tensor_view *t)
{
	for (size_t i = 0; i < s->n_parts; i++)
		od_map_forget(&s->parts[i].map, t->data, t->n_bytes);
}

void
od_safetensors_close(struct od_safetensors *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_parts; i++) {
		json_decref(s->parts[i].header);
		free(s->parts[i].file);
		od_map_close(&s->parts[i].map);
	}
	free(s->parts);
	free(s->views);
	free(s->by_name);
	free(s);
}

struct od_tensor_view
od_tensor_part(const struct od_tensor_view *t, int64_t first, int64_t n)
{
	size_t size = od_dtype_size(t->dtype);
	struct od_tensor_view part = { .name = t->name, .dtype = t->dtype, .n_dims = 1, .shape = { n }, .n_elements = n,
		.data = (const char *)t->data + (size_t)first * size, .n_bytes = (size_t)n * size };

	return part;
}

enum od_status
od_tensor_to_f32(const struct od_tensor_view *t, float *out, struct od_error *err)
{
	const char *p = t->data;
	int64_t n = t->n_elements;
	double d;

	switch (t->dtype) {
	case OD_F32:
		if (n)
			memcpy(out, p, (size_t)n * 4);
		return OD_OK;
	case OD_BF16:
		for (int64_t i = 0; i < n; i++)
			out[i] = od_bf16_to_f32(od_get_le16(p + 2 * i));
		return OD_OK;
	case OD_F16:
		for (int64_t i = 0; i < n; i++)
			out[i] = od_f16_to_f32(od_get_le16(p + 2 * i));
		return OD_OK;
	case OD_F64:
		for (int64_t i = 0; i < n; i++) {
			memcpy(&d, p + 8 * i, 8);
			out[i] = (float)d;
		}
		return OD_OK;
	default:
		return od_fail(err, OD_EFORMAT, "tensor '%s' holds %s, not floating-point numbers", t->name,
			od_dtype_name(t->dtype));
	}
}
