/* hold.c -- the cap over pairs of several sweeps. Pairs arrive record by record, and are to go out sweep by sweep, as far as
 * the cap reaches. */
#include <stdlib.h>

#include "base/mem.h"
#include "pair/pair.h"

struct held {
	char *line;
	size_t len;
	struct pair_facts facts;
};

struct sweep {
	struct held *pairs;                        /* [n], in order of the records */
	size_t n, cap;
};

struct pair_hold {
	int64_t limit, taken;                      /* taken: written or held; limit 0: none */
	struct od_jsonl_writer *writer;
	struct pair_summary *sum;
	struct sweep *sweeps;                      /* the first is empty: its pairs are written */
	size_t n, cap;
};

enum od_status
pair_hold_open(struct pair_hold **out, int64_t cap, struct od_jsonl_writer *writer, struct pair_summary *s,
	struct od_error *err)
{
	struct pair_hold *h;
	enum od_status st = od_alloc(&h, 1, sizeof *h, "pairs", err);

	if (st != OD_OK)
		return st;
	*h = (struct pair_hold){ .limit = cap, .writer = writer, .sum = s };
	*out = h;
	return OD_OK;
}

static enum od_status
emit(struct pair_hold *h, const char *line, size_t len, const struct pair_facts *f, struct od_error *err)
{
	pair_summary_add(h->sum, f);
	return od_jsonl_write(h->writer, line, len, err);
}

/* Makes room for a pair of this sweep: a later sweep gives its last one up. */
static bool
make_room(struct pair_hold *h, size_t sweep)
{
	struct sweep *s;

	if (!h->limit || h->taken < h->limit)
		return true;
	while (h->n > 0 && !h->sweeps[h->n - 1].n)
		h->n--;
	if (h->n <= sweep + 1)
		return false;
	s = &h->sweeps[h->n - 1];
	free(s->pairs[--s->n].line);
	h->taken--;
	h->sum->over_cap++;
	return true;
}

static enum od_status
keep(struct pair_hold *h, size_t sweep, const struct od_buf *line, const struct pair_facts *f, struct od_error *err)
{
	size_t old = h->cap;
	struct sweep *s;

	if (!od_grow(&h->sweeps, &h->cap, sweep + 1, sizeof *h->sweeps))
		return od_fail_nomem(err, "pairs", line->len);
	for (size_t i = old; i < h->cap; i++)
		h->sweeps[i] = (struct sweep){ NULL, 0, 0 };
	h->n = sweep + 1 > h->n ? sweep + 1 : h->n;
	s = &h->sweeps[sweep];
	if (!od_grow(&s->pairs, &s->cap, s->n + 1, sizeof *s->pairs))
		return od_fail_nomem(err, "pairs", line->len);
	s->pairs[s->n] = (struct held){ od_strndup(line->data, line->len), line->len, *f };
	return s->pairs[s->n++].line ? OD_OK : od_fail_nomem(err, "pairs", line->len);
}

enum od_status
pair_hold_add(struct pair_hold *h, int64_t sweep, const struct od_buf *line, const struct pair_facts *f,
	struct od_error *err)
{
	if (!make_room(h, (size_t)sweep)) {
		h->sum->over_cap++;
		return OD_OK;
	}
	h->taken++;
	return sweep && h->limit ? keep(h, (size_t)sweep, line, f, err) : emit(h, line->data, line->len, f, err);
}

enum od_status
pair_hold_finish(struct pair_hold *h, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (size_t i = 0; i < h->n; i++) {
		const struct sweep *s = &h->sweeps[i];

		for (size_t k = 0; st == OD_OK && k < s->n; k++)
			st = emit(h, s->pairs[k].line, s->pairs[k].len, &s->pairs[k].facts, err);
	}
	return st;
}

void
pair_hold_close(struct pair_hold *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->cap; i++) {
		for (size_t k = 0; k < h->sweeps[i].n; k++)
			free(h->sweeps[i].pairs[k].line);
		free(h->sweeps[i].pairs);
	}
	free(h->sweeps);
	free(h);
}
