#include <math.h>
#include <string.h>

#include "base/num.h"
#include "score/score.h"

static const char *const policies[] = { "drop", "keep", NULL };
static const char *const inverted_policies[] = { "keep", "drop", "swap", NULL };

#define T struct score_options

const struct od_opt score_opts[] = {
	OD_OPT_STR(T, scale, "scale", "A,B", "write A * score + B; ratios are fine (1-10 to 1-5: 4/9,5/9)"),
	OD_OPT_STR(T, min_gap, "min-gap", "G", "leave out pairs whose scaled scores differ by less than G"),
	OD_OPT_ENUM(T, identical, "identical", "HOW", policies, "pairs with identical responses"),
	OD_OPT_ENUM(T, empty, "empty", "HOW", policies, "pairs with an empty response"),
	OD_OPT_ENUM(T, inverted, "inverted", "HOW", inverted_policies, "pairs whose rejected response scores higher"),
	OD_OPT_FLAG(T, rescore, "rescore", "replace the scores of records that already carry others"),
	OD_OPT_DOUBLE(T, objective.tau_good, "tau-good", "T", 0, 0, "score the warnings take as good"),
	OD_OPT_DOUBLE(T, objective.eta, "eta", "E", 0, 1e9, "slope of the quality weight the warnings look at"),
	OD_OPT_END
};

/* A number, or a ratio of two. */
static bool
parse_ratio(const char *s, size_t n, double *out)
{
	char text[2][64];
	const char *slash = memchr(s, '/', n);
	size_t first = slash ? (size_t)(slash - s) : n, second = slash ? n - first - 1 : 0;
	double down = 1;

	if (first >= sizeof(text[0]) || second >= sizeof(text[1]))
		return false;
	memcpy(text[0], s, first);
	text[0][first] = '\0';
	if (slash) {
		memcpy(text[1], slash + 1, second);
		text[1][second] = '\0';
	}
	if (!od_num_double(text[0], out) || (slash && (!od_num_double(text[1], &down) || down == 0)))
		return false;
	*out /= down;
	return isfinite(*out);
}

enum od_status
score_scale_parse(const char *text, double *a, double *b, struct od_error *err)
{
	const char *comma = text ? strchr(text, ',') : NULL;

	*a = 1;
	*b = 0;
	if (text && (!comma || !parse_ratio(text, (size_t)(comma - text), a) || !parse_ratio(comma + 1, strlen(comma + 1), b)))
		return od_fail(err, OD_EUSAGE, "option '--scale' must be two numbers A,B, not '%s'", text);
	if (*a == 0)
		return od_fail(err, OD_EUSAGE, "option '--scale' must not begin with 0: all scores would be equal");
	return OD_OK;
}

enum od_status
score_options_finish(struct score_options *o, struct od_error *err)
{
	o->gap = NAN;
	if (o->min_gap && !od_num_double(o->min_gap, &o->gap))
		return od_fail(err, OD_EUSAGE, "option '--min-gap' must be a number, not '%s'", o->min_gap);
	return score_scale_parse(o->scale, &o->a, &o->b, err);
}
