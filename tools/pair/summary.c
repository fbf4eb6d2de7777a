#include <math.h>

#include "base/buf.h"
#include "io/atomic.h"
#include "pair/pair.h"

void
pair_summary_add(struct pair_summary *s, const struct pair_facts *f)
{
	s->pairs++;
	s->chosen_known += f->correct_chosen >= 0;
	s->chosen_correct += f->correct_chosen > 0;
	s->rejected_known += f->correct_rejected >= 0;
	s->rejected_correct += f->correct_rejected > 0;
	od_moments_add(&s->margin, f->margin);
	od_moments_add(&s->chosen, f->score_chosen);
}

/* ", 5 left out (3 single, 2 all wrong)", or nothing. Names and counts from 1 on. */
static void
put_reasons(struct od_buf *b, const int64_t *count, const char *const *names, int n)
{
	int64_t sum = 0;

	for (int i = 1; i < n; i++)
		sum += count[i];
	if (!sum)
		return;
	od_buf_printf(b, ", %lld left out (", (long long)sum);
	for (int i = 1, some = 0; i < n; i++)
		if (count[i])
			od_buf_printf(b, "%s%lld %s", some++ ? ", " : "", (long long)count[i], names[i]);
	od_buf_char(b, ')');
}

static int64_t
all_responses(const struct pair_summary *s)
{
	int64_t n = 0;

	for (int i = 0; i < OD_N_UNFIT; i++)
		n += s->responses[i];
	return n;
}

static void
warn(const struct pair_summary *s, const struct pair_options *o)
{
	if (s->records && !s->pairs)
		od_warn("no record gives a pair");
	if (s->unpaired[OD_UNPAIRED_FLOOR] > s->records / 2)
		od_warn("most records have no response that scores above the floor %g (the highest of theirs scores %g): --floor is on "
			"the scale of the scores", o->rules.floor, s->below_floor.max);
}

void
pair_summary_report(const struct pair_summary *s, const struct pair_options *o)
{
	bool raft = o->rules.strategy == OD_RAFT;
	struct od_buf b = OD_BUF_INIT;

	od_buf_printf(&b, "%lld %s of %lld records (%s)", (long long)s->pairs, raft ? "responses" : "pairs",
		(long long)s->records, od_strategy_names[o->rules.strategy]);
	put_reasons(&b, s->unpaired, od_unpaired_names, OD_N_UNPAIRED);
	if (s->over_cap)
		od_buf_printf(&b, ", %lld over the cap", (long long)s->over_cap);
	od_buf_printf(&b, "; %lld responses", (long long)all_responses(s));
	put_reasons(&b, s->responses, od_unfit_names, OD_N_UNFIT);
	if (s->margin.n)
		od_buf_printf(&b, "; mean margin %.4g", s->margin.mean);
	if (s->rejected_known)
		od_buf_printf(&b, ", %.1f %% of the rejected correct", 100.0 * (double)s->rejected_correct / (double)s->rejected_known);
	if (od_buf_ok(&b))
		od_note("%s", b.data);
	od_buf_release(&b);
	warn(s, o);
}

/* ---- as JSON ------------------------------------------------------------------------------------------------------------ */

/* "name":{"all wrong":3,...}: every reason, also those that did not occur. */
static void
put_counts(struct od_buf *b, const char *name, const int64_t *count, const char *const *names, int n)
{
	od_buf_printf(b, ",\"%s\":{", name);
	for (int i = 1; i < n; i++) {
		od_buf_printf(b, "%s\"", i > 1 ? "," : "");
		for (const char *c = names[i]; *c; c++)
			od_buf_char(b, *c == ' ' ? '_' : *c);
		od_buf_printf(b, "\":%lld", (long long)count[i]);
	}
	od_buf_char(b, '}');
}

static void
put_moments(struct od_buf *b, const char *name, const struct od_moments *m)
{
	const struct { const char *name; double v; } v[] = {
		{ "mean", od_moments_mean(m) }, { "sd", od_moments_sd(m) }, { "min", m->n ? m->min : NAN }, { "max", m->n ? m->max : NAN }
	};

	od_buf_printf(b, ",\"%s\":{\"n\":%lld", name, (long long)m->n);
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		od_buf_printf(b, ",\"%s\":", v[i].name);
		od_buf_json_double(b, v[i].v);
	}
	od_buf_char(b, '}');
}

enum od_status
pair_summary_write(const struct pair_summary *s, const struct pair_options *o, struct od_error *err)
{
	struct od_buf b = OD_BUF_INIT;
	enum od_status st;

	if (!o->summary)
		return OD_OK;
	od_buf_printf(&b, "{\"strategy\":\"%s\",\"seed\":%llu,\"records\":%lld,\"paired\":%lld,\"pairs\":%lld,\"over_cap\":%lld",
		od_strategy_names[o->rules.strategy], (unsigned long long)o->rules.seed, (long long)s->records,
		(long long)s->paired, (long long)s->pairs, (long long)s->over_cap);
	put_counts(&b, "records_left_out", s->unpaired, od_unpaired_names, OD_N_UNPAIRED);
	od_buf_printf(&b, ",\"responses\":%lld", (long long)all_responses(s));
	put_counts(&b, "responses_left_out", s->responses, od_unfit_names, OD_N_UNFIT);
	put_moments(&b, "score_chosen", &s->chosen);
	put_moments(&b, "score_margin", &s->margin);
	od_buf_printf(&b, ",\"correct_chosen\":{\"known\":%lld,\"correct\":%lld},"
		"\"correct_rejected\":{\"known\":%lld,\"correct\":%lld}}\n",
		(long long)s->chosen_known, (long long)s->chosen_correct, (long long)s->rejected_known,
		(long long)s->rejected_correct);
	st = od_buf_ok(&b) ? od_atomic_write(o->summary, b.data, b.len, err) : od_fail_nomem(err, "a summary", b.len);
	od_buf_release(&b);
	return st;
}
