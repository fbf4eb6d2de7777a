#include "train/spool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/atomic.h"
#include "pref/pairstream.h"
#include "pref/window.h"

/* The spool while it is being written; the writer opens with the first pair, when the reference is known. */
struct sink {
	struct od_atomic_file file;
	struct od_pairstream_writer *writer;
};

/* ---- the reference --------------------------------------------------------------------------------------------- */

/* What a record says about its reference, checked against the rules here and the records before. */
static enum od_status
take_ref(struct od_spool *s, const struct od_ref_info *ref, struct od_error *err)
{
	enum od_status st = od_agree(&s->agree, ref, &s->rules, err);

	if (st != OD_OK || !ref)
		return st;
	if (!s->has_ref)
		s->ref = *ref;
	s->has_ref = true;
	if (strcmp(ref->model, s->ref.model) != 0)
		return od_fail(err, OD_EMISMATCH, "the reference is another model than that of the records before "
			"('ref.model')");
	if (strcmp(ref->tokenizer, s->ref.tokenizer) != 0)
		return od_fail(err, OD_EMISMATCH, "the reference was made with another tokenizer than that of the records "
			"before");
	s->other_numerics |= strcmp(ref->numerics, s->ref.numerics) != 0;
	return OD_OK;
}

/* ---- one pair -------------------------------------------------------------------------------------------------- */

static enum od_status
check_ids(const struct od_spool *s, const int32_t *ids, int64_t n, struct od_error *err)
{
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= s->vocab_size)
			return od_fail(err, OD_EFORMAT, "token id %d is outside the model's vocabulary of %lld",
				(int)ids[i], (long long)s->vocab_size);
	return OD_OK;
}

static enum od_status
put(struct od_spool *s, struct sink *out, struct od_token_pair *p, int64_t index, struct od_error *err)
{
	char name[32];
	enum od_status st = OD_OK;

	if (!p->id[0]) {                             /* telemetry and messages need a name */
		snprintf(name, sizeof name, "#%lld", (long long)index);
		p->id = name;
	}
	if (!out->writer) {
		struct od_out *o = out->file.out;

		out->file.out = NULL;                    /* the writer owns and closes it */
		st = od_pairstream_create(&out->writer, o, s->has_ref ? &s->ref : NULL, err);
	}
	if (st == OD_OK)
		st = od_pairstream_put(out->writer, p, err);
	if (st != OD_OK)
		return st;
	od_quality_add(&s->quality, s->objective, p->score_chosen, p->score_rejected);
	s->pairs++;
	if (s->progress)
		s->progress(s->ctx, s->pairs);
	return OD_OK;
}

/* ---- JSONL ----------------------------------------------------------------------------------------------------- */

static enum od_status
check_fields(const struct od_spool *s, const struct od_pair *p, struct od_error *err)
{
	enum od_status st = od_pair_need_text(p, od_objective_needs_rejected(s->objective), err);

	if (st == OD_OK && od_objective_needs_scores(s->objective))
		st = od_pair_need_scores(p, err);
	if (st == OD_OK && od_objective_needs_reference(s->objective))
		st = od_pair_need_reference(p, err);
	return st;
}

static enum od_status
check_count(const char *field, double theirs, int32_t ours, struct od_error *err)
{
	if (isnan(theirs) || theirs == ours)
		return OD_OK;
	return od_fail(err, OD_EMISMATCH, "field '%s' is %g, but this model's tokens to score are %d: the reference was "
		"made with another tokenizer or other rules", field, theirs, (int)ours);
}

/* A reference counts tokens; when its count is not ours, its sums are of something else. */
static enum od_status
check_counts(const struct od_spool *s, const struct od_pair *p, const struct od_pair_tokens *t, struct od_error *err)
{
	enum od_status st;

	if (!od_objective_needs_reference(s->objective))
		return OD_OK;
	st = check_count("chosen_tokens", p->chosen_tokens, t->scored_chosen, err);
	return st == OD_OK ? check_count("rejected_tokens", p->rejected_tokens, t->scored_rejected, err) : st;
}

static enum od_status
tokenize(struct od_spool *s, struct od_pair *p, const struct od_record *rec, struct od_pair_tokens *tokens,
	enum od_drop *drop, struct od_error *err)
{
	enum od_status st = od_pair_read(p, rec, &s->map, err);

	if (st == OD_OK && !od_objective_needs_rejected(s->objective))
		p->rejected = p->rejected_ids = NULL;
	if (st == OD_OK)
		st = check_fields(s, p, err);
	if (st == OD_OK && od_objective_needs_reference(s->objective))
		st = take_ref(s, p->has_ref_info ? &p->ref : NULL, err);
	return st == OD_OK ? od_rules_apply(&s->rules, p, tokens, drop, err) : st;
}

static enum od_status
take_record(struct od_spool *s, struct od_jsonl *in, const struct od_record *rec, struct sink *out,
	struct od_pair_tokens *tokens, struct od_error *err)
{
	enum od_drop drop = OD_KEEP;
	struct od_token_pair pair;
	struct od_pair p;
	enum od_status st = tokenize(s, &p, rec, tokens, &drop, err);

	if (st == OD_OK && drop == OD_KEEP)
		st = check_counts(s, &p, tokens, err);
	if (st == OD_OK && drop == OD_KEEP)
		st = check_ids(s, tokens->ids, (int64_t)tokens->n_prompt + tokens->n_chosen + tokens->n_rejected, err);
	if (st == OD_EFORMAT)
		return od_jsonl_reject(in, rec, err);
	if (st == OD_EMISMATCH)
		od_error_prefix(err, "%s:%lld: record '%s': ", rec->source, (long long)rec->lineno, rec->id);
	if (st != OD_OK)
		return st;
	s->dropped[drop]++;
	if (drop != OD_KEEP)
		return OD_OK;
	s->cut += tokens->truncated;
	pair = od_token_pair_of(&p, tokens);
	return put(s, out, &pair, rec->index, err);
}

/* Takes over 'in'. */
static enum od_status
read_jsonl(struct od_spool *s, struct od_jsonl *in, struct sink *out, struct od_error *err)
{
	struct od_pair_tokens tokens = OD_PAIR_TOKENS_INIT;
	struct od_record rec;
	enum od_status st = OD_OK;

	while (st == OD_OK) {
		st = od_jsonl_next(in, &rec, err);
		if (st == OD_OK)
			st = take_record(s, in, &rec, out, &tokens, err);
	}
	s->skipped += od_jsonl_skipped(in);
	if (s->skipped && !s->first_skip[0])
		snprintf(s->first_skip, sizeof s->first_skip, "%s", od_jsonl_first_skip(in));
	od_pair_tokens_release(&tokens);
	od_jsonl_close(in);
	return st == OD_EOF ? OD_OK : st;
}

/* ---- tensor streams -------------------------------------------------------------------------------------------- */

static enum od_status
check_numbers(const struct od_spool *s, const struct od_token_pair *p, struct od_error *err)
{
	if (od_objective_needs_rejected(s->objective) && p->n_rejected == 0)
		return od_fail(err, OD_EFORMAT, "it has no rejected response");
	if (od_objective_needs_scores(s->objective) && isnan(p->score_chosen - p->score_rejected))
		return od_fail(err, OD_EFORMAT, "its scores are missing");
	if (od_objective_needs_reference(s->objective) && isnan(p->ref_chosen_logps - p->ref_rejected_logps))
		return od_fail(err, OD_EFORMAT, "its reference log-probs are missing");
	if (p->weight < 0)
		return od_fail(err, OD_EFORMAT, "its weight is negative");
	return check_ids(s, p->ids, (int64_t)p->n_prompt + p->n_chosen + p->n_rejected, err);
}

/* SFT looks at the chosen response alone. */
static void
leave_rejected_out(struct od_token_pair *p)
{
	p->n_rejected = p->scored_rejected = 0;
	p->ref_token_logps = NULL;
}

static enum od_status
take_pair(struct od_spool *s, struct od_token_pair *p, const struct od_ref_info *ref, int64_t index, const char *name,
	struct sink *out, struct od_error *err)
{
	enum od_status st = check_numbers(s, p, err);

	if (st == OD_OK && od_objective_needs_reference(s->objective))
		st = take_ref(s, ref->model[0] || ref->rules[0] ? ref : NULL, err);
	if (st != OD_OK) {
		od_error_prefix(err, "%s: pair '%s': ", name, p->id);
		return st;
	}
	if (!od_objective_needs_rejected(s->objective))
		leave_rejected_out(p);
	s->dropped[OD_KEEP]++;
	return put(s, out, p, index, err);
}

static enum od_status
read_tensors(struct od_spool *s, struct od_in *in, struct sink *out, struct od_error *err)
{
	struct od_pairstream_reader *r = NULL;
	struct od_token_pair p;
	char name[256];
	int64_t index = 0;
	enum od_status st;

	snprintf(name, sizeof name, "%s", od_in_name(in));
	st = od_pairstream_open(&r, in, err);
	if (st != OD_OK)
		return st;
	while (st == OD_OK && (s->records->limit < 0 || s->pairs < s->records->limit)) {
		int64_t at = index++;

		st = od_pairstream_next(r, &p, err);
		if (st == OD_OK && od_record_selected(s->records, at, p.id, strlen(p.id)))
			st = take_pair(s, &p, od_pairstream_ref(r), at, name, out, err);
	}
	od_pairstream_close(r);
	return st == OD_EOF ? OD_OK : st;
}

/* ---- which of the two ------------------------------------------------------------------------------------------ */

/* A safetensors image begins with the 64-bit length of a header that begins with '{'; a line of JSON cannot. */
static enum od_status
is_tensors(struct od_in *in, bool *yes, struct od_error *err)
{
	unsigned char head[9];
	size_t got;
	enum od_status st = od_in_peek(in, head, sizeof head, &got, err);

	*yes = st == OD_OK && got == sizeof head && head[8] == '{' && head[7] == 0 && head[6] == 0 && head[5] == 0;
	return st;
}

static enum od_status
read_one(struct od_spool *s, const char *name, struct sink *out, struct od_error *err)
{
	struct od_jsonl *lines = NULL;
	struct od_in *in = NULL;
	bool tensors = false;
	enum od_status st = od_in_open(&in, name, err);

	if (st == OD_OK)
		st = is_tensors(in, &tensors, err);
	if (st != OD_OK) {
		od_in_close(in);
		return st;
	}
	if (tensors)
		return read_tensors(s, in, out, err);
	st = od_jsonl_from(&lines, in, s->records, err);
	return st == OD_OK ? read_jsonl(s, lines, out, err) : st;
}

/* Several files are one stream of records; tensor files are told by looking, which only a regular file bears. */
static enum od_status
all_tensors(const char *const *names, size_t n, bool *yes, struct od_error *err)
{
	*yes = true;
	for (size_t i = 0; i < n && *yes; i++) {
		struct od_in *in = NULL;
		struct stat info;
		enum od_status st = OD_OK;

		*yes = stat(names[i], &info) == 0 && S_ISREG(info.st_mode);
		if (*yes)
			st = od_in_open(&in, names[i], err);
		if (*yes && st == OD_OK)
			st = is_tensors(in, yes, err);
		od_in_close(in);
		if (st != OD_OK)
			return st;
	}
	return OD_OK;
}

static enum od_status
read_all(struct od_spool *s, const char *const *names, size_t n, struct sink *out, struct od_error *err)
{
	struct od_jsonl *lines = NULL;
	bool tensors;
	enum od_status st;

	if (n <= 1)
		return read_one(s, n ? names[0] : "-", out, err);
	st = all_tensors(names, n, &tensors, err);
	for (size_t i = 0; st == OD_OK && tensors && i < n; i++)
		st = read_one(s, names[i], out, err);
	if (st != OD_OK || tensors)
		return st;
	st = od_jsonl_open(&lines, names, n, s->records, err);
	return st == OD_OK ? read_jsonl(s, lines, out, err) : st;
}

enum od_status
od_spool_build(struct od_spool *s, const char *path, const char *const *names, size_t n, struct od_error *err)
{
	struct sink out = { OD_ATOMIC_FILE_INIT, NULL };
	enum od_status st, finished;

	s->quality = (struct od_quality)OD_QUALITY_INIT;
	st = od_atomic_file_begin(&out.file, path, err);
	if (st == OD_OK)
		st = read_all(s, names, n, &out, err);
	if (st == OD_OK && s->pairs == 0)
		st = od_fail(err, OD_EFORMAT, "no pairs to train on: all records were left out");
	finished = od_pairstream_finish(out.writer, st == OD_OK, st == OD_OK ? err : NULL);
	if (st == OD_OK)
		st = finished;
	if (st == OD_OK)
		st = od_atomic_file_commit(&out.file, err);
	od_atomic_file_release(&out.file);
	return st;
}
