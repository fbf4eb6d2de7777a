/* data.c -- from the user's files to the pairs of the run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/atomic.h"
#include "train/train.h"

static void
show_progress(void *ctx, int64_t pairs)
{
	struct train *t = ctx;

	od_progress_update(t->progress, pairs, NULL);
}

static void
prepare(struct train *t, struct od_spool *s)
{
	const struct train_options *o = t->o;

	s->objective = &o->set.objective;
	s->map = (struct od_field_map){ o->fields[0], o->fields[1], o->fields[2], o->objective.weight_field };
	s->records = &o->records;
	s->vocab_size = t->start.model.config.vocab_size;
	s->agree = (struct od_agreement)OD_AGREEMENT_INIT;
	s->progress = show_progress;
	s->ctx = t;
}

static enum od_status
build(struct train *t, struct od_spool *s, const char *name, const char *const *files, size_t n, struct od_error *err)
{
	char *path = od_path_join(t->dir, name);
	enum od_status st = path ? OD_OK : od_fail_nomem(err, "a path", strlen(t->dir));

	t->progress = od_progress_begin("reading", -1, "pairs");
	if (st == OD_OK)
		st = od_spool_build(s, path, files, n, err);
	od_progress_end(t->progress);
	t->progress = NULL;
	free(path);
	return st;
}

/* The held-out pairs follow the rules that the training data settled; limit, shard and sample are the training data's. */
static enum od_status
read_held_out(struct train *t, struct od_error *err)
{
	static const struct od_record_options all = OD_RECORD_OPTIONS_INIT;
	struct od_spool *s = &t->eval_spool;
	enum od_status st;

	prepare(t, s);
	s->records = &all;
	s->rules = t->spool.rules;
	s->agree.told = t->spool.agree.told || t->spool.agree.settled;
	st = build(t, s, "eval.pairs", &t->o->eval, 1, err);
	if (st == OD_OK && t->spool.has_ref && s->has_ref && strcmp(t->spool.ref.model, s->ref.model) != 0)
		od_warn("the held-out pairs of '%s' have the reference of another model than the training pairs", t->o->eval);
	return st;
}

/* A recipe's token rules are not the user's word: those the reference was made with hold, and that is told. */
static void
warn_adopted(const struct train *t, const char *recipe)
{
	char used[128];

	od_rules_name(&t->spool.rules, used);
	if (t->o->recipe && strcmp(recipe, used) != 0)
		od_warn("the reference was made with token rules '%s', not the recipe's '%s'; od-ref --recipe %s makes it with "
			"them", used, recipe, t->o->recipe->name);
}

enum od_status
train_read_data(struct train *t, struct od_error *err)
{
	struct od_spool *s = &t->spool;
	char recipe[128];
	enum od_status st;

	prepare(t, s);
	s->agree.told = od_rules_options_told(&t->o->rules);
	st = od_rules_options_apply(&t->o->rules, t->start.tokenizer, &s->rules, err);
	if (st == OD_OK)
		od_rules_name(&s->rules, recipe);
	if (st == OD_OK)
		st = build(t, s, "spool.pairs", t->files, t->n_files, err);
	if (st == OD_OK)
		warn_adopted(t, recipe);
	if (st == OD_OK)
		train_report_data(s, &t->o->set.objective, "training");
	if (st == OD_OK && t->o->eval) {
		st = read_held_out(t, err);
		if (st == OD_OK)
			train_report_data(&t->eval_spool, &t->o->set.objective, "held-out");
	}
	return st;
}

static enum od_status
open_pairs(const struct train *t, const char *name, struct od_pairfile **f, struct od_error *err)
{
	char *path = od_path_join(t->dir, name);
	enum od_status st = path ? od_pairfile_open(f, path, err) : od_fail_nomem(err, "a path", strlen(t->dir));

	free(path);
	return st;
}

enum od_status
train_open_data(struct train *t, struct od_error *err)
{
	enum od_status st = open_pairs(t, "spool.pairs", &t->pairs, err);

	return st == OD_OK && t->o->eval ? open_pairs(t, "eval.pairs", &t->held_out, err) : st;
}

static void
add_dropped(struct od_buf *b, const struct od_spool *s)
{
	bool first = true;

	for (int d = OD_KEEP + 1; d < OD_N_DROPS; d++) {
		if (!s->dropped[d])
			continue;
		od_buf_printf(b, "%s%lld %s", first ? "; left out: " : ", ", (long long)s->dropped[d], od_drop_names[d]);
		first = false;
	}
}

void
train_report_data(const struct od_spool *s, const struct od_objective *o, const char *what)
{
	struct od_buf text = OD_BUF_INIT;

	od_buf_printf(&text, "%lld %s pairs", (long long)s->pairs, what);
	add_dropped(&text, s);
	if (s->cut)
		od_buf_printf(&text, "; cut to the length limits: %lld", (long long)s->cut);
	od_note("%s", od_buf_ok(&text) ? text.data : "");
	if (s->skipped)
		od_warn("%lld malformed record%s skipped; the first: %s", (long long)s->skipped, s->skipped == 1 ? "" : "s",
			s->first_skip);
	if (od_objective_needs_reference(o) && s->agree.without)
		od_warn("%lld %s pairs do not say how their reference was made (no 'ref'); it is taken on trust",
			(long long)s->agree.without, what);
	if (s->other_numerics)
		od_warn("the references of the %s pairs were not all made with the same numerics", what);
	for (int i = 0; ; i++) {
		od_buf_clear(&text);
		if (!od_quality_warning(&s->quality, o, i, &text))
			break;
		od_warn("%s", od_buf_ok(&text) ? text.data : "");
	}
	od_buf_release(&text);
}
