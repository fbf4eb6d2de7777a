/* tokenizer.c -- questions to a loaded tokenizer: pieces, ids, decoding, identity. encode.c runs it the other
 * way, tokenizer_json.c loads it. */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

void
od_tokenizer_close(struct od_tokenizer *t)
{
	if (!t)
		return;
	od_bpe_release(&t->bpe);
	od_steps_release(&t->normalizer);
	od_steps_release(&t->pre_tokenizer);
	for (size_t i = 0; i < t->n_added; i++)
		free(t->added[i].content);
	free(t->added);
	free(t->added_of);
	od_trie_release(&t->raw);
	od_trie_release(&t->normalized);
	free(t->chat_template);
	free(t->normalizer_text);
	free(t->pre_tokenizer_text);
	od_pool_free(t->pool);
	free(t);
}

static const struct od_added_token *
added_token(const struct od_tokenizer *t, int32_t id)
{
	if (id < 0 || (size_t)id >= t->bpe.vocab.n_ids || t->added_of[id] < 0)
		return NULL;
	return &t->added[t->added_of[id]];
}

int32_t
od_tokenizer_id(const struct od_tokenizer *t, const char *token)
{
	return od_vocab_find(&t->bpe.vocab, token, strlen(token));
}

const char *
od_tokenizer_piece(const struct od_tokenizer *t, int32_t id)
{
	return od_vocab_piece(&t->bpe.vocab, id, NULL);
}

bool
od_tokenizer_is_special(const struct od_tokenizer *t, int32_t id)
{
	const struct od_added_token *a = added_token(t, id);

	return a && a->special;
}

int32_t
od_tokenizer_size(const struct od_tokenizer *t)
{
	return (int32_t)t->bpe.vocab.n_ids;
}

int32_t
od_tokenizer_bos(const struct od_tokenizer *t)
{
	return t->bos;
}

int32_t
od_tokenizer_eos(const struct od_tokenizer *t)
{
	return t->eos;
}

bool
od_tokenizer_adds_bos(const struct od_tokenizer *t)
{
	return t->adds_bos;
}

const char *
od_tokenizer_chat_template(const struct od_tokenizer *t)
{
	return t->chat_template;
}

const char *
od_tokenizer_hash(const struct od_tokenizer *t)
{
	return t->hash;
}

/* ---- decoding ----------------------------------------------------------------------------------------- */

/* A piece in byte letters; as it is when it holds a character that is none. */
static void
decode_letters(struct od_buf *out, const char *piece, size_t n)
{
	size_t len = out->len;
	uint32_t cp;

	for (size_t i = 0, k; i < n; i += k) {
		int byte;

		k = od_utf8_decode(piece + i, n - i, &cp);
		byte = k ? od_letter_byte(cp) : -1;
		if (byte < 0) {
			if (od_buf_ok(out))
				out->len = len;
			od_buf_append(out, piece, n);
			return;
		}
		od_buf_char(out, (char)byte);
	}
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "<0xNN>" names, or -1. */
static int
named_byte(const char *piece, size_t n)
{
	if (n != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>' || hex_digit(piece[3]) < 0 ||
		hex_digit(piece[4]) < 0)
		return -1;
	return hex_digit(piece[3]) * 16 + hex_digit(piece[4]);
}

static void
decode_spaces(struct od_buf *out, const char *piece, size_t n, const char *space)
{
	size_t len = strlen(space);

	for (size_t i = 0; i < n;) {
		if (len && n - i >= len && memcmp(piece + i, space, len) == 0) {
			od_buf_char(out, ' ');
			i += len;
		} else {
			od_buf_char(out, piece[i++]);
		}
	}
}

void
od_tokenizer_decode(const struct od_tokenizer *t, int32_t id, bool skip_special, struct od_buf *out)
{
	const struct od_added_token *a = added_token(t, id);
	size_t n = 0;
	const char *piece = od_vocab_piece(&t->bpe.vocab, id, &n);
	int byte;

	if (!piece || (a && a->special && skip_special))
		return;
	if (a && (a->special || t->decoder.byte_letters))
		od_buf_append(out, piece, n);
	else if (t->decoder.byte_letters)
		decode_letters(out, piece, n);
	else if (t->decoder.byte_names && (byte = named_byte(piece, n)) >= 0)
		od_buf_char(out, (char)byte);
	else
		decode_spaces(out, piece, n, t->decoder.space);
}

/* ---- identity ----------------------------------------------------------------------------------------- */

static void
hash_number(struct od_sha256 *h, int64_t v)
{
	unsigned char b[8];

	od_put_le64(b, (uint64_t)v);
	od_sha256_add(h, b, sizeof(b));
}

static void
hash_text(struct od_sha256 *h, const char *s, size_t n)
{
	hash_number(h, (int64_t)n);
	od_sha256_add(h, s, n);
}

static int
by_rank(const void *a, const void *b)
{
	const struct od_merge *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Merges in the order of their ranks, so that neither the hash table's layout nor the file's spelling
 * matters. */
static enum od_status
hash_merges(struct od_sha256 *h, const struct od_bpe *b, struct od_error *err)
{
	struct od_merge *sorted = NULL;
	size_t n = 0;
	enum od_status st = od_alloc(&sorted, b->n_merges, sizeof(*sorted), "merges", err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < b->n_slots; i++) {
		if (b->merge[i].joined >= 0)
			sorted[n++] = b->merge[i];
	}
	qsort(sorted, n, sizeof(*sorted), by_rank);
	hash_number(h, (int64_t)n);
	for (size_t i = 0; i < n; i++) {
		hash_number(h, sorted[i].left);
		hash_number(h, sorted[i].right);
	}
	free(sorted);
	return OD_OK;
}

static void
hash_rules(struct od_sha256 *h, const struct od_tokenizer *t)
{
	const struct od_vocab *v = &t->bpe.vocab;

	hash_text(h, t->normalizer_text, strlen(t->normalizer_text));
	hash_text(h, t->pre_tokenizer_text, strlen(t->pre_tokenizer_text));
	hash_number(h,
		t->bpe.byte_fallback | t->bpe.fuse_unk << 1 | t->bpe.ignore_merges << 2 | t->adds_bos << 3);
	hash_number(h, t->bpe.unk);
	hash_number(h, t->bos);
	hash_number(h, t->eos);
	for (size_t id = 0; id < v->n_ids; id++) {
		const struct od_added_token *a = added_token(t, (int32_t)id);
		size_t n = 0;
		const char *piece = od_vocab_piece(v, (int32_t)id, &n);

		hash_number(h, piece ? (int64_t)id : -1);
		hash_text(h, piece ? piece : "", n);
		hash_number(h, !a ? -1 : a->special | a->lstrip << 1 | a->rstrip << 2 | a->single_word << 3 |
			a->normalized << 4 | (!a->special && a->in_model) << 5);
	}
}

static enum od_status
make_hash(struct od_tokenizer *t, struct od_error *err)
{
	struct od_sha256 *h = NULL;
	enum od_status st = od_sha256_begin(&h, err);

	if (st != OD_OK)
		return st;
	hash_rules(h, t);
	st = hash_merges(h, &t->bpe, err);
	od_sha256_end(h, st == OD_OK ? t->hash : NULL);
	return st;
}

/* ---- the end of loading ------------------------------------------------------------------------------- */

static enum od_status
index_added(struct od_tokenizer *t, struct od_error *err)
{
	enum od_status st = od_alloc(&t->added_of, t->bpe.vocab.n_ids, sizeof(*t->added_of), "added tokens",
		err);

	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < t->bpe.vocab.n_ids; i++)
		t->added_of[i] = -1;
	for (size_t i = 0; i < t->n_added; i++)
		t->added_of[t->added[i].id] = (int32_t)i;
	return OD_OK;
}

/* The texts to look for; those of normalised tokens are normalised themselves. */
static enum od_status
make_tries(struct od_tokenizer *t, struct od_error *err)
{
	struct od_pretok_scratch scratch;
	struct od_buf text = OD_BUF_INIT;
	enum od_status st = od_pretok_scratch_init(&scratch, err);

	for (size_t i = 0; i < t->n_added && st == OD_OK; i++) {
		const struct od_added_token *a = &t->added[i];

		if (!a->normalized) {
			st = od_trie_add(&t->raw, a->content, a->len, (int32_t)i, err);
			continue;
		}
		st = od_normalize(&t->normalizer, &scratch, a->content, a->len, &text, err);
		if (st == OD_OK && text.len)
			st = od_trie_add(&t->normalized, text.data, text.len, (int32_t)i, err);
	}
	od_buf_release(&text);
	od_pretok_scratch_release(&scratch);
	return st;
}

enum od_status
od_tokenizer_finish(struct od_tokenizer *t, struct od_error *err)
{
	enum od_status st;

	od_bpe_finish(&t->bpe);
	st = index_added(t, err);
	if (st == OD_OK)
		st = make_tries(t, err);
	if (st == OD_OK)
		st = od_pool_new(&t->pool, err);
	return st == OD_OK ? make_hash(t, err) : st;
}
