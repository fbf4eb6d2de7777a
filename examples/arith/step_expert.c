/* step_expert.c -- a step-wise expert for the arithmetic world: od-score command runs it as a coprocess.
 *
 *   step_expert [--sd S] [--bias S] [--seed N]
 *
 * It stands for a process reward model: it judges every step, is not sure of itself, and is sometimes wrong. A step counts as good when it
 * and all before it are right, since what follows a mistake leads nowhere; a step that is missing is not good. The judgement of a
 * good step is 0.9, of another 0.1, with normal errors of deviation S for each step (0.4) and for the whole response (--bias, 0.2), cut off at
 * 0 and 1. The score is 10 times the mean over the problem's steps, halved where the solution does not end in its own last result.
 * Errors depend on the seed and the texts alone.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "world.h"

struct expert {
	double sd, bias;
	uint64_t seed;
};

static uint64_t
hash(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = od_rng_mix(h ^ (unsigned char)*s) + 1;
	return h;
}

static double
clip(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double
score(const struct expert *e, const struct problem *p, const char *prompt, const char *text)
{
	struct od_rng r = od_rng_init(e->seed, hash(hash(0, prompt), text));
	double bias = e->bias * od_rng_normal(&r), sum = 0;
	struct reading reading;
	bool good = true;

	world_read_solution(&reading, p, text);
	for (int i = 0; i < p->level; i++) {
		good = good && i < reading.steps && reading.right[i];
		sum += clip((good ? 0.9 : 0.1) + bias + e->sd * od_rng_normal(&r));
	}
	return 10 * sum / p->level * (reading.complete ? 1 : 0.5);
}

/* The answer to one line; false when it is no question of this world. */
static bool
answer(const struct expert *e, const char *line, double *out)
{
	json_t *json = json_loads(line, 0, NULL);
	const char *prompt = json_string_value(json_object_get(json, "prompt"));
	const char *text = json_string_value(json_object_get(json, "response"));
	struct problem p;
	bool fine = prompt && text && world_read_prompt(&p, prompt);

	if (fine)
		*out = score(e, &p, prompt, text);
	json_decref(json);
	return fine;
}

static double
number(const char *s)
{
	char *end = NULL;
	double x = s ? strtod(s, &end) : -1;

	if (!s || end == s || *end || !(x >= 0)) {
		fprintf(stderr, "step_expert: an option wants a number that is not negative\n");
		exit(2);
	}
	return x;
}

int
main(int argc, char **argv)
{
	struct expert e = { 0.4, 0.2, 0 };
	char *line = NULL;
	size_t cap = 0;
	double s;

	for (int i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "--sd") == 0)
			e.sd = number(argv[i + 1]);
		else if (strcmp(argv[i], "--bias") == 0)
			e.bias = number(argv[i + 1]);
		else if (strcmp(argv[i], "--seed") == 0)
			e.seed = (uint64_t)number(argv[i + 1]);
		else {
			fprintf(stderr, "usage: step_expert [--sd S] [--bias S] [--seed N]\n");
			return 2;
		}
	}
	while (getline(&line, &cap, stdin) > 0) {
		if (answer(&e, line, &s))
			printf("{\"score\":%.4f}\n", s);
		else
			puts("{\"error\":\"not a problem of the arithmetic world\"}");
		fflush(stdout);
	}
	free(line);
	return 0;
}
