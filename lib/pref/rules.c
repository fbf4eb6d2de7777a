/* rules.c -- from the texts of a pair to scored tokens.
 *
 *   record -> dialogue (messages, the response last) -> rendered text with the bytes of each turn
 *          -> tokens of the whole text -> per token: does it end beyond the first byte that counts?
 *
 * Each side of a pair goes through this alone, so a token that merges across the boundary is decided per side; then the
 * two sides are joined on the tokens they share (join_pair).
 */
#include "pref/rules.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pref/dialogue.h"

const char *const od_header_names[] = { "masked", "scored", NULL };
const char *const od_truncate_names[] = { "drop", "cut", "simpo", NULL };

/* ---- name of the rules ---------------------------------------------------------------------------------------------- */

void
od_rules_name(const struct od_rules *r, char text[128])
{
	const char *chat = r->chat ? od_chat_name(r->chat) : "ids";

	snprintf(text, 128, "%s %s %s %lld/%lld%s%s", chat, od_header_names[r->header], od_truncate_names[r->truncate],
		(long long)r->max_length, (long long)r->max_prompt_length, r->date ? " date " : "",
		r->date ? r->date : "");
}

static int
find_name(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

bool
od_rules_parse(const char *text, struct od_rules *out, char chat[32])
{
	char header[16], truncate[16], date[6] = "";
	long long length, prompt;
	int h, t, end = 0, after = 0;

	if (sscanf(text, "%31s %15s %15s %lld/%lld%n %5[date] %n", chat, header, truncate, &length, &prompt, &end, date,
		&after) < 5 || !end)
		return false;
	h = find_name(od_header_names, header);
	t = find_name(od_truncate_names, truncate);
	if (h < 0 || t < 0 || length < 1 || prompt < 1)
		return false;
	if (text[end] && (strcmp(date, "date") != 0 || !after || !text[after]))
		return false;
	out->header = (enum od_header_rule)h;
	out->truncate = (enum od_truncate)t;
	out->max_length = length;
	out->max_prompt_length = prompt;
	out->date = text[end] ? text + after : NULL;
	return true;
}

/* ---- dialogues ------------------------------------------------------------------------------------------------------- */

static bool
is_assistant(const json_t *message)
{
	const char *role = json_string_value(json_object_get(message, "role"));

	return role && strcmp(role, "assistant") == 0;
}

static bool
same_message(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "role"), json_object_get(b, "role")) &&
		json_equal(json_object_get(a, "content"), json_object_get(b, "content"));
}

/* a[i..i+n) and b[j..j+n) are the same messages. */
static bool
same_messages(const json_t *a, size_t i, const json_t *b, size_t j, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if (!same_message(json_array_get(a, i + k), json_array_get(b, j + k)))
			return false;
	}
	return true;
}

/* Some message before the last of the list says just this. */
static bool
says(const json_t *list, const json_t *text)
{
	for (size_t i = 0; i + 1 < json_array_size(list); i++) {
		if (json_equal(json_object_get(json_array_get(list, i), "content"), text))
			return true;
	}
	return false;
}

/* A response that is a whole dialogue repeats the prompt. The fuller of the two holds: the record's prompt may have a
 * system turn before what the dialogue repeats, the dialogue may have turns before or after a prompt given as a string. */
static enum od_status
add_dialogue(struct od_dialogue *d, const json_t *prompt, const json_t *list, const char *field, struct od_error *err)
{
	size_t n = json_array_size(list) - 1, k = json_is_array(prompt) ? json_array_size(prompt) : 0;
	enum od_status st;

	if (k >= n && k > 0 && same_messages(prompt, k - n, list, 0, n)) {
		st = od_dialogue_add_prompt(d, prompt, err);
		return st == OD_OK ? od_dialogue_add_list(d, list, n, n + 1, field, err) : st;
	}
	if (json_is_array(prompt) ? k > n || !same_messages(prompt, 0, list, 0, k) : prompt && !says(list, prompt))
		return od_fail(err, OD_EFORMAT, "field '%s' is a dialogue that does not repeat the field 'prompt'", field);
	return od_dialogue_add_list(d, list, 0, n + 1, field, err);
}

/* The messages of one side; the response is the last. */
static enum od_status
collect_side(struct od_dialogue *d, const struct od_pair *p, const json_t *response, const char *field,
	struct od_error *err)
{
	enum od_status st;
	size_t n;

	d->n = 0;
	if (json_is_string(response)) {
		st = od_dialogue_add_prompt(d, p->prompt, err);
		return st != OD_OK ? st : od_dialogue_add(d, "assistant", json_string_value(response),
			json_string_length(response), err);
	}
	n = json_array_size(response);
	if (!n || !is_assistant(json_array_get(response, n - 1)))
		return od_fail(err, OD_EFORMAT, "field '%s' must end with a message of the role 'assistant'", field);
	if (!is_assistant(json_array_get(response, 0)))
		return add_dialogue(d, p->prompt, response, field, err);
	st = od_dialogue_add_prompt(d, p->prompt, err);
	return st == OD_OK ? od_dialogue_add_list(d, response, 0, n, field, err) : st;
}

/* ---- one side: text and tokens --------------------------------------------------------------------------------------- */

struct side {
	struct od_dialogue talk;
	struct od_turn_span *spans;        /* [talk.n] */
	size_t cap_spans;
	struct od_buf text;
	struct od_ids ids;
	size_t *ends;                      /* [ids.n] byte of the decoded text where each token ends */
	size_t cap_ends;
	int32_t first;                     /* first token that belongs to the response */
};

#define SIDE_INIT { OD_DIALOGUE_INIT, NULL, 0, OD_BUF_INIT, OD_IDS_INIT, NULL, 0, 0 }

static void
side_release(struct side *s)
{
	od_dialogue_release(&s->talk);
	free(s->spans);
	od_buf_release(&s->text);
	od_ids_release(&s->ids);
	free(s->ends);
}

/* Exactly one BOS where the tokenizer wants one, at most one elsewhere: templates differ in whether they write it, and
 * data sets in whether their prompts already have it. */
static enum od_status
settle_bos(struct side *s, const struct od_tokenizer *t, struct od_error *err)
{
	struct od_buf bos = OD_BUF_INIT, text = OD_BUF_INIT;
	size_t skip = 0, put = 0;
	enum od_status st = OD_OK;

	if (od_tokenizer_bos(t) < 0)
		return OD_OK;
	od_tokenizer_decode(t, od_tokenizer_bos(t), false, &bos);
	while (bos.len && s->text.len >= skip + 2 * bos.len && memcmp(s->text.data + skip, bos.data, bos.len) == 0 &&
		memcmp(s->text.data + skip + bos.len, bos.data, bos.len) == 0)
		skip += bos.len;
	if (od_tokenizer_adds_bos(t) && (s->text.len < bos.len || memcmp(s->text.data, bos.data, bos.len) != 0))
		put = bos.len;
	if (skip || put) {
		od_buf_append(&text, bos.data, put);
		od_buf_append(&text, s->text.data + skip, s->text.len - skip);
		od_buf_release(&s->text);
		s->text = text;
		for (size_t i = 0; i < s->talk.n; i++) {
			struct od_turn_span *v = &s->spans[i];

			v->header = v->header > skip ? v->header - skip + put : put;
			v->content = v->content > skip ? v->content - skip + put : put;
			v->end = v->end - skip + put;
		}
	}
	if (!od_buf_ok(&bos) || !od_buf_ok(&s->text))
		st = od_fail_nomem(err, "a rendered dialogue", s->text.len);
	od_buf_release(&bos);
	return st;
}

static enum od_status
side_render(struct side *s, const struct od_rules *r, bool generation, struct od_error *err)
{
	enum od_status st;

	if (!od_grow(&s->spans, &s->cap_spans, s->talk.n, sizeof(*s->spans)))
		return od_fail_nomem(err, "message spans", s->talk.n * sizeof(*s->spans));
	od_buf_clear(&s->text);
	st = od_chat_render(r->chat, r->tokenizer, s->talk.m, s->talk.n, generation, r->date, &s->text, s->spans, err);
	if (st == OD_OK && !od_buf_ok(&s->text))
		st = od_fail_nomem(err, "a rendered dialogue", s->text.len);
	return st == OD_OK ? settle_bos(s, r->tokenizer, err) : st;
}

/* Where each of n tokens ends in the decoded text. */
static enum od_status
token_ends(const struct od_tokenizer *t, const struct od_ids *ids, size_t *ends, struct od_error *err)
{
	struct od_buf piece = OD_BUF_INIT;
	size_t at = 0;
	bool ok = true;

	for (size_t i = 0; i < ids->n && ok; i++) {
		od_buf_clear(&piece);
		od_tokenizer_decode(t, ids->id[i], false, &piece);
		ok = od_buf_ok(&piece);
		ends[i] = at += piece.len;
	}
	od_buf_release(&piece);
	return ok ? OD_OK : od_fail_nomem(err, "token texts", 0);
}

static enum od_status
side_encode(struct side *s, const struct od_tokenizer *t, struct od_error *err)
{
	enum od_status st;

	s->ids.n = 0;
	st = od_tokenizer_encode(t, s->text.data, s->text.len, true, &s->ids, err);
	if (st != OD_OK)
		return st;
	if (s->ids.n > INT32_MAX / 4)
		return od_fail(err, OD_EFORMAT, "text has %zu tokens", s->ids.n);
	if (!od_grow(&s->ends, &s->cap_ends, s->ids.n + 1, sizeof(*s->ends)))
		return od_fail_nomem(err, "token ends", s->ids.n * sizeof(*s->ends));
	return token_ends(t, &s->ids, s->ends, err);
}

/* The byte of the decoded text that corresponds to a byte of the rendered text. They are the same text unless the
 * tokenizer normalises; then the prefix alone is encoded and measured. */
static enum od_status
decoded_offset(const struct side *s, const struct od_tokenizer *t, size_t byte, size_t *out, struct od_error *err)
{
	struct od_ids ids = OD_IDS_INIT;
	size_t *ends = NULL;
	enum od_status st;

	*out = byte;
	if (s->ids.n && s->ends[s->ids.n - 1] == s->text.len)
		return OD_OK;
	st = od_tokenizer_encode(t, s->text.data, byte, true, &ids, err);
	if (st == OD_OK)
		st = od_alloc(&ends, ids.n + 1, sizeof(*ends), "token ends", err);
	if (st == OD_OK)
		st = token_ends(t, &ids, ends, err);
	if (st == OD_OK)
		*out = ids.n ? ends[ids.n - 1] : 0;
	od_ids_release(&ids);
	free(ends);
	return st;
}

/* The first token that does not lie wholly before a byte of the rendered text. */
static enum od_status
token_at(const struct side *s, const struct od_tokenizer *t, size_t byte, int32_t *token, struct od_error *err)
{
	size_t at, lo = 0, hi = s->ids.n;
	enum od_status st = decoded_offset(s, t, byte, &at, err);

	while (st == OD_OK && lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->ends[mid] <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	*token = (int32_t)lo;
	return st;
}

static size_t
counted_from(const struct od_rules *r, const struct od_turn_span *turn)
{
	return r->header == OD_HEADER_SCORED ? turn->header : turn->content;
}

static enum od_status
side_tokens(struct side *s, const struct od_rules *r, const struct od_pair *p, const json_t *response,
	const char *field, struct od_error *err)
{
	enum od_status st = collect_side(&s->talk, p, response, field, err);

	if (st == OD_OK)
		st = side_render(s, r, false, err);
	if (st == OD_OK)
		st = side_encode(s, r->tokenizer, err);
	if (st == OD_OK)
		st = token_at(s, r->tokenizer, counted_from(r, &s->spans[s->talk.n - 1]), &s->first, err);
	return st;
}

/* ---- joining, counting, truncating ----------------------------------------------------------------------------------- */

void
od_pair_tokens_release(struct od_pair_tokens *t)
{
	free(t->ids);
	free(t->scored);
	*t = (struct od_pair_tokens)OD_PAIR_TOKENS_INIT;
}

static enum od_status
make_room(struct od_pair_tokens *t, size_t n, struct od_error *err)
{
	if (!od_grow(&t->ids, &t->cap_ids, n + 1, sizeof(*t->ids)) || !od_grow(&t->scored, &t->cap_scored, n + 1, 1))
		return od_fail_nomem(err, "the tokens of a pair", n * sizeof(*t->ids));
	return OD_OK;
}

/* Appends tokens [from, to) of ids behind the first 'at' of the pair; those before 'first' do not count. */
static size_t
append(struct od_pair_tokens *t, size_t at, const int32_t *ids, int32_t from, int32_t to, int32_t first)
{
	for (int32_t i = from; i < to; i++, at++) {
		t->ids[at] = ids[i];
		t->scored[at] = i >= first;
	}
	return at;
}

/* Both sides over their common prompt. A boundary that merged on one side only leaves prompt tokens of the other side in
 * its tail; they are kept there and do not count. */
static enum od_status
join_pair(struct od_pair_tokens *t, const struct side *w, const struct side *l, struct od_error *err)
{
	int32_t n_w = (int32_t)w->ids.n, n_l = (int32_t)l->ids.n, common = 0;
	int32_t most = w->first < l->first ? w->first : l->first;
	enum od_status st = make_room(t, w->ids.n + l->ids.n, err);
	size_t at;

	if (st != OD_OK)
		return st;
	while (common < most && w->ids.id[common] == l->ids.id[common])
		common++;
	at = append(t, 0, w->ids.id, 0, common, INT32_MAX);
	at = append(t, at, w->ids.id, common, n_w, w->first);
	append(t, at, l->ids.id, common, n_l, l->first);
	t->n_prompt = common;
	t->n_chosen = n_w - common;
	t->n_rejected = n_l - common;
	return OD_OK;
}

/* An SFT record's only side. */
static enum od_status
take_single(struct od_pair_tokens *t, const struct side *w, struct od_error *err)
{
	enum od_status st = make_room(t, w->ids.n, err);

	if (st != OD_OK)
		return st;
	append(t, 0, w->ids.id, 0, (int32_t)w->ids.n, w->first);
	t->n_prompt = w->first;
	t->n_chosen = (int32_t)w->ids.n - w->first;
	t->n_rejected = 0;
	return OD_OK;
}

static int32_t
count_scored(const struct od_pair_tokens *t, int32_t from, int32_t n)
{
	int32_t k = 0;

	for (int32_t i = 0; i < n; i++)
		k += t->scored[from + i];
	return k;
}

/* Keeps the last 'prompt' tokens of the prompt and the first tokens of each response. */
static void
shorten(struct od_pair_tokens *t, int64_t prompt, int64_t chosen, int64_t rejected)
{
	int32_t n = 0, from[3] = { t->n_prompt - (int32_t)prompt, t->n_prompt, t->n_prompt + t->n_chosen };
	int32_t keep[3] = { (int32_t)prompt, (int32_t)chosen, (int32_t)rejected };

	for (int k = 0; k < 3; k++) {
		memmove(t->ids + n, t->ids + from[k], (size_t)keep[k] * sizeof(*t->ids));
		memmove(t->scored + n, t->scored + from[k], (size_t)keep[k]);
		n += keep[k];
	}
	t->n_prompt = keep[0];
	t->n_chosen = keep[1];
	t->n_rejected = keep[2];
	t->truncated = true;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static enum od_drop
fit(const struct od_rules *r, struct od_pair_tokens *t)
{
	int64_t longer = t->n_chosen > t->n_rejected ? t->n_chosen : t->n_rejected;
	int64_t prompt = t->n_prompt, room = r->max_length - prompt;

	t->truncated = false;
	if (r->truncate != OD_TRUNCATE_SIMPO && (prompt > r->max_prompt_length || room < 1))
		return OD_DROP_TOO_LONG;
	if (longer <= room)
		return OD_KEEP;
	if (r->truncate == OD_TRUNCATE_DROP)
		return OD_DROP_TOO_LONG;
	if (r->truncate == OD_TRUNCATE_SIMPO) {
		prompt = least(prompt, r->max_prompt_length);
		room = prompt + longer > r->max_length ? r->max_length - r->max_prompt_length : longer;
	}
	shorten(t, prompt, least(t->n_chosen, room), least(t->n_rejected, room));
	return OD_KEEP;
}

/* Truncation, counts and the last checks, common to all kinds of records. */
static enum od_status
finish(const struct od_rules *r, struct od_pair_tokens *t, bool pair, enum od_drop *drop, struct od_error *err)
{
	if (t->n_prompt < 1)
		return od_fail(err, OD_EFORMAT, "prompt has no token before the first that is scored");
	if (t->n_chosen < 1 || (pair && t->n_rejected < 1)) {
		*drop = OD_DROP_EMPTY;
		return OD_OK;
	}
	*drop = fit(r, t);
	if (*drop != OD_KEEP)
		return OD_OK;
	t->scored_chosen = count_scored(t, t->n_prompt, t->n_chosen);
	t->scored_rejected = count_scored(t, t->n_prompt + t->n_chosen, t->n_rejected);
	/* A dialogue cut inside its first prompt, or a response whose every token went: nothing is left to learn from. */
	if (!t->scored_chosen || (pair && !t->scored_rejected))
		*drop = OD_DROP_TOO_LONG;
	return OD_OK;
}

/* ---- the three kinds of records --------------------------------------------------------------------------------------- */

/* Both sides must answer the same prompt, and not with the same tokens. */
static enum od_status
compare_sides(const struct side *w, const struct side *l, enum od_drop *drop, struct od_error *err)
{
	size_t w_from = w->spans[w->talk.n - 1].header, l_from = l->spans[l->talk.n - 1].header;

	if (w_from != l_from || memcmp(w->text.data, l->text.data, w_from) != 0)
		return od_fail(err, OD_EFORMAT, "fields 'chosen' and 'rejected' have different prompts");
	if (w->ids.n == l->ids.n && memcmp(w->ids.id, l->ids.id, w->ids.n * sizeof(*w->ids.id)) == 0)
		*drop = OD_DROP_IDENTICAL;
	return OD_OK;
}

static enum od_status
apply_pair(const struct od_rules *r, const struct od_pair *p, struct od_pair_tokens *out, enum od_drop *drop,
	struct od_error *err)
{
	struct side w = SIDE_INIT, l = SIDE_INIT;
	enum od_status st;

	*drop = od_pair_compare(p->chosen, p->rejected);
	st = side_tokens(&w, r, p, p->chosen, "chosen", err);
	if (st == OD_OK && p->rejected)
		st = side_tokens(&l, r, p, p->rejected, "rejected", err);
	if (st == OD_OK && p->rejected && *drop == OD_KEEP)
		st = compare_sides(&w, &l, drop, err);
	if (st != OD_OK || *drop != OD_KEEP)
		goto out;
	st = p->rejected ? join_pair(out, &w, &l, err) : take_single(out, &w, err);
	if (st == OD_OK)
		st = finish(r, out, p->rejected != NULL, drop, err);
out:
	side_release(&w);
	side_release(&l);
	return st;
}

/* Marks the tokens of every assistant turn; returns the first of them through *first. */
static enum od_status
mark_turns(const struct od_rules *r, const struct side *s, struct od_pair_tokens *out, int32_t *first,
	struct od_error *err)
{
	*first = (int32_t)s->ids.n;
	append(out, 0, s->ids.id, 0, (int32_t)s->ids.n, INT32_MAX);
	for (size_t i = 0; i < s->talk.n; i++) {
		int32_t from, to;
		enum od_status st;

		if (strcmp(s->talk.m[i].role, "assistant") != 0)
			continue;
		st = token_at(s, r->tokenizer, counted_from(r, &s->spans[i]), &from, err);
		if (st == OD_OK)
			st = token_at(s, r->tokenizer, s->spans[i].end, &to, err);
		if (st != OD_OK)
			return st;
		if (i + 1 == s->talk.n)
			to = (int32_t)s->ids.n;        /* what the template writes at the very end belongs to the answer */
		for (int32_t k = from; k < to; k++)
			out->scored[k] = 1;
		if (from < *first)
			*first = from;
	}
	return OD_OK;
}

static enum od_status
apply_dialogue(const struct od_rules *r, const struct od_pair *p, struct od_pair_tokens *out, enum od_drop *drop,
	struct od_error *err)
{
	struct side s = SIDE_INIT;
	size_t n = json_array_size(p->messages), answers = 0;
	int32_t first = 0;
	enum od_status st;

	*drop = OD_KEEP;
	st = od_dialogue_add_list(&s.talk, p->messages, 0, n, "messages", err);
	for (size_t i = 0; i < n; i++)
		answers += is_assistant(json_array_get(p->messages, i));
	if (st == OD_OK && !answers)
		st = od_fail(err, OD_EFORMAT, "field 'messages' has no message of the role 'assistant'");
	if (st == OD_OK)
		st = side_render(&s, r, false, err);
	if (st == OD_OK)
		st = side_encode(&s, r->tokenizer, err);
	if (st == OD_OK)
		st = make_room(out, s.ids.n, err);
	if (st == OD_OK)
		st = mark_turns(r, &s, out, &first, err);
	if (st == OD_OK) {
		out->n_prompt = first;
		out->n_chosen = (int32_t)s.ids.n - first;
		out->n_rejected = 0;
		st = finish(r, out, false, drop, err);
	}
	side_release(&s);
	return st;
}

static enum od_status
copy_ids(struct od_pair_tokens *t, size_t at, const json_t *ids, bool scored, const char *field, struct od_error *err)
{
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const json_t *v = json_array_get(ids, i);

		if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
			return od_fail(err, OD_EFORMAT, "field '%s.%zu' must be a token id", field, i);
		t->ids[at + i] = (int32_t)json_integer_value(v);
		t->scored[at + i] = scored;
	}
	return OD_OK;
}

static enum od_status
apply_ids(const struct od_rules *r, const struct od_pair *p, struct od_pair_tokens *out, enum od_drop *drop,
	struct od_error *err)
{
	size_t n_p = json_array_size(p->prompt_ids), n_w = json_array_size(p->chosen_ids);
	size_t n_l = json_array_size(p->rejected_ids);
	enum od_status st = make_room(out, n_p + n_w + n_l, err);

	*drop = OD_KEEP;
	if (st == OD_OK)
		st = copy_ids(out, 0, p->prompt_ids, false, "prompt_ids", err);
	if (st == OD_OK)
		st = copy_ids(out, n_p, p->chosen_ids, true, "chosen_ids", err);
	if (st == OD_OK)
		st = copy_ids(out, n_p + n_w, p->rejected_ids, true, "rejected_ids", err);
	if (st != OD_OK)
		return st;
	out->n_prompt = (int32_t)n_p;
	out->n_chosen = (int32_t)n_w;
	out->n_rejected = (int32_t)n_l;
	if (n_w && n_w == n_l && memcmp(out->ids + n_p, out->ids + n_p + n_w, n_w * sizeof(*out->ids)) == 0) {
		*drop = OD_DROP_IDENTICAL;
		return OD_OK;
	}
	return finish(r, out, p->rejected_ids != NULL, drop, err);
}

enum od_status
od_rules_apply(const struct od_rules *r, const struct od_pair *p, struct od_pair_tokens *out, enum od_drop *drop,
	struct od_error *err)
{
	bool ids = p->prompt_ids || p->chosen_ids || p->rejected_ids;
	bool talk = !ids && p->messages && !p->chosen;
	enum od_status st = od_pair_need_text(p, !talk && (p->rejected || p->rejected_ids), err);

	*drop = OD_KEEP;
	if (st != OD_OK)
		return st;
	if (ids)
		return apply_ids(r, p, out, drop, err);
	if (!r->tokenizer || !r->chat)
		return od_fail(err, OD_EFORMAT, "field 'prompt_ids' is missing, and the model has no tokenizer for texts");
	return talk ? apply_dialogue(r, p, out, drop, err) : apply_pair(r, p, out, drop, err);
}

/* The prompt as the text a response follows. */
static enum od_status
prompt_text(struct side *s, const struct od_rules *r, const json_t *prompt, const char *system, bool raw, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (!json_is_string(prompt) && !json_is_array(prompt))
		return od_json_fail_type(prompt, "prompt", "a string or messages", err);
	if (raw) {
		if (!json_is_string(prompt))
			return od_fail(err, OD_EFORMAT, "field 'prompt' must be a string where no chat template is used");
		od_buf_append(&s->text, json_string_value(prompt), json_string_length(prompt));
		return settle_bos(s, r->tokenizer, err);
	}
	if (system)
		st = od_dialogue_add(&s->talk, "system", system, strlen(system), err);
	if (st == OD_OK)
		st = od_dialogue_add_prompt(&s->talk, prompt, err);
	if (st == OD_OK && s->talk.n && strcmp(s->talk.m[s->talk.n - 1].role, "assistant") == 0)
		st = od_fail(err, OD_EFORMAT, "field 'prompt' ends with a message of the role 'assistant': there is nothing to answer");
	return st == OD_OK ? side_render(s, r, true, err) : st;
}

enum od_status
od_rules_prompt(const struct od_rules *r, const json_t *prompt, const char *system, bool raw, struct od_ids *out,
	struct od_error *err)
{
	struct side s = SIDE_INIT;
	enum od_status st;

	out->n = 0;
	if (!r->tokenizer)
		return od_fail(err, OD_EUSAGE, "the model directory has no tokenizer.json");
	st = prompt_text(&s, r, prompt, system, raw, err);
	if (st == OD_OK)
		st = od_tokenizer_encode(r->tokenizer, s.text.data ? s.text.data : "", s.text.len, true, out, err);
	side_release(&s);
	return st;
}
