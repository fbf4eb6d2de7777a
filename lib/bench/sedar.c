/* sedar.c -- see sedar.h. */
#include "bench/sedar.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "text/unicode.h"

/* The first N_HARD weigh as one sixth of the total together. */
const char *const od_sedar_categories[OD_SEDAR_CATEGORIES] = { "推理", "数学", "代码", "问答", "理解", "对话", "Agent/复杂指令", "创作" };
enum { N_HARD = 3 };

#define MAX_SCORE 5.0

int
od_sedar_category(const char *name)
{
	for (int i = 0; i < OD_SEDAR_CATEGORIES; i++)
		if (strcmp(name, od_sedar_categories[i]) == 0)
			return i;
	return -1;
}

/* ---- the score in a text ------------------------------------------------------------------------------------------------ */

static bool
take(const char **p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - *p) < n || memcmp(*p, word, n) != 0)
		return false;
	*p += n;
	return true;
}

/* A digit, ASCII or full width; -1 when there is none. */
static int
take_digit(const char **p, const char *end)
{
	uint32_t cp = 0;
	size_t n = od_utf8_decode(*p, (size_t)(end - *p), &cp);
	int digit = cp >= '0' && cp <= '9' ? (int)(cp - '0') : cp >= 0xff10 && cp <= 0xff19 ? (int)(cp - 0xff10) : -1;

	if (n > 0 && digit >= 0)
		*p += n;
	return n > 0 ? digit : -1;
}

static void
skip_space(const char **p, const char *end)
{
	uint32_t cp;
	size_t n;

	while ((n = od_utf8_decode(*p, (size_t)(end - *p), &cp)) > 0 && od_is_strip_space(cp))
		*p += n;
}

/* A decimal number at *p; false when there is none. */
static bool
take_number(const char **p, const char *end, double *out)
{
	bool negative = take(p, end, "-");
	const char *fraction;
	double scale = 1;
	int digit = take_digit(p, end);

	if (digit < 0)
		return false;
	for (*out = 0; digit >= 0; digit = take_digit(p, end))
		*out = *out * 10 + digit;
	fraction = *p;
	if (take(&fraction, end, ".") && (digit = take_digit(&fraction, end)) >= 0) {
		for (; digit >= 0; digit = take_digit(&fraction, end))
			*out += digit * (scale /= 10);
		*p = fraction;
	}
	if (negative)
		*out = -*out;
	return true;
}

enum od_sedar_parse
od_sedar_score(const char *text, size_t n, double *score)
{
	const char *end = text + n, *p = text;
	bool found = false;

	*score = NAN;
	while (p < end) {
		const char *q = p;
		double v;

		if (!take(&q, end, "最终得分")) {
			p++;
			continue;
		}
		p = q;
		take(&q, end, "为");
		if (!take(&q, end, ":") && !take(&q, end, "："))
			continue;
		skip_space(&q, end);
		if (take_number(&q, end, &v)) {
			*score = v;
			found = true;
			p = q;
		}
	}
	if (!found)
		return OD_SEDAR_NONE;
	if (*score >= 0 && *score <= MAX_SCORE)
		return OD_SEDAR_FOUND;
	*score = NAN;
	return OD_SEDAR_OUTSIDE;
}

/* ---- rates -------------------------------------------------------------------------------------------------------------- */

void
od_sedar_add(struct od_sedar_sums *s, int category, double score)
{
	od_moments_add(&s->category[category], score);
	od_moments_add(&s->all, score);
}

/* The mean of categories [from, to) that have items, and its variance; NaN when none has. */
static double
group_mean(const struct od_sedar_rates *r, int from, int to, double *variance)
{
	double sum = 0, sum_var = 0;
	int n = 0;

	for (int i = from; i < to; i++) {
		if (isnan(r->category[i]))
			continue;
		sum += r->category[i];
		sum_var += r->category_se[i] * r->category_se[i];
		n++;
	}
	*variance = n > 0 ? sum_var / n / n : NAN;
	return n > 0 ? sum / n : NAN;
}

void
od_sedar_rates(const struct od_sedar_sums *s, struct od_sedar_rates *out)
{
	double var_hard, var_other, hard, other;

	for (int i = 0; i < OD_SEDAR_CATEGORIES; i++) {
		out->category[i] = 100 / MAX_SCORE * od_moments_mean(&s->category[i]);
		out->category_se[i] = 100 / MAX_SCORE * od_moments_se(&s->category[i]);
	}
	out->category_mean = group_mean(out, 0, OD_SEDAR_CATEGORIES, &var_hard);
	hard = group_mean(out, 0, N_HARD, &var_hard);
	other = group_mean(out, N_HARD, OD_SEDAR_CATEGORIES, &var_other);
	out->total = (hard + 5 * other) / 6;
	out->total_se = sqrt(var_hard + 25 * var_other) / 6;
	out->mean = od_moments_mean(&s->all);
	out->mean_se = od_moments_se(&s->all);
}
