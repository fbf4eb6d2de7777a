/* gen.c -- problems of the arithmetic world (world.h), with solutions for supervised training, as JSON lines.
 *
 *   gen SPLIT N [--seed S] [--levels A-B] [--careful P] [--stick P] [--quick-wrong P]
 *       [--careful-wrong P]
 *
 * SPLIT is sft, pairs, valid or test. A problem belongs to one split by the hash of its text, so splits are disjoint whatever their
 * seeds and sizes, and a split has no problem twice. Records have id, level, prompt and answer; those of sft also chosen, a solution
 * in which a step is careful with probability P (0.4), though it is of the same kind as the one before with probability --stick (0.8), and
 * wrong with a probability that depends on its kind (0.12, 0.03), and wrong_steps, how many are.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "world.h"

static const struct {
	const char *name;
	unsigned from, to;                         /* of 100 classes of problems */
} splits[] = { { "sft", 0, 70 }, { "pairs", 70, 85 }, { "valid", 85, 90 }, { "test", 90, 100 } };

#define N_SPLITS (sizeof splits / sizeof *splits)

struct options {
	size_t split;
	long n;
	uint64_t seed;
	int from, to;                              /* levels */
	double careful, stick, quick_wrong, careful_wrong;
};

static void
usage(const char *why)
{
	fprintf(stderr, "gen: %s\nusage: gen sft|pairs|valid|test N [--seed S] [--levels A-B] [--careful P] [--stick P] "
		"[--quick-wrong P] [--careful-wrong P]\n", why);
	exit(2);
}

/* ---- the set of problems that are out ------------------------------------------------------------------------------ */

struct set {
	uint64_t *slot;                            /* hashes, 0: empty; open addressing */
	size_t n_slots;                            /* a power of two */
};

static uint64_t
hash(const char *s)
{
	uint64_t h = 0x243f6a8885a308d3u;

	for (; *s; s++)
		h = od_rng_mix(h ^ (unsigned char)*s);
	return h | 1;                              /* never 0 */
}

/* False when it was there. */
static bool
add(struct set *s, uint64_t h)
{
	size_t i = (size_t)(h >> 8) & (s->n_slots - 1);

	for (; s->slot[i]; i = (i + 1) & (s->n_slots - 1))
		if (s->slot[i] == h)
			return false;
	s->slot[i] = h;
	return true;
}

/* ---- problems and solutions ---------------------------------------------------------------------------------------- */

static void
draw_problem(struct problem *p, const struct options *o, struct od_rng *r)
{
	p->level = o->from + (int)od_rng_below(r, (uint64_t)(o->to - o->from + 1));
	p->start = 10 + (int)od_rng_below(r, 90);
	for (int i = 0; i < p->level; i++) {
		p->op[i] = "+-*"[od_rng_below(r, 3)];
		p->operand[i] = 2 + (int)od_rng_below(r, 8);
	}
}

/* A digit of a two-digit number one off. */
static int
spoil(int x, struct od_rng *r)
{
	int place = od_rng_below(r, 2) ? 10 : 1, digit = x / place % 10;
	int off = digit == 0 ? 1 : digit == 9 ? -1 : od_rng_below(r, 2) ? 1 : -1;

	return x + off * place;
}

/* Writes a solution; returns how many of its steps are wrong. */
static int
draw_solution(char out[MAX_SOLUTION], const struct problem *p, const struct options *o, struct od_rng *r)
{
	int n = 0, wrong = 0, x = p->start;
	bool careful = false;

	for (int i = 0; i < p->level; i++) {
		struct step s = world_step(x, p->op[i], p->operand[i]);

		if (i == 0 || od_rng_uniform(r) >= o->stick)
			careful = od_rng_uniform(r) < o->careful;

		n += snprintf(out + n, (size_t)(MAX_SOLUTION - n), "%02d%c%d", x, p->op[i], p->operand[i]);
		if (careful)
			n += snprintf(out + n, (size_t)(MAX_SOLUTION - n), ":%02d,%02d", s.units, s.tens);
		x = s.result;
		if (od_rng_uniform(r) < (careful ? o->careful_wrong : o->quick_wrong)) {
			x = spoil(x, r);
			wrong++;
		}
		n += snprintf(out + n, (size_t)(MAX_SOLUTION - n), "=%02d;", x);
	}
	snprintf(out + n, (size_t)(MAX_SOLUTION - n), "#%02d", x);
	return wrong;
}

static bool
in_split(const struct options *o, uint64_t h)
{
	unsigned class = (unsigned)(od_rng_mix(h) % 100);

	return class >= splits[o->split].from && class < splits[o->split].to;
}

static void
put(const struct options *o, long i, const struct problem *p, const char *prompt, struct od_rng *r)
{
	char solution[MAX_SOLUTION];

	printf("{\"id\":\"%s-%06ld\",\"level\":%d,\"prompt\":\"%s\",\"answer\":\"%02d\"", splits[o->split].name, i, p->level, prompt,
		world_answer(p));
	if (o->split == 0) {
		int wrong = draw_solution(solution, p, o, r);

		printf(",\"chosen\":\"%s\",\"wrong_steps\":%d", solution, wrong);
	}
	puts("}");
}

static int
generate(const struct options *o)
{
	struct od_rng r = od_rng_init(o->seed, o->split);
	struct set seen = { NULL, 64 };
	char prompt[MAX_PROMPT];
	struct problem p = { 0 };
	long tries = 0;

	while (seen.n_slots < 4 * (size_t)o->n)
		seen.n_slots *= 2;
	seen.slot = calloc(seen.n_slots, sizeof *seen.slot);
	if (!seen.slot) {
		perror("gen");
		return 1;
	}
	for (long i = 0; i < o->n; tries++) {
		if (tries > 100 * (o->n + 1000)) {
			fprintf(stderr, "gen: there are not %ld problems of these levels in '%s'\n", o->n, splits[o->split].name);
			return 1;
		}
		draw_problem(&p, o, &r);
		world_prompt(&p, prompt);
		if (in_split(o, hash(prompt)) && add(&seen, hash(prompt)))
			put(o, i++, &p, prompt, &r);
	}
	free(seen.slot);
	return 0;
}

/* ---- options ------------------------------------------------------------------------------------------------------- */

static double
share(const char *s)
{
	char *end;
	double p = strtod(s, &end);

	if (*end || end == s || !(p >= 0 && p <= 1))
		usage("a probability lies between 0 and 1");
	return p;
}

static void
read_levels(struct options *o, const char *s)
{
	char rest;

	if (sscanf(s, "%d-%d%c", &o->from, &o->to, &rest) != 2 || o->from < 1 || o->to < o->from || o->to > MAX_LEVEL)
		usage("--levels wants A-B, from 1 to 9");
}

static void
read_option(struct options *o, const char *name, const char *value)
{
	char *end = "";

	if (!value)
		usage("an option without its value");
	if (strcmp(name, "--seed") == 0)
		o->seed = strtoull(value, &end, 10);
	else if (strcmp(name, "--levels") == 0)
		read_levels(o, value);
	else if (strcmp(name, "--careful") == 0)
		o->careful = share(value);
	else if (strcmp(name, "--stick") == 0)
		o->stick = share(value);
	else if (strcmp(name, "--quick-wrong") == 0)
		o->quick_wrong = share(value);
	else if (strcmp(name, "--careful-wrong") == 0)
		o->careful_wrong = share(value);
	else
		usage("an unknown option");
	if (*end || !*value)
		usage("--seed wants a number");
}

int
main(int argc, char **argv)
{
	struct options o = { .split = N_SPLITS, .from = 3, .to = 6, .careful = 0.4, .stick = 0.8, .quick_wrong = 0.12, .careful_wrong = 0.03 };
	char *end;

	if (argc < 3)
		usage("needs a split and a number");
	for (size_t i = 0; i < N_SPLITS; i++)
		if (strcmp(argv[1], splits[i].name) == 0)
			o.split = i;
	o.n = strtol(argv[2], &end, 10);
	if (o.split == N_SPLITS || *end || o.n < 1 || o.n > 100000000)
		usage("needs a split and a number");
	for (int i = 3; i < argc; i += 2)
		read_option(&o, argv[i], argv[i + 1]);
	if (generate(&o) != 0)
		return 1;
	if (fclose(stdout) != 0) {
		perror("gen: cannot write");
		return 1;
	}
	return 0;
}
