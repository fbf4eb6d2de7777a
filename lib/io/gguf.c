/* Reading: one pass over the bytes with a cursor that cannot leave them, then tables sorted by name. */
#include "io/gguf.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/map.h"

#define MAX_NESTING 4                          /* arrays in arrays: no known file has any */
#define MAX_ALIGNMENT (1u << 20)
#define MIN_KV_BYTES 13                        /* key length, type, one byte: bounds the tables by the file's size */
#define MIN_TENSOR_BYTES 32                    /* name length, n_dims, one dim, type, offset */

struct kv {
	struct od_gguf_string key;
	uint32_t type;                         /* of the value, or of an array's elements */
	bool array;
	uint64_t count;                        /* elements; 1 for a scalar */
	const unsigned char *data;
};

struct od_gguf {
	struct od_map map;
	const char *file;                      /* for messages; owned */
	struct kv *kv;                         /* sorted by key */
	size_t n_kv;
	struct od_gguf_tensor *tensors;
	const struct od_gguf_tensor **by_name;
	size_t n_tensors;
};

/* ---- cursor ------------------------------------------------------------------------------------------------------ */

struct cursor {
	const unsigned char *p, *start, *end;
	const char *file;
	struct od_error *err;
};

static size_t
left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

static enum od_status
truncated(struct cursor *c, const char *what)
{
	return od_fail(c->err, OD_ETRUNC, "cannot read '%s': byte %zu: it ends inside %s", c->file,
		(size_t)(c->p - c->start), what);
}

static enum od_status
malformed(struct cursor *c, const char *what)
{
	return od_fail(c->err, OD_EFORMAT,
		"cannot read '%s': byte %zu: %s", c->file, (size_t)(c->p - c->start), what);
}

static enum od_status
get_u32(struct cursor *c, uint32_t *v, const char *what)
{
	if (left(c) < 4)
		return truncated(c, what);
	*v = od_get_le32(c->p);
	c->p += 4;
	return OD_OK;
}

static enum od_status
get_u64(struct cursor *c, uint64_t *v, const char *what)
{
	if (left(c) < 8)
		return truncated(c, what);
	*v = od_get_le64(c->p);
	c->p += 8;
	return OD_OK;
}

static enum od_status
get_string(struct cursor *c, struct od_gguf_string *s, const char *what)
{
	uint64_t n;
	enum od_status st = get_u64(c, &n, what);

	if (st != OD_OK)
		return st;
	if (n > left(c))
		return truncated(c, what);
	*s = (struct od_gguf_string){ (const char *)c->p, (size_t)n };
	c->p += n;
	return OD_OK;
}

/* ---- metadata: parsing ------------------------------------------------------------------------------------------- */

static const unsigned char value_bytes[OD_GGUF_N_VALUES] = {
	[OD_GGUF_U8] = 1,  [OD_GGUF_I8] = 1,  [OD_GGUF_U16] = 2,  [OD_GGUF_I16] = 2, [OD_GGUF_U32] = 4, [OD_GGUF_I32] = 4,
	[OD_GGUF_F32] = 4, [OD_GGUF_BOOL] = 1, [OD_GGUF_U64] = 8, [OD_GGUF_I64] = 8, [OD_GGUF_F64] = 8,
};

static enum od_status skip_array(struct cursor *c, int depth);

/* Steps over 'count' values of a type, checking what can be wrong inside them. */
static enum od_status
skip_values(struct cursor *c, uint32_t type, uint64_t count, int depth)
{
	struct od_gguf_string s;
	enum od_status st = OD_OK;

	if (type >= OD_GGUF_N_VALUES)
		return malformed(c, "unknown type of metadata value");
	if (value_bytes[type]) {
		if (count > left(c) / value_bytes[type])
			return truncated(c, "a metadata value");
		for (uint64_t i = 0; type == OD_GGUF_BOOL && i < count; i++)
			if (c->p[i] > 1)
				return malformed(c, "a boolean is neither 0 nor 1");
		c->p += count * value_bytes[type];
		return OD_OK;
	}
	if (count > left(c) / 8)
		return truncated(c, "a metadata array");
	for (uint64_t i = 0; st == OD_OK && i < count; i++)
		st = type == OD_GGUF_STRING ? get_string(c, &s, "a metadata string") : skip_array(c, depth + 1);
	return st;
}

static enum od_status
skip_array(struct cursor *c, int depth)
{
	uint32_t type;
	uint64_t count;
	enum od_status st;

	if (depth > MAX_NESTING)
		return malformed(c, "arrays are nested too deeply");
	st = get_u32(c, &type, "a metadata array");
	if (st == OD_OK)
		st = get_u64(c, &count, "a metadata array");
	return st == OD_OK ? skip_values(c, type, count, depth) : st;
}

static enum od_status
parse_kv(struct cursor *c, struct kv *kv)
{
	enum od_status st = get_string(c, &kv->key, "a metadata key");

	if (st != OD_OK)
		return st;
	if (kv->key.n == 0 || kv->key.n > 65535 || memchr(kv->key.s, '\0', kv->key.n))
		return malformed(c, "a metadata key is empty, too long, or holds a NUL");
	st = get_u32(c, &kv->type, "a metadata type");
	kv->count = 1;
	kv->array = kv->type == OD_GGUF_ARRAY;
	if (st == OD_OK && kv->array) {
		st = get_u32(c, &kv->type, "a metadata array");
		if (st == OD_OK)
			st = get_u64(c, &kv->count, "a metadata array");
	}
	if (st != OD_OK)
		return st;
	kv->data = c->p;
	st = skip_values(c, kv->type, kv->count, kv->array ? 1 : 0);
	if (st != OD_OK)
		od_error_prefix(c->err, "key '%.*s': ", (int)(kv->key.n < 64 ? kv->key.n : 64), kv->key.s);
	return st;
}

static int
compare_strings(const struct od_gguf_string *a, const struct od_gguf_string *b)
{
	int c = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);

	return c ? c : (a->n > b->n) - (a->n < b->n);
}

static int
compare_kv(const void *a, const void *b)
{
	return compare_strings(&((const struct kv *)a)->key, &((const struct kv *)b)->key);
}

static enum od_status
parse_metadata(struct od_gguf *g, struct cursor *c, uint64_t n)
{
	enum od_status st;

	if (n > left(c) / MIN_KV_BYTES)
		return truncated(c, "its metadata: it claims more keys than it has bytes for");
	st = od_alloc(&g->kv, (size_t)n, sizeof *g->kv, "a table of metadata", c->err);
	for (; st == OD_OK && g->n_kv < n; g->n_kv++)
		st = parse_kv(c, &g->kv[g->n_kv]);
	if (st != OD_OK)
		return st;
	qsort(g->kv, g->n_kv, sizeof *g->kv, compare_kv);
	for (size_t i = 1; i < g->n_kv; i++)
		if (compare_kv(&g->kv[i - 1], &g->kv[i]) == 0)
			return od_fail(c->err, OD_EFORMAT, "cannot read '%s': key '%.*s' is there twice", c->file,
				(int)(g->kv[i].key.n < 64 ? g->kv[i].key.n : 64), g->kv[i].key.s);
	return OD_OK;
}

/* ---- tensors: parsing -------------------------------------------------------------------------------------------- */

static enum od_status
bad_tensor(struct cursor *c, const char *name, enum od_status status, const char *reason)
{
	return od_fail(c->err, status, "cannot read '%s': tensor '%s': %s", c->file, name, reason);
}

static enum od_status
parse_dims(struct cursor *c, struct od_gguf_tensor *t)
{
	size_t elements = 1;
	uint32_t n_dims;
	uint64_t dim;
	enum od_status st = get_u32(c, &n_dims, "a tensor's dimensions");

	if (st != OD_OK)
		return st;
	if (n_dims < 1 || n_dims > OD_GGUF_MAX_DIMS)
		return bad_tensor(c, t->name, OD_EFORMAT, "it has not 1 to 4 dimensions");
	t->n_dims = (int)n_dims;
	for (int i = t->n_dims - 1; i >= 0; i--) {
		st = get_u64(c, &dim, "a tensor's dimensions");
		if (st != OD_OK)
			return st;
		if (dim == 0 || dim > INT64_MAX || !od_mul_size(elements, (size_t)dim, &elements))
			return bad_tensor(c, t->name, OD_EFORMAT, "a dimension is 0 or its shape overflows");
		t->shape[i] = (int64_t)dim;
	}
	if (elements > INT64_MAX)
		return bad_tensor(c, t->name, OD_EFORMAT, "its shape overflows");
	t->n_elements = (int64_t)elements;
	return OD_OK;
}

static enum od_status
parse_type(struct cursor *c, struct od_gguf_tensor *t)
{
	enum { HIGHEST_KNOWN = 40 };
	size_t elements, bytes;
	uint32_t type;
	enum od_status st = get_u32(c, &type, "a tensor's type");

	if (st != OD_OK)
		return st;
	t->type = (enum od_ggml_type)type;
	if (type >= HIGHEST_KNOWN)
		return bad_tensor(c, t->name, OD_EFORMAT, "unknown type");
	if (!od_ggml_block(t->type, &elements, &bytes))
		return od_fail(c->err, OD_ESUPPORT,
			"cannot read '%s': tensor '%s': its type %u is not among those read here "
			"(F32 F16 BF16 F64 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K)", c->file, t->name, type);
	if ((uint64_t)t->shape[t->n_dims - 1] % elements)
		return bad_tensor(c, t->name, OD_EFORMAT, "its rows are not whole blocks");
	if (!od_mul_size((size_t)t->n_elements / elements, bytes, &t->n_bytes))
		return bad_tensor(c, t->name, OD_EFORMAT, "its shape overflows");
	return OD_OK;
}

/* One row of the table; the offset is kept for place_tensors. */
static enum od_status
parse_tensor(struct cursor *c, struct od_gguf_tensor *t, uint64_t *offset)
{
	struct od_gguf_string name = { NULL, 0 };
	enum od_status st = get_string(c, &name, "a tensor's name");

	if (st != OD_OK)
		return st;
	if (name.n == 0 || memchr(name.s, '\0', name.n))
		return malformed(c, "a tensor's name is empty or holds a NUL");
	t->name = od_strndup(name.s, name.n);
	if (!t->name)
		return od_fail_nomem(c->err, "a tensor's name", name.n);
	st = parse_dims(c, t);
	if (st == OD_OK)
		st = parse_type(c, t);
	if (st == OD_OK)
		st = get_u64(c, offset, "a tensor's offset");
	return st;
}

static enum od_status
data_alignment(const struct od_gguf *g, uint64_t *alignment, struct od_error *err)
{
	enum od_status st;
	int64_t v = 32;

	if (od_gguf_has(g, "general.alignment")) {
		st = od_gguf_int(g, "general.alignment", &v, err);
		if (st != OD_OK)
			return st;
	}
	if (v < 1 || v > MAX_ALIGNMENT || (v & (v - 1)))
		return od_fail(err, OD_EFORMAT,
			"cannot read '%s': key 'general.alignment' is not a power of two", g->file);
	*alignment = (uint64_t)v;
	return OD_OK;
}

static int
by_place(const void *a, const void *b)
{
	const struct od_gguf_tensor *const *x = a, *const *y = b;

	if ((*x)->data != (*y)->data)
		return (*x)->data < (*y)->data ? -1 : 1;
	return 0;
}

static int
by_tensor_name(const void *a, const void *b)
{
	const struct od_gguf_tensor *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Turns offsets into pointers. The cursor stands behind the table. */
static enum od_status
place_tensors(struct od_gguf *g, struct cursor *c, const uint64_t *offsets)
{
	uint64_t alignment = 0, begin, room;
	enum od_status st = data_alignment(g, &alignment, c->err);

	if (st != OD_OK)
		return st;
	begin = ((uint64_t)(c->p - c->start) + alignment - 1) & ~(alignment - 1);
	room = (uint64_t)(c->end - c->start);
	room = room > begin ? room - begin : 0;
	for (size_t i = 0; i < g->n_tensors; i++) {
		struct od_gguf_tensor *t = &g->tensors[i];

		if (offsets[i] % alignment)
			return bad_tensor(c, t->name, OD_EFORMAT, "its offset is not aligned");
		if (offsets[i] > room || t->n_bytes > room - offsets[i])
			return bad_tensor(c, t->name, OD_ETRUNC, "its data goes beyond the end of the file");
		t->data = c->start + begin + offsets[i];
		g->by_name[i] = t;
	}
	qsort(g->by_name, g->n_tensors, sizeof *g->by_name, by_place);
	for (size_t i = 1; i < g->n_tensors; i++)
		if ((const char *)g->by_name[i - 1]->data + g->by_name[i - 1]->n_bytes >
		    (const char *)g->by_name[i]->data)
			return bad_tensor(c, g->by_name[i]->name, OD_EFORMAT, "its data overlaps another tensor's");
	qsort(g->by_name, g->n_tensors, sizeof *g->by_name, by_tensor_name);
	for (size_t i = 1; i < g->n_tensors; i++)
		if (by_tensor_name(&g->by_name[i - 1], &g->by_name[i]) == 0)
			return bad_tensor(c, g->by_name[i]->name, OD_EFORMAT, "it is there twice");
	return OD_OK;
}

static enum od_status
parse_tensors(struct od_gguf *g, struct cursor *c, uint64_t n)
{
	uint64_t *offsets = NULL;
	enum od_status st;

	if (n > left(c) / MIN_TENSOR_BYTES)
		return truncated(c, "its table of tensors: it claims more tensors than it has bytes for");
	st = od_alloc(&g->tensors, (size_t)n, sizeof *g->tensors, "a table of tensors", c->err);
	if (st == OD_OK)
		st = od_alloc(&g->by_name, (size_t)n, sizeof *g->by_name, "a table of tensors", c->err);
	if (st == OD_OK)
		st = od_alloc(&offsets, (size_t)n, sizeof *offsets, "a table of tensors", c->err);
	for (; st == OD_OK && g->n_tensors < n; g->n_tensors++)
		st = parse_tensor(c, &g->tensors[g->n_tensors], &offsets[g->n_tensors]);
	if (st == OD_OK)
		st = place_tensors(g, c, offsets);
	free(offsets);
	return st;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static enum od_status
parse_file(struct od_gguf *g, struct cursor *c)
{
	uint64_t n_tensors, n_kv;
	uint32_t version;
	enum od_status st;

	if (left(c) < 4)
		return truncated(c, "the magic number");
	if (memcmp(c->p, "GGUF", 4) != 0)
		return malformed(c, "not a GGUF file");
	c->p += 4;
	st = get_u32(c, &version, "the version");
	if (st != OD_OK)
		return st;
	if (version && (version & 0xffff) == 0)
		return malformed(c, "a big-endian GGUF file");
	if (version != 2 && version != 3)
		return od_fail(c->err, OD_EFORMAT, "cannot read '%s': GGUF version %u, not 2 or 3", c->file, version);
	st = get_u64(c, &n_tensors, "the header");
	if (st == OD_OK)
		st = get_u64(c, &n_kv, "the header");
	if (st == OD_OK)
		st = parse_metadata(g, c, n_kv);
	if (st == OD_OK)
		st = parse_tensors(g, c, n_tensors);
	return st;
}

static enum od_status
open_bytes(struct od_gguf **out, struct od_map map, const void *bytes, size_t n, const char *name,
	struct od_error *err)
{
	struct od_gguf *g;
	struct cursor c = { bytes, bytes, (const unsigned char *)bytes + n, name, err };
	enum od_status st = od_alloc(&g, 1, sizeof *g, "a GGUF handle", err);

	if (st != OD_OK) {
		od_map_close(&map);
		return st;
	}
	g->map = map;
	g->file = od_strdup(name);
	st = g->file ? parse_file(g, &c) : od_fail_nomem(err, "a path", strlen(name));
	if (st == OD_OK)
		*out = g;
	else
		od_gguf_close(g);
	return st;
}

enum od_status
od_gguf_memory(struct od_gguf **out, const void *bytes, size_t n, const char *name, struct od_error *err)
{
	return open_bytes(out, (struct od_map)OD_MAP_INIT, n ? bytes : "", n, name, err);
}

enum od_status
od_gguf_open(struct od_gguf **out, const char *path, struct od_error *err)
{
	struct od_map map;
	enum od_status st = od_map_open(&map, path, err);

	return st == OD_OK ? open_bytes(out, map, map.data ? map.data : "", map.n, path, err) : st;
}

void
od_gguf_close(struct od_gguf *g)
{
	if (!g)
		return;
	od_map_close(&g->map);
	free((char *)g->file);
	for (size_t i = 0; i < g->n_tensors; i++)
		free((char *)g->tensors[i].name);
	free(g->kv);
	free(g->tensors);
	free(g->by_name);
	free(g);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

size_t
od_gguf_count(const struct od_gguf *g)
{
	return g->n_tensors;
}

const struct od_gguf_tensor *
od_gguf_at(const struct od_gguf *g, size_t i)
{
	return i < g->n_tensors ? &g->tensors[i] : NULL;
}

const struct od_gguf_tensor *
od_gguf_find(const struct od_gguf *g, const char *name)
{
	struct od_gguf_tensor key = { .name = name };
	const struct od_gguf_tensor *p = &key, **hit;

	hit = bsearch(&p, g->by_name, g->n_tensors, sizeof *g->by_name, by_tensor_name);
	return hit ? *hit : NULL;
}

/* ---- metadata: access -------------------------------------------------------------------------------------------- */

static const struct kv *
find_kv(const struct od_gguf *g, const char *key)
{
	struct kv k = { .key = { key, strlen(key) } };

	return bsearch(&k, g->kv, g->n_kv, sizeof *g->kv, compare_kv);
}

bool
od_gguf_has(const struct od_gguf *g, const char *key)
{
	return find_kv(g, key) != NULL;
}

static enum od_status
need_kv(const struct od_gguf *g, const char *key, bool array, const struct kv **out, struct od_error *err)
{
	*out = find_kv(g, key);
	if (!*out)
		return od_fail(err, OD_EFORMAT, "cannot read '%s': key '%s' is missing", g->file, key);
	if ((*out)->array != array)
		return od_fail(err, OD_EFORMAT, "cannot read '%s': key '%s' must %sbe an array", g->file, key,
			array ? "" : "not ");
	return OD_OK;
}

static bool
int_value(uint32_t type, const unsigned char *p, int64_t *out)
{
	uint64_t u;

	switch (type) {
	case OD_GGUF_U8: case OD_GGUF_BOOL: *out = p[0]; return true;
	case OD_GGUF_I8:  *out = (int8_t)p[0]; return true;
	case OD_GGUF_U16: *out = od_get_le16(p); return true;
	case OD_GGUF_I16: *out = (int16_t)od_get_le16(p); return true;
	case OD_GGUF_U32: *out = od_get_le32(p); return true;
	case OD_GGUF_I32: *out = (int32_t)od_get_le32(p); return true;
	case OD_GGUF_I64: *out = (int64_t)od_get_le64(p); return true;
	case OD_GGUF_U64:
		u = od_get_le64(p);
		*out = (int64_t)u;
		return u <= INT64_MAX;
	default:
		return false;
	}
}

static bool
number_value(uint32_t type, const unsigned char *p, double *out)
{
	uint32_t u = type == OD_GGUF_F32 ? od_get_le32(p) : 0;
	uint64_t w = type == OD_GGUF_F64 ? od_get_le64(p) : 0;
	int64_t i;
	float f;

	if (type == OD_GGUF_F32) {
		memcpy(&f, &u, 4);
		*out = (double)f;
	} else if (type == OD_GGUF_F64) {
		memcpy(out, &w, 8);
	} else {
		if (!int_value(type, p, &i))
			return false;
		*out = (double)i;
	}
	return true;
}

enum od_status
od_gguf_int(const struct od_gguf *g, const char *key, int64_t *out, struct od_error *err)
{
	const struct kv *kv;
	enum od_status st = need_kv(g, key, false, &kv, err);

	if (st == OD_OK && !int_value(kv->type, kv->data, out))
		st = od_fail(err, OD_EFORMAT, "cannot read '%s': key '%s' must be an integer", g->file, key);
	return st;
}

enum od_status
od_gguf_number(const struct od_gguf *g, const char *key, double *out, struct od_error *err)
{
	const struct kv *kv;
	enum od_status st = need_kv(g, key, false, &kv, err);

	if (st == OD_OK && !number_value(kv->type, kv->data, out))
		st = od_fail(err, OD_EFORMAT, "cannot read '%s': key '%s' must be a number", g->file, key);
	return st;
}

static struct od_gguf_string
string_value(const unsigned char *p)
{
	return (struct od_gguf_string){ (const char *)p + 8, (size_t)od_get_le64(p) };
}

enum od_status
od_gguf_text(const struct od_gguf *g, const char *key, struct od_gguf_string *out, struct od_error *err)
{
	const struct kv *kv;
	enum od_status st = need_kv(g, key, false, &kv, err);

	if (st == OD_OK && kv->type != OD_GGUF_STRING)
		st = od_fail(err, OD_EFORMAT, "cannot read '%s': key '%s' must be a string", g->file, key);
	if (st == OD_OK)
		*out = string_value(kv->data);
	return st;
}

enum od_status
od_gguf_texts(const struct od_gguf *g, const char *key, struct od_gguf_string **out, size_t *n, struct od_error *err)
{
	const struct kv *kv;
	const unsigned char *p;
	enum od_status st = need_kv(g, key, true, &kv, err);

	if (st == OD_OK && kv->type != OD_GGUF_STRING)
		st = od_fail(err, OD_EFORMAT, "cannot read '%s': key '%s' must hold strings", g->file, key);
	if (st == OD_OK)
		st = od_alloc(out, (size_t)kv->count, sizeof **out, key, err);
	if (st != OD_OK)
		return st;
	*n = (size_t)kv->count;
	p = kv->data;
	for (size_t i = 0; i < *n; i++) {
		(*out)[i] = string_value(p);
		p += 8 + (*out)[i].n;
	}
	return OD_OK;
}

enum od_status
od_gguf_ints(const struct od_gguf *g, const char *key, int64_t **out, size_t *n, struct od_error *err)
{
	const struct kv *kv;
	int64_t *v = NULL;
	enum od_status st = need_kv(g, key, true, &kv, err);

	if (st == OD_OK)
		st = od_alloc(&v, (size_t)kv->count, sizeof *v, key, err);
	for (size_t i = 0; st == OD_OK && i < kv->count; i++)
		if (!int_value(kv->type, kv->data + i * value_bytes[kv->type], &v[i]))
			st = od_fail(err, OD_EFORMAT, "cannot read '%s': key '%s' must hold integers", g->file, key);
	if (st != OD_OK) {
		free(v);
		return st;
	}
	*out = v;
	*n = (size_t)kv->count;
	return OD_OK;
}

enum od_status
od_gguf_floats(const struct od_gguf *g, const char *key, float **out, size_t *n, struct od_error *err)
{
	const struct kv *kv;
	float *v = NULL;
	double d;
	enum od_status st = need_kv(g, key, true, &kv, err);

	if (st == OD_OK)
		st = od_alloc(&v, (size_t)kv->count, sizeof *v, key, err);
	for (size_t i = 0; st == OD_OK && i < kv->count; i++) {
		if (number_value(kv->type, kv->data + i * value_bytes[kv->type], &d))
			v[i] = (float)d;
		else
			st = od_fail(err, OD_EFORMAT, "cannot read '%s': key '%s' must hold numbers", g->file, key);
	}
	if (st != OD_OK) {
		free(v);
		return st;
	}
	*out = v;
	*n = (size_t)kv->count;
	return OD_OK;
}
