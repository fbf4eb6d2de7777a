/* tokenizer_json.c -- tokenizer.json and tokenizer_config.json into struct od_tokenizer. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/json_member.h"
#include "text/tokenizer_impl.h"

/* Vocabularies have holes, but small ones: an id far beyond the number of tokens is a damaged file, not a
 * reason to allocate tables of that size. */
#define SPARE_IDS 65536

static enum od_status
load_json(json_t **out, const char *text, size_t len, const char *name, struct od_error *err)
{
	json_error_t e;

	*out = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (!*out && (json_error_code(&e) == json_error_out_of_memory || !e.text[0]))
		return od_fail_nomem(err, name, len);
	if (!*out)
		return od_fail(err, OD_EFORMAT, "%s: line %d: %s", name, e.line, e.text);
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		return od_fail(err, OD_EFORMAT, "%s: must hold an object", name);
	}
	return OD_OK;
}

/* ---- vocabulary --------------------------------------------------------------------------------------- */

static enum od_status
check_id(const json_t *id, const char *token, size_t n_tokens, struct od_error *err)
{
	json_int_t v = json_integer_value(id);

	if (!json_is_integer(id))
		return od_fail(err, OD_EFORMAT, "id of token '%.80s' must be an integer", token);
	if (v < 0 || (size_t)v >= 2 * n_tokens + SPARE_IDS || v >= INT32_MAX)
		return od_fail(err, OD_EFORMAT, "id %lld of token '%.80s' is out of range", (long long)v,
			token);
	return OD_OK;
}

static enum od_status
read_vocab(struct od_tokenizer *t, const json_t *model, struct od_error *err)
{
	json_t *vocab = json_object_get(model, "vocab"), *id;
	const char *piece;
	enum od_status st;

	if (!json_is_object(vocab) || !json_object_size(vocab))
		return od_fail(err, OD_EFORMAT, vocab ? "field 'vocab' must be an object with tokens" :
			"field 'vocab' is missing");
	json_object_foreach(vocab, piece, id) {
		st = check_id(id, piece, json_object_size(vocab), err);
		if (st == OD_OK)
			st = od_vocab_add(&t->bpe.vocab, (int32_t)json_integer_value(id), piece,
				strlen(piece), err);
		if (st != OD_OK)
			return st;
	}
	return OD_OK;
}

/* ---- merges ------------------------------------------------------------------------------------------- */

/* "left right" or ["left", "right"]; false when it is neither. */
static bool
merge_sides(const json_t *m, const char *side[2], size_t len[2])
{
	const char *s = json_string_value(m), *space;
	size_t n = json_string_length(m);

	if (json_is_string(m)) {
		space = memchr(s, ' ', n);
		if (!space || memchr(space + 1, ' ', n - (size_t)(space + 1 - s)))
			return false;
		side[0] = s;
		len[0] = (size_t)(space - s);
		side[1] = space + 1;
		len[1] = n - len[0] - 1;
		return len[0] && len[1];
	}
	if (!json_is_array(m) || json_array_size(m) != 2)
		return false;
	for (size_t k = 0; k < 2; k++) {
		if (!json_is_string(json_array_get(m, k)))
			return false;
		side[k] = json_string_value(json_array_get(m, k));
		len[k] = json_string_length(json_array_get(m, k));
	}
	return len[0] && len[1];
}

static enum od_status
read_merge(struct od_tokenizer *t, const json_t *m, size_t i, struct od_error *err)
{
	const char *side[2];
	size_t len[2];
	int32_t id[2];

	if (!merge_sides(m, side, len))
		return od_fail(err, OD_EFORMAT, "merge %zu must be two tokens", i);
	for (size_t k = 0; k < 2; k++) {
		id[k] = od_vocab_find(&t->bpe.vocab, side[k], len[k]);
		if (id[k] < 0)
			return od_fail(err, OD_EFORMAT,
				"merge %zu names '%.*s', which is not in the vocabulary", i,
				len[k] < 80 ? (int)len[k] : 80, side[k]);
	}
	return od_bpe_add_merge(&t->bpe, (uint32_t)i, id[0], id[1], err);
}

static enum od_status
read_merges(struct od_tokenizer *t, const json_t *model, struct od_error *err)
{
	const json_t *merges = json_object_get(model, "merges"), *m;
	size_t i;
	enum od_status st;

	if (!json_is_array(merges))
		return od_fail(err, OD_EFORMAT, "field 'merges' %s",
			merges ? "must be a list" : "is missing");
	st = od_bpe_reserve(&t->bpe, json_array_size(merges), err);
	if (st != OD_OK)
		return st;
	json_array_foreach(merges, i, m) {
		if (json_is_string(m) && strncmp(json_string_value(m), "#version", 8) == 0)
			continue;
		st = read_merge(t, m, i, err);
		if (st != OD_OK)
			return st;
	}
	return OD_OK;
}

/* ---- model -------------------------------------------------------------------------------------------- */

/* Options of byte-pair encoding that none of the supported families uses. */
static enum od_status
refuse_rare(const json_t *model, struct od_error *err)
{
	static const char *const rare[] = { "continuing_subword_prefix", "end_of_word_suffix" };
	const json_t *type = json_object_get(model, "type"), *dropout = json_object_get(model, "dropout");

	if (type && !json_is_null(type) &&
		(!json_is_string(type) || strcmp(json_string_value(type), "BPE") != 0))
		return od_fail(err, OD_ESUPPORT, "tokenizer model '%.80s' is not supported, only BPE",
			json_is_string(type) ? json_string_value(type) : "?");
	if (json_is_number(dropout) && json_number_value(dropout) != 0)
		return od_fail(err, OD_ESUPPORT, "a tokenizer with dropout is not supported");
	for (int i = 0; i < 2; i++) {
		const json_t *v = json_object_get(model, rare[i]);

		if (v && !json_is_null(v) && !(json_is_string(v) && !json_string_length(v)))
			return od_fail(err, OD_ESUPPORT, "field '%s' is not supported", rare[i]);
	}
	return OD_OK;
}

static enum od_status
read_unk(struct od_tokenizer *t, const json_t *model, struct od_error *err)
{
	const json_t *unk = json_object_get(model, "unk_token");

	if (!unk || json_is_null(unk))
		return OD_OK;
	if (!json_is_string(unk))
		return od_fail(err, OD_EFORMAT, "field 'unk_token' must be a string");
	t->bpe.unk = od_vocab_find(&t->bpe.vocab, json_string_value(unk), json_string_length(unk));
	if (t->bpe.unk < 0)
		return od_fail(err, OD_EFORMAT, "unk_token '%.80s' is not in the vocabulary",
			json_string_value(unk));
	return OD_OK;
}

static enum od_status
read_model(struct od_tokenizer *t, const json_t *root, struct od_error *err)
{
	const json_t *model = json_object_get(root, "model");
	enum od_status st;

	if (!json_is_object(model))
		return od_fail(err, OD_EFORMAT, "field 'model' %s",
			model ? "must be an object" : "is missing");
	st = refuse_rare(model, err);
	if (st == OD_OK)
		st = od_member_bool(model, "byte_fallback", false, &t->bpe.byte_fallback, err);
	if (st == OD_OK)
		st = od_member_bool(model, "fuse_unk", false, &t->bpe.fuse_unk, err);
	if (st == OD_OK)
		st = od_member_bool(model, "ignore_merges", false, &t->bpe.ignore_merges, err);
	if (st == OD_OK)
		st = read_vocab(t, model, err);
	if (st == OD_OK)
		st = read_unk(t, model, err);
	if (st == OD_OK)
		st = read_merges(t, model, err);
	return st;
}

/* ---- added tokens ------------------------------------------------------------------------------------- */

static enum od_status
read_flags(struct od_added_token *a, const json_t *json, struct od_error *err)
{
	enum od_status st = od_member_bool(json, "special", false, &a->special, err);

	if (st == OD_OK)
		st = od_member_bool(json, "lstrip", false, &a->lstrip, err);
	if (st == OD_OK)
		st = od_member_bool(json, "rstrip", false, &a->rstrip, err);
	if (st == OD_OK)
		st = od_member_bool(json, "single_word", false, &a->single_word, err);
	return st == OD_OK ? od_member_bool(json, "normalized", !a->special, &a->normalized, err) : st;
}

static enum od_status
read_added_token(struct od_tokenizer *t, const json_t *json, size_t n_tokens, struct od_error *err)
{
	struct od_added_token *a;
	const char *content;
	bool in_model;
	size_t n;
	enum od_status st = od_member_string(json, "content", &content, &n, err);

	if (st != OD_OK || !n)
		return st;
	in_model = od_vocab_find(&t->bpe.vocab, content, n) >= 0;
	st = check_id(json_object_get(json, "id"), content, n_tokens, err);
	if (st == OD_OK)
		st = od_vocab_add(&t->bpe.vocab, (int32_t)json_integer_value(json_object_get(json, "id")),
			content, n, err);
	if (st != OD_OK)
		return st;
	if (!od_grow(&t->added, &t->cap_added, t->n_added + 1, sizeof(*t->added)))
		return od_fail_nomem(err, "added tokens", (t->n_added + 1) * sizeof(*t->added));
	a = &t->added[t->n_added];
	*a = (struct od_added_token){ .id = (int32_t)json_integer_value(json_object_get(json, "id")),
		.len = n, .in_model = in_model };
	a->content = od_strndup(content, n);
	if (!a->content)
		return od_fail_nomem(err, "added tokens", n);
	t->n_added++;
	return read_flags(a, json, err);
}

static enum od_status
read_added(struct od_tokenizer *t, const json_t *root, struct od_error *err)
{
	const json_t *list = json_object_get(root, "added_tokens"), *item;
	size_t i;

	if (!list || json_is_null(list))
		return OD_OK;
	if (!json_is_array(list))
		return od_fail(err, OD_EFORMAT, "field 'added_tokens' must be a list");
	json_array_foreach(list, i, item) {
		enum od_status st = read_added_token(t, item, t->bpe.vocab.n_pieces + json_array_size(list),
			err);

		if (st != OD_OK) {
			od_error_prefix(err, "added_tokens %zu: ", i);
			return st;
		}
	}
	return OD_OK;
}

/* ---- decoder ------------------------------------------------------------------------------------------ */

/* {"type":"Replace","pattern":{"String":X},"content":" "} */
static void
read_decoder_space(struct od_decoder *d, const json_t *json)
{
	const json_t *p = json_object_get(json_object_get(json, "pattern"), "String");
	const char *to = json_string_value(json_object_get(json, "content"));

	if (json_is_string(p) && json_string_length(p) < sizeof(d->space) && to && strcmp(to, " ") == 0)
		memcpy(d->space, json_string_value(p), json_string_length(p) + 1);
}

/* Reads what matters for the bytes of a single id; steps that only join or trim whole texts do not. */
static enum od_status
read_decoder(struct od_decoder *d, const json_t *json, int depth, struct od_error *err)
{
	const json_t *list = json_object_get(json, "decoders"), *item;
	const char *type;
	size_t i;
	enum od_status st = od_member_string(json, "type", &type, NULL, err);

	if (st != OD_OK)
		return st;
	if (strcmp(type, "ByteLevel") == 0) {
		d->byte_letters = true;
	} else if (strcmp(type, "ByteFallback") == 0) {
		d->byte_names = true;
	} else if (strcmp(type, "Metaspace") == 0) {
		memcpy(d->space, "\xe2\x96\x81", 4);
	} else if (strcmp(type, "Replace") == 0) {
		read_decoder_space(d, json);
	} else if (strcmp(type, "Sequence") == 0 && json_is_array(list) && depth < 16) {
		json_array_foreach(list, i, item) {
			st = read_decoder(d, item, depth + 1, err);
			if (st != OD_OK)
				return st;
		}
	} else if (strcmp(type, "Fuse") != 0 && strcmp(type, "Strip") != 0) {
		return od_fail(err, OD_ESUPPORT, "decoder type '%.80s' is not supported", type);
	}
	return OD_OK;
}

static enum od_status
read_decoder_or_guess(struct od_tokenizer *t, const json_t *root, struct od_error *err)
{
	const json_t *json = json_object_get(root, "decoder");
	enum od_status st;

	if (json && !json_is_null(json)) {
		st = read_decoder(&t->decoder, json, 0, err);
		if (st != OD_OK)
			od_error_prefix(err, "decoder: ");
		return st;
	}
	for (size_t i = 0; i < t->pre_tokenizer.n; i++)
		t->decoder.byte_letters |= t->pre_tokenizer.step[i].kind == OD_STEP_BYTE_LETTERS;
	return OD_OK;
}

/* ---- BOS, EOS, template ------------------------------------------------------------------------------- */

/* The token a template post-processor puts first, NULL when there is none. */
static const char *
post_first(const json_t *post, int depth)
{
	const char *type = json_string_value(json_object_get(post, "type"));
	const json_t *list = json_object_get(post, "processors"), *item;
	size_t i;

	if (type && strcmp(type, "TemplateProcessing") == 0) {
		item = json_array_get(json_object_get(post, "single"), 0);
		return json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
	}
	if (type && strcmp(type, "Sequence") == 0 && depth < 16) {
		json_array_foreach(list, i, item) {
			const char *id = post_first(item, depth + 1);

			if (id)
				return id;
		}
	}
	return NULL;
}

/* A token named in the config, "x" or {"content": "x"}: its id, or -1. */
static int32_t
named_token(const struct od_tokenizer *t, const json_t *config, const char *name)
{
	const json_t *v = json_object_get(config, name);

	if (json_is_object(v))
		v = json_object_get(v, "content");
	if (!json_is_string(v))
		return -1;
	return od_vocab_find(&t->bpe.vocab, json_string_value(v), json_string_length(v));
}

/* The template: a text, or the one named "default" of a list. */
static const json_t *
find_template(const json_t *config)
{
	const json_t *v = json_object_get(config, "chat_template"), *item;
	size_t i;

	if (json_is_string(v))
		return v;
	json_array_foreach(v, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));

		if (name && strcmp(name, "default") == 0)
			return json_object_get(item, "template");
	}
	return NULL;
}

static enum od_status
read_config(struct od_tokenizer *t, const json_t *root, const json_t *config, struct od_error *err)
{
	const char *first = post_first(json_object_get(root, "post_processor"), 0);
	const json_t *text = find_template(config), *add = json_object_get(config, "add_bos_token");

	t->bos = named_token(t, config, "bos_token");
	t->eos = named_token(t, config, "eos_token");
	t->pad = named_token(t, config, "pad_token");
	if (first && t->bos < 0)
		t->bos = od_tokenizer_id(t, first);
	t->adds_bos = t->bos >= 0 && (json_is_boolean(add) ? json_is_true(add) : first != NULL);
	if (json_is_string(text)) {
		t->chat_template = od_strdup(json_string_value(text));
		if (!t->chat_template)
			return od_fail_nomem(err, "a chat template", json_string_length(text));
	}
	return OD_OK;
}

/* ---- all of it ---------------------------------------------------------------------------------------- */

static enum od_status
keep_json(char **out, const json_t *json, struct od_error *err)
{
	*out = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : od_strdup("null");
	return *out ? OD_OK : od_fail_nomem(err, "tokenizer rules", 0);
}

static enum od_status
build(struct od_tokenizer *t, const json_t *root, const json_t *config, struct od_error *err)
{
	const json_t *normalizer = json_object_get(root, "normalizer");
	const json_t *pre = json_object_get(root, "pre_tokenizer");
	enum od_status st = read_model(t, root, err);

	if (st == OD_OK)
		st = read_added(t, root, err);
	if (st == OD_OK)
		st = od_steps_normalizer(&t->normalizer, normalizer, err);
	if (st == OD_OK)
		st = od_steps_pre_tokenizer(&t->pre_tokenizer, pre, err);
	if (st == OD_OK)
		st = read_decoder_or_guess(t, root, err);
	if (st == OD_OK)
		st = read_config(t, root, config, err);
	if (st == OD_OK)
		st = keep_json(&t->normalizer_text, normalizer, err);
	if (st == OD_OK)
		st = keep_json(&t->pre_tokenizer_text, pre, err);
	return st == OD_OK ? od_tokenizer_finish(t, err) : st;
}

enum od_status
od_tokenizer_parse(struct od_tokenizer **out, const char *json, size_t len, const char *config,
	size_t config_len, const char *name, struct od_error *err)
{
	struct od_tokenizer *t = NULL;
	json_t *root = NULL, *settings = NULL;
	enum od_status st = od_alloc(&t, 1, sizeof(*t), "a tokenizer", err);

	if (st != OD_OK)
		return st;
	od_bpe_init(&t->bpe);
	st = load_json(&root, json, len, name, err);
	if (st == OD_OK && config)
		st = load_json(&settings, config, config_len, "tokenizer_config.json", err);
	if (st == OD_OK) {
		st = build(t, root, settings, err);
		if (st != OD_OK)
			od_error_prefix(err, "%s: ", name);
	}
	json_decref(root);
	json_decref(settings);
	if (st == OD_OK)
		*out = t;
	else
		od_tokenizer_close(t);
	return st;
}
