/* pairstream.c -- see pairstream.h for the layout.
 *
 * Writer and reader share struct block: the arrays of one image. The reader's point into the image where they are
 * aligned there (always, in what the writer writes: wide types stand first and the blob at the end pads to 8 bytes) and
 * into a copy where they are not.
 */
#include "pref/pairstream.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "io/map.h"
#include "io/safetensors.h"

#define BLOCK_TOKENS ((size_t)1 << 20)           /* a block is also full at this many tokens */
#define MAX_IMAGE ((size_t)1 << 30)

enum { T_SCORES, T_REF, T_WEIGHT, T_LENGTHS, T_COUNTS, T_ID_END, T_IDS, T_REF_TOKENS, T_SCORED, T_ID, N_TENSORS };

static const struct {
	const char *name;
	enum od_dtype dtype;
	int cols;                                    /* second dimension, 0: a vector */
} layout[N_TENSORS] = {
	[T_SCORES] = { "scores", OD_F64, 2 },        [T_REF] = { "ref_logps", OD_F64, 2 },
	[T_WEIGHT] = { "weight", OD_F64, 0 },        [T_LENGTHS] = { "lengths", OD_I32, 3 },
	[T_COUNTS] = { "scored_tokens", OD_I32, 2 }, [T_ID_END] = { "id_end", OD_I32, 0 },
	[T_IDS] = { "ids", OD_I32, 0 },              [T_REF_TOKENS] = { "ref_token_logps", OD_F32, 0 },
	[T_SCORED] = { "scored", OD_U8, 0 },         [T_ID] = { "id", OD_U8, 0 },
};

/* ---- writing --------------------------------------------------------------------------------------------------- */

struct od_pairstream_writer {
	struct od_out *out;
	struct od_ref_info ref;
	struct od_buf column[N_TENSORS];
	int64_t n, records;                          /* in this block, in the stream */
	bool masked, per_token;                      /* of this block */
};

enum od_status
od_pairstream_create(struct od_pairstream_writer **w, struct od_out *out, const struct od_ref_info *ref,
	struct od_error *err)
{
	struct od_pairstream_writer *p;
	enum od_status st = od_alloc(&p, 1, sizeof *p, "a pair stream", err);

	if (st != OD_OK) {
		od_out_close(out, NULL);
		return st;
	}
	p->out = out;
	if (ref)
		p->ref = *ref;
	*w = p;
	return OD_OK;
}

static enum od_status
write_image(struct od_pairstream_writer *w, const struct od_tensor_out *t, size_t n, const char *records,
	struct od_error *err)
{
	struct od_metadata meta[] = {
		{ "od_pairs", "1" },
		{ "ref_model", w->ref.model },
		{ "ref_tokenizer", w->ref.tokenizer },
		{ "ref_rules", w->ref.rules },
		{ "ref_numerics", w->ref.numerics },
		{ "records", records },
	};

	return od_safetensors_write(w->out, t, n, meta, records ? 6 : 5, err);
}

/* The image must be a multiple of 8 bytes long, or the next one's tensors would lie askew. */
static void
pad_id_blob(struct od_pairstream_writer *w)
{
	size_t bytes = 0;

	for (int i = 0; i < N_TENSORS; i++)
		bytes += i == T_SCORED && !w->masked ? 0 : w->column[i].len;
	for (; bytes % 8; bytes++)
		od_buf_char(&w->column[T_ID], '\0');
}

static enum od_status
flush_block(struct od_pairstream_writer *w, struct od_error *err)
{
	struct od_tensor_out t[N_TENSORS];
	enum od_status st;
	size_t n = 0;

	if (w->n == 0)
		return OD_OK;
	pad_id_blob(w);
	for (int i = 0; i < N_TENSORS; i++) {
		int64_t elements = (int64_t)(w->column[i].len / od_dtype_size(layout[i].dtype));

		if (!od_buf_ok(&w->column[i]))
			return od_fail_nomem(err, "a block of pairs", w->column[i].len);
		if ((i == T_SCORED && !w->masked) || (i == T_REF_TOKENS && !w->per_token))
			continue;
		t[n++] = (struct od_tensor_out){ .name = layout[i].name, .dtype = layout[i].dtype,
			.n_dims = layout[i].cols ? 2 : 1,
			.shape = { layout[i].cols ? w->n : elements, layout[i].cols }, .data = w->column[i].data };
	}
	st = write_image(w, t, n, NULL, err);
	for (int i = 0; i < N_TENSORS; i++)
		od_buf_clear(&w->column[i]);
	w->n = 0;
	w->masked = false;
	return st;
}

static void
put_flags(struct od_buf *b, const struct od_token_pair *p, size_t total)
{
	if (p->scored) {
		od_buf_append(b, p->scored, total);
		return;
	}
	for (size_t i = 0; i < total; i++)
		od_buf_char(b, i >= (size_t)p->n_prompt);
}

enum od_status
od_pairstream_put(struct od_pairstream_writer *w, const struct od_token_pair *p, struct od_error *err)
{
	size_t total = (size_t)p->n_prompt + (size_t)p->n_chosen + (size_t)p->n_rejected;
	int32_t lengths[3] = { p->n_prompt, p->n_chosen, p->n_rejected };
	int32_t counts[2] = { p->scored_chosen, p->scored_rejected }, id_end;
	double scores[2] = { p->score_chosen, p->score_rejected };
	double ref[2] = { p->ref_chosen_logps, p->ref_rejected_logps };
	enum od_status st;

	if (w->n == OD_PAIRSTREAM_BLOCK || w->column[T_IDS].len / 4 >= BLOCK_TOKENS ||
	    (w->n && w->per_token != (p->ref_token_logps != NULL))) {
		st = flush_block(w, err);
		if (st != OD_OK)
			return st;
	}
	w->per_token = p->ref_token_logps != NULL;
	w->masked |= p->scored != NULL;
	od_buf_append(&w->column[T_SCORES], scores, sizeof scores);
	od_buf_append(&w->column[T_REF], ref, sizeof ref);
	od_buf_append(&w->column[T_WEIGHT], &p->weight, sizeof p->weight);
	od_buf_append(&w->column[T_LENGTHS], lengths, sizeof lengths);
	od_buf_append(&w->column[T_COUNTS], counts, sizeof counts);
	od_buf_append(&w->column[T_IDS], p->ids, total * 4);
	if (p->ref_token_logps)
		od_buf_append(&w->column[T_REF_TOKENS], p->ref_token_logps, 4 * ((size_t)counts[0] + (size_t)counts[1]));
	put_flags(&w->column[T_SCORED], p, total);
	od_buf_append(&w->column[T_ID], p->id, strlen(p->id) + 1);
	id_end = (int32_t)w->column[T_ID].len;
	od_buf_append(&w->column[T_ID_END], &id_end, sizeof id_end);
	w->n++;
	w->records++;
	return OD_OK;
}

enum od_status
od_pairstream_finish(struct od_pairstream_writer *w, int ok, struct od_error *err)
{
	enum od_status st = OD_OK, closed;
	char records[24];

	if (!w)
		return OD_OK;
	if (ok) {
		st = flush_block(w, err);
		snprintf(records, sizeof records, "%lld", (long long)w->records);
		if (st == OD_OK)
			st = write_image(w, NULL, 0, records, err);
	}
	closed = od_out_close(w->out, st == OD_OK ? err : NULL);
	for (int i = 0; i < N_TENSORS; i++)
		od_buf_release(&w->column[i]);
	free(w);
	return st == OD_OK ? closed : st;
}

/* ---- one image ------------------------------------------------------------------------------------------------- */

struct block {
	int64_t n, first;                            /* pairs here; number of the first in the stream */
	const double *scores, *ref, *weight;         /* NULL when the image has none */
	const int32_t *lengths, *counts, *id_end, *ids;
	const float *ref_tokens;
	const uint8_t *scored;
	const char *id;
	int64_t total, ref_total, id_bytes;
	int64_t *token;                              /* [n] offset of each pair's tokens */
	void *copy[N_TENSORS];
};

static void
block_release(struct block *b)
{
	for (int i = 0; i < N_TENSORS; i++)
		free(b->copy[i]);
	free(b->token);
	memset(b, 0, sizeof *b);
}

/* The data of tensor 'which', aligned, its element count in *n and, when rows >= 0, its shape checked against
 * [rows, cols]. *data is NULL when the image has no such tensor and may lack it. */
static enum od_status
column(struct block *b, const struct od_safetensors *s, int which, bool required, int64_t rows, void *data, int64_t *n,
	struct od_error *err)
{
	const struct od_tensor_view *v = od_safetensors_find(s, layout[which].name);
	size_t size = od_dtype_size(layout[which].dtype);
	const void *p = NULL;

	if (!v && required)
		return od_fail(err, OD_EFORMAT, "tensor '%s' is missing", layout[which].name);
	if (v && (v->dtype != layout[which].dtype || v->n_dims != (layout[which].cols ? 2 : 1) ||
	    (layout[which].cols && v->shape[1] != layout[which].cols) || (rows >= 0 && v->shape[0] != rows)))
		return od_fail(err, OD_EFORMAT, "tensor '%s' has another type or shape than its pairs need",
			layout[which].name);
	if (v) {
		p = v->data;
		if ((uintptr_t)p % size) {
			b->copy[which] = malloc(v->n_bytes);
			if (!b->copy[which])
				return od_fail_nomem(err, "a block of pairs", v->n_bytes);
			p = memcpy(b->copy[which], v->data, v->n_bytes);
		}
		if (n)
			*n = layout[which].cols ? v->shape[0] : v->n_elements;
	}
	memcpy(data, &p, sizeof p);
	return OD_OK;
}

static enum od_status
block_columns(struct block *b, const struct od_safetensors *s, struct od_error *err)
{
	enum od_status st;

	st = column(b, s, T_LENGTHS, true, -1, &b->lengths, &b->n, err);
	if (st == OD_OK)
		st = column(b, s, T_IDS, true, -1, &b->ids, &b->total, err);
	if (st == OD_OK)
		st = column(b, s, T_COUNTS, true, b->n, &b->counts, NULL, err);
	if (st == OD_OK)
		st = column(b, s, T_ID_END, true, b->n, &b->id_end, NULL, err);
	if (st == OD_OK)
		st = column(b, s, T_ID, true, -1, &b->id, &b->id_bytes, err);
	if (st == OD_OK)
		st = column(b, s, T_SCORED, false, b->total, &b->scored, NULL, err);
	if (st == OD_OK)
		st = column(b, s, T_SCORES, false, b->n, &b->scores, NULL, err);
	if (st == OD_OK)
		st = column(b, s, T_REF, false, b->n, &b->ref, NULL, err);
	if (st == OD_OK)
		st = column(b, s, T_WEIGHT, false, b->n, &b->weight, NULL, err);
	if (st == OD_OK)
		st = column(b, s, T_REF_TOKENS, false, -1, &b->ref_tokens, &b->ref_total, err);
	return st;
}

static int64_t
count_flags(const uint8_t *flags, int64_t n)
{
	int64_t count = 0;

	for (int64_t i = 0; i < n; i++)
		count += flags[i];
	return count;
}

static bool
flags_are_good(const struct block *b, int64_t i)
{
	const int32_t *len = b->lengths + 3 * i, *want = b->counts + 2 * i;
	const uint8_t *f = b->scored ? b->scored + b->token[i] : NULL;

	if (!f)
		return want[0] == len[1] && want[1] == len[2];
	for (int64_t t = 0; t < (int64_t)len[0] + len[1] + len[2]; t++)
		if (f[t] > (t >= len[0]))
			return false;
	return count_flags(f + len[0], len[1]) == want[0] && count_flags(f + len[0] + len[1], len[2]) == want[1];
}

static bool
id_is_good(const struct block *b, int64_t i)
{
	int64_t begin = i ? b->id_end[i - 1] : 0, end = b->id_end[i];
	json_t *text;

	if (end <= begin || end > b->id_bytes || b->id[end - 1] != '\0')
		return false;
	text = json_string(b->id + begin);           /* NULL unless valid UTF-8 */
	json_decref(text);
	return text != NULL;
}

static bool
numbers_are_good(const double *v, int64_t n)
{
	for (int64_t i = 0; v && i < n; i++)
		if (isinf(v[i]))
			return false;
	return true;
}

/* Every index that od_token_pair's users follow lies inside the image; every number is one or NaN. */
static enum od_status
block_check(struct block *b, struct od_error *err)
{
	int64_t token = 0, scored = 0;

	for (int64_t i = 0; i < b->n; i++) {
		const int32_t *len = b->lengths + 3 * i;

		b->token[i] = token;
		if (len[0] < 0 || len[1] < 1 || len[2] < 0 || (int64_t)len[0] + len[1] + len[2] > b->total - token)
			return od_fail(err, OD_EFORMAT, "pair %lld: lengths do not fit the tokens",
				(long long)(b->first + i));
		if (!id_is_good(b, i))
			return od_fail(err, OD_EFORMAT, "pair %lld: damaged id", (long long)(b->first + i));
		if (!flags_are_good(b, i))
			return od_fail(err, OD_EFORMAT, "pair '%s': scored tokens do not match their count",
				b->id + (i ? b->id_end[i - 1] : 0));
		token += (int64_t)len[0] + len[1] + len[2];
		scored += (int64_t)b->counts[2 * i] + b->counts[2 * i + 1];
	}
	if (token != b->total || (b->ref_tokens && scored != b->ref_total))
		return od_fail(err, OD_EFORMAT, "lengths do not add up to the tokens");
	for (int64_t t = 0; t < b->total; t++)
		if (b->ids[t] < 0)
			return od_fail(err, OD_EFORMAT, "token id %d is negative", (int)b->ids[t]);
	if (!numbers_are_good(b->scores, 2 * b->n) || !numbers_are_good(b->ref, 2 * b->n) ||
	    !numbers_are_good(b->weight, b->n))
		return od_fail(err, OD_EFORMAT, "a score, log-prob or weight is infinite");
	return OD_OK;
}

static enum od_status
block_load(struct block *b, const struct od_safetensors *s, struct od_error *err)
{
	enum od_status st = block_columns(b, s, err);

	if (st == OD_OK)
		st = od_alloc(&b->token, (size_t)b->n, sizeof *b->token, "an index of pairs", err);
	return st == OD_OK ? block_check(b, err) : st;
}

static void
block_get(const struct block *b, int64_t i, int64_t ref_token, struct od_token_pair *p)
{
	*p = (struct od_token_pair){
		.id = b->id + (i ? b->id_end[i - 1] : 0),
		.ids = b->ids + b->token[i],
		.scored = b->scored ? b->scored + b->token[i] : NULL,
		.n_prompt = b->lengths[3 * i], .n_chosen = b->lengths[3 * i + 1], .n_rejected = b->lengths[3 * i + 2],
		.scored_chosen = b->counts[2 * i], .scored_rejected = b->counts[2 * i + 1],
		.score_chosen = b->scores ? b->scores[2 * i] : NAN,
		.score_rejected = b->scores ? b->scores[2 * i + 1] : NAN,
		.ref_chosen_logps = b->ref ? b->ref[2 * i] : NAN,
		.ref_rejected_logps = b->ref ? b->ref[2 * i + 1] : NAN,
		.weight = b->weight && !isnan(b->weight[i]) ? b->weight[i] : 1,
		.ref_token_logps = b->ref_tokens ? b->ref_tokens + ref_token : NULL,
	};
}

/* ---- the sequence of images: shared by the sequential and the random reader ------------------------------------ */

struct scan {
	struct od_in *in;
	struct od_ref_info ref;
	bool any;                                    /* an image was seen: ref is set */
	bool open;                                   /* inside a stream: its closing image is still due */
	int64_t since_open, records;
};

static enum od_status
take_ref(struct scan *s, const struct od_safetensors *image, struct od_error *err)
{
	struct od_ref_info ref = { "", "", "", "" };
	const struct {
		const char *key;
		char *to;
		size_t size;
	} field[] = {
		{ "ref_model", ref.model, sizeof ref.model },
		{ "ref_tokenizer", ref.tokenizer, sizeof ref.tokenizer },
		{ "ref_rules", ref.rules, sizeof ref.rules },
		{ "ref_numerics", ref.numerics, sizeof ref.numerics },
	};

	for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
		const char *value = od_safetensors_metadata(image, field[i].key);

		if (value && strlen(value) >= field[i].size)
			return od_fail(err, OD_EFORMAT, "metadata '%s' is too long", field[i].key);
		snprintf(field[i].to, field[i].size, "%s", value ? value : "");
		if (s->any && strcmp(field[i].to, (const char *)&s->ref + (field[i].to - (char *)&ref)) != 0)
			return od_fail(err, OD_EMISMATCH, "'%s' differs from that of the pairs before", field[i].key);
	}
	s->ref = ref;
	s->any = true;
	return OD_OK;
}

static enum od_status
take_end(struct scan *s, const char *records, struct od_error *err)
{
	int64_t n;

	if (!od_num_int(records, &n) || n < 0)
		return od_fail(err, OD_EFORMAT, "the closing image has no record count");
	if (n != s->since_open)
		return od_fail(err, OD_ETRUNC, "the stream says %lld records, %lld arrived", (long long)n,
			(long long)s->since_open);
	s->open = false;
	s->since_open = 0;
	return OD_OK;
}

static enum od_status
scan_image(struct scan *s, const struct od_safetensors *image, struct block *b, struct od_error *err)
{
	const char *version = od_safetensors_metadata(image, "od_pairs");
	const char *records = od_safetensors_metadata(image, "records");
	enum od_status st;

	if (!version || strcmp(version, "1") != 0)
		return od_fail(err, OD_EFORMAT, version ? "pair stream of a version this program does not know"
			: "safetensors image without pairs in it");
	st = take_ref(s, image, err);
	if (st != OD_OK || records)
		return st == OD_OK ? take_end(s, records, err) : st;
	b->first = s->records;
	st = block_load(b, image, err);
	if (st != OD_OK)
		return st;
	s->open = true;
	s->since_open += b->n;
	s->records += b->n;
	return OD_OK;
}

/* The next image's pairs into *b (n = 0 for a closing image), its bytes into *bytes. OD_EOF at a proper end. */
static enum od_status
scan_next(struct scan *s, void **bytes, struct od_safetensors **image, struct od_error *err)
{
	int64_t at = od_in_offset(s->in);
	enum od_status st = od_safetensors_next(s->in, MAX_IMAGE, bytes, image, err);

	if (st == OD_EOF && (s->open || !s->any))
		st = od_fail(err, OD_ETRUNC, s->any ? "the stream ended after %lld records without its closing image; "
			"upstream failed?" : "no pairs", (long long)s->records);
	if (st != OD_OK && st != OD_EOF)
		od_error_prefix(err, "%s: byte %lld: ", od_in_name(s->in), (long long)at);
	return st;
}

/* ---- reading in order ------------------------------------------------------------------------------------------ */

struct od_pairstream_reader {
	struct scan scan;
	struct block block;
	void *bytes;
	int64_t at, ref_token;                       /* next pair of the block, and its first ref_token_logps */
};

enum od_status
od_pairstream_open(struct od_pairstream_reader **r, struct od_in *in, struct od_error *err)
{
	struct od_pairstream_reader *p;
	enum od_status st = od_alloc(&p, 1, sizeof *p, "a pair stream", err);

	if (st != OD_OK) {
		od_in_close(in);
		return st;
	}
	p->scan.in = in;
	*r = p;
	return OD_OK;
}

static enum od_status
next_block(struct od_pairstream_reader *r, struct od_error *err)
{
	int64_t at = od_in_offset(r->scan.in);
	struct od_safetensors *image = NULL;
	enum od_status st;

	block_release(&r->block);
	free(r->bytes);
	r->bytes = NULL;
	r->at = r->ref_token = 0;
	st = scan_next(&r->scan, &r->bytes, &image, err);
	if (st != OD_OK)
		return st;
	st = scan_image(&r->scan, image, &r->block, err);
	if (st != OD_OK)
		od_error_prefix(err, "%s: byte %lld: ", od_in_name(r->scan.in), (long long)at);
	od_safetensors_close(image);                 /* the views point into bytes, which stay */
	return st;
}

enum od_status
od_pairstream_next(struct od_pairstream_reader *r, struct od_token_pair *p, struct od_error *err)
{
	while (r->at >= r->block.n) {
		enum od_status st = next_block(r, err);

		if (st != OD_OK)
			return st;
	}
	block_get(&r->block, r->at++, r->ref_token, p);
	r->ref_token += (int64_t)p->scored_chosen + p->scored_rejected;
	return OD_OK;
}

const struct od_ref_info *
od_pairstream_ref(const struct od_pairstream_reader *r)
{
	return &r->scan.ref;
}

void
od_pairstream_close(struct od_pairstream_reader *r)
{
	if (!r)
		return;
	block_release(&r->block);
	free(r->bytes);
	od_in_close(r->scan.in);
	free(r);
}

/* ---- random access --------------------------------------------------------------------------------------------- */

struct od_pairfile {
	struct od_map map;
	struct block *blocks;
	size_t n_blocks, cap_blocks;
	int64_t n;
	struct od_ref_info ref;
};

/* Indexes the image at byte 'at', whose end od_safetensors_next has found by reading past it. */
static enum od_status
index_image(struct od_pairfile *f, struct scan *s, size_t at, struct od_error *err)
{
	struct od_safetensors *image = NULL;
	struct block *b;
	enum od_status st;

	if (!od_grow(&f->blocks, &f->cap_blocks, f->n_blocks + 1, sizeof *f->blocks))
		return od_fail_nomem(err, "an index of pairs", (f->n_blocks + 1) * sizeof *f->blocks);
	b = &f->blocks[f->n_blocks++];
	memset(b, 0, sizeof *b);
	st = od_safetensors_memory(&image, (const char *)f->map.data + at, (size_t)od_in_offset(s->in) - at, od_in_name(s->in), err);
	if (st == OD_OK)
		st = scan_image(s, image, b, err);
	od_safetensors_close(image);
	if (st != OD_OK)
		od_error_prefix(err, "%s: byte %lld: ", od_in_name(s->in), (long long)at);
	if (b->n == 0)
		block_release(&f->blocks[--f->n_blocks]);
	return st;
}

static enum od_status
index_file(struct od_pairfile *f, const char *path, struct od_error *err)
{
	struct scan s = { 0 };
	enum od_status st = od_in_memory(&s.in, f->map.data, f->map.n, path, err);

	while (st == OD_OK) {
		struct od_safetensors *image = NULL;
		size_t at = (size_t)od_in_offset(s.in);
		void *bytes = NULL;

		st = scan_next(&s, &bytes, &image, err);
		od_safetensors_close(image);
		free(bytes);
		if (st == OD_OK)
			st = index_image(f, &s, at, err);
		od_map_forget(&f->map, (const char *)f->map.data + at, (size_t)od_in_offset(s.in) - at);
	}
	f->ref = s.ref;
	f->n = s.records;
	od_in_close(s.in);
	return st == OD_EOF ? OD_OK : st;
}

enum od_status
od_pairfile_open(struct od_pairfile **f, const char *path, struct od_error *err)
{
	struct od_pairfile *p;
	enum od_status st = od_alloc(&p, 1, sizeof *p, "a pair file", err);

	if (st != OD_OK)
		return st;
	st = od_map_open(&p->map, path, err);
	if (st == OD_OK && p->map.n == 0)
		st = od_fail(err, OD_ETRUNC, "%s: empty file", path);
	if (st == OD_OK)
		st = index_file(p, path, err);
	if (st != OD_OK)
		od_pairfile_close(p);
	else
		*f = p;
	return st;
}

int64_t
od_pairfile_count(const struct od_pairfile *f)
{
	return f->n;
}

void
od_pairfile_get(const struct od_pairfile *f, int64_t i, struct od_token_pair *p)
{
	size_t lo = 0, hi = f->n_blocks;             /* blocks[lo].first <= i < blocks[hi].first */
	const struct block *b;
	int64_t ref_token = 0;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->blocks[mid].first <= i)
			lo = mid;
		else
			hi = mid;
	}
	b = &f->blocks[lo];
	for (int64_t k = 0; b->ref_tokens && k < i - b->first; k++)
		ref_token += (int64_t)b->counts[2 * k] + b->counts[2 * k + 1];
	block_get(b, i - b->first, ref_token, p);
}

void
od_pairfile_forget(const struct od_pairfile *f)
{
	od_map_forget(&f->map, f->map.data, f->map.n);
}

const struct od_ref_info *
od_pairfile_ref(const struct od_pairfile *f)
{
	return &f->ref;
}

void
od_pairfile_close(struct od_pairfile *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_blocks; i++)
		block_release(&f->blocks[i]);
	free(f->blocks);
	od_map_close(&f->map);
	free(f);
}
