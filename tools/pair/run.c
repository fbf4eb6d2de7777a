/* run.c -- the stream: read a record, pair its responses up, write. */
#include "base/hash.h"
#include "pair/pair.h"

struct run {
	const struct pair_options *o;
	struct od_jsonl *in;
	struct pair_summary *sum;
	struct od_candidates candidates;
	struct od_pairing pairing;
	struct pair_writer writer;
	struct pair_hold *hold;
};

/* What identifies a record for random choices is what identifies it for --sample. */
static uint64_t
stream_of(const struct od_record *rec)
{
	size_t n = 0;

	while (rec->id[n])
		n++;
	return n ? od_hash64(rec->id, n, 0) : od_hash64(rec->line, rec->len, 0);
}

static enum od_status
read_record(struct run *r, const struct od_record *rec, struct od_error *err)
{
	enum od_status st = od_candidates_read(&r->candidates, rec, NULL, err);

	if (st == OD_OK && r->candidates.pair)
		st = od_fail(err, OD_EFORMAT, "is a pair already: candidates have a prompt and 'responses'");
	return st == OD_OK ? od_pairing_begin(&r->pairing, &r->o->rules, &r->candidates, stream_of(rec), err) : st;
}

/* The best score of a record whose best was not above the floor, for the warning. */
static void
note_floor(struct run *r)
{
	const struct od_pairing *p = &r->pairing;

	for (size_t i = 0; i < r->candidates.n; i++)
		if (p->items[i].unfit == OD_FIT)
			od_moments_add(&r->sum->below_floor, p->items[i].reward);
}

static enum od_status
run_record(struct run *r, const struct od_record *rec, struct od_error *err)
{
	enum od_unpaired why = OD_PAIRED;
	enum od_status st = read_record(r, rec, err);
	struct od_choice choice;
	struct pair_facts facts;
	int64_t n = 0;

	if (st != OD_OK)
		return st == OD_EFORMAT ? od_jsonl_reject(r->in, rec, err) : st;
	r->sum->records++;
	for (int i = 0; i < OD_N_UNFIT; i++)
		r->sum->responses[i] += r->pairing.unfit[i];
	while (st == OD_OK && (!r->o->n_per_prompt || n < r->o->n_per_prompt)) {
		why = od_pairing_next(&r->pairing, &choice);
		if (why != OD_PAIRED)
			break;
		st = pair_write_line(&r->writer, rec, &r->candidates, &choice, &facts, err);
		if (st == OD_OK)
			st = pair_hold_add(r->hold, n++, &r->writer.line, &facts, err);
	}
	r->sum->paired += n > 0;
	r->sum->unpaired[why] += n == 0;
	if (n == 0 && why == OD_UNPAIRED_FLOOR)
		note_floor(r);
	return st;
}

enum od_status
pair_run(const struct pair_options *o, struct od_jsonl *in, struct od_jsonl_writer *out, struct pair_summary *s,
	struct od_error *err)
{
	struct run r = { .o = o, .in = in, .sum = s, .candidates = OD_CANDIDATES_INIT, .writer = { .o = o } };
	struct od_record rec;
	enum od_status st = pair_hold_open(&r.hold, o->n_cap, out, s, err);

	while (st == OD_OK) {
		st = od_jsonl_next(in, &rec, err);
		if (st == OD_OK)
			st = run_record(&r, &rec, err);
	}
	if (st == OD_EOF)
		st = pair_hold_finish(r.hold, err);
	pair_hold_close(r.hold);
	od_pairing_release(&r.pairing);
	od_candidates_release(&r.candidates);
	od_buf_release(&r.writer.line);
	od_buf_release(&r.writer.values);
	return st;
}
