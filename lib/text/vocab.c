#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

const char *
od_vocab_piece(const struct od_vocab *v, int32_t id, size_t *n)
{
	if (id < 0 || (size_t)id >= v->n_ids || v->offset[id] == OD_VOCAB_NONE)
		return NULL;
	if (n)
		*n = v->len[id];
	return v->text.data + v->offset[id];
}

/* The slot that holds the piece, or the empty one where it belongs. n_slots is not 0 and one slot is
 * empty. */
static size_t
find_slot(const struct od_vocab *v, const char *piece, size_t n)
{
	size_t mask = v->n_slots - 1, i = od_hash64(piece, n, 0) & mask;

	for (; v->slot[i] >= 0; i = (i + 1) & mask) {
		int32_t id = v->slot[i];

		if (v->len[id] == n && memcmp(v->text.data + v->offset[id], piece, n) == 0)
			break;
	}
	return i;
}

int32_t
od_vocab_find(const struct od_vocab *v, const char *piece, size_t n)
{
	return v->n_slots ? v->slot[find_slot(v, piece, n)] : -1;
}

static enum od_status
grow_slots(struct od_vocab *v, struct od_error *err)
{
	size_t n = v->n_slots ? 2 * v->n_slots : 1024, old = v->n_slots;
	int32_t *was = v->slot, *slot = NULL;
	enum od_status st;

	if (2 * (v->n_pieces + 1) <= v->n_slots)
		return OD_OK;
	st = od_alloc(&slot, n, sizeof(*slot), "a vocabulary", err);
	if (st != OD_OK)
		return st;
	memset(slot, 0xff, n * sizeof(*slot));
	v->slot = slot;
	v->n_slots = n;
	for (size_t i = 0; i < old; i++) {
		if (was[i] >= 0)
			slot[find_slot(v, v->text.data + v->offset[was[i]], v->len[was[i]])] = was[i];
	}
	free(was);
	return OD_OK;
}

static enum od_status
grow_ids(struct od_vocab *v, size_t need, struct od_error *err)
{
	if (!od_grow(&v->offset, &v->cap_offset, need, sizeof(*v->offset)) ||
		!od_grow(&v->len, &v->cap_len, need, sizeof(*v->len)))
		return od_fail_nomem(err, "a vocabulary", need * 2 * sizeof(*v->offset));
	for (; v->n_ids < need; v->n_ids++) {
		v->offset[v->n_ids] = OD_VOCAB_NONE;
		v->len[v->n_ids] = 0;
	}
	return OD_OK;
}

enum od_status
od_vocab_add(struct od_vocab *v, int32_t id, const char *piece, size_t n, struct od_error *err)
{
	int32_t known = od_vocab_find(v, piece, n);
	const char *other = od_vocab_piece(v, id, NULL);
	enum od_status st;

	if (known >= 0 && known == id)
		return OD_OK;
	if (known >= 0)
		return od_fail(err, OD_EFORMAT, "token '%.80s' has two ids, %d and %d", piece, (int)known,
			(int)id);
	if (other)
		return od_fail(err, OD_EFORMAT, "id %d belongs to two tokens, '%.80s' and '%.80s'", (int)id,
			other, piece);
	if (id < 0 || v->text.len + n + 1 >= OD_VOCAB_NONE)
		return od_fail(err, OD_EFORMAT, "id %d or the vocabulary's size is out of range", (int)id);
	st = grow_ids(v, (size_t)id + 1, err);
	if (st == OD_OK)
		st = grow_slots(v, err);
	if (st != OD_OK)
		return st;
	v->offset[id] = (uint32_t)v->text.len;
	v->len[id] = (uint32_t)n;
	od_buf_append(&v->text, piece, n);
	od_buf_char(&v->text, '\0');
	if (!od_buf_ok(&v->text)) {
		v->offset[id] = OD_VOCAB_NONE;
		return od_fail_nomem(err, "a vocabulary", v->text.len + n);
	}
	v->slot[find_slot(v, piece, n)] = id;
	v->n_pieces++;
	return OD_OK;
}

void
od_vocab_release(struct od_vocab *v)
{
	od_buf_release(&v->text);
	free(v->offset);
	free(v->len);
	free(v->slot);
	*v = (struct od_vocab)OD_VOCAB_INIT;
}
