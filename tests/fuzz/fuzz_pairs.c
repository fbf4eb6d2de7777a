/* fuzz_pairs.c -- hostile streams of tokenised pairs. Every array that an accepted pair points to is read to its end. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pref/pairstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void
touch(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		sink ^= p[i];
}

static void
read_pair(const struct od_token_pair *p)
{
	size_t total = (size_t)p->n_prompt + (size_t)p->n_chosen + (size_t)p->n_rejected;
	size_t scored = (size_t)p->scored_chosen + (size_t)p->scored_rejected;

	if (p->n_prompt < 0 || p->n_chosen < 1 || p->n_rejected < 0 || scored > total)
		abort();
	touch(p->ids, 4 * total);
	touch(p->id, strlen(p->id) + 1);
	if (p->scored)
		touch(p->scored, total);
	if (p->ref_token_logps)
		touch(p->ref_token_logps, 4 * scored);
	if (isinf(p->score_chosen) || isinf(p->ref_rejected_logps) || isnan(p->weight))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_pairstream_reader *r;
	struct od_token_pair p;
	struct od_in *in;
	enum od_status st;

	if (od_in_memory(&in, data, size, "fuzz", NULL) != OD_OK || od_pairstream_open(&r, in, NULL) != OD_OK)
		return 0;
	while ((st = od_pairstream_next(r, &p, &err)) == OD_OK)
		read_pair(&p);
	if (st != OD_EOF && !*err.msg)
		abort();
	od_pairstream_close(r);
	return 0;
}
