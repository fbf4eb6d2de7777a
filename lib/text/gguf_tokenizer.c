/* gguf_tokenizer.c -- GGUF vocabulary arrays to tokenizer.json; gguf_vocab.c goes the other way.
 *
 * Byte-level vocabularies ("gpt2") carry their merges; what is missing is the pre-tokeniser, which the file
 * names. SentencePiece vocabularies ("llama") carry scores instead: any two pieces whose joint is a piece may
 * merge, the best scored joint first. As merges: every way to cut a piece into two pieces, by falling score;
 * longer left sides first among equals, as in published conversions.
 */
#include "text/gguf_tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/gguf_pre.h"
#include "text/unicode.h"

#define SPACE_MARK "\xe2\x96\x81"

static enum od_gguf_token_type
type_of(const struct od_gguf_vocab *v, size_t id)
{
	return v->types ? (enum od_gguf_token_type)v->types[id] : OD_GGUF_NORMAL;
}

/* ---- what comes in ------------------------------------------------------------------------------------ */

static enum od_status
check_text(const struct od_gguf_text *t, const char *what, size_t i, struct od_error *err)
{
	if (od_utf8_check(t->s, t->n) < t->n || (t->n && memchr(t->s, 0, t->n)))
		return od_fail(err, OD_EFORMAT, "%s %zu is not valid UTF-8 or holds a NUL", what, i);
	return OD_OK;
}

static enum od_status
check_special(const struct od_gguf_vocab *v, const char *name, int64_t id, struct od_error *err)
{
	if (id < -1 || (id >= 0 && (size_t)id >= v->n_tokens))
		return od_fail(err, OD_EFORMAT, "%s token id %lld is out of range", name, (long long)id);
	return OD_OK;
}

/* All tokens into a vocabulary, which finds duplicates. */
static enum od_status
check_vocab(const struct od_gguf_vocab *v, struct od_vocab *vocab, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (!v->n_tokens || v->n_tokens > INT32_MAX / 2)
		return od_fail(err, OD_EFORMAT, "a vocabulary of %zu tokens", v->n_tokens);
	for (size_t i = 0; i < v->n_tokens && st == OD_OK; i++) {
		st = check_text(&v->tokens[i], "token", i, err);
		if (st == OD_OK)
			st = od_vocab_add(vocab, (int32_t)i, v->tokens[i].s, v->tokens[i].n, err);
	}
	for (size_t i = 0; i < v->n_merges && st == OD_OK; i++)
		st = check_text(&v->merges[i], "merge", i, err);
	if (st == OD_OK)
		st = check_special(v, "bos", v->bos, err);
	if (st == OD_OK)
		st = check_special(v, "eos", v->eos, err);
	if (st == OD_OK)
		st = check_special(v, "unknown", v->unk, err);
	return st == OD_OK ? check_special(v, "padding", v->pad, err) : st;
}

/* ---- merges from scores ------------------------------------------------------------------------------- */

struct scored_merge {
	float score;
	int32_t left, right;
	uint32_t left_chars, right_chars;
};

static int
better(const void *a, const void *b)
{
	const struct scored_merge *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->left_chars != y->left_chars)
		return x->left_chars > y->left_chars ? -1 : 1;
	if (x->right_chars != y->right_chars)
		return x->right_chars > y->right_chars ? -1 : 1;
	if (x->left != y->left)
		return x->left < y->left ? -1 : 1;
	return x->right < y->right ? -1 : x->right > y->right;
}

static bool
may_merge(const struct od_gguf_vocab *v, int32_t id)
{
	enum od_gguf_token_type t = id < 0 ? OD_GGUF_CONTROL : type_of(v, (size_t)id);

	return t == OD_GGUF_NORMAL || t == OD_GGUF_USER_DEFINED;
}

static uint32_t
count_chars(const char *s, size_t n)
{
	uint32_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += ((unsigned char)s[i] & 0xc0) != 0x80;
	return k;
}

/* Every way to cut piece 'id' into two pieces. */
static enum od_status
cut_piece(const struct od_gguf_vocab *v, const struct od_vocab *vocab, size_t id, struct scored_merge **m,
	size_t *n, size_t *cap, struct od_error *err)
{
	const char *s = v->tokens[id].s;
	size_t len = v->tokens[id].n;

	for (size_t i = 0; i < len; i += od_utf8_len((unsigned char)s[i])) {
		int32_t left = i ? od_vocab_find(vocab, s, i) : -1;
		int32_t right = left < 0 ? -1 : od_vocab_find(vocab, s + i, len - i);

		if (!may_merge(v, left) || !may_merge(v, right))
			continue;
		if (!od_grow(m, cap, *n + 1, sizeof(**m)))
			return od_fail_nomem(err, "merges", (*n + 1) * sizeof(**m));
		(*m)[(*n)++] = (struct scored_merge){ v->scores[id], left, right, count_chars(s, i),
			count_chars(s + i, len - i) };
	}
	return OD_OK;
}

static void
put_piece(const struct od_gguf_vocab *v, int32_t id, struct od_buf *out)
{
	od_buf_json_string(out, v->tokens[id].s, v->tokens[id].n);
}

static enum od_status
put_scored_merges(const struct od_gguf_vocab *v, const struct od_vocab *vocab, struct od_buf *out,
	struct od_error *err)
{
	struct scored_merge *m = NULL;
	size_t n = 0, cap = 0;
	enum od_status st = OD_OK;

	if (!v->scores)
		return od_fail(err, OD_EFORMAT, "a vocabulary of the kind 'llama' has no scores");
	for (size_t i = 0; i < v->n_tokens && st == OD_OK; i++) {
		if (isnan(v->scores[i]))
			st = od_fail(err, OD_EFORMAT, "the score of token %zu is not a number", i);
		else if (may_merge(v, (int32_t)i))
			st = cut_piece(v, vocab, i, &m, &n, &cap, err);
	}
	if (n)
		qsort(m, n, sizeof(*m), better);
	for (size_t i = 0; i < n && st == OD_OK; i++) {
		od_buf_str(out, i ? ",\n[" : "\n[");
		put_piece(v, m[i].left, out);
		od_buf_char(out, ',');
		put_piece(v, m[i].right, out);
		od_buf_char(out, ']');
	}
	free(m);
	return st;
}

/* ---- tokenizer.json ----------------------------------------------------------------------------------- */

static void
put_added(const struct od_gguf_vocab *v, struct od_buf *out)
{
	bool any = false;

	od_buf_str(out, "\"added_tokens\":[");
	for (size_t i = 0; i < v->n_tokens; i++) {
		enum od_gguf_token_type t = type_of(v, i);

		if (!v->tokens[i].n)
			continue;
		if (t != OD_GGUF_CONTROL && t != OD_GGUF_UNKNOWN && t != OD_GGUF_USER_DEFINED)
			continue;
		od_buf_printf(out, "%s\n{\"id\":%zu,\"content\":", any ? "," : "", i);
		put_piece(v, (int32_t)i, out);
		od_buf_printf(out,
			",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":%s}",
			t == OD_GGUF_USER_DEFINED ? "false" : "true");
		any = true;
	}
	od_buf_str(out, "],\n");
}

static void
put_post(const struct od_gguf_vocab *v, bool add_bos, struct od_buf *out)
{
	od_buf_str(out, "\"post_processor\":");
	if (!add_bos || v->bos < 0) {
		od_buf_str(out, "null,\n");
		return;
	}
	for (int pair = 0; pair < 2; pair++) {
		od_buf_str(out, pair ? "],\n\"pair\":[" : "{\"type\":\"TemplateProcessing\",\"single\":[");
		for (int k = 0; k <= pair; k++) {
			od_buf_str(out, k ? ",{\"SpecialToken\":{\"id\":" : "{\"SpecialToken\":{\"id\":");
			put_piece(v, (int32_t)v->bos, out);
			od_buf_printf(out, ",\"type_id\":%d}},{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}",
				k, 'A' + k, k);
		}
	}
	od_buf_str(out, "],\n\"special_tokens\":{");
	put_piece(v, (int32_t)v->bos, out);
	od_buf_str(out, ":{\"id\":");
	put_piece(v, (int32_t)v->bos, out);
	od_buf_printf(out, ",\"ids\":[%lld],\"tokens\":[", (long long)v->bos);
	put_piece(v, (int32_t)v->bos, out);
	od_buf_str(out, "]}}},\n");
}

static void
put_vocab(const struct od_gguf_vocab *v, struct od_buf *out)
{
	od_buf_str(out, "\"vocab\":{");
	for (size_t i = 0; i < v->n_tokens; i++) {
		od_buf_str(out, i ? ",\n" : "\n");
		put_piece(v, (int32_t)i, out);
		od_buf_printf(out, ":%zu", i);
	}
	od_buf_str(out, "},\n\"merges\":[");
}

static void
put_model(const char *unk, size_t unk_len, bool fallback, bool ignore_merges, struct od_buf *out)
{
	od_buf_str(out, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
	if (unk)
		od_buf_json_string(out, unk, unk_len);
	else
		od_buf_str(out, "null");
	od_buf_printf(out, ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":%s,"
		"\"byte_fallback\":%s,\"ignore_merges\":%s,\n", fallback ? "true" : "false",
		fallback ? "true" : "false", ignore_merges ? "true" : "false");
}

static enum od_status
put_byte_level(const struct od_gguf_vocab *v, const struct od_gguf_pre *p, struct od_buf *out,
	struct od_error *err)
{
	if (!v->n_merges)
		return od_fail(err, OD_EFORMAT, "a vocabulary of the kind 'gpt2' has no merges");
	od_buf_str(out, p->nfc ? "\"normalizer\":{\"type\":\"NFC\"},\n\"pre_tokenizer\":" :
		"\"normalizer\":null,\n\"pre_tokenizer\":");
	od_gguf_pre_json(p, out);
	od_buf_str(out, ",\n");
	put_post(v, v->add_bos >= 0 ? v->add_bos == 1 : p->bos, out);
	od_buf_str(out,
		"\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},\n");
	put_model(NULL, 0, false, p->ignore_merges, out);
	put_vocab(v, out);
	for (size_t i = 0; i < v->n_merges; i++) {
		od_buf_str(out, i ? ",\n" : "\n");
		od_buf_json_string(out, v->merges[i].s, v->merges[i].n);
	}
	return OD_OK;
}

static enum od_status
put_sentencepiece(const struct od_gguf_vocab *v, const struct od_vocab *vocab, struct od_buf *out,
	struct od_error *err)
{
	static const char replace[] =
		"{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SPACE_MARK "\"}";
	bool prefix = v->add_space_prefix != 0;
	int64_t unk = v->unk;

	for (size_t i = 0; unk < 0 && i < v->n_tokens; i++)
		unk = type_of(v, i) == OD_GGUF_UNKNOWN ? (int64_t)i : -1;
	if (prefix)
		od_buf_printf(out,
			"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\""
			SPACE_MARK "\"},%s]},\n", replace);
	else
		od_buf_printf(out, "\"normalizer\":%s,\n", replace);
	od_buf_str(out, "\"pre_tokenizer\":null,\n");
	put_post(v, v->add_bos != 0, out);
	od_buf_printf(out,
		"\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\""
		SPACE_MARK "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]},\n",
		prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
	put_model(unk >= 0 ? v->tokens[unk].s : NULL, unk >= 0 ? v->tokens[unk].n : 0, true, false, out);
	put_vocab(v, out);
	return put_scored_merges(v, vocab, out, err);
}

/* ---- tokenizer_config.json ---------------------------------------------------------------------------- */

static void
put_named(const struct od_gguf_vocab *v, const char *name, int64_t id, struct od_buf *out)
{
	od_buf_printf(out, "  \"%s\": ", name);
	if (id >= 0)
		put_piece(v, (int32_t)id, out);
	else
		od_buf_str(out, "null");
	od_buf_str(out, ",\n");
}

static enum od_status
put_config(const struct od_gguf_vocab *v, struct od_buf *out, struct od_error *err)
{
	od_buf_str(out, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n");
	put_named(v, "bos_token", v->bos, out);
	put_named(v, "eos_token", v->eos, out);
	put_named(v, "unk_token", v->unk, out);
	put_named(v, "pad_token", v->pad, out);
	if (v->add_bos >= 0)
		od_buf_printf(out, "  \"add_bos_token\": %s,\n", v->add_bos ? "true" : "false");
	if (v->chat_template) {
		size_t n = strlen(v->chat_template);

		if (od_utf8_check(v->chat_template, n) < n)
			return od_fail(err, OD_EFORMAT, "the chat template is not valid UTF-8");
		od_buf_str(out, "  \"chat_template\": ");
		od_buf_json_string(out, v->chat_template, n);
		od_buf_str(out, ",\n");
	}
	od_buf_str(out, "  \"clean_up_tokenization_spaces\": false\n}\n");
	return OD_OK;
}

enum od_status
od_gguf_tokenizer_json(const struct od_gguf_vocab *v, struct od_buf *json, struct od_buf *config,
	struct od_error *err)
{
	struct od_vocab vocab = OD_VOCAB_INIT;
	bool pieces = v->model && strcmp(v->model, "llama") == 0;
	const struct od_gguf_pre *p = v->pre ? od_gguf_pre_find(v->pre) : NULL;
	enum od_status st = OD_OK;

	if (!v->model)
		st = od_fail(err, OD_EFORMAT, "the file has no tokenizer: 'tokenizer.ggml.model' is missing");
	else if (!pieces && strcmp(v->model, "gpt2") != 0)
		st = od_fail(err, OD_ESUPPORT, "tokenizer model '%.80s' is not supported, only gpt2 and llama",
			v->model);
	else if (!pieces && !p)
		st = od_fail(err, OD_ESUPPORT, "pre-tokenizer '%.80s' is not known; known are %s",
			v->pre ? v->pre : "(none)", od_gguf_pre_names);
	if (st == OD_OK)
		st = check_vocab(v, &vocab, err);
	if (st == OD_OK) {
		od_buf_str(json, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n");
		put_added(v, json);
		st = pieces ? put_sentencepiece(v, &vocab, json, err) : put_byte_level(v, p, json, err);
		od_buf_str(json, "]}}\n");
	}
	if (st == OD_OK)
		st = put_config(v, config, err);
	if (st == OD_OK && (!od_buf_ok(json) || !od_buf_ok(config)))
		st = od_fail_nomem(err, "a tokenizer", json->len);
	od_vocab_release(&vocab);
	return st;
}
